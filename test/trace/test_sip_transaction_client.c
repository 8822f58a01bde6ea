/* Client transactions, timer by timer: RFC 3261 17.1 (figures 5 and 6, table 4) and RFC 6026. T1 is 500 ms, T2 4 s, T4 5 s. */
#include "sip_stage.h"

#include <stdio.h>

/* ---- INVITE ---- */

/* Timer A doubles without a bound, timer B is 64 * T1. */
static void test_invite_without_any_answer(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_request(s, "INVITE");
    stage_run(s, 60000);
    stage_expect(s, "     0 > INVITE\n"
                    "   500 > INVITE\n"
                    "  1500 > INVITE\n"
                    "  3500 > INVITE\n"
                    "  7500 > INVITE\n"
                    " 15500 > INVITE\n"
                    " 31500 > INVITE\n"
                    " 32000 ! TIMEOUT\n"
                    " 32000 gone\n");
    assert_int_equal(sip_layer_counters(s->layer)->timeouts, 1);
    assert_int_equal(sip_layer_counters(s->layer)->retransmissions_out, 6);
}

static void test_invite_on_a_stream_is_sent_once(void **state)
{
    struct sip_stage *s = *state;
    for (enum sip_transport transport = SIP_TCP; transport <= SIP_TLS; transport++) {
        stage_start(s, transport);
        stage_request(s, "INVITE");
        stage_run(s, 60000);
        stage_expect(s, "     0 > INVITE\n"
                        " 32000 ! TIMEOUT\n"
                        " 32000 gone\n");
    }
}

/* A provisional response ends timers A and B; timer C (200 s here) begins with each but 100. When it fires, CANCEL is sent (16.8), and 64 * T1
 * later it is over (9.1). CANCEL is a request of its own with timers E and F. */
static void test_invite_that_rings_for_ever(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_request(s, "INVITE");
    stage_run(s, 600);
    stage_answer(s, 100);
    stage_run(s, 99400);
    stage_answer(s, 180);
    stage_run(s, 600000);
    stage_expect(s, "     0 > INVITE\n"
                    "   500 > INVITE\n"
                    "   600 ! 100\n"
                    "100000 ! 180\n"
                    "300000 > CANCEL\n"
                    "300500 > CANCEL\n"
                    "301500 > CANCEL\n"
                    "303500 > CANCEL\n"
                    "307500 > CANCEL\n"
                    "311500 > CANCEL\n"
                    "315500 > CANCEL\n"
                    "319500 > CANCEL\n"
                    "323500 > CANCEL\n"
                    "327500 > CANCEL\n"
                    "331500 > CANCEL\n"
                    "332000 ! TIMEOUT\n"
                    "332000 gone\n");
}

/* The ACK is sent here, to each copy of the response, until timer D (32 s); the user hears of it once. */
static void test_invite_that_fails(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_request(s, "INVITE");
    stage_answer(s, 180);
    stage_run(s, 1000);
    stage_answer(s, 486);
    stage_run(s, 500);
    stage_answer(s, 486);
    stage_run(s, 100);
    stage_answer(s, 180);
    stage_answer(s, 200);
    stage_run(s, 60000);
    stage_expect(s, "     0 > INVITE\n"
                    "     0 ! 180\n"
                    "  1000 > ACK\n"
                    "  1000 ! 486\n"
                    "  1500 > ACK\n"
                    "  1600 ! late 200\n"
                    " 33000 gone\n");
}

/* 17.1.1.3 */
static void test_ack_to_a_failure(void **state)
{
    struct sip_stage *s = *state;
    char via[128];
    stage_start(s, SIP_UDP);
    stage_request(s, "INVITE");
    stage_answer(s, 404);
    strcpy(via, stage_field(buf_slice(&s->request), SIP_VIA));
    struct slice ack = buf_slice(&s->ack);
    assert_memory_equal(ack.p, "ACK sip:bob@example.com SIP/2.0\r\n", 33);
    assert_string_equal(stage_field(ack, SIP_VIA), via);
    assert_string_equal(stage_field(ack, SIP_FROM), "Alice <sip:alice@example.org>;tag=88sja8x");
    assert_string_equal(stage_field(ack, SIP_TO), "Bob <sip:bob@example.com>;tag=99sa0xk");
    assert_string_equal(stage_field(ack, SIP_CALL_ID), "987asjd97y7atg");
    assert_string_equal(stage_field(ack, SIP_CSEQ), "986759 ACK");
    assert_string_equal(stage_field(ack, SIP_ROUTE), "<sip:p1.example.com;lr>, <sip:p2.example.com;lr>");
    assert_string_equal(stage_field(ack, SIP_CONTENT_LENGTH), "0");
}

