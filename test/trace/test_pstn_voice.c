/* Voices of phones in virtual time: each says a tone, and knows what it heard. */
#include "pstn_stage.h"

#define TALK_MS 2000

static void give_ports(struct stage *s, unsigned phone, size_t count)
{
    struct pstn_phone_options *o = &s->ends[phone].options;
    for (size_t i = 0; i < count; i++) {
        o->ports[i] = address(phone_points[phone]);
        o->ports[i].port = (uint16_t)(4000 + 2 * i);
    }
    o->port_count = count;
}

static void hear_each_other(void **state)
{
    struct stage *s = *state;
    give_ports(s, ANN, 1);
    give_ports(s, BOB, 1);
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", TALK_MS);
    stage_run(s, 20000);
    const struct pstn_phone_call *ann = &s->ends[ANN].last, *bob = &s->ends[BOB].last;
    assert_true(ann->in_order && bob->in_order);
    assert_true(ann->has_voice && bob->has_voice);
    assert_int_equal(ann->tone, PSTN_TONE_CALLED);
    assert_int_equal(bob->tone, PSTN_TONE_CALLER);
    assert_in_range(ann->sent, TALK_MS / 20, TALK_MS / 20 + 1);
    assert_int_equal(bob->received, ann->sent);
    assert_int_equal(ann->lost + bob->lost, 0);
    const uint64_t sent = s->voices;
    stage_run(s, 5000);
    assert_int_equal(s->voices, sent); /* nobody talks on */
}

static void some_is_lost(void **state)
{
    struct stage *s = *state;
    give_ports(s, ANN, 1);
    give_ports(s, BOB, 1);
    s->lose_voice_percent = 20;
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 20000);
    stage_run(s, 40000);
    const struct pstn_phone_call *ann = &s->ends[ANN].last, *bob = &s->ends[BOB].last;
    assert_int_equal(ann->tone, PSTN_TONE_CALLED);
    assert_in_range(bob->lost, ann->sent / 10, ann->sent / 3);
    assert_in_range(bob->received + bob->lost, ann->sent - 20, ann->sent); /* the last ones, nobody can know */
}

/* The other side has no voice, so there is nothing to hear, and nobody to talk to. */
static void other_side_is_silent(void **state)
{
    struct stage *s = *state;
    give_ports(s, ANN, 1);
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", TALK_MS);
    stage_run(s, 20000);
    assert_true(s->ends[ANN].last.in_order && s->ends[ANN].last.has_voice);
    assert_int_equal(s->ends[ANN].last.tone, PSTN_TONE_NONE);
    assert_int_equal(s->voices, 0);
}

/* A port for each call: with two of them the third caller finds the line busy. */
static void ports_are_bounded(void **state)
{
    struct stage *s = *state;
    give_ports(s, BOB, 2);
    stage_start(s);
    for (unsigned i = 0; i < 3; i++)
        call_through(s, ANN, 0, "+49301001234", "+49302005678", 10000);
    stage_run(s, 1000);
    assert_int_equal(s->ends[ANN].last.status, 486);
    assert_int_equal(s->ends[ANN].over, 1);
    stage_run(s, 30000);
    assert_int_equal(s->ends[BOB].over, 2);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 10000);
    stage_run(s, 30000);
    assert_true(s->ends[ANN].last.in_order);
}

/* What comes from elsewhere is not listened to. */
static void strangers_are_not_heard(void **state)
{
    struct stage *s = *state;
    struct pstn_voice stranger;
    uint8_t packet[PSTN_VOICE_OCTETS];
    const struct addr elsewhere = address("10.9.9.9:4000");
    give_ports(s, ANN, 1);
    stage_start(s);
    pstn_voice_init(&stranger, PSTN_TONE_CALLED, &s->entropy);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", TALK_MS);
    stage_run(s, 4000);
    for (unsigned i = 0; i < 50; i++) {
        pstn_voice_write(&stranger, PSTN_ALAW, packet);
        pstn_phone_take(s->ends[ANN].phone, s->now, 0, &elsewhere, slice_of(packet, sizeof packet));
    }
    stage_run(s, 20000);
    assert_int_equal(s->ends[ANN].last.received, 0);
    assert_int_equal(s->ends[ANN].last.tone, PSTN_TONE_NONE);
}

/* ---- through a carrier ---- */

static void relay_at(struct stage *s, unsigned calls)
{
    struct pstn_carrier_options *o = &s->options.carriers[0];
    o->media = address("198.51.100.1:20000");
    o->media_calls = calls;
    give_ports(s, ANN, 4);
    give_ports(s, BOB, 4);
}

