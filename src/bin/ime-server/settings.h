/* The configuration file of ime-server: the table of its keys, and what becomes of them. */
#ifndef IME_SERVER_SETTINGS_H
#define IME_SERVER_SETTINGS_H

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
    const struct conf *conf; /* owns the texts */
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

/* Takes the settings of a parsed file and of those that it names (passwords); as struct daemon_program wants it (bin/daemon/daemon.h). */
int settings_load(const struct conf *conf, struct buf *errors, struct settings **ret_settings);
void settings_free(struct settings *s);
int settings_check(const struct settings *s, const char *path, struct buf *errors);

/* Further Node-IDs have the ports behind the first one's. */
struct addr settings_behind(struct addr addr, unsigned node);

struct addr settings_vap_listen(const struct settings *s, size_t i);
struct addr settings_vap_plain(const struct settings *s, size_t i);

#endif
