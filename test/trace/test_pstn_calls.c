/* Calls through the phone network in virtual time: two carriers, phones at the ends of their trunks. What each side sees of a call, what it costs,
 * and that nothing is left of it. */
#include "base/list.h"
#include "base/region.h"
#include "pstn/phone.h"
#include "sip/digest.h"
#include "sip/edit.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

enum { ANN, BOB, CARL, PHONES };

static const char *const phone_points[PHONES] = {"10.0.0.1:5060", "10.0.0.2:5060", "10.0.0.3:5060"};
/* A PBX whose messages the test writes. */
#define PBX_POINT "10.0.0.4:5060"

static const char *const carrier_points[2] = {"198.51.100.1:5060", "198.51.100.2:5060"};

struct mail {
    struct list link;
    struct addr from, to;
    unsigned side; /* of the network's end */
    size_t n;
    char text[4096];
};

struct end {
    struct pstn_phone_options options;
    struct pstn_phone *phone;
    struct pstn_phone_call last; /* the last news */
    unsigned over;
};

struct stage {
    struct now now;
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct pstn_options options;
    struct pstn_network *network;
    struct end ends[PHONES];
    struct list post;
    char to_bob[4096]; /* the last INVITE that BOB got */
    char to_pbx[4096]; /* the last message to the PBX */
    unsigned pbx_messages;
    unsigned lose_percent, change_percent; /* of all messages */
    unsigned swallow;                      /* messages from BOB that are lost, from now on */
};

static struct addr address(const char *text)
{
    struct addr addr;
    assert_int_equal(addr_parse(slice_str(text), 0, &addr), 0);
    return addr;
}

static void on_news(void *arg, const struct pstn_phone_call *call)
{
    struct end *e = arg;
    e->last = *call;
    e->over += call->ended_at.ms != 0;
}

/* ---- the options: two carriers, three trunks ---- */

static void add_trunk(struct stage *s, const char *name, unsigned carrier, const char *point, const char *range)
{
    struct pstn_options *o = &s->options;
    struct pstn_trunk_options *t = &o->trunks[o->trunk_count];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->carrier = carrier;
    t->place = (struct pstn_place){"49", "30"};
    t->transport = SIP_UDP;
    if (point)
        t->addr = address(point);
    assert_true(pstn_pattern_is_valid(slice_str(range)));
    snprintf(o->ranges[o->range_count].pattern, sizeof o->ranges[0].pattern, "%s", range);
    o->ranges[o->range_count++].trunk = (unsigned)o->trunk_count++;
}

static struct stage *stage_new(void)
{
    struct stage *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->now = (struct now){{1000000}, {INT64_C(1700000000000)}};
    s->seeded.state = 7;
    s->entropy = seeded_entropy_port(&s->seeded);
    list_init(&s->post);
    pstn_options_default(&s->options);
    for (unsigned i = 0; i < 2; i++) {
        struct pstn_carrier_options *c = &s->options.carriers[s->options.carrier_count++];
        snprintf(c->name, sizeof c->name, "carrier-%u", i + 1);
        snprintf(c->points[SIP_UDP], sizeof c->points[SIP_UDP], "%s", carrier_points[i]);
        c->setup = (struct pstn_span){200, 200};
        c->answer = (struct pstn_span){30, 30};
        c->release = (struct pstn_span){50, 50};
        c->tariff = (struct pstn_tariff){100, 20};
    }
    add_trunk(s, "a", 0, phone_points[ANN], "+4930100XXXX");
    add_trunk(s, "b", 1, phone_points[BOB], "+4930200*");
    add_trunk(s, "c", 0, phone_points[CARL], "+4930300*");
    for (unsigned i = 0; i < PHONES; i++)
        s->ends[i].options = (struct pstn_phone_options){
            .point = phone_points[i], .media = address(phone_points[i]), .ring = {3000, 3000}, .calls_max = 4};
    return s;
}

static void stage_start(struct stage *s)
{
    assert_int_equal(pstn_network_new(&s->options, &s->entropy, NULL, s->now, &s->network), 0);
    for (unsigned i = 0; i < PHONES; i++)
        assert_int_equal(
            pstn_phone_new(&s->ends[i].options, &s->entropy, NULL, s->now, on_news, &s->ends[i], &s->ends[i].phone), 0);
}

static int setup(void **state)
{
    *state = stage_new();
    return 0;
}

static void stage_run(struct stage *s, int64_t ms);

/* After a while nothing is left of whatever a test did. */
static int teardown(void **state)
{
    struct stage *s = *state;
    for (unsigned i = 0; i < PHONES; i++)
        pstn_phone_stop(s->ends[i].phone, s->now);
    stage_run(s, 1000);
    pstn_network_stop(s->network, s->now);
    stage_run(s, 300000);
    assert_true(pstn_network_is_quiet(s->network));
    for (unsigned i = 0; i < PHONES; i++) {
        assert_true(pstn_phone_is_quiet(s->ends[i].phone));
        pstn_phone_free(s->ends[i].phone);
    }
    pstn_network_free(s->network);
    free(s);
    return 0;
}

