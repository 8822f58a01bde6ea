/* The table of call records: uploads, timers, ends. */
#include "pvp/vcr.h"

#include "base/list.h"
#include "base/mem.h"
#include "base/text.h"
#include "pvp/vcr_private.h"

#include <inttypes.h>
#include <stdio.h>

COUNTERS_DEFINE(pvp_vcr_counters, PVP_VCR_COUNTERS)

/* Dropped per call, so that a restart after a long time does not stop everything else. */
enum { EXPIRE_AT_ONCE_MAX = 4096 };

const char *pvp_vcr_state_name(enum pvp_vcr_state state)
{
    static const char *const names[] = {"waiting", "looking_up", "validating", "done", "failed", "too_short"};
    return state <= PVP_VCR_TOO_SHORT ? names[state] : "unknown";
}

const char *pvp_vcr_reason_name(enum pvp_vcr_reason reason)
{
    static const char *const names[PVP_REASONS] = {"none",        "not_registered", "not_proved", "refused",
                                                   "unreachable", "ring_down",      "spacing",    "no_service",
                                                   "burnt",       "bad_answer"};
    return reason < PVP_REASONS ? names[reason] : "unknown";
}

uint64_t pvp_number_pack(const struct e164 *number)
{
    uint64_t packed = 0;
    if (number->text[0])
        u64_parse(slice_str(number->text + 1), UINT64_MAX, &packed);
    return packed;
}

struct e164 pvp_number_unpack(uint64_t packed)
{
    struct e164 number = {0};
    if (packed)
        snprintf(number.text, sizeof number.text, "+%" PRIu64, packed % UINT64_C(1000000000000000));
    return number;
}

static struct pvp_vcr_client *hold_client(struct pvp_vcr_table *t, struct slice name)
{
    struct pvp_vcr_client *c = map_get(&t->clients, name);
    if (!c) {
        c = mem_alloc(sizeof *c + name.n);
        if (!c)
            return NULL;
        c->octets = name.n;
        memcpy(c->name, name.p, name.n);
        if (map_set(&t->clients, name, c) < 0) {
            mem_free(c);
            return NULL;
        }
    }
    c->records++;
    return c;
}

static void release_client(struct pvp_vcr_table *t, struct pvp_vcr_client *c)
{
    if (--c->records == 0) {
        map_remove(&t->clients, slice_of(c->name, c->octets));
        mem_free(c);
    }
}

struct pvp_vcr *pvp_vcr_alloc(struct pvp_vcr_table *t, struct slice client)
{
    struct pvp_vcr *v = mem_alloc(sizeof *v);
    if (!v)
        return NULL;
    v->client = hold_client(t, client);
    if (!v->client) {
        mem_free(v);
        return NULL;
    }
    t->totals.records++;
    return v;
}

/* The place in the totals of a live record. */
static void count(struct pvp_vcr_table *t, const struct pvp_vcr *v, int step)
{
    size_t n = (size_t)step; /* of -1: wraps around to one less */
    if (!v->is_live)
        return;
    if (v->direction == PVP_TERMINATING) {
        t->totals.terminating += n;
        return;
    }
    t->totals.originating += n;
    if (v->state == PVP_VCR_WAITING)
        t->totals.pending += n;
    if (v->state == PVP_VCR_LOOKING_UP || v->state == PVP_VCR_VALIDATING)
        t->totals.active += n;
}

/* The heap that a record with a timer is in: a node knows its place, not its heap. */
static struct heap *heap_of(struct pvp_vcr_table *t, const struct pvp_vcr *v)
{
    return heap_has(&t->waiting, &v->node) ? &t->waiting : &t->expiring;
}

void pvp_vcr_free(struct pvp_vcr_table *t, struct pvp_vcr *v)
{
    struct pvp_attempt *next;
    count(t, v, -1);
    if (v->node.index)
        heap_remove(heap_of(t, v), &v->node);
    for (struct pvp_attempt *a = v->attempts; a; a = next) {
        next = a->next;
        mem_free(a);
    }
    release_client(t, v->client);
    t->totals.records--;
    mem_free(v);
}

void pvp_vcr_set_state(struct pvp_vcr_table *t, struct pvp_vcr *v, enum pvp_vcr_state state, enum pvp_vcr_reason reason)
{
    count(t, v, -1);
    v->state = (uint8_t)state;
    v->reason = (uint8_t)reason;
    count(t, v, 1);
}

static bool is_waiting(const struct pvp_vcr *v)
{
    return v->direction == PVP_ORIGINATING && v->state == PVP_VCR_WAITING;
}

