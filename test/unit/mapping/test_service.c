/* Both ends of the mapping service in virtual time: what is asked once, what is remembered, what ends when, and what a call hears when the service
 * is full, away, slow or talks nonsense. */
#include "mapping/client.h"
#include "mapping/server.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

#define RESULTS_MAX 64

struct scene {
    struct now now;
    struct mapping_server *server;
    struct mapping_client *client;
    bool open[65536];
    bool taken[65536]; /* another program listens there */
    unsigned asked;    /* requests that reached the server */
    unsigned connects;
    bool away;   /* nobody listens */
    bool silent; /* somebody does, and never answers */
    bool connected;
    struct mapping_client_effect results[RESULTS_MAX];
    unsigned result_count;
};

static struct addr addr(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(slice_str(text), 0, &a), 0);
    return a;
}

static bool may_call(void *ctx, const struct addr *far)
{
    (void)ctx;
    return far->ip[0] != 127;
}

static int open_port(void *ctx, const struct addr *inside)
{
    struct scene *s = ctx;
    assert_false(s->open[inside->port]);
    if (s->taken[inside->port])
        return ERR_EXISTS;
    s->open[inside->port] = true;
    return 0;
}

static void close_port(void *ctx, const struct addr *inside)
{
    struct scene *s = ctx;
    assert_true(s->open[inside->port]);
    s->open[inside->port] = false;
}

static int setup(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    struct mapping_server_config config;
    struct mapping_client_config client;
    const struct mapping_port port = {s, may_call, open_port, close_port};
    assert_non_null(s);
    s->now = (struct now){{1000000}, {INT64_C(1700000000000)}};
    mapping_server_config_init(&config);
    assert_int_equal(mapping_server_new(&config, &port, NULL, &s->server), ERR_RANGE); /* there is no pool */
    config.first = addr("10.0.0.5:20000");
    config.count = 4;
    assert_int_equal(mapping_server_new(&config, &port, NULL, &s->server), 0);
    mapping_client_config_init(&client);
    client.far_max = 3;
    assert_int_equal(mapping_client_new(&client, NULL, &s->client), 0);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;
    assert_int_equal(mapping_client_waiting(s->client), 0);
    mapping_client_free(s->client);
    mapping_server_free(s->server);
    for (unsigned i = 0; i < 65536; i++)
        assert_false(s->open[i]);
    free(s);
    return 0;
}

/* A request is handed over in two pieces at a time, and its answer octet by octet. */
static void serve(struct scene *s, struct slice request)
{
    struct buf answer;
    buf_init(&answer, MAPPING_MESSAGE_OCTETS_MAX);
    s->asked++;
    assert_int_equal(mapping_message_octets(request), (int)request.n);
    assert_int_equal(mapping_server_answer(s->server, s->now, request, &answer), 0);
    for (size_t i = 0; i < answer.n && !s->silent; i++)
        mapping_client_input(s->client, s->now, slice_of(answer.p + i, 1));
    buf_fini(&answer);
}

static void drain(struct scene *s)
{
    struct mapping_client_effect e;
    while (mapping_client_next(s->client, &e)) {
        uint8_t copy[MAPPING_MESSAGE_OCTETS_MAX];
        switch (e.kind) {
        case MAPPING_CLIENT_CONNECT:
            s->connects++;
            s->connected = !s->away;
            if (s->connected)
                mapping_client_connected(s->client, s->now);
            else
                mapping_client_closed(s->client, s->now);
            break;
        case MAPPING_CLIENT_SEND:
            assert_true(s->connected);
            memcpy(copy, e.octets.p, e.octets.n);
            serve(s, slice_of(copy, e.octets.n));
            break;
        case MAPPING_CLIENT_DISCONNECT:
            s->connected = false;
            break;
        case MAPPING_CLIENT_RESULT:
            assert_true(s->result_count < RESULTS_MAX);
            s->results[s->result_count++] = e;
            break;
        }
    }
}

