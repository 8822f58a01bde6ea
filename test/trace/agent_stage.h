/* One call agent in virtual time between scripted peers: a PBX, two trunks to the phone network, an agent of another company. The test plays the
 * peers: it sends messages in their name, and takes what the agent sent them, in order. Times are milliseconds. */
#ifndef TEST_AGENT_STAGE_H
#define TEST_AGENT_STAGE_H

#include "agent/agent.h"
#include "agent/journal.h"
#include "base/list.h"
#include "media/tone.h"
#include "sip/edit.h"
#include "store/memory.h"
#include "testing.h"

enum peer { PBX, CARRIER_1, CARRIER_2, FAR, PEERS };

#define STAGE_TEXT_OCTETS 512
#define STAGE_MESSAGE_OCTETS 8192

/* A port that the agent has opened, and what it has sent from there. */
struct stage_sound {
    bool is_open;
    enum agent_side side;
    struct addr local, to;
    unsigned packets;
    struct tone_receiver receiver;
    char digits[64];
    unsigned digit_count;
};
#define STAGE_SOUNDS_MAX 1024

/* One side of a dialog that a peer has with the agent. */
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
    bool failed; /* its INVITE: the ACK belongs to that transaction */
};

struct sent {
    struct list link;
    struct sip_hop hop;
    struct mono at;
    char text[STAGE_MESSAGE_OCTETS];
};

struct stage {
    struct now now;
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct memory_store *store;
    bool disk_waits; /* what is written does not become durable, until a test sets this back */
    struct agent_options options;
    struct agent_ports ports;
    bool unchecked; /* nobody looks at tickets; else all are good unless a test has put a judge in the ports */
    struct agent_parts parts;
    struct agent_enrolled *enrolled;
    struct agent_alarms alarms;
    struct agent *agent;
    struct list inbox[PEERS];
    struct sent *taken; /* what stage_take returned a view of */
    struct region region;
    struct sip_message message;
    const char *far_domain; /* of its certificate; several: separated by spaces */
    bool stopped;
    void (*mapping)(struct stage *s, const struct mapping_client_effect *e); /* the edge's mapping service */
    bool deaf[PEERS];                                                        /* what is sent there is lost */
    char to_strangers[STAGE_MESSAGE_OCTETS];                                 /* the last message to nobody of them */
    struct sip_hop stranger;
    unsigned branch;
    const char *sdp[PEERS]; /* what each of them describes; NULL: one stream of audio */
    struct agent_sound sound;
    struct stage_sound sounds[STAGE_SOUNDS_MAX];
    unsigned sound_count, sounds_max; /* opened so far; 0: as many as there is room for */

    /* Trouble, if a test wants it; drawn from the entropy. */
    const struct entropy *trouble;
    unsigned mutate_percent; /* messages to the agent that are changed on the way */
    unsigned lose_percent;   /* messages that are lost, either way */
    unsigned starve_percent; /* calls of the agent in which an allocation fails */
};

/* Company a.example with numbers +4930100XXXX; a PBX, two carriers; the peers are located. Setup and teardown of a test; teardown checks that
 * nothing is left: no call, no transaction, no memory. */
int agent_stage_setup(void **state);
int agent_stage_teardown(void **state);

/* Options may be changed between these. */
struct stage *agent_stage_new(void);
void agent_stage_start(struct stage *s);
void agent_stage_restart(struct stage *s, bool crash);
void agent_stage_free(struct stage *s);

/* Calls may move to the phone network: ports for sound, and this profile for our numbers; between agent_stage_new and _start. */
void agent_stage_fallback(struct stage *s, const struct agent_fallback_profile *profile);
/* The last port that was opened on that side and still is. */
struct stage_sound *stage_sound(struct stage *s, enum agent_side side);
/* Digits come in there, as named events. */
void stage_tones(struct stage *s, const struct stage_sound *sound, const char *digits);
size_t stage_sounds_open(const struct stage *s);

/* A route to +49302000001 by b.example, with the ticket "dGlja2V0". */
void stage_learn(struct stage *s, const char *number, const char *domain);
/* One to the same place, granted by another IME server of that domain. */
void stage_learn_from(struct stage *s, const char *number, const char *domain, uint8_t node);

void stage_run(struct stage *s, int64_t ms);

/* Whether an alarm of that kind rings now. */
bool stage_rings(const struct stage *s, enum agent_alarm alarm);
void stage_send(struct stage *s, enum peer peer, const char *text);
void stage_send_from(struct stage *s, enum agent_side side, const char *address, const char *text); /* anybody */
void stage_send_over(struct stage *s, const struct sip_flow *flow, const char *text);
void stage_unreachable(struct stage *s, enum peer peer); /* what it was to be sent next could not be */

/* The next message to that peer: a request of this method, or a response with this status ("180"). Valid until the next take. */
const struct sip_message *stage_take(struct stage *s, enum peer peer, const char *what);
void stage_skip(struct stage *s, enum peer peer); /* the same, whatever it is; nothing if there is none */
void stage_quiet(struct stage *s);                /* nobody was sent anything else */
bool stage_is_quiet(const struct stage *s, enum peer peer);

/* A header field of what was taken; "" if there is none. Static storage. */
const char *stage_field(struct stage *s, enum sip_header header);
const char *stage_text(struct stage *s);          /* all of it */
const char *stage_body(struct stage *s);          /* of it */
const struct sip_hop *stage_hop(struct stage *s); /* where it was sent to */

/* ---- talks ---- */

/* A peer calls. */
void talk_call(struct stage *s, struct talk *t, enum peer peer, const char *user);
/* With further header fields, with line ends. */
void talk_call_with(struct stage *s, struct talk *t, enum peer peer, const char *user, const char *more);
/* The INVITE that it is sent becomes its talk. */
void talk_called(struct stage *s, struct talk *t, enum peer peer);
/* Answers the last request that it was sent; more may be NULL. */
void talk_answer(struct talk *t, unsigned status, const char *more);
/* A response with this status came; its dialog is taken from it. */
void talk_heard(struct talk *t, const char *status);
/* A request outside of dialogs, its own and what it is sent; more and body as in talk_request. */
void talk_ask(struct stage *s, struct talk *t, enum peer peer, const char *method, const char *user, const char *more,
              const char *body);
/* One came to a peer: with the talk that its answer begins. */
void talk_is_asked(struct stage *s, struct talk *t, enum peer peer, const char *method);
/* A request came inside of its dialog. */
void talk_asked(struct talk *t, const char *method);
/* It sends one; more (may be NULL) with line ends; body may be NULL. */
void talk_request(struct talk *t, const char *method, const char *more, const char *body);
void talk_ack(struct talk *t);
void talk_cancel(struct talk *t);

/* A peer calls, and its call comes to another. */
void talk_begin(struct stage *s, struct talk *caller, enum peer from, const char *user, struct talk *called,
                enum peer to);
/* Heard by the caller: it rings; it is answered, and acknowledged; it is refused, likewise. */
void talk_ring(struct talk *caller, struct talk *called);
void talk_accept(struct talk *caller, struct talk *called);
void talk_refuse(struct talk *caller, struct talk *called, unsigned status);
/* All of it but the last. */
void talk_connect(struct stage *s, struct talk *caller, enum peer from, const char *user, struct talk *called,
                  enum peer to);

/* The newest call record. */
struct call_record stage_record(struct stage *s);

#endif
