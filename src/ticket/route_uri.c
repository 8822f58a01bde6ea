/* The SIP URI of a route: who serves the number, and where its border element is. */
#include "base/text.h"
#include "ticket/valinfo.h"

/* A cursor over the text, so that faults have positions. */
struct uri_reader {
    struct slice text;
    size_t at;
};

static int fault_at(struct fault *ret_fault, int err, size_t octet, const char *rule)
{
    if (ret_fault)
        *ret_fault = (struct fault){octet, rule};
    return err;
}

/* Up to the separator, which is skipped; false if it does not come. */
static bool cut(struct uri_reader *u, char separator, struct slice *ret_part)
{
    const uint8_t *from = u->text.p + u->at;
    size_t left = u->text.n - u->at;
    const uint8_t *end = left ? memchr(from, separator, left) : NULL;
    if (!end)
        return false;
    *ret_part = slice_of(from, (size_t)(end - from));
    u->at += ret_part->n + 1;
    return true;
}

/* RFC 3261 section 25.1: unreserved, escaped or user-unreserved. */
static bool is_agent_id(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        uint8_t octet;
        if (c == '%' && i + 2 < s.n && hex_parse(slice_of(s.p + i + 1, 2), &octet) == 0)
            i += 2;
        else if (!alnum && (!c || !strchr("-_.!~*'()&=+$,;?/", c)))
            return false;
    }
    return s.n > 0;
}

/* An IPv4 address, or an IPv6 address in brackets, and no port behind it. */
static bool is_bare_ip(struct slice s)
{
    if (!s.n)
        return false;
    return s.p[0] == '[' ? s.p[s.n - 1] == ']' : !memchr(s.p, ':', s.n);
}

static int take_parameter(struct slice parameter, struct route_uri *uri, bool *has_transport)
{
    struct slice value = parameter;
    struct slice name = text_cut(&value, '=');
    if (text_equal_nocase(name, slice_str("maddr"))) {
        if (uri->address.family || !is_bare_ip(value))
            return ERR_SYNTAX;
        return addr_parse(value, uri->port, &uri->address);
    }
    if (text_equal_nocase(name, slice_str("transport"))) {
        if (*has_transport || !value.p || !text_equal_nocase(value, slice_str("tcp")))
            return ERR_SYNTAX;
        *has_transport = true;
        return 0;
    }
    return ERR_SYNTAX;
}

int route_uri_parse(struct slice text, struct route_uri *ret_uri, struct fault *ret_fault)
{
    struct uri_reader u = {text, 0};
    struct route_uri uri = {0};
    struct slice part;
    uint64_t port;
    bool has_transport = false;
    if (text.n > VALINFO_URI_OCTETS_MAX)
        return fault_at(ret_fault, ERR_LIMIT, VALINFO_URI_OCTETS_MAX, "length of a SIPURI");
    if (!cut(&u, ':', &part) || !text_equal_nocase(part, slice_str("sip")))
        return fault_at(ret_fault, ERR_SYNTAX, 0, "the scheme is sip");
    size_t at = u.at;
    if (!cut(&u, '@', &uri.agent_id) || !is_agent_id(uri.agent_id))
        return fault_at(ret_fault, ERR_SYNTAX, at, "agent id before @, RFC 3261 25.1");
    at = u.at;
    if (!cut(&u, ':', &uri.domain) || !domain_is_valid(uri.domain))
        return fault_at(ret_fault, ERR_SYNTAX, at, "domain name before the port");
    at = u.at;
    if (!cut(&u, ';', &part) || u64_parse(part, 65535, &port) < 0 || !port)
        return fault_at(ret_fault, ERR_RANGE, at, "port of 1 to 65535, before the parameters");
    uri.port = (uint16_t)port;
    struct slice rest = slice_of(text.p + u.at, text.n - u.at);
    while (rest.p) {
        at = (size_t)(rest.p - text.p);
        int err = take_parameter(text_cut(&rest, ';'), &uri, &has_transport);
        if (err)
            return fault_at(ret_fault, err, at, "parameters are maddr=<ip> and transport=tcp, once each");
    }
    if (!uri.address.family)
        return fault_at(ret_fault, ERR_SYNTAX, text.n, "maddr is there");
    *ret_uri = uri;
    return 0;
}

int route_uri_format(const struct route_uri *uri, struct buf *ret_text)
{
    char ip[ADDR_TEXT_OCTETS];
    if (!is_agent_id(uri->agent_id) || !domain_is_valid(uri->domain) || !uri->port || !uri->address.family)
        return ERR_RANGE;
    bool is_ip6 = uri->address.family == 6;
    buf_printf(ret_text, "sip:%.*s@%.*s:%u;maddr=%s%s%s;transport=tcp", SLICE_PRINT(uri->agent_id),
               SLICE_PRINT(uri->domain), uri->port, is_ip6 ? "[" : "", addr_format_ip(&uri->address, ip),
               is_ip6 ? "]" : "");
    return ret_text->err;
}
