/* Peers that are hostile before they have shown who they are: half-open connections, floods of handshakes, and what they cost others. */
#include "io/handshakes.h"
#include "io/tls_private.h"
#include "meet.h"
#include "testing.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS_MAX 1100

struct flood {
    struct meeting *m;
    struct handshakes *handshakes;
    int sockets[SOCKETS_MAX];
    size_t n;
};

static const char *first_address; /* that goes first; NULL: none */

static bool goes_first(void *arg, const struct addr *peer)
{
    char text[ADDR_TEXT_OCTETS];
    (void)arg;
    return first_address && strcmp(addr_format_ip(peer, text), first_address) == 0;
}

static int set_up(void **state)
{
    struct flood *f = calloc(1, sizeof *f);
    first_address = NULL;
    *state = f;
    return meeting_set_up((void **)&f->m);
}

static int tear_down(void **state)
{
    struct flood *f = *state;
    for (size_t i = 0; i < f->n; i++)
        close(f->sockets[i]);
    listener_close(f->m->ends.listener);
    f->m->ends.listener = NULL;
    for (size_t i = 0; i < f->m->ends.accepted_count; i++)
        end_fini(&f->m->ends.accepted[i]);
    f->m->ends.accepted_count = 0;
    handshakes_free(f->handshakes);
    meeting_tear_down((void **)&f->m);
    free(f);
    return 0;
}

/* A server with these limits; the silent ones are not to end by time. */
static void serve(struct flood *f, const struct handshakes_config *config)
{
    struct meeting *m = f->m;
    meeting_set(m, NULL, NULL);
    listener_close(m->ends.listener);
    assert_int_equal(handshakes_new(m->ends.loop, config, &f->handshakes), 0);
    const struct listener_options options = {.handshakes = f->handshakes,
                                             .goes_first = goes_first,
                                             .per_source_max = SOCKETS_MAX,
                                             .stream.handshake_timeout_ms = 600000};
    ends_listen(&m->ends, m->server_context, &options);
}

/* One more connection from 127.0.0.last. */
static int connect_from(struct flood *f, unsigned last)
{
    struct addr to = listener_addr(f->m->ends.listener);
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000 | last)};
    struct sockaddr_in far = {
        .sin_family = AF_INET, .sin_port = htons(to.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof from), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&far, sizeof far), 0);
    assert_true(f->n < SOCKETS_MAX);
    f->sockets[f->n++] = fd;
    return fd;
}

static uint64_t judged(const struct flood *f)
{
    const struct stream_counters *c = &f->m->ends.server_counters;
    return c->accepted + c->limit_handshakes + c->limit_connections + c->limit_source;
}

/* All that have connected were accepted or turned away. */
static void wait_for_all(struct flood *f, uint64_t n)
{
    TURN_UNTIL(&f->m->ends, judged(f) >= n);
}

static void assert_met(struct flood *f)
{
    assert_non_null(meet(f->m, "a.example"));
}

/* What nobody says anything on costs no memory of TLS, and keeps nobody out. */
static void test_half_open(void **state)
{
    struct flood *f = *state;
    struct handshakes_config config;
    handshakes_config_init(&config);
    serve(f, &config);
    for (unsigned i = 0; i < 48; i++)
        connect_from(f, 2 + i);
    wait_for_all(f, 48);
    assert_int_equal(handshakes_at_once(f->handshakes), 48);
    for (size_t i = 0; i < 48; i++)
        assert_null(stream_tls_version(f->m->ends.accepted[i].stream));
    assert_met(f);
    assert_int_equal(handshakes_at_once(f->handshakes), 48);
    close(f->sockets[0]); /* one ends without a word */
    f->sockets[0] = dup(f->sockets[1]);
    TURN_UNTIL(&f->m->ends, f->m->ends.accepted[0].closed);
    assert_int_equal(f->m->ends.accepted[0].reason, STREAM_PEER_CLOSED);
    assert_int_equal(write(f->sockets[1], "GET", 3), 3); /* and one speaks something else */
    TURN_UNTIL(&f->m->ends, f->m->ends.accepted[1].closed);
    assert_int_equal(f->m->ends.accepted[1].reason, STREAM_TLS_PROTOCOL);
    assert_int_equal(handshakes_at_once(f->handshakes), 46);
}

/* With as many as may be, the longest one gives way once it had its time; until then the new one does. */
static void test_giving_way(void **state)
{
    struct flood *f = *state;
    struct handshakes_config config;
    struct meeting *m = f->m;
    handshakes_config_init(&config);
    config.at_once_max = 4;
    config.spare_ms = 3600000;
    serve(f, &config);
    for (unsigned i = 0; i < 6; i++)
        connect_from(f, 2 + i);
    wait_for_all(f, 6);
    assert_int_equal(m->ends.server_counters.accepted, 4);
    assert_int_equal(m->ends.server_counters.limit_handshakes, 2);
    assert_null(meet(m, "a.example"));
    first_address = "127.0.0.1"; /* who goes first is let in all the same */
    assert_met(f);
    first_address = NULL;
    assert_met(f); /* and it has proved itself */
    assert_int_equal(handshakes_at_once(f->handshakes), 4);
}

