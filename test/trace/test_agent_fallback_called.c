/* The called side of calls that move to the phone network: calls to the fallback number find their call or are dropped, and never reach the PBX. */
#include "fallback_scene.h"

#include <stdio.h>
#include <string.h>

#define READY "X-IME-Domain: b.example\r\nIME-Fallback: ready;return=30\r\n"

static const char silent_sdp[] =
    "v=0\r\no=bob 100 8 IN IP4 203.0.113.77\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n"
    "m=audio 20000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\nm=video 0 RTP/AVP 96\r\n";

/* Bob calls Ann, direct. His number is the n-th. */
static struct scene direct_from(struct stage *s, unsigned n, char token[32])
{
    struct scene c = {.s = s};
    char more[256];
    snprintf(more, sizeof more, READY "P-Asserted-Identity: <sip:+4930200%04u@b.example>\r\n", n);
    talk_call_with(s, &c.bob, FAR, OUR_NUMBER, more);
    talk_heard(&c.bob, "100");
    talk_called(s, &c.ann, PBX);
    assert_null(strstr(stage_text(s), "IME-Fallback"));
    talk_answer(&c.ann, 180, NULL);
    talk_heard(&c.bob, "180");
    talk_answer(&c.ann, 200, "IME-Fallback: offered;number=+4966666\r\n"); /* a PBX's word is not believed */
    talk_heard(&c.bob, "200");
    const struct sip_field *f = sip_field_named(&s->message, "IME-Fallback");
    assert_non_null(f);
    char text[256];
    snprintf(text, sizeof text, "%.*s", SLICE_PRINT(f->value));
    const char *begin = strstr(text, ";token=");
    if (token)
        token[0] = 0;
    if (begin && token)
        sscanf(begin, ";token=%31[0-9]", token);
    assert_non_null(strstr(text, "offered;number=" OUR_FALLBACK_NUMBER));
    talk_ack(&c.bob);
    talk_asked(&c.ann, "ACK");
    return c;
}

static struct scene direct(struct stage *s)
{
    return direct_from(s, 1, NULL);
}

static void announced(struct scene *c)
{
    scene_far_says(c, "calling");
    talk_heard(&c->bob, "200");
}

/* The fallback number is called; caller NULL: somebody unknown. */
static void comes(struct scene *c, const char *caller)
{
    char more[256] = "";
    if (caller)
        snprintf(more, sizeof more, "P-Asserted-Identity: <sip:%s@carrier>\r\n", caller);
    talk_call_with(c->s, &c->carl, CARRIER_1, OUR_FALLBACK_NUMBER,
                   caller ? more : "P-Asserted-Identity: <sip:anonymous@x>\r\n");
    talk_heard(&c->carl, "100");
}

static void joined(struct scene *c)
{
    talk_heard(&c->carl, "200");
    talk_ack(&c->carl);
}

/* The phone network has told the caller's side of the answer: it is heard. */
static void first_sound(struct stage *s)
{
    const uint8_t packet[32] = {0x80, 8, 0, 1};
    const struct stage_sound *sound = stage_sound(s, AGENT_PSTN);
    struct addr from;
    assert_int_equal(addr_parse(slice_str("198.51.100.50:6000"), 0, &from), 0);
    agent_sound_input(s->agent, s->now, (uint64_t)(sound - s->sounds) + 1, &from, slice_of(packet, sizeof packet));
    stage_run(s, 0);
}

static void told_joined_only(struct scene *c)
{
    talk_asked(&c->bob, "INFO");
    assert_int_equal(memcmp(sip_field_named(&c->s->message, "IME-Fallback")->value.p, "joined", 6), 0);
    talk_answer(&c->bob, 200, NULL);
}

static void told_joined(struct scene *c)
{
    told_joined_only(c);
    first_sound(c->s);
}

static void moved(struct scene *c)
{
    scene_moves(&c->ann, "c=IN IP4 198.51.100.50");
    scene_moves(&c->carl, "c=IN IP4 10.0.0.7");
}

static struct scene away(struct stage *s)
{
    struct scene c = direct(s);
    announced(&c);
    comes(&c, "+49302000001");
    joined(&c);
    told_joined(&c);
    moved(&c);
    return c;
}

static void still_direct(struct scene *c)
{
    talk_request(&c->ann, "INFO", NULL, NULL);
    talk_asked(&c->bob, "INFO");
    talk_answer(&c->bob, 200, NULL);
    talk_heard(&c->ann, "200");
    stage_quiet(c->s);
    assert_int_equal(stage_sounds_open(c->s), 0);
}

