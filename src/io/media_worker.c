/* The process that relays media: its loop, and the socket over which it is told what to do. */
#include "io/media_worker.h"

#include "base/mem.h"
#include "io/media_worker_private.h"
#include "io/process.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_TURN 2048
#define EVENTS_PER_CLOCK 64 /* so often the time is read again */

/* A wait of at least so long was one: nothing was ready when it began. */
#define WAITED_US 50

/* Under load packets come one by one, faster than it pays to wake for each: when less than so long passed before a few of them came, the next ones are
 * given as long to gather. It delays none by more. */
#define GATHER_US 300
#define GATHER_EVENTS 48
#define COMMANDS_PER_TURN 64
#define TELLS_PER_TURN 64
#define COUNTERS_MS 1000

/* What is due by time waits for so long, so that the many small deadlines of many sessions wake the worker together. */
#define ALARM_GAP_MS 10

/* ---- time ---- */

static int64_t clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void sample_clocks(struct worker *w)
{
    w->now.mono.us = clock_us(CLOCK_MONOTONIC);
    w->now.wall.ms = clock_us(CLOCK_REALTIME) / 1000;
}

/* ---- telling ---- */

/* Sends the message that waits, if any. False: the socket is full. */
static bool send_message(struct worker *w)
{
    while (w->message.n) {
        ssize_t n = send(w->control, w->message.p, w->message.n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
            return false;
        buf_clear(&w->message); /* sent, or nobody is there to hear it: its end will be read */
    }
    return true;
}

static bool tell(struct worker *w, const struct media_control *message)
{
    if (media_control_encode(message, &w->message) != 0)
        buf_clear(&w->message);
    return send_message(w);
}

static void watch_control(struct worker *w, bool is_full)
{
    if (is_full == w->control_is_full)
        return;
    w->control_is_full = is_full;
    struct epoll_event event = {.events = EPOLLIN | (is_full ? EPOLLOUT : 0u), .data.ptr = &w->control};
    epoll_ctl(w->epoll, EPOLL_CTL_MOD, w->control, &event);
}

static bool tell_counters(struct worker *w)
{
    struct media_control message = {.kind = MEDIA_CONTROL_COUNTERS};
    message.counters.relay = *media_relay_counters(w->relay);
    message.counters.worker = w->counters;
    w->next_counters = mono_after_ms(w->now.mono, COUNTERS_MS);
    return tell(w, &message);
}

/* Kept outside of this process, so that its sessions outlive it. One that is too long for a message, or of a library that does not give it, is not. */
static bool tell_state(struct worker *w, uint64_t session)
{
    struct media_control message = {.kind = MEDIA_CONTROL_STATE};
    bool ok = true;
    if (media_relay_export(w->relay, w->now, session, &w->state) == 0) {
        message.state.session = session;
        message.state.octets = buf_slice(&w->state);
        ok = tell(w, &message);
    }
    buf_clear_secret(&w->state);
    return ok;
}

/* What happened goes out as fast as the other side reads, and waits in the relay, which merges it, if that is slow; what happens soon after goes out with what
 * follows it: each message that is waited for wakes the signalling process. */
static void tell_all(struct worker *w)
{
    bool ok = send_message(w);
    for (unsigned i = 0; ok && i < TELLS_PER_TURN; i++) {
        struct media_control message = {.kind = MEDIA_CONTROL_EVENT};
        if (!media_relay_next(w->relay, w->now, &message.event))
            break;
        w->next_tell = mono_after_ms(w->now.mono, ALARM_GAP_MS);
        ok = message.event.kind == MEDIA_STATE ? tell_state(w, message.event.session) : tell(w, &message);
    }
    if (ok && mono_due(w->next_counters, w->now.mono))
        ok = tell_counters(w);
    watch_control(w, !ok);
}

/* ---- commands ---- */

static int configure(struct worker *w, const struct media_relay_options *options)
{
    w->sessions.limit = options->sessions_max;
    w->pairs.limit = SIZE_MAX; /* as many as the signalling process has ports */
    if (w->relay) {
        media_relay_set_options(w->relay, options);
        return 0;
    }
    struct entropy entropy = kernel_entropy();
    w->next_counters = mono_after_ms(w->now.mono, COUNTERS_MS);
    return media_relay_new(options, entropy_u64(&entropy), &w->relay);
}

static void refuse(struct worker *w, uint64_t session, int err)
{
    struct media_control message = {.kind = MEDIA_CONTROL_REFUSED, .refused = {session, err}};
    /* A control socket that is full besides is a signalling process in trouble: it will miss the media without being told. */
    if (send_message(w))
        tell(w, &message);
}

static int resume(struct worker *w, uint64_t session, struct slice state)
{
    uint64_t found = session;
    struct fault fault;
    int err = media_relay_import(w->relay, w->now, state, &found, &fault);
    return err ? err : found == session ? 0 : ERR_SYNTAX;
}

static void obey(struct worker *w, const struct media_control *command, const int fds[MEDIA_COMPONENTS])
{
    int err;
    switch (command->kind) {
    case MEDIA_CONTROL_PAIR:
        worker_pair_open(w, command->pair, fds); /* else the session that is to have it is refused */
        break;
    case MEDIA_CONTROL_SET:
        err = worker_ports_set(w, &command->set.session, command->set.pairs);
        if (err)
            refuse(w, command->set.session.id, err);
        break;
    case MEDIA_CONTROL_CLOSE:
        worker_pair_close(w, command->pair);
        break;
    case MEDIA_CONTROL_RESUME:
        err = resume(w, command->state.session, command->state.octets);
        if (err)
            refuse(w, command->state.session, err);
        break;
    default: /* MEDIA_CONTROL_REMOVE: the others have been looked at */
        worker_ports_release(w, command->id);
        if (media_relay_remove(w->relay, w->now, command->id) != 0)
            refuse(w, command->id, ERR_NOT_FOUND);
    }
}

/* The sockets that came with a message; -1 for none. Any others are closed. */
static unsigned take_descriptors(struct msghdr *header, int fds[MEDIA_COMPONENTS])
{
    unsigned count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (count < MEDIA_COMPONENTS)
                fds[count++] = fd;
            else
                close(fd);
        }
    }
    return count;
}

