/* Tokens: making, finding, checking them. */
#include "enroll/internal.h"

#include "base/mem.h"
#include "base/text.h"

#define ID_TEXT_OCTETS (2 * TOKEN_ID_OCTETS)
#define SECRET_TEXT_OCTETS (2 * TOKEN_SECRET_OCTETS)

static struct slice id_of(const struct token *token)
{
    return slice_of(token->id, sizeof token->id);
}

void token_drop(struct enroll *e, struct token *token)
{
    map_remove(&e->tokens_by_id, id_of(token));
    list_remove(&token->link);
    e->token_count--;
    token_free(token);
}

int token_add(struct enroll *e, struct token *token)
{
    int err = map_set(&e->tokens_by_id, id_of(token), token);
    if (err) {
        token_free(token);
        return err;
    }
    struct list *after = e->tokens.prev;
    while (after != &e->tokens && CONTAINER_OF(after, struct token, link)->created.ms > token->created.ms)
        after = after->prev;
    list_prepend(after, &token->link);
    e->token_count++;
    return 0;
}

struct token *token_find(const struct enroll *e, struct slice id_text)
{
    uint8_t id[TOKEN_ID_OCTETS];
    if (id_text.n != ID_TEXT_OCTETS || hex_parse(id_text, id) != 0)
        return NULL;
    return map_get(&e->tokens_by_id, slice_of(id, sizeof id));
}

void token_make_secret(struct enroll *e, struct token *token, struct buf *ret_text)
{
    uint8_t secret[TOKEN_SECRET_OCTETS];
    do
        entropy_fill(e->ports.entropy, token->id, sizeof token->id);
    while (map_get(&e->tokens_by_id, id_of(token)));
    entropy_fill(e->ports.entropy, secret, sizeof secret);
    digest_sha256(slice_of(secret, sizeof secret), token->digest);
    hex_append(ret_text, id_of(token));
    buf_u8(ret_text, '-');
    hex_append(ret_text, slice_of(secret, sizeof secret));
    mem_wipe(secret, sizeof secret);
}

struct token *token_check(const struct enroll *e, struct slice text)
{
    uint8_t secret[TOKEN_SECRET_OCTETS], digest[SHA256_OCTETS];
    if (text.n != ID_TEXT_OCTETS + 1 + SECRET_TEXT_OCTETS || text.p[ID_TEXT_OCTETS] != '-' ||
        hex_parse(slice_of(text.p + ID_TEXT_OCTETS + 1, SECRET_TEXT_OCTETS), secret) != 0)
        return NULL;
    struct token *token = token_find(e, slice_of(text.p, ID_TEXT_OCTETS));
    digest_sha256(slice_of(secret, sizeof secret), digest);
    mem_wipe(secret, sizeof secret);
    return token && mem_equal_secret(digest, token->digest, sizeof digest) ? token : NULL;
}

const char *token_state_text(const struct token *token, struct wall now)
{
    if (token->state == TOKEN_REVOKED)
        return "revoked";
    if (token->state == TOKEN_USED)
        return "used";
    return token->expires.ms <= now.ms ? "expired" : "open";
}

int token_put(struct enroll *e, const struct token *token)
{
    struct buf row;
    buf_init(&row, 65536);
    int err = token_encode(token, &row);
    if (!err)
        err = kv_put(e->ports.kv, KV_ENROLL_TOKEN, id_of(token), buf_slice(&row));
    buf_fini(&row);
    return err;
}
