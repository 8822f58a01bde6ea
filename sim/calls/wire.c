/* Datagrams and connections: wire.h. */
#include "calls/wire.h"

#include "alloc.h"
#include "base/mem.h"
#include "conn.h"

#define DEAD_US (20 * SIM_SECOND) /* octets that nobody acknowledges for so long end a connection, as sip_host has it */
#define HANDSHAKE_FLIGHTS 3       /* TCP and TLS 1.3, until the connecting end is up */
#define PPM 1000000u

struct sim_wire_conn {
    struct list link;
    struct sim_wire *wire;
    struct sim_wire_socket *sockets[2]; /* [0] connected, [1] accepted */
    uint64_t ids[2];
    uint32_t lives[2];
    bool open[2];       /* this end has it */
    int64_t last_us[2]; /* when what that end sent last arrives */
    bool broken;        /* nothing arrives any more */
    bool waits[2];      /* what this end has written since then is not acknowledged */
    size_t packets;     /* under way, or a wait for an end */
};

enum packet_kind {
    PACKET_DATAGRAM,
    PACKET_REFUSED, /* ICMP for a datagram; octets: none */
    PACKET_SYN,
    PACKET_UP,
    PACKET_OCTETS,
    PACKET_DOWN
};

struct packet {
    struct list link;
    struct sim_wire *wire;
    enum packet_kind kind;
    const struct sim_wire_socket *from, *to;
    uint32_t life; /* of the host it goes to, when it was sent */
    struct sim_wire_conn *conn;
    unsigned end; /* of the connection, where it goes */
    size_t n;
    uint8_t octets[];
};

static void arrive(void *ctx, struct sim_world *world);

/* ---- life ---- */

void sim_wire_init(struct sim_wire *wire, struct sim_world *world)
{
    *wire = (struct sim_wire){.world = world};
    sim_entropy_init(&wire->seed, world->options->seed, "wire", 0);
    wire->entropy = seeded_entropy_port(&wire->seed);
    list_init(&wire->packets);
    list_init(&wire->conns);
}

void sim_wire_fini(struct sim_wire *wire)
{
    struct list *it;
    while ((it = list_pop(&wire->packets)))
        mem_free(CONTAINER_OF(it, struct packet, link));
    while ((it = list_pop(&wire->conns)))
        mem_free(CONTAINER_OF(it, struct sim_wire_conn, link));
    mem_free(wire->sockets);
}

void sim_wire_add(struct sim_wire *wire, struct sim_wire_socket *socket)
{
    wire->sockets = sim_resize(wire->sockets, (wire->socket_count + 1) * sizeof(struct sim_wire_socket *));
    wire->sockets[wire->socket_count++] = socket;
}

struct sim_wire_socket *sim_wire_find(const struct sim_wire *wire, const struct addr *addr)
{
    for (size_t i = 0; i < wire->socket_count; i++)
        if (addr_eq(&wire->sockets[i]->addr, addr))
            return wire->sockets[i];
    return NULL;
}

/* ---- the way from one socket to another ---- */

static bool reaches(const struct sim_wire_socket *a, const struct sim_wire_socket *b)
{
    return !(a->blocked >> b->group & 1) && !(b->blocked >> a->group & 1);
}

static int64_t delay_us(struct sim_wire *wire, const struct sim_wire_socket *a, const struct sim_wire_socket *b)
{
    int64_t us = entropy_between(&wire->entropy, a->delay_us[0] + b->delay_us[0], a->delay_us[1] + b->delay_us[1]);
    if (a->host->node && b->host->node && a->host->node != b->host->node)
        us += sim_network_delay_us(wire->world, a->host->node->index, b->host->node->index);
    return us;
}

static struct packet *packet_new(struct sim_wire *wire, enum packet_kind kind, const struct sim_wire_socket *from,
                                 const struct sim_wire_socket *to, struct slice octets)
{
    struct packet *p = sim_resize(NULL, sizeof *p + octets.n);
    *p = (struct packet){.wire = wire, .kind = kind, .from = from, .to = to, .life = to->host->life, .n = octets.n};
    memcpy(p->octets, octets.n ? (const void *)octets.p : "", octets.n);
    list_append(&wire->packets, &p->link);
    wire->packet_count++;
    return p;
}

static void send(struct packet *p, int64_t due_us)
{
    sim_world_at(p->wire->world, due_us, arrive, p);
}

/* ---- datagrams ---- */

