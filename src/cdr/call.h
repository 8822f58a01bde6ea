/* Calls with the phone network out of a telephone system's call records: which of them were answered, in which direction, between which
 * numbers, from when to when. */
#ifndef CDR_CALL_H
#define CDR_CALL_H

#include "base/time.h"
#include "cdr/csv.h"
#include "cdr/dial.h"

enum cdr_format {
    CDR_ASTERISK,  /* cdr_csv's Master.csv: 18 columns; 16 or 21 with its options */
    CDR_FREESWITCH /* mod_cdr_csv, template "example": 15 columns; 13 or 14 of its relatives */
};

enum cdr_direction { CDR_AUTO = -1, CDR_RECEIVED = 0, CDR_SENT = 1 };

struct cdr_call {
    enum cdr_direction direction; /* CDR_RECEIVED or CDR_SENT */
    struct e164 calling;          /* "": not known */
    struct e164 called;
    struct wall start; /* answered */
    struct wall stop;  /* released */
};

/* A civil time of the file into UTC: the caller knows the zone. */
struct cdr_date {
    int year, month, day, hour, minute, second;
};
typedef int64_t cdr_zone_fn(void *ctx, const struct cdr_date *date); /* seconds since 1970 */

struct cdr_rules {
    enum cdr_format format;
    struct dial_rules dial;
    const struct dial_range *own; /* numbers of this telephone system */
    size_t own_count;
    enum cdr_direction direction; /* of all calls; CDR_AUTO: by the rules below */
    const char *trunk; /* pattern of the channels to the phone network ("PJSIP/carrier-*"); NULL: not used (Asterisk) */
    const char *sent_context; /* patterns of the dialplan's context; NULL: not used */
    const char *received_context;
    int64_t shortest_ms; /* shorter calls are left out */
    cdr_zone_fn *zone;   /* NULL: the times are UTC */
    void *zone_ctx;
};

void cdr_rules_init(struct cdr_rules *rules);

enum cdr_verdict {
    CDR_CALL,         /* ret_call is set */
    CDR_NOT_ANSWERED, /* … and the rest not a call with the phone network that can be proved */
    CDR_TOO_SHORT,
    CDR_INTERNAL,
    CDR_BAD /* the reason says what is wrong with the line */
};

#define CDR_REASON_OCTETS 160

/* What a record is. The reason (CDR_REASON_OCTETS, always terminated) is for people. */
enum cdr_verdict cdr_read(const struct cdr_rules *rules, const struct csv_record *record, struct cdr_call *ret_call,
                          char *ret_reason);

/* "YYYY-MM-DD HH:MM:SS", perhaps with a fraction. False if it is no such date. */
bool cdr_date_parse(struct slice text, struct cdr_date *ret_date, int *ret_ms);

/* A pattern with * and ?, as in a shell. */
bool cdr_matches(const char *pattern, struct slice text);

#endif
