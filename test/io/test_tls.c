/* TLS over real sockets: who is let in, who is not, and that each refusal has its own name and counter on both sides. */
#include "ends.h"
#include "io/stream_private.h"
#include "pki.h"
#include "testing.h"

#include <stdlib.h>

struct world {
    struct ends ends;
    struct authority ours;
    struct authority namesake; /* of the same name, with another key */
    struct authority foreign;
    struct identity server;
    struct identity client;
    struct tls_context *server_context; /* freed in the end */
    struct tls_context *client_context;
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    ends_init(&w->ends);
    authority_init(&w->ours, "our authority");
    authority_init(&w->namesake, "our authority");
    authority_init(&w->foreign, "another authority");
    identity_init(&w->server, &w->ours, "server@example.com", "127.0.0.1", -1, 30);
    identity_init(&w->client, &w->ours, "client@example.com", NULL, -1, 30);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    ends_fini(&w->ends);
    tls_context_free(w->server_context);
    tls_context_free(w->client_context);
    identity_fini(&w->server);
    identity_fini(&w->client);
    authority_fini(&w->ours);
    authority_fini(&w->namesake);
    authority_fini(&w->foreign);
    free(w);
    return 0;
}

static void serve(struct world *w, const struct identity *identity, enum tls_peer peer,
                  const struct listener_options *options)
{
    w->server_context = pki_context(TLS_SERVER, peer, identity, &w->ours);
    ends_listen(&w->ends, w->server_context, options);
}

static struct stream_connect_options client_options(struct world *w, const struct identity *identity,
                                                    const struct authority *trust)
{
    w->client_context = pki_context(TLS_CLIENT, TLS_PEER_REQUIRED, identity, trust);
    return ends_connect_options(&w->ends, w->client_context);
}

static void assert_only(const struct stream_counters *counters, enum stream_reason reason)
{
    for (size_t i = 0; i < STREAM_REASON_COUNT; i++)
        assert_int_equal(COUNTERS_VALUES(counters)[i], i == (size_t)reason);
}

static void test_mutual(void **state)
{
    struct world *w = *state;
    w->ends.template.echo = true;
    serve(w, &w->server, TLS_PEER_REQUIRED, NULL);
    struct stream_connect_options options = client_options(w, &w->client, &w->ours);
    options.peer_name = "127.0.0.1";
    ends_connect(&w->ends, &options);
    TURN_UNTIL(&w->ends, w->ends.client.ready && w->ends.accepted_count && w->ends.accepted[0].ready);
    struct stream *ours = w->ends.client.stream, *theirs = w->ends.accepted[0].stream;
    assert_slice_equal(stream_peer_certificate(ours), cert_der(w->server.cert));
    assert_slice_equal(stream_peer_certificate(theirs), cert_der(w->client.cert));
    uint8_t a[32], b[32], c[32];
    assert_int_equal(stream_export(ours, "EXPORTER-test", a, sizeof a), 0);
    assert_int_equal(stream_export(theirs, "EXPORTER-test", b, sizeof b), 0);
    assert_int_equal(stream_export(theirs, "EXPORTER-other", c, sizeof c), 0);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, c, sizeof a);
    assert_int_equal(stream_write(ours, slice_str("secret")), 0);
    TURN_UNTIL(&w->ends, w->ends.client.received.n == 6);
    stream_finish(ours);
    w->ends.client.stream = NULL;
    TURN_UNTIL(&w->ends, w->ends.accepted[0].closed);
    assert_int_equal(w->ends.accepted[0].reason, STREAM_PEER_CLOSED);
    assert_only(&w->ends.server_counters, STREAM_PEER_CLOSED);
    assert_int_equal(w->ends.server_counters.ready, 1);
}

