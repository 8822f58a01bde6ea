/* The rules about calls, and about what is left of them. */
#include "calls/ledger_private.h"

#include "agent/journal.h"
#include "calls/border.h"
#include "calls/exchange.h"
#include "calls/office.h"
#include "calls/pbx.h"

#define SURE_MS 5000                     /* patience of so much more than ringing: the answer comes before it ends */
#define FALLBACK_MS 15000                /* and another way was tried before */
#define BOTH_UP_US (45 * SIM_SECOND)     /* an answer that nobody waits for is ended at once; its BYE may be repeated */
#define RINGS_AGAIN_US (40 * SIM_SECOND) /* an attempt that was given up may come that late, repeated again and again */
#define LOST_RINGING_ONE_OF 5000         /* calls, at a loss of 50 ppm */
#define REST_US (3 * SIM_MINUTE)
#define REACHED_US (3 * SIM_SECOND)

/* ---- one call ---- */

static bool any_answered(const struct sim_call_entry *c)
{
    for (unsigned i = 0; i < c->called_count && i < SIM_ENDS_MAX; i++)
        if (c->called[i].answered_us)
            return true;
    return false;
}

static void check_ends(struct sim_ledger *l, uint32_t call, bool clean)
{
    const struct sim_call_entry *c = &l->calls[call];
    const int64_t most = clean ? SIM_ENDS_CLEAN_US : SIM_ENDS_US;
    if (c->caller.ends != 1)
        sim_ledger_wrong(l, call, "calls end", "is over %u times for its caller", c->caller.ends);
    else if (!c->caller.gone && !c->caller.status)
        sim_ledger_wrong(l, call, "calls end", "is over for its caller without a cause");
    for (unsigned i = 0; i < c->called_count && i < SIM_ENDS_MAX; i++) {
        const struct sim_call_side *side = &c->called[i];
        const int64_t apart = side->ended_us - c->caller.ended_us;
        if (side->ends != 1)
            sim_ledger_wrong(l, call, "calls end", "is over %u times for the called phone", side->ends);
        else if (c->called_count == 1 && c->caller.ends == 1 && (apart > most || -apart > most))
            sim_ledger_wrong(l, call, "calls end", "ended %lld ms apart at its ends%s", (long long)(apart / 1000),
                             clean ? ", and nothing was in the way" : "");
    }
}

/* The caller did not hear that it rang before it rang again: the 180 was lost, which nobody repeats, and silence for so long means that nobody is
 * there. */
static bool was_not_told(const struct sim_call_entry *c)
{
    return c->called_count > 1 && (!c->rang_us || c->rang_us >= c->called[1].began_us);
}

/* Two phones' ends of one call, both up: the phone that answered heard two calls. And what its people speak in rings nowhere any more. */
static void check_one_call(struct sim_ledger *l, uint32_t call, bool clean)
{
    const struct sim_call_entry *c = &l->calls[call];
    for (unsigned i = 1; i < c->called_count && i < SIM_ENDS_MAX; i++) {
        const int64_t after_us = c->called[i].began_us - c->caller.answered_us;
        if (c->caller.answered_us && after_us > RINGS_AGAIN_US)
            sim_ledger_wrong(l, call, "one call", "rang again %lld s after its answer",
                             (long long)(after_us / SIM_SECOND));
    }
    if (clean && c->called_count > 1 && !was_not_told(c))
        sim_ledger_wrong(l, call, "one call", "rang %u times", c->called_count);
    for (unsigned i = 0; i < c->called_count && i < SIM_ENDS_MAX; i++) {
        for (unsigned k = i + 1; k < c->called_count && k < SIM_ENDS_MAX; k++) {
            const struct sim_call_side *a = &c->called[i], *b = &c->called[k];
            const int64_t from = a->answered_us > b->answered_us ? a->answered_us : b->answered_us;
            const int64_t until = a->ended_us < b->ended_us ? a->ended_us : b->ended_us;
            if (a->answered_us && b->answered_us && until - from > BOTH_UP_US)
                sim_ledger_wrong(l, call, "one call", "was up twice for %lld s",
                                 (long long)((until - from) / SIM_SECOND));
        }
    }
}

