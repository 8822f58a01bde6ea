/* What falling back to the phone network needs of the edge: the agents' words to each other pass, the agent says how sensitive a call is, and a call whose
 * outside is dead stays the agent's as long as it wants it. */
#include "edge_stage.h"

#include <stdio.h>
#include <string.h>

#define CASE(name) cmocka_unit_test_setup_teardown(name, edge_stage_setup, edge_stage_teardown)

static const struct media_session *described(const struct stage *s)
{
    assert_true(s->session_count > 0);
    return &s->sessions[s->session_count - 1].last;
}

static unsigned sets(const struct stage *s)
{
    return s->sessions[s->session_count - 1].sets;
}

/* ---- how sensitive a call is ---- */

#define SENSITIVITY(value) "X-IME-Sensitivity: " value "\r\n"

static void caller_says_sensitivity(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_call_with(s, &ann, AGENT, WAY SENSITIVITY("5"));
    talk_asked_first(s, &bob, FAR, "INVITE");
    assert_null(strstr(stage_text(s), "Sensitivity")); /* it is between us */
    talk_answer(&bob, 200, SENSITIVITY("1"));          /* nobody outside has a word in it */
    talk_heard(&ann, "200");
    assert_null(strstr(stage_text(s), "Sensitivity"));
    assert_int_equal(described(s)->sensitivity, 5);
    talk_ack(&ann);
    talk_asked(&bob, "ACK");
    talk_request(&ann, "INVITE", SENSITIVITY("0"), stage_plain_sdp); /* from now on it is not watched */
    talk_asked(&bob, "INVITE");
    talk_accept(&ann, &bob);
    assert_int_equal(described(s)->sensitivity, 0);
    talk_request(&ann, "INVITE", NULL, stage_plain_sdp); /* what was said holds */
    talk_asked(&bob, "INVITE");
    talk_accept(&ann, &bob);
    assert_int_equal(described(s)->sensitivity, 0);
    talk_bye(&ann, &bob);
    assert_int_equal(stage_counters(s)->sensitivity_told, 2);
    assert_int_equal(stage_counters(s)->sensitivity_bad, 0);
}

static void called_side_says_sensitivity(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    char asks[2048];
    snprintf(asks, sizeof asks, "%s%s", stage_good_ticket(s), SENSITIVITY("1"));
    talk_call_with(s, &bob, FAR, asks);
    talk_asked_first(s, &ann, AGENT, "INVITE");
    assert_null(strstr(stage_text(s), "Sensitivity"));
    talk_answer(&ann, 183, SENSITIVITY("2"));
    talk_heard(&bob, "183");
    assert_null(strstr(stage_text(s), "Sensitivity"));
    assert_int_equal(described(s)->sensitivity, 2);
    ann.sdp = NULL; /* all was described */
    const unsigned before = sets(s);
    talk_answer(&ann, 200, SENSITIVITY("4"));
    talk_heard(&bob, "200");
    assert_int_equal(described(s)->sensitivity, 4);
    assert_true(sets(s) > before);
    talk_ack(&bob);
    talk_asked(&ann, "ACK");
    talk_bye(&bob, &ann);
}

static void sensitivity_is_bounded(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    static const char *const bad[] = {SENSITIVITY("6"), SENSITIVITY("-1"), SENSITIVITY("33"), SENSITIVITY("high"),
                                      SENSITIVITY("")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char more[256];
        snprintf(more, sizeof more, "%s%s", WAY, bad[i]);
        talk_call_with(s, &ann, AGENT, more);
        talk_asked_first(s, &bob, FAR, "INVITE");
        assert_null(strstr(stage_text(s), "Sensitivity"));
        talk_accept(&ann, &bob);
        assert_int_equal(described(s)->sensitivity, s->options.sensitivity);
        assert_int_equal(stage_counters(s)->sensitivity_bad, i + 1);
        talk_bye(&ann, &bob);
    }
    assert_int_equal(stage_counters(s)->sensitivity_told, 0);
}

/* ---- what agents say to each other ---- */

#define READY "IME-Fallback: ready;return=30\r\n"
#define OFFERED "IME-Fallback: offered;number=+4930200000;token=483920;caller-id=5;return=30\r\n"

static void hears(struct stage *s, struct talk *t, const char *method, const char *line)
{
    talk_asked(t, method);
    assert_non_null(strstr(stage_text(s), line));
}

