/* Call records as JSON, from telephone systems whose calls do not go through the agent (redirect mode): one object, or an array of them.
 *
 *     {"direction": "sent", "calling": "+4930200000", "called": "+4989123456",
 *      "start": "2026-03-01T12:00:00.250Z", "stop": "2026-03-01T12:01:30Z"}
 *
 * direction: sent (to the phone network) or received. start, stop: of the conversation, in UTC, or as seconds since 1970. calling: absent or null
 * if it is not known. Numbers may be as the PBX dials them. */
#ifndef AGENT_POST_H
#define AGENT_POST_H

#include "agent/dialing.h"
#include "agent/record.h"
#include "base/buf.h"

#define AGENT_POST_OCTETS_MAX 65536
#define AGENT_POST_RECORDS_MAX 256

struct agent_post_target {
    struct agent_records *records;
    uint64_t vservice_id;
    const struct agent_dial_plan *plan;
    const struct agent_short_numbers *shorts;
};

struct agent_post_answer {
    int status; /* of HTTP. 200: all of them are durable. 400: none is kept. 413; 503: sending all of them again does no harm */
    const char *error; /* "record 2: …"; NULL: none. Valid during the call */
    size_t kept;
};

/* {"error": …, "kept": n} */
void agent_post_format(const struct agent_post_answer *answer, struct buf *ret_json);

/* Called at once, or later when the store is done. */
typedef void agent_post_done_fn(void *arg, const struct agent_post_answer *answer);

void agent_post(const struct agent_post_target *target, struct slice json, agent_post_done_fn *done, void *arg);

#endif