void sim_wire_datagram(struct sim_wire *wire, const struct sim_wire_socket *from, const struct addr *to,
                       struct slice octets)
{
    const struct sim_wire_socket *at = sim_wire_find(wire, to);
    wire->datagrams++;
    if (!at)
        return;
    wire->tap(wire->tap_ctx, from, at, octets);
    const int64_t us = delay_us(wire, from, at);
    if (entropy_below(&wire->entropy, PPM) < from->loss_ppm + at->loss_ppm || !reaches(from, at)) {
        wire->lost++;
        return;
    }
    send(packet_new(wire, PACKET_DATAGRAM, from, at, octets), wire->world->now_us + us);
}

static void datagram_came(struct packet *p)
{
    struct sim_wire *wire = p->wire;
    struct sim_wire_host *host = p->to->host;
    if (host->up) {
        host->user->datagram(host->ctx, p->to->side, &p->from->addr, &p->to->addr, slice_of(p->octets, p->n));
    } else if (!host->silent) {
        struct packet *refused = packet_new(wire, PACKET_REFUSED, p->to, p->from, (struct slice){0});
        send(refused, wire->world->now_us + delay_us(wire, p->to, p->from));
    }
}

static void refusal_came(const struct packet *p)
{
    const struct sim_wire_host *host = p->to->host;
    if (host->up && host->life == p->life && host->user->datagram_failed)
        host->user->datagram_failed(host->ctx, p->to->side, &p->from->addr);
}

/* ---- connections ---- */

static void conn_check(struct sim_wire_conn *c)
{
    if (c->open[0] || c->open[1] || c->packets)
        return;
    list_remove(&c->link);
    c->wire->conn_count--;
    mem_free(c);
}

static struct sim_wire_conn *conn_of(const struct sim_wire *wire, const struct sim_wire_host *host, uint64_t id,
                                     unsigned *ret_end)
{
    LIST_EACH(it, &wire->conns) {
        struct sim_wire_conn *c = CONTAINER_OF(it, struct sim_wire_conn, link);
        for (unsigned end = 0; end < 2; end++) {
            if (c->open[end] && c->sockets[end]->host == host && c->ids[end] == id) {
                *ret_end = end;
                return c;
            }
        }
    }
    return NULL;
}

static void send_to_end(struct sim_wire_conn *c, unsigned end, enum packet_kind kind, struct slice octets,
                        int64_t due_us)
{
    struct packet *p = packet_new(c->wire, kind, c->sockets[!end], c->sockets[end], octets);
    p->conn = c;
    p->end = end;
    c->packets++;
    send(p, due_us);
}

/* Nothing arrives any more. An end finds out when its octets are not acknowledged, or at once from a machine that has begun anew; one that writes nothing
 * never does. */
static void write_to_nobody(struct sim_wire_conn *c, unsigned to)
{
    struct sim_wire *wire = c->wire;
    const struct sim_wire_socket *a = c->sockets[!to], *b = c->sockets[to];
    const bool is_reset = b->host->up && b->host->life != c->lives[to] && reaches(a, b);
    c->broken = true;
    if (c->waits[!to] && !is_reset)
        return;
    c->waits[!to] = true;
    send_to_end(c, !to, PACKET_DOWN, (struct slice){0},
                wire->world->now_us + (is_reset ? delay_us(wire, a, b) + delay_us(wire, b, a) : DEAD_US));
}

/* To that end, behind what is on its way there. */
static void transmit(struct sim_wire_conn *c, unsigned to, enum packet_kind kind, struct slice octets, unsigned flights)
{
    struct sim_wire *wire = c->wire;
    const struct sim_wire_socket *a = c->sockets[!to], *b = c->sockets[to];
    int64_t due = wire->world->now_us;
    for (unsigned i = 0; i < flights; i++)
        due += delay_us(wire, a, b);
    if (c->broken || !reaches(a, b)) {
        write_to_nobody(c, to);
        return;
    }
    due = due > c->last_us[!to] ? due : c->last_us[!to];
    c->last_us[!to] = due;
    send_to_end(c, to, kind, octets, due);
}

void sim_wire_connect(struct sim_wire *wire, struct sim_wire_socket *from, uint64_t id, const struct addr *to,
                      const char *tls_name)
{
    struct sim_wire_socket *found = sim_wire_find(wire, to), *at = found ? found : from; /* nobody's: refused */
    struct sim_wire_conn *c = sim_alloc(sizeof *c);
    *c = (struct sim_wire_conn){.wire = wire, .sockets = {from, at}, .ids = {id, 0}, .open = {true, false}};
    c->lives[0] = from->host->life;
    list_append(&wire->conns, &c->link);
    wire->conn_count++;
    if (!found || (tls_name[0] && at->host->domain && strcmp(tls_name, at->host->domain) != 0))
        transmit(c, 0, PACKET_DOWN, (struct slice){0}, HANDSHAKE_FLIGHTS);
    else
        transmit(c, 1, PACKET_SYN, (struct slice){0}, HANDSHAKE_FLIGHTS);
}

