/* UDP sockets of the loopback interface: batches, both families, where datagrams came to, and what the network says. */
#include "io/udp.h"
#include "testing.h"

#include <errno.h>
#include <stdlib.h>

struct socket {
    struct udp *udp;
    struct udp_counters counters;
    unsigned received;
    size_t last_octets;
    struct addr last_peer, last_local;
    uint8_t first[8]; /* octet of the first datagrams */
    unsigned failed;
    struct addr failed_peer;
    int failed_number;
    bool close_on_input;
    bool close_on_failure;
};

struct world {
    struct loop *loop;
    struct socket a, b;
};

static void input(void *arg, struct udp *udp, const struct addr *peer, const struct addr *local, struct slice octets)
{
    struct socket *s = arg;
    assert_ptr_equal(s->udp, udp);
    if (s->received < sizeof s->first && octets.n)
        s->first[s->received] = octets.p[0];
    s->received++;
    s->last_octets = octets.n;
    s->last_peer = *peer;
    s->last_local = *local;
    if (s->close_on_input) {
        udp_close(udp);
        s->udp = NULL;
    }
}

static void failed(void *arg, struct udp *udp, const struct addr *peer, int number)
{
    struct socket *s = arg;
    assert_ptr_equal(s->udp, udp);
    s->failed++;
    s->failed_peer = *peer;
    s->failed_number = number;
    if (s->close_on_failure) {
        udp_close(udp);
        s->udp = NULL;
    }
}

static const struct udp_handler handler = {.input = input, .failed = failed};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_int_equal(loop_new(&w->loop), 0);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    udp_close(w->a.udp);
    udp_close(w->b.udp);
    loop_free(w->loop);
    free(w);
    return 0;
}

static struct addr addr_of(const char *text)
{
    struct addr addr;
    assert_int_equal(addr_parse(slice_str(text), 0, &addr), 0);
    return addr;
}

static void open_at(struct world *w, struct socket *s, const char *bind, const struct udp_limits *limits)
{
    struct udp_options options = {.counters = &s->counters};
    assert_int_equal(addr_parse(slice_str(bind), 1, &options.bind), 0);
    options.bind.port = 0;
    udp_limits_init(&options.limits);
    if (limits)
        options.limits = *limits;
    assert_int_equal(udp_open(w->loop, &options, &handler, s, &s->udp), 0);
}

#define TURN_UNTIL(w, condition)                             \
    do {                                                     \
        for (int i_ = 0; i_ < 10000 && !(condition); i_++)   \
            assert_int_equal(loop_turn((w)->loop, true), 0); \
        assert_true(condition);                              \
    } while (0)

static void exchange(struct world *w, const char *bind)
{
    open_at(w, &w->a, bind, NULL);
    open_at(w, &w->b, bind, NULL);
    struct addr a = udp_addr(w->a.udp), b = udp_addr(w->b.udp);
    assert_int_equal(udp_send(w->a.udp, &b, slice_str("1 first")), 0);
    assert_int_equal(udp_send(w->a.udp, &b, slice_str("2")), 0);
    assert_int_equal(udp_send(w->a.udp, &b, slice_str("")), 0);
    assert_int_equal(w->a.counters.datagrams_out, 0); /* not before the end of the turn */
    TURN_UNTIL(w, w->b.received == 3);
    assert_memory_equal(w->b.first, "12", 2);
    assert_int_equal(w->b.last_octets, 0);
    assert_true(addr_eq(&w->b.last_peer, &a));
    assert_true(addr_eq(&w->b.last_local, &b));
    assert_int_equal(w->a.counters.datagrams_out, 3);
    assert_int_equal(w->a.counters.octets_out, 8);
    assert_int_equal(w->b.counters.octets_in, 8);
}

static void test_ipv4(void **state)
{
    exchange(*state, "127.0.0.1:1");
}

static void test_ipv6(void **state)
{
    exchange(*state, "[::1]:1");
}

