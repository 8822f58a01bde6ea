/* The media of an edge: its core's port to a relay, and the relay's ports to the ways of media. */
#include "calls/border.h"

#include "alloc.h"
#include "base/mem.h"

#define PORT_MIN 16384
#define PORT_MAX 32766
#define SAMPLE_MS 500
#define HOLD_DOWN_MS QUALITY_HOLD_DOWN_MS_MIN
#define RECOVERY_MS QUALITY_HOLD_DOWN_MS_MIN
#define SESSIONS_MAX 10000
#define STATE_OCTETS_MAX 262144
#define RESTART_US (60 * SIM_MS) /* from a worker's death until its sessions go on in another one */

struct border_port {
    struct list link;
    struct sim_media_port port;
    struct sim_border *border;
    uint64_t session;
    unsigned stream;
    enum media_side side;
    enum media_component component;
    struct media_flow *flow;
};

/* What a relay told of a session, for another one to go on with. */
struct border_state {
    struct list link;
    uint64_t session;
    struct buf octets;
};

static struct now now_of(const struct sim_border *b)
{
    return sim_node_now(b->node);
}

/* ---- packets ---- */

static void came(void *ctx, const struct addr *from, uint8_t *octets, size_t n)
{
    struct border_port *p = ctx;
    struct sim_border *b = p->border;
    struct media_packet packet;
    if (n + MEDIA_PACKET_ROOM > SIM_PACKET_OCTETS_MAX || !b->relay || b->day->world->now_us < b->paused_until_us)
        return;
    b->packets++;
    if (media_relay_packet(b->relay, now_of(b).mono, p->flow, from, octets, n, &packet)) {
        const struct border_port *out = media_flow_port(packet.flow);
        sim_media_send(&b->day->media, &out->port, &packet.to, octets, packet.octets);
    }
    sim_border_settle(b);
}

/* ---- the port of the core ---- */

static void close_port(struct border_port *p)
{
    sim_media_close(&p->border->day->media, &p->port);
    list_remove(&p->link);
    mem_free(p);
}

static struct border_port *find(const struct sim_border *b, uint64_t session, unsigned stream, enum media_side side)
{
    LIST_EACH(it, &b->ports) {
        struct border_port *p = CONTAINER_OF(it, struct border_port, link);
        if (p->session == session && p->stream == stream && p->side == side && p->component == MEDIA_COMPONENT_RTP)
            return p;
    }
    return NULL;
}

static int open_session(void *ctx, uint64_t session)
{
    const struct sim_border *b = ctx;
    if (!b->relay)
        return ERR_UNREACHABLE;
    return media_relay_has(b->relay, session) ? ERR_EXISTS : 0;
}

static uint16_t next_port(struct sim_border *b, enum media_side side)
{
    const uint16_t port = b->next_port[side];
    b->next_port[side] = port >= PORT_MAX ? PORT_MIN : (uint16_t)(port + 2);
    return port;
}

/* One port of a pair. False: somebody has it. */
static bool open_port(struct sim_border *b, const struct border_port *like, uint16_t port)
{
    struct border_port *p = sim_alloc(sizeof *p);
    *p = *like;
    p->port = (struct sim_media_port){
        .addr = sim_calls_addr(p->side == MEDIA_INSIDE ? SIM_AT_EDGE_INSIDE : SIM_AT_EDGE_OUTSIDE, b->company),
        .zone = p->side == MEDIA_INSIDE ? SIM_ZONE_OFFICE : SIM_ZONE_INTERNET,
        .whose = b->company,
        .came = came,
        .ctx = p};
    p->port.addr.port = port;
    if (!sim_media_open(&b->day->media, &p->port)) {
        mem_free(p);
        return false;
    }
    if (media_relay_flow(b->relay, now_of(b), p->session, p->stream, p->side, p->component, &p->flow) != 0)
        sim_die("no memory for a port of media");
    media_flow_set_port(p->flow, p);
    list_append(&b->ports, &p->link);
    return true;
}

static int bind_port(void *ctx, uint64_t session, unsigned stream, enum media_side side, uint8_t family,
                     struct addr *ret_local)
{
    struct sim_border *b = ctx;
    struct border_port like = {.border = b, .session = session, .stream = stream, .side = side};
    const struct border_port *there = find(b, session, stream, side);
    if (!b->relay)
        return ERR_NOT_FOUND;
    if (family != 4)
        return ERR_RANGE;
    while (!there) {
        const uint16_t port = next_port(b, side);
        like.component = MEDIA_COMPONENT_RTP;
        if (!open_port(b, &like, port))
            continue;
        like.component = MEDIA_COMPONENT_RTCP;
        open_port(b, &like, (uint16_t)(port + 1));
        there = find(b, session, stream, side);
    }
    *ret_local = there->port.addr;
    return 0;
}

/* Of streams that are off; of all, when the session is. */
static void close_ports(struct sim_border *b, uint64_t id, const struct media_session *session)
{
    LIST_EACH(it, &b->ports) {
        struct border_port *p = CONTAINER_OF(it, struct border_port, link);
        if (p->session != id ||
            (session && (p->stream >= session->stream_count || session->streams[p->stream].kind != MEDIA_OFF)))
            continue;
        if (p->flow)
            media_flow_set_port(p->flow, NULL);
        close_port(p);
    }
}

