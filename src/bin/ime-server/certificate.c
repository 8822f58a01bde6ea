/* Our key and certificate: asked for at the first start, kept in the data folder, renewed in time. */
#include "identity.h"

#include "base/mem.h"
#include "io/file.h"

#include <stdio.h>

#define RENEWAL_RETRY_MAX_MS INT64_C(3600000)
#define PATH_OCTETS 4096

struct certificate_renewal {
    struct loop_timer *timer;
    struct http_call *call;
    struct tls_context *tls;
};

static void data_path(const struct daemon *d, const char *name, char path[PATH_OCTETS])
{
    snprintf(path, PATH_OCTETS, "%s/%s", d->settings.data, name);
}

/* ---- key and certificate ---- */

/* The key is kept before it is used: a certificate that was issued is never without its key. */
int certificate_prepare_key(struct daemon *d)
{
    char path[PATH_OCTETS];
    data_path(d, "key.pem", path);
    int err = file_read_secret(path, &d->key_pem);
    if (err == ERR_NOT_FOUND) {
        err = key_generate(KEY_EC_P256, &d->key);
        if (!err)
            err = key_to_pem(d->key, &d->key_pem);
        if (!err)
            err = file_write(path, buf_slice(&d->key_pem), 0600);
        if (!err)
            log_event(&d->log, LEVEL_NOTICE, "key.made", "file=%s", path);
    } else if (!err) {
        err = key_from_pem(buf_slice(&d->key_pem), &d->key);
    }
    if (err)
        log_event(&d->log, LEVEL_ERROR, "key.failed",
                  "file=%s error=%s; it must belong to this user and have mode 0600", path, err_name(err));
    return err;
}

/* Checks a certificate that we are to use: our key, the overlay, its authorities. */
static int check_certificate(struct daemon *d, const struct config *config, const struct cert *cert,
                             struct id *ret_self)
{
    struct trust *trust;
    struct id ids[CERT_NODE_IDS_MAX];
    int err = trust_new(&trust);
    for (size_t i = 0; !err && i < config->root_cert_count; i++)
        err = trust_add_der(trust, config->root_certs[i]);
    if (!err)
        err = trust_verify(trust, cert, loop_now(d->loop).wall);
    trust_free(trust);
    if (!err && !cert_node_ids(cert, config->instance_name, ids, CERT_NODE_IDS_MAX))
        err = ERR_FORBIDDEN;
    if (!err && !key_equal(d->key, cert_key(cert)))
        err = ERR_CONFLICT;
    if (!err)
        *ret_self = ids[0];
    return err;
}

/* Keeps a certificate that check_certificate accepted. */
static int keep_certificate(struct daemon *d, struct cert *cert)
{
    char path[PATH_OCTETS];
    struct buf pem;
    data_path(d, "certificate.pem", path);
    buf_init(&pem, 64u << 10);
    int err = cert_to_pem(cert, &pem);
    if (!err)
        err = file_write(path, buf_slice(&pem), 0644);
    if (err) {
        buf_fini(&pem);
        log_event(&d->log, LEVEL_ERROR, "certificate.not_kept", "file=%s error=%s", path, err_name(err));
        return err;
    }
    buf_fini(&d->certificate_pem);
    d->certificate_pem = pem;
    return 0;
}

static int read_token(struct daemon *d, struct buf *contents, const char **ret_token)
{
    const char *path = d->settings.enroll_token_file;
    if (!path) {
        log_event(&d->log, LEVEL_ERROR, "enroll.no_token",
                  "not enrolled yet: make a token with `imectl enroll token add --server-id %s` on the enrollment "
                  "server and name its "
                  "file in [enroll] token-file",
                  d->settings.server.server_id);
        return ERR_NOT_FOUND;
    }
    int err = file_read_secret(path, contents);
    if (err) {
        log_event(&d->log, LEVEL_ERROR, "enroll.token_unreadable", "file=%s error=%s; it must have mode 0600", path,
                  err_name(err));
        return err;
    }
    const char *text = buf_text(contents);
    contents->n = strcspn(text, " \t\r\n");
    *ret_token = buf_text(contents);
    return contents->err;
}

