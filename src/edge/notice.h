/* The events of the edge in the log: each by name, once per occurrence, so many a second of a kind; what was left out is counted and told with the next
 * one. A hostile peer fills no disk. */
#ifndef EDGE_NOTICE_H
#define EDGE_NOTICE_H

#include "base/log.h"
#include "base/time.h"

#include <stdint.h>

/* clang-format off */
#define EDGE_NOTICES(X) \
    X(TICKET_MISSING, "edge.ticket.missing", LEVEL_NOTICE) \
    X(TICKET_INVALID, "edge.ticket.invalid", LEVEL_NOTICE) \
    X(DIALOG_UNKNOWN, "edge.dialog.unknown", LEVEL_NOTICE)    /* out-of-dialog SIP dropped */ \
    X(PEER_FOREIGN, "edge.dialog.foreign", LEVEL_WARNING)     /* a request or answer in somebody else's call */ \
    X(STATE_BLOCKED, "edge.state.blocked", LEVEL_NOTICE) \
    X(ROUTE_REFUSED, "edge.route.refused", LEVEL_WARNING)     /* Route header check failed */ \
    X(SRTP_MISSING, "edge.srtp.missing", LEVEL_WARNING)       /* no SRTP offered */ \
    X(SDP_REFUSED, "edge.sdp.refused", LEVEL_WARNING) \
    X(MAPPING_FAILED, "edge.mapping.failed", LEVEL_WARNING) \
    X(REQUEST_REFUSED, "edge.request.refused", LEVEL_NOTICE) \
    X(LIMIT, "edge.limit", LEVEL_WARNING) \
    X(STRANGER, "edge.stranger", LEVEL_WARNING) \
    X(AGENT_UNREACHABLE, "edge.agent.unreachable", LEVEL_WARNING) \
    X(FAR_UNREACHABLE, "edge.far.unreachable", LEVEL_NOTICE) \
    X(QUALITY, "edge.quality", LEVEL_WARNING) \
    X(MEDIA_LOST, "edge.media.lost", LEVEL_ERROR) \
    X(MEDIA_SILENT, "edge.media.silent", LEVEL_NOTICE) \
    X(CALL_STUCK, "edge.call.stuck", LEVEL_NOTICE) \
    X(FAR_GONE, "edge.far.gone", LEVEL_WARNING)               /* of a call that stays for its agent */
/* clang-format on */

enum edge_notice {
#define EDGE_NOTICE_CODE_(code, name, level) EDGE_NOTICE_##code,
    EDGE_NOTICES(EDGE_NOTICE_CODE_) EDGE_NOTICE_COUNT
};

struct edge_notices {
    struct edge_notice_window {
        struct mono end; /* of this second */
        unsigned told;
        uint64_t left_out;
    } windows[EDGE_NOTICE_COUNT];
};

__attribute__((cold)) void edge_notice(struct edge_notices *n, const struct log *log, struct now now,
                                       enum edge_notice notice, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
