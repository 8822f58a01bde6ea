/* The caller's side of calls that move to the phone network: it calls the fallback number, waits for the far side's word, moves, and comes back. */
#include "fallback_scene.h"

#include <stdio.h>
#include <string.h>

#define OFFER "IME-Fallback: offered;number=" FALLBACK_NUMBER ";caller-id=5;return=30\r\n"
#define OFFER_TOKEN "IME-Fallback: offered;number=" FALLBACK_NUMBER ";token=483920;caller-id=5\r\n"

static struct scene direct(struct stage *s, const char *offer)
{
    struct scene c = {.s = s};
    talk_begin(s, &c.ann, PBX, "0302000001", &c.bob, FAR);
    const struct sip_field *ready = sip_field_named(&s->message, "IME-Fallback");
    assert_non_null(ready);
    assert_int_equal(memcmp(ready->value.p, "ready", 5), 0);
    assert_slice_text(sip_field_named(&s->message, "X-IME-Sensitivity")->value, "3");
    talk_answer(&c.bob, 200, offer);
    talk_heard(&c.ann, "200");
    assert_null(sip_field_named(&s->message, "IME-Fallback"));
    talk_ack(&c.ann);
    talk_asked(&c.bob, "ACK");
    return c;
}

/* It has become bad: the phone network is called, the far side knows. */
static void called(struct scene *c)
{
    scene_quality(c, "bad;loss=0.2");
    talk_heard(&c->bob, "202");
    scene_far_is_told(c, "calling", NULL);
    talk_called(c->s, &c->carl, CARRIER_1);
    assert_non_null(strstr(stage_text(c->s), FALLBACK_NUMBER));
}

/* The whole way there: phone and trunk are told of each other, the phone keeps its session and loses its video. */
static void moves(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s, "IME-Fallback: offered;number=" FALLBACK_NUMBER ";caller-id=5\r\n");
    called(&c);
    assert_non_null(strstr(stage_body(s), "c=IN IP4 198.51.100.9"));
    assert_non_null(strstr(stage_field(s, SIP_FROM), "49301001234"));
    talk_answer(&c.carl, 200, NULL);
    talk_asked(&c.carl, "ACK");
    stage_run(s, 100);
    assert_true(stage_sound(s, AGENT_PSTN)->packets >= 4); /* silence */
    scene_far_says(&c, "joined");
    talk_heard(&c.bob, "200");
    scene_told(&c.ann, "c=IN IP4 198.51.100.50", "m=video 0 ");
    assert_non_null(strstr(stage_body(s), "o=bob 100 8 "));
    assert_string_equal(stage_field(s, SIP_ALERT_INFO), "");
    scene_told(&c.carl, "c=IN IP4 10.0.0.7", "m=audio 4000 ");
    assert_null(strstr(stage_body(s), "m=video"));
    talk_answer(&c.ann, 200, NULL);
    talk_asked(&c.ann, "ACK");
    talk_answer(&c.carl, 200, NULL);
    talk_asked(&c.carl, "ACK");
    stage_quiet(s);
    assert_int_equal(stage_sounds_open(s), 0);
    assert_int_equal(agent_counters(s->agent)->fallbacks_moved, 1);
    stage_run(s, 10000); /* the release delay */
    talk_asked(&c.bob, "BYE");
    assert_slice_text(sip_field_named(&s->message, "IME-Fallback")->value, "left");
    talk_answer(&c.bob, 200, NULL);
    talk_request(&c.ann, "INFO", NULL, NULL); /* what the phone says goes to the phone network */
    talk_asked(&c.carl, "INFO");
    talk_answer(&c.carl, 200, NULL);
    talk_heard(&c.ann, "200");
    scene_hang_up(&c, &c.ann, &c.carl, NULL);
    struct call_record r = stage_record(s);
    assert_int_equal(r.steps[r.step_count - 2].cause, AGENT_CAUSE_QOS_FALLBACK);
}

/* ---- places in the life of such a call, and what may happen there ---- */

enum moment {
    DIRECT,
    CALLED,
    ANSWERED,
    MOVING,
    PHONE_MOVED,
    TRUNK_MOVED,
    AWAY,
    KEPT,
    ASKS_BACK,
    PHONE_OFFERS,
    FAR_ASKED,
    MOMENTS
};

static void until_moving(struct scene *c, enum moment moment)
{
    if (moment >= CALLED)
        called(c);
    if (moment >= ANSWERED) {
        talk_answer(&c->carl, 200, NULL);
        talk_asked(&c->carl, "ACK");
    }
    if (moment >= MOVING) {
        scene_far_says(c, "joined");
        talk_heard(&c->bob, "200");
        scene_told(&c->ann, "198.51.100.50", NULL);
        scene_told(&c->carl, "10.0.0.7", NULL);
    }
    if (moment == PHONE_MOVED || moment >= AWAY) {
        talk_answer(&c->ann, 200, NULL);
        talk_asked(&c->ann, "ACK");
    }
    if (moment >= TRUNK_MOVED) {
        talk_answer(&c->carl, 200, NULL);
        talk_asked(&c->carl, "ACK");
    }
}

