/* Patterns of digits, with X for any digit, found digit by digit. Private to enrolled.c. */
#ifndef AGENT_DIGIT_TRIE_H
#define AGENT_DIGIT_TRIE_H

#include "base/slice.h"

struct agent_trie_node {
    uint32_t child[11]; /* digits, then X; 0: none */
    uint32_t value;     /* of the pattern that ends here; 0: none does */
    uint32_t open;      /* of the pattern that ends here and holds whatever follows; 0: none */
};

struct agent_trie {
    struct agent_trie_node *nodes; /* the first one is the root */
    uint32_t n;
    uint32_t capacity;
};

void agent_trie_init(struct agent_trie *t);
void agent_trie_fini(struct agent_trie *t);

/* The node at the end of the pattern, made if need be: digits and X only. NULL without memory. Valid until the next call. */
struct agent_trie_node *agent_trie_put(struct agent_trie *t, struct slice pattern);

/* The node at the end of that very pattern; NULL: there is none. */
const struct agent_trie_node *agent_trie_get(const struct agent_trie *t, struct slice pattern);

/* The value of the pattern that holds all of the digits; a digit goes before X, from the left. 0: none. */
uint32_t agent_trie_find(const struct agent_trie *t, struct slice digits);

/* The value of the pattern that ends with the digits, or else of the longest open one that they begin with. 0: none. */
uint32_t agent_trie_longest(const struct agent_trie *t, struct slice digits);

#endif
