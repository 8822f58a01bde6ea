/* A stream of SIP messages, whole and in pieces: both ways the same messages, in the same order, and the same end. What the parser takes for a
 * message ends where the framer says. */
#include "sip/framer.h"
#include "sip/message.h"

#include <stdlib.h>

#define LIMIT 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    size_t octets;
    size_t count;
    uint64_t hash;
    int err;
};

static void check_end(struct slice octets)
{
    struct region region;
    struct sip_message message;
    region_init(&region, 1u << 20);
    if (sip_parse(&region, octets, SIP_STREAM, &message, NULL) == 0 &&
        (message.octets.n != octets.n || message.body.p + message.body.n != octets.p + octets.n))
        abort();
    region_fini(&region);
}

static void take(struct sip_framer *f, struct slice input, struct outcome *out)
{
    struct slice message;
    int framed;
    while (!out->err && (framed = sip_framer_next(f, &input, &message)) != SIP_FRAMED_NOTHING) {
        if (framed == SIP_FRAMED_MESSAGE && (message.n == 0 || message.n > LIMIT))
            abort();
        if (framed < 0 && framed != ERR_SYNTAX && framed != ERR_LIMIT)
            abort();
        if (framed == SIP_FRAMED_MESSAGE)
            check_end(message);
        out->err = framed < 0 ? framed : 0;
        out->octets += message.n;
        out->count++;
        for (size_t i = 0; i < message.n; i++)
            out->hash = (out->hash ^ message.p[i]) * UINT64_C(0x100000001b3);
    }
    if (!out->err && input.n)
        abort();
    if (sip_framer_memory(f) > 2 * LIMIT)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sip_framer whole, parts;
    struct outcome a = {0}, b = {0};
    if (size < 1)
        return 0;
    size_t piece = 1u + data[0] % 32;
    struct slice stream = slice_of(data + 1, size - 1);
    sip_framer_init(&whole, LIMIT);
    sip_framer_init(&parts, LIMIT);
    take(&whole, stream, &a);
    for (size_t at = 0; at < stream.n && !b.err; at += piece)
        take(&parts, slice_of(stream.p + at, stream.n - at < piece ? stream.n - at : piece), &b);
    if (a.err != b.err || a.octets != b.octets || a.count != b.count || a.hash != b.hash)
        abort();
    sip_framer_fini(&whole);
    sip_framer_fini(&parts);
    return 0;
}
