/* Usernames to the bit, hints, passwords. */
#include "base/text.h"
#include "crypt/digest.h"
#include "pvp/secret.h"
#include "testing.h"

#define A_TEXT "1;A;0123456789abcdef;+4930123456;00112233445566ff;1234;0;2"
#define B_TEXT "1;B;0000000000000001;+1;3976214400;3999;17;0"

static void test_known_texts(void **state)
{
    (void)state;
    char text[PVP_USERNAME_OCTETS_MAX + 1];
    struct pvp_username u;
    assert_int_equal(pvp_username_parse(slice_str(A_TEXT), 4000, &u, NULL), 0);
    assert_int_equal(u.method, PVP_METHOD_A);
    assert_true(u.vservice_id == UINT64_C(0x0123456789abcdef));
    assert_string_equal(u.called.text, "+4930123456");
    assert_int_equal(u.caller_hint[7], 0xff);
    assert_int_equal(u.start_sketch, 1234);
    assert_int_equal(u.stop_sketch, 0);
    assert_int_equal(u.try, 2);
    assert_string_equal(pvp_username_format(&u, text), A_TEXT);

    assert_int_equal(pvp_username_parse(slice_str(B_TEXT), 4000, &u, NULL), 0);
    assert_int_equal(u.method, PVP_METHOD_B);
    assert_int_equal(u.instant.ms, INT64_C(1767225600000)); /* 2026-01-01 */
    assert_string_equal(pvp_username_format(&u, text), B_TEXT);
}

static void test_the_longest_fits(void **state)
{
    (void)state;
    char text[PVP_USERNAME_OCTETS_MAX + 1];
    struct pvp_username u = {
        .method = PVP_METHOD_A, .vservice_id = UINT64_MAX, .start_sketch = 15999, .stop_sketch = 15999, .try = 2};
    struct pvp_username again;
    assert_true(e164_parse(slice_str("+999999999999999"), &u.called));
    memset(u.caller_hint, 0xff, sizeof u.caller_hint);
    assert_int_equal(pvp_username_parse(slice_str(pvp_username_format(&u, text)), 16000, &again, NULL), 0);
    assert_string_equal(again.called.text, u.called.text);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int err;
        size_t octet;
    } cases[] = {
        {"", ERR_TRUNCATED, 0},
        {"1", ERR_TRUNCATED, 1},
        {"2;A;0123456789abcdef;+4930123456;00112233445566ff;1234;0;2", ERR_UNSUPPORTED, 0},
        {"01;A;0123456789abcdef;+4930123456;00112233445566ff;1234;0;2", ERR_SYNTAX, 0},
        {"1;C;0123456789abcdef;+4930123456;00112233445566ff;1234;0;2", ERR_UNSUPPORTED, 2},
        {"1;A;0123456789ABCDEF;+4930123456;00112233445566ff;1234;0;2", ERR_SYNTAX, 14},
        {"1;A;123456789abcdef;+4930123456;00112233445566ff;1234;0;2", ERR_SYNTAX, 4},
        {"1;A;0123456789abcdef;030123456;00112233445566ff;1234;0;2", ERR_SYNTAX, 21},
        {"1;A;0123456789abcdef;+4930123456;00112233445566;1234;0;2", ERR_SYNTAX, 33},
        {"1;A;0123456789abcdef;+4930123456;00112233445566ff;4000;0;2", ERR_RANGE, 50},
        {"1;A;0123456789abcdef;+4930123456;00112233445566ff;1234;00;2", ERR_SYNTAX, 55},
        {"1;A;0123456789abcdef;+4930123456;00112233445566ff;1234;-1;2", ERR_SYNTAX, 55},
        {"1;A;0123456789abcdef;+4930123456;00112233445566ff;1234;0;3", ERR_RANGE, 57},
        {"1;A;0123456789abcdef;+4930123456;00112233445566ff;1234;0", ERR_TRUNCATED, 56},
        {"1;A;0123456789abcdef;+4930123456;00112233445566ff;1234;0;2;", ERR_SYNTAX, 59},
        {"1;B;0000000000000001;+1;4294967296;3999;17;0", ERR_RANGE, 24},
        {"1;A;0123456789abcdef;+4930123456;00112233445566ff;1234;0;2xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ERR_LIMIT, 80},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pvp_username u;
        struct fault fault = {0};
        assert_int_equal(pvp_username_parse(slice_str(cases[i].text), 4000, &u, &fault), cases[i].err);
        assert_int_equal(fault.octet, cases[i].octet);
    }
}

/* What is accepted formats to the same text, whatever octet is changed to whatever. */
static void test_accepted_means_canonical(void **state)
{
    (void)state;
    const char *const texts[] = {A_TEXT, B_TEXT};
    for (size_t k = 0; k < 2; k++) {
        char changed[PVP_USERNAME_OCTETS_MAX + 1];
        for (size_t i = 0; i < strlen(texts[k]); i++) {
            for (int c = 1; c < 256; c++) {
                struct pvp_username u;
                char text[PVP_USERNAME_OCTETS_MAX + 1];
                strcpy(changed, texts[k]);
                changed[i] = (char)c;
                if (pvp_username_parse(slice_str(changed), 4000, &u, NULL) == 0)
                    assert_string_equal(pvp_username_format(&u, text), changed);
            }
        }
    }
}

static void test_hint_and_password(void **state)
{
    (void)state;
    struct e164 called;
    struct e164 caller;
    uint8_t hint[PVP_CALLER_HINT_OCTETS];
    uint8_t mac[SHA256_OCTETS];
    char text[PVP_PASSWORD_OCTETS_MAX + 1];
    assert_true(e164_parse(slice_str("+49301"), &called));
    assert_true(e164_parse(slice_str("+4989"), &caller));
    pvp_caller_hint(&called, 0x0102030405060708, 0x0a0b, 3, &caller, hint);
    static const uint8_t key[] = "+49301\1\2\3\4\5\6\7\10\0\0\12\13\0\0\0\3";
    hmac_sha256(slice_of(key, sizeof key - 1), slice_str("+4989"), mac);
    assert_memory_equal(hint, mac, sizeof hint);
    assert_string_equal(pvp_password_format(&caller, 441806400, 441806415, text), "+4989;441806400;441806415");
    assert_string_equal(pvp_password_format(NULL, 1, 2, text), ";1;2");
    assert_int_equal(pvp_method_worth(PVP_METHOD_A), 12);
    assert_int_equal(pvp_method_worth(PVP_METHOD_B), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_texts),       cmocka_unit_test(test_the_longest_fits),
        cmocka_unit_test(test_refused),           cmocka_unit_test(test_accepted_means_canonical),
        cmocka_unit_test(test_hint_and_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
