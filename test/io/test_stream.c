/* Plain TCP streams over real sockets: addresses, limits, queues, and every way in which one may end. */
#include "ends.h"
#include "testing.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int set_up(void **state)
{
    *state = malloc(sizeof(struct ends));
    ends_init(*state);
    return 0;
}

static int tear_down(void **state)
{
    ends_fini(*state);
    free(*state);
    return 0;
}

static void assert_all_zero_but_ready(const struct stream_counters *counters)
{
    for (size_t i = 0; i < STREAM_REASON_COUNT; i++)
        assert_int_equal(COUNTERS_VALUES(counters)[i], 0);
}

static void exchange(struct ends *ends, const char *bind, const char *local)
{
    struct listener_options options = {.bind = addr_of(bind)};
    options.bind.port = 0;
    ends->template.echo = true;
    ends_listen(ends, NULL, &options);
    struct stream_connect_options connect = ends_connect_options(ends, NULL);
    if (local) {
        connect.local = addr_of(local);
        connect.local.port = 0;
    }
    ends_connect(ends, &connect);
    TURN_UNTIL(ends, ends->client.ready);
    assert_int_equal(stream_write(ends->client.stream, slice_str("hello, ")), 0);
    assert_int_equal(stream_write(ends->client.stream, slice_str("world")), 0);
    assert_int_equal(stream_queued(ends->client.stream), 12);
    TURN_UNTIL(ends, ends->client.received.n == 12);
    assert_slice_text(buf_slice(&ends->client.received), "hello, world");
    assert_int_equal(ends->client.drained, 1);
    struct addr seen = stream_peer_addr(ends->accepted[0].stream), mine = stream_local_addr(ends->client.stream);
    assert_true(addr_eq(&seen, &mine));
    if (local) {
        struct addr wanted = addr_of(local);
        assert_memory_equal(wanted.ip, seen.ip, sizeof seen.ip);
    }
    assert_int_equal(ends->server_counters.accepted, 1);
    assert_int_equal(ends->client_counters.connected, 1);
    assert_int_equal(ends->client_counters.octets_out, 12);
    assert_int_equal(ends->server_counters.octets_in, 12);
    assert_all_zero_but_ready(&ends->server_counters);
    assert_all_zero_but_ready(&ends->client_counters);
    stream_close(ends->client.stream);
    ends->client.stream = NULL;
    TURN_UNTIL(ends, ends->accepted[0].closed);
    assert_int_equal(ends->accepted[0].reason, STREAM_PEER_CLOSED);
    assert_int_equal(ends->server_counters.peer_closed, 1);
    assert_int_equal(listener_connections(ends->listener), 0);
}

static void test_ipv4(void **state)
{
    exchange(*state, "127.0.0.1:1", NULL);
}

static void test_ipv4_from_own_address(void **state)
{
    exchange(*state, "127.1.2.1:1", "127.1.3.7:1");
}

static void test_ipv6(void **state)
{
    exchange(*state, "[::1]:1", "[::1]:1");
}

static void assert_fails(struct ends *ends, const struct stream_connect_options *options, enum stream_reason reason)
{
    ends_connect(ends, options);
    TURN_UNTIL(ends, ends->client.closed);
    assert_false(ends->client.ready);
    assert_int_equal(ends->client.reason, reason);
    assert_int_equal(COUNTERS_VALUES(&ends->client_counters)[reason], 1);
}

static void test_refused(void **state)
{
    struct ends *ends = *state;
    ends_listen(ends, NULL, NULL);
    struct stream_connect_options options = ends_connect_options(ends, NULL);
    listener_close(ends->listener);
    ends->listener = NULL;
    assert_fails(ends, &options, STREAM_REFUSED);
}

static void test_local_address_not_ours(void **state)
{
    struct ends *ends = *state;
    ends_listen(ends, NULL, NULL);
    struct stream_connect_options options = ends_connect_options(ends, NULL);
    options.local = addr_of("192.0.2.1:1");
    assert_fails(ends, &options, STREAM_UNREACHABLE);
}

/* A full backlog does not answer: the kernel drops further connection requests. */
static void test_connect_timeout(void **state)
{
    struct ends *ends = *state;
    ends_listen(ends, NULL, &(struct listener_options){.backlog = 1});
    struct stream_connect_options options = ends_connect_options(ends, NULL);
    options.stream.connect_timeout_ms = 30;
    struct stream *streams[8];
    struct end filling[8];
    unsigned timeouts = 0;
    /* The loop must not accept: a second loop holds the clients. */
    struct ends others;
    ends_init(&others);
    for (size_t i = 0; i < 8; i++) {
        end_init(&filling[i], &others);
        assert_int_equal(stream_connect(others.loop, &options, &end_handler, &filling[i], &streams[i]), 0);
        filling[i].stream = streams[i];
        TURN_UNTIL(&others, filling[i].ready || filling[i].closed);
        if (filling[i].closed) {
            assert_int_equal(filling[i].reason, STREAM_CONNECT_TIMEOUT);
            timeouts++;
        }
    }
    assert_true(timeouts > 0);
    assert_int_equal(ends->client_counters.connect_timeout, timeouts);
    for (size_t i = 0; i < 8; i++)
        end_fini(&filling[i]);
    ends_fini(&others);
}

