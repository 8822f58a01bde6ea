/* The queue of call records: in memory by VService, on disk by the order in which they came. */
#include "agent/record.h"

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "tlv/tlv.h"

COUNTERS_DEFINE(agent_record_counters, AGENT_RECORD_COUNTERS)

#define ROW_OCTETS_MAX 256
#define SWEEP_MS 600000 /* between two searches for records that are too old */

/* An attribute of our own in a row, in the range of the optional ones. */
enum { RECORD_TLV_VSERVICE = 0x9211 };

enum entry_state {
    ENTRY_WRITING,
    ENTRY_WAITING,  /* in its lane */
    ENTRY_PAUSING,  /* in the heap: until it is tried again */
    ENTRY_UNDER_WAY /* with its taker */
};

struct entry {
    struct list link; /* among all, the oldest first */
    struct list lane_link;
    struct heap_node due;
    struct agent_records *queue;
    enum entry_state state;
    uint64_t token;
    struct vap_vcr vcr;
    agent_record_done_fn *done; /* ENTRY_WRITING */
    void *arg;
};

/* The records of one VService that wait. */
struct lane {
    uint64_t vservice_id;
    struct list waiting;
};

struct agent_records {
    struct agent_records_config config;
    const struct kv *kv;
    struct agent_record_counters counters;
    struct list all;
    struct map tokens;
    struct heap pausing;
    struct lane lanes[AGENT_RECORD_SERVICES_MAX];
    size_t lane_count;
    size_t states[ENTRY_UNDER_WAY + 1]; /* how many are in each */
    uint64_t next_token;
    struct mono sweep_at;
    struct buf row; /* being written */
};

void agent_records_config_init(struct agent_records_config *config)
{
    *config =
        (struct agent_records_config){.records_max = 100000, .lifetime_ms = INT64_C(172800000), .retry_ms = 60000};
}

static struct lane *lane_of(struct agent_records *q, uint64_t vservice_id)
{
    for (size_t i = 0; i < q->lane_count; i++)
        if (q->lanes[i].vservice_id == vservice_id)
            return &q->lanes[i];
    if (q->lane_count == AGENT_RECORD_SERVICES_MAX)
        return NULL;
    struct lane *lane = &q->lanes[q->lane_count++];
    lane->vservice_id = vservice_id;
    list_init(&lane->waiting);
    return lane;
}

/* ---- rows ---- */

struct row_key {
    uint8_t octets[8];
};

static struct row_key key_of(uint64_t token)
{
    struct row_key key;
    for (unsigned i = 0; i < 8; i++)
        key.octets[i] = (uint8_t)(token >> (56 - 8 * i));
    return key;
}

static int write_row(struct agent_records *q, const struct entry *e)
{
    struct row_key key = key_of(e->token);
    struct buf *row = &q->row;
    buf_clear(row);
    tlv_put_u64(row, RECORD_TLV_VSERVICE, e->vcr.vservice_id);
    tlv_put_u32(row, TLV_CALL_DIRECTION, e->vcr.direction);
    tlv_put_u64(row, TLV_START_TIME, e->vcr.start_ntp);
    tlv_put_u64(row, TLV_STOP_TIME, e->vcr.stop_ntp);
    if (e->vcr.calling.text[0])
        tlv_put_e164(row, TLV_CALLING_NUM, &e->vcr.calling);
    tlv_put_e164(row, TLV_CALLED_NUM, &e->vcr.called);
    int err = row->err;
    if (!err)
        err = kv_put(q->kv, KV_AGENT_VCR, slice_of(key.octets, sizeof key.octets), buf_slice(row));
    return err;
}

static int read_row(struct slice key, struct slice value, uint64_t *ret_token, struct vap_vcr *ret_vcr)
{
    static const char rule[] = "row of a call record";
    struct vap_vcr vcr = {.vservice_id = 0};
    struct reader r;
    struct tlv_attr a;
    uint32_t direction = 0;
    reader_init(&r, key);
    *ret_token = read_u64(&r, rule);
    if (reader_end(&r, rule) < 0)
        return ERR_SYNTAX;
    reader_init(&r, value);
    while (tlv_next(&r, TLV_PADDING_ZERO, &a)) {
        switch (a.type) {
        case RECORD_TLV_VSERVICE:
            vcr.vservice_id = tlv_read_u64(&r, &a, rule);
            break;
        case TLV_CALL_DIRECTION:
            direction = tlv_read_u32(&r, &a, rule);
            break;
        case TLV_START_TIME:
            vcr.start_ntp = tlv_read_u64(&r, &a, rule);
            break;
        case TLV_STOP_TIME:
            vcr.stop_ntp = tlv_read_u64(&r, &a, rule);
            break;
        case TLV_CALLING_NUM:
            vcr.calling = tlv_read_e164(&r, &a, rule);
            break;
        case TLV_CALLED_NUM:
            vcr.called = tlv_read_e164(&r, &a, rule);
            break;
        default:
            break;
        }
    }
    if (r.err || direction > VAP_SENT || !vcr.called.text[0])
        return ERR_SYNTAX;
    vcr.direction = (enum vap_direction)direction;
    *ret_vcr = vcr;
    return 0;
}

