/* Unix sockets: who may connect, and what is in the way. */
#include "ends.h"
#include "io/unix.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct world {
    struct ends ends;
    char folder[64];
    char path[80];
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    ends_init(&w->ends);
    snprintf(w->folder, sizeof w->folder, "/tmp/ime-unix-XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->path, sizeof w->path, "%s/control", w->folder);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    ends_fini(&w->ends);
    unlink(w->path);
    int status = rmdir(w->folder);
    free(w);
    return status;
}

static void on_accept(void *arg, struct stream *stream)
{
    struct ends *ends = arg;
    struct end *end = &ends->accepted[ends->accepted_count++];
    end_init(end, ends);
    end->echo = true;
    end->stream = stream;
    stream_set_handler(stream, &end_handler, end);
}

static int open_listener(struct world *w, struct listener **ret_listener)
{
    const struct listener_options options = {.stream.counters = &w->ends.server_counters};
    return listener_open_unix(w->ends.loop, w->path, &options, on_accept, &w->ends, ret_listener);
}

static void test_exchange(void **state)
{
    struct world *w = *state;
    const struct stream_options options = {0};
    assert_int_equal(open_listener(w, &w->ends.listener), 0);
    struct stat status;
    assert_int_equal(stat(w->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(
        stream_connect_unix(w->ends.loop, w->path, &options, &end_handler, &w->ends.client, &w->ends.client.stream), 0);
    TURN_UNTIL(&w->ends, w->ends.client.ready);
    assert_int_equal(stream_write(w->ends.client.stream, slice_str("show status\n")), 0);
    TURN_UNTIL(&w->ends, w->ends.client.received.n == 12);
    assert_int_equal(stream_peer_addr(w->ends.accepted[0].stream).family, 0);
    listener_close(w->ends.listener);
    w->ends.listener = NULL;
    assert_int_not_equal(access(w->path, F_OK), 0);
}

static void test_live_socket_stays(void **state)
{
    struct world *w = *state;
    struct listener *second;
    assert_int_equal(open_listener(w, &w->ends.listener), 0);
    assert_int_equal(open_listener(w, &second), ERR_EXISTS);
    assert_int_equal(access(w->path, F_OK), 0);
}

static void test_stale_socket_gives_way(void **state)
{
    struct world *w = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", w->path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (void *)&address, sizeof address), 0);
    close(fd); /* as a killed daemon leaves it */
    assert_int_equal(open_listener(w, &w->ends.listener), 0);
}

static void test_anything_else_stays(void **state)
{
    struct world *w = *state;
    FILE *file = fopen(w->path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(open_listener(w, &w->ends.listener), ERR_EXISTS);
    assert_int_equal(access(w->path, F_OK), 0);
    assert_int_equal(unlink(w->path), 0);
    assert_int_equal(symlink("/etc/hostname", w->path), 0);
    assert_int_equal(open_listener(w, &w->ends.listener), ERR_EXISTS);
}

static void test_nobody_there(void **state)
{
    struct world *w = *state;
    const struct stream_options options = {.counters = &w->ends.client_counters};
    assert_int_equal(
        stream_connect_unix(w->ends.loop, w->path, &options, &end_handler, &w->ends.client, &w->ends.client.stream), 0);
    TURN_UNTIL(&w->ends, w->ends.client.closed);
    assert_int_equal(w->ends.client.reason, STREAM_REFUSED);
}

static void test_path_too_long(void **state)
{
    struct world *w = *state;
    char path[200];
    struct stream *stream;
    struct listener *listener;
    const struct stream_options options = {0};
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_int_equal(stream_connect_unix(w->ends.loop, path, &options, &end_handler, NULL, &stream), ERR_RANGE);
    assert_int_equal(listener_open_unix(w->ends.loop, path, &(struct listener_options){0}, on_accept, NULL, &listener),
                     ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_exchange, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_live_socket_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stale_socket_gives_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_anything_else_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_path_too_long, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
