/* One transaction layer in virtual time, whose transport and user are the test. What happens is written down as lines of a trace:
 *
 *       500 > INVITE        sent: a request, or the status of a response
 *       600 ! 180           told to the user
 *     32000 ! TIMEOUT
 *     32000 gone            no transaction is left
 *
 * Times are milliseconds since the start. */
#ifndef TEST_SIP_STAGE_H
#define TEST_SIP_STAGE_H

#include "sip/edit.h"
#include "sip/transaction.h"
#include "testing.h"

struct sip_stage {
    struct sip_layer_config config;
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct sip_layer *layer;
    struct now now;
    struct sip_hop hop; /* of our requests */
    struct sip_flow flow;
    struct buf trace;
    struct buf request;    /* the last one that was sent, ACK and CANCEL apart */
    struct buf cancel;     /* the last CANCEL that was sent */
    struct buf ack;        /* the last ACK that was sent */
    struct buf response;   /* the last response that was sent */
    struct sip_hop answer; /* where it was sent to */
    struct buf arrived;    /* the last request that arrived, ACK and CANCEL apart */
    uint64_t client;       /* the last of each */
    uint64_t server;
    bool was_alive;
};

int stage_setup(void **state);
int stage_teardown(void **state);

/* After config was changed; with all messages over that transport. */
void stage_start(struct sip_stage *s, enum sip_transport transport);

/* Time passes; the layer is woken whenever it wants to be. */
void stage_run(struct sip_stage *s, int64_t ms);

/* The trace since the last time is this. */
#define stage_expect(s, text) assert_string_equal(stage_trace(s), text)
const char *stage_trace(struct sip_stage *s);

/* ---- as a client: the user sends a request, the network brings responses ---- */

void stage_request(struct sip_stage *s, const char *method);
void stage_answer(struct sip_stage *s, unsigned status);        /* to the request */
void stage_answer_cancel(struct sip_stage *s, unsigned status); /* to its CANCEL */

/* ---- as a server: the network brings requests, the user answers ---- */

/* Parts that a test changes; NULL: a usual value. */
struct arrival {
    const char *method;
    const char *via;
    const char *call_id;
    const char *to;
    const char *more; /* further header fields, with line ends */
    unsigned cseq;
    const char *cseq_method;
};
void stage_arrive(struct sip_stage *s, const char *method);
void stage_arrive_as(struct sip_stage *s, const struct arrival *arrival);
void stage_arrive_text(struct sip_stage *s, const char *text);
void stage_respond(struct sip_stage *s, unsigned status); /* to the last request */
int stage_try_respond(struct sip_stage *s, unsigned status);

/* What happened goes into the trace. */
void stage_drain(struct sip_stage *s);

/* A field of a message, as text in static storage; "" if there is none. */
const char *stage_field(struct slice message, enum sip_header header);

#endif
