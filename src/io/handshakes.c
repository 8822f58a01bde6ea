/* Which TLS handshakes go on, and in which order: tokens in all and by source, two queues, and who gives way. */
#include "io/handshakes.h"

#include "base/map.h"
#include "base/mem.h"
#include "io/stream_private.h"

#define TOKEN 1000000 /* what one handshake takes out of a bucket */

/* Fills by per_second tokens a second, up to burst. */
struct bucket {
    int64_t level;
    struct mono at;
};

/* One that was heard of. */
struct source {
    struct list link;
    bool is_good; /* in which of the two lists it is */
    struct mono good_until;
    struct bucket bucket;
    uint8_t key[8];
    uint8_t key_octets;
};

struct handshakes {
    struct loop *loop;
    struct handshakes_config config;
    struct loop_timer *timer;
    struct bucket common, first;
    struct list at_once;    /* of those that do not go first: longest at it first */
    struct list waiting[2]; /* those that go first, and the others */
    size_t at_once_count, waiting_count;
    struct map sources;
    struct list heard[2]; /* sources, and good ones: longest ago first. Bad ones do not make us forget good ones */
    size_t heard_count[2];
};

void handshakes_config_init(struct handshakes_config *config)
{
    *config = (struct handshakes_config){
        .at_once_max = 1024,
        .spare_ms = 1000,
        .per_second = 300,
        .burst = 100,
        .first_per_second = 300,
        .source_per_second = 20,
        .source_burst = 64,
        .sources_max = 8192,
        .good_ms = 86400000,
    };
}

/* ---- buckets ---- */

static void fill(struct bucket *b, unsigned per_second, unsigned burst, struct mono now)
{
    const int64_t most = (int64_t)burst * TOKEN;
    int64_t us = mono_since_us(now, b->at);
    b->at = now;
    if (us > 0)
        b->level = us > most / (per_second ? per_second : 1) ? most : b->level + us * per_second;
    if (b->level > most)
        b->level = most;
}

static bool take(struct bucket *b, unsigned per_second, unsigned burst, struct mono now)
{
    fill(b, per_second, burst, now);
    if (b->level < TOKEN)
        return false;
    b->level -= TOKEN;
    return true;
}

static bool take_token(struct handshakes *h, bool goes_first, struct mono now)
{
    const struct handshakes_config *c = &h->config;
    return (goes_first && take(&h->first, c->first_per_second, c->first_per_second, now)) ||
           take(&h->common, c->per_second, c->burst, now);
}

/* When there will be one. */
static struct mono token_due(const struct bucket *b, unsigned per_second)
{
    return mono_after_us(b->at, (TOKEN - b->level) / (per_second ? per_second : 1) + 1);
}

/* ---- sources ---- */

static void source_forget(struct handshakes *h, struct source *s)
{
    map_remove(&h->sources, slice_of(s->key, s->key_octets));
    list_remove(&s->link);
    h->heard_count[s->is_good]--;
    mem_free(s);
}

/* Puts it behind all others of its kind; where there are too many, the first is forgotten. */
static void source_heard(struct handshakes *h, struct source *s, bool is_good)
{
    list_remove(&s->link);
    h->heard_count[s->is_good]--;
    s->is_good = is_good;
    if (h->heard_count[is_good] >= h->config.sources_max)
        source_forget(h, CONTAINER_OF(h->heard[is_good].next, struct source, link));
    list_append(&h->heard[is_good], &s->link);
    h->heard_count[is_good]++;
}

/* NULL: no memory. */
static struct source *source_of(struct handshakes *h, const struct addr *peer, struct mono now)
{
    uint8_t octets = peer->family == 4 ? 4 : 8;
    struct source *s = map_get(&h->sources, slice_of(peer->ip, octets));
    if (s) {
        source_heard(h, s, !mono_due(s->good_until, now));
        return s;
    }
    s = mem_alloc(sizeof *s);
    if (!s)
        return NULL;
    memcpy(s->key, peer->ip, octets);
    s->key_octets = octets;
    s->bucket = (struct bucket){(int64_t)h->config.source_burst * TOKEN, now};
    list_init(&s->link);
    h->heard_count[0]++; /* which the next line takes back */
    source_heard(h, s, false);
    if (map_set(&h->sources, slice_of(s->key, octets), s) == 0)
        return s;
    list_remove(&s->link);
    h->heard_count[0]--;
    mem_free(s);
    return NULL;
}

/* ---- who is let in ---- */

/* The one that is at it for longest ends, if it had its time. */
static bool give_way(struct handshakes *h, struct mono now)
{
    if (list_empty(&h->at_once))
        return false;
    struct stream *oldest = CONTAINER_OF(h->at_once.next, struct stream, handshake_link);
    if (!mono_due(mono_after_ms(oldest->handshake_since, h->config.spare_ms), now))
        return false;
    stream_fail(oldest, STREAM_LIMIT_HANDSHAKES, "gives way to another");
    return true;
}

