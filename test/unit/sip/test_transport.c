/* The transport layer in virtual time: each test is a story, and what came of it is compared line by line. */
#include "sip/transport.h"
#include "testing.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define OPTIONS "OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n"
#define ACK "ACK sip:a SIP/2.0\r\nl: 0\r\n\r\n"
#define OK "SIP/2.0 200 OK\r\nl: 0\r\n\r\n"

struct world {
    struct sip_net_config config;
    struct sip_net *net;
    struct now now;
    struct buf trace;
    bool known;         /* who connects from now on */
    uint64_t conns[64]; /* by their serial number */
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    sip_net_config_init(&w->config);
    w->config.seed = 7;
    w->now.mono.us = 1000000000;
    buf_init(&w->trace, 1u << 20);
    assert_int_equal(sip_net_new(&w->config, NULL, &w->net), 0);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    sip_net_free(w->net);
    buf_fini(&w->trace);
    free(w);
    return 0;
}

/* With another configuration. */
static void again(struct world *w)
{
    sip_net_free(w->net);
    assert_int_equal(sip_net_new(&w->config, NULL, &w->net), 0);
}

static struct addr addr_of(const char *text)
{
    struct addr addr;
    assert_int_equal(addr_parse(slice_str(text), 5060, &addr), 0);
    return addr;
}

static unsigned serial(uint64_t conn)
{
    return (unsigned)(conn / SIP_CONNS_MAX);
}

/* The first line only. */
static void put_octets(struct buf *b, struct slice octets)
{
    const uint8_t *end = octets.n ? memchr(octets.p, '\r', octets.n) : NULL;
    if (end == octets.p)
        buf_printf(b, "%zu breaks", octets.n / 2);
    else
        buf_printf(b, "%.*s (%zu)", end ? (int)(end - octets.p) : (int)octets.n, (const char *)octets.p, octets.n);
}

static void drain(struct world *w)
{
    struct sip_net_effect e;
    char text[ADDR_TEXT_OCTETS];
    while (sip_net_next(w->net, w->now, &e)) {
        switch (e.kind) {
        case SIP_NET_CONNECT:
            w->conns[serial(e.conn)] = e.conn;
            assert_int_equal(e.conn, e.hop->conn);
            buf_printf(&w->trace, "connect %u %s %s %s", serial(e.conn), sip_transport_name(e.hop->transport),
                       addr_format(&e.hop->addr, text), e.hop->host);
            break;
        case SIP_NET_WRITE:
            buf_printf(&w->trace, "write %u ", serial(e.conn));
            put_octets(&w->trace, e.octets);
            break;
        case SIP_NET_DATAGRAM:
            buf_printf(&w->trace, "datagram %u %s ", e.hop->side, addr_format(&e.hop->addr, text));
            put_octets(&w->trace, e.octets);
            break;
        case SIP_NET_CLOSE:
            buf_printf(&w->trace, "close %u", serial(e.conn));
            break;
        case SIP_NET_MESSAGE:
            buf_printf(&w->trace, "message %u %s %s ", serial(e.flow->conn), addr_format(&e.flow->peer, text),
                       e.flow->peer_domain ? e.flow->peer_domain : "-");
            put_octets(&w->trace, e.octets);
            break;
        case SIP_NET_LOST:
            buf_printf(&w->trace, "lost %u %s %s", serial(e.hop->conn), sip_transport_name(e.hop->transport),
                       addr_format(&e.hop->addr, text));
            break;
        case SIP_NET_UNREACHABLE:
            buf_printf(&w->trace, "unreachable %u %s %s%s", serial(e.hop->conn), sip_transport_name(e.hop->transport),
                       addr_format(&e.hop->addr, text), e.is_away ? " (away)" : "");
            break;
        }
        buf_str(&w->trace, "\n");
    }
}

/* What happened since the last time. */
#define EXPECT(w, text)                                   \
    do {                                                  \
        drain(w);                                         \
        assert_string_equal(buf_text(&(w)->trace), text); \
        buf_clear(&(w)->trace);                           \
    } while (0)

/* Lets time pass, with a call at each deadline and never later. */
static void pass(struct world *w, int64_t ms)
{
    struct mono end = mono_after_ms(w->now.mono, ms);
    for (int i = 0; i < 1000; i++) {
        struct mono due = sip_net_deadline(w->net);
        if (due.us > end.us)
            break;
        w->now.mono = mono_max(due, w->now.mono);
        sip_net_tick(w->net, w->now);
        drain(w);
    }
    w->now.mono = end;
}

static struct sip_hop hop_to(enum sip_transport transport, const char *addr, const char *host)
{
    struct sip_hop hop = {.transport = transport, .side = 1, .addr = addr_of(addr)};
    snprintf(hop.host, sizeof hop.host, "%s", host);
    return hop;
}

static void send_to(struct world *w, const struct sip_hop *hop, const char *message)
{
    char copy[256];
    snprintf(copy, sizeof copy, "%s", message);
    sip_net_send(w->net, w->now, hop, slice_str(copy));
    memset(copy, 'x', sizeof copy); /* they are copied */
}

static void up(struct world *w, unsigned number, const char *domain)
{
    struct addr local = addr_of("192.0.2.9:5060");
    sip_net_up(w->net, w->now, w->conns[number], &local, domain);
}

static int accepted(struct world *w, enum sip_transport transport, const char *peer)
{
    struct addr from = addr_of(peer), local = addr_of("192.0.2.9:5060");
    uint64_t conn;
    int err = sip_net_accepted(w->net, w->now, transport, 1, &from, &local, w->known, &conn);
    if (!err)
        w->conns[serial(conn)] = conn;
    return err;
}

