/* Call records as rows, in memory and in the store, under their sequence numbers: the place of a record in memory is its number modulo how many
 * are kept, so that a new one takes the place of the oldest. */
#include "agent/journal.h"

#include "agent/agent.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/reader.h"

#include <stdio.h>

#define ROW_VERSION 1
#define ROW_OCTETS_MAX 4096

struct kept {
    struct list link; /* in journal.changed, or alone */
    uint64_t sequence;
    size_t n;
    uint8_t row[];
};

struct call_journal {
    struct kv kv;
    struct kept **places;
    struct list changed; /* not written to the store yet */
    struct buf row;      /* being written */
    size_t count, max;
    uint64_t next_sequence;
};

/* ---- rows ---- */

static void put_text(struct buf *b, const char *text)
{
    buf_opaque(b, 1, slice_str(text));
}

static void encode(const struct call_record *r, struct buf *b)
{
    buf_u8(b, ROW_VERSION);
    buf_u8(b, (uint8_t)r->direction);
    buf_u8(b, (uint8_t)r->from);
    buf_u8(b, (uint8_t)r->to);
    put_text(b, r->calling.text);
    put_text(b, r->called.text);
    put_text(b, r->dialed);
    put_text(b, r->call_id);
    put_text(b, r->other_call_id);
    buf_u64(b, (uint64_t)r->begun_at.ms);
    buf_u64(b, (uint64_t)r->answered_at.ms);
    buf_u64(b, (uint64_t)r->ended_at.ms);
    buf_u16(b, (uint16_t)r->status);
    put_text(b, r->ended_by);
    buf_u8(b, (uint8_t)r->step_count);
    for (unsigned i = 0; i < r->step_count; i++) {
        const struct call_step *s = &r->steps[i];
        buf_u8(b, (uint8_t)s->side);
        buf_u8(b, (uint8_t)s->cause);
        buf_u16(b, (uint16_t)s->status);
        buf_u64(b, (uint64_t)s->at.ms);
        put_text(b, s->text);
    }
}

static void get_text(struct reader *r, char *ret_text, size_t octets)
{
    struct slice s = read_opaque(r, 1, "text");
    if (s.n >= octets) {
        reader_fail(r, ERR_RANGE, "length of a text");
        return;
    }
    memcpy(ret_text, s.p ? (const void *)s.p : "", s.n);
    ret_text[s.n] = 0;
}

static struct wall get_time(struct reader *r)
{
    return (struct wall){(int64_t)read_u64(r, "time")};
}

static uint8_t get_choice(struct reader *r, uint8_t choices)
{
    uint8_t v = read_u8(r, "choice");
    if (v >= choices)
        reader_fail(r, ERR_RANGE, "choice");
    return r->err ? 0 : v;
}

static int decode(struct slice row, struct call_record *ret_record)
{
    struct call_record record = {0};
    struct reader r;
    reader_init(&r, row);
    if (read_u8(&r, "version") != ROW_VERSION)
        return ERR_UNSUPPORTED;
    record.direction = (enum call_direction)get_choice(&r, 2);
    record.from = (enum agent_side)get_choice(&r, AGENT_SIDES);
    record.to = (enum agent_side)get_choice(&r, AGENT_SIDES);
    get_text(&r, record.calling.text, sizeof record.calling.text);
    get_text(&r, record.called.text, sizeof record.called.text);
    get_text(&r, record.dialed, sizeof record.dialed);
    get_text(&r, record.call_id, sizeof record.call_id);
    get_text(&r, record.other_call_id, sizeof record.other_call_id);
    record.begun_at = get_time(&r);
    record.answered_at = get_time(&r);
    record.ended_at = get_time(&r);
    record.status = read_u16(&r, "status");
    get_text(&r, record.ended_by, sizeof record.ended_by);
    record.step_count = get_choice(&r, CALL_STEPS_MAX + 1);
    for (unsigned i = 0; i < record.step_count; i++) {
        struct call_step *s = &record.steps[i];
        s->side = (enum agent_side)get_choice(&r, AGENT_SIDES);
        s->cause = (enum agent_cause)read_u8(&r, "cause");
        s->status = read_u16(&r, "status");
        s->at = get_time(&r);
        get_text(&r, s->text, sizeof s->text);
    }
    int err = reader_end(&r, "end of a call record");
    if (!err)
        *ret_record = record;
    return err;
}

