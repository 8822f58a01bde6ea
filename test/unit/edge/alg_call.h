/* A call whose descriptions pass the edge: a media port that hands out ports by number, and keys that are not to be looked at. */
#ifndef ALG_CALL_H
#define ALG_CALL_H

#include "alg_world.h"
#include "edge/alg_sdp.h"

struct alg_call {
    struct alg_world w;
    struct seeded_entropy seed;
    struct entropy entropy;
    struct media_port media;
    struct alg_sdp_ports ports;
    struct alg_sdp *x;
    struct sip_message invite; /* the last request with a transaction, from either side */
    unsigned binds;
    int bind_err; /* what bind answers; 0: it works */
    enum alg_sdp_kind kind;
    struct alg_verdict verdict;
    struct buf body; /* of the last message as it was passed on, keys as KEY */
};

/* Inside 10.1.0.1, ports 20000, 20002 …; outside 198.51.100.7, ports 30000 …; fd00::1 and 2001:db8::7. */
static inline int alg_call_bind(void *ctx, uint64_t session, unsigned stream, enum media_side side, uint8_t family,
                                struct addr *ret_local)
{
    struct alg_call *c = ctx;
    static const char *const texts[2][2] = {{"10.1.0.1", "[fd00::1]"}, {"198.51.100.7", "[2001:db8::7]"}};
    assert_int_equal(session, 77);
    assert_true(stream < MEDIA_STREAMS_MAX);
    if (c->bind_err)
        return c->bind_err;
    c->binds++;
    *ret_local = addr_of(texts[side][family == 6]);
    ret_local->port = (uint16_t)((side == MEDIA_INSIDE ? 20000 : 30000) + 2 * stream);
    return 0;
}

static inline void alg_call_init(struct alg_call *c)
{
    *c = (struct alg_call){0};
    alg_world_init(&c->w);
    c->seed.state = 5;
    c->entropy = (struct entropy){seeded_entropy_fill, &c->seed};
    c->media = (struct media_port){.ctx = c, .bind = alg_call_bind};
    c->ports = (struct alg_sdp_ports){&c->w.options, &c->entropy, &c->media, {4, 4}};
    buf_init(&c->body, 65536);
    assert_int_equal(alg_sdp_new(77, 3, &c->x), 0);
}

static inline void alg_call_fini(struct alg_call *c)
{
    alg_sdp_free(c->x);
    buf_fini(&c->body);
    alg_world_fini(&c->w);
}

/* Keys are different each time: "inline:" and what follows up to the end of its word becomes "inline:KEY". */
static inline void alg_call_mask(struct buf *to, struct slice text)
{
    static const char word[] = "inline:";
    buf_clear(to);
    for (size_t i = 0; i < text.n; i++) {
        buf_u8(to, text.p[i]);
        if (to->n < sizeof word - 1 || memcmp(to->p + to->n - (sizeof word - 1), word, sizeof word - 1))
            continue;
        buf_str(to, "KEY");
        while (i + 1 < text.n && text.p[i + 1] > ' ' && text.p[i + 1] != '|')
            i++;
    }
}

/* What alg_sdp_pass makes of it: 0 or its error; the body in c->body. type NULL: application/sdp. */
static inline int alg_call_give(struct alg_call *c, enum edge_side from, struct sip_message *m,
                                const struct sip_message *request)
{
    struct sip_message out;
    struct sip_edit *e = sip_edit_new(&c->w.region, m);
    int err = alg_sdp_pass(c->x, &c->ports, from, m, request, &c->w.region, e, &c->kind, &c->verdict);
    if (err)
        return err;
    buf_clear(&c->w.out);
    assert_int_equal(sip_edit_write(e, &c->w.out), 0);
    struct slice whole = region_copy(&c->w.region, buf_slice(&c->w.out));
    assert_int_equal(sip_parse(&c->w.region, whole, SIP_STREAM, &out, NULL), 0);
    alg_call_mask(&c->body, out.body);
    return 0;
}

#define SDP_TYPE "application/sdp"

static inline struct sip_message alg_call_message(struct alg_call *c, const char *start, const char *method,
                                                  unsigned cseq, const char *more, const char *type, const char *body)
{
    char head[2048];
    snprintf(head, sizeof head,
             "%s\r\nVia: SIP/2.0/TLS x.example;branch=z9hG4bK1\r\nFrom: <sip:a@a.example>;tag=1\r\nTo: "
             "<sip:b@b.example>;tag=2\r\nCall-ID: x\r\nCSeq: %u %s\r\n%s%s%s%s",
             start, cseq, method, more, *body ? "Content-Type: " : "", *body ? type : "", *body ? "\r\n" : "");
    return alg_world_message(&c->w, head, body);
}

/* A request, which responses then answer. */
static inline int alg_call_request(struct alg_call *c, enum edge_side from, const char *method, unsigned cseq,
                                   const char *body)
{
    char start[64];
    snprintf(start, sizeof start, "%s sip:b@b.example SIP/2.0", method);
    struct sip_message m = alg_call_message(c, start, method, cseq, "", SDP_TYPE, body);
    if (strcmp(method, "ACK"))
        c->invite = m;
    return alg_call_give(c, from, &m, NULL);
}

/* "183 Progress" and the like, to the last request. */
static inline int alg_call_answer(struct alg_call *c, enum edge_side from, const char *status, const char *more,
                                  const char *body)
{
    char start[64], method[32];
    snprintf(start, sizeof start, "SIP/2.0 %s", status);
    snprintf(method, sizeof method, "%.*s", SLICE_PRINT(c->invite.method_text));
    struct sip_message m = alg_call_message(c, start, method, c->invite.cseq.number, more, SDP_TYPE, body);
    return alg_call_give(c, from, &m, &c->invite);
}

static inline const char *alg_call_body(struct alg_call *c)
{
    return buf_text(&c->body);
}

#define CALL_KEY_80 "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
#define CALL_KEY_80_B "inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR"

#endif
