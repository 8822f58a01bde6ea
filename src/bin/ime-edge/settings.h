/* The configuration file of ime-edge: the table of its keys, and what becomes of them. */
#ifndef IME_EDGE_SETTINGS_H
#define IME_EDGE_SETTINGS_H

#include "conf/conf.h"
#include "edge/options.h"
#include "io/handshakes.h"
#include "io/media_host.h"
#include "mapping/server.h"
#include "sip/transport.h"
#include "vap/client.h"

extern const struct conf_table settings_table;

#define MAPPINGS_MAX 1900 /* besides other listeners, SIP_HOST_POINTS_MAX */
#define LISTEN_MAX 8      /* points of one side and transport */

/* One side of the edge. */
struct side_settings {
    struct addr tcp[LISTEN_MAX], tls[LISTEN_MAX];
    size_t tcp_count, tls_count;
    const char *certificate, *key, *ca; /* inside; NULL: none */
    bool demands_certificates;          /* inside, of agents over TLS */
};

struct domain_settings {
    const char *certificate, *key;
    struct buf ticket_password; /* a secret; empty: keys come from the IME server */
    uint8_t ticket_epoch;
};

/* Where the keys of tickets come from. */
struct server_settings {
    unsigned count; /* 0: from passwords only */
    const char *names[VAP_SERVERS_MAX];
    char hosts[VAP_SERVERS_MAX][SIP_HOST_OCTETS_MAX + 1];
    uint16_t ports[VAP_SERVERS_MAX];
    const char *ca, *tls_name; /* NULL: the host */
    const char *user, *password;
    struct buf password_contents; /* a secret */
    int64_t reconnect_ms, transaction_ms, stale_ms;
};

struct settings {
    const struct conf *conf; /* owns the texts */
    struct edge_options edge;
    struct side_settings sides[EDGE_SIDES];
    struct domain_settings domains[EDGE_DOMAINS_MAX]; /* by number, as in `edge` */
    struct server_settings server;
    struct media_host_options media;
    struct mapping_server_config mapping; /* count 0: there is no mapping service */
    struct addr mapping_listen;
    struct sip_net_config net;
    struct handshakes_config handshakes;
    size_t queue_octets_max; /* that wait for one slow reader */
    bool system_store;       /* public authorities are believed outside */
    bool crl_demanded, crl_stale_taken;
    int64_t resume_ms;
};

/* As daemon_program.load and .unload; `ret_settings` refers to the texts of the conf. */
int settings_load(const struct conf *conf, struct buf *errors, struct settings **ret_settings);
void settings_free(struct settings *s);

/* As daemon_program.check: the files that are named can be read. */
int settings_check(const struct settings *s, const char *path, struct buf *errors);

/* As daemon_program.may_follow. */
bool settings_may_follow(const struct settings *now, const struct settings *next, const char **ret_key);

/* settings_sides.c: listeners, advertised addresses, networks, agents, mappings. settings_media.c: media and quality. */
int settings_load_sides(struct settings *s, struct buf *errors);
int settings_load_media(struct settings *s, struct buf *errors);

#endif
