/* A relay between a phone inside and another company's edge outside, whose keys the tests have: what goes in, what comes out, and where. */
#ifndef TEST_MEDIA_RELAYING_H
#define TEST_MEDIA_RELAYING_H

#include "base/mem.h"
#include "media/relay.h"
#include "media/srtp.h"
#include "testing.h"

#define SESSION 77
#define PHONE "10.0.0.5:4000"
#define FAR "192.0.2.9:5000"

struct relaying {
    struct media_relay *relay;
    struct now now;
    struct media_session session;
    struct media_flow *flows[MEDIA_STREAMS_MAX][MEDIA_SIDES][MEDIA_COMPONENTS];
    struct srtp *far_sends, *far_receives; /* the far end's, of stream 0 */
    /* What came out the last time. */
    bool sent;
    uint8_t octets[4096];
    struct media_packet packet;
};

static inline struct addr address(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(slice_str(text), 0, &a), 0);
    return a;
}

static inline struct srtp_master key_of(enum srtp_suite suite, uint8_t seed)
{
    struct srtp_master master = {.suite = suite};
    for (size_t i = 0; i < srtp_suite_key_octets(suite) + srtp_suite_salt_octets(suite); i++)
        master.octets[i] = (uint8_t)(seed + 3 * i);
    return master;
}

static inline struct srtp *srtp_of(const struct srtp_master *master, enum srtp_direction direction)
{
    struct srtp *s;
    assert_int_equal(srtp_new(master, direction, SRTP_BACKEND_DEFAULT, &s), 0);
    return s;
}

static inline void set(struct relaying *t)
{
    assert_int_equal(media_relay_set(t->relay, t->now, &t->session), 0);
}

/* The keys of stream 0 outside, at the relay and at the far end. */
static inline void outside_keys(struct relaying *t, enum srtp_suite suite, uint8_t in, uint8_t out)
{
    struct media_end *end = &t->session.streams[0].ends[MEDIA_OUTSIDE];
    end->in = key_of(suite, in);
    end->out = key_of(suite, out);
    srtp_free(t->far_sends);
    srtp_free(t->far_receives);
    t->far_sends = srtp_of(&end->in, SRTP_PROTECTS);
    t->far_receives = srtp_of(&end->out, SRTP_UNPROTECTS);
}

static inline void open_ports(struct relaying *t, unsigned stream)
{
    for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES; side++)
        for (enum media_component c = MEDIA_COMPONENT_RTP; c < MEDIA_COMPONENTS; c++) {
            struct media_flow **flow = &t->flows[stream][side][c];
            assert_int_equal(media_relay_flow(t->relay, t->now, SESSION, stream, side, c, flow), 0);
            media_flow_set_port(*flow, flow);
        }
}

static inline struct media_stream voice(void)
{
    return (struct media_stream){
        .kind = MEDIA_RTP,
        .is_audio = true,
        .ptime_ms = 20,
        .format_count = 2,
        .formats = {{8, 8000, "PCMA"}, {101, 8000, "telephone-event"}},
        .ends = {{.remote = address(PHONE), .may_send = true}, {.remote = address(FAR), .may_send = true}},
    };
}

static inline void relaying_init(struct relaying *t)
{
    memset(t, 0, sizeof *t);
    struct media_relay_options options;
    media_relay_options_init(&options);
    t->now = (struct now){{1000000000}, {1700000000000}};
    assert_int_equal(media_relay_new(&options, 1, &t->relay), 0);
    t->session = (struct media_session){.id = SESSION, .sensitivity = 3, .stream_count = 1, .streams = {voice()}};
    outside_keys(t, SUITE_AES_CM_128_HMAC_SHA1_80, 1, 2);
    set(t);
    open_ports(t, 0);
}

static inline void relaying_fini(struct relaying *t)
{
    media_relay_free(t->relay);
    srtp_free(t->far_sends);
    srtp_free(t->far_receives);
}

static inline void wait_ms(struct relaying *t, int64_t ms)
{
    t->now.mono = mono_after_ms(t->now.mono, ms);
    t->now.wall = wall_after_ms(t->now.wall, ms);
    media_relay_tick(t->relay, t->now);
}

/* ---- packets ---- */

struct octets {
    uint8_t p[2048];
    size_t n;
};

