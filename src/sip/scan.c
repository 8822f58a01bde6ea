/* Classes of characters, quoted strings, hosts and numbers. */
#include "sip/scan.h"

#include "base/addr.h"
#include "base/text.h"

#define IN(c, low, high) ((c) >= (low) && (c) <= (high))
#define ALPHA(c) (IN(c, 'a', 'z') || IN(c, 'A', 'Z'))
#define DIGIT(c) IN(c, '0', '9')
#define ALNUM(c) (ALPHA(c) || DIGIT(c))
#define HEX(c) (DIGIT(c) || IN(c, 'a', 'f') || IN(c, 'A', 'F'))
#define DOT_DASH(c) ((c) == '-' || (c) == '.')
/* mark without "-", "." */
#define MARK(c) ((c) == '_' || (c) == '!' || (c) == '~' || (c) == '*' || (c) == '\'' || (c) == '(' || (c) == ')')
#define UNRESERVED(c) (ALNUM(c) || DOT_DASH(c) || MARK(c))
#define TOKEN(c)                                                                                                    \
    (ALNUM(c) || DOT_DASH(c) || (c) == '!' || (c) == '%' || (c) == '*' || (c) == '_' || (c) == '+' || (c) == '`' || \
     (c) == '\'' || (c) == '~')
#define WORD(c)                                                                                                     \
    (TOKEN(c) || (c) == '(' || (c) == ')' || (c) == '<' || (c) == '>' || (c) == ':' || (c) == '\\' || (c) == '"' || \
     (c) == '/' || (c) == '[' || (c) == ']' || (c) == '?' || (c) == '{' || (c) == '}')
#define PASSWORD(c) (UNRESERVED(c) || (c) == '&' || (c) == '=' || (c) == '+' || (c) == '$' || (c) == ',')
#define USER(c) (PASSWORD(c) || (c) == ';' || (c) == '?' || (c) == '/')
#define BRACKETED(c) ((c) == '[' || (c) == ']' || (c) == '/' || (c) == ':' || (c) == '+' || (c) == '$')
#define PARAM(c) (UNRESERVED(c) || BRACKETED(c) || (c) == '&')
#define HEADER(c) (UNRESERVED(c) || BRACKETED(c) || (c) == '?')
#define VISUAL(c) (DOT_DASH(c) || (c) == '(' || (c) == ')')
#define DIAL(c) (HEX(c) || VISUAL(c) || (c) == '*' || (c) == '#')
#define OPAQUE(c) (IN(c, 0x21, 0x7e) && (c) != '<' && (c) != '>' && (c) != '"')

#define CLASSES(c)                                                                                                   \
    (uint16_t)((TOKEN(c) ? CHAR_TOKEN : 0) | (WORD(c) ? CHAR_WORD : 0) | (USER(c) ? CHAR_USER : 0) |                 \
               (PASSWORD(c) ? CHAR_PASSWORD : 0) | (PARAM(c) ? CHAR_PARAM : 0) | (HEADER(c) ? CHAR_HEADER : 0) |     \
               (ALNUM(c) || DOT_DASH(c) || (c) == '_' ? CHAR_HOST : 0) |                                             \
               (ALNUM(c) || DOT_DASH(c) || (c) == '+' ? CHAR_SCHEME : 0) |                                           \
               (TOKEN(c) || (c) == '[' || (c) == ']' || (c) == ':' ? CHAR_VALUE : 0) | (DIGIT(c) ? CHAR_DIGIT : 0) | \
               (HEX(c) ? CHAR_HEX : 0) | (DIAL(c) ? CHAR_DIAL : 0) | (VISUAL(c) ? CHAR_VISUAL : 0) |                 \
               (OPAQUE(c) ? CHAR_OPAQUE : 0))
#define FOUR(c) CLASSES(c), CLASSES((c) + 1), CLASSES((c) + 2), CLASSES((c) + 3)
#define SIXTEEN(c) FOUR(c), FOUR((c) + 4), FOUR((c) + 8), FOUR((c) + 12)

/* The upper half is of no class: UTF-8 stands only in quoted strings, reason phrases and text. */
const uint16_t sip_chars[256] = {SIXTEEN(0),  SIXTEEN(16), SIXTEEN(32), SIXTEEN(48),
                                 SIXTEEN(64), SIXTEEN(80), SIXTEEN(96), SIXTEEN(112)};

