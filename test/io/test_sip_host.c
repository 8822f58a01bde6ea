/* Two SIP hosts on the loopback interface talk over UDP, TCP and TLS; what each learns of the other, and of failures. */
#include "base/mem.h"
#include "ends.h"
#include "io/process.h"
#include "io/sip_host.h"
#include "pki.h"
#include "sip/transaction.h"
#include "testing.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPTIONS "OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n"
#define OK "SIP/2.0 200 OK\r\nl: 0\r\n\r\n"

/* One host and what it was told. */
struct node {
    struct sip_host *host;
    struct world *world;
    unsigned messages;
    struct sip_flow flow; /* of the last; without the pointers */
    char domain[256];
    struct buf octets; /* of all */
    bool answers;      /* each with OK, at once, over the same flow */
    unsigned unreachable;
    struct sip_hop unreachable_hop; /* the last */
    uint64_t ended;                 /* the last with a number */
    unsigned located;
    struct sip_hops hops;
    struct sip_layer *layer; /* NULL: none; it is told of connections that ended, and sends over the host */
    unsigned lost;
};

struct world {
    struct ends ends; /* the loop, and bare streams */
    struct entropy entropy;
    struct authority authority;
    struct identity a_identity, b_identity;
    struct tls_context *a_client, *b_client, *b_server;
    struct node a, b;
};

static void message(void *arg, const struct sip_flow *flow, struct slice octets)
{
    struct node *n = arg;
    n->messages++;
    n->flow = *flow;
    snprintf(n->domain, sizeof n->domain, "%s|%s", flow->peer_domain ? flow->peer_domain : "-",
             flow->peer_domains ? flow->peer_domains : "-");
    buf_slice_put(&n->octets, octets);
    if (!n->answers)
        return;
    struct sip_hop hop = {.transport = flow->transport, .side = flow->side, .addr = flow->peer, .conn = flow->conn};
    sip_host_send(n->host, &hop, slice_str(OK));
}

static void unreachable(void *arg, const struct sip_hop *hop)
{
    struct node *n = arg;
    n->unreachable++;
    n->unreachable_hop = *hop;
    if (hop->conn)
        n->ended = hop->conn;
}

static void located(void *arg, uint64_t token, const struct sip_hops *hops)
{
    struct node *n = arg;
    assert_int_equal(token, 77);
    n->located++;
    n->hops = *hops;
}

/* The kernel's time is not that of a test: the layer has one of its own, that stands. */
static void send_all(struct node *n)
{
    struct sip_event e;
    while (sip_layer_next(n->layer, &e)) {
        assert_int_equal(e.kind, SIP_SEND);
        sip_host_send(n->host, e.hop, e.octets);
    }
}

static void lost(void *arg, const struct sip_hop *hop)
{
    struct node *n = arg;
    n->lost++;
    sip_layer_lost(n->layer, (struct now){0}, hop);
    send_all(n);
}

static const struct sip_host_handler handler = {.message = message, .unreachable = unreachable, .located = located};
static const struct sip_host_handler handler_with_layer = {
    .message = message, .unreachable = unreachable, .lost = lost, .located = located};

static void node_open(struct world *w, struct node *n, const struct sip_host_options *options)
{
    n->world = w;
    buf_init(&n->octets, 1u << 24);
    assert_int_equal(sip_host_new(w->ends.loop, options, n->layer ? &handler_with_layer : &handler, n, &n->host), 0);
}

