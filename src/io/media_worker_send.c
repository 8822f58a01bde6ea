/* What a media worker sends. Packets in a row that leave by one port go to the kernel in one call; those among them that go to one place and are of one size, as voice
 * and pictures are, go as one message that the kernel or the network card takes apart (UDP_SEGMENT): it finds the way once for all of them. */
#include "io/media_worker_private.h"

#include "base/mem.h"
#include "io/stream_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

/* Larger packets go one by one: cut into such, a message needs no smaller unit of transfer than what IPv6 asks of every network (1280, less 48 of headers). */
#define SEGMENT_OCTETS_MAX 1232

/* A message; its packets are vectors. */
struct message {
    struct addr to;
    size_t segment_octets; /* of each packet but the last, which may be shorter */
    bool is_complete;
    struct sockaddr_storage peer;
    uint8_t control[CMSG_SPACE(sizeof(uint16_t))] __attribute__((aligned(8)));
};

struct worker_sending {
    struct worker_port *port; /* of all of them */
    unsigned packets, count;
    bool can_segment;
    struct message messages[WORKER_BATCH];
    struct mmsghdr headers[WORKER_BATCH]; /* of the messages */
    struct iovec vectors[WORKER_BATCH];   /* of the packets */
};

/* A kernel that does not know of segments would send them as one packet. */
static bool kernel_has_segments(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), octets;
    socklen_t n = sizeof octets;
    bool has = fd >= 0 && getsockopt(fd, SOL_UDP, UDP_SEGMENT, &octets, &n) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

int worker_sending_init(struct worker *w)
{
    w->sending = mem_alloc(sizeof *w->sending);
    if (!w->sending)
        return ERR_NO_MEMORY;
    w->sending->can_segment = kernel_has_segments();
    return 0;
}

/* ---- to the kernel ---- */

/* Whatever the kernel does not take at once is late: the next packet is a better one. */
static void count_lost(struct worker *w, int number, size_t packets)
{
    if (number == EHOSTUNREACH || number == ENETUNREACH)
        w->counters.unreachable += packets;
    else
        w->counters.send_failed += packets;
}

static ssize_t send_packet(const struct worker_port *port, const struct msghdr *message, const struct iovec *packet)
{
    ssize_t n;
    do
        n = sendto(port->fd, packet->iov_base, packet->iov_len, MSG_NOSIGNAL, message->msg_name, message->msg_namelen);
    while (n < 0 && errno == EINTR);
    return n;
}

/* As sendmmsg; one packet alone costs less by sendto. */
static int send_some(const struct worker_port *port, struct mmsghdr *headers, unsigned n)
{
    const struct msghdr *first = &headers[0].msg_hdr;
    if (n > 1 || first->msg_iovlen > 1)
        return sendmmsg(port->fd, headers, n, MSG_NOSIGNAL);
    return send_packet(port, first, first->msg_iov) < 0 ? -1 : 1;
}

/* A way that does not allow for segments (a device that computes no checksums, IPsec, a very small unit of transfer) is not tried again soon. */
static void send_apart(struct worker *w, struct worker_port *port, const struct msghdr *message)
{
    port->sends_apart = true;
    for (size_t i = 0; i < message->msg_iovlen; i++)
        if (send_packet(port, message, &message->msg_iov[i]) < 0)
            count_lost(w, errno, 1);
}

static bool is_about_segments(int number)
{
    return number == EIO || number == EINVAL || number == EMSGSIZE || number == EOPNOTSUPP;
}

static void set_segments(struct message *m, struct msghdr *header)
{
    const uint16_t octets = (uint16_t)m->segment_octets;
    struct cmsghdr *c = (struct cmsghdr *)(void *)m->control;
    *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof octets), .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT};
    memcpy(CMSG_DATA(c), &octets, sizeof octets);
    header->msg_control = m->control;
    header->msg_controllen = sizeof m->control;
}

void worker_send_flush(struct worker *w)
{
    struct worker_sending *s = w->sending;
    for (unsigned i = 0; i < s->count; i++)
        if (s->headers[i].msg_hdr.msg_iovlen > 1)
            set_segments(&s->messages[i], &s->headers[i].msg_hdr);
    for (unsigned sent = 0; sent < s->count;) {
        int n = send_some(s->port, s->headers + sent, s->count - sent);
        if (n > 0) {
            sent += (unsigned)n;
        } else if (errno != EINTR) {
            const struct msghdr *message = &s->headers[sent++].msg_hdr;
            if (message->msg_iovlen > 1 && is_about_segments(errno))
                send_apart(w, s->port, message);
            else
                count_lost(w, errno, message->msg_iovlen);
        }
    }
    s->packets = s->count = 0;
}

/* ---- gathering ---- */

/* The packet is another one of the last message. */
static bool extend(struct worker_sending *s, const struct media_packet *packet)
{
    if (!s->count || !s->can_segment || s->port->sends_apart)
        return false;
    struct message *m = &s->messages[s->count - 1];
    if (m->is_complete || packet->octets > m->segment_octets || packet->octets == 0 || !addr_eq(&m->to, &packet->to))
        return false;
    m->is_complete = packet->octets < m->segment_octets;
    s->headers[s->count - 1].msg_hdr.msg_iovlen++;
    return true;
}

static void begin(struct worker_sending *s, const struct media_packet *packet, struct iovec *vector)
{
    struct message *m = &s->messages[s->count];
    m->to = packet->to;
    m->segment_octets = packet->octets;
    m->is_complete = packet->octets > SEGMENT_OCTETS_MAX;
    s->headers[s->count].msg_hdr = (struct msghdr){
        .msg_name = &m->peer, .msg_namelen = addr_to_socket(&packet->to, &m->peer), .msg_iov = vector, .msg_iovlen = 1};
    s->count++;
}

void worker_send(struct worker *w, const struct media_packet *packet, uint8_t *octets)
{
    struct worker_sending *s = w->sending;
    struct worker_port *port = media_flow_port(packet->flow);
    if (s->packets == WORKER_BATCH || (s->packets && s->port != port))
        worker_send_flush(w);
    if (port->family != packet->to.family) {
        w->counters.unreachable++;
        return;
    }
    s->port = port;
    struct iovec *vector = &s->vectors[s->packets++];
    *vector = (struct iovec){octets, packet->octets};
    if (!extend(s, packet))
        begin(s, packet, vector);
}
