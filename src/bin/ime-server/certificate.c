/* Our key and the certificates of our Node-IDs: asked for at the first start, kept in the data folder, renewed in time. */
#include "identity.h"

#include "base/mem.h"
#include "io/file.h"

#include <stdio.h>

#define RENEWAL_RETRY_MAX_MS INT64_C(3600000)
#define LATE_RETRY_MIN_MS INT64_C(5000) /* without a valid certificate: the longer, the rarer */
#define LATE_RETRY_MAX_MS INT64_C(300000)
#define FIRST_RETRY_MAX_MS RENEWAL_RETRY_MAX_MS
#define FOLLOW_MIN_MS INT64_C(1000) /* a certificate of an authority that does not issue any longer is renewed … */
#define FOLLOW_MAX_MS INT64_C(86400000) /* … within an eighth of the time that it has left, but in a day at most */

struct certificate_renewal {
    struct loop_timer *timer;
    struct http_call *call;
    struct tls_context *tls;
    unsigned failures; /* in a row */
    uint16_t sequence; /* of the configuration when it was last asked */
};

static void certificate_path(const struct node *n, char path[DAEMON_PATH_OCTETS])
{
    char name[32] = "certificate.pem";
    if (n->number)
        snprintf(name, sizeof name, "certificate-%u.pem", n->number);
    daemon_path(&n->host->daemon, name, path);
}

/* ---- key and certificate ---- */

int certificate_prepare_key(struct host *h)
{
    char path[DAEMON_PATH_OCTETS];
    daemon_path(&h->daemon, "key.pem", path);
    int err = file_read_secret(path, &h->key_pem);
    if (err == ERR_NOT_FOUND) {
        err = key_generate(KEY_EC_P256, &h->key);
        if (!err)
            err = key_to_pem(h->key, &h->key_pem);
        if (!err)
            err = file_write(path, buf_slice(&h->key_pem), 0600);
        if (!err)
            log_event(&h->daemon.log, LEVEL_NOTICE, "key.made", "file=%s", path);
    } else if (!err) {
        err = key_from_pem(buf_slice(&h->key_pem), &h->key);
    }
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "key.failed",
                  "file=%s error=%s; it must belong to this user and have mode 0600", path, err_name(err));
    return err;
}

/* Checks a certificate that we are to use: our key, the overlay, its authorities. */
static int check_certificate(struct host *h, const struct config *config, const struct cert *cert, struct id *ret_self)
{
    struct trust *trust;
    struct id ids[CERT_NODE_IDS_MAX];
    int err = trust_new(&trust);
    for (size_t i = 0; !err && i < config->root_cert_count; i++)
        err = trust_add_der(trust, config->root_certs[i]);
    if (!err)
        err = trust_verify(trust, cert, daemon_now(&h->daemon).wall);
    trust_free(trust);
    if (!err && !cert_node_ids(cert, config->instance_name, ids, CERT_NODE_IDS_MAX))
        err = ERR_FORBIDDEN;
    if (!err && !key_equal(h->key, cert_key(cert)))
        err = ERR_CONFLICT;
    if (!err)
        *ret_self = ids[0];
    return err;
}

/* Takes a certificate that check_certificate accepted: into memory, and to the disk for the next start. */
static int take_certificate(struct node *n, struct cert *cert)
{
    struct host *h = n->host;
    char path[DAEMON_PATH_OCTETS];
    struct buf pem;
    certificate_path(n, path);
    buf_init(&pem, 64u << 10);
    int err = cert_to_pem(cert, &pem);
    if (err) {
        buf_fini(&pem);
        return err;
    }
    buf_fini(&n->certificate_pem);
    n->certificate_pem = pem;
    n->certificate = cert;
    err = file_write(path, buf_slice(&pem), 0644);
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "certificate.not_kept", "file=%s error=%s", path, err_name(err));
    return err;
}

void certificate_forget(struct node *n)
{
    char path[DAEMON_PATH_OCTETS];
    certificate_path(n, path);
    if (remove(path) != 0)
        log_event(&n->host->daemon.log, LEVEL_WARNING, "certificate.not_removed", "file=%s", path);
}

