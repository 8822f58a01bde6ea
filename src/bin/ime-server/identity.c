/* Who this server is: the ring's configuration document, our key and certificate (certificate.c), and the TLS contexts made of them. */
#include "identity.h"

#include "io/file.h"

#include <stdio.h>

#define REFETCH_TIMEOUT_MS 5000
#define TRUST_MAX 15 /* authorities of the configuration */

/* ---- talking to the enrollment server before there is anything else to do ---- */

void answer_came(void *arg, const struct http_answer *from)
{
    struct answer *a = arg;
    a->done = true;
    a->err = from->err;
    a->status = from->status;
    snprintf(a->detail, sizeof a->detail, "%s", from->err && from->detail ? from->detail : "");
    if (!from->err)
        buf_slice_put(&a->body, from->body);
}

void answer_init(struct answer *a)
{
    *a = (struct answer){0};
    buf_init(&a->body, ENROLL_DOCUMENT_OCTETS_MAX);
}

int answer_await(struct host *h, struct answer *a, int err)
{
    while (!err && !a->done)
        err = loop_turn(h->daemon.loop, true);
    return err ? err : a->err ? a->err : a->body.err;
}

int identity_client_tls(struct host *h, const struct config *config, const struct node *shown,
                        struct tls_context **ret_tls)
{
    struct slice trust[1 + TRUST_MAX] = {buf_slice(&h->authority_pem)};
    struct tls_options options = {.role = TLS_CLIENT, .peer = TLS_PEER_REQUIRED, .trust = trust, .trust_count = 1};
    for (size_t i = 0; config && i < config->root_cert_count && i < TRUST_MAX; i++)
        trust[options.trust_count++] = config->root_certs[i];
    if (shown) {
        options.certificate = buf_slice(&shown->certificate_pem);
        options.key_pem = buf_slice(&h->key_pem);
    }
    return tls_context_new(&options, ret_tls);
}

/* ---- the configuration document ---- */

static int parse_config(struct host *h, struct slice document, const struct config *authority,
                        struct config **ret_config)
{
    struct config *config;
    struct config_fault fault = {0};
    int err = config_parse(document, (struct slice){NULL, 0}, &config, &fault);
    if (err) {
        log_event(&h->daemon.log, LEVEL_ERROR, "config.malformed", "line=%u rule=\"%s\"", fault.line,
                  fault.rule ? fault.rule : err_text(err));
        return err;
    }
    err = config_verify(config, authority ? authority : config, daemon_now(&h->daemon).wall);
    if (err) {
        log_event(&h->daemon.log, LEVEL_ERROR, "config.not_trusted", "error=%s%s", err_name(err),
                  err == ERR_EXPIRED ? "; is this host's clock right?" : "");
        config_free(config);
        return err;
    }
    *ret_config = config;
    return 0;
}

static struct config *stored_config(struct host *h)
{
    struct config *stored = NULL;
    struct slice document;
    if (server_stored_config(sqlite_store_kv(h->daemon.store), &document) == 0)
        parse_config(h, document, NULL, &stored);
    return stored;
}

/* The document that the store holds (NULL: none), and a newer one if the enrollment server has it: a server that was away for long may know
 * nothing of the bootstrap nodes of today. */
static int prepare_config(struct host *h, struct tls_context *tls, struct config *stored, struct config **ret_config)
{
    struct config *fetched = NULL;
    struct answer a;
    struct http_call *call;
    answer_init(&a);
    int err = enroll_fetch_config(h->daemon.loop, tls, h->daemon.settings->enroll_url, NULL,
                                  stored ? REFETCH_TIMEOUT_MS : ENROLL_TIMEOUT_MS, answer_came, &a, &call);
    err = answer_await(h, &a, err);
    if (!err && a.status != 200)
        err = ERR_NOT_FOUND;
    if (err)
        log_event(&h->daemon.log, stored ? LEVEL_WARNING : LEVEL_ERROR, "config.fetch.failed",
                  "url=%s error=%s status=%d detail=\"%s\"; %s", h->daemon.settings->enroll_url, err_name(err),
                  a.status, a.detail,
                  stored            ? "going on with the stored one"
                  : err == ERR_AUTH ? "check [enroll] url and ca; is this host's clock right?"
                                    : "is ime-enroll running there? check [enroll] url");
    else
        err = parse_config(h, buf_slice(&a.body), stored, &fetched);
    buf_fini(&a.body);

    if (fetched && (!stored || config_may_follow(stored, fetched) == 0)) {
        config_free(stored);
        stored = fetched;
        fetched = NULL;
    }
    config_free(fetched);
    if (!stored)
        return err;
    *ret_config = stored;
    return 0;
}

/* ---- all of it ---- */

int identity_prepare(struct host *h, struct config **ret_config)
{
    struct tls_context *tls = NULL;
    struct config *config = NULL;
    buf_init(&h->authority_pem, 64u << 10);
    buf_init(&h->key_pem, 64u << 10);
    int err = file_read(h->daemon.settings->enroll_ca, &h->authority_pem);
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "enroll.ca",
                  "file=%s error=%s; copy the ca-file of ime-enroll there, or change [enroll] ca",
                  h->daemon.settings->enroll_ca, err_name(err));
    if (!err) {
        config = stored_config(h);
        err = identity_client_tls(h, config, NULL, &tls);
        if (err)
            log_event(&h->daemon.log, LEVEL_ERROR, "enroll.ca",
                      "file=%s error=%s; it must be the ca-file of ime-enroll (PEM)", h->daemon.settings->enroll_ca,
                      err_name(err));
    }
    if (!err)
        err = prepare_config(h, tls, config, &config);
    if (!err) { /* it may name other authorities */
        tls_context_free(tls);
        tls = NULL;
        err = identity_client_tls(h, config, NULL, &tls);
    }
    if (!err)
        err = certificate_prepare_key(h);
    if (!err)
        err = certificate_prepare(h, tls, config);
    if (!err)
        err = node_tls(&h->nodes[0], config);
    if (!err)
        err = node_security(&h->nodes[0], config);
    tls_context_free(tls);
    if (err) {
        config_free(config);
        return err;
    }
    *ret_config = config;
    return 0;
}

void identity_fini(struct host *h)
{
    host_fini_nodes(h);
    tls_context_free(h->vap_tls);
    tls_context_free(h->pvp_server);
    tls_context_free(h->pvp_client);
    key_free(h->key);
    buf_fini_secret(&h->key_pem);
    buf_fini(&h->authority_pem);
}
