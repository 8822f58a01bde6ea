/* Comparing before copying: a peer that came back with its disk, or that a partition kept from us, has most of what we would send it. A Ping to
 * it carries the bounds of some parts of the ring, its answer a digest of each; what is alike is not sent.
 *
 *     request   key (16 octets), then two bounds or more (16 octets each)
 *     answer    per part: digest (8 octets), number of values (4 octets) */
#include "reload/peer_internal.h"

#include "base/reader.h"

#define PART_OCTETS 12

static const struct reload_extension *extension_of(const struct reload_message *message)
{
    for (size_t i = 0; i < message->contents.extension_count; i++)
        if (message->contents.extensions[i].type == COMPARE_EXTENSION)
            return &message->contents.extensions[i];
    return NULL;
}

int peer_compare_start(struct peer *peer, struct now now, struct id node, const struct comparison *comparison,
                       answer_fn *done, void *ctx)
{
    struct buf bounds, body;
    struct reload_body ping = {.code = RELOAD_PING_REQ};
    buf_init(&bounds, RELOAD_MESSAGE_OCTETS_MAX);
    buf_init(&body, RELOAD_MESSAGE_OCTETS_MAX);
    buf_u64(&bounds, comparison->key[0]);
    buf_u64(&bounds, comparison->key[1]);
    for (size_t i = 0; i <= comparison->parts; i++)
        buf_slice_put(&bounds, id_slice(&comparison->bounds[i]));
    reload_body_encode(&ping, &body);
    struct reload_extension extension = {COMPARE_EXTENSION, false, buf_slice(&bounds)};
    struct reload_contents contents = {RELOAD_PING_REQ, buf_slice(&body), &extension, 1};
    struct route route = {.is_node = true, .id = node};
    int err = bounds.err ? bounds.err : body.err;
    if (!err)
        err = peer_transaction_start_contents(peer, now, &route, &contents, NULL, 0, done, ctx);
    if (!err)
        peer->counters.compares_sent++;
    buf_fini(&bounds);
    buf_fini(&body);
    return err;
}

bool peer_compare_answer(const struct outcome *outcome, const struct comparison *comparison,
                         struct storage_digest *ret_digests)
{
    const struct reload_extension *extension = outcome->message ? extension_of(outcome->message) : NULL;
    if (!extension || extension->contents.n != comparison->parts * PART_OCTETS)
        return false;
    struct reader r;
    reader_init(&r, extension->contents);
    for (size_t i = 0; i < comparison->parts; i++) {
        ret_digests[i].sum = read_u64(&r, "digest");
        ret_digests[i].values = read_u32(&r, "number of values");
    }
    return true;
}

/* Who may make us look through a range: peers of our table, who admits us, and anybody for what is ours alone, because it may have been theirs. */
static bool may_compare(const struct peer *peer, const struct request *request, struct id from, struct id to)
{
    struct id node = request->signer->node;
    if (chord_table_has(&peer->table, node) || chord_join_is_admitting(peer, node))
        return true;
    return peer_forward_is_ours(peer, to) && peer_forward_is_ours(peer, id_add(from, id_power_of_two(0))) &&
           id_cmp(id_sub(to, from), id_sub(to, chord_predecessor(peer))) <= 0;
}

bool peer_compare_serve(struct peer *peer, struct now now, const struct request *request, struct buf *out)
{
    const struct reload_extension *extension = extension_of(request->message);
    size_t octets = extension ? extension->contents.n : 0;
    if (octets < 16 + 2 * ID_OCTETS || octets % ID_OCTETS || octets > 16 + (COMPARE_PARTS_MAX + 1) * ID_OCTETS)
        return false;
    struct reader r;
    uint64_t key[2];
    struct id bounds[COMPARE_PARTS_MAX + 1];
    size_t parts = octets / ID_OCTETS - 2;
    reader_init(&r, extension->contents);
    key[0] = read_u64(&r, "key");
    key[1] = read_u64(&r, "key");
    for (size_t i = 0; i <= parts; i++)
        read_copy(&r, bounds[i].octets, ID_OCTETS, "bound");
    /* Parts one behind the other, once around the ring at most. */
    for (size_t i = 1; i < parts; i++)
        if (!id_in_open_open(bounds[i - 1], bounds[i], bounds[parts]))
            return false;
    if (!may_compare(peer, request, bounds[0], bounds[parts]))
        return false;
    peer->counters.compares_served++;
    for (size_t i = 0; i < parts; i++) {
        struct storage_digest digest;
        storage_digest(peer->ports.storage, now, bounds[i], bounds[i + 1], key, &digest);
        buf_u64(out, digest.sum);
        buf_u32(out, digest.values);
    }
    return true;
}
