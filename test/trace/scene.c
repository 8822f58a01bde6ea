/* The scene's time, pipes and effects: trace/scene.h. */
#include "trace/scene.h"

#include "base/mem.h"
#include "testing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum pipe_kind { PIPE_RING, PIPE_VAP, PIPE_PVP };

/* Two ends of a connection: [0] connected, [1] accepted. The end of an agent is [0] of a VAP connection. */
struct pipe {
    struct list order;
    enum pipe_kind kind;
    unsigned company[2];
    unsigned node[2];  /* of a ring link: which Node-ID of the company */
    bool other_family; /* than the first one of who connects */
    uint64_t conn[2];
    bool open[2]; /* the side has this end and has not closed it */
    bool up;      /* both ends know that it stands */
    bool asked;   /* PVP: the password was asked for */
    bool proved;  /* PVP: both sides have the same password */
    uint8_t exporter[PVP_EXPORTER_OCTETS];
    char username[PVP_USERNAME_OCTETS_MAX + 1];
    char password[PVP_PASSWORD_OCTETS_MAX + 1];
    unsigned events;
};

enum event_type {
    EVENT_ACCEPT, /* of pipes: at the accepting end */
    EVENT_SHAKEN, /* the accepting end of a PVP connection knows how the handshake came out */
    EVENT_UP,     /* at the connecting end */
    EVENT_FAILED,
    EVENT_OCTETS, /* at either */
    EVENT_DOWN,
    EVENT_DISK, /* of a company: its disk completes what was written */
    EVENT_HASH,
    EVENT_DERIVE
};

struct event {
    struct heap_node node;
    enum event_type type;
    struct pipe *pipe;
    unsigned end; /* to which it happens */
    struct buf octets;
    struct company *company;
    unsigned life; /* of the company when it was scheduled */
    uint64_t job;
    struct numbers_profile profile;
    struct e164 number;
    struct keyring_job *derivation;
};

/* ---- writing down ---- */

void scene_line(struct scene *scene, const struct company *c, const char *event, const char *text)
{
    size_t start = scene->trace.n;
    buf_printf(&scene->trace, "[%" PRId64 "] %s %s %s\n", mono_since_us(scene->now.mono, scene->began) / 1000,
               c->letter, event, text);
    if (scene->print && scene->trace.n > start)
        fprintf(stderr, "%.*s", (int)(scene->trace.n - start), (const char *)scene->trace.p + start);
}

const char *scene_trace(struct scene *scene)
{
    return buf_text(&scene->trace);
}

void scene_forget_trace(struct scene *scene)
{
    buf_clear(&scene->trace);
    scene->read = 0;
}

/* Counts lines from an octet of the trace on. ret_end: where the first one ends. */
static unsigned count_lines(struct scene *scene, size_t from, const char *event, const char *text, size_t *ret_end)
{
    unsigned n = 0;
    const char *all = scene_trace(scene);
    for (const char *line = all + from, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        const char *space = memchr(line, ' ', (size_t)(end - line));
        if (!space || strncmp(space + 1, event, strlen(event)) != 0 ||
            !memmem(space, (size_t)(end - space), text, strlen(text)))
            continue;
        if (n++ == 0)
            *ret_end = (size_t)(end + 1 - all);
    }
    return n;
}

unsigned scene_count(struct scene *scene, const char *event, const char *text)
{
    size_t end;
    return count_lines(scene, 0, event, text, &end);
}

bool scene_saw(struct scene *scene, const char *event, const char *text)
{
    return scene_count(scene, event, text) > 0;
}

/* ---- events ---- */

struct now company_now(const struct company *c)
{
    return (struct now){c->scene->now.mono, wall_after_ms(c->scene->now.wall, c->clock_ms)};
}

