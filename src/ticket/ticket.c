/* The octets and the text of a ticket. */
#include "ticket/ticket.h"

#include "base/text.h"
#include "ticket/check.h"
#include "tlv/tlv.h"

const char *ticket_attr_name(uint16_t type)
{
    static const char *const names[] = {"version", "epoch",         "unique-id",       "not-before", "not-after",
                                        "number",  "granting-node", "granting-domain", "granted-to", "integrity"};
    if (type < TICKET_ATTR_VERSION || type > TICKET_ATTR_INTEGRITY)
        return NULL;
    return names[type - TICKET_ATTR_VERSION];
}

/* The next attribute, which must be of this type. */
static struct tlv_attr expect(struct reader *r, uint16_t type, const char *rule)
{
    struct tlv_attr a = {0};
    size_t at = r->at;
    if (!tlv_next(r, TLV_PADDING_ZERO, &a))
        reader_fail(r, ERR_TRUNCATED, rule);
    else if (a.type != type)
        reader_fail_at(r, ERR_SYNTAX, at, rule);
    return a;
}

/* Only what ticket_encode writes: times of whole milliseconds, from 1970 on. */
static struct wall expect_time(struct reader *r, uint16_t type, const char *rule)
{
    struct tlv_attr a = expect(r, type, rule);
    uint64_t ntp = tlv_read_u64(r, &a, rule);
    struct wall t = wall_from_ntp(ntp);
    if (!r->err && (t.ms < 0 || wall_to_ntp(t) != ntp))
        reader_fail_at(r, ERR_RANGE, a.octet + TLV_HEADER_OCTETS, rule);
    return t;
}

static bool is_canonical_domain(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= 'A' && s.p[i] <= 'Z')
            return false;
    return domain_is_valid(s);
}

static void expect_domain(struct reader *r, uint16_t type, const char *rule, char *ret_domain)
{
    struct tlv_attr a = expect(r, type, rule);
    struct slice s = tlv_read_octets(r, &a, 1, TICKET_DOMAIN_OCTETS_MAX, rule);
    if (r->err)
        return;
    if (!is_canonical_domain(s)) {
        reader_fail_at(r, ERR_SYNTAX, a.octet + TLV_HEADER_OCTETS, rule);
        return;
    }
    memcpy(ret_domain, s.p, s.n);
    ret_domain[s.n] = 0;
}

static void expect_octets(struct reader *r, uint16_t type, size_t octets, const char *rule, uint8_t *ret_octets)
{
    struct tlv_attr a = expect(r, type, rule);
    struct slice s = tlv_read_octets(r, &a, octets, octets, rule);
    if (!r->err)
        memcpy(ret_octets, s.p, octets);
}

static void read_ticket(struct reader *r, struct ticket *t)
{
    struct tlv_attr a = expect(r, TICKET_ATTR_VERSION, "ticket version");
    t->version = tlv_read_u8(r, &a, "ticket version");
    if (!r->err && t->version != TICKET_VERSION)
        reader_fail_at(r, ERR_UNSUPPORTED, a.octet + TLV_HEADER_OCTETS, "ticket version is 1");
    a = expect(r, TICKET_ATTR_EPOCH, "ticket epoch");
    t->epoch = tlv_read_u8(r, &a, "ticket epoch");
    if (!r->err && t->epoch < TICKET_EPOCH_MIN)
        reader_fail_at(r, ERR_RANGE, a.octet + TLV_HEADER_OCTETS, "ticket epoch is 1 to 255");
    expect_octets(r, TICKET_ATTR_UNIQUE_ID, sizeof t->unique_id, "ticket unique id", t->unique_id);
    t->not_before = expect_time(r, TICKET_ATTR_NOT_BEFORE, "ticket not-before, whole milliseconds from 1970 on");
    t->not_after = expect_time(r, TICKET_ATTR_NOT_AFTER, "ticket not-after, whole milliseconds from 1970 on");
    if (!r->err && t->not_before.ms >= t->not_after.ms)
        reader_fail(r, ERR_RANGE, "ticket not-before is before not-after");
    a = expect(r, TICKET_ATTR_NUMBER, "ticket number");
    t->number = tlv_read_e164(r, &a, "ticket number, E.164");
    expect_octets(r, TICKET_ATTR_GRANTING_NODE, ID_OCTETS, "ticket granting node", t->granting_node.octets);
    expect_domain(r, TICKET_ATTR_GRANTING_DOMAIN, "ticket granting domain, lower case", t->granting_domain);
    expect_domain(r, TICKET_ATTR_GRANTED_TO, "ticket granted-to domain, lower case", t->granted_to);
    expect_octets(r, TICKET_ATTR_INTEGRITY, sizeof t->integrity, "ticket integrity", t->integrity);
}