/* A client that the server refuses, for a named reason; the client learns that it was refused, maybe after it had thought itself ready. */
static void assert_client_refused(struct world *w, const struct identity *identity, enum stream_reason reason)
{
    serve(w, &w->server, TLS_PEER_REQUIRED, NULL);
    struct stream_connect_options options = client_options(w, identity, &w->ours);
    ends_connect(&w->ends, &options);
    TURN_UNTIL(&w->ends, w->ends.accepted_count && w->ends.accepted[0].closed && w->ends.client.closed);
    assert_false(w->ends.accepted[0].ready);
    assert_string_equal(stream_reason_name(w->ends.accepted[0].reason), stream_reason_name(reason));
    assert_string_equal(stream_reason_name(w->ends.client.reason), "tls_refused_by_peer");
    assert_only(&w->ends.server_counters, reason);
    assert_only(&w->ends.client_counters, STREAM_TLS_REFUSED_BY_PEER);
    assert_int_equal(w->ends.server_counters.ready, 0);
    assert_int_equal(listener_connections(w->ends.listener), 0);
}

static void test_client_without_certificate(void **state)
{
    assert_client_refused(*state, NULL, STREAM_TLS_NO_CERTIFICATE);
}

static void test_client_of_foreign_authority(void **state)
{
    struct world *w = *state;
    struct identity identity;
    identity_init(&identity, &w->foreign, "client@example.com", NULL, -1, 30);
    assert_client_refused(w, &identity, STREAM_TLS_UNKNOWN_CA);
    identity_fini(&identity);
}

static void test_client_of_namesake_authority(void **state)
{
    struct world *w = *state;
    struct identity identity;
    identity_init(&identity, &w->namesake, "client@example.com", NULL, -1, 30);
    assert_client_refused(w, &identity, STREAM_TLS_UNKNOWN_CA);
    identity_fini(&identity);
}

static void test_client_expired(void **state)
{
    struct world *w = *state;
    struct identity identity;
    identity_init(&identity, &w->ours, "client@example.com", NULL, -30, -1);
    assert_client_refused(w, &identity, STREAM_TLS_EXPIRED);
    identity_fini(&identity);
}

static void test_client_not_yet_valid(void **state)
{
    struct world *w = *state;
    struct identity identity;
    identity_init(&identity, &w->ours, "client@example.com", NULL, 2, 30);
    assert_client_refused(w, &identity, STREAM_TLS_EXPIRED);
    identity_fini(&identity);
}

static void test_client_self_signed(void **state)
{
    struct identity identity;
    identity_init_self_signed(&identity);
    assert_client_refused(*state, &identity, STREAM_TLS_SELF_SIGNED);
    identity_fini(&identity);
}

static void assert_server_refused(struct world *w, const struct identity *identity, const char *name,
                                  enum stream_reason reason)
{
    serve(w, identity, TLS_PEER_NONE, NULL);
    struct stream_connect_options options = client_options(w, NULL, &w->ours);
    options.peer_name = name;
    ends_connect(&w->ends, &options);
    TURN_UNTIL(&w->ends, w->ends.client.closed && w->ends.accepted_count && w->ends.accepted[0].closed);
    assert_false(w->ends.client.ready);
    assert_string_equal(stream_reason_name(w->ends.client.reason), stream_reason_name(reason));
    assert_string_equal(stream_reason_name(w->ends.accepted[0].reason), "tls_refused_by_peer");
    assert_only(&w->ends.client_counters, reason);
}

static void test_server_of_foreign_authority(void **state)
{
    struct world *w = *state;
    struct identity identity;
    identity_init(&identity, &w->foreign, "server@example.com", "127.0.0.1", -1, 30);
    assert_server_refused(w, &identity, "127.0.0.1", STREAM_TLS_UNKNOWN_CA);
    identity_fini(&identity);
}

static void test_server_expired(void **state)
{
    struct world *w = *state;
    struct identity identity;
    identity_init(&identity, &w->ours, "server@example.com", "127.0.0.1", -30, -1);
    assert_server_refused(w, &identity, "127.0.0.1", STREAM_TLS_EXPIRED);
    identity_fini(&identity);
}

static void test_server_self_signed(void **state)
{
    struct identity identity;
    identity_init_self_signed(&identity);
    assert_server_refused(*state, &identity, NULL, STREAM_TLS_SELF_SIGNED);
    identity_fini(&identity);
}

static void test_server_of_other_address(void **state)
{
    struct world *w = *state;
    assert_server_refused(w, &w->server, "127.0.0.2", STREAM_TLS_WRONG_NAME);
}

