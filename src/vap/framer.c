/* Cuts a byte stream into messages: without a copy when a message arrives whole. */
#include "vap/message.h"

void vap_framer_init(struct vap_framer *f, size_t message_octets_max)
{
    size_t limit = message_octets_max < VAP_HEADER_OCTETS ? VAP_HEADER_OCTETS : message_octets_max;
    *f = (struct vap_framer){.limit = limit};
    buf_init(&f->partial, limit);
}

void vap_framer_fini(struct vap_framer *f)
{
    buf_fini(&f->partial);
}

static struct slice take(struct slice *input, size_t octets)
{
    struct slice taken = {input->p, octets};
    *input = slice_of(input->p + octets, input->n - octets);
    return taken;
}

/* The size of the message that begins with this header, or ERR_SYNTAX. */
static int message_octets(const uint8_t *header)
{
    static const uint8_t cookie[4] = {0x41, 0x66, 0x66, 0x79};
    unsigned length = (unsigned)header[2] << 8 | header[3];
    if (header[0] & 0xc0 || length % 4 || memcmp(header + 4, cookie, sizeof cookie) != 0)
        return ERR_SYNTAX;
    return (int)(VAP_HEADER_OCTETS + length);
}

/* Adds input to the partial message until it has so many octets. True when it has. */
static bool fill(struct vap_framer *f, struct slice *input, size_t octets)
{
    size_t missing = octets - f->partial.n;
    buf_slice_put(&f->partial, take(input, missing < input->n ? missing : input->n));
    return !f->partial.err && f->partial.n == octets;
}

/* The next message begins in the input itself, with its whole header. */
static int next_in_place(struct vap_framer *f, struct slice *input, struct slice *ret_message)
{
    int octets = message_octets(input->p);
    if (octets < 0)
        return octets;
    if ((size_t)octets > f->limit) {
        *ret_message = take(input, VAP_HEADER_OCTETS);
        f->skip = (size_t)octets - VAP_HEADER_OCTETS;
        return ERR_LIMIT;
    }
    if (input->n >= (size_t)octets) {
        *ret_message = take(input, (size_t)octets);
        return 1;
    }
    fill(f, input, (size_t)octets);
    return f->partial.err;
}

int vap_framer_next(struct vap_framer *f, struct slice *input, struct slice *ret_message)
{
    if (f->give) {
        buf_clear(&f->partial);
        f->give = false;
    }
    size_t skipped = f->skip < input->n ? f->skip : input->n;
    if (skipped) {
        take(input, skipped);
        f->skip -= skipped;
    }
    if (!input->n)
        return 0;
    if (!f->partial.n && input->n >= VAP_HEADER_OCTETS)
        return next_in_place(f, input, ret_message);
    if (f->partial.n < VAP_HEADER_OCTETS && !fill(f, input, VAP_HEADER_OCTETS))
        return f->partial.err;
    int octets = message_octets(f->partial.p);
    if (octets < 0)
        return octets;
    if ((size_t)octets > f->limit) {
        f->skip = (size_t)octets - VAP_HEADER_OCTETS;
    } else if (!fill(f, input, (size_t)octets)) {
        return f->partial.err;
    }
    *ret_message = buf_slice(&f->partial);
    f->give = true;
    return f->skip ? ERR_LIMIT : 1;
}
