/* The books of a day of calls: kept by hand, they are in order; each thing that is false in them is named by its rule. */
#include "calls/exchange.h"
#include "calls/ledger_private.h"
#include "calls/pbx.h"
#include "calls/talk.h"

#include "agent/journal.h"
#include "base/mem.h"
#include "scenario.h"
#include "store/memory.h"
#include "testing.h"
#include "ticket/valinfo.h"

#include <stdio.h>
#include <string.h>

#define COMPANIES 2
#define DIALED_US (100 * SIM_SECOND)
#define RANG_US (DIALED_US + 500 * SIM_MS)
#define ANSWERED_US (DIALED_US + 5 * SIM_SECOND)
#define ENDED_US (DIALED_US + 65 * SIM_SECOND)
#define DIRECT 1 /* the call that goes direct; call 0 goes over the phone network */
#define CALLS 2
#define ROUTE "sip:a@c1.example:5061;maddr=198.18.1.1;transport=tcp"

struct scene {
    struct sim_options options;
    struct sim_nature nature;
    struct sim_world *world;
    struct sim_trouble trouble;
    struct sim_day day;
    struct sim_script scripts[CALLS];
    struct sim_border borders[COMPANIES];
    struct sim_pbx pbxs[COMPANIES];
    struct sim_ledger *ledger;
};

static struct wall wall_at(int64_t us)
{
    return (struct wall){SIM_BEGAN_MS + us / 1000};
}

static struct sim_call_side side(int64_t began_us)
{
    return (struct sim_call_side){.began_us = began_us,
                                  .answered_us = ANSWERED_US,
                                  .ended_us = ENDED_US,
                                  .answered_at = wall_at(ANSWERED_US),
                                  .ended_at = wall_at(ENDED_US),
                                  .status = 200,
                                  .ends = 1};
}

static void add_record(struct scene *s, uint32_t company, enum vap_direction direction)
{
    const struct sim_script *script = &s->scripts[0];
    s->ledger->records[s->ledger->record_count++] =
        (struct sim_record_entry){.vcr = {.direction = direction,
                                          .calling = sim_phone_number(script->from, script->from_k),
                                          .called = sim_phone_number(script->to, script->to_k),
                                          .start_ntp = wall_to_ntp(wall_at(ANSWERED_US)),
                                          .stop_ntp = wall_to_ntp(wall_at(ENDED_US))},
                                  .company = company,
                                  .sent = 1,
                                  .acknowledged = true};
}

/* Two calls of company 0 to company 1, one after each way, as they should be. */
static int make(void **state)
{
    struct scene *s = test_calloc(1, sizeof *s);
    sim_options_default(&s->options);
    s->options.seed = 1;
    s->options.companies = COMPANIES;
    s->options.calls = CALLS;
    sim_nature_draw(&s->nature, 1);
    sim_scenario_find("calls")->prepare(&s->options, &s->nature);
    sim_options_settle(&s->options);
    s->world = sim_world_new(&s->options, &s->nature);
    s->world->result.calls = mem_alloc(sizeof *s->world->result.calls);
    assert_non_null(s->world->result.calls);
    for (uint32_t i = 0; i < CALLS; i++)
        s->scripts[i] = (struct sim_script){.at_us = DIALED_US,
                                            .from = 0,
                                            .to = 1,
                                            .to_k = (uint16_t)i,
                                            .answer = SIM_ANSWERS,
                                            .ring_ms = 4500,
                                            .patience_ms = 40000,
                                            .talk_ms = 60000};
    s->day = (struct sim_day){.world = s->world,
                              .result = s->world->result.calls,
                              .companies = COMPANIES,
                              .scripts = s->scripts,
                              .script_count = CALLS,
                              .next_script = CALLS,
                              .borders = s->borders,
                              .pbxs = s->pbxs,
                              .trouble = &s->trouble};
    sim_wire_init(&s->day.wire, s->world);
    sim_media_init(&s->day.media, s->world, COMPANIES);
    s->day.exchange = sim_exchange_new(&s->day);
    s->ledger = sim_ledger_new(&s->day);
    for (uint32_t i = 0; i < CALLS; i++) {
        struct sim_call_entry *c = &s->ledger->calls[i];
        *c = (struct sim_call_entry){
            .begun_us = DIALED_US, .rang_us = RANG_US, .caller = side(DIALED_US), .called_count = 1};
        c->called[0] = side(RANG_US);
        c->sent_direct = c->had_route = c->route_is_good = i == DIRECT;
        c->sent_pstn = c->came_by_pstn = i != DIRECT;
    }
    add_record(s, 0, VAP_SENT);
    add_record(s, 1, VAP_RECEIVED);
    *state = s;
    return 0;
}

