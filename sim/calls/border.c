/* The processes of edges: border.h. */
#include "calls/border.h"

#include "alloc.h"
#include "base/mem.h"
#include "calls/office.h"
#include "ticket/keyset.h"

#include <stdio.h>

#define DISK_US_MEAN 3000
#define EFFECTS_MAX 1000000
#define LOCAL_US_MIN 100
#define LOCAL_US_MAX 900
#define NETWORK_BITS 16
#define EPHEMERAL_PORT 40000 /* that connections come from */

static struct now now_of(const struct sim_border *b)
{
    return sim_node_now(b->node);
}

/* ---- what is configured ---- */

static void set_point(struct sim_border *b, enum edge_side side, enum sip_transport transport)
{
    char text[ADDR_TEXT_OCTETS];
    if (edge_options_point(&b->options, side, transport, addr_format(&b->sockets[side].addr, text)) != 0)
        sim_die("no memory for an address");
}

static void configure(struct sim_border *b)
{
    static const uint8_t suites[] = {SUITE_AEAD_AES_128_GCM, SUITE_AES_CM_128_HMAC_SHA1_80};
    const struct addr inside = sim_calls_network(false), outside = sim_calls_network(true);
    struct edge_options *o = &b->options;
    struct edge_agent agent = {.name = (char *)(uintptr_t) "agent",
                               .addr = sim_calls_addr(SIM_AT_AGENT_IME, b->company),
                               .transport = SIP_TCP};
    struct addr own = b->sockets[EDGE_OUTSIDE].addr;
    own.port = 0;
    edge_options_default(o);
    for (size_t i = 0; i < sizeof suites; i++)
        o->suites[o->suite_count++] = suites[i];
    if (!b->day->has_media)
        o->sensitivity = 0;
    int err = edge_options_domain(o, b->domain);
    if (!err)
        err = edge_options_agent(o, &agent);
    if (!err)
        err = edge_options_own(o, &own);
    if (!err)
        err = edge_options_inside_network(o, &inside, NETWORK_BITS);
    if (!err)
        err = edge_options_outside_network(o, &outside, NETWORK_BITS);
    if (err)
        sim_die("the edge of company %u cannot be configured: %s", b->company, err_name(err));
    set_point(b, EDGE_INSIDE, SIP_TCP);
    set_point(b, EDGE_OUTSIDE, SIP_TLS);
}

/* ---- the transport ---- */

static bool accepted(void *ctx, unsigned side, const struct addr *peer, const struct addr *local, uint64_t *ret_id)
{
    struct sim_border *b = ctx;
    struct addr source = *peer;
    source.port = EPHEMERAL_PORT;
    if ((b->refuses && side == EDGE_OUTSIDE) ||
        sip_net_accepted(b->net, now_of(b), side == EDGE_INSIDE ? SIP_TCP : SIP_TLS, side, &source, local,
                         edge_knows(b->edge, side, &source), ret_id) != 0)
        return false;
    sim_border_settle(b);
    return true;
}

/* Only outside are there certificates. */
static void up(void *ctx, uint64_t id, const struct addr *local, const char *peer_domain)
{
    struct sim_border *b = ctx;
    const bool inside = addr_eq_ip(local, &b->sockets[EDGE_INSIDE].addr);
    sip_net_up(b->net, now_of(b), id, local, inside ? NULL : peer_domain);
    sim_border_settle(b);
}

static void octets(void *ctx, uint64_t id, struct slice octets)
{
    struct sim_border *b = ctx;
    sip_net_input(b->net, now_of(b), id, octets);
    sim_border_settle(b);
}

static void down(void *ctx, uint64_t id)
{
    struct sim_border *b = ctx;
    sip_net_down(b->net, now_of(b), id);
    sim_border_settle(b);
}

static const struct sim_wire_user wire_user = {.accepted = accepted, .up = up, .octets = octets, .down = down};

