/* The simulated world's facts, in arrays with maps beside them. */
#include "truth.h"

#include "agent.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "crypt/digest.h"

#include <inttypes.h>
#include <stdio.h>

#define ENTRIES_MAX 4000000
#define ARGON2_OUTPUT_OCTETS 48 /* the Resource-ID is the last 16 of them */
#define SALT_OCTETS_MIN 8

const char *sim_truth_key(struct id node, uint64_t vservice, char text[SIM_KEY_OCTETS_MAX + 1])
{
    char hex[ID_HEX_OCTETS];
    snprintf(text, SIM_KEY_OCTETS_MAX + 1, "%s+%016" PRIx64, id_format(node, hex), vservice);
    return text;
}

/* The key of a map of calls, without gaps of unknown content. */
struct call_key {
    struct e164 number;
    uint32_t caller;
    uint32_t taker;
};

static struct call_key call_key(const struct e164 *number, uint32_t caller, uint32_t taker)
{
    struct call_key key;
    memset(&key, 0, sizeof key);
    snprintf(key.number.text, sizeof key.number.text, "%s", number->text);
    key.caller = caller;
    key.taker = taker;
    return key;
}

/* Pointers in the order in which they came. */
struct order {
    void **items;
    size_t n;
    size_t capacity;
};

static int order_add(struct order *order, void *item)
{
    if (order->n == order->capacity) {
        size_t capacity = order->capacity ? 2 * order->capacity : 64;
        void **items = mem_resize(order->items, capacity * sizeof *items);
        if (!items)
            return ERR_NO_MEMORY;
        order->items = items;
        order->capacity = capacity;
    }
    order->items[order->n++] = item;
    return 0;
}

struct sim_truth {
    struct buf overlay;
    enum config_number_hash hash;
    struct argon2_cost cost;
    struct map nodes;        /* Node-ID → struct sim_truth_node */
    struct map calls;        /* struct call_key → struct sim_truth_call */
    struct map publications; /* number, Node-ID → struct sim_publication */
    struct order call_order;
    struct order publication_order;
};

/* ---- making it ---- */

int sim_truth_new(struct sim_truth **ret_truth)
{
    struct sim_truth *truth = mem_alloc(sizeof *truth);
    if (!truth)
        return ERR_NO_MEMORY;
    buf_init(&truth->overlay, 256);
    map_init(&truth->nodes, ENTRIES_MAX, 1);
    map_init(&truth->calls, ENTRIES_MAX, 3);
    map_init(&truth->publications, ENTRIES_MAX, 4);
    *ret_truth = truth;
    return 0;
}

static void free_all(struct map *map)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(map, &it))
        mem_free(it.value);
    map_fini(map);
}

void sim_truth_free(struct sim_truth *truth)
{
    if (!truth)
        return;
    buf_fini(&truth->overlay);
    free_all(&truth->nodes);
    free_all(&truth->calls);
    free_all(&truth->publications);
    mem_free(truth->call_order.items);
    mem_free(truth->publication_order.items);
    mem_free(truth);
}

int sim_truth_profile(struct sim_truth *truth, struct slice overlay, enum config_number_hash hash,
                      struct argon2_cost cost)
{
    buf_clear(&truth->overlay);
    buf_slice_put(&truth->overlay, overlay);
    truth->hash = hash;
    truth->cost = cost;
    return truth->overlay.err;
}

/* The entry under this key, made if need be. NULL: no memory. */
static void *entry(struct map *map, struct slice key, size_t octets)
{
    void *found = map_get(map, key);
    if (found)
        return found;
    found = mem_alloc(octets);
    if (found && map_set(map, key, found) != 0) {
        mem_free(found);
        found = NULL;
    }
    return found;
}

int sim_truth_node(struct sim_truth *truth, struct id id, uint32_t company, bool honest)
{
    bool known = map_get(&truth->nodes, id_slice(&id)) != NULL;
    struct sim_truth_node *node = entry(&truth->nodes, id_slice(&id), sizeof *node);
    if (!node)
        return ERR_NO_MEMORY;
    node->id = id;
    node->company = company;
    node->honest = honest && (!known || node->honest);
    return 0;
}

int sim_truth_called(struct sim_truth *truth, const struct e164 *number, uint32_t caller, uint32_t taker,
                     int64_t now_us)
{
    struct call_key at = call_key(number, caller, taker);
    struct slice key = slice_of(&at, sizeof at);
    struct sim_truth_call *call = map_get(&truth->calls, key);
    if (!call) {
        call = entry(&truth->calls, key, sizeof *call);
        if (!call || order_add(&truth->call_order, call) != 0)
            return ERR_NO_MEMORY;
        *call = (struct sim_truth_call){.number = at.number, .caller = caller, .taker = taker};
    }
    call->times++;
    call->last_us = now_us;
    return 0;
}

void sim_truth_learned(struct sim_truth *truth, const struct e164 *number, uint32_t caller, uint32_t taker)
{
    struct call_key at = call_key(number, caller, taker);
    struct sim_truth_call *call = map_get(&truth->calls, slice_of(&at, sizeof at));
    if (call)
        call->learned = true;
}

size_t sim_truth_calls(const struct sim_truth *truth)
{
    return truth->call_order.n;
}

const struct sim_truth_call *sim_truth_call(const struct sim_truth *truth, size_t index)
{
    return truth->call_order.items[index];
}

/* ---- publications ---- */

