/* Captures, read back by a reader of their own: headers, checksums, sequence numbers, cutting, a full disk. */
#include "testing.h"

#include "pcap.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

struct packet {
    int64_t at_us;
    int version;
    uint16_t source_port, destination_port;
    uint32_t sequence, acknowledged;
    unsigned flags;
    struct slice data;
};

struct capture {
    char path[64];
    struct sim_pcap *pcap;
    uint8_t *octets;
    size_t n;
    size_t at;
};

static void capture_open(struct capture *c)
{
    *c = (struct capture){.path = "/tmp/test-pcap-XXXXXX"};
    int fd = mkstemp(c->path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(sim_pcap_new(c->path, &c->pcap), 0);
}

/* Ends writing, and begins to read behind the file's header. */
static void capture_turn(struct capture *c)
{
    assert_int_equal(sim_pcap_free(c->pcap), 0);
    FILE *in = fopen(c->path, "rb");
    assert_non_null(in);
    c->octets = malloc(1 << 20);
    c->n = fread(c->octets, 1, 1 << 20, in);
    fclose(in);
    unlink(c->path);
    assert_true(c->n >= 24);
    uint32_t head[6];
    memcpy(head, c->octets, sizeof head);
    assert_int_equal(head[0], 0xa1b2c3d4);
    assert_int_equal(head[5], 101);
    c->at = 24;
}

static void capture_close(struct capture *c)
{
    assert_int_equal(c->at, c->n);
    free(c->octets);
}

static uint32_t u16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t u32(const uint8_t *p)
{
    return u16(p) << 16 | u16(p + 2);
}

/* The sum of all words, which is 0xffff where a right checksum is among them. */
static uint32_t sum_of(uint32_t sum, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum += (uint32_t)p[i] << (i % 2 ? 0 : 8);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static struct packet next_packet(struct capture *c)
{
    struct packet packet = {0};
    uint32_t record[4];
    assert_true(c->n - c->at >= sizeof record);
    memcpy(record, c->octets + c->at, sizeof record);
    assert_int_equal(record[2], record[3]);
    const uint8_t *ip = c->octets + c->at + sizeof record;
    c->at += sizeof record + record[2];
    assert_true(c->at <= c->n);
    packet.at_us = (int64_t)record[0] * 1000000 + record[1];
    packet.version = ip[0] >> 4;
    size_t head = packet.version == 4 ? 20 : 40, address = packet.version == 4 ? 4 : 16;
    size_t octets = record[2] - head;
    const uint8_t *tcp = ip + head;
    if (packet.version == 4) {
        assert_int_equal(u16(ip + 2), record[2]);
        assert_int_equal(sum_of(0, ip, 20), 0xffff);
    } else {
        assert_int_equal(u16(ip + 4), octets);
    }
    assert_int_equal(sum_of(sum_of(6 + (uint32_t)octets, tcp - 2 * address, 2 * address), tcp, octets), 0xffff);
    packet.source_port = (uint16_t)u16(tcp);
    packet.destination_port = (uint16_t)u16(tcp + 2);
    packet.sequence = u32(tcp + 4);
    packet.acknowledged = u32(tcp + 8);
    packet.flags = tcp[13];
    size_t data = (size_t)(tcp[12] >> 4) * 4;
    packet.data = slice_of(tcp + data, octets - data);
    return packet;
}

static const struct addr four = {4, 6084, {10, 0, 0, 1}}, other_four = {4, 6084, {10, 0, 0, 2}};
static const struct addr six = {6, 6084, {0x20, 1, 0xd, 0xb8, [15] = 1}}, other_six = {6, 6084, {0x20, 1, [15] = 2}};

static const int64_t start_us = INT64_C(1767225600000000);

static void check_connection(const struct addr *client, const struct addr *server, int version)
{
    struct capture c;
    capture_open(&c);
    struct sim_pcap_flow *flow = sim_pcap_connect(c.pcap, start_us, client, server);
    assert_non_null(flow);
    sim_pcap_accept(c.pcap, flow, start_us + 50000);
    sim_pcap_send(c.pcap, flow, start_us + 60000, SIM_PCAP_CLIENT, slice_str("odd"));
    sim_pcap_send(c.pcap, flow, start_us + 70000, SIM_PCAP_SERVER, slice_str("even"));
    sim_pcap_close(c.pcap, flow, start_us + 80000, SIM_PCAP_SERVER);
    sim_pcap_send(c.pcap, flow, start_us + 85000, SIM_PCAP_CLIENT, slice_str("late")); /* it has not heard of it yet */
    sim_pcap_end(c.pcap, flow, start_us + 90000);
    capture_turn(&c);
    struct packet syn = next_packet(&c), syn_ack = next_packet(&c), ack = next_packet(&c);
    assert_int_equal(syn.version, version);
    assert_int_equal(syn.at_us, start_us);
    assert_int_equal(syn.flags, SYN);
    assert_int_equal(syn.destination_port, 6084);
    assert_int_not_equal(syn.source_port, 6084);
    assert_int_equal(syn_ack.flags, SYN | ACK);
    assert_int_equal(syn_ack.at_us, start_us + 50000);
    assert_int_equal(syn_ack.acknowledged, syn.sequence + 1);
    assert_int_equal(ack.flags, ACK);
    assert_int_equal(ack.sequence, syn.sequence + 1);
    assert_int_equal(ack.acknowledged, syn_ack.sequence + 1);
    struct packet odd = next_packet(&c), even = next_packet(&c);
    assert_slice_text(odd.data, "odd");
    assert_int_equal(odd.flags, PSH | ACK);
    assert_int_equal(odd.sequence, ack.sequence);
    assert_slice_text(even.data, "even");
    assert_int_equal(even.source_port, 6084);
    assert_int_equal(even.sequence, syn_ack.sequence + 1);
    assert_int_equal(even.acknowledged, odd.sequence + 3);
    struct packet fin = next_packet(&c), late = next_packet(&c), fin_back = next_packet(&c), last = next_packet(&c);
    assert_int_equal(fin.flags, FIN | ACK);
    assert_int_equal(fin.source_port, 6084);
    assert_int_equal(fin.sequence, even.sequence + 4);
    assert_slice_text(late.data, "late");
    assert_int_equal(late.sequence, odd.sequence + 3);
    assert_int_equal(fin_back.flags, FIN | ACK);
    assert_int_equal(fin_back.sequence, late.sequence + 4);
    assert_int_equal(fin_back.acknowledged, fin.sequence + 1);
    assert_int_equal(last.flags, ACK);
    assert_int_equal(last.acknowledged, fin_back.sequence + 1);
    capture_close(&c);
}

static void a_connection_has_beginning_and_end(void **state)
{
    (void)state;
    check_connection(&four, &other_four, 4);
    check_connection(&six, &other_six, 6);
}

static void a_large_write_is_cut(void **state)
{
    (void)state;
    enum { LARGE = 5000 };
    static uint8_t large[LARGE];
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (uint8_t)(i * 7);
    struct capture c;
    capture_open(&c);
    struct sim_pcap_flow *flow = sim_pcap_connect(c.pcap, start_us, &six, &other_six);
    sim_pcap_send(c.pcap, flow, start_us, SIM_PCAP_CLIENT, slice_of(large, LARGE));
    sim_pcap_end(c.pcap, flow, start_us);
    capture_turn(&c);
    next_packet(&c);
    next_packet(&c);
    uint32_t sequence = next_packet(&c).sequence;
    size_t got = 0;
    while (got < LARGE) {
        struct packet p = next_packet(&c);
        assert_true(p.data.n && p.data.n <= 1440);
        assert_int_equal(p.sequence, sequence + got);
        assert_memory_equal(p.data.p, large + got, p.data.n);
        got += p.data.n;
        assert_int_equal(p.flags & PSH ? 1 : 0, got == LARGE);
    }
    capture_close(&c);
}

/* Nobody asked for acceptance, or it never came. */
static void what_was_left_out_is_made_up(void **state)
{
    (void)state;
    struct capture c;
    capture_open(&c);
    struct sim_pcap_flow *flow = sim_pcap_connect(c.pcap, start_us, &four, &other_four);
    struct sim_pcap_flow *second = sim_pcap_connect(c.pcap, start_us, &four, &other_four);
    sim_pcap_send(c.pcap, flow, start_us, SIM_PCAP_SERVER, slice_str("x"));
    sim_pcap_reset(c.pcap, flow, SIM_PCAP_CLIENT);
    sim_pcap_end(c.pcap, flow, start_us);
    sim_pcap_close(c.pcap, second, start_us, SIM_PCAP_SERVER);
    sim_pcap_end(c.pcap, second, start_us);
    capture_turn(&c);
    struct packet first_syn = next_packet(&c), second_syn = next_packet(&c);
    assert_int_not_equal(first_syn.source_port, second_syn.source_port);
    assert_int_equal(next_packet(&c).flags, SYN | ACK);
    assert_int_equal(next_packet(&c).flags, ACK);
    assert_slice_text(next_packet(&c).data, "x");
    assert_int_equal(next_packet(&c).flags, RST | ACK);
    struct packet refused = next_packet(&c);
    assert_int_equal(refused.flags, RST | ACK);
    assert_int_equal(refused.acknowledged, second_syn.sequence + 1);
    capture_close(&c);
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    struct sim_pcap *pcap;
    static const uint8_t much[100000];
    assert_int_equal(sim_pcap_new("/dev/full", &pcap), 0);
    struct sim_pcap_flow *flow = sim_pcap_connect(pcap, start_us, &four, &other_four);
    sim_pcap_send(pcap, flow, start_us, SIM_PCAP_CLIENT, slice_of(much, sizeof much));
    assert_int_equal(sim_pcap_error(pcap), ERR_NO_SPACE);
    assert_null(sim_pcap_connect(pcap, start_us, &four, &other_four));
    sim_pcap_end(pcap, flow, start_us);
    assert_int_equal(sim_pcap_free(pcap), ERR_NO_SPACE);
    assert_int_equal(sim_pcap_new("/nowhere/at/all", &pcap), ERR_IO);
}

static void without_a_capture_nothing_happens(void **state)
{
    (void)state;
    struct sim_pcap_flow *flow = sim_pcap_connect(NULL, start_us, &four, &other_four);
    assert_null(flow);
    sim_pcap_accept(NULL, flow, start_us);
    sim_pcap_send(NULL, flow, start_us, SIM_PCAP_CLIENT, slice_str("x"));
    sim_pcap_close(NULL, flow, start_us, SIM_PCAP_CLIENT);
    sim_pcap_end(NULL, flow, start_us);
    assert_int_equal(sim_pcap_error(NULL), 0);
    assert_int_equal(sim_pcap_free(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_has_beginning_and_end), cmocka_unit_test(a_large_write_is_cut),
        cmocka_unit_test(what_was_left_out_is_made_up),       cmocka_unit_test(a_full_disk_is_told),
        cmocka_unit_test(without_a_capture_nothing_happens),
    };
    return cmocka_run_group_tests_name("pcap", tests, NULL, NULL);
}
