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

/* 1 + the value of each digit of the alphabet, 0 for other characters. */
static const uint8_t base64_values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

/* Four characters, of which the last `padding` are "=", into three octets; false if they are not that, or leave bits over. */
static bool base64_quad(const uint8_t *text, unsigned padding, uint8_t ret_octets[3])
{
    uint32_t v = 0;
    for (unsigned k = 0; k < 4; k++) {
        uint8_t value = k >= 4 - padding ? 1 : base64_values[text[k]];
        if (!value)
            return false;
        v = v << 6 | (value - 1u);
    }
    ret_octets[0] = (uint8_t)(v >> 16);
    ret_octets[1] = (uint8_t)(v >> 8);
    ret_octets[2] = (uint8_t)v;
    return (padding < 1 || !ret_octets[2]) && (padding < 2 || !ret_octets[1]);
}

int base64_decode(struct slice text, struct buf *ret_octets)
{
    if (text.n % 4)
        return ERR_SYNTAX;
    size_t start = ret_octets->n;
    size_t last_padding = text.n && text.p[text.n - 1] == '=' ? text.p[text.n - 2] == '=' ? 2 : 1 : 0;
    uint8_t *room = buf_extend(ret_octets, text.n / 4 * 3 - last_padding);
    if (!room)
        return ret_octets->err;
    for (size_t i = 0; i < text.n; i += 4) {
        unsigned padding = i + 4 < text.n ? 0 : (unsigned)last_padding;
        uint8_t octets[3];
        if (!base64_quad(text.p + i, padding, octets)) {
            ret_octets->n = start;
            return ERR_SYNTAX;
        }
        memcpy(room, octets, 3 - padding);
        room += 3 - padding;
    }
    return 0;
}

char *decimal_put(uint32_t v, char *text)
{
    char digits[DECIMAL_OCTETS];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n)
        *text++ = digits[--n];
    *text = '\0';
    return text;
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

const char *text_lower(struct slice s, char *text)
{
    for (size_t i = 0; i < s.n; i++)
        text[i] = (char)lower(s.p[i]);
    text[s.n] = 0;
    return text;
}

void text_keep(struct slice s, char *text, size_t octets)
{
    const size_t n = s.n < octets ? s.n : octets - 1;
    if (n)
        memcpy(text, s.p, n);
    text[n] = '\0';
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
