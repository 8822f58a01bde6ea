/* The result of a run as text and as JSON. */
#include "report.h"

#include "base/err.h"
#include "calls/report_calls.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>

/* What is said of a set of samples. */
struct summary {
    double mean;
    uint32_t min;
    uint32_t median;
    uint32_t p99;
    uint32_t max;
};

static struct summary summarize(struct sim_samples *s)
{
    return (struct summary){.mean = sim_samples_mean(s),
                            .min = sim_samples_percentile(s, 0),
                            .median = sim_samples_percentile(s, 50),
                            .p99 = sim_samples_percentile(s, 99),
                            .max = sim_samples_max(s)};
}

static int end_of_writing(FILE *out)
{
    errno = 0;
    if (fflush(out) == 0 && !ferror(out))
        return 0;
    return errno == ENOSPC ? ERR_NO_SPACE : ERR_IO;
}

static double log2_of(uint32_t nodes)
{
    return nodes > 1 ? log2(nodes) : 0;
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* ---- text ---- */

#define OCTETS_TEXT 24

/* "1.21 MB" into OCTETS_TEXT octets. */
static const char *format_octets(double octets, char *text)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    unsigned unit = 0;
    for (; octets >= 999.5 && unit < 4; unit++)
        octets /= 1000;
    snprintf(text, OCTETS_TEXT, "%.*f %s",
             unit == 0 || octets >= 99.95 ? 0
             : octets >= 9.995            ? 1
                                          : 2,
             octets, units[unit]);
    return text;
}

static void print_lookups(FILE *out, struct sim_result *r)
{
    struct summary hops = summarize(&r->hops), latency = summarize(&r->latency_us);
    double most = log2_of(r->nodes), direct = sim_samples_mean(&r->direct_us);
    if (r->failed)
        fprintf(out, "look-ups     %" PRIu64 ", of which %" PRIu64 " FAILED\n", r->lookups, r->failed);
    else if (r->lookups)
        fprintf(out, "look-ups     %" PRIu64 ", none failed\n", r->lookups);
    if (r->hops.n)
        fprintf(out,
                "hops         mean %.2f  median %" PRIu32 "  p99 %" PRIu32 "  max %" PRIu32
                "  (log2 N is %.2f: mean %.2f of it, max %.2f)\n",
                hops.mean, hops.median, hops.p99, hops.max, most, ratio(hops.mean, most), ratio(hops.max, most));
    if (r->latency_us.n)
        fprintf(
            out,
            "latency      mean %.0f ms  median %.0f  p99 %.0f  max %.0f  (direct round trip: mean %.0f; %.2f times)\n",
            latency.mean / 1000, latency.median / 1000.0, latency.p99 / 1000.0, latency.max / 1000.0, direct / 1000,
            ratio(latency.mean, direct));
}

static void print_load(FILE *out, struct sim_result *r)
{
    char idle[OCTETS_TEXT], all[OCTETS_TEXT], a[OCTETS_TEXT], b[OCTETS_TEXT], c[OCTETS_TEXT];
    struct summary links = summarize(&r->links), load = summarize(&r->node_octets);
    fprintf(out, "links        mean %.1f  median %" PRIu32 "  max %" PRIu32 " per node\n", links.mean, links.median,
            links.max);
    fprintf(out, "traffic      %.0f messages, %s sent per node and hour", r->messages_per_node_hour,
            format_octets(r->octets_per_node_hour, all));
    if (r->octets_per_node_hour_idle > 0)
        fprintf(out, "; %s when idle", format_octets(r->octets_per_node_hour_idle, idle));
    fputc('\n', out);
    if (r->node_octets.n)
        fprintf(out, "load         a node sent %s at least, %s in the middle, %s at most\n", format_octets(load.min, a),
                format_octets(load.median, b), format_octets(load.max, c));
}

static void print_records(FILE *out, struct sim_result *r)
{
    struct summary held = summarize(&r->records_held);
    fprintf(out,
            "records      %" PRIu64 " copies live, %" PRIu64 " lost, %" PRIu64
            " under-replicated; a node holds %" PRIu32 " to %" PRIu32 ", mean %.1f\n",
            r->records_live, r->records_lost, r->records_under_replicated, held.min, held.max, held.mean);
}

