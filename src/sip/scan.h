/* What the readers of messages, header fields and URIs share: classes of characters (RFC 3261 25.1) and steps over them. Private to src/sip. */
#ifndef SIP_SCAN_H
#define SIP_SCAN_H

#include "base/err.h"
#include "base/slice.h"
#include "base/text.h"

enum {
    CHAR_TOKEN = 1 << 0,
    CHAR_WORD = 1 << 1,     /* Call-ID */
    CHAR_USER = 1 << 2,     /* without escapes, like the next three */
    CHAR_PASSWORD = 1 << 3, /* also telephone-subscriber's parameters */
    CHAR_PARAM = 1 << 4,    /* uri-parameter */
    CHAR_HEADER = 1 << 5,   /* hname, hvalue */
    CHAR_HOST = 1 << 6, /* hostname and IPv4; also "_", which names of machines have though the grammar knows it not */
    CHAR_SCHEME = 1 << 7,
    CHAR_VALUE = 1 << 8, /* gen-value that is not quoted: token or host, IPv6 with or without brackets (RFC 5118 4.5) */
    CHAR_DIGIT = 1 << 9,
    CHAR_HEX = 1 << 10,
    CHAR_DIAL = 1 << 11,   /* phonedigit-hex of RFC 3966, visual separators included */
    CHAR_VISUAL = 1 << 12, /* visual-separator */
    CHAR_OPAQUE = 1 << 13, /* in a URI of any scheme */
};

extern const uint16_t sip_chars[256];

/* Behind the last octet; a slice of none may have no address. */
static inline const uint8_t *sip_end_of(struct slice s)
{
    return s.n ? s.p + s.n : s.p;
}

static inline bool sip_is(uint8_t c, unsigned classes)
{
    return (sip_chars[c] & classes) != 0;
}

/* The first octet from p on that is of none of the classes, or end. */
static inline const uint8_t *sip_span(const uint8_t *p, const uint8_t *end, unsigned classes)
{
    while (p < end && sip_is(*p, classes))
        p++;
    return p;
}

/* The same, with escapes ("%" HEXDIG HEXDIG). */
static inline const uint8_t *sip_span_escaped(const uint8_t *p, const uint8_t *end, unsigned classes)
{
    for (;;) {
        p = sip_span(p, end, classes);
        if (end - p < 3 || *p != '%' || !sip_is(p[1], CHAR_HEX) || !sip_is(p[2], CHAR_HEX))
            return p;
        p += 3;
    }
}

/* Behind linear white space (LWS with its folding, SWS), of which there may be none. */
static inline const uint8_t *sip_skip_space(const uint8_t *p, const uint8_t *end)
{
    for (;;) {
        while (p < end && (*p == ' ' || *p == '\t'))
            p++;
        if (end - p < 3 || p[0] != '\r' || p[1] != '\n' || (p[2] != ' ' && p[2] != '\t'))
            return p;
        p += 3;
    }
}

#define SIP_EACH_OCTET(octet) (UINT64_C(0x0101010101010101) * (octet))

/* The high bit of each of eight octets that is below 0x20 or is 0x7f; octets behind the first such one may have it, too. */
static inline uint64_t sip_controls_of_eight(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    uint64_t del = v ^ SIP_EACH_OCTET(0x7fu);
    uint64_t low = (v - SIP_EACH_OCTET(0x20u)) & ~v;
    uint64_t deleted = (del - SIP_EACH_OCTET(1u)) & ~del;
    return (low | deleted) & SIP_EACH_OCTET(0x80u);
}

/* The first control character (tabs, CR and LF are some) from p on, or end. */
static inline const uint8_t *sip_next_control(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 8 && !sip_controls_of_eight(p))
        p += 8;
    while (p < end && *p >= 0x20 && *p != 0x7f)
        p++;
    return p;
}

/* ASCII case-insensitive; most write names as the standard does. */
static inline bool sip_name_is(struct slice name, const char *wanted, size_t octets)
{
    return name.n == octets &&
           (memcmp(name.p, wanted, octets) == 0 || text_equal_nocase(name, slice_of(wanted, octets)));
}

/* Behind a quoted string that begins at p, or NULL with the octet that is wrong in it. */
const uint8_t *sip_skip_quoted(const uint8_t *p, const uint8_t *end, const uint8_t **ret_wrong);

/* A host, and a port if one follows; white space around the colon only if that is allowed (Via). The next octet, or NULL with err, octet, rule. */
struct sip_host {
    struct slice host; /* IPv6 without brackets */
    bool is_ipv6;
    uint16_t port; /* 0: none */
};
const uint8_t *sip_read_host(const uint8_t *p, const uint8_t *end, bool space_allowed, struct sip_host *ret_host,
                             int *ret_err, const uint8_t **ret_wrong, const char **ret_rule);

/* How many octets from the beginning on are a Call-ID (word ["@" word]). */
size_t sip_call_id_span(struct slice text);

/* Decimal digits from p on; the next octet. False (ret_value untouched) if there are none or the value is above max. */
const uint8_t *sip_read_digits(const uint8_t *p, const uint8_t *end, uint32_t max, uint32_t *ret_value, bool *ret_good);

#endif
