/* Listeners of TCP and Unix sockets: accepting, limits in all and by source. */
#include "base/entropy.h"
#include "base/map.h"
#include "base/mem.h"
#include "io/process.h"
#include "io/stream_private.h"
#include "io/unix.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCEPTS_PER_EVENT 64
#define NO_DESCRIPTORS_PAUSE_MS 100
/* Strangers may not fill the log: so many lines in so long, then the number of those left out. */
#define REFUSALS_LOGGED_MAX 10
#define REFUSALS_WINDOW_MS 10000

struct listener {
    struct loop *loop;
    struct listener_options options;
    listener_accept_fn *accept;
    void *arg;
    int fd;     /* -1: closed, and kept only for its streams */
    char *path; /* of a Unix socket */
    struct addr addr;
    struct event event;
    struct event pause_event;
    bool accepting; /* accept_event is on the stack */
    size_t connections;
    struct map sources; /* address → how many connections */
    struct mono window; /* when refusals may be logged freely again */
    unsigned refusals;  /* in this window */
};

/* IPv6 users have a /64 each, at least. */
static struct slice source_key(const struct addr *addr)
{
    return slice_of(addr->ip, addr->family == 4 ? 4 : 8);
}

static uintptr_t source_count(const struct listener *listener, const struct addr *addr)
{
    return (uintptr_t)map_get(&listener->sources, source_key(addr));
}

static int source_set(struct listener *listener, const struct addr *addr, uintptr_t count)
{
    if (count)
        return map_set(&listener->sources, source_key(addr), (void *)count);
    map_remove(&listener->sources, source_key(addr));
    return 0;
}

static void listener_free_if_unused(struct listener *listener)
{
    if (listener->fd >= 0 || listener->connections || listener->accepting)
        return;
    map_fini(&listener->sources);
    mem_free(listener->path);
    mem_free(listener);
}

void listener_forget(struct listener *listener, const struct stream *stream)
{
    listener->connections--;
    if (stream->peer.family)
        (void)source_set(listener, &stream->peer, source_count(listener, &stream->peer) - 1);
    listener_free_if_unused(listener);
}

void listener_log_refusal(struct listener *listener, const struct addr *peer, enum stream_reason reason,
                          const char *detail)
{
    char text[ADDR_TEXT_OCTETS];
    const struct stream_options *options = &listener->options.stream;
    const char *service = options->service ? options->service : "-";
    struct mono now = loop_now(listener->loop).mono;
    if (mono_due(listener->window, now)) {
        if (listener->refusals > REFUSALS_LOGGED_MAX)
            log_event(options->log, LEVEL_NOTICE, "connection.refused", "service=%s and %u more, see its counters",
                      service, listener->refusals - REFUSALS_LOGGED_MAX);
        listener->window = mono_after_ms(now, REFUSALS_WINDOW_MS);
        listener->refusals = 0;
    }
    if (++listener->refusals <= REFUSALS_LOGGED_MAX)
        log_event(options->log, LEVEL_NOTICE, "connection.refused", "service=%s reason=%s peer=%s detail=\"%s\"",
                  service, stream_reason_name(reason), addr_format(peer, text), detail);
}

static void refuse(struct listener *listener, int fd, const struct addr *peer, enum stream_reason reason)
{
    close(fd);
    if (listener->options.stream.counters)
        ((uint64_t *)listener->options.stream.counters)[reason]++;
    listener_log_refusal(listener, peer, reason,
                         reason == STREAM_LIMIT_SOURCE       ? "as many connections from there as there may be"
                         : reason == STREAM_LIMIT_HANDSHAKES ? "too many handshakes at once, or from there"
                                                             : "as many connections as there may be");
}

static int session_new(struct listener *listener, struct stream *stream)
{
    const struct tls_context *context = listener->options.stream.tls;
    if (!context)
        return 0;
    int err = context->srp ? tls_srp_session_new(context, stream, NULL, &stream->ssl)
                           : tls_session_new(context, NULL, NULL, &stream->ssl);
    return stream_tls_attach(stream, err);
}

/* With an order of handshakes the session is made when its turn has come. */
static int session_prepare(struct listener *listener, struct stream *stream, bool goes_first)
{
    struct handshakes *h = listener->options.handshakes;
    if (!h || !stream->tls || stream->tls->srp)
        return session_new(listener, stream);
    handshakes_enter(h, stream, goes_first);
    return 0;
}