/* Into the heap of its state, and out of the other. */
static int set_timer(struct pvp_vcr_table *t, struct pvp_vcr *v, struct mono due)
{
    struct heap *to = is_waiting(v) ? &t->waiting : &t->expiring;
    if (v->node.index && heap_of(t, v) != to)
        heap_remove(heap_of(t, v), &v->node);
    return heap_set(to, &v->node, due);
}

int pvp_vcr_make_live(struct pvp_vcr_table *t, struct pvp_vcr *v, struct mono due)
{
    int err = set_timer(t, v, due);
    if (err)
        return err;
    pvp_vcr_index_add_called(t, v);
    v->is_live = true;
    count(t, v, 1);
    return 0;
}

struct pvp_attempt *pvp_vcr_attempt(struct pvp_vcr *v, const struct id *node_id, bool add)
{
    struct pvp_attempt *a = v->attempts;
    while (a && !id_eq(a->node_id, *node_id))
        a = a->next;
    if (!a && add && (a = mem_alloc(sizeof *a))) {
        a->node_id = *node_id;
        a->next = v->attempts;
        v->attempts = a;
    }
    return a;
}

/* An upload whose write is under way. */
struct upload {
    struct list link;
    struct pvp_vcr_table *table;
    struct pvp_vcr *vcr;
    kv_done_fn *done;
    void *arg;
};

int pvp_vcr_table_new(const struct pvp_vcr_config *config, const struct kv *kv, const struct entropy *entropy,
                      const struct log *log, struct now now, struct pvp_vcr_table **ret_table)
{
    struct pvp_vcr_table *t = mem_alloc(sizeof *t);
    if (!t)
        return ERR_NO_MEMORY;
    t->config = *config;
    t->kv = kv;
    t->entropy = entropy;
    t->log = log;
    t->seed[0] = config->hash_seed;
    t->seed[1] = ~config->hash_seed;
    list_init(&t->uploads);
    heap_init(&t->waiting);
    heap_init(&t->expiring);
    map_init(&t->clients, SIZE_MAX, config->hash_seed);
    int err = pvp_vcr_rows_load(t, now);
    if (err) {
        pvp_vcr_table_free(t);
        return err;
    }
    *ret_table = t;
    return 0;
}

void pvp_vcr_table_set_delay(struct pvp_vcr_table *t, int64_t tv_min_ms, int64_t tv_max_ms)
{
    t->config.tv_min_ms = tv_min_ms;
    t->config.tv_max_ms = tv_max_ms;
}

void pvp_vcr_table_set_min_call(struct pvp_vcr_table *t, int64_t min_call_ms)
{
    t->config.min_call_ms = min_call_ms;
}

void pvp_vcr_table_free(struct pvp_vcr_table *t)
{
    if (!t)
        return;
    heap_fini(&t->waiting);
    heap_fini(&t->expiring);
    for (size_t i = 0; i < t->buckets; i++) {
        struct pvp_vcr *next;
        for (struct pvp_vcr *v = t->by_id[i]; v; v = next) {
            next = v->next_by_id;
            pvp_vcr_free(t, v);
        }
    }
    LIST_EACH(at, &t->uploads)
        mem_free(CONTAINER_OF(at, struct upload, link));
    map_fini(&t->clients);
    mem_free(t->by_id);
    mem_free(t->by_called);
    mem_free(t);
}

const struct pvp_vcr_counters *pvp_vcr_table_counters(const struct pvp_vcr_table *t)
{
    return &t->counters;
}

static void uploaded(void *arg, int err)
{
    struct upload *u = arg;
    struct pvp_vcr_table *t = u->table;
    struct pvp_vcr *v = u->vcr;
    v->writers--;
    if (!err && !v->is_live)
        err = pvp_vcr_make_live(t, v, v->node.due);
    if (err) {
        t->counters.write_failed++;
        log_event(t->log, LEVEL_DEBUG, "pvp.vcr.not_stored", "error=%s", err_name(err));
        if (!v->is_live && !v->writers) {
            pvp_vcr_index_remove(t, v);
            pvp_vcr_free(t, v);
        }
    }
    if (u->done)
        u->done(u->arg, err);
    list_remove(&u->link);
    mem_free(u);
}

static int check_record(const struct pvp_vcr_record *r)
{
    bool numbers =
        e164_is_valid(e164_slice(&r->called)) && (!r->calling.text[0] || e164_is_valid(e164_slice(&r->calling)));
    bool client = r->client.n >= 1 && r->client.n <= PVP_CLIENT_OCTETS_MAX && text_is_printable(r->client);
    bool times = r->start.ms > 0 && r->stop.ms >= r->start.ms;
    bool direction = r->direction == PVP_TERMINATING || r->direction == PVP_ORIGINATING;
    return numbers && client && times && direction ? 0 : ERR_RANGE;
}

