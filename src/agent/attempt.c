/* One try at a B leg: begun, listened to, given up. Only the current attempt of a call decides anything; what comes for another one is
 * ended (late.c). */
#include "agent/internal.h"

#include "base/text.h"

#include <stdio.h>

static const char cancel_elsewhere[] = "SIP ;cause=408 ;text=\"No answer in time\"";

static void attempt_end_of_direct(struct attempt *at)
{
    at->call->agent->direct_count -= at->counts_direct;
    at->counts_direct = false;
}

void attempt_free(struct attempt *at)
{
    struct call *c = at->call;
    struct agent *a = c->agent;
    attempt_end_of_direct(at);
    LIST_EACH(it, &c->pairs) {
        struct pair *p = CONTAINER_OF(it, struct pair, link);
        if (p->attempt == at)
            p->attempt = NULL;
    }
    if (c->current == at)
        c->current = NULL;
    if (c->kind == CALL_SUBSCRIPTION)
        map_remove_value(&a->attempts, slice_str(at->tag), at);
    client_drop(a, &at->client);
    agent_timer_stop(a, &at->timer);
    list_remove(&at->asking);
    list_remove(&at->link);
    mem_free(at);
}

/* Early dialogs of it lead nowhere from now on. */
static void attempt_close_pairs(struct attempt *at)
{
    LIST_EACH(it, &at->call->pairs) {
        struct pair *p = CONTAINER_OF(it, struct pair, link);
        if (p->attempt == at && p != at->call->confirmed)
            p->ends[1].gone = true;
    }
}

void attempt_give_up(struct attempt *at, const char *reason)
{
    struct call *c = at->call;
    struct agent *a = c->agent;
    if (at->given_up)
        return;
    at->given_up = true;
    at->client.cseq = NULL; /* a challenge is not answered any longer */
    attempt_end_of_direct(at);
    attempt_close_pairs(at);
    agent_timer_stop(a, &at->timer);
    if (c->current == at)
        c->current = NULL;
    if (at->client.token && c->kind == CALL_VOICE)
        sip_client_cancel(a->layer, a->now, at->client.id, slice_str(reason));
}

static void attempt_note_end(struct attempt *at, enum agent_cause cause, unsigned status)
{
    if (at->step < CALL_STEPS_MAX) {
        at->call->record.steps[at->step].cause = cause;
        at->call->record.steps[at->step].status = status;
    }
}

/* What an edge or another agent says of its refusal. */
static void attempt_note_words(struct attempt *at, const struct sip_message *response)
{
    struct buf *words = &at->call->agent->text;
    if (!response || at->side != AGENT_IME || at->step >= CALL_STEPS_MAX)
        return;
    char *text = at->call->record.steps[at->step].text;
    const size_t n = strlen(text);
    verdict_words(response, words);
    if (words->n && !words->err)
        snprintf(text + n, CALL_STEP_TEXT_OCTETS + 1 - n, ": %.*s", SLICE_PRINT(buf_slice(words)));
}

/* The routes remember it, and so do the counters. */
static void attempt_tell_routes(struct attempt *at, enum agent_cause cause)
{
    struct agent *a = at->call->agent;
    if (at->side != AGENT_IME || !at->way || !at->way->route)
        return;
    a->counters.IMESetupsFailed++;
    agent_routes_failed(a->parts.routes, a->now, at->way->route, cause);
}

/* Further routes to the same place, by other servers of that company, would only make the caller wait. */
static void attempt_skip_place(const struct attempt *at)
{
    struct call *c = at->call;
    if (at->side != AGENT_IME || !at->way)
        return;
    while (c->next_way < c->way_count) {
        const struct way *next = &c->ways[c->next_way];
        if (next->side != AGENT_IME || next->hop.transport != at->way->hop.transport ||
            !addr_eq(&next->place, &at->way->place) || strcmp(next->domain, at->way->domain) != 0)
            return;
        plan_note(c, AGENT_IME, AGENT_CAUSE_NONE, "%s: another route, to the same place: not tried", next->name);
        c->next_way++;
    }
}

/* Another ticket does not help: nobody is there, or the call itself is not liked there. */
static bool is_of_the_place(enum agent_cause cause)
{
    return cause == AGENT_CAUSE_SOCKET_ERROR || cause == AGENT_CAUSE_CONNECTION_TIMEOUT || cause == AGENT_CAUSE_UNKNOWN;
}

static void attempt_failed(struct attempt *at, unsigned status, const struct sip_message *response)
{
    struct call *c = at->call;
    struct verdict v = verdict_of(at, status, response);
    attempt_note_end(at, v.cause, response ? status : 0);
    attempt_note_words(at, response);
    if (v.cause != AGENT_CAUSE_NONE)
        attempt_tell_routes(at, v.cause);
    attempt_close_pairs(at);
    c->current = NULL;
    if (!response && at->way)
        mapped_led_nowhere(c->agent, &at->way->place);
    if (!v.elsewhere)
        c->next_way = c->way_count;
    if (response ? is_of_the_place(v.cause) : !at->heard)
        attempt_skip_place(at); /* the edge says so, or nobody says anything */
    call_next_way(c, status, response);
    attempt_free(at);
    call_check(c);
}

/* No response in time, or neither ringing nor answer: there are other ways. */
static void attempt_due(struct agent *a, void *owner)
{
    struct attempt *at = owner;
    struct call *c = at->call;
    log_event(a->ports.log, LEVEL_INFO, "agent.attempt.timeout", "call=%s way=%s", c->record.call_id,
              at->way ? at->way->name : "-");
    attempt_note_end(at, at->side == AGENT_IME ? AGENT_CAUSE_CONNECTION_TIMEOUT : AGENT_CAUSE_NONE, 0);
    attempt_tell_routes(at, AGENT_CAUSE_CONNECTION_TIMEOUT);
    if (!at->heard)
        attempt_skip_place(at);
    attempt_give_up(at, cancel_elsewhere);
    call_next_way(c, 408, NULL);
}

