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

static bool find_pair(struct slice list, char separator, struct slice name, struct slice *ret_value)
{
    struct slice found;
    while (next_pair(&list, separator, &found, ret_value))
        if (text_equal(found, name, false))
            return true;
    return false;
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

/* Each of a's parameters against b's. */
static bool params_match(struct slice a, struct slice b)
{
    struct slice name, value, other;
    while (next_pair(&a, ';', &name, &value))
        if (find_pair(b, ';', name, &other) ? !text_equal(value, other, false) : never_matches_alone(name))
            return false;
    return true;
}

/* Each of a's pairs is one of b's. */
static bool pairs_within(struct slice a, struct slice b, char separator)
{
    struct slice name, value, other;
    while (next_pair(&a, separator, &name, &value))
        if (!find_pair(b, separator, name, &other) || !text_equal(value, other, false))
            return false;
    return true;
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

/* Each of a's parameters is one of b's; numbers in them are compared as numbers. */
static bool tel_params_within(struct slice a, struct slice b)
{
    struct slice name, value, other;
    while (next_pair(&a, ';', &name, &value)) {
        if (!find_pair(b, ';', name, &other))
            return false;
        bool number = text_equal_nocase(name, slice_str("ext")) ||
                      (text_equal_nocase(name, slice_str("phone-context")) && value.n && value.p[0] == '+');
        if (number ? !numbers_equal(value, other) : !text_equal(value, other, false))
            return false;
    }
    return true;
}

static bool tel_equal(const struct sip_uri *a, const struct sip_uri *b)
{
    struct slice x = without_semicolon(a->params), y = without_semicolon(b->params);
    return numbers_equal(a->user, b->user) && tel_params_within(x, y) && tel_params_within(y, x);
}

bool sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b)
{
    if (!text_equal_nocase(a->scheme_text, b->scheme_text))
        return false;
    if (a->scheme == SIP_SCHEME_TEL)
        return tel_equal(a, b);
    if (a->scheme == SIP_SCHEME_OTHER)
        return slice_eq(a->user, b->user);
    struct slice x = without_semicolon(a->params), y = without_semicolon(b->params);
    return a->has_user == b->has_user && text_equal(a->user, b->user, true) &&
           text_equal(a->password, b->password, true) && text_equal_nocase(a->host, b->host) && a->port == b->port &&
           params_match(x, y) && params_match(y, x) && pairs_within(a->headers, b->headers, '&') &&
           pairs_within(b->headers, a->headers, '&');
}
