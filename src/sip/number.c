/* Readers of header fields with one value: numbers, Call-ID, dates. */
#include "sip/cursor.h"
#include "sip/scan.h"

#include "base/text.h"
#include "base/time.h"

#define DELTA_SECONDS_MAX UINT32_MAX
#define CSEQ_MAX (((uint32_t)1 << 31) - 1) /* 8.1.1.5 */

static uint32_t read_number(struct sip_cursor *c, uint32_t max, const char *rule)
{
    uint32_t value = 0;
    bool good;
    if (c->err)
        return 0;
    sip_cursor_space(c);
    const uint8_t *next = sip_read_digits(c->p, c->end, max, &value, &good);
    if (!good)
        sip_cursor_fail(c, next == c->p ? ERR_SYNTAX : ERR_RANGE, rule);
    c->p = next;
    return value;
}

int sip_read_number(struct sip_cursor *c, uint32_t max, uint32_t *ret_number)
{
    const char *rule = "number, RFC 3261 25.1";
    uint32_t value = read_number(c, max, rule);
    if (sip_cursor_end(c, rule) < 0)
        return c->err;
    *ret_number = value;
    return 0;
}

static void read_cseq(struct sip_cursor *c, const char *rule, struct sip_cseq *cseq)
{
    cseq->number = read_number(c, CSEQ_MAX, rule);
    const uint8_t *digits_end = c->p;
    sip_cursor_space(c);
    if (c->p == digits_end)
        sip_cursor_fail(c, ERR_SYNTAX, rule);
    cseq->method = sip_cursor_span(c, CHAR_TOKEN, rule);
    sip_cursor_end(c, rule);
}

int sip_read_cseq(struct sip_cursor *c, struct sip_cseq *ret_cseq)
{
    struct sip_cseq cseq = {0};
    read_cseq(c, "CSeq, RFC 3261 20.16", &cseq);
    if (!c->err)
        *ret_cseq = cseq;
    return c->err;
}

int sip_read_rack(struct sip_cursor *c, struct sip_rack *ret_rack)
{
    struct sip_rack rack = {0};
    rack.rseq = read_number(c, UINT32_MAX, "RAck, RFC 3262 7.2");
    const uint8_t *digits_end = c->p;
    sip_cursor_space(c);
    if (c->p == digits_end)
        sip_cursor_fail(c, ERR_SYNTAX, "RAck, RFC 3262 7.2");
    read_cseq(c, "RAck, RFC 3262 7.2", &rack.cseq);
    if (!c->err)
        *ret_rack = rack;
    return c->err;
}

/* A comment, with those inside of it (Retry-After). */
static void skip_comment(struct sip_cursor *c)
{
    unsigned depth = 0;
    sip_cursor_space(c);
    if (c->p == c->end || *c->p != '(')
        return;
    for (; c->p < c->end; c->p++) {
        if (*c->p == '\\' && c->end - c->p > 1)
            c->p++;
        else if (*c->p == '(')
            depth++;
        else if (*c->p == ')' && --depth == 0)
            break;
    }
    if (c->p == c->end)
        sip_cursor_fail(c, ERR_SYNTAX, "comment, RFC 3261 25.1");
    else
        c->p++;
}

int sip_read_delta(struct sip_cursor *c, struct sip_delta *ret_delta)
{
    const char *rule = "delta-seconds, RFC 3261 25.1";
    struct sip_delta delta = {0};
    struct sip_param param;
    delta.seconds = read_number(c, DELTA_SECONDS_MAX, rule);
    if (!c->err)
        skip_comment(c);
    const uint8_t *params = c->p;
    while (sip_param_next(c, &param))
        ;
    delta.params = sip_cursor_params_since(c, params);
    if (sip_cursor_end(c, rule) < 0)
        return c->err;
    *ret_delta = delta;
    return 0;
}

int sip_read_call_id(struct sip_cursor *c, struct slice *ret_call_id)
{
    const char *rule = "Call-ID, RFC 3261 20.8";
    sip_cursor_space(c);
    size_t octets = sip_call_id_span(slice_of(c->p, (size_t)(c->end - c->p)));
    struct slice call_id = slice_of(c->p, octets);
    c->p += octets;
    if (!octets)
        sip_cursor_fail(c, ERR_SYNTAX, rule);
    if (sip_cursor_end(c, rule) < 0)
        return c->err;
    *ret_call_id = call_id;
    return 0;
}

/* ---- dates ---- */

/* Which of the three-letter words, from 1 on; 0: none. */
static int find_word(const uint8_t *p, const char *words)
{
    for (int i = 0; words[3 * i]; i++)
        if (text_equal_nocase(slice_of(p, 3), slice_of(words + 3 * i, 3)))
            return i + 1;
    return 0;
}

static int two_digits(const uint8_t *p)
{
    return 10 * (p[0] - '0') + p[1] - '0';
}

/* "Sat, 13 Nov 2010 23:29:00 GMT" */
int sip_read_date(struct sip_cursor *c, int64_t *ret_seconds)
{
    static const char form[] = "www, 00 mmm 0000 00:00:00 GMT";
    const char *rule = "Date, RFC 3261 20.17";
    const uint8_t *p = sip_skip_space(c->p, c->end);
    c->p = p;
    for (size_t i = 0; i < sizeof form - 1; i++, c->p++) {
        bool letter = form[i] == 'w' || form[i] == 'm';
        bool good =
            c->p < c->end && (letter || (form[i] == '0' ? sip_is(*c->p, CHAR_DIGIT) : *c->p == (uint8_t)form[i]));
        if (!good)
            return sip_cursor_fail(c, ERR_SYNTAX, rule);
    }
    int month = find_word(p + 8, "JanFebMarAprMayJunJulAugSepOctNovDec");
    int day = two_digits(p + 5), hour = two_digits(p + 17), minute = two_digits(p + 20), second = two_digits(p + 23);
    if (!find_word(p, "MonTueWedThuFriSatSun") || !month)
        return sip_cursor_fail_at(c, ERR_SYNTAX, month ? p : p + 8, rule);
    if (day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
        return sip_cursor_fail_at(c, ERR_RANGE, p + 5, rule);
    if (sip_cursor_end(c, rule) < 0)
        return c->err;
    int year = 100 * two_digits(p + 12) + two_digits(p + 14);
    *ret_seconds = calendar_seconds(year, month, day, hour, minute, second);
    return 0;
}
