/* Calls through the phone network in virtual time: two carriers, phones at the ends of their trunks. What each side sees of a call, what it costs,
 * and that nothing is left of it. */
#include "pstn_stage.h"

/* A call to which nobody came, or not for long: its cause, and the status that the caller heard. */
static void expect_failed(struct stage *s, enum pstn_cause cause, unsigned status)
{
    assert_string_equal(pstn_cause_word(newest(s)->cause), pstn_cause_word(cause));
    assert_int_equal(newest(s)->status, status);
    assert_int_equal(s->ends[ANN].last.status, status);
    assert_int_equal(s->ends[ANN].over, 1);
    assert_int_equal(newest(s)->price, 0);
    assert_int_equal(pstn_network_calls(s->network), 0);
}

/* ---- calls ---- */

static void call_through_both_carriers(void **state)
{
    struct stage *s = *state;
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "0302005678", 61000);
    stage_run(s, 120000);
    const struct pstn_phone_call *ann = &s->ends[ANN].last, *bob = &s->ends[BOB].last;
    const struct pstn_record *r = newest(s);
    assert_true(ann->in_order && ann->ended_by_us && ann->rang);
    assert_true(bob->in_order && !bob->ended_by_us);
    assert_string_equal(bob->from, "0301001234");
    assert_string_equal(bob->to, "+49302005678");
    /* The two sides measure nearly the same: 30 ms later and 50 ms later. */
    assert_int_equal(ann->rang_at.ms - ann->begun_at.ms, 200);
    assert_int_equal(ann->answered_at.ms - bob->answered_at.ms, 30);
    assert_int_equal(bob->ended_at.ms - ann->ended_at.ms, 50);
    assert_int_equal(ann->ended_at.ms - ann->answered_at.ms, 61000);
    assert_int_equal(r->answered_at[0].ms, ann->answered_at.ms);
    assert_int_equal(r->ended_at[0].ms, ann->ended_at.ms);
    assert_int_equal(r->cause, PSTN_CAUSE_ENDED);
    assert_string_equal(r->from, "+49301001234");
    assert_string_equal(r->from_trunk, "a");
    assert_string_equal(r->to_trunk, "b");
    assert_non_null(strstr(s->to_bob, "P-Asserted-Identity: <sip:0301001234@198.51.100.2:5060;user=phone>\r\n"));
    assert_non_null(strstr(s->to_bob, "\r\nm=audio 5060 RTP/AVP 8 0 101\r\n")); /* ANN's: media goes between the ends */
    assert_non_null(strstr(s->to_bob, "\r\nc=IN IP4 10.0.0.1\r\n"));
    assert_non_null(strstr(s->to_bob, "\r\nMax-Forwards: 69\r\n"));
}

static void called_side_hangs_up(void **state)
{
    struct stage *s = *state;
    s->ends[BOB].options.talk_ms = 5000;
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 0);
    stage_run(s, 20000);
    assert_true(s->ends[ANN].last.in_order && !s->ends[ANN].last.ended_by_us);
    assert_true(s->ends[BOB].last.in_order && s->ends[BOB].last.ended_by_us);
    assert_int_equal(s->ends[ANN].last.ended_at.ms - s->ends[BOB].last.ended_at.ms, 50);
}

/* 40 ms after one side, before it was told. */
static void both_hang_up(void **state)
{
    struct stage *s = *state;
    s->ends[BOB].options.talk_ms = 10000 + 30 + 40;
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 10000);
    stage_run(s, 60000);
    assert_true(s->ends[ANN].last.in_order && s->ends[ANN].last.ended_by_us);
    assert_true(s->ends[BOB].last.in_order && s->ends[BOB].last.ended_by_us);
    assert_int_equal(newest(s)->cause, PSTN_CAUSE_ENDED);
    assert_int_equal(newest(s)->ended_at[1].ms - newest(s)->ended_at[0].ms, 40);
    assert_int_equal(s->ends[ANN].over, 1);
    assert_int_equal(s->ends[BOB].over, 1);
}

/* In the very moment in which the network tells it: two BYEs pass each other on the same trunk. */
static void byes_cross(void **state)
{
    struct stage *s = *state;
    s->ends[BOB].options.talk_ms = 10000 + 30 + 50;
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 10000);
    stage_run(s, 60000);
    assert_true(s->ends[ANN].last.in_order);
    assert_true(s->ends[BOB].last.in_order && s->ends[BOB].last.ended_by_us);
    assert_int_equal(newest(s)->cause, PSTN_CAUSE_ENDED);
}

