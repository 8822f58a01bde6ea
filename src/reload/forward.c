/* Where messages go (RFC 6940 6.1): destination lists, via lists, TTL, forwarding options, and via lists kept here behind opaque ids. */
#include "reload/peer_internal.h"

#define SELF_IN_VIA_MAX 2 /* a message that has come through here so often goes in circles */

/* ---- via lists kept behind opaque ids (6.1.3) ---- */

#define OPAQUE_ID_OCTETS 8

struct opaque_via {
    struct list order; /* oldest first */
    struct mono until;
    uint8_t id[OPAQUE_ID_OCTETS];
    struct slice destinations; /* encoded, already in the order of the way back; owned */
};

static void opaque_drop(struct peer *peer, struct opaque_via *kept)
{
    map_remove(&peer->opaque, slice_of(kept->id, sizeof kept->id));
    list_remove(&kept->order);
    mem_free((void *)(uintptr_t)kept->destinations.p);
    mem_free(kept);
}

static void opaque_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    (void)timer;
    while (!list_empty(&peer->opaque_order)) {
        struct opaque_via *oldest = CONTAINER_OF(peer->opaque_order.next, struct opaque_via, order);
        if (!mono_due(oldest->until, now.mono)) {
            heap_set(&peer->timers, &peer->opaque_timer.node, oldest->until);
            return;
        }
        opaque_drop(peer, oldest);
    }
}

void peer_opaque_init(struct peer *peer)
{
    map_init(&peer->opaque, OPAQUE_IDS_MAX, entropy_u64(&peer->ports.entropy));
    list_init(&peer->opaque_order);
    peer->opaque_timer.fire = opaque_timer_fire;
}

void peer_opaque_fini(struct peer *peer)
{
    LIST_EACH(it, &peer->opaque_order)
        opaque_drop(peer, CONTAINER_OF(it, struct opaque_via, order));
    map_fini(&peer->opaque);
    heap_remove(&peer->timers, &peer->opaque_timer.node);
}

static int encode_destinations(const struct reload_destination *list, size_t count, struct slice *ret_encoded)
{
    struct buf b;
    buf_init(&b, RELOAD_DESTINATIONS_MAX * (RELOAD_RESOURCE_OCTETS_MAX + 2));
    for (size_t i = 0; i < count; i++)
        reload_destination_encode(&list[i], &b);
    if (b.err) {
        int err = b.err;
        buf_fini(&b);
        return err;
    }
    *ret_encoded = buf_slice(&b); /* the buffer's memory is handed over */
    return 0;
}

/* Puts the via list away and a name for it in its place. The oldest gives way. */
static int opaque_keep(struct peer *peer, struct now now, struct reload_header *header, struct region *region)
{
    const struct reload_destination *back;
    size_t back_count;
    struct reload_destination *name = region_alloc(region, sizeof *name);
    int err = name ? reload_header_reverse_via(header, region, &back, &back_count) : ERR_NO_MEMORY;
    struct opaque_via *kept = err ? NULL : mem_alloc(sizeof *kept);
    if (!kept)
        return ERR_NO_MEMORY;
    list_init(&kept->order);
    if (encode_destinations(back, back_count, &kept->destinations)) {
        mem_free(kept);
        return ERR_NO_MEMORY;
    }
    if (peer->opaque.n == OPAQUE_IDS_MAX)
        opaque_drop(peer, CONTAINER_OF(peer->opaque_order.next, struct opaque_via, order));
    entropy_fill(&peer->ports.entropy, kept->id, sizeof kept->id);
    kept->until = mono_after_ms(now.mono, OPAQUE_LIFE_MS);
    struct slice id = region_copy(region, slice_of(kept->id, sizeof kept->id));
    err = id.p ? map_set(&peer->opaque, slice_of(kept->id, sizeof kept->id), kept) : ERR_NO_MEMORY;
    if (err) {
        mem_free((void *)(uintptr_t)kept->destinations.p);
        mem_free(kept);
        return err;
    }
    if (list_empty(&peer->opaque_order))
        heap_set(&peer->timers, &peer->opaque_timer.node, kept->until);
    list_append(&peer->opaque_order, &kept->order);
    *name = reload_destination_opaque(id);
    header->via = name;
    header->via_count = 1;
    peer->counters.opaque_ids_made++;
    return 0;
}

