/* Whose an address is: the networks of the options, and those that are nobody's or somebody's private ones. */
#include "edge/alg_place.h"

#include "base/text.h"

/* ---- networks ---- */

struct network {
    uint8_t family;
    uint8_t bits;
    uint8_t ip[16];
};

/* Never one machine that is there: unspecified, multicast, reserved and broadcast, discard-only. */
static const struct network impossible[] = {
    {4, 8, {0}}, {4, 4, {224}}, {4, 4, {240}}, {6, 128, {0}}, {6, 8, {0xff}}, {6, 64, {0x01, 0x00}},
};

/* This machine, or one on the same cable: loopback, link-local. */
static const struct network near[] = {
    {4, 8, {127}},
    {4, 16, {169, 254}},
    {6, 128, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
    {6, 10, {0xfe, 0x80}},
};

/* RFC 1918, RFC 6598; RFC 4193, and the site-local ones before it; RFC 8215: behind a translator of one's own, any IPv4 address at all. */
static const struct network private_ones[] = {
    {4, 8, {10}},
    {4, 12, {172, 16}},
    {4, 16, {192, 168}},
    {4, 10, {100, 64}},
    {6, 7, {0xfc}},
    {6, 10, {0xfe, 0xc0}},
    {6, 48, {0, 0x64, 0xff, 0x9b, 0, 1}},
};

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    const unsigned octets = bits / 8, rest = bits % 8;
    const uint8_t mask = (uint8_t)(0xff00 >> rest);
    return !memcmp(a, b, octets) && (!rest || ((a[octets] ^ b[octets]) & mask) == 0);
}

static bool is_in_any(const struct addr *addr, const struct network *networks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (networks[i].family == addr->family && same_bits(networks[i].ip, addr->ip, networks[i].bits))
            return true;
    }
    return false;
}
#define IS_IN(addr, networks) is_in_any(addr, networks, sizeof(networks) / sizeof *(networks))

static bool is_listed(const struct addr *addr, const struct edge_network *networks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (networks[i].addr.family == addr->family && same_bits(networks[i].addr.ip, addr->ip, networks[i].bits))
            return true;
    }
    return false;
}

static bool is_agent(const struct edge_options *options, const struct addr *addr)
{
    for (size_t i = 0; i < options->agent_count; i++) {
        if (addr_eq_ip(&options->agents[i].addr, addr))
            return true;
    }
    return false;
}

static bool is_own(const struct edge_options *options, const struct addr *addr)
{
    for (size_t i = 0; i < options->own_count; i++) {
        if (addr_eq_ip(&options->own[i], addr) && (!options->own[i].port || options->own[i].port == addr->port))
            return true;
    }
    for (unsigned side = 0; side < EDGE_SIDES; side++) {
        if (addr_eq_ip(&options->media_advertised[side][addr->family == 6], addr))
            return true;
    }
    return false;
}

bool alg_is_listed_inside(const struct edge_options *options, const struct addr *addr)
{
    return is_listed(addr, options->inside_networks, options->inside_network_count) || is_agent(options, addr);
}

/* Whoever's it is, ours included. */
static enum alg_place kind_of(const struct edge_options *options, const struct addr *addr)
{
    if (IS_IN(addr, impossible))
        return ALG_NOWHERE;
    if (alg_is_listed_inside(options, addr))
        return ALG_INSIDE;
    if (is_listed(addr, options->outside_networks, options->outside_network_count))
        return ALG_FAR;
    if (IS_IN(addr, near))
        return ALG_NOWHERE;
    return IS_IN(addr, private_ones) && !options->allow_private_outside ? ALG_INSIDE : ALG_FAR;
}

