/* Last validations of called numbers: a map for the question, and a heap for what gives way. The heap counts wall-clock milliseconds where
 * it usually counts microseconds: only their order matters to it. */
#include "pvp/spacing.h"

#include "base/buf.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/reader.h"

struct mark {
    struct heap_node node;
    struct e164 called;
    struct wall last;
};

struct pvp_spacing {
    int64_t interval_ms;
    size_t numbers_max;
    const struct kv *kv;
    struct map marks;   /* called → struct mark */
    struct heap oldest; /* by `last` */
};

static struct mono heap_order(struct wall t)
{
    return (struct mono){t.ms};
}

/* In memory and in the store. */
static void forget(struct pvp_spacing *s, struct mark *m)
{
    kv_remove(s->kv, KV_PVP_SPACING, e164_slice(&m->called));
    heap_remove(&s->oldest, &m->node);
    map_remove(&s->marks, e164_slice(&m->called));
    mem_free(m);
}

/* Adds the number, or moves it. A full table forgets the number that was validated the longest ago. */
static int set_mark(struct pvp_spacing *s, const struct e164 *called, struct wall last)
{
    struct mark *m = map_get(&s->marks, e164_slice(called));
    if (m) {
        m->last = last;
        return heap_set(&s->oldest, &m->node, heap_order(last));
    }
    if (s->oldest.n && s->marks.n >= s->numbers_max)
        forget(s, CONTAINER_OF(heap_first(&s->oldest), struct mark, node));
    m = mem_alloc(sizeof *m);
    if (!m)
        return ERR_NO_MEMORY;
    m->called = *called;
    m->last = last;
    int err = heap_set(&s->oldest, &m->node, heap_order(last));
    if (!err)
        err = map_set(&s->marks, e164_slice(called), m);
    if (err) {
        heap_remove(&s->oldest, &m->node);
        mem_free(m);
    }
    return err;
}

struct load {
    struct pvp_spacing *spacing;
    struct wall now;
};

static int load_row(void *arg, struct slice key, struct slice value)
{
    struct load *load = arg;
    struct reader r;
    struct e164 called;
    reader_init(&r, value);
    struct wall last = {(int64_t)read_u64(&r, "time of the last validation")};
    if (reader_end(&r, "end of the row") || !e164_parse(key, &called))
        return ERR_SYNTAX;
    /* Written under a clock that was ahead of ours: held back for one interval, not until then. */
    if (last.ms > load->now.ms)
        last = load->now;
    struct pvp_spacing *s = load->spacing;
    return s->marks.n < s->numbers_max ? set_mark(s, &called, last) : 0;
}

int pvp_spacing_new(int64_t interval_ms, size_t numbers_max, uint64_t hash_seed, const struct kv *kv, struct wall now,
                    struct pvp_spacing **ret_spacing)
{
    struct pvp_spacing *s = mem_alloc(sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->interval_ms = interval_ms;
    s->numbers_max = numbers_max ? numbers_max : 1;
    s->kv = kv;
    map_init(&s->marks, s->numbers_max, hash_seed);
    heap_init(&s->oldest);
    struct load load = {s, now};
    int err = kv_scan(kv, KV_PVP_SPACING, load_row, &load);
    if (err) {
        pvp_spacing_free(s);
        return err;
    }
    pvp_spacing_sweep(s, now);
    *ret_spacing = s;
    return 0;
}

void pvp_spacing_free(struct pvp_spacing *s)
{
    if (!s)
        return;
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&s->marks, &it))
        mem_free(it.value);
    map_fini(&s->marks);
    s->oldest.n = 0; /* its nodes are freed */
    heap_fini(&s->oldest);
    mem_free(s);
}

struct wall pvp_spacing_free_at(const struct pvp_spacing *s, const struct e164 *called, struct wall now)
{
    const struct mark *m = map_get(&s->marks, e164_slice(called));
    if (!m)
        return now;
    struct wall free_at = wall_after_ms(m->last, s->interval_ms);
    return free_at.ms > now.ms ? free_at : now;
}

int pvp_spacing_mark(struct pvp_spacing *s, const struct e164 *called, struct wall now, bool commit)
{
    struct buf value;
    buf_init(&value, 8);
    buf_u64(&value, (uint64_t)now.ms);
    int err = value.err;
    if (!err)
        err = set_mark(s, called, now);
    if (!err)
        err = kv_put(s->kv, KV_PVP_SPACING, e164_slice(called), buf_slice(&value));
    buf_fini(&value);
    if (!err && commit)
        kv_commit(s->kv, NULL, NULL);
    return err;
}

void pvp_spacing_set_interval(struct pvp_spacing *s, int64_t interval_ms)
{
    s->interval_ms = interval_ms;
}

void pvp_spacing_sweep(struct pvp_spacing *s, struct wall now)
{
    struct heap_node *node;
    bool removed = false;
    while ((node = heap_pop_due(&s->oldest, heap_order(wall_after_ms(now, -s->interval_ms))))) {
        forget(s, CONTAINER_OF(node, struct mark, node));
        removed = true;
    }
    if (removed)
        kv_commit(s->kv, NULL, NULL);
}