static struct event *event_add(struct scene *scene, enum event_type type, int64_t us)
{
    /* The world is not what a test makes short of memory: it tries again. */
    struct event *event = mem_alloc(sizeof *event);
    if (!event)
        event = mem_alloc(sizeof *event);
    assert_non_null(event);
    event->type = type;
    struct mono due = mono_after_us(scene->now.mono, us);
    if (heap_set(&scene->events, &event->node, due) < 0)
        assert_int_equal(heap_set(&scene->events, &event->node, due), 0);
    return event;
}

static struct event *pipe_event(struct scene *scene, enum event_type type, struct pipe *pipe, unsigned end, int64_t us)
{
    struct event *event = event_add(scene, type, us);
    event->pipe = pipe;
    event->end = end;
    pipe->events++;
    return event;
}

static struct event *company_event(struct company *c, enum event_type type, int64_t us)
{
    struct event *event = event_add(c->scene, type, us);
    event->company = c;
    event->life = c->life;
    return event;
}

static void event_free(struct event *event)
{
    buf_fini(&event->octets);
    mem_free(event);
}

/* ---- pipes ---- */

static void pipe_release(struct pipe *pipe)
{
    if (pipe->events || pipe->open[0] || pipe->open[1])
        return;
    list_remove(&pipe->order);
    mem_free(pipe);
}

static struct pipe *pipe_find(const struct company *c, enum pipe_kind kind, unsigned node, uint64_t conn, bool agent,
                              unsigned *ret_end)
{
    for (struct list *it = c->scene->pipes.next; it != &c->scene->pipes; it = it->next) {
        struct pipe *pipe = CONTAINER_OF(it, struct pipe, order);
        for (unsigned end = 0; pipe->kind == kind && end < 2; end++) {
            bool is_agent = kind == PIPE_VAP && end == 0;
            if (pipe->open[end] && pipe->company[end] == c->number && pipe->node[end] == node &&
                pipe->conn[end] == conn && is_agent == agent) {
                *ret_end = end;
                return pipe;
            }
        }
    }
    return NULL;
}

/* One end is closed; the other one hears of it. */
static void pipe_close(struct scene *scene, struct pipe *pipe, unsigned end)
{
    pipe->open[end] = false;
    pipe_event(scene, EVENT_DOWN, pipe, !end, scene->latency_us);
}

static struct pipe *pipe_new(struct company *from, enum pipe_kind kind, uint64_t conn, unsigned to)
{
    struct scene *scene = from->scene;
    struct pipe *pipe = mem_alloc(sizeof *pipe);
    if (!pipe)
        pipe = mem_alloc(sizeof *pipe);
    assert_non_null(pipe);
    list_append(&scene->pipes, &pipe->order);
    pipe->kind = kind;
    pipe->company[0] = from->number;
    pipe->company[1] = to;
    pipe->conn[0] = conn;
    pipe->open[0] = true;
    if (to && scene->companies[to].server)
        pipe_event(scene, EVENT_ACCEPT, pipe, 1, scene->latency_us);
    else
        pipe_event(scene, EVENT_FAILED, pipe, 0, 2 * scene->latency_us);
    return pipe;
}

static void pipe_send(struct company *c, enum pipe_kind kind, unsigned node, uint64_t conn, bool agent,
                      struct slice octets)
{
    unsigned end;
    struct pipe *pipe = pipe_find(c, kind, node, conn, agent, &end);
    if (!pipe)
        return;
    struct event *event = pipe_event(c->scene, EVENT_OCTETS, pipe, !end, c->scene->latency_us);
    buf_init(&event->octets, SIZE_MAX);
    buf_slice_put(&event->octets, octets);
    if (event->octets.err) {
        buf_clear(&event->octets);
        buf_slice_put(&event->octets, octets);
    }
    assert_int_equal(event->octets.err, 0);
}

void scene_cut(struct company *c, bool agent_too)
{
    LIST_EACH(it, &c->scene->pipes) {
        struct pipe *pipe = CONTAINER_OF(it, struct pipe, order);
        for (unsigned end = 0; end < 2; end++) {
            bool is_agent = pipe->kind == PIPE_VAP && end == 0;
            if (pipe->company[end] == c->number && pipe->open[end] && is_agent == agent_too)
                pipe_close(c->scene, pipe, end);
        }
    }
}

