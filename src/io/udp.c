/* UDP sockets: batches of datagrams, both ways, and the kernel's queue of errors. */
#include "io/udp.h"

#include "base/buf.h"
#include "base/mem.h"
#include "io/stream_private.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <unistd.h>

#define BATCH 32
#define RECEIVE_OCTETS 65536 /* longer than any datagram */
#define CONTROL_OCTETS 64
#define ERRORS_PER_EVENT 32
#define MEMORY_KEPT_OCTETS (256u << 10) /* of an empty queue */

COUNTERS_DEFINE(udp_counters, UDP_COUNTERS)

_Static_assert(CONTROL_OCTETS >= CMSG_SPACE(sizeof(struct in6_pktinfo)), "room for where a datagram came to");

struct queued {
    struct addr peer;
    size_t at; /* in the queue's octets */
    size_t octets;
};

/* What recvmmsg fills; only the pages that datagrams reach are ever touched. */
struct receiving {
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_storage peers[BATCH];
    uint8_t controls[BATCH][CONTROL_OCTETS] __attribute__((aligned(8)));
    uint8_t octets[BATCH][RECEIVE_OCTETS];
};

struct udp {
    struct loop *loop;
    struct udp_options options;
    const struct udp_handler *handler;
    void *arg;
    int fd; /* -1: closed */
    unsigned uses;
    bool is_any; /* bound to no address in particular */
    struct addr addr;
    struct event read_event;
    struct event write_event;
    struct loop_task flush_task;
    struct buf octets; /* of the queue */
    struct queued *queue;
    size_t queue_count, queue_capacity;
    size_t queue_sent;
    struct receiving *receiving;
    struct udp_counters own_counters;
};

void udp_limits_init(struct udp_limits *limits)
{
    *limits = (struct udp_limits){
        .queue_octets_max = 8u << 20,
        .datagrams_per_turn = 256,
        .receive_octets = 4u << 20,
    };
}

static struct udp_counters *counters(struct udp *udp)
{
    return udp->options.counters ? udp->options.counters : &udp->own_counters;
}

static void enter(struct udp *udp)
{
    udp->uses++;
}

static void leave(struct udp *udp)
{
    if (--udp->uses || udp->fd >= 0)
        return;
    buf_fini(&udp->octets);
    mem_free(udp->queue);
    mem_free(udp->receiving);
    mem_free(udp);
}

static void failed(struct udp *udp, const struct addr *peer, int number)
{
    counters(udp)->refused++;
    if (udp->fd >= 0 && udp->handler->failed)
        udp->handler->failed(udp->arg, udp, peer, number);
}

/* ---- sending ---- */

static void queue_clear(struct udp *udp)
{
    udp->queue_count = udp->queue_sent = 0;
    if (udp->octets.capacity > MEMORY_KEPT_OCTETS) {
        buf_fini(&udp->octets);
        buf_init(&udp->octets, udp->options.limits.queue_octets_max);
    } else {
        buf_clear(&udp->octets);
    }
}

/* As sendmmsg; one alone, as most are, costs less by sendto. */
static int send_alone(struct udp *udp)
{
    const struct queued *q = &udp->queue[udp->queue_sent];
    struct sockaddr_storage peer;
    const socklen_t n = addr_to_socket(&q->peer, &peer);
    const ssize_t sent =
        sendto(udp->fd, udp->octets.p + q->at, q->octets, MSG_NOSIGNAL, (const struct sockaddr *)&peer, n);
    return sent < 0 ? -1 : 1;
}

/* Hands so many of the queue to the kernel as one call takes. As sendmmsg. */
static int send_batch(struct udp *udp)
{
    if (udp->queue_count - udp->queue_sent == 1)
        return send_alone(udp);
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_storage peers[BATCH];
    unsigned n = 0;
    for (size_t i = udp->queue_sent; i < udp->queue_count && n < BATCH; i++, n++) {
        const struct queued *q = &udp->queue[i];
        vectors[n] = (struct iovec){udp->octets.p + q->at, q->octets};
        headers[n].msg_hdr = (struct msghdr){.msg_name = &peers[n], .msg_iov = &vectors[n], .msg_iovlen = 1};
        headers[n].msg_hdr.msg_namelen = addr_to_socket(&q->peer, &peers[n]);
    }
    return sendmmsg(udp->fd, headers, n, MSG_NOSIGNAL);
}

