/* Faults, one function per kind. */
#include "fault.h"

#include "alloc.h"
#include "base/mem.h"
#include "byzantine.h"

#include <inttypes.h>

#define HAND_OVER_US SIM_MINUTE /* who leaves for good has so long */
#define HURT_SIDE 1u            /* of the network: those that a partition cuts off */
#define OFF_BY_MS_MIN 12000     /* how wrong the times are that a liar makes up: beyond any lattice */
#define DRIFT_PPM 200.0

struct order {
    struct sim_storm *storm;
    const struct sim_fault *fault;
    bool lasts; /* it has begun, and not ended */
};

struct sim_storm {
    struct sim_world *world;
    const struct sim_plan *plan;
    struct sim_truth *truth;
    struct sim_check *check;
    struct seeded_entropy seed;
    struct entropy entropy;
    struct order *orders;    /* one per fault of the plan */
    struct sim_liar **liars; /* per node: NULL, or it has lied */
    bool *sick;              /* per node: its disk is */
    uint32_t node_count;
    bool over;
};

struct sim_storm *sim_storm_new(struct sim_world *world, const struct sim_plan *plan, struct sim_truth *truth,
                                struct sim_check *check)
{
    struct sim_storm *storm = sim_alloc(sizeof *storm);
    storm->world = world;
    storm->plan = plan;
    storm->truth = truth;
    storm->check = check;
    sim_entropy_init(&storm->seed, world->options->seed, "fault", 0);
    storm->entropy = seeded_entropy_port(&storm->seed);
    storm->orders = sim_alloc((plan->count + 1) * sizeof *storm->orders);
    storm->node_count = world->node_count;
    storm->liars = sim_alloc((world->node_count + 1) * sizeof(void *));
    storm->sick = sim_alloc(world->node_count + 1);
    return storm;
}

void sim_storm_free(struct sim_storm *storm)
{
    if (!storm)
        return;
    for (uint32_t i = 0; i < storm->node_count; i++)
        if (storm->liars[i])
            sim_liar_free(storm->liars[i]);
    mem_free(storm->liars);
    mem_free(storm->sick);
    mem_free(storm->orders);
    mem_free(storm);
}

/* ---- down and up ---- */

static void start(struct sim_storm *storm, struct sim_node *node)
{
    const struct sim_truth_node *known = sim_truth_find(storm->truth, node->id);
    if (node->state == SIM_NODE_UP || (known && (known->lost || known->banned)))
        return;
    int err = sim_node_start(node);
    if (err)
        sim_world_violation(storm->world, "what was acknowledged stays", "node %" PRIu32 " does not start again: %s",
                            node->index, err_name(err));
}

static void end(struct sim_storm *storm, const struct sim_fault *fault, struct sim_node *node)
{
    switch (fault->kind) {
    case SIM_FAULT_LEAVE:
        sim_node_leave(node);
        break;
    case SIM_FAULT_RESTART:
        sim_node_end(node, SIM_END_STOP);
        break;
    case SIM_FAULT_POWER:
        sim_node_end(node, SIM_END_POWER);
        break;
    default:
        sim_node_end(node, SIM_END_CRASH);
    }
    /* Who leaves hands over first: its disk counts as long as it runs. */
    if (fault->for_us == 0 && fault->kind != SIM_FAULT_LEAVE)
        sim_truth_lost(storm->truth, node->id);
}

/* ---- calls ---- */

static void call(struct sim_storm *storm, const struct sim_fault *fault)
{
    uint32_t from = fault->nodes[0], to = fault->nodes[1];
    struct sim_call call = {
        .from = from,
        .to = to,
        .k = (uint32_t)fault->amount,
        .ended_us = storm->world->now_us - entropy_between(&storm->entropy, 1, 5) * SIM_SECOND,
        .lasted_us = entropy_between(&storm->entropy, 15, 600) * SIM_SECOND,
        .start_off_ms = entropy_between(&storm->entropy, -800, 800),
        .stop_off_ms = entropy_between(&storm->entropy, -800, 800),
        .caller_lost = entropy_below(&storm->entropy, 8) == 0,
    };
    struct e164 number = sim_number(to, call.k);
    if (sim_truth_called(storm->truth, &number, from, to, storm->world->now_us) != 0)
        sim_die("no memory for faults");
    sim_agent_call(storm->world, &call);
}

