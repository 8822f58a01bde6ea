/* The rules about voice call records: each is compared with what the phones of that side saw of a call. */
#include "calls/ledger_private.h"

#include "alloc.h"
#include "base/mem.h"
#include "calls/exchange.h"

#include <inttypes.h>

#define OFF_MS 2500       /* a repetition or two may lie between a phone and its agent */
#define OFF_LOSSY_MS 8000 /* four, where a third is lost */
#define RINGS_MS 180000
#define DAY_MS INT64_C(86400000) /* more than any times differ */
#define KILLED_US (5 * SIM_SECOND)
#define LAST_DIGITS 4   /* a 0 in front of what is left of a number is taken for the prefix of long-distance calls */
#define GIVEN_UP_MS 100 /* there and back over a trunk */

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

/* A call to a fallback number, as the phone network saw it: its placing side, its called one. */
struct fallback {
    const struct pstn_record *pstn;
    uint32_t companies[2];
    struct e164 to;
    bool found[2];
};

struct books {
    struct sim_ledger *l;
    struct expected *expected;
    uint32_t n;
    struct fallback *fallbacks;
    size_t fallback_count;
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

/* How far a record may be from what it is of, by its time of beginning. */
static int64_t off_most_ms(const struct books *b, const struct sim_record_entry *r)
{
    const int64_t at_us = (wall_from_ntp(r->vcr.start_ntp).ms - SIM_BEGAN_MS) * 1000;
    return sim_trouble_met(b->l->day->trouble, SIM_TROUBLE_BIT(LOSS), r->company, at_us - OFF_LOSSY_MS * 1000, at_us)
               ? OFF_LOSSY_MS
               : OFF_MS;
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
    const int64_t most_ms = off_most_ms(b, r);
    uint32_t to, k;
    if (!sim_phone_owner(&r->vcr.called, &to, &k) || to >= b->l->day->companies ||
        k > b->l->day->world->options->numbers)
        return NULL;
    for (uint32_t at = *bucket(b, r->company, r->vcr.direction == VAP_SENT, to, k); at; at = b->expected[at - 1].next) {
        struct expected *e = &b->expected[at - 1];
        if (!e->found && off_ms(e, start) <= most_ms && (!best || misfit(b, e, r) < misfit(b, best, r)))
            best = e;
    }
    return best;
}

/* ---- calls that have taken others over: the phone network knows them ---- */

static bool is_fallback_number(const struct sim_day *day, const struct e164 *number, uint32_t *ret_company)
{
    uint32_t k;
    return sim_phone_owner(number, ret_company, &k) && *ret_company < day->companies &&
           k == day->world->options->numbers + 1;
}

static void expect_fallbacks(struct books *b)
{
    const struct sim_day *day = b->l->day;
    const struct pstn_record *r;
    for (size_t i = 0; (r = pstn_network_record(day->exchange->network, i)); i++) {
        struct e164 from, to;
        uint32_t company, caller, k;
        if (!e164_parse(slice_str(r->to), &to) || !is_fallback_number(day, &to, &company) ||
            !e164_parse(slice_str(r->from), &from) || !sim_phone_owner(&from, &caller, &k))
            continue;
        day->result->fallback_calls += r->answered_at[1].ms != 0;
        b->fallbacks = sim_resize(b->fallbacks, (b->fallback_count + 1) * sizeof *b->fallbacks);
        b->fallbacks[b->fallback_count++] = (struct fallback){.pstn = r, .companies = {caller, company}, .to = to};
    }
}

/* An answer that met the caller's goodbye was one for the called agent nevertheless. */
static bool began_as(const struct pstn_record *p, unsigned side, struct wall start, int64_t most_ms)
{
    if (p->answered_at[side].ms)
        return apart_ms(p->answered_at[side], start) <= most_ms;
    return side && start.ms >= p->begun_at.ms - OFF_MS && start.ms <= p->ended_at[0].ms + RINGS_MS;
}

/* What is left of a caller's number where carriers shorten or rewrite it. */
static bool ends_alike(const char *a, const char *b)
{
    const size_t na = strlen(a), nb = strlen(b);
    return na >= LAST_DIGITS && nb >= LAST_DIGITS && strcmp(a + na - LAST_DIGITS, b + nb - LAST_DIGITS) == 0;
}

static bool is_of_fallback(const struct fallback *f, unsigned side, const struct sim_record_entry *r, int64_t most_ms)
{
    return !f->found[side] && f->companies[side] == r->company && strcmp(f->to.text, r->vcr.called.text) == 0 &&
           began_as(f->pstn, side, wall_from_ntp(r->vcr.start_ntp), most_ms) &&
           (!r->vcr.calling.text[0] || strcmp(f->pstn->from, r->vcr.calling.text) == 0 ||
            (side && ends_alike(f->pstn->from, r->vcr.calling.text)));
}

/* Several may fit: how badly this one does. */
static int64_t misfit_of_fallback(const struct fallback *f, unsigned side, const struct sim_record_entry *r)
{
    const struct wall began = f->pstn->answered_at[side].ms ? f->pstn->answered_at[side] : f->pstn->begun_at;
    return apart_ms(began, wall_from_ntp(r->vcr.start_ntp)) +
           apart_ms(f->pstn->ended_at[side], wall_from_ntp(r->vcr.stop_ntp));
}

static void check_fallback(const struct books *b, const struct sim_record_entry *r)
{
    const unsigned side = r->vcr.direction != VAP_SENT;
    const int64_t most_ms = off_most_ms(b, r);
    struct fallback *best = NULL;
    for (size_t i = 0; i < b->fallback_count; i++) {
        struct fallback *f = &b->fallbacks[i];
        if (is_of_fallback(f, side, r, most_ms) &&
            (!best || misfit_of_fallback(f, side, r) < misfit_of_fallback(best, side, r)))
            best = f;
    }
    if (best)
        best->found[side] = true;
    else
        sim_world_violation(b->l->day->world, "records are of calls",
                            "company %u says that it %s a fallback call to %s at %" PRId64 " ms: it did not",
                            r->company, side ? "took" : "placed", r->vcr.called.text,
                            wall_from_ntp(r->vcr.start_ntp).ms - SIM_BEGAN_MS);
}

/* The answer met the CANCEL of who had called, and was told goodbye at once: who called knows of no call. */
static bool was_given_up(const struct pstn_record *p)
{
    return p->ended_at[0].ms - p->answered_at[0].ms < GIVEN_UP_MS;
}

/* Nor does it if the answer could not reach it. */
static bool was_not_heard(const struct books *b, const struct fallback *f)
{
    const int64_t at_us = (f->pstn->answered_at[0].ms - SIM_BEGAN_MS) * 1000;
    return sim_trouble_met(b->l->day->trouble, SIM_TROUBLE_BIT(TRUNK_AWAY) | SIM_TROUBLE_BIT(CARRIER_AWAY),
                           f->companies[0], at_us, at_us);
}

/* Both sides of each call that both of them answered, unless an agent was killed meanwhile. */
static void check_fallbacks_found(const struct books *b)
{
    const struct sim_day *day = b->l->day;
    for (size_t i = 0; i < b->fallback_count; i++) {
        const struct fallback *f = &b->fallbacks[i];
        for (unsigned side = 0; side < 2; side++) {
            const int64_t from_us = (f->pstn->begun_at.ms - SIM_BEGAN_MS) * 1000 - KILLED_US;
            const int64_t until_us = (f->pstn->ended_at[side].ms - SIM_BEGAN_MS) * 1000 + KILLED_US;
            if (f->found[side] || !f->pstn->answered_at[0].ms || f->pstn->cause != PSTN_CAUSE_ENDED ||
                (!side && (was_given_up(f->pstn) || was_not_heard(b, f))) ||
                sim_trouble_met(day->trouble, SIM_TROUBLE_OF_AGENT, f->companies[side], from_us, until_us))
                continue;
            sim_world_violation(day->world, "calls have records",
                                "company %u has no record of the fallback call from %s to %s at %.3f s",
                                f->companies[side], f->pstn->from, f->pstn->to,
                                (double)(f->pstn->answered_at[side].ms - SIM_BEGAN_MS) / 1000);
        }
    }
}

/* ---- all of them ---- */

static void check_one(const struct books *b, const struct sim_record_entry *r)
{
    struct sim_world *world = b->l->day->world;
    const char *what = r->vcr.direction == VAP_SENT ? "placed" : "took";
    struct expected *e = find(b, r);
    uint32_t from, k, company;
    if (!r->acknowledged)
        sim_world_violation(world, "records arrive",
                            "the record of a call that company %u %s to %s was never acknowledged", r->company, what,
                            r->vcr.called.text);
    if (is_fallback_number(b->l->day, &r->vcr.called, &company)) {
        check_fallback(b, r);
        return;
    }
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
    const int64_t began_us = b->l->calls[e->call].begun_us;
    if (!e->is_caller && (!r->vcr.calling.text[0] || sim_ledger_met(b->l, e->call, SIM_TROUBLE_BIT(CALLERS_SPOILED),
                                                                    began_us - KILLED_US, began_us + SIM_MINUTE)))
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
    if (day->has_media)
        expect_fallbacks(&b);
    for (unsigned pass = 0; pass < 2; pass++) /* what tells a caller fits fewer calls: it chooses first */
        for (uint32_t i = 0; i < l->record_count; i++)
            if ((l->records[i].vcr.calling.text[0] == 0) == pass)
                check_one(&b, &l->records[i]);
    for (uint32_t i = 0; i < b.n; i++)
        if (b.expected[i].required && !b.expected[i].found)
            sim_ledger_wrong(l, b.expected[i].call, "calls have records",
                             "went over the phone network, and company %u has no record",
                             b.expected[i].is_caller ? day->scripts[b.expected[i].call].from
                                                     : day->scripts[b.expected[i].call].to);
    check_fallbacks_found(&b);
    mem_free(b.fallbacks);
    mem_free(b.expected);
    mem_free(b.buckets);
}
