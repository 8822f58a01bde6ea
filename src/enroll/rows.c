/* What the store holds, octet by octet: tokens, certificates, the authority; and reading all of it at start. */
#include "enroll/internal.h"

#include "base/mem.h"
#include "base/reader.h"
#include "base/text.h"

#define ROW_VERSION 1
#define CERTIFICATE_ROW_VERSION 2 /* 1: without `first` and `allowed` */
#define ROW_OCTETS_MAX 65536

void names_encode(const struct names *names, struct buf *ret_octets)
{
    buf_u8(ret_octets, (uint8_t)names->n);
    for (size_t i = 0; i < names->n; i++)
        buf_opaque(ret_octets, 1, slice_str(names->texts[i]));
}

static char *text_of(struct slice s)
{
    char *text = memchr(s.p ? s.p : (const uint8_t *)"", 0, s.n) ? NULL : mem_alloc(s.n + 1);
    if (text && s.n)
        memcpy(text, s.p, s.n);
    return text;
}

int names_decode(struct slice octets, struct names *ret_names)
{
    struct reader r;
    struct names names = {0};
    reader_init(&r, octets);
    size_t n = read_u8(&r, "number of names");
    int err = n > ENROLL_NAMES_MAX ? ERR_RANGE : 0;
    while (!err && names.n < n) {
        struct slice name = read_opaque(&r, 1, "name");
        err = r.err;
        if (!err && !(names.texts[names.n] = text_of(name)))
            err = ERR_NO_MEMORY;
        if (!err)
            names.n++;
    }
    if (!err)
        err = reader_end(&r, "end of names");
    if (err) {
        names_free(&names);
        return err;
    }
    *ret_names = names;
    return 0;
}

void names_free(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        mem_free(names->texts[i]);
    names->n = 0;
}

int token_encode(const struct token *token, struct buf *ret_row)
{
    struct buf names;
    buf_init(&names, ROW_OCTETS_MAX);
    names_encode(&token->names, &names);
    buf_u8(ret_row, ROW_VERSION);
    buf_put(ret_row, token->id, sizeof token->id);
    buf_put(ret_row, token->digest, sizeof token->digest);
    buf_opaque(ret_row, 1, slice_str(token->server_id));
    buf_opaque(ret_row, 2, buf_slice(&names));
    buf_u8(ret_row, (uint8_t)token->node_ids);
    buf_u8(ret_row, (uint8_t)token->state);
    buf_u64(ret_row, (uint64_t)token->created.ms);
    buf_u64(ret_row, (uint64_t)token->expires.ms);
    buf_put(ret_row, token->serial, sizeof token->serial);
    int err = names.err ? names.err : ret_row->err;
    buf_fini(&names);
    return err;
}

int token_decode(struct slice row, struct token **ret_token)
{
    struct token *token = mem_alloc(sizeof *token);
    if (!token)
        return ERR_NO_MEMORY;
    struct reader r;
    list_init(&token->link);
    reader_init(&r, row);
    uint8_t version = read_u8(&r, "version");
    read_copy(&r, token->id, sizeof token->id, "id");
    read_copy(&r, token->digest, sizeof token->digest, "digest");
    struct slice server_id = read_opaque(&r, 1, "server ID");
    struct slice names = read_opaque(&r, 2, "names");
    token->node_ids = read_u8(&r, "number of Node-IDs");
    uint8_t state = read_u8(&r, "state");
    token->created.ms = (int64_t)read_u64(&r, "created");
    token->expires.ms = (int64_t)read_u64(&r, "expires");
    read_copy(&r, token->serial, sizeof token->serial, "serial number");
    int err = reader_end(&r, "end of row");
    if (!err &&
        (version != ROW_VERSION || server_id.n > ENROLL_SERVER_ID_OCTETS_MAX || memchr(server_id.p, 0, server_id.n) ||
         token->node_ids < 1 || token->node_ids > CERT_NODE_IDS_MAX || state > TOKEN_REVOKED))
        err = ERR_SYNTAX;
    if (!err)
        err = names_decode(names, &token->names);
    if (err) {
        mem_free(token);
        return err;
    }
    memcpy(token->server_id, server_id.p, server_id.n);
    token->state = (enum token_state)state;
    *ret_token = token;
    return 0;
}

void token_free(struct token *token)
{
    if (!token)
        return;
    names_free(&token->names);
    mem_free(token);
}

