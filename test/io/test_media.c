/* The pool of media workers with real processes, and with sockets on addresses of the loopback interface that stand for different hosts. */
#include "base/mem.h"
#include "io/media_host.h"
#include "io/media_worker.h"
#include "io/process.h"
#include "media/srtp.h"
#include "testing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 30000
#define PORTS 16 /* pairs on each address */

/* Addresses of this process alone: 127.x.y.z. */
enum host_address { INSIDE = 1, OUTSIDE = 2, PHONE = 3, FAR = 4, STRANGER = 5 };

static struct addr address(enum host_address host, uint16_t port)
{
    unsigned pid = (unsigned)getpid();
    return (struct addr){
        .family = 4, .port = port, .ip = {127, (uint8_t)(100 + pid % 100), (uint8_t)(pid / 100), (uint8_t)host}};
}

struct world {
    struct loop *loop;
    struct media_host *host;
    const struct media_port *port;
    struct media_event last[MEDIA_LOST + 1]; /* the last one of each kind */
    unsigned count[MEDIA_LOST + 1];
};

static void on_event(void *arg, const struct media_event *event)
{
    struct world *w = arg;
    w->last[event->kind] = *event;
    w->count[event->kind]++;
}

static void open_world_with(struct world *w, unsigned workers, uint32_t port_idle_ms, uint32_t pairs_max)
{
    *w = (struct world){0};
    assert_int_equal(loop_new(&w->loop), 0);
    struct media_host_options options;
    media_host_options_init(&options);
    options.workers = workers;
    options.addresses[MEDIA_INSIDE][0] = address(INSIDE, 0);
    options.addresses[MEDIA_OUTSIDE][0] = address(OUTSIDE, 0);
    options.addresses[MEDIA_INSIDE][1] = (struct addr){.family = 6, .ip = {[15] = 1}};
    options.port_min = 20001;
    options.port_max = 20001 + 2 * PORTS;
    options.port_rest_ms = 100;
    options.port_idle_ms = port_idle_ms;
    options.pairs_max = pairs_max;
    options.relay.figures_ms = 50;
    options.patience_ms = 3000;
    options.restart_pause_ms = 100;
    struct entropy entropy = kernel_entropy();
    assert_int_equal(media_host_new(w->loop, &options, &entropy, on_event, w, &w->host), 0);
    w->port = media_host_port(w->host);
}

static void open_world(struct world *w, unsigned workers)
{
    open_world_with(w, workers, PATIENCE_MS, 0);
}

static void close_world(struct world *w)
{
    media_host_free(w->host);
    loop_free(w->loop);
}

static void wake(void *arg)
{
    (void)arg;
}

/* One turn of the loop, which waits for 5 ms at most. */
static void turn(struct world *w)
{
    struct loop_timer *timer;
    assert_int_equal(loop_timer_new(w->loop, wake, NULL, &timer), 0);
    loop_timer_set(timer, mono_after_ms(loop_clock(), 5));
    loop_turn(w->loop, true);
    loop_timer_free(timer);
}

/* Turns until the condition holds; fails when it does not in a very long time. */
#define WAIT_FOR(w, condition)                                       \
    do {                                                             \
        struct mono end_ = mono_after_ms(loop_clock(), PATIENCE_MS); \
        while (!(condition)) {                                       \
            assert_true(loop_clock().us < end_.us);                  \
            turn(w);                                                 \
        }                                                            \
    } while (0)

/* ---- ends ---- */

static socklen_t to_socket(const struct addr *a, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof *ret);
    if (a->family == 6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(a->port);
        memcpy(&in6->sin6_addr, a->ip, 16);
        return sizeof *in6;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)ret;
    in->sin_family = AF_INET;
    in->sin_port = htons(a->port);
    memcpy(&in->sin_addr, a->ip, 4);
    return sizeof *in;
}

/* A socket on that address with a port that the kernel chooses, which is put into the address. */
static int end_open(struct addr *local)
{
    struct sockaddr_storage storage;
    local->port = 0;
    socklen_t n = to_socket(local, &storage);
    int fd = socket(storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&storage, n), 0);
    n = sizeof storage;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&storage, &n), 0);
    local->port = storage.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&storage)->sin6_port)
                                                : ntohs(((struct sockaddr_in *)&storage)->sin_port);
    return fd;
}

static void end_send(int fd, const struct addr *to, const uint8_t *octets, size_t n)
{
    struct sockaddr_storage storage;
    socklen_t length = to_socket(to, &storage);
    assert_int_equal(sendto(fd, octets, n, 0, (struct sockaddr *)&storage, length), n);
}