static int unmake(void **state)
{
    struct scene *s = *state;
    sim_ledger_free(s->ledger);
    sim_exchange_free(s->day.exchange);
    sim_wire_fini(&s->day.wire);
    sim_media_fini(&s->day.media);
    sim_world_free(s->world);
    test_free(s);
    return 0;
}

/* Closes the books; all violations are of this rule, and there are so many. */
static void expect(struct scene *s, const char *rule, size_t n)
{
    const struct sim_result *r = &s->world->result;
    sim_ledger_close_calls(s->ledger);
    sim_ledger_close_records(s->ledger);
    sim_ledger_close_left(s->ledger);
    for (size_t i = 0; i < r->violation_count; i++)
        if (strcmp(r->violations[i].rule, rule) != 0)
            fail_msg("%s: %s", r->violations[i].rule, r->violations[i].text);
    assert_int_equal(r->violation_count, n);
}

static void in_order(void **state)
{
    struct scene *s = *state;
    expect(s, "", 0);
    assert_int_equal(s->day.result->direct, 1);
    assert_int_equal(s->day.result->pstn, 1);
    assert_int_equal(s->day.result->ends[SIM_CALL_ANSWERED], 2);
}

static void end_that_never_comes(void **state)
{
    struct scene *s = *state;
    s->ledger->calls[DIRECT].called[0].ends = 0;
    expect(s, "calls end", 1);
}

static void end_that_comes_twice(void **state)
{
    struct scene *s = *state;
    s->ledger->calls[DIRECT].caller.ends = 2;
    expect(s, "calls end", 1);
}

static void end_that_comes_late(void **state)
{
    struct scene *s = *state;
    s->ledger->calls[DIRECT].called[0].ended_us += SIM_ENDS_CLEAN_US + 1;
    expect(s, "calls end", 1);
}

/* A minute is forgiven when the agent was killed meanwhile, an hour is not. */
static void late_after_trouble(void **state)
{
    struct scene *s = *state;
    struct sim_trouble_one one = {.from_us = ANSWERED_US + SIM_SECOND, .until_us = ANSWERED_US + 2 * SIM_SECOND};
    s->trouble = (struct sim_trouble){.ones = &one, .n = 1};
    s->ledger->calls[DIRECT].called[0].ended_us += SIM_MINUTE;
    s->ledger->calls[0].called[0].ended_us += SIM_ENDS_US + 1;
    expect(s, "calls end", 1);
}

static void still_up(void **state)
{
    struct scene *s = *state;
    s->ledger->calls[DIRECT].called[0].ends = 0;
    s->world->now_us = ENDED_US + SIM_ENDS_US - 1;
    sim_ledger_look(s->ledger);
    assert_int_equal(s->world->result.violation_count, 0);
    s->world->now_us += 2;
    sim_ledger_look(s->ledger);
    sim_ledger_look(s->ledger);
    assert_int_equal(s->world->result.violation_count, 1); /* told once */
}

static void not_answered(void **state)
{
    struct scene *s = *state;
    struct sim_call_entry *c = &s->ledger->calls[DIRECT];
    c->caller.answered_us = c->called[0].answered_us = 0;
    c->caller.status = c->called[0].status = 480;
    expect(s, "calls become what people want", 1);
}

static void rings_twice(void **state)
{
    struct scene *s = *state;
    struct sim_call_entry *c = &s->ledger->calls[DIRECT];
    c->called[1] =
        (struct sim_call_side){.began_us = RANG_US + SIM_SECOND, .ended_us = ENDED_US, .status = 487, .ends = 1};
    c->called_count = 2;
    expect(s, "one call", 1);
}

static void up_twice(void **state)
{
    struct scene *s = *state;
    struct sim_call_entry *c = &s->ledger->calls[DIRECT];
    c->called[1] = c->called[0];
    c->called[1].began_us += SIM_SECOND;
    c->called_count = 2;
    expect(s, "one call", 2); /* it rang twice, too */
}

static void route_unused(void **state)
{
    struct scene *s = *state;
    s->ledger->calls[DIRECT].sent_direct = false;
    expect(s, "a good route is used", 1);
}

static void record_missing(void **state)
{
    struct scene *s = *state;
    s->ledger->record_count = 1;
    expect(s, "calls have records", 1);
}

