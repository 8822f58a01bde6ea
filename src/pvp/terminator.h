/* The answering side of validations: who may prove knowledge of which call how often, and what they get for it.
 *
 * The composition announces peers (pvp_announce, when their AppAttach arrives), accepts connections, hands TLS-SRP usernames in and gets
 * a password back (a made-up one for a call that is not known, so that both look alike), reports how the handshake went, and then passes
 * octets both ways. Drain pvp_terminator_next after every event and whenever the store has completed a write.
 *
 * Guarding the secret (reference: README.md): a record survives 3 failed proofs from one Node-ID and 12 in all, then it is burnt;
 * unannounced sources are one stranger with 3 tries per record that do not count among the 12. Handshakes under way count as failed
 * until they ended, so that guesses cannot be made side by side. A record that proved itself is consumed, durably, before the
 * answer leaves; only the same Node-ID may prove it again, twice, in case the answer got lost. */
#ifndef PVP_TERMINATOR_H
#define PVP_TERMINATOR_H

#include "base/addr.h"
#include "pvp/domains.h"
#include "pvp/exchange.h"
#include "pvp/secret.h"
#include "pvp/vcr.h"
#include "ticket/keyring.h"

#define PVP_SALT_OCTETS 16

/* The VService that serves a number: what the originator gets, and who may. Borrowed until the call returns. */
struct pvp_service {
    struct slice domain;        /* ours */
    const struct slice *routes; /* SIP URIs */
    size_t route_count;
    struct pvp_domain_list list;
    const struct keyring *keyring; /* of the domain: its tickets are granted */
};

struct pvp_service_port {
    void *ctx;
    /* 0, ERR_NOT_FOUND (the number or VService is not published), or ERR_LIMIT (try later). */
    int (*find)(void *ctx, const struct e164 *called, uint64_t vservice_id, struct pvp_service *ret_service);
    /* As which of our Node-IDs we claim the number. NULL (the function, or what it returns): as the one of the ports. */
    const struct pvp_identity *(*identity)(void *ctx, const struct e164 *called, uint64_t vservice_id);
};

#define PVP_TERMINATOR_COUNTERS(X) \
    X(announced)                   \
    X(announcements_evicted)       \
    X(connections)                 \
    X(connections_refused_table)   \
    X(connections_refused_source)  \
    X(lookups)                     \
    X(lookups_malformed)           \
    X(lookups_unknown)             \
    X(lookups_spent)               \
    X(refused_interval)            \
    X(refused_node_rate)           \
    X(refused_number_rate)         \
    X(proofs_good)                 \
    X(proofs_bad)                  \
    X(proofs_bad_strangers)        \
    X(proofs_abandoned)            \
    X(records_burnt)               \
    X(records_consumed)            \
    X(answers)                     \
    X(answers_repeated)            \
    X(refused_domain)              \
    X(refused_number)              \
    X(refused_later)               \
    X(bad_identity)                \
    X(bad_message)                 \
    X(bad_request)                 \
    X(timeouts)                    \
    X(write_failed)
COUNTERS_DECLARE(pvp_terminator_counters, PVP_TERMINATOR_COUNTERS)

struct pvp_terminator_config {
    uint32_t lattice_ms;            /* R of the ring */
    int64_t announce_ms;            /* how long an AppAttach is remembered: 5 min */
    size_t announcements_max;       /* Node-ID and address pairs; the oldest gives way */
    size_t connections_max;         /* at a time ("max concurrent validation TLS sessions") */
    int64_t handshake_ms;           /* from accept to the end of the handshake: 20 s */
    int64_t exchange_ms;            /* from there to the Request: 20 s */
    int64_t interval_ms;            /* between validations of one number by one source: 1 h */
    int64_t window_ms;              /* all attempts of one validation fall into it: 2 min */
    unsigned window_attempts_max;   /* … and are no more than this: 12 */
    unsigned node_failures_max;     /* per record and Node-ID: 3 */
    unsigned record_failures_max;   /* per record: 12 */
    unsigned stranger_failures_max; /* per record, all strangers together: 3 */
    unsigned source_per_minute;     /* connections from one IP address */
    unsigned node_per_minute;       /* look-ups by one Node-ID */
    unsigned number_per_minute;     /* look-ups of one called number, by announced peers and by strangers separately */
    size_t limits_max;              /* entries of the tables that count these; the least recently used gives way */
    int64_t ticket_ms;              /* how long a ticket is valid: a year */
    uint64_t hash_seed;
};

#define PVP_TERMINATOR_CONFIG_DEFAULT                                                                           \
    {                                                                                                           \
        .lattice_ms = PVP_LATTICE_MS_DEFAULT, .announce_ms = 300000, .announcements_max = 65536,                \
        .connections_max = 1000, .handshake_ms = 20000, .exchange_ms = 20000, .interval_ms = 3600000,           \
        .window_ms = 120000, .window_attempts_max = 12, .node_failures_max = 3, .record_failures_max = 12,      \
        .stranger_failures_max = 3, .source_per_minute = 600, .node_per_minute = 600, .number_per_minute = 120, \
        .limits_max = 100000, .ticket_ms = INT64_C(365) * 24 * 3600 * 1000                                      \
    }

