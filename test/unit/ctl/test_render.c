/* Results for people: alignment, times, durations, and that a peer's text cannot move the cursor. */
#include "ctl/answer.h"
#include "testing.h"

#include <jansson.h>
#include <stdio.h>

static void seconds_as_text(int64_t seconds, char *ret_text, size_t octets)
{
    snprintf(ret_text, octets, "T%lld", (long long)seconds);
}

static void assert_rendered(const char *words, const char *json, const char *expected)
{
    const struct ctl_command *command = NULL;
    for (size_t i = 0; ctl_command_at(i); i++)
        if (strcmp(ctl_command_at(i)->words, words) == 0)
            command = ctl_command_at(i);
    json_t *result = json_loads(json, 0, NULL);
    assert_non_null(result);
    struct buf out;
    buf_init(&out, 100000);
    ctl_render(command, result, seconds_as_text, &out);
    assert_string_equal(buf_text(&out), expected);
    buf_fini(&out);
    json_decref(result);
}

static void test_message(void **state)
{
    (void)state;
    assert_rendered("shutdown", "{\"message\":\"ending\"}", "ending\n");
    assert_rendered("shutdown", "{\"node_ids\":1,\"sha256\":\"ff\"}", "Node IDs: 1\nSHA-256:  ff\n");
}

static void test_fields(void **state)
{
    (void)state;
    assert_rendered(
        "show certificate",
        "{\"node_id\":\"00ff\",\"not_after_at\":\"1970-01-01T00:01:00Z\",\"left_ms\":187200000,\"valid\":true,"
        "\"stored_octets\":2048,\"names\":[\"a\",\"b\"],\"ca\":null,\"load\":0.25,"
        "\"issuer\":{\"name\":\"x\",\"id\":5}}",
        "Node ID:   00ff\n"
        "Not after: T60\n"
        "Left:      2d4h\n"
        "Valid:     yes\n"
        "Stored:    2.0 KiB\n"
        "Names:     a, b\n"
        "CA:        -\n"
        "Load:      0.25\n"
        "Issuer:\n"
        "  Name: x\n"
        "  ID:   5\n");
}

/* A document is shown as it stands, but for what would move the cursor. */
static void test_raw(void **state)
{
    (void)state;
    assert_rendered("ring config show", "{\"sequence\":3,\"document\":\"<a>\\n\\t<b/>\\u001b[2J \\u00fc\\n\"}",
                    "<a>\n\t<b/>?[2J \xc3\xbc\n");
    assert_rendered("ring config show", "{\"sequence\":3}", "Sequence: 3\n");
}

static void test_table(void **state)
{
    (void)state;
    assert_rendered(
        "show routes",
        "{\"count\":2,\"routes\":[{\"number\":\"+4930\",\"domain\":\"b.example\",\"uri\":\"sip:+4930@b.example\","
        "\"learned_at\":\"1970-01-01T00:00:01Z\",\"expires_at\":\"1970-01-02T00:00:00Z\"},"
        "{\"number\":\"+493012345\",\"domain\":\"\xc3\xa4.example\"}]}",
        "Count: 2\n"
        "\n"
        "NUMBER      DOMAIN     ROUTE                LEARNED  EXPIRES\n"
        "+4930       b.example  sip:+4930@b.example  T1       T86400\n"
        "+493012345  \xc3\xa4.example  -                    -        -\n");
    assert_rendered("show routes", "{\"routes\":[]}", "no routes yet; `explain NUMBER` says what a number waits for\n");
}

static void test_numbers_are_aligned_at_their_end(void **state)
{
    (void)state;
    assert_rendered("show counters",
                    "{\"counters\":[{\"name\":\"pvp.good\",\"value\":7},{\"name\":\"x\",\"value\":1234567}]}",
                    "COUNTER     VALUE\n"
                    "pvp.good        7\n"
                    "x         1234567\n");
}

static void test_unknown_table_is_shown_too(void **state)
{
    (void)state;
    assert_rendered("show certificate", "{\"chain\":[{\"serial\":1,\"name\":\"n\"}]}",
                    "Chain:\nserial  name\n     1  n\n");
}

static void test_control_characters_are_replaced(void **state)
{
    (void)state;
    assert_rendered("shutdown", "{\"domain\":\"a\\u001b[2J\\u009b\\u007f\\n\xc3\xa4\"}", "Domain: a?[2J???\xc3\xa4\n");
}

static void test_durations_keep_two_units(void **state)
{
    (void)state;
    assert_rendered("shutdown", "{\"a_ms\":90061001,\"b_ms\":59999,\"c_ms\":0,\"d_ms\":3661000}",
                    "A: 1d1h\nB: 59s999ms\nC: 0\nD: 1h1m\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_numbers_are_aligned_at_their_end),
        cmocka_unit_test(test_unknown_table_is_shown_too),
        cmocka_unit_test(test_control_characters_are_replaced),
        cmocka_unit_test(test_durations_keep_two_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
