/* ime-edge --check: the files that edge.conf names are there. What is in them is checked when they are used. */
#include "io/file.h"
#include "settings.h"

#define OCTETS_MAX (4u << 20)

static int check_file(const char *path, const char *where, const char *key, bool secret, struct buf *errors)
{
    struct buf contents;
    if (!path)
        return 0;
    buf_init(&contents, OCTETS_MAX);
    int err = secret ? file_read_secret(path, &contents) : file_read(path, &contents);
    if (err)
        buf_printf(errors, "[%s] %s: %s: %s\n", where, key, path,
                   err == ERR_NOT_FOUND             ? "there is no such file"
                   : err == ERR_FORBIDDEN && secret ? "it must be ours and have mode 0600"
                                                    : err_text(err));
    buf_fini_secret(&contents);
    return err;
}

static int check_list(const struct conf_group *g, const char *key, struct buf *errors)
{
    int err = 0;
    for (size_t i = 0; i < conf_count(g, key); i++) {
        int failed = check_file(conf_text_at(g, key, i), "tls", key, false, errors);
        err = err ? err : failed;
    }
    return err;
}

int settings_check(const struct settings *s, const char *path, struct buf *errors)
{
    const struct conf_group *tls = conf_section(s->conf, "tls");
    const struct side_settings *inside = &s->sides[EDGE_INSIDE];
    int failed[] = {
        check_list(tls, "ca", errors),
        check_list(tls, "crl", errors),
        check_file(inside->certificate, "inside", "certificate", false, errors),
        check_file(inside->key, "inside", "key", true, errors),
        check_file(inside->ca, "inside", "ca", false, errors),
        check_file(s->server.ca, "server", "ca", false, errors),
    };
    int err = 0;
    (void)path;
    for (size_t i = 0; i < sizeof failed / sizeof failed[0]; i++)
        err = err ? err : failed[i];
    for (size_t i = 0; i < s->edge.domain_count; i++) {
        int certificate = check_file(s->domains[i].certificate, "domain", "certificate", false, errors);
        int key = check_file(s->domains[i].key, "domain", "key", true, errors);
        err = err ? err : certificate ? certificate : key;
    }
    return err;
}
