/* What phones hear of each other: silences, moves from one network to the other, and the rules about both. */
#include "calls/ledger_private.h"

#include "alloc.h"
#include "base/mem.h"
#include "calls/talk.h"

#define SILENCE_US (2 * SIM_SECOND) /* shorter ones are not kept */
/* A hold-down, two ways to place the call that takes over, its correlation by digits, and ten seconds. */
#define HEARD_AGAIN_US (60 * SIM_SECOND)
#define PSTN_WELL_US SIM_MINUTE /* nothing was wrong with it before */
#define MOVE_BEFORE_US (3 * SIM_SECOND)
#define MOVE_BEHIND_US (1 * SIM_SECOND)
#define MOVE_GAP_US (200 * SIM_MS)
#define DELAYS_US (400 * SIM_MS) /* of both ways together, at most: more is not believed of a difference */
#define LATE_RETURN_US (3 * SIM_SECOND)
#define RETURN_DOUBLED_MAX 4
#define HANGS_UP_AT_ONCE_US (2 * SIM_SECOND)

/* ---- as it goes ---- */

static struct sim_call_side *side_of(struct sim_ledger *l, uint32_t call, bool is_caller, unsigned nth)
{
    struct sim_call_entry *c = &l->calls[call];
    return is_caller ? &c->caller : &c->called[nth < SIM_ENDS_MAX ? nth : SIM_ENDS_MAX - 1];
}

static void note_silence(struct sim_ledger *l, uint32_t call, bool is_caller, int64_t from_us)
{
    const int64_t now_us = l->day->world->now_us;
    if (now_us - from_us < SILENCE_US)
        return;
    l->silences = sim_resize(l->silences, (l->silence_count + 1) * sizeof *l->silences);
    l->silences[l->silence_count++] =
        (struct sim_silence){.call = call, .is_caller = is_caller, .from_us = from_us, .until_us = now_us};
}

static int64_t silent_since(const struct sim_hearing *h)
{
    return h->last_us > h->expects_since_us ? h->last_us : h->expects_since_us;
}

void sim_ledger_expects(struct sim_ledger *l, uint32_t call, bool is_caller, unsigned nth, bool expects)
{
    struct sim_hearing *h = &side_of(l, call, is_caller, nth)->hearing;
    if (expects && !h->expects_since_us)
        h->expects_since_us = l->day->world->now_us;
    if (expects || !h->expects_since_us)
        return;
    note_silence(l, call, is_caller, silent_since(h));
    h->expects_since_us = 0;
}

static void note_move(struct sim_ledger *l, uint32_t call, bool is_caller, const struct sim_hearing *h,
                      enum sim_network_of_call to)
{
    const int64_t now_us = l->day->world->now_us;
    l->moves = sim_resize(l->moves, (l->move_count + 1) * sizeof *l->moves);
    l->moves[l->move_count++] =
        (struct sim_move){.call = call,
                          .is_caller = is_caller,
                          .to = (uint8_t)to,
                          .at_us = now_us,
                          .gap_us = now_us - h->last_us - SIM_TALK_MS * SIM_MS,
                          .is_expected = h->expects_since_us && h->expects_since_us < h->last_us};
}

void sim_ledger_heard(struct sim_ledger *l, uint32_t call, bool is_caller, unsigned nth, const struct addr *from,
                      int64_t said_us)
{
    struct sim_hearing *h = &side_of(l, call, is_caller, nth)->hearing;
    const struct addr edge = sim_calls_addr(SIM_AT_EDGE_INSIDE, from->ip[2]);
    const enum sim_network_of_call way = addr_eq_ip(&edge, from) ? SIM_OVER_IME : SIM_OVER_PSTN;
    l->day->result->packets_heard++;
    if (said_us <= h->said_us)
        return; /* overtaken, or twice */
    if (h->expects_since_us)
        note_silence(l, call, is_caller, silent_since(h));
    if (h->way && h->way != way)
        note_move(l, call, is_caller, h, way);
    h->way = (uint8_t)way;
    h->said_us = said_us;
    h->last_us = l->day->world->now_us;
}

void sim_ledger_wrong_join(struct sim_ledger *l, uint32_t call, uint32_t said)
{
    if (l->calls[call].heard_others)
        return;
    l->calls[call].heard_others = true;
    sim_ledger_wrong(l, call, "nobody hears others", "hears what is said in call %u", said);
}

void sim_ledger_wrong_description(struct sim_ledger *l, uint32_t call, bool is_caller, const char *how)
{
    sim_ledger_wrong(l, call, "descriptions go on", "is told a description at its %s that %s",
                     is_caller ? "caller" : "called phone", how);
}

