/* a=crypto: what is read, what is refused and why, what is written, and which line of an offer is answered. */
#include "base/text.h"
#include "media/sdes.h"
#include "testing.h"

/* The keys of the examples of RFC 4568 (sections 6.1 and 10): 30 octets in base64. */
#define KEY "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR"
#define KEY_2 "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
/* 28 octets (AEAD_AES_128_GCM) and 44 (AEAD_AES_256_GCM) of the letter U. */
#define KEY_GCM_128 "VVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVQ"
#define KEY_GCM_256 "VVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVU"
#define CM_80 "AES_CM_128_HMAC_SHA1_80"

static struct sdes_crypto good(const char *value)
{
    struct sdes_crypto crypto;
    struct fault fault = {0, NULL};
    if (sdes_parse(slice_str(value), &crypto, &fault) != 0)
        fail_msg("%s: octet %zu: %s", value, fault.octet, fault.rule ? fault.rule : "?");
    return crypto;
}

static void bad(const char *value, int expected, size_t octet)
{
    struct sdes_crypto crypto;
    memset(&crypto, 0x5a, sizeof crypto);
    struct fault fault = {999, NULL};
    int err = sdes_parse(slice_str(value), &crypto, &fault);
    if (err != expected || fault.octet != octet || !fault.rule)
        fail_msg("%s: %d at octet %zu: %s", value, err, fault.octet, fault.rule ? fault.rule : "?");
    assert_int_equal(crypto.tag, 0x5a5a5a5a);
}

static void test_what_is_read(void **state)
{
    (void)state;
    struct sdes_crypto crypto = good("1 " CM_80 " inline:" KEY);
    struct buf decoded;
    buf_init(&decoded, 64);
    assert_int_equal(base64_decode(slice_str(KEY), &decoded), 0);
    assert_int_equal(decoded.n, 30);
    assert_int_equal(crypto.tag, 1);
    assert_int_equal(crypto.master.suite, SUITE_AES_CM_128_HMAC_SHA1_80);
    assert_int_equal(crypto.master.lifetime, 0);
    assert_memory_equal(crypto.master.octets, decoded.p, decoded.n);
    buf_fini(&decoded);

    crypto = good("999999999\tAES_CM_128_HMAC_SHA1_32 \t Inline:" KEY "|2^20 ");
    assert_int_equal(crypto.tag, 999999999);
    assert_int_equal(crypto.master.suite, SUITE_AES_CM_128_HMAC_SHA1_32);
    assert_int_equal(crypto.master.lifetime, 1 << 20);
}

static void test_lifetimes(void **state)
{
    (void)state;
    assert_int_equal(good("1 " CM_80 " inline:" KEY "|2^0").master.lifetime, 1);
    assert_int_equal(good("1 " CM_80 " inline:" KEY "|2^48").master.lifetime, (uint64_t)1 << 48);
    assert_int_equal(good("1 " CM_80 " inline:" KEY "|1048576").master.lifetime, 1048576);
    assert_int_equal(good("1 " CM_80 " inline:" KEY "|281474976710656").master.lifetime, (uint64_t)1 << 48);
    bad("1 " CM_80 " inline:" KEY "|2^49", ERR_SYNTAX, 74);
    bad("1 " CM_80 " inline:" KEY "|2^", ERR_SYNTAX, 74);
    bad("1 " CM_80 " inline:" KEY "|2^020", ERR_SYNTAX, 74);
    bad("1 " CM_80 " inline:" KEY "|0", ERR_SYNTAX, 74);
    bad("1 " CM_80 " inline:" KEY "|281474976710657", ERR_SYNTAX, 74);
    bad("1 " CM_80 " inline:" KEY "|", ERR_SYNTAX, 74);
    bad("1 " CM_80 " inline:" KEY "|-5", ERR_SYNTAX, 74);
    bad("1 " CM_80 " inline:" KEY "|2^20|2^20", ERR_SYNTAX, 79);
}

/* What a suite does not use of our struct stays zero. */
static void test_aead_keys_with_and_without_padding(void **state)
{
    (void)state;
    static const char *const values[] = {
        "1 AEAD_AES_128_GCM inline:" KEY_GCM_128 "==", "1 AEAD_AES_128_GCM inline:" KEY_GCM_128,
        "1 AEAD_AES_256_GCM inline:" KEY_GCM_256 "=", "1 AEAD_AES_256_GCM inline:" KEY_GCM_256};
    for (unsigned i = 0; i < 4; i++) {
        struct sdes_crypto crypto = good(values[i]);
        size_t n = i < 2 ? 28 : 44;
        assert_int_equal(crypto.master.suite, i < 2 ? SUITE_AEAD_AES_128_GCM : SUITE_AEAD_AES_256_GCM);
        for (size_t at = 0; at < SRTP_MASTER_OCTETS_MAX; at++)
            assert_int_equal(crypto.master.octets[at], at < n ? 'U' : 0);
    }
    bad("1 AEAD_AES_128_GCM inline:" KEY_GCM_128 "=", ERR_SYNTAX, 26);
    bad("1 AEAD_AES_256_GCM inline:" KEY_GCM_256 "==", ERR_SYNTAX, 26);
    bad("1 AEAD_AES_256_GCM inline:" KEY_GCM_128 "==", ERR_SYNTAX, 26);
    bad("1 AEAD_AES_128_GCM inline:" KEY, ERR_SYNTAX, 26);
}

