/* The objects of calls that move to the phone network (README.md has the states). Who begins the call acts; the called side is told, waits for the
 * call by the phone network, and joins it. */
#ifndef AGENT_FALLBACK_PRIVATE_H
#define AGENT_FALLBACK_PRIVATE_H

#include "agent/fallback_word.h"
#include "agent/internal.h"
#include "media/tone.h"
#include "sip/sdp_carry.h"

#define DETOURS_MAX 2000     /* that belong to no call yet */
#define WRONG_TOKENS_MAX 20  /* a minute; beyond, callers without a caller ID are refused */
#define ANNOUNCED_MS 60000   /* after "calling" the caller ID alone is believed for so long */
#define RESCUE_MS 30000      /* a call whose direct way is gone is kept for so long */
#define RESCUE_RETRY_MS 2000 /* between its tries */
#define RETRY_MIN_MS 10000   /* after a failed try; doubles */
#define RETRY_MAX_MS 300000  /* up to here */
#define RETURN_MAX_MS 600000 /* the longest time of good quality before a call comes back */
#define RETURN_MIN_MS 5000
#define UNKNOWN_CALLER_MS 5000   /* a fallback call waits so long for its call to be announced */
#define DIGITS_AFTER_MS 500      /* its word may come by the direct way: no tones are sent before */
#define JOINED_WITHIN_MS 5000    /* after the answer, or the last tone */
#define HASH_HEARD_MS 1500       /* no digits came for so long after our "#": it was heard */
#define HASH_AGAIN_MS 700        /* it is said again so long after a digit */
#define DEAD_PATH_JOINED_MS 1000 /* nobody can tell us, and no tones were asked for: the answer is enough */
#define FIRST_SOUND_MS 2000      /* the called side moves then at the latest */
#define MOVE_MS 10000            /* both re-INVITEs, again where they cross others, and the return */
#define MOVE_WAIT_MS 1000        /* for the direct way's answer to what our phone has asked there */
#define SETTLE_MS 2000           /* a BYE so soon after the move is its failure, not a hang-up */
#define CHECK_MS 2000            /* an answer in the dialog, or its path is dead */
#define CHECK_SPREAD_MS 500      /* over which the calls of a lost connection are asked */
#define MOVE_ROUNDS_MAX 4
#define WORDS_MAX 60 /* a minute that one call is heard for; an honest agent says a handful */

/* ---- voice.c: what the agent says and hears itself ---- */

struct voice;
typedef void voice_digit_fn(struct voice *v, char digit);
typedef void voice_idle_fn(struct voice *v); /* every digit was sent */

struct voice {
    struct agent *agent;
    void *owner;
    voice_digit_fn *digit; /* NULL: nobody listens */
    voice_idle_fn *idle;
    voice_idle_fn *came; /* the first packet did; may be NULL */
    bool is_open, sends, hears, sent_digits, was_heard;
    uint64_t id;
    struct addr local, to;
    struct tone_sender sender;
    struct tone_receiver receiver;
    struct timer timer;
    struct list link; /* in agent.speaking: a packet is due */
};

void voice_init(struct voice *v, struct agent *a, void *owner, voice_digit_fn *digit, voice_idle_fn *idle);
int voice_open(struct voice *v, enum agent_side side, uint8_t family);
void voice_close(struct voice *v);
/* After what was agreed: silence from now on, digits when told so. ERR_CONFLICT, ERR_NOT_FOUND as sip_sdp_stream. */
int voice_agree(struct voice *v, struct slice ours, struct slice theirs);
int voice_say(struct voice *v, const char *digits);
int voice_say_now(struct voice *v, const char *digits); /* without waiting for the next packet's time */

/* ---- ask.c: an INVITE of our own inside of a dialog ---- */

struct party;
/* status as in client_fn; a 2xx was acknowledged, unless the INVITE was without an offer. */
typedef void ask_fn(struct party *p, unsigned status, const struct sip_message *response);

/* An end, with what was described there. */
struct party {
    struct agent *agent;
    struct fallback *fallback; /* NULL: of a leg without a call */
    struct end *end;           /* NULL: not yet */
    struct buf said;           /* its last description that was agreed to; empty: none */
    struct buf offered;        /* by it, not agreed to yet */
    struct sip_sdp_told told;
    struct client invite;
    struct buf offer; /* of ours, under way; empty: without one */
    char *word;       /* that goes with it; NULL: none */
    struct timer again;
    unsigned crossings;        /* 491s in a row */
    struct mono crosses_until; /* from then on they are a refusal */
    bool waits_for_ack;        /* the answer to an INVITE without an offer is not acknowledged yet */
    ask_fn *heard;             /* NULL: nothing was asked, or nobody cares any longer */
    bool pending;              /* it is to be told where the audio is now */
    unsigned rounds;
};

