/* What every message must have (RFC 3261 8.1.1, 8.2, 16.3). */
#include "sip/message.h"

#include "base/text.h"
#include "sip/cursor.h"

struct checker {
    struct sip_message *m;
    int err;
    unsigned status;
    struct fault fault;
};

/* The first error counts; true if there is one. */
static bool refuse(struct checker *k, int err, unsigned status, size_t octet, const char *rule)
{
    if (err && !k->err) {
        k->err = err;
        k->status = status;
        k->fault = (struct fault){octet, rule};
    }
    return k->err != 0;
}

static size_t octet_of(const struct checker *k, const uint8_t *p)
{
    return (size_t)(p - k->m->octets.p);
}

/* The one field of a header that may stand but once; NULL if it is not there or on an error. */
static const struct sip_field *only_field(struct checker *k, enum sip_header header, const char *missing,
                                          const char *more)
{
    const struct sip_field *f = sip_field_first(k->m, header);
    if (!f && missing)
        refuse(k, ERR_SYNTAX, 400, octet_of(k, k->m->start_line.p) + k->m->start_line.n, missing);
    if (f && f->next)
        refuse(k, ERR_SYNTAX, 400, octet_of(k, sip_field_next(k->m, f)->line.p), more);
    return k->err ? NULL : f;
}

static void check_version(struct checker *k)
{
    struct slice version = k->m->version;
    if (text_equal_nocase(version, slice_str("SIP/2.0")))
        return;
    bool is_sip = version.n > 4 && text_equal_nocase(slice_of(version.p, 4), slice_str("SIP/"));
    refuse(k, is_sip ? ERR_UNSUPPORTED : ERR_SYNTAX, is_sip ? 505 : 400, octet_of(k, version.p),
           "SIP-Version, RFC 3261 7.1");
}

static void check_uri(struct checker *k)
{
    struct sip_uri uri;
    struct fault fault = {0};
    int err = sip_uri_parse(k->m->uri, &uri, &fault);
    size_t at = octet_of(k, k->m->uri.p);
    if (refuse(k, err, 400, at + fault.octet, fault.rule))
        return;
    if (uri.scheme == SIP_SCHEME_OTHER)
        refuse(k, ERR_UNSUPPORTED, 416, at, "scheme of the Request-URI, RFC 3261 8.2.2.1");
    else if (uri.headers.n)
        refuse(k, ERR_SYNTAX, 400, octet_of(k, uri.headers.p), "headers in the Request-URI, RFC 3261 19.1.1");
}

static void check_via(struct checker *k)
{
    const struct sip_field *f = sip_field_first(k->m, SIP_VIA);
    if (!f) {
        refuse(k, ERR_SYNTAX, 400, octet_of(k, k->m->start_line.p) + k->m->start_line.n, "Via missing, RFC 3261 8.1.1");
        return;
    }
    unsigned count = 0;
    for (; f && !k->err; f = sip_field_next(k->m, f)) {
        struct sip_cursor c = sip_field_cursor(k->m, f);
        struct sip_via via;
        while (sip_read_via(&c, &via)) {
            if (count++ == 0)
                k->m->via = via;
            if (count > SIP_VIAS_MAX)
                refuse(k, ERR_LIMIT, 483, octet_of(k, via.whole.p), "more Via than allowed");
        }
        refuse(k, c.err, 400, c.fault.octet, c.fault.rule);
    }
    if (k->err)
        return;
    if (!k->m->via.is_sip_2_0)
        refuse(k, ERR_UNSUPPORTED, 505, octet_of(k, k->m->via.whole.p), "protocol of the Via, RFC 3261 20.42");
}

static void check_address(struct checker *k, enum sip_header header, struct sip_address *ret_address)
{
    const char *rule = header == SIP_FROM ? "From missing, RFC 3261 8.1.1" : "To missing, RFC 3261 8.1.1";
    const struct sip_field *f =
        only_field(k, header, rule,
                   header == SIP_FROM ? "more than one From, RFC 3261 7.3.1" : "more than one To, RFC 3261 7.3.1");
    if (!f)
        return;
    struct sip_cursor c = sip_field_cursor(k->m, f);
    struct sip_address address = {0};
    if (sip_read_address(&c, &address) && (address.is_star || c.expected != SIP_EXPECT_END))
        sip_cursor_fail_at(&c, ERR_SYNTAX, address.whole.p + address.whole.n, "one address, RFC 3261 20.20, 20.39");
    if (refuse(k, c.err, 400, c.fault.octet, c.fault.rule))
        return;
    struct sip_uri uri;
    struct fault fault = {0};
    int err = sip_uri_parse(address.uri, &uri, &fault);
    if (!refuse(k, err, 400, octet_of(k, address.uri.p) + fault.octet, fault.rule))
        *ret_address = address;
}

static void check_call_id(struct checker *k)
{
    const struct sip_field *f =
        only_field(k, SIP_CALL_ID, "Call-ID missing, RFC 3261 8.1.1", "more than one Call-ID, RFC 3261 7.3.1");
    if (!f)
        return;
    struct sip_cursor c = sip_field_cursor(k->m, f);
    int err = sip_read_call_id(&c, &k->m->call_id);
    refuse(k, err, 400, c.fault.octet, c.fault.rule);
}

static void check_cseq(struct checker *k)
{
    const struct sip_field *f =
        only_field(k, SIP_CSEQ, "CSeq missing, RFC 3261 8.1.1", "more than one CSeq, RFC 3261 7.3.1");
    if (!f)
        return;
    struct sip_cursor c = sip_field_cursor(k->m, f);
    int err = sip_read_cseq(&c, &k->m->cseq);
    if (refuse(k, err, 400, c.fault.octet, c.fault.rule))
        return;
    struct slice method = k->m->cseq.method;
    if (!k->m->is_request)
        k->m->method = sip_method_find(method);
    else if (!slice_eq(method, k->m->method_text))
        refuse(k, ERR_SYNTAX, 400, octet_of(k, method.p), "method in CSeq is another, RFC 3261 8.1.1.5");
}

static void check_max_forwards(struct checker *k)
{
    uint32_t hops;
    const struct sip_field *f = only_field(k, SIP_MAX_FORWARDS, NULL, "more than one Max-Forwards, RFC 3261 7.3.1");
    if (!f)
        return;
    struct sip_cursor c = sip_field_cursor(k->m, f);
    int err = sip_read_number(&c, 255, &hops);
    if (!refuse(k, err, 400, c.fault.octet, "Max-Forwards, RFC 3261 20.22"))
        k->m->max_forwards = hops;
}

int sip_check(struct sip_message *message, unsigned *ret_status, struct fault *ret_fault)
{
    struct checker k = {.m = message};
    check_version(&k);
    refuse(&k, message->flaw_err, 400, message->flaw.octet, message->flaw.rule);
    check_via(&k);
    if (message->is_request)
        check_uri(&k);
    check_address(&k, SIP_FROM, &message->from);
    check_address(&k, SIP_TO, &message->to);
    check_call_id(&k);
    check_cseq(&k);
    check_max_forwards(&k);
    only_field(&k, SIP_CONTENT_TYPE, NULL, "more than one Content-Type, RFC 3261 7.3.1");
    if (k.err && ret_status)
        *ret_status = k.status;
    if (k.err && ret_fault)
        *ret_fault = k.fault;
    return k.err;
}
