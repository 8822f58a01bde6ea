/* Picking the record that is meant, and counting guesses at it. */
#include "pvp/guard.h"

#include "base/mem.h"
#include "pvp/vcr_private.h"

/* Records of one number that are looked at: a bound on the work that one username can cause. */
enum { SCANNED_MAX = 20000 };

/* The answer to a proof, and two more in case it got lost. */
enum { ANSWERS_MAX = 3 };

bool pvp_prover_may_be(const struct pvp_prover *p, const struct id *node_id)
{
    for (size_t i = 0; i < p->node_count; i++)
        if (id_eq(p->nodes[i], *node_id))
            return true;
    return false;
}

static bool was_proved_by(const struct pvp_vcr *v, const struct pvp_prover *prover)
{
    for (const struct pvp_attempt *a = v->attempts; a; a = a->next)
        if (a->is_prover && pvp_prover_may_be(prover, &a->node_id))
            return true;
    return false;
}

/* Whether every Node-ID that the prover may be had used up its guesses before the window began. */
static bool was_blocked(const struct pvp_terminator_config *config, const struct pvp_vcr *v,
                        const struct pvp_prover *prover, struct mono window_since)
{
    size_t blocked = 0;
    for (const struct pvp_attempt *a = v->attempts; a; a = a->next)
        blocked += a->failed >= config->node_failures_max && a->blocked_at.us < window_since.us &&
                   pvp_prover_may_be(prover, &a->node_id);
    return !pvp_prover_is_stranger(prover) && blocked == prover->node_count;
}

static bool is_open_to(const struct pvp_terminator_config *config, const struct pvp_vcr *v,
                       const struct pvp_prover *prover, struct mono window_since)
{
    if (v->direction != PVP_TERMINATING || was_blocked(config, v, prover, window_since))
        return false;
    return v->state == PVP_VCR_WAITING ||
           (v->state == PVP_VCR_DONE && v->answers < ANSWERS_MAX && was_proved_by(v, prover));
}

static bool caller_matches(const struct pvp_vcr *v, const struct pvp_username *u)
{
    if (!v->calling)
        return false;
    uint8_t hint[PVP_CALLER_HINT_OCTETS];
    struct e164 calling = pvp_number_unpack(v->calling);
    pvp_caller_hint(&u->called, u->vservice_id, u->start_sketch, u->stop_sketch, &calling, hint);
    return mem_equal_secret(hint, u->caller_hint, sizeof hint);
}

/* R/2 more on either side: what is inside the originator's call must be inside ours. */
static bool was_in_progress(const struct pvp_vcr *v, struct wall instant, uint32_t lattice_ms)
{
    int64_t slack_ms = lattice_ms / 2;
    return v->start.ms - slack_ms <= instant.ms && instant.ms <= v->stop.ms + slack_ms;
}

static bool fits(const struct pvp_vcr *v, const struct pvp_username *u, uint32_t lattice_ms)
{
    if (v->vservice_id != u->vservice_id)
        return false;
    return u->method == PVP_METHOD_A ? caller_matches(v, u) : was_in_progress(v, u->instant, lattice_ms);
}

/* One that fits, and how far its times are from the sketches: a second or so for the call that is meant, anything up to R for others. */
struct candidate {
    struct pvp_vcr *vcr;
    int64_t distance_ms;
};

static int64_t distance_ms(struct wall own, uint32_t sketch, uint32_t lattice_ms)
{
    int64_t ms = pvp_recover(own, sketch, lattice_ms).ms - own.ms;
    return ms < 0 ? -ms : ms;
}

/* Nearest first, of equally near ones the newer; what was consumed comes last. */
static bool comes_before(const struct candidate *a, const struct candidate *b)
{
    if (a->vcr->state != b->vcr->state)
        return a->vcr->state == PVP_VCR_WAITING;
    if (a->distance_ms != b->distance_ms)
        return a->distance_ms < b->distance_ms;
    if (a->vcr->start.ms != b->vcr->start.ms)
        return a->vcr->start.ms > b->vcr->start.ms;
    return id_cmp(a->vcr->id, b->vcr->id) < 0;
}

struct pvp_vcr *pvp_guard_pick(const struct pvp_terminator_config *config, const struct pvp_vcr_table *vcrs,
                               const struct pvp_username *u, const struct pvp_prover *prover, struct mono window_since)
{
    struct candidate best[PVP_TRIES] = {0};
    size_t scanned = 0;
    for (struct pvp_vcr *v = pvp_vcr_index_first(vcrs, pvp_number_pack(&u->called)); v && scanned < SCANNED_MAX;
         v = pvp_vcr_index_next(v), scanned++) {
        if (!is_open_to(config, v, prover, window_since) || !fits(v, u, config->lattice_ms))
            continue;
        struct candidate in = {v, distance_ms(v->start, u->start_sketch, config->lattice_ms) +
                                      distance_ms(v->stop, u->stop_sketch, config->lattice_ms)};
        for (size_t i = 0; i < PVP_TRIES && in.vcr; i++) {
            if (best[i].vcr && !comes_before(&in, &best[i]))
                continue;
            struct candidate out = best[i];
            best[i] = in;
            in = out;
        }
    }
    return best[u->try].vcr;
}