/* Where in an IPv6 address an IPv4 one stands, if some of its octets, from `at` on, say that there is one. */
static const struct disguise {
    uint8_t octets, at, v4_at;
    uint8_t flip; /* of each octet of it */
    uint8_t octet[12];
} disguises[] = {
    {12, 0, 12, 0, {[10] = 0xff, [11] = 0xff}}, /* mapped, RFC 4291 2.5.5.2 */
    {12, 0, 12, 0, {[8] = 0xff, [9] = 0xff}},   /* translated, RFC 2765 2.1 */
    {12, 0, 12, 0, {0, 0x64, 0xff, 0x9b}},      /* NAT64, RFC 6052 */
    {2, 0, 2, 0, {0x20, 0x02}},                 /* 6to4, RFC 3056 */
    {4, 0, 12, 0xff, {0x20, 0x01}},             /* Teredo, RFC 4380 */
    {4, 8, 12, 0, {0x00, 0x00, 0x5e, 0xfe}},    /* ISATAP, RFC 5214: of a private address */
    {4, 8, 12, 0, {0x02, 0x00, 0x5e, 0xfe}},    /* and of any other */
};

/* The IPv4 address that an IPv6 address stands for. */
static bool embedded(const struct addr *addr, struct addr *ret_addr)
{
    static const uint8_t compatible[12]; /* RFC 4291 2.5.5.1; what begins with more zeros is ::1 and the like */
    struct disguise found = {.v4_at = 12};
    if (addr->family != 6)
        return false;
    bool is_one = !memcmp(addr->ip, compatible, 12) && (addr->ip[12] || addr->ip[13]);
    for (size_t i = 0; i < sizeof disguises / sizeof *disguises && !is_one; i++) {
        found = disguises[i];
        is_one = !memcmp(addr->ip + found.at, found.octet, found.octets);
    }
    if (!is_one)
        return false;
    *ret_addr = (struct addr){.family = 4, .port = addr->port};
    for (unsigned i = 0; i < 4; i++)
        ret_addr->ip[i] = addr->ip[found.v4_at + i] ^ found.flip;
    return true;
}

enum alg_place alg_place_of(const struct edge_options *options, const struct addr *addr)
{
    struct addr v4;
    if (!addr->family)
        return ALG_NOWHERE;
    if (is_own(options, addr))
        return ALG_OURS;
    const enum alg_place place = kind_of(options, addr);
    if (place != ALG_FAR || !embedded(addr, &v4))
        return place;
    return is_own(options, &v4) ? ALG_OURS : kind_of(options, &v4);
}

static bool is_own_host(const struct edge_options *options, const struct addr *addr)
{
    for (size_t i = 0; i < options->own_count; i++) {
        if (addr_eq_ip(&options->own[i], addr))
            return true;
    }
    return is_own(options, addr);
}

bool alg_is_own_host(const struct edge_options *options, const struct addr *addr)
{
    struct addr v4;
    return is_own_host(options, addr) || (embedded(addr, &v4) && is_own_host(options, &v4));
}

const char *alg_place_name(enum alg_place place)
{
    static const char *const names[] = {"far", "ours", "inside", "nowhere"};
    return names[place];
}

bool alg_is_unspecified(const struct addr *addr)
{
    static const uint8_t zeros[16];
    return addr->family && !memcmp(addr->ip, zeros, sizeof zeros);
}

/* What can be nobody's address tells nothing; most of it is a version of a program. */
static bool tells(const struct edge_options *options, const struct addr *addr)
{
    return !IS_IN(addr, impossible) && kind_of(options, addr) != ALG_FAR;
}

bool alg_hides(const struct edge_options *options, const struct addr *addr)
{
    struct addr v4;
    return addr->family && (tells(options, addr) || (embedded(addr, &v4) && tells(options, &v4)));
}

/* ---- hosts ---- */

/* An address without port and brackets. */
static bool parse_ip(struct slice host, struct addr *ret_addr)
{
    char bracketed[64];
    if (!host.n || host.n > sizeof bracketed - 2)
        return false;
    if (!memchr(host.p, ':', host.n))
        return host.p[host.n - 1] >= '0' && host.p[host.n - 1] <= '9' && !addr_parse(host, 1, ret_addr);
    bracketed[0] = '[';
    memcpy(bracketed + 1, host.p, host.n);
    bracketed[1 + host.n] = ']';
    return !addr_parse(slice_of(bracketed, host.n + 2), 1, ret_addr);
}