void party_init(struct party *p, struct agent *a, struct fallback *f);
void party_fini(struct party *p);
/* Whether an INVITE may be sent there now (RFC 3261 14.1). */
bool party_is_busy(const struct party *p);
/* offer empty: the other side is to make one. word: a value of IME-Fallback, or NULL. */
int party_ask(struct party *p, struct slice offer, const char *word, ask_fn *heard);
/* Nobody waits for it any longer: it is cancelled; a 2xx that comes nevertheless is acknowledged. */
void party_ask_no_more(struct party *p);
void party_cancel(struct party *p);                          /* likewise, but its end is still heard */
int party_acknowledge(struct party *p, struct slice answer); /* of the INVITE without an offer */
int party_said(struct party *p, struct slice description);

/* ---- detour.c: a call of ours by the phone network ---- */

enum detour_state {
    DETOUR_CALLING, /* we call: no answer yet */
    DETOUR_WAITING, /* called: not answered, the call that it is for is not known */
    DETOUR_DIGITS,  /* called: answered, the digits are collected */
    DETOUR_UP,      /* it belongs to a call */
    DETOUR_ENDING   /* goodbye was said, or the INVITE canceled */
};

struct detour {
    struct list link; /* in agent.legs */
    struct agent *agent;
    struct fallback *fallback; /* NULL: none, or it is over */
    enum detour_state state;
    bool is_ours; /* we called */
    struct trunk *trunk;
    struct end end;
    struct party party;
    struct client client; /* of the INVITE, then of the BYE */
    uint32_t cseq;
    char tag[TAG_OCTETS];
    char call_id[2 * TAG_OCTETS];
    uint64_t server; /* of the INVITE that came; 0: it has its answer */
    struct e164 calling, called;
    const struct agent_fallback_profile *profile; /* called: for the number; valid while the event lasts */
    unsigned digits_wanted, caller_id_digits;
    int64_t inter_digit_ms;
    struct wall answered_at;
    struct mono collected_by;
    struct mono move_by; /* found: the other side's sound is waited for until then */
    struct voice voice;
    char digits[FALLBACK_TOKEN_DIGITS_MAX + 1];
    unsigned digit_count;
    bool asks_again; /* digits came after the "#" */
    struct timer timer;
    struct call_record *record; /* called: of its own; NULL: no memory */
};

/* Calls the fallback number by that trunk. */
int detour_call(struct fallback *f, struct trunk *trunk, struct detour **ret_leg);
void detour_came(struct agent *a, const struct sip_event *event, struct trunk *trunk, const struct e164 *called,
                 const struct agent_fallback_profile *profile);
int detour_answer(struct detour *l); /* 200 with a port of ours */
void detour_refuse(struct detour *l, unsigned status, enum agent_cause cause);
/* Says goodbye, whatever state it is in, and forgets its call. cause AGENT_CAUSE_NONE: none is told. */
void detour_end(struct detour *l, enum agent_cause cause);
void detour_gone(struct detour *l); /* the other side has ended it */
void detour_free(struct detour *l);
bool detour_requested(struct detour *l, const struct sip_event *event); /* what no phone is to answer */
/* detour.c tells fallback_call.c */
void fallback_leg_answered(struct fallback *f);
void fallback_leg_failed(struct fallback *f, unsigned status, const struct sip_message *response);
void fallback_leg_digit(struct fallback *f, char digit);
void fallback_leg_spoke(struct fallback *f);
bool fallback_leg_offers(struct fallback *f,
                         const struct sip_event *event); /* an INVITE inside of it; true: it has its answer */
void fallback_leg_ended(struct fallback *f, const struct sip_message *bye);
/* detour.c tells fallback_match.c */
void match_leg(struct detour *l);    /* it came */
void match_digits(struct detour *l); /* another one was heard */
void match_due(struct detour *l);
void match_said(struct detour *l);        /* our "#", whole */
void match_asked_again(struct detour *l); /* a digit came though it had been found */
void match_answered(struct detour *l);    /* the other side moves */
void match_announced(struct fallback *f); /* for legs that wait */

/* ---- fallback.c ---- */

enum fallback_state {
    FALLBACK_DIRECT,    /* the audio goes over the Internet */
    FALLBACK_TRYING,    /* we act: the phone network is called, or the far side's word is waited for */
    FALLBACK_MOVING,    /* to the phone network: descriptions are exchanged */
    FALLBACK_AWAY,      /* on the phone network */
    FALLBACK_BACK,      /* to the direct way that was kept, since the phone network failed */
    FALLBACK_RETURNING, /* the phones' own descriptions go over the direct way again */
    FALLBACK_OVER
};

enum fallback_path {
    PATH_OWN,    /* the phones' own descriptions hold there */
    PATH_SILENT, /* ours: it is kept open with silence */
    PATH_GONE
};

/* An INFO on its way. */
struct said_word {
    struct list link; /* in fallback.words */
    struct fallback *fallback;
    struct client client;
    enum fallback_verb verb;
};

