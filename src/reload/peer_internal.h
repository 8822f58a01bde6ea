/* What the files of the peer share: its state, and how they call one another. Nobody else includes this.
 *
 * The way of a message: link.c unframes it and hands it to forward.c, which passes it on or, if it is for us, to deliver.c; that verifies
 * the signature and gives answers to transaction.c and requests to serve.c, which hands each to the file of its concept (attach.c,
 * chord_join.c, chord_update.c, values.c, config_update.c …). What changes the routing table goes through chord.c, which tells the others
 * what the change means. */
#ifndef RELOAD_PEER_INTERNAL_H
#define RELOAD_PEER_INTERNAL_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "reload/body.h"
#include "reload/chord_table.h"
#include "reload/config.h"
#include "reload/fragment.h"
#include "reload/peer.h"
#include "reload/security.h"
#include "reload/storage.h"

/* Fixed times of RFC 6940, and of ours where it leaves them open. */
#define REQUEST_TRANSMISSIONS 5     /* 6.2.1: the first and 4 more */
#define REQUEST_LIFETIME_MS 15000   /* 6.2.1 */
#define LINK_CONNECT_MS 10000       /* from PEER_CONNECT to peer_link_up */
#define LINK_RTO_INITIAL_US 3000000 /* before the first measurement */
#define LINK_RTO_MIN_US 1000000     /* RFC 6298 2.4: pauses of a busy machine are no failure */
#define LINK_RTO_MAX_US 10000000
#define LINK_SUSPECT_MS 30000        /* 6.6.5: kept that long after the RTO, then failed for good */
#define LINK_YOUNG_MS 5000           /* two links to a node within it are a simultaneous connect */
#define LINK_DRAIN_MS 2000           /* what the other side sent on a duplicate before it noticed still arrives */
#define ATTACH_LINK_MS 5000          /* from AttachAns to the link */
#define SHUN_MS 10000                /* before a node that could not be attached to is tried again */
#define OPAQUE_LIFE_MS 30000         /* of via lists kept here: twice the life of a request */
#define UPDATE_DELAY_MS 20           /* changes of one moment go out as one Update */
#define CONFIG_PUSH_INTERVAL_MS 5000 /* the document to one node */

/* Limits of ours. */
#define OPAQUE_IDS_MAX 1024
#define SERVED_MAX 4096
#define SERVED_OCTETS_MAX (4u << 20)
#define SHUNNED_MAX 32
#define ATTACHES_MAX 64
#define TRANSFERS_MAX 64
#define TRANSFER_WINDOW 8
#define TRANSFER_JOBS_MAX 4096
#define FINGERS_AFTER_MS 2000 /* from joining: the neighbors are known by then */
#define ADMISSIONS_MAX 32
#define CONFIG_PUSHES_MAX 16
#define FRAMES_UNACKNOWLEDGED_MAX 4096
#define CANDIDATE_PRIORITY 2130706431u /* RFC 5245 4.1.2.1: host, highest local preference, component 1 */

struct timer;
typedef void timer_fn(struct peer *peer, struct now now, struct timer *timer);

/* Sits in what waits; heap_node first. */
struct timer {
    struct heap_node node;
    timer_fn *fire;
};

/* ---- links (link.c) ---- */

enum link_state { LINK_CONNECTING, LINK_UP, LINK_DRAINING };

struct sent_frame {
    struct mono at;
    uint32_t sequence;
    uint32_t octets;
};

