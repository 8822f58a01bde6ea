/* Liveness: one ring, copies where they belong, every number found, nothing left behind. */
#include "check_internal.h"

#include "alloc.h"
#include "base/mem.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NEIGHBORS 3      /* right ones that are demanded on each side: RFC 6940 10.1 */
#define LEVEL_SAMPLES 60 /* one a second: a request to who is gone ends, and is tried again later */
#define LOOKUP_US (2 * SIM_MINUTE)
#define MEMORY_FACTOR 1.5 /* caches fill up */
#define MEMORY_PER_NODE (512u * 1024u)
#define MEMORY_PER_ROW 160u /* that was ever looked at: the checker's own */
#define CALLS_TO_LEARN 3    /* 12 + 12 + 12 > 24 */

/* Says what is wrong the first time. */
static void __attribute__((format(printf, 4, 5))) say(size_t wrong, char *text, size_t octets, const char *format, ...)
{
    va_list args;
    if (wrong || !octets)
        return;
    va_start(args, format);
    vsnprintf(text, octets, format, args);
    va_end(args);
}

/* ---- one ring ---- */

static int by_id(const void *a, const void *b)
{
    const struct sim_ring_node *const *x = a, *const *y = b;
    return id_cmp((*x)->id, (*y)->id);
}

/* Neighbor `nth` on one side: the same arithmetic for both, with another sign. */
static const struct sim_ring_node *beside(const struct sim_ring_node *const *ring, size_t n, size_t at, bool behind,
                                          size_t nth)
{
    return ring[behind ? (at + n - nth % n) % n : (at + nth) % n];
}

static bool side_is_wrong(const struct sim_ring_node *const *ring, size_t n, size_t at, bool behind, unsigned neighbors,
                          char *text, size_t octets)
{
    const struct sim_ring_node *node = ring[at];
    const struct id *shown = behind ? node->predecessors : node->successors;
    size_t count = behind ? node->predecessor_count : node->successor_count;
    char self[ID_HEX_OCTETS], right[ID_HEX_OCTETS], wrong[ID_HEX_OCTETS];
    for (size_t i = 0; i < neighbors && i + 1 < n; i++) {
        struct id expected = beside(ring, n, at, behind, i + 1)->id;
        if (i < count && id_eq(shown[i], expected))
            continue;
        say(0, text, octets, "%s %zu of node %.8s is %.8s, %.8s is right", behind ? "predecessor" : "successor", i + 1,
            id_format(node->id, self), i < count ? id_format(shown[i], wrong) : "missing", id_format(expected, right));
        return true;
    }
    return false;
}

static bool node_is_wrong(const struct sim_ring_node *const *ring, size_t n, size_t at, unsigned neighbors, char *text,
                          size_t octets)
{
    const struct sim_ring_node *node = ring[at];
    char self[ID_HEX_OCTETS], right[ID_HEX_OCTETS], wrong[ID_HEX_OCTETS];
    struct id before = beside(ring, n, at, true, 1)->id;
    if (!node->joined) {
        say(0, text, octets, "node %.8s has not joined", id_format(node->id, self));
        return true;
    }
    if (!id_eq(node->predecessor, before)) {
        say(0, text, octets, "node %.8s owns from %.8s on, %.8s is right", id_format(node->id, self),
            id_format(node->predecessor, wrong), id_format(before, right));
        return true;
    }
    return side_is_wrong(ring, n, at, true, neighbors, text, octets) ||
           side_is_wrong(ring, n, at, false, neighbors, text, octets);
}

size_t sim_ring_wrong(const struct sim_ring_node *nodes, size_t count, unsigned neighbors, char *text, size_t octets)
{
    const struct sim_ring_node **ring = sim_alloc((count + 1) * sizeof(void *));
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++)
        ring[i] = &nodes[i];
    qsort(ring, count, sizeof(void *), by_id);
    for (size_t i = 0; i < count; i++)
        if (node_is_wrong(ring, count, i, neighbors, text, wrong ? 0 : octets))
            wrong++;
    mem_free(ring);
    return wrong;
}

/* A running node that the ring's configuration does not shut out. */
static bool belongs(const struct sim_check *check, const struct sim_node *node)
{
    const struct sim_truth_node *known = sim_truth_find(check->truth, node->id);
    return node->state == SIM_NODE_UP && node->server && !(known && known->banned);
}