static void test_server_of_other_name(void **state)
{
    struct world *w = *state;
    struct identity identity;
    identity_init(&identity, &w->ours, "server@example.com", "ime.example.com", -1, 30);
    assert_server_refused(w, &identity, "other.example.com", STREAM_TLS_WRONG_NAME);
    identity_fini(&identity);
}

static void test_name_fits(void **state)
{
    struct world *w = *state;
    struct identity identity;
    identity_init(&identity, &w->ours, "server@example.com", "ime.example.com", -1, 30);
    serve(w, &identity, TLS_PEER_OPTIONAL, NULL);
    struct stream_connect_options options = client_options(w, NULL, &w->ours);
    options.peer_name = "ime.example.com";
    ends_connect(&w->ends, &options);
    TURN_UNTIL(&w->ends, w->ends.client.ready && w->ends.accepted_count && w->ends.accepted[0].ready);
    assert_int_equal(stream_peer_certificate(w->ends.accepted[0].stream).n, 0);
    identity_fini(&identity);
}

static void test_no_tls_at_all(void **state)
{
    struct world *w = *state;
    serve(w, &w->server, TLS_PEER_REQUIRED, NULL);
    struct stream_connect_options options = ends_connect_options(&w->ends, NULL);
    ends_connect(&w->ends, &options);
    TURN_UNTIL(&w->ends, w->ends.client.ready);
    assert_int_equal(stream_write(w->ends.client.stream, slice_str("GET / HTTP/1.1\r\n\r\n")), 0);
    TURN_UNTIL(&w->ends, w->ends.accepted_count && w->ends.accepted[0].closed);
    assert_int_equal(w->ends.accepted[0].reason, STREAM_TLS_PROTOCOL);
    assert_only(&w->ends.server_counters, STREAM_TLS_PROTOCOL);
}

static void test_silent_client(void **state)
{
    struct world *w = *state;
    serve(w, &w->server, TLS_PEER_REQUIRED, &(struct listener_options){.stream.handshake_timeout_ms = 20});
    struct stream_connect_options options = ends_connect_options(&w->ends, NULL);
    ends_connect(&w->ends, &options);
    TURN_UNTIL(&w->ends, w->ends.accepted_count && w->ends.accepted[0].closed);
    assert_int_equal(w->ends.accepted[0].reason, STREAM_HANDSHAKE_TIMEOUT);
    assert_only(&w->ends.server_counters, STREAM_HANDSHAKE_TIMEOUT);
}

static void test_gone_in_the_handshake(void **state)
{
    struct world *w = *state;
    serve(w, &w->server, TLS_PEER_REQUIRED, NULL);
    struct stream_connect_options options = ends_connect_options(&w->ends, NULL);
    w->ends.client.close_on_ready = true;
    ends_connect(&w->ends, &options);
    TURN_UNTIL(&w->ends, w->ends.accepted_count && w->ends.accepted[0].closed);
    assert_int_equal(w->ends.accepted[0].reason, STREAM_PEER_CLOSED);
}

#define LARGE_OCTETS (6u << 20)

static void test_large_both_ways(void **state)
{
    struct world *w = *state;
    w->ends.template.echo = true;
    serve(w, &w->server, TLS_PEER_REQUIRED, &(struct listener_options){.stream.queue_octets_max = 2 * LARGE_OCTETS});
    struct stream_connect_options options = client_options(w, &w->client, &w->ours);
    options.stream.queue_octets_max = LARGE_OCTETS;
    ends_connect(&w->ends, &options);
    TURN_UNTIL(&w->ends, w->ends.client.ready);
    uint8_t *large = malloc(LARGE_OCTETS);
    for (size_t i = 0; i < LARGE_OCTETS; i++)
        large[i] = (uint8_t)(i * 17 + (i >> 14));
    /* In pieces of all sizes, so that records and writes do not fall together. */
    for (size_t at = 0, n = 1; at < LARGE_OCTETS; at += n, n = n * 3 % 65521) {
        if (n > LARGE_OCTETS - at)
            n = LARGE_OCTETS - at;
        assert_int_equal(stream_write(w->ends.client.stream, slice_of(large + at, n)), 0);
    }
    TURN_UNTIL(&w->ends, w->ends.client.received.n == LARGE_OCTETS);
    assert_memory_equal(w->ends.client.received.p, large, LARGE_OCTETS);
    free(large);
}

