/* The configuration file of ime-agent: the table of its keys, and what becomes of them. */
#ifndef IME_AGENT_SETTINGS_H
#define IME_AGENT_SETTINGS_H

#include "agent/agent.h"
#include "agent/conf.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "io/dns.h"
#include "sip/transport.h"

extern const struct conf_table settings_table;

#define SERVICES_MAX 16

/* Where one of our sides listens. */
struct side_settings {
    struct addr listen[SIP_TLS + 1];    /* family 0: not over this transport */
    const char *certificate, *key, *ca; /* NULL: none */
    /* Where it has ports for sound of its own, and what others are told: IPv4, then IPv6; family 0: nowhere. */
    struct {
        struct addr bind, told;
    } media[2];
};

struct service_settings {
    struct agent_conf_service service;
    struct buf password; /* a secret */
};

/* Where call records may be posted. */
struct post_settings {
    struct addr listen;         /* family 0: nowhere */
    struct side_settings files; /* certificate and key */
    struct buf token;           /* a secret */
};

struct settings {
    const struct conf *conf; /* owns the texts */
    struct agent_options agent;
    struct side_settings sides[AGENT_SIDES];
    struct addr dns_servers[DNS_SERVERS_MAX]; /* none: those of the system */
    size_t dns_server_count;
    struct sip_net_config net;
    uint16_t media_port_min, media_port_max;
    size_t queue_octets_max; /* that wait for one slow reader */
    struct agent_enrolled *enrolled;
    struct agent_routes_config routes;
    struct agent_records_config records;
    struct post_settings post;
    struct service_settings services[SERVICES_MAX];
    size_t service_count;
    struct buf ticket_password; /* a secret; empty: tickets are not checked here */
    uint8_t ticket_epoch;
};

/* As daemon_program.load and .unload; `ret_settings` refers to the texts of the conf. */
int settings_load(const struct conf *conf, struct buf *errors, struct settings **ret_settings);
void settings_free(struct settings *s);

/* settings_follow.c: as daemon_program.may_follow; and the part of daemon_program.reload that is about options: those in use are changed where
 * they lie, their texts move from the old settings to the ones that hold now. */
bool settings_may_follow(const struct settings *now, const struct settings *next, const char **ret_key);
void settings_follow(struct settings *now, struct settings *old, struct agent_options *used);

/* settings_sides.c: sides, PBXs, trunks. */
int settings_load_sides(struct settings *s, struct buf *errors);

#endif