/* The direct way is kept with silence; good for 30 s, the call may come back. */
static void until_returning(struct scene *c, enum moment moment)
{
    if (moment >= AWAY)
        scene_told(&c->bob, "c=IN IP4 203.0.113.1", "m=video 0 ");
    if (moment >= KEPT) {
        assert_slice_text(sip_field_named(&c->s->message, "IME-Fallback")->value, "kept");
        talk_answer(&c->bob, 200, NULL);
        talk_asked(&c->bob, "ACK");
        scene_quality(c, "good");
        talk_heard(&c->bob, "202");
    }
    if (moment >= ASKS_BACK) {
        stage_run(c->s, 30000);
        talk_asked(&c->bob, "INFO");
        assert_slice_text(sip_field_named(&c->s->message, "IME-Fallback")->value, "return");
    }
    if (moment >= PHONE_OFFERS) {
        talk_answer(&c->bob, 200, NULL);
        talk_asked(&c->ann, "INVITE");
        assert_int_equal(c->s->message.body.n, 0);
    }
    if (moment >= FAR_ASKED) {
        talk_answer(&c->ann, 200, NULL);
        scene_told(&c->bob, "m=audio 4000 ", "m=video 4002 ");
    }
}

static struct scene until(struct stage *s, enum moment moment)
{
    struct scene c = direct(s, OFFER);
    until_moving(&c, moment);
    until_returning(&c, moment);
    return c;
}

/* Whoever hangs up, whenever: everybody hears it, and nothing is left. */
static void hang_ups(void **state)
{
    struct stage *s = *state;
    for (enum moment m = DIRECT; m < MOMENTS; m++) {
        for (unsigned who = 0; who < 3; who++) {
            struct scene c;
            if (who == 2 && m != AWAY && m != KEPT)
                continue; /* before and afterwards the end of the call by the phone network is no hang-up */
            c = until(s, m);
            if (who == 2)
                stage_run(s, 3000);
            struct talk *t = who == 0 ? &c.ann : who == 1 ? &c.bob : &c.carl;
            talk_request(t, "BYE", NULL, NULL);
            c.gone = 1u << t->peer;
            const unsigned byes = scene_goes_on(&c, 40000);
            const unsigned all = 1u << PBX | 1u << FAR | (m >= ANSWERED ? 1u << CARRIER_1 : 0);
            assert_int_equal(byes, all & ~(1u << t->peer));
            scene_is_over(&c);
        }
    }
}

/* The other agent hangs up on both ways, and the phone network is the faster one, or the slower one; right after a move, too, when its goodbye alone would count
 * as a failure of the move. */
static void hangs_up_on_both_ways(void **state)
{
    struct stage *s = *state;
    for (enum moment m = ANSWERED; m < MOMENTS; m++) {
        for (unsigned i = 0; i < 2; i++) {
            struct scene c = until(s, m);
            struct talk *first = i ? &c.bob : &c.carl, *second = i ? &c.carl : &c.bob;
            talk_request(first, "BYE", NULL, NULL);
            c.gone = 1u << first->peer;
            unsigned byes = scene_goes_on(&c, 100);
            talk_request(second, "BYE", NULL, NULL);
            c.gone |= 1u << second->peer;
            byes |= scene_goes_on(&c, 2000);
            assert_true(byes >> PBX & 1);
            assert_int_equal(agent_calls(s->agent), 0);
            scene_is_over(&c);
        }
    }
}

/* Without a word nobody is there any more; or the edge says so. */
static void way_ends(struct scene *c, bool silently)
{
    struct stage *s = c->s;
    struct sip_hop hop = {.transport = SIP_TLS, .side = AGENT_IME};
    if (silently) {
        assert_int_equal(addr_parse(slice_str("203.0.113.9:5061"), 0, &hop.addr), 0);
        s->deaf[FAR] = true;
        agent_lost(s->agent, s->now, &hop);
    } else {
        talk_request(&c->bob, "BYE", "Reason: X-IME ;text=\"no media\"\r\n", NULL);
        talk_heard(&c->bob, "200");
    }
}

/* The direct way ends: the call goes on by the phone network, wherever it was; what is said there right after the move that it has saved is a hang-up. */
static void goes_on_without(struct stage *s, enum moment m, bool silently, int64_t ms)
{
    struct scene c = until(s, m);
    way_ends(&c, silently);
    if (m == DIRECT) {
        stage_run(s, silently ? 2500 : 0);
        talk_called(s, &c.carl, CARRIER_1);
    }
    if (m <= CALLED) {
        talk_answer(&c.carl, 200, NULL);
        talk_asked(&c.carl, "ACK");
    }
    const unsigned byes = scene_goes_on(&c, ms);
    assert_int_equal(byes, 0);
    assert_int_equal(agent_calls(s->agent), 1);
    talk_request(&c.ann, "INFO", NULL, NULL);
    talk_asked(&c.carl, "INFO");
    talk_answer(&c.carl, 200, NULL);
    stage_skip(s, PBX);
    talk_request(&c.carl, "BYE", NULL, NULL);
    assert_int_equal(scene_goes_on(&c, 1000), 1u << PBX);
    s->deaf[FAR] = false;
    scene_is_over(&c);
}