/* Fills a new record's fields, timers included. */
static void fill(const struct pvp_vcr_table *t, struct pvp_vcr *v, const struct pvp_vcr_record *r, struct now now)
{
    v->direction = (uint8_t)r->direction;
    v->called = pvp_number_pack(&r->called);
    v->calling = pvp_number_pack(&r->calling);
    v->vservice_id = r->vservice_id;
    v->start = r->start;
    v->stop = r->stop;
    v->id = pvp_vcr_digest(v);
    v->state = r->stop.ms - r->start.ms < t->config.min_call_ms ? PVP_VCR_TOO_SHORT : PVP_VCR_WAITING;
    int64_t wait_ms = t->config.keep_terminating_ms;
    if (v->state == PVP_VCR_TOO_SHORT)
        wait_ms = t->config.keep_finished_ms;
    else if (v->direction == PVP_ORIGINATING)
        wait_ms = entropy_between(t->entropy, t->config.tv_min_ms, t->config.tv_max_ms);
    v->due = wall_after_ms(now.wall, wait_ms);
    v->node.due = mono_after_ms(now.mono, wait_ms);
}

/* A new record in the index by id, or an error. */
static int add_record(struct pvp_vcr_table *t, const struct pvp_vcr *filled, struct slice client,
                      struct pvp_vcr **ret_vcr)
{
    const struct pvp_vcr_client *c = map_get(&t->clients, client);
    if (t->totals.records >= t->config.records_max) {
        t->counters.table_full++;
        return ERR_LIMIT;
    }
    if (c && c->records >= t->config.records_per_client_max) {
        t->counters.client_full++;
        return ERR_LIMIT;
    }
    int err = pvp_vcr_index_reserve(t);
    struct pvp_vcr *v = err ? NULL : pvp_vcr_alloc(t, client);
    if (!v)
        return ERR_NO_MEMORY;
    struct pvp_vcr_client *held = v->client;
    *v = *filled;
    v->client = held;
    err = pvp_vcr_row_put(t, v);
    if (err) {
        pvp_vcr_free(t, v);
        return err;
    }
    pvp_vcr_index_add_id(t, v);
    *ret_vcr = v;
    return 0;
}

int pvp_vcr_upload(struct pvp_vcr_table *t, struct now now, const struct pvp_vcr_record *record, kv_done_fn *done,
                   void *arg)
{
    int err = check_record(record);
    if (err) {
        t->counters.uploads_invalid++;
        return err;
    }
    struct upload *u = mem_alloc(sizeof *u);
    if (!u)
        return ERR_NO_MEMORY;
    struct pvp_vcr filled = {0};
    fill(t, &filled, record, now);
    struct pvp_vcr *v = pvp_vcr_index_find(t, &filled.id);
    if (v) {
        /* Written already, or by a write before ours: our commit ends after it. A live record may have moved on: not written again. */
        t->counters.uploads_identical++;
        err = v->is_live ? 0 : pvp_vcr_row_put(t, v);
    } else {
        err = add_record(t, &filled, record->client, &v);
        if (!err) {
            t->counters.uploads++;
            t->counters.uploads_too_short += v->state == PVP_VCR_TOO_SHORT;
        }
    }
    if (err) {
        mem_free(u);
        return err;
    }
    v->writers++;
    *u = (struct upload){.table = t, .vcr = v, .done = done, .arg = arg};
    list_append(&t->uploads, &u->link);
    kv_commit(t->kv, uploaded, u);
    return 0;
}

struct pvp_vcr *pvp_vcr_table_due(struct pvp_vcr_table *t, struct now now)
{
    struct heap_node *node = heap_pop_due(&t->waiting, now.mono);
    if (!node)
        return NULL;
    struct pvp_vcr *v = CONTAINER_OF(node, struct pvp_vcr, node);
    t->counters.timers_fired++;
    pvp_vcr_set_state(t, v, PVP_VCR_LOOKING_UP, PVP_REASON_NONE);
    return v;
}

struct mono pvp_vcr_table_deadline(const struct pvp_vcr_table *t)
{
    return heap_deadline(&t->waiting);
}

