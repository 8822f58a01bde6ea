/* Tickets: what decodes must encode to the same octets; what is not the input of the same key must not verify. */
#include "base/text.h"
#include "ticket/ticket.h"

#include <stdlib.h>

static void check_octets(struct slice octets)
{
    struct ticket t;
    struct fault fault = {0, NULL};
    struct buf again;
    if (ticket_decode(octets, &t, &fault) < 0) {
        if (!fault.rule || fault.octet > octets.n)
            abort();
        return;
    }
    buf_init(&again, TICKET_OCTETS_MAX);
    if (ticket_encode(&t, &again) < 0 || !slice_eq(buf_slice(&again), octets))
        abort();
    buf_fini(&again);
}

static void check_text(struct slice text)
{
    static const uint8_t key[TICKET_KEY_OCTETS] = {0x5a}; /* no ticket of the corpus is made with it */
    struct ticket t;
    struct ticket_use use = {{0}, slice_str("+1"), slice_str("a.example")};
    if (ticket_parse(text, &t, NULL) == 0) {
        struct buf again;
        buf_init(&again, TICKET_TEXT_OCTETS_MAX);
        if (ticket_format(&t, &again) < 0 || !slice_eq(buf_slice(&again), text))
            abort();
        buf_fini(&again);
    }
    enum ticket_verdict v = ticket_verify_with_key(text, key, &use, NULL);
    if (v != TICKET_BAD_SYNTAX && v != TICKET_BAD_INTEGRITY)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    struct buf text;
    check_octets(input);
    check_text(input);
    buf_init(&text, 2 * size + 4);
    base64_append(&text, input);
    check_text(buf_slice(&text));
    buf_fini(&text);
    return 0;
}