static void input(struct world *w, unsigned number, const char *octets)
{
    char *copy = strdup(octets); /* exactly as long as it must be valid */
    sip_net_input(w->net, w->now, w->conns[number], slice_str(copy));
    drain(w);
    free(copy);
}

static void test_connect_wait_and_reuse(void **state)
{
    struct world *w = *state;
    struct sip_hop hop = hop_to(SIP_TCP, "192.0.2.1:5060", "");
    send_to(w, &hop, OPTIONS);
    send_to(w, &hop, ACK);
    EXPECT(w, "connect 1 TCP 192.0.2.1:5060 \n");
    up(w, 1, NULL);
    EXPECT(w, "write 1 OPTIONS sip:a SIP/2.0 (58)\n"); /* both, in one go */
    send_to(w, &hop, ACK);
    EXPECT(w, "write 1 ACK sip:a SIP/2.0 (27)\n");
    hop.side = 2; /* another identity: another connection */
    send_to(w, &hop, ACK);
    EXPECT(w, "connect 2 TCP 192.0.2.1:5060 \n");
    hop.side = 1;
    hop.addr.port++;
    send_to(w, &hop, ACK);
    EXPECT(w, "connect 3 TCP 192.0.2.1:5061 \n");
    assert_int_equal(sip_net_counters(w->net)->reused, 2);
    assert_int_equal(sip_net_conns(w->net), 3);
}

static void test_names_of_tls(void **state)
{
    struct world *w = *state;
    struct sip_hop a = hop_to(SIP_TLS, "192.0.2.1:5061", "a.example"),
                   b = hop_to(SIP_TLS, "192.0.2.1:5061", "b.example");
    struct sip_hop upper = hop_to(SIP_TLS, "192.0.2.1:5061", "A.Example"), any = hop_to(SIP_TLS, "192.0.2.1:5061", "");
    send_to(w, &a, ACK);
    EXPECT(w, "connect 1 TLS 192.0.2.1:5061 a.example\n");
    send_to(w, &b, ACK);
    EXPECT(w, "connect 2 TLS 192.0.2.1:5061 b.example\n");
    up(w, 1, "a.example b.a.example");
    EXPECT(w, "write 1 ACK sip:a SIP/2.0 (27)\n");
    send_to(w, &upper, ACK);
    EXPECT(w, "write 1 ACK sip:a SIP/2.0 (27)\n");
    send_to(w, &any, ACK);
    EXPECT(w, "connect 3 TLS 192.0.2.1:5061 \n");
    input(w, 1, OK);
    EXPECT(w, "message 1 192.0.2.1:5061 a.example SIP/2.0 200 OK (24)\n");
}

static void test_cannot_connect(void **state)
{
    struct world *w = *state;
    struct sip_hop hop = hop_to(SIP_TCP, "192.0.2.1:5060", "");
    send_to(w, &hop, OPTIONS);
    send_to(w, &hop, ACK);
    EXPECT(w, "connect 1 TCP 192.0.2.1:5060 \n");
    sip_net_down(w->net, w->now, w->conns[1]);
    EXPECT(w, "unreachable 0 TCP 192.0.2.1:5060 (away)\n"); /* once for both */
    send_to(w, &hop, OPTIONS);
    EXPECT(w, "connect 2 TCP 192.0.2.1:5060 \n");
    pass(w, 4999);
    EXPECT(w, "");
    pass(w, 1);
    EXPECT(w, "close 2\nunreachable 0 TCP 192.0.2.1:5060 (away)\n");
    up(w, 2, NULL); /* too late */
    EXPECT(w, "");
    hop.addr.port = 0;
    send_to(w, &hop, OPTIONS);
    EXPECT(w, "unreachable 0 TCP 192.0.2.1:0\n");
    assert_int_equal(sip_net_conns(w->net), 0);
    assert_int_equal(sip_net_counters(w->net)->connect_timeouts, 1);
}

static void test_responses_follow_their_connection(void **state)
{
    struct world *w = *state;
    assert_int_equal(accepted(w, SIP_TLS, "192.0.2.1:40000"), 0);
    up(w, 1, "a.example");
    input(w, 1, OPTIONS);
    EXPECT(w, "message 1 192.0.2.1:40000 a.example OPTIONS sip:a SIP/2.0 (31)\n");
    struct sip_hop hop = hop_to(SIP_TLS, "192.0.2.1:5061", "");
    hop.conn = w->conns[1];
    send_to(w, &hop, OK);
    EXPECT(w, "write 1 SIP/2.0 200 OK (24)\n");
    sip_net_down(w->net, w->now, w->conns[1]);
    EXPECT(w, "lost 1 TLS 192.0.2.1:40000\nlost 0 TLS 192.0.2.1:40000\n");
    send_to(w, &hop, OK); /* 18.2.2: to the address, with a connection of its own */
    EXPECT(w, "connect 2 TLS 192.0.2.1:5061 \n");
    sip_net_down(w->net, w->now, w->conns[2]); /* told as it was asked for, and for all others */
    EXPECT(w, "unreachable 1 TLS 192.0.2.1:5061 (away)\nunreachable 0 TLS 192.0.2.1:5061 (away)\n");
}

static void test_accepted_connections_are_reused_by_their_address(void **state)
{
    struct world *w = *state;
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.1:40000"), 0);
    assert_int_equal(accepted(w, SIP_TLS, "192.0.2.2:40000"), 0);
    up(w, 1, NULL);
    up(w, 2, "b.example");
    struct sip_hop tcp = hop_to(SIP_TCP, "192.0.2.1:40000", "a.example"),
                   tls = hop_to(SIP_TLS, "192.0.2.2:40000", "a.example");
    send_to(w, &tcp, ACK);
    EXPECT(w, "write 1 ACK sip:a SIP/2.0 (27)\n");
    send_to(w, &tls, ACK); /* who is there is not whom we want */
    EXPECT(w, "connect 3 TLS 192.0.2.2:40000 a.example\n");
}

