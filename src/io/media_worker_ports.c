/* The ports of a media worker: packets from the kernel into the relay and back to the kernel. Nothing is allocated per packet. */
#include "io/media_worker_private.h"

#include "base/mem.h"
#include "io/stream_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Packets that are asked for at once when a port has several; and of one port in one turn at most. */
#define BATCH 16
#define PACKETS_PER_TURN 64

#define PACKET_OCTETS 9216
#define CONTROL_OCTETS 128

/* How long a packet has waited in its socket is reckoned from when that was empty before: at most BEHIND_US is nothing. Behind that a port is emptied at once. A packet that
 * has waited for STALE_US helps nobody anymore, and others would wait for it. When that happens this worker is given more than it can relay: from then on,
 * and until nothing has been too old for STALE_US, whatever is older than OVERLOAD_US is dropped. So what gets through an overload is fresh, and the
 * backlog is gone at once behind it. */
#define BEHIND_US 2000
#define STALE_US 100000
#define OVERLOAD_US 20000

/* What may wait in a socket, as asked of the kernel: a burst of voice, of which each packet takes 2 KiB and more with some network cards; the packets of several
 * large pictures. */
#define VOICE_OCTETS 32768
#define VIDEO_OCTETS 262144
#define FAX_OCTETS 32768
#define RTCP_OCTETS 16384

struct worker_receiving {
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_storage peers[BATCH];
    uint8_t controls[BATCH][CONTROL_OCTETS] __attribute__((aligned(8)));
    uint8_t octets[BATCH][PACKET_OCTETS + MEDIA_PACKET_ROOM];
    struct mmsghdr out[BATCH];
    struct iovec out_vectors[BATCH];
    struct sockaddr_storage out_peers[BATCH];
};

int worker_ports_init(struct worker *w)
{
    w->receiving = mem_alloc(sizeof *w->receiving);
    return w->receiving ? 0 : ERR_NO_MEMORY;
}

static void close_port(struct worker_port *port)
{
    media_flow_set_port(port->flow, NULL);
    list_remove(&port->of_session);
    close(port->fd); /* epoll forgets it with that */
    mem_free(port);
}

static void close_session(struct worker_session *s)
{
    LIST_EACH(link, &s->ports)
        close_port(CONTAINER_OF(link, struct worker_port, of_session));
    mem_free(s);
}

void worker_ports_fini(struct worker *w)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&w->sessions, &it))
        close_session(it.value);
    mem_free(w->receiving);
}

void worker_ports_close(struct worker *w, uint64_t session)
{
    struct worker_session *s = map_remove(&w->sessions, slice_of(&session, sizeof session));
    if (s)
        close_session(s);
}

/* ---- opening ---- */

static int session_of(struct worker *w, uint64_t id, struct worker_session **ret_session)
{
    struct slice key = slice_of(&id, sizeof id);
    struct worker_session *s = map_get(&w->sessions, key);
    if (!s) {
        s = mem_alloc(sizeof *s);
        if (!s)
            return ERR_NO_MEMORY;
        list_init(&s->ports);
        int err = map_set(&w->sessions, key, s);
        if (err) {
            mem_free(s);
            return err;
        }
    }
    *ret_session = s;
    return 0;
}