static void perform_net(struct sim_border *b, const struct sip_net_effect *e)
{
    struct sim_wire *wire = &b->day->wire;
    switch (e->kind) {
    case SIP_NET_CONNECT:
        sim_wire_connect(wire, &b->sockets[edge_side_of(e->hop->side)], e->conn, &e->hop->addr, e->hop->host);
        break;
    case SIP_NET_WRITE:
        sim_wire_write(wire, &b->host, e->conn, e->octets);
        break;
    case SIP_NET_CLOSE:
        sim_wire_close(wire, &b->host, e->conn);
        break;
    case SIP_NET_MESSAGE:
        edge_input(b->edge, now_of(b), e->flow, e->octets);
        break;
    case SIP_NET_UNREACHABLE:
        edge_unreachable(b->edge, now_of(b), e->hop);
        break;
    case SIP_NET_LOST:
        edge_lost(b->edge, now_of(b), e->hop);
        break;
    case SIP_NET_DATAGRAM: /* edges speak TCP and TLS */
        break;
    }
}

static bool perform_all(struct sim_border *b)
{
    struct edge_effect e;
    struct sip_net_effect n;
    bool any = sim_border_media_turn(b);
    while (edge_next(b->edge, now_of(b), &e)) {
        if (e.kind == EDGE_SEND)
            sip_net_send(b->net, now_of(b), e.hop, e.octets);
        else if (e.kind == EDGE_CLOSE)
            sip_net_close(b->net, now_of(b), e.conn);
        any = true;
    }
    while (sip_net_next(b->net, now_of(b), &n)) {
        perform_net(b, &n);
        any = true;
    }
    return any;
}

void sim_border_settle(struct sim_border *b)
{
    struct mono due;
    unsigned turns = 0;
    while (perform_all(b))
        if (++turns == EFFECTS_MAX)
            sim_die("the edge of company %u has no end of effects", b->company);
    due = mono_min(edge_deadline(b->edge), sip_net_deadline(b->net));
    if (b->relay)
        due = mono_min(due, media_relay_deadline(b->relay));
    sim_waker_set(&b->waker, sim_node_world_us(b->node, due));
}

static void due(void *ctx)
{
    struct sim_border *b = ctx;
    if (!b->edge) {
        if (b->back_us && b->back_us <= b->day->world->now_us)
            sim_border_start(b);
        else if (b->back_us)
            sim_waker_set(&b->waker, b->back_us);
        return;
    }
    const struct now now = now_of(b);
    if (mono_due(edge_deadline(b->edge), now.mono))
        edge_tick(b->edge, now);
    if (mono_due(sip_net_deadline(b->net), now.mono))
        sip_net_tick(b->net, now);
    if (b->relay && mono_due(media_relay_deadline(b->relay), now.mono))
        media_relay_tick(b->relay, now);
    sim_border_settle(b);
}

/* ---- keys ---- */

static const struct keyring *keyring_of(void *ctx, size_t domain)
{
    const struct sim_border *b = ctx;
    (void)domain;
    return b->keyring;
}

/* As the agent's key ring has them (doc/profile.md: edges get keys from where tickets are sealed). */
static int copy_keys(struct sim_border *b)
{
    const struct keyring *from = b->day->offices[b->company].keyring;
    const struct wall now = now_of(b).wall;
    struct keyring_epoch_info infos[TICKET_EPOCH_MAX];
    struct keyring_import *import;
    if (!from)
        return ERR_NOT_FOUND;
    const size_t n = keyring_list(from, infos, TICKET_EPOCH_MAX);
    int err = keyring_import_new(b->keyring, true, &import);
    if (err)
        return err;
    for (size_t i = 0; i < n; i++)
        keyring_import_epoch(import, &infos[i], keyring_key(from, infos[i].epoch, now));
    err = keyring_import_commit(import, now, NULL, NULL);
    sim_disk_sync(&b->disk);
    return err;
}

static int open_keyring(struct sim_border *b)
{
    const struct keyring_config config = {.granting_domain = slice_str(b->domain),
                                          .grace_ms = KEYRING_GRACE_MS_DEFAULT,
                                          .revocations_max = KEYRING_REVOCATIONS_MAX_DEFAULT,
                                          .hash_seed = entropy_u64(&b->entropy),
                                          .kv = memory_store_kv(b->disk.store),
                                          .entropy = &b->entropy};
    int err = keyring_new(&config, now_of(b).wall, &b->keyring);
    return err || keyring_epoch(b->keyring) ? err : copy_keys(b);
}

/* ---- life ---- */

static void hold(void *ctx, uint64_t conn, bool is_needed)
{
    struct sim_border *b = ctx;
    (is_needed ? sip_net_hold : sip_net_release)(b->net, now_of(b), conn);
}

