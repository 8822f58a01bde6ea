/* The ports that an agent opens to say or hear something itself, on the ways of media. */
#include "calls/office.h"

#include "alloc.h"
#include "base/mem.h"

#define PORT_MIN 20000
#define PORT_MAX 20998

struct sound {
    struct list link;
    struct sim_office *office;
    uint64_t id;
    struct sim_media_port port;
};

static void came(void *ctx, const struct addr *from, uint8_t *octets, size_t n)
{
    struct sound *s = ctx;
    struct sim_office *o = s->office;
    agent_sound_input(o->agent, sim_node_now(o->node), s->id, from, slice_of(octets, n));
    sim_office_settle(o);
}

static int open_sound(void *ctx, enum agent_side side, uint8_t family, uint64_t *ret_id, struct addr *ret_local)
{
    struct sim_office *o = ctx;
    if (family != 4 && family != 0)
        return ERR_UNSUPPORTED;
    struct sound *s = sim_alloc(sizeof *s);
    *s = (struct sound){
        .office = o,
        .port = {.addr = o->sockets[side].addr, .zone = SIM_ZONE_OFFICE, .whose = o->company, .came = came, .ctx = s}};
    for (uint16_t port = PORT_MIN; port <= PORT_MAX; port = (uint16_t)(port + 2)) {
        s->port.addr.port = port;
        if (!sim_media_open(&o->day->media, &s->port))
            continue;
        list_append(&o->sounds, &s->link);
        *ret_id = s->id = ++o->next_sound;
        *ret_local = s->port.addr;
        return 0;
    }
    mem_free(s);
    return ERR_LIMIT;
}

static void close_one(struct sound *s)
{
    sim_media_close(&s->office->day->media, &s->port);
    list_remove(&s->link);
    mem_free(s);
}

static struct sound *find(const struct sim_office *o, uint64_t id)
{
    LIST_EACH(it, &o->sounds) {
        struct sound *s = CONTAINER_OF(it, struct sound, link);
        if (s->id == id)
            return s;
    }
    return NULL;
}

static void close_sound(void *ctx, uint64_t id)
{
    struct sound *s = find(ctx, id);
    if (s)
        close_one(s);
}

void sim_office_sound_send(struct sim_office *o, uint64_t id, const struct addr *to, struct slice octets)
{
    const struct sound *s = find(o, id);
    if (s)
        sim_media_send(&o->day->media, &s->port, to, octets.p, octets.n);
}

void sim_office_sound_close(struct sim_office *o)
{
    LIST_EACH(it, &o->sounds)
        close_one(CONTAINER_OF(it, struct sound, link));
}

void sim_office_sound_init(struct sim_office *o)
{
    list_init(&o->sounds);
    o->sound = (struct agent_sound){o, open_sound, close_sound};
}
