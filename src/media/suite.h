/* The suites of SRTP that this edge speaks, and a master key of one of them. A value without pointers: it goes between processes and
 * to a stand-by. It is secret: mem_wipe it when it is no longer needed, and never log it. */
#ifndef MEDIA_SUITE_H
#define MEDIA_SUITE_H

#include "base/slice.h"

/* Not SRTP_…: <openssl/srtp.h> and <srtp2/srtp.h> have macros of such names. */
enum srtp_suite {
    SUITE_NONE,                    /* plain RTP */
    SUITE_AES_CM_128_HMAC_SHA1_80, /* RFC 4568 section 6.2.1 */
    SUITE_AES_CM_128_HMAC_SHA1_32, /* RFC 4568 section 6.2.2: RTCP keeps its tag of 80 bits */
    SUITE_AEAD_AES_128_GCM,        /* RFC 7714 section 14.2 */
    SUITE_AEAD_AES_256_GCM,
};
#define SUITE_COUNT 5

/* The longest: AEAD_AES_256_GCM, 32 octets of key and 12 of salt. */
#define SRTP_MASTER_OCTETS_MAX 44

struct srtp_master {
    enum srtp_suite suite;
    uint8_t octets[SRTP_MASTER_OCTETS_MAX]; /* key, then salt, as in a=crypto */
    uint64_t lifetime;                      /* packets that may be protected with it; 0: as many as the suite allows */
};

/* Octets of master key and master salt; 0 for SUITE_NONE and for what is no suite. */
size_t srtp_suite_key_octets(enum srtp_suite suite);
size_t srtp_suite_salt_octets(enum srtp_suite suite);

/* What protection adds to a packet of RTP, and to one of RTCP. */
size_t srtp_suite_rtp_overhead(enum srtp_suite suite);
size_t srtp_suite_rtcp_overhead(enum srtp_suite suite);

/* The name in a=crypto, static storage; "none" for SUITE_NONE. */
const char *srtp_suite_name(enum srtp_suite suite);

/* Names are compared exactly (they are tokens of SDP). SUITE_NONE when it is not known here. */
enum srtp_suite srtp_suite_find(struct slice name);

/* The same suite, key, salt and lifetime; constant time over the key. */
bool srtp_master_equal(const struct srtp_master *a, const struct srtp_master *b);

#endif