static void record_of_nothing(void **state)
{
    struct scene *s = *state;
    add_record(s, 1, VAP_RECEIVED);
    expect(s, "records are of calls", 1);
}

static void record_of_another_time(void **state)
{
    struct scene *s = *state;
    s->ledger->records[0].vcr.stop_ntp = wall_to_ntp(wall_at(ENDED_US + 4 * SIM_SECOND));
    expect(s, "records are of calls", 1);
}

static void record_of_another_caller(void **state)
{
    struct scene *s = *state;
    s->ledger->records[1].vcr.calling = sim_phone_number(1, 1);
    expect(s, "records are of calls", 1);
}

/* The phone network may lose the caller's number, a company's own agent may not. */
static void record_without_caller(void **state)
{
    struct scene *s = *state;
    s->ledger->records[0].vcr.calling = s->ledger->records[1].vcr.calling = (struct e164){""};
    expect(s, "records are of calls", 1);
}

static void record_unacknowledged(void **state)
{
    struct scene *s = *state;
    s->ledger->records[0].acknowledged = false;
    expect(s, "records arrive", 1);
}

/* An agent that is killed before a call is over cannot know how long it was. */
static void record_lost_with_the_agent(void **state)
{
    struct scene *s = *state;
    struct sim_trouble_one one = {.from_us = ANSWERED_US + SIM_SECOND, .until_us = ANSWERED_US + 2 * SIM_SECOND};
    s->trouble = (struct sim_trouble){.ones = &one, .n = 1};
    assert_int_equal(one.kind, SIM_TROUBLE_AGENT_CRASH);
    s->ledger->records[0] = s->ledger->records[1];
    s->ledger->record_count = 1;
    expect(s, "", 0);
}

/* Its people speak already, and a phone rings for it once more: whatever was in the way. */
static void rings_again(void **state)
{
    struct scene *s = *state;
    struct sim_trouble_one one = {.from_us = DIALED_US, .until_us = ENDED_US};
    struct sim_call_entry *c = &s->ledger->calls[DIRECT];
    s->trouble = (struct sim_trouble){.ones = &one, .n = 1};
    c->called[1] = (struct sim_call_side){
        .began_us = ANSWERED_US + 41 * SIM_SECOND, .ended_us = ENDED_US, .status = 487, .ends = 1};
    c->called_count = 2;
    expect(s, "one call", 1);
}

/* From the wire: an INVITE to a company to which there is no route. */
static void direct_without_route(void **state)
{
    struct scene *s = *state;
    static const char invite[] = "INVITE sip:+4930101001@c1.example SIP/2.0\r\n\r\ns=call-1\r\n";
    const struct sim_wire_socket from = {.addr = sim_calls_addr(SIM_AT_AGENT_IME, 0), .group = SIM_GROUP_OF_IME(0)};
    const struct sim_wire_socket to = {.addr = sim_calls_addr(SIM_AT_AGENT_IME, 1), .group = SIM_GROUP_OF_IME(1)};
    const struct e164 number = sim_phone_number(1, 1);
    *sim_ledger_route(s->ledger, 0, &number) = SIM_SECOND;
    sim_ledger_sent(s->ledger, &from, &to, slice_str(invite));
    assert_int_equal(s->world->result.violation_count, 0);
    *sim_ledger_route(s->ledger, 0, &number) = 0;
    sim_ledger_sent(s->ledger, &from, &to, slice_str(invite));
    assert_int_equal(s->world->result.violation_count, 1);
    assert_string_equal(s->world->result.violations[0].rule, "no route, no direct call");
}

/* ---- what phones hear ---- */

#define OVER_US (DIALED_US + SIM_HOUR) /* a long call */
#define LEFT_US (DIALED_US + 10 * SIM_MINUTE)

/* The direct call, in a day with sound, until its caller hangs up. */
static struct sim_call_entry *make_heard(struct scene *s)
{
    struct sim_call_entry *c = &s->ledger->calls[DIRECT];
    s->day.has_media = true;
    c->caller.ended_us = c->called[0].ended_us = c->caller.hung_up_us = OVER_US;
    s->ledger->calls[0].caller.hung_up_us = ENDED_US;
    return c;
}

