/* SRTP packet by packet: what passes, what is refused and why, and what is remembered. Each suite, and each library where nothing says
 * otherwise. */
#include "base/mem.h"
#include "packets.h"

static const enum srtp_backend backends[] = {SRTP_BACKEND_OPENSSL, SRTP_BACKEND_LIBSRTP};

struct pair {
    struct srtp *out;
    struct srtp *in;
};

static struct pair pair_new(enum srtp_suite suite, enum srtp_backend backend)
{
    return (struct pair){packet_srtp(suite, SRTP_PROTECTS, backend), packet_srtp(suite, SRTP_UNPROTECTS, backend)};
}

static void pair_free(struct pair pair)
{
    srtp_free(pair.out);
    srtp_free(pair.in);
}

typedef void check_fn(enum srtp_suite suite, enum srtp_backend backend);

static void for_each(check_fn *check)
{
    for (size_t i = 0; i < PACKET_SUITES; i++)
        for (size_t k = 0; k < 2; k++)
            check(packet_suites[i], backends[k]);
}

/* A packet of this number as the peer sends it. */
static struct packet sent(struct pair pair, uint32_t ssrc, uint16_t seq)
{
    struct packet packet = packet_rtp(ssrc, seq, 160);
    assert_int_equal(packet_protect(pair.out, &packet, false), SRTP_GOOD);
    return packet;
}

static enum srtp_result received(struct pair pair, struct packet packet)
{
    struct packet plain = packet;
    enum srtp_result result = packet_unprotect(pair.in, &plain, false);
    if (result == SRTP_GOOD) {
        struct packet expected = packet_rtp(srtp_get_u32(packet.p + 8), srtp_get_u16(packet.p + 2), 160);
        assert_slice_equal(PACKET_SLICE(plain), PACKET_SLICE(expected));
    }
    return result;
}

static enum srtp_result pass(struct pair pair, uint32_t ssrc, uint16_t seq)
{
    return received(pair, sent(pair, ssrc, seq));
}

static void check_there_and_back(enum srtp_suite suite, enum srtp_backend backend)
{
    struct pair pair = pair_new(suite, backend);
    for (unsigned i = 0; i < 60; i++) {
        struct packet plain = i % 3 ? packet_rtp(1, (uint16_t)i, (size_t)i * 20)
                                    : packet_rtp_extended(1, (uint16_t)i, i % 16, i % 7, (size_t)i);
        struct packet packet = plain;
        assert_int_equal(packet_protect(pair.out, &packet, false), SRTP_GOOD);
        assert_int_equal(packet.n, plain.n + srtp_suite_rtp_overhead(suite));
        /* Header, CSRCs and extension stay readable, the rest does not. */
        size_t header = i % 3 ? 12 : 16 + 4 * (i % 16) + 4 * (i % 7);
        assert_memory_equal(packet.p, plain.p, header);
        if (plain.n - header >= 16)
            assert_memory_not_equal(packet.p + header, plain.p + header, plain.n - header);
        assert_int_equal(packet_unprotect(pair.in, &packet, false), SRTP_GOOD);
        assert_slice_equal(PACKET_SLICE(packet), PACKET_SLICE(plain));

        struct packet report = packet_rtcp(1, i), report_plain = report;
        assert_int_equal(packet_protect(pair.out, &report, true), SRTP_GOOD);
        assert_int_equal(report.n, report_plain.n + srtp_suite_rtcp_overhead(suite));
        assert_int_equal(packet_unprotect(pair.in, &report, true), SRTP_GOOD);
        assert_slice_equal(PACKET_SLICE(report), PACKET_SLICE(report_plain));
    }
    pair_free(pair);
}

static void test_there_and_back(void **state)
{
    (void)state;
    for_each(check_there_and_back);
}

/* Whatever bit is altered, nothing is good, nothing changes, and the packet itself is still good afterwards. The version's two bits are
 * refused before the key is asked. */
