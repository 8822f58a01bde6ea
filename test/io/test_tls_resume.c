/* Sessions that go on with earlier ones, under both versions of TLS: what they still know, and when they must not. */
#include "io/tls_private.h"
#include "meet.h"
#include "testing.h"

#define RESUME_MS 3600000

static struct tls_options resuming(struct meeting *m, enum tls_role role, struct slice *trust)
{
    struct tls_options options = meeting_options(m, role, trust);
    options.resume_ms = RESUME_MS;
    return options;
}

static void set_resuming(struct meeting *m)
{
    struct slice trust;
    struct tls_options server = resuming(m, TLS_SERVER, &trust), client = resuming(m, TLS_CLIENT, &trust);
    meeting_set(m, &server, &client);
}

static int set_up(void **state)
{
    meeting_set_up(state);
    set_resuming(*state);
    return 0;
}

static void only_tls12(struct meeting *m)
{
    assert_int_equal(SSL_CTX_set_max_proto_version(m->client_context->ssl_context, TLS1_2_VERSION), 1);
}

static int set_up_tls12(void **state)
{
    set_up(state);
    only_tls12(*state);
    return 0;
}

/* The meeting took place; whether it went on with an earlier one; both know each other as ever. */
static void assert_met(struct meeting *m, bool resumed)
{
    struct end *far = meet(m, "a.example");
    assert_non_null(far);
    assert_int_equal(stream_is_resumed(far->stream), resumed);
    assert_int_equal(stream_is_resumed(meeting_last(m)->stream), resumed);
    assert_slice_equal(stream_peer_certificate(far->stream), cert_der(m->server.cert));
    assert_slice_equal(stream_peer_certificate(meeting_last(m)->stream), cert_der(m->client.cert));
}

static void resume(struct meeting *m, const char *version)
{
    assert_met(m, false);
    for (int i = 0; i < 3; i++)
        assert_met(m, true);
    assert_string_equal(stream_tls_version(m->far.stream), version);
    assert_int_equal(m->ends.server_counters.resumed, 3);
    assert_int_equal(m->ends.client_counters.resumed, 3);
}

static void test_resumed(void **state)
{
    resume(*state, "TLSv1.3");
}

static void test_resumed_tls12(void **state)
{
    resume(*state, "TLSv1.2");
}

/* Whoever did not ask for it does not get it. */
static void test_not_unless_both_want_it(void **state)
{
    struct meeting *m = *state;
    struct slice trust;
    struct tls_options server = resuming(m, TLS_SERVER, &trust), client = resuming(m, TLS_CLIENT, &trust);
    struct tls_options plain_server = meeting_options(m, TLS_SERVER, &trust),
                       plain_client = meeting_options(m, TLS_CLIENT, &trust);
    meeting_set(m, &plain_server, &client);
    assert_met(m, false);
    assert_met(m, false);
    meeting_set(m, &server, &plain_client);
    assert_met(m, false);
    assert_met(m, false);
}

static void test_not_for_another_name(void **state)
{
    struct meeting *m = *state;
    assert_met(m, false);
    assert_null(meet(m, "c.example"));
    assert_int_equal(m->far.reason, STREAM_TLS_WRONG_NAME);
    assert_met(m, true);
}

static void forget_by_reload(struct meeting *m, bool tls12)
{
    struct slice trust;
    struct tls_options server = resuming(m, TLS_SERVER, &trust), client = resuming(m, TLS_CLIENT, &trust);
    assert_met(m, false);
    assert_met(m, true);
    assert_int_equal(tls_context_reload(m->server_context, &server), 0);
    assert_met(m, false);
    assert_met(m, true);
    assert_int_equal(tls_context_reload(m->client_context, &client), 0);
    if (tls12)
        only_tls12(m);
    assert_met(m, false);
    assert_met(m, true);
}

static void test_not_after_reload(void **state)
{
    forget_by_reload(*state, false);
}

static void test_not_after_reload_tls12(void **state)
{
    forget_by_reload(*state, true);
}

/* The session that would spare a revoked certificate its judgement is gone with the list that lacked it. */
static void test_not_after_revocation(void **state)
{
    struct meeting *m = *state;
    struct slice trust, list;
    struct buf crl;
    struct tls_options server = resuming(m, TLS_SERVER, &trust);
    assert_met(m, false);
    assert_met(m, true);
    pki_crl(&m->ours, m->client.cert, -1, 1, &crl);
    list = buf_slice(&crl);
    server.crls = &list;
    server.crl_count = 1;
    assert_int_equal(tls_context_reload(m->server_context, &server), 0);
    enum stream_reason reason = STREAM_REASON_COUNT;
    assert_false(stream_verify_again(meeting_last(m)->stream, m->server_context, &reason));
    assert_int_equal(reason, STREAM_TLS_REVOKED);
    assert_true(stream_verify_again(m->far.stream, m->client_context, &reason));
    assert_null(meet(m, "a.example"));
    assert_int_equal(meeting_last(m)->reason, STREAM_TLS_REVOKED);
    assert_int_equal(m->ends.server_counters.tls_revoked, 1);
    buf_fini(&crl);
}

