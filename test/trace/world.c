/* The world of the traces: trace/world.h. */
#include "trace/world.h"

#include "base/mem.h"
#include "reload/frame.h"
#include "testing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define OVERLAY "ring.test"
#define LATENCY_US 10000
#define EPHEMERAL_PORT 50000        /* from which nodes connect */
#define WALL_BEGAN_MS 1772366400000 /* 2026-03-01T12:00:00Z */

/* Two ends of a link: [0] connected, [1] accepted. */
struct pipe {
    struct list order;
    unsigned node[2];
    uint64_t link[2];
    bool known[2]; /* the peer has this end and has not closed it */
    unsigned events;
};

enum event_type { EVENT_ACCEPT, EVENT_UP, EVENT_FAILED, EVENT_OCTETS, EVENT_DOWN };

struct event {
    struct heap_node node;
    enum event_type type;
    struct pipe *pipe;
    unsigned end; /* to which it happens */
    struct buf octets;
};

/* ---- writing down ---- */

static void trace_line(struct world *world, const char *text)
{
    size_t start = world->trace.n;
    buf_printf(&world->trace, "[%" PRId64 "] %s\n", mono_since_us(world->now.mono, world->began) / 1000, text);
    if (world->print)
        fprintf(stderr, "%.*s", (int)(world->trace.n - start), (const char *)world->trace.p + start);
}

static void trace_message(struct world *world, unsigned from, unsigned to, struct slice message)
{
    struct region region;
    struct reload_header header;
    struct fault fault;
    char text[128];
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    world->messages++;
    if (reload_header_decode(message, &region, &header, &fault)) {
        snprintf(text, sizeof text, "%u > (not a message) %u", from, to);
    } else {
        const uint8_t *contents = message.p + header.octets;
        uint16_t code = (uint16_t)(contents[0] << 8 | contents[1]);
        const char *name = reload_code_name(code);
        if (code == RELOAD_ERROR)
            name = reload_error_name((uint16_t)(contents[6] << 8 | contents[7]));
        snprintf(text, sizeof text, "%u > %s %u", from, name ? name : "(unknown)", to);
    }
    trace_line(world, text);
    region_fini(&region);
}

const char *world_trace(struct world *world)
{
    return buf_text(&world->trace);
}

unsigned world_count(struct world *world, const char *text)
{
    unsigned n = 0;
    char needle[160];
    snprintf(needle, sizeof needle, "] %s\n", text);
    for (const char *at = world_trace(world); (at = strstr(at, needle)) != NULL; at++)
        n++;
    return n;
}

bool world_saw(struct world *world, const char *text)
{
    return world_count(world, text) > 0;
}

void world_forget_trace(struct world *world)
{
    buf_clear(&world->trace);
}

/* ---- links ---- */

static struct world_node *node_of(struct world *world, unsigned number)
{
    assert_true(number >= 1 && number <= world->node_count);
    return &world->nodes[number];
}

static struct event *event_add(struct world *world, enum event_type type, struct pipe *pipe, unsigned end, int64_t us)
{
    struct event *event = mem_alloc(sizeof *event);
    assert_non_null(event);
    event->type = type;
    event->pipe = pipe;
    event->end = end;
    pipe->events++;
    assert_int_equal(heap_set(&world->events, &event->node, mono_after_us(world->now.mono, us)), 0);
    return event;
}

static void pipe_release(struct pipe *pipe)
{
    if (pipe->events || pipe->known[0] || pipe->known[1])
        return;
    list_remove(&pipe->order);
    mem_free(pipe);
}

static struct pipe *pipe_find(struct world *world, unsigned node, uint64_t link, unsigned *ret_end)
{
    for (struct list *it = world->pipes.next; it != &world->pipes; it = it->next) {
        struct pipe *pipe = CONTAINER_OF(it, struct pipe, order);
        for (unsigned end = 0; end < 2; end++)
            if (pipe->known[end] && pipe->node[end] == node && pipe->link[end] == link) {
                *ret_end = end;
                return pipe;
            }
    }
    return NULL;
}