static void check_no_bit_may_be_altered(enum srtp_suite suite, enum srtp_backend backend)
{
    struct pair pair = pair_new(suite, backend);
    assert_int_equal(pass(pair, 7, 100), SRTP_GOOD);
    struct packet original = packet_rtp_extended(7, 101, 2, 3, 30), report = packet_rtcp(7, 5);
    assert_int_equal(packet_protect(pair.out, &original, false), SRTP_GOOD);
    assert_int_equal(packet_protect(pair.out, &report, true), SRTP_GOOD);
    for (size_t bit = 0; bit < 8 * original.n; bit++) {
        struct packet packet = original;
        packet.p[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        enum srtp_result result = packet_unprotect(pair.in, &packet, false);
        bool version = bit < 2, length = bit / 8 == 0 || (bit / 8 >= 20 && bit / 8 < 24);
        if (result != SRTP_FORGED && !(result == SRTP_MALFORMED && (version || length)) &&
            !(result == SRTP_REPLAYED && bit / 8 >= 2 && bit / 8 < 4))
            fail_msg("bit %zu of RTP: %s", bit, srtp_result_name(result));
    }
    for (size_t bit = 0; bit < 8 * report.n; bit++) {
        struct packet packet = report;
        packet.p[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        assert_int_equal(packet_unprotect(pair.in, &packet, true), bit < 2 ? SRTP_MALFORMED : SRTP_FORGED);
    }
    assert_int_equal(pair.in->sources.count, 1);
    assert_int_equal(packet_unprotect(pair.in, &original, false), SRTP_GOOD);
    assert_int_equal(packet_unprotect(pair.in, &report, true), SRTP_GOOD);
    pair_free(pair);
}

static void test_no_bit_may_be_altered(void **state)
{
    (void)state;
    for_each(check_no_bit_may_be_altered);
}

static void check_another_key(enum srtp_suite suite, enum srtp_backend backend)
{
    size_t octets = srtp_suite_key_octets(suite) + srtp_suite_salt_octets(suite);
    for (size_t i = 0; i < octets; i++) {
        struct srtp_master master = packet_master(suite);
        struct pair pair = {packet_srtp(suite, SRTP_PROTECTS, backend), NULL};
        master.octets[i] ^= 0x10;
        assert_int_equal(srtp_new(&master, SRTP_UNPROTECTS, backend, &pair.in), 0);
        assert_int_equal(pass(pair, 1, 1), SRTP_FORGED);
        pair_free(pair);
    }
}

static void test_another_key(void **state)
{
    (void)state;
    for_each(check_another_key);
}

static void check_replays(enum srtp_suite suite, enum srtp_backend backend)
{
    struct pair pair = pair_new(suite, backend);
    static struct packet packets[300];
    for (unsigned i = 0; i < 300; i++)
        packets[i] = sent(pair, 9, (uint16_t)(1000 + i));
    assert_int_equal(received(pair, packets[0]), SRTP_GOOD);
    assert_int_equal(received(pair, packets[0]), SRTP_REPLAYED);
    assert_int_equal(received(pair, packets[200]), SRTP_GOOD);
    /* The window's edge is 127 behind the newest. */
    assert_int_equal(received(pair, packets[72]), SRTP_REPLAYED);
    assert_int_equal(received(pair, packets[73]), SRTP_GOOD);
    assert_int_equal(received(pair, packets[73]), SRTP_REPLAYED);
    assert_int_equal(received(pair, packets[137]), SRTP_GOOD);
    assert_int_equal(received(pair, packets[136]), SRTP_GOOD);
    assert_int_equal(received(pair, packets[135]), SRTP_GOOD);
    /* It moves on by one, by 63, by 64, by 65, and what was seen is still known. */
    const unsigned steps[] = {201, 264, 299};
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(received(pair, packets[steps[i]]), SRTP_GOOD);
        assert_int_equal(received(pair, packets[steps[i]]), SRTP_REPLAYED);
        assert_int_equal(received(pair, packets[200]), SRTP_REPLAYED);
        assert_int_equal(received(pair, packets[199 - i]), SRTP_GOOD);
        assert_int_equal(received(pair, packets[199 - i]), SRTP_REPLAYED);
    }
    /* Each of the others once, oldest first: those behind the window are lost. */
    for (unsigned i = 0; i < 300; i++) {
        bool seen = i == 200 || i == 201 || i == 264 || i == 299 || (i >= 197 && i <= 199);
        assert_int_equal(received(pair, packets[i]), i < 172 || seen ? SRTP_REPLAYED : SRTP_GOOD);
    }
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(received(pair, packets[i]), SRTP_REPLAYED);
    pair_free(pair);
}

static void test_replays(void **state)
{
    (void)state;
    for_each(check_replays);
}

/* A peer's first index need not be 0, and late reports are good once. */
static void check_replays_of_reports(enum srtp_suite suite, enum srtp_backend backend)
{
    struct pair pair = pair_new(suite, backend);
    static struct packet reports[200];
    for (unsigned i = 0; i < 200; i++) {
        reports[i] = packet_rtcp(3, 2);
        assert_int_equal(packet_protect(pair.out, &reports[i], true), SRTP_GOOD);
    }
    const unsigned order[] = {5, 4, 6, 100, 99, 199};
    for (unsigned i = 0; i < 6; i++) {
        struct packet first = reports[order[i]], second = first;
        assert_int_equal(packet_unprotect(pair.in, &first, true), SRTP_GOOD);
        assert_int_equal(packet_unprotect(pair.in, &second, true), SRTP_REPLAYED);
    }
    assert_int_equal(packet_unprotect(pair.in, &reports[71], true), SRTP_REPLAYED);
    assert_int_equal(packet_unprotect(pair.in, &reports[72], true), SRTP_GOOD);
    pair_free(pair);
}

static void test_replays_of_reports(void **state)
{
    (void)state;
    for_each(check_replays_of_reports);
}

/* A sequence number that went out does not go out again: the same key stream would lie over two packets. */
static void check_no_number_twice(enum srtp_suite suite, enum srtp_backend backend)
{
    struct pair pair = pair_new(suite, backend);
    struct packet packet = packet_rtp(1, 500, 160);
    assert_int_equal(pass(pair, 1, 500), SRTP_GOOD);
    assert_int_equal(packet_protect(pair.out, &packet, false), SRTP_REPLAYED);
    struct packet same = packet_rtp(1, 500, 160);
    assert_slice_equal(PACKET_SLICE(packet), PACKET_SLICE(same));
    assert_int_equal(pass(pair, 1, 499), SRTP_GOOD);
    assert_int_equal(pass(pair, 2, 500), SRTP_GOOD);
    assert_int_equal(pass(pair, 1, 900), SRTP_GOOD);
    assert_int_equal(packet_protect(pair.out, &packet, false), SRTP_REPLAYED);
    pair_free(pair);
}

static void test_no_number_twice(void **state)
{
    (void)state;
    for_each(check_no_number_twice);
}

/* RFC 3711 section 3.3.1: numbers come round, packets cross the border in either order, and some of them are lost. */
static void check_rounds(enum srtp_suite suite, enum srtp_backend backend)
{
    struct pair pair = pair_new(suite, backend);
    uint32_t number = 65000;
    for (unsigned i = 0; i < 400; i++, number += 997) {
        struct packet early = sent(pair, 4, (uint16_t)number), late = sent(pair, 4, (uint16_t)(number - 60));
        assert_int_equal(received(pair, early), SRTP_GOOD);
        assert_int_equal(received(pair, late), SRTP_GOOD);
        assert_int_equal(received(pair, late), SRTP_REPLAYED);
    }
    assert_true(number >> 16 >= 6);
    /* After more than half a round of silence what comes looks like something very late. */
    struct packet far;
    for (unsigned i = 0; i < 5; i++)
        far = sent(pair, 4, (uint16_t)(number += 10000));
    assert_int_equal(received(pair, far), SRTP_REPLAYED);
    pair_free(pair);
}

static void test_rounds(void **state)
{
    (void)state;
    for_each(check_rounds);
}

/* In the first round nothing comes before it: a number far ahead is taken for what it says. */
static void check_the_first_round(enum srtp_suite suite, enum srtp_backend backend)
{
    struct pair pair = pair_new(suite, backend);
    assert_int_equal(pass(pair, 1, 10), SRTP_GOOD);
    assert_int_equal(pass(pair, 1, 65000), SRTP_GOOD);
    assert_int_equal(pass(pair, 1, 20), SRTP_GOOD);
    pair_free(pair);
}

static void test_the_first_round(void **state)
{
    (void)state;
    for_each(check_the_first_round);
}

/* A flood of SSRCs from nobody leaves no trace; one with the key fills the table, and those that are in it go on. */
static void check_a_flood_of_ssrcs(enum srtp_suite suite, enum srtp_backend backend)
{
    struct pair pair = pair_new(suite, backend);
    assert_int_equal(pass(pair, 1, 1), SRTP_GOOD);
    for (uint32_t ssrc = 1000; ssrc < 3000; ssrc++)
        assert_int_equal(received(pair, packet_rtp(ssrc, 1, 160)), SRTP_FORGED);
    assert_int_equal(pair.in->sources.count, 1);
    for (uint32_t ssrc = 2; ssrc <= SRTP_SSRCS_MAX; ssrc++)
        assert_int_equal(pass(pair, ssrc, 1), SRTP_GOOD);
    struct packet more = packet_rtp(SRTP_SSRCS_MAX + 1, 1, 160), report = packet_rtcp(SRTP_SSRCS_MAX + 1, 3);
    assert_int_equal(packet_unprotect(pair.in, &more, false), SRTP_FULL);
    assert_int_equal(packet_unprotect(pair.in, &report, true), SRTP_MALFORMED); /* too short to be SRTCP */
    assert_int_equal(packet_protect(pair.out, &more, false), SRTP_FULL);
    assert_int_equal(packet_protect(pair.out, &report, true), SRTP_FULL);
    report = packet_rtcp(SRTP_SSRCS_MAX + 1, 30);
    assert_int_equal(packet_unprotect(pair.in, &report, true), SRTP_FULL);
    for (uint32_t ssrc = 1; ssrc <= SRTP_SSRCS_MAX; ssrc++) {
        assert_int_equal(pass(pair, ssrc, 2), SRTP_GOOD);
        more = packet_rtp(ssrc, 1, 160);
        assert_int_equal(packet_protect(pair.out, &more, false), SRTP_REPLAYED);
    }
    pair_free(pair);
}

static void test_a_flood_of_ssrcs(void **state)
{
    (void)state;
    for_each(check_a_flood_of_ssrcs);
}

static void check_lifetime(enum srtp_suite suite, enum srtp_backend backend)
{
    struct srtp_master master = packet_master(suite);
    struct pair pair;
    master.lifetime = 3;
    assert_int_equal(srtp_new(&master, SRTP_PROTECTS, backend, &pair.out), 0);
    assert_int_equal(srtp_new(&master, SRTP_UNPROTECTS, backend, &pair.in), 0);
    struct packet report = packet_rtcp(1, 1);
    for (uint16_t seq = 1; seq <= 3; seq++) {
        struct packet again = packet_rtp(1, seq, 160);
        assert_int_equal(pass(pair, 1, seq), SRTP_GOOD);
        /* What was refused does not count. */
        assert_int_not_equal(received(pair, again), SRTP_GOOD);
        report = packet_rtcp(1, 1);
        assert_int_equal(packet_protect(pair.out, &report, true), SRTP_GOOD);
        assert_int_equal(packet_unprotect(pair.in, &report, true), SRTP_GOOD);
    }
    struct packet packet = packet_rtp(1, 4, 160);
    assert_int_equal(packet_protect(pair.out, &packet, false), SRTP_OVER);
    assert_int_equal(packet_unprotect(pair.in, &packet, false), SRTP_OVER);
    report = packet_rtcp(1, 20);
    assert_int_equal(packet_protect(pair.out, &report, true), SRTP_OVER);
    assert_int_equal(packet_unprotect(pair.in, &report, true), SRTP_OVER);
    pair_free(pair);
}

static void test_lifetime(void **state)
{
    (void)state;
    for_each(check_lifetime);
}

/* RFC 3711 section 9.2: 2^48 packets of RTP, 2^31 of RTCP; no index comes round. */
static void test_the_end_of_the_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < PACKET_SUITES; i++) {
        struct pair pair = pair_new(packet_suites[i], SRTP_BACKEND_OPENSSL);
        assert_int_equal(pass(pair, 1, 1), SRTP_GOOD);
        pair.out->sources.all[0].rtp = pair.in->sources.all[0].rtp =
            (struct srtp_window){SRTP_RTP_INDEX_MAX - 1, {1, 0}};
        struct packet next = packet_rtp(1, 0, 160);
        assert_int_equal(pass(pair, 1, 0xffff), SRTP_GOOD);
        assert_int_equal(packet_protect(pair.out, &next, false), SRTP_OVER);
        assert_int_equal(packet_unprotect(pair.in, &next, false), SRTP_OVER);

        struct packet report = packet_rtcp(2, 4);
        pair.out->rtcp_first = SRTP_RTCP_INDEX_MAX;
        assert_int_equal(packet_protect(pair.out, &report, true), SRTP_GOOD);
        assert_int_equal(packet_unprotect(pair.in, &report, true), SRTP_GOOD);
        report = packet_rtcp(2, 4);
        assert_int_equal(packet_protect(pair.out, &report, true), SRTP_OVER);

        pair.out->rtp_packets = (uint64_t)1 << 48;
        next = packet_rtp(5, 0, 160);
        assert_int_equal(packet_protect(pair.out, &next, false), SRTP_OVER);
        pair.in->rtcp_packets = (uint64_t)1 << 31;
        report = packet_rtcp(2, 20);
        assert_int_equal(packet_unprotect(pair.in, &report, true), SRTP_OVER);
        pair_free(pair);
    }
}

