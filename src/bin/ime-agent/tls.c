/* TLS contexts from the files of the configuration. */
#include "host.h"

#include "io/file.h"

#define PEM_OCTETS_MAX (1u << 20)

static int read_pem(struct host *h, const char *path, bool secret, struct buf *pem)
{
    if (!path)
        return 0;
    int err = secret ? file_read_secret(path, pem) : file_read(path, pem);
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "tls.file.failed", "file=%s error=%s%s", path, err_name(err),
                  secret && err == ERR_FORBIDDEN ? "; it must be ours and have mode 0600" : "");
    return err;
}

static int make_context(struct host *h, const struct side_settings *files, enum tls_role role, enum tls_peer peer,
                        struct tls_context **ret_context)
{
    struct buf certificate, key, ca;
    buf_init(&certificate, PEM_OCTETS_MAX);
    buf_init(&key, PEM_OCTETS_MAX);
    buf_init(&ca, PEM_OCTETS_MAX);
    int err = read_pem(h, files->certificate, false, &certificate);
    if (!err)
        err = read_pem(h, files->key, true, &key);
    if (!err)
        err = read_pem(h, files->ca, false, &ca);
    if (!err) {
        const struct slice trust = buf_slice(&ca);
        const struct tls_options options = {.role = role,
                                            .peer = peer,
                                            .certificate = buf_slice(&certificate),
                                            .key_pem = buf_slice(&key),
                                            .trust = &trust,
                                            .trust_count = trust.n ? 1 : 0};
        err = tls_context_new(&options, ret_context);
        if (err)
            log_event(&h->daemon.log, LEVEL_ERROR, "tls.failed", "certificate=%s ca=%s error=%s",
                      files->certificate ? files->certificate : "-", files->ca ? files->ca : "-", err_name(err));
    }
    buf_fini(&certificate);
    buf_fini_secret(&key);
    buf_fini(&ca);
    return err;
}

int tls_of_side(struct host *h, const struct side_settings *side, enum tls_role role, bool demands,
                struct tls_context **ret_context)
{
    return make_context(h, side, role, role == TLS_CLIENT || demands ? TLS_PEER_REQUIRED : TLS_PEER_NONE, ret_context);
}

int tls_of_authority(struct host *h, const char *ca, struct tls_context **ret_context)
{
    const struct side_settings files = {.ca = ca};
    return make_context(h, &files, TLS_CLIENT, TLS_PEER_REQUIRED, ret_context);
}
