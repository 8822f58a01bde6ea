/* TLS contexts from the files of edge.conf: made, made anew in their place, watched for their end. */
#include "host.h"

#include "base/mem.h"
#include "bin/daemon/tls.h"
#include "io/file.h"

#define PEM_OCTETS_MAX (4u << 20)
#define FILES_MAX 256
#define LOOK_MS INT64_C(3600000)
#define FILES_MS INT64_C(60000) /* after which it is seen at the latest that somebody has written them */
#define WARN_MS (14 * INT64_C(86400000))
#define SYSTEM_STORE "/etc/ssl/certs/ca-certificates.crt"

/* Files that one context is made of. */
struct files {
    struct buf contents[FILES_MAX];
    struct slice slices[FILES_MAX];
    size_t count;
};

static void files_fini(struct files *f)
{
    for (size_t i = 0; i < f->count; i++)
        buf_fini_secret(&f->contents[i]);
    mem_wipe(f, sizeof *f);
}

static int add_file(const struct host *h, struct files *f, const char *path, bool secret)
{
    if (f->count == FILES_MAX)
        return ERR_LIMIT;
    struct buf *b = &f->contents[f->count];
    buf_init(b, PEM_OCTETS_MAX);
    int err = secret ? file_read_secret(path, b) : file_read(path, b);
    f->slices[f->count++] = buf_slice(b);
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "tls.file.failed", "file=%s error=%s%s", path, err_name(err),
                  secret && err == ERR_FORBIDDEN ? "; it must be ours and have mode 0600" : "");
    return err;
}

static int set(const struct host *h, const char *what, const struct tls_options *options, struct tls_context **context)
{
    int err = *context ? tls_context_reload(*context, options) : tls_context_new(options, context);
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "tls.failed", "what=\"%s\" error=%s", what, err_name(err));
    return err;
}

/* ---- outside ---- */

/* Certificates and keys of all domains: identities of one server's context. */
static int read_domains(const struct host *h, struct files *f, struct tls_identity *identities)
{
    const struct settings *s = h->daemon.settings;
    int err = 0;
    for (size_t i = 0; !err && i < s->edge.domain_count; i++) {
        err = add_file(h, f, s->domains[i].certificate, false);
        if (!err)
            err = add_file(h, f, s->domains[i].key, true);
        if (!err)
            identities[i] = (struct tls_identity){f->slices[f->count - 2], f->slices[f->count - 1]};
    }
    return err;
}

/* Authorities, then revocation lists, one after the other. */
static int read_trust(const struct host *h, struct files *f, struct tls_options *o)
{
    const struct conf_group *g = conf_section(h->daemon.settings->conf, "tls");
    const size_t first = f->count;
    int err = h->daemon.settings->system_store ? add_file(h, f, SYSTEM_STORE, false) : 0;
    for (size_t i = 0; !err && i < conf_count(g, "ca"); i++)
        err = add_file(h, f, conf_text_at(g, "ca", i), false);
    const size_t lists = f->count;
    for (size_t i = 0; !err && i < conf_count(g, "crl"); i++)
        err = add_file(h, f, conf_text_at(g, "crl", i), false);
    o->trust = &f->slices[first];
    o->trust_count = lists - first;
    o->crls = &f->slices[lists];
    o->crl_count = f->count - lists;
    return err;
}

/* Connections of a domain show its certificate and believe what the listener believes. */
static int open_domains(struct host *h, const struct tls_identity *identities)
{
    const struct settings *s = h->daemon.settings;
    int err = 0;
    for (size_t i = 0; !err && i < s->edge.domain_count; i++) {
        const struct tls_options o = {.role = TLS_CLIENT,
                                      .peer = TLS_PEER_REQUIRED,
                                      .purpose = TLS_PURPOSE_SIP,
                                      .certificate = identities[i].certificate,
                                      .key_pem = identities[i].key_pem,
                                      .trust_of = h->tls_outside,
                                      .resume_ms = s->resume_ms};
        err = set(h, s->edge.domains[i].name, &o, &h->tls_domains[i]);
    }
    return err;
}

static int open_outside(struct host *h)
{
    static struct files f;
    const struct settings *s = h->daemon.settings;
    struct tls_identity identities[EDGE_DOMAINS_MAX];
    struct tls_options o = {.role = TLS_SERVER,
                            .peer = TLS_PEER_REQUIRED,
                            .purpose = TLS_PURPOSE_SIP,
                            .crl_demanded = s->crl_demanded,
                            .crl_stale_taken = s->crl_stale_taken,
                            .resume_ms = s->resume_ms};
    int err = read_domains(h, &f, identities);
    if (!err)
        err = read_trust(h, &f, &o);
    if (!err) {
        o.certificate = identities[0].certificate;
        o.key_pem = identities[0].key_pem;
        o.identities = identities + 1;
        o.identity_count = s->edge.domain_count - 1;
        err = set(h, "outside", &o, &h->tls_outside);
    }
    if (!err)
        err = open_domains(h, identities);
    mem_wipe(identities, sizeof identities);
    files_fini(&f);
    return err;
}

/* ---- inside ---- */

static int open_inside(struct host *h)
{
    const struct side_settings *s = &h->daemon.settings->sides[EDGE_INSIDE];
    const struct tls_files files = {s->certificate, s->key, s->ca};
    int err = 0;
    if (s->certificate)
        err = daemon_tls(&h->daemon, &files, TLS_SERVER, s->demands_certificates ? TLS_PEER_REQUIRED : TLS_PEER_NONE,
                         &h->tls_inside_server);
    if (!err && s->ca)
        err = daemon_tls(&h->daemon, &files, TLS_CLIENT, TLS_PEER_REQUIRED, &h->tls_inside_client);
    return err;
}

