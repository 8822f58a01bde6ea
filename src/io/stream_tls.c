/* TLS between a stream and its socket: what it may read in a turn, what it must not be kept busy with, and what it says. */
#include "io/stream_private.h"

#include <errno.h>

#define READ_BUDGET (128u << 10) /* in a turn: others have their turn, too */
/* Messages of TLS itself after the handshake: tickets at its beginning, new keys once in a while, never a second handshake. Each costs more to us than
 * to who sends it. */
#define STRAYS_MAX 32
#define DATA_PER_STRAY 65536 /* one more for so much data */

#define PAUSE_MS 1000
#define BUSY_READS 32 /* without a pause */

/* ---- the socket, as OpenSSL sees it ---- */

static int socket_read(BIO *bio, char *octets, size_t n, size_t *ret_n)
{
    struct stream *stream = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!stream->read_budget) {
        BIO_set_retry_read(bio);
        return 0;
    }
    errno = 0;
    ssize_t got = recv(stream->fd, octets, n < stream->read_budget ? n : stream->read_budget, 0);
    if (got > 0) {
        stream->read_budget -= (size_t)got;
        *ret_n = (size_t)got;
        return 1;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(bio);
    else if (got == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return 0;
}

static int socket_write(BIO *bio, const char *octets, size_t n, size_t *ret_n)
{
    struct stream *stream = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    errno = 0;
    ssize_t sent = send(stream->fd, octets, n, MSG_NOSIGNAL);
    if (sent >= 0) {
        *ret_n = (size_t)sent;
        return 1;
    }
    if (errno == EAGAIN || errno == EINTR)
        BIO_set_retry_write(bio);
    return 0;
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    (void)number, (void)pointer;
    if (command == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH;
}

static const BIO_METHOD *socket_method(void)
{
    static BIO_METHOD *method;
    if (method)
        return method;
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    if (m && BIO_meth_set_read_ex(m, socket_read) == 1 && BIO_meth_set_write_ex(m, socket_write) == 1 &&
        BIO_meth_set_ctrl(m, socket_control) == 1)
        method = m;
    else
        BIO_meth_free(m);
    return method;
}

static void message_seen(int is_ours, int version, int type, const void *octets, size_t n, SSL *ssl, void *arg)
{
    struct stream *stream = arg;
    (void)version, (void)octets, (void)n, (void)ssl;
    if (is_ours || type != SSL3_RT_HANDSHAKE || stream->state < STREAM_OPEN)
        return;
    stream->strays++;
    if (stream_tls_is_flooded(stream))
        stream->read_budget = 0;
}

int stream_tls_attach(struct stream *stream, int err)
{
    if (err)
        return err;
    const BIO_METHOD *method = socket_method();
    BIO *bio = method ? BIO_new(method) : NULL;
    if (!bio)
        return ERR_NO_MEMORY;
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    SSL_set_bio(stream->ssl, bio, bio); /* which owns it */
    SSL_set_read_ahead(stream->ssl, 1); /* one call of the kernel for a record, or for several: SSL_has_pending tells */
    SSL_set_msg_callback(stream->ssl, message_seen);
    SSL_set_msg_callback_arg(stream->ssl, stream);
    return 0;
}

bool stream_tls_keeps_buffers(const struct stream *stream)
{
    return stream->reads_in_a_row == BUSY_READS;
}

/* TLS gives back its buffers, 17 KiB each way, after each call, so that there may be many streams (tls.c). One that is busy would get others each time, which
 * are in no cache: it keeps them, until the first octets after a pause. */
static void note_read(struct stream *stream)
{
    const struct mono now = loop_now(stream->loop).mono;
    const bool kept = stream_tls_keeps_buffers(stream);
    if (mono_since_us(now, stream->read_at) >= PAUSE_MS * 1000)
        stream->reads_in_a_row = 0;
    else if (!kept)
        stream->reads_in_a_row++;
    stream->read_at = now;
    if (stream_tls_keeps_buffers(stream) && !kept)
        SSL_clear_mode(stream->ssl, SSL_MODE_RELEASE_BUFFERS);
    else if (kept && !stream_tls_keeps_buffers(stream))
        SSL_set_mode(stream->ssl, SSL_MODE_RELEASE_BUFFERS);
}

void stream_tls_may_read(struct stream *stream)
{
    stream->read_budget = READ_BUDGET;
    if (stream->ssl && stream->state == STREAM_OPEN)
        note_read(stream);
}

bool stream_tls_is_flooded(const struct stream *stream)
{
    return stream->strays > STRAYS_MAX + stream->data_octets / DATA_PER_STRAY;
}

/* ---- what it says ---- */

struct slice stream_peer_certificate(const struct stream *stream)
{
    return buf_slice(&stream->certificate);
}

const char *stream_srp_password(const struct stream *stream)
{
    return stream->srp_password;
}

int stream_export(const struct stream *stream, const char *label, uint8_t *ret_octets, size_t n)
{
    if (!stream->ssl || stream->state != STREAM_OPEN)
        return ERR_WRONG_STATE;
    return SSL_export_keying_material(stream->ssl, ret_octets, n, label, strlen(label), NULL, 0, 0) == 1 ? 0
                                                                                                         : ERR_CRYPTO;
}

static bool is_established(const struct stream *stream)
{
    return stream->ssl && stream->state >= STREAM_OPEN;
}

unsigned stream_identity(const struct stream *stream)
{
    return is_established(stream) ? tls_identity_shown(stream->ssl) : 0;
}

bool stream_is_resumed(const struct stream *stream)
{
    return is_established(stream) && SSL_session_reused(stream->ssl);
}

const char *stream_tls_version(const struct stream *stream)
{
    return is_established(stream) ? SSL_get_version(stream->ssl) : NULL;
}

const char *stream_tls_cipher(const struct stream *stream)
{
    return is_established(stream) ? SSL_get_cipher_name(stream->ssl) : NULL;
}

bool stream_verify_again(const struct stream *stream, const struct tls_context *context, enum stream_reason *ret_reason)
{
    return !is_established(stream) || tls_verify_again(stream->ssl, context, ret_reason);
}
