/* HTTPS server and client over real sockets: documents, limits, late answers, and whom either refuses. */
#include "ends.h"
#include "io/http.h"
#include "pki.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

struct world {
    struct ends ends;
    struct authority ours;
    struct authority foreign;
    struct identity server_identity;
    struct identity client_identity;
    struct tls_context *server_tls;
    struct tls_context *client_tls;
    struct http_server *server;
    struct http_request *held; /* answered later */
    bool hold;
    struct slice seen_certificate;
    unsigned requests;
    /* The last answer. */
    struct http_call *call;
    unsigned answers;
    int err;
    int status;
    char content_type[64];
    struct buf body;
};

static void on_request(void *arg, struct http_request *request)
{
    struct world *w = arg;
    w->requests++;
    if (w->hold) {
        w->held = request;
        return;
    }
    struct addr peer = http_request_peer(request);
    assert_int_equal(peer.family, 4);
    char text[512];
    const char *type = http_request_header(request, "Content-Type");
    snprintf(text, sizeof text, "%s %s [%s] %zu certificate=%d",
             http_request_method(request) == HTTP_GET    ? "GET"
             : http_request_method(request) == HTTP_POST ? "POST"
                                                         : "OTHER",
             http_request_path(request), type ? type : "", http_request_body(request).n,
             http_request_certificate(request).n > 0);
    if (http_request_certificate(request).n)
        assert_slice_equal(http_request_certificate(request), cert_der(w->client_identity.cert));
    http_reply(request, strcmp(http_request_path(request), "/none") == 0 ? 403 : 200, "text/plain", slice_str(text));
}

static void on_answer(void *arg, const struct http_answer *answer)
{
    struct world *w = arg;
    w->answers++;
    w->call = NULL;
    w->err = answer->err;
    w->status = answer->status;
    snprintf(w->content_type, sizeof w->content_type, "%s", answer->content_type);
    buf_clear(&w->body);
    buf_slice_put(&w->body, answer->body);
    assert_true(answer->err == 0 || answer->detail[0]);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    ends_init(&w->ends);
    authority_init(&w->ours, "our authority");
    authority_init(&w->foreign, "another authority");
    identity_init(&w->server_identity, &w->ours, "server@example.com", "127.0.0.1", -1, 30);
    identity_init(&w->client_identity, &w->ours, "client@example.com", NULL, -1, 30);
    buf_init(&w->body, 1u << 20);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    http_call_cancel(w->call);
    http_server_close(w->server);
    for (int i = 0; i < 5; i++)
        assert_int_equal(loop_turn(w->ends.loop, false), 0); /* libevent frees later */
    ends_fini(&w->ends);
    tls_context_free(w->server_tls);
    tls_context_free(w->client_tls);
    identity_fini(&w->server_identity);
    identity_fini(&w->client_identity);
    authority_fini(&w->ours);
    authority_fini(&w->foreign);
    buf_fini(&w->body);
    free(w);
    return 0;
}

static void serve(struct world *w, const struct identity *identity, const struct http_server_options *more)
{
    struct http_server_options options = more ? *more : (struct http_server_options){0};
    w->server_tls = pki_context(TLS_SERVER, TLS_PEER_OPTIONAL, identity, &w->ours);
    options.bind = (struct addr){.family = 4, .ip = {127, 0, 0, 1}};
    options.tls = w->server_tls;
    assert_int_equal(http_server_open(w->ends.loop, &options, on_request, w, &w->server), 0);
}

static struct http_call_options call_options(struct world *w, enum http_method method, const char *path, char *url)
{
    sprintf(url, "https://127.0.0.1:%u%s", http_server_addr(w->server).port, path);
    return (struct http_call_options){.tls = w->client_tls, .method = method, .url = url};
}

static void send_call(struct world *w, const struct http_call_options *options)
{
    unsigned before = w->answers;
    assert_int_equal(http_call(w->ends.loop, options, on_answer, w, &w->call), 0);
    assert_int_equal(w->answers, before);
}

static void call(struct world *w, const struct http_call_options *options)
{
    unsigned before = w->answers;
    send_call(w, options);
    TURN_UNTIL(&w->ends, w->answers > before);
    assert_int_equal(w->answers, before + 1);
}

static void assert_body(struct world *w, const char *text)
{
    assert_int_equal(w->err, 0);
    assert_slice_text(buf_slice(&w->body), text);
}

static void test_get_and_post(void **state)
{
    struct world *w = *state;
    char url[256];
    serve(w, &w->server_identity, NULL);
    w->client_tls = pki_context(TLS_CLIENT, TLS_PEER_REQUIRED, NULL, &w->ours);
    struct http_call_options options = call_options(w, HTTP_GET, "/.well-known/reload-config?x=1", url);
    call(w, &options);
    assert_body(w, "GET /.well-known/reload-config [] 0 certificate=0");
    assert_int_equal(w->status, 200);
    assert_string_equal(w->content_type, "text/plain");
    options = call_options(w, HTTP_POST, "/none", url);
    options.content_type = "application/pkcs10";
    options.body = slice_str("0123456789");
    call(w, &options);
    assert_body(w, "POST /none [application/pkcs10] 10 certificate=0");
    assert_int_equal(w->status, 403);
    assert_int_equal(http_server_counters(w->server)->requests, 2);
    assert_int_equal(http_server_counters(w->server)->handshakes_failed, 0);
}

