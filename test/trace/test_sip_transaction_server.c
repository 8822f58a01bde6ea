/* Server transactions, timer by timer: RFC 3261 17.2 (figures 7 and 8, table 4) and RFC 6026. T1 is 500 ms, T2 4 s, T4 5 s. */
#include "sip_stage.h"

/* ---- INVITE ---- */

/* 17.2.1: 100 after 200 ms; an INVITE that comes again gets the last provisional response. */
static void test_invite_that_the_user_ponders(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_arrive(s, "INVITE");
    stage_run(s, 100);
    stage_arrive(s, "INVITE");
    stage_run(s, 400);
    stage_arrive(s, "INVITE");
    stage_run(s, 500);
    stage_respond(s, 180);
    stage_run(s, 500);
    stage_arrive(s, "INVITE");
    stage_run(s, 100000);
    stage_expect(s, "     0 ! INVITE\n"
                    "   200 > 100\n"
                    "   500 > 100\n"
                    "  1000 > 180\n"
                    "  1500 > 180\n");
    assert_int_equal(sip_layer_counters(s->layer)->retransmissions_in, 3);
}

static void test_invite_that_the_user_rings_at_once(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_arrive(s, "INVITE");
    stage_respond(s, 180);
    stage_run(s, 10000);
    stage_expect(s, "     0 ! INVITE\n"
                    "     0 > 180\n");
    s->config.trying_ms = 0;
    stage_start(s, SIP_UDP);
    stage_arrive(s, "INVITE");
    stage_expect(s, "     0 > 100\n"
                    "     0 ! INVITE\n");
}

/* Timer G repeats the failure, up to every T2; timer H gives up after 64 * T1. */
static void test_failure_that_nobody_acknowledges(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_arrive(s, "INVITE");
    stage_respond(s, 486);
    stage_run(s, 600);
    stage_arrive(s, "INVITE");
    stage_run(s, 60000);
    stage_expect(s, "     0 ! INVITE\n"
                    "     0 > 486\n"
                    "   500 > 486\n"
                    "   600 > 486\n"
                    "  1500 > 486\n"
                    "  3500 > 486\n"
                    "  7500 > 486\n"
                    " 11500 > 486\n"
                    " 15500 > 486\n"
                    " 19500 > 486\n"
                    " 23500 > 486\n"
                    " 27500 > 486\n"
                    " 31500 > 486\n"
                    " 32000 ! ACK_MISSING\n"
                    " 32000 gone\n");
}

static void test_failure_that_nobody_acknowledges_on_a_stream(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_TLS);
    stage_arrive(s, "INVITE");
    stage_respond(s, 486);
    stage_run(s, 60000);
    stage_expect(s, "     0 ! INVITE\n"
                    "     0 > 486\n"
                    " 32000 ! ACK_MISSING\n"
                    " 32000 gone\n");
}

/* The ACK ends timer G; timer I (T4) absorbs more of them, and the user hears of none. */
static void test_failure_that_is_acknowledged(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_arrive(s, "INVITE");
    stage_respond(s, 404);
    stage_run(s, 700);
    stage_arrive(s, "ACK");
    stage_run(s, 100);
    stage_arrive(s, "ACK");
    stage_arrive(s, "INVITE");
    stage_run(s, 60000);
    stage_expect(s, "     0 ! INVITE\n"
                    "     0 > 404\n"
                    "   500 > 404\n"
                    "  5700 gone\n");
    stage_start(s, SIP_TCP);
    stage_arrive(s, "INVITE");
    stage_respond(s, 404);
    stage_run(s, 700);
    stage_arrive(s, "ACK");
    stage_expect(s, "     0 ! INVITE\n"
                    "     0 > 404\n"
                    "   700 gone\n");
}

/* RFC 6026: Accepted for 64 * T1 (timer L) on any transport; INVITEs are absorbed, and each 2xx of the user's is sent. The ACK has a branch of
 * its own and goes to the user. */
static void test_success(void **state)
{
    struct sip_stage *s = *state;
    for (enum sip_transport transport = SIP_UDP; transport <= SIP_TCP; transport++) {
        stage_start(s, transport);
        stage_arrive(s, "INVITE");
        stage_respond(s, 200);
        stage_run(s, 500);
        stage_arrive(s, "INVITE");
        stage_respond(s, 200);
        assert_int_equal(stage_try_respond(s, 180), ERR_WRONG_STATE);
        assert_int_equal(stage_try_respond(s, 500), ERR_WRONG_STATE);
        stage_run(s, 100);
        stage_arrive_as(s, &(struct arrival){.method = "ACK", .via = "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK-2"});
        stage_arrive(s, "ACK"); /* some give it the branch of the INVITE */
        stage_run(s, 60000);
        stage_expect(s, "     0 ! INVITE\n"
                        "     0 > 200\n"
                        "   500 > 200\n"
                        "   600 ! ACK\n"
                        "   600 ! ACK of a transaction\n"
                        " 32000 gone\n");
        assert_int_equal(stage_try_respond(s, 200), ERR_NOT_FOUND);
    }
}

