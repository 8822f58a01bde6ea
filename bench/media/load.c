/* Voice for many streams at once, and what arrives of it. One socket stands for all phones inside, one for all far ends outside.
 *
 *     media_load SUITE PHONE FAR
 *
 * Input: a line per stream (where to send to inside, outside; the keys of what the far end sends and gets), an empty line; then commands, each answered by a line
 * of JSON:
 *     run RATE SECONDS      RTP inside and SRTP outside, half of the rate each, G.711 of 20 ms; the answer counts, and says how long packets took
 *     overload RATE SECONDS RATE SECONDS   the first rate, then at once the second one; the answer says when the delay of most packets was as short as it should be again
 * Packets are made before the time begins. */
#include "common.h"

#include <poll.h>

#define STREAMS_MAX 20000
#define BATCH 64 /* at most, in one call of the kernel */
#define SMOOTH_BATCH \
    8 /* at rates below SMOOTH_RATE: calls know nothing of one another, and their packets do not come in bursts */
#define SMOOTH_RATE 200000
#define PACKET_OCTETS 212
#define VOICE_OCTETS 172 /* header and 160 octets */
#define SOCKET_OCTETS (64 << 20)
#define LATE_MS 1000          /* after the last packet was sent, for those under way */
#define CALM_NS (5 * 1000000) /* a packet that takes no longer has not waited behind a backlog */
#define WINDOW_NS (10 * 1000000)
#define WINDOWS_MAX 1000

struct end {
    int fd;
    struct sockaddr_in *to; /* per stream */
    struct srtp **srtp;     /* per stream; NULL: plain */
    uint16_t *seq;          /* per stream, of the last packet */
};

struct stream_keys {
    struct srtp *receives; /* the far end: to see that what comes is what was sent */
    bool is_checked[2];    /* the phone, the far end */
};

struct packet {
    uint32_t stream;
    uint16_t octets;
    uint8_t p[PACKET_OCTETS];
};

static struct end phone, far_end;
static struct stream_keys *keys;
static unsigned stream_count;

/* When a packet was sent: by side, stream and the low bits of its number. */
#define REMEMBERED 1024
static int64_t (*sent_ns)[2][REMEMBERED];

static struct {
    uint64_t sent, received, bad;
    uint32_t *took_us; /* of each that was received */
    size_t took_room;
    int64_t begin_ns; /* of what is looked at window by window; 0: not yet */
    struct {
        uint32_t packets, calm;
    } windows[WINDOWS_MAX];
} run;

/* ---- streams ---- */

static void read_streams(const char *suite)
{
    char line[600], inside[64], outside[64], in[128], out[128];
    phone.to = calloc(STREAMS_MAX, sizeof *phone.to);
    far_end.to = calloc(STREAMS_MAX, sizeof *far_end.to);
    phone.seq = calloc(STREAMS_MAX, sizeof *phone.seq);
    far_end.seq = calloc(STREAMS_MAX, sizeof *far_end.seq);
    far_end.srtp = calloc(STREAMS_MAX, sizeof *far_end.srtp);
    keys = calloc(STREAMS_MAX, sizeof *keys);
    sent_ns = calloc(STREAMS_MAX, sizeof *sent_ns);
    need(phone.to && far_end.to && phone.seq && far_end.seq && far_end.srtp && keys && sent_ns, "memory");
    while (stream_count < STREAMS_MAX && fgets(line, sizeof line, stdin) &&
           sscanf(line, "%63s %63s %127s %127s", inside, outside, in, out) == 4) {
        struct srtp_master sends = master_of(suite, in), gets = master_of(suite, out);
        struct addr to_inside = address_of(inside), to_outside = address_of(outside);
        phone.to[stream_count] = socket_address(&to_inside);
        far_end.to[stream_count] = socket_address(&to_outside);
        need(srtp_new(&sends, SRTP_PROTECTS, SRTP_BACKEND_DEFAULT, &far_end.srtp[stream_count]) == 0 &&
                 srtp_new(&gets, SRTP_UNPROTECTS, SRTP_BACKEND_DEFAULT, &keys[stream_count].receives) == 0,
             "srtp");
        stream_count++;
    }
    need(stream_count > 0, "streams");
}

/* ---- packets ---- */

