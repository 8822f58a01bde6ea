/* Digits as named events: what is sent, octet by octet, and that each is told once whatever happens to its packets. */
#include "testing.h"

#include "base/entropy.h"
#include "media/rtp.h"
#include "media/tone.h"

#include <stdlib.h>

#define EVENT_TYPE 101
#define PACKETS_MAX 1024

static struct seeded_entropy seeded;
static const struct addr there = {.family = 4, .port = 4000, .ip = {192, 0, 2, 1}};
static const struct addr elsewhere = {.family = 4, .port = 4000, .ip = {192, 0, 2, 66}};

struct packet {
    int64_t at_us;
    size_t n;
    uint8_t octets[TONE_PACKET_OCTETS_MAX];
};

static struct mono at_ms(int64_t ms)
{
    return (struct mono){1000000 + ms * 1000};
}

static struct tone_format format_of(const char *codec, uint32_t clock_hz)
{
    struct tone_format f = {.codec_type = 8, .clock_hz = clock_hz, .has_events = true, .event_type = EVENT_TYPE};
    strcpy(f.codec, codec);
    return f;
}

static void begin(struct tone_sender *s, const char *codec, uint32_t clock_hz, uint64_t seed)
{
    struct tone_format f = format_of(codec, clock_hz);
    seeded = (struct seeded_entropy){seed};
    struct entropy entropy = seeded_entropy_port(&seeded);
    assert_int_equal(tone_sender_init(s, &f, &entropy, at_ms(0)), 0);
}

/* Everything that is sent up to then, each packet when it is due. */
static size_t run(struct tone_sender *s, int64_t until_ms, struct packet *packets)
{
    size_t n = 0;
    struct mono due;
    while ((due = tone_sender_deadline(s)).us < at_ms(until_ms).us) {
        assert_true(n < PACKETS_MAX);
        packets[n].at_us = due.us - at_ms(0).us;
        assert_true(tone_sender_next(s, due, packets[n].octets, &packets[n].n));
        n++;
    }
    return n;
}

static struct rtp_view view_of(const struct packet *p)
{
    struct rtp_view v;
    assert_int_equal(rtp_read(slice_of(p->octets, p->n), &v, NULL), 0);
    return v;
}

static void test_names(void **state)
{
    (void)state;
    uint8_t event;
    for (unsigned i = 0; i < 16; i++) {
        char digit = "0123456789*#ABCD"[i];
        assert_int_equal(tone_digit_of_event((uint8_t)i), digit);
        assert_true(tone_event_of_digit(digit, &event));
        assert_int_equal(event, i);
    }
    assert_true(tone_event_of_digit('d', &event));
    assert_int_equal(event, 15);
    assert_int_equal(tone_digit_of_event(16), 0);
    assert_false(tone_event_of_digit('E', &event));
    assert_false(tone_event_of_digit('\0', &event));
}

static void test_silence(void **state)
{
    (void)state;
    static const struct {
        const char *codec;
        uint32_t clock_hz;
        size_t octets;
        uint8_t first;
    } codecs[] = {{"PCMU", 8000, 160, 0xff}, {"pcma", 8000, 160, 0xd5}, {"opus", 48000, 3, 0xf8}, {"G729", 8000, 0, 0}};
    static struct packet packets[PACKETS_MAX];
    struct tone_sender s;
    for (unsigned i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        begin(&s, codecs[i].codec, codecs[i].clock_hz, 7);
        size_t n = run(&s, 200, packets);
        assert_int_equal(n, codecs[i].octets ? 10 : 0);
        for (size_t k = 0; k < n; k++) {
            struct rtp_view v = view_of(&packets[k]), first = view_of(&packets[0]);
            assert_int_equal(packets[k].at_us, k * 20000);
            assert_int_equal(v.payload_type, 8);
            assert_int_equal(v.marker, k == 0);
            assert_int_equal(v.payload.n, codecs[i].octets);
            assert_int_equal(v.payload.p[0], codecs[i].first);
            assert_int_equal((uint16_t)(v.sequence - first.sequence), k);
            assert_int_equal(v.timestamp - first.timestamp, k * codecs[i].clock_hz / 50);
            assert_int_equal(v.ssrc, first.ssrc);
        }
    }
}

