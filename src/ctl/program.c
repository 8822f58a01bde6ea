/* The programs that answer commands. */
#include "ctl/command.h"

const struct ctl_program_info ctl_programs[] = {
    {CTL_SERVER, "ime-server", "server"},
    {CTL_ENROLL, "ime-enroll", "enroll"},
    {CTL_AGENT, "ime-agent", "agent"},
    {CTL_EDGE, "ime-edge", "edge"},
    {CTL_PSTN, "ime-pstn", "pstn"},
    {CTL_IMPAIR, "ime-impair", "impair"},
    {0, NULL, NULL},
};

void ctl_program_names(unsigned programs, const char *last, struct buf *out)
{
    bool any = false;
    for (const struct ctl_program_info *p = ctl_programs; p->name; p++) {
        if (!(programs & (unsigned)p->program))
            continue;
        programs &= ~(unsigned)p->program;
        buf_printf(out, "%s%s", !any ? "" : programs ? ", " : last, p->name);
        any = true;
    }
}
