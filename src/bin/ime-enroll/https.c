/* HTTPS: which path is what, and the server's own certificate. */
#include "daemon.h"

#include <stdio.h>

#define RETRY_MS INT64_C(600000)

static void answered(void *arg, const struct enroll_answer *answer)
{
    http_reply(arg, answer->status, answer->content_type, answer->body);
}

static void ask(struct daemon *d, struct http_request *request)
{
    const struct enroll_question question = {
        .content_type = http_request_header(request, "Content-Type"),
        .body = http_request_body(request),
        .client_certificate = http_request_certificate(request),
        .source = http_request_peer(request),
    };
    enroll_ask(d->enroll, loop_now(d->loop), &question, answered, request);
}

static void serve_document(struct daemon *d, struct http_request *request)
{
    char version[32];
    struct slice document = enroll_document(d->enroll);
    if (document.n == 0) {
        http_reply(request, 503, "text/plain", slice_str("temporarily_unavailable"));
        return;
    }
    snprintf(version, sizeof version, "\"%u\"", enroll_sequence(d->enroll));
    if (http_reply_versioned(request, version, "application/p2p-overlay+xml", document) == 200)
        enroll_counters(d->enroll)->configurations_served++;
    else
        enroll_counters(d->enroll)->configurations_unchanged++;
}

struct route {
    const char *path;
    enum http_method method;
    void (*serve)(struct daemon *d, struct http_request *request);
};

static const struct route routes[] = {
    {"/.well-known/reload-config", HTTP_GET, serve_document}, /* RFC 6940 11.2 */
    {"/enroll", HTTP_POST, ask},                              /* RFC 6940 11.3 */
    {"/renew", HTTP_POST, ask}, /* the same: the certificate shown by TLS makes the difference */
};

static void on_request(void *arg, struct http_request *request)
{
    struct daemon *d = arg;
    int status = 404;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(http_request_path(request), routes[i].path) != 0)
            continue;
        if (http_request_method(request) == routes[i].method) {
            routes[i].serve(d, request);
            return;
        }
        status = 405;
    }
    http_reply(request, status, "text/plain", slice_str(status == 404 ? "not_found" : "method_not_allowed"));
}

/* A fresh key each time: nothing depends on it but the connections of the moment. */
static int make_tls(struct daemon *d, struct cert **ret_cert)
{
    struct key *key = NULL;
    struct cert *cert = NULL;
    struct buf key_pem;
    buf_init(&key_pem, 16384);
    int err = key_generate(KEY_EC_P256, &key);
    if (!err)
        err = enroll_issue_server(d->enroll, loop_now(d->loop), key, d->settings.names, d->settings.name_count, &cert);
    if (!err)
        err = key_to_pem(key, &key_pem);
    if (!err) {
        struct slice trust = cert_der(enroll_authority(d->enroll));
        const struct tls_options options = {
            .role = TLS_SERVER,
            .peer = TLS_PEER_OPTIONAL,
            .certificate = cert_der(cert),
            .key_pem = buf_slice(&key_pem),
            .trust = &trust,
            .trust_count = 1,
        };
        err = d->tls ? tls_context_reload(d->tls, &options) : tls_context_new(&options, &d->tls);
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

int https_renew(struct daemon *d)
{
    struct now now = loop_now(d->loop);
    struct cert *cert;
    int64_t wait_ms = RETRY_MS;
    int err = make_tls(d, &cert);
    if (err) {
        log_event(&d->log, LEVEL_ERROR, "https.certificate.failed", "error=%s", err_name(err));
    } else {
        char end[WALL_TEXT_OCTETS];
        log_event(&d->log, LEVEL_INFO, "https.certificate.made", "name=%s until=%s", d->settings.names[0],
                  wall_format(cert_not_after(cert), end));
        wait_ms = (cert_not_after(cert).ms - now.wall.ms) / 2;
        cert_free(cert);
    }
    loop_timer_set(d->tls_timer, mono_after_ms(now.mono, wait_ms));
    return err;
}

static void renewal_due(void *arg)
{
    (void)https_renew(arg);
}

int https_open(struct daemon *d)
{
    char address[ADDR_TEXT_OCTETS];
    int err = loop_timer_new(d->loop, renewal_due, d, &d->tls_timer);
    if (!err)
        err = https_renew(d);
    if (err)
        return err;
    const struct http_server_options options = {.bind = d->settings.listen, .tls = d->tls};
    addr_format(&d->settings.listen, address);
    err = http_server_open(d->loop, &options, on_request, d, &d->http);
    if (err)
        log_event(&d->log, LEVEL_ERROR, "https.listen.failed", "address=%s error=%s%s", address, err_name(err),
                  err == ERR_EXISTS        ? "; another program listens there: end it (ss -ltnp tells which), or "
                                             "change [enroll] listen"
                  : err == ERR_UNREACHABLE ? "; this is no address of this host"
                                           : "");
    else
        enroll_show_counters(d->enroll, "https", http_server_counters_names,
                             COUNTERS_VALUES(http_server_counters(d->http)));
    if (!err)
        log_event(&d->log, LEVEL_INFO, "listening", "service=https address=%s", address);
    return err;
}

void https_close(struct daemon *d)
{
    if (d->enroll)
        enroll_show_counters(d->enroll, NULL, NULL, NULL);
    http_server_close(d->http);
    d->http = NULL;
    loop_timer_free(d->tls_timer);
    d->tls_timer = NULL;
}