static void edge_gives_up(void **state)
{
    for (enum moment m = DIRECT; m < MOMENTS; m++)
        goes_on_without(*state, m, false, 40000);
}

static void way_falls_silent(void **state)
{
    for (enum moment m = DIRECT; m < MOMENTS; m++)
        goes_on_without(*state, m, true, 40000);
}

/* ---- failures: the call stays direct, as it was ---- */

static void still_direct(struct scene *c)
{
    talk_request(&c->ann, "INFO", NULL, NULL);
    talk_asked(&c->bob, "INFO");
    talk_answer(&c->bob, 200, NULL);
    talk_heard(&c->ann, "200");
    stage_quiet(c->s);
    assert_int_equal(stage_sounds_open(c->s), 0);
}

static void hung_up(struct scene *c)
{
    scene_hang_up(c, &c->ann, &c->bob, NULL);
    scene_is_over(c);
}

/* The INVITE is canceled; the answer to it. */
static void canceled(struct talk *t)
{
    char invite[STAGE_MESSAGE_OCTETS];
    memcpy(invite, t->request, sizeof invite);
    stage_take(t->stage, t->peer, "CANCEL");
    snprintf(t->request, sizeof t->request, "%s", stage_text(t->stage));
    talk_answer(t, 200, NULL);
    memcpy(t->request, invite, sizeof invite);
}

static void hung_up_away(struct scene *c)
{
    talk_request(&c->ann, "BYE", NULL, NULL);
    c->gone = 1u << PBX;
    assert_int_equal(scene_goes_on(c, 40000), 1u << FAR | 1u << CARRIER_1);
    scene_is_over(c);
}

static unsigned last_cause(struct stage *s)
{
    struct call_record r = stage_record(s);
    for (unsigned i = r.step_count; i; i--) {
        if (r.steps[i - 1].cause != AGENT_CAUSE_NONE)
            return r.steps[i - 1].cause;
    }
    return 0;
}

static void phone_refuses(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s, OFFER);
    until_moving(&c, MOVING);
    talk_answer(&c.ann, 488, NULL);
    talk_asked(&c.ann, "ACK");
    scene_far_is_told(&c, "failed;cause=132", NULL);
    struct talk asked = c.carl;
    talk_asked(&c.carl, "BYE");
    talk_answer(&c.carl, 200, NULL);
    talk_answer(&asked, 487, NULL);
    talk_asked(&c.carl, "ACK");
    still_direct(&c);
    assert_int_equal(agent_counters(s->agent)->fallbacks_failed, 1);
    hung_up(&c);
}

/* The phone has moved already: it is told to come back, and where the far phone still is. */
static void trunk_refuses(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s, OFFER);
    until_moving(&c, PHONE_MOVED);
    talk_answer(&c.carl, 488, NULL);
    talk_asked(&c.carl, "ACK");
    talk_asked(&c.carl, "BYE");
    talk_answer(&c.carl, 200, NULL);
    scene_far_is_told(&c, "failed;cause=132", NULL);
    scene_told(&c.ann, "c=IN IP4 203.0.113.77", "m=video 5002 ");
    assert_non_null(strstr(stage_body(s), "o=bob 100 9 "));
    talk_answer(&c.ann, 200, NULL);
    talk_asked(&c.ann, "ACK");
    still_direct(&c);
    hung_up(&c);
}

/* One of both does not answer at all: after ten seconds the call is where it was. */
static void move_is_not_answered(void **state)
{
    struct stage *s = *state;
    for (unsigned i = 0; i < 2; i++) {
        struct scene c = direct(s, OFFER);
        const uint64_t failed = agent_counters(s->agent)->fallbacks_failed;
        until_moving(&c, MOVING);
        struct talk *answers = i ? &c.ann : &c.carl;
        talk_answer(answers, 200, NULL);
        talk_asked(answers, "ACK");
        s->deaf[i ? CARRIER_1 : PBX] = true;
        const unsigned byes = scene_goes_on(&c, 10500);
        s->deaf[i ? CARRIER_1 : PBX] = false;
        assert_int_equal(agent_counters(s->agent)->fallbacks_failed, failed + 1);
        assert_int_equal(last_cause(s), AGENT_CAUSE_QOS_FALLBACK);
        assert_int_equal(byes & (1u << PBX | 1u << FAR), 0);
        assert_int_equal(agent_calls(s->agent), 1);
        talk_request(&c.bob, "BYE", NULL, NULL);
        c.gone = 1u << FAR;
        assert_true(scene_goes_on(&c, 2000) >> PBX & 1);
        scene_is_over(&c);
    }
}