int certificate_encode(const struct certificate_row *row, struct buf *ret_row)
{
    buf_u8(ret_row, CERTIFICATE_ROW_VERSION);
    buf_opaque(ret_row, 1, row->server_id);
    buf_u64(ret_row, (uint64_t)row->issued_at.ms);
    buf_u8(ret_row, row->first);
    buf_u8(ret_row, row->allowed);
    buf_opaque(ret_row, 2, row->names);
    buf_opaque(ret_row, 2, row->der);
    return ret_row->err;
}

int certificate_decode(struct slice row, struct certificate_row *ret_row)
{
    struct reader r;
    struct certificate_row out = {0};
    reader_init(&r, row);
    uint8_t version = read_u8(&r, "version");
    out.server_id = read_opaque(&r, 1, "server ID");
    out.issued_at.ms = (int64_t)read_u64(&r, "issued at");
    if (version != 1) {
        out.first = read_u8(&r, "number of its first Node-ID");
        out.allowed = read_u8(&r, "Node-IDs allowed");
    }
    out.names = read_opaque(&r, 2, "names");
    out.der = read_opaque(&r, 2, "certificate");
    int err = reader_end(&r, "end of row");
    if (!err && (version < 1 || version > CERTIFICATE_ROW_VERSION || out.first >= CERT_NODE_IDS_MAX ||
                 out.server_id.n > ENROLL_SERVER_ID_OCTETS_MAX))
        err = ERR_SYNTAX;
    if (!err)
        *ret_row = out;
    return err;
}

/* ---- at start ---- */

static int damaged(const struct enroll *e, const char *what, struct slice key, int err)
{
    char hex[2 * 64 + 1] = "";
    if (key.n <= 64)
        hex_format(key, hex);
    log_event(e->ports.log, LEVEL_ERROR, "enroll.row.damaged", "what=%s key=%s error=%s", what, hex, err_name(err));
    return err == ERR_NO_MEMORY ? err : ERR_SYNTAX;
}

static int load_token(void *arg, struct slice key, struct slice value)
{
    struct enroll *e = arg;
    struct token *token;
    int err = token_decode(value, &token);
    if (!err && !slice_eq(key, slice_of(token->id, sizeof token->id)))
        err = ERR_SYNTAX;
    else if (!err)
        err = token_add(e, token);
    return err ? damaged(e, "token", key, err) : 0;
}

/* The holder's Node-IDs are those of its certificates; each of them has a part of the list. */
static int adopt_node_ids(struct enroll *e, struct holder *holder, size_t first, const struct cert *cert)
{
    struct id ids[CERT_NODE_IDS_MAX];
    size_t n = cert_node_ids(cert, slice_str(e->options.overlay), ids, CERT_NODE_IDS_MAX);
    if (n == 0 || first + n > CERT_NODE_IDS_MAX)
        return ERR_SYNTAX;
    for (size_t i = 0; i < n; i++) {
        struct id *place = &holder->node_ids[first + i];
        if (!id_is_zero(*place)) {
            if (!id_eq(*place, ids[i]))
                return ERR_SYNTAX;
            continue;
        }
        int err = map_set(&e->node_ids, id_slice(&ids[i]), holder);
        if (err)
            return err;
        *place = ids[i];
        if (holder->node_id_count <= first + i)
            holder->node_id_count = first + i + 1;
    }
    return 0;
}

static int load_certificate(void *arg, struct slice key, struct slice value)
{
    struct enroll *e = arg;
    struct certificate_row row;
    struct cert *cert = NULL;
    struct issued *issued;
    int err = certificate_decode(value, &row);
    if (!err && key.n != SERIAL_OCTETS)
        err = ERR_SYNTAX;
    if (!err)
        err = cert_from_der(row.der, &cert);
    struct holder *holder = err ? NULL : holder_find(e, row.server_id);
    if (!err && !holder)
        err = holder_new(e, row.server_id, &holder);
    if (!err)
        err = adopt_node_ids(e, holder, row.first, cert);
    if (!err)
        err = issued_new(e, holder, cert, row.first, key.p, row.issued_at, &issued);
    if (!err && row.allowed > holder->allowed)
        holder->allowed = row.allowed;
    cert_free(cert);
    return err ? damaged(e, "certificate", key, err) : 0;
}

int enroll_load(struct enroll *e)
{
    int err = authority_load(e);
    if (err && err != ERR_NOT_FOUND)
        return damaged(e, "authority", slice_str(""), err);
    err = document_load(e);
    if (err && err != ERR_NOT_FOUND)
        return damaged(e, "configuration", slice_str(""), err);
    err = kv_scan(e->ports.kv, KV_ENROLL_CERTIFICATE, load_certificate, e);
    if (!err)
        err = kv_scan(e->ports.kv, KV_ENROLL_TOKEN, load_token, e);
    return err;
}