/* ---- what servers want ---- */

static void connect_ring(struct company *c, const struct server_effect *e)
{
    unsigned to = 0, node = 0;
    for (unsigned i = 1; i <= c->scene->company_count; i++)
        for (unsigned k = 0; k < SCENE_NODES_MAX; k++) {
            const struct company *other = &c->scene->companies[i];
            struct addr addr = scene_node_address(other, k);
            if (addr_eq(&addr, &e->addr) || (k == 0 && addr_eq(&other->options.ring_other_address, &e->addr))) {
                to = i;
                node = k;
            }
        }
    bool reachable = e->addr.family == c->ring_address.family || e->addr.family == c->options.ring_other_address.family;
    struct pipe *pipe = pipe_new(c, PIPE_RING, e->conn, reachable ? to : 0);
    pipe->other_family = e->addr.family != c->ring_address.family;
    pipe->node[0] = e->node;
    pipe->node[1] = node;
}

static void connect_pvp(struct company *c, const struct server_effect *e)
{
    struct scene *scene = c->scene;
    unsigned to = 0;
    char text[128];
    for (unsigned i = 1; i <= scene->company_count; i++)
        if (addr_eq(&scene->companies[i].pvp_address, &e->addr) ||
            addr_eq(&scene->companies[i].options.pvp_other_address, &e->addr))
            to = i;
    snprintf(text, sizeof text, "to=%s username=%s", to ? scene->companies[to].letter : "?", e->username);
    scene_line(scene, c, "connects", text);
    struct pipe *pipe = pipe_new(c, PIPE_PVP, e->conn, to);
    pipe->other_family = e->addr.family != c->pvp_address.family;
    memcpy(pipe->username, e->username, strlen(e->username) + 1);
    memcpy(pipe->password, e->password, strlen(e->password) + 1);
    entropy_fill(&scene->entropy, pipe->exporter, sizeof pipe->exporter);
}

static enum pipe_kind kind_of(enum server_effect_kind kind)
{
    switch (kind) {
    case SERVER_RING_SEND:
    case SERVER_RING_CLOSE:
        return PIPE_RING;
    case SERVER_VAP_SEND:
    case SERVER_VAP_CLOSE:
        return PIPE_VAP;
    default:
        return PIPE_PVP;
    }
}

static void configure(struct company *c, const struct config *config)
{
    char text[32];
    c->configurations++;
    security_x509_set_config(c->security, config, company_now(c).wall);
    for (unsigned node = 1; node < SCENE_NODES_MAX; node++)
        if (c->securities[node])
            security_x509_set_config(c->securities[node], config, company_now(c).wall);
    snprintf(text, sizeof text, "sequence=%u", config->sequence);
    scene_line(c->scene, c, "configured", text);
}

static void perform(struct company *c, const struct server_effect *e)
{
    unsigned end;
    struct pipe *pipe;
    char text[96];
    switch (e->kind) {
    case SERVER_RING_CONNECT:
        connect_ring(c, e);
        break;
    case SERVER_PVP_CONNECT:
        connect_pvp(c, e);
        break;
    case SERVER_RING_SEND:
    case SERVER_VAP_SEND:
    case SERVER_PVP_SEND:
        pipe_send(c, kind_of(e->kind), e->node, e->conn, false, e->octets);
        break;
    case SERVER_RING_CLOSE:
    case SERVER_VAP_CLOSE:
    case SERVER_PVP_CLOSE:
        pipe = pipe_find(c, kind_of(e->kind), e->node, e->conn, false, &end);
        if (pipe)
            pipe_close(c->scene, pipe, end);
        break;
    case SERVER_DERIVE:
        company_event(c, EVENT_DERIVE, 300000)->derivation = e->job;
        break;
    case SERVER_CONFIG:
        configure(c, e->config);
        break;
    case SERVER_LOOKED_UP:
        c->looked_up++;
        snprintf(text, sizeof text, "token=%" PRIu64 " error=%d claimants=%zu answered=%u", e->lookup->token,
                 e->lookup->err, e->lookup->claimant_count, e->lookup->answered);
        scene_line(c->scene, c, "looked.up", text);
        break;
    case SERVER_JOINED:
        scene_line(c->scene, c, "joined", "");
        break;
    case SERVER_LEFT:
        c->left = true;
        scene_line(c->scene, c, "left", "");
        break;
    case SERVER_NODE_LEFT:
        c->has_node[e->node] = false;
        scene_line(c->scene, c, "node left", "");
        break;
    case SERVER_BANNED:
        c->banned = true;
        scene_line(c->scene, c, "banned", "");
        break;
    }
}