/* RFC 4733 2.5.1: one timestamp, a growing duration, the end three times, and a pause. */
static void test_one_digit(void **state)
{
    (void)state;
    static struct packet packets[PACKETS_MAX];
    static const uint16_t durations[] = {160, 320, 480, 640, 800, 800, 800};
    struct tone_sender s;
    begin(&s, "PCMA", 8000, 1);
    assert_int_equal(run(&s, 40, packets), 2);
    struct rtp_view before = view_of(&packets[1]);
    assert_int_equal(tone_sender_digits(&s, slice_str("#5")), 0);
    assert_false(tone_sender_is_idle(&s));
    assert_int_equal(run(&s, 400, packets), 18);
    for (unsigned i = 0; i < 18; i++) {
        struct rtp_view v = view_of(&packets[i]);
        assert_int_equal((uint16_t)(v.sequence - before.sequence), i + 1);
        unsigned digit = i / 8, part = i % 8; /* 100 ms and 60 ms are eight packets */
        if (digit > 1 || part > 6) {
            assert_int_equal(v.payload_type, 8);
            assert_int_equal(v.timestamp - before.timestamp, (i + 1) * 160);
            assert_false(v.marker);
            continue;
        }
        assert_int_equal(v.payload_type, EVENT_TYPE);
        assert_int_equal(v.marker, part == 0);
        assert_int_equal(v.timestamp - before.timestamp, (digit * 8 + 1) * 160);
        assert_int_equal(v.payload.n, 4);
        assert_int_equal(v.payload.p[0], digit ? 5 : 11);
        assert_int_equal(v.payload.p[1], (part >= 4 ? 0x80 : 0) | 10);
        assert_int_equal(v.payload.p[2] << 8 | v.payload.p[3], durations[part]);
    }
    assert_true(tone_sender_is_idle(&s));
}

static void test_digits_alone(void **state)
{
    (void)state;
    static struct packet packets[PACKETS_MAX];
    struct tone_sender s;
    begin(&s, "G722", 8000, 2);
    assert_true(tone_sender_deadline(&s).us == MONO_NEVER.us);
    assert_int_equal(tone_sender_digits(&s, slice_str("12")), 0);
    assert_int_equal(run(&s, 10000, packets), 14);
    assert_int_equal(packets[7].at_us - packets[0].at_us, 160000);
    assert_int_equal(view_of(&packets[7]).timestamp - view_of(&packets[0]).timestamp, 8 * 160);
    assert_true(tone_sender_deadline(&s).us == MONO_NEVER.us);
}

static void test_limits(void **state)
{
    (void)state;
    struct tone_sender s;
    struct tone_format f = format_of("PCMU", 8000);
    struct entropy entropy = seeded_entropy_port(&seeded);
    f.event_type = 128;
    assert_int_equal(tone_sender_init(&s, &f, &entropy, at_ms(0)), ERR_RANGE);
    f = format_of("PCMU", 7999);
    assert_int_equal(tone_sender_init(&s, &f, &entropy, at_ms(0)), ERR_RANGE);
    begin(&s, "PCMU", 8000, 3);
    assert_int_equal(tone_sender_digits(&s, slice_str("12x")), ERR_SYNTAX);
    assert_true(tone_sender_is_idle(&s));
    assert_int_equal(tone_sender_digits(&s, slice_str("01234567890123456789012345678901")), 0);
    assert_int_equal(tone_sender_digits(&s, slice_str("1")), ERR_LIMIT);
    f = format_of("opus", 48000);
    assert_int_equal(tone_sender_change(&s, &f), ERR_CONFLICT);
    f = format_of("PCMA", 8000);
    f.has_events = false;
    assert_int_equal(tone_sender_change(&s, &f), 0);
    assert_true(tone_sender_is_idle(&s));
    assert_int_equal(tone_sender_digits(&s, slice_str("1")), ERR_UNSUPPORTED);
}

