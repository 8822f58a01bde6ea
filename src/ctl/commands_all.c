/* The commands that every daemon answers. */
#include "ctl/chapter.h"

#define EVERY (CTL_SERVER | CTL_ENROLL | CTL_AGENT | CTL_EDGE | CTL_PSTN | CTL_IMPAIR)

static const struct ctl_command commands[] = {
    {
        .words = "show status",
        .programs = EVERY,
        .help = "how the daemon is, and what needs attention",
        .detail = "Health is green, yellow (it works, but look at the warnings) or red (it does not do its job).",
        .rows = "warnings",
        .columns =
            COLUMNS({"severity", "SEVERITY"}, {"name", "WARNING"}, {"since_at", "SINCE"}, {"text", "WHAT TO DO"}),
        .empty = "no warnings",
    },
    {
        .words = "show counters",
        .programs = EVERY,
        .args = ARGS({"prefix", CTL_TEXT, CTL_OPTIONAL, 1, 64, "only counters whose name begins like this"},
                     {"all", CTL_SWITCH, CTL_OPTION | CTL_OPTIONAL, 0, 0, "also those that are zero"}),
        .help = "what happened how often since the daemon started",
        .rows = "counters",
        .columns = COLUMNS({"name", "COUNTER"}, {"value", "VALUE"}),
        .empty = "nothing of that has been counted yet; --all shows what can be",
    },
    {
        .words = "shutdown",
        .programs = EVERY,
        .help = "end the daemon; in the ring it counts as absent, not as gone",
    },
};

const struct ctl_chapter ctl_chapter_all = {"Commands of every daemon", commands, COMMANDS(commands)};
