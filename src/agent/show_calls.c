/* imectl's commands about calls: what became of them, why, and moving one to the phone network or back. */
#include "agent/fallback.h"
#include "agent/internal.h"
#include "agent/show.h"

#define CALLS_DEFAULT 50
#define EXPLAINED_DEFAULT 3
#define EXPLANATION_OCTETS_MAX (256 * 1024)

/* ---- what became of them ---- */

struct listing {
    struct map calls; /* in progress, that can move */
    struct wall now;
    struct ctl_writer *w;
    struct buf *text;
    int64_t left;
    unsigned found;
};

/* Why it did not go direct, if that was tried. */
static enum agent_cause first_cause(const struct call_record *r)
{
    for (unsigned i = 0; i < r->step_count; i++) {
        if (r->steps[i].cause != AGENT_CAUSE_NONE)
            return r->steps[i].cause;
    }
    return AGENT_CAUSE_NONE;
}

/* Which records are those of calls in progress: sequence → struct call. Without memory some are missing. */
static void find_calls(const struct agent *a, struct map *calls)
{
    map_init(calls, SIZE_MAX, entropy_u64(a->ports.entropy));
    LIST_EACH(it, &a->calls) {
        struct call *c = CONTAINER_OF(it, struct call, link);
        if (c->fallback)
            map_set(calls, slice_of(&c->record.sequence, sizeof c->record.sequence), c);
    }
}

/* Where it is, since when, why, and which number is called to move it. */
static void put_fallback(struct listing *l, const struct call_record *r)
{
    struct fallback_view v;
    const struct call *c = map_get(&l->calls, slice_of(&r->sequence, sizeof r->sequence));
    if (!c || !fallback_view(c, &v)) {
        ctl_put_text(l->w, "fallback", "-");
        return;
    }
    ctl_put_text(l->w, "fallback", v.place);
    ctl_put_time(l->w, "fallback_at", v.since);
    ctl_put_text(l->w, "fallback_number", v.number);
    ctl_put_unsigned(l->w, "fallbacks", v.moves);
    ctl_put_text(l->w, "fallback_why", c->record.step_count ? c->record.steps[c->record.step_count - 1].text : "");
}

/* Of a call in progress: so far. */
static int64_t talk_ms(const struct call_record *r, struct wall now)
{
    const int64_t end_ms = r->ended_at.ms ? r->ended_at.ms : now.ms;
    return r->answered_at.ms && end_ms > r->answered_at.ms ? end_ms - r->answered_at.ms : 0;
}

static bool list_call(void *ctx, const struct call_record *r)
{
    struct listing *l = ctx;
    enum agent_cause cause = first_cause(r);
    ctl_open_object(l->w, NULL);
    ctl_put_time(l->w, "begun_at", r->begun_at);
    ctl_put_text(l->w, "calling", r->calling.text[0] ? r->calling.text : "-");
    ctl_put_text(l->w, "called", r->called.text[0] ? r->called.text : r->dialed);
    ctl_put_text(l->w, "from", agent_side_name(r->from));
    ctl_put_text(l->w, "to", r->answered_at.ms || r->to != r->from ? agent_side_name(r->to) : "-");
    if (cause != AGENT_CAUSE_NONE)
        ctl_put_unsigned(l->w, "cause", (uint64_t)cause);
    else
        ctl_put_text(l->w, "cause", "-");
    ctl_put_unsigned(l->w, "status", r->status);
    ctl_put_time(l->w, "answered_at", r->answered_at);
    ctl_put_time(l->w, "ended_at", r->ended_at);
    ctl_put_integer(l->w, "talk_ms", talk_ms(r, l->now));
    ctl_put_text(l->w, "ended_by", r->ended_at.ms ? r->ended_by : "in progress");
    put_fallback(l, r);
    ctl_put_text(l->w, "call_id", r->call_id);
    ctl_put_text(l->w, "other_call_id", r->other_call_id);
    ctl_close(l->w);
    return --l->left > 0;
}

void agent_show_calls(void *ctx, struct ctl_request *request)
{
    struct agent *a = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    struct listing l = {.left = ctl_args_has(args, "limit") ? ctl_args_integer(args, "limit") : CALLS_DEFAULT};
    find_calls(a, &l.calls);
    l.now = a->now.wall;
    l.w = ctl_reply_begin(request);
    ctl_open_array(l.w, "calls");
    if (ctl_args_has(args, "number"))
        call_journal_find(a->journal, slice_str(ctl_args_text(args, "number")), list_call, &l);
    else
        call_journal_each(a->journal, list_call, &l);
    ctl_close(l.w);
    ctl_reply_end(request);
    map_fini(&l.calls);
}

