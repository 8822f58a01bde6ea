/* Packets for SRTP, by both libraries at once: they must agree on what is good and on every octet. The first octet names the suite; then
 * records follow: what is to be done, two octets of length, a packet. */
#include "media/srtp_private.h"

#include <stdlib.h>

enum { PROTECTED = 1, RTCP = 2, ALTERED = 4, TWICE = 8, GOES_ON = 16 };

struct sides {
    struct srtp *out[2];
    struct srtp *in[2];
};

static void need(bool good)
{
    if (!good)
        abort();
}

static void start(struct sides *s, enum srtp_suite suite)
{
    struct srtp_master master = {.suite = suite};
    for (size_t i = 0; i < sizeof master.octets; i++)
        master.octets[i] = (uint8_t)(i + 1);
    for (unsigned i = 0; i < 2; i++) {
        enum srtp_backend backend = i ? SRTP_BACKEND_LIBSRTP : SRTP_BACKEND_OPENSSL;
        need(srtp_new(&master, SRTP_PROTECTS, backend, &s->out[i]) == 0);
        need(srtp_new(&master, SRTP_UNPROTECTS, backend, &s->in[i]) == 0);
    }
    s->out[0]->rtcp_first = 1; /* where libsrtp2 begins */
}

static void stop(struct sides *s)
{
    for (unsigned i = 0; i < 2; i++) {
        srtp_free(s->out[i]);
        srtp_free(s->in[i]);
    }
}

/* Ours goes on in another object: nothing that counts may be lost on the way. */
static void go_on(struct srtp **s, enum srtp_suite suite)
{
    struct srtp_master master = {.suite = suite};
    struct srtp *next;
    struct buf state;
    for (size_t i = 0; i < sizeof master.octets; i++)
        master.octets[i] = (uint8_t)(i + 1);
    buf_init(&state, 1 << 16);
    need(srtp_new(&master, (*s)->direction, SRTP_BACKEND_OPENSSL, &next) == 0);
    need(srtp_export(*s, &state) == 0 && srtp_import(next, buf_slice(&state), 0, NULL) == 0);
    buf_fini(&state);
    srtp_free(*s);
    *s = next;
}

static enum srtp_result pass(struct srtp *s, uint8_t packet[SRTP_PACKET_OCTETS_MAX], size_t *n, bool rtcp)
{
    if (s->direction == SRTP_PROTECTS)
        return rtcp ? srtp_rtcp_protect(s, packet, SRTP_PACKET_OCTETS_MAX, n)
                    : srtp_rtp_protect(s, packet, SRTP_PACKET_OCTETS_MAX, n);
    return rtcp ? srtp_rtcp_unprotect(s, packet, n) : srtp_rtp_unprotect(s, packet, n);
}

/* One packet through both of a kind: the same answer, the same octets, and none of them changed if it was not good. */
static enum srtp_result both(struct srtp *const sides[2], uint8_t packet[SRTP_PACKET_OCTETS_MAX], size_t *n, bool rtcp)
{
    static uint8_t other[SRTP_PACKET_OCTETS_MAX], before[SRTP_PACKET_OCTETS_MAX];
    size_t other_n = *n, before_n = *n;
    memcpy(other, packet, *n);
    memcpy(before, packet, *n);
    enum srtp_result result = pass(sides[0], packet, n, rtcp);
    need(pass(sides[1], other, &other_n, rtcp) == result && other_n == *n && memcmp(packet, other, *n) == 0);
    need(result == SRTP_GOOD || (*n == before_n && memcmp(packet, before, before_n) == 0));
    need(result != SRTP_FAILED);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t packet[SRTP_PACKET_OCTETS_MAX], plain[SRTP_PACKET_OCTETS_MAX], again[SRTP_PACKET_OCTETS_MAX];
    struct sides s;
    if (size < 1)
        return 0;
    enum srtp_suite suite = (enum srtp_suite)(1 + data[0] % 4);
    start(&s, suite);
    for (size_t at = 1; size - at >= 3;) {
        uint8_t what = data[at];
        size_t n = srtp_get_u16(data + at + 1), left = size - at - 3;
        bool rtcp = what & RTCP, good = false;
        n = n < left ? n : left;
        memcpy(packet, data + at + 3, n);
        at += 3 + n;
        size_t plain_n = n;
        memcpy(plain, packet, n);
        if (what & GOES_ON) {
            go_on(&s.out[0], suite);
            go_on(&s.in[0], suite);
        }
        if (what & PROTECTED)
            good = both(s.out, packet, &n, rtcp) == SRTP_GOOD;
        if (good && what & ALTERED)
            packet[n - 1 - (what >> 5)] ^= what;
        size_t again_n = n;
        memcpy(again, packet, n);
        enum srtp_result result = both(s.in, packet, &n, rtcp);
        /* Without the key nothing passes; with it, what came out is what went in. */
        need(result != SRTP_GOOD || (good && !(what & ALTERED) && n == plain_n && memcmp(packet, plain, n) == 0));
        if (result == SRTP_GOOD && what & TWICE)
            need(both(s.in, again, &again_n, rtcp) == SRTP_REPLAYED);
    }
    stop(&s);
    return 0;
}