static int prepare_socket(struct worker_port *port)
{
    static const int on = 1;
    struct sockaddr_storage local;
    socklen_t n = sizeof local;
    if (getsockname(port->fd, (struct sockaddr *)&local, &n) != 0)
        return ERR_IO;
    port->family = addr_of_socket(&local).family;
    int octets = RTCP_OCTETS;
    setsockopt(port->fd, SOL_SOCKET, SO_RCVBUF, &octets, sizeof octets);
    setsockopt(port->fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
    return port->family ? 0 : ERR_RANGE;
}

static int open_port(struct worker *w, struct worker_session *s, struct media_flow *flow, int fd)
{
    struct worker_port *port = mem_alloc(sizeof *port);
    if (!port) {
        close(fd);
        return ERR_NO_MEMORY;
    }
    port->fd = fd;
    port->flow = flow;
    port->visited = w->now.mono;
    int err = prepare_socket(port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = port};
    if (!err && epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        err = ERR_IO;
    if (err) {
        close(fd);
        mem_free(port);
        return err;
    }
    if (media_flow_port(flow))
        close_port(media_flow_port(flow));
    media_flow_set_port(flow, port);
    list_append(&s->ports, &port->of_session);
    return 0;
}

int worker_port_open(struct worker *w, uint64_t session, unsigned stream, enum media_side side,
                     const int fds[MEDIA_COMPONENTS])
{
    struct worker_session *s = NULL;
    int err = session_of(w, session, &s);
    for (enum media_component c = MEDIA_COMPONENT_RTP; c < MEDIA_COMPONENTS; c++) {
        struct media_flow *flow;
        if (!err)
            err = media_relay_flow(w->relay, w->now, session, stream, side, c, &flow);
        if (!err)
            err = open_port(w, s, flow, fds[c]);
        else
            close(fds[c]);
    }
    return err;
}

static int receive_octets(const struct media_stream *stream, enum media_component component)
{
    if (component == MEDIA_COMPONENT_RTCP)
        return RTCP_OCTETS;
    if (stream->kind == MEDIA_UDPTL)
        return FAX_OCTETS;
    return stream->is_audio ? VOICE_OCTETS : VIDEO_OCTETS;
}

void worker_ports_described(struct worker *w, uint64_t session)
{
    const struct worker_session *s = map_get(&w->sessions, slice_of(&session, sizeof session));
    if (!s)
        return;
    LIST_EACH(link, &s->ports) {
        struct worker_port *port = CONTAINER_OF(link, struct worker_port, of_session);
        const struct media_stream *stream = media_relay_stream(w->relay, session, media_flow_stream(port->flow));
        if (!stream)
            continue; /* its description follows */
        if (stream->kind == MEDIA_OFF) {
            close_port(port);
            continue;
        }
        int octets = receive_octets(stream, media_flow_component(port->flow));
        setsockopt(port->fd, SOL_SOCKET, SO_RCVBUF, &octets, sizeof octets);
    }
}

/* ---- sending ---- */

/* Packets in a row that go out of one port. */
struct outgoing {
    struct worker_port *port;
    unsigned n;
};

/* As sendmmsg; one alone costs less by sendto. */
static int send_some(const struct worker_port *port, struct mmsghdr *headers, unsigned n)
{
    if (n > 1)
        return sendmmsg(port->fd, headers, n, MSG_NOSIGNAL);
    const struct msghdr *h = &headers[0].msg_hdr;
    ssize_t sent =
        sendto(port->fd, h->msg_iov->iov_base, h->msg_iov->iov_len, MSG_NOSIGNAL, h->msg_name, h->msg_namelen);
    return sent < 0 ? -1 : 1;
}

static void flush(struct worker *w, struct outgoing *o)
{
    unsigned sent = 0;
    while (sent < o->n) {
        int n = send_some(o->port, w->receiving->out + sent, o->n - sent);
        if (n > 0) {
            sent += (unsigned)n;
        } else if (errno != EINTR) {
            /* Whatever the kernel does not take at once is late: the next packet is a better one. */
            if (errno == EHOSTUNREACH || errno == ENETUNREACH)
                w->counters.unreachable++;
            else
                w->counters.send_failed++;
            sent++;
        }
    }
    o->n = 0;
}

static void queue(struct worker *w, struct outgoing *o, const struct media_packet *packet, uint8_t *octets)
{
    struct worker_receiving *r = w->receiving;
    struct worker_port *port = media_flow_port(packet->flow);
    if (o->n && o->port != port)
        flush(w, o);
    if (port->family != packet->to.family) {
        w->counters.unreachable++;
        return;
    }
    o->port = port;
    r->out_vectors[o->n] = (struct iovec){octets, packet->octets};
    r->out[o->n].msg_hdr = (struct msghdr){
        .msg_name = &r->out_peers[o->n],
        .msg_namelen = addr_to_socket(&packet->to, &r->out_peers[o->n]),
        .msg_iov = &r->out_vectors[o->n],
        .msg_iovlen = 1,
    };
    o->n++;
}

/* ---- receiving ---- */

static void prepare_header(struct worker_receiving *r, unsigned i)
{
    r->vectors[i] = (struct iovec){r->octets[i], PACKET_OCTETS};
    r->headers[i].msg_hdr = (struct msghdr){
        .msg_name = &r->peers[i],
        .msg_namelen = sizeof r->peers[i],
        .msg_iov = &r->vectors[i],
        .msg_iovlen = 1,
        .msg_control = r->controls[i],
        .msg_controllen = CONTROL_OCTETS,
    };
}

/* Counts what the kernel has dropped. */
static void read_control(struct worker *w, struct worker_port *port, struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
            continue;
        uint32_t overflowed;
        memcpy(&overflowed, CMSG_DATA(c), sizeof overflowed);
        w->counters.overflowed += overflowed - port->overflowed;
        port->overflowed = overflowed;
    }
}

static bool is_stale(struct worker *w, int64_t waited_us)
{
    bool is_overloaded = !mono_due(w->overload_until, w->now.mono);
    if (waited_us <= (is_overloaded ? OVERLOAD_US : STALE_US))
        return false;
    w->overload_until = mono_after_us(w->now.mono, STALE_US);
    w->counters.stale++;
    return true;
}

static void relay(struct worker *w, struct worker_port *port, unsigned i, size_t octets, struct outgoing *outgoing)
{
    struct worker_receiving *r = w->receiving;
    struct addr peer = addr_of_socket(&r->peers[i]);
    struct media_packet packet;
    if (octets > PACKET_OCTETS)
        w->counters.truncated++;
    else if (media_relay_packet(w->relay, w->now.mono, port->flow, &peer, r->octets[i], octets, &packet))
        queue(w, outgoing, &packet, r->octets[i]);
}

/* Several packets at once; the first of them has waited for so long at most, the others for less. False: there are no more. */
static bool relay_batch(struct worker *w, struct worker_port *port, int64_t waited_us)
{
    struct worker_receiving *r = w->receiving;
    struct outgoing outgoing = {0};
    for (unsigned i = 0; i < BATCH; i++)
        prepare_header(r, i);
    int n = recvmmsg(port->fd, r->headers, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
    for (int i = 0; i < n; i++) {
        read_control(w, port, &r->headers[i].msg_hdr);
        if (!is_stale(w, waited_us * (2 * (n - i) - 1) / (2 * n)))
            relay(w, port, (unsigned)i, r->headers[i].msg_len, &outgoing);
    }
    flush(w, &outgoing);
    return n == BATCH;
}

/* Most ports have one packet when they are ready: that is received in the way that costs the least. */
static void relay_one(struct worker *w, struct worker_port *port)
{
    struct worker_receiving *r = w->receiving;
    struct outgoing outgoing = {0};
    socklen_t length = sizeof r->peers[0];
    ssize_t n = recvfrom(port->fd, r->octets[0], PACKET_OCTETS, MSG_DONTWAIT | MSG_TRUNC,
                         (struct sockaddr *)&r->peers[0], &length);
    if (n < 0)
        return;
    relay(w, port, 0, (size_t)n, &outgoing);
    flush(w, &outgoing);
}

void worker_port_serve(struct worker *w, struct worker_port *port)
{
    int64_t waited_us = mono_since_us(w->now.mono, mono_max(w->busy_since, port->visited));
    bool has_several = waited_us > BEHIND_US || port->served == w->turn - 1;
    port->visited = w->now.mono;
    port->served = w->turn;
    if (!has_several) {
        relay_one(w, port);
        return;
    }
    for (unsigned left = PACKETS_PER_TURN; left && relay_batch(w, port, waited_us); left -= BATCH)
        continue;
}
