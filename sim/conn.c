/* The life of a connection: set up, octets in order, held octets, its end. */
#include "conn.h"

#include "alloc.h"
#include "base/mem.h"
#include "hops.h"
#include "reload/frame.h"

struct sim_conn_end *sim_conn_find(const struct sim_world *world, uint32_t node, enum sim_port port, uint64_t id)
{
    return sim_conn_table_find(&world->network->ends, node, port, id);
}

/* ---- ends ---- */

static uint8_t port_of(enum sim_conn_kind kind, unsigned end)
{
    if (kind == SIM_CONN_RING)
        return SIM_PORT_RING;
    if (kind == SIM_CONN_PVP)
        return SIM_PORT_PVP;
    return end ? SIM_PORT_VAP : SIM_PORT_AGENT;
}

void sim_conn_name(struct sim_world *world, struct sim_conn_end *end, uint64_t id)
{
    struct sim_node *node = &world->nodes[end->node];
    end->id = id;
    end->open = true;
    end->prev = NULL;
    end->next = node->conns;
    if (end->next)
        end->next->prev = end;
    node->conns = end;
    sim_conn_table_add(&world->network->ends, end);
}

static void forget_end(struct sim_world *world, struct sim_conn_end *end)
{
    struct sim_node *node = &world->nodes[end->node];
    if (!end->open)
        return;
    end->open = false;
    sim_conn_table_remove(&world->network->ends, end);
    if (end->prev)
        end->prev->next = end->next;
    else
        node->conns = end->next;
    if (end->next)
        end->next->prev = end->prev;
}

/* world NULL: it is on its way out, nobody watches. */
static void release(struct sim_world *world, struct sim_conn *conn)
{
    if (conn->events || conn->ends[0].open || conn->ends[1].open)
        return;
    if (world && conn->kind == SIM_CONN_RING)
        for (unsigned i = 0; i < world->observer_count; i++)
            if (world->observers[i]->link_gone)
                world->observers[i]->link_gone(world->observers[i]->ctx, conn->number);
    mem_free(conn->pvp);
    mem_free(conn);
}

void sim_conn_forget(struct sim_conn *conn)
{
    conn->events--;
    release(NULL, conn);
}

/* ---- who watches ---- */

static void show_closed(struct sim_world *world, struct sim_conn *conn, unsigned by, enum sim_conn_closed how)
{
    if (conn->shown_closed || conn->kind != SIM_CONN_RING)
        return;
    conn->shown_closed = true;
    for (unsigned i = 0; i < world->observer_count; i++)
        if (world->observers[i]->link_closed)
            world->observers[i]->link_closed(world->observers[i]->ctx, conn->number, by, how);
}

static void count_link(struct sim_world *world, const struct sim_conn *conn, int change)
{
    if (conn->kind != SIM_CONN_RING)
        return;
    for (unsigned end = 0; end < 2; end++)
        world->nodes[conn->ends[end].node].links += (uint32_t)change;
}

/* ---- sending ---- */

static void hold(struct sim_world *world, struct sim_conn_end *from, struct sim_event *event)
{
    struct sim_network *network = world->network;
    event->next = NULL;
    if (from->held) {
        from->held_last->next = event;
        from->held_last = event;
        return;
    }
    from->held = from->held_last = event;
    from->held_us = world->now_us;
    from->held_number = ++network->next_held;
    if (network->held_count == network->held_capacity) {
        network->held_capacity = network->held_capacity ? 2 * network->held_capacity : 64;
        network->held = sim_resize(network->held, network->held_capacity * sizeof(struct sim_conn_end *));
    }
    network->held[network->held_count++] = from;
    struct sim_conn *conn = sim_conn_of(from);
    struct sim_event *give_up = sim_event_new(SIM_EVENT_GIVE_UP, 0);
    give_up->conn = conn;
    give_up->end = from->end;
    give_up->number = from->held_number;
    conn->events++;
    sim_event_schedule(world, give_up, world->now_us + SIM_DEAD_AFTER_US);
}

void sim_conn_transmit(struct sim_world *world, struct sim_conn_end *from, struct sim_event *event, int64_t extra_us)
{
    struct sim_conn *conn = sim_conn_of(from);
    struct sim_conn_end *to = &conn->ends[!from->end];
    event->conn = conn;
    event->end = to->end;
    conn->events++;
    from->last = NULL;
    if (from->held || !sim_network_reaches(world, from->node, to->node)) {
        hold(world, from, event);
        return;
    }
    int64_t due = world->now_us + sim_network_delay_us(world, from->node, to->node) + extra_us;
    due = due > from->last_us ? due : from->last_us;
    from->last_us = due;
    sim_event_schedule(world, event, due);
}

