/* SRTP with OpenSSL's ciphers. */
#include "base/mem.h"
#include "crypt/aes.h"
#include "crypt/hmac.h"
#include "media/srtp_private.h"

/* RTP's keys, or RTCP's: contexts that are keyed once. */
struct transform {
    struct aes_ctr *ctr; /* of the AES_CM suites, with mac; else NULL */
    struct aes_gcm *gcm; /* of the AEAD suites */
    struct hmac_sha1_key mac;
    uint8_t salt[SRTP_SALT_OCTETS_MAX];
};

struct srtp_openssl {
    struct srtp head;
    struct transform rtp;
    struct transform rtcp;
};

#define RTCP_TAG_OCTETS 10 /* of the AES_CM suites: RFC 4568 section 6.2 */

static struct srtp_openssl *openssl_of(struct srtp *s)
{
    return (struct srtp_openssl *)s;
}

/* RFC 3711 section 4.1.1: (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16). */
static void cm_counter(const struct transform *t, uint32_t ssrc, uint64_t index, uint8_t ret_counter[AES_BLOCK_OCTETS])
{
    memcpy(ret_counter, t->salt, SRTP_SALT_OCTETS_MAX);
    ret_counter[14] = 0;
    ret_counter[15] = 0;
    srtp_put_u32(ret_counter + 4, srtp_get_u32(ret_counter + 4) ^ ssrc);
    srtp_put_u32(ret_counter + 8, srtp_get_u32(ret_counter + 8) ^ (uint32_t)(index >> 16));
    ret_counter[12] ^= (uint8_t)(index >> 8);
    ret_counter[13] ^= (uint8_t)index;
}

/* RFC 7714 section 8.1: SSRC, rollover counter, sequence number; section 9.1: SSRC, 16 bits of zero, index. Both are the SSRC and a number of
 * 48 bits. */
static void gcm_nonce(const struct transform *t, uint32_t ssrc, uint64_t index, uint8_t ret_nonce[AES_GCM_NONCE_OCTETS])
{
    memcpy(ret_nonce, t->salt, AES_GCM_NONCE_OCTETS);
    srtp_put_u32(ret_nonce + 2, srtp_get_u32(ret_nonce + 2) ^ ssrc);
    srtp_put_u32(ret_nonce + 6, srtp_get_u32(ret_nonce + 6) ^ (uint32_t)(index >> 16));
    ret_nonce[10] ^= (uint8_t)(index >> 8);
    ret_nonce[11] ^= (uint8_t)index;
}

static struct slice nothing(void)
{
    return slice_of(NULL, 0);
}

/* Section 4.2: the tag of RTP is over the packet and the rollover counter. */
static void rtp_mac(const struct transform *t, const uint8_t *packet, size_t octets, uint64_t index,
                    uint8_t ret_mac[SHA1_OCTETS])
{
    uint8_t roc[4];
    srtp_put_u32(roc, (uint32_t)(index >> 16));
    hmac_sha1_keyed(&t->mac, slice_of(packet, octets), slice_of(roc, sizeof roc), ret_mac);
}

static enum srtp_result result_of(int err)
{
    return !err ? SRTP_GOOD : err == ERR_AUTH ? SRTP_FORGED : SRTP_FAILED;
}

static enum srtp_result rtp_protect(struct srtp *s, struct srtp_source *source, uint8_t *packet, size_t header,
                                    size_t *octets)
{
    struct transform *t = &openssl_of(s)->rtp;
    uint64_t index = srtp_window_index(&source->rtp, srtp_get_u16(packet + 2));
    if (!srtp_window_is_fresh(&source->rtp, index))
        return SRTP_REPLAYED;
    if (index > SRTP_RTP_INDEX_MAX)
        return SRTP_OVER;
    int err;
    if (t->gcm) {
        uint8_t nonce[AES_GCM_NONCE_OCTETS];
        gcm_nonce(t, source->ssrc, index, nonce);
        err = aes_gcm_seal(t->gcm, nonce, slice_of(packet, header), nothing(), packet + header, *octets - header,
                           packet + *octets);
    } else {
        uint8_t counter[AES_BLOCK_OCTETS], mac[SHA1_OCTETS];
        cm_counter(t, source->ssrc, index, counter);
        err = aes_ctr_apply(t->ctr, counter, packet + header, *octets - header);
        rtp_mac(t, packet, *octets, index, mac);
        memcpy(packet + *octets, mac, s->rtp_overhead);
    }
    if (err)
        return SRTP_FAILED;
    *octets += s->rtp_overhead;
    srtp_window_mark(&source->rtp, index);
    return SRTP_GOOD;
}