static void check_form(enum srtp_suite suite, enum srtp_backend backend)
{
    struct pair pair = pair_new(suite, backend);
    struct packet whole = packet_rtp_extended(1, 1, 3, 2, 0); /* 12 + 12 + 4 + 8: it ends with its header */
    assert_int_equal(whole.n, 36);
    for (size_t n = 0; n < whole.n; n++) {
        struct packet packet = whole;
        packet.n = n;
        assert_int_equal(packet_protect(pair.out, &packet, false), SRTP_MALFORMED);
        packet.n = n + srtp_suite_rtp_overhead(suite);
        assert_int_equal(packet_unprotect(pair.in, &packet, false), SRTP_MALFORMED);
    }
    for (size_t n = 0; n < 8 + srtp_suite_rtcp_overhead(suite); n++) {
        struct packet packet = packet_rtcp(1, 30);
        packet.n = n;
        assert_int_equal(packet_unprotect(pair.in, &packet, true), SRTP_MALFORMED);
        if (n < 8)
            assert_int_equal(packet_protect(pair.out, &packet, true), SRTP_MALFORMED);
    }
    for (unsigned version = 0; version < 4; version++) {
        struct packet packet = packet_rtp(2, (uint16_t)version, 40), report = packet_rtcp(2, 10);
        packet.p[0] = (uint8_t)(version << 6);
        report.p[0] = (uint8_t)(version << 6);
        enum srtp_result expected = version == 2 ? SRTP_GOOD : SRTP_MALFORMED;
        assert_int_equal(packet_unprotect(pair.in, &packet, false), version == 2 ? SRTP_FORGED : SRTP_MALFORMED);
        assert_int_equal(packet_unprotect(pair.in, &report, true), version == 2 ? SRTP_FORGED : SRTP_MALFORMED);
        assert_int_equal(packet_protect(pair.out, &packet, false), expected);
        assert_int_equal(packet_protect(pair.out, &report, true), expected);
    }
    /* A room that is one octet too small. */
    struct packet packet = packet_rtp(3, 1, 100);
    size_t n = packet.n, overhead = srtp_suite_rtp_overhead(suite);
    assert_int_equal(srtp_rtp_protect(pair.out, packet.p, n + overhead - 1, &n), SRTP_MALFORMED);
    assert_int_equal(srtp_rtp_protect(pair.out, packet.p, n + overhead, &n), SRTP_GOOD);
    packet = packet_rtcp(3, 5);
    n = packet.n;
    overhead = srtp_suite_rtcp_overhead(suite);
    assert_int_equal(srtp_rtcp_protect(pair.out, packet.p, n + overhead - 1, &n), SRTP_MALFORMED);
    assert_int_equal(srtp_rtcp_protect(pair.out, packet.p, n + overhead, &n), SRTP_GOOD);
    pair_free(pair);
}