static void test_datagrams(void **state)
{
    struct world *w = *state;
    struct sip_hop hop = hop_to(SIP_UDP, "[2001:db8::1]:5060", "");
    struct addr peer = addr_of("192.0.2.1:5070"), local = addr_of("192.0.2.9:5060");
    send_to(w, &hop, OPTIONS);
    EXPECT(w, "datagram 1 [2001:db8::1]:5060 OPTIONS sip:a SIP/2.0 (31)\n");
    sip_net_datagram(w->net, w->now, 1, &peer, &local, slice_str(OK));
    EXPECT(w, "message 0 192.0.2.1:5070 - SIP/2.0 200 OK (24)\n");
    sip_net_datagram(w->net, w->now, 1, &peer, &local, slice_str("\r\n\r\n"));
    sip_net_datagram(w->net, w->now, 1, &peer, &local, slice_of("\0\0\0\0", 4));
    EXPECT(w, "");
    sip_net_datagram_failed(w->net, w->now, 1, &peer);
    EXPECT(w, "unreachable 0 UDP 192.0.2.1:5070 (away)\n");
    char *large = calloc(1, 65508);
    sip_net_send(w->net, w->now, &hop, slice_of(large, 65508));
    free(large);
    EXPECT(w, "unreachable 0 UDP [2001:db8::1]:5060\n");
    assert_int_equal(sip_net_deadline(w->net).us, MONO_NEVER.us); /* no state */
}

static void test_several_messages_of_one_input(void **state)
{
    struct world *w = *state;
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.1:40000"), 0);
    up(w, 1, NULL);
    input(w, 1, OPTIONS ACK "\r\n\r\n" OK "ACK si");
    EXPECT(
        w,
        "message 1 192.0.2.1:40000 - OPTIONS sip:a SIP/2.0 (31)\nmessage 1 192.0.2.1:40000 - ACK sip:a SIP/2.0 (27)\n"
        "write 1 1 breaks\nmessage 1 192.0.2.1:40000 - SIP/2.0 200 OK (24)\n");
    input(w, 1, "p:a SIP/2.0\r\nl: 0\r\n\r\n");
    EXPECT(w, "message 1 192.0.2.1:40000 - ACK sip:a SIP/2.0 (27)\n");
}

/* Between two messages of one input the connection is closed by those above. */
static void test_closed_while_its_messages_are_given_out(void **state)
{
    struct world *w = *state;
    struct sip_net_effect e;
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.1:40000"), 0);
    up(w, 1, NULL);
    input(w, 1, "OPT");
    sip_net_input(w->net, w->now, w->conns[1], slice_str("IONS sip:a SIP/2.0\r\nl: 0\r\n\r\n" OPTIONS));
    assert_true(sip_net_next(w->net, w->now, &e));
    assert_int_equal(e.kind, SIP_NET_MESSAGE);
    sip_net_close(w->net, w->now, e.flow->conn);
    assert_slice_text(e.octets, OPTIONS); /* still there */
    EXPECT(w, "close 1\nlost 1 TCP 192.0.2.1:40000\nlost 0 TCP 192.0.2.1:40000\n");
    assert_int_equal(sip_net_conns(w->net), 0);
}

static void test_half_open_and_silent(void **state)
{
    struct world *w = *state;
    assert_int_equal(accepted(w, SIP_TLS, "192.0.2.1:40000"), 0);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.1:40001"), 0);
    up(w, 2, NULL);
    pass(w, 10000);
    EXPECT(w, "close 1\n"); /* nobody was told of it: nobody is told of its end */
    pass(w, 19999);
    EXPECT(w, "");
    pass(w, 1);
    EXPECT(w, "close 2\nlost 2 TCP 192.0.2.1:40001\nlost 0 TCP 192.0.2.1:40001\n");
    assert_int_equal(sip_net_counters(w->net)->closed_half_open, 1);
    assert_int_equal(sip_net_counters(w->net)->closed_silent, 1);
}

static void test_slow_senders(void **state)
{
    struct world *w = *state;
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.1:40000"), 0);
    up(w, 1, NULL);
    for (int i = 0; i < 9; i++) {
        input(w, 1, "O");
        pass(w, 1000);
    }
    input(w, 1, " sip:a SIP/2.0\r\nl: 0\r\n\r\nO"); /* whole, just in time; the next begins now */
    EXPECT(w, "message 1 192.0.2.1:40000 - OOOOOOOOO sip:a SIP/2.0 (33)\n");
    pass(w, 9999);
    input(w, 1, "P");
    EXPECT(w, "");
    pass(w, 1);
    EXPECT(w, "close 1\nlost 1 TCP 192.0.2.1:40000\nlost 0 TCP 192.0.2.1:40000\n");
    assert_int_equal(sip_net_counters(w->net)->closed_slow, 1);
}

