/* One value: its check by type and bounds, and the words for what it should have been. */
#include "base/duration.h"
#include "base/e164.h"
#include "base/mem.h"
#include "base/text.h"
#include "conf/internal.h"

#define TEXT_OCTETS_MAX_DEFAULT 1024

static bool in_bounds(const struct conf_key *key, int64_t value)
{
    return (key->min == 0 && key->max == 0) || (value >= key->min && value <= key->max);
}

static int parse_integer(struct slice text, int64_t *ret_value)
{
    bool negative = text.n && text.p[0] == '-';
    uint64_t magnitude;
    int err = u64_parse(negative ? slice_of(text.p + 1, text.n - 1) : text, INT64_MAX, &magnitude);
    if (err)
        return err;
    *ret_value = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return 0;
}

static int parse_octets(struct slice text, int64_t *ret_value)
{
    static const char letters[] = "KMG";
    const char *letter = text.n && text.p[text.n - 1] ? strchr(letters, text.p[text.n - 1]) : NULL;
    unsigned shift = letter ? 10 * ((unsigned)(letter - letters) + 1) : 0;
    uint64_t value;
    int err = u64_parse(letter ? slice_of(text.p, text.n - 1) : text, (uint64_t)INT64_MAX >> shift, &value);
    if (!err)
        *ret_value = (int64_t)(value << shift);
    return err;
}

static int parse_boolean(struct slice text, int64_t *ret_value)
{
    static const char *const words[] = {"no", "yes", "off", "on", "false", "true"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (text_equal_nocase(text, slice_str(words[i]))) {
            *ret_value = (int64_t)(i % 2);
            return 0;
        }
    }
    return ERR_SYNTAX;
}

static int parse_choice(const struct conf_key *key, struct slice text, int64_t *ret_index)
{
    struct slice rest = slice_str(key->choices);
    for (int64_t i = 0; rest.p; i++) {
        if (slice_eq(text_cut(&rest, '|'), text)) {
            *ret_index = i;
            return 0;
        }
    }
    return ERR_SYNTAX;
}

static int check_text(const struct conf_key *key, struct slice text)
{
    size_t min = key->min ? (size_t)key->min : 1;
    size_t max = key->max ? (size_t)key->max : TEXT_OCTETS_MAX_DEFAULT;
    if (!text_is_printable(text))
        return ERR_SYNTAX;
    return text.n < min || text.n > max ? ERR_RANGE : 0;
}

static int parse_hex(struct conf *c, const struct conf_key *key, struct slice text, struct slice *ret_octets)
{
    if (text.n % 2)
        return ERR_SYNTAX;
    if (!in_bounds(key, (int64_t)(text.n / 2)))
        return ERR_RANGE;
    uint8_t *octets = region_alloc(&c->region, text.n / 2);
    if (!octets)
        return ERR_NO_MEMORY;
    int err = hex_parse(text, octets);
    if (!err)
        *ret_octets = slice_of(octets, text.n / 2);
    return err;
}

static int parse_value(struct conf *c, const struct conf_key *key, struct slice text, struct conf_value *v)
{
    int err = 0;
    switch (key->type) {
    case CONF_TEXT:
    case CONF_PATH:
        return check_text(key, text);
    case CONF_INTEGER:
        err = parse_integer(text, &v->integer);
        break;
    case CONF_DURATION:
        err = duration_parse(text, &v->integer);
        break;
    case CONF_OCTETS:
        err = parse_octets(text, &v->integer);
        break;
    case CONF_BOOLEAN:
        return parse_boolean(text, &v->integer);
    case CONF_ADDR:
        return addr_parse(text, (uint16_t)key->min, &v->addr);
    case CONF_NUMBER:
        return e164_is_valid(text) ? 0 : ERR_SYNTAX;
    case CONF_DOMAIN:
        return domain_is_valid(text) ? 0 : ERR_SYNTAX;
    case CONF_CHOICE:
        return parse_choice(key, text, &v->integer);
    case CONF_HEX:
        return parse_hex(c, key, text, &v->octets);
    }
    return err ? err : in_bounds(key, v->integer) ? 0 : ERR_RANGE;
}

