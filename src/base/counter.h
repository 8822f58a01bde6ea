/* Named counters: a module lists its counters once and gets a struct of uint64_t and the table of their names.
 *
 *     #define PVP_COUNTERS(X) X(proofs_good) X(proofs_bad)
 *     COUNTERS_DECLARE(pvp_counters, PVP_COUNTERS)          (header: struct pvp_counters, pvp_counters_names, pvp_counters_count)
 *     COUNTERS_DEFINE(pvp_counters, PVP_COUNTERS)           (one .c)
 */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stddef.h>
#include <stdint.h>

#define COUNTERS_FIELD_(name) uint64_t name;
#define COUNTERS_NAME_(name) #name,

#define COUNTERS_DECLARE(type, LIST) \
    struct type {                    \
        LIST(COUNTERS_FIELD_)        \
    };                               \
    extern const char *const type##_names[];

#define COUNTERS_DEFINE(type, LIST) const char *const type##_names[] = {LIST(COUNTERS_NAME_) NULL};

/* The counters in the order of their names. */
#define COUNTERS_COUNT(type) (sizeof(struct type) / sizeof(uint64_t))
#define COUNTERS_VALUES(counters) ((const uint64_t *)(const void *)(counters))

#endif
