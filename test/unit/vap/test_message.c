/* Messages against octets that were put together by hand from the draft, with MACs from another implementation. */
#include "base/text.h"
#include "testing.h"
#include "vap/message.h"

#define REGISTER                                       \
    "0001005841666679000102030405060708090a0b"         \
    "00060005616c696365000000"                         \
    "001400062256695052220000"                         \
    "1001001161636d652f7062782f312e302f70627831000000" \
    "1005000178000000"                                 \
    "1003000400010000"
#define REGISTER_MAC "000800149be3a53e5540631b3363a478bcd7a164a6f00336"

static const struct vap_transaction transaction = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}};

static struct slice octets(const char *hex, uint8_t *ret_octets)
{
    assert_int_equal(hex_parse(slice_str(hex), ret_octets), 0);
    return slice_of(ret_octets, strlen(hex) / 2);
}

static struct vap_key key(void)
{
    struct vap_key k;
    assert_int_equal(vap_key_derive(slice_str("alice"), slice_str(VAP_REALM), slice_str("secret"), &k), 0);
    return k;
}

static void assert_octets(struct buf *b, const char *hex)
{
    uint8_t expected[512];
    assert_int_equal(b->err, 0);
    assert_slice_equal(buf_slice(b), octets(hex, expected));
    buf_fini(b);
}

static void test_key_is_md5_without_quotes_and_trailing_nulls(void **state)
{
    (void)state;
    uint8_t expected[16];
    struct vap_key plain = key();
    struct vap_key quoted;
    assert_memory_equal(plain.octets, octets("f78494dd24e1fbb1d0566ebc49123e9f", expected).p, 16);
    assert_int_equal(
        vap_key_derive(slice_of("\"alice\"\0\0", 9), slice_str("\"ViPR\""), slice_of("secret\0", 7), &quoted), 0);
    assert_memory_equal(plain.octets, quoted.octets, 16);
}

static void test_register_as_the_draft_lays_it_out(void **state)
{
    (void)state;
    struct vap_key k = key();
    struct buf b;
    buf_init(&b, 512);
    size_t mark = vap_begin(&b, VAP_REGISTER, VAP_REQUEST, &transaction);
    tlv_put_text(&b, TLV_USERNAME, "alice");
    vap_put_realm(&b);
    tlv_put_text(&b, TLV_CLIENT_NAME, "acme/pbx/1.0/pbx1");
    tlv_put_text(&b, TLV_CLIENT_LABEL, "x");
    vap_put_version(&b, 1, 0);
    vap_end_signed(&b, mark, &k);
    assert_octets(&b, REGISTER REGISTER_MAC);
}

static void test_error_response_and_class_bits(void **state)
{
    (void)state;
    struct vap_key k = key();
    struct buf b;
    buf_init(&b, 512);
    buf_str(&b, "before"); /* a message may stand behind others in a buffer */
    size_t mark = vap_begin(&b, VAP_SUBSCRIBE, VAP_ERROR, &transaction);
    vap_put_realm(&b);
    vap_put_error(&b, VAP_UNKNOWN_SUBSCRIPTION, vap_code_reason(VAP_UNKNOWN_SUBSCRIPTION));
    vap_end_signed(&b, mark, &k);
    buf_drop(&b, 6);
    assert_octets(&b, "0117004041666679000102030405060708090a0b0014000622566950522200000009001800"
                      "00044c556e6b6e6f776e20537562736372697074696f6e0008001418ef51e95bf075534d43e39d21dffb0e651c8699");
}

static void test_text_of_64_octets_is_not_padded(void **state)
{
    (void)state;
    uint8_t input[512];
    struct vap_message m;
    struct fault fault;
    struct vap_key k = key();
    struct slice s =
        octets("0101004441666679000102030405060708090a0b0014000622566950522200001002000400000007100600040000ea"
               "60999900086162636465666768999800000008"
               "00147d092289f4cc4f6ce26332aca00b6a0062e8e842",
               input);
    assert_int_equal(vap_decode(s, &m, &fault), 0);
    assert_int_equal(m.integrity_octet, 64);
    assert_int_equal(vap_check_integrity(&m, &k), 0);
}

