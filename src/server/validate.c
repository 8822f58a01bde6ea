/* Our own calls: a record whose time has come is looked up in the ring, every claimant of the number is asked for an address and put to
 * the proof, one after the other, and what they prove goes into their pools. */
#include "server/internal.h"

#include "base/mem.h"
#include "ticket/ticket.h"

#define POSTPONE_MS 10000 /* nothing to do with the peer: no VService, no ring */
#define RING_SETTLES_MS \
    60000 /* so soon after joining the ring may not be whole: that nobody claims a number says nothing yet */

static void note(struct server *s, const struct validation *v, const char *text)
{
    journal_note(s->journal, s->now, &v->record.called, "%s", text);
}

/* The validation has done with its proof, which the caller frees; its connection is forgotten. */
static struct pvp_validation *take_proof(struct server *s, struct validation *v)
{
    struct pvp_validation *proof = v->proof;
    if (v->conn)
        conn_free(s, v->conn);
    if (proof)
        s->proof_count--;
    v->conn = NULL;
    v->proof = NULL;
    return proof;
}

static void validation_free(struct server *s, struct validation *v)
{
    pvp_validation_free(take_proof(s, v));
    list_remove(&v->link);
    s->validation_count--;
    mem_free(v->claimants);
    mem_free(v);
}

void validate_free_all(struct server *s)
{
    LIST_EACH(it, &s->validations)
        validation_free(s, CONTAINER_OF(it, struct validation, link));
}

/* The record waits again. */
static void postpone(struct server *s, struct pvp_vcr *vcr, int64_t after_ms, enum pvp_vcr_reason reason, bool counts)
{
    s->counters.validations_postponed++;
    pvp_vcr_retry(s->vcrs, vcr, s->now, after_ms, reason, counts);
}

static void finish_record(struct server *s, struct validation *v, enum pvp_vcr_state state, enum pvp_vcr_reason reason)
{
    struct pvp_vcr *vcr = pvp_vcr_find(s->vcrs, &v->vcr_id);
    if (vcr)
        pvp_vcr_finish(s->vcrs, vcr, s->now, state, reason, true);
}

/* All claimants have been tried (or there are none): what becomes of the record. A success has ended it already, together with the
 * credit in the pool. */
static void conclude(struct server *s, struct validation *v)
{
    struct pvp_vcr *vcr = pvp_vcr_find(s->vcrs, &v->vcr_id);
    if (v->asked)
        pvp_spacing_mark(s->spacing, &v->record.called, s->now.wall, true);
    if (v->successes) {
        s->counters.validations_succeeded++;
    } else if (v->misses && vcr) {
        s->counters.validations_missed++;
        journal_note(s->journal, s->now, &v->record.called, "no verdict (%s): to be tried again",
                     v->why ? v->why : "not reached");
        postpone(s, vcr, s->options->retry_ms, PVP_REASON_UNREACHABLE, true);
    } else if (v->failures) {
        s->counters.validations_failed++;
        note(s, v, "the call is not proved by anybody: this record is done with");
        finish_record(s, v, PVP_VCR_FAILED, PVP_REASON_NOT_PROVED);
    } else {
        s->counters.validations_refused++;
        journal_note(s->journal, s->now, &v->record.called, "refused: %s",
                     v->why ? v->why : "the answer is not usable");
        finish_record(s, v, PVP_VCR_FAILED, PVP_REASON_REFUSED);
    }
    validation_free(s, v);
}

/* ---- the verdicts ---- */

static struct route route_of(const struct server *s, const struct pvp_pool_outcome *outcome, const struct pvp_result *r)
{
    struct route route = {
        .vservice_id = r->vservice_id,
        .number = r->called,
        .node_id = outcome->node_id,
        .learned_at = outcome->learned[outcome->learned_count - 1].when,
        .content = (char *)(uintptr_t)r->valinfo_xml.p,
        .content_octets = r->valinfo_xml.n,
    };
    size_t n = outcome->domain.n < ROUTE_DOMAIN_OCTETS_MAX ? outcome->domain.n : ROUTE_DOMAIN_OCTETS_MAX;
    memcpy(route.domain, outcome->domain.p, n);
    route.expires_at = wall_after_ms(route.learned_at, s->options->route_lifetime_ms);

