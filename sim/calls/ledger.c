/* What phones and the wire tell: ledger.h. */
#include "calls/ledger_private.h"

#include "agent/options.h"
#include "alloc.h"
#include "base/mem.h"
#include "calls/exchange.h"
#include "calls/office.h"

#include <stdarg.h>
#include <stdio.h>

#define ROUTE_SETTLES_US (5 * SIM_SECOND)
#define QUIET_US (3 * SIM_MINUTE) /* nothing was in the way for so long: the route is good */
#define BEFORE_US (40 * SIM_SECOND)
#define BEHIND_US (3 * SIM_SECOND)
#define COUNTRY_OCTETS 3 /* "+49" */

struct sim_ledger *sim_ledger_new(struct sim_day *day)
{
    struct sim_ledger *l = sim_alloc(sizeof *l);
    const size_t numbers = day->world->options->numbers + 1;
    l->day = day;
    l->calls = sim_alloc((day->script_count + 1) * sizeof *l->calls);
    l->routes = sim_alloc((size_t)day->companies * day->companies * numbers * sizeof *l->routes);
    l->least = sim_alloc(day->companies * sizeof *l->least);
    l->least_of_borders = sim_alloc(day->companies * sizeof *l->least_of_borders);
    sim_ledger_vap_init(l);
    return l;
}

void sim_ledger_free(struct sim_ledger *l)
{
    if (!l)
        return;
    sim_ledger_vap_fini(l);
    sim_ledger_heard_fini(l);
    mem_free(l->calls);
    mem_free(l->routes);
    mem_free(l->least);
    mem_free(l->least_of_borders);
    mem_free(l);
}

int64_t *sim_ledger_route(const struct sim_ledger *l, uint32_t company, const struct e164 *number)
{
    const uint32_t numbers = l->day->world->options->numbers + 1;
    uint32_t to, k;
    if (!sim_phone_owner(number, &to, &k) || to >= l->day->companies || k >= numbers)
        return NULL;
    return &l->routes[((size_t)company * l->day->companies + to) * numbers + k];
}

bool sim_ledger_met(const struct sim_ledger *l, uint32_t call, uint32_t kinds, int64_t from_us, int64_t until_us)
{
    const struct sim_script *s = &l->day->scripts[call];
    return sim_trouble_met(l->day->trouble, kinds, s->from, from_us, until_us) ||
           sim_trouble_met(l->day->trouble, kinds, s->to, from_us, until_us);
}

static int64_t last_us(const struct sim_call_entry *c)
{
    int64_t us = c->caller.ended_us;
    for (unsigned i = 0; i < c->called_count && i < SIM_ENDS_MAX; i++)
        us = c->called[i].ended_us > us ? c->called[i].ended_us : us;
    return us;
}

bool sim_ledger_is_clean(const struct sim_ledger *l, uint32_t call)
{
    const struct sim_call_entry *c = &l->calls[call];
    return !l->day->scripts[call].bye_is_lost &&
           !sim_ledger_met(l, call, SIM_TROUBLE_ALL & ~SIM_TROUBLE_BIT(SERVER_CRASH), c->begun_us - BEFORE_US,
                           last_us(c) + BEHIND_US);
}

/* ---- what is wrong ---- */

static void print_side(const char *who, const struct sim_call_side *side)
{
    fprintf(stderr, "    %s: from %.3f, answered %.3f, ended %.3f with %u%s\n", who,
            (double)side->began_us / SIM_SECOND, (double)side->answered_us / SIM_SECOND,
            (double)side->ended_us / SIM_SECOND, side->status, side->gone ? ", gone with its PBX" : "");
}

/* What its phones heard, as far as the books go. */
static void print_heard(const struct sim_ledger *l, uint32_t call)
{
    for (size_t i = 0; i < l->move_count; i++) {
        const struct sim_move *m = &l->moves[i];
        if (m->call == call)
            fprintf(stderr, "    %.3f the %s hears it by %s, after %lld ms%s\n", (double)m->at_us / SIM_SECOND,
                    m->is_caller ? "caller" : "called phone",
                    m->to == SIM_OVER_PSTN ? "the phone network" : "the Internet", (long long)(m->gap_us / SIM_MS),
                    m->is_expected ? "" : " that may have been silent");
    }
    for (size_t i = 0; i < l->silence_count; i++) {
        const struct sim_silence *s = &l->silences[i];
        if (s->call == call)
            fprintf(stderr, "    %.3f to %.3f the %s hears nothing\n", (double)s->from_us / SIM_SECOND,
                    (double)s->until_us / SIM_SECOND, s->is_caller ? "caller" : "called phone");
    }
}

