/* The objects of the transaction layer and what its files do for one another. Private to sip.
 *
 * Memory: a message that came in is one region; a server transaction keeps that of its request until it is answered. A message that goes out
 * is one block, shared by the queue and by the transaction that repeats it. Each event sits in what it is about, so that none needs memory when it happens:
 * repeating, timing out and ending cannot fail. */
#ifndef SIP_TRANSACTION_CORE_H
#define SIP_TRANSACTION_CORE_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "sip/edit.h"
#include "sip/transaction.h"

/* ---- a hash table whose links sit in the elements (transaction_table.c) ---- */

struct link {
    struct link *next;
    uint64_t hash;
    bool is_in;
};

struct table {
    struct link **buckets;
    size_t bucket_count; /* a power of two */
    size_t n;
};

int sip_table_init(struct table *t); /* 0 or ERR_NO_MEMORY; adding never fails: what cannot grow gets slower */
void sip_table_fini(struct table *t);
void sip_table_add(struct table *t, struct link *link, uint64_t hash);
void sip_table_remove(struct table *t, struct link *link); /* harmless if it is not in */

/* All of one hash, one after the other; whoever asks compares. */
struct link *sip_table_first(const struct table *t, uint64_t hash);
struct link *sip_table_next(const struct link *link);

/* ---- events and messages (transaction_note.c) ---- */

enum note_owner { NOTE_OF_PACKET, NOTE_OF_INBOUND, NOTE_OF_TRANSACTION };

struct note {
    struct list link;
    enum note_owner owner;
    bool is_queued;
    struct sip_event e;
};

/* A message to send, and where to. */
struct packet {
    struct note note;
    struct sip_layer *layer;
    unsigned holders; /* transactions, and the queue */
    struct sip_hop hop;
    size_t n;
    uint8_t octets[];
};

/* A message that came in. It lies in its own region. */
struct inbound {
    struct region region;
    struct note note;
    unsigned holders;  /* who received it, then the queue, and a server transaction until its final response */
    struct list spent; /* in the layer's list of those that one holder gave up while the user may still look at them */
    size_t octets;     /* counted in the layer while this is part of a transaction */
    struct sip_flow flow;
    bool has_via;
    struct sip_hop hop; /* where answers go (18.2.2), if it has a Via that can be read */
    struct sip_message message;
};

/* Copies the message, with the topmost Via completed; one holder. NULL: no memory. */
struct inbound *sip_inbound_new(const struct sip_flow *flow, struct slice octets);
void sip_inbound_drop(struct inbound *in);                       /* one holder less */
void sip_inbound_spend(struct sip_layer *l, struct inbound *in); /* the same at the next sip_layer_next */
void sip_inbound_report(struct sip_layer *l, struct inbound *in, struct sip_event e); /* the queue holds it, too */

/* A copy of the octets with one holder. NULL: no memory. */
struct packet *sip_packet_new(struct sip_layer *l, const struct sip_hop *hop, struct slice octets);
void sip_packet_drop(struct packet *p); /* one holder less; NULL is allowed */
void sip_packet_send(struct packet *p);

void sip_note_push(struct sip_layer *l, struct note *note);

/* ---- Via (transaction_via.c) ---- */

/* What the transport adds to the topmost Via of a request (18.2.1, RFC 3581): octets, and where in the message. */
struct via_stamp {
    size_t at;
    char text[80]; /* "" : nothing */
};

/* Reads the topmost Via. False: there is none that can be read. */
bool sip_via_stamp(struct slice message, const struct sip_flow *flow, struct via_stamp *ret_stamp,
                   struct sip_hop *ret_hop);

/* ---- transactions ---- */

struct transaction {
    struct sip_layer *layer;
    uint64_t id;
    bool is_server;
    bool is_invite;
    bool is_reliable; /* transport: the other side gets what is sent once */
    bool is_internal; /* not the user's: a CANCEL of ours, or what is answered here */
    bool is_alive;
    unsigned notes; /* of its own that are queued or taken */
    struct link by_id;
    struct link by_key;
    struct slice key;
    struct heap_node timer; /* in the heap until it lingers, due at the earlier of these two */
    struct list by_end;     /* in the layer's lingering, or alone */
    struct mono resend_at;
    struct mono end_at;
    int64_t interval_ms;
    struct packet *packet; /* what is repeated: our request, or our last response */
    struct note end;       /* TIMEOUT, UNREACHABLE, ACK_MISSING */
};

