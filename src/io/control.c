/* Sessions of the control socket. */
#include "io/control.h"

#include "base/list.h"
#include "base/mem.h"
#include "io/process.h"
#include "io/unix.h"

#define CONNECTIONS_MAX 64

struct control {
    struct loop *loop;
    struct control_options options;
    struct listener *listener;
    struct list sessions;
};

struct session {
    struct list link;
    struct control *control;
    struct stream *stream;
    struct ctl_session *ctl;
    struct loop_task flush;
    bool ending; /* nothing more is read: what is ready goes out, then it ends */
};

static void session_free(struct session *s)
{
    list_remove(&s->link);
    loop_task_cancel(&s->flush);
    ctl_session_free(s->ctl);
    mem_free(s);
}

static void flush(void *arg)
{
    struct session *s = arg;
    struct slice output = ctl_session_output(s->ctl);
    stderr_log_flush(); /* who reads an answer and then the log finds there what the answer tells of */
    /* What does not leave stays with the session, which takes no more requests then. */
    if (output.n && (s->ending || !stream_queued(s->stream))) {
        if (stream_write(s->stream, output) != 0) {
            stream_close(s->stream);
            session_free(s);
            return;
        }
        ctl_session_sent(s->ctl, output.n);
    }
    if (s->ending) {
        stream_finish(s->stream);
        session_free(s);
        return;
    }
    stream_pause(s->stream, ctl_session_is_busy(s->ctl));
}

static void output_ready(void *arg)
{
    struct session *s = arg;
    loop_post(s->control->loop, &s->flush, LOOP_STAGE_WORK);
}

static void on_ready(void *arg, struct stream *stream)
{
    (void)arg;
    (void)stream;
}

static void on_input(void *arg, struct stream *stream, struct slice octets)
{
    struct session *s = arg;
    struct control *control = s->control;
    (void)stream;
    if (s->ending)
        return;
    if (control->options.before)
        control->options.before(control->options.arg);
    s->ending = ctl_session_input(s->ctl, octets) != 0;
    loop_post(control->loop, &s->flush, LOOP_STAGE_WORK);
    if (control->options.after)
        control->options.after(control->options.arg);
}

static void on_drained(void *arg, struct stream *stream)
{
    (void)stream;
    output_ready(arg);
}

static void on_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    (void)stream;
    (void)reason;
    (void)detail;
    session_free(arg);
}

static const struct stream_handler handler = {on_ready, on_input, on_drained, on_closed};

static void on_accept(void *arg, struct stream *stream)
{
    struct control *control = arg;
    struct session *s = mem_alloc(sizeof *s);
    if (!s) {
        stream_close(stream);
        return;
    }
    s->control = control;
    s->stream = stream;
    list_append(&control->sessions, &s->link);
    loop_task_init(&s->flush, flush, s);
    s->ctl = ctl_session_new(control->options.server, output_ready, s);
    if (!s->ctl) {
        stream_close(stream);
        session_free(s);
        return;
    }
    stream_set_handler(stream, &handler, s);
}

int control_open(struct loop *loop, const struct control_options *options, struct control **ret_control)
{
    const struct listener_options listening = {
        .connections_max = CONNECTIONS_MAX,
        .stream = {.queue_octets_max = CTL_OUTPUT_OCTETS_MAX + CTL_REPLY_OCTETS_MAX,
                   .service = "control",
                   .log = options->log},
    };
    struct control *control = mem_alloc(sizeof *control);
    if (!control)
        return ERR_NO_MEMORY;
    control->loop = loop;
    control->options = *options;
    list_init(&control->sessions);
    int err = listener_open_unix(loop, options->path, &listening, on_accept, control, &control->listener);
    if (err) {
        log_event(options->log, LEVEL_ERROR, "control.listen.failed", "path=%s error=%s%s", options->path,
                  err_name(err), err == ERR_EXISTS ? "; another process listens there, or it is no socket" : "");
        mem_free(control);
        return err;
    }
    log_event(options->log, LEVEL_INFO, "listening", "service=control path=%s", options->path);
    *ret_control = control;
    return 0;
}

void control_close(struct control *control)
{
    if (!control)
        return;
    listener_close(control->listener);
    while (!list_empty(&control->sessions)) {
        struct session *s = CONTAINER_OF(control->sessions.next, struct session, link);
        s->ending = true;
        flush(s);
    }
    mem_free(control);
}