static void pass(struct scene *s, int64_t ms)
{
    s->now.mono = mono_after_ms(s->now.mono, ms);
    s->now.wall = wall_after_ms(s->now.wall, ms);
    mapping_server_tick(s->server, s->now);
    mapping_client_tick(s->client, s->now);
    drain(s);
}

/* Asks, and gives what mapping_client_ask gave; the result, if it came, is in the last of s->results. */
static int ask(struct scene *s, const char *far, struct addr *ret_inside)
{
    const struct addr a = addr(far);
    const unsigned before = s->result_count;
    int n = mapping_client_ask(s->client, s->now, &a, 100 + s->result_count, ret_inside);
    drain(s);
    if (!n && s->result_count == before + 1 && !s->results[before].err)
        *ret_inside = s->results[before].inside;
    return n;
}

static void expect_inside(struct scene *s, const char *far, int known, uint16_t port)
{
    struct addr inside = {0}, back;
    assert_int_equal(ask(s, far, &inside), known);
    assert_int_equal(inside.port, port);
    assert_true(s->open[port]);
    assert_true(mapping_server_find(s->server, s->now, &inside, &back));
    const struct addr a = addr(far);
    assert_true(addr_eq(&back, &a));
}

static void expect_error(struct scene *s, const char *far, int err, unsigned code)
{
    struct addr inside;
    assert_int_equal(ask(s, far, &inside), 0);
    assert_true(s->result_count > 0);
    assert_int_equal(s->results[s->result_count - 1].err, err);
    assert_int_equal(s->results[s->result_count - 1].code, code);
}

static void asked_once(void **state)
{
    struct scene *s = *state;
    expect_inside(s, "192.0.2.1:5061", 0, 20000);
    expect_inside(s, "192.0.2.1:5061", 1, 20000);
    expect_inside(s, "192.0.2.1:5062", 0, 20001);
    expect_inside(s, "[2001:db8::1]:5061", 0, 20002);
    assert_int_equal(s->asked, 3);
    assert_int_equal(s->connects, 1);
    assert_int_equal(mapping_server_count(s->server), 3);
}

/* The answer is not used when the inside address may end soon; asking again keeps it. */
static void kept_by_asking(void **state)
{
    struct scene *s = *state;
    expect_inside(s, "192.0.2.1:5061", 0, 20000);
    pass(s, 299999);
    expect_inside(s, "192.0.2.1:5061", 1, 20000);
    pass(s, 1);
    expect_inside(s, "192.0.2.1:5061", 0, 20000);
    pass(s, 599999);
    assert_true(s->open[20000]);
    pass(s, 1);
    assert_false(s->open[20000]);
    assert_int_equal(mapping_server_counters(s->server)->ended, 1);
}

/* Kept by calls; and what has ended stands for nobody else for a while. */
static void ended(void **state)
{
    struct scene *s = *state;
    const struct addr inside = addr("10.0.0.5:20000");
    struct addr far;
    expect_inside(s, "192.0.2.1:5061", 0, 20000);
    pass(s, 599000);
    assert_true(mapping_server_find(s->server, s->now, &inside, &far));
    pass(s, 599000);
    assert_true(s->open[20000]);
    pass(s, 1000);
    assert_false(mapping_server_find(s->server, s->now, &inside, &far));
    expect_inside(s, "192.0.2.2:5061", 0, 20001);
    expect_inside(s, "192.0.2.3:5061", 0, 20002);
    expect_inside(s, "192.0.2.4:5061", 0, 20003);
    expect_error(s, "192.0.2.5:5061", ERR_FORBIDDEN, MAPPING_OVERLOADED);
    pass(s, 60000);
    expect_inside(s, "192.0.2.6:5061", 0, 20000);
}

