/* Attach and AppAttach without ICE (RFC 6940 6.5.1, 6.5.2): one host candidate each, TLS over TCP. The side that asked is passive and waits; the
 * side that was asked is active and connects to the candidate (6.5.1.1, 6.5.1.13). */
#include "reload/peer_internal.h"

#define ATTACH_LOST_MS 1000 /* no answer for so long: both sides asking is no longer a coincidence */

struct attach {
    struct timer timer;
    struct list order;
    struct route route;
    struct id node; /* who answered; zero before */
    bool connects;  /* the other side, to us: no Attach of its own is needed */
    struct mono asked;
    attach_fn *done;
    void *ctx;
};

/* ---- nodes that could not be reached lately ---- */

void peer_node_shun(struct peer *peer, struct now now, struct id node)
{
    if (!peer->shunned)
        peer->shunned = mem_alloc(SHUNNED_MAX * sizeof *peer->shunned);
    if (!peer->shunned)
        return;
    struct shunned *place = &peer->shunned[0];
    for (size_t i = 0; i < SHUNNED_MAX; i++) {
        struct shunned *s = &peer->shunned[i];
        if (id_eq(s->node, node)) {
            place = s;
            break;
        }
        if (s->until.us < place->until.us)
            place = s;
    }
    *place = (struct shunned){node, mono_after_ms(now.mono, SHUN_MS)};
}

bool peer_node_is_shunned(const struct peer *peer, struct now now, struct id node)
{
    for (size_t i = 0; peer->shunned && i < SHUNNED_MAX; i++)
        if (id_eq(peer->shunned[i].node, node))
            return !mono_due(peer->shunned[i].until, now.mono);
    return false;
}

void peer_node_unshun(struct peer *peer, struct id node)
{
    for (size_t i = 0; peer->shunned && i < SHUNNED_MAX; i++)
        if (id_eq(peer->shunned[i].node, node))
            peer->shunned[i] = (struct shunned){0};
}

/* ---- asking ---- */

static void attach_end(struct peer *peer, struct now now, struct attach *attach, int err)
{
    attach_fn *done = attach->done;
    void *ctx = attach->ctx;
    struct id node = attach->route.is_node ? attach->route.id : attach->node;
    heap_remove(&peer->timers, &attach->timer.node);
    list_remove(&attach->order);
    peer->attach_count--;
    mem_free(attach);
    if (err) {
        peer->counters.attaches_failed++;
        if (!id_is_zero(node) && !peer_link_to(peer, node)) {
            peer_node_shun(peer, now, node);
            chord_repair_later(peer, now, node);
        }
    }
    if (done)
        done(peer, now, ctx, err, node);
}

static void attach_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    attach_end(peer, now, CONTAINER_OF(timer, struct attach, timer), ERR_TIMEOUT);
}

static void attach_answered(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    struct attach *attach = ctx;
    /* Error_In_Progress: the node has asked us as well, and goes on with its own Attach (6.5.1.2), which may yet have to come. From who answers
     * in the place of a resource's peer it means that the node is outside of the ring. */
    if (outcome->err && (outcome->error_code != RELOAD_ERROR_IN_PROGRESS || !attach->route.is_node)) {
        if (peer_link_to(peer, outcome->responder))
            attach->node = outcome->responder;
        attach_end(peer, now, attach, outcome->err);
        return;
    }
    attach->node = outcome->responder;
    attach->connects = !outcome->err;
    if (!outcome->err)
        chord_bootstrap_claimed(peer, outcome->responder, &outcome->body->attach);
    struct link *link = peer_link_to(peer, attach->node);
    if (link)
        link->asked_by_us = true;
    if (id_eq(attach->node, peer->options.self) || link) {
        attach_end(peer, now, attach, 0);
        return;
    }
    if (heap_set(&peer->timers, &attach->timer.node, mono_after_ms(now.mono, ATTACH_LINK_MS)))
        attach_end(peer, now, attach, ERR_NO_MEMORY);
}

static int attach_start(struct peer *peer, struct now now, const struct route *route, bool send_update, attach_fn *done,
                        void *ctx)
{
    if (peer->attach_count >= ATTACHES_MAX)
        return ERR_LIMIT;
    struct attach *attach = mem_alloc(sizeof *attach);
    if (!attach) {
        peer->counters.memory_refused++;
        return ERR_NO_MEMORY;
    }
    list_init(&attach->order);
    attach->timer.fire = attach_timer_fire;
    attach->route = *route;
    attach->asked = now.mono;
    attach->done = done;
    attach->ctx = ctx;
    struct reload_candidate candidates[2];
    struct reload_body body = {.code = RELOAD_ATTACH_REQ};
    body.attach.role = slice_str("passive");
    body.attach.candidates = candidates;
    body.attach.candidate_count = peer_candidates(&peer->options.address, &peer->options.other_address, candidates);
    body.attach.send_update = send_update;
    int err = peer_transaction_start(peer, now, route, &body, attach_answered, attach);
    if (err) {
        mem_free(attach);
        return err;
    }
    list_append(&peer->attaches, &attach->order);
    peer->attach_count++;
    peer->counters.attaches_sent++;
    return 0;
}