/* 1: obeyed, 0: nothing more now, ERR_CLOSED, or another error: whoever does not speak this protocol is not our signalling process. */
static int read_command(struct worker *w)
{
    static uint8_t octets[MEDIA_CONTROL_OCTETS_MAX];
    static struct media_control command;
    uint8_t control[CMSG_SPACE(sizeof(int) * MEDIA_COMPONENTS)] __attribute__((aligned(8)));
    struct iovec vector = {octets, sizeof octets};
    struct msghdr header = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(w->control, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : ERR_CLOSED;
    if (n == 0)
        return ERR_CLOSED;
    int fds[MEDIA_COMPONENTS] = {-1, -1};
    unsigned count = take_descriptors(&header, fds);
    int err = media_control_decode(slice_of(octets, (size_t)n), &command, NULL);
    if (!err && command.kind >= MEDIA_CONTROL_READY)
        err = ERR_UNSUPPORTED;
    const unsigned wanted = command.kind == MEDIA_CONTROL_PAIR ? MEDIA_COMPONENTS : 0;
    const bool is_short = count < wanted && header.msg_flags & MSG_CTRUNC; /* no descriptor is left for it */
    if (!err && !is_short && count != wanted)
        err = ERR_SYNTAX;
    if (!err && command.kind == MEDIA_CONTROL_CONFIGURE)
        err = configure(w, &command.options);
    else if (!err && !w->relay)
        err = ERR_WRONG_STATE;
    else if (!err && !is_short) /* else the session that is to have the pair is refused */
        obey(w, &command, fds);
    if (err || is_short)
        for (unsigned i = 0; i < count; i++)
            close(fds[i]);
    mem_wipe(octets, (size_t)n);
    mem_wipe(&command, sizeof command);
    return err ? err : 1;
}

static int read_commands(struct worker *w)
{
    int result = 1;
    for (unsigned i = 0; i < COMMANDS_PER_TURN && result == 1; i++)
        result = read_command(w);
    return result < 0 ? result : 0;
}

/* ---- the loop ---- */

/* Sets the timer, unless it is set well already: sets are system calls. */
static void set_alarm(struct worker *w)
{
    struct mono due = mono_min(media_relay_deadline(w->relay), w->next_counters);
    if (media_relay_has_news(w->relay))
        due = mono_min(due, w->next_tell);
    due = mono_max(due, mono_after_ms(w->now.mono, ALARM_GAP_MS));
    if (w->alarm.us <= due.us && !mono_due(w->alarm, w->now.mono))
        return;
    struct itimerspec when = {.it_value = {due.us / 1000000, due.us % 1000000 * 1000}};
    timerfd_settime(w->timer, TFD_TIMER_ABSTIME, &when, NULL);
    w->alarm = due;
}

static bool is_alarm_due(struct worker *w)
{
    if (!mono_due(w->alarm, w->now.mono))
        return false;
    uint64_t times;
    if (read(w->timer, &times, sizeof times) < 0 && errno == EAGAIN)
        return false; /* it comes in a moment */
    w->alarm = MONO_NEVER;
    return true;
}

/* Ports first: a command may close one whose event is still to be looked at. True: there are commands. */
static bool serve_ports(struct worker *w, const struct epoll_event *events, int n)
{
    bool has_commands = false;
    for (int i = 0; i < n; i++) {
        if (i % EVENTS_PER_CLOCK == EVENTS_PER_CLOCK - 1)
            w->now.mono.us = clock_us(CLOCK_MONOTONIC);
        if (events[i].data.ptr == &w->control)
            has_commands = true;
        else if (events[i].data.ptr != &w->timer)
            worker_port_serve(w, events[i].data.ptr);
    }
    return has_commands;
}

static int turn(struct worker *w, struct epoll_event *events)
{
    int64_t began_us = clock_us(CLOCK_MONOTONIC);
    int n = epoll_wait(w->epoll, events, EVENTS_PER_TURN, -1);
    if (n < 0 && errno != EINTR)
        return ERR_IO;
    sample_clocks(w);
    struct mono woken = w->now.mono;
    if (woken.us - began_us >= WAITED_US)
        w->busy_since = woken;
    w->turn++;
    w->counters.turns++;
    int err = serve_ports(w, events, n) ? read_commands(w) : 0;
    if (!w->relay || err)
        return err;
    if (is_alarm_due(w))
        media_relay_tick(w->relay, w->now);
    if (w->control_is_full || mono_due(w->next_tell, w->now.mono))
        tell_all(w);
    set_alarm(w);
    if (n < EVENTS_PER_TURN)
        w->busy_since = woken; /* what was not ready then has come since */
    if (n < GATHER_EVENTS && woken.us - began_us < GATHER_US)
        nanosleep(&(struct timespec){.tv_nsec = GATHER_US * 1000}, NULL);
    return 0;
}

static int watch(struct worker *w, int *fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};
    return *fd >= 0 && epoll_ctl(w->epoll, EPOLL_CTL_ADD, *fd, &event) == 0 ? 0 : ERR_IO;
}

