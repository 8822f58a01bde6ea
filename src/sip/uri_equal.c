/* When two URIs are the same: RFC 3261 19.1.4, RFC 3966 section 4. */
#include "sip/uri.h"

#include "base/text.h"
#include "sip/scan.h"

static unsigned digit(uint8_t c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static int fold(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 0x20 : c;
}

/* The octet at i, which is moved behind it. An escaped one of those that need no escape is that octet; other escaped ones differ from the plain
 * octet (":" and "%3A" have different meanings) and count from 256. */
static int next_octet(struct slice s, size_t *i)
{
    int c = s.p[(*i)++];
    if (c != '%' || s.n - *i < 2)
        return c;
    int octet = (int)(digit(s.p[*i]) << 4 | digit(s.p[*i + 1]));
    *i += 2;
    bool reserved = octet < 0x80 && strchr(";/?:@&=+$,", octet);
    return reserved ? 256 + octet : octet;
}

static bool text_equal(struct slice a, struct slice b, bool case_matters)
{
    size_t i = 0, k = 0;
    while (i < a.n && k < b.n) {
        int x = next_octet(a, &i), y = next_octet(b, &k);
        if (case_matters ? x != y : fold(x) != fold(y))
            return false;
    }
    return i == a.n && k == b.n;
}

/* The next ";name=value" or "name=value&" of a list. */
static bool next_pair(struct slice *rest, char separator, struct slice *ret_name, struct slice *ret_value)
{
    if (!rest->p || !rest->n)
        return false;
    *ret_value = text_cut(rest, separator);
    *ret_name = text_cut(ret_value, '=');
    return true;
}

static struct slice without_semicolon(struct slice params)
{
    return params.n ? slice_of(params.p + 1, params.n - 1) : params;
}

/* Alone, these say something that the other URI does not. */
static bool never_matches_alone(struct slice name)
{
    static const char *const names[] = {"user", "ttl", "method", "maddr", "transport"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (text_equal(name, slice_str(names[i]), false))
            return true;
    return false;
}

/* Without visual separators; letters (of hexadecimal digits) of either case. */
static bool numbers_equal(struct slice a, struct slice b)
{
    size_t i = 0, k = 0;
    for (;;) {
        while (i < a.n && sip_is(a.p[i], CHAR_VISUAL))
            i++;
        while (k < b.n && sip_is(b.p[k], CHAR_VISUAL))
            k++;
        if (i == a.n || k == b.n)
            return i == a.n && k == b.n;
        if (fold(a.p[i++]) != fold(b.p[k++]))
            return false;
    }
}

/* What a list has under a name. */
enum found { NOTHING, ANOTHER_VALUE, THE_VALUE };

typedef bool equal_fn(struct slice name, struct slice a, struct slice b);

static enum found find(struct slice list, char separator, struct slice name, struct slice value, equal_fn *equal)
{
    enum found best = NOTHING;
    struct slice other_name, other;
    while (best != THE_VALUE && next_pair(&list, separator, &other_name, &other))
        if (text_equal(name, other_name, false))
            best = equal(name, value, other) ? THE_VALUE : ANOTHER_VALUE;
    return best;
}

static bool values_equal(struct slice name, struct slice a, struct slice b)
{
    (void)name;
    return text_equal(a, b, false);
}

/* Numbers in tel's parameters are compared as numbers. */
static bool tel_values_equal(struct slice name, struct slice a, struct slice b)
{
    bool number = text_equal_nocase(name, slice_str("ext")) ||
                  (text_equal_nocase(name, slice_str("phone-context")) && a.n && a.p[0] == '+');
    return number ? numbers_equal(a, b) : text_equal(a, b, false);
}

/* Each of a's parameters against b's. */
static bool params_match(struct slice a, struct slice b)
{
    struct slice name, value;
    while (next_pair(&a, ';', &name, &value)) {
        enum found found = find(b, ';', name, value, values_equal);
        if (found == ANOTHER_VALUE || (found == NOTHING && never_matches_alone(name)))
            return false;
    }
    return true;
}

/* Each of a's pairs is one of b's. */
static bool pairs_within(struct slice a, struct slice b, char separator, equal_fn *equal)
{
    struct slice name, value;
    while (next_pair(&a, separator, &name, &value))
        if (find(b, separator, name, value, equal) != THE_VALUE)
            return false;
    return true;
}

static bool pairs_equal(struct slice a, struct slice b, char separator, equal_fn *equal)
{
    return pairs_within(a, b, separator, equal) && pairs_within(b, a, separator, equal);
}

bool sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b)
{
    if (!text_equal_nocase(a->scheme_text, b->scheme_text))
        return false;
    if (a->scheme == SIP_SCHEME_OTHER)
        return slice_eq(a->user, b->user);
    struct slice x = without_semicolon(a->params), y = without_semicolon(b->params);
    if (a->scheme == SIP_SCHEME_TEL)
        return numbers_equal(a->user, b->user) && pairs_equal(x, y, ';', tel_values_equal);
    return a->has_user == b->has_user && text_equal(a->user, b->user, true) &&
           text_equal(a->password, b->password, true) && text_equal_nocase(a->host, b->host) && a->port == b->port &&
           params_match(x, y) && params_match(y, x) && pairs_equal(a->headers, b->headers, '&', values_equal);
}
