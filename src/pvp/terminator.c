/* Connections of the answering side up to the end of their handshake: admission, limits, credentials, guesses. */
#include "pvp/terminator.h"

#include "base/mem.h"
#include "base/text.h"
#include "crypt/digest.h"
#include "pvp/terminator_private.h"

#define REFUSALS_QUIET_MS 10000

COUNTERS_DEFINE(pvp_terminator_counters, PVP_TERMINATOR_COUNTERS)

const char *pvp_inbound_event_name(enum pvp_inbound_event event)
{
    static const char *const names[] = {"proved", "not_proved", "burnt", "refused", "bad_identity"};
    return event <= PVP_INBOUND_BAD_IDENTITY ? names[event] : "unknown";
}

int pvp_terminator_new(const struct pvp_terminator_config *config, const struct pvp_terminator_ports *ports,
                       struct now now, struct pvp_terminator **ret_terminator)
{
    (void)now;
    if (config->lattice_ms < PVP_LATTICE_MS_MIN || config->lattice_ms > PVP_LATTICE_MS_MAX ||
        config->node_failures_max > UINT8_MAX / 2 || config->record_failures_max > UINT8_MAX / 2 ||
        config->stranger_failures_max > UINT8_MAX / 2)
        return ERR_RANGE;
    struct pvp_terminator *t = mem_alloc(sizeof *t);
    if (!t)
        return ERR_NO_MEMORY;
    t->config = *config;
    t->ports = *ports;
    entropy_fill(ports->entropy, t->secret, sizeof t->secret);
    pvp_announcements_init(&t->announcements, config->announcements_max, config->hash_seed);
    pvp_tally_init(&t->rates, config->limits_max, config->hash_seed);
    pvp_tally_init(&t->windows, config->limits_max, config->hash_seed);
    list_init(&t->inbounds);
    list_init(&t->effects);
    heap_init(&t->timers);
    *ret_terminator = t;
    return 0;
}

static void free_effect(struct effect *e)
{
    if (!e)
        return;
    list_remove(&e->link);
    buf_fini(&e->octets);
    mem_free(e);
}

void pvp_terminator_free(struct pvp_terminator *t)
{
    if (!t)
        return;
    LIST_EACH(at, &t->inbounds)
        pvp_inbound_free(CONTAINER_OF(at, struct pvp_inbound, link));
    LIST_EACH(at, &t->effects)
        free_effect(CONTAINER_OF(at, struct effect, link));
    free_effect(t->taken);
    pvp_announcements_fini(&t->announcements);
    pvp_tally_fini(&t->rates);
    pvp_tally_fini(&t->windows);
    heap_fini(&t->timers);
    mem_wipe(t, sizeof *t);
    mem_free(t);
}

const struct pvp_terminator_counters *pvp_terminator_counters(const struct pvp_terminator *t)
{
    return &t->counters;
}

void pvp_terminator_set_lattice(struct pvp_terminator *t, uint32_t lattice_ms)
{
    if (lattice_ms >= PVP_LATTICE_MS_MIN && lattice_ms <= PVP_LATTICE_MS_MAX)
        t->config.lattice_ms = lattice_ms;
}

void pvp_terminator_set_interval(struct pvp_terminator *t, int64_t interval_ms)
{
    t->config.interval_ms = interval_ms;
}

void pvp_terminator_set_connections_max(struct pvp_terminator *t, size_t connections_max)
{
    t->config.connections_max = connections_max;
}

size_t pvp_terminator_connections(const struct pvp_terminator *t)
{
    return t->inbound_count;
}

void pvp_announce(struct pvp_terminator *t, struct now now, const struct id *node_id, const struct addr *source)
{
    uint64_t evicted = t->announcements.evicted;
    if (!source->family || id_is_zero(*node_id) || id_is_wildcard(*node_id))
        return;
    if (pvp_announcements_add(&t->announcements, node_id, source, mono_after_ms(now.mono, t->config.announce_ms)) == 0)
        t->counters.announced++;
    t->counters.announcements_evicted += t->announcements.evicted - evicted;
}

