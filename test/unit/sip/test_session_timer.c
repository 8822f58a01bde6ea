/* Session timers: negotiation in each of the three parts, row by row, and the deadlines. */
#include "vector.h"

#include "sip/session_timer.h"

#define UAC SIP_REFRESHER_UAC
#define UAS SIP_REFRESHER_UAS
#define NOBODY SIP_REFRESHER_NONE

static void read_fields(const char *fields, struct sip_session_said *said)
{
    char text[1024];
    struct region region;
    struct sip_message m;
    snprintf(text, sizeof text,
             "INVITE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\n"
             "CSeq: 1 INVITE\r\n%s\r\n",
             fields);
    parse_good(&region, text, &m);
    assert_int_equal(sip_session_read(&m, said, NULL), 0);
    region_fini(&region);
}

static void test_read(void **state)
{
    (void)state;
    struct sip_session_said said;
    read_fields("x: 1800 ; Refresher=UAS;y\r\nMin-SE: 120;x=1\r\nk: 100rel, timer\r\n", &said);
    assert_int_equal(said.expires_s, 1800);
    assert_int_equal(said.refresher, UAS);
    assert_int_equal(said.min_se_s, 120);
    assert_true(said.supported);
    read_fields("Session-Expires: 90;refresher=other\r\nSupported: timers\r\n", &said);
    assert_int_equal(said.expires_s, 90);
    assert_int_equal(said.refresher, NOBODY);
    assert_false(said.supported);
    read_fields("", &said);
    assert_int_equal(said.expires_s, 0);
    assert_int_equal(said.min_se_s, 0);
}

static void test_bad(void **state)
{
    (void)state;
    struct region region;
    struct sip_message m;
    struct sip_session_said said;
    struct fault fault = {0};
    static const char head[] =
        "INVITE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\n"
        "Call-ID: c\r\nCSeq: 1 INVITE\r\nMin-SE: ";
    char text[512];
    snprintf(text, sizeof text, "%sninety\r\n\r\n", head);
    parse_good(&region, text, &m);
    assert_int_equal(sip_session_read(&m, &said, &fault), ERR_SYNTAX);
    assert_int_equal(fault.octet, strlen(head));
    region_fini(&region);
}

static void test_uac(void **state)
{
    (void)state;
    struct sip_session_said asked, response = {0};
    struct sip_session_terms terms;
    struct buf text;
    sip_session_ask(&(struct sip_session_wish){1800, SIP_MIN_SE_S, UAC}, &asked);
    assert_int_equal(asked.expires_s, 1800);
    assert_int_equal(asked.min_se_s, 0); /* the default is not said */
    assert_true(asked.supported);

    response.min_se_s = 3600;
    assert_true(sip_session_ask_longer(&asked, &response));
    assert_int_equal(asked.expires_s, 3600);
    assert_int_equal(asked.min_se_s, 3600);
    assert_false(sip_session_ask_longer(&asked, &response)); /* again: it does not listen */
    response.min_se_s = 0;
    assert_false(sip_session_ask_longer(&asked, &response));

    response = (struct sip_session_said){.expires_s = 600, .refresher = UAS};
    sip_session_agreed(&response, &terms);
    assert_int_equal(terms.expires_s, 600);
    assert_int_equal(terms.refresher, UAS);
    response.refresher = NOBODY;
    sip_session_agreed(&response, &terms);
    assert_int_equal(terms.refresher, UAC);
    response.expires_s = 0;
    sip_session_agreed(&response, &terms);
    assert_int_equal(terms.expires_s, 0);
    assert_int_equal(terms.refresher, NOBODY);

    buf_init(&text, 100);
    sip_session_expires_put(1800, UAC, &text);
    assert_string_equal(buf_text(&text), "1800;refresher=uac");
    buf_clear(&text);
    sip_session_expires_put(90, NOBODY, &text);
    assert_string_equal(buf_text(&text), "90");
    buf_fini(&text);
}

