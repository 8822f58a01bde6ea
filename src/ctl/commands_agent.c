/* The commands of ime-agent. */
#include "ctl/chapter.h"

#define CALL_COLUMNS                                                                                              \
    COLUMNS({"begun_at", "BEGUN"}, {"calling", "CALLING"}, {"called", "CALLED"}, {"from", "FROM"}, {"to", "WAY"}, \
            {"cause", "CAUSE"}, {"status", "STATUS"}, {"talk_ms", "TALK"}, {"ended_by", "ENDED BY"})

#define ROUTE_COLUMNS                                                                         \
    COLUMNS({"number", "NUMBER"}, {"domain", "DOMAIN"}, {"uri", "ROUTE"}, {"state", "STATE"}, \
            {"learned_at", "LEARNED"}, {"expires_at", "EXPIRES"})

/* clang-format off */
#define PAGE_ARGS \
    {"after", CTL_NUMBER, CTL_OPTION | CTL_OPTIONAL, 0, 0, "go on behind this number"}, \
    {"limit", CTL_INTEGER, CTL_OPTION | CTL_OPTIONAL, 1, 10000, "how many at most"}
/* clang-format on */

#define PAGE_DETAIL                                                                                                  \
    "In the order of the numbers' digits. If there are more, the answer says which number to go on behind: give it " \
    "with --after. A page may be short, or empty, when there is a long way between two numbers that are sought."

#define ROUTE_ARGS(verb)                                  \
    ARGS({"number", CTL_NUMBER, 0, 0, 0, "whose routes"}, \
         {"domain", CTL_DOMAIN, CTL_OPTION | CTL_OPTIONAL, 0, 0, verb " only the routes of this domain"})

