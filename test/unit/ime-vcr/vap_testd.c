/* A VAP server for the tests of ime-vcr: the server core on a socket, everything in memory. It prints what happens, one line per event, and
 * takes commands on standard input. usage: vap_testd [--tls CERTIFICATE KEY]
 *
 *     notify NUMBER   sends a route for the number to all subscribers
 *     drop            closes all connections
 *     slow N          from now on, answers only every Nth record, and holds the others
 *     fast            answers everything
 *     release         answers the record that was held last
 *
 * Each command is confirmed with a line "done". */
#include "base/mem.h"
#include "base/text.h"
#include "io/file.h"
#include "io/loop.h"
#include "io/process.h"
#include "io/stream.h"
#include "vap/server.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNS_MAX 4096
#define VSERVICE 7

static struct loop *loop;
static struct entropy entropy;
static struct vap_server *server;
static struct stream *streams[CONNS_MAX];
static uint64_t stream_count;
static struct loop_timer *timer;
static struct loop_timer *input_timer;
static struct loop_task work;
static unsigned every = 1;
static unsigned seen;
static uint64_t held; /* the last one */

static void post(void)
{
    loop_post(loop, &work, LOOP_STAGE_WORK);
}

static void on_ready(void *arg, struct stream *stream)
{
    uint64_t conn = (uint64_t)(uintptr_t)arg;
    if (vap_server_open(server, loop_now(loop), conn, true, "test") < 0) {
        streams[conn] = NULL;
        stream_close(stream);
    }
}

static void on_input(void *arg, struct stream *stream, struct slice octets)
{
    (void)stream;
    vap_server_input(server, loop_now(loop), (uint64_t)(uintptr_t)arg, octets);
    post();
}

static void on_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    (void)stream, (void)reason;
    printf("closed %s\n", detail);
    streams[(uintptr_t)arg] = NULL;
    vap_server_closed(server, (uint64_t)(uintptr_t)arg);
    post();
}

static const struct stream_handler handler = {.ready = on_ready, .input = on_input, .closed = on_closed};

static void on_accept(void *arg, struct stream *stream)
{
    (void)arg;
    if (++stream_count == CONNS_MAX)
        exit(1);
    streams[stream_count] = stream;
    stream_set_handler(stream, &handler, (void *)(uintptr_t)stream_count);
}

static void take_record(const struct vap_server_effect *e)
{
    const struct vap_vcr *v = &e->vcr;
    if (++seen % every != 0) {
        printf("held %s\n", v->called.text);
        held = e->request;
        return;
    }
    printf("vcr %s %s %s %lld %lld\n", v->direction == VAP_SENT ? "sent" : "received",
           v->calling.text[0] ? v->calling.text : "-", v->called.text, (long long)wall_from_ntp(v->start_ntp).ms,
           (long long)wall_from_ntp(v->stop_ntp).ms);
    vap_server_complete(server, e->request, 0, NULL);
}

static void take(const struct vap_server_effect *e)
{
    struct vap_vservice_view view;
    switch (e->kind) {
    case VAP_SERVER_SEND:
        if (streams[e->conn] && stream_write(streams[e->conn], e->octets) < 0)
            exit(1);
        break;
    case VAP_SERVER_CLOSE:
        if (streams[e->conn])
            stream_finish(streams[e->conn]);
        streams[e->conn] = NULL;
        break;
    case VAP_SERVER_UPLOAD_VCR:
        take_record(e);
        break;
    case VAP_SERVER_PUBLISH_NUMBER:
        printf("number %s\n", e->number.text);
        vap_server_complete(server, e->request, e->number.text[strlen(e->number.text) - 1] == '9' ? ERR_UNREACHABLE : 0,
                            NULL);
        break;
    case VAP_SERVER_VSERVICE:
        if (vap_server_vservice(server, e->vservice_id, &view))
            printf("vservice %llx %s %u %s\n", (unsigned long long)view.id, view.description->domain,
                   view.description->did_count, view.routes[0]);
        break;
    case VAP_SERVER_NOTIFY_DONE:
        printf("notified %s +%llu\n", err_name(e->err), (unsigned long long)e->token);
        break;
    case VAP_SERVER_KEYS_WANTED:
    case VAP_SERVER_KEYS_UNWANTED:
        break;
    case VAP_SERVER_REGISTERED:
    case VAP_SERVER_UNREGISTERED:
    case VAP_SERVER_VSERVICE_GONE:
    case VAP_SERVER_SUBSCRIBED:
    case VAP_SERVER_UNSUBSCRIBED:
        printf("%s\n", e->kind == VAP_SERVER_REGISTERED     ? "registered"
                       : e->kind == VAP_SERVER_UNREGISTERED ? "unregistered"
                       : e->kind == VAP_SERVER_SUBSCRIBED   ? "subscribed"
                                                            : "gone");
        break;
    }
}

