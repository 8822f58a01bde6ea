/* Calls out of Asterisk's and FreeSWITCH's records. */
#include "base/text.h"
#include "cdr/call.h"
#include "testing.h"

static struct dial_range own;

static struct cdr_rules rules_of(enum cdr_format format)
{
    struct cdr_rules rules;
    cdr_rules_init(&rules);
    rules.format = format;
    assert_int_equal(dial_rules_set_country(&rules.dial, slice_str("49")), 0);
    assert_int_equal(dial_range_parse(slice_str("+4930123*"), &own), 0);
    rules.own = &own;
    rules.own_count = 1;
    return rules;
}

static enum cdr_verdict read_line(const struct cdr_rules *rules, const char *line, struct cdr_call *ret_call,
                                  char *ret_reason)
{
    struct csv c;
    struct csv_record record;
    csv_init(&c, rules->format == CDR_ASTERISK ? CSV_DOUBLED : CSV_LOOSE, 0, 1);
    assert_int_equal(csv_feed(&c, slice_str(line)), 0);
    csv_end(&c);
    assert_int_equal(csv_next(&c, &record), 1);
    enum cdr_verdict v = cdr_read(rules, &record, ret_call, ret_reason);
    csv_fini(&c);
    return v;
}

#define COLUMNS(src, dst, context, clid, channel, dstchannel, start, answer, end, billsec, disposition) \
    "\"acc\",\"" src "\",\"" dst "\",\"" context "\",\"" clid "\",\"" channel "\",\"" dstchannel        \
    "\",\"Dial\",\"PJSIP/x,60\",\"" start "\",\"" answer "\",\"" end "\",99," billsec ",\"" disposition \
    "\",\"DOCUMENTATION\",\"1767225600.12\",\"\"\n"

#define ASTERISK(...) COLUMNS(__VA_ARGS__)

#define SENT                                                                                              \
    ASTERISK("030123456", "0017325552496", "from-internal", "\"\"Ann, A.\"\" <030123456>", "PJSIP/100-1", \
             "PJSIP/carrier-2", "2026-01-01 00:00:00", "2026-01-01 00:00:05", "2026-01-01 00:01:05", "60", "ANSWERED")

static void test_asterisk_sent(void **state)
{
    (void)state;
    struct cdr_rules rules = rules_of(CDR_ASTERISK);
    struct cdr_call call;
    char reason[CDR_REASON_OCTETS];
    assert_int_equal(read_line(&rules, SENT, &call, reason), CDR_CALL);
    assert_int_equal(call.direction, CDR_SENT);
    assert_string_equal(call.calling.text, "+4930123456");
    assert_string_equal(call.called.text, "+17325552496");
    assert_true(call.start.ms == 1767225605000);
    assert_true(call.stop.ms == 1767225665000);
}

static void test_asterisk_received(void **state)
{
    (void)state;
    struct cdr_rules rules = rules_of(CDR_ASTERISK);
    struct cdr_call call;
    char reason[CDR_REASON_OCTETS];
    const char *line =
        ASTERISK("", "+4930123400", "from-trunk", "", "PJSIP/carrier-1", "PJSIP/100-1", "2026-01-01 00:00:00",
                 "2026-01-01 00:00:05.250", "2026-01-01 00:01:05.75", "60", "ANSWERED");
    assert_int_equal(read_line(&rules, line, &call, reason), CDR_CALL);
    assert_int_equal(call.direction, CDR_RECEIVED);
    assert_string_equal(call.calling.text, "");
    assert_true(call.start.ms == 1767225605250);
    assert_true(call.stop.ms == 1767225665750);
}

static void assert_verdict(const struct cdr_rules *rules, const char *line, enum cdr_verdict expected,
                           const char *in_reason)
{
    struct cdr_call call = {.start = {-1}};
    char reason[CDR_REASON_OCTETS];
    assert_int_equal(read_line(rules, line, &call, reason), expected);
    if (expected != CDR_CALL)
        assert_true(call.start.ms == -1);
    if (in_reason)
        assert_non_null(strstr(reason, in_reason));
}

#define TIMES "2026-01-01 00:00:00", "2026-01-01 00:00:05", "2026-01-01 00:01:05", "60"

static void test_asterisk_what_is_left_out(void **state)
{
    (void)state;
    struct cdr_rules rules = rules_of(CDR_ASTERISK);
    assert_verdict(&rules,
                   ASTERISK("030123456", "0301999", "c", "", "a", "b", "2026-01-01 00:00:00", "", "2026-01-01 00:00:10",
                            "0", "NO ANSWER"),
                   CDR_NOT_ANSWERED, NULL);
    assert_verdict(&rules, ASTERISK("100", "101", "c", "", "a", "b", TIMES, "ANSWERED"), CDR_INTERNAL, "extension");
    assert_verdict(&rules, ASTERISK("+4930123456", "+4930123457", "c", "", "a", "b", TIMES, "ANSWERED"), CDR_INTERNAL,
                   "our own");
    rules.shortest_ms = 60001;
    assert_verdict(&rules, SENT, CDR_TOO_SHORT, NULL);
}