/* An effect at the end of the queue, or NULL when memory is short. */
static struct effect *queue(struct pvp_terminator *t, enum pvp_terminator_effect_kind kind, struct pvp_inbound *in)
{
    struct effect *e = mem_alloc(sizeof *e);
    if (!e)
        return NULL;
    e->inbound = in;
    e->effect.kind = kind;
    e->effect.user = in ? in->user : NULL;
    buf_init(&e->octets, PVP_MESSAGE_OCTETS_MAX);
    list_append(&t->effects, &e->link);
    return e;
}

void pvp_inbound_send(struct pvp_inbound *in, struct buf *octets)
{
    struct effect *e = in->is_closed ? NULL : queue(in->terminator, PVP_INBOUND_SEND, in);
    if (!e)
        return;
    e->octets = *octets;
    buf_init(octets, PVP_MESSAGE_OCTETS_MAX);
    e->effect.octets = buf_slice(&e->octets);
}

void pvp_inbound_end(struct pvp_inbound *in)
{
    in->stage = INBOUND_OVER;
    if (!in->is_closed)
        queue(in->terminator, PVP_INBOUND_CLOSE, in);
}

void pvp_inbound_report(struct pvp_inbound *in, enum pvp_inbound_event event, unsigned code)
{
    struct effect *e = queue(in->terminator, PVP_INBOUND_REPORT, NULL);
    if (!e)
        return;
    struct pvp_inbound_report *r = &e->effect.report;
    r->event = event;
    r->code = code;
    r->called = in->username.called;
    r->method = in->username.method;
    r->node_id = in->node_id;
    if (id_is_zero(r->node_id) && in->prover.node_count == 1)
        r->node_id = in->prover.nodes[0];
    if (in->has_vcr)
        r->vcr_id = in->vcr_id;
    memcpy(r->domain, in->domain, sizeof r->domain);
}

void pvp_inbound_set_timer(struct pvp_inbound *in, struct now now, int64_t ms)
{
    heap_set(&in->terminator->timers, &in->timer,
             mono_after_ms(now.mono, ms)); /* only moves: it is in the heap since its creation */
}

/* Key of a rate: a letter for what is counted, and who or what. */
struct rate_key {
    uint8_t octets[1 + E164_OCTETS_MAX + 1];
    size_t n;
};

static struct slice rate_key(struct rate_key *key, char kind, const void *p, size_t n)
{
    key->octets[0] = (uint8_t)kind;
    memcpy(key->octets + 1, p, n);
    key->n = n + 1;
    return slice_of(key->octets, key->n);
}

static struct slice source_key(struct rate_key *key, const struct addr *source)
{
    uint8_t ip[17];
    ip[0] = source->family;
    memcpy(ip + 1, source->ip, sizeof source->ip);
    return rate_key(key, 'I', ip, sizeof ip);
}

/* Strangers may not fill the log: a line, and then none for a while. */
static void log_refusal(struct pvp_terminator *t, struct mono now, const struct addr *source, const char *why)
{
    char text[ADDR_TEXT_OCTETS];
    t->refusals++;
    if (!mono_due(t->refusals_quiet_until, now))
        return;
    log_event(t->ports.log, LEVEL_NOTICE, "pvp.refused", "peer=%s why=\"%s\" refused=%llu", addr_format(source, text),
              why, (unsigned long long)t->refusals);
    t->refusals = 0;
    t->refusals_quiet_until = mono_after_ms(now, REFUSALS_QUIET_MS);
}

