/* Calls, and whatever else begins with a request outside of a dialog: begun, answered, ended. */
#include "edge/internal.h"

#include <stdio.h>

#define EXPIRES_DEFAULT_S 3600
#define SUMMARY_MS 5000 /* for the last word of a media worker */

static void call_due(struct edge *e, void *owner);

/* ---- look-up ---- */

/* What both ends of all its dialogs say of it. */
static struct slice key_of(struct edge *e, struct slice call_id, struct slice caller_tag)
{
    buf_clear(&e->key);
    buf_slice_put(&e->key, caller_tag);
    buf_u8(&e->key, 0);
    buf_slice_put(&e->key, call_id);
    return e->key.err ? (struct slice){0} : buf_slice(&e->key);
}

struct edge_call *edge_call_find(struct edge *e, struct slice call_id, struct slice caller_tag)
{
    return map_get(&e->by_dialog, key_of(e, call_id, caller_tag));
}

/* ---- begin ---- */

static enum edge_kind kind_of(enum sip_method method)
{
    switch (method) {
    case SIP_INVITE:
        return EDGE_CALL;
    case SIP_SUBSCRIBE:
    case SIP_REFER:
        return EDGE_SUBSCRIPTION;
    default:
        return EDGE_SINGLE;
    }
}

static size_t *count_of(struct edge_call *c)
{
    struct edge *e = c->edge;
    return c->kind == EDGE_CALL           ? &e->call_count
           : c->kind == EDGE_SUBSCRIPTION ? &e->subscription_count
                                          : &e->request_count;
}

static const char *put(char **at, struct slice text)
{
    char *begin = *at;
    if (text.n)
        memcpy(begin, text.p, text.n);
    *at += text.n + 1;
    return begin;
}

/* Unless it is a single request, which nobody asks for by name. */
int edge_call_name(struct edge_call *c, struct slice call_id, struct slice tag, struct slice from, struct slice to)
{
    char *at = mem_alloc(call_id.n + tag.n + from.n + to.n + 4);
    if (!at)
        return ERR_NO_MEMORY;
    c->texts = at;
    c->call_id = put(&at, call_id);
    c->tag = put(&at, tag);
    c->from_text = put(&at, from);
    c->to_text = put(&at, to);
    if (c->kind == EDGE_SINGLE)
        return 0;
    c->is_known = map_set(&c->edge->by_dialog, key_of(c->edge, call_id, tag), c) == 0;
    return c->is_known ? 0 : ERR_NO_MEMORY;
}

/* To as it was written, without a tag since there is none. */
static bool call_enter(struct edge_call *c, const struct sip_message *m)
{
    struct edge *e = c->edge;
    struct sip_uri uri;
    c->cseq = m->cseq.number;
    c->begun_at = e->now.wall;
    if (!sip_uri_parse(m->uri, &uri, NULL))
        snprintf(c->number, sizeof c->number, "%.*s", SLICE_PRINT(uri.user));
    if (edge_call_name(c, m->call_id, m->from.tag, m->from.whole, m->to.whole) < 0)
        return false;
    if (c->kind == EDGE_SINGLE)
        return true;
    c->target = edge_contact_of(m);
    c->routes = edge_routes_of(m, false);
    c->sensitivity = (uint8_t)e->options->sensitivity;
    return edge_timer_set(e, &c->timer, e->options->ring_ms) == 0;
}

struct edge_call *edge_call_alloc(struct edge *e, enum edge_kind kind)
{
    struct edge_call *c = mem_alloc(sizeof *c);
    if (!c)
        return NULL;
    c->edge = e;
    c->kind = kind;
    list_init(&c->closing_link);
    list_init(&c->dialogs);
    list_init(&c->relays);
    list_init(&c->errands);
    c->timer = (struct edge_timer){.fire = call_due, .owner = c};
    list_append(&e->calls, &c->link);
    *count_of(c) += 1;
    return c;
}

void edge_call_count(struct edge_call *c)
{
    c->is_counted = true;
    c->trunk->uses++;
    c->trunk->calls += c->kind == EDGE_CALL;
}

