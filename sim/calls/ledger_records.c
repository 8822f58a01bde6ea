/* The rules about voice call records: each is compared with what the phones of that side saw of a call. */
#include "calls/ledger_private.h"

#include "alloc.h"
#include "base/mem.h"

#include <inttypes.h>

#define OFF_MS 2500 /* a repetition or two may lie between a phone and its agent */
#define RINGS_MS 180000
#define DAY_MS INT64_C(86400000) /* more than any times differ */
#define KILLED_US (5 * SIM_SECOND)

/* A side of a call of which there may be a record. */
struct expected {
    uint32_t call;
    uint32_t next; /* of the same company, direction and number: one more than its place */
    bool required;
    bool is_caller;
    bool found;
    struct wall from, until; /* when it may have begun */
    const struct sim_call_side *side;
};

struct books {
    struct sim_ledger *l;
    struct expected *expected;
    uint32_t n;
    uint32_t *buckets; /* by company, direction, and called number */
};

static uint32_t *bucket(const struct books *b, uint32_t company, bool is_caller, uint32_t to, uint32_t k)
{
    const struct sim_day *day = b->l->day;
    const uint32_t numbers = day->world->options->numbers + 1;
    return &b->buckets[(((size_t)company * 2 + is_caller) * day->companies + to) * numbers + k];
}

/* An answer that its phone never heard, or gave up at that moment, was one for its agent nevertheless: at any time until then, or later if the
 * agent could not hear that the phone was gone. */
static void expect(struct books *b, uint32_t call, bool is_caller, const struct sim_call_side *side, bool required)
{
    const struct sim_script *s = &b->l->day->scripts[call];
    const uint32_t company = is_caller ? s->from : s->to;
    uint32_t *head = bucket(b, company, is_caller, s->to, s->to_k);
    const int64_t began_us = side->answered_us ? side->answered_us : side->began_us;
    const bool killed = sim_trouble_met(b->l->day->trouble, SIM_TROUBLE_BIT(AGENT_CRASH), company, began_us - KILLED_US,
                                        side->ended_us + KILLED_US);
    struct expected *e = &b->expected[b->n];
    *e = (struct expected){
        .call = call, .next = *head, .required = required && !killed, .is_caller = is_caller, .side = side};
    e->from =
        side->answered_us ? side->answered_at : wall_after_ms(side->ended_at, (side->began_us - side->ended_us) / 1000);
    e->until = side->answered_us                 ? side->answered_at
               : sim_ledger_is_clean(b->l, call) ? side->ended_at
                                                 : wall_after_ms(side->ended_at, RINGS_MS);
    *head = ++b->n;
}

static void expect_all(struct books *b)
{
    const struct sim_ledger *l = b->l;
    for (uint32_t call = 0; call < l->day->script_count; call++) {
        const struct sim_call_entry *c = &l->calls[call];
        const bool clean = sim_ledger_is_clean(l, call);
        if (c->caller.answered_us && c->sent_pstn)
            expect(b, call, true, &c->caller, !c->caller.gone);
        else if (c->sent_pstn)
            expect(b, call, true, &c->caller, false);
        for (unsigned i = 0; i < c->called_count && i < SIM_ENDS_MAX; i++)
            if (c->called[i].answered_us && c->came_by_pstn)
                expect(b, call, false, &c->called[i], clean && !c->sent_direct && c->caller.answered_us);
    }
}

static int64_t apart_ms(struct wall a, struct wall b)
{
    return a.ms > b.ms ? a.ms - b.ms : b.ms - a.ms;
}

/* How far it is from when it may have begun. */
static int64_t off_ms(const struct expected *e, struct wall start)
{
    if (start.ms >= e->from.ms && start.ms <= e->until.ms)
        return 0;
    return start.ms < e->from.ms ? apart_ms(e->from, start) : apart_ms(e->until, start);
}

