/* ime-wire ticket: the octets of a ticket (src/ticket/README.md). */
#include "ticket/ticket.h"
#include "wire.h"

static int decode(struct slice octets, struct print *p, struct buf *reencoded, struct fault *ret_fault)
{
    struct ticket t;
    int err = ticket_decode(octets, &t, ret_fault);
    if (err)
        return err;
    print_number(p, "version", t.version);
    print_number(p, "epoch", t.epoch);
    print_octets(p, "unique_id", slice_of(t.unique_id, sizeof t.unique_id));
    print_time_ms(p, "not_before", (uint64_t)t.not_before.ms);
    print_time_ms(p, "not_after", (uint64_t)t.not_after.ms);
    print_text(p, "number", e164_slice(&t.number));
    print_octets(p, "granting_node", id_slice(&t.granting_node));
    print_text(p, "granting_domain", slice_str(t.granting_domain));
    print_text(p, "granted_to", slice_str(t.granted_to));
    print_octets(p, "integrity", slice_of(t.integrity, sizeof t.integrity));
    return reencoded ? ticket_encode(&t, reencoded) : 0;
}

const struct wire_command wire_ticket = {
    .name = "ticket",
    .summary = "a ticket (decode its base64 first)",
    .decode = decode,
};
