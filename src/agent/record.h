/* Call records (VCRs) on their way to the IME server: every call that went over the phone network. A record is on disk before its giver
 * is told so, and leaves it when a server has acknowledged it, or when nobody can use it any more. */
#ifndef AGENT_RECORD_H
#define AGENT_RECORD_H

#include "base/counter.h"
#include "base/kv.h"
#include "base/time.h"
#include "vap/message.h"

struct agent_records;

#define AGENT_RECORD_SERVICES_MAX 16

struct agent_records_config {
    size_t records_max;  /* kept at most; beyond: ERR_LIMIT and the counter limit_records */
    int64_t lifetime_ms; /* after the call's end: older ones are no use to any server */
    int64_t retry_ms;    /* after a failure that may pass */
};

/* 100,000; two days; a minute. */
void agent_records_config_init(struct agent_records_config *config);

/* clang-format off */
#define AGENT_RECORD_COUNTERS(X) \
    X(added) X(invalid) X(limit_records) X(limit_services) X(not_stored) X(sent) X(acknowledged) X(retried) X(refused) X(expired) \
    X(corrupt_rows)
/* clang-format on */

COUNTERS_DECLARE(agent_record_counters, AGENT_RECORD_COUNTERS)

/* Reads what is stored. kv must outlive it. */
int agent_records_new(const struct agent_records_config *config, const struct kv *kv, struct now now,
                      struct agent_records **ret_records);

/* What waits for a record that is not durable yet is told ERR_CLOSED. The store must not complete what it still has of this queue. */
void agent_records_free(struct agent_records *q);

typedef void agent_record_done_fn(void *arg, int err);

/* Takes a copy. done (may be NULL) is called later, once: 0 when the record is durable, or the store's error: then it is not kept. At
 * once, without done: ERR_RANGE (stops before it starts, or has no called number), ERR_LIMIT, ERR_NO_MEMORY, or the store's error. */
int agent_records_add(struct agent_records *q, const struct vap_vcr *vcr, agent_record_done_fn *done, void *arg);

/* The next durable record of a VService that is due to be sent, oldest first; it is then under way until one of the three below. False if
 * there is none. */
bool agent_records_take(struct agent_records *q, struct now now, uint64_t vservice_id, struct vap_vcr *ret_vcr,
                        uint64_t *ret_token);

/* How it went. A lost removal only repeats an upload: nobody waits for it. */
void agent_records_acknowledged(struct agent_records *q, uint64_t token);
void agent_records_refused(struct agent_records *q, uint64_t token);                /* for good: dropped, counted */
void agent_records_failed(struct agent_records *q, struct now now, uint64_t token); /* tried again after retry_ms */
void agent_records_put_back(struct agent_records *q, uint64_t token);               /* not sent after all */

/* Drops what is too old. */
void agent_records_tick(struct agent_records *q, struct now now);

/* When a record becomes due again or too old. */
struct mono agent_records_deadline(const struct agent_records *q);

struct agent_records_view {
    size_t kept;           /* all of them */
    size_t writing;        /* not durable yet */
    size_t under_way;      /* sent, not acknowledged */
    struct wall oldest_at; /* end of the oldest call; 0: none */
};
void agent_records_view(const struct agent_records *q, struct agent_records_view *ret_view);
const struct agent_record_counters *agent_records_counters(const struct agent_records *q);

#endif