static int read_token(struct host *h, struct buf *contents, const char **ret_token)
{
    const char *path = h->daemon.settings->enroll_token_file;
    if (!path) {
        log_event(&h->daemon.log, LEVEL_ERROR, "enroll.no_token",
                  "not enrolled yet: make a token with `imectl enroll token add --server-id %s` on the enrollment "
                  "server and name its "
                  "file in [enroll] token-file",
                  h->daemon.settings->server.server_id);
        return ERR_NOT_FOUND;
    }
    int err = file_read_secret(path, contents);
    if (err) {
        log_event(&h->daemon.log, LEVEL_ERROR, "enroll.token_unreadable", "file=%s error=%s; it must have mode 0600",
                  path, err_name(err));
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

/* Asks once, and waits for the answer. */
static int ask(struct host *h, struct tls_context *tls, const struct config *config, struct enroll_form *form)
{
    struct node *n = &h->nodes[0];
    struct cert *cert = NULL;
    struct buf csr;
    struct answer a;
    struct http_call *call;
    char url[1024];
    buf_init(&csr, 8192);
    answer_init(&a);
    int err = csr_create(h->key, form->username, &csr);
    if (!err) {
        form->csr = buf_slice(&csr);
        err = enroll_request(h->daemon.loop, tls, enrollment_url(config, url, sizeof url), form, ENROLL_TIMEOUT_MS,
                             answer_came, &a, &call);
        err = answer_await(h, &a, err);
        if (err || a.status != 200)
            log_event(&h->daemon.log, LEVEL_ERROR, "enroll.refused", "url=%s status=%d error=%s reason=\"%.*s\"", url,
                      a.status, err_name(err), (int)(a.body.n < 200 ? a.body.n : 200),
                      err ? a.detail : buf_text(&a.body));
        if (!err && a.status != 200)
            err = ERR_FORBIDDEN;
    }
    if (!err)
        err = cert_from_der(buf_slice(&a.body), &cert);
    if (!err)
        err = check_certificate(h, config, cert, &n->id);
    if (!err)
        err = take_certificate(n, cert);
    if (err && n->certificate != cert)
        cert_free(cert);
    buf_fini(&csr);
    buf_fini(&a.body);
    return err;
}

static int enroll(struct host *h, struct tls_context *tls, const struct config *config)
{
    struct buf token;
    struct enroll_form form = {.username = h->daemon.settings->server.server_id, .node_ids = 1};
    buf_init(&token, 4096);
    int err = read_token(h, &token, &form.password);
    if (!err)
        err = ask(h, tls, config, &form);
    if (!err)
        log_event(&h->daemon.log, LEVEL_NOTICE, "enrolled", "server_id=%s", form.username);
    buf_fini_secret(&token);
    return err;
}

/* The certificate ended while this server was off: the enrollment server renews it for a while, without a token. */
static int renew_late(struct host *h, struct tls_context *tls, const struct config *config)
{
    struct cert *old = h->nodes[0].certificate;
    struct enroll_form form = {
        .username = h->daemon.settings->server.server_id, .node_ids = 1, .certificate = cert_der(old)};
    log_event(&h->daemon.log, LEVEL_WARNING, "certificate.expired", "renewing it");
    h->nodes[0].certificate = NULL;
    int err = ask(h, tls, config, &form);
    if (err && h->daemon.settings->enroll_token_file) {
        log_event(&h->daemon.log, LEVEL_WARNING, "certificate.expired", "enrolling anew with the token");
        err = enroll(h, tls, config);
    }
    cert_free(old);
    return err;
}

/* Issued in what we take for the future: it is the clock that is wrong. */
static bool is_early(const struct node *n)
{
    return cert_not_before(n->certificate).ms > daemon_now(&n->host->daemon).wall.ms;
}

static const char *certificate_advice(const struct node *n, int err)
{
    switch (err) {
    case ERR_EXPIRED:
        return is_early(n) ? "it is not valid yet: set this host's clock"
                           : "it has expired: put a fresh token (imectl enroll token add) into [enroll] token-file";
    case ERR_AUTH:
        return "no authority of the ring issued it: was its authority removed, or was this data folder part of another "
               "ring? Remove it and enroll anew with a fresh token in [enroll] token-file";
    case ERR_CONFLICT:
        return "it is not for key.pem beside it: restore both, or remove both and enroll anew with a fresh token";
    case ERR_FORBIDDEN:
        return "it is for another ring: check [enroll] url, or remove it and enroll anew with a fresh token";
    default:
        return "restore it, or remove it and enroll anew with a fresh token in [enroll] token-file";
    }
}

/* What the data folder has, parsed and checked. */
static int read_certificate(struct node *n, const struct config *config)
{
    char path[DAEMON_PATH_OCTETS];
    certificate_path(n, path);
    int err = file_read(path, &n->certificate_pem);
    if (!err)
        err = cert_from_pem(buf_slice(&n->certificate_pem), &n->certificate);
    return err ? err : check_certificate(n->host, config, n->certificate, &n->id);
}

int certificate_prepare(struct host *h, struct tls_context *tls, const struct config *config)
{
    struct node *n = &h->nodes[0];
    char path[DAEMON_PATH_OCTETS];
    int err = read_certificate(n, config);
    if (err == ERR_NOT_FOUND)
        return enroll(h, tls, config);
    bool late = err == ERR_EXPIRED && !is_early(n);
    if (late)
        err = renew_late(h, tls, config);
    certificate_path(n, path);
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "certificate.unusable", "file=%s error=%s; %s", path, err_name(err),
                  late ? "it has expired and is not renewed: is ime-enroll running? After its renew-grace a fresh "
                         "token is needed"
                       : certificate_advice(n, err));
    return err;
}

bool certificate_load(struct node *n, const struct config *config)
{
    char path[DAEMON_PATH_OCTETS];
    int err = read_certificate(n, config);
    if (!err)
        return true;
    certificate_path(n, path);
    if (err != ERR_NOT_FOUND)
        log_event(&n->host->daemon.log, LEVEL_WARNING, "certificate.unusable",
                  "file=%s error=%s; asking for another one", path, err_name(err));
    cert_free(n->certificate);
    n->certificate = NULL;
    buf_clear(&n->certificate_pem);
    return false;
}

/* ---- renewal ---- */

enum renewal { RENEWAL_FIRST, RENEWAL_DONE, RENEWAL_FAILED };

/* The first root-cert is the authority that issues. A certificate of another one is good as long as that one is in the configuration. */
static bool is_of_another_authority(const struct cert *cert, const struct config *config)
{
    struct cert *first;
    if (!config->root_cert_count || cert_from_der(config->root_certs[0], &first) != 0)
        return false;
    bool other = !cert_key_id_eq(cert_authority_key_id(cert), cert_key_id(first));
    cert_free(first);
    return other;
}

static int64_t doubled(int64_t ms, unsigned times, int64_t max)
{
    while (times-- && ms < max)
        ms *= 2;
    return ms < max ? ms : max;
}

static int64_t between(int64_t least, int64_t ms, int64_t most)
{
    return ms < least ? least : ms > most ? most : ms;
}

/* Half of a new certificate's life passes in any case: where lives are shorter than renew-before, nobody renews all the time. After a
 * failure there are several attempts in what is left of the old one, and it goes on behind its end: the enrollment server may have been away. */
static int64_t next_attempt_ms(struct node *n, enum renewal last)
{
    struct host *h = n->host;
    unsigned failures = n->renewal->failures;
    if (!n->certificate)
        return last == RENEWAL_FAILED ? doubled(LATE_RETRY_MIN_MS, failures, FIRST_RETRY_MAX_MS) : 0;
    int64_t left = cert_not_after(n->certificate).ms - daemon_now(&h->daemon).wall.ms;
    if (last == RENEWAL_FAILED && left <= 0)
        return between(LATE_RETRY_MIN_MS, -left / 4, LATE_RETRY_MAX_MS);
    int64_t ms = left - h->daemon.settings->renew_before_ms;
    int64_t least = last == RENEWAL_DONE ? left / 2 : last == RENEWAL_FAILED ? left / 8 : 0;
    if (last == RENEWAL_FAILED && least > RENEWAL_RETRY_MAX_MS)
        least = RENEWAL_RETRY_MAX_MS;
    if (least < 1000)
        least = 1000;
    return ms < least ? least : ms;
}

/* Servers that were enrolled together need not come back together. */
static void schedule(struct node *n, enum renewal last)
{
    struct host *h = n->host;
    n->renewal->failures = last == RENEWAL_FAILED ? n->renewal->failures + 1 : 0;
    int64_t ms = next_attempt_ms(n, last);
    ms += entropy_between(&h->daemon.entropy, 0, last == RENEWAL_FAILED ? ms / 4 + 1 : n->certificate ? 1000 : 1);
    loop_timer_set(n->renewal->timer, mono_after_ms(daemon_now(&h->daemon).mono, ms));
}

static int install(struct node *n, struct slice der)
{
    struct host *h = n->host;
    struct cert *cert;
    struct cert *old = n->certificate;
    struct id id;
    struct now now = daemon_now(&h->daemon);
    const struct config *config = server_config_of(h->server);
    int err = cert_from_der(der, &cert);
    if (err)
        return err;
    err = check_certificate(h, config, cert, &id);
    if (!err && old && !id_eq(id, n->id))
        err = ERR_CONFLICT;
    if (!err && n->security)
        err = security_x509_set_own(n->security, h->key, cert, id, now.wall);
    if (err) {
        cert_free(cert);
        return err;
    }
    n->id = id;
    take_certificate(n, cert); /* in memory at least */
    n->certificate = cert;
    if (n->running)
        node_tls(n, config);
    if (n->running)
        server_certificate_renewed(h->server, now, cert_not_after(h->nodes[0].certificate));
    cert_free(old);
    return n->running ? 0 : node_run(n);
}

static const char *refusal_advice(const struct node *n, const struct http_answer *answer)
{
    if (answer->err)
        return answer->detail ? answer->detail : "";
    if (n->number && slice_eq_str(answer->body, "Node-IDs_not_available"))
        return "this server may have fewer Node-IDs: raise node-ids in enroll.conf, or lower it in server.conf";
    return "refused: look at the log of ime-enroll";
}

static void renewed(void *arg, const struct http_answer *answer)
{
    struct node *n = arg;
    struct host *h = n->host;
    char end[WALL_TEXT_OCTETS];
    bool first = !n->certificate;
    n->renewal->call = NULL;
    int err = answer->err;
    if (!err)
        err = answer->status == 200 ? install(n, answer->body) : ERR_FORBIDDEN;
    if (err)
        log_event(&h->daemon.log, LEVEL_WARNING,
                  n->certificate ? "certificate.renewal_failed" : "certificate.not_issued",
                  "node=%u error=%s status=%d; %s", n->number, err_name(err), answer->status,
                  answer->err || answer->status != 200 ? refusal_advice(n, answer) : "");
    else
        log_event(&h->daemon.log, LEVEL_NOTICE, first ? "certificate.issued" : "certificate.renewed",
                  "node=%u until=%s", n->number, wall_format(cert_not_after(n->certificate), end));
    schedule(n, err ? RENEWAL_FAILED : RENEWAL_DONE);
    if (server_config_of(h->server)->sequence != n->renewal->sequence)
        certificate_follow(n, server_config_of(h->server));
    daemon_wake(&h->daemon);
}

/* By TLS the certificate shows who asks: of this Node-ID or, for its first one, of the server. One that has expired TLS would refuse: it
 * is shown in the form. */
static void renew(void *arg)
{
    struct node *n = arg;
    struct host *h = n->host;
    const struct node *shown = n->certificate ? n : &h->nodes[0];
    bool late = cert_not_after(shown->certificate).ms <= daemon_now(&h->daemon).wall.ms;
    struct buf csr;
    char url[1024];
    struct enroll_form form = {.username = h->daemon.settings->server.server_id, .node_ids = 1};
    if (n->certificate && !n->running) { /* all that is missing is its place in the ring */
        schedule(n, node_run(n) ? RENEWAL_FAILED : RENEWAL_DONE);
        return;
    }
    if (!n->certificate)
        form.node = n->number;
    if (late)
        form.certificate = cert_der(shown->certificate);
    n->renewal->sequence = server_config_of(h->server)->sequence;
    buf_init(&csr, 8192);
    tls_context_free(n->renewal->tls);
    n->renewal->tls = NULL;
    int err = csr_create(h->key, form.username, &csr);
    if (!err)
        err = identity_client_tls(h, server_config_of(h->server), late ? NULL : shown, &n->renewal->tls);
    form.csr = buf_slice(&csr);
    if (!err)
        err = enroll_request(h->daemon.loop, n->renewal->tls,
                             enrollment_url(server_config_of(h->server), url, sizeof url), &form, ENROLL_TIMEOUT_MS,
                             renewed, n, &n->renewal->call);
    buf_fini(&csr);
    if (err) {
        log_event(&h->daemon.log, LEVEL_WARNING, "certificate.renewal_failed", "node=%u error=%s", n->number,
                  err_name(err));
        schedule(n, RENEWAL_FAILED);
    }
}

/* Not all servers at once. */
void certificate_follow(struct node *n, const struct config *config)
{
    const struct daemon *d = &n->host->daemon;
    struct now now = daemon_now(d);
    if (!n->renewal || n->renewal->call || !n->certificate || !is_of_another_authority(n->certificate, config))
        return;
    int64_t left_ms = cert_not_after(n->certificate).ms - now.wall.ms;
    int64_t within_ms = between(FOLLOW_MIN_MS, left_ms / 8, FOLLOW_MAX_MS);
    int64_t ms = entropy_between(&d->entropy, 0, within_ms);
    log_event(&d->log, LEVEL_NOTICE, "certificate.follows", "node=%u in_s=%lld; another authority issues now",
              n->number, (long long)(ms / 1000));
    loop_timer_set(n->renewal->timer, mono_after_ms(now.mono, ms));
}

int certificate_watch(struct node *n)
{
    n->renewal = mem_alloc(sizeof *n->renewal);
    if (!n->renewal)
        return ERR_NO_MEMORY;
    int err = loop_timer_new(n->host->daemon.loop, renew, n, &n->renewal->timer);
    if (!err) {
        schedule(n, RENEWAL_FIRST);
        certificate_follow(n, server_config_of(n->host->server));
    }
    return err;
}

void certificate_unwatch(struct node *n)
{
    if (!n->renewal)
        return;
    if (n->renewal->call)
        http_call_cancel(n->renewal->call);
    loop_timer_free(n->renewal->timer);
    tls_context_free(n->renewal->tls);
    mem_free(n->renewal);
    n->renewal = NULL;
}
