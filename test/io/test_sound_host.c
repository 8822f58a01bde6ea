/* Ports for sound of our own on the loopback interface: which ones are opened, what comes in and goes out, and what gives way. */
#include "io/process.h"
#include "io/sound_host.h"
#include "testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_MIN 21401 /* odd: the first pair begins behind it */
#define PORT_MAX 21420
#define PAIRS 9

struct stage {
    struct loop *loop;
    struct entropy entropy;
    struct sound_host_options options;
    struct sound_host *host;
    unsigned packets;
    uint64_t last_id;
    struct addr last_from;
    uint8_t last[SOUND_PACKET_OCTETS_MAX];
    size_t last_n;
    bool closes; /* whatever it hears from */
};

static void heard(void *arg, uint64_t id, const struct addr *from, struct slice octets)
{
    struct stage *s = arg;
    s->packets++;
    s->last_id = id;
    s->last_from = *from;
    s->last_n = octets.n;
    memcpy(s->last, octets.p, octets.n);
    if (s->closes)
        sound_host_close(s->host, id);
}

static const struct addr loopback = {.family = 4, .ip = {127, 0, 0, 1}};
static const struct addr outside = {.family = 4, .ip = {198, 51, 100, 7}};
static const struct addr loopback6 = {.family = 6, .ip = {[15] = 1}};

static void begin(struct stage *s)
{
    assert_int_equal(sound_host_new(s->loop, &s->options, heard, s, &s->host), 0);
}

static int setup(void **state)
{
    struct stage *s = calloc(1, sizeof *s);
    assert_int_equal(loop_new(&s->loop), 0);
    s->entropy = kernel_entropy();
    sound_host_options_init(&s->options);
    s->options.places[0] = (struct sound_place){0, loopback, loopback};
    s->options.places[1] = (struct sound_place){1, loopback, outside};
    s->options.places[2] = (struct sound_place){1, loopback6, loopback6};
    s->options.place_count = 3;
    s->options.port_min = PORT_MIN;
    s->options.port_max = PORT_MAX;
    s->options.entropy = &s->entropy;
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct stage *s = *state;
    sound_host_free(s->host);
    loop_free(s->loop);
    free(s);
    return 0;
}

static uint64_t open_one(struct stage *s, unsigned side, uint8_t family, struct addr *ret_told)
{
    uint64_t id = 0;
    assert_int_equal(sound_host_open(s->host, side, family, &id, ret_told), 0);
    assert_int_not_equal(id, 0);
    return id;
}

static void wait_for(struct stage *s, unsigned packets)
{
    while (s->packets < packets)
        assert_int_equal(loop_turn(s->loop, true), 0);
}

/* A socket that is nobody's; port 0: any. */
static int stranger(uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

static void send_from(int fd, uint16_t port, const void *octets, size_t n)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(sendto(fd, octets, n, 0, (struct sockaddr *)&in, sizeof in), (ssize_t)n);
}

static void test_there_and_back(void **state)
{
    struct stage *s = *state;
    struct addr a, b;
    begin(s);
    uint64_t first = open_one(s, 0, 0, &a), second = open_one(s, 1, 4, &b);
    assert_true(addr_eq_ip(&a, &loopback) && addr_eq_ip(&b, &outside));
    assert_int_equal(a.port % 2 + b.port % 2, 0);
    assert_true(a.port > PORT_MIN && a.port < PORT_MAX && b.port != a.port);
    b.ip[0] = 127, b.ip[1] = b.ip[2] = 0, b.ip[3] = 1;
    sound_host_send(s->host, first, &b, slice_str("hello"));
    wait_for(s, 1);
    assert_int_equal(s->last_id, second);
    assert_true(addr_eq(&s->last_from, &a));
    assert_slice_text(slice_of(s->last, s->last_n), "hello");
    sound_host_send(s->host, second, &a, slice_str("back"));
    wait_for(s, 2);
    assert_int_equal(s->last_id, first);
    assert_int_equal(sound_host_counters(s->host)->packets_in, 2);
    assert_int_equal(sound_host_counters(s->host)->packets_out, 2);
    /* to the other family, and from a port that is closed */
    sound_host_send(s->host, first, &(struct addr){.family = 6, .port = 9, .ip = {[15] = 1}}, slice_str("x"));
    sound_host_close(s->host, second);
    sound_host_close(s->host, second);
    sound_host_send(s->host, second, &a, slice_str("x"));
    assert_int_equal(sound_host_counters(s->host)->send_failed, 2);
    assert_int_equal(sound_host_count(s->host), 1);
}