/* What was held is lost. */
static void drop_held(struct sim_world *world, struct sim_conn_end *end)
{
    struct sim_network *network = world->network;
    if (!end->held)
        return;
    end->last = NULL;
    while (end->held) {
        struct sim_event *event = end->held;
        end->held = event->next;
        sim_conn_of(end)->events--;
        sim_event_free(event);
    }
    for (size_t i = 0; i < network->held_count; i++)
        if (network->held[i] == end) {
            memmove(&network->held[i], &network->held[i + 1],
                    (network->held_count - i - 1) * sizeof(struct sim_conn_end *));
            network->held_count--;
            return;
        }
}

static void send_octets(struct sim_world *world, struct sim_conn_end *end, struct slice octets)
{
    struct sim_event *event = sim_event_new(SIM_EVENT_OCTETS, octets.n);
    memcpy(event->octets, octets.p, octets.n);
    if (end->last && end->sent_us == world->now_us) {
        end->last->more = event;
    } else {
        end->sent_us = world->now_us;
        sim_conn_transmit(world, end, event, 0);
    }
    end->last = event;
}

void sim_conn_send(struct sim_world *world, struct sim_conn_end *end, struct slice octets)
{
    struct sim_conn *conn = sim_conn_of(end);
    if (!octets.n)
        return;
    if (conn->kind == SIM_CONN_RING) {
        if (octets.p[0] == RELOAD_FRAME_DATA && octets.n >= RELOAD_FRAME_DATA_HEAD_OCTETS)
            end->sequence =
                (uint32_t)octets.p[1] << 24 | (uint32_t)octets.p[2] << 16 | (uint32_t)octets.p[3] << 8 | octets.p[4];
        sim_hops_sent(world, &world->nodes[end->node], octets);
        for (unsigned i = 0; i < world->observer_count; i++)
            if (world->observers[i]->link_octets)
                world->observers[i]->link_octets(world->observers[i]->ctx, conn->number, end->end, octets);
    }
    send_octets(world, end, octets);
}

/* ---- making and ending ---- */

struct sim_conn *sim_conn_open(struct sim_world *world, enum sim_conn_kind kind, uint32_t from, uint64_t id,
                               bool somebody, uint32_t to)
{
    struct sim_conn *conn = sim_alloc(sizeof *conn);
    conn->number = ++world->network->next_number;
    conn->kind = (uint8_t)kind;
    for (unsigned i = 0; i < 2; i++) {
        conn->ends[i].end = (uint8_t)i;
        conn->ends[i].port = port_of(kind, i);
        conn->ends[i].node = i ? to : from;
    }
    sim_conn_name(world, &conn->ends[0], id);
    if (somebody && kind == SIM_CONN_RING)
        for (unsigned i = 0; i < world->observer_count; i++)
            if (world->observers[i]->link_connect)
                world->observers[i]->link_connect(world->observers[i]->ctx, conn->number, &world->nodes[from],
                                                  &world->nodes[to]);
    if (somebody && sim_network_reaches(world, from, to)) {
        sim_conn_transmit(world, &conn->ends[0], sim_event_new(SIM_EVENT_SYN, 0), 0);
        return conn;
    }
    struct sim_event *event = sim_event_new(SIM_EVENT_FAILED, 0);
    event->code = ERR_TIMEOUT;
    event->conn = conn;
    conn->events++;
    sim_event_schedule(world, event, world->now_us + SIM_CONNECT_TIMEOUT_US);
    return conn;
}

void sim_conn_close(struct sim_world *world, struct sim_conn_end *end, enum sim_conn_closed how)
{
    struct sim_conn *conn = sim_conn_of(end);
    struct sim_conn_end *other = &conn->ends[!end->end];
    if (conn->ends[0].open && conn->ends[1].open)
        count_link(world, conn, -1);
    show_closed(world, conn, end->end, how);
    forget_end(world, end);
    if (how == SIM_FORGOTTEN) {
        drop_held(world, end);
    } else if (!other->heard) {
        other->heard = true;
        sim_conn_transmit(world, end, sim_event_new(SIM_EVENT_DOWN, 0), 0);
    }
    release(world, conn);
}

