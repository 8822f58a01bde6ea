/* Configuration that all daemons have: keys of their first section, for the program's table, and secrets. */
#ifndef BIN_DAEMON_KEYS_H
#define BIN_DAEMON_KEYS_H

#include "base/buf.h"
#include "conf/conf.h"

/* clang-format off */
/* Rows of the table: [section] data, control, log-level. The daemon reads them itself. */
#define DAEMON_KEY_DATA(section, folder, doc) {section, "data", CONF_PATH, 0, folder, 0, 0, NULL, NULL, doc}
#define DAEMON_KEY_CONTROL(section) \
    {section, "control", CONF_PATH, 0, "/run/ime/" section ".sock", 0, 100, NULL, NULL, \
     "Unix socket for imectl; only this user and root may connect."}
#define DAEMON_KEY_LOG_LEVEL(section) \
    {section, "log-level", CONF_CHOICE, 0, "info", 0, 0, "error|warning|notice|info|debug", NULL, \
     "Events up to this level go to standard error."}
/* clang-format on */

/* Reads and parses a configuration file. Besides what conf_parse checks: a file with a secret in it must not be open to everybody. Each
 * error is a line of `errors`. */
int daemon_read_conf(const struct conf_table *table, const char *path, struct buf *errors, struct conf **ret_conf);

/* The first line of a file that holds a secret of min … max octets; the file is closed to others (file_read_secret). The text lies in
 * `contents`, which buf_fini_secret wipes. ERR_RANGE: it is too short or too long. */
int daemon_read_secret(const char *path, size_t min, size_t max, struct buf *contents, const char **ret_text);

/* The secret of a group that has either the key itself or, better, KEY-file. `where` names the section in errors: "client pbx1". The text lies
 * in the conf or in `contents`. Absent altogether: an error if it is required, else NULL. */
int daemon_secret(const struct conf_group *g, const char *where, const char *key, bool required, size_t min, size_t max,
                  struct buf *errors, struct buf *contents, const char **ret_text);

#endif
