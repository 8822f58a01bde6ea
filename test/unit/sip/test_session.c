/* What is repeated until the other side has it: 2xx (RFC 3261 13.2.2.4, 13.3.1.4), reliable provisional responses (RFC 3262), told as traces:
 * the milliseconds at which something is sent. */
#include "sip/session.h"

#include "base/mem.h"
#include "sip/100rel.h"
#include "testing.h"

#include <stdio.h>

struct parsed {
    struct region region;
    struct sip_message m;
    char text[1024];
};

static const struct sip_message *parse(struct parsed *p, const char *start, unsigned cseq, const char *method,
                                       const char *more)
{
    snprintf(p->text, sizeof p->text,
             "%s\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=a\r\nTo: <sip:b@x>;tag=b\r\n"
             "Call-ID: 1\r\nCSeq: %u %s\r\nMax-Forwards: 70\r\n%sContent-Length: 0\r\n\r\n",
             start, cseq, method, more);
    region_fini(&p->region);
    region_init(&p->region, 1 << 20);
    assert_int_equal(sip_parse(&p->region, slice_str(p->text), SIP_DATAGRAM, &p->m, NULL), 0);
    assert_int_equal(sip_check(&p->m, NULL, NULL), 0);
    return &p->m;
}

static struct now at_ms(int64_t ms)
{
    return (struct now){{ms * 1000}, {ms}};
}

/* Runs it until that time: "500 1500 … -32000" (minus: it gives up). */
static const char *trace(struct sip_resend *r, int64_t until_ms)
{
    static char text[512];
    size_t n = 0;
    text[0] = '\0';
    while (sip_resend_deadline(r).us <= until_ms * 1000) {
        int64_t ms = sip_resend_deadline(r).us / 1000;
        enum sip_resend_step step = sip_resend_tick(r, at_ms(ms));
        assert_int_not_equal(step, SIP_RESEND_WAIT);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s%lld", n ? " " : "",
                              step == SIP_RESEND_GIVE_UP ? "-" : "", (long long)ms);
    }
    return text;
}

/* ---- 2xx ---- */

static void test_success_that_nobody_acknowledges(void **state)
{
    struct parsed invite = {0};
    struct sip_accepted a;
    (void)state;
    sip_accepted_init(&a);
    assert_int_equal(sip_accepted_deadline(&a).us, INT64_MAX);
    parse(&invite, "INVITE sip:b@x SIP/2.0", 5, "INVITE", "");
    assert_int_equal(sip_accepted_start(&a, at_ms(0), &invite.m, slice_str("SIP/2.0 200 OK"), 500, 4000), 0);
    assert_slice_text(buf_slice(&a.resend.octets), "SIP/2.0 200 OK");
    assert_int_equal(sip_accepted_tick(&a, at_ms(499)), SIP_RESEND_WAIT);
    assert_string_equal(trace(&a.resend, 100000), "500 1500 3500 7500 11500 15500 19500 23500 27500 31500 -32000");
    assert_false(sip_resend_runs(&a.resend));
    sip_accepted_fini(&a);
    region_fini(&invite.region);
}

static void test_success_that_is_acknowledged(void **state)
{
    struct parsed m = {0};
    struct sip_accepted a;
    (void)state;
    sip_accepted_init(&a);
    assert_int_equal(sip_accepted_start(&a, at_ms(0), parse(&m, "INVITE sip:b@x SIP/2.0", 5, "INVITE", ""),
                                        slice_str("2xx"), 500, 4000),
                     0);
    assert_string_equal(trace(&a.resend, 1600), "500 1500");
    assert_false(sip_accepted_acked(&a, parse(&m, "ACK sip:b@x SIP/2.0", 4, "ACK", ""))); /* of an earlier INVITE */
    assert_false(sip_accepted_acked(&a, parse(&m, "BYE sip:b@x SIP/2.0", 5, "BYE", "")));
    assert_true(sip_accepted_acked(&a, parse(&m, "ACK sip:b@x SIP/2.0", 5, "ACK", "")));
    assert_false(sip_accepted_acked(&a, &m.m)); /* once */
    assert_string_equal(trace(&a.resend, 100000), "");
    sip_accepted_fini(&a);
    region_fini(&m.region);
}

