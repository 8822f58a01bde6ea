/* Which TLS handshakes of accepted connections go on, and in which order: what strangers can make us spend on them is bounded in number, in
 * memory and in processor time. One object for all listeners of a service.
 *
 * A connection costs its socket until its first octets come. Then its handshake begins, if there is a token: so many begin per second in all, and
 * so many from one source (IPv6: one /64). Without a token it waits; those that go first (listener_options.goes_first) and sources that completed a
 * verified handshake of late wait in a queue of their own, which is served first and has tokens of its own beside the common ones. A source beyond its
 * own rate is refused. When as many wait or are in their handshake as may, the one that has been at it for longest gives way, if it had its
 * time; else the new one is refused. Those that go first neither give way nor are refused here. */
#ifndef IO_HANDSHAKES_H
#define IO_HANDSHAKES_H

#include "io/loop.h"

#include <stddef.h>

struct handshakes;

struct handshakes_config {
    size_t at_once_max;  /* silent, waiting or under way; of those that do not go first */
    int64_t spare_ms;    /* one may give way after so long */
    unsigned per_second; /* that begin, in all; a handshake with certificates on both sides costs about a millisecond */
    unsigned burst;      /* that may begin at once after a time of rest */
    unsigned first_per_second;  /* the same for those that go first, before they take of the common ones */
    unsigned source_per_second; /* of one source that does not go first */
    unsigned source_burst;
    size_t sources_max; /* remembered; those that were heard of longest ago are forgotten */
    int64_t good_ms;    /* a source that completed one goes first for so long */
    uint64_t seed;      /* of the hash table */
};
void handshakes_config_init(struct handshakes_config *config);

int handshakes_new(struct loop *loop, const struct handshakes_config *config, struct handshakes **ret_handshakes);

/* After all listeners that use it are closed and their streams are gone or ready. NULL is allowed. */
void handshakes_free(struct handshakes *h);

/* For the agent's counters: at this moment. */
size_t handshakes_at_once(const struct handshakes *h);
size_t handshakes_waiting(const struct handshakes *h);

#endif