void sim_ledger_rang_for_fallback(struct sim_ledger *l, uint32_t company)
{
    sim_world_violation(l->day->world, "no phone rings for a fallback",
                        "the PBX of company %u got a call to its fallback number, or one that nobody has placed",
                        company);
}

/* ---- in the end ---- */

/* Nothing at all was wrong with the phone network. */
static bool pstn_was_well(const struct sim_ledger *l, uint32_t call, int64_t from_us, int64_t until_us)
{
    return !sim_ledger_met(l, call, SIM_TROUBLE_OF_TRUNKS | SIM_TROUBLE_OF_FALLBACK, from_us, until_us);
}

/* The last that its phones have heard before came by the phone network. */
static bool was_away(const struct sim_ledger *l, uint32_t call, int64_t at_us)
{
    bool away = false;
    for (size_t i = 0; i < l->move_count && l->moves[i].at_us <= at_us; i++)
        if (l->moves[i].call == call)
            away = l->moves[i].to == SIM_OVER_PSTN;
    return away;
}

/* It could take a call over nevertheless: the caller's company has two trunks, the other one is reached by one of them alone; where callers are not shown
 * there are digits. What has moved hangs on the trunk that it took. */
static bool pstn_could_carry(const struct sim_ledger *l, uint32_t call, int64_t from_us, int64_t until_us)
{
    const struct sim_script *s = &l->day->scripts[call];
    const uint32_t both = SIM_TROUBLE_BIT(TRUNK_AWAY) | SIM_TROUBLE_BIT(LOSS) | SIM_TROUBLE_BIT(DIGITS_LOST);
    const uint32_t called = both | SIM_TROUBLE_BIT(CARRIER_AWAY) | SIM_TROUBLE_BIT(FALLBACK_BUSY);
    const uint32_t caller = both | (was_away(l, call, until_us) ? SIM_TROUBLE_BIT(CARRIER_AWAY) : 0);
    return !sim_trouble_met(l->day->trouble, caller, s->from, from_us, until_us) &&
           !sim_trouble_met(l->day->trouble, called, s->to, from_us, until_us);
}

/* Nobody had any reason to leave the Internet, or else it was not there all the time. */
static bool ime_was_well(const struct sim_ledger *l, uint32_t call, int64_t from_us, int64_t until_us)
{
    return !sim_ledger_met(l, call, SIM_TROUBLE_OF_IME, from_us, until_us);
}

static bool machines_were_well(const struct sim_ledger *l, uint32_t call, int64_t from_us, int64_t until_us)
{
    return !l->day->scripts[call].bye_is_lost &&
           !sim_ledger_met(l, call, SIM_TROUBLE_OF_AGENT | SIM_TROUBLE_OF_PBX, from_us, until_us);
}

static bool is_direct(const struct sim_call_entry *c)
{
    return c->sent_direct && !c->sent_pstn && c->called_count == 1;
}

/* When the first of both hung up; INT64_MAX: nobody did. */
static int64_t hung_up_us(const struct sim_call_entry *c)
{
    const int64_t a = c->caller.hung_up_us ? c->caller.hung_up_us : INT64_MAX;
    const int64_t b = c->called[0].hung_up_us ? c->called[0].hung_up_us : INT64_MAX;
    return a < b ? a : b;
}

static void check_silence(struct sim_ledger *l, const struct sim_silence *s)
{
    const struct sim_call_entry *c = &l->calls[s->call];
    const int64_t over_us = hung_up_us(c), until_us = s->until_us < over_us ? s->until_us : over_us;
    const int64_t by_us = s->from_us + HEARD_AGAIN_US;
    if (!is_direct(c) || until_us < by_us || !machines_were_well(l, s->call, c->begun_us, until_us))
        return;
    const bool ime = ime_was_well(l, s->call, c->begun_us, by_us);
    if (ime || pstn_could_carry(l, s->call, s->from_us - PSTN_WELL_US, by_us))
        sim_ledger_wrong(l, s->call, "calls are heard",
                         "is silent for its %s from %.3f s for %.1f s, and %s could have carried it",
                         s->is_caller ? "caller" : "called phone", (double)s->from_us / SIM_SECOND,
                         (double)(until_us - s->from_us) / SIM_SECOND, ime ? "the Internet" : "the phone network");
}

/* Calls end because people want it. */
static void check_kept(struct sim_ledger *l, uint32_t call)
{
    const struct sim_call_entry *c = &l->calls[call];
    const struct sim_call_side *a = &c->caller, *b = &c->called[0];
    const int64_t ended_us = a->ended_us < b->ended_us ? a->ended_us : b->ended_us;
    if (!is_direct(c) || !a->answered_us || !b->answered_us || hung_up_us(c) != INT64_MAX ||
        !machines_were_well(l, call, c->begun_us, ended_us))
        return;
    l->day->result->lost++;
    const bool ime = ime_was_well(l, call, c->begun_us, ended_us);
    if (ime || pstn_could_carry(l, call, ended_us - PSTN_WELL_US - HEARD_AGAIN_US, ended_us))
        sim_ledger_wrong(l, call, "calls are kept", "ended though nobody hung up, and %s could have carried it",
                         ime ? "the Internet" : "the phone network");
}

