/* Ports and packets of media: media.h. */
#include "calls/media.h"

#include "alloc.h"
#include "base/mem.h"

#define PPM 1000000u
#define TRUNK_US 9000
#define TRUNK_JITTER_US 1500
#define INTERNET_JITTER_US 3000
#define KEY_OCTETS 7

struct packet {
    struct list link;
    struct sim_media *media;
    struct addr from, to;
    size_t n;
    uint8_t octets[SIM_PACKET_OCTETS_MAX];
};

struct key {
    uint8_t octets[KEY_OCTETS];
};

static struct slice key_of(const struct addr *addr, struct key *key)
{
    *key = (struct key){{addr->family, addr->ip[0], addr->ip[1], addr->ip[2], addr->ip[3], (uint8_t)(addr->port >> 8),
                         (uint8_t)addr->port}};
    return slice_of(key->octets, KEY_OCTETS);
}

void sim_media_init(struct sim_media *m, struct sim_world *world, uint32_t companies)
{
    *m = (struct sim_media){.world = world, .companies = companies};
    sim_entropy_init(&m->seed, world->options->seed, "media", 0);
    m->entropy = seeded_entropy_port(&m->seed);
    map_init(&m->ports, SIZE_MAX, 1);
    list_init(&m->packets);
    m->internet = sim_alloc((size_t)companies * companies * sizeof *m->internet);
    m->trunks = sim_alloc((size_t)companies * 2 * sizeof *m->trunks);
}

void sim_media_fini(struct sim_media *m)
{
    struct list *it;
    while ((it = list_pop(&m->packets)))
        mem_free(CONTAINER_OF(it, struct packet, link));
    map_fini(&m->ports);
    mem_free(m->internet);
    mem_free(m->trunks);
}

bool sim_media_open(struct sim_media *m, struct sim_media_port *port)
{
    struct key key;
    const struct slice at = key_of(&port->addr, &key);
    if (map_get(&m->ports, at))
        return false;
    if (map_set(&m->ports, at, port) < 0)
        sim_die("no memory for a port of media");
    return true;
}

void sim_media_close(struct sim_media *m, struct sim_media_port *port)
{
    struct key key;
    map_remove_value(&m->ports, key_of(&port->addr, &key), port);
}

struct sim_media_way *sim_media_internet(const struct sim_media *m, uint32_t from, uint32_t to)
{
    return &m->internet[(size_t)from * m->companies + to];
}

struct sim_media_way *sim_media_trunk(const struct sim_media *m, uint32_t company, bool from_carriers)
{
    return &m->trunks[(size_t)company * 2 + from_carriers];
}

void sim_media_heal(const struct sim_media *m)
{
    memset(m->internet, 0, (size_t)m->companies * m->companies * sizeof *m->internet);
    memset(m->trunks, 0, (size_t)m->companies * 2 * sizeof *m->trunks);
}

/* The way, and how long it takes at its best. NULL: there is none; the zones are right for each other by what is sent where. */
static const struct sim_media_way *way_of(const struct sim_media *m, const struct sim_media_port *from,
                                          const struct sim_media_port *to, int64_t *ret_us, int64_t *ret_jitter_us)
{
    if (from->zone == SIM_ZONE_INTERNET && to->zone == SIM_ZONE_INTERNET && from->whose != to->whose) {
        *ret_us = sim_network_rest_us(m->world, from->whose, to->whose);
        *ret_jitter_us = INTERNET_JITTER_US;
        return sim_media_internet(m, from->whose, to->whose);
    }
    if (from->zone != SIM_ZONE_INTERNET && to->zone != SIM_ZONE_INTERNET && from->zone != to->zone) {
        const bool from_carrier = from->zone == SIM_ZONE_CARRIER;
        *ret_us = TRUNK_US;
        *ret_jitter_us = TRUNK_JITTER_US;
        return sim_media_trunk(m, from_carrier ? to->whose : from->whose, from_carrier);
    }
    return NULL;
}

static void arrive(void *ctx, struct sim_world *world)
{
    struct packet *p = ctx;
    struct sim_media *m = p->media;
    struct key key;
    const struct sim_media_port *at = map_get(&m->ports, key_of(&p->to, &key));
    list_remove(&p->link);
    sim_world_hash(world, &p->to.port, sizeof p->to.port);
    if (at)
        at->came(at->ctx, &p->from, p->octets, p->n);
    mem_free(p);
}

static void send_far(struct sim_media *m, const struct sim_media_port *from, const struct sim_media_port *at,
                     const uint8_t *octets, size_t n)
{
    int64_t us, jitter_us;
    const struct sim_media_way *way = way_of(m, from, at, &us, &jitter_us);
    if (!way || way->dead || (way->loss_ppm && entropy_below(&m->entropy, PPM) < way->loss_ppm)) {
        m->lost++;
        return;
    }
    us += way->delay_us + entropy_between(&m->entropy, 0, jitter_us + way->jitter_us);
    struct packet *p = sim_resize(NULL, sizeof *p);
    p->media = m;
    p->from = from->addr;
    p->to = at->addr;
    p->n = n;
    memcpy(p->octets, octets, n);
    list_append(&m->packets, &p->link);
    sim_world_at(m->world, m->world->now_us + us, arrive, p);
}

void sim_media_send(struct sim_media *m, const struct sim_media_port *from, const struct addr *to,
                    const uint8_t *octets, size_t n)
{
    struct key key;
    const struct sim_media_port *at = map_get(&m->ports, key_of(to, &key));
    m->sent++;
    if (n > SIM_PACKET_OCTETS_MAX)
        sim_die("a packet of %zu octets", n);
    if (!at) {
        m->lost++;
    } else if (from->zone == SIM_ZONE_CARRIER || at->zone == SIM_ZONE_CARRIER || from->whose != at->whose ||
               from->zone == SIM_ZONE_INTERNET || at->zone == SIM_ZONE_INTERNET) {
        send_far(m, from, at, octets, n);
    } else {
        uint8_t copy[SIM_PACKET_OCTETS_MAX];
        memcpy(copy, octets, n);
        at->came(at->ctx, &from->addr, copy, n);
    }
}
