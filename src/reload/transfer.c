/* Copying stored data to other peers (RFC 6940 10.4, 10.5, 10.7.3): to replicas, to a joining node, to who turned out to be responsible, and
 * to our successor before we leave. Per node and purpose one transfer, which works off its jobs in order, a few Stores under way at a time.
 * A range is compared first (transfer_compare.c): only parts that differ are copied. */
#include "reload/peer_internal.h"

#define TRANSFER_RETRY_MS 5000       /* doubled with each failure … */
#define TRANSFER_RETRY_DOUBLINGS 5   /* … so often */
#define PORTION_OVERHEAD_OCTETS 2048 /* header, lists, our own certificate and signature */
#define COMPARE_VALUES_MIN 3         /* fewer are sent without comparing */
#define COMPARE_VALUES_LEAF 16       /* a part that differs and has no more is sent as a whole */

/* A part of the ring, or one resource, to be copied. */
struct job {
    struct list order;
    struct storage_walk walk;
    struct mono not_before;
    uint8_t replica_number;
    bool compare; /* before it is copied */
    bool asked;   /* the comparison is under way */
};

struct transfer {
    struct timer timer;
    struct list order;
    struct list jobs;
    size_t job_count;
    enum transfer_purpose purpose;
    struct id node;
    struct id from; /* of the first job: what else changes in it is copied, too */
    struct id to;
    unsigned under_way;
    unsigned retries;
    struct list sent;      /* struct portion_sent: not answered yet */
    struct list comparing; /* struct comparing */
    int err;
    transfer_fn *done;
    void *ctx;
};

struct portion_sent {
    struct list order;
    struct transfer *transfer;
    struct id resource;
    uint32_t kind; /* its first */
};

/* A comparison that is not answered yet. */
struct comparing {
    struct list order;
    struct transfer *transfer;
    struct job *job;
    struct comparison with;
};

/* A Fetch of what another node has newer than we. */
struct newer {
    struct list order;
    struct id resource;
};

static void job_free(struct transfer *transfer, struct job *job)
{
    list_remove(&job->order);
    transfer->job_count--;
    mem_free(job);
}

static void transfer_free(struct peer *peer, struct transfer *transfer)
{
    LIST_EACH(it, &transfer->sent) {
        struct portion_sent *sent = CONTAINER_OF(it, struct portion_sent, order);
        peer_transactions_forget(peer, sent);
        mem_free(sent);
    }
    LIST_EACH(it, &transfer->comparing) {
        struct comparing *comparing = CONTAINER_OF(it, struct comparing, order);
        peer_transactions_forget(peer, comparing);
        mem_free(comparing);
    }
    LIST_EACH(it, &transfer->jobs)
        job_free(transfer, CONTAINER_OF(it, struct job, order));
    heap_remove(&peer->timers, &transfer->timer.node);
    list_remove(&transfer->order);
    peer->transfer_count--;
    mem_free(transfer);
}

static void transfer_end(struct peer *peer, struct now now, struct transfer *transfer, int err)
{
    transfer_fn *done = transfer->done;
    void *ctx = transfer->ctx;
    if (err)
        peer->counters.replicas_failed++;
    transfer_free(peer, transfer);
    if (done)
        done(peer, now, ctx, err);
}

static void pump(struct peer *peer, struct now now, struct transfer *transfer);

static void ignore_stored(void *arg, const struct storage_outcome *outcome)
{
    (void)arg, (void)outcome; /* storage counts what it refuses */
}

/* What a node has that is newer than what we sent it takes the place of ours (7.4.1.1). */
static void newer_fetched(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    struct newer *newer = ctx;
    if (!outcome->err && outcome->body->fetch_ans.kind_count) {
        struct reload_store_req store = {
            .resource = id_slice(&newer->resource),
            .replica_number = 1,
            .kinds = outcome->body->fetch_ans.kinds,
            .kind_count = outcome->body->fetch_ans.kind_count,
        };
        struct storage_request request = {&store, &outcome->message->security, outcome->signer};
        storage_store(peer->ports.storage, now, &request, ignore_stored, NULL);
    }
    list_remove(&newer->order);
    mem_free(newer);
}

