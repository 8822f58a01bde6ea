/* SIP messages through the host (transport core, streams and sockets) beside the same octets over the bare things below it: datagrams sent and
 * received one by one, and streams. Both ends are in this process, on the loopback interface; one unit of work is a message there. */
#include "io/sip_host.h"
#include "base/entropy.h"
#include "bench.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WINDOW 50 /* messages under way: what comes together in a busy agent's turn */
#define SECONDS 3

static struct loop *loop;
static char message[1024];
static size_t message_octets;

static void make_message(void)
{
    static const char head[] =
        "INVITE sip:+49300200003@b.example SIP/2.0\r\nVia: SIP/2.0/TCP a.example;branch=z9hG4bK1234567890\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:+49300100007@a.example>;tag=12345\r\nTo: <sip:+49300200003@b.example>\r\n"
        "Call-ID: 0123456789abcdef0123456789abcdef\r\nCSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.1:5060>\r\n"
        "Content-Type: application/sdp\r\nContent-Length: 200\r\n\r\n";
    message_octets = sizeof head - 1 + 200;
    memset(message, 'v', sizeof message);
    memcpy(message, head, sizeof head - 1);
}

static struct addr loopback(void)
{
    return (struct addr){.family = 4, .ip = {127, 0, 0, 1}};
}

/* ---- through the host ---- */

struct ends {
    struct sip_host *from, *to;
    struct sip_hop hop;
    unsigned long sent, received;
};

static void count(void *arg, const struct sip_flow *flow, struct slice octets)
{
    struct ends *e = arg;
    (void)flow;
    bench_need(octets.n == message_octets, "a message");
    e->received++;
}

static void unreachable(void *arg, const struct sip_hop *hop)
{
    (void)arg;
    (void)hop;
    bench_need(false, "a way");
}

static void host_work(void *arg, unsigned long times)
{
    struct ends *e = arg;
    unsigned long end = e->received + times;
    e->sent = e->received;
    while (e->received < end) {
        for (; e->sent < end && e->sent < e->received + WINDOW; e->sent++)
            sip_host_send(e->from, &e->hop, slice_of(message, message_octets));
        bench_need(loop_turn(loop, true) == 0, "a turn");
    }
}

static void host_open(struct ends *e, enum sip_transport transport)
{
    static const struct sip_host_handler handler = {.message = count, .unreachable = unreachable};
    static struct seeded_entropy seed = {7};
    static struct entropy entropy;
    struct sip_host_options options;
    struct addr bind = loopback();
    entropy = seeded_entropy_port(&seed);
    sip_host_options_init(&options);
    options.entropy = &entropy;
    bench_need(sip_host_new(loop, &options, &handler, e, &e->from) == 0, "a host");
    bench_need(sip_host_new(loop, &options, &handler, e, &e->to) == 0, "a host");
    bench_need(sip_host_listen(e->from, 0, transport, &bind, NULL) == 0, "listening");
    bench_need(sip_host_listen(e->to, 0, transport, &bind, NULL) == 0, "listening");
    sip_host_connect_from(e->from, 0, &(struct addr){0}, NULL);
    e->hop = (struct sip_hop){.transport = transport, .addr = sip_host_addr(e->to, 0, transport, 4)};
}

/* ---- datagrams one by one ---- */

struct sockets {
    int from, to;
};

static int socket_open(struct sockaddr_in *ret_addr)
{
    socklen_t n = sizeof *ret_addr;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    *ret_addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bench_need(fd >= 0 && bind(fd, (struct sockaddr *)ret_addr, n) == 0 &&
                   getsockname(fd, (struct sockaddr *)ret_addr, &n) == 0,
               "a socket");
    return fd;
}

