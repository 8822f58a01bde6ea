/* The running server: the core, and everything of the kernel that it needs. One object, made in main, known to every file here. */
#ifndef IME_SERVER_DAEMON_H
#define IME_SERVER_DAEMON_H

#include "base/map.h"
#include "io/control.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/tls_srp.h"
#include "io/unix.h"
#include "io/worker.h"
#include "server/server.h"
#include "settings.h"
#include "store/sqlite.h"

#define LISTENERS_MAX 64

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
    struct daemon *daemon;
    const char *name;
    unsigned node;    /* ring: number of the Node-ID */
    struct map links; /* id → struct link */
    struct stream_counters counters;
    const struct stream_handler *handler;
};

/* One Node-ID of this server: its certificate and what is made of it, its listener, its links. Number 0 is the server's own. */
struct node {
    struct daemon *daemon;
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

struct daemon {
    struct settings settings;
    struct log log;
    struct entropy entropy;
    struct loop *loop;
    struct loop_timer *timer;
    struct loop_task work;
    struct loop_task commit;
    struct worker_pool *workers;
    struct numbers_hasher hasher;
    struct sqlite_store *store;
    int lock;

    struct key *key;          /* of all our certificates */
    struct buf key_pem;       /* a secret */
    struct buf authority_pem; /* the enrollment authority, from the file of [enroll] ca */
    struct node nodes[SERVER_NODES_MAX];
    struct config_poll *poll;

    struct tls_context *vap_tls, *pvp_server, *pvp_client;
    struct service vap, pvp;
    struct listener *listeners[LISTENERS_MAX];
    size_t listener_count;
    struct ctl_server ctl;
    struct control *control;

    struct server *server;
    bool leaving;
};

/* Lets the core's wishes come true and sets the timer; call it (through daemon_wake) after every event. */
void daemon_wake(struct daemon *d);

/* Ends the process in good order: leave says goodbye to the ring first. */
void daemon_stop(struct daemon *d, bool leave);

/* service.c */
void service_init(struct service *service, struct daemon *d, const char *name, const struct stream_handler *handler);
void service_fini(struct service *service);
struct link *link_new(struct service *service, bool incoming);
void link_set_stream(struct link *l, struct stream *stream);
int link_register(struct link *l, uint64_t id);
struct link *service_find(const struct service *service, uint64_t id);
/* Closes the stream if it is still there, and frees. */
void link_drop(struct link *l, bool finish);
struct service *service_of(struct daemon *d, const struct server_effect *e);
void service_send(struct daemon *d, const struct server_effect *e);

/* ring.c, vap.c, pvp.c: listeners, and what the core wants */
int ring_listen(struct node *n);
void ring_connect(struct daemon *d, const struct server_effect *e);
/* From where to connect: what listens in the family of the remote address, with any port. */
struct addr local_for(const struct addr listen[2], const struct addr *remote);
int vap_listen(struct daemon *d);
int pvp_listen(struct daemon *d);
void pvp_connect(struct daemon *d, const struct server_effect *e);
extern const struct stream_handler ring_handler, vap_handler, pvp_handler;

/* hasher.c: slow jobs on worker threads */
void hasher_init(struct daemon *d);
void derive_ticket_key(struct daemon *d, struct keyring_job *job);

/* identity.c, certificate.c: key, certificates, configuration; enrollment at the first start, renewal later */
int identity_prepare(struct daemon *d, struct config **ret_config);
void identity_config(struct daemon *d, const struct config *config);
void identity_fini(struct daemon *d);

/* config_poll.c: newer configurations from the enrollment server */
int config_poll_start(struct daemon *d);
void config_poll_again(struct daemon *d);
void config_poll_stop(struct daemon *d);

/* nodes.c: the Node-IDs. Those that the settings ask for, as soon as there are certificates for them; those that there are certificates for
 * but that the settings ask for no longer, until they have left. */
void daemon_init_nodes(struct daemon *d);
int daemon_start_nodes(struct daemon *d);
int node_tls(struct node *n, const struct config *config);
int node_security(struct node *n, const struct config *config);
/* A further one has its certificate: from now on it is in the ring. Tried again later if it fails. */
int node_run(struct node *n);
/* The core has done with it. */
void node_left(struct node *n);
void daemon_close_nodes(struct daemon *d); /* listeners and links */
void daemon_fini_nodes(struct daemon *d);

/* Opens a listener; on failure says which address and why. */
int daemon_open_listener(struct daemon *d, const char *what, const struct listener_options *options,
                         listener_accept_fn *accept, void *arg, struct listener **ret_listener);

/* The same, keeping it for the shutdown; on failure says which address and why. */
int daemon_listen(struct daemon *d, const char *what, const struct listener_options *options,
                  listener_accept_fn *accept, void *arg);

#endif
