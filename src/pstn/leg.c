/* One end of a call, from its INVITE to the last answer. */
#include "pstn/leg_private.h"

#include "base/mem.h"

#include <stdio.h>

#define RETRY_AFTER "2"
#define CHALLENGES_MAX 2 /* the nonce of the first answer may be stale already */

static void repeat_due(void *owner);

/* ---- life ---- */

static struct leg *leg_new(struct ua *u, const struct sip_hop *hop, void *owner)
{
    struct leg *l = mem_alloc(sizeof *l);
    if (!l)
        return NULL;
    l->ua = u;
    l->owner = owner;
    l->hop = *hop;
    list_init(&l->closing_link);
    list_init(&l->clients);
    buf_init(&l->invite, SIP_MESSAGE_OCTETS_MAX);
    sip_accepted_init(&l->accepted);
    sip_confirmed_init(&l->confirmed);
    l->repeat = (struct ua_timer){.fire = repeat_due, .owner = l};
    leg_ringing_init(l, NULL);
    ua_tag(u, l->tag);
    list_append(&u->legs, &l->link);
    u->leg_count++;
    if (map_set(&u->tags, slice_str(l->tag), l) < 0) {
        leg_free(l);
        return NULL;
    }
    return l;
}

static int dialog_register(struct leg *l)
{
    const struct sip_dialog *d = &l->dialog;
    buf_clear(&l->ua->text);
    sip_dialog_key(slice_str(d->call_id), slice_str(d->local_tag), slice_str(d->remote_tag), &l->ua->text);
    int err = l->ua->text.err ? l->ua->text.err : map_set(&l->ua->dialogs, buf_slice(&l->ua->text), l);
    if (err)
        sip_dialog_fini(&l->dialog);
    l->ready = !err;
    return err;
}

static void dialog_unregister(struct leg *l)
{
    const struct sip_dialog *d = &l->dialog;
    if (!l->ready)
        return;
    buf_clear(&l->ua->text);
    sip_dialog_key(slice_str(d->call_id), slice_str(d->local_tag), slice_str(d->remote_tag), &l->ua->text);
    map_remove_value(&l->ua->dialogs, buf_slice(&l->ua->text), l);
    sip_dialog_fini(&l->dialog);
    l->ready = false;
}

static void client_free(struct leg_client *c)
{
    ua_forget(c->leg->ua, &c->client);
    list_remove(&c->link);
    mem_free(c);
}

void leg_server_done(struct leg *l)
{
    leg_ringing_over(l);
    if (l->server)
        map_remove(&l->ua->calls, slice_of(&l->server, sizeof l->server));
    l->server = 0;
}

void leg_free(struct leg *l)
{
    struct ua *u = l->ua;
    LIST_EACH(it, &l->clients)
        client_free(CONTAINER_OF(it, struct leg_client, link));
    leg_server_done(l);
    dialog_unregister(l);
    map_remove_value(&u->tags, slice_str(l->tag), l);
    ua_timer_stop(u, &l->repeat);
    leg_ringing_fini(l);
    sip_accepted_fini(&l->accepted);
    sip_confirmed_fini(&l->confirmed);
    buf_fini(&l->invite);
    list_remove(&l->closing_link);
    list_remove(&l->link);
    u->leg_count--;
    mem_free(l);
}

static void leg_check(struct leg *l)
{
    if (!l->owner && l->state == LEG_OVER && list_empty(&l->clients) && !l->ends_when_acked &&
        list_empty(&l->closing_link))
        list_append(&l->ua->closing, &l->closing_link);
}

/* Nobody uses it any more. Returns who did. */
static void *leg_drop(struct leg *l)
{
    void *owner = l->owner;
    l->owner = NULL;
    l->state = LEG_OVER;
    for (size_t i = 0; i < LEG_ASKED_MAX; i++) {
        if (l->asked[i])
            ua_answer(l->ua, l->asked[i], 487, NULL, (struct slice){0});
        l->asked[i] = 0;
    }
    leg_check(l);
    return owner;
}

/* ---- where its requests go ---- */

