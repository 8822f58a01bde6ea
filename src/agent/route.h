/* Learned routes: how a number is reached without the phone network. They come from ValInfo documents (VAP 10.2) that the IME server
 * sends after proved calls, are kept on disk until they end, and are looked up for every call that goes out.
 *
 * A number may have several routes: of several granting servers, and of several SIP URIs within one document. Memory is what matters for
 * millions: tickets are kept in the parts that are their own (ticket/ticket.h encodes them to the same octets again), what all numbers of
 * a far side have in common is kept once. Texts that are no ticket of that form are kept whole.
 *
 * Nothing changes before it is durable: each change is written, and applied when the store says so. Failures of calls are kept in memory
 * only. */
#ifndef AGENT_ROUTE_H
#define AGENT_ROUTE_H

#include "agent/cause.h"
#include "agent/enrolled.h"
#include "base/counter.h"
#include "base/e164.h"
#include "base/entropy.h"
#include "base/id.h"
#include "base/kv.h"
#include "base/time.h"
#include "ticket/ticket.h"
#include "ticket/valinfo.h"

#define AGENT_ROUTES_MAX 64000000     /* what a configuration may ask for */
#define AGENT_ROUTES_PER_NUMBER_MAX 8 /* granting servers of one number; beyond, the one learned first gives way */
#define AGENT_ROUTE_TRIES_MAX 8       /* URIs offered for one call */
#define AGENT_ROUTE_TICKET_OCTETS_MAX 2048
#define AGENT_ROUTE_CHANGES_MAX 4096 /* not durable yet; beyond: ERR_LIMIT */

struct agent_routes;

struct agent_routes_config {
    size_t routes_max;
    int64_t lifetime_ms;     /* a route ends after it, or with its ticket */
    int64_t retry_ms;        /* a URI that failed stands behind the others for so long */
    int64_t ticket_retry_ms; /* the same after its ticket was refused */
};

/* A year, five minutes, a day; 10 million routes. */
void agent_routes_config_init(struct agent_routes_config *config);

/* clang-format off */
#define AGENT_ROUTE_COUNTERS(X) \
    X(learned) X(renewed) X(rejected) X(limit_routes) X(limit_changes) X(replaced) X(expired) X(gone) X(deleted) \
    X(failures) X(successes) X(not_stored) X(corrupt_rows)
/* clang-format on */

COUNTERS_DECLARE(agent_route_counters, AGENT_ROUTE_COUNTERS)

/* One way to a number, as a copy: the table may change while a call uses it. */
struct agent_route {
    struct e164 number;
    struct id node; /* who granted it; zero when its ticket is of another form */
    char domain[TICKET_DOMAIN_OCTETS_MAX + 1];
    char uri[VALINFO_URI_OCTETS_MAX + 1];           /* sip:<agent-id>@<domain>:<port>;maddr=<ip>;transport=tcp */
    char ticket[AGENT_ROUTE_TICKET_OCTETS_MAX + 1]; /* for X-Cisco-ViPR-Ticket */
    struct wall learned_at;
    struct wall expires_at;
    struct wall failed_at; /* 0: never since the start, or good again */
    bool enabled;
};

/* Ways to one number, the one to be tried first in front. */
struct agent_route_list {
    size_t n;
    struct agent_route routes[AGENT_ROUTE_TRIES_MAX];
};

enum agent_route_end { AGENT_ROUTE_EXPIRED, AGENT_ROUTE_GONE, AGENT_ROUTE_DELETED, AGENT_ROUTE_REPLACED };
const char *agent_route_end_name(enum agent_route_end end); /* "expired" */

/* What the table tells: a route has ended (durably). Called from a completion of the store, with the
 * time of the last event; must not change the table. */
struct agent_route_watch {
    void (*removed)(void *ctx, struct now now, const struct agent_route *route, enum agent_route_end end);
    void *ctx;
};

/* Reads what is stored; rows that cannot be read are left alone and counted. The watch may be NULL; kv and entropy must outlive it. */
int agent_routes_new(const struct agent_routes_config *config, const struct kv *kv, const struct entropy *entropy,
                     const struct agent_route_watch *watch, struct agent_routes **ret_routes);

