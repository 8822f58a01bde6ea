/* Attributes: known octets both ways, faults with their octet, values with their bounds. */
#include "base/text.h"
#include "testing.h"
#include "tlv/tlv.h"

static struct slice octets(const char *hex, uint8_t *ret_octets)
{
    assert_int_equal(hex_parse(slice_str(hex), ret_octets), 0);
    return slice_of(ret_octets, strlen(hex) / 2);
}

static void assert_written(struct buf *b, const char *hex)
{
    uint8_t expected[256];
    assert_int_equal(b->err, 0);
    assert_slice_equal(buf_slice(b), octets(hex, expected));
    buf_fini(b);
}

static void assert_fault(const char *hex, enum tlv_padding padding, int err, size_t octet)
{
    uint8_t input[256];
    struct reader r;
    struct tlv_attr a;
    reader_init(&r, octets(hex, input));
    while (tlv_next(&r, padding, &a))
        ;
    assert_int_equal(r.err, err);
    assert_int_equal(r.fault.octet, octet);
    assert_non_null(r.fault.rule);
}

static void test_values_are_written_as_the_draft_draws_them(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 256);
    tlv_put_text(&b, TLV_USERNAME, "alice");
    tlv_put_u32(&b, TLV_CLIENT_HANDLE, 7);
    tlv_put_service(&b, TLV_SERVICE_IDENTITY,
                    &(struct service_identity){SERVICE_VIPR, SUBSERVICE_NUMBER, 0x7eeb6a7036478351, UINT64_MAX});
    tlv_put_u8(&b, 0x8001, 0xff);
    tlv_put_u16(&b, 0x8002, 0xfffe);
    tlv_put_e164(&b, TLV_CALLED_NUM, &(struct e164){"+17325552496"});
    /* 2026-01-01T00:00:00.5Z is 1767225600.5 of Unix and 3976214400.5 of NTP time. */
    tlv_put_time(&b, TLV_START_TIME, (struct wall){1767225600500});
    assert_written(&b, "00060005616c696365000000"
                       "1002000400000007"
                       "10070014006500037eeb6a7036478351ffffffffffffffff"
                       "80010001ff000000"
                       "80020002fffe0000"
                       "2005000c2b3137333235353532343936"
                       "20020008ed00378080000000");
}

static void test_value_in_pieces_is_padded(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 64);
    size_t mark = tlv_open(&b, TLV_SERVICE_CONTENT);
    buf_str(&b, "<a");
    buf_str(&b, "/>");
    buf_str(&b, "\n");
    tlv_close(&b, mark);
    assert_written(&b, "100c00053c612f3e0a000000");
}

static void test_too_long_a_value_is_refused(void **state)
{
    (void)state;
    static const uint8_t zeros[TLV_VALUE_OCTETS_MAX + 1];
    struct buf b;
    buf_init(&b, 100000);
    tlv_put(&b, 1, slice_of(zeros, TLV_VALUE_OCTETS_MAX));
    assert_int_equal(b.err, 0);
    assert_int_equal(b.n, tlv_octets(TLV_VALUE_OCTETS_MAX));
    tlv_put(&b, 1, slice_of(zeros, sizeof zeros));
    assert_int_equal(b.err, ERR_RANGE);
    buf_fini(&b);
}

static void test_reads_back(void **state)
{
    (void)state;
    uint8_t input[256];
    struct slice s = octets("00060005616c696365010203"
                            "10070014006500037eeb6a703647835100000000000000ff"
                            "20020008ed00378080000000"
                            "2008001000112233445566778899aabbccddeeff",
                            input);
    struct reader r;
    struct tlv_attr a;
    reader_init(&r, s);
    assert_true(tlv_next(&r, TLV_PADDING_ANY, &a));
    assert_int_equal(a.type, TLV_USERNAME);
    assert_int_equal(a.octet, 0);
    assert_slice_text(tlv_read_text(&r, &a, 1, 5, "name"), "alice");
    assert_slice_equal(a.padding, slice_of("\1\2\3", 3));

    assert_true(tlv_next(&r, TLV_PADDING_ANY, &a));
    assert_int_equal(a.octet, 12);
    struct service_identity service = tlv_read_service(&r, &a, "service");
    assert_int_equal(service.service, SERVICE_VIPR);
    assert_int_equal(service.subservice, SUBSERVICE_NUMBER);
    assert_true(service.vservice_id == 0x7eeb6a7036478351);
    assert_int_equal(service.instance, 255);

    assert_true(tlv_next(&r, TLV_PADDING_ANY, &a));
    assert_true(tlv_read_time(&r, &a, "time").ms == 1767225600500);

    assert_true(tlv_next(&r, TLV_PADDING_ANY, &a));
    struct id id = tlv_read_id(&r, &a, "id");
    assert_int_equal(id.octets[15], 0xff);
    assert_false(tlv_next(&r, TLV_PADDING_ANY, &a));
    assert_int_equal(r.err, 0);

    assert_true(tlv_find(s, TLV_START_TIME, &a));
    assert_int_equal(a.octet, 36);
    assert_false(tlv_find(s, TLV_QUOTA, &a));
}

