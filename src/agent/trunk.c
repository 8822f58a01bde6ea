/* PBXs and trunks to the PSTN: where they are, whether they answer, our registration at trunks. That of PBXs here: registrar.c. */
#include "agent/internal.h"

#include <stdio.h>

#define LOCATE_RETRY_MS INT64_C(30000)
#define REGISTER_RETRY_MS INT64_C(30000)
#define GRANTED_S_MAX (7 * 86400)

const char *trunk_domain(const struct trunk *t)
{
    const struct agent_trunk_options *o = t->options;
    return o->domain ? o->domain : o->host ? o->host : t->agent->options->domain;
}

bool trunk_is_usable(const struct trunk *t)
{
    return t->hop_count && !t->down;
}

bool trunk_same_host(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && !memcmp(a->ip, b->ip, sizeof a->ip);
}

static bool trunk_sends_from(const struct trunk *t, const struct addr *source)
{
    for (size_t i = 0; i < t->hop_count; i++) {
        if (trunk_same_host(&t->hops[i].addr, source))
            return true;
    }
    for (size_t i = 0; i < t->options->source_count; i++) {
        if (trunk_same_host(&t->options->sources[i], source))
            return true;
    }
    return registrar_knows(t, source);
}

int trunk_of_flow(struct agent *a, const struct sip_flow *flow, struct trunk **ret_trunk)
{
    *ret_trunk = NULL;
    if (flow->side == AGENT_IME) /* with an edge nobody else is let in; without, TLS says who it is */
        return (a->options->edge.family ? trunk_same_host(&a->options->edge, &flow->peer) : flow->peer_domain != NULL)
                   ? 0
                   : ERR_FORBIDDEN;
    for (size_t i = 0; i < a->trunk_count; i++) {
        struct trunk *t = &a->trunks[i];
        if (t->options->side == (enum agent_side)flow->side && trunk_sends_from(t, &flow->peer)) {
            *ret_trunk = t;
            return 0;
        }
    }
    return ERR_FORBIDDEN;
}

bool agent_knows(struct agent *a, unsigned side, const struct addr *peer)
{
    const struct sip_flow flow = {.side = side, .peer = *peer};
    struct trunk *trunk;
    return side < AGENT_SIDES && !trunk_of_flow(a, &flow, &trunk);
}

/* ---- whether it answers ---- */

static enum agent_alarm absence_of(const struct trunk *t)
{
    return t->options->side == AGENT_PSTN ? AGENT_ALARM_TRUNK_NOT_REACHABLE : AGENT_ALARM_PBX_NOT_REACHABLE;
}

void trunk_ring(const struct trunk *t, enum agent_alarm alarm, const char *what)
{
    struct agent *a = t->agent;
    if (a->parts.alarms)
        agent_alarm_raise(a->parts.alarms, a->now, alarm, t->options->name, "%s %s: %s",
                          t->options->side == AGENT_PSTN ? "trunk" : "PBX", t->options->name, what);
}

void trunk_clear(const struct trunk *t, enum agent_alarm alarm)
{
    struct agent *a = t->agent;
    if (a->parts.alarms)
        agent_alarm_clear(a->parts.alarms, a->now, alarm, t->options->name);
}

static void trunk_up(struct trunk *t, bool up)
{
    if (t->down == !up)
        return;
    t->down = !up;
    t->agent->counters.trunk_failures += t->down;
    log_event(t->agent->ports.log, LEVEL_NOTICE, up ? "agent.trunk.up" : "agent.trunk.down", "name=%s",
              t->options->name);
    if (up)
        trunk_clear(t, absence_of(t));
    else
        trunk_ring(t, absence_of(t), "it does not answer");
}

/* ---- whether it takes changes ---- */

#define CHANGE_REFUSALS_MAX 3 /* in a row: not this phone's codecs, but its habit */
#define FIXED_MS INT64_C(3600000)

/* Of that call, or of the moment: it says nothing about the next one. */
static bool is_passing(unsigned status)
{
    return status == 408 || status == 480 || status == 481 || status == 487 || status == 491 ||
           (status >= 500 && status < 600 && status != 501);
}

void trunk_change_refused(struct trunk *t, unsigned status)
{
    char what[96];
    if (is_passing(status))
        return;
    const bool never = status == 405 || status == 501; /* it does not know such a request */
    t->agent->counters.trunk_changes_refused++;
    t->change_refusals++;
    if (!never && t->change_refusals < CHANGE_REFUSALS_MAX)
        return;
    t->fixed_until = mono_after_ms(t->agent->now.mono, FIXED_MS);
    snprintf(what, sizeof what, "it answers re-INVITE in mid-call with %u: no call moves there for an hour", status);
    trunk_ring(t, AGENT_ALARM_TRUNK_FIXED, what);
}

void trunk_change_taken(struct trunk *t)
{
    t->change_refusals = 0;
    t->fixed_until = (struct mono){0};
    trunk_clear(t, AGENT_ALARM_TRUNK_FIXED);
}