static void open_both(struct world *w, const struct sip_host_options *changed)
{
    struct sip_host_options options;
    struct addr bind = addr_of("127.0.0.1:1"), none = {0};
    sip_host_options_init(&options);
    if (changed)
        options = *changed;
    options.entropy = &w->entropy;
    bind.port = 0;
    node_open(w, &w->a, &options);
    node_open(w, &w->b, &options);
    w->b.answers = true;
    sip_host_connect_from(w->a.host, 1, &none, w->a_client);
    sip_host_connect_from(w->b.host, 2, &none, w->b_client);
    assert_int_equal(sip_host_listen(w->a.host, 1, SIP_UDP, &bind, NULL), 0);
    assert_int_equal(sip_host_listen(w->a.host, 1, SIP_TCP, &bind, NULL), 0);
    assert_int_equal(sip_host_listen(w->b.host, 2, SIP_UDP, &bind, NULL), 0);
    assert_int_equal(sip_host_listen(w->b.host, 2, SIP_TCP, &bind, NULL), 0);
    assert_int_equal(sip_host_listen(w->b.host, 2, SIP_TLS, &bind, w->b_server), 0);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    ends_init(&w->ends);
    w->entropy = kernel_entropy();
    authority_init(&w->authority, "authority");
    identity_init(&w->a_identity, &w->authority, "a", "a.example", -1, 1);
    identity_init(&w->b_identity, &w->authority, "b", "b.example", -1, 1);
    w->a_client = pki_context(TLS_CLIENT, TLS_PEER_REQUIRED, &w->a_identity, &w->authority);
    w->b_client = pki_context(TLS_CLIENT, TLS_PEER_REQUIRED, &w->b_identity, &w->authority);
    w->b_server = pki_context(TLS_SERVER, TLS_PEER_REQUIRED, &w->b_identity, &w->authority);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    sip_host_free(w->a.host);
    sip_host_free(w->b.host);
    sip_layer_free(w->a.layer);
    buf_fini(&w->a.octets);
    buf_fini(&w->b.octets);
    tls_context_free(w->a_client);
    tls_context_free(w->b_client);
    tls_context_free(w->b_server);
    identity_fini(&w->a_identity);
    identity_fini(&w->b_identity);
    authority_fini(&w->authority);
    ends_fini(&w->ends);
    free(w);
    return 0;
}

static struct sip_hop hop_to_b(struct world *w, enum sip_transport transport)
{
    struct sip_hop hop = {.transport = transport, .side = 1, .addr = sip_host_addr(w->b.host, 2, transport, 4)};
    assert_int_equal(hop.addr.family, 4);
    return hop;
}

static void ask_and_answer(struct world *w, enum sip_transport transport, const char *host, const char *domain_at_a,
                           const char *domain_at_b)
{
    struct sip_hop hop = hop_to_b(w, transport);
    snprintf(hop.host, sizeof hop.host, "%s", host);
    w->a.messages = w->b.messages = 0;
    sip_host_send(w->a.host, &hop, slice_str(OPTIONS));
    assert_int_equal(w->b.messages, 0);
    TURN_UNTIL(&w->ends, w->a.messages == 1);
    assert_int_equal(w->b.messages, 1);
    assert_slice_text(buf_slice(&w->b.octets), OPTIONS);
    assert_slice_text(buf_slice(&w->a.octets), OK);
    buf_clear(&w->a.octets);
    buf_clear(&w->b.octets);
    assert_int_equal(w->b.flow.transport, transport);
    assert_int_equal(w->b.flow.side, 2);
    assert_int_equal(w->a.flow.side, 1);
    assert_true(addr_eq(&w->a.flow.peer, &hop.addr));
    assert_true(addr_eq(&w->b.flow.local, &hop.addr));
    assert_true(addr_eq(&w->b.flow.peer, &w->a.flow.local));
    assert_string_equal(w->a.domain, domain_at_a);
    assert_string_equal(w->b.domain, domain_at_b);
}

static void test_udp(void **state)
{
    struct world *w = *state;
    open_both(w, NULL);
    ask_and_answer(w, SIP_UDP, "", "-|-", "-|-");
    ask_and_answer(w, SIP_UDP, "", "-|-", "-|-");
    assert_int_equal(sip_host_conns(w->a.host), 0);
}

static void test_tcp(void **state)
{
    struct world *w = *state;
    open_both(w, NULL);
    ask_and_answer(w, SIP_TCP, "", "-|-", "-|-");
    ask_and_answer(w, SIP_TCP, "", "-|-", "-|-");
    assert_int_equal(sip_host_conns(w->a.host), 1);
    assert_int_equal(sip_host_conns(w->b.host), 1);
}

