/* Configuration files. A program declares its keys in one table: type, bounds, default, documentation; from it come the parser's
 * checks, the messages, the example file and the manual page. The syntax is that of INI files, read by inih:
 *
 *     [ring]
 *     listen = 192.0.2.1:6084      ; a semicolon after a space begins a comment
 *     [client pbx1]                ; a section that may occur several times carries a name
 *     user = pbx1
 *
 * Nothing here opens a file: the program reads it and hands in its octets. */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum conf_type {
    CONF_TEXT,     /* min … max octets of printable ASCII */
    CONF_INTEGER,  /* min … max */
    CONF_DURATION, /* "30s", "1h" (base/duration.h); min … max in milliseconds */
    CONF_OCTETS,   /* "64K", "16M", "1G", powers of 1024; min … max in octets */
    CONF_BOOLEAN,  /* yes, no */
    CONF_ADDR,     /* "192.0.2.1:6084", "[::1]:6084"; min is the default port, 0: the port is mandatory */
    CONF_PATH,     /* as CONF_TEXT; at most max octets, 0: 1024 */
    CONF_NUMBER,   /* +E.164 */
    CONF_DOMAIN,
    CONF_CHOICE, /* one of the words of `choices` */
    CONF_HEX,    /* min … max octets, two digits each */
};

enum conf_flag {
    CONF_LIST = 1,     /* several values, separated by commas or in repeated lines */
    CONF_SECRET = 2,   /* its value is never printed, neither in messages nor by conf_print_effective */
    CONF_REQUIRED = 4, /* there is no default: the section must have it (a named section: each one of them) */
};

struct conf_key {
    const char *section;
    const char *name;
    enum conf_type type;
    unsigned flags;
    const char *fallback; /* the default, as it would be written; NULL: none */
    int64_t min, max;     /* both 0: unbounded (texts: 1 … 1024 octets) */
    const char *choices;  /* CONF_CHOICE: "a|b|c" */
    const char *example;  /* what the example file shows when there is no default */
    const char *doc;      /* what it is for; whole sentences */
};

struct conf_section {
    const char *name;
    bool named; /* [name NAME], any number of them */
    const char *doc;
};

struct conf_table {
    const char *intro; /* the first lines of the example file */
    const struct conf_section *sections;
    size_t section_count;
    const struct conf_key *keys;
    size_t key_count;
};

struct conf;
struct conf_group; /* one section of the file */

/* Limits; each gives an error with its line. */
#define CONF_FILE_OCTETS_MAX (1024 * 1024)
#define CONF_GROUPS_MAX 1024      /* named sections */
#define CONF_LIST_VALUES_MAX 1024 /* values of one key */
#define CONF_ERRORS_MAX 50        /* errors reported; then "and more" */

/* Parses the octets of the file of that name. 0, or ERR_NO_MEMORY, or ERR_SYNTAX after having appended every error to `errors` as a
 * line "file:line: reason\n", with what is allowed and the nearest known word. The table must outlive the conf. */
int conf_parse(const struct conf_table *table, const char *file, struct slice text, struct buf *errors,
               struct conf **ret_conf);

/* Wipes the secrets. NULL is allowed. */
void conf_free(struct conf *c);

/* The values of a section without a name: those of the file, or the defaults. */
const struct conf_group *conf_section(const struct conf *c, const char *section);

/* Named sections in the order of the file: the first one after `after` (NULL: the first), or NULL. */
const struct conf_group *conf_next(const struct conf *c, const char *section, const struct conf_group *after);
const char *conf_group_name(const struct conf_group *g);

/* The line of a section's header, 0 if the file has none: for messages about what only the program can check. */
unsigned conf_group_line(const struct conf_group *g);

/* True if the file gives the key or it has a default. */
bool conf_has(const struct conf_group *g, const char *key);

/* True if the file gives it. */
bool conf_is_set(const struct conf_group *g, const char *key);

/* Values. The key must be in the table with a fitting type (asserted). Without value and default: 0, false, NULL, an address of family
 * 0, an empty slice. Texts live as long as the conf. Times are in milliseconds. */
int64_t conf_integer(const struct conf_group *g, const char *key); /* CONF_INTEGER, CONF_OCTETS */
int64_t conf_ms(const struct conf_group *g, const char *key);      /* CONF_DURATION */
bool conf_boolean(const struct conf_group *g, const char *key);
const char *conf_text(const struct conf_group *g, const char *key); /* any type, as it was written */
struct addr conf_addr(const struct conf_group *g, const char *key);
struct slice conf_hex(const struct conf_group *g, const char *key);
size_t conf_choice(const struct conf_group *g, const char *key); /* index into `choices` */

/* Lists: the number of values, and each one. */
size_t conf_count(const struct conf_group *g, const char *key);
const char *conf_text_at(const struct conf_group *g, const char *key, size_t i);
int64_t conf_integer_at(const struct conf_group *g, const char *key, size_t i);
struct addr conf_addr_at(const struct conf_group *g, const char *key, size_t i);
struct slice conf_hex_at(const struct conf_group *g, const char *key, size_t i);

/* A complete example file: every key with its documentation, type, bounds and default, commented out. */
void conf_print_defaults(const struct conf_table *table, struct buf *out);

/* The sections and keys as a part of a manual page (man(7) macros). */
void conf_print_man(const struct conf_table *table, struct buf *out);

/* What `after` says that `before` does not, and the other way round: a line per section, value or list element. Values of secrets are not
 * shown. Both are of the same table. */
void conf_print_differences(const struct conf *before, const struct conf *after, struct buf *out);

/* What holds now, defaults included, secrets as "(not shown)". */
void conf_print_effective(const struct conf *c, struct buf *out);

#endif