static void test_no_message(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3; i++) {
        char peer[] = "192.0.2.1:40000";
        peer[14] = (char)('0' + i);
        assert_int_equal(accepted(w, SIP_TCP, peer), 0);
        up(w, 1 + (unsigned)i, NULL);
    }
    input(w, 1, "\x16\x03\x01");
    EXPECT(w, "close 1\nlost 1 TCP 192.0.2.1:40000\nlost 0 TCP 192.0.2.1:40000\n");
    /* A request whose end cannot be found is given up so that it can be refused; then the connection ends. */
    input(w, 2, "OPTIONS sip:a SIP/2.0\r\n\r\nOPTIONS");
    EXPECT(w, "message 2 192.0.2.1:40001 - OPTIONS sip:a SIP/2.0 (25)\n");
    struct sip_hop hop = hop_to(SIP_TCP, "192.0.2.1:40001", "");
    hop.conn = w->conns[2];
    send_to(w, &hop, "SIP/2.0 400 Bad Request\r\nl: 0\r\n\r\n");
    EXPECT(w, "write 2 SIP/2.0 400 Bad Request (33)\n");
    input(w, 2, OPTIONS);
    EXPECT(w, "");
    pass(w, 1000);
    EXPECT(w, "close 2\nlost 2 TCP 192.0.2.1:40001\nlost 0 TCP 192.0.2.1:40001\n");
    /* A giant head. */
    char *head = malloc(70000);
    memset(head, 'h', 70000);
    for (int i = 0; i < 7; i++) {
        sip_net_input(w->net, w->now, w->conns[3], slice_of(head, 10000));
        drain(w);
    }
    free(head);
    EXPECT(w, "close 3\nlost 3 TCP 192.0.2.1:40002\nlost 0 TCP 192.0.2.1:40002\n");
    assert_int_equal(sip_net_counters(w->net)->bad_framing, 3);
}

static void test_idle(void **state)
{
    struct world *w = *state;
    w->config.keepalive_ms = 0;
    again(w);
    struct sip_hop hop = hop_to(SIP_TCP, "192.0.2.1:5060", "");
    send_to(w, &hop, ACK);
    drain(w);
    up(w, 1, NULL);
    drain(w);
    buf_clear(&w->trace);
    pass(w, 599999);
    send_to(w, &hop, ACK);
    EXPECT(w, "write 1 ACK sip:a SIP/2.0 (27)\n");
    pass(w, 599999);
    input(w, 1, OPTIONS);
    EXPECT(w, "message 1 192.0.2.1:5060 - OPTIONS sip:a SIP/2.0 (31)\n");
    pass(w, 599999);
    EXPECT(w, "");
    pass(w, 1);
    EXPECT(w, "close 1\nlost 1 TCP 192.0.2.1:5060\nlost 0 TCP 192.0.2.1:5060\n");
    assert_int_equal(sip_net_counters(w->net)->closed_idle, 1);
    assert_int_equal(sip_net_deadline(w->net).us, MONO_NEVER.us);
}

static void test_keep_alive(void **state)
{
    struct world *w = *state;
    struct sip_hop hop = hop_to(SIP_TCP, "192.0.2.1:5060", "");
    w->config.keepalive_ms = 90000;
    again(w);
    send_to(w, &hop, ACK);
    drain(w);
    up(w, 1, NULL);
    drain(w);
    buf_clear(&w->trace);
    pass(w, 89999);
    EXPECT(w, "");
    pass(w, 1);
    EXPECT(w, "write 1 2 breaks\n");
    pass(w, 100000); /* not answered: it may not know them; asked again 90 s later */
    EXPECT(w, "write 1 2 breaks\n");
    input(w, 1, "\r\n");
    EXPECT(w, "");
    pass(w, 90000);
    EXPECT(w, "write 1 2 breaks\n");
    pass(w, 9999);
    EXPECT(w, "");
    pass(w, 1); /* it does know them: it is dead */
    EXPECT(w, "close 1\nlost 1 TCP 192.0.2.1:5060\nlost 0 TCP 192.0.2.1:5060\n");
}

/* A connection that others have made is nobody's concern until a dialog needs it: then both sides want to know in time when it has died. */
static void test_keep_alive_of_held_ones(void **state)
{
    struct world *w = *state;
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.1:40000"), 0);
    up(w, 1, NULL);
    input(w, 1, OPTIONS);
    drain(w);
    buf_clear(&w->trace);
    pass(w, 60000);
    EXPECT(w, "");
    sip_net_hold(w->net, w->now, w->conns[1]);
    pass(w, 1);
    EXPECT(w, "write 1 2 breaks\n");
    input(w, 1, "\r\n");
    EXPECT(w, "");
    pass(w, 14999);
    EXPECT(w, "");
    pass(w, 1);
    EXPECT(w, "write 1 2 breaks\n");
    input(w, 1, "\r\n");
    sip_net_release(w->net, w->now, w->conns[1]);
    pass(w, 60000);
    EXPECT(w, "");
    sip_net_hold(w->net, w->now, w->conns[1]);
    pass(w, 1);
    EXPECT(w, "write 1 2 breaks\n");
    pass(w, 9998);
    EXPECT(w, "");
    pass(w, 1);
    EXPECT(w, "close 1\nlost 1 TCP 192.0.2.1:40000\nlost 0 TCP 192.0.2.1:40000\n");
    assert_int_equal(sip_net_counters(w->net)->closed_no_pong, 1);
}

/* Answers to our keep-alive are not taken for keep-alives of the other side, nor for use: a connection that nobody needs ends. */
static void test_keep_alive_of_nobody(void **state)
{
    struct world *w = *state;
    struct sip_hop hop = hop_to(SIP_TCP, "192.0.2.1:5060", "");
    w->config.keepalive_ms = 90000;
    again(w);
    send_to(w, &hop, ACK);
    drain(w);
    up(w, 1, NULL);
    drain(w);
    buf_clear(&w->trace);
    for (unsigned i = 0; i < 6; i++) {
        pass(w, 90000);
        EXPECT(w, "write 1 2 breaks\n");
        input(w, 1, "\r\n");
        EXPECT(w, "");
    }
    assert_int_equal(sip_net_counters(w->net)->pings_in, 0);
    pass(w, 60000);
    EXPECT(w, "close 1\nlost 1 TCP 192.0.2.1:5060\nlost 0 TCP 192.0.2.1:5060\n");
    assert_int_equal(sip_net_counters(w->net)->closed_idle, 1);
}

