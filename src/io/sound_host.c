/* Ports for a program's own sound: a socket each, numbered, and one allowance of packets per turn for all of them. */
#include "io/sound_host.h"

#include "base/map.h"
#include "base/mem.h"
#include "io/media_ports.h"
#include "io/udp.h"

#define OPEN_TRIES 16        /* ports that others have taken are passed over */
#define RECEIVE_OCTETS 65536 /* a third of a second of a thousand packets: more would be late */
#define QUEUE_OCTETS 65536
#define SOCKET_PACKETS_PER_TURN 64

COUNTERS_DEFINE(sound_host_counters, SOUND_HOST_COUNTERS)

struct sound {
    struct sound_host *host;
    uint64_t id;
    struct udp *udp;
    struct media_ports *ports;
};

struct sound_host {
    struct loop *loop;
    struct sound_host_options options;
    sound_host_input_fn *input;
    void *arg;
    struct media_ports *ports[SOUND_PLACES_MAX]; /* of each place; places of one address share them */
    struct map sounds;                           /* id → struct sound */
    uint64_t last_id;
    size_t packets; /* in this turn */
    struct loop_task turn_task;
    struct sound_host_counters counters;
};

void sound_host_options_init(struct sound_host_options *options)
{
    *options = (struct sound_host_options){
        .port_min = 14000,
        .port_max = 14999,
        .open_max = 500,
        .packets_per_turn_max = 2048,
        .rest_ms = 2000,
    };
}

/* The turn is over: the next one has an allowance of its own. */
static void turn_over(void *arg)
{
    struct sound_host *h = arg;
    h->packets = 0;
}

static int make_ports(struct sound_host *h, size_t i)
{
    const struct sound_host_options *o = &h->options;
    for (size_t k = 0; k < i; k++)
        if (addr_eq_ip(&o->places[k].bind, &o->places[i].bind)) {
            h->ports[i] = h->ports[k];
            return 0;
        }
    const struct media_ports_range range = {.port_min = o->port_min, .port_max = o->port_max, .shares = 1};
    return media_ports_new(&o->places[i].bind, &range, o->entropy, &h->ports[i]);
}

int sound_host_new(struct loop *loop, const struct sound_host_options *options, sound_host_input_fn *input, void *arg,
                   struct sound_host **ret_host)
{
    int err = 0;
    if (options->place_count > SOUND_PLACES_MAX)
        return ERR_LIMIT;
    struct sound_host *h = mem_alloc(sizeof *h);
    if (!h)
        return ERR_NO_MEMORY;
    h->loop = loop;
    h->options = *options;
    h->input = input;
    h->arg = arg;
    map_init(&h->sounds, options->open_max, entropy_u64(options->entropy));
    loop_task_init(&h->turn_task, turn_over, h);
    for (size_t i = 0; i < options->place_count && !err; i++)
        err = make_ports(h, i);
    if (err)
        sound_host_free(h);
    else
        *ret_host = h;
    return err;
}

static void sound_free(struct sound *s)
{
    udp_close(s->udp);
    mem_free(s);
}

void sound_host_free(struct sound_host *h)
{
    struct map_iter it;
    if (!h)
        return;
    map_iter_init(&it);
    while (map_iter_next(&h->sounds, &it))
        sound_free(it.value);
    map_fini(&h->sounds);
    loop_task_cancel(&h->turn_task);
    for (size_t i = 0; i < h->options.place_count; i++) {
        bool shared = false;
        for (size_t k = 0; k < i; k++)
            shared = shared || h->ports[k] == h->ports[i];
        if (!shared)
            media_ports_free(h->ports[i]);
    }
    mem_free(h);
}

/* ---- packets ---- */

