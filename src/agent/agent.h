/* The call agent as one passive object. The program reports messages and time, and does what the effects say:
 *
 *     agent_input(agent, now, &flow, octets);
 *     while (agent_next(agent, now, &effect)) { … }
 *     sleep until agent_deadline(agent), then agent_tick(agent, now)
 *
 * A call has an A leg (who calls) and one attempt at a B leg after the other; requests and responses of one leg are patched and sent into the
 * other. See README.md for the files. */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/enrolled.h"
#include "agent/options.h"
#include "agent/post.h"
#include "agent/provision.h"
#include "agent/record.h"
#include "agent/route.h"
#include "agent/service.h"
#include "base/e164.h"
#include "base/entropy.h"
#include "base/kv.h"
#include "base/log.h"
#include "ctl/session.h"
#include "mapping/client.h"
#include "sip/transaction.h"

struct agent;

/* What it works with; all of them outlive it. Made by the program, driven by the agent. records may be NULL (no voice call records), services
 * none. provision may be NULL: then imectl adds nothing to what `enrolled` says; else that is provision's. */
struct agent_parts {
    const struct agent_enrolled *enrolled;
    struct agent_provision *provision;
    struct agent_routes *routes;
    struct agent_records *records;
    struct agent_alarms *alarms;
    struct agent_service *const *services;
    size_t service_count;
};

/* May this domain call this number with this ticket (its text, "" if there was none)? domain: of the verified certificate. AGENT_CAUSE_NONE, or
 * why not. */
typedef enum agent_cause agent_ticket_fn(void *ctx, struct now now, struct slice domain, const struct e164 *number,
                                         struct slice ticket);

/* Reads the configuration again. What has become different, or what is wrong with it, goes to `report`, a line each. May call
 * agent_set_enrolled. */
typedef int agent_reload_fn(void *ctx, struct buf *report);

/* What the agent itself says and hears on media while a call moves between networks: UDP ports that are opened for it. Packets go out as AGENT_SOUND
 * and come in by agent_sound_input. */
struct agent_sound {
    void *ctx;
    /* family: of the address, 4 or 6; 0: any that the side has. *ret_local: as it stands in descriptions, with an even port. ERR_LIMIT (no port is
     * left), ERR_UNSUPPORTED (no such address on that side), ERR_IO. */
    int (*open)(void *ctx, enum agent_side side, uint8_t family, uint64_t *ret_id, struct addr *ret_local);
    void (*close)(void *ctx, uint64_t id); /* nothing more comes in for it */
};

/* Borrowed, for the life of the agent. */
struct agent_ports {
    const struct entropy *entropy;
    const struct log *log; /* may be NULL */
    const struct kv *kv;
    agent_ticket_fn *ticket; /* NULL: the edge checks tickets; without an edge nobody is let in */
    void *ticket_ctx;
    agent_reload_fn *reload; /* NULL: it cannot be told to */
    void *reload_ctx;
    const struct agent_sound *sound; /* NULL: no call is moved to the phone network while it lasts */
};

/* Loads the journal, and where PBXs have registered. The options must outlive the agent, the parts are copied. Connections to IME servers are reported straight to the
 * services; what they want comes out here. */
int agent_new(const struct agent_options *options, const struct agent_ports *ports, const struct agent_parts *parts,
              struct now now, struct agent **ret_agent);
void agent_free(struct agent *a); /* NULL is allowed */

/* Other enrolled patterns and trust groups of the file; the old ones may be freed afterwards. What the services say of them. */
int agent_set_enrolled(struct agent *a, struct now now, const struct agent_enrolled *enrolled);

/* Registers at trunks, asks where they are. */
void agent_start(struct agent *a, struct now now);

/* Says goodbye: BYE on all calls, registrations taken back; AGENT_STOPPED when that is done or took too long. */
void agent_stop(struct agent *a, struct now now);

/* ---- what happened ---- */

void agent_input(struct agent *a, struct now now, const struct sip_flow *flow, struct slice octets);
void agent_unreachable(struct agent *a, struct now now, const struct sip_hop *hop);
void agent_lost(struct agent *a, struct now now, const struct sip_hop *hop); /* as sip_layer_lost */

/* Of the connection to the mapping service, as mapping/client.h has them. */
void agent_mapping_connected(struct agent *a, struct now now);
void agent_mapping_input(struct agent *a, struct now now, struct slice octets);
void agent_mapping_closed(struct agent *a, struct now now);

/* A packet came in at a port that agent_sound.open has given. */
void agent_sound_input(struct agent *a, struct now now, uint64_t sound, const struct addr *from, struct slice octets);

/* Whether a peer on that side is a PBX, a trunk or the edge by its address: sip_host_handler.is_known. */
bool agent_knows(struct agent *a, unsigned side, const struct addr *peer);