/* Puts what the first destination stands for in its place. */
static int opaque_expand(struct peer *peer, struct reload_header *header, struct region *region)
{
    const struct opaque_via *kept = map_get(&peer->opaque, header->destinations[0].octets);
    const struct reload_destination *back;
    size_t count;
    struct fault fault;
    if (!kept)
        return ERR_NOT_FOUND;
    struct slice copy = region_copy(region, kept->destinations);
    if (!copy.p)
        return ERR_NO_MEMORY;
    int err = reload_destinations_decode(copy, region, &back, &count, &fault);
    return err ? err : reload_header_destination_replace(header, back, count, region);
}

/* ---- answers ---- */

int peer_reply_init(struct reply *reply, const struct peer *peer, const struct reload_header *request,
                    const struct link *from)
{
    struct reply r = {.transaction_id = request->transaction_id, .max_response_length = request->max_response_length};
    struct buf b;
    buf_init(&b, (RELOAD_DESTINATIONS_MAX + 1) * (RELOAD_RESOURCE_OCTETS_MAX + 2));
    /* Where it came from, then the Via List backwards (6.1.2, 6.2.2). */
    struct reload_destination first = reload_destination_node(from ? from->node : peer->options.self);
    reload_destination_encode(&first, &b);
    for (size_t i = request->via_count; i-- > 0;)
        reload_destination_encode(&request->via[i], &b);
    r.destinations = buf_slice(&b);
    for (size_t i = 0; i < request->option_count; i++)
        if (request->options[i].flags & RELOAD_RESPONSE_COPY)
            r.option_count++;
    if (r.option_count)
        r.options = mem_alloc(r.option_count * sizeof *r.options);
    if (b.err || (r.option_count && !r.options)) {
        buf_fini(&b);
        mem_free(r.options);
        return ERR_NO_MEMORY;
    }
    size_t n = 0;
    for (size_t i = 0; i < request->option_count && n < r.option_count; i++)
        if (request->options[i].flags & RELOAD_RESPONSE_COPY) {
            struct slice value = request->options[i].value;
            uint8_t *copy = mem_alloc(value.n);
            if (copy && value.n)
                memcpy(copy, value.p, value.n);
            r.options[n++] = (struct reload_option){request->options[i].type, 0, slice_of(copy, copy ? value.n : 0)};
        }
    *reply = r;
    return 0;
}

void peer_reply_fini(struct reply *reply)
{
    for (size_t i = 0; i < reply->option_count; i++)
        mem_free((void *)(uintptr_t)reply->options[i].value.p);
    mem_free(reply->options);
    mem_free((void *)(uintptr_t)reply->destinations.p);
    *reply = (struct reply){0};
}

/* The message code of a message that nobody has verified, if it is there at all; 0 else. */
static uint16_t peek_code(const struct reload_header *header, struct slice message)
{
    if (header->fragment & RELOAD_FRAGMENT_OFFSET || message.n < header->octets + 2)
        return 0;
    return (uint16_t)(message.p[header->octets] << 8 | message.p[header->octets + 1]);
}

/* An error from on the way. Requests only: nothing answers an answer. */
static void forward_error(struct peer *peer, struct now now, const struct reload_header *header,
                          const struct link *from, struct slice message, uint16_t code, const char *text)
{
    struct reply reply;
    if (!reload_code_is_request(peek_code(header, message)) || peer_reply_init(&reply, peer, header, from))
        return;
    peer_answer_error(peer, now, &reply, code, text);
    peer_reply_fini(&reply);
}

