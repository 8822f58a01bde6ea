/* The transaction layer (RFC 3261 section 17, with RFC 6026): all client and server transactions of a program as one core. It is told of
 * messages and time; it answers with effects and a deadline. It sends through hops (flow.h); the transport below reports what came in and
 * what could not be sent.
 *
 * A transaction user sees each request once, each response of its requests, and exactly one end of each client transaction: a final
 * response, TIMEOUT or UNREACHABLE. ACKs to failures are sent here; ACKs to 2xx are the user's (they are no transaction: sip_layer_send_ack).
 * A 2xx that comes when the INVITE has had another end means that a phone is up for nobody: it is told of however late it is, since its branch
 * proves that the INVITE was ours.
 *
 * CANCEL: for a request of ours, sip_client_cancel (waits for a provisional response, 9.1). A CANCEL that comes in is answered here and reported
 * with the INVITE's transaction. */
#ifndef SIP_TRANSACTION_H
#define SIP_TRANSACTION_H

#include "base/counter.h"
#include "base/entropy.h"
#include "base/log.h"
#include "base/time.h"
#include "sip/flow.h"
#include "sip/message.h"

struct sip_layer;

/* Timers, in milliseconds (17.1.1.1, table 4). */
#define SIP_T1_MS 500
#define SIP_T2_MS 4000
#define SIP_T4_MS 5000

struct sip_layer_config {
    int64_t t1_ms, t2_ms, t4_ms;
    int64_t timer_b_ms; /* INVITE without any response; 64 * T1 */
    int64_t timer_c_ms; /* INVITE with provisional responses, without a final one; at least 3 min */
    int64_t timer_d_ms; /* 32 s */
    int64_t trying_ms;  /* 100 for an INVITE that the user left without a response for so long (17.2.1); 0: at once */
    size_t clients_max; /* requests of ours without a final response at a time; beyond: ERR_LIMIT */
    size_t
        servers_max; /* requests without a final response at a time; beyond: 503 with Retry-After, without state. An eighth is kept for
                           requests inside of dialogs, here and of octets_max */
    size_t servers_per_source_max; /* of one IPv4 address or IPv6 /64, unless its flow is_configured; 0: no limit */
    size_t octets_max;             /* memory of all messages and transactions that are kept */
    unsigned retry_after_s;        /* of the 503 */
    bool refuse_merged; /* 482 for a request that came by another way already (8.2.2.2); a proxy has it off */
    unsigned
        shares_from_side; /* requests by TLS to sides from this on have ;alias in their Via: the other side may send its own over the same
                             connection (RFC 5923) */
    uint64_t seed; /* of the hash tables */

    /* Whether a response to the request of ours with this token may come that way. What may not is counted and dropped before it changes anything: the
     * branch alone tells who knows it, not who it is. NULL: it is enough (18.1.2). */
    bool (*may_answer)(void *ctx, uint64_t token, const struct sip_flow *flow);
    void *may_answer_ctx;
};
void sip_layer_config_init(struct sip_layer_config *config);

/* clang-format off */
#define SIP_LAYER_COUNTERS(X) \
    X(requests_in) X(requests_out) X(responses_in) X(responses_out) X(retransmissions_in) X(retransmissions_out) \
    X(refused_syntax) X(refused_version) X(refused_limit) X(refused_memory) X(responses_stray) X(responses_foreign) X(acks_stray) X(cancels) X(cancels_stray) X(timeouts) X(unreachable) X(merged)
/* clang-format on */
COUNTERS_DECLARE(sip_layer_counters, SIP_LAYER_COUNTERS)

/* The log may be NULL, else it outlives the layer; entropy is asked once, for the secret behind branches and tags. 0, ERR_RANGE (a timer of the
 * configuration), ERR_NO_MEMORY. */
int sip_layer_new(const struct sip_layer_config *config, const struct entropy *entropy, const struct log *log,
                  struct sip_layer **ret_layer);
void sip_layer_free(struct sip_layer *l);

/* One message from below, exactly as it came. Malformed ones are counted and, if they are requests that can be answered, answered. */
void sip_layer_input(struct sip_layer *l, struct now now, const struct sip_flow *flow, struct slice octets);

/* Answers one message that came in with that status, if it is a request that can be answered, and forgets it: no state is kept (8.2.7). If it comes
 * again, so does the answer. For those whom the user does not know. */
void sip_layer_refuse(struct sip_layer *l, const struct sip_flow *flow, struct slice octets, unsigned status);

/* What was sent to that hop (as it was given) could not be sent, or its connection ended: for all client transactions that wait on it for a
 * final response. An INVITE that rings there is canceled, by whatever way is left. */
void sip_layer_unreachable(struct sip_layer *l, struct now now, const struct sip_hop *hop);

