/* Emergency numbers by country code: a table with its source. */
#ifndef AGENT_EMERGENCY_H
#define AGENT_EMERGENCY_H

#include "base/text.h"

#define AGENT_EMERGENCY_DIGITS_MAX 6

/* Digits as they are dialed. country: a country code ("49"); "": any of them. */
bool agent_is_emergency_number(const char *country, struct slice digits);

#endif
