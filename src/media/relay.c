/* The table of sessions, and what they have to say. */
#include "media/relay.h"

#include "base/mem.h"
#include "media/relay_private.h"

COUNTERS_DEFINE(media_counters, MEDIA_COUNTERS)

_Static_assert(COUNTERS_COUNT(media_counters) == 5 + MEDIA_REFUSAL_COUNT, "a counter for each reason to refuse");

void media_relay_options_init(struct media_relay_options *options)
{
    *options = (struct media_relay_options){
        .sessions_max = 10000,
        .silence_ms = 60000,
        .relatch_ms = 1000,
        .rekey_grace_ms = 2000,
        .figures_ms = 2000,
        .backend = SRTP_BACKEND_DEFAULT,
        .quality = quality_policy_default,
    };
}

int media_relay_new(const struct media_relay_options *options, uint64_t seed, struct media_relay **ret_relay)
{
    struct media_relay *r = mem_alloc(sizeof *r);
    if (!r)
        return ERR_NO_MEMORY;
    r->options = *options;
    quality_policy_bound(&r->options.quality);
    map_init(&r->sessions, options->sessions_max, seed);
    heap_init(&r->timers);
    list_init(&r->telling);
    *ret_relay = r;
    return 0;
}

void media_relay_free(struct media_relay *r)
{
    if (!r)
        return;
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&r->sessions, &it))
        media_session_free(it.value);
    struct list *link;
    while ((link = list_pop(&r->telling))) /* those that are over */
        media_session_free(CONTAINER_OF(link, struct relay_session, tells));
    map_fini(&r->sessions);
    heap_fini(&r->timers);
    mem_free(r);
}

void media_relay_set_options(struct media_relay *r, const struct media_relay_options *options)
{
    r->options = *options;
    quality_policy_bound(&r->options.quality);
    r->sessions.limit = options->sessions_max;
}

const struct media_counters *media_relay_counters(const struct media_relay *r)
{
    return &r->counters;
}

/* ---- sessions ---- */

struct relay_session *media_session_find(const struct media_relay *r, uint64_t id)
{
    return map_get(&r->sessions, slice_of(&id, sizeof id));
}

int media_session_ensure(struct media_relay *r, struct now now, uint64_t id, struct relay_session **ret_session)
{
    struct relay_session *s = media_session_find(r, id);
    if (s) {
        *ret_session = s;
        return 0;
    }
    if (id == 0)
        return ERR_RANGE;
    s = mem_alloc(sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->relay = r;
    s->id = id;
    list_init(&s->tells);
    s->next_sample = s->next_figures = MONO_NEVER;
    s->quiet_since[MEDIA_INSIDE] = s->quiet_since[MEDIA_OUTSIDE] = now.mono;
    int err = map_set(&r->sessions, slice_of(&id, sizeof id), s);
    if (!err) {
        r->counters.sessions++;
        err = heap_set(&r->timers, &s->timer, MONO_NEVER);
        if (!err) {
            *ret_session = s;
            return 0;
        }
        map_remove(&r->sessions, slice_of(&id, sizeof id));
        r->counters.sessions--;
    }
    mem_free(s);
    return err;
}

static void flow_init(struct media_flow *flow, struct relay_stream *stream, enum media_side side,
                      enum media_component component)
{
    flow->stream = stream;
    flow->side = side;
    flow->component = component;
}

int media_stream_ensure(struct relay_session *s, struct now now, unsigned index, struct relay_stream **ret_stream)
{
    struct relay_stream *stream = s->streams[index];
    if (!stream) {
        stream = mem_alloc(sizeof *stream);
        if (!stream)
            return ERR_NO_MEMORY;
        stream->session = s;
        stream->index = index;
        for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES; side++) {
            flow_init(&stream->ways[side].flows[MEDIA_COMPONENT_RTP], stream, side, MEDIA_COMPONENT_RTP);
            flow_init(&stream->ways[side].flows[MEDIA_COMPONENT_RTCP], stream, side, MEDIA_COMPONENT_RTCP);
            quality_init(&stream->ways[side].quality, now.mono);
            quality_judge_init(&stream->ways[side].judge);
        }
        s->streams[index] = stream;
    }
    *ret_stream = stream;
    return 0;
}

static void stream_free(struct relay_stream *stream)
{
    if (!stream)
        return;
    for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES; side++) {
        struct relay_way *way = &stream->ways[side];
        media_key_clear(&way->in);
        media_key_clear(&way->in_before);
        media_key_clear(&way->out);
        media_key_clear(&way->out_before);
        mem_free(way->carried);
    }
    mem_wipe(&stream->is, sizeof stream->is);
    mem_free(stream);
}

void media_session_free(struct relay_session *s)
{
    list_remove(&s->tells);
    heap_remove(&s->relay->timers, &s->timer);
    for (unsigned i = 0; i < MEDIA_STREAMS_MAX; i++)
        stream_free(s->streams[i]);
    mem_free(s);
}