size_t sim_check_ring(struct sim_check *check, char *text, size_t octets)
{
    uint32_t all = check->world->node_count;
    size_t n = 0;
    struct region region;
    struct sim_ring_node *nodes = sim_alloc((all + 1) * sizeof *nodes);
    region_init(&region, SIZE_MAX);
    for (uint32_t i = 0; i < all; i++) {
        const struct sim_node *node = sim_world_node(check->world, i);
        struct peer_view view;
        if (!belongs(check, node))
            continue;
        if (peer_view(server_peer(node->server), sim_node_now(node), &region, &view) != 0)
            sim_die("no memory for checks");
        nodes[n++] = (struct sim_ring_node){
            .id = node->id,
            .joined = view.state == PEER_JOINED,
            .predecessor = view.predecessor,
            .predecessors = view.predecessors,
            .predecessor_count = view.predecessor_count,
            .successors = view.successors,
            .successor_count = view.successor_count,
        };
    }
    size_t wrong = sim_ring_wrong(nodes, n, NEIGHBORS, text, octets);
    region_fini(&region);
    mem_free(nodes);
    return wrong;
}

/* ---- copies ---- */

/* Who has a value of this signer here, by the rows: one bit of a set per node. */
struct holders {
    struct sim_check *check;
    struct map at; /* Resource-ID, signer's index → bool[node_count] */
};

/* Of one value. */
struct holding {
    int64_t ends_us; /* the last one where it is not lost: what others hold may be older */
    bool at[];       /* by node */
};

struct holder_key {
    struct id resource;
    uint32_t signer;
};

static void note_holder(void *ctx, struct sim_node *node, const struct sim_row *row)
{
    struct holders *holders = ctx;
    const struct sim_node *signer = sim_check_signer(holders->check, row->certificate);
    int64_t left_ms = row->expires_ms - sim_node_now(node).wall.ms;
    if (!signer || !row->exists || row->kind != RELOAD_KIND_VIPR_REGISTRATION || left_ms <= 0)
        return;
    struct sim_world *world = holders->check->world;
    struct holder_key key = {row->resource, signer->index};
    struct holding *holding = map_get(&holders->at, slice_of(&key, sizeof key));
    if (!holding) {
        holding = sim_alloc(sizeof *holding + world->node_count * sizeof holding->at[0]);
        if (map_set(&holders->at, slice_of(&key, sizeof key), holding) != 0)
            sim_die("no memory for checks");
    }
    holding->at[node->index] = true;
    bool lost = holders->check->lost_us[node->index] != 0;
    if (!lost && world->now_us + left_ms * SIM_MS > holding->ends_us)
        holding->ends_us = world->now_us + left_ms * SIM_MS;
}

static void holders_init(struct holders *holders, struct sim_check *check)
{
    holders->check = check;
    map_init(&holders->at, UINT32_MAX, 1);
    for (uint32_t i = 0; i < check->world->node_count; i++)
        sim_check_each_row(sim_world_node(check->world, i), note_holder, holders);
}

static void holders_fini(struct holders *holders)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&holders->at, &it))
        mem_free(it.value);
    map_fini(&holders->at);
}

static const struct holding *holding_of(const struct holders *holders, struct id resource, uint32_t signer)
{
    struct holder_key key = {resource, signer};
    return map_get(&holders->at, slice_of(&key, sizeof key));
}

static const bool *holders_of(const struct holders *holders, struct id resource, uint32_t signer)
{
    const struct holding *holding = holding_of(holders, resource, signer);
    return holding ? holding->at : NULL;
}

/* Whether so much was lost at about that time, or the copy was so new, that nothing need be left of it. */
static bool may_be_gone(const struct sim_check *check, const struct sim_publication *publication, const bool *set)
{
    int64_t last_us = 0;
    unsigned together = 0;
    for (uint32_t i = 0; set && i < check->world->node_count; i++)
        if (set[i] && check->lost_us[i] > last_us)
            last_us = check->lost_us[i];
    for (uint32_t i = 0; set && i < check->world->node_count; i++)
        together += set[i] && check->lost_us[i] && check->lost_us[i] >= last_us - SIM_REPAIR_US;
    return last_us && (together >= SIM_REPLICAS || publication->acknowledged_us >= last_us - SIM_REPAIR_US ||
                       check->parted_us >= last_us - SIM_REPAIR_US);
}

static bool is_left(const struct sim_check *check, const bool *set)
{
    for (uint32_t i = 0; set && i < check->world->node_count; i++)
        if (set[i] && !check->lost_us[i])
            return true;
    return false;
}

static bool counts(const struct sim_check *check, const struct sim_publication *publication)
{
    const struct sim_truth_node *node = sim_truth_find(check->truth, publication->node);
    return node && !node->banned && !publication->forgotten_us && publication->until_us > check->world->now_us;
}

