/* RTCP (RFC 3550 6) read in place: the walk over a compound packet, sender information and report blocks, and the round trip that a bystander learns
 * from them. SDES, BYE, APP, XR (RFC 3611) and feedback (RFC 4585) are bounded and passed over. */
#ifndef MEDIA_RTCP_H
#define MEDIA_RTCP_H

#include "base/err.h"
#include "base/slice.h"
#include "base/time.h"

enum rtcp_type {
    RTCP_SR = 200,
    RTCP_RR = 201,
    RTCP_SDES = 202,
    RTCP_BYE = 203,
    RTCP_APP = 204,
    RTCP_RTPFB = 205,
    RTCP_PSFB = 206,
    RTCP_XR = 207
};

/* More in one compound packet are refused: a datagram of 1,500 octets has no room for as many that mean something. */
#define RTCP_PACKETS_MAX 64

struct rtcp_walk {
    struct slice octets;
    size_t at;
    unsigned count;
    bool reduced; /* RFC 5506: any type may come first */
};

struct rtcp_packet {
    uint8_t type;
    uint8_t count;     /* report blocks, chunks, sources, or the format of feedback */
    uint32_t ssrc;     /* of who sends it; 0 where there is none (SDES and BYE without a source) */
    size_t at;         /* where it begins in the compound packet */
    struct slice body; /* behind the header of 4 octets, without padding */
};

/* reduced: packets of reduced size are allowed (a=rtcp-rsize). */
void rtcp_walk_init(struct rtcp_walk *w, struct slice octets, bool reduced);

/* The next packet, checked for its type: 1; 0 at the end, ERR_TRUNCATED, ERR_SYNTAX (version; no report first, 6.1; padding elsewhere than in the last),
 * ERR_RANGE (padding), ERR_LIMIT. After an error the walk is over. ret_fault may be NULL. */
int rtcp_next(struct rtcp_walk *w, struct rtcp_packet *ret_packet, struct fault *ret_fault);

/* The whole compound packet: 0 or the first error. Empty is ERR_TRUNCATED. */
int rtcp_check(struct slice octets, bool reduced, struct fault *ret_fault);

/* Of an SR, 6.4.1 */
struct rtcp_sender {
    uint64_t ntp;
    uint32_t timestamp;
    uint32_t packets;
    uint32_t octets;
};

/* Of an SR or RR, 6.4.1 */
struct rtcp_report {
    uint32_t ssrc;    /* about whom */
    uint8_t fraction; /* lost since the report before, in 1/256 */
    int32_t lost;     /* since the beginning; negative with duplicates */
    uint32_t highest; /* sequence number, extended by its cycles */
    uint32_t jitter;  /* in units of the timestamp */
    uint32_t last_sr; /* the middle 32 bits of the SR's NTP time; 0: none yet */
    uint32_t delay;   /* between that SR and this report, in 1/65536 s */
};

/* False: not an SR, or no such block. */
bool rtcp_read_sender(const struct rtcp_packet *p, struct rtcp_sender *ret_sender);
bool rtcp_read_report(const struct rtcp_packet *p, unsigned index, struct rtcp_report *ret_report);

/* Round trip between here and whoever answers: when SRs passed here on their way there, and the report blocks that came back. Clocks of others play no
 * part: an SR is known again by its NTP time, whatever that says. A value without pointers. */
#define RTCP_ROUND_TRIPS 4
#define RTCP_ROUND_TRIP_MAX_US 30000000

struct rtcp_round_trip {
    struct {
        uint32_t last_sr;
        struct mono passed;
    } sent[RTCP_ROUND_TRIPS];
    unsigned next;
};

/* An SR passes on its way there. */
void rtcp_round_trip_sent(struct rtcp_round_trip *r, struct mono now, uint64_t ntp);

/* A report block comes from there. False: it answers no SR that is remembered, or with a delay that cannot be true. */
bool rtcp_round_trip_answer(const struct rtcp_round_trip *r, struct mono now, const struct rtcp_report *report,
                            int64_t *ret_us);

#endif
