/* The commands of ime-pstn. */
#include "ctl/chapter.h"

static const struct ctl_command commands[] = {
    {
        .words = "show calls",
        .programs = CTL_PSTN,
        .args = ARGS(
            {"limit", CTL_INTEGER, CTL_OPTION | CTL_OPTIONAL, 1, 10000, "how many at most, the newest (default 50)"}),
        .help =
            "the last calls through the phone network: who, how they ended, what each side measured, what they cost",
        .rows = "calls",
        .columns =
            COLUMNS({"begun_at", "BEGUN"}, {"from", "FROM"}, {"shown", "SHOWN AS"}, {"to", "TO"},
                    {"from_trunk", "FROM TRUNK"}, {"to_trunk", "TO TRUNK"}, {"cause", "CAUSE"}, {"status", "STATUS"},
                    {"caller_talk_ms", "CALLER'S TIME"}, {"called_talk_ms", "CALLED'S TIME"}, {"price", "PRICE"}),
        .empty = "no calls",
    },
    {
        .words = "show trunks",
        .programs = CTL_PSTN,
        .help =
            "trunks of a phone network or a PBX, and the extensions of a PBX: where they are, and what went over them",
        .rows = "trunks",
        .columns = COLUMNS({"name", "NAME"}, {"kind", "KIND"}, {"number", "NUMBER"}, {"state", "STATE"},
                           {"address", "ADDRESS"}, {"transport", "BY"}, {"registered_at", "REGISTERED"},
                           {"calls_in", "CALLS IN"}, {"calls_out", "CALLS OUT"}),
        .empty = "no trunks",
    },
    {
        .words = "show prices",
        .programs = CTL_PSTN,
        .help = "what each carrier has earned since the start, in thousandths of the currency's unit",
        .rows = "carriers",
        .columns = COLUMNS({"carrier", "CARRIER"}, {"calls", "CALLS"}, {"answered", "ANSWERED"}, {"talk_ms", "TALK"},
                           {"price", "PRICE"}),
        .empty = "there is no carrier",
    },
};

const struct ctl_chapter ctl_chapter_pstn = {"Commands of ime-pstn", commands, COMMANDS(commands)};
