/* Certificates: what is in one, who is trusted when, and hostile input. */
#include "crypt/cert.h"
#include "crypt/cert_names.h"
#include "crypt/digest.h"
#include "crypt/library.h"
#include "octets.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define OVERLAY "ring.example"
#define YEAR_MS (INT64_C(365) * 24 * 3600 * 1000)

static const struct wall start = {INT64_C(1772366400000)}; /* 2026-03-01T12:00:00Z */

static struct wall after_years(int years)
{
    return wall_after_ms(start, years * YEAR_MS);
}

/* An authority, a foreign one of the same name, and a node's key. */
struct fixture {
    struct key *authority_key, *foreign_key, *node_key;
    struct cert *authority, *foreign;
    struct trust *trust;
    struct id id;
    struct cert_request request; /* of a good certificate of one Node-ID, valid for a year */
};

static int setup(void **state)
{
    static struct fixture f;
    const uint8_t serial[16] = {0xff, 1};
    assert_int_equal(key_generate(KEY_EC_P256, &f.authority_key), 0);
    assert_int_equal(key_generate(KEY_EC_P256, &f.foreign_key), 0);
    assert_int_equal(key_generate(KEY_EC_P256, &f.node_key), 0);
    assert_int_equal(cert_issue_authority(f.authority_key, "Ring CA", start, after_years(10), serial, &f.authority), 0);
    assert_int_equal(cert_issue_authority(f.foreign_key, "Ring CA", start, after_years(10), serial, &f.foreign), 0);
    assert_int_equal(trust_new(&f.trust), 0);
    assert_int_equal(trust_add_der(f.trust, cert_der(f.authority)), 0);
    assert_int_equal(id_parse(slice_str("00112233445566778899aabbccddeeff"), &f.id), 0);
    f.request = (struct cert_request){
        .public_key = f.node_key,
        .overlay = slice_str(OVERLAY),
        .node_ids = &f.id,
        .node_id_count = 1,
        .user = "server1@a.example",
        .not_before = start,
        .not_after = after_years(1),
        .serial = {0x80, 0, 0x0a, 0xbc},
    };
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    key_free(f->authority_key);
    key_free(f->foreign_key);
    key_free(f->node_key);
    cert_free(f->authority);
    cert_free(f->foreign);
    trust_free(f->trust);
    return 0;
}

static struct cert *issue(const struct fixture *f, const struct cert_request *request)
{
    struct cert *cert = NULL;
    assert_int_equal(cert_issue(f->authority_key, f->authority, request, &cert), 0);
    return cert;
}

static void test_issued_certificate_says_what_was_asked(void **state)
{
    struct fixture *f = *state;
    struct cert *cert = issue(f, &f->request);
    struct id ids[2];
    assert_int_equal(cert_node_ids(cert, slice_str(OVERLAY), ids, 2), 1);
    assert_true(id_eq(ids[0], f->id));
    assert_string_equal(cert_user(cert), "server1@a.example");
    assert_string_equal(cert_serial(cert), "0abc000000000000000000000000"); /* top bit cleared, no leading zeros */
    assert_int_equal(cert_not_before(cert).ms, start.ms);
    assert_int_equal(cert_not_after(cert).ms, after_years(1).ms);
    assert_true(key_equal(cert_key(cert), f->node_key));
    uint8_t hash[SHA256_OCTETS];
    digest_sha256(cert_der(cert), hash);
    assert_memory_equal(hash, cert_hash_sha256(cert), SHA256_OCTETS);
    /* RFC 6940 11.3: the subject is empty, and then its alternative name is critical (RFC 5280 4.2.1.6). */
    X509 *x509 = cert_native(cert);
    assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(x509)), 0);
    int at = X509_get_ext_by_NID(x509, NID_subject_alt_name, -1);
    assert_int_equal(X509_EXTENSION_get_critical(X509_get_ext(x509, at)), 1);
    cert_free(cert);
}