/* ---- entries ---- */

static void set_state(struct entry *e, enum entry_state state)
{
    e->queue->states[e->state]--;
    e->queue->states[state]++;
    e->state = state;
}

static int entry_new(struct agent_records *q, const struct vap_vcr *vcr, uint64_t token, struct entry **ret_entry)
{
    struct row_key key = key_of(token);
    if (!lane_of(q, vcr->vservice_id))
        return ERR_LIMIT;
    struct entry *e = mem_alloc(sizeof *e);
    if (!e)
        return ERR_NO_MEMORY;
    e->queue = q;
    e->vcr = *vcr;
    e->token = token;
    list_init(&e->lane_link);
    if (map_set(&q->tokens, slice_of(key.octets, sizeof key.octets), e) < 0) {
        mem_free(e);
        return ERR_NO_MEMORY;
    }
    e->state = ENTRY_WRITING;
    q->states[ENTRY_WRITING]++;
    list_append(&q->all, &e->link);
    *ret_entry = e;
    return 0;
}

static void entry_free(struct entry *e)
{
    struct agent_records *q = e->queue;
    struct row_key key = key_of(e->token);
    q->states[e->state]--;
    heap_remove(&q->pausing, &e->due);
    map_remove(&q->tokens, slice_of(key.octets, sizeof key.octets));
    list_remove(&e->lane_link);
    list_remove(&e->link);
    mem_free(e);
}

/* Into its lane. */
static void wait_in_lane(struct entry *e, bool in_front)
{
    struct lane *lane = lane_of(e->queue, e->vcr.vservice_id);
    set_state(e, ENTRY_WAITING);
    if (in_front)
        list_prepend(&lane->waiting, &e->lane_link);
    else
        list_append(&lane->waiting, &e->lane_link);
}

/* The end of a record: from the disk, too. */
static void entry_end(struct entry *e)
{
    struct row_key key = key_of(e->token);
    const struct kv *kv = e->queue->kv;
    if (kv_remove(kv, KV_AGENT_VCR, slice_of(key.octets, sizeof key.octets)) == 0)
        kv_commit(kv, NULL, NULL);
    entry_free(e);
}

static struct entry *entry_under_way(const struct agent_records *q, uint64_t token)
{
    struct row_key key = key_of(token);
    struct entry *e = map_get(&q->tokens, slice_of(key.octets, sizeof key.octets));
    return e && e->state == ENTRY_UNDER_WAY ? e : NULL;
}

/* ---- life ---- */

static int load_row(void *arg, struct slice key, struct slice value)
{
    struct agent_records *q = arg;
    struct vap_vcr vcr;
    struct entry *e;
    uint64_t token;
    if (read_row(key, value, &token, &vcr) < 0) {
        q->counters.corrupt_rows++;
        return 0;
    }
    int err = entry_new(q, &vcr, token, &e);
    if (err == ERR_LIMIT) {
        q->counters.limit_services++;
        return 0;
    }
    if (err)
        return err;
    if (token >= q->next_token)
        q->next_token = token + 1;
    wait_in_lane(e, false);
    return 0;
}

int agent_records_new(const struct agent_records_config *config, const struct kv *kv, struct now now,
                      struct agent_records **ret_records)
{
    struct agent_records *q = mem_alloc(sizeof *q);
    if (!q)
        return ERR_NO_MEMORY;
    q->config = *config;
    q->kv = kv;
    q->next_token = 1;
    q->sweep_at = now.mono;
    buf_init(&q->row, ROW_OCTETS_MAX);
    list_init(&q->all);
    heap_init(&q->pausing);
    map_init(&q->tokens, SIZE_MAX, 0); /* the keys are ours: nobody chooses them */
    int err = kv_scan(kv, KV_AGENT_VCR, load_row, q);
    if (err) {
        agent_records_free(q);
        return err;
    }
    *ret_records = q;
    return 0;
}

void agent_records_free(struct agent_records *q)
{
    if (!q)
        return;
    LIST_EACH(it, &q->all) {
        struct entry *e = CONTAINER_OF(it, struct entry, link);
        if (e->state == ENTRY_WRITING && e->done)
            e->done(e->arg, ERR_CLOSED);
        entry_free(e);
    }
    map_fini(&q->tokens);
    heap_fini(&q->pausing);
    buf_fini(&q->row);
    mem_free(q);
}

