/* A VAP server core in virtual time and a hand-driven client for each of its connections. */
#ifndef TEST_VAP_HARNESS_H
#define TEST_VAP_HARNESS_H

#include "testing.h"
#include "vap/server.h"

#define CONNS 8

struct world {
    struct vap_server_config config;
    struct seeded_entropy seeded;
    struct entropy entropy;
    struct vap_server *server;
    struct now now;
    struct buf received[CONNS]; /* what the server sent and nobody read yet, by connection */
    const char *closed[CONNS];  /* why the server closed it */
    struct buf trace;           /* effects other than SEND and CLOSE, one word each: see drain */
    uint64_t requests[16];      /* of PUBLISH_NUMBER and UPLOAD_VCR, not completed yet */
    size_t request_count;
    struct vap_server_effect last; /* of those kinds, or NOTIFY_DONE */
    char dht[64];

    /* The client's side. */
    struct buf message; /* being built */
    size_t mark;
    const char *user;
    const char *password;
    uint8_t next_transaction;
    struct buf raw; /* the octets of the answer that was read last */
    struct vap_message answer;
};

/* Alice (password "wonder") and bob ("builder") have accounts; the public ring has room for 1000 numbers for a day. */
int world_setup(void **state);
int world_teardown(void **state);

/* Replaces the server by one with w->config. */
void world_restart(struct world *w);

/* Time passes; whatever becomes due on the way happens at its time. */
void world_pass_ms(struct world *w, int64_t ms);

void world_open(struct world *w, uint64_t conn);
void world_drain(struct world *w);

/* The trace since the last call. */
void world_expect(struct world *w, const char *trace);

/* Building a request of w->user: begin, tlv_put_… to w->message, then send. */
void ask_begin(struct world *w, enum vap_method method);
void ask_send(struct world *w, uint64_t conn);

/* The next message that the server sent on a connection, into w->answer; false if there is none. Its integrity, if it has one, must be
 * good. */
bool world_read(struct world *w, uint64_t conn);

/* Sends, and reads the answer: 0 for success, or the error code; -1 if there is none. */
int ask(struct world *w, uint64_t conn);

/* Whole requests. They return what ask returns. */
int ask_register(struct world *w, uint64_t conn, uint32_t *ret_handle);
int ask_publish(struct world *w, uint64_t conn, uint64_t vservice, uint64_t instance, uint32_t version,
                const char *xml);
int ask_subscribe(struct world *w, uint64_t conn, uint64_t vservice, uint32_t *ret_subscription);
int ask_number(struct world *w, uint64_t conn, uint64_t vservice, const char *number);
int ask_upload(struct world *w, uint64_t conn, uint64_t vservice, const char *called);

/* Answers the server's request that was read last. */
void answer_success(struct world *w, uint64_t conn);
void answer_error(struct world *w, uint64_t conn, unsigned code, bool with_integrity);

/* A description with one route sip:<name>@… and so many numbers. */
const char *description(const char *name, unsigned did_count);

#endif
