/* Streams: the life of one connection after it was accepted or asked for. */
#include "io/stream_private.h"

#include "base/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <unistd.h>

#define READ_OCTETS 16384
#define READS_PER_EVENT 8
#define WRITE_OCTETS 16384
#define QUEUE_KEPT_OCTETS 4096 /* a longer empty queue gives its memory back */

COUNTERS_DEFINE(stream_counters, STREAM_COUNTERS)

_Static_assert(STREAM_REASON_COUNT + 8 == COUNTERS_COUNT(stream_counters), "each reason has its counter");

const char *stream_reason_name(enum stream_reason reason)
{
    return (size_t)reason < STREAM_REASON_COUNT ? stream_counters_names[reason] : "unknown";
}

static void count_reason(struct stream *stream, enum stream_reason reason)
{
    if (stream->counters)
        ((uint64_t *)stream->counters)[reason]++;
}

/* A connection that ends without a word says nothing against its session: OpenSSL would not let another go on with that. */
static void free_session(SSL *ssl)
{
    if (ssl && SSL_is_init_finished(ssl))
        SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl);
}

static void stream_free(struct stream *stream)
{
    free_session(stream->ssl);
    buf_fini_secret(&stream->queue);
    buf_fini(&stream->certificate);
    if (stream->srp_password) {
        mem_wipe(stream->srp_password, strlen(stream->srp_password));
        mem_free(stream->srp_password);
    }
    mem_free(stream);
}

static void enter(struct stream *stream)
{
    stream->uses++;
}

static void leave(struct stream *stream)
{
    if (--stream->uses == 0 && stream->state == STREAM_DEAD)
        stream_free(stream);
}

/* Gives back everything but the memory. */
static void tear_down(struct stream *stream)
{
    stream->state = STREAM_DEAD;
    handshakes_over(stream, false);
    event_del(&stream->read_event);
    event_del(&stream->write_event);
    event_del(&stream->timeout_event);
    loop_task_cancel(&stream->start_task);
    loop_task_cancel(&stream->flush_task);
    loop_task_cancel(&stream->resume_task);
    loop_task_cancel(&stream->end_task);
    close(stream->fd);
    stream->fd = -1;
    if (stream->listener)
        listener_forget(stream->listener, stream);
    stream->listener = NULL;
}

void stream_close(struct stream *stream)
{
    if (stream->state == STREAM_DEAD)
        return;
    enter(stream);
    tear_down(stream);
    leave(stream);
}

bool stream_reason_is_refusal(enum stream_reason reason)
{
    return reason >= STREAM_HANDSHAKE_TIMEOUT && reason < STREAM_LOCAL_FAILURE;
}

static void log_refusal(const struct stream *stream, enum stream_reason reason, const char *detail)
{
    char peer[ADDR_TEXT_OCTETS];
    if (stream->listener)
        listener_log_refusal(stream->listener, &stream->peer, reason, detail);
    else
        log_event(stream->log, LEVEL_NOTICE, "connection.failed", "service=%s reason=%s peer=%s detail=\"%s\"",
                  stream->service, stream_reason_name(reason), addr_format(&stream->peer, peer), detail);
}

void stream_fail(struct stream *stream, enum stream_reason reason, const char *detail)
{
    if (stream->state == STREAM_DEAD)
        return;
    bool told = stream->state < STREAM_FINISHING;
    enter(stream);
    if (told && stream_reason_is_refusal(reason))
        log_refusal(stream, reason, detail);
    tear_down(stream);
    if (told) {
        count_reason(stream, reason);
        stream->handler->closed(stream->handler_arg, stream, reason, detail);
    }
    leave(stream);
}

void stream_fail_later(struct stream *stream, enum stream_reason reason, const char *detail)
{
    stream->start_failure = reason;
    snprintf(stream->detail, sizeof stream->detail, "%s", detail);
    loop_post(stream->loop, &stream->start_task, LOOP_STAGE_WORK);
}

void stream_set_timeout(struct stream *stream, int64_t ms)
{
    struct timeval span = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_add(&stream->timeout_event, &span);
}