/* The answer to AGENT_LOCATE: where a trunk is, best first. n 0: nowhere. */
void agent_located(struct agent *a, struct now now, unsigned trunk, const struct sip_hop *hops, size_t n);

void agent_tick(struct agent *a, struct now now);
struct mono agent_deadline(const struct agent *a);

/* Call records of calls that went past us (post.h), for the first service, with numbers as the first PBX dials them. */
void agent_post_records(struct agent *a, struct slice json, agent_post_done_fn *done, void *arg);

/* ---- effects ---- */

enum agent_effect_kind {
    AGENT_SEND,    /* hop, octets; agent_unreachable if that fails */
    AGENT_LOCATE,  /* trunk, host, port, hop (transport and side): find its addresses, again when they expire */
    AGENT_VAP,     /* service, vap: what one of the services wants */
    AGENT_MAPPING, /* mapping: connect to the mapping service, send octets to it, disconnect */
    AGENT_SOUND,   /* sound, to, octets: send one packet from that port */
    AGENT_STOPPED
};

/* What it points to is valid until the next call of agent_next. */
struct agent_effect {
    enum agent_effect_kind kind;
    const struct sip_hop *hop;
    struct slice octets;
    unsigned trunk;
    const char *host;
    uint16_t port;
    unsigned service;
    const struct agent_service_effect *vap;
    const struct mapping_client_effect *mapping; /* never a result */
    uint64_t sound;
    struct addr to;
};
bool agent_next(struct agent *a, struct now now, struct agent_effect *ret_effect);

/* ---- counters and control ---- */

/* clang-format off */
#define AGENT_COUNTERS(X) \
    X(CallsAccepted) X(CallsAttempted) X(CallsReceived) X(CallsSetup) X(FallbackCallsFailed) X(FallbackCallsSuccessful) \
    X(IMESetupsFailed) X(calls_pstn_out) X(calls_pstn_in) X(calls_shed) X(calls_refused_limit) X(calls_refused_peer) X(calls_refused_source) \
    X(calls_refused_ticket) X(calls_refused_not_enrolled) X(calls_stuck) X(answers_unacknowledged) X(answers_late) X(answers_late_refused) \
    X(requests_relayed) X(requests_refused) X(registrations) X(registrations_refused) X(trunk_failures) \
    X(registrations_restored) X(registrations_corrupt) X(registrations_unwritten) X(quality_bad) X(quality_good) X(strangers_dropped) X(calls_kept) X(calls_left_over) \
    X(calls_corrupt) X(sound_dropped) \
    X(fallbacks_agreed) X(fallbacks_moved) X(fallbacks_failed) X(fallbacks_returned) X(fallbacks_rescued) X(fallback_calls_out) X(fallback_calls_in) X(fallback_calls_by_caller) X(fallback_calls_by_digits) X(fallback_calls_unmatched) X(fallback_numbers_refused) X(trunk_changes_refused)
/* clang-format on */
COUNTERS_DECLARE(agent_counters, AGENT_COUNTERS)

const struct agent_counters *agent_counters(const struct agent *a);

/* Someone wants the call to move to the phone network now, whatever its quality is, or back. call_id: of either side, as call records have it.
 * ERR_NOT_FOUND: no such call is in progress. ERR_WRONG_STATE: it is not a direct call that this side began, or cannot move now. */
int agent_fallback_begin(struct agent *a, struct now now, struct slice call_id);
int agent_return_begin(struct agent *a, struct now now, struct slice call_id);

/* For limits and leak checks. */
size_t agent_calls(const struct agent *a);
size_t agent_requests(const struct agent *a); /* passed on outside of calls */
const struct sip_layer *agent_layer(const struct agent *a);

/* Everything that is there for the sake of calls and of requests outside of them: all of it is 0 in an agent that is at rest, but for the
 * transactions of its own keepalive and registrations. */
struct agent_left {
    size_t calls, requests;
    size_t attempts, dialogs;    /* of calls */
    size_t legs, sounds, tokens; /* of calls that move: calls of ours by the phone network, ports, digits */
    size_t clients, servers;     /* transactions */
    size_t timers;               /* but those of trunks and of the journal */
};
void agent_left(const struct agent *a, struct agent_left *ret_left);

/* The handlers of ime-agent's commands; ctx is a struct agent. The program sets the time before it passes input on. */
extern const struct ctl_handler agent_handlers[];
extern const size_t agent_handler_count;
void agent_set_now(struct agent *a, struct now now);
bool agent_wants_shutdown(const struct agent *a);

/* Counters that the program keeps, shown with the others. Borrowed. */
void agent_add_counters(struct agent *a, const char *prefix, const char *const *names, const uint64_t *values);

#endif