static void port_taken_by_others(void **state)
{
    struct scene *s = *state;
    s->taken[20000] = s->taken[20002] = true;
    expect_inside(s, "192.0.2.1:5061", 0, 20001);
    expect_inside(s, "192.0.2.2:5061", 0, 20003);
    expect_error(s, "192.0.2.3:5061", ERR_FORBIDDEN, MAPPING_OVERLOADED);
    s->taken[20000] = s->taken[20002] = false;
    pass(s, 60000);
    expect_inside(s, "192.0.2.3:5061", 0, 20000);
}

static void nobody_may_be_called_there(void **state)
{
    struct scene *s = *state;
    expect_error(s, "127.0.0.1:5061", ERR_FORBIDDEN, MAPPING_FORBIDDEN);
    assert_int_equal(mapping_server_count(s->server), 0);
}

/* All who wait hear it at once; and so do those who ask soon after, without another attempt. */
static void service_is_away(void **state)
{
    struct scene *s = *state;
    struct addr inside;
    s->away = true;
    expect_error(s, "192.0.2.1:5061", ERR_UNREACHABLE, 0);
    assert_int_equal(ask(s, "192.0.2.1:5061", &inside), ERR_UNREACHABLE);
    assert_int_equal(s->connects, 1);
    s->away = false;
    pass(s, 5000);
    expect_inside(s, "192.0.2.1:5061", 0, 20000);
    assert_int_equal(s->connects, 2);
}

static void service_hangs(void **state)
{
    struct scene *s = *state;
    struct addr inside;
    s->silent = true;
    assert_int_equal(ask(s, "192.0.2.1:5061", &inside), 0);
    assert_int_equal(ask(s, "192.0.2.1:5061", &inside), 0); /* one request for both */
    assert_int_equal(s->asked, 1);
    assert_int_equal(mono_since_us(mapping_client_deadline(s->client), s->now.mono), 2000000);
    pass(s, 1999);
    assert_int_equal(s->result_count, 0);
    pass(s, 1);
    assert_int_equal(s->result_count, 2);
    assert_int_equal(s->results[0].err, ERR_TIMEOUT);
    assert_int_equal(s->results[1].err, ERR_TIMEOUT);
    assert_false(s->connected);
}

/* A connection that has ended while nobody used it costs nobody a call. */
static void connection_ends(void **state)
{
    struct scene *s = *state;
    struct addr inside;
    expect_inside(s, "192.0.2.1:5061", 0, 20000);
    mapping_client_closed(s->client, s->now);
    s->connected = false;
    drain(s);
    assert_int_equal(s->connects, 1);
    expect_inside(s, "192.0.2.2:5061", 0, 20001);
    s->silent = true;
    assert_int_equal(ask(s, "192.0.2.3:5061", &inside), 0);
    s->silent = false;
    mapping_client_closed(s->client, s->now);
    drain(s);
    assert_int_equal(s->results[s->result_count - 1].err, 0);
    assert_int_equal(s->results[s->result_count - 1].inside.port, 20002);
    assert_int_equal(s->connects, 3);
}

/* It lets us in and then shows the door: once is enough. */
static void connection_ends_at_once(void **state)
{
    struct scene *s = *state;
    struct addr inside;
    s->silent = true;
    assert_int_equal(ask(s, "192.0.2.1:5061", &inside), 0);
    mapping_client_closed(s->client, s->now);
    drain(s);
    assert_int_equal(s->connects, 1);
    assert_int_equal(s->results[0].err, ERR_UNREACHABLE);
    assert_int_equal(ask(s, "192.0.2.1:5061", &inside), ERR_UNREACHABLE);
}

static void service_talks_nonsense(void **state)
{
    struct scene *s = *state;
    struct addr inside;
    s->silent = true;
    assert_int_equal(ask(s, "192.0.2.1:5061", &inside), 0);
    mapping_client_input(s->client, s->now, slice_str("HTTP/1.1 400 Bad Request\r\n\r\n"));
    drain(s);
    assert_false(s->connected);
    assert_int_equal(s->results[0].err, ERR_UNREACHABLE);
    assert_int_equal(mapping_client_counters(s->client)->malformed, 1);
}

