/* The least that relaying can cost: one socket per stream and side, epoll, a packet in, SRTP, a packet out. No check, no quality, no time: what ime-edge's
 * worker is compared with. Arguments, input and output as relay.c. */
#include "common.h"

#include <sys/epoll.h>
#include <unistd.h>

#define STREAMS_MAX 20000
#define EVENTS 256
#define FIRST_PORT 16384

struct side {
    struct side *other;
    struct sockaddr_in remote;
    struct srtp *srtp; /* what is done with what comes to this side */
    int fd;
    bool is_inside;
};

static struct side sides[STREAMS_MAX][2];

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

static void relay(struct side *s)
{
    uint8_t packet[2048];
    ssize_t got = recvfrom(s->fd, packet, sizeof packet - SRTP_OVERHEAD_OCTETS_MAX, 0, NULL, NULL);
    if (got <= 0)
        return;
    size_t n = (size_t)got;
    enum srtp_result result =
        s->is_inside ? srtp_rtp_protect(s->srtp, packet, sizeof packet, &n) : srtp_rtp_unprotect(s->srtp, packet, &n);
    if (result == SRTP_GOOD)
        sendto(s->other->fd, packet, n, 0, (struct sockaddr *)&s->other->remote, sizeof s->other->remote);
}

int main(int argc, char **argv)
{
    struct srtp_master in, out;
    if (argc != 6)
        return 2;
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
            relay(events[i].data.ptr);
        }
    }
}
