/* What is agreed in an exchange as octets, and back. */
#include "edge/alg_sdp_private.h"

#include "base/mem.h"
#include "base/reader.h"
#include "media/control_private.h"

#define ROW_VERSION 1

static void encode_told(const struct alg_told *told, struct buf *b)
{
    buf_opaque(b, 1, slice_str(told->name));
    buf_u64(b, told->version);
    buf_u64(b, told->hash);
    media_addr_encode(&told->address, b);
}

static void read_told(struct reader *r, struct alg_told *told)
{
    struct slice name = read_opaque(r, 1, "told: name");
    if (name.n >= sizeof told->name || (name.n && memchr(name.p, 0, name.n)))
        reader_fail(r, ERR_RANGE, "told: name");
    else if (name.n)
        memcpy(told->name, name.p, name.n);
    /* It goes into a line of text as it is. */
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] < ' ' || name.p[i] == 0x7f)
            reader_fail(r, ERR_SYNTAX, "told: name");
    }
    told->version = read_u64(r, "told: version");
    told->hash = read_u64(r, "told: hash");
    media_addr_read(r, &told->address);
}

int alg_sdp_encode(const struct alg_sdp *x, struct buf *out)
{
    buf_u8(out, ROW_VERSION);
    media_session_encode(&x->agreed, out);
    for (unsigned side = 0; side < EDGE_SIDES; side++)
        encode_told(&x->told[side], out);
    buf_u8(out, (uint8_t)x->line_count);
    buf_u8(out, x->is_confirmed);
    return out->err;
}

int alg_sdp_decode(struct slice octets, struct alg_sdp **ret_sdp, struct fault *ret_fault)
{
    struct reader r;
    struct alg_sdp *x = mem_alloc(sizeof *x);
    if (!x)
        return ERR_NO_MEMORY;
    reader_init(&r, octets);
    if (read_u8(&r, "version") != ROW_VERSION)
        reader_fail_at(&r, ERR_UNSUPPORTED, 0, "version");
    media_session_read(&r, &x->agreed);
    for (unsigned side = 0; side < EDGE_SIDES; side++)
        read_told(&r, &x->told[side]);
    x->line_count = media_read_below(&r, SIP_SDP_MEDIA_MAX + 1, "lines");
    x->is_confirmed = media_read_below(&r, 2, "confirmed") == 1;
    if (reader_end(&r, "end") < 0) {
        if (ret_fault)
            *ret_fault = r.fault;
        alg_sdp_free(x);
        return r.err;
    }
    *ret_sdp = x;
    return 0;
}