static void test_tls(void **state)
{
    struct world *w = *state;
    open_both(w, NULL);
    ask_and_answer(w, SIP_TLS, "b.example", "b.example|b.example", "a.example|a.example");
    ask_and_answer(w, SIP_TLS, "b.example", "b.example|b.example", "a.example|a.example");
    assert_int_equal(sip_host_conns(w->a.host), 1);
    /* Any name that verifies: the one of the certificate. */
    ask_and_answer(w, SIP_TLS, "", "b.example|b.example", "a.example|a.example");
    assert_int_equal(sip_host_conns(w->a.host), 2);
}

/* Asked for by its address, it is known by the domain of its certificate. */
static void test_tls_by_address(void **state)
{
    struct world *w = *state;
    struct identity both;
    static const char *const names[] = {"b.example", "127.0.0.1"};
    identity_init_names(&both, &w->authority, names, 2);
    struct tls_context *server = pki_context(TLS_SERVER, TLS_PEER_REQUIRED, &both, &w->authority);
    tls_context_free(w->b_server);
    w->b_server = server;
    identity_fini(&both);
    open_both(w, NULL);
    ask_and_answer(w, SIP_TLS, "127.0.0.1", "b.example|b.example", "a.example|a.example");
}

static void test_ipv6(void **state)
{
    struct world *w = *state;
    open_both(w, NULL);
    struct addr bind = addr_of("[::1]:1");
    bind.port = 0;
    enum sip_transport transports[] = {SIP_UDP, SIP_TCP, SIP_TLS};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sip_host_listen(w->b.host, 2, transports[i], &bind, w->b_server), 0);
        if (transports[i] == SIP_UDP)
            assert_int_equal(sip_host_listen(w->a.host, 1, SIP_UDP, &bind, NULL), 0);
        struct sip_hop hop = {
            .transport = transports[i], .side = 1, .addr = sip_host_addr(w->b.host, 2, transports[i], 6)};
        assert_int_equal(hop.addr.family, 6);
        sip_host_send(w->a.host, &hop, slice_str(OPTIONS));
        TURN_UNTIL(&w->ends, w->a.messages == i + 1);
        assert_true(addr_eq(&w->b.flow.local, &hop.addr));
    }
}

static void test_wrong_name(void **state)
{
    struct world *w = *state;
    open_both(w, NULL);
    struct sip_hop hop = hop_to_b(w, SIP_TLS);
    strcpy(hop.host, "c.example");
    sip_host_send(w->a.host, &hop, slice_str(OPTIONS));
    TURN_UNTIL(&w->ends, w->a.unreachable == 1);
    assert_int_equal(w->a.unreachable_hop.conn, 0);
    assert_string_equal(w->a.unreachable_hop.host, "c.example");
    assert_int_equal(w->b.messages, 0);
    assert_int_equal(sip_host_stream_counters(w->a.host)->tls_wrong_name, 1);
}

static void test_nobody_there(void **state)
{
    struct world *w = *state;
    open_both(w, NULL);
    struct sip_hop tcp = hop_to_b(w, SIP_TCP), udp = hop_to_b(w, SIP_UDP);
    sip_host_free(w->b.host);
    w->b.host = NULL;
    sip_host_send(w->a.host, &tcp, slice_str(OPTIONS));
    TURN_UNTIL(&w->ends, w->a.unreachable == 1);
    assert_true(addr_eq(&w->a.unreachable_hop.addr, &tcp.addr));
    sip_host_send(w->a.host, &udp, slice_str(OPTIONS));
    TURN_UNTIL(&w->ends, w->a.unreachable == 2);
    assert_true(addr_eq(&w->a.unreachable_hop.addr, &udp.addr));
    assert_int_equal(w->a.unreachable_hop.transport, SIP_UDP);
}

/* Told later, not from within sip_host_send. */
static void test_ways_that_are_none(void **state)
{
    struct world *w = *state;
    open_both(w, NULL);
    struct sip_hop hops[] = {hop_to_b(w, SIP_UDP), hop_to_b(w, SIP_TLS), hop_to_b(w, SIP_TCP), hop_to_b(w, SIP_UDP)};
    hops[0].addr = addr_of("[::1]:5060"); /* no socket of that family */
    hops[1].side = 3;                     /* no TLS identity */
    hops[2].side = 1000;
    hops[3].addr.port = 0;
    for (unsigned i = 0; i < 4; i++) {
        sip_host_send(w->a.host, &hops[i], slice_str(OPTIONS));
        assert_int_equal(w->a.unreachable, i);
        TURN_UNTIL(&w->ends, w->a.unreachable == i + 1);
        assert_int_equal(w->a.unreachable_hop.side, hops[i].side);
    }
}

