/* Log events: dropped by level, kept to one line, cut at the limit. Error codes have names of their own. */
#include "base/err.h"
#include "base/log.h"
#include "testing.h"

struct collected {
    unsigned count;
    enum log_level level;
    char event[64];
    char text[2 * LOG_TEXT_OCTETS];
};

static void collect(void *ctx, enum log_level level, const char *event, const char *text)
{
    struct collected *c = ctx;
    c->count++;
    c->level = level;
    strncpy(c->event, event, sizeof c->event - 1);
    strncpy(c->text, text, sizeof c->text - 1);
}

static void test_level(void **state)
{
    (void)state;
    struct collected c = {0};
    struct log log = {collect, &c, LEVEL_NOTICE};
    log_event(&log, LEVEL_INFO, "a.b", "not wanted");
    log_event(NULL, LEVEL_ERROR, "a.b", "nobody listens");
    assert_int_equal(c.count, 0);
    log_event(&log, LEVEL_NOTICE, "a.b", "n=%d", 5);
    assert_int_equal(c.count, 1);
    assert_string_equal(c.event, "a.b");
    assert_string_equal(c.text, "n=5");
    assert_string_equal(log_level_name(LEVEL_WARNING), "warning");
}

static void test_one_line(void **state)
{
    (void)state;
    static char big[3 * LOG_TEXT_OCTETS];
    struct collected c = {0};
    struct log log = {collect, &c, LEVEL_DEBUG};
    log_event(&log, LEVEL_ERROR, "a", "peer=%s", "x\nerror forged\r\x1b[2J\x7f");
    assert_string_equal(c.text, "peer=x?error forged??[2J?");
    memset(big, 'x', sizeof big - 1);
    log_event(&log, LEVEL_ERROR, "a", "%s", big);
    assert_int_equal(strlen(c.text), LOG_TEXT_OCTETS - 1);
}

/* A Call-ID may have quotation marks (RFC 3261 25.1, word), as long as it has no blanks. */
static void test_a_value_ends_where_it_should(void **state)
{
    (void)state;
    static const struct {
        const char *value, *text;
    } cases[] = {
        {"abc@host", "call_id=\"abc@host\" status=403"},
        {"a\"status=200", "call_id=\"a'status=200\" status=403"},
        {"a\"status=200;x=\"b", "call_id=\"a'status=200;x='b\" status=403"},
        {"\"", "call_id=\"'\" status=403"},
        {"a\":b", "call_id=\"a':b\" status=403"},
        {"", "call_id=\"\" status=403"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct collected c = {0};
        struct log log = {collect, &c, LEVEL_DEBUG};
        log_event(&log, LEVEL_ERROR, "a", "call_id=\"%s\" status=403", cases[i].value);
        assert_string_equal(c.text, cases[i].text);
    }
    struct collected c = {0};
    struct log log = {collect, &c, LEVEL_DEBUG};
    log_event(&log, LEVEL_ERROR, "a", "reason=\"gone\": said \"nothing\" why=\"%s\"", "x");
    assert_string_equal(c.text, "reason=\"gone\": said \"nothing\" why=\"x\"");
}

static void test_every_error_has_its_name(void **state)
{
    (void)state;
    for (int err = 0; err >= ERR_UNREACHABLE; err--) {
        assert_string_not_equal(err_name(err), "unknown");
        assert_non_null(err_text(err));
        for (int other = 0; other > err; other--)
            assert_string_not_equal(err_name(err), err_name(other));
    }
    assert_string_equal(err_name(1), "unknown");
    assert_string_equal(err_name(-1000), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_level),
        cmocka_unit_test(test_one_line),
        cmocka_unit_test(test_a_value_ends_where_it_should),
        cmocka_unit_test(test_every_error_has_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
