/* Conversions between wall-clock time, NTP and text. */
#include "base/time.h"

#include <stdio.h>
#include <string.h>

/* Seconds from 1900-01-01 to 1970-01-01. */
#define NTP_UNIX_OFFSET INT64_C(2208988800)
#define NTP_ERA_SECONDS (INT64_C(1) << 32)

uint64_t wall_to_ntp(struct wall t)
{
    int64_t seconds = t.ms / 1000;
    int64_t ms = t.ms % 1000;
    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    uint64_t fraction = (((uint64_t)ms << 32) + 500) / 1000;
    return (uint64_t)(seconds + NTP_UNIX_OFFSET) << 32 | fraction;
}

struct wall wall_from_ntp(uint64_t ntp)
{
    int64_t seconds = (int64_t)(ntp >> 32);
    if (seconds < NTP_ERA_SECONDS / 2)
        seconds += NTP_ERA_SECONDS;
    int64_t ms = (int64_t)(((ntp & 0xffffffff) * 1000 + (UINT64_C(1) << 31)) >> 32);
    return (struct wall){(seconds - NTP_UNIX_OFFSET) * 1000 + ms};
}

/* Days since 1970-01-01; the year is made to begin in March, so that the leap day is its last. */
static int64_t days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

int64_t calendar_seconds(int year, int month, int day, int hour, int minute, int second)
{
    return ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
}

static void put_two_digits(char *text, int value)
{
    text[0] = (char)('0' + value / 10);
    text[1] = (char)('0' + value % 10);
}

/* Each line of a log has one: printf would take ten times as long. */
const char *wall_format(struct wall t, char *text)
{
    int64_t seconds = t.ms / 1000 - (t.ms % 1000 < 0);
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    int of_day = (int)(seconds - days * 86400);
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int mp = (int)((5 * day_of_year + 2) / 153);
    int day = (int)(day_of_year - (153 * mp + 2) / 5 + 1);
    int month = mp < 10 ? mp + 3 : mp - 9;
    int year = (int)(year_of_era + era * 400 + (month <= 2));
    if (year < 0 || year > 9999) {
        snprintf(text, WALL_TEXT_OCTETS, "%04d-%02d-%02dT%02d:%02d:%02dZ", year, month, day, of_day / 3600,
                 of_day / 60 % 60, of_day % 60);
        return text;
    }
    memcpy(text, "0000-00-00T00:00:00Z", sizeof "0000-00-00T00:00:00Z");
    put_two_digits(text, year / 100);
    put_two_digits(text + 2, year % 100);
    put_two_digits(text + 5, month);
    put_two_digits(text + 8, day);
    put_two_digits(text + 11, of_day / 3600);
    put_two_digits(text + 14, of_day / 60 % 60);
    put_two_digits(text + 17, of_day % 60);
    return text;
}