static void print_call(const struct sim_ledger *l, uint32_t call)
{
    const struct sim_call_entry *c = &l->calls[call];
    const struct sim_script *s = &l->day->scripts[call];
    const struct sim_trouble *t = l->day->trouble;
    fprintf(
        stderr,
        "call %u: company %u to %u, number %u, at %.3f s; rings %u ms, patience %u ms, talks %u ms; %s hangs up%s%s\n",
        call, s->from, s->to, s->to_k, (double)c->begun_us / SIM_SECOND, s->ring_ms, s->patience_ms, s->talk_ms,
        s->caller_hangs_up ? "the caller" : "the called one", s->bye_is_lost ? ", which is lost" : "",
        s->answer == SIM_ANSWERS ? "" : "; it is not to be answered");
    fprintf(stderr, "   %s%s%s%s%s\n", c->had_route ? " had a route" : "", c->route_is_good ? ", a good one" : "",
            c->sent_direct ? ", went direct" : "", c->sent_pstn ? ", went over the phone network" : "",
            c->came_by_pstn ? ", came from it" : "");
    print_side("caller", &c->caller);
    for (unsigned i = 0; i < c->called_count && i < SIM_ENDS_MAX; i++)
        print_side("called", &c->called[i]);
    print_heard(l, call);
    for (uint32_t i = 0; i < t->n; i++) {
        const struct sim_trouble_one *one = &t->ones[i];
        if ((one->company == s->from || one->company == s->to) && one->until_us >= c->begun_us - SIM_MINUTE &&
            one->from_us <= last_us(c) + SIM_MINUTE)
            fprintf(stderr, "    %.3f to %.3f company %u: %s\n", (double)one->from_us / SIM_SECOND,
                    (double)one->until_us / SIM_SECOND, one->company,
                    sim_trouble_text((enum sim_trouble_kind)one->kind));
    }
}

void sim_ledger_wrong(struct sim_ledger *l, uint32_t call, const char *rule, const char *format, ...)
{
    char text[SIM_VIOLATION_OCTETS];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sim_world_violation(l->day->world, rule, "call %u %s", call, text);
    if (!l->day->world->options->verbose)
        return;
    fprintf(stderr, "%s: call %u %s\n", rule, call, text);
    print_call(l, call);
}

/* ---- phones ---- */

static struct sim_call_side *side_of(struct sim_ledger *l, uint32_t call, bool is_caller, unsigned nth)
{
    struct sim_call_entry *c = &l->calls[call];
    return is_caller ? &c->caller : &c->called[nth < SIM_ENDS_MAX ? nth : SIM_ENDS_MAX - 1];
}

static struct wall clock_of(const struct sim_ledger *l, uint32_t call, bool is_caller)
{
    const struct sim_script *s = &l->day->scripts[call];
    return sim_node_now(sim_world_node(l->day->world, is_caller ? s->from : s->to)).wall;
}

void sim_ledger_begun(struct sim_ledger *l, uint32_t call)
{
    const struct sim_script *s = &l->day->scripts[call];
    struct sim_call_entry *c = &l->calls[call];
    const int64_t now_us = l->day->world->now_us;
    const struct e164 number = sim_phone_number(s->to, s->to_k);
    const int64_t learned_us = *sim_ledger_route(l, s->from, &number);
    c->begun_us = c->caller.began_us = now_us;
    c->had_route = learned_us != 0;
    c->route_is_good =
        learned_us && learned_us + ROUTE_SETTLES_US < now_us &&
        !sim_ledger_met(l, call, SIM_TROUBLE_ALL & ~SIM_TROUBLE_BIT(SERVER_CRASH), now_us - QUIET_US, now_us);
    l->day->result->calls++;
    if (++l->at_once > l->day->result->at_once_max)
        l->day->result->at_once_max = l->at_once;
}

unsigned sim_ledger_called(struct sim_ledger *l, uint32_t call, uint32_t company)
{
    struct sim_call_entry *c = &l->calls[call];
    if (company != l->day->scripts[call].to)
        sim_ledger_wrong(l, call, "calls become what people want", "came to company %u", company);
    const unsigned nth = c->called_count;
    c->called_count = (uint8_t)(nth < UINT8_MAX ? nth + 1 : nth);
    if (nth < SIM_ENDS_MAX)
        c->called[nth].began_us = l->day->world->now_us;
    return nth;
}

void sim_ledger_rang(struct sim_ledger *l, uint32_t call)
{
    struct sim_call_entry *c = &l->calls[call];
    if (c->rang_us)
        return;
    c->rang_us = l->day->world->now_us;
    if (!c->sent_direct || !c->sent_pstn)
        sim_samples_add(c->sent_direct ? &l->day->result->setup_direct : &l->day->result->setup_pstn,
                        (uint32_t)(c->rang_us - c->begun_us));
}

void sim_ledger_answered(struct sim_ledger *l, uint32_t call, bool is_caller, unsigned nth)
{
    struct sim_call_side *side = side_of(l, call, is_caller, nth);
    side->answered_us = l->day->world->now_us;
    side->answered_at = clock_of(l, call, is_caller);
}

void sim_ledger_held(struct sim_ledger *l, uint32_t call, unsigned status)
{
    (void)call;
    l->day->result->holds += status >= 200 && status < 300;
    l->day->result->glares += status == 491;
}

void sim_ledger_hung_up(struct sim_ledger *l, uint32_t call, bool is_caller, unsigned nth)
{
    struct sim_call_side *side = side_of(l, call, is_caller, nth);
    side->ended_at = clock_of(l, call, is_caller);
    side->hung_up_us = l->day->world->now_us;
    sim_ledger_expects(l, call, is_caller, nth, false);
}

