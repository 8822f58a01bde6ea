/* Announced peers, found by address, bounded by Node-ID. */
#include "pvp/announce.h"

#include "base/mem.h"

struct announcer {
    struct id node_id;
    struct list announcements; /* the oldest first */
    size_t n;
};

struct place {
    struct addr ip; /* without port */
    struct list announcements;
};

struct announcement {
    struct list in_announcer;
    struct list in_place;
    struct list in_age;
    struct announcer *announcer;
    struct place *place;
    struct mono expires;
};

static struct addr without_port(const struct addr *a)
{
    struct addr ip = *a;
    ip.port = 0;
    return ip;
}

/* Family and address: struct addr has padding. */
struct ip_key {
    uint8_t octets[17];
};

static struct slice ip_key(const struct addr *a, struct ip_key *key)
{
    key->octets[0] = a->family;
    memcpy(key->octets + 1, a->ip, sizeof a->ip);
    return slice_of(key->octets, sizeof key->octets);
}

void pvp_announcements_init(struct pvp_announcements *a, size_t max, uint64_t hash_seed)
{
    *a = (struct pvp_announcements){.max = max ? max : 1};
    map_init(&a->nodes, a->max, hash_seed);
    map_init(&a->addresses, a->max, hash_seed);
    list_init(&a->by_age);
}

static void drop_announcer_if_empty(struct pvp_announcements *a, struct announcer *who)
{
    if (who->n)
        return;
    map_remove(&a->nodes, id_slice(&who->node_id));
    mem_free(who);
}

static void drop_place_if_empty(struct pvp_announcements *a, struct place *place)
{
    struct ip_key key;
    if (!list_empty(&place->announcements))
        return;
    map_remove(&a->addresses, ip_key(&place->ip, &key));
    mem_free(place);
}

static void drop(struct pvp_announcements *a, struct announcement *an)
{
    list_remove(&an->in_announcer);
    list_remove(&an->in_place);
    list_remove(&an->in_age);
    an->announcer->n--;
    a->n--;
    drop_announcer_if_empty(a, an->announcer);
    drop_place_if_empty(a, an->place);
    mem_free(an);
}

void pvp_announcements_fini(struct pvp_announcements *a)
{
    while (!list_empty(&a->by_age))
        drop(a, CONTAINER_OF(a->by_age.next, struct announcement, in_age));
    map_fini(&a->nodes);
    map_fini(&a->addresses);
}

static struct announcer *hold_announcer(struct pvp_announcements *a, const struct id *node_id)
{
    struct announcer *who = map_get(&a->nodes, id_slice(node_id));
    if (who)
        return who;
    who = mem_alloc(sizeof *who);
    if (!who)
        return NULL;
    who->node_id = *node_id;
    list_init(&who->announcements);
    if (map_set(&a->nodes, id_slice(node_id), who) < 0) {
        mem_free(who);
        return NULL;
    }
    return who;
}

static struct place *hold_place(struct pvp_announcements *a, const struct addr *source)
{
    struct ip_key key;
    struct place *place = map_get(&a->addresses, ip_key(source, &key));
    if (place)
        return place;
    place = mem_alloc(sizeof *place);
    if (!place)
        return NULL;
    place->ip = without_port(source);
    list_init(&place->announcements);
    if (map_set(&a->addresses, ip_key(source, &key), place) < 0) {
        mem_free(place);
        return NULL;
    }
    return place;
}

static struct announcement *find(const struct announcer *who, const struct place *place)
{
    LIST_EACH(at, &who->announcements) {
        struct announcement *an = CONTAINER_OF(at, struct announcement, in_announcer);
        if (an->place == place)
            return an;
    }
    return NULL;
}

static void set_age(struct pvp_announcements *a, struct announcement *an, struct mono expires)
{
    an->expires = expires;
    list_remove(&an->in_age);
    list_append(&a->by_age, &an->in_age);
    list_remove(&an->in_announcer);
    list_append(&an->announcer->announcements, &an->in_announcer);
}

int pvp_announcements_add(struct pvp_announcements *a, const struct id *node_id, const struct addr *source,
                          struct mono expires)
{
    /* Room first, so that nothing that is held below goes away. */
    const struct announcer *known = map_get(&a->nodes, id_slice(node_id));
    if (known && known->n >= PVP_ADDRESSES_PER_NODE) {
        struct ip_key key;
        const struct place *same = map_get(&a->addresses, ip_key(source, &key));
        if (!same || !find(known, same))
            drop(a, CONTAINER_OF(known->announcements.next, struct announcement, in_announcer));
    } else if (a->n >= a->max) {
        drop(a, CONTAINER_OF(a->by_age.next, struct announcement, in_age));
        a->evicted++;
    }
    struct announcer *who = hold_announcer(a, node_id);
    struct place *place = who ? hold_place(a, source) : NULL;
    struct announcement *an = place ? find(who, place) : NULL;
    if (place && !an && (an = mem_alloc(sizeof *an))) {
        an->announcer = who;
        an->place = place;
        list_init(&an->in_age);
        list_init(&an->in_announcer);
        list_append(&place->announcements, &an->in_place);
        who->n++;
        a->n++;
    }
    if (an) {
        set_age(a, an, expires);
        return 0;
    }
    if (place)
        drop_place_if_empty(a, place);
    if (who)
        drop_announcer_if_empty(a, who);
    return ERR_NO_MEMORY;
}

size_t pvp_announcements_of(const struct pvp_announcements *a, const struct addr *source, struct mono now,
                            struct id ret_nodes[PVP_NODES_PER_ADDRESS])
{
    struct ip_key key;
    size_t n = 0;
    const struct place *place = map_get(&a->addresses, ip_key(source, &key));
    if (!place)
        return 0;
    LIST_EACH(at, &place->announcements) {
        const struct announcement *an = CONTAINER_OF(at, struct announcement, in_place);
        if (n < PVP_NODES_PER_ADDRESS && !mono_due(an->expires, now))
            ret_nodes[n++] = an->announcer->node_id;
    }
    return n;
}

struct mono pvp_announcements_deadline(const struct pvp_announcements *a)
{
    return list_empty(&a->by_age) ? MONO_NEVER : CONTAINER_OF(a->by_age.next, struct announcement, in_age)->expires;
}

void pvp_announcements_expire(struct pvp_announcements *a, struct mono now)
{
    while (mono_due(pvp_announcements_deadline(a), now))
        drop(a, CONTAINER_OF(a->by_age.next, struct announcement, in_age));
}