static void fetch_newer(struct peer *peer, struct now now, struct id node, const struct portion_sent *sent)
{
    static const struct reload_range all = {0, RELOAD_ARRAY_END};
    struct reload_models models = kind_models(&peer->config->kinds);
    struct reload_specifier specifier = {.kind = sent->kind, .model = models.model_of(models.ctx, sent->kind)};
    if (specifier.model == RELOAD_MODEL_ARRAY) {
        specifier.indices = &all;
        specifier.index_count = 1;
    }
    struct newer *newer = mem_alloc(sizeof *newer);
    if (!newer) {
        peer->counters.memory_refused++;
        return;
    }
    newer->resource = sent->resource;
    list_init(&newer->order);
    struct reload_body body = {.code = RELOAD_FETCH_REQ, .fetch_req = {id_slice(&newer->resource), &specifier, 1}};
    if (peer_transaction_start(peer, now, &(struct route){.is_node = true, .id = node}, &body, newer_fetched, newer))
        mem_free(newer);
    else
        list_append(&peer->newer, &newer->order);
}

static void portion_answered(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    struct portion_sent *sent = ctx;
    struct transfer *transfer = sent->transfer;
    bool newer = outcome->error_code == RELOAD_ERROR_DATA_TOO_OLD ||
                 outcome->error_code == RELOAD_ERROR_GENERATION_COUNTER_TOO_LOW;
    if (newer)
        fetch_newer(peer, now, transfer->node, sent);
    else if (transfer->purpose == TRANSFER_ADMIT && outcome->error_code == RELOAD_ERROR_DATA_TOO_LARGE)
        peer->counters.replicas_failed++; /* beyond a quota there, which keeps nobody out of the ring */
    else if (outcome->err && !transfer->err)
        transfer->err = outcome->err;
    list_remove(&sent->order);
    mem_free(sent);
    transfer->under_way--;
    pump(peer, now, transfer);
}

/* What the walk finds next goes out. 0, ERR_NOT_FOUND at its end, or why not. */
static int send_portion(struct peer *peer, struct now now, struct transfer *transfer, struct job *job)
{
    struct region region;
    struct storage_portion portion;
    struct buf body;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    buf_init(&body, RELOAD_MESSAGE_OCTETS_MAX);
    size_t octets = peer->config->max_message_size;
    octets = octets > 2 * PORTION_OVERHEAD_OCTETS ? octets - PORTION_OVERHEAD_OCTETS : octets / 2;
    int err = storage_walk_next(peer->ports.storage, &job->walk, now, job->replica_number, octets, &region, &portion);
    struct portion_sent *sent = err ? NULL : mem_alloc(sizeof *sent);
    if (!err) {
        struct reload_body store = {.code = RELOAD_STORE_REQ, .store_req = portion.store};
        struct route route = {.is_node = true, .id = transfer->node};
        err = sent ? reload_body_encode(&store, &body) : ERR_NO_MEMORY;
        if (!err)
            err = peer_transaction_start_octets(peer, now, &route, RELOAD_STORE_REQ, buf_slice(&body),
                                                portion.certs.ders, portion.certs.n, portion_answered, sent);
        if (!err) {
            *sent = (struct portion_sent){
                .transfer = transfer, .resource = portion.resource, .kind = portion.store.kinds[0].kind};
            list_append(&transfer->sent, &sent->order);
            transfer->under_way++;
            peer->counters.replicas_sent++;
        } else {
            mem_free(sent);
            err = err == ERR_NOT_FOUND ? ERR_CRYPTO : err; /* which would mean the end of the walk */
        }
    }
    buf_fini(&body);
    region_fini(&region);
    return err;
}

static int job_add(struct peer *peer, struct now now, struct transfer *transfer, const struct storage_walk *walk,
                   uint8_t replica_number, int64_t delay_ms, bool compare);