static void test_limits(void **state)
{
    struct world *w = *state;
    w->config.conns_max = 3;
    w->config.conns_reserved = 0;
    w->config.conns_per_source_max = 2;
    again(w);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.1:40000"), 0);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.1:40001"), 0);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.1:40002"), ERR_LIMIT);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.2:40002"), 0);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.3:40002"), ERR_LIMIT);
    for (unsigned i = 1; i <= 3; i++) {
        up(w, i, NULL);
        input(w, i, ACK);
    }
    drain(w);
    buf_clear(&w->trace);
    /* None has been quiet for long enough. */
    struct sip_hop hop = hop_to(SIP_TCP, "192.0.2.8:5060", "");
    send_to(w, &hop, ACK);
    EXPECT(w, "unreachable 0 TCP 192.0.2.8:5060\n");
    pass(w, 1000);
    input(w, 1, ACK);
    drain(w);
    buf_clear(&w->trace);
    pass(w, 59000);
    send_to(w, &hop, ACK);
    EXPECT(w, "close 2\nlost 2 TCP 192.0.2.1:40001\nlost 0 TCP 192.0.2.1:40001\nconnect 4 TCP "
              "192.0.2.8:5060 \n");
    const struct sip_net_counters *c = sip_net_counters(w->net);
    assert_int_equal(c->refused_source, 1);
    assert_int_equal(c->refused_connections, 2);
    assert_int_equal(c->closed_spare, 1);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.1:40003"), 0); /* the third gives way */
    EXPECT(w, "close 3\nlost 3 TCP 192.0.2.2:40002\nlost 0 TCP 192.0.2.2:40002\n");
    pass(w, 60000);
    drain(w);
    buf_clear(&w->trace);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.5:40003"), 0);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.5:40004"), 0);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.5:40005"),
                     ERR_LIMIT); /* nobody gives way to too many of one source */
    assert_int_equal(c->refused_source, 2);
}

/* Strangers can take neither the room of known peers nor their connections; known ones have a limit of their own. */
static void test_known_peers(void **state)
{
    struct world *w = *state;
    const struct sip_net_counters *c;
    w->config.conns_max = 6;
    w->config.conns_reserved = 4;
    w->config.conns_per_source_max = 1;
    w->config.conns_per_peer_max = 3;
    w->config.keepalive_ms = 90000;
    again(w);
    c = sip_net_counters(w->net);
    w->known = true;
    for (unsigned i = 1; i <= 3; i++)
        assert_int_equal(accepted(w, SIP_TCP, "192.0.2.1:40000"), 0);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.1:40000"), ERR_LIMIT);
    assert_int_equal(c->refused_peer, 1);
    w->known = false;
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.2:40000"), 0);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.2:40001"), ERR_LIMIT);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.3:40000"), 0);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.4:40000"), ERR_LIMIT); /* the sixth place is not for it */
    assert_int_equal(c->refused_source, 1);
    assert_int_equal(c->refused_connections, 1);
    for (unsigned i = 1; i <= 5; i++) {
        up(w, i, NULL);
        input(w, i, ACK);
    }
    buf_clear(&w->trace);
    struct sip_hop hop = hop_to(SIP_TCP, "192.0.2.8:5060", "");
    send_to(w, &hop, ACK); /* but for us */
    EXPECT(w, "connect 6 TCP 192.0.2.8:5060 \n");
    up(w, 6, NULL);
    drain(w);
    buf_clear(&w->trace);
    /* All were quiet: a stranger takes the place of a stranger, and so does a known peer as long as there is one. */
    pass(w, 60000);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.4:40000"), 0);
    EXPECT(w, "close 4\nlost 4 TCP 192.0.2.2:40000\nlost 0 TCP 192.0.2.2:40000\n");
    w->known = true;
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.5:40000"), 0);
    EXPECT(w, "close 5\nlost 5 TCP 192.0.2.3:40000\nlost 0 TCP 192.0.2.3:40000\n");
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.5:40001"), 0);
    EXPECT(w, "close 1\nlost 1 TCP 192.0.2.1:40000\nlost 0 TCP 192.0.2.1:40000\n");
    assert_int_equal(c->closed_spare, 3);
}

/* Messages in parts: those of strangers are given up first. */
static void test_known_peers_parts(void **state)
{
    struct world *w = *state;
    char part[2100] = "INVITE sip:a SIP/2.0\r\nX: ";
    memset(part + strlen(part), 'x', 2000 - strlen(part));
    part[2000] = 0;
    w->config.partial_octets_max = 7000; /* each takes 2 K */
    again(w);
    for (unsigned i = 1; i <= 3; i++) {
        char peer[32];
        snprintf(peer, sizeof peer, "192.0.2.%u:40000", i);
        w->known = i == 3;
        assert_int_equal(accepted(w, SIP_TCP, peer), 0);
        up(w, i, NULL);
    }
    input(w, 3, part);
    input(w, 1, part);
    EXPECT(w, "");
    input(w, 2, part);
    EXPECT(w, "close 2\nlost 2 TCP 192.0.2.2:40000\nlost 0 TCP 192.0.2.2:40000\n");
    assert_int_equal(sip_net_counters(w->net)->refused_partial, 1);
    input(w, 3, "x");
    EXPECT(w, "");
}

