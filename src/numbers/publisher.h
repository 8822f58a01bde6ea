/* The publishing side: keeps the numbers of this server's clients in the ring.
 *
 * A publication is a number and a VServiceID, held under our Node-ID; its three copies are stored at a paced rate. The one who asked is
 * told of success only when all three are stored (VAP 9.4.2). A copy that is refused or times out is tried again with growing intervals for
 * as long as the publication is held: also after its failure was reported. Copies are stored again well before they expire.
 *
 * A server may have several Node-IDs, each with a quota of its own: a publication belongs to the first one that has room when it is asked for,
 * and stays with it.
 *
 * A publication is held for hold_s from when it was last asked for (clients learn it as DHTLifetime); then it ends, and its copies expire
 * in the ring by themselves. It is durable before anything is stored: after a restart the publisher goes on where it was.
 *
 * Events in, effects out: drain numbers_publisher_next after each event, come back at numbers_publisher_deadline. */
#ifndef NUMBERS_PUBLISHER_H
#define NUMBERS_PUBLISHER_H

#include "base/counter.h"
#include "base/kv.h"
#include "base/log.h"
#include "numbers/resolver.h"

struct numbers_publisher;

#define NUMBERS_NODES_MAX 16 /* Node-IDs of one server */

struct numbers_publisher_config {
    struct id self;         /* node 0 */
    uint32_t quota;         /* Q of the ring: publications of one Node-ID at most */
    uint32_t lifetime_s;    /* of copies in the ring */
    uint32_t hold_s;        /* of a publication; if longer than lifetime_s, copies are refreshed without being asked */
    uint32_t stores_per_s;  /* the Store Rate Limit; 0: none */
    uint32_t in_flight_max; /* stores without an answer */
    uint32_t waiters_max;   /* unanswered requests for one publication: more are answered NUMBERS_BUSY */
    uint32_t answer_attempts; /* a failure is reported when each missing copy failed so often … */
    int64_t answer_ms;        /* … or after so long; below the client's transaction timeout of 39.5 s (VAP 5) */
    int64_t retry_min_ms;     /* doubled after each failure of a copy … */
    int64_t retry_max_ms;     /* … up to this, each with a fifth more or less at random */
    uint64_t hash_seed;
};

#define NUMBERS_PUBLISHER_CONFIG_DEFAULT                                                                              \
    {                                                                                                                 \
        .quota = 10000, .lifetime_s = 7 * 86400, .hold_s = 7 * 86400, .stores_per_s = 20, .in_flight_max = 64,        \
        .waiters_max = 8, .answer_attempts = 2, .answer_ms = 35000, .retry_min_ms = 2000, .retry_max_ms = 10 * 60000, \
    }

struct numbers_publisher_ports {
    struct numbers_resolver *resolver; /* not owned; outlives the publisher */
    const struct kv *kv; /* table KV_NUMBERS; the same. It must not call back once the publisher is freed */
    struct entropy entropy;
    const struct log *log; /* may be NULL */
};

/* 0, ERR_NO_MEMORY, or ERR_RANGE (a limit or a time of 0). */
int numbers_publisher_new(const struct numbers_publisher_config *config, const struct numbers_publisher_ports *ports,
                          struct numbers_publisher **ret_publisher);
void numbers_publisher_free(struct numbers_publisher *publisher);

/* Takes up what was held before the restart. Call it once, first. Rows that do not hold together are counted and removed. 0, or the kv
 * port's error. */
int numbers_publisher_load(struct numbers_publisher *publisher, struct now now);

/* A further Node-ID, by its number; NULL: it is gone for good, and what belongs to it moves to the others, in spite of their quotas. What an
 * earlier life has published under a Node-ID waits until that is set. */
void numbers_publisher_set_node(struct numbers_publisher *publisher, struct now now, unsigned number,
                                const struct id *node);