void company_drain(struct company *c)
{
    struct server_effect e;
    for (unsigned i = 0; c->server && server_next(c->server, company_now(c), &e); i++) {
        if (i > 100000)
            fail_msg("%s has no end of effects", c->letter);
        perform(c, &e);
    }
    if (c->server && memory_store_waits(c->disk) && !c->disk_turns && !c->disk_hangs) {
        c->disk_turns = true;
        company_event(c, EVENT_DISK, c->disk_us);
    }
}

int scene_hash(void *ctx, uint64_t job, const struct numbers_profile *profile, const struct e164 *number)
{
    struct event *event = company_event(ctx, EVENT_HASH, 50000);
    event->job = job;
    event->profile = *profile;
    event->number = *number;
    buf_init(&event->octets, SIZE_MAX);
    buf_slice_put(&event->octets, profile->overlay);
    return event->octets.err ? ERR_NO_MEMORY : 0;
}

/* ---- what agents want ---- */

void agent_connect(struct company *c, unsigned server)
{
    pipe_new(c, PIPE_VAP, server, c->number);
}

void agent_send(struct company *c, unsigned server, struct slice octets)
{
    pipe_send(c, PIPE_VAP, 0, server, true, octets);
}

void agent_disconnect(struct company *c, unsigned server)
{
    unsigned end;
    struct pipe *pipe = pipe_find(c, PIPE_VAP, 0, server, true, &end);
    if (pipe)
        pipe_close(c->scene, pipe, end);
}

/* ---- what happens to a pipe ---- */

static void accept_ring(struct scene *scene, struct pipe *pipe, struct company *c, const struct company *from)
{
    struct addr remote =
        pipe->other_family ? from->options.ring_other_address : scene_node_address(from, pipe->node[0]);
    struct peer *peer = server_node_peer(c->server, pipe->node[1]);
    if (!peer || peer_link_accept(peer, company_now(c), &remote, cert_der(scene_cert(from, pipe->node[0])),
                                  &pipe->conn[1]) != 0) {
        pipe_event(scene, EVENT_FAILED, pipe, 0, scene->latency_us);
        return;
    }
    pipe->open[1] = true;
    pipe_event(scene, EVENT_UP, pipe, 0, scene->latency_us);
}

static void accept_vap(struct scene *scene, struct pipe *pipe, struct company *c)
{
    uint64_t conn = ++scene->next_conn;
    if (vap_server_open(server_vap(c->server), company_now(c), conn, true, "192.0.2.1:40000") != 0) {
        pipe_event(scene, EVENT_FAILED, pipe, 0, scene->latency_us);
        return;
    }
    pipe->conn[1] = conn;
    pipe->open[1] = true;
    pipe_event(scene, EVENT_UP, pipe, 0, scene->latency_us);
}

