/* Publication of our numbers: hands the enrolled numbers to the VAP client, which refreshes them, and reports on each run through all of
 * them: when it began and ended, how many there are, which failed. */
#ifndef AGENT_PUBLISH_H
#define AGENT_PUBLISH_H

#include "agent/enrolled.h"
#include "vap/client.h"

#define AGENT_PUBLISH_FAILED_MAX 1000 /* numbers named in a report; all are counted */

struct agent_publish;

int agent_publish_new(struct agent_publish **ret_publish);
void agent_publish_free(struct agent_publish *p);

/* The numbers from now on: those that are new are published, those that are not enrolled any more are forgotten. Begins a run. ERR_LIMIT or
 * ERR_NO_MEMORY: what was published stays. */
int agent_publish_set(struct agent_publish *p, struct now now, const struct agent_enrolled *enrolled);

/* Hands numbers to the client, a part at a time. 1 if there are more: call it again in the next turn; 0 when all are handed over; or
 * ERR_NO_MEMORY: later. */
int agent_publish_feed(struct agent_publish *p, struct now now, struct vap_client *client);

/* A PUBLISHED effect of the client. */
void agent_publish_result(struct agent_publish *p, struct now now, const struct vap_client_effect *effect);

/* A run through all numbers that has ended. */
struct agent_publish_report {
    struct wall start;
    struct wall end;
    size_t count;
    size_t failed;
    size_t named; /* of failed_numbers */
    struct e164 failed_numbers[AGENT_PUBLISH_FAILED_MAX];
    char reason[160]; /* of the first failure */
};

/* The last run that ended; NULL if none has. Valid until the next call of set or result. */
const struct agent_publish_report *agent_publish_report(const struct agent_publish *p);

/* True once after a run has ended. */
bool agent_publish_completed(struct agent_publish *p);

struct agent_publish_view {
    size_t count;     /* numbers to be published */
    size_t published; /* the last result was good */
    size_t failing;   /* the last result was not */
    size_t waiting;   /* no result yet */
    struct wall run_start;
    size_t run_waiting; /* numbers without a result in the run under way */
};
void agent_publish_view(const struct agent_publish *p, struct agent_publish_view *ret_view);

#endif
