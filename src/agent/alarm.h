/* Alarms of a call agent, by the names that operators of such products know. One about a state rings until the state is over; one about an event
 * is told and past. They are logged, counted and the last ones kept; what rings again about the same subject within an hour is only counted. */
#ifndef AGENT_ALARM_H
#define AGENT_ALARM_H

#include "base/list.h"
#include "base/log.h"
#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>

enum agent_alarm_kind { AGENT_ALARM_EVENT, AGENT_ALARM_STATE };

/* Name, what operators call it, severity, kind, and what to do about it. Those about the quality of calls and the move to the phone network (the
 * last four) are rung by what watches the media. */
/* clang-format off */
#define AGENT_ALARMS(X) \
    X(ROUTE_NOT_STORED, "DbInsertValidatedDIDFailure", LEVEL_ERROR, EVENT, \
      "See whether the disk of the data folder is full. The server tells the route again.") \
    X(TCP_SETUP_FAILED, "TCPSetupToIMEFailed", LEVEL_WARNING, STATE, \
      "See that ime-server runs there, that the address in [service] server is right, and that no firewall is in between. It is tried again by itself.") \
    X(TLS_CONNECTION_FAILED, "TLSConnectionToIMEFailed", LEVEL_WARNING, STATE, \
      "See that [service] ca is the authority of the server's certificate, that the certificate has the server's name, and that it has not ended.") \
    X(INVALID_CREDENTIALS, "InvalidCredentials", LEVEL_ERROR, STATE, \
      "Give [service] user and password-file as the server has them in its [client] section, then restart ime-agent: it is not tried again.") \
    X(OVER_QUOTA, "IMEOverQuota", LEVEL_WARNING, STATE, \
      "Enroll fewer numbers, or run more Node-IDs at the IME server: each brings quota. `imectl agent service show` says how much there is.") \
    X(PUBLISH_OVER_QUOTA, "PublishFailedOverQuota", LEVEL_WARNING, STATE, \
      "Enroll fewer numbers, or run more Node-IDs at the IME server. `imectl agent publish report` names the numbers; they are tried again.") \
    X(PUBLISH_FAILED, "PublishFailed", LEVEL_WARNING, STATE, \
      "`imectl agent publish report` names the numbers and the reason; they are tried again by themselves.") \
    X(RING_INACTIVE, "IMEDistributedCacheInactive", LEVEL_WARNING, STATE, \
      "The IME server is not in the ring: `imectl show status` on its host says why. Known routes go on working.") \
    X(REJECTED_ROUTES, "RejectedRoutes", LEVEL_NOTICE, EVENT, \
      "If the reason is a trust group, that is as it should be; else the far side publishes something wrong.") \
    X(PUBLICATION_COMPLETED, "PublicationRunCompleted", LEVEL_INFO, EVENT, \
      "Nothing, unless numbers failed: `imectl agent publish report`.") \
    X(ROUTE_REMOVED, "RouteRemoved", LEVEL_INFO, EVENT, \
      "Nothing: calls over the phone network bring it back if the number is still there.") \
    X(INVALID_SUBSCRIPTION, "InvalidSubscription", LEVEL_WARNING, STATE, \
      "Agent and server disagreed and begin anew by themselves. If it comes again and again, another agent uses the same VServiceID and user.") \
    X(BAD_REQUEST, "BadRequest", LEVEL_WARNING, STATE, \
      "The server does not understand this agent: see that both are of versions that fit together.") \
    X(UNSUPPORTED_VERSION, "UnsupportedVersion", LEVEL_ERROR, STATE, \
      "The server speaks another version of the protocol: bring both to versions that fit together, then restart ime-agent.") \
    X(RECORD_LOST, "VCRNotUploaded", LEVEL_WARNING, EVENT, \
      "A call over the phone network will teach no route. If the queue is full, see why no IME server takes records: `imectl agent service show`.") \
    X(TRUNK_NOT_REACHABLE, "TrunkNotReachable", LEVEL_ERROR, STATE, \
      "See that its host and port are right, that the carrier answers OPTIONS, and that no firewall is in between. Other trunks are tried first meanwhile.") \
    X(PBX_NOT_REACHABLE, "PBXNotReachable", LEVEL_ERROR, STATE, \
      "See that the PBX runs and answers OPTIONS from this agent's address.") \
    X(TRUNK_NOT_LOCATED, "TrunkNotLocated", LEVEL_ERROR, STATE, \
      "The DNS has no address for its host: see the name and the resolver. It is asked again every 30 seconds.") \
    X(REGISTRATION_REFUSED, "TrunkRegistrationRefused", LEVEL_ERROR, STATE, \
      "If it is refused, give user and password of the trunk as the carrier has them; if it is not answered, see that host and port are right and no firewall is in between. It is tried again every 30 seconds.") \
    X(TRUNK_FIXED, "TrunkRefusesReInvite", LEVEL_WARNING, STATE, \
      "Ask the carrier to take a re-INVITE in the middle of a call that changes the media address. Calls stay direct meanwhile, however bad, or move by another trunk; it is tried again after an hour.") \
    X(CERTIFICATE_EXPIRING, "CertificateExpiring", LEVEL_WARNING, STATE, \
      "Renew the certificate in this file, then `imectl agent reload`.") \
    X(PROVISIONING_IDLE, "ProvisioningWithoutEffect", LEVEL_WARNING, STATE, \
      "agent.conf says otherwise and holds: `imectl agent provision list` names the entries and the reason; take them out on one side.") \
    X(FEW_FALLBACK_IDENTIFIERS, "InsufficientFallbackIdentifiers", LEVEL_WARNING, EVENT, \
      "Give the fallback profile more correlation-digits.") \
    X(QUALITY_ENTRY, "IMEQualityAlertEntry", LEVEL_WARNING, STATE, \
      "Many direct calls moved to the phone network: look at the Internet access of both sides.") \
    X(QUALITY_EXIT, "IMEQualityAlertExit", LEVEL_NOTICE, EVENT, "Nothing: quality is back.") \
    X(MAPPING_FAILED, "FirewallMappingFailure", LEVEL_WARNING, EVENT, \
      "See that the edge's mapping service runs and is reached.")