static void key_of(uint64_t sequence, uint8_t key[8])
{
    for (unsigned i = 0; i < 8; i++)
        key[i] = (uint8_t)(sequence >> (56 - 8 * i));
}

/* ---- the journal ---- */

static void drop(struct call_journal *j, struct kept *k)
{
    uint8_t key[8];
    key_of(k->sequence, key);
    kv_remove(&j->kv, KV_AGENT_CALL, slice_of(key, sizeof key));
    list_remove(&k->link);
    j->places[k->sequence % j->max] = NULL;
    mem_free(k);
    j->count--;
}

static struct kept *keep(struct call_journal *j, uint64_t sequence, struct slice row)
{
    struct kept **place = &j->places[sequence % j->max];
    struct kept *k = mem_alloc(sizeof *k + row.n);
    if (!k)
        return NULL;
    list_init(&k->link);
    k->sequence = sequence;
    k->n = row.n;
    memcpy(k->row, row.p, row.n);
    if (*place && (*place)->sequence != sequence)
        drop(j, *place);
    if (*place)
        list_remove(&(*place)->link);
    else
        j->count++;
    mem_free(*place);
    *place = k;
    return k;
}

/* Only calls that were answered, and ends, are worth the disk. */
static void write_row(struct call_journal *j, const struct call_record *record)
{
    buf_clear(&j->row);
    encode(record, &j->row);
    struct kept *k = j->row.err ? NULL : keep(j, record->sequence, buf_slice(&j->row));
    if (k && (record->answered_at.ms || record->ended_at.ms))
        list_append(&j->changed, &k->link);
}

bool call_journal_flush(struct call_journal *j)
{
    struct list *it;
    bool any = false;
    while ((it = list_pop(&j->changed))) {
        struct kept *k = CONTAINER_OF(it, struct kept, link);
        uint8_t key[8];
        key_of(k->sequence, key);
        any |= !kv_put(&j->kv, KV_AGENT_CALL, slice_of(key, sizeof key), slice_of(k->row, k->n));
    }
    if (any)
        kv_commit(&j->kv, NULL, NULL);
    return any;
}

static int load_row(void *arg, struct slice key, struct slice value)
{
    struct call_journal *j = arg;
    struct call_record record;
    uint64_t sequence = 0;
    if (key.n != 8 || decode(value, &record) < 0)
        return 0;
    for (unsigned i = 0; i < 8; i++)
        sequence = sequence << 8 | key.p[i];
    if (sequence >= j->next_sequence && sequence < UINT64_MAX)
        j->next_sequence = sequence + 1;
    return keep(j, sequence, value) ? 0 : ERR_NO_MEMORY;
}

int call_journal_new(const struct kv *kv, size_t records_max, struct now now, struct call_journal **ret_journal)
{
    struct call_journal *j = mem_alloc(sizeof *j);
    if (!j)
        return ERR_NO_MEMORY;
    j->kv = *kv;
    j->max = records_max ? records_max : 1;
    j->next_sequence = 1;
    list_init(&j->changed);
    buf_init(&j->row, ROW_OCTETS_MAX);
    j->places = mem_alloc(j->max * sizeof(struct kept *));
    int err = j->places ? kv_scan(kv, KV_AGENT_CALL, load_row, j) : ERR_NO_MEMORY;
    if (err) {
        call_journal_free(j);
        return err;
    }
    for (size_t i = 0; i < j->max; i++) {
        const struct kept *k = j->places[i];
        struct call_record r;
        if (!k || decode(slice_of(k->row, k->n), &r) < 0 || r.ended_at.ms)
            continue;
        r.sequence = k->sequence;
        r.ended_at = now.wall;
        snprintf(r.ended_by, sizeof r.ended_by, "the agent: it was not running any longer");
        write_row(j, &r);
    }
    call_journal_flush(j);
    *ret_journal = j;
    return 0;
}