static void test_each_2xx_gets_the_same_ack(void **state)
{
    struct parsed m = {0};
    struct sip_confirmed c;
    (void)state;
    sip_confirmed_init(&c);
    assert_int_equal(sip_confirmed_ack(&c, parse(&m, "SIP/2.0 200 OK", 5, "INVITE", "")).n, 0);
    assert_int_equal(sip_confirmed_keep(&c, 5, slice_str("the ACK")), 0);
    assert_slice_text(sip_confirmed_ack(&c, &m.m), "the ACK");
    assert_int_equal(sip_confirmed_ack(&c, parse(&m, "SIP/2.0 200 OK", 6, "INVITE", "")).n, 0); /* a re-INVITE's */
    assert_int_equal(sip_confirmed_ack(&c, parse(&m, "SIP/2.0 200 OK", 5, "UPDATE", "")).n, 0);
    mem_fail_at(1);
    assert_int_equal(sip_confirmed_keep(&c, 6, slice_str("another")), ERR_NO_MEMORY);
    mem_fail_at(0);
    assert_int_equal(sip_confirmed_keep(&c, 6, slice_str("another")), 0);
    assert_slice_text(sip_confirmed_ack(&c, parse(&m, "SIP/2.0 200 OK", 6, "INVITE", "")), "another");
    sip_confirmed_fini(&c);
    region_fini(&m.region);
}

/* ---- reliable provisional responses: server ---- */

static void test_provisional_that_nobody_acknowledges(void **state)
{
    struct sip_100rel_server s;
    (void)state;
    sip_100rel_server_init(&s, 1, 7);
    assert_int_equal(sip_100rel_server_rseq(&s), 7);
    assert_int_equal(sip_100rel_server_sent(&s, at_ms(0), slice_str("180"), 500), 0);
    assert_int_equal(sip_100rel_server_sent(&s, at_ms(0), slice_str("183"), 500), ERR_WRONG_STATE);
    assert_string_equal(trace(&s.resend, 100000),
                        "500 1500 3500 7500 15500 31500 -32000"); /* doubles without a bound */
    sip_100rel_server_fini(&s);
}

static void test_prack(void **state)
{
    static const struct {
        const char *rack;
        unsigned status;
    } cases[] = {
        {"", 400},
        {"RAck: 7\r\n", 400},
        {"RAck: 8 1 INVITE\r\n", 481},
        {"RAck: 6 1 INVITE\r\n", 481},
        {"RAck: 7 2 INVITE\r\n", 481},
        {"RAck: 7 1 UPDATE\r\n", 481},
        {"RAck: 7 1 INVITE\r\n", 200},
        {"RAck: 7 1 INVITE\r\n", 481}, /* it waits no more */
    };
    struct sip_100rel_server s;
    struct parsed m = {0};
    (void)state;
    sip_100rel_server_init(&s, 1, 7);
    assert_int_equal(
        sip_100rel_server_pracked(&s, parse(&m, "PRACK sip:b@x SIP/2.0", 2, "PRACK", "RAck: 6 1 INVITE\r\n")), 481);
    assert_int_equal(sip_100rel_server_sent(&s, at_ms(0), slice_str("180"), 500), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool waits = i < 7;
        assert_int_equal(sip_100rel_server_waits(&s), waits);
        assert_int_equal(sip_100rel_server_pracked(&s, parse(&m, "PRACK sip:b@x SIP/2.0", 2, "PRACK", cases[i].rack)),
                         cases[i].status);
    }
    assert_string_equal(trace(&s.resend, 100000), "");
    assert_int_equal(sip_100rel_server_rseq(&s), 8);
    assert_int_equal(sip_100rel_server_sent(&s, at_ms(0), slice_str("183"), 500), 0);
    sip_100rel_server_fini(&s);
    region_fini(&m.region);
}

