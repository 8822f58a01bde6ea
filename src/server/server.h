/* The IME server as one passive object: the ring's peer, number records, VAP, validation in both directions, pools, routes, tickets.
 * Everything that the program needs of the kernel it is asked for by effects; everything that happens it reports with the time.
 *
 *     server_pvp_input(server, now, conn, octets);          (or an event of the parts: peer_…, vap_server_…)
 *     while (server_next(server, now, &effect)) { … }       (also after the store has called completions)
 *     sleep until server_deadline(server), then server_tick(server, now)
 *
 * Ring links and VAP connections are reported straight to the parts (server_peer, server_vap); their effects come out here, those that
 * are not for the kernel having been dealt with inside. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "base/entropy.h"
#include "base/kv.h"
#include "base/log.h"
#include "ctl/session.h"
#include "numbers/reader.h"
#include "numbers/resolver.h"
#include "pvp/originator.h"
#include "pvp/terminator.h"
#include "reload/config.h"
#include "reload/peer.h"
#include "reload/security.h"
#include "server/options.h"
#include "vap/server.h"

struct server;

/* Borrowed, for the life of the server. */
struct server_ports {
    const struct entropy *entropy;
    const struct log *log; /* may be NULL */
    const struct kv *kv;
    struct security *security;
    const struct numbers_hasher *hasher;
};

/* Loads everything from the store. The options and what they point to must outlive the server; the configuration becomes the server's,
 * in every case. 0, or what the parts say: a damaged store is
 * ERR_SYNTAX. */
int server_new(const struct server_options *options, const struct server_ports *ports, struct config *config,
               struct id self, struct wall certificate_end, struct now now, struct server **ret_server);

/* The program must have closed all connections, and no write may be pending. NULL is allowed. */
void server_free(struct server *s);

/* The configuration document that was last made durable, or ERR_NOT_FOUND before the first server_new. Valid until the next use of the
 * store. */
int server_stored_config(const struct kv *kv, struct slice *ret_document);

/* The ticket key of a domain for an epoch, from a password that all servers of a company have: the tickets of each are good at the others.
 * Nothing is done if the epoch has a key, or a later one has begun. 0, or what keyring_prepare says of password and epoch. */
int server_ticket_password(struct server *s, struct now now, const char *domain, uint8_t epoch, const char *password);

/* Joins the ring. */
void server_start(struct server *s, struct now now);

/* Leaves it, one Node-ID after the other, so that none hands over to one that goes as well; SERVER_LEFT tells when that is done. */
void server_leave(struct server *s, struct now now);

struct peer *server_peer(struct server *s); /* of the server's own Node-ID: node 0 */
struct vap_server *server_vap(struct server *s);
const struct config *server_config_of(const struct server *s); /* in use */

/* A signed document from elsewhere than the ring (the enrollment server, an operator): if it is newer and its signer is one of the
 * configuration in use, it is made durable, used and passed on. 0: it is on its way. Else it is not taken, and the text says why:
 * ERR_CONFLICT (not newer), ERR_AUTH, ERR_FORBIDDEN, ERR_EXPIRED (its signature), ERR_NOT_FOUND (another ring's), ERR_WRONG_STATE (another
 * one is being written), what config_parse says, or the store's error. */
#define SERVER_WHY_OCTETS 256
int server_config_offer(struct server *s, struct now now, struct slice document, char ret_why[SERVER_WHY_OCTETS]);

/* ---- further Node-IDs ----
 *
 * A server with more capacity takes more of the ring: each further Node-ID is a peer of its own, with its own certificate, listener, links
 * and stored rows, and routes and stores like any other. Node 0 is the server's own (server_new): it reads, validates, and
 * publishes up to its quota of numbers; what is more is published under the others, each with a quota of its own. Nodes are numbered as
 * the enrollment server numbers the Node-IDs of a server. */

struct server_node {
    unsigned number; /* 1 to SERVER_NODES_MAX - 1 */
    struct id self;
    struct addr address;       /* of its ring listener, as others reach it */
    struct addr other_address; /* in the other family; family 0: there is none */
    struct security *security; /* of its own certificate; outlives the server */
    bool
        retires; /* not wanted any longer: it joins once more to hand over what it stores, then SERVER_NODE_LEFT; its rows are removed */
};

/* Before or after server_start. 0, ERR_EXISTS, ERR_RANGE, or what making a peer and loading its rows say. */
int server_node_add(struct server *s, struct now now, const struct server_node *node);

/* NULL: there is no such node. */
struct peer *server_node_peer(struct server *s, unsigned number);

