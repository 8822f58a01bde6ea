/* What lies between the programs that speak SIP: datagrams that take their time, overtake each other and get lost; TLS connections that take
 * longer to come up, keep the order, and end; machines that are away, with a word or without.
 *
 * A socket is an address of a host. What goes wrong is set at sockets: loss, and groups of sockets that it does not reach. Between companies the
 * latency is that of the cities their servers stand in. Times are the world's. */
#ifndef SIM_CALLS_WIRE_H
#define SIM_CALLS_WIRE_H

#include "world.h"

#include "base/addr.h"
#include "base/list.h"

struct sim_wire_conn;
struct sim_wire_socket;

/* A process that speaks SIP. What a program never gets may be NULL. */
struct sim_wire_user {
    void (*datagram)(void *ctx, unsigned side, const struct addr *peer, const struct addr *local, struct slice octets);
    void (*datagram_failed)(void *ctx, unsigned side, const struct addr *peer); /* ICMP */
    bool (*accepted)(void *ctx, unsigned side, const struct addr *peer, const struct addr *local, uint64_t *ret_id);
    void (*up)(void *ctx, uint64_t id, const struct addr *local, const char *peer_domain);
    void (*octets)(void *ctx, uint64_t id, struct slice octets);
    void (*down)(void *ctx, uint64_t id);
};

struct sim_wire_host {
    const struct sim_wire_user *user;
    void *ctx;
    struct sim_node *node; /* where it stands; NULL: nowhere in particular */
    const char *domain;    /* of its certificate; NULL: it has none */
    bool up;
    bool silent;   /* while it is not up, nobody is told so */
    uint32_t life; /* counts up when it starts: what was sent to an earlier one is dropped */
};

#define SIM_WIRE_GROUPS_MAX 64 /* of sockets */

struct sim_wire_socket {
    struct sim_wire_host *host;
    struct addr addr;
    unsigned side; /* in the numbering of its host */
    unsigned group;
    uint64_t blocked;    /* groups that nothing comes from and nothing goes to, a bit each */
    int64_t delay_us[2]; /* of this end, at least and at most */
    uint32_t loss_ppm;   /* of datagrams */
};

/* Sees what is sent, before anything can happen to it. */
typedef void sim_wire_tap_fn(void *ctx, const struct sim_wire_socket *from, const struct sim_wire_socket *to,
                             struct slice octets);

struct sim_wire {
    struct sim_world *world;
    struct seeded_entropy seed;
    struct entropy entropy;
    struct sim_wire_socket **sockets; /* borrowed */
    size_t socket_count;
    sim_wire_tap_fn *tap;
    void *tap_ctx;
    struct list packets; /* under way */
    size_t packet_count;
    struct list conns;
    size_t conn_count;
    uint64_t datagrams, lost;
};

void sim_wire_init(struct sim_wire *wire, struct sim_world *world);
void sim_wire_fini(struct sim_wire *wire); /* no event of the world comes here afterwards */

/* The socket is borrowed, its host outlives it. */
void sim_wire_add(struct sim_wire *wire, struct sim_wire_socket *socket);

/* NULL: nobody has that address. */
struct sim_wire_socket *sim_wire_find(const struct sim_wire *wire, const struct addr *addr);

/* A process begins; or it ends: its connections do, too. When it is silent, the other ends find out for themselves. */
void sim_wire_start(struct sim_wire_host *host);
void sim_wire_end(struct sim_wire *wire, struct sim_wire_host *host, bool silent);

void sim_wire_datagram(struct sim_wire *wire, const struct sim_wire_socket *from, const struct addr *to,
                       struct slice octets);

/* `id` is what the host calls the connection; tls_name: whom the certificate must be for, "": anybody. */
void sim_wire_connect(struct sim_wire *wire, struct sim_wire_socket *from, uint64_t id, const struct addr *to,
                      const char *tls_name);
void sim_wire_write(struct sim_wire *wire, struct sim_wire_host *host, uint64_t id, struct slice octets);
void sim_wire_close(struct sim_wire *wire, struct sim_wire_host *host, uint64_t id); /* after what was written */

/* All connections between two hosts are reset; both ends hear of it. Returns how many. */
unsigned sim_wire_cut(struct sim_wire *wire, const struct sim_wire_host *a, const struct sim_wire_host *b);

#endif
