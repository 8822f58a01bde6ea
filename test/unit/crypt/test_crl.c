/* Revocation lists: whose they are, what they say, and until when. */
#include "base/mem.h"
#include "crypt/crl.h"
#include "crypt/native.h"
#include "testing.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

static const struct wall now = {1750000000000};

struct authority {
    struct key *key;
    struct cert *cert;
};

struct world {
    struct authority ours, namesake; /* of the same name, with another key */
    struct cert *good, *bad;         /* of ours */
    struct crl_set *set;
};

static struct wall after_days(int days)
{
    return wall_after_ms(now, days * INT64_C(86400000));
}

static void authority_init(struct authority *a, uint8_t number)
{
    const uint8_t serial[16] = {1, number};
    assert_int_equal(key_generate(KEY_EC_P256, &a->key), 0);
    assert_int_equal(cert_issue_authority(a->key, "authority", after_days(-9), after_days(9), serial, &a->cert), 0);
}

static void authority_fini(struct authority *a)
{
    cert_free(a->cert);
    key_free(a->key);
}

static struct cert *issue(const struct authority *a, uint8_t number)
{
    static const char *const names[] = {"b.example"};
    struct cert *cert;
    const struct cert_request request = {.public_key = a->key,
                                         .names = names,
                                         .name_count = 1,
                                         .not_before = after_days(-9),
                                         .not_after = after_days(9),
                                         .serial = {0x0a, number}};
    assert_int_equal(cert_issue(a->key, a->cert, &request, &cert), 0);
    return cert;
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    authority_init(&w->ours, 1);
    authority_init(&w->namesake, 2);
    w->good = issue(&w->ours, 1);
    w->bad = issue(&w->ours, 2);
    assert_int_equal(crl_set_new(&w->set), 0);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    authority_fini(&w->ours);
    authority_fini(&w->namesake);
    cert_free(w->good);
    cert_free(w->bad);
    crl_set_free(w->set);
    free(w);
    return 0;
}

/* A list of that authority which has the bad certificate, or nothing. */
static void make(const struct world *w, const struct authority *a, bool has_bad, int from, int until, struct buf *der)
{
    const char *serial = cert_serial(w->bad);
    const struct crl_request request = {.serials = &serial,
                                        .serial_count = has_bad,
                                        .this_update = after_days(from),
                                        .next_update = until ? after_days(until) : (struct wall){0},
                                        .number = 3};
    buf_init(der, 1u << 16);
    assert_int_equal(crl_issue(a->key, a->cert, &request, der), 0);
}

static void add(struct world *w, const struct authority *a, bool has_bad, int from, int until)
{
    struct buf der;
    make(w, a, has_bad, from, until, &der);
    assert_int_equal(crl_set_add(w->set, buf_slice(&der)), 0);
    buf_fini(&der);
}

static enum crl_verdict judge_at(struct world *w, const struct cert *cert, struct wall at)
{
    return crl_set_judge(w->set, cert_native(cert), cert_native(w->ours.cert), at);
}

static enum crl_verdict judge(struct world *w, const struct cert *cert)
{
    return judge_at(w, cert, now);
}

static void test_verdicts(void **state)
{
    struct world *w = *state;
    assert_int_equal(judge(w, w->good), CRL_NONE);
    add(w, &w->ours, true, -1, 1);
    assert_int_equal(judge(w, w->good), CRL_GOOD);
    assert_int_equal(judge(w, w->bad), CRL_REVOKED);
    assert_int_equal(judge(w, w->bad), CRL_REVOKED); /* and again, from what is remembered */
    assert_int_equal(crl_set_judge(w->set, cert_native(w->ours.cert), cert_native(w->ours.cert), now), CRL_GOOD);
    assert_int_equal(judge_at(w, w->good, after_days(-2)), CRL_STALE);
    assert_int_equal(judge_at(w, w->good, after_days(1)), CRL_STALE);
    assert_int_equal(judge_at(w, w->bad, after_days(1)), CRL_REVOKED);
    assert_int_equal(crl_set_ends_at(w->set).ms, after_days(1).ms);
    add(w, &w->ours, false, 0, 5); /* the newest says until when; none takes a revocation back */
    assert_int_equal(judge_at(w, w->good, after_days(1)), CRL_GOOD);
    assert_int_equal(judge(w, w->bad), CRL_REVOKED);
    assert_int_equal(crl_set_count(w->set), 2);
}

static void test_without_an_end(void **state)
{
    struct world *w = *state;
    add(w, &w->ours, true, -1, 0);
    assert_int_equal(crl_set_ends_at(w->set).ms, 0);
    assert_int_equal(judge_at(w, w->good, after_days(9000)), CRL_GOOD);
}

