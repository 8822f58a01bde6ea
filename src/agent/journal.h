/* What became of each call: which way it went, why, and when; what `imectl agent explain` and `imectl agent calls` tell. Durable and bounded; the
 * oldest records give way. Nobody waits for a record: losing the last ones in a crash loses an explanation, not a call. */
#ifndef AGENT_JOURNAL_H
#define AGENT_JOURNAL_H

#include "agent/cause.h"
#include "agent/options.h"
#include "base/e164.h"
#include "base/kv.h"
#include "base/time.h"
#include "sip/uri.h"

#define CALL_STEPS_MAX 8
#define CALL_STEP_TEXT_OCTETS 120
#define CALL_ID_OCTETS_MAX 128 /* longer ones are kept up to here */
#define CALL_NAME_OCTETS_MAX 63

enum call_direction { CALL_OUTBOUND, CALL_INBOUND }; /* from the PBX; to it */

/* One way that was tried, or not taken. */
struct call_step {
    enum agent_side side;
    enum agent_cause cause; /* AGENT_CAUSE_NONE: it worked, or a reason that has no code */
    unsigned status;        /* of the answer; 0: it was not tried, or nobody answered */
    struct wall at;
    char text[CALL_STEP_TEXT_OCTETS + 1]; /* for people: "trunk carrier-1", "b.example: no connection within 4s" */
};

struct call_record {
    uint64_t sequence; /* given by the journal */
    enum call_direction direction;
    enum agent_side from;
    enum agent_side to;  /* of the last way taken */
    struct e164 calling; /* "" if it is no such number */
    struct e164 called;
    char dialed[SIP_DIALED_MAX + 1];
    char call_id[CALL_ID_OCTETS_MAX + 1];       /* of the A leg */
    char other_call_id[CALL_ID_OCTETS_MAX + 1]; /* of the last B leg */
    struct wall begun_at;
    struct wall answered_at;                 /* 0: never */
    struct wall ended_at;                    /* 0: in progress */
    unsigned status;                         /* that the caller got; 0: none yet */
    char ended_by[CALL_NAME_OCTETS_MAX + 1]; /* "the caller", "the called side", "the agent: …" */
    unsigned step_count;
    struct call_step steps[CALL_STEPS_MAX];
};

struct call_journal;

/* Reads what is stored; calls that were in progress then are closed as of now. Records that cannot be read are dropped. 0, ERR_NO_MEMORY. */
int call_journal_new(const struct kv *kv, size_t records_max, struct now now, struct call_journal **ret_journal);
void call_journal_free(struct call_journal *j); /* NULL is allowed */

/* Takes a record, the first time (sequence 0) as a new one. It goes to the store with the next flush, so that calls do not wait for the disk. */
void call_journal_write(struct call_journal *j, struct call_record *record);

/* Writes what has changed; false if nothing had. */
bool call_journal_flush(struct call_journal *j);

/* The newest first; fn returns false to stop. */
typedef bool call_journal_fn(void *ctx, const struct call_record *record);
void call_journal_each(const struct call_journal *j, call_journal_fn *fn, void *ctx);

/* The records of a number (calling or called) or of a Call-ID, the newest first. */
void call_journal_find(const struct call_journal *j, struct slice number_or_call_id, call_journal_fn *fn, void *ctx);

size_t call_journal_count(const struct call_journal *j);

/* Why it went as it did, in sentences. Appends. */
void call_record_explain(const struct call_record *record, struct buf *out);

#endif