static void wait_until(struct wall end)
{
    while (tls_wall().ms <= end.ms)
        ;
}

/* Of two sides that allow it for different times, the shorter one counts. */
static void test_not_for_longer_than_allowed(void **state)
{
    struct meeting *m = *state;
    struct slice trust;
    struct tls_options server = resuming(m, TLS_SERVER, &trust), client = resuming(m, TLS_CLIENT, &trust);
    struct tls_options brief_server = server, brief_client = client;
    brief_server.resume_ms = brief_client.resume_ms = 1;
    meeting_set(m, &brief_server, &client);
    for (int i = 0; i < 2; i++) {
        assert_met(m, false);
        wait_until(wall_after_ms(tls_wall(), 5));
    }
    meeting_set(m, &server, &brief_client);
    for (int i = 0; i < 2; i++) {
        assert_met(m, false);
        wait_until(wall_after_ms(tls_wall(), 5));
    }
}

/* A client whose certificate ends is known by its session until then, and no longer. The certificate is made to last longer if the machine was too
 * slow for two meetings before its end. */
static void test_not_beyond_the_certificate(void **state)
{
    struct meeting *m = *state;
    struct slice trust;
    bool resumed = false;
    static const char *const names[] = {"b.example"};
    for (int64_t life_ms = 2000; !resumed && life_ms <= 16000; life_ms *= 2) {
        struct key *key;
        assert_int_equal(key_generate(KEY_EC_P256, &key), 0);
        struct wall now = tls_wall();
        const struct cert_request request = {.public_key = key,
                                             .names = names,
                                             .name_count = 1,
                                             .not_before = wall_after_ms(now, -PKI_DAY_MS),
                                             .not_after = wall_after_ms(now, life_ms),
                                             .serial = {9, (uint8_t)(life_ms / 1000)}};
        struct identity brief = {0};
        assert_int_equal(cert_issue(m->ours.key, m->ours.cert, &request, &brief.cert), 0);
        buf_init(&brief.certificate_pem, 1u << 16);
        buf_init(&brief.key_pem, 1u << 16);
        assert_int_equal(cert_to_pem(brief.cert, &brief.certificate_pem), 0);
        assert_int_equal(key_to_pem(key, &brief.key_pem), 0);
        struct tls_options client = resuming(m, TLS_CLIENT, &trust);
        client.certificate = buf_slice(&brief.certificate_pem);
        client.key_pem = buf_slice(&brief.key_pem);
        assert_int_equal(tls_context_reload(m->client_context, &client), 0);
        resumed = meet(m, "a.example") && meet(m, "a.example") && stream_is_resumed(m->far.stream);
        if (resumed) {
            wait_until(wall_after_ms(cert_not_after(brief.cert), 100)); /* clocks of whole seconds tick late */
            assert_null(meet(m, "a.example"));
            assert_int_equal(meeting_last(m)->reason, STREAM_TLS_EXPIRED);
        }
        identity_fini(&brief);
        key_free(key);
    }
    assert_true(resumed);
}

/* What the other side was shown is what it was shown when the session began, whatever it asks for later. */
static void test_identity_of_a_resumed_session(void **state)
{
    struct meeting *m = *state;
    struct identity other;
    struct slice trust;
    identity_init_usage(&other, &m->ours, "c.example", NULL);
    const struct tls_identity further = {buf_slice(&other.certificate_pem), buf_slice(&other.key_pem)};
    struct tls_options server = resuming(m, TLS_SERVER, &trust);
    server.identities = &further;
    server.identity_count = 1;
    assert_int_equal(tls_context_reload(m->server_context, &server), 0);
    for (int i = 0; i < 2; i++) {
        assert_non_null(meet(m, "c.example"));
        assert_int_equal(stream_is_resumed(m->far.stream), i);
        assert_int_equal(stream_identity(meeting_last(m)->stream), 1);
        assert_slice_equal(stream_peer_certificate(m->far.stream), cert_der(other.cert));
    }
    assert_met(m, false);
    assert_int_equal(stream_identity(meeting_last(m)->stream), 0);
    identity_fini(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_resumed, set_up, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_resumed_tls12, set_up_tls12, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_not_unless_both_want_it, set_up, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_not_for_another_name, set_up, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_not_after_reload, set_up, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_not_after_reload_tls12, set_up_tls12, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_not_after_revocation, set_up, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_not_for_longer_than_allowed, set_up, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_not_beyond_the_certificate, set_up, meeting_tear_down),
        cmocka_unit_test_setup_teardown(test_identity_of_a_resumed_session, set_up, meeting_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