/* RFC 6940 14.15: destinations without a length before them; 6.3.2.2: type 1, length, Node-ID. */
static void test_reload_uri_octets(void **state)
{
    struct fixture *f = *state;
    struct buf uri;
    struct node_name name = {0};
    buf_init(&uri, 256);
    format_reload_uri(&f->id, slice_str(OVERLAY), &uri);
    assert_slice_text(buf_slice(&uri), "reload://011000112233445566778899aabbccddeeff@ring.example/");
    assert_int_equal(parse_reload_uri(buf_slice(&uri), &name), 0);
    assert_true(id_eq(name.id, f->id));
    assert_slice_text(slice_of(name.overlay, name.overlay_octets), OVERLAY);
    buf_fini(&uri);
}

static void test_malformed_reload_uris(void **state)
{
    (void)state;
    static const struct {
        const char *uri;
        int err;
    } cases[] = {
        {"RELOAD://011000112233445566778899AABBCCDDEEFF@ring.example/", 0},
        {"reload://011000112233445566778899aabbccddeefg@ring.example/", ERR_SYNTAX},      /* not hexadecimal */
        {"reload://011000112233445566778899aabbccddeef@ring.example/", ERR_SYNTAX},       /* a digit short */
        {"reload://011000112233445566778899aabbccddeeff00@ring.example/", ERR_SYNTAX},    /* an octet long */
        {"reload://00112233445566778899aabbccddeeff@ring.example/", ERR_SYNTAX},          /* a bare Node-ID */
        {"reload://12011000112233445566778899aabbccddeeff@ring.example/", ERR_SYNTAX},    /* with a list length */
        {"reload://021000112233445566778899aabbccddeeff@ring.example/", ERR_UNSUPPORTED}, /* a Resource-ID */
        {"reload://011100112233445566778899aabbccddeeff@ring.example/", ERR_UNSUPPORTED}, /* length 17 */
        {"reload://011000112233445566778899aabbccddeeff@ring.example", ERR_SYNTAX},       /* no slash */
        {"reload://011000112233445566778899aabbccddeeff@ring.example/00ff", ERR_SYNTAX},  /* a specifier */
        {"reload://011000112233445566778899aabbccddeeff@/", ERR_SYNTAX},                  /* no overlay */
        {"reload://011000112233445566778899aabbccddeeff@ring example/", ERR_SYNTAX},
        {"reload://011000112233445566778899aabbccddeeff@a@ring.example/", ERR_SYNTAX},
        {"https://ring.example/", ERR_UNSUPPORTED},
        {"reload://", ERR_UNSUPPORTED},
        {"", ERR_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct node_name name;
        assert_int_equal(parse_reload_uri(slice_str(cases[i].uri), &name), cases[i].err);
    }
    char uri[400];
    int n = snprintf(uri, sizeof uri, "reload://011000112233445566778899aabbccddeeff@%0256d/", 0);
    struct node_name name;
    assert_int_equal(parse_reload_uri(slice_of(uri, (size_t)n), &name), ERR_SYNTAX); /* an overlay of 256 octets */
}

static void test_another_overlay_has_no_node_ids_here(void **state)
{
    struct fixture *f = *state;
    struct cert *cert = issue(f, &f->request);
    struct id id;
    assert_int_equal(cert_node_ids(cert, slice_str("ring.exampl"), &id, 1), 0);
    assert_int_equal(cert_node_ids(cert, slice_str("other.example"), &id, 1), 0);
    assert_int_equal(cert_node_ids(cert, slice_str(OVERLAY), &id, 0), 0);
    cert_free(cert);
}

static void test_several_node_ids_in_order(void **state)
{
    struct fixture *f = *state;
    struct id ids[CERT_NODE_IDS_MAX + 1], got[CERT_NODE_IDS_MAX];
    for (size_t i = 0; i < CERT_NODE_IDS_MAX + 1; i++)
        memset(ids[i].octets, (int)i + 1, ID_OCTETS);
    struct cert_request request = f->request;
    request.node_ids = ids;
    request.node_id_count = CERT_NODE_IDS_MAX;
    struct cert *cert = issue(f, &request);
    assert_int_equal(cert_node_ids(cert, slice_str(OVERLAY), got, CERT_NODE_IDS_MAX), CERT_NODE_IDS_MAX);
    assert_memory_equal(ids, got, sizeof got);
    assert_int_equal(cert_node_ids(cert, slice_str(OVERLAY), got, 3), 3);
    struct slice overlay;
    assert_true(cert_node_name(cert, 2, &got[0], &overlay));
    assert_true(id_eq(got[0], ids[2]));
    assert_true(slice_eq_str(overlay, OVERLAY));
    assert_false(cert_node_name(cert, CERT_NODE_IDS_MAX, &got[0], &overlay));
    cert_free(cert);
    cert = NULL;
    request.node_id_count++;
    assert_int_equal(cert_issue(f->authority_key, f->authority, &request, &cert), ERR_LIMIT);
    assert_null(cert);
}

static void test_trusted_while_valid(void **state)
{
    struct fixture *f = *state;
    struct cert *cert = issue(f, &f->request);
    assert_int_equal(trust_verify(f->trust, cert, wall_after_ms(start, -1000)), ERR_EXPIRED);
    assert_int_equal(trust_verify(f->trust, cert, start), 0);
    assert_int_equal(trust_verify(f->trust, cert, wall_after_ms(after_years(1), -1000)), 0);
    assert_int_equal(trust_verify(f->trust, cert, wall_after_ms(after_years(1), 1000)), ERR_EXPIRED);
    cert_free(cert);
}

static void test_expired_authority_is_not_trusted(void **state)
{
    struct fixture *f = *state;
    struct cert_request request = f->request;
    request.not_after = after_years(20);
    struct cert *cert = issue(f, &request);
    assert_int_equal(trust_verify(f->trust, cert, after_years(5)), 0);
    assert_int_equal(trust_verify(f->trust, cert, after_years(11)), ERR_EXPIRED);
    cert_free(cert);
}

static void test_authority_of_the_same_name_is_not_trusted(void **state)
{
    struct fixture *f = *state;
    struct cert *cert;
    assert_int_equal(cert_issue(f->foreign_key, f->foreign, &f->request, &cert), 0);
    assert_int_equal(trust_verify(f->trust, cert, start), ERR_AUTH);
    cert_free(cert);
}

static void test_nobody_is_trusted_without_authorities(void **state)
{
    struct fixture *f = *state;
    struct trust *nobody;
    struct cert *cert = issue(f, &f->request);
    assert_int_equal(trust_new(&nobody), 0);
    assert_int_equal(trust_verify(nobody, cert, start), ERR_AUTH);
    trust_free(nobody);
    cert_free(cert);
}

static void test_self_signed_is_not_trusted(void **state)
{
    struct fixture *f = *state;
    const uint8_t serial[16] = {1};
    struct cert *cert;
    assert_int_equal(cert_issue_authority(f->node_key, "Ring CA", start, after_years(1), serial, &cert), 0);
    assert_int_equal(trust_verify(f->trust, cert, start), ERR_AUTH);
    cert_free(cert);
}

/* A node's certificate issues another: its basic constraints forbid it, and it cannot become an authority. */
static void test_node_cannot_be_an_authority(void **state)
{
    struct fixture *f = *state;
    struct cert *node = issue(f, &f->request);
    struct cert *cert;
    assert_int_equal(cert_issue(f->node_key, node, &f->request, &cert), 0);
    assert_int_equal(trust_verify(f->trust, cert, start), ERR_AUTH);
    struct trust *trust;
    assert_int_equal(trust_new(&trust), 0);
    assert_int_equal(trust_add_der(trust, cert_der(node)), ERR_FORBIDDEN);
    assert_int_equal(trust_verify(trust, cert, start), ERR_AUTH);
    trust_free(trust);
    cert_free(cert);
    cert_free(node);
}

static void test_issuing_needs_the_authoritys_own_key(void **state)
{
    struct fixture *f = *state;
    struct cert *cert = NULL;
    assert_int_equal(cert_issue(f->foreign_key, f->authority, &f->request, &cert), ERR_WRONG_STATE);
    assert_null(cert);
}

static void test_forged_signature_is_not_trusted(void **state)
{
    struct fixture *f = *state;
    struct cert *cert = issue(f, &f->request), *forged;
    struct octets der = {.n = cert_der(cert).n};
    assert_true(der.n <= sizeof der.p);
    memcpy(der.p, cert_der(cert).p, der.n);
    der.p[der.n - 1] ^= 1;
    assert_int_equal(cert_from_der(OCTETS(der), &forged), 0);
    assert_int_equal(trust_verify(f->trust, forged, start), ERR_AUTH);
    cert_free(forged);
    cert_free(cert);
}

static void test_rsa_chain(void **state)
{
    struct fixture *f = *state;
    const uint8_t serial[16] = {1};
    struct key *authority_key, *node_key;
    struct cert *authority, *cert;
    struct trust *trust;
    assert_int_equal(key_generate(KEY_RSA_2048, &authority_key), 0);
    assert_int_equal(key_generate(KEY_RSA_2048, &node_key), 0);
    assert_int_equal(cert_issue_authority(authority_key, "RSA CA", start, after_years(1), serial, &authority), 0);
    assert_int_equal(trust_new(&trust), 0);
    assert_int_equal(trust_add_der(trust, cert_der(authority)), 0);
    struct cert_request request = f->request;
    request.public_key = node_key;
    assert_int_equal(cert_issue(authority_key, authority, &request, &cert), 0);
    assert_int_equal(trust_verify(trust, cert, start), 0);
    assert_int_equal(trust_verify(f->trust, cert, start), ERR_AUTH);
    cert_free(cert);
    cert_free(authority);
    trust_free(trust);
    key_free(node_key);
    key_free(authority_key);
}

static void test_names_of_hosts(void **state)
{
    struct fixture *f = *state;
    const char *const names[] = {"vap.a.example", "127.1.1.1", "2001:db8::1", "*.a.example"};
    struct cert_request request = f->request;
    request.node_id_count = 0;
    request.names = names;
    request.name_count = 4;
    struct cert *cert = issue(f, &request);
    X509 *x509 = cert_native(cert);
    assert_int_equal(X509_check_host(x509, "vap.a.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(x509, "b.example", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ip_asc(x509, "127.1.1.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(x509, "2001:db8::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(x509, "127.1.1.2", 0), 0);
    assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(x509)), 1);
    cert_free(cert);

    static const char *const bad[] = {"", "a b", "-a.example", "a..example", "*.*.example", "a.example/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        request.names = &bad[i];
        request.name_count = 1;
        assert_int_equal(cert_issue(f->authority_key, f->authority, &request, &cert), ERR_SYNTAX);
    }
}

static void test_bad_requests_are_not_issued(void **state)
{
    struct fixture *f = *state;
    struct cert *cert = NULL;
    struct cert_request request = f->request;
    request.user = "a\nb";
    assert_int_equal(cert_issue(f->authority_key, f->authority, &request, &cert), ERR_SYNTAX);
    request.user = "";
    assert_int_equal(cert_issue(f->authority_key, f->authority, &request, &cert), ERR_SYNTAX);
    request.user = "0123456789012345678901234567890123456789012345678901234567890123x";
    assert_int_equal(cert_issue(f->authority_key, f->authority, &request, &cert), ERR_LIMIT);
    request = f->request;
    request.overlay = slice_str("ring/example");
    assert_int_equal(cert_issue(f->authority_key, f->authority, &request, &cert), ERR_SYNTAX);
    request = f->request;
    request.not_after = wall_after_ms(start, -1);
    assert_int_equal(cert_issue(f->authority_key, f->authority, &request, &cert), ERR_RANGE);
    request = f->request;
    memset(request.serial, 0, sizeof request.serial);
    request.serial[0] = 0x80;
    assert_int_equal(cert_issue(f->authority_key, f->authority, &request, &cert), ERR_RANGE);
    assert_null(cert);
}

static void test_pem_round_trip(void **state)
{
    struct fixture *f = *state;
    struct cert *cert = issue(f, &f->request), *copy;
    struct buf pem;
    buf_init(&pem, 65536);
    /* The first certificate counts, whatever stands before it. */
    buf_str(&pem, "some text\n");
    assert_int_equal(key_to_pem(f->node_key, &pem), 0);
    assert_int_equal(cert_to_pem(cert, &pem), 0);
    assert_int_equal(cert_to_pem(f->authority, &pem), 0);
    assert_int_equal(cert_from_pem(buf_slice(&pem), &copy), 0);
    assert_slice_equal(cert_der(copy), cert_der(cert));
    cert_free(copy);
    copy = NULL;
    assert_int_equal(cert_from_pem(slice_of(pem.p, 40), &copy), ERR_SYNTAX);
    assert_int_equal(cert_from_pem(slice_of(NULL, 0), &copy), ERR_SYNTAX);
    assert_null(copy);
    cert_free(cert);
    buf_fini_secret(&pem);
}

static void test_truncated_and_padded_der(void **state)
{
    struct fixture *f = *state;
    struct cert *cert = issue(f, &f->request), *copy = NULL;
    struct slice der = cert_der(cert);
    for (size_t n = 0; n < der.n; n++)
        assert_int_equal(cert_from_der(slice_of(der.p, n), &copy), ERR_SYNTAX);
    struct buf longer;
    buf_init(&longer, CERT_DER_OCTETS_MAX + 1);
    buf_slice_put(&longer, der);
    buf_u8(&longer, 0);
    assert_int_equal(cert_from_der(buf_slice(&longer), &copy), ERR_SYNTAX);
    while (longer.n <= CERT_DER_OCTETS_MAX)
        buf_u8(&longer, 0);
    assert_int_equal(cert_from_der(buf_slice(&longer), &copy), ERR_LIMIT);
    assert_null(copy);
    buf_fini(&longer);
    cert_free(cert);
}

/* Whatever octet is changed: an error, or a certificate that can be read and is not trusted. */
static void test_every_octet_changed(void **state)
{
    struct fixture *f = *state;
    struct cert *cert = issue(f, &f->request);
    struct octets der = {.n = cert_der(cert).n};
    memcpy(der.p, cert_der(cert).p, der.n);
    struct id ids[CERT_NODE_IDS_MAX];
    for (size_t i = 0; i < der.n; i++) {
        struct cert *changed;
        der.p[i] ^= 0x41;
        if (cert_from_der(OCTETS(der), &changed) == 0) {
            cert_node_ids(changed, slice_str(OVERLAY), ids, CERT_NODE_IDS_MAX);
            assert_int_not_equal(trust_verify(f->trust, changed, start), 0);
            cert_free(changed);
        }
        der.p[i] ^= 0x41;
    }
    cert_free(cert);
}

/* Certificates that this module would not make, with these alternative names (OpenSSL's notation; NULL: none) and this key. */
static void make_foreign(const char *names, EVP_PKEY *pkey, struct buf *ret_der)
{
    X509 *x509 = X509_new();
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 7);
    ASN1_TIME_set(X509_getm_notBefore(x509), start.ms / 1000);
    ASN1_TIME_set(X509_getm_notAfter(x509), start.ms / 1000 + 1000);
    X509_set_pubkey(x509, pkey);
    X509_EXTENSION *extension = names ? X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names) : NULL;
    assert_true(!names || extension);
    if (names)
        X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(x509, pkey, EVP_sha256()) > 0);
    unsigned char *der = NULL;
    int n = i2d_X509(x509, &der);
    assert_true(n > 0);
    buf_init(ret_der, 1u << 16);
    buf_put(ret_der, der, (size_t)n);
    OPENSSL_free(der);
    X509_free(x509);
    EVP_PKEY_free(pkey);
}