/* The address in the target or the first route, if it is one; a name is reached as before. */
static struct sip_hop leg_hop(const struct leg *l)
{
    struct sip_hop hop = l->hop;
    struct sip_uri uri;
    struct slice name;
    struct addr addr;
    char host[ADDR_TEXT_OCTETS];
    if (l->stays || sip_uri_parse(sip_dialog_next_hop(&l->dialog), &uri, NULL) < 0 || uri.host.n > sizeof host - 3)
        return hop;
    enum sip_transport transport = SIP_UDP;
    if (sip_uri_param(&uri, "transport", &name))
        sip_transport_find(name, &transport);
    int n = snprintf(host, sizeof host, uri.host_is_ipv6 ? "[%.*s]" : "%.*s", SLICE_PRINT(uri.host));
    if (uri.scheme != SIP_SCHEME_SIP || addr_parse(slice_of(host, (size_t)n), SIP_PORT, &addr) < 0 ||
        !*l->ua->point(l->ua->ctx, hop.side, transport))
        return hop;
    if (uri.port)
        addr.port = uri.port;
    if (transport != hop.transport)
        hop.conn = 0;
    hop.transport = transport;
    hop.addr = addr;
    return hop;
}

/* ---- requests of ours ---- */

static void heard(struct ua_client *client, unsigned status, const struct sip_message *response);

/* What stands in ua.octets. */
static int client_send(struct leg *l, const struct sip_hop *hop, enum sip_method method, uint32_t cseq, uint64_t cookie)
{
    struct leg_client *c = mem_alloc(sizeof *c);
    if (!c)
        return ERR_NO_MEMORY;
    *c = (struct leg_client){.client = {.heard = heard}, .leg = l, .method = method, .cseq = cseq, .cookie = cookie};
    list_append(&l->clients, &c->link);
    int err = ua_send(l->ua, &c->client, hop);
    if (err)
        client_free(c);
    return err;
}

/* The same for a request that nobody waits for. */
static void send_alone(struct leg *l, const struct sip_hop *hop)
{
    struct ua *u = l->ua;
    uint64_t id;
    if (!u->octets.err)
        sip_client_request(u->layer, u->now, hop, u->point(u->ctx, hop->side, hop->transport), buf_slice(&u->octets), 0,
                           &id);
}

static void send_ack(struct leg *l, struct sip_dialog *d, uint32_t cseq, const struct carried *carried)
{
    struct ua *u = l->ua;
    struct sip_hop hop = d == &l->dialog ? leg_hop(l) : l->hop;
    buf_clear(&u->octets);
    sip_dialog_begin_request(d, "ACK", cseq, &u->octets);
    carried_put(carried, &u->octets);
    if (u->octets.err)
        return;
    sip_layer_send_ack(u->layer, u->now, &hop, u->point(u->ctx, hop.side, hop.transport), buf_slice(&u->octets));
    if (d == &l->dialog)
        sip_confirmed_keep(&l->confirmed, cseq, buf_slice(&u->octets));
}

int leg_call(struct ua *u, const struct leg_invite *invite, void *owner, struct leg **ret_leg)
{
    char call_id[LEG_TAG_OCTETS];
    if (u->leg_count >= u->legs_max)
        return ERR_LIMIT;
    struct leg *l = leg_new(u, &invite->hop, owner);
    if (!l)
        return ERR_NO_MEMORY;
    l->stays = invite->stays;
    l->password = invite->password;
    l->invite_cseq = 1;
    ua_tag(u, call_id);
    buf_clear(&u->octets);
    sip_begin_request(&u->octets, "INVITE", invite->uri);
    sip_put_text(&u->octets, SIP_MAX_FORWARDS, "%u", invite->max_forwards);
    sip_put_text(&u->octets, SIP_FROM, "%.*s;tag=%s", SLICE_PRINT(invite->from), l->tag);
    sip_put(&u->octets, SIP_TO, invite->to);
    sip_put_text(&u->octets, SIP_CALL_ID, "%s", call_id);
    sip_put(&u->octets, SIP_CSEQ, slice_str("1 INVITE"));
    ua_put_contact(l->ua, l->tag, l->hop.side, l->hop.transport);
    sip_put(&u->octets, SIP_ALLOW, slice_str(UA_ALLOW));
    if (invite->asserted.n)
        sip_put(&u->octets, SIP_P_ASSERTED_IDENTITY, invite->asserted);
    if (invite->is_private)
        sip_put(&u->octets, SIP_PRIVACY, slice_str("id"));
    carried_put(invite->carried, &u->octets);
    buf_slice_put(&l->invite, buf_slice(&u->octets));
    int err = l->invite.err ? l->invite.err : client_send(l, &l->hop, SIP_INVITE, 1, 0);
    if (err)
        leg_free(l);
    else
        *ret_leg = l;
    return err;
}