static void refused_by_trunk(struct scene *c, unsigned status)
{
    talk_answer(&c->carl, status, NULL);
    talk_asked(&c->carl, "ACK");
    talk_asked(&c->carl, "BYE");
    talk_answer(&c->carl, 200, NULL);
    scene_far_is_told(c, "failed;cause=132", NULL);
    scene_moves(&c->ann, "c=IN IP4 203.0.113.77");
    still_direct(c);
}

static void moves_there(struct scene *c)
{
    talk_answer(&c->carl, 200, NULL);
    talk_asked(&c->carl, "ACK");
    scene_far_says(c, "joined");
    talk_heard(&c->bob, "200");
    scene_moves(&c->ann, "c=IN IP4 198.51.100.50");
    scene_told(&c->carl, "c=IN IP4 10.0.0.7", NULL);
}

static bool step_says(struct stage *s, const char *text)
{
    struct call_record r = stage_record(s);
    for (unsigned i = 0; i < r.step_count; i++) {
        if (strstr(r.steps[i].text, text))
            return true;
    }
    return false;
}

/* One that knows no re-INVITE is spared for an hour, and its operator hears why; others come first. */
static void trunk_refuses_all_changes(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s, OFFER);
    until_moving(&c, PHONE_MOVED);
    refused_by_trunk(&c, 405);
    assert_int_equal(s->alarms.counts[AGENT_ALARM_TRUNK_FIXED], 1);
    assert_true(agent_alarm_rings(agent_alarm_at(&s->alarms, 0)));
    assert_true(step_says(s, "carrier-1 has refused the re-INVITE with 405"));
    stage_run(s, 10000);
    scene_far_is_told(&c, "calling", NULL);
    talk_called(s, &c.carl, CARRIER_2);
    talk_answer(&c.carl, 486, NULL);
    talk_asked(&c.carl, "ACK");
    scene_far_is_told(&c, "failed;cause=132", NULL); /* nobody calls the first one */
    assert_true(step_says(s, "carrier-1: not tried, it refuses re-INVITE in mid-call"));
    scene_quality(&c, "good");
    talk_heard(&c.bob, "202");
    scene_goes_on(&c, 3600000);
    scene_quality(&c, "bad");
    talk_heard(&c.bob, "202");
    scene_far_is_told(&c, "calling", NULL);
    talk_called(s, &c.carl, CARRIER_2);
    talk_answer(&c.carl, 486, NULL);
    talk_asked(&c.carl, "ACK");
    talk_called(s, &c.carl, CARRIER_1);
    moves_there(&c);
    talk_answer(&c.carl, 200, NULL);
    talk_asked(&c.carl, "ACK");
    assert_int_equal(agent_counters(s->agent)->fallbacks_moved, 1);
    assert_false(agent_alarm_rings(agent_alarm_at(&s->alarms, 0)));
    assert_int_equal(agent_counters(s->agent)->trunk_changes_refused, 1);
    scene_goes_on(&c, 1000);
    hung_up_away(&c);
}

/* What it does not like of one call it may like of another: three in a row are a habit. */
static void trunk_refuses_often(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s, OFFER);
    until_moving(&c, PHONE_MOVED);
    for (unsigned i = 1; i <= 4; i++) {
        refused_by_trunk(&c, i == 2 ? 500 : 488); /* one is of the moment alone */
        assert_int_equal(s->alarms.counts[AGENT_ALARM_TRUNK_FIXED], i == 4);
        if (i == 4)
            break;
        stage_run(s, 5000 << i);
        scene_far_is_told(&c, "calling", NULL);
        talk_called(s, &c.carl, CARRIER_2);
        talk_answer(&c.carl, 486, NULL);
        talk_asked(&c.carl, "ACK");
        talk_called(s, &c.carl, CARRIER_1);
        moves_there(&c);
    }
    hung_up(&c);
}

static void trunks_are_busy(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s, OFFER);
    int64_t wait_ms = 10000;
    scene_quality(&c, "bad");
    talk_heard(&c.bob, "202");
    for (unsigned try = 0; try < 4; try++) {
        scene_far_is_told(&c, "calling", NULL);
        talk_called(s, &c.carl, CARRIER_1);
        talk_answer(&c.carl, 486, NULL);
        talk_asked(&c.carl, "ACK");
        talk_called(s, &c.carl, CARRIER_2);
        talk_answer(&c.carl, 503, NULL);
        talk_asked(&c.carl, "ACK");
        scene_far_is_told(&c, "failed;cause=132", NULL);
        still_direct(&c);
        assert_int_equal(last_cause(s), AGENT_CAUSE_QOS_FALLBACK);
        stage_run(s, wait_ms - 1);
        stage_quiet(s);
        stage_run(s, 1);
        wait_ms *= 2;
    }
    scene_far_is_told(&c, "calling", NULL);
    scene_quality(&c, "good"); /* what is under way goes on; afterwards nobody tries again */
    talk_heard(&c.bob, "202");
    talk_called(s, &c.carl, CARRIER_1);
    talk_answer(&c.carl, 404, "Reason: X-IME ;cause=133\r\n");
    talk_asked(&c.carl, "ACK");
    scene_far_is_told(&c, "failed;cause=133", NULL);
    assert_int_equal(last_cause(s), AGENT_CAUSE_FALLBACK_CALL_UNKNOWN);
    stage_run(s, 600000);
    still_direct(&c);
    hung_up(&c);
}