/* 0: nothing there. */
static size_t end_receive(int fd, uint8_t *octets, size_t room)
{
    struct pollfd p = {fd, POLLIN, 0};
    if (poll(&p, 1, 10) != 1)
        return 0;
    ssize_t n = recv(fd, octets, room, 0);
    return n > 0 ? (size_t)n : 0;
}

/* What came too late for those who waited for it. */
static void end_drain(int fd)
{
    uint8_t octets[256];
    while (recv(fd, octets, sizeof octets, 0) >= 0)
        continue;
}

struct call {
    uint64_t id;
    struct media_session session;
    int phone, far;
    struct addr phone_addr, far_addr;
    struct addr inside, outside; /* the edge's ports */
    struct srtp *sends, *receives;
    uint16_t seq;
};

static struct srtp_master key_of(uint64_t seed)
{
    struct srtp_master master = {.suite = SUITE_AES_CM_128_HMAC_SHA1_80};
    for (size_t i = 0; i < sizeof master.octets; i++)
        master.octets[i] = (uint8_t)(seed * 31 + i);
    return master;
}

static int call_open(struct world *w, struct call *c, uint64_t id, const struct addr *phone)
{
    *c = (struct call){.id = id, .phone_addr = *phone, .far_addr = address(FAR, 0)};
    int err = w->port->open(w->port->ctx, id);
    if (err)
        return err;
    assert_int_equal(w->port->bind(w->port->ctx, id, 0, MEDIA_INSIDE, phone->family, &c->inside), 0);
    assert_int_equal(w->port->bind(w->port->ctx, id, 0, MEDIA_OUTSIDE, 4, &c->outside), 0);
    c->phone = end_open(&c->phone_addr);
    c->far = end_open(&c->far_addr);
    struct srtp_master in = key_of(id), out = key_of(id + 1000);
    c->session = (struct media_session){
        .id = id,
        .stream_count = 1,
        .streams = {{.kind = MEDIA_RTP,
                     .is_audio = true,
                     .format_count = 1,
                     .formats = {{8, 8000, "PCMA"}},
                     .ends = {{.remote = c->phone_addr, .rtcp_mux = true, .may_send = true},
                              {.remote = c->far_addr, .rtcp_mux = true, .may_send = true, .in = in, .out = out}}}},
    };
    w->port->set(w->port->ctx, &c->session);
    assert_int_equal(srtp_new(&in, SRTP_PROTECTS, SRTP_BACKEND_DEFAULT, &c->sends), 0);
    assert_int_equal(srtp_new(&out, SRTP_UNPROTECTS, SRTP_BACKEND_DEFAULT, &c->receives), 0);
    return 0;
}

static void call_close(struct call *c)
{
    close(c->phone);
    close(c->far);
    srtp_free(c->sends);
    srtp_free(c->receives);
}

static size_t make_rtp(struct call *c, uint8_t *octets)
{
    memset(octets, 0x55, 172);
    memcpy(octets, (uint8_t[]){0x80, 8, (uint8_t)(++c->seq >> 8), (uint8_t)c->seq, 0, 0, 0, 0, 0, 0, 0, 9}, 12);
    return 172;
}

/* A packet from the phone reaches the far end, which can read it. */
static bool try_outward(struct call *c)
{
    uint8_t sent[256], received[256];
    size_t n = make_rtp(c, sent);
    end_drain(c->far);
    end_send(c->phone, &c->inside, sent, n);
    size_t got = end_receive(c->far, received, sizeof received);
    return got == n + 10 && srtp_rtp_unprotect(c->receives, received, &got) == SRTP_GOOD && got == n &&
           memcmp(sent, received, n) == 0;
}

static bool try_inward(struct call *c)
{
    uint8_t plain[256], sent[256], received[256];
    size_t n = make_rtp(c, plain), protected = n;
    memcpy(sent, plain, n);
    assert_int_equal(srtp_rtp_protect(c->sends, sent, sizeof sent, &protected), SRTP_GOOD);
    end_drain(c->phone);
    end_send(c->far, &c->outside, sent, protected);
    return end_receive(c->phone, received, sizeof received) == n && memcmp(plain, received, n) == 0;
}

/* Media flows both ways: until it does, packets are lost, as its command may still be on its way. */
static void assert_flows(struct world *w, struct call *c)
{
    WAIT_FOR(w, try_outward(c));
    WAIT_FOR(w, try_inward(c));
}

