/* Octets written down by hand in tests. */
#ifndef TEST_RELOAD_HEX_H
#define TEST_RELOAD_HEX_H

#include "testing.h"

#include "base/text.h"

/* Appends hexadecimal with spaces between the fields. */
static inline void put_hex(struct buf *out, const char *hex)
{
    for (struct slice rest = slice_str(hex); rest.p;)
        assert_int_equal(hex_decode(text_cut(&rest, ' '), out), 0);
}

#endif
