/* Questions about far addresses. All questions about one address share one request; its answer is good for half of its lifetime, so that nobody is
 * sent to an inside address that is about to end.
 *
 *     link:   DOWN → CONNECTING → UP; after a failure RESTING for retry_ms, then DOWN
 *     far:    not asked → asked → known → not asked … */
#include "mapping/client.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_UP, LINK_RESTING };

struct far {
    struct list link;       /* in fars: the one asked for last is the last */
    struct list asked_link; /* in asked, while a request is under way: the oldest first */
    struct addr addr;
    struct addr inside;
    struct mono good_until; /* of inside */
    uint32_t transaction;   /* of the request under way; 0: none */
    bool to_send;
    struct mono due;       /* of the request */
    struct list questions; /* struct question */
};

/* One that waits for its result, or whose result waits to be taken. */
struct question {
    struct list link;
    struct mapping_client_effect result;
};

struct mapping_client {
    struct mapping_client_config config;
    const struct log *log;
    enum link_state state;
    bool has_answered; /* over this connection */
    struct mono rest_until;
    bool to_connect, to_disconnect;
    uint32_t last_transaction;
    struct map by_addr;
    struct list fars;
    struct list asked;
    size_t waiting;
    struct list results;
    struct buf partial; /* a message that has begun */
    struct buf out;
    struct mapping_client_counters counters;
};

COUNTERS_DEFINE(mapping_client_counters, MAPPING_CLIENT_COUNTERS)

void mapping_client_config_init(struct mapping_client_config *config)
{
    *config =
        (struct mapping_client_config){.answer_ms = 2000, .retry_ms = 5000, .far_max = 10000, .waiting_max = 10000};
}

int mapping_client_new(const struct mapping_client_config *config, const struct log *log,
                       struct mapping_client **ret_client)
{
    struct mapping_client *c = mem_alloc(sizeof *c);
    if (!c)
        return ERR_NO_MEMORY;
    c->config = *config;
    c->log = log;
    map_init(&c->by_addr, config->far_max, config->seed);
    list_init(&c->fars);
    list_init(&c->asked);
    list_init(&c->results);
    buf_init(&c->partial, MAPPING_MESSAGE_OCTETS_MAX);
    buf_init(&c->out, MAPPING_MESSAGE_OCTETS_MAX);
    *ret_client = c;
    return 0;
}

/* ---- far addresses ---- */

static struct slice key_of(const struct addr *addr, uint8_t key[19])
{
    key[0] = addr->family;
    key[1] = (uint8_t)(addr->port >> 8);
    key[2] = (uint8_t)addr->port;
    memcpy(key + 3, addr->ip, 16);
    return slice_of(key, 19);
}

static void questions_free(struct list *questions)
{
    struct list *it;
    while ((it = list_pop(questions)))
        mem_free(CONTAINER_OF(it, struct question, link));
}

static void far_free(struct mapping_client *c, struct far *far)
{
    uint8_t key[19];
    map_remove(&c->by_addr, key_of(&far->addr, key));
    list_remove(&far->link);
    list_remove(&far->asked_link);
    questions_free(&far->questions);
    mem_free(far);
}

/* The first in the list that nobody waits for. */
static bool make_room(struct mapping_client *c)
{
    LIST_EACH(it, &c->fars) {
        struct far *far = CONTAINER_OF(it, struct far, link);
        if (far->transaction)
            continue;
        far_free(c, far);
        return true;
    }
    return false;
}

static struct far *far_of(struct mapping_client *c, const struct addr *addr)
{
    uint8_t key[19];
    struct far *far = map_get(&c->by_addr, key_of(addr, key));
    if (far) {
        list_remove(&far->link);
        list_append(&c->fars, &far->link);
        return far;
    }
    if (c->by_addr.n >= c->config.far_max && !make_room(c))
        return NULL;
    far = mem_alloc(sizeof *far);
    if (!far)
        return NULL;
    far->addr = *addr;
    list_init(&far->questions);
    list_init(&far->link);
    list_init(&far->asked_link);
    if (map_set(&c->by_addr, key_of(addr, key), far) < 0) {
        mem_free(far);
        return NULL;
    }
    list_append(&c->fars, &far->link);
    return far;
}

void mapping_client_free(struct mapping_client *c)
{
    if (!c)
        return;
    LIST_EACH(it, &c->fars)
        far_free(c, CONTAINER_OF(it, struct far, link));
    questions_free(&c->results);
    map_fini(&c->by_addr);
    buf_fini(&c->partial);
    buf_fini(&c->out);
    mem_free(c);
}

