/* URIs and texts that said something of the inside, written anew. */
#include "edge/alg_private.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

struct slice alg_keep(struct buf *b, const struct alg_way *way)
{
    struct slice kept = b->err ? (struct slice){0} : region_copy(way->region, buf_slice(b));
    buf_fini(b);
    return kept;
}

struct slice alg_print(const struct alg_way *way, const char *format, ...)
{
    struct buf b;
    va_list args;
    buf_init(&b, ALG_TEXT_OCTETS_MAX);
    va_start(args, format);
    buf_vprintf(&b, format, args);
    va_end(args);
    return alg_keep(&b, way);
}

/* ---- what is hidden ---- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Without escapes; what is none stays, for in some values "%" is a letter like others. */
static void put_plain(struct buf *b, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        const int high = text.p[i] == '%' && i + 2 < text.n ? hex_digit(text.p[i + 1]) : -1;
        const int low = high >= 0 ? hex_digit(text.p[i + 2]) : -1;
        buf_u8(b, low >= 0 ? (uint8_t)(high * 16 + low) : text.p[i]);
        i += low >= 0 ? 2 : 0;
    }
}

/* What there is no memory to look at is hidden. */
bool alg_value_is_hidden(const struct alg_way *way, struct slice value)
{
    struct buf plain;
    bool hidden = alg_find_hidden(way->options, value).n > 0;
    if (hidden || !value.n || !memchr(value.p, '%', value.n))
        return hidden;
    buf_init(&plain, ALG_TEXT_OCTETS_MAX);
    put_plain(&plain, value);
    hidden = plain.err || alg_find_hidden(way->options, buf_slice(&plain)).n > 0;
    buf_fini(&plain);
    return hidden;
}

/* The next of the parameters of a URI (";a=b"), or of its headers ("?a=b&c=d"), its separator included. */
static bool cut_part(struct slice *rest, char separator, struct slice *ret_part, struct slice *ret_name,
                     struct slice *ret_value)
{
    if (!rest->n)
        return false;
    const uint8_t *end = memchr(rest->p + 1, separator, rest->n - 1);
    const size_t n = end ? (size_t)(end - rest->p) : rest->n;
    *ret_part = slice_of(rest->p, n);
    *ret_value = slice_of(rest->p + 1, n - 1);
    *ret_name = text_cut(ret_value, '=');
    *rest = slice_of(rest->p + n, rest->n - n);
    return true;
}

/* A header of a URI that names a dialog: its Call-ID is the ends' own. */
static bool names_dialog(struct slice name)
{
    return sip_token_eq_str(name, "Replaces") || sip_token_eq_str(name, "Join") ||
           sip_token_eq_str(name, "Target-Dialog") || sip_token_eq_str(name, "In-Reply-To") ||
           sip_token_eq_str(name, "Call-ID");
}

static bool param_is_hidden(const struct alg_way *way, struct slice name, struct slice value)
{
    return (sip_token_eq_str(name, "maddr") && alg_hides_host(way->options, value)) || alg_value_is_hidden(way, name) ||
           alg_value_is_hidden(way, value);
}

static bool header_is_hidden(const struct alg_way *way, struct slice name, struct slice value)
{
    return !names_dialog(name) && alg_value_is_hidden(way, value);
}

/* The question mark before the first header is where the others have their "&". */
static struct slice headers_of(const struct sip_uri *uri)
{
    return uri->headers.n ? slice_of(uri->headers.p - 1, uri->headers.n + 1) : (struct slice){0};
}

bool alg_uri_is_hidden(const struct alg_way *way, const struct sip_uri *uri)
{
    struct slice rest = uri->params, part, name, value;
    if (alg_hides_host(way->options, uri->host))
        return true;
    while (cut_part(&rest, ';', &part, &name, &value)) {
        if (param_is_hidden(way, name, value))
            return true;
    }
    rest = headers_of(uri);
    while (cut_part(&rest, '&', &part, &name, &value)) {
        if (header_is_hidden(way, name, value))
            return true;
    }
    return false;
}

