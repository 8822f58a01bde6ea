/* The mapping service: agents ask over TCP, and each mapping is one more point where SIP is listened for inside. */
#include "host.h"

#include "base/mem.h"
#include "io/stream.h"
#include "mapping/message.h"

#define CONNECTIONS_MAX 256

/* One agent that asks. */
struct asker {
    struct list link; /* in host.askers */
    struct host *host;
    struct stream *stream;
    struct buf partial; /* a question that has begun */
};

/* ---- points ---- */

static enum sip_transport transport_of(const struct host *h)
{
    return h->daemon.settings->sides[EDGE_INSIDE].tcp_count ? SIP_TCP : SIP_TLS;
}

static bool may_call(void *ctx, const struct addr *far)
{
    const struct host *h = ctx;
    return edge_may_call(h->edge, far);
}

static int open_point(void *ctx, const struct addr *inside)
{
    struct host *h = ctx;
    return sip_host_listen(h->sip, EDGE_INSIDE, transport_of(h), inside, h->tls_inside_server);
}

static void close_point(void *ctx, const struct addr *inside)
{
    struct host *h = ctx;
    sip_host_unlisten(h->sip, EDGE_INSIDE, transport_of(h), inside);
}

bool mapping_find(void *ctx, struct now now, const struct addr *local, struct addr *ret_far)
{
    struct host *h = ctx;
    return mapping_server_find(h->mapping, now, local, ret_far);
}

/* ---- questions ---- */

static void asker_free(struct asker *a)
{
    list_remove(&a->link);
    a->host->asker_count--;
    buf_fini(&a->partial);
    mem_free(a);
}

static void on_ready(void *arg, struct stream *stream)
{
    (void)arg;
    (void)stream;
}

static void on_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    (void)stream;
    (void)reason;
    (void)detail;
    asker_free(arg);
}

/* True: it was answered, and another one may follow. */
static bool answer(struct asker *a, int *ret_err)
{
    struct host *h = a->host;
    struct buf out;
    const int octets = mapping_message_octets(buf_slice(&a->partial));
    *ret_err = octets < 0 ? octets : 0;
    if (octets <= 0 || a->partial.n < (size_t)octets)
        return false;
    buf_init(&out, MAPPING_MESSAGE_OCTETS_MAX);
    int err = mapping_server_answer(h->mapping, daemon_now(&h->daemon), slice_of(a->partial.p, (size_t)octets), &out);
    if (!err)
        err = out.err ? out.err : stream_write(a->stream, buf_slice(&out));
    buf_fini(&out);
    buf_drop(&a->partial, (size_t)octets);
    *ret_err = err;
    return !err;
}

static void on_input(void *arg, struct stream *stream, struct slice octets)
{
    struct asker *a = arg;
    int err = 0;
    while (octets.n && !err) {
        const size_t room = a->partial.limit - a->partial.n, n = octets.n < room ? octets.n : room;
        buf_put(&a->partial, octets.p, n);
        octets = slice_of(octets.p + n, octets.n - n);
        while (answer(a, &err))
            ;
        err = err ? err : a->partial.err;
    }
    daemon_wake(&a->host->daemon);
    if (!err)
        return;
    log_event(&a->host->daemon.log, LEVEL_NOTICE, "mapping.asker.closed", "error=%s", err_name(err));
    stream_close(stream);
    asker_free(a);
}

static const struct stream_handler handler = {.ready = on_ready, .input = on_input, .closed = on_closed};

static bool admits(void *arg, const struct addr *peer, enum stream_reason *ret_reason)
{
    const struct host *h = arg;
    *ret_reason = STREAM_LIMIT_SOURCE;
    return h->asker_count < CONNECTIONS_MAX && edge_knows(h->edge, EDGE_INSIDE, peer);
}

static void on_accept(void *arg, struct stream *stream)
{
    struct host *h = arg;
    struct asker *a = mem_alloc(sizeof *a);
    if (!a) {
        stream_close(stream);
        return;
    }
    a->host = h;
    a->stream = stream;
    buf_init(&a->partial, MAPPING_MESSAGE_OCTETS_MAX);
    list_append(&h->askers, &a->link);
    h->asker_count++;
    stream_set_handler(stream, &handler, a);
}

/* ---- start, time, end ---- */

int mapping_open(struct host *h)
{
    const struct settings *s = h->daemon.settings;
    const struct mapping_port port = {.ctx = h, .may_call = may_call, .open = open_point, .close = close_point};
    struct mapping_server_config config = s->mapping;
    if (!config.count)
        return 0;
    list_init(&h->askers);
    config.seed = entropy_u64(&h->daemon.entropy);
    int err = mapping_server_new(&config, &port, &h->daemon.log, &h->mapping);
    if (err) {
        log_event(&h->daemon.log, LEVEL_ERROR, "mapping.failed", "error=%s", err_name(err));
        return err;
    }
    const struct listener_options options = {
        .bind = s->mapping_listen,
        .connections_max = CONNECTIONS_MAX,
        .admits = admits,
        .stream = {.counters = &h->mapping_counters, .service = "mapping", .log = &h->daemon.log}};
    edge_add_counters(h->edge, "mapping", mapping_server_counters_names,
                      COUNTERS_VALUES(mapping_server_counters(h->mapping)));
    return daemon_listen(&h->daemon, "mapping", &options, on_accept, h);
}

struct mono mapping_turn(struct host *h, struct now now)
{
    if (!h->mapping)
        return MONO_NEVER;
    mapping_server_tick(h->mapping, now);
    return mapping_server_deadline(h->mapping);
}

void mapping_close(struct host *h)
{
    if (!h->mapping)
        return;
    LIST_EACH(it, &h->askers) {
        struct asker *a = CONTAINER_OF(it, struct asker, link);
        stream_close(a->stream);
        asker_free(a);
    }
    mapping_server_free(h->mapping);
    h->mapping = NULL;
}

/* ---- views ---- */

struct showing {
    struct ctl_writer *writer;
    struct now now;
};

static void show_one(void *ctx, const struct mapping_view *view)
{
    const struct showing *s = ctx;
    char text[ADDR_TEXT_OCTETS];
    ctl_open_object(s->writer, NULL);
    ctl_put_text(s->writer, "inside", addr_format(&view->inside, text));
    ctl_put_text(s->writer, "far", addr_format(&view->far, text));
    ctl_put_time(s->writer, "made_at", view->since);
    ctl_put_unsigned(s->writer, "calls", view->calls);
    ctl_put_time(s->writer, "expires_at", wall_after_ms(s->now.wall, view->left_ms));
    ctl_close(s->writer);
}

void mapping_show(const struct host *h, struct ctl_writer *w)
{
    const struct showing s = {w, daemon_now(&h->daemon)};
    if (h->mapping)
        mapping_server_each(h->mapping, s.now, show_one, (void *)(uintptr_t)&s);
}
