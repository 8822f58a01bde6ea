/* What the signalling process and a media worker say to each other: one message per packet of a SOCK_SEQPACKET socket, which both run in
 * the same version of the program; another version is refused. Both sides check what they read: a worker that was taken over by what it
 * received cannot harm the signalling process through these.
 *
 * Message: version u8, kind u8, body; numbers in network order; nothing behind the body. Messages that hold keys are secret
 * (buf_fini_secret); decoded ones are wiped with mem_wipe. */
#ifndef MEDIA_CONTROL_H
#define MEDIA_CONTROL_H

#include "media/relay.h"

#define MEDIA_CONTROL_VERSION 2

/* No message is longer. */
#define MEDIA_CONTROL_OCTETS_MAX 65536

enum media_control_kind {
    /* commands */
    MEDIA_CONTROL_CONFIGURE = 1, /* options: the first command, and any time later */
    MEDIA_CONTROL_PAIR = 2,      /* pair; two bound UDP sockets come with the message: RTP, then RTCP */
    MEDIA_CONTROL_SET = 3,       /* set */
    MEDIA_CONTROL_REMOVE = 4,    /* id; its pairs are kept for others */
    MEDIA_CONTROL_RESUME =
        5, /* state, as another worker told it last: before the session's ports, and its description */
    MEDIA_CONTROL_CLOSE = 6, /* pair */
    /* events */
    MEDIA_CONTROL_READY = 64,    /* the first one */
    MEDIA_CONTROL_EVENT = 65,    /* event; never MEDIA_LOST */
    MEDIA_CONTROL_COUNTERS = 66, /* counters, since the worker's start: now and then */
    MEDIA_CONTROL_REFUSED = 67,  /* id, err: a command that could not be done */
    MEDIA_CONTROL_STATE = 68     /* state of a session, to be kept: after each description, and now and then. Secret */
};

/* What a worker counts besides its relay. */
/* clang-format off */
#define MEDIA_WORKER_COUNTERS(X) \
    X(turns) /* of its loop */ \
    X(stale) /* packets that had waited too long in a socket, and were dropped */ \
    X(overflowed) /* packets that the kernel dropped because a socket was full */ \
    X(truncated) X(send_failed) X(unreachable)
/* clang-format on */
COUNTERS_DECLARE(media_worker_counters, MEDIA_WORKER_COUNTERS)

struct media_control {
    enum media_control_kind kind;
    union {
        struct media_relay_options options;
        struct {
            struct media_session session;
            uint32_t pairs[MEDIA_STREAMS_MAX][MEDIA_SIDES]; /* its ports; 0: none */
        } set;
        uint64_t id;
        uint32_t pair; /* the signalling process's number for two ports; not 0 */
        struct media_event event;
        struct {
            struct media_counters relay;
            struct media_worker_counters worker;
        } counters;
        struct {
            uint64_t session;
            int err;
        } refused;
        struct {
            uint64_t session;
            struct slice octets; /* as media_relay_export gives it; decoded: lies in the message */
        } state;
    };
};

/* Appended. The buffer's error, or ERR_RANGE for values that could not be read back. */
int media_control_encode(const struct media_control *message, struct buf *b);

/* ERR_SYNTAX, ERR_RANGE, ERR_TRUNCATED, ERR_UNSUPPORTED (another version or kind), with ret_fault. What is decoded is whole: every number
 * is within what its field and the limits of session.h allow, every text terminated. */
int media_control_decode(struct slice octets, struct media_control *ret_message, struct fault *ret_fault);

#endif
