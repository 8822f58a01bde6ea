/* Rows of learned routes: attributes, so that a later version may add some. */
#include "agent/route_private.h"
#include "base/mem.h"
#include "tlv/tlv.h"

/* Types of our own in the range of the optional ones. */
enum {
    ROUTE_TLV_ORIGIN = 0x9201,
    ROUTE_TLV_FLAGS = 0x9202,
    ROUTE_TLV_TICKET = 0x9203,      /* octets (ticket/ticket.h) */
    ROUTE_TLV_TICKET_TEXT = 0x9204, /* one of another form */
};

struct slice agent_route_row_key(uint64_t key, const uint8_t *blob, uint8_t ret_octets[AGENT_ROUTE_KEY_OCTETS_MAX])
{
    const char *domain = agent_origin_domain(blob);
    size_t n = strlen(domain);
    for (unsigned i = 0; i < 8; i++)
        ret_octets[i] = (uint8_t)(key >> (56 - 8 * i));
    memcpy(ret_octets + 8, blob, ID_OCTETS);
    memcpy(ret_octets + 8 + ID_OCTETS, domain, n);
    return slice_of(ret_octets, 8 + ID_OCTETS + n);
}

void agent_slot_set_ticket(struct agent_slot *slot, const struct ticket *ticket)
{
    slot->epoch = ticket->epoch;
    memcpy(slot->ticket.unique_id, ticket->unique_id, sizeof ticket->unique_id);
    memcpy(slot->ticket.integrity, ticket->integrity, sizeof ticket->integrity);
    slot->ticket.not_before = ticket->not_before;
    slot->ticket.not_after = ticket->not_after;
}

void agent_slot_get_ticket(const struct agent_slot *slot, const uint8_t *blob, struct ticket *ret_ticket)
{
    struct ticket ticket = {
        .version = TICKET_VERSION,
        .epoch = slot->epoch,
        .not_before = slot->ticket.not_before,
        .not_after = slot->ticket.not_after,
        .number = agent_number_of_key(slot->key),
        .granting_node = agent_origin_node(blob),
    };
    memcpy(ticket.unique_id, slot->ticket.unique_id, sizeof ticket.unique_id);
    memcpy(ticket.integrity, slot->ticket.integrity, sizeof ticket.integrity);
    strcpy(ticket.granting_domain, agent_origin_domain(blob));
    strcpy(ticket.granted_to, agent_origin_granted_to(blob));
    *ret_ticket = ticket;
}

void agent_route_row_encode(const struct agent_slot *slot, struct slice blob, struct buf *ret_row)
{
    tlv_put_time(ret_row, TLV_START_TIME, agent_route_wall(slot->learned_s));
    tlv_put_time(ret_row, TLV_STOP_TIME, agent_route_wall(slot->expires_s));
    tlv_put_u8(ret_row, ROUTE_TLV_FLAGS, slot->flags & ROUTE_DISABLED);
    tlv_put(ret_row, ROUTE_TLV_ORIGIN, blob);
    if (slot->flags & ROUTE_TICKET_TEXT) {
        tlv_put_text(ret_row, ROUTE_TLV_TICKET_TEXT, slot->text);
    } else {
        struct ticket ticket;
        size_t mark = tlv_open(ret_row, ROUTE_TLV_TICKET);
        agent_slot_get_ticket(slot, blob.p, &ticket);
        ticket_encode(&ticket, ret_row);
        tlv_close(ret_row, mark);
    }
}

static void read_ticket(struct reader *r, const struct tlv_attr *a, struct ticket *ret_ticket)
{
    static const char rule[] = "ticket of a learned route";
    struct slice octets = tlv_read_octets(r, a, 1, TICKET_OCTETS_MAX, rule);
    if (octets.n && ticket_decode(octets, ret_ticket, NULL) < 0)
        reader_fail_at(r, ERR_SYNTAX, a->octet, rule);
}

/* What a ticket says beside its own parts must be what the row says: only then it can be made of them again. */
static bool fits(const struct ticket *t, const struct agent_slot *slot, const uint8_t *blob)
{
    struct e164 number = agent_number_of_key(slot->key);
    return strcmp(t->number.text, number.text) == 0 && id_eq(t->granting_node, agent_origin_node(blob)) &&
           strcmp(t->granting_domain, agent_origin_domain(blob)) == 0 &&
           strcmp(t->granted_to, agent_origin_granted_to(blob)) == 0;
}

int agent_route_row_decode(struct slice key, struct slice row, struct agent_slot *ret_slot, struct slice *ret_blob)
{
    static const char rule[] = "row of a learned route";
    struct agent_slot slot = {0};
    struct slice blob = {NULL, 0}, text = {NULL, 0};
    uint8_t octets[AGENT_ROUTE_KEY_OCTETS_MAX];
    struct reader r;
    struct tlv_attr a;
    struct ticket ticket;
    bool has_ticket = false;
    reader_init(&r, key);
    slot.key = read_u64(&r, rule);
    reader_init(&r, row);
    while (tlv_next(&r, TLV_PADDING_ZERO, &a)) {
        switch (a.type) {
        case TLV_START_TIME:
            slot.learned_s = agent_route_seconds(tlv_read_time(&r, &a, rule));
            break;
        case TLV_STOP_TIME:
            slot.expires_s = agent_route_seconds(tlv_read_time(&r, &a, rule));
            break;
        case ROUTE_TLV_FLAGS:
            slot.flags |= tlv_read_u8(&r, &a, rule) & ROUTE_DISABLED;
            break;
        case ROUTE_TLV_ORIGIN:
            blob = tlv_read_octets(&r, &a, ID_OCTETS, AGENT_ORIGIN_OCTETS_MAX, rule);
            break;
        case ROUTE_TLV_TICKET:
            read_ticket(&r, &a, &ticket);
            has_ticket = true;
            break;
        case ROUTE_TLV_TICKET_TEXT:
            text = tlv_read_text(&r, &a, 1, AGENT_ROUTE_TICKET_OCTETS_MAX, rule);
            slot.flags |= ROUTE_TICKET_TEXT;
            break;
        default:
            break;
        }
    }
    struct e164 number = agent_number_of_key(slot.key);
    if (r.err || !blob.n || !agent_origin_is_valid(blob) || has_ticket == (text.n > 0) ||
        !e164_is_valid(e164_slice(&number)) || agent_number_key(e164_slice(&number)) != slot.key ||
        !slice_eq(agent_route_row_key(slot.key, blob.p, octets), key) || (has_ticket && !fits(&ticket, &slot, blob.p)))
        return ERR_SYNTAX;
    if (has_ticket)
        agent_slot_set_ticket(&slot, &ticket);
    if (text.n) {
        slot.text = mem_alloc(text.n + 1);
        if (!slot.text)
            return ERR_NO_MEMORY;
        memcpy(slot.text, text.p, text.n);
    }
    *ret_slot = slot;
    *ret_blob = blob;
    return 0;
}