static void found_by_caller(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s);
    announced(&c);
    comes(&c, "+49302000001");
    talk_heard(&c.carl, "200");
    assert_non_null(strstr(stage_body(s), "c=IN IP4 198.51.100.9"));
    told_joined(&c);
    scene_told(&c.ann, "c=IN IP4 198.51.100.50", "m=video 0 ");
    stage_quiet(s); /* the phone network's own INVITE is not over yet */
    stage_run(s, 300);
    assert_string_equal(stage_sound(s, AGENT_PSTN)->digits, "#");
    talk_ack(&c.carl);
    scene_told(&c.carl, "c=IN IP4 10.0.0.7", NULL);
    talk_answer(&c.ann, 200, NULL);
    talk_asked(&c.ann, "ACK");
    talk_answer(&c.carl, 200, NULL);
    talk_asked(&c.carl, "ACK");
    assert_int_equal(stage_sounds_open(s), 0);
    assert_int_equal(agent_counters(s->agent)->fallbacks_moved, 1);
    talk_request(&c.bob, "BYE", "IME-Fallback: left\r\n", NULL); /* its direct way alone */
    talk_heard(&c.bob, "200");
    stage_run(s, 3000);
    stage_quiet(s);
    scene_hang_up(&c, &c.ann, &c.carl, NULL);
    scene_is_over(&c);
    struct call_record r = stage_record(s);
    assert_string_equal(r.called.text, OUR_FALLBACK_NUMBER);
    assert_non_null(strstr(r.steps[0].text, "its caller ID"));
}

/* The caller's side hears of the answer later, and nobody moves before it has been heard; or has said that it has moved; but not for ever. */
static void waits_for_the_other(void **state)
{
    struct stage *s = *state;
    for (unsigned i = 0; i < 3; i++) {
        struct scene c = direct(s);
        announced(&c);
        comes(&c, "+49302000001");
        joined(&c);
        told_joined_only(&c);
        stage_run(s, i == 2 ? 1999 : 500);
        stage_quiet(s);
        if (i == 0) {
            first_sound(s);
        } else if (i == 1) {
            talk_request(&c.bob, "INVITE", "IME-Fallback: kept\r\n", silent_sdp);
            talk_heard(&c.bob, "100");
            talk_heard(&c.bob, "200");
            talk_ack(&c.bob);
        } else {
            stage_run(s, 1);
        }
        moved(&c);
        stage_run(s, 3000);
        scene_hang_up(&c, &c.carl, &c.ann, &c.bob);
        scene_is_over(&c);
    }
}

/* Our word, or its answer, is long on its way, for much gets lost there. The caller's side has heard the "#", answers it with one of its own, and moves. We move
 * with it, and nobody hears silence for as long as the answer takes. */
static void follows_the_other(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s);
    announced(&c);
    comes(&c, "+49302000001");
    joined(&c);
    talk_asked(&c.bob, "INFO");
    stage_run(s, 100);
    stage_quiet(s);
    stage_tones(s, stage_sound(s, AGENT_PSTN), "#");
    moved(&c);
    stage_run(s, 100);
    talk_answer(&c.bob, 200, NULL);
    stage_run(s, 3000);
    scene_hang_up(&c, &c.carl, &c.ann, &c.bob);
    scene_is_over(&c);
}

/* The caller's side gives up before it was heard: no phone was told of anything. */
static void the_other_gives_up(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s);
    announced(&c);
    comes(&c, "+49302000001");
    joined(&c);
    told_joined_only(&c);
    scene_far_says(&c, "failed");
    talk_heard(&c.bob, "200");
    talk_asked(&c.carl, "BYE");
    talk_answer(&c.carl, 200, NULL);
    scene_goes_on(&c, 3000);
    still_direct(&c);
    scene_hang_up(&c, &c.ann, &c.bob, NULL);
    scene_is_over(&c);
}

/* Nobody has announced anything: the phone network's word for who calls is not enough. */
static void not_announced(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s);
    comes(&c, "+49302000001");
    stage_run(s, 4999);
    stage_quiet(s);
    stage_run(s, 1);
    talk_heard(&c.carl, "404");
    assert_non_null(strstr(stage_field(s, SIP_REASON), "X-IME ;cause=133"));
    talk_ack(&c.carl);
    comes(&c, "+49302000001"); /* it was faster than the word */
    stage_run(s, 1000);
    scene_far_says(&c, "calling");
    talk_heard(&c.bob, "200");
    joined(&c);
    told_joined(&c);
    moved(&c);
    stage_run(s, 3000);
    scene_hang_up(&c, &c.carl, &c.ann, &c.bob);
    scene_is_over(&c);
}

