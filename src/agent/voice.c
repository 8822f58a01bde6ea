/* What the agent says and hears itself while a call moves: silence, digits. */
#include "agent/fallback_private.h"

static void voice_due(struct agent *a, void *owner)
{
    struct voice *v = owner;
    if (list_empty(&v->link))
        list_append(&a->speaking, &v->link);
}

void voice_init(struct voice *v, struct agent *a, void *owner, voice_digit_fn *digit, voice_idle_fn *idle)
{
    *v = (struct voice){.agent = a, .owner = owner, .digit = digit, .idle = idle};
    v->timer = (struct timer){.fire = voice_due, .owner = v};
    list_init(&v->link);
}

int voice_open(struct voice *v, enum agent_side side, uint8_t family)
{
    struct agent *a = v->agent;
    const struct agent_sound *port = a->ports.sound;
    if (v->is_open)
        return 0;
    int err = port ? port->open(port->ctx, side, family, &v->id, &v->local) : ERR_UNSUPPORTED;
    if (err)
        return err;
    v->is_open = true;
    err = map_set(&a->voices, slice_of(&v->id, sizeof v->id), v);
    if (err)
        voice_close(v);
    return err;
}

void voice_close(struct voice *v)
{
    struct agent *a = v->agent;
    if (!v->is_open)
        return;
    map_remove_value(&a->voices, slice_of(&v->id, sizeof v->id), v);
    a->ports.sound->close(a->ports.sound->ctx, v->id);
    v->is_open = v->sends = v->sent_digits = v->was_heard = false;
    agent_timer_stop(a, &v->timer);
    list_remove(&v->link);
}

static void wait(struct voice *v)
{
    const struct mono due = v->sends ? tone_sender_deadline(&v->sender) : MONO_NEVER;
    if (due.us == MONO_NEVER.us)
        agent_timer_stop(v->agent, &v->timer);
    else
        heap_set(&v->agent->timers, &v->timer.node, due);
}

static void format_of(const struct sip_sdp_stream *s, struct tone_format *ret_format)
{
    *ret_format = (struct tone_format){.codec_type = s->codec.type,
                                       .clock_hz = s->codec.clock_hz,
                                       .has_events = s->has_events,
                                       .event_type = s->event_type};
    memcpy(ret_format->codec, s->codec.name, sizeof ret_format->codec);
}

int voice_agree(struct voice *v, struct slice ours, struct slice theirs)
{
    struct agent *a = v->agent;
    struct sip_sdp own, other;
    struct sip_sdp_stream stream;
    struct tone_format format;
    int err = sip_sdp_parse(&a->scratch, ours, &own, NULL);
    if (!err)
        err = sip_sdp_parse(&a->scratch, theirs, &other, NULL);
    if (!err)
        err = sip_sdp_stream(&own, &other, &stream);
    if (err)
        return err;
    format_of(&stream, &format);
    if (v->sends && tone_sender_change(&v->sender, &format) < 0)
        v->sends = false;
    if (!v->sends && !tone_sender_init(&v->sender, &format, a->ports.entropy, a->now.mono))
        v->sends = true;
    v->to = stream.to;
    v->sends = v->sends && stream.sends && stream.to.family;
    if (stream.own_has_events)
        tone_receiver_init(&v->receiver, stream.own_event_type);
    v->hears = stream.own_has_events;
    if (v->hears && stream.to.family)
        tone_receiver_expect(&v->receiver, stream.own_event_type, &stream.to);
    wait(v);
    return 0;
}

int voice_say(struct voice *v, const char *digits)
{
    int err = v->sends ? tone_sender_digits(&v->sender, slice_str(digits)) : ERR_WRONG_STATE;
    if (!err)
        v->sent_digits = true;
    wait(v);
    return err;
}

int voice_say_now(struct voice *v, const char *digits)
{
    int err = voice_say(v, digits);
    if (!err) {
        tone_sender_hurry(&v->sender, v->agent->now.mono);
        wait(v);
    }
    return err;
}

bool voices_next(struct agent *a, struct agent_effect *ret_effect)
{
    while (!list_empty(&a->speaking)) {
        struct voice *v = CONTAINER_OF(a->speaking.next, struct voice, link);
        size_t n;
        if (v->sends && tone_sender_next(&v->sender, a->now.mono, a->packet, &n)) {
            *ret_effect = (struct agent_effect){
                .kind = AGENT_SOUND, .sound = v->id, .to = v->to, .octets = slice_of(a->packet, n)};
            return true;
        }
        list_remove(&v->link);
        wait(v);
        if (v->sent_digits && tone_sender_is_idle(&v->sender)) {
            v->sent_digits = false;
            if (v->idle)
                v->idle(v);
        }
    }
    return false;
}

void agent_sound_input(struct agent *a, struct now now, uint64_t sound, const struct addr *from, struct slice octets)
{
    struct voice *v = map_get(&a->voices, slice_of(&sound, sizeof sound));
    char digit;
    a->now = now;
    const bool is_first = v && !v->was_heard;
    if (v)
        v->was_heard = true;
    else
        a->counters.sound_dropped++;
    if (is_first && v->came)
        v->came(v);
    if (v && v->hears && tone_receiver_input(&v->receiver, now.mono, from, octets, &digit) && v->digit)
        v->digit(v, digit);
    agent_sweep(a);
}