static void test_faults_name_their_octet(void **state)
{
    (void)state;
    assert_fault("00060005616c696365010000", TLV_PADDING_ZERO, ERR_SYNTAX, 9);
    assert_fault("00060005616c696365000001", TLV_PADDING_ZERO, ERR_SYNTAX, 11);
    assert_fault("1002000400000007100200", TLV_PADDING_ANY, ERR_TRUNCATED, 10);
    assert_fault("1002000400000007ff", TLV_PADDING_ANY, ERR_TRUNCATED, 8);
    assert_fault("10020004000000", TLV_PADDING_ANY, ERR_TRUNCATED, 2);
    assert_fault("1002ffff00000000", TLV_PADDING_ANY, ERR_TRUNCATED, 2);
    assert_fault("100200050000000000", TLV_PADDING_ANY, ERR_TRUNCATED, 9);
}

static void test_values_of_a_wrong_size_are_faults(void **state)
{
    (void)state;
    uint8_t input[256];
    struct reader r;
    struct tlv_attr a;
    struct slice s = octets("1002000500000000070000002005000131000000000600020061000000060002c3280000", input);
    reader_init(&r, s);
    assert_true(tlv_next(&r, TLV_PADDING_ZERO, &a));
    assert_int_equal(tlv_read_u32(&r, &a, "handle"), 0);
    assert_int_equal(r.err, ERR_RANGE);
    assert_int_equal(r.fault.octet, 2);
    assert_string_equal(r.fault.rule, "handle");
    assert_false(tlv_next(&r, TLV_PADDING_ZERO, &a));

    reader_init(&r, slice_of(s.p + 12, 8));
    assert_true(tlv_next(&r, TLV_PADDING_ZERO, &a));
    assert_string_equal(tlv_read_e164(&r, &a, "number").text, "");
    assert_int_equal(r.err, ERR_SYNTAX);
    assert_int_equal(r.fault.octet, 4);

    for (size_t at = 20; at <= 28; at += 8) { /* a NUL; a broken sequence */
        reader_init(&r, slice_of(s.p + at, 8));
        assert_true(tlv_next(&r, TLV_PADDING_ZERO, &a));
        assert_null(tlv_read_text(&r, &a, 1, 10, "text").p);
        assert_int_equal(r.err, ERR_SYNTAX);
    }
    reader_init(&r, slice_of(s.p + 20, 8));
    assert_true(tlv_next(&r, TLV_PADDING_ZERO, &a));
    assert_int_equal(tlv_read_octets(&r, &a, 1, 2, "octets").n, 2);
    assert_int_equal(tlv_read_octets(&r, &a, 3, 9, "octets").n, 0);
    assert_int_equal(r.err, ERR_RANGE);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(tlv_type_name(TLV_DHT_LIFETIME), "DHTLifetime");
    assert_null(tlv_type_name(0x7777));
    assert_true(tlv_is_required(0x7fff));
    assert_false(tlv_is_required(0x8000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_written_as_the_draft_draws_them),
        cmocka_unit_test(test_value_in_pieces_is_padded),
        cmocka_unit_test(test_too_long_a_value_is_refused),
        cmocka_unit_test(test_reads_back),
        cmocka_unit_test(test_faults_name_their_octet),
        cmocka_unit_test(test_values_of_a_wrong_size_are_faults),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