int leg_request(struct leg *l, enum sip_method method, const struct carried *carried, uint64_t cookie)
{
    struct ua *u = l->ua;
    if (l->state != LEG_UP)
        return ERR_WRONG_STATE;
    struct sip_hop hop = leg_hop(l);
    buf_clear(&u->octets);
    sip_dialog_begin_request(&l->dialog, sip_method_name(method), 0, &u->octets);
    ua_put_contact(l->ua, l->tag, l->hop.side, hop.transport);
    carried_put(carried, &u->octets);
    return client_send(l, &hop, method, l->dialog.local_cseq, cookie);
}

void leg_cancel(struct leg *l, uint64_t cookie)
{
    LIST_EACH(it, &l->clients) {
        struct leg_client *c = CONTAINER_OF(it, struct leg_client, link);
        if (c->cookie == cookie && c->method == SIP_INVITE)
            sip_client_cancel(l->ua->layer, l->ua->now, c->client.id, (struct slice){0});
    }
}

void leg_ack(struct leg *l, const struct carried *carried)
{
    const uint32_t cseq = l->owes_ack;
    l->owes_ack = 0;
    if (cseq && l->ready)
        send_ack(l, &l->dialog, cseq, carried);
}

/* ---- the end ---- */

static void tell_closed(struct leg *l, void *owner, unsigned status)
{
    if (owner && l->ua->user->closed)
        l->ua->user->closed(owner, status);
}

static void send_bye(struct leg *l, void *owner)
{
    struct ua *u = l->ua;
    struct sip_hop hop = leg_hop(l);
    leg_ack(l, NULL);
    buf_clear(&u->octets);
    sip_dialog_begin_request(&l->dialog, "BYE", 0, &u->octets);
    carried_put(NULL, &u->octets);
    if (!client_send(l, &hop, SIP_BYE, l->dialog.local_cseq, 0))
        CONTAINER_OF(l->clients.prev, struct leg_client, link)->owner = owner;
    else
        tell_closed(l, owner, 500);
}

void leg_end(struct leg *l)
{
    switch (l->state) {
    case LEG_CALLING:
        leg_cancel(l, 0);
        break;
    case LEG_CALLED:
        leg_refuse(l, 480);
        return;
    case LEG_UP:
        if (sip_resend_runs(&l->accepted.resend)) {
            l->ends_when_acked = true;
            l->ends_for = l->owner;
        } else {
            send_bye(l, l->owner);
        }
        break;
    case LEG_OVER:
        break;
    }
    leg_drop(l);
}

static void end_acked(struct leg *l)
{
    void *owner = l->ends_for;
    ua_timer_stop(l->ua, &l->repeat);
    if (!l->ends_when_acked)
        return;
    l->ends_when_acked = false;
    l->ends_for = NULL;
    send_bye(l, owner);
    leg_check(l);
}

/* The other side has ended it. */
void leg_ended(struct leg *l, const struct sip_message *request)
{
    void *owner = leg_drop(l);
    if (owner)
        l->ua->user->ended(owner, l, request);
}

/* ---- answers of ours ---- */

bool leg_respond(struct leg *l, uint64_t server, unsigned status, const struct carried *carried)
{
    struct ua *u = l->ua;
    const struct sip_message *request = sip_server_request(u->layer, server);
    const struct sip_flow *flow = sip_server_flow(u->layer, server);
    if (!request || !flow)
        return false;
    buf_clear(&u->octets);
    sip_begin_answer(&u->octets, request, status, NULL, slice_str(l->tag));
    if (status < 300)
        ua_put_contact(l->ua, l->tag, l->hop.side, flow->transport);
    if (status < 300 && status >= 200 && request->method == SIP_INVITE)
        sip_put(&u->octets, SIP_ALLOW, slice_str(UA_ALLOW));
    if (status > 100 && status < 200 && l->is_reliable)
        leg_ringing_put(l, &u->octets);
    carried_put(carried, &u->octets);
    const bool repeats = status >= 200 && status < 300 && request->method == SIP_INVITE;
    if (repeats && !sip_accepted_start(&l->accepted, u->now, request, buf_slice(&u->octets), SIP_T1_MS, SIP_T2_MS)) {
        l->accepted_server = server;
        heap_set(&u->timers, &l->repeat.node, sip_accepted_deadline(&l->accepted));
    }
    return !u->octets.err && !sip_server_respond(u->layer, u->now, server, buf_slice(&u->octets));
}

