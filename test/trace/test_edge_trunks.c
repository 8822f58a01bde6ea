/* Far domains as trunks: connections that come and go, calls that outlive them, idle ones that are closed; and what imectl shows of it. */
#include "edge_stage.h"

#include "ctl/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASE(name) cmocka_unit_test_setup_teardown(name, edge_stage_setup, edge_stage_teardown)

/* ---- connections ---- */

/* The far edge came to us; when its connection is gone it is reached where its Contact says, and has to show the same name. */
static void far_connection_lost(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    talk_connect(s, &bob, FAR, &ann, AGENT);
    stage_lose(s, FAR);
    talk_request(&ann, "INFO", NULL, NULL);
    talk_asked(&bob, "INFO");
    assert_int_equal(s->taken->hop.conn, 0);
    assert_int_equal(s->taken->hop.side, EDGE_FIRST_DOMAIN);
    assert_string_equal(s->taken->hop.host, "b.example");
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_request(&bob, "INFO", NULL, NULL); /* over its new one, which is taken from then on */
    talk_asked(&ann, "INFO");
    talk_answer(&ann, 200, NULL);
    talk_heard(&bob, "200");
    talk_request(&ann, "INFO", NULL, NULL);
    talk_asked(&bob, "INFO");
    assert_int_equal(s->taken->hop.conn, s->conns[FAR]);
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_bye(&ann, &bob);
}

/* What a call came over is not closed for being quiet, until the call has ended. */
static void connections_are_held(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    talk_connect(s, &bob, FAR, &ann, AGENT);
    assert_true(stage_holds(s, FAR));
    assert_true(stage_holds(s, AGENT)); /* though it has only answered */
    talk_bye(&ann, &bob);
    stage_run(s, 60000);
    assert_false(stage_holds(s, FAR));
    assert_false(stage_holds(s, AGENT));
}

/* The same for a connection of ours; when it has ended it is made again. */
static void our_connection_is_held(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    assert_false(stage_holds(s, FAR));
    talk_accept(&ann, &bob);
    assert_true(stage_holds(s, FAR));
    talk_request(&ann, "INFO", NULL, NULL);
    talk_asked(&bob, "INFO");
    assert_int_equal(s->taken->hop.conn, s->conns[FAR]);
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    stage_lose(s, FAR);
    talk_request(&ann, "INFO", NULL, NULL);
    talk_asked(&bob, "INFO");
    assert_int_equal(s->taken->hop.conn, 0);
    assert_string_equal(s->taken->hop.host, "b.example");
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    talk_bye(&ann, &bob);
    stage_run(s, 60000);
    assert_false(stage_holds(s, FAR));
}

/* A Contact that points into our network is not followed. */
static void far_contact_is_inside(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    talk_begin(s, &bob, FAR, &ann, AGENT);
    talk_accept(&bob, &ann);
    bob.contact = "sip:x@10.0.0.1:5060";
    talk_request(&bob, "UPDATE", NULL, NULL);
    talk_heard(&bob, "403");
    stage_quiet(s);
    bob.contact = NULL;
    stage_lose(s, FAR);
    talk_request(&ann, "BYE", NULL, NULL);
    talk_asked(&bob, "BYE"); /* never the agent */
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
}

static void agent_connection_lost(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    stage_lose(s, AGENT);
    talk_request(&bob, "INFO", NULL, NULL);
    talk_asked(&ann, "INFO");
    assert_int_equal(s->taken->hop.conn, 0);
    talk_answer(&ann, 200, NULL);
    talk_heard(&bob, "200");
    talk_bye(&bob, &ann);
}

/* What was under way when it was lost is asked once more, or has its end. */
static void lost_while_asked(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    talk_connect(s, &bob, FAR, &ann, AGENT);
    talk_request(&ann, "INFO", NULL, NULL);
    talk_asked(&bob, "INFO");
    stage_lose(s, FAR);
    talk_heard(&ann, "503"); /* INFO may not be there twice */
    talk_asked(&bob, "OPTIONS");
    talk_answer(&bob, 200, NULL);
    stage_quiet(s);
    talk_bye(&bob, &ann);
}

