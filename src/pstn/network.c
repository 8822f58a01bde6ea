/* Life of the phone network, and what becomes of requests that begin something. */
#include "pstn/network_private.h"

#include "base/mem.h"

#include <stdio.h>

#define RETRY_AFTER "10"
#define LEGS_PER_CALL 4 /* two, and those that are ending */

COUNTERS_DEFINE(pstn_counters, PSTN_COUNTERS)

void pstn_options_default(struct pstn_options *options)
{
    memset(options, 0, sizeof *options);
    options->ring_ms = 60000;
    options->register_ms = 3600000;
    options->calls_max = 1000;
    options->records_max = 1000;
}

const char *pstn_cause_word(enum pstn_cause cause)
{
    static const char *const words[PSTN_CAUSES] = {"under way", "ended",       "busy",    "no-answer", "cancelled",
                                                   "no-number", "unreachable", "refused", "lost",      "stopped"};
    return words[cause];
}

static const char *point(const void *ctx, unsigned side, enum sip_transport transport)
{
    const struct pstn_network *n = ctx;
    return side < n->options->carrier_count ? n->options->carriers[side].points[transport] : "";
}

void pstn_network_asked(void *ctx, const struct sip_event *event)
{
    struct pstn_network *n = ctx;
    const enum sip_method method = event->message->method;
    if (method == SIP_REGISTER) {
        pstn_trunk_register(n, event);
        return;
    }
    struct pstn_trunk *from = pstn_trunk_asking(n, event);
    if (!from) {
        n->counters.refused_source++;
        ua_answer(&n->ua, event->server, 403, NULL, (struct slice){0});
    } else if (method != SIP_INVITE) {
        ua_answer(&n->ua, event->server, 405, "Allow", slice_str(UA_ALLOW));
    } else if (!event->message->max_forwards) {
        ua_answer(&n->ua, event->server, 483, NULL, (struct slice){0});
    } else if (pstn_trunk_admits(n, from, event)) {
        if (n->stopping || n->call_count >= n->options->calls_max) {
            n->counters.calls_refused_limit++;
            ua_answer(&n->ua, event->server, 503, "Retry-After", slice_str(RETRY_AFTER));
        } else {
            pstn_call_begin(n, event, from);
        }
    }
}

/* ---- life ---- */

static bool span_is_good(const struct pstn_span *s)
{
    return s->low_ms >= 0 && s->low_ms <= s->high_ms;
}

static bool options_are_good(const struct pstn_options *o)
{
    for (size_t i = 0; i < o->trunk_count; i++) {
        if (o->trunks[i].carrier >= o->carrier_count || !o->trunks[i].place.country)
            return false;
    }
    for (size_t i = 0; i < o->range_count + o->ported_count; i++) {
        const struct pstn_range *r = i < o->range_count ? &o->ranges[i] : &o->ported[i - o->range_count];
        if (r->trunk >= o->trunk_count)
            return false;
    }
    for (size_t i = 0; i < o->carrier_count; i++) {
        const struct pstn_carrier_options *c = &o->carriers[i];
        if (!span_is_good(&c->setup) || !span_is_good(&c->answer) || !span_is_good(&c->release))
            return false;
        if (c->media.family && (!c->media_calls || c->media_calls > PSTN_MEDIA_CALLS_MAX ||
                                pstn_media_addr(c, 2 * c->media_calls).port < c->media.port))
            return false;
    }
    return o->calls_max && o->records_max;
}

int pstn_network_new(const struct pstn_options *options, const struct entropy *entropy, const struct log *log,
                     struct now now, struct pstn_network **ret_network)
{
    if (!options_are_good(options))
        return ERR_RANGE;
    struct pstn_network *n = mem_alloc(sizeof *n);
    if (!n)
        return ERR_NO_MEMORY;
    const struct ua_options ua = {.legs_max = LEGS_PER_CALL * options->calls_max, .ring_ms = options->ring_ms};
    n->options = options;
    n->entropy = entropy;
    n->log = log;
    n->started_at = now.wall;
    list_init(&n->calls);
    pstn_relay_init(n);
    n->records = mem_alloc(options->records_max * sizeof *n->records);
    int err = ua_init(&n->ua, &ua, &pstn_call_user, n, point, entropy, log, now);
    int failed = pstn_trunks_init(n);
    err = !n->records ? ERR_NO_MEMORY : err ? err : failed;
    if (err) {
        pstn_network_free(n);
        return err;
    }
    pstn_trunks_start(n);
    *ret_network = n;
    return 0;
}

void pstn_network_free(struct pstn_network *n)
{
    if (!n)
        return;
    LIST_EACH(it, &n->calls)
        pstn_call_free(CONTAINER_OF(it, struct pstn_call, link));
    pstn_relay_fini(n);
    pstn_trunks_fini(n);
    ua_fini(&n->ua);
    mem_free(n->records);
    mem_free(n);
}

void pstn_network_stop(struct pstn_network *n, struct now now)
{
    n->ua.now = now;
    n->stopping = true;
    LIST_EACH(it, &n->calls)
        pstn_call_stop(CONTAINER_OF(it, struct pstn_call, link));
    pstn_trunks_stop(n);
}

bool pstn_network_is_quiet(const struct pstn_network *n)
{
    return !n->call_count && !n->ua.leg_count && pstn_trunks_are_quiet(n);
}

/* ---- events, effects ---- */

void pstn_network_input(struct pstn_network *n, struct now now, const struct sip_flow *flow, struct slice octets)
{
    struct sip_flow known = *flow;
    known.is_configured = pstn_trunk_of(n, flow) != NULL;
    ua_input(&n->ua, now, &known, octets);
}

void pstn_network_unreachable(struct pstn_network *n, struct now now, const struct sip_hop *hop)
{
    ua_unreachable(&n->ua, now, hop);
}

void pstn_network_tick(struct pstn_network *n, struct now now)
{
    ua_tick(&n->ua, now);
}

struct mono pstn_network_deadline(const struct pstn_network *n)
{
    return mono_min(ua_deadline(&n->ua), pstn_relay_deadline(n));
}

bool pstn_network_next(struct pstn_network *n, struct now now, struct pstn_effect *ret_effect)
{
    return ua_next(&n->ua, now, &ret_effect->hop, &ret_effect->octets);
}

/* ---- what is known ---- */

size_t pstn_network_calls(const struct pstn_network *n)
{
    return n->call_count;
}

const struct pstn_record *pstn_network_record(const struct pstn_network *n, size_t i)
{
    if (i >= n->last_number || i >= n->options->records_max)
        return NULL;
    return &n->records[(n->last_number - 1 - i) % n->options->records_max];
}

const struct pstn_account *pstn_network_account(const struct pstn_network *n, unsigned carrier)
{
    return &n->accounts[carrier];
}

const struct pstn_counters *pstn_network_counters(const struct pstn_network *n)
{
    return &n->counters;
}

bool pstn_network_wants_shutdown(const struct pstn_network *n)
{
    return n->wants_shutdown;
}