static void test_uas(void **state)
{
    (void)state;
    static const struct {
        struct sip_session_wish wish;
        struct sip_session_said request;
        unsigned status;
        struct sip_session_terms terms;
    } rows[] = {
        /* Table 2 */
        {{1800, 90, NOBODY}, {1800, NOBODY, 0, true}, 0, {1800, UAC, true}},
        {{1800, 90, UAS}, {1800, NOBODY, 0, true}, 0, {1800, UAS, true}},
        {{1800, 90, UAS}, {1800, UAC, 0, true}, 0, {1800, UAC, true}},
        {{1800, 90, UAC}, {1800, UAS, 0, true}, 0, {1800, UAS, true}},
        {{1800, 90, UAC}, {1800, NOBODY, 0, false}, 0, {1800, UAS, false}},
        /* intervals go down, to Min-SE, never up */
        {{600, 90, NOBODY}, {1800, UAC, 0, true}, 0, {600, UAC, true}},
        {{600, 90, NOBODY}, {1800, UAC, 900, true}, 0, {900, UAC, true}},
        {{3600, 90, NOBODY}, {1800, UAC, 0, true}, 0, {1800, UAC, true}},
        {{10, 90, NOBODY}, {1800, UAC, 0, true}, 0, {90, UAC, true}},
        {{600, 90, NOBODY}, {300, UAC, 900, true}, 0, {300, UAC, true}},
        /* too small */
        {{1800, 300, NOBODY}, {299, UAC, 0, true}, 422, {0, NOBODY, false}},
        {{1800, 300, NOBODY}, {300, UAC, 0, true}, 0, {300, UAC, true}},
        {{1800, 300, NOBODY}, {299, NOBODY, 0, false}, 0, {299, UAS, false}},
        /* nobody asked */
        {{1800, 90, NOBODY}, {0, NOBODY, 0, true}, 0, {1800, UAC, true}},
        {{1800, 90, NOBODY}, {0, NOBODY, 2000, true}, 0, {2000, UAC, true}},
        {{1800, 90, UAC}, {0, NOBODY, 0, false}, 0, {1800, UAS, false}},
        {{0, 90, NOBODY}, {0, NOBODY, 0, true}, 0, {0, NOBODY, false}},
        /* we do not care, the other side does */
        {{0, 90, NOBODY}, {1800, NOBODY, 0, true}, 0, {1800, UAC, true}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sip_session_terms terms = {0};
        unsigned status = sip_session_accept(&rows[i].wish, &rows[i].request, &terms);
        if (status != rows[i].status || terms.expires_s != rows[i].terms.expires_s ||
            terms.refresher != rows[i].terms.refresher || terms.require != rows[i].terms.require)
            fail_msg("row %zu: %u, %u s, refresher %d, require %d", i, status, terms.expires_s, terms.refresher,
                     terms.require);
    }
}

static void test_proxy(void **state)
{
    (void)state;
    static const struct {
        struct sip_session_wish wish;
        struct sip_session_said request;
        unsigned status;
        uint32_t expires_s, min_se_s;
    } rows[] = {
        {{1800, 90, NOBODY}, {0, NOBODY, 0, true}, 0, 1800, 0},
        {{1800, 90, NOBODY}, {0, NOBODY, 3600, true}, 0, 3600, 3600},
        {{0, 90, NOBODY}, {0, NOBODY, 0, true}, 0, 0, 0},
        {{0, 90, NOBODY}, {1800, UAC, 0, true}, 0, 1800, 0},
        {{600, 90, NOBODY}, {1800, UAC, 0, true}, 0, 600, 0},
        {{600, 90, NOBODY}, {1800, UAC, 700, true}, 0, 700, 700},
        {{3600, 90, NOBODY}, {1800, UAC, 0, true}, 0, 1800, 0},
        {{1800, 300, NOBODY}, {200, UAC, 0, true}, 422, 0, 0},
        {{1800, 300, NOBODY}, {200, NOBODY, 0, false}, 0, 300, 300},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sip_session_said forwarded = {0};
        unsigned status = sip_session_forward(&rows[i].wish, &rows[i].request, &forwarded);
        if (status != rows[i].status || forwarded.expires_s != rows[i].expires_s ||
            forwarded.min_se_s != rows[i].min_se_s)
            fail_msg("row %zu: %u, %u s, at least %u s", i, status, forwarded.expires_s, forwarded.min_se_s);
        if (!status)
            assert_int_equal(forwarded.refresher, rows[i].request.refresher); /* not ours to say */
    }
}

static void test_proxy_answers(void **state)
{
    (void)state;
    struct sip_session_said forwarded = {1800, NOBODY, 0, true}, response = {0};
    struct sip_session_terms terms;
    assert_true(sip_session_forward_answer(&forwarded, &response, &terms));
    assert_int_equal(terms.expires_s, 1800);
    assert_int_equal(terms.refresher, UAC);
    assert_true(terms.require);
    response.expires_s = 900;
    assert_false(sip_session_forward_answer(&forwarded, &response, &terms));
    response.expires_s = 0;
    forwarded.supported = false;
    assert_false(sip_session_forward_answer(&forwarded, &response, &terms));
}

/* ---- the timer ---- */

static struct now at(int64_t seconds)
{
    return (struct now){.mono = {seconds * 1000000}};
}

static void test_refresher(void **state)
{
    (void)state;
    struct sip_session_timer t;
    struct sip_session_terms terms = {1800, UAC, true};
    sip_session_timer_start(&t, at(1000), &terms, true);
    assert_int_equal(sip_session_timer_deadline(&t).us, at(1900).mono.us);
    assert_int_equal(sip_session_timer_tick(&t, at(1899)), SIP_SESSION_NOTHING);
    assert_int_equal(sip_session_timer_tick(&t, at(1900)), SIP_SESSION_REFRESH);
    assert_int_equal(sip_session_timer_tick(&t, at(1901)), SIP_SESSION_NOTHING);
    assert_int_equal(sip_session_timer_deadline(&t).us, at(2768).mono.us); /* 32 s before the end */

    /* The refresh was answered. */
    sip_session_timer_start(&t, at(1905), &terms, true);
    assert_int_equal(sip_session_timer_tick(&t, at(2768)), SIP_SESSION_NOTHING);
    assert_int_equal(sip_session_timer_tick(&t, at(2805)), SIP_SESSION_REFRESH);
    assert_int_equal(sip_session_timer_tick(&t, at(3673)), SIP_SESSION_END);
    assert_int_equal(sip_session_timer_tick(&t, at(9999)), SIP_SESSION_NOTHING);
    assert_int_equal(sip_session_timer_deadline(&t).us, MONO_NEVER.us);
}

static void test_other_side(void **state)
{
    (void)state;
    struct sip_session_timer t;
    struct sip_session_terms terms = {60, UAC, true};
    sip_session_timer_start(&t, at(0), &terms, false);
    assert_int_equal(sip_session_timer_deadline(&t).us, at(40).mono.us); /* a third before the end */
    assert_int_equal(sip_session_timer_tick(&t, at(39)), SIP_SESSION_NOTHING);
    assert_int_equal(sip_session_timer_tick(&t, at(40)), SIP_SESSION_END);
    terms = (struct sip_session_terms){0};
    sip_session_timer_start(&t, at(0), &terms, false);
    assert_int_equal(sip_session_timer_deadline(&t).us, MONO_NEVER.us);
    terms = (struct sip_session_terms){UINT32_MAX, UAS, false};
    sip_session_timer_start(&t, at(0), &terms, false);
    assert_int_equal(sip_session_timer_tick(&t, at(UINT32_MAX / 2 + 1)), SIP_SESSION_REFRESH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),      cmocka_unit_test(test_bad),        cmocka_unit_test(test_uac),
        cmocka_unit_test(test_uas),       cmocka_unit_test(test_proxy),      cmocka_unit_test(test_proxy_answers),
        cmocka_unit_test(test_refresher), cmocka_unit_test(test_other_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
