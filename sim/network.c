/* Addresses, latency, partitions: what lies between the nodes, apart from single connections (conn.c). */
#include "network.h"

#include "alloc.h"
#include "base/mem.h"
#include "conn.h"

#include <math.h>

#define RING_PORT 6084
#define SAME_HOST_US 100
#define RETRANSMISSION_MIN_US INT64_C(200000) /* RFC 6298, as Linux has it */
#define SEGMENT_OCTETS 1400
#define BACKOFF_MAX_US INT64_C(20000000)

/* ---- addresses ---- */

struct addr sim_address(uint32_t node, bool ipv6, uint16_t port)
{
    struct addr a = {.family = ipv6 ? 6 : 4, .port = port};
    uint8_t *low = ipv6 ? &a.ip[12] : a.ip;
    uint32_t number = node + 1;
    static const uint8_t documentation[4] = {0x20, 0x01, 0x0d, 0xb8};
    if (ipv6)
        memcpy(a.ip, documentation, sizeof documentation);
    for (unsigned i = 0; i < 4; i++)
        low[i] = (uint8_t)(number >> (24 - 8 * i));
    if (!ipv6)
        low[0] = 10;
    return a;
}

bool sim_address_node(const struct sim_world *world, const struct addr *addr, uint32_t *ret_node)
{
    const uint8_t *low = addr->family == 6 ? &addr->ip[12] : addr->ip;
    uint32_t number = (uint32_t)low[1] << 16 | (uint32_t)low[2] << 8 | low[3];
    if (addr->family == 6)
        number |= (uint32_t)low[0] << 24;
    if (!number || number > world->node_count)
        return false;
    struct addr is = sim_address(number - 1, addr->family == 6, addr->port);
    if (!addr_eq(&is, addr) || (addr->family == 6 && !world->nodes[number - 1].ipv6))
        return false;
    *ret_node = number - 1;
    return true;
}

/* ---- latency ---- */

void sim_network_init(struct sim_world *world)
{
    struct sim_network *network = sim_alloc(sizeof *network);
    world->network = network;
    sim_entropy_init(&network->seed, world->options->seed, "network", 0);
    network->places = sim_alloc(world->node_count * sizeof *network->places);
    network->latency_us = sim_alloc(sim_city_count * sim_city_count * sizeof *network->latency_us);
    for (uint16_t a = 0; a < sim_city_count; a++)
        for (uint16_t b = 0; b < sim_city_count; b++)
            network->latency_us[a * sim_city_count + b] = (int32_t)sim_city_latency_us(a, b, world->nature.path_factor);
}

void sim_network_fini(struct sim_world *world)
{
    struct sim_network *network = world->network;
    sim_conn_table_fini(&network->ends);
    mem_free(network->held);
    mem_free(network->latency_us);
    mem_free(network->places);
    mem_free(network);
    world->network = NULL;
}

void sim_network_place(struct sim_world *world, uint32_t node, struct sim_place place)
{
    world->network->places[node] = place;
}

int64_t sim_network_rest_us(const struct sim_world *world, uint32_t from, uint32_t to)
{
    const struct sim_network *network = world->network;
    const struct sim_place *a = &network->places[from], *b = &network->places[to];
    if (from == to)
        return 0;
    return (int64_t)network->latency_us[a->city * sim_city_count + b->city] + a->access_us + b->access_us;
}

/* In 0 … 1, neither included. */
static double draw(struct sim_network *network)
{
    uint64_t bits;
    seeded_entropy_fill(&network->seed, &bits, sizeof bits);
    return ((double)(bits >> 12) + 0.5) / (double)(UINT64_C(1) << 52);
}

int64_t sim_network_delay_us(struct sim_world *world, uint32_t from, uint32_t to)
{
    if (from == to)
        return SAME_HOST_US;
    int64_t rest = sim_network_rest_us(world, from, to), delay = rest;
    if (world->nature.jitter > 0)
        delay += (int64_t)(-log(draw(world->network)) * world->nature.jitter * (double)rest);
    if (world->nature.loss > 0 && draw(world->network) < world->nature.loss)
        delay += 3 * rest > RETRANSMISSION_MIN_US ? 3 * rest : RETRANSMISSION_MIN_US;
    return delay + world->nodes[from].slow_us + world->nodes[to].slow_us;
}

/* ---- partitions ---- */

bool sim_network_reaches(const struct sim_world *world, uint32_t from, uint32_t to)
{
    const struct sim_network *network = world->network;
    if (!network->partitioned)
        return true;
    const struct sim_node *a = &world->nodes[from], *b = &world->nodes[to];
    if (from == to)
        return true;
    return !a->dark && !b->dark && !(network->blocked[a->side] >> b->side & 1);
}

static void note_partition(struct sim_network *network)
{
    network->partitioned = network->dark > 0;
    for (unsigned i = 0; i < SIM_SIDES_MAX; i++)
        network->partitioned = network->partitioned || network->blocked[i];
}

void sim_network_put(struct sim_world *world, uint32_t node, unsigned side)
{
    if (side >= SIM_SIDES_MAX)
        sim_die("there is no side %u", side);
    world->nodes[node].side = side;
    sim_network_release(world);
}

void sim_network_block(struct sim_world *world, unsigned from_side, unsigned to_side, bool blocked)
{
    struct sim_network *network = world->network;
    if (from_side >= SIM_SIDES_MAX || to_side >= SIM_SIDES_MAX)
        sim_die("there is no side %u or %u", from_side, to_side);
    uint16_t bit = (uint16_t)(1u << to_side);
    network->blocked[from_side] =
        (uint16_t)(blocked ? network->blocked[from_side] | bit : network->blocked[from_side] & ~bit);
    note_partition(network);
    sim_network_release(world);
}

void sim_network_heal(struct sim_world *world)
{
    memset(world->network->blocked, 0, sizeof world->network->blocked);
    note_partition(world->network);
    for (uint32_t i = 0; i < world->node_count; i++)
        world->nodes[i].side = 0;
    sim_network_release(world);
}

void sim_network_darken(struct sim_world *world, struct sim_node *node, bool dark)
{
    if (node->dark == dark)
        return;
    node->dark = dark;
    world->network->dark += dark ? 1 : UINT32_MAX;
    note_partition(world->network);
    if (!dark)
        sim_network_release(world);
}

/* TCP tries again at growing intervals: what was held for long takes a while to notice that the way is free. */
static int64_t backoff_us(struct sim_world *world, int64_t held_us)
{
    return (int64_t)(draw(world->network) * (double)(held_us < BACKOFF_MAX_US ? held_us : BACKOFF_MAX_US));
}

void sim_network_release(struct sim_world *world)
{
    struct sim_network *network = world->network;
    size_t kept = 0;
    for (size_t i = 0; i < network->held_count; i++) {
        struct sim_conn_end *end = network->held[i];
        struct sim_conn_end *to = &sim_conn_of(end)->ends[!end->end];
        if (!sim_network_reaches(world, end->node, to->node)) {
            network->held[kept++] = end;
            continue;
        }
        int64_t due = world->now_us + backoff_us(world, world->now_us - end->held_us);
        while (end->held) {
            struct sim_event *event = end->held;
            end->held = event->next;
            due += sim_network_delay_us(world, end->node, to->node);
            due = due > end->last_us ? due : end->last_us;
            end->last_us = due;
            sim_event_schedule(world, event, due);
        }
    }
    network->held_count = kept;
}
