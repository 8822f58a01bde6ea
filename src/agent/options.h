/* What a call agent may be told: filled by the program from its configuration file, or by a test. Times are milliseconds. */
#ifndef AGENT_OPTIONS_H
#define AGENT_OPTIONS_H

#include "agent/dialing.h"
#include "base/addr.h"
#include "sip/flow.h"

/* The three directions that it looks in; the numbering of sip_hop.side and sip_flow.side. */
enum agent_side { AGENT_PBX, AGENT_PSTN, AGENT_IME };
#define AGENT_SIDES 3
const char *agent_side_name(enum agent_side side); /* "PBX", "PSTN", "IME" */

#define AGENT_TRUNKS_MAX 32
#define AGENT_SOURCES_MAX 16

/* One peer with an address of its own: a PBX or a trunk to the PSTN. Texts belong to the options. */
struct agent_trunk_options {
    char *name;
    enum agent_side side; /* AGENT_PBX or AGENT_PSTN */
    enum sip_transport transport;
    bool any_transport; /* DNS chooses */
    char *host;         /* a name or an address; NULL: a PBX that registers */
    uint16_t port;      /* 0: as DNS or the transport says */
    char *domain;       /* in the URIs of requests to it; NULL: host */
    char *user;         /* of digest, both ways; NULL: none */
    char *password;     /* a secret */
    bool registers;     /* PSTN: we register there. PBX: it registers here */
    bool only_md5;      /* a PBX that registers, and gives up at an algorithm that it does not know */
    struct addr sources[AGENT_SOURCES_MAX]; /* further addresses that its requests come from; ports are not looked at */
    size_t source_count;
    struct agent_dial_plan plan; /* how it writes numbers */
    size_t calls_max; /* that it has begun, at a time; beyond: 503 with Retry-After. 0: as many as the agent takes */
};

struct agent_options {
    char *domain; /* of the company: the host of our URIs on the IME side */

    /* "host:port" that others see in Via and Contact, by side and transport; NULL: not in use there. */
    char *points[AGENT_SIDES][SIP_TLS + 1];

    struct agent_trunk_options trunks[AGENT_TRUNKS_MAX]; /* in the order in which they are tried */
    size_t trunk_count;

    struct agent_short_numbers shorts; /* emergency and short numbers: to the PSTN whatever the rules are */

    /* Where direct calls go: all to the edge, or (family 0) to the address in the route. */
    struct addr edge;
    enum sip_transport ime_transport;
    /* Off-path: the edge's mapping service says which of its addresses leads to which company (mapping/client.h). Family 0: there is none, and the
     * edge is told by a Route. */
    struct addr mapping_service;

    bool redirect; /* answers with 302 and the ticket, or 404, instead of placing calls (for proxies) */

    int64_t connect_ms;   /* an IME attempt without any response */
    int64_t setup_ms;     /* an IME attempt without ringing or answer */
    int64_t ring_ms;      /* any call without an answer */
    int64_t idle_ms;      /* an answered call without any request: both ends are asked whether they are still there */
    int64_t keepalive_ms; /* OPTIONS to each trunk; 0: none */
    unsigned keepalive_misses; /* so many in a row: the trunk is down */
    int64_t register_ms;       /* asked for when registering at a trunk */
    int64_t register_min_ms;   /* granted to PBXs */
    int64_t register_max_ms;

    size_t calls_max;    /* beyond: 503 with Retry-After */
    size_t direct_max;   /* IME attempts that are being set up at a time; beyond: PSTN */
    int64_t late_ms;     /* timers that come so late, and again (base/lateness.h): no direct ways for a second */
    size_t requests_max; /* requests passed on that wait for their answer, of no call */
    size_t journal_max;  /* call records kept */

    /* Requests per second of strangers: peers that are no PBX, trunk, edge or company with a certificate. They are refused, or may register; beyond,
     * they are dropped unread. */
    unsigned strangers_max;
    unsigned strangers_per_source_max;
};

/* Everything that has a default; no trunk, no point. */
void agent_options_default(struct agent_options *options);

/* Frees the texts and wipes the secrets. */
void agent_options_fini(struct agent_options *options);

/* Adds a trunk, everything is copied. ERR_LIMIT, ERR_EXISTS (its name), ERR_NO_MEMORY. */
int agent_options_trunk(struct agent_options *options, const struct agent_trunk_options *trunk);

/* Sets a point. */
int agent_options_point(struct agent_options *options, enum agent_side side, enum sip_transport transport,
                        const char *host_port);

#endif