struct fallback {
    struct list link; /* in agent.fallbacks once it was agreed on */
    struct call *call;
    struct agent *agent;
    bool acts;      /* our side began the call */
    bool is_agreed; /* both sides can, and it was answered */
    bool is_private;
    enum fallback_state state;
    enum fallback_path path;
    struct agent_fallback_profile profile; /* ours */
    struct e164 number;                    /* the other side's, if we act; else ours */
    char token[FALLBACK_TOKEN_DIGITS_MAX + 1];
    bool token_used;
    int64_t return_ms; /* 0: not agreed on */
    struct party phone, direct;
    struct detour *leg;
    struct voice voice; /* on the direct way */
    struct list words;
    bool bad_here, bad_there; /* what the edges say */
    bool by_hand;             /* somebody wants it whatever they say */
    bool joined, return_asked;
    bool waits;          /* moving, called side: the other one knows of the answer later, and moves first */
    bool is_telling;     /* called side: nothing moves before the other side knows that its call has been found */
    bool phone_is_away;  /* it was told of the phone network, and said yes */
    bool phone_returned; /* returning, called side: it has said yes to the direct way */
    unsigned failures;   /* of tries, in a row; a move that did not last is one */
    unsigned moves;
    size_t next_trunk;
    struct mono announced_until;
    struct mono moved_at;
    struct mono not_before; /* the next try, if only the other side wants it */
    struct mono words_until;
    unsigned words_heard; /* until then */
    struct wall state_since;
    struct timer timer;   /* of the state */
    struct timer later;   /* direct: the next try. moving: its patience with the direct way. away: the return */
    struct timer release; /* the direct way is given up */
    struct timer rescue;  /* or it is over */
    struct timer check;   /* is the direct way dead? */
    struct client checking;
};

struct fallback *fallback_new(struct call *c, const struct agent_fallback_profile *profile, bool acts);
unsigned fallback_note(struct fallback *f, enum agent_side side, enum agent_cause cause, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void fallback_set(struct fallback *f, enum fallback_state state);
void fallback_want(struct fallback *f); /* the phone network, if it may */
void fallback_failed(struct fallback *f, enum agent_cause cause, const char *why);
void fallback_retry(struct fallback *f); /* once more, later, if it is still bad */
void fallback_path_gone(struct fallback *f, const char *why);
void fallback_check_path(struct fallback *f, int64_t after_ms);
struct party *fallback_party(struct fallback *f, const struct end *end);
void fallback_link(struct fallback *f, struct end *with); /* phone and that end hear each other */
void fallback_leave_direct(struct fallback *f);           /* BYE of the direct way alone */

/* fallback_say.c */
int fallback_say(struct fallback *f, const struct fallback_word *word);
void fallback_hear(struct fallback *f, const struct sip_event *event); /* an INFO with a word */
void fallback_say_verb(struct fallback *f, enum fallback_verb verb);
void fallback_words_free(struct fallback *f);
struct slice fallback_text(struct agent *a, const struct fallback_word *word);

/* fallback_call.c: we act */
void fallback_try(struct fallback *f);
void fallback_far_joined(struct fallback *f);
void fallback_try_due(struct fallback *f);

/* fallback_match.c: we are called */
void fallback_not_called(struct fallback *f); /* the far side knows nothing of the call that has found this one */
int fallback_make_token(struct fallback *f);
void fallback_drop_token(struct fallback *f);

/* fallback_move.c */
void fallback_move(struct fallback *f);     /* to the leg */
void fallback_move_now(struct fallback *f); /* what was waited for has come; harmless otherwise */
void fallback_told(struct fallback *f);     /* is_telling is over */
/* cause: of the failure; AGENT_CAUSE_NONE: somebody wants it so. */
void fallback_back(struct fallback *f, enum agent_cause cause, const char *why);
void fallback_move_on(struct fallback *f);
void fallback_move_due(struct fallback *f);
void fallback_move_stuck(struct fallback *f);

/* fallback_return.c */
void fallback_keep(struct fallback *f); /* it is away now: the direct way is kept, or will be released */
void fallback_kept_invite(struct fallback *f, const struct sip_event *event);
void fallback_return_by_hand(struct fallback *f);
void fallback_return_wait(struct fallback *f);
void fallback_return_due(struct fallback *f);
void fallback_return_answered(struct fallback *f, unsigned status, const struct sip_message *response);
void fallback_stay(struct fallback *f);
void fallback_return_forced(struct fallback *f);
unsigned fallback_return_allowed(struct fallback *f); /* 200, 480, 603 */
void fallback_return_failed(struct fallback *f, const char *why);
void fallback_return_on(struct fallback *f);
void fallback_return_acked(struct fallback *f);

/* fallback_alarm.c */
void fallback_alert(struct agent *a);

#endif
