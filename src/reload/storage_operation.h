/* A Store on its way: what its checks (storage_check.c) hand to its execution (storage_store.c). */
#ifndef RELOAD_STORAGE_OPERATION_H
#define RELOAD_STORAGE_OPERATION_H

#include "reload/storage_impl.h"

#define OPERATION_REGION_OCTETS_MAX (16u << 20)
#define ANSWER_OCTETS_MAX 65536u
#define REPLICAS_MAX 16

/* One value of a request. */
struct plan_value {
    const struct reload_stored_data *data;
    uint32_t index;      /* where it goes: appended ones have their index now */
    uint32_t lifetime_s; /* granted */
    struct entry *old;   /* what it replaces; valid during the checks only */
    bool kept;           /* a copy that is not newer than what we have: nothing is done */
    struct entry *fresh;
};

/* One Kind of a request. */
struct plan {
    const struct reload_kind_data *data;
    struct kind kind;
    struct slot *slot; /* NULL: nothing there; valid during the checks only, as the values' old entries are */
    struct slot *spare;
    struct plan_value *values;
    size_t n;
    uint64_t generation; /* afterwards */
    bool newer_kept;     /* a copy of an older value came, which is not stored */
    bool changed;
};

struct operation {
    struct list link; /* in storage.pending, or in the waiting list of the one before */
    struct list waiting;
    struct storage *storage;
    storage_done_fn *done;
    void *arg;
    struct region region;
    struct now now;     /* of arrival: lifetimes count from here */
    struct id resource; /* valid when pending or waiting */
    bool replica;
    struct storage_request request; /* what it points to is copied only while waiting */
    struct plan *plans;
    size_t plan_count;
    uint64_t entries; /* prepared */
    uint64_t octets;
};

/* What a refused request is answered. */
struct refusal {
    uint16_t code; /* 0: not refused */
    const char *why;
    struct slice info; /* instead of why */
};

static inline struct refusal refuse(uint64_t *counter, uint16_t code, const char *why)
{
    ++*counter;
    return (struct refusal){.code = code, .why = why};
}

#define GRANTED ((struct refusal){0})

static inline struct refusal refuse_memory(struct storage *s)
{
    return refuse(&s->counters.refused_memory, RELOAD_ERROR_REQUEST_TIMEOUT, "short of memory");
}

/* The StoreAns: the plans' generation counters. Appends. 0, ERR_NO_MEMORY or the buffer's error. */
int storage_operation_answer(const struct operation *op, bool with_replicas, struct buf *out);

/* All of the checks. What passes has plans, and entries for all values that are to be stored. */
struct refusal storage_operation_check(struct operation *op);

#endif
