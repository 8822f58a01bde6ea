/* Offers and answers through the edge: the first octet says from which side, then come an offer and, behind a line with a dot, its answer. Whatever
 * passes leads media to us and nobody it must not go to, is protected outside, and tells nothing of the inside. */
#include "edge_world.h"

#include "base/text.h"
#include "edge/alg_sdp.h"
#include "sip/sdp.h"

#include <stdio.h>

static int bind_port(void *ctx, uint64_t session, unsigned stream, enum media_side side, uint8_t family,
                     struct addr *ret_local)
{
    static const char *const texts[2][2] = {{"10.1.0.1", "[fd00::1]"}, {"198.51.100.7", "[2001:db8::7]"}};
    (void)ctx;
    need(session == 9 && stream < MEDIA_STREAMS_MAX && (family == 4 || family == 6));
    *ret_local = edge_world_addr(texts[side][family == 6]);
    ret_local->port = (uint16_t)(20000 + 2 * stream);
    return 0;
}

static struct sip_message message_of(struct region *region, const char *start, struct slice body)
{
    struct sip_message m;
    char head[512];
    int n = snprintf(head, sizeof head,
                     "%s\r\nVia: SIP/2.0/TLS x.example;branch=z9hG4bK1\r\nFrom: <sip:a@a.example>;tag=1\r\nTo: "
                     "<sip:b@b.example>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Type: "
                     "application/sdp\r\nContent-Length: %zu\r\n\r\n",
                     start, body.n);
    uint8_t *octets = region_alloc(region, (size_t)n + body.n);
    need(octets);
    memcpy(octets, head, (size_t)n);
    if (body.n)
        memcpy(octets + n, body.p, body.n);
    need(sip_parse(region, slice_of(octets, (size_t)n + body.n), SIP_STREAM, &m, NULL) == 0 &&
         sip_check(&m, NULL, NULL) == 0);
    return m;
}

/* Every stream that is in use is led to one of our ports. */
static void check_told(struct region *region, struct slice octets, bool leaves)
{
    struct sip_message m;
    struct sip_sdp sdp;
    struct sip_sdp_connection c;
    struct sip_sdp_attribute a;
    need(sip_parse(region, octets, SIP_STREAM, &m, NULL) == 0);
    need(!leaves || alg_find_leak(edge_world(), region, octets).n == 0);
    if (!m.body.n)
        return;
    need(sip_sdp_parse(region, m.body, &sdp, NULL) == 0);
    for (int i = 0; i < (int)sdp.media_count; i++) {
        need(!sip_sdp_attribute_first(&sdp, i, "candidate", &a) &&
             !sip_sdp_attribute_first(&sdp, i, "fingerprint", &a));
        if (!sdp.media[i].port)
            continue;
        need(i < MEDIA_STREAMS_MAX && sdp.media[i].port == 20000 + 2 * i && sip_sdp_connection(&sdp, i, &c));
        need(slice_eq_str(c.address, "0.0.0.0") || slice_eq_str(c.address, "::") ||
             slice_eq_str(c.address, leaves ? "198.51.100.7" : "10.1.0.1") ||
             slice_eq_str(c.address, leaves ? "2001:db8::7" : "fd00::1"));
        if (leaves && !text_equal_nocase(sdp.media[i].protocol, slice_str("udptl")))
            need(sip_sdp_attribute_first(&sdp, i, "crypto", &a));
    }
}

static void check_end(const struct media_stream *stream, enum media_side side)
{
    const struct media_end *end = &stream->ends[side];
    const struct addr *addrs[] = {&end->remote, &end->remote_rtcp};
    for (size_t i = 0; i < 2; i++) {
        if (!addrs[i]->family)
            continue;
        const enum alg_place place = alg_place_of(edge_world(), addrs[i]);
        need(addrs[i]->port >= 1024 && (place == ALG_FAR || (place == ALG_INSIDE && side == MEDIA_INSIDE)));
    }
    if (stream->kind == MEDIA_RTP && side == MEDIA_OUTSIDE)
        need(end->in.suite != SUITE_NONE && end->out.suite == end->in.suite);
}

static void check_session(const struct alg_sdp *x)
{
    const struct media_session *s = alg_sdp_session(x);
    struct alg_sdp *copy = NULL;
    struct buf row, again;
    for (unsigned i = 0; i < s->stream_count; i++) {
        if (s->streams[i].kind == MEDIA_OFF)
            continue;
        check_end(&s->streams[i], MEDIA_INSIDE);
        check_end(&s->streams[i], MEDIA_OUTSIDE);
    }
    buf_init(&row, 1 << 20);
    buf_init(&again, 1 << 20);
    need(alg_sdp_encode(x, &row) == 0 && alg_sdp_decode(buf_slice(&row), &copy, NULL) == 0);
    need(alg_sdp_encode(copy, &again) == 0 && slice_eq(buf_slice(&row), buf_slice(&again)));
    alg_sdp_free(copy);
    buf_fini(&row);
    buf_fini(&again);
}

struct call {
    struct region *region;
    struct alg_sdp_ports ports;
    struct alg_sdp *x;
};

static bool pass(struct call *c, enum edge_side from, const struct sip_message *m, const struct sip_message *request,
                 struct buf *out)
{
    struct sip_edit *e = sip_edit_new(c->region, m);
    enum alg_sdp_kind kind;
    struct alg_verdict verdict = {0};
    int err = alg_sdp_pass(c->x, &c->ports, from, m, request, c->region, e, &kind, &verdict);
    if (err) {
        need(err == ERR_FORBIDDEN && verdict.rule && verdict.status >= 400 && verdict.octet <= m->octets.n);
        return false;
    }
    buf_clear(out);
    if (sip_edit_write(e, out) < 0)
        return false;
    check_told(c->region, buf_slice(out), from == EDGE_INSIDE);
    return true;
}

static void talk(struct call *c, enum edge_side from, struct slice offer, struct slice answer)
{
    const enum edge_side to = from == EDGE_INSIDE ? EDGE_OUTSIDE : EDGE_INSIDE;
    struct sip_message invite = message_of(c->region, "INVITE sip:b@b.example SIP/2.0", offer);
    struct sip_message ok = message_of(c->region, "SIP/2.0 200 OK", answer);
    struct buf first, again;
    buf_init(&first, 1 << 20);
    buf_init(&again, 1 << 20);
    if (pass(c, from, &invite, NULL, &first) && pass(c, to, &ok, &invite, &first)) {
        check_session(c->x);
        need(pass(c, to, &ok, &invite, &again) && slice_eq(buf_slice(&first), buf_slice(&again)));
        check_session(c->x);
    }
    buf_fini(&first);
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct region region;
    struct seeded_entropy seed = {1};
    const struct entropy entropy = seeded_entropy_port(&seed);
    const struct media_port media = {.bind = bind_port};
    struct call c = {.region = &region, .ports = {edge_world(), &entropy, &media, {4, 4}}};
    if (size < 2 || size > 16384)
        return 0;
    const uint8_t *dot = memmem(data + 1, size - 1, "\n.\n", 3);
    const uint8_t *end = dot ? dot + 1 : data + size, *answer = dot ? dot + 3 : data + size;
    region_init(&region, (size_t)1 << 24);
    need(alg_sdp_new(9, 3, &c.x) == 0);
    talk(&c, data[0] & 1 ? EDGE_INSIDE : EDGE_OUTSIDE, slice_of(data + 1, (size_t)(end - data - 1)),
         slice_of(answer, (size_t)(data + size - answer)));
    alg_sdp_free(c.x);
    region_fini(&region);
    return 0;
}