struct publication_key {
    struct id node;
    struct e164 number;
};

static struct publication_key publication_key(const struct e164 *number, struct id node)
{
    struct publication_key key;
    memset(&key, 0, sizeof key);
    key.node = node;
    snprintf(key.number.text, sizeof key.number.text, "%s", number->text);
    return key;
}

int sim_truth_published(struct sim_truth *truth, const struct e164 *number, struct id node, int64_t now_us,
                        int64_t until_us)
{
    struct publication_key at = publication_key(number, node);
    struct slice key = slice_of(&at, sizeof at);
    const struct sim_truth_node *known = sim_truth_find(truth, node);
    struct sim_publication *publication = map_get(&truth->publications, key);
    if (!publication) {
        publication = entry(&truth->publications, key, sizeof *publication);
        if (!publication || order_add(&truth->publication_order, publication) != 0)
            return ERR_NO_MEMORY;
    }
    *publication = (struct sim_publication){
        .number = at.number,
        .node = node,
        .company = known ? known->company : UINT32_MAX,
        .acknowledged_us = now_us,
        .until_us = until_us,
    };
    return 0;
}

void sim_truth_refreshed(struct sim_truth *truth, const struct e164 *number, struct id node, int64_t until_us)
{
    struct sim_publication *publication = sim_truth_find_publication(truth, number, node);
    if (publication)
        publication->until_us = until_us;
}

void sim_truth_forgotten(struct sim_truth *truth, const struct e164 *number, struct id node, int64_t now_us)
{
    struct sim_publication *publication = sim_truth_find_publication(truth, number, node);
    if (publication && !publication->forgotten_us)
        publication->forgotten_us = now_us;
}

void sim_truth_withdrawn(struct sim_truth *truth, struct id node)
{
    struct order *order = &truth->publication_order;
    size_t kept = 0;
    for (size_t i = 0; i < order->n; i++) {
        struct sim_publication *publication = order->items[i];
        if (!id_eq(publication->node, node)) {
            order->items[kept++] = publication;
            continue;
        }
        struct publication_key at = publication_key(&publication->number, node);
        mem_free(map_remove(&truth->publications, slice_of(&at, sizeof at)));
    }
    order->n = kept;
}

size_t sim_truth_publications(const struct sim_truth *truth)
{
    return truth->publication_order.n;
}

struct sim_publication *sim_truth_publication(struct sim_truth *truth, size_t index)
{
    return truth->publication_order.items[index];
}

struct sim_publication *sim_truth_find_publication(struct sim_truth *truth, const struct e164 *number, struct id node)
{
    struct publication_key at = publication_key(number, node);
    return map_get(&truth->publications, slice_of(&at, sizeof at));
}

/* ---- nodes ---- */

const struct sim_truth_node *sim_truth_find(const struct sim_truth *truth, struct id id)
{
    return map_get(&truth->nodes, id_slice(&id));
}

void sim_truth_banned(struct sim_truth *truth, struct id id, bool banned)
{
    struct sim_truth_node *node = map_get(&truth->nodes, id_slice(&id));
    if (node)
        node->banned = banned;
}

void sim_truth_lost(struct sim_truth *truth, struct id id)
{
    struct sim_truth_node *node = map_get(&truth->nodes, id_slice(&id));
    if (node)
        node->lost = true;
}

/* ---- asking ---- */

const char *sim_truth_refutes(const struct sim_truth *truth, uint32_t learner, const struct e164 *number,
                              const char *domain)
{
    uint32_t owner, k, company;
    if (!sim_number_owner(number, &owner, &k))
        return "nobody has this number";
    if (!sim_domain_owner(domain, &company))
        return "nobody has this domain";
    struct call_key call = call_key(number, learner, company);
    if (map_get(&truth->calls, slice_of(&call, sizeof call)))
        return NULL;
    return owner == company ? "the company serves it, but took no call to it from there"
                            : "the company does not serve it, and took no call to it";
}

/* The least significant 128 bits of the hash of the text. */
static int place(const struct sim_truth *truth, struct slice text, struct id *ret_resource)
{
    uint8_t hash[ARGON2_OUTPUT_OCTETS], salt[256] = {0};
    if (truth->hash != CONFIG_HASH_ARGON2ID) {
        digest_sha1(text, hash);
        memcpy(ret_resource->octets, hash + SHA1_OCTETS - ID_OCTETS, ID_OCTETS);
        return 0;
    }
    size_t n = truth->overlay.n > SALT_OCTETS_MIN ? truth->overlay.n : SALT_OCTETS_MIN;
    if (truth->overlay.n)
        memcpy(salt, truth->overlay.p, truth->overlay.n);
    int err = argon2id(text, slice_of(salt, n), truth->cost, hash, sizeof hash);
    if (!err)
        memcpy(ret_resource->octets, hash + sizeof hash - ID_OCTETS, ID_OCTETS);
    return err;
}

int sim_truth_places(const struct sim_truth *truth, const struct e164 *number, struct id ret_resources[SIM_COPIES])
{
    static const char *const prefixes[SIM_COPIES] = {"", "COPY1", "COPY2"};
    struct id resources[SIM_COPIES];
    for (size_t i = 0; i < SIM_COPIES; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s%s", prefixes[i], number->text);
        int err = place(truth, slice_str(text), &resources[i]);
        if (err)
            return err;
    }
    memcpy(ret_resources, resources, sizeof resources);
    return 0;
}
