/* The table of routes in memory: slots, chains, the order in which ways are tried, ageing. */
#include "agent/route_private.h"
#include "base/mem.h"
#include "base/text.h"

COUNTERS_DEFINE(agent_route_counters, AGENT_ROUTE_COUNTERS)

#define YEAR_MS (INT64_C(365) * 86400000)
#define SWEEP_SLOTS 2048          /* looked at in one turn */
#define SWEEP_MS INT64_C(3600000) /* for all of them */
#define SWEEP_PAUSE_MS 50         /* at least, between turns */
#define QUERY_NUMBERS_MAX 20000   /* looked at by one query */
#define WAYS_MAX (AGENT_ROUTES_PER_NUMBER_MAX * VALINFO_ROUTES_MAX)

void agent_routes_config_init(struct agent_routes_config *config)
{
    *config = (struct agent_routes_config){
        .routes_max = 10000000,
        .lifetime_ms = YEAR_MS,
        .retry_ms = 300000,
        .ticket_retry_ms = 86400000,
    };
}

const char *agent_route_end_name(enum agent_route_end end)
{
    static const char *const names[] = {"expired", "unreachable", "deleted", "replaced"};
    return names[end];
}

/* ---- slots ---- */

static int take_slot(struct agent_routes *t, uint32_t *ret_slot)
{
    if (t->free) {
        *ret_slot = t->free;
        t->free = agent_slot_at(t, t->free)->next;
        return 0;
    }
    size_t chunk = t->slots / SLOTS_PER_CHUNK;
    if (t->slots % SLOTS_PER_CHUNK == 0) {
        struct agent_slot **chunks = mem_resize(t->chunks, (chunk + 1) * sizeof(struct agent_slot *));
        if (!chunks)
            return ERR_NO_MEMORY;
        t->chunks = chunks;
        chunks[chunk] = mem_alloc(SLOTS_PER_CHUNK * sizeof(struct agent_slot));
        if (!chunks[chunk])
            return ERR_NO_MEMORY;
    }
    *ret_slot = ++t->slots;
    return 0;
}

static void give_slot(struct agent_routes *t, uint32_t n)
{
    struct agent_slot *slot = agent_slot_at(t, n);
    *slot = (struct agent_slot){.next = t->free};
    t->free = n;
}

/* Frees a ticket that is kept whole. */
static void free_text(struct agent_routes *t, struct agent_slot *slot)
{
    if (!(slot->flags & ROUTE_TICKET_TEXT))
        return;
    t->text_octets -= strlen(slot->text) + 1;
    mem_free(slot->text);
}

uint32_t agent_routes_slot(const struct agent_routes *t, uint64_t key, const uint8_t *blob)
{
    const uint32_t *first = agent_index_get(&t->index, key);
    uint32_t n = first ? *first : 0;
    while (n && !agent_origin_is_same(t->origins[agent_slot_at(t, n)->origin]->blob, blob))
        n = agent_slot_at(t, n)->next;
    return n;
}

static int add_slot(struct agent_routes *t, uint64_t key, uint32_t *ret_slot)
{
    uint32_t n;
    int err = take_slot(t, &n);
    if (err)
        return err;
    uint32_t *first = agent_index_put(&t->index, key);
    if (!first) {
        give_slot(t, n);
        return ERR_NO_MEMORY;
    }
    *agent_slot_at(t, n) = (struct agent_slot){.key = key, .next = *first};
    *first = n;
    t->count++;
    *ret_slot = n;
    return 0;
}

/* Puts a loose slot's route into the table, or in the place of the one that it renews. Takes its text over, also when it fails. */
int agent_routes_apply(struct agent_routes *t, const struct agent_slot *loose, struct slice blob)
{
    uint32_t n = agent_routes_slot(t, loose->key, blob.p);
    uint32_t origin;
    bool renewed = n != 0;
    int err = agent_origin_take(t, blob, &origin);
    if (!err && !renewed) {
        err = add_slot(t, loose->key, &n);
        if (err)
            agent_origin_drop(t, origin);
    }
    if (err) {
        if (loose->flags & ROUTE_TICKET_TEXT)
            mem_free(loose->text);
        return err;
    }
    struct agent_slot *slot = agent_slot_at(t, n);
    if (renewed) {
        agent_origin_drop(t, slot->origin);
        free_text(t, slot);
    }
    uint32_t next = slot->next;
    *slot = *loose;
    slot->next = next;
    slot->origin = origin;
    if (slot->flags & ROUTE_TICKET_TEXT)
        t->text_octets += strlen(slot->text) + 1;
    return 0;
}