/* What may not wait is sent at once, and time goes on from there. */
static void test_hurry(void **state)
{
    struct tone_sender s;
    uint8_t octets[TONE_PACKET_OCTETS_MAX];
    size_t n;
    (void)state;
    begin(&s, "PCMA", 8000, 9);
    assert_true(tone_sender_next(&s, at_ms(0), octets, &n));
    assert_int_equal(tone_sender_digits(&s, slice_str("#")), 0);
    assert_false(tone_sender_next(&s, at_ms(3), octets, &n));
    tone_sender_hurry(&s, at_ms(3));
    assert_true(tone_sender_next(&s, at_ms(3), octets, &n));
    assert_int_equal(octets[12], 11);
    assert_false(tone_sender_next(&s, at_ms(22), octets, &n));
    tone_sender_hurry(&s, at_ms(24)); /* it is due already */
    assert_true(tone_sender_next(&s, at_ms(24), octets, &n));
    assert_false(tone_sender_next(&s, at_ms(42), octets, &n));
    assert_true(tone_sender_next(&s, at_ms(43), octets, &n));
}

/* The stream goes on in another codec, as one stream. */
static void test_change(void **state)
{
    (void)state;
    static struct packet packets[PACKETS_MAX], more[PACKETS_MAX];
    struct tone_sender s;
    begin(&s, "PCMU", 8000, 4);
    assert_int_equal(run(&s, 100, packets), 5);
    struct tone_format f = format_of("PCMA", 8000);
    assert_int_equal(tone_sender_change(&s, &f), 0);
    assert_int_equal(run(&s, 200, more), 5);
    struct rtp_view last = view_of(&packets[4]), next = view_of(&more[0]);
    assert_int_equal(next.ssrc, last.ssrc);
    assert_int_equal((uint16_t)(next.sequence - last.sequence), 1);
    assert_int_equal(next.timestamp - last.timestamp, 160);
    assert_int_equal(next.payload.p[0], 0xd5);
}

/* Who comes late gets no burst of what nobody can play any longer, and digits stay whole. */
static void test_late(void **state)
{
    (void)state;
    struct packet p;
    struct tone_sender s;
    struct tone_receiver r;
    char digit;
    unsigned packets = 0, digits = 0;
    begin(&s, "PCMA", 8000, 5);
    tone_receiver_init(&r, EVENT_TYPE);
    assert_int_equal(tone_sender_digits(&s, slice_str("4444")), 0);
    for (int64_t ms = 0; ms <= 8000; ms += 400)
        for (unsigned burst = 0; tone_sender_next(&s, at_ms(ms), p.octets, &p.n); packets++) {
            assert_true(++burst <= 6);
            digits += tone_receiver_input(&r, at_ms(ms), &there, slice_of(p.octets, p.n), &digit);
        }
    assert_true(tone_sender_is_idle(&s));
    assert_int_equal(digits, 4);
    assert_true(packets > 20 && packets < 130);
}

/* ---- receiver ---- */

struct network {
    uint64_t state;
    unsigned lost_percent;
    int64_t jitter_ms;
};

static int by_time(const void *a, const void *b)
{
    const struct packet *x = a, *y = b;
    return (x->at_us > y->at_us) - (x->at_us < y->at_us);
}

