/* The commands of ime-impair. */
#include "ctl/chapter.h"

#define ENDS                                                                                                     \
    {"from", CTL_TEXT, CTL_OPTION | CTL_OPTIONAL, 1, 31, "only what this end sends (an end's name, or others)"}, \
    {                                                                                                            \
        "to", CTL_TEXT, CTL_OPTION | CTL_OPTIONAL, 1, 31, "only what is sent to this end"                        \
    }

static const struct ctl_command commands[] = {
    {
        .words = "impair show",
        .programs = CTL_IMPAIR,
        .help = "the ways between ends: what is done to them, what passed, what was lost",
        .rows = "ways",
        .columns =
            COLUMNS({"from", "FROM"}, {"to", "TO"}, {"settings", "SETTINGS"}, {"packets", "PACKETS"}, {"lost", "LOST"},
                    {"reordered", "REORDERED"}, {"segments", "TCP SEGMENTS"}, {"segments_lost", "SENT AGAIN"}),
        .empty = "there are not two ends",
    },
    {
        .words = "impair set",
        .programs = CTL_IMPAIR,
        .args = ARGS({"setting", CTL_TEXT, CTL_REPEATED, 1, 63, "NAME=VALUE"}, ENDS),
        .help = "make the network bad, from now on",
        .detail =
            "Settings are loss=10% (each packet on its own), burst=300ms/5s (nothing arrives for so long, so often), "
            "delay=50ms, jitter=80ms (up to so much more; the order stays), reorder=1% (overtaken by those behind), "
            "rate=256k (bits per second) and cut=yes (nothing passes). 0 or no takes one off; others stay as they "
            "are. What TCP loses comes later, after its timeouts, with everything behind it.",
    },
    {
        .words = "impair clear",
        .programs = CTL_IMPAIR,
        .args = ARGS(ENDS),
        .help = "make the network good again",
    },
};

const struct ctl_chapter ctl_chapter_impair = {"Commands of ime-impair", commands, COMMANDS(commands)};
