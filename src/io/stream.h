/* Byte streams: TCP, TLS, TLS-SRP and Unix sockets behind one interface, as sockets that never block.
 *
 * Ownership: a stream belongs to itself. It ends in one of two ways, after which the pointer is dead: its handler's `closed` was called,
 * or the owner called stream_close or stream_finish (then `closed` is not called). Both may happen in any callback. A handler never hears
 * of an event from within the function that caused it: everything is called back from the loop. */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include "base/addr.h"
#include "base/counter.h"
#include "base/log.h"
#include "base/slice.h"
#include "io/loop.h"
#include "io/tls.h"

struct stream;

/* Why a stream ended. */
enum stream_reason {
    STREAM_PEER_CLOSED,         /* the other side ended it in good order */
    STREAM_RESET,               /* the connection broke */
    STREAM_REFUSED,             /* nobody listens there */
    STREAM_UNREACHABLE,         /* no way to that address, or the local address is not ours */
    STREAM_CONNECT_TIMEOUT,     /* no answer to the connection request */
    STREAM_HANDSHAKE_TIMEOUT,   /* connected, but TLS did not complete */
    STREAM_TLS_NO_CERTIFICATE,  /* the other side showed none */
    STREAM_TLS_SELF_SIGNED,     /* its certificate is signed by itself */
    STREAM_TLS_UNKNOWN_CA,      /* its certificate's authority is not one that we trust */
    STREAM_TLS_EXPIRED,         /* its certificate is expired or not yet valid */
    STREAM_TLS_WRONG_NAME,      /* its certificate is for another name or address */
    STREAM_TLS_WRONG_PURPOSE,   /* its certificate is for something else than this */
    STREAM_TLS_REVOKED,         /* its certificate, or one above it, was revoked */
    STREAM_TLS_NO_CRL,          /* whether it was cannot be said: no list of its authority, or an old one */
    STREAM_TLS_BAD_CERTIFICATE, /* its certificate does not verify for another reason */
    STREAM_TLS_REFUSED_BY_PEER, /* the other side refused our certificate, or that we have none */
    STREAM_TLS_PROTOCOL,        /* no TLS, no common version or cipher, garbage */
    STREAM_TLS_FLOOD,           /* renegotiation or new keys again and again, instead of data */
    STREAM_SRP_FAILED,          /* TLS-SRP: the other side has another password, or none */
    STREAM_LIMIT_CONNECTIONS,   /* the listener has as many connections as it may have */
    STREAM_LIMIT_SOURCE,        /* the same from one address */
    STREAM_LIMIT_HANDSHAKES,    /* more handshakes at once, or from there, than may be (handshakes.h) */
    STREAM_LOCAL_FAILURE,       /* no memory, no descriptors, an error of the kernel */
    STREAM_REASON_COUNT
};

/* The reason's name in lower case ("tls_expired"), for logs; static storage. */
const char *stream_reason_name(enum stream_reason reason);

/* True for what is worth an operator's look: a handshake that failed or a limit. The stream has logged it then; ends of other kinds are
 * for the handler to log, who knows whose connection it was. */
bool stream_reason_is_refusal(enum stream_reason reason);

/* Counters that listeners and connections add to; one struct per service, owned by the caller. The reasons come first, in their order. */
/* clang-format off */
#define STREAM_COUNTERS(X) \
    X(peer_closed) X(reset) X(refused) X(unreachable) X(connect_timeout) X(handshake_timeout) \
    X(tls_no_certificate) X(tls_self_signed) X(tls_unknown_ca) X(tls_expired) X(tls_wrong_name) \
    X(tls_wrong_purpose) X(tls_revoked) X(tls_no_crl) X(tls_bad_certificate) X(tls_refused_by_peer) X(tls_protocol) X(tls_flood) \
    X(srp_failed) X(limit_connections) X(limit_source) X(limit_handshakes) X(local_failure) \
    X(accepted) X(connected) X(ready) X(resumed) X(handshakes_put_off) X(queue_full) X(octets_in) X(octets_out)
/* clang-format on */
COUNTERS_DECLARE(stream_counters, STREAM_COUNTERS)

struct stream_handler {
    /* Connected, and the handshake (if any) is done. Always the first callback, unless `closed` is. */
    void (*ready)(void *arg, struct stream *stream);
    /* Octets as they come; valid during the call only. */
    void (*input)(void *arg, struct stream *stream, struct slice octets);
    /* All that had been written has been handed to the kernel. May be NULL. */
    void (*drained)(void *arg, struct stream *stream);
    /* The last callback. detail: a sentence part for the log, never empty. */
    void (*closed)(void *arg, struct stream *stream, enum stream_reason reason, const char *detail);
};

/* The handler must outlive the stream; it may be replaced at any time. */
void stream_set_handler(struct stream *stream, const struct stream_handler *handler, void *arg);
void *stream_arg(const struct stream *stream);

/* Queues octets; they leave at the end of the turn. 0; ERR_LIMIT if the queue would exceed its limit (then nothing is queued, and that
 * is counted: the caller decides whether to drop the octets or the stream); ERR_WRONG_STATE before `ready` and after stream_finish; ERR_NO_MEMORY. */
int stream_write(struct stream *stream, struct slice octets);

/* Octets that wait to be sent. */
size_t stream_queued(const struct stream *stream);