static void test_form(void **state)
{
    (void)state;
    for_each(check_form);
}

/* The longest packet of UDP, and one octet more. */
static void check_the_longest_packet(enum srtp_suite suite, enum srtp_backend backend)
{
    static uint8_t octets[SRTP_PACKET_OCTETS_MAX + 100], plain[SRTP_PACKET_OCTETS_MAX];
    struct pair pair = pair_new(suite, backend);
    size_t overhead = srtp_suite_rtp_overhead(suite), n = SRTP_PACKET_OCTETS_MAX - overhead + 1;
    memset(plain, 0x55, sizeof plain);
    memcpy(plain, packet_rtp(1, 1, 0).p, 12);
    memcpy(octets, plain, sizeof plain);
    assert_int_equal(srtp_rtp_protect(pair.out, octets, sizeof octets, &n), SRTP_MALFORMED);
    n--;
    assert_int_equal(srtp_rtp_protect(pair.out, octets, sizeof octets, &n), SRTP_GOOD);
    n++;
    assert_int_equal(srtp_rtp_unprotect(pair.in, octets, &n), SRTP_MALFORMED);
    n--;
    assert_int_equal(srtp_rtp_unprotect(pair.in, octets, &n), SRTP_GOOD);
    assert_int_equal(n, SRTP_PACKET_OCTETS_MAX - overhead);
    assert_memory_equal(octets, plain, n);
    pair_free(pair);
}