static void test_many_at_once(void **state)
{
    struct world *w = *state;
    open_both(w, NULL);
    enum sip_transport transports[] = {SIP_TCP, SIP_TLS};
    for (size_t t = 0; t < 2; t++) {
        struct sip_hop hop = hop_to_b(w, transports[t]);
        char text[128];
        w->a.messages = w->b.messages = 0;
        buf_clear(&w->b.octets);
        struct buf expected;
        buf_init(&expected, 1u << 20);
        for (int i = 0; i < 1000; i++) {
            snprintf(text, sizeof text, "INFO sip:%d SIP/2.0\r\nContent-Length: %d\r\n\r\n%.*s", i, i % 10, i % 10,
                     "0123456789");
            buf_str(&expected, text);
            sip_host_send(w->a.host, &hop, slice_str(text));
        }
        TURN_UNTIL(&w->ends, w->a.messages == 1000);
        assert_int_equal(w->b.messages, 1000);
        assert_slice_equal(buf_slice(&w->b.octets), buf_slice(&expected));
        buf_fini(&expected);
    }
}

/* RFC 3261 18.2.2: the answer takes a connection of its own to the address that its hop has. */
static void test_connection_lost_before_the_answer(void **state)
{
    struct world *w = *state;
    open_both(w, NULL);
    w->b.answers = false;
    struct sip_hop hop = hop_to_b(w, SIP_TCP);
    sip_host_send(w->a.host, &hop, slice_str(OPTIONS));
    TURN_UNTIL(&w->ends, w->b.messages == 1);
    uint64_t conn = w->b.flow.conn;
    sip_host_free(w->a.host);
    w->a.host = NULL;
    TURN_UNTIL(&w->ends, w->b.ended == conn);
    unsigned before = w->b.unreachable;
    struct sip_host_options options;
    sip_host_options_init(&options);
    options.entropy = &w->entropy;
    node_open(w, &w->a, &options);
    struct addr bind = addr_of("127.0.0.1:1");
    bind.port = 0;
    assert_int_equal(sip_host_listen(w->a.host, 1, SIP_TCP, &bind, NULL), 0);
    struct sip_hop back = {
        .transport = SIP_TCP, .side = 2, .addr = sip_host_addr(w->a.host, 1, SIP_TCP, 4), .conn = conn};
    sip_host_send(w->b.host, &back, slice_str(OK));
    TURN_UNTIL(&w->ends, w->a.messages == 1);
    assert_int_equal(w->b.unreachable, before);
}

/* The other side closes the connection instead of answering: the request comes again over a new one, just as it was. */
static void test_request_on_a_closed_connection(void **state)
{
    struct world *w = *state;
    struct sip_layer_config config;
    uint64_t client;
    sip_layer_config_init(&config);
    assert_int_equal(sip_layer_new(&config, &w->entropy, NULL, &w->a.layer), 0);
    open_both(w, NULL);
    w->b.answers = false;
    struct sip_hop hop = hop_to_b(w, SIP_TCP);
    assert_int_equal(sip_client_request(w->a.layer, (struct now){0}, &hop, "127.0.0.1:5060",
                                        slice_str("INVITE sip:b@127.0.0.1 SIP/2.0\r\nMax-Forwards: 70\r\n"
                                                  "From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:b@127.0.0.1>\r\n"
                                                  "Call-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"),
                                        1, &client),
                     0);
    send_all(&w->a);
    TURN_UNTIL(&w->ends, w->b.messages == 1);
    const uint64_t conn = w->b.flow.conn;
    const size_t octets = w->b.octets.n;
    sip_host_close(w->b.host, conn);
    TURN_UNTIL(&w->ends, w->b.messages == 2);
    assert_true(w->b.flow.conn != conn);
    assert_int_equal(w->b.octets.n, 2 * octets);
    assert_memory_equal(w->b.octets.p, w->b.octets.p + octets, octets);
    assert_true(w->a.lost > 0);
    assert_int_equal(w->a.unreachable, 0);
}

