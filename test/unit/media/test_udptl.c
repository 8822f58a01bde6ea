/* UDPTL datagrams, written down as octets. */
#include "testing.h"

#include "media/udptl.h"

struct row {
    const char *what;
    uint8_t octets[32];
    size_t n;
    int err;
    unsigned secondary_count;
};

static const struct row rows[] = {
    {"no signal, nothing else", {0, 1, 1, 0x06, 0, 0}, 6, 0, 0},
    {"two earlier packets", {0, 2, 1, 0x06, 0, 2, 1, 0x04, 2, 0xaa, 0xbb}, 11, 0, 2},
    {"an empty earlier packet", {0, 2, 1, 0x06, 0, 1, 0}, 7, 0, 1},
    {"parity over three packets", {0, 3, 1, 0x06, 0x80, 1, 3, 1, 2, 0xaa, 0xbb}, 11, 0, 1},
    {"length in two octets", {0, 4, 0x80, 2, 0xaa, 0xbb, 0, 0}, 8, 0, 0},
    {"no primary packet", {0, 1, 0, 0, 0}, 5, ERR_RANGE, 0},
    {"fragmented", {0, 1, 0xc1, 0, 0}, 5, ERR_SYNTAX, 0},
    {"other bits in the choice", {0, 1, 1, 6, 0x41, 0}, 6, ERR_SYNTAX, 0},
    {"an octet too many", {0, 1, 1, 6, 0, 0, 0}, 7, ERR_SYNTAX, 0},
    {"parity over nothing", {0, 3, 1, 0x06, 0x80, 0, 1, 1, 0xaa}, 9, ERR_RANGE, 0},
    {"more secondaries than allowed", {0, 2, 1, 0x06, 0, 65}, 6, ERR_LIMIT, 0},
    {"RTP", {0x80, 8, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8, 0xd5, 0xd5}, 14, ERR_TRUNCATED, 0},
    {"STUN", {0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42}, 20, ERR_RANGE, 0},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct udptl_view v = {0};
        struct fault fault = {0};
        int err = udptl_read(slice_of(rows[i].octets, rows[i].n), &v, &fault);
        if (err != rows[i].err)
            fail_msg("%s: %d, not %d", rows[i].what, err, rows[i].err);
        if (err) {
            assert_true(fault.rule && fault.octet <= rows[i].n);
            continue;
        }
        assert_int_equal(v.sequence, rows[i].octets[1]);
        assert_int_equal(v.secondary_count, rows[i].secondary_count);
        assert_int_equal(v.has_fec, rows[i].octets[4] == 0x80);
        /* nothing shorter is whole */
        for (size_t n = 0; n < rows[i].n; n++) {
            uint8_t *exact = test_malloc(n ? n : 1);
            memcpy(exact, rows[i].octets, n);
            assert_int_equal(udptl_read(slice_of(exact, n), &v, NULL), ERR_TRUNCATED);
            test_free(exact);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