static void expect_summary(struct world *w, uint64_t id)
{
    unsigned before = w->count[MEDIA_SUMMARY];
    w->port->close(w->port->ctx, id);
    WAIT_FOR(w, w->count[MEDIA_SUMMARY] > before);
    assert_int_equal(w->last[MEDIA_SUMMARY].session, id);
}

/* Whoever sends to a closed port is told so. */
static void assert_closed(struct world *w, int fd, const struct addr *port)
{
    struct sockaddr_storage storage;
    socklen_t n = to_socket(port, &storage);
    assert_int_equal(connect(fd, (struct sockaddr *)&storage, n), 0);
    WAIT_FOR(w, send(fd, "x", 1, 0) < 0 && errno == ECONNREFUSED);
}

/* ---- tests ---- */

static void media_flows_through_a_process(void **state)
{
    (void)state;
    struct world w;
    struct call c;
    struct addr phone = address(PHONE, 0);
    open_world(&w, 1);
    assert_int_equal(call_open(&w, &c, 1, &phone), 0);
    assert_int_equal(w.port->open(w.port->ctx, 1), ERR_EXISTS);
    assert_int_equal(c.inside.port % 2, 0);
    struct addr again;
    assert_int_equal(w.port->bind(w.port->ctx, 1, 0, MEDIA_INSIDE, 4, &again), 0);
    assert_true(addr_eq(&again, &c.inside));
    assert_int_equal(w.port->bind(w.port->ctx, 1, 0, MEDIA_OUTSIDE, 6, &again), ERR_RANGE);
    assert_int_equal(w.port->bind(w.port->ctx, 9, 0, MEDIA_OUTSIDE, 4, &again), ERR_NOT_FOUND);
    assert_flows(&w, &c);
    WAIT_FOR(&w, w.count[MEDIA_LATCHED] == 2);

    struct media_summary live;
    WAIT_FOR(&w,
             try_inward(&c) && w.port->figures(w.port->ctx, 1, &live) == 0 && *live.streams[0][MEDIA_OUTSIDE].codec);
    assert_string_equal(live.streams[0][MEDIA_OUTSIDE].codec, "PCMA");
    assert_true(addr_eq(&live.streams[0][MEDIA_OUTSIDE].source, &c.far_addr));

    expect_summary(&w, 1);
    assert_int_equal(w.port->figures(w.port->ctx, 1, &live), ERR_NOT_FOUND);
    assert_true(w.last[MEDIA_SUMMARY].summary.streams[0][MEDIA_INSIDE].packets > 0);
    assert_int_equal(media_host_counters(w.host)->sessions, 0);
    assert_int_equal(media_host_counters(w.host)->ports, 0);
    call_close(&c);
    close_world(&w);
}

static void a_phone_of_ipv6_reaches_an_edge_of_ipv4(void **state)
{
    (void)state;
    struct world w;
    struct call c;
    struct addr phone = {.family = 6, .ip = {[15] = 1}};
    open_world(&w, 1);
    assert_int_equal(call_open(&w, &c, 1, &phone), 0);
    assert_flows(&w, &c);
    expect_summary(&w, 1);
    call_close(&c);
    close_world(&w);
}

/* An offer may name an address of the other family, and be refused: until it is agreed upon, media go the way that they went. */
static void an_offer_of_another_family_changes_nothing_before_its_answer(void **state)
{
    (void)state;
    struct world w;
    struct call c;
    struct addr phone = address(PHONE, 0), again, other;
    open_world(&w, 1);
    assert_int_equal(call_open(&w, &c, 1, &phone), 0);
    assert_flows(&w, &c);
    assert_int_equal(w.port->bind(w.port->ctx, 1, 0, MEDIA_INSIDE, 6, &other), 0);
    w.port->set(w.port->ctx, &c.session); /* for another reason */
    assert_flows(&w, &c);
    assert_int_equal(media_host_counters(w.host)->ports, 3);
    assert_int_equal(w.port->bind(w.port->ctx, 1, 0, MEDIA_INSIDE, 4, &again), 0);
    assert_true(addr_eq(&again, &c.inside));
    close(c.phone);
    c.phone_addr = (struct addr){.family = 6, .ip = {[15] = 1}};
    c.phone = end_open(&c.phone_addr);
    c.inside = other;
    c.session.streams[0].ends[MEDIA_INSIDE].remote = c.phone_addr;
    w.port->set(w.port->ctx, &c.session);
    assert_flows(&w, &c);
    expect_summary(&w, 1);
    assert_int_equal(media_host_counters(w.host)->ports, 0);
    call_close(&c);
    close_world(&w);
}

