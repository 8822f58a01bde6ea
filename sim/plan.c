/* Drawing and printing plans. */
#include "plan.h"

#include "base/mem.h"
#include "byzantine.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define FORGETFUL_OF 4 /* one in so many companies lets a number go */

const char *sim_fault_name(enum sim_fault_kind kind)
{
    static const char *const names[] = {
#define NAME(name, text) text,
        SIM_FAULTS(NAME)
#undef NAME
    };
    return kind < SIM_FAULT_KINDS ? names[kind] : "?";
}

/* How long they last, and how often (of 100) for good. */
static const struct {
    int16_t seconds_min;
    int16_t seconds_max;
    uint8_t for_good;
} lengths[SIM_FAULT_KINDS] = {
    [SIM_FAULT_CRASH] = {1, 240, 20},     [SIM_FAULT_POWER] = {5, 240, 20},    [SIM_FAULT_RESTART] = {1, 20, 0},
    [SIM_FAULT_LEAVE] = {10, 240, 40},    [SIM_FAULT_JOIN] = {0, 0, 0},        [SIM_FAULT_PARTITION] = {10, 300, 0},
    [SIM_FAULT_ONE_WAY] = {10, 120, 0},   [SIM_FAULT_CUT] = {0, 0, 0},         [SIM_FAULT_SLOW] = {10, 180, 0},
    [SIM_FAULT_HANG] = {1, 40, 0},        [SIM_FAULT_DISK_FULL] = {5, 180, 0}, [SIM_FAULT_DISK_BROKEN] = {5, 90, 0},
    [SIM_FAULT_DISK_HANGS] = {1, 60, 0},  [SIM_FAULT_DISK_FAILS] = {0, 0, 0},  [SIM_FAULT_CLOCK] = {30, 300, 0},
    [SIM_FAULT_BYZANTINE] = {60, 600, 0}, [SIM_FAULT_BAN] = {60, 300, 50},     [SIM_FAULT_CALL] = {0, 0, 0},
    [SIM_FAULT_CLAIM] = {0, 0, 0},        [SIM_FAULT_CONFIGURE] = {0, 0, 0},   [SIM_FAULT_FORGET] = {0, 0, 0},
};

void sim_plan_init(struct sim_plan *plan, uint32_t nodes, uint32_t joining, uint32_t companies, uint32_t numbers)
{
    *plan = (struct sim_plan){.nodes = nodes, .joining = joining, .companies = companies, .numbers = numbers};
}

void sim_plan_fini(struct sim_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        mem_free(plan->faults[i].nodes);
    mem_free(plan->faults);
}

void sim_plan_add(struct sim_plan *plan, const struct sim_fault *fault)
{
    if (plan->count == plan->capacity) {
        plan->capacity = plan->capacity ? 2 * plan->capacity : 64;
        plan->faults = mem_resize(plan->faults, plan->capacity * sizeof *plan->faults);
        if (!plan->faults)
            abort();
    }
    struct sim_fault copy = *fault;
    copy.nodes = mem_alloc((fault->node_count + 1) * sizeof *copy.nodes);
    if (!copy.nodes)
        abort();
    if (fault->node_count)
        memcpy(copy.nodes, fault->nodes, fault->node_count * sizeof *copy.nodes);

    /* In order of time, and of the calls among equals. */
    size_t at = plan->count++;
    while (at > 0 && plan->faults[at - 1].at_us > copy.at_us) {
        plan->faults[at] = plan->faults[at - 1];
        at--;
    }
    plan->faults[at] = copy;
}

/* ---- drawing ---- */

/* What is taken while the plan grows in order of time. */
struct drawing {
    struct sim_plan *plan;
    const struct sim_mix *mix;
    const struct entropy *entropy;
    int64_t *busy_until; /* per node; INT64_MAX: lost */
    uint32_t *chosen;
    uint32_t lost;
    uint32_t liars;
    uint32_t joined;
    int64_t parted_until;
};

static enum sim_fault_kind draw_kind(const struct sim_mix *mix, const struct entropy *entropy)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < SIM_FAULT_KINDS; i++)
        total += mix->weights[i];
    uint64_t at = entropy_below(entropy, total);
    for (unsigned i = 0; i < SIM_FAULT_KINDS; i++) {
        if (at < mix->weights[i])
            return (enum sim_fault_kind)i;
        at -= mix->weights[i];
    }
    return SIM_FAULT_CRASH;
}

/* Few more often than many. */
static uint32_t draw_count(const struct drawing *d)
{
    uint32_t least = d->mix->nodes_min ? d->mix->nodes_min : 1;
    uint32_t most = (uint32_t)((double)d->plan->nodes * d->mix->share_max);
    if (most <= least)
        return least;
    uint64_t first = entropy_below(d->entropy, most - least + 1), second = entropy_below(d->entropy, most - least + 1);
    return least + (uint32_t)(first < second ? first : second);
}

