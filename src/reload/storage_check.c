/* The checks of a Store (RFC 6940 sections 7.4.1.1, 7.3), the cheap ones before the signatures. */
#include "reload/storage_operation.h"

/* ---- checks without cryptography ---- */

static struct refusal check_duty(struct operation *op)
{
    struct storage *s = op->storage;
    const struct storage_duty *duty = &s->duty;
    if (op->replica) {
        if (!duty->replica || !duty->replica(duty->ctx, op->resource, op->request.requester->node))
            return refuse(&s->counters.refused_replica, RELOAD_ERROR_FORBIDDEN, "no replica duty for this sender");
    } else if (!duty->responsible || !duty->responsible(duty->ctx, op->resource)) {
        return refuse(&s->counters.refused_responsibility, RELOAD_ERROR_NOT_FOUND, "not responsible");
    }
    return GRANTED;
}

static struct refusal refuse_unknown_kinds(struct operation *op, const uint32_t *kinds, size_t n)
{
    struct storage *s = op->storage;
    struct buf info;
    buf_init(&info, ANSWER_OCTETS_MAX);
    struct refusal refusal = refuse(&s->counters.refused_kind, RELOAD_ERROR_UNKNOWN_KIND, NULL);
    if (reload_unknown_kinds_encode(kinds, n, &info) == 0)
        refusal.info = region_copy(&op->region, buf_slice(&info));
    buf_fini(&info);
    return refusal;
}

static struct refusal check_kinds(struct operation *op)
{
    struct storage *s = op->storage;
    const struct reload_store_req *store = op->request.store;
    uint32_t *unknown = region_array(&op->region, store->kind_count, sizeof *unknown);
    struct plan *plans = region_array(&op->region, store->kind_count, sizeof *plans);
    size_t unknown_count = 0;
    if (!unknown || !plans)
        return refuse_memory(s);
    for (size_t i = 0; i < store->kind_count; i++) {
        const struct kind *kind = kind_find(&s->kinds, store->kinds[i].kind);
        if (!kind || kind->model != store->kinds[i].model) {
            unknown[unknown_count++] = store->kinds[i].kind;
            continue;
        }
        plans[i].data = &store->kinds[i];
        plans[i].kind = *kind;
        plans[i].slot = storage_slot_find(s, kind->id, op->resource);
        plans[i].generation = plans[i].slot ? plans[i].slot->generation : 0;
    }
    if (unknown_count)
        return refuse_unknown_kinds(op, unknown, unknown_count);
    op->plans = plans;
    op->plan_count = store->kind_count;
    return GRANTED;
}

static struct place value_place(const struct plan_value *value)
{
    return (struct place){value->index, value->data->value.key};
}

/* The rules of the format that the decoder leaves to us. */
static struct refusal check_format(struct operation *op, const struct plan *plan)
{
    uint64_t *malformed = &op->storage->counters.refused_malformed;
    const struct reload_kind_data *data = plan->data;
    if (op->replica && data->generation_counter == 0)
        return refuse(malformed, RELOAD_ERROR_INVALID_MESSAGE, "a copy with generation counter 0");
    for (size_t i = 0; i < data->value_count; i++) {
        const struct reload_value *value = &data->values[i].value;
        if (!value->exists && value->octets.n)
            return refuse(malformed, RELOAD_ERROR_INVALID_MESSAGE, "a value that does not exist has octets");
        if (op->replica && plan->kind.model == RELOAD_MODEL_ARRAY && value->index == RELOAD_ARRAY_END)
            return refuse(malformed, RELOAD_ERROR_INVALID_MESSAGE, "a copy that is to be appended");
    }
    return GRANTED;
}

/* The StoreAns of Error_Generation_Counter_Too_Low: the current counters, no replicas (7.4.1.2). */
static struct refusal check_generations(struct operation *op)
{
    struct storage *s = op->storage;
    bool differs = false;
    for (size_t i = 0; i < op->plan_count && !op->replica; i++) {
        uint64_t expected = op->plans[i].data->generation_counter;
        differs |= expected != 0 && expected != op->plans[i].generation;
    }
    if (!differs)
        return GRANTED;
    struct buf info;
    buf_init(&info, ANSWER_OCTETS_MAX);
    struct refusal refusal = refuse(&s->counters.refused_generation, RELOAD_ERROR_GENERATION_COUNTER_TOO_LOW, NULL);
    if (storage_operation_answer(op, false, &info) == 0)
        refusal.info = region_copy(&op->region, buf_slice(&info));
    buf_fini(&info);
    return refusal;
}

