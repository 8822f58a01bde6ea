/* Decodes answers of DNS servers. */
#include "sip/dns_message.h"

#include "base/reader.h"
#include "base/text.h"

#define LABEL_OCTETS_MAX 63
#define POINTERS_MAX 16
#define CLASS_IN 1

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_SOA = 6, TYPE_AAAA = 28, TYPE_SRV = 33, TYPE_NAPTR = 35 };
enum { RCODE_NONE = 0, RCODE_NAME_ERROR = 3 };

static const uint16_t type_codes[] = {
    [SIP_DNS_A] = TYPE_A, [SIP_DNS_AAAA] = TYPE_AAAA, [SIP_DNS_SRV] = TYPE_SRV, [SIP_DNS_NAPTR] = TYPE_NAPTR};

struct name {
    char text[SIP_DNS_NAME_OCTETS_MAX + 1]; /* lower case */
    bool is_odd;                            /* it has octets that names of hosts and services have not */
};

/* The fixed part of a resource record (4.1.3); its data is in the reader. */
struct record {
    struct name owner;
    uint16_t type;
    uint16_t class;
    uint32_t ttl_s;
    uint16_t octets;
};

static bool is_name_octet(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static int put_label(struct reader *r, struct slice label, struct name *name, size_t *at)
{
    size_t dot = *at ? 1 : 0;
    if (*at + dot + label.n > SIP_DNS_NAME_OCTETS_MAX)
        return reader_fail(r, ERR_SYNTAX, "length of a name, RFC 1035 3.1");
    if (dot)
        name->text[(*at)++] = '.';
    text_lower(label, name->text + *at);
    for (size_t i = 0; i < label.n; i++)
        if (!is_name_octet((uint8_t)name->text[*at + i]))
            name->is_odd = true;
    *at += label.n;
    return 0;
}

/* Labels and pointers (4.1.4); a pointer must lead to before the name that it stands in, so that there are no circles. */
static void read_name(struct reader *r, struct name *ret_name)
{
    struct reader labels = *r;
    size_t at = 0, before = r->at;
    bool jumped = false;
    *ret_name = (struct name){0};
    for (unsigned pointers = 0; !r->err && !labels.err;) {
        uint8_t n = read_u8(&labels, "a name, RFC 1035 3.1");
        if (n > LABEL_OCTETS_MAX) {
            size_t target = (size_t)(n & 0x3f) << 8 | read_u8(&labels, "a pointer, RFC 1035 4.1.4");
            if (!jumped)
                r->at = labels.at;
            jumped = true;
            if (n < 0xc0 || target >= before || ++pointers > POINTERS_MAX)
                reader_fail(r, ERR_SYNTAX, "a pointer to an earlier name, RFC 1035 4.1.4");
            before = labels.at = target;
        } else if (n == 0) {
            break;
        } else {
            struct slice label = read_slice(&labels, n, "a label, RFC 1035 3.1");
            if (!labels.err)
                (void)put_label(r, label, ret_name, &at);
        }
    }
    if (labels.err)
        reader_fail_at(r, labels.err, labels.fault.octet, labels.fault.rule);
    else if (!jumped && !r->err)
        r->at = labels.at;
}

static void read_record(struct reader *r, struct record *ret_record)
{
    read_name(r, &ret_record->owner);
    ret_record->type = read_u16(r, "TYPE, RFC 1035 4.1.3");
    ret_record->class = read_u16(r, "CLASS, RFC 1035 4.1.3");
    ret_record->ttl_s = read_u32(r, "TTL, RFC 1035 4.1.3");
    if (ret_record->ttl_s > INT32_MAX)
        ret_record->ttl_s = 0; /* RFC 2181 8 */
    ret_record->octets = read_u16(r, "RDLENGTH, RFC 1035 4.1.3");
}

static void read_naptr(struct reader *data, struct sip_dns_record *record)
{
    struct name replacement;
    record->priority = read_u16(data, "ORDER, RFC 3403 4.1");
    record->weight = read_u16(data, "PREFERENCE, RFC 3403 4.1");
    struct slice flags = read_opaque(data, 1, "FLAGS, RFC 3403 4.1");
    struct slice service = read_opaque(data, 1, "SERVICES, RFC 3403 4.1");
    (void)read_opaque(data, 1, "REGEXP, RFC 3403 4.1");
    read_name(data, &replacement);
    if (flags.n == 1)
        record->flags = (char)(flags.p[0] | 0x20);
    if (service.n <= SIP_DNS_SERVICE_OCTETS_MAX && text_is_printable(service)) {
        for (size_t i = 0; i < service.n; i++)
            record->service[i] =
                (char)(service.p[i] >= 'a' && service.p[i] <= 'z' ? service.p[i] - 'a' + 'A' : service.p[i]);
    }
    if (!replacement.is_odd)
        memcpy(record->name, replacement.text, sizeof record->name);
}

/* True if it is one that can be used. */
static bool read_data(struct reader *data, enum sip_dns_type type, struct sip_dns_record *ret_record)
{
    struct name target;
    *ret_record = (struct sip_dns_record){0};
    switch (type) {
    case SIP_DNS_A:
        ret_record->addr.family = 4;
        read_copy(data, ret_record->addr.ip, 4, "an address, RFC 1035 3.4.1");
        return true;
    case SIP_DNS_AAAA:
        ret_record->addr.family = 6;
        read_copy(data, ret_record->addr.ip, 16, "an address, RFC 3596 2.2");
        return true;
    case SIP_DNS_SRV:
        ret_record->priority = read_u16(data, "Priority, RFC 2782");
        ret_record->weight = read_u16(data, "Weight, RFC 2782");
        ret_record->port = read_u16(data, "Port, RFC 2782");
        read_name(data, &target);
        memcpy(ret_record->name, target.text, sizeof ret_record->name);
        return !target.is_odd;
    case SIP_DNS_NAPTR:
        read_naptr(data, ret_record);
        return true;
    }
    return false;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The answer section. Aliases stand before what they lead to. */
static void read_answers(struct reader *r, unsigned count, enum sip_dns_type type, struct name *name,
                         struct sip_dns_reply *reply)
{
    uint32_t ttl_s = UINT32_MAX;
    for (unsigned i = 0; i < count && !r->err; i++) {
        struct record record;
        read_record(r, &record);
        struct reader data = read_sub(r, record.octets, "RDATA, RFC 1035 4.1.3");
        if (r->err || record.class != CLASS_IN || strcmp(record.owner.text, name->text) != 0)
            continue;
        if (record.type == TYPE_CNAME) {
            read_name(&data, name);
            ttl_s = least(ttl_s, record.ttl_s);
        } else if (record.type == type_codes[type]) {
            struct sip_dns_record *into = &reply->records[reply->answer.count];
            if (reply->answer.count == SIP_DNS_RECORDS_MAX)
                continue;
            if (read_data(&data, type, into) && !data.err)
                reply->answer.count++;
            ttl_s = least(ttl_s, record.ttl_s);
        } else {
            continue;
        }
        reader_close(r, &data, "RDATA without rest, RFC 1035 4.1.3");
    }
    reply->answer.ttl_s = ttl_s;
}

/* For how long there is nothing: the SOA of the authority section says it (RFC 2308 5). */
static uint32_t read_negative_ttl(struct reader *r, unsigned count)
{
    for (unsigned i = 0; i < count && !r->err; i++) {
        struct record record;
        struct name name;
        read_record(r, &record);
        struct reader data = read_sub(r, record.octets, "RDATA, RFC 1035 4.1.3");
        if (r->err || record.type != TYPE_SOA || record.class != CLASS_IN)
            continue;
        read_name(&data, &name);
        read_name(&data, &name);
        (void)read_slice(&data, 16, "SERIAL to EXPIRE, RFC 1035 3.3.13");
        uint32_t minimum = read_u32(&data, "MINIMUM, RFC 1035 3.3.13");
        if (!data.err)
            return least(record.ttl_s, minimum);
    }
    return SIP_DNS_NEGATIVE_TTL_S;
}

int sip_dns_decode(struct slice octets, enum sip_dns_type type, struct sip_dns_reply *ret_reply,
                   struct fault *ret_fault)
{
    struct reader r;
    struct name name = {0};
    ret_reply->answer = (struct sip_dns_answer){.records = ret_reply->records};
    reader_init(&r, octets);
    (void)read_u16(&r, "ID, RFC 1035 4.1.1");
    uint16_t flags = read_u16(&r, "flags, RFC 1035 4.1.1");
    uint16_t questions = read_u16(&r, "QDCOUNT, RFC 1035 4.1.1");
    uint16_t answers = read_u16(&r, "ANCOUNT, RFC 1035 4.1.1");
    uint16_t authorities = read_u16(&r, "NSCOUNT, RFC 1035 4.1.1");
    (void)read_u16(&r, "ARCOUNT, RFC 1035 4.1.1");
    if (!r.err && (!(flags & 0x8000) || questions != 1))
        reader_fail_at(&r, ERR_SYNTAX, 2, "a response to one question, RFC 1035 4.1.1");
    read_name(&r, &name);
    (void)read_slice(&r, 4, "QTYPE and QCLASS, RFC 1035 4.1.2");
    unsigned rcode = flags & 0xf;
    if (rcode == RCODE_NONE || rcode == RCODE_NAME_ERROR) {
        read_answers(&r, answers, type, &name, ret_reply);
        if (rcode == RCODE_NAME_ERROR)
            ret_reply->answer.err = ERR_NOT_FOUND;
        if (!ret_reply->answer.count)
            ret_reply->answer.ttl_s = r.err ? 0 : read_negative_ttl(&r, authorities);
    } else {
        ret_reply->answer.err = ERR_IO;
    }
    if (r.err && ret_fault)
        *ret_fault = r.fault;
    return r.err;
}
