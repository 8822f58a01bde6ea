/* The commands of ime-agent. */
#include "ctl/chapter.h"

const struct ctl_chapter ctl_chapter_agent = {"Commands of ime-agent", NULL, 0};
