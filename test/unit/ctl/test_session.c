/* Sessions of the control socket: requests in any cut, answers now and later, limits. */
#include "base/mem.h"
#include "ctl/answer.h"
#include "ctl/session.h"
#include "testing.h"

#include <jansson.h>

struct world {
    struct ctl_server server;
    struct ctl_handler handlers[128];
    struct ctl_request *waiting[CTL_PENDING_MAX + 1];
    size_t waiting_count;
    size_t ready_calls;
    size_t fat_octets; /* length of the text that `show ring` answers with */
};

static void answer_ok(void *ctx, struct ctl_request *r)
{
    (void)ctx;
    ctl_reply_done(r, "done: %s", ctl_request_args(r)->command->words);
}

static void keep(void *ctx, struct ctl_request *r)
{
    struct world *w = ctx;
    w->waiting[w->waiting_count++] = r;
}

static void answer_fat(void *ctx, struct ctl_request *r)
{
    struct world *w = ctx;
    char *text = mem_alloc(w->fat_octets + 1);
    assert_non_null(text);
    memset(text, 'x', w->fat_octets);
    ctl_put_text(ctl_reply_begin(r), "text", text);
    mem_free(text);
    ctl_reply_end(r);
}

static void refuse(void *ctx, struct ctl_request *r)
{
    (void)ctx;
    ctl_refuse(r, ERR_NOT_FOUND, "there is no such thing", "look elsewhere");
}

static ctl_handler_fn *handler_of(const char *words)
{
    return strcmp(words, "show pools") == 0  ? keep
           : strcmp(words, "show ring") == 0 ? answer_fat
           : strcmp(words, "explain") == 0   ? refuse
                                             : answer_ok;
}

static void world_init(struct world *w)
{
    const char *words = NULL;
    size_t n = 0;
    *w = (struct world){0};
    for (size_t i = 0; ctl_command_at(i); i++)
        if (ctl_command_at(i)->programs & CTL_SERVER)
            w->handlers[n++] = (struct ctl_handler){ctl_command_at(i)->words, handler_of(ctl_command_at(i)->words)};
    assert_int_equal(ctl_server_init(&w->server, CTL_SERVER, w->handlers, n, w, &words), 0);
}

static void count_ready(void *arg)
{
    ((struct world *)arg)->ready_calls++;
}

static void put(struct ctl_session *s, const char *text)
{
    assert_int_equal(ctl_session_input(s, slice_str(text)), 0);
}

static void assert_output(struct ctl_session *s, const char *expected)
{
    struct slice out = ctl_session_output(s);
    assert_slice_text(out, expected);
    ctl_session_sent(s, out.n);
    assert_int_equal(ctl_session_output(s).n, 0);
}

static void test_every_command_needs_its_handler(void **state)
{
    (void)state;
    struct ctl_server server;
    const char *words = NULL;
    struct world w;
    world_init(&w);
    assert_int_equal(ctl_server_init(&server, CTL_SERVER, w.handlers, w.server.handler_count - 1, &w, &words),
                     ERR_NOT_FOUND);
    assert_string_equal(words, w.handlers[w.server.handler_count - 1].words);
    struct ctl_handler unknown = {"enroll token list", answer_ok};
    assert_int_equal(ctl_server_init(&server, CTL_SERVER, &unknown, 1, &w, &words), ERR_NOT_FOUND);
    assert_string_equal(words, "enroll token list");
}

static void test_requests_in_any_cut(void **state)
{
    (void)state;
    static const char lines[] =
        "{\"id\":1,\"command\":[\"show\",\"status\"]}\r\n\n{\"id\":2,\"command\":[\"shutdown\"],\"args\":{}}\n";
    struct world w;
    world_init(&w);
    for (size_t cut = 0; cut < sizeof lines; cut++) {
        struct ctl_session *s = ctl_session_new(&w.server, count_ready, &w);
        assert_int_equal(ctl_session_input(s, slice_of(lines, cut)), 0);
        assert_int_equal(ctl_session_input(s, slice_of(lines + cut, sizeof lines - 1 - cut)), 0);
        assert_output(s, "{\"id\":1,\"ok\":true,\"result\":{\"message\":\"done: show status\"}}\n"
                         "{\"id\":2,\"ok\":true,\"result\":{\"message\":\"done: shutdown\"}}\n");
        ctl_session_free(s);
    }
    assert_int_equal(w.ready_calls, 0);
}

