/* Readers of the values of header fields: lists of Via, addresses, tokens and reasons; media types. */
#include "sip/cursor.h"
#include "sip/scan.h"

#include "base/text.h"

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

/* What somebody decides by may stand there but once: others could take the other one. */
static void once(struct sip_cursor *c, const struct sip_param *param, bool again)
{
    if (again)
        sip_cursor_fail_at(c, ERR_SYNTAX, param->name.p, "parameter given twice, RFC 3261 7.3.1");
}

static void read_via_param(struct sip_cursor *c, const struct sip_param *param, struct sip_via *via)
{
    struct slice name = param->name;
    if (sip_name_is(name, "branch", 6)) {
        once(c, param, via->branch.p != NULL);
        via->branch = param->value;
    } else if (sip_name_is(name, "received", 8)) {
        once(c, param, via->received.p != NULL);
        via->received = param->value;
    } else if (sip_name_is(name, "rport", 5)) {
        once(c, param, via->has_rport);
        uint32_t port = 0;
        bool good = true;
        const uint8_t *end = param->has_value ? sip_end_of(param->value) : NULL;
        if (end && (sip_read_digits(param->value.p, end, 65535, &port, &good) != end || !good || port == 0))
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
        if (sip_name_is(param.name, "tag", 3)) {
            once(c, &param, address.tag.p != NULL);
            address.tag = param.value;
        }
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
        const uint8_t *end = sip_end_of(param.value);
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
    type.params = sip_cursor_params_since(c, params);
    if (sip_cursor_end(c, rule) < 0)
        return c->err;
    *ret_type = type;
    return 0;
}
