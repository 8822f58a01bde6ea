/* Signatures and certificates with real cryptography (RFC 6940 sections 6.3.4, 7.1): what is accepted, what is refused and why. */
#include "authority.h"
#include "base/mem.h"
#include "reload/config.h"
#include "reload/security.h"

#define OVERLAY_HASH 0x12345678u
#define TRANSACTION UINT64_C(0x0102030405060708)

struct fixture {
    struct authority authority, foreign;
    struct identity alice, bob, several, rsa;
    struct config config;
    struct slice roots[1];
    struct security *security; /* alice's */
    struct region region;
};

static int set_up(void **state)
{
    struct fixture *f = mem_alloc(sizeof *f);
    struct security_options options;
    assert_non_null(f);
    authority_init(&f->authority, "Ring CA");
    authority_init(&f->foreign, "Ring CA");
    authority_issue(&f->authority, OVERLAY, KEY_EC_P256, 0xa1, 1, "alice@example.com", 30, &f->alice);
    authority_issue(&f->authority, OVERLAY, KEY_EC_P256, 0xb1, 1, "bob@example.com", 30, &f->bob);
    authority_issue(&f->authority, OVERLAY, KEY_EC_P256, 0xc1, 3, "carol@example.com", 30, &f->several);
    authority_issue(&f->authority, OVERLAY, KEY_RSA_2048, 0xd1, 1, "dora@example.com", 30, &f->rsa);
    config_init(&f->config);
    f->config.instance_name = slice_str(OVERLAY);
    f->roots[0] = cert_der(f->authority.cert);
    f->config.root_certs = f->roots;
    f->config.root_cert_count = 1;
    security_options_default(&options);
    assert_int_equal(
        security_x509_new(&options, &f->config, f->alice.key, f->alice.cert, f->alice.node, noon, &f->security), 0);
    region_init(&f->region, 1 << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    security_x509_free(f->security);
    identity_fini(&f->alice);
    identity_fini(&f->bob);
    identity_fini(&f->several);
    identity_fini(&f->rsa);
    authority_fini(&f->authority);
    authority_fini(&f->foreign);
    region_fini(&f->region);
    mem_free(f);
    return 0;
}

/* Another peer's security, which signs as this node. */
static struct security *security_of(struct fixture *f, const struct identity *who, struct id node)
{
    struct security_options options;
    struct security *security;
    security_options_default(&options);
    assert_int_equal(security_x509_new(&options, &f->config, who->key, who->cert, node, noon, &security), 0);
    return security;
}

/* A message as its receiver has it. The security object that signed is freed. */
static struct reload_message message_of(struct fixture *f, struct security *signer, const char *contents)
{
    struct reload_message m = {.header = {.overlay = OVERLAY_HASH, .transaction_id = TRANSACTION}};
    m.contents_octets = slice_str(contents);
    assert_int_equal(
        security_sign_message(signer, OVERLAY_HASH, TRANSACTION, m.contents_octets, NULL, 0, &f->region, &m.security),
        0);
    if (signer != f->security)
        security_x509_free(signer);
    return m;
}

static int verify(struct fixture *f, const struct reload_message *m, struct wall now)
{
    struct security_signer signer;
    return security_verify_message(f->security, m, now, &signer);
}

static void test_message_is_verified_and_names_its_signer(void **state)
{
    struct fixture *f = *state;
    struct security_signer signer;
    struct reload_message m = message_of(f, security_of(f, &f->bob, f->bob.node), "contents");
    assert_int_equal(m.security.signature.identity.type, RELOAD_IDENTITY_CERT_HASH);
    assert_int_equal(m.security.certificate_count, 1);
    assert_int_equal(security_verify_message(f->security, &m, noon, &signer), 0);
    assert_true(id_eq(signer.node, f->bob.node));
    assert_string_equal(signer.cert->user, "bob@example.com");
    assert_int_equal(f->security->counters.verified_messages, 1);
}

static void test_rsa_signatures_are_verified(void **state)
{
    struct fixture *f = *state;
    struct reload_message m = message_of(f, security_of(f, &f->rsa, f->rsa.node), "contents");
    assert_int_equal(m.security.signature.signature_algorithm, RELOAD_SIGNATURE_RSA);
    assert_int_equal(verify(f, &m, noon), 0);
    m.security.signature.signature_algorithm = RELOAD_SIGNATURE_ECDSA;
    assert_int_equal(verify(f, &m, noon), ERR_UNSUPPORTED);
}

static void test_signature_covers_all_its_parts(void **state)
{
    struct fixture *f = *state;
    struct reload_message good = message_of(f, security_of(f, &f->bob, f->bob.node), "contents"), m = good;
    m.header.overlay ^= 1;
    assert_int_equal(verify(f, &m, noon), ERR_AUTH);
    m = good;
    m.header.transaction_id ^= 1;
    assert_int_equal(verify(f, &m, noon), ERR_AUTH);
    m = good;
    m.contents_octets = slice_str("Contents");
    assert_int_equal(verify(f, &m, noon), ERR_AUTH);
    m = good;
    uint8_t *bent = (uint8_t *)(uintptr_t)region_copy(&f->region, good.security.signature.value).p;
    bent[m.security.signature.value.n - 1] ^= 1;
    m.security.signature.value.p = bent;
    assert_int_equal(verify(f, &m, noon), ERR_AUTH);
    m.security.signature.value.n = 0;
    assert_int_equal(verify(f, &m, noon), ERR_AUTH);
    assert_int_equal(verify(f, &good, noon), 0);
    assert_int_equal(f->security->counters.refused_signature, 5);
}

/* The identity is that of another certificate, which is in the block too. */
static void test_identity_of_somebody_else(void **state)
{
    struct fixture *f = *state;
    struct reload_message m = message_of(f, security_of(f, &f->bob, f->bob.node), "contents");
    struct reload_certificate both[] = {{RELOAD_CERTIFICATE_X509, cert_der(f->bob.cert)},
                                        {RELOAD_CERTIFICATE_X509, cert_der(f->alice.cert)}};
    m.security.certificates = both;
    m.security.certificate_count = 2;
    m.security.signature.identity.hash = slice_of(cert_hash_sha256(f->alice.cert), SECURITY_HASH_OCTETS);
    assert_int_equal(verify(f, &m, noon), ERR_AUTH);
}

static void test_several_nodes_sign_with_cert_hash_node_id(void **state)
{
    struct fixture *f = *state;
    struct security_signer signer;
    for (uint8_t i = 0; i < 3; i++) {
        struct id node = node_filled((uint8_t)(0xc1 + i));
        struct reload_message m = message_of(f, security_of(f, &f->several, node), "contents");
        assert_int_equal(m.security.signature.identity.type, RELOAD_IDENTITY_CERT_HASH_NODE_ID);
        assert_int_equal(security_verify_message(f->security, &m, noon, &signer), 0);
        assert_true(id_eq(signer.node, node));
        m.security.certificate_count = 0; /* it is known now: also by this identity */
        assert_int_equal(verify(f, &m, noon), 0);
        m.security.signature.identity.type = RELOAD_IDENTITY_CERT_HASH; /* "In the second case" it must not be used */
        m.security.signature.identity.hash = slice_of(cert_hash_sha256(f->several.cert), SECURITY_HASH_OCTETS);
        assert_int_equal(verify(f, &m, noon), ERR_SYNTAX);
    }
    assert_int_equal(f->security->counters.certificates_admitted, 1);
}

static void test_bad_identities(void **state)
{
    struct fixture *f = *state;
    struct reload_message good = message_of(f, security_of(f, &f->bob, f->bob.node), "contents"), m = good;
    m.security.signature.identity.type = RELOAD_IDENTITY_NONE;
    assert_int_equal(verify(f, &m, noon), ERR_SYNTAX);
    m = good;
    m.security.signature.identity.hash.n = 20;
    assert_int_equal(verify(f, &m, noon), ERR_SYNTAX);
    m = good;
    m.security.signature.identity.hash_algorithm = RELOAD_HASH_SHA1;
    assert_int_equal(verify(f, &m, noon), ERR_UNSUPPORTED);
    m = good;
    m.security.signature.hash_algorithm = RELOAD_HASH_SHA1;
    assert_int_equal(verify(f, &m, noon), ERR_UNSUPPORTED);
}

static void test_certificate_is_missing(void **state)
{
    struct fixture *f = *state;
    struct reload_message m = message_of(f, security_of(f, &f->bob, f->bob.node), "contents");
    m.security.certificate_count = 0;
    assert_int_equal(verify(f, &m, noon), ERR_NOT_FOUND);
    assert_int_equal(f->security->counters.refused_unknown, 1);
}

/* Parsed and its chain verified once; its time is looked at each time. */
static void test_known_certificate_is_not_verified_again(void **state)
{
    struct fixture *f = *state;
    struct reload_message m = message_of(f, security_of(f, &f->bob, f->bob.node), "contents");
    for (int i = 0; i < 10; i++)
        assert_int_equal(verify(f, &m, noon), 0);
    assert_int_equal(f->security->counters.certificates_admitted, 1);
    m.security.certificate_count = 0; /* nor needed */
    assert_int_equal(verify(f, &m, noon), 0);
    assert_int_equal(verify(f, &m, wall_after_ms(noon, 31 * DAY_MS)), ERR_EXPIRED);
    assert_int_equal(verify(f, &m, wall_after_ms(noon, -2 * DAY_MS)), ERR_EXPIRED);
    assert_int_equal(verify(f, &m, wall_after_ms(noon, 29 * DAY_MS)), 0);
    assert_int_equal(f->security->counters.refused_expired, 2);
}

static void test_expired_when_first_seen(void **state)
{
    struct fixture *f = *state;
    struct reload_message m = message_of(f, security_of(f, &f->bob, f->bob.node), "contents");
    assert_int_equal(verify(f, &m, wall_after_ms(noon, 31 * DAY_MS)), ERR_EXPIRED);
    assert_int_equal(f->security->counters.certificates_admitted, 0);
}

/* The signature is good, the certificate is not: signed under another configuration, seen under ours. */
static void refuse_certificate(struct fixture *f, const struct identity *who, const struct config *theirs, int expected)
{
    struct security_options options;
    struct security *security;
    security_options_default(&options);
    assert_int_equal(security_x509_new(&options, theirs, who->key, who->cert, who->node, noon, &security), 0);
    struct reload_message m = message_of(f, security, "contents");
    assert_int_equal(verify(f, &m, noon), expected);
}

static void test_foreign_authority_and_overlay(void **state)
{
    struct fixture *f = *state;
    struct identity stranger, neighbor;
    struct config theirs = f->config;
    struct slice root = cert_der(f->foreign.cert);
    authority_issue(&f->foreign, OVERLAY, KEY_EC_P256, 0xa1, 1, "alice@example.com", 30, &stranger);
    theirs.root_certs = &root;
    refuse_certificate(f, &stranger, &theirs, ERR_AUTH);
    assert_int_equal(f->security->counters.refused_authority, 1);
    authority_issue(&f->authority, "other.example", KEY_EC_P256, 0xe1, 1, "eve@example.com", 30, &neighbor);
    theirs = f->config;
    theirs.instance_name = slice_str("other.example");
    refuse_certificate(f, &neighbor, &theirs, ERR_RANGE);
    assert_int_equal(f->security->counters.refused_overlay, 1);
    identity_fini(&stranger);
    identity_fini(&neighbor);
}

static void test_self_signed_and_garbage(void **state)
{
    struct fixture *f = *state;
    const struct security_cert *cert;
    assert_int_equal(security_admit(f->security, cert_der(f->foreign.cert), noon, &cert), ERR_AUTH);
    assert_int_equal(security_admit(f->security, slice_str("not a certificate"), noon, &cert), ERR_SYNTAX);
    assert_int_equal(security_admit(f->security, slice_of(NULL, 0), noon, &cert), ERR_SYNTAX);
    struct slice der = cert_der(f->bob.cert);
    for (size_t cut = 1; cut < der.n; cut += 37)
        assert_int_not_equal(security_admit(f->security, slice_of(der.p, cut), noon, &cert), 0);
    assert_int_equal(security_admit(f->security, der, noon, &cert), 0);
}

static void test_new_configuration_bans_a_known_node(void **state)
{
    struct fixture *f = *state;
    struct config next = f->config;
    struct id bad[] = {node_filled(0xb1)};
    struct reload_message m = message_of(f, security_of(f, &f->bob, f->bob.node), "contents");
    assert_int_equal(verify(f, &m, noon), 0);
    next.bad_nodes = bad;
    next.bad_node_count = 1;
    assert_int_equal(security_x509_set_config(f->security, &next, noon), 0);
    assert_int_equal(verify(f, &m, noon), ERR_FORBIDDEN);
    assert_int_equal(f->security->counters.refused_banned, 1);
    assert_int_equal(security_x509_set_config(f->security, &f->config, noon), 0);
    assert_int_equal(verify(f, &m, noon), 0);
}

/* Who is banned goes on: it has to see when that ends. */
static void test_configuration_that_bans_ourselves_is_taken(void **state)
{
    struct fixture *f = *state;
    struct config next = f->config;
    struct id bad[] = {node_filled(0xa1)};
    next.bad_nodes = bad;
    next.bad_node_count = 1;
    assert_int_equal(security_x509_set_config(f->security, &next, noon), 0);
    assert_true(id_eq(security_own(f->security).node, bad[0]));
    struct reload_message m = message_of(f, f->security, "contents");
    assert_int_equal(verify(f, &m, noon), ERR_FORBIDDEN); /* as everybody else judges it */
    assert_int_equal(security_x509_set_config(f->security, &f->config, noon), 0);
    assert_int_equal(verify(f, &m, noon), 0);
}

static void test_own_certificate_must_fit(void **state)
{
    struct fixture *f = *state;
    struct security_options options;
    struct security *security;
    security_options_default(&options);
    assert_int_equal(security_x509_new(&options, &f->config, f->bob.key, f->bob.cert, f->alice.node, noon, &security),
                     ERR_RANGE);
    assert_int_equal(security_x509_new(&options, &f->config, f->bob.key, f->bob.cert, f->bob.node,
                                       wall_after_ms(noon, 31 * DAY_MS), &security),
                     ERR_EXPIRED);
    assert_int_equal(security_x509_set_own(f->security, f->bob.key, f->bob.cert, f->bob.node, noon), 0);
    struct security_signer signer;
    struct reload_message m = message_of(f, f->security, "renewed");
    assert_int_equal(security_verify_message(f->security, &m, noon, &signer), 0);
    assert_true(id_eq(signer.node, f->bob.node));
}

static void test_cache_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct security_options options = {.certificates_max = 1}; /* raised to its least */
    struct security *security;
    struct identity many[8];
    const struct security_cert *cert;
    assert_int_equal(
        security_x509_new(&options, &f->config, f->alice.key, f->alice.cert, f->alice.node, noon, &security), 0);
    for (size_t i = 0; i < 8; i++)
        authority_issue(&f->authority, OVERLAY, KEY_EC_P256, (uint8_t)(1 + 16 * i), 16, "many@example.com", 30,
                        &many[i]);
    for (int round = 0; round < 40; round++)
        for (size_t i = 0; i < 8; i++)
            assert_int_equal(security_admit(security, cert_der(many[i].cert), noon, &cert), 0);
    assert_int_equal(security->counters.certificates_admitted, 8);
    security_x509_free(security);
    for (size_t i = 0; i < 8; i++)
        identity_fini(&many[i]);
}

