/* What the publisher's tests share: a publisher between a disk in memory, a ring that answers when the test says so, and virtual time.
 * Everything that comes out is written to a trace, one line each with its time in milliseconds. */
#ifndef TEST_NUMBERS_PUBLISHER_WORLD_H
#define TEST_NUMBERS_PUBLISHER_WORLD_H

#include "base/buf.h"
#include "numbers/publisher.h"
#include "reload/codes.h"
#include "store/memory.h"
#include "testing.h"

#define VSERVICE UINT64_C(0x7eeb6a7036478351)
#define OTHER_VSERVICE UINT64_C(1)

#define WORLD_NUMBERS 4
extern const struct e164 one, two, three, four;

struct sent {
    uint64_t store;
    const struct e164 *number;
    unsigned copy;
    bool answered;
};

struct world {
    struct now now;
    struct numbers_publisher_config config;
    struct numbers_profile profile;
    struct memory_store *disk;
    struct seeded_entropy seed;
    struct numbers_resolver *resolver;
    struct numbers_publisher *publisher;
    struct numbers_slot slots[WORLD_NUMBERS][NUMBERS_COPIES]; /* as they must be: derived before memory gets short */
    uint64_t slots_generation;
    struct buf trace;
    struct sent sent[64];
    size_t sent_count;
    uint64_t jobs[8]; /* of the slow hash */
    struct e164 hashed[8];
    size_t job_count;
    bool disk_is_slow;    /* commits wait for memory_store_turn */
    bool memory_is_short; /* mem_fail_at is set: nothing is allocated to check what comes out */
};

/* A configuration to be changed before world_make: ten stores a second, publications held for 30 days. */
void world_begin(struct world *w);

/* A process that starts. */
void world_make(struct world *w);

void world_finish(struct world *w);

/* Does what is due now, and takes everything out. */
void world_settle(struct world *w);

/* Since the start. */
int64_t world_ms(const struct world *w);

/* At once, without anything happening on the way. */
void world_set_time(struct world *w, struct mono t);

/* Lets time pass, deadline by deadline. */
void world_run_to(struct world *w, int64_t until_ms);

/* Requests for VSERVICE. */
void world_publish(struct world *w, uint64_t token, const struct e164 *number);
void world_unpublish(struct world *w, uint64_t token, const struct e164 *number);

/* The ring answers the last unanswered store of this copy. */
void world_reply(struct world *w, const struct e164 *number, unsigned copy, int err, uint16_t error_code);

/* It answers all of them, or the unanswered ones among the first, with success. */
void world_reply_all(struct world *w);
void world_reply_all_of(struct world *w, size_t count);

/* Lets time pass while the ring answers every store at once. */
void world_run_answered_to(struct world *w, int64_t until_ms);

/* NULL unless there is exactly one; valid until the next call. */
const struct numbers_info *world_info_of(struct world *w, const struct e164 *number);

/* Publications, and how many of them have all copies in the ring. */
void world_assert_counts(struct world *w, unsigned publications, unsigned stored);

/* Milliseconds from now to the next store, with the ring silent. */
int64_t world_next_store_after(struct world *w, size_t sent_before);

/* A process that is killed, and another one on its disk: what was not durable does not count, and the trace begins anew. */
void world_restart(struct world *w);

/* The slow hash of the i-th job is done. */
void world_end_job(struct world *w, size_t i, int err);

#define assert_trace(w, expected)                             \
    do {                                                      \
        assert_string_equal(buf_text(&(w)->trace), expected); \
        buf_clear(&(w)->trace);                               \
    } while (0)

#endif
