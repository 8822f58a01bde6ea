/* The originator's minimum interval between validations of the same called number (1 h), durable (KV_PVP_SPACING): counted from the end of
 * the last one, so that the terminator, which counts from the first connection, never sees it broken. */
#ifndef PVP_SPACING_H
#define PVP_SPACING_H

#include "base/e164.h"
#include "base/kv.h"
#include "base/time.h"

struct pvp_spacing;

/* numbers_max: the one that is free again soonest gives way. kv is borrowed. Loads what is stored. */
int pvp_spacing_new(int64_t interval_ms, size_t numbers_max, uint64_t hash_seed, const struct kv *kv, struct wall now,
                    struct pvp_spacing **ret_spacing);
void pvp_spacing_free(struct pvp_spacing *s);

/* When the number may be validated next; not later than now: at once. */
struct wall pvp_spacing_free_at(const struct pvp_spacing *s, const struct e164 *called, struct wall now);

/* A validation begins, or has just ended: counts from now, written with the next commit (commit: at once). 0, ERR_NO_MEMORY or the
 * store's error. */
int pvp_spacing_mark(struct pvp_spacing *s, const struct e164 *called, struct wall now, bool commit);

/* Another interval (a setting), for all numbers from now on. */
void pvp_spacing_set_interval(struct pvp_spacing *s, int64_t interval_ms);

/* Forgets numbers that are free again; call it now and then. */
void pvp_spacing_sweep(struct pvp_spacing *s, struct wall now);

#endif