static void expect_heard(struct scene *s, const char *rule, size_t n)
{
    const struct sim_result *r = &s->world->result;
    sim_ledger_close_heard(s->ledger);
    for (size_t i = 0; i < r->violation_count; i++)
        if (strcmp(r->violations[i].rule, rule) != 0)
            fail_msg("%s: %s", r->violations[i].rule, r->violations[i].text);
    assert_int_equal(r->violation_count, n);
}

/* What the caller's phone hears: a packet that was said when it comes. */
static void hear(struct scene *s, int64_t at_us, bool by_edge)
{
    const struct addr from = sim_calls_addr(by_edge ? SIM_AT_EDGE_INSIDE : SIM_AT_CARRIER, 0);
    s->world->now_us = at_us;
    sim_ledger_heard(s->ledger, DIRECT, true, 0, &from, at_us);
}

static void expects(struct scene *s, int64_t at_us, bool is)
{
    s->world->now_us = at_us;
    sim_ledger_expects(s->ledger, DIRECT, true, 0, is);
}

/* Heard by the Internet, with a hold, which is no silence; then nothing for so long, until the phone network brings it. */
static void fall_silent(struct scene *s, int64_t us)
{
    make_heard(s);
    expects(s, ANSWERED_US, true);
    hear(s, ANSWERED_US + SIM_SECOND, true);
    expects(s, ANSWERED_US + SIM_SECOND, false);
    expects(s, LEFT_US, true);
    hear(s, LEFT_US + SIM_SECOND, true);
    hear(s, LEFT_US + SIM_SECOND + us, false);
}

static void silent_for_a_while(void **state)
{
    struct scene *s = *state;
    fall_silent(s, SIM_MINUTE - SIM_SECOND);
    expect_heard(s, "moves are not heard", 1); /* for a fallback it is not too long, but there was no reason for one */
}

static void silent_for_too_long(void **state)
{
    struct scene *s = *state;
    fall_silent(s, SIM_MINUTE + SIM_SECOND);
    s->ledger->move_count = 0;
    expect_heard(s, "calls are heard", 1);
}

/* Silences and ends are forgiven when both networks were bad, not when one of them was. */
static void expect_with_trouble(struct scene *s, bool ime, bool pstn, const char *rule, size_t n)
{
    struct sim_trouble_one ones[2];
    uint32_t count = 0;
    if (ime)
        ones[count++] = (struct sim_trouble_one){.kind = SIM_TROUBLE_NET_DEAD, .from_us = LEFT_US, .until_us = OVER_US};
    if (pstn)
        ones[count++] =
            (struct sim_trouble_one){.kind = SIM_TROUBLE_TRUNK_AWAY, .from_us = LEFT_US, .until_us = OVER_US};
    s->trouble = (struct sim_trouble){.ones = ones, .n = count};
    expect_heard(s, rule, n);
}

static void silent_though_the_phone_network_is_well(void **state)
{
    struct scene *s = *state;
    fall_silent(s, 2 * SIM_MINUTE);
    s->ledger->move_count = 0;
    expect_with_trouble(s, true, false, "calls are heard", 1);
}

static void silent_without_any_network(void **state)
{
    struct scene *s = *state;
    fall_silent(s, 2 * SIM_MINUTE);
    expect_with_trouble(s, true, true, "", 0);
}

static void lost_though_the_phone_network_is_well(void **state)
{
    struct scene *s = *state;
    make_heard(s)->caller.hung_up_us = 0;
    expect_with_trouble(s, true, false, "calls are kept", 1);
    assert_int_equal(s->day.result->lost, 1);
}

/* It had moved to the one trunk of its caller that is away now. */
static void lost_with_its_trunk(void **state)
{
    struct scene *s = *state;
    struct sim_trouble_one ones[] = {
        {.kind = SIM_TROUBLE_NET_BAD, .from_us = LEFT_US, .until_us = OVER_US},
        {.kind = SIM_TROUBLE_CARRIER_AWAY, .from_us = LEFT_US + SIM_MINUTE, .until_us = OVER_US}};
    s->trouble = (struct sim_trouble){.ones = ones, .n = 2};
    make_heard(s)->caller.hung_up_us = 0;
    expect_heard(s, "calls are kept", 1);
    s->world->result.violation_count = 0;
    hear(s, LEFT_US, true);
    hear(s, LEFT_US + SIM_TALK_MS * SIM_MS, false);
    expect_heard(s, "", 0);
}

static void lost_without_any_network(void **state)
{
    struct scene *s = *state;
    make_heard(s)->caller.hung_up_us = 0;
    expect_with_trouble(s, true, true, "", 0);
    assert_int_equal(s->day.result->lost, 1);
}

