/* What every test includes: cmocka, whose header needs four others before it, and comparisons of slices. */
#ifndef TESTING_H
#define TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

#define assert_slice_equal(a, b)                                     \
    do {                                                             \
        struct slice slice_a_ = (a), slice_b_ = (b);                 \
        assert_int_equal(slice_a_.n, slice_b_.n);                    \
        if (slice_a_.n)                                              \
            assert_memory_equal(slice_a_.p, slice_b_.p, slice_a_.n); \
    } while (0)

#define assert_slice_text(a, text) assert_slice_equal(a, slice_str(text))

#endif
