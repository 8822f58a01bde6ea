/* What the signalling process and a media worker say to each other: what was encoded is decoded, and nothing else is. */
#include "base/buf.h"
#include "base/mem.h"
#include "media/control.h"
#include "testing.h"

static struct addr address(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(slice_str(text), 0, &a), 0);
    return a;
}

static struct media_session full_session(void)
{
    struct media_session s = {
        .id = 0x1122334455667788, .sensitivity = 5, .is_early = true, .stream_count = MEDIA_STREAMS_MAX};
    for (unsigned i = 0; i < MEDIA_STREAMS_MAX; i++) {
        struct media_stream *stream = &s.streams[i];
        stream->kind = (enum media_kind)(i % 3);
        stream->is_audio = i % 2;
        stream->ptime_ms = 20;
        stream->format_count = MEDIA_FORMATS_MAX;
        for (unsigned k = 0; k < MEDIA_FORMATS_MAX; k++)
            stream->formats[k] = (struct media_format){(uint8_t)(96 + k), 48000, "telephone-event"};
        for (unsigned side = 0; side < MEDIA_SIDES; side++) {
            struct media_end *end = &stream->ends[side];
            end->remote = address(side ? "[2001:db8::1]:4000" : "192.0.2.1:4000");
            end->remote_rtcp = i % 2 ? address("192.0.2.2:4001") : (struct addr){0};
            end->rtcp_mux = side;
            end->may_send = !side;
            end->in.suite = SUITE_AEAD_AES_256_GCM;
            memset(end->in.octets, 7 + (int)i, sizeof end->in.octets);
            end->in.lifetime = 1u << 20;
            end->out.suite = i % 2 ? SUITE_AES_CM_128_HMAC_SHA1_80 : SUITE_NONE;
            memset(end->out.octets, i % 2 ? 9 : 0,
                   srtp_suite_key_octets(end->out.suite) + srtp_suite_salt_octets(end->out.suite));
        }
    }
    return s;
}

static struct media_figures full_figures(unsigned seed)
{
    struct media_figures f = {.source = address("192.0.2.7:5000"),
                              .packets = seed,
                              .octets = 1ull << 40,
                              .codec = "opus",
                              .payload_type = 111};
    for (unsigned i = 0; i < MEDIA_REFUSAL_COUNT; i++)
        f.refused[i] = seed + i;
    f.lost = 3;
    f.mos_hundredths = 412;
    f.is_bad = true;
    f.reasons = QUALITY_BY_LOSS | QUALITY_BY_MOS;
    return f;
}

/* The decoded message encodes to the same octets; no part of them, and not one octet more, is a message. */
static void assert_survives(const struct media_control *message, struct media_control *ret_decoded)
{
    struct buf b, again;
    struct fault fault;
    buf_init(&b, MEDIA_CONTROL_OCTETS_MAX);
    buf_init(&again, MEDIA_CONTROL_OCTETS_MAX);
    assert_int_equal(media_control_encode(message, &b), 0);
    assert_int_equal(media_control_decode(buf_slice(&b), ret_decoded, &fault), 0);
    assert_int_equal(ret_decoded->kind, message->kind);
    assert_int_equal(media_control_encode(ret_decoded, &again), 0);
    assert_slice_equal(buf_slice(&b), buf_slice(&again));
    static struct media_control other;
    for (size_t n = 0; n < b.n; n++) {
        fault = (struct fault){0};
        assert_true(media_control_decode(slice_of(b.p, n), &other, &fault) < 0);
        assert_non_null(fault.rule);
    }
    buf_u8(&b, 0);
    assert_int_equal(media_control_decode(buf_slice(&b), &other, &fault), ERR_SYNTAX);
    b.n--;
    b.p[0]++;
    assert_int_equal(media_control_decode(buf_slice(&b), &other, &fault), ERR_UNSUPPORTED);
    assert_int_equal(fault.octet, 0);
    buf_fini(&b);
    buf_fini(&again);
}

static struct media_control message, decoded;

static void sessions_survive(void **state)
{
    (void)state;
    message = (struct media_control){.kind = MEDIA_CONTROL_SET, .set.session = full_session()};
    message.set.pairs[7][MEDIA_OUTSIDE] = 0x20042;
    assert_survives(&message, &decoded);
    const struct media_stream *stream = &decoded.set.session.streams[7];
    assert_int_equal(decoded.set.session.id, 0x1122334455667788);
    assert_true(decoded.set.session.is_early);
    assert_string_equal(stream->formats[15].name, "telephone-event");
    assert_int_equal(stream->formats[15].payload_type, 111);
    assert_true(srtp_master_equal(&stream->ends[1].in, &message.set.session.streams[7].ends[1].in));
    assert_true(addr_eq(&stream->ends[1].remote, &message.set.session.streams[7].ends[1].remote));
    assert_int_equal(decoded.set.pairs[7][MEDIA_OUTSIDE], 0x20042);
    assert_int_equal(decoded.set.pairs[7][MEDIA_INSIDE], 0);
    message.set.session.stream_count = 0;
    assert_survives(&message, &decoded);
}

static void options_survive(void **state)
{
    (void)state;
    message = (struct media_control){.kind = MEDIA_CONTROL_CONFIGURE};
    media_relay_options_init(&message.options);
    message.options.backend = SRTP_BACKEND_LIBSRTP;
    assert_survives(&message, &decoded);
    assert_int_equal(decoded.options.silence_ms, message.options.silence_ms);
    for (unsigned i = 0; i < QUALITY_LEVELS; i++) {
        const struct quality_thresholds *a = &decoded.options.quality.levels[i],
                                        *b = &message.options.quality.levels[i];
        assert_true(a->loss_ratio > b->loss_ratio - 1e-6 && a->loss_ratio < b->loss_ratio + 1e-6);
        assert_true(a->mos > b->mos - 1e-6 && a->mos < b->mos + 1e-6);
        assert_int_equal(a->run_us, b->run_us);
    }
}