void agent_routes_drop(struct agent_routes *t, uint32_t n)
{
    struct agent_slot *slot = agent_slot_at(t, n);
    uint32_t *at = agent_index_get(&t->index, slot->key);
    if (*at == n && !slot->next) {
        agent_index_remove(&t->index, slot->key);
    } else {
        while (*at != n)
            at = &agent_slot_at(t, *at)->next;
        *at = slot->next;
    }
    agent_origin_drop(t, slot->origin);
    free_text(t, slot);
    give_slot(t, n);
    t->count--;
}

/* ---- life ---- */

static int load_row(void *arg, struct slice key, struct slice value)
{
    struct agent_routes *t = arg;
    struct agent_slot slot;
    struct slice blob;
    int err = agent_route_row_decode(key, value, &slot, &blob);
    if (err == ERR_SYNTAX) {
        t->counters.corrupt_rows++;
        return 0;
    }
    return err ? err : agent_routes_apply(t, &slot, blob);
}

int agent_routes_new(const struct agent_routes_config *config, const struct kv *kv, const struct entropy *entropy,
                     const struct agent_route_watch *watch, struct agent_routes **ret_routes)
{
    struct agent_routes *t = mem_alloc(sizeof *t);
    if (!t)
        return ERR_NO_MEMORY;
    t->config = *config;
    t->kv = kv;
    if (watch)
        t->watch = *watch;
    list_init(&t->changes);
    agent_index_init(&t->index);
    map_init(&t->origin_map, AGENT_ROUTES_MAX, entropy_u64(entropy));
    map_init(&t->domains, AGENT_ROUTES_MAX, entropy_u64(entropy));
    int err = kv_scan(kv, KV_AGENT_ROUTE, load_row, t);
    if (err) {
        agent_routes_free(t);
        return err;
    }
    *ret_routes = t;
    return 0;
}

void agent_routes_free(struct agent_routes *t)
{
    if (!t)
        return;
    agent_routes_free_changes(t);
    for (uint32_t n = 1; t->count && n <= t->slots; n++) {
        struct agent_slot *slot = agent_slot_at(t, n);
        if (slot->key)
            free_text(t, slot);
    }
    for (size_t i = 0; i * SLOTS_PER_CHUNK < t->slots; i++)
        mem_free(t->chunks[i]);
    mem_free(t->chunks);
    for (uint32_t i = 0; i < t->origins_used; i++)
        mem_free(t->origins[i]);
    mem_free(t->origins);
    mem_free(t->origins_free);
    map_fini(&t->origin_map);
    map_fini(&t->domains);
    agent_index_fini(&t->index);
    mem_free(t);
}

/* ---- ways to a number ---- */

/* One URI of one route. */
struct way {
    const struct agent_slot *slot;
    const char *uri;
    bool behind;    /* it failed lately */
    uint32_t order; /* the smaller, the earlier */
};

struct ways {
    size_t n;
    struct way at[WAYS_MAX];
};

static bool is_behind(const struct agent_routes *t, const struct agent_slot *slot, size_t uri, struct now now)
{
    int64_t pause = slot->flags & ROUTE_TICKET_REFUSED ? t->config.ticket_retry_ms : t->config.retry_ms;
    return slot->failed_uris & 1u << uri && now.wall.ms < agent_route_wall(slot->failed_s).ms + pause;
}

/* Equal ones stay in the order in which they come. */
static void insert_way(struct ways *ways, struct way way)
{
    size_t place = ways->n++;
    while (place > 0 && (way.behind < ways->at[place - 1].behind ||
                         (way.behind == ways->at[place - 1].behind && way.order < ways->at[place - 1].order))) {
        ways->at[place] = ways->at[place - 1];
        place--;
    }
    ways->at[place] = way;
}

/* The ways to a number in the order in which they are tried; all: also those that are disabled or have ended. */
static void collect(const struct agent_routes *t, struct now now, const struct e164 *number, bool all,
                    struct ways *ret_ways)
{
    const uint32_t *first = agent_index_get(&t->index, agent_number_key(e164_slice(number)));
    ret_ways->n = 0;
    for (uint32_t n = first ? *first : 0; n; n = agent_slot_at(t, n)->next) {
        const struct agent_slot *slot = agent_slot_at(t, n);
        struct slice blob = agent_origin_blob(t, slot->origin);
        const char *uri;
        if (!all && (slot->flags & ROUTE_DISABLED || agent_route_wall(slot->expires_s).ms <= now.wall.ms))
            continue;
        for (size_t i = 0; (uri = agent_origin_uri(blob, i)) && ret_ways->n < WAYS_MAX; i++) {
            bool behind = is_behind(t, slot, i, now);
            insert_way(ret_ways,
                       (struct way){slot, uri, behind, behind ? slot->failed_s : UINT32_MAX - slot->learned_s});
        }
    }
}

