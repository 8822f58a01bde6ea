/* What the ring's links carry, as Wireshark would have captured it if there were no TLS: classic pcap of IPv4 and IPv6 packets (link type
 * RAW), each link a TCP connection to port 6084 with handshake, sequence numbers, checksums and end. Octets are shown when they are sent.
 *
 *     flow = sim_pcap_connect(pcap, at_us, &client, &server);
 *     sim_pcap_accept(pcap, flow, at_us);
 *     sim_pcap_send(pcap, flow, at_us, SIM_PCAP_CLIENT, octets);
 *     sim_pcap_close(pcap, flow, at_us, SIM_PCAP_SERVER);
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

/* Writes out what is left. 0, or the first error that there ever was. The flows must have been closed or forgotten. */
int sim_pcap_free(struct sim_pcap *pcap);

/* The first error of a write (ERR_NO_SPACE: the disk is full, ERR_IO, ERR_NO_MEMORY), or 0. After one, nothing more is written. */
int sim_pcap_error(const struct sim_pcap *pcap);

/* SYN. A client's port of 0, or that of its own listener, is replaced by one of the ephemeral ports. The flow is the pcap's until one of the
 * three ends below; NULL after an error. */
struct sim_pcap_flow *sim_pcap_connect(struct sim_pcap *pcap, int64_t at_us, const struct addr *client,
                                       const struct addr *server);

/* SYN ACK of the server and ACK of the client. Not needed: sending does it if it has not been done. */
void sim_pcap_accept(struct sim_pcap *pcap, struct sim_pcap_flow *flow, int64_t at_us);

/* Octets that one end hands to its socket, in as many segments as they need. */
void sim_pcap_send(struct sim_pcap *pcap, struct sim_pcap_flow *flow, int64_t at_us, enum sim_pcap_end from,
                   struct slice octets);

/* FIN by one end, FIN by the other, and the last ACK: the flow is gone. */
void sim_pcap_close(struct sim_pcap *pcap, struct sim_pcap_flow *flow, int64_t at_us, enum sim_pcap_end by);

/* RST by one end: refused, or a process that died. The flow is gone. */
void sim_pcap_reset(struct sim_pcap *pcap, struct sim_pcap_flow *flow, int64_t at_us, enum sim_pcap_end by);

/* Without a trace in the capture: the peer's machine is gone, nobody says anything. The flow is gone. */
void sim_pcap_forget(struct sim_pcap *pcap, struct sim_pcap_flow *flow);

#endif
