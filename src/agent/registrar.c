/* PBXs that register here (RFC 3261 10.3): their passwords, their bindings, and where each is reached.
 *
 * A REGISTER changes something, and is answered with 200, once that is durable: one at a time of each PBX, while others wait. What cannot be written
 * is answered with 500 and changes nothing.
 *
 * A Contact says where its requests go, with these exceptions:
 *   - Over TCP and TLS they take the connection of the REGISTER while that lives: for a PBX behind a translator or a firewall it is the only way,
 *     and for TLS the one that is verified. Should it end, the address in the Contact is connected to.
 *   - Over UDP, when Via asked for rport (RFC 3581) and is not where the REGISTER came from, there is a translator of addresses between, and the
 *     way back is the one that it has opened.
 *   - A name is not looked up: whoever registers moves, and his address came with the REGISTER.
 * Several Contacts are tried one after the other: a higher q first, of equals the one that was registered last. */
#include "agent/internal.h"

#include <stdio.h>

#define CONTACT_OCTETS_MAX (TRUNK_HOPS_MAX * (URI_OCTETS_MAX + 64))

/* What one Contact of a REGISTER asks for. */
struct change {
    struct slice uri;
    struct sip_uri parsed;
    unsigned q;
    int64_t ms;                   /* 0: take it out */
    const struct binding *before; /* NULL: it is new */
};

struct changes {
    struct change each[TRUNK_HOPS_MAX];
    size_t n;
    bool all_out; /* Contact: * */
};

/* ---- who it is ---- */

static struct trunk *pbx_of(struct agent *a, const struct sip_message *m, const struct sip_flow *flow)
{
    struct sip_uri to;
    if (flow->side != AGENT_PBX || sip_uri_parse(m->to.uri, &to, NULL) < 0)
        return NULL;
    for (size_t i = 0; i < a->trunk_count; i++) {
        struct trunk *t = &a->trunks[i];
        if (t->options->side == AGENT_PBX && t->options->registers && t->options->user &&
            slice_eq_str(to.user, t->options->user))
            return t;
    }
    return NULL;
}

static void challenge(struct agent *a, const struct trunk *t, uint64_t server, bool stale)
{
    const struct sip_message *request = sip_server_request(a->layer, server);
    if (!request)
        return;
    buf_clear(&a->octets);
    sip_begin_answer(&a->octets, request, 401, NULL, sip_server_tag(a->layer, server));
    if (t->options->only_md5)
        sip_digest_put_challenge(&a->digest, a->now, SIP_WWW_AUTHENTICATE, SIP_DIGEST_MD5, stale, &a->octets);
    else
        sip_digest_put_challenges(&a->digest, a->now, SIP_WWW_AUTHENTICATE, stale, &a->octets);
    sip_end(&a->octets, (struct slice){0});
    if (!a->octets.err)
        sip_server_respond(a->layer, a->now, server, buf_slice(&a->octets));
}

/* By its password, if it has one, else by the addresses that the configuration names. False: it was answered. */
static bool is_admitted(struct agent *a, const struct trunk *t, const struct sip_event *event)
{
    const struct agent_trunk_options *o = t->options;
    struct sip_digest_params credentials;
    if (!o->password) {
        for (size_t i = 0; i < o->source_count; i++) {
            if (trunk_same_host(&o->sources[i], &event->flow->peer))
                return true;
        }
        agent_answer(a, event->server, 403, NULL, (struct slice){0});
        return false;
    }
    int err = sip_digest_find(&a->digest, event->message, SIP_AUTHORIZATION, &credentials, NULL);
    if (!err)
        err = sip_digest_is_user(&a->digest, &credentials, slice_str(o->user))
                  ? sip_digest_check(&a->digest, a->now, event->message, &credentials, slice_str(o->user),
                                     slice_str(o->password))
                  : ERR_AUTH;
    if (err == ERR_NOT_FOUND || err == ERR_EXPIRED)
        challenge(a, t, event->server, err == ERR_EXPIRED);
    else if (err)
        agent_answer(a, event->server,
                     err == ERR_AUTH        ? 403
                     : err == ERR_NO_MEMORY ? 500
                                            : 400,
                     NULL, (struct slice){0});
    if (err && err != ERR_NOT_FOUND && err != ERR_EXPIRED)
        a->counters.registrations_refused++;
    return !err;
}

/* ---- bindings ---- */