static void check_gap(struct sim_ledger *l, const struct sim_move *m)
{
    const int64_t from_us = m->at_us - m->gap_us - MOVE_BEFORE_US, until_us = m->at_us + MOVE_BEHIND_US;
    struct sim_calls_result *r = l->day->result;
    if (!is_direct(&l->calls[m->call]))
        return;
    *(m->to == SIM_OVER_PSTN ? &r->moves_to_pstn : &r->moves_to_ime) += 1;
    if (!m->is_expected || !ime_was_well(l, m->call, from_us, until_us) ||
        !pstn_was_well(l, m->call, from_us, until_us) || !machines_were_well(l, m->call, from_us, until_us))
        return;
    const int64_t gap_us = m->gap_us > 0 ? m->gap_us : 0;
    sim_samples_add(&r->gaps, (uint32_t)gap_us);
    if (gap_us > MOVE_GAP_US + sim_ledger_delays_us(l, m->call))
        sim_ledger_wrong(l, m->call, "moves are not heard", "was silent for %lld ms at %.3f s when it moved to %s",
                         (long long)(gap_us / SIM_MS), (double)m->at_us / SIM_SECOND,
                         m->to == SIM_OVER_PSTN ? "the phone network" : "the Internet");
}

/* Of the way over the Internet, and of that over the phone network: the larger one tells how much later sound comes after a move. */
int64_t sim_ledger_delays_us(const struct sim_ledger *l, uint32_t call)
{
    const struct sim_script *s = &l->day->scripts[call];
    const int64_t us = sim_network_rest_us(l->day->world, s->from, s->to);
    return us < DELAYS_US ? us : DELAYS_US;
}

/* When it left the Internet for the last time before that return, as the first of both phones hears it; 0: nobody knows, since neither was to hear anything
 * all the time. */
static int64_t left_us(const struct sim_ledger *l, size_t back, unsigned *ret_returns)
{
    const struct sim_move *of = &l->moves[back];
    int64_t us = 0;
    for (size_t i = 0; i < back; i++) {
        const struct sim_move *m = &l->moves[i];
        if (m->call != of->call)
            continue;
        if (m->to == SIM_OVER_IME && m->is_caller) {
            ++*ret_returns;
            us = 0;
        } else if (m->to == SIM_OVER_PSTN && !us && m->is_expected) {
            us = m->at_us;
        }
    }
    return us;
}

/* After each return the next one takes longer, unless the phone network itself failed, or a move was taken back that a PBX or an agent did not answer. As its
 * caller hears it. */
static void check_oscillation(struct sim_ledger *l)
{
    for (size_t i = 0; i < l->move_count; i++) {
        const struct sim_move *back = &l->moves[i];
        unsigned before = 0;
        if (!back->is_caller || back->to != SIM_OVER_IME || !is_direct(&l->calls[back->call]))
            continue;
        const int64_t away_us = left_us(l, i, &before);
        const unsigned doubled = before < RETURN_DOUBLED_MAX ? before : RETURN_DOUBLED_MAX;
        const int64_t least_us = (SIM_RETURN_US << doubled) - LATE_RETURN_US;
        if (away_us && back->at_us - away_us < least_us &&
            pstn_was_well(l, back->call, away_us - PSTN_WELL_US, back->at_us + MOVE_BEHIND_US) &&
            machines_were_well(l, back->call, away_us - MOVE_BEFORE_US, back->at_us + MOVE_BEHIND_US))
            sim_ledger_wrong(l, back->call, "returns take their time", "came back for the %u. time after %.1f s",
                             before + 1, (double)(back->at_us - away_us) / SIM_SECOND);
    }
}

void sim_ledger_close_heard(struct sim_ledger *l)
{
    for (size_t i = 0; i < l->silence_count; i++)
        check_silence(l, &l->silences[i]);
    for (size_t i = 0; i < l->move_count; i++)
        check_gap(l, &l->moves[i]);
    for (uint32_t call = 0; call < l->day->script_count && l->day->has_media; call++)
        if (l->calls[call].begun_us)
            check_kept(l, call);
    check_oscillation(l);
}

void sim_ledger_heard_fini(struct sim_ledger *l)
{
    mem_free(l->silences);
    mem_free(l->moves);
}
