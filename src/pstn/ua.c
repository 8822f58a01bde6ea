/* All legs of a network or a phone: time, events of the transaction layer, and whom they are about. */
#include "pstn/leg_private.h"

#include "base/mem.h"
#include "base/text.h"

#define SCRATCH_OCTETS_MAX (1024 * 1024)
#define REQUESTS_PER_LEG 8
#define LINGER_MS (64 * SIP_T1_MS) /* an INVITE ends so long after its CANCEL at the latest */

/* ---- small things ---- */

void ua_tag(struct ua *u, char tag[LEG_TAG_OCTETS])
{
    uint8_t octets[(LEG_TAG_OCTETS - 1) / 2];
    entropy_fill(u->entropy, octets, sizeof octets);
    hex_format(slice_of(octets, sizeof octets), tag);
}

int ua_timer(struct ua *u, struct ua_timer *t, int64_t after_ms)
{
    return heap_set(&u->timers, &t->node, mono_after_ms(u->now.mono, after_ms));
}

void ua_timer_stop(struct ua *u, struct ua_timer *t)
{
    heap_remove(&u->timers, &t->node);
}

struct slice ua_print(struct ua *u, const char *format, ...)
{
    va_list args;
    buf_clear(&u->text);
    va_start(args, format);
    buf_vprintf(&u->text, format, args);
    va_end(args);
    return u->text.err ? (struct slice){0} : region_copy(&u->scratch, buf_slice(&u->text));
}

void ua_answer(struct ua *u, uint64_t server, unsigned status, const char *name, struct slice value)
{
    const struct sip_message *request = sip_server_request(u->layer, server);
    if (!request)
        return;
    buf_clear(&u->octets);
    sip_begin_answer(&u->octets, request, status, NULL, sip_server_tag(u->layer, server));
    if (name)
        sip_put_named(&u->octets, name, value);
    sip_end(&u->octets, (struct slice){0});
    if (!u->octets.err)
        sip_server_respond(u->layer, u->now, server, buf_slice(&u->octets));
}

void ua_put_contact(struct ua *u, const char *user, unsigned side, enum sip_transport transport)
{
    static const char *const params[] = {"", ";transport=tcp", ";transport=tls"};
    sip_put_text(&u->octets, SIP_CONTACT, "<sip:%s@%s%s>", user, u->point(u->ctx, side, transport), params[transport]);
}

/* ---- requests of ours ---- */

int ua_send(struct ua *u, struct ua_client *c, const struct sip_hop *hop)
{
    const uint64_t token = ++u->next_token;
    int err = u->octets.err ? u->octets.err : map_set(&u->clients, slice_of(&token, sizeof token), c);
    if (err)
        return err;
    c->token = token;
    err = sip_client_request(u->layer, u->now, hop, u->point(u->ctx, hop->side, hop->transport), buf_slice(&u->octets),
                             token, &c->id);
    if (err)
        ua_forget(u, c);
    return err;
}

void ua_forget(struct ua *u, struct ua_client *c)
{
    if (c->token)
        map_remove(&u->clients, slice_of(&c->token, sizeof c->token));
    c->token = 0;
}

/* ---- life ---- */

int ua_init(struct ua *u, const struct ua_options *options, const struct ua_user *user, void *ctx,
            const char *(*point)(const void *ctx, unsigned side, enum sip_transport transport),
            const struct entropy *entropy, const struct log *log, struct now now)
{
    struct sip_layer_config config;
    *u = (struct ua){.user = user, .ctx = ctx, .point = point, .entropy = entropy, .log = log, .now = now};
    u->legs_max = options->legs_max;
    heap_init(&u->timers);
    list_init(&u->legs);
    list_init(&u->closing);
    map_init(&u->clients, SIZE_MAX, entropy_u64(entropy));
    map_init(&u->dialogs, SIZE_MAX, entropy_u64(entropy));
    map_init(&u->tags, SIZE_MAX, entropy_u64(entropy));
    map_init(&u->calls, SIZE_MAX, entropy_u64(entropy));
    region_init(&u->scratch, SCRATCH_OCTETS_MAX);
    buf_init(&u->octets, SIP_MESSAGE_OCTETS_MAX);
    buf_init(&u->text, SIP_MESSAGE_OCTETS_MAX);
    sip_layer_config_init(&config);
    config.clients_max = config.servers_max = REQUESTS_PER_LEG * options->legs_max;
    if (config.timer_c_ms < options->ring_ms + LINGER_MS)
        config.timer_c_ms = options->ring_ms + LINGER_MS;
    config.trying_ms = 0;
    config.seed = entropy_u64(entropy);
    return sip_layer_new(&config, entropy, log, &u->layer);
}

void ua_fini(struct ua *u)
{
    LIST_EACH(it, &u->legs)
        leg_free(CONTAINER_OF(it, struct leg, link));
    sip_layer_free(u->layer);
    heap_fini(&u->timers);
    map_fini(&u->clients);
    map_fini(&u->dialogs);
    map_fini(&u->tags);
    map_fini(&u->calls);
    region_fini(&u->scratch);
    buf_fini(&u->octets);
    buf_fini(&u->text);
}