static void busy(void **state)
{
    struct stage *s = *state;
    s->ends[BOB].options.is_busy = true;
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 1000);
    stage_run(s, 10000);
    expect_failed(s, PSTN_CAUSE_BUSY, 486);
}

static void always_busy(void **state)
{
    struct stage *s = *state;
    assert_true(e164_parse(slice_str("+49302005678"), &s->options.busy.numbers[s->options.busy.n++]));
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 1000);
    stage_run(s, 10000);
    expect_failed(s, PSTN_CAUSE_BUSY, 486);
    assert_string_equal(s->to_bob, ""); /* it never heard of it */
}

static void no_answer(void **state)
{
    struct stage *s = *state;
    s->options.ring_ms = 20000;
    s->ends[BOB].options.ring = (struct pstn_span){40000, 40000};
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 1000);
    stage_run(s, 19000);
    assert_true(s->ends[ANN].last.rang);
    assert_int_equal(pstn_network_calls(s->network), 1);
    stage_run(s, 11000);
    expect_failed(s, PSTN_CAUSE_NO_ANSWER, 480);
    assert_int_equal(s->ends[BOB].last.status, 487); /* it was told to stop ringing */
}

static void never_answered(void **state)
{
    struct stage *s = *state;
    s->options.ring_ms = 20000;
    assert_true(e164_parse(slice_str("+49302005678"), &s->options.unanswered.numbers[s->options.unanswered.n++]));
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 1000);
    stage_run(s, 30000);
    expect_failed(s, PSTN_CAUSE_NO_ANSWER, 480);
    assert_true(s->ends[ANN].last.rang);
    assert_string_equal(s->to_bob, "");
}

static void caller_cancels(void **state)
{
    struct stage *s = *state;
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 1000);
    stage_run(s, 1000);
    assert_true(s->ends[ANN].last.rang && s->ends[BOB].last.rang);
    pstn_phone_stop(s->ends[ANN].phone, s->now);
    stage_run(s, 1000);
    expect_failed(s, PSTN_CAUSE_CANCELLED, 487);
    assert_int_equal(s->ends[BOB].last.status, 487);
    assert_int_equal(s->ends[BOB].over, 1);
}

/* Between the called side's answer and its news at the caller's side. */
static void cancel_meets_answer(void **state)
{
    struct stage *s = *state;
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 1000);
    stage_run(s, 3200 + 10);
    assert_int_not_equal(s->ends[BOB].last.answered_at.ms, 0);
    assert_int_equal(s->ends[ANN].last.answered_at.ms, 0);
    pstn_phone_stop(s->ends[ANN].phone, s->now);
    stage_run(s, 5000);
    expect_failed(s, PSTN_CAUSE_CANCELLED, 487);
    assert_true(s->ends[BOB].last.in_order); /* it had a very short call */
}

static void caller_is_lost_or_withheld(void **state)
{
    struct stage *s = *state;
    s->options.carriers[0].lost_percent = 100;
    s->options.carriers[1].withheld_percent = 100;
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 1000);
    stage_run(s, 10000);
    assert_string_equal(s->ends[BOB].last.from, "unavailable");
    assert_null(strstr(s->to_bob, "0301001234"));
    assert_null(strstr(s->to_bob, "P-Asserted-Identity"));
    assert_string_equal(newest(s)->shown, "");
    call_through(s, BOB, 1, "+49302005678", "+49301001234", 1000);
    stage_run(s, 10000);
    assert_string_equal(s->ends[ANN].last.from, "anonymous");
    assert_int_equal(pstn_network_counters(s->network)->callers_lost, 1);
    assert_int_equal(pstn_network_counters(s->network)->callers_withheld, 1);
}

/* The last digits are left. */
static void caller_is_spoiled(void **state)
{
    struct stage *s = *state;
    s->options.carriers[0].shortened_percent = 100;
    s->options.carriers[1].rewritten_percent = 100;
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 1000);
    stage_run(s, 10000);
    assert_string_equal(s->ends[BOB].last.from, "01234");
    assert_null(strstr(s->to_bob, "301001234"));
    call_through(s, BOB, 1, "+49302005678", "+49301001234", 1000);
    stage_run(s, 10000);
    assert_string_equal(s->ends[ANN].last.from, "090005678");
    assert_int_equal(pstn_network_counters(s->network)->callers_shortened, 1);
    assert_int_equal(pstn_network_counters(s->network)->callers_rewritten, 1);
}