static void test_what_breaks_the_grammar(void **state)
{
    (void)state;
    bad("", ERR_SYNTAX, 0);
    struct sdes_crypto none;
    struct fault fault;
    assert_int_equal(sdes_parse((struct slice){0}, &none, &fault), ERR_SYNTAX); /* nor does nothing at all */
    bad(" 1 " CM_80 " inline:" KEY, ERR_SYNTAX, 0);
    bad("x " CM_80 " inline:" KEY, ERR_SYNTAX, 0);
    bad("1234567890 " CM_80 " inline:" KEY, ERR_SYNTAX, 0);
    bad("-1 " CM_80 " inline:" KEY, ERR_SYNTAX, 0);
    bad("1", ERR_SYNTAX, 1);
    bad("1 AES-CM inline:" KEY, ERR_SYNTAX, 2);
    bad("1 " CM_80, ERR_SYNTAX, 25);
    bad("1 " CM_80 " " KEY, ERR_SYNTAX, 26);
    bad("1 " CM_80 " inline:", ERR_SYNTAX, 26);
    bad("1 " CM_80 " inline:" KEY ";", ERR_SYNTAX, 74);
    bad("1 " CM_80 " :" KEY, ERR_SYNTAX, 26);
    bad("1 " CM_80 " inline:" KEY "A", ERR_SYNTAX, 33);
    bad("1 " CM_80 " inline:" KEY "=", ERR_SYNTAX, 33);
    bad("1 " CM_80 " inline:PS1uQCVe", ERR_SYNTAX, 33);
    bad("1 " CM_80 " inline:====", ERR_SYNTAX, 33);
    bad("1 " CM_80 " inline:*S1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR", ERR_SYNTAX, 33);
    bad("1 " CM_80 " inline:" KEY "|1:0", ERR_SYNTAX, 74);
    bad("1 " CM_80 " inline:" KEY "|1:129", ERR_SYNTAX, 74);
    bad("1 " CM_80 " inline:" KEY "|:4", ERR_SYNTAX, 74);
    bad("1 " CM_80 " inline:" KEY "|2^20|1:4|2^20", ERR_SYNTAX, 83);
    bad("1 " CM_80 " inline:" KEY " WSH=63", ERR_SYNTAX, 74);
    bad("1 " CM_80 " inline:" KEY " WSH=", ERR_SYNTAX, 74);
    bad("1 " CM_80 " inline:" KEY " KDR=25", ERR_SYNTAX, 74);
    bad("1 " CM_80 " inline:" KEY " KDR=", ERR_SYNTAX, 74);
    bad("1 " CM_80 " inline:" KEY " FEC_ORDER=FIRST", ERR_SYNTAX, 74);
    bad("1 " CM_80 " inline:" KEY " -", ERR_SYNTAX, 74);
    bad("1 " CM_80 " inline:" KEY " \x01", ERR_SYNTAX, 74);
    /* It counts more than what cannot be carried, wherever that is. */
    bad("1 " CM_80 " inline:" KEY " UNENCRYPTED_SRTP KDR=99", ERR_SYNTAX, 91);
}

