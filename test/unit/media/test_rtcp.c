/* Compound RTCP packets, written down as octets. */
#include "testing.h"

#include "media/rtcp.h"

/* An SR with one block, an SDES with a CNAME of one octet, a BYE with a reason. */
static const uint8_t compound[] = {
    0x81, 200,  0,    12,   0,    0,    0x12, 0x34, /* SR */
    0xe1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0, 0,   1,   0,
    0,    0,    0,    50,   /* sender: time, timestamp, packets */
    0,    0,    0x1f, 0x40, /* octets */
    0,    0,    0x99, 0x99, 64,   0xff, 0xff, 0xfe, 0, 1,   0,   7,
    0,    0,    0,    80,                                             /* block: a quarter, -2 */
    0x45, 0x67, 0x89, 0xab, 0,    1,    0x80, 0,                      /* its SR, 1.5 s ago */
    0x81, 202,  0,    2,    0,    0,    0x12, 0x34, 1, 1,   'a', 0,   /* SDES */
    0x81, 203,  0,    2,    0,    0,    0x12, 0x34, 3, 'e', 'n', 'd', /* BYE */
};

static void test_walk(void **state)
{
    (void)state;
    struct rtcp_walk w;
    struct rtcp_packet p;
    struct rtcp_sender sender;
    struct rtcp_report report;
    rtcp_walk_init(&w, slice_of(compound, sizeof compound), false);
    assert_int_equal(rtcp_next(&w, &p, NULL), 1);
    assert_int_equal(p.type, RTCP_SR);
    assert_int_equal(p.ssrc, 0x1234);
    assert_true(rtcp_read_sender(&p, &sender));
    assert_true(sender.ntp == UINT64_C(0xe123456789abcdef));
    assert_int_equal(sender.timestamp, 256);
    assert_int_equal(sender.packets, 50);
    assert_int_equal(sender.octets, 8000);
    assert_true(rtcp_read_report(&p, 0, &report));
    assert_int_equal(report.ssrc, 0x9999);
    assert_int_equal(report.fraction, 64);
    assert_int_equal(report.lost, -2);
    assert_int_equal(report.highest, 0x10007);
    assert_int_equal(report.jitter, 80);
    assert_int_equal(report.last_sr, 0x456789ab);
    assert_int_equal(report.delay, 0x18000);
    assert_false(rtcp_read_report(&p, 1, &report));
    assert_int_equal(rtcp_next(&w, &p, NULL), 1);
    assert_int_equal(p.type, RTCP_SDES);
    assert_false(rtcp_read_sender(&p, &sender));
    assert_false(rtcp_read_report(&p, 0, &report));
    assert_int_equal(rtcp_next(&w, &p, NULL), 1);
    assert_int_equal(p.type, RTCP_BYE);
    assert_int_equal(p.count, 1);
    assert_int_equal(rtcp_next(&w, &p, NULL), 0);
    assert_int_equal(rtcp_next(&w, &p, NULL), 0);
    assert_int_equal(rtcp_check(slice_of(compound, sizeof compound), false, NULL), 0);
}

/* Whatever is cut off is refused, unless the cut lies between two packets. */
static void test_truncated(void **state)
{
    (void)state;
    struct fault fault;
    for (size_t n = 0; n < sizeof compound; n++) {
        uint8_t *exact = test_malloc(n ? n : 1);
        memcpy(exact, compound, n);
        int err = rtcp_check(slice_of(exact, n), false, &fault);
        if (n == 52 || n == 64) {
            assert_int_equal(err, 0);
        } else {
            assert_int_equal(err, ERR_TRUNCATED);
            assert_true(fault.rule && fault.octet <= n);
        }
        test_free(exact);
    }
}

struct row {
    const char *what;
    uint8_t octets[32];
    size_t n;
    bool reduced;
    int err;
};