/* What a receiver hears of the digits across that network; twice everything that arrives. */
static void hear(const char *digits, uint64_t seed, struct network *net, char *ret_heard)
{
    static struct packet packets[PACKETS_MAX];
    struct seeded_entropy chance = {seed};
    const struct entropy entropy = seeded_entropy_port(&chance);
    struct tone_sender s;
    struct tone_receiver r;
    size_t heard = 0;
    begin(&s, seed % 3 ? "PCMA" : "G729", seed % 2 ? 8000 : 48000, seed);
    assert_int_equal(tone_sender_digits(&s, slice_str(digits)), 0);
    size_t n = run(&s, 4000, packets);
    for (size_t i = 0; i < n; i++)
        packets[i].at_us += (int64_t)entropy_below(&entropy, (uint64_t)net->jitter_ms * 1000 + 1);
    qsort(packets, n, sizeof *packets, by_time);
    tone_receiver_init(&r, EVENT_TYPE);
    for (size_t i = 0; i < n; i++) {
        if (entropy_below(&entropy, 100) < net->lost_percent)
            continue;
        struct mono now = at_ms(packets[i].at_us / 1000);
        for (unsigned twice = 0; twice < 2; twice++)
            heard += tone_receiver_input(&r, now, &there, slice_of(packets[i].octets, packets[i].n), &ret_heard[heard]);
    }
    ret_heard[heard] = '\0';
    assert_int_equal(r.digits, heard);
}

static void test_bad_network(void **state)
{
    (void)state;
    static const char digits[] = "4839201155*#0AA";
    char heard[64];
    struct network reordering = {.jitter_ms = 60}, losing = {.lost_percent = 20},
                   both = {.lost_percent = 5, .jitter_ms = 50};
    unsigned losses = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        hear(digits, seed, &reordering, heard);
        assert_string_equal(heard, digits);
        hear(digits, seed, &losing, heard);
        losses += strcmp(heard, digits) != 0; /* all seven packets of one: 13 in a million digits */
        hear(digits, seed, &both, heard);
        assert_string_equal(heard, digits);
    }
    assert_true(losses <= 1);
}

/* A packet of an event as a carrier might send it. */
static bool event_in(struct tone_receiver *r, int64_t ms, const struct addr *from, uint32_t ssrc, bool marker,
                     uint32_t timestamp, unsigned event, bool ends, unsigned duration, char *ret_digit)
{
    const uint8_t octets[] = {0x80,
                              (uint8_t)((marker ? 0x80 : 0) | EVENT_TYPE),
                              0,
                              1,
                              (uint8_t)(timestamp >> 24),
                              (uint8_t)(timestamp >> 16),
                              (uint8_t)(timestamp >> 8),
                              (uint8_t)timestamp,
                              (uint8_t)(ssrc >> 24),
                              (uint8_t)(ssrc >> 16),
                              (uint8_t)(ssrc >> 8),
                              (uint8_t)ssrc,
                              (uint8_t)event,
                              (uint8_t)(ends ? 0x8a : 0x0a),
                              (uint8_t)(duration >> 8),
                              (uint8_t)duration};
    return tone_receiver_input(r, at_ms(ms), from, slice_of(octets, sizeof octets), ret_digit);
}

static void test_only_the_end_arrives(void **state)
{
    (void)state;
    struct tone_receiver r;
    char digit = 0;
    tone_receiver_init(&r, EVENT_TYPE);
    assert_true(event_in(&r, 0, &there, 1, false, 1000, 9, true, 800, &digit));
    assert_int_equal(digit, '9');
    assert_false(event_in(&r, 20, &there, 1, false, 1000, 9, true, 800, &digit));
    /* the same key again, of which the beginning is lost: it lies behind the first one's end */
    assert_true(event_in(&r, 200, &there, 1, false, 2280, 9, true, 800, &digit));
}

/* RFC 4733 2.5.1.3: a key that is held goes on in segments, which have new timestamps. Some gateways give each packet one. */
static void test_segments(void **state)
{
    (void)state;
    struct tone_receiver r;
    char digit;
    unsigned digits = 0;
    tone_receiver_init(&r, EVENT_TYPE);
    digits += event_in(&r, 0, &there, 1, true, 0xfffff000, 5, false, 160, &digit);
    digits += event_in(&r, 8000, &there, 1, false, 0xfffff000, 5, false, 0xff00, &digit);
    digits += event_in(&r, 8020, &there, 1, false, 0xfffff000 + 0xffffU, 5, false, 160, &digit);
    digits += event_in(&r, 8900, &there, 1, false, 0xfffff000 + 0xffffU, 5, true, 8000, &digit);
    assert_int_equal(digits, 1);
    digits += event_in(&r, 9000, &there, 1, true, 0x20000, 6, false, 0, &digit);
    for (unsigned i = 0; i < 6; i++)
        digits += event_in(&r, 9000 + 20 * i, &there, 1, false, 0x20000 + 160 * i, 6, i == 5, 160 + 160 * i, &digit);
    assert_int_equal(digits, 2);
}