/* A part that differs is compared again in smaller parts, or copied. */
static void copy_part(struct peer *peer, struct now now, struct transfer *transfer, const struct comparing *comparing,
                      size_t part, const struct storage_digest *theirs)
{
    const struct comparison *with = &comparing->with;
    struct storage_digest ours;
    struct storage_walk walk;
    storage_digest(peer->ports.storage, now, with->bounds[part], with->bounds[part + 1], with->key, &ours);
    if (ours.sum == theirs->sum && ours.values == theirs->values) {
        peer->counters.ranges_alike++;
        return;
    }
    if (!ours.values)
        return;
    storage_walk_init(&walk, with->bounds[part], with->bounds[part + 1], 0);
    int err = job_add(peer, now, transfer, &walk, comparing->job->replica_number, 0,
                      with->parts > 1 && theirs->values && ours.values > COMPARE_VALUES_LEAF);
    if (err && !transfer->err)
        transfer->err = err;
}

static void compared(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome)
{
    struct comparing *comparing = ctx;
    struct transfer *transfer = comparing->transfer;
    struct job *job = comparing->job;
    struct storage_digest theirs[COMPARE_PARTS_MAX];
    transfer->under_way--;
    job->asked = false;
    if (outcome->err) {
        transfer->err = transfer->err ? transfer->err : outcome->err;
    } else if (!peer_compare_answer(outcome, &comparing->with, theirs)) {
        job->compare = false; /* it does not know of this */
    } else {
        for (size_t i = 0; i < comparing->with.parts; i++)
            copy_part(peer, now, transfer, comparing, i, &theirs[i]);
        job_free(transfer, job);
    }
    list_remove(&comparing->order);
    mem_free(comparing);
    pump(peer, now, transfer);
}

/* 0; ERR_NOT_FOUND: there is nothing in the range; or why not. */
static int compare(struct peer *peer, struct now now, struct transfer *transfer, struct job *job)
{
    struct storage *storage = peer->ports.storage;
    struct storage_digest ours;
    struct comparing *comparing = mem_alloc(sizeof *comparing);
    if (!comparing)
        return ERR_NO_MEMORY;
    struct comparison *with = &comparing->with;
    struct id from = job->walk.from, to = job->walk.to;
    with->key[0] = entropy_u64(&peer->ports.entropy);
    with->key[1] = entropy_u64(&peer->ports.entropy);
    storage_digest(storage, now, from, to, with->key, &ours);
    int err = ours.values ? 0 : ERR_NOT_FOUND;
    job->compare = ours.values >= COMPARE_VALUES_MIN;
    if (!err && job->compare) {
        with->bounds[0] = from;
        with->parts = storage_divide(storage, from, to, with->bounds + 1, COMPARE_PARTS_MAX - 1) + 1;
        with->bounds[with->parts] = to;
        err = peer_compare_start(peer, now, transfer->node, with, compared, comparing);
    }
    if (err || !job->compare) {
        mem_free(comparing);
        return err;
    }
    comparing->transfer = transfer;
    comparing->job = job;
    list_init(&comparing->order);
    list_append(&transfer->comparing, &comparing->order);
    transfer->under_way++;
    job->asked = true;
    return 0;
}

static struct job *due_job(const struct transfer *transfer, struct now now, struct mono *ret_next)
{
    *ret_next = MONO_NEVER;
    for (struct list *it = transfer->jobs.next; it != &transfer->jobs; it = it->next) {
        struct job *job = CONTAINER_OF(it, struct job, order);
        if (job->asked)
            continue;
        if (mono_due(job->not_before, now.mono))
            return job;
        *ret_next = mono_min(*ret_next, job->not_before);
    }
    return NULL;
}