static void carrier_relays(void **state)
{
    struct stage *s = *state;
    relay_at(s, 4);
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", TALK_MS);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", TALK_MS);
    stage_run(s, 1000);
    assert_non_null(strstr(s->to_bob, "\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 20006 RTP/AVP 8 0 101\r\n"));
    assert_null(strstr(s->to_bob, "m=audio 4"));
    stage_run(s, 20000);
    assert_int_equal(s->ends[ANN].last.tone, PSTN_TONE_CALLED);
    assert_int_equal(s->ends[BOB].last.tone, PSTN_TONE_CALLER);
    for (unsigned i = 0; i < 2; i++) {
        const struct pstn_record *r = pstn_network_record(s->network, i);
        assert_in_range(r->packets[0], TALK_MS / 20, TALK_MS / 20 + 1);
        assert_true(r->packets[1] >= r->packets[0]); /* who is called hears of the end later */
    }
    assert_int_equal(s->ends[ANN].last.received + s->ends[ANN].last.lost, s->ends[ANN].last.received);
    assert_int_equal(pstn_network_counters(s->network)->media_relayed,
                     pstn_network_record(s->network, 0)->packets[0] + pstn_network_record(s->network, 0)->packets[1] +
                         pstn_network_record(s->network, 1)->packets[0] +
                         pstn_network_record(s->network, 1)->packets[1]);
}

static void carrier_loses_some(void **state)
{
    struct stage *s = *state;
    relay_at(s, 4);
    s->options.carriers[0].media_lost_percent = 25;
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", 20000);
    stage_run(s, 40000);
    assert_int_equal(s->ends[ANN].last.tone, PSTN_TONE_CALLED);
    assert_in_range(s->ends[ANN].last.lost, 180, 320); /* of 1000 */
    assert_in_range(pstn_network_counters(s->network)->media_lost, 400, 600);
}

static void carrier_has_few_ports(void **state)
{
    struct stage *s = *state;
    relay_at(s, 1);
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", TALK_MS);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", TALK_MS);
    stage_run(s, 100);
    assert_int_equal(s->ends[ANN].last.status, 503);
    assert_int_equal(pstn_network_counters(s->network)->calls_refused_limit, 1);
    stage_run(s, 20000);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", TALK_MS); /* they are free again */
    stage_run(s, 20000);
    assert_int_equal(s->ends[ANN].last.tone, PSTN_TONE_CALLED);
}

/* A packet of ANN's voice to a port of the first carrier; where it came out, if it did. */
static bool relays(struct stage *s, size_t port, const struct addr *from, struct pstn_packet *ret_packet)
{
    struct pstn_voice voice;
    uint8_t packet[PSTN_VOICE_OCTETS];
    pstn_voice_init(&voice, PSTN_TONE_CALLER, &s->entropy);
    pstn_voice_write(&voice, PSTN_ALAW, packet);
    pstn_network_take(s->network, s->now, 0, port, from, slice_of(packet, sizeof packet));
    return pstn_network_give(s->network, s->now, ret_packet);
}

/* Only the two sides of the call talk through its ports, and only as long as there is one. */
static void carrier_relays_for_nobody_else(void **state)
{
    struct stage *s = *state;
    const struct addr elsewhere = address("10.9.9.9:4000");
    struct pstn_packet p;
    relay_at(s, 2);
    stage_start(s);
    call_through(s, ANN, 0, "+49301001234", "+49302005678", TALK_MS);
    stage_run(s, 4000);
    const struct addr ann = s->ends[ANN].options.ports[0];
    assert_false(relays(s, 0, &elsewhere, &p));
    assert_false(relays(s, 1, &ann, &p));
    assert_false(relays(s, 2, &ann, &p));
    assert_false(relays(s, 4, &ann, &p));
    assert_true(relays(s, 0, &ann, &p));
    assert_int_equal(p.port, 1);
    assert_true(addr_eq(&p.to, &s->ends[BOB].options.ports[0]));
    stage_run(s, 10000);
    assert_false(relays(s, 0, &ann, &p));
    assert_in_range(pstn_network_counters(s->network)->media_refused, 5,
                    8); /* BOB says something before we know of his answer */
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(hear_each_other),
        CASE(some_is_lost),
        CASE(other_side_is_silent),
        CASE(ports_are_bounded),
        CASE(strangers_are_not_heard),
        CASE(carrier_relays),
        CASE(carrier_loses_some),
        CASE(carrier_has_few_ports),
        CASE(carrier_relays_for_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
