/* What the ring's links carry, as Wireshark would have captured it if there were no TLS: classic pcap of IPv4 and IPv6 packets (link type
 * RAW), each link a TCP connection to port 6084 with handshake, sequence numbers, checksums and end. Octets are shown when they are sent.
 *
 *     flow = sim_pcap_connect(pcap, at_us, &client, &server);
 *     sim_pcap_accept(pcap, flow, at_us);
 *     sim_pcap_send(pcap, flow, at_us, SIM_PCAP_CLIENT, octets);
 *     sim_pcap_close(pcap, flow, at_us, SIM_PCAP_SERVER);
 *     sim_pcap_end(pcap, flow, at_us);
 *
 * Calls come in the order of time; times are microseconds of Unix time, which the world makes of its virtual one. A pcap or flow of NULL is
 * allowed everywhere and does nothing, so that the world need not ask. Memory: one small flow per open connection. */
#ifndef SIM_PCAP_H
#define SIM_PCAP_H

#include "base/addr.h"

struct sim_pcap;
struct sim_pcap_flow;

enum sim_pcap_end {
    SIM_PCAP_CLIENT, /* who connected */
    SIM_PCAP_SERVER
};

/* Overwrites the file. 0, ERR_NO_MEMORY, ERR_NO_SPACE or ERR_IO. */
int sim_pcap_new(const char *path, struct sim_pcap **ret_pcap);

/* Writes out what is left. 0, or the first error that there ever was. The flows must have ended. */
int sim_pcap_free(struct sim_pcap *pcap);

/* The first error of a write (ERR_NO_SPACE: the disk is full, ERR_IO, ERR_NO_MEMORY), or 0. After one, nothing more is written. */
int sim_pcap_error(const struct sim_pcap *pcap);

/* SYN. A client's port of 0, or that of its own listener, is replaced by one of the ephemeral ports. The flow is the pcap's until
 * sim_pcap_end; NULL after an error. */
struct sim_pcap_flow *sim_pcap_connect(struct sim_pcap *pcap, int64_t at_us, const struct addr *client,
                                       const struct addr *server);

/* SYN ACK of the server and ACK of the client. Not needed: sending does it if it has not been done. */
void sim_pcap_accept(struct sim_pcap *pcap, struct sim_pcap_flow *flow, int64_t at_us);

/* Octets that one end hands to its socket, in as many segments as they need. */
void sim_pcap_send(struct sim_pcap *pcap, struct sim_pcap_flow *flow, int64_t at_us, enum sim_pcap_end from,
                   struct slice octets);

/* One end closes in good order: FIN. The other end may still send until it hears of it. */
void sim_pcap_close(struct sim_pcap *pcap, struct sim_pcap_flow *flow, int64_t at_us, enum sim_pcap_end by);

/* One end is refused or its process dies: RST, which is shown when the other end hears of it, with the end of the flow. */
void sim_pcap_reset(struct sim_pcap *pcap, struct sim_pcap_flow *flow, enum sim_pcap_end by);

/* Both ends have closed, or nobody will ever say anything: the flow is gone. */
void sim_pcap_end(struct sim_pcap *pcap, struct sim_pcap_flow *flow, int64_t at_us);

#endif
