/* A day's result for people and for programs: the part of the report that is about calls. */
#ifndef SIM_CALLS_REPORT_H
#define SIM_CALLS_REPORT_H

#include "calls/result.h"

#include <jansson.h>
#include <stdio.h>

void sim_report_calls_text(FILE *out, struct sim_calls_result *result);

/* Adds members to the object. 0 or ERR_NO_MEMORY. */
int sim_report_calls_json(json_t *root, struct sim_calls_result *result);

#endif