static void nobody_is_meant(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s), d = direct_from(s, 2, NULL);
    announced(&c);
    announced(&d);
    comes(&c, "+49302900001"); /* the last five digits are those of the first, not the last six */
    joined(&c);
    told_joined(&c);
    moved(&c);
    comes(&d, "+49302999999");
    stage_run(s, 5000);
    talk_heard(&d.carl, "404");
    talk_ack(&d.carl);
    comes(&d, NULL);
    talk_cancel(&d.carl);
    talk_heard(&d.carl, "200");
    talk_heard(&d.carl, "487");
    talk_ack(&d.carl);
    talk_request(&d.ann, "BYE", NULL, NULL);
    talk_request(&c.ann, "BYE", NULL, NULL);
    scene_is_over(&c);
}

/* Two calls of one caller, and no digits to tell them apart: neither is moved, and the operator hears why. */
static void two_are_alike(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s), d = direct(s);
    announced(&c);
    comes(&c, "+49302000001");
    talk_heard(&c.carl, "404");
    assert_non_null(strstr(stage_field(s, SIP_REASON), "X-IME ;cause=133"));
    talk_ack(&c.carl);
    assert_int_equal(s->alarms.counts[AGENT_ALARM_FEW_FALLBACK_IDENTIFIERS], 1);
    still_direct(&c);
    still_direct(&d);
    talk_request(&d.ann, "BYE", NULL, NULL);
    talk_request(&c.ann, "BYE", NULL, NULL);
    scene_is_over(&c);
}

static int setup_digits(void **state)
{
    struct stage *s = scene_stage(0, 6);
    agent_stage_start(s);
    *state = s;
    return 0;
}

static void found_by_digits(void **state)
{
    struct stage *s = *state;
    char first[32], second[32];
    struct scene c = direct_from(s, 1, first), d = direct_from(s, 1, second);
    assert_int_equal(strlen(first), 6);
    assert_string_not_equal(first, second);
    announced(&c);
    announced(&d);
    comes(&d, "+49302000001"); /* may be either */
    joined(&d);
    stage_quiet(s);
    stage_tones(s, stage_sound(s, AGENT_PSTN), second);
    told_joined(&d);
    moved(&d);
    comes(&c, "+49302000001"); /* now only one is left */
    joined(&c);
    told_joined(&c);
    moved(&c);
    scene_hang_up(&c, &c.ann, &c.carl, &c.bob);
    scene_hang_up(&d, &d.ann, &d.carl, &d.bob);
    scene_is_over(&c);
}

/* The way is bad here, but nobody has said that they call: the caller ID may be that of another call which has ended unheard. */
static void only_digits_will_do(void **state)
{
    struct stage *s = *state;
    char token[32];
    struct scene c = direct_from(s, 1, token);
    scene_quality(&c, "bad;loss=1.0");
    talk_heard(&c.bob, "202");
    scene_far_is_told(&c, "wanted;why=quality", NULL);
    comes(&c, "+49302000001");
    joined(&c);
    stage_quiet(s);
    stage_tones(s, stage_sound(s, AGENT_PSTN), token);
    told_joined(&c);
    moved(&c);
    scene_hang_up(&c, &c.ann, &c.carl, &c.bob);
    scene_is_over(&c);
}

/* Strangers who say nothing have taken all ports: the first of them gives way to a call whose caller ID is known. */
static void strangers_give_way(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s), strangers[2] = {c, c};
    s->sounds_max = 2;
    for (unsigned i = 0; i < 2; i++) {
        comes(&strangers[i], NULL);
        joined(&strangers[i]);
    }
    announced(&c);
    comes(&c, "+49302000001");
    talk_asked(&strangers[0].carl, "BYE");
    assert_non_null(strstr(stage_field(s, SIP_REASON), "X-IME ;cause=134"));
    talk_answer(&strangers[0].carl, 200, NULL);
    joined(&c);
    told_joined(&c);
    moved(&c);
    stage_run(s, 10000);
    talk_asked(&strangers[1].carl, "BYE");
    talk_answer(&strangers[1].carl, 200, NULL);
    scene_hang_up(&c, &c.ann, &c.carl, &c.bob);
    scene_is_over(&c);
}

