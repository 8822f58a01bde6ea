/* Three descriptions, each behind a zero octet: what a phone was told, what a trunk says, what the phone offers later. Whatever they are, what is written
 * can be read again, is a next description of the session (RFC 3264 8) or an answer that fits its offer (6), and errors leave everything as it was. */
#include "sip/sdp_carry.h"

#include <stdlib.h>

#define PARTS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool good)
{
    if (!good)
        abort();
}

/* What was written last, and was noted. It follows `before` unless that is NULL. */
static struct sip_sdp written(struct region *region, const struct sip_sdp_told *t, const struct buf *out,
                              const struct sip_sdp *before)
{
    struct sip_sdp sdp = {.line_count = 0};
    need(slice_eq(buf_slice(out), sip_sdp_told_text(t)));
    struct slice copy = region_copy(region, buf_slice(out));
    need(copy.p && sip_sdp_parse(region, copy, &sdp, NULL) == 0);
    need(!before || sip_sdp_check_next(before, &sdp, NULL) == 0);
    return sdp;
}

static void need_refused(const struct sip_sdp_told *t, const struct buf *out, struct slice before, int err)
{
    need(err == ERR_NOT_FOUND || err == ERR_CONFLICT || err == ERR_WRONG_STATE || err == ERR_LIMIT);
    need(out->n == 0 && slice_eq(sip_sdp_told_text(t), before));
}

/* The same m-lines in the same order; the direction is one that the offer allows. */
static void need_answer(const struct sip_sdp *offer, const struct sip_sdp *answer)
{
    need(sip_sdp_check_answer(offer, answer, NULL) == 0);
}

static void try_offer(struct region *region, struct slice told, const struct sip_sdp *from, const struct sip_sdp *back)
{
    struct sip_sdp_told t;
    struct sip_sdp before;
    struct buf out;
    sip_sdp_told_init(&t);
    buf_init(&out, 1 << 20);
    if (sip_sdp_parse(region, told, &before, NULL) < 0 || sip_sdp_told_note(&t, told) < 0)
        return;
    int err = sip_sdp_carry_offer(&t, region, from, &out, NULL);
    if (err) {
        need_refused(&t, &out, told, err);
    } else {
        struct sip_sdp moved = written(region, &t, &out, &before);
        struct slice moved_text = moved.octets;
        need(moved.media_count == before.media_count && sip_sdp_audio(&moved) == sip_sdp_audio(&before));
        buf_clear(&out);
        err = sip_sdp_told_pass(&t, region, back, NULL, &out, NULL);
        if (err)
            need_refused(&t, &out, moved_text, err);
        else
            written(region, &t, &out, &moved);
    }
    sip_sdp_told_fini(&t);
    buf_fini(&out);
}

static void try_answers(struct region *region, const struct sip_sdp *offer, const struct sip_sdp *from)
{
    static const struct addr address = {.family = 6, .port = 20000, .ip = {0x20, 1, 0xd, 0xb8, [15] = 1}};
    const struct sip_sdp_own own = {.address = &address, .session_id = 1};
    struct sip_sdp_told t;
    struct sip_sdp_stream stream;
    struct buf out;
    sip_sdp_told_init(&t);
    buf_init(&out, 1 << 20);
    int err = sip_sdp_own_answer(&t, region, offer, &own, &out, NULL);
    if (err) {
        need_refused(&t, &out, (struct slice){NULL, 0}, err);
    } else {
        struct sip_sdp answer = written(region, &t, &out, NULL);
        need_answer(offer, &answer);
        need(sip_sdp_stream(&answer, offer, &stream) == 0);
    }
    buf_clear(&out);
    struct slice before = region_copy(region, sip_sdp_told_text(&t));
    err = sip_sdp_carry_answer(&t, region, offer, from, &out, NULL);
    if (err) {
        need_refused(&t, &out, before, err);
    } else {
        struct sip_sdp answer = written(region, &t, &out, NULL);
        need_answer(offer, &answer);
    }
    sip_sdp_told_fini(&t);
    buf_clear(&out);
    if (sip_sdp_own_offer(&t, region, from, &own, &out, NULL) == 0) {
        struct sip_sdp first = written(region, &t, &out, NULL);
        need(sip_sdp_codecs_in_common(&first, from) > 0);
    }
    sip_sdp_told_fini(&t);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice parts[PARTS] = {{NULL, 0}};
    struct sip_sdp sdps[PARTS];
    struct region region;
    bool good = true;
    for (unsigned i = 0; i < PARTS; i++) {
        const uint8_t *end = size ? memchr(data, 0, size) : NULL;
        size_t n = end && i < PARTS - 1 ? (size_t)(end - data) : size;
        parts[i] = slice_of(data, n);
        n += n < size;
        data += n;
        size -= n;
    }
    region_init(&region, 64 << 20);
    for (unsigned i = 1; i < PARTS; i++)
        good = good && sip_sdp_parse(&region, parts[i], &sdps[i], NULL) == 0;
    if (good) {
        try_offer(&region, parts[0], &sdps[1], &sdps[2]);
        try_answers(&region, &sdps[2], &sdps[1]);
    }
    region_fini(&region);
    return 0;
}