void mapping_client_forget(struct mapping_client *c, const struct addr *addr)
{
    uint8_t key[19];
    struct far *far = map_get(&c->by_addr, key_of(addr, key));
    if (far)
        far->good_until = (struct mono){0};
}

/* ---- questions ---- */

int mapping_client_ask(struct mapping_client *c, struct now now, const struct addr *addr, uint64_t token,
                       struct addr *ret_inside)
{
    struct far *far = far_of(c, addr);
    c->counters.questions++;
    if (far && far->inside.family && !mono_due(far->good_until, now.mono)) {
        c->counters.known++;
        *ret_inside = far->inside;
        return 1;
    }
    if (c->state == LINK_RESTING && mono_due(c->rest_until, now.mono))
        c->state = LINK_DOWN;
    if (c->state == LINK_RESTING) {
        c->counters.failed_at_once++;
        return ERR_UNREACHABLE;
    }
    if (c->waiting >= c->config.waiting_max || (!far && c->by_addr.n >= c->config.far_max)) {
        c->counters.refused_limit++;
        return ERR_LIMIT;
    }
    struct question *q = far ? mem_alloc(sizeof *q) : NULL;
    if (!q)
        return ERR_NO_MEMORY;
    q->result = (struct mapping_client_effect){.kind = MAPPING_CLIENT_RESULT, .token = token};
    list_append(&far->questions, &q->link);
    c->waiting++;
    if (!far->transaction) {
        if (!++c->last_transaction)
            c->last_transaction = 1;
        far->transaction = c->last_transaction;
        far->to_send = true;
        far->due = mono_after_ms(now.mono, c->config.answer_ms);
        list_append(&c->asked, &far->asked_link);
        c->counters.asked++;
    }
    if (c->state == LINK_DOWN) {
        c->state = LINK_CONNECTING;
        c->to_connect = true;
    }
    return 0;
}

/* All who asked have this result. */
static void far_result(struct mapping_client *c, struct far *far, int err, unsigned code)
{
    struct list *it;
    while ((it = list_pop(&far->questions))) {
        struct question *q = CONTAINER_OF(it, struct question, link);
        q->result.err = err;
        q->result.code = code;
        q->result.inside = err ? (struct addr){0} : far->inside;
        list_append(&c->results, &q->link);
    }
    far->transaction = 0;
    far->to_send = false;
    list_remove(&far->asked_link);
}

/* ---- the connection ---- */

static void fail_all(struct mapping_client *c)
{
    LIST_EACH(it, &c->asked)
        far_result(c, CONTAINER_OF(it, struct far, asked_link), ERR_UNREACHABLE, 0);
}

static void rest(struct mapping_client *c, struct now now)
{
    c->state = LINK_RESTING;
    c->rest_until = mono_after_ms(now.mono, c->config.retry_ms);
    c->counters.connections_failed++;
    log_event(c->log, LEVEL_WARNING, "mapping.unreachable", "retry_ms=%lld", (long long)c->config.retry_ms);
    fail_all(c);
}

void mapping_client_connected(struct mapping_client *c, struct now now)
{
    (void)now;
    if (c->state != LINK_CONNECTING)
        return;
    c->state = LINK_UP;
    c->has_answered = false;
    c->counters.connections++;
    buf_clear(&c->partial);
}

/* One that has served may have ended only because nobody used it for long: what is under way is asked again, over a new one. One that ends before any
 * answer will not serve at the next attempt either. */
void mapping_client_closed(struct mapping_client *c, struct now now)
{
    if (c->state != LINK_UP && c->state != LINK_CONNECTING)
        return;
    if (c->state == LINK_CONNECTING || !c->has_answered) {
        rest(c, now);
        return;
    }
    c->state = LINK_DOWN;
    LIST_EACH(it, &c->asked)
        CONTAINER_OF(it, struct far, asked_link)->to_send = true;
    if (!list_empty(&c->asked)) {
        c->state = LINK_CONNECTING;
        c->to_connect = true;
    }
}

static void disconnect(struct mapping_client *c, struct now now)
{
    c->to_disconnect = true;
    rest(c, now);
}

/* ---- answers ---- */

static struct far *far_asked(struct mapping_client *c, uint32_t transaction)
{
    LIST_EACH(it, &c->asked) {
        struct far *far = CONTAINER_OF(it, struct far, asked_link);
        if (far->transaction == transaction)
            return far;
    }
    return NULL;
}