static void test_one_final_response(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_arrive(s, "INVITE");
    stage_respond(s, 486);
    assert_int_equal(stage_try_respond(s, 200), ERR_WRONG_STATE);
    assert_int_equal(stage_try_respond(s, 180), ERR_WRONG_STATE);
    stage_arrive_as(s, &(struct arrival){.method = "BYE", .cseq = 2});
    assert_int_equal(sip_server_respond(s->layer, s->now, s->server, slice_str("BYE sip:a SIP/2.0\r\n")), ERR_SYNTAX);
    assert_int_equal(sip_server_respond(s->layer, s->now, s->server, slice_str("SIP/2.0 700 No\r\n")), ERR_SYNTAX);
    stage_respond(s, 200);
    assert_int_equal(stage_try_respond(s, 500), ERR_WRONG_STATE);
}

/* ---- CANCEL (9.2) ---- */

static void test_cancel(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_arrive(s, "INVITE");
    stage_respond(s, 180);
    stage_run(s, 1000);
    stage_arrive(s, "CANCEL");
    char to[128];
    strcpy(to, stage_field(buf_slice(&s->response), SIP_TO)); /* 9.2: the same tag */
    assert_string_equal(stage_field(buf_slice(&s->response), SIP_CSEQ), "1 CANCEL");
    stage_arrive(s, "CANCEL");
    stage_respond(s, 487);
    assert_string_equal(stage_field(buf_slice(&s->response), SIP_TO), to);
    stage_run(s, 100);
    stage_arrive(s, "ACK");
    stage_run(s, 60000);
    stage_expect(s, "     0 ! INVITE\n"
                    "     0 > 180\n"
                    "  1000 > 200\n"
                    "  1000 ! CANCEL\n"
                    "  1000 > 200\n"
                    "  1000 > 487\n"
                    " 33000 gone\n");
}

/* It has no effect, but an answer. */
static void test_cancel_that_comes_too_late(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_TCP);
    stage_arrive(s, "INVITE");
    stage_respond(s, 200);
    stage_arrive(s, "CANCEL");
    stage_run(s, 60000);
    stage_expect(s, "     0 ! INVITE\n"
                    "     0 > 200\n"
                    "     0 > 200\n"
                    " 32000 gone\n");
}

static void test_cancel_of_nothing(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_arrive(s, "CANCEL");
    stage_expect(s, "     0 > 481\n");
    assert_int_equal(sip_layer_servers(s->layer), 0);
    assert_int_equal(sip_layer_counters(s->layer)->cancels_stray, 1);
}

/* ---- other requests ---- */

/* Trying: requests that come again are dropped. Then timer J (64 * T1) answers them with the same. */
static void test_request(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_arrive(s, "OPTIONS");
    stage_run(s, 500);
    stage_arrive(s, "OPTIONS");
    stage_run(s, 500);
    stage_respond(s, 100);
    stage_arrive(s, "OPTIONS");
    stage_run(s, 500);
    stage_respond(s, 200);
    stage_run(s, 2000);
    stage_arrive(s, "OPTIONS");
    stage_run(s, 60000);
    stage_expect(s, "     0 ! OPTIONS\n"
                    "  1000 > 100\n"
                    "  1000 > 100\n"
                    "  1500 > 200\n"
                    "  3500 > 200\n"
                    " 33500 gone\n");
}

static void test_request_on_a_stream(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_TCP);
    stage_arrive(s, "OPTIONS");
    stage_run(s, 500);
    stage_respond(s, 200);
    stage_expect(s, "     0 ! OPTIONS\n"
                    "   500 > 200\n"
                    "   500 gone\n");
}

/* RFC 4320: after timer F nobody waits for the answer. */
static void test_request_that_nobody_answers(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_arrive(s, "OPTIONS");
    stage_run(s, 60000);
    stage_expect(s, "     0 ! OPTIONS\n"
                    " 32000 gone\n");
    assert_int_equal(stage_try_respond(s, 200), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_invite_that_the_user_ponders, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_invite_that_the_user_rings_at_once, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_failure_that_nobody_acknowledges, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_failure_that_nobody_acknowledges_on_a_stream, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_failure_that_is_acknowledged, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_success, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_one_final_response, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_cancel, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_cancel_that_comes_too_late, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_cancel_of_nothing, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_request, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_request_on_a_stream, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_request_that_nobody_answers, stage_setup, stage_teardown),
    };
    return cmocka_run_group_tests_name("sip server transactions", tests, NULL, NULL);
}
