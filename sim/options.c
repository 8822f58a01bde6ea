/* The command line, and what is drawn where it says nothing. */
#include "options.h"

#include "base/slice.h"
#include "base/text.h"
#include "scenario.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HOURS_MAX 100000.0

typedef const char *option_fn(struct sim_options *o, const char *value); /* NULL, or what is wrong with the value */

struct option {
    const char *name;
    const char *value; /* what stands for it in the help; NULL: a flag */
    option_fn *set;
    const char *doc;
};

static const char *number(const char *value, uint64_t max, uint64_t *ret_number)
{
    return u64_parse(slice_str(value), max, ret_number) < 0 ? "it must be a number within its limits" : NULL;
}

static const char *number32(const char *value, uint32_t min, uint32_t max, uint32_t *ret_number)
{
    uint64_t n;
    const char *wrong = number(value, max, &n);
    if (!wrong && n < min)
        wrong = "it is too small";
    if (!wrong)
        *ret_number = (uint32_t)n;
    return wrong;
}

static const char *set_seed(struct sim_options *o, const char *value)
{
    return number(value, SIM_SEED_MAX, &o->seed);
}

static const char *set_nodes(struct sim_options *o, const char *value)
{
    return number32(value, 1, SIM_NODES_MAX, &o->nodes);
}

static const char *set_scenario(struct sim_options *o, const char *value)
{
    o->scenario = value;
    return sim_scenario_find(value) ? NULL : "there is no such scenario; --help lists them";
}

static const char *set_hours(struct sim_options *o, const char *value)
{
    char *end;
    double hours = strtod(value, &end);
    if (end == value || *end || !(hours >= 0 && hours <= HOURS_MAX))
        return "it must be a number of hours";
    o->hours = hours;
    return NULL;
}

static const char *set_lookups(struct sim_options *o, const char *value)
{
    return number32(value, 0, UINT32_MAX, &o->lookups);
}

static const char *set_numbers(struct sim_options *o, const char *value)
{
    return number32(value, 1, SIM_NUMBERS_MAX, &o->numbers);
}

static const char *set_agents(struct sim_options *o, const char *value)
{
    return number32(value, 1, SIM_NODES_MAX, &o->agents);
}

static const char *set_companies(struct sim_options *o, const char *value)
{
    return number32(value, 2, SIM_COMPANIES_MAX, &o->companies);
}

static const char *set_calls(struct sim_options *o, const char *value)
{
    return number32(value, 1, SIM_CALLS_MAX, &o->calls);
}

static const char *set_signatures(struct sim_options *o, const char *value)
{
    if (strcmp(value, "real") == 0)
        o->signatures = SIM_SIGNATURES_REAL;
    else if (strcmp(value, "stand-in") == 0)
        o->signatures = SIM_SIGNATURES_STAND_IN;
    else
        return "it must be real or stand-in";
    return NULL;
}

static const char *set_json(struct sim_options *o, const char *value)
{
    (void)value;
    o->json = true;
    return NULL;
}

static const char *set_progress(struct sim_options *o, const char *value)
{
    (void)value;
    o->progress = true;
    return NULL;
}

static const char *set_verbose(struct sim_options *o, const char *value)
{
    (void)value;
    o->verbose = true;
    return NULL;
}

static const char *set_pcap(struct sim_options *o, const char *value)
{
    o->pcap = value;
    return NULL;
}

static const char *set_plot(struct sim_options *o, const char *value)
{
    o->plot = value;
    return NULL;
}

static const struct option options[] = {
    {"seed", "S", set_seed, "all that is not fixed is drawn from it (otherwise taken from the clock)"},
    {"nodes", "N", set_nodes, "servers in the ring (64; in storms as the seed has it, 8 to 16)"},
    {"scenario", "NAME", set_scenario, "what happens (calm); below"},
    {"hours", "H", set_hours, "of virtual time, once the ring stands (as long as the work takes)"},
    {"lookups", "L", set_lookups, "numbers that are looked up (as many as there are nodes)"},
    {"agents", "A", set_agents, "companies that publish (all of them, 1,000 at the most)"},
    {"numbers", "K", set_numbers, "numbers that each of them publishes (4; in storms as the seed has it)"},
    {"companies", "C", set_companies, "in calls: companies with PBX and call agent, a server each (6)"},
    {"calls", "M", set_calls, "in calls: phone calls of all companies together (1,250 an hour)"},
    {"signatures", "KIND", set_signatures, "real, or stand-in: a cheap keyed hash (real up to 64 nodes)"},
    {"json", NULL, set_json, "one JSON object on standard output, nothing else there"},
    {"pcap", "FILE", set_pcap, "the ring's messages in the clear, for Wireshark"},
    {"plot", "FILE", set_plot, "hops, latency and load as SVG"},
    {"verbose", NULL, set_verbose, "print on standard error what goes wrong, and when"},
    {"progress", NULL, set_progress, "tell on standard error how far it is (otherwise on a terminal only)"},
};

static void help(FILE *to)
{
    char line[48];
    fputs("usage: ime-sim [OPTION]...\n\n"
          "Runs the cores of many IME servers in virtual time, and reports what the ring did.\n\n",
          to);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        snprintf(line, sizeof line, "--%s%s%s", options[i].name, options[i].value ? " " : "",
                 options[i].value ? options[i].value : "");
        fprintf(to, "  %-20s %s\n", line, options[i].doc);
    }
    fprintf(to, "  %-20s %s\n  %-20s %s\n\nScenarios:\n", "--help", "this text", "--version", "the version");
    for (const struct sim_scenario *s = sim_scenarios; s->name; s++)
        fprintf(to, "  %-20s %s\n", s->name, s->summary);
    fputs("\nExit status: 0 all that must hold held, 1 a violation or a failed look-up, 2 usage.\n", to);
}

