/* Messages between the files of the peer: forwarding, delivery, answers, transactions, Attach, configuration. Private to the peer. */
#ifndef RELOAD_PEER_MESSAGE_H
#define RELOAD_PEER_MESSAGE_H

#include "reload/body.h"
#include "reload/peer_link.h"

/* ---- forwarding (forward.c) ---- */

/* Where a request of ours goes. */
struct route {
    bool is_node; /* else a resource */
    struct id id;
    bool has_via; /* source route through this node (10.6) */
    struct id via;
    uint64_t first_link; /* take this link, whatever the table says; 0: as the table says */
    struct slice path;   /* an encoded Destination List to take instead; for the duration of the call */
};

/* To whom a request of ours has been sent. Whoever swallows what it should pass on, or is about to fail, is met once: a repeat goes to another
 * one, if there is another one. */
#define FIRST_HOPS_MAX 4
struct first_hops {
    struct id nodes[FIRST_HOPS_MAX];
    size_t n;
};

/* What is needed to answer a request, also later. */
struct reply {
    uint64_t transaction_id;
    uint32_t max_response_length;
    struct id requester;           /* who signed; zero for errors to requests that were not verified */
    struct slice destinations;     /* encoded Destination List of the answer; owned */
    struct reload_option *options; /* to copy (RESPONSE_COPY); owned */
    size_t option_count;
};

/* A message from a link, or from ourselves (link NULL). */
void peer_forward_input(struct peer *peer, struct now now, struct link *from, struct slice message);

/* Sends a message of ours by its Destination List; link 0: as the table says. `tried` may be NULL; else the hops in it are avoided, and the one that
 * is taken is added. */
void peer_forward_originate(struct peer *peer, struct now now, uint64_t first_link, const struct reload_header *header,
                            struct slice rest, struct first_hops *tried);

/* The node that a message to this place would be sent to next; self if it stays here. False if there is no way. */
bool peer_forward_next_hop(const struct peer *peer, const struct reload_destination *place, struct id *ret_node);

/* A message that came in pieces too large (6.6): answers if its header can be read. */
void peer_forward_too_large(struct peer *peer, struct now now, struct link *from, struct slice prefix);

/* Whether we are responsible for this place of the ring now (10.1). */
bool peer_forward_is_ours(const struct peer *peer, struct id place);

int peer_reply_init(struct reply *reply, const struct peer *peer, const struct reload_header *request,
                    const struct link *from);
void peer_reply_fini(struct reply *reply);

/* Via lists kept behind opaque ids. */
void peer_opaque_init(struct peer *peer);
void peer_opaque_fini(struct peer *peer);

/* ---- delivery and answers (deliver.c, serve.c, answer.c) ---- */

/* A verified request for us. */
struct request {
    const struct reload_message *message;
    struct reload_body body;
    const struct security_signer *signer;
    struct link *link;     /* it came by; NULL: from ourselves */
    bool direct;           /* the signer is the node at the other end of the link */
    struct region *region; /* lives as long as the request is served */
    const struct reply *reply;
};

void peer_deliver(struct peer *peer, struct now now, struct link *from, const struct reload_header *header,
                  struct slice octets, struct region *region);

void peer_serve_request(struct peer *peer, struct now now, struct request *request);
int peer_err_of_error_code(uint16_t code);
uint32_t peer_uptime_s(const struct peer *peer, struct now now);

/* Each answers exactly one request, now or later. The reply is left intact. */
void peer_answer_body(struct peer *peer, struct now now, const struct reply *reply, const struct reload_body *body);
void peer_answer_contents(struct peer *peer, struct now now, const struct reply *reply,
                          const struct reload_contents *contents, const struct slice *value_certs,
                          size_t value_cert_count);
void peer_answer_with(struct peer *peer, struct now now, const struct reply *reply, uint16_t code, struct slice body,
                      const struct slice *value_certs, size_t value_cert_count);
void peer_answer_error(struct peer *peer, struct now now, const struct reply *reply, uint16_t code, const char *text);
void peer_answer_error_info(struct peer *peer, struct now now, const struct reply *reply, uint16_t code,
                            struct slice info);

/* Contents and security block of a message of ours. */
int peer_sign(struct peer *peer, uint64_t transaction_id, const struct reload_contents *contents,
              const struct slice *value_certs, size_t value_cert_count, struct buf *ret_rest);

/* Requests of the last 15 seconds. True: this one has been seen before and is dealt with. */
bool peer_served_again(struct peer *peer, struct now now, const struct reply *reply);
void peer_served_begin(struct peer *peer, struct now now, const struct reply *reply);
void peer_served_init(struct peer *peer);
void peer_served_fini(struct peer *peer);

/* ---- rates (rate.c) ---- */

/* False: too much came over this link, or from this signer, and the request is to be dropped. */
bool peer_rate_link(struct peer *peer, struct now now, struct link *from);
bool peer_rate_request(struct peer *peer, struct now now, const struct request *request);
void peer_rates_init(struct peer *peer);
void peer_rates_fini(struct peer *peer);
size_t peer_rates_view(const struct peer *peer, struct now now, struct peer_slowed_view *ret_slowed, size_t max);