/* No digits, too few, wrong ones: it is dropped, and told why. */
static void digits_lead_nowhere(void **state)
{
    struct stage *s = *state;
    char token[32], wrong[32];
    struct scene c = direct_from(s, 1, token);
    for (unsigned i = 0; i < 3; i++) {
        comes(&c, NULL);
        joined(&c);
        snprintf(wrong, sizeof wrong, "%s", token);
        wrong[i == 1 ? 3 : 0] ^= i == 1 ? wrong[3] : 1; /* three of them; a wrong one */
        if (i)
            stage_tones(s, stage_sound(s, AGENT_PSTN), wrong);
        stage_run(s, i == 0 ? 10000 : i == 1 ? 3000 : 0);
        talk_asked(&c.carl, "BYE");
        assert_non_null(strstr(stage_field(s, SIP_REASON), i == 2 ? "cause=133" : "cause=134"));
        talk_answer(&c.carl, 200, NULL);
        stage_quiet(s);
    }
    assert_int_equal(agent_counters(s->agent)->fallback_calls_unmatched, 3);
    for (unsigned i = 1; i < 20; i++) { /* whoever tries on is refused without being listened to */
        comes(&c, NULL);
        joined(&c);
        stage_tones(s, stage_sound(s, AGENT_PSTN), wrong);
        talk_asked(&c.carl, "BYE");
        talk_answer(&c.carl, 200, NULL);
    }
    comes(&c, NULL);
    talk_heard(&c.carl, "404");
    talk_ack(&c.carl);
    stage_run(s, 60000);
    comes(&c, NULL);
    joined(&c);
    stage_tones(s, stage_sound(s, AGENT_PSTN), token);
    told_joined(&c);
    moved(&c);
    scene_hang_up(&c, &c.ann, &c.carl, &c.bob);
    scene_is_over(&c);
}

/* Somebody has guessed the digits of a call that nobody wants to move: the far side says so before the phone is told anything, or soon after. */
static void digits_were_guessed(void **state)
{
    struct stage *s = *state;
    for (unsigned late = 0; late < 2; late++) {
        char token[32];
        struct scene c = direct_from(s, 1, token);
        comes(&c, NULL);
        joined(&c);
        stage_tones(s, stage_sound(s, AGENT_PSTN), token);
        talk_asked(&c.bob, "INFO");
        assert_int_equal(memcmp(sip_field_named(&s->message, "IME-Fallback")->value.p, "joined", 6), 0);
        if (late) { /* the way is slow: the tone has been said whole, and nobody asks again */
            stage_run(s, 2000);
            scene_moves(&c.ann, "c=IN IP4 198.51.100.50");
            scene_moves(&c.carl, "c=IN IP4 10.0.0.7");
        }
        talk_answer(&c.bob, 488, NULL);
        talk_asked(&c.carl, "BYE");
        assert_non_null(strstr(stage_field(s, SIP_REASON), "cause=133"));
        talk_answer(&c.carl, 200, NULL);
        if (!late)
            scene_far_is_told(&c, "failed;cause=133", NULL);
        else
            scene_moves(&c.ann, "c=IN IP4 203.0.113.77");
        still_direct(&c);
        assert_int_equal(agent_counters(s->agent)->fallback_calls_unmatched, late + 1);
        announced(&c); /* who really calls hears which digits are good now */
        const struct slice fresh = sip_field_named(&s->message, "IME-Fallback")->value;
        assert_true(fresh.n == strlen("calling;token=") + strlen(token));
        assert_int_equal(memcmp(fresh.p, "calling;token=", strlen("calling;token=")), 0);
        assert_int_not_equal(memcmp(fresh.p + strlen("calling;token="), token, strlen(token)), 0);
        scene_hang_up(&c, &c.ann, &c.bob, NULL);
        scene_is_over(&c);
    }
}

/* The digits are good once. */
static void digits_are_used_up(void **state)
{
    struct stage *s = *state;
    char token[32];
    struct scene c = direct_from(s, 1, token);
    comes(&c, NULL);
    joined(&c);
    stage_tones(s, stage_sound(s, AGENT_PSTN), token);
    told_joined(&c);
    talk_asked(&c.ann, "INVITE");
    talk_answer(&c.ann, 488, NULL); /* the phone does not want to */
    talk_asked(&c.ann, "ACK");
    scene_goes_on(&c, 2000);
    comes(&c, NULL);
    joined(&c);
    stage_tones(s, stage_sound(s, AGENT_PSTN), token);
    talk_asked(&c.carl, "BYE");
    talk_answer(&c.carl, 200, NULL);
    talk_request(&c.bob, "BYE", NULL, NULL);
    scene_is_over(&c);
}

