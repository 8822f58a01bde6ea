/* URIs: their parts (RFC 3261 19.1, RFC 3966), escapes, and the numbers in them. */
#include "sip/uri.h"

#include "base/text.h"
#include "sip/scan.h"

struct uri_reader {
    const uint8_t *begin;
    const uint8_t *p;
    const uint8_t *end;
    int err;
    struct fault fault;
};

__attribute__((cold)) static void fail(struct uri_reader *r, int err, const uint8_t *at, const char *rule)
{
    if (!r->err) {
        r->err = err;
        r->fault = (struct fault){(size_t)(at - r->begin), rule};
    }
}

static struct slice until(const uint8_t *begin, const uint8_t *end)
{
    return slice_of(begin, (size_t)(end - begin));
}

/* At least one octet of these, or an escape. */
static struct slice read_escaped(struct uri_reader *r, unsigned classes, const char *rule)
{
    const uint8_t *begin = r->p;
    r->p = sip_span_escaped(begin, r->end, classes);
    if (r->p == begin)
        fail(r, ERR_SYNTAX, begin, rule);
    return until(begin, r->p);
}

static bool next_is(const struct uri_reader *r, char c)
{
    return !r->err && r->p < r->end && *r->p == (uint8_t)c;
}

/* All up to the "@", which can stand nowhere else in a URI. */
static void read_userinfo(struct uri_reader *r, struct sip_uri *uri)
{
    const uint8_t *at = memchr(r->p, '@', (size_t)(r->end - r->p));
    if (!at)
        return;
    uri->has_user = true;
    uri->user = read_escaped(r, CHAR_USER, "user, RFC 3261 25.1");
    if (next_is(r, ':')) {
        const uint8_t *begin = ++r->p;
        r->p = sip_span_escaped(begin, at, CHAR_PASSWORD);
        uri->password = until(begin, r->p);
    }
    if (r->p != at)
        fail(r, ERR_SYNTAX, r->p, "user, RFC 3261 25.1");
    r->p = at + 1;
}

static void read_params(struct uri_reader *r, struct sip_uri *uri)
{
    const uint8_t *begin = r->p;
    struct slice names[SIP_URI_PARAMS_MAX];
    for (size_t n = 0; next_is(r, ';'); n++) {
        if (n == SIP_URI_PARAMS_MAX) {
            fail(r, ERR_LIMIT, r->p, "more URI parameters than allowed");
            return;
        }
        r->p++;
        names[n] = read_escaped(r, CHAR_PARAM, "URI parameter, RFC 3261 25.1");
        for (size_t i = 0; i < n && !r->err; i++)
            if (text_equal_nocase(names[i], names[n]))
                fail(r, ERR_SYNTAX, names[n].p, "URI parameter given twice, RFC 3261 19.1.1");
        if (next_is(r, '=')) {
            r->p++;
            read_escaped(r, CHAR_PARAM, "URI parameter's value, RFC 3261 25.1");
        }
    }
    uri->params = until(begin, r->p);
}

static void read_headers(struct uri_reader *r, struct sip_uri *uri)
{
    if (!next_is(r, '?'))
        return;
    const uint8_t *begin = r->p + 1;
    do {
        r->p++;
        read_escaped(r, CHAR_HEADER, "header in a URI, RFC 3261 25.1");
        if (!next_is(r, '='))
            fail(r, ERR_SYNTAX, r->p, "header in a URI, RFC 3261 25.1");
        else
            r->p = sip_span_escaped(r->p + 1, r->end, CHAR_HEADER);
    } while (next_is(r, '&'));
    uri->headers = until(begin, r->p);
}

static void read_sip(struct uri_reader *r, struct sip_uri *uri)
{
    struct sip_host host = {0};
    int err;
    const uint8_t *wrong;
    const char *rule;
    read_userinfo(r, uri);
    if (r->err)
        return;
    const uint8_t *next = sip_read_host(r->p, r->end, false, &host, &err, &wrong, &rule);
    if (!next) {
        fail(r, err, wrong, rule);
        return;
    }
    r->p = next;
    uri->host = host.host;
    uri->host_is_ipv6 = host.is_ipv6;
    uri->port = host.port;
    read_params(r, uri);
    read_headers(r, uri);
}

/* Digits with at least one that is not a visual separator. */
static bool is_number(struct slice s, unsigned classes)
{
    bool any = false;
    for (size_t i = 0; i < s.n; i++) {
        if (!sip_is(s.p[i], classes | CHAR_VISUAL))
            return false;
        any |= !sip_is(s.p[i], CHAR_VISUAL);
    }
    return any;
}

static bool is_global(struct slice number)
{
    return number.n && number.p[0] == '+' && is_number(slice_of(number.p + 1, number.n - 1), CHAR_DIGIT);
}

static bool is_context(struct slice s)
{
    size_t i = 0;
    while (i < s.n && (sip_is(s.p[i], CHAR_HOST)))
        i++;
    return is_global(s) || (s.n && i == s.n && s.p[0] != '.' && s.p[0] != '-');
}

