/* How a new configuration document spreads (RFC 6940 6.3.2.1, 6.5.4): every header tells its sender's sequence number, and whoever is behind is
 * sent the document.
 *
 * Over a link it is offered first, with a Ping: who is behind answers one such offer with Error_Config_Too_New, and is sent the document by
 * that neighbor; offers of others wait, unanswered, until the document is there or has not come. So each node gets it about once, though all
 * of its neighbors have it at nearly the same time. Who never answers an offer is sent the document nevertheless. Nodes farther away are not
 * sent a document that is just spreading: it reaches them link by link, faster than a storm of copies through the ring would. */
#include "reload/peer_internal.h"

/* ---- sending the document ---- */

/* Not more often than every so often to the same node. */
static bool push_is_due(struct peer *peer, struct now now, struct id node)
{
    if (!peer->config_pushes)
        peer->config_pushes = mem_alloc(CONFIG_PUSHES_MAX * sizeof *peer->config_pushes);
    if (!peer->config_pushes)
        return false;
    struct config_push *place = &peer->config_pushes[0];
    for (size_t i = 0; i < CONFIG_PUSHES_MAX; i++) {
        struct config_push *push = &peer->config_pushes[i];
        if (push->sequence == peer->config->sequence && id_eq(push->node, node) &&
            mono_since_us(now.mono, push->at) < (int64_t)CONFIG_PUSH_INTERVAL_MS * 1000)
            return false;
        if (push->at.us < place->at.us)
            place = push;
    }
    *place = (struct config_push){node, now.mono, peer->config->sequence};
    return true;
}

static void pushed(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    (void)ctx;
    if (!outcome->err)
        peer_transactions_resend(peer, now); /* what was refused as too new */
}

/* `path`: an encoded Destination List that leads to the node; none: by its Node-ID. */
static void push(struct peer *peer, struct now now, struct id node, struct slice path)
{
    if (!peer->config->document.n || id_eq(node, peer->options.self) || !push_is_due(peer, now, node))
        return;
    struct route route = {.is_node = true, .id = node, .path = path};
    struct reload_body body = {.code = RELOAD_CONFIG_UPDATE_REQ};
    body.config_update.type = RELOAD_CONFIG_UPDATE_CONFIG;
    body.config_update.config_data = peer->config->document;
    if (peer_transaction_start(peer, now, &route, &body, pushed, NULL) == 0)
        peer->counters.config_updates_sent++;
}

/* ---- offering it over a link ---- */

static bool is_behind(const struct peer *peer, uint16_t sequence)
{
    return sequence != CONFIG_SEQUENCE_ANY && config_sequence_cmp(sequence, peer->config->sequence) < 0;
}

static void offer_ended(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    struct link *link = peer_link_find(peer, (uint64_t)(uintptr_t)ctx);
    if (!link)
        return;
    link->config_offered = false; /* that the answer is Error_Config_Too_New has been seen */
    /* Who says nothing to a newer sequence number is sent the document all the same. */
    if (outcome->err == ERR_TIMEOUT && is_behind(peer, link->config_sequence))
        push(peer, now, link->node, (struct slice){0});
}

static void offer(struct peer *peer, struct now now, struct link *link)
{
    if (link->config_offered)
        return;
    struct route route = {.is_node = true, .id = link->node, .first_link = link->number};
    struct reload_body body = {.code = RELOAD_PING_REQ};
    link->config_offered =
        peer_transaction_start(peer, now, &route, &body, offer_ended, (void *)(uintptr_t)link->number) == 0;
}

/* Somebody said by its sequence number that it is behind. */
static void bring(struct peer *peer, struct now now, struct id node, struct slice path)
{
    struct link *link = peer_link_to(peer, node);
    bool fresh = mono_since_us(now.mono, peer->config_since) < (int64_t)CONFIG_FRESH_MS * 1000;
    if (link)
        offer(peer, now, link);
    else if (!fresh)
        push(peer, now, node, path);
}