bool trunk_is_fixed(const struct trunk *t)
{
    return !mono_due(t->fixed_until, t->agent->now.mono);
}

/* ---- whether it is there ---- */

void trunk_heard(struct trunk *t)
{
    t->misses = 0;
    trunk_up(t, true);
}

static void keepalive_heard(struct agent *a, void *owner, unsigned status, const struct sip_message *response)
{
    struct trunk *t = owner;
    if (status < 200)
        return;
    client_drop(a, &t->keepalive);
    if (response && status != 503)
        trunk_heard(t);
    else if (++t->misses >= a->options->keepalive_misses)
        trunk_up(t, false);
}

/* A request of ours outside of dialogs: everything up to what is special about it. */
static void trunk_begin(struct trunk *t, const char *method, const char *uri, const char *user, const char *call_id,
                        uint32_t cseq)
{
    struct agent *a = t->agent;
    char tag[TAG_OCTETS];
    agent_tag(a, tag);
    buf_clear(&a->octets);
    sip_begin_request(&a->octets, method, slice_str(uri));
    sip_put(&a->octets, SIP_MAX_FORWARDS, slice_str("70"));
    sip_put_text(&a->octets, SIP_FROM, "<sip:%s@%s>;tag=%s", user, trunk_domain(t), tag);
    sip_put_text(&a->octets, SIP_TO, "<sip:%s@%s>", user, trunk_domain(t));
    sip_put_text(&a->octets, SIP_CALL_ID, "%s", call_id);
    sip_put_text(&a->octets, SIP_CSEQ, "%u %s", cseq, method);
}

static void keepalive_due(struct agent *a, void *owner)
{
    struct trunk *t = owner;
    char call_id[2 * TAG_OCTETS];
    agent_timer(a, &t->keepalive_timer, a->options->keepalive_ms);
    if (!t->hop_count || t->keepalive.token)
        return;
    agent_call_id(a, call_id);
    struct slice uri = agent_print(a, "sip:%s", trunk_domain(t));
    char *text = region_text(&a->scratch, uri);
    if (!text)
        return;
    trunk_begin(t, "OPTIONS", text, "ime", call_id, ++t->keepalive_cseq);
    sip_end(&a->octets, (struct slice){0});
    if (!a->octets.err)
        client_send(a, &t->keepalive, &t->hops[0], buf_slice(&a->octets));
}

/* ---- where it is ---- */

void trunk_located(struct trunk *t, const struct sip_hop *hops, size_t n)
{
    struct agent *a = t->agent;
    if (!list_empty(&t->bindings))
        return; /* it has told us itself */
    t->hop_count = n < TRUNK_HOPS_MAX ? n : TRUNK_HOPS_MAX;
    for (size_t i = 0; i < t->hop_count; i++) {
        t->hops[i] = hops[i];
        t->hops[i].side = t->options->side;
    }
    log_event(a->ports.log, n ? LEVEL_INFO : LEVEL_WARNING, "agent.trunk.located", "name=%s addresses=%zu",
              t->options->name, n);
    if (n)
        trunk_clear(t, AGENT_ALARM_TRUNK_NOT_LOCATED);
    else
        trunk_ring(t, AGENT_ALARM_TRUNK_NOT_LOCATED, "its host has no address");
    if (n && t->options->side == AGENT_PSTN && t->options->registers && t->registration == REGISTRATION_NONE)
        agent_timer(a, &t->register_timer, 0);
}

/* ---- our registration there (RFC 3261 10.2) ---- */

static const char *register_user(const struct trunk *t)
{
    return t->options->user ? t->options->user : "ime";
}

static void register_send(struct agent *a, struct trunk *t, int64_t expires_ms)
{
    char *uri = region_text(&a->scratch, agent_print(a, "sip:%s", trunk_domain(t)));
    const char *user = register_user(t);
    if (!uri || !t->hop_count || t->registering.token)
        return;
    trunk_begin(t, "REGISTER", uri, user, t->register_call_id, ++t->register_cseq);
    struct slice contact = end_contact(a, AGENT_PSTN, t->hops[0].transport, user);
    sip_put_text(&a->octets, SIP_CONTACT, "<%.*s>", SLICE_PRINT(contact));
    sip_put_text(&a->octets, SIP_EXPIRES, "%lld", (long long)(expires_ms / 1000));
    sip_end(&a->octets, (struct slice){0});
    if (!a->octets.err)
        client_send(a, &t->registering, &t->hops[0], buf_slice(&a->octets));
}

static bool read_seconds(const struct sip_message *m, struct slice text, uint32_t *ret_seconds)
{
    struct sip_cursor c;
    sip_cursor_init(&c, m->octets, text);
    return !sip_read_number(&c, GRANTED_S_MAX, ret_seconds);
}

