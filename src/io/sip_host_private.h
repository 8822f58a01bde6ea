/* The insides of a SIP host: sockets and connections (sip_host.c), what is asked and thought of connections (sip_host_conns.c), names
 * (sip_host_locate.c). */
#ifndef IO_SIP_HOST_PRIVATE_H
#define IO_SIP_HOST_PRIVATE_H

#include "base/buf.h"
#include "io/sip_host.h"

struct host_side {
    struct addr local; /* of connections that we make */
    struct tls_context *tls;
    bool connects; /* over TCP, and with a context over TLS */
};

/* One thing that is listened to. */
struct host_point {
    struct sip_host *host;
    unsigned side;
    enum sip_transport transport;
    struct udp *udp; /* or */
    struct listener *listener;
    struct tls_context *tls;
};

/* The stream of a connection of the core. */
struct host_conn {
    struct sip_host *host;
    uint64_t number;
    struct stream *stream;
    struct tls_context *tls; /* NULL: none */
    struct sip_hop hop;      /* ours: who was to be there */
    bool accepted;
};

struct sip_host {
    struct loop *loop;
    struct sip_host_options options;
    const struct sip_host_handler *handler;
    void *arg;
    struct sip_net *net;
    struct sip_locator *locator;
    struct dns *dns;
    struct list questions; /* that the DNS was asked */
    struct loop_timer *net_timer;
    struct loop_timer *locate_timer;
    struct loop_task net_task; /* what may not be called back at once */
    struct loop_task locate_task;
    bool draining;          /* effects of the net are being carried out */
    struct buf unreachable; /* ways that are gone, which net_task tells of */
    struct host_side sides[SIP_HOST_SIDES_MAX];
    struct host_point *points[SIP_HOST_POINTS_MAX];
    size_t point_count;
    struct host_conn **conns; /* by sip_conn_slot */
    size_t conn_slots;
    struct handshakes *handshakes;
    struct loop_task verify_task; /* sip_host_verify_again */
    size_t verify_at;             /* among the slots */
    struct stream_counters stream_counters;
    struct udp_counters udp_counters;
};

/* ---- sip_host_locate.c ---- */

int sip_host_locate_init(struct sip_host *h);
void sip_host_locate_fini(struct sip_host *h);

/* It listens or connects otherwise than before: tells the locator what it can do. */
void sip_host_side_changed(struct sip_host *h, unsigned side);

/* ---- sip_host_conns.c ---- */

void sip_host_conns_init(struct sip_host *h);

/* ---- sip_host.c ---- */

struct host_conn *sip_host_conn_find(const struct sip_host *h, uint64_t number);
void sip_host_conn_free(struct host_conn *c);

/* In the loop only. */
void sip_host_drain(struct sip_host *h);

struct addr sip_host_point_addr(const struct host_point *p);

#endif
