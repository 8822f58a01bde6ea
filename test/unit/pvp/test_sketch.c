/* The secure sketch: the originator's value comes back whenever the two times are less than R/2 apart, and never otherwise. */
#include "pvp/sketch.h"
#include "testing.h"

static const uint32_t lattices[] = {1000, 1001, 2500, 4000, 16000};

static bool recovers(int64_t v, int64_t drift, uint32_t r)
{
    struct wall value = {v};
    struct wall own = {v + drift};
    return pvp_recover(own, pvp_sketch(value, r), r).ms == v;
}

static void test_just_under_and_just_over_half(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lattices / sizeof *lattices; i++) {
        uint32_t r = lattices[i];
        int64_t under = (r - 1) / 2; /* the largest below R/2 */
        int64_t over = r / 2 + 1;
        for (int64_t v = 1767225600000; v < 1767225600000 + 2 * (int64_t)r; v += 97) {
            assert_true(recovers(v, 0, r));
            assert_true(recovers(v, under, r));
            assert_true(recovers(v, -under, r));
            assert_false(recovers(v, over, r));
            assert_false(recovers(v, -over, r));
        }
    }
}

/* At the edges of a cell, where rounding to a shared grid would fail. */
static void test_cell_edges(void **state)
{
    (void)state;
    const uint32_t r = 4000;
    for (int64_t v = 4000 * INT64_C(441806400) - 2; v <= 4000 * INT64_C(441806400) + 2; v++) {
        for (int64_t drift = -1999; drift <= 1999; drift++) {
            struct wall back = pvp_recover((struct wall){v + drift}, pvp_sketch((struct wall){v}, r), r);
            assert_int_equal(pvp_cell(back, r), pvp_cell((struct wall){v}, r));
        }
    }
}

static void test_cells_and_residues_round_down(void **state)
{
    (void)state;
    assert_int_equal(pvp_cell((struct wall){7999}, 4000), 1);
    assert_int_equal(pvp_cell((struct wall){8000}, 4000), 2);
    assert_int_equal(pvp_sketch((struct wall){8000}, 4000), 0);
    assert_int_equal(pvp_sketch((struct wall){7999}, 4000), 3999);
    assert_int_equal(pvp_cell((struct wall){-1}, 4000), -1);
    assert_int_equal(pvp_sketch((struct wall){-1}, 4000), 3999);
    assert_int_equal(pvp_recover((struct wall){3}, 3999, 4000).ms, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_just_under_and_just_over_half),
        cmocka_unit_test(test_cell_edges),
        cmocka_unit_test(test_cells_and_residues_round_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