/* A stranger sends half a message and waits; another sends no SIP at all. */
static void test_strangers(void **state)
{
    struct world *w = *state;
    struct sip_host_options options;
    sip_host_options_init(&options);
    options.net.message_ms = 20;
    open_both(w, &options);
    struct stream_connect_options connect = {.remote = sip_host_addr(w->b.host, 2, SIP_TCP, 0)};
    ends_connect(&w->ends, &connect);
    TURN_UNTIL(&w->ends, w->ends.client.ready);
    assert_int_equal(stream_write(w->ends.client.stream, slice_str("OPTIONS sip:a SIP/2.0\r\n")), 0);
    TURN_UNTIL(&w->ends, w->ends.client.closed);
    assert_int_equal(sip_host_net_counters(w->b.host)->closed_slow, 1);
    end_fini(&w->ends.client);
    end_init(&w->ends.client, &w->ends);
    ends_connect(&w->ends, &connect);
    TURN_UNTIL(&w->ends, w->ends.client.ready);
    assert_int_equal(stream_write(w->ends.client.stream, slice_str("\x16\x03\x01\x02")), 0);
    TURN_UNTIL(&w->ends, w->ends.client.closed);
    assert_int_equal(sip_host_net_counters(w->b.host)->bad_framing, 1);
    assert_int_equal(w->b.messages, 0);
    assert_int_equal(sip_host_conns(w->b.host), 0);
}

/* Keep-alives are answered, and a request whose end cannot be found can be. */
static void test_bare_stream(void **state)
{
    struct world *w = *state;
    open_both(w, NULL);
    struct stream_connect_options connect = {.remote = sip_host_addr(w->b.host, 2, SIP_TCP, 0)};
    ends_connect(&w->ends, &connect);
    TURN_UNTIL(&w->ends, w->ends.client.ready);
    assert_int_equal(stream_write(w->ends.client.stream, slice_str("\r\n\r\n")), 0);
    TURN_UNTIL(&w->ends, w->ends.client.received.n == 2);
    assert_slice_text(buf_slice(&w->ends.client.received), "\r\n");
    assert_int_equal(stream_write(w->ends.client.stream, slice_str("OPTIONS sip:a SIP/2.0\r\n\r\n" OPTIONS)), 0);
    TURN_UNTIL(&w->ends, w->ends.client.closed);
    assert_slice_text(buf_slice(&w->ends.client.received), "\r\n" OK);
    assert_int_equal(w->b.messages, 1);
}

/* Who does not read is cut off when its queue is full; the other connections go on. */
static void test_slow_reader(void **state)
{
    struct world *w = *state;
    struct sip_host_options options;
    sip_host_options_init(&options);
    options.stream_queue_octets_max = 100000;
    open_both(w, &options);
    struct stream_connect_options connect = {.remote = sip_host_addr(w->b.host, 2, SIP_TCP, 0)};
    ends_connect(&w->ends, &connect);
    TURN_UNTIL(&w->ends, w->ends.client.ready);
    assert_int_equal(stream_write(w->ends.client.stream, slice_str(OPTIONS)), 0);
    TURN_UNTIL(&w->ends, w->b.messages == 1);
    stream_pause(w->ends.client.stream, true);
    struct sip_hop hop = {.transport = SIP_TCP, .side = 2, .addr = w->b.flow.peer, .conn = w->b.flow.conn};
    char *text = calloc(1, 50001);
    int n = snprintf(text, 50001, "INFO sip:a SIP/2.0\r\nContent-Length: 49950\r\n\r\n");
    memset(text + n, 'x', 49950);
    for (int i = 0; i < 2000 && !w->b.unreachable; i++) {
        hop.addr.port = 0; /* no other connection is to be made */
        sip_host_send(w->b.host, &hop, slice_of(text, (size_t)n + 49950));
        ends_turn(&w->ends, __LINE__);
    }
    free(text);
    assert_int_equal(w->b.ended, hop.conn);
    assert_int_equal(sip_host_stream_counters(w->b.host)->queue_full, 1);
    buf_clear(&w->b.octets);
    ask_and_answer(w, SIP_TLS, "b.example", "b.example|b.example", "a.example|a.example");
}

