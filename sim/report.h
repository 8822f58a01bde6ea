/* The result of a run for people and for programs. */
#ifndef SIM_REPORT_H
#define SIM_REPORT_H

#include "measure.h"

#include <stdio.h>

/* Plain text, a screenful. 0, or ERR_IO or ERR_NO_SPACE when it cannot be written. The samples are sorted by it. */
int sim_report_text(FILE *out, struct sim_result *result);

/* One JSON object on one line; trace_hash is a string, "0x" and 16 digits, because most readers would round it. 0, ERR_NO_MEMORY, ERR_IO or ERR_NO_SPACE. */
int sim_report_json(FILE *out, struct sim_result *result);

#endif