    struct region region;
    struct valinfo info;
    struct ticket ticket;
    region_init(&region, 4 * VALINFO_OCTETS_MAX);
    if (valinfo_parse(r->valinfo_xml, &region, &info, NULL) == 0 && ticket_parse(info.ticket, &ticket, NULL) == 0 &&
        ticket.not_after.ms < route.expires_at.ms)
        route.expires_at = ticket.not_after;
    region_fini(&region);
    return route;
}

/* In the transaction of the pool: the end of the record, and the routes. */
static int stage_outcome(void *ctx, const struct pvp_pool_outcome *outcome)
{
    struct server *s = ctx;
    int err = 0;
    if (outcome->event == PVP_POOL_EMPTIED)
        return 0;
    struct pvp_vcr *vcr = pvp_vcr_find(s->vcrs, &outcome->vcr_id);
    if (vcr)
        err = pvp_vcr_finish(s->vcrs, vcr, s->now, PVP_VCR_DONE, PVP_REASON_NONE, false);
    for (size_t i = 0; !err && i < outcome->learned_count; i++) {
        struct route route = route_of(s, outcome, &outcome->learned[i]);
        err = route_table_write(s->routes, &route);
    }
    return err;
}

static void learn(struct server *s, const struct pvp_pool_outcome *outcome)
{
    for (size_t i = 0; i < outcome->learned_count; i++) {
        struct route route = route_of(s, outcome, &outcome->learned[i]);
        struct route *copy = route_copy(&route);
        if (!copy || route_table_apply(s->routes, copy) < 0) {
            s->counters.routes_refused++;
            log_event(s->ports.log, LEVEL_ERROR, "route.not_kept", "number=%s", route.number.text);
            continue;
        }
        s->counters.routes_learned++;
        log_event(s->ports.log, LEVEL_NOTICE, "route.learned", "number=%s domain=%s", route.number.text, route.domain);
        journal_note(s->journal, s->now, &route.number,
                     "route learned: %s serves this number; its calls together passed %u", route.domain,
                     outcome->threshold);
    }
    for (size_t i = 0; i < outcome->learned_count; i++)
        clients_deliver(s, outcome->learned[i].vservice_id);
}

static void next_claimant(struct server *s, struct validation *v);

static struct validation *find_by_vcr(struct server *s, const struct id *vcr_id)
{
    LIST_EACH(it, &s->validations) {
        struct validation *v = CONTAINER_OF(it, struct validation, link);
        if (id_eq(v->vcr_id, *vcr_id))
            return v;
    }
    return NULL;
}

static void outcome_done(void *ctx, const struct pvp_pool_outcome *outcome, int err)
{
    struct server *s = ctx;
    char node[ID_HEX_OCTETS];
    id_format(outcome->node_id, node);
    alert_store(s, err);
    if (err) {
        log_event(s->ports.log, LEVEL_ERROR, "validation.not_stored", "number=%s error=%s", outcome->called.text,
                  err_name(err));
    } else if (outcome->event == PVP_POOL_EMPTIED) {
        journal_note(s->journal, s->now, &outcome->called,
                     "%s goes into the penalty box for this number; %zu earlier results of its pools are void", node,
                     outcome->lost_count);
        log_event(s->ports.log, LEVEL_NOTICE, "pool.penalty", "node=%s number=%s lost=%zu", node, outcome->called.text,
                  outcome->lost_count);
    } else {
        journal_note(s->journal, s->now, &outcome->called, "pool of %.*s: %u, must exceed %u",
                     SLICE_PRINT(outcome->domain), outcome->fill, outcome->threshold);
        log_event(s->ports.log, LEVEL_INFO, "pool.credited", "node=%s domain=%.*s fill=%u threshold=%u", node,
                  SLICE_PRINT(outcome->domain), outcome->fill, outcome->threshold);
    }
    if (!err && outcome->event == PVP_POOL_LEARNED)
        learn(s, outcome);

    struct validation *v = find_by_vcr(s, &outcome->vcr_id);
    if (!v || v->phase != VALIDATION_STORE)
        return;
    if (err) {
        v->misses++;
        v->why = "the result could not be stored";
    } else if (outcome->event == PVP_POOL_EMPTIED) {
        v->failures++;
    } else {
        v->successes++;
    }
    v->current++;
    next_claimant(s, v);
}