/* ---- values ---- */

static void test_value_signature(void **state)
{
    struct fixture *f = *state;
    struct reload_stored_data data = {
        .storage_time_ms = 1234,
        .lifetime_s = 60,
        .value = {.model = RELOAD_MODEL_ARRAY, .index = 5, .exists = true, .octets = slice_str("value")}};
    struct slice resource = slice_str("0123456789abcdef");
    struct reload_certificate certificate = {RELOAD_CERTIFICATE_X509, cert_der(f->bob.cert)};
    struct reload_security block = {.certificates = &certificate, .certificate_count = 1};
    struct security *bob = security_of(f, &f->bob, f->bob.node);
    struct security_signer signer;
    assert_int_equal(security_sign_value(bob, resource, 7, &data, &f->region), 0);
    security_x509_free(bob);
    assert_int_equal(security_verify_value(f->security, &block, resource, 7, &data, noon, &signer), 0);
    assert_true(id_eq(signer.node, f->bob.node));
    data.value.index = 9; /* "the index value in the array is set to zero before the signature is computed" */
    data.lifetime_s = 1;
    assert_int_equal(security_verify_value(f->security, &block, resource, 7, &data, noon, &signer), 0);
    assert_int_equal(security_verify_value(f->security, &block, resource, 8, &data, noon, &signer), ERR_AUTH);
    assert_int_equal(security_verify_value(f->security, &block, slice_str("0123456789abcdeF"), 7, &data, noon, &signer),
                     ERR_AUTH);
    data.storage_time_ms++;
    assert_int_equal(security_verify_value(f->security, &block, resource, 7, &data, noon, &signer), ERR_AUTH);
    struct reload_stored_data synthetic = reload_stored_data_synthetic(RELOAD_MODEL_ARRAY, 0, (struct slice){0});
    assert_int_equal(security_verify_value(f->security, &block, resource, 7, &synthetic, noon, &signer), ERR_AUTH);
}

