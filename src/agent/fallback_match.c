/* We are called: calls by the phone network to a fallback number of ours find their call, by the caller ID if that call was announced, else by
 * the digits that were offered for it. The PBX never hears of them. What does not fit exactly one call is dropped, and no call is harmed. */
#include "agent/fallback_private.h"

#include <stdio.h>

#define TOKEN_DRAWS_MAX 64

/* ---- tokens ---- */

void fallback_drop_token(struct fallback *f)
{
    if (!f->acts && f->token[0])
        map_remove_value(&f->agent->tokens, slice_str(f->token), f);
    if (!f->acts)
        f->token[0] = 0;
}

/* Ten times as many numbers as calls, or somebody who dials at random is too likely to find one. */
static void watch_room(struct fallback *f)
{
    struct agent *a = f->agent;
    double room = 1;
    for (unsigned i = 0; i < f->profile.dtmf_digits; i++)
        room *= 10;
    if (a->parts.alarms && (double)a->tokens.n * 10 > room)
        agent_alarm_raise(a->parts.alarms, a->now, AGENT_ALARM_FEW_FALLBACK_IDENTIFIERS, f->number.text,
                          "%zu calls at a time that may move to %s are too many for %u digits", a->tokens.n,
                          f->number.text, f->profile.dtmf_digits);
}

int fallback_make_token(struct fallback *f)
{
    struct agent *a = f->agent;
    const unsigned n = f->profile.dtmf_digits;
    char token[FALLBACK_TOKEN_DIGITS_MAX + 1] = "";
    fallback_drop_token(f);
    f->token_used = false;
    if (!n)
        return 0;
    for (unsigned draw = 0; draw < TOKEN_DRAWS_MAX; draw++) {
        for (unsigned i = 0; i < n; i++)
            token[i] = (char)('0' + entropy_below(a->ports.entropy, 10));
        if (map_get(&a->tokens, slice_of(token, n)))
            continue;
        int err = map_set(&a->tokens, slice_of(token, n), f);
        if (!err)
            memcpy(f->token, token, sizeof f->token);
        watch_room(f);
        return err;
    }
    watch_room(f);
    return ERR_LIMIT;
}

/* The call that was offered these digits for that number. The table's hash has a secret key: how long a look-up takes says nothing about which digits were right. */
static struct fallback *by_token(struct agent *a, const struct detour *l)
{
    struct fallback *f = map_get(&a->tokens, slice_of(l->digits, l->digit_count));
    return f && !strcmp(f->number.text, l->called.text) && f->state == FALLBACK_DIRECT &&
                   mem_equal_secret(f->token, l->digits, l->digit_count)
               ? f
               : NULL;
}

/* ---- caller IDs ---- */

/* Its company has said that it calls. Where digits were offered nothing else will do: a way that is dead or bad here may be so for both of two calls of one
 * caller, of which one has ended unheard. */
static bool is_announced(const struct fallback *f)
{
    return !mono_due(f->announced_until, f->agent->now.mono) || (!f->token[0] && (f->bad_here || f->path == PATH_GONE));
}

static bool same_end(const struct e164 *a, const struct e164 *b, unsigned digits)
{
    const size_t na = strlen(a->text), nb = strlen(b->text);
    if (na < 2 || nb < 2)
        return false;
    if (na <= digits || nb <= digits) /* short ones as a whole */
        return !strcmp(a->text, b->text);
    return !strcmp(a->text + na - digits, b->text + nb - digits);
}

/* How many calls it may be for, and the one that was announced. 1 without one: its word has not come yet. A second call of that caller counts whether it was
 * announced or not, for both ways may have died at once and nobody said so yet of one of them. */
static unsigned by_caller(struct agent *a, const struct detour *l, struct fallback **ret_f)
{
    unsigned n = 0;
    *ret_f = NULL;
    LIST_EACH(it, &a->fallbacks) {
        struct fallback *f = CONTAINER_OF(it, struct fallback, link);
        if (f->acts || f->state != FALLBACK_DIRECT || strcmp(f->number.text, l->called.text) != 0 ||
            !same_end(&f->call->record.calling, &l->calling, l->caller_id_digits))
            continue;
        if (is_announced(f))
            *ret_f = f;
        n++;
    }
    return n;
}

/* ---- joined ---- */

static void note(struct detour *l, enum agent_cause cause, const char *why)
{
    if (!l->record)
        return;
    struct call_step *s = &l->record->steps[l->record->step_count++];
    *s = (struct call_step){.side = AGENT_PSTN, .cause = cause, .at = l->agent->now.wall};
    snprintf(s->text, sizeof s->text, "%s", why);
}

/* It could not be moved to: nobody is disturbed. */
static void refuse_fixed(struct detour *l)
{
    note(l, AGENT_CAUSE_NONE, "it is not taken: this trunk refuses re-INVITE in mid-call");
    detour_refuse(l, 488, AGENT_CAUSE_NONE);
}