/* ---- written anew ---- */

static void put_params(struct buf *b, const struct alg_way *way, const struct sip_uri *uri, bool with_transport)
{
    static const char *const transports[] = {";transport=udp", ";transport=tcp", ";transport=tls"};
    struct slice rest = uri->params, part, name, value;
    bool said = false;
    while (cut_part(&rest, ';', &part, &name, &value)) {
        if (with_transport && sip_token_eq_str(name, "transport")) {
            buf_str(b, transports[way->transport]);
            said = true;
        } else if (!sip_token_eq_str(name, "maddr") && !param_is_hidden(way, name, value)) {
            buf_slice_put(b, part);
        }
    }
    if (with_transport && !said)
        buf_str(b, transports[way->transport]);
}

static void put_headers(struct buf *b, const struct alg_way *way, const struct sip_uri *uri)
{
    struct slice rest = headers_of(uri), part, name, value;
    char separator = '?';
    while (cut_part(&rest, '&', &part, &name, &value)) {
        if (header_is_hidden(way, name, value))
            continue;
        buf_u8(b, (uint8_t)separator);
        buf_put(b, part.p + 1, part.n - 1);
        separator = '&';
    }
}

struct slice alg_uri_at(const struct alg_way *way, const struct sip_uri *uri, struct slice host_port,
                        bool with_transport)
{
    struct buf b;
    const bool secure = uri->scheme == SIP_SCHEME_SIPS && (way->transport == SIP_TLS || !with_transport);
    if (!host_port.p)
        return host_port;
    buf_init(&b, ALG_TEXT_OCTETS_MAX);
    buf_str(&b, secure ? "sips:" : "sip:");
    if (uri->has_user) {
        buf_slice_put(&b, uri->user);
        if (uri->password.p) {
            buf_u8(&b, ':');
            buf_slice_put(&b, uri->password);
        }
        buf_u8(&b, '@');
    }
    buf_slice_put(&b, host_port);
    put_params(&b, way, uri, with_transport);
    put_headers(&b, way, uri);
    return alg_keep(&b, way);
}

struct slice alg_host_port(const struct alg_way *way, const struct sip_uri *uri)
{
    const char *open = uri->host_is_ipv6 ? "[" : "", *close = uri->host_is_ipv6 ? "]" : "";
    if (!uri->port)
        return alg_print(way, "%s%.*s%s", open, SLICE_PRINT(uri->host), close);
    return alg_print(way, "%s%.*s%s:%u", open, SLICE_PRINT(uri->host), close, uri->port);
}

bool alg_is_sip(const struct sip_uri *uri)
{
    return uri->scheme == SIP_SCHEME_SIP || uri->scheme == SIP_SCHEME_SIPS;
}

struct slice alg_masked(const struct alg_way *way, struct slice text)
{
    struct slice rest = text, hidden = alg_find_hidden(way->options, rest);
    struct buf b;
    if (!hidden.n)
        return text;
    buf_init(&b, ALG_TEXT_OCTETS_MAX);
    for (; hidden.n; hidden = alg_find_hidden(way->options, rest)) {
        const uint8_t *begin = hidden.p, *end = hidden.p + hidden.n;
        while (begin > rest.p && (begin[-1] == '.' || (begin[-1] >= '0' && begin[-1] <= '9')))
            begin--; /* nothing that would be an address without what was behind it */
        if (begin > rest.p && begin[-1] == '[' && end < rest.p + rest.n && *end == ']') {
            begin--;
            end++;
        }
        buf_put(&b, rest.p, (size_t)(begin - rest.p));
        buf_str(&b, way->domain);
        rest = slice_of(end, (size_t)(rest.p + rest.n - end));
    }
    buf_slice_put(&b, rest);
    return alg_keep(&b, way);
}
