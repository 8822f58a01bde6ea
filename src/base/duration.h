/* Durations as people write them: "500ms", "30s", "10m", "1h30m", "14d", "1y" (a year of 365 days). In milliseconds. */
#ifndef BASE_DURATION_H
#define BASE_DURATION_H

#include "base/err.h"
#include "base/slice.h"

#define DURATION_TEXT_OCTETS 48

/* Numbers with units, the larger unit first, each unit once; "0" needs none. 0, ERR_SYNTAX, or ERR_RANGE (does not fit). */
int duration_parse(struct slice text, int64_t *ret_ms);

/* Exact and readable by duration_parse; a negative duration gets a "-". Always terminated; returns text. */
const char *duration_format(int64_t ms, char *text);

#endif
