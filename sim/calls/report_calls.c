/* The part of the report that is about calls. */
#include "calls/report_calls.h"

#include "base/err.h"

#include <inttypes.h>

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100 * (double)part / (double)whole : 0;
}

static void print_setup(FILE *out, const char *way, struct sim_samples *s)
{
    if (s->n)
        fprintf(out, "ringing      %s after %.0f ms on average, median %.0f, p99 %.0f, max %.0f\n", way,
                sim_samples_mean(s) / 1000, sim_samples_percentile(s, 50) / 1000.0,
                sim_samples_percentile(s, 99) / 1000.0, sim_samples_max(s) / 1000.0);
}

static void print_sound(FILE *out, struct sim_calls_result *r)
{
    fprintf(out, "sound        %" PRIu64 " packets sent, %" PRIu64 " lost, %" PRIu64 " heard\n", r->packets,
            r->packets_lost, r->packets_heard);
    fprintf(out,
            "moves        %" PRIu64 " fallback calls answered; %" PRIu64 " moves to the phone network, %" PRIu64
            " back, as each phone hears them; %" PRIu64 " calls ended though nobody hung up\n",
            r->fallback_calls, r->moves_to_pstn, r->moves_to_ime, r->lost);
    fprintf(out,
            "found        %" PRIu64 " fallback calls by their caller, %" PRIu64
            " by their digits; carriers spoiled %" PRIu64 " callers\n",
            r->found_by_caller, r->found_by_digits, r->callers_spoiled);
    if (r->gaps.n)
        fprintf(out,
                "gaps         %.0f ms on average, median %.0f, max %.0f, of %zu moves while both networks were well\n",
                sim_samples_mean(&r->gaps) / 1000, sim_samples_percentile(&r->gaps, 50) / 1000.0,
                sim_samples_max(&r->gaps) / 1000.0, (size_t)r->gaps.n);
}

void sim_report_calls_text(FILE *out, struct sim_calls_result *r)
{
    const uint64_t answered = r->ends[SIM_CALL_ANSWERED];
    fprintf(out,
            "calls        %" PRIu64 " of %" PRIu32 " companies, %" PRIu32 " at once at most; %" PRIu64
            " answered (%.1f %%)\n",
            r->calls, r->companies, r->at_once_max, answered, percent(answered, r->calls));
    fprintf(out,
            "ways         %" PRIu64 " direct (%.1f %%), %" PRIu64 " over the phone network, %" PRIu64
            " of these after a direct attempt\n",
            r->direct, percent(r->direct, answered), r->pstn, r->fallback);
    fputs("not answered", out);
    for (unsigned i = SIM_CALL_ANSWERED + 1; i < SIM_CALL_ENDS_COUNT; i++)
        if (r->ends[i])
            fprintf(out, " %s %" PRIu64, sim_call_end_name((enum sim_call_end)i), r->ends[i]);
    fputc('\n', out);
    print_setup(out, "direct calls", &r->setup_direct);
    print_setup(out, "others", &r->setup_pstn);
    fprintf(out, "routes       %" PRIu64 " learned; %" PRIu64 " calls had a good one and nothing in the way\n",
            r->routes_learned, r->expected_direct);
    fprintf(out, "call records %" PRIu64 " uploaded, %" PRIu64 " times again\n", r->vcrs, r->vcrs_again);
    fprintf(out,
            "in calls     %" PRIu64 " re-INVITEs taken, %" PRIu64 " crossed, %" PRIu64
            " given up while they were answered\n",
            r->holds, r->glares, r->races);
    fprintf(out,
            "trouble      %" PRIu64 " times, agents began %" PRIu64 " times anew; %" PRIu64 " of %" PRIu64
            " datagrams lost\n",
            r->troubles, r->restarts, r->datagrams_lost, r->datagrams);
    if (r->packets)
        print_sound(out, r);
    fprintf(out, "at rest      agents have at most %" PRId64 " octets more than ones that begin with the same disk\n",
            r->grown_max);
    if (r->memory_per_call)
        fprintf(out, "memory       %" PRIu64 " octets of an agent per call\n", r->memory_per_call);
}