/* One end is closed; the other one hears of it. */
static void pipe_close(struct world *world, struct pipe *pipe, unsigned end)
{
    pipe->known[end] = false;
    event_add(world, EVENT_DOWN, pipe, !end, world->latency_us);
}

static void connect_link(struct world *world, struct world_node *from, const struct peer_effect *effect)
{
    struct pipe *pipe = mem_alloc(sizeof *pipe);
    assert_non_null(pipe);
    list_append(&world->pipes, &pipe->order);
    pipe->node[0] = from->number;
    pipe->link[0] = effect->link;
    pipe->known[0] = true;
    for (unsigned i = 1; i <= world->node_count; i++)
        if (addr_eq(&world->nodes[i].addr, &effect->addr))
            pipe->node[1] = world->nodes[i].redirect ? world->nodes[i].redirect : i;
    struct world_node *to = pipe->node[1] ? &world->nodes[pipe->node[1]] : NULL;
    if (from->frozen || (to && to->frozen))
        return; /* never an answer */
    bool apart = (world->apart[0] == from->number && world->apart[1] == pipe->node[1]) ||
                 (world->apart[1] == from->number && world->apart[0] == pipe->node[1]);
    if (to && (to->side != from->side || apart))
        to = NULL;
    if (!to || !to->peer)
        event_add(world, EVENT_FAILED, pipe, 0, 2 * world->latency_us);
    else
        event_add(world, EVENT_ACCEPT, pipe, 1, world->latency_us + world->setup_us);
}

/* The frames of what a node sends: written down, and perhaps changed on the way. */
static void send_octets(struct world *world, struct world_node *from, const struct peer_effect *effect)
{
    unsigned end;
    struct pipe *pipe = pipe_find(world, from->number, effect->link, &end);
    if (!pipe || from->frozen)
        return;
    unsigned to = pipe->node[!end];
    struct event *event = event_add(world, EVENT_OCTETS, pipe, !end, world->latency_us);
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
            trace_message(world, from->number, to, frame.message);
            if (world->tap && world->tap(world->tap_ctx, world, from->number, to, frame.message, &instead))
                frame.message = buf_slice(&instead);
        }
        reload_frame_encode(&frame, &event->octets);
        buf_fini(&instead);
        left = slice_of(left.p + octets, left.n - octets);
    }
    assert_int_equal(event->octets.err, 0);
}

/* ---- effects ---- */

static void take_configuration(struct world_node *node, struct slice document)
{
    struct world *world = node->world;
    struct config *config;
    struct config_fault fault;
    assert_int_equal(config_parse(document, slice_str(OVERLAY), &config, &fault), 0);
    assert_true(world->config_count < sizeof world->configs / sizeof world->configs[0]);
    world->configs[world->config_count++] = config;
    node->config = config;
    security_x509_set_config(node->security, config, world->now.wall);
    storage_set_kinds(node->storage, world->now, &config->kinds);
    peer_config_set(node->peer, world->now, config);
}

static void carry_out(struct world_node *node, struct peer_effect *effect)
{
    struct world *world = node->world;
    unsigned end;
    struct pipe *pipe;
    char text[64];
    switch (effect->type) {
    case PEER_CONNECT:
        connect_link(world, node, effect);
        break;
    case PEER_SEND:
        send_octets(world, node, effect);
        break;
    case PEER_CLOSE:
        if ((pipe = pipe_find(world, node->number, effect->link, &end)) != NULL)
            pipe_close(world, pipe, end);
        break;
    case PEER_RESULT:
        break; /* kept by the caller */
    case PEER_STATE:
        snprintf(text, sizeof text, "%u is %s", node->number, peer_state_name(effect->state));
        trace_line(world, text);
        break;
    case PEER_CONFIG_CHANGED:
        snprintf(text, sizeof text, "%u has a new configuration", node->number);
        trace_line(world, text);
        take_configuration(node, effect->octets);
        break;
    case PEER_APP_ATTACHED:
        node->app_attached++;
        node->app_node = effect->node;
        node->app_addr = effect->addr;
        break;
    case PEER_BANNED:
        node->banned = true;
        break;
    }
}

struct kept_result {
    struct list order;
    struct peer_effect *effect;
};