static void test_rules(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"empty RR", {0x80, 201, 0, 1, 1, 2, 3, 4}, 8, false, 0},
        {"no SSRC", {0x80, 201, 0, 0}, 4, false, ERR_TRUNCATED},
        {"version 1", {0x40, 201, 0, 1}, 8, false, ERR_SYNTAX},
        {"feedback first", {0x81, 205, 0, 2}, 12, false, ERR_SYNTAX},
        {"feedback first, reduced", {0x81, 205, 0, 2}, 12, true, 0},
        {"feedback too short", {0x81, 206, 0, 1}, 8, true, ERR_TRUNCATED},
        {"two blocks said, none there", {0x82, 201, 0, 1}, 8, false, ERR_TRUNCATED},
        {"longer than the datagram", {0x80, 201, 0, 2}, 8, false, ERR_TRUNCATED},
        {"half a header behind", {0x80, 201, 0, 1, 0, 0, 0, 0, 0x80, 203}, 10, false, ERR_TRUNCATED},
        {"profile's extension behind the blocks", {0x80, 201, 0, 3}, 16, false, 0},
        {"padding", {0xa0, 201, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4}, 12, false, 0},
        {"padding of 3", {0xa0, 201, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3}, 12, false, ERR_RANGE},
        {"padding of 0", {0xa0, 201, 0, 2}, 12, false, ERR_RANGE},
        {"more padding than packet", {0xa0, 201, 0, 2, 0, 0, 0, 0, 0, 0, 0, 12}, 12, false, ERR_RANGE},
        {"padding eats the SSRC", {0xa0, 201, 0, 1, 0, 0, 0, 4}, 8, false, ERR_TRUNCATED},
        {"padding before the last", {0xa0, 201, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4, 0x80, 203, 0, 0}, 16, false, ERR_SYNTAX},
        {"nobody says goodbye", {0x80, 203, 0, 0}, 4, true, 0},
        {"reason longer than the packet", {0x81, 203, 0, 2, 0, 0, 0, 0, 4, 'a', 'b', 'c'}, 12, true, ERR_TRUNCATED},
        {"SDES without a source", {0x80, 202, 0, 0}, 4, true, 0},
        {"SDES without an end", {0x81, 202, 0, 2, 0, 0, 0, 0, 1, 2, 'a', 'b'}, 12, true, ERR_TRUNCATED},
        {"SDES, item too long", {0x81, 202, 0, 2, 0, 0, 0, 0, 1, 9, 'a', 'b'}, 12, true, ERR_TRUNCATED},
        {"SDES, two chunks said", {0x82, 202, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0}, 12, true, ERR_TRUNCATED},
        {"APP without a name", {0x80, 204, 0, 1}, 8, true, ERR_TRUNCATED},
        {"XR", {0x80, 207, 0, 4, 0, 0, 0, 1, 4, 0, 0, 2}, 20, true, 0},
        {"XR, block too long", {0x80, 207, 0, 4, 0, 0, 0, 1, 4, 0, 0, 3}, 20, true, ERR_TRUNCATED},
        {"a type that nobody knows", {0x80, 219, 0, 1}, 8, true, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int err = rtcp_check(slice_of(rows[i].octets, rows[i].n), rows[i].reduced, NULL);
        if (err != rows[i].err)
            fail_msg("%s: %d, not %d", rows[i].what, err, rows[i].err);
    }
    static uint8_t many[4 * (RTCP_PACKETS_MAX + 1)];
    for (size_t i = 0; i <= RTCP_PACKETS_MAX; i++) {
        many[4 * i] = 0x80;
        many[4 * i + 1] = 203;
    }
    assert_int_equal(rtcp_check(slice_of(many, sizeof many - 4), true, NULL), 0);
    assert_int_equal(rtcp_check(slice_of(many, sizeof many), true, NULL), ERR_LIMIT);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct rtcp_round_trip r = {0};
    struct rtcp_report report = {.last_sr = 0x456789ab, .delay = 65536};
    int64_t us = -1;
    assert_false(rtcp_round_trip_answer(&r, (struct mono){5000000}, &report, &us));
    rtcp_round_trip_sent(&r, (struct mono){1000000}, UINT64_C(0xe123456789abcdef));
    assert_true(rtcp_round_trip_answer(&r, (struct mono){2050000}, &report, &us));
    assert_int_equal(us, 50000);
    assert_true(rtcp_round_trip_answer(&r, (struct mono){2000000 - 10}, &report, &us)); /* rounding */
    assert_int_equal(us, 0);
    assert_false(rtcp_round_trip_answer(&r, (struct mono){1900000}, &report, &us)); /* answered before it came */
    assert_false(rtcp_round_trip_answer(&r, (struct mono){2000001 + RTCP_ROUND_TRIP_MAX_US}, &report, &us));
    report.delay = UINT32_MAX;
    assert_false(rtcp_round_trip_answer(&r, (struct mono){2050000}, &report, &us));
    report = (struct rtcp_report){0}; /* no SR yet: never matched, though unused places hold zeros */
    assert_false(rtcp_round_trip_answer(&r, (struct mono){2050000}, &report, &us));
    rtcp_round_trip_sent(&r, (struct mono){1000000}, 0);
    assert_false(rtcp_round_trip_answer(&r, (struct mono){2050000}, &report, &us));
    /* the oldest is forgotten */
    report = (struct rtcp_report){.last_sr = 0x456789ab};
    for (unsigned i = 1; i < RTCP_ROUND_TRIPS; i++)
        rtcp_round_trip_sent(&r, (struct mono){1000000}, (uint64_t)i << 16);
    assert_true(rtcp_round_trip_answer(&r, (struct mono){1500000}, &report, &us));
    rtcp_round_trip_sent(&r, (struct mono){1000000}, UINT64_C(9) << 16);
    assert_false(rtcp_round_trip_answer(&r, (struct mono){1500000}, &report, &us));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
