/* UDP ports for sound that a program makes and hears itself: opened on demand out of a range, one even port each, told apart by a number. Packets that come
 * in are handed up within the turn, so many of them in all and no more. */
#ifndef IO_SOUND_HOST_H
#define IO_SOUND_HOST_H

#include "base/addr.h"
#include "base/counter.h"
#include "base/entropy.h"
#include "io/loop.h"

struct sound_host;

#define SOUND_PACKET_OCTETS_MAX 1500 /* longer ones are nobody's sound */
#define SOUND_PLACES_MAX 16

/* Where a side of the program has ports: an address of its own, and what others are told in its place (static NAT; the same if there is none). Ports of both
 * are those of the sockets. */
struct sound_place {
    unsigned side;
    struct addr bind, told;
};

struct sound_host_options {
    struct sound_place places[SOUND_PLACES_MAX]; /* in the order in which they are preferred */
    size_t place_count;
    uint16_t port_min, port_max; /* each socket takes the even one of a pair */
    size_t open_max;             /* sockets at a time */
    size_t packets_per_turn_max; /* handed up, of all sockets together; beyond, they are dropped */
    int64_t rest_ms; /* between two uses of a port: what is on its way to the one does not reach the other */
    const struct entropy *entropy;
};
void sound_host_options_init(struct sound_host_options *options); /* no place, ports 14000 to 14999 */

/* Valid during the call only. The socket may be closed in it, and others may be. */
typedef void sound_host_input_fn(void *arg, uint64_t id, const struct addr *from, struct slice octets);

/* clang-format off */
#define SOUND_HOST_COUNTERS(X) X(opened) X(open_refused) X(packets_in) X(packets_out) X(dropped_busy) X(dropped_long) X(send_failed)
/* clang-format on */
COUNTERS_DECLARE(sound_host_counters, SOUND_HOST_COUNTERS)

/* 0, ERR_RANGE (no pair of ports), ERR_LIMIT (too many places), ERR_NO_MEMORY. No socket is opened yet. */
int sound_host_new(struct loop *loop, const struct sound_host_options *options, sound_host_input_fn *input, void *arg,
                   struct sound_host **ret_host);
void sound_host_free(struct sound_host *h); /* NULL is allowed */

/* A socket of that side. family: 4, 6, or 0 for the side's first address. *ret_told: what others send to. ERR_UNSUPPORTED: the side has no such address.
 * ERR_LIMIT: no port or no socket is left. ERR_IO. */
int sound_host_open(struct sound_host *h, unsigned side, uint8_t family, uint64_t *ret_id, struct addr *ret_told);
void sound_host_close(struct sound_host *h, uint64_t id); /* of an unknown one: nothing */

/* Lost silently, but counted, if it cannot be sent. */
void sound_host_send(struct sound_host *h, uint64_t id, const struct addr *to, struct slice octets);

size_t sound_host_count(const struct sound_host *h); /* open now */
const struct sound_host_counters *sound_host_counters(const struct sound_host *h);

#endif