static int start(struct worker *w)
{
    sample_clocks(w);
    w->overload_until = w->busy_since = w->now.mono;
    w->alarm = MONO_NEVER;
    buf_init(&w->message, MEDIA_CONTROL_OCTETS_MAX);
    buf_init(&w->state, MEDIA_CONTROL_OCTETS_MAX);
    struct entropy entropy = kernel_entropy();
    map_init(&w->sessions, 1, entropy_u64(&entropy));
    map_init(&w->pairs, 1, entropy_u64(&entropy));
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (w->epoll < 0 || watch(w, &w->control) != 0 || watch(w, &w->timer) != 0)
        return ERR_IO;
    return worker_ports_init(w);
}

int media_worker_main(void)
{
    static struct epoll_event events[EVENTS_PER_TURN];
    struct worker w = {.control = MEDIA_WORKER_DESCRIPTOR};
    process_harden();
    prctl(PR_SET_TIMERSLACK, 1); /* short sleeps are as short as they are meant to be */
    int err = start(&w);
    if (!err)
        tell(&w, &(struct media_control){.kind = MEDIA_CONTROL_READY});
    while (!err)
        err = turn(&w, events);
    worker_ports_fini(&w);
    map_fini(&w.sessions);
    map_fini(&w.pairs);
    media_relay_free(w.relay);
    buf_fini_secret(&w.message);
    buf_fini_secret(&w.state);
    close(w.timer);
    close(w.epoll);
    return err == ERR_CLOSED ? 0 : 1;
}