void peer_forward_too_large(struct peer *peer, struct now now, struct link *from, struct slice prefix)
{
    struct region region;
    struct reload_header header;
    struct fault fault;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    if (!reload_header_peek(prefix, &region, &header, &fault))
        forward_error(peer, now, &header, from, prefix, RELOAD_ERROR_MESSAGE_TOO_LARGE, "larger than max-message-size");
    region_fini(&region);
}

/* ---- routing ---- */

bool peer_forward_is_ours(const struct peer *peer, struct id place)
{
    if (peer->state != PEER_JOINED && peer->state != PEER_LEAVING)
        return false;
    return id_eq(chord_table_responsible(&peer->table, place), peer->options.self);
}

/* Chord's 128 bits of a place on the ring. */
static bool place_of(const struct reload_destination *destination, struct id *ret_place)
{
    if (destination->type == RELOAD_DESTINATION_NODE) {
        *ret_place = destination->node;
        return true;
    }
    if (destination->type != RELOAD_DESTINATION_RESOURCE || destination->octets.n != ID_OCTETS)
        return false;
    memcpy(ret_place->octets, destination->octets.p, ID_OCTETS);
    return true;
}

/* How often a message has come through here before. A via list that we have kept behind an opaque id was long: what comes back with it is in
 * circles for good. */
static unsigned times_here(const struct peer *peer, const struct reload_header *header)
{
    unsigned n = 0;
    for (size_t i = 0; i < header->via_count; i++) {
        const struct reload_destination *hop = &header->via[i];
        if (hop->type == RELOAD_DESTINATION_NODE)
            n += id_eq(hop->node, peer->options.self);
        else if (hop->type == RELOAD_DESTINATION_OPAQUE_ID && map_get(&peer->opaque, hop->octets))
            n += SELF_IN_VIA_MAX;
    }
    return n;
}

enum hop { HOP_HERE, HOP_LINK, HOP_DROP, HOP_NO_ROUTE };

/* 6.1.1 and 6.1.2 for the first entry of a Destination List that is no opaque id. */
static enum hop next_hop(const struct peer *peer, const struct reload_destination *first, bool again,
                         const struct first_hops *tried, struct link **ret_link)
{
    struct id place;
    if (!place_of(first, &place))
        return HOP_DROP;
    bool is_node = first->type == RELOAD_DESTINATION_NODE;
    if (is_node && (id_eq(place, peer->options.self) || id_is_wildcard(place)))
        return HOP_HERE;
    if (is_node && (*ret_link = peer_link_to(peer, place)) != NULL)
        return HOP_LINK;
    if (peer_forward_is_ours(peer, place))
        return is_node ? HOP_DROP : HOP_HERE;
    /* It has come through here before: the peer before the place does not know, or cannot reach, the one behind it that we know. */
    if (again && (*ret_link = peer_link_to(peer, chord_table_responsible(&peer->table, place))) != NULL)
        return HOP_LINK;
    return chord_next_hop(peer, place, tried, ret_link) ? HOP_LINK : HOP_NO_ROUTE;
}

bool peer_forward_next_hop(const struct peer *peer, const struct reload_destination *place, struct id *ret_node)
{
    struct link *link;
    enum hop hop = next_hop(peer, place, false, NULL, &link);
    if (hop == HOP_LINK)
        *ret_node = link->node;
    else
        *ret_node = peer->options.self;
    return hop == HOP_LINK || hop == HOP_HERE;
}