static void nobody_is_there(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, AGENT, &bob, FAR);
    talk_request(&ann, "BYE", NULL, NULL);
    stage_unreachable(s, FAR);
    talk_heard(&ann, "503");
    stage_quiet(s);
    struct edge_left left;
    edge_left(s->edge, &left);
    assert_int_equal(left.calls, 0); /* whatever became of the other side */
}

/* ---- connections that both sides use ---- */

static void call_in(struct stage *s)
{
    struct talk bob, ann;
    talk_connect(s, &bob, FAR, &ann, AGENT);
    talk_bye(&bob, &ann);
}

/* A far edge that says so takes our calls over the connection that it has made: it has a good ticket, a certificate, and has seen ours. */
static void connection_is_shared(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    call_in(s);
    assert_int_equal(s->share.count, 0); /* nobody has asked for it */
    s->via_params = ";alias";
    talk_ask(s, &bob, FAR, "INVITE", NULL, stage_secure_sdp); /* nor is it for those without a ticket */
    talk_heard(&bob, "403");
    talk_ack(&bob);
    assert_int_equal(s->share.count, 0);
    call_in(s);
    assert_int_equal(s->share.count, 1);
    assert_int_equal(s->share.conn, s->conns[FAR]);
    assert_int_equal(s->share.side, EDGE_FIRST_DOMAIN);
    assert_string_equal(s->share.domain, "b.example");
    assert_string_equal(s->share.target, "203.0.113.9:5061");
    assert_int_equal(stage_counters(s)->shares, 1);
    call_in(s); /* a new connection for the edge, as no call has held the one before */
    assert_int_equal(s->share.count, 2);
    struct talk second, third;
    talk_connect(s, &bob, FAR, &ann, AGENT);
    talk_connect(s, &second, FAR, &third, AGENT);
    assert_int_equal(s->share.count, 3); /* once for a connection that is in use */
    talk_bye(&bob, &ann);
    talk_bye(&second, &third);
    s->via_params = NULL;
    talk_begin(s, &ann, AGENT, &bob, FAR);
    assert_non_null(strstr(stage_text(s), ";rport;alias\r\n")); /* we do, too */
    talk_accept(&ann, &bob);
    talk_bye(&bob, &ann);
    assert_null(strstr(stage_text(s), ";alias")); /* to agents there is nothing to say */
}

static void connection_is_not_shared(void **state)
{
    struct stage *s = *state;
    s->via_params = ";alias";
    s->sent_by = "203.0.113.66:5061"; /* somebody else's address */
    call_in(s);
    assert_int_equal(s->share.count, 0);
    assert_int_equal(stage_counters(s)->shares_refused, 1);
    s->sent_by = "203.0.113.9";
    s->share.err = ERR_FORBIDDEN;
    call_in(s);
    assert_int_equal(s->share.count, 1);
    assert_string_equal(s->share.target, "203.0.113.9:5061");
    assert_int_equal(stage_counters(s)->shares_refused, 2);
    s->share.err = 0;
    s->sent_by = "edge.b.example:5071"; /* a name counts as the address that it comes from */
    call_in(s);
    assert_string_equal(s->share.target, "203.0.113.9:5071");
    assert_int_equal(stage_counters(s)->shares, 1);
}

/* ---- trunks ---- */

static void idle_trunk_is_closed(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    talk_connect(s, &bob, FAR, &ann, AGENT);
    stage_run(s, s->options.trunk_idle_ms + 10000);
    assert_int_equal(s->last_closed_conn, 0); /* there is a call on it */
    talk_pass(&bob, &ann, "INFO", NULL, 200);
    talk_bye(&bob, &ann);
    stage_run(s, s->options.trunk_idle_ms - 10000);
    assert_int_equal(s->last_closed_conn, 0);
    stage_run(s, 20000);
    assert_int_equal(s->last_closed_conn, s->conns[FAR]);
    stage_quiet(s);
}

/* ---- imectl ---- */

static char answer_text[65536];

static void ready(void *arg)
{
    (void)arg;
}

