/* Counts per key: rates, and the terminator's windows, which start again after a time. The table is bounded; the least recently used entry
 * gives way. */
#ifndef PVP_TALLY_H
#define PVP_TALLY_H

#include "base/list.h"
#include "base/map.h"
#include "base/time.h"

struct pvp_tally {
    struct mono since; /* beginning of the count */
    uint32_t count;
    struct list link; /* private, as the rest */
    size_t key_octets;
    uint8_t key[];
};

struct pvp_tally_table {
    struct map map;
    struct list used; /* the least recently used first */
    size_t max;
};

void pvp_tally_init(struct pvp_tally_table *t, size_t max, uint64_t hash_seed);
void pvp_tally_fini(struct pvp_tally_table *t);

/* NULL if there is none. */
struct pvp_tally *pvp_tally_find(const struct pvp_tally_table *t, struct slice key);

/* The entry of the key, new ones with count 0; what is older than period_ms starts again. NULL: no memory. */
struct pvp_tally *pvp_tally_get(struct pvp_tally_table *t, struct slice key, struct mono now, int64_t period_ms);

/* Counts one. As many as max_per_minute at once, and then one whenever another part of the minute is over; false when it is too soon (or
 * memory is short). For keys that pvp_tally_get is not used with. */
bool pvp_tally_take(struct pvp_tally_table *t, struct slice key, struct mono now, unsigned max_per_minute);

#endif