static bool admits(const struct listener *listener, const struct addr *peer, uintptr_t same,
                   enum stream_reason *ret_reason)
{
    const struct listener_options *options = &listener->options;
    *ret_reason = STREAM_LIMIT_CONNECTIONS;
    if (listener->connections >= options->connections_max)
        return false;
    if (options->admits)
        return options->admits(listener->arg, peer, ret_reason);
    *ret_reason = STREAM_LIMIT_SOURCE;
    return same < options->per_source_max;
}

/* The order of handshakes may refuse it, too. */
static bool admits_handshake(struct listener *listener, const struct addr *peer, bool *ret_goes_first,
                             enum stream_reason *ret_reason)
{
    const struct listener_options *options = &listener->options;
    *ret_goes_first = false;
    if (!options->handshakes)
        return true;
    bool goes_first = options->goes_first && options->goes_first(listener->arg, peer);
    *ret_reason = STREAM_LIMIT_HANDSHAKES;
    return handshakes_admit(options->handshakes, peer, goes_first, ret_goes_first);
}

static void take(struct listener *listener, int fd, const struct addr *peer)
{
    enum stream_reason reason;
    bool goes_first;
    uintptr_t same = peer->family ? source_count(listener, peer) : 0;
    if (!admits(listener, peer, same, &reason) || !admits_handshake(listener, peer, &goes_first, &reason)) {
        refuse(listener, fd, peer, reason);
        return;
    }
    struct sockaddr_storage storage;
    socklen_t n = sizeof storage;
    struct addr local = {0};
    same = peer->family ? source_count(listener, peer) : 0; /* one may have given way */
    if (peer->family && getsockname(fd, (struct sockaddr *)&storage, &n) == 0)
        local = addr_of_socket(&storage);
    struct stream *stream;
    if (stream_new(listener->loop, fd, &listener->options.stream, &stream) != 0)
        return;
    stream->peer = *peer;
    stream->local = local;
    if ((peer->family && source_set(listener, peer, same + 1) != 0) ||
        session_prepare(listener, stream, goes_first) != 0) {
        if (peer->family)
            (void)source_set(listener, peer, same);
        stream_close(stream);
        return;
    }
    stream->listener = listener;
    listener->connections++;
    if (listener->options.stream.counters)
        listener->options.stream.counters->accepted++;
    stream->state = STREAM_HANDSHAKING;
    /* Until the handshake's own timeout begins with the start below. */
    loop_post(listener->loop, &stream->start_task, LOOP_STAGE_WORK);
    listener->accept(listener->arg, stream);
}

static void pause_accepting(struct listener *listener)
{
    struct timeval span = {.tv_usec = NO_DESCRIPTORS_PAUSE_MS * 1000};
    log_event(listener->options.stream.log, LEVEL_WARNING, "listener.paused", "detail=\"%s\"", strerror(errno));
    event_del(&listener->event);
    event_add(&listener->pause_event, &span);
}

static void resume_accepting(evutil_socket_t fd, short what, void *arg)
{
    struct listener *listener = arg;
    (void)fd;
    (void)what;
    event_add(&listener->event, NULL);
}

static void accept_event(evutil_socket_t listening, short what, void *arg)
{
    struct listener *listener = arg;
    (void)listening;
    (void)what;
    listener->accepting = true; /* the callback may close the listener */
    for (int i = 0; i < ACCEPTS_PER_EVENT && listener->fd >= 0; i++) {
        struct sockaddr_storage storage = {0};
        socklen_t n = sizeof storage;
        int fd = accept4(listener->fd, (struct sockaddr *)&storage, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                pause_accepting(listener);
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            break;
        }
        static const int on = 1;
        if (!listener->path)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct addr peer = addr_of_socket(&storage);
        take(listener, fd, &peer);
    }
    listener->accepting = false;
    listener_free_if_unused(listener);
}

int stream_bind_err(int number)
{
    switch (number) {
    case EADDRINUSE:
        return ERR_EXISTS;
    case EADDRNOTAVAIL:
    case ENODEV:
        return ERR_UNREACHABLE;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_FORBIDDEN;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    default:
        return ERR_IO;
    }
}