static const char *ask(struct stage *s, const char *line)
{
    struct ctl_server server;
    const char *words;
    assert_int_equal(ctl_server_init(&server, CTL_EDGE, edge_handlers, edge_handler_count, s->edge, &words), 0);
    edge_set_now(s->edge, s->now);
    struct ctl_session *session = ctl_session_new(&server, ready, NULL);
    assert_non_null(session);
    assert_int_equal(ctl_session_input(session, slice_str(line)), 0);
    snprintf(answer_text, sizeof answer_text, "%.*s", SLICE_PRINT(ctl_session_output(session)));
    ctl_session_free(session);
    return answer_text;
}

#define ASK(words, args) ask(s, "{\"id\":1,\"command\":[" words "],\"args\":{" args "}}\n")

static int reload(void *ctx, struct buf *report)
{
    const struct stage *s = ctx;
    buf_str(report, s->media_full ? "line 3: no such key\n" : "");
    return s->media_full ? ERR_SYNTAX : 0;
}

static int setup_reload(void **state)
{
    struct stage *s = edge_stage_new();
    s->ports.reload = reload;
    s->ports.reload_ctx = s;
    edge_stage_start(s);
    *state = s;
    return 0;
}

static void shown(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    assert_non_null(strstr(ASK("\"show\",\"status\"", ""), "\"health\":\"yellow\"")); /* a domain without keys */
    talk_connect(s, &bob, FAR, &ann, AGENT);
    const char *text = ASK("\"edge\",\"show\",\"calls\"", "");
    assert_non_null(strstr(text, "\"direction\":\"in\""));
    assert_non_null(strstr(text, "\"from\":\"" THEIRS "\""));
    assert_non_null(strstr(text, "\"to\":\"" OURS "\""));
    assert_non_null(strstr(text, "\"state\":\"up\""));
    assert_null(strstr(ASK("\"edge\",\"show\",\"calls\"", "\"call\":\"c.example\""), "\"direction\""));
    assert_non_null(strstr(ASK("\"edge\",\"show\",\"calls\"", "\"call\":\"B.example\""), "\"direction\""));
    text = ASK("\"edge\",\"show\",\"trunks\"", "");
    assert_non_null(strstr(text, "\"domain\":\"b.example\",\"state\":\"in use\",\"address\":\"203.0.113.9:5061\""));
    assert_non_null(strstr(text, "\"calls\":1,\"calls_in\":1,\"calls_out\":0"));
    assert_non_null(strstr(ASK("\"show\",\"counters\"", ""), "\"name\":\"edge.tickets_good\",\"value\":1"));
    assert_non_null(strstr(ASK("\"edge\",\"show\",\"tickets\"", ""), "\"epochs\":[]"));
    assert_non_null(strstr(ASK("\"edge\",\"show\",\"mappings\"", ""), "\"mappings\":[]"));
    assert_non_null(strstr(ASK("\"edge\",\"show\",\"certificates\"", ""), "\"certificates\":[]"));
    assert_non_null(strstr(ASK("\"edge\",\"reload\"", ""), "nothing is different"));
    s->media_full = true;
    assert_non_null(strstr(ASK("\"edge\",\"reload\"", ""), "no such key"));
    talk_bye(&bob, &ann);
    assert_non_null(strstr(ASK("\"edge\",\"show\",\"trunks\"", ""), "\"state\":\"idle\""));
    stage_lose(s, FAR);
    text = ASK("\"edge\",\"show\",\"trunks\"", "");
    assert_non_null(strstr(text, "\"address\":\"203.0.113.9:5061\",\"connections\":0"));
    s->media_full = false;
    talk_connect(s, &ann, AGENT, &bob, FAR); /* a connection of ours counts as well */
    text = ASK("\"edge\",\"show\",\"trunks\"", "");
    assert_non_null(strstr(text, "\"address\":\"203.0.113.9:5061\",\"connections\":1"));
    talk_bye(&ann, &bob);
    assert_false(edge_wants_shutdown(s->edge));
    ASK("\"shutdown\"", "");
    assert_true(edge_wants_shutdown(s->edge));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(far_connection_lost),
        CASE(far_contact_is_inside),
        CASE(connection_is_shared),
        CASE(connection_is_not_shared),
        CASE(connections_are_held),
        CASE(our_connection_is_held),
        CASE(agent_connection_lost),
        CASE(lost_while_asked),
        CASE(nobody_is_there),
        CASE(idle_trunk_is_closed),
        cmocka_unit_test_setup_teardown(shown, setup_reload, edge_stage_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