static void events_survive(void **state)
{
    (void)state;
    for (enum media_event_kind kind = MEDIA_LATCHED; kind < MEDIA_LOST; kind++) {
        message = (struct media_control){.kind = MEDIA_CONTROL_EVENT};
        struct media_event *e = &message.event;
        *e = (struct media_event){
            .kind = kind, .session = 9, .stream = 7, .side = MEDIA_OUTSIDE, .source = address("192.0.2.7:1")};
        e->figures = full_figures(1);
        e->summary.stream_count = MEDIA_STREAMS_MAX;
        for (unsigned i = 0; i < MEDIA_STREAMS_MAX; i++)
            e->summary.streams[i][MEDIA_OUTSIDE] = full_figures(i);
        assert_survives(&message, &decoded);
        assert_int_equal(decoded.event.session, 9);
        if (kind == MEDIA_QUALITY)
            assert_memory_equal(&decoded.event.figures.refused, &e->figures.refused, sizeof e->figures.refused);
        if (kind == MEDIA_SUMMARY)
            assert_int_equal(decoded.event.summary.streams[7][MEDIA_OUTSIDE].refused[3], 10);
    }
    message.event.kind = MEDIA_LOST; /* only the signalling process can know */
    struct buf b;
    buf_init(&b, MEDIA_CONTROL_OCTETS_MAX);
    assert_int_equal(media_control_encode(&message, &b), ERR_RANGE);
    buf_fini(&b);
}

static void the_rest_survives(void **state)
{
    (void)state;
    message = (struct media_control){.kind = MEDIA_CONTROL_PAIR, .pair = 0x12345678};
    assert_survives(&message, &decoded);
    assert_int_equal(decoded.pair, 0x12345678);
    message = (struct media_control){.kind = MEDIA_CONTROL_CLOSE, .pair = 1};
    assert_survives(&message, &decoded);
    assert_int_equal(decoded.pair, 1);
    message = (struct media_control){.kind = MEDIA_CONTROL_REMOVE, .id = 5};
    assert_survives(&message, &decoded);
    message = (struct media_control){.kind = MEDIA_CONTROL_READY};
    assert_survives(&message, &decoded);
    message = (struct media_control){.kind = MEDIA_CONTROL_COUNTERS,
                                     .counters = {.relay = {.packets_out = 8}, .worker = {.stale = 9}}};
    assert_survives(&message, &decoded);
    assert_int_equal(decoded.counters.relay.packets_out, 8);
    assert_int_equal(decoded.counters.worker.stale, 9);
    message = (struct media_control){.kind = MEDIA_CONTROL_REFUSED, .refused = {5, ERR_LIMIT}};
    assert_survives(&message, &decoded);
    assert_int_equal(decoded.refused.err, ERR_LIMIT);
    for (unsigned i = 0; i < 2; i++) {
        message = (struct media_control){.kind = i ? MEDIA_CONTROL_RESUME : MEDIA_CONTROL_STATE,
                                         .state = {5, slice_str("whatever a relay gives")}};
        assert_survives(&message, &decoded);
        assert_int_equal(decoded.state.session, 5);
    }
}

/* Each octet of a session in turn takes each value: what is accepted is within its bounds. */
static void what_is_out_of_range_is_refused(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, MEDIA_CONTROL_OCTETS_MAX);
    message = (struct media_control){.kind = MEDIA_CONTROL_SET, .set.session = full_session()};
    message.set.session.stream_count = 2;
    assert_int_equal(media_control_encode(&message, &b), 0);
    unsigned refused = 0;
    for (size_t i = 0; i < b.n; i++) {
        uint8_t was = b.p[i];
        for (unsigned v = 0; v < 256; v += 5) {
            b.p[i] = (uint8_t)v;
            if (media_control_decode(buf_slice(&b), &decoded, NULL) != 0) {
                refused++;
                continue;
            }
            const struct media_session *s = &decoded.set.session;
            assert_int_equal(decoded.kind, MEDIA_CONTROL_SET);
            assert_true(s->id && s->sensitivity < QUALITY_LEVELS && s->stream_count <= MEDIA_STREAMS_MAX);
            for (unsigned k = 0; k < s->stream_count; k++) {
                const struct media_stream *stream = &s->streams[k];
                assert_true(stream->kind <= MEDIA_UDPTL && stream->format_count <= MEDIA_FORMATS_MAX);
                for (unsigned f = 0; f < stream->format_count; f++)
                    assert_non_null(memchr(stream->formats[f].name, 0, MEDIA_FORMAT_NAME_OCTETS));
                for (unsigned side = 0; side < MEDIA_SIDES; side++)
                    assert_true(stream->ends[side].in.suite < SUITE_COUNT &&
                                stream->ends[side].out.suite < SUITE_COUNT);
            }
        }
        b.p[i] = was;
    }
    assert_true(refused > 1000);
    buf_fini(&b);
    message.set.session.streams[0].kind = (enum media_kind)3;
    assert_int_equal(media_control_encode(&message, &b), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_survive),
        cmocka_unit_test(options_survive),
        cmocka_unit_test(events_survive),
        cmocka_unit_test(the_rest_survives),
        cmocka_unit_test(what_is_out_of_range_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
