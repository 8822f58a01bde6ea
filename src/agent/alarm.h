/* Alarms of a call agent, by the names that operators of such products know. They are logged, counted and the last ones kept. What rings
 * again about the same subject within an hour is only counted. */
#ifndef AGENT_ALARM_H
#define AGENT_ALARM_H

#include "base/log.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>

/* clang-format off */
#define AGENT_ALARMS(X) \
    X(ROUTE_NOT_STORED, "DbInsertValidatedDIDFailure", LEVEL_ERROR) \
    X(TCP_SETUP_FAILED, "TCPSetupToIMEFailed", LEVEL_WARNING) \
    X(TLS_CONNECTION_FAILED, "TLSConnectionToIMEFailed", LEVEL_WARNING) \
    X(INVALID_CREDENTIALS, "InvalidCredentials", LEVEL_ERROR) \
    X(OVER_QUOTA, "IMEOverQuota", LEVEL_WARNING) \
    X(PUBLISH_OVER_QUOTA, "PublishFailedOverQuota", LEVEL_WARNING) \
    X(PUBLISH_FAILED, "PublishFailed", LEVEL_WARNING) \
    X(RING_INACTIVE, "IMEDistributedCacheInactive", LEVEL_WARNING) \
    X(REJECTED_ROUTES, "RejectedRoutes", LEVEL_NOTICE) \
    X(PUBLICATION_COMPLETED, "PublicationRunCompleted", LEVEL_INFO) \
    X(ROUTE_REMOVED, "RouteRemoved", LEVEL_INFO) \
    X(FEW_FALLBACK_IDENTIFIERS, "InsufficientFallbackIdentifiers", LEVEL_WARNING) \
    X(QUALITY_ENTRY, "IMEQualityAlertEntry", LEVEL_WARNING) \
    X(QUALITY_EXIT, "IMEQualityAlertExit", LEVEL_NOTICE) \
    X(INVALID_SUBSCRIPTION, "InvalidSubscription", LEVEL_WARNING) \
    X(MAPPING_FAILED, "FirewallMappingFailure", LEVEL_WARNING) \
    X(BAD_REQUEST, "BadRequest", LEVEL_WARNING) \
    X(UNSUPPORTED_VERSION, "UnsupportedVersion", LEVEL_ERROR) \
    X(RECORD_LOST, "VCRNotUploaded", LEVEL_WARNING)
/* clang-format on */

enum agent_alarm {
#define AGENT_ALARM_ENUM_(name, text, level) AGENT_ALARM_##name,
    AGENT_ALARMS(AGENT_ALARM_ENUM_)
#undef AGENT_ALARM_ENUM_
        AGENT_ALARM_KINDS
};

const char *agent_alarm_name(enum agent_alarm alarm);
enum log_level agent_alarm_level(enum agent_alarm alarm);

#define AGENT_ALARM_SUBJECT_OCTETS 160
#define AGENT_ALARM_TEXT_OCTETS 320
#define AGENT_ALARMS_KEPT 128
#define AGENT_ALARM_QUIET_MS INT64_C(3600000)

struct agent_alarm_entry {
    enum agent_alarm alarm;
    struct wall first_at;
    struct wall last_at;
    unsigned times;
    char subject[AGENT_ALARM_SUBJECT_OCTETS]; /* what it is about: a number, a server; "": the agent itself */
    char text[AGENT_ALARM_TEXT_OCTETS];
};

/* Passive; in its owner's storage. */
struct agent_alarms {
    const struct log *log; /* may be NULL */
    struct agent_alarm_entry kept[AGENT_ALARMS_KEPT];
    size_t count; /* of kept */
    size_t next;  /* the oldest one, replaced next */
    unsigned long counts[AGENT_ALARM_KINDS];
};

void agent_alarms_init(struct agent_alarms *a, const struct log *log);

/* The subject tells alarms of one kind apart; the text is for people, whole and without secrets. */
void agent_alarm_raise(struct agent_alarms *a, struct now now, enum agent_alarm alarm, const char *subject,
                       const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The kept ones, newest first: i from 0. NULL after the last. */
const struct agent_alarm_entry *agent_alarm_at(const struct agent_alarms *a, size_t i);

#endif