static uint32_t array_end(const struct slot *slot)
{
    uint32_t end = 0;
    for (const struct entry *e = slot ? slot->first : NULL; e; e = e->next)
        end = e->index + 1;
    return end;
}

/* An append that came before: nothing else would stop it from coming again and again. */
static bool is_appended_already(const struct slot *slot, const struct reload_stored_data *data)
{
    for (const struct entry *e = slot ? slot->first : NULL; e; e = e->next)
        if (e->storage_time_ms == data->storage_time_ms && slice_eq(entry_value(e), data->value.octets))
            return true;
    return false;
}

/* Gives every value its place and finds what it replaces. */
static struct refusal place_values(struct operation *op, struct plan *plan)
{
    struct storage *s = op->storage;
    const struct reload_kind_data *data = plan->data;
    if (data->value_count > (size_t)plan->kind.max_count + s->options.removed_per_slot_max)
        return refuse(&s->counters.refused_too_large, RELOAD_ERROR_DATA_TOO_LARGE, "more values than max-count");
    plan->values = region_array(&op->region, data->value_count, sizeof *plan->values);
    if (!plan->values)
        return refuse_memory(s);
    uint32_t end = array_end(plan->slot);
    for (size_t i = 0; i < data->value_count; i++) {
        struct plan_value *value = &plan->values[i];
        value->data = &data->values[i];
        if (plan->kind.model == RELOAD_MODEL_ARRAY) {
            bool append = value->data->value.index == RELOAD_ARRAY_END;
            if (append && is_appended_already(plan->slot, value->data))
                return refuse(&s->counters.refused_too_old, RELOAD_ERROR_DATA_TOO_OLD, "appended before");
            value->index = append ? end : value->data->value.index;
            end = value->index >= end ? value->index + 1 : end;
            if (value->index >= plan->kind.max_count)
                return refuse(&s->counters.refused_too_large, RELOAD_ERROR_DATA_TOO_LARGE, "index beyond max-count");
        }
        value->old = storage_entry_find(plan->slot, value_place(value));
        for (size_t j = 0; j < i; j++)
            if (storage_place_cmp(value_place(&plan->values[j]), value_place(value)) == 0)
                return refuse(&s->counters.refused_malformed, RELOAD_ERROR_INVALID_MESSAGE, "two values for one place");
        plan->n++;
    }
    return GRANTED;
}

/* How long a value may live from now on at most: a copy since it was signed. */
static int64_t longest_life_s(const struct operation *op, const struct reload_stored_data *data)
{
    int64_t max_s = op->storage->options.lifetime_max_s;
    if (!op->replica || data->storage_time_ms > (uint64_t)op->now.wall.ms)
        return max_s;
    return max_s - (op->now.wall.ms - (int64_t)data->storage_time_ms) / 1000;
}

/* "Storing peers MUST reject Store requests with storage times smaller than or equal to those that they are currently storing" (13.5.3).
 * A copy that is not newer is left aside, so that the newer ones in the same message get in. */
static struct refusal check_storage_times(struct operation *op, struct plan *plan)
{
    struct storage *s = op->storage;
    for (size_t i = 0; i < plan->n; i++) {
        struct plan_value *value = &plan->values[i];
        if (longest_life_s(op, value->data) <= 0) {
            value->kept = true;
            s->counters.copies_too_old++;
            continue;
        }
        if (!value->old || value->data->storage_time_ms > value->old->storage_time_ms)
            continue;
        if (!op->replica)
            return refuse(&s->counters.refused_too_old, RELOAD_ERROR_DATA_TOO_OLD, "storage_time is not newer");
        value->kept = true;
        plan->newer_kept |= value->data->storage_time_ms < value->old->storage_time_ms;
    }
    return GRANTED;
}

static struct refusal check_sizes(struct operation *op, const struct plan *plan)
{
    struct storage *s = op->storage;
    uint64_t *too_large = &s->counters.refused_too_large;
    int64_t existing = plan->slot ? plan->slot->existing : 0;
    int64_t removed = plan->slot ? plan->slot->removed : 0;
    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_value *value = &plan->values[i];
        if (value->kept)
            continue;
        if (value->data->value.octets.n > plan->kind.max_size)
            return refuse(too_large, RELOAD_ERROR_DATA_TOO_LARGE, "a value beyond max-size");
        if (value->data->value.key.n > STORAGE_KEY_OCTETS_MAX)
            return refuse(too_large, RELOAD_ERROR_DATA_TOO_LARGE, "a dictionary key of more than 128 octets");
        if (value->data->signature.value.n > UINT16_MAX)
            return refuse(too_large, RELOAD_ERROR_DATA_TOO_LARGE, "a signature of more than 65535 octets");
        if (value->old)
            *(value->old->flags & ENTRY_EXISTS ? &existing : &removed) -= 1;
        *(value->data->value.exists ? &existing : &removed) += 1;
    }
    if (existing > plan->kind.max_count)
        return refuse(too_large, RELOAD_ERROR_DATA_TOO_LARGE, "more values than max-count");
    if (removed > s->options.removed_per_slot_max)
        return refuse(too_large, RELOAD_ERROR_DATA_TOO_LARGE, "more removed values than are remembered");
    return GRANTED;
}

