/* What the two agents of a call say to each other inside of it: INFO with a word, and its answer. */
#include "agent/fallback_private.h"

#define RETRY_AFTER_S "30"

struct slice fallback_text(struct agent *a, const struct fallback_word *word)
{
    buf_clear(&a->text);
    fallback_word_format(word, &a->text);
    return a->text.err ? (struct slice){0} : region_copy(&a->scratch, buf_slice(&a->text));
}

static void word_free(struct said_word *w)
{
    client_drop(w->fallback->agent, &w->client);
    list_remove(&w->link);
    mem_free(w);
}

void fallback_words_free(struct fallback *f)
{
    LIST_EACH(it, &f->words)
        word_free(CONTAINER_OF(it, struct said_word, link));
}

/* The number that we are to call the next time. */
static void take_token(struct fallback *f, const struct sip_message *response)
{
    const struct sip_field *field = sip_field_named(response, FALLBACK_HEADER);
    struct fallback_word word;
    if (field && !fallback_word_parse(field->value, &word) && word.token[0])
        memcpy(f->token, word.token, sizeof f->token);
}

static void word_heard(struct agent *a, void *owner, unsigned status, const struct sip_message *response)
{
    struct said_word *w = owner;
    struct fallback *f = w->fallback;
    const enum fallback_verb verb = w->verb;
    if (status < 200)
        return;
    if (response)
        f->direct.end->heard = a->now.mono;
    word_free(w);
    if (f->state == FALLBACK_OVER)
        return;
    if (verb == FALLBACK_CALLING && response && status < 300)
        take_token(f, response);
    if (verb == FALLBACK_JOINED && response && status < 300)
        fallback_told(f);
    if (verb == FALLBACK_JOINED && status == 488)
        fallback_not_called(f);
    if (verb == FALLBACK_RETURN)
        fallback_return_answered(f, status, response);
    else if (!response || status == 481 || status == 408)
        fallback_check_path(f, 0);
}

int fallback_say(struct fallback *f, const struct fallback_word *word)
{
    struct agent *a = f->agent;
    struct end *end = f->direct.end;
    if (f->path == PATH_GONE || !end || end->gone || !end->ready)
        return ERR_WRONG_STATE;
    struct said_word *w = mem_alloc(sizeof *w);
    if (!w)
        return ERR_NO_MEMORY;
    w->fallback = f;
    w->verb = word->verb;
    client_init(&w->client, word_heard, w, NULL, NULL);
    list_append(&f->words, &w->link);
    struct sip_hop hop = end_hop(end);
    const struct slice text = fallback_text(a, word);
    buf_clear(&a->octets);
    sip_dialog_begin_request(&end->dialog, "INFO", 0, &a->octets);
    sip_put_named(&a->octets, FALLBACK_HEADER, text);
    sip_end(&a->octets, (struct slice){0});
    int err = a->octets.err ? a->octets.err : client_send(a, &w->client, &hop, buf_slice(&a->octets));
    if (err)
        word_free(w);
    return err;
}

void fallback_say_verb(struct fallback *f, enum fallback_verb verb)
{
    const struct fallback_word word = {.verb = verb};
    fallback_say(f, &word);
}

/* ---- what we are told ---- */

static void told_wanted(struct fallback *f, const struct fallback_word *word)
{
    const bool is_news = !f->bad_there;
    f->bad_there = true;
    if (is_news)
        fallback_note(f, AGENT_IME, AGENT_CAUSE_NONE, "the other side wants the phone network: %s",
                      word->is_dead ? "nothing gets through" : "the quality is bad there");
    fallback_want(f);
}

