/* The least that relaying can cost: one socket per stream and side, epoll, SRTP. No check, no quality, no time: what ime-edge's worker is compared with. Arguments, input
 * and output as relay.c, and a last argument:
 *     one     a packet in, SRTP, a packet out
 *     many    what waits in a socket in, SRTP, all of it out as one message of segments
 *     copy    the same, without SRTP but for the first packets of a stream */
#include "common.h"

#include <netinet/udp.h>
#include <sys/epoll.h>
#include <unistd.h>

#define STREAMS_MAX 20000
#define EVENTS 256
#define FIRST_PORT 16384
#define BATCH 16
#define PACKET_OCTETS 2048
#define SRTP_PACKETS 4 /* of a stream that is only copied: the load looks at its first ones */

enum technique { ONE, MANY, COPY };

struct side {
    struct side *other;
    struct sockaddr_in remote;
    struct srtp *srtp; /* what is done with what comes to this side */
    int fd;
    bool is_inside;
    unsigned packets;
};

static struct side sides[STREAMS_MAX][2];
static enum technique technique;
static uint8_t packets[BATCH][PACKET_OCTETS];

static enum technique technique_of(const char *name)
{
    static const char *const names[] = {"one", "many", "copy"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            return (enum technique)i;
    need(false, name);
    return ONE;
}

static void open_side(struct side *s, const char *host, unsigned index, const char *remote, int epoll)
{
    char text[ADDR_TEXT_OCTETS];
    struct addr local = address_of(host), to = address_of(remote);
    local.port = (uint16_t)(FIRST_PORT + 2 * index);
    s->fd = udp_socket(&local, 16384);
    s->remote = socket_address(&to);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    need(epoll_ctl(epoll, EPOLL_CTL_ADD, s->fd, &event) == 0, "epoll");
    printf("%s ", addr_format(&local, text));
}

static bool transform(struct side *s, uint8_t *packet, size_t *octets)
{
    if (technique == COPY && s->packets++ >= SRTP_PACKETS)
        return true;
    enum srtp_result result = s->is_inside ? srtp_rtp_protect(s->srtp, packet, PACKET_OCTETS, octets)
                                           : srtp_rtp_unprotect(s->srtp, packet, octets);
    return result == SRTP_GOOD;
}

static void relay_one(struct side *s)
{
    ssize_t got = recvfrom(s->fd, packets[0], PACKET_OCTETS - SRTP_OVERHEAD_OCTETS_MAX, 0, NULL, NULL);
    if (got <= 0)
        return;
    size_t n = (size_t)got;
    if (transform(s, packets[0], &n))
        sendto(s->other->fd, packets[0], n, 0, (struct sockaddr *)&s->other->remote, sizeof s->other->remote);
}

/* All of one size, as voice is. */
static void send_segments(const struct side *to, struct iovec *vectors, unsigned count)
{
    uint8_t control[CMSG_SPACE(sizeof(uint16_t))] __attribute__((aligned(8)));
    const uint16_t octets = (uint16_t)vectors[0].iov_len;
    struct msghdr message = {.msg_name = (void *)(uintptr_t)&to->remote,
                             .msg_namelen = sizeof to->remote,
                             .msg_iov = vectors,
                             .msg_iovlen = count,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof octets), .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT};
    memcpy(CMSG_DATA(c), &octets, sizeof octets);
    sendmsg(to->fd, &message, 0); /* what is not taken is lost, as by sendto */
}

static void relay_many(struct side *s)
{
    struct mmsghdr headers[BATCH];
    struct iovec in[BATCH], out[BATCH];
    unsigned count = 0;
    for (unsigned i = 0; i < BATCH; i++) {
        in[i] = (struct iovec){packets[i], PACKET_OCTETS - SRTP_OVERHEAD_OCTETS_MAX};
        headers[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
    }
    int n = recvmmsg(s->fd, headers, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++) {
        size_t octets = headers[i].msg_len;
        if (!transform(s, packets[i], &octets))
            continue;
        if (count && out[0].iov_len != octets) {
            send_segments(s->other, out, count);
            count = 0;
        }
        out[count++] = (struct iovec){packets[i], octets};
    }
    if (count)
        send_segments(s->other, out, count);
}

int main(int argc, char **argv)
{
    struct srtp_master in, out;
    if (argc != 7)
        return 2;
    technique = technique_of(argv[6]);
    int epoll = epoll_create1(0);
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    printf("%d\n", (int)getpid());
    for (unsigned i = 0; i < STREAMS_MAX && read_keys(argv[1], &in, &out); i++) {
        struct side *inside = &sides[i][0], *outside = &sides[i][1];
        *inside = (struct side){.other = outside, .is_inside = true};
        *outside = (struct side){.other = inside};
        open_side(inside, argv[2], i, argv[4], epoll);
        open_side(outside, argv[3], i, argv[5], epoll);
        printf("\n");
        need(srtp_new(&out, SRTP_PROTECTS, SRTP_BACKEND_DEFAULT, &inside->srtp) == 0 &&
                 srtp_new(&in, SRTP_UNPROTECTS, SRTP_BACKEND_DEFAULT, &outside->srtp) == 0,
             "srtp");
    }
    printf("ready\n");
    fflush(stdout);
    need(epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) == 0, "epoll");
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (!events[i].data.ptr)
                return 0;
            if (technique == ONE)
                relay_one(events[i].data.ptr);
            else
                relay_many(events[i].data.ptr);
        }
    }
}
