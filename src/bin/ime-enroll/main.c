/* ime-enroll: the authority of a fresh ring, and the order of its start and end. */
#include "host.h"

#include "io/file.h"

/* ---- the authority and the ring's configuration ---- */

/* Waits for the disk. */
static int settle(struct host *h)
{
    int err = 0, written;
    while (!err && !enroll_settled(h->enroll, &written))
        err = loop_turn(h->daemon.loop, true);
    return err ? err : written;
}

static int found_authority(struct host *h)
{
    struct key *authority = NULL, *signer = NULL;
    int err = key_generate(h->daemon.settings->key_type, &authority);
    if (!err)
        err = key_generate(h->daemon.settings->key_type, &signer);
    if (!err)
        err = enroll_found(h->enroll, daemon_now(&h->daemon), authority, signer);
    key_free(authority);
    key_free(signer);
    return err ? err : settle(h);
}

static int put_roots(const struct host *h, struct buf *pem)
{
    size_t n;
    const struct slice *roots = enroll_roots(h->enroll, &n);
    int err = 0;
    for (size_t i = 0; !err && i < n; i++) {
        struct cert *cert;
        err = cert_from_der(roots[i], &cert);
        if (err)
            break;
        err = cert_to_pem(cert, pem);
        cert_free(cert);
    }
    return err;
}

/* For servers and call agents to trust; it is public. */
static int write_ca_file(struct host *h, bool *ret_changed)
{
    struct buf pem, present;
    buf_init(&pem, 1u << 20);
    buf_init(&present, 1u << 20);
    int err = put_roots(h, &pem);
    *ret_changed =
        file_read(h->daemon.settings->ca_file, &present) != 0 || !slice_eq(buf_slice(&pem), buf_slice(&present));
    if (!err && *ret_changed)
        err = file_write(h->daemon.settings->ca_file, buf_slice(&pem), 0644);
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "ca_file.failed",
                  "file=%s error=%s; its folder must be there and writable by this user: see [enroll] ca-file",
                  h->daemon.settings->ca_file, err_name(err));
    buf_fini(&pem);
    buf_fini(&present);
    return err;
}

static int make_key(void *arg, struct key **ret_key)
{
    const struct host *h = arg;
    return key_generate(h->daemon.settings->key_type, ret_key);
}

static int open_core(struct host *h)
{
    const struct enroll_ports ports = {
        .kv = sqlite_store_kv(h->daemon.store),
        .entropy = &h->daemon.entropy,
        .log = &h->daemon.log,
        .make_key = make_key,
        .make_key_arg = h,
    };
    bool changed;
    int err = enroll_new(&h->daemon.settings->enroll, &ports, daemon_now(&h->daemon), &h->enroll);
    if (!err && !enroll_has_authority(h->enroll))
        err = found_authority(h);
    if (!err)
        err = enroll_set_ring(h->enroll, daemon_now(&h->daemon), &h->daemon.settings->ring);
    if (!err)
        err = settle(h);
    if (err)
        return err;
    h->sequence = enroll_sequence(h->enroll);
    return write_ca_file(h, &changed);
}

/* ---- from start to end ---- */

/* Another edition of the configuration is in use: it may name other authorities. */
static void follow_configuration(struct host *h)
{
    bool changed;
    h->sequence = enroll_sequence(h->enroll);
    (void)write_ca_file(h, &changed); /* it says what is wrong */
    if (changed)
        (void)https_renew(h);
}

static struct mono turn(struct host *h, struct now now)
{
    (void)now;
    if (enroll_sequence(h->enroll) != h->sequence)
        follow_configuration(h);
    if (enroll_wants_shutdown(h->enroll))
        daemon_stop(&h->daemon);
    return MONO_NEVER;
}

static void set_now(struct host *h, struct now now)
{
    enroll_set_now(h->enroll, now);
}

static int reload(struct host *h, const struct settings *old)
{
    (void)old;
    bool changed;
    const struct settings *s = h->daemon.settings;
    enroll_set_options(h->enroll, &s->enroll);
    int err = enroll_set_ring(h->enroll, daemon_now(&h->daemon), &s->ring);
    if (!err)
        err = https_renew(h);
    if (!err)
        err = write_ca_file(h, &changed);
    return err;
}

static int start(struct host *h)
{
    int err = daemon_open_store(&h->daemon, "enroll.db");
    if (!err)
        err = open_core(h);
    if (!err)
        err = https_open(h);
    if (!err)
        err = daemon_open_control(&h->daemon, enroll_handlers, enroll_handler_count, h->enroll);
    return err;
}

static void stop(struct host *h)
{
    https_close(h);
    enroll_free(h->enroll);
    h->enroll = NULL;
}

static void fini(struct host *h)
{
    tls_context_free(h->tls);
}

static const struct daemon_program program = {
    .name = "ime-enroll",
    .word = "enroll",
    .about =
        "Runs the enrollment server of a ring: certificates for the servers that were accepted (imectl enroll token "
        "add),\n"
        "and the ring's signed configuration. At its first start it makes a fresh authority.\n",
    .ctl = CTL_ENROLL,
    .table = &settings_table,
    .load = settings_load,
    .unload = settings_free,
    .may_follow = settings_may_follow,
    .reload = reload,
    .start = start,
    .stop = stop,
    .fini = fini,
    .turn = turn,
    .set_now = set_now,
};

int main(int argc, char **argv)
{
    static struct host host;
    return daemon_main(&host.daemon, &program, &host, argc, argv);
}
