/* The table of voice call records: what both sides of a validation know about a call.
 *
 * A record is durable (KV_PVP_VCR) before its upload is acknowledged. Its id is a digest of its contents, so that the identical record,
 * uploaded again, is the same record: acknowledged, not doubled. Originating records wait for timer Tv, a random time, and are then
 * handed out to be validated; terminating records wait to be proved, at least the configured time. Made for a million records: under 200
 * octets each in memory.
 *
 * The table owns its records. Pointers to them stay valid until pvp_vcr_table_expire or _free. */
#ifndef PVP_VCR_H
#define PVP_VCR_H

#include "base/counter.h"
#include "base/e164.h"
#include "base/entropy.h"
#include "base/heap.h"
#include "base/id.h"
#include "base/kv.h"
#include "base/log.h"
#include "base/map.h"

#define PVP_CLIENT_OCTETS_MAX 255

/* As CallDirection (draft-jennings-vipr-vap-02 section 10.3.14). */
enum pvp_direction { PVP_TERMINATING = 0, PVP_ORIGINATING = 1 };

enum pvp_vcr_state {
    PVP_VCR_WAITING,    /* originating: for Tv or a retry; terminating: to be proved */
    PVP_VCR_LOOKING_UP, /* originating: who claims the number? */
    PVP_VCR_VALIDATING, /* originating */
    PVP_VCR_DONE,       /* originating: validated; terminating: consumed by the one who proved it */
    PVP_VCR_FAILED,     /* originating: see the reason; terminating: burnt */
    PVP_VCR_TOO_SHORT   /* kept for the eyes only: too little entropy */
};

/* Why a record ended without success, or waits again. */
enum pvp_vcr_reason {
    PVP_REASON_NONE,
    PVP_REASON_NOT_REGISTERED, /* nobody claims the number */
    PVP_REASON_NOT_PROVED,     /* every claimant failed */
    PVP_REASON_REFUSED,        /* a domain is on the other's list, or the number is not served there */
    PVP_REASON_UNREACHABLE,    /* tried as often as configured */
    PVP_REASON_RING_DOWN,      /* the look-up failed */
    PVP_REASON_SPACING,        /* waits: validated too recently */
    PVP_REASON_NO_SERVICE,     /* the VService of the record is not published here */
    PVP_REASON_BURNT,          /* terminating: too many failed proofs */
    PVP_REASON_BAD_ANSWER,     /* proved, but the answer broke a rule */
    PVP_REASONS
};

/* "waiting", "not_registered"; static storage. */
const char *pvp_vcr_state_name(enum pvp_vcr_state state);
const char *pvp_vcr_reason_name(enum pvp_vcr_reason reason);

/* A record as it is uploaded and shown. */
struct pvp_vcr_record {
    enum pvp_direction direction;
    struct e164 called;
    struct e164 calling; /* "" if unknown */
    struct wall start;
    struct wall stop;
    uint64_t vservice_id;
    struct slice client; /* who uploaded it (VAP user name): printable, 1 … PVP_CLIENT_OCTETS_MAX octets */
};

struct pvp_vcr; /* one record in the table */

#define PVP_VCR_COUNTERS(X) \
    X(uploads)              \
    X(uploads_identical)    \
    X(uploads_too_short)    \
    X(uploads_invalid)      \
    X(table_full)           \
    X(client_full)          \
    X(write_failed)         \
    X(expired)              \
    X(timers_fired)         \
    X(retries)
COUNTERS_DECLARE(pvp_vcr_counters, PVP_VCR_COUNTERS)

struct pvp_vcr_config {
    size_t records_max;            /* in the table; an upload beyond is ERR_LIMIT, counter table_full */
    size_t records_per_client_max; /* counter client_full */
    int64_t min_call_ms;           /* shorter calls are not used: 10 s */
    int64_t tv_min_ms;             /* timer Tv, section 9.8.1: 30 s */
    int64_t tv_max_ms;             /* … the maximum validation time */
    int64_t keep_terminating_ms;   /* from the upload on, at least */
    int64_t keep_finished_ms; /* how long an originating record is kept after its end, for show and against doubles */
    unsigned tries_max;       /* retries of an originating record whose peers cannot be reached */
    uint64_t hash_seed;
};

#define PVP_VCR_CONFIG_DEFAULT                                                                               \
    {                                                                                                        \
        .records_max = 1000000, .records_per_client_max = 1000000, .min_call_ms = 10000, .tv_min_ms = 30000, \
        .tv_max_ms = INT64_C(24) * 3600 * 1000, .keep_terminating_ms = INT64_C(7) * 24 * 3600 * 1000,        \
        .keep_finished_ms = INT64_C(24) * 3600 * 1000, .tries_max = 8                                        \
    }