static void drain(struct world_node *node)
{
    struct peer_effect *effect;
    while (node->peer && (effect = peer_effect_next(node->peer)) != NULL) {
        carry_out(node, effect);
        if (effect->type == PEER_RESULT) {
            struct kept_result *kept = mem_alloc(sizeof *kept);
            assert_non_null(kept);
            kept->effect = effect;
            list_append(&node->results, &kept->order);
        } else {
            peer_effect_free(effect);
        }
    }
}

/* ---- time ---- */

static void happen(struct world *world, struct event *event)
{
    struct pipe *pipe = event->pipe;
    unsigned end = event->end;
    struct world_node *node = &world->nodes[pipe->node[end]], *other = &world->nodes[pipe->node[!end]];
    struct peer *peer = pipe->node[end] ? node->peer : NULL;
    if (peer && node->frozen) {
        pipe->known[end] &= event->type != EVENT_DOWN;
        return;
    }
    struct addr source = other->addr;
    source.port = EPHEMERAL_PORT;
    switch (event->type) {
    case EVENT_ACCEPT:
        if (pipe->known[0] && peer &&
            peer_link_accept(peer, world->now, &source, cert_der(other->cert), &pipe->link[1]) == 0) {
            pipe->known[1] = true;
            event_add(world, EVENT_UP, pipe, 0, world->latency_us);
        } else {
            event_add(world, EVENT_FAILED, pipe, 0, world->latency_us);
        }
        break;
    case EVENT_UP:
        if (pipe->known[0] && peer_link_up(peer, world->now, pipe->link[0], cert_der(other->cert)) != 0)
            pipe_close(world, pipe, 0);
        break;
    case EVENT_FAILED:
        if (pipe->known[0] && peer)
            peer_link_connect_failed(peer, world->now, pipe->link[0], ERR_UNREACHABLE);
        pipe->known[0] = false;
        break;
    case EVENT_OCTETS:
        if (pipe->known[end] && peer)
            peer_link_input(peer, world->now, pipe->link[end], buf_slice(&event->octets));
        break;
    case EVENT_DOWN:
        if (pipe->known[end] && peer)
            peer_link_down(peer, world->now, pipe->link[end]);
        pipe->known[end] = false;
        break;
    }
    if (pipe->node[end])
        drain(node);
}

static void turn_stores(struct world *world)
{
    for (unsigned i = 1; i <= world->node_count; i++) {
        struct world_node *node = &world->nodes[i];
        while (node->peer && memory_store_waits(node->kv)) {
            memory_store_turn(node->kv);
            drain(node);
        }
    }
}

static struct mono next_moment(const struct world *world)
{
    struct mono next = heap_deadline(&world->events);
    for (unsigned i = 1; i <= world->node_count; i++)
        if (world->nodes[i].peer && !world->nodes[i].frozen)
            next = mono_min(next, peer_deadline(world->nodes[i].peer));
    return next;
}

static void advance(struct world *world, struct mono to)
{
    if (to.us <= world->now.mono.us)
        return;
    world->now.mono = to;
    world->now.wall.ms = WALL_BEGAN_MS + mono_since_us(to, world->began) / 1000;
}

static void step(struct world *world)
{
    struct heap_node *due;
    while ((due = heap_pop_due(&world->events, world->now.mono)) != NULL) {
        struct event *event = CONTAINER_OF(due, struct event, node);
        struct pipe *pipe = event->pipe;
        happen(world, event);
        buf_fini(&event->octets);
        mem_free(event);
        pipe->events--;
        pipe_release(pipe);
        turn_stores(world);
    }
    for (unsigned i = 1; i <= world->node_count; i++) {
        struct world_node *node = &world->nodes[i];
        if (node->peer && !node->frozen && mono_due(peer_deadline(node->peer), world->now.mono)) {
            peer_tick(node->peer, world->now);
            drain(node);
        }
    }
    turn_stores(world);
}

static bool never(struct world *world)
{
    (void)world;
    return false;
}

