/* SRTP and SRTCP (RFC 3711, RFC 7714), in place. A struct srtp is one direction of one stream under one master key: what we protect
 * for a peer, or what we unprotect from it, with all its SSRCs, RTP and RTCP.
 *
 * Two libraries can do the work: OpenSSL's EVP, and libsrtp2. They give the same octets and are each other's oracle.
 *
 * New keys are a new struct srtp. On a re-INVITE packets under the old key arrive for a moment: keep the old object beside the new one
 * until its grace time is over (there is no clock here), try the new one first, and the old one when that says SRTP_FORGED: a packet
 * that was not SRTP_GOOD is as it was. srtp_follow gives the new one the numbering of the old one. The same key must go on with the same object (or its state, by srtp_export and srtp_import):
 * a second object of one key that protects would use key stream twice. Compare with srtp_master_equal. */
#ifndef MEDIA_SRTP_H
#define MEDIA_SRTP_H

#include "base/buf.h"
#include "media/suite.h"

/* Protection appends at most this much: a GCM tag, and E flag and index of SRTCP. */
#define SRTP_OVERHEAD_OCTETS_MAX 20

/* SSRCs under one key. One is remembered when its first packet has verified (or was protected), and stays as long as the key: forgetting
 * it would allow replay, and on the way out key stream used twice. */
#define SRTP_SSRCS_MAX 128

/* Packets behind the newest one that are still told from replays; older ones are refused. */
#define SRTP_WINDOW_PACKETS 128

enum srtp_direction {
    SRTP_PROTECTS,
    SRTP_UNPROTECTS,
};

enum srtp_backend {
    SRTP_BACKEND_DEFAULT, /* the faster one: ./run bench srtp */
    SRTP_BACKEND_OPENSSL,
    SRTP_BACKEND_LIBSRTP,
};

enum srtp_result {
    SRTP_GOOD,
    SRTP_MALFORMED, /* not RTP or RTCP of version 2, shorter than its own header says, or no room for the tag */
    SRTP_REPLAYED, /* seen before, or older than the window; on the way out: the number was used, key stream would show */
    SRTP_FORGED,   /* does not authenticate */
    SRTP_OVER,     /* the key has protected all the packets that it may (RFC 3711 section 9.2): new keys are needed */
    SRTP_FULL,     /* SRTP_SSRCS_MAX others are there already, or no memory for one more */
    SRTP_FAILED,   /* the library */
};
#define SRTP_RESULTS 7

struct srtp;

/* Copies the master key's derivatives, not the key itself. ERR_UNSUPPORTED for SUITE_NONE; ERR_NO_MEMORY; ERR_CRYPTO. */
int srtp_new(const struct srtp_master *master, enum srtp_direction direction, enum srtp_backend backend,
             struct srtp **ret_srtp);

/* Wipes the keys. NULL is allowed. */
void srtp_free(struct srtp *s);

/* *octets: of the packet, before and after. room: octets that may be written at packet (protection makes it longer: RTP by
 * srtp_suite_rtp_overhead, RTCP by srtp_suite_rtcp_overhead). Only with SRTP_GOOD do packet and *octets change (but after
 * SRTP_FAILED the packet is undefined). */
enum srtp_result srtp_rtp_protect(struct srtp *s, uint8_t *packet, size_t room, size_t *octets);
enum srtp_result srtp_rtp_unprotect(struct srtp *s, uint8_t *packet, size_t *octets);

/* A compound packet of RTCP. Without encryption (E flag 0) it is taken as well: it is authenticated. */
enum srtp_result srtp_rtcp_protect(struct srtp *s, uint8_t *packet, size_t room, size_t *octets);
enum srtp_result srtp_rtcp_unprotect(struct srtp *s, uint8_t *packet, size_t *octets);

/* What must survive when another process goes on under the same key: packets counted, and per SSRC the rollover counter, the newest
 * sequence number, the replay window, the index of SRTCP. No key is in it. 0, ERR_UNSUPPORTED (libsrtp2 does not give its state), or
 * the buffer's error. */
int srtp_export(const struct srtp *s, struct buf *ret_state);

/* Into an object that has seen no packet yet (else ERR_WRONG_STATE), of the same master key and direction. rtcp_skip: how many packets of
 * RTCP per SSRC may have been sent since the state was taken; their indexes are not used again. Unless that is 0 (the object has stood still
 * since), RTP that is older than the newest of the state is not protected any more: it may have gone out. RTP brings its numbers along: what was
 * protected since the state was taken could be protected once more if it came again, with the same octets. 0,
 * ERR_SYNTAX, ERR_TRUNCATED, ERR_UNSUPPORTED, ERR_NO_MEMORY. */
int srtp_import(struct srtp *s, struct slice state, uint32_t rtcp_skip, struct fault *ret_fault);

/* For new keys of the same stream: s, which has seen no packet yet (else ERR_WRONG_STATE), goes on with the rollover counters and indexes
 * of the one before, as RFC 3711 section 3.3.1 and 3.4 want. A peer that begins again with 0 is understood as well. 0, ERR_NO_MEMORY;
 * ERR_UNSUPPORTED with libsrtp2: every SSRC then begins with 0. */
int srtp_follow(struct srtp *s, const struct srtp *before);

/* A word for counters and logs; static storage. */
const char *srtp_result_name(enum srtp_result result);

#endif
