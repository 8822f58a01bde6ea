/* The kernel's randomness: never the same twice, also not in a forked child. Lines of the log that are gathered: when they leave. */
#include "base/sanitized.h"
#include "io/process.h"
#include "testing.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DRAWS 16

static void draw(uint64_t *values)
{
    struct entropy entropy = kernel_entropy();
    for (unsigned i = 0; i < DRAWS; i++)
        values[i] = entropy_u64(&entropy);
}

static void a_forked_child_draws_something_else(void **state)
{
    (void)state;
    uint64_t first[DRAWS], here[DRAWS], there[DRAWS];
    int ends[2];
    draw(first); /* a block is there, and not used up */
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        draw(there);
        _exit(write(ends[1], there, sizeof there) == sizeof there ? 0 : 1);
    }
    assert_true(child > 0);
    draw(here);
    assert_int_equal(read(ends[0], there, sizeof there), sizeof there);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    for (unsigned i = 0; i < DRAWS; i++)
        for (unsigned k = 0; k < DRAWS; k++) {
            assert_true(here[i] != there[k]);
            assert_true(first[i] != here[k] && first[i] != there[k]);
        }
    close(ends[0]);
    close(ends[1]);
}

/* ---- gathered lines ---- */

#define MARK "mark\n" /* what the child writes itself, to show what has left before */

static void count(void *arg)
{
    ++*(unsigned *)arg;
}

static void mark(void)
{
    if (write(STDERR_FILENO, MARK, strlen(MARK)) != (ssize_t)strlen(MARK))
        _exit(99);
}

/* Runs it in a child, whose standard error goes to text. Its status as of waitpid. */
static int said_by(void (*speak)(const struct log *log), char *ret_text, size_t octets)
{
    int ends[2], status;
    size_t n = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        const struct log log = stderr_log(LEVEL_INFO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        signal(SIGABRT, SIG_DFL); /* the test's own */
        speak(&log);
        _exit(98);
    }
    assert_true(child > 0);
    close(ends[1]);
    for (ssize_t got; n < octets - 1 && (got = read(ends[0], ret_text + n, octets - 1 - n)) > 0;)
        n += (size_t)got;
    ret_text[n] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* What stands in a text, in order; the dates between do not matter. */
static void assert_order(const char *text, const char *const *words)
{
    for (; *words; words++) {
        const char *found = strstr(text, *words);
        if (!found)
            fail_msg("%s is missing", *words);
        text = found + strlen(*words);
    }
}

static void speak_until_exit(const struct log *log)
{
    unsigned waiting = 0;
    log_event(log, LEVEL_INFO, "alone", "a=1");
    mark();
    stderr_log_gather(count, &waiting);
    log_event(log, LEVEL_INFO, "first", "a=1");
    log_event(log, LEVEL_NOTICE, "second", "a=1");
    mark();
    stderr_log_flush();
    log_event(log, LEVEL_INFO, "third", "a=1");
    log_event(log, LEVEL_WARNING, "warned", "a=1");
    mark();
    log_event(log, LEVEL_INFO, "last", "a=1");
    mark();
    exit(waiting == 3 ? 0 : 1);
}

static void gathered_lines_leave_by_the_end(void **state)
{
    (void)state;
    char text[4096];
    const int status = said_by(speak_until_exit, text, sizeof text);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_order(text, (const char *const[]){"alone a=1\n", MARK, MARK, "first a=1\n", "second a=1\n", "third a=1\n",
                                             "warned a=1\n", MARK, MARK, "last a=1\n", NULL});
}

static void speak_and_abort(const struct log *log)
{
    unsigned waiting = 0;
    stderr_log_gather(count, &waiting);
    log_event(log, LEVEL_INFO, "last", "a=1");
    mark();
    abort();
}

static void gathered_lines_survive_an_abort(void **state)
{
    (void)state;
    char text[4096];
    if (SANITIZED)
        skip(); /* the sanitizer has its own way with that signal */
    const int status = said_by(speak_and_abort, text, sizeof text);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_order(text, (const char *const[]){MARK, "last a=1\n", NULL});
}

static void speak_much(const struct log *log)
{
    unsigned waiting = 0;
    stderr_log_gather(count, &waiting);
    for (unsigned i = 0; i < 1000; i++)
        log_event(log, LEVEL_INFO, "much", "i=%u %0200d", i, 0);
    stderr_log_gather(NULL, NULL);
    mark();
    log_event(log, LEVEL_INFO, "alone", "a=1");
    mark();
    _exit(waiting > 1 ? 0 : 1);
}

static void no_line_is_lost_or_cut(void **state)
{
    (void)state;
    static char text[1000 * 300];
    const int status = said_by(speak_much, text, sizeof text);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    const char *at = text;
    for (unsigned i = 0; i < 1000; i++) {
        char words[32];
        snprintf(words, sizeof words, " much i=%u 0", i);
        at = strstr(at, words);
        assert_non_null(at);
        assert_int_equal(strspn(at + strlen(words) - 1, "0"), 200);
        at = strchr(at, '\n');
        assert_non_null(at);
    }
    assert_order(at, (const char *const[]){MARK, "alone a=1\n", MARK, NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forked_child_draws_something_else),
        cmocka_unit_test(gathered_lines_leave_by_the_end),
        cmocka_unit_test(gathered_lines_survive_an_abort),
        cmocka_unit_test(no_line_is_lost_or_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