bool world_run_until(struct world *world, bool (*reached)(struct world *world), int64_t ms)
{
    struct mono end = mono_after_ms(world->now.mono, ms);
    for (unsigned i = 1; i <= world->node_count; i++)
        drain(&world->nodes[i]);
    turn_stores(world);
    while (!reached(world)) {
        struct mono next = next_moment(world);
        if (next.us > end.us) {
            advance(world, end);
            return reached(world);
        }
        advance(world, next);
        step(world);
    }
    return true;
}

void world_run(struct world *world, int64_t ms)
{
    world_run_until(world, never, ms);
}

/* ---- certificates and configuration ---- */

static void authority_new(struct world *world)
{
    uint8_t serial[16] = {1};
    struct wall before = wall_after_ms(world->now.wall, -86400000), after = wall_after_ms(world->now.wall, 31536000000);
    assert_int_equal(key_generate(KEY_EC_P256, &world->authority_key), 0);
    assert_int_equal(
        cert_issue_authority(world->authority_key, "test authority", before, after, serial, &world->authority), 0);
}

static struct cert *issue_for(struct world *world, const struct key *key, const struct id *ids, size_t count,
                              const char *user, const struct key *authority_key, const struct cert *authority,
                              const char *overlay)
{
    struct cert_request request = {
        .public_key = key,
        .overlay = slice_str(overlay),
        .node_ids = ids,
        .node_id_count = count,
        .user = user,
        .not_before = wall_after_ms(world->now.wall, -3600000),
        .not_after = wall_after_ms(world->now.wall, 30758400000),
    };
    struct cert *cert;
    memcpy(request.serial, ids[0].octets, sizeof request.serial);
    request.serial[0] &= 0x7f;
    request.serial[1] |= 1;
    assert_int_equal(cert_issue(authority_key, authority, &request, &cert), 0);
    return cert;
}

static struct cert *issue(struct world *world, const struct key *key, struct id id, const char *user)
{
    return issue_for(world, key, &id, 1, user, world->authority_key, world->authority, OVERLAY);
}

struct cert *world_foreign_certificate(struct world *world, struct id id, bool foreign_authority, const char *overlay)
{
    struct key *key, *authority_key;
    struct cert *authority, *cert;
    uint8_t serial[16] = {2};
    assert_int_equal(key_generate(KEY_EC_P256, &key), 0);
    assert_int_equal(key_generate(KEY_EC_P256, &authority_key), 0);
    assert_int_equal(cert_issue_authority(authority_key, "another authority", wall_after_ms(world->now.wall, -86400000),
                                          wall_after_ms(world->now.wall, 31536000000), serial, &authority),
                     0);
    cert = issue_for(world, key, &id, 1, "stranger@ring.test", foreign_authority ? authority_key : world->authority_key,
                     foreign_authority ? authority : world->authority, overlay);
    cert_free(authority);
    key_free(authority_key);
    key_free(key);
    return cert;
}

void world_name_twice(struct world *world, unsigned node, struct id other)
{
    struct world_node *n = &world->nodes[node];
    struct id ids[] = {n->id, other};
    cert_free(n->cert);
    n->cert = issue_for(world, n->key, ids, 2, "twice@ring.test", world->authority_key, world->authority, OVERLAY);
}

struct cert *world_double_certificate(struct world *world, struct id a, struct id b)
{
    struct key *key;
    struct id ids[] = {a, b};
    assert_int_equal(key_generate(KEY_EC_P256, &key), 0);
    struct cert *cert =
        issue_for(world, key, ids, 2, "double@ring.test", world->authority_key, world->authority, OVERLAY);
    key_free(key);
    return cert;
}

static struct id signer_id(void)
{
    struct id id;
    memset(id.octets, 0xab, sizeof id.octets);
    return id;
}

