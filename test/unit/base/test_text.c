/* Text forms: hexadecimal, base64, decimal, domains, cutting and trimming. */
#include "base/text.h"
#include "testing.h"

#include <stdio.h>

static void test_hex(void **state)
{
    (void)state;
    char text[9];
    uint8_t octets[4];
    struct buf b;
    assert_string_equal(hex_format(slice_of("\x00\x7f\xff\xa5", 4), text), "007fffa5");
    assert_int_equal(hex_parse(slice_str("007FffA5"), octets), 0);
    assert_memory_equal(octets, "\x00\x7f\xff\xa5", 4);
    assert_int_equal(hex_parse(slice_str("007"), octets), ERR_SYNTAX);
    assert_int_equal(hex_parse(slice_str("0g"), octets), ERR_SYNTAX);
    buf_init(&b, 3);
    assert_int_equal(hex_decode(slice_str("0102"), &b), 0);
    assert_int_equal(hex_decode(slice_str("0102"), &b), ERR_LIMIT);
    buf_fini(&b);
}

/* RFC 4648 section 10. */
static void test_base64_vectors(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct buf b;
        buf_init(&b, 100);
        base64_append(&b, slice_str(vectors[i][0]));
        assert_slice_text(buf_slice(&b), vectors[i][1]);
        buf_clear(&b);
        assert_int_equal(base64_decode(slice_str(vectors[i][1]), &b), 0);
        assert_slice_text(buf_slice(&b), vectors[i][0]);
        buf_fini(&b);
    }
}

static void test_base64_is_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zg==Zg==", "Z===", "====", "Zm 9v", "Zm9v\n", "Zm9-"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct buf b;
        buf_init(&b, 100);
        assert_int_equal(base64_decode(slice_str(bad[i]), &b), ERR_SYNTAX);
        buf_fini(&b);
    }
}

static void test_decimal(void **state)
{
    (void)state;
    uint64_t v = 1;
    assert_int_equal(u64_parse(slice_str("0"), 10, &v), 0);
    assert_true(v == 0);
    assert_int_equal(u64_parse(slice_str("18446744073709551615"), UINT64_MAX, &v), 0);
    assert_true(v == UINT64_MAX);
    assert_int_equal(u64_parse(slice_str("18446744073709551616"), UINT64_MAX, &v), ERR_RANGE);
    assert_int_equal(u64_parse(slice_str("11"), 10, &v), ERR_RANGE);
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "1x", "0x1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(u64_parse(slice_str(bad[i]), UINT64_MAX, &v), ERR_SYNTAX);
    assert_true(v == UINT64_MAX);
    assert_int_equal(u64_hex_parse(slice_str("00000000000000fF"), &v), 0);
    assert_true(v == 255);
    assert_int_equal(u64_hex_parse(slice_str("ff"), &v), ERR_SYNTAX);
}

static void test_decimal_put(void **state)
{
    (void)state;
    static const uint32_t numbers[] = {0, 9, 10, 255, 65535, 1000000000, UINT32_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char text[DECIMAL_OCTETS], expected[DECIMAL_OCTETS];
        snprintf(expected, sizeof expected, "%u", numbers[i]);
        assert_ptr_equal(decimal_put(numbers[i], text), text + strlen(expected));
        assert_string_equal(text, expected);
    }
}

static void test_domains(void **state)
{
    (void)state;
    char label[65], name[300];
    static const char *const good[] = {"a.example", "x-1.example.com", "1.2.example"};
    static const char *const bad[] = {"",           ".",           "a..b",        "-a.example", "a-.example",
                                      "a.example.", "a b.example", "a_b.example", ".a"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(domain_is_valid(slice_str(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(domain_is_valid(slice_str(bad[i])));
    memset(label, 'a', sizeof label);
    assert_true(domain_is_valid(slice_of(label, 63)));
    assert_false(domain_is_valid(slice_of(label, 64)));
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = i % 50 == 49 ? '.' : 'a';
    assert_true(domain_is_valid(slice_of(name, 253)));
    assert_false(domain_is_valid(slice_of(name, 254)));
}

static void test_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {
        "", "a", "\xc3\xa4", "\xe2\x82\xac", "\xed\x9f\xbf", "\xf0\x9f\x93\x9e", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {
        "\x80",     "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80",
        "\xe2\x82", "a\xff"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(text_is_utf8(slice_str(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(text_is_utf8(slice_str(bad[i])));
    assert_false(text_is_utf8(slice_of("a\0b", 3)));
}

static void test_keep(void **state)
{
    char text[4] = "???";
    (void)state;
    text_keep(slice_str("ab"), text, sizeof text);
    assert_string_equal(text, "ab");
    text_keep(slice_str("abc"), text, sizeof text);
    assert_string_equal(text, "abc");
    text_keep(slice_str("abcd"), text, sizeof text);
    assert_string_equal(text, "abc");
    text_keep(slice_of(NULL, 0), text, sizeof text);
    assert_string_equal(text, "");
}

static void test_cut_and_trim(void **state)
{
    (void)state;
    struct slice rest = slice_str("a,,b");
    assert_slice_text(text_cut(&rest, ','), "a");
    assert_slice_text(text_cut(&rest, ','), "");
    assert_non_null(rest.p);
    assert_slice_text(text_cut(&rest, ','), "b");
    assert_null(rest.p);
    assert_slice_text(text_trim(slice_str(" \ta b\t ")), "a b");
    assert_slice_text(text_trim(slice_str("  ")), "");
    assert_true(text_equal_nocase(slice_str("Ab-1"), slice_str("aB-1")));
    assert_false(text_equal_nocase(slice_str("ab"), slice_str("abc")));
    assert_false(text_equal_nocase(slice_str("[\\]"), slice_str("{|}")));
    char lower[8];
    assert_string_equal(text_lower(slice_str("AbZ[1"), lower), "abz[1");
    assert_true(text_is_printable(slice_str(" ~")));
    assert_false(text_is_printable(slice_str("\x7f")));
    assert_false(text_is_printable(slice_str("a\n")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep),           cmocka_unit_test(test_hex),
        cmocka_unit_test(test_base64_vectors), cmocka_unit_test(test_base64_is_strict),
        cmocka_unit_test(test_decimal),        cmocka_unit_test(test_decimal_put),
        cmocka_unit_test(test_domains),        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_cut_and_trim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
