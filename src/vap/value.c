/* Reads and writes the values of attributes (section 10.3). */
#include "vap/value.h"

static const struct {
    uint16_t type;
    uint32_t has;
} known[] = {
    {TLV_USERNAME, VAP_HAS_USERNAME},
    {TLV_MESSAGE_INTEGRITY, VAP_HAS_INTEGRITY},
    {TLV_ERROR_CODE, VAP_HAS_ERROR},
    {TLV_REALM, VAP_HAS_REALM},
    {TLV_CLIENT_NAME, VAP_HAS_NAME},
    {TLV_CLIENT_HANDLE, VAP_HAS_HANDLE},
    {TLV_PROTOCOL_VERSION, VAP_HAS_VERSION},
    {TLV_CLIENT_LABEL, VAP_HAS_LABEL},
    {TLV_KEEPALIVE, VAP_HAS_KEEPALIVE},
    {TLV_SERVICE_IDENTITY, VAP_HAS_SERVICE},
    {TLV_SERVICE_VERSION, VAP_HAS_SERVICE_VERSION},
    {TLV_SERVICE_CONTENT, VAP_HAS_CONTENT},
    {TLV_SUBSCRIPTION_ID, VAP_HAS_SUBSCRIPTION},
    {TLV_CALL_DIRECTION, VAP_HAS_DIRECTION},
    {TLV_START_TIME, VAP_HAS_START},
    {TLV_STOP_TIME, VAP_HAS_STOP},
    {TLV_CALLING_NUM, VAP_HAS_CALLING},
    {TLV_CALLED_NUM, VAP_HAS_CALLED},
    {TLV_QUOTA, VAP_HAS_QUOTA},
    {TLV_DHT_LIFETIME, VAP_HAS_LIFETIME},
};

/* 0 for an unknown type. */
static uint32_t type_has(uint16_t type)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].type == type)
            return known[i].has;
    return 0;
}

/* Text whose length the draft gives in characters. */
static struct slice read_characters(struct reader *r, const struct tlv_attr *a, size_t max, const char *rule)
{
    struct slice s = tlv_read_text(r, a, 1, 4 * max, rule);
    size_t characters = 0;
    for (size_t i = 0; i < s.n; i++)
        characters += (s.p[i] & 0xc0) != 0x80;
    if (characters > max)
        reader_fail_at(r, ERR_RANGE, a->octet + 2, rule);
    return s;
}

/* 21 zero bits, class of 3 bits, number of 8 bits, reason (10.3.4). */
static void read_error(struct reader *r, const struct tlv_attr *a, struct vap_message *m)
{
    struct slice s =
        tlv_read_octets(r, a, 4, 4 + VAP_REASON_OCTETS_MAX * 4, "ERROR-CODE has a code and a reason, VAP 10.3.4");
    if (!s.n)
        return;
    if (s.p[0] || s.p[1] || s.p[2] & 0xf8)
        reader_fail_at(r, ERR_SYNTAX, a->octet + 4, "the first 21 bits of ERROR-CODE are zero, VAP 10.3.4");
    else if (s.p[2] < 1 || s.p[2] > 6)
        reader_fail_at(r, ERR_RANGE, a->octet + 6, "ERROR-CODE class is 1 to 6, VAP 10.3.4");
    else if (s.p[3] > 99)
        reader_fail_at(r, ERR_RANGE, a->octet + 7, "ERROR-CODE number is 0 to 99, VAP 10.3.4");
    m->error_code = (uint16_t)(s.p[2] * 100 + s.p[3]);
    m->reason = slice_of(s.p + 4, s.n - 4);
}

static void read_direction(struct reader *r, const struct tlv_attr *a, struct vap_message *m)
{
    uint32_t direction = tlv_read_u32(r, a, "CallDirection has 32 bits, VAP 10.3.14");
    if (direction > VAP_SENT)
        reader_fail_at(r, ERR_RANGE, a->octet + 4, "CallDirection is 0 or 1, VAP 10.3.14");
    else
        m->direction = (enum vap_direction)direction;
}