static void make(struct end *end, uint32_t stream, struct packet *packet)
{
    uint16_t seq = ++end->seq[stream];
    uint32_t timestamp = htonl(160u * seq), ssrc = htonl(stream + 1);
    packet->stream = stream;
    memset(packet->p, 0xd5, VOICE_OCTETS);
    packet->p[0] = 0x80;
    packet->p[1] = 8;
    packet->p[2] = (uint8_t)(seq >> 8);
    packet->p[3] = (uint8_t)seq;
    memcpy(packet->p + 4, &timestamp, 4);
    memcpy(packet->p + 8, &ssrc, 4);
    size_t n = VOICE_OCTETS;
    if (end->srtp)
        need(srtp_rtp_protect(end->srtp[stream], packet->p, sizeof packet->p, &n) == SRTP_GOOD, "protect");
    packet->octets = (uint16_t)n;
}

/* Packets in a row that go out of one socket. */
static size_t batch_of(double rate)
{
    return rate < SMOOTH_RATE ? SMOOTH_BATCH : BATCH;
}

static struct packet *make_all(size_t count, size_t batch)
{
    struct packet *packets = malloc((count + BATCH) * sizeof *packets);
    need(packets, "memory");
    /* Batches go out of one socket: they change sides in turn, and stay with each stream once around. */
    for (size_t i = 0; i < count; i++)
        make((i / batch) % 2 ? &far_end : &phone, (uint32_t)((i / (2 * batch) * batch + i % batch) % stream_count),
             &packets[i]);
    return packets;
}