static void moves(void **state)
{
    struct scene *s = *state;
    make_heard(s);
    expects(s, ANSWERED_US, true);
    hear(s, LEFT_US, true);
    hear(s, LEFT_US + SIM_TALK_MS * SIM_MS + 100 * SIM_MS, false);
    hear(s, LEFT_US + SIM_RETURN_US, false);
    hear(s, LEFT_US + SIM_RETURN_US + SIM_TALK_MS * SIM_MS, true);
    s->ledger->silence_count = 0; /* only a few of its words are told here */
    expect_heard(s, "", 0);
    assert_int_equal(s->day.result->moves_to_pstn, 1);
    assert_int_equal(s->day.result->moves_to_ime, 1);
    assert_int_equal(s->day.result->gaps.n, 2);
    assert_int_equal(sim_samples_max(&s->day.result->gaps), 100 * SIM_MS);
}

static void move_with_a_gap(void **state)
{
    struct scene *s = *state;
    make_heard(s);
    expects(s, ANSWERED_US, true);
    hear(s, LEFT_US, true);
    hear(s, LEFT_US + SIM_TALK_MS * SIM_MS + 201 * SIM_MS + sim_ledger_delays_us(s->ledger, DIRECT), false);
    s->ledger->silence_count = 0;
    expect_heard(s, "moves are not heard", 1);
}

/* It leaves, and is back so much later; again, so much later than the first time. */
static void oscillate(struct scene *s, int64_t first_us, int64_t second_us)
{
    make_heard(s);
    expects(s, ANSWERED_US, true);
    for (int64_t at_us = LEFT_US, away_us = first_us;; at_us += SIM_MINUTE, away_us = second_us) {
        hear(s, at_us, true);
        hear(s, at_us + SIM_TALK_MS * SIM_MS, false);
        hear(s, at_us + away_us, false);
        hear(s, at_us + away_us + SIM_TALK_MS * SIM_MS, true);
        if (at_us > LEFT_US)
            break;
    }
    s->ledger->silence_count = 0;
}

static void returns_too_soon(void **state)
{
    struct scene *s = *state;
    oscillate(s, SIM_RETURN_US / 2, 2 * SIM_RETURN_US);
    expect_heard(s, "returns take their time", 1);
}

static void returns_as_soon_as_before(void **state)
{
    struct scene *s = *state;
    oscillate(s, SIM_RETURN_US, SIM_RETURN_US);
    expect_heard(s, "returns take their time", 1);
}

static void returns_later_each_time(void **state)
{
    struct scene *s = *state;
    oscillate(s, SIM_RETURN_US, 2 * SIM_RETURN_US);
    expect_heard(s, "", 0);
}

/* Told when it happens, once. */
static void hears_another_call(void **state)
{
    struct scene *s = *state;
    sim_ledger_wrong_join(s->ledger, DIRECT, 0);
    sim_ledger_wrong_join(s->ledger, DIRECT, 0);
    assert_int_equal(s->world->result.violation_count, 1);
    assert_string_equal(s->world->result.violations[0].rule, "nobody hears others");
}

/* The Internet is dead: the phone network could have carried it, even where no caller is shown, or one of the caller's trunks is away, or the caller's own fallback
 * number is busy; but not while the other one takes no call, or digits are lost. */
static void silent_though_half_a_network_is_well(void **state)
{
    struct scene *s = *state;
    static const struct {
        uint8_t kind;
        uint32_t company;
        size_t wrong;
    } others[] = {
        {SIM_TROUBLE_CALLERS_LOST, 0, 1}, {SIM_TROUBLE_CARRIER_AWAY, 0, 1},  {SIM_TROUBLE_FALLBACK_BUSY, 0, 1},
        {SIM_TROUBLE_CARRIER_AWAY, 1, 0}, {SIM_TROUBLE_FALLBACK_BUSY, 1, 0}, {SIM_TROUBLE_DIGITS_LOST, 0, 0},
        {SIM_TROUBLE_AGENT_CRASH, 1, 0},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct sim_trouble_one ones[2] = {
            {.kind = SIM_TROUBLE_NET_DEAD, .from_us = LEFT_US, .until_us = OVER_US},
            {.kind = others[i].kind, .company = others[i].company, .from_us = LEFT_US, .until_us = OVER_US}};
        s->trouble = (struct sim_trouble){.ones = ones, .n = 2};
        s->ledger->silence_count = s->ledger->move_count = s->world->result.violation_count = 0;
        s->ledger->calls[DIRECT].caller.hearing = (struct sim_hearing){0};
        fall_silent(s, 2 * SIM_MINUTE);
        sim_ledger_close_heard(s->ledger);
        if (s->world->result.violation_count != others[i].wrong)
            fail_msg("%s: %zu", sim_trouble_text((enum sim_trouble_kind)others[i].kind),
                     s->world->result.violation_count);
    }
}

