/* The kernel's randomness: never the same twice, also not in a forked child. */
#include "io/process.h"
#include "testing.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forked_child_draws_something_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