static void forget(struct sim_storm *storm, const struct sim_fault *fault)
{
    struct sim_node *node = sim_world_node(storm->world, fault->nodes[0]);
    struct e164 number = sim_number(node->index, (uint32_t)fault->amount);
    sim_agent_forget(node, (uint32_t)fault->amount);
    sim_truth_forgotten(storm->truth, &number, node->id, storm->world->now_us);
}

/* Somebody says that a number is his, and that he was called on it. */
static void claim(struct sim_storm *storm, const struct sim_fault *fault)
{
    struct sim_node *liar = sim_world_node(storm->world, fault->nodes[0]);
    uint32_t owner = fault->nodes[1], caller = (owner + 1) % storm->plan->companies;
    if (caller == liar->index)
        caller = (caller + 1) % storm->plan->companies;
    struct e164 number = sim_number(owner, (uint32_t)fault->amount);
    struct sim_call call = {
        .from = caller,
        .to = owner,
        .k = (uint32_t)fault->amount,
        .ended_us = storm->world->now_us - 2 * SIM_SECOND,
        .lasted_us = entropy_between(&storm->entropy, 60, 600) * SIM_SECOND,
    };
    int64_t off_ms = entropy_between(&storm->entropy, OFF_BY_MS_MIN, 5 * OFF_BY_MS_MIN);
    if (!liar->server || caller == owner)
        return;
    sim_truth_node(storm->truth, liar->id, liar->index, false);
    sim_truth_called(storm->truth, &number, caller, owner, storm->world->now_us);
    sim_agent_call(storm->world, &call);
    call.start_off_ms = off_ms;
    call.stop_off_ms = entropy_below(&storm->entropy, 2) ? off_ms : -off_ms;
    sim_agent_claim(liar, &call);
}

/* ---- the ring's configuration ---- */

/* A member in good health that may speak for the ring's signer. */
static struct sim_node *publisher(const struct sim_storm *storm, const struct sim_node *except)
{
    for (uint32_t i = 0; i < storm->world->node_count; i++) {
        struct sim_node *node = sim_world_node(storm->world, i);
        const struct sim_truth_node *known = sim_truth_find(storm->truth, node->id);
        if (node != except && node->joined && node->server && !storm->sick[i] && !(known && known->banned))
            return node;
    }
    return NULL;
}

static void ban(struct sim_storm *storm, struct sim_node *node, bool banned)
{
    struct sim_node *by = publisher(storm, node);
    if (!by)
        return;
    sim_world_ban(storm->world, by, node, banned);
    sim_truth_banned(storm->truth, node->id, banned);
    if (banned) /* its values go; what it says it still has is its own affair */
        sim_truth_withdrawn(storm->truth, node->id);
}

static void other_message(void *ctx, struct config *config, struct region *region)
{
    (void)ctx;
    (void)region;
    config->message_of_the_day = slice_str("maintenance on Sunday");
}

/* ---- one node, one fault ---- */

static void lie(struct sim_storm *storm, const struct sim_fault *fault, struct sim_node *node)
{
    struct sim_liar **liar = &storm->liars[node->index];
    if (sim_truth_node(storm->truth, node->id, node->index, false) != 0)
        sim_die("no memory for faults");
    if (!*liar)
        *liar = sim_liar_new(node, entropy_u64(&storm->entropy));
    sim_liar_begin(*liar, (enum sim_behavior)fault->amount);
}

static bool is_of_disks(enum sim_fault_kind kind)
{
    return kind == SIM_FAULT_DISK_FULL || kind == SIM_FAULT_DISK_BROKEN || kind == SIM_FAULT_DISK_HANGS ||
           kind == SIM_FAULT_DISK_FAILS;
}