struct link {
    struct timer timer;
    uint64_t number; /* low 16 bits: its slot */
    struct id node;  /* zero until known (outgoing to a bootstrap node) */
    struct addr addr;
    enum link_state state;
    bool incoming;
    bool bootstrap;
    bool member;              /* the node sent an Update: it is a peer, and may be routed through (6.5.1) */
    bool suspect;             /* no ack in time: out of the table until one comes */
    bool update_wanted;       /* send_update of its Attach */
    bool heard_any;           /* received_last and received_mask hold */
    uint16_t config_sequence; /* of the node's own last message; CONFIG_SEQUENCE_ANY: unknown */
    struct mono since;        /* of the state */
    struct mono heard;        /* octets came */
    struct mono suspected;
    uint32_t next_sequence;
    uint32_t received_last;
    uint32_t received_mask;  /* bit k: received_last - k came too, for the ack */
    struct sent_frame *sent; /* not acknowledged, oldest first; NULL when there is none */
    uint32_t sent_count;
    uint32_t sent_capacity;
    uint32_t sent_octets;
    int32_t srtt_us; /* RFC 6298; 0: not measured */
    int32_t rttvar_us;
    struct buf input; /* the part of a frame that has come so far */
};

struct link *link_find(const struct peer *peer, uint64_t number);

/* The link that messages to this node take, or NULL. */
struct link *link_to(const struct peer *peer, struct id node);

/* Asks for a connection; node zero: whoever is there. NULL (counted) at a limit. */
struct link *link_connect(struct peer *peer, struct now now, const struct addr *addr, struct id node, bool bootstrap);
void link_close(struct peer *peer, struct now now, struct link *link, const char *reason);

/* Frames and sends a message. It may close the link when its queue is full: it is then gone. */
void link_send(struct peer *peer, struct now now, struct link *link, struct slice message);

/* Sets the timer anew, after something changed that it depends on. */
void link_schedule(struct peer *peer, struct link *link);

/* Whether a link is being made to this node, or to this bootstrap address (or is there). */
bool link_connecting(const struct peer *peer, struct id node);
bool link_has_bootstrap(const struct peer *peer, const struct addr *addr);
void links_close(struct peer *peer, struct now now, const char *reason);
void links_fini(struct peer *peer);

/* Closes links to nodes that the configuration bans. */
void links_ban(struct peer *peer, struct now now);

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
void forward_input(struct peer *peer, struct now now, struct link *from, struct slice message);

/* Sends a message of ours by its Destination List; link 0: as the table says. */
void forward_originate(struct peer *peer, struct now now, uint64_t first_link, const struct reload_header *header,
                       struct slice rest);

/* The node that a message to this place would be sent to next; self if it stays here. False if there is no way. */
bool forward_next_hop(const struct peer *peer, const struct reload_destination *place, struct id *ret_node);

/* A message that came in pieces too large (6.6): answers if its header can be read. */
void forward_too_large(struct peer *peer, struct now now, struct link *from, struct slice prefix);

/* Whether we are responsible for this place of the ring now (10.1). */
bool forward_is_ours(const struct peer *peer, struct id place);

int reply_init(struct reply *reply, const struct peer *peer, const struct reload_header *request,
               const struct link *from);
void reply_fini(struct reply *reply);

/* Via lists kept behind opaque ids. */
void opaque_init(struct peer *peer);
void opaque_fini(struct peer *peer);

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

void deliver(struct peer *peer, struct now now, struct link *from, const struct reload_header *header,
             struct slice octets, struct region *region);

void serve_request(struct peer *peer, struct now now, struct request *request);
int err_of_error_code(uint16_t code);
uint32_t peer_uptime_s(const struct peer *peer, struct now now);

/* Each answers exactly one request, now or later. The reply is left intact. */
void answer_body(struct peer *peer, struct now now, const struct reply *reply, const struct reload_body *body);
void answer_with(struct peer *peer, struct now now, const struct reply *reply, uint16_t code, struct slice body,
                 const struct slice *value_certs, size_t value_cert_count);
void answer_error(struct peer *peer, struct now now, const struct reply *reply, uint16_t code, const char *text);
void answer_error_info(struct peer *peer, struct now now, const struct reply *reply, uint16_t code, struct slice info);

/* Contents and security block of a message of ours. */
int peer_sign(struct peer *peer, uint64_t transaction_id, const struct reload_contents *contents,
              const struct slice *value_certs, size_t value_cert_count, struct buf *ret_rest);

