/* Packets and keys for the tests of SRTP. */
#ifndef TEST_MEDIA_PACKETS_H
#define TEST_MEDIA_PACKETS_H

#include "base/entropy.h"
#include "media/srtp_private.h"
#include "testing.h"

#define PACKET_OCTETS 2048

struct packet {
    uint8_t p[PACKET_OCTETS];
    size_t n;
};

static const enum srtp_suite packet_suites[] = {SUITE_AES_CM_128_HMAC_SHA1_80, SUITE_AES_CM_128_HMAC_SHA1_32,
                                                SUITE_AEAD_AES_128_GCM, SUITE_AEAD_AES_256_GCM};
#define PACKET_SUITES (sizeof packet_suites / sizeof packet_suites[0])

/* G.711, 20 ms, when payload is 160; every octet behind the header has its own value. */
static inline struct packet packet_rtp(uint32_t ssrc, uint16_t seq, size_t payload)
{
    struct packet packet = {.p = {0x80, 0x08, (uint8_t)(seq >> 8), (uint8_t)seq, 1, 2, 3, 4}, .n = 12 + payload};
    srtp_put_u32(packet.p + 8, ssrc);
    for (size_t i = 12; i < packet.n; i++)
        packet.p[i] = (uint8_t)(i * 7 + seq);
    return packet;
}

/* The same with CSRCs and a header extension. */
static inline struct packet packet_rtp_extended(uint32_t ssrc, uint16_t seq, unsigned csrcs, unsigned extension_words,
                                                size_t payload)
{
    struct packet packet = packet_rtp(ssrc, seq, 4 * (size_t)csrcs + 4 + 4 * (size_t)extension_words + payload);
    packet.p[0] = (uint8_t)(0x90 | csrcs);
    uint8_t *extension = packet.p + 12 + 4 * csrcs;
    extension[2] = (uint8_t)(extension_words >> 8);
    extension[3] = (uint8_t)extension_words;
    return packet;
}

/* A receiver report of so many words behind its SSRC. */
static inline struct packet packet_rtcp(uint32_t ssrc, unsigned words)
{
    struct packet packet = {.p = {0x81, 201, 0, (uint8_t)(words + 1)}, .n = 8 + 4 * (size_t)words};
    srtp_put_u32(packet.p + 4, ssrc);
    for (size_t i = 8; i < packet.n; i++)
        packet.p[i] = (uint8_t)(i * 5);
    return packet;
}

static inline struct srtp_master packet_master(enum srtp_suite suite)
{
    struct srtp_master master = {.suite = suite};
    for (size_t i = 0; i < sizeof master.octets; i++)
        master.octets[i] = (uint8_t)(i * 11 + 1);
    return master;
}

static inline struct srtp *packet_srtp(enum srtp_suite suite, enum srtp_direction direction, enum srtp_backend backend)
{
    struct srtp_master master = packet_master(suite);
    struct srtp *s = NULL;
    assert_int_equal(srtp_new(&master, direction, backend, &s), 0);
    return s;
}

/* Protects and unprotects; what was good fits its words. */
static inline enum srtp_result packet_protect(struct srtp *s, struct packet *packet, bool rtcp)
{
    size_t before = packet->n;
    enum srtp_result result = rtcp ? srtp_rtcp_protect(s, packet->p, sizeof packet->p, &packet->n)
                                   : srtp_rtp_protect(s, packet->p, sizeof packet->p, &packet->n);
    size_t added = result != SRTP_GOOD ? 0 : rtcp ? s->rtcp_overhead : s->rtp_overhead;
    assert_int_equal(packet->n, before + added);
    return result;
}

static inline enum srtp_result packet_unprotect(struct srtp *s, struct packet *packet, bool rtcp)
{
    const struct packet before = *packet;
    enum srtp_result result =
        rtcp ? srtp_rtcp_unprotect(s, packet->p, &packet->n) : srtp_rtp_unprotect(s, packet->p, &packet->n);
    if (result != SRTP_GOOD)
        assert_slice_equal(slice_of(packet->p, packet->n), slice_of(before.p, before.n));
    return result;
}

#define PACKET_SLICE(packet) slice_of((packet).p, (packet).n)

#endif
