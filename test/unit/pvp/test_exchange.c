/* Messages of the exchange: round trips, every truncation, every rule. */
#include "pvp/exchange.h"
#include "testing.h"

static struct pvp_message sample(enum pvp_message_type type)
{
    struct pvp_message m = {.type = type,
                            .node_id = {{1, 2, 3}},
                            .certificate = slice_str("certificate"),
                            .signature = slice_str("sig"),
                            .major = 1,
                            .domain = slice_str("a.example"),
                            .valinfo = slice_str("<valinfo/>"),
                            .code = PVP_REFUSED_DOMAIN};
    assert_true(e164_parse(slice_str("+4930123456"), &m.called));
    return m;
}

static void test_round_trips_and_truncations(void **state)
{
    (void)state;
    for (int type = PVP_HELLO; type <= PVP_REFUSAL; type++) {
        struct pvp_message m = sample((enum pvp_message_type)type);
        struct pvp_message again;
        struct buf octets;
        struct buf second;
        size_t n = 0;
        buf_init(&octets, PVP_MESSAGE_OCTETS_MAX);
        buf_init(&second, PVP_MESSAGE_OCTETS_MAX);
        assert_int_equal(pvp_message_encode(&m, &octets), 0);
        for (size_t cut = 0; cut < octets.n; cut++)
            assert_int_equal(pvp_message_decode(slice_of(octets.p, cut), &again, &n, NULL), ERR_TRUNCATED);
        size_t whole = octets.n;
        buf_str(&octets, "more");
        assert_int_equal(pvp_message_decode(buf_slice(&octets), &again, &n, NULL), 0);
        assert_int_equal(n, whole);
        assert_int_equal(again.type, type);
        assert_int_equal(pvp_message_encode(&again, &second), 0);
        assert_slice_equal(buf_slice(&second), slice_of(octets.p, whole));
        buf_fini(&octets);
        buf_fini(&second);
    }
}

static void test_known_octets(void **state)
{
    (void)state;
    struct pvp_message m = {.type = PVP_REFUSAL, .code = PVP_REFUSED_LATER};
    struct buf octets;
    buf_init(&octets, PVP_MESSAGE_OCTETS_MAX);
    assert_int_equal(pvp_message_encode(&m, &octets), 0);
    static const uint8_t expected[] = {0, 4, 0,   20,  'p', 'v', 'p', '1', 0,   9,   0,   13, 0, 0,
                                       5, 3, 'T', 'r', 'y', ' ', 'L', 'a', 't', 'e', 'r', 0,  0, 0};
    assert_slice_equal(buf_slice(&octets), slice_of(expected, sizeof expected));
    buf_fini(&octets);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t octets[24];
        size_t n;
        int err;
        size_t octet;
        const char *rule;
    } cases[] = {
        {{0, 1, 0, 0, 'p', 'v', 'p', '2'}, 8, ERR_SYNTAX, 4, "message magic is pvp1"},
        {{0, 0, 0, 0, 'p', 'v', 'p', '1'}, 8, ERR_UNSUPPORTED, 0, "message type is 1 to 4"},
        {{0, 5, 0, 0, 'p', 'v', 'p', '1'}, 8, ERR_UNSUPPORTED, 0, "message type is 1 to 4"},
        {{0, 4, 0, 3, 'p', 'v', 'p', '1'}, 8, ERR_LIMIT, 2, "message length, a multiple of 4"},
        {{0, 4, 0xff, 0xfc, 'p', 'v', 'p', '1'}, 8, ERR_LIMIT, 2, "message length, a multiple of 4"},
        {{0, 4, 0, 0, 'p', 'v', 'p', '1'}, 8, ERR_SYNTAX, 8, "mandatory attribute is there"},
        {{0, 4, 0, 8, 'p', 'v', 'p', '1', 0, 9, 0, 9, 0, 0, 4, 3},
         16,
         ERR_SYNTAX,
         10,
         "attribute length goes beyond the end, VAP 4"},
        {{0, 4, 0, 8, 'p', 'v', 'p', '1', 0, 9, 0, 4, 0, 0, 7, 3},
         16,
         ERR_RANGE,
         12,
         "ERROR-CODE class 1 to 6 and number below 100"},
        {{0, 4, 0, 8, 'p', 'v', 'p', '1', 0x10, 0x0c, 0, 4, 'a', 'b', 'c', 'd'},
         16,
         ERR_SYNTAX,
         8,
         "attribute belongs to this message"},
        {{0, 4, 0, 8, 'p', 'v', 'p', '1', 0x7f, 0, 0, 4, 0, 0, 4, 3},
         16,
         ERR_UNSUPPORTED,
         8,
         "attribute that must be understood"},
        {{0, 4, 0, 16, 'p', 'v', 'p', '1', 0, 9, 0, 4, 0, 0, 4, 3, 0, 9, 0, 4, 0, 0, 4, 3},
         24,
         ERR_SYNTAX,
         16,
         "attribute comes once"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pvp_message m;
        struct fault fault = {0};
        size_t n;
        assert_int_equal(pvp_message_decode(slice_of(cases[i].octets, cases[i].n), &m, &n, &fault), cases[i].err);
        assert_int_equal(fault.octet, cases[i].octet);
        assert_string_equal(fault.rule, cases[i].rule);
    }
}

/* A later version may add attributes from 0x8000 on. */
static void test_optional_attributes_are_skipped(void **state)
{
    (void)state;
    static const uint8_t octets[] = {0, 4, 0, 16, 'p', 'v', 'p', '1', 0x80, 1, 0, 4,
                                     1, 2, 3, 4,  0,   9,   0,   4,   0,    0, 4, 3};
    struct pvp_message m;
    size_t n;
    assert_int_equal(pvp_message_decode(slice_of(octets, sizeof octets), &m, &n, NULL), 0);
    assert_int_equal(m.code, 403);
}

/* Neither role, nor Node-ID, nor channel can be exchanged for another. */
static void test_what_is_signed(void **state)
{
    (void)state;
    uint8_t one[PVP_SIGNED_OCTETS];
    uint8_t two[PVP_SIGNED_OCTETS];
    const uint8_t exporter[PVP_EXPORTER_OCTETS] = {1};
    const uint8_t other[PVP_EXPORTER_OCTETS] = {2};
    const struct id a = {{1}};
    const struct id b = {{2}};
    struct slice s = pvp_signed_octets(PVP_ROLE_ORIGINATOR, &a, exporter, one);
    assert_int_equal(s.n, 64);
    assert_memory_equal(one, "ime pvp 1 caller\1\0", 18);
    assert_false(slice_eq(s, pvp_signed_octets(PVP_ROLE_TERMINATOR, &a, exporter, two)));
    assert_false(slice_eq(s, pvp_signed_octets(PVP_ROLE_ORIGINATOR, &b, exporter, two)));
    assert_false(slice_eq(s, pvp_signed_octets(PVP_ROLE_ORIGINATOR, &a, other, two)));
    assert_true(slice_eq(s, pvp_signed_octets(PVP_ROLE_ORIGINATOR, &a, exporter, two)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips_and_truncations),
        cmocka_unit_test(test_known_octets),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_optional_attributes_are_skipped),
        cmocka_unit_test(test_what_is_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