static void chance(void **state)
{
    struct stage *s = *state;
    s->options.carriers[0].busy_percent = 50;
    s->options.calls_max = 100;
    stage_start(s);
    for (unsigned i = 0; i < 100; i++) {
        call_through(s, ANN, 0, "+49301001234", "+49302005678", 1000);
        stage_run(s, 8000);
    }
    const uint64_t times = pstn_network_counters(s->network)->calls_busy;
    assert_in_range(times, 30, 70);
    assert_int_equal(pstn_network_counters(s->network)->calls_answered, 100 - times);
}

static void ported(void **state)
{
    struct stage *s = *state;
    snprintf(s->options.ported[0].pattern, sizeof s->options.ported[0].pattern, "+49302005678");
    s->options.ported[0].trunk = CARL;
    s->options.ported_count = 1;
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 1000);
    stage_run(s, 10000);
    assert_string_equal(newest(s)->to_trunk, "c");
    assert_true(s->ends[CARL].last.in_order);
    assert_int_equal(s->ends[BOB].over, 0);
    call_through(s, ANN, 0, "+49301001234", "+49302005679", 1000);
    stage_run(s, 10000);
    assert_string_equal(newest(s)->to_trunk, "b");
}

static void prices(void **state)
{
    struct stage *s = *state;
    s->options.carriers[1].tariff = (struct pstn_tariff){7, 0};
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 61000); /* two minutes have begun */
    stage_run(s, 70000);
    assert_int_equal(newest(s)->price, 100 + 2 * 20);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 60000); /* one */
    stage_run(s, 70000);
    assert_int_equal(newest(s)->price, 100 + 20);
    call_through(s, BOB, 1, "+49302005678", "+49301001234", 60000); /* who calls pays */
    stage_run(s, 70000);
    assert_int_equal(newest(s)->price, 7);
    const struct pstn_account *one = pstn_network_account(s->network, 0), *two = pstn_network_account(s->network, 1);
    assert_int_equal(one->answered, 2);
    assert_int_equal(one->price, 260);
    assert_int_equal(one->talk_ms, 121000);
    assert_int_equal(two->price, 7);
}

static void nobody_there(void **state)
{
    struct stage *s = *state;
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49309", 1000);
    stage_run(s, 10000);
    expect_failed(s, PSTN_CAUSE_NO_NUMBER, 404);
    s->ends[ANN].over = 0;
    s->swallow = 1000;
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 1000);
    stage_run(s, 50000);
    expect_failed(s, PSTN_CAUSE_UNREACHABLE, 503);
}

/* Five messages of the called side are lost: everything is repeated until it is there. */
static void messages_are_lost(void **state)
{
    struct stage *s = *state;
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 20000);
    stage_run(s, 3000);
    s->swallow = 3;
    stage_run(s, 20000);
    s->swallow = 2;
    stage_run(s, 60000);
    assert_true(s->ends[ANN].last.in_order && s->ends[BOB].last.in_order);
    assert_int_equal(newest(s)->cause, PSTN_CAUSE_ENDED);
}

static void strangers(void **state)
{
    struct stage *s = *state;
    stage_start(s);
    call_through(s, BOB, 0, "+49302005678", "+49301001234", 1000); /* the other carrier's trunk */
    stage_run(s, 5000);
    assert_int_equal(s->ends[BOB].last.status, 403);
    assert_int_equal(pstn_network_counters(s->network)->refused_source, 1);
    assert_null(pstn_network_record(s->network, 0));
}

static void stops(void **state)
{
    struct stage *s = *state;
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 0);
    call_through(s, CARL, 0, "+49303001", "+49302005679", 0);
    stage_run(s, 3100);
    call_through(s, ANN, 0, "+49301001235", "+49302005678", 0);
    stage_run(s, 1000);
    assert_int_equal(pstn_network_calls(s->network), 3);
    pstn_network_stop(s->network, s->now);
    stage_run(s, 1000);
    assert_int_equal(pstn_network_calls(s->network), 0);
    assert_int_equal(s->ends[ANN].over, 2);
    assert_int_equal(s->ends[BOB].over, 3);
}

/* ---- a PBX that the test plays ---- */