struct pvp_pool_port validate_pool_port(struct server *s)
{
    return (struct pvp_pool_port){s, stage_outcome, outcome_done};
}

static const char *method_text(enum pvp_method method)
{
    return method == PVP_METHOD_A ? "A (with caller ID)" : "B (without caller ID)";
}

/* The proof against the current claimant has ended. Its result goes into the pool, whose store may refuse at once: then the validation has
 * gone on, and may have ended, before the pool returns. */
static void verdict(struct server *s, struct validation *v, const struct pvp_validation_result *r)
{
    struct claimant *c = &v->claimants[v->current];
    char node[ID_HEX_OCTETS];
    id_format(c->node_id, node);
    int err = 0;
    struct pvp_validation *proof = take_proof(s, v);
    v->phase = VALIDATION_STORE;
    v->why = r->why;
    v->method = r->method;
    switch (r->outcome) {
    case PVP_SUCCESS: {
        struct pvp_result result = {
            .vcr_id = v->vcr_id,
            .called = v->record.called,
            .vservice_id = v->record.vservice_id,
            .worth = r->worth,
            .when = s->now.wall,
            .valinfo_xml = r->valinfo_xml,
        };
        journal_note(s->journal, s->now, &v->record.called, "%.*s proved the call by method %s, worth %u",
                     SLICE_PRINT(r->domain), method_text(r->method), r->worth);
        log_event(s->ports.log, LEVEL_INFO, "validation.proved", "number=%s node=%s domain=%.*s method=%c",
                  v->record.called.text, node, SLICE_PRINT(r->domain), (char)r->method);
        err = pvp_pool_success(s->pools, &c->node_id, r->domain, &result);
        if (err == ERR_EXISTS) { /* counted before a restart: the record ends all the same */
            v->successes++;
            finish_record(s, v, PVP_VCR_DONE, PVP_REASON_NONE);
        }
        break;
    }
    case PVP_FAILURE:
        journal_note(s->journal, s->now, &v->record.called, "%s could not prove the call (%u attempts)", node,
                     r->attempts);
        log_event(s->ports.log, LEVEL_INFO, "validation.failed", "number=%s node=%s", v->record.called.text, node);
        err = pvp_pool_failure(s->pools, &c->node_id, &v->record.called, &v->vcr_id, s->now.wall);
        break;
    case PVP_REFUSED:
    case PVP_BAD_ANSWER:
        v->refusals++;
        journal_note(s->journal, s->now, &v->record.called, "%s: %s", node, r->why);
        log_event(s->ports.log, LEVEL_INFO, "validation.refused", "number=%s node=%s why=\"%s\"", v->record.called.text,
                  node, r->why);
        err = ERR_FORBIDDEN;
        break;
    case PVP_INCONCLUSIVE:
        v->misses++;
        journal_note(s->journal, s->now, &v->record.called, "%s: no verdict, %s", node, r->why);
        log_event(s->ports.log, LEVEL_INFO, "validation.no_verdict", "number=%s node=%s why=\"%s\"",
                  v->record.called.text, node, r->why);
        err = ERR_UNREACHABLE;
        break;
    }
    pvp_validation_free(proof);
    if (err) {
        if (err != ERR_EXISTS && err != ERR_FORBIDDEN && err != ERR_UNREACHABLE)
            v->misses++;
        v->current++;
        next_claimant(s, v);
    }
}