static void test_reset(void **state)
{
    struct ends *ends = *state;
    ends_listen(ends, NULL, NULL);
    struct addr addr = listener_addr(ends->listener);
    struct sockaddr_in {
        uint16_t family, port;
        uint8_t ip[4], pad[8];
    } remote = {.family = AF_INET};
    remote.port = (uint16_t)(addr.port << 8 | addr.port >> 8);
    memcpy(remote.ip, addr.ip, 4);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (void *)&remote, sizeof remote), 0);
    TURN_UNTIL(ends, ends->accepted_count == 1 && ends->accepted[0].ready);
    struct linger abortive = {1, 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &abortive, sizeof abortive), 0);
    close(fd);
    TURN_UNTIL(ends, ends->accepted[0].closed);
    assert_int_equal(ends->accepted[0].reason, STREAM_RESET);
}

static void test_close_in_each_callback(void **state)
{
    struct ends *ends = *state;
    for (unsigned kind = 0; kind < 4; kind++) {
        memset(&ends->template, 0, sizeof ends->template);
        ends->template.close_on_ready = kind == 0;
        ends->template.close_on_input = kind == 1;
        ends->template.finish_on_input = kind == 2;
        ends_listen(ends, NULL, NULL);
        struct stream_connect_options options = ends_connect_options(ends, NULL);
        ends->client.close_on_ready = kind == 3;
        ends_connect(ends, &options);
        TURN_UNTIL(ends, ends->client.ready || ends->client.closed);
        if (kind != 3 && ends->client.stream) {
            assert_int_equal(stream_write(ends->client.stream, slice_str("x")), 0);
            TURN_UNTIL(ends, ends->client.closed);
        }
        TURN_UNTIL(ends, ends->accepted_count == kind + 1 && !ends->accepted[kind].stream);
        listener_close(ends->listener);
        ends->listener = NULL;
        end_fini(&ends->client);
        end_init(&ends->client, ends);
    }
}

#define LARGE_OCTETS (8u << 20)

static void test_large_writes_and_finish(void **state)
{
    struct ends *ends = *state;
    ends_listen(ends, NULL, &(struct listener_options){.stream.queue_octets_max = LARGE_OCTETS});
    struct stream_connect_options options = ends_connect_options(ends, NULL);
    options.stream.queue_octets_max = LARGE_OCTETS;
    ends_connect(ends, &options);
    uint8_t *large = malloc(LARGE_OCTETS);
    for (size_t i = 0; i < LARGE_OCTETS; i++)
        large[i] = (uint8_t)(i * 31 + (i >> 12));
    assert_int_equal(stream_write(ends->client.stream, slice_of(large, 1)), ERR_WRONG_STATE);
    TURN_UNTIL(ends, ends->client.ready);
    assert_int_equal(stream_write(ends->client.stream, slice_of(large, LARGE_OCTETS + 1)), ERR_LIMIT);
    assert_int_equal(stream_queued(ends->client.stream), 0);
    assert_int_equal(stream_write(ends->client.stream, slice_of(large, LARGE_OCTETS)), 0);
    assert_int_equal(stream_write(ends->client.stream, slice_of(large, 1)), ERR_LIMIT);
    /* The owner lets go at once; every octet arrives, and then the end. */
    stream_finish(ends->client.stream);
    ends->client.stream = NULL;
    TURN_UNTIL(ends, ends->accepted_count == 1 && ends->accepted[0].closed);
    assert_int_equal(ends->accepted[0].reason, STREAM_PEER_CLOSED);
    assert_int_equal(ends->accepted[0].received.n, LARGE_OCTETS);
    assert_memory_equal(ends->accepted[0].received.p, large, LARGE_OCTETS);
    assert_false(ends->client.closed);
    free(large);
}

