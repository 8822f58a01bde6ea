/* The commands of ime-agent. */
#include "ctl/chapter.h"

#define CALL_COLUMNS                                                                                              \
    COLUMNS({"begun_at", "BEGUN"}, {"calling", "CALLING"}, {"called", "CALLED"}, {"from", "FROM"}, {"to", "WAY"}, \
            {"cause", "CAUSE"}, {"status", "STATUS"}, {"talk_ms", "TALK"}, {"ended_by", "ENDED BY"})

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
};

const struct ctl_chapter ctl_chapter_agent = {"Commands of ime-agent", commands, COMMANDS(commands)};