static void want_read(struct stream *stream)
{
    event_add(&stream->read_event, NULL);
}

/* What OpenSSL says of a call is read from the thread's queue of errors, which is to be empty before; it is, nearly always, and clearing it goes through all of its
 * places. */
static void forget_errors(void)
{
    if (ERR_peek_error())
        ERR_clear_error();
}

static void want_write(struct stream *stream)
{
    event_add(&stream->write_event, NULL);
}

/* What a call on the TLS session waits for, or failed with: false if the stream has ended. */
static bool tls_waits(struct stream *stream, int result, bool *ret_wants_read, bool *ret_wants_write)
{
    int error = SSL_get_error(stream->ssl, result);
    *ret_wants_read = error == SSL_ERROR_WANT_READ;
    *ret_wants_write = error == SSL_ERROR_WANT_WRITE;
    if (*ret_wants_read || *ret_wants_write)
        return true;
    if (error == SSL_ERROR_ZERO_RETURN) {
        stream_fail(stream, STREAM_PEER_CLOSED, "closed by the other side");
        return false;
    }
    bool established = stream->state != STREAM_HANDSHAKING;
    enum stream_reason reason =
        tls_failure(stream->ssl, error, stream->srp, established, stream->detail, sizeof stream->detail);
    /* The alert that tells the other side why is on its way; it must not be overtaken by a reset. */
    shutdown(stream->fd, SHUT_WR);
    stream_fail(stream, reason, stream->detail);
    return false;
}

static void opened(struct stream *stream)
{
    event_del(&stream->timeout_event);
    handshakes_over(stream, stream->certificate.n > 0);
    if (stream->srp_password) {
        mem_wipe(stream->srp_password, strlen(stream->srp_password));
        mem_free(stream->srp_password);
        stream->srp_password = NULL;
    }
    stream->state = STREAM_OPEN;
    if (stream->counters)
        stream->counters->ready++;
    if (!stream->paused)
        want_read(stream);
    stream->handler->ready(stream->handler_arg, stream);
    /* The other side's first octets may have come with the end of the handshake. */
    if (stream->state == STREAM_OPEN && stream->ssl && SSL_has_pending(stream->ssl))
        loop_post(stream->loop, &stream->resume_task, LOOP_STAGE_WORK);
}

static void handshake(struct stream *stream)
{
    bool wants_read, wants_write;
    errno = 0;
    forget_errors();
    stream_tls_may_read(stream);
    int result = SSL_do_handshake(stream->ssl);
    if (result != 1) {
        if (!tls_waits(stream, result, &wants_read, &wants_write))
            return;
        if (wants_read)
            want_read(stream);
        if (wants_write)
            want_write(stream);
        return;
    }
    if (stream->srp && SSL_get_extms_support(stream->ssl) != 1) {
        stream_fail(stream, STREAM_TLS_PROTOCOL, "no extended master secret");
        return;
    }
    if (tls_peer_certificate(stream->ssl, &stream->certificate) != 0) {
        stream_fail(stream, STREAM_LOCAL_FAILURE, "no memory for the certificate");
        return;
    }
    if (stream->counters && SSL_session_reused(stream->ssl))
        stream->counters->resumed++;
    opened(stream);
}

/* Its turn has come: now it costs more than a socket. */
static void begin_handshake(struct stream *stream)
{
    int err = tls_session_new(stream->tls, NULL, NULL, &stream->ssl);
    if (stream_tls_attach(stream, err) != 0)
        stream_fail(stream, STREAM_LOCAL_FAILURE, "no memory for TLS");
    else
        handshake(stream);
}

void stream_handshake_begins(struct stream *stream)
{
    enter(stream);
    begin_handshake(stream);
    leave(stream);
}

#define TLS_RECORD_HANDSHAKE 22 /* RFC 8446 5.1: what the first octet of a client is */

