/* Connections: whoever connects to an end's known address is connected to the end itself, from the address at which the end knows him. What is read on one
 * side is written on the other when it has arrived; so is the end of a stream. */
#include "program.h"

#include "base/mem.h"

#define QUEUED_OCTETS_MAX (256u << 10) /* of a direction: beyond, its sender is held up */
#define QUEUED_OCTETS_LOW (64u << 10)
#define SLOW_MS 20 /* until a receiver that takes nothing is tried again */

static void conn_free(struct conn *c)
{
    struct relay *r = c->relay;
    for (unsigned i = 0; i < 2; i++) {
        struct direction *d = &c->directions[i];
        LIST_EACH(link, &d->pieces)
            relay_piece_free(r, CONTAINER_OF(link, struct piece, link));
        if (d->from)
            stream_close(d->from);
    }
    list_remove(&c->link);
    r->conn_count--;
    mem_free(c);
}

static struct direction *other(struct direction *d)
{
    return &d->conn->directions[d == &d->conn->directions[0]];
}

static void hold_up(struct direction *d)
{
    const bool pause = d->octets > (d->paused ? QUEUED_OCTETS_LOW : QUEUED_OCTETS_MAX);
    if (pause != d->paused && d->from)
        stream_pause(d->from, pause);
    d->paused = pause;
}

/* The stream has said its last: what is on its way still arrives, then the other side hears of the end. The connection is gone afterwards. */
static void finish(struct direction *d)
{
    struct direction *back = other(d);
    if (back->from)
        stream_finish(back->from);
    back->from = NULL;
    conn_free(d->conn);
}

bool streams_arrived(struct direction *d)
{
    struct relay *r = d->conn->relay;
    const struct now now = daemon_now(r->daemon);
    while (!list_empty(&d->pieces) && d->conn->connected && !r->paths[d->way_from][d->way_to].settings.cut) {
        struct piece *piece = CONTAINER_OF(d->pieces.next, struct piece, link);
        if (heap_has(&r->heap, &piece->node) && !mono_due(piece->node.due, now.mono))
            break;
        if (piece->is_end) {
            finish(d);
            return false;
        }
        struct stream *to = other(d)->from;
        int err = to ? stream_write(to, slice_of(piece->octets, piece->n)) : 0;
        if (err == ERR_LIMIT) /* the receiver is slow */
            err = relay_hold(r, piece, mono_after_ms(now.mono, SLOW_MS));
        if (err) { /* a stream with a hole in it would be worse */
            conn_free(d->conn);
            return false;
        }
        if (heap_has(&r->heap, &piece->node) && !mono_due(piece->node.due, now.mono))
            break;
        d->octets -= piece->n;
        relay_piece_free(r, piece);
    }
    hold_up(d);
    return true;
}

/* Puts it behind what is on its way already. */
static void send_piece(struct direction *d, struct slice octets, bool is_end)
{
    struct relay *r = d->conn->relay;
    const struct now now = daemon_now(r->daemon);
    struct piece *piece = relay_piece(r, octets);
    if (!piece) {
        conn_free(d->conn);
        return;
    }
    struct mono at = impair_segments(&r->paths[d->way_from][d->way_to], now, octets.n, &r->entropy);
    d->last = mono_max(d->last, at);
    piece->direction = d;
    piece->is_end = is_end;
    d->octets += octets.n;
    list_append(&d->pieces, &piece->link);
    if (mono_due(d->last, now.mono))
        streams_arrived(d);
    else if (relay_hold(r, piece, d->last))
        conn_free(d->conn);
    else
        hold_up(d);
}

static void on_ready(void *arg, struct stream *stream)
{
    struct direction *d = arg;
    (void)stream;
    if (d == &d->conn->directions[1] && !d->conn->connected) {
        d->conn->connected = true;
        d->conn->relay->counters.connections++;
        streams_arrived(&d->conn->directions[0]);
    }
}

static void on_input(void *arg, struct stream *stream, struct slice octets)
{
    (void)stream;
    send_piece(arg, octets, false);
}