static void send_batch(const struct packet *packets, size_t first, size_t n, bool is_far)
{
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    struct end *end = is_far ? &far_end : &phone;
    for (size_t i = 0; i < n; i++) {
        const struct packet *p = &packets[first + i];
        vectors[i] = (struct iovec){(void *)(uintptr_t)p->p, p->octets};
        headers[i].msg_hdr = (struct msghdr){
            .msg_name = &end->to[p->stream], .msg_namelen = sizeof end->to[0], .msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    int64_t now = clock_ns();
    for (size_t i = 0; i < n; i++) {
        const struct packet *p = &packets[first + i];
        sent_ns[p->stream][is_far][(p->p[2] << 8 | p->p[3]) % REMEMBERED] = now;
    }
    for (size_t i = 0; i < n;) {
        int sent = sendmmsg(end->fd, headers + i, (unsigned)(n - i), 0);
        i += sent > 0 ? (size_t)sent : 1;
        run.sent += sent > 0 ? (size_t)sent : 0;
    }
}

/* The first packet of each stream is read as its end would read it. */
static void check(bool is_far, uint32_t stream, uint8_t *p, size_t n)
{
    if (keys[stream].is_checked[is_far])
        return;
    keys[stream].is_checked[is_far] = true;
    bool is_good = !is_far || srtp_rtp_unprotect(keys[stream].receives, p, &n) == SRTP_GOOD;
    if (!is_good || n != VOICE_OCTETS || p[20] != 0xd5)
        run.bad++;
}

static void take(bool is_far, uint8_t *p, size_t n, int64_t now)
{
    uint32_t ssrc;
    memcpy(&ssrc, p + 8, 4);
    uint32_t stream = ntohl(ssrc) - 1;
    if (n < VOICE_OCTETS || stream >= stream_count) {
        run.bad++;
        return;
    }
    check(is_far, stream, p, n);
    /* What comes to one end was sent by the other one. */
    int64_t took = now - sent_ns[stream][!is_far][(p[2] << 8 | p[3]) % REMEMBERED];
    if (run.received < run.took_room)
        run.took_us[run.received] = (uint32_t)(took / 1000);
    run.received++;
    size_t window = run.begin_ns ? (size_t)((now - run.begin_ns) / WINDOW_NS) : WINDOWS_MAX;
    if (window < WINDOWS_MAX) {
        run.windows[window].packets++;
        run.windows[window].calm += took <= CALM_NS;
    }
}

static bool receive(struct end *end)
{
    static uint8_t octets[BATCH][256];
    struct mmsghdr headers[BATCH];
    struct iovec vectors[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){octets[i], sizeof octets[i]};
        headers[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    int n = recvmmsg(end->fd, headers, BATCH, MSG_DONTWAIT, NULL);
    int64_t now = clock_ns();
    for (int i = 0; i < n; i++)
        take(end == &far_end, octets[i], headers[i].msg_len, now);
    return n > 0;
}

/* False: neither end had anything. */
static bool receive_both(void)
{
    bool at_phone = receive(&phone), at_far_end = receive(&far_end);
    return at_phone || at_far_end;
}

static void receive_all(void)
{
    while (receive_both())
        continue;
}

/* ---- runs ---- */

/* Sends them at that rate, however late it becomes; receives meanwhile. */
static void play(const struct packet *packets, size_t count, size_t batch, double rate)
{
    int64_t begin = clock_ns();
    for (size_t at = 0; at < count;) {
        size_t n = count - at < batch ? count - at : batch;
        int64_t due = begin + (int64_t)((double)at * 1e9 / rate);
        while (clock_ns() < due)
            receive_both();
        send_batch(packets, at, n, at / batch % 2);
        receive_both();
        at += n;
    }
}

static void wait_for_late_ones(void)
{
    int64_t end = clock_ns() + (int64_t)LATE_MS * 1000000;
    uint64_t before = UINT64_MAX;
    while (clock_ns() < end && run.received < run.sent) {
        struct pollfd fds[] = {{phone.fd, POLLIN, 0}, {far_end.fd, POLLIN, 0}};
        before = run.received;
        poll(fds, 2, 50);
        receive_all();
        if (run.received == before)
            break;
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void prepare(size_t count)
{
    free(run.took_us);
    memset(&run, 0, sizeof run);
    run.took_us = malloc(count * sizeof *run.took_us);
    need(run.took_us, "memory");
    run.took_room = count;
}

static uint32_t percentile(double share)
{
    size_t n = run.received < run.took_room ? run.received : run.took_room;
    return n ? run.took_us[(size_t)((double)(n - 1) * share)] : 0;
}

static void do_run(double rate, double seconds)
{
    size_t batch = batch_of(rate), count = (size_t)(rate * seconds) / batch * batch;
    prepare(count);
    struct packet *packets = make_all(count, batch);
    int64_t begin = clock_ns();
    play(packets, count, batch, rate);
    double took = (double)(clock_ns() - begin) / 1e9;
    wait_for_late_ones();
    free(packets);
    qsort(run.took_us, run.received < run.took_room ? run.received : run.took_room, sizeof *run.took_us, compare);
    printf("{\"sent\": %llu, \"received\": %llu, \"bad\": %llu, \"seconds\": %.6f, \"p50_us\": %u, \"p99_us\": %u}\n",
           (unsigned long long)run.sent, (unsigned long long)run.received, (unsigned long long)run.bad, took,
           percentile(0.5), percentile(0.99));
}

/* Until most packets are as fast as they should be. */
static double late_ms(void)
{
    size_t i = 0;
    while (i < WINDOWS_MAX && (run.windows[i].packets == 0 || 2 * run.windows[i].calm < run.windows[i].packets))
        i++;
    return (double)i * WINDOW_NS / 1e6;
}

static void do_overload(double rate, double seconds, double then_rate, double then_seconds)
{
    size_t first = (size_t)(rate * seconds) / (2 * BATCH) * (2 * BATCH),
           second = (size_t)(then_rate * then_seconds) / BATCH * BATCH;
    prepare(first + second);
    struct packet *packets = make_all(first + second, BATCH);
    int64_t begin = clock_ns();
    play(packets, first, BATCH, rate);
    int64_t over = clock_ns();
    uint64_t sent = run.sent, received = run.received;
    run.begin_ns = over;
    play(packets + first, second, BATCH, then_rate);
    int64_t end = clock_ns();
    wait_for_late_ones();
    free(packets);
    printf("{\"offered\": %.0f, \"relayed\": %.0f, \"then_sent\": %llu, \"then_received\": %llu, \"late_ms\": %.1f, "
           "\"then_ms\": %.1f}\n",
           (double)sent / ((double)(over - begin) / 1e9), (double)received / ((double)(over - begin) / 1e9),
           (unsigned long long)(run.sent - sent), (unsigned long long)(run.received - received), late_ms(),
           (double)(end - over) / 1e6);
}

int main(int argc, char **argv)
{
    char line[256];
    double a, b, c, d;
    if (argc != 4)
        return 2;
    struct addr phone_addr = address_of(argv[2]), far_addr = address_of(argv[3]);
    phone.fd = udp_socket(&phone_addr, SOCKET_OCTETS);
    far_end.fd = udp_socket(&far_addr, SOCKET_OCTETS);
    read_streams(argv[1]);
    printf("%u\n", stream_count);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "run %lf %lf", &a, &b) == 2)
            do_run(a, b);
        else if (sscanf(line, "overload %lf %lf %lf %lf", &a, &b, &c, &d) == 4)
            do_overload(a, b, c, d);
        else
            return 2;
        fflush(stdout);
    }
    return 0;
}
