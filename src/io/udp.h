/* UDP sockets: what is sent in one turn leaves together at its end, what comes is read in batches, so many in one turn and no more, and what
 * the network says about datagrams that did not get there (ICMP) is told. */
#ifndef IO_UDP_H
#define IO_UDP_H

#include "base/addr.h"
#include "base/counter.h"
#include "base/log.h"
#include "base/slice.h"
#include "io/loop.h"

struct udp;

#define UDP_PAYLOAD_OCTETS_MAX 65507

struct udp_handler {
    /* local: the address that it came to, with the socket's port. Valid during the call only; the socket may be closed in it. */
    void (*input)(void *arg, struct udp *udp, const struct addr *peer, const struct addr *local, struct slice octets);
    /* The network refuses datagrams to that address. May be NULL. number: an errno. */
    void (*failed)(void *arg, struct udp *udp, const struct addr *peer, int number);
};

/* clang-format off */
#define UDP_COUNTERS(X) X(datagrams_in) X(datagrams_out) X(octets_in) X(octets_out) X(refused) X(truncated) X(queue_full) X(send_failed)
/* clang-format on */
COUNTERS_DECLARE(udp_counters, UDP_COUNTERS)

struct udp_limits {
    size_t queue_octets_max;   /* that wait for the kernel */
    size_t datagrams_per_turn; /* read at most */
    size_t receive_octets;     /* asked of the kernel as SO_RCVBUF; bursts wait there */
};
void udp_limits_init(struct udp_limits *limits);

struct udp_options {
    struct addr bind; /* port 0: the kernel chooses one */
    struct udp_limits limits;
    struct udp_counters *counters; /* may be NULL; may be shared */
    const struct log *log;         /* may be NULL */
};

/* Errors as listener_open. */
int udp_open(struct loop *loop, const struct udp_options *options, const struct udp_handler *handler, void *arg,
             struct udp **ret_udp);

/* What is queued is sent once more; what the kernel does not take is lost. NULL is allowed. */
void udp_close(struct udp *udp);

/* Queued until the end of the turn. 0, ERR_LIMIT (too long, or the queue is full: lost and counted), ERR_RANGE (another family), ERR_NO_MEMORY. */
int udp_send(struct udp *udp, const struct addr *peer, struct slice octets);

/* With the port that the kernel chose. */
struct addr udp_addr(const struct udp *udp);

#endif
