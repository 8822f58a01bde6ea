/* What a look-up costs in the simulator, and what a node weighs there.
 *
 * Time: look-ups of published numbers in a ring of 256 servers, 400 within a second (signatures are the stand-in, as in every large run).
 * One look-up is three fetches, each over several links, with all that the servers do for each message, and its part of the ring's upkeep
 * meanwhile. The baseline is an event queue of the same size that is only emptied and filled: as many events as those look-ups took.
 * Memory: the whole process by nodes, against the bare facts that a node holds: its records, and Node-ID and address of every node that
 * it has a link to. */
#include "bench.h"

#include "world.h"

#include <inttypes.h>
#include <unistd.h>

enum { NODES = 256, AGENTS = 64, NUMBERS = 16, BATCH = 400, RECORD_OCTETS = 1024 };
static const int64_t ample_us = 10 * SIM_HOUR;

static void look_up(void *arg, unsigned long times)
{
    struct sim_world *world = arg;
    uint64_t failed = world->result.failed;
    while (times-- > 0)
        sim_world_look_up(world, BATCH, SIM_SECOND);
    bench_need(world->result.failed == failed, "a look-up");
}

struct bare {
    struct sim_queue queue;
    uint64_t events_per_batch;
    uint64_t state; /* of the numbers that say when an event is due */
};

static void turn_queue(void *arg, unsigned long times)
{
    struct bare *bare = arg;
    for (uint64_t left = times * bare->events_per_batch; left > 0; left--) {
        int64_t due_us;
        void *event = sim_queue_take(&bare->queue, &due_us);
        bench_need(event != NULL, "the queue");
        bare->state = bare->state * UINT64_C(6364136223846793005) + 1;
        sim_queue_add(&bare->queue, due_us + (int64_t)(bare->state >> 44), event);
    }
}

static uint64_t resident_octets(void)
{
    unsigned long size, resident;
    FILE *in = fopen("/proc/self/statm", "r");
    bench_need(in && fscanf(in, "%lu %lu", &size, &resident) == 2, "/proc/self/statm");
    fclose(in);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static struct sim_world *make_ring(void)
{
    static struct sim_options options;
    struct sim_nature nature;
    sim_options_default(&options);
    options.seed = 1;
    options.nodes = NODES;
    options.agents = AGENTS;
    options.numbers = NUMBERS;
    sim_options_settle(&options);
    sim_nature_draw(&nature, options.seed);
    struct sim_world *world = sim_world_new(&options, &nature);
    bench_need(sim_world_grow(world, 0, NODES, ample_us), "joining");
    bench_need(sim_world_publish(world, ample_us), "publishing");
    return world;
}

/* What the ring must remember, however it is written. */
static double bare_octets(struct sim_world *world)
{
    struct sim_result *result = sim_world_result(world);
    return sim_samples_mean(&result->records_held) * RECORD_OCTETS +
           sim_samples_mean(&result->links) * (double)(sizeof(struct id) + sizeof(struct addr));
}

int main(void)
{
    uint64_t before = resident_octets();
    struct sim_world *world = make_ring();
    uint64_t events = world->events;
    look_up(world, 1);
    struct bare bare = {.events_per_batch = world->events - events};
    double node = (double)(resident_octets() - before) / NODES, bare_node = bare_octets(world);

    sim_queue_init(&bare.queue);
    for (size_t i = 0; i < world->queue.n; i++)
        sim_queue_add(&bare.queue, (int64_t)i, &bare);
    printf("ring of %d, %" PRIu64 " events per look-up, %zu waiting\n", NODES, bare.events_per_batch / BATCH,
           world->queue.n);
    struct bench_side subject = {"look-ups, simulated", look_up, world, BATCH};
    struct bench_side baseline = {"as many bare events", turn_queue, &bare, BATCH};
    bool good = bench_compare(&subject, &baseline, COST_AT_MOST, 200, 6);

    double aim = 10, ratio = node / bare_node;
    bool light = ratio <= aim;
    printf("%-28s %10.0f/GiB  %-28s %10.0f/GiB  cost ratio %.3f (aim: at most %.2f)  %s\n", "nodes, simulated",
           (double)(1 << 30) / node, "their bare records and links", (double)(1 << 30) / bare_node, ratio, aim,
           light ? "good" : "MISSED");
    sim_queue_fini(&bare.queue);
    sim_world_free(world);
    return !(good && light);
}