/* Who could not reach its places in a storm lets copies end, and stores them again soon after it. */
static bool may_end(const struct sim_check *check)
{
    return check->storm || check->world->now_us < check->calm_us + SIM_RING_US + SIM_COPIES_US;
}

/* Nothing is left of the copy. */
static void check_gone(const struct sim_check *check, struct sim_publication *publication, unsigned copy,
                       const bool *set)
{
    /* By the clock of who has the copy, which may be off or have been set. */
    int64_t ends_us = publication->ends_us[copy], now_us = check->world->now_us + SIM_GONE_US;
    bool ended = ends_us && ends_us <= now_us;
    if (ended && (may_end(check) || publication->until_us <= now_us))
        return;
    publication->excused[copy] = true; /* said once */
    if (ended)
        sim_world_violation(check->world, "refreshed numbers stay",
                            "copy %u of %s of node %" PRIu32 " was not stored again before its end", copy,
                            publication->number.text, publication->company);
    else if (!may_be_gone(check, publication, set))
        sim_world_violation(check->world, "what was acknowledged stays",
                            "nobody holds copy %u of %s of node %" PRIu32 " any more", copy, publication->number.text,
                            publication->company);
}

/* The owner and the next two hold it. Returns how many of them do not. */
static unsigned missing_at(struct sim_check *check, const struct id *resource, const bool *set, char *text,
                           size_t octets)
{
    uint32_t n, first = 0;
    char place[ID_HEX_OCTETS];
    unsigned missing = 0;
    struct sim_node *const *ring = sim_world_ring(check->world, &n);
    const struct sim_node *owner = sim_world_owner(check->world, *resource);
    while (first < n && ring[first] != owner)
        first++;
    for (uint32_t i = 0; i < n && i < SIM_REPLICAS; i++) {
        const struct sim_node *node = ring[(first + i) % n];
        if (set && set[node->index])
            continue;
        say(missing, text, octets, "%s %" PRIu32 " (node %" PRIu32 ") of resource %.8s does not hold it",
            i ? "replica" : "owner", i, node->index, id_format(*resource, place));
        missing++;
    }
    return missing;
}

static void lost_nodes(struct sim_check *check)
{
    for (uint32_t i = 0; i < check->world->node_count; i++)
        if (!check->lost_us[i] && sim_check_is_lost(check, sim_world_node(check->world, i)))
            check->lost_us[i] = check->world->now_us;
}

void sim_check_kept(struct sim_check *check)
{
    struct holders holders;
    lost_nodes(check);
    holders_init(&holders, check);
    for (size_t i = 0; i < sim_truth_publications(check->truth); i++) {
        struct sim_publication *publication = sim_truth_publication(check->truth, i);
        struct id resources[SIM_COPIES];
        if (!counts(check, publication) || sim_truth_places(check->truth, &publication->number, resources) != 0)
            continue;
        for (unsigned copy = 0; copy < SIM_COPIES; copy++) {
            const struct holding *holding = holding_of(&holders, resources[copy], publication->company);
            const bool *set = holding ? holding->at : NULL;
            if (is_left(check, set))
                publication->ends_us[copy] = holding->ends_us;
            else if (!publication->excused[copy])
                check_gone(check, publication, copy, set);
        }
    }
    holders_fini(&holders);
}

size_t sim_check_copies(struct sim_check *check, char *text, size_t octets)
{
    struct holders holders;
    size_t wrong = 0;
    uint64_t live = 0, lost = 0;
    holders_init(&holders, check);
    for (size_t i = 0; i < sim_truth_publications(check->truth); i++) {
        const struct sim_publication *publication = sim_truth_publication(check->truth, i);
        struct id resources[SIM_COPIES];
        if (!counts(check, publication) || sim_truth_places(check->truth, &publication->number, resources) != 0)
            continue;
        for (unsigned copy = 0; copy < SIM_COPIES; copy++) {
            const bool *set = holders_of(&holders, resources[copy], publication->company);
            live++;
            lost += !is_left(check, set);
            if (!publication->excused[copy] && missing_at(check, &resources[copy], set, text, wrong ? 0 : octets) > 0)
                wrong++;
        }
    }
    holders_fini(&holders);
    check->world->result.records_live = live;
    check->world->result.records_lost = lost;
    check->world->result.records_under_replicated = wrong;
    return wrong;
}

/* ---- every number is found ---- */

