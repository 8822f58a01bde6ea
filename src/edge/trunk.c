/* Far domains. */
#include "edge/trunk.h"

#include "base/mem.h"
#include "base/text.h"

void edge_trunks_init(struct edge_trunks *t, size_t max, uint64_t seed)
{
    *t = (struct edge_trunks){.max = max};
    map_init(&t->by_domain, SIZE_MAX, seed);
    list_init(&t->all);
}

static void trunk_free(struct edge_trunks *t, struct edge_trunk *trunk)
{
    map_remove(&t->by_domain, slice_str(trunk->domain));
    list_remove(&trunk->link);
    mem_free(trunk);
}

void edge_trunks_fini(struct edge_trunks *t)
{
    LIST_EACH(it, &t->all)
        trunk_free(t, CONTAINER_OF(it, struct edge_trunk, link));
    map_fini(&t->by_domain);
}

/* Names come as they are written. */
static bool canonical(struct slice domain, char text[254])
{
    if (!domain.n || domain.n > 253)
        return false;
    text_lower(domain, text);
    return true;
}

struct edge_trunk *edge_trunk_find(const struct edge_trunks *t, struct slice domain)
{
    char text[254];
    return canonical(domain, text) ? map_get(&t->by_domain, slice_str(text)) : NULL;
}

static bool make_room(struct edge_trunks *t)
{
    if (t->by_domain.n < t->max)
        return true;
    LIST_EACH(it, &t->all) {
        struct edge_trunk *trunk = CONTAINER_OF(it, struct edge_trunk, link);
        if (!trunk->uses) {
            trunk_free(t, trunk);
            return true;
        }
    }
    return false;
}

struct edge_trunk *edge_trunk_of(struct edge_trunks *t, struct now now, struct slice domain)
{
    char text[254];
    if (!canonical(domain, text))
        return NULL;
    struct edge_trunk *trunk = map_get(&t->by_domain, slice_str(text));
    if (trunk)
        return trunk;
    trunk = make_room(t) ? mem_alloc(sizeof *trunk) : NULL;
    if (!trunk)
        return NULL;
    memcpy(trunk->domain, text, sizeof text);
    trunk->since = now.wall;
    trunk->used = now.mono;
    trunk->used_at = now.wall;
    list_append(&t->all, &trunk->link);
    if (map_set(&t->by_domain, slice_str(text), trunk) < 0) {
        trunk_free(t, trunk);
        return NULL;
    }
    return trunk;
}

void edge_trunk_used(struct edge_trunks *t, struct edge_trunk *trunk, struct now now, const struct addr *peer,
                     uint64_t conn)
{
    trunk->used = now.mono;
    trunk->used_at = now.wall;
    if (t->all.prev != &trunk->link) {
        list_remove(&trunk->link);
        list_append(&t->all, &trunk->link);
    }
    if (!conn)
        return;
    trunk->peer = *peer;
    for (size_t i = 0; i < trunk->conn_count; i++) {
        if (trunk->conns[i] == conn)
            return;
    }
    if (trunk->conn_count == EDGE_TRUNK_CONNS_MAX)
        memmove(trunk->conns, trunk->conns + 1, --trunk->conn_count * sizeof trunk->conns[0]);
    trunk->conns[trunk->conn_count++] = conn;
}

void edge_trunk_lost(struct edge_trunks *t, uint64_t conn)
{
    LIST_EACH(it, &t->all) {
        struct edge_trunk *trunk = CONTAINER_OF(it, struct edge_trunk, link);
        for (size_t i = 0; i < trunk->conn_count; i++) {
            if (trunk->conns[i] == conn) {
                trunk->conns[i] = trunk->conns[--trunk->conn_count];
                return;
            }
        }
    }
}

bool edge_trunk_asks(struct edge_trunk *trunk, struct now now, unsigned max)
{
    if (mono_due(trunk->second, now.mono)) {
        trunk->second = mono_after_ms(now.mono, 1000);
        trunk->asked = 0;
    }
    return trunk->asked++ < max;
}

bool edge_trunk_expire(struct edge_trunks *t, struct now now, int64_t idle_ms, uint64_t ret_conns[EDGE_TRUNK_CONNS_MAX],
                       size_t *ret_count)
{
    LIST_EACH(it, &t->all) {
        struct edge_trunk *trunk = CONTAINER_OF(it, struct edge_trunk, link);
        if (mono_since_us(now.mono, trunk->used) < idle_ms * 1000)
            return false; /* those behind it were used later */
        if (trunk->uses)
            continue;
        memcpy(ret_conns, trunk->conns, trunk->conn_count * sizeof trunk->conns[0]);
        *ret_count = trunk->conn_count;
        trunk_free(t, trunk);
        return true;
    }
    return false;
}
