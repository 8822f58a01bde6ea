/* The control socket: each connection is a session of the ctl core. */
#include "daemon.h"

#include "base/mem.h"

struct session {
    struct list link;
    struct daemon *daemon;
    struct stream *stream;
    struct ctl_session *ctl;
    struct loop_task flush;
    bool closing;
};

static void session_free(struct session *c)
{
    list_remove(&c->link);
    loop_task_cancel(&c->flush);
    ctl_session_free(c->ctl);
    mem_free(c);
}

static void flush(void *arg)
{
    struct session *c = arg;
    struct slice output = ctl_session_output(c->ctl);
    if (output.n) {
        if (stream_write(c->stream, output) < 0) {
            stream_close(c->stream);
            session_free(c);
            return;
        }
        ctl_session_sent(c->ctl, output.n);
    }
    if (c->closing) {
        stream_finish(c->stream);
        session_free(c);
        return;
    }
    stream_pause(c->stream, ctl_session_is_busy(c->ctl));
}

static void output_ready(void *arg)
{
    struct session *c = arg;
    loop_post(c->daemon->loop, &c->flush, LOOP_STAGE_WORK);
}

static void session_ready(void *arg, struct stream *stream)
{
    (void)arg;
    (void)stream;
}

static void session_input(void *arg, struct stream *stream, struct slice octets)
{
    struct session *c = arg;
    struct daemon *d = c->daemon;
    (void)stream;
    server_set_now(d->server, loop_now(d->loop));
    if (ctl_session_input(c->ctl, octets) < 0)
        c->closing = true;
    loop_post(d->loop, &c->flush, LOOP_STAGE_WORK);
    daemon_wake(d);
}

static void session_closed(void *arg, struct stream *stream, enum stream_reason reason, const char *detail)
{
    (void)stream;
    (void)reason;
    (void)detail;
    session_free(arg);
}

static const struct stream_handler session_handler = {session_ready, session_input, NULL, session_closed};

static void control_accept(void *arg, struct stream *stream)
{
    struct daemon *d = arg;
    struct session *c = mem_alloc(sizeof *c);
    if (!c) {
        stream_close(stream);
        return;
    }
    c->daemon = d;
    c->stream = stream;
    list_append(&d->sessions, &c->link);
    loop_task_init(&c->flush, flush, c);
    c->ctl = ctl_session_new(&d->ctl, output_ready, c);
    if (!c->ctl) {
        session_free(c);
        stream_close(stream);
        return;
    }
    stream_set_handler(stream, &session_handler, c);
}

int control_listen(struct daemon *d)
{
    struct listener_options options = {.connections_max = 64, .per_source_max = 64, .stream = {.log = &d->log}};
    const char *words;
    list_init(&d->sessions);
    int err = ctl_server_init(&d->ctl, CTL_SERVER, server_handlers, server_handler_count, d->server, &words);
    if (err) {
        log_event(&d->log, LEVEL_ERROR, "control.table", "command=\"%s\" has no handler, or the other way round",
                  words);
        return err;
    }
    struct listener *listener;
    err = listener_open_unix(d->loop, d->settings.control, &options, control_accept, d, &listener);
    if (err) {
        log_event(&d->log, LEVEL_ERROR, "control.listen.failed", "path=%s error=%s%s", d->settings.control,
                  err_name(err), err == ERR_EXISTS ? "; is another ime-server running with this control socket?" : "");
        return err;
    }
    d->listeners[d->listener_count++] = listener;
    return 0;
}

void control_close(struct daemon *d)
{
    LIST_EACH(it, &d->sessions) {
        struct session *c = CONTAINER_OF(it, struct session, link);
        struct slice output = ctl_session_output(c->ctl);
        if (output.n)
            stream_write(c->stream, output);
        stream_finish(c->stream);
        session_free(c);
    }
}
