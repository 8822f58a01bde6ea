/* Both back ends of the tree writer. */
#include "print.h"

#include "base/text.h"
#include "base/time.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define OCTETS_SHOWN 32

/* A comma, a line's indentation, the name: whatever comes before a value or a group. */
static void lead(struct print *p, const char *name)
{
    assert(p->depth > 0);
    assert((name == NULL) == p->levels[p->depth - 1].list);
    unsigned count = p->levels[p->depth - 1].count++;
    if (p->json) {
        if (count)
            buf_str(p->out, ",");
        if (name)
            buf_printf(p->out, "\"%s\":", name);
        return;
    }
    for (unsigned i = 1; i < p->depth && !p->item; i++)
        buf_str(p->out, "  ");
    p->item = false;
    if (name)
        buf_printf(p->out, "%s:", name);
    else
        buf_str(p->out, "-");
}

static void value(struct print *p, const char *name, const char *text)
{
    lead(p, name);
    buf_printf(p->out, p->json ? "%s" : " %s\n", text);
}

static void push(struct print *p, bool list)
{
    assert(p->depth < PRINT_DEPTH_MAX);
    p->levels[p->depth].list = list;
    p->levels[p->depth].count = 0;
    p->depth++;
    if (p->json)
        buf_str(p->out, list ? "[" : "{");
}

void print_init(struct print *p, bool json, struct buf *out)
{
    p->out = out;
    p->json = json;
    p->item = false;
    p->depth = 0;
    push(p, false);
}

void print_fini(struct print *p)
{
    assert(p->depth == 1);
    p->depth = 0;
    buf_str(p->out, p->json ? "}\n" : "");
}

void print_object(struct print *p, const char *name)
{
    lead(p, name);
    p->item = !name && !p->json;
    if (!p->json)
        buf_str(p->out, p->item ? " " : "\n");
    push(p, false);
}

void print_list(struct print *p, const char *name)
{
    lead(p, name);
    buf_str(p->out, p->json ? "" : "\n");
    push(p, true);
}

void print_end(struct print *p)
{
    assert(p->depth > 1);
    p->depth--;
    if (p->json) {
        buf_str(p->out, p->levels[p->depth].list ? "]" : "}");
        return;
    }
    if (!p->levels[p->depth].count) {
        p->out->n -= p->out->n > 0; /* "via_list:" alone in its line reads as if something were missing */
        p->item = false;
        buf_str(p->out, " (none)\n");
    }
}

void print_number(struct print *p, const char *name, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    value(p, name, text);
}

void print_bool(struct print *p, const char *name, bool truth)
{
    value(p, name, truth ? "true" : "false");
}

/* A string of JSON: quotes, backslashes and control characters escaped. */
static void json_string(struct buf *out, struct slice s)
{
    buf_str(out, "\"");
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_printf(out, "\\%c", s.p[i]);
        else if (s.p[i] < 0x20 || s.p[i] == 0x7f)
            buf_printf(out, "\\u%04x", s.p[i]);
        else
            buf_u8(out, s.p[i]);
    }
    buf_str(out, "\"");
}

/* A second member that goes with the one before: only JSON needs it. */
static void json_companion(struct print *p, const char *name, const char *suffix, const char *text)
{
    buf_printf(p->out, ",\"%s%s\":", name, suffix);
    json_string(p->out, slice_str(text));
}

/* `text` is the number as people read it. */
static void code(struct print *p, const char *name, uint64_t number, const char *text, const char *word)
{
    lead(p, name);
    if (p->json) {
        buf_printf(p->out, "%" PRIu64, number);
        if (word && name)
            json_companion(p, name, "_name", word);
    } else if (word) {
        buf_printf(p->out, " %s (%s)\n", word, text);
    } else {
        buf_printf(p->out, " %s\n", text);
    }
}

void print_code(struct print *p, const char *name, uint64_t number, const char *word)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    code(p, name, number, text, word);
}

void print_code_hex(struct print *p, const char *name, uint64_t number, unsigned octets, const char *word)
{
    char text[24];
    snprintf(text, sizeof text, "0x%0*" PRIx64, (int)(2 * octets), number);
    code(p, name, number, text, word);
}

void print_number_hex(struct print *p, const char *name, uint64_t number, unsigned octets)
{
    lead(p, name);
    buf_printf(p->out, p->json ? "\"0x%0*" PRIx64 "\"" : " 0x%0*" PRIx64 "\n", (int)(2 * octets), number);
}

void print_octets(struct print *p, const char *name, struct slice octets)
{
    lead(p, name);
    if (p->json) {
        buf_str(p->out, "\"");
        hex_append(p->out, octets);
        buf_str(p->out, "\"");
        return;
    }
    buf_str(p->out, octets.n ? " " : " (empty)");
    bool cut = octets.n > OCTETS_SHOWN;
    hex_append(p->out, slice_of(octets.p, cut ? OCTETS_SHOWN : octets.n));
    if (cut)
        buf_printf(p->out, "… (%zu octets)", octets.n);
    buf_str(p->out, "\n");
}

/* The octets of the UTF-8 character at the beginning; 0 if there is none that may be shown (RFC 3629: shortest form, no
 * surrogates). */
static size_t character(struct slice s)
{
    uint8_t lead_octet = s.p[0];
    if (lead_octet < 0x80)
        return lead_octet >= 0x20 && lead_octet != 0x7f;
    size_t n = lead_octet >= 0xf0 ? 4 : lead_octet >= 0xe0 ? 3 : 2;
    if (lead_octet < 0xc2 || lead_octet > 0xf4 || s.n < n)
        return 0;
    uint32_t code = lead_octet & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s.p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s.p[i] & 0x3f);
    }
    bool shortest = n == 2 ? code >= 0xa0 : n == 3 ? code >= 0x800 : code >= 0x10000;
    return shortest && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? n : 0;
}

static bool showable(struct slice s)
{
    while (s.n) {
        size_t n = character(s);
        if (!n)
            return false;
        s = slice_of(s.p + n, s.n - n);
    }
    return true;
}

void print_text(struct print *p, const char *name, struct slice text)
{
    if (!showable(text)) {
        char hex_name[64];
        snprintf(hex_name, sizeof hex_name, "%s_hex", name ? name : "");
        print_octets(p, name ? hex_name : NULL, text);
        return;
    }
    lead(p, name);
    buf_str(p->out, p->json ? "" : " ");
    json_string(p->out, text);
    buf_str(p->out, p->json ? "" : "\n");
}

void print_word(struct print *p, const char *name, const char *text)
{
    lead(p, name);
    if (p->json)
        json_string(p->out, slice_str(text));
    else
        buf_printf(p->out, " %s\n", text);
}

void print_time_ms(struct print *p, const char *name, uint64_t ms)
{
    char text[WALL_TEXT_OCTETS] = "beyond all dates";
    if (ms < (uint64_t)1 << 47)
        wall_format((struct wall){(int64_t)ms}, text);
    lead(p, name);
    if (p->json) {
        buf_printf(p->out, "%" PRIu64, ms);
        json_companion(p, name, "_text", text);
    } else {
        buf_printf(p->out, " %" PRIu64 " (%s)\n", ms, text);
    }
}
