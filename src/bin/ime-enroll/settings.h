/* The configuration file of ime-enroll: the table of its keys, and what becomes of them. */
#ifndef IME_ENROLL_SETTINGS_H
#define IME_ENROLL_SETTINGS_H

#include "base/buf.h"
#include "base/log.h"
#include "conf/conf.h"
#include "enroll/enroll.h"

extern const struct conf_table settings_table;

struct settings {
    struct conf *conf; /* owns the texts */
    struct addr listen;
    const char *names[ENROLL_NAMES_MAX]; /* of the HTTPS certificate, the overlay's included */
    size_t name_count;
    const char *data;
    const char *control;
    const char *ca_file;
    enum key_type key_type;
    enum log_level log_level;
    struct enroll_options enroll;
    struct config ring;
    struct region region; /* owns what ring points to, but for texts of the file */
};

/* Errors go to `errors`, a line each: what is wrong, where, and what to do. */
int settings_load(const char *path, struct buf *errors, struct settings *ret_settings);
void settings_fini(struct settings *s);

/* True if a reload may go from one to the other: what was bound or founded at start is the same. Else the key is told. */
bool settings_may_follow(const struct settings *now, const struct settings *next, const char **ret_key);

#endif