static void test_sources(void **state)
{
    (void)state;
    struct tone_receiver r;
    char digit;
    tone_receiver_init(&r, EVENT_TYPE);
    assert_true(event_in(&r, 0, &elsewhere, 7, true, 0, 1, false, 160, &digit));
    assert_false(event_in(&r, 10, &there, 1, true, 0, 2, false, 160, &digit)); /* somebody else speaks */
    assert_false(event_in(&r, 20, &elsewhere, 8, true, 0, 2, false, 160, &digit));
    assert_int_equal(r.foreign, 2);
    /* whom we know the address of goes before whom we do not know */
    tone_receiver_expect(&r, EVENT_TYPE, &there);
    assert_true(event_in(&r, 30, &there, 1, true, 0, 2, false, 160, &digit));
    assert_int_equal(digit, '2');
    assert_false(event_in(&r, 40, &elsewhere, 7, true, 5000, 3, false, 160, &digit));
    /* and is followed only when silent */
    assert_false(event_in(&r, 1029, &elsewhere, 7, true, 9000, 4, false, 160, &digit));
    assert_true(event_in(&r, 1030, &elsewhere, 7, true, 9000, 4, false, 160, &digit));
    assert_int_equal(r.packets, 3);
    assert_int_equal(r.digits, 3);
}

/* A stream whose time begins anew is heard again; a late packet is none. */
static void test_time_begins_anew(void **state)
{
    (void)state;
    struct tone_receiver r;
    char digit;
    tone_receiver_init(&r, EVENT_TYPE);
    assert_true(event_in(&r, 0, &there, 1, true, 1000000, 1, true, 800, &digit));
    assert_false(event_in(&r, 20, &there, 1, true, 1000000 - 1280, 2, true, 800, &digit));
    assert_true(event_in(&r, 200, &there, 1, true, 4000, 3, true, 800, &digit));
}

static void test_other_packets(void **state)
{
    (void)state;
    static const uint8_t audio[] = {0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xd5};
    static const uint8_t cut[] = {0x80, EVENT_TYPE, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 5, 0x0a, 0};
    static const uint8_t rtcp[] = {0x80, 201, 0, 1, 0, 0, 0, 1};
    struct tone_receiver r;
    char digit;
    tone_receiver_init(&r, EVENT_TYPE);
    assert_false(tone_receiver_input(&r, at_ms(0), &there, slice_of(cut, sizeof cut), &digit));
    assert_false(tone_receiver_input(&r, at_ms(0), &there, slice_of(cut, 5), &digit));
    assert_int_equal(r.malformed, 2);
    assert_false(tone_receiver_input(&r, at_ms(0), &there, slice_of(rtcp, sizeof rtcp), &digit));
    assert_false(tone_receiver_input(&r, at_ms(0), &there, slice_of(audio, sizeof audio), &digit));
    assert_int_equal(r.foreign, 1);
    assert_false(event_in(&r, 10, &there, 1, true, 5, 16, true, 800, &digit)); /* a flash hook */
    assert_true(event_in(&r, 10, &there, 1, true, 5, 0, true, 800, &digit));
    assert_false(tone_receiver_input(&r, at_ms(20), &there, slice_of(audio, sizeof audio), &digit));
    assert_int_equal(r.packets, 3);
    assert_int_equal(r.malformed, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_one_digit),
        cmocka_unit_test(test_digits_alone),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_hurry),
        cmocka_unit_test(test_change),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_bad_network),
        cmocka_unit_test(test_only_the_end_arrives),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_time_begins_anew),
        cmocka_unit_test(test_other_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