/* ---- checks with cryptography ---- */

/* The signature, and whether the signer, and for an original store the requester too, may write here (7.3). */
static struct refusal check_signer(struct operation *op, const struct plan *plan, const struct plan_value *value,
                                   struct security_signer *ret_signer)
{
    struct storage *s = op->storage;
    const struct security_signer *requester = op->request.requester;
    if (reload_stored_data_is_unsigned(value->data))
        return refuse(&s->counters.refused_unsigned, RELOAD_ERROR_FORBIDDEN, "not signed");
    int err = security_verify_value(s->ports.security, op->request.security, id_slice(&op->resource), plan->kind.id,
                                    value->data, op->now.wall, ret_signer);
    if (err == ERR_NO_MEMORY)
        return refuse_memory(s);
    if (err)
        return refuse(&s->counters.refused_signature, RELOAD_ERROR_FORBIDDEN, err_text(err));
    struct slice key = value->data->value.key;
    if (!kind_may_write(&plan->kind, op->resource, key, ret_signer->node, ret_signer->cert->user))
        return refuse(&s->counters.refused_access, RELOAD_ERROR_FORBIDDEN, "the signer may not write here");
    if (!op->replica && !kind_may_write(&plan->kind, op->resource, key, requester->node, requester->cert->user))
        return refuse(&s->counters.refused_access, RELOAD_ERROR_FORBIDDEN, "the requester may not write here");
    return GRANTED;
}

/* What is removed is remembered as removed at least as long as it would have lived. */
static uint32_t granted_lifetime_s(const struct operation *op, const struct plan_value *value)
{
    int64_t lifetime_s = value->data->lifetime_s, max_s = longest_life_s(op, value->data);
    if (!value->data->value.exists && value->old) {
        int64_t left_s = storage_lifetime_left(value->old, op->now.mono);
        lifetime_s = left_s > lifetime_s ? left_s : lifetime_s;
    }
    return (uint32_t)(lifetime_s < max_s ? lifetime_s : max_s);
}

static struct refusal prepare_value(struct operation *op, struct plan_value *value, const struct security_signer *by)
{
    struct storage *s = op->storage;
    struct signer *signer;
    uint8_t node;
    int err = storage_signer_get(s, by->cert, &signer);
    if (err == ERR_LIMIT)
        return refuse(&s->counters.refused_full, RELOAD_ERROR_REQUEST_TIMEOUT, "too many signers");
    if (err)
        return refuse_memory(s);
    /* The signer is the one whose certificate has just been verified: the node is one of it. */
    if (!storage_signer_node(signer, by->node, &node)) {
        storage_signer_sweep(s, signer);
        return refuse(&s->counters.refused_signature, RELOAD_ERROR_FORBIDDEN, "the signer's Node-ID is not its own");
    }
    value->fresh =
        storage_entry_new(s, value_place(value), value->data->value.octets, value->data->signature.value, signer);
    if (!value->fresh) {
        storage_signer_sweep(s, signer);
        return refuse_memory(s);
    }
    value->lifetime_s = granted_lifetime_s(op, value);
    s->counters.lifetimes_cut += value->lifetime_s < value->data->lifetime_s;
    value->fresh->storage_time_ms = value->data->storage_time_ms;
    value->fresh->flags = (uint8_t)((value->data->value.exists ? ENTRY_EXISTS : 0) | (op->replica ? ENTRY_REPLICA : 0));
    value->fresh->node = node;
    value->fresh->signature_algorithm = value->data->signature.signature_algorithm;
    s->pending_entries++;
    s->pending_octets += entry_octets(value->fresh);
    op->entries++;
    op->octets += entry_octets(value->fresh);
    return GRANTED;
}