static void strangers_are_not_relayed(void **state)
{
    (void)state;
    struct world w;
    struct call c;
    struct addr phone = address(PHONE, 0), stranger_addr = address(STRANGER, 0);
    uint8_t octets[256];
    open_world(&w, 1);
    assert_int_equal(call_open(&w, &c, 1, &phone), 0);
    assert_flows(&w, &c);
    int stranger = end_open(&stranger_addr);
    size_t n = make_rtp(&c, octets);
    end_drain(c.far);
    end_drain(c.phone);
    for (unsigned i = 0; i < 5; i++) {
        end_send(stranger, &c.inside, octets, n);
        end_send(stranger, &c.outside, octets, n);
    }
    assert_int_equal(end_receive(c.far, octets, sizeof octets), 0);
    assert_int_equal(end_receive(c.phone, octets, sizeof octets), 0);
    struct media_summary live;
    WAIT_FOR(&w, w.port->figures(w.port->ctx, 1, &live) == 0 &&
                     live.streams[0][MEDIA_INSIDE].refused[MEDIA_REFUSED_foreign] == 5 &&
                     live.streams[0][MEDIA_OUTSIDE].refused[MEDIA_REFUSED_foreign] == 5);
    close(stranger);
    expect_summary(&w, 1);
    call_close(&c);
    close_world(&w);
}

/* The process behind the session: that with more of them than before. */
static int pid_of(struct world *w, unsigned index)
{
    struct media_host_worker worker;
    assert_int_equal(media_host_worker(w->host, index, &worker), 0);
    return worker.pid;
}

/* Gone, and another one in its place. */
static void kill_worker(struct world *w, unsigned index)
{
    const int pid = pid_of(w, index);
    assert_true(pid > 0);
    kill(pid, SIGKILL);
    WAIT_FOR(w, pid_of(w, index) && pid_of(w, index) != pid);
}

/* More than one port is served with in a turn, and in several messages to the kernel: sizes change, and some are too large to be parts of a message. All of them have
 * room in the socket of a port of voice. */
#define BURST 70

static size_t burst_octets(unsigned i)
{
    return i % 30 == 29 ? 1300 : i % 10 == 9 ? 40 : 172;
}

static void send_burst(struct call *c, unsigned count)
{
    uint8_t octets[1300];
    for (unsigned i = 0; i < count; i++) {
        const size_t n = burst_octets(i);
        memset(octets, (int)i, n);
        memcpy(octets, (uint8_t[]){0x80, 8, (uint8_t)(++c->seq >> 8), (uint8_t)c->seq, 0, 0, 0, 0, 0, 0, 0, 9}, 12);
        end_send(c->phone, &c->inside, octets, n);
    }
}

/* So many arrive from the beginning, in order and as they were sent. */
static unsigned receive_burst(struct call *c)
{
    uint8_t octets[1400];
    unsigned count = 0;
    size_t n;
    while (count < BURST && (n = end_receive(c->far, octets, sizeof octets))) {
        if (srtp_rtp_unprotect(c->receives, octets, &n) != SRTP_GOOD || n != burst_octets(count) ||
            octets[n - 1] != count)
            break;
        count++;
    }
    return count;
}

/* What comes while the worker cannot look is in its socket when it can. */
static void send_to_stopped(struct world *w, struct call *c, unsigned count)
{
    const int pid = pid_of(w, 0);
    int status;
    kill(pid, SIGSTOP);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    send_burst(c, count);
    kill(pid, SIGCONT);
}

static bool try_burst(struct world *w, struct call *c)
{
    end_drain(c->far);
    send_to_stopped(w, c, BURST);
    return receive_burst(c) == BURST; /* or they were too old, or it took too long */
}

static void bursts_arrive_whole_and_in_order(void **state)
{
    (void)state;
    struct world w;
    struct call c;
    struct addr phone = address(PHONE, 0);
    open_world(&w, 1);
    assert_int_equal(call_open(&w, &c, 1, &phone), 0);
    assert_flows(&w, &c);
    WAIT_FOR(&w, try_burst(&w, &c));
    assert_int_equal(media_host_worker_counters(w.host)->overflowed, 0);

    /* More than its socket takes. What is lost is counted, and nothing of it is left behind. */
    send_to_stopped(&w, &c, 5 * BURST);
    WAIT_FOR(&w, try_burst(&w, &c));
    WAIT_FOR(&w, media_host_worker_counters(w.host)->overflowed > 0);
    assert_int_equal(media_host_worker_counters(w.host)->send_failed, 0);
    expect_summary(&w, 1);
    call_close(&c);
    close_world(&w);
}

