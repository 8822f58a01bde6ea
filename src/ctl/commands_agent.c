/* The commands of ime-agent. */
#include "ctl/chapter.h"

#define CALL_COLUMNS                                                                                              \
    COLUMNS({"begun_at", "BEGUN"}, {"calling", "CALLING"}, {"called", "CALLED"}, {"from", "FROM"}, {"to", "WAY"}, \
            {"fallback", "IS ON"}, {"cause", "CAUSE"}, {"status", "STATUS"}, {"talk_ms", "TALK"},                 \
            {"ended_by", "ENDED BY"})

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

/* clang-format off */
#define LIST_LIMIT {"limit", CTL_INTEGER, CTL_OPTION | CTL_OPTIONAL, 1, 100000, "how many at most (default 1000)"}
#define ENTRIES(flags, what) {"entry", CTL_TEXT, (flags) | CTL_REPEATED, 1, 140, what}
#define ENTRY_FILE {"file", CTL_FILE, 0, 0, 0, "one in each line; \"-\": standard input"}
#define GROUP(fallback) {"group", CTL_TEXT, CTL_OPTION | CTL_OPTIONAL, 1, 63, "the group that they belong to (default " fallback ")"}
#define GROUP_REMOVED {"group", CTL_TEXT, CTL_OPTION | CTL_OPTIONAL, 1, 63, "instead of them: all that imectl has added to this group"}
#define FALLBACK {"fallback", CTL_TEXT, CTL_OPTION | CTL_OPTIONAL, 1, 63, "a fallback profile of agent.conf, for a new group"}
#define FAILURES(none) \
        .rows = "failures", \
        .columns = COLUMNS({"line", "LINE"}, {"entry", "ENTRY"}, {"why", "WHY"}), \
        .empty = none, \
        .failed = "failed"
/* clang-format on */

#define MOVING_CALL "a call in progress: a +E.164 number of it, or a Call-ID of either side"
#define TRUST_ENTRIES "domains, with a dot in front all below; or numbers, with ! at the end all that begin so"

#define PROVISION_DETAIL                                                                                               \
    "It is kept by the agent, durably, beside agent.conf, which is never written: both hold together, and where they " \
    "disagree the file does. Lists name the source. What is good is taken; each failure is named, and the exit "       \
    "status is 1 then."

#define FILE_DETAIL                                                                                               \
    "Of 256 KiB at most; give several. What is good is taken; each failure is named with its line, and the exit " \
    "status "                                                                                                     \
    "is 1 then: mend the file and load it again, what is there already is left as it is."

#define REMOVE_DETAIL \
    "Only what imectl has added: what agent.conf says is taken out there by its writer, then `imectl agent reload`."