static void test_close_in_callbacks(void **state)
{
    struct world *w = *state;
    w->ends.template.close_on_input = true;
    serve(w, &w->server, TLS_PEER_REQUIRED, NULL);
    struct stream_connect_options options = client_options(w, &w->client, &w->ours);
    ends_connect(&w->ends, &options);
    TURN_UNTIL(&w->ends, w->ends.client.ready);
    assert_int_equal(stream_write(w->ends.client.stream, slice_str("x")), 0);
    TURN_UNTIL(&w->ends, w->ends.client.closed);
    assert_int_equal(w->ends.client.reason, STREAM_RESET);
}

static void test_reload(void **state)
{
    struct world *w = *state;
    struct identity renewed;
    identity_init(&renewed, &w->ours, "server@example.com", "127.0.0.1", -1, 60);
    serve(w, &w->server, TLS_PEER_REQUIRED, NULL);
    struct stream_connect_options options = client_options(w, &w->client, &w->ours);
    ends_connect(&w->ends, &options);
    TURN_UNTIL(&w->ends, w->ends.client.ready);

    struct slice trust = cert_der(w->ours.cert);
    struct tls_options reload = pki_options(TLS_SERVER, TLS_PEER_REQUIRED, &renewed, &trust);
    struct tls_options broken = reload;
    broken.key_pem = buf_slice(&w->server.key_pem);
    assert_int_equal(tls_context_reload(w->server_context, &broken), ERR_CONFLICT);
    broken.key_pem = slice_str("-----BEGIN nothing");
    assert_int_equal(tls_context_reload(w->server_context, &broken), ERR_SYNTAX);
    broken = reload;
    broken.certificate = slice_str("nothing");
    assert_int_equal(tls_context_reload(w->server_context, &broken), ERR_SYNTAX);
    assert_int_equal(tls_context_reload(w->server_context, &reload), 0);

    struct end second;
    end_init(&second, &w->ends);
    assert_int_equal(stream_connect(w->ends.loop, &options, &end_handler, &second, &second.stream), 0);
    TURN_UNTIL(&w->ends, second.ready);
    assert_slice_equal(stream_peer_certificate(w->ends.client.stream), cert_der(w->server.cert));
    assert_slice_equal(stream_peer_certificate(second.stream), cert_der(renewed.cert));
    end_fini(&second);
    identity_fini(&renewed);
}

static void say(struct world *w)
{
    const size_t before = w->ends.client.received.n;
    assert_int_equal(stream_write(w->ends.client.stream, slice_str("x")), 0);
    TURN_UNTIL(&w->ends, w->ends.client.received.n > before);
}

/* Which way the stream is used decides whether TLS has memory while nothing comes. */
static void test_buffers_of_a_busy_stream(void **state)
{
    struct world *w = *state;
    w->ends.template.echo = true;
    serve(w, &w->server, TLS_PEER_NONE, NULL);
    struct stream_connect_options options = client_options(w, NULL, &w->ours);
    ends_connect(&w->ends, &options);
    TURN_UNTIL(&w->ends, w->ends.client.ready);
    struct stream *theirs = w->ends.accepted[0].stream;
    say(w);
    assert_false(stream_tls_keeps_buffers(theirs));
    for (unsigned i = 0; i < 10000 && !stream_tls_keeps_buffers(theirs); i++) /* a pause begins it anew */
        say(w);
    assert_true(stream_tls_keeps_buffers(theirs));
    assert_false(SSL_get_mode(theirs->ssl) & SSL_MODE_RELEASE_BUFFERS);
    theirs->read_at.us -= 2000000;
    say(w);
    assert_false(stream_tls_keeps_buffers(theirs));
    assert_true(SSL_get_mode(theirs->ssl) & SSL_MODE_RELEASE_BUFFERS);
    say(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_mutual, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_without_certificate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_of_foreign_authority, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_of_namesake_authority, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_expired, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_not_yet_valid, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_self_signed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_server_of_foreign_authority, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_server_expired, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_server_self_signed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_server_of_other_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_server_of_other_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_name_fits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_tls_at_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_silent_client, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gone_in_the_handshake, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_close_in_callbacks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_buffers_of_a_busy_stream, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
