/* Edit distance, and which known word is proposed for an unknown one. */
#include "base/nearest.h"
#include "testing.h"

static void test_distance(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        size_t distance;
    } cases[] = {
        {"", "", 0},       {"abc", "abc", 0},       {"", "abc", 3},
        {"abc", "abd", 1}, {"abc", "ab", 1},        {"abc", "xabc", 1},
        {"abc", "acb", 1}, {"ring", "rnig", 1},     {"kitten", "sitting", 3},
        {"ca", "abc", 3},  {"abcdef", "badcfe", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(edit_distance(slice_str(cases[i].a), slice_str(cases[i].b)), cases[i].distance);
        assert_int_equal(edit_distance(slice_str(cases[i].b), slice_str(cases[i].a)), cases[i].distance);
    }
}

static void test_long_words_are_never_similar(void **state)
{
    (void)state;
    uint8_t word[NEAREST_OCTETS_MAX + 1];
    memset(word, 'x', sizeof word);
    assert_int_equal(edit_distance(slice_of(word, NEAREST_OCTETS_MAX), slice_of(word, NEAREST_OCTETS_MAX)), 0);
    assert_true(edit_distance(slice_of(word, sizeof word), slice_of(word, sizeof word)) == SIZE_MAX);
}

static const char *propose(const char *wanted)
{
    static const char *const words[] = {"listen", "bootstrap", "data", "list"};
    struct nearest n = {.wanted = slice_str(wanted)};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        nearest_try(&n, words[i]);
    return n.best;
}

static void test_proposals(void **state)
{
    (void)state;
    assert_string_equal(propose("lisen"), "listen");
    assert_string_equal(propose("lst"), "list");
    assert_string_equal(propose("bootstarp"), "bootstrap");
    assert_string_equal(propose("dtaa"), "data");
    assert_null(propose("password"));
    assert_null(propose(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_long_words_are_never_similar),
        cmocka_unit_test(test_proposals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