static void refuse(struct detour *l, enum agent_cause cause, const char *why)
{
    struct agent *a = l->agent;
    a->counters.fallback_calls_unmatched++;
    note(l, cause, why);
    log_event(a->ports.log, LEVEL_NOTICE, "fallback.unmatched", "called=%s cause=%d why=\"%s\"", l->called.text,
              (int)cause, why);
    detour_end(l, cause);
}

static void count_wrong_token(struct agent *a)
{
    if (!a->wrong_tokens++)
        a->wrong_tokens_until = mono_after_ms(a->now.mono, 60000);
}

static void describe(struct detour *l, const struct fallback *f, const char *how)
{
    if (!l->record)
        return;
    struct call_step *s = &l->record->steps[l->record->step_count++];
    *s = (struct call_step){.side = AGENT_PSTN, .at = l->agent->now.wall};
    snprintf(s->text, sizeof s->text, "it moves call %.60s here, which was found by %s", f->call->record.call_id, how);
    agent_note(l->agent, l->record);
}

/* Strangers whose digits are waited for have a port each: the first one gives way to a call that is known. */
static bool stranger_gives_way(struct agent *a)
{
    LIST_EACH(it, &a->legs) {
        struct detour *l = CONTAINER_OF(it, struct detour, link);
        if (l->state != DETOUR_DIGITS || l->fallback)
            continue;
        refuse(l, AGENT_CAUSE_FALLBACK_DTMF_TIMEOUT, "its digits had not come when no port was left for another call");
        return true;
    }
    return false;
}

static int answer_known(struct detour *l)
{
    int err = detour_answer(l);
    return err == ERR_LIMIT && stranger_gives_way(l->agent) ? detour_answer(l) : err;
}

static void sound_came(struct voice *v)
{
    struct detour *l = v->owner;
    if (l->fallback)
        fallback_move_now(l->fallback);
}

/* It knows, and what our phone says by the direct way is soon heard no longer. The answer to our word may need seconds where much gets lost. */
void match_answered(struct detour *l)
{
    if (l->fallback)
        fallback_move_now(l->fallback);
    if (l->fallback)
        fallback_told(l->fallback);
}

/* The other side hears of our answer as late as the phone network tells it, and cannot move before: until its first sound is here the phones stay where
 * they hear each other. */
static void join(struct detour *l, struct fallback *f, bool by_digits)
{
    struct fallback_word word = {.verb = FALLBACK_JOINED};
    struct agent *a = f->agent;
    const char *how = by_digits ? "its digits" : "its caller ID";
    if (f->leg) /* of the time before */
        detour_end(f->leg, AGENT_CAUSE_NONE);
    if (l->server && answer_known(l) < 0) {
        detour_end(l, AGENT_CAUSE_NONE);
        return;
    }
    *(by_digits ? &a->counters.fallback_calls_by_digits : &a->counters.fallback_calls_by_caller) += 1;
    describe(l, f, how);
    agent_timer_stop(a, &l->timer);
    l->state = DETOUR_UP;
    l->fallback = l->party.fallback = f;
    f->leg = l;
    f->announced_until = (struct mono){0};
    fallback_note(f, AGENT_PSTN, AGENT_CAUSE_NONE, "%s: the call by the phone network came, found by %s",
                  l->trunk->options->name, how);
    fallback_make_token(f);
    memcpy(word.token, f->token, sizeof word.token);
    fallback_say(f, &word);
    f->is_telling = !voice_say(&l->voice, "#");
    l->voice.came = sound_came;
    l->move_by = mono_after_ms(a->now.mono, FIRST_SOUND_MS);
    f->waits = !l->voice.was_heard && f->path != PATH_GONE && !agent_timer(a, &l->timer, FIRST_SOUND_MS);
    fallback_move(f);
}

/* Somebody has guessed the digits, or knows the caller ID of a call that was to move. */
void fallback_not_called(struct fallback *f)
{
    struct agent *a = f->agent;
    struct detour *l = f->leg;
    if (f->acts || !l || (f->state != FALLBACK_MOVING && f->state != FALLBACK_AWAY))
        return;
    if (l->digit_count)
        count_wrong_token(a);
    refuse(l, AGENT_CAUSE_FALLBACK_CALL_UNKNOWN, "the other company has not placed this call");
    fallback_back(f, AGENT_CAUSE_FALLBACK_CALL_UNKNOWN, "the call by the phone network was somebody else's");
}

/* ---- what came ---- */