void sim_wire_write(struct sim_wire *wire, struct sim_wire_host *host, uint64_t id, struct slice octets)
{
    unsigned end;
    struct sim_wire_conn *c = conn_of(wire, host, id, &end);
    if (!c)
        return;
    wire->tap(wire->tap_ctx, c->sockets[end], c->sockets[!end], octets);
    transmit(c, !end, PACKET_OCTETS, octets, 1);
}

/* An end lets go of it; the other one hears of it behind what was written. */
static void let_go(struct sim_wire_conn *c, unsigned end, bool silent)
{
    c->open[end] = false;
    if (silent)
        c->broken = true;
    else
        transmit(c, !end, PACKET_DOWN, (struct slice){0}, 1);
    conn_check(c);
}

void sim_wire_close(struct sim_wire *wire, struct sim_wire_host *host, uint64_t id)
{
    unsigned end;
    struct sim_wire_conn *c = conn_of(wire, host, id, &end);
    if (c)
        let_go(c, end, false);
}

unsigned sim_wire_cut(struct sim_wire *wire, const struct sim_wire_host *a, const struct sim_wire_host *b)
{
    unsigned cut = 0;
    LIST_EACH(it, &wire->conns) {
        struct sim_wire_conn *c = CONTAINER_OF(it, struct sim_wire_conn, link);
        const struct sim_wire_host *x = c->sockets[0]->host, *y = c->sockets[1]->host;
        if (c->broken || !((x == a && y == b) || (x == b && y == a)))
            continue;
        transmit(c, 0, PACKET_DOWN, (struct slice){0}, 1);
        transmit(c, 1, PACKET_DOWN, (struct slice){0}, 1);
        c->broken = true;
        cut++;
    }
    return cut;
}

void sim_wire_start(struct sim_wire_host *host)
{
    host->life++;
    host->up = true;
}

void sim_wire_end(struct sim_wire *wire, struct sim_wire_host *host, bool silent)
{
    host->up = false;
    host->silent = silent;
    LIST_EACH(it, &wire->conns) {
        struct sim_wire_conn *c = CONTAINER_OF(it, struct sim_wire_conn, link);
        for (unsigned end = 0; end < 2; end++) {
            if (c->open[end] && c->sockets[end]->host == host) {
                let_go(c, end, silent);
                break; /* nobody is connected with itself, and it may be gone */
            }
        }
    }
}

/* ---- what arrives ---- */

static void syn_came(struct sim_wire_conn *c)
{
    struct sim_wire_host *host = c->sockets[1]->host;
    const struct sim_wire_host *from = c->sockets[0]->host;
    if (!c->open[0])
        return;
    if (!host->up && host->silent)
        return; /* who connects gives up in time */
    if (!host->up || !host->user->accepted ||
        !host->user->accepted(host->ctx, c->sockets[1]->side, &c->sockets[0]->addr, &c->sockets[1]->addr, &c->ids[1])) {
        transmit(c, 0, PACKET_DOWN, (struct slice){0}, 1);
        return;
    }
    c->open[1] = true;
    c->lives[1] = host->life;
    transmit(c, 0, PACKET_UP, (struct slice){0}, 1);
    host->user->up(host->ctx, c->ids[1], &c->sockets[1]->addr, from->domain);
}

static void came_to_conn(const struct packet *p)
{
    struct sim_wire_conn *c = p->conn;
    const unsigned end = p->end;
    struct sim_wire_host *host = c->sockets[end]->host;
    c->packets--;
    if (p->kind == PACKET_SYN) {
        syn_came(c);
    } else if (c->open[end] && host->up && host->life == c->lives[end]) {
        if (p->kind == PACKET_UP) {
            host->user->up(host->ctx, c->ids[end], &c->sockets[end]->addr, c->sockets[!end]->host->domain);
        } else if (p->kind == PACKET_OCTETS) {
            host->user->octets(host->ctx, c->ids[end], slice_of(p->octets, p->n));
        } else {
            c->open[end] = false;
            host->user->down(host->ctx, c->ids[end]);
        }
    }
}

static void arrive(void *ctx, struct sim_world *world)
{
    struct packet *p = ctx;
    struct sim_wire *wire = p->wire;
    list_remove(&p->link);
    wire->packet_count--;
    sim_world_hash(world, &p->kind, sizeof p->kind);
    sim_world_hash(world, p->to->addr.ip, sizeof p->to->addr.ip);
    sim_world_hash(world, p->octets, p->n);
    struct sim_wire_conn *c = p->conn;
    if (p->kind == PACKET_DATAGRAM)
        datagram_came(p);
    else if (p->kind == PACKET_REFUSED)
        refusal_came(p);
    else
        came_to_conn(p);
    mem_free(p);
    if (c)
        conn_check(c);
}