/* The Node-ID that this number is published under; false if it is not. */
bool numbers_publisher_node_of(const struct numbers_publisher *publisher, const struct e164 *number,
                               uint64_t vservice_id, unsigned *ret_number);

/* ---- requests ---- */

enum numbers_outcome {
    NUMBERS_PUBLISHED,
    NUMBERS_REMOVED,
    NUMBERS_OVER_QUOTA,       /* our own quota is used up; nothing was changed */
    NUMBERS_REFUSED_QUOTA,    /* a storing peer has no room for us (Error_Data_Too_Large): tried again later */
    NUMBERS_REFUSED,          /* a storing peer refused for another reason: tried again later */
    NUMBERS_RING_UNAVAILABLE, /* no answer, or we are not in the ring: tried again later */
    NUMBERS_HASH_FAILED,      /* no memory for the slow hash, or too many are waiting: tried again later */
    NUMBERS_NOT_SAVED,        /* the disk failed; nothing was changed */
    NUMBERS_BUSY,             /* waiters_max, or no memory; nothing was changed */
    NUMBERS_SUPERSEDED,       /* the opposite was asked for meanwhile */
    NUMBERS_UNKNOWN           /* to be removed, but not published here */
};
const char *numbers_outcome_name(enum numbers_outcome outcome); /* "over_quota" */
const char *numbers_outcome_text(enum numbers_outcome outcome); /* for people; never a number */

/* Each request ends in one NUMBERS_DONE effect with its token. Asking again for what is published stores it again. The request is taken up
 * once the kv port has told that it is durable: ask for the deadline after that. 0, or ERR_NO_MEMORY: as if it had not been made. */
int numbers_publish(struct numbers_publisher *publisher, struct now now, uint64_t token, const struct e164 *number,
                    uint64_t vservice_id);

/* Stores nonexistent values in place of the copies (RFC 6940 7.4.1.3). */
int numbers_unpublish(struct numbers_publisher *publisher, struct now now, uint64_t token, const struct e164 *number,
                      uint64_t vservice_id);

/* ---- effects ---- */

enum numbers_publisher_effect_type { NUMBERS_STORE, NUMBERS_DONE };

struct numbers_publisher_effect {
    enum numbers_publisher_effect_type type;

    /* NUMBERS_STORE: store one dictionary entry of the Kind VIPR-REGISTRATION, then numbers_store_done. The slices are valid until then. */
    uint64_t store;
    unsigned node; /* number of the Node-ID that signs it */
    struct id resource;
    struct slice key;
    struct slice value; /* empty unless exists */
    bool exists;
    uint32_t lifetime_s;

    /* NUMBERS_DONE */
    uint64_t token;
    enum numbers_outcome outcome;
    struct e164 number;
    uint64_t vservice_id;
    unsigned copies; /* in the ring, as far as we know */
};

/* False when there is nothing left to do. */
bool numbers_publisher_next(struct numbers_publisher *publisher, struct numbers_publisher_effect *ret_effect);

/* The ring's answer: err as peer_result's, error_code from the ring (enum reload_error_code) or 0. Unknown stores are ignored. */
void numbers_store_done(struct numbers_publisher *publisher, struct now now, uint64_t store, int err,
                        uint16_t error_code);

void numbers_publisher_tick(struct numbers_publisher *publisher, struct now now);
struct mono numbers_publisher_deadline(const struct numbers_publisher *publisher);

/* The ring has dropped what we stored, as after a ban: everything is hashed and stored again. */
void numbers_publisher_again(struct numbers_publisher *publisher, struct now now);

/* Another ring configuration: its profile has been set in the resolver. If that differs, everything is hashed and stored again; else the
 * lifetime counts from the next store on. hold_s becomes at least the lifetime, which clients are told to refresh by. */
void numbers_publisher_reconfigure(struct numbers_publisher *publisher, struct now now, uint32_t quota,
                                   uint32_t lifetime_s);

