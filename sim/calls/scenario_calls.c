/* The scenario "calls": a ring of IME servers, companies with PBX and agent, a phone network, a day of calls with what goes wrong in it; then everybody
 * goes home, and the books are closed. */
#include "calls/scenario_calls.h"

#include "alloc.h"
#include "base/mem.h"
#include "calls/border.h"
#include "calls/exchange.h"
#include "calls/ledger.h"
#include "calls/office.h"
#include "calls/pbx.h"
#include "calls/script.h"
#include "calls/trouble.h"

#include <stdio.h>

#define GROW_US (4 * SIM_HOUR)
#define OPENING_US (10 * SIM_MINUTE) /* numbers are published, agents have connected */
#define CLOSING_US \
    (150 *         \
     SIM_MINUTE) /* calls that nobody ended are found out by both agents and the phone network, records sent again */
#define REST_US (20 * SIM_MINUTE) /* connections that nobody uses end */
#define LOOK_US (10 * SIM_MINUTE)
#define DRIFT_PPM_MAX 2.0 /* clocks that are set right now and then, as proofs need */
#define OFFSET_MS_MAX 300
#define FULL_DAY_HOURS 24.0
#define CALLS_PER_HOUR 1250u
#define CALLS_MIN 60u
#define FALLBACK_HOURS 1.5
#define FALLBACK_COMPANIES 3u
#define FALLBACK_CALLS_PER_HOUR 100
#define FALLBACK_NUMBERS 3u
#define SPACING_MIN_MS 120000 /* between two proofs of one number */

void sim_calls_prepare(struct sim_options *o, struct sim_nature *nature)
{
    if (o->hours <= 0)
        o->hours = FULL_DAY_HOURS;
    if (!o->companies)
        o->companies = SIM_COMPANIES_DEFAULT;
    if (!o->calls) {
        const double calls = o->hours * CALLS_PER_HOUR;
        o->calls = calls < CALLS_MIN ? CALLS_MIN : calls > SIM_CALLS_MAX ? SIM_CALLS_MAX : (uint32_t)calls;
    }
    if (!o->numbers)
        o->numbers = SIM_CALLS_NUMBERS_DEFAULT;
    if (o->numbers > SIM_CALLS_NUMBERS_MAX)
        o->numbers = SIM_CALLS_NUMBERS_MAX;
    if (o->nodes < o->companies)
        o->nodes = o->companies;
    if (o->signatures == SIM_SIGNATURES_BY_SIZE)
        o->signatures = SIM_SIGNATURES_STAND_IN;
    o->lookups = 0;
    nature->clock_offset_ms = nature->clock_offset_ms < OFFSET_MS_MAX ? nature->clock_offset_ms : OFFSET_MS_MAX;
    nature->clock_drift_ppm = nature->clock_drift_ppm < DRIFT_PPM_MAX ? nature->clock_drift_ppm : DRIFT_PPM_MAX;
}

void sim_fallback_prepare(struct sim_options *o, struct sim_nature *nature)
{
    if (o->hours <= 0)
        o->hours = FALLBACK_HOURS;
    if (!o->companies)
        o->companies = FALLBACK_COMPANIES;
    if (!o->calls)
        o->calls = (uint32_t)(o->hours * FALLBACK_CALLS_PER_HOUR);
    if (!o->calls)
        o->calls = 1;
    if (!o->numbers)
        o->numbers = FALLBACK_NUMBERS;
    sim_calls_prepare(o, nature);
}

/* ---- the day ---- */

static void dial(void *ctx, struct sim_world *world)
{
    struct sim_day *day = ctx;
    const uint32_t call = day->next_script++;
    sim_pbx_call(&day->pbxs[day->scripts[call].from], call);
    if (day->next_script < day->script_count)
        sim_world_at(world, day->scripts[day->next_script].at_us, dial, day);
}

