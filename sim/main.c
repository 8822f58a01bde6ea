/* ime-sim: one run. The only file that looks at the clock and at the process. */
#include "alloc.h"
#include "capture.h"
#include "plot.h"
#include "report.h"
#include "scenario.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define LARGE_PAGES_NODES_MIN 256u
#define STEPS_PER_LOOK 65536u /* at the clock, for the line of progress */

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t seed_of_clock(void)
{
    struct timespec t;
    struct seeded_entropy stream;
    clock_gettime(CLOCK_REALTIME, &t);
    sim_entropy_init(&stream, (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec, "clock", 0);
    struct entropy e = seeded_entropy_port(&stream);
    return entropy_below(&e, UINT64_C(1000000000));
}

static uint64_t memory_octets(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss * 1024;
}

/* A large ring is memory that is met in no order: with pages of 2 MiB it takes a third less time. The library is told so before a program
 * starts, so this one starts again. */
static void want_large_pages(const struct sim_options *o, char **argv)
{
    if (o->nodes < LARGE_PAGES_NODES_MIN || getenv("GLIBC_TUNABLES"))
        return;
    if (setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1) == 0)
        execv("/proc/self/exe", argv); /* if not, it goes on as it is */
}

/* ---- how far it is ---- */

struct progress {
    struct sim_observer observer;
    double began;
    double shown;
};

static void show_progress(void *ctx, struct sim_world *world)
{
    struct progress *p = ctx;
    if (world->events % STEPS_PER_LOOK)
        return;
    double now = seconds();
    if (now - p->shown < 1)
        return;
    p->shown = now;
    fprintf(stderr, "\r%6.0f s: %.0f virtual, %u of %u joined, %" PRIu64 " look-ups, %.1f M events, %.1f GiB ",
            now - p->began, (double)world->now_us / SIM_SECOND, world->joined, world->node_count, world->result.lookups,
            (double)world->events / 1e6, (double)memory_octets() / (1u << 30));
}

static void end_progress(const struct progress *p)
{
    if (p->observer.step)
        fputs("\r\033[K", stderr);
}

/* ---- results ---- */

static int write_plot(const char *path, struct sim_result *result)
{
    FILE *file = fopen(path, "w");
    int err = file ? sim_plot_svg(file, result) : ERR_IO;
    if (file && fclose(file) != 0 && !err)
        err = ERR_IO;
    if (err)
        fprintf(stderr, "ime-sim: %s: %s\n", path, err_text(err));
    return err;
}

static int report(struct sim_world *world, struct sim_result *result)
{
    const struct sim_options *o = world->options;
    int err = o->json ? sim_report_json(stdout, result) : sim_report_text(stdout, result);
    if (err)
        fprintf(stderr, "ime-sim: standard output: %s\n", err_text(err));
    if (o->plot && write_plot(o->plot, result) != 0)
        err = ERR_IO;
    bool held = !result->violation_count && !result->failed && !result->end;
    if (!held) {
        fputs("ime-sim: not all held; this command repeats it:\n", stderr);
        sim_options_print_command(stderr, o);
        fputc('\n', stderr);
    }
    return held && !err ? 0 : 1;
}

static int run(const struct sim_options *o, const struct sim_nature *nature, const struct sim_scenario *scenario)
{
    struct progress progress = {.began = seconds()};
    struct sim_capture *capture = NULL;
    uint64_t memory = memory_octets();
    struct sim_world *world = sim_world_new(o, nature);
    if (o->progress) {
        progress.observer = (struct sim_observer){.ctx = &progress, .step = show_progress};
        sim_world_observe(world, &progress.observer);
    }
    int err = o->pcap ? sim_capture_new(world, o->pcap, &capture) : 0;
    if (!err)
        scenario->run(world);
    struct sim_result *result = sim_world_result(world);
    result->wall_s = seconds() - progress.began;
    result->memory_per_node = (memory_octets() - memory) / o->nodes;
    end_progress(&progress);
    int status = report(world, result);
    sim_world_free(world);
    int capture_err = sim_capture_free(capture);
    err = err ? err : capture_err;
    if (err)
        fprintf(stderr, "ime-sim: %s: %s\n", o->pcap, err_text(err));
    return err ? 1 : status;
}

int main(int argc, char **argv)
{
    struct sim_options options;
    struct sim_nature nature;
    sim_options_default(&options);
    options.seed = seed_of_clock();
    options.progress = isatty(STDERR_FILENO) == 1;
    int end = sim_options_parse(&options, argc, argv);
    if (end)
        return end == 1 ? 0 : end;
    want_large_pages(&options, argv);
    const struct sim_scenario *scenario = sim_scenario_find(options.scenario);
    sim_nature_draw(&nature, options.seed);
    if (scenario->prepare)
        scenario->prepare(&options, &nature);
    sim_options_settle(&options);
    if (!options.json)
        sim_options_print(stdout, &options, &nature);
    return run(&options, &nature, scenario);
}