bool handshakes_admit(struct handshakes *h, const struct addr *peer, bool goes_first, bool *ret_goes_first)
{
    struct mono now = loop_now(h->loop).mono;
    struct source *s = source_of(h, peer, now);
    *ret_goes_first = goes_first || (s && s->is_good);
    if (*ret_goes_first)
        return true;
    if (!s || !take(&s->bucket, h->config.source_per_second, h->config.source_burst, now))
        return false;
    return h->at_once_count < h->config.at_once_max || give_way(h, now);
}

void handshakes_enter(struct handshakes *h, struct stream *stream, bool goes_first)
{
    stream->handshakes = h;
    stream->goes_first = goes_first;
    stream->handshake_since = loop_now(h->loop).mono;
    list_init(&stream->handshake_link);
    list_init(&stream->waiting_link);
    if (goes_first)
        return;
    list_append(&h->at_once, &stream->handshake_link);
    h->at_once_count++;
}

/* ---- when they begin ---- */

static void set_timer(struct handshakes *h)
{
    struct mono due = MONO_NEVER;
    if (h->waiting_count)
        due = token_due(&h->common, h->config.per_second);
    if (!list_empty(&h->waiting[0]))
        due = mono_min(due, token_due(&h->first, h->config.first_per_second));
    loop_timer_set(h->timer, due);
}

static void stop_waiting(struct handshakes *h, struct stream *stream)
{
    if (list_empty(&stream->waiting_link))
        return;
    list_remove(&stream->waiting_link);
    h->waiting_count--;
}

bool handshakes_begin(struct handshakes *h, struct stream *stream)
{
    struct mono now = loop_now(h->loop).mono;
    struct list *queue = &h->waiting[!stream->goes_first];
    if (list_empty(queue) && take_token(h, stream->goes_first, now))
        return true;
    list_append(queue, &stream->waiting_link);
    h->waiting_count++;
    set_timer(h);
    return false;
}

static void token_came(void *arg)
{
    struct handshakes *h = arg;
    struct mono now = loop_now(h->loop).mono;
    for (int others = 0; others < 2; others++) {
        while (!list_empty(&h->waiting[others]) && take_token(h, !others, now)) {
            struct stream *stream = CONTAINER_OF(h->waiting[others].next, struct stream, waiting_link);
            stop_waiting(h, stream);
            stream_handshake_begins(stream);
        }
    }
    set_timer(h);
}

void handshakes_over(struct stream *stream, bool is_verified)
{
    struct handshakes *h = stream->handshakes;
    if (!h)
        return;
    stream->handshakes = NULL;
    stop_waiting(h, stream);
    if (!list_empty(&stream->handshake_link)) {
        list_remove(&stream->handshake_link);
        h->at_once_count--;
    }
    if (!is_verified)
        return;
    struct mono now = loop_now(h->loop).mono;
    struct source *s = source_of(h, &stream->peer, now);
    if (!s)
        return;
    s->good_until = mono_after_ms(now, h->config.good_ms);
    source_heard(h, s, true);
}

/* ---- the object ---- */

int handshakes_new(struct loop *loop, const struct handshakes_config *config, struct handshakes **ret_handshakes)
{
    struct handshakes *h = mem_alloc(sizeof *h);
    if (!h)
        return ERR_NO_MEMORY;
    struct mono now = loop_now(loop).mono;
    h->loop = loop;
    h->config = *config;
    h->common = (struct bucket){(int64_t)config->burst * TOKEN, now};
    h->first = (struct bucket){(int64_t)config->first_per_second * TOKEN, now};
    list_init(&h->at_once);
    for (int i = 0; i < 2; i++) {
        list_init(&h->waiting[i]);
        list_init(&h->heard[i]);
    }
    map_init(&h->sources, 2 * config->sources_max + 1, config->seed);
    int err = loop_timer_new(loop, token_came, h, &h->timer);
    if (err) {
        handshakes_free(h);
        return err;
    }
    *ret_handshakes = h;
    return 0;
}

void handshakes_free(struct handshakes *h)
{
    if (!h)
        return;
    for (int i = 0; i < 2; i++)
        LIST_EACH(it, &h->heard[i])
            source_forget(h, CONTAINER_OF(it, struct source, link));
    map_fini(&h->sources);
    loop_timer_free(h->timer);
    mem_free(h);
}

size_t handshakes_at_once(const struct handshakes *h)
{
    return h->at_once_count;
}

size_t handshakes_waiting(const struct handshakes *h)
{
    return h->waiting_count;
}