static void test_the_longest_packet(void **state)
{
    (void)state;
    for_each(check_the_longest_packet);
}

static void check_memory(enum srtp_suite suite, enum srtp_backend backend)
{
    struct srtp_master master = packet_master(suite);
    struct srtp *s = NULL;
    unsigned failures = 0;
    for (unsigned long nth = 1; !s; nth++) {
        mem_fail_at(nth);
        int err = srtp_new(&master, SRTP_PROTECTS, backend, &s);
        mem_fail_at(0);
        assert_true(err == 0 || err == ERR_NO_MEMORY);
        failures += err != 0;
    }
    assert_true(failures > 0);
    struct packet packet = packet_rtp(1, 1, 160);
    mem_fail_at(1);
    assert_int_equal(packet_protect(s, &packet, false), SRTP_FULL);
    mem_fail_at(0);
    assert_int_equal(packet_protect(s, &packet, false), SRTP_GOOD);
    srtp_free(s);
    srtp_free(NULL);
    master.suite = SUITE_NONE;
    assert_int_equal(srtp_new(&master, SRTP_PROTECTS, backend, &s), ERR_UNSUPPORTED);
}

static void test_memory(void **state)
{
    (void)state;
    for_each(check_memory);
}

/* Another process goes on: what was seen stays seen, rounds go on, and no index of RTCP is used again. */
static void check_state_goes_on(enum srtp_suite suite)
{
    struct pair first = pair_new(suite, SRTP_BACKEND_OPENSSL), second = pair_new(suite, SRTP_BACKEND_OPENSSL);
    struct buf out, in;
    struct fault fault;
    buf_init(&out, 8192);
    buf_init(&in, 8192);
    for (uint32_t i = 0; i < 20; i++)
        for (uint32_t ssrc = 1; ssrc <= 5; ssrc++)
            assert_int_equal(pass(first, ssrc, (uint16_t)(i * 12000)), SRTP_GOOD);
    struct packet seen = sent(first, 1, (uint16_t)(20 * 12000)), late = sent(first, 1, (uint16_t)(20 * 12000 - 7));
    struct packet last_report = packet_rtcp(2, 3);
    assert_int_equal(received(first, seen), SRTP_GOOD);
    for (unsigned i = 0; i < 10; i++) {
        last_report = packet_rtcp(2, 3);
        assert_int_equal(packet_protect(first.out, &last_report, true), SRTP_GOOD);
        struct packet copy = last_report;
        assert_int_equal(packet_unprotect(first.in, &copy, true), SRTP_GOOD);
    }
    assert_int_equal(srtp_export(first.out, &out), 0);
    assert_int_equal(srtp_export(first.in, &in), 0);
    assert_int_equal(srtp_import(second.out, buf_slice(&out), 1000, &fault), 0);
    assert_int_equal(srtp_import(second.in, buf_slice(&in), 1000, &fault), 0);
    assert_int_equal(srtp_import(second.in, buf_slice(&in), 0, &fault), ERR_WRONG_STATE);

    assert_int_equal(received(second, seen), SRTP_REPLAYED);
    assert_int_equal(received(second, late), SRTP_GOOD);
    assert_int_equal(packet_unprotect(second.in, &last_report, true), SRTP_REPLAYED);
    struct packet again = packet_rtp(1, (uint16_t)(20 * 12000), 160);
    assert_int_equal(packet_protect(second.out, &again, false), SRTP_REPLAYED);
    for (uint32_t ssrc = 1; ssrc <= 6; ssrc++)
        assert_int_equal(pass(second, ssrc, (uint16_t)(20 * 12000 + 500 * (ssrc < 6))), SRTP_GOOD);
    /* The indexes that the first may have used since: of a source that had sent reports, and of one that had not. */
    for (uint32_t ssrc = 2; ssrc <= 7; ssrc++) {
        struct packet report = packet_rtcp(ssrc, 3), copy;
        assert_int_equal(packet_protect(second.out, &report, true), SRTP_GOOD);
        size_t behind = suite == SUITE_AEAD_AES_128_GCM || suite == SUITE_AEAD_AES_256_GCM ? 4 : 14;
        assert_int_equal(srtp_get_u32(report.p + report.n - behind) & SRTP_RTCP_INDEX_MAX, ssrc == 2 ? 1010 : 1000);
        copy = report;
        assert_int_equal(packet_unprotect(second.in, &copy, true), SRTP_GOOD);
    }
    buf_fini(&out);
    buf_fini(&in);
    pair_free(first);
    pair_free(second);
}

