/* The pool of inside addresses. A slot is free, stands for a far address, or rests; each state but the first ends by its time. */
#include "mapping/server.h"

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#define OPEN_ATTEMPTS_MAX 16 /* slots tried for one question, when others have taken their ports */

enum slot_state { SLOT_FREE, SLOT_OPEN, SLOT_RESTING };

struct slot {
    struct list link; /* in free */
    struct heap_node node;
    enum slot_state state;
    struct addr far;
    struct wall since;
    uint64_t calls;
};

struct mapping_server {
    struct mapping_server_config config;
    struct mapping_port port;
    const struct log *log;
    struct slot *slots;
    struct list free; /* the one that was free for longest first */
    struct map by_far;
    struct heap ends;
    struct mapping_server_counters counters;
};

COUNTERS_DEFINE(mapping_server_counters, MAPPING_SERVER_COUNTERS)

void mapping_server_config_init(struct mapping_server_config *config)
{
    *config = (struct mapping_server_config){.timeout_ms = 600000, .rest_ms = 60000};
}

static bool is_pool(const struct mapping_server_config *c)
{
    return (c->first.family == 4 || c->first.family == 6) && c->first.port && c->count &&
           c->count <= MAPPING_POOL_MAX && c->first.port + c->count - 1 <= 65535 && c->timeout_ms >= 1000 &&
           c->timeout_ms <= MAPPING_LIFETIME_S_MAX * INT64_C(1000) && c->rest_ms >= 0;
}

int mapping_server_new(const struct mapping_server_config *config, const struct mapping_port *port,
                       const struct log *log, struct mapping_server **ret_server)
{
    if (!is_pool(config))
        return ERR_RANGE;
    struct mapping_server *s = mem_alloc(sizeof *s);
    struct slot *slots = mem_alloc(config->count * sizeof *slots);
    if (!s || !slots) {
        mem_free(s);
        mem_free(slots);
        return ERR_NO_MEMORY;
    }
    *s = (struct mapping_server){.config = *config, .port = *port, .log = log, .slots = slots};
    list_init(&s->free);
    map_init(&s->by_far, config->count, config->seed);
    heap_init(&s->ends);
    for (size_t i = 0; i < config->count; i++)
        list_append(&s->free, &slots[i].link);
    *ret_server = s;
    return 0;
}

/* ---- slots ---- */

static struct addr slot_inside(const struct mapping_server *s, const struct slot *slot)
{
    struct addr inside = s->config.first;
    inside.port = (uint16_t)(inside.port + (slot - s->slots));
    return inside;
}

static struct slice key_of(const struct addr *far, uint8_t key[19])
{
    key[0] = far->family;
    key[1] = (uint8_t)(far->port >> 8);
    key[2] = (uint8_t)far->port;
    memcpy(key + 3, far->ip, 16);
    return slice_of(key, 19);
}

static void slot_log(const struct mapping_server *s, const struct slot *slot, const char *event)
{
    char far[ADDR_TEXT_OCTETS], text[ADDR_TEXT_OCTETS];
    const struct addr inside = slot_inside(s, slot);
    log_event(s->log, LEVEL_INFO, event, "far=%s inside=%s calls=%llu", addr_format(&slot->far, far),
              addr_format(&inside, text), (unsigned long long)slot->calls);
}

/* It stands for nobody any longer, and will not for a while. */
static void slot_end(struct mapping_server *s, struct now now, struct slot *slot)
{
    uint8_t key[19];
    const struct addr inside = slot_inside(s, slot);
    slot_log(s, slot, "mapping.ended");
    s->port.close(s->port.ctx, &inside);
    map_remove(&s->by_far, key_of(&slot->far, key));
    slot->state = SLOT_RESTING;
    s->counters.ended++;
    heap_set(&s->ends, &slot->node, mono_after_ms(now.mono, s->config.rest_ms)); /* it was in the heap: there is room */
}

static struct slot *slot_take(struct mapping_server *s, struct now now, const struct addr *far)
{
    uint8_t key[19];
    for (unsigned i = 0; i < OPEN_ATTEMPTS_MAX && !list_empty(&s->free); i++) {
        struct slot *slot = CONTAINER_OF(list_pop(&s->free), struct slot, link);
        const struct addr inside = slot_inside(s, slot);
        if (heap_set(&s->ends, &slot->node, mono_after_ms(now.mono, s->config.timeout_ms)) < 0) {
            list_prepend(&s->free, &slot->link);
            return NULL;
        }
        if (s->port.open(s->port.ctx, &inside) < 0) {
            s->counters.not_opened++;
            slot->state = SLOT_RESTING; /* somebody else listens there: later, perhaps */
            heap_set(&s->ends, &slot->node, mono_after_ms(now.mono, s->config.rest_ms));
            continue;
        }
        slot->state = SLOT_OPEN;
        slot->far = *far;
        slot->since = now.wall;
        slot->calls = 0;
        if (map_set(&s->by_far, key_of(far, key), slot) < 0) {
            slot_end(s, now, slot);
            return NULL;
        }
        slot_log(s, slot, "mapping.made");
        s->counters.made++;
        return slot;
    }
    return NULL;
}