/* Calls to one number may begin at the same time: how badly the record fits this one. */
static int64_t misfit(const struct books *b, const struct expected *e, const struct sim_record_entry *r)
{
    const struct sim_script *s = &b->l->day->scripts[e->call];
    const struct e164 caller = sim_phone_number(s->from, s->from_k);
    const bool is_other = r->vcr.calling.text[0] && strcmp(r->vcr.calling.text, caller.text) != 0;
    return off_ms(e, wall_from_ntp(r->vcr.start_ntp)) + apart_ms(e->side->ended_at, wall_from_ntp(r->vcr.stop_ntp)) +
           (is_other ? DAY_MS : 0) + (e->side->answered_us ? 0 : DAY_MS);
}

/* The side of a call that began when the record says, and fits best. */
static struct expected *find(const struct books *b, const struct sim_record_entry *r)
{
    const struct wall start = wall_from_ntp(r->vcr.start_ntp);
    struct expected *best = NULL;
    uint32_t to, k;
    if (!sim_phone_owner(&r->vcr.called, &to, &k) || to >= b->l->day->companies ||
        k > b->l->day->world->options->numbers)
        return NULL;
    for (uint32_t at = *bucket(b, r->company, r->vcr.direction == VAP_SENT, to, k); at; at = b->expected[at - 1].next) {
        struct expected *e = &b->expected[at - 1];
        if (!e->found && off_ms(e, start) <= OFF_MS && (!best || misfit(b, e, r) < misfit(b, best, r)))
            best = e;
    }
    return best;
}

static void check_one(const struct books *b, const struct sim_record_entry *r)
{
    struct sim_world *world = b->l->day->world;
    const char *what = r->vcr.direction == VAP_SENT ? "placed" : "took";
    struct expected *e = find(b, r);
    uint32_t from, k;
    if (!r->acknowledged)
        sim_world_violation(world, "records arrive",
                            "the record of a call that company %u %s to %s was never acknowledged", r->company, what,
                            r->vcr.called.text);
    if (!e) {
        sim_world_violation(world, "records are of calls",
                            "company %u says that it %s a call to %s at %" PRId64 " ms: it did not", r->company, what,
                            r->vcr.called.text, wall_from_ntp(r->vcr.start_ntp).ms - SIM_BEGAN_MS);
        return;
    }
    e->found = true;
    const struct sim_script *s = &b->l->day->scripts[e->call];
    if (sim_ledger_is_clean(b->l, e->call) && apart_ms(e->side->ended_at, wall_from_ntp(r->vcr.stop_ntp)) > OFF_MS)
        sim_ledger_wrong(b->l, e->call, "records are of calls",
                         "ended %" PRId64 " ms from when the record of company %u says",
                         apart_ms(e->side->ended_at, wall_from_ntp(r->vcr.stop_ntp)), r->company);
    if (!r->vcr.calling.text[0] && !e->is_caller)
        return;
    if (!sim_phone_owner(&r->vcr.calling, &from, &k) || from != s->from || k != s->from_k)
        sim_ledger_wrong(b->l, e->call, "records are of calls", "was placed by \"%s\", says company %u",
                         r->vcr.calling.text, r->company);
}

void sim_ledger_close_records(struct sim_ledger *l)
{
    const struct sim_day *day = l->day;
    const size_t ends = (size_t)day->script_count * (1 + SIM_ENDS_MAX) + 1;
    const size_t buckets = (size_t)day->companies * day->companies * 2 * (day->world->options->numbers + 1);
    struct books b = {.l = l};
    b.expected = sim_alloc(ends * sizeof *b.expected);
    b.buckets = sim_alloc(buckets * sizeof *b.buckets);
    expect_all(&b);
    for (uint32_t i = 0; i < l->record_count; i++)
        check_one(&b, &l->records[i]);
    for (uint32_t i = 0; i < b.n; i++)
        if (b.expected[i].required && !b.expected[i].found)
            sim_ledger_wrong(l, b.expected[i].call, "calls have records",
                             "went over the phone network, and company %u has no record",
                             b.expected[i].is_caller ? day->scripts[b.expected[i].call].from
                                                     : day->scripts[b.expected[i].call].to);
    mem_free(b.expected);
    mem_free(b.buckets);
}