static void flush(void *arg)
{
    struct udp *udp = arg;
    bool retried = false;
    enter(udp);
    while (udp->fd >= 0 && udp->queue_sent < udp->queue_count) {
        int n = send_batch(udp);
        if (n > 0) {
            for (int i = 0; i < n; i++)
                counters(udp)->octets_out += udp->queue[udp->queue_sent++].octets;
            counters(udp)->datagrams_out += (uint64_t)n;
            retried = false;
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            event_add(&udp->write_event, NULL);
            leave(udp);
            return;
        } else if (errno != EINTR && retried) {
            counters(udp)->send_failed++;
            struct addr peer = udp->queue[udp->queue_sent++].peer;
            retried = false;
            failed(udp, &peer, errno);
        } else {
            retried = true; /* the error may be that of an earlier datagram */
        }
    }
    if (udp->fd >= 0)
        queue_clear(udp);
    leave(udp);
}

static void write_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    flush(arg);
}

static int grow_queue(struct udp *udp)
{
    size_t capacity = udp->queue_capacity ? 2 * udp->queue_capacity : BATCH;
    struct queued *queue = mem_resize(udp->queue, capacity * sizeof *queue);
    if (!queue)
        return ERR_NO_MEMORY;
    udp->queue = queue;
    udp->queue_capacity = capacity;
    return 0;
}

int udp_send(struct udp *udp, const struct addr *peer, struct slice octets)
{
    if (peer->family != udp->addr.family || !peer->port)
        return ERR_RANGE;
    if (octets.n > UDP_PAYLOAD_OCTETS_MAX || octets.n > udp->octets.limit - udp->octets.n) {
        counters(udp)->queue_full++;
        return ERR_LIMIT;
    }
    if (udp->queue_count == udp->queue_capacity && grow_queue(udp) != 0)
        return ERR_NO_MEMORY;
    struct queued q = {*peer, udp->octets.n, octets.n};
    buf_slice_put(&udp->octets, octets);
    if (udp->octets.err) {
        udp->octets.err = 0;
        udp->octets.n = q.at;
        return ERR_NO_MEMORY;
    }
    udp->queue[udp->queue_count++] = q;
    loop_post(udp->loop, &udp->flush_task, LOOP_STAGE_FLUSH);
    return 0;
}

/* ---- receiving ---- */

/* What the network said about datagrams of ours: each message holds the address that they were sent to. */
static void read_errors(struct udp *udp)
{
    for (int i = 0; i < ERRORS_PER_EVENT && udp->fd >= 0; i++) {
        struct sockaddr_storage peer;
        uint8_t control[512] __attribute__((aligned(8)));
        struct msghdr header = {
            .msg_name = &peer,
            .msg_namelen = sizeof peer,
            .msg_control = control,
            .msg_controllen = sizeof control,
        };
        if (recvmsg(udp->fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
            if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
                !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
                continue;
            struct sock_extended_err error;
            memcpy(&error, CMSG_DATA(c), sizeof error);
            struct addr addr = addr_of_socket(&peer);
            /* A shorter path: the kernel makes fragments from now on. */
            if (error.ee_errno != EMSGSIZE && addr.family && udp->fd >= 0)
                failed(udp, &addr, (int)error.ee_errno);
        }
    }
}

static struct addr local_of(const struct udp *udp, struct msghdr *header)
{
    struct addr local = udp->addr;
    for (struct cmsghdr *c = udp->is_any ? CMSG_FIRSTHDR(header) : NULL; c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(local.ip, &info.ipi_addr, 4);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(local.ip, &info.ipi6_addr, 16);
        }
    }
    return local;
}

static void prepare_header(struct udp *udp, unsigned i)
{
    struct receiving *r = udp->receiving;
    r->vectors[i] = (struct iovec){r->octets[i], RECEIVE_OCTETS};
    r->headers[i].msg_hdr = (struct msghdr){
        .msg_name = &r->peers[i],
        .msg_namelen = sizeof r->peers[i],
        .msg_iov = &r->vectors[i],
        .msg_iovlen = 1,
        .msg_control = udp->is_any ? r->controls[i] : NULL,
        .msg_controllen = udp->is_any ? CONTROL_OCTETS : 0,
    };
}

/* As recvmmsg. All headers are prepared, and those that are used are prepared again behind this. */
static int receive_batch(struct udp *udp, unsigned n)
{
    return recvmmsg(udp->fd, udp->receiving->headers, n, MSG_DONTWAIT, NULL);
}

