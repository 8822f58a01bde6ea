/* The inside of the table of routes. Private to its files.
 *
 * A slot is one route: a number and who granted it. Slots of one number are a chain that begins in the index. What the routes of a far side
 * have in common is its origin, kept once. */
#ifndef AGENT_ROUTE_PRIVATE_H
#define AGENT_ROUTE_PRIVATE_H

#include "agent/number_key.h"
#include "agent/route.h"
#include "agent/route_index.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"

/* Node-ID, then texts that end with NUL: domain, to whom tickets are granted, the URIs in the order of the document. Also how it stands in
 * rows, and the key of the origin among all. */
struct agent_origin {
    uint32_t refs;
    uint32_t octets;
    uint8_t blob[];
};

#define AGENT_ORIGIN_OCTETS_MAX \
    (ID_OCTETS + 2 * (TICKET_DOMAIN_OCTETS_MAX + 1) + VALINFO_ROUTES_MAX * (VALINFO_URI_OCTETS_MAX + 1))

enum { ROUTE_DISABLED = 1, ROUTE_TICKET_TEXT = 2, ROUTE_TICKET_REFUSED = 4 };

/* 80 octets: there are millions of them. Times in seconds since 1970. */
struct agent_slot {
    uint64_t key;  /* number_key.h; 0: not in use */
    uint32_t next; /* of the same number, or the next free one; 0: none */
    uint32_t origin;
    uint32_t learned_s;
    uint32_t expires_s;
    uint32_t failed_s;    /* the last failure; 0: none */
    uint16_t failed_uris; /* those that failed since they were last good, a bit each */
    uint8_t flags;
    uint8_t epoch;
    union {
        struct {
            uint8_t unique_id[TICKET_UNIQUE_ID_OCTETS];
            uint8_t integrity[TICKET_INTEGRITY_OCTETS];
            struct wall not_before;
            struct wall not_after;
        } ticket;
        char *text; /* ROUTE_TICKET_TEXT; owned */
    };
};

#define SLOTS_PER_CHUNK 4096

struct agent_routes {
    struct agent_routes_config config;
    const struct kv *kv;
    struct agent_route_watch watch;
    struct agent_route_counters counters;
    struct agent_index index;   /* number → first slot of its chain */
    struct agent_slot **chunks; /* slot n is chunks[(n - 1) / SLOTS_PER_CHUNK][(n - 1) % SLOTS_PER_CHUNK] */
    uint32_t slots;             /* that were ever used: 1 … slots */
    uint32_t free;              /* first of the free ones */
    size_t count;
    size_t text_octets;            /* of tickets that are kept whole */
    struct agent_origin **origins; /* by number; NULL: free */
    uint32_t origin_capacity;
    uint32_t origins_used;  /* numbers that were ever given */
    uint32_t *origins_free; /* numbers that can be given again; as many places as there are origins */
    uint32_t origins_free_count;
    size_t origin_octets;
    struct map origin_map; /* blob → number + 1, as a pointer */
    struct map domains;    /* domain → how many origins it has, as a pointer */
    struct list changes;   /* being written */
    size_t change_count;
    size_t put_count;   /* new routes among them */
    size_t other_count; /* of changes that are not only new or renewed routes */
    struct now now;     /* of the last event */
    uint32_t sweep;     /* the slot that the search for ended ones has come to */
    struct mono sweep_at;
};

static inline struct agent_slot *agent_slot_at(const struct agent_routes *t, uint32_t n)
{
    return &t->chunks[(n - 1) / SLOTS_PER_CHUNK][(n - 1) % SLOTS_PER_CHUNK];
}

static inline uint32_t agent_route_seconds(struct wall t)
{
    int64_t s = t.ms / 1000;
    return s < 0 ? 0 : s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

static inline struct wall agent_route_wall(uint32_t seconds)
{
    return (struct wall){(int64_t)seconds * 1000};
}

/* route_origin.c: what a blob says. */
bool agent_origin_is_valid(struct slice blob);
struct id agent_origin_node(const uint8_t *blob);
const char *agent_origin_domain(const uint8_t *blob);
const char *agent_origin_granted_to(const uint8_t *blob);
const char *agent_origin_uri(struct slice blob, size_t i); /* NULL behind the last */
bool agent_origin_is_same(const uint8_t *a,
                          const uint8_t *b); /* Node-ID and domain: what tells routes of a number apart */

/* The number of an origin, with a reference more. ERR_NO_MEMORY. */
int agent_origin_take(struct agent_routes *t, struct slice blob, uint32_t *ret_origin);
void agent_origin_drop(struct agent_routes *t, uint32_t origin);

static inline struct slice agent_origin_blob(const struct agent_routes *t, uint32_t origin)
{
    return slice_of(t->origins[origin]->blob, t->origins[origin]->octets);
}

/* route_row.c: rows of the store. A slot in these is a loose one: no chain, no origin, and its text belongs to the caller. */
#define AGENT_ROUTE_KEY_OCTETS_MAX (8 + ID_OCTETS + TICKET_DOMAIN_OCTETS_MAX)
struct slice agent_route_row_key(uint64_t key, const uint8_t *blob, uint8_t ret_octets[AGENT_ROUTE_KEY_OCTETS_MAX]);
void agent_route_row_encode(const struct agent_slot *slot, struct slice blob, struct buf *ret_row);

/* The blob is a slice of the row. ERR_SYNTAX, or ERR_NO_MEMORY. */
int agent_route_row_decode(struct slice key, struct slice row, struct agent_slot *ret_slot, struct slice *ret_blob);

/* Between a slot and a ticket. The text of a ticket that can be read is encoded to the same again. */
void agent_slot_set_ticket(struct agent_slot *slot, const struct ticket *ticket);
void agent_slot_get_ticket(const struct agent_slot *slot, const uint8_t *blob, struct ticket *ret_ticket);

/* route_change.c */
void agent_routes_free_changes(struct agent_routes *t);

/* Removes slots (at most AGENT_ROUTES_PER_NUMBER_MAX, of one number), durably, then from memory. */
int agent_routes_remove(struct agent_routes *t, const uint32_t *slots, size_t n, enum agent_route_end end,
                        agent_route_done_fn *done, void *arg);

/* route.c: memory only. */
int agent_routes_apply(struct agent_routes *t, const struct agent_slot *loose, struct slice blob);
void agent_routes_drop(struct agent_routes *t, uint32_t slot);
uint32_t agent_routes_slot(const struct agent_routes *t, uint64_t key, const uint8_t *blob);
bool agent_route_fill(const struct agent_routes *t, const struct agent_slot *slot, const char *uri, bool with_ticket,
                      struct agent_route *ret_route);

#endif