/* A request without a body, and its answer with a word of its own. */
static void tells(struct stage *s, struct talk *from, struct talk *to, const char *line, unsigned status,
                  const char *answer)
{
    char text[8];
    snprintf(text, sizeof text, "%u", status);
    talk_request(from, "INFO", line, NULL);
    hears(s, to, "INFO", line);
    assert_non_null(strstr(stage_text(s), "Content-Length: 0\r\n"));
    talk_answer(to, status, answer);
    talk_heard(from, text);
    if (answer)
        assert_non_null(strstr(stage_text(s), answer));
    stage_quiet(s);
}

static void all_words(struct stage *s, struct talk *ann, struct talk *bob)
{
    tells(s, bob, ann, "IME-Fallback: wanted;why=dead\r\n", 200, NULL);
    tells(s, ann, bob, "IME-Fallback: calling\r\n", 200, "IME-Fallback: offered;token=112233\r\n");
    tells(s, bob, ann, "IME-Fallback: joined\r\n", 200, NULL);
    tells(s, bob, ann, "IME-Fallback: quality;bad\r\n", 200, NULL);
    tells(s, ann, bob, "IME-Fallback: return\r\n", 480, "Retry-After: 7\r\n");
    tells(s, ann, bob, "IME-Fallback: failed;cause=133\r\n", 200, NULL);
}

static void words_pass_out(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_call_with(s, &ann, AGENT, WAY READY);
    talk_asked_first(s, &bob, FAR, "INVITE");
    assert_non_null(strstr(stage_text(s), READY));
    talk_answer(&bob, 200, OFFERED);
    talk_heard(&ann, "200");
    assert_non_null(strstr(stage_text(s), OFFERED));
    talk_ack(&ann);
    talk_asked(&bob, "ACK");
    all_words(s, &ann, &bob);
    talk_bye(&ann, &bob);
}

static void words_pass_in(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    char asks[2048];
    snprintf(asks, sizeof asks, "%s%s", stage_good_ticket(s), READY);
    talk_call_with(s, &bob, FAR, asks);
    talk_asked_first(s, &ann, AGENT, "INVITE");
    assert_non_null(strstr(stage_text(s), READY));
    talk_answer(&ann, 200, OFFERED);
    talk_heard(&bob, "200");
    assert_non_null(strstr(stage_text(s), OFFERED));
    talk_ack(&bob);
    talk_asked(&ann, "ACK");
    all_words(s, &bob, &ann);
    talk_bye(&ann, &bob);
}

/* ---- ways that die ---- */

static void assert_told(struct stage *s, struct talk *ann, const char *word, const char *figures)
{
    char expected[128];
    talk_asked(ann, "REFER");
    snprintf(expected, sizeof expected, "<sip:quality@10.0.0.9:5060;ime-quality=%s>", word);
    assert_string_equal(stage_field(s, SIP_REFER_TO), expected);
    snprintf(expected, sizeof expected, "X-IME-Quality: %s", figures);
    assert_non_null(strstr(stage_text(s), expected));
}

static struct media_event *quality(bool is_bad, unsigned stream)
{
    static struct media_event event;
    event = (struct media_event){.kind = MEDIA_QUALITY,
                                 .stream = stream,
                                 .figures = {.loss_ppm = 70000, .mos_hundredths = 210, .is_bad = is_bad}};
    return &event;
}

static struct media_event *silence(void)
{
    static struct media_event event;
    event = (struct media_event){.kind = MEDIA_SILENT, .side = MEDIA_OUTSIDE};
    return &event;
}

/* Nobody outside answers; the agent is told, and has the call until it hangs up. */
static void far_machine_is_gone(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    stage_media(s, silence());
    talk_asked(&bob, "OPTIONS");
    stage_run(s, 9999); /* far sooner than timer F: the far agent gives up such a call after 30 s */
    stage_quiet(s);
    stage_run(s, 1);
    assert_told(s, &ann, "bad", "bad;why=gone\r\n");
    talk_answer(&ann, 202, NULL);
    stage_run(s, 29999); /* timer F is over meanwhile */
    stage_quiet(s);
    assert_int_equal(stage_counters(s)->far_gone, 1);
    stage_run(s, 1);
    talk_asked(&bob, "OPTIONS");         /* asked again, half a minute later */
    for (unsigned i = 0; i < 270; i++) { /* an hour and a half: both are asked, and only the agent answers */
        stage_run(s, 20000);
        while (!list_empty(&s->inbox[FAR]))
            talk_asked(&bob, "OPTIONS");
        while (!list_empty(&s->inbox[AGENT])) {
            talk_asked(&ann, "OPTIONS");
            talk_answer(&ann, 200, NULL);
        }
    }
    assert_int_equal(stage_counters(s)->far_gone, 1);
    assert_int_equal(stage_counters(s)->calls_ended, 0);
    talk_request(&ann, "BYE", "Reason: Q.850 ;cause=16\r\n", NULL);
    while (!list_empty(&s->inbox[FAR]) && !strstr(CONTAINER_OF(s->inbox[FAR].next, struct sent, link)->text, "BYE"))
        talk_asked(&bob, "OPTIONS");
    talk_asked(&bob, "BYE");
    stage_run(s, 70000);
    stage_quiet(s); /* RFC 4320: its own timer has told it */
    assert_int_equal(s->open_count, 0);
}

