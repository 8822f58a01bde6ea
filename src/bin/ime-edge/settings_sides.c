/* edge.conf: listeners and what others see of them, networks, agents. */
#include "settings.h"

#include "base/text.h"
#include "edge/alg_place.h"

#include <stdio.h>

static bool is_any(const struct addr *addr)
{
    static const uint8_t none[16];
    return !memcmp(addr->ip, none, sizeof none);
}

static struct addr without_port(struct addr addr)
{
    addr.port = 0;
    return addr;
}

/* What we tell others of ourselves is no secret of the inside, whatever kind of address it is. */
static int add_told(struct settings *s, enum edge_side side, const struct addr *addr)
{
    if (side != EDGE_OUTSIDE || !addr->family || is_any(addr))
        return 0;
    return edge_options_outside_network(&s->edge, addr, addr->family == 4 ? 32 : 128);
}

/* "name:port" or "address:port": what the other side sees. The first listener of its kind is it. */
static int load_point(struct settings *s, const struct conf_group *g, enum edge_side side, enum sip_transport transport,
                      const struct addr *addr)
{
    char text[SIP_HOST_OCTETS_MAX + ADDR_TEXT_OCTETS];
    uint16_t port = side == EDGE_OUTSIDE && conf_has(g, "port") ? (uint16_t)conf_integer(g, "port") : addr->port;
    if (s->edge.points[side][transport])
        return 0;
    struct addr shown = *addr;
    shown.port = port;
    if (conf_has(g, "name")) {
        snprintf(text, sizeof text, strchr(conf_text(g, "name"), ':') ? "[%s]:%u" : "%s:%u", conf_text(g, "name"),
                 port);
        if (addr_parse(slice_str(text), 0, &shown) == 0 &&
            (edge_options_own(&s->edge, &shown) || add_told(s, side, &shown)))
            return ERR_LIMIT;
    } else {
        addr_format(&shown, text);
        if (add_told(s, side, &shown))
            return ERR_LIMIT;
    }
    return edge_options_point(&s->edge, side, transport, text);
}

static int load_listeners(struct settings *s, const char *section, enum edge_side side, enum sip_transport transport,
                          struct addr *ret_addrs, size_t *ret_count, struct buf *errors)
{
    const struct conf_group *g = conf_section(s->conf, section);
    const char *key = transport == SIP_TLS ? "tls" : "tcp";
    const size_t n = conf_count(g, key);
    int err = n <= LISTEN_MAX ? 0 : ERR_LIMIT;
    for (size_t i = 0; !err && i < n; i++) {
        ret_addrs[i] = conf_addr_at(g, key, i);
        *ret_count = i + 1;
        if (is_any(&ret_addrs[i]) && !conf_has(g, "name")) {
            buf_printf(errors, "[%s] %s: listening at every address needs `name`, which others are told\n", section,
                       key);
            return ERR_RANGE;
        }
        err = load_point(s, g, side, transport, &ret_addrs[i]);
        if (!err && !is_any(&ret_addrs[i]))
            err = edge_options_own(&s->edge, &ret_addrs[i]);
    }
    if (err)
        buf_printf(errors, "[%s] %s: %s\n", section, key, err == ERR_LIMIT ? "there are too many" : err_text(err));
    return err;
}

/* Without media-address: the first listened address of each family. */
static int load_media_addresses(struct settings *s, const char *section, enum edge_side side, struct buf *errors)
{
    const struct conf_group *g = conf_section(s->conf, section);
    const struct side_settings *from = &s->sides[side];
    struct addr *to = s->media.addresses[side];
    int err = 0;
    for (size_t i = 0; i < conf_count(g, "media-address"); i++) {
        struct addr a = without_port(conf_addr_at(g, "media-address", i));
        to[a.family == 6] = a;
        if (side == EDGE_OUTSIDE && !is_any(&a) && !alg_is_own_host(&s->edge, &a))
            err = err ? err : edge_options_own(&s->edge, &a);
    }
    for (size_t i = 0; !conf_count(g, "media-address") && i < from->tcp_count + from->tls_count; i++) {
        struct addr a = without_port(i < from->tcp_count ? from->tcp[i] : from->tls[i - from->tcp_count]);
        if (!to[a.family == 6].family)
            to[a.family == 6] = a;
    }
    for (size_t i = 0; i < conf_count(g, "media-advertised"); i++) {
        struct addr a = without_port(conf_addr_at(g, "media-advertised", i));
        s->edge.media_advertised[side][a.family == 6] = a;
        err = err ? err : edge_options_own(&s->edge, &a);
    }
    for (unsigned family = 0; family < 2; family++) {
        const struct addr *advertised = &s->edge.media_advertised[side][family];
        err = err ? err : add_told(s, side, advertised->family ? advertised : &to[family]);
        s->edge.media_families[side][family] = to[family].family != 0;
        if (to[family].family && is_any(&to[family]) && !s->edge.media_advertised[side][family].family) {
            buf_printf(errors,
                       "[%s] media-address: every address of this machine cannot be told others: give the one that is "
                       "meant, or media-advertised\n",
                       section);
            err = ERR_RANGE;
        }
    }
    return err;
}