static bool explain_call(void *ctx, const struct call_record *r)
{
    struct listing *l = ctx;
    if (l->found++)
        buf_str(l->text, "\n");
    call_record_explain(r, l->text);
    return --l->left > 0;
}

void agent_show_explanation(void *ctx, struct ctl_request *request)
{
    struct agent *a = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    const char *sought = ctl_args_text(args, "call");
    struct buf text;
    struct listing l = {.text = &text,
                        .left = ctl_args_has(args, "limit") ? ctl_args_integer(args, "limit") : EXPLAINED_DEFAULT};
    buf_init(&text, EXPLANATION_OCTETS_MAX);
    call_journal_find(a->journal, slice_str(sought), explain_call, &l);
    if (!l.found) {
        ctl_refuse(request, ERR_NOT_FOUND, "no call from or to this number, nor with this Call-ID, is on record",
                   "imectl agent calls");
    } else {
        struct ctl_writer *w = ctl_reply_begin(request);
        ctl_put_text(w, "explanation", buf_text(&text));
        ctl_reply_end(request);
    }
    buf_fini(&text);
}

void agent_show_causes(void *ctx, struct ctl_request *request)
{
    struct buf text;
    (void)ctx;
    buf_init(&text, EXPLANATION_OCTETS_MAX);
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "causes");
    for (int code = AGENT_CAUSE_QOS_FALLBACK; code <= AGENT_CAUSE_UNKNOWN; code++) {
        const char *what = agent_cause_text((enum agent_cause)code),
                   *advice = agent_cause_advice((enum agent_cause)code);
        ctl_open_object(w, NULL);
        ctl_put_integer(w, "cause", code);
        ctl_put_text(w, "text", what);
        ctl_put_text(w, "advice", advice);
        ctl_close(w);
        buf_printf(&text, "%s%d: %s\n  %s\n", text.n ? "\n" : "", code, what, advice);
    }
    ctl_close(w);
    ctl_put_text(w, "explanation", buf_text(&text));
    ctl_reply_end(request);
    buf_fini(&text);
}

/* ---- moving one ---- */

struct sought {
    struct call_record found;
    unsigned count; /* in progress */
};

static bool seek_in_progress(void *ctx, const struct call_record *r)
{
    struct sought *s = ctx;
    if (r->answered_at.ms && !r->ended_at.ms) {
        s->found = *r;
        s->count++;
    }
    return s->count < 2;
}

typedef int move_fn(struct agent *a, struct now now, struct slice call_id);

static void move(struct agent *a, struct ctl_request *request, move_fn *begin, const char *wrong, const char *done)
{
    struct sought s = {.count = 0};
    call_journal_find(a->journal, slice_str(ctl_args_text(ctl_request_args(request), "call")), seek_in_progress, &s);
    int err = s.count > 1 ? ERR_CONFLICT : s.count == 1 ? begin(a, a->now, slice_str(s.found.call_id)) : ERR_NOT_FOUND;
    if (!err)
        ctl_reply_done(request, "%s: `imectl agent explain %s` tells how it goes", done, s.found.call_id);
    else if (err == ERR_NOT_FOUND)
        ctl_refuse(request, err, "no call from or to this number, nor with this Call-ID, is in progress",
                   "imectl agent calls");
    else if (err == ERR_CONFLICT)
        ctl_refuse(request, err, "several calls of this number are in progress",
                   "name one by its Call-ID: imectl --json agent calls NUMBER");
    else
        ctl_refuse(request, err, err == ERR_WRONG_STATE ? wrong : NULL, "imectl agent explain CALL");
}

void agent_show_fallback(void *ctx, struct ctl_request *request)
{
    move(ctx, request, agent_fallback_begin,
         "it cannot move: it is no direct call that this side began and the other side gave a fallback number for, or "
         "it is moving or has moved already",
         "the phone network is being called for it");
}

void agent_show_return(void *ctx, struct ctl_request *request)
{
    move(ctx, request, agent_return_begin,
         "it cannot return: it has not moved, it is moving, its direct way is gone, or this side did not begin it",
         "it returns if the other side agrees");
}