static void nobody_answers(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s, OFFER);
    called(&c);
    talk_answer(&c.carl, 180, NULL);
    stage_run(s, 6000); /* the profile's answer timer */
    canceled(&c.carl);
    talk_answer(&c.carl, 487, NULL);
    talk_asked(&c.carl, "ACK");
    talk_called(s, &c.carl, CARRIER_2);
    talk_answer(&c.carl, 180, NULL);
    stage_run(s, 6000);
    canceled(&c.carl);
    scene_far_is_told(&c, "failed;cause=132", NULL);
    assert_int_equal(last_cause(s), AGENT_CAUSE_QOS_FALLBACK);
    talk_answer(&c.carl, 200, NULL); /* after all: acknowledged, and ended */
    talk_asked(&c.carl, "ACK");
    talk_asked(&c.carl, "BYE");
    talk_answer(&c.carl, 200, NULL);
    still_direct(&c);
    hung_up(&c);
}

/* ---- digits ---- */

static void digits_are_sent(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s, OFFER_TOKEN);
    called(&c);
    talk_answer(&c.carl, 200, NULL);
    talk_asked(&c.carl, "ACK");
    stage_run(s, 400);
    struct stage_sound *sound = stage_sound(s, AGENT_PSTN);
    assert_string_equal(sound->digits, ""); /* its word may come first */
    stage_run(s, 1600);
    assert_string_equal(sound->digits, "483920");
    stage_tones(s, sound, "#");
    stage_run(s, 0);
    assert_string_equal(sound->digits, "483920#"); /* it goes before the phone does */
    scene_moves(&c.ann, "198.51.100.50");
    scene_moves(&c.carl, "10.0.0.7");
    assert_int_equal(agent_counters(s->agent)->fallbacks_moved, 1);
    stage_run(s, 3000);
    scene_hang_up(&c, &c.carl, &c.ann, &c.bob);
    scene_is_over(&c);
}

/* A fresh token comes with the answer to our word; nobody takes the digits. */
static void digits_lead_nowhere(void **state)
{
    struct stage *s = *state;
    for (unsigned i = 0; i < 3; i++) {
        struct scene c = direct(s, OFFER_TOKEN);
        scene_quality(&c, "bad");
        talk_heard(&c.bob, "202");
        scene_far_is_told(&c, "calling", "IME-Fallback: calling;token=111222\r\n");
        talk_called(s, &c.carl, CARRIER_1);
        talk_answer(&c.carl, 200, NULL);
        talk_asked(&c.carl, "ACK");
        stage_run(s, 2000);
        assert_string_equal(stage_sound(s, AGENT_PSTN)->digits, "111222");
        if (i == 0) {
            stage_run(s, 4600);
            talk_asked(&c.carl, "BYE");
            talk_answer(&c.carl, 200, NULL);
            scene_far_is_told(&c, "failed;cause=133", NULL);
        } else {
            talk_request(&c.carl, "BYE", i == 1 ? "Reason: X-IME ;cause=134\r\n" : NULL, NULL);
            talk_heard(&c.carl, "200");
            scene_far_is_told(&c, i == 1 ? "failed;cause=134" : "failed;cause=133", NULL);
        }
        assert_int_equal(last_cause(s), i == 1 ? 134 : 133);
        still_direct(&c);
        hung_up(&c);
    }
}

/* ---- crossings ---- */

/* The phone has a re-INVITE of its own under way: the move waits for it. */
static void phone_was_faster(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s, OFFER);
    until_moving(&c, ANSWERED);
    talk_request(&c.ann, "INVITE", NULL, ann_video_sdp);
    talk_heard(&c.ann, "100");
    talk_asked(&c.bob, "INVITE");
    scene_far_says(&c, "joined");
    talk_heard(&c.bob, "200");
    scene_told(&c.carl, "10.0.0.7", NULL);
    talk_answer(&c.carl, 200, NULL);
    talk_asked(&c.carl, "ACK");
    stage_quiet(s);
    talk_answer(&c.bob, 491, NULL);
    talk_asked(&c.bob, "ACK");
    talk_heard(&c.ann, "491");
    talk_ack(&c.ann);
    scene_moves(&c.ann, "198.51.100.50");
    scene_goes_on(&c, 100);
    scene_hang_up(&c, &c.ann, &c.carl, &c.bob);
    scene_is_over(&c);
}

