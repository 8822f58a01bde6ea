/* Inside of the module: the terminator and its connections. */
#ifndef PVP_TERMINATOR_PRIVATE_H
#define PVP_TERMINATOR_PRIVATE_H

#include "base/list.h"
#include "pvp/guard.h"
#include "pvp/tally.h"
#include "pvp/terminator.h"

struct pvp_terminator {
    struct pvp_terminator_config config;
    struct pvp_terminator_ports ports;
    struct pvp_terminator_counters counters;
    uint8_t secret[32]; /* what salts, and passwords of unknown calls, are made with */
    struct pvp_announcements announcements;
    struct pvp_tally_table rates;
    struct pvp_tally_table windows; /* prover ‖ called → attempts of one validation */
    struct list inbounds;
    size_t inbound_count; /* connections, without those that only wait for a write */
    struct heap timers;
    struct list effects;
    struct effect *taken; /* the effect handed out last */
    uint64_t refusals;    /* since the last line about them in the log */
    struct mono refusals_quiet_until;
};

enum inbound_stage {
    INBOUND_HANDSHAKE,
    INBOUND_HELLO,   /* the handshake was good: the originator's Hello is next */
    INBOUND_REQUEST, /* the Hello was good */
    INBOUND_WRITING, /* the record is being consumed */
    INBOUND_OVER     /* nothing more is read */
};

struct pvp_inbound {
    struct list link;
    struct heap_node timer;
    struct pvp_terminator *terminator;
    void *user;
    struct addr source;
    enum inbound_stage stage;
    bool is_closed;     /* by the composition, while a write was under way */
    bool was_looked_up; /* a username came */
    bool is_understood; /* … which was well-formed: `username` holds */
    bool has_guess;     /* a guess at `vcr_id` is taken from `charged` */
    bool has_vcr;
    bool is_repeated; /* consumed before, by the same Node-ID */
    bool is_refusal;  /* consumed for a refused domain */
    struct pvp_username username;
    struct pvp_prover prover;
    struct pvp_prover charged;
    struct id vcr_id;
    struct id node_id; /* of the Hello */
    uint8_t exporter[PVP_EXPORTER_OCTETS];
    struct buf input;
    struct buf answer; /* to be sent when the record is consumed */
    char domain[TICKET_DOMAIN_OCTETS_MAX + 1];
};

/* An effect in the queue. */
struct effect {
    struct list link;
    struct pvp_inbound *inbound; /* NULL for reports */
    struct pvp_terminator_effect effect;
    struct buf octets;
};

/* terminator.c, for the exchange. */
void pvp_inbound_send(struct pvp_inbound *in, struct buf *octets); /* takes the buffer's contents */
void pvp_inbound_end(struct pvp_inbound *in);                      /* CLOSE, and nothing more is read */
void pvp_inbound_report(struct pvp_inbound *in, enum pvp_inbound_event event, unsigned code);
void pvp_inbound_set_timer(struct pvp_inbound *in, struct now now, int64_t ms);
void pvp_inbound_free(struct pvp_inbound *in);

/* terminator_exchange.c: everything after the handshake. */
void pvp_inbound_greet(struct pvp_inbound *in, struct now now);

#endif