int peer_attach_start(struct peer *peer, struct now now, const struct route *route, attach_fn *done, void *ctx)
{
    return attach_start(peer, now, route, true, done, ctx);
}

int peer_attach_finger(struct peer *peer, struct now now, const struct route *route, attach_fn *done)
{
    return attach_start(peer, now, route, false, done, NULL);
}

/* Our Attach to this very node, or the one that it answered, if there is one. */
static struct attach *attach_to(const struct peer *peer, struct id node)
{
    for (struct list *it = peer->attaches.next; it != &peer->attaches; it = it->next) {
        struct attach *attach = CONTAINER_OF(it, struct attach, order);
        if (id_eq(attach->node, node) || (attach->route.is_node && id_eq(attach->route.id, node)))
            return attach;
    }
    return NULL;
}

bool peer_attach_pending(const struct peer *peer, struct id node)
{
    return attach_to(peer, node) != NULL;
}

void peer_attach_cancel(struct peer *peer, const void *ctx)
{
    LIST_EACH(it, &peer->attaches) {
        struct attach *attach = CONTAINER_OF(it, struct attach, order);
        if (attach->ctx != ctx)
            continue;
        peer_transactions_forget(peer, attach);
        heap_remove(&peer->timers, &attach->timer.node);
        list_remove(&attach->order);
        peer->attach_count--;
        mem_free(attach);
    }
}

void peer_attach_link_up(struct peer *peer, struct now now, struct id node)
{
    struct attach *attach;
    struct link *link = peer_link_to(peer, node);
    while ((attach = attach_to(peer, node)) != NULL) {
        if (link)
            link->asked_by_us = true;
        peer_transactions_forget(peer, attach);
        attach->node = node;
        attach_end(peer, now, attach, 0);
    }
}

void peer_attach_link_failed(struct peer *peer, struct now now, struct id node)
{
    if (!id_is_zero(node) && !peer_link_to(peer, node) && !peer_attach_pending(peer, node))
        peer_node_shun(peer, now, node);
}

void peer_attaches_fini(struct peer *peer)
{
    LIST_EACH(it, &peer->attaches) {
        struct attach *attach = CONTAINER_OF(it, struct attach, order);
        heap_remove(&peer->timers, &attach->timer.node);
        mem_free(attach);
    }
    list_init(&peer->attaches);
    mem_free(peer->shunned);
}

/* ---- being asked ---- */

static void attach_answer(struct peer *peer, struct now now, const struct request *request)
{
    struct reload_candidate candidates[2];
    struct reload_body body = {.code = RELOAD_ATTACH_ANS};
    body.attach.role = slice_str("active");
    body.attach.candidates = candidates;
    body.attach.candidate_count = peer_candidates(&peer->options.address, &peer->options.other_address, candidates);
    peer_answer_body(peer, now, request->reply, &body);
}

