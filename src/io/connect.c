/* Outgoing streams: sockets, local addresses, the TLS session of a connection; and socket addresses. */
#include "io/stream_private.h"
#include "io/unix.h"

#include "base/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

struct addr addr_of_socket(const struct sockaddr_storage *storage)
{
    struct addr addr = {0};
    if (storage->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)storage;
        addr.family = 4;
        addr.port = ntohs(in->sin_port);
        memcpy(addr.ip, &in->sin_addr, 4);
    } else if (storage->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)storage;
        addr.family = 6;
        addr.port = ntohs(in6->sin6_port);
        memcpy(addr.ip, &in6->sin6_addr, 16);
    }
    return addr;
}

socklen_t addr_to_socket(const struct addr *addr, struct sockaddr_storage *ret_storage)
{
    *ret_storage = (struct sockaddr_storage){0};
    if (addr->family == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)ret_storage;
        in->sin_family = AF_INET;
        in->sin_port = htons(addr->port);
        memcpy(&in->sin_addr, addr->ip, 4);
        return sizeof *in;
    }
    if (addr->family == 6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_storage;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(addr->port);
        memcpy(&in6->sin6_addr, addr->ip, 16);
        return sizeof *in6;
    }
    return 0;
}

enum stream_reason stream_errno_reason(int number)
{
    switch (number) {
    case ECONNREFUSED:
    case ENOENT: /* a Unix socket that is not there */
        return STREAM_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EADDRNOTAVAIL:
    case EADDRINUSE:
    case EACCES:
    case EPERM:
    case EINVAL:
    case EAFNOSUPPORT:
        return STREAM_UNREACHABLE;
    case ETIMEDOUT:
        return STREAM_CONNECT_TIMEOUT;
    case ECONNRESET:
    case EPIPE:
        return STREAM_RESET;
    default:
        return STREAM_LOCAL_FAILURE;
    }
}

static int session_new(struct stream *stream, const struct stream_connect_options *options)
{
    const struct tls_context *context = options->stream.tls;
    int err;
    if (!context)
        return 0;
    if (context->srp) {
        if (!options->srp_username || !options->srp_password ||
            strlen(options->srp_password) > TLS_SRP_PASSWORD_OCTETS_MAX)
            return ERR_RANGE;
        stream->srp_password = mem_strdup(options->srp_password);
        if (!stream->srp_password)
            return ERR_NO_MEMORY;
        err = tls_srp_session_new(context, stream, options->srp_username, &stream->ssl);
    } else {
        err = tls_session_new(context, options->peer_name, &options->remote, &stream->ssl);
    }
    return stream_tls_attach(stream, err);
}

/* Begins to connect; what fails at once is called back like what fails later. */
static void begin(struct stream *stream, const struct sockaddr *local, socklen_t local_octets,
                  const struct sockaddr *remote, socklen_t remote_octets, int64_t timeout_ms)
{
    stream->state = STREAM_CONNECTING;
    if ((local_octets && bind(stream->fd, local, local_octets) != 0) ||
        (connect(stream->fd, remote, remote_octets) != 0 && errno != EINPROGRESS)) {
        stream_fail_later(stream, stream_errno_reason(errno), strerror(errno));
        return;
    }
    event_add(&stream->write_event, NULL);
    stream_set_timeout(stream, timeout_ms ? timeout_ms : STREAM_CONNECT_TIMEOUT_MS);
}

int stream_connect(struct loop *loop, const struct stream_connect_options *options,
                   const struct stream_handler *handler, void *arg, struct stream **ret_stream)
{
    struct sockaddr_storage remote, local;
    socklen_t remote_octets = addr_to_socket(&options->remote, &remote);
    socklen_t local_octets = addr_to_socket(&options->local, &local);
    if (!remote_octets || (options->stream.tls && options->stream.tls->role != TLS_CLIENT))
        return ERR_RANGE;
    int fd = socket(remote.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE ? ERR_LIMIT : ERR_IO;
    static const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a turn's writes leave together anyway */
    if (local_octets && options->local.port == 0)
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    struct stream *stream;
    int err = stream_new(loop, fd, &options->stream, &stream);
    if (err)
        return err;
    stream_set_handler(stream, handler, arg);
    stream->peer = options->remote;
    err = session_new(stream, options);
    if (err) {
        stream_close(stream);
        return err;
    }
    begin(stream, (const struct sockaddr *)&local, local_octets, (const struct sockaddr *)&remote, remote_octets,
          options->stream.connect_timeout_ms);
    *ret_stream = stream;
    return 0;
}

int stream_connect_unix(struct loop *loop, const char *path, const struct stream_options *options,
                        const struct stream_handler *handler, void *arg, struct stream **ret_stream)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (options->tls || strlen(path) >= sizeof address.sun_path)
        return ERR_RANGE;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE ? ERR_LIMIT : ERR_IO;
    struct stream *stream;
    int err = stream_new(loop, fd, options, &stream);
    if (err)
        return err;
    stream_set_handler(stream, handler, arg);
    begin(stream, NULL, 0, (const struct sockaddr *)&address, sizeof address, options->connect_timeout_ms);
    *ret_stream = stream;
    return 0;
}