static void test_where_it_came_to(void **state)
{
    struct world *w = *state;
    open_at(w, &w->a, "127.0.0.1:1", NULL);
    open_at(w, &w->b, "0.0.0.0:1", NULL);
    struct addr to = addr_of("127.5.6.7:1");
    to.port = udp_addr(w->b.udp).port;
    assert_int_equal(udp_send(w->a.udp, &to, slice_str("x")), 0);
    TURN_UNTIL(w, w->b.received == 1);
    assert_true(addr_eq(&w->b.last_local, &to));
    udp_close(w->a.udp);
    udp_close(w->b.udp);
    w->b.received = 0;
    open_at(w, &w->a, "[::1]:1", NULL);
    open_at(w, &w->b, "[::]:1", NULL);
    to = addr_of("[::1]:1");
    to.port = udp_addr(w->b.udp).port;
    assert_int_equal(udp_send(w->a.udp, &to, slice_str("x")), 0);
    TURN_UNTIL(w, w->b.received == 1);
    assert_true(addr_eq(&w->b.last_local, &to));
}

/* Many datagrams at once arrive, in their order of sending, but only so many in a turn. */
static void test_batches(void **state)
{
    struct world *w = *state;
    struct udp_limits limits;
    udp_limits_init(&limits);
    limits.datagrams_per_turn = 50;
    open_at(w, &w->a, "127.0.0.1:1", NULL);
    open_at(w, &w->b, "127.0.0.1:1", &limits);
    struct addr b = udp_addr(w->b.udp);
    static const uint8_t octets[1000] = {'x'};
    for (int i = 0; i < 120; i++)
        assert_int_equal(udp_send(w->a.udp, &b, slice_of(octets, sizeof octets - (size_t)i)), 0);
    assert_int_equal(loop_turn(w->loop, false), 0); /* sends all; the loopback delivers at once */
    assert_int_equal(w->a.counters.datagrams_out, 120);
    static const unsigned after[] = {50, 100, 120};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(loop_turn(w->loop, false), 0);
        assert_int_equal(w->b.received, after[i]);
        assert_int_equal(w->b.last_octets, 1000 - after[i] + 1);
    }
}

static void test_nobody_listens(void **state)
{
    struct world *w = *state;
    open_at(w, &w->a, "127.0.0.1:1", NULL);
    open_at(w, &w->b, "127.0.0.1:1", NULL);
    struct addr b = udp_addr(w->b.udp);
    udp_close(w->b.udp);
    w->b.udp = NULL;
    assert_int_equal(udp_send(w->a.udp, &b, slice_str("x")), 0);
    TURN_UNTIL(w, w->a.failed == 1);
    assert_true(addr_eq(&w->a.failed_peer, &b));
    assert_int_equal(w->a.failed_number, ECONNREFUSED);
    assert_int_equal(w->a.counters.refused, 1);
}

/* An answer from elsewhere does not lose what is sent to others. */
static void test_refusals_hurt_nobody_else(void **state)
{
    struct world *w = *state;
    open_at(w, &w->a, "127.0.0.1:1", NULL);
    open_at(w, &w->b, "127.0.0.1:1", NULL);
    struct addr gone = udp_addr(w->b.udp);
    udp_close(w->b.udp);
    open_at(w, &w->b, "127.0.0.1:1", NULL);
    struct addr b = udp_addr(w->b.udp);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(udp_send(w->a.udp, &gone, slice_str("x")), 0);
        assert_int_equal(udp_send(w->a.udp, &b, slice_str("x")), 0);
        assert_int_equal(loop_turn(w->loop, false), 0);
    }
    TURN_UNTIL(w, w->b.received == 20);
    assert_true(w->a.failed > 0);
    assert_true(addr_eq(&w->a.failed_peer, &gone));
}