static void test_pause_holds_the_sender_up(void **state)
{
    struct ends *ends = *state;
    ends_listen(ends, NULL, NULL);
    struct stream_connect_options options = ends_connect_options(ends, NULL);
    options.stream.queue_octets_max = LARGE_OCTETS;
    ends_connect(ends, &options);
    TURN_UNTIL(ends, ends->client.ready && ends->accepted_count && ends->accepted[0].ready);
    stream_pause(ends->accepted[0].stream, true);
    uint8_t *large = calloc(1, LARGE_OCTETS);
    assert_int_equal(stream_write(ends->client.stream, slice_of(large, LARGE_OCTETS)), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(loop_turn(ends->loop, false), 0);
    assert_int_equal(ends->accepted[0].received.n, 0);
    assert_true(stream_queued(ends->client.stream) > 0);
    assert_int_equal(ends->client.drained, 0);
    stream_pause(ends->accepted[0].stream, false);
    TURN_UNTIL(ends, ends->accepted[0].received.n == LARGE_OCTETS);
    TURN_UNTIL(ends, ends->client.drained == 1);
    free(large);
}

static void connect_many(struct ends *ends, struct end *clients, size_t n, const char *local)
{
    struct stream_connect_options options = ends_connect_options(ends, NULL);
    options.local = addr_of(local);
    options.local.port = 0;
    for (size_t i = 0; i < n; i++) {
        end_init(&clients[i], ends);
        assert_int_equal(stream_connect(ends->loop, &options, &end_handler, &clients[i], &clients[i].stream), 0);
    }
}

static void test_limits(void **state)
{
    struct ends *ends = *state;
    ends_listen(ends, NULL, &(struct listener_options){.connections_max = 5, .per_source_max = 3});
    struct end first[4], second[4];
    connect_many(ends, first, 4, "127.0.1.1:1");
    TURN_UNTIL(ends, ends->server_counters.limit_source == 1);
    assert_int_equal(listener_connections(ends->listener), 3);
    connect_many(ends, second, 4, "127.0.1.2:1");
    TURN_UNTIL(ends, ends->server_counters.limit_connections == 2);
    assert_int_equal(listener_connections(ends->listener), 5);
    assert_int_equal(ends->server_counters.accepted, 5);
    /* Room again for that source. */
    for (size_t i = 0; i < 4; i++)
        end_fini(&first[i]);
    TURN_UNTIL(ends, listener_connections(ends->listener) == 2);
    connect_many(ends, first, 3, "127.0.1.1:1");
    TURN_UNTIL(ends, listener_connections(ends->listener) == 5);
    for (size_t i = 0; i < 3; i++)
        end_fini(&first[i]);
    for (size_t i = 0; i < 4; i++)
        end_fini(&second[i]);
}

/* Without descriptors the listener waits, and goes on by itself when there are some again. */
static void test_out_of_descriptors(void **state)
{
    struct ends *ends = *state;
    struct rlimit before, scarce;
    struct end clients[4];
    ends_listen(ends, NULL, NULL);
    connect_many(ends, clients, 4, "127.0.0.1:1");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    scarce = before;
    scarce.rlim_cur = (rlim_t)dup(0); /* the lowest that is free: nothing more can be opened */
    close((int)scarce.rlim_cur);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &scarce), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(loop_turn(ends->loop, false), 0);
    assert_int_equal(ends->accepted_count, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    TURN_UNTIL(ends, ends->accepted_count == 4);
    for (size_t i = 0; i < 4; i++)
        end_fini(&clients[i]);
}

static void test_streams_outlive_the_listener(void **state)
{
    struct ends *ends = *state;
    ends->template.echo = true;
    ends_listen(ends, NULL, NULL);
    struct stream_connect_options options = ends_connect_options(ends, NULL);
    ends_connect(ends, &options);
    TURN_UNTIL(ends, ends->client.ready && ends->accepted_count);
    listener_close(ends->listener);
    ends->listener = NULL;
    assert_int_equal(stream_write(ends->client.stream, slice_str("still there")), 0);
    TURN_UNTIL(ends, ends->client.received.n == 11);
}

static void test_address_in_use(void **state)
{
    struct ends *ends = *state;
    ends_listen(ends, NULL, NULL);
    struct listener *second;
    struct listener_options options = {.bind = listener_addr(ends->listener)};
    assert_int_equal(listener_open(ends->loop, &options, NULL, NULL, &second), ERR_EXISTS);
    options.bind = addr_of("192.0.2.1:4000");
    assert_int_equal(listener_open(ends->loop, &options, NULL, NULL, &second), ERR_UNREACHABLE);
}

/* Nothing is acknowledged while the other side does not read and all buffers are full. */
static void test_acknowledge_timeout(void **state)
{
    struct ends *ends = *state;
    static const uint8_t octets[1u << 20];
    ends_listen(ends, NULL, NULL);
    struct stream_connect_options options = ends_connect_options(ends, NULL);
    options.stream.acknowledge_timeout_ms = 50;
    options.stream.queue_octets_max = 16u << 20;
    ends_connect(ends, &options);
    TURN_UNTIL(ends, ends->client.ready && ends->accepted_count && ends->accepted[0].ready);
    stream_pause(ends->accepted[0].stream, true);
    for (int i = 0; i < 16; i++)
        assert_int_equal(stream_write(ends->client.stream, slice_of(octets, sizeof octets)), 0);
    TURN_UNTIL(ends, ends->client.closed);
    assert_int_equal(ends->client.reason, STREAM_RESET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ipv4, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ipv4_from_own_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ipv6, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_local_address_not_ours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_connect_timeout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_close_in_each_callback, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_writes_and_finish, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pause_holds_the_sender_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_out_of_descriptors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_streams_outlive_the_listener, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_address_in_use, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_acknowledge_timeout, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