static struct config *configure(struct world *world, uint16_t sequence,
                                void (*change)(struct world *world, struct config *config))
{
    struct config c, *parsed;
    struct slice root = cert_der(world->authority);
    struct slice link_protocol = slice_str("TLS");
    struct id signer = signer_id();
    struct config_fault fault = {0};
    struct kind kind;
    struct buf document;
    config_init(&c);
    c.instance_name = slice_str(OVERLAY);
    c.sequence = sequence;
    c.root_certs = &root;
    c.root_cert_count = 1;
    c.bootstrap_nodes = &world->nodes[1].addr;
    c.bootstrap_node_count = 1;
    c.no_ice = true;
    c.clients_permitted = false;
    c.max_message_size = 16384;
    c.link_protocols = &link_protocol;
    c.link_protocol_count = 1;
    c.configuration_signers = &signer;
    c.configuration_signer_count = 1;
    c.kind_signers = &signer;
    c.kind_signer_count = 1;
    assert_int_equal(kind_registered(slice_str("VIPR-REGISTRATION"), &kind), 0);
    assert_int_equal(kind_add(&c.kinds, &kind), 0);
    if (change)
        change(world, &c);
    buf_init(&document, CONFIG_DOCUMENT_OCTETS_MAX);
    assert_int_equal(config_build(&c, world->signer_key, world->signer, &document), 0);
    int err = config_parse(buf_slice(&document), slice_str(OVERLAY), &parsed, &fault);
    if (err)
        fail_msg("configuration line %u: %s", fault.line, fault.rule);
    buf_fini(&document);
    assert_true(world->config_count < sizeof world->configs / sizeof world->configs[0]);
    world->configs[world->config_count++] = parsed;
    return parsed;
}

void world_configure(struct world *world, unsigned number, void (*change)(struct world *world, struct config *config))
{
    struct world_node *node = node_of(world, number);
    struct config *next = configure(world, config_sequence_next(node->config->sequence), change);
    take_configuration(node, next->document);
    drain(node);
}

/* ---- nodes ---- */

struct world *world_new(uint64_t seed)
{
    struct world *world = mem_alloc(sizeof *world);
    assert_non_null(world);
    world->now = (struct now){{1000000}, {WALL_BEGAN_MS}};
    world->began = world->now.mono;
    world->latency_us = LATENCY_US;
    world->seed.state = seed;
    world->entropy = seeded_entropy_port(&world->seed);
    world->print = getenv("WORLD_TRACE") != NULL;
    heap_init(&world->events);
    list_init(&world->pipes);
    buf_init(&world->trace, 256u << 20);
    authority_new(world);
    assert_int_equal(key_generate(KEY_EC_P256, &world->signer_key), 0);
    world->signer = issue(world, world->signer_key, signer_id(), "signer@ring.test");
    return world;
}

struct id world_place(unsigned position, unsigned parts)
{
    struct id id = {{0}};
    uint32_t top = (uint32_t)(((uint64_t)position << 32) / parts);
    for (unsigned i = 0; i < 4; i++)
        id.octets[i] = (uint8_t)(top >> (24 - 8 * i));
    id.octets[15] = 7; /* never zero */
    return id;
}

unsigned world_add(struct world *world, struct id id)
{
    assert_true(world->node_count < WORLD_NODES_MAX);
    unsigned number = ++world->node_count;
    struct world_node *node = &world->nodes[number];
    char user[32];
    snprintf(user, sizeof user, "node%u@ring.test", number);
    node->world = world;
    node->number = number;
    node->id = id;
    node->addr = (struct addr){.family = 4, .port = 6084, .ip = {127, 1, (uint8_t)number, 1}};
    list_init(&node->results);
    assert_int_equal(key_generate(KEY_EC_P256, &node->key), 0);
    node->cert = issue(world, node->key, id, user);
    assert_int_equal(memory_store_new(&node->kv), 0);
    if (!world->config_count)
        configure(world, 1, NULL);
    node->config = world->configs[0];
    return number;
}

static void log_write(void *ctx, enum log_level level, const char *event, const char *text)
{
    const struct world_node *node = ctx;
    fprintf(stderr, "      %u: %s %s %s\n", node->number, log_level_name(level), event, text);
}