/* The kinds of message by what they cost, with their share. */
static void print_traffic(FILE *out, const struct sim_traffic *t)
{
    uint64_t octets = 0;
    for (unsigned row = 0; row < SIM_TRAFFIC_ROWS; row++)
        octets += t->octets[row];
    if (!octets)
        return;
    fputs("messages     over links     requests      octets  share\n", out);
    bool shown[SIM_TRAFFIC_ROWS] = {false};
    for (;;) {
        unsigned most = SIM_TRAFFIC_ROWS;
        for (unsigned row = 0; row < SIM_TRAFFIC_ROWS; row++)
            if (!shown[row] && t->messages[row] && (most == SIM_TRAFFIC_ROWS || t->octets[row] > t->octets[most]))
                most = row;
        if (most == SIM_TRAFFIC_ROWS)
            return;
        char text[OCTETS_TEXT], made[OCTETS_TEXT] = "";
        shown[most] = true;
        if (t->made[most])
            snprintf(made, sizeof made, "%" PRIu64, t->made[most]);
        fprintf(out, "  %-18s %12" PRIu64 " %12s %11s %5.1f%%\n", sim_traffic_name(most), t->messages[most], made,
                format_octets((double)t->octets[most], text), 100 * ratio((double)t->octets[most], (double)octets));
    }
}

static void print_violations(FILE *out, const struct sim_result *r)
{
    if (!r->violation_count) {
        fputs("must hold    all of it did\n", out);
        return;
    }
    fprintf(out, "VIOLATED     %zu times\n", r->violation_count);
    for (size_t i = 0; i < r->violation_count && i < SIM_VIOLATIONS_MAX; i++)
        fprintf(out, "  %10.3f s  %s: %s\n", (double)r->violations[i].at_ms / 1000, r->violations[i].rule,
                r->violations[i].text);
    if (r->violation_count > SIM_VIOLATIONS_MAX)
        fprintf(out, "  and %zu more\n", r->violation_count - SIM_VIOLATIONS_MAX);
}

int sim_report_text(FILE *out, struct sim_result *r)
{
    char memory[OCTETS_TEXT];
    fprintf(out,
            "run          seed %" PRIu64 ", scenario %s, %" PRIu32 " nodes, %.2f h of virtual time, signatures %s\n",
            r->seed, r->scenario, r->nodes, r->virtual_hours, r->signatures);
    if (r->end)
        fprintf(out, "ended early  %s\n", r->end);
    if (r->calls)
        sim_report_calls_text(out, r->calls);
    else
        print_lookups(out, r);
    print_load(out, r);
    if (!r->calls)
        print_records(out, r);
    fprintf(out, "memory       %s per node\n", format_octets((double)r->memory_per_node, memory));
    if (r->converge_s > 0)
        fprintf(out, "converged    %.1f s after the last fault or join\n", r->converge_s);
    if (r->join_messages > 0)
        fprintf(out, "joining      %.0f messages per node\n", r->join_messages);
    print_traffic(out, &r->traffic);
    print_violations(out, r);
    fprintf(out, "trace        0x%016" PRIx64 ", %" PRIu64 " events in %.1f s of real time (%.0f per second)\n",
            r->trace_hash, r->events, r->wall_s, ratio((double)r->events, r->wall_s));
    return end_of_writing(out);
}

/* ---- JSON ---- */

/* json_object_set_new and its kin refuse NULL and say so when there was no memory; asked for once, at the end. */
static void set(json_t *object, const char *key, json_t *value, bool *failed)
{
    if (json_object_set_new(object, key, value) != 0)
        *failed = true;
}

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *summary_json(struct sim_samples *s, double scale, bool *failed)
{
    struct summary summary = summarize(s);
    json_t *object = json_object();
    set(object, "mean", json_real(summary.mean * scale), failed);
    set(object, "min", json_real(summary.min * scale), failed);
    set(object, "median", json_real(summary.median * scale), failed);
    set(object, "p99", json_real(summary.p99 * scale), failed);
    set(object, "max", json_real(summary.max * scale), failed);
    return object;
}

/* Counts of things, so whole numbers but for the mean. */
static json_t *counts_json(struct sim_samples *s, bool *failed)
{
    struct summary summary = summarize(s);
    json_t *object = json_object();
    set(object, "mean", json_real(summary.mean), failed);
    set(object, "min", integer(summary.min), failed);
    set(object, "median", integer(summary.median), failed);
    set(object, "p99", integer(summary.p99), failed);
    set(object, "max", integer(summary.max), failed);
    return object;
}