static bool all_answered(void *ctx, struct sim_world *world)
{
    const struct sim_check *check = ctx;
    (void)world;
    return check->asked_open == 0;
}

static void ask(struct sim_check *check, struct sim_node *node, const struct sim_publication *publication)
{
    struct asked *asked = &check->asked[check->asked_count];
    *asked = (struct asked){.node = node->index, .number = publication->number, .owner = publication->node};
    uint64_t token;
    check->asked_count++;
    check->asked_open++;
    check->asking = asked;
    int err = sim_node_look_up(node, &publication->number, &token);
    check->asking = NULL;
    if (!err)
        return;
    check->asked_count--;
    check->asked_open--;
    sim_world_violation(check->world, "every number is found", "node %" PRIu32 " cannot even ask for %s: %s",
                        node->index, publication->number.text, err_name(err));
}

static bool any_copy(const struct sim_publication *publication)
{
    return !publication->excused[0] || !publication->excused[1] || !publication->excused[2];
}

void sim_check_find_all(struct sim_check *check, unsigned askers)
{
    uint32_t members;
    struct sim_node *const *ring = sim_world_ring(check->world, &members);
    size_t n = sim_truth_publications(check->truth);
    check->asked = sim_resize(check->asked, (n * askers + 1) * sizeof *check->asked);
    check->asked_count = check->asked_open = 0;
    for (size_t i = 0; i < n && members; i++) {
        const struct sim_publication *publication = sim_truth_publication(check->truth, i);
        if (!counts(check, publication) || !any_copy(publication))
            continue;
        for (unsigned k = 0; k < askers && k < members; k++)
            ask(check, ring[(i + k * members / askers) % members], publication);
        sim_world_run(check->world, 200 * SIM_MS); /* a few at a time: reads are paced */
        ring = sim_world_ring(check->world, &members);
    }
    if (!sim_world_run_until(check->world, all_answered, check, SIM_SECOND, LOOKUP_US))
        sim_world_violation(check->world, "requests end once", "%zu of %zu look-ups do not end", check->asked_open,
                            check->asked_count);
}

void sim_check_learned(struct sim_check *check)
{
    for (size_t i = 0; i < sim_truth_calls(check->truth); i++) {
        const struct sim_truth_call *call = sim_truth_call(check->truth, i);
        if (call->times >= CALLS_TO_LEARN && !call->learned)
            sim_world_violation(check->world, "calls are learned",
                                "company %" PRIu32 " called %s of company %" PRIu32 " %" PRIu32
                                " times and has no route",
                                call->caller, call->number.text, call->taker, call->times);
    }
}

/* ---- refreshed, or let go ---- */

static void note_forgotten(void *ctx, struct sim_node *node, const struct sim_row *row)
{
    struct sim_check *check = ctx;
    const struct place *place = sim_check_place(check, row->resource);
    const struct sim_node *signer = sim_check_signer(check, row->certificate);
    if (!place || !signer || !row->exists || row->expires_ms <= sim_node_now(node).wall.ms)
        return;
    const struct sim_publication *p = sim_truth_find_publication(check->truth, &place->number, signer->id);
    int64_t lifetime_us = (int64_t)check->world->nature.number_lifetime_s * SIM_SECOND;
    if (p && p->forgotten_us && p->forgotten_us + lifetime_us + SIM_GONE_US < check->world->now_us)
        sim_world_violation(check->world, "what is let go goes",
                            "node %" PRIu32 " has %s of node %" PRIu32 " %" PRId64 " s after its company let it go",
                            node->index, place->number.text, signer->index,
                            (check->world->now_us - p->forgotten_us) / SIM_SECOND);
}

void sim_check_lifetimes(struct sim_check *check)
{
    for (size_t i = 0; i < sim_truth_publications(check->truth); i++) {
        const struct sim_publication *p = sim_truth_publication(check->truth, i);
        const struct sim_node *node = sim_world_node(check->world, p->company);
        if (p->forgotten_us || !belongs(check, node) || !sim_check_honest(check, node))
            continue;
        if (p->until_us <= check->world->now_us)
            sim_world_violation(check->world, "refreshed numbers stay",
                                "%s of node %" PRIu32 " has not been acknowledged for its lifetime and %" PRId64 " s",
                                p->number.text, node->index, (check->world->now_us - p->until_us) / SIM_SECOND);
    }
    for (uint32_t i = 0; i < check->world->node_count; i++)
        if (sim_check_honest(check, sim_world_node(check->world, i)))
            sim_check_each_row(sim_world_node(check->world, i), note_forgotten, check);
}

/* ---- the banned are out ---- */