struct pvp_terminator;
struct pvp_inbound; /* one connection */

/* Everything is borrowed. log may be NULL. Reads the failed attempts that are stored. */
struct pvp_terminator_ports {
    struct pvp_vcr_table *vcrs;
    const struct pvp_identity *identity;
    struct pvp_service_port service;
    const struct kv *kv;
    const struct entropy *entropy;
    const struct log *log;
};
int pvp_terminator_new(const struct pvp_terminator_config *config, const struct pvp_terminator_ports *ports,
                       struct now now, struct pvp_terminator **ret_terminator);

/* Connections that are left are dropped. The store must not complete any more what is under way. */
void pvp_terminator_free(struct pvp_terminator *t);

const struct pvp_terminator_counters *pvp_terminator_counters(const struct pvp_terminator *t);

/* Settings that may change while it runs; they count from the next connection on. */
void pvp_terminator_set_lattice(struct pvp_terminator *t, uint32_t lattice_ms);
void pvp_terminator_set_interval(struct pvp_terminator *t, int64_t interval_ms);
void pvp_terminator_set_connections_max(struct pvp_terminator *t, size_t connections_max);

/* Node-ID X sent AppAttach with this address: connections from there are its own. */
void pvp_announce(struct pvp_terminator *t, struct now now, const struct id *node_id, const struct addr *source);

/* A connection came in. user: whatever finds the connection again in effects. ERR_LIMIT: close it. */
int pvp_inbound_new(struct pvp_terminator *t, struct now now, const struct addr *source, void *user,
                    struct pvp_inbound **ret_inbound);

/* For the TLS-SRP listener. */
struct pvp_credential {
    uint8_t salt[PVP_SALT_OCTETS];
    char password[PVP_PASSWORD_OCTETS_MAX + 1]; /* a secret: wipe it when the verifier is made */
};

/* Once per connection. 0: go on with this credential. ERR_LIMIT: too soon, too often; end the connection (not with the alert of a wrong
 * password: the originator must not take it for a failed proof). ERR_WRONG_STATE: a second username. */
int pvp_inbound_lookup(struct pvp_inbound *in, struct now now, struct slice username,
                       struct pvp_credential *ret_credential);

enum pvp_handshake {
    PVP_HANDSHAKE_GOOD,
    PVP_HANDSHAKE_BAD,      /* the peer's Finished was wrong, or anything failed after its key exchange had arrived */
    PVP_HANDSHAKE_ABANDONED /* it ended before the peer had sent its key exchange: nothing was guessed */
};

/* exporter: NULL unless good. */
void pvp_inbound_handshake(struct pvp_inbound *in, struct now now, enum pvp_handshake result,
                           const uint8_t exporter[PVP_EXPORTER_OCTETS]);

/* Octets from the channel. */
void pvp_inbound_input(struct pvp_inbound *in, struct now now, struct slice octets);

/* The connection is gone, from either side: call it exactly once per connection, also after a CLOSE effect. Frees it. Without a
 * handshake reported before, counts as abandoned. */
void pvp_inbound_closed(struct pvp_inbound *in, struct now now);

enum pvp_terminator_effect_kind {
    PVP_INBOUND_SEND,  /* octets */
    PVP_INBOUND_CLOSE, /* when everything was sent */
    PVP_INBOUND_REPORT /* for explain and the log; the connection may be gone */
};

/* What happened, in a word. */
enum pvp_inbound_event {
    PVP_INBOUND_PROVED,
    PVP_INBOUND_NOT_PROVED,
    PVP_INBOUND_BURNT,
    PVP_INBOUND_REFUSED,
    PVP_INBOUND_BAD_IDENTITY
};
const char *pvp_inbound_event_name(enum pvp_inbound_event event);

struct pvp_inbound_report {
    enum pvp_inbound_event event;
    struct e164 called;
    struct id node_id; /* the prover's, if known; else zero */
    enum pvp_method method;
    unsigned code;                             /* REFUSED: enum pvp_refusal */
    char domain[TICKET_DOMAIN_OCTETS_MAX + 1]; /* PROVED, REFUSED: the originator's */
    struct id vcr_id;                          /* zero if none */
};

struct pvp_terminator_effect {
    enum pvp_terminator_effect_kind kind;
    void *user;                       /* SEND, CLOSE */
    struct slice octets;              /* SEND: valid until the next call of pvp_terminator_next */
    struct pvp_inbound_report report; /* REPORT */
};
bool pvp_terminator_next(struct pvp_terminator *t, struct pvp_terminator_effect *ret_effect);

/* Runs what is due: connections that took too long, announcements that are too old. */
void pvp_terminator_tick(struct pvp_terminator *t, struct now now);
struct mono pvp_terminator_deadline(const struct pvp_terminator *t);

/* Connections now. */
size_t pvp_terminator_connections(const struct pvp_terminator *t);

#endif
