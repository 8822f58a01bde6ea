/* The running call agent: the core, and everything of the kernel that it needs. One object, made in main, known to every file here. What all
 * daemons have is in its part `daemon`. */
#ifndef IME_AGENT_HOST_H
#define IME_AGENT_HOST_H

#include "agent/agent.h"
#include "bin/daemon/daemon.h"
#include "io/http.h"
#include "io/sip_host.h"
#include "io/sound_host.h"
#include "settings.h"
#include "ticket/keyring.h"

/* One IME server of one service. */
struct vap_link {
    struct host *host;
    unsigned service, server;
    struct dns_query *query; /* its name is being looked up */
    struct stream *stream;   /* NULL: not connected */
    bool up;
};

struct vap_service {
    struct agent_service *service;
    struct tls_context *tls; /* NULL: plain */
    struct vap_link links[VAP_SERVERS_MAX];
};

struct host {
    struct daemon daemon;
    struct sip_host *sip;
    struct sound_host *sound; /* NULL: no calls move to the phone network */
    struct agent_sound sound_port;
    struct tls_context *tls_server[AGENT_SIDES], *tls_client[AGENT_SIDES];
    struct mono locate_at[AGENT_TRUNKS_MAX]; /* DNS answers end then */

    struct agent_alarms alarms;
    struct agent_provision *provision;
    struct agent_routes *routes;
    struct agent_records *records;
    struct vap_service services[SERVICES_MAX];
    struct agent_service *service_list[SERVICES_MAX];
    struct stream_counters vap_counters;
    struct dns *dns;
    struct stream *mapping; /* NULL: not connected */
    struct stream_counters mapping_counters;
    struct keyring *keyring; /* NULL: tickets are not checked here */
    bool installed;          /* its key is durable */

    struct mono certificates_at; /* they are looked at again then */
    struct http_server *post;    /* NULL: records come by imectl only */
    struct tls_context *post_tls;
    struct agent_options options; /* of the agent; its texts are those of the settings */
    struct agent *agent;
};

/* sip.c: messages and addresses */
int sip_open(struct host *h);
void sip_close(struct host *h);
void sip_fini(struct host *h);
void sip_send(struct host *h, const struct agent_effect *e);
void sip_locate_trunk(struct host *h, unsigned trunk);
struct mono sip_relocate(struct host *h, struct now now); /* asks again what has ended; returns when that is next */

/* sound.c: ports for sound of the agent's own. Opened before the agent, closed behind it. */
int sound_open(struct host *h);
void sound_close(struct host *h);
size_t sound_sockets_max(const struct settings *s); /* at a time */

/* vap.c: connections to IME servers */
int vap_open(struct host *h);
void vap_close(struct host *h);
void vap_fini(struct host *h);
void vap_perform(struct host *h, const struct agent_effect *e);

/* mapping.c: the connection to the edge's mapping service */
void mapping_perform(struct host *h, const struct mapping_client_effect *e);
void mapping_close(struct host *h);

/* post.c: call records over HTTPS. Closed when the records are freed, which answers what is open. */
int post_open(struct host *h);
void post_close(struct host *h);
void post_fini(struct host *h);

/* tls.c: contexts from files; each says what is wrong with which file */
int tls_open_side(struct host *h, enum agent_side side);
int tls_read_again(struct host *h); /* all of them: new connections get what the files say now */
struct mono tls_watch(struct host *h,
                      struct now now); /* rings before a certificate ends; returns when it will look again */
int tls_of_side(struct host *h, const struct side_settings *side, enum tls_role role, bool demands,
                struct tls_context **context);
int tls_of_authority(struct host *h, const char *ca, struct tls_context **context);

/* ticket.c */
int ticket_open(struct host *h);
void ticket_close(struct host *h);
enum agent_cause ticket_check_call(void *ctx, struct now now, struct slice domain, const struct e164 *number,
                                   struct slice ticket);

#endif
