/* SIGHUP: whether a configuration may follow another one while the program runs. */
#ifndef BIN_DAEMON_FOLLOW_H
#define BIN_DAEMON_FOLLOW_H

#include "conf/conf.h"

/* Whether that key may change; key "": whether the section may as a whole, with how many of its kind there are. */
typedef bool daemon_may_change_fn(const char *section, const char *key);

/* True if nothing else is different. Else ret_key says what is, for people; static storage. */
bool daemon_may_follow(const struct conf_table *table, const struct conf *now, const struct conf *next,
                       daemon_may_change_fn *may_change, const char **ret_key);

#endif
