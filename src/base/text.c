/* Hexadecimal, base64, decimal, domains. */
#include "base/text.h"

static const char hex_digits[] = "0123456789abcdef";

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

const char *hex_format(struct slice s, char *text)
{
    char *at = text;
    for (size_t i = 0; i < s.n; i++) {
        *at++ = hex_digits[s.p[i] >> 4];
        *at++ = hex_digits[s.p[i] & 15];
    }
    *at = 0;
    return text;
}

int hex_parse(struct slice text, uint8_t *ret_octets)
{
    if (text.n % 2)
        return ERR_SYNTAX;
    for (size_t i = 0; i < text.n; i += 2) {
        int high = hex_value(text.p[i]);
        int low = hex_value(text.p[i + 1]);
        if (high < 0 || low < 0)
            return ERR_SYNTAX;
        ret_octets[i / 2] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

void hex_append(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        buf_u8(b, (uint8_t)hex_digits[s.p[i] >> 4]);
        buf_u8(b, (uint8_t)hex_digits[s.p[i] & 15]);
    }
}

int hex_decode(struct slice text, struct buf *ret_octets)
{
    if (text.n % 2)
        return ERR_SYNTAX;
    uint8_t *room = buf_extend(ret_octets, text.n / 2);
    if (!room)
        return ret_octets->err;
    int err = hex_parse(text, room);
    if (err)
        ret_octets->n -= text.n / 2;
    return err;
}

static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_append(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i;
        uint32_t v = (uint32_t)s.p[i] << 16;
        if (left > 1)
            v |= (uint32_t)s.p[i + 1] << 8;
        if (left > 2)
            v |= s.p[i + 2];
        buf_u8(b, (uint8_t)base64_alphabet[v >> 18]);
        buf_u8(b, (uint8_t)base64_alphabet[v >> 12 & 63]);
        buf_u8(b, left > 1 ? (uint8_t)base64_alphabet[v >> 6 & 63] : '=');
        buf_u8(b, left > 2 ? (uint8_t)base64_alphabet[v & 63] : '=');
    }
}

static int base64_value(uint8_t c)
{
    const char *at = c ? strchr(base64_alphabet, c) : NULL;
    return at ? (int)(at - base64_alphabet) : -1;
}

int base64_decode(struct slice text, struct buf *ret_octets)
{
    if (text.n % 4)
        return ERR_SYNTAX;
    size_t start = ret_octets->n;
    for (size_t i = 0; i < text.n; i += 4) {
        bool last = i + 4 == text.n;
        unsigned padding = last ? (unsigned)(text.p[i + 3] == '=') + (text.p[i + 2] == '=') : 0;
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            int digit = k >= 4 - padding && text.p[i + k] == '=' ? 0 : base64_value(text.p[i + k]);
            if (digit < 0)
                goto malformed;
            v = v << 6 | (uint32_t)digit;
        }
        if ((padding == 1 && v & 0xff) || (padding == 2 && v & 0xffff))
            goto malformed;
        buf_u8(ret_octets, (uint8_t)(v >> 16));
        if (padding < 2)
            buf_u8(ret_octets, (uint8_t)(v >> 8));
        if (padding < 1)
            buf_u8(ret_octets, (uint8_t)v);
    }
    return ret_octets->err;

malformed:
    ret_octets->n = start;
    return ERR_SYNTAX;
}

int u64_parse(struct slice text, uint64_t max, uint64_t *ret_value)
{
    uint64_t v = 0;
    if (!text.n)
        return ERR_SYNTAX;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return ERR_SYNTAX;
        uint64_t digit = (uint64_t)(text.p[i] - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return ERR_RANGE;
        v = v * 10 + digit;
    }
    if (v > max)
        return ERR_RANGE;
    *ret_value = v;
    return 0;
}

int u64_hex_parse(struct slice text, uint64_t *ret_value)
{
    uint8_t octets[8];
    if (text.n != 16 || hex_parse(text, octets) < 0)
        return ERR_SYNTAX;
    uint64_t v = 0;
    for (size_t i = 0; i < sizeof octets; i++)
        v = v << 8 | octets[i];
    *ret_value = v;
    return 0;
}

bool text_is_printable(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7e)
            return false;
    return true;
}

/* Octets of the well-formed sequence at the start of s; 0 if there is none (RFC 3629 section 4). */
static size_t utf8_sequence(struct slice s)
{
    uint8_t lead = s.p[0];
    if (lead < 0x80)
        return lead ? 1 : 0;
    size_t octets = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || s.n < octets)
        return 0;
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (s.p[1] < low || s.p[1] > high)
        return 0;
    for (size_t i = 2; i < octets; i++)
        if (s.p[i] < 0x80 || s.p[i] > 0xbf)
            return 0;
    return octets;
}

bool text_is_utf8(struct slice s)
{
    while (s.n) {
        size_t octets = utf8_sequence(s);
        if (!octets)
            return false;
        s = slice_of(s.p + octets, s.n - octets);
    }
    return true;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool text_equal_nocase(struct slice a, struct slice b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool domain_is_valid(struct slice s)
{
    size_t label = 0;
    if (!s.n || s.n > 253)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = lower(s.p[i]);
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (c == '.') {
            if (!label || s.p[i - 1] == '-')
                return false;
            label = 0;
        } else if (alnum || (c == '-' && label)) {
            if (++label > 63)
                return false;
        } else {
            return false;
        }
    }
    return label && s.p[s.n - 1] != '-';
}

struct slice text_cut(struct slice *text, char separator)
{
    struct slice whole = *text;
    const uint8_t *at = whole.n ? memchr(whole.p, separator, whole.n) : NULL;
    if (!at) {
        *text = (struct slice){NULL, 0};
        return whole;
    }
    size_t n = (size_t)(at - whole.p);
    *text = slice_of(at + 1, whole.n - n - 1);
    return slice_of(whole.p, n);
}

struct slice text_trim(struct slice s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = slice_of(s.p + 1, s.n - 1);
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}
