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
    assert_int_equal(ann->heard, PSTN_TONE_CALLED);
    assert_int_equal(bob->heard, PSTN_TONE_CALLER);
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
    assert_int_equal(ann->heard, PSTN_TONE_CALLED);
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
    assert_int_equal(s->ends[ANN].last.heard, PSTN_TONE_NONE);
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
        pstn_voice_write(&stranger, packet);
        pstn_phone_take(s->ends[ANN].phone, 0, &elsewhere, slice_of(packet, sizeof packet));
    }
    stage_run(s, 20000);
    assert_int_equal(s->ends[ANN].last.received, 0);
    assert_int_equal(s->ends[ANN].last.heard, PSTN_TONE_NONE);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(hear_each_other),         CASE(some_is_lost), CASE(other_side_is_silent), CASE(ports_are_bounded),
        CASE(strangers_are_not_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
