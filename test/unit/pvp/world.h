/* Two companies under virtual time: A validates its calls to B. TLS-SRP is played: a handshake is good when both sides have the same
 * password, and both then have the same exporter value. Signatures are hashes under a key that everybody in the test knows. */
#ifndef TEST_PVP_WORLD_H
#define TEST_PVP_WORLD_H

#include "pvp/originator.h"
#include "pvp/terminator.h"
#include "store/memory.h"
#include "testing.h"

#define VSERVICE 0x0123456789abcdefu

struct world {
    struct now now;
    struct seeded_entropy seed;
    struct entropy entropy;
    /* B, the terminating side */
    struct memory_store *store;
    struct keyring *keyring;
    struct pvp_vcr_table *vcrs;
    struct pvp_terminator *terminator;
    struct pvp_terminator_config config;
    struct pvp_vcr_config vcr_config;
    struct pvp_identity b;
    struct slice routes[1];
    struct pvp_domain_list b_list;
    int service_error; /* what looking for the service gives */
    /* A, the originating side */
    struct pvp_identity a;
    struct addr a_address;
    bool a_announces; /* sends AppAttach before each validation */
    struct pvp_domain_list a_list;
    /* What happens on the way */
    bool relayed;                     /* the far end of the channel is another one: exporters differ */
    bool write_is_slow;               /* B's store completes nothing by itself */
    unsigned cut_after_sends;         /* the connection breaks when B has sent so often; 0: never */
    unsigned long fail_at;            /* this allocation fails during a validation; 0: none */
    unsigned connects;                /* seen */
    struct pvp_inbound_report report; /* the last one of each validation */
};

void world_open(struct world *w);
void world_close(struct world *w);

/* Power loss at B: only what is durable is left. */
void world_crash(struct world *w);

void world_pass_ms(struct world *w, int64_t ms);

/* An identity of this Node-ID (its octets are all `n`). */
struct pvp_identity world_identity(uint8_t n);

struct call {
    const char *called;
    const char *calling; /* NULL: unknown */
    int64_t start_ms;    /* after world_begin */
    int64_t stop_ms;
};

extern const struct wall world_begin;

/* B's agent uploads the call, as it saw it. */
struct id world_upload(struct world *w, const struct call *call);

struct outcome {
    enum pvp_outcome outcome;
    enum pvp_method method;
    unsigned worth;
    unsigned attempts;
    unsigned code;
    char domain[64];
    char why[128];
    char ticket[1024];
};

/* A validates the call, as it saw it, against B's claim (claimant: Node-ID looked up). */
struct outcome world_validate(struct world *w, const struct call *call, const struct pvp_identity *claimant);

/* A attacker: one handshake with a username for the call and a password of his own. True if B took it for good. */
bool world_guess(struct world *w, const struct call *call, const char *password);

#endif