static void test_memory_is_bounded(void **state)
{
    struct world *w = *state;
    w->config.queue_octets_max = 50;
    w->config.waiting_octets_max = 70;
    w->config.partial_octets_max = 2500;
    again(w);
    struct sip_hop a = hop_to(SIP_TCP, "192.0.2.1:5060", ""), b = hop_to(SIP_TCP, "192.0.2.2:5060", "");
    send_to(w, &a, OPTIONS);
    send_to(w, &a, ACK); /* over 50 */
    EXPECT(w, "connect 1 TCP 192.0.2.1:5060 \nunreachable 0 TCP 192.0.2.1:5060\n");
    send_to(w, &b, ACK);
    send_to(w, &b, ACK); /* over 70 in all */
    EXPECT(w, "connect 2 TCP 192.0.2.2:5060 \nunreachable 0 TCP 192.0.2.2:5060\n");
    up(w, 1, NULL);
    EXPECT(w, "write 1 OPTIONS sip:a SIP/2.0 (31)\n");
    up(w, 2, NULL);
    EXPECT(w, "write 2 ACK sip:a SIP/2.0 (27)\n");
    assert_int_equal(sip_net_counters(w->net)->refused_waiting, 2);
    char part[1501];
    memset(part, 'p', sizeof part);
    part[1500] = 0;
    input(w, 1, part);
    EXPECT(w, "");
    input(w, 2, part);
    EXPECT(w, "close 2\nlost 2 TCP 192.0.2.2:5060\nlost 0 TCP 192.0.2.2:5060\n");
    input(w, 1, OPTIONS);
    drain(w);
    assert_int_equal(sip_net_counters(w->net)->refused_partial, 1);
}

/* Whichever allocation fails, nothing is lost but messages and connections. */
static void test_no_memory(void **state)
{
    struct world *w = *state;
    for (unsigned long nth = 1; nth < 40; nth++) {
        again(w);
        struct sip_hop hop = hop_to(SIP_TCP, "192.0.2.1:5060", "");
        mem_fail_at(nth);
        (void)accepted(w, SIP_TLS, "192.0.2.1:40000");
        up(w, 1, "a.example");
        send_to(w, &hop, OPTIONS);
        drain(w);
        up(w, 2, NULL);
        sip_net_input(w->net, w->now, w->conns[2], slice_str(OPTIONS "OPT"));
        drain(w);
        sip_net_input(w->net, w->now, w->conns[1], slice_str("OPT"));
        drain(w);
        mem_fail_at(0);
        pass(w, 3600000);
        assert_int_equal(sip_net_conns(w->net), 0);
        buf_clear(&w->trace);
    }
}

static void put_request(char *text, const char *method, size_t octets)
{
    int n = snprintf(text, 4096, "%s sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nl: %04zu\r\n\r\n", method,
                     octets);
    size_t body = octets > (size_t)n ? octets - (size_t)n : 0;
    char *length = strstr(text, "l: ") + 3;
    snprintf(length, 5, "%04zu", body);
    length[4] = '\r';
    memset(text + n, 'b', body);
    text[(size_t)n + body] = 0;
}

/* The transport that Via names in the first octets that are written. */
static void expect_via(struct world *w, enum sip_net_effect_kind kind, const char *transport, size_t messages)
{
    struct sip_net_effect e;
    size_t found = 0;
    assert_true(sip_net_next(w->net, w->now, &e));
    assert_int_equal(e.kind, kind);
    for (size_t i = 0; i + 20 < e.octets.n; i++)
        if (memcmp(e.octets.p + i, "Via: SIP/2.0/", 13) == 0) {
            assert_memory_equal(e.octets.p + i + 13, transport, 3);
            found++;
        }
    assert_int_equal(found, messages);
}

/* 18.1.1 */
static void test_large_requests_go_by_tcp(void **state)
{
    struct world *w = *state;
    char large[4096], small[4096], response[4096];
    struct sip_hop hop = hop_to(SIP_UDP, "192.0.2.1:5060", "");
    put_request(large, "INVITE", SIP_DATAGRAM_OCTETS_MAX + 1);
    put_request(small, "ACK", SIP_DATAGRAM_OCTETS_MAX);
    put_request(response, "SIP/2.0 200 OK\r\nX:", 2000);
    sip_net_send(w->net, w->now, &hop, slice_str(large)); /* somebody said UDP */
    expect_via(w, SIP_NET_DATAGRAM, "UDP", 1);
    hop.tcp_too = true;
    sip_net_send(w->net, w->now, &hop, slice_str(small));
    expect_via(w, SIP_NET_DATAGRAM, "UDP", 1);
    sip_net_send(w->net, w->now, &hop, slice_str(large));
    sip_net_send(w->net, w->now, &hop, slice_str(large)); /* a repetition */
    EXPECT(w, "connect 1 TCP 192.0.2.1:5060 \n");
    sip_net_send(w->net, w->now, &hop, slice_str(small)); /* nothing waits that need not */
    expect_via(w, SIP_NET_DATAGRAM, "UDP", 1);
    up(w, 1, NULL);
    expect_via(w, SIP_NET_WRITE, "TCP", 2);
    sip_net_send(w->net, w->now, &hop, slice_str(small)); /* the ACK takes the way of its INVITE */
    expect_via(w, SIP_NET_WRITE, "TCP", 1);
    sip_net_send(w->net, w->now, &hop, slice_str(response));
    expect_via(w, SIP_NET_DATAGRAM, "UDP", 1);
    sip_net_down(w->net, w->now, w->conns[1]);
    drain(w);
    sip_net_send(w->net, w->now, &hop, slice_str(small));
    expect_via(w, SIP_NET_DATAGRAM, "UDP", 1);
    assert_int_equal(sip_net_counters(w->net)->large_by_tcp, 3);
}

