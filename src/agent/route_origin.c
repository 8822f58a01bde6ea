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

static int grow(struct agent_routes *t)
{
    uint32_t capacity = t->origin_capacity ? 2 * t->origin_capacity : 16;
    struct agent_origin **origins = mem_resize(t->origins, capacity * sizeof(struct agent_origin *));
    if (!origins)
        return ERR_NO_MEMORY;
    t->origins = origins;
    uint32_t *numbers = mem_resize(t->origins_free, capacity * sizeof *numbers);
    if (!numbers)
        return ERR_NO_MEMORY;
    t->origins_free = numbers;
    t->origin_capacity = capacity;
    return 0;
}

static int take_number(struct agent_routes *t, uint32_t *ret_number)
{
    if (t->origins_free_count) {
        *ret_number = t->origins_free[--t->origins_free_count];
        return 0;
    }
    int err = t->origins_used == t->origin_capacity ? grow(t) : 0;
    if (!err)
        *ret_number = t->origins_used++;
    return err;
}

static void give_number(struct agent_routes *t, uint32_t number)
{
    t->origins[number] = NULL;
    t->origins_free[t->origins_free_count++] = number;
}

/* One origin more or less of a domain. */
static int count_domain(struct agent_routes *t, const uint8_t *blob, int change)
{
    struct slice domain = slice_str(agent_origin_domain(blob));
    intptr_t count = (intptr_t)map_get(&t->domains, domain) + change;
    if (count)
        return map_set(&t->domains, domain, (void *)count);
    map_remove(&t->domains, domain);
    return 0;
}

static int add_origin(struct agent_routes *t, struct slice blob, uint32_t number)
{
    struct agent_origin *origin = mem_alloc(sizeof *origin + blob.n);
    if (!origin)
        return ERR_NO_MEMORY;
    int err = map_set(&t->origin_map, blob, (void *)((uintptr_t)number + 1));
    if (!err && (err = count_domain(t, blob.p, 1)) < 0)
        map_remove(&t->origin_map, blob);
    if (err) {
        mem_free(origin);
        return err;
    }
    origin->refs = 1;
    origin->octets = (uint32_t)blob.n;
    memcpy(origin->blob, blob.p, blob.n);
    t->origins[number] = origin;
    t->origin_octets += 2 * blob.n; /* the map's copy too */
    return 0;
}

int agent_origin_take(struct agent_routes *t, struct slice blob, uint32_t *ret_origin)
{
    uintptr_t known = (uintptr_t)map_get(&t->origin_map, blob);
    uint32_t number;
    if (known) {
        t->origins[known - 1]->refs++;
        *ret_origin = (uint32_t)(known - 1);
        return 0;
    }
    int err = take_number(t, &number);
    if (err)
        return err;
    err = add_origin(t, blob, number);
    if (err) {
        give_number(t, number);
        return err;
    }
    *ret_origin = number;
    return 0;
}

void agent_origin_drop(struct agent_routes *t, uint32_t number)
{
    struct agent_origin *o = t->origins[number];
    if (--o->refs)
        return;
    map_remove(&t->origin_map, agent_origin_blob(t, number));
    count_domain(t, o->blob, -1);
    t->origin_octets -= 2 * o->octets;
    give_number(t, number);
    mem_free(o);
}
