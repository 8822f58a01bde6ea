/* HTTPS: which path is what, and the server's own certificate. */
#include "host.h"

#include <stdio.h>

#define RETRY_MS INT64_C(600000)

static void answered(void *arg, const struct enroll_answer *answer)
{
    http_reply(arg, answer->status, answer->content_type, answer->body);
}

static void ask(struct host *h, struct http_request *request)
{
    const struct enroll_question question = {
        .content_type = http_request_header(request, "Content-Type"),
        .body = http_request_body(request),
        .client_certificate = http_request_certificate(request),
        .source = http_request_peer(request),
    };
    enroll_ask(h->enroll, daemon_now(&h->daemon), &question, answered, request);
}

static void serve_document(struct host *h, struct http_request *request)
{
    char version[32];
    struct slice document = enroll_document(h->enroll);
    if (document.n == 0) {
        http_reply(request, 503, "text/plain", slice_str("temporarily_unavailable"));
        return;
    }
    snprintf(version, sizeof version, "\"%u\"", enroll_sequence(h->enroll));
    if (http_reply_versioned(request, version, "application/p2p-overlay+xml", document) == 200)
        enroll_counters(h->enroll)->configurations_served++;
    else
        enroll_counters(h->enroll)->configurations_unchanged++;
}

struct route {
    const char *path;
    enum http_method method;
    void (*serve)(struct host *h, struct http_request *request);
};

static const struct route routes[] = {
    {"/.well-known/reload-config", HTTP_GET, serve_document}, /* RFC 6940 11.2 */
    {"/enroll", HTTP_POST, ask},                              /* RFC 6940 11.3 */
    {"/renew", HTTP_POST, ask}, /* the same: the certificate shown by TLS makes the difference */
};

static void on_request(void *arg, struct http_request *request)
{
    struct host *h = arg;
    int status = 404;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(http_request_path(request), routes[i].path) != 0)
            continue;
        if (http_request_method(request) == routes[i].method) {
            routes[i].serve(h, request);
            return;
        }
        status = 405;
    }
    http_reply(request, status, "text/plain", slice_str(status == 404 ? "not_found" : "method_not_allowed"));
}

/* A fresh key each time: nothing depends on it but the connections of the moment. */
static int make_tls(struct host *h, struct cert **ret_cert)
{
    struct key *key = NULL;
    struct cert *cert = NULL;
    struct buf key_pem;
    buf_init(&key_pem, 16384);
    int err = key_generate(KEY_EC_P256, &key);
    if (!err)
        err = enroll_issue_server(h->enroll, daemon_now(&h->daemon), key, h->daemon.settings->names,
                                  h->daemon.settings->name_count, &cert);
    if (!err)
        err = key_to_pem(key, &key_pem);
    if (!err) {
        struct tls_options options = {
            .role = TLS_SERVER,
            .peer = TLS_PEER_OPTIONAL,
            .certificate = cert_der(cert),
            .key_pem = buf_slice(&key_pem),
        };
        options.trust = enroll_roots(h->enroll, &options.trust_count);
        err = h->tls ? tls_context_reload(h->tls, &options) : tls_context_new(&options, &h->tls);
    }
    buf_fini_secret(&key_pem);
    key_free(key);
    if (err) {
        cert_free(cert);
        return err;
    }
    *ret_cert = cert;
    return 0;
}

int https_renew(struct host *h)
{
    struct now now = daemon_now(&h->daemon);
    struct cert *cert;
    int64_t wait_ms = RETRY_MS;
    int err = make_tls(h, &cert);
    if (err) {
        log_event(&h->daemon.log, LEVEL_ERROR, "https.certificate.failed", "error=%s", err_name(err));
    } else {
        char end[WALL_TEXT_OCTETS];
        log_event(&h->daemon.log, LEVEL_INFO, "https.certificate.made", "name=%s until=%s",
                  h->daemon.settings->names[0], wall_format(cert_not_after(cert), end));
        wait_ms = (cert_not_after(cert).ms - now.wall.ms) / 2;
        cert_free(cert);
    }
    loop_timer_set(h->tls_timer, mono_after_ms(now.mono, wait_ms));
    return err;
}

static void renewal_due(void *arg)
{
    (void)https_renew(arg);
}

int https_open(struct host *h)
{
    int err = loop_timer_new(h->daemon.loop, renewal_due, h, &h->tls_timer);
    if (!err)
        err = https_renew(h);
    if (err)
        return err;
    const struct http_server_options options = {.bind = h->daemon.settings->listen, .tls = h->tls};
    err = http_server_open(h->daemon.loop, &options, on_request, h, &h->http);
    if (!err)
        enroll_show_counters(h->enroll, "https", http_server_counters_names,
                             COUNTERS_VALUES(http_server_counters(h->http)));
    return daemon_log_listening(&h->daemon, "https", &options.bind, err);
}

void https_close(struct host *h)
{
    if (h->enroll)
        enroll_show_counters(h->enroll, NULL, NULL, NULL);
    http_server_close(h->http);
    h->http = NULL;
    loop_timer_free(h->tls_timer);
    h->tls_timer = NULL;
}
