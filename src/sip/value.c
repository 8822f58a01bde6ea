/* Readers of the values of header fields. */
#include "sip/cursor.h"
#include "sip/scan.h"

#include "base/text.h"

#define DELTA_SECONDS_MAX UINT32_MAX
#define CSEQ_MAX (((uint32_t)1 << 31) - 1) /* 8.1.1.5 */

/* From a begin to where the cursor stands, without the white space at the end. */
static struct slice since(const struct sip_cursor *c, const uint8_t *begin)
{
    return slice_of(begin, (size_t)(c->p - begin));
}

/* ---- Via ---- */

static void read_protocol(struct sip_cursor *c, struct sip_via *via)
{
    const char *rule = "Via: sent-protocol, RFC 3261 20.42";
    struct slice name = sip_cursor_span(c, CHAR_TOKEN, rule);
    if (!c->err && !sip_cursor_take(c, '/'))
        sip_cursor_fail(c, ERR_SYNTAX, rule);
    struct slice version = sip_cursor_span(c, CHAR_TOKEN, rule);
    if (!c->err && !sip_cursor_take(c, '/'))
        sip_cursor_fail(c, ERR_SYNTAX, rule);
    via->transport = sip_cursor_span(c, CHAR_TOKEN, rule);
    via->is_sip_2_0 = text_equal_nocase(name, slice_str("SIP")) && slice_eq_str(version, "2.0");
    const uint8_t *host = sip_skip_space(c->p, c->end);
    if (!c->err && host == c->p)
        sip_cursor_fail(c, ERR_SYNTAX, rule);
    c->p = host;
}

static void read_via_param(struct sip_cursor *c, const struct sip_param *param, struct sip_via *via)
{
    struct slice name = param->name;
    if (name.n == 6 && text_equal_nocase(name, slice_str("branch"))) {
        via->branch = param->value;
    } else if (name.n == 8 && text_equal_nocase(name, slice_str("received"))) {
        via->received = param->value;
    } else if (name.n == 5 && text_equal_nocase(name, slice_str("rport"))) {
        uint32_t port = 0;
        bool good = true;
        const uint8_t *end = param->value.p + param->value.n;
        if (param->has_value && sip_read_digits(param->value.p, end, 65535, &port, &good) != end)
            good = false;
        if (!good || (param->has_value && port == 0))
            sip_cursor_fail_at(c, ERR_RANGE, param->value.p, "rport, RFC 3581 3");
        via->has_rport = true;
        via->rport = (uint16_t)port;
    }
}

bool sip_read_via(struct sip_cursor *c, struct sip_via *ret_via)
{
    struct sip_via via = {0};
    struct sip_host host = {0};
    struct sip_param param;
    if (!sip_cursor_begin(c, false, "Via without a value, RFC 3261 20.42"))
        return false;
    const uint8_t *begin = c->p;
    read_protocol(c, &via);
    if (!c->err) {
        int err;
        const uint8_t *wrong;
        const char *rule;
        const uint8_t *next = sip_read_host(c->p, c->end, true, &host, &err, &wrong, &rule);
        if (next)
            c->p = next;
        else
            sip_cursor_fail_at(c, err, wrong, rule);
    }
    const uint8_t *params = sip_skip_space(c->p, c->end);
    if (params == c->end || *params != ';')
        params = c->p;
    while (sip_param_next(c, &param))
        read_via_param(c, &param, &via);
    via.host = host.host;
    via.port = host.port;
    via.params = c->p > params ? since(c, params) : slice_of(c->p, 0);
    via.whole = since(c, begin);
    if (!sip_cursor_finish(c, "behind a Via, RFC 3261 20.42"))
        return false;
    *ret_via = via;
    return true;
}

/* ---- addresses ---- */

#define ADDRESS_RULE "address, RFC 3261 20.10"

/* *(token LWS) before "<", or the scheme of a URI without brackets: true, with the cursor at its beginning. */
static bool read_tokens(struct sip_cursor *c, struct sip_address *address)
{
    const uint8_t *begin = c->p, *last = c->p;
    while (c->p < c->end && sip_is(*c->p, CHAR_TOKEN)) {
        const uint8_t *token = c->p;
        c->p = last = sip_span(c->p, c->end, CHAR_TOKEN);
        if (token == begin && c->p < c->end && *c->p == ':') {
            c->p = begin;
            return true;
        }
        sip_cursor_space(c);
    }
    address->display = slice_of(begin, (size_t)(last - begin));
    return false;
}

static void read_display(struct sip_cursor *c, struct sip_address *address)
{
    const uint8_t *wrong = c->p;
    const uint8_t *next = sip_skip_quoted(c->p, c->end, &wrong);
    if (!next) {
        sip_cursor_fail_at(c, ERR_SYNTAX, wrong, "quoted string, RFC 3261 25.1");
        return;
    }
    address->display = slice_of(c->p, (size_t)(next - c->p));
    c->p = next;
    sip_cursor_space(c);
}

static void read_bracketed_uri(struct sip_cursor *c, struct sip_address *address)
{
    if (c->p == c->end || *c->p != '<') {
        sip_cursor_fail(c, ERR_SYNTAX, ADDRESS_RULE);
        return;
    }
    c->p++;
    address->in_brackets = true;
    address->uri = sip_cursor_span(c, CHAR_OPAQUE, ADDRESS_RULE ": URI");
    if (c->p == c->end || *c->p != '>')
        sip_cursor_fail(c, ERR_SYNTAX, ADDRESS_RULE ": URI");
    else
        c->p++;
}

