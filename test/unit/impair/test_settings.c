/* Words of settings: what they mean, what is refused, and back to text. */
#include "base/entropy.h"
#include "base/text.h"
#include "impair/settings.h"
#include "testing.h"

#include <string.h>

static int set(struct impair_settings *s, const char *word)
{
    struct buf why;
    buf_init(&why, 512);
    int err = impair_settings_set(s, slice_str(word), &why);
    assert_int_equal(err != 0, why.n > 0);
    assert_int_equal(why.err, 0);
    buf_fini(&why);
    return err;
}

static void expect_text(const struct impair_settings *s, const char *text)
{
    struct buf out;
    buf_init(&out, 512);
    impair_settings_format(s, &out);
    assert_string_equal(buf_text(&out), text);
    buf_fini(&out);
}

static void test_words_set_one_thing_each(void **state)
{
    (void)state;
    struct impair_settings s = {0};
    expect_text(&s, "good");
    assert_int_equal(set(&s, "loss=10%"), 0);
    assert_int_equal(s.loss, 100000);
    assert_int_equal(set(&s, "reorder=0.25%"), 0);
    assert_int_equal(s.reorder, 2500);
    assert_int_equal(set(&s, "delay=50ms"), 0);
    assert_int_equal(set(&s, "jitter=1s"), 0);
    assert_int_equal(s.jitter_ms, 1000);
    assert_int_equal(set(&s, "burst=300ms/5s"), 0);
    assert_int_equal(set(&s, "rate=256k"), 0);
    assert_int_equal(s.rate, 256000);
    assert_int_equal(set(&s, "cut=yes"), 0);
    expect_text(&s, "loss=10% reorder=0.25% delay=50ms jitter=1s burst=300ms/5s rate=256000 cut=yes");
}

static void test_nothing_takes_a_setting_off(void **state)
{
    (void)state;
    struct impair_settings s = {.loss = 5, .reorder = 5, .burst_ms = 5, .every_ms = 9, .delay_ms = 5, .jitter_ms = 5};
    s.rate = 8000;
    s.cut = true;
    static const char *const words[] = {"loss=0%",    "reorder=0.0%", "burst=0", "delay=0",
                                        "jitter=0ms", "rate=0",       "cut=no"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_int_equal(set(&s, words[i]), 0);
    expect_text(&s, "good");
}

static void test_what_is_refused_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        int err;
    } cases[] = {
        {"", ERR_SYNTAX},
        {"loss", ERR_SYNTAX},
        {"loss=", ERR_SYNTAX},
        {"loss=10", ERR_SYNTAX},
        {"loss=%", ERR_SYNTAX},
        {"loss=-1%", ERR_SYNTAX},
        {"loss=1.23456%", ERR_SYNTAX},
        {"loss=100.1%", ERR_RANGE},
        {"lost=1%", ERR_SYNTAX},
        {"delay=fast", ERR_SYNTAX},
        {"delay=2m", ERR_RANGE},
        {"burst=1s", ERR_SYNTAX},
        {"burst=1s/1s", ERR_RANGE},
        {"burst=1s/2h", ERR_RANGE},
        {"rate=1k", ERR_RANGE},
        {"rate=99999999M", ERR_SYNTAX},
        {"rate=k", ERR_SYNTAX},
        {"cut=maybe", ERR_SYNTAX},
    };
    struct impair_settings s = {.loss = 1, .delay_ms = 2, .burst_ms = 3, .every_ms = 4, .rate = 9000}, before = s;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(set(&s, cases[i].word), cases[i].err);
        assert_memory_equal(&s, &before, sizeof s);
    }
}

static void test_text_is_read_back(void **state)
{
    (void)state;
    struct seeded_entropy seeded = {11};
    struct entropy e = seeded_entropy_port(&seeded);
    for (unsigned i = 0; i < 500; i++) {
        struct impair_settings s = {0}, back = {0};
        s.loss = (uint32_t)entropy_below(&e, IMPAIR_MILLION + 1);
        s.reorder = (uint32_t)entropy_below(&e, 200);
        s.delay_ms = entropy_between(&e, 0, IMPAIR_TIME_MS_MAX);
        s.burst_ms = entropy_between(&e, 0, IMPAIR_TIME_MS_MAX);
        s.every_ms = s.burst_ms ? entropy_between(&e, s.burst_ms + 1, IMPAIR_EVERY_MS_MAX) : 0;
        s.rate = (uint64_t)entropy_between(&e, IMPAIR_RATE_MIN, 100000000);
        s.cut = entropy_below(&e, 2);
        struct buf out;
        buf_init(&out, 512);
        impair_settings_format(&s, &out);
        struct slice text = buf_slice(&out);
        while (text.p && text.n) {
            struct buf why;
            buf_init(&why, 512);
            assert_int_equal(impair_settings_set(&back, text_cut(&text, ' '), &why), 0);
            buf_fini(&why);
        }
        assert_memory_equal(&s, &back, sizeof s);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_set_one_thing_each),
        cmocka_unit_test(test_nothing_takes_a_setting_off),
        cmocka_unit_test(test_what_is_refused_changes_nothing),
        cmocka_unit_test(test_text_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
