/* A decoder's cursor over received octets. Errors stick: after the first, every read gives 0 or an empty slice, and the octet and the
 * rule of the first failure are kept, so that a decoder reads a whole structure and checks once. */
#ifndef BASE_READER_H
#define BASE_READER_H

#include "base/err.h"
#include "base/slice.h"

struct reader {
    const uint8_t *base; /* octet 0 of the whole input, so that faults have absolute positions */
    size_t at;
    size_t end;
    int err;
    struct fault fault;
};

void reader_init(struct reader *r, struct slice input);

/* Octets not yet read; 0 after an error. */
size_t reader_left(const struct reader *r);

/* The rule is a static text that names the field and its section; it is kept when the input is too short. */
uint8_t read_u8(struct reader *r, const char *rule);
uint16_t read_u16(struct reader *r, const char *rule);
uint32_t read_u24(struct reader *r, const char *rule);
uint32_t read_u32(struct reader *r, const char *rule);
uint64_t read_u64(struct reader *r, const char *rule);
struct slice read_slice(struct reader *r, size_t octets, const char *rule);
void read_copy(struct reader *r, void *ret_octets, size_t octets, const char *rule);

/* Opaque values behind a length of 1, 2, 3 or 4 octets. */
struct slice read_opaque(struct reader *r, unsigned length_octets, const char *rule);

/* A reader over the next octets, which the parent skips. Positions stay those of the whole input. Finish it with reader_close. */
struct reader read_sub(struct reader *r, size_t octets, const char *rule);

/* The same behind a length of 1 to 4 octets. */
struct reader read_sub_opaque(struct reader *r, unsigned length_octets, const char *rule);

/* Takes over a child's error; a child with octets left over is an error by this rule. */
void reader_close(struct reader *parent, struct reader *child, const char *rule);

/* Everything must have been read. Returns the reader's error. */
int reader_end(struct reader *r, const char *rule);

/* Records an error at an octet of the whole input, unless there is one already. Returns the reader's error. (cold: what leads there is to
 * stand apart from what is mostly run.) */
__attribute__((cold)) int reader_fail_at(struct reader *r, int err, size_t octet, const char *rule);

/* The same at the current octet. */
__attribute__((cold)) int reader_fail(struct reader *r, int err, const char *rule);

#endif