static void read_pair(struct reader *r, const struct tlv_attr *a, const char *rule, uint32_t *ret_first,
                      uint32_t *ret_second)
{
    uint64_t both = tlv_read_u64(r, a, rule);
    *ret_first = (uint32_t)(both >> 32);
    *ret_second = (uint32_t)both;
}

/* What identifies the sender and the message. */
static void read_common(struct reader *r, const struct tlv_attr *a, struct vap_message *m)
{
    uint32_t version;
    switch (a->type) {
    case TLV_USERNAME:
        m->username = tlv_read_text(r, a, 0, VAP_USERNAME_OCTETS_MAX, "USERNAME is UTF-8, VAP 10.3.1");
        break;
    case TLV_REALM:
        m->realm = tlv_read_text(r, a, 1, 255, "REALM, VAP 10.3.2");
        break;
    case TLV_MESSAGE_INTEGRITY:
        m->integrity = tlv_read_octets(r, a, VAP_INTEGRITY_OCTETS, VAP_INTEGRITY_OCTETS,
                                       "MESSAGE-INTEGRITY has 20 octets, VAP 10.3.3");
        m->integrity_octet = a->octet;
        break;
    case TLV_ERROR_CODE:
        read_error(r, a, m);
        break;
    case TLV_CLIENT_NAME:
        m->client_name = read_characters(r, a, 254, "Client-Name has 1 to 254 characters, VAP 10.3.5");
        break;
    case TLV_CLIENT_HANDLE:
        m->client_handle = tlv_read_u32(r, a, "Client-Handle has 32 bits, VAP 10.3.6");
        break;
    case TLV_PROTOCOL_VERSION:
        version = tlv_read_u32(r, a, "Protocol-Version has 32 bits, VAP 10.3.7");
        m->version_major = (uint16_t)(version >> 16);
        m->version_minor = (uint16_t)version;
        break;
    case TLV_CLIENT_LABEL:
        m->client_label = read_characters(r, a, 255, "Client-Label has 1 to 255 characters, VAP 10.3.8");
        break;
    case TLV_KEEPALIVE:
        m->keepalive_ms = tlv_read_u32(r, a, "Keepalive has 32 bits, VAP 10.3.9");
        break;
    default:
        break;
    }
}

static void read_service(struct reader *r, const struct tlv_attr *a, struct vap_message *m)
{
    switch (a->type) {
    case TLV_SERVICE_IDENTITY:
        m->service = tlv_read_service(r, a, "ServiceIdentity has 20 octets, VAP 10.3.10");
        break;
    case TLV_SERVICE_VERSION:
        m->service_version = tlv_read_u32(r, a, "ServiceVersion has 32 bits, VAP 10.3.11");
        break;
    case TLV_SERVICE_CONTENT:
        m->content = tlv_read_octets(r, a, 0, VAP_CONTENT_OCTETS_MAX, "ServiceContent is less than 32k, VAP 10.3.12");
        break;
    case TLV_SUBSCRIPTION_ID:
        m->subscription_id = tlv_read_u32(r, a, "SubscriptionID has 32 bits, VAP 10.3.13");
        break;
    case TLV_QUOTA:
        read_pair(r, a, "Quota has two values of 32 bits, VAP 10.3.19", &m->quota_limit, &m->quota_current);
        break;
    case TLV_DHT_LIFETIME:
        m->dht_lifetime_s = tlv_read_u32(r, a, "DHTLifetime has 32 bits, VAP 10.3.20");
        break;
    default:
        break;
    }
}

static void read_call(struct reader *r, const struct tlv_attr *a, struct vap_message *m)
{
    switch (a->type) {
    case TLV_CALL_DIRECTION:
        read_direction(r, a, m);
        break;
    case TLV_START_TIME:
        m->start_ntp = tlv_read_u64(r, a, "StartTime has 64 bits, VAP 10.3.15");
        break;
    case TLV_STOP_TIME:
        m->stop_ntp = tlv_read_u64(r, a, "StopTime has 64 bits, VAP 10.3.16");
        break;
    case TLV_CALLING_NUM:
        if (a->value.n) /* a caller that withheld its number has none */
            m->calling = tlv_read_e164(r, a, "CallingNum is + and 1 to 15 digits, VAP 10.3.17");
        break;
    case TLV_CALLED_NUM:
        m->called = tlv_read_e164(r, a, "CalledNum is + and 1 to 15 digits, VAP 10.3.18");
        break;
    default:
        break;
    }
}