static int open_vap(struct host *h)
{
    const struct server_settings *s = &h->daemon.settings->server;
    const struct tls_files files = {.ca = s->ca};
    return s->count ? daemon_tls(&h->daemon, &files, TLS_CLIENT, TLS_PEER_REQUIRED, &h->vap_tls) : 0;
}

/* ---- all of them ---- */

static uint64_t add_stamp(uint64_t all, const char *path)
{
    return path ? all * UINT64_C(0x100000001b3) + file_stamp(path) : all;
}

static uint64_t add_stamps(uint64_t all, const struct conf_group *g, const char *key)
{
    for (size_t i = 0; i < conf_count(g, key); i++)
        all = add_stamp(all, conf_text_at(g, key, i));
    return all;
}

/* Another number when any of the files has changed. */
static uint64_t stamp_files(const struct host *h)
{
    const struct settings *s = h->daemon.settings;
    const struct conf_group *g = conf_section(s->conf, "tls");
    const struct side_settings *inside = &s->sides[EDGE_INSIDE];
    uint64_t all = add_stamp(1, s->system_store ? SYSTEM_STORE : NULL);
    all = add_stamps(add_stamps(all, g, "ca"), g, "crl");
    for (size_t i = 0; i < s->edge.domain_count; i++)
        all = add_stamp(add_stamp(all, s->domains[i].certificate), s->domains[i].key);
    all = add_stamp(add_stamp(add_stamp(all, inside->certificate), inside->key), inside->ca);
    return add_stamp(all, s->server.ca);
}

/* Noted before they are read: what is written meanwhile is read once more. */
static void note_files(struct host *h)
{
    h->files_stamp = stamp_files(h);
    h->files_at = mono_after_ms(daemon_now(&h->daemon).mono, FILES_MS);
}

int tls_open(struct host *h)
{
    note_files(h);
    int err = open_outside(h);
    if (!err)
        err = open_inside(h);
    return err ? err : open_vap(h);
}

int tls_read_again(struct host *h)
{
    note_files(h);
    int err = open_outside(h);
    int failed = open_inside(h);
    err = err ? err : failed;
    failed = open_vap(h);
    h->certificates_at = daemon_now(&h->daemon).mono;
    return err ? err : failed;
}

void tls_fini(struct host *h)
{
    tls_context_free(h->tls_inside_server);
    tls_context_free(h->tls_inside_client);
    tls_context_free(h->tls_outside);
    for (size_t i = 0; i < EDGE_DOMAINS_MAX; i++)
        tls_context_free(h->tls_domains[i]);
    tls_context_free(h->vap_tls);
}

/* ---- their end ---- */

static void warn(const struct host *h, struct now now, const char *what, struct wall end)
{
    char when[WALL_TEXT_OCTETS];
    if (end.ms && end.ms - now.wall.ms <= WARN_MS)
        log_event(&h->daemon.log, LEVEL_WARNING, "certificate.expiring", "what=\"%s\" ends=%s%s", what,
                  wall_format(end, when), end.ms <= now.wall.ms ? ": it has ended" : "");
}

/* Files that were written are read without being told: a list of what is revoked comes every day. */
static void look_at_files(struct host *h, struct now now)
{
    if (!mono_due(h->files_at, now.mono))
        return;
    h->files_at = mono_after_ms(now.mono, FILES_MS);
    if (stamp_files(h) == h->files_stamp)
        return;
    log_event(&h->daemon.log, LEVEL_NOTICE, "tls.files.changed", "certificates, keys and lists are read again");
    (void)tls_read_again(h); /* it has said what is wrong; what was there stays */
}

/* Those whose certificate has ended or was revoked meanwhile lose their connections. */
struct mono tls_watch(struct host *h, struct now now)
{
    const struct settings *s = h->daemon.settings;
    look_at_files(h, now);
    if (!mono_due(h->certificates_at, now.mono))
        return mono_min(h->certificates_at, h->files_at);
    h->certificates_at = mono_after_ms(now.mono, LOOK_MS);
    for (size_t i = 0; i < s->edge.domain_count; i++)
        warn(h, now, s->domains[i].certificate, tls_context_ends_at(h->tls_domains[i]));
    if (h->tls_inside_server)
        warn(h, now, s->sides[EDGE_INSIDE].certificate, tls_context_ends_at(h->tls_inside_server));
    warn(h, now, "revocation list", tls_context_crl_ends_at(h->tls_outside));
    sip_host_verify_again(h->sip);
    return mono_min(h->certificates_at, h->files_at);
}

static void show_one(struct ctl_writer *w, const char *domain, const char *side, struct wall end, const char *file)
{
    ctl_open_object(w, NULL);
    ctl_put_text(w, "domain", domain);
    ctl_put_text(w, "side", side);
    ctl_put_time(w, "expires_at", end);
    ctl_put_text(w, "file", file);
    ctl_close(w);
}

void tls_show(const struct host *h, struct ctl_writer *w)
{
    const struct settings *s = h->daemon.settings;
    for (size_t i = 0; i < s->edge.domain_count; i++)
        show_one(w, s->edge.domains[i].name, "outside", tls_context_ends_at(h->tls_domains[i]),
                 s->domains[i].certificate);
    if (h->tls_inside_server)
        show_one(w, "", "inside", tls_context_ends_at(h->tls_inside_server), s->sides[EDGE_INSIDE].certificate);
}
