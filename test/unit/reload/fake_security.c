/* The security port without cryptography. */
#include "fake_security.h"

#include "base/list.h"
#include "base/mem.h"
#include "crypt/digest.h"

#include <assert.h>

#define MAGIC 0x46
#define BANS_MAX 8

struct known {
    struct security_cert cert;
    struct list link;
    char user[64];
    uint8_t der[1024];
};

struct fake {
    struct security port;
    struct list known;
    const struct security_cert *own;
    struct id bans[BANS_MAX];
    size_t ban_count;
    struct wall not_after;
};

void fake_cert_der(const struct id *nodes, size_t count, const char *user, struct buf *out)
{
    buf_u8(out, MAGIC);
    buf_u8(out, (uint8_t)count);
    for (size_t i = 0; i < count; i++)
        buf_put(out, nodes[i].octets, ID_OCTETS);
    buf_str(out, user);
}

static int judge(const struct fake *f, const struct security_cert *cert, struct wall now)
{
    for (size_t i = 0; i < cert->node_id_count; i++)
        for (size_t j = 0; j < f->ban_count; j++)
            if (id_eq(cert->node_ids[i], f->bans[j]))
                return ERR_FORBIDDEN;
    return now.ms > f->not_after.ms ? ERR_EXPIRED : 0;
}

static struct known *find(struct fake *f, const uint8_t hash[SECURITY_HASH_OCTETS])
{
    LIST_EACH(it, &f->known) {
        struct known *k = CONTAINER_OF(it, struct known, link);
        if (memcmp(k->cert.hash, hash, SECURITY_HASH_OCTETS) == 0)
            return k;
    }
    return NULL;
}

static int fake_lookup(void *ctx, const uint8_t hash[SECURITY_HASH_OCTETS], struct wall now,
                       const struct security_cert **ret_cert)
{
    struct fake *f = ctx;
    const struct known *k = find(f, hash);
    int err = k ? judge(f, &k->cert, now) : ERR_NOT_FOUND;
    if (!err)
        *ret_cert = &k->cert;
    return err;
}

static int fake_admit(void *ctx, struct slice der, struct wall now, const struct security_cert **ret_cert)
{
    struct fake *f = ctx;
    uint8_t hash[SECURITY_HASH_OCTETS];
    digest_sha256(der, hash);
    int err = fake_lookup(ctx, hash, now, ret_cert);
    if (err != ERR_NOT_FOUND)
        return err;
    size_t count = der.n > 1 ? der.p[1] : 0;
    size_t user_at = 2 + count * ID_OCTETS;
    if (!count || count > CERT_NODE_IDS_MAX || der.p[0] != MAGIC || der.n < user_at ||
        der.n >= sizeof(((struct known *)0)->der))
        return ERR_SYNTAX;
    struct known *k = mem_alloc(sizeof *k);
    if (!k)
        return ERR_NO_MEMORY;
    memcpy(k->der, der.p, der.n);
    memcpy(k->user, der.p + user_at, der.n - user_at);
    memcpy(k->cert.hash, hash, sizeof hash);
    memcpy(k->cert.node_ids, der.p + 2, count * ID_OCTETS);
    k->cert.node_id_count = count;
    k->cert.der = slice_of(k->der, der.n);
    k->cert.user = k->user;
    k->cert.not_after = f->not_after;
    k->cert.signature_algorithm = RELOAD_SIGNATURE_ECDSA;
    err = judge(f, &k->cert, now);
    if (err) {
        mem_free(k);
        return err;
    }
    list_append(&f->known, &k->link);
    f->port.counters.certificates_admitted++;
    *ret_cert = &k->cert;
    return 0;
}

static void digest(const struct security_cert *cert, struct slice octets, uint8_t ret_digest[SHA256_OCTETS])
{
    hmac_sha256(slice_of(cert->hash, sizeof cert->hash), octets, ret_digest);
}

static int fake_verify(void *ctx, const struct security_cert *cert, struct slice octets, struct slice signature)
{
    uint8_t expected[SHA256_OCTETS];
    (void)ctx;
    digest(cert, octets, expected);
    return slice_eq(signature, slice_of(expected, sizeof expected)) ? 0 : ERR_AUTH;
}

static int fake_sign(void *ctx, struct slice octets, struct buf *ret_signature)
{
    const struct fake *f = ctx;
    uint8_t value[SHA256_OCTETS];
    digest(f->own, octets, value);
    buf_put(ret_signature, value, sizeof value);
    return ret_signature->err;
}

static void fake_own(void *ctx, struct security_signer *ret_signer)
{
    const struct fake *f = ctx;
    *ret_signer = (struct security_signer){f->own->node_ids[0], f->own};
}

static const struct security_ops fake_ops = {fake_admit, fake_lookup, fake_verify, fake_sign, fake_own};

struct security *fake_security_new(const struct id *nodes, size_t count, const char *user)
{
    struct fake *f = mem_alloc(sizeof *f);
    struct buf der;
    assert(f);
    f->port = (struct security){.ops = &fake_ops, .ctx = f};
    f->not_after.ms = INT64_MAX;
    list_init(&f->known);
    buf_init(&der, 1024);
    fake_cert_der(nodes, count, user, &der);
    int err = fake_admit(f, buf_slice(&der), (struct wall){0}, &f->own);
    assert(err == 0);
    (void)err;
    f->port.counters.certificates_admitted = 0;
    buf_fini(&der);
    return &f->port;
}

void fake_security_free(struct security *security)
{
    struct fake *f = security->ctx;
    for (struct list *link; (link = list_pop(&f->known));)
        mem_free(CONTAINER_OF(link, struct known, link));
    mem_free(f);
}

void fake_security_ban(struct security *security, struct id node)
{
    struct fake *f = security->ctx;
    assert(f->ban_count < BANS_MAX);
    f->bans[f->ban_count++] = node;
}

void fake_security_expire(struct security *security, struct wall not_after)
{
    struct fake *f = security->ctx;
    f->not_after = not_after;
}