static void test_invite_that_fails_on_a_stream(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_TCP);
    stage_request(s, "INVITE");
    stage_run(s, 1000);
    stage_answer(s, 603);
    stage_expect(s, "     0 > INVITE\n"
                    "  1000 > ACK\n"
                    "  1000 ! 603\n"
                    "  1000 gone\n");
}

/* RFC 6026: Accepted for 64 * T1 (timer M), on any transport; each 2xx goes to the user, of forks, too; nothing else does. */
static void test_invite_that_succeeds(void **state)
{
    struct sip_stage *s = *state;
    for (enum sip_transport transport = SIP_UDP; transport <= SIP_TCP; transport++) {
        stage_start(s, transport);
        stage_request(s, "INVITE");
        stage_run(s, 400);
        stage_answer(s, 200);
        stage_run(s, 500);
        stage_answer(s, 200);
        stage_answer(s, 180);
        stage_answer(s, 500);
        stage_run(s, 60000);
        stage_expect(s, "     0 > INVITE\n"
                        "   400 ! 200\n"
                        "   900 ! 200\n"
                        " 32400 gone\n");
        stage_answer(s, 200);
        stage_expect(s, " 60900 ! late 200\n"); /* a fork that took its time */
        assert_int_equal(sip_layer_counters(s->layer)->responses_stray, 1);
    }
}

/* ---- CANCEL (9.1) ---- */

static void test_cancel_waits_for_a_provisional_response(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_request(s, "INVITE");
    assert_int_equal(sip_client_cancel(s->layer, s->now, s->client, slice_str("SIP;cause=200")), 0);
    stage_run(s, 600);
    stage_answer(s, 100);
    stage_run(s, 100);
    stage_answer_cancel(s, 200);
    stage_run(s, 10);
    stage_answer(s, 487);
    stage_run(s, 60000);
    stage_expect(s, "     0 > INVITE\n"
                    "   500 > INVITE\n"
                    "   600 > CANCEL\n"
                    "   600 ! 100\n"
                    "   710 > ACK\n"
                    "   710 ! 487\n"
                    " 32710 gone\n");
    struct slice cancel = buf_slice(&s->cancel);
    assert_memory_equal(cancel.p, "CANCEL sip:bob@example.com SIP/2.0\r\n", 36);
    assert_string_equal(stage_field(cancel, SIP_CSEQ), "986759 CANCEL");
    assert_string_equal(stage_field(cancel, SIP_TO), "Bob <sip:bob@example.com>");
    assert_string_equal(stage_field(cancel, SIP_REASON), "SIP;cause=200");
    assert_string_equal(stage_field(cancel, SIP_ROUTE), "<sip:p1.example.com;lr>, <sip:p2.example.com;lr>");
    char via[128];
    strcpy(via, stage_field(buf_slice(&s->request), SIP_VIA));
    assert_string_equal(stage_field(cancel, SIP_VIA), via);
}

static void test_cancel_that_comes_too_late(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_TCP);
    stage_request(s, "INVITE");
    stage_answer(s, 180);
    assert_int_equal(sip_client_cancel(s->layer, s->now, s->client, slice_str("")), 0);
    assert_int_equal(sip_client_cancel(s->layer, s->now, s->client, slice_str("")), 0); /* it is on its way already */
    stage_drain(s);
    stage_answer(s, 200);
    assert_int_equal(sip_client_cancel(s->layer, s->now, s->client, slice_str("")), ERR_WRONG_STATE);
    stage_answer_cancel(s, 200);
    stage_run(s, 60000);
    stage_expect(s, "     0 > INVITE\n"
                    "     0 ! 180\n"
                    "     0 > CANCEL\n"
                    "     0 ! 200\n"
                    " 32000 gone\n");
    assert_int_equal(sip_client_cancel(s->layer, s->now, s->client, slice_str("")), ERR_NOT_FOUND);
}

/* An old peer answers the CANCEL and forgets the INVITE (9.1). */
static void test_cancel_without_an_end_of_the_invite(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_TCP);
    stage_request(s, "INVITE");
    stage_answer(s, 180);
    stage_run(s, 5000);
    sip_client_cancel(s->layer, s->now, s->client, slice_str(""));
    stage_drain(s);
    stage_answer_cancel(s, 200);
    stage_run(s, 60000);
    stage_expect(s, "     0 > INVITE\n"
                    "     0 ! 180\n"
                    "  5000 > CANCEL\n"
                    " 37000 ! TIMEOUT\n"
                    " 37000 gone\n");
}

static void test_cancel_is_for_invites(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_request(s, "OPTIONS");
    assert_int_equal(sip_client_cancel(s->layer, s->now, s->client, slice_str("")), ERR_WRONG_STATE);
}

/* ---- other requests ---- */

