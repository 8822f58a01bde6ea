/* Reading configuration files and the secrets that belong to them. */
#include "bin/daemon/keys.h"

#include "io/file.h"

#include <stdio.h>
#include <sys/stat.h>

/* ---- the file ---- */

static bool has_key(const struct conf_table *table, const char *section, const char *name)
{
    for (size_t i = 0; i < table->key_count; i++)
        if (strcmp(table->keys[i].section, section) == 0 && strcmp(table->keys[i].name, name) == 0)
            return true;
    return false;
}

static void say_open(const struct conf_table *table, const struct conf_key *key, const struct conf_group *g,
                     const char *path, struct buf *errors)
{
    char file_key[64];
    const char *name = conf_group_name(g); /* "" if its section has none */
    snprintf(file_key, sizeof file_key, "%s-file", key->name);
    bool may_use_file = has_key(table, key->section, file_key);
    buf_printf(errors, "[%s%s%s] %s: %s is open to everybody: chmod o= it%s%s\n", key->section, *name ? " " : "", name,
               key->name, path, may_use_file ? ", or use " : "", may_use_file ? file_key : "");
}

/* A section in which the file gives that key; NULL: there is none. */
static const struct conf_group *group_with(const struct conf_table *table, const struct conf *conf,
                                           const struct conf_key *key)
{
    bool named = false;
    for (size_t i = 0; i < table->section_count; i++)
        named = named || (table->sections[i].named && strcmp(table->sections[i].name, key->section) == 0);
    const struct conf_group *g = named ? conf_next(conf, key->section, NULL) : conf_section(conf, key->section);
    while (g && !conf_is_set(g, key->name))
        g = named ? conf_next(conf, key->section, g) : NULL;
    return g;
}

/* A secret in the file makes the file a secret. */
static int check_mode(const struct conf_table *table, const struct conf *conf, const char *path, struct buf *errors)
{
    struct stat status;
    if (stat(path, &status) != 0 || !(status.st_mode & S_IRWXO))
        return 0;
    for (size_t i = 0; i < table->key_count; i++) {
        const struct conf_key *key = &table->keys[i];
        const struct conf_group *g = key->flags & CONF_SECRET ? group_with(table, conf, key) : NULL;
        if (g) {
            say_open(table, key, g, path, errors);
            return ERR_FORBIDDEN;
        }
    }
    return 0;
}

int daemon_read_conf(const struct conf_table *table, const char *path, struct buf *errors, struct conf **ret_conf)
{
    struct conf *conf = NULL;
    struct buf text;
    buf_init(&text, CONF_FILE_OCTETS_MAX);
    int err = file_read(path, &text);
    if (err)
        buf_printf(errors, "%s: %s\n", path, err == ERR_NOT_FOUND ? "there is no such file" : err_text(err));
    else
        err = conf_parse(table, path, buf_slice(&text), errors, &conf);
    buf_fini_secret(&text);
    if (!err)
        err = check_mode(table, conf, path, errors);
    if (err)
        conf_free(conf);
    else
        *ret_conf = conf;
    return err;
}

/* ---- secrets ---- */

int daemon_read_secret(const char *path, size_t min, size_t max, struct buf *contents, const char **ret_text)
{
    int err = file_read_secret(path, contents);
    if (err)
        return err;
    const char *text = buf_text(contents);
    size_t n = strcspn(text, "\r\n");
    if (contents->err)
        return contents->err;
    if (n != strlen(text)) {
        contents->n = n;
        text = buf_text(contents);
    }
    if (n < min || n > max)
        return ERR_RANGE;
    *ret_text = text;
    return 0;
}

int daemon_secret(const struct conf_group *g, const char *where, const char *key, bool required, size_t min, size_t max,
                  struct buf *errors, struct buf *contents, const char **ret_text)
{
    char file_key[64];
    snprintf(file_key, sizeof file_key, "%s-file", key);
    bool in_file = conf_has(g, file_key), inline_too = conf_has(g, key);
    if (in_file == inline_too && (in_file || required)) {
        buf_printf(errors, "[%s]: give either %s or %s\n", where, file_key, key);
        return ERR_SYNTAX;
    }
    if (!in_file) {
        *ret_text = conf_text(g, key);
        return 0;
    }
    const char *path = conf_text(g, file_key);
    int err = daemon_read_secret(path, min, max, contents, ret_text);
    if (err)
        buf_printf(errors, "[%s]: %s: %s; it must hold %zu to %zu characters and have mode 0600\n", where, path,
                   err_text(err), min, max);
    return err;
}
