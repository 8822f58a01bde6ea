/* The reading side: who claims a number. All three copies are fetched at once. Two that name the same claimants, at least one, end the
 * look-up: it takes as long as the second fastest copy, and a peer that is slow, gone or has nothing delays nobody. Otherwise all that
 * answer are united, so that a peer that hides an entry achieves nothing. An entry counts if its key names the node that signed it and its value opens for this number and place; others are counted and
 * left out.
 *
 * Events in, effects out: drain numbers_reader_next after each event. There is no deadline: every fetch ends by an answer or a failure that
 * the environment reports, after 15 s at the latest (RFC 6940 6.2.1). */
#ifndef NUMBERS_READER_H
#define NUMBERS_READER_H

#include "base/counter.h"
#include "base/log.h"
#include "numbers/resolver.h"

#define NUMBERS_CLAIMANTS_MAX 64 /* of one number: the oldest stay */

struct numbers_reader;

struct numbers_reader_config {
    uint32_t lookups_max;   /* unfinished: beyond it ERR_LIMIT */
    uint32_t in_flight_max; /* look-ups being fetched; the others wait in order */
    uint64_t hash_seed;
};

#define NUMBERS_READER_CONFIG_DEFAULT             \
    {                                             \
        .lookups_max = 4096, .in_flight_max = 64, \
    }

/* The resolver is not owned and outlives the reader; log may be NULL. 0, ERR_NO_MEMORY, or ERR_RANGE (a limit of 0). */
int numbers_reader_new(const struct numbers_reader_config *config, struct numbers_resolver *resolver,
                       const struct log *log, struct numbers_reader **ret_reader);
void numbers_reader_free(struct numbers_reader *reader);

/* Ends in one NUMBERS_FOUND with the token. ERR_LIMIT, ERR_NO_MEMORY: it does not even begin. */
int numbers_look_up(struct numbers_reader *reader, struct now now, uint64_t token, const struct e164 *number);

/* The same, and all three copies are waited for: for who wants to see what each has. */
int numbers_look_up_all(struct numbers_reader *reader, struct now now, uint64_t token, const struct e164 *number);

struct numbers_claimant {
    struct id node_id;
    uint64_t vservice_id;
    struct wall storage_time; /* the earliest among the copies */
    uint8_t copies;           /* on how many of those that answered */
};

enum numbers_reader_effect_type { NUMBERS_FETCH, NUMBERS_FOUND };

struct numbers_reader_effect {
    enum numbers_reader_effect_type type;

    /* NUMBERS_FETCH: fetch all entries of the Kind VIPR-REGISTRATION, then numbers_fetch_done. */
    uint64_t fetch;
    struct id resource;

    /* NUMBERS_FOUND */
    uint64_t token;
    int err;           /* 0; ERR_UNREACHABLE: no copy answered; or the error of the resolver */
    unsigned answered; /* copies */
    bool
        agreed; /* two copies name the same claimants, and the third was not waited for; else, fewer than NUMBERS_COPIES that answered is
                    worth a log line, not a failure */
    const struct numbers_claimant *claimants; /* oldest first; valid until the next call of numbers_reader_next */
    size_t claimant_count;
    uint32_t discarded; /* entries that did not verify, did not open, or were too many */
};

bool numbers_reader_next(struct numbers_reader *reader, struct numbers_reader_effect *ret_effect);

/* What a fetch brought: entries whose signature is good. Slices are borrowed for the call. */
struct numbers_entry {
    struct slice key;
    struct slice value;
    struct id signer;
    struct wall storage_time;
};

/* err 0: this copy answered, with these entries (none when there are none). Unknown fetches are ignored. */
void numbers_fetch_done(struct numbers_reader *reader, struct now now, uint64_t fetch, int err,
                        const struct numbers_entry *entries, size_t count);

/* clang-format off */
#define NUMBERS_READER_COUNTERS(X)                                                                      \
    X(lookups)                                                                                          \
    X(lookups_refused)  /* lookups_max, or no memory */                                                 \
    X(found)                                                                                            \
    X(found_none)                                                                                       \
    X(agreed)  /* ended by two copies that agree */                                                     \
    X(unreachable)  /* no copy answered */                                                              \
    X(hash_failed)                                                                                      \
    X(fetches)                                                                                          \
    X(fetches_failed)                                                                                   \
    X(entries)                                                                                          \
    X(entries_malformed)  /* the key is none */                                                         \
    X(entries_other_signer)  /* the key names another node */                                           \
    X(entries_not_opened)  /* sealed by somebody who does not know the number, or for another place */  \
    X(claimants_dropped)  /* NUMBERS_CLAIMANTS_MAX */                                                   \
    X(copies_disagreed)  /* claimants that a copy which answered did not have */
/* clang-format on */
COUNTERS_DECLARE(numbers_reader_counters, NUMBERS_READER_COUNTERS)
const struct numbers_reader_counters *numbers_reader_counters(const struct numbers_reader *reader);

#endif
