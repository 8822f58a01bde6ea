/* Files: bounds, modes, replacement, folders, locks. */
#include "io/file.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static char path[128];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/ime-file-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void assert_contents(const char *text)
{
    struct buf contents;
    buf_init(&contents, 1000);
    assert_int_equal(file_read(path, &contents), 0);
    assert_slice_text(buf_slice(&contents), text);
    buf_fini(&contents);
}

static mode_t mode_of(const char *file)
{
    struct stat status;
    assert_int_equal(stat(file, &status), 0);
    return status.st_mode & 07777;
}

static void test_write_replaces(void **state)
{
    (void)state;
    char leftover[160];
    snprintf(leftover, sizeof leftover, "%s.new", path);
    assert_int_equal(symlink("/nowhere", leftover), 0); /* of an interrupted write, or of somebody who means ill */
    umask(0);
    assert_int_equal(file_write(path, slice_str("one"), 0600), 0);
    assert_contents("one");
    assert_int_equal(mode_of(path), 0600);
    assert_int_not_equal(access(leftover, F_OK), 0);
    umask(077);
    assert_int_equal(file_write(path, slice_str(""), 0644), 0);
    assert_contents("");
    assert_int_equal(mode_of(path), 0644);
    assert_int_equal(file_write("/nowhere/at/all", slice_str("x"), 0600), ERR_NOT_FOUND);
}

static void test_read_is_bounded(void **state)
{
    (void)state;
    struct buf contents;
    assert_int_equal(file_write(path, slice_str("12345678901"), 0600), 0);
    buf_init(&contents, 10);
    assert_int_equal(file_read(path, &contents), ERR_LIMIT);
    buf_clear(&contents);
    assert_int_equal(file_read(folder, &contents), ERR_IO);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(file_read(path, &contents), ERR_NOT_FOUND);
    buf_fini(&contents);
}

static void test_secret_must_be_private(void **state)
{
    (void)state;
    struct buf contents;
    buf_init(&contents, 100);
    assert_int_equal(file_write(path, slice_str("secret"), 0600), 0);
    assert_int_equal(file_read_secret(path, &contents), 0);
    assert_slice_text(buf_slice(&contents), "secret");
    for (unsigned bit = 0; bit < 6; bit++) {
        assert_int_equal(chmod(path, 0600 | 1u << bit), 0);
        assert_int_equal(file_read_secret(path, &contents), ERR_FORBIDDEN);
    }
    assert_int_equal(chmod(path, 0600), 0);
    char link_path[160];
    snprintf(link_path, sizeof link_path, "%s/link", folder);
    assert_int_equal(symlink(path, link_path), 0);
    assert_int_equal(file_read_secret(link_path, &contents), ERR_FORBIDDEN);
    assert_int_equal(unlink(link_path), 0);
    assert_int_equal(file_read_secret(folder, &contents), ERR_FORBIDDEN);
    buf_fini_secret(&contents);
}

static void test_folders(void **state)
{
    (void)state;
    char deep[160];
    snprintf(deep, sizeof deep, "%s/a/b//c/", folder);
    umask(0);
    assert_int_equal(file_make_folder(deep), 0);
    assert_int_equal(file_make_folder(deep), 0);
    assert_int_equal(mode_of(deep), 0700);
    assert_int_equal(file_write(path, slice_str("in the way"), 0600), 0);
    assert_int_equal(file_make_folder(path), ERR_NOT_FOUND);
    static const char *const parts[] = {"a/b/c", "a/b", "a"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(deep, sizeof deep, "%s/%s", folder, parts[i]);
        assert_int_equal(rmdir(deep), 0);
    }
}

static void test_lock(void **state)
{
    (void)state;
    int descriptor, second;
    assert_int_equal(file_lock(folder, &descriptor), 0);
    assert_int_equal(file_lock(folder, &second), ERR_CONFLICT);
    pid_t child = fork();
    if (child == 0) {
        close(descriptor);
        _exit(-file_lock(folder, &second));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), -ERR_CONFLICT);
    file_unlock(descriptor);
    assert_int_equal(file_lock(folder, &second), 0);
    file_unlock(second);
    snprintf(path, sizeof path, "%s/lock", folder);
}

static void test_stamp(void **state)
{
    (void)state;
    assert_int_equal(file_stamp(path), 0);
    assert_int_equal(file_write(path, slice_str("one"), 0600), 0);
    uint64_t stamp = file_stamp(path);
    assert_int_not_equal(stamp, 0);
    assert_int_equal(file_stamp(path), stamp);
    assert_int_equal(file_write(path, slice_str("two"), 0600),
                     0); /* as long as before, and maybe within a tick: another file */
    assert_int_not_equal(file_stamp(path), stamp);
    stamp = file_stamp(path);
    FILE *file = fopen(path, "a");
    assert_true(file && fputs("more", file) >= 0 && fclose(file) == 0);
    assert_int_not_equal(file_stamp(path), stamp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_write_replaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_read_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_secret_must_be_private, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folders, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lock, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stamp, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