void sim_conn_close_all(struct sim_world *world, uint32_t node, bool agent, enum sim_conn_closed how)
{
    struct sim_conn_end *next;
    for (struct sim_conn_end *end = world->nodes[node].conns; end; end = next) {
        next = end->next;
        bool same_host = end->port == SIM_PORT_VAP || end->port == SIM_PORT_AGENT;
        if ((end->port == SIM_PORT_AGENT) == agent)
            sim_conn_close(world, end, same_host && how == SIM_FORGOTTEN ? SIM_RESET : how);
    }
}

struct sim_conn_end *sim_conn_between(const struct sim_world *world, uint32_t from, uint32_t to)
{
    for (struct sim_conn_end *end = world->nodes[from].conns; end; end = end->next)
        if (end->port == SIM_PORT_RING && sim_conn_of(end)->up && sim_conn_of(end)->ends[!end->end].node == to)
            return end;
    return NULL;
}

unsigned sim_network_cut(struct sim_world *world, uint32_t a, uint32_t b)
{
    unsigned cut = 0;
    struct sim_conn_end *next;
    for (struct sim_conn_end *end = world->nodes[a].conns; end; end = next) {
        struct sim_conn *conn = sim_conn_of(end);
        next = end->next;
        if (end->port != SIM_PORT_RING || conn->ends[!end->end].node != b || end->heard)
            continue;
        end->heard = true;
        show_closed(world, conn, end->end, SIM_RESET);
        sim_conn_transmit(world, &conn->ends[!end->end], sim_event_new(SIM_EVENT_DOWN, 0), 0);
        if (!conn->ends[!end->end].heard) {
            conn->ends[!end->end].heard = true;
            sim_conn_transmit(world, end, sim_event_new(SIM_EVENT_DOWN, 0), 0);
        }
        cut++;
    }
    return cut;
}

unsigned sim_network_links(const struct sim_world *world, uint32_t node)
{
    return world->nodes[node].links;
}

/* ---- what happens ---- */

/* One way takes as long again as the way here has taken: what the handshake's flights need. */
static int64_t flights_us(struct sim_world *world, const struct sim_conn *conn, unsigned flights)
{
    int64_t us = 0;
    for (unsigned i = 0; i < flights; i++)
        us += sim_network_delay_us(world, conn->ends[0].node, conn->ends[1].node);
    return us + 2 * world->nature.handshake_us;
}

static void refuse(struct sim_world *world, struct sim_conn *conn, int err)
{
    struct sim_event *event = sim_event_new(SIM_EVENT_FAILED, 0);
    event->code = (int16_t)err;
    conn->ends[0].heard = true;
    sim_conn_transmit(world, &conn->ends[1], event, 0);
}

/* TCP: one flight has come here; the answer is the second. TLS 1.3: two more until the connecting end is up, a third until the accepting
 * end has its certificate. The TLS 1.2 of SRP: the username comes with the first, the accepting end knows after two more. */
static void syn(struct sim_world *world, struct sim_conn *conn)
{
    const struct sim_node *to = &world->nodes[conn->ends[1].node];
    if (!conn->ends[0].open)
        return;
    if (!to->server) {
        refuse(world, conn, ERR_UNREACHABLE);
        return;
    }
    struct sim_event *accept = sim_event_new(SIM_EVENT_ACCEPT, 0);
    accept->conn = conn;
    accept->end = 1;
    conn->events++;
    if (conn->kind == SIM_CONN_PVP) {
        sim_event_schedule(world, accept, world->now_us + flights_us(world, conn, 2));
        return;
    }
    sim_conn_transmit(world, &conn->ends[1], sim_event_new(SIM_EVENT_UP, 0), flights_us(world, conn, 2));
    /* What the connecting end sends comes behind its certificate. */
    int64_t before = conn->ends[1].last_us > world->now_us ? conn->ends[1].last_us : world->now_us;
    int64_t due = before + flights_us(world, conn, 1);
    conn->ends[0].last_us = due;
    sim_event_schedule(world, accept, due);
}