static void on_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    struct direction *d = arg;
    (void)stream;
    (void)detail;
    d->from = NULL;
    if (d->conn->connected) {
        send_piece(d, (struct slice){0}, true);
        return;
    }
    if (d == &d->conn->directions[1]) {
        d->conn->relay->counters.connections_failed++;
        log_event(&d->conn->relay->daemon->log, LEVEL_INFO, "impair.connection.failed", "end=%s reason=%s",
                  relay_end_name(d->conn->relay, d->way_from), stream_reason_name(reason));
    }
    conn_free(d->conn);
}

static const struct stream_handler handler = {.ready = on_ready, .input = on_input, .closed = on_closed};

/* Towards the end, from where it knows the other one; while the way is cut, later. Strangers come from their own address: only a loopback network
 * has room for that. */
static int connect_on(struct conn *c)
{
    struct relay *r = c->relay;
    struct direction *there = &c->directions[0], *back = &c->directions[1];
    const struct addr peer = stream_peer_addr(there->from), local = stream_local_addr(there->from);
    struct stream_connect_options options = {.remote = r->ends[there->way_to].options->real};
    if (r->paths[there->way_from][there->way_to].settings.cut)
        return 0;
    options.remote.port = local.port;
    options.local = there->way_from < r->end_count ? r->ends[there->way_from].options->known : peer;
    options.local.port = 0;
    options.stream = (struct stream_options){
        .counters = &r->streams, .service = relay_end_name(r, there->way_to), .log = &r->daemon->log};
    return stream_connect(r->daemon->loop, &options, &handler, back, &back->from);
}

static void connect_or_free(struct conn *c)
{
    if (connect_on(c)) {
        c->relay->counters.connections_failed++;
        conn_free(c);
    }
}

static void on_accept(void *arg, struct stream *stream)
{
    struct relay *r = arg;
    const struct addr peer = stream_peer_addr(stream), local = stream_local_addr(stream);
    struct conn *c = r->conn_count < CONNS_MAX ? mem_alloc(sizeof *c) : NULL;
    if (!c) {
        r->counters.connections_refused++;
        stream_close(stream);
        return;
    }
    const size_t from = relay_end_at(r, &peer), to = relay_end_at(r, &local);
    *c = (struct conn){.relay = r};
    for (unsigned i = 0; i < 2; i++) {
        c->directions[i] = (struct direction){.conn = c, .way_from = i ? to : from, .way_to = i ? from : to};
        list_init(&c->directions[i].pieces);
    }
    c->directions[0].from = stream;
    stream_set_handler(stream, &handler, &c->directions[0]);
    list_append(&r->conns, &c->link);
    r->conn_count++;
    connect_or_free(c);
}

void streams_resume(struct relay *r)
{
    LIST_EACH(link, &r->conns) {
        struct conn *c = CONTAINER_OF(link, struct conn, link);
        if (!c->directions[1].from && !c->connected)
            connect_or_free(c);
        else if (streams_arrived(&c->directions[0]))
            streams_arrived(&c->directions[1]);
    }
}

int streams_open(struct relay *r, size_t end)
{
    struct end *e = &r->ends[end];
    struct listener_options options = {
        .bind = e->options->known,
        .backlog = LISTENER_BACKLOG_DEFAULT,
        .connections_max = CONNS_MAX,
        .per_source_max = CONNS_MAX,
        .stream = {.counters = &r->streams, .service = e->options->name, .log = &r->daemon->log},
    };
    int err = 0;
    for (size_t i = 0; !err && i < e->options->tcp_count; i++) {
        options.bind.port = e->options->tcp[i];
        err = daemon_open_listener(r->daemon, e->options->name, &options, on_accept, r, &e->listeners[i]);
    }
    return err;
}

void streams_close(struct relay *r)
{
    for (size_t end = 0; end < r->end_count; end++) {
        for (size_t i = 0; i < END_TCP_MAX; i++)
            listener_close(r->ends[end].listeners[i]);
    }
    LIST_EACH(link, &r->conns)
        conn_free(CONTAINER_OF(link, struct conn, link));
}
