/* Learned routes: what validation proved, kept for a year (or as long as its ticket), told to the call agents. Durable; the caller
 * commits, and applies a change to the table only when the commit succeeded. */
#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

#include "base/e164.h"
#include "base/entropy.h"
#include "base/id.h"
#include "base/kv.h"
#include "base/list.h"
#include "base/time.h"

#define ROUTES_MAX 1000000
#define ROUTE_CONTENT_OCTETS_MAX 32768
#define ROUTE_DOMAIN_OCTETS_MAX 253

struct route {
    uint64_t vservice_id; /* of our VService whose call led to it */
    struct e164 number;
    struct id node_id; /* who granted it */
    char domain[ROUTE_DOMAIN_OCTETS_MAX + 1];
    struct wall learned_at;
    struct wall expires_at;
    bool delivered;          /* a client has confirmed its Notify */
    struct list undelivered; /* of the table */
    uint64_t delivery;       /* token of the Notify under way; 0: none. Not stored */
    size_t content_octets;
    char *content; /* the ValInfo document for the Notify, NUL-terminated */
};

struct route_table;

/* Reads what is stored; rows that cannot be read are dropped and counted. */
int route_table_new(const struct kv *kv, const struct entropy *entropy, struct route_table **ret_table);
void route_table_free(struct route_table *t);

/* A copy on the heap, to be handed to route_table_apply or freed. NULL when out of memory or when a bound is exceeded. */
struct route *route_copy(const struct route *r);
void route_free(struct route *r);

/* Puts the route into the open batch: no commit, no change in memory. */
int route_table_write(struct route_table *t, const struct route *r);

/* Takes the route over, replacing one of the same VService, number and Node-ID. ERR_LIMIT or ERR_NO_MEMORY: it is freed, the row stays
 * and is found at the next start. */
int route_table_apply(struct route_table *t, struct route *r);

/* Removes from memory and, in the open batch, from the store. */
void route_table_remove(struct route_table *t, struct route *r);

/* Removes what has expired; commits by itself. Returns how many. */
size_t route_table_expire(struct route_table *t, struct wall now);

/* Marks as delivered; commits by itself, since a lost mark only repeats a Notify. */
void route_table_delivered(struct route_table *t, struct route *r);

struct route *route_table_find(const struct route_table *t, uint64_t vservice_id, const struct e164 *number,
                               struct id node_id);

/* Every route, in no particular order; the callback may remove the one it is given. A return other than 0 ends the walk. */
typedef int route_fn(void *ctx, struct route *r);
int route_table_each(struct route_table *t, route_fn *fn, void *ctx);

/* Those that no client has confirmed yet, in the order in which they were learned since the start. */
int route_table_each_undelivered(struct route_table *t, route_fn *fn, void *ctx);

size_t route_table_count(const struct route_table *t);
size_t route_table_corrupt(const struct route_table *t);

#endif