/* The INVITE has no description: the answer has the offer, and the ACK its answer. Then the caller wants another one. */
static void offers_late_and_again(void **state)
{
    struct stage *s = *state;
    char to[512], target[512];
    add_trunk(s, "d", 0, PBX_POINT, "+49301009999");
    stage_start(s);
    pbx_requests(s, "INVITE", "sip:+49302005678@carrier", "<sip:+49302005678@carrier>", 1,
                 "Supported: timer, 100rel\r\n", "");
    pbx_expect(s, "SIP/2.0 100 ");
    stage_run(s, 5000);
    pbx_expect(s, "SIP/2.0 200 ");
    assert_non_null(strstr(s->to_pbx, "\r\nc=IN IP4 10.0.0.2\r\n"));
    assert_non_null(strstr(s->to_bob, "\r\nSupported: timer\r\n"));
    assert_null(strstr(s->to_bob, "100rel"));
    pbx_dialog(s, to, target);
    stage_run(s, 2000);
    assert_true(s->pbx_messages > 2); /* the answer is repeated until the ACK */
    pbx_requests(s, "ACK", target, to, 1, "", SDP("4000"));
    stage_run(s, 20000);
    assert_int_equal(s->pbx_messages, 0);

    pbx_requests(s, "INVITE", target, to, 2, "Session-Expires: 1800;refresher=uac\r\nSupported: timer\r\n",
                 SDP("4002"));
    pbx_expect(s, "SIP/2.0 200 ");
    assert_non_null(strstr(s->to_bob, "\r\nm=audio 4002 RTP/AVP 0\r\n"));
    assert_non_null(strstr(s->to_bob, "\r\nSession-Expires: 1800;refresher=uac\r\n"));
    assert_non_null(strstr(s->to_pbx, "\r\na=inactive\r\n"));
    pbx_requests(s, "ACK", target, to, 2, "", "");
    pbx_requests(s, "INFO", target, to, 3, "", "");
    pbx_expect(s, "SIP/2.0 200 ");
    pbx_requests(s, "REFER", target, to, 4, "Refer-To: <sip:x@y>\r\n", "");
    pbx_expect(s, "SIP/2.0 405 ");
    pbx_requests(s, "OPTIONS", target, to, 5, "", "");
    pbx_expect(s, "SIP/2.0 200 ");
    pbx_requests(s, "BYE", target, to, 6, "", "");
    pbx_expect(s, "SIP/2.0 200 ");
    stage_run(s, 1000);
    assert_true(s->ends[BOB].last.in_order);
    assert_int_equal(pstn_network_counters(s->network)->requests_passed, 2);
    pbx_requests(s, "BYE", target, to, 7, "", "");
    pbx_expect(s, "SIP/2.0 481 ");
}

static void answer_is_never_acknowledged(void **state)
{
    struct stage *s = *state;
    add_trunk(s, "d", 0, PBX_POINT, "+49301009999");
    stage_start(s);
    pbx_requests(s, "INVITE", "sip:+49302005678@carrier", "<sip:+49302005678@carrier>", 1, "", SDP("4000"));
    stage_run(s, 60000);
    pbx_expect(s, "BYE sip:pbx@" PBX_POINT " ");
    assert_int_equal(newest(s)->cause, PSTN_CAUSE_LOST);
    assert_int_equal(s->ends[BOB].over, 1);
}

/* The PBX goes away in the middle of a call; the other side does not hang up. */
static void side_vanishes(void **state)
{
    struct stage *s = *state;
    char to[512], target[512];
    add_trunk(s, "d", 0, PBX_POINT, "+49301009999");
    stage_start(s);
    pbx_requests(s, "INVITE", "sip:+49302005678@carrier", "<sip:+49302005678@carrier>", 1, "", SDP("4000"));
    stage_run(s, 5000);
    pbx_dialog(s, to, target);
    pbx_requests(s, "ACK", target, to, 1, "", "");
    stage_run(s, 890000);
    assert_int_equal(pstn_network_calls(s->network), 1);
    stage_run(s, 60000);
    assert_int_equal(pstn_network_calls(s->network), 0);
    assert_int_equal(newest(s)->cause, PSTN_CAUSE_LOST);
    assert_true(s->ends[BOB].last.in_order);
}

