/* The crowd of peers: trace/crowd.h. */
#include "trace/crowd.h"

#include "base/list.h"
#include "base/mem.h"
#include "reload/frame.h"
#include "testing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define WALL_BEGAN_MS 1772366400000 /* 2026-03-01T12:00:00Z */
#define CITIES 60
#define RESULT_MS 60000 /* until then every request has ended */
#define KM_PER_MS 140.0 /* light in fiber, and the detours of cables */
#define EARTH_KM 6371.0

enum event_type { EVENT_ACCEPT, EVENT_UP, EVENT_FAILED, EVENT_OCTETS, EVENT_DOWN };

/* A connection between two nodes: [0] connected, [1] accepted. */
struct crowd_pipe {
    unsigned node[2];
    uint64_t link[2];
    bool known[2]; /* the peer has this end and has not closed it */
    unsigned events;
    struct mono arrival[2]; /* of the last that was sent to this end: a stream keeps its order */
};

struct event {
    struct heap_node node;
    enum event_type type;
    struct crowd_pipe *pipe;
    unsigned end; /* to which it happens */
    struct buf octets;
};

/* ---- signatures that cost nothing: a certificate is its Node-ID, and so is a signature ---- */

unsigned crowd_find(const struct crowd *crowd, struct id id)
{
    unsigned low = 0, high = crowd->count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (id_cmp(crowd->nodes[crowd->sorted[middle]].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < crowd->count && id_eq(crowd->nodes[crowd->sorted[low]].id, id) ? crowd->sorted[low] : crowd->count;
}

static int find_cert(const struct crowd_node *node, const uint8_t *id_octets, const struct security_cert **ret_cert)
{
    struct id id;
    memcpy(id.octets, id_octets, ID_OCTETS);
    unsigned n = crowd_find(node->crowd, id);
    if (n == node->crowd->count)
        return ERR_NOT_FOUND;
    *ret_cert = &node->crowd->nodes[n].cert;
    return 0;
}

static int admit(void *ctx, struct slice der, struct wall now, const struct security_cert **ret_cert)
{
    (void)now;
    return der.n == 1 + ID_OCTETS ? find_cert(ctx, der.p + 1, ret_cert) : ERR_SYNTAX;
}

static int lookup(void *ctx, const uint8_t hash[SECURITY_HASH_OCTETS], struct wall now,
                  const struct security_cert **ret_cert)
{
    (void)now;
    return find_cert(ctx, hash, ret_cert);
}

static int verify(void *ctx, const struct security_cert *cert, struct slice octets, struct slice signature)
{
    (void)ctx, (void)octets;
    return slice_eq(signature, id_slice(&cert->node_ids[0])) ? 0 : ERR_AUTH;
}

static int sign(void *ctx, struct slice octets, struct buf *ret_signature)
{
    const struct crowd_node *node = ctx;
    (void)octets;
    buf_put(ret_signature, node->id.octets, ID_OCTETS);
    return ret_signature->err;
}

static void own(void *ctx, struct security_signer *ret_signer)
{
    const struct crowd_node *node = ctx;
    *ret_signer = (struct security_signer){node->id, &node->cert};
}

static const struct security_ops security_ops = {admit, lookup, verify, sign, own};

/* ---- the globe ---- */

static double uniform(struct crowd *crowd)
{
    return (double)(entropy_u64(&crowd->entropy) >> 11) / 9007199254740992.0;
}

static void place_somewhere(struct crowd *crowd, double ret_place[3])
{
    double z = 2 * uniform(crowd) - 1, angle = 6.283185307179586 * uniform(crowd), r = sqrt(1 - z * z);
    ret_place[0] = r * cos(angle);
    ret_place[1] = r * sin(angle);
    ret_place[2] = z;
}

double crowd_latency_ms(const struct crowd *crowd, unsigned a, unsigned b)
{
    const struct crowd_node *x = &crowd->nodes[a], *y = &crowd->nodes[b];
    double cosine = x->place[0] * y->place[0] + x->place[1] * y->place[1] + x->place[2] * y->place[2];
    double arc = acos(cosine > 1 ? 1 : cosine < -1 ? -1 : cosine);
    return arc * EARTH_KM / KM_PER_MS + x->access_ms + y->access_ms;
}

/* ---- connections ---- */

static struct event *event_add(struct crowd *crowd, enum event_type type, struct crowd_pipe *pipe, unsigned end)
{
    struct event *event = mem_alloc(sizeof *event);
    assert_non_null(event);
    event->type = type;
    event->pipe = pipe;
    event->end = end;
    pipe->events++;
    double ms = crowd_latency_ms(crowd, pipe->node[0], pipe->node[1]) * (1 + 0.05 * uniform(crowd));
    struct mono due = mono_max(mono_after_us(crowd->now.mono, (int64_t)(ms * 1000)), pipe->arrival[end]);
    pipe->arrival[end] = due;
    assert_int_equal(heap_set(&crowd->events, &event->node, due), 0);
    return event;
}

static void pipe_release(struct crowd_pipe *pipe)
{
    if (!pipe->events && !pipe->known[0] && !pipe->known[1])
        mem_free(pipe);
}

/* The node's end of the pipe has this number from now on. */
static void pipe_know(struct crowd_node *node, struct crowd_pipe *pipe, unsigned end, uint64_t link)
{
    if (node->pipe_count == node->pipe_capacity) {
        node->pipe_capacity = node->pipe_capacity ? 2 * node->pipe_capacity : 16;
        node->pipes = mem_resize(node->pipes, node->pipe_capacity * sizeof *node->pipes);
        assert_non_null(node->pipes);
    }
    node->pipes[node->pipe_count++] = pipe;
    pipe->link[end] = link;
    pipe->known[end] = true;
}

static void pipe_forget(struct crowd *crowd, struct crowd_pipe *pipe, unsigned end)
{
    struct crowd_node *node = &crowd->nodes[pipe->node[end]];
    size_t i = 0;
    if (!pipe->known[end])
        return;
    pipe->known[end] = false;
    while (node->pipes[i] != pipe)
        i++;
    node->pipes[i] = node->pipes[--node->pipe_count];
}

static struct crowd_pipe *pipe_find(const struct crowd_node *node, uint64_t link, unsigned *ret_end)
{
    for (size_t i = 0; i < node->pipe_count; i++) {
        struct crowd_pipe *pipe = node->pipes[i];
        unsigned end = &node->crowd->nodes[pipe->node[0]] != node;
        if (pipe->known[end] && pipe->link[end] == link) {
            *ret_end = end;
            return pipe;
        }
    }
    return NULL;
}

static void connect_link(struct crowd *crowd, struct crowd_node *from, const struct peer_effect *effect)
{
    struct crowd_pipe *pipe = mem_alloc(sizeof *pipe);
    unsigned to = (unsigned)effect->addr.ip[1] << 16 | (unsigned)effect->addr.ip[2] << 8 | effect->addr.ip[3];
    assert_non_null(pipe);
    assert_true(to < crowd->count);
    pipe->node[0] = (unsigned)(from - crowd->nodes);
    pipe->node[1] = to;
    pipe_know(from, pipe, 0, effect->link);
    crowd->connects++;
    event_add(crowd, EVENT_ACCEPT, pipe, 1);
}

static void count_message(struct crowd *crowd, struct slice message)
{
    struct region region;
    struct reload_header header;
    struct fault fault;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    assert_int_equal(reload_header_decode(message, &region, &header, &fault), 0);
    const uint8_t *contents = message.p + header.octets;
    uint16_t code = (uint16_t)(contents[0] << 8 | contents[1]);
    crowd->messages++;
    crowd->octets += message.n;
    crowd->messages_of[code < CROWD_CODES ? code : CROWD_CODES - 1]++;
    crowd->hops += code == RELOAD_FETCH_REQ;
    region_fini(&region);
}

static void send_octets(struct crowd *crowd, struct crowd_node *from, const struct peer_effect *effect)
{
    unsigned end;
    struct crowd_pipe *pipe = pipe_find(from, effect->link, &end);
    if (!pipe)
        return;
    struct event *event = event_add(crowd, EVENT_OCTETS, pipe, !end);
    buf_init(&event->octets, SIZE_MAX);
    struct slice left = effect->octets;
    while (left.n) {
        struct reload_frame frame;
        struct fault fault;
        size_t octets;
        assert_int_equal(reload_frame_decode(left, RELOAD_MESSAGE_OCTETS_MAX, &frame, &octets, &fault), 0);
        struct buf instead;
        buf_init(&instead, RELOAD_MESSAGE_OCTETS_MAX);
        if (frame.type == RELOAD_FRAME_DATA) {
            count_message(crowd, frame.message);
            if (crowd->tap &&
                crowd->tap(crowd->tap_ctx, crowd, pipe->node[end], pipe->node[!end], frame.message, &instead))
                frame.message = buf_slice(&instead);
        }
        reload_frame_encode(&frame, &event->octets);
        buf_fini(&instead);
        left = slice_of(left.p + octets, left.n - octets);
    }
    assert_int_equal(event->octets.err, 0);
}

/* Carries out what the node's peer wants. The result of a look-up, if there is one, is the caller's. */
static struct peer_effect *drain(struct crowd_node *node)
{
    struct crowd *crowd = node->crowd;
    struct peer_effect *effect, *result = NULL;
    unsigned end;
    struct crowd_pipe *pipe;
    if (!node->peer)
        return NULL;
    do {
        while ((effect = peer_effect_next(node->peer)) != NULL) {
            if (effect->type == PEER_CONNECT) {
                connect_link(crowd, node, effect);
            } else if (effect->type == PEER_SEND) {
                send_octets(crowd, node, effect);
            } else if (effect->type == PEER_CLOSE && (pipe = pipe_find(node, effect->link, &end)) != NULL) {
                pipe_forget(crowd, pipe, end);
                event_add(crowd, EVENT_DOWN, pipe, !end);
            } else if (effect->type == PEER_RESULT && !result) {
                result = effect;
                continue;
            }
            peer_effect_free(effect);
        }
    } while (memory_store_turn(node->kv));
    assert_int_equal(heap_set(&crowd->events, &node->tick, peer_deadline(node->peer)), 0);
    return result;
}

/* ---- time ---- */

static void happen(struct crowd *crowd, struct event *event)
{
    struct crowd_pipe *pipe = event->pipe;
    unsigned end = event->end;
    struct crowd_node *node = &crowd->nodes[pipe->node[end]], *other = &crowd->nodes[pipe->node[!end]];
    struct slice certificate = slice_of(other->der, sizeof other->der);
    uint64_t link;
    switch (event->type) {
    case EVENT_ACCEPT:
        if (pipe->known[0] && node->peer &&
            peer_link_accept(node->peer, crowd->now, &other->addr, certificate, &link) == 0) {
            pipe_know(node, pipe, 1, link);
            event_add(crowd, EVENT_UP, pipe, 0);
        } else {
            event_add(crowd, EVENT_FAILED, pipe, 0);
        }
        break;
    case EVENT_UP:
        if (pipe->known[0] && peer_link_up(node->peer, crowd->now, pipe->link[0], certificate) != 0) {
            pipe_forget(crowd, pipe, 0);
            event_add(crowd, EVENT_DOWN, pipe, 1);
        }
        break;
    case EVENT_FAILED:
        if (pipe->known[0]) {
            pipe_forget(crowd, pipe, 0);
            peer_link_connect_failed(node->peer, crowd->now, pipe->link[0], ERR_UNREACHABLE);
        }
        break;
    case EVENT_OCTETS:
        if (pipe->known[end])
            peer_link_input(node->peer, crowd->now, pipe->link[end], buf_slice(&event->octets));
        break;
    case EVENT_DOWN:
        if (pipe->known[end]) {
            pipe_forget(crowd, pipe, end);
            peer_link_down(node->peer, crowd->now, pipe->link[end]);
        }
        break;
    }
}

/* One event, or one tick. The effect that drain leaves over, if any. */
static struct peer_effect *step(struct crowd *crowd, struct heap_node *due)
{
    struct crowd_node *node = CONTAINER_OF(due, struct crowd_node, tick);
    if (node >= crowd->nodes && node < crowd->nodes + crowd->count) {
        peer_tick(node->peer, crowd->now);
        return drain(node);
    }
    struct event *event = CONTAINER_OF(due, struct event, node);
    happen(crowd, event);
    node = &crowd->nodes[event->pipe->node[event->end]];
    event->pipe->events--;
    pipe_release(event->pipe);
    buf_fini(&event->octets);
    mem_free(event);
    return drain(node);
}

/* Until then, or until a result comes. */
static struct peer_effect *run_until(struct crowd *crowd, struct mono end)
{
    struct peer_effect *result = NULL;
    while (!result) {
        struct mono next = heap_deadline(&crowd->events);
        if (next.us > end.us)
            break;
        crowd->now.mono = mono_max(crowd->now.mono, next);
        crowd->now.wall.ms = WALL_BEGAN_MS + crowd->now.mono.us / 1000;
        result = step(crowd, heap_pop_due(&crowd->events, crowd->now.mono));
    }
    if (!result)
        crowd->now.mono = mono_max(crowd->now.mono, end);
    return result;
}

void crowd_run(struct crowd *crowd, int64_t ms)
{
    struct mono end = mono_after_ms(crowd->now.mono, ms);
    struct peer_effect *result;
    while ((result = run_until(crowd, end)) != NULL)
        peer_effect_free(result);
}

struct peer_effect *crowd_result(struct crowd *crowd, unsigned node)
{
    struct peer_effect *effect = drain(&crowd->nodes[node]);
    if (!effect)
        effect = run_until(crowd, mono_after_ms(crowd->now.mono, RESULT_MS));
    assert_non_null(effect);
    return effect;
}

/* ---- nodes ---- */

static const struct crowd *sorting; /* qsort has no context */

static int by_id(const void *a, const void *b)
{
    return id_cmp(sorting->nodes[*(const unsigned *)a].id, sorting->nodes[*(const unsigned *)b].id);
}

struct crowd *crowd_new(uint64_t seed, unsigned nodes)
{
    struct crowd *crowd = mem_alloc(sizeof *crowd);
    assert_non_null(crowd);
    crowd->now = (struct now){{1000000}, {WALL_BEGAN_MS}};
    crowd->seed.state = seed;
    crowd->entropy = seeded_entropy_port(&crowd->seed);
    crowd->count = nodes;
    crowd->nodes = mem_alloc(nodes * sizeof *crowd->nodes);
    crowd->sorted = mem_alloc(nodes * sizeof *crowd->sorted);
    assert_true(crowd->nodes && crowd->sorted);
    heap_init(&crowd->events);
    config_init(&crowd->config);
    crowd->config.instance_name = slice_str("ring.test");
    crowd->config.sequence = 1;
    crowd->config.no_ice = true;
    crowd->config.clients_permitted = false;
    crowd->config.max_message_size = 16384;
    struct kind kind;
    assert_int_equal(kind_registered(slice_str("VIPR-REGISTRATION"), &kind), 0);
    assert_int_equal(kind_add(&crowd->config.kinds, &kind), 0);
    double cities[CITIES][3];
    for (unsigned i = 0; i < CITIES; i++)
        place_somewhere(crowd, cities[i]);
    for (unsigned i = 0; i < nodes; i++) {
        struct crowd_node *node = &crowd->nodes[i];
        node->crowd = crowd;
        entropy_fill(&crowd->entropy, node->id.octets, ID_OCTETS);
        node->addr =
            (struct addr){.family = 4, .port = 6084, .ip = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
        node->security = (struct security){.ops = &security_ops, .ctx = node};
        node->der[0] = 1;
        memcpy(node->der + 1, node->id.octets, ID_OCTETS);
        memcpy(node->cert.hash, node->id.octets, ID_OCTETS);
        node->cert.der = slice_of(node->der, sizeof node->der);
        node->cert.node_ids[0] = node->id;
        node->cert.node_id_count = 1;
        node->cert.user = "node@ring.test";
        node->cert.not_after.ms = INT64_MAX;
        node->cert.signature_algorithm = RELOAD_SIGNATURE_ECDSA;
        memcpy(node->place, cities[entropy_below(&crowd->entropy, CITIES)], sizeof node->place);
        node->access_ms = 1 - 3 * log(1 - uniform(crowd));
        crowd->sorted[i] = i;
    }
    sorting = crowd;
    qsort(crowd->sorted, nodes, sizeof *crowd->sorted, by_id);
    return crowd;
}

void crowd_kill(struct crowd *crowd, unsigned number)
{
    struct crowd_node *node = &crowd->nodes[number];
    while (node->pipe_count) {
        struct crowd_pipe *pipe = node->pipes[0];
        unsigned end = pipe->node[0] != number;
        pipe_forget(crowd, pipe, end);
        event_add(crowd, EVENT_DOWN, pipe, !end);
    }
    peer_free(node->peer);
    storage_free(node->storage);
    memory_store_free(node->kv);
    mem_free(node->pipes);
    heap_remove(&crowd->events, &node->tick);
    node->peer = NULL;
    node->storage = NULL;
    node->kv = NULL;
    node->pipes = NULL;
    node->pipe_capacity = 0;
}

void crowd_free(struct crowd *crowd)
{
    for (unsigned i = 0; i < crowd->started; i++)
        if (crowd->nodes[i].peer)
            crowd_kill(crowd, i);
    struct heap_node *due;
    while ((due = heap_pop_due(&crowd->events, MONO_NEVER)) != NULL) {
        struct event *event = CONTAINER_OF(due, struct event, node);
        event->pipe->events--;
        pipe_release(event->pipe);
        buf_fini(&event->octets);
        mem_free(event);
    }
    heap_fini(&crowd->events);
    mem_free(crowd->nodes);
    mem_free(crowd->sorted);
    mem_free(crowd);
}

static void start(struct crowd *crowd, struct crowd_node *node)
{
    struct storage_options storage_options;
    struct peer_options options;
    assert_int_equal(memory_store_new(&node->kv), 0);
    storage_options_default(&storage_options);
    struct storage_ports storage_ports = {*memory_store_kv(node->kv), &node->security, NULL};
    assert_int_equal(storage_new(&storage_options, &storage_ports, &crowd->config.kinds, &node->storage), 0);
    assert_int_equal(storage_load(node->storage, crowd->now), 0);
    peer_options_default(&options);
    options.self = node->id;
    options.address = node->addr;
    options.first = node == crowd->nodes;
    if (crowd->tune)
        crowd->tune(&options);
    struct peer_ports ports = {crowd->entropy, NULL, &node->security, node->storage};
    assert_int_equal(peer_new(&options, &ports, &crowd->config, crowd->now, &node->peer), 0);
    peer_start(node->peer, crowd->now, &crowd->nodes[0].addr, 1);
    struct peer_effect *result = drain(node);
    assert_null(result);
}

void crowd_grow(struct crowd *crowd, unsigned n, int64_t gap_ms)
{
    for (unsigned i = 0; i < n; i++) {
        assert_true(crowd->started < crowd->count);
        start(crowd, &crowd->nodes[crowd->started++]);
        crowd_run(crowd, gap_ms);
    }
}

/* ---- looking at it ---- */

bool crowd_all_joined(const struct crowd *crowd)
{
    for (unsigned i = 0; i < crowd->started; i++)
        if (crowd->nodes[i].peer && peer_state(crowd->nodes[i].peer) != PEER_JOINED)
            return false;
    return true;
}

bool crowd_is_right(struct crowd *crowd)
{
    unsigned running = 0;
    unsigned *up = mem_alloc(crowd->count * sizeof *up);
    assert_non_null(up);
    for (unsigned i = 0; i < crowd->count; i++)
        if (crowd->nodes[crowd->sorted[i]].peer)
            up[running++] = crowd->sorted[i];
    bool right = true;
    for (unsigned i = 0; i < running && right; i++) {
        struct region region;
        struct peer_view view;
        region_init(&region, 1 << 20);
        assert_int_equal(peer_view(crowd->nodes[up[i]].peer, crowd->now, &region, &view), 0);
        unsigned wanted = running - 1 < 4 ? running - 1 : 4;
        right = view.state == PEER_JOINED && view.successor_count >= wanted && view.predecessor_count >= wanted;
        for (unsigned k = 0; right && k < wanted; k++)
            right = id_eq(view.successors[k], crowd->nodes[up[(i + k + 1) % running]].id) &&
                    id_eq(view.predecessors[k], crowd->nodes[up[(i + running - k - 1) % running]].id);
        region_fini(&region);
        if (!right)
            fprintf(stderr, "node %u has other neighbors than it should have\n", up[i]);
    }
    mem_free(up);
    return right;
}

unsigned crowd_random_node(struct crowd *crowd)
{
    unsigned n;
    do
        n = (unsigned)entropy_below(&crowd->entropy, crowd->started);
    while (!crowd->nodes[n].peer);
    return n;
}

static void count_links(struct crowd *crowd, struct crowd_measure *measure)
{
    unsigned nodes = 0;
    for (unsigned i = 0; i < crowd->started; i++) {
        if (!crowd->nodes[i].peer)
            continue;
        struct region region;
        struct peer_view view;
        region_init(&region, 1 << 20);
        assert_int_equal(peer_view(crowd->nodes[i].peer, crowd->now, &region, &view), 0);
        unsigned links = (unsigned)view.link_count;
        region_fini(&region);
        measure->links_mean += links;
        if (i) /* the bootstrap node has visitors */
            measure->links_max = links > measure->links_max ? links : measure->links_max;
        nodes++;
    }
    measure->links_mean /= nodes;
}

struct crowd_measure crowd_measure(struct crowd *crowd, unsigned lookups)
{
    struct crowd_measure measure = {.lookups = lookups};
    count_links(crowd, &measure);
    unsigned done = 0;
    for (unsigned i = 0; i < lookups; i++) {
        unsigned from = crowd_random_node(crowd);
        struct crowd_node *node = &crowd->nodes[from];
        struct id place;
        entropy_fill(&crowd->entropy, place.octets, ID_OCTETS);
        crowd->hops = 0;
        peer_fetch(node->peer, crowd->now, i, place, RELOAD_KIND_VIPR_REGISTRATION);
        struct peer_effect *effect = crowd_result(crowd, from);
        const struct peer_result *result = effect->result;
        unsigned responder = result->err ? crowd->count : crowd_find(crowd, result->responder);
        if (responder < crowd->count) {
            unsigned hops = (unsigned)crowd->hops;
            done++;
            measure.hops_mean += hops;
            measure.hops_max = hops > measure.hops_max ? hops : measure.hops_max;
            measure.time_mean += (double)result->elapsed_us / 1000;
            measure.direct_mean += responder == from ? 0 : 2 * crowd_latency_ms(crowd, from, responder);
        } else {
            measure.failed++;
        }
        peer_effect_free(effect);
    }
    if (done) {
        measure.hops_mean /= done;
        measure.time_mean /= done;
        measure.direct_mean /= done;
    }
    return measure;
}
