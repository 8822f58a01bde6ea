/* ime-wire sip: one SIP message as it goes over the wire (RFC 3261), to the last value of each field that the product reads. */
#include "sip/edit.h"
#include "wire.h"

#define REGION_OCTETS_MAX ((size_t)1 << 20)

static void print_optional(struct print *p, const char *name, struct slice text)
{
    if (text.n)
        print_text(p, name, text);
}

/* Folding as single spaces. */
static void print_value(struct print *p, const char *name, struct slice value)
{
    struct buf unfolded;
    buf_init(&unfolded, SIP_HEADER_OCTETS_MAX);
    sip_unfold(value, &unfolded);
    print_text(p, name, buf_slice(&unfolded));
    buf_fini(&unfolded);
}

static void print_params(struct print *p, struct sip_cursor *c)
{
    struct sip_param param;
    print_list(p, "params");
    while (sip_param_next(c, &param)) {
        print_object(p, NULL);
        print_text(p, "name", param.name);
        if (param.has_value)
            print_value(p, "value", param.value);
        print_end(p);
    }
    print_end(p);
}

static void print_param_list(struct print *p, const struct sip_message *m, struct slice params)
{
    struct sip_cursor c;
    if (!params.n)
        return;
    sip_cursor_init(&c, m->octets, params);
    print_params(p, &c);
}

static void print_uri(struct print *p, struct slice text)
{
    struct sip_uri uri;
    struct e164 number;
    print_object(p, "uri");
    print_text(p, "text", text);
    if (sip_uri_parse(text, &uri, NULL) == 0 && uri.scheme != SIP_SCHEME_OTHER) {
        print_text(p, "scheme", uri.scheme_text);
        print_optional(p, "user", uri.user);
        print_optional(p, "host", uri.host);
        if (uri.port)
            print_number(p, "port", uri.port);
        print_optional(p, "params", uri.params);
        print_optional(p, "headers", uri.headers);
        if (sip_uri_number(&uri, &number))
            print_text(p, "number", e164_slice(&number));
    }
    print_end(p);
}

static void print_vias(struct print *p, const struct sip_message *m, struct sip_cursor *c)
{
    struct sip_via via;
    print_list(p, "values");
    while (sip_read_via(c, &via)) {
        print_object(p, NULL);
        print_text(p, "transport", via.transport);
        print_text(p, "host", via.host);
        if (via.port)
            print_number(p, "port", via.port);
        print_param_list(p, m, via.params);
        print_end(p);
    }
    print_end(p);
}

static void print_addresses(struct print *p, const struct sip_message *m, struct sip_cursor *c)
{
    struct sip_address address;
    print_list(p, "values");
    while (sip_read_address(c, &address)) {
        print_object(p, NULL);
        if (address.is_star)
            print_bool(p, "star", true);
        print_optional(p, "display", address.display);
        if (!address.is_star)
            print_uri(p, address.uri);
        print_param_list(p, m, address.params);
        print_end(p);
    }
    print_end(p);
}

static void print_tokens(struct print *p, struct sip_cursor *c)
{
    struct slice token;
    print_list(p, "values");
    while (sip_read_token(c, &token))
        print_text(p, NULL, token);
    print_end(p);
}

/* The parts of those values that have any; the value as a whole is printed already. */
static void print_parts(struct print *p, const struct sip_message *m, const struct sip_field *f)
{
    struct sip_cursor c = sip_field_cursor(m, f);
    switch (f->header) {
    case SIP_VIA:
        print_vias(p, m, &c);
        break;
    case SIP_CONTACT:
    case SIP_DIVERSION:
    case SIP_FROM:
    case SIP_HISTORY_INFO:
    case SIP_P_ASSERTED_IDENTITY:
    case SIP_P_PREFERRED_IDENTITY:
    case SIP_PATH:
    case SIP_RECORD_ROUTE:
    case SIP_REFER_TO:
    case SIP_REFERRED_BY:
    case SIP_REMOTE_PARTY_ID:
    case SIP_ROUTE:
    case SIP_SERVICE_ROUTE:
    case SIP_TO:
        print_addresses(p, m, &c);
        break;
    case SIP_ALLOW:
    case SIP_ALLOW_EVENTS:
    case SIP_PROXY_REQUIRE:
    case SIP_REQUIRE:
    case SIP_SUPPORTED:
    case SIP_UNSUPPORTED:
        print_tokens(p, &c);
        break;
    default:
        break;
    }
}

static void print_field(struct print *p, const struct sip_message *m, const struct sip_field *f)
{
    print_object(p, NULL);
    print_number(p, "octet", (uint64_t)(f->line.p - m->octets.p));
    print_text(p, "name", f->name);
    if (f->header != SIP_OTHER_HEADER && f->name.n == 1)
        print_word(p, "header", sip_header_name(f->header));
    print_value(p, "value", f->value);
    print_parts(p, m, f);
    print_end(p);
}

static void print_message(struct print *p, const struct sip_message *m)
{
    if (m->is_request) {
        print_text(p, "method", m->method_text);
        print_uri(p, m->uri);
    } else {
        print_number(p, "status", m->status);
        print_text(p, "reason", m->reason);
    }
    print_list(p, "fields");
    for (size_t i = 0; i < m->field_count; i++)
        print_field(p, m, &m->fields[i]);
    print_end(p);
    print_number(p, "body_octets", m->body.n);
    if (m->body.n)
        print_octets(p, "body", m->body);
}

static int read_message(struct region *region, struct slice octets, struct sip_message *m, struct print *p,
                        struct fault *ret_fault)
{
    unsigned status = 400;
    int err = sip_parse(region, octets, SIP_DATAGRAM, m, ret_fault);
    if (err < 0)
        return err;
    err = sip_check(m, &status, ret_fault);
    for (size_t i = 0; !err && i < m->field_count; i++)
        err = sip_check_field(m, &m->fields[i], ret_fault);
    if (err && m->is_request)
        print_code(p, "answer", status, sip_status_reason(status));
    return err;
}

static int decode(struct slice octets, struct print *p, struct buf *reencoded, struct fault *ret_fault)
{
    struct region region;
    struct sip_message m;
    size_t skipped = 0; /* line ends before the message: faults do not count them */
    while (octets.n - skipped >= 2 && memcmp(octets.p + skipped, "\r\n", 2) == 0)
        skipped += 2;
    region_init(&region, REGION_OCTETS_MAX);
    int err = read_message(&region, octets, &m, p, ret_fault);
    ret_fault->octet += err ? skipped : 0;
    if (!err)
        print_message(p, &m);
    if (!err && reencoded) {
        struct sip_edit *e = sip_edit_new(&region, &m);
        err = e ? sip_edit_write(e, reencoded) : ERR_NO_MEMORY;
    }
    region_fini(&region);
    return err;
}

const struct wire_command wire_sip = {
    .name = "sip",
    .summary = "a SIP message (RFC 3261), as it is: not in hexadecimal",
    .is_raw = true,
    .decode = decode,
};