void config_seen(struct peer *peer, struct now now, struct link *link, uint16_t sequence)
{
    if (sequence == CONFIG_SEQUENCE_ANY)
        return;
    link->config_sequence = sequence;
    if (is_behind(peer, sequence))
        offer(peer, now, link);
}

void config_answer_seen(struct peer *peer, struct now now, uint16_t code, uint16_t sequence, struct id node)
{
    if (!is_behind(peer, sequence))
        return;
    struct link *link = peer_link_to(peer, node);
    if (code == RELOAD_PING_REQ && link && link->config_offered)
        push(peer, now, node, (struct slice){0});
    else
        bring(peer, now, node, (struct slice){0});
}

void config_push(struct peer *peer, struct now now, struct id node)
{
    push(peer, now, node, (struct slice){0});
}

/* ---- we are behind ---- */

/* Whether a newer document is on its way to us, or to the disk. */
static bool is_awaited(const struct peer *peer, struct now now, struct id from)
{
    if (config_sequence_cmp(peer->offered_sequence, peer->config->sequence) > 0 &&
        !mono_due(peer->offer_again, now.mono))
        return true;
    return !mono_due(peer->config_awaited_until, now.mono) && !id_eq(peer->config_awaited_from, from) &&
           peer_link_to(peer, peer->config_awaited_from);
}

/* An offer, or what may be one. False: it waits until the sender repeats it. */
static bool take_offer(struct peer *peer, struct now now, const struct request *request)
{
    struct id from = request->signer->node;
    if (is_awaited(peer, now, from)) {
        peer->counters.config_offers_held++;
        return false;
    }
    peer->config_awaited_from = from;
    peer->config_awaited_until = mono_after_ms(now.mono, CONFIG_AWAIT_MS);
    return true;
}

bool config_check(struct peer *peer, struct now now, const struct request *request)
{
    uint16_t sequence = request->message->header.configuration_sequence;
    uint16_t code = request->message->contents.code;
    if (sequence == CONFIG_SEQUENCE_ANY && code == RELOAD_CONFIG_UPDATE_REQ)
        return true;
    int order = config_sequence_cmp(sequence, peer->config->sequence);
    if (order < 0) {
        peer->counters.config_too_old_received++;
        peer_answer_error(peer, now, request->reply, RELOAD_ERROR_CONFIG_TOO_OLD, "");
        bring(peer, now, request->signer->node, request->reply->destinations);
    } else if (order > 0) {
        peer->counters.config_too_new_received++;
        if (code != RELOAD_PING_REQ || !request->direct || take_offer(peer, now, request))
            peer_answer_error(peer, now, request->reply, RELOAD_ERROR_CONFIG_TOO_NEW, "");
    }
    return order == 0;
}

/* ---- a document comes ---- */

static void refuse(struct peer *peer, struct now now, const struct request *request, uint16_t code, const char *text)
{
    peer->counters.config_updates_refused++;
    peer_answer_error(peer, now, request->reply, code, text);
}

static void answer_config(struct peer *peer, struct now now, const struct request *request)
{
    peer_answer_body(peer, now, request->reply, &(struct reload_body){.code = RELOAD_CONFIG_UPDATE_ANS});
}

/* Up to the environment; once, though several neighbors send it, unless it does not come into use for a while. */
static void hand_up(struct peer *peer, struct now now, uint16_t sequence, struct slice document)
{
    if (peer->offered_sequence == sequence && !mono_due(peer->offer_again, now.mono))
        return;
    struct peer_effect *effect = peer_effect_new(peer, PEER_CONFIG_CHANGED);
    struct buf octets;
    buf_init(&octets, CONFIG_DOCUMENT_OCTETS_MAX);
    buf_slice_put(&octets, document);
    if (effect && peer_effect_take(effect, &octets) == 0) {
        peer_effect_queue(peer, effect);
        peer->offered_sequence = sequence;
        peer->offer_again = mono_after_ms(now.mono, CONFIG_PUSH_INTERVAL_MS);
    } else {
        peer_effect_free(effect);
    }
    buf_fini(&octets);
}