int conf_entry_add(struct conf *c, struct conf_entry *e, struct slice text)
{
    if (e->n == CONF_LIST_VALUES_MAX)
        return ERR_LIMIT;
    struct conf_value *v = region_alloc(&c->region, sizeof *v);
    if (!v || !(v->text = region_text(&c->region, text)))
        return ERR_NO_MEMORY;
    int err = parse_value(c, e->key, text, v);
    if (err) {
        if (e->key->flags & CONF_SECRET)
            mem_wipe((char *)(uintptr_t)v->text, text.n);
        return err;
    }
    if (e->last)
        e->last->next = v;
    else
        e->first = v;
    e->last = v;
    e->n++;
    return 0;
}

static void describe_size(struct buf *out, int64_t octets)
{
    static const char letters[] = "\0KMG";
    unsigned i = 0;
    while (i < 3 && octets && octets % 1024 == 0) {
        octets /= 1024;
        i++;
    }
    buf_printf(out, "%lld", (long long)octets);
    if (i)
        buf_u8(out, (uint8_t)letters[i]);
}

static void describe_bound(const struct conf_key *key, int64_t bound, struct buf *out)
{
    char text[DURATION_TEXT_OCTETS];
    if (key->type == CONF_DURATION)
        buf_str(out, duration_format(bound, text));
    else if (key->type == CONF_OCTETS)
        describe_size(out, bound);
    else
        buf_printf(out, "%lld", (long long)bound);
}

static void describe_bounded(const struct conf_key *key, const char *what, struct buf *out)
{
    buf_str(out, what);
    if (key->min == 0 && key->max == 0)
        return;
    buf_str(out, key->min == key->max ? " of " : " from ");
    describe_bound(key, key->min, out);
    if (key->min == key->max)
        return;
    buf_str(out, " to ");
    describe_bound(key, key->max, out);
}

static void describe_choices(const struct conf_key *key, struct buf *out)
{
    struct slice rest = slice_str(key->choices);
    for (bool first = true; rest.p; first = false) {
        struct slice word = text_cut(&rest, '|');
        buf_printf(out, "%s%.*s", first ? "" : rest.p ? ", " : " or ", SLICE_PRINT(word));
    }
}

void conf_describe(const struct conf_key *key, struct buf *out)
{
    switch (key->type) {
    case CONF_TEXT:
    case CONF_PATH:
        buf_printf(out, "%s of %lld to %lld printable characters", key->type == CONF_PATH ? "a path" : "a text",
                   (long long)(key->min ? key->min : 1), (long long)(key->max ? key->max : TEXT_OCTETS_MAX_DEFAULT));
        break;
    case CONF_INTEGER:
        describe_bounded(key, "an integer", out);
        break;
    case CONF_DURATION:
        describe_bounded(key, "a duration", out);
        break;
    case CONF_OCTETS:
        describe_bounded(key, "a size", out);
        break;
    case CONF_BOOLEAN:
        buf_str(out, "yes or no");
        break;
    case CONF_ADDR:
        buf_str(out,
                key->min ? "an address as IP or IP:PORT (IPv6: [IP]:PORT)" : "an address as IP:PORT (IPv6: [IP]:PORT)");
        break;
    case CONF_NUMBER:
        buf_str(out, "a phone number as + and up to 15 digits");
        break;
    case CONF_DOMAIN:
        buf_str(out, "a domain name");
        break;
    case CONF_CHOICE:
        describe_choices(key, out);
        break;
    case CONF_HEX:
        buf_printf(out, key->min == key->max ? "%lld hexadecimal digits" : "%lld to %lld hexadecimal digits",
                   (long long)(2 * key->min), (long long)(2 * key->max));
        break;
    }
}