static void slot_keep(struct mapping_server *s, struct now now, struct slot *slot)
{
    heap_set(&s->ends, &slot->node, mono_after_ms(now.mono, s->config.timeout_ms));
}

/* ---- questions ---- */

static void refuse(struct buf *answer, uint32_t transaction, enum mapping_code code)
{
    const struct mapping_message m = {.kind = MAPPING_ERROR, .transaction = transaction, .code = (uint16_t)code};
    mapping_encode(&m, answer);
}

int mapping_server_answer(struct mapping_server *s, struct now now, struct slice message, struct buf *answer)
{
    struct mapping_message m = {0};
    uint8_t key[19];
    const int err = mapping_decode(message, &m, NULL);
    s->counters.questions++;
    if (err == ERR_UNSUPPORTED) {
        refuse(answer, m.transaction, MAPPING_UNSUPPORTED_VERSION);
        return 0;
    }
    if (err || m.kind != MAPPING_REQUEST) {
        s->counters.refused_malformed++;
        return ERR_SYNTAX;
    }
    struct slot *slot = map_get(&s->by_far, key_of(&m.far, key));
    if (slot) {
        s->counters.refreshed++;
        slot_keep(s, now, slot);
    } else if (s->port.may_call && !s->port.may_call(s->port.ctx, &m.far)) {
        s->counters.refused_far++;
        refuse(answer, m.transaction, MAPPING_FORBIDDEN);
        return 0;
    } else if (!(slot = slot_take(s, now, &m.far))) {
        char text[ADDR_TEXT_OCTETS];
        s->counters.refused_full++;
        log_event(s->log, LEVEL_WARNING, "mapping.failed", "far=%s reason=\"no inside address is free\"",
                  addr_format(&m.far, text));
        refuse(answer, m.transaction, MAPPING_OVERLOADED);
        return 0;
    }
    m.kind = MAPPING_SUCCESS;
    m.inside = slot_inside(s, slot);
    m.lifetime_s = (uint32_t)(s->config.timeout_ms / 1000);
    mapping_encode(&m, answer);
    return 0;
}

bool mapping_server_find(struct mapping_server *s, struct now now, const struct addr *inside, struct addr *ret_far)
{
    if (!addr_eq_ip(inside, &s->config.first) || inside->port < s->config.first.port ||
        inside->port >= s->config.first.port + s->config.count)
        return false;
    struct slot *slot = &s->slots[inside->port - s->config.first.port];
    if (slot->state != SLOT_OPEN)
        return false;
    slot->calls++;
    slot_keep(s, now, slot);
    *ret_far = slot->far;
    return true;
}

/* ---- time ---- */

void mapping_server_tick(struct mapping_server *s, struct now now)
{
    struct heap_node *node;
    while ((node = heap_pop_due(&s->ends, now.mono))) {
        struct slot *slot = CONTAINER_OF(node, struct slot, node);
        if (slot->state == SLOT_OPEN) {
            slot_end(s, now, slot);
        } else {
            slot->state = SLOT_FREE;
            list_append(&s->free, &slot->link);
        }
    }
}

struct mono mapping_server_deadline(const struct mapping_server *s)
{
    return heap_deadline(&s->ends);
}

void mapping_server_free(struct mapping_server *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->config.count; i++) {
        const struct addr inside = slot_inside(s, &s->slots[i]);
        if (s->slots[i].state == SLOT_OPEN)
            s->port.close(s->port.ctx, &inside);
    }
    map_fini(&s->by_far);
    heap_fini(&s->ends);
    mem_free(s->slots);
    mem_free(s);
}

/* ---- views ---- */

void mapping_server_each(const struct mapping_server *s, struct now now, mapping_each_fn *each, void *ctx)
{
    for (size_t i = 0; i < s->config.count; i++) {
        const struct slot *slot = &s->slots[i];
        if (slot->state != SLOT_OPEN)
            continue;
        const struct mapping_view view = {.far = slot->far,
                                          .inside = slot_inside(s, slot),
                                          .since = slot->since,
                                          .calls = slot->calls,
                                          .left_ms = mono_since_us(slot->node.due, now.mono) / 1000};
        each(ctx, &view);
    }
}

size_t mapping_server_count(const struct mapping_server *s)
{
    return s->by_far.n;
}

const struct mapping_server_counters *mapping_server_counters(const struct mapping_server *s)
{
    return &s->counters;
}
