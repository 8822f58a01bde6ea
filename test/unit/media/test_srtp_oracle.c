/* Two libraries, one SRTP: packets drawn at random (lost, late, twice, several SSRCs, several rounds of sequence numbers, altered ones among
 * them) go through both, and both must say the same and give the same octets. */
#include "packets.h"

struct world {
    struct seeded_entropy seed;
    struct entropy entropy;
    struct srtp *ours_out, *theirs_out, *ours_in, *theirs_in;
};

static void begin(struct world *w, enum srtp_suite suite, uint64_t seed)
{
    w->seed.state = seed;
    w->entropy = seeded_entropy_port(&w->seed);
    w->ours_out = packet_srtp(suite, SRTP_PROTECTS, SRTP_BACKEND_OPENSSL);
    w->theirs_out = packet_srtp(suite, SRTP_PROTECTS, SRTP_BACKEND_LIBSRTP);
    w->ours_in = packet_srtp(suite, SRTP_UNPROTECTS, SRTP_BACKEND_OPENSSL);
    w->theirs_in = packet_srtp(suite, SRTP_UNPROTECTS, SRTP_BACKEND_LIBSRTP);
    /* libsrtp2 gives the first packet of RTCP the index 1, where RFC 3711 section 3.4 has 0. */
    w->ours_out->rtcp_first = 1;
}

static void end(struct world *w)
{
    srtp_free(w->ours_out);
    srtp_free(w->theirs_out);
    srtp_free(w->ours_in);
    srtp_free(w->theirs_in);
}

/* Protects with both; true when both have the same packet. */
static bool protect(struct world *w, struct packet *packet, bool rtcp)
{
    struct packet theirs = *packet;
    enum srtp_result result = packet_protect(w->ours_out, packet, rtcp);
    assert_int_equal(packet_protect(w->theirs_out, &theirs, rtcp), result);
    if (result != SRTP_GOOD)
        return false;
    assert_slice_equal(PACKET_SLICE(*packet), PACKET_SLICE(theirs));
    return true;
}

static enum srtp_result unprotect(struct world *w, struct packet packet, bool rtcp, const struct packet *plain)
{
    struct packet theirs = packet;
    enum srtp_result result = packet_unprotect(w->ours_in, &packet, rtcp);
    assert_int_equal(packet_unprotect(w->theirs_in, &theirs, rtcp), result);
    if (result == SRTP_GOOD) {
        assert_slice_equal(PACKET_SLICE(packet), PACKET_SLICE(*plain));
        assert_slice_equal(PACKET_SLICE(theirs), PACKET_SLICE(*plain));
    }
    return result;
}

#define SSRCS 3
#define ROUNDS 4000

struct tally {
    unsigned results[SRTP_RESULTS];
};

static void altered(struct world *w, struct packet packet, bool rtcp, struct tally *t)
{
    /* Not the first octet: libsrtp2 does not look at the version. */
    packet.p[1 + entropy_below(&w->entropy, packet.n - 1)] ^= (uint8_t)(1 + entropy_below(&w->entropy, 255));
    enum srtp_result result = unprotect(w, packet, rtcp, NULL);
    assert_int_not_equal(result, SRTP_GOOD);
    t->results[result]++;
}

static struct packet draw(struct world *w, uint64_t number, unsigned who)
{
    size_t payload = entropy_below(&w->entropy, 4) ? 160 : entropy_below(&w->entropy, 1300);
    if (entropy_below(&w->entropy, 3))
        return packet_rtp(who, (uint16_t)number, payload);
    return packet_rtp_extended(who, (uint16_t)number, (unsigned)entropy_below(&w->entropy, 16),
                               (unsigned)entropy_below(&w->entropy, 20), payload);
}

/* Numbers go on by 1 most of the time, sometimes far, so that they come round several times; packets are held back, dropped, sent twice. */
static void run_rtp(enum srtp_suite suite, uint64_t seed)
{
    struct world w;
    struct tally t = {{0}};
    uint64_t number[SSRCS] = {0, 40000, 65000}; /* of the sender, with rounds */
    static struct packet late_plain, late;
    bool has_late = false;
    begin(&w, suite, seed);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned who = (unsigned)entropy_below(&w.entropy, SSRCS);
        number[who] += entropy_below(&w.entropy, 50) ? 1 : entropy_below(&w.entropy, 15000);
        struct packet plain = draw(&w, number[who], who), packet = plain;
        if (!protect(&w, &packet, false))
            fail_msg("packet %u of %u was not protected", i, who);
        if (!entropy_below(&w.entropy, 10))
            altered(&w, packet, false, &t);
        switch (entropy_below(&w.entropy, 8)) {
        case 0: /* lost */
            break;
        case 1: /* held back */
            late = packet;
            late_plain = plain;
            has_late = true;
            break;
        case 2: /* twice */
            t.results[unprotect(&w, packet, false, &plain)]++;
            t.results[unprotect(&w, packet, false, &plain)]++;
            break;
        default:
            t.results[unprotect(&w, packet, false, &plain)]++;
        }
        if (has_late && !entropy_below(&w.entropy, 100)) {
            t.results[unprotect(&w, late, false, &late_plain)]++;
            has_late = false;
        }
    }
    assert_true(number[0] >> 16 > 1 && number[2] >> 16 > 1);
    assert_true(t.results[SRTP_GOOD] > ROUNDS / 2);
    assert_true(t.results[SRTP_REPLAYED] > 100 && t.results[SRTP_FORGED] > 100);
    end(&w);
}

static void test_rtp(void **state)
{
    (void)state;
    for (size_t i = 0; i < PACKET_SUITES; i++)
        run_rtp(packet_suites[i], 1 + i);
}

/* The sender's numbers themselves go back and repeat: both must refuse to show key stream twice. */
static void test_numbers_that_go_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < PACKET_SUITES; i++) {
        struct world w;
        unsigned refused = 0;
        uint64_t number = 1000;
        begin(&w, packet_suites[i], 77);
        for (unsigned round = 0; round < 2000; round++) {
            number = number + entropy_below(&w.entropy, 40) - 18;
            struct packet packet = packet_rtp(5, (uint16_t)number, 20);
            refused += !protect(&w, &packet, false);
        }
        assert_true(refused > 200);
        end(&w);
    }
}

static void test_rtcp(void **state)
{
    (void)state;
    for (size_t i = 0; i < PACKET_SUITES; i++) {
        struct world w;
        struct tally t = {{0}};
        static struct packet old, old_plain;
        begin(&w, packet_suites[i], 99 + i);
        for (unsigned round = 0; round < 1000; round++) {
            struct packet plain =
                packet_rtcp((uint32_t)entropy_below(&w.entropy, SSRCS), (unsigned)entropy_below(&w.entropy, 60));
            struct packet packet = plain;
            assert_true(protect(&w, &packet, true));
            if (!entropy_below(&w.entropy, 5))
                altered(&w, packet, true, &t);
            if (entropy_below(&w.entropy, 10))
                t.results[unprotect(&w, packet, true, &plain)]++;
            if (round % 150 == 0) {
                old = packet;
                old_plain = plain;
            }
            if (round % 150 == 140)
                t.results[unprotect(&w, old, true, &old_plain)]++;
        }
        assert_true(t.results[SRTP_GOOD] > 800 && t.results[SRTP_FORGED] > 100 && t.results[SRTP_REPLAYED] > 3);
        end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rtp),
        cmocka_unit_test(test_numbers_that_go_back),
        cmocka_unit_test(test_rtcp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