int pvp_inbound_new(struct pvp_terminator *t, struct now now, const struct addr *source, void *user,
                    struct pvp_inbound **ret_inbound)
{
    struct rate_key key;
    if (t->inbound_count >= t->config.connections_max) {
        t->counters.connections_refused_table++;
        log_refusal(t, now.mono, source, "as many connections as there may be");
        return ERR_LIMIT;
    }
    if (!pvp_tally_take(&t->rates, source_key(&key, source), now.mono, t->config.source_per_minute)) {
        t->counters.connections_refused_source++;
        log_refusal(t, now.mono, source, "too many connections a minute from there");
        return ERR_LIMIT;
    }
    struct pvp_inbound *in = mem_alloc(sizeof *in);
    if (!in)
        return ERR_NO_MEMORY;
    in->terminator = t;
    in->user = user;
    in->source = *source;
    buf_init(&in->input, PVP_MESSAGE_OCTETS_MAX);
    buf_init(&in->answer, PVP_MESSAGE_OCTETS_MAX);
    int err = heap_set(&t->timers, &in->timer, mono_after_ms(now.mono, t->config.handshake_ms));
    if (err) {
        mem_free(in);
        return err;
    }
    list_append(&t->inbounds, &in->link);
    t->inbound_count++;
    t->counters.connections++;
    *ret_inbound = in;
    return 0;
}

void pvp_inbound_free(struct pvp_inbound *in)
{
    list_remove(&in->link);
    heap_remove(&in->terminator->timers, &in->timer);
    buf_fini(&in->input);
    buf_fini(&in->answer);
    mem_wipe(in, sizeof *in);
    mem_free(in);
}

/* Of the username, under our secret: the same each time, and telling nothing. */
static void derive(const struct pvp_terminator *t, const char *purpose, struct slice username,
                   uint8_t ret_mac[SHA256_OCTETS])
{
    uint8_t key[SHA256_OCTETS];
    hmac_sha256(slice_of(t->secret, sizeof t->secret), slice_str(purpose), key);
    hmac_sha256(slice_of(key, sizeof key), username, ret_mac);
    mem_wipe(key, sizeof key);
}

static void make_up_credential(const struct pvp_terminator *t, struct slice username, struct pvp_credential *ret)
{
    uint8_t mac[SHA256_OCTETS];
    derive(t, "salt", username, mac);
    memcpy(ret->salt, mac, sizeof ret->salt);
    derive(t, "password", username, mac);
    hex_format(slice_of(mac, sizeof mac / 2), ret->password);
    mem_wipe(mac, sizeof mac);
}

/* The password of a record that we have, from the originator's sketches and our own times. */
static void recover_password(const struct pvp_terminator *t, const struct pvp_vcr *v, const struct pvp_username *u,
                             char *ret_password)
{
    struct pvp_vcr_record record;
    uint32_t r = t->config.lattice_ms;
    pvp_vcr_get(v, &record);
    int64_t start_cell = pvp_cell(pvp_recover(record.start, u->start_sketch, r), r);
    int64_t stop_cell = pvp_cell(pvp_recover(record.stop, u->stop_sketch, r), r);
    pvp_password_format(u->method == PVP_METHOD_A ? &record.calling : NULL, start_cell, stop_cell, ret_password);
    mem_wipe(&record, sizeof record);
}

/* All attempts of one validation fall into a window; then the number rests until the interval is over. Counts this attempt. */
static bool take_window(struct pvp_terminator *t, struct slice who, const struct e164 *called, struct mono now,
                        struct mono *ret_since)
{
    uint8_t octets[17 + E164_OCTETS_MAX + 1];
    size_t n = strlen(called->text);
    memcpy(octets, who.p, who.n);
    memcpy(octets + who.n, called->text, n);
    struct pvp_tally *w = pvp_tally_get(&t->windows, slice_of(octets, who.n + n), now, t->config.interval_ms);
    if (!w || w->count >= t->config.window_attempts_max ||
        (w->count && mono_due(mono_after_ms(w->since, t->config.window_ms), now)))
        return false;
    w->count++;
    *ret_since = mono_min(*ret_since, w->since);
    return true;
}

/* What one of the Node-IDs may do, the connection may do; a stranger is known by its address. */
static bool may_validate(struct pvp_inbound *in, const struct e164 *called, struct mono now, struct mono *ret_since)
{
    struct pvp_terminator *t = in->terminator;
    bool allowed = false;
    *ret_since = now;
    if (pvp_prover_is_stranger(&in->prover)) {
        struct rate_key key;
        struct slice source = source_key(&key, &in->source);
        return take_window(t, slice_of(source.p + 1, source.n - 1), called, now, ret_since);
    }
    for (size_t i = 0; i < in->prover.node_count; i++)
        allowed = take_window(t, id_slice(&in->prover.nodes[i]), called, now, ret_since) || allowed;
    return allowed;
}

