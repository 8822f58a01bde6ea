/* The topmost Via of a request: what the transport adds to it (RFC 3261 18.2.1, RFC 3581), and where its responses go (18.2.2). */
#include "base/addr.h"
#include "base/text.h"
#include "sip/transaction_core.h"

_Static_assert(sizeof((struct via_stamp *)0)->text >= sizeof "=65535;received=" + ADDR_TEXT_OCTETS, "room for a stamp");

/* Where a line ends, behind its line end; folded lines are part of it. */
static const uint8_t *line_end(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *newline;
    while (p < end && (newline = memchr(p, '\n', (size_t)(end - p)))) {
        p = newline + 1;
        if (p == end || (*p != ' ' && *p != '\t'))
            return p;
    }
    return end;
}

/* The value of the line if it is a Via. */
static bool via_value(const uint8_t *p, const uint8_t *end, struct slice *ret_value)
{
    const uint8_t *colon = memchr(p, ':', (size_t)(end - p));
    if (!colon)
        return false;
    struct slice name = text_trim(slice_of(p, (size_t)(colon - p)));
    if (!sip_token_eq_str(name, "Via") && !sip_token_eq_str(name, "v"))
        return false;
    while (end > colon + 1 && (end[-1] == '\r' || end[-1] == '\n'))
        end--;
    *ret_value = slice_of(colon + 1, (size_t)(end - colon - 1));
    return true;
}

static bool read_topmost(struct slice message, struct sip_via *ret_via)
{
    const uint8_t *end = message.p + message.n, *p = line_end(message.p, end), *next;
    struct slice value;
    for (; p < end && *p != '\r' && *p != '\n'; p = next) {
        next = line_end(p, end);
        if (via_value(p, next, &value)) {
            struct sip_cursor c;
            sip_cursor_init(&c, message, value);
            return sip_read_via(&c, ret_via);
        }
    }
    return false;
}

/* The end of the parameter's name, if it has no value; else 0. */
static size_t empty_rport(struct slice message, const struct sip_via *via)
{
    struct sip_cursor c;
    struct sip_param param;
    sip_cursor_init(&c, message, via->params);
    while (sip_param_next(&c, &param))
        if (!param.has_value && sip_token_eq_str(param.name, "rport"))
            return (size_t)(param.name.p + param.name.n - message.p);
    return 0;
}

static void make_stamp(struct slice message, const struct sip_flow *flow, const struct sip_via *via,
                       struct via_stamp *ret_stamp)
{
    char ip[ADDR_TEXT_OCTETS];
    size_t rport = empty_rport(message, via);
    addr_format_ip(&flow->peer, ip);
    if (via->received.n || (!rport && text_equal_nocase(via->host, slice_str(ip))))
        return;
    if (rport) {
        ret_stamp->at = rport;
        ret_stamp->text[0] = '=';
        stpcpy(stpcpy(decimal_put(flow->peer.port, ret_stamp->text + 1), ";received="), ip);
    } else {
        ret_stamp->at = (size_t)(via->whole.p + via->whole.n - message.p);
        stpcpy(stpcpy(ret_stamp->text, ";received="), ip);
    }
}

static bool is_multicast(const struct addr *a)
{
    return a->family == 4 ? a->ip[0] >> 4 == 0xe : a->ip[0] == 0xff;
}

/* To the source, on the connection of the request while it lives; else to the port of sent-by. maddr is followed to multicast groups only:
 * whoever names another host there would have us send into networks that he does not reach himself. */
static void make_hop(const struct sip_flow *flow, const struct sip_via *via, struct sip_hop *ret_hop)
{
    uint16_t port = flow->transport == SIP_TLS ? SIP_TLS_PORT : SIP_PORT;
    struct slice maddr;
    struct addr other;
    *ret_hop =
        (struct sip_hop){.transport = flow->transport, .side = flow->side, .addr = flow->peer, .conn = flow->conn};
    if (via->port)
        port = via->port;
    if (sip_transport_is_reliable(flow->transport)) {
        ret_hop->addr.port = port;
        if (domain_is_valid(via->host) && addr_parse(via->host, port, &other))
            memcpy(ret_hop->host, via->host.p, via->host.n);
    } else if (sip_param_find(via->params, "maddr", &maddr) && addr_parse(maddr, port, &other) == 0 &&
               is_multicast(&other)) {
        ret_hop->addr = other;
    } else if (!via->has_rport) {
        ret_hop->addr.port = port;
    }
}

bool sip_via_stamp(struct slice message, const struct sip_flow *flow, struct via_stamp *ret_stamp,
                   struct sip_hop *ret_hop)
{
    struct sip_via via;
    *ret_stamp = (struct via_stamp){0};
    if (!read_topmost(message, &via))
        return false;
    make_stamp(message, flow, &via, ret_stamp);
    make_hop(flow, &via, ret_hop);
    return true;
}