/* As the listener: a connection comes, then its username. */
static void accept_pvp(struct scene *scene, struct pipe *pipe, struct company *c, const struct company *from)
{
    struct addr source = pipe->other_family ? from->options.pvp_other_address : from->pvp_address;
    struct buf password;
    source.port = 40000;
    if (server_pvp_accept(c->server, company_now(c), &source, &pipe->conn[1]) != 0) {
        pipe_event(scene, EVENT_FAILED, pipe, 0, scene->latency_us);
        return;
    }
    buf_init(&password, 256);
    int err = server_pvp_password(c->server, company_now(c), pipe->conn[1], slice_str(pipe->username), &password);
    if (err) {
        server_pvp_closed(c->server, company_now(c), pipe->conn[1]);
        pipe_event(scene, EVENT_FAILED, pipe, 0, scene->latency_us);
    } else {
        pipe->open[1] = true;
        pipe->asked = true;
        pipe->proved = slice_eq_str(buf_slice(&password), pipe->password);
        pipe_event(scene, EVENT_SHAKEN, pipe, 1, 2 * scene->latency_us);
    }
    buf_fini_secret(&password);
}

static void accept_any(struct scene *scene, struct pipe *pipe)
{
    struct company *from = &scene->companies[pipe->company[0]], *c = &scene->companies[pipe->company[1]];
    if (!pipe->open[0])
        return;
    if (!c->server)
        pipe_event(scene, EVENT_FAILED, pipe, 0, scene->latency_us);
    else if (pipe->kind == PIPE_RING)
        accept_ring(scene, pipe, c, from);
    else if (pipe->kind == PIPE_VAP)
        accept_vap(scene, pipe, c);
    else
        accept_pvp(scene, pipe, c, from);
}

static void shaken(struct scene *scene, struct pipe *pipe, struct company *c)
{
    server_pvp_handshake(c->server, company_now(c), pipe->conn[1],
                         pipe->proved ? PVP_HANDSHAKE_GOOD : PVP_HANDSHAKE_BAD, pipe->proved ? pipe->exporter : NULL);
    pipe->up = pipe->proved;
    if (!pipe->proved) {
        server_pvp_closed(c->server, company_now(c), pipe->conn[1]);
        pipe->open[1] = false;
    }
    pipe_event(scene, pipe->proved ? EVENT_UP : EVENT_FAILED, pipe, 0, scene->latency_us);
}

static void connected(struct pipe *pipe, struct company *c, const struct company *to)
{
    struct now now = company_now(c);
    switch (pipe->kind) {
    case PIPE_RING:
        pipe->up = true;
        if (peer_link_up(server_node_peer(c->server, pipe->node[0]), now, pipe->conn[0],
                         cert_der(scene_cert(to, pipe->node[1]))) != 0)
            pipe_close(c->scene, pipe, 0);
        break;
    case PIPE_VAP:
        pipe->up = true;
        vap_client_connected(c->agent.client, now, (unsigned)pipe->conn[0]);
        break;
    case PIPE_PVP:
        server_pvp_connected(c->server, now, pipe->conn[0], PVP_CONNECT_GOOD, pipe->exporter);
        break;
    }
}

static void failed(struct pipe *pipe, struct company *c)
{
    struct now now = company_now(c);
    pipe->open[0] = false;
    switch (pipe->kind) {
    case PIPE_RING:
        peer_link_connect_failed(server_node_peer(c->server, pipe->node[0]), now, pipe->conn[0], ERR_UNREACHABLE);
        break;
    case PIPE_VAP:
        vap_client_closed(c->agent.client, now, (unsigned)pipe->conn[0], "refused");
        break;
    case PIPE_PVP:
        server_pvp_connected(c->server, now, pipe->conn[0],
                             pipe->asked ? PVP_CONNECT_NOT_PROVED : PVP_CONNECT_UNREACHABLE, NULL);
        break;
    }
}

static void received(struct pipe *pipe, unsigned end, struct company *c, struct slice octets)
{
    struct now now = company_now(c);
    switch (pipe->kind) {
    case PIPE_RING:
        peer_link_input(server_node_peer(c->server, pipe->node[end]), now, pipe->conn[end], octets);
        break;
    case PIPE_VAP:
        if (end == 0)
            vap_client_input(c->agent.client, now, (unsigned)pipe->conn[0], octets);
        else
            vap_server_input(server_vap(c->server), now, pipe->conn[1], octets);
        break;
    case PIPE_PVP:
        server_pvp_input(c->server, now, pipe->conn[end], octets);
        break;
    }
}