struct pvp_vcr_table;

/* Ports are borrowed; log may be NULL. Loads what is stored; records that were being looked up or validated wait again. */
int pvp_vcr_table_new(const struct pvp_vcr_config *config, const struct kv *kv, const struct entropy *entropy,
                      const struct log *log, struct now now, struct pvp_vcr_table **ret_table);

/* The store must not complete any more what is under way. */
void pvp_vcr_table_free(struct pvp_vcr_table *t);

const struct pvp_vcr_counters *pvp_vcr_table_counters(const struct pvp_vcr_table *t);

/* Settings that may change while it runs: for records that are uploaded from now on. */
void pvp_vcr_table_set_delay(struct pvp_vcr_table *t, int64_t tv_min_ms, int64_t tv_max_ms);
void pvp_vcr_table_set_min_call(struct pvp_vcr_table *t, int64_t min_call_ms);

/* Takes a record in. 0: done will be called, never from within, when it is durable (0) or lost; the identical record is acknowledged the
 * same way. Otherwise nothing was taken and done is not called: ERR_RANGE (stop before start, invalid number or client), ERR_LIMIT,
 * ERR_NO_MEMORY or the store's error. */
int pvp_vcr_upload(struct pvp_vcr_table *t, struct now now, const struct pvp_vcr_record *record, kv_done_fn *done,
                   void *arg);

/* The next originating record whose time has come (now LOOKING_UP, and the caller's to see through), or NULL. Whoever has enough to do
 * simply does not ask. */
struct pvp_vcr *pvp_vcr_table_due(struct pvp_vcr_table *t, struct now now);

/* When pvp_vcr_table_due has something. */
struct mono pvp_vcr_table_deadline(const struct pvp_vcr_table *t);

/* Drops what is kept no longer: pointers to records become invalid. Returns when to call it again. */
struct mono pvp_vcr_table_expire(struct pvp_vcr_table *t, struct now now);

/* By id; NULL if not there (or not yet durable). */
struct pvp_vcr *pvp_vcr_find(const struct pvp_vcr_table *t, const struct id *id);

struct id pvp_vcr_id(const struct pvp_vcr *v);
enum pvp_vcr_state pvp_vcr_state(const struct pvp_vcr *v);
enum pvp_vcr_reason pvp_vcr_reason(const struct pvp_vcr *v);
unsigned pvp_vcr_tries(const struct pvp_vcr *v);

/* Unpacks it; the client's slice lives as long as the record. */
void pvp_vcr_get(const struct pvp_vcr *v, struct pvp_vcr_record *ret_record);

/* When it fires or is dropped. */
struct wall pvp_vcr_due(const struct pvp_vcr *v);

/* Originating: the look-up brought claimants. Not durable: after a restart it begins again. */
void pvp_vcr_validating(struct pvp_vcr_table *t, struct pvp_vcr *v);

/* Originating: the end (DONE or FAILED). Written at once (kv_put); the caller commits, so that it can be one write with what else ended
 * (pool, routes), or passes commit = true. */
int pvp_vcr_finish(struct pvp_vcr_table *t, struct pvp_vcr *v, struct now now, enum pvp_vcr_state state,
                   enum pvp_vcr_reason reason, bool commit);

/* Originating: waits again. counts: an attempt that could not be made, of which there are tries_max (then FAILED with this reason);
 * otherwise a postponement. */
int pvp_vcr_retry(struct pvp_vcr_table *t, struct pvp_vcr *v, struct now now, int64_t after_ms,
                  enum pvp_vcr_reason reason, bool counts);

/* Counts over all records. */
struct pvp_vcr_totals {
    size_t records;
    size_t originating;
    size_t terminating;
    size_t pending; /* originating, waiting for Tv or a retry */
    size_t active;  /* originating, looked up or validated */
};
void pvp_vcr_table_totals(const struct pvp_vcr_table *t, struct pvp_vcr_totals *ret_totals);

/* For lists and explain. called may be NULL (all); a return other than 0 ends it with that value. Order: none. */
typedef int pvp_vcr_each_fn(void *arg, const struct pvp_vcr *v);
int pvp_vcr_each(const struct pvp_vcr_table *t, const struct e164 *called, pvp_vcr_each_fn *each, void *arg);

#endif
