/* Addresses and telephone numbers: what is accepted, what is refused, and that text survives a round trip. */
#include "base/addr.h"
#include "base/e164.h"
#include "testing.h"

static void assert_addr(const char *text, uint16_t default_port, const char *expected)
{
    struct addr a = {0};
    char formatted[ADDR_TEXT_OCTETS];
    assert_int_equal(addr_parse(slice_str(text), default_port, &a), 0);
    assert_string_equal(addr_format(&a, formatted), expected);
}

static void test_accepted(void **state)
{
    (void)state;
    assert_addr("192.0.2.1:6084", 0, "192.0.2.1:6084");
    assert_addr("192.0.2.1", 5620, "192.0.2.1:5620");
    assert_addr("192.0.2.1:1", 5620, "192.0.2.1:1");
    assert_addr("255.10.100.0:65535", 0, "255.10.100.0:65535");
    assert_addr("0.0.0.0:1", 0, "0.0.0.0:1");
    assert_addr("[2001:db8::1]:65535", 0, "[2001:db8::1]:65535");
    assert_addr("[2001:DB8:0::1]", 7, "[2001:db8::1]:7");
    assert_addr("::1", 7, "[::1]:7");
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "192.0.2.1",
                                        "192.0.2.1:",
                                        "192.0.2.1:0",
                                        "192.0.2.1:65536",
                                        "192.0.2:5",
                                        "192.0.2.1:x",
                                        "192.0.2.1:5:6",
                                        "example.com:5",
                                        "[::1]",
                                        "[::1]5",
                                        "[::1",
                                        "[::1]:",
                                        "::g",
                                        ":5",
                                        " 192.0.2.1:5",
                                        "192.0.2.01:5",
                                        "192.00.2.1:5",
                                        "192.0.2.256:5",
                                        "192.0.2.1000:5",
                                        "192.0.2.1.1:5",
                                        "192.0.2.1.:5",
                                        "192..2.1:5",
                                        ".192.0.2:5",
                                        "192.0.2.-1:5"};
    struct addr a = {.port = 99};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(addr_parse(slice_str(texts[i]), 0, &a), ERR_SYNTAX);
    assert_int_equal(addr_parse(slice_of("192.0.2.1\0x", 11), 5, &a), ERR_SYNTAX);
    assert_int_equal(a.port, 99);
}

static void test_no_address(void **state)
{
    (void)state;
    struct addr none = {0}, other = {0};
    char text[ADDR_TEXT_OCTETS];
    assert_string_equal(addr_format(&none, text), "-");
    assert_true(addr_eq(&none, &other));
    other.port = 1;
    assert_false(addr_eq(&none, &other));
}

static void test_numbers(void **state)
{
    (void)state;
    struct e164 n = {"+1"};
    assert_true(e164_parse(slice_str("+14085551234"), &n));
    assert_string_equal(n.text, "+14085551234");
    assert_true(e164_is_valid(slice_str("+123456789012345")));
    assert_true(e164_is_valid(slice_str("+1")));
    static const char *const bad[] = {"",          "+",      "14085551234", "+0123", "+1234567890123456",
                                      "+1408555x", "+1 408", "++1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(e164_parse(slice_str(bad[i]), &n));
    assert_string_equal(n.text, "+14085551234");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_address),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