static void test_state_goes_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < PACKET_SUITES; i++)
        check_state_goes_on(packet_suites[i]);
}

/* Whatever an altered or shortened state does, it is refused or taken whole. */
static void test_state_is_checked(void **state)
{
    (void)state;
    struct pair pair = pair_new(SUITE_AEAD_AES_128_GCM, SRTP_BACKEND_OPENSSL);
    struct buf whole;
    struct fault fault = {0, NULL};
    buf_init(&whole, 8192);
    assert_int_equal(pass(pair, 1, 5), SRTP_GOOD);
    assert_int_equal(pass(pair, 2, 5), SRTP_GOOD);
    assert_int_equal(srtp_export(pair.out, &whole), 0);
    struct srtp *s = packet_srtp(SUITE_AEAD_AES_128_GCM, SRTP_PROTECTS, SRTP_BACKEND_OPENSSL);
    for (size_t n = 0; n < whole.n; n++) {
        assert_int_equal(srtp_import(s, slice_of(whole.p, n), 0, &fault), ERR_TRUNCATED);
        assert_int_equal(s->sources.count, 0);
    }
    static const struct {
        size_t octet;
        uint8_t value;
        int err;
    } alterations[] = {
        {0, 9, ERR_UNSUPPORTED}, /* version */
        {1, 4, ERR_UNSUPPORTED}, /* suite */
        {2, 1, ERR_UNSUPPORTED}, /* direction */
        {19, 0x80, ERR_SYNTAX},  /* first index of RTCP */
        {23, 1, ERR_SYNTAX},     /* a source less than there are */
        {23, 200, ERR_SYNTAX},   /* more than there may be */
        {28, 1, ERR_SYNTAX},     /* newest index above 2^48 */
        {43, 0, ERR_SYNTAX},     /* the newest was not seen */
        {76, 4, ERR_SYNTAX},     /* what follows another key */
        {80, 1, ERR_SYNTAX},     /* the same SSRC twice */
    };
    for (size_t i = 0; i < sizeof alterations / sizeof alterations[0]; i++) {
        uint8_t before = whole.p[alterations[i].octet];
        whole.p[alterations[i].octet] = alterations[i].value;
        int err = srtp_import(s, buf_slice(&whole), 0, &fault);
        if (err != alterations[i].err || !fault.rule)
            fail_msg("alteration %zu: %d", i, err);
        assert_int_equal(s->sources.count, 0);
        whole.p[alterations[i].octet] = before;
    }
    assert_int_equal(srtp_import(s, buf_slice(&whole), UINT32_MAX, &fault), 0);
    struct packet report = packet_rtcp(9, 4);
    assert_int_equal(packet_protect(s, &report, true), SRTP_GOOD); /* the last index there is */
    report = packet_rtcp(9, 4);
    assert_int_equal(packet_protect(s, &report, true), SRTP_OVER);
    srtp_free(s);

    s = packet_srtp(SUITE_AEAD_AES_128_GCM, SRTP_PROTECTS, SRTP_BACKEND_LIBSRTP);
    assert_int_equal(srtp_export(s, &whole), ERR_UNSUPPORTED);
    assert_int_equal(srtp_import(s, buf_slice(&whole), 0, &fault), ERR_UNSUPPORTED);
    srtp_free(s);
    buf_fini(&whole);
    pair_free(pair);
}