/* No caller ID can say which one it is for. */
static void ask_digits(struct detour *l, unsigned candidates)
{
    struct agent *a = l->agent;
    if (!l->digits_wanted) {
        if (a->parts.alarms && candidates > 1)
            agent_alarm_raise(a->parts.alarms, a->now, AGENT_ALARM_FEW_FALLBACK_IDENTIFIERS, l->called.text,
                              "a call to %s may be for any of %u calls: their caller IDs end alike", l->called.text,
                              candidates);
        if (candidates || agent_timer(a, &l->timer, UNKNOWN_CALLER_MS) < 0)
            refuse(l, AGENT_CAUSE_FALLBACK_CALL_UNKNOWN, "the caller ID is that of several calls");
        return;
    }
    if (mono_due(a->wrong_tokens_until, a->now.mono))
        a->wrong_tokens = 0;
    if (a->wrong_tokens >= WRONG_TOKENS_MAX) {
        refuse(l, AGENT_CAUSE_FALLBACK_CALL_UNKNOWN, "too many wrong digits were heard within a minute");
    } else if (detour_answer(l) < 0) {
        detour_end(l, AGENT_CAUSE_NONE);
    } else {
        l->collected_by = mono_after_ms(a->now.mono, l->profile->collection_ms);
        heap_set(&a->timers, &l->timer.node, l->collected_by);
    }
}

void match_leg(struct detour *l)
{
    struct fallback *f = NULL;
    const unsigned n = by_caller(l->agent, l, &f);
    if (trunk_is_fixed(l->trunk))
        refuse_fixed(l);
    else if (n == 1 && f)
        join(l, f, false);
    else
        ask_digits(l, f ? n : 0);
}

void match_digits(struct detour *l)
{
    struct agent *a = l->agent;
    if (l->digit_count < l->digits_wanted) {
        const struct mono next = mono_after_ms(a->now.mono, l->inter_digit_ms);
        heap_set(&a->timers, &l->timer.node, mono_min(next, l->collected_by));
        return;
    }
    struct fallback *f = by_token(a, l);
    if (f) {
        join(l, f, true);
        return;
    }
    count_wrong_token(a);
    refuse(l, AGENT_CAUSE_FALLBACK_CALL_UNKNOWN, "its digits are those of no call");
}

/* It may have been said before anybody listened: then the digits come nevertheless. */
void match_said(struct detour *l)
{
    if (l->fallback->is_telling && agent_timer(l->agent, &l->timer, HASH_HEARD_MS) < 0)
        fallback_told(l->fallback);
}

void match_asked_again(struct detour *l)
{
    if (!l->fallback->is_telling)
        return;
    l->asks_again = true;
    agent_timer(l->agent, &l->timer, HASH_AGAIN_MS);
}

static void say_again(struct detour *l)
{
    const bool again = l->asks_again && l->fallback->is_telling;
    l->asks_again = false;
    if (!again || voice_say(&l->voice, "#") < 0)
        fallback_told(l->fallback);
}

/* It has been found: the time to say so again, or to wait no longer for the other side's sound. */
static void found_due(struct detour *l)
{
    struct fallback *f = l->fallback;
    struct agent *a = l->agent;
    say_again(l);
    if (l->fallback != f || !f->waits) /* it has moved, or failed to */
        return;
    if (mono_due(l->move_by, a->now.mono))
        fallback_move_now(f);
    else
        heap_set(&a->timers, &l->timer.node, l->move_by);
}

void match_due(struct detour *l)
{
    if (l->state == DETOUR_UP && l->fallback)
        found_due(l);
    else if (l->state == DETOUR_DIGITS)
        refuse(l, AGENT_CAUSE_FALLBACK_DTMF_TIMEOUT, "its digits did not come in time");
    else if (l->state == DETOUR_WAITING)
        refuse(l, AGENT_CAUSE_FALLBACK_CALL_UNKNOWN, "no call with its caller ID was to move");
}

/* One that came before it was announced; two at once are for others to tell apart. */
void match_announced(struct fallback *f)
{
    struct agent *a = f->agent;
    LIST_EACH(it, &a->legs) {
        struct detour *l = CONTAINER_OF(it, struct detour, link);
        struct fallback *found = NULL;
        if (l->fallback || (l->state != DETOUR_WAITING && l->state != DETOUR_DIGITS) || by_caller(a, l, &found) != 1 ||
            found != f)
            continue;
        join(l, f, false);
        return;
    }
}

bool fallback_call_came(struct agent *a, const struct sip_event *event, struct trunk *trunk)
{
    const struct agent_fallback_profile *profile;
    struct e164 called;
    if (event->message->method != SIP_INVITE || !trunk || trunk->options->side != AGENT_PSTN ||
        !plan_called(a, trunk, event->message, &called))
        return false;
    profile = agent_enrolled_fallback(a->parts.enrolled, &called);
    if (!profile)
        return false;
    detour_came(a, event, trunk, &called, profile);
    return true;
}

bool fallback_call_cancelled(struct agent *a, uint64_t server)
{
    LIST_EACH(it, &a->legs) {
        struct detour *l = CONTAINER_OF(it, struct detour, link);
        if (l->server == server) {
            detour_refuse(l, 487, AGENT_CAUSE_NONE);
            return true;
        }
    }
    return false;
}

void fallback_leg_request(struct end *end, const struct sip_event *event)
{
    detour_requested(CONTAINER_OF(end, struct detour, end), event);
}
