/* The ports of a media worker: packets from the kernel into the relay. Nothing is allocated per packet. */
#include "io/media_worker_private.h"

#include "base/mem.h"
#include "io/stream_private.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Packets that are asked for at once when a port has several; and of one port in one turn at most. */
#define BATCH WORKER_BATCH
#define PACKETS_PER_TURN 64

#define PACKET_OCTETS 9216

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
    uint8_t octets[BATCH][PACKET_OCTETS + MEDIA_PACKET_ROOM];
};

int worker_ports_init(struct worker *w)
{
    struct worker_receiving *r = mem_alloc(sizeof *r);
    if (!r)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; i < BATCH; i++) {
        r->vectors[i] = (struct iovec){r->octets[i], PACKET_OCTETS};
        r->headers[i].msg_hdr = (struct msghdr){.msg_name = &r->peers[i], .msg_iov = &r->vectors[i], .msg_iovlen = 1};
    }
    w->receiving = r;
    return worker_sending_init(w);
}

/* What the kernel has dropped since it was asked last. */
static void count_overflowed(struct worker *w, struct worker_port *port)
{
    uint32_t figures[SK_MEMINFO_VARS] = {0};
    socklen_t n = sizeof figures;
    if (getsockopt(port->fd, SOL_SOCKET, SO_MEMINFO, figures, &n) != 0 ||
        n < sizeof figures[0] * (SK_MEMINFO_DROPS + 1))
        return;
    w->counters.overflowed += figures[SK_MEMINFO_DROPS] - port->overflowed;
    port->overflowed = figures[SK_MEMINFO_DROPS];
}

/* ---- pairs ---- */

/* Connected to itself, a socket gets nothing: nobody else has its address. The kernel says so to whoever sends there, as it does for a port that is closed; for
 * the worker it is as good as closed, and costs much less to open. */
static void shut(struct worker_port *port)
{
    struct sockaddr_storage own;
    socklen_t n = sizeof own;
    port->is_shut = getsockname(port->fd, (struct sockaddr *)&own, &n) == 0 &&
                    connect(port->fd, (const struct sockaddr *)&own, n) == 0; /* else what comes is dropped */
}

static int unshut(struct worker_port *port)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    if (port->is_shut && connect(port->fd, &nobody, sizeof nobody) != 0)
        return ERR_IO;
    port->is_shut = false;
    return 0;
}

static void detach(struct worker *w, struct worker_pair *pair)
{
    list_remove(&pair->of_session);
    for (unsigned c = 0; c < MEDIA_COMPONENTS; c++) {
        struct worker_port *port = &pair->ports[c];
        count_overflowed(w, port);
        if (port->flow)
            media_flow_set_port(port->flow, NULL);
        port->flow = NULL;
    }
}

static int attach(struct worker *w, struct worker_session *s, struct worker_pair *pair, uint64_t session,
                  unsigned stream, enum media_side side)
{
    list_append(&s->pairs, &pair->of_session);
    for (enum media_component c = MEDIA_COMPONENT_RTP; c < MEDIA_COMPONENTS; c++) {
        struct worker_port *port = &pair->ports[c];
        struct media_flow *flow;
        int err = media_relay_flow(w->relay, w->now, session, stream, side, c, &flow);
        if (!err)
            err = unshut(port);
        if (err) {
            detach(w, pair);
            return err;
        }
        media_flow_set_port(flow, port);
        port->flow = flow;
        port->visited = w->now.mono;
        port->sends_apart = false;
    }
    return 0;
}

static void set_receive_octets(struct worker_port *port, int octets)
{
    if (port->receive_octets != octets)
        setsockopt(port->fd, SOL_SOCKET, SO_RCVBUF, &octets, sizeof octets);
    port->receive_octets = octets;
}

static int prepare_port(struct worker *w, struct worker_port *port)
{
    struct sockaddr_storage local;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = port};
    socklen_t n = sizeof local;
    if (getsockname(port->fd, (struct sockaddr *)&local, &n) != 0)
        return ERR_IO;
    port->family = addr_of_socket(&local).family;
    set_receive_octets(port, RTCP_OCTETS);
    if (!port->family)
        return ERR_RANGE;
    return epoll_ctl(w->epoll, EPOLL_CTL_ADD, port->fd, &event) == 0 ? 0 : ERR_IO;
}

