/* Reads calls out of call records. */
#include "cdr/call.h"

#include "base/text.h"

#include <stdio.h>

#define CALL_MS_MAX (7 * 86400000LL)

/* Which column is what; -1: the format has none. */
struct columns {
    int src, dst, context, clid, channel, dstchannel, answer, end, billsec, disposition;
    uint32_t counts; /* bit n: a record may have n columns */
};

/* accountcode, src, dst, dcontext, clid, channel, dstchannel, lastapp, lastdata, start, answer, end, duration, billsec, disposition,
 * amaflags, uniqueid, userfield: the last two unless cdr.conf turns them off, three more if it asks for them. */
static const struct columns asterisk = {1, 2, 3, 4, 5, 6, 10, 11, 13, 14, 1u << 16 | 1u << 18 | 1u << 21};

/* caller_id_name, caller_id_number, destination_number, context, start, answer, end, duration, billsec, hangup_cause, uuid, bleg_uuid,
 * accountcode, read_codec, write_codec: an empty answer is that of a call that was not answered. */
static const struct columns freeswitch = {1, 2, 3, -1, -1, -1, 5, 6, 8, -1, 1u << 13 | 1u << 14 | 1u << 15};

void cdr_rules_init(struct cdr_rules *rules)
{
    *rules = (struct cdr_rules){.direction = CDR_AUTO};
    dial_rules_init(&rules->dial);
}

/* So many digits at a position. */
static bool read_digits(struct slice s, size_t at, size_t n, int *ret_value)
{
    uint64_t v;
    if (at + n > s.n || u64_parse(slice_of(s.p + at, n), 9999, &v) < 0)
        return false;
    *ret_value = (int)v;
    return true;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* ".5", ".500", ".500123" in milliseconds; nothing is 0. */
static bool read_fraction(struct slice s, int *ret_ms)
{
    int ms = 0;
    int unit = 100;
    if (s.n == 0) {
        *ret_ms = 0;
        return true;
    }
    if (s.n < 2 || s.n > 10 || s.p[0] != '.')
        return false;
    for (size_t i = 1; i < s.n; i++, unit /= 10) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        ms += (s.p[i] - '0') * unit;
    }
    *ret_ms = ms;
    return true;
}

bool cdr_date_parse(struct slice text, struct cdr_date *ret_date, int *ret_ms)
{
    struct cdr_date d;
    struct slice s = text_trim(text);
    if (s.n < 19 || s.p[4] != '-' || s.p[7] != '-' || (s.p[10] != ' ' && s.p[10] != 'T') || s.p[13] != ':' ||
        s.p[16] != ':')
        return false;
    if (!read_digits(s, 0, 4, &d.year) || !read_digits(s, 5, 2, &d.month) || !read_digits(s, 8, 2, &d.day) ||
        !read_digits(s, 11, 2, &d.hour) || !read_digits(s, 14, 2, &d.minute) || !read_digits(s, 17, 2, &d.second))
        return false;
    if (d.year < 1970 || d.month < 1 || d.month > 12 || d.day < 1 || d.day > days_of_month(d.year, d.month) ||
        d.hour > 23 || d.minute > 59 || d.second > 60)
        return false;
    if (!read_fraction(slice_of(s.p + 19, s.n - 19), ret_ms))
        return false;
    *ret_date = d;
    return true;
}