void world_start(struct world *world, unsigned number)
{
    struct world_node *node = node_of(world, number);
    struct security_options security_options;
    struct storage_options storage_options;
    struct peer_options options;
    security_options_default(&security_options);
    assert_int_equal(security_x509_new(&security_options, node->config, node->key, node->cert, node->id,
                                       world->now.wall, &node->security),
                     0);
    storage_options_default(&storage_options);
    struct storage_ports storage_ports = {*memory_store_kv(node->kv), node->security, NULL};
    assert_int_equal(storage_new(&storage_options, &storage_ports, &node->config->kinds, &node->storage), 0);
    assert_int_equal(storage_load(node->storage, world->now), 0);
    peer_options_default(&options);
    options.self = node->id;
    options.address = node->addr;
    unsigned firsts = world->firsts ? world->firsts : 1;
    options.first = number <= firsts;
    if (world->tune)
        world->tune(&options);
    struct log *log = NULL;
    static struct log logs[WORLD_NODES_MAX + 1];
    if (getenv("WORLD_LOG")) {
        logs[number] = (struct log){log_write, node, LEVEL_DEBUG};
        log = &logs[number];
    }
    struct peer_ports ports = {world->entropy, log, node->security, node->storage};
    assert_int_equal(peer_new(&options, &ports, node->config, world->now, &node->peer), 0);
    struct addr bootstraps[PEER_BOOTSTRAPS_MAX];
    for (unsigned i = 0; i < firsts; i++)
        bootstraps[i] = world->nodes[i + 1].addr;
    size_t count = firsts;
    if (node->knows)
        bootstraps[count++] = world->nodes[node->knows].addr;
    peer_start(node->peer, world->now, bootstraps, count);
    drain(node);
    turn_stores(world);
}

static void results_free(struct world_node *node)
{
    struct list *first;
    while ((first = list_pop(&node->results)) != NULL) {
        struct kept_result *kept = CONTAINER_OF(first, struct kept_result, order);
        peer_effect_free(kept->effect);
        mem_free(kept);
    }
}

void world_kill(struct world *world, unsigned number)
{
    struct world_node *node = node_of(world, number);
    if (!node->peer)
        return;
    LIST_EACH(it, &world->pipes) {
        struct pipe *pipe = CONTAINER_OF(it, struct pipe, order);
        for (unsigned end = 0; end < 2; end++)
            if (pipe->node[end] == number && pipe->known[end] && !node->frozen)
                pipe_close(world, pipe, end);
            else if (pipe->node[end] == number)
                pipe->known[end] = false;
    }
    peer_free(node->peer);
    node->peer = NULL;
    storage_free(node->storage);
    memory_store_crash(node->kv);
    security_x509_free(node->security);
    node->frozen = false;
}

void world_free(struct world *world)
{
    for (unsigned i = 1; i <= world->node_count; i++) {
        struct world_node *node = &world->nodes[i];
        world_kill(world, i);
        results_free(node);
        memory_store_free(node->kv);
        cert_free(node->cert);
        key_free(node->key);
    }
    for (;;) {
        struct heap_node *left = heap_pop_due(&world->events, MONO_NEVER);
        if (!left)
            break;
        struct event *event = CONTAINER_OF(left, struct event, node);
        buf_fini(&event->octets);
        mem_free(event);
    }
    LIST_EACH(it, &world->pipes)
        mem_free(CONTAINER_OF(it, struct pipe, order));
    heap_fini(&world->events);
    for (size_t i = 0; i < world->config_count; i++)
        config_free(world->configs[i]);
    cert_free(world->signer);
    key_free(world->signer_key);
    cert_free(world->authority);
    key_free(world->authority_key);
    buf_fini(&world->trace);
    mem_free(world);
}

bool world_cut(struct world *world, unsigned a, unsigned b)
{
    bool cut = false;
    LIST_EACH(it, &world->pipes) {
        struct pipe *pipe = CONTAINER_OF(it, struct pipe, order);
        bool between = (pipe->node[0] == a && pipe->node[1] == b) || (pipe->node[0] == b && pipe->node[1] == a);
        if (!between || !pipe->known[0] || !pipe->known[1])
            continue;
        event_add(world, EVENT_DOWN, pipe, 0, 0);
        event_add(world, EVENT_DOWN, pipe, 1, 0);
        cut = true;
    }
    return cut;
}

