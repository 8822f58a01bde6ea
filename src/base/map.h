/* Hash map from octet strings to pointers. Keys are copied; values belong to the caller. The hash is SipHash under a key that the
 * caller hands in, so that a peer cannot choose colliding keys and a simulation iterates the same way each time. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/slice.h"

struct map_entry;

struct map {
    struct map_entry **buckets;
    size_t bucket_count;
    size_t n;     /* entries now */
    size_t limit; /* entries at most: map_set beyond gives ERR_LIMIT */
    uint64_t seed[2];
};

/* Allocates nothing yet. */
void map_init(struct map *m, size_t limit, uint64_t seed);

/* Frees the map, not the values. */
void map_fini(struct map *m);

/* NULL if not there. */
void *map_get(const struct map *m, struct slice key);

/* Adds or replaces (the old value is the caller's to free: get it first). 0, ERR_LIMIT or ERR_NO_MEMORY. */
int map_set(struct map *m, struct slice key, void *value);

/* Removes and returns the value, or NULL. */
void *map_remove(struct map *m, struct slice key);

/* Removes the entry if that is its value. */
void map_remove_value(struct map *m, struct slice key, const void *value);

/* Iteration in no particular but reproducible order; the current entry may be removed, nothing may be added meanwhile. */
struct map_iter {
    size_t bucket;
    struct map_entry *next;
    struct slice key; /* of the current entry; valid until it is removed */
    void *value;
};
void map_iter_init(struct map_iter *it);
bool map_iter_next(const struct map *m, struct map_iter *it);

#endif