/* What was needed for one event only, and legs that nothing is under way for any more. */
static void sweep(struct ua *u)
{
    struct list *it;
    while ((it = list_pop(&u->closing)))
        leg_free(CONTAINER_OF(it, struct leg, closing_link));
    if (u->scratch.used) {
        region_fini(&u->scratch);
        region_init(&u->scratch, SCRATCH_OCTETS_MAX);
    }
}

/* ---- events ---- */

static struct leg *find_dialog(struct ua *u, struct slice call_id, struct slice local_tag, struct slice remote_tag)
{
    buf_clear(&u->text);
    sip_dialog_key(call_id, local_tag, remote_tag, &u->text);
    return u->text.err ? NULL : map_get(&u->dialogs, buf_slice(&u->text));
}

static void request(struct ua *u, const struct sip_event *event)
{
    static const char *const supported[] = {"timer", "100rel"};
    const struct sip_message *m = event->message;
    buf_clear(&u->text);
    if (sip_unsupported(m, SIP_REQUIRE, supported, sizeof supported / sizeof supported[0], &u->text)) {
        ua_answer(u, event->server, 420, "Unsupported", buf_slice(&u->text));
    } else if (m->to.tag.n) {
        struct leg *l = find_dialog(u, m->call_id, m->to.tag, m->from.tag);
        if (l && l->hop.side == event->flow->side)
            leg_receive(l, event);
        else
            ua_answer(u, event->server, 481, NULL, (struct slice){0});
    } else if (m->method == SIP_OPTIONS) {
        ua_answer(u, event->server, 200, "Allow", slice_str(UA_ALLOW));
    } else if (m->method == SIP_BYE || m->method == SIP_UPDATE || m->method == SIP_PRACK) {
        ua_answer(u, event->server, 481, NULL, (struct slice){0});
    } else {
        u->user->asked(u->ctx, event);
    }
}

static void cancelled(struct ua *u, const struct sip_event *event)
{
    struct leg *l = map_get(&u->calls, slice_of(&event->server, sizeof event->server));
    if (!l)
        l = find_dialog(u, event->message->call_id, event->message->to.tag, event->message->from.tag);
    if (l)
        leg_cancelled(l, event);
}

static void response(struct ua *u, const struct sip_event *event)
{
    struct ua_client *c = map_get(&u->clients, slice_of(&event->token, sizeof event->token));
    const struct sip_message *m = event->kind == SIP_RESPONSE ? event->message : NULL;
    struct leg *l;
    if (c) {
        const unsigned status = m ? m->status : event->kind == SIP_TIMEOUT ? 408 : 503;
        if (status >= 200)
            ua_forget(u, c);
        c->heard(c, status, m);
    } else if (m && m->method == SIP_INVITE && m->status >= 200 && m->status < 300) {
        l = find_dialog(u, m->call_id, m->from.tag, m->to.tag);
        if (!l)
            l = map_get(&u->tags, m->from.tag);
        if (l)
            leg_late(l, m);
    }
}

static void heard(struct ua *u, const struct sip_event *event)
{
    struct leg *l;
    switch (event->kind) {
    case SIP_REQUEST:
        request(u, event);
        break;
    case SIP_ACKED:
        l = find_dialog(u, event->message->call_id, event->message->to.tag, event->message->from.tag);
        if (l && l->hop.side == event->flow->side)
            leg_acknowledged(l, event->message);
        break;
    case SIP_CANCELLED:
        cancelled(u, event);
        break;
    case SIP_RESPONSE:
    case SIP_TIMEOUT:
    case SIP_UNREACHABLE:
        response(u, event);
        break;
    case SIP_ACK_MISSING:
    case SIP_ANSWERED_LATE:
    case SIP_SEND:
        break;
    }
}

void ua_input(struct ua *u, struct now now, const struct sip_flow *flow, struct slice octets)
{
    u->now = now;
    sip_layer_input(u->layer, now, flow, octets);
}

void ua_unreachable(struct ua *u, struct now now, const struct sip_hop *hop)
{
    u->now = now;
    sip_layer_unreachable(u->layer, now, hop);
}

void ua_tick(struct ua *u, struct now now)
{
    struct heap_node *node;
    u->now = now;
    sip_layer_tick(u->layer, now);
    while ((node = heap_pop_due(&u->timers, now.mono))) {
        struct ua_timer *t = CONTAINER_OF(node, struct ua_timer, node);
        t->fire(t->owner);
        sweep(u);
    }
}

struct mono ua_deadline(const struct ua *u)
{
    return mono_min(heap_deadline(&u->timers), sip_layer_deadline(u->layer));
}

bool ua_next(struct ua *u, struct now now, const struct sip_hop **ret_hop, struct slice *ret_octets)
{
    struct sip_event event;
    u->now = now;
    while (sip_layer_next(u->layer, &event)) {
        if (event.kind == SIP_SEND) {
            *ret_hop = event.hop;
            *ret_octets = event.octets;
            return true;
        }
        heard(u, &event);
        sweep(u);
    }
    sweep(u);
    return false;
}
