/* Where SIP messages go and come from. The transport (io) numbers its flows: a UDP socket with a far address, or one connection. */
#ifndef SIP_FLOW_H
#define SIP_FLOW_H

#include "base/addr.h"

#include <stddef.h>
#include <string.h>

enum sip_transport { SIP_UDP, SIP_TCP, SIP_TLS };
const char *sip_transport_name(enum sip_transport transport); /* "UDP", as in Via */
bool sip_transport_find(struct slice name, enum sip_transport *ret_transport);

static inline bool sip_transport_is_reliable(enum sip_transport transport)
{
    return transport != SIP_UDP;
}

#define SIP_PORT 5060
#define SIP_TLS_PORT 5061

#define SIP_HOST_OCTETS_MAX 255

/* The next hop of a message. With a connection, that one is used while it lives; then (or without) one to the address is found or made. */
struct sip_hop {
    enum sip_transport transport;
    unsigned side;    /* which of the program's sides (listeners, TLS identity): the program's own numbering */
    struct addr addr; /* far address */
    uint64_t conn;    /* 0: none */
    bool tcp_too;     /* UDP because nobody said otherwise: requests that are too large for it go by TCP (18.1.1) */
    char host[SIP_HOST_OCTETS_MAX + 1]; /* the name that a TLS certificate must be for; "" : any that verifies */
};

/* As an assignment, but for what is behind the end of the name: most have none, and there are several copies for each message. */
static inline void sip_hop_copy(struct sip_hop *to, const struct sip_hop *from)
{
    memcpy(to, from, offsetof(struct sip_hop, host));
    memcpy(to->host, from->host, strlen(from->host) + 1);
}

/* How a message came in. */
struct sip_flow {
    enum sip_transport transport;
    unsigned side;
    struct addr peer;
    struct addr local;
    uint64_t conn;            /* 0 for UDP */
    const char *peer_domain;  /* TLS: a name of the verified certificate; NULL: none */
    const char *peer_domains; /* all of them, separated by spaces; NULL: none */
    unsigned
        identity; /* TLS, accepted: which of our certificates the other side asked for and was shown (tls_options); else 0 */
    bool is_configured; /* a peer that the configuration names: limits per source are not for it */
};

/* True if the other side has proved to speak for that domain, case-insensitive. */
bool sip_flow_is_from(const struct sip_flow *flow, const char *domain);

#endif