/* With a password: first without it, then wrong, then right; then calls go there. */
static void registers(void **state)
{
    struct stage *s = *state;
    struct buf more;
    const char *passwords[] = {"wrong", "secret"}, *expected[] = {"SIP/2.0 403 ", "SIP/2.0 200 "};
    add_trunk(s, "d", 0, NULL, "+49301009999");
    s->options.trunks[3].user = "pbx";
    s->options.trunks[3].password = "secret";
    stage_start(s);
    call_through(s, CARL, 0, "+49303001", "+49301009999", 1000);
    stage_run(s, 5000);
    assert_int_equal(s->ends[CARL].last.status, 480);
    buf_init(&more, 4096);
    for (unsigned i = 0; i < 2; i++) {
        pbx_requests(s, "REGISTER", "sip:carrier", "<sip:pbx@carrier>", 1 + 2 * i, "", "");
        pbx_expect(s, "SIP/2.0 401 ");
        pbx_answers(s, &more, SIP_AUTHORIZATION, "REGISTER", "sip:carrier", passwords[i]);
        buf_str(&more, "Expires: 60\r\n");
        pbx_requests(s, "REGISTER", "sip:carrier", "<sip:pbx@carrier>", 2 + 2 * i, buf_text(&more), "");
        pbx_expect(s, expected[i]);
    }
    buf_fini(&more);
    assert_string_equal(pbx_field(s, SIP_CONTACT), "<sip:pbx@" PBX_POINT ">;expires=60");
    call_through(s, CARL, 0, "+49303001", "+49301009999", 1000);
    stage_run(s, 1000);
    pbx_expect(s, "INVITE sip:+49301009999@" PBX_POINT ";user=phone SIP/2.0\r\n");
    stage_run(s, 60000);
    call_through(s, CARL, 0, "+49303001", "+49301009999", 1000); /* it has expired */
    stage_run(s, 5000);
    assert_int_equal(s->ends[CARL].last.status, 480);
}

/* A trunk whose calls need a password: the network asks for it with 407. */
static void call_needs_password(void **state)
{
    struct stage *s = *state;
    s->options.trunks[ANN].user = "pbx";
    s->options.trunks[ANN].password = "secret";
    s->ends[ANN].options.user = "pbx";
    s->ends[ANN].options.password = "secret";
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 1000);
    stage_run(s, 10000);
    assert_true(s->ends[ANN].last.in_order);
    assert_int_equal(s->ends[ANN].over, 1);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 1000); /* with the same nonce again */
    stage_run(s, 10000);
    assert_true(s->ends[ANN].last.in_order);
    assert_int_equal(pstn_network_counters(s->network)->calls_answered, 2);
}

static void call_with_wrong_password(void **state)
{
    struct stage *s = *state;
    s->options.trunks[ANN].user = "pbx";
    s->options.trunks[ANN].password = "secret";
    s->ends[ANN].options.user = "pbx";
    s->ends[ANN].options.password = "guess";
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 1000);
    stage_run(s, 10000);
    assert_int_equal(s->ends[ANN].last.status, 403);
    assert_int_equal(pstn_network_counters(s->network)->refused_password, 1);
    assert_null(pstn_network_record(s->network, 0));
}

/* ---- extensions that a caller requires ---- */

static void unknown_extension(void **state)
{
    struct stage *s = *state;
    add_trunk(s, "d", 0, PBX_POINT, "+49301009999");
    stage_start(s);
    pbx_requests(s, "INVITE", "sip:+49302005678@carrier", "<sip:+49302005678@carrier>", 1,
                 "Require: timer, 100rel, replaces\r\nRequire: gruu\r\n", SDP("4000"));
    pbx_expect(s, "SIP/2.0 420 ");
    assert_string_equal(pbx_field(s, SIP_UNSUPPORTED), "replaces, gruu");
    pbx_requests(s, "ACK", "sip:+49302005678@carrier", pbx_field(s, SIP_TO), 1, "", "");
    assert_null(pstn_network_record(s->network, 0));
}