static void test_families(void **state)
{
    struct stage *s = *state;
    struct addr told;
    uint64_t id;
    begin(s);
    assert_int_equal(sound_host_open(s->host, 0, 6, &id, &told), ERR_UNSUPPORTED);
    assert_int_equal(sound_host_open(s->host, 2, 0, &id, &told), ERR_UNSUPPORTED);
    int err = sound_host_open(s->host, 1, 6, &id, &told); /* a machine may have no IPv6 */
    assert_true(err ? err != ERR_UNSUPPORTED : told.family == 6 && told.port % 2 == 0);
}

/* Every pair of the range is used once, what was used rests, and a port that another program has is passed over. */
static void test_all_ports(void **state)
{
    struct stage *s = *state;
    struct addr told;
    uint64_t ids[PAIRS], id;
    bool seen[PORT_MAX + 1] = {false};
    int other = stranger(PORT_MIN + 1);
    begin(s);
    for (unsigned i = 0; i < PAIRS - 1; i++) {
        ids[i] = open_one(s, i % 2, 4, &told);
        assert_false(seen[told.port] || told.port % 2 || told.port == PORT_MIN + 1);
        seen[told.port] = true;
    }
    assert_int_not_equal(sound_host_open(s->host, 0, 0, &id, &told), 0);
    sound_host_close(s->host, ids[0]);
    assert_int_equal(sound_host_open(s->host, 0, 0, &id, &told), ERR_LIMIT); /* it rests */
    assert_int_equal(sound_host_counters(s->host)->open_refused, 2);
    close(other);
}

static void test_without_rest(void **state)
{
    struct stage *s = *state;
    struct addr told;
    s->options.rest_ms = 0;
    s->options.open_max = 2;
    begin(s);
    uint64_t id, first = open_one(s, 0, 0, &told);
    open_one(s, 0, 0, &told);
    assert_int_equal(sound_host_open(s->host, 0, 0, &id, &told), ERR_LIMIT);
    sound_host_close(s->host, first);
    assert_true(open_one(s, 0, 0, &told) > first + 1); /* a number is never used again */
}

/* Who floods a port takes no more than its share of a turn; who sends too long packets, nothing. */
static void test_flood(void **state)
{
    struct stage *s = *state;
    struct addr told;
    uint8_t octets[2000] = {0};
    s->options.packets_per_turn_max = 10;
    begin(s);
    open_one(s, 0, 0, &told);
    int fd = stranger(0);
    for (unsigned i = 0; i < 40; i++)
        send_from(fd, told.port, octets, 172);
    while (!s->packets)
        loop_turn(s->loop, true);
    assert_int_equal(s->packets, 10);
    const struct sound_host_counters *c = sound_host_counters(s->host);
    while (c->packets_in + c->dropped_busy < 40)
        loop_turn(s->loop, true);
    assert_int_equal(c->packets_in, s->packets);
    send_from(fd, told.port, octets, SOUND_PACKET_OCTETS_MAX + 1);
    send_from(fd, told.port, octets, SOUND_PACKET_OCTETS_MAX);
    unsigned before = s->packets;
    wait_for(s, before + 1);
    assert_int_equal(c->dropped_long, 1);
    assert_int_equal(s->last_n, SOUND_PACKET_OCTETS_MAX);
    close(fd);
}

static void test_closed_by_what_is_heard(void **state)
{
    struct stage *s = *state;
    struct addr told, other;
    s->closes = true;
    begin(s);
    open_one(s, 0, 0, &told);
    uint64_t last = open_one(s, 0, 0, &other);
    int fd = stranger(0);
    for (unsigned i = 0; i < 5; i++)
        send_from(fd, told.port, "x", 1);
    send_from(fd, other.port, "y", 1);
    wait_for(s, 2);
    assert_int_equal(s->packets, 2); /* one from each: the other four came to nobody */
    assert_int_equal(sound_host_count(s->host), 0);
    assert_true(s->last_id <= last);
    close(fd);
}

static void test_refused(void **state)
{
    struct stage *s = *state;
    s->options.port_max = s->options.port_min;
    assert_int_equal(sound_host_new(s->loop, &s->options, heard, s, &s->host), ERR_RANGE);
    s->options.place_count = SOUND_PLACES_MAX + 1;
    assert_int_equal(sound_host_new(s->loop, &s->options, heard, s, &s->host), ERR_LIMIT);
    s->host = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_there_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_families, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_ports, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed_by_what_is_heard, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