int leg_take(struct ua *u, const struct sip_event *event, void *owner, struct leg **ret_leg)
{
    const struct sip_hop hop = {.transport = event->flow->transport,
                                .side = event->flow->side,
                                .addr = event->flow->peer,
                                .conn = event->flow->conn};
    if (u->leg_count >= u->legs_max)
        return ERR_LIMIT;
    struct leg *l = leg_new(u, &hop, owner);
    if (!l)
        return ERR_NO_MEMORY;
    l->state = LEG_CALLED;
    leg_ringing_init(l, event->message);
    int err = sip_dialog_init_uas(&l->dialog, event->message, slice_str(l->tag), false);
    if (!err)
        err = dialog_register(l);
    if (!err)
        err = map_set(&u->calls, slice_of(&event->server, sizeof event->server), l);
    if (err) {
        leg_free(l);
        return err;
    }
    l->server = event->server;
    *ret_leg = l;
    return 0;
}

void leg_answer(struct leg *l, const struct carried *carried)
{
    if (l->state != LEG_CALLED)
        return;
    sip_dialog_confirm(&l->dialog);
    leg_respond(l, l->server, 200, carried);
    leg_server_done(l);
    l->state = LEG_UP;
}

void leg_refuse(struct leg *l, unsigned status)
{
    if (l->state == LEG_CALLED && !leg_respond(l, l->server, status, NULL))
        ua_answer(l->ua, l->server, 500, NULL, (struct slice){0});
    leg_server_done(l);
    leg_drop(l);
}

void leg_reply(struct leg *l, uint64_t server, unsigned status, const struct carried *carried)
{
    for (size_t i = 0; i < LEG_ASKED_MAX; i++) {
        if (l->asked[i] != server)
            continue;
        l->asked[i] = 0;
        if (!leg_respond(l, server, status, carried))
            ua_answer(l->ua, server, 500, NULL, (struct slice){0});
    }
}

/* The 2xx is repeated until it is acknowledged (RFC 3261 13.3.1.4). */
static void repeat_due(void *owner)
{
    struct leg *l = owner;
    switch (sip_accepted_tick(&l->accepted, l->ua->now)) {
    case SIP_RESEND_AGAIN:
        sip_server_respond(l->ua->layer, l->ua->now, l->accepted_server, buf_slice(&l->accepted.resend.octets));
        break;
    case SIP_RESEND_GIVE_UP:
        if (l->ends_when_acked) {
            end_acked(l);
        } else {
            send_bye(l, NULL);
            leg_ended(l, NULL);
        }
        return;
    case SIP_RESEND_WAIT:
        break;
    }
    heap_set(&l->ua->timers, &l->repeat.node, sip_accepted_deadline(&l->accepted));
}

void leg_acknowledged(struct leg *l, const struct sip_message *ack)
{
    if (!sip_accepted_acked(&l->accepted, ack))
        return;
    end_acked(l);
    if (l->owner)
        l->ua->user->acked(l->owner, l, ack);
}

/* ---- requests of the other side ---- */

static void received_bye(struct leg *l, const struct sip_event *event)
{
    ua_answer(l->ua, event->server, 200, NULL, (struct slice){0});
    if (l->state == LEG_CALLED) { /* a caller may end an early dialog so as well (RFC 3261 15) */
        leg_respond(l, l->server, 487, NULL);
        leg_server_done(l);
    } else if (l->state == LEG_CALLING) {
        leg_cancel(l, 0);
    }
    sip_resend_stop(&l->accepted.resend);
    ua_timer_stop(l->ua, &l->repeat);
    leg_ack(l, NULL);
    if (l->ends_when_acked) { /* we were about to say the same */
        l->ends_when_acked = false;
        tell_closed(l, l->ends_for, 200);
    }
    leg_ended(l, event->message);
}