/* ---- no phone rings ---- */

static void unseen(void *ctx, const struct sim_wire_socket *from, const struct sim_wire_socket *to, struct slice octets)
{
    (void)ctx, (void)from, (void)to, (void)octets;
}

/* A PBX is sent that, by its agent. */
static void invite(struct scene *s, const char *number, const char *tag, const char *body)
{
    char text[1024];
    static unsigned n;
    struct sim_wire_socket from = {
        .host = &s->day.exchange->host, .addr = sim_calls_addr(SIM_AT_AGENT_PBX, 1), .group = SIM_GROUP_OF_PBX};
    int length = snprintf(
        text, sizeof text,
        "INVITE sip:%s@pbx SIP/2.0\r\nVia: SIP/2.0/UDP 198.18.1.1:5060;branch=z9hG4bK%u\r\nMax-Forwards: 70\r\n"
        "From: <sip:a@agent>;tag=a\r\nTo: <sip:b@pbx>%s\r\nCall-ID: c%u\r\nCSeq: 1 INVITE\r\nContact: "
        "<sip:a@198.18.1.1>\r\nContent-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
        number, n, tag, n, strlen(body), body);
    n++;
    sim_wire_datagram(&s->day.wire, &from, &s->pbxs[1].socket.addr, slice_of(text, (size_t)length));
    sim_world_run(s->world, SIM_SECOND);
}

static void rings_for_a_fallback(void **state)
{
    struct scene *s = *state;
    static const char nobodys[] = "v=0\r\no=- 1 1 IN IP4 198.18.0.5\r\ns=-\r\nc=IN IP4 198.18.0.5\r\nt=0 0\r\n"
                                  "m=audio 30000 RTP/AVP 8\r\n";
    const struct e164 fallback = sim_phone_fallback(&s->day, 1), number = sim_phone_number(1, 0);
    const struct sim_result *r = &s->world->result;
    s->day.ledger = s->ledger;
    s->day.wire.tap = unseen;
    sim_pbx_init(&s->pbxs[1], &s->day, 1);
    sim_pbx_start(&s->pbxs[1]);
    invite(s, fallback.text, "", "v=0\r\ns=call-1\r\n");
    assert_int_equal(r->violation_count, 1);
    assert_string_equal(r->violations[0].rule, "no phone rings for a fallback");
    invite(s, number.text, "", nobodys); /* no phone has placed that one */
    assert_int_equal(r->violation_count, 2);
    assert_string_equal(r->violations[1].rule, "no phone rings for a fallback");
    invite(s, number.text, ";tag=b", nobodys); /* inside of a call that it does not know */
    assert_int_equal(r->violation_count, 2);
    sim_pbx_fini(&s->pbxs[1]);
}

/* ---- what is left ---- */

static void left_over(void **state)
{
    struct scene *s = *state;
    struct sim_office_left *o = &s->ledger->least[0];
    struct sim_border_left *b = &s->ledger->least_of_borders[1];
    size_t *const all[] = {
        &o->agent.calls,   &o->agent.requests, &o->agent.attempts, &o->agent.dialogs,       &o->agent.legs,
        &o->agent.sounds,  &o->agent.tokens,   &o->agent.clients,  &o->agent.servers,       &o->agent.timers,
        &o->conns,         &o->sounds,         &b->edge.calls,     &b->edge.dialogs,        &b->edge.subscriptions,
        &b->edge.requests, &b->edge.clients,   &b->edge.servers,   &b->edge.sessions,       &b->edge.timers,
        &b->conns,         &b->sessions,       &b->ports,          &s->pbxs[0].phone_count, &s->pbxs[0].ua.leg_count};
    const size_t n = sizeof all / sizeof all[0];
    for (size_t i = 0; i < n; i++) {
        *all[i] = 1;
        sim_ledger_close_left(s->ledger);
        *all[i] = 0;
        assert_int_equal(s->world->result.violation_count, i + 1);
    }
    s->world->result.violation_count = 0;
    struct sim_media_port port = {.addr = sim_calls_addr(SIM_AT_PHONES, 1)};
    assert_true(sim_media_open(&s->day.media, &port));
    expect(s, "nothing is left", 1);
    sim_media_close(&s->day.media, &port);
}

