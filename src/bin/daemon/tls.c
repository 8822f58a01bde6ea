/* TLS contexts from files of the configuration. */
#include "bin/daemon/tls.h"

#include "io/file.h"

#define PEM_OCTETS_MAX (1u << 20)

static int read_pem(const struct daemon *d, const char *path, bool secret, struct buf *pem)
{
    if (!path)
        return 0;
    int err = secret ? file_read_secret(path, pem) : file_read(path, pem);
    if (err)
        log_event(&d->log, LEVEL_ERROR, "tls.file.failed", "file=%s error=%s%s", path, err_name(err),
                  secret && err == ERR_FORBIDDEN ? "; it must be ours and have mode 0600" : "");
    return err;
}

int daemon_tls(const struct daemon *d, const struct tls_files *files, enum tls_role role, enum tls_peer peer,
               struct tls_context **context)
{
    struct buf certificate, key, ca;
    buf_init(&certificate, PEM_OCTETS_MAX);
    buf_init(&key, PEM_OCTETS_MAX);
    buf_init(&ca, PEM_OCTETS_MAX);
    int err = read_pem(d, files->certificate, false, &certificate);
    if (!err)
        err = read_pem(d, files->key, true, &key);
    if (!err)
        err = read_pem(d, files->ca, false, &ca);
    if (!err) {
        const struct slice trust = buf_slice(&ca);
        const struct tls_options options = {.role = role,
                                            .peer = peer,
                                            .certificate = buf_slice(&certificate),
                                            .key_pem = buf_slice(&key),
                                            .trust = &trust,
                                            .trust_count = trust.n ? 1 : 0};
        err = *context ? tls_context_reload(*context, &options) : tls_context_new(&options, context);
        if (err)
            log_event(&d->log, LEVEL_ERROR, "tls.failed", "certificate=%s ca=%s error=%s",
                      files->certificate ? files->certificate : "-", files->ca ? files->ca : "-", err_name(err));
    }
    buf_fini(&certificate);
    buf_fini_secret(&key);
    buf_fini(&ca);
    return err;
}