/* The hop of the same number is the binding's. */
static void bindings_changed(struct trunk *t)
{
    struct agent *a = t->agent;
    struct mono end = MONO_NEVER;
    const bool was_there = t->registration == REGISTRATION_GOOD;
    t->hop_count = 0;
    LIST_EACH(it, &t->bindings) {
        const struct binding *b = CONTAINER_OF(it, struct binding, link);
        t->hops[t->hop_count++] = b->hop;
        end = mono_min(end, b->end);
    }
    t->registration = t->hop_count ? REGISTRATION_GOOD : REGISTRATION_NONE;
    if (t->hop_count)
        trunk_clear(t, AGENT_ALARM_PBX_NOT_REACHABLE);
    if (t->hop_count) {
        heap_set(&a->timers, &t->register_timer.node, end);
    } else {
        agent_timer_stop(a, &t->register_timer);
        if (t->options->host)
            a->locate |= UINT32_C(1) << t->index;
    }
    if (was_there != (t->hop_count > 0))
        log_event(a->ports.log, LEVEL_NOTICE, was_there ? "agent.pbx.gone" : "agent.pbx.registered", "name=%s",
                  t->options->name);
}

static void binding_due(struct agent *a, void *owner)
{
    struct trunk *t = owner;
    LIST_EACH(it, &t->bindings) {
        struct binding *b = CONTAINER_OF(it, struct binding, link);
        if (!mono_due(b->end, a->now.mono))
            continue;
        log_event(a->ports.log, LEVEL_WARNING, "agent.pbx.expired", "name=%s contact=\"%s\"", t->options->name, b->uri);
        binding_free(b);
    }
    bindings_changed(t);
    if (!t->hop_count)
        trunk_ring(t, AGENT_ALARM_PBX_NOT_REACHABLE, "its registration has ended, and it has not registered again");
}

/* What it has asked for came from sent-by, as far as we can see. */
static bool is_translated(const struct sip_event *event)
{
    const struct sip_via *via = &event->message->via;
    const uint16_t port = via->port ? via->port : SIP_PORT;
    struct addr sent_by;
    return event->flow->transport == SIP_UDP && via->has_rport &&
           (addr_parse(via->host, port, &sent_by) < 0 || !addr_eq(&sent_by, &event->flow->peer));
}

static void find_way(struct binding *b, const struct agent *a, const struct sip_event *event,
                     const struct sip_uri *contact)
{
    struct slice name;
    enum sip_transport transport = event->flow->transport;
    b->source = event->flow->peer;
    b->hop = agent_hop(event->flow);
    b->has_translator = is_translated(event);
    if (b->has_translator)
        return;
    if (transport == SIP_UDP && sip_uri_param(contact, "transport", &name))
        sip_transport_find(name, &transport);
    if (a->options->points[AGENT_PBX][transport] &&
        agent_uri_addr(contact, transport == SIP_TLS ? SIP_TLS_PORT : SIP_PORT, &b->hop.addr))
        b->hop.transport = transport;
}

static struct binding *binding_wanted(struct agent *a, const struct sip_event *event, const struct change *change)
{
    const struct sip_message *m = event->message;
    struct binding *b = binding_new(change->uri, m->call_id);
    if (!b)
        return NULL;
    b->cseq = m->cseq.number;
    b->q = change->q;
    b->end = mono_after_ms(a->now.mono, change->ms);
    find_way(b, a, event, &change->parsed);
    return b;
}

/* When there is no room, the one that would end first gives way. */
static void binding_enter(struct list *bindings, struct binding *b)
{
    struct binding *first = NULL;
    size_t n = 0;
    LIST_EACH(it, bindings) {
        struct binding *other = CONTAINER_OF(it, struct binding, link);
        first = !first || other->end.us < first->end.us ? other : first;
        n++;
    }
    if (n >= TRUNK_HOPS_MAX)
        binding_free(first);
    struct list *before = bindings->next;
    while (before != bindings && CONTAINER_OF(before, struct binding, link)->q > b->q)
        before = before->next;
    list_append(before, &b->link);
}

/* ---- what a REGISTER asks for ---- */

static bool read_seconds(const struct sip_message *m, struct slice text, int64_t *ret_ms)
{
    struct sip_cursor c;
    uint32_t seconds;
    sip_cursor_init(&c, m->octets, text);
    if (sip_read_number(&c, UINT32_MAX, &seconds) < 0)
        return false;
    *ret_ms = seconds * INT64_C(1000);
    return true;
}

/* What cannot be read means the default (20.19). */
static int64_t asked_ms(const struct agent *a, const struct sip_message *m, const struct sip_address *contact)
{
    const struct sip_field *f = sip_field_first(m, SIP_EXPIRES);
    int64_t ms = a->options->register_max_ms;
    struct slice text;
    if (f)
        read_seconds(m, f->value, &ms);
    if (sip_param_find(contact->params, "expires", &text))
        read_seconds(m, text, &ms);
    return ms;
}

