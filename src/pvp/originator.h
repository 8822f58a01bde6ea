/* The asking side: one validation of one call against one claimant of the number.
 *
 * Attempts go in the order A 0, 1, 2 (if the call had a caller ID), B 0, 1, 2; each is a new TLS-SRP connection. One validation is all of
 * them together: it fails only when the last one has. A peer that cannot be reached, is overloaded or breaks off is neither success nor
 * failure. Events in, effects out; drain pvp_validation_next after each event. */
#ifndef PVP_ORIGINATOR_H
#define PVP_ORIGINATOR_H

#include "base/entropy.h"
#include "pvp/domains.h"
#include "pvp/exchange.h"
#include "pvp/secret.h"
#include "ticket/valinfo.h"

struct pvp_validation;

struct pvp_validation_config {
    uint32_t lattice_ms;
    int64_t connect_ms;  /* from CONNECT to the end of the handshake: 20 s */
    int64_t exchange_ms; /* from there to the answer: 20 s */
    int64_t retry_ms;    /* what a result without verdict proposes to wait: 1 h */
};

#define PVP_VALIDATION_CONFIG_DEFAULT                                                                        \
    {                                                                                                        \
        .lattice_ms = PVP_LATTICE_MS_DEFAULT, .connect_ms = 20000, .exchange_ms = 20000, .retry_ms = 3600000 \
    }

/* The call, the claimant, ourselves. Everything is copied, except identity, which is borrowed for the life of the validation. */
struct pvp_validation_task {
    struct e164 called;
    struct e164 calling; /* "" if unknown */
    struct wall start;
    struct wall stop;
    struct id claimant;          /* Node-ID from the ring */
    uint64_t vservice_id;        /* from the claim: the terminator's */
    struct slice domain;         /* the originator's */
    struct pvp_domain_list list; /* the originator's */
};

/* ERR_RANGE for a task that cannot be validated (stop before start, invalid domain). */
int pvp_validation_new(const struct pvp_validation_config *config, const struct pvp_validation_task *task,
                       const struct pvp_identity *identity, const struct entropy *entropy, struct now now,
                       struct pvp_validation **ret_validation);

/* At any time; wipes the secrets. */
void pvp_validation_free(struct pvp_validation *v);

enum pvp_validation_effect_kind {
    PVP_VALIDATION_CONNECT, /* open a new TLS-SRP connection to the claimant with username and password */
    PVP_VALIDATION_SEND,    /* octets over it */
    PVP_VALIDATION_CLOSE,   /* close it; reporting the end of it is not needed */
    PVP_VALIDATION_RESULT   /* the last effect */
};

enum pvp_outcome {
    PVP_SUCCESS,     /* proved, answered and checked */
    PVP_FAILURE,     /* the claimant knows nothing of the call: penalty box */
    PVP_REFUSED,     /* proved, but refused by either side's list: no credit, no penalty, no retry */
    PVP_BAD_ANSWER,  /* proved, but the answer broke a rule: no credit, no penalty, no retry */
    PVP_INCONCLUSIVE /* not reached, overloaded, not served now, broken off: try again later */
};
const char *pvp_outcome_name(enum pvp_outcome outcome);

struct pvp_validation_result {
    enum pvp_outcome outcome;
    enum pvp_method method;        /* of the proof, unless FAILURE or INCONCLUSIVE */
    unsigned attempts;             /* made */
    unsigned worth;                /* SUCCESS */
    struct slice domain;           /* the far one, where it told it: until the validation is freed */
    struct slice valinfo_xml;      /* SUCCESS: as received; the same life */
    const struct valinfo *valinfo; /* SUCCESS; the same life */
    unsigned code;                 /* refused by the far side: enum pvp_refusal; 0: not */
    const char *why;               /* for people and explain: "the signature is not the claimant's"; static storage */
    int64_t retry_ms;              /* INCONCLUSIVE */
};

struct pvp_validation_effect {
    enum pvp_validation_effect_kind kind;
    const char *username;                /* CONNECT: valid until the next event */
    const char *password;                /* CONNECT: a secret; valid until the next event */
    struct slice octets;                 /* SEND: valid until the next event */
    struct pvp_validation_result result; /* RESULT */
};
bool pvp_validation_next(struct pvp_validation *v, struct pvp_validation_effect *ret_effect);

/* How the connection of the last CONNECT came out. Events of an earlier connection must not be passed on. */
enum pvp_connect {
    PVP_CONNECT_GOOD,
    PVP_CONNECT_NOT_PROVED, /* bad_record_mac (or decrypt_error): the other side has another password */
    PVP_CONNECT_UNREACHABLE /* anything else */
};
void pvp_validation_connected(struct pvp_validation *v, struct now now, enum pvp_connect result,
                              const uint8_t exporter[PVP_EXPORTER_OCTETS]);
void pvp_validation_input(struct pvp_validation *v, struct now now, struct slice octets);
void pvp_validation_closed(struct pvp_validation *v, struct now now);

void pvp_validation_tick(struct pvp_validation *v, struct now now);
struct mono pvp_validation_deadline(const struct pvp_validation *v);

/* For show: the attempt under way, for example "A 0". Static storage. */
const char *pvp_validation_stage(const struct pvp_validation *v);

#endif
