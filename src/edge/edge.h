/* The border element as one passive object. The program reports messages, time and what media workers say, and does what the effects say:
 *
 *     edge_input(edge, now, &flow, octets);
 *     while (edge_next(edge, now, &effect)) { … }
 *     sleep until edge_deadline(edge), then edge_tick(edge, now)
 *
 * It stands between call agents inside and other companies' edges outside. It is no user agent: dialogs, transactions and their numbers are those of
 * the two ends; the edge checks, rewrites and forwards. See README.md for the files. */
#ifndef EDGE_EDGE_H
#define EDGE_EDGE_H

#include "base/counter.h"
#include "base/entropy.h"
#include "base/log.h"
#include "ctl/session.h"
#include "edge/options.h"
#include "sip/transaction.h"
#include "ticket/keyring.h"

struct edge;
struct media_port;  /* media/port.h */
struct media_event; /* media/control.h */

/* The keys of a served domain (its number in the options); NULL: none have come yet. */
typedef const struct keyring *edge_keyring_fn(void *ctx, size_t domain);

/* Off-path: where a connection is meant to go that came to this address of ours. False: there is no such mapping. */
typedef bool edge_mapping_fn(void *ctx, struct now now, const struct addr *local, struct addr *ret_far);

/* Reads the configuration again. What has become different, or what is wrong with it, goes to `report`, a line each. May call edge_set_options. */
typedef int edge_reload_fn(void *ctx, struct buf *report);

/* What imectl asks that the program knows better than the core; each writes members of an answer. */
typedef void edge_show_fn(void *ctx, struct ctl_writer *w);

/* A connection is needed by calls from now on, or by none anymore: it is not to end for being quiet (sip_host_hold, sip_host_release). */
typedef void edge_hold_fn(void *ctx, uint64_t conn, bool is_needed);

/* From now on, requests of that side (of ours) to the target, for the domain, may go over this connection, which the other side has made (sip_host_alias: 0, or
 * why not). */
typedef int edge_share_fn(void *ctx, uint64_t conn, unsigned side, const char *domain, const struct addr *target);

/* What of the program's needs attention: further rows of `show status`, by edge_put_warning. Returns how many; w NULL: only counts. */
typedef size_t edge_warnings_fn(void *ctx, struct ctl_writer *w);
void edge_put_warning(struct ctl_writer *w, const char *severity, const char *name, struct wall since,
                      const char *text);

/* Borrowed, for the life of the edge. */
struct edge_ports {
    const struct entropy *entropy;
    const struct log *log; /* may be NULL */
    edge_keyring_fn *keyring;
    void *keyring_ctx;
    const struct media_port *media; /* NULL: no session with media is let through */
    edge_mapping_fn *mapping;       /* NULL: inline only */
    void *mapping_ctx;
    edge_hold_fn *hold; /* NULL: nobody is told */
    void *hold_ctx;
    edge_share_fn *share; /* NULL: each side makes its own connections */
    void *share_ctx;
    edge_reload_fn *reload; /* NULL: it cannot be told to */
    void *reload_ctx;
    edge_show_fn *show_mappings;     /* rows of `show mappings`; NULL: none */
    edge_show_fn *show_certificates; /* rows of `show certificates`; NULL: none */
    edge_show_fn *show_tickets;      /* all of `show tickets` */
    edge_warnings_fn *warnings;      /* NULL: none */
    void *show_ctx;
};

/* The options must outlive the edge, or until others are set. */
int edge_new(const struct edge_options *options, const struct edge_ports *ports, struct now now,
             struct edge **ret_edge);
void edge_free(struct edge *e); /* NULL is allowed */

/* Other options from now on; calls in progress go on. Served domains keep their numbers only if their order stays: the program hands in options in which
 * the sides of domains that stay have not changed. */
void edge_set_options(struct edge *e, struct now now, const struct edge_options *options);

/* Ends all calls with BYE both ways; EDGE_STOPPED when that is done or took too long. */
void edge_stop(struct edge *e, struct now now);

/* ---- what happened ---- */

void edge_input(struct edge *e, struct now now, const struct sip_flow *flow, struct slice octets);
void edge_unreachable(struct edge *e, struct now now, const struct sip_hop *hop);
void edge_lost(struct edge *e, struct now now, const struct sip_hop *hop); /* as sip_layer_lost */

/* Whether calls may go to that address outside: it is another company's. */
bool edge_may_call(const struct edge *e, const struct addr *far);