void world_craft(struct world *world, unsigned signer, const struct reload_header *header,
                 const struct reload_body *body, struct buf *ret_message)
{
    struct world_node *node = node_of(world, signer);
    struct reload_header h = *header;
    struct reload_contents contents = {.code = body->code};
    struct reload_security block;
    struct region region;
    struct buf octets, encoded;
    if (!h.overlay)
        h.overlay = config_overlay_hash(node->config);
    if (!h.configuration_sequence)
        h.configuration_sequence = node->config->sequence;
    if (!h.fragment)
        h.fragment = RELOAD_FRAGMENT_WHOLE;
    if (!h.transaction_id)
        h.transaction_id = entropy_u64(&world->entropy);
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    buf_init(&octets, RELOAD_MESSAGE_OCTETS_MAX);
    buf_init(&encoded, RELOAD_MESSAGE_OCTETS_MAX);
    assert_int_equal(reload_body_encode(body, &octets), 0);
    contents.body = buf_slice(&octets);
    assert_int_equal(reload_contents_encode(&contents, &encoded), 0);
    assert_int_equal(security_sign_message(node->security, h.overlay, h.transaction_id, buf_slice(&encoded), NULL, 0,
                                           &region, &block),
                     0);
    assert_int_equal(reload_message_encode_signed(&h, buf_slice(&encoded), &block, ret_message), 0);
    buf_fini(&octets);
    buf_fini(&encoded);
    region_fini(&region);
}

void world_split(struct world *world)
{
    for (unsigned a = 1; a <= world->node_count; a++)
        for (unsigned b = a + 1; b <= world->node_count; b++)
            if (world->nodes[a].side != world->nodes[b].side)
                world_cut(world, a, b);
}

void world_inject(struct world *world, unsigned from, unsigned to, struct slice message)
{
    for (struct list *it = world->pipes.next; it != &world->pipes; it = it->next) {
        struct pipe *pipe = CONTAINER_OF(it, struct pipe, order);
        for (unsigned end = 0; end < 2; end++) {
            if (pipe->node[end] != to || pipe->node[!end] != from || !pipe->known[end])
                continue;
            struct event *event = event_add(world, EVENT_OCTETS, pipe, end, world->latency_us);
            buf_init(&event->octets, SIZE_MAX);
            reload_frame_encode(&(struct reload_frame){RELOAD_FRAME_DATA, 0, 0, message}, &event->octets);
            return;
        }
    }
    fail_msg("there is no link from %u to %u", from, to);
}

/* ---- how things are ---- */

bool world_all_joined(struct world *world)
{
    for (unsigned i = 1; i <= world->node_count; i++)
        if (world->nodes[i].peer && peer_state(world->nodes[i].peer) != PEER_JOINED)
            return false;
    return true;
}

/* The k-th running node up (or down) the ring from this one, or 0 when that comes back to it. */
static unsigned neighbor_of(const struct world *world, unsigned number, size_t k, bool up)
{
    struct id self = world->nodes[number].id, last = {{0}};
    unsigned found = 0;
    for (size_t step_count = 0; step_count <= k; step_count++) {
        struct id best = {{0}};
        found = 0;
        for (unsigned i = 1; i <= world->node_count; i++) {
            const struct world_node *node = &world->nodes[i];
            if (!node->peer || node->frozen || i == number)
                continue;
            struct id d = up ? id_sub(node->id, self) : id_sub(self, node->id);
            if (id_cmp(d, last) > 0 && (!found || id_cmp(d, best) < 0)) {
                best = d;
                found = i;
            }
        }
        if (!found)
            return 0;
        last = best;
    }
    return found;
}

static bool node_is_right(struct world *world, unsigned number)
{
    struct world_node *node = &world->nodes[number];
    struct region region;
    struct peer_view view;
    bool right = true;
    region_init(&region, 1u << 20);
    assert_int_equal(peer_view(node->peer, world->now, &region, &view), 0);
    for (size_t k = 0; k < 3; k++) {
        unsigned up = neighbor_of(world, number, k, true), down = neighbor_of(world, number, k, false);
        if (up)
            right &= view.successor_count > k && id_eq(view.successors[k], world->nodes[up].id);
        if (down)
            right &= view.predecessor_count > k && id_eq(view.predecessors[k], world->nodes[down].id);
    }
    region_fini(&region);
    return right;
}