static void accepted(struct sim_world *world, struct sim_conn *conn)
{
    if (!conn->ends[0].open)
        return;
    if (!world->nodes[conn->ends[1].node].server || !sim_intake_accept(world, conn)) {
        if (conn->up || conn->kind != SIM_CONN_PVP) {
            conn->ends[0].heard = true;
            sim_conn_transmit(world, &conn->ends[1], sim_event_new(SIM_EVENT_DOWN, 0), 0);
        } else {
            refuse(world, conn, ERR_UNREACHABLE);
        }
        return;
    }
    count_link(world, conn, 1);
    if (conn->kind != SIM_CONN_PVP)
        return;
    struct sim_event *shaken = sim_event_new(SIM_EVENT_SHAKEN, 0);
    shaken->conn = conn;
    shaken->end = 1;
    conn->events++;
    sim_event_schedule(world, shaken, world->now_us + flights_us(world, conn, 2));
}

static void shaken(struct sim_world *world, struct sim_conn *conn)
{
    if (!conn->ends[1].open)
        return;
    if (conn->pvp->proved) /* before what the server says then */
        sim_conn_transmit(world, &conn->ends[1], sim_event_new(SIM_EVENT_UP, 0), 0);
    sim_intake_shaken(world, conn);
    if (conn->pvp->proved)
        return;
    forget_end(world, &conn->ends[1]);
    refuse(world, conn, ERR_AUTH);
}

static void up(struct sim_world *world, struct sim_conn *conn)
{
    if (!conn->ends[0].open)
        return;
    conn->up = true;
    if (conn->kind == SIM_CONN_RING)
        for (unsigned i = 0; i < world->observer_count; i++)
            if (world->observers[i]->link_accepted)
                world->observers[i]->link_accepted(world->observers[i]->ctx, conn->number);
    sim_intake_up(world, conn);
}

static void failed(struct sim_world *world, struct sim_conn *conn, int err)
{
    if (!conn->ends[0].open || conn->up)
        return;
    show_closed(world, conn, 1, err == ERR_TIMEOUT ? SIM_FORGOTTEN : SIM_RESET);
    forget_end(world, &conn->ends[0]);
    sim_intake_failed(world, conn, err);
}

/* Octets for an end that is not there: who sent them is told so. */
static void octets_came(struct sim_world *world, struct sim_conn_end *to, const struct sim_event *event)
{
    struct sim_conn_end *from = &sim_conn_of(to)->ends[!to->end];
    if (from->sent_us == world->now_us)
        from->last = NULL; /* no time has passed on the way */
    if (to->open) {
        for (; event && to->open; event = event->more)
            sim_intake_octets(world, to, slice_of(event->octets, event->octet_count));
        sim_intake_settle(world, to);
    } else if (from->open && !from->heard) {
        from->heard = true;
        sim_conn_transmit(world, to, sim_event_new(SIM_EVENT_DOWN, 0), 0);
    }
}

static void down(struct sim_world *world, struct sim_conn_end *at)
{
    struct sim_conn *conn = sim_conn_of(at);
    if (!at->open)
        return;
    if (conn->ends[0].open && conn->ends[1].open)
        count_link(world, conn, -1);
    drop_held(world, at);
    forget_end(world, at);
    if (at->end == 0 && !conn->up)
        sim_intake_failed(world, conn, ERR_UNREACHABLE);
    else
        sim_intake_down(world, at);
}

static void give_up(struct sim_world *world, struct sim_conn_end *end, uint64_t number)
{
    if (!end->held || end->held_number != number)
        return;
    drop_held(world, end);
    show_closed(world, sim_conn_of(end), end->end, SIM_FORGOTTEN);
    down(world, end);
}

void sim_network_happen(struct sim_world *world, struct sim_event *event)
{
    struct sim_conn *conn = event->conn;
    struct sim_conn_end *end = &conn->ends[event->end];
    switch ((enum sim_event_type)event->type) {
    case SIM_EVENT_SYN:
        syn(world, conn);
        break;
    case SIM_EVENT_ACCEPT:
        accepted(world, conn);
        break;
    case SIM_EVENT_UP:
        up(world, conn);
        break;
    case SIM_EVENT_FAILED:
        failed(world, conn, event->code);
        break;
    case SIM_EVENT_SHAKEN:
        shaken(world, conn);
        break;
    case SIM_EVENT_OCTETS:
        octets_came(world, end, event);
        break;
    case SIM_EVENT_DOWN:
        down(world, end);
        break;
    case SIM_EVENT_GIVE_UP:
        give_up(world, end, event->number);
        break;
    default:
        break;
    }
    sim_event_free(event);
    conn->events--;
    release(world, conn);
}
