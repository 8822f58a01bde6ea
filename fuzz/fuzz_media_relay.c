/* The relay under a stranger's packets, and under states that nobody exported. The input is a list of: what (u8), length (u16), octets. Bits of what: 0–1 the
 * port; 2–3 where it comes from; 4 protected by the far end's key before it comes; 5 time goes by; 6 the octets are a state to import; 7 the stream changes
 * its kind. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/reader.h"
#include "media/relay.h"

#include <stdlib.h>

#define PACKET_OCTETS 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct addr address(uint8_t host, uint16_t port)
{
    return (struct addr){.family = 4, .port = port, .ip = {192, 0, 2, host}};
}

struct fuzzed {
    struct media_relay *relay;
    struct now now;
    struct media_session session;
    struct media_flow *flows[MEDIA_SIDES][MEDIA_COMPONENTS];
    struct srtp *far;
};

static void start(struct fuzzed *f)
{
    struct media_relay_options options;
    media_relay_options_init(&options);
    f->now = (struct now){{1000000}, {1000}};
    struct srtp_master key = {.suite = SUITE_AEAD_AES_128_GCM, .octets = {1, 2, 3}};
    f->session = (struct media_session){
        .id = 1,
        .sensitivity = 3,
        .stream_count = 1,
        .streams = {{.kind = MEDIA_RTP,
                     .is_audio = true,
                     .format_count = 1,
                     .formats = {{8, 8000, "PCMA"}},
                     .ends = {{.remote = address(1, 1000), .rtcp_mux = true, .may_send = true},
                              {.remote = address(2, 2000), .may_send = true, .in = key, .out = key}}}},
    };
    if (media_relay_new(&options, 1, &f->relay) != 0 || media_relay_set(f->relay, f->now, &f->session) != 0 ||
        srtp_new(&key, SRTP_PROTECTS, SRTP_BACKEND_DEFAULT, &f->far) != 0)
        abort();
    for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES; side++)
        for (enum media_component c = MEDIA_COMPONENT_RTP; c < MEDIA_COMPONENTS; c++) {
            if (media_relay_flow(f->relay, f->now, 1, 0, side, c, &f->flows[side][c]) != 0)
                abort();
            media_flow_set_port(f->flows[side][c], f);
        }
}

static void packet(struct fuzzed *f, uint8_t what, struct slice octets)
{
    static const uint8_t hosts[] = {1, 2, 3, 2};
    uint8_t p[PACKET_OCTETS + MEDIA_PACKET_ROOM];
    size_t n =
        octets.n < PACKET_OCTETS - SRTP_OVERHEAD_OCTETS_MAX ? octets.n : PACKET_OCTETS - SRTP_OVERHEAD_OCTETS_MAX;
    if (n)
        memcpy(p, octets.p, n);
    struct addr peer = address(hosts[what >> 2 & 3], (uint16_t)(1000 * (1 + (what >> 2 & 1))));
    if (what & 0x10)
        srtp_rtp_protect(f->far, p, sizeof p, &n);
    struct media_packet out;
    if (media_relay_packet(f->relay, f->now.mono, f->flows[what & 1][what >> 1 & 1], &peer, p, n, &out) &&
        (media_flow_port(out.flow) != f || !out.to.family || out.octets > n + MEDIA_PACKET_ROOM))
        abort();
}

static void import(struct fuzzed *f, struct slice octets)
{
    uint64_t id;
    struct fault fault = {0};
    int err = media_relay_import(f->relay, f->now, octets, &id, &fault);
    if (err == 0 && id != 1 && media_relay_remove(f->relay, f->now, id) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzzed f;
    struct reader r;
    struct media_event event;
    start(&f);
    reader_init(&r, slice_of(data, size));
    while (reader_left(&r)) {
        uint8_t what = read_u8(&r, "what");
        struct slice octets = read_opaque(&r, 2, "octets");
        if (what & 0x20)
            f.now.mono = mono_after_ms(f.now.mono, (int64_t)octets.n * 37);
        if (what & 0x80) {
            f.session.streams[0].kind = (enum media_kind)((f.session.streams[0].kind + 1) % 3);
            if (media_relay_set(f.relay, f.now, &f.session) != 0)
                abort();
        }
        if (what & 0x40)
            import(&f, octets);
        else
            packet(&f, what, octets);
        media_relay_tick(f.relay, f.now);
        while (media_relay_next(f.relay, f.now, &event))
            continue;
    }
    srtp_free(f.far);
    media_relay_free(f.relay);
    return 0;
}