void sim_options_default(struct sim_options *o)
{
    *o = (struct sim_options){.scenario = "calm", .lookups = UINT32_MAX};
}

static const struct option *find(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strlen(options[i].name) == n && memcmp(options[i].name, name, n) == 0)
            return &options[i];
    return NULL;
}

static int wrong_usage(const char *argument, const char *why)
{
    fprintf(stderr, "ime-sim: %s: %s (ime-sim --help tells all)\n", argument, why);
    return 2;
}

int sim_options_parse(struct sim_options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            help(stdout);
            return 1;
        }
        if (strcmp(argument, "--version") == 0) {
            puts("ime-sim " IME_VERSION);
            return 1;
        }
        if (strncmp(argument, "--", 2) != 0)
            return wrong_usage(argument, "that is no option");
        const char *name = argument + 2, *equals = strchr(name, '=');
        const struct option *option = find(name, equals ? (size_t)(equals - name) : strlen(name));
        if (!option)
            return wrong_usage(argument, "there is no such option");
        if (!option->value && equals)
            return wrong_usage(argument, "it takes no value");
        const char *value = equals ? equals + 1 : NULL;
        if (option->value && !value && !(value = i + 1 < argc ? argv[++i] : NULL))
            return wrong_usage(argument, "its value is missing");
        const char *wrong = option->set(o, value);
        if (wrong)
            return wrong_usage(argument, wrong);
    }
    if ((o->companies || o->calls) && strcmp(o->scenario, "calls") != 0 && strcmp(o->scenario, "fallback") != 0)
        return wrong_usage(o->companies ? "--companies" : "--calls", "only the scenarios calls and fallback have them");
    return 0;
}

void sim_options_settle(struct sim_options *o)
{
    if (!o->nodes)
        o->nodes = SIM_NODES_DEFAULT;
    if (!o->numbers)
        o->numbers = SIM_NUMBERS_DEFAULT;
    if (o->lookups == UINT32_MAX)
        o->lookups = o->nodes;
    if (o->companies)
        o->agents = 0; /* they have whole ones */
    else if (!o->agents || o->agents > o->nodes)
        o->agents = o->nodes < SIM_AGENTS_DEFAULT_MAX ? o->nodes : SIM_AGENTS_DEFAULT_MAX;
    if (o->signatures == SIM_SIGNATURES_BY_SIZE)
        o->signatures = o->nodes <= SIM_REAL_SIGNATURES_MAX ? SIM_SIGNATURES_REAL : SIM_SIGNATURES_STAND_IN;
}

const char *sim_signatures_name(enum sim_signatures signatures)
{
    return signatures == SIM_SIGNATURES_REAL ? "ecdsa-p256" : "stand-in";
}

/* ---- what nobody orders ---- */

static double between(const struct entropy *e, double low, double high)
{
    return low + (high - low) * (double)entropy_below(e, 1u << 30) / (double)(1u << 30);
}

void sim_nature_draw(struct sim_nature *nature, uint64_t seed)
{
    struct seeded_entropy stream;
    sim_entropy_init(&stream, seed, "nature", 0);
    struct entropy e = seeded_entropy_port(&stream);
    *nature = (struct sim_nature){
        .path_factor = between(&e, 1.3, 1.8),
        .access_us_min = entropy_between(&e, 100, 400),
        .access_us_max = entropy_between(&e, 1000, 6000),
        .jitter = between(&e, 0.01, 0.08),
        .loss = between(&e, 0, 0.002),
        .ipv6 = between(&e, 0, 0.5),
        .clock_offset_ms = entropy_between(&e, 0, 1500),
        .clock_drift_ppm = between(&e, 0, 80),
        .disk_us_min = entropy_between(&e, 300, 2000),
        .disk_us_max = entropy_between(&e, 3000, 20000),
        .handshake_us = entropy_between(&e, 400, 2000),
    };
}

void sim_options_print_command(FILE *out, const struct sim_options *o)
{
    fprintf(out, "ime-sim --seed %" PRIu64 " --nodes %u --scenario %s --hours %g --lookups %u --numbers %u", o->seed,
            o->nodes, o->scenario, o->hours, o->lookups, o->numbers);
    if (o->agents)
        fprintf(out, " --agents %u", o->agents);
    if (o->companies)
        fprintf(out, " --companies %u --calls %u", o->companies, o->calls);
    fprintf(out, " --signatures %s", o->signatures == SIM_SIGNATURES_REAL ? "real" : "stand-in");
}

void sim_options_print(FILE *out, const struct sim_options *o, const struct sim_nature *n)
{
    sim_options_print_command(out, o);
    fprintf(out,
            "\n"
            "network     path factor %.2f, access %" PRId64 "-%" PRId64
            " us, jitter %.1f %%, loss %.3f %%, IPv6 %.0f %%\n"
            "nodes       clocks off by up to %" PRId64
            " ms, drift up to %.0f ppm, disks %.1f-%.1f ms, handshakes %.1f ms\n",
            n->path_factor, n->access_us_min, n->access_us_max, 100 * n->jitter, 100 * n->loss, 100 * n->ipv6,
            n->clock_offset_ms, n->clock_drift_ppm, (double)n->disk_us_min / 1000, (double)n->disk_us_max / 1000,
            (double)n->handshake_us / 1000);
    if (n->number_lifetime_s)
        fprintf(out, "numbers     live %" PRIu32 " s unless they are refreshed\n", n->number_lifetime_s);
    fflush(out);
}
