/* The insides of the transport layer: connections (transport_conn.c), what is done with them (transport.c), who may share, hold and see them
 * (transport_share.c), and requests that are too large for UDP (transport_large.c). */
#ifndef SIP_TRANSPORT_PRIVATE_H
#define SIP_TRANSPORT_PRIVATE_H

#include "base/buf.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "sip/framer.h"
#include "sip/message.h"
#include "sip/transport.h"

#define CONN_DRAIN_MS 1000 /* for an answer to the message that ends a connection */

enum conn_state {
    CONN_OPENING, /* connecting, or accepted and not yet through the handshake */
    CONN_UP,
    CONN_DRAINING /* nothing is read anymore */
};

struct conn {
    enum conn_state state;
    bool accepted;
    bool is_known;      /* the other side is, or the connection is ours */
    bool spoken;        /* a message or keep-alive came */
    bool pinged;        /* we wait for a sign of life */
    bool answers_pings; /* it has done so before */
    bool is_for_large;  /* made for a request that was too large for UDP */
    unsigned identity;  /* as sip_flow has it */
    unsigned holds;     /* that keep it from being closed for rest */
    uint64_t messages_in, messages_out, octets_in, octets_out;
    struct sip_hop hop; /* the other side; conn: its number */
    uint64_t asked_for; /* the number in the hop that it was made for: that of a connection which was gone; 0: none */
    struct sip_hop *alias; /* messages to there may go over it, too; NULL: none */
    struct addr local;
    char *peer_domains;
    char *peer_domain; /* the first of them */
    struct sip_framer framer;
    size_t partial_octets;  /* as counted in the net */
    struct buf waiting;     /* messages until it is up */
    struct mono since;      /* when the state began */
    struct mono used;       /* last message either way, or keep-alive of theirs */
    struct mono heard;      /* last input, or our last keep-alive */
    struct mono begun;      /* the message that is not whole */
    struct heap_node timer; /* never later than what sip_conn_due says; it may be earlier */
    struct list link;       /* in one of net.quiet, net.held or net.dead */
};

struct effect {
    enum sip_net_effect_kind kind;
    uint64_t conn;
    struct sip_hop hop;
    bool is_away;
    size_t at; /* in net.out */
    size_t octets;
};

struct sip_net {
    struct sip_net_config config;
    const struct log *log;
    struct sip_net_counters counters;

    struct conn **slots; /* by the lower bits of the number */
    uint32_t *free_slots;
    size_t slot_count;
    size_t free_count;
    uint64_t next_serial;
    size_t conn_count;
    size_t stranger_count; /* of these, neither known nor ours */
    struct map by_hop;     /* those that new messages may go over */
    struct map sources;    /* of accepted ones: how many */
    struct list quiet
        [2]; /* strangers', and the others; all that are neither dead nor held; the one that was used longest ago first */
    struct list held;
    struct list dead; /* freed when nobody looks at their octets anymore */
    struct heap deadlines;
    size_t waiting_octets;
    size_t partial_octets;
    struct map no_tcp;  /* address → struct refusal */
    size_t large_conns; /* that are for large requests */

    struct effect *effects; /* a ring */
    size_t effect_first, effect_count, effect_capacity;
    struct buf out; /* the octets of effects; emptied when there are no effects left */
    struct sip_hop told_hop;
    struct buf scratch;

    struct conn *reading; /* its input is cut into messages; NULL: none, or a datagram */
    struct slice input;
    struct sip_flow flow;
    bool has_datagram;
};

/* ---- transport.c ---- */

void sip_net_send_datagram(struct sip_net *n, const struct sip_hop *hop, struct slice octets);

/* ---- transport_large.c ---- */

/* True if the message to a hop of UDP goes by TCP; then the hop and the octets to send. The octets are in n->scratch. */
bool sip_large_by_tcp(struct sip_net *n, struct now now, const struct sip_hop *hop, struct slice octets,
                      struct sip_hop *ret_hop, struct slice *ret_octets);

/* The connection for large requests did not come up: what waits for it goes by UDP. */
void sip_large_fall_back(struct sip_net *n, struct now now, struct conn *c);
void sip_large_fini(struct sip_net *n);

/* ---- transport_conn.c ---- */

struct conn *sip_conn_find(const struct sip_net *n, uint64_t number);
struct conn *sip_conn_for(const struct sip_net *n, const struct sip_hop *hop);

/* So many were accepted from there. */
size_t sip_conn_source_count(const struct sip_net *n, const struct addr *addr);

/* The hop gets the new number. ERR_NO_MEMORY; ERR_LIMIT does not happen: there was room. */
int sip_conn_new(struct sip_net *n, struct now now, const struct sip_hop *hop, bool accepted, bool is_known,
                 struct conn **ret_conn);

/* Takes it out of all tables; what was given out of it stays valid until the next sip_net_next. */
void sip_conn_end(struct sip_net *n, struct conn *c);
void sip_conn_free_dead(struct sip_net *n);

/* Messages that have no connection of their own no longer go over it. */
void sip_conn_hide(struct sip_net *n, struct conn *c);

/* Messages to there that have no connection of their own go over it. ERR_EXISTS: they go over another. */
int sip_conn_lead(struct sip_net *n, struct conn *c, const struct sip_hop *hop);

/* Where it belongs among those that are not dead. */
void sip_conn_put(struct sip_net *n, struct conn *c);
void sip_conn_use(struct sip_net *n, struct now now, struct conn *c);
struct mono sip_conn_due(const struct sip_net *n, const struct conn *c);
void sip_conn_schedule(struct sip_net *n, struct conn *c);

#endif
