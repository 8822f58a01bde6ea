/* The table of learned routes and its rows. */
#include "server/route.h"

#include "base/map.h"
#include "base/mem.h"
#include "tlv/tlv.h"

/* Attributes of a row; types of our own in the range of the optional ones, so that a later version may add some. */
enum {
    ROUTE_TLV_DOMAIN = 0x9101,
    ROUTE_TLV_DELIVERED = 0x9102,
};

#define ROUTE_KEY_OCTETS_MAX (8 + E164_OCTETS_MAX + 1 + ID_OCTETS)

struct route_table {
    struct kv kv;
    struct map routes; /* row key → struct route */
    struct list undelivered;
    size_t corrupt;
};

/* VServiceID, number, NUL, Node-ID. Returns the slice of `key` used. */
static struct slice route_key(uint64_t vservice_id, const struct e164 *number, struct id node_id,
                              uint8_t key[ROUTE_KEY_OCTETS_MAX])
{
    size_t n = 0;
    for (unsigned shift = 64; shift;)
        key[n++] = (uint8_t)(vservice_id >> (shift -= 8));
    struct slice text = e164_slice(number);
    memcpy(key + n, text.p, text.n);
    n += text.n;
    key[n++] = 0;
    memcpy(key + n, node_id.octets, ID_OCTETS);
    return slice_of(key, n + ID_OCTETS);
}

struct route *route_copy(const struct route *r)
{
    if (r->content_octets > ROUTE_CONTENT_OCTETS_MAX)
        return NULL;
    struct route *copy = mem_alloc(sizeof *copy);
    char *content = mem_alloc(r->content_octets + 1);
    if (!copy || !content) {
        mem_free(copy);
        mem_free(content);
        return NULL;
    }
    *copy = *r;
    memcpy(content, r->content, r->content_octets);
    copy->content = content;
    copy->delivery = 0;
    list_init(&copy->undelivered);
    return copy;
}

void route_free(struct route *r)
{
    if (!r)
        return;
    list_remove(&r->undelivered);
    mem_free(r->content);
    mem_free(r);
}

int route_table_write(struct route_table *t, const struct route *r)
{
    uint8_t key[ROUTE_KEY_OCTETS_MAX];
    struct buf row;
    buf_init(&row, ROUTE_CONTENT_OCTETS_MAX + 1024);
    tlv_put_time(&row, TLV_START_TIME, r->learned_at);
    tlv_put_time(&row, TLV_STOP_TIME, r->expires_at);
    tlv_put_text(&row, ROUTE_TLV_DOMAIN, r->domain);
    tlv_put_u8(&row, ROUTE_TLV_DELIVERED, r->delivered);
    tlv_put(&row, TLV_SERVICE_CONTENT, slice_of(r->content, r->content_octets));
    int err = row.err;
    if (!err)
        err = kv_put(&t->kv, KV_ROUTE, route_key(r->vservice_id, &r->number, r->node_id, key), buf_slice(&row));
    buf_fini(&row);
    return err;
}

/* Reads key and value into a route whose content still points into the row. */
static int read_row(struct slice key, struct slice value, struct route *ret_route)
{
    static const char rule[] = "row of a learned route";
    struct reader r;
    struct tlv_attr a;
    struct route route = {0};
    if (key.n < 8 + 2 + 1 + ID_OCTETS || !e164_parse(slice_of(key.p + 8, key.n - 8 - 1 - ID_OCTETS), &route.number))
        return ERR_SYNTAX;
    reader_init(&r, key);
    route.vservice_id = read_u64(&r, rule);
    memcpy(route.node_id.octets, key.p + key.n - ID_OCTETS, ID_OCTETS);

    struct slice content = {NULL, 0};
    reader_init(&r, value);
    while (tlv_next(&r, TLV_PADDING_ZERO, &a)) {
        struct slice domain;
        switch (a.type) {
        case TLV_START_TIME:
            route.learned_at = tlv_read_time(&r, &a, rule);
            break;
        case TLV_STOP_TIME:
            route.expires_at = tlv_read_time(&r, &a, rule);
            break;
        case ROUTE_TLV_DOMAIN:
            domain = tlv_read_text(&r, &a, 1, ROUTE_DOMAIN_OCTETS_MAX, rule);
            if (domain.n)
                memcpy(route.domain, domain.p, domain.n);
            break;
        case ROUTE_TLV_DELIVERED:
            route.delivered = tlv_read_u8(&r, &a, rule) != 0;
            break;
        case TLV_SERVICE_CONTENT:
            content = tlv_read_text(&r, &a, 1, ROUTE_CONTENT_OCTETS_MAX, rule);
            break;
        default:
            break;
        }
    }
    if (r.err || !content.n)
        return ERR_SYNTAX;
    route.content = (char *)(uintptr_t)content.p;
    route.content_octets = content.n;
    *ret_route = route;
    return 0;
}