/* ---- it fails, it ends ---- */

/* The phone network ends the call right after it was joined: the call is direct as before. */
static void ends_at_once(void **state)
{
    struct stage *s = *state;
    for (unsigned i = 0; i < 2; i++) {
        struct scene c = direct(s);
        announced(&c);
        comes(&c, "+49302000001");
        joined(&c);
        told_joined(&c);
        if (i)
            moved(&c);
        else
            scene_moves(&c.ann, NULL);
        struct talk asked = c.carl;
        if (!i)
            talk_asked(&asked, "INVITE");
        talk_request(&c.carl, "BYE", NULL, NULL);
        talk_heard(&c.carl, "200");
        if (!i)
            talk_answer(&asked, 487, NULL);
        stage_take(s, FAR, "INFO");
        scene_moves(&c.ann, "c=IN IP4 203.0.113.77");
        scene_goes_on(&c, 1000);
        still_direct(&c);
        scene_hang_up(&c, &c.bob, &c.ann, NULL);
        scene_is_over(&c);
    }
}

/* The carrier takes no re-INVITE: the next call from there is refused before anybody is disturbed. */
static void trunk_refuses_all_changes(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s);
    announced(&c);
    comes(&c, "+49302000001");
    joined(&c);
    told_joined(&c);
    scene_moves(&c.ann, "c=IN IP4 198.51.100.50");
    talk_asked(&c.carl, "INVITE");
    talk_answer(&c.carl, 501, NULL);
    talk_asked(&c.carl, "ACK");
    talk_asked(&c.carl, "BYE");
    talk_answer(&c.carl, 200, NULL);
    scene_far_is_told(&c, "failed;cause=132", NULL);
    scene_moves(&c.ann, "c=IN IP4 203.0.113.77");
    still_direct(&c);
    assert_int_equal(s->alarms.counts[AGENT_ALARM_TRUNK_FIXED], 1);
    announced(&c);
    comes(&c, "+49302000001");
    talk_heard(&c.carl, "488");
    talk_ack(&c.carl);
    still_direct(&c);
    assert_string_equal(stage_record(s).steps[0].text, "it is not taken: this trunk refuses re-INVITE in mid-call");
    scene_hang_up(&c, &c.bob, &c.ann, NULL);
    scene_is_over(&c);
}

/* The far side could not move: this one comes back as well. */
static void far_side_fails(void **state)
{
    struct stage *s = *state;
    struct scene c = away(s);
    scene_far_says(&c, "failed");
    talk_heard(&c.bob, "200");
    talk_asked(&c.carl, "BYE");
    talk_answer(&c.carl, 200, NULL);
    scene_moves(&c.ann, "m=video 5002 ");
    scene_goes_on(&c, 1000);
    still_direct(&c);
    scene_hang_up(&c, &c.ann, &c.bob, NULL);
    scene_is_over(&c);
}

/* Our edge finds it bad: the side that called is told, since it acts; and so is when it is good again. */
static void edge_finds_it_bad(void **state)
{
    struct stage *s = *state;
    struct scene c = direct(s);
    scene_quality(&c, "bad;loss=0.3");
    talk_heard(&c.bob, "202");
    scene_far_is_told(&c, "wanted;why=quality", NULL);
    comes(&c, "+49302000001"); /* that counts as announced */
    joined(&c);
    told_joined(&c);
    moved(&c);
    scene_quality(&c, "good");
    talk_heard(&c.bob, "202");
    scene_far_is_told(&c, "quality;good", NULL);
    stage_run(s, 3000);
    scene_hang_up(&c, &c.carl, &c.ann, &c.bob);
    scene_is_over(&c);
}

/* The direct way is gone before anybody could say anything: the call is kept for half a minute, and found. */
static void rescued(void **state)
{
    struct stage *s = *state;
    for (unsigned i = 0; i < 2; i++) {
        struct scene c = direct(s);
        talk_request(&c.bob, "BYE", "Reason: X-IME ;cause=148\r\n", NULL);
        talk_heard(&c.bob, "200");
        stage_run(s, 20000);
        stage_quiet(s);
        if (i) {
            comes(&c, "+49302000001");
            joined(&c);
            stage_run(s, 2000);
            moved(&c);
            stage_run(s, 100000);
            stage_quiet(s);
            scene_hang_up(&c, &c.carl, &c.ann, NULL);
        } else {
            stage_run(s, 10000);
            talk_asked(&c.ann, "BYE");
            talk_answer(&c.ann, 200, NULL);
            stage_quiet(s);
        }
        scene_is_over(&c);
    }
}

