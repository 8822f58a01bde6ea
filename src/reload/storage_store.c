/* Store, from the request to its answer: waiting, writing, putting in place (RFC 6940 section 7.4.1).
 *
 * An operation prepares everything first: new entries with their memory, their places in the expiry heap, slots for resources that are
 * new here. When the write is durable, putting it in place cannot fail. */
#include "reload/storage_operation.h"

/* ---- answering ---- */

static struct operation *operation_new(struct storage *s, struct now now, storage_done_fn *done, void *arg)
{
    struct operation *op = mem_alloc(sizeof *op);
    if (!op)
        return NULL;
    list_init(&op->link);
    list_init(&op->waiting);
    op->storage = s;
    op->now = now;
    op->done = done;
    op->arg = arg;
    region_init(&op->region, OPERATION_REGION_OCTETS_MAX);
    return op;
}

/* Frees what was prepared and not put in place. */
static void operation_free(struct operation *op)
{
    struct storage *s = op->storage;
    for (size_t i = 0; i < op->plan_count; i++) {
        for (size_t j = 0; j < op->plans[i].n; j++)
            if (op->plans[i].values[j].fresh)
                storage_entry_free(s, op->plans[i].values[j].fresh);
        mem_free(op->plans[i].spare);
    }
    s->pending_entries -= op->entries;
    s->pending_octets -= op->octets;
    region_fini(&op->region);
    mem_free(op);
}

static void answer_refused(struct storage *s, storage_done_fn *done, void *arg, struct id resource, struct refusal why)
{
    struct storage_outcome outcome = {
        .error_code = why.code,
        .octets = why.why ? slice_str(why.why) : why.info,
        .resource = resource,
        .revision = s->revision,
    };
    done(arg, &outcome);
}

int storage_operation_answer(const struct operation *op, bool with_replicas, struct buf *out)
{
    struct storage *s = op->storage;
    struct region region;
    struct id nodes[REPLICAS_MAX];
    size_t replica_count = 0;
    if (with_replicas && !op->replica && s->duty.replicas)
        replica_count = s->duty.replicas(s->duty.ctx, op->resource, nodes, REPLICAS_MAX);
    region_init(&region, OPERATION_REGION_OCTETS_MAX);
    struct reload_store_kind_response *kinds = region_array(&region, op->plan_count, sizeof *kinds);
    int err = kinds ? 0 : ERR_NO_MEMORY;
    for (size_t i = 0; !err && i < op->plan_count; i++)
        kinds[i] = (struct reload_store_kind_response){
            .kind = op->plans[i].kind.id,
            .generation_counter = op->plans[i].generation,
            .replicas = {nodes, replica_count},
        };
    if (!err)
        err = reload_store_ans_encode(&(struct reload_store_ans){kinds, op->plan_count}, out);
    region_fini(&region);
    return err;
}

static void answer_stored(struct operation *op, bool changed)
{
    struct buf answer;
    buf_init(&answer, ANSWER_OCTETS_MAX);
    struct storage_outcome outcome = {.resource = op->resource, .changed = changed, .revision = op->storage->revision};
    if (storage_operation_answer(op, true, &answer)) {
        outcome.error_code = RELOAD_ERROR_REQUEST_TIMEOUT; /* stored, but the sender cannot be told: it asks again */
        outcome.octets = slice_str("short of memory");
    } else {
        outcome.octets = buf_slice(&answer);
    }
    op->done(op->arg, &outcome);
    buf_fini(&answer);
}

/* ---- writing ---- */

#define GENERATION_JUMP_MAX (UINT64_C(1) << 32)

/* 0 means "whatever is there" in a Store, and no copy may bear it (7.4.1.1): whoever pushed a counter to its end with a copy must not
 * bring it there. */
static uint64_t generation_next(uint64_t generation)
{
    return generation == UINT64_MAX ? 1 : generation + 1;
}

/* A copy's counter, but no more than a long partition explains. */
static uint64_t generation_of_copy(struct storage *s, uint64_t here, uint64_t message)
{
    if (message <= here || message - here <= GENERATION_JUMP_MAX)
        return message;
    s->counters.generations_bounded++;
    return generation_next(here);
}