/* Passes on what the proof wants done. True if the validation may be gone. */
static bool drain(struct server *s, struct validation *v)
{
    struct pvp_validation_effect e;
    while (v->proof && pvp_validation_next(v->proof, &e)) {
        struct out *out;
        switch (e.kind) {
        case PVP_VALIDATION_CONNECT:
            if (v->conn)
                conn_free(s, v->conn);
            v->conn = conn_new(s);
            out = v->conn ? server_out(s, SERVER_PVP_CONNECT, v->conn->id, (struct slice){NULL, 0}) : NULL;
            if (!out) {
                pvp_validation_connected(v->proof, s->now, PVP_CONNECT_UNREACHABLE, NULL);
                break;
            }
            v->conn->validation = v;
            memcpy(out->username, e.username, strlen(e.username) + 1);
            memcpy(out->password, e.password, strlen(e.password) + 1);
            out->effect.addr = v->addr;
            break;
        case PVP_VALIDATION_SEND:
            if (!v->conn || !server_out(s, SERVER_PVP_SEND, v->conn->id, e.octets))
                pvp_validation_closed(v->proof, s->now);
            break;
        case PVP_VALIDATION_CLOSE:
            if (v->conn) {
                server_out(s, SERVER_PVP_CLOSE, v->conn->id, (struct slice){NULL, 0});
                conn_free(s, v->conn);
                v->conn = NULL;
            }
            break;
        case PVP_VALIDATION_RESULT:
            verdict(s, v, &e.result);
            return true;
        }
    }
    return false;
}

/* ---- one claimant after the other ---- */

static void next_claimant(struct server *s, struct validation *v)
{
    if (v->current == v->claimant_count) {
        conclude(s, v);
        return;
    }
    v->phase = VALIDATION_ATTACH;
    v->token = server_token(s);
    peer_app_attach(s->peer, s->now, v->token, v->claimants[v->current].node_id, PVP_APPLICATION_ID,
                    s->options->pvp_address);
}

static struct pvp_domain_list list_of(struct server *s, const struct vap_description *d)
{
    struct pvp_domain_list list = {PVP_LIST_NONE, NULL, 0};
    if (d->list_kind == VAP_LIST_NONE)
        return list;
    struct slice *domains = region_array(&s->scratch, d->list_count, sizeof *domains);
    if (!domains && d->list_count) {
        list.kind = PVP_LIST_WHITE; /* out of memory: nobody rather than everybody */
        return list;
    }
    for (size_t i = 0; i < d->list_count; i++)
        domains[i] = slice_str(d->list_domains[i]);
    list.kind = d->list_kind == VAP_LIST_WHITE ? PVP_LIST_WHITE : PVP_LIST_BLACK;
    list.domains = domains;
    list.count = d->list_count;
    return list;
}

static int begin_proof(struct server *s, struct validation *v)
{
    struct vap_vservice_view view;
    struct pvp_validation_config config = PVP_VALIDATION_CONFIG_DEFAULT;
    config.lattice_ms = s->config->lattice_ms;
    config.retry_ms = s->options->retry_ms;
    if (!vap_server_vservice(s->vap, v->record.vservice_id, &view))
        return ERR_NOT_FOUND;
    region_fini(&s->scratch);
    struct pvp_validation_task task = {
        .called = v->record.called,
        .calling = v->record.calling,
        .start = v->record.start,
        .stop = v->record.stop,
        .claimant = v->claimants[v->current].node_id,
        .vservice_id = v->claimants[v->current].vservice_id,
        .domain = slice_str(view.description->domain),
        .list = list_of(s, view.description),
    };
    int err = pvp_spacing_mark(s->spacing, &v->record.called, s->now.wall, true);
    if (!err)
        err = pvp_validation_new(&config, &task, &s->identity, s->ports.entropy, s->now, &v->proof);
    if (!err) {
        v->asked = true;
        s->counters.validation_attempts++;
        s->proof_count++;
        v->phase = VALIDATION_PROVE;
    }
    return err;
}

