/* What the checkers hold to be the case. */
#include "truth.h"

#include "agent.h"
#include "numbers/record.h"
#include "testing.h"

#include <string.h>

static struct id id_of(uint8_t octet)
{
    struct id id;
    memset(id.octets, octet, sizeof id.octets);
    return id;
}

static int make(void **state)
{
    struct sim_truth *truth;
    assert_int_equal(sim_truth_new(&truth), 0);
    *state = truth;
    return 0;
}

static int drop(void **state)
{
    sim_truth_free(*state);
    return 0;
}

static void test_only_the_called_company_is_believed(void **state)
{
    struct sim_truth *truth = *state;
    struct e164 number = sim_number(7, 2), stranger = {"+4930123"};
    char domain[SIM_DOMAIN_OCTETS], other[SIM_DOMAIN_OCTETS];
    sim_domain(7, domain);
    sim_domain(8, other);
    assert_non_null(sim_truth_refutes(truth, 1, &number, domain)); /* nobody called yet */
    assert_int_equal(sim_truth_called(truth, &number, 1, 7, 100), 0);
    assert_null(sim_truth_refutes(truth, 1, &number, domain));
    assert_non_null(sim_truth_refutes(truth, 2, &number, domain)); /* somebody else called */
    assert_non_null(sim_truth_refutes(truth, 1, &number, other));
    assert_non_null(sim_truth_refutes(truth, 1, &number, "elsewhere.example.org"));
    assert_non_null(sim_truth_refutes(truth, 1, &stranger, domain));

    assert_int_equal(sim_truth_called(truth, &number, 1, 7, 200), 0);
    assert_int_equal(sim_truth_calls(truth), 1);
    assert_int_equal(sim_truth_call(truth, 0)->times, 2);
    assert_int_equal(sim_truth_call(truth, 0)->last_us, 200);
    assert_false(sim_truth_call(truth, 0)->learned);
    sim_truth_learned(truth, &number, 1, 7);
    assert_true(sim_truth_call(truth, 0)->learned);
}

static void test_nodes_do_not_become_honest_again(void **state)
{
    struct sim_truth *truth = *state;
    assert_null(sim_truth_find(truth, id_of(1)));
    assert_int_equal(sim_truth_node(truth, id_of(1), 0, true), 0);
    assert_true(sim_truth_find(truth, id_of(1))->honest);
    assert_int_equal(sim_truth_node(truth, id_of(1), 0, false), 0);
    assert_int_equal(sim_truth_node(truth, id_of(1), 0, true), 0);
    assert_false(sim_truth_find(truth, id_of(1))->honest);
    sim_truth_banned(truth, id_of(1), true);
    sim_truth_lost(truth, id_of(1));
    assert_true(sim_truth_find(truth, id_of(1))->banned);
    assert_true(sim_truth_find(truth, id_of(1))->lost);
    sim_truth_banned(truth, id_of(1), false);
    assert_false(sim_truth_find(truth, id_of(1))->banned);
}

static void test_publications_come_and_are_withdrawn(void **state)
{
    struct sim_truth *truth = *state;
    struct e164 first = sim_number(0, 0), second = sim_number(0, 1), third = sim_number(1, 0);
    assert_int_equal(sim_truth_node(truth, id_of(1), 0, true), 0);
    assert_int_equal(sim_truth_node(truth, id_of(2), 1, true), 0);
    assert_int_equal(sim_truth_published(truth, &first, id_of(1), 10, 1000), 0);
    assert_int_equal(sim_truth_published(truth, &third, id_of(2), 11, 1000), 0);
    assert_int_equal(sim_truth_published(truth, &second, id_of(1), 12, 1000), 0);
    assert_int_equal(sim_truth_published(truth, &first, id_of(1), 20, 2000), 0); /* again */
    assert_int_equal(sim_truth_publications(truth), 3);
    assert_int_equal(sim_truth_publication(truth, 0)->acknowledged_us, 20);
    assert_int_equal(sim_truth_publication(truth, 0)->company, 0);
    assert_ptr_equal(sim_truth_find_publication(truth, &third, id_of(2)), sim_truth_publication(truth, 1));
    sim_truth_refreshed(truth, &first, id_of(1), 3000);
    sim_truth_refreshed(truth, &third, id_of(1), 3000); /* nobody's */
    sim_truth_forgotten(truth, &third, id_of(2), 25);
    sim_truth_forgotten(truth, &third, id_of(2), 26);
    assert_int_equal(sim_truth_publication(truth, 0)->until_us, 3000);
    assert_int_equal(sim_truth_publication(truth, 0)->acknowledged_us, 20);
    assert_int_equal(sim_truth_publication(truth, 1)->until_us, 1000);
    assert_int_equal(sim_truth_publication(truth, 1)->forgotten_us, 25);
    sim_truth_withdrawn(truth, id_of(1));
    assert_int_equal(sim_truth_publications(truth), 1);
    assert_null(sim_truth_find_publication(truth, &first, id_of(1)));
    assert_string_equal(sim_truth_publication(truth, 0)->number.text, third.text);
}

/* Reckoned twice, and the same. */
static void test_places_are_those_of_the_standard(void **state)
{
    struct sim_truth *truth = *state;
    struct argon2_cost cost = {.passes = 1, .memory_kib = 8, .lanes = 1};
    static const enum config_number_hash hashes[] = {CONFIG_HASH_SHA1, CONFIG_HASH_ARGON2ID};
    static const char *const overlays[] = {"ring", "a ring with a longer name"};
    for (size_t h = 0; h < 2; h++)
        for (size_t o = 0; o < 2; o++) {
            struct e164 number = sim_number(3, 1);
            struct numbers_profile profile = {slice_str(overlays[o]), hashes[h], cost};
            struct numbers_slot slots[NUMBERS_COPIES];
            struct id places[SIM_COPIES];
            assert_int_equal(sim_truth_profile(truth, profile.overlay, profile.hash, cost), 0);
            assert_int_equal(sim_truth_places(truth, &number, places), 0);
            assert_int_equal(numbers_slots_derive(&profile, &number, slots), 0);
            for (size_t i = 0; i < SIM_COPIES; i++)
                assert_memory_equal(places[i].octets, slots[i].resource.octets, ID_OCTETS);
        }
}

static void test_keys_are_those_of_the_records(void **state)
{
    char key[SIM_KEY_OCTETS_MAX + 1], known[NUMBERS_KEY_OCTETS + 1];
    (void)state;
    assert_string_equal(sim_truth_key(id_of(0xa5), 0x1234, key), numbers_key_format(id_of(0xa5), 0x1234, known));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_only_the_called_company_is_believed, make, drop),
        cmocka_unit_test_setup_teardown(test_nodes_do_not_become_honest_again, make, drop),
        cmocka_unit_test_setup_teardown(test_publications_come_and_are_withdrawn, make, drop),
        cmocka_unit_test_setup_teardown(test_places_are_those_of_the_standard, make, drop),
        cmocka_unit_test_setup_teardown(test_keys_are_those_of_the_records, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