static bool has_invite_under_way(const struct leg *l)
{
    LIST_EACH(it, &l->clients) {
        if (CONTAINER_OF(it, struct leg_client, link)->method == SIP_INVITE)
            return true;
    }
    return false;
}

/* The other side's, still without an answer of ours. */
static bool has_invite_to_answer(const struct leg *l)
{
    for (size_t i = 0; i < LEG_ASKED_MAX; i++) {
        const struct sip_message *m = l->asked[i] ? sip_server_request(l->ua->layer, l->asked[i]) : NULL;
        if (m && m->method == SIP_INVITE)
            return true;
    }
    return false;
}

static void received_request(struct leg *l, const struct sip_event *event)
{
    const enum sip_method method = event->message->method;
    size_t i = 0;
    while (i < LEG_ASKED_MAX && l->asked[i])
        i++;
    const bool offers = method == SIP_INVITE || (method == SIP_UPDATE && event->message->body.n);
    if (l->state != LEG_UP || l->owes_ack || (offers && has_invite_under_way(l))) { /* RFC 3261 14.2, RFC 3311 5.2 */
        ua_answer(l->ua, event->server, 491, NULL, (struct slice){0});
    } else if (i == LEG_ASKED_MAX || (offers && has_invite_to_answer(l))) {
        ua_answer(l->ua, event->server, 500, "Retry-After", slice_str(RETRY_AFTER));
    } else {
        l->asked[i] = event->server;
        l->ua->user->request(l->owner, l, event->server, event->message);
    }
}

void leg_receive(struct leg *l, const struct sip_event *event)
{
    const enum sip_method method = event->message->method;
    const unsigned status = sip_dialog_receive(&l->dialog, event->message);
    if (event->flow->transport == l->hop.transport && event->flow->conn)
        l->hop.conn = event->flow->conn;
    if (status)
        ua_answer(l->ua, event->server, status, status == 500 ? "Retry-After" : NULL, slice_str(RETRY_AFTER));
    else if (method == SIP_BYE)
        received_bye(l, event);
    else if (l->state == LEG_OVER)
        ua_answer(l->ua, event->server, 481, NULL, (struct slice){0});
    else if (method == SIP_INVITE || method == SIP_UPDATE || method == SIP_INFO)
        received_request(l, event);
    else if (method == SIP_PRACK)
        ua_answer(l->ua, event->server, leg_ringing_pracked(l, event->message), NULL, (struct slice){0});
    else
        ua_answer(l->ua, event->server, method == SIP_OPTIONS ? 200 : 405, "Allow", slice_str(UA_ALLOW));
}

void leg_cancelled(struct leg *l, const struct sip_event *event)
{
    if (l->server == event->server && l->state == LEG_CALLED) {
        leg_respond(l, l->server, 487, NULL);
        leg_server_done(l);
        leg_ended(l, event->message);
        return;
    }
    for (size_t i = 0; i < LEG_ASKED_MAX; i++) {
        if (l->owner && l->asked[i] == event->server)
            l->ua->user->cancelled(l->owner, l, event->server);
    }
}

/* ---- responses to ours ---- */

/* Reads our first INVITE, which has no Via yet. */
static int read_invite(const struct leg *l, struct sip_message *ret_request)
{
    struct sip_message m;
    struct sip_cursor c;
    int err = sip_parse(&l->ua->scratch, buf_slice(&l->invite), SIP_STREAM, &m, NULL);
    if (err)
        return err;
    m.call_id = sip_field_first(&m, SIP_CALL_ID)->value;
    m.cseq.number = l->invite_cseq;
    c = sip_field_cursor(&m, sip_field_first(&m, SIP_FROM));
    if (!sip_read_address(&c, &m.from))
        return ERR_SYNTAX;
    c = sip_field_cursor(&m, sip_field_first(&m, SIP_TO));
    if (!sip_read_address(&c, &m.to))
        return ERR_SYNTAX;
    *ret_request = m;
    return 0;
}