/* Its answer comes when it was no longer waited for: it is back. */
static void far_answers_late(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    stage_media(s, silence());
    talk_asked(&bob, "OPTIONS");
    stage_run(s, 20000);
    assert_told(s, &ann, "bad", "bad;why=gone\r\n");
    talk_answer(&ann, 202, NULL);
    talk_answer(&bob, 200, NULL);
    assert_told(s, &ann, "good", "good;why=back\r\n");
    talk_answer(&ann, 202, NULL);
    stage_media(s, silence()); /* and is asked in vain once more, of which the call's end is the end */
    talk_asked(&bob, "OPTIONS");
    talk_bye(&ann, &bob);
    stage_run(s, 33000);
    stage_quiet(s);
    assert_int_equal(stage_counters(s)->far_gone, 1);
}

/* And comes back. */
static void far_comes_back(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &bob, FAR, &ann, AGENT);
    stage_media(s, silence());
    stage_unreachable(s, FAR); /* the question could not be sent */
    assert_told(s, &ann, "bad", "bad;why=gone\r\n");
    talk_answer(&ann, 202, NULL);
    stage_media(s, quality(true, 0)); /* it is known already */
    stage_quiet(s);
    stage_run(s, 31000);
    talk_asked(&bob, "OPTIONS"); /* asked again, it answers */
    talk_answer(&bob, 200, NULL);
    stage_quiet(s); /* but its media are bad still */
    stage_media(s, quality(false, 0));
    assert_told(s, &ann, "good", "good;loss=0.0700;mos=2.1;stream=0\r\n");
    talk_answer(&ann, 202, NULL);
    stage_quiet(s);
    assert_int_equal(stage_counters(s)->far_back, 1);
    stage_media(s, silence());
    stage_unreachable(s, FAR);
    assert_told(s, &ann, "bad", "bad;why=gone\r\n");
    talk_answer(&ann, 202, NULL);
    talk_request(&bob, "INFO", NULL, NULL); /* it is there */
    assert_told(s, &ann, "good", "good;why=back\r\n");
    talk_answer(&ann, 202, NULL);
    talk_asked(&ann, "INFO");
    talk_answer(&ann, 200, NULL);
    talk_heard(&bob, "200");
    talk_bye(&ann, &bob);
}

/* Media come again before signalling: it is asked at once. */
static void media_come_back_first(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    stage_media(s, quality(true, 0));
    assert_told(s, &ann, "bad", "bad;loss=0.0700;mos=2.1;stream=0\r\n");
    talk_answer(&ann, 202, NULL);
    stage_media(s, silence());
    stage_unreachable(s, FAR);
    assert_told(s, &ann, "bad", "bad;why=gone\r\n");
    talk_answer(&ann, 202, NULL);
    stage_media(s, quality(false, 0));
    talk_asked(&bob, "OPTIONS");
    stage_quiet(s);
    talk_answer(&bob, 200, NULL);
    assert_told(s, &ann, "good", "good;why=back\r\n");
    talk_answer(&ann, 202, NULL);
    talk_bye(&bob, &ann);
}

/* An agent that does not know what to do with it has no dead call for ever. */
static void agent_does_not_care(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    stage_media(s, silence());
    stage_unreachable(s, FAR);
    talk_asked(&ann, "REFER");
    talk_answer(&ann, 405, NULL);
    talk_asked(&ann, "BYE");
    assert_non_null(
        strstr(stage_field(s, SIP_REASON), "X-IME ;cause=148 ;text=\"the edge: nobody outside was there\""));
    talk_answer(&ann, 200, NULL);
    talk_asked(&bob, "BYE");
    assert_non_null(strstr(stage_field(s, SIP_REASON), "X-IME ;cause=148"));
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);
}

/* The agent itself has gone: nobody is there to want the call. */
static void agent_is_gone(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    struct media_event event = {.kind = MEDIA_SILENT, .side = MEDIA_INSIDE};
    stage_media(s, &event);
    stage_unreachable(s, AGENT);
    stage_unreachable(s, AGENT); /* BYE */
    talk_asked(&bob, "BYE");
    assert_non_null(strstr(stage_field(s, SIP_REASON), "X-IME ;cause=148 ;text=\"the edge: the caller had gone\""));
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);
}