/* ---- messages and time ---- */

static void post(struct stage *s, struct addr from, const struct pstn_effect *e, unsigned side)
{
    struct mail *m = calloc(1, sizeof *m);
    assert_non_null(m);
    assert_true(e->octets.n < sizeof m->text);
    m->from = from;
    m->to = e->hop->addr;
    m->side = side;
    m->n = e->octets.n;
    memcpy(m->text, e->octets.p, e->octets.n);
    list_append(&s->post, &m->link);
}

static bool happens(const struct stage *s, unsigned percent)
{
    return percent && entropy_below(&s->entropy, 100) < percent;
}

/* An octet changed, perhaps some taken out. */
static void change(const struct stage *s, struct mail *m)
{
    static const char octets[] = ";:,<>@=\r\n 0\"\377z9";
    const size_t at = (size_t)entropy_below(&s->entropy, m->n), left = m->n - at;
    const size_t n = entropy_below(&s->entropy, 2) ? 0 : (size_t)entropy_below(&s->entropy, left < 30 ? left : 30);
    m->text[at] = octets[entropy_below(&s->entropy, sizeof octets)];
    memmove(m->text + at, m->text + at + n, left - n);
    m->n -= n;
    m->text[m->n] = 0;
}

static void deliver(struct stage *s, const struct mail *m)
{
    struct sip_flow flow = {.transport = SIP_UDP, .peer = m->from, .local = m->to};
    const struct slice octets = slice_of(m->text, m->n);
    for (unsigned i = 0; i < PHONES; i++) {
        const struct addr here = address(phone_points[i]);
        if (!addr_eq(&here, &m->to))
            continue;
        if (i == BOB && !strncmp(m->text, "INVITE", 6))
            memcpy(s->to_bob, m->text, sizeof s->to_bob);
        pstn_phone_input(s->ends[i].phone, s->now, &flow, octets);
    }
    const struct addr pbx = address(PBX_POINT);
    if (addr_eq(&pbx, &m->to)) {
        memcpy(s->to_pbx, m->text, sizeof s->to_pbx);
        s->pbx_messages++;
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct addr here = address(carrier_points[i]);
        const struct addr bob = address(phone_points[BOB]);
        if (!addr_eq(&here, &m->to))
            continue;
        if (s->swallow && addr_eq(&m->from, &bob)) {
            s->swallow--;
            continue;
        }
        flow.side = i;
        pstn_network_input(s->network, s->now, &flow, octets);
    }
}

static bool drain_once(struct stage *s)
{
    struct pstn_effect e;
    struct list *it;
    bool any = false;
    while (pstn_network_next(s->network, s->now, &e))
        post(s, address(carrier_points[e.hop->side]), &e, e.hop->side);
    for (unsigned i = 0; i < PHONES; i++) {
        while (pstn_phone_next(s->ends[i].phone, s->now, &e))
            post(s, address(phone_points[i]), &e, 0);
    }
    if ((it = list_pop(&s->post))) {
        struct mail *m = CONTAINER_OF(it, struct mail, link);
        if (happens(s, s->change_percent))
            change(s, m);
        if (!happens(s, s->lose_percent))
            deliver(s, m);
        free(m);
        any = true;
    }
    return any;
}

static void stage_run(struct stage *s, int64_t ms)
{
    const struct mono end = mono_after_ms(s->now.mono, ms);
    for (;;) {
        while (drain_once(s))
            ;
        struct mono due = mono_min(pstn_network_deadline(s->network), end);
        for (unsigned i = 0; i < PHONES; i++)
            due = mono_min(due, pstn_phone_deadline(s->ends[i].phone));
        if (due.us > s->now.mono.us) {
            s->now.wall.ms += due.us / 1000 - s->now.mono.us / 1000;
            s->now.mono = due;
        }
        pstn_network_tick(s->network, s->now);
        for (unsigned i = 0; i < PHONES; i++)
            pstn_phone_tick(s->ends[i].phone, s->now);
        if (mono_due(end, s->now.mono))
            break;
    }
    while (drain_once(s))
        ;
}

static void call_through(struct stage *s, unsigned phone, unsigned carrier, const char *from, const char *to,
                         int64_t talk_ms)
{
    const struct sip_hop via = {.transport = SIP_UDP, .addr = address(carrier_points[carrier])};
    assert_int_equal(
        pstn_phone_call(s->ends[phone].phone, s->now, &via, carrier_points[carrier], from, to, talk_ms, 60000), 0);
}

static const struct pstn_record *newest(struct stage *s)
{
    const struct pstn_record *r = pstn_network_record(s->network, 0);
    assert_non_null(r);
    return r;
}

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

#define SDP(port) \
    "v=0\r\no=- 1 1 IN IP4 10.0.0.4\r\ns=-\r\nc=IN IP4 10.0.0.4\r\nt=0 0\r\nm=audio " port " RTP/AVP 0\r\n"