static void attempt_provisional(struct attempt *at, unsigned status, const struct sip_message *response)
{
    struct call *c = at->call;
    struct agent *a = c->agent;
    if (!at->heard && at->side == AGENT_IME && at->timer.node.index)
        agent_timer(a, &at->timer, a->options->setup_ms);
    else if (at->side != AGENT_IME) /* it has the call: a phone network may take long before it rings */
        agent_timer_stop(a, &at->timer);
    at->heard = true;
    if (status == 100 || !c->first)
        return;
    if (status != 181 && status != 182) {
        at->rang = true;
        agent_timer_stop(a, &at->timer);
    }
    struct pair *pair = response->to.tag.n ? pair_of(at, response) : NULL;
    relay_respond(c->first, pair, response);
}

static void attempt_answered(struct attempt *at, const struct sip_message *response)
{
    struct call *c = at->call;
    struct agent *a = c->agent;
    struct pair *pair = c->kind == CALL_SINGLE ? NULL : pair_of(at, response);
    attempt_note_end(at, AGENT_CAUSE_NONE, response->status);
    if (c->kind == CALL_VOICE && (!pair || !pair->ends[1].ready)) { /* an answer without Contact: nobody can use it */
        attempt_failed(at, 502, NULL);
        return;
    }
    attempt_end_of_direct(at);
    if (at->way && at->way->route)
        agent_routes_succeeded(a->parts.routes, at->way->route);
    call_answered(c, pair, response);
    attempt_free(at);
    call_check(c);
}

/* The final response to the one that nobody waits for. */
static void attempt_forgotten(struct attempt *at, bool good, const struct sip_message *response)
{
    struct call *c = at->call;
    struct agent *a = c->agent;
    if (good && c->kind == CALL_VOICE)
        late_answer(a, &at->client.hop, at->trunk, response, client_credentials_shown(a, &at->client));
    attempt_free(at);
    call_check(c);
}

static void attempt_heard(struct agent *a, void *owner, unsigned status, const struct sip_message *response)
{
    struct attempt *at = owner;
    const bool good = response && status >= 200 && status < 300;
    if (response && at->trunk && status != 503)
        trunk_heard(at->trunk);
    if (at->call->first)
        at->call->first->heard_from = at->trunk;
    if (status >= 200)
        agent_timer_stop(a, &at->timer);
    if (at->given_up && status >= 200)
        attempt_forgotten(at, good, response);
    else if (at->given_up)
        return;
    else if (status < 200)
        attempt_provisional(at, status, response);
    else if (good)
        attempt_answered(at, response);
    else
        attempt_failed(at, status, response);
}

/* Sends the INVITE there. */
static int attempt_send(struct attempt *at, const struct sip_hop *hop)
{
    struct call *c = at->call;
    struct agent *a = c->agent;
    const struct sip_message *first = c->first ? sip_server_request(a->layer, c->first->server) : NULL;
    int err = first ? patch_first(at, first, at->way, &a->octets) : ERR_WRONG_STATE;
    return err ? err : client_send(a, &at->client, hop, buf_slice(&a->octets));
}

void attempt_mapped(struct attempt *at, int err, const struct addr *inside)
{
    struct call *c = at->call;
    list_remove(&at->asking);
    if (at->given_up || !at->way) { /* nobody waits for it */
        attempt_free(at);
        call_check(c);
        return;
    }
    if (!err) {
        struct sip_hop hop = at->way->hop;
        hop.addr = *inside;
        err = attempt_send(at, &hop);
    }
    if (err) {
        at->client.unreachable = true;
        attempt_failed(at, 503, NULL);
    }
}

int attempt_begin(struct call *c, const struct way *way)
{
    struct agent *a = c->agent;
    struct attempt *at = mem_alloc(sizeof *at);
    if (!at)
        return ERR_NO_MEMORY;
    struct sip_hop hop = way->hop;
    *at = (struct attempt){.call = c, .way = way, .side = way->side, .trunk = way->trunk, .cseq = 1};
    client_init(&at->client, attempt_heard, at, way->trunk, &at->cseq);
    at->timer = (struct timer){.fire = attempt_due, .owner = at};
    list_init(&at->asking);
    agent_tag(a, at->tag);
    agent_call_id(a, at->call_id);
    list_append(&c->attempts, &at->link);
    at->step = plan_note(c, way->side, AGENT_CAUSE_NONE, "%s", way->name);
    c->current = at;
    int err = c->kind == CALL_SUBSCRIPTION ? map_set(&a->attempts, slice_str(at->tag), at) : 0;
    /* Somewhere else is better than waiting, as long as there is somewhere. */
    if (!err && c->next_way < c->way_count)
        err = agent_timer(a, &at->timer, a->options->connect_ms);
    const int known = err ? err : mapped_ask(at, &hop);
    if (known == 1)
        err = attempt_send(at, &hop);
    else if (known < 0)
        err = known;
    if (err) {
        attempt_note_end(at, way->side == AGENT_IME ? AGENT_CAUSE_SOCKET_ERROR : AGENT_CAUSE_NONE, 0);
        attempt_free(at);
        return err;
    }
    text_keep(slice_str(at->call_id), c->record.other_call_id, sizeof c->record.other_call_id);
    c->record.to = way->side;
    if (way->side == AGENT_IME) {
        at->counts_direct = true;
        a->direct_count++;
        c->tried_direct = true;
        a->counters.CallsAttempted += c->kind == CALL_VOICE;
    }
    return 0;
}
