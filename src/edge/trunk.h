/* Dynamic trunks: what is known of each far domain that has proved who it is, or that we have called: its connections, its calls, how much it asks. They
 * are made when needed, and go when they have been idle; at the limit the one without calls that has been quiet for longest gives way. */
#ifndef EDGE_TRUNK_H
#define EDGE_TRUNK_H

#include "base/list.h"
#include "base/map.h"
#include "base/time.h"
#include "sip/flow.h"

#define EDGE_TRUNK_CONNS_MAX 8

struct edge_trunk {
    struct list link; /* in edge_trunks.all: quiet for longest first */
    char domain[254]; /* lower case */
    size_t calls;     /* now */
    size_t uses;      /* calls and whatever else is under way with it: it stays as long */
    uint64_t calls_in, calls_out, refused;
    struct wall since;
    struct mono used; /* the last message */
    struct wall used_at;
    struct mono second; /* the end of the second in which requests are counted */
    unsigned asked;
    uint64_t conns[EDGE_TRUNK_CONNS_MAX];
    size_t conn_count;
    struct addr peer; /* of the connection that was used last */
    bool failed;      /* the last attempt to reach it */
};

struct edge_trunks {
    struct map by_domain;
    struct list all;
    size_t max;
};

void edge_trunks_init(struct edge_trunks *t, size_t max, uint64_t seed);
void edge_trunks_fini(struct edge_trunks *t);

/* That of the domain, made if there is none; NULL: all there may be are in use, or no memory. */
struct edge_trunk *edge_trunk_of(struct edge_trunks *t, struct now now, struct slice domain);
struct edge_trunk *edge_trunk_find(const struct edge_trunks *t, struct slice domain);

/* A message came over, or went to, a connection of it. conn 0: not known. */
void edge_trunk_used(struct edge_trunks *t, struct edge_trunk *trunk, struct now now, const struct addr *peer,
                     uint64_t conn);
void edge_trunk_lost(struct edge_trunks *t, uint64_t conn);

/* One more request of it in this second; false: too many. */
bool edge_trunk_asks(struct edge_trunk *trunk, struct now now, unsigned max);

/* The next idle trunk (without calls, quiet for so long): it is removed, and its connections are given to be closed. False: there is none. */
bool edge_trunk_expire(struct edge_trunks *t, struct now now, int64_t idle_ms, uint64_t ret_conns[EDGE_TRUNK_CONNS_MAX],
                       size_t *ret_count);

#endif
