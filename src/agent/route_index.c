/* The B+ tree. Full nodes are split on the way down, so that an insertion never has to climb up again, and a lack of memory leaves a good
 * tree. What is appended behind the last key splits so that the old node stays full: rows come sorted out of the store. */
#include "agent/route_index.h"

#include "base/mem.h"

#include <string.h>

#define KEYS 62 /* an inner node is about a kilobyte */
#define HEIGHT_MAX 16

struct agent_index_node {
    uint16_t n;
    uint64_t keys
        [KEYS]; /* inner: the smallest key that the child of the same place may hold; that of the first one is not used */
    union {
        uint32_t values[KEYS];
        struct agent_index_node *children[KEYS];
    };
};

/* A leaf has no need for the room of pointers. */
#define LEAF_OCTETS (offsetof(struct agent_index_node, values) + KEYS * sizeof(uint32_t))

static size_t octets_of(unsigned level)
{
    return level ? sizeof(struct agent_index_node) : LEAF_OCTETS;
}

static struct agent_index_node *node_new(struct agent_index *x, unsigned level)
{
    struct agent_index_node *node = mem_alloc(octets_of(level));
    if (node)
        x->octets += octets_of(level);
    return node;
}

static void node_free(struct agent_index *x, struct agent_index_node *node, unsigned level)
{
    x->octets -= octets_of(level);
    mem_free(node);
}

void agent_index_init(struct agent_index *x)
{
    *x = (struct agent_index){0};
}

static void free_below(struct agent_index *x, struct agent_index_node *node, unsigned level)
{
    for (size_t i = 0; level && i < node->n; i++)
        free_below(x, node->children[i], level - 1);
    node_free(x, node, level);
}

void agent_index_fini(struct agent_index *x)
{
    if (x->root)
        free_below(x, x->root, x->height);
    agent_index_init(x);
}