static const char *enrollment_url(const struct config *config, char *text, size_t octets)
{
    struct slice url = config->enrollment_server_count ? config->enrollment_servers[0] : slice_str("");
    snprintf(text, octets, "%.*s", SLICE_PRINT(url));
    return text;
}

/* Asks for the first certificate and waits for it. */
static int enroll(struct daemon *d, struct tls_context *tls, const struct config *config)
{
    struct buf token, csr;
    struct answer a;
    struct http_call *call;
    struct enroll_form form = {.username = d->settings.server.server_id, .node_ids = 1};
    char url[1024];
    buf_init(&token, 4096);
    buf_init(&csr, 8192);
    answer_init(&a);
    int err = read_token(d, &token, &form.password);
    if (!err)
        err = csr_create(d->key, form.username, &csr);
    if (!err) {
        form.csr = buf_slice(&csr);
        err = enroll_request(d->loop, tls, enrollment_url(config, url, sizeof url), &form, ENROLL_TIMEOUT_MS,
                             answer_came, &a, &call);
        err = answer_await(d, &a, err);
        if (err || a.status != 200)
            log_event(&d->log, LEVEL_ERROR, "enroll.refused", "url=%s status=%d error=%s reason=\"%.*s\"", url,
                      a.status, err_name(err), (int)(a.body.n < 200 ? a.body.n : 200),
                      err ? a.detail : buf_text(&a.body));
        if (!err && a.status != 200)
            err = ERR_FORBIDDEN;
    }
    if (!err)
        err = cert_from_der(buf_slice(&a.body), &d->certificate);
    if (!err)
        err = check_certificate(d, config, d->certificate, &d->self);
    if (!err)
        err = keep_certificate(d, d->certificate);
    if (!err)
        log_event(&d->log, LEVEL_NOTICE, "enrolled", "server_id=%s", form.username);
    buf_fini_secret(&token);
    buf_fini(&csr);
    buf_fini(&a.body);
    return err;
}

/* Issued in what we take for the future: it is the clock that is wrong. */
static bool is_early(struct daemon *d)
{
    return cert_not_before(d->certificate).ms > loop_now(d->loop).wall.ms;
}

static const char *certificate_advice(struct daemon *d, int err)
{
    switch (err) {
    case ERR_EXPIRED:
        return is_early(d) ? "it is not valid yet: set this host's clock"
                           : "it has expired: put a fresh token (imectl enroll token add) into [enroll] token-file";
    case ERR_AUTH:
        return "the ring's authority did not issue it: was this data folder part of another ring?";
    case ERR_CONFLICT:
        return "it is not for key.pem beside it: restore both, or remove both and enroll anew with a fresh token";
    case ERR_FORBIDDEN:
        return "it is for another ring: check [enroll] url, or remove it and enroll anew with a fresh token";
    default:
        return "restore it, or remove it and enroll anew with a fresh token in [enroll] token-file";
    }
}

int certificate_prepare(struct daemon *d, struct tls_context *tls, const struct config *config)
{
    char path[PATH_OCTETS];
    data_path(d, "certificate.pem", path);
    int err = file_read(path, &d->certificate_pem);
    if (err == ERR_NOT_FOUND)
        return enroll(d, tls, config);
    if (!err)
        err = cert_from_pem(buf_slice(&d->certificate_pem), &d->certificate);
    if (!err)
        err = check_certificate(d, config, d->certificate, &d->self);
    if (err == ERR_EXPIRED && d->settings.enroll_token_file && !is_early(d)) {
        log_event(&d->log, LEVEL_WARNING, "certificate.expired", "file=%s; enrolling anew with the token", path);
        cert_free(d->certificate);
        d->certificate = NULL;
        return enroll(d, tls, config);
    }
    if (err)
        log_event(&d->log, LEVEL_ERROR, "certificate.unusable", "file=%s error=%s; %s", path, err_name(err),
                  certificate_advice(d, err));
    return err;
}

/* ---- renewal ---- */

enum renewal { RENEWAL_FIRST, RENEWAL_DONE, RENEWAL_FAILED };

/* Half of a new certificate's life passes in any case: where lives are shorter than renew-before, nobody renews all the time. After a
 * failure there are several attempts in what is left of the old one, for behind its end only a new token helps. */
