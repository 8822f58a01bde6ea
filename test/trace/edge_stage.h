/* One edge in virtual time between scripted peers: two call agents inside, two other companies outside. The test plays the peers: it sends messages in their
 * name, and takes what the edge sent them, in order. Keys and tickets are real; ports of media are numbers. Times are milliseconds. */
#ifndef TEST_EDGE_STAGE_H
#define TEST_EDGE_STAGE_H

#include "base/list.h"
#include "edge/alg.h"
#include "edge/edge.h"
#include "media/port.h"
#include "sip/edit.h"
#include "store/memory.h"
#include "testing.h"

enum peer { AGENT, SPARE, FAR, OTHER, PEERS };

#define STAGE_TEXT_OCTETS 1024
#define STAGE_MESSAGE_OCTETS 16384
#define STAGE_SESSIONS 64

#define OURS "+49301001234"
#define THEIRS "+49302000001"
#define WAY "Route: <sip:b.example:5061;maddr=203.0.113.9;transport=tls;lr>\r\n"

/* One side of a dialog that a peer has. */
struct talk {
    struct stage *stage;
    enum peer peer;
    char call_id[STAGE_TEXT_OCTETS];
    char local[STAGE_TEXT_OCTETS]; /* From of its requests, tag included */
    char remote[STAGE_TEXT_OCTETS];
    char target[STAGE_TEXT_OCTETS]; /* Request-URI of its requests */
    char tag[32];                   /* its own */
    unsigned cseq;
    unsigned invite_cseq;
    char request[STAGE_MESSAGE_OCTETS]; /* the last one that it was sent, for its answers */
    char invite_branch[64];
    bool failed;         /* its INVITE: the ACK belongs to that transaction */
    const char *sdp;     /* of its offers and answers; NULL: none */
    const char *contact; /* instead of its usual one */
};

struct sent {
    struct list link;
    struct sip_hop hop;
    char text[STAGE_MESSAGE_OCTETS];
};

struct stage_session {
    uint64_t id;
    bool is_open;
    unsigned sets;
    struct media_session last;
};

struct stage {
    struct now now;
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct memory_store *store;
    struct keyring *keyring;
    struct edge_options options;
    struct edge_ports ports;
    struct media_port media;
    struct edge *edge;
    struct list inbox[PEERS];
    struct sent *taken;
    struct region region;
    struct sip_message message;
    const char *domains[PEERS]; /* of their certificates; several: separated by spaces */
    uint64_t conns[PEERS];
    struct stage_session sessions[STAGE_SESSIONS];
    unsigned session_count, open_count;
    uint16_t next_port;
    bool media_full;
    uint64_t closed[STAGE_SESSIONS]; /* whose last word is still to be said */
    unsigned closed_count;
    struct media_summary summary; /* of each session at its end */
    uint64_t last_closed_conn;
    uint64_t held[STAGE_SESSIONS]; /* connections that calls need */
    unsigned held_count;
    struct stage_share { /* the last time that a connection was to be shared */
        unsigned count;
        uint64_t conn;
        unsigned side;
        char domain[64], target[ADDR_TEXT_OCTETS];
        int err; /* the answer */
    } share;
    const char *via_params; /* of what peers outside send: ";alias"; NULL: none */
    const char *sent_by;    /* instead of their addresses; NULL: these */
    unsigned branch;
    bool stopped;
    unsigned notices; /* lines of the log, and the last two */
    char event_before[64], line_before[1024], last_event[64], last_line[1024];
    struct log log;
};

int edge_stage_setup(void **state);
/* Checks that nothing is left: no call, no dialog, no transaction, no session of media, no memory. */
int edge_stage_teardown(void **state);
struct stage *edge_stage_new(void); /* options may be changed between these */
void edge_stage_start(struct stage *s);

void stage_run(struct stage *s, int64_t ms);
void stage_send(struct stage *s, enum peer peer, const char *text);
void stage_lose(struct stage *s, enum peer peer);             /* its connection ends */
bool stage_holds(const struct stage *s, enum peer peer);      /* it may not end for being quiet */
void stage_unreachable(struct stage *s, enum peer peer);      /* what it was to be sent next could not be */
void stage_media(struct stage *s, struct media_event *event); /* of the newest session */

/* The next message to that peer: a request of this method, or a response with this status ("180"). Valid until the next take. */
const struct sip_message *stage_take(struct stage *s, enum peer peer, const char *what);
void stage_quiet(struct stage *s);                                /* nobody was sent anything else */
const char *stage_field(struct stage *s, enum sip_header header); /* of what was taken; "" if there is none */
const char *stage_text(struct stage *s);
const struct edge_counters *stage_counters(const struct stage *s);

/* A ticket for a call to this number, as a header; static storage. */
const char *stage_ticket(struct stage *s, const char *number, const char *granted_to, int64_t from_ms, int64_t to_ms);
const char *stage_good_ticket(struct stage *s);

/* ---- talks ---- */

/* A peer calls, with further header fields (with line ends). */
void talk_call_with(struct stage *s, struct talk *t, enum peer peer, const char *more);
/* Any first request; body may be NULL. */
void talk_ask(struct stage *s, struct talk *t, enum peer peer, const char *method, const char *more, const char *body);
/* A first request to a peer becomes its talk. */
void talk_asked_first(struct stage *s, struct talk *t, enum peer peer, const char *method);
/* Answers the last request that it was sent; more may be NULL. */
void talk_answer(struct talk *t, unsigned status, const char *more);
void talk_answer_as(struct talk *t, unsigned status, const char *tag, const char *more); /* a fork */
/* A response with this status came; its dialog is taken from it. */
void talk_heard(struct talk *t, const char *status);
/* A request came inside of its dialog. */
void talk_asked(struct talk *t, const char *method);
/* It sends one. */
void talk_request(struct talk *t, const char *method, const char *more, const char *body);
void talk_ack(struct talk *t);
void talk_ack_with(struct talk *t, const char *body);
void talk_cancel(struct talk *t);

/* From the agent to the far company or, with a good ticket, the other way: called, ringing, answered. */
void talk_begin(struct stage *s, struct talk *caller, enum peer from, struct talk *called, enum peer to);
void talk_accept(struct talk *caller, struct talk *called);
void talk_connect(struct stage *s, struct talk *caller, enum peer from, struct talk *called, enum peer to);
/* A BYE and its answer. */
void talk_bye(struct talk *from, struct talk *to);
/* Any request inside, and its answer. */
void talk_pass(struct talk *from, struct talk *to, const char *method, const char *more, unsigned status);

extern const char *const stage_plain_sdp;  /* RTP */
extern const char *const stage_secure_sdp; /* SRTP */

#endif