/* clang-format on */

enum agent_alarm {
#define AGENT_ALARM_ENUM_(name, text, level, kind, remedy) AGENT_ALARM_##name,
    AGENT_ALARMS(AGENT_ALARM_ENUM_)
#undef AGENT_ALARM_ENUM_
        AGENT_ALARM_KINDS
};

const char *agent_alarm_name(enum agent_alarm alarm);
enum log_level agent_alarm_level(enum agent_alarm alarm);
enum agent_alarm_kind agent_alarm_kind(enum agent_alarm alarm);
const char *agent_alarm_remedy(enum agent_alarm alarm); /* sentences */

#define AGENT_ALARM_SUBJECT_OCTETS 160
#define AGENT_ALARM_TEXT_OCTETS 320
#define AGENT_ALARMS_KEPT 128
#define AGENT_ALARM_QUIET_MS INT64_C(3600000)

struct agent_alarm_entry {
    struct list link; /* in agent_alarms.kept, the oldest first */
    enum agent_alarm alarm;
    struct wall first_at;
    struct wall last_at;
    struct wall cleared_at; /* of a state that is over; 0: it rings */
    struct wall logged_at;
    unsigned times;
    char subject[AGENT_ALARM_SUBJECT_OCTETS]; /* what it is about: a number, a server; "": the agent itself */
    char text[AGENT_ALARM_TEXT_OCTETS];
};

/* Passive; in its owner's storage, where it stays. */
struct agent_alarms {
    const struct log *log; /* may be NULL */
    struct agent_alarm_entry entries[AGENT_ALARMS_KEPT];
    size_t count; /* of entries in use */
    struct list kept;
    size_t ringing;
    unsigned long counts[AGENT_ALARM_KINDS];
};

void agent_alarms_init(struct agent_alarms *a, const struct log *log);

/* The subject tells alarms of one kind apart; the text is for people, whole and without secrets. */
void agent_alarm_raise(struct agent_alarms *a, struct now now, enum agent_alarm alarm, const char *subject,
                       const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The state is over: logged, if it rang. subject NULL: all of that kind. */
void agent_alarm_clear(struct agent_alarms *a, struct now now, enum agent_alarm alarm, const char *subject);

/* The kept ones: those that ring first, each part newest first; i from 0. NULL after the last. */
const struct agent_alarm_entry *agent_alarm_at(const struct agent_alarms *a, size_t i);
bool agent_alarm_rings(const struct agent_alarm_entry *e);

#endif