static const struct ctl_command commands[] = {
    {
        .words = "agent calls",
        .programs = CTL_AGENT,
        .args = ARGS(
            {"number", CTL_NUMBER, CTL_OPTIONAL, 0, 0, "only calls from or to this number"},
            {"limit", CTL_INTEGER, CTL_OPTION | CTL_OPTIONAL, 1, 10000, "how many at most, the newest (default 50)"}),
        .help = "what became of each call: which way it went, the cause code if a direct way failed, who ended it",
        .rows = "calls",
        .columns = CALL_COLUMNS,
        .empty = "no calls",
    },
    {
        .words = "agent explain",
        .programs = CTL_AGENT,
        .args = ARGS({"call", CTL_TEXT, 0, 1, 128, "a +E.164 number, or a Call-ID of either side"},
                     {"limit", CTL_INTEGER, CTL_OPTION | CTL_OPTIONAL, 1, 100,
                      "how many calls at most, the newest (default 3)"}),
        .help = "why a call went as it did, step by step: `why did this call not go direct?`",
        .raw = "explanation",
    },
    {
        .words = "agent trunks",
        .programs = CTL_AGENT,
        .help = "PBXs and trunks: where they are, whether they answer, registration",
        .rows = "trunks",
        .columns = COLUMNS({"name", "NAME"}, {"side", "SIDE"}, {"state", "STATE"}, {"registration", "REGISTRATION"},
                           {"transport", "TRANSPORT"}, {"address", "ADDRESS"}),
        .empty = "no trunks are configured",
    },
    {
        .words = "agent route list",
        .programs = CTL_AGENT,
        .args = ARGS(PAGE_ARGS),
        .help = "the routes that were learned",
        .detail = PAGE_DETAIL,
        .rows = "routes",
        .columns = ROUTE_COLUMNS,
        .empty = "no routes (here)",
    },
    {
        .words = "agent route search",
        .programs = CTL_AGENT,
        .args = ARGS({"sought", CTL_TEXT, 0, 1, 253, "the beginning of numbers, or a domain"}, PAGE_ARGS),
        .help = "the routes of numbers that begin so, or of a domain",
        .detail = PAGE_DETAIL,
        .rows = "routes",
        .columns = ROUTE_COLUMNS,
        .empty = "no such routes (here)",
    },
    {
        .words = "agent route show",
        .programs = CTL_AGENT,
        .args = ARGS({"number", CTL_NUMBER, 0, 0, 0, "the number"}),
        .help = "all routes to a number, in the order in which a call tries them",
        .rows = "routes",
        .columns = COLUMNS({"domain", "DOMAIN"}, {"uri", "ROUTE"}, {"state", "STATE"}, {"failed_at", "FAILED"},
                           {"learned_at", "LEARNED"}, {"expires_at", "EXPIRES"}, {"node_id", "GRANTED BY"}),
        .empty = "no routes",
    },
    {
        .words = "agent route disable",
        .programs = CTL_AGENT,
        .args = ROUTE_ARGS("disable"),
        .help = "calls to the number do not use its routes until they are enabled again",
    },
    {
        .words = "agent route enable",
        .programs = CTL_AGENT,
        .args = ROUTE_ARGS("enable"),
        .help = "undoes `agent route disable`",
    },
    {
        .words = "agent route delete",
        .programs = CTL_AGENT,
        .args = ROUTE_ARGS("delete"),
        .help = "forgets routes; they come back when they are learned anew",
    },
    {
        .words = "agent route export",
        .programs = CTL_AGENT,
        .args = ARGS(PAGE_ARGS),
        .help = "routes with their tickets as comma-separated values (10,000 at most at a time)",
        .detail = "Go on with --after and the last number until nothing comes. Tickets are of use to nobody but the "
                  "domain that they are granted to; still, keep them to yourself.",
        .raw = "csv",
    },
    {
        .words = "agent number test",
        .programs = CTL_AGENT,
        .args = ARGS({"dialed", CTL_TEXT, 0, 1, 64, "a number as it is dialed; with --direction out: +E.164"},
                     {"trunk", CTL_TEXT, CTL_OPTION | CTL_OPTIONAL, 1, 63, "whose rules (default: the first PBX)"},
                     {"direction", CTL_TEXT, CTL_OPTION | CTL_OPTIONAL, 2, 3,
                      "in (default): what comes from there; out: what goes there"}),
        .help = "what becomes of a number, step by step, and where a call would go; no call is placed",
        .rows = "steps",
        .columns = COLUMNS({"step", "STEP"}, {"number", "NUMBER"}, {"why", "WHY"}),
    },
    {
        .words = "agent enrolled",
        .programs = CTL_AGENT,
        .args = ARGS(
            {"limit", CTL_INTEGER, CTL_OPTION | CTL_OPTIONAL, 1, 100000, "how many patterns at most (default 1000)"}),
        .help = "our numbers that take part: patterns, their groups and fallback profiles",
        .rows = "patterns",
        .columns = COLUMNS({"group", "GROUP"}, {"pattern", "PATTERN"}, {"numbers", "NUMBERS"}, {"fallback", "FALLBACK"},
                           {"sensitivity", "SENSITIVITY"}),
        .empty = "no numbers are enrolled: nobody can learn a route to us",
    },
    {
        .words = "agent trust test",
        .programs = CTL_AGENT,
        .args = ARGS({"domain", CTL_DOMAIN, 0, 0, 0, "of another company"},
                     {"number", CTL_NUMBER, CTL_OPTIONAL, 0, 0, "and one of its numbers"}),
        .help = "whether the trust groups let calls with a domain go direct",
    },
    {
        .words = "agent publish report",
        .programs = CTL_AGENT,
        .help = "which of our numbers are published, and which failed in the last run through all of them",
        .rows = "failed",
        .columns = COLUMNS({"service", "SERVICE"}, {"number", "NUMBER"}),
        .empty = "no number failed",
    },
    {
        .words = "agent service show",
        .programs = CTL_AGENT,
        .help = "the IME services and their servers; call records that wait; routes",
        .rows = "servers",
        .columns = COLUMNS({"service", "SERVICE"}, {"domain", "DOMAIN"}, {"server", "SERVER"}, {"role", "ROLE"},
                           {"state", "STATE"}, {"since_at", "SINCE"}, {"reason", "REASON"}),
        .empty = "no IME service is configured",
    },
    {
        .words = "agent record add",
        .programs = CTL_AGENT,
        .args = ARGS({"file", CTL_FILE, 0, 1, 65536, "call records as JSON; \"-\": standard input"}),
        .help = "hands over records of calls that went past the agent, for the IME server",
        .detail = "One object or an array of up to 256: {\"direction\": \"sent\" or \"received\", \"calling\", "
                  "\"called\", \"start\", "
                  "\"stop\"}; times of the conversation as 2026-03-01T12:00:00Z or seconds since 1970, numbers as "
                  "+E.164 or as the first "
                  "PBX dials them. All of them are kept, durably, or none.",
    },
    {
        .words = "agent alarms",
        .programs = CTL_AGENT,
        .help = "the last alarms, newest first",
        .rows = "alarms",
        .columns = COLUMNS({"severity", "SEVERITY"}, {"alarm", "ALARM"}, {"last_at", "LAST"}, {"times", "TIMES"},
                           {"text", "TEXT"}),
        .empty = "no alarms",
    },
};

const struct ctl_chapter ctl_chapter_agent = {"Commands of ime-agent", commands, COMMANDS(commands)};