/* The certificate of a Node-ID is another one since then, and the one before ends at `until`: copies that were stored before and live longer are stored
 * again, spread over half of the time that is left (RFC 6940 5.1: their signatures end with the certificate). */
void numbers_publisher_sign_again(struct numbers_publisher *publisher, struct now now, unsigned node, struct wall since,
                                  struct wall until);

/* ---- looking at it ---- */

/* For the Quota attribute of VAP (9.4.1): how many numbers may be, and are, published. */
void numbers_publisher_quota(const struct numbers_publisher *publisher, uint32_t *ret_limit, uint32_t *ret_current);

enum numbers_state {
    NUMBERS_SAVING,  /* not durable yet */
    NUMBERS_HASHING, /* its Resource-IDs are being computed */
    NUMBERS_STORING, /* copies are waiting for their turn, under way or to be tried again */
    NUMBERS_STORED,  /* all copies are in the ring */
    NUMBERS_REMOVING
};
const char *numbers_state_name(enum numbers_state state);

struct numbers_copy_info {
    bool known;         /* its Resource-ID is */
    bool stored;        /* and not expired */
    struct id resource; /* if known */
    bool failed;        /* the last attempt did, with this outcome */
    enum numbers_outcome outcome;
    uint16_t error_code;   /* of the ring, or 0 */
    unsigned attempts;     /* in vain, since it was last stored */
    struct wall stored_at; /* last; 0 if never */
    struct mono next;      /* attempt, or MONO_NEVER */
};

struct numbers_info {
    struct e164 number;
    uint64_t vservice_id;
    enum numbers_state state;
    unsigned copies; /* stored */
    struct wall held_until;
    struct numbers_copy_info copy[NUMBERS_COPIES];
};

typedef void numbers_info_fn(void *arg, const struct numbers_info *info);
void numbers_publisher_each(const struct numbers_publisher *publisher, struct now now, numbers_info_fn *each,
                            void *arg);

/* One number, of all VServices. */
void numbers_publisher_each_of(const struct numbers_publisher *publisher, struct now now, const struct e164 *number,
                               numbers_info_fn *each, void *arg);

struct numbers_publisher_view {
    uint32_t publications;
    uint32_t stored;    /* of them, with all copies in the ring */
    uint32_t queued;    /* copies waiting for their turn */
    uint32_t in_flight; /* stores without an answer */
};
void numbers_publisher_view(const struct numbers_publisher *publisher, struct now now,
                            struct numbers_publisher_view *ret_view);

/* clang-format off */
#define NUMBERS_PUBLISHER_COUNTERS(X)                                 \
    X(publish_requests)                                               \
    X(unpublish_requests)                                             \
    X(published)  /* requests answered with success */                \
    X(removed)  /* the same */                                        \
    X(failed)  /* requests answered otherwise */                      \
    X(over_quota)  /* our own */                                      \
    X(refused_waiters)  /* waiters_max */                             \
    X(stores)  /* handed out */                                       \
    X(stores_good)                                                    \
    X(stores_refused_quota)  /* a storing peer has no room for us */  \
    X(stores_refused)  /* for other reasons */                        \
    X(stores_unavailable)  /* no answer, or nobody responsible */     \
    X(retries)  /* of stores */                                       \
    X(refreshes)                                                      \
    X(signed_again)  /* copies to be stored again under another certificate */ \
    X(publications_ended)  /* removed, or not held any longer */      \
    X(hash_failed)                                                    \
    X(seal_failed)                                                    \
    X(write_failed)  /* of the kv port */                             \
    X(rows_loaded)                                                    \
    X(rows_bad)  /* malformed, or held no longer */
/* clang-format on */
COUNTERS_DECLARE(numbers_publisher_counters, NUMBERS_PUBLISHER_COUNTERS)
const struct numbers_publisher_counters *numbers_publisher_counters(const struct numbers_publisher *publisher);

#endif
