/* Fragmentation and reassembly, RFC 6940 6.7. Any peer may cut a message for a link; only the destination puts it together. */
#ifndef RELOAD_FRAGMENT_H
#define RELOAD_FRAGMENT_H

#include "base/counter.h"
#include "base/list.h"
#include "base/time.h"
#include "reload/header.h"

#define RELOAD_FRAGMENT_REST_OCTETS_MIN 256       /* of the message behind the header in each fragment */
#define RELOAD_FRAGMENT_GROWTH_OCTETS 32          /* left free in each fragment, for the Via List to grow */
#define RELOAD_REASSEMBLY_LIFE_MS 15000           /* maximum request lifetime */
#define RELOAD_REASSEMBLY_MESSAGES_MAX 64         /* incomplete messages at a time */
#define RELOAD_REASSEMBLY_PER_SOURCE_MAX 16       /* of them from one neighbor */
#define RELOAD_REASSEMBLY_OCTETS_MAX (512 * 1024) /* of memory for all of them */
#define RELOAD_REASSEMBLY_GAPS_MAX 64             /* separate pieces of one message */

/* Cuts one message, or a fragment of one, into nearly equal fragments of at most so many octets with their headers. */
struct reload_cutter {
    struct slice rest; /* what follows the header */
    struct reload_header header;
    size_t pieces;
    size_t done; /* pieces given out */
    size_t at;   /* octets of rest given out */
};

/* 0; or ERR_RANGE when the limit leaves no room for the header and RELOAD_FRAGMENT_REST_OCTETS_MIN (fragmentation is then not
 * done, and the message goes out whole). A message that fits goes out as it is. `header` is the (maybe changed) header of
 * `message`, `received` the one that was decoded from it. */
int reload_cutter_init(struct reload_cutter *cutter, struct slice message, const struct reload_header *received,
                       const struct reload_header *header, size_t fragment_octets_max);

/* Appends the next fragment. 0, ERR_NOT_FOUND when there are no more, or the buffer's error. */
int reload_cutter_next(struct reload_cutter *cutter, struct buf *out);

/* expired: incomplete after RELOAD_REASSEMBLY_LIFE_MS; limited: a limit was reached, the new fragment gave way; contradicted:
 * pieces of one message disagree, so it was dropped. */
#define RELOAD_REASSEMBLY_COUNTERS(X) X(completed) X(expired) X(limited) X(contradicted)
COUNTERS_DECLARE(reload_reassembly_counters, RELOAD_REASSEMBLY_COUNTERS)

/* Holds the fragments of messages on their way in. */
struct reload_reassembly {
    struct list messages; /* oldest first */
    size_t message_count;
    size_t octets;
    size_t message_octets_max; /* of a reassembled message */
    struct reload_reassembly_counters counters;
};

void reload_reassembly_init(struct reload_reassembly *reassembly, size_t message_octets_max);
void reload_reassembly_fini(struct reload_reassembly *reassembly);

/* A fragment that arrived from a neighbor. Appends the whole message when this one completes it and returns 0; ERR_TRUNCATED
 * while pieces are missing; otherwise the fragment was dropped: ERR_LIMIT, ERR_NO_MEMORY, or ERR_CONFLICT (the message is dropped
 * too). Whole messages are copied through. Messages are told apart by neighbor and transaction id, so that no neighbor can spoil
 * another's. */
int reload_reassembly_input(struct reload_reassembly *reassembly, struct mono now, struct id neighbor,
                            struct slice fragment, const struct reload_header *header, struct buf *ret_message);

/* When reload_reassembly_expire has something to do, or MONO_NEVER. */
struct mono reload_reassembly_deadline(const struct reload_reassembly *reassembly);

/* Drops what is too old. */
void reload_reassembly_expire(struct reload_reassembly *reassembly, struct mono now);

#endif