/* Whether a peer on that side is one that the configuration names: sip_host_handler.is_known. */
bool edge_knows(const struct edge *e, unsigned side, const struct addr *peer);

/* A media worker says something. */
void edge_media(struct edge *e, struct now now, const struct media_event *event);

void edge_tick(struct edge *e, struct now now);
struct mono edge_deadline(const struct edge *e);

/* ---- effects ---- */

enum edge_effect_kind {
    EDGE_SEND,  /* hop, octets; edge_unreachable if that fails */
    EDGE_CLOSE, /* conn: end this connection, after what was sent over it */
    EDGE_STOPPED
};

/* What it points to is valid until the next call of edge_next. */
struct edge_effect {
    enum edge_effect_kind kind;
    const struct sip_hop *hop;
    struct slice octets;
    uint64_t conn;
};
bool edge_next(struct edge *e, struct now now, struct edge_effect *ret_effect);

/* ---- for a stand-by ---- */

/* The state of each call that is up: dialogs, numbers, media with their keys. Secret; valid during the call of the function. 0, or the first error. */
typedef void edge_call_row_fn(void *ctx, struct slice row);
int edge_each_call(struct edge *e, struct now now, edge_call_row_fn *row, void *ctx);

/* Goes on with a call of another edge, which had the same domains; its session of media is somebody else's to take over. ERR_EXISTS, ERR_LIMIT, ERR_NOT_FOUND (a domain
 * that is not served), or what is wrong with the row; ret_fault may be NULL. */
int edge_take_call(struct edge *e, struct now now, struct slice row, struct fault *ret_fault);

/* ---- counters and control ---- */

/* Each refusal and each block has one of its own: README.md says which event goes with which. */
/* clang-format off */
#define EDGE_COUNTERS(X) \
    X(calls_in) X(calls_out) X(calls_answered) X(calls_ended) X(calls_stuck) X(calls_without_media) \
    X(tickets_good) X(ticket_missing) X(ticket_syntax) X(ticket_epoch) X(ticket_integrity) X(ticket_not_yet_valid) X(ticket_expired) \
    X(ticket_number) X(ticket_domain) X(ticket_revoked) X(ticket_no_keys) \
    X(refused_domain) X(refused_method) X(refused_headers) X(refused_certificate) X(refused_number) X(refused_route) X(refused_mapping) \
    X(refused_calling_domain) X(refused_address) X(refused_memory) X(refused_srtp) X(refused_sdp) X(refused_media) X(refused_calls) X(refused_domain_calls) X(refused_rate) \
    X(refused_busy) X(refused_requests) X(refused_hops) X(dropped_strangers) X(dropped_dialog) X(dropped_peer) \
    X(blocked_bye) X(blocked_ack) X(blocked_response) X(blocked_invite) X(blocked_cseq) X(blocked_prack) X(blocked_update) X(blocked_notify) \
    X(blocked_request) X(blocked_cancel) X(blocked_offer) \
    X(requests_in) X(requests_out) X(responses_in) X(responses_out) X(subscriptions) X(quality_bad) X(quality_good) X(media_lost) X(media_silent) \
    X(agents_unreachable) X(far_unreachable) X(answers_late) X(probes) X(sensitivity_told) X(sensitivity_bad) X(far_gone) X(far_back) X(shares) X(shares_refused)
/* clang-format on */
COUNTERS_DECLARE(edge_counters, EDGE_COUNTERS)

const struct edge_counters *edge_counters(const struct edge *e);
const struct sip_layer *edge_layer(const struct edge *e);

/* Everything that is there for the sake of calls and requests: all of it is 0 in an edge that is at rest. */
struct edge_left {
    size_t calls, dialogs, subscriptions, requests;
    size_t clients, servers; /* transactions */
    size_t sessions;         /* of media */
    size_t timers;           /* but those of trunks */
};
void edge_left(const struct edge *e, struct edge_left *ret_left);

/* The handlers of ime-edge's commands; ctx is a struct edge. The program sets the time before it passes input on. */
extern const struct ctl_handler edge_handlers[];
extern const size_t edge_handler_count;
void edge_set_now(struct edge *e, struct now now);
bool edge_wants_shutdown(const struct edge *e);

/* Counters that the program keeps, shown with the others. Borrowed. */
void edge_add_counters(struct edge *e, const char *prefix, const char *const *names, const uint64_t *values);

#endif