static void test_large_requests_where_there_is_no_tcp(void **state)
{
    struct world *w = *state;
    char large[4096], other[4096];
    struct sip_hop hop = hop_to(SIP_UDP, "192.0.2.1:5060", "");
    hop.tcp_too = true;
    put_request(large, "INVITE", 1301);
    put_request(other, "MESSAGE", 1400);
    for (int i = 0; i < 2; i++) {
        sip_net_send(w->net, w->now, &hop, slice_str(large));
        sip_net_send(w->net, w->now, &hop, slice_str(other));
        drain(w);
        buf_clear(&w->trace);
        if (i == 0)
            sip_net_down(w->net, w->now, w->conns[1]); /* refused; the second time it does not answer at all */
        else
            sip_net_tick(w->net, (struct now){.mono = mono_after_ms(w->now.mono, w->config.connect_ms)});
        if (i == 1)
            EXPECT(w, "close 2\ndatagram 1 192.0.2.1:5060 INVITE sip:a SIP/2.0 (1301)\n"
                      "datagram 1 192.0.2.1:5060 MESSAGE sip:a SIP/2.0 (1400)\n"
                      "unreachable 0 TCP 192.0.2.1:5060 (away)\n");
        else
            for (int k = 0; k < 2; k++)
                expect_via(w, SIP_NET_DATAGRAM, "UDP", 1);
        drain(w);
        /* Known now: at once. */
        w->now.mono = mono_after_ms(w->now.mono, w->config.no_tcp_ms - 1);
        sip_net_send(w->net, w->now, &hop, slice_str(large));
        expect_via(w, SIP_NET_DATAGRAM, "UDP", 1);
        w->now.mono = mono_after_ms(w->now.mono, 1 + w->config.connect_ms);
    }
    assert_int_equal(sip_net_counters(w->net)->large_by_udp, 4);
}

static void test_domains_of_a_flow(void **state)
{
    (void)state;
    struct sip_flow flow = {.peer_domains = "b.example edge.b.example"};
    assert_true(sip_flow_is_from(&flow, "b.example"));
    assert_true(sip_flow_is_from(&flow, "Edge.B.example"));
    assert_false(sip_flow_is_from(&flow, "b.exampl"));
    assert_false(sip_flow_is_from(&flow, "example"));
    assert_false(sip_flow_is_from(&flow, ""));
    flow.peer_domains = NULL;
    assert_false(sip_flow_is_from(&flow, "b.example"));
    assert_false(sip_flow_is_from(&flow, ""));
}

/* Many connections at random: the counters and tables agree in the end. */
static void test_churn(void **state)
{
    struct world *w = *state;
    uint64_t numbers[200], random = 42;
    size_t count = 0;
    struct sip_net_effect e;
    w->config.conns_max = 150;
    w->config.conns_reserved = 40;
    w->config.keepalive_ms = 90000;
    again(w);
    struct addr local = addr_of("192.0.2.9:5060");
    for (int i = 0; i < 20000; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        unsigned pick = (unsigned)(random >> 33);
        struct addr peer = addr_of("192.0.2.1:1");
        peer.ip[3] = (uint8_t)(pick % 5);
        peer.port = (uint16_t)(1 + pick % 40);
        struct sip_hop hop = {.transport = pick % 3 ? SIP_TCP : SIP_TLS, .addr = peer};
        uint64_t conn;
        if (pick % 7 == 0 && count < 200 &&
            sip_net_accepted(w->net, w->now, SIP_TCP, 0, &peer, &local, pick % 3 == 0, &conn) == 0)
            numbers[count++] = conn;
        else if (pick % 7 == 1)
            sip_net_send(w->net, w->now, &hop, slice_str(OPTIONS));
        else if (pick % 7 == 2 && count)
            sip_net_down(w->net, w->now, numbers[pick % count]);
        else if (pick % 7 == 3 && count)
            sip_net_up(w->net, w->now, numbers[pick % count], &local, NULL);
        else if (pick % 7 == 4 && count)
            sip_net_input(w->net, w->now, numbers[pick % count],
                          slice_str(pick % 11 ? OPTIONS "\r\n\r\nA" : ACK "\x01"));
        else if (pick % 7 == 5)
            sip_net_tick(w->net, w->now);
        while (sip_net_next(w->net, w->now, &e)) {
            if (e.kind == SIP_NET_CONNECT && count < 200)
                numbers[count++] = e.conn;
            for (size_t k = 0; e.kind == SIP_NET_CLOSE && k < count; k++)
                if (numbers[k] == e.conn)
                    numbers[k] = numbers[--count];
        }
        if (count == 200)
            count = 100;
        w->now.mono = mono_after_ms(w->now.mono, pick % 50);
        assert_true(sip_net_conns(w->net) <= 150);
    }
    pass(w, 3600000);
    assert_int_equal(sip_net_conns(w->net), 0);
}

/* Connections that calls need stay, however quiet they are. */
static void test_held_connections(void **state)
{
    struct world *w = *state;
    struct sip_hop hop = hop_to(SIP_TCP, "192.0.2.1:5060", "");
    w->config.keepalive_ms = 0;
    again(w);
    send_to(w, &hop, OPTIONS);
    EXPECT(w, "connect 1 TCP 192.0.2.1:5060 \n");
    up(w, 1, NULL);
    EXPECT(w, "write 1 OPTIONS sip:a SIP/2.0 (31)\n");
    sip_net_hold(w->net, w->now, w->conns[1]);
    sip_net_hold(w->net, w->now, w->conns[1]);
    pass(w, 100 * w->config.idle_ms);
    sip_net_release(w->net, w->now, w->conns[1]);
    pass(w, 100 * w->config.idle_ms);
    EXPECT(w, "");
    sip_net_release(w->net, w->now, w->conns[1]);
    pass(w, w->config.idle_ms - 1);
    EXPECT(w, "");
    pass(w, 1);
    EXPECT(w, "close 1\nlost 1 TCP 192.0.2.1:5060\nlost 0 TCP 192.0.2.1:5060\n");
    sip_net_hold(w->net, w->now, w->conns[1]); /* of one that is gone: harmless */
    sip_net_release(w->net, w->now, w->conns[1]);
}

