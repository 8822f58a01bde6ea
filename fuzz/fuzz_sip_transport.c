/* A story for the transport layer of SIP, an octet or a few for each step: connections come, go and are used, octets and time pass. In the end
 * nothing is left, and meanwhile no limit is passed. Octets of the story are what connections send. */
#include "sip/transport.h"

#include <stdlib.h>
#include <string.h>

#define CONNS_MAX 12
#define KNOWN_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct story {
    struct sip_net *net;
    struct now now;
    const uint8_t *p;
    size_t left;
    uint64_t conns[KNOWN_MAX]; /* numbers that were once given out */
    size_t conn_count;
};

static const struct addr local = {.family = 4, .port = 5060, .ip = {192, 0, 2, 9}};

static uint8_t take(struct story *s)
{
    if (!s->left)
        return 0;
    s->left--;
    return *s->p++;
}

static struct sip_hop take_hop(struct story *s)
{
    uint8_t bits = take(s);
    struct sip_hop hop = {.transport = (enum sip_transport)(bits % 3), .side = bits >> 7, .tcp_too = bits & 8};
    hop.addr = (struct addr){.family = 4, .port = (uint16_t)(bits & 0x30), .ip = {192, 0, 2, (uint8_t)(bits >> 6)}};
    if (bits & 4)
        strcpy(hop.host, "a.example");
    if (s->conn_count && bits % 5 == 0)
        hop.conn = s->conns[take(s) % s->conn_count];
    return hop;
}

static uint64_t take_conn(struct story *s)
{
    return s->conn_count ? s->conns[take(s) % s->conn_count] : 1;
}

static void know(struct story *s, uint64_t conn)
{
    s->conns[s->conn_count < KNOWN_MAX ? s->conn_count++ : conn % KNOWN_MAX] = conn;
}

static void drain(struct story *s)
{
    struct sip_net_effect e;
    while (sip_net_next(s->net, s->now, &e)) {
        if (e.kind == SIP_NET_CONNECT)
            know(s, e.conn);
        if (e.kind == SIP_NET_MESSAGE && (e.octets.n == 0 || e.octets.n > 65535 || !e.flow))
            abort();
        if ((e.kind == SIP_NET_WRITE || e.kind == SIP_NET_DATAGRAM) && e.octets.n == 0)
            abort();
        if (e.kind == SIP_NET_MESSAGE && e.octets.p[0] == 'C')
            sip_net_close(s->net, s->now, e.conn); /* while its messages are given out */
        if (e.kind == SIP_NET_MESSAGE && e.octets.p[e.octets.n - 1] == '\n' && e.conn) {
            struct sip_hop hop = {.transport = e.flow->transport, .addr = e.flow->peer, .conn = e.conn};
            sip_net_send(s->net, s->now, &hop, e.octets);
        }
    }
    if (sip_net_conns(s->net) > CONNS_MAX)
        abort();
}

/* So many octets of the story, at an address of their own. */
static void with_octets(struct story *s, void (*fn)(struct story *s, struct slice octets))
{
    size_t n = take(s);
    if (n > s->left)
        n = s->left;
    uint8_t *octets = malloc(n + 1);
    memcpy(octets, s->p, n);
    s->p += n;
    s->left -= n;
    fn(s, slice_of(octets, n));
    drain(s);
    free(octets);
}

static void input(struct story *s, struct slice octets)
{
    sip_net_input(s->net, s->now, take_conn(s), octets);
}

static void datagram(struct story *s, struct slice octets)
{
    struct sip_hop hop = take_hop(s);
    sip_net_datagram(s->net, s->now, 1, &hop.addr, &local, octets);
}

static void send_large(struct story *s)
{
    static const char head[] = "INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nl: 1300\r\n\r\n";
    char text[sizeof head - 1 + 1300];
    struct sip_hop hop = take_hop(s);
    memset(text, 'b', sizeof text);
    memcpy(text, head, sizeof head - 1);
    sip_net_send(s->net, s->now, &hop, slice_of(text, sizeof text));
}

/* All that are there are told of, and what is told is what one gets by its number. */
static void check_list(struct story *s)
{
    struct sip_conn_info info, same;
    size_t n = 0;
    for (size_t at = 0; sip_net_next_conn(s->net, &at, &info); n++)
        if (!sip_net_conn(s->net, info.conn, &same) || same.since.us != info.since.us)
            abort();
    if (n != sip_net_conns(s->net))
        abort();
}

static void release_all(struct story *s)
{
    struct sip_conn_info info;
    for (size_t at = 0; sip_net_next_conn(s->net, &at, &info);)
        for (; info.holds; info.holds--)
            sip_net_release(s->net, s->now, info.conn);
}

static void step(struct story *s)
{
    uint64_t conn;
    struct sip_hop hop;
    switch (take(s) % 14) {
    case 0:
        hop = take_hop(s);
        if (sip_net_accepted(s->net, s->now, hop.transport ? hop.transport : SIP_TCP, 1, &hop.addr, &local, hop.tcp_too,
                             &conn) == 0)
            know(s, conn);
        break;
    case 1:
        sip_net_up(s->net, s->now, take_conn(s), &local, take(s) % 2 ? "a.example b.example" : NULL);
        break;
    case 2:
        sip_net_down(s->net, s->now, take_conn(s));
        break;
    case 3:
        hop = take_hop(s);
        sip_net_send(s->net, s->now, &hop, slice_str("ACK sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nl: 0\r\n\r\n"));
        break;
    case 4:
        send_large(s);
        break;
    case 5:
        with_octets(s, input);
        break;
    case 6:
        with_octets(s, datagram);
        break;
    case 7:
        s->now.mono = mono_after_ms(s->now.mono, (int64_t)take(s) * 500);
        sip_net_tick(s->net, s->now);
        break;
    case 10:
        sip_net_hold(s->net, s->now, take_conn(s));
        break;
    case 11:
        sip_net_release(s->net, s->now, take_conn(s));
        break;
    case 12:
        hop = take_hop(s);
        conn = take_conn(s);
        (void)sip_net_alias(s->net, conn, hop.side, take(s) % 2 ? "a.example" : "c.example", &hop.addr);
        break;
    case 13:
        check_list(s);
        break;
    case 8:
        sip_net_close(s->net, s->now, take_conn(s));
        break;
    default:
        hop = take_hop(s);
        sip_net_datagram_failed(s->net, s->now, hop.side, &hop.addr);
        break;
    }
    drain(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct story s = {.p = data, .left = size};
    struct sip_net_config config;
    sip_net_config_init(&config);
    config.conns_max = CONNS_MAX;
    config.conns_per_source_max = 5;
    config.conns_per_peer_max = 7;
    config.conns_reserved = 4;
    config.queue_octets_max = 4000;
    config.waiting_octets_max = 6000;
    config.partial_octets_max = 3000;
    if (sip_net_new(&config, NULL, &s.net) != 0)
        abort();
    while (s.left)
        step(&s);
    release_all(&s);
    /* Left alone, all connections end. */
    for (int i = 0; i < 10000 && sip_net_deadline(s.net).us != MONO_NEVER.us; i++) {
        s.now.mono = mono_max(s.now.mono, sip_net_deadline(s.net));
        sip_net_tick(s.net, s.now);
        drain(&s);
    }
    if (sip_net_conns(s.net))
        abort();
    sip_net_free(s.net);
    return 0;
}