/* False without memory for the ticket. */
bool agent_route_fill(const struct agent_routes *t, const struct agent_slot *slot, const char *uri, bool with_ticket,
                      struct agent_route *ret_route)
{
    struct slice blob = agent_origin_blob(t, slot->origin);
    ret_route->number = agent_number_of_key(slot->key);
    ret_route->node = agent_origin_node(blob.p);
    strcpy(ret_route->domain, agent_origin_domain(blob.p));
    strcpy(ret_route->uri, uri);
    ret_route->learned_at = agent_route_wall(slot->learned_s);
    ret_route->expires_at = agent_route_wall(slot->expires_s);
    ret_route->failed_at = agent_route_wall(slot->failed_s);
    ret_route->enabled = !(slot->flags & ROUTE_DISABLED);
    ret_route->ticket[0] = 0;
    if (!with_ticket)
        return true;
    if (slot->flags & ROUTE_TICKET_TEXT) {
        strcpy(ret_route->ticket, slot->text);
        return true;
    }
    struct ticket ticket;
    struct buf text;
    buf_init(&text, TICKET_TEXT_OCTETS_MAX);
    agent_slot_get_ticket(slot, blob.p, &ticket);
    bool good = ticket_format(&ticket, &text) == 0;
    if (good)
        strcpy(ret_route->ticket, buf_text(&text));
    buf_fini(&text);
    return good;
}

bool agent_routes_find(const struct agent_routes *t, struct now now, const struct e164 *number,
                       struct agent_route_list *ret_list)
{
    struct ways ways;
    collect(t, now, number, false, &ways);
    ret_list->n = 0;
    for (size_t i = 0; i < ways.n && ret_list->n < AGENT_ROUTE_TRIES_MAX; i++)
        if (agent_route_fill(t, ways.at[i].slot, ways.at[i].uri, true, &ret_list->routes[ret_list->n]))
            ret_list->n++;
    return ret_list->n > 0;
}

size_t agent_routes_show(const struct agent_routes *t, struct now now, const struct e164 *number,
                         agent_route_row_fn *row, void *ctx)
{
    struct ways ways;
    struct agent_route route;
    collect(t, now, number, true, &ways);
    for (size_t i = 0; i < ways.n; i++) {
        agent_route_fill(t, ways.at[i].slot, ways.at[i].uri, false, &route);
        row(ctx, &route);
    }
    return ways.n;
}

/* ---- how calls went ---- */

/* The slot of a route that a call was given, and the place of its URI. */
static bool find_used(const struct agent_routes *t, const struct agent_route *route, uint32_t *ret_slot,
                      size_t *ret_uri)
{
    const uint32_t *first = agent_index_get(&t->index, agent_number_key(e164_slice(&route->number)));
    for (uint32_t n = first ? *first : 0; n; n = agent_slot_at(t, n)->next) {
        struct slice blob = agent_origin_blob(t, agent_slot_at(t, n)->origin);
        const char *uri;
        if (!id_eq(agent_origin_node(blob.p), route->node) || strcmp(agent_origin_domain(blob.p), route->domain) != 0)
            continue;
        for (size_t i = 0; (uri = agent_origin_uri(blob, i)); i++) {
            if (strcmp(uri, route->uri) == 0) {
                *ret_slot = n;
                *ret_uri = i;
                return true;
            }
        }
    }
    return false;
}

void agent_routes_failed(struct agent_routes *t, struct now now, const struct agent_route *route,
                         enum agent_cause cause)
{
    uint32_t n;
    size_t uri;
    if (!find_used(t, route, &n, &uri))
        return;
    struct agent_slot *slot = agent_slot_at(t, n);
    t->now = now;
    bool all = agent_cause_is_gone(cause) || agent_cause_is_ticket(cause);
    t->counters.failures++;
    slot->failed_s = agent_route_seconds(now.wall);
    slot->failed_uris |= (uint16_t)(all ? UINT16_MAX : 1u << uri);
    if (agent_cause_is_ticket(cause))
        slot->flags |= ROUTE_TICKET_REFUSED;
    if (agent_cause_is_gone(cause))
        agent_routes_remove(t, &n, 1, AGENT_ROUTE_GONE, NULL, NULL);
}

