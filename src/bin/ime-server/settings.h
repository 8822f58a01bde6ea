/* The configuration file of ime-server: the table of its keys, and what becomes of them. */
#ifndef IME_SERVER_SETTINGS_H
#define IME_SERVER_SETTINGS_H

#include "base/buf.h"
#include "base/log.h"
#include "conf/conf.h"
#include "server/options.h"

extern const struct conf_table settings_table;

#define DOMAINS_MAX 64

struct domain_password {
    const char *domain;
    uint8_t ticket_epoch;
    char *password; /* a secret; owned */
};

struct settings {
    struct conf *conf; /* owns the texts */
    const char *data;
    const char *control;
    enum log_level log_level;
    const char *enroll_url;
    const char *enroll_ca;
    const char *enroll_token_file; /* NULL: enrolled already, or an error */
    int64_t renew_before_ms;
    int64_t poll_ms;            /* 0: as the role wants it */
    struct addr ring_listen[2]; /* one for each family of addresses; family 0: none */
    unsigned node_ids;
    size_t vap_listen_count; /* conf_addr_at(vap, "listen", i) */
    size_t vap_plain_count;
    struct addr pvp_listen[2];
    struct domain_password domains[DOMAINS_MAX];
    size_t domain_count;
    struct server_options server;
};

/* Reads the file and those that it names (passwords). Errors go to `errors`, a line each: what is wrong, where, and what to do. */
int settings_load(const char *path, struct buf *errors, struct settings *ret_settings);
void settings_fini(struct settings *s);

/* For --check: what a start needs besides the file itself. Errors as above. */
int settings_check_files(const struct settings *s, const char *path, struct buf *errors);

/* Further Node-IDs have the ports behind the first one's. */
struct addr settings_behind(struct addr addr, unsigned node);

struct addr settings_vap_listen(const struct settings *s, size_t i);
struct addr settings_vap_plain(const struct settings *s, size_t i);

#endif
