/* The table of connections: by number, by where they lead, by source, by how long they have been quiet. */
#include "sip/transport_private.h"

#include "base/text.h"

#define KEY_OCTETS_MAX (24 + SIP_HOST_OCTETS_MAX + 1)

struct conn *sip_conn_find(const struct sip_net *n, uint64_t number)
{
    size_t slot = sip_conn_slot(number);
    struct conn *c = slot < n->slot_count ? n->slots[slot] : NULL;
    return c && c->hop.conn == number ? c : NULL;
}

/* Where a connection leads: transport, side, address, and the name that was verified. */
static struct slice hop_key(const struct sip_hop *hop, uint8_t key[KEY_OCTETS_MAX])
{
    size_t host_octets = strlen(hop->host);
    key[0] = (uint8_t)hop->transport;
    key[1] = (uint8_t)hop->side;
    key[2] = hop->addr.family;
    key[3] = (uint8_t)(hop->addr.port >> 8);
    key[4] = (uint8_t)hop->addr.port;
    memcpy(key + 5, hop->addr.ip, 16);
    if (hop->transport != SIP_TLS)
        host_octets = 0;
    else
        text_lower(slice_of(hop->host, host_octets), (char *)key + 21);
    return slice_of(key, 21 + host_octets);
}

struct conn *sip_conn_for(const struct sip_net *n, const struct sip_hop *hop)
{
    uint8_t key[KEY_OCTETS_MAX];
    struct conn *c = hop->conn ? sip_conn_find(n, hop->conn) : NULL;
    return c ? c : map_get(&n->by_hop, hop_key(hop, key));
}

/* IPv6 users have a /64 each, at least. */
static struct slice source_key(const struct addr *addr)
{
    return slice_of(addr->ip, addr->family == 4 ? 4 : 8);
}

size_t sip_conn_source_count(const struct sip_net *n, const struct addr *addr)
{
    return (uintptr_t)map_get(&n->sources, source_key(addr));
}

static int source_set(struct sip_net *n, const struct addr *addr, size_t count)
{
    if (count)
        return map_set(&n->sources, source_key(addr), (void *)(uintptr_t)count);
    map_remove(&n->sources, source_key(addr));
    return 0;
}

static int grow_slots(struct sip_net *n)
{
    size_t count = n->slot_count ? n->slot_count * 2 : 16;
    struct conn **slots = mem_resize(n->slots, count * sizeof *slots);
    if (!slots)
        return ERR_NO_MEMORY;
    n->slots = slots;
    uint32_t *free_slots = mem_resize(n->free_slots, count * sizeof *free_slots);
    if (!free_slots)
        return ERR_NO_MEMORY;
    n->free_slots = free_slots;
    memset(slots + n->slot_count, 0, (count - n->slot_count) * sizeof *slots);
    for (size_t i = count; i-- > n->slot_count;)
        n->free_slots[n->free_count++] = (uint32_t)i;
    n->slot_count = count;
    return 0;
}

/* Puts it into the tables; the slot is there. */
static int enter(struct sip_net *n, struct conn *c)
{
    uint8_t key[KEY_OCTETS_MAX];
    struct slice where = hop_key(&c->hop, key);
    int err = 0;
    /* An accepted TLS connection leads to whoever showed a certificate: only who knows its number may use it. */
    if ((!c->accepted || c->hop.transport == SIP_TCP) && !map_get(&n->by_hop, where))
        err = map_set(&n->by_hop, where, c);
    if (!err && c->accepted)
        err = source_set(n, &c->hop.addr, sip_conn_source_count(n, &c->hop.addr) + 1);
    if (err)
        sip_conn_hide(n, c);
    return err;
}

int sip_conn_new(struct sip_net *n, struct now now, const struct sip_hop *hop, bool accepted, bool is_known,
                 struct conn **ret_conn)
{
    struct conn *c = n->free_count || grow_slots(n) == 0 ? mem_alloc(sizeof *c) : NULL;
    if (!c) {
        n->counters.memory_refused++;
        return ERR_NO_MEMORY;
    }
    uint32_t slot = n->free_slots[n->free_count - 1];
    c->accepted = accepted;
    c->is_known = is_known;
    c->hop = *hop;
    c->hop.conn = ++n->next_serial * SIP_CONNS_MAX + slot;
    c->since = c->used = c->heard = now.mono;
    sip_framer_init(&c->framer, SIP_MESSAGE_OCTETS_MAX);
    buf_init(&c->waiting, n->config.queue_octets_max);
    int err = heap_set(&n->deadlines, &c->timer, sip_conn_due(n, c));
    if (!err)
        err = enter(n, c);
    if (err) {
        n->counters.memory_refused++;
        heap_remove(&n->deadlines, &c->timer);
        mem_free(c);
        return err;
    }
    n->free_count--;
    n->slots[slot] = c;
    n->conn_count++;
    n->stranger_count += !is_known;
    sip_conn_put(n, c);
    *ret_conn = c;
    return 0;
}