/* What Bob has asked our phone is never acknowledged, for his way is dead; whether the phone had answered before that was known, or does afterwards, it is
 * told of the phone network as soon as that calls. In the last round nobody knows that the way is dead: a second is enough. */
static void dies_before_the_ack(void **state)
{
    struct stage *s = *state;
    for (unsigned i = 0; i < 3; i++) {
        struct scene c = direct(s);
        talk_request(&c.bob, "INVITE", NULL, bob_sdp);
        talk_heard(&c.bob, "100");
        talk_asked(&c.ann, "INVITE");
        struct talk bye = c.bob;
        if (i == 1) {
            talk_request(&bye, "BYE", "Reason: X-IME ;cause=148\r\n", NULL);
            talk_heard(&bye, "200");
        }
        talk_answer(&c.ann, 200, NULL);
        if (i == 0) {
            talk_heard(&c.bob, "200");
            talk_request(&bye, "BYE", "Reason: X-IME ;cause=148\r\n", NULL);
            talk_heard(&bye, "200");
        }
        if (i == 2) {
            talk_heard(&c.bob, "200");
            announced(&c);
        } else {
            talk_asked(&c.ann, "ACK");
        }
        s->deaf[FAR] = true;
        comes(&c, "+49302000001");
        joined(&c);
        stage_run(s, 2000);
        if (i == 2) {
            first_sound(s);
            scene_moves(&c.carl, "c=IN IP4 10.0.0.7");
            stage_run(s, 1000);
            talk_asked(&c.ann, "ACK");
            scene_moves(&c.ann, "c=IN IP4 198.51.100.50");
        } else {
            moved(&c);
        }
        s->deaf[FAR] = false;
        stage_run(s, 3000);
        talk_request(&c.carl, "BYE", NULL, NULL);
        c.gone = 1u << CARRIER_1;
        assert_true(scene_goes_on(&c, 1000) >> PBX & 1);
        scene_is_over(&c);
    }
}

/* ---- kept, and back ---- */

static struct scene kept(struct stage *s)
{
    struct scene c = away(s);
    talk_request(&c.bob, "INVITE", "IME-Fallback: kept\r\n", silent_sdp);
    talk_heard(&c.bob, "100");
    talk_heard(&c.bob, "200");
    assert_non_null(strstr(stage_body(s), "c=IN IP4 203.0.113.1"));
    assert_non_null(strstr(stage_body(s), "m=video 0 "));
    talk_ack(&c.bob);
    stage_quiet(s);
    stage_run(s, 200);
    assert_true(stage_sound(s, AGENT_IME)->packets >= 8);
    return c;
}

/* ---- places in the life of such a call, and what may happen there ---- */

enum moment { DIRECT, ANNOUNCED, FOUND, ASKED, AWAY, KEPT, PHONE_ASKED, PHONE_BACK, MOMENTS };

static struct scene until(struct stage *s, enum moment m)
{
    if (m == AWAY)
        return away(s);
    struct scene c = m >= KEPT ? kept(s) : direct(s);
    if (m == ANNOUNCED || m == FOUND || m == ASKED)
        announced(&c);
    if (m == FOUND || m == ASKED) {
        comes(&c, "+49302000001");
        joined(&c);
        told_joined_only(&c);
    }
    if (m == ASKED) {
        first_sound(s);
        scene_told(&c.ann, "c=IN IP4 198.51.100.50", NULL);
        scene_told(&c.carl, "c=IN IP4 10.0.0.7", NULL);
    }
    if (m >= PHONE_ASKED) {
        scene_far_says(&c, "return");
        talk_heard(&c.bob, "200");
        talk_request(&c.bob, "INVITE", NULL, bob_video_sdp);
        talk_heard(&c.bob, "100");
        talk_asked(&c.ann, "INVITE");
    }
    if (m == PHONE_BACK) {
        talk_answer(&c.ann, 200, NULL);
        talk_heard(&c.bob, "200");
    }
    return c;
}

