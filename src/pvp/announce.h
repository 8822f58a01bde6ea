/* Which Node-IDs announced that they would connect from which IP address (their AppAttach said so), for a bounded time.
 *
 * An address may be announced by several Node-IDs: servers behind one address, or a liar. A Node-ID holds the last few addresses that
 * it announced, so that nobody can push the announcements of others out with his own. */
#ifndef PVP_ANNOUNCE_H
#define PVP_ANNOUNCE_H

#include "base/addr.h"
#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "base/time.h"

#define PVP_ADDRESSES_PER_NODE 4
#define PVP_NODES_PER_ADDRESS 16

struct pvp_announcements {
    struct map nodes;     /* Node-ID → struct announcer */
    struct map addresses; /* IP → list of announcements */
    struct list by_age;   /* announcements, the oldest first */
    size_t n;
    size_t max;
    uint64_t evicted;
};

void pvp_announcements_init(struct pvp_announcements *a, size_t max, uint64_t hash_seed);
void pvp_announcements_fini(struct pvp_announcements *a);

/* 0 or ERR_NO_MEMORY. */
int pvp_announcements_add(struct pvp_announcements *a, const struct id *node_id, const struct addr *source,
                          struct mono expires);

/* Node-IDs that announced the IP address (the port does not matter) and have not expired. Returns how many. */
size_t pvp_announcements_of(const struct pvp_announcements *a, const struct addr *source, struct mono now,
                            struct id ret_nodes[PVP_NODES_PER_ADDRESS]);

/* When the oldest expires. All must be added with the same lifetime. */
struct mono pvp_announcements_deadline(const struct pvp_announcements *a);

/* Forgets what has expired. */
void pvp_announcements_expire(struct pvp_announcements *a, struct mono now);

#endif