static void end(struct sim_ledger *l, uint32_t call, bool is_caller, struct sim_call_side *side)
{
    side->ends = (uint8_t)(side->ends + 1);
    side->ended_us = l->day->world->now_us;
    if (!side->ended_at.ms)
        side->ended_at = clock_of(l, call, is_caller);
    if (is_caller)
        l->at_once--;
}

void sim_ledger_ended(struct sim_ledger *l, uint32_t call, bool is_caller, unsigned nth, unsigned status)
{
    struct sim_call_side *side = side_of(l, call, is_caller, nth);
    side->status = (uint16_t)status;
    sim_ledger_expects(l, call, is_caller, nth, false);
    end(l, call, is_caller, side);
}

void sim_ledger_gone(struct sim_ledger *l, uint32_t call, bool is_caller, unsigned nth)
{
    struct sim_call_side *side = side_of(l, call, is_caller, nth);
    side->gone = true;
    sim_ledger_expects(l, call, is_caller, nth, false);
    end(l, call, is_caller, side);
}

/* ---- the wire ---- */

static uint32_t company_of(const struct sim_wire_socket *socket)
{
    return socket->addr.ip[2];
}

/* An INVITE that begins a call went that way. */
static void invited(struct sim_ledger *l, const struct sim_wire_socket *from, const struct sim_wire_socket *to,
                    uint32_t call)
{
    struct sim_call_entry *c = &l->calls[call];
    const struct sim_script *s = &l->day->scripts[call];
    const struct e164 number = sim_phone_number(s->to, s->to_k);
    if (to->group == SIM_GROUP_OF_PSTN_SIDE) {
        c->came_by_pstn = c->came_by_pstn || company_of(to) == s->to;
    } else if (company_of(from) == s->from && from->group == SIM_GROUP_OF_PSTN_SIDE) {
        c->sent_pstn = true;
    } else if (company_of(from) == s->from) {
        if (!*sim_ledger_route(l, s->from, &number))
            sim_ledger_wrong(l, call, "no route, no direct call", "to %s goes direct", number.text);
        c->sent_direct = true;
    }
}

/* The digits stand there, however they are written. */
static bool holds_number(struct slice text, const struct e164 *number)
{
    const char *digits = number->text + COUNTRY_OCTETS;
    return memmem(text.p, text.n, digits, strlen(digits)) != NULL;
}

static struct slice line_of(struct slice octets, const char *begin)
{
    const uint8_t *at = memmem(octets.p, octets.n, begin, strlen(begin));
    const size_t left = at ? (size_t)(octets.p + octets.n - at) : 0;
    const uint8_t *end = left > strlen(begin) ? memmem(at + strlen(begin), left - strlen(begin), "\r\n", 2) : NULL;
    return end ? slice_of(at, (size_t)(end - at)) : (struct slice){0};
}

static bool is_in_dialog(struct slice invite)
{
    const struct slice to = line_of(invite, "\r\nTo: ");
    return to.n && memmem(to.p, to.n, ";tag=", 5);
}

/* One message; others may follow. */
static void invite_sent(struct sim_ledger *l, const struct sim_wire_socket *from, const struct sim_wire_socket *to,
                        struct slice invite)
{
    const uint8_t *end = memmem(invite.p, invite.n, "\r\n", 2);
    const struct slice uri = end ? slice_of(invite.p, (size_t)(end - invite.p)) : (struct slice){0};
    uint32_t call;
    if (is_in_dialog(invite))
        return;
    for (uint32_t c = 0; c < l->day->companies; c++) {
        const struct e164 fallback = sim_phone_fallback(l->day, c);
        if (holds_number(uri, &fallback))
            return; /* it begins no call of phones */
    }
    const bool is_marked = sim_call_marked(invite, &call) && call < l->day->script_count;
    if (is_marked && from->group == SIM_GROUP_OF_PSTN_SIDE)
        sim_exchange_saw(l->day->exchange, invite, call);
    if (is_marked || (to->group == SIM_GROUP_OF_PSTN_SIDE && sim_exchange_whose(l->day->exchange, invite, &call)))
        invited(l, from, to, call);
}

void sim_ledger_sent(void *ledger, const struct sim_wire_socket *from, const struct sim_wire_socket *to,
                     struct slice octets)
{
    static const char invite[] = "INVITE sip:";
    struct sim_ledger *l = ledger;
    if (from->group == SIM_GROUP_OF_PBX || to->group == SIM_GROUP_OF_PBX)
        return;
    while (octets.n) { /* a connection may carry several at once */
        const uint8_t *at = memmem(octets.p, octets.n, invite, sizeof invite - 1);
        if (!at)
            return;
        const size_t skip = (size_t)(at - octets.p) + sizeof invite - 1;
        octets = slice_of(octets.p + skip, octets.n - skip);
        invite_sent(l, from, to, octets);
    }
}

uint32_t sim_ledger_at_once(const struct sim_ledger *l)
{
    return l->at_once;
}