static void down(struct pipe *pipe, unsigned end, struct company *c)
{
    struct now now = company_now(c);
    if (end == 0 && !pipe->up && pipe->kind == PIPE_PVP)
        pipe->asked = false; /* broken off: not an answer */
    if (end == 0 && !pipe->up) {
        failed(pipe, c);
        return;
    }
    pipe->open[end] = false;
    switch (pipe->kind) {
    case PIPE_RING:
        peer_link_down(server_node_peer(c->server, pipe->node[end]), now, pipe->conn[end]);
        break;
    case PIPE_VAP:
        if (end == 0)
            vap_client_closed(c->agent.client, now, (unsigned)pipe->conn[0], "closed");
        else
            vap_server_closed(server_vap(c->server), pipe->conn[1]);
        break;
    case PIPE_PVP:
        if (end == 1 && !pipe->up) /* a username was there: it may have been a guess */
            server_pvp_handshake(c->server, now, pipe->conn[1], PVP_HANDSHAKE_BAD, NULL);
        server_pvp_closed(c->server, now, pipe->conn[end]);
        break;
    }
}

/* A moment at which a crash is worth a try: something has changed, nothing has left yet. */
static void mark(struct scene *scene)
{
    if (++scene->marks == scene->crash_at && scene->victim) {
        scene_line(scene, scene->victim, "crashes", "");
        company_crash(scene->victim);
    }
}

static void happen_to_pipe(struct scene *scene, struct event *event)
{
    struct pipe *pipe = event->pipe;
    struct company *c = &scene->companies[pipe->company[event->end]];
    if (event->type == EVENT_ACCEPT) {
        accept_any(scene, pipe);
    } else if (pipe->open[event->end]) {
        switch (event->type) {
        case EVENT_SHAKEN:
            shaken(scene, pipe, c);
            break;
        case EVENT_UP:
            connected(pipe, c, &scene->companies[pipe->company[1]]);
            break;
        case EVENT_FAILED:
            failed(pipe, c);
            break;
        case EVENT_OCTETS:
            received(pipe, event->end, c, buf_slice(&event->octets));
            break;
        case EVENT_DOWN:
            down(pipe, event->end, c);
            break;
        default:
            break;
        }
    }
    if (pipe->kind != PIPE_RING)
        mark(scene);
    if (pipe->kind == PIPE_VAP && event->end == 0)
        agent_drain(c);
    else
        company_drain(c);
    pipe->events--;
    pipe_release(pipe);
}

static void happen_to_company(struct event *event)
{
    struct company *c = event->company;
    struct numbers_slot slots[NUMBERS_COPIES];
    if (event->life != c->life || !c->server)
        return;
    switch (event->type) {
    case EVENT_DISK:
        c->disk_turns = false;
        if (c->disk_hangs)
            break;
        server_set_now(c->server, company_now(c));
        memory_store_turn(c->disk);
        mark(c->scene);
        break;
    case EVENT_HASH: {
        event->profile.overlay = buf_slice(&event->octets);
        int err = numbers_slots_derive(&event->profile, &event->number, slots);
        server_hashed(c->server, company_now(c), event->job, err, slots);
        break;
    }
    case EVENT_DERIVE:
        keyring_job_run(event->derivation);
        server_derived(c->server, company_now(c), event->derivation);
        break;
    default:
        break;
    }
    company_drain(c);
}

/* ---- time ---- */

static struct mono next_moment(const struct scene *scene)
{
    struct mono next = heap_deadline(&scene->events);
    for (unsigned i = 1; i <= scene->company_count; i++) {
        const struct company *c = &scene->companies[i];
        if (c->server)
            next = mono_min(next, server_deadline(c->server));
        if (c->agent.client)
            next = mono_min(next, vap_client_deadline(c->agent.client));
    }
    return mono_max(next, scene->now.mono);
}