/* ---- what edges need ---- */

/* B serves three domains, and picks the certificate by the name that A asks for. */
static void test_identities(void **state)
{
    struct world *w = *state;
    struct identity c, d;
    struct slice trust = cert_der(w->authority.cert);
    identity_init_usage(&c, &w->authority, "c.example", NULL);
    identity_init_usage(&d, &w->authority, "sip:d.example", NULL);
    const struct tls_identity further[] = {{buf_slice(&c.certificate_pem), buf_slice(&c.key_pem)},
                                           {buf_slice(&d.certificate_pem), buf_slice(&d.key_pem)}};
    struct tls_options server = pki_options(TLS_SERVER, TLS_PEER_REQUIRED, &w->b_identity, &trust);
    struct tls_options client = pki_options(TLS_CLIENT, TLS_PEER_REQUIRED, &w->a_identity, &trust);
    server.purpose = client.purpose = TLS_PURPOSE_SIP;
    server.identities = further;
    server.identity_count = 2;
    assert_int_equal(tls_context_reload(w->b_server, &server), 0);
    assert_int_equal(tls_context_reload(w->a_client, &client), 0);
    open_both(w, NULL);
    static const char *const names[] = {"b.example", "c.example", "d.example"};
    for (unsigned i = 0; i < 3; i++) {
        char domain[64];
        snprintf(domain, sizeof domain, "%s|%s", names[i], names[i]);
        ask_and_answer(w, SIP_TLS, names[i], domain, "a.example|a.example");
        assert_int_equal(w->b.flow.identity, i);
        assert_int_equal(w->a.flow.identity, 0);
    }
    assert_int_equal(sip_host_conns(w->b.host), 3);
    identity_fini(&c);
    identity_fini(&d);
}

/* The first connection of a host; there must be one. */
static struct sip_host_conn_info first_conn(const struct node *n)
{
    struct sip_host_conn_info info;
    size_t at = 0;
    assert_true(sip_host_next_conn(n->host, &at, &info));
    return info;
}

static void test_what_is_shown(void **state)
{
    struct world *w = *state;
    struct sip_host_conn_info info;
    size_t at = 0;
    open_both(w, NULL);
    assert_false(sip_host_next_conn(w->a.host, &at, &info));
    ask_and_answer(w, SIP_TLS, "b.example", "b.example|b.example", "a.example|a.example");
    info = first_conn(&w->a);
    assert_true(info.conn.is_up && !info.conn.accepted && info.conn.transport == SIP_TLS && info.conn.side == 1);
    assert_string_equal(info.conn.host, "b.example");
    assert_string_equal(info.tls_version, "TLSv1.3");
    assert_non_null(info.tls_cipher);
    assert_int_equal(info.conn.messages_out, 1);
    assert_int_equal(info.conn.messages_in, 1);
    info = first_conn(&w->b);
    assert_true(info.conn.is_up && info.conn.accepted && info.conn.side == 2);
    assert_string_equal(info.conn.peer_domains, "a.example");
    sip_host_hold(w->b.host, info.conn.conn);
    assert_true(sip_host_conn(w->b.host, info.conn.conn, &info));
    assert_int_equal(info.conn.holds, 1);
    sip_host_release(w->b.host, info.conn.conn);
    assert_true(sip_host_conn(w->b.host, info.conn.conn, &info));
    assert_int_equal(info.conn.holds, 0);
    assert_false(sip_host_conn(w->b.host, 12345, &info));
}