void peer_attach_serve(struct peer *peer, struct now now, struct request *request)
{
    const struct reload_attach *asked = &request->body.attach;
    struct id node = request->signer->node;
    struct addr addr;
    if (id_eq(node, peer->options.self)) {
        peer_answer_error(peer, now, request->reply, RELOAD_ERROR_INVALID_MESSAGE, "this is you");
        return;
    }
    chord_bootstrap_claimed(peer, node, asked);
    struct link *known = peer_link_to(peer, node);
    if (known) {
        known->asked_by_them = true;
        attach_answer(peer, now, request);
        if (asked->send_update && peer->state == PEER_JOINED)
            chord_update_send(peer, now, node, RELOAD_CHORD_FULL);
        return;
    }
    enum candidate_choice choice = peer_candidate_choose(peer, asked, true, &addr);
    if (choice != CANDIDATE_CHOSEN) {
        peer->counters.attach_no_family += choice == CANDIDATE_OTHER_FAMILY;
        peer_answer_error(peer, now, request->reply, RELOAD_ERROR_INVALID_MESSAGE,
                          choice == CANDIDATE_NONE ? "no TLS-TCP-FH-NO-ICE host candidate"
                                                   : "no candidate of a family of addresses that is here");
        return;
    }
    if (!peer_link_connecting(peer, node) && !chord_make_room_for(peer, now, node)) {
        peer->counters.attaches_declined++;
        peer_answer_error(peer, now, request->reply, RELOAD_ERROR_FORBIDDEN, "no room for another finger's link");
        return;
    }
    /* Both asked at once (6.5.1.2). Ours may have been lost, though: for good, if the node is only just about to join. */
    struct attach *mine = attach_to(peer, node);
    const struct reload_header *header = &request->message->header;
    bool to_us = header->destinations[header->destination_count - 1].type == RELOAD_DESTINATION_NODE;
    bool fresh = mine && mono_since_us(now.mono, mine->asked) < (int64_t)ATTACH_LOST_MS * 1000;
    if (mine && to_us && fresh && (mine->connects || id_cmp(peer->options.self, node) > 0)) {
        peer_answer_error(peer, now, request->reply, RELOAD_ERROR_IN_PROGRESS, "");
        return;
    }
    if (mine) {
        peer_transactions_forget(peer, mine);
        mine->node = node;
        heap_set(&peer->timers, &mine->timer.node, mono_after_ms(now.mono, ATTACH_LINK_MS));
    }
    if (!peer_link_connecting(peer, node)) {
        struct link *link = peer_link_connect(peer, now, &addr, node, false);
        if (!link) {
            peer_answer_error(peer, now, request->reply, RELOAD_ERROR_FORBIDDEN, "no room for a link");
            return;
        }
        link->update_wanted = asked->send_update;
        link->asked_by_them = true;
    }
    attach_answer(peer, now, request);
}

/* ---- AppAttach ---- */

static struct application *application_find(const struct peer *peer, uint16_t id)
{
    for (size_t i = 0; i < peer->application_count; i++)
        if (peer->applications[i].id == id)
            return (struct application *)(uintptr_t)&peer->applications[i];
    return NULL;
}

int peer_app_register(struct peer *peer, uint16_t application, struct addr own)
{
    struct application *known = application_find(peer, application);
    if (!own.family) {
        if (known)
            *known = peer->applications[--peer->application_count];
        return 0;
    }
    if (known && known->addr.family != own.family) {
        known->other = own;
        return 0;
    }
    if (known) {
        known->addr = own;
        return 0;
    }
    if (peer->application_count == PEER_APPLICATIONS_MAX)
        return ERR_LIMIT;
    peer->applications[peer->application_count++] = (struct application){.id = application, .addr = own};
    return 0;
}

size_t peer_app_candidates(const struct peer *peer, uint16_t application, struct addr own,
                           struct reload_candidate ret_candidates[2])
{
    const struct application *known = application_find(peer, application);
    struct addr other = {0};
    if (known && known->addr.family != own.family)
        other = known->addr;
    else if (known)
        other = known->other;
    return peer_candidates(&own, &other, ret_candidates);
}

bool peer_app_attach_address(const struct peer *peer, const struct reload_body *answer, struct addr *ret_addr)
{
    return peer_candidate_choose(peer, &answer->attach, false, ret_addr) == CANDIDATE_CHOSEN;
}

/* From each of its addresses it may connect. */
static void tell_of_application(struct peer *peer, const struct request *request)
{
    struct reload_attach one = request->body.attach;
    for (size_t i = 0; i < request->body.attach.candidate_count; i++) {
        struct addr addr;
        one.candidates = &request->body.attach.candidates[i];
        one.candidate_count = 1;
        if (peer_candidate_choose(peer, &one, false, &addr) != CANDIDATE_CHOSEN)
            continue;
        struct peer_effect *effect = peer_effect_new(peer, PEER_APP_ATTACHED);
        if (!effect)
            return;
        effect->node = request->signer->node;
        effect->application = one.application;
        effect->addr = addr;
        peer_effect_queue(peer, effect);
    }
}

void peer_app_attach_serve(struct peer *peer, struct now now, struct request *request)
{
    const struct reload_attach *asked = &request->body.attach;
    const struct application *application = application_find(peer, asked->application);
    if (!application) {
        peer_answer_error(peer, now, request->reply, RELOAD_ERROR_NOT_FOUND, "no such application here");
        return;
    }
    struct reload_candidate candidates[2];
    struct reload_body body = {.code = RELOAD_APP_ATTACH_ANS};
    body.attach.application = asked->application;
    body.attach.role = slice_str("passive");
    body.attach.candidates = candidates;
    body.attach.candidate_count = peer_candidates(&application->addr, &application->other, candidates);
    peer_answer_body(peer, now, request->reply, &body);
    tell_of_application(peer, request);
}
