/* Origins: what all routes of a far side have in common, kept once. */
#include "agent/route_private.h"
#include "base/mem.h"

bool agent_origin_is_valid(struct slice blob)
{
    size_t texts = 0, length = 0;
    if (blob.n <= ID_OCTETS || blob.n > AGENT_ORIGIN_OCTETS_MAX || blob.p[blob.n - 1])
        return false;
    for (size_t i = ID_OCTETS; i < blob.n; i++) {
        if (blob.p[i]) {
            length++;
            continue;
        }
        if (length > (texts < 2 ? TICKET_DOMAIN_OCTETS_MAX : VALINFO_URI_OCTETS_MAX))
            return false;
        texts++;
        length = 0;
    }
    return texts > 2 && texts <= 2 + VALINFO_ROUTES_MAX;
}

struct id agent_origin_node(const uint8_t *blob)
{
    struct id node;
    memcpy(node.octets, blob, ID_OCTETS);
    return node;
}

const char *agent_origin_domain(const uint8_t *blob)
{
    return (const char *)blob + ID_OCTETS;
}

const char *agent_origin_granted_to(const uint8_t *blob)
{
    const char *domain = agent_origin_domain(blob);
    return domain + strlen(domain) + 1;
}

const char *agent_origin_uri(struct slice blob, size_t i)
{
    const char *end = (const char *)blob.p + blob.n;
    const char *uri = agent_origin_granted_to(blob.p);
    do
        uri += strlen(uri) + 1;
    while (uri < end && i-- > 0);
    return uri < end ? uri : NULL;
}

bool agent_origin_is_same(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, ID_OCTETS) == 0 && strcmp(agent_origin_domain(a), agent_origin_domain(b)) == 0;
}

/* A free place among the origins: far sides are few, their table is looked through only when there is a new one. */
static int take_place(struct agent_routes *t, uint32_t *ret_place)
{
    uint32_t place = 0;
    while (place < t->origin_slots && t->origins[place])
        place++;
    if (place == t->origin_slots) {
        uint32_t grown = t->origin_slots ? 2 * t->origin_slots : 16;
        struct agent_origin **origins = mem_resize(t->origins, grown * sizeof(struct agent_origin *));
        if (!origins)
            return ERR_NO_MEMORY;
        for (uint32_t i = t->origin_slots; i < grown; i++)
            origins[i] = NULL;
        t->origins = origins;
        t->origin_slots = grown;
    }
    *ret_place = place;
    return 0;
}

int agent_origin_take(struct agent_routes *t, struct slice blob, uint32_t *ret_origin)
{
    uintptr_t known = (uintptr_t)map_get(&t->origin_map, blob);
    uint32_t place;
    if (known) {
        t->origins[known - 1]->refs++;
        *ret_origin = (uint32_t)(known - 1);
        return 0;
    }
    int err = take_place(t, &place);
    if (err)
        return err;
    struct agent_origin *origin = mem_alloc(sizeof *origin + blob.n);
    if (!origin || map_set(&t->origin_map, blob, (void *)(uintptr_t)(place + 1)) < 0) {
        mem_free(origin);
        return ERR_NO_MEMORY;
    }
    origin->refs = 1;
    origin->octets = (uint32_t)blob.n;
    memcpy(origin->blob, blob.p, blob.n);
    t->origins[place] = origin;
    t->origin_octets += 2 * blob.n; /* the map's copy too */
    *ret_origin = place;
    return 0;
}

void agent_origin_drop(struct agent_routes *t, uint32_t origin)
{
    struct agent_origin *o = t->origins[origin];
    if (--o->refs)
        return;
    map_remove(&t->origin_map, agent_origin_blob(t, origin));
    t->origin_octets -= 2 * o->octets;
    t->origins[origin] = NULL;
    mem_free(o);
}