/* Timer E doubles up to T2, timer F is 64 * T1. */
static void test_request_without_any_answer(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_request(s, "OPTIONS");
    stage_run(s, 60000);
    stage_expect(s, "     0 > OPTIONS\n"
                    "   500 > OPTIONS\n"
                    "  1500 > OPTIONS\n"
                    "  3500 > OPTIONS\n"
                    "  7500 > OPTIONS\n"
                    " 11500 > OPTIONS\n"
                    " 15500 > OPTIONS\n"
                    " 19500 > OPTIONS\n"
                    " 23500 > OPTIONS\n"
                    " 27500 > OPTIONS\n"
                    " 31500 > OPTIONS\n"
                    " 32000 ! TIMEOUT\n"
                    " 32000 gone\n");
}

/* After a provisional response it is repeated every T2, and timer F goes on. */
static void test_request_that_is_worked_on(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_request(s, "BYE");
    stage_run(s, 600);
    stage_answer(s, 100);
    stage_run(s, 60000);
    stage_expect(s, "     0 > BYE\n"
                    "   500 > BYE\n"
                    "   600 ! 100\n"
                    "  1500 > BYE\n"
                    "  5500 > BYE\n"
                    "  9500 > BYE\n"
                    " 13500 > BYE\n"
                    " 17500 > BYE\n"
                    " 21500 > BYE\n"
                    " 25500 > BYE\n"
                    " 29500 > BYE\n"
                    " 32000 ! TIMEOUT\n"
                    " 32000 gone\n");
}

/* Timer K is T4, and 0 on streams. */
static void test_request_that_is_answered(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_request(s, "BYE");
    stage_run(s, 100);
    stage_answer(s, 481);
    stage_answer(s, 481);
    stage_run(s, 60000);
    stage_expect(s, "     0 > BYE\n"
                    "   100 ! 481\n"
                    "  5100 gone\n");
    stage_start(s, SIP_TLS);
    stage_request(s, "BYE");
    stage_run(s, 100);
    stage_answer(s, 200);
    stage_expect(s, "     0 > BYE\n"
                    "   100 ! 200\n"
                    "   100 gone\n");
}

/* ---- ways that are gone, and answers of others ---- */

/* What rings there is to stop, if there is another way. */
static void test_unreachable(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_TCP);
    stage_request(s, "INVITE");
    stage_answer(s, 180);
    stage_request(s, "OPTIONS");
    struct sip_hop other = s->hop;
    other.addr.port++;
    sip_layer_unreachable(s->layer, s->now, &other);
    stage_drain(s);
    stage_run(s, 1000);
    sip_layer_unreachable(s->layer, s->now, &s->hop);
    stage_drain(s);
    stage_run(s, 1000);
    sip_layer_unreachable(s->layer, s->now, &s->hop);
    stage_drain(s);
    stage_run(s, 60000);
    stage_expect(s, "     0 > INVITE\n"
                    "     0 ! 180\n"
                    "     0 > OPTIONS\n"
                    "  1000 > CANCEL\n"
                    "  1000 ! UNREACHABLE\n"
                    "  1000 ! UNREACHABLE\n"
                    "  2000 gone\n");
}

/* What has its final response asks for nothing more. */
static void test_unreachable_after_the_answer(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_UDP);
    stage_request(s, "INVITE");
    stage_answer(s, 200);
    sip_layer_unreachable(s->layer, s->now, &s->hop);
    stage_drain(s);
    stage_run(s, 60000);
    stage_expect(s, "     0 > INVITE\n"
                    "     0 ! 200\n"
                    " 32000 gone\n");
}

/* The connection had been closed when the request was written: over another one, with the same branch. That happens once. */
static void test_lost_connection(void **state)
{
    struct sip_stage *s = *state;
    char via[128];
    stage_start(s, SIP_TCP);
    stage_request(s, "INVITE");
    strcpy(via, stage_field(buf_slice(&s->request), SIP_VIA));
    stage_run(s, 1000);
    sip_layer_lost(s->layer, s->now, &s->hop);
    stage_drain(s);
    assert_string_equal(stage_field(buf_slice(&s->request), SIP_VIA), via);
    stage_run(s, 1000);
    sip_layer_lost(s->layer, s->now, &s->hop);
    stage_drain(s);
    stage_request(s, "OPTIONS");
    sip_layer_lost(s->layer, s->now, &s->hop);
    stage_drain(s);
    stage_answer(s, 200);
    stage_expect(s, "     0 > INVITE\n"
                    "  1000 > INVITE\n"
                    "  2000 ! UNREACHABLE\n"
                    "  2000 gone\n"
                    "  2000 > OPTIONS\n"
                    "  2000 > OPTIONS\n"
                    "  2000 ! 200\n"
                    "  2000 gone\n");
    assert_int_equal(sip_layer_counters(s->layer)->unreachable, 1);
}