static void advance(struct scene *scene, struct mono to)
{
    int64_t us = mono_since_us(to, scene->now.mono) + scene->now.mono.us % 1000;
    scene->now.wall = wall_after_ms(scene->now.wall, us / 1000);
    scene->now.mono = to;
}

/* One event, or the ticks that are due. */
static void step(struct scene *scene)
{
    struct heap_node *due = heap_pop_due(&scene->events, scene->now.mono);
    if (due) {
        struct event *event = CONTAINER_OF(due, struct event, node);
        if (event->pipe)
            happen_to_pipe(scene, event);
        else
            happen_to_company(event);
        event_free(event);
        return;
    }
    for (unsigned i = 1; i <= scene->company_count; i++) {
        struct company *c = &scene->companies[i];
        if (c->server && mono_due(server_deadline(c->server), scene->now.mono)) {
            server_tick(c->server, company_now(c));
            company_drain(c);
        }
        agent_tick(c);
    }
}

bool scene_step(struct scene *scene)
{
    struct mono next = next_moment(scene);
    if (next.us > mono_after_ms(scene->now.mono, SCENE_HOUR).us)
        return false;
    advance(scene, next);
    step(scene);
    return true;
}

bool scene_run_until(struct scene *scene, bool (*reached)(struct scene *scene), int64_t ms)
{
    struct mono end = mono_after_ms(scene->now.mono, ms);
    struct mono last = scene->now.mono;
    unsigned standing = 0;
    while (!reached(scene)) {
        struct mono next = next_moment(scene);
        if (next.us > end.us) {
            advance(scene, end);
            return reached(scene);
        }
        standing = next.us == last.us ? standing + 1 : 0;
        if (standing > 100000)
            fail_msg("time stands still");
        last = next;
        advance(scene, next);
        step(scene);
    }
    return true;
}

static bool never(struct scene *scene)
{
    (void)scene;
    return false;
}

void scene_run(struct scene *scene, int64_t ms)
{
    scene_run_until(scene, never, ms);
}

/* Runs until there is more in the trace. Fails when there is not. */
static void run_to_next_line(struct scene *scene, struct mono end, const char *event, const char *text)
{
    size_t before = scene->trace.n;
    while (scene->trace.n == before) {
        struct mono next = next_moment(scene);
        if (next.us > end.us) {
            fprintf(stderr, "%s", scene_trace(scene));
            fail_msg("\"%s\" with \"%s\" has not come: see the trace", event, text);
        }
        advance(scene, next);
        step(scene);
    }
}

void scene_expect(struct scene *scene, int64_t ms, const char *event, const char *text)
{
    struct mono end = mono_after_ms(scene->now.mono, ms);
    while (!count_lines(scene, scene->read, event, text, &scene->read))
        run_to_next_line(scene, end, event, text);
}

void scene_expect_count(struct scene *scene, int64_t ms, const char *event, const char *text, unsigned count)
{
    struct mono end = mono_after_ms(scene->now.mono, ms);
    while (scene_count(scene, event, text) < count)
        run_to_next_line(scene, end, event, text);
}

/* ---- the end ---- */

void scene_free(struct scene *scene)
{
    for (unsigned i = 1; i <= scene->company_count; i++) {
        struct company *c = &scene->companies[i];
        agent_stop(c);
        company_crash(c);
        scene_edge_fini(c);
        memory_store_free(c->disk);
        for (unsigned node = 0; node < SCENE_NODES_MAX; node++)
            cert_free(c->certs[node]);
        server_options_fini(&c->options);
    }
    for (struct heap_node *left; (left = heap_pop_due(&scene->events, MONO_NEVER)) != NULL;)
        event_free(CONTAINER_OF(left, struct event, node));
    LIST_EACH(it, &scene->pipes)
        mem_free(CONTAINER_OF(it, struct pipe, order));
    heap_fini(&scene->events);
    buf_fini(&scene->document);
    buf_fini(&scene->trace);
    mem_free(scene);
}