/* Requests of the last 15 seconds. True: this one has been seen before and is dealt with. */
bool served_again(struct peer *peer, struct now now, const struct reply *reply);
void served_begin(struct peer *peer, struct now now, const struct reply *reply);
void served_init(struct peer *peer);
void served_fini(struct peer *peer);

/* ---- our requests (transaction.c) ---- */

struct outcome {
    int err;
    uint16_t error_code;
    struct slice error_info;
    const struct reload_message *message; /* NULL without an answer */
    const struct reload_body *body;
    struct id responder;
    int64_t elapsed_us;
    struct region *region; /* for the duration of the call */
};

/* Called once per transaction, never from within the function that started it. */
typedef void answer_fn(struct peer *peer, struct now now, void *ctx, const struct outcome *outcome);

/* ctx is not owned. 0, ERR_LIMIT, ERR_NO_MEMORY, ERR_CRYPTO …: then `done` is not called. */
int transaction_start(struct peer *peer, struct now now, const struct route *route, const struct reload_body *body,
                      answer_fn *done, void *ctx);

/* The same with a body that is encoded already, and the certificates of those who signed the values in it. */
int transaction_start_octets(struct peer *peer, struct now now, const struct route *route, uint16_t code,
                             struct slice body, const struct slice *value_certs, size_t value_cert_count,
                             answer_fn *done, void *ctx);

/* No answer is wanted any more: done is not called. */
void transactions_forget(struct peer *peer, const void *ctx);
void transaction_answer(struct peer *peer, struct now now, const struct reload_message *message,
                        const struct security_signer *signer, struct region *region);

/* Sends those again that were refused because the configurations differ: they may agree now (6.3.2.1). */
void transactions_resend(struct peer *peer, struct now now);

/* Ends all of them with this error. */
void transactions_end(struct peer *peer, struct now now, int err);
void transactions_fini(struct peer *peer);

/* ---- Attach (attach.c) ---- */

/* done: 0 and the node, when there is a link to it; or why not. */
typedef void attach_fn(struct peer *peer, struct now now, void *ctx, int err, struct id node);
int attach_start(struct peer *peer, struct now now, const struct route *route, attach_fn *done, void *ctx);
bool attach_pending(const struct peer *peer, struct id node);
void attach_link_up(struct peer *peer, struct now now, struct id node);
void attach_link_failed(struct peer *peer, struct now now, struct id node);
void attach_cancel(struct peer *peer, const void *ctx);
bool app_attach_address(const struct reload_body *answer, struct addr *ret_addr);
struct reload_candidate own_candidate(const struct addr *addr);
void attach_serve(struct peer *peer, struct now now, struct request *request);
void app_attach_serve(struct peer *peer, struct now now, struct request *request);
void attaches_fini(struct peer *peer);
void node_shun(struct peer *peer, struct now now, struct id node);
bool node_is_shunned(const struct peer *peer, struct now now, struct id node);
void node_unshun(struct peer *peer, struct id node);

/* ---- Chord ---- */

/* chord.c: the table, and what a change of it means. handed_over: the node has its data from us already. */
void chord_node_ready(struct peer *peer, struct now now, struct id node, bool handed_over);
void chord_node_lost(struct peer *peer, struct now now, struct id node, bool failed);
void chord_became_member(struct peer *peer, struct now now); /* joined, or first */
void chord_set_state(struct peer *peer, enum peer_state state);
void chord_tell_state(struct peer *peer); /* if state or health is another */
void chord_take_duty(struct peer *peer);
size_t chord_neighbor_count(const struct peer *peer); /* on each side */
bool chord_is_neighbor(const struct peer *peer, struct id node);
bool chord_is_finger(const struct peer *peer, struct id node);
bool chord_is_replica_holder(const struct peer *peer, struct id node); /* one of the successors that get copies */
size_t chord_replica_holders(const struct peer *peer, struct id *ret_nodes, size_t max);
struct id chord_predecessor(const struct peer *peer); /* self when alone */

