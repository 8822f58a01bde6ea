/* The insides of a stream, shared by the files that make streams (listener.c, connect.c) and the one that runs them (stream.c). */
#ifndef IO_STREAM_PRIVATE_H
#define IO_STREAM_PRIVATE_H

#include "base/buf.h"
#include "io/handshakes.h"
#include "io/stream.h"
#include "io/tls_private.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/socket.h>

#define STREAM_DETAIL_OCTETS 160

enum stream_state {
    STREAM_CONNECTING,  /* TCP is */
    STREAM_HANDSHAKING, /* TLS is */
    STREAM_OPEN,
    STREAM_FINISHING, /* the owner has finished: what is queued goes out */
    STREAM_LINGERING, /* all is out; waits for the other side's end, so that nothing is lost on its way */
    STREAM_DEAD       /* freed when the last function that uses it is left */
};

struct stream {
    struct loop *loop;
    const struct stream_handler *handler;
    void *handler_arg;
    struct listener *listener; /* NULL: we connected */
    struct stream_counters *counters;
    const struct log *log;
    const char *service;
    enum stream_state state;
    unsigned uses; /* functions on the stack that go on using the stream */
    int fd;
    bool srp;
    bool paused;
    bool read_wants_write; /* TLS must write before it can read on, and the reverse */
    bool write_wants_read;
    SSL *ssl;                      /* NULL: plain, or the handshake has not begun */
    const struct tls_context *tls; /* of an accepted stream whose handshake has not begun */
    struct handshakes *handshakes; /* that decides when it does, until it is over; NULL: at once */
    bool goes_first;
    struct mono handshake_since;
    struct list handshake_link, waiting_link; /* in lists of handshakes.c */
    size_t read_budget;                       /* octets that TLS may take from the socket in this turn */
    unsigned strays;                          /* messages of TLS that came after its handshake */
    struct mono read_at;                      /* by TLS, the last time */
    unsigned reads_in_a_row;                  /* without a pause, up to where TLS keeps its buffers */
    uint64_t data_octets;                     /* that came by TLS */
    struct event read_event;
    struct event write_event;
    struct event timeout_event;  /* connecting, handshaking, finishing */
    struct loop_task start_task; /* what must not happen within the caller's own call: ready, or an immediate failure */
    struct loop_task flush_task;
    struct loop_task resume_task; /* octets that TLS has decrypted already: no event tells of them */
    struct loop_task end_task;    /* a finished stream has no owner but the loop */
    int64_t handshake_timeout_ms;
    enum stream_reason start_failure; /* with a detail: for start_task */
    struct buf queue;
    size_t queue_sent; /* octets of the queue that are gone already */
    struct addr peer;
    struct addr local;
    struct buf certificate;
    char *srp_password;
    char detail[STREAM_DETAIL_OCTETS];
};

/* A stream on a socket, which it owns from then on, also on failure. State and handler are for the caller to set. */
int stream_new(struct loop *loop, int fd, const struct stream_options *options, struct stream **ret_stream);

/* The session, if any, is set: does the handshake, or calls back `ready`. In the loop only. */
void stream_start(struct stream *stream);

/* The stream is at its end: counts, logs, calls back. In the loop only. */
void stream_fail(struct stream *stream, enum stream_reason reason, const char *detail);

/* Within the caller's own call: fails in the next turn. */
void stream_fail_later(struct stream *stream, enum stream_reason reason, const char *detail);

void stream_set_timeout(struct stream *stream, int64_t ms);

/* A handshake that waited for its turn. In the loop only. */
void stream_handshake_begins(struct stream *stream);

/* ---- stream_tls.c ---- */

/* Puts the session, if err is 0, between the stream and its socket; passes err on. */
int stream_tls_attach(struct stream *stream, int err);

/* Before TLS reads: so much in this turn. */
void stream_tls_may_read(struct stream *stream);

/* Whether it has buffers between its calls: while there is much to read. */
bool stream_tls_keeps_buffers(const struct stream *stream);

/* The other side sends messages of TLS itself again and again. */
bool stream_tls_is_flooded(const struct stream *stream);

/* ---- handshakes.c ---- */

/* Whether a connection is taken from there; who is known goes first, and so do others that it knows. May end another stream. */
bool handshakes_admit(struct handshakes *h, const struct addr *peer, bool goes_first, bool *ret_goes_first);

/* A stream was taken. handshakes_over follows. */
void handshakes_enter(struct handshakes *h, struct stream *stream, bool goes_first);

/* Its first octets are there: true: it begins; false: stream_handshake_begins follows. */
bool handshakes_begin(struct handshakes *h, struct stream *stream);

/* Its handshake is over, or it has ended. is_verified: the other side has shown a certificate that we believe. Harmless again. */
void handshakes_over(struct stream *stream, bool is_verified);

/* Reason for a failed connect or bind. */
enum stream_reason stream_errno_reason(int number);

/* What opening a socket to listen at returns for it. */
int stream_bind_err(int number);

/* Socket addresses. The length is 0 for an address without family. */
struct addr addr_of_socket(const struct sockaddr_storage *storage);
socklen_t addr_to_socket(const struct addr *addr, struct sockaddr_storage *ret_storage);

/* A listener counts its streams by source; listener.c. */
void listener_forget(struct listener *listener, const struct stream *stream);

/* Logs a refusal, unless there were so many of late that the counters must do. */
void listener_log_refusal(struct listener *listener, const struct addr *peer, enum stream_reason reason,
                          const char *detail);

#endif
