/* What goes over the links, counted by kind of message. Read from the octets themselves, apart from the code that wrote them. */
#ifndef SIM_TRAFFIC_H
#define SIM_TRAFFIC_H

#include "base/slice.h"

/* Rows: message codes up to this one, then what follows. */
#define SIM_TRAFFIC_CODES 0x27

enum sim_traffic_row {
    SIM_TRAFFIC_ERROR = SIM_TRAFFIC_CODES, /* error responses */
    SIM_TRAFFIC_FRAGMENT,                  /* second and later fragments: they do not say of what */
    SIM_TRAFFIC_ACK,                       /* acknowledgements of the link */
    SIM_TRAFFIC_OTHER,                     /* what no honest node sends */
    SIM_TRAFFIC_ROWS
};

struct sim_traffic {
    uint64_t messages[SIM_TRAFFIC_ROWS]; /* each link that a message crosses counts */
    uint64_t octets[SIM_TRAFFIC_ROWS];   /* frames included */
    uint64_t made[SIM_TRAFFIC_ROWS];     /* of the requests: those that begin here, not forwarded ones */
};

/* What a node hands to a link at once: whole frames. */
void sim_traffic_count(struct sim_traffic *traffic, struct slice octets);

/* All of them, without the acknowledgements of links. */
uint64_t sim_traffic_messages(const struct sim_traffic *traffic);

/* The standard's word ("fetch_req"), "ack", "fragment" or "other"; NULL for codes that are not assigned. Static. */
const char *sim_traffic_name(unsigned row);

#endif