/* Both begin at once: ours is refused and sent again, the phone's is refused while ours is under way. */
static void invites_cross(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s, OFFER);
    until_moving(&c, MOVING);
    struct talk asked = c.ann;
    talk_request(&c.ann, "INVITE", NULL, ann_video_sdp);
    talk_heard(&c.ann, "100");
    talk_heard(&c.ann, "491");
    talk_ack(&c.ann);
    talk_answer(&asked, 491, NULL);
    talk_asked(&c.ann, "ACK");
    talk_answer(&c.carl, 200, NULL);
    talk_asked(&c.carl, "ACK");
    stage_quiet(s);
    stage_run(s, 200);
    scene_moves(&c.ann, "198.51.100.50");
    assert_int_equal(agent_counters(s->agent)->fallbacks_moved, 1);
    scene_goes_on(&c, 100);
    scene_hang_up(&c, &c.ann, &c.carl, &c.bob);
    scene_is_over(&c);
}

/* The phone has an offer of its own on its way for five seconds: ours are refused, and sent again until one is taken (RFC 3261 14.1). */
static void invites_cross_for_long(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s, OFFER);
    unsigned crossed = 0;
    until_moving(&c, TRUNK_MOVED);
    for (unsigned i = 0; i < 500; i++, stage_run(s, 10)) {
        if (crossed && list_empty(&s->inbox[PBX]))
            continue;
        if (crossed++)
            talk_asked(&c.ann, "INVITE");
        talk_answer(&c.ann, 491, NULL);
        talk_asked(&c.ann, "ACK");
    }
    assert_in_range(crossed, 8, 20);
    for (unsigned i = 0; i < 200 && list_empty(&s->inbox[PBX]); i++)
        stage_run(s, 10);
    scene_moves(&c.ann, "198.51.100.50");
    assert_int_equal(agent_counters(s->agent)->fallbacks_moved, 1);
}

/* ---- on the phone network ---- */

static const char ann_holds[] = "v=0\r\no=ann 100 2 IN IP4 10.0.0.7\r\ns=-\r\nc=IN IP4 10.0.0.7\r\nt=0 0\r\n"
                                "m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"
                                "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=inactive\r\n";

/* The phone puts the call on hold by a way that brings no answer any more: it is told to ask again, or it could not be moved as long as that lasts. */
static void phone_asks_nobody(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s, OFFER);
    until_moving(&c, ANSWERED);
    talk_request(&c.ann, "INVITE", NULL, ann_holds);
    talk_heard(&c.ann, "100");
    talk_asked(&c.bob, "INVITE");
    scene_far_says(&c, "joined");
    talk_heard(&c.bob, "200");
    scene_told(&c.carl, "10.0.0.7", NULL);
    talk_answer(&c.carl, 200, NULL);
    talk_asked(&c.carl, "ACK");
    stage_run(s, 999);
    stage_skip(s, FAR); /* the INVITE again */
    stage_quiet(s);
    stage_run(s, 1);
    talk_heard(&c.ann, "491");
    talk_ack(&c.ann);
    scene_moves(&c.ann, "198.51.100.50");
    stage_skip(s, FAR);
    assert_int_equal(agent_counters(s->agent)->fallbacks_moved, 1);
    talk_request(&c.ann, "INVITE", NULL, ann_holds);
    talk_heard(&c.ann, "100");
    scene_told(&c.carl, "a=sendonly", "m=audio 4000 ");
    talk_answer(&c.carl, 200, NULL);
    talk_heard(&c.ann, "200");
    talk_ack(&c.ann);
    talk_asked(&c.carl, "ACK");
    stage_skip(s, FAR);
    scene_hang_up(&c, &c.ann, &c.carl, &c.bob);
    scene_is_over(&c);
}

/* The direct way has died and the phone network is called: what the phone wants meanwhile does not end its call. */
static void phone_asks_between(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s, OFFER);
    talk_request(&c.ann, "INVITE", NULL, ann_holds); /* under way when it dies */
    talk_heard(&c.ann, "100");
    talk_asked(&c.bob, "INVITE");
    talk_request(&c.bob, "BYE", "Reason: X-IME ;text=\"no media\"\r\n", NULL);
    talk_heard(&c.bob, "200");
    talk_heard(&c.ann, "491");
    talk_ack(&c.ann);
    talk_called(s, &c.carl, CARRIER_1);
    talk_request(&c.ann, "INVITE", NULL, ann_holds);
    talk_heard(&c.ann, "100");
    talk_heard(&c.ann, "491");
    talk_ack(&c.ann);
    talk_request(&c.ann, "INFO", NULL, NULL);
    talk_heard(&c.ann, "500");
    assert_string_equal(stage_field(s, SIP_RETRY_AFTER), "5");
    talk_answer(&c.carl, 200, NULL);
    talk_asked(&c.carl, "ACK");
    assert_int_equal(scene_goes_on(&c, 20000), 0);
    assert_int_equal(agent_counters(s->agent)->fallbacks_moved, 1);
    talk_request(&c.ann, "INVITE", NULL, ann_holds);
    talk_heard(&c.ann, "100");
    scene_told(&c.carl, "a=sendonly", "m=audio 4000 ");
    talk_answer(&c.carl, 200, NULL);
    talk_heard(&c.ann, "200");
    talk_ack(&c.ann);
    talk_asked(&c.carl, "ACK");
    talk_request(&c.carl, "BYE", NULL, NULL);
    assert_int_equal(scene_goes_on(&c, 1000), 1u << PBX);
    scene_is_over(&c);
}