static void close_pair(struct worker_pair *pair)
{
    list_remove(&pair->of_session);
    for (unsigned c = 0; c < MEDIA_COMPONENTS; c++) {
        struct worker_port *port = &pair->ports[c];
        if (port->flow)
            media_flow_set_port(port->flow, NULL);
        if (port->fd >= 0)
            close(port->fd); /* epoll forgets it with that */
    }
    mem_free(pair);
}

static struct slice key_of(const uint32_t *number)
{
    return slice_of(number, sizeof *number);
}

int worker_pair_open(struct worker *w, uint32_t number, const int fds[MEDIA_COMPONENTS])
{
    struct worker_pair *pair = mem_alloc(sizeof *pair);
    int err = pair ? 0 : ERR_NO_MEMORY;
    worker_pair_close(w, number);
    for (unsigned c = 0; c < MEDIA_COMPONENTS; c++) {
        if (!pair)
            close(fds[c]);
        else
            pair->ports[c].fd = fds[c];
    }
    if (!pair)
        return err;
    pair->number = number;
    list_init(&pair->of_session);
    for (unsigned c = 0; c < MEDIA_COMPONENTS && !err; c++)
        err = prepare_port(w, &pair->ports[c]);
    if (!err)
        err = map_set(&w->pairs, key_of(&number), pair);
    if (err)
        close_pair(pair);
    return err;
}

void worker_pair_close(struct worker *w, uint32_t number)
{
    struct worker_pair *pair = map_remove(&w->pairs, key_of(&number));
    if (pair)
        close_pair(pair);
}

void worker_ports_fini(struct worker *w)
{
    struct map_iter it;
    map_iter_init(&it);
    while (map_iter_next(&w->pairs, &it))
        close_pair(it.value);
    map_iter_init(&it);
    while (map_iter_next(&w->sessions, &it))
        mem_free(it.value);
    mem_free(w->receiving);
    mem_free(w->sending);
}

/* ---- sessions ---- */

static int session_of(struct worker *w, uint64_t id, struct worker_session **ret_session)
{
    struct slice key = slice_of(&id, sizeof id);
    struct worker_session *s = map_get(&w->sessions, key);
    if (!s) {
        s = mem_alloc(sizeof *s);
        if (!s)
            return ERR_NO_MEMORY;
        list_init(&s->pairs);
        int err = map_set(&w->sessions, key, s);
        if (err) {
            mem_free(s);
            return err;
        }
    }
    *ret_session = s;
    return 0;
}

/* What a stream's side has now becomes what it is to have. */
static int exchange(struct worker *w, struct worker_session *s, uint64_t session, unsigned stream, enum media_side side,
                    uint32_t number)
{
    struct media_flow *flow;
    int err = media_relay_flow(w->relay, w->now, session, stream, side, MEDIA_COMPONENT_RTP, &flow);
    if (err)
        return err;
    struct worker_port *port = media_flow_port(flow);
    struct worker_pair *before = port ? CONTAINER_OF(port, struct worker_pair, ports[MEDIA_COMPONENT_RTP]) : NULL;
    if (before && before->number == number)
        return 0;
    if (before)
        detach(w, before);
    if (!number)
        return 0;
    struct worker_pair *pair = map_get(&w->pairs, key_of(&number));
    if (!pair)
        return ERR_NOT_FOUND;
    if (pair->ports[MEDIA_COMPONENT_RTP].flow)
        return ERR_EXISTS;
    return attach(w, s, pair, session, stream, side);
}

static int receive_octets(const struct media_stream *stream, enum media_component component)
{
    if (component == MEDIA_COMPONENT_RTCP)
        return RTCP_OCTETS;
    if (stream->kind == MEDIA_UDPTL)
        return FAX_OCTETS;
    return stream->is_audio ? VOICE_OCTETS : VIDEO_OCTETS;
}