/* Drops the attempts that say nothing. */
static void tidy(struct pvp_vcr *v)
{
    struct pvp_attempt **at = &v->attempts;
    while (*at) {
        struct pvp_attempt *a = *at;
        if (a->failed || a->pending || a->is_prover) {
            at = &a->next;
            continue;
        }
        *at = a->next;
        mem_free(a);
    }
}

bool pvp_guard_begin(const struct pvp_terminator_config *config, struct pvp_vcr *v, const struct pvp_prover *prover,
                     struct pvp_prover *ret_charged)
{
    ret_charged->node_count = 0;
    if (pvp_prover_is_stranger(prover)) {
        if (v->stranger_failed + v->stranger_pending >= (int)config->stranger_failures_max)
            return false;
        v->stranger_pending++;
        return true;
    }
    if (v->failed + v->pending >= (int)config->record_failures_max)
        return false;
    for (size_t i = 0; i < prover->node_count; i++) {
        struct pvp_attempt *a = pvp_vcr_attempt(v, &prover->nodes[i], true);
        if (!a || a->failed + a->pending >= (int)config->node_failures_max)
            continue;
        a->pending++;
        ret_charged->nodes[ret_charged->node_count++] = prover->nodes[i];
    }
    if (!ret_charged->node_count) {
        tidy(v);
        return false;
    }
    v->pending++;
    return true;
}

static int charge_nodes(const struct pvp_terminator_config *config, struct pvp_vcr_table *vcrs, struct pvp_vcr *v,
                        const struct pvp_prover *charged, struct mono now, bool failed)
{
    int err = 0;
    v->pending--;
    for (size_t i = 0; i < charged->node_count; i++) {
        struct pvp_attempt *a = pvp_vcr_attempt(v, &charged->nodes[i], false);
        if (!a)
            continue;
        a->pending--;
        if (!failed)
            continue;
        if (++a->failed == config->node_failures_max)
            a->blocked_at = now;
        int put = pvp_vcr_attempt_put(vcrs, v, a);
        err = err ? err : put;
    }
    return err;
}

int pvp_guard_end(const struct pvp_terminator_config *config, struct pvp_vcr_table *vcrs, struct pvp_vcr *v,
                  const struct pvp_prover *charged, struct mono now, bool failed, bool *ret_burnt)
{
    int err = 0;
    *ret_burnt = false;
    if (pvp_prover_is_stranger(charged)) {
        v->stranger_pending--;
        v->stranger_failed = (uint8_t)(v->stranger_failed + failed);
    } else {
        err = charge_nodes(config, vcrs, v, charged, now, failed);
        v->failed = (uint8_t)(v->failed + failed);
    }
    tidy(v);
    if (!failed)
        return err;
    if (v->state == PVP_VCR_WAITING && v->failed >= config->record_failures_max) {
        pvp_vcr_set_state(vcrs, v, PVP_VCR_FAILED, PVP_REASON_BURNT);
        *ret_burnt = true;
    }
    int put = pvp_vcr_row_put(vcrs, v);
    return err ? err : put;
}

/* Who has proved one call between two numbers was honest about the others between them: it only met them in another order. */
static int forgive_siblings(struct pvp_vcr_table *vcrs, const struct pvp_vcr *proved, const struct id *prover)
{
    int err = 0;
    size_t scanned = 0;
    for (struct pvp_vcr *v = proved->calling ? pvp_vcr_index_first(vcrs, proved->called) : NULL;
         v && !err && scanned < SCANNED_MAX; v = pvp_vcr_index_next(v), scanned++) {
        if (v == proved || v->state != PVP_VCR_WAITING || v->calling != proved->calling)
            continue;
        struct pvp_attempt *a = pvp_vcr_attempt(v, prover, false);
        if (!a || !a->failed)
            continue;
        v->failed = (uint8_t)(v->failed - (a->failed < v->failed ? a->failed : v->failed));
        a->failed = 0;
        err = pvp_vcr_attempt_put(vcrs, v, a);
        if (!err)
            err = pvp_vcr_row_put(vcrs, v);
    }
    return err;
}

int pvp_guard_consume(struct pvp_vcr_table *vcrs, struct pvp_vcr *v, const struct id *prover, bool *ret_repeated)
{
    struct pvp_attempt *a = pvp_vcr_attempt(v, prover, true);
    if (!a)
        return ERR_NO_MEMORY;
    bool repeated = v->state == PVP_VCR_DONE && a->is_prover;
    if ((v->state != PVP_VCR_WAITING && !repeated) || v->answers >= ANSWERS_MAX)
        return ERR_NOT_FOUND;
    pvp_vcr_set_state(vcrs, v, PVP_VCR_DONE, PVP_REASON_NONE);
    a->is_prover = true;
    v->answers++;
    *ret_repeated = repeated;
    int err = pvp_vcr_attempt_put(vcrs, v, a);
    if (!err)
        err = pvp_vcr_row_put(vcrs, v);
    if (!err && !repeated)
        err = forgive_siblings(vcrs, v, prover);
    if (err)
        pvp_guard_unconsume(vcrs, v, prover, repeated);
    return err;
}

void pvp_guard_unconsume(struct pvp_vcr_table *vcrs, struct pvp_vcr *v, const struct id *prover, bool repeated)
{
    struct pvp_attempt *a = pvp_vcr_attempt(v, prover, false);
    v->answers--;
    if (repeated || !a)
        return;
    a->is_prover = false;
    pvp_vcr_set_state(vcrs, v, PVP_VCR_WAITING, PVP_REASON_NONE);
    tidy(v);
}