/* Figures 5 and 6 with RFC 6026; what 17.1.2 calls Trying is CALLING here. */
enum client_state { CLIENT_CALLING, CLIENT_PROCEEDING, CLIENT_COMPLETED, CLIENT_ACCEPTED };

struct hop_group;

struct client {
    struct transaction t;
    enum client_state state;
    uint64_t token;
    struct hop_group *group; /* while it waits for a final response */
    struct list by_hop;
    struct packet *ack;    /* to a failure response */
    struct packet *cancel; /* wanted; sent after the first provisional response */
    bool is_cancelled;     /* it was sent */
    bool is_sent_again;    /* over another connection */
    size_t branch_octets;  /* of the key */
    uint8_t key[];
};

/* Figures 7 and 8 with RFC 6026; 17.2.2's Trying is a PROCEEDING without a response. */
enum server_state { SERVER_PROCEEDING, SERVER_COMPLETED, SERVER_CONFIRMED, SERVER_ACCEPTED };

struct source;

#define TAG_OCTETS 16

struct server {
    struct transaction t;
    enum server_state state;
    struct inbound *in; /* the request; NULL after the final response, when only matching and repeating are left */
    struct link by_merge;
    struct slice merge;
    struct slice to_tag; /* of the request */
    struct source *source;
    char tag[TAG_OCTETS + 1];
    uint8_t texts[]; /* key, merge, to_tag */
};

struct sip_layer {
    struct sip_layer_config config;
    const struct log *log;
    struct sip_layer_counters counters;
    uint64_t secret[2]; /* of branches and tags: nobody is to guess them */
    uint64_t seed[2];   /* of the tables */
    uint64_t last_id;
    struct heap timers;
    struct list lingering; /* those that end next come first */
    struct table ids;
    struct table keys;
    struct table hops;    /* with the clients that wait for each */
    struct table merges;  /* servers, by what copies of one request have in common */
    struct table sources; /* how many servers each has */
    size_t clients;
    size_t servers;
    size_t octets;       /* of memory that messages take */
    size_t clients_open; /* without a final response */
    size_t servers_open;
    struct list notes;
    struct list spent;  /* of struct inbound */
    struct note *taken; /* what was given out last: freed at the next call */
    struct buf scratch; /* the message that is being written */
    struct buf key;     /* that is being looked up */
    struct buf merge;
};

/* transaction.c */
uint64_t sip_layer_hash(const struct sip_layer *l, struct slice key);
int sip_transaction_start(struct sip_layer *l, struct transaction *t, struct slice key); /* 0 or ERR_NO_MEMORY */
void sip_transaction_end(struct transaction *t); /* freed when its events have been taken */
void sip_transaction_free_unused(struct transaction *t);
void sip_transaction_report_end(struct transaction *t, struct sip_event e);
void sip_transaction_repeat(struct transaction *t);
struct transaction *sip_transaction_find(const struct sip_layer *l, uint64_t id);
struct transaction *sip_transaction_find_key(const struct sip_layer *l, struct slice key);

/* When it is to wake up: to repeat its packet, and to leave its state. */
void sip_transaction_schedule(struct transaction *t, struct mono resend_at, struct mono end_at);

/* All is said: it stays for 64 * T1, for what is repeated to it, and then ends. Most transactions do this at any time, each as long as the others: they are
 * no load for the heap. It is not scheduled any more. */
void sip_transaction_linger(struct transaction *t, struct now now);

/* client.c */
void sip_client_receive(struct sip_layer *l, struct now now, struct inbound *in);
void sip_client_tick(struct client *c, struct now now);
void sip_client_free(struct client *c);
void sip_client_report(struct client *c, struct inbound *in);
void sip_client_report_late(struct sip_layer *l, struct inbound *in); /* if it is a 2xx to an INVITE; lets it go */
void sip_client_settled(struct client *c); /* it has its final response: drops what only served to get one */
void sip_client_give_up(struct client *c, enum sip_event_kind kind);
int sip_client_send_cancel(struct client *c, struct now now);