/* What was granted stands at our Contact (there may be others of the same user), or in Expires. */
static int64_t register_granted_ms(const struct trunk *t, const struct sip_message *response)
{
    const struct sip_field *expires = sip_field_first(response, SIP_EXPIRES);
    uint32_t seconds = 0;
    if (expires)
        read_seconds(response, expires->value, &seconds);
    for (const struct sip_field *f = sip_field_first(response, SIP_CONTACT); f; f = sip_field_next(response, f)) {
        struct sip_cursor c;
        struct sip_address contact;
        struct sip_uri uri;
        struct slice text;
        sip_cursor_init(&c, response->octets, f->value);
        while (sip_read_address(&c, &contact)) {
            if (!sip_uri_parse(contact.uri, &uri, NULL) && slice_eq_str(uri.user, register_user(t)) &&
                sip_param_find(contact.params, "expires", &text))
                read_seconds(response, text, &seconds);
        }
    }
    return seconds ? seconds * INT64_C(1000) : t->register_ms;
}

static void register_due(struct agent *a, void *owner)
{
    struct trunk *t = owner;
    register_send(a, t, t->register_ms);
}

/* 423: a longer time is asked for at once (RFC 3261 10.2.8). False: it wants none, or not longer than was asked for. */
static bool register_longer(struct trunk *t, unsigned status, const struct sip_message *response)
{
    const struct sip_field *f = status == 423 && response ? sip_field_first(response, SIP_MIN_EXPIRES) : NULL;
    uint32_t seconds = 0;
    if (!f || !read_seconds(response, f->value, &seconds) || seconds * INT64_C(1000) <= t->register_ms)
        return false;
    t->register_ms = seconds * INT64_C(1000);
    register_send(t->agent, t, t->register_ms);
    return true;
}

static void register_heard(struct agent *a, void *owner, unsigned status, const struct sip_message *response)
{
    struct trunk *t = owner;
    if (status < 200)
        return;
    client_drop(a, &t->registering);
    if (a->stopping || register_longer(t, status, response))
        return;
    if (response && status < 300) {
        if (t->registration != REGISTRATION_GOOD)
            log_event(a->ports.log, LEVEL_NOTICE, "agent.trunk.registered", "name=%s", t->options->name);
        t->registration = REGISTRATION_GOOD;
        trunk_clear(t, AGENT_ALARM_REGISTRATION_REFUSED);
        a->counters.registrations++;
        agent_timer(a, &t->register_timer, register_granted_ms(t, response) / 2);
        return;
    }
    if (t->registration != REGISTRATION_BAD)
        log_event(a->ports.log, LEVEL_WARNING, "agent.trunk.not_registered", "name=%s status=%u", t->options->name,
                  status);
    t->registration = REGISTRATION_BAD;
    char why[48] = "our registration is not answered";
    if (response)
        snprintf(why, sizeof why, "our registration is refused with %u", status);
    trunk_ring(t, AGENT_ALARM_REGISTRATION_REFUSED, why);
    a->counters.registrations_refused++;
    agent_timer(a, &t->register_timer, REGISTER_RETRY_MS);
}

/* ---- life ---- */

void trunks_init(struct agent *a)
{
    a->trunk_count = a->options->trunk_count;
    for (unsigned i = 0; i < a->trunk_count; i++) {
        struct trunk *t = &a->trunks[i];
        t->agent = a;
        t->index = i;
        t->options = &a->options->trunks[i];
        list_init(&t->bindings);
        list_init(&t->wanted);
        sip_digest_client_init(&t->digest);
        client_init(&t->keepalive, keepalive_heard, t, t, &t->keepalive_cseq);
        client_init(&t->registering, register_heard, t, t, &t->register_cseq);
        t->keepalive_timer = (struct timer){.fire = keepalive_due, .owner = t};
        t->register_timer = (struct timer){.fire = register_due, .owner = t};
        t->register_ms = a->options->register_ms;
        if (t->options->side == AGENT_PBX)
            registrar_init(t);
        agent_call_id(a, t->register_call_id);
    }
}

void trunks_fini(struct agent *a)
{
    for (size_t i = 0; i < a->trunk_count; i++) {
        struct trunk *t = &a->trunks[i];
        client_drop(a, &t->keepalive);
        client_drop(a, &t->registering);
        sip_digest_client_fini(&t->digest);
        registrar_fini(t);
        agent_timer_stop(a, &t->keepalive_timer);
        agent_timer_stop(a, &t->register_timer);
    }
}

void trunks_start(struct agent *a)
{
    for (unsigned i = 0; i < a->trunk_count; i++) {
        struct trunk *t = &a->trunks[i];
        if (t->options->host)
            a->locate |= UINT32_C(1) << i;
        if (a->options->keepalive_ms) /* not all at once */
            agent_timer(a, &t->keepalive_timer, entropy_between(a->ports.entropy, 1, a->options->keepalive_ms));
    }
}

void trunks_stop(struct agent *a)
{
    for (size_t i = 0; i < a->trunk_count; i++) {
        struct trunk *t = &a->trunks[i];
        agent_timer_stop(a, &t->keepalive_timer);
        agent_timer_stop(a, &t->register_timer);
        if (t->options->side == AGENT_PSTN && t->registration == REGISTRATION_GOOD)
            register_send(a, t, 0);
    }
}