static void look(void *ctx, struct sim_world *world)
{
    struct sim_day *day = ctx;
    sim_ledger_look(day->ledger);
    if (world->now_us < day->until_us + CLOSING_US)
        sim_world_at(world, world->now_us + LOOK_US, look, day);
}

/* Proofs of one number are an hour apart; a shorter day has shorter hours. */
static void set_pace(struct sim_day *day)
{
    const double hours = day->world->options->hours;
    for (uint32_t i = 0; i < day->world->node_count; i++) {
        struct server_options *o = &sim_world_node(day->world, i)->options;
        const double factor = hours < FULL_DAY_HOURS ? hours / FULL_DAY_HOURS : 1;
        const int64_t spacing_ms = (int64_t)((double)o->minimum_interval_ms * factor);
        o->minimum_interval_ms = spacing_ms > SPACING_MIN_MS ? spacing_ms : SPACING_MIN_MS;
        o->delay_max_ms = (int64_t)((double)o->delay_max_ms * factor);
        o->delay_min_ms = o->delay_min_ms < o->delay_max_ms / 2 ? o->delay_min_ms : o->delay_max_ms / 2;
    }
}

/* In half of the days. */
static bool draws_edges(const struct sim_world *world)
{
    struct seeded_entropy seed;
    sim_entropy_init(&seed, world->options->seed, "edges", 0);
    const struct entropy e = seeded_entropy_port(&seed);
    return entropy_below(&e, 2) == 0;
}

static void open_companies(struct sim_day *day)
{
    day->offices = sim_alloc(day->companies * sizeof *day->offices);
    day->borders = day->has_edges ? sim_alloc(day->companies * sizeof *day->borders) : NULL;
    day->pbxs = sim_alloc(day->companies * sizeof *day->pbxs);
    for (uint32_t i = 0; i < day->companies; i++) {
        sim_office_init(&day->offices[i], day, i);
        sim_pbx_init(&day->pbxs[i], day, i);
        if (day->borders)
            sim_border_init(&day->borders[i], day, i);
    }
}

static void open_day(struct sim_day *day, struct sim_world *world)
{
    const struct sim_options *o = world->options;
    *day = (struct sim_day){.world = world, .companies = o->companies};
    day->result = world->result.calls = sim_alloc(sizeof *day->result);
    day->result->companies = o->companies;
    day->from_us = world->now_us;
    day->has_media = strcmp(o->scenario, "fallback") == 0;
    day->has_edges = day->has_media || draws_edges(world);
    sim_wire_init(&day->wire, world);
    sim_media_init(&day->media, world, day->companies);
    day->script_count = o->calls;
    day->exchange = sim_exchange_new(day);
    open_companies(day);
    set_pace(day);
}

static void close_day(struct sim_day *day)
{
    for (uint32_t i = 0; i < day->companies; i++) {
        sim_office_fini(&day->offices[i]);
        if (day->borders)
            sim_border_fini(&day->borders[i]);
        sim_pbx_fini(&day->pbxs[i]);
    }
    sim_exchange_free(day->exchange);
    sim_trouble_free(day->trouble);
    sim_wire_fini(&day->wire);
    sim_media_fini(&day->media);
    sim_ledger_free(day->ledger);
    mem_free(day->offices);
    mem_free(day->borders);
    mem_free(day->pbxs);
    mem_free(day->scripts);
}

static const char *place_name(const struct addr *addr)
{
    static const char *const names[] = {"agent:pbx", "agent:pstn", "agent:ime", "pbx",
                                        "carrier",   "edge:in",    "edge:out"};
    const unsigned at = addr->ip[3] - 1u;
    return at < sizeof names / sizeof names[0] ? names[at] : "?";
}