bool world_is_right(struct world *world)
{
    if (!world_all_joined(world))
        return false;
    for (unsigned i = 1; i <= world->node_count; i++)
        if (world->nodes[i].peer && !world->nodes[i].frozen && !node_is_right(world, i))
            return false;
    return true;
}

struct world *world_of(unsigned n, uint64_t seed)
{
    struct world *world = world_new(seed);
    for (unsigned i = 0; i < n; i++)
        world_add(world, world_place(i, n));
    for (unsigned i = 1; i <= n; i++) {
        world_start(world, i);
        assert_true(world_run_until(world, world_is_right, 30000));
    }
    world_run(world, 1000); /* until everybody has said what it had to say */
    return world;
}

unsigned world_owner(const struct world *world, struct id place)
{
    unsigned owner = 0;
    struct id best = {{0}};
    for (unsigned i = 1; i <= world->node_count; i++) {
        struct id d = id_sub(world->nodes[i].id, place);
        if (world->nodes[i].peer && !world->nodes[i].frozen && (!owner || id_cmp(d, best) < 0)) {
            owner = i;
            best = d;
        }
    }
    return owner;
}

const struct peer_counters *world_counters(const struct world *world, unsigned number)
{
    return peer_counters(world->nodes[number].peer);
}

/* ---- requests ---- */

static const struct peer_result *result_of(const struct world_node *node, uint64_t token)
{
    for (const struct list *it = node->results.next; it != &node->results; it = it->next) {
        const struct kept_result *kept = CONTAINER_OF(it, const struct kept_result, order);
        if (kept->effect->result->token == token)
            return kept->effect->result;
    }
    return NULL;
}

const struct peer_result *world_wait(struct world *world, unsigned number, uint64_t token)
{
    struct world_node *node = node_of(world, number);
    const struct peer_result *result;
    for (unsigned i = 0; i < 30000; i++) {
        drain(node);
        turn_stores(world);
        if ((result = result_of(node, token)) != NULL)
            return result;
        world_run(world, 1);
    }
    fail_msg("node %u has no result after 30 s", number);
    return NULL;
}

const struct peer_result *world_store(struct world *world, unsigned number, struct id resource, const char *value)
{
    struct world_node *node = node_of(world, number);
    char key[64], hex[ID_HEX_OCTETS];
    snprintf(key, sizeof key, "%s+0123456789abcdef", id_format(node->id, hex));
    struct peer_item item = {
        .kind = WORLD_KIND, .key = slice_str(key), .exists = true, .value = slice_str(value), .lifetime_s = 3600};
    uint64_t token = ++world->next_token;
    peer_store(node->peer, world->now, token, resource, 0, &item, 1);
    return world_wait(world, number, token);
}

const struct peer_result *world_fetch(struct world *world, unsigned number, struct id resource)
{
    uint64_t token = ++world->next_token;
    peer_fetch(node_of(world, number)->peer, world->now, token, resource, WORLD_KIND);
    return world_wait(world, number, token);
}

const struct peer_result *world_ping(struct world *world, unsigned number, struct peer_target target)
{
    uint64_t token = ++world->next_token;
    peer_ping(node_of(world, number)->peer, world->now, token, target);
    return world_wait(world, number, token);
}

const char *world_value(const struct peer_result *result, struct id signer)
{
    static char text[256];
    text[0] = 0;
    for (size_t i = 0; i < result->item_count; i++)
        if (id_eq(result->items[i].signer, signer) && result->items[i].exists)
            snprintf(text, sizeof text, "%.*s", SLICE_PRINT(result->items[i].value));
    return text;
}

size_t world_holds(struct world *world, unsigned number, struct id resource)
{
    struct world_node *node = node_of(world, number);
    struct storage_walk walk;
    struct region region;
    size_t n = 0;
    if (!node->peer)
        return 0;
    storage_walk_resource(&walk, resource, 0);
    for (;;) {
        struct storage_portion portion;
        region_init(&region, RELOAD_REGION_OCTETS_MAX);
        int err = storage_walk_next(node->storage, &walk, world->now, 1, 65536, &region, &portion);
        for (size_t i = 0; !err && i < portion.store.kind_count; i++)
            n += portion.store.kinds[i].value_count;
        region_fini(&region);
        if (err)
            return n;
    }
}