static void pbx_sends(struct stage *s, struct slice octets)
{
    const struct sip_flow flow = {.transport = SIP_UDP, .peer = address(PBX_POINT)};
    s->pbx_messages = 0;
    pstn_network_input(s->network, s->now, &flow, octets);
    stage_run(s, 1);
}

static void pbx_requests(struct stage *s, const char *method, const char *uri, const char *to, unsigned cseq,
                         const char *more, const char *body)
{
    char text[4096];
    int n = snprintf(text, sizeof text,
                     "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP " PBX_POINT ";branch=z9hG4bK%s%u\r\nMax-Forwards: 70\r\n"
                     "From: <sip:+49301009999@pbx>;tag=pbx\r\nTo: %s\r\nCall-ID: pbx-call\r\nCSeq: %u %s\r\n"
                     "Contact: <sip:pbx@" PBX_POINT ">\r\n%s%sContent-Length: %zu\r\n\r\n%s",
                     method, uri, method, cseq, to, cseq, method, more,
                     *body ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
    assert_true(n > 0 && (size_t)n < sizeof text);
    pbx_sends(s, slice_of(text, (size_t)n));
}

/* What the last message to the PBX says in a field; "" if nothing. */
static const char *pbx_field(struct stage *s, enum sip_header header)
{
    static char text[1024];
    struct region region;
    struct sip_message m;
    region_init(&region, 1 << 20);
    assert_int_equal(sip_parse(&region, slice_str(s->to_pbx), SIP_DATAGRAM, &m, NULL), 0);
    const struct sip_field *f = sip_field_first(&m, header);
    snprintf(text, sizeof text, "%.*s", f ? (int)f->value.n : 0, f ? (const char *)f->value.p : "");
    region_fini(&region);
    return text;
}

#define pbx_expect(s, begins) assert_memory_equal((s)->to_pbx, begins, strlen(begins))

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
    snprintf(to, sizeof to, "%s", pbx_field(s, SIP_TO));
    const char *contact = pbx_field(s, SIP_CONTACT);
    snprintf(target, sizeof target, "%.*s", (int)strcspn(contact + 1, ">"), contact + 1);
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
    snprintf(to, sizeof to, "%s", pbx_field(s, SIP_TO));
    const char *contact = pbx_field(s, SIP_CONTACT);
    snprintf(target, sizeof target, "%.*s", (int)strcspn(contact + 1, ">"), contact + 1);
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
    struct region region;
    struct sip_message request, response;
    struct sip_digest_client digest;
    struct buf more;
    const char *passwords[] = {"wrong", "secret"}, *expected[] = {"SIP/2.0 403 ", "SIP/2.0 200 "};
    add_trunk(s, "d", 0, NULL, "+49301009999");
    s->options.trunks[3].user = "pbx";
    s->options.trunks[3].password = "secret";
    stage_start(s);
    call_through(s, CARL, 0, "+49303001", "+49301009999", 1000);
    stage_run(s, 5000);
    assert_int_equal(s->ends[CARL].last.status, 480);
    pbx_requests(s, "REGISTER", "sip:carrier", "<sip:pbx@carrier>", 1, "", "");
    pbx_expect(s, "SIP/2.0 401 ");
    region_init(&region, 1 << 20);
    sip_digest_client_init(&digest);
    buf_init(&more, 4096);
    assert_int_equal(
        sip_parse(&region, slice_str("REGISTER sip:carrier SIP/2.0\r\n\r\n"), SIP_DATAGRAM, &request, NULL), 0);
    assert_int_equal(sip_parse(&region, slice_str(s->to_pbx), SIP_DATAGRAM, &response, NULL), 0);
    assert_int_equal(sip_digest_challenged(&digest, &request, &response), 0);
    for (unsigned i = 0; i < 2; i++) {
        buf_clear(&more);
        buf_str(&more, "Authorization: ");
        assert_int_equal(sip_digest_answer(&digest, &s->entropy, SIP_AUTHORIZATION, slice_str("pbx"),
                                           slice_str(passwords[i]), slice_str("REGISTER"), slice_str("sip:carrier"),
                                           (struct slice){0}, &more),
                         0);
        buf_str(&more, "\r\nExpires: 60\r\n");
        pbx_requests(s, "REGISTER", "sip:carrier", "<sip:pbx@carrier>", 2 + i, buf_text(&more), "");
        pbx_expect(s, expected[i]);
    }
    assert_string_equal(pbx_field(s, SIP_CONTACT), "<sip:pbx@" PBX_POINT ">;expires=60");
    call_through(s, CARL, 0, "+49303001", "+49301009999", 1000);
    stage_run(s, 1000);
    pbx_expect(s, "INVITE sip:+49301009999@" PBX_POINT ";user=phone SIP/2.0\r\n");
    stage_run(s, 60000);
    call_through(s, CARL, 0, "+49303001", "+49301009999", 1000); /* it has expired */
    stage_run(s, 5000);
    assert_int_equal(s->ends[CARL].last.status, 480);
    sip_digest_client_fini(&digest);
    buf_fini(&more);
    region_fini(&region);
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
        CASE(storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