/* The first line, and what tells which dialog it is in and what agents tell each other. */
static void print_message(const struct sim_day *day, const struct sim_wire_socket *from,
                          const struct sim_wire_socket *to, struct slice octets)
{
    static const char *const fields[] = {"\r\nCall-ID: ",       "\r\nCSeq: ",    "\r\nIME-Fallback: ", "\r\nReason: ",
                                         "\r\nX-IME-Quality: ", "\r\nm=audio ",  "\r\na=sendrecv",     "\r\na=sendonly",
                                         "\r\na=recvonly",      "\r\na=inactive"};
    const uint8_t *end = memmem(octets.p, octets.n, "\r\n", 2);
    if (!end || (octets.n > 7 && memcmp(octets.p, "OPTIONS", 7) == 0))
        return;
    fprintf(stderr, "%.3f %s %u > %s %u: %.*s", (double)day->world->now_us / SIM_SECOND, place_name(&from->addr),
            from->addr.ip[2], place_name(&to->addr), to->addr.ip[2], (int)(end - octets.p), (const char *)octets.p);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const uint8_t *at = memmem(octets.p, octets.n, fields[i], strlen(fields[i]));
        const size_t left = at ? (size_t)(octets.p + octets.n - at - 2) : 0;
        const uint8_t *stop = left ? memmem(at + 2, left, "\r\n", 2) : NULL;
        if (stop)
            fprintf(stderr, " | %.*s", (int)(stop - at - 2), (const char *)at + 2);
    }
    fputc('\n', stderr);
}

static void sent(void *ctx, const struct sim_wire_socket *from, const struct sim_wire_socket *to, struct slice octets)
{
    const struct sim_day *day = ctx;
    if (day->world->options->verbose)
        print_message(day, from, to, octets);
    sim_ledger_sent(day->ledger, from, to, octets);
}

static void start_companies(struct sim_day *day)
{
    day->ledger = sim_ledger_new(day);
    day->wire.tap = sent;
    day->wire.tap_ctx = day;
    for (uint32_t i = 0; i < day->companies; i++) {
        sim_office_set_tickets(&day->offices[i]);
        sim_pbx_start(&day->pbxs[i]);
        sim_office_start(&day->offices[i]);
    }
}

static void count_processes(struct sim_day *day)
{
    struct sim_calls_result *r = day->result;
    uint64_t calls = 0, octets = 0;
    for (uint32_t i = 0; i < day->companies; i++) {
        r->restarts += day->offices[i].lives - 1;
        calls += day->offices[i].weighed_calls;
        octets += day->offices[i].weighed_octets;
    }
    r->memory_per_call = calls ? octets / calls : 0;
    const struct pstn_counters *pstn = pstn_network_counters(day->exchange->network);
    r->callers_spoiled = pstn->callers_shortened + pstn->callers_rewritten;
    r->datagrams = day->wire.datagrams;
    r->datagrams_lost = day->wire.lost;
    r->packets = day->media.sent;
    r->packets_lost = day->media.lost;
}

static void live(struct sim_day *day)
{
    struct sim_world *world = day->world;
    start_companies(day);
    sim_world_run(world, OPENING_US / 2); /* the agents' keys are durable */
    for (uint32_t i = 0; day->borders && i < day->companies; i++)
        sim_border_start(&day->borders[i]);
    sim_world_run(world, OPENING_US / 2);
    day->from_us = world->now_us;
    day->until_us = day->from_us + (int64_t)(world->options->hours * (double)SIM_HOUR);
    sim_scripts_draw(day);
    day->trouble = sim_trouble_new(day);
    sim_world_at(world, day->scripts[0].at_us, dial, day);
    look(day, world);
    sim_world_run(world, day->until_us - world->now_us + CLOSING_US);
    sim_world_run(world, REST_US);
    sim_ledger_close(day->ledger);
    count_processes(day);
}

void sim_calls_run(struct sim_world *world)
{
    struct sim_day day;
    open_day(&day, world);
    if (sim_world_grow(world, 0, world->options->nodes, GROW_US)) {
        live(&day);
    } else {
        sim_world_violation(world, "all nodes join", "%u of %u are members", world->joined, world->options->nodes);
        world->result.end = "not all nodes joined";
    }
    close_day(&day);
}