static struct edge_call *call_new(struct edge *e, const struct sip_event *event, unsigned domain,
                                  struct edge_trunk *trunk)
{
    struct edge_call *c = edge_call_alloc(e, kind_of(event->message->method));
    if (!c)
        return NULL;
    c->from = edge_side_of(event->flow->side);
    c->domain = domain;
    c->trunk = trunk;
    edge_call_count(c);
    if (call_enter(c, event->message) && !edge_way_set(e, &c->ways[c->from], event->flow) &&
        !edge_relay_new(c, event, &c->first))
        return c;
    edge_call_free(c);
    return NULL;
}

/* What belongs into a dialog has none. */
static bool needs_dialog(enum sip_method method)
{
    return method == SIP_BYE || method == SIP_PRACK || method == SIP_UPDATE || method == SIP_NOTIFY ||
           method == SIP_INFO;
}

static void refuse_stray(struct edge *e, const struct sip_event *event)
{
    e->counters.dropped_dialog++;
    edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_DIALOG_UNKNOWN, "from=%s method=%.*s call_id=\"%.*s\"",
                edge_far_name(event->flow), SLICE_PRINT(event->message->method_text),
                SLICE_PRINT(event->message->call_id));
    if (event->flow->side == EDGE_INSIDE)
        edge_answer(e, event->server, 481, NULL, (struct slice){0});
    else
        edge_drop(e, event);
}

void edge_call_begin(struct edge *e, const struct sip_event *event)
{
    const struct sip_message *m = event->message;
    struct edge_trunk *trunk;
    struct sip_hop hop;
    unsigned domain;
    const bool is_inside = event->flow->side == EDGE_INSIDE;
    if (needs_dialog(m->method)) {
        refuse_stray(e, event);
        return;
    }
    if (is_inside ? edge_outbound(e, event, &domain, &trunk, &hop) : edge_admit(e, event, &domain, &trunk))
        return;
    if (kind_of(m->method) != EDGE_SINGLE && edge_call_find(e, m->call_id, m->from.tag)) {
        e->counters.refused_requests++; /* 8.2.2.2, or somebody else's call */
        edge_answer(e, event->server, 482, NULL, (struct slice){0});
        return;
    }
    struct edge_call *c = call_new(e, event, domain, trunk);
    if (!c) {
        e->counters.refused_memory++;
        edge_refuse(e, event->server, 503, EDGE_CAUSE_NONE, NULL);
        return;
    }
    edge_trunk_used(&e->trunks, trunk, e->now, &event->flow->peer, is_inside ? 0 : event->flow->conn);
    if (is_inside)
        c->ways[EDGE_OUTSIDE].hop = hop;
    else
        edge_conn_share(e, c, event);
    if (c->kind == EDGE_CALL) {
        *(is_inside ? &e->counters.calls_out : &e->counters.calls_in) += 1;
        *(is_inside ? &trunk->calls_out : &trunk->calls_in) += 1;
    }
    e->counters.subscriptions += c->kind == EDGE_SUBSCRIPTION;
    edge_relay_first(c->first, m);
}

/* ---- answered ---- */

/* How long a subscription lasts that is not refreshed. */
static uint32_t expires_of(const struct sip_message *response)
{
    const struct sip_field *f = sip_field_first(response, SIP_EXPIRES);
    uint32_t seconds = EXPIRES_DEFAULT_S;
    if (f) {
        struct sip_cursor c = sip_field_cursor(response, f);
        sip_read_number(&c, UINT32_MAX, &seconds);
    }
    return seconds;
}

void edge_call_refreshed(struct edge_call *c, const struct sip_message *response)
{
    if (c->kind == EDGE_SUBSCRIPTION && c->state == EDGE_UP)
        edge_timer_set(c->edge, &c->timer, expires_of(response) * INT64_C(1000) + LINGER_MS);
}

