/* Which certificate has signed what we have in the ring. A value cannot be read any longer once the certificate of its signature has ended
 * (RFC 6940 5.1, 7.1), or its authority is not trusted any longer: what was stored under the one before, and outlives it, is stored again. The
 * store remembers it, for what a restart interrupts. */
#include "server/internal.h"

#include <stdio.h>

#define SIGNING_KEY_OCTETS 32

struct signing {
    uint8_t hash[SECURITY_HASH_OCTETS]; /* of the certificate in use */
    struct wall end;
    struct wall since;            /* in use */
    struct wall previous_end;     /* of the one before; 0: there was none */
    struct cert_key_id authority; /* of the one in use; none: not known */
};

static struct slice signing_key(const struct node *node, char text[SIGNING_KEY_OCTETS])
{
    if (node->number)
        snprintf(text, SIGNING_KEY_OCTETS, "signing %u", node->number);
    else
        snprintf(text, SIGNING_KEY_OCTETS, "signing");
    return slice_str(text);
}

static int signing_read(const struct node *node, struct signing *ret_signing)
{
    char key[SIGNING_KEY_OCTETS];
    struct slice row;
    struct reader r;
    struct signing signing;
    int err = kv_get(node->server->ports.kv, KV_SERVER_META, signing_key(node, key), &row);
    if (err)
        return err;
    reader_init(&r, row);
    read_copy(&r, signing.hash, sizeof signing.hash, "hash");
    signing.end.ms = (int64_t)read_u64(&r, "end");
    signing.since.ms = (int64_t)read_u64(&r, "since");
    signing.previous_end.ms = (int64_t)read_u64(&r, "end of the one before");
    signing.authority = (struct cert_key_id){{0}};
    if (reader_left(&r)) /* older rows have none */
        read_copy(&r, signing.authority.octets, sizeof signing.authority.octets, "authority");
    err = reader_end(&r, "end of row");
    if (!err)
        *ret_signing = signing;
    return err;
}

static int signing_write(const struct node *node, const struct signing *signing)
{
    char key[SIGNING_KEY_OCTETS];
    struct buf row;
    buf_init(&row, 256);
    buf_put(&row, signing->hash, sizeof signing->hash);
    buf_u64(&row, (uint64_t)signing->end.ms);
    buf_u64(&row, (uint64_t)signing->since.ms);
    buf_u64(&row, (uint64_t)signing->previous_end.ms);
    buf_put(&row, signing->authority.octets, sizeof signing->authority.octets);
    int err =
        row.err ? row.err : kv_put(node->server->ports.kv, KV_SERVER_META, signing_key(node, key), buf_slice(&row));
    buf_fini(&row);
    return err;
}

/* Until when the values of the certificate before are good. The end of an authority that another one has taken the place of is its operator's
 * to choose. */
static struct wall previous_end(const struct server *s, const struct signing *previous, struct cert_key_id authority)
{
    struct wall soon = wall_after_ms(s->now.wall, config_sign_again_ms(s->config));
    bool other = !cert_key_id_is_none(previous->authority) && !cert_key_id_eq(previous->authority, authority);
    return other && previous->end.ms > soon.ms ? soon : previous->end;
}

int signing_check(struct node *node)
{
    struct server *s = node->server;
    const struct security_cert *own = security_own(node->security).cert;
    struct signing signing;
    bool known = signing_read(node, &signing) == 0;
    bool same = known && memcmp(signing.hash, own->hash, sizeof signing.hash) == 0;
    int err = 0;
    if (!same) {
        struct signing next = {.end = own->not_after, .since = s->now.wall, .authority = own->authority};
        memcpy(next.hash, own->hash, sizeof next.hash);
        if (known)
            next.previous_end = previous_end(s, &signing, own->authority);
        signing = next;
        err = signing_write(node, &signing);
    }
    if (!err && signing.previous_end.ms)
        numbers_publisher_sign_again(s->publisher, s->now, node->number, signing.since, signing.previous_end);
    return err;
}
