/* Admitting a joining node (RFC 6940 10.5, steps 5 to 8): its data first, then the Updates that make it a peer. One at a time: the range of the
 * next one depends on the one before. */
#include "reload/peer_internal.h"

struct admission {
    struct list order;
    struct id node;
    struct reply reply; /* to its Join */
    bool begun;
};

static void begin_next(struct peer *peer, struct now now);

static struct admission *first_admission(const struct peer *peer)
{
    return list_empty(&peer->admissions) ? NULL : CONTAINER_OF(peer->admissions.next, struct admission, order);
}

static void admission_free(struct peer *peer, struct admission *admission)
{
    list_remove(&admission->order);
    peer->admission_count--;
    peer_reply_fini(&admission->reply);
    mem_free(admission);
}

static void handed_over(struct peer *peer, struct now now, void *ctx, int err)
{
    struct admission *admission = ctx;
    struct id node = admission->node;
    admission_free(peer, admission);
    struct link *link = peer_link_to(peer, node);
    char hex[ID_HEX_OCTETS];
    if (!err && link && peer->state == PEER_JOINED) {
        log_event(peer->ports.log, LEVEL_INFO, "ring.admitted", "node=%s", id_format(node, hex));
        peer->counters.joins_admitted++;
        link->member = true;
        chord_node_ready(peer, now, node, true);
        chord_updates_send_neighbors(peer, now);
    } else {
        log_event(peer->ports.log, LEVEL_NOTICE, "ring.admission.failed", "node=%s error=%s", id_format(node, hex),
                  err_name(err));
        peer->counters.joins_refused++;
    }
    begin_next(peer, now);
}

static void refuse(struct peer *peer, struct now now, const struct reply *reply, uint16_t code, const char *text)
{
    peer->counters.joins_refused++;
    peer_answer_error(peer, now, reply, code, text);
}

static void begin_next(struct peer *peer, struct now now)
{
    struct admission *next;
    while ((next = first_admission(peer)) != NULL && !next->begun) {
        next->begun = true;
        if (!peer_forward_is_ours(peer, next->node)) {
            refuse(peer, now, &next->reply, RELOAD_ERROR_NOT_FOUND, "another peer is responsible by now");
            admission_free(peer, next);
            continue;
        }
        peer_answer_body(peer, now, &next->reply, &(struct reload_body){.code = RELOAD_JOIN_ANS});
        if (peer_transfer_start(peer, now, TRANSFER_ADMIT, next->node, chord_predecessor(peer), next->node, 1, 0,
                                handed_over, next) == 0)
            return;
        peer->counters.joins_refused++;
        admission_free(peer, next);
    }
}

void chord_admit_serve(struct peer *peer, struct now now, struct request *request)
{
    struct id node = request->body.join_req.joining_peer_id;
    if (!request->direct || !id_eq(node, request->signer->node)) {
        refuse(peer, now, request->reply, RELOAD_ERROR_FORBIDDEN, "a Join comes from the joining node itself");
        return;
    }
    struct admission *admission = peer->admission_count < ADMISSIONS_MAX ? mem_alloc(sizeof *admission) : NULL;
    if (!admission || peer_reply_init(&admission->reply, peer, &request->message->header, request->link)) {
        mem_free(admission);
        refuse(peer, now, request->reply, RELOAD_ERROR_IN_PROGRESS, "others are joining here");
        return;
    }
    admission->reply.requester = request->signer->node;
    admission->node = node;
    /* It has been a peer before and has not been missed yet. */
    chord_node_lost(peer, now, node, false);
    struct link *link = peer_link_to(peer, node);
    if (link)
        link->member = false;
    list_init(&admission->order);
    list_append(&peer->admissions, &admission->order);
    peer->admission_count++;
    if (first_admission(peer) == admission)
        begin_next(peer, now);
}

void chord_admit_node_lost(struct peer *peer, struct now now, struct id node)
{
    (void)now;
    LIST_EACH(it, &peer->admissions) {
        struct admission *admission = CONTAINER_OF(it, struct admission, order);
        if (!admission->begun && id_eq(admission->node, node))
            admission_free(peer, admission); /* one that has begun ends with its transfer */
    }
}

void chord_admissions_fini(struct peer *peer)
{
    LIST_EACH(it, &peer->admissions)
        admission_free(peer, CONTAINER_OF(it, struct admission, order));
}