/* The dialog that the response makes, in place of the one of another fork. */
static int take_dialog(struct leg *l, const struct sip_message *response)
{
    struct sip_message sent;
    dialog_unregister(l);
    int err = read_invite(l, &sent);
    if (!err)
        err = sip_dialog_init_uac(&l->dialog, &sent, response);
    return err ? err : dialog_register(l);
}

/* An answer that nobody waits for, of another fork or after our CANCEL: acknowledged, and ended. */
static void refuse_answer(struct leg *l, const struct sip_message *response)
{
    struct sip_message sent;
    struct sip_dialog d;
    if (read_invite(l, &sent) < 0 || sip_dialog_init_uac(&d, &sent, response) < 0)
        return;
    send_ack(l, &d, response->cseq.number, NULL);
    buf_clear(&l->ua->octets);
    sip_dialog_begin_request(&d, "BYE", 0, &l->ua->octets);
    carried_put(NULL, &l->ua->octets);
    send_alone(l, &l->hop);
    sip_dialog_fini(&d);
}

void leg_late(struct leg *l, const struct sip_message *response)
{
    struct slice ack = sip_confirmed_ack(&l->confirmed, response);
    if (l->ready && sip_dialog_matches(&l->dialog, response)) {
        struct sip_hop hop = leg_hop(l);
        if (ack.n)
            sip_layer_send_ack(l->ua->layer, l->ua->now, &hop, l->ua->point(l->ua->ctx, hop.side, hop.transport), ack);
    } else if (response->cseq.number == l->invite_cseq) {
        refuse_answer(l, response);
    }
}

/* The other side asks for a password: true if it was called again with that. */
static bool call_again(struct leg *l, const struct sip_message *response)
{
    struct ua *u = l->ua;
    if (!l->owner || !response || l->challenges == CHALLENGES_MAX ||
        !ua_password_answer(u, l->password, buf_slice(&l->invite), l->invite_cseq + 1, response))
        return false;
    l->challenges++;
    l->invite_cseq++;
    dialog_unregister(l);
    buf_clear(&l->invite);
    buf_slice_put(&l->invite, buf_slice(&u->octets));
    return !l->invite.err && !client_send(l, &l->hop, SIP_INVITE, l->invite_cseq, 0);
}

static void heard_first(struct leg *l, unsigned status, const struct sip_message *response)
{
    const struct ua_user *user = l->ua->user;
    const bool known = l->ready && response && sip_dialog_matches(&l->dialog, response);
    if (status < 200) {
        if (status == 100 || !l->owner)
            return;
        if (!l->ready && response->to.tag.n)
            take_dialog(l, response);
        if (known || !l->ready || sip_dialog_matches(&l->dialog, response)) /* one early dialog is enough */
            user->ringing(l->owner, l, response);
    } else if (status < 300) {
        int err = 0;
        if (!l->owner) {
            refuse_answer(l, response);
            return;
        }
        err = known ? sip_dialog_answered(&l->dialog, response) : take_dialog(l, response);
        if (err) {
            user->failed(leg_drop(l), l, 502, NULL);
            return;
        }
        l->owes_ack = response->cseq.number;
        l->state = LEG_UP;
        if (l->password)
            sip_digest_accepted(&l->password->digest);
        user->answered(l->owner, l, response);
    } else if ((status != 401 && status != 407) || !call_again(l, response)) {
        void *owner = leg_drop(l);
        if (owner)
            user->failed(owner, l, status, response);
    }
}

static void heard(struct ua_client *client, unsigned status, const struct sip_message *response)
{
    struct leg_client *c = CONTAINER_OF(client, struct leg_client, client);
    struct leg *l = c->leg;
    const struct leg_client ended = *c;
    const bool accepted = status >= 200 && status < 300;
    if (status >= 200)
        client_free(c);
    if (ended.method == SIP_INVITE && !ended.cookie) {
        heard_first(l, status, response);
    } else if (status >= 200) {
        if (accepted && l->ready)
            sip_dialog_answered(&l->dialog, response);
        if (accepted && ended.method == SIP_INVITE)
            l->owes_ack = ended.cseq;
        if (ended.method == SIP_BYE)
            tell_closed(l, ended.owner, status);
        else if (l->owner)
            l->ua->user->reply(l->owner, l, ended.cookie, status, response);
        else if (l->owes_ack)
            leg_ack(l, NULL);
    }
    leg_check(l);
}