static void answered(struct mapping_client *c, struct now now, const struct mapping_message *m)
{
    uint8_t key[19];
    c->has_answered = true;
    struct far *far =
        m->kind == MAPPING_SUCCESS ? map_get(&c->by_addr, key_of(&m->far, key)) : far_asked(c, m->transaction);
    if (!far || !m->transaction || far->transaction != m->transaction || far->to_send) {
        c->counters.answers_stray++;
        return;
    }
    if (m->kind == MAPPING_ERROR) {
        c->counters.refused++;
        far_result(c, far, ERR_FORBIDDEN, m->code);
        return;
    }
    c->counters.answered++;
    far->inside = m->inside;
    far->good_until = mono_after_ms(now.mono, m->lifetime_s * INT64_C(500));
    far_result(c, far, 0, 0);
}

/* True: another message may follow. */
static bool take(struct mapping_client *c, struct now now)
{
    struct mapping_message m;
    const int octets = mapping_message_octets(buf_slice(&c->partial));
    if (octets > 0 && c->partial.n < (size_t)octets)
        return false;
    if (!octets)
        return false;
    if (octets < 0 || mapping_decode(slice_of(c->partial.p, (size_t)octets), &m, NULL) < 0 ||
        m.kind == MAPPING_REQUEST) {
        c->counters.malformed++;
        disconnect(c, now);
        return false;
    }
    buf_drop(&c->partial, (size_t)octets);
    answered(c, now, &m);
    return true;
}

void mapping_client_input(struct mapping_client *c, struct now now, struct slice octets)
{
    while (octets.n && c->state == LINK_UP) {
        const size_t room = c->partial.limit - c->partial.n;
        const size_t n = octets.n < room ? octets.n : room;
        buf_put(&c->partial, octets.p, n);
        octets = slice_of(octets.p + n, octets.n - n);
        if (c->partial.err) {
            disconnect(c, now);
            return;
        }
        while (c->state == LINK_UP && take(c, now))
            ;
    }
}

/* ---- time ---- */

void mapping_client_tick(struct mapping_client *c, struct now now)
{
    bool late = false;
    LIST_EACH(it, &c->asked) {
        struct far *far = CONTAINER_OF(it, struct far, asked_link);
        if (!mono_due(far->due, now.mono))
            break;
        c->counters.timeouts++;
        late = true;
        far_result(c, far, ERR_TIMEOUT, 0);
    }
    if (late && (c->state == LINK_UP || c->state == LINK_CONNECTING)) { /* it hangs */
        c->to_connect = false;
        disconnect(c, now);
    }
}

struct mono mapping_client_deadline(const struct mapping_client *c)
{
    return list_empty(&c->asked) ? MONO_NEVER : CONTAINER_OF(c->asked.next, struct far, asked_link)->due;
}

/* ---- effects ---- */

static bool next_request(struct mapping_client *c, struct mapping_client_effect *ret_effect)
{
    if (c->state != LINK_UP)
        return false;
    LIST_EACH(it, &c->asked) {
        struct far *far = CONTAINER_OF(it, struct far, asked_link);
        if (!far->to_send)
            continue;
        const struct mapping_message m = {.kind = MAPPING_REQUEST, .transaction = far->transaction, .far = far->addr};
        buf_clear(&c->out);
        mapping_encode(&m, &c->out);
        if (c->out.err)
            return false; /* its time runs */
        far->to_send = false;
        *ret_effect = (struct mapping_client_effect){.kind = MAPPING_CLIENT_SEND, .octets = buf_slice(&c->out)};
        return true;
    }
    return false;
}

bool mapping_client_next(struct mapping_client *c, struct mapping_client_effect *ret_effect)
{
    if (c->to_disconnect) {
        c->to_disconnect = false;
        *ret_effect = (struct mapping_client_effect){.kind = MAPPING_CLIENT_DISCONNECT};
        return true;
    }
    if (c->to_connect) {
        c->to_connect = false;
        *ret_effect = (struct mapping_client_effect){.kind = MAPPING_CLIENT_CONNECT};
        return true;
    }
    struct list *it = list_pop(&c->results);
    if (it) {
        struct question *q = CONTAINER_OF(it, struct question, link);
        *ret_effect = q->result;
        mem_free(q);
        c->waiting--;
        return true;
    }
    return next_request(c, ret_effect);
}

bool mapping_client_is_up(const struct mapping_client *c)
{
    return c->state == LINK_UP;
}

size_t mapping_client_waiting(const struct mapping_client *c)
{
    return c->waiting;
}

const struct mapping_client_counters *mapping_client_counters(const struct mapping_client *c)
{
    return &c->counters;
}