void vap_value_read(struct reader *r, const struct tlv_attr *a, struct vap_message *ret_message)
{
    uint32_t has = type_has(a->type);
    if (!has || ret_message->has & has)
        return;
    read_common(r, a, ret_message);
    read_service(r, a, ret_message);
    read_call(r, a, ret_message);
    if (!r->err)
        ret_message->has |= has;
}

static uint64_t pair(uint32_t first, uint32_t second)
{
    return (uint64_t)first << 32 | second;
}

static void put_error(struct buf *b, unsigned code, struct slice reason)
{
    size_t mark = tlv_open(b, TLV_ERROR_CODE);
    buf_u16(b, 0);
    buf_u8(b, (uint8_t)(code / 100));
    buf_u8(b, (uint8_t)(code % 100));
    buf_slice_put(b, reason);
    tlv_close(b, mark);
}

void vap_put_error(struct buf *b, unsigned code, const char *reason)
{
    struct slice text = slice_str(reason);
    if (text.n > VAP_REASON_OCTETS_MAX)
        text.n = VAP_REASON_OCTETS_MAX;
    put_error(b, code, text);
}

void vap_put_version(struct buf *b, uint16_t major, uint16_t minor)
{
    tlv_put_u32(b, TLV_PROTOCOL_VERSION, (uint32_t)major << 16 | minor);
}

void vap_put_quota(struct buf *b, uint32_t limit, uint32_t current)
{
    tlv_put_u64(b, TLV_QUOTA, pair(limit, current));
}

void vap_put_realm(struct buf *b)
{
    tlv_put_text(b, TLV_REALM, "\"" VAP_REALM "\"");
}

bool vap_value_write(struct buf *b, uint16_t type, const struct vap_message *m, uint32_t *written)
{
    uint32_t has = type_has(type);
    if (!(m->has & has & ~*written))
        return false;
    *written |= has;
    switch (type) {
    case TLV_USERNAME:
        tlv_put(b, type, m->username);
        break;
    case TLV_REALM:
        tlv_put(b, type, m->realm);
        break;
    case TLV_MESSAGE_INTEGRITY:
        tlv_put(b, type, m->integrity);
        break;
    case TLV_ERROR_CODE:
        put_error(b, m->error_code, m->reason);
        break;
    case TLV_CLIENT_NAME:
        tlv_put(b, type, m->client_name);
        break;
    case TLV_CLIENT_HANDLE:
        tlv_put_u32(b, type, m->client_handle);
        break;
    case TLV_PROTOCOL_VERSION:
        vap_put_version(b, m->version_major, m->version_minor);
        break;
    case TLV_CLIENT_LABEL:
        tlv_put(b, type, m->client_label);
        break;
    case TLV_KEEPALIVE:
        tlv_put_u32(b, type, m->keepalive_ms);
        break;
    case TLV_SERVICE_IDENTITY:
        tlv_put_service(b, type, &m->service);
        break;
    case TLV_SERVICE_VERSION:
        tlv_put_u32(b, type, m->service_version);
        break;
    case TLV_SERVICE_CONTENT:
        tlv_put(b, type, m->content);
        break;
    case TLV_SUBSCRIPTION_ID:
        tlv_put_u32(b, type, m->subscription_id);
        break;
    case TLV_CALL_DIRECTION:
        tlv_put_u32(b, type, m->direction);
        break;
    case TLV_START_TIME:
        tlv_put_u64(b, type, m->start_ntp);
        break;
    case TLV_STOP_TIME:
        tlv_put_u64(b, type, m->stop_ntp);
        break;
    case TLV_CALLING_NUM:
        tlv_put_e164(b, type, &m->calling);
        break;
    case TLV_CALLED_NUM:
        tlv_put_e164(b, type, &m->called);
        break;
    case TLV_QUOTA:
        vap_put_quota(b, m->quota_limit, m->quota_current);
        break;
    case TLV_DHT_LIFETIME:
        tlv_put_u32(b, type, m->dht_lifetime_s);
        break;
    default:
        return false;
    }
    return true;
}
