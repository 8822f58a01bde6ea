/* The configuration file of ime-enroll: the table of its keys, and what becomes of them. */
#ifndef IME_ENROLL_SETTINGS_H
#define IME_ENROLL_SETTINGS_H

#include "conf/conf.h"
#include "enroll/enroll.h"

extern const struct conf_table settings_table;

struct settings {
    const struct conf *conf; /* owns the texts */
    struct addr listen;
    const char *names[ENROLL_NAMES_MAX]; /* of the HTTPS certificate, the overlay's included */
    size_t name_count;
    const char *ca_file;
    enum key_type key_type;
    struct enroll_options enroll;
    struct config ring;
    struct region region; /* owns what ring points to, but for texts of the file */
};

/* As struct daemon_program wants them (bin/daemon/daemon.h). What was bound or founded at start must stay as it is. */
int settings_load(const struct conf *conf, struct buf *errors, struct settings **ret_settings);
void settings_free(struct settings *s);
bool settings_may_follow(const struct settings *now, const struct settings *next, const char **ret_key);

#endif