static void call_up(struct edge_call *c, struct edge_dialog *d, const struct sip_message *response)
{
    struct edge *e = c->edge;
    d->state = d->state == EDGE_EARLY ? EDGE_CONFIRMED : d->state;
    c->state = EDGE_UP;
    c->confirmed = d;
    if (c->kind == EDGE_SUBSCRIPTION) {
        if (!d->ends[c->from].subscribed)
            d->ends[c->from].subscribed = 1;
        edge_call_refreshed(c, response);
        return;
    }
    LIST_EACH(it, &c->dialogs) { /* further forks that answer are told goodbye */
        struct edge_dialog *other = CONTAINER_OF(it, struct edge_dialog, link);
        if (other != d)
            other->state = EDGE_ENDED;
    }
    c->answered_at = e->now.wall;
    e->counters.calls_answered++;
    edge_media_choose(d);
    edge_call_wait(c);
}

void edge_call_answered(struct edge_call *c, struct edge_dialog *d, const struct sip_message *response)
{
    c->status = response->status;
    if (c->kind != EDGE_SINGLE && response->status < 300 && d && c->state == EDGE_SETTING_UP)
        call_up(c, d, response);
    else
        edge_call_over(c, "the called side");
}

/* ---- time ---- */

void edge_call_wait(struct edge_call *c)
{
    struct edge *e = c->edge;
    const struct edge_dialog *d = c->confirmed;
    if (!d)
        return;
    const struct mono heard = mono_min(d->ends[0].heard, d->ends[1].heard);
    heap_set(&e->timers, &c->timer.node, mono_min(mono_after_ms(heard, e->options->idle_ms), d->session_end));
}

static void call_due(struct edge *e, void *owner)
{
    struct edge_call *c = owner;
    if (c->state == EDGE_OVER) { /* no last word of media came */
        edge_media_forget(c);
        edge_call_check(c);
    } else if (c->state == EDGE_SETTING_UP) {
        edge_call_end(c, 408, EDGE_CAUSE_CONNECTION_TIMEOUT, "the edge: nobody answered for too long");
    } else if (c->kind == EDGE_SUBSCRIPTION) {
        edge_call_end(c, 481, EDGE_CAUSE_NONE, "the edge: it was not refreshed");
    } else if (!c->confirmed || c->confirmed->state == EDGE_ENDED) {
        edge_call_over(c, "the edge: nothing more came of it");
    } else if (mono_due(c->confirmed->session_end, e->now.mono)) {
        e->counters.calls_stuck++;
        edge_call_end(c, 408, EDGE_CAUSE_NONE, "the edge: the session was not refreshed");
    } else {
        const bool asks_outside = c->asks_outside;
        c->asks_outside = false;
        edge_dialog_probe(c->confirmed, EDGE_INSIDE);
        if (c->state == EDGE_UP)
            (asks_outside ? edge_dialog_ask : edge_dialog_probe)(c->confirmed, EDGE_OUTSIDE);
        if (c->state == EDGE_UP)
            edge_call_wait(c);
    }
}

/* ---- the end ---- */

/* Subscriptions that a REFER has made may outlive the call for a while (RFC 3515 2.4.4, RFC 5057). */
void edge_call_settle(struct edge_call *c, const char *by)
{
    bool notifies = false;
    if (c->state == EDGE_OVER || c->first)
        return;
    LIST_EACH(it, &c->dialogs) {
        struct edge_dialog *d = CONTAINER_OF(it, struct edge_dialog, link);
        const bool subscribed = d->ends[0].subscribed || d->ends[1].subscribed;
        if (c->kind == EDGE_SUBSCRIPTION ? subscribed : d->state != EDGE_ENDED)
            return;
        notifies |= subscribed;
    }
    if (c->kind == EDGE_CALL && notifies) {
        edge_media_close(c);
        edge_timer_set(c->edge, &c->timer, 2 * LINGER_MS);
        return;
    }
    edge_call_over(c, by);
}