static void test_asterisk_bad_lines(void **state)
{
    (void)state;
    struct cdr_rules rules = rules_of(CDR_ASTERISK);
    assert_verdict(&rules, "a,b,c\n", CDR_BAD, "3 columns");
    assert_verdict(&rules, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17\n", CDR_BAD, "17 columns");
    assert_verdict(&rules, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19\n", CDR_BAD, "19 columns");
    assert_verdict(&rules, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18\n", CDR_BAD, "no disposition: \"15\"");
    assert_verdict(&rules, ASTERISK("030123456", "hello", "c", "", "a", "b", TIMES, "ANSWERED"), CDR_BAD, "\"hello\"");
    assert_verdict(&rules, ASTERISK("030123456", "h\x01\x7fi", "c", "", "a", "b", TIMES, "ANSWERED"), CDR_BAD,
                   "\"h??i\"");
    assert_verdict(&rules, ASTERISK("030123456", "0049", "c", "", "a", "b", TIMES, "ANSWERED"), CDR_CALL, NULL);
    static const char *const dates[] = {"",
                                        "2026-02-29 00:00:05",
                                        "2026-13-01 00:00:05",
                                        "2026-01-01 24:00:05",
                                        "2026-01-01 00:60:05",
                                        "01/02/2026 00:00",
                                        "2026-01-01 00:00:05x",
                                        "2026-01-01 00:00:05.",
                                        "9999999999"};
    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
        struct buf line;
        buf_init(&line, 1024);
        buf_printf(&line,
                   ASTERISK("030123456", "0017325552496", "c", "", "a", "b", "2026-01-01 00:00:00", "%s",
                            "2026-01-01 00:01:05", "60", "ANSWERED"),
                   dates[i]);
        assert_verdict(&rules, buf_text(&line), CDR_BAD, "answer");
        buf_fini(&line);
    }
    assert_verdict(&rules,
                   ASTERISK("030123456", "0017325552496", "c", "", "a", "b", "2026-01-01 00:00:00",
                            "2026-01-01 00:00:05", "2026-01-01 00:00:04", "0", "ANSWERED"),
                   CDR_BAD, "ends before");
    assert_verdict(&rules,
                   ASTERISK("030123456", "0017325552496", "c", "", "a", "b", "2026-01-01 00:00:00",
                            "2026-01-01 00:00:05", "2026-01-09 00:00:06", "0", "ANSWERED"),
                   CDR_BAD, "week");
}

static void test_asterisk_caller_from_clid(void **state)
{
    (void)state;
    struct cdr_rules rules = rules_of(CDR_ASTERISK);
    struct cdr_call call;
    char reason[CDR_REASON_OCTETS];
    assert_int_equal(
        read_line(&rules, ASTERISK("100", "0017325552496", "c", "\"\"A\"\" <+4930123456>", "a", "b", TIMES, "ANSWERED"),
                  &call, reason),
        CDR_CALL);
    assert_string_equal(call.calling.text, "+4930123456");
    assert_int_equal(call.direction, CDR_SENT);
    assert_int_equal(
        read_line(&rules, ASTERISK("100", "0017325552496", "c", "", "a", "b", TIMES, "ANSWERED"), &call, reason),
        CDR_CALL);
    assert_string_equal(call.calling.text, "");
}

static void test_direction_rules(void **state)
{
    (void)state;
    struct cdr_rules rules = rules_of(CDR_ASTERISK);
    struct cdr_call call;
    char reason[CDR_REASON_OCTETS];
    rules.trunk = "PJSIP/carrier-*";
    assert_int_equal(read_line(&rules, SENT, &call, reason), CDR_CALL);
    assert_int_equal(call.direction, CDR_SENT);
    assert_verdict(&rules, ASTERISK("030123456", "0017325552496", "c", "", "PJSIP/1", "PJSIP/2", TIMES, "ANSWERED"),
                   CDR_INTERNAL, "trunk");
    const char *received =
        ASTERISK("0017325552496", "08912345", "in", "", "PJSIP/carrier-1", "PJSIP/2", TIMES, "ANSWERED");
    assert_int_equal(read_line(&rules, received, &call, reason), CDR_CALL);
    assert_int_equal(call.direction, CDR_RECEIVED);
    rules.trunk = NULL;
    rules.received_context = "in";
    assert_int_equal(read_line(&rules, received, &call, reason), CDR_CALL);
    assert_int_equal(call.direction, CDR_RECEIVED);
    rules.received_context = NULL;
    assert_int_equal(read_line(&rules, received, &call, reason), CDR_CALL);
    assert_int_equal(call.direction, CDR_SENT); /* not one of our numbers */
    rules.sent_context = "from-*";
    rules.direction = CDR_RECEIVED;
    assert_int_equal(read_line(&rules, SENT, &call, reason), CDR_CALL);
    assert_int_equal(call.direction, CDR_RECEIVED);
}

/* Central Europe in 2025: an hour ahead of UTC from the 26th of October, 3 o'clock summer time. The second 2 to 3 o'clock is never told. */
static int64_t zone(void *ctx, const struct cdr_date *d)
{
    (void)ctx;
    int64_t s = calendar_seconds(d->year, d->month, d->day, d->hour, d->minute, d->second);
    return s - (s < calendar_seconds(2025, 10, 26, 3, 0, 0) ? 7200 : 3600);
}

static void test_clocks_go_back(void **state)
{
    (void)state;
    struct cdr_rules rules = rules_of(CDR_ASTERISK);
    struct cdr_call call;
    char reason[CDR_REASON_OCTETS];
    rules.zone = zone;
    assert_int_equal(read_line(&rules,
                               ASTERISK("030123456", "0017325552496", "c", "", "a", "b", "2025-10-26 02:58:00",
                                        "2025-10-26 02:58:30", "2025-10-26 02:01:30", "180", "ANSWERED"),
                               &call, reason),
                     CDR_CALL);
    assert_true(call.start.ms == calendar_seconds(2025, 10, 26, 0, 58, 30) * 1000);
    assert_true(call.stop.ms == call.start.ms + 180000);
    assert_int_equal(read_line(&rules,
                               ASTERISK("030123456", "0017325552496", "c", "", "a", "b", "2025-10-26 02:58:00",
                                        "2025-10-26 02:58:30", "2025-10-26 03:01:30", "180", "ANSWERED"),
                               &call, reason),
                     CDR_CALL);
    assert_true(call.stop.ms == call.start.ms + 180000);
}

#define FREESWITCH(name, number, dst, answer, end)                                                      \
    "\"" name "\",\"" number "\",\"" dst "\",\"default\",\"2026-01-01 00:00:00\",\"" answer "\",\"" end \
    "\",\"65\",\"60\",\"NORMAL_CLEARING\",\"c60a1f09\",\"\",\"\",\"PCMA\",\"PCMA\"\n"

static void test_freeswitch(void **state)
{
    (void)state;
    struct cdr_rules rules = rules_of(CDR_FREESWITCH);
    struct cdr_call call;
    char reason[CDR_REASON_OCTETS];
    assert_int_equal(
        read_line(&rules,
                  FREESWITCH("Joe \"X\" Y", "017325552496", "4930123456", "2026-01-01 00:00:05", "2026-01-01 00:01:05"),
                  &call, reason),
        CDR_CALL);
    /* A number in national digits without any prefix is taken as one of the own country. */
    assert_string_equal(call.called.text, "+494930123456");
    rules.dial.trunk[0] = 0;
    assert_int_equal(
        read_line(&rules,
                  FREESWITCH("Joe", "+17325552496", "+4930123456", "2026-01-01 00:00:05", "2026-01-01 00:01:05"), &call,
                  reason),
        CDR_CALL);
    assert_int_equal(call.direction, CDR_RECEIVED);
    assert_string_equal(call.calling.text, "+17325552496");
    assert_true(call.stop.ms - call.start.ms == 60000);
    assert_verdict(&rules, FREESWITCH("Joe", "+17325552496", "+4930123456", "", "2026-01-01 00:01:05"),
                   CDR_NOT_ANSWERED, NULL);
    assert_verdict(&rules, "1,2\n", CDR_BAD, "2 columns");
}

static void test_patterns(void **state)
{
    (void)state;
    assert_true(cdr_matches("", slice_str("")));
    assert_true(cdr_matches("*", slice_str("anything")));
    assert_true(cdr_matches("a*c?e", slice_str("abbbcde")));
    assert_true(cdr_matches("PJSIP/carrier-*", slice_str("PJSIP/carrier-0001")));
    assert_true(cdr_matches("*a*a*", slice_str("xaya")));
    assert_false(cdr_matches("a", slice_str("ab")));
    assert_false(cdr_matches("ab", slice_str("a")));
    assert_false(cdr_matches("*x", slice_str("xy")));
    assert_false(cdr_matches("?", slice_str("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asterisk_sent),
        cmocka_unit_test(test_asterisk_received),
        cmocka_unit_test(test_asterisk_what_is_left_out),
        cmocka_unit_test(test_asterisk_bad_lines),
        cmocka_unit_test(test_asterisk_caller_from_clid),
        cmocka_unit_test(test_direction_rules),
        cmocka_unit_test(test_clocks_go_back),
        cmocka_unit_test(test_freeswitch),
        cmocka_unit_test(test_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