static void drain(void *arg)
{
    struct vap_server_effect e;
    (void)arg;
    while (vap_server_next(server, &e))
        take(&e);
    fflush(stdout);
    loop_timer_set(timer, vap_server_deadline(server));
}

static void tick(void *arg)
{
    (void)arg;
    vap_server_tick(server, loop_now(loop));
    post();
}

static void drop(void)
{
    for (uint64_t i = 1; i <= stream_count; i++) {
        if (!streams[i])
            continue;
        stream_close(streams[i]);
        streams[i] = NULL;
        vap_server_closed(server, i);
    }
}

static void notify(struct slice number)
{
    struct buf xml;
    uint64_t digits = 0;
    struct slice after_plus = number;
    text_cut(&after_plus, '+');
    u64_parse(after_plus, UINT64_MAX, &digits);
    buf_init(&xml, 4096);
    buf_printf(&xml,
               "<valinfo><number>%.*s</number><ticket>QUJD</ticket><route><SIPURI>sip:x@b.example:5061;maddr=192.0.2.1"
               ";transport=tcp</SIPURI></route></valinfo>",
               SLICE_PRINT(number));
    vap_server_notify(server, loop_now(loop), VSERVICE, buf_slice(&xml), digits);
    buf_fini(&xml);
}

static void command(struct slice line)
{
    uint64_t n = 1;
    struct slice rest = line;
    struct slice word = text_cut(&rest, ' ');
    if (slice_eq_str(word, "notify"))
        notify(rest);
    else if (slice_eq_str(word, "drop"))
        drop();
    else if (slice_eq_str(word, "slow") && u64_parse(rest, 1000, &n) == 0)
        every = (unsigned)n;
    else if (slice_eq_str(word, "fast"))
        every = 1;
    else if (slice_eq_str(word, "release"))
        vap_server_complete(server, held, 0, NULL);
    printf("done\n");
    post();
}

/* Standard input is looked at again and again; its end ends the server. */
static void read_commands(void *arg)
{
    static char text[4096];
    static size_t n;
    (void)arg;
    for (;;) {
        ssize_t got = read(STDIN_FILENO, text + n, sizeof text - n);
        if (got == 0)
            exit(0);
        if (got < 0)
            break;
        n += (size_t)got;
        struct slice rest = slice_of(text, n);
        while (rest.n && memchr(rest.p, '\n', rest.n))
            command(text_cut(&rest, '\n'));
        memmove(text, rest.p, rest.n);
        n = rest.n;
    }
    loop_timer_set(input_timer, mono_after_ms(loop_now(loop).mono, 10));
}

static struct tls_context *make_tls(const char *certificate, const char *key)
{
    struct buf cert_pem, key_pem;
    struct tls_context *context = NULL;
    buf_init(&cert_pem, 1 << 16);
    buf_init(&key_pem, 1 << 16);
    struct tls_options options = {.role = TLS_SERVER, .peer = TLS_PEER_NONE};
    if (file_read(certificate, &cert_pem) < 0 || file_read(key, &key_pem) < 0)
        exit(1);
    options.certificate = buf_slice(&cert_pem);
    options.key_pem = buf_slice(&key_pem);
    if (tls_context_new(&options, &context) < 0)
        exit(1);
    buf_fini(&cert_pem);
    buf_fini(&key_pem);
    return context;
}

int main(int argc, char **argv)
{
    struct vap_server_config config;
    struct listener *listener;
    struct listener_options options = {.bind = {.family = 4, .ip = {127, 0, 0, 1}}};
    vap_server_config_init(&config);
    if (argc == 4)
        options.stream.tls = make_tls(argv[2], argv[3]);
    entropy = kernel_entropy();
    if (loop_new(&loop) < 0 || vap_server_new(&config, &entropy, NULL, &server) < 0 ||
        vap_server_set_account(server, slice_str("pbx"), slice_str("secret word")) < 0 ||
        vap_server_set_dht(server, VAP_PUBLIC_DHT, 1000, 86400) < 0 || loop_timer_new(loop, tick, NULL, &timer) < 0 ||
        loop_timer_new(loop, read_commands, NULL, &input_timer) < 0 ||
        listener_open(loop, &options, on_accept, NULL, &listener) < 0)
        return 1;
    loop_task_init(&work, drain, NULL);
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    loop_timer_set(input_timer, loop_now(loop).mono);
    printf("port %u\n", listener_addr(listener).port);
    fflush(stdout);
    return loop_run(loop) < 0;
}