static void give(struct udp *udp, unsigned i)
{
    struct mmsghdr *header = &udp->receiving->headers[i];
    struct addr peer = addr_of_socket(&udp->receiving->peers[i]);
    counters(udp)->datagrams_in++;
    counters(udp)->octets_in += header->msg_len;
    if (header->msg_hdr.msg_flags & MSG_TRUNC) {
        counters(udp)->truncated++;
    } else if (peer.family && peer.port) {
        struct addr local = local_of(udp, &header->msg_hdr);
        udp->handler->input(udp->arg, udp, &peer, &local, slice_of(udp->receiving->octets[i], header->msg_len));
    }
}

static void read_event(evutil_socket_t fd, short what, void *arg)
{
    struct udp *udp = arg;
    (void)fd;
    (void)what;
    enter(udp);
    size_t left = udp->options.limits.datagrams_per_turn;
    while (left && udp->fd >= 0) {
        unsigned wanted = left < BATCH ? (unsigned)left : BATCH;
        int n = receive_batch(udp, wanted);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            read_errors(udp);
            break;
        }
        for (unsigned i = 0; i < (unsigned)n && udp->fd >= 0; i++) {
            give(udp, i);
            prepare_header(udp, i);
        }
        if ((unsigned)n < wanted)
            break; /* the socket is empty: saves asking it */
        left -= wanted;
    }
    leave(udp);
}

/* ---- opening and closing ---- */

static bool is_any(const struct addr *addr)
{
    for (size_t i = 0; i < sizeof addr->ip; i++)
        if (addr->ip[i])
            return false;
    return true;
}

static void set_options(const struct udp *udp)
{
    static const int on = 1;
    int receive_octets = (int)udp->options.limits.receive_octets;
    setsockopt(udp->fd, SOL_SOCKET, SO_RCVBUF, &receive_octets, sizeof receive_octets);
    if (udp->options.bind.family == 6) {
        setsockopt(udp->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        setsockopt(udp->fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
        if (udp->is_any)
            setsockopt(udp->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    } else {
        setsockopt(udp->fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
        if (udp->is_any)
            setsockopt(udp->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    }
}

static int open_socket(struct udp *udp)
{
    struct sockaddr_storage storage;
    socklen_t n = addr_to_socket(&udp->options.bind, &storage);
    if (!n)
        return ERR_RANGE;
    udp->fd = socket(storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (udp->fd < 0)
        return ERR_IO;
    udp->is_any = is_any(&udp->options.bind);
    set_options(udp);
    if (bind(udp->fd, (const struct sockaddr *)&storage, n) != 0)
        return stream_bind_err(errno);
    n = sizeof storage;
    if (getsockname(udp->fd, (struct sockaddr *)&storage, &n) != 0)
        return ERR_IO;
    udp->addr = addr_of_socket(&storage);
    for (unsigned i = 0; i < BATCH; i++)
        prepare_header(udp, i);
    event_assign(&udp->read_event, loop_event_base(udp->loop), udp->fd, EV_READ | EV_PERSIST, read_event, udp);
    event_assign(&udp->write_event, loop_event_base(udp->loop), udp->fd, EV_WRITE, write_event, udp);
    return event_add(&udp->read_event, NULL) == 0 ? 0 : ERR_NO_MEMORY;
}

int udp_open(struct loop *loop, const struct udp_options *options, const struct udp_handler *handler, void *arg,
             struct udp **ret_udp)
{
    struct udp *udp = mem_alloc(sizeof *udp);
    if (!udp)
        return ERR_NO_MEMORY;
    udp->loop = loop;
    udp->options = *options;
    udp->handler = handler;
    udp->arg = arg;
    udp->fd = -1;
    udp->receiving = mem_alloc(sizeof *udp->receiving);
    buf_init(&udp->octets, options->limits.queue_octets_max);
    loop_task_init(&udp->flush_task, flush, udp);
    int err = udp->receiving ? open_socket(udp) : ERR_NO_MEMORY;
    if (err) {
        if (udp->fd >= 0)
            close(udp->fd);
        udp->fd = -1;
        enter(udp);
        leave(udp);
        return err;
    }
    *ret_udp = udp;
    return 0;
}

void udp_close(struct udp *udp)
{
    if (!udp || udp->fd < 0)
        return;
    static const struct udp_handler nobody = {0};
    enter(udp);
    udp->handler = &nobody;
    flush(udp);
    event_del(&udp->read_event);
    event_del(&udp->write_event);
    loop_task_cancel(&udp->flush_task);
    close(udp->fd);
    udp->fd = -1;
    leave(udp);
}

struct addr udp_addr(const struct udp *udp)
{
    return udp->addr;
}
