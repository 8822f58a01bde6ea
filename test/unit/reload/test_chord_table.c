/* The routing table of CHORD-RELOAD: order around the ring, next hops, responsibility, fingers. */
#include "reload/chord_table.h"
#include "testing.h"

/* On a ring of 256: the first octet counts. */
static struct id at(unsigned first)
{
    return (struct id){{(uint8_t)first}};
}

static unsigned of(struct id id)
{
    return id.octets[0];
}

static struct chord_table table_of(unsigned self, const unsigned *nodes, size_t n)
{
    struct chord_table table;
    chord_table_init(&table, at(self));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(chord_table_add(&table, at(nodes[i])), 0);
    return table;
}

static void test_neighbors_stand_in_order(void **state)
{
    (void)state;
    struct chord_table table = table_of(100, (const unsigned[]){200, 50, 110, 0, 255}, 5);
    assert_int_equal(of(chord_table_successor(&table, 0)), 110);
    assert_int_equal(of(chord_table_successor(&table, 1)), 200);
    assert_int_equal(of(chord_table_successor(&table, 2)), 255);
    assert_int_equal(of(chord_table_predecessor(&table, 0)), 50);
    assert_int_equal(of(chord_table_predecessor(&table, 1)), 0);
    assert_int_equal(chord_table_add(&table, at(110)), ERR_EXISTS);
    assert_int_equal(chord_table_add(&table, at(100)), ERR_EXISTS); /* never ourselves (10.7.3) */
    assert_true(chord_table_remove(&table, at(110)));
    assert_false(chord_table_remove(&table, at(110)));
    assert_false(chord_table_has(&table, at(110)));
    assert_int_equal(of(chord_table_successor(&table, 0)), 200);
    chord_table_fini(&table);
}

static void test_next_hop_is_the_nearest_before(void **state)
{
    (void)state;
    struct chord_table table = table_of(100, (const unsigned[]){120, 150, 220, 30}, 4);
    const struct {
        unsigned place, hop;
        size_t before;
    } cases[] = {{149, 120, 1}, {150, 150, 2}, {151, 150, 2}, {219, 150, 2},
                 {10, 220, 3},  {30, 30, 4},   {99, 30, 4},   {110, 120, 0}}; /* nobody before: the first one behind */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct id hop;
        assert_true(chord_table_next_hop(&table, at(cases[i].place), &hop));
        assert_int_equal(of(hop), cases[i].hop);
        assert_int_equal(chord_table_before(&table, at(cases[i].place)), cases[i].before);
    }
    chord_table_fini(&table);
    struct id hop;
    assert_false(chord_table_next_hop(&table, at(1), &hop));
}

static void test_who_is_responsible(void **state)
{
    (void)state;
    struct chord_table table = table_of(100, (const unsigned[]){120, 150, 220, 30, 60}, 5);
    const struct {
        unsigned place, owner, steps;
    } cases[] = {{100, 100, 0}, {61, 100, 0},  {60, 60, 1},   {31, 60, 1},   {30, 30, 2},
                 {221, 30, 2},  {220, 220, 3}, {121, 150, 4}, {101, 120, 5}, {120, 120, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(of(chord_table_responsible(&table, at(cases[i].place))), cases[i].owner);
        assert_int_equal(chord_table_steps_behind(&table, at(cases[i].place)), cases[i].steps);
    }
    chord_table_fini(&table);
    assert_int_equal(of(chord_table_responsible(&table, at(7))), 100); /* alone: everything */
    assert_int_equal(chord_table_steps_behind(&table, at(7)), 0);
}

static void test_who_would_be_a_neighbor(void **state)
{
    (void)state;
    struct chord_table table = table_of(100, (const unsigned[]){110, 120, 130, 140, 60, 70, 80, 90}, 8);
    assert_true(chord_table_would_be_neighbor(&table, at(125), 3));
    assert_true(chord_table_would_be_neighbor(&table, at(130), 3));
    assert_false(chord_table_would_be_neighbor(&table, at(135), 3));
    assert_false(chord_table_would_be_neighbor(&table, at(200), 3));
    assert_false(chord_table_would_be_neighbor(&table, at(60), 3));
    assert_true(chord_table_would_be_neighbor(&table, at(70), 3));
    assert_true(chord_table_would_be_neighbor(&table, at(75), 3));
    assert_true(chord_table_would_be_neighbor(&table, at(200), 5));
    assert_false(chord_table_would_be_neighbor(&table, at(100), 3));
    chord_table_fini(&table);
}

static void test_finger_ranges(void **state)
{
    (void)state;
    struct id first, last, finger;
    chord_finger_range(at(100), 1, &first, &last);
    assert_int_equal(of(first), 228); /* 180 degrees around */
    assert_true(id_eq(last, id_sub(at(100), id_power_of_two(0))));
    chord_finger_range(at(100), 2, &first, &last);
    assert_int_equal(of(first), 164);
    assert_int_equal(of(last), 227);
    chord_finger_range(at(100), 128, &first, &last);
    assert_true(id_eq(first, last)); /* the very next place */
    struct chord_table table = table_of(100, (const unsigned[]){170, 200, 40}, 3);
    chord_finger_range(at(100), 2, &first, &last);
    assert_true(chord_table_in_range(&table, first, last, &finger));
    assert_int_equal(of(finger), 170);
    chord_finger_range(at(100), 3, &first, &last);
    assert_false(chord_table_in_range(&table, first, last, &finger));
    chord_table_fini(&table);
}

static void test_ring_size(void **state)
{
    (void)state;
    struct chord_table table;
    chord_table_init(&table, at(0));
    assert_true(chord_table_ring_size(&table, 3) == 1);
    for (unsigned i = 1; i < 256; i += 1)
        if (i < 8 || i > 248)
            assert_int_equal(chord_table_add(&table, at(i)), 0);
    double size = chord_table_ring_size(&table, 4); /* as dense as a ring of 256 */
    assert_true(size > 255.9 && size < 256.1);
    chord_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_neighbors_stand_in_order),
        cmocka_unit_test(test_next_hop_is_the_nearest_before),
        cmocka_unit_test(test_who_is_responsible),
        cmocka_unit_test(test_who_would_be_a_neighbor),
        cmocka_unit_test(test_finger_ranges),
        cmocka_unit_test(test_ring_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
