/* What TLS says about a stream. */
#include "io/stream_private.h"

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