static void wait_for_state(struct world *w)
{
    const uint64_t ms = 200; /* figures_ms is 50 */
    const struct mono end = mono_after_ms(loop_clock(), ms);
    while (loop_clock().us < end.us)
        turn(w);
}

/* Both ends notice nothing but a pause: same ports, same keys, numbers beyond their rollover. */
static void calls_outlive_a_worker_that_is_killed(void **state)
{
    (void)state;
    struct world w;
    struct call a, b, c;
    struct addr phone = address(PHONE, 0);
    open_world(&w, 2);
    assert_int_equal(call_open(&w, &a, 1, &phone), 0);
    assert_int_equal(call_open(&w, &b, 2, &phone), 0);
    struct media_host_worker first, second;
    assert_int_equal(media_host_worker(w.host, 0, &first), 0);
    assert_int_equal(media_host_worker(w.host, 1, &second), 0);
    assert_int_equal(first.sessions, 1); /* spread */
    assert_int_equal(second.sessions, 1);
    a.seq = 65500;
    assert_flows(&w, &a);
    while (a.seq > 1000 || a.seq < 100) /* both directions roll over */
        assert_flows(&w, &a);
    assert_flows(&w, &b);
    wait_for_state(&w);
    kill_worker(&w, 0);
    assert_flows(&w, &b);
    assert_flows(&w, &a);
    assert_int_equal(media_host_counters(w.host)->workers_died, 1);
    assert_int_equal(media_host_counters(w.host)->sessions_resumed, 1);
    assert_int_equal(call_open(&w, &c, 3, &phone), 0);
    assert_flows(&w, &c);
    assert_int_equal(w.port->open(w.port->ctx, 4), 0);
    expect_summary(&w, 4); /* no worker has ever heard of it */
    expect_summary(&w, 1);
    assert_true(w.last[MEDIA_SUMMARY].summary.streams[0][MEDIA_OUTSIDE].packets > 20); /* of both processes */
    expect_summary(&w, 2);
    expect_summary(&w, 3);
    assert_int_equal(w.count[MEDIA_SUMMARY], 4);
    assert_int_equal(w.count[MEDIA_LOST], 0);
    assert_int_equal(media_host_counters(w.host)->ports, 0);
    call_close(&a);
    call_close(&b);
    call_close(&c);
    close_world(&w);
}

/* What is described, bound or closed while nobody is there to hear it, holds afterwards. */
static void calls_change_while_there_is_no_worker(void **state)
{
    (void)state;
    struct world w;
    struct call a, b;
    struct addr phone = address(PHONE, 0);
    open_world(&w, 1);
    assert_int_equal(call_open(&w, &a, 1, &phone), 0);
    assert_int_equal(call_open(&w, &b, 2, &phone), 0);
    assert_flows(&w, &a);
    assert_flows(&w, &b);
    wait_for_state(&w);
    const int pid = pid_of(&w, 0);
    kill(pid, SIGKILL);
    WAIT_FOR(&w, pid_of(&w, 0) == 0);
    close(a.phone);
    a.phone_addr = address(PHONE, 0);
    a.phone = end_open(&a.phone_addr);
    a.session.streams[0].ends[MEDIA_INSIDE].remote = a.phone_addr;
    struct addr more;
    assert_int_equal(w.port->bind(w.port->ctx, 1, 1, MEDIA_INSIDE, 4, &more), 0);
    w.port->set(w.port->ctx, &a.session);
    w.port->close(w.port->ctx, 2);
    WAIT_FOR(&w, w.count[MEDIA_SUMMARY] == 1);
    assert_int_equal(w.last[MEDIA_SUMMARY].session, 2);
    assert_flows(&w, &a);
    expect_summary(&w, 1);
    assert_int_equal(w.count[MEDIA_LOST], 0);
    call_close(&a);
    call_close(&b);
    close_world(&w);
}

