/* Calls that move to the phone network while people talk, and come back: what the rest of the agent asks and tells of it. The objects:
 * fallback_private.h.
 *
 * Everything is a no-op for a call that cannot move: one without a direct leg, without a fallback number, or without ports for media of our own. */
#ifndef AGENT_FALLBACK_H
#define AGENT_FALLBACK_H

#include "agent/agent.h"

struct attempt;
struct call;
struct end;
struct fallback;
struct detour;
struct pair;
struct relay;
struct sip_edit;
struct trunk;

#define EDGE_SENSITIVITY_HEADER \
    "X-IME-Sensitivity" /* in INVITE, 1xx and 2xx: how soon the edge is to find the call bad */

void fallbacks_init(struct agent *a);
void fallbacks_fini(struct agent *a);
void fallbacks_stop(struct agent *a);
void fallbacks_sweep(struct agent *a); /* what was needed for one event only */

/* ---- set-up (fallback_offer.c) ---- */

/* The first INVITE goes that way, direct: says that we are ready, and how sensitive the call is. */
void fallback_offer_invite(struct attempt *at, struct sip_edit *e);
/* A 1xx or 2xx to a first INVITE goes back to another company: it is found out whether we can, and our number is offered. */
void fallback_offer_prepare(struct call *c, unsigned status, const struct sip_message *request);
void fallback_offer_answer(struct call *c, unsigned status, struct sip_edit *e);
/* It was answered on that pair. request: the INVITE. */
void fallback_answered(struct call *c, struct pair *pair, const struct sip_message *request,
                       const struct sip_message *response);

/* ---- while it lasts ---- */

/* Descriptions that go from one end to another: *ret_body is what is sent in place of the body; empty: the body goes as it is. ERR_CONFLICT and others: the
 * other end cannot be told that. request: of a response, else NULL. Ends NULL: of a first request. */
int fallback_pass(struct call *c, struct end *from, struct end *to, const struct sip_message *m,
                  const struct sip_message *request, struct slice *ret_body);

/* A request inside of a dialog. True: it was between agents, or cannot be passed on now; it has its answer. */
bool fallback_takes(struct end *end, const struct sip_event *event);
/* The same for BYE, which has its answer: true if the call goes on. */
bool fallback_goes_on(struct end *end, const struct sip_message *bye);
/* The phone's way has ended, and another one is looked for: what is answered to requests of it, without ending the call (RFC 5057 5.1). */
bool fallback_between(const struct end *end);
unsigned fallback_not_now(enum sip_method method);
void fallback_acked(struct end *end); /* the 2xx that was sent there */
/* An answer of ours was never acknowledged, or the other side of an end has gone. True: the call goes on. */
bool fallback_unacknowledged(struct end *end);
bool fallback_survives(struct end *end);
/* The other side of an end has answered a request with that: it no longer knows the dialog, or is not heard. True: whoever asked is not to hear of it, for
 * there is another way, which is taken by fallback_suspect. */
void fallback_passed(struct end *to, enum sip_method method,
                     unsigned status); /* that end has answered such a request */
bool fallback_hides(const struct end *end, unsigned status);
void fallback_suspect(struct end *end);
/* Something that kept a dialog busy may be over. */
void fallback_stirred(struct call *c);
void fallback_quality(struct call *c, bool is_bad);
/* The connection there has ended, or could not be made. */
void fallback_connection_lost(struct agent *a, const struct sip_hop *hop);
/* Ends what is left of it; the call is over. */
void fallback_over(struct call *c);
void fallback_free(struct call *c);
/* The leg to the phone network that a call has, or NULL. */
struct end *fallback_leg(const struct call *c);
/* What the phone network may say of it afterwards. */
struct fallback_leg_record {
    bool is_ours;
    struct e164 calling, called;
    struct wall answered_at;
};
void fallback_leg_record(struct end *leg, struct fallback_leg_record *ret_record);

/* ---- calls by the phone network ---- */

/* To a fallback number of ours: true, they have their answer, or will. */
bool fallback_call_came(struct agent *a, const struct sip_event *event, struct trunk *trunk);
bool fallback_call_cancelled(struct agent *a, uint64_t server);
/* A request inside of a leg that belongs to no call. */
void fallback_leg_request(struct end *end, const struct sip_event *event);

/* ---- sound ---- */

bool voices_next(struct agent *a, struct agent_effect *ret_effect);

/* ---- for people ---- */

/* Where a call in progress is: "direct", "moving", "phone network", "returning"; "-": it cannot move. */
const char *fallback_place(const struct call *c);

struct fallback_view {
    const char *place;
    struct wall since;
    const char *number; /* that is called on the phone network for it */
    unsigned moves;     /* so often it has moved there */
};
/* False: it cannot move. */
bool fallback_view(const struct call *c, struct fallback_view *ret_view);

#endif