/* A connection to that hop has ended that was up. Requests without any response may have been written when it was closed already: each is sent
 * once more, over whatever connection leads there, unless it is to be canceled or may not be carried out twice (INFO, MESSAGE, REFER, unknown methods). It keeps its
 * branch, so that whoever has read it takes it for a repetition (17.2.3). For all others the same as above. */
void sip_layer_lost(struct sip_layer *l, struct now now, const struct sip_hop *hop);

void sip_layer_tick(struct sip_layer *l, struct now now);
struct mono sip_layer_deadline(const struct sip_layer *l);

/* ---- client side ---- */

/* Sends a request. The octets are a whole message without our own Via: the layer puts it on top ("SIP/2.0/<transport> <sent_by>;branch=…;rport", and ;alias).
 * sent_by: our host[:port] as the other side is to see it. Its events carry the token. 0, ERR_LIMIT, ERR_SYNTAX, ERR_NO_MEMORY. */
int sip_client_request(struct sip_layer *l, struct now now, const struct sip_hop *hop, const char *sent_by,
                       struct slice octets, uint64_t token, uint64_t *ret_client);

/* INVITE only; ERR_NOT_FOUND, ERR_WRONG_STATE (it has its final response, or is no INVITE), ERR_NO_MEMORY. A Reason value may be given
 * (RFC 3326). What follows is the end of the INVITE: mostly 487; a 2xx if that was faster; TIMEOUT 64 * T1 later. */
int sip_client_cancel(struct sip_layer *l, struct now now, uint64_t client, struct slice reason);

/* An ACK for a 2xx, or another message without a transaction; our Via is put on top. */
int sip_layer_send_ack(struct sip_layer *l, struct now now, const struct sip_hop *hop, const char *sent_by,
                       struct slice octets);

/* ---- server side ---- */

/* Answers a request: a whole response. Provisional ones may be several, a final one ends it; further 2xx for an INVITE are for the user's own
 * retransmission (13.3.1.4) and accepted as long as the transaction lives (RFC 6026). ERR_NOT_FOUND, ERR_WRONG_STATE, ERR_NO_MEMORY. */
int sip_server_respond(struct sip_layer *l, struct now now, uint64_t server, struct slice response);

/* The request, and how it came in: a user that answers later needs no copy. NULL: there is none, or it has its final response, at which
 * what this gave before is valid until the next sip_layer_next. Its topmost Via has "received" and "rport" already (18.2.1, RFC 3581). */
const struct sip_message *sip_server_request(const struct sip_layer *l, uint64_t server);
const struct sip_flow *sip_server_flow(const struct sip_layer *l, uint64_t server);

/* No answer, and nothing is kept of it: if it comes again it is new. For those who are to hear nothing. */
void sip_server_forget(struct sip_layer *l, uint64_t server);

/* A tag for the To of all our responses to that request; the user may take its own. The answer to a CANCEL has that of the last response. */
struct slice sip_server_tag(const struct sip_layer *l, uint64_t server);

/* ---- what happened ---- */

enum sip_event_kind {
    SIP_SEND,    /* hop, octets: send them; report with sip_layer_unreachable if that fails */
    SIP_REQUEST, /* server, flow, message: a new request (not ACK, not CANCEL); sip_check is done */
    SIP_ACKED, /* server (0 if it matches none, as 13.2.2.4 has it), flow, message: an ACK to a 2xx; its dialog says to which */
    SIP_ACK_MISSING, /* server: a failure response of an INVITE was never acknowledged (timer H) */
    SIP_CANCELLED, /* server: of the INVITE, message: the CANCEL; already answered. The user answers the INVITE with 487 */
    SIP_RESPONSE, /* client, token, message, flow; the last one if its status is final (but a 2xx to INVITE may come again, from forks) */
    SIP_TIMEOUT,     /* client, token: no final response in time. For the user as 408 */
    SIP_UNREACHABLE, /* client, token: nowhere to send it. For the user as 503 */
    SIP_ANSWERED_LATE /* flow, message: a 2xx to an INVITE of ours that has had its end. The user acknowledges it and says BYE (13.2.2.4) */
};

/* Valid until the next call of sip_layer_next. */
struct sip_event {
    enum sip_event_kind kind;
    const struct sip_hop *hop;
    struct slice octets;
    uint64_t server;
    uint64_t client;
    uint64_t token;
    const struct sip_flow *flow;
    const struct sip_message *message;
};
bool sip_layer_next(struct sip_layer *l, struct sip_event *ret_event);

/* Transactions alive, for limits and leak checks. */
size_t sip_layer_clients(const struct sip_layer *l);
size_t sip_layer_servers(const struct sip_layer *l);
const struct sip_layer_counters *sip_layer_counters(const struct sip_layer *l);

#endif