/* A call may be what its workers die of: it is not tried for ever. And one whose port another program has taken meanwhile cannot go on. */
static void some_calls_are_lost(void **state)
{
    (void)state;
    struct world w;
    struct call a, b;
    struct addr phone = address(PHONE, 0);
    open_world(&w, 1);
    assert_int_equal(call_open(&w, &a, 1, &phone), 0);
    assert_int_equal(call_open(&w, &b, 2, &phone), 0);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(w.count[MEDIA_LOST], i > 0);
        assert_flows(&w, &a);
        wait_for_state(&w);
        const int pid = pid_of(&w, 0);
        kill(pid, SIGKILL);
        WAIT_FOR(&w, pid_of(&w, 0) != pid);
        int thief = -1;
        if (i == 0) {
            struct sockaddr_storage storage;
            socklen_t n = to_socket(&b.outside, &storage);
            thief = socket(AF_INET, SOCK_DGRAM, 0);
            assert_int_equal(bind(thief, (struct sockaddr *)&storage, n), 0);
        }
        WAIT_FOR(&w, pid_of(&w, 0));
        if (thief >= 0)
            close(thief);
    }
    assert_int_equal(w.count[MEDIA_LOST], 2);
    assert_int_equal(w.last[MEDIA_LOST].session, 1);
    assert_int_equal(media_host_counters(w.host)->sessions_resumed, 3);
    assert_int_equal(media_host_counters(w.host)->sessions_lost, 2);
    assert_int_equal(media_host_counters(w.host)->ports, 0);
    w.port->close(w.port->ctx, 1); /* is gone: nothing follows */
    call_close(&a);
    call_close(&b);
    close_world(&w);
}

/* It lives, and does nothing. */
static void a_worker_that_hangs_is_replaced(void **state)
{
    (void)state;
    struct world w;
    struct call a;
    struct addr phone = address(PHONE, 0);
    open_world(&w, 1);
    assert_int_equal(call_open(&w, &a, 1, &phone), 0);
    assert_flows(&w, &a);
    wait_for_state(&w);
    const int pid = pid_of(&w, 0);
    kill(pid, SIGSTOP);
    WAIT_FOR(&w, pid_of(&w, 0) && pid_of(&w, 0) != pid);
    assert_flows(&w, &a);
    expect_summary(&w, 1);
    assert_int_equal(w.count[MEDIA_LOST], 0);
    call_close(&a);
    close_world(&w);
}

static void a_call_that_was_closed_has_a_summary_even_if_its_worker_dies(void **state)
{
    (void)state;
    struct world w;
    struct call c;
    struct addr phone = address(PHONE, 0);
    open_world(&w, 1);
    assert_int_equal(call_open(&w, &c, 1, &phone), 0);
    assert_flows(&w, &c);
    struct media_summary live;
    WAIT_FOR(&w, w.port->figures(w.port->ctx, 1, &live) == 0 && live.streams[0][MEDIA_OUTSIDE].packets);
    kill(pid_of(&w, 0), SIGSTOP);
    w.port->close(w.port->ctx, 1);
    kill(pid_of(&w, 0), SIGKILL);
    WAIT_FOR(&w, w.count[MEDIA_SUMMARY] == 1);
    assert_true(w.last[MEDIA_SUMMARY].summary.streams[0][MEDIA_OUTSIDE].packets > 0);
    assert_int_equal(w.count[MEDIA_LOST], 0);
    call_close(&c);
    close_world(&w);
}

static void ports_run_out_and_come_back(void **state)
{
    (void)state;
    struct world w;
    struct addr local;
    open_world(&w, 1);
    /* Another program has one of them. */
    int busy = socket(AF_INET, SOCK_DGRAM, 0);
    struct addr taken = address(INSIDE, 20003);
    struct sockaddr_storage storage;
    socklen_t n = to_socket(&taken, &storage);
    assert_int_equal(bind(busy, (struct sockaddr *)&storage, n), 0);
    for (uint64_t id = 1; id <= PORTS - 1; id++) {
        assert_int_equal(w.port->open(w.port->ctx, id), 0);
        assert_int_equal(w.port->bind(w.port->ctx, id, 0, MEDIA_INSIDE, 4, &local), 0);
        assert_true(local.port >= 20002 && local.port != 20002);
    }
    assert_int_equal(w.port->open(w.port->ctx, 100), 0);
    assert_int_equal(w.port->bind(w.port->ctx, 100, 0, MEDIA_INSIDE, 4, &local), ERR_LIMIT);
    assert_true(media_host_counters(w.host)->ports_busy >= 1);
    assert_int_equal(w.port->bind(w.port->ctx, 100, 0, MEDIA_OUTSIDE, 4, &local), 0); /* another address */
    expect_summary(&w, 7);
    WAIT_FOR(&w, w.port->bind(w.port->ctx, 100, 0, MEDIA_INSIDE, 4, &local) == 0);
    close(busy);
    close_world(&w);
}