/* At most node_slot_max values of one node in one slot. */
static struct refusal check_node_share(struct operation *op, const struct plan *plan, const struct plan_value *value)
{
    struct storage *s = op->storage;
    const struct owner *owner = entry_owner(value->fresh);
    uint32_t n = 0;
    for (const struct entry *e = plan->slot ? plan->slot->first : NULL; e; e = e->next)
        n += entry_owner(e) == owner;
    for (size_t i = 0; i < plan->n; i++) {
        const struct plan_value *other = &plan->values[i];
        n += other->fresh && entry_owner(other->fresh) == owner;
        n -= other->fresh && other->old && entry_owner(other->old) == owner;
    }
    if (n > s->options.node_slot_max)
        return refuse(&s->counters.refused_too_large, RELOAD_ERROR_DATA_TOO_LARGE, "too many values of one node here");
    return GRANTED;
}

/* What is asked for a node: every value but a removal of something that is here. */
static void ask(const struct plan_value *value)
{
    struct owner *owner = entry_owner(value->fresh);
    const struct entry *old = value->old;
    if (!value->data->value.exists && old)
        return;
    owner->asked_entries += !(old && entry_owner(old) == owner && old->flags & ENTRY_EXISTS);
    owner->asked_octets += entry_octets(value->fresh);
}

/* Asks for each node once, and leaves the sums at zero again. */
static struct refusal check_quota_of(struct operation *op, const struct plan_value *value)
{
    struct storage *s = op->storage;
    struct owner *owner = entry_owner(value->fresh);
    if (!owner->asked_octets && !owner->asked_entries)
        return GRANTED;
    struct storage_claim claim = {
        .resource = op->resource,
        .node = owner->node,
        .replica = op->replica,
        .usage = owner->used,
        .adding_entries = owner->asked_entries,
        .adding_octets = owner->asked_octets,
    };
    owner->asked_entries = 0;
    owner->asked_octets = 0;
    if (s->quota.allows && !s->quota.allows(s->quota.ctx, &claim))
        return refuse(&s->counters.refused_quota, RELOAD_ERROR_DATA_TOO_LARGE, "quota of the Node-ID");
    return GRANTED;
}

static struct refusal check_quotas(struct operation *op)
{
    struct storage *s = op->storage;
    struct refusal result = GRANTED;
    for (size_t i = 0; i < op->plan_count; i++)
        for (size_t j = 0; j < op->plans[i].n; j++)
            if (op->plans[i].values[j].fresh)
                ask(&op->plans[i].values[j]);
    for (size_t i = 0; i < op->plan_count; i++)
        for (size_t j = 0; j < op->plans[i].n; j++)
            if (op->plans[i].values[j].fresh) {
                struct refusal refusal = check_quota_of(op, &op->plans[i].values[j]);
                if (refusal.code && !result.code)
                    result = refusal;
            }
    if (!result.code && (s->entries + s->pending_entries > s->options.entries_max ||
                         s->octets + s->pending_octets > s->options.octets_max))
        return refuse(&s->counters.refused_full, RELOAD_ERROR_REQUEST_TIMEOUT, "the storage of this peer is full");
    return result;
}

/* Verifies all values, then builds their entries. */
static struct refusal prepare_values(struct operation *op)
{
    for (size_t i = 0; i < op->plan_count; i++) {
        struct plan *plan = &op->plans[i];
        for (size_t j = 0; j < plan->n; j++) {
            struct security_signer signer;
            if (plan->values[j].kept)
                continue;
            struct refusal refusal = check_signer(op, plan, &plan->values[j], &signer);
            if (!refusal.code)
                refusal = prepare_value(op, &plan->values[j], &signer);
            if (!refusal.code)
                refusal = check_node_share(op, plan, &plan->values[j]);
            if (refusal.code)
                return refusal;
            plan->changed = true;
        }
    }
    return GRANTED;
}

/* All of the checks, each over the whole request before the next. */
struct refusal storage_operation_check(struct operation *op)
{
    static struct refusal (*const whole[])(struct operation *) = {check_duty, check_kinds};
    struct refusal refusal = GRANTED;
    for (size_t i = 0; i < 2; i++) {
        refusal = whole[i](op);
        if (refusal.code)
            return refusal;
    }
    for (size_t i = 0; i < op->plan_count && !refusal.code; i++)
        refusal = check_format(op, &op->plans[i]);
    if (!refusal.code)
        refusal = check_generations(op);
    for (size_t i = 0; i < op->plan_count && !refusal.code; i++)
        refusal = place_values(op, &op->plans[i]);
    for (size_t i = 0; i < op->plan_count && !refusal.code; i++)
        refusal = check_storage_times(op, &op->plans[i]);
    for (size_t i = 0; i < op->plan_count && !refusal.code; i++)
        refusal = check_sizes(op, &op->plans[i]);
    if (!refusal.code)
        refusal = prepare_values(op);
    if (!refusal.code)
        refusal = check_quotas(op);
    return refusal;
}