/* Whoever hangs up, whenever: everybody hears it within two seconds, and nothing is left. */
static void hang_ups(void **state)
{
    struct stage *s = *state;
    for (enum moment m = DIRECT; m < MOMENTS; m++) {
        for (unsigned who = 0; who < 3; who++) {
            if (who == 2 && m != AWAY && m != KEPT)
                continue; /* before and afterwards the end of the call by the phone network is no hang-up */
            struct scene c = until(s, m);
            if (who == 2)
                stage_run(s, 3000);
            struct talk *t = who == 0 ? &c.ann : who == 1 ? &c.bob : &c.carl;
            talk_request(t, "BYE", NULL, NULL);
            c.gone = 1u << t->peer;
            const unsigned byes = scene_goes_on(&c, 2000);
            const unsigned all = 1u << PBX | 1u << FAR | (m >= FOUND ? 1u << CARRIER_1 : 0);
            assert_int_equal(byes, all & ~(1u << t->peer));
            scene_is_over(&c);
        }
    }
}

/* The direct way ends: the call goes on by the phone network, wherever it was. */
static void edge_gives_up(void **state)
{
    struct stage *s = *state;
    for (enum moment m = DIRECT; m < MOMENTS; m++) {
        struct scene c = until(s, m);
        struct talk bye = c.bob;
        talk_request(&bye, "BYE", "Reason: X-IME ;cause=148\r\n", NULL);
        talk_heard(&bye, "200");
        if (m < FOUND) {
            comes(&c, "+49302000001");
            joined(&c);
        }
        assert_int_equal(scene_goes_on(&c, 40000), 0);
        assert_int_equal(agent_calls(s->agent), 1);
        talk_request(&c.ann, "INFO", NULL, NULL);
        talk_asked(&c.carl, "INFO");
        talk_answer(&c.carl, 200, NULL);
        stage_skip(s, PBX);
        talk_request(&c.carl, "BYE", NULL, NULL);
        assert_int_equal(scene_goes_on(&c, 1000), 1u << PBX);
        scene_is_over(&c);
    }
}

static void comes_back(void **state)
{
    struct stage *s = *state;
    struct scene c = kept(s);
    scene_far_says(&c, "return");
    talk_heard(&c.bob, "200");
    talk_request(&c.bob, "INVITE", NULL, bob_video_sdp);
    talk_heard(&c.bob, "100");
    scene_told(&c.ann, "c=IN IP4 203.0.113.77", "m=video 5002 ");
    talk_answer(&c.ann, 200, NULL);
    talk_heard(&c.bob, "200");
    talk_ack(&c.bob);
    talk_asked(&c.ann, "ACK");
    assert_int_equal(agent_counters(s->agent)->fallbacks_returned, 1);
    talk_request(&c.carl, "BYE", NULL, NULL); /* no hang-up any longer */
    talk_heard(&c.carl, "200");
    still_direct(&c);
    scene_hang_up(&c, &c.ann, &c.bob, NULL);
    scene_is_over(&c);
}

static void may_not_come_back(void **state)
{
    struct stage *s = *state;
    struct scene c = kept(s);
    scene_quality(&c, "bad");
    talk_heard(&c.bob, "202");
    scene_far_is_told(&c, "quality;bad", NULL);
    scene_far_says(&c, "return");
    talk_heard(&c.bob, "480");
    assert_string_equal(stage_field(s, SIP_RETRY_AFTER), "30");
    talk_request(&c.bob, "INVITE", NULL, bob_video_sdp); /* nobody has allowed that */
    talk_heard(&c.bob, "100");
    talk_heard(&c.bob, "491");
    talk_ack(&c.bob);
    scene_hang_up(&c, &c.ann, &c.carl, &c.bob);
    scene_is_over(&c);
}

/* The phone refuses, or the far side falls silent half-way: the call stays where it is. */
static void return_fails(void **state)
{
    struct stage *s = *state;
    for (unsigned i = 0; i < 2; i++) {
        struct scene c = kept(s);
        scene_far_says(&c, "return");
        talk_heard(&c.bob, "200");
        talk_request(&c.bob, "INVITE", NULL, bob_video_sdp);
        talk_heard(&c.bob, "100");
        talk_asked(&c.ann, "INVITE");
        if (i) {
            talk_answer(&c.ann, 200, NULL);
            s->deaf[FAR] = true;
            stage_run(s, 10000);
            s->deaf[FAR] = false;
            while (!stage_is_quiet(s, FAR))
                stage_skip(s, FAR);
            talk_asked(&c.ann, "ACK");    /* nobody else would */
            talk_asked(&c.ann, "INVITE"); /* once more to the phone network */
            scene_goes_on(&c, 2000);
        } else {
            talk_answer(&c.ann, 488, NULL);
            talk_asked(&c.ann, "ACK");
            talk_heard(&c.bob, "488");
            talk_ack(&c.bob);
            scene_far_says(&c, "failed");
            talk_heard(&c.bob, "200");
            stage_quiet(s);
        }
        scene_goes_on(&c, 3000);
        talk_request(&c.ann, "BYE", NULL, NULL);
        c.gone = 1u << PBX;
        assert_true(scene_goes_on(&c, 1000) >> CARRIER_1 & 1);
        scene_is_over(&c);
    }
}