static bool within_rates(struct pvp_inbound *in, const struct e164 *called, struct mono now)
{
    struct pvp_terminator *t = in->terminator;
    struct rate_key key;
    bool stranger = pvp_prover_is_stranger(&in->prover);
    bool allowed = stranger; /* those are counted by address, when they connect */
    for (size_t i = 0; i < in->prover.node_count; i++)
        allowed = pvp_tally_take(&t->rates, rate_key(&key, 'N', in->prover.nodes[i].octets, ID_OCTETS), now,
                                 t->config.node_per_minute) ||
                  allowed;
    if (!allowed) {
        t->counters.refused_node_rate++;
        log_refusal(t, now, &in->source, "too many proofs a minute by this node");
        return false;
    }
    struct slice number = rate_key(&key, stranger ? 'S' : 'C', called->text, strlen(called->text));
    if (!pvp_tally_take(&t->rates, number, now, t->config.number_per_minute)) {
        t->counters.refused_number_rate++;
        log_refusal(t, now, &in->source, "too many proofs a minute for this number");
        return false;
    }
    return true;
}

/* What cannot be answered for the moment need not be proved: a guess would be lost, and an attempt of the window. Tells nothing that
 * depends on a call. */
static bool is_served_now(const struct pvp_inbound *in)
{
    const struct pvp_service_port *port = &in->terminator->ports.service;
    struct pvp_service service;
    return port->find(port->ctx, &in->username.called, in->username.vservice_id, &service) != ERR_LIMIT;
}

int pvp_inbound_lookup(struct pvp_inbound *in, struct now now, struct slice username,
                       struct pvp_credential *ret_credential)
{
    struct pvp_terminator *t = in->terminator;
    struct mono since;
    if (in->stage != INBOUND_HANDSHAKE || in->was_looked_up)
        return ERR_WRONG_STATE;
    in->was_looked_up = true;
    t->counters.lookups++;
    in->prover.node_count = pvp_announcements_of(&t->announcements, &in->source, now.mono, in->prover.nodes);
    in->is_understood = pvp_username_parse(username, t->config.lattice_ms, &in->username, NULL) == 0;
    if (!in->is_understood) {
        t->counters.lookups_malformed++;
        make_up_credential(t, username, ret_credential);
        return 0;
    }
    if (!within_rates(in, &in->username.called, now.mono))
        return ERR_LIMIT;
    if (!is_served_now(in)) {
        t->counters.refused_later++;
        pvp_inbound_report(in, PVP_INBOUND_REFUSED, PVP_REFUSED_LATER);
        return ERR_LIMIT;
    }
    if (!may_validate(in, &in->username.called, now.mono, &since)) {
        t->counters.refused_interval++;
        log_refusal(t, now.mono, &in->source, "this number was validated from there a short while ago");
        return ERR_LIMIT;
    }
    make_up_credential(t, username, ret_credential);
    struct pvp_vcr *v = pvp_guard_pick(&t->config, t->ports.vcrs, &in->username, &in->prover, since);
    if (!v) {
        t->counters.lookups_unknown++;
        return 0;
    }
    if (!pvp_guard_begin(&t->config, v, &in->prover, &in->charged)) {
        t->counters.lookups_spent++;
        return 0;
    }
    in->has_guess = true;
    in->has_vcr = true;
    in->vcr_id = pvp_vcr_id(v);
    recover_password(t, v, &in->username, ret_credential->password);
    return 0;
}

