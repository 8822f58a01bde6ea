/* Writes decoded octets as a tree: indented text for people, or one JSON object. Each sub-command is written once, for both.
 *
 *     print_object(p, "ForwardingHeader");
 *     print_number(p, "ttl", header.ttl);
 *     print_list(p, "via_list");
 *     for (…) {
 *         print_object(p, NULL);        (elements of a list have no name)
 *         print_end(p);
 *     }
 *     print_end(p);
 *     print_end(p);
 *
 * Names are the standard's own words and are not escaped. The root is an object that print_init opens and print_fini closes. */
#ifndef IME_WIRE_PRINT_H
#define IME_WIRE_PRINT_H

#include "base/buf.h"
#include "base/slice.h"

#define PRINT_DEPTH_MAX 32

struct print {
    struct buf *out;
    bool json;
    bool item; /* "- " stands at the beginning of the line: the first member goes behind it */
    unsigned depth;
    struct {
        bool list;
        unsigned count; /* elements so far */
    } levels[PRINT_DEPTH_MAX];
};

void print_init(struct print *p, bool json, struct buf *out);
void print_fini(struct print *p);

/* Groups. A name is NULL inside a list and only there. */
void print_object(struct print *p, const char *name);
void print_list(struct print *p, const char *name);
void print_end(struct print *p);

/* Values. */
void print_number(struct print *p, const char *name, uint64_t value);
void print_bool(struct print *p, const char *name, bool value);

/* A code with the standard's word for it (NULL: not defined). Text: "ttl_exceeded (10)"; JSON: the number as <name>, the word as
 * <name>_name. */
void print_code(struct print *p, const char *name, uint64_t value, const char *word);

/* The same, for people in hexadecimal of so many octets. */
void print_code_hex(struct print *p, const char *name, uint64_t value, unsigned octets, const char *word);

/* A number of so many octets in hexadecimal ("0x0000002a"); a string in JSON. */
void print_number_hex(struct print *p, const char *name, uint64_t value, unsigned octets);

/* Octets in hexadecimal. Text for people is cut after the first 32, with the length. */
void print_octets(struct print *p, const char *name, struct slice octets);

/* Text, if it is UTF-8 without control characters; otherwise octets (in JSON as <name>_hex). */
void print_text(struct print *p, const char *name, struct slice text);

/* Text of ours. */
void print_word(struct print *p, const char *name, const char *text);

/* A moment, given in milliseconds since 1970; JSON: the number as <name>, the text as <name>_text. */
void print_time_ms(struct print *p, const char *name, uint64_t ms);

#endif