/* ---- others ---- */

/* Whoever calls the number is never put through, whatever the agent is able to. */
static void nobody_rings(void **state)
{
    struct stage *s = *state;
    struct scene c = {.s = s};
    comes(&c, "+491711234567");
    stage_run(s, 5000);
    talk_heard(&c.carl, "404");
    talk_ack(&c.carl);
    s->sounds_max = 1; /* and no port is left for it */
    s->sounds[s->sound_count++].is_open = true;
    c = direct(s);
    announced(&c);
    comes(&c, "+49302000001");
    talk_heard(&c.carl, "480");
    talk_ack(&c.carl);
    s->sounds[0].is_open = false;
    still_direct(&c);
    scene_hang_up(&c, &c.ann, &c.bob, NULL);
    scene_is_over(&c);
}

/* One that is not ready is offered nothing, and may say what it wants. */
static void not_ready(void **state)
{
    struct stage *s = *state;
    struct scene c = {.s = s};
    talk_call_with(s, &c.bob, FAR, OUR_NUMBER, "X-IME-Domain: b.example\r\n");
    talk_heard(&c.bob, "100");
    talk_called(s, &c.ann, PBX);
    talk_answer(&c.ann, 200, NULL);
    talk_heard(&c.bob, "200");
    assert_null(sip_field_named(&s->message, "IME-Fallback"));
    assert_slice_text(sip_field_named(&s->message, "X-IME-Sensitivity")->value, "3");
    talk_ack(&c.bob);
    talk_asked(&c.ann, "ACK");
    scene_far_says(&c, "calling");
    talk_heard(&c.bob, "488");
    scene_quality(&c, "bad");
    talk_heard(&c.bob, "202");
    stage_quiet(s);
    talk_request(&c.ann, "INFO", "IME-Fallback: calling\r\n", NULL); /* a phone's word is nobody's */
    talk_asked(&c.bob, "INFO");
    assert_null(sip_field_named(&s->message, "IME-Fallback"));
    talk_answer(&c.bob, 200, NULL);
    talk_heard(&c.ann, "200");
    scene_hang_up(&c, &c.ann, &c.bob, NULL);
    scene_is_over(&c);
}

static void strange_words(void **state)
{
    static const char *const words[] = {"",     "offered", "calling;token=12x", "ready;return=x", "moved", ";",
                                        "kept", "left"};
    struct stage *s = *state;
    struct scene c = direct(s);
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        scene_far_says(&c, words[i]);
        stage_skip(s, FAR);
        assert_true(strstr(stage_text(s), "SIP/2.0 400") || strstr(stage_text(s), "SIP/2.0 488"));
    }
    still_direct(&c);
    scene_hang_up(&c, &c.ann, &c.bob, NULL);
    scene_is_over(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, agent_stage_teardown)
#define TEST_DIGITS(name) cmocka_unit_test_setup_teardown(name, setup_digits, agent_stage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(found_by_caller),
        TEST(waits_for_the_other),
        TEST(follows_the_other),
        TEST(the_other_gives_up),
        TEST(not_announced),
        TEST(nobody_is_meant),
        TEST(two_are_alike),
        TEST_DIGITS(found_by_digits),
        TEST_DIGITS(only_digits_will_do),
        TEST_DIGITS(strangers_give_way),
        TEST_DIGITS(digits_lead_nowhere),
        TEST_DIGITS(digits_were_guessed),
        TEST_DIGITS(digits_are_used_up),
        TEST(ends_at_once),
        TEST(trunk_refuses_all_changes),
        TEST(far_side_fails),
        TEST(edge_finds_it_bad),
        TEST(rescued),
        TEST(dies_before_the_ack),
        TEST(hang_ups),
        TEST(edge_gives_up),
        TEST(comes_back),
        TEST(may_not_come_back),
        TEST(return_fails),
        TEST(nobody_rings),
        TEST(not_ready),
        TEST(strange_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