/* How many keys from `first` on are not above `key`: the place behind them. */
static size_t upper(const struct agent_index_node *node, size_t first, uint64_t key)
{
    size_t low = first, high = node->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (node->keys[middle] <= key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The child that may hold the key. */
static size_t child_place(const struct agent_index_node *node, uint64_t key)
{
    return upper(node, 1, key) - 1;
}

static bool leaf_place(const struct agent_index_node *leaf, uint64_t key, size_t *ret_place)
{
    size_t place = upper(leaf, 0, key);
    bool there = place > 0 && leaf->keys[place - 1] == key;
    *ret_place = there ? place - 1 : place;
    return there;
}

uint32_t *agent_index_get(const struct agent_index *x, uint64_t key)
{
    struct agent_index_node *node = x->root;
    size_t place;
    if (!node)
        return NULL;
    for (unsigned level = x->height; level > 0; level--)
        node = node->children[child_place(node, key)];
    return leaf_place(node, key, &place) ? &node->values[place] : NULL;
}

/* Makes room at a place of a node that is not full. */
static void open_place(struct agent_index_node *node, size_t place, unsigned level)
{
    size_t behind = node->n - place;
    memmove(&node->keys[place + 1], &node->keys[place], behind * sizeof node->keys[0]);
    if (level)
        memmove(&node->children[place + 1], &node->children[place], behind * sizeof node->children[0]);
    else
        memmove(&node->values[place + 1], &node->values[place], behind * sizeof node->values[0]);
    node->n++;
}

static void close_place(struct agent_index_node *node, size_t place, unsigned level)
{
    size_t behind = node->n - place - 1u;
    memmove(&node->keys[place], &node->keys[place + 1], behind * sizeof node->keys[0]);
    if (level)
        memmove(&node->children[place], &node->children[place + 1], behind * sizeof node->children[0]);
    else
        memmove(&node->values[place], &node->values[place + 1], behind * sizeof node->values[0]);
    node->n--;
}

/* Splits the full child at a place of a parent that is not full. */
static bool split(struct agent_index *x, struct agent_index_node *parent, size_t place, unsigned level, uint64_t key)
{
    struct agent_index_node *node = parent->children[place];
    struct agent_index_node *right = node_new(x, level);
    if (!right)
        return false;
    size_t kept = key > node->keys[KEYS - 1] ? KEYS - 1 : KEYS / 2;
    right->n = (uint16_t)(KEYS - kept);
    memcpy(right->keys, node->keys + kept, right->n * sizeof node->keys[0]);
    if (level)
        memcpy(right->children, node->children + kept, right->n * sizeof node->children[0]);
    else
        memcpy(right->values, node->values + kept, right->n * sizeof node->values[0]);
    node->n = (uint16_t)kept;
    open_place(parent, place + 1, level + 1);
    parent->keys[place + 1] = right->keys[0];
    parent->children[place + 1] = right;
    return true;
}

/* A root that is not full, so that its child can be split. */
static bool prepare_root(struct agent_index *x, uint64_t key)
{
    if (!x->root) {
        x->root = node_new(x, 0);
        x->height = 0;
        return x->root != NULL;
    }
    if (x->root->n < KEYS)
        return true;
    struct agent_index_node *root = x->height < HEIGHT_MAX ? node_new(x, x->height + 1) : NULL;
    if (!root)
        return false;
    root->n = 1;
    root->children[0] = x->root;
    if (!split(x, root, 0, x->height, key)) {
        node_free(x, root, x->height + 1);
        return false;
    }
    x->root = root;
    x->height++;
    return true;
}

uint32_t *agent_index_put(struct agent_index *x, uint64_t key)
{
    size_t place;
    uint32_t *there = agent_index_get(x, key);
    if (there)
        return there;
    if (!prepare_root(x, key))
        return NULL;
    struct agent_index_node *node = x->root;
    for (unsigned level = x->height; level > 0; level--) {
        place = child_place(node, key);
        if (node->children[place]->n == KEYS) {
            if (!split(x, node, place, level - 1, key))
                return NULL;
            place = child_place(node, key);
        }
        node = node->children[place];
    }
    leaf_place(node, key, &place);
    open_place(node, place, 0);
    node->keys[place] = key;
    node->values[place] = 0;
    x->n++;
    return &node->values[place];
}

void agent_index_remove(struct agent_index *x, uint64_t key)
{
    struct agent_index_node *path[HEIGHT_MAX + 1];
    size_t places[HEIGHT_MAX + 1];
    struct agent_index_node *node = x->root;
    size_t place;
    if (!node)
        return;
    for (unsigned level = x->height; level > 0; level--) {
        path[level] = node;
        places[level] = child_place(node, key);
        node = node->children[places[level]];
    }
    if (!leaf_place(node, key, &place))
        return;
    close_place(node, place, 0);
    x->n--;
    for (unsigned level = 0; node->n == 0; level++) {
        node_free(x, node, level);
        if (level == x->height) {
            agent_index_init(x);
            return;
        }
        node = path[level + 1];
        close_place(node, places[level + 1], level + 1);
    }
    while (x->height && x->root->n == 1) {
        struct agent_index_node *child = x->root->children[0];
        node_free(x, x->root, x->height--);
        x->root = child;
    }
}

/* The smallest key of a subtree that is not below `from`. */
static bool seek_below(const struct agent_index_node *node, unsigned level, uint64_t from, uint64_t *ret_key,
                       uint32_t *ret_value)
{
    size_t place;
    if (!level) {
        leaf_place(node, from, &place);
        if (place == node->n)
            return false;
        *ret_key = node->keys[place];
        *ret_value = node->values[place];
        return true;
    }
    for (place = child_place(node, from); place < node->n; place++)
        if (seek_below(node->children[place], level - 1, from, ret_key, ret_value))
            return true;
    return false;
}

bool agent_index_seek(const struct agent_index *x, uint64_t from, uint64_t *ret_key, uint32_t *ret_value)
{
    return x->root && seek_below(x->root, x->height, from, ret_key, ret_value);
}