/* B's requests to A's domain go over the connection by which A came. */
static void test_alias(void **state)
{
    struct world *w = *state;
    struct addr listening = addr_of("127.0.0.1:5061"); /* nobody does */
    struct sip_hop hop = {.transport = SIP_TLS, .side = 7, .addr = listening, .host = "a.example"};
    open_both(w, NULL);
    ask_and_answer(w, SIP_TLS, "b.example", "b.example|b.example", "a.example|a.example");
    uint64_t conn = first_conn(&w->b).conn.conn;
    assert_int_equal(sip_host_alias(w->b.host, conn, 7, "b.example", &listening), ERR_FORBIDDEN);
    assert_int_equal(sip_host_alias(w->b.host, conn, 7, "a.example", &listening), 0);
    w->a.messages = 0;
    sip_host_send(w->b.host, &hop, slice_str(OPTIONS));
    TURN_UNTIL(&w->ends, w->a.messages == 1);
    assert_int_equal(sip_host_conns(w->b.host), 1);
    assert_string_equal(first_conn(&w->b).conn.alias, "a.example");
}

/* A list that comes later ends the connections of those that are on it; others live on. */
static void test_revoked_later(void **state)
{
    struct world *w = *state;
    struct buf crl;
    struct slice trust = cert_der(w->authority.cert), list;
    open_both(w, NULL);
    ask_and_answer(w, SIP_TLS, "b.example", "b.example|b.example", "a.example|a.example");
    struct tls_options server = pki_options(TLS_SERVER, TLS_PEER_REQUIRED, &w->b_identity, &trust);
    server.crls = &list;
    server.crl_count = 1;
    pki_crl(&w->authority, w->b_identity.cert, -1, 1, &crl);
    list = buf_slice(&crl);
    assert_int_equal(tls_context_reload(w->b_server, &server), 0);
    sip_host_verify_again(w->b.host);
    ask_and_answer(w, SIP_TLS, "b.example", "b.example|b.example", "a.example|a.example");
    assert_int_equal(sip_host_stream_counters(w->b.host)->accepted, 1);
    buf_fini(&crl);
    pki_crl(&w->authority, w->a_identity.cert, -1, 1, &crl);
    list = buf_slice(&crl);
    assert_int_equal(tls_context_reload(w->b_server, &server), 0);
    sip_host_verify_again(w->b.host);
    TURN_UNTIL(&w->ends, sip_host_conns(w->b.host) == 0);
    assert_int_equal(sip_host_stream_counters(w->b.host)->tls_revoked, 1);
    assert_true(w->b.unreachable > 0); /* it is told of */
    buf_fini(&crl);
}

#define HALF_OPEN 1000

/* As many sockets as the system allows, up to that number. */
static size_t allowed_sockets(void)
{
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    size_t half = files.rlim_cur / 2 - 64; /* both ends are ours */
    return half < HALF_OPEN ? half : HALF_OPEN;
}

/* A thousand connections that say nothing, from many addresses: whoever comes after them is served. */
static void test_half_open_flood(void **state)
{
    struct world *w = *state;
    static int sockets[HALF_OPEN];
    size_t n = allowed_sockets();
    open_both(w, NULL);
    struct addr to = sip_host_addr(w->b.host, 2, SIP_TLS, 4);
    struct sockaddr_in far = {
        .sin_family = AF_INET, .sin_port = htons(to.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (size_t i = 0; i < n; i++) {
        struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000100 + (uint32_t)(i / 32))};
        sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(sockets[i] >= 0);
        assert_int_equal(bind(sockets[i], (const struct sockaddr *)&from, sizeof from), 0);
        assert_int_equal(connect(sockets[i], (const struct sockaddr *)&far, sizeof far), 0);
        if (i % 64 == 63) /* not more than the kernel keeps for us */
            TURN_UNTIL(&w->ends, sip_host_stream_counters(w->b.host)->accepted > i);
    }
    TURN_UNTIL(&w->ends, sip_host_stream_counters(w->b.host)->accepted == n);
    assert_int_equal(handshakes_at_once(sip_host_handshakes(w->b.host)), n);
    ask_and_answer(w, SIP_TLS, "b.example", "b.example|b.example", "a.example|a.example");
    assert_int_equal(sip_host_conns(w->b.host), n + 1);
    for (size_t i = 0; i < n; i++)
        close(sockets[i]);
    TURN_UNTIL(&w->ends, sip_host_conns(w->b.host) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_udp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tcp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tls_by_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ipv6, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ways_that_are_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_connection_lost_before_the_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_request_on_a_closed_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_strangers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bare_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_reader, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_identities, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_alias, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_revoked_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_half_open_flood, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