/* The node does not take it, or not now: from the beginning, later, as long as it is the one that should have it. */
static void transfer_failed(struct peer *peer, struct now now, struct transfer *transfer)
{
    int err = transfer->err;
    bool wanted = transfer->purpose == TRANSFER_REPLICA && chord_is_replica_holder(peer, transfer->node);
    if (!wanted || !peer_link_to(peer, transfer->node)) {
        transfer_end(peer, now, transfer, err);
        return;
    }
    transfer->err = 0;
    struct mono again = mono_after_ms(now.mono, (int64_t)TRANSFER_RETRY_MS << transfer->retries);
    transfer->retries += transfer->retries < TRANSFER_RETRY_DOUBLINGS;
    LIST_EACH(it, &transfer->jobs)
        job_free(transfer, CONTAINER_OF(it, struct job, order));
    struct job *job = mem_alloc(sizeof *job);
    if (!job) {
        peer->counters.memory_refused++;
        transfer_end(peer, now, transfer, err);
        return;
    }
    storage_walk_init(&job->walk, chord_predecessor(peer), peer->options.self, 0);
    job->not_before = again;
    job->replica_number = 1;
    job->compare = true;
    list_init(&job->order);
    list_append(&transfer->jobs, &job->order);
    transfer->job_count = 1;
    heap_set(&peer->timers, &transfer->timer.node, again);
}

static void pump(struct peer *peer, struct now now, struct transfer *transfer)
{
    struct mono next = MONO_NEVER;
    while (!transfer->err && transfer->under_way < TRANSFER_WINDOW) {
        struct job *job = due_job(transfer, now, &next);
        if (!job)
            break;
        int err = job->compare ? compare(peer, now, transfer, job) : send_portion(peer, now, transfer, job);
        if (err == ERR_NOT_FOUND)
            job_free(transfer, job);
        else if (err)
            transfer->err = err;
    }
    if (transfer->under_way)
        return;
    if (transfer->err)
        transfer_failed(peer, now, transfer);
    else if (!transfer->job_count)
        transfer_end(peer, now, transfer, 0);
    else
        heap_set(&peer->timers, &transfer->timer.node, next);
}

static void transfer_timer_fire(struct peer *peer, struct now now, struct timer *timer)
{
    struct transfer *transfer = CONTAINER_OF(timer, struct transfer, timer);
    /* After the hold-down somebody better may have been found (10.7.1). */
    if (transfer->purpose == TRANSFER_REPLICA && !chord_is_replica_holder(peer, transfer->node) && !transfer->under_way)
        transfer_end(peer, now, transfer, ERR_CONFLICT);
    else
        pump(peer, now, transfer);
}

static struct transfer *transfer_find(const struct peer *peer, enum transfer_purpose purpose, struct id node)
{
    for (struct list *it = peer->transfers.next; it != &peer->transfers; it = it->next) {
        struct transfer *transfer = CONTAINER_OF(it, struct transfer, order);
        if (transfer->purpose == purpose && id_eq(transfer->node, node))
            return transfer;
    }
    return NULL;
}

static struct transfer *transfer_new(struct peer *peer, enum transfer_purpose purpose, struct id node)
{
    struct transfer *transfer = peer->transfer_count < TRANSFERS_MAX ? mem_alloc(sizeof *transfer) : NULL;
    if (!transfer) {
        peer->counters.replicas_failed++;
        return NULL;
    }
    list_init(&transfer->order);
    list_init(&transfer->jobs);
    list_init(&transfer->sent);
    list_init(&transfer->comparing);
    transfer->timer.fire = transfer_timer_fire;
    transfer->purpose = purpose;
    transfer->node = node;
    list_append(&peer->transfers, &transfer->order);
    peer->transfer_count++;
    return transfer;
}

/* From a timer, not at once: whoever asks for a transfer must not have it end under his feet. */
static int job_add(struct peer *peer, struct now now, struct transfer *transfer, const struct storage_walk *walk,
                   uint8_t replica_number, int64_t delay_ms, bool compare_first)
{
    struct job *job = mem_alloc(sizeof *job);
    if (!job) {
        peer->counters.memory_refused++;
        return ERR_NO_MEMORY;
    }
    list_init(&job->order);
    job->walk = *walk;
    job->not_before = mono_after_ms(now.mono, delay_ms);
    job->replica_number = replica_number;
    job->compare = compare_first;
    list_append(&transfer->jobs, &job->order);
    transfer->job_count++;
    if (!transfer->timer.node.index || job->not_before.us < transfer->timer.node.due.us)
        heap_set(&peer->timers, &transfer->timer.node, job->not_before);
    return 0;
}

