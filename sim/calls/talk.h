/* A phone's session: the descriptions that it writes and reads, and what it says and hears. While it is up and nobody holds it says a packet every
 * SIM_TALK_MS; each packet tells which call it is of, which end said it, and when.
 *
 * What it is told goes into the ledger; so does a description that does not continue the one before (RFC 3264 8). */
#ifndef SIM_CALLS_TALK_H
#define SIM_CALLS_TALK_H

#include "calls/day.h"

#include "pstn/leg.h"
#include "sip/sdp.h"

#define SIM_TALK_MS 40
#define SIM_TALK_BODY_OCTETS 640
#define SIM_TALK_HEADER_OCTETS 12
#define SIM_TALK_TELEPHONE_EVENT 101 /* payload type */

/* What a packet says, behind its RTP header. */
struct sim_saying {
    uint8_t mark[4];
    uint32_t call;
    uint8_t is_caller;
    uint8_t nth;
    uint8_t reserved[2];
    uint32_t number; /* of the packet, from 0 */
    int64_t at_us;
};

struct sim_talk {
    struct sim_day *day;
    uint32_t company, call;
    unsigned nth;
    bool is_caller;
    bool has_port; /* it says something */
    bool has_video;
    bool is_up;
    bool holds;     /* has put the other side on hold */
    struct addr at; /* of ours */
    struct sim_media_port port;
    uint64_t session_id;             /* of our descriptions */
    uint32_t version;                /* the same */
    unsigned lines;                  /* m-lines of the session */
    bool video_offered;              /* in what is answered */
    enum sip_sdp_direction other;    /* as its writer sees it */
    struct addr to;                  /* family 0: not known */
    char body[SIM_TALK_BODY_OCTETS]; /* our last description */
    char origin[64];                 /* session of the other side's, as it was first told */
    uint64_t origin_version;
    uint64_t origin_hash; /* of what was told with that version */
    uint16_t sequence;
    uint32_t number, ssrc;
};

/* The talk lives until fini; where_port: a number that no other phone of the company has had lately. */
void sim_talk_init(struct sim_talk *t, struct sim_day *day, uint32_t call, bool is_caller, unsigned nth, uint16_t port);
void sim_talk_fini(struct sim_talk *t);

/* Our description, valid until the next one: an offer, or an answer to what was heard last. */
struct carried sim_talk_offer(struct sim_talk *t);
struct carried sim_talk_answer(struct sim_talk *t);

/* The other side's: an offer or an answer. Empty: none. */
void sim_talk_heard(struct sim_talk *t, struct slice body);

void sim_talk_up(struct sim_talk *t);

/* One packet, if there is somebody to say it to. */
void sim_talk_say(struct sim_talk *t);

#endif
