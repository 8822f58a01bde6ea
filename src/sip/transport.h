/* The transport layer (RFC 3261 section 18) as a core: the connections of a program, which message goes over which of them, and what ends
 * them. Below it are sockets, which the host of the core (io/sip_host.h) opens, writes and closes as the effects say; above it are
 * transactions (transaction.h).
 *
 * A message to a hop goes over the connection that the hop names while that lives; else over one that was made to the same address, with the
 * same transport and TLS name; else a new one is made, and the message waits until it is up. So a response whose connection is gone takes a new
 * one to the address that its hop has (18.2.2).
 *
 * A request of more than SIP_DATAGRAM_OCTETS_MAX octets to a hop of UDP that allows it goes by TCP, and so do the requests that follow while
 * that connection is up: ACK and CANCEL take the way of their INVITE. If the other side does not take the connection, the request goes by UDP after
 * all, and others for config.no_tcp_ms at once (18.1.1). The topmost Via is changed to what it goes by.
 *
 * A ping is CR LF CR LF (RFC 5626 3.5.1). Whoever needs a connection, at either end, knows within 25 s that it is dead, though it has nothing to say.
 *
 * Connections end: when they are idle, when a message that has begun does not become whole in time (slow senders), when the other side
 * shows no message at all after it connected, does not answer our keep-alive, or sends what is no message. Messages are bounded by
 * SIP_MESSAGE_OCTETS_MAX, their parts in memory by config.partial_octets_max, connections in all and by source; at the limit the
 * connection that has been quiet for longest gives way, if it has been so for config.spare_ms.
 *
 * Peers that the program knows (its configuration names them) have a limit of their own and, together with the connections that we make, room that
 * strangers do not get: nobody else's connections keep them out, and theirs give way to no stranger. */
#ifndef SIP_TRANSPORT_H
#define SIP_TRANSPORT_H

#include "base/counter.h"
#include "base/log.h"
#include "base/time.h"
#include "sip/flow.h"

struct sip_net;

struct sip_net_config {
    size_t conns_max;            /* in all; at most SIP_CONNS_MAX */
    size_t conns_reserved;       /* of these, for known peers and for connections of ours */
    size_t conns_per_source_max; /* accepted from one address (IPv6: from one /64) */
    size_t conns_per_peer_max;   /* the same if the peer is known */
    size_t queue_octets_max;     /* that wait for one connection to come up */
    size_t waiting_octets_max;   /* the same of all connections together */
    size_t
        partial_octets_max; /* memory for messages that have begun, of all connections together; a quarter is not for strangers */
    int64_t connect_ms;   /* until a connection of ours is up, TLS included */
    int64_t accept_ms;    /* the same for one that was accepted: half-open ones */
    int64_t first_ms;     /* until an accepted one has sent its first message or keep-alive */
    int64_t message_ms;   /* from a message's first octet to its last */
    int64_t idle_ms;      /* without any message, either way; longer than calls ring */
    int64_t keepalive_ms; /* after so long without input we ping, on connections of ours and on held ones; 0: never */
    int64_t pong_ms;      /* for the answer to that; a side that never answered one is not held to it */
    int64_t no_tcp_ms;    /* an address that took no TCP is not tried again for large requests */
    int64_t spare_ms;     /* quiet for so long: may give way */
    uint64_t seed;        /* of the hash tables */
};
#define SIP_CONNS_MAX 65536
#define SIP_DATAGRAM_OCTETS_MAX 1300 /* of a request, since the path's MTU is not known (18.1.1) */

/* No two living connections have the same: an index for what the host keeps of them. Small numbers come first. */
static inline size_t sip_conn_slot(uint64_t conn)
{
    return conn % SIP_CONNS_MAX;
}

void sip_net_config_init(struct sip_net_config *config);

/* clang-format off */
#define SIP_NET_COUNTERS(X) \
    X(messages_in) X(messages_out) X(octets_in) X(octets_out) X(pings_in) X(pings_out) X(accepted) X(connected) X(reused) \
    X(lost) X(unreachable) X(refused_connections) X(refused_source) X(refused_peer) X(refused_waiting) X(refused_partial) X(refused_size) X(bad_framing) \
    X(closed_half_open) X(closed_silent) X(closed_slow) X(closed_idle) X(closed_no_pong) X(closed_spare) X(connect_timeouts) X(large_by_tcp) X(large_by_udp) X(memory_refused)
/* clang-format on */
COUNTERS_DECLARE(sip_net_counters, SIP_NET_COUNTERS)

/* The log may be NULL. */
int sip_net_new(const struct sip_net_config *config, const struct log *log, struct sip_net **ret_net);
void sip_net_free(struct sip_net *n);

/* ---- from above ---- */

/* Sends one message. The octets are copied. What cannot be sent is told by SIP_NET_UNREACHABLE, never by more than one
 * for the same hop in a row. */
void sip_net_send(struct sip_net *n, struct now now, const struct sip_hop *hop, struct slice octets);

/* The connection is needed, by a dialog for example: until it was released as often, it neither ends for being idle nor gives way to another.
 * Harmless if it is gone. */
void sip_net_hold(struct sip_net *n, struct now now, uint64_t conn);
void sip_net_release(struct sip_net *n, struct now now, uint64_t conn);

