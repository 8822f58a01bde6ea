/* What the service manager reads, and what becomes of it when there is none. */
#include "base/err.h"
#include "io/notify.h"
#include "testing.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A manager's socket, with the name in the environment; '@' in front: one of the abstract namespace. */
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    const size_t octets = offsetof(struct sockaddr_un, sun_path) + strlen(name) + (name[0] != '@');
    assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)octets), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static void assert_read(int fd, const char *expected)
{
    char text[200];
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    assert_true(n > 0);
    text[n] = '\0';
    assert_string_equal(text, expected);
}

static void assert_all_told(int fd)
{
    assert_int_equal(notify_ready(), 0);
    assert_read(fd, "READY=1");
    assert_int_equal(notify_reloading((struct mono){1234567890123}), 0);
    assert_read(fd, "RELOADING=1\nMONOTONIC_USEC=1234567890123");
    assert_int_equal(notify_stopping(), 0);
    assert_read(fd, "STOPPING=1");
}

static void names_of_both_kinds(void **state)
{
    char folder[] = "/tmp/ime-notify-XXXXXX", path[60], name[60];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    int fd = listen_at(path);
    assert_all_told(fd);
    close(fd);
    assert_int_equal(notify_ready(), ERR_UNREACHABLE); /* the file is there still */
    unlink(path);
    assert_int_equal(notify_ready(), ERR_UNREACHABLE);
    rmdir(folder);

    snprintf(name, sizeof name, "@ime-notify-%d", (int)getpid());
    fd = listen_at(name);
    assert_all_told(fd);
    close(fd);
    assert_int_equal(notify_ready(), ERR_UNREACHABLE);
}

static void nobody_asked(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(notify_ready(), 0);
    assert_int_equal(notify_stopping(), 0);
}

static void names_of_no_unix_socket(void **state)
{
    char name[sizeof((struct sockaddr_un *)0)->sun_path + 1];
    (void)state;
    memset(name, 'a', sizeof name);
    name[0] = '/';
    name[sizeof name - 1] = '\0'; /* one octet more than there is room for, with the end of the name */
    static const char *const others[] = {"", "@", "/", "vsock:2:1234", "notify"};
    for (size_t i = 0; i <= sizeof others / sizeof others[0]; i++) {
        assert_int_equal(setenv("NOTIFY_SOCKET", i ? others[i - 1] : name, 1), 0);
        assert_int_equal(notify_ready(), ERR_UNSUPPORTED);
    }
}

static void a_manager_that_does_not_read(void **state)
{
    char name[60];
    (void)state;
    snprintf(name, sizeof name, "@ime-notify-full-%d", (int)getpid());
    int fd = listen_at(name), err = 0;
    for (unsigned i = 0; i < 100000 && !err; i++)
        err = notify_ready();
    assert_int_equal(err, ERR_LIMIT);
    assert_read(fd, "READY=1");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_both_kinds),
        cmocka_unit_test(nobody_asked),
        cmocka_unit_test(names_of_no_unix_socket),
        cmocka_unit_test(a_manager_that_does_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
