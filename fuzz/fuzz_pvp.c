/* What a peer of a validation sends: usernames and the messages of the exchange. What decodes must encode to the same. */
#include "pvp/exchange.h"
#include "pvp/secret.h"

#include <stdlib.h>

static void check_username(struct slice text)
{
    struct pvp_username u;
    struct fault fault = {0, NULL};
    char again[PVP_USERNAME_OCTETS_MAX + 1];
    if (pvp_username_parse(text, PVP_LATTICE_MS_DEFAULT, &u, &fault) < 0) {
        if (!fault.rule || fault.octet > text.n)
            abort();
    } else if (!slice_eq_str(text, pvp_username_format(&u, again))) {
        abort();
    }
}

/* Attributes may come in any order and padded with anything: only what our order gives back must stay as it is. */
static void check_messages(struct slice input)
{
    struct pvp_message m;
    struct fault fault = {0, NULL};
    size_t n;
    while (pvp_message_decode(input, &m, &n, &fault) == 0) {
        struct pvp_message same;
        struct buf once;
        struct buf twice;
        size_t again;
        buf_init(&once, PVP_MESSAGE_OCTETS_MAX);
        buf_init(&twice, PVP_MESSAGE_OCTETS_MAX);
        if (n < PVP_HEADER_OCTETS || n > input.n || pvp_message_encode(&m, &once) < 0 ||
            pvp_message_decode(buf_slice(&once), &same, &again, NULL) < 0 || again != once.n ||
            pvp_message_encode(&same, &twice) < 0 || !slice_eq(buf_slice(&once), buf_slice(&twice)))
            abort();
        buf_fini(&once);
        buf_fini(&twice);
        input = slice_of(input.p + n, input.n - n);
    }
    if (!fault.rule || fault.octet > input.n)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    check_username(input);
    check_messages(input);
    return 0;
}