/* From 127.0.0.1 there is no way out: the kernel says so when it is asked to send. */
static void test_no_way(void **state)
{
    struct world *w = *state;
    open_at(w, &w->a, "127.0.0.1:1", NULL);
    open_at(w, &w->b, "127.0.0.1:1", NULL);
    struct addr away = addr_of("255.255.255.255:9"), b = udp_addr(w->b.udp), six = addr_of("[::1]:9");
    assert_int_equal(udp_send(w->a.udp, &six, slice_str("x")), ERR_RANGE);
    assert_int_equal(udp_send(w->a.udp, &away, slice_str("x")), 0);
    assert_int_equal(udp_send(w->a.udp, &b, slice_str("x")), 0);
    TURN_UNTIL(w, w->b.received == 1);
    assert_int_equal(w->a.failed, 1);
    assert_true(addr_eq(&w->a.failed_peer, &away));
    assert_int_equal(w->a.counters.send_failed, 1);
}

static void test_queue_is_bounded(void **state)
{
    struct world *w = *state;
    struct udp_limits limits;
    udp_limits_init(&limits);
    limits.queue_octets_max = 10;
    open_at(w, &w->a, "127.0.0.1:1", &limits);
    open_at(w, &w->b, "127.0.0.1:1", NULL);
    struct addr b = udp_addr(w->b.udp);
    assert_int_equal(udp_send(w->a.udp, &b, slice_str("12345678")), 0);
    assert_int_equal(udp_send(w->a.udp, &b, slice_str("123")), ERR_LIMIT);
    assert_int_equal(udp_send(w->a.udp, &b, slice_str("12")), 0);
    TURN_UNTIL(w, w->b.received == 2);
    assert_int_equal(udp_send(w->a.udp, &b, slice_str("123")), 0); /* room again */
    assert_int_equal(w->a.counters.queue_full, 1);
    TURN_UNTIL(w, w->b.received == 3);
}

static void test_closed_in_a_callback(void **state)
{
    struct world *w = *state;
    open_at(w, &w->a, "127.0.0.1:1", NULL);
    open_at(w, &w->b, "127.0.0.1:1", NULL);
    struct addr b = udp_addr(w->b.udp);
    w->b.close_on_input = true;
    for (int i = 0; i < 3; i++)
        assert_int_equal(udp_send(w->a.udp, &b, slice_str("x")), 0);
    TURN_UNTIL(w, w->b.received);
    assert_int_equal(w->b.received, 1);
    w->a.close_on_failure = true;
    for (int i = 0; i < 3; i++)
        assert_int_equal(udp_send(w->a.udp, &b, slice_str("x")), 0);
    TURN_UNTIL(w, w->a.failed);
    assert_int_equal(w->a.failed, 1);
    assert_null(w->a.udp);
}

/* What was sent before the end leaves. */
static void test_close_sends(void **state)
{
    struct world *w = *state;
    open_at(w, &w->a, "127.0.0.1:1", NULL);
    open_at(w, &w->b, "127.0.0.1:1", NULL);
    struct addr b = udp_addr(w->b.udp);
    assert_int_equal(udp_send(w->a.udp, &b, slice_str("x")), 0);
    udp_close(w->a.udp);
    w->a.udp = NULL;
    TURN_UNTIL(w, w->b.received == 1);
}

static void test_open_errors(void **state)
{
    struct world *w = *state;
    struct udp *udp;
    open_at(w, &w->a, "127.0.0.1:1", NULL);
    struct udp_options options = {.bind = udp_addr(w->a.udp)};
    udp_limits_init(&options.limits);
    assert_int_equal(udp_open(w->loop, &options, &handler, NULL, &udp), ERR_EXISTS);
    options.bind = addr_of("192.0.2.1:9");
    assert_int_equal(udp_open(w->loop, &options, &handler, NULL, &udp), ERR_UNREACHABLE);
    options.bind.family = 0;
    assert_int_equal(udp_open(w->loop, &options, &handler, NULL, &udp), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ipv4, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ipv6, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_where_it_came_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_batches, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_listens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals_hurt_nobody_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_queue_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_closed_in_a_callback, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_close_sends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_open_errors, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