int ticket_decode(struct slice octets, struct ticket *ret_ticket, struct fault *ret_fault)
{
    struct ticket t = {0};
    struct reader r;
    reader_init(&r, octets);
    if (octets.n > TICKET_OCTETS_MAX)
        reader_fail_at(&r, ERR_LIMIT, TICKET_OCTETS_MAX, "ticket length");
    read_ticket(&r, &t);
    int err = reader_end(&r, "ticket ends after its integrity");
    if (err) {
        if (ret_fault)
            *ret_fault = r.fault;
        return err;
    }
    *ret_ticket = t;
    return 0;
}

static bool is_base64(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* Where base64 stops being base64. */
static size_t base64_fault(struct slice text)
{
    size_t at = 0;
    while (at < text.n && is_base64(text.p[at]))
        at++;
    return at;
}

int ticket_receive(struct slice text, struct ticket_received *ret_received, struct fault *ret_fault)
{
    buf_init(&ret_received->octets, TICKET_OCTETS_MAX + 2);
    int err = text.n > TICKET_TEXT_OCTETS_MAX ? ERR_LIMIT : base64_decode(text, &ret_received->octets);
    if (err) {
        if (ret_fault)
            *ret_fault = err == ERR_LIMIT ? (struct fault){TICKET_TEXT_OCTETS_MAX, "ticket text length"}
                                          : (struct fault){base64_fault(text), "ticket base64, RFC 4648 4"};
        return err;
    }
    return ticket_decode(buf_slice(&ret_received->octets), &ret_received->ticket, ret_fault);
}

int ticket_parse(struct slice text, struct ticket *ret_ticket, struct fault *ret_fault)
{
    struct ticket_received received;
    int err = ticket_receive(text, &received, ret_fault);
    if (!err)
        *ret_ticket = received.ticket;
    buf_fini(&received.octets);
    return err;
}

/* Everything that the integrity covers. */
static void put_contents(struct buf *b, const struct ticket *t)
{
    tlv_put_u8(b, TICKET_ATTR_VERSION, t->version);
    tlv_put_u8(b, TICKET_ATTR_EPOCH, t->epoch);
    tlv_put(b, TICKET_ATTR_UNIQUE_ID, slice_of(t->unique_id, sizeof t->unique_id));
    tlv_put_time(b, TICKET_ATTR_NOT_BEFORE, t->not_before);
    tlv_put_time(b, TICKET_ATTR_NOT_AFTER, t->not_after);
    tlv_put_e164(b, TICKET_ATTR_NUMBER, &t->number);
    tlv_put_id(b, TICKET_ATTR_GRANTING_NODE, &t->granting_node);
    tlv_put_text(b, TICKET_ATTR_GRANTING_DOMAIN, t->granting_domain);
    tlv_put_text(b, TICKET_ATTR_GRANTED_TO, t->granted_to);
}

static bool is_encodable(const struct ticket *t)
{
    return t->version == TICKET_VERSION && t->epoch >= TICKET_EPOCH_MIN && t->not_before.ms >= 0 &&
           t->not_before.ms < t->not_after.ms && e164_is_valid(e164_slice(&t->number)) &&
           is_canonical_domain(slice_str(t->granting_domain)) && is_canonical_domain(slice_str(t->granted_to));
}

int ticket_encode(const struct ticket *ticket, struct buf *ret_octets)
{
    if (!is_encodable(ticket))
        return ERR_RANGE;
    put_contents(ret_octets, ticket);
    tlv_put(ret_octets, TICKET_ATTR_INTEGRITY, slice_of(ticket->integrity, sizeof ticket->integrity));
    return ret_octets->err;
}

int ticket_format(const struct ticket *ticket, struct buf *ret_text)
{
    struct buf octets;
    buf_init(&octets, TICKET_OCTETS_MAX);
    int err = ticket_encode(ticket, &octets);
    if (!err) {
        base64_append(ret_text, buf_slice(&octets));
        err = ret_text->err;
    }
    buf_fini(&octets);
    return err;
}