/* The counters as they will be; also a slot where there is none. */
static struct refusal plan_generations(struct operation *op)
{
    struct storage *s = op->storage;
    for (size_t i = 0; i < op->plan_count; i++) {
        struct plan *plan = &op->plans[i];
        uint64_t message = plan->data->generation_counter;
        if (op->replica) {
            uint64_t here = plan->slot ? plan->generation : s->generation_floor;
            uint64_t next = plan->newer_kept && plan->generation > message ? plan->generation
                                                                           : generation_of_copy(s, here, message);
            plan->changed |= plan->slot && next != plan->generation;
            plan->generation = plan->slot || plan->changed ? next : 0;
        } else if (plan->changed) {
            plan->generation = generation_next(plan->slot ? plan->generation : s->generation_floor);
        }
        if (plan->changed && !plan->slot) {
            plan->spare = storage_slot_new(s, &plan->kind, op->resource);
            if (!plan->spare)
                return refuse_memory(s);
        }
    }
    return GRANTED;
}

static int put_plan(const struct operation *op, const struct plan *plan)
{
    struct storage *s = op->storage;
    int err = storage_row_put_generation(s, op->resource, plan->kind.id, plan->generation);
    for (size_t j = 0; !err && j < plan->n; j++) {
        const struct plan_value *value = &plan->values[j];
        if (!value->fresh)
            continue;
        if (!value->fresh->signer->written)
            err = storage_row_put_signer(s, value->fresh->signer);
        if (!err)
            err = storage_row_put(s, op->resource, plan->kind.id, value->fresh,
                                  wall_after_ms(op->now.wall, (int64_t)value->lifetime_s * 1000));
    }
    return err;
}

/* Puts the rows back as they were, after one of them was not taken: the others must not be written with somebody else's commit. */
static void unput_plan(const struct operation *op, const struct plan *plan)
{
    struct storage *s = op->storage;
    struct slot *slot = storage_slot_find(s, plan->kind.id, op->resource);
    if (slot)
        storage_row_put_generation(s, op->resource, plan->kind.id, slot->generation);
    else
        storage_row_remove_generation(s, op->resource, plan->kind.id);
    for (size_t j = 0; j < plan->n; j++) {
        const struct plan_value *value = &plan->values[j];
        if (!value->fresh)
            continue;
        const struct entry *old = storage_entry_find(slot, entry_place(value->fresh));
        if (old)
            storage_row_put(s, op->resource, plan->kind.id, old, storage_wall_of(op->now, old->expiry.due));
        else
            storage_row_remove(s, op->resource, plan->kind.id, value->fresh);
    }
}

static struct refusal write_rows(struct operation *op)
{
    struct storage *s = op->storage;
    int err = 0;
    size_t i = 0;
    for (; i < op->plan_count && !err; i++)
        if (op->plans[i].changed)
            err = put_plan(op, &op->plans[i]);
    if (!err)
        return GRANTED;
    while (i-- > 0)
        if (op->plans[i].changed)
            unput_plan(op, &op->plans[i]);
    return refuse(&s->counters.writes_failed, RELOAD_ERROR_REQUEST_TIMEOUT, "cannot be written now");
}

/* ---- putting it in place ---- */

static void place_value_for_good(struct operation *op, struct slot *slot, struct plan_value *value)
{
    struct storage *s = op->storage;
    struct entry *old = storage_entry_find(slot, entry_place(value->fresh));
    if (old) {
        storage_entry_unlink(s, old);
        storage_entry_free(s, old);
    }
    value->fresh->revision = s->revision;
    value->fresh->signer->written = true;
    storage_entry_link(s, slot, value->fresh, mono_after_ms(op->now.mono, (int64_t)value->lifetime_s * 1000));
    if (value->fresh->flags & ENTRY_EXISTS)
        s->counters.values_stored++;
    else
        s->counters.values_removed++;
    value->fresh = NULL; /* the slot's now */
}

static bool kind_is_gone(const struct storage *s, const struct plan *plan)
{
    const struct kind *kind = kind_find(&s->kinds, plan->kind.id);
    return !kind || kind->model != plan->kind.model;
}

/* The Kind went while its values were being written. */
static void drop_plan(struct operation *op, const struct plan *plan)
{
    struct storage *s = op->storage;
    for (size_t j = 0; j < plan->n; j++)
        if (plan->values[j].fresh)
            storage_row_remove(s, op->resource, plan->kind.id, plan->values[j].fresh);
    storage_row_remove_generation(s, op->resource, plan->kind.id);
    storage_commit_removals(s);
}

static void place_plan(struct operation *op, struct plan *plan)
{
    struct storage *s = op->storage;
    struct slot *slot = storage_slot_find(s, plan->kind.id, op->resource);
    if (kind_is_gone(s, plan) || (!slot && !plan->spare)) {
        drop_plan(op, plan);
        return;
    }
    if (!slot) {
        slot = plan->spare;
        plan->spare = NULL;
        storage_slot_insert(s, slot);
    }
    slot->generation = plan->generation;
    for (size_t j = 0; j < plan->n; j++)
        if (plan->values[j].fresh)
            place_value_for_good(op, slot, &plan->values[j]);
    if (storage_slot_sweep(s, slot)) /* who may sign changed meanwhile */
        storage_commit_removals(s);
}