static void test_client_certificate(void **state)
{
    struct world *w = *state;
    char url[256];
    serve(w, &w->server_identity, NULL);
    w->client_tls = pki_context(TLS_CLIENT, TLS_PEER_REQUIRED, &w->client_identity, &w->ours);
    struct http_call_options options = call_options(w, HTTP_POST, "/", url);
    call(w, &options);
    assert_body(w, "POST / [application/octet-stream] 0 certificate=1");
}

static void test_client_certificate_of_foreign_authority(void **state)
{
    struct world *w = *state;
    char url[256];
    struct identity identity;
    identity_init(&identity, &w->foreign, "client@example.com", NULL, -1, 30);
    serve(w, &w->server_identity, NULL);
    w->client_tls = pki_context(TLS_CLIENT, TLS_PEER_REQUIRED, &identity, &w->ours);
    struct http_call_options options = call_options(w, HTTP_GET, "/", url);
    call(w, &options);
    assert_int_not_equal(w->err, 0);
    assert_int_equal(w->requests, 0);
    TURN_UNTIL(&w->ends, http_server_counters(w->server)->handshakes_failed == 1);
    identity_fini(&identity);
}

static void assert_server_refused(struct world *w, const struct identity *identity, const char *host)
{
    char url[256];
    serve(w, identity, NULL);
    w->client_tls = pki_context(TLS_CLIENT, TLS_PEER_REQUIRED, NULL, &w->ours);
    struct http_call_options options = call_options(w, HTTP_GET, "/", url);
    if (host)
        sprintf(url, "https://%s:%u/", host, http_server_addr(w->server).port);
    call(w, &options);
    assert_int_equal(w->err, ERR_AUTH);
    assert_int_equal(w->requests, 0);
}

static void test_server_of_foreign_authority(void **state)
{
    struct world *w = *state;
    struct identity identity;
    identity_init(&identity, &w->foreign, "server@example.com", "127.0.0.1", -1, 30);
    assert_server_refused(w, &identity, NULL);
    identity_fini(&identity);
}

static void test_server_expired(void **state)
{
    struct world *w = *state;
    struct identity identity;
    identity_init(&identity, &w->ours, "server@example.com", "127.0.0.1", -30, -1);
    assert_server_refused(w, &identity, NULL);
    identity_fini(&identity);
}

static void test_server_of_other_name(void **state)
{
    struct world *w = *state;
    assert_server_refused(w, &w->server_identity, "localhost");
}

static void test_body_too_large(void **state)
{
    struct world *w = *state;
    char url[256];
    static char large[5000];
    serve(w, &w->server_identity, &(struct http_server_options){.body_octets_max = 4000});
    w->client_tls = pki_context(TLS_CLIENT, TLS_PEER_REQUIRED, NULL, &w->ours);
    struct http_call_options options = call_options(w, HTTP_POST, "/", url);
    options.body = slice_of(large, 4000);
    call(w, &options);
    assert_int_equal(w->err, 0);
    options.body = slice_of(large, 4001);
    call(w, &options);
    if (!w->err)
        assert_int_equal(w->status, 413);
    assert_int_equal(w->requests, 1);
}

static void test_answer_too_large(void **state)
{
    struct world *w = *state;
    char url[256];
    serve(w, &w->server_identity, NULL);
    w->client_tls = pki_context(TLS_CLIENT, TLS_PEER_REQUIRED, NULL, &w->ours);
    struct http_call_options options = call_options(w, HTTP_GET, "/", url);
    options.body_octets_max = 10;
    call(w, &options);
    assert_int_equal(w->err, ERR_LIMIT);
}

static void test_answer_later(void **state)
{
    struct world *w = *state;
    char url[256];
    w->hold = true;
    serve(w, &w->server_identity, NULL);
    w->client_tls = pki_context(TLS_CLIENT, TLS_PEER_REQUIRED, NULL, &w->ours);
    struct http_call_options options = call_options(w, HTTP_GET, "/", url);
    send_call(w, &options);
    TURN_UNTIL(&w->ends, w->held);
    for (int i = 0; i < 10; i++)
        assert_int_equal(loop_turn(w->ends.loop, false), 0);
    http_reply(w->held, 200, "text/plain", slice_str("at last"));
    TURN_UNTIL(&w->ends, w->answers == 1);
    assert_body(w, "at last");
}