static void test_refusals_are_answers(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct ctl_session *s = ctl_session_new(&w.server, count_ready, &w);
    put(s, "{\"id\":5,\"command\":[\"explain\"],\"args\":{\"number\":\"+4930123\"}}\n");
    assert_output(s, "{\"id\":5,\"ok\":false,\"error\":{\"code\":\"not_found\",\"message\":\"there is no such thing\","
                     "\"hint\":\"look elsewhere\"}}\n");
    put(s, "nonsense\n");
    assert_output(s, "{\"id\":null,\"ok\":false,\"error\":{\"code\":\"syntax\",\"message\":\"octet 8: the request is "
                     "not JSON: '[' or "
                     "'{' expected near 'nonsense'\"}}\n");
    put(s, "{\"id\":6,\"command\":[\"show\",\"status\"]}\n");
    assert_int_not_equal(ctl_session_output(s).n, 0);
    ctl_session_free(s);
}

static void test_answers_may_come_later_and_overtake(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct ctl_session *s = ctl_session_new(&w.server, count_ready, &w);
    put(s, "{\"id\":1,\"command\":[\"show\",\"pools\"]}\n{\"id\":2,\"command\":[\"show\",\"pools\"]}\n");
    assert_int_equal(ctl_session_output(s).n, 0);
    assert_int_equal(w.waiting_count, 2);
    ctl_reply_done(w.waiting[1], "second");
    assert_int_equal(w.ready_calls, 1);
    ctl_reply_done(w.waiting[0], "first");
    assert_int_equal(w.ready_calls, 1);
    assert_output(s, "{\"id\":2,\"ok\":true,\"result\":{\"message\":\"second\"}}\n"
                     "{\"id\":1,\"ok\":true,\"result\":{\"message\":\"first\"}}\n");
    ctl_session_free(s);
}

static void test_session_may_go_before_the_answer(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct ctl_session *s = ctl_session_new(&w.server, count_ready, &w);
    put(s, "{\"id\":1,\"command\":[\"show\",\"pools\"]}\n{\"id\":2,\"command\":[\"show\",\"pools\"]}\n");
    ctl_session_free(s);
    ctl_reply_done(w.waiting[0], "nobody hears it");
    ctl_refuse(w.waiting[1], ERR_IO, NULL, NULL);
    assert_int_equal(w.ready_calls, 0);
}

static void test_pending_requests_are_bounded(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct ctl_session *s = ctl_session_new(&w.server, count_ready, &w);
    for (int i = 0; i < CTL_PENDING_MAX; i++)
        put(s, "{\"id\":1,\"command\":[\"show\",\"pools\"]}\n");
    assert_true(ctl_session_is_busy(s));
    put(s, "{\"id\":9,\"command\":[\"show\",\"pools\"]}\n");
    assert_output(
        s,
        "{\"id\":9,\"ok\":false,\"error\":{\"code\":\"limit\",\"message\":\"too many requests wait for their answer\","
        "\"hint\":\"wait for an answer before asking more\"}}\n");
    assert_int_equal(w.waiting_count, CTL_PENDING_MAX);
    for (size_t i = 0; i < w.waiting_count; i++)
        ctl_refuse(w.waiting[i], ERR_TIMEOUT, NULL, NULL);
    assert_false(ctl_session_is_busy(s));
    ctl_session_free(s);
}

