/* The end of each message of a stream: head up to the empty line, body by Content-Length. */
#include "sip/framer.h"

#include "base/text.h"

#define MEMORY_KEPT_OCTETS 4096 /* a larger buffer is given back after its message */

void sip_framer_init(struct sip_framer *f, size_t message_octets_max)
{
    *f = (struct sip_framer){0};
    buf_init(&f->partial, message_octets_max);
}

void sip_framer_fini(struct sip_framer *f)
{
    buf_fini(&f->partial);
}

bool sip_framer_begun(const struct sip_framer *f)
{
    return f->partial.n && !f->give;
}

size_t sip_framer_memory(const struct sip_framer *f)
{
    return f->partial.capacity;
}

static struct slice take(struct slice *input, size_t octets)
{
    struct slice taken = {input->p, octets};
    *input = slice_of(input->p + octets, input->n - octets);
    return taken;
}

/* The message that was given out is over. */
static void forget(struct sip_framer *f)
{
    struct buf partial = f->partial;
    if (partial.capacity > MEMORY_KEPT_OCTETS) {
        buf_fini(&partial);
        buf_init(&partial, f->partial.limit);
    } else {
        buf_clear(&partial);
    }
    *f = (struct sip_framer){.partial = partial};
}

/* Methods and "SIP/2.0" begin with an octet of a token (25.1): TLS on a plain port and the like are found out at once. */
static bool begins_message(uint8_t octet)
{
    bool alnum = (octet >= 'A' && octet <= 'Z') || (octet >= 'a' && octet <= 'z') || (octet >= '0' && octet <= '9');
    return alnum || (octet && strchr("-.!%*_+`'~", octet));
}

/* Line ends before a message. SIP_FRAMED_NOTHING: a message begins, or the input is used up. */
static int skip_breaks(struct sip_framer *f, struct slice *input)
{
    while (input->n) {
        if (input->p[0] != (f->breaks % 2 ? '\n' : '\r')) {
            if (f->breaks % 2 || !begins_message(input->p[0]))
                return ERR_SYNTAX;
            f->breaks = 0;
            return SIP_FRAMED_NOTHING;
        }
        take(input, 1);
        if (++f->breaks == 4) {
            f->breaks = 0;
            return SIP_FRAMED_PING;
        }
    }
    return SIP_FRAMED_NOTHING;
}

/* The octets in front of the value if the line is a Content-Length, in either form; else 0. */
static size_t length_prefix(struct slice line)
{
    static const char full[] = "Content-Length";
    size_t n = 0;
    if ((line.p[0] | 0x20) == 'l')
        n = 1;
    else if ((line.p[0] | 0x20) == 'c' && line.n > sizeof full &&
             text_equal_nocase(slice_of(line.p, sizeof full - 1), slice_str(full)))
        n = sizeof full - 1;
    if (!n)
        return 0;
    while (n < line.n && (line.p[n] == ' ' || line.p[n] == '\t'))
        n++;
    return n < line.n && line.p[n] == ':' ? n + 1 : 0;
}

/* A line of the head that is not the empty one, line end included. */
static int take_line(struct sip_framer *f, struct slice line)
{
    if (line.p[0] == ' ' || line.p[0] == '\t') {
        if (f->in_length)
            f->length_end = f->line + line.n;
        return 0;
    }
    size_t prefix = f->line ? length_prefix(line) : 0; /* the first line is no field */
    f->in_length = prefix > 0;
    if (!prefix)
        return 0;
    if (f->length_at)
        return ERR_SYNTAX;
    f->length_at = f->line + prefix;
    f->length_end = f->line + line.n;
    return 0;
}

static bool is_blank(uint8_t octet)
{
    return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

/* The head is complete: how long the message is. */
static int measure(struct sip_framer *f, struct slice octets)
{
    uint64_t length;
    if (!f->length_at)
        return ERR_SYNTAX;
    struct slice value = slice_of(octets.p + f->length_at, f->length_end - f->length_at);
    while (value.n && is_blank(value.p[0]))
        value = slice_of(value.p + 1, value.n - 1);
    while (value.n && is_blank(value.p[value.n - 1]))
        value.n--;
    int err = u64_parse(value, f->partial.limit, &length);
    if (err)
        return err == ERR_RANGE ? ERR_LIMIT : err;
    f->total_octets = f->head_octets + (size_t)length;
    return f->total_octets > f->partial.limit ? ERR_LIMIT : 0;
}

/* Reads on in the head of the message that these octets begin, which are no more than a message may have. 0: it has not ended yet, unless head_octets is set. */
static int read_head(struct sip_framer *f, struct slice octets)
{
    while (!f->head_octets) {
        const uint8_t *end = octets.n > f->at ? memchr(octets.p + f->at, '\n', octets.n - f->at) : NULL;
        if (!end) {
            f->at = octets.n;
            return octets.n >= f->partial.limit ? ERR_LIMIT : 0;
        }
        struct slice line = slice_of(octets.p + f->line, (size_t)(end - octets.p) + 1 - f->line);
        if (line.n == 1)
            return ERR_SYNTAX; /* a bare LF is no line end: nobody else may believe that the head is over */
        if (line.n == 2 && line.p[0] == '\r') {
            f->head_octets = f->line + line.n;
            return measure(f, octets);
        }
        int err = take_line(f, line);
        if (err)
            return err;
        f->line += line.n;
        f->at = f->line;
    }
    return 0;
}

static int keep(struct sip_framer *f, struct slice *input, size_t octets)
{
    size_t n = input->n < octets ? input->n : octets;
    buf_slice_put(&f->partial, take(input, n));
    return f->partial.err;
}

/* The message begins with the input. */
static int next_in_place(struct sip_framer *f, struct slice *input, struct slice *ret_message)
{
    size_t limit = f->partial.limit;
    int err = read_head(f, slice_of(input->p, input->n < limit ? input->n : limit));
    if (err) {
        *ret_message = slice_of(input->p, f->head_octets);
        return err;
    }
    if (!f->head_octets || input->n < f->total_octets)
        return keep(f, input, input->n);
    *ret_message = take(input, f->total_octets);
    forget(f);
    return SIP_FRAMED_MESSAGE;
}

/* The message has begun before. What is taken from the input beyond its end is given back. */
static int next_in_parts(struct sip_framer *f, struct slice *input, struct slice *ret_message)
{
    size_t wanted = f->head_octets ? f->total_octets : f->partial.limit;
    int err = keep(f, input, wanted - f->partial.n);
    if (!err)
        err = read_head(f, buf_slice(&f->partial));
    if (err) {
        *ret_message = slice_of(f->partial.p, f->head_octets);
        return err;
    }
    if (!f->head_octets || f->partial.n < f->total_octets)
        return SIP_FRAMED_NOTHING;
    size_t beyond = f->partial.n - f->total_octets;
    *input = slice_of(input->p - beyond, input->n + beyond);
    *ret_message = slice_of(f->partial.p, f->total_octets);
    f->give = true;
    return SIP_FRAMED_MESSAGE;
}

int sip_framer_next(struct sip_framer *f, struct slice *input, struct slice *ret_message)
{
    *ret_message = (struct slice){0};
    if (f->give)
        forget(f);
    if (!f->partial.n) {
        int framed = skip_breaks(f, input);
        if (framed != SIP_FRAMED_NOTHING || !input->n)
            return framed;
        return next_in_place(f, input, ret_message);
    }
    return input->n ? next_in_parts(f, input, ret_message) : SIP_FRAMED_NOTHING;
}