static void hurt(struct sim_storm *storm, const struct sim_fault *fault, struct sim_node *node)
{
    storm->sick[node->index] |= is_of_disks(fault->kind);
    switch (fault->kind) {
    case SIM_FAULT_CRASH:
    case SIM_FAULT_POWER:
    case SIM_FAULT_RESTART:
    case SIM_FAULT_LEAVE:
        end(storm, fault, node);
        break;
    case SIM_FAULT_JOIN:
        start(storm, node);
        break;
    case SIM_FAULT_SLOW:
        sim_node_set_slow(node, (int64_t)fault->amount);
        break;
    case SIM_FAULT_HANG:
        sim_node_hang(node, fault->for_us);
        break;
    case SIM_FAULT_DISK_FULL:
        sim_disk_set_fault(&node->disk, SIM_DISK_FULL);
        break;
    case SIM_FAULT_DISK_BROKEN:
        sim_disk_set_fault(&node->disk, SIM_DISK_READ_ONLY);
        break;
    case SIM_FAULT_DISK_HANGS:
        sim_node_disk_hangs(node, true);
        break;
    case SIM_FAULT_DISK_FAILS:
        sim_disk_fail_next(&node->disk, (unsigned)fault->amount);
        break;
    case SIM_FAULT_CLOCK:
        sim_node_set_clock(node, (int64_t)fault->amount,
                           (double)entropy_between(&storm->entropy, -100, 100) / 100 * DRIFT_PPM);
        break;
    case SIM_FAULT_BYZANTINE:
        lie(storm, fault, node);
        break;
    case SIM_FAULT_BAN:
        ban(storm, node, true);
        break;
    default:
        break;
    }
}

static void mend(struct sim_storm *storm, const struct sim_fault *fault, struct sim_node *node)
{
    if (is_of_disks(fault->kind))
        storm->sick[node->index] = false;
    switch (fault->kind) {
    case SIM_FAULT_CRASH:
    case SIM_FAULT_POWER:
    case SIM_FAULT_RESTART:
    case SIM_FAULT_LEAVE:
        start(storm, node);
        break;
    case SIM_FAULT_SLOW:
        sim_node_set_slow(node, 0);
        break;
    case SIM_FAULT_DISK_FULL:
    case SIM_FAULT_DISK_BROKEN:
        sim_disk_set_fault(&node->disk, SIM_DISK_GOOD);
        break;
    case SIM_FAULT_DISK_HANGS:
        sim_node_disk_hangs(node, false);
        break;
    case SIM_FAULT_DISK_FAILS:
        sim_disk_fail_next(&node->disk, 0);
        break;
    case SIM_FAULT_CLOCK:
        sim_node_set_clock(node, 0, 0);
        break;
    case SIM_FAULT_BYZANTINE:
        sim_liar_end(storm->liars[node->index]);
        break;
    case SIM_FAULT_BAN: /* nobody in the ring tells it: its operator starts it with the new configuration */
        ban(storm, node, false);
        sim_node_end(node, SIM_END_STOP);
        start(storm, node);
        break;
    default:
        break;
    }
}

/* ---- all nodes of a fault ---- */

static void part(struct sim_storm *storm, const struct sim_fault *fault)
{
    for (uint32_t i = 0; i < fault->node_count; i++)
        sim_network_put(storm->world, fault->nodes[i], HURT_SIDE);
    sim_network_block(storm->world, HURT_SIDE, 0, true);
    if (fault->kind == SIM_FAULT_PARTITION)
        sim_network_block(storm->world, 0, HURT_SIDE, true);
    sim_check_parted(storm->check, true);
}

static void heal_network(struct sim_storm *storm)
{
    sim_network_heal(storm->world);
    sim_check_parted(storm->check, false);
}