/* Without brackets a URI ends at a semicolon, comma or white space, and has no question mark: then there would have to be brackets. */
static void read_bare_uri(struct sip_cursor *c, struct sip_address *address)
{
    const uint8_t *begin = c->p;
    while (c->p < c->end && sip_is(*c->p, CHAR_OPAQUE) && *c->p != ';' && *c->p != ',') {
        if (*c->p == '?') {
            sip_cursor_fail(c, ERR_SYNTAX, "URI with headers outside of brackets, RFC 3261 20.10");
            return;
        }
        c->p++;
    }
    address->uri = since(c, begin);
}

bool sip_read_address(struct sip_cursor *c, struct sip_address *ret_address)
{
    struct sip_address address = {0};
    struct sip_param param;
    if (!sip_cursor_begin(c, false, "address missing, RFC 3261 20.10"))
        return false;
    const uint8_t *begin = c->p;
    bool bare = false;
    if (*c->p == '"')
        read_display(c, &address);
    else
        bare = read_tokens(c, &address);
    if (bare) {
        read_bare_uri(c, &address);
    } else if (c->p == c->end && c->expected == SIP_EXPECT_FIRST && slice_eq_str(address.display, "*")) {
        address.is_star = true;
        address.display = slice_of(c->p, 0);
    } else if (!c->err) {
        read_bracketed_uri(c, &address);
    }
    const uint8_t *params = sip_skip_space(c->p, c->end);
    if (params == c->end || *params != ';')
        params = c->p;
    while (sip_param_next(c, &param))
        if (param.name.n == 3 && text_equal_nocase(param.name, slice_str("tag")))
            address.tag = param.value;
    address.params = c->p > params ? since(c, params) : slice_of(c->p, 0);
    address.whole = address.is_star ? slice_of(begin, 1) : since(c, begin);
    if (!sip_cursor_finish(c, "behind an " ADDRESS_RULE))
        return false;
    *ret_address = address;
    return true;
}

/* ---- tokens, reasons, media types ---- */

bool sip_read_token(struct sip_cursor *c, struct slice *ret_token)
{
    if (!sip_cursor_begin(c, true, "token missing, RFC 3261 7.3.1"))
        return false;
    struct slice token = sip_cursor_span(c, CHAR_TOKEN, "token, RFC 3261 25.1");
    if (!sip_cursor_finish(c, "behind a token, RFC 3261 25.1"))
        return false;
    *ret_token = token;
    return true;
}

/* The list of parameters that begins at the cursor, once it was read. */
static struct slice params_since(const struct sip_cursor *c, const uint8_t *begin)
{
    begin = sip_skip_space(begin, c->end);
    return c->p > begin ? since(c, begin) : slice_of(c->p, 0);
}

bool sip_read_reason(struct sip_cursor *c, struct sip_reason *ret_reason)
{
    struct sip_reason reason = {0};
    struct sip_param param;
    if (!sip_cursor_begin(c, false, "Reason without a value, RFC 3326 2"))
        return false;
    reason.protocol = sip_cursor_span(c, CHAR_TOKEN, "Reason: protocol, RFC 3326 2");
    while (sip_param_next(c, &param)) {
        uint32_t cause = 0;
        bool good;
        const uint8_t *end = param.value.p + param.value.n;
        if (text_equal_nocase(param.name, slice_str("text"))) {
            reason.text = param.value;
        } else if (text_equal_nocase(param.name, slice_str("cause"))) {
            if (sip_read_digits(param.value.p, end, 65535, &cause, &good) != end || !good)
                sip_cursor_fail_at(c, ERR_RANGE, param.name.p, "Reason: cause, RFC 3326 2");
            reason.cause = cause;
        }
    }
    if (!sip_cursor_finish(c, "behind a Reason, RFC 3326 2"))
        return false;
    *ret_reason = reason;
    return true;
}

/* Nothing may be left behind a single value. */
static int end_value(struct sip_cursor *c, const char *rule)
{
    sip_cursor_space(c);
    if (c->p < c->end)
        sip_cursor_fail(c, ERR_SYNTAX, rule);
    c->expected = SIP_EXPECT_END;
    return c->err;
}

int sip_read_media_type(struct sip_cursor *c, struct sip_media_type *ret_type)
{
    const char *rule = "media type, RFC 3261 20.15";
    struct sip_media_type type = {0};
    struct sip_param param;
    sip_cursor_space(c);
    type.type = sip_cursor_span(c, CHAR_TOKEN, rule);
    if (!c->err && sip_cursor_take(c, '/'))
        type.subtype = sip_cursor_span(c, CHAR_TOKEN, rule);
    const uint8_t *params = c->p;
    while (sip_param_next(c, &param))
        ;
    type.params = params_since(c, params);
    if (end_value(c, rule) < 0)
        return c->err;
    *ret_type = type;
    return 0;
}

/* ---- numbers ---- */

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
    if (end_value(c, rule) < 0)
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
    end_value(c, rule);
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
    delta.params = params_since(c, params);
    if (end_value(c, rule) < 0)
        return c->err;
    *ret_delta = delta;
    return 0;
}