/* What waits for a change that is not durable yet is told ERR_CLOSED. The store must not complete what it still has of this table. */
void agent_routes_free(struct agent_routes *t);

/* Called once, when the change is durable (0) or is not (the error). Never from within the call that makes the change. May be NULL. */
typedef void agent_route_done_fn(void *arg, int err);

/* What a route must fulfill to be learned. */
struct agent_route_terms {
    struct slice granted_to;            /* our domain: a ticket for another one is refused; empty: not checked */
    const struct agent_enrolled *trust; /* whose trust groups are asked; NULL: none */
};

/* What a ValInfo document says becomes a route, or renews one of the same number, Node-ID and domain. At once, without completion:
 * ERR_SYNTAX, ERR_RANGE, ERR_EXPIRED, ERR_FORBIDDEN (ticket for another number or domain, or blocked by trust groups); ERR_LIMIT;
 * ERR_CONFLICT as below; ERR_NO_MEMORY; the store's error. The reason is in static storage; the number is that of the document, "" if it
 * has none. */
int agent_routes_learn(struct agent_routes *t, struct now now, struct slice valinfo,
                       const struct agent_route_terms *terms, agent_route_done_fn *done, void *arg,
                       const char **ret_reason, struct e164 *ret_number);

/* The enabled ways to a number that have not ended: those without a recent failure, newest first, then the others, the longest failed
 * first. False if there is none. */
bool agent_routes_find(const struct agent_routes *t, struct now now, const struct e164 *number,
                       struct agent_route_list *ret_list);

/* How a call by this way went. A cause that says that the number is gone removes the route. */
void agent_routes_failed(struct agent_routes *t, struct now now, const struct agent_route *route,
                         enum agent_cause cause);
void agent_routes_succeeded(struct agent_routes *t, const struct agent_route *route);

/* What an operator does: with every route of the number, or only those of a domain (empty: all). At once, without completion:
 * ERR_NOT_FOUND; ERR_CONFLICT while another change of the number is being written; ERR_LIMIT, ERR_NO_MEMORY or the store's error. */
int agent_routes_set_enabled(struct agent_routes *t, struct now now, const struct e164 *number, struct slice domain,
                             bool enabled, agent_route_done_fn *done, void *arg);
int agent_routes_delete(struct agent_routes *t, struct now now, const struct e164 *number, struct slice domain,
                        agent_route_done_fn *done, void *arg);

/* Ends what has ended, a part of the table at a time. */
void agent_routes_tick(struct agent_routes *t, struct now now);
struct mono agent_routes_deadline(const struct agent_routes *t);

/* Routes in the order of their numbers' digits, one row per URI. */
struct agent_route_query {
    struct slice prefix; /* "+4930"; empty: all numbers */
    struct slice domain; /* empty: all */
    struct e164 after;   /* begin behind this number; "": from the start */
    size_t limit;        /* rows wanted; a number's rows are never torn apart */
    bool tickets;        /* fill them in */
};

typedef void agent_route_row_fn(void *ctx, const struct agent_route *route);

/* Returns true and the number to go on behind if there may be more: a query looks at a bounded part of the table. */
bool agent_routes_list(const struct agent_routes *t, const struct agent_route_query *query, agent_route_row_fn *row,
                       void *ctx, struct e164 *ret_after);

/* Every way to one number, disabled and ended ones too, in the order in which they would be tried. */
size_t agent_routes_show(const struct agent_routes *t, struct now now, const struct e164 *number,
                         agent_route_row_fn *row, void *ctx);

/* Whether there is any route to it, be it disabled or ended. */
bool agent_routes_knows(const struct agent_routes *t, const struct e164 *number);

size_t agent_routes_count(const struct agent_routes *t);   /* numbers and granting servers, not URIs */
size_t agent_routes_numbers(const struct agent_routes *t); /* that have a route */
size_t agent_routes_domains(const struct agent_routes *t); /* different ones */
size_t agent_routes_octets(const struct agent_routes *t);  /* of memory, with the index */
const struct agent_route_counters *agent_routes_counters(const struct agent_routes *t);

#endif