static void written(void *arg, int err);

/* Checks the operation and begins to write it. False: it has been answered and freed. */
static bool run(struct operation *op)
{
    struct storage *s = op->storage;
    bool changed = false;
    struct refusal refusal = storage_operation_check(op);
    if (!refusal.code)
        refusal = plan_generations(op);
    for (size_t i = 0; i < op->plan_count; i++) {
        s->counters.replica_older_kept += op->plans[i].newer_kept;
        changed |= op->plans[i].changed;
        /* Nothing but old copies: the sender is to fetch what is newer (7.4.1.1). */
        if (!refusal.code && op->plans[i].newer_kept && op->entries == 0)
            refusal = refuse(&s->counters.refused_too_old, RELOAD_ERROR_DATA_TOO_OLD, "storage_time is not newer");
    }
    if (!refusal.code && changed) {
        if (s->pending_count >= s->options.pending_max)
            refusal = refuse(&s->counters.refused_busy, RELOAD_ERROR_REQUEST_TIMEOUT, "too many stores under way");
        else if (map_set(&s->busy, id_slice(&op->resource), op) != 0)
            refusal = refuse_memory(s);
        else
            refusal = write_rows(op);
        if (!refusal.code) {
            list_append(&s->pending, &op->link);
            s->pending_count++;
            kv_commit(&s->ports.kv, written, op);
            return true;
        }
        map_remove_value(&s->busy, id_slice(&op->resource), op);
    }
    if (refusal.code)
        answer_refused(s, op->done, op->arg, op->resource, refusal);
    else
        answer_stored(op, false);
    operation_free(op);
    return false;
}

/* Those that wait for a resource go on, one after another, up to the first that is written. */
static void run_waiting(struct storage *s, struct list *waiting)
{
    struct list *first;
    while ((first = list_pop(waiting))) {
        struct operation *op = CONTAINER_OF(first, struct operation, link);
        struct operation *writing = map_get(&s->busy, id_slice(&op->resource));
        if (writing) { /* a store that was made from within an answer was faster, or one of these is being written */
            list_append(&writing->waiting, &op->link);
            continue;
        }
        s->waiting_count--;
        run(op);
    }
}

static void written(void *arg, int err)
{
    struct operation *op = arg;
    struct storage *s = op->storage;
    struct list waiting;
    bool changed = false;
    list_init(&waiting);
    for (struct list *next; (next = list_pop(&op->waiting));)
        list_append(&waiting, next);
    list_remove(&op->link);
    s->pending_count--;
    map_remove(&s->busy, id_slice(&op->resource));
    if (err) {
        log_event(s->ports.log, LEVEL_DEBUG, "storage.not_stored", "reason=%s", err_name(err));
        answer_refused(s, op->done, op->arg, op->resource,
                       refuse(&s->counters.writes_failed, RELOAD_ERROR_REQUEST_TIMEOUT, "cannot be written now"));
    } else {
        s->revision++;
        for (size_t i = 0; i < op->plan_count; i++)
            if (op->plans[i].changed) {
                place_plan(op, &op->plans[i]);
                changed = true;
            }
        *(op->replica ? &s->counters.replica_stores : &s->counters.stores) += 1;
        answer_stored(op, changed);
    }
    operation_free(op);
    run_waiting(s, &waiting);
}

/* ---- keeping a request until its turn ---- */

static bool copy_slice(struct region *region, struct slice *slice)
{
    struct slice copy = region_copy(region, *slice);
    if (slice->n && !copy.p)
        return false;
    *slice = copy;
    return true;
}

static bool copy_values(struct region *region, struct reload_kind_data *kind)
{
    struct reload_stored_data *values = region_array(region, kind->value_count, sizeof *values);
    if (!values)
        return false;
    bool good = true;
    for (size_t i = 0; i < kind->value_count && good; i++) {
        values[i] = kind->values[i];
        good = copy_slice(region, &values[i].value.key) && copy_slice(region, &values[i].value.octets) &&
               copy_slice(region, &values[i].signature.identity.hash) && copy_slice(region, &values[i].signature.value);
    }
    kind->values = values;
    return good;
}

