/* Cells of the finger table: as many as are to be filled, every place of the ring in one of them, the RFC's fingers among them. */
#include "reload/chord_cells.h"
#include "testing.h"

#include <math.h>

static struct id id_at(double fraction)
{
    struct id id = {{0}};
    for (unsigned i = 0; i < 6; i++) {
        fraction *= 256;
        id.octets[i] = (uint8_t)fraction;
        fraction -= id.octets[i];
    }
    return id;
}

static void test_cells_follow_the_size(void **state)
{
    (void)state;
    unsigned finer = 100;
    for (double n = 5; n < 4e6; n *= 2) {
        struct chord_cells cells = {0};
        chord_cells_choose(&cells, n, 4, 20);
        assert_true(cells.per_two_octaves >= 3 && cells.per_two_octaves <= finer);
        finer = cells.per_two_octaves;
        if (finer > 3)
            assert_true(cells.count <= 21);
        else
            assert_true(cells.count <= 1.5 * log2(n) + 1);
    }
    struct chord_cells cells = {0};
    chord_cells_choose(&cells, 9, 4, 20);
    assert_true(cells.count <= 4);
    chord_cells_choose(&cells, 3, 4, 20);
    assert_int_equal(cells.count, 0);
}

/* The estimate of the size wavers by a third around every size: once chosen, the cells of most sizes stay, and never change twice. */
static void test_wavering_estimates_change_nothing(void **state)
{
    (void)state;
    for (double n = 20; n < 1e6; n *= 1.1) {
        struct chord_cells cells = {0};
        chord_cells_choose(&cells, n, 4, 20);
        unsigned changes = 0;
        for (unsigned i = 0; i < 50; i++) {
            unsigned before = cells.per_two_octaves;
            chord_cells_choose(&cells, n * (i % 2 ? 1.2 : 0.84), 4, 20);
            changes += cells.per_two_octaves != before;
        }
        assert_int_equal(changes, 0);
    }
}

static void test_places_lie_in_their_cells(void **state)
{
    (void)state;
    struct id self = id_at(0.7);
    for (unsigned per = 3; per <= 8; per++) {
        struct chord_cells cells = {per, 40};
        for (unsigned cell = 0; cell < 40; cell++)
            for (double part = 0.001; part < 1; part += 0.0907)
                assert_int_equal(chord_cells_of(&cells, self, chord_cells_place(&cells, self, cell, part)), cell);
    }
}

/* 10.7.4.2: each range of the RFC's fingers holds a whole cell. */
static void test_each_octave_holds_a_whole_cell(void **state)
{
    (void)state;
    struct id self = {{0}};
    for (unsigned per = 3; per <= 8; per++) {
        struct chord_cells cells = {per, 64};
        for (unsigned octave = 1; octave <= 10; octave++) {
            double high = pow(0.5, octave - 1), low = pow(0.5, octave);
            unsigned whole = 0;
            for (unsigned cell = 0; cell < 64; cell++) {
                double far = id_fraction(self, chord_cells_place(&cells, self, cell, 0.9999));
                double near = id_fraction(self, chord_cells_place(&cells, self, cell, 0.0001));
                whole += far < high * 1.0001 && near > low * 0.9999;
            }
            assert_true(whole >= 1);
        }
    }
}

static void test_population(void **state)
{
    (void)state;
    struct chord_cells cells = {4, 20};
    double sum = 0;
    for (unsigned cell = 0; cell < 20; cell++) {
        sum += chord_cells_population(&cells, 1024, cell);
        assert_true(chord_cells_population(&cells, 1024, cell + 1) < chord_cells_population(&cells, 1024, cell));
    }
    assert_true(sum > 1022 && sum < 1024);
    assert_true(chord_cells_of(&cells, id_at(0.5), id_at(0.5)) >= CHORD_CELLS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells_follow_the_size),
        cmocka_unit_test(test_wavering_estimates_change_nothing),
        cmocka_unit_test(test_places_lie_in_their_cells),
        cmocka_unit_test(test_each_octave_holds_a_whole_cell),
        cmocka_unit_test(test_population),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
