/* Lines in, handlers, lines out. */
#include "ctl/session.h"

#include "base/list.h"
#include "base/mem.h"
#include "base/text.h"
#include "ctl/request.h"

#include <assert.h>

/* Room for short errors beyond CTL_OUTPUT_OCTETS_MAX. */
#define OUTPUT_RESERVE_OCTETS (64 * 1024)

struct ctl_session {
    const struct ctl_server *server;
    ctl_ready_fn *ready;
    void *ready_arg;
    struct buf in; /* the part of a line that has come */
    struct buf out;
    size_t out_at; /* octets of out that have been sent */
    struct list requests;
    unsigned pending;
    bool in_input;
    int err; /* nothing more is read */
};

struct ctl_request {
    struct list link;
    struct ctl_session *session; /* NULL: gone */
    int64_t id;
    struct ctl_args args;
    struct buf answer;
    struct ctl_writer writer;
};

static const struct ctl_handler *find_handler(const struct ctl_server *s, const char *words)
{
    for (size_t i = 0; i < s->handler_count; i++)
        if (strcmp(s->handlers[i].words, words) == 0)
            return &s->handlers[i];
    return NULL;
}

static bool table_has(enum ctl_program program, const char *words)
{
    const struct ctl_command *command;
    for (size_t i = 0; (command = ctl_command_at(i)); i++)
        if (strcmp(command->words, words) == 0)
            return command->programs & (unsigned)program;
    return false;
}

int ctl_server_init(struct ctl_server *s, enum ctl_program program, const struct ctl_handler *handlers, size_t count,
                    void *ctx, const char **ret_words)
{
    struct ctl_server server = {program, handlers, count, ctx};
    const struct ctl_command *command;
    for (size_t i = 0; i < count; i++) {
        if (!table_has(program, handlers[i].words)) {
            *ret_words = handlers[i].words;
            return ERR_NOT_FOUND;
        }
    }
    for (size_t i = 0; (command = ctl_command_at(i)); i++) {
        if (command->programs & (unsigned)program && !find_handler(&server, command->words)) {
            *ret_words = command->words;
            return ERR_NOT_FOUND;
        }
    }
    *s = server;
    return 0;
}

static bool has_room(const struct ctl_session *s, size_t octets, size_t limit)
{
    size_t waiting = s->out.n - s->out_at;
    return waiting <= limit && octets <= limit - waiting;
}

/* Appends a whole line; tells the owner if it cannot know by itself. */
static void deliver(struct ctl_session *s, struct slice line, size_t limit)
{
    bool was_empty = s->out.n == s->out_at;
    if (!has_room(s, line.n, limit)) {
        s->err = s->err ? s->err : ERR_LIMIT;
        return;
    }
    if (s->out_at) {
        buf_drop(&s->out, s->out_at);
        s->out_at = 0;
    }
    size_t before = s->out.n;
    buf_slice_put(&s->out, line);
    if (s->out.err) {
        s->err = s->out.err;
        s->out.err = 0;
        s->out.n = before;
        return;
    }
    if (was_empty && !s->in_input && s->ready)
        s->ready(s->ready_arg);
}

static void deliver_error(struct ctl_session *s, int64_t id, int err, const char *message, const char *hint)
{
    struct buf line;
    struct ctl_writer w;
    buf_init(&line, OUTPUT_RESERVE_OCTETS);
    ctl_writer_init(&w, &line);
    if (id >= 0)
        ctl_put_integer(&w, "id", id);
    else
        ctl_put_text(&w, "id", NULL);
    ctl_put_boolean(&w, "ok", false);
    ctl_open_object(&w, "error");
    ctl_put_text(&w, "code", err_name(err));
    ctl_put_text(&w, "message", message ? message : err_text(err));
    if (hint)
        ctl_put_text(&w, "hint", hint);
    int failed = ctl_writer_end(&w);
    buf_u8(&line, '\n');
    if (failed || line.err)
        s->err = failed ? failed : line.err;
    else
        deliver(s, buf_slice(&line), CTL_OUTPUT_OCTETS_MAX + OUTPUT_RESERVE_OCTETS);
    buf_fini(&line);
}

static void request_free(struct ctl_request *r)
{
    if (r->session) {
        list_remove(&r->link);
        r->session->pending--;
    }
    ctl_args_fini(&r->args);
    buf_fini_secret(&r->answer);
    mem_free(r);
}

const struct ctl_args *ctl_request_args(const struct ctl_request *r)
{
    return &r->args;
}

struct ctl_writer *ctl_reply_begin(struct ctl_request *r)
{
    buf_clear(&r->answer);
    buf_printf(&r->answer, "{\"id\":%lld,\"ok\":true,\"result\":", (long long)r->id);
    ctl_writer_init(&r->writer, &r->answer);
    return &r->writer;
}