static bool copy_store(struct region *region, const struct reload_store_req *store, struct reload_store_req *ret_store)
{
    struct reload_kind_data *kinds = region_array(region, store->kind_count, sizeof *kinds);
    *ret_store = *store;
    bool good = kinds && copy_slice(region, &ret_store->resource);
    for (size_t i = 0; i < store->kind_count && good; i++) {
        kinds[i] = store->kinds[i];
        good = copy_values(region, &kinds[i]);
    }
    ret_store->kinds = kinds;
    return good;
}

static bool copy_certificates(struct region *region, const struct reload_security *block,
                              struct reload_security *ret_block)
{
    struct reload_certificate *certificates = region_array(region, block->certificate_count, sizeof *certificates);
    bool good = certificates != NULL;
    for (size_t i = 0; i < block->certificate_count && good; i++) {
        certificates[i] = block->certificates[i];
        good = copy_slice(region, &certificates[i].octets);
    }
    *ret_block = (struct reload_security){.certificates = certificates, .certificate_count = block->certificate_count};
    return good;
}

/* Of the requester's certificate only the names are looked at. */
static bool copy_requester(struct region *region, const struct security_signer *requester,
                           struct security_signer *ret_requester)
{
    struct security_cert *cert = region_alloc(region, sizeof *cert);
    if (!cert)
        return false;
    *cert = *requester->cert;
    cert->user = region_text(region, slice_str(cert->user));
    *ret_requester = (struct security_signer){requester->node, cert};
    return cert->user && copy_slice(region, &cert->der);
}

static bool copy_request(struct operation *op)
{
    struct {
        struct reload_store_req store;
        struct reload_security security;
        struct security_signer requester;
    } *copy = region_alloc(&op->region, sizeof *copy);
    if (!copy || !copy_store(&op->region, op->request.store, &copy->store) ||
        !copy_certificates(&op->region, op->request.security, &copy->security) ||
        !copy_requester(&op->region, op->request.requester, &copy->requester))
        return false;
    op->request = (struct storage_request){&copy->store, &copy->security, &copy->requester};
    return true;
}

void storage_store(struct storage *s, struct now now, const struct storage_request *request, storage_done_fn *done,
                   void *arg)
{
    const struct reload_store_req *store = request->store;
    struct id resource = {{0}};
    if (store->resource.n == ID_OCTETS)
        memcpy(resource.octets, store->resource.p, ID_OCTETS);
    if (store->resource.n != ID_OCTETS || store->kind_count == 0) {
        answer_refused(s, done, arg, resource,
                       refuse(&s->counters.refused_malformed, RELOAD_ERROR_INVALID_MESSAGE,
                              store->kind_count ? "a Resource-ID has 16 octets" : "no Kind"));
        return;
    }
    struct operation *writing = map_get(&s->busy, id_slice(&resource));
    if (writing && s->waiting_count >= s->options.waiting_max) {
        answer_refused(s, done, arg, resource,
                       refuse(&s->counters.refused_busy, RELOAD_ERROR_REQUEST_TIMEOUT, "too many stores wait"));
        return;
    }
    struct operation *op = operation_new(s, now, done, arg);
    if (!op) {
        answer_refused(s, done, arg, resource, refuse_memory(s));
        return;
    }
    op->resource = resource;
    op->replica = store->replica_number > 0;
    op->request = *request;
    if (!writing) {
        run(op);
    } else if (copy_request(op)) {
        list_append(&writing->waiting, &op->link);
        s->waiting_count++;
        s->counters.stores_waited++;
    } else {
        operation_free(op);
        answer_refused(s, done, arg, resource, refuse_memory(s));
    }
}

static void give_up(struct list *operations)
{
    for (struct list *link; (link = list_pop(operations));) {
        struct operation *op = CONTAINER_OF(link, struct operation, link);
        answer_refused(op->storage, op->done, op->arg, op->resource,
                       (struct refusal){.code = RELOAD_ERROR_REQUEST_TIMEOUT, .why = "this peer ends"});
        give_up(&op->waiting);
        operation_free(op);
    }
}

static void nobody(void *arg, const struct storage_outcome *outcome)
{
    (void)arg, (void)outcome;
}

static void forget(struct list *operations, const void *arg)
{
    LIST_EACH(it, operations) {
        struct operation *op = CONTAINER_OF(it, struct operation, link);
        if (op->arg == arg)
            op->done = nobody;
        forget(&op->waiting, arg); /* those who wait have nobody waiting for them */
    }
}

void storage_forget(struct storage *s, const void *arg)
{
    forget(&s->pending, arg);
}

void storage_operations_free(struct storage *s)
{
    give_up(&s->pending);
}
