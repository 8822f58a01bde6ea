/* What the edge may be told: everything that the configuration of ime-edge decides, as values. */
#ifndef EDGE_OPTIONS_H
#define EDGE_OPTIONS_H

#include "base/addr.h"
#include "sip/flow.h"

/* The sides of the edge, for sip_flow and sip_hop. What a connection of ours shows outside is the certificate of the domain that calls:
 * each served domain has a side of its own for these. Media has the same two sides. */
enum edge_side {
    EDGE_INSIDE,  /* call agents: TCP, TLS */
    EDGE_OUTSIDE, /* other companies: TLS with certificates both ways */
    EDGE_SIDES,
    EDGE_FIRST_DOMAIN = EDGE_SIDES /* + index of the served domain: connections of ours to the outside */
};

#define EDGE_DOMAINS_MAX 32
#define EDGE_AGENTS_MAX 16

static inline enum edge_side edge_side_of(unsigned side)
{
    return side == EDGE_INSIDE ? EDGE_INSIDE : EDGE_OUTSIDE;
}

/* A domain that we stand for: its number, in the order of the options, is that of its certificate and of its keys. Lower case. */
struct edge_domain {
    char *name;
};

/* A call agent. Requests from inside are taken from these addresses only (ports are not looked at); calls from outside go to the first one of the called
 * domain that can be reached. */
struct edge_agent {
    char *name; /* for people; unique */
    struct addr addr;
    enum sip_transport transport; /* SIP_TCP or SIP_TLS */
    char *host;                   /* TLS: the name that its certificate must be for; NULL: any that verifies */
    char *domain;                 /* whose calls it takes; NULL: those of all */
};

enum edge_t38 { EDGE_T38_RELAY, EDGE_T38_REFUSE };

struct edge_options {
    struct edge_domain domains[EDGE_DOMAINS_MAX];
    size_t domain_count;
    struct edge_agent agents[EDGE_AGENTS_MAX];
    size_t agent_count;

    /* "host:port" by which each side knows us in Via and Contact, by transport; NULL: not in use there. */
    char *points[EDGE_SIDES][SIP_TLS + 1];

    /* What each side sees as our address of media in place of the one that is bound (static NAT): [side][0 for IPv4, 1 for IPv6]; family 0: the bound
     * one. Ports stay. */
    struct addr media_advertised[EDGE_SIDES][2];

    /* Which of our addresses others may send media to by family: it must be bound there. */
    bool media_families[EDGE_SIDES][2]; /* [side][0 for IPv4, 1 for IPv6] */

    /* Addresses that are never a next hop outside: ours (listeners and advertised ones, with ports; port 0: any). Inside networks: see inside_networks. */
    struct addr own[32];
    size_t own_count;

    /* Networks that no far Route, Contact or session description may point at, besides those that are never right (loopback, multicast, link-local,
     * unspecified). */
    struct edge_network {
        struct addr addr; /* the port is not looked at */
        unsigned bits;
    } inside_networks[32];
    size_t inside_network_count;

    bool allow_private_outside; /* far companies may have private addresses: labs, and companies behind one VPN */

    /* Networks of far companies whatever kind their addresses are of, loopback included; inside_networks and own come first. */
    struct edge_network outside_networks[32];
    size_t outside_network_count;

    uint8_t suites[8]; /* enum srtp_suite, in order of preference, of our offers and answers outside */
    size_t suite_count;
    bool inside_srtp; /* offered to the agents, too; else RTP inside */
    enum edge_t38 t38;
    unsigned sensitivity; /* of the quality watch: 0 off … 5 aggressive */

    int64_t ring_ms;        /* a call without an answer */
    int64_t idle_ms;        /* an answered call without any request: both ends are asked whether they are still there */
    int64_t trunk_idle_ms;  /* a connection to a far domain without calls: closed */
    int64_t retry_agent_ms; /* an agent that could not be reached is tried last for so long */

    size_t calls_max;                 /* beyond: 503 with Retry-After */
    size_t subscriptions_max;         /* dialogs of SUBSCRIBE and REFER that are no call's */
    size_t requests_max;              /* passed on that wait for their answer */
    size_t calls_per_domain_max;      /* of one far domain, both directions */
    unsigned requests_per_domain_max; /* requests per second of one far domain outside of dialogs */
    size_t trunks_max;                /* far domains known at a time */
    size_t octets_max;                /* memory of messages and transactions */
    int64_t late_ms; /* timers that come so late, and again (base/lateness.h): 503 to the outside for a second */
};

/* Everything that has a default; no domain, no agent, no point. */
void edge_options_default(struct edge_options *options);
void edge_options_fini(struct edge_options *options);

/* Each copies what it is given. ERR_LIMIT, ERR_EXISTS (its name), ERR_SYNTAX (no domain), ERR_NO_MEMORY. */
int edge_options_domain(struct edge_options *options, const char *name);
int edge_options_agent(struct edge_options *options, const struct edge_agent *agent);
int edge_options_point(struct edge_options *options, enum edge_side side, enum sip_transport transport,
                       const char *host_port);
int edge_options_own(struct edge_options *options, const struct addr *own);
int edge_options_inside_network(struct edge_options *options, const struct addr *network, unsigned bits);
int edge_options_outside_network(struct edge_options *options, const struct addr *network, unsigned bits);

/* The number of a served domain, case-insensitive; -1: not served. */
int edge_options_find_domain(const struct edge_options *options, struct slice name);

#endif
