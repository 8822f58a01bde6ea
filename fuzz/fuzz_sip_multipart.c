/* Bodies of several parts: parts lie in their order within the body; what is found is put back as it was, and what is put in is found again. The
 * first line is the Content-Type. */
#include "base/text.h"
#include "sip/multipart.h"

#include <stdlib.h>

static void need(bool good)
{
    if (!good)
        abort();
}

static void check_parts(struct region *region, struct slice type, struct slice body)
{
    struct sip_multipart m;
    struct fault fault = {0};
    int err = sip_multipart_parse(region, type, body, &m, &fault);
    const uint8_t *p = body.p;
    if (err < 0) {
        need(err == ERR_NOT_FOUND || (fault.rule && fault.octet <= type.n + body.n));
        return;
    }
    need(m.part_count && m.boundary.n);
    for (size_t i = 0; i < m.part_count; i++) {
        const struct sip_part *part = &m.parts[i];
        need(part->head.p > p && (!part->body.p || part->body.p > part->head.p + part->head.n));
        p = part->body.p ? part->body.p + part->body.n : part->head.p + part->head.n;
        need(p <= body.p + body.n);
    }
}

/* A message of one field is enough for the search, which looks at nothing else. */
static struct sip_message message_of(struct slice octets, struct sip_field *field, struct slice body)
{
    struct sip_message m = {.octets = octets, .fields = field, .field_count = 1, .body = body};
    m.first[SIP_CONTENT_TYPE] = 1;
    return m;
}

static void check_replaced(struct region *region, const struct sip_message *m, const struct sip_body *found)
{
    static const char other[] = "v=0\r\ns=other\r\n";
    struct buf out;
    struct sip_body again;
    buf_init(&out, 1 << 20);
    if (sip_body_replace(m, found, slice_str(other), &out) == 0) {
        struct sip_field field = m->fields[0];
        struct sip_message changed = message_of(buf_slice(&out), &field, buf_slice(&out));
        need(sip_body_find(region, &changed, "application", "sdp", &again, NULL) == 0);
        need(slice_eq_str(again.octets, other) && again.depth == found->depth);
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct region region;
    struct sip_body found;
    struct fault fault = {0};
    struct slice body = slice_of(data, size), type = text_cut(&body, '\n');
    struct sip_field field = {.header = SIP_CONTENT_TYPE, .value = type};
    struct sip_message m = message_of(slice_of(data, size), &field, body);
    region_init(&region, (size_t)1 << 22);
    if (body.p)
        check_parts(&region, type, body);
    int err = sip_body_find(&region, &m, "application", "sdp", &found, &fault);
    need(err == 0 || err == ERR_NOT_FOUND || err == ERR_UNSUPPORTED || err == ERR_NO_MEMORY ||
         (fault.rule && fault.octet <= size));
    if (err == 0) {
        need(found.octets.p >= body.p && found.octets.p + found.octets.n <= body.p + body.n);
        check_replaced(&region, &m, &found);
    }
    region_fini(&region);
    return 0;
}