void edge_call_end(struct edge_call *c, unsigned status, enum edge_cause cause, const char *by)
{
    if (c->state == EDGE_OVER)
        return;
    if (c->state == EDGE_SETTING_UP && c->first) {
        struct edge_relay *r = c->first;
        c->status = status;
        edge_relay_fail(r, status, cause, by);
        if (r->client.token && r->method == SIP_INVITE)
            sip_client_cancel(c->edge->layer, c->edge->now, r->client.id,
                              edge_reason(c->edge, cause ? cause : EDGE_CAUSE_UNKNOWN, by));
    } else if (c->kind == EDGE_CALL) {
        LIST_EACH(it, &c->dialogs) {
            struct edge_dialog *d = CONTAINER_OF(it, struct edge_dialog, link);
            if (d->state != EDGE_CONFIRMED)
                continue;
            edge_dialog_goodbye(d, EDGE_INSIDE, by);
            edge_dialog_goodbye(d, EDGE_OUTSIDE, by);
        }
    }
    edge_call_over(c, by);
}

static void call_log(struct edge_call *c, const char *by)
{
    struct edge *e = c->edge;
    const int64_t talk_ms = c->answered_at.ms ? e->now.wall.ms - c->answered_at.ms : 0;
    e->counters.calls_ended++;
    log_event(e->ports.log, LEVEL_INFO, "edge.call.over",
              "direction=%s domain=%s number=%s status=%u talk_ms=%lld quality=%s by=\"%s\" call_id=\"%s\"",
              c->from == EDGE_INSIDE ? "out" : "in", c->trunk->domain, c->number, c->status, (long long)talk_ms,
              edge_call_quality(c), by, c->call_id);
}

void edge_call_over(struct edge_call *c, const char *by)
{
    struct edge *e = c->edge;
    if (c->state == EDGE_OVER)
        return;
    c->state = EDGE_OVER;
    edge_timer_stop(e, &c->timer);
    LIST_EACH(it, &c->relays) {
        struct edge_relay *r = CONTAINER_OF(it, struct edge_relay, link);
        if (r->lingers)
            edge_relay_free(r);
        else if (r->method != SIP_BYE && r->method != SIP_NOTIFY && r->dialog)
            edge_relay_fail(r, 487, EDGE_CAUSE_NONE, NULL);
    }
    LIST_EACH(it, &c->dialogs) {
        struct edge_dialog *d = CONTAINER_OF(it, struct edge_dialog, link);
        d->state = EDGE_ENDED;
        edge_timer_stop(e, &d->forget);
    }
    c->trunk->calls -= c->kind == EDGE_CALL;
    if (c->kind == EDGE_CALL)
        call_log(c, by);
    edge_media_close(c);
    if (c->session && edge_timer_set(e, &c->timer, SUMMARY_MS) < 0)
        edge_media_forget(c);
    edge_call_check(c);
}

void edge_call_check(struct edge_call *c)
{
    if (c->state != EDGE_OVER || !list_empty(&c->relays) || !list_empty(&c->errands) || c->session ||
        !list_empty(&c->closing_link))
        return;
    list_append(&c->edge->closing, &c->closing_link);
}

void edge_call_free(struct edge_call *c)
{
    struct edge *e = c->edge;
    LIST_EACH(it, &c->relays)
        edge_relay_free(CONTAINER_OF(it, struct edge_relay, link));
    LIST_EACH(it, &c->errands)
        edge_errand_free(CONTAINER_OF(it, struct edge_errand, link));
    LIST_EACH(it, &c->dialogs)
        edge_dialog_free(CONTAINER_OF(it, struct edge_dialog, link));
    edge_media_close(c);
    edge_media_forget(c);
    alg_sdp_free(c->sdp);
    if (c->is_known)
        map_remove(&e->by_dialog, key_of(e, slice_str(c->call_id), slice_str(c->tag)));
    edge_timer_stop(e, &c->timer);
    for (unsigned side = 0; side < EDGE_SIDES; side++)
        edge_way_clear(e, &c->ways[side]);
    list_remove(&c->closing_link);
    list_remove(&c->link);
    *count_of(c) -= 1;
    if (c->trunk && c->is_counted) {
        c->trunk->uses--;
        c->trunk->calls -= c->kind == EDGE_CALL && c->state != EDGE_OVER;
    }
    mem_free(c->texts);
    mem_free(c->target);
    mem_free(c->routes);
    mem_free(c);
}