static const struct ctl_command commands[] = {
    {
        .words = "agent calls",
        .programs = CTL_AGENT,
        .args = ARGS(
            {"number", CTL_NUMBER, CTL_OPTIONAL, 0, 0, "only calls from or to this number"},
            {"limit", CTL_INTEGER, CTL_OPTION | CTL_OPTIONAL, 1, 10000, "how many at most, the newest (default 50)"}),
        .help = "what became of each call: which way it went, the cause code if a direct way failed, who ended it",
        .detail = "IS ON tells of calls in progress that can move to the phone network where they are: direct, phone "
                  "network, or on the way. With --json also since when, why, and the fallback number.",
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
        .words = "agent fallback",
        .programs = CTL_AGENT,
        .args = ARGS({"call", CTL_TEXT, 0, 1, 128, MOVING_CALL}),
        .help = "move a direct call to the phone network now, whatever its quality is",
        .detail =
            "The people on the phone go on talking; video ends. Only calls that this side began, for the side that "
            "called pays. It returns as any other that has moved.",
    },
    {
        .words = "agent return",
        .programs = CTL_AGENT,
        .args = ARGS({"call", CTL_TEXT, 0, 1, 128, MOVING_CALL}),
        .help = "take a call that has moved to the phone network back to the Internet now",
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
        .words = "agent causes",
        .programs = CTL_AGENT,
        .help = "all cause codes of direct calls that failed: what they mean, and what to do",
        .raw = "explanation",
    },
    {
        .words = "agent enrolled list",
        .programs = CTL_AGENT,
        .args = ARGS(LIST_LIMIT),
        .help = "our numbers that take part: patterns, their groups and fallback profiles, and who says so",
        .rows = "patterns",
        .columns = COLUMNS({"group", "GROUP"}, {"pattern", "PATTERN"}, {"numbers", "NUMBERS"}, {"fallback", "FALLBACK"},
                           {"sensitivity", "SENSITIVITY"}, {"source", "SOURCE"}),
        .empty = "no numbers are enrolled: nobody can learn a route to us",
    },
    {
        .words = "agent enrolled add",
        .programs = CTL_AGENT,
        .args = ARGS(ENTRIES(0, "patterns: + and digits, X for any digit"), GROUP("imectl"), FALLBACK),
        .help = "enroll numbers: they are published, and can be called directly",
        .detail = PROVISION_DETAIL,
        FAILURES("nothing failed"),
    },
    {
        .words = "agent enrolled load",
        .programs = CTL_AGENT,
        .args = ARGS(ENTRY_FILE, GROUP("imectl"), FALLBACK),
        .help = "enroll the patterns in a file",
        .detail = "A line of it is PATTERN or PATTERN GROUP; # begins a comment. " FILE_DETAIL,
        FAILURES("nothing failed"),
    },
    {
        .words = "agent enrolled remove",
        .programs = CTL_AGENT,
        .args = ARGS(ENTRIES(CTL_OPTIONAL, "patterns, as they were added"), GROUP_REMOVED),
        .help = "take back what `agent enrolled add` has enrolled",
        .detail = REMOVE_DETAIL " Numbers that are not enrolled any more are not refreshed: the ring forgets them.",
        FAILURES("nothing failed"),
    },
    {
        .words = "agent excluded list",
        .programs = CTL_AGENT,
        .args = ARGS(LIST_LIMIT),
        .help = "our numbers that do not take part though a pattern holds them",
        .rows = "excluded",
        .columns = COLUMNS({"group", "GROUP"}, {"number", "NUMBER"}, {"source", "SOURCE"}),
        .empty = "no numbers are excluded",
    },
    {
        .words = "agent excluded add",
        .programs = CTL_AGENT,
        .args = ARGS(ENTRIES(0, "numbers: + and 1 to 15 digits"), GROUP("imectl")),
        .help = "exclude numbers that a pattern holds",
        .detail = PROVISION_DETAIL,
        FAILURES("nothing failed"),
    },
    {
        .words = "agent excluded load",
        .programs = CTL_AGENT,
        .args = ARGS(ENTRY_FILE, GROUP("imectl")),
        .help = "exclude the numbers in a file",
        .detail = "A line of it is NUMBER or NUMBER GROUP; # begins a comment. " FILE_DETAIL,
        FAILURES("nothing failed"),
    },
    {
        .words = "agent excluded remove",
        .programs = CTL_AGENT,
        .args = ARGS(ENTRIES(CTL_OPTIONAL, "numbers"), GROUP_REMOVED),
        .help = "take back what `agent excluded add` has excluded",
        .detail = REMOVE_DETAIL,
        FAILURES("nothing failed"),
    },
    {
        .words = "agent trust list",
        .programs = CTL_AGENT,
        .args = ARGS(LIST_LIMIT),
        .help = "domains and numbers that are trusted or blocked, and what holds for all others",
        .rows = "entries",
        .columns =
            COLUMNS({"group", "GROUP"}, {"entry", "DOMAIN OR NUMBERS"}, {"trust", "TRUST"}, {"source", "SOURCE"}),
        .empty = "no domain or number is named: everybody is trusted",
    },
    {
        .words = "agent trust allow",
        .programs = CTL_AGENT,
        .args = ARGS(ENTRIES(0, TRUST_ENTRIES), GROUP("imectl-trusted-domains or -prefixes")),
        .help = "trust domains or numbers; as soon as one is trusted, others of its kind are not",
        .detail = PROVISION_DETAIL,
        FAILURES("nothing failed"),
    },
    {
        .words = "agent trust block",
        .programs = CTL_AGENT,
        .args = ARGS(ENTRIES(0, TRUST_ENTRIES), GROUP("imectl-blocked-domains or -prefixes")),
        .help = "block domains or numbers: calls with them go over the phone network",
        .detail = PROVISION_DETAIL,
        FAILURES("nothing failed"),
    },
    {
        .words = "agent trust load",
        .programs = CTL_AGENT,
        .args = ARGS(ENTRY_FILE, GROUP("imectl-…, as with allow and block")),
        .help = "trust and block what is in a file",
        .detail = "A line of it is ENTRY trusted or ENTRY blocked, with a GROUP behind it if that is wanted; # begins "
                  "a comment. " FILE_DETAIL,
        FAILURES("nothing failed"),
    },
    {
        .words = "agent trust remove",
        .programs = CTL_AGENT,
        .args = ARGS(ENTRIES(CTL_OPTIONAL, TRUST_ENTRIES), GROUP_REMOVED),
        .help = "take back what `agent trust allow` or `block` has said",
        .detail = REMOVE_DETAIL,
        FAILURES("nothing failed"),
    },
    {
        .words = "agent trust test",
        .programs = CTL_AGENT,
        .args = ARGS({"domain", CTL_DOMAIN, 0, 0, 0, "of another company"},
                     {"number", CTL_NUMBER, CTL_OPTIONAL, 0, 0, "and one of its numbers"}),
        .help = "whether the trust groups let calls with a domain go direct",
    },
    {
        .words = "agent provision list",
        .programs = CTL_AGENT,
        .help = "what imectl has added to agent.conf, and what of it has no effect beside the file",
        .rows = "entries",
        .columns =
            COLUMNS({"kind", "KIND"}, {"group", "GROUP"}, {"entry", "ENTRY"}, {"says", "SAYS"}, {"state", "STATE"}),
        .empty = "imectl has added nothing: agent.conf alone holds",
    },
    {
        .words = "agent provision export",
        .programs = CTL_AGENT,
        .help = "what imectl has added, as sections of agent.conf",
        .detail =
            "To have it in the file instead: put the sections there, `imectl agent reload`, then take it back with "
            "`imectl agent enrolled remove --group`, and so on. What is in both holds all the time.",
        .raw = "sections",
    },
    {
        .words = "agent reload",
        .programs = CTL_AGENT,
        .help = "read agent.conf again, while calls go on, and say what is different",
        .detail = "It is taken as a whole or, if a line is wrong or changes what only a restart can change, not at "
                  "all. Numbers, "
                  "fallback profiles, trust and dialing rules can change, and certificates are read again; IME "
                  "services, PBXs, trunks, listeners and "
                  "limits need a "
                  "restart: systemctl restart ime-agent. SIGHUP does the same and says it in the log.",
        .raw = "differences",
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
        .words = "show alarms",
        .programs = CTL_AGENT,
        .args = ARGS({"ringing", CTL_SWITCH, CTL_OPTION | CTL_OPTIONAL, 0, 0, "only those whose cause goes on"}),
        .help = "what rings, why, and what to do; then what has rung and is over, newest first",
        .detail = "An alarm about a state rings until the state is over: nobody has to clear it. One about an event is "
                  "told once. The same "
                  "again within an hour is only counted.",
        .raw = "listing",
    },
};

const struct ctl_chapter ctl_chapter_agent = {"Commands of ime-agent", commands, COMMANDS(commands)};