static void set(json_t *object, const char *key, json_t *value, bool *failed)
{
    if (json_object_set_new(object, key, value) != 0)
        *failed = true;
}

static void set_count(json_t *object, const char *key, uint64_t value, bool *failed)
{
    set(object, key, json_integer((json_int_t)value), failed);
}

static json_t *times_json(const char *what, struct sim_samples *s, bool *failed)
{
    json_t *object = json_object();
    set_count(object, what, s->n, failed);
    set(object, "mean", json_real(sim_samples_mean(s) / 1000), failed);
    set(object, "median", json_real(sim_samples_percentile(s, 50) / 1000.0), failed);
    set(object, "p99", json_real(sim_samples_percentile(s, 99) / 1000.0), failed);
    set(object, "max", json_real(sim_samples_max(s) / 1000.0), failed);
    return object;
}

static void set_sound(json_t *root, struct sim_calls_result *r, bool *failed)
{
    set_count(root, "packets", r->packets, failed);
    set_count(root, "packets_lost", r->packets_lost, failed);
    set_count(root, "packets_heard", r->packets_heard, failed);
    set_count(root, "fallback_calls", r->fallback_calls, failed);
    set_count(root, "found_by_caller", r->found_by_caller, failed);
    set_count(root, "found_by_digits", r->found_by_digits, failed);
    set_count(root, "callers_spoiled", r->callers_spoiled, failed);
    set_count(root, "moves_to_pstn", r->moves_to_pstn, failed);
    set_count(root, "moves_to_ime", r->moves_to_ime, failed);
    set_count(root, "calls_lost", r->lost, failed);
    set(root, "gaps_ms", times_json("moves", &r->gaps, failed), failed);
}

int sim_report_calls_json(json_t *root, struct sim_calls_result *r)
{
    bool failed = false;
    json_t *ends = json_object(), *setup = json_object();
    for (unsigned i = SIM_CALL_ANSWERED + 1; i < SIM_CALL_ENDS_COUNT; i++)
        set_count(ends, sim_call_end_name((enum sim_call_end)i), r->ends[i], &failed);
    set(setup, "direct", times_json("calls", &r->setup_direct, &failed), &failed);
    set(setup, "pstn", times_json("calls", &r->setup_pstn, &failed), &failed);
    set_count(root, "companies", r->companies, &failed);
    set_count(root, "calls", r->calls, &failed);
    set_count(root, "calls_at_once", r->at_once_max, &failed);
    set_count(root, "answered", r->ends[SIM_CALL_ANSWERED], &failed);
    set_count(root, "direct", r->direct, &failed);
    set_count(root, "pstn", r->pstn, &failed);
    set_count(root, "fallback", r->fallback, &failed);
    set(root, "not_answered", ends, &failed);
    set(root, "setup_ms", setup, &failed);
    set_count(root, "routes_learned", r->routes_learned, &failed);
    set_count(root, "expected_direct", r->expected_direct, &failed);
    set_count(root, "ringing_lost", r->ringing_lost, &failed);
    set_count(root, "call_records", r->vcrs, &failed);
    set_count(root, "call_records_again", r->vcrs_again, &failed);
    set_count(root, "reinvites", r->holds, &failed);
    set_count(root, "glares", r->glares, &failed);
    set_count(root, "races", r->races, &failed);
    set_count(root, "troubles", r->troubles, &failed);
    set_count(root, "agent_restarts", r->restarts, &failed);
    set_count(root, "datagrams", r->datagrams, &failed);
    set_count(root, "datagrams_lost", r->datagrams_lost, &failed);
    set(root, "agent_grown_octets", json_integer((json_int_t)r->grown_max), &failed);
    set(root, "memory_per_call", r->memory_per_call ? json_integer((json_int_t)r->memory_per_call) : json_null(),
        &failed);
    if (r->packets)
        set_sound(root, r, &failed);
    return failed ? ERR_NO_MEMORY : 0;
}