static void received(void *arg, struct udp *udp, const struct addr *peer, const struct addr *local, struct slice octets)
{
    struct sound *s = arg;
    struct sound_host *h = s->host;
    (void)udp, (void)local;
    if (octets.n > SOUND_PACKET_OCTETS_MAX) {
        h->counters.dropped_long++;
        return;
    }
    if (h->packets == h->options.packets_per_turn_max) {
        h->counters.dropped_busy++;
        return;
    }
    if (!h->packets++)
        loop_post(h->loop, &h->turn_task, LOOP_STAGE_FLUSH);
    h->counters.packets_in++;
    h->input(h->arg, s->id, peer, octets);
}

static struct sound *find(const struct sound_host *h, uint64_t id)
{
    return map_get(&h->sounds, slice_of(&id, sizeof id));
}

void sound_host_send(struct sound_host *h, uint64_t id, const struct addr *to, struct slice octets)
{
    struct sound *s = find(h, id);
    if (s && udp_send(s->udp, to, octets) == 0)
        h->counters.packets_out++;
    else
        h->counters.send_failed++;
}

/* ---- sockets ---- */

static int open_socket(struct sound *s, const struct addr *bind)
{
    static const struct udp_handler handler = {.input = received};
    struct udp_options options = {.bind = *bind};
    udp_limits_init(&options.limits);
    options.limits.queue_octets_max = QUEUE_OCTETS;
    options.limits.datagrams_per_turn = SOCKET_PACKETS_PER_TURN;
    options.limits.receive_octets = RECEIVE_OCTETS;
    return udp_open(s->host->loop, &options, &handler, s, &s->udp);
}

static void give_back(struct sound_host *h, struct media_ports *ports, uint16_t port)
{
    media_ports_give_back(ports, port, mono_after_ms(loop_now(h->loop).mono, h->options.rest_ms), false);
}

/* Another program may have a port of the range: then the next one. */
static int open_any(struct sound *s, const struct sound_place *place)
{
    struct sound_host *h = s->host;
    struct addr bind = place->bind;
    int err = ERR_LIMIT;
    for (unsigned i = 0; i < OPEN_TRIES; i++) {
        bool is_open; /* none is kept */
        if (media_ports_take(s->ports, loop_now(h->loop).mono, &bind.port, &is_open) < 0)
            return err;
        err = open_socket(s, &bind);
        if (!err)
            return 0;
        give_back(h, s->ports, bind.port);
        if (err == ERR_NO_MEMORY)
            return err;
    }
    return err;
}

static int open_at(struct sound_host *h, size_t place, uint64_t *ret_id, struct addr *ret_told)
{
    struct sound *s = mem_alloc(sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    *s = (struct sound){.host = h, .id = ++h->last_id, .ports = h->ports[place]};
    int err = open_any(s, &h->options.places[place]);
    if (err) {
        mem_free(s);
        return err;
    }
    const uint16_t port = udp_addr(s->udp).port;
    err = map_set(&h->sounds, slice_of(&s->id, sizeof s->id), s);
    if (err) {
        sound_free(s);
        give_back(h, h->ports[place], port);
        return err;
    }
    *ret_id = s->id;
    *ret_told = h->options.places[place].told;
    ret_told->port = port;
    return 0;
}

int sound_host_open(struct sound_host *h, unsigned side, uint8_t family, uint64_t *ret_id, struct addr *ret_told)
{
    int err = ERR_UNSUPPORTED;
    for (size_t i = 0; i < h->options.place_count; i++) {
        const struct sound_place *p = &h->options.places[i];
        if (p->side != side || (family && p->told.family != family))
            continue;
        err = h->sounds.n < h->options.open_max ? open_at(h, i, ret_id, ret_told) : ERR_LIMIT;
        break;
    }
    if (err)
        h->counters.open_refused++;
    else
        h->counters.opened++;
    return err;
}

void sound_host_close(struct sound_host *h, uint64_t id)
{
    struct sound *s = map_remove(&h->sounds, slice_of(&id, sizeof id));
    if (!s)
        return;
    give_back(h, s->ports, udp_addr(s->udp).port);
    sound_free(s);
}

size_t sound_host_count(const struct sound_host *h)
{
    return h->sounds.n;
}

const struct sound_host_counters *sound_host_counters(const struct sound_host *h)
{
    return &h->counters;
}