/* Works through the Destination List as far as it concerns us. */
static enum hop resolve(struct peer *peer, struct reload_header *header, const struct first_hops *tried,
                        struct region *region, struct link **ret_link)
{
    for (unsigned steps = 0; steps < 2 * RELOAD_DESTINATIONS_MAX && header->destination_count; steps++) {
        const struct reload_destination *first = &header->destinations[0];
        if (first->type == RELOAD_DESTINATION_OPAQUE_ID) {
            if (opaque_expand(peer, header, region)) {
                peer->counters.opaque_id_unknown++;
                return HOP_DROP;
            }
            continue;
        }
        enum hop hop = next_hop(peer, first, times_here(peer, header) > 0, tried, ret_link);
        if (hop != HOP_HERE || header->destination_count == 1)
            return hop;
        /* A resource, or the wildcard, with something behind it (6.1.1): dropped, or consumed. Our own Node-ID: on to the next entry. */
        if (first->type == RELOAD_DESTINATION_RESOURCE)
            return HOP_DROP;
        if (id_is_wildcard(first->node))
            return HOP_HERE;
        reload_header_destination_pop(header);
    }
    return HOP_DROP;
}

/* Whether a message may go into the ring for this sender: without clients-permitted only what a joining node needs. */
static bool is_client_request(const struct peer *peer, const struct link *from, uint16_t code)
{
    if (!from || from->member || peer->config->clients_permitted)
        return false;
    switch (code) {
    case RELOAD_STORE_REQ:
    case RELOAD_FETCH_REQ:
    case RELOAD_STAT_REQ:
    case RELOAD_FIND_REQ:
    case RELOAD_APP_ATTACH_REQ:
        return true;
    default:
        return false;
    }
}

/* "If a node with a certificate with multiple Node-IDs attempts to route a message other than a Ping or Attach through a node without
 * performing an Attach, the receiving node MUST reject the request" (6.1.2). */
static bool is_before_attach(struct link *from, const struct reload_header *header, uint16_t code)
{
    if (!from || !from->must_attach || !reload_code_is_request(code))
        return false;
    if (code == RELOAD_ATTACH_REQ && !header->via_count)
        from->must_attach = false;
    return code != RELOAD_ATTACH_REQ && code != RELOAD_PING_REQ;
}

/* Passes a message on. `received` is its header as it came, `header` the copy with the Destination List worked through. */
static void forward(struct peer *peer, struct now now, struct link *from, struct slice message,
                    const struct reload_header *received, struct reload_header *header, struct link *to,
                    struct region *region)
{
    uint16_t code = peek_code(received, message);
    bool answer = code && !reload_code_is_request(code);
    for (size_t i = 0; i < header->option_count; i++)
        if (header->options[i].flags & RELOAD_FORWARD_CRITICAL) {
            peer->counters.option_unsupported++;
            forward_error(peer, now, received, from, message, RELOAD_ERROR_UNSUPPORTED_FORWARDING_OPTION, "");
            return;
        }
    if (from) {
        if (!header->ttl || times_here(peer, header) >= SELF_IN_VIA_MAX) {
            peer->counters.ttl_exceeded++;
            forward_error(peer, now, received, from, message, RELOAD_ERROR_TTL_EXCEEDED, "");
            return;
        }
        header->ttl--;
    }
    if (from && !answer) {
        struct reload_destination hop = reload_destination_node(from->node);
        int err = reload_header_via_append(header, &hop, region);
        size_t octets = reload_header_encoded_octets(header);
        struct reload_header bare = *header;
        bare.via_count = 0;
        if (!err && octets - reload_header_encoded_octets(&bare) > peer->options.via_octets_max)
            err = opaque_keep(peer, now, header, region);
        if (err) {
            peer->counters.memory_refused++;
            return;
        }
    }
    struct buf out;
    buf_init(&out, RELOAD_MESSAGE_OCTETS_MAX);
    if (reload_message_forward(message, received, header, &out)) {
        peer->counters.memory_refused++;
    } else {
        peer->counters.forwarded += from != NULL;
        peer_link_send(peer, now, to, buf_slice(&out));
    }
    buf_fini(&out);
}

