/* Transactions as the links show them: hops.h. */
#include "hops.h"

#include "alloc.h"
#include "base/mem.h"
#include "reload/frame.h"
#include "reload/header.h"

#define REQUESTS 65536u /* remembered */
#define TTL_OCTET 11
#define TRANSACTION_OCTET 20
#define LENGTHS_OCTET 32

struct request {
    uint64_t transaction;
    uint32_t origin;
    uint32_t answerer;
    uint16_t code;
    uint8_t hops;
    bool open; /* not answered yet */
};

struct sim_hops {
    struct request requests[REQUESTS];
};

struct sim_hops *sim_hops_new(void)
{
    return sim_alloc(sizeof(struct sim_hops));
}

void sim_hops_free(struct sim_hops *hops)
{
    mem_free(hops);
}

/* ---- reading ---- */

static uint32_t read16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t read24(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | read16(p + 1);
}

static uint64_t read64(const uint8_t *p)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

struct glimpse {
    uint64_t transaction;
    uint32_t code;
    uint32_t via_octets;
    uint8_t ttl;
    bool to_resource;
};

/* False: not a message, or not the first fragment of one. */
static bool look(struct slice m, struct glimpse *ret_glimpse)
{
    if (m.n < RELOAD_HEADER_FIXED_OCTETS + 2)
        return false;
    uint32_t via = read16(m.p + LENGTHS_OCTET), destinations = read16(m.p + LENGTHS_OCTET + 2);
    size_t head = RELOAD_HEADER_FIXED_OCTETS + (size_t)via + destinations + read16(m.p + LENGTHS_OCTET + 4);
    if (read24(m.p + RELOAD_FRAGMENT_OCTET + 1) || head + 2 > m.n)
        return false;
    *ret_glimpse = (struct glimpse){
        .transaction = read64(m.p + TRANSACTION_OCTET),
        .code = read16(m.p + head),
        .via_octets = via,
        .ttl = m.p[TTL_OCTET],
        .to_resource = destinations && m.p[RELOAD_HEADER_FIXED_OCTETS + via] == (uint8_t)RELOAD_DESTINATION_RESOURCE,
    };
    return true;
}

/* The next data frame; acknowledgements are passed over. False: there is none, or these are no frames. */
static bool next_message(struct slice *rest, struct slice *ret_message)
{
    while (rest->n >= RELOAD_FRAME_DATA_HEAD_OCTETS) {
        if (rest->p[0] == RELOAD_FRAME_ACK) {
            size_t n = rest->n < RELOAD_FRAME_ACK_OCTETS ? rest->n : RELOAD_FRAME_ACK_OCTETS;
            *rest = slice_of(rest->p + n, rest->n - n);
            continue;
        }
        size_t octets = read24(rest->p + 5);
        if (rest->p[0] != RELOAD_FRAME_DATA || octets > rest->n - RELOAD_FRAME_DATA_HEAD_OCTETS)
            return false;
        *ret_message = slice_of(rest->p + RELOAD_FRAME_DATA_HEAD_OCTETS, octets);
        *rest = slice_of(ret_message->p + octets, rest->n - RELOAD_FRAME_DATA_HEAD_OCTETS - octets);
        return true;
    }
    return false;
}

static struct request *place_of(const struct sim_world *world, uint64_t transaction)
{
    return &world->hops->requests[transaction % REQUESTS];
}

/* ---- both ends of a link ---- */

/* The first to send an answer is who gives it. */
static void note_answer(struct sim_world *world, const struct sim_node *node, const struct glimpse *g)
{
    struct request *r = place_of(world, g->transaction);
    if (!r->open || r->transaction != g->transaction || (g->code != r->code + 1u && g->code != RELOAD_ERROR))
        return;
    r->open = false;
    r->answerer = node->index;
    if (world->measuring && g->code != RELOAD_ERROR)
        sim_samples_add(&world->result.hops, r->hops);
}

static void note_request(struct sim_world *world, const struct sim_node *from, const struct glimpse *g)
{
    struct request *r = place_of(world, g->transaction);
    uint8_t hops = (uint8_t)(RELOAD_TTL_DEFAULT - g->ttl + 1);
    if (r->transaction == g->transaction) {
        if (r->open && hops > r->hops)
            r->hops = hops;
    } else if (!g->via_octets) {
        *r = (struct request){.transaction = g->transaction,
                              .origin = from->index,
                              .code = (uint16_t)g->code,
                              .hops = hops,
                              .open = true};
    }
}

static bool is_counted(uint32_t code)
{
    return code == RELOAD_FETCH_REQ || code == RELOAD_STORE_REQ;
}

void sim_hops_sent(struct sim_world *world, struct sim_node *node, struct slice octets)
{
    struct slice message;
    struct glimpse g;
    sim_traffic_count(&world->result.traffic, octets);
    world->result.octets += octets.n;
    world->moment_octets += octets.n;
    node->octets_sent += octets.n;
    while (next_message(&octets, &message)) {
        world->result.messages++;
        world->moment_messages++;
        node->messages_sent++;
        if (look(message, &g) && (is_counted(g.code - 1) || g.code == RELOAD_ERROR))
            note_answer(world, node, &g);
    }
}

void sim_hops_delivered(struct sim_world *world, struct sim_node *from, struct sim_node *to, struct slice octets)
{
    struct sim_message shown = {from, to, {NULL, 0}};
    struct glimpse g;
    while (next_message(&octets, &shown.octets)) {
        for (unsigned i = 0; i < world->observer_count; i++)
            if (world->observers[i]->message)
                world->observers[i]->message(world->observers[i]->ctx, &shown);
        if (!look(shown.octets, &g))
            continue;
        if (is_counted(g.code) && g.to_resource) {
            note_request(world, from, &g);
        } else if (is_counted(g.code - 1)) {
            const struct request *r = place_of(world, g.transaction);
            if (!r->open && r->transaction == g.transaction && r->origin == to->index)
                world->answerer = &world->nodes[r->answerer];
        }
    }
}