static void write_log(void *ctx, enum log_level level, const char *event, const char *text)
{
    const struct sim_border *b = ctx;
    (void)level;
    fprintf(stderr, "%.3f edge %u: %s %s\n", (double)b->day->world->now_us / SIM_SECOND, b->company, event, text);
}

static int make(struct sim_border *b)
{
    struct sip_net_config net;
    sip_net_config_init(&net);
    net.seed = entropy_u64(&b->entropy);
    b->log = (struct log){write_log, b, LEVEL_INFO};
    const struct edge_ports ports = {.entropy = &b->entropy,
                                     .log = b->day->world->options->verbose ? &b->log : NULL,
                                     .keyring = keyring_of,
                                     .keyring_ctx = b,
                                     .media = &b->media,
                                     .hold = hold,
                                     .hold_ctx = b};
    int err = open_keyring(b);
    if (!err)
        err = sip_net_new(&net, NULL, &b->net);
    if (!err)
        err = edge_new(&b->options, &ports, now_of(b), &b->edge);
    return err;
}

static void end(struct sim_border *b, bool silent)
{
    sim_wire_end(&b->day->wire, &b->host, silent);
    sim_border_media_close(b);
    edge_free(b->edge);
    sip_net_free(b->net);
    keyring_free(b->keyring);
    b->edge = NULL;
    b->net = NULL;
    b->keyring = NULL;
}

void sim_border_start(struct sim_border *b)
{
    if (b->edge)
        return;
    b->back_us = 0;
    b->lives++;
    int err = make(b);
    if (err)
        sim_die("the edge of company %u does not start: %s", b->company, err_name(err));
    sim_border_media_open(b);
    sim_wire_start(&b->host);
    sim_border_settle(b);
}

void sim_border_crash(struct sim_border *b, bool silent, int64_t back_us)
{
    if (b->edge)
        end(b, silent);
    b->back_us = back_us;
    sim_waker_set(&b->waker, back_us);
}

void sim_border_start_worker(struct sim_border *b)
{
    if (!b->edge || b->relay)
        return;
    sim_border_media_open(b);
    sim_border_settle(b);
}

void sim_border_init(struct sim_border *b, struct sim_day *day, uint32_t company)
{
    const unsigned groups[EDGE_SIDES] = {SIM_GROUP_OF_EDGE_SIDE, SIM_GROUP_OF_IME(company)};
    static const enum sim_place_at places[EDGE_SIDES] = {SIM_AT_EDGE_INSIDE, SIM_AT_EDGE_OUTSIDE};
    *b = (struct sim_border){.day = day, .company = company, .node = sim_world_node(day->world, company)};
    sim_entropy_init(&b->seed, day->world->options->seed, "border", company);
    b->entropy = seeded_entropy_port(&b->seed);
    sim_domain(company, b->domain);
    b->host = (struct sim_wire_host){.user = &wire_user, .ctx = b, .node = b->node, .domain = b->domain};
    for (unsigned side = 0; side < EDGE_SIDES; side++) {
        b->sockets[side] = (struct sim_wire_socket){.host = &b->host,
                                                    .addr = sim_calls_addr(places[side], company),
                                                    .side = side,
                                                    .group = groups[side],
                                                    .delay_us = {LOCAL_US_MIN, LOCAL_US_MAX}};
        sim_wire_add(&day->wire, &b->sockets[side]);
    }
    sim_waker_init(&b->waker, day->world, due, b);
    if (sim_disk_init(&b->disk, DISK_US_MEAN) != 0)
        sim_die("no memory for a disk");
    sim_border_media_init(b);
    configure(b);
}

void sim_border_fini(struct sim_border *b)
{
    if (b->edge)
        end(b, true);
    edge_options_fini(&b->options);
    sim_disk_fini(&b->disk);
}

/* ---- looking at it ---- */

void sim_border_left(const struct sim_border *b, struct sim_border_left *ret_left)
{
    *ret_left = (struct sim_border_left){0};
    if (!b->edge)
        return;
    edge_left(b->edge, &ret_left->edge);
    ret_left->conns = sip_net_conns(b->net);
    ret_left->sessions = b->relay ? (size_t)media_relay_counters(b->relay)->sessions : 0;
    LIST_EACH(it, &b->ports)
        ret_left->ports++;
}
