/* Requests that are too large for UDP (RFC 3261 18.1.1): by TCP, and by UDP after all where there is no TCP. */
#include "sip/transport_private.h"

#define REFUSALS_MAX 1024

/* An address that took no TCP. */
struct refusal {
    struct mono until;
};

static struct slice addr_key(const struct addr *addr, uint8_t key[19])
{
    key[0] = addr->family;
    key[1] = (uint8_t)(addr->port >> 8);
    key[2] = (uint8_t)addr->port;
    memcpy(key + 3, addr->ip, sizeof addr->ip);
    return slice_of(key, 19);
}

static bool takes_no_tcp(const struct sip_net *n, struct now now, const struct addr *addr)
{
    uint8_t key[19];
    const struct refusal *r = map_get(&n->no_tcp, addr_key(addr, key));
    return r && !mono_due(r->until, now.mono);
}

static void forget_refusals(struct sip_net *n)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&n->no_tcp, &it)) {
        mem_free(it.value);
        map_remove(&n->no_tcp, it.key);
    }
}

/* Too many: all are tried again, which costs each one attempt. */
static void remember_refusal(struct sip_net *n, struct now now, const struct addr *addr)
{
    uint8_t key[19];
    struct slice where = addr_key(addr, key);
    struct refusal *r = map_get(&n->no_tcp, where);
    if (!r) {
        if (n->no_tcp.n >= REFUSALS_MAX)
            forget_refusals(n);
        r = mem_alloc(sizeof *r);
        if (!r || map_set(&n->no_tcp, where, r) != 0) {
            n->counters.memory_refused++;
            mem_free(r);
            return;
        }
    }
    r->until = mono_after_ms(now.mono, n->config.no_tcp_ms);
}

void sip_large_fini(struct sip_net *n)
{
    forget_refusals(n);
    map_fini(&n->no_tcp);
}

/* Where the topmost Via of a request of ours names this transport, it names the other in the copy. Empty: it does not, or there is no memory. */
static struct slice with_via(struct sip_net *n, struct slice octets, const char *from, const char *to)
{
    static const char via[] = "\r\nVia: SIP/2.0/";
    const uint8_t *at = memmem(octets.p, octets.n, via, sizeof via - 1);
    size_t names = at ? (size_t)(at - octets.p) + sizeof via - 1 : 0, name_octets = strlen(from);
    if (!at || octets.n - names < name_octets || memcmp(octets.p + names, from, name_octets) != 0)
        return (struct slice){0};
    buf_clear(&n->scratch);
    buf_slice_put(&n->scratch, octets);
    if (n->scratch.err)
        return (struct slice){0};
    memcpy(n->scratch.p + names, to, name_octets);
    return buf_slice(&n->scratch);
}

static bool is_request(struct slice octets)
{
    static const char version[] = "SIP/2.0 ";
    return octets.n < sizeof version - 1 || memcmp(octets.p, version, sizeof version - 1) != 0;
}

bool sip_large_by_tcp(struct sip_net *n, struct now now, const struct sip_hop *hop, struct slice octets,
                      struct sip_hop *ret_hop, struct slice *ret_octets)
{
    bool is_large = octets.n > SIP_DATAGRAM_OCTETS_MAX;
    if (!hop->tcp_too || (!is_large && !n->large_conns) || !is_request(octets))
        return false;
    *ret_hop = *hop;
    ret_hop->transport = SIP_TCP;
    ret_hop->conn = 0;
    const struct conn *c = sip_conn_for(n, ret_hop);
    if (is_large ? !c && takes_no_tcp(n, now, &hop->addr) : !c || !c->is_for_large || c->state != CONN_UP)
        return false;
    *ret_octets = with_via(n, octets, "UDP", "TCP");
    return ret_octets->n > 0;
}

void sip_large_fall_back(struct sip_net *n, struct now now, struct conn *c)
{
    struct sip_hop hop = c->hop;
    struct slice rest = buf_slice(&c->waiting), message;
    hop.transport = SIP_UDP;
    hop.conn = 0;
    remember_refusal(n, now, &hop.addr);
    /* They are our own: whole, one behind the other. */
    while (sip_framer_next(&c->framer, &rest, &message) == SIP_FRAMED_MESSAGE) {
        struct slice octets = with_via(n, message, "TCP", "UDP");
        if (!octets.n)
            continue;
        n->counters.large_by_udp++;
        sip_net_send_datagram(n, &hop, octets);
    }
}
