/* Samples: the percentile is that of the nearest rank, and none is lost. */
#include "testing.h"

#include "measure.h"

static void nothing_is_zero(void **state)
{
    (void)state;
    struct sim_samples s = {0};
    assert_true(sim_samples_mean(&s) == 0);
    assert_int_equal(sim_samples_percentile(&s, 50), 0);
    assert_int_equal(sim_samples_max(&s), 0);
    sim_samples_fini(&s);
}

static void percentiles_are_of_the_nearest_rank(void **state)
{
    (void)state;
    struct sim_samples s = {0};
    for (uint32_t i = 1000; i > 0; i--)
        sim_samples_add(&s, i);
    assert_true(sim_samples_mean(&s) == 500.5);
    assert_int_equal(sim_samples_percentile(&s, 0), 1);
    assert_int_equal(sim_samples_percentile(&s, 50), 500);
    assert_int_equal(sim_samples_percentile(&s, 99), 990);
    assert_int_equal(sim_samples_percentile(&s, 99.95), 1000);
    assert_int_equal(sim_samples_percentile(&s, 100), 1000);
    assert_int_equal(sim_samples_max(&s), 1000);
    sim_samples_fini(&s);
}

static void a_sample_after_sorting_counts(void **state)
{
    (void)state;
    struct sim_samples s = {0};
    sim_samples_add(&s, 5);
    sim_samples_add(&s, 9);
    assert_int_equal(sim_samples_percentile(&s, 50), 5);
    sim_samples_add(&s, 1);
    sim_samples_add(&s, 2);
    assert_int_equal(sim_samples_percentile(&s, 50), 2);
    assert_int_equal(sim_samples_max(&s), 9);
    sim_samples_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_zero),
        cmocka_unit_test(percentiles_are_of_the_nearest_rank),
        cmocka_unit_test(a_sample_after_sorting_counts),
    };
    return cmocka_run_group_tests_name("measure", tests, NULL, NULL);
}
