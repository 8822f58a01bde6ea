/* The trie: nodes in one array, so that it grows and goes as a whole. */
#include "agent/digit_trie.h"

#include "base/mem.h"

#define ANY 10

void agent_trie_init(struct agent_trie *t)
{
    *t = (struct agent_trie){NULL, 0, 0};
}

void agent_trie_fini(struct agent_trie *t)
{
    mem_free(t->nodes);
    agent_trie_init(t);
}

/* The number of a new node; 0 (the root's, which is nobody's child) without memory. The root itself is made first. */
static bool node_new(struct agent_trie *t, uint32_t *ret_node)
{
    if (t->n == t->capacity) {
        uint32_t capacity = t->capacity ? 2 * t->capacity : 64;
        struct agent_trie_node *nodes = mem_resize(t->nodes, capacity * sizeof *nodes);
        if (!nodes)
            return false;
        t->nodes = nodes;
        t->capacity = capacity;
    }
    t->nodes[t->n] = (struct agent_trie_node){.value = 0};
    *ret_node = t->n++;
    return true;
}

static unsigned place_of(uint8_t c)
{
    return c == 'X' ? ANY : (unsigned)(c - '0');
}

const struct agent_trie_node *agent_trie_get(const struct agent_trie *t, struct slice pattern)
{
    uint32_t at = 0;
    for (size_t i = 0; t->n && i < pattern.n; i++) {
        at = t->nodes[at].child[place_of(pattern.p[i])];
        if (!at)
            return NULL;
    }
    return t->n ? &t->nodes[at] : NULL;
}

struct agent_trie_node *agent_trie_put(struct agent_trie *t, struct slice pattern)
{
    uint32_t at = 0, next;
    if (!t->n && !node_new(t, &next))
        return NULL;
    for (size_t i = 0; i < pattern.n; i++) {
        const unsigned place = place_of(pattern.p[i]);
        next = t->nodes[at].child[place];
        if (!next) {
            if (!node_new(t, &next))
                return NULL;
            t->nodes[at].child[place] = next;
        }
        at = next;
    }
    return &t->nodes[at];
}

static uint32_t find_below(const struct agent_trie *t, uint32_t at, struct slice digits)
{
    const struct agent_trie_node *node = &t->nodes[at];
    if (!digits.n)
        return node->value;
    struct slice rest = slice_of(digits.p + 1, digits.n - 1);
    uint32_t child = node->child[digits.p[0] - '0'];
    uint32_t found = child ? find_below(t, child, rest) : 0;
    child = node->child[ANY];
    return found || !child ? found : find_below(t, child, rest);
}

uint32_t agent_trie_find(const struct agent_trie *t, struct slice digits)
{
    return t->n ? find_below(t, 0, digits) : 0;
}

uint32_t agent_trie_longest(const struct agent_trie *t, struct slice digits)
{
    uint32_t at = 0, found = 0;
    if (!t->n)
        return 0;
    for (size_t i = 0; i < digits.n; i++) {
        at = t->nodes[at].child[digits.p[i] - '0'];
        if (!at)
            return found;
        /* An open pattern stands for one digit more at least. */
        if (t->nodes[at].open && i + 1 < digits.n)
            found = t->nodes[at].open;
    }
    return t->nodes[at].value ? t->nodes[at].value : found;
}