static bool may_be_lost(enum sim_fault_kind kind, uint32_t node)
{
    return node != 0 || (kind != SIM_FAULT_BAN && kind != SIM_FAULT_BYZANTINE);
}

/* So many nodes that are well at that time; fewer if there are none left. */
static uint32_t choose(const struct drawing *d, const struct sim_fault *fault, uint32_t count)
{
    uint32_t n = 0, all = d->plan->nodes + d->joined;
    for (unsigned tries = 0; n < count && tries < 8 * count; tries++) {
        uint32_t node = (uint32_t)entropy_below(d->entropy, all);
        if (d->busy_until[node] > fault->at_us || !may_be_lost(fault->kind, node) || (fault->for_us == 0 && node == 0))
            continue;
        bool known = false;
        for (uint32_t i = 0; i < n; i++)
            known = known || d->chosen[i] == node;
        if (!known)
            d->chosen[n++] = node;
    }
    return n;
}

static uint64_t draw_amount(const struct drawing *d, enum sim_fault_kind kind)
{
    switch (kind) {
    case SIM_FAULT_SLOW:
        return (uint64_t)entropy_between(d->entropy, 50000, 3000000);
    case SIM_FAULT_DISK_FAILS:
        return (uint64_t)entropy_between(d->entropy, 1, 20);
    case SIM_FAULT_CLOCK:
        return (uint64_t)entropy_between(d->entropy, -90000, 90000);
    case SIM_FAULT_BYZANTINE:
        for (;;) {
            uint64_t behavior = entropy_below(d->entropy, SIM_BEHAVIOR_COUNT);
            if (d->mix->behaviors >> behavior & 1)
                return behavior;
        }
    default:
        return 0;
    }
}

static bool is_for_good(enum sim_fault_kind kind, int64_t for_us)
{
    return for_us == 0 &&
           (kind == SIM_FAULT_CRASH || kind == SIM_FAULT_POWER || kind == SIM_FAULT_LEAVE || kind == SIM_FAULT_BAN);
}

/* How many it may hit, by what the plan allows in all. */
static uint32_t limited(const struct drawing *d, const struct sim_fault *fault, uint32_t count)
{
    uint32_t room = count;
    if (is_for_good(fault->kind, fault->for_us))
        room = (uint32_t)((double)d->plan->nodes * d->mix->lost_max) - d->lost;
    else if (fault->kind == SIM_FAULT_BYZANTINE)
        room = (uint32_t)((double)d->plan->nodes * d->mix->byzantine_max) - d->liars;
    else if (fault->kind == SIM_FAULT_JOIN)
        room = d->plan->joining - d->joined;
    else if ((fault->kind == SIM_FAULT_PARTITION || fault->kind == SIM_FAULT_ONE_WAY) && d->parted_until > fault->at_us)
        room = 0;
    return count < room ? count : room;
}

static void settle(struct drawing *d, const struct sim_fault *fault)
{
    bool for_good = is_for_good(fault->kind, fault->for_us);
    int64_t rest_us = fault->for_us + 20 * SECOND;
    if (fault->kind == SIM_FAULT_PARTITION || fault->kind == SIM_FAULT_ONE_WAY) {
        d->parted_until = fault->at_us + rest_us;
        return;
    }
    for (uint32_t i = 0; i < fault->node_count; i++)
        d->busy_until[fault->nodes[i]] = for_good ? INT64_MAX : fault->at_us + rest_us;
    d->lost += for_good ? fault->node_count : 0;
    d->liars += fault->kind == SIM_FAULT_BYZANTINE ? fault->node_count : 0;
}

/* New nodes have the next indices; the others are drawn. */
static void draw_fault(struct drawing *d, int64_t at_us)
{
    struct sim_fault fault = {.at_us = at_us, .kind = draw_kind(d->mix, d->entropy), .nodes = d->chosen};
    bool for_good = entropy_below(d->entropy, 100) < lengths[fault.kind].for_good;
    int64_t for_us =
        entropy_between(d->entropy, lengths[fault.kind].seconds_min * SECOND, lengths[fault.kind].seconds_max * SECOND);
    fault.for_us = for_good ? 0 : for_us;
    fault.amount = draw_amount(d, fault.kind);
    uint32_t count = limited(d, &fault, draw_count(d));
    if (fault.kind == SIM_FAULT_JOIN) {
        for (; fault.node_count < count; fault.node_count++)
            d->chosen[fault.node_count] = d->plan->nodes + d->joined++;
    } else if (fault.kind != SIM_FAULT_CONFIGURE) {
        fault.node_count = choose(d, &fault, count);
    }
    if (fault.node_count == 0 && fault.kind != SIM_FAULT_CONFIGURE)
        return;
    sim_plan_add(d->plan, &fault);
    settle(d, &fault);
}