int peer_transfer_start(struct peer *peer, struct now now, enum transfer_purpose purpose, struct id node,
                        struct id from, struct id to, uint8_t replica_number, int64_t delay_ms, transfer_fn *done,
                        void *ctx)
{
    struct transfer *transfer = transfer_find(peer, purpose, node);
    if (!transfer) {
        transfer = transfer_new(peer, purpose, node);
        if (!transfer)
            return ERR_LIMIT;
        transfer->from = from;
        transfer->to = to;
    }
    struct storage_walk walk;
    storage_walk_init(&walk, from, to, 0);
    int err = job_add(peer, now, transfer, &walk, replica_number, delay_ms, true);
    if (err) {
        if (!transfer->job_count && !transfer->under_way)
            transfer_free(peer, transfer);
        return err;
    }
    if (done) {
        transfer->done = done;
        transfer->ctx = ctx;
    }
    return 0;
}

/* So many changes at once that copying everything is less work than remembering them. */
static void collapse(struct peer *peer, struct now now, struct transfer *transfer, uint8_t replica_number)
{
    bool replica = transfer->purpose == TRANSFER_REPLICA;
    LIST_EACH(it, &transfer->jobs) {
        struct job *job = CONTAINER_OF(it, struct job, order);
        if (!job->asked)
            job_free(transfer, job);
    }
    struct storage_walk walk;
    storage_walk_init(&walk, replica ? chord_predecessor(peer) : transfer->from,
                      replica ? peer->options.self : transfer->to, 0);
    job_add(peer, now, transfer, &walk, replica_number, 0, true);
}

static void add_resource(struct peer *peer, struct now now, struct transfer *transfer, struct id resource,
                         uint64_t since, uint8_t replica_number)
{
    struct storage_walk walk;
    if (transfer->job_count >= TRANSFER_JOBS_MAX) {
        collapse(peer, now, transfer, replica_number);
        return;
    }
    storage_walk_resource(&walk, resource, since);
    job_add(peer, now, transfer, &walk, replica_number, 0, false);
}

void peer_transfers_stored(struct peer *peer, struct now now, struct id resource, uint64_t revision)
{
    struct id holders[PEER_NEIGHBORS_MAX];
    size_t n = peer->state == PEER_JOINED ? chord_replica_holders(peer, holders, PEER_NEIGHBORS_MAX) : 0;
    for (size_t i = 0; i < n; i++) {
        struct transfer *transfer = transfer_find(peer, TRANSFER_REPLICA, holders[i]);
        if (!transfer)
            transfer = transfer_new(peer, TRANSFER_REPLICA, holders[i]);
        if (transfer)
            add_resource(peer, now, transfer, resource, revision, (uint8_t)(i + 1));
    }
    LIST_EACH(it, &peer->transfers) {
        struct transfer *transfer = CONTAINER_OF(it, struct transfer, order);
        bool whole = id_eq(transfer->from, transfer->to);
        if (transfer->purpose != TRANSFER_REPLICA &&
            (whole || id_in_open_closed(transfer->from, resource, transfer->to)))
            add_resource(peer, now, transfer, resource, revision, 1);
    }
}

void peer_transfers_stop(struct peer *peer, struct now now, struct id node, int err)
{
    struct list *it = peer->transfers.next;
    while (it != &peer->transfers) {
        struct transfer *transfer = CONTAINER_OF(it, struct transfer, order);
        it = it->next;
        if (id_eq(transfer->node, node)) {
            transfer_end(peer, now, transfer, err);
            it = peer->transfers.next; /* its end may have begun or ended others */
        }
    }
}

bool peer_transfers_idle(const struct peer *peer)
{
    return list_empty(&peer->transfers);
}

void peer_transfers_fini(struct peer *peer)
{
    LIST_EACH(it, &peer->transfers)
        transfer_free(peer, CONTAINER_OF(it, struct transfer, order));
    LIST_EACH(it, &peer->newer) {
        struct newer *newer = CONTAINER_OF(it, struct newer, order);
        peer_transactions_forget(peer, newer);
        list_remove(&newer->order);
        mem_free(newer);
    }
}
