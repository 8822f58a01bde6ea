/* Heads through the edge: what comes out is a message, its body and its Call-ID are those that came in, and outside it tells nothing of the inside.
 * The first octet says which way, and whether a request is given its Request-URI. */
#include "edge_world.h"

#include "sip/message.h"

/* The request that a response answers: the same names, another Via. */
static const char request_text[] =
    "INVITE sip:a@a.example SIP/2.0\r\nVia: SIP/2.0/TLS b.example;branch=z9hG4bK7\r\nFrom: "
    "<sip:b@b.example>;tag=1\r\nTo: <sip:a@a.example>\r\nCall-ID: x\r\nCSeq: 1 "
    "INVITE\r\nContent-Length: 0\r\n\r\n";

static void check_all(const struct sip_message *m)
{
    struct alg_limits limits;
    alg_limits_default(&limits);
    for (enum edge_side side = EDGE_INSIDE; side < EDGE_SIDES; side++) {
        struct alg_verdict verdict = {0};
        int err = m->is_request ? alg_check_request(edge_world(), &limits, m, side, &verdict)
                                : alg_check_response(edge_world(), &limits, m, side, &verdict);
        need(!err || (err == ERR_FORBIDDEN && verdict.rule && verdict.status >= 400 && verdict.octet <= m->octets.n));
    }
}

static void check_written(struct region *region, const struct sip_message *m, struct slice octets, bool leaves)
{
    struct sip_message out;
    struct fault fault = {0};
    need(sip_parse(region, octets, SIP_STREAM, &out, &fault) == 0 && sip_check(&out, NULL, &fault) == 0);
    need(slice_eq(out.body, m->body) && out.cseq.number == m->cseq.number);
    need(!m->is_request || (slice_eq(out.call_id, m->call_id) && slice_eq(out.from.tag, m->from.tag)));
    need(!sip_field_first(&out, SIP_PATH) && !sip_field_first(&out, SIP_SERVICE_ROUTE));
    const struct slice leak = leaves ? alg_find_leak(edge_world(), region, octets) : (struct slice){0};
    if (leak.n)
        fprintf(stderr, "tells %.*s in %.*s\n", SLICE_PRINT(leak), SLICE_PRINT(octets));
    need(!leak.n);
}

static void pass(struct region *region, const struct sip_message *m, unsigned flags)
{
    const bool leaves = flags & 1;
    const struct alg_way way = {.options = edge_world(),
                                .from = leaves ? EDGE_INSIDE : EDGE_OUTSIDE,
                                .to = leaves ? EDGE_OUTSIDE : EDGE_INSIDE,
                                .transport = leaves ? SIP_TLS : SIP_TCP,
                                .domain = "a.example",
                                .region = region};
    struct sip_edit *e = sip_edit_new(region, m);
    struct sip_message request;
    struct buf out;
    int err;
    if (m->is_request) {
        err = alg_edit_request(&way, m, flags & 2 ? slice_str("sip:x@c.example;lr") : (struct slice){0}, e);
        sip_edit_prepend(e, SIP_VIA, slice_str("SIP/2.0/TLS edge.a.example:5061;branch=z9hG4bK9"));
    } else {
        need(sip_parse(region, slice_str(request_text), SIP_STREAM, &request, NULL) == 0 &&
             sip_check(&request, NULL, NULL) == 0);
        err = alg_edit_response(&way, m, &request, e);
    }
    need(err == 0 || err == ERR_NO_MEMORY);
    buf_init(&out, 1 << 20);
    if (!err && sip_edit_write(e, &out) == 0)
        check_written(region, m, buf_slice(&out), leaves);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct region region;
    struct sip_message m;
    if (!size)
        return 0;
    region_init(&region, (size_t)1 << 24);
    if (sip_parse(&region, slice_of(data + 1, size - 1), SIP_STREAM, &m, NULL) == 0 && sip_check(&m, NULL, NULL) == 0) {
        check_all(&m);
        /* Bodies are another's business (alg_sdp.h). */
        if (!sip_field_first(&m, SIP_CONTENT_TYPE))
            pass(&region, &m, data[0]);
    }
    region_fini(&region);
    return 0;
}