/* client_hop.c: while it waits for a final response from there. 0 or ERR_NO_MEMORY. */
int sip_client_wait(struct client *c, const struct sip_hop *hop);
void sip_client_wait_no_more(struct client *c);

/* client_invite.c, client_request.c: the machines of 17.1.1 and 17.1.2. Receiving takes the message over. */
void sip_client_invite_begin(struct client *c, struct now now);
void sip_client_invite_receive(struct client *c, struct now now, struct inbound *in);
void sip_client_invite_resend(struct client *c, struct now now);
void sip_client_invite_expire(struct client *c, struct now now);
int sip_client_invite_cancel(struct client *c, struct now now);
void sip_client_request_begin(struct client *c, struct now now);
void sip_client_request_receive(struct client *c, struct now now, struct inbound *in);
void sip_client_request_resend(struct client *c, struct now now);
void sip_client_request_expire(struct client *c);

/* client_derive.c: what is built from the request of a transaction. 0, ERR_SYNTAX, ERR_LIMIT, ERR_NO_MEMORY. */
int sip_client_derive_ack(struct client *c, const struct sip_message *response, struct packet **ret_packet);
int sip_client_derive_cancel(struct client *c, struct slice reason, struct packet **ret_packet);

/* server.c: takes the request over. */
void sip_server_receive(struct sip_layer *l, struct now now, struct inbound *in);
void sip_server_tick(struct server *s, struct now now);
void sip_server_leave(struct server *s); /* what only servers are in */
void sip_server_free(struct server *s);
int sip_server_answer(struct server *s, struct now now, unsigned status, struct slice to_tag); /* by the layer itself */
void sip_server_send(struct server *s, struct packet *response); /* takes it over, as what is repeated */
void sip_server_settled(struct server *s);                       /* it has its final response: lets the request go */

/* server_invite.c, server_request.c: the machines of 17.2.1 and 17.2.2. The response is taken over if the result is 0; then the transaction may
 * have ended. */
void sip_server_invite_begin(struct server *s, struct now now);
void sip_server_invite_repeated(struct server *s, struct now now);
bool sip_server_invite_acked(struct server *s, struct now now); /* true: the ACK is the user's */
int sip_server_invite_respond(struct server *s, struct now now, unsigned status, struct packet *response);
void sip_server_invite_resend(struct server *s, struct now now);
void sip_server_invite_expire(struct server *s);
void sip_server_request_begin(struct server *s, struct now now);
void sip_server_request_repeated(struct server *s);
int sip_server_request_respond(struct server *s, struct now now, unsigned status, struct packet *response);

/* server_match.c: what requests are compared by (17.2.3, 8.2.2.2). Keys lie in l->key and l->merge until the next; n is 0: no memory. */
struct slice sip_server_key(struct sip_layer *l, const struct sip_message *request, enum sip_method method);
struct server *sip_server_match(struct sip_layer *l, const struct sip_message *request, enum sip_method method);
struct slice sip_server_merge_key(struct sip_layer *l, const struct sip_message *request);
struct server *sip_server_find_merge(struct sip_layer *l, struct slice merge_key);

/* server_limit.c: how many a source has. *ret_source is NULL if it is not counted. 0, ERR_LIMIT, ERR_NO_MEMORY. */
int sip_source_enter(struct sip_layer *l, const struct sip_flow *flow, struct source **ret_source);
void sip_source_leave(struct sip_layer *l, struct source *source); /* NULL is allowed */

/* server_refuse.c: answers without state (8.2.7). retry_after_s 0: none. */
void sip_server_refuse(struct sip_layer *l, const struct inbound *in, unsigned status, unsigned retry_after_s);

/* The same for each copy of a request, and for its CANCEL. */
void sip_server_make_tag(const struct sip_layer *l, const struct sip_message *request, char tag[TAG_OCTETS + 1]);

#endif
