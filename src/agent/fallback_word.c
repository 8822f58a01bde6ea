/* The header IME-Fallback, read and written. */
#include "agent/fallback_word.h"

#include "base/text.h"
#include "sip/header.h"

static const char *const verbs[FALLBACK_VERBS] = {
    [FALLBACK_READY] = "ready",     [FALLBACK_OFFERED] = "offered", [FALLBACK_WANTED] = "wanted",
    [FALLBACK_CALLING] = "calling", [FALLBACK_JOINED] = "joined",   [FALLBACK_FAILED] = "failed",
    [FALLBACK_RETURN] = "return",   [FALLBACK_QUALITY] = "quality", [FALLBACK_KEPT] = "kept",
    [FALLBACK_LEFT] = "left",
};

static int read_number(struct slice value, unsigned max, unsigned *ret_number)
{
    uint64_t number;
    int err = u64_parse(value, max, &number);
    if (!err)
        *ret_number = (unsigned)number;
    return err;
}

static int read_token(struct slice value, char token[FALLBACK_TOKEN_DIGITS_MAX + 1])
{
    if (!value.n || value.n > FALLBACK_TOKEN_DIGITS_MAX)
        return ERR_RANGE;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return ERR_SYNTAX;
    }
    memcpy(token, value.p, value.n);
    token[value.n] = 0;
    return 0;
}

static int read_param(struct slice name, struct slice value, struct fallback_word *w)
{
    if (sip_token_eq_str(name, "number"))
        return e164_parse(value, &w->number) ? 0 : ERR_SYNTAX;
    if (sip_token_eq_str(name, "token"))
        return read_token(value, w->token);
    if (sip_token_eq_str(name, "caller-id"))
        return read_number(value, 15, &w->caller_id_digits);
    if (sip_token_eq_str(name, "return"))
        return read_number(value, FALLBACK_RETURN_S_MAX, &w->return_s);
    if (sip_token_eq_str(name, "cause"))
        return read_number(value, 999, &w->cause);
    if (sip_token_eq_str(name, "why"))
        w->is_dead = sip_token_eq_str(value, "dead");
    else if (sip_token_eq_str(name, "bad"))
        w->is_bad = true;
    return 0;
}

int fallback_word_parse(struct slice value, struct fallback_word *ret_word)
{
    struct fallback_word w = {0};
    unsigned verb = 0;
    if (value.n > FALLBACK_WORD_OCTETS_MAX)
        return ERR_RANGE;
    const struct slice word = text_trim(text_cut(&value, ';'));
    while (verb < FALLBACK_VERBS && !sip_token_eq_str(word, verbs[verb]))
        verb++;
    if (verb == FALLBACK_VERBS)
        return ERR_UNSUPPORTED;
    w.verb = (enum fallback_verb)verb;
    while (value.p) {
        struct slice param = text_cut(&value, ';');
        struct slice name = text_trim(text_cut(&param, '='));
        int err = name.n ? read_param(name, param.p ? text_trim(param) : (struct slice){0}, &w) : ERR_SYNTAX;
        if (err)
            return err;
    }
    if (w.verb == FALLBACK_OFFERED && !w.number.text[0])
        return ERR_SYNTAX;
    *ret_word = w;
    return 0;
}

void fallback_word_format(const struct fallback_word *w, struct buf *out)
{
    buf_str(out, verbs[w->verb]);
    if (w->verb == FALLBACK_WANTED)
        buf_printf(out, ";why=%s", w->is_dead ? "dead" : "quality");
    if (w->verb == FALLBACK_QUALITY)
        buf_str(out, w->is_bad ? ";bad" : ";good");
    if (w->number.text[0])
        buf_printf(out, ";number=%s", w->number.text);
    if (w->token[0])
        buf_printf(out, ";token=%s", w->token);
    if (w->caller_id_digits)
        buf_printf(out, ";caller-id=%u", w->caller_id_digits);
    if (w->return_s)
        buf_printf(out, ";return=%u", w->return_s);
    if (w->cause)
        buf_printf(out, ";cause=%u", w->cause);
}