static struct srtp *other_key(enum srtp_suite suite, enum srtp_direction direction)
{
    struct srtp_master master = packet_master(suite);
    struct srtp *s;
    master.octets[0] ^= 0xff;
    assert_int_equal(srtp_new(&master, direction, SRTP_BACKEND_OPENSSL, &s), 0);
    return s;
}

/* New keys in the middle of a stream. RFC 3711 wants the numbering to go on; some peers begin again, and both are understood. */
static void check_new_keys(enum srtp_suite suite, bool peer_goes_on)
{
    struct pair old = pair_new(suite, SRTP_BACKEND_OPENSSL);
    struct pair new = {other_key(suite, SRTP_PROTECTS), other_key(suite, SRTP_UNPROTECTS)};
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(pass(old, 1, (uint16_t)(i * 30000)), SRTP_GOOD);
    struct packet late = sent(old, 1, (uint16_t)(9 * 30000 - 1)), report;
    for (unsigned i = 0; i < 4; i++) {
        report = packet_rtcp(1, 6);
        assert_int_equal(packet_protect(old.out, &report, true), SRTP_GOOD);
        assert_int_equal(packet_unprotect(old.in, &report, true), SRTP_GOOD);
    }
    assert_int_equal(pass(old, 2, 7), SRTP_GOOD);
    if (peer_goes_on)
        assert_int_equal(srtp_follow(new.out, old.out), 0);
    assert_int_equal(srtp_follow(new.in, old.in), 0);

    /* What is under the old key is the old object's, whichever was asked first. */
    assert_int_equal(received(new, late), SRTP_FORGED);
    assert_int_equal(received(old, late), SRTP_GOOD);
    struct packet next = sent(new, 1, (uint16_t)(9 * 30000 + 1)), after = sent(new, 1, (uint16_t)(9 * 30000 + 2));
    assert_int_equal(received(old, next), SRTP_FORGED);
    assert_int_equal(received(new, after), SRTP_GOOD);
    assert_int_equal(received(new, after), SRTP_REPLAYED);
    assert_int_equal(received(new, next), SRTP_GOOD);
    for (uint32_t i = 10; i < 15; i++)
        assert_int_equal(pass(new, 1, (uint16_t)(i * 30000)), SRTP_GOOD);
    assert_int_equal(new.in->sources.all[0].rtp.newest >> 16, peer_goes_on ? 6 : 2);
    struct packet copy;
    for (unsigned i = 0; i < 3; i++) {
        report = packet_rtcp(1, 6);
        assert_int_equal(packet_protect(new.out, &report, true), SRTP_GOOD);
        copy = report;
        assert_int_equal(packet_unprotect(new.in, &report, true), SRTP_GOOD);
        assert_int_equal(packet_unprotect(new.in, &copy, true), SRTP_REPLAYED);
    }
    assert_int_equal(new.in->sources.all[0].rtcp.newest, peer_goes_on ? 6 : 2);

    /* The second source was not heard under these keys: the next ones do not know it. */
    struct srtp *third = packet_srtp(suite, SRTP_UNPROTECTS, SRTP_BACKEND_OPENSSL);
    assert_int_equal(new.in->sources.count, 2);
    assert_int_equal(srtp_follow(third, new.in), 0);
    assert_int_equal(third->sources.count, 1);
    assert_int_equal(srtp_follow(third, new.in), ERR_WRONG_STATE);
    srtp_free(third);
    pair_free(old);
    pair_free(new);
}