static void schedule(struct daemon *d, enum renewal last)
{
    struct now now = loop_now(d->loop);
    int64_t left = cert_not_after(d->certificate).ms - now.wall.ms;
    int64_t ms = left - d->settings.renew_before_ms;
    int64_t least = last == RENEWAL_DONE ? left / 2 : last == RENEWAL_FAILED ? left / 8 : 0;
    if (last == RENEWAL_FAILED && least > RENEWAL_RETRY_MAX_MS)
        least = RENEWAL_RETRY_MAX_MS;
    if (least < 1000)
        least = 1000;
    /* Servers that were enrolled together need not come back together. */
    ms = (ms < least ? least : ms) + entropy_between(&d->entropy, 0, last == RENEWAL_FAILED ? least / 4 : 1000);
    loop_timer_set(d->renewal->timer, mono_after_ms(now.mono, ms));
}

static int install(struct daemon *d, struct slice der)
{
    struct cert *cert;
    struct id self;
    const struct config *config = server_config_of(d->server);
    int err = cert_from_der(der, &cert);
    if (err)
        return err;
    err = check_certificate(d, config, cert, &self);
    if (!err && !id_eq(self, d->self))
        err = ERR_CONFLICT;
    if (!err)
        err = security_x509_set_own(d->security, d->key, cert, self, loop_now(d->loop).wall);
    if (err) {
        cert_free(cert);
        return err;
    }
    struct cert *old = d->certificate;
    d->certificate = cert;
    keep_certificate(d, cert);
    identity_tls(d, config);
    server_certificate_renewed(d->server, loop_now(d->loop), cert_not_after(cert));
    cert_free(old);
    return 0;
}

static void renewed(void *arg, const struct http_answer *answer)
{
    struct daemon *d = arg;
    char end[WALL_TEXT_OCTETS];
    d->renewal->call = NULL;
    int err = answer->err;
    if (!err)
        err = answer->status == 200 ? install(d, answer->body) : ERR_FORBIDDEN;
    if (err)
        log_event(&d->log, LEVEL_WARNING, "certificate.renewal_failed", "error=%s status=%d detail=\"%s\"",
                  err_name(err), answer->status, answer->err ? answer->detail : "");
    else
        log_event(&d->log, LEVEL_NOTICE, "certificate.renewed", "until=%s",
                  wall_format(cert_not_after(d->certificate), end));
    schedule(d, err ? RENEWAL_FAILED : RENEWAL_DONE);
    daemon_wake(d);
}

static void renew(void *arg)
{
    struct daemon *d = arg;
    struct buf csr;
    char url[1024];
    struct enroll_form form = {.username = d->settings.server.server_id, .node_ids = 1};
    buf_init(&csr, 8192);
    tls_context_free(d->renewal->tls);
    d->renewal->tls = NULL;
    int err = csr_create(d->key, form.username, &csr);
    if (!err)
        err = identity_client_tls(d, true, &d->renewal->tls);
    form.csr = buf_slice(&csr);
    if (!err)
        err = enroll_request(d->loop, d->renewal->tls, enrollment_url(server_config_of(d->server), url, sizeof url),
                             &form, ENROLL_TIMEOUT_MS, renewed, d, &d->renewal->call);
    buf_fini(&csr);
    if (err) {
        log_event(&d->log, LEVEL_WARNING, "certificate.renewal_failed", "error=%s", err_name(err));
        schedule(d, RENEWAL_FAILED);
    }
}

int identity_watch(struct daemon *d)
{
    d->renewal = mem_alloc(sizeof *d->renewal);
    if (!d->renewal)
        return ERR_NO_MEMORY;
    int err = loop_timer_new(d->loop, renew, d, &d->renewal->timer);
    if (!err)
        schedule(d, RENEWAL_FIRST);
    return err;
}

void identity_stop(struct daemon *d)
{
    if (!d->renewal)
        return;
    if (d->renewal->call)
        http_call_cancel(d->renewal->call);
    loop_timer_free(d->renewal->timer);
    tls_context_free(d->renewal->tls);
    mem_free(d->renewal);
    d->renewal = NULL;
}