static void cut(struct sim_storm *storm, const struct sim_fault *fault)
{
    for (uint32_t i = 0; i < fault->node_count; i++)
        for (uint32_t k = 0; k < storm->world->node_count; k++)
            if (k != fault->nodes[i])
                sim_network_cut(storm->world, fault->nodes[i], k);
}

static bool is_end(const struct sim_fault *fault)
{
    return fault->for_us == 0 &&
           (fault->kind == SIM_FAULT_CRASH || fault->kind == SIM_FAULT_POWER || fault->kind == SIM_FAULT_LEAVE);
}

/* It has handed over, or had time enough to: its disk is scrapped. */
static void scrap(struct sim_storm *storm, struct sim_node *node)
{
    sim_node_end(node, SIM_END_CRASH);
    sim_truth_lost(storm->truth, node->id);
}

static void fault_ends(void *ctx, struct sim_world *world)
{
    struct order *order = ctx;
    const struct sim_fault *fault = order->fault;
    if (order->storm->over)
        return;
    order->lasts = false;
    if (fault->kind == SIM_FAULT_PARTITION || fault->kind == SIM_FAULT_ONE_WAY)
        heal_network(order->storm);
    for (uint32_t i = 0; i < fault->node_count; i++) {
        struct sim_node *node = sim_world_node(world, fault->nodes[i]);
        if (is_end(fault))
            scrap(order->storm, node);
        else
            mend(order->storm, fault, node);
    }
}

static void fault_begins(void *ctx, struct sim_world *world)
{
    struct order *order = ctx;
    struct sim_storm *storm = order->storm;
    const struct sim_fault *fault = order->fault;
    struct sim_node *by;
    if (storm->over)
        return;
    order->lasts = true;
    switch (fault->kind) {
    case SIM_FAULT_PARTITION:
    case SIM_FAULT_ONE_WAY:
        part(storm, fault);
        break;
    case SIM_FAULT_CUT:
        cut(storm, fault);
        break;
    case SIM_FAULT_CALL:
        call(storm, fault);
        break;
    case SIM_FAULT_CLAIM:
        claim(storm, fault);
        break;
    case SIM_FAULT_FORGET:
        forget(storm, fault);
        break;
    case SIM_FAULT_CONFIGURE:
        by = publisher(storm, NULL);
        if (by)
            sim_world_configure(world, by, other_message, NULL);
        break;
    default:
        for (uint32_t i = 0; i < fault->node_count; i++)
            hurt(storm, fault, sim_world_node(world, fault->nodes[i]));
    }
    if (fault->for_us || is_end(fault))
        sim_world_at(world, world->now_us + (fault->for_us ? fault->for_us : HAND_OVER_US), fault_ends, order);
}

void sim_storm_begin(struct sim_storm *storm)
{
    for (size_t i = 0; i < storm->plan->count; i++) {
        storm->orders[i] = (struct order){storm, &storm->plan->faults[i], false};
        sim_world_at(storm->world, storm->world->now_us + storm->plan->faults[i].at_us, fault_begins,
                     &storm->orders[i]);
    }
}

static void heal(struct sim_storm *storm, const struct sim_fault *fault)
{
    for (uint32_t i = 0; i < fault->node_count; i++) {
        struct sim_node *node = sim_world_node(storm->world, fault->nodes[i]);
        if (is_end(fault))
            scrap(storm, node);
        else if (fault->for_us || fault->kind != SIM_FAULT_BAN)
            mend(storm, fault, node);
    }
}

/* Disks first: nobody starts with one that refuses to be written. */
void sim_storm_heal(struct sim_storm *storm)
{
    heal_network(storm);
    for (unsigned disks = 2; disks-- > 0;)
        for (size_t i = 0; i < storm->plan->count; i++) {
            const struct sim_fault *fault = &storm->plan->faults[i];
            bool comes_back = fault->kind != SIM_FAULT_CALL && fault->kind != SIM_FAULT_CLAIM;
            if (storm->orders[i].lasts && comes_back && is_of_disks(fault->kind) == (disks == 1))
                heal(storm, fault);
        }
    storm->over = true;
}