static void test_security_block_carries_each_certificate_once(void **state)
{
    struct fixture *f = *state;
    struct slice certs[70];
    struct reload_security block;
    certs[0] = cert_der(f->bob.cert);
    certs[1] = cert_der(f->alice.cert); /* our own */
    certs[2] = cert_der(f->bob.cert);
    certs[3] = cert_der(f->rsa.cert);
    assert_int_equal(security_sign_message(f->security, 1, 2, slice_str("c"), certs, 4, &f->region, &block), 0);
    assert_int_equal(block.certificate_count, 3);
    assert_slice_equal(block.certificates[0].octets, cert_der(f->alice.cert));
    for (size_t i = 0; i < 70; i++) {
        certs[i] = region_copy(&f->region, slice_str("certificate 00"));
        ((uint8_t *)(uintptr_t)certs[i].p)[13] = (uint8_t)i;
    }
    assert_int_equal(security_sign_message(f->security, 1, 2, slice_str("c"), certs, RELOAD_CERTIFICATES_MAX - 1,
                                           &f->region, &block),
                     0);
    assert_int_equal(security_sign_message(f->security, 1, 2, slice_str("c"), certs, 70, &f->region, &block),
                     ERR_LIMIT);
}

static void test_short_of_memory(void **state)
{
    struct fixture *f = *state;
    struct reload_message m = message_of(f, security_of(f, &f->several, f->several.node), "contents");
    int err = ERR_NO_MEMORY;
    unsigned long nth = 1;
    for (; err; nth++) {
        mem_fail_at(nth);
        err = verify(f, &m, noon);
        mem_fail_at(0);
        assert_true(err == 0 || err == ERR_NO_MEMORY);
    }
    assert_true(nth > 4);
    assert_int_equal(verify(f, &m, noon), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_message_is_verified_and_names_its_signer),
        TEST(test_rsa_signatures_are_verified),
        TEST(test_signature_covers_all_its_parts),
        TEST(test_identity_of_somebody_else),
        TEST(test_several_nodes_sign_with_cert_hash_node_id),
        TEST(test_bad_identities),
        TEST(test_certificate_is_missing),
        TEST(test_known_certificate_is_not_verified_again),
        TEST(test_expired_when_first_seen),
        TEST(test_foreign_authority_and_overlay),
        TEST(test_self_signed_and_garbage),
        TEST(test_new_configuration_bans_a_known_node),
        TEST(test_configuration_that_bans_ourselves_is_taken),
        TEST(test_own_certificate_must_fit),
        TEST(test_cache_is_bounded),
        TEST(test_value_signature),
        TEST(test_security_block_carries_each_certificate_once),
        TEST(test_short_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