static json_t *records_json(struct sim_result *r, bool *failed)
{
    json_t *object = json_object();
    set(object, "live", integer(r->records_live), failed);
    set(object, "lost", integer(r->records_lost), failed);
    set(object, "under_replicated", integer(r->records_under_replicated), failed);
    set(object, "per_node", counts_json(&r->records_held, failed), failed);
    return object;
}

static json_t *traffic_json(const struct sim_traffic *t, bool *failed)
{
    json_t *kinds = json_object();
    for (unsigned row = 0; row < SIM_TRAFFIC_ROWS; row++) {
        if (!t->messages[row])
            continue;
        json_t *kind = json_object();
        set(kind, "messages", integer(t->messages[row]), failed);
        if (t->made[row])
            set(kind, "made", integer(t->made[row]), failed);
        set(kind, "octets", integer(t->octets[row]), failed);
        set(kinds, sim_traffic_name(row), kind, failed);
    }
    return kinds;
}

static json_t *violations_json(const struct sim_result *r, bool *failed)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->violation_count && i < SIM_VIOLATIONS_MAX; i++) {
        json_t *violation = json_object();
        set(violation, "rule", json_string(r->violations[i].rule), failed);
        set(violation, "at_s", json_real((double)r->violations[i].at_ms / 1000), failed);
        set(violation, "text", json_string(r->violations[i].text), failed);
        if (json_array_append_new(list, violation) != 0)
            *failed = true;
    }
    return list;
}

/* What programs ask for first. */
static void set_promised(json_t *root, struct sim_result *r, bool *failed)
{
    set(root, "seed", integer(r->seed), failed);
    set(root, "scenario", json_string(r->scenario), failed);
    set(root, "nodes", integer(r->nodes), failed);
    set(root, "virtual_hours", json_real(r->virtual_hours), failed);
    set(root, "lookups", integer(r->lookups), failed);
    set(root, "failed", integer(r->failed), failed);
    set(root, "hops", counts_json(&r->hops, failed), failed);
    json_t *latency = summary_json(&r->latency_us, 1e-3, failed);
    set(latency, "direct_mean", json_real(sim_samples_mean(&r->direct_us) / 1000), failed);
    set(root, "latency_ms", latency, failed);
    set(root, "octets_per_node_hour", json_real(r->octets_per_node_hour), failed);
    set(root, "records", records_json(r, failed), failed);
    set(root, "memory_per_node", integer(r->memory_per_node), failed);
    set(root, "converge_s", json_real(r->converge_s), failed);
    set(root, "violations", violations_json(r, failed), failed);
    char hash[19];
    snprintf(hash, sizeof hash, "0x%016" PRIx64, r->trace_hash);
    set(root, "trace_hash", json_string(hash), failed);
    set(root, "wall_s", json_real(r->wall_s), failed);
}

static void set_more(json_t *root, struct sim_result *r, bool *failed)
{
    set(root, "signatures", json_string(r->signatures), failed);
    set(root, "end", r->end ? json_string(r->end) : json_null(), failed);
    set(root, "log2_nodes", json_real(log2_of(r->nodes)), failed);
    set(root, "links", counts_json(&r->links, failed), failed);
    set(root, "messages_per_node_hour", json_real(r->messages_per_node_hour), failed);
    set(root, "octets_per_node_hour_idle",
        r->octets_per_node_hour_idle > 0 ? json_real(r->octets_per_node_hour_idle) : json_null(), failed);
    set(root, "octets_per_node", counts_json(&r->node_octets, failed), failed);
    set(root, "messages", traffic_json(&r->traffic, failed), failed);
    set(root, "join_messages", json_real(r->join_messages), failed);
    set(root, "violation_count", integer(r->violation_count), failed);
    set(root, "events", integer(r->events), failed);
}

int sim_report_json(FILE *out, struct sim_result *r)
{
    bool failed = false;
    json_t *root = json_object();
    set_promised(root, r, &failed);
    set_more(root, r, &failed);
    if (r->calls && sim_report_calls_json(root, r->calls) != 0)
        failed = true;
    int written = failed ? 0 : json_dumpf(root, out, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9));
    json_decref(root);
    if (failed)
        return ERR_NO_MEMORY;
    fputc('\n', out);
    int err = end_of_writing(out);
    return err == 0 && written != 0 ? ERR_IO : err;
}
