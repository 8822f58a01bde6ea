/* The connection to a daemon: a Unix socket, one request, one answer, a deadline. */
#include "imectl.h"

#include "ctl/session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The daemon that is asked: of those that answer the command, the one of that name, or the first one that is there. */
static const struct ctl_program_info *daemon_of(const struct options *o, unsigned programs)
{
    const struct ctl_program_info *first = NULL;
    for (const struct ctl_program_info *p = ctl_programs; p->name; p++) {
        char path[256];
        if (!(programs & (unsigned)p->program))
            continue;
        snprintf(path, sizeof path, "%s/%s.sock", CONTROL_FOLDER, p->word);
        if (o->name ? strcmp(o->name, p->word) == 0 : access(path, F_OK) == 0)
            return p;
        first = first ? first : p;
    }
    return first;
}

/* In this order: --socket, --name, the environment, the usual place of the daemon. */
static void socket_path(const struct options *o, const char *daemon_word, char *ret_path, size_t octets)
{
    const char *from_environment = getenv("IME_CONTROL");
    if (o->socket)
        snprintf(ret_path, octets, "%s", o->socket);
    else if (o->name || !from_environment || !*from_environment)
        snprintf(ret_path, octets, "%s/%s.sock", CONTROL_FOLDER, o->name ? o->name : daemon_word);
    else
        snprintf(ret_path, octets, "%s", from_environment);
}

static void explain_connect(const char *path, const char *daemon, int error)
{
    switch (error) {
    case ENOENT:
        fprintf(stderr,
                "imectl: %s does not run here: there is no socket %s\n"
                "  Start it (systemctl start %s), or say where its socket is: --socket PATH, or IME_CONTROL=PATH\n",
                daemon, path, daemon);
        break;
    case ECONNREFUSED:
        fprintf(stderr,
                "imectl: nobody listens on %s: %s has ended\n"
                "  Its log says why: journalctl -u %s\n",
                path, daemon, daemon);
        break;
    case EACCES:
        fprintf(stderr,
                "imectl: you may not use %s\n"
                "  Only root and the user that the daemon runs as may: try sudo imectl …\n",
                path);
        break;
    default:
        fprintf(stderr, "imectl: %s: %s\n", path, strerror(error));
    }
}

static int connect_to(const char *path, const char *daemon)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        fprintf(stderr, "imectl: the socket's path is too long (more than %zu octets): %s\n",
                sizeof address.sun_path - 1, path);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        explain_connect(path, daemon, errno);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* Waits until the socket is ready; false at the deadline. */
static bool wait_for(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms - clock_ms();
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left);
        if (n > 0)
            return true;
        if (n == 0 && left <= 3600000)
            return false;
        if (n < 0 && errno != EINTR)
            return false;
    }
}

static bool send_all(int fd, struct slice octets, int64_t deadline_ms)
{
    while (octets.n) {
        if (!wait_for(fd, POLLOUT, deadline_ms))
            return false;
        ssize_t n = send(fd, octets.p, octets.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (n > 0)
            octets = slice_of(octets.p + n, octets.n - (size_t)n);
    }
    return true;
}

/* One line, without its newline. 0, ERR_TIMEOUT, ERR_CLOSED, ERR_LIMIT or ERR_NO_MEMORY. */
static int receive_line(int fd, int64_t deadline_ms, struct buf *ret_line)
{
    static uint8_t chunk[65536];
    for (;;) {
        if (!wait_for(fd, POLLIN, deadline_ms))
            return ERR_TIMEOUT;
        ssize_t n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return ERR_CLOSED;
        const uint8_t *end = memchr(chunk, '\n', (size_t)n);
        buf_put(ret_line, chunk, end ? (size_t)(end - chunk) : (size_t)n);
        if (ret_line->err)
            return ret_line->err;
        if (end)
            return 0;
    }
}

static enum exit_code exchange(int fd, const struct options *o, const char *daemon, struct slice request,
                               struct buf *ret_answer)
{
    int64_t deadline_ms = clock_ms() + o->timeout_ms;
    bool sent = send_all(fd, request, deadline_ms) && send_all(fd, slice_str("\n"), deadline_ms);
    int err = sent ? receive_line(fd, deadline_ms, ret_answer) : ERR_CLOSED;
    switch (err) {
    case 0:
        return EXIT_GOOD;
    case ERR_TIMEOUT:
        fprintf(stderr, "imectl: %s has not answered in %lld s\n  It may be busy: try again with --timeout SECONDS\n",
                daemon, (long long)(o->timeout_ms / 1000));
        break;
    case ERR_CLOSED:
        fprintf(stderr, "imectl: %s has closed the connection\n  Its log says why: journalctl -u %s\n", daemon, daemon);
        break;
    default:
        fprintf(stderr, "imectl: the answer of %s: %s\n", daemon, err_text(err));
    }
    return EXIT_NO_CONNECTION;
}

enum exit_code client_exchange(const struct options *o, unsigned programs, struct slice request, struct buf *ret_answer)
{
    char path[4096];
    const struct ctl_program_info *daemon = daemon_of(o, programs);
    socket_path(o, daemon->word, path, sizeof path);
    int fd = connect_to(path, daemon->name);
    if (fd < 0)
        return EXIT_NO_CONNECTION;
    enum exit_code code = exchange(fd, o, daemon->name, request, ret_answer);
    close(fd);
    return code;
}