/* ---- our requests (transaction.c) ---- */

struct outcome {
    int err;
    uint16_t error_code;
    struct slice error_info;
    const struct reload_message *message; /* NULL without an answer */
    const struct reload_body *body;
    struct id responder;
    const struct security_signer *signer; /* the responder, with its certificate; NULL without an answer */
    int64_t elapsed_us;
    struct region *region; /* for the duration of the call */
};

/* Called once per transaction, never from within the function that started it. */
typedef void answer_fn(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome);

/* ctx is not owned. 0, ERR_LIMIT, ERR_NO_MEMORY, ERR_CRYPTO …: then `done` is not called. */
int peer_transaction_start(struct peer *peer, struct now now, const struct route *route, const struct reload_body *body,
                           answer_fn *done, void *ctx);

/* The same with a message extension (6.3.3). */
int peer_transaction_start_extended(struct peer *peer, struct now now, const struct route *route,
                                    const struct reload_body *body, const struct reload_extension *extension,
                                    answer_fn *done, void *ctx);

/* The same with a body that is encoded already, and the certificates of those who signed the values in it. */
int peer_transaction_start_octets(struct peer *peer, struct now now, const struct route *route, uint16_t code,
                                  struct slice body, const struct slice *value_certs, size_t value_cert_count,
                                  answer_fn *done, void *ctx);

/* The same with message extensions (6.3.3). */
int peer_transaction_start_contents(struct peer *peer, struct now now, const struct route *route,
                                    const struct reload_contents *contents, const struct slice *value_certs,
                                    size_t value_cert_count, answer_fn *done, void *ctx);

/* No answer is wanted any more: done is not called. */
void peer_transactions_forget(struct peer *peer, const void *ctx);
void peer_transaction_answer(struct peer *peer, struct now now, const struct reload_message *message,
                             const struct security_signer *signer, struct region *region);

/* Sends those again that were refused because the configurations differ: they may agree now (6.3.2.1). */
void peer_transactions_resend(struct peer *peer, struct now now);

/* Ends all of them with this error. */
void peer_transactions_end(struct peer *peer, struct now now, int err);
void peer_transactions_fini(struct peer *peer);

/* ---- Attach (attaching.c) ---- */

/* done: 0 and the node, when there is a link to it; or why not. */
typedef void attach_fn(struct peer *peer, struct now now, void *ctx, int err, struct id node);
int peer_attach_start(struct peer *peer, struct now now, const struct route *route, attach_fn *done, void *ctx);
/* For a finger: no full Update is asked for, and the other side may decline. */
int peer_attach_finger(struct peer *peer, struct now now, const struct route *route, attach_fn *done);
bool peer_attach_pending(const struct peer *peer, struct id node);
void peer_attach_link_up(struct peer *peer, struct now now, struct id node);
void peer_attach_link_failed(struct peer *peer, struct now now, struct id node);
void peer_attach_cancel(struct peer *peer, const void *ctx);
bool peer_app_attach_address(const struct peer *peer, const struct reload_body *answer, struct addr *ret_addr);
size_t peer_app_candidates(const struct peer *peer, uint16_t application, struct addr own,
                           struct reload_candidate ret_candidates[2]);

/* candidate.c: our addresses (other: family 0 if there is none), and which one of theirs a connection can be made to. */
enum candidate_choice {
    CANDIDATE_CHOSEN,
    CANDIDATE_OTHER_FAMILY, /* there are some, of a family of addresses that we do not have */
    CANDIDATE_NONE
};
size_t peer_candidates(const struct addr *addr, const struct addr *other, struct reload_candidate ret_candidates[2]);
bool peer_has_family(const struct peer *peer, uint8_t family);
bool peer_is_own_address(const struct peer *peer, const struct addr *addr);
enum candidate_choice peer_candidate_choose(const struct peer *peer, const struct reload_attach *attach, bool ring_link,
                                            struct addr *ret_addr);
void peer_attach_serve(struct peer *peer, struct now now, struct request *request);
void peer_app_attach_serve(struct peer *peer, struct now now, struct request *request);
void peer_attaches_fini(struct peer *peer);
void peer_node_shun(struct peer *peer, struct now now, struct id node);
bool peer_node_is_shunned(const struct peer *peer, struct now now, struct id node);
void peer_node_unshun(struct peer *peer, struct id node);

/* ---- configuration (config_update.c) ---- */

void config_update_serve(struct peer *peer, struct now now, struct request *request);

/* False: the request has been answered with Error_Config_Too_Old or Too_New, or it is an offer that waits. */
bool config_check(struct peer *peer, struct now now, const struct request *request);

/* The sequence number in a message that a neighbor made itself, and in any answer to a request of this code. */
void config_seen(struct peer *peer, struct now now, struct link *link, uint16_t sequence);
void config_answer_seen(struct peer *peer, struct now now, uint16_t code, uint16_t sequence, struct id node);
void config_push(struct peer *peer, struct now now, struct id node);

/* ---- requests of the layer above (requests.c) ---- */

void peer_requests_fini(struct peer *peer);

#endif
