/* An IME service: one domain of ours at its IME servers. It owns the VAP client of a primary and a backup server, and joins it with the
 * learned routes, the call records and the publication of numbers. The owner carries out its effects; octets go over connections that it
 * makes. */
#ifndef AGENT_SERVICE_H
#define AGENT_SERVICE_H

#include "agent/alarm.h"
#include "agent/enrolled.h"
#include "agent/publish.h"
#include "agent/record.h"
#include "agent/route.h"
#include "vap/client.h"

#define AGENT_SERVICE_ROUTES_MAX 8

struct agent_service;

struct agent_service_config {
    const char *name;   /* of the configuration's section */
    const char *domain; /* ours: tickets are granted to it */
    const char *dht;    /* VAP_PUBLIC_DHT if NULL */
    uint64_t vservice_id;
    const char *user;
    const char *password;
    unsigned servers;                          /* 1, or 2 with a backup */
    const char *server_names[VAP_SERVERS_MAX]; /* for people: "ime1.example.com:5620" */
    const char *routes
        [AGENT_SERVICE_ROUTES_MAX]; /* SIP URIs where the edge takes calls, per external address (ticket/valinfo.h) */
    size_t route_count;
    int64_t reconnect_ms;
};

/* What it works with; all of them outlive it. Routes and records may be shared by several services. */
struct agent_service_parts {
    const struct agent_enrolled *enrolled;
    struct agent_routes *routes;
    struct agent_records *records;
    struct agent_alarms *alarms;
    const struct entropy *entropy;
    const struct log *log; /* may be NULL */
};

/* Texts are copied. ERR_RANGE (no route or a bad one, too many), ERR_LIMIT, ERR_NO_MEMORY. */
int agent_service_new(const struct agent_service_config *config, const struct agent_service_parts *parts,
                      struct now now, struct agent_service **ret_service);

/* Before routes, records and alarms are freed. NULL is allowed. */
void agent_service_free(struct agent_service *s);

/* The enrolled numbers and trust groups have changed; the old object may be freed afterwards, also after an error: then what is published
 * stays as it was. */
int agent_service_set_enrolled(struct agent_service *s, struct now now, const struct agent_enrolled *enrolled);

/* For an agent_route_watch, with the alarms as its ctx: rings RouteRemoved. */
void agent_service_route_removed(void *alarms, struct now now, const struct agent_route *route,
                                 enum agent_route_end end);

/* What happened on a connection; as in vap/client.h. The failure tells TCP and TLS apart, for the alarm. */
enum agent_service_failure { AGENT_SERVICE_CLOSED, AGENT_SERVICE_TCP_FAILED, AGENT_SERVICE_TLS_FAILED };
void agent_service_connected(struct agent_service *s, struct now now, unsigned server);
void agent_service_input(struct agent_service *s, struct now now, unsigned server, struct slice octets);
void agent_service_closed(struct agent_service *s, struct now now, unsigned server, enum agent_service_failure failure,
                          const char *why);

/* Sends records that have become durable, and does what is due. Call it when the store has completed, too. */
void agent_service_tick(struct agent_service *s, struct now now);
struct mono agent_service_deadline(const struct agent_service *s);

/* Unregisters; STOPPED follows. */
void agent_service_stop(struct agent_service *s, struct now now);

enum agent_service_effect_kind {
    AGENT_SERVICE_CONNECT,    /* server */
    AGENT_SERVICE_SEND,       /* server, octets */
    AGENT_SERVICE_DISCONNECT, /* server: after what was sent */
    AGENT_SERVICE_STOPPED
};

struct agent_service_effect {
    enum agent_service_effect_kind kind;
    unsigned server;
    struct slice octets; /* valid until the next call */
};

bool agent_service_next(struct agent_service *s, struct now now, struct agent_service_effect *ret_effect);

/* clang-format off */
#define AGENT_SERVICE_COUNTERS(X) \
    X(RoutesLearned) X(RoutesPublished) X(RoutesRejected) X(VCRUploadRequests) X(vcrs_acknowledged) X(vcrs_refused) \
    X(notifies) X(routes_not_stored) X(ring_lost)
/* clang-format on */

COUNTERS_DECLARE(agent_service_counters, AGENT_SERVICE_COUNTERS)

enum agent_service_status { AGENT_SERVICE_UNKNOWN, AGENT_SERVICE_HEALTHY, AGENT_SERVICE_UNHEALTHY };
const char *agent_service_status_name(enum agent_service_status status);

struct agent_service_server_view {
    const char *name;
    bool online;
    bool given_up;     /* wrong user or password: not tried again */
    struct wall since; /* of that state */
    char reason[160];  /* why it is not online */
};

struct agent_service_view {
    const char *name;
    const char *domain;
    uint64_t vservice_id;
    enum agent_service_status status;
    unsigned servers;
    struct agent_service_server_view server[VAP_SERVERS_MAX];
    size_t uploads; /* records handed to the client, without a result */
    uint32_t quota_limit;
    uint32_t quota_current;
    const struct agent_publish *publish;
    const struct agent_service_counters *counters;
};
void agent_service_view(const struct agent_service *s, struct agent_service_view *ret_view);

#endif