static void holds_there(void **state)
{
    struct stage *s = *state;
    struct scene c = until(s, KEPT);
    talk_request(&c.ann, "INVITE", NULL, ann_holds);
    talk_heard(&c.ann, "100");
    scene_told(&c.carl, "a=sendonly", "m=audio 4000 ");
    assert_null(strstr(stage_body(s), "m=video"));
    talk_answer(&c.carl, 200, NULL);
    talk_heard(&c.ann, "200");
    assert_non_null(strstr(stage_body(s), "m=video 0 "));
    assert_non_null(strstr(stage_body(s), "o=bob 100 9 "));
    talk_ack(&c.ann);
    talk_asked(&c.carl, "ACK");
    talk_request(&c.carl, "UPDATE", NULL, carl_sdp); /* the phone network changes something */
    talk_asked(&c.ann, "UPDATE");
    assert_non_null(strstr(stage_body(s), "m=video 0 "));
    talk_answer(&c.ann, 488, NULL);
    talk_heard(&c.carl, "488");
    stage_run(s, 3000);
    scene_hang_up(&c, &c.carl, &c.ann, &c.bob);
    scene_is_over(&c);
}

/* The trunk no longer knows the call: it comes back. */
static void phone_network_forgets(void **state)
{
    struct stage *s = *state;
    for (enum moment m = AWAY; m <= KEPT; m++) {
        struct scene c = until(s, m);
        if (m == AWAY) { /* the far side does not keep the way open: it is left as it was */
            talk_answer(&c.bob, 488, NULL);
            talk_asked(&c.bob, "ACK");
        }
        talk_request(&c.ann, "INFO", NULL, NULL);
        talk_asked(&c.carl, "INFO");
        talk_answer(&c.carl, 481, NULL);
        talk_heard(&c.ann, "500"); /* the phone's own dialog lives */
        scene_far_is_told(&c, "failed;cause=132", NULL);
        talk_asked(&c.ann, "INVITE");
        assert_int_equal(s->message.body.n > 0, m == AWAY);
        talk_answer(&c.ann, 200, NULL);
        if (m == AWAY) { /* what is held there is uncertain after a refusal: it is said once more */
            talk_asked(&c.ann, "ACK");
            scene_moves(&c.bob, "m=audio 4000 ");
        } else {
            scene_told(&c.bob, "m=audio 4000 ", "m=video 4002 ");
            talk_answer(&c.bob, 200, NULL);
            talk_asked(&c.bob, "ACK");
            talk_asked(&c.ann, "ACK");
        }
        still_direct(&c);
        hung_up(&c);
    }
}

/* The move has failed at the other side right after it was done here, and its word comes when the phone network has said so already: both go back, and nobody hangs
 * up. */
static void both_are_forced_back(void **state)
{
    struct stage *s = *state;
    struct scene c = until(s, KEPT);
    talk_request(&c.carl, "BYE", NULL, NULL);
    talk_heard(&c.carl, "200");
    scene_far_is_told(&c, "failed;cause=132", NULL);
    talk_asked(&c.ann, "INVITE");
    scene_far_says(&c, "failed");
    talk_heard(&c.bob, "200");
    talk_answer(&c.ann, 200, NULL);
    scene_told(&c.bob, "m=audio 4000 ", "m=video 4002 ");
    talk_answer(&c.bob, 200, NULL);
    talk_asked(&c.bob, "ACK");
    talk_asked(&c.ann, "ACK");
    still_direct(&c);
    hung_up(&c);
}

/* ---- the return ---- */

static void comes_back(void **state)
{
    struct stage *s = *state;
    struct scene c = until(s, FAR_ASKED);
    talk_answer(&c.bob, 200, NULL);
    talk_asked(&c.bob, "ACK");
    talk_asked(&c.ann, "ACK");
    assert_non_null(strstr(stage_body(s), "c=IN IP4 203.0.113.77"));
    assert_non_null(strstr(stage_body(s), "m=video 5002 "));
    talk_asked(&c.carl, "BYE");
    talk_answer(&c.carl, 200, NULL);
    still_direct(&c);
    assert_int_equal(agent_counters(s->agent)->fallbacks_returned, 1);
    until_moving(&c, AWAY); /* and leaves again: now it has to be good for twice as long */
    until_returning(&c, KEPT);
    stage_run(s, 59000);
    stage_quiet(s);
    stage_run(s, 1000);
    scene_far_is_told(&c, "return", NULL);
    talk_asked(&c.ann, "INVITE");
    hung_up_away(&c);
}

static void may_not_come_back(void **state)
{
    struct stage *s = *state;
    struct scene c = until(s, ASKS_BACK);
    talk_answer(&c.bob, 480, "Retry-After: 7\r\n");
    stage_run(s, 6000);
    stage_quiet(s);
    stage_run(s, 1000);
    talk_asked(&c.bob, "INFO");
    talk_answer(&c.bob, 603, NULL);
    stage_run(s, 10000); /* the way is of no use any longer */
    talk_asked(&c.bob, "BYE");
    talk_answer(&c.bob, 200, NULL);
    stage_run(s, 600000);
    stage_quiet(s);
    scene_hang_up(&c, &c.ann, &c.carl, NULL);
    scene_is_over(&c);
}