/* "0.75": thousandths. What cannot be read, or is not there, is 1. */
static unsigned read_q(struct slice params)
{
    struct slice text;
    unsigned q = 0, digit = 100;
    if (!sip_param_find(params, "q", &text) || !text.n || text.p[0] != '0')
        return BINDING_Q_MAX;
    for (size_t i = 2; i < text.n && digit; i++, digit /= 10) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return BINDING_Q_MAX;
        q += digit * (unsigned)(text.p[i] - '0');
    }
    return q;
}

static struct binding *binding_find(const struct list *bindings, const struct sip_uri *uri)
{
    LIST_EACH(it, bindings) {
        struct binding *b = CONTAINER_OF(it, struct binding, link);
        struct sip_uri known;
        if (!sip_uri_parse(slice_str(b->uri), &known, NULL) && sip_uri_equal(&known, uri))
            return b;
    }
    return NULL;
}

/* 0, or the status that refuses it. */
static unsigned read_contact(const struct agent *a, const struct trunk *t, const struct sip_message *m,
                             const struct sip_address *contact, struct changes *changes)
{
    struct change *change = &changes->each[changes->n];
    if (contact->is_star) {
        changes->all_out = true;
        return asked_ms(a, m, contact) ? 400 : 0;
    }
    if (changes->n == TRUNK_HOPS_MAX || contact->uri.n > URI_OCTETS_MAX ||
        sip_uri_parse(contact->uri, &change->parsed, NULL) < 0)
        return 400;
    changes->n++;
    change->uri = contact->uri;
    change->q = read_q(contact->params);
    change->ms = asked_ms(a, m, contact);
    change->before = binding_find(&t->bindings, &change->parsed);
    if (change->ms && change->ms < a->options->register_min_ms)
        return 423;
    if (change->ms > a->options->register_max_ms)
        change->ms = a->options->register_max_ms;
    return 0;
}

/* Step 7: nothing that came earlier changes what came later. */
static bool is_old(const struct binding *b, const struct sip_message *m)
{
    return b && slice_eq_str(m->call_id, b->call_id) && m->cseq.number <= b->cseq;
}

static unsigned read_changes(const struct agent *a, const struct trunk *t, const struct sip_message *m,
                             struct changes *changes)
{
    size_t contacts = 0;
    unsigned status = 0;
    for (const struct sip_field *f = sip_field_first(m, SIP_CONTACT); f; f = sip_field_next(m, f)) {
        struct sip_cursor c = sip_field_cursor(m, f);
        struct sip_address contact;
        while (!status && sip_read_address(&c, &contact)) {
            status = read_contact(a, t, m, &contact, changes);
            contacts++;
        }
        if (!status && c.err)
            status = 400;
    }
    if (!status && changes->all_out && contacts > 1)
        status = 400;
    for (size_t i = 0; !status && i < changes->n; i++)
        status = is_old(changes->each[i].before, m) ? 500 : 0;
    LIST_EACH(it, &t->bindings) {
        if (!status && changes->all_out && is_old(CONTAINER_OF(it, struct binding, link), m))
            status = 500;
    }
    return status;
}

/* The bindings as they are to be. */
static int want(struct agent *a, struct trunk *t, const struct sip_event *event, const struct changes *changes)
{
    int err = changes->all_out ? 0 : bindings_copy(&t->bindings, &t->wanted);
    for (size_t i = 0; i < changes->n && !err; i++) {
        const struct change *change = &changes->each[i];
        struct binding *b = change->ms ? binding_wanted(a, event, change) : NULL;
        binding_free(binding_find(&t->wanted, &change->parsed));
        if (b)
            binding_enter(&t->wanted, b);
        else if (change->ms)
            err = ERR_NO_MEMORY;
    }
    return err;
}

/* ---- REGISTER ---- */

/* All that it has registered (step 8). */
static void answer_bindings(struct agent *a, uint64_t server, const struct trunk *t)
{
    struct buf contacts;
    buf_init(&contacts, CONTACT_OCTETS_MAX);
    LIST_EACH(it, &t->bindings) {
        const struct binding *b = CONTAINER_OF(it, struct binding, link);
        buf_printf(&contacts, "%s<%s>;expires=%lld", contacts.n ? ", " : "", b->uri,
                   (long long)((mono_since_us(b->end, a->now.mono) + 999999) / 1000000));
        if (b->q < BINDING_Q_MAX)
            buf_printf(&contacts, ";q=0.%03u", b->q);
    }
    agent_answer(a, server, 200, contacts.n && !contacts.err ? "Contact" : NULL, buf_slice(&contacts));
    buf_fini(&contacts);
}

static void decide_next(struct agent *a, struct trunk *t);

static void good(struct agent *a, uint64_t server, struct trunk *t)
{
    trunk_heard(t);
    answer_bindings(a, server, t);
}

