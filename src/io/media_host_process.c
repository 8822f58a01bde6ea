/* Processes of media workers: started, talked to, started anew when they die. */
#include "io/media_host_private.h"

#include "base/mem.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/media_worker.h"

#define MESSAGES_PER_EVENT 256
#define END_PATIENCE_MS 2000

extern char **environ;

/* A command that waits for its worker to read. */
struct waiting_message {
    struct list link;
    int fds[MEDIA_COMPONENTS]; /* our own copies; -1: none */
    size_t octets_n;
    uint8_t octets[];
};

/* ---- sending ---- */

static void message_free(struct host_worker *w, struct waiting_message *m)
{
    for (unsigned i = 0; i < MEDIA_COMPONENTS; i++)
        if (m->fds[i] >= 0)
            close(m->fds[i]);
    w->queue_count--;
    list_remove(&m->link);
    mem_wipe(m->octets, m->octets_n);
    mem_free(m);
}

static void clear_queue(struct host_worker *w)
{
    LIST_EACH(link, &w->queue)
        message_free(w, CONTAINER_OF(link, struct waiting_message, link));
}

/* As send. */
static ssize_t send_message(const struct host_worker *w, struct slice octets, const int fds[MEDIA_COMPONENTS])
{
    uint8_t control[CMSG_SPACE(sizeof(int) * MEDIA_COMPONENTS)] __attribute__((aligned(8))) = {0};
    struct iovec vector = {(void *)(uintptr_t)octets.p, octets.n};
    struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
    if (fds[0] >= 0) {
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * MEDIA_COMPONENTS);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * MEDIA_COMPONENTS);
    }
    ssize_t n;
    do {
        n = sendmsg(w->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* It does not do what it should: its end is noticed in the next turn, as that of any other. */
static void give_up(struct host_worker *w)
{
    shutdown(w->fd, SHUT_RDWR);
    clear_queue(w);
}

static bool is_full(int number)
{
    return number == EAGAIN || number == ENOBUFS || number == ETOOMANYREFS;
}

static int queue_message(struct host_worker *w, struct slice octets, const int fds[MEDIA_COMPONENTS])
{
    if (w->queue_count >= MEDIA_QUEUE_MESSAGES_MAX)
        return ERR_LIMIT;
    struct waiting_message *m = mem_alloc(sizeof *m + octets.n);
    if (!m)
        return ERR_NO_MEMORY;
    memcpy(m->octets, octets.p, octets.n);
    m->octets_n = octets.n;
    bool ok = true;
    for (unsigned i = 0; i < MEDIA_COMPONENTS; i++) {
        m->fds[i] = fds[i] >= 0 ? dup(fds[i]) : -1;
        ok = ok && (fds[i] < 0 || m->fds[i] >= 0);
    }
    list_append(&w->queue, &m->link);
    w->queue_count++;
    event_add(&w->write_event, NULL);
    return ok ? 0 : ERR_IO;
}

static void stuck(struct host_worker *w, int err)
{
    log_event(w->host->options.log, LEVEL_ERROR, "media.worker.stuck", "worker=%u pid=%d reason=%s", w->index,
              (int)w->pid, err_name(err));
    give_up(w);
}

void media_host_send(struct host_worker *w, struct slice command, const int fds[MEDIA_COMPONENTS])
{
    static const int none[MEDIA_COMPONENTS] = {-1, -1};
    int err = 0;
    if (w->fd < 0)
        return;
    if (!fds)
        fds = none;
    bool sent = list_empty(&w->queue) && send_message(w, command, fds) >= 0;
    if (!sent && (!list_empty(&w->queue) || is_full(errno)))
        err = queue_message(w, command, fds);
    /* Otherwise nobody is there anymore. */
    if (err)
        stuck(w, err);
}

void media_host_command(struct host_worker *w, const struct media_control *command, const int fds[MEDIA_COMPONENTS])
{
    struct buf b;
    buf_init(&b, MEDIA_CONTROL_OCTETS_MAX);
    int err = media_control_encode(command, &b);
    if (!err)
        media_host_send(w, buf_slice(&b), fds);
    else if (w->fd >= 0)
        stuck(w, err);
    buf_fini_secret(&b);
}

void media_host_kill_worker(struct host_worker *w)
{
    kill(w->pid, SIGKILL); /* its end is noticed in the next turn */
}

static void write_event(evutil_socket_t fd, short what, void *arg)
{
    struct host_worker *w = arg;
    (void)fd;
    (void)what;
    while (!list_empty(&w->queue)) {
        struct waiting_message *m = CONTAINER_OF(w->queue.next, struct waiting_message, link);
        if (send_message(w, slice_of(m->octets, m->octets_n), m->fds) < 0) {
            if (is_full(errno))
                event_add(&w->write_event, NULL);
            else
                clear_queue(w);
            return;
        }
        message_free(w, m);
    }
}

/* ---- end ---- */

static void forget(struct host_worker *w)
{
    if (w->has_events) {
        event_del(&w->read_event);
        event_del(&w->write_event);
    }
    w->has_events = false;
    clear_queue(w);
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    w->pid = 0;
}

/* It has no more to say, or says what nobody can read. */
static void bury(struct host_worker *w)
{
    int status = 0;
    kill(w->pid, SIGKILL);
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    log_event(w->host->options.log, LEVEL_ERROR, "media.worker.died", "worker=%u pid=%d sessions=%u %s=%d", w->index,
              (int)w->pid, (unsigned)w->session_count, WIFSIGNALED(status) ? "signal" : "status",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    w->host->counters.workers_died++;
    w->died = loop_now(w->host->loop).mono;
    forget(w);
    int64_t lived_ms = mono_since_us(loop_now(w->host->loop).mono, w->started) / 1000;
    const int64_t least_ms = w->host->options.restart_pause_ms;
    const int64_t pause_ms = lived_ms < least_ms ? least_ms - lived_ms : 0;
    struct timeval pause = {pause_ms / 1000, pause_ms % 1000 * 1000};
    event_add(&w->start_event, &pause);
    media_host_died(w);
}

void media_host_end_worker(struct host_worker *w)
{
    pid_t pid = w->pid;
    if (event_initialized(&w->start_event))
        event_del(&w->start_event);
    forget(w);
    if (pid == 0)
        return;
    for (int i = 0; i < END_PATIENCE_MS; i++) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* ---- receiving ---- */

static void read_event(evutil_socket_t fd, short what, void *arg)
{
    struct host_worker *w = arg;
    static uint8_t octets[MEDIA_CONTROL_OCTETS_MAX];
    static struct media_control message;
    (void)fd;
    (void)what;
    for (unsigned i = 0; i < MESSAGES_PER_EVENT && w->fd >= 0; i++) {
        ssize_t n = recv(w->fd, octets, sizeof octets, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        struct slice input = slice_of(octets, n > 0 ? (size_t)n : 0);
        struct fault fault = {0};
        if (n <= 0) {
            bury(w);
        } else if (media_control_decode(input, &message, &fault) != 0 || message.kind < MEDIA_CONTROL_READY) {
            log_event(w->host->options.log, LEVEL_ERROR, "media.worker.message", "worker=%u octet=%zu rule=\"%s\"",
                      w->index, fault.octet, fault.rule ? fault.rule : "kind of message");
            bury(w);
        } else {
            media_host_said(w, &message, input);
        }
    }
}

/* ---- start ---- */

static int spawn(struct host_worker *w, int theirs)
{
    const char *program = w->host->options.program ? w->host->options.program : "/proc/self/exe";
    char *const arguments[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)MEDIA_WORKER_ARGUMENT, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_adddup2(&actions, theirs, MEDIA_WORKER_DESCRIPTOR);
    int number = posix_spawn(&w->pid, program, &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return number ? ERR_IO : 0;
}

static void start_event(evutil_socket_t fd, short what, void *arg)
{
    struct host_worker *w = arg;
    (void)fd;
    (void)what;
    w->restarts++;
    int err = media_host_start_worker(w);
    if (err) {
        log_event(w->host->options.log, LEVEL_ERROR, "media.worker.start", "worker=%u reason=%s", w->index,
                  err_name(err));
        const uint32_t pause_ms = w->host->options.restart_pause_ms;
        event_add(&w->start_event, &(struct timeval){pause_ms / 1000, pause_ms % 1000 * 1000});
    }
    media_host_replaced(w, !err);
}

int media_host_start_worker(struct host_worker *w)
{
    struct event_base *base = loop_event_base(w->host->loop);
    int ends[2];
    event_assign(&w->start_event, base, -1, 0, start_event, w);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return ERR_IO;
    int err = spawn(w, ends[1]);
    close(ends[1]);
    if (err) {
        close(ends[0]);
        w->pid = 0;
        return err;
    }
    w->fd = ends[0];
    w->started = loop_now(w->host->loop).mono;
    w->silent_ticks = 0;
    w->host->counters.workers_started++;
    event_assign(&w->read_event, base, w->fd, EV_READ | EV_PERSIST, read_event, w);
    event_assign(&w->write_event, base, w->fd, EV_WRITE, write_event, w);
    w->has_events = true;
    if (event_add(&w->read_event, NULL) != 0) {
        media_host_end_worker(w);
        return ERR_NO_MEMORY;
    }
    media_host_command(w, &(struct media_control){.kind = MEDIA_CONTROL_CONFIGURE, .options = w->host->options.relay},
                       NULL);
    return 0;
}