/* ---- descriptions ---- */

static void tell(struct sim_talk *t, uint64_t session, unsigned version, const char *stream)
{
    char body[256];
    int n = snprintf(body, sizeof body,
                     "v=0\r\no=- %llu %u IN IP4 198.18.0.5\r\ns=-\r\nc=IN IP4 198.18.0.5\r\nt=0 0\r\nm=audio 30000 "
                     "RTP/AVP 8\r\na=%s\r\n",
                     (unsigned long long)session, version, stream);
    sim_talk_heard(t, slice_of(body, (size_t)n));
}

static void descriptions_go_on(void **state)
{
    struct scene *s = *state;
    static const struct {
        uint64_t session;
        unsigned version;
        const char *stream;
        size_t wrong;
    } second[] = {
        {7, 4, "sendrecv", 0},                        /* again */
        {7, 5, "inactive", 0}, {7, 9, "inactive", 0}, /* offers between them were refused */
        {7, 4, "inactive", 1}, {7, 3, "sendrecv", 1}, {8, 4, "sendrecv", 1},
    };
    s->day.ledger = s->ledger;
    for (size_t i = 0; i < sizeof second / sizeof second[0]; i++) {
        struct sim_talk talk;
        sim_talk_init(&talk, &s->day, DIRECT, true, 0, 20000);
        s->world->result.violation_count = 0;
        tell(&talk, 7, 4, "sendrecv");
        tell(&talk, second[i].session, second[i].version, second[i].stream);
        sim_talk_fini(&talk);
        expect(s, "descriptions go on", second[i].wrong);
        s->day.result->ends[SIM_CALL_ANSWERED] = 0;
    }
}

/* ---- what agents have kept ---- */

/* By VAP: the server of company 0 tells it of a route, and it says yes. */
static void learn(struct scene *s, const struct e164 *number)
{
    struct valinfo info = {
        .number = *number, .ticket = slice_str("AAAA"), .routes = {slice_str(ROUTE)}, .route_count = 1};
    const struct vap_transaction transaction = {{1}};
    struct buf xml, octets;
    buf_init(&xml, VALINFO_OCTETS_MAX);
    buf_init(&octets, VAP_MESSAGE_OCTETS_MAX);
    assert_int_equal(valinfo_format(&info, &xml), 0);
    size_t mark = vap_begin(&octets, VAP_NOTIFY, VAP_REQUEST, &transaction);
    tlv_put(&octets, TLV_SERVICE_CONTENT, buf_slice(&xml));
    vap_end(&octets, mark);
    sim_ledger_vap(s->ledger, 0, 0, false, buf_slice(&octets));
    buf_clear(&octets);
    mark = vap_begin(&octets, VAP_NOTIFY, VAP_SUCCESS, &transaction);
    vap_end(&octets, mark);
    sim_ledger_vap(s->ledger, 0, 0, true, buf_slice(&octets));
    buf_fini(&octets);
    buf_fini(&xml);
}

static void routes_are_lost(void **state)
{
    struct scene *s = *state;
    const struct e164 number = sim_phone_number(1, 1), nobodys = {"+4940999"};
    struct seeded_entropy seed;
    struct entropy entropy;
    struct agent_routes_config config;
    struct agent_routes *routes;
    struct sim_disk disk;
    sim_entropy_init(&seed, 1, "routes", 0);
    entropy = seeded_entropy_port(&seed);
    agent_routes_config_init(&config);
    assert_int_equal(sim_disk_init(&disk, 0), 0);
    assert_int_equal(agent_routes_new(&config, memory_store_kv(disk.store), &entropy, NULL, &routes), 0);
    sim_ledger_close_routes(s->ledger, 0, routes);
    expect(s, "", 0);
    s->world->now_us = SIM_SECOND;
    learn(s, &number); /* which it has not kept */
    assert_int_equal(s->day.result->routes_learned, 1);
    sim_ledger_close_routes(s->ledger, 1, routes);
    expect(s, "", 0);
    sim_ledger_close_routes(s->ledger, 0, routes);
    expect(s, "routes stay", 1);
    learn(s, &nobodys);
    expect(s, "routes stay", 2);
    agent_routes_free(routes);
    sim_disk_fini(&disk);
}

