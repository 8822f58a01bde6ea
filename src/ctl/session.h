/* The daemon's side of the control socket, without the socket: octets in, requests to handlers, answers out.
 *
 * One line of JSON each way (a newline ends it):
 *     {"id": 1, "command": ["show", "pools"], "args": {"peer": "00…"}}
 *     {"id": 1, "ok": true, "result": {…}}
 *     {"id": 1, "ok": false, "error": {"code": "not_found", "message": "…", "hint": "…"}}
 *
 * A handler answers at once or later, exactly once; answers may overtake each other. */
#ifndef CTL_SESSION_H
#define CTL_SESSION_H

#include "ctl/args.h"
#include "ctl/writer.h"

#define CTL_REQUEST_OCTETS_MAX (CTL_FILE_OCTETS_MAX + 64 * 1024) /* quotes and ends of lines take two octets each */
#define CTL_REPLY_OCTETS_MAX (16 * 1024 * 1024)
#define CTL_OUTPUT_OCTETS_MAX (32 * 1024 * 1024) /* answers waiting to be sent */
#define CTL_PENDING_MAX 16                       /* requests of one session that wait for their answer */

struct ctl_request; /* lives until it is answered, also when its session has gone */

typedef void ctl_handler_fn(void *ctx, struct ctl_request *request);

struct ctl_handler {
    const char *words; /* as in the table */
    ctl_handler_fn *handle;
};

/* What a daemon sets up once: its handlers. The array must outlive the server. */
struct ctl_server {
    enum ctl_program program;
    const struct ctl_handler *handlers;
    size_t handler_count;
    void *ctx;
};

/* ERR_NOT_FOUND, with the words in ret_words: a handler without a command of this program in the table, or such a command without a
 * handler. */
int ctl_server_init(struct ctl_server *s, enum ctl_program program, const struct ctl_handler *handlers, size_t count,
                    void *ctx, const char **ret_words);

/* The arguments, checked. */
const struct ctl_args *ctl_request_args(const struct ctl_request *r);

/* Answers: begin, write members of the result, end. An answer that became too long turns into an error. The request is gone after
 * ctl_reply_end, ctl_refuse and ctl_reply_done. */
struct ctl_writer *ctl_reply_begin(struct ctl_request *r);
void ctl_reply_end(struct ctl_request *r);

/* {"message": …}: for commands that only do something. */
void ctl_reply_done(struct ctl_request *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The error's name becomes the code; NULL message: its text; hint (what to do next) may be NULL. */
void ctl_refuse(struct ctl_request *r, int err, const char *message, const char *hint);

/* One connection. `ready` is called when there is output after there was none; never from within ctl_session_input. */
struct ctl_session;
typedef void ctl_ready_fn(void *arg);
struct ctl_session *ctl_session_new(const struct ctl_server *server, ctl_ready_fn *ready, void *arg);

/* Requests under way lose their listener and end with their answer. NULL is allowed. */
void ctl_session_free(struct ctl_session *s);

/* Takes what was received. 0, or an error after which nothing more is read: send the output, then close. */
int ctl_session_input(struct ctl_session *s, struct slice octets);

/* What is to be sent, and how much of it has been. */
struct slice ctl_session_output(const struct ctl_session *s);
void ctl_session_sent(struct ctl_session *s, size_t octets);

/* True while the caller should not read more: too many requests or too much output wait. */
bool ctl_session_is_busy(const struct ctl_session *s);

#endif