static void set(void *ctx, const struct media_session *session)
{
    struct sim_border *b = ctx;
    if (!b->relay)
        return;
    int err = media_relay_set(b->relay, now_of(b), session);
    if (err)
        sim_die("the relay of company %u does not take a session: %s", b->company, err_name(err));
    close_ports(b, session->id, session);
}

static struct border_state *find_state(const struct sim_border *b, uint64_t session)
{
    LIST_EACH(it, &b->states) {
        struct border_state *s = CONTAINER_OF(it, struct border_state, link);
        if (s->session == session)
            return s;
    }
    return NULL;
}

static void drop_state(struct border_state *s)
{
    if (!s)
        return;
    list_remove(&s->link);
    buf_fini_secret(&s->octets);
    mem_free(s);
}

static void keep_state(struct sim_border *b, uint64_t session)
{
    drop_state(find_state(b, session));
    struct border_state *s = sim_alloc(sizeof *s);
    s->session = session;
    buf_init(&s->octets, STATE_OCTETS_MAX);
    list_append(&b->states, &s->link);
    if (media_relay_export(b->relay, now_of(b), session, &s->octets) != 0)
        drop_state(s);
}

static void close_session(void *ctx, uint64_t session)
{
    struct sim_border *b = ctx;
    if (!b->relay)
        return;
    close_ports(b, session, NULL);
    drop_state(find_state(b, session));
    media_relay_remove(b->relay, now_of(b), session);
}

static int figures(void *ctx, uint64_t session, struct media_summary *ret_summary)
{
    const struct sim_border *b = ctx;
    return b->relay ? media_relay_figures(b->relay, now_of(b), session, ret_summary) : ERR_NOT_FOUND;
}

bool sim_border_media_turn(struct sim_border *b)
{
    struct media_event event;
    bool any = false;
    while (b->relay && media_relay_next(b->relay, now_of(b), &event)) {
        if (event.kind == MEDIA_STATE)
            keep_state(b, event.session);
        else
            edge_media(b->edge, now_of(b), &event);
        any = true;
    }
    return any;
}

/* ---- workers that die ---- */

/* At another relay: with its state, or as one that was never described. */
static void resume(struct sim_border *b, struct border_port *p)
{
    const struct border_state *s = find_state(b, p->session);
    uint64_t session;
    if (s && !media_relay_has(b->relay, p->session) &&
        media_relay_import(b->relay, now_of(b), buf_slice(&s->octets), &session, NULL) != 0)
        return;
    if (media_relay_flow(b->relay, now_of(b), p->session, p->stream, p->side, p->component, &p->flow) != 0)
        sim_die("no memory for a port of media");
    media_flow_set_port(p->flow, p);
}

static void lose(struct sim_border *b, uint64_t session)
{
    close_ports(b, session, NULL);
    drop_state(find_state(b, session));
    edge_media(b->edge, now_of(b), &(struct media_event){.kind = MEDIA_LOST, .session = session});
}

void sim_border_crash_worker(struct sim_border *b, bool goes_on)
{
    struct list *it;
    if (!b->relay)
        return;
    LIST_EACH(port, &b->ports)
        CONTAINER_OF(port, struct border_port, link)->flow = NULL;
    media_relay_free(b->relay);
    b->relay = NULL;
    if (goes_on) {
        sim_border_media_open(b);
        b->paused_until_us = b->day->world->now_us + RESTART_US;
        LIST_EACH(port, &b->ports)
            resume(b, CONTAINER_OF(port, struct border_port, link));
    }
    for (it = b->ports.next; it != &b->ports;) {
        const struct border_port *p = CONTAINER_OF(it, struct border_port, link);
        it = it->next;
        if (p->flow)
            continue;
        lose(b, p->session);
        it = b->ports.next; /* more than one has gone */
    }
    sim_border_settle(b);
}

/* ---- life ---- */

void sim_border_media_init(struct sim_border *b)
{
    list_init(&b->ports);
    list_init(&b->states);
    b->next_port[MEDIA_INSIDE] = b->next_port[MEDIA_OUTSIDE] = PORT_MIN;
    b->media = (struct media_port){b, open_session, bind_port, set, close_session, figures};
}

void sim_border_media_open(struct sim_border *b)
{
    struct media_relay_options options;
    media_relay_options_init(&options);
    options.sessions_max = SESSIONS_MAX;
    if (!b->day->has_media)
        options.silence_ms = options.figures_ms = 0;
    options.quality.interval_ms = SAMPLE_MS;
    options.quality.hold_down_ms = HOLD_DOWN_MS;
    options.quality.recovery_ms = RECOVERY_MS;
    if (media_relay_new(&options, entropy_u64(&b->entropy), &b->relay) != 0)
        sim_die("no memory for a relay");
}

void sim_border_media_close(struct sim_border *b)
{
    LIST_EACH(it, &b->ports)
        close_port(CONTAINER_OF(it, struct border_port, link));
    LIST_EACH(state, &b->states)
        drop_state(CONTAINER_OF(state, struct border_state, link));
    media_relay_free(b->relay);
    b->relay = NULL;
}