static void a_stream_that_is_refused_gives_its_ports_back(void **state)
{
    (void)state;
    struct world w;
    struct call c;
    struct addr phone = address(PHONE, 0);
    open_world(&w, 1);
    assert_int_equal(call_open(&w, &c, 1, &phone), 0);
    assert_flows(&w, &c);
    assert_int_equal(media_host_counters(w.host)->ports, 2);
    c.session.streams[0].kind = MEDIA_OFF;
    w.port->set(w.port->ctx, &c.session);
    assert_int_equal(media_host_counters(w.host)->ports, 0);
    assert_closed(&w, c.far, &c.outside);
    expect_summary(&w, 1);
    call_close(&c);
    close_world(&w);
}

static void one_call_after_the_other_has_the_same_sockets(void **state)
{
    (void)state;
    struct world w;
    struct addr phone = address(PHONE, 0);
    open_world(&w, 1);
    for (uint64_t id = 1; id <= 3; id++) {
        struct call c;
        struct mono rested = mono_after_ms(loop_clock(), 100); /* what was given back */
        WAIT_FOR(&w, mono_due(rested, loop_clock()));
        assert_int_equal(call_open(&w, &c, id, &phone), 0);
        assert_flows(&w, &c);
        expect_summary(&w, id);
        assert_closed(&w, c.far, &c.outside);
        assert_closed(&w, c.phone, &c.inside);
        call_close(&c);
    }
    assert_int_equal(media_host_counters(w.host)->ports_opened, 2);
    assert_int_equal(media_host_counters(w.host)->ports_closed, 0);
    close_world(&w);
}

static void ports_that_nobody_wants_are_closed(void **state)
{
    (void)state;
    struct world w;
    struct call c;
    struct addr phone = address(PHONE, 0);
    open_world_with(&w, 1, 10, 0);
    assert_int_equal(call_open(&w, &c, 1, &phone), 0);
    assert_flows(&w, &c);
    WAIT_FOR(&w, try_outward(&c)); /* those of a call stay */
    assert_int_equal(media_host_counters(w.host)->ports_closed, 0);
    expect_summary(&w, 1);
    WAIT_FOR(&w, media_host_counters(w.host)->ports_closed == 2);
    int own = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_storage storage;
    socklen_t n = to_socket(&c.outside, &storage);
    WAIT_FOR(&w, bind(own, (struct sockaddr *)&storage, n) == 0);
    close(own);
    call_close(&c);
    close_world(&w);
}

/* Those that are free, but rest, give way to others; beyond what is bound nothing is opened, and nobody else is harmed. */
static void a_worker_has_no_more_open_than_it_can(void **state)
{
    (void)state;
    struct world w;
    struct call a, b;
    struct addr local, phone = address(PHONE, 0);
    open_world_with(&w, 1, PATIENCE_MS, 4);
    assert_int_equal(call_open(&w, &a, 1, &phone), 0);
    assert_flows(&w, &a);
    for (uint64_t id = 2; id <= 4; id++) {
        assert_int_equal(call_open(&w, &b, id, &phone), 0);
        assert_flows(&w, &b);
        assert_int_equal(media_host_counters(w.host)->ports, 4);
        if (id == 4)
            break;
        expect_summary(&w, id);
        call_close(&b);
    }
    assert_int_equal(media_host_counters(w.host)->ports_exhausted, 0);
    assert_int_equal(w.port->open(w.port->ctx, 5), 0);
    assert_int_equal(w.port->bind(w.port->ctx, 5, 0, MEDIA_INSIDE, 4, &local), ERR_LIMIT);
    assert_int_equal(media_host_counters(w.host)->ports_exhausted, 1);
    expect_summary(&w, 4);
    assert_int_equal(w.port->bind(w.port->ctx, 5, 0, MEDIA_INSIDE, 4, &local), 0);
    assert_flows(&w, &a);
    assert_int_equal(media_host_counters(w.host)->workers_died, 0);
    call_close(&a);
    call_close(&b);
    close_world(&w);
}

/* Starts a worker of its own with us as its signalling process. */
static int start_worker(pid_t *ret_pid)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        if (ends[1] != MEDIA_WORKER_DESCRIPTOR) {
            dup2(ends[1], MEDIA_WORKER_DESCRIPTOR);
            close(ends[1]);
        }
        execl("/proc/self/exe", "test", MEDIA_WORKER_ARGUMENT, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    close(ends[1]);
    *ret_pid = pid;
    return ends[0];
}