struct mono pvp_vcr_table_expire(struct pvp_vcr_table *t, struct now now)
{
    size_t dropped = 0;
    struct heap_node *node;
    while (dropped < EXPIRE_AT_ONCE_MAX && (node = heap_pop_due(&t->expiring, now.mono))) {
        struct pvp_vcr *v = CONTAINER_OF(node, struct pvp_vcr, node);
        /* Somebody waits for it: later. */
        if (v->writers || v->pending || v->stranger_pending) {
            heap_set(&t->expiring, node, mono_after_ms(now.mono, 60000));
            continue;
        }
        if (pvp_vcr_row_remove(t, v) < 0) {
            heap_set(&t->expiring, node, mono_after_ms(now.mono, 60000));
            break;
        }
        pvp_vcr_index_remove(t, v);
        pvp_vcr_free(t, v);
        dropped++;
    }
    t->counters.expired += dropped;
    if (dropped)
        kv_commit(t->kv, NULL, NULL);
    return heap_deadline(&t->expiring);
}

struct pvp_vcr *pvp_vcr_find(const struct pvp_vcr_table *t, const struct id *id)
{
    struct pvp_vcr *v = pvp_vcr_index_find(t, id);
    return v && v->is_live ? v : NULL;
}

struct id pvp_vcr_id(const struct pvp_vcr *v)
{
    return v->id;
}

enum pvp_vcr_state pvp_vcr_state(const struct pvp_vcr *v)
{
    return (enum pvp_vcr_state)v->state;
}

enum pvp_vcr_reason pvp_vcr_reason(const struct pvp_vcr *v)
{
    return (enum pvp_vcr_reason)v->reason;
}

unsigned pvp_vcr_tries(const struct pvp_vcr *v)
{
    return v->tries;
}

struct wall pvp_vcr_due(const struct pvp_vcr *v)
{
    return v->due;
}

void pvp_vcr_get(const struct pvp_vcr *v, struct pvp_vcr_record *ret_record)
{
    *ret_record = (struct pvp_vcr_record){.direction = (enum pvp_direction)v->direction,
                                          .called = pvp_number_unpack(v->called),
                                          .calling = pvp_number_unpack(v->calling),
                                          .start = v->start,
                                          .stop = v->stop,
                                          .vservice_id = v->vservice_id,
                                          .client = slice_of(v->client->name, v->client->octets)};
}

void pvp_vcr_validating(struct pvp_vcr_table *t, struct pvp_vcr *v)
{
    pvp_vcr_set_state(t, v, PVP_VCR_VALIDATING, PVP_REASON_NONE);
}

/* Another state and time, in memory and (not yet committed) in the store. */
static int move(struct pvp_vcr_table *t, struct pvp_vcr *v, struct now now, enum pvp_vcr_state state,
                enum pvp_vcr_reason reason, int64_t after_ms, bool commit)
{
    pvp_vcr_set_state(t, v, state, reason);
    v->due = wall_after_ms(now.wall, after_ms);
    int err = set_timer(t, v, mono_after_ms(now.mono, after_ms));
    if (!err)
        err = pvp_vcr_row_put(t, v);
    if (!err && commit)
        kv_commit(t->kv, NULL, NULL);
    return err;
}

int pvp_vcr_finish(struct pvp_vcr_table *t, struct pvp_vcr *v, struct now now, enum pvp_vcr_state state,
                   enum pvp_vcr_reason reason, bool commit)
{
    return move(t, v, now, state, reason, t->config.keep_finished_ms, commit);
}

int pvp_vcr_retry(struct pvp_vcr_table *t, struct pvp_vcr *v, struct now now, int64_t after_ms,
                  enum pvp_vcr_reason reason, bool counts)
{
    if (counts) {
        if (v->tries >= t->config.tries_max)
            return pvp_vcr_finish(t, v, now, PVP_VCR_FAILED, reason, true);
        v->tries++;
        t->counters.retries++;
    }
    return move(t, v, now, PVP_VCR_WAITING, reason, after_ms, true);
}

void pvp_vcr_table_totals(const struct pvp_vcr_table *t, struct pvp_vcr_totals *ret_totals)
{
    *ret_totals = t->totals;
}

int pvp_vcr_each(const struct pvp_vcr_table *t, const struct e164 *called, pvp_vcr_each_fn *each, void *arg)
{
    if (called) {
        for (const struct pvp_vcr *v = pvp_vcr_index_first(t, pvp_number_pack(called)); v; v = pvp_vcr_index_next(v)) {
            int stop = each(arg, v);
            if (stop)
                return stop;
        }
        return 0;
    }
    for (size_t i = 0; i < t->buckets; i++) {
        for (const struct pvp_vcr *v = t->by_id[i]; v; v = v->next_by_id) {
            int stop = v->is_live ? each(arg, v) : 0;
            if (stop)
                return stop;
        }
    }
    return 0;
}
