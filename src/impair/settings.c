/* Words of settings, read and written. */
#include "impair/settings.h"

#include "base/duration.h"
#include "base/text.h"

#include <inttypes.h>

/* "12.5%" in millionths. */
static int parse_share(struct slice text, uint32_t *ret_share)
{
    uint64_t whole, fraction = 0;
    if (!text.n || text.p[text.n - 1] != '%')
        return ERR_SYNTAX;
    text.n--;
    struct slice head = text_cut(&text, '.');
    if (u64_parse(head, 100, &whole))
        return ERR_SYNTAX;
    if (text.p) {
        if (text.n > 4 || u64_parse(text, 9999, &fraction))
            return ERR_SYNTAX;
        for (size_t digits = text.n; digits < 4; digits++)
            fraction *= 10;
    }
    uint64_t share = whole * 10000 + fraction;
    if (share > IMPAIR_MILLION)
        return ERR_RANGE;
    *ret_share = (uint32_t)share;
    return 0;
}

static int parse_time(struct slice text, int64_t max, int64_t *ret_ms)
{
    int64_t ms;
    int err = duration_parse(text, &ms);
    if (err)
        return err;
    if (ms < 0 || ms > max)
        return ERR_RANGE;
    *ret_ms = ms;
    return 0;
}

/* "300ms/5s" */
static int parse_burst(struct slice text, struct impair_settings *s)
{
    struct slice length = text_cut(&text, '/');
    int64_t burst_ms, every_ms = 0;
    int err = parse_time(length, IMPAIR_TIME_MS_MAX, &burst_ms);
    if (!err && (burst_ms || text.p))
        err = text.p ? parse_time(text, IMPAIR_EVERY_MS_MAX, &every_ms) : ERR_SYNTAX;
    if (err)
        return err;
    if (burst_ms && every_ms <= burst_ms)
        return ERR_RANGE;
    s->burst_ms = burst_ms;
    s->every_ms = burst_ms ? every_ms : 0;
    return 0;
}

static int parse_rate(struct slice text, uint64_t *ret_rate)
{
    uint64_t unit = 1, number;
    if (text.n && (text.p[text.n - 1] == 'k' || text.p[text.n - 1] == 'M')) {
        unit = text.p[text.n - 1] == 'k' ? 1000 : 1000000;
        text.n--;
    }
    if (u64_parse(text, IMPAIR_RATE_MAX / unit, &number))
        return ERR_SYNTAX;
    if (number && number * unit < IMPAIR_RATE_MIN)
        return ERR_RANGE;
    *ret_rate = number * unit;
    return 0;
}

static int parse_cut(struct slice text, bool *ret_cut)
{
    if (!slice_eq_str(text, "yes") && !slice_eq_str(text, "no"))
        return ERR_SYNTAX;
    *ret_cut = slice_eq_str(text, "yes");
    return 0;
}

static int parse(struct impair_settings *s, struct slice name, struct slice value)
{
    if (slice_eq_str(name, "loss"))
        return parse_share(value, &s->loss);
    if (slice_eq_str(name, "reorder"))
        return parse_share(value, &s->reorder);
    if (slice_eq_str(name, "delay"))
        return parse_time(value, IMPAIR_TIME_MS_MAX, &s->delay_ms);
    if (slice_eq_str(name, "jitter"))
        return parse_time(value, IMPAIR_TIME_MS_MAX, &s->jitter_ms);
    if (slice_eq_str(name, "burst"))
        return parse_burst(value, s);
    if (slice_eq_str(name, "rate"))
        return parse_rate(value, &s->rate);
    if (slice_eq_str(name, "cut"))
        return parse_cut(value, &s->cut);
    return ERR_NOT_FOUND;
}

int impair_settings_set(struct impair_settings *s, struct slice word, struct buf *why)
{
    struct slice value = word;
    struct slice name = text_cut(&value, '=');
    int err = value.p ? parse(s, name, value) : ERR_SYNTAX;
    if (err == ERR_NOT_FOUND) {
        buf_printf(why, "%.*s is none of loss, reorder, delay, jitter, burst, rate and cut", SLICE_PRINT(name));
        return ERR_SYNTAX;
    }
    if (err) {
        buf_printf(why,
                   "%.*s is not within bounds or not of the form loss=2.5%%, reorder=1%%, delay=50ms, jitter=80ms, "
                   "burst=300ms/5s (so long, so often), rate=256k, cut=yes",
                   SLICE_PRINT(word));
        return err == ERR_RANGE ? ERR_RANGE : ERR_SYNTAX;
    }
    return 0;
}

static void put_share(struct buf *out, const char *name, uint32_t share)
{
    char fraction[8];
    if (!share)
        return;
    size_t n = 4;
    uint32_t rest = share % 10000;
    for (size_t i = 0; i < 4; i++, rest /= 10)
        fraction[3 - i] = (char)('0' + rest % 10);
    while (n && fraction[n - 1] == '0')
        n--;
    buf_printf(out, " %s=%" PRIu32 "%s%.*s%%", name, share / 10000, n ? "." : "", (int)n, fraction);
}

static void put_time(struct buf *out, const char *name, int64_t ms)
{
    char text[DURATION_TEXT_OCTETS];
    if (ms)
        buf_printf(out, " %s=%s", name, duration_format(ms, text));
}

void impair_settings_format(const struct impair_settings *s, struct buf *out)
{
    char text[DURATION_TEXT_OCTETS];
    const size_t at = out->n;
    put_share(out, "loss", s->loss);
    put_share(out, "reorder", s->reorder);
    put_time(out, "delay", s->delay_ms);
    put_time(out, "jitter", s->jitter_ms);
    put_time(out, "burst", s->burst_ms);
    if (s->burst_ms)
        buf_printf(out, "/%s", duration_format(s->every_ms, text));
    if (s->rate)
        buf_printf(out, " rate=%" PRIu64, s->rate);
    if (s->cut)
        buf_str(out, " cut=yes");
    if (out->n == at)
        buf_str(out, " good");
    if (!out->err && out->n > at) { /* without the space in front */
        memmove(out->p + at, out->p + at + 1, out->n - at - 1);
        out->n--;
    }
}
