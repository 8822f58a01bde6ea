/* A call that can move to the phone network: its states, what makes it move, what becomes of it when one of its ways dies. */
#include "agent/fallback_private.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- states ---- */

void fallback_set(struct fallback *f, enum fallback_state state)
{
    struct agent *a = f->agent;
    agent_timer_stop(a, &f->timer);
    agent_timer_stop(a, &f->later);
    f->phone.pending = f->direct.pending = false;
    f->is_telling = f->is_telling && state == FALLBACK_MOVING;
    a->away_count -= f->state != FALLBACK_DIRECT;
    a->away_count += state != FALLBACK_DIRECT;
    f->state = state;
    f->state_since = a->now.wall;
    if (state == FALLBACK_AWAY)
        agent_timer_stop(a, &f->rescue);
    call_keep(f->call);
    fallback_alert(a);
}

const char *fallback_place(const struct call *c)
{
    static const char *const places[] = {"direct",
                                         "calling the phone network",
                                         "moving to the phone network",
                                         "phone network",
                                         "moving back",
                                         "returning from the phone network",
                                         "-"};
    const struct fallback *f = c->fallback;
    return f && f->is_agreed ? places[f->state] : "-";
}

bool fallback_view(const struct call *c, struct fallback_view *ret_view)
{
    const struct fallback *f = c->fallback;
    if (!f || !f->is_agreed || f->state == FALLBACK_OVER)
        return false;
    *ret_view = (struct fallback_view){fallback_place(c), f->state_since, f->number.text, f->moves};
    return true;
}