/* Other overlays, hop counts: what is looked at before the destination (6.3.2). False: the message is done with. */
static bool header_is_ours(struct peer *peer, struct now now, struct link *from, const struct reload_header *header,
                           struct slice message)
{
    if (header->overlay != peer->overlay) {
        peer->counters.message_other_overlay++;
        forward_error(peer, now, header, from, message, RELOAD_ERROR_INCOMPATIBLE_WITH_OVERLAY, "another overlay");
        return false;
    }
    if (header->ttl > peer->config->initial_ttl) {
        peer->counters.ttl_exceeded++;
        forward_error(peer, now, header, from, message, RELOAD_ERROR_TTL_EXCEEDED, "greater than initial-ttl");
        return false;
    }
    if (is_client_request(peer, from, peek_code(header, message))) {
        peer->counters.message_from_client++;
        forward_error(peer, now, header, from, message, RELOAD_ERROR_FORBIDDEN,
                      "clients are not permitted: join first");
        return false;
    }
    if (is_before_attach(from, header, peek_code(header, message))) {
        peer->counters.message_before_attach++;
        forward_error(peer, now, header, from, message, RELOAD_ERROR_FORBIDDEN,
                      "a certificate of several nodes: attach first");
        return false;
    }
    return true;
}

/* A message of another version of RELOAD: discarded, and its sender told if it can be found (6.1, 6.3.2). */
static void refuse_version(struct peer *peer, struct now now, const struct link *from, struct slice message,
                           struct region *region)
{
    struct reload_header header;
    struct fault fault;
    peer->counters.message_other_version++;
    if (reload_header_decode_other_version(message, region, &header, &fault) == 0)
        forward_error(peer, now, &header, from, message, RELOAD_ERROR_INCOMPATIBLE_WITH_OVERLAY,
                      "another version of RELOAD");
}

/* Who looks for the ring, and takes us for a member of it, hears at once that we are not, and whether we may begin one. What others send
 * waits until we are a member. */
static void no_route(struct peer *peer, struct now now, const struct link *from, const struct reload_header *header,
                     struct slice message)
{
    uint16_t code = peek_code(header, message);
    bool outside = peer->state == PEER_CONNECTING || peer->state == PEER_ATTACHING;
    if (outside && (code == RELOAD_ATTACH_REQ || code == RELOAD_JOIN_REQ))
        forward_error(peer, now, header, from, message,
                      peer->options.first ? RELOAD_ERROR_IN_PROGRESS : RELOAD_ERROR_NOT_FOUND,
                      "this node is outside of the ring");
    else if (!from || !peer_early_keep(peer, from, message))
        peer->counters.forward_no_route++;
}

/* An answer keeps no Via List: nothing in it says where it was. Answers for which we stood in the Destination List were sent here on purpose, and lose
 * an entry each time; all others are to come nearer to their place with each hop, first from before it, then, if they came past it, from
 * behind it. */
static bool is_answer_passing_by(const struct link *from, const struct reload_header *received,
                                 const struct reload_header *header, uint16_t code)
{
    return from && !reload_code_is_request(code) && header->destinations == received->destinations;
}

/* If we know nobody nearer to its next node than who sent it to us, and he nobody nearer than us, it would go to and fro until its TTL ends. */
static bool goes_to_and_fro(const struct link *from, const struct link *to, const struct reload_header *header)
{
    const struct reload_destination *next = &header->destinations[0];
    return from == to && !(next->type == RELOAD_DESTINATION_NODE && id_eq(next->node, to->node));
}

/* An answer that comes past its place: the peer before that takes us for the owner, and knows nothing of the one that we know. It would come by
 * once more, all around the ring: it goes straight to the owner, who stands between the place and us. If we know of none and are none, since we
 * are only joining, it is to be dropped: false. */