static void not_written(struct agent *a, const struct trunk *t, uint64_t server, int err)
{
    log_event(a->ports.log, LEVEL_WARNING, "agent.pbx.not_written", "name=%s error=%s", t->options->name,
              err_name(err));
    a->counters.registrations_unwritten++;
    agent_answer(a, server, 500, NULL, (struct slice){0});
}

static void written(void *arg, int err)
{
    struct trunk *t = arg;
    struct agent *a = t->agent;
    t->writing = false;
    if (err) {
        bindings_free(&t->wanted);
        not_written(a, t, t->writing_for, err);
    } else {
        struct list *it;
        bindings_free(&t->bindings);
        while ((it = list_pop(&t->wanted)))
            list_append(&t->bindings, it);
        bindings_drop_ended(t, &t->bindings);
        bindings_changed(t);
        a->counters.registrations++;
        good(a, t->writing_for, t);
    }
    decide_next(a, t);
}

static void carry_out(struct agent *a, struct trunk *t, const struct sip_event *event, const struct changes *changes)
{
    int err = want(a, t, event, changes);
    if (!err)
        err = bindings_put(t, &t->wanted);
    if (err) {
        bindings_free(&t->wanted);
        not_written(a, t, event->server, err);
        return;
    }
    t->writing = true;
    t->writing_for = event->server;
    kv_commit(a->ports.kv, written, t);
}

static void decide(struct agent *a, struct trunk *t, const struct sip_event *event)
{
    struct changes changes = {.n = 0};
    unsigned status = read_changes(a, t, event->message, &changes);
    if (status == 423)
        agent_answer(a, event->server, 423, "Min-Expires",
                     agent_print(a, "%lld", (long long)(a->options->register_min_ms / 1000)));
    else if (status)
        agent_answer(a, event->server, status, NULL, (struct slice){0});
    else if (changes.n || changes.all_out)
        carry_out(a, t, event, &changes);
    else
        good(a, event->server, t);
}

/* Those that have waited, in the order in which they came. */
static void decide_next(struct agent *a, struct trunk *t)
{
    while (!t->writing && t->waiting_count) {
        struct sip_event event = {.kind = SIP_REQUEST, .server = t->waiting[0]};
        t->waiting_count--;
        memmove(t->waiting, t->waiting + 1, t->waiting_count * sizeof t->waiting[0]);
        event.message = sip_server_request(a->layer, event.server);
        event.flow = sip_server_flow(a->layer, event.server);
        if (event.message && event.flow)
            decide(a, t, &event);
    }
}

void registrar_receive(struct agent *a, const struct sip_event *event)
{
    struct trunk *t = pbx_of(a, event->message, event->flow);
    if (!t) {
        a->counters.registrations_refused++;
        agent_answer(a, event->server, event->flow->side == AGENT_PBX ? 404 : 403, NULL, (struct slice){0});
    } else if (!is_admitted(a, t, event)) {
        return;
    } else if (!t->writing) {
        decide(a, t, event);
    } else if (t->waiting_count < REGISTERS_WAITING_MAX) {
        t->waiting[t->waiting_count++] = event->server;
    } else {
        agent_answer(a, event->server, 503, "Retry-After", slice_str("1"));
    }
}

/* ---- for others ---- */

bool registrar_knows(const struct trunk *t, const struct addr *source)
{
    LIST_EACH(it, &t->bindings) {
        if (trunk_same_host(&CONTAINER_OF(it, struct binding, link)->source, source))
            return true;
    }
    return false;
}

bool registrar_has_translator(const struct trunk *t, const struct sip_hop *hop)
{
    LIST_EACH(it, &t->bindings) {
        const struct binding *b = CONTAINER_OF(it, struct binding, link);
        if (b->has_translator && trunk_same_host(&b->source, &hop->addr))
            return true;
    }
    return false;
}

const char *registrar_contact(const struct trunk *t, size_t hop)
{
    LIST_EACH(it, &t->bindings) {
        if (!hop--)
            return CONTAINER_OF(it, struct binding, link)->uri;
    }
    return NULL;
}

void registrar_init(struct trunk *t)
{
    t->register_timer = (struct timer){.fire = binding_due, .owner = t};
}

int registrar_load(struct agent *a)
{
    int err = bindings_load(a);
    for (size_t i = 0; i < a->trunk_count && !err; i++) {
        struct trunk *t = &a->trunks[i];
        if (list_empty(&t->bindings))
            continue;
        bindings_changed(t);
        a->counters.registrations_restored += t->hop_count;
    }
    return err;
}

void registrar_fini(struct trunk *t)
{
    bindings_free(&t->bindings);
    bindings_free(&t->wanted);
}