static void test_client_gone_before_the_answer(void **state)
{
    struct world *w = *state;
    char url[256];
    w->hold = true;
    serve(w, &w->server_identity, NULL);
    w->client_tls = pki_context(TLS_CLIENT, TLS_PEER_REQUIRED, NULL, &w->ours);
    struct http_call_options options = call_options(w, HTTP_GET, "/", url);
    send_call(w, &options);
    TURN_UNTIL(&w->ends, w->held);
    http_call_cancel(w->call);
    w->call = NULL;
    for (int i = 0; i < 20; i++)
        assert_int_equal(loop_turn(w->ends.loop, false), 0);
    http_reply(w->held, 200, "text/plain", slice_str("nobody listens"));
    w->hold = false;
    call(w, &options);
    assert_body(w, "GET / [] 0 certificate=0");
}

static void test_no_answer(void **state)
{
    struct world *w = *state;
    char url[256];
    w->hold = true;
    serve(w, &w->server_identity, NULL);
    w->client_tls = pki_context(TLS_CLIENT, TLS_PEER_REQUIRED, NULL, &w->ours);
    struct http_call_options options = call_options(w, HTTP_GET, "/", url);
    options.timeout_ms = 50;
    call(w, &options);
    assert_int_equal(w->err, ERR_TIMEOUT);
}

static void test_nobody_there(void **state)
{
    struct world *w = *state;
    char url[256];
    serve(w, &w->server_identity, NULL);
    w->client_tls = pki_context(TLS_CLIENT, TLS_PEER_REQUIRED, NULL, &w->ours);
    struct http_call_options options = call_options(w, HTTP_GET, "/", url);
    http_server_close(w->server);
    w->server = NULL;
    call(w, &options);
    assert_int_equal(w->err, ERR_UNREACHABLE);
}

static void test_server_drops_those_who_say_nothing(void **state)
{
    struct world *w = *state;
    serve(w, &w->server_identity, &(struct http_server_options){.timeout_ms = 40, .connections_max = 2});
    const struct stream_connect_options options = {.remote = http_server_addr(w->server)};
    struct end silent[3];
    for (size_t i = 0; i < 3; i++) {
        end_init(&silent[i], &w->ends);
        assert_int_equal(stream_connect(w->ends.loop, &options, &end_handler, &silent[i], &silent[i].stream), 0);
    }
    for (size_t i = 0; i < 3; i++)
        TURN_UNTIL(&w->ends, silent[i].closed);
    const struct http_server_counters *counters = http_server_counters(w->server);
    assert_int_equal(counters->connections, 3);
    assert_true(counters->connections_full >= 1);
    assert_int_equal(counters->handshakes_failed, 3);
    assert_int_equal(counters->requests, 0);
    for (size_t i = 0; i < 3; i++)
        end_fini(&silent[i]);
}

static void test_ipv6(void **state)
{
    struct world *w = *state;
    struct identity identity;
    char url[256];
    identity_init(&identity, &w->ours, "server@example.com", "::1", -1, 30);
    w->server_tls = pki_context(TLS_SERVER, TLS_PEER_OPTIONAL, &identity, &w->ours);
    w->client_tls = pki_context(TLS_CLIENT, TLS_PEER_REQUIRED, NULL, &w->ours);
    const struct http_server_options options = {.bind = {.family = 6, .ip = {[15] = 1}}, .tls = w->server_tls};
    w->hold = true;
    assert_int_equal(http_server_open(w->ends.loop, &options, on_request, w, &w->server), 0);
    struct http_call_options call_to = call_options(w, HTTP_GET, "/", url);
    sprintf(url, "https://[::1]:%u/", http_server_addr(w->server).port);
    send_call(w, &call_to);
    TURN_UNTIL(&w->ends, w->held);
    struct addr peer = http_request_peer(w->held);
    assert_int_equal(peer.family, 6);
    http_reply(w->held, 200, "text/plain", slice_str("six"));
    TURN_UNTIL(&w->ends, w->answers == 1);
    assert_body(w, "six");
    identity_fini(&identity);
}

static void test_bad_urls(void **state)
{
    struct world *w = *state;
    static const char *const urls[] = {"",           "http://127.0.0.1/", "https://",         "https:///x",
                                       "127.0.0.1",  "https://a:70000/",  "https://u@host/x", "https://a b/",
                                       "https://a:0"};
    w->client_tls = pki_context(TLS_CLIENT, TLS_PEER_REQUIRED, NULL, &w->ours);
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        const struct http_call_options options = {.tls = w->client_tls, .url = urls[i]};
        assert_int_equal(http_call(w->ends.loop, &options, on_answer, w, &w->call), ERR_SYNTAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_get_and_post, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_certificate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_certificate_of_foreign_authority, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_server_of_foreign_authority, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_server_expired, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_server_of_other_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_body_too_large, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_answer_too_large, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_answer_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_gone_before_the_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_server_drops_those_who_say_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ipv6, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_urls, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