static void check_outcome(struct sim_ledger *l, uint32_t call)
{
    const struct sim_script *s = &l->day->scripts[call];
    const struct sim_call_entry *c = &l->calls[call];
    const bool answered = c->caller.answered_us != 0, patient = s->patience_ms > s->ring_ms + SURE_MS;
    const unsigned status = c->caller.status;
    static const unsigned refusals[] = {[SIM_IS_BUSY] = 486, [SIM_DECLINES] = 603, [SIM_IS_AWAY] = 480};
    if (s->answer == SIM_ANSWERS && patient && !answered)
        sim_ledger_wrong(l, call, "calls become what people want", "was to be answered, but ended with %u", status);
    if (answered && !any_answered(c))
        sim_ledger_wrong(l, call, "calls become what people want", "was answered by nobody");
    if (answered && (s->answer != SIM_ANSWERS || s->patience_ms < s->ring_ms))
        sim_ledger_wrong(l, call, "calls become what people want", "was answered");
    if (answered && status != 200)
        sim_ledger_wrong(l, call, "calls become what people want", "ended with %u", status);
    if (s->answer != SIM_ANSWERS && s->answer != SIM_DOES_NOTHING && s->patience_ms > s->ring_ms + SURE_MS &&
        status != refusals[s->answer])
        sim_ledger_wrong(l, call, "calls become what people want", "ended with %u instead of %u", status,
                         refusals[s->answer]);
}

/* The other company was away for direct calls when this one began, and nothing else was in the way. A connection that falls silent while a call
 * rings is found out later than people are patient. */
static bool only_direct_ways_were_away(const struct sim_ledger *l, uint32_t call)
{
    const struct sim_call_entry *c = &l->calls[call];
    const uint32_t others = SIM_TROUBLE_ALL & ~SIM_TROUBLE_OF_IME & ~SIM_TROUBLE_BIT(SERVER_CRASH);
    const uint32_t silent = SIM_TROUBLE_BIT(IME_SILENT) | SIM_TROUBLE_BIT(NET_DEAD) | SIM_TROUBLE_BIT(EDGE_CRASH) |
                            SIM_TROUBLE_BIT(WORKER_CRASH);
    return !sim_ledger_met(l, call, others, c->begun_us - SIM_MINUTE, c->caller.ended_us + SIM_MINUTE) &&
           (!sim_ledger_met(l, call, silent, c->begun_us, c->caller.ended_us) ||
            sim_ledger_met(l, call, silent, c->begun_us - 1, c->begun_us));
}

static void check_way(struct sim_ledger *l, uint32_t call, bool clean)
{
    const struct sim_script *s = &l->day->scripts[call];
    const struct sim_call_entry *c = &l->calls[call];
    if (clean && c->route_is_good) {
        l->day->result->expected_direct++;
        if (!c->sent_direct)
            sim_ledger_wrong(l, call, "a good route is used", "does not go direct");
        else if (c->sent_pstn && was_not_told(c))
            l->day->result->ringing_lost++;
        else if (c->sent_pstn)
            sim_ledger_wrong(l, call, "a good route is used", "goes over the phone network after all");
    }
    if (!clean && c->had_route && s->answer == SIM_ANSWERS && s->patience_ms > s->ring_ms + FALLBACK_MS &&
        !s->bye_is_lost && !c->caller.answered_us && only_direct_ways_were_away(l, call))
        sim_ledger_wrong(l, call, "calls fall back", "ended with %u", c->caller.status);
}