static void test_held_connections_give_no_way(void **state)
{
    struct world *w = *state;
    w->config.conns_max = 1;
    w->config.conns_reserved = 0;
    again(w);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.1:1"), 0);
    up(w, 1, NULL);
    input(w, 1, OPTIONS);
    EXPECT(w, "message 1 192.0.2.1:1 - OPTIONS sip:a SIP/2.0 (31)\n");
    sip_net_hold(w->net, w->now, w->conns[1]);
    pass(w, w->config.spare_ms);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.2:1"), ERR_LIMIT);
    sip_net_release(w->net, w->now, w->conns[1]);
    pass(w, w->config.spare_ms);
    assert_int_equal(accepted(w, SIP_TCP, "192.0.2.2:1"), 0);
}

/* RFC 5923: requests to a domain go over the connection by which it came. */
static void test_alias(void **state)
{
    struct world *w = *state;
    struct addr target = addr_of("192.0.2.1:5061"), elsewhere = addr_of("192.0.2.2:5061");
    struct sip_hop hop = hop_to(SIP_TLS, "192.0.2.1:5061", "b.example");
    hop.side = 3;
    assert_int_equal(accepted(w, SIP_TLS, "192.0.2.1:40000"), 0);
    assert_int_equal(sip_net_alias(w->net, w->conns[1], 3, "b.example", &target), ERR_NOT_FOUND); /* not up */
    up(w, 1, "b.example c.example");
    assert_int_equal(sip_net_alias(w->net, w->conns[1], 3, "d.example", &target), ERR_FORBIDDEN);
    assert_int_equal(sip_net_alias(w->net, w->conns[1], 3, "b.exampl", &target), ERR_FORBIDDEN);
    assert_int_equal(sip_net_alias(w->net, w->conns[1], 3, "b.example", &elsewhere), ERR_FORBIDDEN);
    assert_int_equal(sip_net_alias(w->net, w->conns[1], 3, "B.example", &target), 0);
    assert_int_equal(sip_net_alias(w->net, w->conns[1], 3, "b.example", &target), 0);
    assert_int_equal(sip_net_alias(w->net, w->conns[1], 3, "c.example", &target), ERR_EXISTS);
    send_to(w, &hop, OPTIONS);
    EXPECT(w, "write 1 OPTIONS sip:a SIP/2.0 (31)\n");
    hop.side = 1; /* with another certificate of ours: another connection */
    send_to(w, &hop, OPTIONS);
    EXPECT(w, "connect 2 TLS 192.0.2.1:5061 b.example\n");
    assert_int_equal(accepted(w, SIP_TLS, "192.0.2.1:40001"), 0);
    up(w, 3, "b.example");
    assert_int_equal(sip_net_alias(w->net, w->conns[3], 3, "b.example", &target), ERR_EXISTS);
    sip_net_down(w->net, w->now, w->conns[1]);
    EXPECT(w, "lost 1 TLS 192.0.2.1:40000\nlost 0 TLS 192.0.2.1:40000\nlost 0 TLS 192.0.2.1:5061\n");
    assert_int_equal(sip_net_alias(w->net, w->conns[3], 3, "b.example", &target), 0);
    hop.side = 3;
    send_to(w, &hop, OPTIONS);
    EXPECT(w, "write 3 OPTIONS sip:a SIP/2.0 (31)\n");
}

static void test_what_is_shown(void **state)
{
    struct world *w = *state;
    struct sip_conn_info info;
    size_t at = 0, n = 0;
    struct sip_hop hop = hop_to(SIP_TLS, "192.0.2.1:5061", "b.example");
    send_to(w, &hop, OPTIONS);
    EXPECT(w, "connect 1 TLS 192.0.2.1:5061 b.example\n");
    assert_int_equal(accepted(w, SIP_TLS, "192.0.2.2:40000"), 0);
    sip_net_set_identity(w->net, w->conns[2], 7);
    up(w, 2, "c.example");
    input(w, 2, OPTIONS OPTIONS);
    sip_net_hold(w->net, w->now, w->conns[2]);
    assert_true(sip_net_conn(w->net, w->conns[1], &info));
    assert_false(info.is_up || info.accepted);
    assert_string_equal(info.host, "b.example");
    assert_true(sip_net_conn(w->net, w->conns[2], &info));
    assert_true(info.is_up && info.accepted);
    assert_string_equal(info.peer_domains, "c.example");
    assert_int_equal(info.identity, 7);
    assert_int_equal(info.holds, 1);
    assert_int_equal(info.messages_in, 2);
    assert_int_equal(info.octets_in, 2 * (sizeof OPTIONS - 1));
    while (sip_net_next_conn(w->net, &at, &info))
        n++;
    assert_int_equal(n, 2);
    sip_net_down(w->net, w->now, w->conns[2]);
    assert_false(sip_net_conn(w->net, w->conns[2], &info));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_connect_wait_and_reuse, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_of_tls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cannot_connect, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_responses_follow_their_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_accepted_connections_are_reused_by_their_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_datagrams, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_several_messages_of_one_input, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_closed_while_its_messages_are_given_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_half_open_and_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_senders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_idle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keep_alive, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keep_alive_of_held_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keep_alive_of_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_known_peers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_known_peers_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_requests_go_by_tcp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_requests_where_there_is_no_tcp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_held_connections, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_held_connections_give_no_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_alias, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_shown, set_up, tear_down),
        cmocka_unit_test(test_domains_of_a_flow),
        cmocka_unit_test_setup_teardown(test_churn, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