static bool same_host(struct slice a, struct slice b)
{
    struct addr x, y;
    return text_equal_nocase(a, b) || (parse_ip(a, &x) && parse_ip(b, &y) && addr_eq_ip(&x, &y));
}

/* Of "host:port", "[v6]:port" and "host". */
static struct slice host_of(const char *point)
{
    struct slice rest = slice_str(point);
    if (*point != '[')
        return text_cut(&rest, ':');
    rest = slice_of(rest.p + 1, rest.n - 1);
    return text_cut(&rest, ']');
}

bool alg_is_point(const struct edge_options *options, enum edge_side side, struct slice host)
{
    for (unsigned transport = SIP_UDP; transport <= SIP_TLS; transport++) {
        const char *point = options->points[side][transport];
        if (point && same_host(host_of(point), host))
            return true;
    }
    return false;
}

struct slice alg_point(const struct edge_options *options, enum edge_side side, enum sip_transport transport)
{
    const char *point = options->points[side][transport];
    for (unsigned other = SIP_TLS + 1; !point && other-- > 0;)
        point = options->points[side][other];
    return point ? slice_str(point) : (struct slice){0};
}

/* Names that only a network of its own resolves (RFC 6761, 6762, 8375, and what is reserved or common for such). */
static bool is_private_name(struct slice host)
{
    static const char *const zones[] = {"local", "localhost", "localdomain", "internal", "lan", "home.arpa"};
    if (host.n && host.p[host.n - 1] == '.')
        host.n--;
    if (!host.n || !memchr(host.p, '.', host.n))
        return true;
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
        const size_t n = strlen(zones[i]);
        if (host.n > n && host.p[host.n - n - 1] == '.' &&
            text_equal_nocase(slice_of(host.p + host.n - n, n), slice_str(zones[i])))
            return true;
    }
    return false;
}

static bool is_agent_name(const struct edge_options *options, struct slice host)
{
    for (size_t i = 0; i < options->agent_count; i++) {
        if (options->agents[i].host && text_equal_nocase(slice_str(options->agents[i].host), host))
            return true;
    }
    return false;
}

bool alg_hides_host(const struct edge_options *options, struct slice host)
{
    struct addr addr;
    if (parse_ip(host, &addr) && alg_hides(options, &addr))
        return true;
    if (alg_is_point(options, EDGE_OUTSIDE, host))
        return false;
    if (alg_is_point(options, EDGE_INSIDE, host))
        return true;
    if (parse_ip(host, &addr))
        return false;
    if (alg_find_hidden(options, host).n)
        return true; /* "10.0.0.1.nip.example" */
    return edge_options_find_domain(options, host) < 0 && (is_private_name(host) || is_agent_name(options, host));
}

/* ---- addresses in free text ---- */

