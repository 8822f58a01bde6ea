/* Registration both ways, and passwords: a PBX registers here, the agent registers at a carrier that challenges everything it is asked. */
#include "agent_stage.h"

#include "base/mem.h"
#include "sip/digest.h"

#include <stdio.h>
#include <string.h>

static struct sip_digest_server carrier; /* what checks passwords at CARRIER_1 */

static int setup(void **state)
{
    struct stage *s = agent_stage_new();
    struct agent_trunk_options *pbx = &s->options.trunks[PBX], *trunk = &s->options.trunks[CARRIER_1];
    mem_free(pbx->host);
    pbx->host = NULL;
    pbx->registers = trunk->registers = true;
    pbx->user = mem_strdup("pbx");
    pbx->password = mem_strdup("geheim");
    trunk->user = mem_strdup("49301");
    trunk->password = mem_strdup("secret");
    static const uint8_t key[SIP_DIGEST_KEY_OCTETS] = {1};
    assert_int_equal(sip_digest_server_init(&carrier, "carrier", key, SIP_DIGEST_NONCE_MS, 64), 0);
    agent_stage_start(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    agent_stage_teardown(state);
    sip_digest_server_fini(&carrier);
    return 0;
}

/* ---- the carrier's side ---- */

/* The credentials of what the carrier was sent last: the error of the check. */
static int check(struct stage *s, enum sip_header header)
{
    struct sip_digest_params credentials;
    int err = sip_digest_find(&carrier, &s->message, header, &credentials, NULL);
    return err ? err
               : sip_digest_check(&carrier, s->now, &s->message, &credentials, slice_str("49301"), slice_str("secret"));
}

static void challenge(struct stage *s, struct talk *t, unsigned status, enum sip_header header)
{
    struct buf fields;
    buf_init(&fields, 4096);
    sip_digest_put_challenges(&carrier, s->now, header, false, &fields);
    talk_answer(t, status, buf_text(&fields));
    buf_fini(&fields);
}

static void register_at_carrier(struct stage *s, struct talk *t)
{
    stage_run(s, 0);
    memset(t, 0, sizeof *t);
    t->stage = s;
    t->peer = CARRIER_1;
    strcpy(t->tag, "reg");
    stage_take(s, CARRIER_1, "REGISTER");
    assert_string_equal(stage_field(s, SIP_EXPIRES), "3600");
    snprintf(t->request, sizeof t->request, "%s", stage_text(s));
    challenge(s, t, 401, SIP_WWW_AUTHENTICATE);
    stage_take(s, CARRIER_1, "REGISTER");
    assert_int_equal(s->message.cseq.number, 2);
    assert_int_equal(check(s, SIP_AUTHORIZATION), 0);
    snprintf(t->request, sizeof t->request, "%s", stage_text(s));
}

static void at_a_carrier(void **state)
{
    struct stage *s = *state;
    struct talk t;
    register_at_carrier(s, &t);
    talk_answer(&t, 200, "Contact: <sip:49301@198.51.100.9:5060>;expires=600\r\n");
    stage_run(s, 299999);
    stage_quiet(s);
    stage_run(s, 1);
    stage_take(s, CARRIER_1, "REGISTER"); /* with credentials from the beginning */
    assert_int_equal(check(s, SIP_AUTHORIZATION), 0);
    snprintf(t.request, sizeof t.request, "%s", stage_text(s));
    talk_answer(&t, 200, "Expires: 600\r\n");
    assert_int_equal(agent_counters(s->agent)->registrations, 2);
    /* Taken back at the end. */
    agent_stop(s->agent, s->now);
    stage_run(s, 0);
    stage_take(s, CARRIER_1, "REGISTER");
    assert_string_equal(stage_field(s, SIP_EXPIRES), "0");
}

static void wrong_password(void **state)
{
    struct stage *s = *state;
    struct talk t;
    register_at_carrier(s, &t);
    challenge(s, &t, 401, SIP_WWW_AUTHENTICATE); /* again: it was not good */
    stage_quiet(s);
    assert_int_equal(agent_counters(s->agent)->registrations_refused, 1);
    assert_true(stage_rings(s, AGENT_ALARM_REGISTRATION_REFUSED));
    stage_run(s, 29999);
    stage_quiet(s);
    stage_run(s, 1);
    stage_take(s, CARRIER_1, "REGISTER");
    snprintf(t.request, sizeof t.request, "%s", stage_text(s));
    talk_answer(&t, 200, NULL);
    assert_false(stage_rings(s, AGENT_ALARM_REGISTRATION_REFUSED));
}

/* The carrier wants to hear of us less often. */
static void longer_than_asked(void **state)
{
    struct stage *s = *state;
    struct talk t;
    register_at_carrier(s, &t);
    talk_answer(&t, 423, "Min-Expires: 7200\r\n");
    stage_take(s, CARRIER_1, "REGISTER");
    assert_string_equal(stage_field(s, SIP_EXPIRES), "7200");
    snprintf(t.request, sizeof t.request, "%s", stage_text(s));
    talk_answer(&t, 423, "Min-Expires: 7200\r\n"); /* what is that? */
    stage_run(s, 29999);
    stage_quiet(s);
    stage_run(s, 1);
    stage_take(s, CARRIER_1, "REGISTER");
    snprintf(t.request, sizeof t.request, "%s", stage_text(s));
    talk_answer(&t, 200, "Expires: 7200\r\n");
    stage_run(s, 3599999);
    stage_quiet(s);
    stage_run(s, 1);
    stage_take(s, CARRIER_1, "REGISTER");
    assert_string_equal(stage_field(s, SIP_EXPIRES), "7200");
}

/* ---- the PBX's side ---- */

static void pbx_register(struct talk *t, const char *authorization)
{
    char more[STAGE_MESSAGE_OCTETS];
    snprintf(more, sizeof more, "%s%s%sExpires: 600\r\n", authorization ? "Authorization: " : "",
             authorization ? authorization : "", authorization ? "\r\n" : "");
    talk_request(t, "REGISTER", more, NULL);
}

static void pbx_talk(struct stage *s, struct talk *t)
{
    memset(t, 0, sizeof *t);
    t->stage = s;
    t->peer = PBX;
    strcpy(t->call_id, "register");
    strcpy(t->local, "<sip:pbx@a.example>;tag=r");
    strcpy(t->remote, "<sip:pbx@a.example>");
    strcpy(t->target, "sip:a.example");
}

static void pbx_registers(struct stage *s, struct talk *t, const char *password, const char *status)
{
    struct sip_digest_client client;
    struct buf value;
    sip_digest_client_init(&client);
    buf_init(&value, 4096);
    pbx_talk(s, t);
    pbx_register(t, NULL);
    const struct sip_message *response = stage_take(s, PBX, "401");
    assert_int_equal(sip_digest_challenged(&client, response, response), 0); /* the request had no credentials either */
    assert_int_equal(sip_digest_answer(&client, &s->entropy, SIP_AUTHORIZATION, slice_str("pbx"), slice_str(password),
                                       slice_str("REGISTER"), slice_str("sip:a.example"), (struct slice){0}, &value),
                     0);
    pbx_register(t, buf_text(&value));
    stage_take(s, PBX, status);
    buf_fini(&value);
    sip_digest_client_fini(&client);
}

static void of_a_pbx(void **state)
{
    struct stage *s = *state;
    struct talk t, carrier_talk, bob, ann;
    register_at_carrier(s, &carrier_talk);
    talk_answer(&carrier_talk, 200, NULL);
    talk_call(s, &ann, PBX, "0302000001"); /* nobody is a PBX before it has registered */
    stage_take(s, PBX, "403");
    talk_ack(&ann);
    pbx_registers(s, &t, "geheim", "200");
    assert_string_equal(stage_field(s, SIP_CONTACT), "<sip:pbx@10.0.0.1:5060>;expires=600");
    talk_begin(s, &bob, CARRIER_1, "+49301001234", &ann, PBX);
    assert_slice_text(s->message.uri, "sip:+49301001234@10.0.0.1:5060");
    talk_refuse(&bob, &ann, 486);
    /* To our registered Contact: the number stands in To. */
    stage_send(s, CARRIER_1,
               "INVITE sip:49301@198.51.100.9:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKto\r\n"
               "Max-Forwards: 70\r\nFrom: <sip:x@carrier>;tag=1\r\nTo: <sip:0301001235@carrier>\r\nCall-ID: to\r\n"
               "CSeq: 1 INVITE\r\nContact: <sip:x@198.51.100.1>\r\nContent-Length: 0\r\n\r\n");
    talk_called(s, &ann, PBX);
    assert_slice_text(s->message.uri, "sip:+49301001235@10.0.0.1:5060");
    talk_answer(&ann, 486, NULL);
    talk_asked(&ann, "ACK");
    stage_run(s, 600000);
    while (!stage_is_quiet(s, CARRIER_1))
        stage_skip(s, CARRIER_1);
    talk_call(s, &bob, CARRIER_1, "+49301001234");
    talk_heard(&bob, "100");
    talk_heard(&bob, "503"); /* it has not registered again */
    talk_ack(&bob);
    assert_true(stage_rings(s, AGENT_ALARM_PBX_NOT_REACHABLE));
    pbx_registers(s, &t, "geheim", "200");
    assert_false(stage_rings(s, AGENT_ALARM_PBX_NOT_REACHABLE));
}

/* Some phones give up at the first challenge with an algorithm that they do not know, whatever follows. */
static void of_an_old_pbx(void **state)
{
    struct stage *s = *state;
    struct talk t;
    s->options.trunks[PBX].only_md5 = true;
    pbx_talk(s, &t);
    strcpy(t.call_id, "first");
    pbx_register(&t, NULL);
    const struct sip_message *response = stage_take(s, PBX, "401");
    const struct sip_field *f = sip_field_first(response, SIP_WWW_AUTHENTICATE);
    struct sip_digest_params offered;
    struct sip_cursor c;
    assert_non_null(f);
    sip_cursor_init(&c, response->octets, f->value);
    assert_int_equal(sip_read_challenge(&c, &offered), 0);
    assert_int_equal(offered.algorithm, SIP_DIGEST_MD5);
    assert_null(sip_field_next(response, f));
    pbx_registers(s, &t, "geheim", "200");
}

static void of_a_stranger(void **state)
{
    struct stage *s = *state;
    struct talk t;
    pbx_registers(s, &t, "guess", "403");
    assert_int_equal(agent_counters(s->agent)->registrations_refused, 1);
    strcpy(t.remote, "<sip:nobody@a.example>");
    pbx_register(&t, NULL);
    stage_take(s, PBX, "404");
}

/* The carrier challenges the INVITE: nobody hears of it, and what follows has credentials from the beginning. */
static void calls_are_challenged(void **state)
{
    struct stage *s = *state;
    struct talk t, ann, bob;
    register_at_carrier(s, &t);
    talk_answer(&t, 200, "Expires: 7200\r\n");
    pbx_registers(s, &t, "geheim", "200");
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    challenge(s, &bob, 407, SIP_PROXY_AUTHENTICATE);
    talk_asked(&bob, "ACK");
    talk_called(s, &bob, CARRIER_1);
    assert_int_equal(check(s, SIP_PROXY_AUTHORIZATION), 0);
    assert_int_equal(s->message.cseq.number, 2);
    char shown[STAGE_TEXT_OCTETS];
    snprintf(shown, sizeof shown, "%.500s", stage_field(s, SIP_PROXY_AUTHORIZATION));
    talk_accept(&ann, &bob);
    assert_int_equal(s->message.cseq.number, 2);
    assert_string_equal(stage_field(s, SIP_PROXY_AUTHORIZATION), shown); /* those of the INVITE (RFC 3261 22.1) */
    /* A re-INVITE has its own, and its ACK those. */
    talk_request(&ann, "INVITE", NULL, "v=0\r\n");
    talk_heard(&ann, "100");
    talk_asked(&bob, "INVITE");
    assert_int_equal(check(s, SIP_PROXY_AUTHORIZATION), 0);
    assert_string_not_equal(stage_field(s, SIP_PROXY_AUTHORIZATION), shown);
    snprintf(shown, sizeof shown, "%.500s", stage_field(s, SIP_PROXY_AUTHORIZATION));
    talk_accept(&ann, &bob);
    assert_string_equal(stage_field(s, SIP_PROXY_AUTHORIZATION), shown);
    talk_request(&ann, "BYE", NULL, NULL);
    talk_heard(&ann, "200");
    talk_asked(&bob, "BYE");
    assert_int_equal(check(s, SIP_PROXY_AUTHORIZATION), 0);
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);
}

/* The caller gives up while the challenge is on its way: the INVITE is not sent again, for nobody would cancel that one. */
static void challenged_too_late(void **state)
{
    struct stage *s = *state;
    struct talk t, ann, bob;
    register_at_carrier(s, &t);
    talk_answer(&t, 200, NULL);
    pbx_registers(s, &t, "geheim", "200");
    talk_begin(s, &ann, PBX, "0302000001", &bob, CARRIER_1);
    talk_cancel(&ann);
    stage_take(s, PBX, "200");
    stage_take(s, PBX, "487");
    talk_ack(&ann);
    challenge(s, &bob, 407, SIP_PROXY_AUTHENTICATE);
    talk_asked(&bob, "ACK");
    stage_quiet(s);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(at_a_carrier),  CASE(wrong_password), CASE(longer_than_asked),    CASE(of_a_pbx),
        CASE(of_an_old_pbx), CASE(of_a_stranger),  CASE(calls_are_challenged), CASE(challenged_too_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
