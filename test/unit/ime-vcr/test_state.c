/* The progress of an upload, through interruptions, replaced files and damaged state files. */
#include "io/file.h"
#include "state.h"
#include "testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct folder {
    char path[256];
    char file[300];
    char state[300];
};

static int setup(void **state)
{
    static struct folder f;
    snprintf(f.path, sizeof f.path, "%s/vcr-state-XXXXXX", getenv("IME_BUILD") ? getenv("IME_BUILD") : "/tmp");
    assert_non_null(mkdtemp(f.path));
    snprintf(f.file, sizeof f.file, "%s/calls.csv", f.path);
    snprintf(f.state, sizeof f.state, "%s/calls.state", f.path);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    const struct folder *f = *state;
    unlink(f->file);
    unlink(f->state);
    return rmdir(f->path);
}

static int write_file(const struct folder *f, const char *text)
{
    assert_int_equal(file_write(f->file, slice_str(text), 0600), 0);
    return open(f->file, O_RDONLY);
}

#define CALLS "aaaa\nbbbb\ncccc\ndddd\n"

/* Three records begun, the first and the third done. */
static void run_once(const struct folder *f, int descriptor)
{
    struct state s;
    struct state_item *items[3];
    state_init(&s, f->state);
    assert_int_equal(state_load(&s, descriptor), 0);
    assert_int_equal(s.offset, 0);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(state_begin(&s, 5 * i, 5 * i + 5, i + 2, &items[i]), 0);
    state_end(&s, items[0]);
    state_end(&s, items[2]);
    assert_int_equal(state_save(&s), 0);
    state_fini(&s);
}

static void test_what_is_done_is_not_repeated(void **state)
{
    const struct folder *f = *state;
    struct state s;
    int descriptor = write_file(f, CALLS);
    run_once(f, descriptor);
    state_init(&s, f->state);
    assert_int_equal(state_load(&s, descriptor), 0);
    assert_int_equal(s.offset, 5);
    assert_int_equal(s.line, 2);
    assert_false(state_is_done(&s, 5));
    assert_true(state_is_done(&s, 10));
    /* Interrupted again before it comes to the third: that is still remembered. */
    s.changed = true;
    assert_int_equal(state_save(&s), 0);
    state_fini(&s);
    state_init(&s, f->state);
    assert_int_equal(state_load(&s, descriptor), 0);
    assert_true(state_is_done(&s, 10));
    struct state_item *item;
    assert_int_equal(state_begin(&s, 5, 10, 3, &item), 0);
    state_pass(&s, 15, 4); /* the third */
    assert_int_equal(state_save(&s), 0);
    struct state interrupted;
    state_init(&interrupted, f->state);
    assert_int_equal(state_load(&interrupted, descriptor), 0);
    assert_int_equal(interrupted.offset, 5);
    assert_true(state_is_done(&interrupted, 10));
    state_fini(&interrupted);
    state_end(&s, item);
    assert_int_equal(s.offset, 15);
    assert_int_equal(state_save(&s), 0);
    state_fini(&s);
    close(descriptor);
}

static void test_a_file_that_grew_goes_on(void **state)
{
    const struct folder *f = *state;
    struct state s;
    int descriptor = write_file(f, CALLS);
    run_once(f, descriptor);
    FILE *more = fopen(f->file, "a");
    fputs("eeee\n", more);
    fclose(more);
    state_init(&s, f->state);
    assert_int_equal(state_load(&s, descriptor), 0);
    assert_int_equal(s.offset, 5);
    state_fini(&s);
    close(descriptor);
}

static void test_another_file_begins_anew(void **state)
{
    const struct folder *f = *state;
    struct state s;
    int descriptor = write_file(f, CALLS);
    run_once(f, descriptor);
    close(descriptor);
    descriptor = write_file(f, CALLS "eeee\n"); /* another inode */
    state_init(&s, f->state);
    assert_int_equal(state_load(&s, descriptor), 0);
    assert_int_equal(s.offset, 0);
    assert_false(state_is_done(&s, 10));
    state_fini(&s);
    close(descriptor);
}

static void test_overwritten_or_shorter_file_begins_anew(void **state)
{
    const struct folder *f = *state;
    static const char *const texts[] = {"xxxx\nbbbb\ncccc\n", "aaa", ""};
    for (size_t i = 0; i < 3; i++) {
        struct state s;
        int descriptor = write_file(f, CALLS);
        run_once(f, descriptor);
        int again = open(f->file, O_WRONLY | O_TRUNC);
        assert_int_equal(write(again, texts[i], strlen(texts[i])), strlen(texts[i]));
        close(again);
        state_init(&s, f->state);
        assert_int_equal(state_load(&s, descriptor), 0);
        assert_int_equal(s.offset, 0);
        state_fini(&s);
        close(descriptor);
        unlink(f->state);
    }
}

static void test_what_is_no_state_file(void **state)
{
    const struct folder *f = *state;
    static const char *const texts[] = {"",
                                        "hello\n",
                                        "ime-vcr upload 2\n",
                                        "ime-vcr upload 1\noffset x\n",
                                        "ime-vcr upload 1\nhead 5000 00\n",
                                        "ime-vcr upload 1\nwhat 1\n"};
    int descriptor = write_file(f, CALLS);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct state s;
        assert_int_equal(file_write(f->state, slice_str(texts[i]), 0600), 0);
        state_init(&s, f->state);
        assert_int_equal(state_load(&s, descriptor), ERR_SYNTAX);
        state_fini(&s);
    }
    close(descriptor);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_what_is_done_is_not_repeated), T(test_a_file_that_grew_goes_on),
        T(test_another_file_begins_anew),     T(test_overwritten_or_shorter_file_begins_anew),
        T(test_what_is_no_state_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