static void a_worker_ends_with_its_socket_and_obeys_nobody_else(void **state)
{
    (void)state;
    static const uint8_t messages[][3] = {{0, 0, 0},
                                          {MEDIA_CONTROL_VERSION, MEDIA_CONTROL_READY, 0},
                                          {MEDIA_CONTROL_VERSION + 1, MEDIA_CONTROL_REMOVE, 0}};
    uint8_t octets[64];
    int status;
    pid_t pid;
    for (unsigned i = 0; i <= sizeof messages / sizeof messages[0]; i++) {
        int fd = start_worker(&pid);
        assert_true(recv(fd, octets, sizeof octets, 0) == 2); /* it is ready */
        bool is_last = i == sizeof messages / sizeof messages[0];
        if (!is_last)
            assert_int_equal(send(fd, messages[i], sizeof messages[i], 0), sizeof messages[i]);
        else
            shutdown(fd, SHUT_RDWR);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), is_last ? 0 : 1);
        close(fd);
    }
}

static void command(int fd, const struct media_control *message, const int fds[MEDIA_COMPONENTS])
{
    uint8_t control[CMSG_SPACE(sizeof(int) * MEDIA_COMPONENTS)] __attribute__((aligned(8))) = {0};
    struct buf octets;
    buf_init(&octets, MEDIA_CONTROL_OCTETS_MAX);
    assert_int_equal(media_control_encode(message, &octets), 0);
    struct iovec vector = {octets.p, octets.n};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    if (fds) {
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        *rights = (struct cmsghdr){CMSG_LEN(sizeof(int) * MEDIA_COMPONENTS), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(rights), fds, sizeof(int) * MEDIA_COMPONENTS);
    }
    assert_int_equal(sendmsg(fd, &header, 0), octets.n);
    buf_fini(&octets);
}

/* It goes on with what it has. */
static void a_worker_outlives_its_limit_of_files(void **state)
{
    (void)state;
    struct media_control configure = {.kind = MEDIA_CONTROL_CONFIGURE};
    const struct media_control pair = {.kind = MEDIA_CONTROL_PAIR, .pair = 20000};
    const struct rlimit few = {16, 16};
    struct addr local = address(INSIDE, 0);
    int status;
    pid_t pid;
    media_relay_options_init(&configure.options);
    uint8_t octets[64];
    int fd = start_worker(&pid);
    assert_true(recv(fd, octets, sizeof octets, 0) == 2);
    command(fd, &configure, NULL);
    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &few, NULL), 0);
    for (unsigned i = 0; i < 16; i++) {
        const int fds[MEDIA_COMPONENTS] = {end_open(&local), end_open(&local)};
        struct media_control other = pair;
        other.pair += 2 * i;
        command(fd, &other, fds);
        close(fds[0]);
        close(fds[1]);
    }
    shutdown(fd, SHUT_WR); /* it has obeyed all before it sees that */
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], MEDIA_WORKER_ARGUMENT) == 0)
        return media_worker_main();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(media_flows_through_a_process),
        cmocka_unit_test(a_phone_of_ipv6_reaches_an_edge_of_ipv4),
        cmocka_unit_test(an_offer_of_another_family_changes_nothing_before_its_answer),
        cmocka_unit_test(strangers_are_not_relayed),
        cmocka_unit_test(bursts_arrive_whole_and_in_order),
        cmocka_unit_test(calls_outlive_a_worker_that_is_killed),
        cmocka_unit_test(calls_change_while_there_is_no_worker),
        cmocka_unit_test(some_calls_are_lost),
        cmocka_unit_test(a_worker_that_hangs_is_replaced),
        cmocka_unit_test(a_call_that_was_closed_has_a_summary_even_if_its_worker_dies),
        cmocka_unit_test(ports_run_out_and_come_back),
        cmocka_unit_test(a_stream_that_is_refused_gives_its_ports_back),
        cmocka_unit_test(one_call_after_the_other_has_the_same_sockets),
        cmocka_unit_test(ports_that_nobody_wants_are_closed),
        cmocka_unit_test(a_worker_has_no_more_open_than_it_can),
        cmocka_unit_test(a_worker_ends_with_its_socket_and_obeys_nobody_else),
        cmocka_unit_test(a_worker_outlives_its_limit_of_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