/* The caller has to hear the ringing: it is told of it again until it says so. */
static void ringing_is_acknowledged(void **state)
{
    struct stage *s = *state;
    char to[512], target[512], rack[128];
    s->ends[BOB].options.ring = (struct pstn_span){20000, 20000};
    add_trunk(s, "d", 0, PBX_POINT, "+49301009999");
    stage_start(s);
    pbx_requests(s, "INVITE", "sip:+49302005678@carrier", "<sip:+49302005678@carrier>", 1, "Require: 100rel\r\n",
                 SDP("4000"));
    s->pbx_messages = 0;
    stage_run(s, 2000);
    pbx_expect(s, "SIP/2.0 180 ");
    assert_int_equal(s->pbx_messages, 3); /* at 0.2, 0.7 and 1.7 s */
    assert_string_equal(pbx_field(s, SIP_REQUIRE), "100rel");
    snprintf(rack, sizeof rack, "RAck: %s 1 INVITE\r\n", pbx_field(s, SIP_RSEQ));
    pbx_dialog(s, to, target);
    pbx_requests(s, "PRACK", target, to, 2, "RAck: 1 1 INVITE\r\n", "");
    pbx_expect(s, "SIP/2.0 481 ");
    pbx_requests(s, "PRACK", target, to, 3, rack, "");
    pbx_expect(s, "SIP/2.0 200 ");
    s->pbx_messages = 0;
    stage_run(s, 10000);
    assert_int_equal(s->pbx_messages, 0);
    stage_run(s, 10000);
    pbx_expect(s, "SIP/2.0 200 ");
    pbx_requests(s, "ACK", target, to, 1, "", "");
    pbx_requests(s, "BYE", target, to, 4, "", "");
    pbx_expect(s, "SIP/2.0 200 ");
    stage_run(s, 1000);
    assert_true(s->ends[BOB].last.in_order);
}

static void ringing_is_never_acknowledged(void **state)
{
    struct stage *s = *state;
    s->ends[BOB].options.ring = (struct pstn_span){50000, 50000};
    add_trunk(s, "d", 0, PBX_POINT, "+49301009999");
    stage_start(s);
    pbx_requests(s, "INVITE", "sip:+49302005678@carrier", "<sip:+49302005678@carrier>", 1, "Require: 100rel\r\n",
                 SDP("4000"));
    stage_run(s, 32000);
    pbx_expect(s, "SIP/2.0 180 ");
    stage_run(s, 1000);
    pbx_expect(s, "SIP/2.0 504 ");
    assert_int_equal(newest(s)->cause, PSTN_CAUSE_LOST);
    assert_int_equal(s->ends[BOB].last.status, 487);
}

/* Whatever happens to messages, every call ends, and nothing is left. */
static void storm(void **state)
{
    struct stage *s = *state;
    s->options.carriers[0].busy_percent = s->options.carriers[0].unanswered_percent = 10;
    s->options.ring_ms = 20000;
    for (unsigned i = 0; i < PHONES; i++) {
        s->ends[i].options.calls_max = 100;
        s->ends[i].options.talk_ms = 15000;
        s->ends[i].options.ring = (struct pstn_span){0, 25000};
    }
    stage_start(s);
    s->lose_percent = 5;
    s->change_percent = 10;
    for (unsigned i = 0; i < 300; i++) {
        call_through(s, ANN, 0, "+49301001234", "+49302005678", entropy_between(&s->entropy, 1, 20000));
        call_through(s, BOB, 1, "+49302005678", "+4930300", entropy_between(&s->entropy, 1, 20000));
        stage_run(s, 1000);
    }
    stage_run(s, 300000);
    s->lose_percent = s->change_percent = 0;
    stage_run(s, 300000);
    assert_int_equal(pstn_network_calls(s->network), 0);
    assert_true(pstn_network_counters(s->network)->calls_answered > 100);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 1000); /* it still works */
    stage_run(s, 60000);
    assert_int_not_equal(newest(s)->cause, PSTN_CAUSE_NONE);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(call_through_both_carriers),
        CASE(called_side_hangs_up),
        CASE(both_hang_up),
        CASE(byes_cross),
        CASE(busy),
        CASE(always_busy),
        CASE(no_answer),
        CASE(never_answered),
        CASE(caller_cancels),
        CASE(cancel_meets_answer),
        CASE(caller_is_lost_or_withheld),
        CASE(caller_is_spoiled),
        CASE(chance),
        CASE(ported),
        CASE(prices),
        CASE(nobody_there),
        CASE(messages_are_lost),
        CASE(strangers),
        CASE(stops),
        CASE(offers_late_and_again),
        CASE(answer_is_never_acknowledged),
        CASE(side_vanishes),
        CASE(registers),
        CASE(call_needs_password),
        CASE(call_with_wrong_password),
        CASE(unknown_extension),
        CASE(ringing_is_acknowledged),
        CASE(ringing_is_never_acknowledged),
        CASE(storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