/* chord_update.c */
void update_send(struct peer *peer, struct now now, struct id node, enum reload_chord_update_type type);
void updates_send_all(struct peer *peer, struct now now);
void update_soon(struct peer *peer, struct now now);
void update_serve(struct peer *peer, struct now now, struct request *request);
void repair_later(struct peer *peer, struct now now, struct id node);
void update_learn(struct peer *peer, struct now now, struct id from, const struct reload_ids *nodes);
void stabilize_start(struct peer *peer, struct now now);
void stabilize_stop(struct peer *peer);

/* chord_fingers.c */
size_t chord_fingers(const struct peer *peer, struct id *ret_fingers, size_t max);
void fingers_start(struct peer *peer, struct now now);
void fingers_stop(struct peer *peer);
void route_query_serve(struct peer *peer, struct now now, struct request *request);

/* chord_join.c */
void join_start(struct peer *peer, struct now now);
void join_again(struct peer *peer, struct now now);
void join_stop(struct peer *peer);
void join_link_up(struct peer *peer, struct now now, struct link *link);
void join_link_lost(struct peer *peer, struct now now, struct id node);
void join_update(struct peer *peer, struct now now, struct id from, const struct reload_update_req *update);
void join_data_came(struct peer *peer, struct now now);
bool join_is_admitting(const struct peer *peer, struct id node);

/* chord_admit.c */
void admit_serve(struct peer *peer, struct now now, struct request *request);
void admit_node_lost(struct peer *peer, struct now now, struct id node);
void admissions_fini(struct peer *peer);

/* chord_leave.c */
void leave_serve(struct peer *peer, struct now now, struct request *request);
void peer_leave_at_once(struct peer *peer, struct now now);

/* chord_partition.c */
void partition_start(struct peer *peer, struct now now);
void partition_stop(struct peer *peer);
void partition_link_up(struct peer *peer, struct now now, struct link *link);

/* ---- values (values.c, transfer.c) ---- */

void values_serve(struct peer *peer, struct now now, struct request *request);
void values_fini(struct peer *peer);

enum transfer_purpose {
    TRANSFER_REPLICA, /* a successor became one of those that get copies */
    TRANSFER_ADMIT,   /* to a joining node, all that will be its */
    TRANSFER_OWNER,   /* to a peer that turned out to be responsible */
    TRANSFER_LEAVE    /* to our successors, before we go */
};

/* Copies what is stored for (from, to] to a node. done may be NULL; it is called once: 0, or why the node did not take it all. */
typedef void transfer_fn(struct peer *peer, struct now now, void *ctx, int err);
int transfer_start(struct peer *peer, struct now now, enum transfer_purpose purpose, struct id node, struct id from,
                   struct id to, uint8_t replica_number, int64_t delay_ms, transfer_fn *done, void *ctx);

/* Something was stored here: copies go to the replicas, and to whom the place is being handed over to. */
void transfers_stored(struct peer *peer, struct now now, struct id resource, uint64_t revision);
void transfers_stop(struct peer *peer, struct now now, struct id node, int err);
bool transfers_idle(const struct peer *peer);
void transfers_fini(struct peer *peer); /* done is not called */

/* ---- requests of the layer above (requests.c) ---- */

void requests_fini(struct peer *peer);

/* ---- configuration (config_update.c) ---- */

void config_update_serve(struct peer *peer, struct now now, struct request *request);

/* False: the request has been answered with Error_Config_Too_Old or Too_New. */
bool config_check(struct peer *peer, struct now now, const struct request *request);

/* The sequence number in a message that a neighbor made itself, and in any answer. */
void config_seen(struct peer *peer, struct now now, struct link *link, uint16_t sequence);
void config_answer_seen(struct peer *peer, struct now now, uint16_t sequence, struct id node);
void config_push(struct peer *peer, struct now now, struct id node);

/* ---- effects (effects.c) ---- */

