/* SIP messages: every octet has its place, an edit without a change changes nothing, and whatever is answered is answered with a good message. */
#include "sip/edit.h"

#include <stdlib.h>

static void need(bool good)
{
    if (!good)
        abort();
}

/* Start line, fields and body follow one another without a gap; each field is found by its header. */
static void check_places(const struct sip_message *m)
{
    size_t found = 0, other = 0;
    const uint8_t *p = m->octets.p;
    need(m->start_line.p == p);
    p += m->start_line.n + 2;
    for (size_t i = 0; i < m->field_count; i++) {
        const struct sip_field *f = &m->fields[i];
        need(f->line.p == p && f->name.p == p && f->value.p > p && f->value.p + f->value.n <= p + f->line.n - 2);
        p += f->line.n;
        other += f->header == SIP_OTHER_HEADER;
    }
    for (int header = SIP_OTHER_HEADER + 1; header < SIP_HEADER_COUNT; header++)
        for (const struct sip_field *f = sip_field_first(m, (enum sip_header)header); f; f = sip_field_next(m, f)) {
            need((int)f->header == header);
            found++;
        }
    need(found + other == m->field_count);
    need(m->body.p == p + 2 && m->body.p + m->body.n == m->octets.p + m->octets.n);
}

static void check_lossless(struct region *region, const struct sip_message *m)
{
    struct buf out;
    struct sip_edit *e = sip_edit_new(region, m);
    buf_init(&out, SIP_MESSAGE_OCTETS_MAX);
    need(e && sip_edit_write(e, &out) == 0 && slice_eq(buf_slice(&out), m->octets));
    buf_fini(&out);
}

/* Parses again what was written of a message that was good. */
static void check_again(struct slice octets)
{
    struct region region;
    struct sip_message m;
    region_init(&region, (size_t)1 << 20);
    int err = sip_parse(&region, octets, SIP_STREAM, &m, NULL);
    need(err == ERR_LIMIT || (err == 0 && sip_check(&m, NULL, NULL) == 0));
    region_fini(&region);
}

/* The usual changes on the way through: the result is as good as the message was. */
static void check_edit(struct region *region, const struct sip_message *m)
{
    struct buf out;
    struct sip_edit *e = sip_edit_new(region, m);
    buf_init(&out, SIP_MESSAGE_OCTETS_MAX);
    sip_edit_prepend(e, SIP_VIA, slice_str("SIP/2.0/TLS agent.example;branch=z9hG4bKx"));
    sip_edit_set(e, SIP_MAX_FORWARDS, slice_str("69"));
    sip_edit_set(e, SIP_CONTACT, slice_str("<sip:agent.example>"));
    sip_edit_replace(e, m->from.uri, slice_str("sip:+4930123@agent.example"));
    sip_edit_remove_all(e, SIP_ROUTE);
    for (size_t i = 0; i < m->field_count; i += 3)
        if (m->fields[i].header == SIP_OTHER_HEADER)
            sip_edit_remove(e, &m->fields[i]);
    sip_edit_body(e, slice_str("v=0\r\n"), slice_str("application/sdp"));
    int err = sip_edit_write(e, &out);
    need(err == 0 || err == ERR_LIMIT);
    if (err == 0)
        check_again(buf_slice(&out));
    buf_fini(&out);
}

static void check_answer(const struct sip_message *m)
{
    struct buf out;
    buf_init(&out, 2 * SIP_MESSAGE_OCTETS_MAX);
    sip_begin_answer(&out, m, 180, NULL, slice_str("t"));
    sip_end(&out, (struct slice){NULL, 0});
    need(out.err == 0);
    check_again(buf_slice(&out));
    buf_fini(&out);
}

static void check_carrier(struct slice octets, enum sip_carrier carrier)
{
    struct region region;
    struct sip_message m;
    struct fault fault = {0};
    unsigned status = 0;
    region_init(&region, (size_t)1 << 20);
    if (sip_parse(&region, octets, carrier, &m, &fault) < 0) {
        need(fault.rule && fault.octet <= octets.n);
        region_fini(&region);
        return;
    }
    check_places(&m);
    check_lossless(&region, &m);
    for (size_t i = 0; i < m.field_count; i++) {
        fault = (struct fault){0};
        if (sip_check_field(&m, &m.fields[i], &fault) < 0)
            need(fault.rule && m.octets.p + fault.octet >= m.fields[i].value.p &&
                 m.octets.p + fault.octet <= m.fields[i].value.p + m.fields[i].value.n);
    }
    if (sip_check(&m, &status, &fault) < 0) {
        need(fault.rule && fault.octet <= octets.n && status >= 400 && status < 600);
    } else {
        check_edit(&region, &m);
        if (m.is_request)
            check_answer(&m);
    }
    region_fini(&region);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_carrier(slice_of(data, size), SIP_DATAGRAM);
    check_carrier(slice_of(data, size), SIP_STREAM);
    return 0;
}