/* A step of the call's record; when there is no room, one in the middle gives way: how the call began, and what happened last, is what people ask for. */
unsigned fallback_note(struct fallback *f, enum agent_side side, enum agent_cause cause, const char *format, ...)
{
    struct call_record *r = &f->call->record;
    char text[CALL_STEP_TEXT_OCTETS + 1];
    va_list args;
    if (r->step_count == CALL_STEPS_MAX) {
        memmove(&r->steps[2], &r->steps[3], (CALL_STEPS_MAX - 3) * sizeof r->steps[0]);
        r->step_count--;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const unsigned step = plan_note(f->call, side, cause, "%s", text);
    log_event(f->agent->ports.log, LEVEL_NOTICE, "fallback", "call=%s state=\"%s\" what=\"%s\"", r->call_id,
              fallback_place(f->call), text);
    agent_note(f->agent, r);
    return step;
}

struct party *fallback_party(struct fallback *f, const struct end *end)
{
    if (f->leg && end == &f->leg->end)
        return &f->leg->party;
    return end == f->direct.end ? &f->direct : &f->phone;
}

void fallback_link(struct fallback *f, struct end *with)
{
    struct end *phone = f->phone.end;
    phone->other = with;
    with->other = phone;
    with->call = f->call;
    with->is_called = f->direct.end->is_called;
    call_keep(f->call);
}

struct end *fallback_leg(const struct call *c)
{
    const struct fallback *f = c->fallback;
    return f && f->leg && f->leg->end.ready && !f->leg->end.gone ? &f->leg->end : NULL;
}

void fallback_leg_record(struct end *leg, struct fallback_leg_record *ret_record)
{
    const struct detour *l = CONTAINER_OF(leg, struct detour, end);
    *ret_record = (struct fallback_leg_record){l->is_ours, l->calling, l->called, l->answered_at};
}

/* ---- what makes it move ---- */

static bool is_bad(const struct fallback *f)
{
    return f->bad_here || f->bad_there || f->by_hand || f->path == PATH_GONE;
}

/* A dead way, a person and our own edge wait for nothing: the edge has had its hold-down. The other company does not make us call more often than we would. */
static bool may_try_now(const struct fallback *f)
{
    return f->path == PATH_GONE || f->by_hand || mono_due(f->not_before, f->agent->now.mono);
}

void fallback_want(struct fallback *f)
{
    if (f->state != FALLBACK_DIRECT || !f->acts || !f->is_agreed || f->call->state != CALL_UP || f->agent->stopping)
        return;
    if (may_try_now(f))
        fallback_try(f);
    else
        heap_set(&f->agent->timers, &f->later.node, f->not_before);
}

void fallback_quality(struct call *c, bool is_bad_now)
{
    struct fallback *f = c->fallback;
    if (!f || !f->is_agreed || f->state == FALLBACK_OVER)
        return;
    f->bad_here = is_bad_now;
    if (!f->acts) {
        const struct fallback_word word = {.verb = is_bad_now && f->state == FALLBACK_DIRECT ? FALLBACK_WANTED
                                                                                             : FALLBACK_QUALITY,
                                           .is_bad = is_bad_now};
        fallback_say(f, &word);
        if (is_bad_now)
            match_announced(f);
        return;
    }
    if (is_bad_now) {
        f->not_before = (struct mono){0};
        fallback_want(f);
    } else if (f->state == FALLBACK_DIRECT && !is_bad(f)) {
        agent_timer_stop(f->agent, &f->later);
    }
    fallback_return_wait(f);
}

void fallback_retry(struct fallback *f)
{
    int64_t wait_ms = RETRY_MIN_MS;
    for (unsigned i = 1; i < f->failures && wait_ms < RETRY_MAX_MS; i++)
        wait_ms *= 2;
    if (wait_ms > RETRY_MAX_MS)
        wait_ms = RETRY_MAX_MS;
    f->not_before = mono_after_ms(f->agent->now.mono, wait_ms);
    if (f->path == PATH_GONE)
        agent_timer(f->agent, &f->later, RESCUE_RETRY_MS);
    else if (is_bad(f))
        agent_timer(f->agent, &f->later, wait_ms);
}

void fallback_failed(struct fallback *f, enum agent_cause cause, const char *why)
{
    struct agent *a = f->agent;
    struct fallback_word word = {.verb = FALLBACK_FAILED, .cause = (unsigned)cause};
    if (f->leg)
        detour_end(f->leg, cause);
    fallback_set(f, FALLBACK_DIRECT);
    a->counters.FallbackCallsFailed++;
    a->counters.fallbacks_failed++;
    fallback_note(f, AGENT_PSTN, cause, "the call stays direct: %s", why);
    fallback_say(f, &word);
    f->by_hand = false;
    f->failures++;
    fallback_retry(f);
}

static void later_due(struct agent *a, void *owner)
{
    struct fallback *f = owner;
    (void)a;
    if (f->state == FALLBACK_DIRECT && is_bad(f))
        fallback_want(f);
    else if (f->state == FALLBACK_AWAY)
        fallback_return_due(f);
    else if (f->state == FALLBACK_MOVING)
        fallback_move_stuck(f);
}

static void state_due(struct agent *a, void *owner)
{
    struct fallback *f = owner;
    (void)a;
    switch (f->state) {
    case FALLBACK_DIRECT: /* the call by the phone network is not needed any longer */
        if (f->leg)
            detour_end(f->leg, AGENT_CAUSE_NONE);
        break;
    case FALLBACK_TRYING:
        fallback_try_due(f);
        break;
    case FALLBACK_MOVING:
    case FALLBACK_BACK:
        fallback_move_due(f);
        break;
    case FALLBACK_RETURNING:
        fallback_return_failed(f, "it took too long");
        break;
    case FALLBACK_AWAY:
    case FALLBACK_OVER:
        break;
    }
}

/* ---- the direct way dies ---- */

static void rescue_due(struct agent *a, void *owner)
{
    struct fallback *f = owner;
    (void)a;
    if (f->state != FALLBACK_AWAY && f->state != FALLBACK_OVER)
        call_end(f->call, 408, "the agent: its direct way had died, and the phone network did not help");
}

void fallback_path_gone(struct fallback *f, const char *why)
{
    struct agent *a = f->agent;
    if (f->path == PATH_GONE || f->state == FALLBACK_OVER)
        return;
    f->path = PATH_GONE;
    f->direct.end->gone = true;
    voice_close(&f->voice);
    party_ask_no_more(&f->direct);
    sip_resend_stop(&f->direct.end->accepted.resend);
    relay_acknowledge_for(f->direct.end);
    agent_timer_stop(a, &f->direct.end->timer);
    agent_timer_stop(a, &f->release);
    agent_timer_stop(a, &f->check);
    client_drop(a, &f->checking);
    relay_give_up(f->direct.end);
    fallback_note(f, AGENT_IME, AGENT_CAUSE_NONE, "the direct way has ended: %s", why);
    if (f->state == FALLBACK_AWAY) {
        agent_timer_stop(a, &f->later);
        return;
    }
    a->counters.fallbacks_rescued++;
    agent_timer(a, &f->rescue, RESCUE_MS);
    if (f->state == FALLBACK_RETURNING)
        fallback_return_failed(f, "the direct way has ended");
    else if (f->state == FALLBACK_BACK)
        fallback_failed(f, AGENT_CAUSE_QOS_FALLBACK, "both ways have ended");
    else if (f->state == FALLBACK_DIRECT && f->acts)
        fallback_want(f);
    else if (f->state == FALLBACK_DIRECT && f->leg) /* the one that it has just come back from */
        fallback_move(f);
    else if (f->state == FALLBACK_DIRECT)
        match_announced(f);
}

static void checked(struct agent *a, void *owner, unsigned status, const struct sip_message *response)
{
    struct fallback *f = owner;
    if (status < 200)
        return;
    client_drop(a, &f->checking);
    agent_timer_stop(a, &f->check);
    if (!response || status == 481 || status == 408)
        fallback_path_gone(f, "nobody answers there");
    else
        f->direct.end->heard = a->now.mono;
}

static void check_due(struct agent *a, void *owner)
{
    struct fallback *f = owner;
    struct end *end = f->direct.end;
    if (f->checking.token) {
        fallback_path_gone(f, "no answer in time");
        return;
    }
    struct sip_hop hop = end_hop(end);
    buf_clear(&a->octets);
    sip_dialog_begin_request(&end->dialog, "OPTIONS", 0, &a->octets);
    sip_end(&a->octets, (struct slice){0});
    agent_timer(a, &f->check, CHECK_MS);
    if (a->octets.err || client_send(a, &f->checking, &hop, buf_slice(&a->octets)) < 0)
        fallback_path_gone(f, "it cannot be reached");
}

void fallback_check_path(struct fallback *f, int64_t after_ms)
{
    if (f->path != PATH_GONE && f->is_agreed && f->state != FALLBACK_OVER && !f->check.node.index && !f->checking.token)
        agent_timer(f->agent, &f->check, after_ms);
}

void fallback_connection_lost(struct agent *a, const struct sip_hop *hop)
{
    if (hop->side != AGENT_IME)
        return;
    LIST_EACH(it, &a->fallbacks) {
        struct fallback *f = CONTAINER_OF(it, struct fallback, link);
        const struct sip_hop to = end_hop(f->direct.end);
        if (addr_eq(&to.addr, &hop->addr) || (hop->conn && to.conn == hop->conn))
            fallback_check_path(f, entropy_between(a->ports.entropy, 0, CHECK_SPREAD_MS));
    }
}

void fallback_leave_direct(struct fallback *f)
{
    struct agent *a = f->agent;
    struct end *end = f->direct.end;
    if (f->path == PATH_GONE)
        return;
    if (end->ready && !end->gone) {
        const struct fallback_word word = {.verb = FALLBACK_LEFT};
        const struct slice text = fallback_text(a, &word);
        struct sip_hop hop = end_hop(end);
        relay_acknowledge(end, (struct slice){0});
        buf_clear(&a->octets);
        sip_dialog_begin_request(&end->dialog, "BYE", 0, &a->octets);
        sip_put_named(&a->octets, FALLBACK_HEADER, text);
        sip_end(&a->octets, (struct slice){0});
        if (!a->octets.err)
            call_goodbye(f->call, end->trunk, &hop, end->dialog.local_cseq, buf_slice(&a->octets));
    }
    fallback_path_gone(f, "it was given up");
}

static void release_due(struct agent *a, void *owner)
{
    struct fallback *f = owner;
    (void)a;
    if (f->state == FALLBACK_AWAY)
        fallback_leave_direct(f);
}

/* ---- ends that go ---- */

static bool is_of_the_way_alone(const struct sip_message *bye)
{
    const struct sip_field *f = sip_field_named(bye, FALLBACK_HEADER);
    struct fallback_word word;
    if (f && !fallback_word_parse(f->value, &word) && word.verb == FALLBACK_LEFT)
        return true;
    return verdict_is_told(bye); /* an edge has made it, not a person */
}

/* The phone network has dropped the call, nobody has hung up. False: there is no other way. */
static bool leg_died(struct fallback *f, const char *why)
{
    const struct fallback_word word = {.verb = FALLBACK_FAILED, .cause = AGENT_CAUSE_QOS_FALLBACK};
    detour_gone(f->leg);
    if (f->path == PATH_GONE || f->state != FALLBACK_AWAY)
        return f->state != FALLBACK_AWAY;
    fallback_say(f, &word);
    fallback_back(f, AGENT_CAUSE_QOS_FALLBACK, why);
    return true;
}

bool fallback_goes_on(struct end *end, const struct sip_message *bye)
{
    struct call *c = end->call;
    struct fallback *f = c ? c->fallback : NULL;
    if (!f || !f->is_agreed || c->state != CALL_UP || end == f->phone.end)
        return false;
    if (end == f->direct.end) {
        if (!is_of_the_way_alone(bye))
            return false;
        fallback_path_gone(f, "the network there has ended it");
        return true;
    }
    if (f->state == FALLBACK_AWAY) {
        const bool settled = mono_since_us(f->agent->now.mono, f->moved_at) > SETTLE_MS * 1000;
        return !settled && f->path != PATH_GONE && leg_died(f, "the call by the phone network ended at once");
    }
    if (f->state == FALLBACK_RETURNING && !f->phone_returned)
        return false;
    detour_gone(f->leg);
    return true;
}

bool fallback_survives(struct end *end)
{
    struct fallback *f = end->call ? end->call->fallback : NULL;
    if (!f || !f->is_agreed || f->state == FALLBACK_OVER || end == f->phone.end)
        return false;
    if (end == f->direct.end) {
        fallback_path_gone(f, "the other side had gone");
        return true;
    }
    return leg_died(f, "the phone network had lost the call");
}

bool fallback_unacknowledged(struct end *end)
{
    if (end->call)
        return end->call->fallback && end != end->call->fallback->phone.end && fallback_survives(end);
    struct detour *l = CONTAINER_OF(end, struct detour, end);
    struct fallback *f = l->fallback;
    detour_end(l, AGENT_CAUSE_NONE);
    if (f)
        fallback_leg_ended(f, NULL);
    return true;
}

void fallback_stirred(struct call *c)
{
    struct fallback *f = c->fallback;
    if (!f)
        return;
    if (f->state == FALLBACK_MOVING || f->state == FALLBACK_BACK)
        fallback_move_on(f);
    else if (f->state == FALLBACK_RETURNING || f->state == FALLBACK_AWAY)
        fallback_return_on(f);
}

/* ---- life ---- */

struct fallback *fallback_new(struct call *c, const struct agent_fallback_profile *profile, bool acts)
{
    struct agent *a = c->agent;
    struct fallback *f = mem_alloc(sizeof *f);
    if (!f)
        return NULL;
    f->call = c;
    f->agent = a;
    f->acts = acts;
    f->profile = *profile;
    list_init(&f->link);
    list_init(&f->words);
    party_init(&f->phone, a, f);
    party_init(&f->direct, a, f);
    voice_init(&f->voice, a, f, NULL, NULL);
    f->timer = (struct timer){.fire = state_due, .owner = f};
    f->later = (struct timer){.fire = later_due, .owner = f};
    f->release = (struct timer){.fire = release_due, .owner = f};
    f->rescue = (struct timer){.fire = rescue_due, .owner = f};
    f->check = (struct timer){.fire = check_due, .owner = f};
    client_init(&f->checking, checked, f, NULL, NULL);
    c->fallback = f;
    return f;
}

/* Without a word to anybody. */
static void release(struct fallback *f)
{
    struct agent *a = f->agent;
    a->away_count -= f->state != FALLBACK_DIRECT;
    a->fallback_count -= f->is_agreed;
    f->state = FALLBACK_OVER;
    agent_timer_stop(a, &f->timer);
    agent_timer_stop(a, &f->later);
    agent_timer_stop(a, &f->release);
    agent_timer_stop(a, &f->rescue);
    agent_timer_stop(a, &f->check);
    client_drop(a, &f->checking);
    voice_close(&f->voice);
    fallback_words_free(f);
    fallback_drop_token(f);
    list_remove(&f->link);
}

void fallback_over(struct call *c)
{
    struct fallback *f = c->fallback;
    if (!f || f->state == FALLBACK_OVER)
        return;
    release(f);
    party_ask_no_more(&f->phone);
    party_ask_no_more(&f->direct);
    if (f->is_agreed)
        fallback_link(f, f->direct.end);
    if (f->leg)
        detour_end(f->leg, AGENT_CAUSE_NONE);
    if (f->is_agreed)
        call_farewell(f->direct.end, NULL);
    fallback_alert(c->agent);
}

void fallback_free(struct call *c)
{
    struct fallback *f = c->fallback;
    if (!f)
        return;
    if (f->state != FALLBACK_OVER)
        release(f);
    if (f->leg)
        detour_free(f->leg);
    party_fini(&f->phone);
    party_fini(&f->direct);
    c->fallback = NULL;
    mem_free(f);
}

void fallbacks_init(struct agent *a)
{
    list_init(&a->fallbacks);
    list_init(&a->legs);
    list_init(&a->legs_closing);
    list_init(&a->speaking);
    map_init(&a->voices, SIZE_MAX, entropy_u64(a->ports.entropy));
    map_init(&a->tokens, SIZE_MAX, entropy_u64(a->ports.entropy));
}

void fallbacks_sweep(struct agent *a)
{
    while (!list_empty(&a->legs_closing))
        detour_free(CONTAINER_OF(a->legs_closing.next, struct detour, link));
}

void fallbacks_stop(struct agent *a)
{
    LIST_EACH(it, &a->legs)
        detour_end(CONTAINER_OF(it, struct detour, link), AGENT_CAUSE_NONE);
}

void fallbacks_fini(struct agent *a)
{
    LIST_EACH(it, &a->legs)
        detour_free(CONTAINER_OF(it, struct detour, link));
    fallbacks_sweep(a);
    map_fini(&a->voices);
    map_fini(&a->tokens);
}

/* ---- by hand ---- */

static struct fallback *of_call(struct agent *a, struct slice call_id, int *ret_err)
{
    *ret_err = ERR_NOT_FOUND;
    LIST_EACH(it, &a->calls) {
        struct call *c = CONTAINER_OF(it, struct call, link);
        if (c->kind != CALL_VOICE || c->state != CALL_UP ||
            (!slice_eq_str(call_id, c->record.call_id) && !slice_eq_str(call_id, c->record.other_call_id)))
            continue;
        *ret_err = ERR_WRONG_STATE;
        return c->fallback && c->fallback->is_agreed && c->fallback->acts ? c->fallback : NULL;
    }
    return NULL;
}

int agent_fallback_begin(struct agent *a, struct now now, struct slice call_id)
{
    int err;
    a->now = now;
    struct fallback *f = of_call(a, call_id, &err);
    if (!f || f->state != FALLBACK_DIRECT)
        return err;
    f->by_hand = true;
    fallback_note(f, AGENT_PSTN, AGENT_CAUSE_NONE, "an operator wants the phone network");
    fallback_want(f);
    return 0;
}

int agent_return_begin(struct agent *a, struct now now, struct slice call_id)
{
    int err;
    a->now = now;
    struct fallback *f = of_call(a, call_id, &err);
    if (!f || f->state != FALLBACK_AWAY || f->path == PATH_GONE)
        return err;
    fallback_return_by_hand(f);
    return 0;
}