/* Whoever has answered has read it: it is not sent again. */
static void test_lost_connection_while_ringing(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_TLS);
    stage_request(s, "INVITE");
    stage_answer(s, 180);
    sip_layer_lost(s->layer, s->now, &s->hop);
    stage_drain(s);
    stage_expect(s, "     0 > INVITE\n"
                    "     0 ! 180\n"
                    "     0 > CANCEL\n"
                    "     0 ! UNREACHABLE\n");
    stage_answer_cancel(s, 200);
}

/* Nobody wants it any more, and nothing was heard of it: it is not sent again; should it have come there, it does not ring for nobody. */
static void test_lost_connection_after_cancel(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_TLS);
    stage_request(s, "INVITE");
    stage_run(s, 500);
    assert_int_equal(sip_client_cancel(s->layer, s->now, s->client, (struct slice){0}), 0);
    stage_run(s, 500);
    sip_layer_lost(s->layer, s->now, &s->hop);
    stage_drain(s);
    stage_expect(s, "     0 > INVITE\n"
                    "  1000 > CANCEL\n"
                    "  1000 ! UNREACHABLE\n");
    stage_answer_cancel(s, 481);
    stage_run(s, 60000);
    stage_expect(s, "  1000 gone\n");
}

/* However late: the phone is up. */
static void test_answer_after_the_timeout(void **state)
{
    struct sip_stage *s = *state;
    stage_start(s, SIP_TCP);
    stage_request(s, "INVITE");
    stage_run(s, 100000);
    stage_answer(s, 200);
    stage_answer(s, 200);
    stage_answer(s, 486);
    stage_expect(s, "     0 > INVITE\n"
                    " 32000 ! TIMEOUT\n"
                    " 32000 gone\n"
                    "100000 ! late 200\n"
                    "100000 ! late 200\n");
    stage_request(s, "OPTIONS");
    stage_run(s, 100000);
    stage_answer(s, 200);
    stage_expect(s, "100000 > OPTIONS\n"
                    "132000 ! TIMEOUT\n"
                    "132000 gone\n");
}

/* The branch is not ours, though it looks so. */
static void test_responses_that_match_nothing(void **state)
{
    static const char *const branches[] = {"z9hG4bK1.0000000000000000", "z9hG4bK01000000000000000000000000000000"};
    struct sip_stage *s = *state;
    char text[512];
    stage_start(s, SIP_UDP);
    stage_request(s, "INVITE");
    for (size_t i = 0; i < sizeof branches / sizeof branches[0]; i++) {
        snprintf(text, sizeof text,
                 "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=%s\r\n"
                 "From: <sip:a@example.org>;tag=1\r\nTo: <sip:b@example.org>;tag=2\r\nCall-ID: 1\r\n"
                 "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
                 branches[i]);
        stage_arrive_text(s, text);
    }
    stage_expect(s, "     0 > INVITE\n");
    assert_int_equal(sip_layer_counters(s->layer)->responses_stray, 2);
}

static void test_requests_that_cannot_be_sent(void **state)
{
    struct sip_stage *s = *state;
    uint64_t client = 77;
    s->config.clients_max = 1;
    stage_start(s, SIP_UDP);
    static const char *const bad[] = {"", "INVITE sip:a@b SIP/2.0", "ACK sip:a@b SIP/2.0\r\n\r\n",
                                      "CANCEL sip:a@b SIP/2.0\r\n\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(sip_client_request(s->layer, s->now, &s->hop, "192.0.2.1", slice_str(bad[i]), 1, &client),
                         ERR_SYNTAX);
    stage_request(s, "OPTIONS");
    assert_int_equal(sip_client_request(s->layer, s->now, &s->hop, "192.0.2.1", buf_slice(&s->request), 1, &client),
                     ERR_LIMIT);
    assert_int_equal(client, 77);
    stage_answer(s, 200); /* what only waits for repetitions does not count */
    stage_request(s, "OPTIONS");
    assert_int_equal(sip_layer_clients(s->layer), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_invite_without_any_answer, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_invite_on_a_stream_is_sent_once, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_invite_that_rings_for_ever, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_invite_that_fails, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_ack_to_a_failure, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_invite_that_fails_on_a_stream, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_invite_that_succeeds, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_cancel_waits_for_a_provisional_response, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_cancel_that_comes_too_late, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_cancel_without_an_end_of_the_invite, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_cancel_is_for_invites, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_request_without_any_answer, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_request_that_is_worked_on, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_request_that_is_answered, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_unreachable, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_unreachable_after_the_answer, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_lost_connection, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_lost_connection_while_ringing, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_lost_connection_after_cancel, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_answer_after_the_timeout, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_responses_that_match_nothing, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_requests_that_cannot_be_sent, stage_setup, stage_teardown),
    };
    return cmocka_run_group_tests_name("sip client transactions", tests, NULL, NULL);
}