static void test_register_is_read(void **state)
{
    (void)state;
    uint8_t input[512];
    struct vap_message m;
    struct fault fault;
    struct vap_key k = key();
    struct slice s = octets(REGISTER REGISTER_MAC, input);
    assert_int_equal(vap_decode(s, &m, &fault), 0);
    assert_int_equal(m.method, VAP_REGISTER);
    assert_int_equal(m.kind, VAP_REQUEST);
    assert_memory_equal(&m.transaction, &transaction, sizeof transaction);
    assert_int_equal(m.attr_count, 6);
    assert_int_equal(m.has, VAP_HAS_USERNAME | VAP_HAS_REALM | VAP_HAS_NAME | VAP_HAS_LABEL | VAP_HAS_VERSION |
                                VAP_HAS_INTEGRITY);
    assert_slice_text(m.username, "alice");
    assert_true(vap_realm_is_good(m.realm));
    assert_slice_text(m.client_name, "acme/pbx/1.0/pbx1");
    assert_int_equal(m.version_major, 1);
    assert_int_equal(m.version_minor, 0);
    assert_int_equal(vap_check_integrity(&m, &k), 0);

    /* Every octet before the integrity counts, and so does the integrity itself. */
    for (size_t i = 8; i < s.n; i++) {
        input[i] ^= 0x20;
        if (vap_decode(s, &m, &fault) == 0 && m.has & VAP_HAS_INTEGRITY)
            assert_int_equal(vap_check_integrity(&m, &k), ERR_AUTH);
        input[i] ^= 0x20;
    }
}

static void test_without_integrity(void **state)
{
    (void)state;
    uint8_t input[512];
    struct vap_message m;
    struct fault fault;
    struct vap_key k = key();
    assert_int_equal(vap_decode(octets("000b000041666679000102030405060708090a0b", input), &m, &fault), 0);
    assert_int_equal(m.method, VAP_UPLOAD_VCR);
    assert_int_equal(vap_check_integrity(&m, &k), ERR_NOT_FOUND);
}

static void test_realm_with_and_without_quotes(void **state)
{
    (void)state;
    assert_true(vap_realm_is_good(slice_str("ViPR")));
    assert_true(vap_realm_is_good(slice_str("\"ViPR\"")));
    assert_false(vap_realm_is_good(slice_str("\"ViPR")));
    assert_false(vap_realm_is_good(slice_str("vipr")));
    assert_false(vap_realm_is_good(slice_str("\"")));
    assert_false(vap_realm_is_good(slice_str("")));
}

#define HEADER(type, length) type length "41666679000102030405060708090a0b"

static void assert_fault(const char *hex, int err, size_t octet)
{
    uint8_t input[512];
    struct vap_message m;
    struct fault fault = {0};
    assert_int_equal(vap_decode(octets(hex, input), &m, &fault), err);
    assert_int_equal(fault.octet, octet);
    assert_non_null(fault.rule);
}

static void test_faults_name_their_octet(void **state)
{
    (void)state;
    assert_fault("", ERR_TRUNCATED, 0);
    assert_fault("00010000416666", ERR_TRUNCATED, 4);
    assert_fault(HEADER("4001", "0000"), ERR_SYNTAX, 0);
    assert_fault(HEADER("0011", "0000"), ERR_SYNTAX, 0); /* an indication */
    assert_fault(HEADER("0001", "0002") "0000", ERR_SYNTAX, 2);
    assert_fault("000100002112a442000102030405060708090a0b", ERR_SYNTAX, 4);
    assert_fault(HEADER("0001", "0008") "10020004", ERR_TRUNCATED, 2);
    assert_fault(HEADER("0001", "0000") "10020004", ERR_SYNTAX, 20);
    assert_fault(HEADER("0001", "0008") "1002000800000000", ERR_TRUNCATED, 22);
    assert_fault(HEADER("0001", "0004") "10020000", ERR_RANGE, 22);
    assert_fault(HEADER("000b", "0008") "2001000400000002", ERR_RANGE, 24);
    assert_fault(HEADER("000b", "000c") "200500052b31323361000000", ERR_SYNTAX, 24);
    assert_fault(HEADER("000b", "000c") "200500053131323333000000", ERR_SYNTAX, 24);
    assert_fault(HEADER("0117", "0008") "0009000400010400", ERR_SYNTAX, 24);
    assert_fault(HEADER("0117", "0008") "0009000400000700", ERR_RANGE, 26);
    assert_fault(HEADER("0117", "0008") "0009000400000464", ERR_RANGE, 27);
    assert_fault(HEADER("0001", "0004") "10010000", ERR_RANGE, 22);
    assert_fault(HEADER("0001", "0020") "000800140000000000000000000000000000000000000000"
                                        "1002000400000007",
                 ERR_SYNTAX, 44);
}

