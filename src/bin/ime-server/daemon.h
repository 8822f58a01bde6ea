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

/* One of ring, VAP, PVP: its connections and counters. */
struct service {
    struct daemon *daemon;
    const char *name;
    struct map links; /* id → struct link */
    struct stream_counters counters;
    const struct stream_handler *handler;
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

    struct key *key;
    struct cert *certificate;
    struct id self;
    struct security *security;
    struct buf key_pem; /* a secret */
    struct buf certificate_pem;
    struct buf authority_pem; /* the enrollment authority, from the file of [enroll] ca */
    struct certificate_renewal *renewal;

    struct tls_context *ring_server, *ring_client, *vap_tls, *pvp_server, *pvp_client;
    struct service ring, vap, pvp;
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
struct service *service_of(struct daemon *d, enum server_effect_kind kind);
void service_send(struct daemon *d, const struct server_effect *e);

/* ring.c, vap.c, pvp.c: listeners, and what the core wants */
int ring_listen(struct daemon *d);
void ring_connect(struct daemon *d, const struct server_effect *e);
int vap_listen(struct daemon *d);
int pvp_listen(struct daemon *d);
void pvp_connect(struct daemon *d, const struct server_effect *e);
extern const struct stream_handler ring_handler, vap_handler, pvp_handler;

/* hasher.c: slow jobs on worker threads */
void hasher_init(struct daemon *d);
void derive_ticket_key(struct daemon *d, struct keyring_job *job);

/* identity.c, certificate.c: key, certificate, configuration; enrollment at the first start, renewal later */
int identity_prepare(struct daemon *d, struct config **ret_config);
int identity_tls(struct daemon *d, const struct config *config);
void identity_config(struct daemon *d, const struct config *config);
int identity_watch(struct daemon *d);
void identity_stop(struct daemon *d);
void identity_fini(struct daemon *d);

/* Keeps a listener for the shutdown; on failure says which address and why. */
int daemon_listen(struct daemon *d, const char *what, const struct listener_options *options,
                  listener_accept_fn *accept, void *arg);

#endif
