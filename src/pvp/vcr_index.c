/* Two chained hash tables over the same records: by id and by called number. The links are in the records, because there are many. */
#include "base/mem.h"
#include "base/siphash.h"
#include "pvp/vcr_private.h"

enum { BUCKETS_MIN = 64 };

static size_t bucket_of_id(const struct pvp_vcr_table *t, const struct id *id)
{
    return (size_t)siphash_quick(t->seed, id_slice(id)) & (t->buckets - 1);
}

static size_t bucket_of_called(const struct pvp_vcr_table *t, uint64_t called)
{
    return (size_t)siphash_quick(t->seed, slice_of(&called, sizeof called)) & (t->buckets - 1);
}

static void link_id(struct pvp_vcr_table *t, struct pvp_vcr *v)
{
    struct pvp_vcr **head = &t->by_id[bucket_of_id(t, &v->id)];
    v->next_by_id = *head;
    *head = v;
}

static void link_called(struct pvp_vcr_table *t, struct pvp_vcr *v)
{
    struct pvp_vcr **head = &t->by_called[bucket_of_called(t, v->called)];
    v->next_by_called = *head;
    if (*head)
        (*head)->link_by_called = &v->next_by_called;
    v->link_by_called = head;
    *head = v;
}

int pvp_vcr_index_reserve(struct pvp_vcr_table *t)
{
    if (t->totals.records < t->buckets)
        return 0;
    size_t old_buckets = t->buckets;
    size_t buckets = old_buckets ? 2 * old_buckets : BUCKETS_MIN;
    struct pvp_vcr **by_id = mem_alloc(buckets * sizeof *by_id);
    struct pvp_vcr **by_called = mem_alloc(buckets * sizeof *by_called);
    if (!by_id || !by_called) {
        mem_free(by_id);
        mem_free(by_called);
        return ERR_NO_MEMORY;
    }
    struct pvp_vcr **old_by_id = t->by_id;
    mem_free(t->by_called);
    t->by_id = by_id;
    t->by_called = by_called;
    t->buckets = buckets;
    for (size_t i = 0; i < old_buckets; i++) {
        struct pvp_vcr *next;
        for (struct pvp_vcr *v = old_by_id[i]; v; v = next) {
            next = v->next_by_id;
            link_id(t, v);
            if (v->link_by_called)
                link_called(t, v);
        }
    }
    mem_free(old_by_id);
    return 0;
}

void pvp_vcr_index_add_id(struct pvp_vcr_table *t, struct pvp_vcr *v)
{
    link_id(t, v);
}

void pvp_vcr_index_add_called(struct pvp_vcr_table *t, struct pvp_vcr *v)
{
    link_called(t, v);
}

void pvp_vcr_index_remove(struct pvp_vcr_table *t, struct pvp_vcr *v)
{
    struct pvp_vcr **at = &t->by_id[bucket_of_id(t, &v->id)];
    while (*at != v)
        at = &(*at)->next_by_id;
    *at = v->next_by_id;
    if (v->link_by_called) {
        *v->link_by_called = v->next_by_called;
        if (v->next_by_called)
            v->next_by_called->link_by_called = v->link_by_called;
        v->link_by_called = NULL;
    }
}

struct pvp_vcr *pvp_vcr_index_find(const struct pvp_vcr_table *t, const struct id *id)
{
    struct pvp_vcr *v = t->buckets ? t->by_id[bucket_of_id(t, id)] : NULL;
    while (v && !id_eq(v->id, *id))
        v = v->next_by_id;
    return v;
}

/* From here on in the chain, which holds other numbers too. */
static struct pvp_vcr *same_called(struct pvp_vcr *v, uint64_t called)
{
    while (v && v->called != called)
        v = v->next_by_called;
    return v;
}

struct pvp_vcr *pvp_vcr_index_first(const struct pvp_vcr_table *t, uint64_t called)
{
    return t->buckets ? same_called(t->by_called[bucket_of_called(t, called)], called) : NULL;
}

struct pvp_vcr *pvp_vcr_index_next(const struct pvp_vcr *v)
{
    return same_called(v->next_by_called, v->called);
}