/* The final response ends the repetition, but its PRACK may be on its way. */
static void test_prack_after_the_final_response(void **state)
{
    struct sip_100rel_server s;
    struct parsed m = {0};
    (void)state;
    sip_100rel_server_init(&s, 1, 7);
    assert_int_equal(sip_100rel_server_sent(&s, at_ms(0), slice_str("180"), 500), 0);
    sip_100rel_server_final(&s);
    assert_string_equal(trace(&s.resend, 100000), "");
    assert_int_equal(
        sip_100rel_server_pracked(&s, parse(&m, "PRACK sip:b@x SIP/2.0", 2, "PRACK", "RAck: 7 1 INVITE\r\n")), 200);
    sip_100rel_server_fini(&s);
    region_fini(&m.region);
}

/* ---- client ---- */

static enum sip_100rel_taken take(struct sip_100rel_client *c, const char *start, unsigned cseq, const char *more)
{
    struct parsed m = {0};
    enum sip_100rel_taken taken = sip_100rel_client_take(c, parse(&m, start, cseq, "INVITE", more));
    region_fini(&m.region);
    return taken;
}

#define REQUIRE "Require: 100rel\r\n"

static void test_order_of_provisional_responses(void **state)
{
    struct sip_100rel_client c;
    struct buf rack;
    (void)state;
    buf_init(&rack, 64);
    sip_100rel_client_init(&c, 5);
    assert_int_equal(take(&c, "SIP/2.0 180 Ringing", 5, ""), SIP_100REL_PLAIN);
    assert_int_equal(take(&c, "SIP/2.0 100 Trying", 5, REQUIRE "RSeq: 1\r\n"), SIP_100REL_PLAIN);
    assert_int_equal(take(&c, "SIP/2.0 200 OK", 5, REQUIRE "RSeq: 1\r\n"), SIP_100REL_PLAIN);
    assert_int_equal(take(&c, "SIP/2.0 180 Ringing", 5, REQUIRE), SIP_100REL_BROKEN);
    assert_int_equal(take(&c, "SIP/2.0 180 Ringing", 5, REQUIRE "RSeq: 0\r\n"), SIP_100REL_BROKEN);
    assert_int_equal(take(&c, "SIP/2.0 180 Ringing", 5, REQUIRE "RSeq: x\r\n"), SIP_100REL_BROKEN);
    assert_int_equal(take(&c, "SIP/2.0 180 Ringing", 4, REQUIRE "RSeq: 1\r\n"), SIP_100REL_BROKEN);
    assert_int_equal(take(&c, "SIP/2.0 183 Progress", 5, REQUIRE "RSeq: 776656\r\n"), SIP_100REL_NEW);
    assert_int_equal(take(&c, "SIP/2.0 183 Progress", 5, REQUIRE "RSeq: 776656\r\n"), SIP_100REL_AGAIN);
    assert_int_equal(take(&c, "SIP/2.0 180 Ringing", 5, REQUIRE "RSeq: 776658\r\n"), SIP_100REL_GAP);
    sip_100rel_client_rack(&c, &rack);
    assert_slice_text(buf_slice(&rack), "776656 5 INVITE");
    assert_int_equal(take(&c, "SIP/2.0 180 Ringing", 5, REQUIRE "RSeq: 776657\r\n"), SIP_100REL_NEW);
    assert_int_equal(take(&c, "SIP/2.0 183 Progress", 5, REQUIRE "RSeq: 776656\r\n"), SIP_100REL_AGAIN);
    buf_clear(&rack);
    sip_100rel_client_rack(&c, &rack);
    assert_slice_text(buf_slice(&rack), "776657 5 INVITE");
    buf_fini(&rack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success_that_nobody_acknowledges),
        cmocka_unit_test(test_success_that_is_acknowledged),
        cmocka_unit_test(test_each_2xx_gets_the_same_ack),
        cmocka_unit_test(test_provisional_that_nobody_acknowledges),
        cmocka_unit_test(test_prack),
        cmocka_unit_test(test_prack_after_the_final_response),
        cmocka_unit_test(test_order_of_provisional_responses),
    };
    return cmocka_run_group_tests_name("sip session", tests, NULL, NULL);
}