/* An answer to nothing that was asked is dropped, whatever it says. */
static void answer_to_nobody(void **state)
{
    struct scene *s = *state;
    struct buf out;
    struct addr inside;
    expect_inside(s, "192.0.2.1:5061", 0, 20000);
    buf_init(&out, MAPPING_MESSAGE_OCTETS_MAX);
    mapping_encode(&(struct mapping_message){.kind = MAPPING_SUCCESS,
                                             .transaction = 99,
                                             .far = addr("192.0.2.1:5061"),
                                             .inside = addr("10.0.0.6:1"),
                                             .lifetime_s = 60},
                   &out);
    mapping_client_input(s->client, s->now, buf_slice(&out));
    buf_fini(&out);
    drain(s);
    assert_int_equal(ask(s, "192.0.2.1:5061", &inside), 1);
    assert_int_equal(inside.port, 20000);
    assert_int_equal(mapping_client_counters(s->client)->answers_stray, 1);
}

/* What was not asked for longest is forgotten, never what somebody waits for. */
static void memory_is_bounded(void **state)
{
    struct scene *s = *state;
    struct addr inside;
    char far[32];
    for (unsigned i = 0; i < 4; i++) {
        snprintf(far, sizeof far, "192.0.2.%u:5061", i + 1);
        expect_inside(s, far, 0, (uint16_t)(20000 + i));
    }
    expect_inside(s, "192.0.2.4:5061", 1, 20003);
    expect_inside(s, "192.0.2.1:5061", 0, 20000); /* asked again: the service knows it still */
    s->silent = true;
    for (unsigned i = 0; i < 3; i++) {
        snprintf(far, sizeof far, "192.0.2.%u:5061", i + 10);
        assert_int_equal(ask(s, far, &inside), 0);
    }
    assert_int_equal(ask(s, "192.0.2.20:5061", &inside), ERR_LIMIT);
    pass(s, 2000);
}

static void forgotten(void **state)
{
    struct scene *s = *state;
    const struct addr far = addr("192.0.2.1:5061");
    expect_inside(s, "192.0.2.1:5061", 0, 20000);
    mapping_client_forget(s->client, &far);
    expect_inside(s, "192.0.2.1:5061", 0, 20000);
}

static void server_refuses_what_is_no_question(void **state)
{
    struct scene *s = *state;
    struct buf b, answer;
    struct mapping_message m;
    buf_init(&b, MAPPING_MESSAGE_OCTETS_MAX);
    buf_init(&answer, MAPPING_MESSAGE_OCTETS_MAX);
    mapping_encode(&(struct mapping_message){.kind = MAPPING_ERROR, .transaction = 1, .code = 400}, &b);
    assert_int_equal(mapping_server_answer(s->server, s->now, buf_slice(&b), &answer), ERR_SYNTAX);
    b.p[4] = 9; /* a version to come */
    assert_int_equal(mapping_server_answer(s->server, s->now, buf_slice(&b), &answer), 0);
    assert_int_equal(mapping_decode(buf_slice(&answer), &m, NULL), 0);
    assert_int_equal(m.code, MAPPING_UNSUPPORTED_VERSION);
    assert_int_equal(m.transaction, 1);
    buf_fini(&b);
    buf_fini(&answer);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(asked_once),
        CASE(kept_by_asking),
        CASE(ended),
        CASE(port_taken_by_others),
        CASE(nobody_may_be_called_there),
        CASE(service_is_away),
        CASE(service_hangs),
        CASE(connection_ends),
        CASE(connection_ends_at_once),
        CASE(service_talks_nonsense),
        CASE(answer_to_nobody),
        CASE(memory_is_bounded),
        CASE(forgotten),
        CASE(server_refuses_what_is_no_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