static void test_what_cannot_be_carried(void **state)
{
    (void)state;
    bad("1 F8_128_HMAC_SHA1_80 inline:" KEY, ERR_UNSUPPORTED, 2);
    bad("1 aes_cm_128_hmac_sha1_80 inline:" KEY, ERR_UNSUPPORTED, 2);
    bad("1 X uri:https://a.example/~key ANY=THING", ERR_UNSUPPORTED, 2);
    bad("1 " CM_80 " uri:x", ERR_UNSUPPORTED, 26);
    bad("1 " CM_80 " inline:" KEY "|1:4", ERR_UNSUPPORTED, 74);
    bad("1 " CM_80 " inline:" KEY "|2^20|1:128", ERR_UNSUPPORTED, 79);
    /* RFC 4568 section 6.1: two keys, told apart by their MKI. */
    bad("1 " CM_80 " inline:" KEY "|2^20|1:4;inline:" KEY_2 "|2^20|2:4", ERR_UNSUPPORTED, 79);
    bad("1 " CM_80 " inline:" KEY ";inline:" KEY_2, ERR_UNSUPPORTED, 74);
    bad("1 " CM_80 " inline:" KEY " KDR=0", ERR_UNSUPPORTED, 74);
    bad("1 " CM_80 " inline:" KEY " KDR=24", ERR_UNSUPPORTED, 74);
    bad("1 " CM_80 " inline:" KEY " UNENCRYPTED_SRTP", ERR_UNSUPPORTED, 74);
    bad("1 " CM_80 " inline:" KEY " UNENCRYPTED_SRTCP", ERR_UNSUPPORTED, 74);
    bad("1 " CM_80 " inline:" KEY " unauthenticated_srtp", ERR_UNSUPPORTED, 74);
    bad("1 " CM_80 " inline:" KEY " FEC_ORDER=FEC_SRTP", ERR_UNSUPPORTED, 74);
    bad("1 " CM_80 " inline:" KEY " FEC_KEY=inline:" KEY_2, ERR_UNSUPPORTED, 74);
    bad("1 " CM_80 " inline:" KEY " NEW_THING", ERR_UNSUPPORTED, 74);
}

/* A window hint, and what says of itself that it may be ignored. */
static void test_what_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(good("7 " CM_80 " inline:" KEY " WSH=64").tag, 7);
    assert_int_equal(good("7 " CM_80 " inline:" KEY "|2^31  WSH=4000 -FUTURE=4 -x").master.lifetime, 1u << 31);
}

static void test_what_is_written_is_read_again(void **state)
{
    (void)state;
    struct seeded_entropy seed = {5};
    struct entropy entropy = seeded_entropy_port(&seed);
    static const uint64_t lifetimes[] = {0, 1, 1000, (uint64_t)1 << 31, (uint64_t)1 << 48};
    static const char *const tails[] = {"", "|2^0", "|1000", "|2^31", "|2^48"};
    for (unsigned suite = SUITE_NONE + 1; suite < SUITE_COUNT; suite++) {
        for (unsigned i = 0; i < 5; i++) {
            struct sdes_crypto crypto = {.tag = 10 * suite + i}, again;
            struct buf value;
            buf_init(&value, 256);
            sdes_make(&entropy, (enum srtp_suite)suite, &crypto.master);
            crypto.master.lifetime = lifetimes[i];
            assert_int_equal(sdes_format(&crypto, &value), 0);
            size_t tail = strlen(tails[i]);
            assert_slice_text(slice_of(value.p + value.n - tail, tail), tails[i]);
            assert_int_equal(sdes_parse(buf_slice(&value), &again, NULL), 0);
            assert_int_equal(again.tag, crypto.tag);
            assert_true(srtp_master_equal(&again.master, &crypto.master));
            again.master.octets[3] ^= 1;
            assert_false(srtp_master_equal(&again.master, &crypto.master));
            buf_fini_secret(&value);
        }
    }
    struct sdes_crypto crypto = good("1 " CM_80 " inline:" KEY);
    struct buf value;
    buf_init(&value, 256);
    assert_int_equal(sdes_format(&crypto, &value), 0);
    assert_slice_text(buf_slice(&value), "1 " CM_80 " inline:" KEY);
    buf_fini(&value);
    buf_init(&value, 20);
    assert_int_equal(sdes_format(&crypto, &value), ERR_LIMIT);
    buf_fini_secret(&value);
}

static void test_no_two_keys_are_the_same(void **state)
{
    (void)state;
    struct seeded_entropy seed = {6};
    struct entropy entropy = seeded_entropy_port(&seed);
    struct srtp_master a, b;
    sdes_make(&entropy, SUITE_AEAD_AES_256_GCM, &a);
    sdes_make(&entropy, SUITE_AEAD_AES_256_GCM, &b);
    assert_false(srtp_master_equal(&a, &b));
    assert_memory_not_equal(a.octets + 32, b.octets + 32, 12);
}

static const char *const offer_texts[] = {"1 AES_CM_128_HMAC_SHA1_32 inline:" KEY,
                                          "2 FUTURE_SUITE inline:xyz",
                                          "3 AEAD_AES_128_GCM inline:" KEY_GCM_128 "== UNENCRYPTED_SRTP",
                                          "4 " CM_80 " inline:" KEY,
                                          "5 " CM_80 " inline:" KEY_2,
                                          "no crypto line at all",
                                          "6 AEAD_AES_256_GCM inline:" KEY_GCM_256 "="};
#define OFFERED (sizeof offer_texts / sizeof offer_texts[0])

static void offer(struct slice values[OFFERED])
{
    for (size_t i = 0; i < OFFERED; i++)
        values[i] = slice_str(offer_texts[i]);
}

