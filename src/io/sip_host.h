/* What every program that speaks SIP has below its transactions: the listeners of its sides over UDP, TCP and TLS, the connections
 * (sip/transport.h), and the way from names to addresses (sip/locate.h over dns.h). Messages come out, messages go in. */
#ifndef IO_SIP_HOST_H
#define IO_SIP_HOST_H

#include "base/entropy.h"
#include "base/log.h"
#include "io/dns.h"
#include "io/handshakes.h"
#include "io/stream.h"
#include "io/tls.h"
#include "io/udp.h"
#include "sip/locate.h"
#include "sip/transport.h"

struct sip_host;

#define SIP_HOST_SIDES_MAX SIP_LOCATE_SIDES_MAX
#define SIP_HOST_POINTS_MAX 2048 /* listeners in all */

/* Called from the loop, never from within a function of this file. What they are given is valid during the call only. */
struct sip_host_handler {
    /* Exactly one message, not judged. flow->peer_domain: the first dNSName of the verified certificate of the other side, or the name that
     * a connection of ours was made to. flow->identity: which of our certificates an accepted one was shown. */
    void (*message)(void *arg, const struct sip_flow *flow, struct slice octets);
    /* As SIP_NET_UNREACHABLE; for sip_layer_unreachable. */
    void (*unreachable)(void *arg, const struct sip_hop *hop);
    /* As SIP_NET_LOST; for sip_layer_lost. NULL: unreachable is called. */
    void (*lost)(void *arg, const struct sip_hop *hop);
    /* The answer to sip_host_locate. */
    void (*located)(void *arg, uint64_t token, const struct sip_hops *hops);
    /* Whether the program's configuration names this peer: what strangers may not take away is for it (sip_net_room). NULL: nobody is known. */
    bool (*is_known)(void *arg, unsigned side, const struct addr *peer);
};

struct sip_host_options {
    struct sip_net_config net;           /* sip_net_config_init */
    struct sip_locate_config locate;     /* sip_locate_config_init */
    struct dns_options dns;              /* dns_options_init; without servers those of the system */
    struct udp_limits udp;               /* udp_limits_init */
    struct handshakes_config handshakes; /* handshakes_config_init */
    size_t stream_queue_octets_max;      /* that wait for one slow reader; 0: 1 MiB */
    const struct entropy *entropy;       /* must outlive the host */
    const struct log *log;               /* may be NULL */
};
void sip_host_options_init(struct sip_host_options *options);

int sip_host_new(struct loop *loop, const struct sip_host_options *options, const struct sip_host_handler *handler,
                 void *arg, struct sip_host **ret_host);

/* Connections are finished: what was sent goes out. Not from within a callback. NULL is allowed. */
void sip_host_free(struct sip_host *h);

/* One point to listen at; several per side, transport and family are allowed, and the first of its kind is what messages go out from. For TLS the
 * context is a server's. 0, ERR_LIMIT, or as listener_open and udp_open. */
int sip_host_listen(struct sip_host *h, unsigned side, enum sip_transport transport, const struct addr *bind,
                    struct tls_context *tls);

/* Ends that; its connections live on. Unknown points are ignored. */
void sip_host_unlisten(struct sip_host *h, unsigned side, enum sip_transport transport, const struct addr *at);

/* Connections of that side come from this address (family 0: the kernel chooses; port 0), and use this context (a client's) for TLS; NULL: that
 * side makes no TLS connections. Both must be told before the first message. */
void sip_host_connect_from(struct sip_host *h, unsigned side, const struct addr *local, struct tls_context *tls);

/* Sends one message. It leaves at the end of the turn. */
void sip_host_send(struct sip_host *h, const struct sip_hop *hop, struct slice octets);

/* Ends a connection, after what was sent over it. */
void sip_host_close(struct sip_host *h, uint64_t conn);

/* As those of sip_net. */
void sip_host_hold(struct sip_host *h, uint64_t conn);
void sip_host_release(struct sip_host *h, uint64_t conn);
int sip_host_alias(struct sip_host *h, uint64_t conn, unsigned side, const char *domain, const struct addr *target);

/* A connection, for those who show it: as sip_net_conn and sip_net_next_conn, and what TLS says. */
struct sip_host_conn_info {
    struct sip_conn_info conn;
    const char *tls_version, *tls_cipher; /* NULL: none, or not up */
    bool tls_resumed;
};
bool sip_host_conn(const struct sip_host *h, uint64_t conn, struct sip_host_conn_info *ret_info);
bool sip_host_next_conn(const struct sip_host *h, size_t *at, struct sip_host_conn_info *ret_info);

/* The contexts were loaded again, or time has passed: connections whose certificate is no longer believed (it has ended, was revoked, its authority
 * lost its trust) are ended, counted by their reason among the stream's counters, and told of as SIP_NET_LOST. It goes on over some turns. To
 * be called after each reload, and once in a while. */
void sip_host_verify_again(struct sip_host *h);

/* Where a target is: as sip_locate; 1: located follows. */
int sip_host_locate(struct sip_host *h, const struct sip_target *target, uint64_t token, struct sip_hops *ret_hops);

/* For its counters, sip_locate_forget, and for sip_locate_failed when an address gives no answer: that a connection could not be made, or that a
 * datagram was refused, the host tells it itself. What is asked here goes to the DNS as well. */
struct sip_locator *sip_host_locator(struct sip_host *h);

/* Where it listens, with the port that the kernel chose; family 0: nowhere. family 0 asked: any. */
struct addr sip_host_addr(const struct sip_host *h, unsigned side, enum sip_transport transport, uint8_t family);

size_t sip_host_conns(const struct sip_host *h);
const struct sip_net_counters *sip_host_net_counters(const struct sip_host *h);
const struct stream_counters *sip_host_stream_counters(const struct sip_host *h);
const struct handshakes *sip_host_handshakes(const struct sip_host *h);
const struct udp_counters *sip_host_udp_counters(const struct sip_host *h);

#endif