/* The first octets, or the end, of a connection whose handshake has not begun. */
static void first_octets(struct stream *stream)
{
    uint8_t first;
    ssize_t n = recv(stream->fd, &first, 1, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    event_del(&stream->read_event);
    if (n < 0)
        stream_fail(stream, STREAM_RESET, strerror(errno));
    else if (n == 0)
        stream_fail(stream, STREAM_PEER_CLOSED, "ended before the handshake");
    else if (first != TLS_RECORD_HANDSHAKE)
        stream_fail(stream, STREAM_TLS_PROTOCOL, "no TLS");
    else if (handshakes_begin(stream->handshakes, stream))
        begin_handshake(stream);
    else if (stream->counters)
        stream->counters->handshakes_put_off++;
}

void stream_start(struct stream *stream)
{
    enter(stream);
    if (stream->handshakes) {
        stream->state = STREAM_HANDSHAKING;
        stream_set_timeout(stream, stream->handshake_timeout_ms);
        want_read(stream);
    } else if (stream->ssl) {
        stream->state = STREAM_HANDSHAKING;
        stream_set_timeout(stream, stream->handshake_timeout_ms);
        handshake(stream);
    } else {
        opened(stream);
    }
    leave(stream);
}

static void start_later(void *arg)
{
    struct stream *stream = arg;
    if (stream->detail[0])
        stream_fail(stream, stream->start_failure, stream->detail);
    else
        stream_start(stream);
}

/* Up to so many octets. 0: nothing there now. Negative: the stream has ended. */
static ssize_t read_some(struct stream *stream, uint8_t *octets, size_t n)
{
    errno = 0;
    if (!stream->ssl) {
        ssize_t got = recv(stream->fd, octets, n, 0);
        if (got > 0)
            return got;
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (got == 0)
            stream_fail(stream, STREAM_PEER_CLOSED, "closed by the other side");
        else
            stream_fail(stream, STREAM_RESET, strerror(errno));
        return -1;
    }
    size_t got;
    forget_errors();
    int result = SSL_read_ex(stream->ssl, octets, n, &got);
    stream->read_wants_write = false;
    if (stream_tls_is_flooded(stream)) {
        stream_fail(stream, STREAM_TLS_FLOOD, "renegotiation or new keys again and again");
        return -1;
    }
    if (result == 1) {
        stream->data_octets += got;
        return (ssize_t)got;
    }
    bool wants_read, wants_write;
    if (!tls_waits(stream, result, &wants_read, &wants_write))
        return -1;
    stream->read_wants_write = wants_write;
    if (wants_write)
        want_write(stream);
    return 0;
}

static void read_input(struct stream *stream)
{
    uint8_t octets[READ_OCTETS];
    stream_tls_may_read(stream);
    for (int i = 0; i < READS_PER_EVENT; i++) {
        if (stream->state < STREAM_OPEN || stream->state == STREAM_DEAD || stream->paused)
            return;
        ssize_t n = read_some(stream, octets, sizeof octets);
        if (n <= 0)
            return;
        if (stream->state != STREAM_OPEN)
            continue; /* finished: whatever comes is dropped */
        if (stream->counters)
            stream->counters->octets_in += (uint64_t)n;
        stream->handler->input(stream->handler_arg, stream, slice_of(octets, (size_t)n));
        if ((size_t)n < sizeof octets && !(stream->ssl && SSL_has_pending(stream->ssl)))
            return; /* the socket is empty, or tells of more: saves asking it */
    }
    if (stream->state == STREAM_OPEN && !stream->paused && stream->ssl && SSL_has_pending(stream->ssl))
        loop_post(stream->loop, &stream->resume_task, LOOP_STAGE_WORK);
}

static void resume(void *arg)
{
    struct stream *stream = arg;
    enter(stream);
    read_input(stream);
    leave(stream);
}

/* As read_some. */
static ssize_t write_some(struct stream *stream, struct slice octets)
{
    errno = 0;
    if (!stream->ssl) {
        ssize_t sent = send(stream->fd, octets.p, octets.n, MSG_NOSIGNAL);
        if (sent >= 0)
            return sent;
        if (errno == EAGAIN || errno == EINTR) {
            want_write(stream);
            return 0;
        }
        stream_fail(stream, STREAM_RESET, strerror(errno));
        return -1;
    }
    size_t sent;
    forget_errors();
    int result = SSL_write_ex(stream->ssl, octets.p, octets.n < WRITE_OCTETS ? octets.n : WRITE_OCTETS, &sent);
    stream->write_wants_read = false;
    if (result == 1)
        return (ssize_t)sent;
    bool wants_read, wants_write;
    if (!tls_waits(stream, result, &wants_read, &wants_write))
        return -1;
    stream->write_wants_read = wants_read;
    if (wants_write)
        want_write(stream);
    return 0;
}

/* All that was queued is out after stream_finish: says so and waits for the other side to end, too. */
static void linger(struct stream *stream)
{
    stream->state = STREAM_LINGERING;
    if (stream->ssl) {
        forget_errors();
        (void)SSL_shutdown(stream->ssl);
        forget_errors();
    }
    shutdown(stream->fd, SHUT_WR);
    stream->paused = false;
    want_read(stream);
}

static void queue_emptied(struct stream *stream)
{
    if (stream->queue.capacity > QUEUE_KEPT_OCTETS) {
        size_t limit = stream->queue.limit;
        buf_fini_secret(&stream->queue);
        buf_init(&stream->queue, limit);
    } else {
        buf_clear(&stream->queue);
    }
    stream->queue_sent = 0;
    if (stream->state == STREAM_FINISHING)
        linger(stream);
    else if (stream->handler->drained)
        stream->handler->drained(stream->handler_arg, stream);
}

static void flush(void *arg)
{
    struct stream *stream = arg;
    enter(stream);
    while (stream->state == STREAM_OPEN || stream->state == STREAM_FINISHING) {
        size_t left = stream_queued(stream);
        if (left == 0) {
            if (stream->queue.n || stream->state == STREAM_FINISHING)
                queue_emptied(stream);
            break;
        }
        ssize_t n = write_some(stream, slice_of(stream->queue.p + stream->queue_sent, left));
        if (n <= 0)
            break;
        if (stream->counters)
            stream->counters->octets_out += (uint64_t)n;
        stream->queue_sent += (size_t)n;
    }
    leave(stream);
}

int stream_write(struct stream *stream, struct slice octets)
{
    if (stream->state != STREAM_OPEN)
        return ERR_WRONG_STATE;
    if (octets.n > stream->queue.limit - stream_queued(stream)) {
        if (stream->counters)
            stream->counters->queue_full++;
        return ERR_LIMIT;
    }
    /* What was sent is dropped when it is most of the queue, so that dropping costs no more than sending did. */
    if (stream->queue_sent > stream->queue.n / 2 || stream->queue.n + octets.n > stream->queue.limit) {
        buf_drop(&stream->queue, stream->queue_sent);
        stream->queue_sent = 0;
    }
    size_t before = stream->queue.n;
    buf_slice_put(&stream->queue, octets);
    if (stream->queue.err) {
        int err = stream->queue.err;
        stream->queue.err = 0;
        stream->queue.n = before;
        return err;
    }
    loop_post(stream->loop, &stream->flush_task, LOOP_STAGE_FLUSH);
    return 0;
}

size_t stream_queued(const struct stream *stream)
{
    return stream->queue.n - stream->queue_sent;
}

void stream_finish(struct stream *stream)
{
    if (stream->state < STREAM_OPEN) {
        stream_close(stream);
    } else if (stream->state == STREAM_OPEN) {
        stream->state = STREAM_FINISHING;
        stream_set_timeout(stream, STREAM_FINISH_MS);
        loop_at_end(stream->loop, &stream->end_task);
        loop_post(stream->loop, &stream->flush_task, LOOP_STAGE_FLUSH);
    }
}

void stream_pause(struct stream *stream, bool paused)
{
    if (stream->paused == paused || stream->state > STREAM_OPEN)
        return;
    stream->paused = paused;
    if (stream->state != STREAM_OPEN)
        return;
    if (paused) {
        event_del(&stream->read_event);
        loop_task_cancel(&stream->resume_task);
    } else {
        want_read(stream);
        loop_post(stream->loop, &stream->resume_task, LOOP_STAGE_WORK);
    }
}

static void connect_done(struct stream *stream)
{
    int number = 0;
    socklen_t n = sizeof number;
    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &number, &n) != 0)
        number = errno;
    if (number) {
        stream_fail(stream, stream_errno_reason(number), strerror(number));
        return;
    }
    struct sockaddr_storage storage;
    n = sizeof storage;
    if (getsockname(stream->fd, (struct sockaddr *)&storage, &n) == 0)
        stream->local = addr_of_socket(&storage);
    if (stream->counters)
        stream->counters->connected++;
    stream_start(stream);
}

