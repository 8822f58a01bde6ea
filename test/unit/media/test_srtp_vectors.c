/* Published answers: RFC 3711 appendix B (key stream, key derivation), RFC 7714 sections 16 and 17 (AEAD). */
#include "base/text.h"
#include "crypt/aes.h"
#include "packets.h"

static struct packet unhex(const char *hex)
{
    struct packet packet = {.n = strlen(hex) / 2};
    assert_int_equal(hex_parse(slice_str(hex), packet.p), 0);
    return packet;
}

static void assert_hex(const uint8_t *octets, size_t n, const char *hex)
{
    struct packet expected = unhex(hex);
    assert_slice_equal(slice_of(octets, n), PACKET_SLICE(expected));
}

/* RFC 3711 appendix B.2: 0xff02 blocks of key stream; the first three and the last three are given. */
static void test_key_stream(void **state)
{
    (void)state;
    enum { BLOCKS = 0xff02 };
    static uint8_t stream[BLOCKS * AES_BLOCK_OCTETS];
    struct packet key = unhex("2b7e151628aed2a6abf7158809cf4f3c"), salt = unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000");
    struct aes_ctr *ctr;
    assert_int_equal(aes_ctr_new(PACKET_SLICE(key), &ctr), 0);
    assert_int_equal(aes_ctr_apply(ctr, salt.p, stream, sizeof stream), 0);
    assert_hex(stream, 48,
               "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0");
    assert_hex(stream + (size_t)0xfeff * AES_BLOCK_OCTETS, 48,
               "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44");
    aes_ctr_free(ctr);
}

/* RFC 3711 appendix B.3: cipher key, cipher salt, authentication key (of which 20 octets are used). */
static void test_key_derivation(void **state)
{
    (void)state;
    struct srtp_master master = {.suite = SUITE_AES_CM_128_HMAC_SHA1_80};
    assert_int_equal(
        hex_parse(slice_str("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6"), master.octets), 0);
    struct srtp_keys rtp, rtcp;
    assert_int_equal(srtp_derive(&master, &rtp, &rtcp), 0);
    assert_hex(rtp.key, 16, "c61e7a93744f39ee10734afe3ff7a087");
    assert_hex(rtp.salt, 14, "30cbbc08863d8c85d49db34a9ae1");
    assert_hex(rtp.auth, 20, "cebe321f6ff7716b6fd4ab49af256a156d38baa4");
    master.suite = SUITE_NONE;
    assert_int_equal(srtp_derive(&master, &rtp, &rtcp), ERR_UNSUPPORTED);
}

#define KEY_256 \
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" /* the shorter key is its first half */
#define SALT "517569642070726f2071756f"
#define RTP                    \
    "8040f17b8041f8d35501a0b2" \
    "47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573"
/* The packet that the cases of section 17 begin with; the one printed before them is another. */
#define RTCP                                   \
    "81c8000d4d6172734e5450314e54503252545020" \
    "0000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
#define RTCP_INDEX 0x5d4

static struct srtp *keyed(enum srtp_suite suite, enum srtp_direction direction)
{
    struct srtp_keys keys = {{0}, {0}, {0}};
    struct packet key = unhex(KEY_256), salt = unhex(SALT);
    struct srtp *s;
    memcpy(keys.key, key.p, key.n);
    memcpy(keys.salt, salt.p, salt.n);
    assert_int_equal(srtp_openssl_keyed(suite, direction, &keys, &keys, &s), 0);
    s->rtcp_first = RTCP_INDEX;
    return s;
}

static void check_aead(enum srtp_suite suite, bool rtcp, const char *plain_hex, const char *protected_hex)
{
    struct packet plain = unhex(plain_hex), expected = unhex(protected_hex), packet = plain;
    struct srtp *out = keyed(suite, SRTP_PROTECTS), *in = keyed(suite, SRTP_UNPROTECTS);
    assert_int_equal(packet_protect(out, &packet, rtcp), SRTP_GOOD);
    assert_slice_equal(PACKET_SLICE(packet), PACKET_SLICE(expected));
    assert_int_equal(packet_unprotect(in, &packet, rtcp), SRTP_GOOD);
    assert_slice_equal(PACKET_SLICE(packet), PACKET_SLICE(plain));
    srtp_free(out);
    srtp_free(in);
}

/* RFC 7714 sections 16.1.1, 16.1.2, 16.2.1, 16.2.2. */
static void test_aead_rtp(void **state)
{
    (void)state;
    check_aead(SUITE_AEAD_AES_128_GCM, false, RTP,
               "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
               "899d7f27beb16a9152cf765ee4390cce");
    check_aead(SUITE_AEAD_AES_256_GCM, false, RTP,
               "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b"
               "7aa3db36dfffd6b0f9bb7878d7a76c13");
}

/* Sections 17.1 and 17.2. */
static void test_aead_rtcp(void **state)
{
    (void)state;
    check_aead(SUITE_AEAD_AES_128_GCM, true, RTCP,
               "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9"
               "275bc84aa45896cf4d2fc5abf87245d9eade800005d4");
    check_aead(SUITE_AEAD_AES_256_GCM, true, RTCP,
               "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b"
               "6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4");
}

/* Section 17.3: a tag, but no encryption; and not a bit of it may be another. */
static void test_aead_rtcp_in_the_clear(void **state)
{
    (void)state;
    struct packet plain = unhex(RTCP), tagged = unhex(RTCP "841dd9683dd78ec92ae58790125f62b3000005d4");
    struct srtp *in = keyed(SUITE_AEAD_AES_128_GCM, SRTP_UNPROTECTS);
    for (size_t i = 8 * 8; i < 8 * tagged.n; i += 13) {
        struct packet packet = tagged;
        packet.p[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_int_equal(packet_unprotect(in, &packet, true), SRTP_FORGED);
    }
    assert_int_equal(packet_unprotect(in, &tagged, true), SRTP_GOOD);
    assert_slice_equal(PACKET_SLICE(tagged), PACKET_SLICE(plain));
    srtp_free(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_stream),
        cmocka_unit_test(test_key_derivation),
        cmocka_unit_test(test_aead_rtp),
        cmocka_unit_test(test_aead_rtcp),
        cmocka_unit_test(test_aead_rtcp_in_the_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
