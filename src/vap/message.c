/* Decodes messages as a whole, encodes them again, and builds new ones (section 4). */
#include "vap/message.h"

#include "base/mem.h"
#include "vap/value.h"

/* Figure 3: the class bits sit between the bits of the method. */
static uint16_t message_type(uint16_t method, enum vap_class kind)
{
    unsigned m = method;
    unsigned c = kind;
    return (uint16_t)((m & 0x00fu) | (c & 1u) << 4 | (m & 0x070u) << 1 | (c & 2u) << 7 | (m & 0xf80u) << 2);
}

static uint16_t type_method(uint16_t type)
{
    return (uint16_t)((type & 0x000fu) | (type & 0x00e0u) >> 1 | (type & 0x3e00u) >> 2);
}

static unsigned type_class(uint16_t type)
{
    return (type >> 4 & 1u) | (type >> 7 & 2u);
}

static void read_header(struct reader *r, size_t octets, struct vap_message *m)
{
    uint16_t type = read_u16(r, "message type, VAP 4");
    if (!r->err && type & 0xc000)
        reader_fail_at(r, ERR_SYNTAX, 0, "the two top bits are zero, VAP 4");
    uint16_t length = read_u16(r, "message length, VAP 4");
    if (!r->err && length % 4)
        reader_fail_at(r, ERR_SYNTAX, 2, "message length is a multiple of 4, VAP 4");
    if (read_u32(r, "magic cookie, VAP 4") != VAP_MAGIC_COOKIE && !r->err)
        reader_fail_at(r, ERR_SYNTAX, 4, "magic cookie is 0x41666679, VAP 4");
    read_copy(r, m->transaction.octets, VAP_TRANSACTION_OCTETS, "transaction id, VAP 4");
    unsigned kind = type_class(type);
    if (!r->err && kind != VAP_REQUEST && kind != VAP_SUCCESS && kind != VAP_ERROR)
        reader_fail_at(r, ERR_SYNTAX, 0, "message class is request, success or error, VAP 4");
    if (r->err)
        return;
    m->header = true;
    m->method = type_method(type);
    m->kind = (enum vap_class)kind;
    if (octets - VAP_HEADER_OCTETS < length)
        reader_fail_at(r, ERR_TRUNCATED, 2, "message length goes beyond the end, VAP 4");
    else if (octets - VAP_HEADER_OCTETS > length)
        reader_fail_at(r, ERR_SYNTAX, VAP_HEADER_OCTETS + (size_t)length,
                       "the message ends where its length says, VAP 4");
}

/* The first fault counts, but a bad value does not hide the integrity behind it: the sender of a bad request may be known. */
static void read_value(const struct tlv_attr *a, struct vap_message *m, struct reader *first_fault)
{
    struct reader value;
    reader_init(&value, m->octets);
    vap_value_read(&value, a, m);
    if (value.err)
        reader_fail_at(first_fault, value.err, value.fault.octet, value.fault.rule);
}

int vap_decode(struct slice octets, struct vap_message *ret_message, struct fault *ret_fault)
{
    struct vap_message *m = ret_message;
    struct reader r;
    struct reader values;
    struct tlv_attr a;

    *m = (struct vap_message){.octets = octets};
    reader_init(&r, octets);
    reader_init(&values, octets);
    read_header(&r, octets.n, m);
    while (tlv_next(&r, TLV_PADDING_ANY, &a)) {
        if (m->has & VAP_HAS_INTEGRITY) {
            reader_fail_at(&r, ERR_SYNTAX, a.octet, "MESSAGE-INTEGRITY is the last attribute, VAP 10.3.3");
            break;
        }
        if (m->attr_count == VAP_ATTRS_MAX) {
            reader_fail_at(&r, ERR_LIMIT, a.octet, "too many attributes");
            break;
        }
        m->attrs[m->attr_count++] = a;
        read_value(&a, m, &values);
    }
    if (r.err && !values.err)
        values = r;
    if (values.err)
        *ret_fault = values.fault;
    return values.err;
}