/* ADDRESS/BITS, or one address. */
static int parse_network(const char *text, struct addr *ret_addr, unsigned *ret_bits)
{
    struct slice rest = slice_str(text), address = text_cut(&rest, '/');
    char bracketed[ADDR_TEXT_OCTETS + 2];
    uint64_t bits;
    const bool is_v6 = memchr(address.p, ':', address.n) != NULL;
    if (address.n >= ADDR_TEXT_OCTETS)
        return ERR_SYNTAX;
    snprintf(bracketed, sizeof bracketed, is_v6 ? "[%.*s]" : "%.*s", SLICE_PRINT(address));
    if (addr_parse(slice_str(bracketed), 1, ret_addr))
        return ERR_SYNTAX;
    bits = is_v6 ? 128 : 32;
    if (rest.p && u64_parse(rest, bits, &bits))
        return ERR_RANGE;
    ret_addr->port = 0;
    *ret_bits = (unsigned)bits;
    return 0;
}

static int load_networks(struct settings *s, const char *section, enum edge_side side, struct buf *errors)
{
    const struct conf_group *g = conf_section(s->conf, section);
    for (size_t i = 0; i < conf_count(g, "networks"); i++) {
        const char *text = conf_text_at(g, "networks", i);
        struct addr addr;
        unsigned bits;
        int err = parse_network(text, &addr, &bits);
        if (!err)
            err = side == EDGE_INSIDE ? edge_options_inside_network(&s->edge, &addr, bits)
                                      : edge_options_outside_network(&s->edge, &addr, bits);
        if (err) {
            buf_printf(errors, "[%s] networks: %s: %s\n", section, text,
                       err == ERR_LIMIT ? "there are too many" : "it is ADDRESS/BITS");
            return err;
        }
    }
    return 0;
}

static int load_side(struct settings *s, const char *section, enum edge_side side, struct buf *errors)
{
    struct side_settings *to = &s->sides[side];
    int err = 0;
    if (side == EDGE_INSIDE)
        err = load_listeners(s, section, side, SIP_TCP, to->tcp, &to->tcp_count, errors);
    if (!err)
        err = load_listeners(s, section, side, SIP_TLS, to->tls, &to->tls_count, errors);
    if (!err)
        err = load_media_addresses(s, section, side, errors);
    if (!err)
        err = load_networks(s, section, side, errors);
    if (!err && !to->tcp_count && !to->tls_count) {
        buf_printf(errors, "[%s] %s: it listens nowhere\n", section, side == EDGE_INSIDE ? "tcp, tls" : "tls");
        err = ERR_NOT_FOUND;
    }
    return err;
}

/* What other companies are told to send to would be an address of the inside, which is never told: no direct call could be made. */
static int check_told(const struct settings *s, struct buf *errors)
{
    char text[ADDR_TEXT_OCTETS];
    for (unsigned family = 0; family < 2; family++) {
        const struct addr *advertised = &s->edge.media_advertised[EDGE_OUTSIDE][family];
        const struct addr *told = advertised->family ? advertised : &s->media.addresses[EDGE_OUTSIDE][family];
        if (!told->family || is_any(told) || !alg_is_listed_inside(&s->edge, told))
            continue;
        buf_printf(
            errors,
            "[inside] networks: %s is told other companies as ours, and is one of these networks, or an agent's: "
            "no direct call would work; give the inside without it (on one machine the agent may be at 127.0.0.1)\n",
            addr_format_ip(told, text));
        return ERR_CONFLICT;
    }
    return 0;
}

