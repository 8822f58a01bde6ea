/* Both ends of streams in one loop: what happened to each, and turns until something has. */
#ifndef TEST_ENDS_H
#define TEST_ENDS_H

#include "base/buf.h"
#include "io/stream.h"

#define ENDS_ACCEPTED_MAX 64

/* What one end of a stream has seen. */
struct end {
    struct ends *ends;
    struct stream *stream; /* NULL after its end */
    bool ready;
    bool closed;
    enum stream_reason reason;
    struct buf received;
    unsigned drained;
    bool echo;           /* writes back what comes */
    bool close_on_ready; /* closes itself in the callback */
    bool close_on_input;
    bool finish_on_input;
};

struct ends {
    struct loop *loop;
    struct loop_timer *watchdog;
    struct listener *listener;
    struct stream_counters server_counters;
    struct stream_counters client_counters;
    struct end accepted[ENDS_ACCEPTED_MAX];
    size_t accepted_count;
    struct end template; /* the accepted begin like this */
    struct end client;
};

extern const struct stream_handler end_handler;

void end_init(struct end *end, struct ends *ends);
void end_fini(struct end *end);

void ends_init(struct ends *ends);
void ends_fini(struct ends *ends);

/* A listener on a port of 127.0.0.1 that the kernel chooses. Options may be NULL. */
void ends_listen(struct ends *ends, struct tls_context *tls, const struct listener_options *options);
struct stream_connect_options ends_connect_options(struct ends *ends, struct tls_context *tls);
void ends_connect(struct ends *ends, const struct stream_connect_options *options);

/* Turns until the condition holds; a test that waits for longer than 30 s fails. */
#define TURN_UNTIL(ends, condition)    \
    do {                               \
        while (!(condition))           \
            ends_turn(ends, __LINE__); \
    } while (0)
void ends_turn(struct ends *ends, int line);

struct addr addr_of(const char *text);

#endif