/* A row whose end has come is nobody's any longer: where its removal met a bad disk, it lies there until the next start. */
static void note_banned(void *ctx, struct sim_node *node, const struct sim_row *row)
{
    struct sim_check *check = ctx;
    const struct sim_node *signer = sim_check_signer(check, row->certificate);
    const struct sim_truth_node *known = signer ? sim_truth_find(check->truth, signer->id) : NULL;
    bool lives = row->exists && row->expires_ms > sim_node_now(node).wall.ms;
    if (known && known->banned && lives)
        sim_world_violation(check->world, "the banned are out",
                            "node %" PRIu32 " still has a value of node %" PRIu32 ", which is banned", node->index,
                            signer->index);
}

void sim_check_banned(struct sim_check *check)
{
    for (uint32_t i = 0; i < check->world->node_count; i++) {
        struct sim_node *node = sim_world_node(check->world, i), *other;
        if (!belongs(check, node))
            continue;
        sim_check_each_row(node, note_banned, check);
        for (unsigned k = 0; sim_node_neighbor(node, k, &other); k++)
            if (!belongs(check, other) && other->server)
                sim_world_violation(check->world, "the banned are out",
                                    "node %" PRIu32 " still has a link to node %" PRIu32 ", which is banned",
                                    node->index, other->index);
    }
}

/* ---- nothing leaks ---- */

/* Its node is gone without a word, and it has not been quiet for so long that it is asked. */
static bool is_not_noticed(struct sim_world *world, const struct peer_link_view *link, int64_t keepalive_us)
{
    const struct sim_node *owner = sim_world_owner(world, link->node);
    bool runs = owner && id_eq(owner->id, link->node);
    return !runs && link->quiet_us <= keepalive_us;
}

static uint64_t links_of(struct sim_world *world, const struct peer_view *view)
{
    struct peer_options defaults;
    uint64_t links = 0;
    peer_options_default(&defaults);
    for (size_t i = 0; i < view->link_count; i++)
        links += !is_not_noticed(world, &view->links[i], defaults.link_keepalive_ms * 1000);
    return links;
}

static void take_level(struct sim_check *check, struct sim_level *level)
{
    struct region region;
    uint64_t transactions = 0, links = 0;
    uint32_t nodes = 0;
    region_init(&region, SIZE_MAX);
    for (uint32_t i = 0; i < check->world->node_count; i++) {
        const struct sim_node *node = sim_world_node(check->world, i);
        struct peer_view view;
        if (!node->server)
            continue;
        if (peer_view(server_peer(node->server), sim_node_now(node), &region, &view) != 0)
            sim_die("no memory for checks");
        nodes++;
        transactions += view.transactions;
        uint64_t held = links_of(check->world, &view);
        if (held > links)
            links = held;
    }
    region_fini(&region);
    struct mallinfo2 memory = mallinfo2();
    uint64_t used = (uint64_t)memory.uordblks + (uint64_t)memory.hblkhd;
    level->nodes = nodes;
    level->transactions = transactions < level->transactions ? transactions : level->transactions;
    level->links = links < level->links ? links : level->links;
    level->memory = used < level->memory ? used : level->memory;
}

void sim_check_level(struct sim_check *check, struct sim_level *ret_level)
{
    *ret_level = (struct sim_level){UINT64_MAX, UINT64_MAX, UINT64_MAX, 0};
    for (unsigned i = 0; i < LEVEL_SAMPLES; i++) {
        take_level(check, ret_level);
        sim_world_run(check->world, SIM_SECOND);
    }
}

void sim_check_leaks(struct sim_check *check, const struct sim_level *before, const struct sim_level *after)
{
    uint64_t most = (uint64_t)((double)before->memory * MEMORY_FACTOR) + (uint64_t)after->nodes * MEMORY_PER_NODE +
                    (uint64_t)check->verified.n * MEMORY_PER_ROW;
    if (after->transactions > before->transactions + after->nodes / 4)
        sim_world_violation(check->world, "nothing leaks",
                            "%" PRIu64 " transactions never end, before it were %" PRIu64, after->transactions,
                            before->transactions);
    if (after->nodes && after->links > before->links + 2 && after->links >= after->nodes)
        sim_world_violation(check->world, "nothing leaks",
                            "a node has %" PRIu64 " links in a ring of %" PRIu32 " nodes", after->links, after->nodes);
    if (after->memory > most)
        sim_world_violation(check->world, "nothing leaks", "%" PRIu64 " octets are in use, before it were %" PRIu64,
                            after->memory, before->memory);
}