static void socket_event(evutil_socket_t fd, short what, void *arg)
{
    struct stream *stream = arg;
    (void)fd;
    enter(stream);
    if (stream->state == STREAM_CONNECTING) {
        connect_done(stream);
    } else if (stream->state == STREAM_HANDSHAKING && !stream->ssl) {
        first_octets(stream);
    } else if (stream->state == STREAM_HANDSHAKING) {
        event_del(&stream->read_event);
        handshake(stream);
    } else {
        if (what & EV_WRITE || stream->write_wants_read)
            flush(stream);
        if (what & EV_READ || stream->read_wants_write)
            read_input(stream);
    }
    leave(stream);
}

static void timed_out(evutil_socket_t fd, short what, void *arg)
{
    struct stream *stream = arg;
    (void)fd;
    (void)what;
    if (stream->state == STREAM_CONNECTING)
        stream_fail(stream, STREAM_CONNECT_TIMEOUT, "no answer");
    else if (stream->state == STREAM_HANDSHAKING)
        stream_fail(stream, STREAM_HANDSHAKE_TIMEOUT, "the handshake took too long");
    else
        stream_close(stream);
}

static void loop_ends(void *arg)
{
    stream_close(arg);
}

/* A side that is gone without a word, or that does not read at all, is noticed by what it does not acknowledge. */
static void set_acknowledge_timeout(int fd, int64_t ms)
{
    unsigned timeout_ms = (unsigned)ms;
    if (ms > 0)
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}