bool validate_attached(struct server *s, const struct peer_result *result)
{
    struct validation *v = NULL;
    LIST_EACH(it, &s->validations) {
        struct validation *each = CONTAINER_OF(it, struct validation, link);
        if (each->phase == VALIDATION_ATTACH && each->token == result->token)
            v = each;
    }
    if (!v)
        return false;
    v->token = 0;
    char node[ID_HEX_OCTETS];
    char addr[ADDR_TEXT_OCTETS];
    int err = result->err;
    id_format(v->claimants[v->current].node_id, node);
    if (!err) {
        v->addr = result->addr;
        err = begin_proof(s, v);
    }
    if (!err)
        journal_note(s->journal, s->now, &v->record.called, "%s answers AppAttach: its proof is asked for at %s", node,
                     addr_format(&v->addr, addr));
    if (err) {
        v->misses++;
        v->why = err_text(err);
        journal_note(s->journal, s->now, &v->record.called, "%s claims this number, but gives no address: %s", node,
                     err_text(err));
        v->current++;
        next_claimant(s, v);
        return true;
    }
    drain(s, v);
    return true;
}

/* ---- the look-up ---- */

static void take_claimants(struct server *s, struct validation *v, const struct numbers_reader_effect *found)
{
    size_t max = s->options->claimants_max;
    v->claimants = mem_alloc((found->claimant_count + 1) * sizeof *v->claimants);
    if (!v->claimants)
        return;
    for (size_t i = 0; i < found->claimant_count; i++) {
        const struct numbers_claimant *c = &found->claimants[i];
        if (nodes_is_own(s, c->node_id))
            continue;
        if (v->claimant_count == max) {
            s->counters.claimants_ignored++;
            continue;
        }
        v->claimants[v->claimant_count++] = (struct claimant){c->node_id, c->vservice_id};
    }
}

void validate_looked_up(struct server *s, const struct numbers_reader_effect *found)
{
    struct validation *v = NULL;
    LIST_EACH(it, &s->validations) {
        struct validation *each = CONTAINER_OF(it, struct validation, link);
        if (each->phase == VALIDATION_LOOKUP && each->token == found->token)
            v = each;
    }
    if (!v)
        return;
    v->token = 0;
    struct pvp_vcr *vcr = pvp_vcr_find(s->vcrs, &v->vcr_id);
    if (!vcr) {
        validation_free(s, v);
        return;
    }
    take_claimants(s, v, found);
    if (found->err || !v->claimants) {
        journal_note(s->journal, s->now, &v->record.called, "look-up failed: %s; to be tried again",
                     err_text(found->err ? found->err : ERR_NO_MEMORY));
        postpone(s, vcr, s->options->retry_ms, PVP_REASON_RING_DOWN, true);
        validation_free(s, v);
        return;
    }
    journal_note(s->journal, s->now, &v->record.called, "looked up: %zu claim%s this number (%u of 3 copies %s)",
                 v->claimant_count, v->claimant_count == 1 ? "s" : "", found->answered,
                 found->agreed ? "agree" : "answered");
    if (!v->claimant_count && mono_since_us(s->now.mono, s->joined_at) < RING_SETTLES_MS * INT64_C(1000)) {
        journal_note(s->journal, s->now, &v->record.called, "the ring was joined just now: to be looked up again");
        postpone(s, vcr, RING_SETTLES_MS, PVP_REASON_RING_DOWN, false);
        validation_free(s, v);
        return;
    }
    if (!v->claimant_count) {
        s->counters.validations_no_claimant++;
        finish_record(s, v, PVP_VCR_FAILED, PVP_REASON_NOT_REGISTERED);
        validation_free(s, v);
        return;
    }
    pvp_vcr_validating(s->vcrs, vcr);
    next_claimant(s, v);
}

/* When this number may be validated: a minimum interval after the last time that somebody was asked, and not beside another call to it. */
static struct wall free_at(const struct server *s, const struct e164 *called)
{
    struct wall at = pvp_spacing_free_at(s->spacing, called, s->now.wall);
    LIST_EACH(it, &s->validations) {
        const struct validation *v = CONTAINER_OF(it, struct validation, link);
        if (at.ms <= s->now.wall.ms && strcmp(v->record.called.text, called->text) == 0)
            at = wall_after_ms(s->now.wall, POSTPONE_MS);
    }
    return at;
}