static void count(struct sim_ledger *l, uint32_t call)
{
    struct sim_calls_result *r = l->day->result;
    const struct sim_script *s = &l->day->scripts[call];
    const struct sim_call_entry *c = &l->calls[call];
    if (c->caller.gone && !c->caller.answered_us) {
        r->ends[SIM_CALL_PHONE_GONE]++;
        return;
    }
    r->ends[c->caller.answered_us ? SIM_CALL_ANSWERED : sim_call_end_of(c->caller.status)]++;
    r->races += !c->caller.answered_us && any_answered(c) && s->answer == SIM_ANSWERS;
    if (!c->caller.answered_us)
        return;
    r->direct += !c->sent_pstn;
    r->pstn += c->sent_pstn;
    r->fallback += c->sent_pstn && c->sent_direct;
}

void sim_ledger_look(struct sim_ledger *l)
{
    for (uint32_t call = 0; call < l->day->next_script; call++) {
        struct sim_call_entry *c = &l->calls[call];
        const int64_t long_ago = l->day->world->now_us - SIM_ENDS_US;
        if (!c->begun_us || c->looked_stuck)
            continue;
        bool any_open = !c->caller.ends, any_old = c->caller.ends && c->caller.ended_us < long_ago;
        for (unsigned i = 0; i < c->called_count && i < SIM_ENDS_MAX; i++) {
            any_open = any_open || !c->called[i].ends;
            any_old = any_old || (c->called[i].ends && c->called[i].answered_us && c->called[i].ended_us < long_ago);
        }
        if (!any_open || !any_old)
            continue;
        c->looked_stuck = true;
        sim_ledger_wrong(l, call, "calls end", "is still up at one end, an hour after the other");
    }
}

/* ---- what agents have kept ---- */

void sim_ledger_close_routes(struct sim_ledger *l, uint32_t company, const struct agent_routes *routes)
{
    const struct sim_day *day = l->day;
    for (uint32_t to = 0; to < day->companies; to++) {
        for (uint32_t k = 0; k <= day->world->options->numbers; k++) {
            const struct e164 number = sim_phone_number(to, k);
            if (*sim_ledger_route(l, company, &number) && !agent_routes_knows(routes, &number))
                sim_world_violation(day->world, "routes stay", "company %u has lost its route to %s", company,
                                    number.text);
        }
    }
}

struct accounts {
    struct sim_world *world;
    uint32_t company;
    uint32_t outbound;
};

static bool note_account(void *ctx, const struct call_record *r)
{
    struct accounts *a = ctx;
    a->outbound += r->direction == CALL_OUTBOUND;
    if (!r->ended_at.ms || !r->ended_by[0])
        sim_world_violation(a->world, "calls have an account", "company %u does not know how the call %s to %s ended",
                            a->company, r->call_id, r->dialed);
    return true;
}

void sim_ledger_close_accounts(struct sim_ledger *l, const struct sim_office *office)
{
    const struct sim_day *day = l->day;
    struct accounts a = {.world = day->world, .company = office->company};
    struct call_journal *journal;
    uint32_t least = 0, most = 0;
    if (call_journal_new(memory_store_kv(office->disk.store), office->options.journal_max, sim_node_now(office->node),
                         &journal) != 0)
        return;
    call_journal_each(journal, note_account, &a);
    call_journal_free(journal);
    for (uint32_t call = 0; call < day->script_count; call++) {
        const struct sim_call_entry *c = &l->calls[call];
        if (!c->begun_us || day->scripts[call].from != office->company)
            continue;
        most++;
        least += !sim_trouble_met(day->trouble, SIM_TROUBLE_OF_AGENT | SIM_TROUBLE_OF_PBX, office->company,
                                  c->begun_us - REACHED_US, c->caller.ended_us + REACHED_US);
    }
    if (a.outbound < least || a.outbound > most)
        sim_world_violation(day->world, "calls have an account",
                            "company %u has %u calls in its journal, its phones began %u to %u", office->company,
                            a.outbound, least, most);
}

/* ---- what is left ---- */

