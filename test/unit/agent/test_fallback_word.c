/* What agents say to each other about moving a call: read and written. */
#include "agent/fallback_word.h"
#include "testing.h"

#include <string.h>

static struct fallback_word read_word(const char *text)
{
    struct fallback_word word;
    assert_int_equal(fallback_word_parse(slice_str(text), &word), 0);
    return word;
}

/* What is read is written as it was. */
static void there_and_back(void **state)
{
    static const char *const words[] = {
        "ready",
        "ready;return=30",
        "offered;number=+4930200000;token=483920;caller-id=5;return=30",
        "offered;number=+4930200000",
        "wanted;why=quality",
        "wanted;why=dead",
        "calling",
        "calling;token=0000000000000000",
        "joined;token=1",
        "failed;cause=133",
        "return",
        "quality;bad",
        "quality;good",
        "kept",
        "left",
    };
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const struct fallback_word word = read_word(words[i]);
        struct buf out;
        buf_init(&out, FALLBACK_WORD_OCTETS_MAX);
        fallback_word_format(&word, &out);
        assert_string_equal(buf_text(&out), words[i]);
        buf_fini(&out);
    }
}

static void as_others_may_write(void **state)
{
    (void)state;
    const struct fallback_word word = read_word(" Offered ; NUMBER = +4930200000 ; new=thing ; caller-id=07;flag");
    assert_int_equal(word.verb, FALLBACK_OFFERED);
    assert_string_equal(word.number.text, "+4930200000");
    assert_int_equal(word.caller_id_digits, 7);
    assert_string_equal(word.token, "");
    assert_int_equal(word.return_s, 0);
    assert_false(read_word("quality").is_bad);
}

static void refused(void **state)
{
    static const struct {
        const char *text;
        int err;
    } words[] = {
        {"", ERR_UNSUPPORTED},
        {"move", ERR_UNSUPPORTED},
        {"readyness", ERR_UNSUPPORTED},
        {"offered", ERR_SYNTAX},
        {"offered;number=030200", ERR_SYNTAX},
        {"offered;number=+49302;token=", ERR_RANGE},
        {"offered;number=+49302;token=12345678901234567", ERR_RANGE},
        {"offered;number=+49302;token=12a", ERR_SYNTAX},
        {"offered;number=+49302;caller-id=16", ERR_RANGE},
        {"ready;return=86401", ERR_RANGE},
        {"ready;return=-1", ERR_SYNTAX},
        {"failed;cause=1000", ERR_RANGE},
        {"ready;", ERR_SYNTAX},
        {"ready;;return=1", ERR_SYNTAX},
        {"ready;=1", ERR_SYNTAX},
    };
    char longer[FALLBACK_WORD_OCTETS_MAX + 2];
    struct fallback_word word = {.cause = 7};
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        assert_int_equal(fallback_word_parse(slice_str(words[i].text), &word), words[i].err);
        assert_int_equal(word.cause, 7); /* untouched */
    }
    memset(longer, 'x', sizeof longer);
    memcpy(longer, "ready;a=", 8);
    assert_int_equal(fallback_word_parse(slice_of(longer, FALLBACK_WORD_OCTETS_MAX), &word), 0);
    assert_int_equal(fallback_word_parse(slice_of(longer, FALLBACK_WORD_OCTETS_MAX + 1), &word), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(as_others_may_write),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
