/* Message contents and security block, RFC 6940 6.3.3 and 6.3.4. */
#include "reload/message.h"

#include "reload/codec.h"

/* ---- contents ---- */

static void read_contents(struct reader *r, struct region *region, struct reload_message *m)
{
    size_t start = r->at;
    struct reload_contents *c = &m->contents;
    c->code = read_u16(r, "message_code, RFC 6940 6.3.3");
    if (!r->err && c->code == 0)
        reader_fail_at(r, ERR_RANGE, start, "message_code, RFC 6940 6.3.3");
    m->body_octet = r->at + 4;
    c->body = read_opaque(r, 4, "message_body, RFC 6940 6.3.3");
    struct reader list = read_sub_opaque(r, 4, "extensions, RFC 6940 6.3.3");
    struct reload_array extensions = {0};
    while (reader_left(&list)) {
        size_t at = list.at;
        struct reload_extension *e = reload_array_next(&extensions, &list, region, sizeof *e, RELOAD_EXTENSIONS_MAX,
                                                       "number of extensions, RFC 6940 6.3.3");
        if (!e)
            break;
        e->type = read_u16(&list, "extension type, RFC 6940 6.3.3");
        e->critical = reload_read_bool(&list, "extension critical, RFC 6940 6.3.3");
        e->contents = read_opaque(&list, 4, "extension_contents, RFC 6940 6.3.3");
        if (e->type == 0)
            reader_fail_at(&list, ERR_RANGE, at, "extension type, RFC 6940 6.3.3");
    }
    reader_close(r, &list, "extensions, RFC 6940 6.3.3");
    c->extensions = extensions.items;
    c->extension_count = extensions.count;
    if (!r->err)
        m->contents_octets = slice_of(r->base + start, r->at - start);
}

int reload_contents_encode(const struct reload_contents *c, struct buf *out)
{
    buf_u16(out, c->code);
    buf_opaque(out, 4, c->body);
    size_t mark = buf_open(out, 4);
    for (size_t i = 0; i < c->extension_count; i++) {
        buf_u16(out, c->extensions[i].type);
        buf_u8(out, c->extensions[i].critical);
        buf_opaque(out, 4, c->extensions[i].contents);
    }
    buf_close(out, mark, 4);
    return out->err;
}

/* ---- security block ---- */

static void read_identity(struct reader *r, struct reload_identity *identity)
{
    size_t at = r->at;
    identity->type = read_u8(r, "SignerIdentity type, RFC 6940 6.3.4");
    struct reader value = read_sub_opaque(r, 2, "SignerIdentity length, RFC 6940 6.3.4");
    switch (identity->type) {
    case 0:
        reader_fail_at(r, ERR_RANGE, at, "SignerIdentity type, RFC 6940 6.3.4");
        return;
    case RELOAD_IDENTITY_CERT_HASH:
    case RELOAD_IDENTITY_CERT_HASH_NODE_ID:
        identity->hash_algorithm = read_u8(&value, "SignerIdentity hash_alg, RFC 6940 6.3.4");
        identity->hash = read_opaque(&value, 1, "certificate_hash, RFC 6940 6.3.4");
        break;
    case RELOAD_IDENTITY_NONE:
        break;
    default:
        identity->other = read_slice(&value, reader_left(&value), "SignerIdentity value, RFC 6940 6.3.4");
    }
    reader_close(r, &value, "SignerIdentity length, RFC 6940 6.3.4");
}

int reload_identity_encode(const struct reload_identity *identity, struct buf *out)
{
    buf_u8(out, identity->type);
    size_t mark = buf_open(out, 2);
    if (identity->type == RELOAD_IDENTITY_CERT_HASH || identity->type == RELOAD_IDENTITY_CERT_HASH_NODE_ID) {
        buf_u8(out, identity->hash_algorithm);
        buf_opaque(out, 1, identity->hash);
    } else if (identity->type != RELOAD_IDENTITY_NONE) {
        buf_slice_put(out, identity->other);
    }
    buf_close(out, mark, 2);
    return out->err;
}

void reload_read_signature(struct reader *r, struct reload_signature *ret_signature)
{
    ret_signature->hash_algorithm = read_u8(r, "signature hash algorithm, RFC 6940 6.3.4");
    ret_signature->signature_algorithm = read_u8(r, "signature algorithm, RFC 6940 6.3.4");
    read_identity(r, &ret_signature->identity);
    ret_signature->value = read_opaque(r, 2, "signature_value, RFC 6940 6.3.4");
}