static void test_the_order_of_preference_decides(void **state)
{
    (void)state;
    struct slice values[OFFERED];
    struct sdes_crypto chosen;
    struct fault fault;
    offer(values);
    const enum srtp_suite order[] = {SUITE_AEAD_AES_128_GCM, SUITE_AES_CM_128_HMAC_SHA1_80, SUITE_AEAD_AES_256_GCM,
                                     SUITE_AES_CM_128_HMAC_SHA1_32};
    /* The first would be taken if it did not want RTP in the clear; of two lines of the second, the first. */
    assert_int_equal(sdes_choose(values, OFFERED, order, 4, &chosen, &fault), 0);
    assert_int_equal(chosen.tag, 4);
    assert_int_equal(sdes_choose(values, OFFERED, order + 2, 2, &chosen, &fault), 0);
    assert_int_equal(chosen.tag, 6);
    assert_int_equal(sdes_choose(values, OFFERED, order + 3, 1, &chosen, &fault), 0);
    assert_int_equal(chosen.tag, 1);
    assert_int_equal(sdes_choose(values, OFFERED, order, 1, &chosen, &fault), ERR_NOT_FOUND);
    assert_non_null(fault.rule);
    assert_int_equal(sdes_choose(values, OFFERED, order, 0, &chosen, &fault), ERR_NOT_FOUND);
    assert_int_equal(sdes_choose(values, 0, order, 4, &chosen, &fault), ERR_NOT_FOUND);
    assert_int_equal(sdes_choose(values + 5, 1, order, 4, &chosen, &fault), ERR_SYNTAX);
    assert_int_equal(chosen.tag, 1);
}

static void test_an_answer_could_mean_two_lines(void **state)
{
    (void)state;
    struct sdes_crypto chosen;
    struct fault fault = {0, NULL};
    const enum srtp_suite order[] = {SUITE_AES_CM_128_HMAC_SHA1_80};
    const struct slice same[] = {slice_str("1 " CM_80 " inline:" KEY), slice_str("1 UNKNOWN inline:abc")};
    assert_int_equal(sdes_choose(same, 2, order, 1, &chosen, &fault), ERR_SYNTAX);
    assert_non_null(fault.rule);
    assert_int_equal(sdes_choose(same, 1, order, 1, &chosen, &fault), 0);
    /* Lines beyond the limit are not looked at. */
    struct slice many[SDES_LINES_MAX + 1];
    for (size_t i = 0; i < SDES_LINES_MAX; i++)
        many[i] = slice_str("9 UNKNOWN inline:abc");
    many[SDES_LINES_MAX] = same[0];
    assert_int_equal(sdes_choose(many, SDES_LINES_MAX + 1, order, 1, &chosen, &fault), ERR_NOT_FOUND);
}

static void test_answers(void **state)
{
    (void)state;
    const struct sdes_crypto offered[] = {good("1 " CM_80 " inline:" KEY),
                                          good("2 AES_CM_128_HMAC_SHA1_32 inline:" KEY)};
    struct sdes_crypto answer = {0};
    struct fault fault;
    size_t index = 77;
    struct slice other_suite = slice_str("2 " CM_80 " inline:" KEY_2),
                 other_tag = slice_str("3 " CM_80 " inline:" KEY_2);
    assert_int_equal(sdes_check_answer(offered, 2, other_suite, &index, &answer, &fault), ERR_FORBIDDEN);
    assert_int_equal(sdes_check_answer(offered, 2, other_tag, &index, &answer, &fault), ERR_FORBIDDEN);
    assert_int_equal(sdes_check_answer(offered, 2, slice_str("2"), &index, &answer, &fault), ERR_SYNTAX);
    assert_int_equal(index, 77);
    struct slice right = slice_str("2 AES_CM_128_HMAC_SHA1_32 inline:" KEY_2);
    assert_int_equal(sdes_check_answer(offered, 2, right, &index, &answer, &fault), 0);
    assert_int_equal(index, 1);
    assert_int_equal(answer.tag, 2);
    assert_false(srtp_master_equal(&answer.master, &offered[1].master));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_read),
        cmocka_unit_test(test_lifetimes),
        cmocka_unit_test(test_aead_keys_with_and_without_padding),
        cmocka_unit_test(test_what_breaks_the_grammar),
        cmocka_unit_test(test_what_cannot_be_carried),
        cmocka_unit_test(test_what_changes_nothing),
        cmocka_unit_test(test_what_is_written_is_read_again),
        cmocka_unit_test(test_no_two_keys_are_the_same),
        cmocka_unit_test(test_the_order_of_preference_decides),
        cmocka_unit_test(test_an_answer_could_mean_two_lines),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