/* ---- in ---- */

static void written(void *arg, int err)
{
    struct entry *e = arg;
    struct agent_records *q = e->queue;
    agent_record_done_fn *done = e->done;
    void *done_arg = e->arg;
    if (err) {
        q->counters.not_stored++;
        entry_free(e);
    } else {
        q->counters.added++;
        wait_in_lane(e, false);
    }
    if (done)
        done(done_arg, err);
}

int agent_records_add(struct agent_records *q, const struct vap_vcr *vcr, agent_record_done_fn *done, void *arg)
{
    struct entry *e;
    if (!e164_is_valid(e164_slice(&vcr->called)) || vcr->stop_ntp < vcr->start_ntp) {
        q->counters.invalid++;
        return ERR_RANGE;
    }
    if (q->tokens.n >= q->config.records_max) {
        q->counters.limit_records++;
        return ERR_LIMIT;
    }
    int err = entry_new(q, vcr, q->next_token, &e);
    q->counters.limit_services += err == ERR_LIMIT;
    if (err)
        return err;
    err = write_row(q, e);
    if (err) {
        q->counters.not_stored++;
        entry_free(e);
        return err;
    }
    q->next_token++;
    e->done = done;
    e->arg = arg;
    kv_commit(q->kv, written, e);
    return 0;
}

/* ---- out ---- */

static void wake(struct agent_records *q, struct now now)
{
    struct heap_node *node;
    while ((node = heap_pop_due(&q->pausing, now.mono)))
        wait_in_lane(CONTAINER_OF(node, struct entry, due), false);
}

bool agent_records_take(struct agent_records *q, struct now now, uint64_t vservice_id, struct vap_vcr *ret_vcr,
                        uint64_t *ret_token)
{
    struct lane *lane = lane_of(q, vservice_id);
    wake(q, now);
    struct list *first = lane ? list_pop(&lane->waiting) : NULL;
    if (!first)
        return false;
    struct entry *e = CONTAINER_OF(first, struct entry, lane_link);
    set_state(e, ENTRY_UNDER_WAY);
    q->counters.sent++;
    *ret_vcr = e->vcr;
    *ret_token = e->token;
    return true;
}

void agent_records_acknowledged(struct agent_records *q, uint64_t token)
{
    struct entry *e = entry_under_way(q, token);
    if (!e)
        return;
    q->counters.acknowledged++;
    entry_end(e);
}

void agent_records_refused(struct agent_records *q, uint64_t token)
{
    struct entry *e = entry_under_way(q, token);
    if (!e)
        return;
    q->counters.refused++;
    entry_end(e);
}

void agent_records_failed(struct agent_records *q, struct now now, uint64_t token)
{
    struct entry *e = entry_under_way(q, token);
    if (!e)
        return;
    q->counters.retried++;
    if (heap_set(&q->pausing, &e->due, mono_after_ms(now.mono, q->config.retry_ms)) == 0)
        set_state(e, ENTRY_PAUSING);
    else
        wait_in_lane(e, false);
}

void agent_records_put_back(struct agent_records *q, uint64_t token)
{
    struct entry *e = entry_under_way(q, token);
    if (!e)
        return;
    q->counters.sent--;
    wait_in_lane(e, true);
}

void agent_records_tick(struct agent_records *q, struct now now)
{
    wake(q, now);
    if (!mono_due(q->sweep_at, now.mono))
        return;
    q->sweep_at = mono_after_ms(now.mono, SWEEP_MS);
    LIST_EACH(it, &q->all) {
        struct entry *e = CONTAINER_OF(it, struct entry, link);
        bool at_rest = e->state == ENTRY_WAITING || e->state == ENTRY_PAUSING;
        if (at_rest && wall_from_ntp(e->vcr.stop_ntp).ms + q->config.lifetime_ms <= now.wall.ms) {
            q->counters.expired++;
            entry_end(e);
        }
    }
}

struct mono agent_records_deadline(const struct agent_records *q)
{
    return list_empty(&q->all) ? MONO_NEVER : mono_min(q->sweep_at, heap_deadline(&q->pausing));
}

/* ---- views ---- */

void agent_records_view(const struct agent_records *q, struct agent_records_view *ret_view)
{
    *ret_view = (struct agent_records_view){
        .kept = q->tokens.n,
        .writing = q->states[ENTRY_WRITING],
        .under_way = q->states[ENTRY_UNDER_WAY],
    };
    if (!list_empty(&q->all))
        ret_view->oldest_at = wall_from_ntp(CONTAINER_OF(q->all.next, struct entry, link)->vcr.stop_ntp);
}

const struct agent_record_counters *agent_records_counters(const struct agent_records *q)
{
    return &q->counters;
}