const uint8_t *sip_skip_quoted(const uint8_t *p, const uint8_t *end, const uint8_t **ret_wrong)
{
    const uint8_t *begin = p++;
    bool ascii = true;
    for (; p < end; p++) {
        if (*p == '"') {
            if (ascii || text_is_utf8(slice_of(begin + 1, (size_t)(p - begin - 1))))
                return p + 1;
            break;
        }
        if (*p == '\\') {
            if (end - p < 2 || p[1] == '\r' || p[1] == '\n' || p[1] > 0x7f)
                break;
            p++;
        } else if (*p >= 0x80) {
            ascii = false;
        } else if (*p < 0x20 || *p == 0x7f) {
            const uint8_t *next = sip_skip_space(p, end);
            if (next == p)
                break;
            p = next - 1;
        }
    }
    *ret_wrong = p;
    return NULL;
}

const uint8_t *sip_read_digits(const uint8_t *p, const uint8_t *end, uint32_t max, uint32_t *ret_value, bool *ret_good)
{
    uint64_t value = 0;
    bool good = p < end && sip_is(*p, CHAR_DIGIT);
    for (; p < end && sip_is(*p, CHAR_DIGIT); p++) {
        if (value <= max)
            value = 10 * value + (uint64_t)(*p - '0');
    }
    *ret_good = good && value <= max;
    if (*ret_good)
        *ret_value = (uint32_t)value;
    return p;
}

size_t sip_call_id_span(struct slice text)
{
    const uint8_t *end = sip_end_of(text);
    const uint8_t *p = sip_span(text.p, end, CHAR_WORD);
    if (p > text.p && end - p > 1 && *p == '@' && sip_is(p[1], CHAR_WORD))
        p = sip_span(p + 1, end, CHAR_WORD);
    return (size_t)(p - text.p);
}

/* Four numbers up to 255. */
static bool is_ipv4(struct slice host)
{
    unsigned number = 0, digits = 0, dots = 0;
    for (size_t i = 0; i < host.n; i++) {
        if (host.p[i] == '.') {
            if (!digits)
                return false;
            dots++;
            digits = number = 0;
        } else if (!DIGIT(host.p[i])) {
            return false;
        } else {
            number = 10 * number + (unsigned)(host.p[i] - '0');
            if (++digits > 3 || number > 255)
                return false;
        }
    }
    return dots == 3 && digits;
}

/* Dots stand behind something. */
static bool labels_are_good(struct slice host)
{
    const uint8_t *end = host.p + host.n;
    for (const uint8_t *p = host.p; (p = memchr(p, '.', (size_t)(end - p))); p++) {
        if (p == host.p || p[-1] == '.')
            return false;
    }
    return true;
}

/* Labels are not empty, but for a dot at the end; what looks like an IPv4 address is one. */
static bool name_is_good(struct slice host)
{
    bool numeric = true;
    if (host.n == 0 || host.n > 255)
        return false;
    if (ALPHA(host.p[host.n - 1]))
        return labels_are_good(host);
    if (is_ipv4(host))
        return true;
    for (size_t i = 0; numeric && i < host.n; i++)
        numeric = host.p[i] == '.' || DIGIT(host.p[i]);
    return !numeric && labels_are_good(host);
}

const uint8_t *sip_read_host(const uint8_t *p, const uint8_t *end, bool space_allowed, struct sip_host *ret_host,
                             int *ret_err, const uint8_t **ret_wrong, const char **ret_rule)
{
    struct sip_host h = {0};
    *ret_err = ERR_SYNTAX;
    *ret_wrong = p;
    if (p < end && *p == '[') {
        const uint8_t *close = memchr(p, ']', (size_t)(end - p));
        struct addr addr;
        *ret_rule = "IPv6 address, RFC 3261 25.1";
        if (!close || addr_parse(slice_of(p, (size_t)(close + 1 - p)), 1, &addr) < 0 || addr.family != 6)
            return NULL;
        h.host = slice_of(p + 1, (size_t)(close - p - 1));
        h.is_ipv6 = true;
        p = close + 1;
    } else {
        const uint8_t *begin = p;
        p = sip_span(p, end, CHAR_HOST);
        h.host = slice_of(begin, (size_t)(p - begin));
        *ret_rule = "host, RFC 3261 25.1";
        if (!name_is_good(h.host))
            return NULL;
    }
    const uint8_t *colon = space_allowed ? sip_skip_space(p, end) : p;
    if (colon < end && *colon == ':') {
        uint32_t port = 0;
        bool good;
        p = space_allowed ? sip_skip_space(colon + 1, end) : colon + 1;
        *ret_wrong = p;
        *ret_rule = "port, RFC 3261 25.1";
        const uint8_t *next = sip_read_digits(p, end, 65535, &port, &good);
        if (!good || port == 0) {
            *ret_err = next == p ? ERR_SYNTAX : ERR_RANGE;
            return NULL;
        }
        h.port = (uint16_t)port;
        p = next;
    }
    *ret_err = 0;
    *ret_host = h;
    return p;
}
