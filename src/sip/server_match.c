/* What makes a request one of a transaction: RFC 3261 17.2.3, with the rule for peers of RFC 2543; and what makes it a copy of one that came by
 * another way: 8.2.2.2. */
#include "base/text.h"
#include "sip/transaction_core.h"

#define COOKIE "z9hG4bK" /* 8.1.1.7 */

static bool has_cookie(struct slice branch)
{
    const size_t n = sizeof COOKIE - 1;
    return branch.n > n && text_equal_nocase(slice_of(branch.p, n), slice_str(COOKIE));
}

static void put_lower(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        buf_u8(out, c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c);
    }
}

/* No part has an octet 0: the parser refuses those outside of bodies. */
static void put_part(struct buf *out, struct slice part)
{
    buf_slice_put(out, part);
    buf_u8(out, 0);
}

static struct slice finish(const struct buf *key)
{
    return key->err ? slice_of(NULL, 0) : buf_slice(key);
}

/* ACK and CANCEL ask with SIP_INVITE for the transaction that they are about. */
struct slice sip_server_key(struct sip_layer *l, const struct sip_message *request, enum sip_method method)
{
    struct buf *key = &l->key;
    const struct sip_via *via = &request->via;
    buf_clear(key);
    put_part(key, method == SIP_METHOD_OTHER ? request->method_text : slice_str(sip_method_name(method)));
    if (has_cookie(via->branch)) {
        put_part(key, via->branch);
        put_lower(key, via->host);
        buf_u16(key, via->port ? via->port : SIP_PORT);
    } else {
        put_part(key, request->uri);
        put_part(key, request->from.tag);
        put_part(key, request->call_id);
        buf_u32(key, request->cseq.number);
        buf_slice_put(key, via->whole);
    }
    return finish(key);
}

/* By RFC 2543's rule, the To tag belongs to it, too; that of an ACK is of our response. */
struct server *sip_server_match(struct sip_layer *l, const struct sip_message *request, enum sip_method method)
{
    struct slice key = sip_server_key(l, request, method);
    struct transaction *t = key.n ? sip_transaction_find_key(l, key) : NULL;
    if (!t || !t->is_server)
        return NULL;
    struct server *s = CONTAINER_OF(t, struct server, t);
    if (!has_cookie(request->via.branch) && request->method != SIP_ACK && !slice_eq(request->to.tag, s->to_tag))
        return NULL;
    return s;
}

struct slice sip_server_merge_key(struct sip_layer *l, const struct sip_message *request)
{
    struct buf *key = &l->merge;
    buf_clear(key);
    put_part(key, request->from.tag);
    put_part(key, request->call_id);
    put_part(key, request->cseq.method);
    buf_u32(key, request->cseq.number);
    return finish(key);
}

struct server *sip_server_find_merge(struct sip_layer *l, struct slice merge_key)
{
    for (struct link *at = sip_table_first(&l->merges, sip_layer_hash(l, merge_key)); at; at = sip_table_next(at)) {
        struct server *s = CONTAINER_OF(at, struct server, by_merge);
        if (slice_eq(s->merge, merge_key))
            return s;
    }
    return NULL;
}