/* So much is looked at around one octet, however long a text is. */
#define RUN_OCTETS_MAX 64
#define TRIES_MAX 4
#define USER_OCTETS_MAX 256

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(uint8_t c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_hex(uint8_t c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool hides_text(const struct edge_options *options, struct slice text)
{
    struct addr addr;
    return parse_ip(text, &addr) && alg_hides(options, &addr);
}

/* Around the dot at p: digits and dots, the dot being the first of them, and none at their end. */
static struct slice find_v4(const struct edge_options *options, const uint8_t *begin, const uint8_t *p,
                            const uint8_t *end)
{
    const uint8_t *from = p, *to = p;
    while (from > begin && is_digit(from[-1]))
        from--;
    if (from == p || (from > begin && (is_letter(from[-1]) || from[-1] == '.')))
        return (struct slice){0};
    while (to < end && (is_digit(*to) || *to == '.'))
        to++;
    while (to[-1] == '.')
        to--;
    struct slice found = slice_of(from, (size_t)(to - from));
    return hides_text(options, found) ? found : (struct slice){0};
}

/* Around the colon at p: hexadecimal digits before it, and hexadecimal digits, colons and dots behind it; where a word or a port may stand behind an
 * address, less of it is tried as well. */
static struct slice find_v6(const struct edge_options *options, const uint8_t *begin, const uint8_t *p,
                            const uint8_t *end)
{
    const uint8_t *from = p, *to = p;
    unsigned colons = 0;
    while (from > begin && is_hex(from[-1]) && p - from <= 4)
        from--;
    while (to < end && to - from < RUN_OCTETS_MAX && (is_hex(*to) || *to == ':' || *to == '.'))
        colons += *to++ == ':';
    for (unsigned tries = 0; colons >= 2 && to > p && tries < TRIES_MAX; to--) {
        struct slice found = slice_of(from, (size_t)(to - from));
        const bool may_end = to == end || to[0] == ':' || !is_hex(to[0]);
        if (may_end && hides_text(options, found))
            return found;
        tries += may_end;
        colons -= to[-1] == ':';
    }
    return (struct slice){0};
}

static bool is_behind(const uint8_t *begin, const uint8_t *p, const char *word)
{
    const size_t n = strlen(word);
    return (size_t)(p - begin) >= n && text_equal_nocase(slice_of(p - n, n), slice_str(word));
}

/* A user part begins here: its "@" is still to come. What is that long is no host. */
static bool is_user(const uint8_t *p, const uint8_t *end)
{
    while (p<end && * p> ' ' && !strchr("@<>\",", *p))
        p++;
    return p < end && *p == '@';
}

/* The host that begins behind what introduces one. */
static struct slice find_host(const struct edge_options *options, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *q = p;
    while (q < end && (is_letter(*q) || is_digit(*q) || *q == '.' || *q == '-' || *q == '_'))
        q++;
    while (q > p && q[-1] == '.')
        q--;
    struct slice found = slice_of(p, (size_t)(q - p));
    if (!found.n)
        return found;
    struct slice v6 = q < end && *q == ':' ? find_v6(options, p, q, end) : (struct slice){0};
    if (v6.n && v6.p == p)
        return v6;
    return alg_hides_host(options, found) ? found : (struct slice){0};
}

/* Around the colon at p: a URI's, or an IPv6 address's. */
static struct slice find_at_colon(const struct edge_options *options, const uint8_t *begin, const uint8_t *p,
                                  const uint8_t *end)
{
    const uint8_t *host = NULL;
    if (is_behind(begin, p, "sip") || is_behind(begin, p, "sips"))
        host = p + 1;
    else if (end - p > 2 && p[1] == '/' && p[2] == '/')
        host = p + 3;
    struct slice found = host && !is_user(host, end) ? find_host(options, host, end) : (struct slice){0};
    return found.n ? found : find_v6(options, begin, p, end);
}

/* All that is looked for has a dot, a colon or an "@" in it or before it. */
struct slice alg_find_hidden(const struct edge_options *options, struct slice text)
{
    const uint8_t *end = text.n ? text.p + text.n : text.p;
    struct slice found = {0};
    for (const uint8_t *p = text.p; p < end && !found.n; p++) {
        if (*p == '.')
            found = find_v4(options, text.p, p, end);
        else if (*p == ':')
            found = find_at_colon(options, text.p, p, end);
        else if (*p == '@')
            found = find_host(options, p + 1, end);
    }
    return found;
}

struct slice alg_find_hidden_in_sdp(const struct edge_options *options, struct slice text)
{
    static const char key[] = "a=crypto:";
    struct slice found = {0};
    while (text.n && !found.n) {
        struct slice line = text_cut(&text, '\n');
        if (line.n < sizeof key - 1 || memcmp(line.p, key, sizeof key - 1) != 0)
            found = alg_find_hidden(options, line);
    }
    return found;
}
