/* Text forms of octets and numbers: hexadecimal, base64 (RFC 4648), decimal. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* Lower case, NUL-terminated; text has 2 * s.n + 1 octets. Returns text. */
const char *hex_format(struct slice s, char *text);

/* An even number of digits of either case into n/2 octets. 0 or ERR_SYNTAX; the output is undefined on failure. */
int hex_parse(struct slice text, uint8_t *ret_octets);

/* Lower case, appended. */
void hex_append(struct buf *b, struct slice s);

/* Hexadecimal input of any length, appended. 0, ERR_SYNTAX, or the buffer's error. */
int hex_decode(struct slice text, struct buf *ret_octets);

/* Standard alphabet with padding. */
void base64_append(struct buf *b, struct slice s);

/* Strict: padding required, no white space, unused bits zero. 0, ERR_SYNTAX or the buffer's error. */
int base64_decode(struct slice text, struct buf *ret_octets);

/* The number in decimal, and a NUL; returns where that stands. At most DECIMAL_OCTETS. */
#define DECIMAL_OCTETS 11
char *decimal_put(uint32_t v, char *text);

/* Decimal digits only, no sign, no leading white space. 0, ERR_SYNTAX or ERR_RANGE (above max). */
int u64_parse(struct slice text, uint64_t max, uint64_t *ret_value);

/* Fixed 16 hexadecimal digits, for VServiceIDs. */
int u64_hex_parse(struct slice text, uint64_t *ret_value);

/* Only printable ASCII 0x20–0x7e. */
bool text_is_printable(struct slice s);

/* Well-formed UTF-8 (RFC 3629: no surrogates, no longer form than needed) without NUL. */
bool text_is_utf8(struct slice s);

/* ASCII case-insensitive comparison, for domains and keywords. */
bool text_equal_nocase(struct slice a, struct slice b);

/* A lower-case, NUL-terminated copy; text has s.n + 1 octets. Returns text. */
const char *text_lower(struct slice s, char *text);

/* As much of it as there is room for, and a NUL; text has so many octets, one at least. */
void text_keep(struct slice s, char *text, size_t octets);

/* A fully qualified domain name: labels of letters, digits and inner dashes, 1–63 octets each, at most 253 in all. */
bool domain_is_valid(struct slice s);

/* Cuts text at the first separator: returns what is before it and moves text behind it. The last part leaves text with p NULL. */
struct slice text_cut(struct slice *text, char separator);

/* Without leading and trailing spaces and tabs. */
struct slice text_trim(struct slice s);

#endif
