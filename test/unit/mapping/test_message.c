/* Messages of the mapping service: octets both ways, and what is refused at which octet. */
#include "base/text.h"
#include "mapping/message.h"
#include "testing.h"

#include <stdio.h>

#define HEADER \
    "494d4550" \
    "01"
#define FAR_V4 \
    "61010008" \
    "040013c5" \
    "c0000201"
#define INSIDE_V4 \
    "61020008"    \
    "04004e20"    \
    "0a000005"
#define LIFETIME \
    "61030004"   \
    "00000258"

static struct slice octets(const char *hex, uint8_t *ret_octets)
{
    assert_int_equal(hex_parse(slice_str(hex), ret_octets), 0);
    return slice_of(ret_octets, strlen(hex) / 2);
}

static struct addr addr(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(slice_str(text), 0, &a), 0);
    return a;
}

static void expect(const struct mapping_message *m, const char *hex)
{
    struct mapping_message back;
    struct buf out;
    uint8_t expected[256];
    buf_init(&out, MAPPING_MESSAGE_OCTETS_MAX);
    mapping_encode(m, &out);
    assert_int_equal(out.err, 0);
    assert_slice_equal(buf_slice(&out), octets(hex, expected));
    assert_int_equal(mapping_message_octets(buf_slice(&out)), (int)out.n);
    assert_int_equal(mapping_decode(buf_slice(&out), &back, NULL), 0);
    assert_int_equal(back.kind, m->kind);
    assert_int_equal(back.transaction, m->transaction);
    assert_true(addr_eq(&back.far, &m->far));
    assert_true(addr_eq(&back.inside, &m->inside));
    assert_int_equal(back.lifetime_s, m->lifetime_s);
    assert_int_equal(back.code, m->code);
    buf_fini(&out);
}

static void test_messages_are_written_as_the_page_draws_them(void **state)
{
    (void)state;
    expect(&(struct mapping_message){.kind = MAPPING_REQUEST, .transaction = 7, .far = addr("192.0.2.1:5061")},
           HEADER "01000c00000007" FAR_V4);
    expect(&(struct mapping_message){.kind = MAPPING_REQUEST, .transaction = 8, .far = addr("[2001:db8::1]:5061")},
           HEADER "01001800000008"
                  "61010014"
                  "060013c5"
                  "20010db8000000000000000000000001");
    expect(&(struct mapping_message){.kind = MAPPING_SUCCESS,
                                     .transaction = 7,
                                     .far = addr("192.0.2.1:5061"),
                                     .inside = addr("10.0.0.5:20000"),
                                     .lifetime_s = 600},
           HEADER "02002000000007" FAR_V4 INSIDE_V4 LIFETIME);
    expect(&(struct mapping_message){.kind = MAPPING_ERROR, .transaction = 9, .code = MAPPING_OVERLOADED},
           HEADER "03000800000009"
                  "61040002"
                  "01f70000");
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        int err;
        size_t octet;
    } cases[] = {
        {"", ERR_TRUNCATED, 0},
        {"494d4551", ERR_SYNTAX, 0},
        {HEADER "0100", ERR_TRUNCATED, 6},
        {HEADER "04000000000001", ERR_RANGE, 5},
        {HEADER "00000000000001", ERR_RANGE, 5},
        {"494d4550"
         "0201000000000001",
         ERR_UNSUPPORTED, 4},
        {HEADER "01000000000001", ERR_TRUNCATED, 12},
        {HEADER "01000d00000001" FAR_V4, ERR_SYNTAX, 6},
        {HEADER "01001800000001" FAR_V4 FAR_V4, ERR_SYNTAX, 24},
        {HEADER "01001800000001" FAR_V4 INSIDE_V4, ERR_SYNTAX, 24},
        {HEADER "01000c00000001"
                "61010008"
                "050013c5"
                "c0000201",
         ERR_RANGE, 16},
        {HEADER "01000c00000001"
                "61010008"
                "060013c5"
                "c0000201",
         ERR_RANGE, 16},
        {HEADER "01000c00000001"
                "61010008"
                "040113c5"
                "c0000201",
         ERR_RANGE, 16},
        {HEADER "01000c00000001"
                "61010008"
                "04000000"
                "c0000201",
         ERR_RANGE, 18},
        {HEADER "01000c00000001"
                "61010007"
                "040013c5"
                "c0000200",
         ERR_RANGE, 14},
        {HEADER "01001400000001" FAR_V4 "61050004"
                "00000000",
         ERR_SYNTAX, 24},
        {HEADER "02002000000007" FAR_V4 INSIDE_V4 "61030004"
                "00000000",
         ERR_RANGE, 40},
        {HEADER "02002000000007" FAR_V4 INSIDE_V4 "61030004"
                "00015181",
         ERR_RANGE, 40},
        {HEADER "02001800000007" FAR_V4 INSIDE_V4, ERR_TRUNCATED, 36},
        {HEADER "03000800000009"
                "61040002"
                "01f70001",
         ERR_SYNTAX, 19},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t input[256];
        struct mapping_message m;
        struct fault fault = {0};
        assert_int_equal(mapping_decode(octets(cases[i].hex, input), &m, &fault), cases[i].err);
        assert_int_equal(fault.octet, cases[i].octet);
        assert_non_null(fault.rule);
    }
}

/* A later version may tell more. */
static void test_what_may_be_skipped_is(void **state)
{
    (void)state;
    uint8_t input[256];
    struct mapping_message m;
    assert_int_equal(mapping_decode(octets(HEADER "01001400000001" FAR_V4 "80000004"
                                                  "00000000",
                                           input),
                                    &m, NULL),
                     0);
    assert_int_equal(m.kind, MAPPING_REQUEST);
}

static void test_where_a_message_ends(void **state)
{
    (void)state;
    uint8_t input[256];
    assert_int_equal(mapping_message_octets(octets("494d4550010100", input)), 0);
    assert_int_equal(mapping_message_octets(octets("474554202f20485454502f31", input)),
                     ERR_SYNTAX); /* "GET / HTTP/1" */
    assert_int_equal(mapping_message_octets(octets(HEADER "01000d00000001", input)), ERR_SYNTAX);
    assert_int_equal(mapping_message_octets(octets(HEADER "01020000000001", input)), ERR_LIMIT);
    assert_int_equal(mapping_message_octets(octets(HEADER "01000c00000001", input)), 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_are_written_as_the_page_draws_them),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_what_may_be_skipped_is),
        cmocka_unit_test(test_where_a_message_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