/* TLS with agents, either way. */
static int check_inside(struct settings *s, struct buf *errors)
{
    const struct conf_group *g = conf_section(s->conf, "inside");
    struct side_settings *to = &s->sides[EDGE_INSIDE];
    to->certificate = conf_has(g, "certificate") ? conf_text(g, "certificate") : NULL;
    to->key = conf_has(g, "key") ? conf_text(g, "key") : NULL;
    to->ca = conf_has(g, "ca") ? conf_text(g, "ca") : NULL;
    to->demands_certificates = conf_boolean(g, "demand-certificates");
    if (!to->certificate != !to->key || (to->tls_count && !to->certificate)) {
        buf_printf(errors, "[inside]: TLS needs `certificate` and `key`\n");
        return ERR_RANGE;
    }
    if (to->demands_certificates && !to->ca) {
        buf_printf(errors, "[inside] demand-certificates: `ca` says which are believed\n");
        return ERR_RANGE;
    }
    return 0;
}

static int load_agent(struct settings *s, const struct conf_group *g, struct buf *errors)
{
    const char *name = conf_group_name(g), *domain = conf_has(g, "domain") ? conf_text(g, "domain") : NULL;
    const struct edge_agent agent = {
        .name = (char *)(uintptr_t)name, /* edge_options_agent copies the texts */
        .addr = conf_addr(g, "address"),
        .transport = conf_choice(g, "transport") == 1 ? SIP_TLS : SIP_TCP,
        .host = conf_has(g, "tls-name") ? (char *)(uintptr_t)conf_text(g, "tls-name") : NULL,
        .domain = (char *)(uintptr_t)domain,
    };
    if (domain && edge_options_find_domain(&s->edge, slice_str(domain)) < 0) {
        buf_printf(errors, "[agent %s] domain: there is no [domain %s]\n", name, domain);
        return ERR_NOT_FOUND;
    }
    if (agent.transport == SIP_TLS && !s->sides[EDGE_INSIDE].ca) {
        buf_printf(errors, "[agent %s] transport: TLS needs `ca` of [inside]\n", name);
        return ERR_RANGE;
    }
    int err = edge_options_agent(&s->edge, &agent);
    if (err)
        buf_printf(errors, "[agent %s]: %s\n", name,
                   err == ERR_EXISTS  ? "another section has this name"
                   : err == ERR_LIMIT ? "there are too many agents"
                                      : err_text(err));
    return err;
}

static int load_mapping(struct settings *s, struct buf *errors)
{
    const struct conf_group *g = conf_section(s->conf, "mapping");
    if (!conf_has(g, "listen") && !conf_has(g, "pool"))
        return 0;
    if (!conf_has(g, "listen") || !conf_has(g, "pool")) {
        buf_printf(errors, "[mapping]: it needs `listen` and `pool`\n");
        return ERR_NOT_FOUND;
    }
    mapping_server_config_init(&s->mapping);
    s->mapping_listen = conf_addr(g, "listen");
    s->mapping.first = conf_addr(g, "pool");
    s->mapping.count = (size_t)conf_integer(g, "size");
    s->mapping.timeout_ms = conf_ms(g, "timeout");
    if (s->mapping.first.port + s->mapping.count - 1 > UINT16_MAX) {
        buf_printf(errors, "[mapping] size: there are not so many ports behind that of `pool`\n");
        return ERR_RANGE;
    }
    return 0;
}

int settings_load_sides(struct settings *s, struct buf *errors)
{
    s->edge.allow_private_outside = conf_boolean(conf_section(s->conf, "outside"), "private");
    media_host_options_init(&s->media);
    int err = load_side(s, "inside", EDGE_INSIDE, errors);
    int failed = load_side(s, "outside", EDGE_OUTSIDE, errors);
    err = err ? err : failed;
    failed = check_inside(s, errors);
    err = err ? err : failed;
    failed = check_told(s, errors);
    err = err ? err : failed;
    failed = load_mapping(s, errors);
    err = err ? err : failed;
    for (const struct conf_group *g = NULL; (g = conf_next(s->conf, "agent", g));) {
        failed = load_agent(s, g, errors);
        err = err ? err : failed;
    }
    if (!s->edge.agent_count && !err) {
        buf_printf(errors, "there is no [agent NAME]: nobody would take calls\n");
        err = ERR_NOT_FOUND;
    }
    return err;
}
