/* Phones that follow a script: one that places a call, one that answers. Passive objects, driven as a network is (network.h). A phone offers or
 * answers one audio stream, and one of video if it has that. Without ports the audio is inactive: there is no media, but the description is a real
 * one. With ports, both ends say a tone, and know what they heard (voice.h), and when they did not (ear.h).
 *
 * In the middle of a call a phone does what it is asked for by re-INVITE or UPDATE: another address, another codec, another set of streams. It moves with
 * the next packet, keeps its ports, and goes on listening for a while to where the other side was. */
#ifndef PSTN_PHONE_H
#define PSTN_PHONE_H

#include "pstn/network.h"
#include "pstn/voice.h"

struct pstn_phone;

#define PSTN_PHONE_NUMBERS_MAX 64
#define PSTN_PHONE_PORTS_MAX 256

/* Texts are borrowed, for the life of the phone. */
struct pstn_phone_options {
    const char *point; /* "host:port" of ours, in Via and Contact, over UDP and TCP */
    struct addr media; /* named in descriptions without voice; nothing is sent or taken there */
    size_t port_count; /* calls with voice at a time, each at a port of its own; beyond: busy. 0: none have voice */
    struct addr ports[PSTN_PHONE_PORTS_MAX];
    bool has_video;
    struct addr video_ports[PSTN_PHONE_PORTS_MAX]; /* with video: as many as there are ports */
    size_t number_count;                           /* a phone that answers: the numbers it has; 0: all */
    const char *numbers[PSTN_PHONE_NUMBERS_MAX];
    const struct sip_hop *registrar; /* where it registers each of them; NULL: nowhere */
    const char *domain;              /* host of the registrar's URIs */
    const char *user;                /* of a phone that calls, for its password; NULL: the number it calls from */
    const char *password;            /* a secret, for registrations and calls; NULL: none */
    struct pstn_span ring;           /* until it answers */
    int64_t talk_ms;                 /* until it hangs up; 0: it never does */
    bool is_busy;                    /* it refuses every call */
    bool refuses_changes;            /* 488 to every re-INVITE and UPDATE that offers something */
    int64_t hold_after_ms;           /* after the answer it puts the call on hold; 0: never */
    int64_t resume_after_ms;         /* and takes it up again; 0: never */
    size_t calls_max;                /* at a time; beyond: busy */
};

/* What has happened. */
enum pstn_phone_event {
    PSTN_PHONE_RINGING,
    PSTN_PHONE_ANSWERED,
    PSTN_PHONE_MOVED, /* the other side's media are elsewhere, or are other ones */
    PSTN_PHONE_GAP,   /* there was a pause: the newest in heard.gaps, if it is one of the longest */
    PSTN_PHONE_OVER
};

/* What became of a call. Times are 0 for what did not happen. */
struct pstn_phone_call {
    enum pstn_phone_event event;
    char from[64], to[64]; /* user parts, as this phone sees them */
    bool is_ours;          /* placed by this phone */
    bool rang;
    unsigned status; /* the final one; 0: none */
    struct wall begun_at, rang_at, answered_at, ended_at;
    bool ended_by_us;
    bool in_order; /* it was answered, and the BYE of one side was answered by the other */
    bool has_voice;
    uint64_t sent, received, lost; /* packets of voice */
    enum pstn_tone tone;
    struct pstn_heard heard;                       /* offsets are since the answer */
    bool has_video;                                /* at the moment */
    uint64_t video_sent, video_received, pictures; /* packets; pictures that arrived whole */
    struct addr towards;                           /* where its voice goes at the moment */
    uint64_t moves;                                /* so often it went elsewhere */
    uint64_t changes; /* descriptions in the middle of the call that it was asked to take */
    uint64_t refused; /* of them */
    uint64_t faults;  /* rules of RFC 3264 that the other side broke in its descriptions */
};

typedef void pstn_phone_fn(void *arg, const struct pstn_phone_call *call);

int pstn_phone_new(const struct pstn_phone_options *options, const struct entropy *entropy, const struct log *log,
                   struct now now, pstn_phone_fn *news, void *arg, struct pstn_phone **ret_phone);
void pstn_phone_free(struct pstn_phone *p); /* NULL is allowed */

/* With all of its numbers. */
bool pstn_phone_is_registered(const struct pstn_phone *p);

/* Calls a number through a trunk, for so long after the answer. patience_ms: cancels it if nobody has answered then. 0, ERR_LIMIT,
 * ERR_NO_MEMORY, ERR_RANGE (a number with characters that no URI takes). */
int pstn_phone_call(struct pstn_phone *p, struct now now, const struct sip_hop *via, const char *domain,
                    const char *from, const char *to, int64_t talk_ms, int64_t patience_ms);

/* Puts all calls on hold, or takes them up again: by re-INVITE, once more a little later if the other side was about to say something, too. */
void pstn_phone_hold(struct pstn_phone *p, struct now now, bool holds);

/* Hangs up, and takes registrations back. */
void pstn_phone_stop(struct pstn_phone *p, struct now now);
bool pstn_phone_is_quiet(const struct pstn_phone *p); /* no call, and nothing that waits for an answer */

void pstn_phone_input(struct pstn_phone *p, struct now now, const struct sip_flow *flow, struct slice octets);
void pstn_phone_unreachable(struct pstn_phone *p, struct now now, const struct sip_hop *hop);
void pstn_phone_tick(struct pstn_phone *p, struct now now);
struct mono pstn_phone_deadline(const struct pstn_phone *p);
bool pstn_phone_next(struct pstn_phone *p, struct now now, struct pstn_effect *ret_effect);

/* A packet came to one of the ports; those of video are counted on from those of voice. pstn_phone_speak gives what is to be sent from them now, one
 * packet after the other, valid until its next call. */
void pstn_phone_take(struct pstn_phone *p, struct now now, size_t port, const struct addr *from, struct slice packet);
bool pstn_phone_speak(struct pstn_phone *p, size_t *ret_port, struct addr *ret_to, struct slice *ret_packet);

#endif
