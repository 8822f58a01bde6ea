/* The commands of ime-edge. */
#include "ctl/chapter.h"

static const struct ctl_command commands[] = {
    {
        .words = "edge show calls",
        .programs = CTL_EDGE,
        .args =
            ARGS({"call", CTL_TEXT, CTL_OPTIONAL, 1, 128, "only calls of this +E.164 number, far domain, or Call-ID"},
                 {"limit", CTL_INTEGER, CTL_OPTION | CTL_OPTIONAL, 1, 10000, "how many at most (default 100)"}),
        .help = "the calls in progress, a row for each stream of media: who, how it is protected, how it sounds",
        .detail = "Figures are of what the edge receives from outside and from inside since the stream began: loss, "
                  "jitter, and the estimate of what a listener would say (MOS, 1 to 4.5).",
        .rows = "streams",
        .columns =
            COLUMNS({"begun_at", "BEGUN"}, {"direction", "DIRECTION"}, {"from", "FROM"}, {"to", "TO"},
                    {"domain", "FAR DOMAIN"}, {"state", "STATE"}, {"media", "MEDIA"}, {"codec", "CODEC"},
                    {"suite", "SRTP"}, {"loss_percent", "LOSS %"}, {"jitter_ms", "JITTER"},
                    {"round_trip_ms", "ROUND TRIP"}, {"mos", "MOS"}, {"quality", "QUALITY"}, {"call_id", "CALL-ID"}),
        .empty = "no calls",
    },
    {
        .words = "edge show trunks",
        .programs = CTL_EDGE,
        .help = "far domains: connections, calls, and what went over them",
        .rows = "trunks",
        .columns = COLUMNS({"domain", "FAR DOMAIN"}, {"state", "STATE"}, {"address", "ADDRESS"},
                           {"connections", "CONNECTIONS"}, {"calls", "CALLS"}, {"calls_in", "CALLS IN"},
                           {"calls_out", "CALLS OUT"}, {"refused", "REFUSED"}, {"used_at", "LAST USED"}),
        .empty = "no far domain is known at present",
    },
    {
        .words = "edge show tickets",
        .programs = CTL_EDGE,
        .help = "the keys that tickets are checked with: epochs by served domain, where they come from, how old they "
                "are",
        .detail = "A key is shown by its fingerprint only: `imectl show tickets` at the IME server shows the same one. "
                  "While the server is away, tickets are checked with what is here: what it has said last, and when, "
                  "stands with its name.",
        .rows = "epochs",
        .columns = COLUMNS({"domain", "DOMAIN"}, {"epoch", "EPOCH"}, {"state", "STATE"}, {"source", "FROM"},
                           {"installed_at", "SINCE"}, {"valid_until_at", "VALID UNTIL"}, {"fingerprint", "FINGERPRINT"},
                           {"confirmed_at", "CONFIRMED"}, {"age_ms", "AGE"}, {"revoked", "REVOKED"}),
        .empty = "there are no keys: every ticket is refused",
    },
    {
        .words = "edge show mappings",
        .programs = CTL_EDGE,
        .help = "off-path: the inside addresses that stand for far ones, and until when",
        .rows = "mappings",
        .columns = COLUMNS({"inside", "INSIDE"}, {"far", "FAR"}, {"made_at", "MADE"}, {"calls", "CALLS"},
                           {"expires_at", "EXPIRES"}),
        .empty = "no mappings",
    },
    {
        .words = "edge show certificates",
        .programs = CTL_EDGE,
        .help = "the certificates that are shown to others, and when they end",
        .rows = "certificates",
        .columns = COLUMNS({"domain", "DOMAIN"}, {"side", "SIDE"}, {"expires_at", "EXPIRES"}, {"file", "FILE"}),
        .empty = "none",
    },
    {
        .words = "edge reload",
        .programs = CTL_EDGE,
        .help = "read edge.conf again, while calls go on, and say what is different",
        .detail =
            "It is taken as a whole or, if a line is wrong or changes what only a restart can change, not at all. "
            "Agents, networks, thresholds, suites and rates can change; certificates, authorities and revocation lists "
            "are read again, and connections whose certificate is no longer believed end. Served domains, listeners, "
            "addresses of media, workers and IME servers need a restart: systemctl restart ime-edge. SIGHUP does the "
            "same and says it in the log.",
        .raw = "differences",
    },
};

const struct ctl_chapter ctl_chapter_edge = {"Commands of ime-edge", commands, COMMANDS(commands)};