bool cdr_matches(const char *pattern, struct slice text)
{
    const char *star = NULL; /* behind the last * */
    size_t i = 0, retry = 0;
    while (i < text.n) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = i;
        } else if (*pattern && (*pattern == '?' || (uint8_t)*pattern == text.p[i])) {
            pattern++;
            i++;
        } else if (star) {
            pattern = star;
            i = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

struct reading {
    const struct cdr_rules *rules;
    const struct columns *columns;
    const struct csv_record *record;
    char *reason;
};

static struct slice column(const struct reading *r, int index)
{
    return index >= 0 && (size_t)index < r->record->field_count ? r->record->fields[index] : (struct slice){0};
}

static enum cdr_verdict bad(const struct reading *r, const char *what, struct slice text)
{
    char shown[48];
    size_t n = 0;
    for (; n < text.n && n < sizeof shown - 1; n++)
        shown[n] = text.p[n] >= 0x20 && text.p[n] < 0x7f ? (char)text.p[n] : '?';
    shown[n] = 0;
    snprintf(r->reason, CDR_REASON_OCTETS, "%s \"%s\"", what, shown);
    return CDR_BAD;
}

static enum cdr_verdict verdict(const struct reading *r, enum cdr_verdict v, const char *reason)
{
    snprintf(r->reason, CDR_REASON_OCTETS, "%s", reason);
    return v;
}

static bool read_time(const struct reading *r, int index, struct wall *ret_time)
{
    struct cdr_date d;
    int ms;
    if (!cdr_date_parse(column(r, index), &d, &ms))
        return false;
    int64_t seconds = r->rules->zone ? r->rules->zone(r->rules->zone_ctx, &d)
                                     : calendar_seconds(d.year, d.month, d.day, d.hour, d.minute, d.second);
    ret_time->ms = seconds * 1000 + ms;
    return true;
}

/* When clocks go back, an hour of local time happens twice, and an end may seem to be an hour off: billsec knows better. */
static void mend_end(const struct reading *r, struct cdr_call *call)
{
    uint64_t billsec;
    if (u64_parse(text_trim(column(r, r->columns->billsec)), 1000000, &billsec) < 0)
        return;
    int64_t off_ms = call->stop.ms - call->start.ms - (int64_t)billsec * 1000;
    for (int64_t hour_ms = -3600000; hour_ms <= 3600000; hour_ms += 7200000)
        if (off_ms > hour_ms - 2000 && off_ms < hour_ms + 2000)
            call->stop.ms -= hour_ms;
}

static enum cdr_verdict read_times(const struct reading *r, struct cdr_call *call)
{
    if (!read_time(r, r->columns->answer, &call->start))
        return bad(r, "answer is not a time of the form YYYY-MM-DD HH:MM:SS:", column(r, r->columns->answer));
    if (!read_time(r, r->columns->end, &call->stop))
        return bad(r, "end is not a time of the form YYYY-MM-DD HH:MM:SS:", column(r, r->columns->end));
    mend_end(r, call);
    if (call->stop.ms < call->start.ms)
        return bad(r, "the call ends before it was answered: end", column(r, r->columns->end));
    if (call->stop.ms - call->start.ms > CALL_MS_MAX)
        return bad(r, "the call lasts more than a week: end", column(r, r->columns->end));
    if (call->stop.ms - call->start.ms < r->rules->shortest_ms)
        return verdict(r, CDR_TOO_SHORT, "shorter than what is used");
    return CDR_CALL;
}

/* CDR_AUTO when the patterns do not tell, and false when they tell that it was no call with the phone network. */
static bool direction_by_patterns(const struct reading *r, enum cdr_direction *ret_direction)
{
    const struct cdr_rules *rules = r->rules;
    struct slice context = column(r, r->columns->context);
    *ret_direction = CDR_AUTO;
    if (rules->received_context && cdr_matches(rules->received_context, context))
        *ret_direction = CDR_RECEIVED;
    else if (rules->sent_context && cdr_matches(rules->sent_context, context))
        *ret_direction = CDR_SENT;
    if (*ret_direction != CDR_AUTO || !rules->trunk || r->columns->channel < 0)
        return true;
    bool in = cdr_matches(rules->trunk, column(r, r->columns->channel));
    bool out = cdr_matches(rules->trunk, column(r, r->columns->dstchannel));
    if (in != out)
        *ret_direction = in ? CDR_RECEIVED : CDR_SENT;
    return in || out;
}

static bool is_own(const struct cdr_rules *rules, const struct e164 *number)
{
    for (size_t i = 0; i < rules->own_count; i++)
        if (dial_range_holds(&rules->own[i], number))
            return true;
    return false;
}

static enum cdr_verdict read_direction(const struct reading *r, bool calling_inside, struct cdr_call *call)
{
    const struct cdr_rules *rules = r->rules;
    bool called_own = is_own(rules, &call->called);
    if (rules->direction != CDR_AUTO) {
        call->direction = rules->direction;
        return CDR_CALL;
    }
    if (!direction_by_patterns(r, &call->direction))
        return verdict(r, CDR_INTERNAL, "not over the trunk");
    if (call->direction != CDR_AUTO)
        return CDR_CALL;
    if (called_own && calling_inside)
        return verdict(r, CDR_INTERNAL, "both numbers are our own");
    call->direction = called_own ? CDR_RECEIVED : CDR_SENT;
    return CDR_CALL;
}

/* "Name" <number> of Asterisk's clid. */
static struct slice clid_number(struct slice clid)
{
    const uint8_t *open = clid.n ? memrchr(clid.p, '<', clid.n) : NULL;
    const uint8_t *close = clid.n ? memrchr(clid.p, '>', clid.n) : NULL;
    return open && close && close > open ? slice_of(open + 1, (size_t)(close - open - 1)) : (struct slice){0};
}

/* The caller: src, or what clid shows in its stead. Without a number it stays empty: withheld, or an extension. */
static enum dial_kind read_calling(const struct reading *r, struct e164 *ret_number)
{
    const struct dial_rules *dial = &r->rules->dial;
    enum dial_kind kind = dial_normalize(dial, column(r, r->columns->src), ret_number);
    if (kind != DIAL_E164 && dial_normalize(dial, clid_number(column(r, r->columns->clid)), ret_number) == DIAL_E164)
        return kind == DIAL_EXTENSION ? DIAL_EXTENSION : DIAL_E164;
    return kind;
}

static enum cdr_verdict read_call(const struct reading *r, struct cdr_call *call)
{
    enum dial_kind calling = read_calling(r, &call->calling);
    enum dial_kind called = dial_normalize(&r->rules->dial, column(r, r->columns->dst), &call->called);
    if (called == DIAL_EXTENSION)
        return verdict(r, CDR_INTERNAL, "the called number is an extension");
    if (called != DIAL_E164)
        return bad(r, "the called number cannot be made +E.164:", column(r, r->columns->dst));
    bool inside = calling == DIAL_EXTENSION || (call->calling.text[0] && is_own(r->rules, &call->calling));
    enum cdr_verdict v = read_direction(r, inside, call);
    return v == CDR_CALL ? read_times(r, call) : v;
}

static bool is_answered(const struct reading *r)
{
    if (r->columns->disposition >= 0)
        return slice_eq_str(text_trim(column(r, r->columns->disposition)), "ANSWERED");
    return text_trim(column(r, r->columns->answer)).n > 0;
}

static bool is_disposition(struct slice s)
{
    static const char *const words[] = {"ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION", "UNKNOWN"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (slice_eq_str(s, words[i]))
            return true;
    return false;
}

enum cdr_verdict cdr_read(const struct cdr_rules *rules, const struct csv_record *record, struct cdr_call *ret_call,
                          char *ret_reason)
{
    const struct columns *columns = rules->format == CDR_ASTERISK ? &asterisk : &freeswitch;
    const struct reading r = {rules, columns, record, ret_reason};
    struct cdr_call call = {0};
    ret_reason[0] = 0;
    if (record->field_count > 31 || !(columns->counts >> record->field_count & 1)) {
        snprintf(ret_reason, CDR_REASON_OCTETS, "%zu columns, not %s", record->field_count,
                 rules->format == CDR_ASTERISK ? "18 (or 16, or 21)" : "15 (or 13, or 14)");
        return CDR_BAD;
    }
    if (columns->disposition >= 0 && !is_disposition(text_trim(column(&r, columns->disposition))))
        return bad(&r, "no disposition:", column(&r, columns->disposition));
    if (!is_answered(&r))
        return verdict(&r, CDR_NOT_ANSWERED, "not answered");
    enum cdr_verdict v = read_call(&r, &call);
    if (v == CDR_CALL)
        *ret_call = call;
    return v;
}