/* From now on, messages of that side to the target, for the domain by TLS, may go over this accepted connection, as if we had made it (RFC 5923): the
 * other side has asked for it, or its requests have shown that it takes them. 0; ERR_NOT_FOUND: it is gone; ERR_FORBIDDEN: it is not TLS, its verified
 * certificate is not for the domain (RFC 5923 7.1), or the target has another IP address than it comes from; ERR_EXISTS: another leads there. */
int sip_net_alias(struct sip_net *n, uint64_t conn, unsigned side, const char *domain, const struct addr *target);

/* Ends a connection, after what was sent over it; its messages are dropped from now on. Harmless if it is gone. */
void sip_net_close(struct sip_net *n, struct now now, uint64_t conn);

/* ---- from below ---- */

/* Whether one more connection would be accepted from there; if not, that is counted. is_known: see above. */
enum sip_net_room {
    SIP_NET_ROOM,
    SIP_NET_FULL,       /* as many connections as there may be */
    SIP_NET_SOURCE_FULL /* as many from there */
};
enum sip_net_room sip_net_room(struct sip_net *n, struct now now, const struct addr *peer, bool is_known);

/* A connection was accepted: the host names it by the number from then on. ERR_LIMIT (as sip_net_room has it), ERR_NO_MEMORY: the host
 * closes it. */
int sip_net_accepted(struct sip_net *n, struct now now, enum sip_transport transport, unsigned side,
                     const struct addr *peer, const struct addr *local, bool is_known, uint64_t *ret_conn);

/* For sip_net_up of an accepted one, before it: sip_flow.identity. */
void sip_net_set_identity(struct sip_net *n, uint64_t conn, unsigned identity);

/* It is up, TLS included: so is one that SIP_NET_CONNECT asked for. peer_domains: see sip_flow; copied, NULL: none. */
void sip_net_up(struct sip_net *n, struct now now, uint64_t conn, const struct addr *local, const char *peer_domains);

/* It has ended, or never came up. Not called for one that SIP_NET_CLOSE has closed. */
void sip_net_down(struct sip_net *n, struct now now, uint64_t conn);

/* Octets came. Their messages come out of sip_net_next: they are not copied, so drain it before the octets go away. */
void sip_net_input(struct sip_net *n, struct now now, uint64_t conn, struct slice octets);

/* The same for a datagram. */
void sip_net_datagram(struct sip_net *n, struct now now, unsigned side, const struct addr *peer,
                      const struct addr *local, struct slice octets);

/* The kernel says that datagrams from that side do not get there (ICMP). */
void sip_net_datagram_failed(struct sip_net *n, struct now now, unsigned side, const struct addr *peer);

void sip_net_tick(struct sip_net *n, struct now now);
struct mono sip_net_deadline(const struct sip_net *n);

/* ---- effects ---- */

enum sip_net_effect_kind {
    SIP_NET_CONNECT,     /* conn, hop: connect there; sip_net_up or sip_net_down follows */
    SIP_NET_WRITE,       /* conn, octets; if that fails: close it, and sip_net_down */
    SIP_NET_DATAGRAM,    /* hop (side and address), octets */
    SIP_NET_CLOSE,       /* conn, after what was written; the number is no longer valid */
    SIP_NET_MESSAGE,     /* flow, octets: exactly one message */
    SIP_NET_UNREACHABLE, /* hop: what was sent to it, as it was given, could not be sent */
    /* hop: its connection was up and has ended, also in good order: by its number and, for those who did not name it, without. What was
     * written last may not have been read. */
    SIP_NET_LOST
};

struct sip_net_effect {
    enum sip_net_effect_kind kind;
    uint64_t conn;
    const struct sip_hop *hop;
    bool is_away; /* SIP_NET_UNREACHABLE: the address did not answer or refused, rather than that a limit was reached */
    const struct sip_flow *flow;
    struct slice octets;
};

/* Oldest first. What it points to is valid until the next call of sip_net_next; octets other than those of a message also only until the next
 * sip_net_send. Any function may be called between two calls, but sip_net_input and sip_net_datagram only after the last gave false. */
bool sip_net_next(struct sip_net *n, struct now now, struct sip_net_effect *ret_effect);

/* A connection, for those who show it. The texts live as long as it. */
struct sip_conn_info {
    uint64_t conn;
    enum sip_transport transport;
    unsigned side;
    bool accepted;
    bool is_up;    /* else connecting, in the handshake, or at its end */
    bool is_known; /* to the program; or ours */
    unsigned identity;
    struct addr peer, local;
    const char *host;         /* ours: the TLS name that it was made to; "": none */
    const char *peer_domains; /* NULL: none */
    const char *alias;        /* the domain of sip_net_alias; NULL: none */
    unsigned holds;
    struct mono since; /* up, or begun */
    struct mono used;  /* last message, either way */
    uint64_t messages_in, messages_out, octets_in, octets_out;
};

/* One connection; false if it is gone. */
bool sip_net_conn(const struct sip_net *n, uint64_t conn, struct sip_conn_info *ret_info);

/* All of them, one a call, in no order: *at is 0 at first, and up to SIP_CONNS_MAX. False: there are no more. Between two calls the
 * net may change: none that lives all the time is left out or told twice. */
bool sip_net_next_conn(const struct sip_net *n, size_t *at, struct sip_conn_info *ret_info);

size_t sip_net_conns(const struct sip_net *n);
const struct sip_net_counters *sip_net_counters(const struct sip_net *n);

#endif