int worker_ports_set(struct worker *w, const struct media_session *session,
                     const uint32_t pairs[MEDIA_STREAMS_MAX][MEDIA_SIDES])
{
    struct worker_session *s;
    int err = session_of(w, session->id, &s);
    for (unsigned n = 0; n < session->stream_count * MEDIA_SIDES && !err; n++)
        err = exchange(w, s, session->id, n / MEDIA_SIDES, (enum media_side)(n % MEDIA_SIDES),
                       pairs[n / MEDIA_SIDES][n % MEDIA_SIDES]);
    if (!err)
        err = media_relay_set(w->relay, w->now, session);
    if (err)
        return err;
    LIST_EACH(link, &s->pairs) {
        struct worker_pair *pair = CONTAINER_OF(link, struct worker_pair, of_session);
        const unsigned stream = media_flow_stream(pair->ports[MEDIA_COMPONENT_RTP].flow);
        for (enum media_component c = MEDIA_COMPONENT_RTP; c < MEDIA_COMPONENTS && stream < session->stream_count; c++)
            set_receive_octets(&pair->ports[c], receive_octets(&session->streams[stream], c));
    }
    return 0;
}

void worker_ports_release(struct worker *w, uint64_t session)
{
    struct worker_session *s = map_remove(&w->sessions, slice_of(&session, sizeof session));
    if (!s)
        return;
    LIST_EACH(link, &s->pairs)
        detach(w, CONTAINER_OF(link, struct worker_pair, of_session));
    mem_free(s);
}

/* ---- receiving ---- */

static bool is_stale(struct worker *w, int64_t waited_us)
{
    bool is_overloaded = !mono_due(w->overload_until, w->now.mono);
    if (waited_us <= (is_overloaded ? OVERLOAD_US : STALE_US))
        return false;
    w->overload_until = mono_after_us(w->now.mono, STALE_US);
    w->counters.stale++;
    return true;
}

static void relay(struct worker *w, struct worker_port *port, unsigned i, size_t octets)
{
    struct worker_receiving *r = w->receiving;
    struct addr peer = addr_of_socket(&r->peers[i]);
    struct media_packet packet;
    if (octets > PACKET_OCTETS)
        w->counters.truncated++;
    else if (media_relay_packet(w->relay, w->now.mono, port->flow, &peer, r->octets[i], octets, &packet))
        worker_send(w, &packet, r->octets[i]);
}

/* Several packets at once; the first of them has waited for so long at most, the others for less. False: there are no more. */
static bool relay_batch(struct worker *w, struct worker_port *port, int64_t waited_us)
{
    struct worker_receiving *r = w->receiving;
    for (unsigned i = 0; i < BATCH; i++)
        r->headers[i].msg_hdr.msg_namelen = sizeof r->peers[i];
    int n = recvmmsg(port->fd, r->headers, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
    for (int i = 0; i < n; i++)
        if (!is_stale(w, waited_us * (2 * (n - i) - 1) / (2 * n)))
            relay(w, port, (unsigned)i, r->headers[i].msg_len);
    worker_send_flush(w);
    if (n < BATCH)
        return false;
    count_overflowed(w, port); /* a socket that was full has more than one batch */
    return true;
}

/* Most ports have one packet when they are ready: that is received in the way that costs the least. */
static void relay_one(struct worker *w, struct worker_port *port)
{
    struct worker_receiving *r = w->receiving;
    socklen_t length = sizeof r->peers[0];
    ssize_t n = recvfrom(port->fd, r->octets[0], PACKET_OCTETS, MSG_DONTWAIT | MSG_TRUNC,
                         (struct sockaddr *)&r->peers[0], &length);
    if (n < 0)
        return;
    relay(w, port, 0, (size_t)n);
    worker_send_flush(w);
}

/* To a port that no session has, something came: from before, or between its opening and the description, or from who does not know that the call is over.
 * Nothing more is to come: most ports are never sent to between two sessions, so that only this one costs calls of the kernel. */
static void refuse_senders(struct worker *w, struct worker_port *port)
{
    if (!port->is_shut)
        shut(port);
    for (unsigned left = PACKETS_PER_TURN; left; left--)
        if (recv(port->fd, w->receiving->octets[0], PACKET_OCTETS, MSG_DONTWAIT | MSG_TRUNC) < 0)
            return;
}

void worker_port_serve(struct worker *w, struct worker_port *port)
{
    if (!port->flow) {
        refuse_senders(w, port);
        return;
    }
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
