/* Tones in G.711 over RTP. */
#include "pstn/voice.h"
#include "testing.h"

static struct seeded_entropy seeded = {.state = 3};
static const struct now now = {{1000000}, {INT64_C(1700000000000)}};

static void tones_are_told_apart(void **state)
{
    const struct entropy entropy = seeded_entropy_port(&seeded);
    struct pstn_voice from, to;
    uint8_t packet[PSTN_VOICE_OCTETS];
    (void)state;
    for (unsigned tone = PSTN_TONE_CALLER; tone < PSTN_TONES; tone++) {
        pstn_voice_init(&from, (enum pstn_tone)tone, &entropy);
        pstn_voice_init(&to, PSTN_TONE_CALLER, &entropy);
        assert_int_equal(pstn_voice_heard(&to), PSTN_TONE_NONE);
        for (unsigned i = 0; i < 10; i++) {
            pstn_voice_write(&from, PSTN_ALAW, packet);
            assert_int_equal(packet[0], 0x80);
            assert_int_equal(packet[1], i ? 8 : 0x88); /* the first has the marker */
            pstn_voice_take(&to, now, slice_of(packet, sizeof packet));
        }
        assert_int_equal(pstn_voice_heard(&to), tone);
        assert_int_equal(to.received, 10);
        assert_int_equal(pstn_voice_lost(&to), 0);
    }
}

static void noise_and_silence_are_no_tone(void **state)
{
    const struct entropy entropy = seeded_entropy_port(&seeded);
    struct pstn_voice v;
    uint8_t packet[PSTN_VOICE_OCTETS];
    (void)state;
    pstn_voice_init(&v, PSTN_TONE_CALLER, &entropy);
    pstn_voice_write(&v, PSTN_ALAW, packet);
    memset(packet + 12, 0xd5, PSTN_VOICE_SAMPLES);
    for (unsigned i = 0; i < 20; i++)
        pstn_voice_take(&v, now, slice_of(packet, sizeof packet));
    for (unsigned i = 0; i < 20; i++) {
        entropy_fill(&entropy, packet + 12, PSTN_VOICE_SAMPLES);
        pstn_voice_take(&v, now, slice_of(packet, sizeof packet));
    }
    assert_int_equal(v.received, 40);
    assert_int_equal(pstn_voice_heard(&v), PSTN_TONE_NONE);
}

static void lost_packets_are_counted_over_the_wrap(void **state)
{
    const struct entropy entropy = seeded_entropy_port(&seeded);
    struct pstn_voice from, to;
    uint8_t packet[PSTN_VOICE_OCTETS];
    (void)state;
    pstn_voice_init(&from, PSTN_TONE_CALLER, &entropy);
    pstn_voice_init(&to, PSTN_TONE_CALLER, &entropy);
    from.sequence = 65500;
    for (unsigned i = 0; i < 100; i++) {
        pstn_voice_write(&from, PSTN_ALAW, packet);
        if (i % 10 != 5)
            pstn_voice_take(&to, now, slice_of(packet, sizeof packet));
    }
    assert_int_equal(to.received, 90);
    assert_int_equal(pstn_voice_lost(&to), 10);
}

static void what_is_no_rtp_is_strange(void **state)
{
    const struct entropy entropy = seeded_entropy_port(&seeded);
    struct pstn_voice v;
    uint8_t packet[PSTN_VOICE_OCTETS];
    (void)state;
    pstn_voice_init(&v, PSTN_TONE_CALLER, &entropy);
    for (size_t n = 0; n < 13; n++) /* no payload yet */
        pstn_voice_take(&v, now, slice_of((const uint8_t *)"\x80\x08\0\1\0\0\0\1\0\0\0\2", n < 12 ? n : 12));
    pstn_voice_write(&v, PSTN_ALAW, packet);
    packet[0] = 0x40; /* version 1 */
    pstn_voice_take(&v, now, slice_of(packet, sizeof packet));
    packet[0] = 0x8f; /* 15 contributing sources: 60 octets, there are as many */
    packet[1] = 18;   /* G729 */
    pstn_voice_take(&v, now, slice_of(packet, sizeof packet));
    packet[0] = 0x90; /* an extension that is longer than the packet */
    packet[1] = 8;
    packet[14] = packet[15] = 0xff;
    pstn_voice_take(&v, now, slice_of(packet, sizeof packet));
    packet[0] = 0xa0; /* more padding than packet */
    packet[PSTN_VOICE_OCTETS - 1] = 255;
    pstn_voice_take(&v, now, slice_of(packet, sizeof packet));
    assert_int_equal(v.strange, 17);
    assert_int_equal(v.received, 0);
    packet[0] = 0xaf; /* sources and padding, with something between */
    packet[PSTN_VOICE_OCTETS - 1] = 4;
    pstn_voice_take(&v, now, slice_of(packet, sizeof packet));
    assert_int_equal(v.received, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tones_are_told_apart),
        cmocka_unit_test(noise_and_silence_are_no_tone),
        cmocka_unit_test(lost_packets_are_counted_over_the_wrap),
        cmocka_unit_test(what_is_no_rtp_is_strange),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