static void test_new_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < PACKET_SUITES; i++) {
        check_new_keys(packet_suites[i], true);
        check_new_keys(packet_suites[i], false);
    }
    struct srtp *ours = packet_srtp(SUITE_AEAD_AES_128_GCM, SRTP_PROTECTS, SRTP_BACKEND_OPENSSL);
    struct srtp *theirs = packet_srtp(SUITE_AEAD_AES_128_GCM, SRTP_PROTECTS, SRTP_BACKEND_LIBSRTP);
    struct srtp *in = packet_srtp(SUITE_AEAD_AES_128_GCM, SRTP_UNPROTECTS, SRTP_BACKEND_OPENSSL);
    assert_int_equal(srtp_follow(ours, theirs), ERR_UNSUPPORTED);
    assert_int_equal(srtp_follow(theirs, ours), ERR_UNSUPPORTED);
    assert_int_equal(srtp_follow(in, ours), ERR_WRONG_STATE);
    srtp_free(ours);
    srtp_free(theirs);
    srtp_free(in);
}

/* What follows is a part of the state: a stand-by understands the first packet under the new key as well. */
static void test_new_keys_and_a_stand_by(void **state)
{
    (void)state;
    enum srtp_suite suite = SUITE_AES_CM_128_HMAC_SHA1_80;
    struct pair old = pair_new(suite, SRTP_BACKEND_OPENSSL);
    struct pair new = {other_key(suite, SRTP_PROTECTS), other_key(suite, SRTP_UNPROTECTS)};
    struct pair stand_by = {NULL, other_key(suite, SRTP_UNPROTECTS)};
    struct buf octets;
    buf_init(&octets, 1000);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(pass(old, 1, (uint16_t)(i * 30000)), SRTP_GOOD);
    assert_int_equal(srtp_follow(new.in, old.in), 0);
    assert_int_equal(srtp_export(new.in, &octets), 0);
    assert_int_equal(srtp_import(stand_by.in, buf_slice(&octets), 0, NULL), 0);
    struct packet first = sent(new, 1, 9);
    assert_int_equal(received(new, first), SRTP_GOOD);
    assert_int_equal(received(stand_by, first), SRTP_GOOD);
    buf_fini(&octets);
    srtp_free(stand_by.in);
    pair_free(old);
    pair_free(new);
}

static void test_suites(void **state)
{
    (void)state;
    for (unsigned i = SUITE_NONE + 1; i < SUITE_COUNT; i++) {
        enum srtp_suite suite = (enum srtp_suite)i;
        assert_int_equal(srtp_suite_find(slice_str(srtp_suite_name(suite))), suite);
        assert_true(srtp_suite_key_octets(suite) + srtp_suite_salt_octets(suite) <= SRTP_MASTER_OCTETS_MAX);
        assert_true(srtp_suite_rtcp_overhead(suite) <= SRTP_OVERHEAD_OCTETS_MAX);
    }
    assert_int_equal(srtp_suite_find(slice_str("none")), SUITE_NONE);
    assert_int_equal(srtp_suite_rtp_overhead(SUITE_NONE) + srtp_suite_rtcp_overhead(SUITE_NONE), 0);
    assert_string_equal(srtp_suite_name((enum srtp_suite)99), "none");
    for (unsigned i = 0; i < SRTP_RESULTS; i++)
        assert_string_not_equal(srtp_result_name((enum srtp_result)i), "unknown");
    assert_string_equal(srtp_result_name((enum srtp_result)SRTP_RESULTS), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_no_bit_may_be_altered),
        cmocka_unit_test(test_another_key),
        cmocka_unit_test(test_replays),
        cmocka_unit_test(test_replays_of_reports),
        cmocka_unit_test(test_no_number_twice),
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_the_first_round),
        cmocka_unit_test(test_a_flood_of_ssrcs),
        cmocka_unit_test(test_lifetime),
        cmocka_unit_test(test_the_end_of_the_numbers),
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_the_longest_packet),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_state_goes_on),
        cmocka_unit_test(test_state_is_checked),
        cmocka_unit_test(test_new_keys),
        cmocka_unit_test(test_new_keys_and_a_stand_by),
        cmocka_unit_test(test_suites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
