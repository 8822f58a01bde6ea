/* The relay as a whole: its ends, the ways between them, and what is on its way. */
#include "program.h"

#include "base/mem.h"

#include <string.h>

COUNTERS_DEFINE(relay_counters, RELAY_COUNTERS)

/* ---- ends ---- */

size_t relay_end_at(const struct relay *r, const struct addr *address)
{
    for (size_t i = 0; i < r->end_count; i++) {
        const struct end_options *o = r->ends[i].options;
        if (addr_eq_ip(&o->real, address) || addr_eq_ip(&o->known, address))
            return i;
    }
    return r->end_count;
}

size_t relay_end_named(const struct relay *r, const char *name)
{
    for (size_t i = 0; i <= r->end_count; i++) {
        if (!strcmp(relay_end_name(r, i), name))
            return i;
    }
    return SIZE_MAX;
}

const char *relay_end_name(const struct relay *r, size_t end)
{
    return end < r->end_count ? r->ends[end].options->name : "others";
}

void relay_set(struct relay *r, size_t from, size_t to, const struct impair_settings *settings)
{
    impair_path_set(&r->paths[from][to], daemon_now(r->daemon), settings);
    streams_resume(r);
}

/* ---- what is on its way ---- */

struct piece *relay_piece(struct relay *r, struct slice octets)
{
    struct piece *piece = r->held_octets + octets.n <= HELD_OCTETS_MAX ? mem_alloc(sizeof *piece + octets.n) : NULL;
    if (!piece) {
        r->counters.held_full++;
        return NULL;
    }
    list_init(&piece->link);
    piece->n = octets.n;
    if (octets.n)
        memcpy(piece->octets, octets.p, octets.n);
    r->held++;
    r->held_octets += octets.n;
    return piece;
}

void relay_piece_free(struct relay *r, struct piece *piece)
{
    heap_remove(&r->heap, &piece->node);
    list_remove(&piece->link);
    r->held--;
    r->held_octets -= piece->n;
    mem_free(piece);
}

/* Nothing passes what was cut meanwhile: a packet is lost, a stream waits. */
static void arrive(struct relay *r, struct piece *piece)
{
    if (piece->direction) {
        streams_arrived(piece->direction);
        return;
    }
    if (piece->path->settings.cut)
        piece->path->counters.lost_in_cut++;
    else
        udp_send(piece->udp, &piece->to, slice_of(piece->octets, piece->n));
    relay_piece_free(r, piece);
}

int relay_hold(struct relay *r, struct piece *piece, struct mono at)
{
    int err = heap_set(&r->heap, &piece->node, at);
    if (!err)
        daemon_wake(r->daemon);
    return err;
}

void relay_tick(struct relay *r, struct now now)
{
    struct heap_node *node;
    while ((node = heap_pop_due(&r->heap, now.mono)))
        arrive(r, CONTAINER_OF(node, struct piece, node));
}

/* ---- life ---- */

int relay_start(struct relay *r)
{
    const struct settings *s = r->daemon->settings;
    int err = 0;
    r->seeded.state = s->seed;
    r->entropy = s->seed ? seeded_entropy_port(&r->seeded) : r->daemon->entropy;
    r->started_at = daemon_now(r->daemon).wall;
    r->end_count = s->end_count;
    list_init(&r->conns);
    heap_init(&r->heap);
    for (size_t from = 0; from <= r->end_count; from++) {
        for (size_t to = 0; to <= r->end_count; to++)
            impair_path_init(&r->paths[from][to]);
    }
    for (size_t i = 0; !err && i < r->end_count; i++) {
        r->ends[i].options = &s->ends[i];
        err = media_open(r, i);
        if (!err)
            err = streams_open(r, i);
    }
    return err;
}

void relay_stop(struct relay *r)
{
    struct heap_node *node;
    streams_close(r);
    while ((node = heap_first(&r->heap)))
        relay_piece_free(r, CONTAINER_OF(node, struct piece, node));
    for (size_t i = 0; i < r->end_count; i++)
        media_close(r, i);
    heap_fini(&r->heap);
}