/* Checks and decrypts a packet whose index is thought to be this one. */
static int rtp_open(struct srtp *s, uint32_t ssrc, uint64_t index, uint8_t *packet, size_t header, size_t plain)
{
    struct transform *t = &openssl_of(s)->rtp;
    if (t->gcm) {
        uint8_t nonce[AES_GCM_NONCE_OCTETS];
        gcm_nonce(t, ssrc, index, nonce);
        return aes_gcm_open(t->gcm, nonce, slice_of(packet, header), nothing(), packet + header, plain - header,
                            packet + plain);
    }
    uint8_t counter[AES_BLOCK_OCTETS], mac[SHA1_OCTETS];
    rtp_mac(t, packet, plain, index, mac);
    if (!mem_equal_secret(mac, packet + plain, s->rtp_overhead))
        return ERR_AUTH;
    cm_counter(t, ssrc, index, counter);
    return aes_ctr_apply(t->ctr, counter, packet + header, plain - header);
}

/* The first packet under a new key: its rollover counter goes on (RFC 3711 section 3.3.1), or its sender has begun again with 0. */
static enum srtp_result rtp_unprotect_first(struct srtp *s, struct srtp_source *source, uint8_t *packet, size_t header,
                                            size_t *octets)
{
    size_t plain = *octets - s->rtp_overhead;
    uint16_t seq = srtp_get_u16(packet + 2);
    uint64_t index = srtp_window_index(&source->rtp, seq);
    int err = index > SRTP_RTP_INDEX_MAX ? ERR_AUTH : rtp_open(s, source->ssrc, index, packet, header, plain);
    if (err == ERR_AUTH && index != seq) {
        index = seq;
        err = rtp_open(s, source->ssrc, index, packet, header, plain);
    }
    if (err)
        return result_of(err);
    *octets = plain;
    source->rtp_follows = false;
    srtp_window_begin(&source->rtp, index);
    return SRTP_GOOD;
}

static enum srtp_result rtp_unprotect(struct srtp *s, struct srtp_source *source, uint8_t *packet, size_t header,
                                      size_t *octets)
{
    if (source->rtp_follows)
        return rtp_unprotect_first(s, source, packet, header, octets);
    uint64_t index = srtp_window_index(&source->rtp, srtp_get_u16(packet + 2));
    if (!srtp_window_is_fresh(&source->rtp, index))
        return SRTP_REPLAYED;
    if (index > SRTP_RTP_INDEX_MAX)
        return SRTP_OVER;
    int err = rtp_open(s, source->ssrc, index, packet, header, *octets - s->rtp_overhead);
    if (err)
        return result_of(err);
    *octets -= s->rtp_overhead;
    srtp_window_mark(&source->rtp, index);
    return SRTP_GOOD;
}

static enum srtp_result rtcp_protect(struct srtp *s, struct srtp_source *source, uint8_t *packet, size_t *octets)
{
    struct transform *t = &openssl_of(s)->rtcp;
    /* RFC 3711 section 3.4: 0 first, then one more each time. */
    uint64_t index = srtp_window_begun(&source->rtcp) ? source->rtcp.newest + 1 : s->rtcp_first;
    if (index > SRTP_RTCP_INDEX_MAX)
        return SRTP_OVER;
    uint8_t word[SRTP_RTCP_INDEX_OCTETS];
    srtp_put_u32(word, SRTP_RTCP_E_FLAG | (uint32_t)index);
    uint8_t *data = packet + SRTP_RTCP_HEADER_OCTETS, *end = packet + *octets;
    size_t data_octets = *octets - SRTP_RTCP_HEADER_OCTETS;
    int err;
    if (t->gcm) {
        uint8_t nonce[AES_GCM_NONCE_OCTETS];
        gcm_nonce(t, source->ssrc, index, nonce);
        err = aes_gcm_seal(t->gcm, nonce, slice_of(packet, SRTP_RTCP_HEADER_OCTETS), slice_of(word, sizeof word), data,
                           data_octets, end);
        memcpy(end + AES_GCM_TAG_OCTETS, word, sizeof word);
    } else {
        uint8_t counter[AES_BLOCK_OCTETS], mac[SHA1_OCTETS];
        cm_counter(t, source->ssrc, index, counter);
        err = aes_ctr_apply(t->ctr, counter, data, data_octets);
        memcpy(end, word, sizeof word);
        hmac_sha1_keyed(&t->mac, slice_of(packet, *octets + sizeof word), nothing(), mac);
        memcpy(end + sizeof word, mac, RTCP_TAG_OCTETS);
    }
    if (err)
        return SRTP_FAILED;
    *octets += s->rtcp_overhead;
    srtp_window_mark(&source->rtcp, index);
    return SRTP_GOOD;
}

/* RFC 7714 section 9: the tag is before the index. Without encryption everything is authenticated only (section 9.3). */
static int rtcp_open_gcm(struct transform *t, uint32_t ssrc, uint8_t *packet, size_t plain, const uint8_t *word)
{
    uint8_t nonce[AES_GCM_NONCE_OCTETS];
    bool encrypted = srtp_get_u32(word) & SRTP_RTCP_E_FLAG;
    size_t clear = encrypted ? SRTP_RTCP_HEADER_OCTETS : plain;
    gcm_nonce(t, ssrc, srtp_get_u32(word) & SRTP_RTCP_INDEX_MAX, nonce);
    return aes_gcm_open(t->gcm, nonce, slice_of(packet, clear), slice_of(word, SRTP_RTCP_INDEX_OCTETS), packet + clear,
                        plain - clear, packet + plain);
}

