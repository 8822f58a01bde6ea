/* VAP messages: what decodes must encode to the same octets, and a stream must be cut the same way however it arrives. */
#include "vap/message.h"

#include <stdlib.h>

static void check_message(struct slice octets)
{
    struct vap_message m;
    struct fault fault = {0, NULL};
    struct buf again;
    if (vap_decode(octets, &m, &fault) < 0) {
        if (!fault.rule || fault.octet > octets.n)
            abort();
        return;
    }
    buf_init(&again, VAP_MESSAGE_OCTETS_MAX);
    vap_encode(&m, &again);
    if (again.err || !slice_eq(buf_slice(&again), octets))
        abort();
    buf_fini(&again);
    const struct vap_key key = {.octets = {0}};
    vap_check_integrity(&m, &key);
}

/* Hashes what the framer gives, so that two ways of feeding it can be compared. */
static uint64_t cut(struct slice stream, size_t piece, bool check)
{
    struct vap_framer f;
    uint64_t hash = 0;
    int n = 0;
    vap_framer_init(&f, 1024);
    for (size_t at = 0; at < stream.n && n >= 0; at += piece) {
        struct slice input = slice_of(stream.p + at, stream.n - at < piece ? stream.n - at : piece);
        struct slice message;
        while ((n = vap_framer_next(&f, &input, &message)) == 1 || n == ERR_LIMIT) {
            hash = hash * 31 + message.n + (n == 1);
            if (check && n == 1)
                check_message(message);
        }
    }
    vap_framer_fini(&f);
    return hash * 2 + (n < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    check_message(input);
    uint64_t whole = cut(input, size ? size : 1, true);
    if (cut(input, 7, false) != whole)
        abort();
    return 0;
}