void vap_encode(const struct vap_message *m, struct buf *ret_octets)
{
    size_t mark = vap_begin(ret_octets, (enum vap_method)m->method, m->kind, &m->transaction);
    uint32_t written = 0;
    for (size_t i = 0; i < m->attr_count; i++) {
        const struct tlv_attr *a = &m->attrs[i];
        size_t begin = ret_octets->n;
        if (!vap_value_write(ret_octets, a->type, m, &written))
            tlv_put(ret_octets, a->type, a->value);
        /* A sender may pad with anything. */
        if (!ret_octets->err && a->padding.n && ret_octets->n - begin == tlv_octets(a->value.n))
            memcpy(ret_octets->p + ret_octets->n - a->padding.n, a->padding.p, a->padding.n);
    }
    vap_end(ret_octets, mark);
}

size_t vap_begin(struct buf *b, enum vap_method method, enum vap_class kind, const struct vap_transaction *transaction)
{
    size_t mark = b->n;
    buf_u16(b, message_type((uint16_t)method, kind));
    buf_u16(b, 0);
    buf_u32(b, VAP_MAGIC_COOKIE);
    buf_put(b, transaction->octets, VAP_TRANSACTION_OCTETS);
    return mark;
}

static void set_length(struct buf *b, size_t mark, size_t octets)
{
    if (b->err)
        return;
    if (octets > UINT16_MAX) {
        b->err = ERR_RANGE;
        return;
    }
    b->p[mark + 2] = (uint8_t)(octets >> 8);
    b->p[mark + 3] = (uint8_t)octets;
}

void vap_end(struct buf *b, size_t mark)
{
    set_length(b, mark, b->n - mark - VAP_HEADER_OCTETS);
}

/* "That text is then padded with zeroes so as to be a multiple of 64 bytes." (10.3.3) */
static size_t integrity_padding(size_t octets)
{
    return (64 - octets % 64) % 64;
}

void vap_end_signed(struct buf *b, size_t mark, const struct vap_key *key)
{
    static const uint8_t zeros[64];
    uint8_t mac[SHA1_OCTETS];
    size_t octets = b->n - mark;
    /* The length counts the attribute that is still to come. */
    set_length(b, mark, octets - VAP_HEADER_OCTETS + tlv_octets(VAP_INTEGRITY_OCTETS));
    if (b->err)
        return;
    hmac_sha1_keyed(&key->mac, slice_of(b->p + mark, octets), slice_of(zeros, integrity_padding(octets)), mac);
    tlv_put(b, TLV_MESSAGE_INTEGRITY, slice_of(mac, sizeof mac));
}

int vap_check_integrity(const struct vap_message *m, const struct vap_key *key)
{
    static const uint8_t zeros[64];
    uint8_t mac[SHA1_OCTETS];
    if (!(m->has & VAP_HAS_INTEGRITY))
        return ERR_NOT_FOUND;
    const struct slice covered = slice_of(m->octets.p, m->integrity_octet);
    hmac_sha1_keyed(&key->mac, covered, slice_of(zeros, integrity_padding(covered.n)), mac);
    return mem_equal_secret(mac, m->integrity.p, sizeof mac) ? 0 : ERR_AUTH;
}

/* "with any quotes and trailing nulls removed" (10.3.3) */
static void put_unquoted(struct buf *b, struct slice s)
{
    while (s.n && s.p[s.n - 1] == 0)
        s.n--;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '"')
            buf_u8(b, s.p[i]);
}

int vap_key_derive(struct slice user, struct slice realm, struct slice password, struct vap_key *ret_key)
{
    struct buf text;
    buf_init(&text, user.n + realm.n + password.n + 2);
    put_unquoted(&text, user);
    buf_u8(&text, ':');
    put_unquoted(&text, realm);
    buf_u8(&text, ':');
    while (password.n && password.p[password.n - 1] == 0)
        password.n--;
    buf_slice_put(&text, password);
    int err = text.err;
    if (!err) {
        digest_md5(buf_slice(&text), ret_key->octets);
        err = hmac_sha1_key_init(slice_of(ret_key->octets, sizeof ret_key->octets), &ret_key->mac);
    }
    buf_fini_secret(&text);
    return err;
}

bool vap_realm_is_good(struct slice realm)
{
    if (realm.n >= 2 && realm.p[0] == '"' && realm.p[realm.n - 1] == '"')
        realm = slice_of(realm.p + 1, realm.n - 2);
    return slice_eq_str(realm, VAP_REALM);
}