static int load_row(void *arg, struct slice key, struct slice value)
{
    struct route_table *t = arg;
    struct route row;
    if (read_row(key, value, &row) < 0) {
        t->corrupt++;
        return 0;
    }
    struct route *r = route_copy(&row);
    return r ? route_table_apply(t, r) : ERR_NO_MEMORY;
}

int route_table_new(const struct kv *kv, const struct entropy *entropy, struct route_table **ret_table)
{
    struct route_table *t = mem_alloc(sizeof *t);
    if (!t)
        return ERR_NO_MEMORY;
    t->kv = *kv;
    list_init(&t->undelivered);
    map_init(&t->routes, ROUTES_MAX, entropy_u64(entropy));
    int err = kv_scan(kv, KV_ROUTE, load_row, t);
    if (err) {
        route_table_free(t);
        return err;
    }
    *ret_table = t;
    return 0;
}

void route_table_free(struct route_table *t)
{
    struct map_iter it;
    if (!t)
        return;
    map_iter_init(&it);
    while (map_iter_next(&t->routes, &it))
        route_free(it.value);
    map_fini(&t->routes);
    mem_free(t);
}

int route_table_apply(struct route_table *t, struct route *r)
{
    uint8_t octets[ROUTE_KEY_OCTETS_MAX];
    struct slice key = route_key(r->vservice_id, &r->number, r->node_id, octets);
    struct route *old = map_get(&t->routes, key);
    int err = map_set(&t->routes, key, r);
    if (!err && !r->delivered)
        list_append(&t->undelivered, &r->undelivered);
    route_free(err ? r : old);
    return err;
}

void route_table_remove(struct route_table *t, struct route *r)
{
    uint8_t octets[ROUTE_KEY_OCTETS_MAX];
    struct slice key = route_key(r->vservice_id, &r->number, r->node_id, octets);
    kv_remove(&t->kv, KV_ROUTE, key);
    map_remove(&t->routes, key);
    route_free(r);
}

size_t route_table_expire(struct route_table *t, struct wall now)
{
    struct map_iter it;
    size_t count = 0;
    map_iter_init(&it);
    while (map_iter_next(&t->routes, &it)) {
        struct route *r = it.value;
        if (r->expires_at.ms <= now.ms) {
            route_table_remove(t, r);
            count++;
        }
    }
    if (count)
        kv_commit(&t->kv, NULL, NULL);
    return count;
}

void route_table_delivered(struct route_table *t, struct route *r)
{
    if (r->delivered)
        return;
    r->delivered = true;
    list_remove(&r->undelivered);
    if (route_table_write(t, r) == 0)
        kv_commit(&t->kv, NULL, NULL);
}

struct route *route_table_find(const struct route_table *t, uint64_t vservice_id, const struct e164 *number,
                               struct id node_id)
{
    uint8_t octets[ROUTE_KEY_OCTETS_MAX];
    return map_get(&t->routes, route_key(vservice_id, number, node_id, octets));
}

int route_table_each(struct route_table *t, route_fn *fn, void *ctx)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&t->routes, &it)) {
        int result = fn(ctx, it.value);
        if (result)
            return result;
    }
    return 0;
}

int route_table_each_undelivered(struct route_table *t, route_fn *fn, void *ctx)
{
    LIST_EACH(it, &t->undelivered) {
        int result = fn(ctx, CONTAINER_OF(it, struct route, undelivered));
        if (result)
            return result;
    }
    return 0;
}

size_t route_table_count(const struct route_table *t)
{
    return t->routes.n;
}

size_t route_table_corrupt(const struct route_table *t)
{
    return t->corrupt;
}