int stream_new(struct loop *loop, int fd, const struct stream_options *options, struct stream **ret_stream)
{
    struct stream *stream = mem_alloc(sizeof *stream);
    if (!stream) {
        close(fd);
        return ERR_NO_MEMORY;
    }
    struct event_base *base = loop_event_base(loop);
    stream->loop = loop;
    stream->fd = fd;
    stream->counters = options->counters;
    stream->log = options->log;
    stream->service = options->service ? options->service : "-";
    stream->srp = options->tls && options->tls->srp;
    stream->tls = options->tls;
    stream->handshake_timeout_ms =
        options->handshake_timeout_ms ? options->handshake_timeout_ms : STREAM_HANDSHAKE_TIMEOUT_MS;
    buf_init(&stream->queue, options->queue_octets_max ? options->queue_octets_max : STREAM_QUEUE_OCTETS_DEFAULT);
    buf_init(&stream->certificate, 1u << 16);
    set_acknowledge_timeout(fd, options->acknowledge_timeout_ms);
    event_assign(&stream->read_event, base, fd, EV_READ | EV_PERSIST, socket_event, stream);
    event_assign(&stream->write_event, base, fd, EV_WRITE, socket_event, stream);
    event_assign(&stream->timeout_event, base, -1, 0, timed_out, stream);
    loop_task_init(&stream->start_task, start_later, stream);
    loop_task_init(&stream->flush_task, flush, stream);
    loop_task_init(&stream->resume_task, resume, stream);
    loop_task_init(&stream->end_task, loop_ends, stream);
    *ret_stream = stream;
    return 0;
}

void stream_set_handler(struct stream *stream, const struct stream_handler *handler, void *arg)
{
    stream->handler = handler;
    stream->handler_arg = arg;
}

void *stream_arg(const struct stream *stream)
{
    return stream->handler_arg;
}

struct addr stream_peer_addr(const struct stream *stream)
{
    return stream->peer;
}

struct addr stream_local_addr(const struct stream *stream)
{
    return stream->local;
}