static int parse_foreign(const char *names, EVP_PKEY *pkey, struct cert **ret_cert)
{
    struct buf der;
    make_foreign(names, pkey, &der);
    int err = cert_from_der(buf_slice(&der), ret_cert);
    buf_fini(&der);
    return err;
}

/* RFC 5922 7.1 and 7.2 */
static void test_domains(void **state)
{
    (void)state;
    static const struct {
        const char *names, *domains;
    } table[] = {
        {"DNS:b.example", "b.example"},
        {"DNS:B.Example,DNS:edge.b.example,IP:192.0.2.1,email:a@b.example", "b.example edge.b.example"},
        {"DNS:*.b.example,DNS:b.example", "b.example"},
        {"URI:sip:c.example,DNS:b.example,URI:SIP:D.example",
         "c.example d.example"}, /* URIs of SIP stand above names */
        {"URI:sip:c.example:5061;transport=tls,URI:sip:d.example?a=b,URI:sip:c.example", "c.example d.example"},
        {"URI:sip:alice@b.example,URI:https://c.example,DNS:d.example", "d.example"}, /* such do not */
        {"URI:sip:*.c.example,DNS:b.example,DNS:B.example", "b.example"},
        {"URI:sip:alice@b.example,URI:https://b.example,URI:sip:,URI:sips:b.example", ""},
        {"DNS:b.example evil.example,DNS:a_b,DNS:-", ""}, /* nothing that could be taken for two */
        {NULL, ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct buf der, domains;
        make_foreign(table[i].names, EVP_EC_gen("P-256"), &der);
        buf_init(&domains, 4096);
        assert_int_equal(cert_domains(buf_slice(&der), &domains), 0);
        assert_string_equal(buf_text(&domains), table[i].domains);
        for (size_t n = 0; n < der.n; n++)
            assert_int_equal(cert_domains(slice_of(der.p, n), &domains), ERR_SYNTAX);
        buf_fini(&domains);
        buf_fini(&der);
    }
}

static void test_names_of_other_issuers(void **state)
{
    (void)state;
    struct cert *cert = NULL;
    struct id id;
    /* A bad URI beside a good one: only the good one counts. */
    assert_int_equal(parse_foreign("URI:https://a.example/,URI:reload://0110zz@ring.example/,"
                                   "URI:reload://011000112233445566778899aabbccddeeff@ring.example/,email:a@a.example",
                                   EVP_EC_gen("P-256"), &cert),
                     0);
    assert_int_equal(cert_node_ids(cert, slice_str(OVERLAY), &id, 1), 1);
    assert_string_equal(cert_user(cert), "a@a.example");
    cert_free(cert);
    assert_int_equal(parse_foreign("DNS:a.example", EVP_EC_gen("P-256"), &cert), 0);
    assert_string_equal(cert_user(cert), "");
    cert_free(cert);
    cert = NULL;
    assert_int_equal(parse_foreign("email:a@a.example,email:b@a.example", EVP_EC_gen("P-256"), &cert), ERR_SYNTAX);
    assert_int_equal(parse_foreign("email:a@a.example", EVP_EC_gen("P-384"), &cert), ERR_UNSUPPORTED);
    assert_int_equal(parse_foreign("email:a@a.example", EVP_RSA_gen(1024), &cert), ERR_UNSUPPORTED);
    struct buf many;
    buf_init(&many, 4096);
    for (int i = 0; i <= CERT_NODE_IDS_MAX; i++)
        buf_printf(&many, "%sURI:reload://0110%032x@ring.example/", i ? "," : "", i);
    assert_int_equal(parse_foreign(buf_text(&many), EVP_EC_gen("P-256"), &cert), ERR_LIMIT);
    assert_null(cert);
    buf_fini(&many);
}

static void test_csr(void **state)
{
    struct fixture *f = *state;
    struct buf der;
    struct key *key = NULL;
    buf_init(&der, 4096);
    assert_int_equal(csr_create(f->node_key, "server1@a.example", &der), 0);
    assert_int_equal(csr_parse(buf_slice(&der), &key), 0);
    assert_true(key_equal(key, f->node_key));
    key_free(key);
    key = NULL;

    struct buf pem;
    buf_init(&pem, 4096);
    buf_str(&pem, "-----BEGIN CERTIFICATE REQUEST-----\n");
    for (size_t i = 0; i < der.n; i += 48) {
        base64_append(&pem, slice_of(der.p + i, der.n - i < 48 ? der.n - i : 48));
        buf_str(&pem, "\n");
    }
    buf_str(&pem, "-----END CERTIFICATE REQUEST-----\n");
    assert_int_equal(csr_parse(buf_slice(&pem), &key), 0);
    assert_true(key_equal(key, f->node_key));
    key_free(key);
    key = NULL;
    buf_fini(&pem);

    for (size_t n = 0; n < der.n; n++)
        assert_int_equal(csr_parse(slice_of(der.p, n), &key), ERR_SYNTAX);
    der.p[der.n - 1] ^= 1; /* the proof that the requester has the private key */
    assert_int_equal(csr_parse(buf_slice(&der), &key), ERR_AUTH);
    der.p[der.n - 1] ^= 1;
    buf_u8(&der, 0);
    assert_int_equal(csr_parse(buf_slice(&der), &key), ERR_SYNTAX);
    assert_int_equal(csr_create(f->node_key, "", &der), ERR_SYNTAX);
    assert_null(key);
    buf_fini(&der);
}

static void test_csr_of_another_curve(void **state)
{
    (void)state;
    EVP_PKEY *pkey = EVP_EC_gen("P-384");
    X509_REQ *request = X509_REQ_new();
    X509_REQ_set_pubkey(request, pkey);
    assert_true(X509_REQ_sign(request, pkey, EVP_sha256()) > 0);
    unsigned char *der = NULL;
    int n = i2d_X509_REQ(request, &der);
    struct key *key = NULL;
    assert_int_equal(csr_parse(slice_of(der, (size_t)n), &key), ERR_UNSUPPORTED);
    assert_null(key);
    OPENSSL_free(der);
    X509_REQ_free(request);
    EVP_PKEY_free(pkey);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_issued_certificate_says_what_was_asked),
        cmocka_unit_test(test_reload_uri_octets),
        cmocka_unit_test(test_malformed_reload_uris),
        cmocka_unit_test(test_another_overlay_has_no_node_ids_here),
        cmocka_unit_test(test_several_node_ids_in_order),
        cmocka_unit_test(test_trusted_while_valid),
        cmocka_unit_test(test_expired_authority_is_not_trusted),
        cmocka_unit_test(test_authority_of_the_same_name_is_not_trusted),
        cmocka_unit_test(test_nobody_is_trusted_without_authorities),
        cmocka_unit_test(test_self_signed_is_not_trusted),
        cmocka_unit_test(test_node_cannot_be_an_authority),
        cmocka_unit_test(test_issuing_needs_the_authoritys_own_key),
        cmocka_unit_test(test_forged_signature_is_not_trusted),
        cmocka_unit_test(test_rsa_chain),
        cmocka_unit_test(test_names_of_hosts),
        cmocka_unit_test(test_bad_requests_are_not_issued),
        cmocka_unit_test(test_pem_round_trip),
        cmocka_unit_test(test_truncated_and_padded_der),
        cmocka_unit_test(test_every_octet_changed),
        cmocka_unit_test(test_names_of_other_issuers),
        cmocka_unit_test(test_domains),
        cmocka_unit_test(test_csr),
        cmocka_unit_test(test_csr_of_another_curve),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
