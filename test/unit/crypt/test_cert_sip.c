/* What SIP reads in certificates: domains (RFC 5922 7), purposes (RFC 5924). */
#include "base/mem.h"
#include "crypt/cert.h"
#include "testing.h"

#include <openssl/x509v3.h>

/* A certificate with these extensions, as OpenSSL's configuration writes them; NULL: none. */
static void make(const char *names, const char *usage, const char *const *common_names, size_t n, struct buf *ret_der)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 7);
    ASN1_TIME_set(X509_getm_notBefore(x509), 1700000000);
    ASN1_TIME_set(X509_getm_notAfter(x509), 1800000000);
    X509_set_pubkey(x509, key);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                                                    (const unsigned char *)common_names[i], -1, -1, 0),
                         1);
    const struct {
        int nid;
        const char *value;
    } extensions[] = {{NID_subject_alt_name, names}, {NID_ext_key_usage, usage}};
    for (size_t i = 0; i < 2; i++) {
        if (!extensions[i].value)
            continue;
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, extensions[i].nid, extensions[i].value);
        assert_non_null(extension);
        X509_add_ext(x509, extension, -1);
        X509_EXTENSION_free(extension);
    }
    assert_true(X509_sign(x509, key, EVP_sha256()) > 0);
    unsigned char *der = NULL;
    int octets = i2d_X509(x509, &der);
    assert_true(octets > 0);
    buf_init(ret_der, 1u << 16);
    buf_put(ret_der, der, (size_t)octets);
    OPENSSL_free(der);
    X509_free(x509);
    EVP_PKEY_free(key);
}

static void assert_domains(const char *names, const char *const *common_names, size_t n, const char *expected)
{
    struct buf der, domains;
    make(names, NULL, common_names, n, &der);
    buf_init(&domains, 4096);
    buf_str(&domains, "before");
    assert_int_equal(cert_domains(buf_slice(&der), &domains), 0);
    assert_string_equal(buf_text(&domains) + 6, expected);
    buf_fini(&domains);
    buf_fini(&der);
}

static void test_common_names(void **state)
{
    (void)state;
    static const char *const common[] = {"old.example", "B.example"}, *const person[] = {"alice"},
                             *const wild[] = {"*.b.example"};
    assert_domains(NULL, common, 2, "b.example");
    assert_domains(NULL, common, 1, "old.example");
    assert_domains(NULL, person, 1, "");
    assert_domains(NULL, wild, 1, "");
    assert_domains(NULL, NULL, 0, "");
    /* Not where there are alternative names, whatever they are. */
    assert_domains("DNS:c.example", common, 2, "c.example");
    assert_domains("email:a@b.example", common, 2, "");
    assert_domains("DNS:*.b.example", common, 2, "");
}

static void test_comparison(void **state)
{
    (void)state;
    assert_true(cert_domains_have("a.example b.example", "B.Example"));
    assert_true(cert_domains_have("a.example b.example", "a.example"));
    assert_false(cert_domains_have("a.example b.example", "example"));
    assert_false(cert_domains_have("a.example b.example", "x.b.example"));
    assert_false(cert_domains_have("a.example b.example", "a.example b.example"));
    assert_false(cert_domains_have("a.example b.example", ""));
    assert_false(cert_domains_have("", ""));
    assert_false(cert_domains_have("", "a.example"));
}

static void test_purposes(void **state)
{
    (void)state;
    static const struct {
        const char *usage;
        bool server, client;
    } table[] = {
        {NULL, true, true},
        {"serverAuth", true, true},
        {"clientAuth", false, true},
        {"serverAuth,clientAuth", true, true},
        {"1.3.6.1.5.5.7.3.20", true, true},
        {"codeSigning,1.3.6.1.5.5.7.3.20", true, true},
        {"anyExtendedKeyUsage", true, true},
        {"codeSigning", false, false},
        {"emailProtection,OCSPSigning", false, false},
        {"1.3.6.1.5.5.7.3.200", false, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct buf der;
        make("DNS:b.example", table[i].usage, NULL, 0, &der);
        assert_int_equal(cert_is_for_sip(buf_slice(&der), CERT_SIP_SERVER), table[i].server);
        assert_int_equal(cert_is_for_sip(buf_slice(&der), CERT_SIP_CLIENT), table[i].client);
        assert_false(cert_is_for_sip(slice_of(der.p, der.n - 1), CERT_SIP_CLIENT));
        buf_fini(&der);
    }
}

/* What an authority of ours writes is what is read. */
static void test_issued(void **state)
{
    (void)state;
    static const char *const names[] = {"sip:b.example", "edge.b.example"}, *const bad[] = {"sip:b_example"};
    const uint8_t serial[16] = {1};
    const struct wall from = {1700000000000}, until = {1800000000000};
    struct key *key;
    struct cert *authority, *cert = NULL;
    struct buf domains;
    buf_init(&domains, 4096);
    assert_int_equal(key_generate(KEY_EC_P256, &key), 0);
    assert_int_equal(cert_issue_authority(key, "authority", from, until, serial, &authority), 0);
    struct cert_request request = {
        .public_key = key, .names = names, .name_count = 2, .not_before = from, .not_after = until, .serial = {2}};
    request.usage = "1.3.6.1.5.5.7.3.20";
    assert_int_equal(cert_issue(key, authority, &request, &cert), 0);
    assert_int_equal(cert_domains(cert_der(cert), &domains), 0);
    assert_string_equal(buf_text(&domains), "b.example");
    assert_true(cert_is_for_sip(cert_der(cert), CERT_SIP_CLIENT));
    cert_free(cert);
    request.usage = "1.3.6.1.5.5.7.3.3";
    assert_int_equal(cert_issue(key, authority, &request, &cert), 0);
    assert_false(cert_is_for_sip(cert_der(cert), CERT_SIP_CLIENT));
    cert_free(cert);
    request.usage = "";
    assert_int_equal(cert_issue(key, authority, &request, &cert), 0);
    assert_true(cert_is_for_sip(cert_der(cert), CERT_SIP_SERVER));
    cert_free(cert);
    request.usage = "codeSigning";
    assert_int_equal(cert_issue(key, authority, &request, &cert), ERR_SYNTAX);
    request.usage = NULL;
    request.names = bad;
    request.name_count = 1;
    assert_int_equal(cert_issue(key, authority, &request, &cert), ERR_SYNTAX);
    cert_free(authority);
    key_free(key);
    buf_fini(&domains);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_common_names),
        cmocka_unit_test(test_comparison),
        cmocka_unit_test(test_purposes),
        cmocka_unit_test(test_issued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