static void told_failed(struct fallback *f, const struct fallback_word *word)
{
    const bool is_told = word->cause >= AGENT_CAUSE_QOS_FALLBACK && word->cause <= AGENT_CAUSE_FALLBACK_DTMF_TIMEOUT;
    const bool was_announced = !mono_due(f->announced_until, f->agent->now.mono);
    const enum agent_cause cause = is_told                     ? (enum agent_cause)word->cause
                                   : f->state == FALLBACK_AWAY ? AGENT_CAUSE_NONE /* somebody's wish there */
                                                               : AGENT_CAUSE_QOS_FALLBACK;
    f->announced_until = (struct mono){0};
    if (f->state == FALLBACK_TRYING)
        fallback_failed(f, cause, "the other side has given up");
    else if (f->state == FALLBACK_DIRECT && was_announced)
        fallback_note(f, AGENT_PSTN, cause, "the call stays direct: the other side could not move it");
    else if (f->state == FALLBACK_MOVING || f->state == FALLBACK_AWAY)
        fallback_back(f, cause, "the other side could not move");
    else if (f->state == FALLBACK_RETURNING && f->leg) /* without one it comes back as we do */
        fallback_return_failed(f, "the other side stays on the phone network");
}

static void told_quality(struct fallback *f, const struct fallback_word *word)
{
    f->bad_there = word->is_bad;
    if (f->state == FALLBACK_DIRECT && !f->bad_here && !f->bad_there)
        agent_timer_stop(f->agent, &f->later);
    fallback_return_wait(f);
}

/* The status of the answer, and what a 200 says. */
static unsigned answer_to(struct fallback *f, const struct fallback_word *word, struct slice *ret_text)
{
    struct fallback_word answer = {.verb = word->verb};
    switch (word->verb) {
    case FALLBACK_CALLING:
        if (!f->acts && f->token_used)
            fallback_make_token(f);
        memcpy(answer.token, f->token, sizeof answer.token);
        if (!f->acts && f->token[0])
            *ret_text = fallback_text(f->agent, &answer);
        return 200;
    case FALLBACK_RETURN:
        return f->acts ? 603 : fallback_return_allowed(f);
    case FALLBACK_JOINED: /* 488: we call nobody for this call, it has found somebody else */
        return f->acts && f->state != FALLBACK_DIRECT ? 200 : 488;
    case FALLBACK_WANTED:
    case FALLBACK_FAILED:
    case FALLBACK_QUALITY:
        return 200;
    default:
        return 488;
    }
}

static void obey(struct fallback *f, const struct fallback_word *word)
{
    if (word->verb == FALLBACK_FAILED) {
        told_failed(f, word);
    } else if (word->verb == FALLBACK_CALLING && !f->acts) {
        f->announced_until = mono_after_ms(f->agent->now.mono, ANNOUNCED_MS);
        match_announced(f);
    } else if (!f->acts) {
        return;
    } else if (word->verb == FALLBACK_WANTED) {
        told_wanted(f, word);
    } else if (word->verb == FALLBACK_QUALITY) {
        told_quality(f, word);
    } else if (word->verb == FALLBACK_JOINED) {
        if (word->token[0])
            memcpy(f->token, word->token, sizeof f->token);
        fallback_far_joined(f);
    }
}

/* Each word may cost a line in the log, and some a call. */
static bool is_too_much(struct fallback *f)
{
    const struct mono now = f->agent->now.mono;
    if (mono_due(f->words_until, now)) {
        f->words_until = mono_after_ms(now, 60000);
        f->words_heard = 0;
    }
    return f->words_heard++ >= WORDS_MAX;
}

void fallback_hear(struct fallback *f, const struct sip_event *event)
{
    struct agent *a = f->agent;
    const struct sip_field *field = sip_field_named(event->message, FALLBACK_HEADER);
    const uint64_t server = event->server;
    struct fallback_word word;
    struct slice text = {0};
    if (is_too_much(f)) {
        agent_answer(a, server, 503, "Retry-After", slice_str(RETRY_AFTER_S));
        return;
    }
    int err = fallback_word_parse(field->value, &word);
    if (err) {
        agent_answer(a, server, err == ERR_UNSUPPORTED ? 488 : 400, NULL, (struct slice){0});
        return;
    }
    const unsigned status = answer_to(f, &word, &text);
    if (status == 480)
        agent_answer(a, server, status, "Retry-After", slice_str(RETRY_AFTER_S));
    else
        agent_answer(a, server, status, text.n ? FALLBACK_HEADER : NULL, text);
    if (status == 200)
        obey(f, &word);
}