void ctl_reply_end(struct ctl_request *r)
{
    struct ctl_session *s = r->session;
    ctl_writer_end(&r->writer);
    buf_str(&r->answer, "}\n");
    if (s && (r->answer.err || !has_room(s, r->answer.n, CTL_OUTPUT_OCTETS_MAX)))
        deliver_error(s, r->id, r->answer.err ? r->answer.err : ERR_LIMIT, "the answer is too long",
                      "ask for a part of it: see the command's arguments");
    else if (s)
        deliver(s, buf_slice(&r->answer), CTL_OUTPUT_OCTETS_MAX);
    request_free(r);
}

void ctl_reply_done(struct ctl_request *r, const char *format, ...)
{
    struct buf text;
    buf_init(&text, 4096);
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    ctl_put_slice(ctl_reply_begin(r), "message", buf_slice(&text));
    buf_fini(&text);
    ctl_reply_end(r);
}

void ctl_refuse(struct ctl_request *r, int err, const char *message, const char *hint)
{
    if (r->session)
        deliver_error(r->session, r->id, err, message, hint);
    request_free(r);
}

struct ctl_session *ctl_session_new(const struct ctl_server *server, ctl_ready_fn *ready, void *arg)
{
    struct ctl_session *s = mem_alloc(sizeof *s);
    if (!s)
        return NULL;
    s->server = server;
    s->ready = ready;
    s->ready_arg = arg;
    buf_init(&s->in, CTL_REQUEST_OCTETS_MAX);
    buf_init(&s->out, CTL_OUTPUT_OCTETS_MAX + OUTPUT_RESERVE_OCTETS);
    list_init(&s->requests);
    return s;
}

void ctl_session_free(struct ctl_session *s)
{
    if (!s)
        return;
    for (struct list *l; (l = list_pop(&s->requests));)
        CONTAINER_OF(l, struct ctl_request, link)->session = NULL;
    buf_fini_secret(&s->in);
    buf_fini_secret(&s->out);
    mem_free(s);
}

static void start_request(struct ctl_session *s, int64_t id, struct ctl_args *args)
{
    struct ctl_request *r = s->pending < CTL_PENDING_MAX ? mem_alloc(sizeof *r) : NULL;
    if (!r) {
        bool many = s->pending >= CTL_PENDING_MAX;
        deliver_error(s, id, many ? ERR_LIMIT : ERR_NO_MEMORY, many ? "too many requests wait for their answer" : NULL,
                      many ? "wait for an answer before asking more" : NULL);
        ctl_args_fini(args);
        return;
    }
    r->session = s;
    r->id = id;
    r->args = *args;
    buf_init(&r->answer, CTL_REPLY_OCTETS_MAX);
    list_append(&s->requests, &r->link);
    s->pending++;
    const struct ctl_handler *h = find_handler(s->server, args->command->words);
    assert(h && "ctl_server_init has checked that each command has one");
    h->handle(s->server->ctx, r);
}

static void take_line(struct ctl_session *s, struct slice line)
{
    if (!text_trim(line).n)
        return;
    struct ctl_args args;
    struct buf why;
    int64_t id;
    buf_init(&why, 16 * 1024);
    int err = ctl_request_decode(line, (unsigned)s->server->program, &id, &args, &why);
    if (err)
        deliver_error(s, id, err, why.n ? buf_text(&why) : NULL,
                      err == ERR_NOT_FOUND ? "imectl help lists the commands" : NULL);
    else
        start_request(s, id, &args);
    buf_fini(&why);
}

int ctl_session_input(struct ctl_session *s, struct slice octets)
{
    s->in_input = true;
    while (octets.n && !s->err) {
        const uint8_t *end = memchr(octets.p, '\n', octets.n);
        size_t n = end ? (size_t)(end - octets.p) : octets.n;
        buf_put(&s->in, octets.p, n);
        if (s->in.err) {
            deliver_error(s, -1, s->in.err, "the request is too long", NULL);
            s->err = s->in.err;
            break;
        }
        if (end) {
            take_line(s, buf_slice(&s->in));
            /* A password may have been in it. */
            if (s->in.n)
                mem_wipe(s->in.p, s->in.n);
            buf_clear(&s->in);
            n++;
        }
        octets = slice_of(octets.p + n, octets.n - n);
    }
    s->in_input = false;
    return s->err;
}

struct slice ctl_session_output(const struct ctl_session *s)
{
    return s->out.n == s->out_at ? (struct slice){0} : slice_of(s->out.p + s->out_at, s->out.n - s->out_at);
}

void ctl_session_sent(struct ctl_session *s, size_t octets)
{
    assert(octets <= s->out.n - s->out_at);
    s->out_at += octets;
    if (s->out_at == s->out.n) {
        buf_clear(&s->out);
        s->out_at = 0;
    }
}

bool ctl_session_is_busy(const struct ctl_session *s)
{
    return s->pending >= CTL_PENDING_MAX || s->out.n - s->out_at >= CTL_OUTPUT_OCTETS_MAX / 2;
}