static void take_out(struct relay_session *s)
{
    map_remove(&s->relay->sessions, slice_of(&s->id, sizeof s->id));
    heap_remove(&s->relay->timers, &s->timer);
    s->relay->counters.sessions--;
}

void media_session_drop(struct relay_session *s)
{
    take_out(s);
    media_session_free(s);
}

int media_relay_remove(struct media_relay *r, struct now now, uint64_t session)
{
    (void)now;
    struct relay_session *s = media_session_find(r, session);
    if (!s)
        return ERR_NOT_FOUND;
    take_out(s);
    s->is_over = true;
    media_session_tell(s);
    return 0;
}

bool media_relay_has(const struct media_relay *r, uint64_t session)
{
    return media_session_find(r, session);
}

const struct media_stream *media_relay_stream(const struct media_relay *r, uint64_t session, unsigned stream)
{
    const struct relay_session *s = media_session_find(r, session);
    return s && stream < s->stream_count ? &s->streams[stream]->is : NULL;
}

/* ---- flows ---- */

int media_relay_flow(struct media_relay *r, struct now now, uint64_t session, unsigned stream, enum media_side side,
                     enum media_component component, struct media_flow **ret_flow)
{
    if (stream >= MEDIA_STREAMS_MAX || (unsigned)side >= MEDIA_SIDES || (unsigned)component >= MEDIA_COMPONENTS)
        return ERR_RANGE;
    bool is_new = !media_session_find(r, session);
    struct relay_session *s;
    struct relay_stream *found;
    int err = media_session_ensure(r, now, session, &s);
    if (err)
        return err;
    err = media_stream_ensure(s, now, stream, &found);
    if (err) {
        if (is_new)
            media_session_drop(s);
        return err;
    }
    *ret_flow = &found->ways[side].flows[component];
    return 0;
}

void media_flow_set_port(struct media_flow *flow, void *port)
{
    flow->port = port;
    if (!port)
        flow->latched = (struct addr){0};
}

void *media_flow_port(const struct media_flow *flow)
{
    return flow->port;
}

unsigned media_flow_stream(const struct media_flow *flow)
{
    return flow->stream->index;
}

enum media_component media_flow_component(const struct media_flow *flow)
{
    return flow->component;
}

/* ---- events ---- */

void media_session_tell(struct relay_session *s)
{
    if (list_empty(&s->tells))
        list_append(&s->relay->telling, &s->tells);
}

static bool tell_stream(struct relay_stream *stream, struct now now, struct media_event *event)
{
    for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES; side++) {
        struct relay_way *way = &stream->ways[side];
        if (way->tell_latched) {
            way->tell_latched = false;
            event->kind = MEDIA_LATCHED;
            event->side = side;
            event->source = way->flows[MEDIA_COMPONENT_RTP].latched;
            return true;
        }
    }
    if (stream->tell_quality) {
        stream->tell_quality = false;
        event->kind = MEDIA_QUALITY;
        event->side = MEDIA_OUTSIDE;
        media_stream_figures(stream, MEDIA_OUTSIDE, now, &event->figures);
        return true;
    }
    return false;
}

/* The next thing that the session has to say; false: nothing but perhaps its end. */
static bool tell(struct relay_session *s, struct now now, struct media_event *event)
{
    for (unsigned i = 0; i < MEDIA_STREAMS_MAX; i++) {
        event->stream = i;
        if (s->streams[i] && tell_stream(s->streams[i], now, event))
            return true;
    }
    event->stream = 0;
    for (enum media_side side = MEDIA_INSIDE; side < MEDIA_SIDES; side++) {
        if (s->tell_silent[side]) {
            s->tell_silent[side] = false;
            event->kind = MEDIA_SILENT;
            event->side = side;
            return true;
        }
    }
    if (s->tell_figures && !s->is_over) {
        s->tell_figures = false;
        event->kind = MEDIA_FIGURES;
        media_session_summary(s, now, &event->summary);
        return true;
    }
    if (s->tell_state && !s->is_over) {
        s->tell_state = false;
        event->kind = MEDIA_STATE;
        return true;
    }
    return false;
}

bool media_relay_has_news(const struct media_relay *r)
{
    return !list_empty(&r->telling);
}

bool media_relay_next(struct media_relay *r, struct now now, struct media_event *ret_event)
{
    while (!list_empty(&r->telling)) {
        struct relay_session *s = CONTAINER_OF(r->telling.next, struct relay_session, tells);
        memset(ret_event, 0, sizeof *ret_event);
        ret_event->session = s->id;
        if (tell(s, now, ret_event))
            return true;
        if (s->is_over) {
            ret_event->kind = MEDIA_SUMMARY;
            media_session_end_figures(s, now);
            media_session_summary(s, now, &ret_event->summary);
            media_session_free(s);
            return true;
        }
        list_remove(&s->tells);
    }
    return false;
}
