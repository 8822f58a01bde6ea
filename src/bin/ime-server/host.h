/* The running server: the core, and everything of the kernel that it needs. One object, made in main, known to every file here. What all
 * daemons have is in its part `daemon`. */
#ifndef IME_SERVER_HOST_H
#define IME_SERVER_HOST_H

#include "base/map.h"
#include "bin/daemon/daemon.h"
#include "io/tls_srp.h"
#include "io/worker.h"
#include "server/server.h"
#include "settings.h"

/* One connection: the core knows it by its number. */
struct link {
    uint64_t id; /* 0 until the core has named it */
    struct service *service;
    struct stream *stream;
    bool incoming;
    bool up;    /* the handshake is done */
    bool asked; /* pvp: a username was received */
    bool tls;
};

/* One of ring, VAP, PVP: its connections and counters. The ring has one for each Node-ID. */
struct service {
    struct host *host;
    const char *name;
    unsigned node;    /* ring: number of the Node-ID */
    struct map links; /* id → struct link */
    struct stream_counters counters;
    const struct stream_handler *handler;
};

/* One Node-ID of this server: its certificate and what is made of it, its listener, its links. Number 0 is the server's own. */
struct node {
    struct host *host;
    unsigned number;
    bool running; /* the core has it */
    bool retires; /* not wanted any longer: it is there to hand over what it stores */
    struct id id;
    struct cert *certificate; /* NULL: none yet */
    struct buf certificate_pem;
    struct security *security;
    struct tls_context *tls_server, *tls_client;
    struct service links;
    struct listener *listeners[2]; /* one for each family of addresses */
    struct certificate_renewal *renewal;
};

struct host {
    struct daemon daemon;
    struct worker_pool *workers;
    struct list slow_jobs; /* that the workers have, or that are done and wait for the loop */
    struct numbers_hasher hasher;

    struct key *key;          /* of all our certificates */
    struct buf key_pem;       /* a secret */
    struct buf authority_pem; /* the enrollment authority, from the file of [enroll] ca */
    struct node nodes[SERVER_NODES_MAX];
    struct config_poll *poll;

    struct tls_context *vap_tls, *pvp_server, *pvp_client;
    struct service vap, pvp;

    struct server *server;
};

/* service.c */
void service_init(struct service *service, struct host *h, const char *name, const struct stream_handler *handler);
void service_fini(struct service *service);
struct link *link_new(struct service *service, bool incoming);
void link_set_stream(struct link *l, struct stream *stream);
int link_register(struct link *l, uint64_t id);
struct link *service_find(const struct service *service, uint64_t id);
/* Closes the stream if it is still there, and frees. */
void link_drop(struct link *l, bool finish);
struct service *service_of(struct host *h, const struct server_effect *e);
void service_send(struct host *h, const struct server_effect *e);

/* ring.c, vap.c, pvp.c: listeners, and what the core wants */
int ring_listen(struct node *n);
void ring_connect(struct host *h, const struct server_effect *e);
/* From where to connect: what listens in the family of the remote address, with any port. */
struct addr local_for(const struct addr listen[2], const struct addr *remote);
int vap_listen(struct host *h);
int pvp_listen(struct host *h);
void pvp_connect(struct host *h, const struct server_effect *e);
extern const struct stream_handler ring_handler, vap_handler, pvp_handler;

/* hasher.c: slow jobs on worker threads */
void hasher_init(struct host *h);
void hasher_fini(struct host *h); /* after the workers have ended */
void derive_ticket_key(struct host *h, struct keyring_job *job);

/* identity.c, certificate.c: key, certificates, configuration; enrollment at the first start, renewal later */
int identity_prepare(struct host *h, struct config **ret_config);
void identity_config(struct host *h, const struct config *config);
void identity_fini(struct host *h);

/* config_poll.c: newer configurations from the enrollment server */
int config_poll_start(struct host *h);
void config_poll_again(struct host *h);
void config_poll_stop(struct host *h);

/* nodes.c: the Node-IDs. Those that the settings ask for, as soon as there are certificates for them; those that there are certificates for
 * but that the settings ask for no longer, until they have left. */
void host_init_nodes(struct host *h);
int host_start_nodes(struct host *h);
int node_tls(struct node *n, const struct config *config);
int node_security(struct node *n, const struct config *config);
/* A further one has its certificate: from now on it is in the ring. Tried again later if it fails. */
int node_run(struct node *n);
/* The core has done with it. */
void node_left(struct node *n);
void host_close_nodes(struct host *h); /* listeners and links */
void host_fini_nodes(struct host *h);

#endif