struct queued_effect {
    struct list link;
    struct peer_effect effect;
    struct buf octets;
    struct region region; /* initialized when its limit is not 0 */
};

/* Not yet in the queue. */
struct peer_effect *effect_new(struct peer *peer, enum peer_effect_type type);
void effect_queue(struct peer *peer, struct peer_effect *effect);
struct region *effect_region(struct peer_effect *effect);

/* Takes the octets over from the buffer. 0, or the buffer's error. */
int effect_take(struct peer_effect *effect, struct buf *octets);
void effect_connect(struct peer *peer, uint64_t link, const struct addr *addr, struct id node);
void effect_close(struct peer *peer, uint64_t link, const char *reason);
void effect_state(struct peer *peer);

/* Takes the octets over in any case. */
int effect_send(struct peer *peer, uint64_t link, struct buf *octets);
void effects_fini(struct peer *peer);

/* ---- the peer ---- */

struct shunned {
    struct id node;
    struct mono until;
};

struct config_push {
    struct id node;
    struct mono at;
    uint16_t sequence;
};

struct application {
    uint16_t id;
    struct addr addr;
};

/* A message to ourselves. */
struct looped {
    struct list order;
    struct buf message;
};

struct join {
    struct timer timer;
    struct addr *bootstraps;
    size_t bootstrap_count;
    size_t next; /* to be tried */
    struct mono began;
    struct mono asked;        /* for the admitting peer */
    struct id admitting;      /* zero: not known */
    struct id updated_by;     /* who sent an Update before the admitting peer was known */
    size_t neighbors_pending; /* Attaches under way to those that the admitting peer named */
    unsigned failures;
};

struct peer {
    struct peer_options options;
    struct peer_ports ports;
    const struct config *config;
    uint32_t overlay; /* of the forwarding header */
    struct peer_counters counters;
    enum peer_state state;
    enum peer_state told_state;
    enum peer_health told_health;
    struct now now; /* of the event that is, or was last, worked on */
    struct mono started;
    struct mono joined;
    bool settling;

    struct heap timers;
    struct list effects;  /* struct queued_effect */
    struct list loopback; /* struct looped: handled when the event is done */

    struct link **slots; /* by the low 16 bits of a link's number */
    size_t slot_count;
    struct link **by_node; /* LINK_UP, sorted by Node-ID */
    size_t by_node_count;
    size_t by_node_capacity;
    size_t link_count;
    uint64_t next_link;

    struct map transactions; /* by transaction id */
    struct list transaction_order;

    struct map served; /* requests of the last 15 s, by signer and transaction id */
    struct list served_order;
    size_t served_octets;
    struct timer served_timer;

    struct reload_reassembly reassembly;
    struct timer reassembly_timer;
    struct map opaque; /* via lists kept here, by opaque id */
    struct list opaque_order;
    struct timer opaque_timer;

    struct list attaches;
    size_t attach_count;
    struct shunned *shunned; /* SHUNNED_MAX of them, or NULL */
    struct application applications[PEER_APPLICATIONS_MAX];
    size_t application_count;

    struct chord_table table; /* the peers that are linked, answer, and have sent an Update */
    struct mono neighbors_changed;
    struct join join;
    struct timer update_timer;
    struct timer repair_timer;
    struct timer stabilize_timer;
    struct timer finger_timer;
    bool fingers_filled;
    struct timer partition_timer;
    struct id partition_bootstrap; /* through which the last check went */
    struct timer leave_timer;
    size_t leaves_pending;

    struct list transfers;
    size_t transfer_count;
    struct list admissions;
    size_t admission_count;
    struct list pending_stores;
    struct list uppers;

    struct config_push *config_pushes; /* CONFIG_PUSHES_MAX of them, or NULL */
};

/* Works off the messages to ourselves; ends every event. */
void peer_settle(struct peer *peer, struct now now);
void loopback_fini(struct peer *peer);
void reassembly_init(struct peer *peer);
void reassembly_schedule(struct peer *peer);

#endif
