/* The running edge: the core, and everything of the kernel that it needs. One object, made in main, known to every file here. What all daemons have
 * is in its part `daemon`. */
#ifndef IME_EDGE_HOST_H
#define IME_EDGE_HOST_H

#include "bin/daemon/daemon.h"
#include "edge/edge.h"
#include "io/media_host.h"
#include "io/sip_host.h"
#include "settings.h"
#include "ticket/keyset.h"

/* The keys of one served domain's tickets. */
struct domain_keys {
    struct host *host;
    struct keyring *keyring;
    bool is_typed; /* from a password of the configuration */
    struct keyset_receiver receiver;
    uint64_t notify; /* of the page that is being written */
    bool is_live;    /* the server tells of each change at once */
    unsigned server; /* which one has told us */
    struct wall next_warning;
};

/* One IME server. */
struct vap_link {
    struct host *host;
    unsigned server;
    struct dns_query *query; /* its name is being looked up */
    struct stream *stream;   /* NULL: not connected */
    bool up, online;
    struct wall since; /* online, or not */
    char reason[160];  /* not online: why */
};

struct host {
    struct daemon daemon;
    struct mapping_server *mapping; /* NULL: no mapping service */
    struct list askers;
    size_t asker_count;
    struct stream_counters mapping_counters;
    struct sip_host *sip;
    struct media_host *media;
    struct tls_context *tls_inside_server, *tls_inside_client;
    struct tls_context *tls_outside; /* all domains' certificates; the first one's to who asks for none */
    struct tls_context *tls_domains[EDGE_DOMAINS_MAX]; /* each shows its own */

    struct domain_keys keys[EDGE_DOMAINS_MAX];
    size_t told[EDGE_DOMAINS_MAX]; /* domains whose keys are not typed, as the VAP client numbers them */
    size_t told_count;
    struct vap_client *vap; /* NULL: there is no IME server to ask */
    struct tls_context *vap_tls;
    struct vap_link links[VAP_SERVERS_MAX];
    struct stream_counters vap_counters;
    struct dns *dns;
    struct mono keys_at;         /* epochs and their age are looked at again then */
    struct mono certificates_at; /* and certificates */
    struct mono files_at;        /* and their files */
    uint64_t files_stamp;        /* of all of them, when they were read */

    struct edge *edge;
};

/* sip.c: messages of both sides */
int sip_open(struct host *h);
void sip_close(struct host *h);
void sip_perform(struct host *h, const struct edge_effect *e);

/* media.c: the workers */
int media_open(struct host *h);
void media_close(struct host *h);

/* mapping.c: inside addresses that stand for far ones */
int mapping_open(struct host *h);
bool mapping_find(void *ctx, struct now now, const struct addr *local, struct addr *ret_far); /* of edge_ports */
struct mono mapping_turn(struct host *h, struct now now);
void mapping_close(struct host *h);
void mapping_show(const struct host *h, struct ctl_writer *w);

/* tls.c: contexts from files; each says what is wrong with which file */
int tls_open(struct host *h);
int tls_read_again(struct host *h); /* for new connections; those that are no longer believed end */
struct mono tls_watch(struct host *h,
                      struct now now); /* warns before a certificate or list ends; when it will look again */
void tls_show(const struct host *h, struct ctl_writer *w);
void tls_fini(struct host *h);

/* keys.c: key rings of the served domains */
int keys_open(struct host *h);
void keys_close(struct host *h);
const struct keyring *keys_of_domain(void *ctx, size_t domain);
void keys_perform(struct host *h, const struct vap_client_effect *e); /* what came of subscriptions */
void keys_server_lost(struct host *h, unsigned server);
struct mono keys_watch(struct host *h, struct now now);
void keys_show(const struct host *h, struct ctl_writer *w);
size_t keys_warnings(const struct host *h, struct ctl_writer *w); /* as edge_ports.warnings */

/* vap.c: connections to the IME servers */
int vap_open(struct host *h);
struct mono vap_turn(struct host *h, struct now now);
void vap_close(struct host *h);

#endif