/* The connection to the far edge ends: whoever has calls over it is asked, one after the other, and lives or not. */
static void far_connection_ends(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob, cid, dan;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    talk_connect(s, &dan, FAR, &cid, AGENT);
    stage_lose(s, OTHER); /* that of somebody else */
    stage_run(s, 10);
    stage_quiet(s);
    stage_lose(s, FAR);
    stage_quiet(s);
    stage_run(s, 1);
    talk_asked(&bob, "OPTIONS");
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);
    stage_run(s, 1);
    stage_unreachable(s, FAR);
    assert_told(s, &cid, "bad", "bad;why=gone\r\n");
    talk_answer(&cid, 202, NULL);
    stage_quiet(s);
    talk_request(&dan, "INFO", NULL, NULL);
    assert_told(s, &cid, "good", "good;why=back\r\n");
    talk_answer(&cid, 202, NULL);
    talk_asked(&cid, "INFO");
    talk_answer(&cid, 200, NULL);
    talk_heard(&dan, "200");
    stage_lose(s, FAR); /* both had been heard over another one since */
    stage_run(s, 10);
    talk_asked(&bob, "OPTIONS");
    talk_answer(&bob, 200, NULL);
    talk_asked(&dan, "OPTIONS");
    talk_answer(&dan, 200, NULL);
    talk_bye(&ann, &bob);
    talk_bye(&cid, &dan);
}

/* A question of the agent's own that nobody answers has the edge look. */
static void agent_asks_first(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    talk_request(&ann, "OPTIONS", NULL, NULL);
    stage_unreachable(s, FAR);
    talk_heard(&ann, "503");
    stage_unreachable(s, FAR);
    assert_told(s, &ann, "bad", "bad;why=gone\r\n");
    talk_answer(&ann, 202, NULL);
    stage_quiet(s);
    talk_request(&ann, "BYE", NULL, NULL);
    stage_unreachable(s, FAR);
    talk_heard(&ann, "503");
    stage_quiet(s);
}

/* Another edge that cannot reach its agent says so; one that is only busy does not. */
static void far_agent_is_gone(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    stage_media(s, silence());
    talk_asked(&bob, "OPTIONS");
    talk_answer(&bob, 503, "Retry-After: 5\r\n");
    stage_quiet(s);
    stage_media(s, silence());
    talk_asked(&bob, "OPTIONS");
    talk_answer(&bob, 503, "Reason: X-IME ;cause=142 ;text=\"no call agent is there\"\r\n");
    assert_told(s, &ann, "bad", "bad;why=gone\r\n");
    talk_answer(&ann, 202, NULL);
    talk_bye(&ann, &bob);
}

/* A call has several streams, and one quality. */
static void streams_are_one_call(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    stage_media(s, quality(true, 1));
    assert_told(s, &ann, "bad", "bad;loss=0.0700;mos=2.1;stream=1\r\n");
    talk_answer(&ann, 202, NULL);
    stage_media(s, quality(true, 0));
    stage_media(s, quality(false, 1));
    stage_quiet(s);
    stage_media(s, quality(false, 0));
    assert_told(s, &ann, "good", "good;loss=0.0700;mos=2.1;stream=0\r\n");
    talk_answer(&ann, 202, NULL);
    talk_bye(&ann, &bob);
}

/* A person's BYE has no such reason; another edge's keeps its own. */
static void reasons_of_others_pass(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    talk_request(&bob, "BYE", "Reason: X-IME ;cause=148 ;text=\"the edge: the caller had gone\"\r\n", NULL);
    talk_asked(&ann, "BYE");
    assert_string_equal(stage_field(s, SIP_REASON), "X-IME ;cause=148 ;text=\"the edge: the caller had gone\"");
    talk_answer(&ann, 200, NULL);
    talk_heard(&bob, "200");
    talk_connect(s, &ann, AGENT, &bob, FAR);
    talk_request(&bob, "BYE", NULL, NULL);
    talk_asked(&ann, "BYE");
    assert_string_equal(stage_field(s, SIP_REASON), "");
    talk_answer(&ann, 200, NULL);
    talk_heard(&bob, "200");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(caller_says_sensitivity), CASE(called_side_says_sensitivity),
        CASE(sensitivity_is_bounded),  CASE(words_pass_out),
        CASE(words_pass_in),           CASE(far_machine_is_gone),
        CASE(far_answers_late),        CASE(far_comes_back),
        CASE(media_come_back_first),   CASE(agent_does_not_care),
        CASE(agent_is_gone),           CASE(far_connection_ends),
        CASE(agent_asks_first),        CASE(far_agent_is_gone),
        CASE(streams_are_one_call),    CASE(reasons_of_others_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