void call_journal_free(struct call_journal *j)
{
    if (!j)
        return;
    for (size_t i = 0; j->places && i < j->max; i++)
        mem_free(j->places[i]);
    mem_free(j->places);
    buf_fini(&j->row);
    mem_free(j);
}

void call_journal_write(struct call_journal *j, struct call_record *record)
{
    if (!record->sequence)
        record->sequence = j->next_sequence++;
    else if (record->sequence + j->max < j->next_sequence)
        return; /* it gave way while the call went on */
    write_row(j, record);
}

void call_journal_each(const struct call_journal *j, call_journal_fn *fn, void *ctx)
{
    for (size_t i = 1; i <= j->max && i < j->next_sequence; i++) {
        const struct kept *k = j->places[(j->next_sequence - i) % j->max];
        struct call_record record;
        if (!k || decode(slice_of(k->row, k->n), &record) < 0)
            continue;
        record.sequence = k->sequence;
        if (!fn(ctx, &record))
            return;
    }
}

struct search {
    struct slice sought;
    call_journal_fn *fn;
    void *ctx;
};

static bool found(void *ctx, const struct call_record *r)
{
    const struct search *s = ctx;
    if (!slice_eq_str(s->sought, r->called.text) && !slice_eq_str(s->sought, r->calling.text) &&
        !slice_eq_str(s->sought, r->call_id) && !slice_eq_str(s->sought, r->other_call_id))
        return true;
    return s->fn(s->ctx, r);
}

void call_journal_find(const struct call_journal *j, struct slice sought, call_journal_fn *fn, void *ctx)
{
    struct search search = {sought, fn, ctx};
    call_journal_each(j, found, &search);
}

size_t call_journal_count(const struct call_journal *j)
{
    return j->count;
}

/* ---- in words ---- */

static const char *way_text(enum agent_side side)
{
    static const char *const texts[] = {"to the PBX", "by the phone network", "direct"};
    return texts[side];
}

static void explain_step(const struct call_step *s, struct buf *out)
{
    buf_printf(out, "- %s: %s", way_text(s->side), s->text);
    if (s->status)
        buf_printf(out, ", answered with %u", s->status);
    if (s->cause != AGENT_CAUSE_NONE)
        buf_printf(out, "; cause %d, %s", (int)s->cause, agent_cause_text(s->cause));
    buf_str(out, "\n");
}

/* Each cause once, whatever the number of ways that it met. */
static void explain_causes(const struct call_record *r, struct buf *out)
{
    for (unsigned i = 0; i < r->step_count; i++) {
        enum agent_cause cause = r->steps[i].cause;
        unsigned before = 0;
        while (before < i && r->steps[before].cause != cause)
            before++;
        if (before == i && cause != AGENT_CAUSE_NONE)
            buf_printf(out, "Cause %d: %s\n", (int)cause, agent_cause_advice(cause));
    }
}

void call_record_explain(const struct call_record *r, struct buf *out)
{
    char when[WALL_TEXT_OCTETS];
    buf_printf(out, "%s: %s called %s", wall_format(r->begun_at, when),
               r->calling.text[0] ? r->calling.text : "somebody unknown",
               r->called.text[0] ? r->called.text : r->dialed);
    if (r->direction == CALL_INBOUND)
        buf_printf(out, "; it came %s", r->from == AGENT_IME ? "direct" : "by the phone network");
    else if (r->answered_at.ms)
        buf_printf(out, "; it went %s", way_text(r->to));
    buf_str(out, ".\n");
    for (unsigned i = 0; i < r->step_count; i++)
        explain_step(&r->steps[i], out);
    if (r->answered_at.ms)
        buf_printf(out, "Answered %s", wall_format(r->answered_at, when));
    else if (r->status)
        buf_printf(out, "Not answered; the caller got %u", r->status);
    else
        buf_str(out, "Not answered yet");
    if (r->ended_at.ms)
        buf_printf(out, "; ended %s by %s", wall_format(r->ended_at, when), r->ended_by);
    buf_str(out, ".\n");
    explain_causes(r, out);
}