static void test_long_request_ends_the_session(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct ctl_session *s = ctl_session_new(&w.server, count_ready, &w);
    char chunk[1024];
    memset(chunk, ' ', sizeof chunk);
    for (size_t sent = 0; sent < CTL_REQUEST_OCTETS_MAX; sent += sizeof chunk)
        assert_int_equal(ctl_session_input(s, slice_of(chunk, sizeof chunk)), 0);
    assert_int_equal(ctl_session_input(s, slice_of(chunk, 1)), ERR_LIMIT);
    assert_output(
        s, "{\"id\":null,\"ok\":false,\"error\":{\"code\":\"limit\",\"message\":\"the request is too long\"}}\n");
    assert_int_equal(ctl_session_input(s, slice_str("{\"id\":1,\"command\":[\"shutdown\"]}\n")), ERR_LIMIT);
    assert_int_equal(ctl_session_output(s).n, 0);
    ctl_session_free(s);
}

static void test_long_answer_becomes_an_error(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct ctl_session *s = ctl_session_new(&w.server, count_ready, &w);
    w.fat_octets = CTL_REPLY_OCTETS_MAX;
    put(s, "{\"id\":1,\"command\":[\"show\",\"ring\"]}\n");
    assert_output(s, "{\"id\":1,\"ok\":false,\"error\":{\"code\":\"limit\",\"message\":\"the answer is too long\","
                     "\"hint\":\"ask for a part of it: see the command's arguments\"}}\n");
    ctl_session_free(s);
}

static void test_output_that_nobody_reads_is_bounded(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct ctl_session *s = ctl_session_new(&w.server, count_ready, &w);
    w.fat_octets = CTL_REPLY_OCTETS_MAX - 1000;
    put(s, "{\"id\":1,\"command\":[\"show\",\"ring\"]}\n");
    put(s, "{\"id\":2,\"command\":[\"show\",\"ring\"]}\n");
    assert_true(ctl_session_is_busy(s));
    w.fat_octets = 4000;
    int err = 0;
    for (int i = 0; i < 2000 && !err; i++) {
        err = ctl_session_input(s, slice_str("{\"id\":3,\"command\":[\"show\",\"ring\"]}\n"));
        assert_true(ctl_session_output(s).n <= CTL_OUTPUT_OCTETS_MAX + 65536);
    }
    assert_int_equal(err, ERR_LIMIT);
    ctl_session_free(s);
}

static void test_answer_decoding(void **state)
{
    (void)state;
    struct ctl_answer a;
    struct buf why;
    buf_init(&why, 1000);
    assert_int_equal(ctl_answer_decode(slice_str("{\"id\":3,\"ok\":true,\"result\":{\"x\":1}}"), &a, &why), 0);
    assert_int_equal(a.id, 3);
    assert_int_equal(json_integer_value(json_object_get(a.result, "x")), 1);
    ctl_answer_fini(&a);
    assert_int_equal(
        ctl_answer_decode(slice_str("{\"id\":null,\"ok\":false,\"error\":{\"code\":\"c\",\"message\":\"m\"}}"), &a,
                          &why),
        0);
    assert_int_equal(a.id, -1);
    assert_null(a.result);
    assert_string_equal(a.code, "c");
    assert_null(a.hint);
    ctl_answer_fini(&a);
    assert_int_equal(ctl_answer_decode(slice_str("{\"id\":1,\"ok\":true}"), &a, &why), ERR_SYNTAX);
    assert_int_equal(ctl_answer_decode(slice_str("{"), &a, &why), ERR_SYNTAX);
    buf_fini(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_command_needs_its_handler),
        cmocka_unit_test(test_requests_in_any_cut),
        cmocka_unit_test(test_refusals_are_answers),
        cmocka_unit_test(test_answers_may_come_later_and_overtake),
        cmocka_unit_test(test_session_may_go_before_the_answer),
        cmocka_unit_test(test_pending_requests_are_bounded),
        cmocka_unit_test(test_long_request_ends_the_session),
        cmocka_unit_test(test_long_answer_becomes_an_error),
        cmocka_unit_test(test_output_that_nobody_reads_is_bounded),
        cmocka_unit_test(test_answer_decoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