void agent_routes_succeeded(struct agent_routes *t, const struct agent_route *route)
{
    uint32_t n;
    size_t uri;
    if (!find_used(t, route, &n, &uri))
        return;
    struct agent_slot *slot = agent_slot_at(t, n);
    t->counters.successes++;
    slot->failed_uris &= (uint16_t) ~(slot->flags & ROUTE_TICKET_REFUSED ? UINT16_MAX : 1u << uri);
    slot->flags &= (uint8_t)~ROUTE_TICKET_REFUSED;
    if (!slot->failed_uris)
        slot->failed_s = 0;
}

/* ---- ageing ---- */

void agent_routes_tick(struct agent_routes *t, struct now now)
{
    t->now = now;
    if (!mono_due(t->sweep_at, now.mono))
        return;
    for (unsigned i = 0; i < SWEEP_SLOTS && i < t->slots; i++) {
        t->sweep = t->sweep >= t->slots ? 1 : t->sweep + 1;
        uint32_t n = t->sweep;
        const struct agent_slot *slot = agent_slot_at(t, n);
        if (slot->key && agent_route_wall(slot->expires_s).ms <= now.wall.ms)
            agent_routes_remove(t, &n, 1, AGENT_ROUTE_EXPIRED, NULL, NULL);
    }
    int64_t turns = 1 + t->slots / SWEEP_SLOTS;
    int64_t pause = SWEEP_MS / turns;
    t->sweep_at = mono_after_ms(now.mono, pause > SWEEP_PAUSE_MS ? pause : SWEEP_PAUSE_MS);
}

struct mono agent_routes_deadline(const struct agent_routes *t)
{
    return t->slots ? t->sweep_at : MONO_NEVER;
}

/* ---- lists ---- */

/* One row per URI of every route of the number that is wanted. */
static size_t list_number(const struct agent_routes *t, uint32_t first, const struct agent_route_query *query,
                          agent_route_row_fn *row, void *ctx)
{
    size_t rows = 0;
    for (uint32_t n = first; n; n = agent_slot_at(t, n)->next) {
        const struct agent_slot *slot = agent_slot_at(t, n);
        struct slice blob = agent_origin_blob(t, slot->origin);
        struct agent_route route;
        const char *uri;
        if (query->domain.n && !text_equal_nocase(slice_str(agent_origin_domain(blob.p)), query->domain))
            continue;
        for (size_t i = 0; (uri = agent_origin_uri(blob, i)); i++) {
            if (agent_route_fill(t, slot, uri, query->tickets, &route)) {
                row(ctx, &route);
                rows++;
            }
        }
    }
    return rows;
}

bool agent_routes_list(const struct agent_routes *t, const struct agent_route_query *query, agent_route_row_fn *row,
                       void *ctx, struct e164 *ret_after)
{
    uint64_t prefix = agent_number_key(query->prefix);
    uint64_t after = agent_number_key(e164_slice(&query->after));
    uint64_t end = prefix ? agent_number_key_end(prefix) : UINT64_MAX;
    uint64_t from = after && after >= prefix ? after + 1 : prefix;
    uint64_t key, last = 0;
    uint32_t first;
    size_t rows = 0;
    for (size_t i = 0; agent_index_seek(&t->index, from, &key, &first) && key < end; i++) {
        if (i == QUERY_NUMBERS_MAX || rows >= query->limit) {
            *ret_after = agent_number_of_key(last);
            return true;
        }
        rows += list_number(t, first, query, row, ctx);
        last = key;
        from = key + 1;
    }
    return false;
}

/* ---- views ---- */

bool agent_routes_knows(const struct agent_routes *t, const struct e164 *number)
{
    return agent_index_get(&t->index, agent_number_key(e164_slice(number))) != NULL;
}

size_t agent_routes_count(const struct agent_routes *t)
{
    return t->count;
}

size_t agent_routes_numbers(const struct agent_routes *t)
{
    return t->index.n;
}

size_t agent_routes_domains(const struct agent_routes *t)
{
    return t->domains.n;
}

size_t agent_routes_octets(const struct agent_routes *t)
{
    size_t chunks = (t->slots + SLOTS_PER_CHUNK - 1) / SLOTS_PER_CHUNK;
    return chunks * (SLOTS_PER_CHUNK * sizeof(struct agent_slot) + sizeof(struct agent_slot *)) + t->index.octets +
           t->text_octets + t->origin_octets;
}

const struct agent_route_counters *agent_routes_counters(const struct agent_routes *t)
{
    return &t->counters;
}
