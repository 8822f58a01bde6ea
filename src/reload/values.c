/* Store, Fetch, Stat and Find as they come to us (RFC 6940 7.4). What they mean is storage's; here is who asked, when it is answered, and where
 * copies go. */
#include "reload/peer_internal.h"

/* A Store that is being made durable. */
struct pending_store {
    struct list order;
    struct peer *peer;
    struct reply reply;
    bool original;
};

static void pending_free(struct pending_store *pending)
{
    list_remove(&pending->order);
    peer_reply_fini(&pending->reply);
    mem_free(pending);
}

static void stored(void *arg, const struct storage_outcome *outcome)
{
    struct pending_store *pending = arg;
    struct peer *peer = pending->peer;
    struct now now = peer->now;
    if (outcome->error_code)
        peer_answer_error_info(peer, now, &pending->reply, outcome->error_code, outcome->octets);
    else
        peer_answer_with(peer, now, &pending->reply, RELOAD_STORE_ANS, outcome->octets, NULL, 0);
    if (!outcome->error_code && outcome->changed &&
        (pending->original || peer_forward_is_ours(peer, outcome->resource)))
        peer_transfers_stored(peer, now, outcome->resource, outcome->revision);
    pending_free(pending);
    chord_join_data_came(peer, now);
    peer_settle(peer, now);
}

static void store_serve(struct peer *peer, struct now now, struct request *request)
{
    struct pending_store *pending = mem_alloc(sizeof *pending);
    if (!pending || peer_reply_init(&pending->reply, peer, &request->message->header, request->link)) {
        mem_free(pending);
        peer->counters.memory_refused++;
        peer_answer_error(peer, now, request->reply, RELOAD_ERROR_REQUEST_TIMEOUT, "out of memory");
        return;
    }
    pending->reply.requester = request->signer->node;
    pending->peer = peer;
    pending->original = request->body.store_req.replica_number == 0;
    list_init(&pending->order);
    list_append(&peer->pending_stores, &pending->order);
    struct storage_request store = {&request->body.store_req, &request->message->security, request->signer};
    storage_store(peer->ports.storage, now, &store, stored, pending);
}

static void read_serve(struct peer *peer, struct now now, struct request *request)
{
    struct storage *storage = peer->ports.storage;
    struct storage_certs certs = {0};
    struct buf body;
    uint16_t code = request->message->contents.code, error;
    buf_init(&body, peer->config->max_message_size);
    if (code == RELOAD_FETCH_REQ)
        error = storage_fetch(storage, now, &request->body.fetch_req, request->region, &body, &certs);
    else if (code == RELOAD_STAT_REQ)
        error = storage_stat(storage, now, &request->body.fetch_req, request->region, &body);
    else
        error = storage_find(storage, now, &request->body.find_req, request->region, &body);
    if (error)
        peer_answer_error_info(peer, now, request->reply, error, buf_slice(&body));
    else
        peer_answer_with(peer, now, request->reply, (uint16_t)(code + 1), buf_slice(&body), certs.ders, certs.n);
    buf_fini(&body);
}

void peer_values_serve(struct peer *peer, struct now now, struct request *request)
{
    if (request->message->contents.code == RELOAD_STORE_REQ)
        store_serve(peer, now, request);
    else
        read_serve(peer, now, request);
}

void peer_values_fini(struct peer *peer)
{
    LIST_EACH(it, &peer->pending_stores) {
        struct pending_store *pending = CONTAINER_OF(it, struct pending_store, order);
        storage_forget(peer->ports.storage, pending);
        pending_free(pending);
    }
}