static void left(struct sim_ledger *l, uint32_t company, const char *what, size_t n)
{
    if (n)
        sim_world_violation(l->day->world, "nothing is left", "company %u: %zu %s", company, n, what);
}

static size_t less(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool less_of_border(const struct sim_border *border, struct sim_border_left *l)
{
    struct sim_border_left now;
    struct edge_left *e = &l->edge;
    sim_border_left(border, &now);
    e->calls = less(e->calls, now.edge.calls);
    e->dialogs = less(e->dialogs, now.edge.dialogs);
    e->subscriptions = less(e->subscriptions, now.edge.subscriptions);
    e->requests = less(e->requests, now.edge.requests);
    e->clients = less(e->clients, now.edge.clients);
    e->servers = less(e->servers, now.edge.servers);
    e->sessions = less(e->sessions, now.edge.sessions);
    e->timers = less(e->timers, now.edge.timers);
    l->conns = less(l->conns, now.conns);
    l->sessions = less(l->sessions, now.sessions);
    l->ports = less(l->ports, now.ports);
    return !(e->calls + e->dialogs + e->subscriptions + e->requests + e->clients + e->servers + e->sessions +
             e->timers + l->conns + l->sessions + l->ports);
}

/* Now and then something of the agent's own is under way, keepalive mostly: what is there each time one looks was left. */
static bool look_for_rest(void *ctx, struct sim_world *world)
{
    struct sim_ledger *l = ctx;
    bool none = true;
    (void)world;
    for (uint32_t i = 0; i < l->day->companies; i++) {
        struct sim_office_left now, *o = &l->least[i];
        struct agent_left *a = &o->agent;
        sim_office_left(&l->day->offices[i], &now);
        a->calls = less(a->calls, now.agent.calls);
        a->requests = less(a->requests, now.agent.requests);
        a->attempts = less(a->attempts, now.agent.attempts);
        a->dialogs = less(a->dialogs, now.agent.dialogs);
        a->clients = less(a->clients, now.agent.clients);
        a->servers = less(a->servers, now.agent.servers);
        a->timers = less(a->timers, now.agent.timers);
        a->legs = less(a->legs, now.agent.legs);
        a->sounds = less(a->sounds, now.agent.sounds);
        a->tokens = less(a->tokens, now.agent.tokens);
        o->conns = less(o->conns, now.conns);
        o->sounds = less(o->sounds, now.sounds);
        none = none && !(a->calls + a->requests + a->attempts + a->dialogs + a->clients + a->servers + a->timers +
                         a->legs + a->sounds + a->tokens + o->conns + o->sounds);
        if (l->day->borders && !less_of_border(&l->day->borders[i], &l->least_of_borders[i]))
            none = false;
    }
    return none;
}

static void check_left_of_border(struct sim_ledger *l, uint32_t company)
{
    const struct sim_border_left *b = &l->least_of_borders[company];
    left(l, company, "calls of its edge", b->edge.calls);
    left(l, company, "dialogs of its edge", b->edge.dialogs);
    left(l, company, "subscriptions of its edge", b->edge.subscriptions);
    left(l, company, "requests of its edge", b->edge.requests);
    left(l, company, "client transactions of its edge", b->edge.clients);
    left(l, company, "server transactions of its edge", b->edge.servers);
    left(l, company, "sessions of media that its edge knows of", b->edge.sessions);
    left(l, company, "timers of calls of its edge", b->edge.timers);
    left(l, company, "connections of its edge", b->conns);
    left(l, company, "sessions of media", b->sessions);
    left(l, company, "ports of media", b->ports);
}

static void check_left(struct sim_ledger *l, uint32_t company)
{
    const struct sim_pbx *pbx = &l->day->pbxs[company];
    const struct sim_office_left o = l->least[company];
    left(l, company, "calls of its agent", o.agent.calls);
    left(l, company, "requests of its agent", o.agent.requests);
    left(l, company, "dialogs of its agent", o.agent.dialogs);
    left(l, company, "attempts of its agent", o.agent.attempts);
    left(l, company, "client transactions of its agent", o.agent.clients);
    left(l, company, "server transactions of its agent", o.agent.servers);
    left(l, company, "timers of calls of its agent", o.agent.timers);
    left(l, company, "calls of its agent's own by the phone network", o.agent.legs);
    left(l, company, "voices of its agent", o.agent.sounds);
    left(l, company, "tokens of its agent", o.agent.tokens);
    left(l, company, "connections of its agent", o.conns);
    left(l, company, "ports of media of its agent", o.sounds);
    if (l->day->borders)
        check_left_of_border(l, company);
    left(l, company, "phones in a call", pbx->phone_count);
    left(l, company, "ends of calls at its PBX", pbx->ua.leg_count);
}

void sim_ledger_close_left(struct sim_ledger *l)
{
    const struct sim_day *day = l->day;
    const size_t of_carriers = day->exchange->port_count;
    for (uint32_t i = 0; i < day->companies; i++)
        check_left(l, i);
    if (pstn_network_calls(day->exchange->network))
        sim_world_violation(day->world, "nothing is left", "%zu calls of the phone network",
                            pstn_network_calls(day->exchange->network));
    if (day->media.ports.n != of_carriers)
        sim_world_violation(day->world, "nothing is left", "%zu ports of media, %zu of them the carriers' own",
                            day->media.ports.n, of_carriers);
}

void sim_ledger_close_calls(struct sim_ledger *l)
{
    struct sim_day *day = l->day;
    for (uint32_t call = 0; call < day->script_count; call++) {
        if (!l->calls[call].begun_us)
            continue; /* its PBX was away */
        const bool clean = sim_ledger_is_clean(l, call);
        check_ends(l, call, clean);
        check_one_call(l, call, clean);
        check_way(l, call, clean);
        if (clean)
            check_outcome(l, call);
        count(l, call);
    }
    if (day->result->ringing_lost > 1 + day->result->calls / LOST_RINGING_ONE_OF)
        sim_world_violation(day->world, "a good route is used", "%llu callers did not hear that it rang",
                            (unsigned long long)day->result->ringing_lost);
}

void sim_ledger_close_growth(struct sim_ledger *l, uint32_t company, int64_t octets)
{
    struct sim_day *day = l->day;
    const int64_t tables = (int64_t)SIM_GROWN_OCTETS_PER_CALL * day->result->at_once_max;
    day->result->grown_max = octets > day->result->grown_max ? octets : day->result->grown_max;
    if (octets > SIM_GROWN_OCTETS_MAX && octets > tables)
        sim_world_violation(day->world, "nothing leaks", "the agent of company %u has grown by %lld octets", company,
                            (long long)octets);
}

static void close_offices(struct sim_ledger *l)
{
    struct sim_office *offices = l->day->offices;
    for (uint32_t i = 0; i < l->day->companies; i++)
        sim_ledger_close_routes(l, i, offices[i].routes);
    for (uint32_t i = 0; i < l->day->companies; i++) {
        sim_ledger_close_growth(l, i, sim_office_grown(&offices[i]));
        sim_ledger_close_accounts(l, &offices[i]);
    }
}

void sim_ledger_close(struct sim_ledger *l)
{
    struct sim_day *day = l->day;
    for (uint32_t i = 0; i < day->companies; i++) {
        sim_office_left(&day->offices[i], &l->least[i]);
        if (day->borders)
            sim_border_left(&day->borders[i], &l->least_of_borders[i]);
    }
    sim_world_run_until(day->world, look_for_rest, l, SIM_SECOND, REST_US);
    sim_ledger_close_calls(l);
    sim_ledger_close_records(l);
    sim_ledger_close_heard(l);
    sim_ledger_close_left(l);
    close_offices(l);
}
