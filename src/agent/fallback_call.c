/* We act: the fallback number is called by the phone network, while people talk on. The far side finds the call by its caller ID or by our digits, and
 * says so over the direct way, or with a "#". */
#include "agent/fallback_private.h"

static bool try_trunk(struct fallback *f, struct trunk *t)
{
    struct agent *a = f->agent;
    if (t->options->side != AGENT_PSTN)
        return false;
    if (trunk_is_fixed(t)) {
        fallback_note(f, AGENT_PSTN, AGENT_CAUSE_NONE, "%s: not tried, it refuses re-INVITE in mid-call",
                      t->options->name);
        return false;
    }
    if (detour_call(f, t, &f->leg) < 0)
        return false;
    fallback_note(f, AGENT_PSTN, AGENT_CAUSE_NONE, "%s: %s is called, to move there", t->options->name, f->number.text);
    a->counters.fallback_calls_out++;
    agent_timer(a, &f->timer, f->profile.answer_ms);
    return true;
}

static bool is_first_choice(const struct trunk *t)
{
    return trunk_is_usable(t) && !t->change_refusals;
}

/* In the order of calls: those that seem to be down, or have refused to take part in a move, come last. */
static void try_next(struct fallback *f)
{
    struct agent *a = f->agent;
    while (f->next_trunk < 2 * a->trunk_count) {
        struct trunk *t = &a->trunks[f->next_trunk % a->trunk_count];
        const bool first_round = f->next_trunk++ < a->trunk_count;
        if (is_first_choice(t) == first_round && try_trunk(f, t))
            return;
    }
    fallback_failed(f, AGENT_CAUSE_QOS_FALLBACK, "no trunk has brought the call there");
}

void fallback_try(struct fallback *f)
{
    f->next_trunk = 0;
    f->joined = false;
    f->token_used = false;
    fallback_set(f, FALLBACK_TRYING);
    fallback_say_verb(f, FALLBACK_CALLING);
    try_next(f);
}

/* The other side moves with us: that we do it hears by the phone network, for the direct way is slow where much gets lost. */
static void join(struct fallback *f)
{
    f->joined = true;
    if (f->state != FALLBACK_TRYING || !f->leg || f->leg->state != DETOUR_UP)
        return;
    voice_say_now(&f->leg->voice, "#");
    fallback_move(f);
}

void fallback_far_joined(struct fallback *f)
{
    if (f->state == FALLBACK_TRYING)
        join(f);
}

void fallback_leg_digit(struct fallback *f, char digit)
{
    if (digit == '#' && f->acts && f->state == FALLBACK_TRYING)
        join(f);
    else if (!f->acts && f->leg && digit == '#')
        match_answered(f->leg);
    else if (!f->acts && f->leg)
        match_asked_again(f->leg);
}

void fallback_leg_answered(struct fallback *f)
{
    const int64_t wait_ms = f->token[0]            ? DIGITS_AFTER_MS
                            : f->path == PATH_GONE ? DEAD_PATH_JOINED_MS
                                                   : JOINED_WITHIN_MS;
    agent_timer(f->agent, &f->timer, wait_ms);
    call_keep(f->call);
    if (f->joined)
        join(f);
}

void fallback_leg_spoke(struct fallback *f)
{
    if (f->acts && f->state == FALLBACK_TRYING)
        agent_timer(f->agent, &f->timer, JOINED_WITHIN_MS);
    else if (!f->acts && f->leg)
        match_said(f->leg);
}

static enum agent_cause told_cause(const struct sip_message *m)
{
    const enum agent_cause cause = m ? verdict_told(m) : AGENT_CAUSE_NONE;
    return cause == AGENT_CAUSE_FALLBACK_CALL_UNKNOWN || cause == AGENT_CAUSE_FALLBACK_DTMF_TIMEOUT ? cause
                                                                                                    : AGENT_CAUSE_NONE;
}

void fallback_leg_failed(struct fallback *f, unsigned status, const struct sip_message *response)
{
    const enum agent_cause cause = told_cause(response);
    f->leg = NULL;
    if (f->state != FALLBACK_TRYING)
        return;
    if (cause != AGENT_CAUSE_NONE) {
        fallback_failed(f, cause, "the other side did not take the call");
        return;
    }
    fallback_note(f, AGENT_PSTN, AGENT_CAUSE_NONE, "it failed with %u", status);
    try_next(f);
}

/* The other side, or the phone network, has ended it. */
void fallback_leg_ended(struct fallback *f, const struct sip_message *bye)
{
    const enum agent_cause cause = told_cause(bye);
    f->leg = NULL;
    switch (f->state) {
    case FALLBACK_TRYING:
        fallback_failed(f, cause != AGENT_CAUSE_NONE ? cause : AGENT_CAUSE_FALLBACK_CALL_UNKNOWN,
                        "the call by the phone network ended before it had found its call");
        break;
    case FALLBACK_MOVING:
        fallback_back(f, AGENT_CAUSE_QOS_FALLBACK, "the call by the phone network ended at once");
        break;
    default: /* one that is not used any longer */
        break;
    }
}

void fallback_try_due(struct fallback *f)
{
    struct detour *l = f->leg;
    if (l && l->state == DETOUR_CALLING) {
        fallback_note(f, AGENT_PSTN, AGENT_CAUSE_NONE, "it was not answered in time");
        detour_end(l, AGENT_CAUSE_NONE);
        try_next(f);
    } else if (l && f->token[0] && !f->token_used) {
        f->token_used = true;
        if (voice_say(&l->voice, f->token) < 0)
            agent_timer(f->agent, &f->timer, JOINED_WITHIN_MS);
    } else if (l && f->path == PATH_GONE && !f->token[0]) {
        join(f);
    } else {
        fallback_failed(f, AGENT_CAUSE_FALLBACK_CALL_UNKNOWN, "the other side has not found the call");
    }
}
