/* Packets told apart, and headers of RTP octet by octet. */
#include "testing.h"

#include "media/rtp.h"

#include <stdio.h>

static void test_classify(void **state)
{
    (void)state;
    /* RFC 7983 7, figure 3, from and to, with room enough behind */
    static const struct {
        unsigned from, to;
        enum rtp_kind kind;
    } ranges[] = {{0, 3, RTP_STUN},   {4, 15, RTP_OTHER},   {16, 19, RTP_ZRTP},    {20, 63, RTP_DTLS},
                  {64, 79, RTP_TURN}, {80, 127, RTP_OTHER}, {128, 191, RTP_MEDIA}, {192, 255, RTP_OTHER}};
    uint8_t octets[20] = {0};
    for (unsigned i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        for (unsigned first = ranges[i].from; first <= ranges[i].to; first++) {
            octets[0] = (uint8_t)first;
            octets[1] = 8;
            assert_int_equal(rtp_classify(slice_of(octets, 20)), ranges[i].kind);
        }
    /* RFC 5761 4: 192 to 223 behind it */
    octets[0] = 0x80;
    for (unsigned second = 0; second < 256; second++) {
        octets[1] = (uint8_t)second;
        bool is_rtcp = second >= 192 && second <= 223;
        assert_int_equal(rtp_classify(slice_of(octets, 20)), is_rtcp ? RTP_RTCP : RTP_MEDIA);
        assert_int_equal(rtp_classify(slice_of(octets, 11)), is_rtcp ? RTP_RTCP : RTP_OTHER);
        assert_int_equal(rtp_classify(slice_of(octets, 7)), RTP_OTHER);
    }
    assert_int_equal(rtp_classify(slice_of(octets, 1)), RTP_OTHER);
    assert_int_equal(rtp_classify((struct slice){0}), RTP_OTHER);
    assert_string_equal(rtp_kind_name(RTP_STUN), "stun");
}

/* All that a header can have: two CSRCs, an extension of two words, padding of four. */
static const uint8_t full[] = {
    0xb2, 0xe5, 0x12, 0x34, 1,    2,    3,    4,    5,    6,    7,    8,    /* fixed */
    0xa,  0xb,  0xc,  0xd,  0xe,  0xf,  0x10, 0x11,                         /* CSRC */
    0xbe, 0xde, 0x00, 0x02, 0x11, 0xaa, 0xbb, 0x00, 0x20, 0xcc, 0x00, 0x00, /* extension */
    'p',  'a',  'y',  0,    0,    0,    4,
};

static void test_header(void **state)
{
    (void)state;
    struct rtp_view v;
    struct fault fault;
    assert_int_equal(rtp_read_header(slice_of(full, sizeof full), &v, NULL), 0);
    assert_int_equal(v.payload_type, 0x65);
    assert_true(v.marker && v.has_padding && v.has_extension);
    assert_int_equal(v.sequence, 0x1234);
    assert_int_equal(v.timestamp, 0x01020304);
    assert_int_equal(v.ssrc, 0x05060708);
    assert_int_equal(v.csrc_count, 2);
    assert_slice_equal(v.csrc, slice_of(full + 12, 8));
    assert_int_equal(v.extension_profile, 0xbede);
    assert_slice_equal(v.extension, slice_of(full + 24, 8));
    assert_slice_equal(v.payload, slice_of(full + 32, 7));
    assert_int_equal(rtp_read(slice_of(full, sizeof full), &v, NULL), 0);
    assert_slice_text(v.payload, "pay");

    /* every shorter packet is refused as long as the header is not whole, and nothing is touched */
    for (size_t n = 0; n < 32; n++) {
        struct rtp_view untouched = v;
        uint8_t *exact = test_malloc(n ? n : 1); /* a sanitizer sees each octet beyond */
        memcpy(exact, full, n);
        assert_int_equal(rtp_read_header(slice_of(exact, n), &v, &fault), ERR_TRUNCATED);
        assert_true(fault.rule && fault.octet <= n);
        assert_memory_equal(&v, &untouched, sizeof v);
        test_free(exact);
    }
    uint8_t octets[sizeof full];
    memcpy(octets, full, sizeof full);
    octets[0] = 0x72;
    assert_int_equal(rtp_read_header(slice_of(octets, sizeof octets), &v, &fault), ERR_SYNTAX);
    assert_int_equal(fault.octet, 0);
}

static void test_padding(void **state)
{
    (void)state;
    struct rtp_view v;
    struct fault fault;
    uint8_t octets[16] = {0xa0, 8};
    for (unsigned padding = 0; padding < 256; padding++) {
        octets[15] = (uint8_t)padding;
        int err = rtp_read(slice_of(octets, 16), &v, &fault);
        if (padding == 0 || padding > 4) {
            assert_int_equal(err, ERR_RANGE);
            assert_int_equal(fault.octet, 15);
        } else {
            assert_int_equal(err, 0);
            assert_int_equal(v.payload.n, 4 - padding);
        }
    }
    assert_int_equal(rtp_read(slice_of(octets, 12), &v, &fault), ERR_RANGE);
}

static void expect_elements(uint16_t profile, const uint8_t *octets, size_t n, const char *expected, int end)
{
    struct rtp_view v = {.has_extension = true, .extension_profile = profile, .extension = slice_of(octets, n)};
    struct rtp_element e;
    char text[200] = "";
    size_t position = 0, at = 0;
    int more;
    while ((more = rtp_element_next(&v, &position, &e)) > 0)
        at += (size_t)snprintf(text + at, sizeof text - at, "%u:%zu ", e.id, e.value.n);
    assert_int_equal(more, end);
    assert_string_equal(text, expected);
}

static void test_elements(void **state)
{
    (void)state;
    static const uint8_t one[] = {0x11, 0xaa, 0xbb, 0x00, 0x20, 0xcc, 0x00, 0x00};
    static const uint8_t stop[] = {0x10, 0xaa, 0xf0, 0x00, 0x20, 0xcc};
    static const uint8_t two[] = {5, 0, 0, 7, 3, 1, 2, 3};
    expect_elements(0xbede, one, sizeof one, "1:2 2:1 ", 0);
    expect_elements(0xbede, one, 2, "", ERR_TRUNCATED);
    expect_elements(0xbede, stop, sizeof stop, "1:1 ", 0);
    expect_elements(0x1000, two, sizeof two, "5:0 7:3 ", 0);
    expect_elements(0x100f, two, sizeof two, "5:0 7:3 ", 0);
    expect_elements(0x1000, two, 7, "5:0 ", ERR_TRUNCATED);
    expect_elements(0x1000, two, 4, "5:0 ", ERR_TRUNCATED);
    expect_elements(0x1234, two, sizeof two, "", 0);
    expect_elements(0xbede, NULL, 0, "", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classify),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