static void test_giving_way_after_a_time(void **state)
{
    struct flood *f = *state;
    struct handshakes_config config;
    struct meeting *m = f->m;
    handshakes_config_init(&config);
    config.at_once_max = 4;
    config.spare_ms = 0;
    serve(f, &config);
    for (unsigned i = 0; i < 6; i++)
        connect_from(f, 2 + i);
    wait_for_all(f, 8); /* two ended */
    assert_int_equal(m->ends.server_counters.accepted, 6);
    assert_int_equal(m->ends.server_counters.limit_handshakes, 2);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(m->ends.accepted[i].closed, i < 2);
        assert_true(i >= 2 || m->ends.accepted[i].reason == STREAM_LIMIT_HANDSHAKES);
    }
    assert_met(f);
    assert_int_equal(handshakes_at_once(f->handshakes), 3);
}

/* One source that comes too often is turned away before anything is spent on it; others are not. */
static void test_rate_of_a_source(void **state)
{
    struct flood *f = *state;
    struct handshakes_config config;
    handshakes_config_init(&config);
    config.source_per_second = 0; /* nothing but the burst */
    config.source_burst = 3;
    serve(f, &config);
    for (unsigned i = 0; i < 10; i++)
        connect_from(f, 2);
    wait_for_all(f, 10);
    assert_int_equal(f->m->ends.server_counters.accepted, 3);
    assert_int_equal(f->m->ends.server_counters.limit_handshakes, 7);
    for (unsigned i = 0; i < 10; i++) /* good sources have no such limit, after the first time */
        assert_met(f);
}

/* So many begin in a second: the others wait, and then they are served. */
static void test_putting_off(void **state)
{
    struct flood *f = *state;
    struct handshakes_config config;
    handshakes_config_init(&config);
    config.per_second = 50;
    config.burst = 1;
    config.first_per_second = 0;
    serve(f, &config);
    for (unsigned i = 0; i < 10; i++) /* together, so that tokens do not come as fast */
        assert_int_equal(write(connect_from(f, 2 + i), "\x16\x03\x01", 3), 3);
    TURN_UNTIL(&f->m->ends, f->m->ends.server_counters.handshakes_put_off > 0);
    TURN_UNTIL(&f->m->ends, f->m->ends.accepted_count == 10 && handshakes_waiting(f->handshakes) == 0);
    assert_int_equal(handshakes_at_once(f->handshakes), 10); /* under way, all of them */
    assert_met(f);
}

/* Who goes first does not wait behind those who do not. */
static void test_going_first(void **state)
{
    struct flood *f = *state;
    struct handshakes_config config;
    struct meeting *m = f->m;
    handshakes_config_init(&config);
    config.per_second = 0; /* strangers wait for good */
    config.burst = 1;
    config.first_per_second = 100;
    serve(f, &config);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(write(connect_from(f, 2 + i), "\x16\x03\x01", 3), 3);
    TURN_UNTIL(&m->ends, handshakes_waiting(f->handshakes) == 19); /* one had the token */
    assert_int_equal(m->ends.server_counters.handshakes_put_off, 19);
    first_address = "127.0.0.1";
    for (unsigned i = 0; i < 5; i++)
        assert_met(f);
    assert_int_equal(handshakes_waiting(f->handshakes), 19);
    for (size_t i = 0; i < f->n; i++)
        shutdown(f->sockets[i], SHUT_WR); /* which is not looked at before their turn */
    assert_met(f);
}

/* ---- after the handshake ---- */

/* New keys again and again cost us more than the other side. */
static void test_flood_of_new_keys(void **state)
{
    struct flood *f = *state;
    struct meeting *m = f->m;
    meeting_set(m, NULL, NULL);
    assert_met(f);
    SSL *ssl = SSL_new(m->client_context->ssl_context);
    int fd = connect_from(f, 1);
    SSL_set_fd(ssl, fd);
    SSL_set_connect_state(ssl);
    BIO_socket_nbio(fd, 1);
    size_t accepted = m->ends.accepted_count;
    for (int done = 0; !done; ends_turn(&m->ends, __LINE__))
        done = SSL_do_handshake(ssl) == 1;
    TURN_UNTIL(&m->ends, m->ends.accepted_count > accepted && meeting_last(m)->ready);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(ssl), 1);
    }
    assert_int_equal(SSL_write(ssl, "still here", 10), 10);
    TURN_UNTIL(&m->ends, meeting_last(m)->received.n == 10);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(ssl), 1);
    }
    TURN_UNTIL(&m->ends, meeting_last(m)->closed);
    assert_int_equal(meeting_last(m)->reason, STREAM_TLS_FLOOD);
    assert_int_equal(m->ends.server_counters.tls_flood, 1);
    SSL_free(ssl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_half_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_giving_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_giving_way_after_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rate_of_a_source, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_putting_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_going_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_flood_of_new_keys, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