static bool kind_eq(const struct kind *a, const struct kind *b)
{
    return a->id == b->id && a->model == b->model && a->access == b->access && a->max_count == b->max_count &&
           a->max_size == b->max_size && a->max_node_multiple == b->max_node_multiple;
}

/* Kinds by themselves. All of this overlay's are part of its signed document: those that it has are welcome, and change nothing. */
static void serve_kinds(struct peer *peer, struct now now, const struct request *request)
{
    const struct reload_config_update *update = &request->body.config_update;
    for (size_t i = 0; i < update->kind_count; i++) {
        struct kind kind;
        int err = config_verify_kind_block(update->kinds[i], peer->config, now.wall, &kind);
        const struct kind *known = err ? NULL : kind_find(&peer->config->kinds, kind.id);
        if (err == ERR_SYNTAX || err == ERR_RANGE) {
            refuse(peer, now, request, RELOAD_ERROR_INVALID_MESSAGE, "kind-block");
            return;
        }
        if (err || !known || !kind_eq(known, &kind)) {
            refuse(peer, now, request, RELOAD_ERROR_FORBIDDEN,
                   err ? "no kind-signer has signed this" : "new Kinds come with the configuration document");
            return;
        }
    }
    answer_config(peer, now, request);
}

void config_update_serve(struct peer *peer, struct now now, struct request *request)
{
    const struct reload_config_update *update = &request->body.config_update;
    struct config *next;
    struct config_fault fault = {0};
    peer->counters.config_updates_received++;
    if (update->type == RELOAD_CONFIG_UPDATE_KIND) {
        serve_kinds(peer, now, request);
        return;
    }
    if (update->type != RELOAD_CONFIG_UPDATE_CONFIG) {
        refuse(peer, now, request, RELOAD_ERROR_INVALID_MESSAGE, "a type of ConfigUpdate that is not known here");
        return;
    }
    int err = config_parse(update->config_data, peer->config->instance_name, &next, &fault);
    if (err) {
        peer->counters.config_updates_unsupported += err == ERR_UNSUPPORTED;
        refuse(peer, now, request, RELOAD_ERROR_INVALID_MESSAGE, fault.rule ? fault.rule : err_text(err));
        return;
    }
    if (next->sequence == peer->config->sequence) {
        answer_config(peer, now, request);
    } else if (config_may_follow(peer->config, next)) {
        refuse(peer, now, request, RELOAD_ERROR_INVALID_MESSAGE, "not newer than the configuration in use");
    } else if ((err = config_verify(next, peer->config, now.wall)) != 0) {
        refuse(peer, now, request, RELOAD_ERROR_FORBIDDEN, err_text(err));
    } else {
        answer_config(peer, now, request);
        hand_up(peer, now, next->sequence, update->config_data);
    }
    config_free(next);
}

/* ---- in use ---- */

/* To everybody we are linked to and who is not known to have it. */
static void spread(struct peer *peer, struct now now)
{
    for (size_t i = 0; i < peer->slot_count; i++) {
        struct link *link = peer->slots[i];
        if (link && link->state == LINK_UP && link->config_sequence != peer->config->sequence)
            offer(peer, now, link);
    }
}

void peer_config_set(struct peer *peer, struct now now, const struct config *config)
{
    bool newer = config->sequence != peer->config->sequence;
    peer->now = now;
    peer->config = config;
    peer->config_awaited_until = now.mono;
    if (newer)
        peer->config_since = now.mono;
    peer->overlay = config_overlay_hash(config);
    if (config_is_bad_node(config, peer->options.self)) {
        if (peer->state != PEER_IDLE)
            peer_shut_out(peer, now);
        return;
    }
    if (peer->state == PEER_SHUT_OUT) {
        log_event(peer->ports.log, LEVEL_NOTICE, "ring.unbanned", "joining again");
        chord_join_start(peer, now);
    }
    peer_links_judge(peer, now);
    if (peer->state == PEER_JOINED) {
        chord_stabilize_start(peer, now);
        chord_fingers_start(peer, now);
    }
    if (newer) {
        peer_transactions_resend(peer, now);
        spread(peer, now);
    }
    peer_settle(peer, now);
}