static void socket_work(void *arg, unsigned long times)
{
    const struct sockets *s = arg;
    struct sockaddr_in to;
    socklen_t n = sizeof to;
    char octets[65536];
    bench_need(getsockname(s->to, (struct sockaddr *)&to, &n) == 0, "an address");
    for (unsigned long done = 0; done < times; done += WINDOW) {
        for (int i = 0; i < WINDOW; i++)
            bench_need(sendto(s->from, message, message_octets, 0, (struct sockaddr *)&to, n) > 0, "sending");
        for (int i = 0; i < WINDOW; i++) {
            struct sockaddr_in peer;
            socklen_t octets_peer = sizeof peer;
            bench_need(recvfrom(s->to, octets, sizeof octets, 0, (struct sockaddr *)&peer, &octets_peer) > 0,
                       "receiving");
        }
    }
}

/* ---- a bare stream ---- */

struct bare {
    struct listener *listener;
    struct stream *from, *to;
    unsigned long sent, received; /* octets */
};

static void bare_ready(void *arg, struct stream *stream)
{
    (void)arg;
    (void)stream;
}

static void bare_input(void *arg, struct stream *stream, struct slice octets)
{
    struct bare *b = arg;
    (void)stream;
    b->received += octets.n;
}

static void bare_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    (void)arg;
    (void)stream;
    (void)reason;
    bench_need(false, detail);
}

static const struct stream_handler bare_handler = {.ready = bare_ready, .input = bare_input, .closed = bare_closed};

static void bare_accept(void *arg, struct stream *stream)
{
    struct bare *b = arg;
    b->to = stream;
    stream_set_handler(stream, &bare_handler, b);
}

static void bare_open(struct bare *b)
{
    struct listener_options listen = {.bind = loopback()};
    bench_need(listener_open(loop, &listen, bare_accept, b, &b->listener) == 0, "listening");
    struct stream_connect_options connect = {.remote = listener_addr(b->listener)};
    bench_need(stream_connect(loop, &connect, &bare_handler, b, &b->from) == 0, "connecting");
    while (!b->to || stream_write(b->from, slice_of(message, message_octets)) != 0)
        bench_need(loop_turn(loop, true) == 0, "a turn");
    b->sent = message_octets;
}

static void bare_work(void *arg, unsigned long times)
{
    struct bare *b = arg;
    unsigned long end = b->sent + times * message_octets;
    while (b->received < end) {
        for (; b->sent < end && b->sent < b->received + WINDOW * message_octets; b->sent += message_octets)
            bench_need(stream_write(b->from, slice_of(message, message_octets)) == 0, "writing");
        bench_need(loop_turn(loop, true) == 0, "a turn");
    }
}

int main(void)
{
    static struct ends udp, tcp;
    static struct bare bare;
    struct sockaddr_in addr;
    make_message();
    bench_need(loop_new(&loop) == 0, "a loop");
    host_open(&udp, SIP_UDP);
    host_open(&tcp, SIP_TCP);
    bare_open(&bare);
    struct sockets sockets = {socket_open(&addr), socket_open(&addr)};
    struct bench_side udp_side = {"SIP host, UDP", host_work, &udp, 1};
    struct bench_side socket_side = {"sendto and recvfrom", socket_work, &sockets, 1};
    struct bench_side tcp_side = {"SIP host, TCP", host_work, &tcp, 1};
    struct bench_side bare_side = {"bare stream", bare_work, &bare, 1};
    bool good = bench_compare(&udp_side, &socket_side, COST_AT_MOST, 1.3, SECONDS);
    /* Who reads a stream for nothing does not look for the ends of messages. */
    good &= bench_compare(&tcp_side, &bare_side, COST_AT_MOST, 3.0, SECONDS);
    sip_host_free(udp.from);
    sip_host_free(udp.to);
    sip_host_free(tcp.from);
    sip_host_free(tcp.to);
    stream_close(bare.from);
    stream_close(bare.to);
    listener_close(bare.listener);
    loop_free(loop);
    close(sockets.from);
    close(sockets.to);
    return good ? 0 : 1;
}
