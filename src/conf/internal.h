/* What the files of this module share: how a parsed file lies in memory, and the values of keys. */
#ifndef CONF_INTERNAL_H
#define CONF_INTERNAL_H

#include "base/region.h"
#include "conf/conf.h"

struct conf_value {
    struct conf_value *next;
    const char *text;    /* as written */
    int64_t integer;     /* CONF_INTEGER, CONF_DURATION, CONF_OCTETS, CONF_BOOLEAN, CONF_CHOICE (index) */
    struct addr addr;    /* CONF_ADDR */
    struct slice octets; /* CONF_HEX */
};

/* One key of one group: the values of the file, or else the default. */
struct conf_entry {
    const struct conf_key *key;
    unsigned line; /* of its first value in the file; 0: not set */
    size_t n;
    struct conf_value *first, *last;
};

struct conf_group {
    struct conf_group *next;
    const struct conf_section *section;
    const char *name; /* "" for sections without one */
    unsigned line;    /* of its header; 0: not in the file */
    size_t entry_count;
    struct conf_entry *entries;
};

struct conf {
    const struct conf_table *table;
    struct region region; /* everything below lies in it */
    struct conf_group *first, *last;
    size_t group_count;
};

/* Adds a group with the defaults of its section. 0 or ERR_NO_MEMORY; asserts that the defaults of the table are valid. */
int conf_group_add(struct conf *c, const struct conf_section *section, struct slice name, unsigned line,
                   struct conf_group **ret_group);

/* The entry of a key, or NULL. */
struct conf_entry *conf_entry_find(const struct conf_group *g, const char *key);

/* Parses one value (of a list: one element) and appends it. 0, ERR_RANGE or ERR_SYNTAX (see conf_describe for what it should have been),
 * ERR_LIMIT, ERR_NO_MEMORY. */
int conf_entry_add(struct conf *c, struct conf_entry *e, struct slice text);

/* What a value of the key must be: "an integer from 1 to 255". */
void conf_describe(const struct conf_key *key, struct buf *out);

#endif