/* A journal of company 0 with so many of its calls, all ended by the same. Closes the accounts. */
static void account(struct scene *s, size_t calls, const char *ended_by)
{
    struct sim_office office = {.node = sim_world_node(s->world, 0), .options.journal_max = 10};
    struct call_journal *journal;
    assert_int_equal(sim_disk_init(&office.disk, 0), 0);
    const struct now now = {.wall = wall_at(ENDED_US)};
    assert_int_equal(call_journal_new(memory_store_kv(office.disk.store), 10, now, &journal), 0);
    for (size_t i = 0; i < calls; i++) {
        struct call_record r = {
            .direction = CALL_OUTBOUND, .begun_at = wall_at(DIALED_US), .ended_at = wall_at(ENDED_US)};
        snprintf(r.ended_by, sizeof r.ended_by, "%s", ended_by);
        call_journal_write(journal, &r);
    }
    struct call_record other = {.direction = CALL_INBOUND, .ended_at = wall_at(ENDED_US), .ended_by = "the caller"};
    call_journal_write(journal, &other);
    call_journal_flush(journal);
    call_journal_free(journal);
    sim_disk_sync(&office.disk);
    s->world->result.violation_count = 0;
    sim_ledger_close_accounts(s->ledger, &office);
    sim_disk_fini(&office.disk);
}

static void accounts_are_wrong(void **state)
{
    struct scene *s = *state;
    account(s, CALLS, "the caller");
    expect(s, "", 0);
    account(s, CALLS - 1, "the caller");
    expect(s, "calls have an account", 1);
    account(s, CALLS + 1, "the caller");
    expect(s, "calls have an account", 1);
    account(s, CALLS, "");
    expect(s, "calls have an account", CALLS);
    struct sim_trouble_one one = {.kind = SIM_TROUBLE_AGENT_CRASH, .from_us = DIALED_US, .until_us = ENDED_US};
    s->trouble = (struct sim_trouble){.ones = &one, .n = 1};
    account(s, 0, ""); /* killed before they were written down */
    expect(s, "", 0);
}

static void agent_grows(void **state)
{
    struct scene *s = *state;
    sim_ledger_close_growth(s->ledger, 0, SIM_GROWN_OCTETS_MAX);
    expect(s, "", 0);
    sim_ledger_close_growth(s->ledger, 1, SIM_GROWN_OCTETS_MAX + 1);
    expect(s, "nothing leaks", 1);
    assert_int_equal(s->day.result->grown_max, SIM_GROWN_OCTETS_MAX + 1);
    s->day.result->at_once_max = SIM_GROWN_OCTETS_MAX / SIM_GROWN_OCTETS_PER_CALL + 1;
    sim_ledger_close_growth(s->ledger, 1, SIM_GROWN_OCTETS_MAX + SIM_GROWN_OCTETS_PER_CALL);
    expect(s, "nothing leaks", 1);
    sim_ledger_close_growth(s->ledger, 1, SIM_GROWN_OCTETS_MAX + SIM_GROWN_OCTETS_PER_CALL + 1);
    expect(s, "nothing leaks", 2);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(in_order),
        CASE(end_that_never_comes),
        CASE(end_that_comes_twice),
        CASE(end_that_comes_late),
        CASE(late_after_trouble),
        CASE(still_up),
        CASE(not_answered),
        CASE(rings_twice),
        CASE(up_twice),
        CASE(route_unused),
        CASE(record_missing),
        CASE(record_of_nothing),
        CASE(record_of_another_time),
        CASE(record_of_another_caller),
        CASE(record_without_caller),
        CASE(record_unacknowledged),
        CASE(record_lost_with_the_agent),
        CASE(direct_without_route),
        CASE(silent_for_a_while),
        CASE(silent_for_too_long),
        CASE(silent_though_the_phone_network_is_well),
        CASE(silent_without_any_network),
        CASE(lost_though_the_phone_network_is_well),
        CASE(lost_without_any_network),
        CASE(lost_with_its_trunk),
        CASE(moves),
        CASE(move_with_a_gap),
        CASE(returns_too_soon),
        CASE(returns_as_soon_as_before),
        CASE(returns_later_each_time),
        CASE(hears_another_call),
        CASE(silent_though_half_a_network_is_well),
        CASE(rings_again),
        CASE(rings_for_a_fallback),
        CASE(left_over),
        CASE(descriptions_go_on),
        CASE(routes_are_lost),
        CASE(accounts_are_wrong),
        CASE(agent_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
