/* The cursor over a header field's value: separators, parameters, quoted strings. */
#include "sip/cursor.h"

#include "base/text.h"
#include "sip/scan.h"

void sip_cursor_init(struct sip_cursor *c, struct slice message, struct slice value)
{
    *c = (struct sip_cursor){.base = message.p, .p = value.p, .end = sip_end_of(value)};
}

int sip_cursor_fail_at(struct sip_cursor *c, int err, const uint8_t *at, const char *rule)
{
    if (!c->err) {
        c->err = err;
        c->fault = (struct fault){(size_t)(at - c->base), rule};
    }
    return c->err;
}

int sip_cursor_fail(struct sip_cursor *c, int err, const char *rule)
{
    return sip_cursor_fail_at(c, err, c->p, rule);
}

bool sip_cursor_begin(struct sip_cursor *c, bool may_be_empty, const char *rule)
{
    if (c->err || c->expected == SIP_EXPECT_END)
        return false;
    sip_cursor_space(c);
    if (c->p < c->end)
        return true;
    if (c->expected == SIP_EXPECT_NEXT || !may_be_empty)
        sip_cursor_fail(c, ERR_SYNTAX, rule);
    c->expected = SIP_EXPECT_END;
    return false;
}

bool sip_cursor_finish(struct sip_cursor *c, const char *rule)
{
    if (c->err)
        return false;
    if (sip_cursor_take(c, ',')) {
        c->expected = SIP_EXPECT_NEXT;
        return true;
    }
    c->expected = SIP_EXPECT_END;
    sip_cursor_space(c);
    if (c->p < c->end)
        sip_cursor_fail(c, ERR_SYNTAX, rule);
    return !c->err;
}

int sip_cursor_end(struct sip_cursor *c, const char *rule)
{
    sip_cursor_space(c);
    if (c->p < c->end)
        sip_cursor_fail(c, ERR_SYNTAX, rule);
    c->expected = SIP_EXPECT_END;
    return c->err;
}

struct slice sip_cursor_params_since(const struct sip_cursor *c, const uint8_t *begin)
{
    begin = sip_skip_space(begin, c->end);
    return c->p > begin ? slice_of(begin, (size_t)(c->p - begin)) : slice_of(c->p, 0);
}

bool sip_param_next(struct sip_cursor *c, struct sip_param *ret_param)
{
    struct sip_param param = {0};
    if (c->err || !sip_cursor_take(c, ';'))
        return false;
    param.name = sip_cursor_span(c, CHAR_TOKEN, "parameter's name, RFC 3261 25.1");
    if (!c->err && sip_cursor_take(c, '=')) {
        const uint8_t *begin = c->p;
        param.has_value = true;
        if (begin < c->end && *begin == '"') {
            const uint8_t *wrong = NULL;
            const uint8_t *next = sip_skip_quoted(begin, c->end, &wrong);
            if (next)
                c->p = next;
            else
                sip_cursor_fail_at(c, ERR_SYNTAX, wrong, "quoted string, RFC 3261 25.1");
        } else {
            sip_cursor_span(c, CHAR_VALUE, "parameter's value, RFC 3261 25.1");
        }
        param.value = slice_of(begin, (size_t)(c->p - begin));
    }
    if (c->err)
        return false;
    *ret_param = param;
    return true;
}

bool sip_param_find(struct slice params, const char *name, struct slice *ret_value)
{
    struct sip_cursor c;
    struct sip_param param;
    struct slice wanted = slice_str(name);
    sip_cursor_init(&c, params, params);
    while (sip_param_next(&c, &param))
        if (text_equal_nocase(param.name, wanted)) {
            *ret_value = param.value;
            return true;
        }
    return false;
}

void sip_unquote(struct slice text, struct buf *out)
{
    if (text.n < 2 || text.p[0] != '"' || text.p[text.n - 1] != '"') {
        buf_slice_put(out, text);
        return;
    }
    if (!memchr(text.p, '\\', text.n)) {
        buf_put(out, text.p + 1, text.n - 2);
        return;
    }
    for (size_t i = 1; i < text.n - 1; i++) {
        if (text.p[i] == '\\' && i + 1 < text.n - 1)
            i++;
        buf_u8(out, text.p[i]);
    }
}

void sip_quote(struct slice text, struct buf *out)
{
    buf_u8(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c == '\r' || c == '\n') {
            buf_u8(out, ' '); /* the grammar has no form for them */
            continue;
        }
        if (c == '"' || c == '\\' || (c < 0x20 && c != '\t') || c == 0x7f)
            buf_u8(out, '\\');
        buf_u8(out, c);
    }
    buf_u8(out, '"');
}

void sip_unfold(struct slice value, struct buf *out)
{
    const uint8_t *end = sip_end_of(value);
    const uint8_t *p = sip_skip_space(value.p, end);
    while (p < end) {
        const uint8_t *text = p;
        while (p < end && *p != ' ' && *p != '\t' && *p != '\r')
            p++;
        buf_put(out, text, (size_t)(p - text));
        const uint8_t *next = sip_skip_space(p, end);
        if (next == p && p < end)
            buf_u8(out, *p++); /* a CR that folds nothing */
        else if (next == end)
            break;
        else if (memchr(p, '\r', (size_t)(next - p)))
            buf_u8(out, ' ');
        else
            buf_put(out, p, (size_t)(next - p));
        p = next > p ? next : p;
    }
}

bool sip_token_eq(struct slice a, struct slice b)
{
    return text_equal_nocase(a, b);
}

bool sip_token_eq_str(struct slice a, const char *s)
{
    return text_equal_nocase(a, slice_str(s));
}