/* The certificate of a Node-ID was renewed (its security object has been told already); certificate_end: that of node 0. */
void server_certificate_renewed(struct server *s, struct now now, struct wall certificate_end);

/* The end of a job of the hasher. */
void server_hashed(struct server *s, struct now now, uint64_t job, int err,
                   const struct numbers_slot slots[NUMBERS_COPIES]);

/* Who claims this number? One SERVER_LOOKED_UP with this token, unless the server is freed before. ERR_WRONG_STATE: not in the ring;
 * ERR_LIMIT, ERR_NO_MEMORY: it does not even begin. */
int server_look_up(struct server *s, struct now now, const struct e164 *number, uint64_t token);

struct server_lookup {
    uint64_t token;
    int err;                                  /* 0; ERR_UNREACHABLE: no copy answered; or the error of the hasher */
    unsigned answered;                        /* copies */
    const struct numbers_claimant *claimants; /* oldest first */
    size_t claimant_count;
    uint32_t discarded; /* entries that did not verify, did not open, or were too many */
    int64_t elapsed_us;
};

/* ---- validation connections ---- */

/* Somebody connected to the PVP listener. ERR_LIMIT: close it. */
int server_pvp_accept(struct server *s, struct now now, const struct addr *source, uint64_t *ret_conn);

/* The password of a TLS-SRP username: always one, a made-up one for a call that is not known; or ERR_LIMIT: end the connection. */
int server_pvp_password(struct server *s, struct now now, uint64_t conn, struct slice username,
                        struct buf *ret_password);

/* How the handshake of an accepted connection came out; the exporter only if it was good. */
void server_pvp_handshake(struct server *s, struct now now, uint64_t conn, enum pvp_handshake result,
                          const uint8_t exporter[PVP_EXPORTER_OCTETS]);

/* How SERVER_PVP_CONNECT came out. */
void server_pvp_connected(struct server *s, struct now now, uint64_t conn, enum pvp_connect result,
                          const uint8_t exporter[PVP_EXPORTER_OCTETS]);

/* Of either direction. Connections that the server has closed meanwhile are ignored. */
void server_pvp_input(struct server *s, struct now now, uint64_t conn, struct slice octets);
void server_pvp_closed(struct server *s, struct now now, uint64_t conn);

/* ---- time and effects ---- */

void server_tick(struct server *s, struct now now);
struct mono server_deadline(const struct server *s);

enum server_effect_kind {
    SERVER_RING_CONNECT, /* conn, addr: a TLS connection; then peer_link_up or peer_link_connect_failed */
    SERVER_RING_SEND,    /* conn, octets */
    SERVER_RING_CLOSE,   /* conn, reason: after what was sent */
    SERVER_VAP_SEND,     /* conn, octets */
    SERVER_VAP_CLOSE,    /* conn, reason: after what was sent */
    SERVER_PVP_CONNECT,  /* conn, addr, username, password (a secret) */
    SERVER_PVP_SEND,     /* conn, octets */
    SERVER_PVP_CLOSE,    /* conn: after what was sent */
    SERVER_DERIVE,       /* job: run it on a worker thread, then server_derived */
    SERVER_LOOKED_UP,    /* lookup: the end of server_look_up */
    SERVER_CONFIG,       /* config: tell security and TLS of it now; the ring uses it right after */
    SERVER_JOINED,       /* we are a member of the ring */
    SERVER_LEFT,         /* server_leave is done, for all nodes */
    SERVER_NODE_LEFT,    /* node: one that retires has handed over what it stored, and may be forgotten */
    SERVER_BANNED        /* the ring's configuration shuts us out */
};

/* What it points to is valid until the next call of server_next. */
struct server_effect {
    enum server_effect_kind kind;
    unsigned node; /* SERVER_RING_…: whose link it is; each node numbers its own */
    uint64_t conn;
    struct addr addr;
    struct slice octets;
    const char *reason;
    const char *username;
    const char *password;
    struct keyring_job *job;
    const struct config *config;
    const struct server_lookup *lookup;
};
bool server_next(struct server *s, struct now now, struct server_effect *ret_effect);

void server_derived(struct server *s, struct now now, struct keyring_job *job);

/* ---- control ---- */

/* The handlers of ime-server's commands; ctx is a struct server. The program sets the time before it passes input on. */
extern const struct ctl_handler server_handlers[];
extern const size_t server_handler_count;
void server_set_now(struct server *s, struct now now);

/* Asked by `shutdown`: the program looks after each batch of control input. */
bool server_wants_shutdown(const struct server *s);

/* Counters that the program keeps (connections refused and why), shown with the others. Borrowed. */
void server_add_counters(struct server *s, const char *prefix, const char *const *names, const uint64_t *values);

#endif