static void read_tel(struct uri_reader *r, struct sip_uri *uri)
{
    const uint8_t *begin = r->p;
    bool global = next_is(r, '+');
    while (r->p < r->end && *r->p != ';' && (sip_is(*r->p, CHAR_DIAL) || (global && r->p == begin)))
        r->p++;
    uri->has_user = true;
    uri->user = until(begin, r->p);
    if (global ? !is_global(uri->user) : !is_number(uri->user, CHAR_DIAL))
        fail(r, ERR_SYNTAX, begin, global ? "global number, RFC 3966 3" : "local number, RFC 3966 3");
    read_params(r, uri);
    if (r->err)
        return;
    struct slice value;
    if (sip_uri_param(uri, "phone-context", &value)) {
        if (!is_context(value))
            fail(r, ERR_SYNTAX, value.p ? value.p : begin, "phone-context, RFC 3966 3");
    } else if (!global) {
        fail(r, ERR_SYNTAX, r->p, "local number without phone-context, RFC 3966 5.1.5");
    }
    if (sip_uri_param(uri, "ext", &value) && !is_number(value, CHAR_DIGIT))
        fail(r, ERR_SYNTAX, value.p ? value.p : begin, "extension, RFC 3966 3");
}

static enum sip_scheme find_scheme(struct slice text)
{
    if (text_equal_nocase(text, slice_str("sip")))
        return SIP_SCHEME_SIP;
    if (text_equal_nocase(text, slice_str("sips")))
        return SIP_SCHEME_SIPS;
    return text_equal_nocase(text, slice_str("tel")) ? SIP_SCHEME_TEL : SIP_SCHEME_OTHER;
}

int sip_uri_parse(struct slice text, struct sip_uri *ret_uri, struct fault *ret_fault)
{
    struct sip_uri uri = {.whole = text};
    struct uri_reader r = {.begin = text.p, .p = text.p, .end = sip_end_of(text)};
    const uint8_t *colon = sip_span(r.p, r.end, CHAR_SCHEME);
    bool alpha = text.n && ((text.p[0] | 0x20) >= 'a' && (text.p[0] | 0x20) <= 'z');
    if (!alpha || colon == r.end || *colon != ':') {
        fail(&r, ERR_SYNTAX, alpha ? colon : r.p, "scheme, RFC 3261 25.1");
    } else {
        uri.scheme_text = until(r.p, colon);
        uri.scheme = find_scheme(uri.scheme_text);
        r.p = colon + 1;
        if (uri.scheme == SIP_SCHEME_TEL)
            read_tel(&r, &uri);
        else if (uri.scheme != SIP_SCHEME_OTHER)
            read_sip(&r, &uri);
        else
            uri.user = read_escaped(&r, CHAR_OPAQUE, "URI, RFC 3261 25.1");
        if (r.p < r.end)
            fail(&r, ERR_SYNTAX, r.p, "octet that may not stand in a URI, RFC 3261 25.1");
    }
    if (r.err) {
        if (ret_fault)
            *ret_fault = r.fault;
        return r.err;
    }
    *ret_uri = uri;
    return 0;
}

bool sip_uri_param(const struct sip_uri *uri, const char *name, struct slice *ret_value)
{
    struct slice rest = uri->params, wanted = slice_str(name);
    if (!rest.n)
        return false;
    rest = slice_of(rest.p + 1, rest.n - 1); /* the semicolon */
    while (rest.p) {
        struct slice value = text_cut(&rest, ';');
        struct slice found = text_cut(&value, '=');
        if (text_equal_nocase(found, wanted)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* ---- escapes ---- */

static unsigned digit(uint8_t c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

/* The octet at i, which is moved behind it; -1 for a broken escape. */
static int next_octet(struct slice s, size_t *i)
{
    uint8_t c = s.p[(*i)++];
    if (c != '%')
        return c;
    if (s.n - *i < 2 || !sip_is(s.p[*i], CHAR_HEX) || !sip_is(s.p[*i + 1], CHAR_HEX))
        return -1;
    unsigned octet = digit(s.p[*i]) << 4 | digit(s.p[*i + 1]);
    *i += 2;
    return (int)octet;
}

int sip_unescape(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.n;) {
        int octet = next_octet(text, &i);
        if (octet < 0)
            return ERR_SYNTAX;
        buf_u8(out, (uint8_t)octet);
    }
    return out->err;
}

void sip_escape_user(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        if (sip_is(text.p[i], CHAR_USER))
            buf_u8(out, text.p[i]);
        else
            buf_printf(out, "%%%02X", text.p[i]);
    }
}

/* ---- numbers ---- */

/* Without escapes and visual separators, up to the number's own parameters; false if it is longer than max or has other characters than these. */
static bool plain_number(struct slice user, size_t max, char *ret_text)
{
    size_t n = 0;
    for (size_t i = 0; i < user.n && user.p[i] != ';';) {
        int c = next_octet(user, &i);
        if (c < 0 || c > 0x7f)
            return false;
        if (sip_is((uint8_t)c, CHAR_VISUAL))
            continue;
        bool letter = (c >= 'A' && c <= 'D') || (c >= 'a' && c <= 'd');
        if (!(sip_is((uint8_t)c, CHAR_DIGIT) || c == '*' || c == '#' || letter || (c == '+' && n == 0)) || n == max)
            return false;
        ret_text[n++] = (char)(letter ? c & ~0x20 : c);
    }
    ret_text[n] = 0;
    return n != 0;
}

bool sip_uri_dialed(const struct sip_uri *uri, char ret_text[SIP_DIALED_MAX + 1])
{
    char text[SIP_DIALED_MAX + 1];
    if (uri->scheme == SIP_SCHEME_OTHER || !uri->has_user || !plain_number(uri->user, SIP_DIALED_MAX, text) ||
        strcmp(text, "+") == 0)
        return false;
    memcpy(ret_text, text, sizeof text);
    return true;
}

bool sip_uri_number(const struct sip_uri *uri, struct e164 *ret_number)
{
    char text[SIP_DIALED_MAX + 1];
    return sip_uri_dialed(uri, text) && e164_parse(slice_str(text), ret_number);
}
