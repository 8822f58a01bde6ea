/* The two laws of G.711. */
#include "pstn/g711.h"
#include "testing.h"

static void alaw_of_the_recommendation(void **state)
{
    /* ITU-T G.711, table 1a: decision values and codes before the even bits are inverted; the decoded values are in the middle. */
    static const struct {
        int sample;
        uint8_t code;
        int decoded;
    } rows[] = {{0, 0xd5, 8},           {8, 0xd5, 8},        {16, 0xd4, 24},     {-1, 0x55, -8},
                {-17, 0x54, -24},       {512, 0xf5, 528},    {1024, 0xe5, 1056}, {32767, 0xaa, 32256},
                {-32768, 0x2a, -32256}, {16384, 0xa5, 16896}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(pstn_g711_encode(PSTN_ALAW, rows[i].sample), rows[i].code);
        assert_int_equal(pstn_g711_decode(PSTN_ALAW, rows[i].code), rows[i].decoded);
    }
}

/* Table 2a; the values of 14 bits are four times as large here. */
static void ulaw_of_the_recommendation(void **state)
{
    static const struct {
        int sample;
        uint8_t code;
        int decoded;
    } rows[] = {{0, 0xff, 0},
                {4, 0xfe, 8},
                {-4, 0x7e, -8},
                {4 * 31, 0xef, 4 * 33},
                {-4 * 95, 0x5f, -4 * 99},
                {32767, 0x80, 4 * 8031},
                {-32767, 0x00, -4 * 8031},
                {4 * 1023, 0xaf, 4 * 1023}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(pstn_g711_encode(PSTN_ULAW, rows[i].sample), rows[i].code);
        assert_int_equal(pstn_g711_decode(PSTN_ULAW, rows[i].code), rows[i].decoded);
    }
}

/* But for one of the two codes that µ-law has for nothing. */
static void every_code_comes_back(void **state)
{
    (void)state;
    for (unsigned law = PSTN_ALAW; law < PSTN_LAWS; law++) {
        for (unsigned code = 0; code < 256; code++) {
            const int sample = pstn_g711_decode((enum pstn_law)law, (uint8_t)code);
            const bool is_minus_zero = law == PSTN_ULAW && code == 0x7f;
            assert_int_equal(pstn_g711_encode((enum pstn_law)law, sample), is_minus_zero ? 0xff : code);
        }
    }
}

static void payload_types(void **state)
{
    enum pstn_law law;
    (void)state;
    for (unsigned i = PSTN_ALAW; i < PSTN_LAWS; i++) {
        assert_true(pstn_law_find(pstn_law_payload_type((enum pstn_law)i), &law));
        assert_int_equal(law, i);
    }
    assert_false(pstn_law_find(18, &law));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alaw_of_the_recommendation),
        cmocka_unit_test(ulaw_of_the_recommendation),
        cmocka_unit_test(every_code_comes_back),
        cmocka_unit_test(payload_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