static void hide_from(struct sip_net *n, const struct conn *c, const struct sip_hop *hop)
{
    uint8_t key[KEY_OCTETS_MAX];
    struct slice where = hop_key(hop, key);
    map_remove_value(&n->by_hop, where, c);
}

void sip_conn_hide(struct sip_net *n, struct conn *c)
{
    hide_from(n, c, &c->hop);
    if (c->alias)
        hide_from(n, c, c->alias);
}

int sip_conn_lead(struct sip_net *n, struct conn *c, const struct sip_hop *hop)
{
    uint8_t key[KEY_OCTETS_MAX];
    struct slice where = hop_key(hop, key);
    return map_get(&n->by_hop, where) ? ERR_EXISTS : map_set(&n->by_hop, where, c);
}

void sip_conn_end(struct sip_net *n, struct conn *c)
{
    size_t slot = sip_conn_slot(c->hop.conn);
    sip_conn_hide(n, c);
    if (c->accepted)
        (void)source_set(n, &c->hop.addr, sip_conn_source_count(n, &c->hop.addr) - 1);
    heap_remove(&n->deadlines, &c->timer);
    n->waiting_octets -= c->waiting.n;
    n->partial_octets -= c->partial_octets;
    n->slots[slot] = NULL;
    n->free_slots[n->free_count++] = (uint32_t)slot;
    n->conn_count--;
    n->stranger_count -= !c->is_known;
    n->large_conns -= c->is_for_large;
    if (n->reading == c)
        n->reading = NULL;
    list_remove(&c->link);
    list_append(&n->dead, &c->link);
}

static void conn_free(struct conn *c)
{
    sip_framer_fini(&c->framer);
    buf_fini(&c->waiting);
    mem_free(c->peer_domains);
    mem_free(c->peer_domain);
    mem_free(c->alias);
    mem_free(c);
}

void sip_conn_free_dead(struct sip_net *n)
{
    struct list *link;
    while ((link = list_pop(&n->dead)))
        conn_free(CONTAINER_OF(link, struct conn, link));
}

void sip_conn_put(struct sip_net *n, struct conn *c)
{
    list_append(c->holds ? &n->held : &n->quiet[c->is_known], &c->link);
}

void sip_conn_use(struct sip_net *n, struct now now, struct conn *c)
{
    c->used = now.mono;
    list_remove(&c->link);
    sip_conn_put(n, c);
}

struct mono sip_conn_due(const struct sip_net *n, const struct conn *c)
{
    const struct sip_net_config *config = &n->config;
    if (c->state == CONN_OPENING)
        return mono_after_ms(c->since, c->accepted ? config->accept_ms : config->connect_ms);
    if (c->state == CONN_DRAINING)
        return mono_after_ms(c->since, CONN_DRAIN_MS);
    struct mono due = c->holds ? MONO_NEVER : mono_after_ms(c->used, config->idle_ms);
    if (c->accepted && !c->spoken)
        due = mono_min(due, mono_after_ms(c->since, config->first_ms));
    if (sip_framer_begun(&c->framer))
        due = mono_min(due, mono_after_ms(c->begun, config->message_ms));
    if ((!c->accepted || c->holds) && config->keepalive_ms)
        due = mono_min(due, mono_after_ms(c->heard, c->pinged ? config->pong_ms : config->keepalive_ms));
    return due;
}

/* Deadlines that move away are left as they are until they come: a message costs no work in the heap. */
void sip_conn_schedule(struct sip_net *n, struct conn *c)
{
    struct mono due = sip_conn_due(n, c);
    if (!heap_has(&n->deadlines, &c->timer) || due.us < c->timer.due.us)
        (void)heap_set(&n->deadlines, &c->timer, due); /* there is room: it was in the heap before */
}
