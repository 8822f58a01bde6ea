/* Writing packets: pcap record, IP and TCP headers with their checksums, the little of TCP that a capture needs. */
#include "pcap.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>

enum {
    PCAP_MAGIC = 0xa1b2c3d4, /* microseconds */
    PCAP_RAW = 101,          /* LINKTYPE_RAW: IPv4 or IPv6 by the first four bits */
    PCAP_SNAP_OCTETS = 65535,
    IP_TTL = 64,
    IP_TCP = 6,
    IP4_OCTETS = 20,
    IP6_OCTETS = 40,
    TCP_OCTETS = 20,
    TCP_OPTIONS_OCTETS = 8, /* on SYN: maximum segment size, window scale */
    WINDOW = 65535,
    WINDOW_SCALE = 7,
    MTU_OCTETS = 1500,
    PORT_FIRST = 10000, /* given out to clients in turn */
    PORT_LAST = 65535,
};

enum tcp_flag { FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08, ACK = 0x10 };

struct sim_pcap {
    FILE *file;
    int err;
    uint16_t next_port;
    uint16_t next_ip_id;
};

struct sim_pcap_flow {
    struct addr addr[2];  /* by enum sim_pcap_end */
    uint32_t sequence[2]; /* of the next octet */
    bool accepted;
    bool closed;
    bool reset;
    enum sim_pcap_end by; /* who closed or reset it */
};

/* ---- packets ---- */

static uint8_t *put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
    return put16(put16(p, v >> 16), v & 0xffff);
}

/* The sum of 16-bit words, RFC 1071; only the last piece may have an odd length. */
static uint32_t sum_add(uint32_t sum, const uint8_t *p, size_t n)
{
    for (; n > 1; p += 2, n -= 2)
        sum += (uint32_t)p[0] << 8 | p[1];
    if (n)
        sum += (uint32_t)p[0] << 8;
    return (sum & 0xffff) + (sum >> 16);
}