/* A list proves nothing unless the key of the certificate's authority has signed it. */
static void test_lists_of_others(void **state)
{
    struct world *w = *state;
    add(w, &w->namesake, true, -1, 1);
    assert_int_equal(judge(w, w->bad), CRL_NONE);
    assert_int_equal(judge(w, w->bad), CRL_NONE);
    /* Its own certificate does not say that it may sign lists. */
    struct authority leaf = {w->ours.key, w->good};
    struct buf der;
    make(w, &leaf, true, -1, 1, &der);
    assert_int_equal(crl_set_add(w->set, buf_slice(&der)), 0);
    assert_int_equal(crl_set_judge(w->set, cert_native(w->bad), cert_native(w->good), now), CRL_NONE);
    buf_fini(&der);
    struct buf none;
    buf_init(&none, 4096);
    assert_int_equal(crl_issue(w->namesake.key, w->ours.cert, &(struct crl_request){.this_update = now}, &none),
                     ERR_WRONG_STATE);
    assert_int_equal(none.n, 0);
}

/* The text of lists, with something before, between and behind them. */
static void put_pem(struct buf *pem, struct slice der)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buf_str(pem, "Of an authority\n-----BEGIN X509 CRL-----\n");
    for (size_t i = 0; i < der.n; i += 3) {
        size_t left = der.n - i;
        unsigned a = der.p[i], b = left > 1 ? der.p[i + 1] : 0, c = left > 2 ? der.p[i + 2] : 0,
                 v = a << 16 | b << 8 | c;
        buf_u8(pem, (uint8_t)alphabet[v >> 18]);
        buf_u8(pem, (uint8_t)alphabet[v >> 12 & 63]);
        buf_u8(pem, (uint8_t)(left > 1 ? alphabet[v >> 6 & 63] : '='));
        buf_u8(pem, (uint8_t)(left > 2 ? alphabet[v & 63] : '='));
        if (i % 48 == 45)
            buf_u8(pem, '\n');
    }
    buf_str(pem, "\n-----END X509 CRL-----\n");
}

static void test_text(void **state)
{
    struct world *w = *state;
    struct buf a, b, pem;
    make(w, &w->ours, true, -1, 1, &a);
    make(w, &w->namesake, false, -1, 1, &b);
    buf_init(&pem, 1u << 16);
    put_pem(&pem, buf_slice(&b));
    put_pem(&pem, buf_slice(&a));
    assert_int_equal(crl_set_add(w->set, buf_slice(&pem)), 0);
    assert_int_equal(crl_set_count(w->set), 2);
    assert_int_equal(judge(w, w->bad), CRL_REVOKED);
    buf_str(&pem, "-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n");
    assert_int_equal(crl_set_add(w->set, buf_slice(&pem)), ERR_SYNTAX);
    assert_int_equal(crl_set_add(w->set, slice_str("nothing of that kind\n")), ERR_SYNTAX);
    assert_int_equal(crl_set_add(w->set, slice_of(NULL, 0)), ERR_SYNTAX);
    for (size_t n = 1; n < a.n; n++)
        assert_int_equal(crl_set_add(w->set, slice_of(a.p, n)), ERR_SYNTAX);
    buf_u8(&a, 0);
    assert_int_equal(crl_set_add(w->set, buf_slice(&a)), ERR_SYNTAX);
    buf_fini(&a);
    buf_fini(&b);
    buf_fini(&pem);
}

/* Deltas and parts say so in critical extensions: taken for whole lists they would hide what is revoked. */
static void test_kinds_that_are_refused(void **state)
{
    struct world *w = *state;
    struct buf der;
    make(w, &w->ours, true, -1, 1, &der);
    const unsigned char *at = der.p;
    X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)der.n);
    ASN1_INTEGER *base = ASN1_INTEGER_new();
    ASN1_INTEGER_set(base, 1);
    assert_int_equal(X509_CRL_add1_ext_i2d(crl, NID_delta_crl, base, 1, X509V3_ADD_DEFAULT), 1);
    assert_true(X509_CRL_sign(crl, key_native(w->ours.key), EVP_sha256()) > 0);
    unsigned char *delta = NULL;
    int n = i2d_X509_CRL(crl, &delta);
    assert_int_equal(crl_set_add(w->set, slice_of(delta, (size_t)n)), ERR_UNSUPPORTED);
    assert_int_equal(crl_set_count(w->set), 0);
    OPENSSL_free(delta);
    ASN1_INTEGER_free(base);
    X509_CRL_free(crl);
    for (size_t i = 0; i < CRL_SET_MAX; i++)
        assert_int_equal(crl_set_add(w->set, buf_slice(&der)), 0);
    assert_int_equal(crl_set_add(w->set, buf_slice(&der)), ERR_LIMIT);
    buf_fini(&der);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_verdicts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_an_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lists_of_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kinds_that_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