/* Takes a record whose timer fired. */
static void begin(struct server *s, struct pvp_vcr *vcr)
{
    struct pvp_vcr_record record;
    struct vap_vservice_view view;
    pvp_vcr_get(vcr, &record);
    struct wall due = free_at(s, &record.called);
    if (!vap_server_vservice(s->vap, record.vservice_id, &view)) {
        postpone(s, vcr, POSTPONE_MS, PVP_REASON_NO_SERVICE, false);
        return;
    }
    if (!ring_is_up(s)) {
        postpone(s, vcr, POSTPONE_MS, PVP_REASON_RING_DOWN, false);
        return;
    }
    if (due.ms > s->now.wall.ms) {
        postpone(s, vcr, due.ms - s->now.wall.ms, PVP_REASON_SPACING, false);
        return;
    }
    struct validation *v = mem_alloc(sizeof *v);
    if (!v) {
        postpone(s, vcr, POSTPONE_MS, PVP_REASON_NONE, false);
        return;
    }
    v->vcr_id = pvp_vcr_id(vcr);
    v->record = record;
    v->record.client = (struct slice){NULL, 0};
    v->began = s->now.wall;
    v->phase = VALIDATION_LOOKUP;
    v->token = server_token(s);
    list_append(&s->validations, &v->link);
    s->validation_count++;
    if (numbers_look_up(s->reader, s->now, v->token, &record.called) < 0) {
        postpone(s, vcr, POSTPONE_MS, PVP_REASON_RING_DOWN, false);
        validation_free(s, v);
    }
}

void validate_due(struct server *s)
{
    while (mono_due(pvp_vcr_table_deadline(s->vcrs), s->now.mono)) {
        if (s->validation_count >= (size_t)setting(s, SETTING_MAX_ORIGINATING)) {
            s->counters.blocked_validation_orig_tls_limit++;
            return;
        }
        if (!mono_due(s->reads.next, s->now.mono))
            return;
        struct pvp_vcr *vcr = pvp_vcr_table_due(s->vcrs, s->now);
        if (!vcr)
            return;
        pace_step(&s->reads, s->now.mono);
        begin(s, vcr);
    }
}

/* ---- connections ---- */

void validate_connected(struct server *s, struct validation *v, enum pvp_connect result, const uint8_t *exporter)
{
    if (result != PVP_CONNECT_GOOD && v->conn) {
        conn_free(s, v->conn);
        v->conn = NULL;
    }
    pvp_validation_connected(v->proof, s->now, result, exporter);
    drain(s, v);
}

void validate_input(struct server *s, struct validation *v, struct slice octets)
{
    pvp_validation_input(v->proof, s->now, octets);
    drain(s, v);
}

void validate_closed(struct server *s, struct validation *v)
{
    conn_free(s, v->conn);
    v->conn = NULL;
    pvp_validation_closed(v->proof, s->now);
    drain(s, v);
}

void validate_tick(struct server *s)
{
    LIST_EACH(it, &s->validations) {
        struct validation *v = CONTAINER_OF(it, struct validation, link);
        if (!v->proof || !mono_due(pvp_validation_deadline(v->proof), s->now.mono))
            continue;
        pvp_validation_tick(v->proof, s->now);
        drain(s, v);
    }
    validate_due(s);
}

struct mono validate_deadline(const struct server *s)
{
    struct mono due = MONO_NEVER;
    LIST_EACH(it, &s->validations) {
        struct validation *v = CONTAINER_OF(it, struct validation, link);
        if (v->proof)
            due = mono_min(due, pvp_validation_deadline(v->proof));
    }
    if (s->validation_count < (size_t)setting(s, SETTING_MAX_ORIGINATING))
        due = mono_min(due, mono_max(pvp_vcr_table_deadline(s->vcrs), s->reads.next));
    return due;
}
