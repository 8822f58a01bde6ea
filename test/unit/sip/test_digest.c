/* Digest: the examples of RFC 7616 3.9.1 and RFC 2617 3.5, then both sides with each other: nonces, counts, stale, what is refused. */
#include "vector.h"

#include "base/mem.h"
#include "sip/digest.h"
#include "sip/edit.h"

static void test_rfc_examples(void **state)
{
    (void)state;
    static const struct {
        enum sip_digest_algorithm algorithm;
        const char *realm, *password, *nonce, *cnonce, *response;
    } rows[] = {
        {SIP_DIGEST_MD5, "http-auth@example.org", "Circle of Life", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
         "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "8ca523f5e9506fed4657c9700eebdbec"},
        {SIP_DIGEST_SHA_256, "http-auth@example.org", "Circle of Life", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
         "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
         "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
        {SIP_DIGEST_MD5, "testrealm@host.com", "Circle Of Life", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "0a4f113b",
         "6629fae49393a05397450978507c4ef1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[SIP_DIGEST_TEXT_OCTETS];
        struct sip_digest_terms terms = {
            .algorithm = rows[i].algorithm,
            .qop = SIP_QOP_AUTH,
            .user = slice_str("Mufasa"),
            .realm = slice_str(rows[i].realm),
            .password = slice_str(rows[i].password),
            .nonce = slice_str(rows[i].nonce),
            .nc = slice_str("00000001"),
            .cnonce = slice_str(rows[i].cnonce),
            .method = slice_str("GET"),
            .uri = slice_str("/dir/index.html"),
        };
        assert_int_equal(sip_digest_compute(&terms, text), 0);
        assert_string_equal(text, rows[i].response);
    }
}

/* Values that another program computed (Python's hashlib), for the forms that the standards give no example of. */
static void test_other_forms(void **state)
{
    (void)state;
    static const struct {
        enum sip_digest_algorithm algorithm;
        enum sip_qop qop;
        const char *response;
    } rows[] = {
        {SIP_DIGEST_SHA_256, SIP_QOP_NONE, "38aad98c50c33abe72c5f88dd17246ffcfa6b1f68852c855719ff0659386c0ca"},
        {SIP_DIGEST_SHA_256, SIP_QOP_AUTH_INT, "554a9ffe79ce71c3cb6c9630deddd2787d8033f895e5cdef6a73c8e84ed4c979"},
        {SIP_DIGEST_SHA_256_SESS, SIP_QOP_NONE, "2ceb74b5bf787a27f00a80b94f397228de1a9bab1c3c56b7c6f984cf9f3ffdf7"},
        {SIP_DIGEST_SHA_256_SESS, SIP_QOP_AUTH_INT, "0b4a1efc19e1b701ec5775b6b16dde0fc416102e34a6c5bd6f957b20b5d79170"},
        {SIP_DIGEST_MD5, SIP_QOP_NONE, "bf57e4e0d0bffc0fbaedce64d59add5e"},
        {SIP_DIGEST_MD5, SIP_QOP_AUTH_INT, "77226bb823dc077c1ad3537415667bae"},
        {SIP_DIGEST_MD5_SESS, SIP_QOP_NONE, "fff17611bcbbf00c9116a2c922dea8e1"},
        {SIP_DIGEST_MD5_SESS, SIP_QOP_AUTH_INT, "8527c9ab1b4eed3fd75491f811944e26"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[SIP_DIGEST_TEXT_OCTETS];
        struct sip_digest_terms terms = {
            .algorithm = rows[i].algorithm,
            .qop = rows[i].qop,
            .user = slice_str("bob"),
            .realm = slice_str("biloxi.com"),
            .password = slice_str("zanzibar"),
            .nonce = slice_str("dcd98b7102dd2f0e8b11d0f600bfb0c093"),
            .nc = slice_str("00000001"),
            .cnonce = slice_str("0a4f113b"),
            .method = slice_str("INVITE"),
            .uri = slice_str("sip:bob@biloxi.com"),
            .body = slice_str("v=0\r\n"),
        };
        assert_int_equal(sip_digest_compute(&terms, text), 0);
        assert_string_equal(text, rows[i].response);
    }
    char text[SIP_DIGEST_TEXT_OCTETS];
    assert_int_equal(sip_digest_hash_user(SIP_DIGEST_SHA_256, slice_str("bob"), slice_str("biloxi.com"), text), 0);
    assert_string_equal(text, "aafc60b9fa3e13876262208200cd6aebf77f59d79e854061f632f35f6cb30e0c");
}

static int read_text(const char *text, bool credentials, struct sip_digest_params *p, struct fault *fault)
{
    struct sip_cursor c;
    sip_cursor_init(&c, slice_str(text), slice_str(text));
    int err = credentials ? sip_read_credentials(&c, p) : sip_read_challenge(&c, p);
    *fault = c.fault;
    return err;
}

static void test_read(void **state)
{
    (void)state;
    struct sip_digest_params p;
    struct fault fault;
    assert_int_equal(read_text("Digest realm=\"a \\\"b\", nonce=\"n\",\r\n qop=\"auth-int, auth,token\", Stale=TRUE, "
                               "algorithm=sha-256, opaque=\"\", x=y, userhash=true",
                               false, &p, &fault),
                     0);
    assert_slice_text(p.realm, "\"a \\\"b\"");
    assert_slice_text(p.opaque, "\"\"");
    assert_int_equal(p.algorithm, SIP_DIGEST_SHA_256);
    assert_int_equal(p.qop, SIP_QOP_AUTH | SIP_QOP_AUTH_INT);
    assert_true(p.stale && p.userhash);
    assert_int_equal(read_text("digest realm=\"a\", nonce=\"n\"", false, &p, &fault), 0);
    assert_int_equal(p.algorithm, SIP_DIGEST_MD5);
    assert_int_equal(p.qop, SIP_QOP_NONE);
    assert_false(p.stale || p.userhash);
}

#define GOOD "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:a\", "
#define RESPONSE "response=\"00112233445566778899aabbccddeeff\""

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        bool credentials;
        const char *text;
        int err;
        size_t octet;
    } rows[] = {
        {false, "", ERR_SYNTAX, 0},
        {false, "Basic realm=\"a\"", ERR_UNSUPPORTED, 0},
        {false, "Digest", ERR_SYNTAX, 6},
        {false, "Digest realm=\"a\"", ERR_SYNTAX, 16},
        {false, "Digest realm=\"a\",", ERR_SYNTAX, 17},
        {false, "Digest realm=\"a\", nonce", ERR_SYNTAX, 23},
        {false, "Digest realm=\"a\", nonce=", ERR_SYNTAX, 24},
        {false, "Digest realm=\"a\", nonce=\"n", ERR_SYNTAX, 26},
        {false, "Digest realm=\"a\", nonce=\"n\r\n m\"", ERR_SYNTAX, 24},
        {false, "Digest realm=\"a\", nonce=\"n\" x", ERR_SYNTAX, 28},
        {false, "Digest realm=\"a\", nonce=\"n\", Realm=\"b\"", ERR_SYNTAX, 29},
        {false, "Digest realm=\"a\", nonce=\"n\", algorithm=SHA-512-256", ERR_UNSUPPORTED, 39},
        {false, "Digest realm=\"a\", nonce=\"n\", qop=\"other\"", ERR_UNSUPPORTED, 33},
        {true, "Digest username=\"u\", realm=\"r\", nonce=\"n\", " RESPONSE, ERR_SYNTAX, 86},
        {true, GOOD "response=\"0011\"", ERR_SYNTAX, 65},
        {true, GOOD RESPONSE ", algorithm=SHA-256", ERR_SYNTAX, 65},
        {true, GOOD RESPONSE ", qop=auth, nc=00000001", ERR_SYNTAX, 122},
        {true, GOOD RESPONSE ", qop=auth, cnonce=\"c\"", ERR_SYNTAX, 121},
        {true, GOOD RESPONSE ", qop=auth, cnonce=\"c\", nc=1", ERR_SYNTAX, 127},
        {true, GOOD RESPONSE ", qop=auth, cnonce=\"c\", nc=00000000", ERR_SYNTAX, 134},
        {true, GOOD RESPONSE ", qop=\"auth,auth-int\", cnonce=\"c\", nc=00000001", ERR_SYNTAX, 105},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sip_digest_params p;
        struct fault fault = {0};
        assert_int_equal(read_text(rows[i].text, rows[i].credentials, &p, &fault), rows[i].err);
        assert_non_null(fault.rule);
        if (fault.octet != rows[i].octet)
            fail_msg("%s: octet %zu, not %zu: %s", rows[i].text, fault.octet, rows[i].octet, fault.rule);
    }
    char large[SIP_DIGEST_VALUE_OCTETS_MAX + 64] = "Digest realm=\"a\", nonce=\"";
    memset(large + 25, 'a', sizeof large - 27);
    large[sizeof large - 2] = '"';
    large[sizeof large - 1] = 0;
    struct sip_digest_params p;
    struct fault fault;
    assert_int_equal(read_text(large, false, &p, &fault), ERR_LIMIT);
}

/* ---- both sides ---- */

static const uint8_t key[SIP_DIGEST_KEY_OCTETS] = "a key that nobody else has";

struct sides {
    struct sip_digest_server server;
    struct sip_digest_client client;
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct now now;
    struct region region;
    struct buf request, response;
    struct sip_message m;
    enum sip_header challenge, answer;
};

static int setup(void **state)
{
    static struct sides sides;
    struct sides *s = *state = &sides;
    *s = (struct sides){.seeded = {7}, .challenge = SIP_WWW_AUTHENTICATE, .answer = SIP_AUTHORIZATION};
    s->entropy = seeded_entropy_port(&s->seeded);
    assert_int_equal(sip_digest_server_init(&s->server, "a \"realm\"", key, 60000, 16), 0);
    sip_digest_client_init(&s->client);
    region_init(&s->region, (size_t)1 << 24);
    buf_init(&s->request, 8192);
    buf_init(&s->response, 8192);
    return 0;
}

static int teardown(void **state)
{
    struct sides *s = *state;
    sip_digest_server_fini(&s->server);
    sip_digest_client_fini(&s->client);
    region_fini(&s->region);
    buf_fini(&s->request);
    buf_fini(&s->response);
    return 0;
}

static void parse(struct sides *s, const struct buf *octets, struct sip_message *m)
{
    struct fault fault = {0};
    if (sip_parse(&s->region, buf_slice(octets), SIP_DATAGRAM, m, &fault) < 0 || sip_check(m, NULL, &fault) < 0)
        fail_msg("octet %zu: %s", fault.octet, fault.rule);
}

static void put_common(struct buf *b)
{
    sip_put(b, SIP_VIA, slice_str("SIP/2.0/UDP a.example;branch=z9hG4bKa"));
    sip_put(b, SIP_FROM, slice_str("<sip:bob@b.example>;tag=1"));
    sip_put(b, SIP_TO, slice_str("<sip:bob@b.example>"));
    sip_put(b, SIP_CALL_ID, slice_str("c"));
    sip_put(b, SIP_CSEQ, slice_str("1 REGISTER"));
}

/* The next request of the client, with credentials if it has been asked for them. */
static void send_request(struct sides *s, const char *password)
{
    struct buf value;
    buf_init(&value, 4096);
    buf_clear(&s->request);
    sip_begin_request(&s->request, "REGISTER", slice_str("sip:b.example"));
    put_common(&s->request);
    int err = sip_digest_answer(&s->client, &s->entropy, s->answer, slice_str("bob"), slice_str(password),
                                slice_str("REGISTER"), slice_str("sip:b.example"), slice_str("body"), &value);
    assert_true(err == 0 || (err == ERR_NOT_FOUND && value.n == 0));
    if (!err)
        sip_put(&s->request, s->answer, buf_slice(&value));
    sip_end(&s->request, slice_str("body"));
    buf_fini(&value);
    parse(s, &s->request, &s->m);
}

static int check(struct sides *s)
{
    struct sip_digest_params p;
    int err = sip_digest_find(&s->server, &s->m, s->answer, &p, NULL);
    return err ? err : sip_digest_check(&s->server, s->now, &s->m, &p, slice_str("bob"), slice_str("zanzibar"));
}

static int challenge_with(struct sides *s, const char *fields)
{
    struct sip_message response;
    buf_clear(&s->response);
    sip_begin_response(&s->response, s->challenge == SIP_WWW_AUTHENTICATE ? 401 : 407, NULL);
    put_common(&s->response);
    buf_str(&s->response, fields);
    sip_end(&s->response, (struct slice){NULL, 0});
    parse(s, &s->response, &response);
    return sip_digest_challenged(&s->client, &s->m, &response);
}

static int challenge(struct sides *s, bool stale)
{
    struct buf fields;
    buf_init(&fields, 4096);
    sip_digest_put_challenges(&s->server, s->now, s->challenge, stale, &fields);
    int err = challenge_with(s, buf_text(&fields));
    buf_fini(&fields);
    return err;
}

/* The first request, which is challenged, and the second, with credentials. */
static void send_both(struct sides *s, const char *password)
{
    send_request(s, password);
    assert_int_equal(challenge(s, false), 0);
    send_request(s, password);
}

static void good(struct sides *s)
{
    send_request(s, "zanzibar");
    assert_int_equal(check(s), ERR_NOT_FOUND);
    assert_int_equal(challenge(s, false), 0);
    for (int i = 0; i < 100; i++) {
        send_request(s, "zanzibar");
        assert_int_equal(check(s), 0);
        assert_int_equal(check(s), ERR_EXPIRED); /* the same again */
    }
    struct sip_digest_params p;
    assert_int_equal(sip_digest_find(&s->server, &s->m, s->answer, &p, NULL), 0);
    assert_int_equal(p.algorithm, SIP_DIGEST_SHA_256);
    assert_int_equal(p.qop, SIP_QOP_AUTH);
    assert_int_equal(p.count, 100);
    assert_true(p.userhash);
}

static void test_good(void **state)
{
    good(*state);
}

static void test_good_at_a_proxy(void **state)
{
    struct sides *s = *state;
    s->challenge = SIP_PROXY_AUTHENTICATE;
    s->answer = SIP_PROXY_AUTHORIZATION;
    good(s);
}

static void test_wrong_password(void **state)
{
    struct sides *s = *state;
    send_both(s, "wrong");
    assert_int_equal(check(s), ERR_AUTH);
    assert_int_equal(challenge(s, false), ERR_AUTH);
}

/* What the request says must be what was hashed. */
static void test_other_request(void **state)
{
    static const char *const others[] = {"REGISTER sip:c.example", "REGISTEX sip:b.example"};
    static const char own[] = "REGISTER sip:b.example";
    struct sides *s = *state;
    send_both(s, "zanzibar");
    for (size_t i = 0; i < 2; i++) {
        memcpy(s->request.p, others[i], strlen(others[i]));
        struct fault fault;
        assert_int_equal(sip_parse(&s->region, buf_slice(&s->request), SIP_DATAGRAM, &s->m, &fault), 0);
        assert_int_equal(check(s), ERR_AUTH);
    }
    memcpy(s->request.p, own, strlen(own));
    parse(s, &s->request, &s->m);
    assert_int_equal(check(s), 0); /* the attempts have used nothing up */
}

static void test_auth_int(void **state)
{
    struct sides *s = *state;
    struct buf fields;
    send_request(s, "zanzibar");
    buf_init(&fields, 4096);
    sip_digest_put_challenges(&s->server, s->now, s->challenge, false, &fields);
    char *qop = strstr((char *)(uintptr_t)buf_text(&fields), "qop=\"auth,auth-int\"");
    assert_non_null(qop);
    memcpy(qop, "qop=\"none,auth-int\"", 19);
    assert_int_equal(challenge_with(s, buf_text(&fields)), 0);
    buf_fini(&fields);
    send_request(s, "zanzibar");
    /* the field of SHA-256 was the one with auth-int only */
    struct sip_digest_params p;
    assert_int_equal(sip_digest_find(&s->server, &s->m, s->answer, &p, NULL), 0);
    assert_int_equal(p.qop, SIP_QOP_AUTH_INT);
    s->request.p[s->request.n - 1] ^= 1;
    assert_int_equal(check(s), ERR_AUTH);
    s->request.p[s->request.n - 1] ^= 1;
    assert_int_equal(check(s), 0);
}

static void test_expiry(void **state)
{
    struct sides *s = *state;
    send_request(s, "zanzibar");
    assert_int_equal(challenge(s, false), 0);
    s->now.mono = mono_after_ms(s->now.mono, 60000);
    send_request(s, "zanzibar");
    assert_int_equal(check(s), 0);
    sip_digest_accepted(&s->client);
    s->now.mono = mono_after_ms(s->now.mono, 1);
    send_request(s, "zanzibar");
    assert_int_equal(check(s), ERR_EXPIRED);
    assert_int_equal(challenge(s, true), 0);
    send_request(s, "zanzibar");
    assert_int_equal(check(s), 0);

    /* A server that does not say stale: the nonce was good before, so it is tried once more. */
    sip_digest_accepted(&s->client);
    s->now.mono = mono_after_ms(s->now.mono, 60001);
    send_request(s, "zanzibar");
    assert_int_equal(check(s), ERR_EXPIRED);
    assert_int_equal(challenge(s, false), 0);
    send_request(s, "zanzibar");
    assert_int_equal(challenge(s, false), ERR_AUTH);
}

/* Two requests without credentials at once: the second challenge says nothing about the password. */
static void test_two_at_once(void **state)
{
    struct sides *s = *state;
    send_request(s, "zanzibar");
    struct sip_message first = s->m;
    struct buf kept = s->request;
    buf_init(&s->request, 8192);
    assert_int_equal(challenge(s, false), 0);
    send_request(s, "zanzibar");
    s->m = first;
    assert_int_equal(challenge(s, false), 0);
    send_request(s, "zanzibar");
    assert_int_equal(check(s), 0);
    buf_fini(&kept);
}

/* A nonce of another key, and one that was never given out, are as good as none. */
static void test_foreign_nonce(void **state)
{
    struct sides *s = *state;
    send_request(s, "zanzibar");
    assert_int_equal(challenge(s, false), 0);
    s->server.key[0] ^= 1;
    send_request(s, "zanzibar");
    assert_int_equal(check(s), ERR_EXPIRED);
    s->server.key[0] ^= 1;
    assert_int_equal(check(s), 0);
}

/* Counts may overtake one another, within the window, each of them once. */
static void test_counts(void **state)
{
    static const struct {
        uint32_t count;
        int err;
    } rows[] = {{5, 0},  {3, 0},  {3, ERR_EXPIRED}, {5, ERR_EXPIRED}, {4, 0},          {40, 0}, {8, 0},
                {8, -1}, {7, -1}, {39, 0},          {5, -1},          {0xffffffff, 0}, {40, -1}};
    struct sides *s = *state;
    send_request(s, "zanzibar");
    assert_int_equal(challenge(s, false), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        s->client.asked[0].count = rows[i].count - 1;
        send_request(s, "zanzibar");
        int err = check(s);
        if (err != (rows[i].err ? ERR_EXPIRED : 0))
            fail_msg("row %zu: %d", i, err);
    }
}

/* Without qop (RFC 2069) a nonce is good once. */
static void test_without_qop(void **state)
{
    struct sides *s = *state;
    struct buf fields;
    send_request(s, "zanzibar");
    buf_init(&fields, 4096);
    sip_digest_put_challenges(&s->server, s->now, s->challenge, false, &fields);
    char *qop = strstr((char *)(uintptr_t)buf_text(&fields), "qop=");
    memcpy(qop, "pop=", 4);
    assert_int_equal(challenge_with(s, buf_text(&fields)), 0);
    buf_fini(&fields);
    send_request(s, "zanzibar");
    assert_int_equal(check(s), 0);
    send_request(s, "zanzibar");
    assert_int_equal(check(s), ERR_EXPIRED);
}

/* More nonces in use than slots: those pushed out are stale, never accepted twice. */
static void test_slots(void **state)
{
    struct sides *s = *state;
    struct sip_digest_client clients[40];
    unsigned good = 0;
    for (unsigned i = 0; i < 40; i++) {
        send_both(s, "zanzibar");
        assert_int_equal(check(s), 0);
        clients[i] = s->client;
        sip_digest_client_init(&s->client);
    }
    struct sip_digest_client own = s->client;
    for (unsigned i = 0; i < 40; i++) {
        s->client = clients[i];
        send_request(s, "zanzibar");
        int err = check(s);
        assert_true(err == 0 || err == ERR_EXPIRED);
        good += err == 0;
        sip_digest_client_fini(&s->client);
    }
    s->client = own;
    assert_true(good > 1 && good <= 16);
}

static void test_choice(void **state)
{
    struct sides *s = *state;
    static const struct {
        const char *fields;
        int err;
        const char *answer; /* it contains this */
    } rows[] = {
        {"WWW-Authenticate: Digest realm=\"a\", nonce=\"1\"\r\n"
         "WWW-Authenticate: Digest realm=\"a\", nonce=\"2\", algorithm=SHA-256, qop=\"auth\"\r\n",
         0, "nonce=\"2\", uri=\"sip:b.example\", response="},
        {"WWW-Authenticate: Digest realm=\"a\", nonce=\"1\", algorithm=SHA-512-256\r\n"
         "WWW-Authenticate: Basic realm=\"a\"\r\n"
         "WWW-Authenticate: Digest realm=\"a\", nonce=3, algorithm=MD5-sess, opaque=\"o\\\"p\"\r\n",
         0, ", opaque=\"o\\\"p\""},
        {"WWW-Authenticate: Basic realm=\"a\"\r\n", ERR_UNSUPPORTED, NULL},
        {"WWW-Authenticate: Digest realm=\"a\r\n", ERR_UNSUPPORTED, NULL},
        {"", ERR_NOT_FOUND, NULL},
        {"Proxy-Authenticate: Digest realm=\"a\", nonce=\"1\"\r\n", 0, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sip_digest_forget(&s->client);
        send_request(s, "zanzibar");
        assert_int_equal(challenge_with(s, rows[i].fields), rows[i].err);
        send_request(s, "zanzibar");
        const struct sip_field *f = sip_field_first(&s->m, SIP_AUTHORIZATION);
        assert_true((f != NULL) == (rows[i].answer != NULL));
        if (f)
            assert_non_null(strstr(buf_text(&s->request), rows[i].answer));
    }
}

static void test_users(void **state)
{
    struct sides *s = *state;
    struct sip_digest_params p;
    send_both(s, "zanzibar");
    assert_int_equal(sip_digest_find(&s->server, &s->m, SIP_AUTHORIZATION, &p, NULL), 0);
    assert_true(sip_digest_is_user(&s->server, &p, slice_str("bob")));
    assert_false(sip_digest_is_user(&s->server, &p, slice_str("bo")));
    assert_int_equal(sip_digest_check(&s->server, s->now, &s->m, &p, slice_str("bo"), slice_str("zanzibar")), ERR_AUTH);
    p.userhash = false;
    assert_false(sip_digest_is_user(&s->server, &p, slice_str("bob")));
}

static void test_no_memory(void **state)
{
    struct sides *s = *state;
    send_both(s, "zanzibar");
    int err = ERR_NO_MEMORY;
    unsigned long nth = 1;
    for (; err == ERR_NO_MEMORY; nth++) {
        mem_fail_at(nth);
        err = check(s);
        mem_fail_at(0);
    }
    assert_true(nth > 3);
    assert_int_equal(err, 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_examples),
        cmocka_unit_test(test_other_forms),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
        CASE(test_good),
        CASE(test_good_at_a_proxy),
        CASE(test_wrong_password),
        CASE(test_other_request),
        CASE(test_auth_int),
        CASE(test_expiry),
        CASE(test_two_at_once),
        CASE(test_foreign_nonce),
        CASE(test_counts),
        CASE(test_without_qop),
        CASE(test_slots),
        CASE(test_choice),
        CASE(test_users),
        CASE(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