/* It fails half-way: our phone has made an offer, and gets the phone network's answer. */
static void return_fails(void **state)
{
    struct stage *s = *state;
    struct scene c = until(s, FAR_ASKED);
    talk_answer(&c.bob, 488, NULL);
    talk_asked(&c.bob, "ACK");
    talk_asked(&c.ann, "ACK");
    assert_non_null(strstr(stage_body(s), "c=IN IP4 198.51.100.50"));
    assert_non_null(strstr(stage_body(s), "m=video 0 "));
    scene_far_is_told(&c, "failed", NULL);
    stage_run(s, 59000);
    stage_quiet(s);
    stage_run(s, 1000);
    scene_far_is_told(&c, "return", NULL);
    talk_asked(&c.ann, "INVITE");
    talk_answer(&c.ann, 500, NULL);
    talk_asked(&c.ann, "ACK");
    scene_far_is_told(&c, "failed", NULL);
    hung_up_away(&c);
}

/* ---- the direct way dies without a word ---- */

static void connection_is_lost(void **state)
{
    struct stage *s = *state;
    for (unsigned i = 0; i < 3; i++) {
        struct scene c = direct(s, OFFER);
        struct sip_hop hop = {.transport = SIP_TLS, .side = AGENT_IME};
        assert_int_equal(addr_parse(slice_str("203.0.113.9:5061"), 0, &hop.addr), 0);
        agent_lost(s->agent, s->now, &hop);
        stage_run(s, 500);
        talk_asked(&c.bob, "OPTIONS");
        if (i == 0) { /* a new connection, and all is well */
            talk_answer(&c.bob, 200, NULL);
            stage_run(s, 5000);
            still_direct(&c);
            hung_up(&c);
            continue;
        }
        s->deaf[FAR] = true;
        stage_run(s, 2000);
        talk_called(s, &c.carl, CARRIER_1);
        if (i == 1) {
            talk_answer(&c.carl, 200, NULL);
            talk_asked(&c.carl, "ACK");
            stage_run(s, 1000); /* nobody can tell us, and no digits were wanted: the answer is enough */
            scene_moves(&c.ann, "198.51.100.50");
            scene_moves(&c.carl, "10.0.0.7");
            stage_run(s, 100000);
            stage_quiet(s);
            scene_hang_up(&c, &c.carl, &c.ann, NULL);
        } else { /* the phone network does not help either: after half a minute it is over */
            c.gone = 0;
            assert_int_equal(scene_goes_on(&c, 35000), 1u << PBX);
        }
        s->deaf[FAR] = false;
        scene_is_over(&c);
    }
}

/* ---- a crash ---- */

/* All three ends hear goodbye after the restart, and the IME server of the part that went by phone network. */
static void crash(void **state)
{
    struct stage *s = *state;
    struct scene c = until(s, KEPT);
    stage_run(s, 1000);
    agent_stage_restart(s, true);
    memset(s->sounds, 0, sizeof s->sounds); /* the kernel has closed them */
    stage_run(s, 200);
    struct talk *all[] = {&c.ann, &c.bob, &c.carl};
    for (unsigned i = 0; i < 3; i++) {
        talk_asked(all[i], "BYE");
        talk_answer(all[i], 200, NULL);
    }
    stage_quiet(s);
    assert_int_equal(agent_counters(s->agent)->calls_left_over, 1);
    assert_int_equal(agent_records_counters(s->parts.records)->added, 1);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_DIALOG), 0);
    stage_learn(s, NUMBER, "b.example");
}

/* ---- what is uploaded ---- */

/* The part of it that went by phone network is a call like any other; the direct part is none. */
static void records(void **state)
{
    struct stage *s = *state;
    struct scene c = until(s, KEPT);
    const uint64_t before = agent_records_counters(s->parts.records)->added;
    stage_run(s, 60000 - 30000 - 1000);
    hung_up_away(&c);
    assert_int_equal(agent_records_counters(s->parts.records)->added, before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(moves, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(hang_ups, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(hangs_up_on_both_ways, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(edge_gives_up, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(way_falls_silent, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(phone_refuses, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(move_is_not_answered, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(trunk_refuses, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(trunk_refuses_all_changes, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(trunk_refuses_often, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(trunks_are_busy, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(nobody_answers, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(digits_are_sent, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(digits_lead_nowhere, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(phone_was_faster, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(invites_cross, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(invites_cross_for_long, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(phone_asks_nobody, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(phone_asks_between, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(holds_there, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(phone_network_forgets, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(both_are_forced_back, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(comes_back, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(may_not_come_back, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(return_fails, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(connection_is_lost, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(crash, scene_setup, agent_stage_teardown),
        cmocka_unit_test_setup_teardown(records, scene_setup, agent_stage_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
