/* Requests: what imectl writes is what a daemon reads, and a daemon believes nothing else. */
#include "ctl/request.h"
#include "testing.h"

static void test_round_trip(void **state)
{
    (void)state;
    static const char *const words[] = {"enroll",    "token",  "add",       "--server-id", "s\"1", "--name",
                                        "a.example", "--name", "192.0.2.1", "--expires",   "36h"};
    struct ctl_args args, again;
    const char *file;
    int64_t id;
    struct buf line, why, line2;
    buf_init(&line, 10000);
    buf_init(&line2, 10000);
    buf_init(&why, 10000);
    assert_int_equal(ctl_args_from_words(&args, words, sizeof words / sizeof words[0], CTL_ENROLL, &file, &why), 0);
    assert_int_equal(ctl_request_encode(7, &args, &line), 0);
    assert_string_equal(buf_text(&line),
                        "{\"id\":7,\"command\":[\"enroll\",\"token\",\"add\"],\"args\":{\"server-id\":\"s\\\"1\","
                        "\"name\":[\"a.example\",\"192.0.2.1\"],\"expires\":\"36h\"}}");
    assert_int_equal(ctl_request_decode(buf_slice(&line), CTL_ENROLL, &id, &again, &why), 0);
    assert_int_equal(id, 7);
    assert_ptr_equal(again.command, args.command);
    assert_int_equal(again.n, 4);
    assert_int_equal(ctl_args_integer(&again, "expires"), 36 * 3600000);
    assert_int_equal(ctl_request_encode(7, &again, &line2), 0);
    assert_slice_equal(buf_slice(&line), buf_slice(&line2));
    ctl_args_fini(&args);
    ctl_args_fini(&again);
    buf_fini(&line);
    buf_fini(&line2);
    buf_fini(&why);
}

static void assert_refused(const char *line, int err, int64_t expected_id, const char *expected)
{
    struct ctl_args args;
    struct buf why;
    int64_t id = 99;
    buf_init(&why, 10000);
    assert_int_equal(ctl_request_decode(slice_str(line), CTL_SERVER, &id, &args, &why), err);
    assert_int_equal(id, expected_id);
    assert_string_equal(buf_text(&why), expected);
    buf_fini(&why);
}

static void test_refusals(void **state)
{
    (void)state;
    assert_refused("[]", ERR_SYNTAX, -1, "the request must be an object");
    assert_refused("{}", ERR_SYNTAX, -1, "`id` must be an integer from 0");
    assert_refused("{\"id\":-1}", ERR_SYNTAX, -1, "`id` must be an integer from 0");
    assert_refused("{\"id\":1}", ERR_SYNTAX, 1, "`command` must be an array of words");
    assert_refused("{\"id\":1,\"command\":[1]}", ERR_SYNTAX, 1, "`command` must be an array of words");
    assert_refused("{\"id\":1,\"command\":[]}", ERR_SYNTAX, 1, "`command` must be an array of words");
    assert_refused("{\"id\":1,\"command\":[\"show\",\"rutes\"]}", ERR_NOT_FOUND, 1,
                   "no command `show rutes`; did you mean `show routes`?");
    assert_refused("{\"id\":1,\"command\":[\"explain\",\"+4930\"]}", ERR_NOT_FOUND, 1,
                   "no command `explain +4930`; did you mean `explain`?");
    assert_refused("{\"id\":1,\"command\":[\"enroll\",\"token\",\"list\"]}", ERR_UNSUPPORTED, 1,
                   "`enroll token list` is answered by another daemon (ime-enroll)");
    assert_refused("{\"id\":1,\"command\":[\"explain\"]}", ERR_NOT_FOUND, 1, "NUMBER is missing: the number as +E.164");
    assert_refused("{\"id\":1,\"command\":[\"explain\"],\"args\":[]}", ERR_SYNTAX, 1, "`args` must be an object");
    assert_refused("{\"id\":1,\"command\":[\"explain\"],\"args\":{\"x\":1}}", ERR_NOT_FOUND, 1,
                   "`explain` has no such argument");
    assert_refused("{\"id\":1,\"command\":[\"explain\"],\"args\":{\"number\":{}}}", ERR_SYNTAX, 1,
                   "the value of `number` is of the wrong kind");
    assert_refused("{\"id\":1,\"command\":[\"explain\"],\"args\":{\"number\":[\"+4930\"]}}", ERR_SYNTAX, 1,
                   "the value of `number` is of the wrong kind");
    assert_refused("{\"id\":1,\"command\":[\"explain\"],\"args\":{\"number\":\"+49\",\"number\":\"+49\"}}", ERR_SYNTAX,
                   -1, "octet 61: the request is not JSON: duplicate object key near '\"number\"'");
    assert_refused("{\"id\":1,\"command\":[\"set\",\"ime\",\"ticket\",\"password\"],\"args\":{}}", ERR_NOT_FOUND, 1,
                   "PASSWORD is missing: 10 to 64 printable characters without spaces; 20 or more are advised");
}

static void test_shape_is_bounded(void **state)
{
    (void)state;
    struct ctl_args args;
    struct buf line, why;
    int64_t id;
    assert_refused("{\"a\":[[[[1]]]]}", ERR_LIMIT, -1, "the request is nested too deeply");
    buf_init(&line, 10000);
    buf_init(&why, 10000);
    buf_str(&line, "{\"a\":[1");
    for (int i = 0; i < 600; i++)
        buf_str(&line, ",1");
    buf_str(&line, "]}");
    assert_int_equal(ctl_request_decode(buf_slice(&line), CTL_SERVER, &id, &args, &why), ERR_LIMIT);
    /* Brackets inside of strings do not count. */
    assert_refused("{\"id\":1,\"command\":[\"explain\"],\"args\":{\"number\":\"[[[[[[\\\"[[[[\"}}", ERR_SYNTAX, 1,
                   "NUMBER must be a phone number as + and up to 15 digits, not `[[[[[[\"[[[[`");
    buf_fini(&line);
    buf_fini(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_shape_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