/* RFC 3711 section 3.4: the tag is behind the index, over all before it. */
static int rtcp_open_cm(struct transform *t, uint32_t ssrc, uint8_t *packet, size_t plain, const uint8_t *word)
{
    uint8_t counter[AES_BLOCK_OCTETS], mac[SHA1_OCTETS];
    hmac_sha1_keyed(&t->mac, slice_of(packet, plain + SRTP_RTCP_INDEX_OCTETS), nothing(), mac);
    if (!mem_equal_secret(mac, word + SRTP_RTCP_INDEX_OCTETS, RTCP_TAG_OCTETS))
        return ERR_AUTH;
    if (!(srtp_get_u32(word) & SRTP_RTCP_E_FLAG))
        return 0;
    cm_counter(t, ssrc, srtp_get_u32(word) & SRTP_RTCP_INDEX_MAX, counter);
    return aes_ctr_apply(t->ctr, counter, packet + SRTP_RTCP_HEADER_OCTETS, plain - SRTP_RTCP_HEADER_OCTETS);
}

static enum srtp_result rtcp_unprotect(struct srtp *s, struct srtp_source *source, uint8_t *packet, size_t *octets)
{
    struct transform *t = &openssl_of(s)->rtcp;
    size_t plain = *octets - s->rtcp_overhead;
    const uint8_t *word = packet + plain + (t->gcm ? AES_GCM_TAG_OCTETS : 0);
    uint64_t index = srtp_get_u32(word) & SRTP_RTCP_INDEX_MAX;
    if (!source->rtcp_follows && !srtp_window_is_fresh(&source->rtcp, index))
        return SRTP_REPLAYED;
    int err = t->gcm ? rtcp_open_gcm(t, source->ssrc, packet, plain, word)
                     : rtcp_open_cm(t, source->ssrc, packet, plain, word);
    if (err)
        return result_of(err);
    *octets = plain;
    if (source->rtcp_follows)
        srtp_window_begin(&source->rtcp, index);
    else
        srtp_window_mark(&source->rtcp, index);
    source->rtcp_follows = false;
    return SRTP_GOOD;
}

static void transform_fini(struct transform *t)
{
    aes_ctr_free(t->ctr);
    aes_gcm_free(t->gcm);
    mem_wipe(t, sizeof *t);
}

static int transform_init(struct transform *t, enum srtp_suite suite, bool protects, const struct srtp_keys *keys)
{
    struct slice key = slice_of(keys->key, srtp_suite_key_octets(suite));
    memcpy(t->salt, keys->salt, srtp_suite_salt_octets(suite));
    if (suite == SUITE_AEAD_AES_128_GCM || suite == SUITE_AEAD_AES_256_GCM)
        return aes_gcm_new(key, protects, &t->gcm);
    int err = hmac_sha1_key_init(slice_of(keys->auth, sizeof keys->auth), &t->mac);
    return err ? err : aes_ctr_new(key, &t->ctr);
}

static void openssl_free(struct srtp *s)
{
    struct srtp_openssl *o = openssl_of(s);
    transform_fini(&o->rtp);
    transform_fini(&o->rtcp);
    mem_free(o);
}

static const struct srtp_ops ops = {
    .rtp_protect = rtp_protect,
    .rtp_unprotect = rtp_unprotect,
    .rtcp_protect = rtcp_protect,
    .rtcp_unprotect = rtcp_unprotect,
    .free = openssl_free,
    .gives_state = true,
};

int srtp_openssl_keyed(enum srtp_suite suite, enum srtp_direction direction, const struct srtp_keys *rtp,
                       const struct srtp_keys *rtcp, struct srtp **ret_srtp)
{
    struct srtp_openssl *o = mem_alloc(sizeof *o);
    if (!o)
        return ERR_NO_MEMORY;
    srtp_begin(&o->head, &ops, suite, direction, 0);
    int err = transform_init(&o->rtp, suite, direction == SRTP_PROTECTS, rtp);
    if (!err)
        err = transform_init(&o->rtcp, suite, direction == SRTP_PROTECTS, rtcp);
    if (err)
        openssl_free(&o->head);
    else
        *ret_srtp = &o->head;
    return err;
}

int srtp_openssl_new(const struct srtp_master *master, enum srtp_direction direction, struct srtp **ret_srtp)
{
    struct srtp_keys rtp, rtcp;
    struct srtp *s;
    int err = srtp_derive(master, &rtp, &rtcp);
    if (!err)
        err = srtp_openssl_keyed(master->suite, direction, &rtp, &rtcp, &s);
    mem_wipe(&rtp, sizeof rtp);
    mem_wipe(&rtcp, sizeof rtcp);
    if (err)
        return err;
    srtp_begin(s, s->ops, master->suite, direction, master->lifetime);
    *ret_srtp = s;
    return 0;
}