static bool back_to_owner(const struct peer *peer, const struct link *from, const struct reload_header *header,
                          struct link **to)
{
    struct id place;
    if (!from->member || !place_of(&header->destinations[0], &place) || id_eq((*to)->node, place) ||
        !id_in_open_open(from->node, place, peer->options.self))
        return true;
    struct link *owner = peer_link_to(peer, chord_table_responsible(&peer->table, place));
    if (!owner)
        return false;
    *to = owner;
    return true;
}

static void input(struct peer *peer, struct now now, struct link *from, struct slice message, struct region *region)
{
    struct reload_header received;
    struct fault fault;
    int err = reload_header_decode(message, region, &received, &fault);
    if (err) {
        if (err == ERR_UNSUPPORTED)
            refuse_version(peer, now, from, message, region);
        else
            peer->counters.message_malformed++;
        log_event(peer->ports.log, LEVEL_DEBUG, "ring.message.malformed", "octet=%zu rule=\"%s\"", fault.octet,
                  fault.rule);
        return;
    }
    uint16_t code = peek_code(&received, message);
    if (reload_code_is_request(code) && !peer_rate_link(peer, now, from))
        return;
    if (!header_is_ours(peer, now, from, &received, message))
        return;
    struct reload_header header = received;
    struct link *to = NULL;
    struct id place;
    switch (resolve(peer, &header, NULL, region, &to)) {
    case HOP_HERE:
        peer_deliver(peer, now, from, &received, message, region);
        break;
    case HOP_LINK:
        if (is_answer_passing_by(from, &received, &header, code) &&
            (!back_to_owner(peer, from, &header, &to) || goes_to_and_fro(from, to, &header))) {
            peer->counters.forward_no_route++;
            break;
        }
        if (from && received.destination_count == 1 && reload_code_is_request(code) &&
            place_of(&header.destinations[0], &place))
            chord_correct(peer, now, from, place);
        forward(peer, now, from, message, &received, &header, to, region);
        break;
    case HOP_DROP:
        peer->counters.dropped_destination++;
        break;
    case HOP_NO_ROUTE:
        no_route(peer, now, from, &received, message);
        break;
    }
}

void peer_forward_input(struct peer *peer, struct now now, struct link *from, struct slice message)
{
    struct region region;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    input(peer, now, from, message, &region);
    region_fini(&region);
}

/* ---- our own messages ---- */

/* For ourselves: taken up when the event that is being worked on is done. */
static void loop_back(struct peer *peer, struct buf *message)
{
    struct looped *looped = mem_alloc(sizeof *looped);
    if (!looped) {
        peer->counters.memory_refused++;
        buf_fini(message);
        return;
    }
    list_init(&looped->order);
    looped->message = *message;
    list_append(&peer->loopback, &looped->order);
}

void peer_forward_originate(struct peer *peer, struct now now, uint64_t first_link, const struct reload_header *header,
                            struct slice rest, struct first_hops *tried)
{
    struct region region;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    struct reload_header resolved = *header;
    struct link *to = first_link ? peer_link_find(peer, first_link) : NULL;
    enum hop hop = HOP_LINK;
    if (!first_link)
        hop = resolve(peer, &resolved, tried, &region, &to);
    else if (!to || (to->state != LINK_UP && to->state != LINK_NAMELESS))
        hop = HOP_NO_ROUTE;
    struct buf out;
    buf_init(&out, RELOAD_MESSAGE_OCTETS_MAX);
    reload_header_encode(&resolved, rest.n, &out);
    buf_slice_put(&out, rest);
    if (out.err) {
        peer->counters.memory_refused++;
    } else if (hop == HOP_HERE) {
        loop_back(peer, &out);
        buf_init(&out, 0);
    } else if (hop == HOP_LINK) {
        peer_link_send(peer, now, to, buf_slice(&out));
        if (tried && tried->n < FIRST_HOPS_MAX)
            tried->nodes[tried->n++] = to->node;
    } else {
        peer->counters.forward_no_route++;
    }
    buf_fini(&out);
    region_fini(&region);
}