static uint32_t sum_end(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

static size_t address_octets(const struct addr *a)
{
    return a->family == 4 ? 4 : 16;
}

static uint8_t *put_address(uint8_t *p, const struct addr *a)
{
    memcpy(p, a->ip, address_octets(a));
    return p + address_octets(a);
}

/* The IP header before so many octets of TCP. */
static size_t put_ip(struct sim_pcap *pcap, uint8_t *p, const struct addr *from, const struct addr *to,
                     size_t tcp_octets)
{
    if (from->family != 4) {
        uint8_t *at = put32(p, 0x60000000);
        at = put16(at, (uint32_t)tcp_octets);
        at = put16(at, IP_TCP << 8 | IP_TTL);
        put_address(put_address(at, from), to);
        return IP6_OCTETS;
    }
    uint8_t *at = put16(p, 0x4500);
    at = put16(at, (uint32_t)(IP4_OCTETS + tcp_octets));
    at = put16(at, pcap->next_ip_id++);
    at = put16(at, 0x4000); /* do not fragment */
    at = put16(at, IP_TTL << 8 | IP_TCP);
    uint8_t *checksum = at;
    put_address(put_address(put16(at, 0), from), to);
    put16(checksum, sum_end(sum_add(0, p, IP4_OCTETS)));
    return IP4_OCTETS;
}

static size_t segment_octets_max(const struct addr *a)
{
    return (size_t)MTU_OCTETS - (a->family == 4 ? IP4_OCTETS : IP6_OCTETS) - TCP_OCTETS;
}

/* TCP header, options and data, with the checksum over the pseudo-header of either family. */
static size_t put_tcp(uint8_t *p, const struct sim_pcap_flow *flow, enum sim_pcap_end from, unsigned flags,
                      struct slice data)
{
    const struct addr *source = &flow->addr[from], *destination = &flow->addr[!from];
    size_t head = TCP_OCTETS + (flags & SYN ? TCP_OPTIONS_OCTETS : 0), octets = head + data.n;
    uint8_t *at = put16(put16(p, source->port), destination->port);
    at = put32(at, flow->sequence[from]);
    at = put32(at, flags & ACK ? flow->sequence[!from] : 0);
    at = put16(at, (uint32_t)(head / 4) << 12 | flags);
    at = put16(at, WINDOW);
    uint8_t *checksum = at;
    at = put32(at, 0);
    if (flags & SYN) {
        at = put16(put16(at, 0x0204), (uint32_t)segment_octets_max(source));
        at = put32(at, 0x01030300 | WINDOW_SCALE); /* after a NOP */
    }
    if (data.n)
        memcpy(at, data.p, data.n);
    uint32_t sum = sum_add(0, source->ip, address_octets(source));
    sum = sum_add(sum, destination->ip, address_octets(destination));
    sum += IP_TCP + (uint32_t)octets;
    put16(checksum, sum_end(sum_add(sum, p, octets)));
    return octets;
}

static void write_octets(struct sim_pcap *pcap, const void *p, size_t n)
{
    if (!pcap->err && fwrite(p, 1, n, pcap->file) != n)
        pcap->err = errno == ENOSPC ? ERR_NO_SPACE : ERR_IO;
}

/* One packet; moves the sender's sequence number on. */
static void write_packet(struct sim_pcap *pcap, struct sim_pcap_flow *flow, int64_t at_us, enum sim_pcap_end from,
                         unsigned flags, struct slice data)
{
    uint8_t packet[MTU_OCTETS];
    uint32_t record[4];
    size_t head = flow->addr[from].family == 4 ? IP4_OCTETS : IP6_OCTETS;
    size_t tcp = put_tcp(packet + head, flow, from, flags, data);
    put_ip(pcap, packet, &flow->addr[from], &flow->addr[!from], tcp);
    record[0] = (uint32_t)(at_us / 1000000);
    record[1] = (uint32_t)(at_us % 1000000);
    record[2] = record[3] = (uint32_t)(head + tcp);
    write_octets(pcap, record, sizeof record);
    write_octets(pcap, packet, head + tcp);
    flow->sequence[from] += (uint32_t)data.n + (flags & (SYN | FIN) ? 1 : 0);
}

/* ---- the file ---- */

int sim_pcap_new(const char *path, struct sim_pcap **ret_pcap)
{
    struct sim_pcap *pcap = mem_alloc(sizeof *pcap);
    if (!pcap)
        return ERR_NO_MEMORY;
    pcap->next_port = PORT_FIRST;
    pcap->file = fopen(path, "wbe");
    if (!pcap->file) {
        int err = errno == ENOSPC ? ERR_NO_SPACE : ERR_IO;
        mem_free(pcap);
        return err;
    }
    /* In the order of octets of this machine: readers know it by the magic. Version 2.4, UTC. */
    uint32_t head[6] = {PCAP_MAGIC, 0, 0, 0, PCAP_SNAP_OCTETS, PCAP_RAW};
    uint16_t version[2] = {2, 4};
    memcpy(&head[1], version, sizeof version);
    write_octets(pcap, head, sizeof head);
    *ret_pcap = pcap;
    return 0;
}

int sim_pcap_free(struct sim_pcap *pcap)
{
    if (!pcap)
        return 0;
    int err = pcap->err;
    if (fclose(pcap->file) != 0 && !err)
        err = errno == ENOSPC ? ERR_NO_SPACE : ERR_IO;
    mem_free(pcap);
    return err;
}

int sim_pcap_error(const struct sim_pcap *pcap)
{
    return pcap ? pcap->err : 0;
}

/* ---- connections ---- */

struct sim_pcap_flow *sim_pcap_connect(struct sim_pcap *pcap, int64_t at_us, const struct addr *client,
                                       const struct addr *server)
{
    if (!pcap || pcap->err)
        return NULL;
    struct sim_pcap_flow *flow = mem_alloc(sizeof *flow);
    if (!flow) {
        pcap->err = ERR_NO_MEMORY;
        return NULL;
    }
    flow->addr[SIM_PCAP_CLIENT] = *client;
    flow->addr[SIM_PCAP_SERVER] = *server;
    if (client->port == 0 || client->port == server->port) {
        flow->addr[SIM_PCAP_CLIENT].port = pcap->next_port;
        pcap->next_port = pcap->next_port == PORT_LAST ? PORT_FIRST : (uint16_t)(pcap->next_port + 1);
    }
    /* The clock of RFC 9293 3.4.1, and another number for the server. */
    flow->sequence[SIM_PCAP_CLIENT] = (uint32_t)(at_us / 4);
    flow->sequence[SIM_PCAP_SERVER] = ~(uint32_t)(at_us / 4);
    write_packet(pcap, flow, at_us, SIM_PCAP_CLIENT, SYN, (struct slice){0});
    return flow;
}

void sim_pcap_accept(struct sim_pcap *pcap, struct sim_pcap_flow *flow, int64_t at_us)
{
    if (!pcap || !flow || flow->accepted)
        return;
    flow->accepted = true;
    write_packet(pcap, flow, at_us, SIM_PCAP_SERVER, SYN | ACK, (struct slice){0});
    write_packet(pcap, flow, at_us, SIM_PCAP_CLIENT, ACK, (struct slice){0});
}

void sim_pcap_send(struct sim_pcap *pcap, struct sim_pcap_flow *flow, int64_t at_us, enum sim_pcap_end from,
                   struct slice octets)
{
    if (!pcap || !flow)
        return;
    sim_pcap_accept(pcap, flow, at_us);
    size_t most = segment_octets_max(&flow->addr[from]);
    while (octets.n && !pcap->err) {
        size_t n = octets.n < most ? octets.n : most;
        write_packet(pcap, flow, at_us, from, n == octets.n ? PSH | ACK : ACK, slice_of(octets.p, n));
        octets = slice_of(octets.p + n, octets.n - n);
    }
}

void sim_pcap_close(struct sim_pcap *pcap, struct sim_pcap_flow *flow, int64_t at_us, enum sim_pcap_end by)
{
    if (!pcap || !flow || flow->closed || flow->reset)
        return;
    if (!flow->accepted) {
        sim_pcap_reset(pcap, flow, by);
        return;
    }
    flow->closed = true;
    flow->by = by;
    write_packet(pcap, flow, at_us, by, FIN | ACK, (struct slice){0});
}

void sim_pcap_reset(struct sim_pcap *pcap, struct sim_pcap_flow *flow, enum sim_pcap_end by)
{
    if (!pcap || !flow || flow->closed || flow->reset)
        return;
    flow->reset = true;
    flow->by = by;
}

void sim_pcap_end(struct sim_pcap *pcap, struct sim_pcap_flow *flow, int64_t at_us)
{
    if (!pcap || !flow)
        return;
    if (flow->closed) {
        write_packet(pcap, flow, at_us, !flow->by, FIN | ACK, (struct slice){0});
        write_packet(pcap, flow, at_us, flow->by, ACK, (struct slice){0});
    } else if (flow->reset) {
        write_packet(pcap, flow, at_us, flow->by, RST | ACK, (struct slice){0});
    }
    mem_free(flow);
}