int reload_signature_encode(const struct reload_signature *signature, struct buf *out)
{
    buf_u8(out, signature->hash_algorithm);
    buf_u8(out, signature->signature_algorithm);
    reload_identity_encode(&signature->identity, out);
    buf_opaque(out, 2, signature->value);
    return out->err;
}

static void read_security(struct reader *r, struct region *region, struct reload_security *s)
{
    struct reader list = read_sub_opaque(r, 2, "certificates, RFC 6940 6.3.4");
    struct reload_array certificates = {0};
    while (reader_left(&list)) {
        struct reload_certificate *c = reload_array_next(
            &certificates, &list, region, sizeof *c, RELOAD_CERTIFICATES_MAX, "number of certificates, RFC 6940 6.3.4");
        if (!c)
            break;
        c->type = read_u8(&list, "certificate type, RFC 6940 6.3.4");
        c->octets = read_opaque(&list, 2, "certificate, RFC 6940 6.3.4");
    }
    reader_close(r, &list, "certificates, RFC 6940 6.3.4");
    s->certificates = certificates.items;
    s->certificate_count = certificates.count;
    reload_read_signature(r, &s->signature);
}

int reload_security_decode(struct slice octets, struct region *region, struct reload_security *ret_security,
                           struct fault *ret_fault)
{
    struct reload_security security = {0};
    struct reader r;
    reader_init(&r, octets);
    read_security(&r, region, &security);
    if (reader_end(&r, "octets behind the security block, RFC 6940 6.3.4"))
        return reload_fault(&r, ret_fault);
    *ret_security = security;
    return 0;
}

int reload_security_encode(const struct reload_security *s, struct buf *out)
{
    size_t mark = buf_open(out, 2);
    for (size_t i = 0; i < s->certificate_count; i++) {
        buf_u8(out, s->certificates[i].type);
        buf_opaque(out, 2, s->certificates[i].octets);
    }
    buf_close(out, mark, 2);
    return reload_signature_encode(&s->signature, out);
}

/* ---- the whole ---- */

int reload_message_decode(struct slice octets, struct region *region, struct reload_message *ret_message,
                          struct fault *ret_fault)
{
    struct reload_message m = {0};
    int err = reload_header_decode(octets, region, &m.header, ret_fault);
    if (err)
        return err;
    if (!reload_header_is_whole(&m.header)) {
        *ret_fault = (struct fault){RELOAD_FRAGMENT_OCTET, "fragment of a message, RFC 6940 6.7"};
        return ERR_WRONG_STATE;
    }
    struct reader r;
    reader_init(&r, octets);
    r.at = m.header.octets;
    read_contents(&r, region, &m);
    read_security(&r, region, &m.security);
    if (reader_end(&r, "octets behind the security block, RFC 6940 6.3"))
        return reload_fault(&r, ret_fault);
    *ret_message = m;
    return 0;
}

static size_t contents_octets(const struct reload_contents *c)
{
    size_t n = 2 + 4 + c->body.n + 4;
    for (size_t i = 0; i < c->extension_count; i++)
        n += 2 + 1 + 4 + c->extensions[i].contents.n;
    return n;
}

static size_t security_octets(const struct reload_security *s)
{
    const struct reload_identity *identity = &s->signature.identity;
    size_t n = 2 + 2 + 3 + 2 + s->signature.value.n;
    for (size_t i = 0; i < s->certificate_count; i++)
        n += 3 + s->certificates[i].octets.n;
    if (identity->type == RELOAD_IDENTITY_CERT_HASH || identity->type == RELOAD_IDENTITY_CERT_HASH_NODE_ID)
        n += 2 + identity->hash.n;
    else if (identity->type != RELOAD_IDENTITY_NONE)
        n += identity->other.n;
    return n;
}

int reload_message_encode(const struct reload_message *m, struct buf *out)
{
    reload_header_encode(&m->header, contents_octets(&m->contents) + security_octets(&m->security), out);
    reload_contents_encode(&m->contents, out);
    return reload_security_encode(&m->security, out);
}

int reload_message_encode_signed(const struct reload_header *header, struct slice contents,
                                 const struct reload_security *security, struct buf *out)
{
    reload_header_encode(header, contents.n + security_octets(security), out);
    buf_slice_put(out, contents);
    return reload_security_encode(security, out);
}

int reload_message_signed_octets(uint32_t overlay, uint64_t transaction_id, struct slice contents,
                                 const struct reload_identity *identity, struct buf *out)
{
    buf_u32(out, overlay);
    buf_u64(out, transaction_id);
    buf_slice_put(out, contents);
    return reload_identity_encode(identity, out);
}