/* Gives the guess back, or takes it away for good. */
static void end_guess(struct pvp_inbound *in, struct now now, bool failed)
{
    struct pvp_terminator *t = in->terminator;
    struct pvp_vcr *v = in->has_guess ? pvp_vcr_find(t->ports.vcrs, &in->vcr_id) : NULL;
    bool burnt = false;
    in->has_guess = false;
    if (!v)
        return;
    if (pvp_guard_end(&t->config, t->ports.vcrs, v, &in->charged, now.mono, failed, &burnt) < 0)
        t->counters.write_failed++; /* it counts in memory all the same */
    if (failed)
        kv_commit(t->ports.kv, NULL, NULL);
    if (burnt) {
        t->counters.records_burnt++;
        pvp_inbound_report(in, PVP_INBOUND_BURNT, 0);
        log_event(t->ports.log, LEVEL_WARNING, "pvp.record.burnt", "called=%s", in->username.called.text);
    }
}

void pvp_inbound_handshake(struct pvp_inbound *in, struct now now, enum pvp_handshake result,
                           const uint8_t exporter[PVP_EXPORTER_OCTETS])
{
    struct pvp_terminator *t = in->terminator;
    if (in->stage != INBOUND_HANDSHAKE)
        return;
    switch (result) {
    case PVP_HANDSHAKE_ABANDONED:
        t->counters.proofs_abandoned++;
        end_guess(in, now, false);
        pvp_inbound_end(in);
        return;
    case PVP_HANDSHAKE_BAD:
        t->counters.proofs_bad++;
        t->counters.proofs_bad_strangers += pvp_prover_is_stranger(&in->prover);
        if (in->is_understood)
            pvp_inbound_report(in, PVP_INBOUND_NOT_PROVED, 0);
        end_guess(in, now, true);
        pvp_inbound_end(in);
        return;
    case PVP_HANDSHAKE_GOOD:
        break;
    }
    end_guess(in, now, false);
    if (!in->has_vcr || !exporter) {
        pvp_inbound_end(in); /* cannot be: nobody knows a made-up password */
        return;
    }
    t->counters.proofs_good++;
    memcpy(in->exporter, exporter, sizeof in->exporter);
    in->stage = INBOUND_HELLO;
    pvp_inbound_set_timer(in, now, t->config.exchange_ms);
    pvp_inbound_greet(in, now);
}

void pvp_inbound_closed(struct pvp_inbound *in, struct now now)
{
    struct pvp_terminator *t = in->terminator;
    if (in->stage == INBOUND_HANDSHAKE && in->was_looked_up) {
        t->counters.proofs_abandoned++;
        end_guess(in, now, false);
    }
    LIST_EACH(at, &t->effects) {
        struct effect *e = CONTAINER_OF(at, struct effect, link);
        if (e->inbound == in)
            free_effect(e);
    }
    t->inbound_count--;
    in->is_closed = true;
    in->user = NULL;
    if (in->stage != INBOUND_WRITING) /* else when the write is done */
        pvp_inbound_free(in);
}

bool pvp_terminator_next(struct pvp_terminator *t, struct pvp_terminator_effect *ret_effect)
{
    free_effect(t->taken);
    t->taken = NULL;
    struct list *first = list_pop(&t->effects);
    if (!first)
        return false;
    t->taken = CONTAINER_OF(first, struct effect, link);
    *ret_effect = t->taken->effect;
    return true;
}

void pvp_terminator_tick(struct pvp_terminator *t, struct now now)
{
    struct heap_node *node;
    pvp_announcements_expire(&t->announcements, now.mono);
    while ((node = heap_pop_due(&t->timers, now.mono))) {
        struct pvp_inbound *in = CONTAINER_OF(node, struct pvp_inbound, timer);
        t->counters.timeouts += in->stage != INBOUND_OVER && in->stage != INBOUND_WRITING;
        /* Again later: the composition may be slow, and CLOSE may have been lost for want of memory. */
        heap_set(&t->timers, node, mono_after_ms(now.mono, t->config.exchange_ms > 0 ? t->config.exchange_ms : 1000));
        if (in->stage != INBOUND_WRITING)
            pvp_inbound_end(in);
    }
}

struct mono pvp_terminator_deadline(const struct pvp_terminator *t)
{
    return mono_min(heap_deadline(&t->timers), pvp_announcements_deadline(&t->announcements));
}