static void draw_call(struct drawing *d, enum sim_fault_kind kind, int64_t at_us)
{
    struct sim_plan *plan = d->plan;
    if (plan->companies < 2 || plan->numbers == 0)
        return;
    uint32_t from = (uint32_t)entropy_below(d->entropy, plan->companies);
    uint32_t to = (from + 1 + (uint32_t)entropy_below(d->entropy, plan->companies - 1)) % plan->companies;
    uint32_t nodes[2] = {from, to};
    struct sim_fault fault = {
        .at_us = at_us,
        .kind = kind,
        .nodes = nodes,
        .node_count = 2,
        .amount = entropy_below(d->entropy, plan->numbers),
    };
    sim_plan_add(plan, &fault);
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void sim_plan_draw(struct sim_plan *plan, const struct sim_mix *mix, const struct entropy *entropy)
{
    double minutes = (double)mix->storm_us / (double)MINUTE;
    size_t faults = (size_t)(mix->faults_per_minute * minutes * plan->nodes / SIM_MIX_NODES + 0.5);
    uint32_t all = plan->nodes + plan->joining;
    struct drawing d = {.plan = plan, .mix = mix, .entropy = entropy};
    int64_t *times = mem_alloc((faults + 1) * sizeof *times);
    d.busy_until = mem_alloc((all + 1) * sizeof *d.busy_until);
    d.chosen = mem_alloc((all + 2) * sizeof *d.chosen);
    if (!times || !d.busy_until || !d.chosen)
        abort();
    plan->storm_us = mix->storm_us;
    for (size_t i = 0; i < faults; i++)
        times[i] = entropy_between(entropy, 0, mix->storm_us);
    qsort(times, faults, sizeof *times, by_time);
    for (size_t i = 0; i < faults; i++)
        draw_fault(&d, times[i]);
    for (double i = 0; i < mix->calls_per_minute * minutes; i++)
        draw_call(&d, SIM_FAULT_CALL, entropy_between(entropy, 0, mix->storm_us));
    for (double i = 0; i < mix->claims_per_minute * minutes; i++)
        draw_call(&d, SIM_FAULT_CLAIM, entropy_between(entropy, 0, mix->storm_us));
    mem_free(times);
    mem_free(d.busy_until);
    mem_free(d.chosen);
}

void sim_plan_draw_forgotten(struct sim_plan *plan, const struct entropy *entropy)
{
    for (uint32_t company = 0; company < plan->companies && plan->numbers; company++) {
        struct sim_fault fault = {
            .at_us = entropy_between(entropy, 0, plan->storm_us),
            .kind = SIM_FAULT_FORGET,
            .nodes = &company,
            .node_count = 1,
            .amount = entropy_below(entropy, plan->numbers),
        };
        if (entropy_below(entropy, FORGETFUL_OF) == 0)
            sim_plan_add(plan, &fault);
    }
}

/* ---- printing ---- */

static void print_amount(FILE *out, const struct sim_fault *fault)
{
    switch (fault->kind) {
    case SIM_FAULT_SLOW:
        fprintf(out, ", by %" PRIu64 " ms", fault->amount / 1000);
        break;
    case SIM_FAULT_DISK_FAILS:
        fprintf(out, ", %" PRIu64 " transactions", fault->amount);
        break;
    case SIM_FAULT_CLOCK:
        fprintf(out, ", by %+" PRId64 " ms", (int64_t)fault->amount);
        break;
    case SIM_FAULT_BYZANTINE:
        fprintf(out, ", %s", sim_behavior_name((enum sim_behavior)fault->amount));
        break;
    case SIM_FAULT_CALL:
    case SIM_FAULT_CLAIM:
    case SIM_FAULT_FORGET:
        fprintf(out, ", number %" PRIu64, fault->amount);
        break;
    default:
        break;
    }
}

void sim_plan_print(FILE *out, const struct sim_plan *plan)
{
    fprintf(out, "plan: %zu faults in %.0f s\n", plan->count, (double)plan->storm_us / (double)SECOND);
    for (size_t i = 0; i < plan->count; i++) {
        const struct sim_fault *fault = &plan->faults[i];
        fprintf(out, "  %8.3f s  %s", (double)fault->at_us / (double)SECOND, sim_fault_name(fault->kind));
        for (uint32_t k = 0; k < fault->node_count && k < 16; k++)
            fprintf(out, "%s%" PRIu32, k ? "," : " ", fault->nodes[k]);
        if (fault->node_count > 16)
            fprintf(out, " and %" PRIu32 " more", fault->node_count - 16);
        if (fault->for_us)
            fprintf(out, " for %.3f s", (double)fault->for_us / (double)SECOND);
        else if (is_for_good(fault->kind, 0))
            fprintf(out, " for good");
        print_amount(out, fault);
        fputc('\n', out);
    }
}