static void test_bad_value_does_not_hide_the_integrity(void **state)
{
    (void)state;
    uint8_t input[512];
    struct vap_message m;
    struct fault fault;
    struct slice s = octets(HEADER("000b", "0020") "2001000400000009"
                                                   "000800140000000000000000000000000000000000000000",
                            input);
    assert_int_equal(vap_decode(s, &m, &fault), ERR_RANGE);
    assert_int_equal(fault.octet, 24);
    assert_true(m.header);
    assert_true(m.has & VAP_HAS_INTEGRITY);
    assert_false(m.has & VAP_HAS_DIRECTION);
}

static void test_too_many_attributes(void **state)
{
    (void)state;
    struct vap_message m;
    struct fault fault;
    struct buf b;
    buf_init(&b, 1024);
    size_t mark = vap_begin(&b, VAP_REGISTER, VAP_REQUEST, &transaction);
    for (int i = 0; i <= VAP_ATTRS_MAX; i++)
        tlv_put_u32(&b, TLV_CLIENT_HANDLE, (uint32_t)i);
    vap_end(&b, mark);
    assert_int_equal(vap_decode(buf_slice(&b), &m, &fault), ERR_LIMIT);
    assert_int_equal(fault.octet, VAP_HEADER_OCTETS + 8 * VAP_ATTRS_MAX);
    buf_fini(&b);
}

/* All values, unknown attributes, repeated attributes, odd padding: the same octets again. */
static void test_encodes_what_it_decoded(void **state)
{
    (void)state;
    static const char *const messages[] = {
        REGISTER REGISTER_MAC,
        HEADER("0117", "0000") "00140004566950520009000e0000041f4e6f20776169742e2e2eaabb",
        HEADER("000b", "0000") "000600026162ffff"
                               "1007001400640003000000000000000100000000000000022001000400000001"
                               "20020008ed00378080000000"
                               "20030008ed003781ffffffff"
                               "20040000"
                               "200500032b313200"
                               "200500032b313211"
                               "7777000501020304050a0b0c"
                               "8001000100010101"
                               "000800140102030405060708090a0b0c0d0e0f1011121314",
        HEADER("0104", "0000") "200a00080000000a00000005"
                               "200b000400015180"
                               "100b000400000003"
                               "100e000400000004"
                               "100c00033c612f00",
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        uint8_t input[512];
        struct vap_message m;
        struct fault fault = {0};
        struct buf again;
        struct slice s = octets(messages[i], input);
        input[2] = (uint8_t)((s.n - 20) >> 8);
        input[3] = (uint8_t)(s.n - 20);
        assert_int_equal(vap_decode(s, &m, &fault), 0);
        buf_init(&again, 1024);
        vap_encode(&m, &again);
        assert_slice_equal(buf_slice(&again), s);
        buf_fini(&again);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(vap_method_name(VAP_PUBLISH_REVOKE), "PublishRevoke");
    assert_null(vap_method_name(3));
    assert_string_equal(vap_class_name(VAP_SUCCESS), "success");
    assert_string_equal(vap_code_reason(472), "Version Number Too Low");
    assert_string_equal(vap_code_reason(999), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_is_md5_without_quotes_and_trailing_nulls),
        cmocka_unit_test(test_register_as_the_draft_lays_it_out),
        cmocka_unit_test(test_error_response_and_class_bits),
        cmocka_unit_test(test_text_of_64_octets_is_not_padded),
        cmocka_unit_test(test_register_is_read),
        cmocka_unit_test(test_without_integrity),
        cmocka_unit_test(test_realm_with_and_without_quotes),
        cmocka_unit_test(test_faults_name_their_octet),
        cmocka_unit_test(test_bad_value_does_not_hide_the_integrity),
        cmocka_unit_test(test_too_many_attributes),
        cmocka_unit_test(test_encodes_what_it_decoded),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