/* 20 ms of G.711. */
static inline struct octets rtp(uint32_t ssrc, uint16_t seq)
{
    uint32_t timestamp = 160u * seq;
    struct octets o = {.p = {0x80, 8, (uint8_t)(seq >> 8), (uint8_t)seq, (uint8_t)(timestamp >> 24),
                             (uint8_t)(timestamp >> 16), (uint8_t)(timestamp >> 8), (uint8_t)timestamp,
                             (uint8_t)(ssrc >> 24), (uint8_t)(ssrc >> 16), (uint8_t)(ssrc >> 8), (uint8_t)ssrc},
                       .n = 172};
    for (size_t i = 12; i < o.n; i++)
        o.p[i] = (uint8_t)(seq + i);
    return o;
}

/* An empty receiver report. */
static inline struct octets rtcp(uint32_t ssrc)
{
    return (struct octets){
        .p = {0x80, 201, 0, 1, (uint8_t)(ssrc >> 24), (uint8_t)(ssrc >> 16), (uint8_t)(ssrc >> 8), (uint8_t)ssrc},
        .n = 8};
}

static inline bool is_rtcp(const uint8_t *p)
{
    return p[1] >= 192 && p[1] <= 223;
}

static inline struct octets protect(struct srtp *s, struct octets o)
{
    enum srtp_result result =
        is_rtcp(o.p) ? srtp_rtcp_protect(s, o.p, sizeof o.p, &o.n) : srtp_rtp_protect(s, o.p, sizeof o.p, &o.n);
    assert_int_equal(result, SRTP_GOOD);
    return o;
}

/* True: the relay sends something. */
static inline bool give(struct relaying *t, struct media_flow *flow, const char *from, const struct octets *o)
{
    struct addr peer = address(from);
    memcpy(t->octets, o->p, o->n);
    t->sent = media_relay_packet(t->relay, t->now.mono, flow, &peer, t->octets, o->n, &t->packet);
    return t->sent;
}

static inline bool from_phone(struct relaying *t, struct octets o)
{
    return give(t, t->flows[0][MEDIA_INSIDE][MEDIA_COMPONENT_RTP], PHONE, &o);
}

/* The far end protects it. */
static inline bool from_far(struct relaying *t, const char *from, struct octets o)
{
    o = protect(t->far_sends, o);
    return give(t, t->flows[0][MEDIA_OUTSIDE][MEDIA_COMPONENT_RTP], from, &o);
}

#define assert_sent_to(t, stream, side, component, where)                        \
    do {                                                                         \
        struct addr to_ = address(where);                                        \
        assert_true((t)->sent);                                                  \
        assert_ptr_equal((t)->packet.flow, (t)->flows[stream][side][component]); \
        assert_true(addr_eq(&(t)->packet.to, &to_));                             \
    } while (0)

#define assert_sent_octets(t, o)                        \
    do {                                                \
        assert_true((t)->sent);                         \
        assert_int_equal((t)->packet.octets, (o).n);    \
        assert_memory_equal((t)->octets, (o).p, (o).n); \
    } while (0)

/* The far end can read what was sent, and it is this. */
#define assert_far_reads(t, o)                                                                               \
    do {                                                                                                     \
        size_t n_ = (t)->packet.octets;                                                                      \
        assert_true((t)->sent);                                                                              \
        if ((o).n > 30)                                                                                      \
            assert_memory_not_equal((t)->octets + 12, (o).p + 12, 16);                                       \
        enum srtp_result result_ = is_rtcp((o).p) ? srtp_rtcp_unprotect((t)->far_receives, (t)->octets, &n_) \
                                                  : srtp_rtp_unprotect((t)->far_receives, (t)->octets, &n_); \
        assert_int_equal(result_, SRTP_GOOD);                                                                \
        assert_int_equal(n_, (o).n);                                                                         \
        assert_memory_equal((t)->octets, (o).p, n_);                                                         \
    } while (0)

static inline uint64_t refused(struct relaying *t, unsigned stream, enum media_side side, enum media_refusal why)
{
    struct media_summary summary;
    assert_int_equal(media_relay_figures(t->relay, t->now, SESSION, &summary), 0);
    return summary.streams[stream][side].refused[why];
}

/* The next event of that kind; false: there is none. Others are passed over. */
static inline bool next_event(struct relaying *t, enum media_event_kind kind, struct media_event *ret_event)
{
    while (media_relay_next(t->relay, t->now, ret_event))
        if (ret_event->kind == kind)
            return true;
    return false;
}

#endif