/* Stops and resumes reading, so that a sender is held up by TCP. */
void stream_pause(struct stream *stream, bool paused);

/* Ends the stream at once; what is queued is lost. */
void stream_close(struct stream *stream);

/* Ends the stream after what is queued has been sent, for which the other side has STREAM_FINISH_MS. Nothing is called back anymore. */
#define STREAM_FINISH_MS 5000
void stream_finish(struct stream *stream);

struct addr stream_peer_addr(const struct stream *stream);  /* family 0 for Unix sockets */
struct addr stream_local_addr(const struct stream *stream); /* family 0 for Unix sockets */

/* The other side's certificate as DER, from `ready` on; empty if it showed none. Valid as long as the stream. */
struct slice stream_peer_certificate(const struct stream *stream);

/* From `ready` on. Which of our identities the other side was shown: 0 the one of the options, k the k-th further one. Accepted ones; else 0. */
unsigned stream_identity(const struct stream *stream);
bool stream_is_resumed(const struct stream *stream);
const char *stream_tls_version(const struct stream *stream); /* "TLSv1.3"; NULL without TLS */
const char *stream_tls_cipher(const struct stream *stream);  /* "TLS_AES_128_GCM_SHA256"; NULL without TLS */

/* Whether the context, as it is now, would still believe the certificate that the other side showed: it may have ended, been revoked, or its authority
 * lost its trust. A stream without such is believed. If not: the reason; nothing is done about it. */
bool stream_verify_again(const struct stream *stream, const struct tls_context *context,
                         enum stream_reason *ret_reason);

/* Keying material of the TLS connection (RFC 5705, no context), from `ready` on. 0, ERR_WRONG_STATE without TLS, ERR_CRYPTO. */
int stream_export(const struct stream *stream, const char *label, uint8_t *ret_octets, size_t n);

#define STREAM_QUEUE_OCTETS_DEFAULT (4u << 20)
#define STREAM_CONNECT_TIMEOUT_MS 10000
#define STREAM_HANDSHAKE_TIMEOUT_MS 10000

/* Zero-valued fields take the defaults. */
struct stream_options {
    struct tls_context *tls; /* NULL: plain. Must outlive listener and connecting streams */
    int64_t connect_timeout_ms;
    int64_t handshake_timeout_ms;
    int64_t acknowledge_timeout_ms; /* TCP: for what was sent; 0: as long as the kernel tries, many minutes */
    size_t queue_octets_max;
    struct stream_counters *counters; /* may be NULL */
    const char *service;              /* for the log; NULL: "-" */
    const struct log *log;            /* may be NULL; refusals are logged, those of a listener up to a rate */
};

/* Listening. The callback gets every accepted connection and must set its handler at once (or close it); `ready` follows when the
 * handshake is done, or `closed`. Connections over a limit are closed right away, counted, and not reported. */
struct listener;
struct handshakes;
typedef void listener_accept_fn(void *arg, struct stream *stream);

#define LISTENER_CONNECTIONS_DEFAULT 4096
#define LISTENER_PER_SOURCE_DEFAULT 64
#define LISTENER_BACKLOG_DEFAULT 512

struct listener_options {
    struct addr bind; /* port 0: the kernel chooses one */
    int backlog;
    size_t connections_max; /* of this listener, at any time */
    size_t per_source_max;  /* from one address (IPv6: from one /64) */
    /* Asked instead of per_source_max whether one more is taken from there; false with STREAM_LIMIT_CONNECTIONS or STREAM_LIMIT_SOURCE. NULL:
     * not asked. It has the arg of the callback. */
    bool (*admits)(void *arg, const struct addr *peer, enum stream_reason *ret_reason);
    /* TLS: which handshakes go on, and when (handshakes.h). NULL: all, at once. Then the context must outlive accepted streams until they are ready. */
    struct handshakes *handshakes;
    /* Asked for those: the handshake of this peer goes before others'. NULL: nobody's. It has the arg of the callback. */
    bool (*goes_first)(void *arg, const struct addr *peer);
    struct stream_options stream;
};

/* 0, ERR_EXISTS (address in use), ERR_UNREACHABLE (not an address of ours), ERR_FORBIDDEN (port below 1024), ERR_IO, ERR_NO_MEMORY. */
int listener_open(struct loop *loop, const struct listener_options *options, listener_accept_fn *accept, void *arg,
                  struct listener **ret_listener);

/* Stops accepting. Streams that it accepted live on. NULL is allowed. */
void listener_close(struct listener *listener);

/* With the port that the kernel chose. */
struct addr listener_addr(const struct listener *listener);
size_t listener_connections(const struct listener *listener);

struct stream_connect_options {
    struct addr remote;
    struct addr local; /* family 0: the kernel chooses; port 0: any */
    /* Clients that verify the server: the name or address (as text) that its certificate must be for; NULL: any. */
    const char *peer_name;
    /* TLS-SRP only; copied. */
    const char *srp_username;
    const char *srp_password;
    struct stream_options stream;
};

/* Connects; the outcome is called back: `ready`, or `closed` with the reason. Returns an error only for lack of memory or for options
 * that make no sense (ERR_RANGE). */
int stream_connect(struct loop *loop, const struct stream_connect_options *options,
                   const struct stream_handler *handler, void *arg, struct stream **ret_stream);

#endif