/* Takes over the bound socket, also on failure. */
static int listener_new(struct loop *loop, int fd, const char *path, const struct listener_options *options,
                        listener_accept_fn *accept, void *arg, struct listener **ret_listener)
{
    struct listener *listener = mem_alloc(sizeof *listener);
    char *path_copy = path ? mem_strdup(path) : NULL;
    if (!listener || (path && !path_copy)) {
        mem_free(listener);
        mem_free(path_copy);
        close(fd);
        return ERR_NO_MEMORY;
    }
    struct entropy entropy = kernel_entropy();
    listener->loop = loop;
    listener->options = *options;
    listener->accept = accept;
    listener->arg = arg;
    listener->fd = fd;
    listener->path = path_copy;
    if (!listener->options.connections_max)
        listener->options.connections_max = LISTENER_CONNECTIONS_DEFAULT;
    if (!listener->options.per_source_max)
        listener->options.per_source_max = LISTENER_PER_SOURCE_DEFAULT;
    map_init(&listener->sources, listener->options.connections_max, entropy_u64(&entropy));
    event_assign(&listener->event, loop_event_base(loop), fd, EV_READ | EV_PERSIST, accept_event, listener);
    event_assign(&listener->pause_event, loop_event_base(loop), -1, 0, resume_accepting, listener);
    struct sockaddr_storage storage;
    socklen_t n = sizeof storage;
    if (getsockname(fd, (struct sockaddr *)&storage, &n) == 0)
        listener->addr = addr_of_socket(&storage);
    if (listen(fd, options->backlog ? options->backlog : LISTENER_BACKLOG_DEFAULT) != 0 ||
        event_add(&listener->event, NULL) != 0) {
        int err = stream_bind_err(errno);
        listener_close(listener);
        return err;
    }
    *ret_listener = listener;
    return 0;
}

int listener_open(struct loop *loop, const struct listener_options *options, listener_accept_fn *accept, void *arg,
                  struct listener **ret_listener)
{
    struct sockaddr_storage storage;
    socklen_t n = addr_to_socket(&options->bind, &storage);
    if (!n)
        return ERR_RANGE;
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_IO;
    static const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (storage.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&storage, n) != 0) {
        int err = stream_bind_err(errno);
        close(fd);
        return err;
    }
    return listener_new(loop, fd, NULL, options, accept, arg, ret_listener);
}

/* What is at the path gives way only if it is a socket at which nobody answers. */
static int remove_stale_socket(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0)
        return errno == ENOENT ? 0 : stream_bind_err(errno);
    if (!S_ISSOCK(status.st_mode))
        return ERR_EXISTS;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return ERR_IO;
    bool stale = connect(probe, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
    close(probe);
    if (!stale)
        return ERR_EXISTS;
    return unlink(address->sun_path) == 0 || errno == ENOENT ? 0 : stream_bind_err(errno);
}

int listener_open_unix(struct loop *loop, const char *path, const struct listener_options *options,
                       listener_accept_fn *accept, void *arg, struct listener **ret_listener)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return ERR_RANGE;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int err = remove_stale_socket(&address);
    if (err)
        return err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_IO;
    /* The mode is right from the first moment on: nobody slips in before a chmod. */
    mode_t before = umask(0177);
    int bound = bind(fd, (const struct sockaddr *)&address, sizeof address);
    err = bound == 0 ? 0 : stream_bind_err(errno);
    umask(before);
    if (err) {
        close(fd);
        return err;
    }
    struct listener_options unlimited = *options;
    unlimited.per_source_max = SIZE_MAX;
    err = listener_new(loop, fd, path, &unlimited, accept, arg, ret_listener);
    if (err)
        unlink(path);
    return err;
}

void listener_close(struct listener *listener)
{
    if (!listener || listener->fd < 0)
        return;
    event_del(&listener->event);
    event_del(&listener->pause_event);
    if (listener->path)
        unlink(listener->path);
    close(listener->fd);
    listener->fd = -1;
    listener_free_if_unused(listener);
}

struct addr listener_addr(const struct listener *listener)
{
    return listener->addr;
}

size_t listener_connections(const struct listener *listener)
{
    return listener->connections;
}
