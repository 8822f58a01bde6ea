/* SRTP with libsrtp2. It keeps rollover counters and windows itself and does not give them away; the table of sources here only bounds
 * how many it has. It refuses RTCP that is authenticated but not encrypted. */
#include "base/mem.h"
#include "media/srtp_private.h"

#include <srtp2/srtp.h>
#include <stdatomic.h>

struct srtp_libsrtp {
    struct srtp head;
    srtp_t session;
};

static srtp_t session_of(struct srtp *s)
{
    return ((struct srtp_libsrtp *)s)->session;
}

static enum srtp_result result_of(srtp_err_status_t status)
{
    switch (status) {
    case srtp_err_status_ok:
        return SRTP_GOOD;
    case srtp_err_status_replay_fail:
    case srtp_err_status_replay_old:
        return SRTP_REPLAYED;
    case srtp_err_status_auth_fail:
    case srtp_err_status_cant_check:
        return SRTP_FORGED;
    case srtp_err_status_key_expired:
        return SRTP_OVER;
    case srtp_err_status_bad_param:
    case srtp_err_status_parse_err:
        return SRTP_MALFORMED;
    default:
        return SRTP_FAILED;
    }
}

/* Windows tell nothing here, but that the source is one. */
static enum srtp_result protect(struct srtp *s, srtp_err_status_t (*work)(srtp_t, void *, int *), uint8_t *packet,
                                size_t *octets)
{
    int n = (int)*octets;
    enum srtp_result result = result_of(work(session_of(s), packet, &n));
    if (result == SRTP_GOOD)
        *octets = (size_t)n;
    return result;
}

/* The library decrypts before it has checked the tag of an AEAD suite. */
static enum srtp_result unprotect(struct srtp *s, srtp_err_status_t (*work)(srtp_t, void *, int *), uint8_t *packet,
                                  size_t *octets)
{
    uint8_t as_it_came[SRTP_PACKET_OCTETS_MAX];
    size_t before = *octets;
    memcpy(as_it_came, packet, before);
    enum srtp_result result = protect(s, work, packet, octets);
    if (result != SRTP_GOOD)
        memcpy(packet, as_it_came, before);
    return result;
}

static enum srtp_result rtp_protect(struct srtp *s, struct srtp_source *source, uint8_t *packet, size_t header,
                                    size_t *octets)
{
    (void)source;
    (void)header;
    return protect(s, srtp_protect, packet, octets);
}

static enum srtp_result rtp_unprotect(struct srtp *s, struct srtp_source *source, uint8_t *packet, size_t header,
                                      size_t *octets)
{
    (void)source;
    (void)header;
    return unprotect(s, srtp_unprotect, packet, octets);
}

static enum srtp_result rtcp_protect(struct srtp *s, struct srtp_source *source, uint8_t *packet, size_t *octets)
{
    (void)source;
    return protect(s, srtp_protect_rtcp, packet, octets);
}

static enum srtp_result rtcp_unprotect(struct srtp *s, struct srtp_source *source, uint8_t *packet, size_t *octets)
{
    (void)source;
    return unprotect(s, srtp_unprotect_rtcp, packet, octets);
}

static void libsrtp_free(struct srtp *s)
{
    struct srtp_libsrtp *l = (struct srtp_libsrtp *)s;
    if (l->session)
        srtp_dealloc(l->session);
    mem_free(l);
}

static const struct srtp_ops ops = {
    .rtp_protect = rtp_protect,
    .rtp_unprotect = rtp_unprotect,
    .rtcp_protect = rtcp_protect,
    .rtcp_unprotect = rtcp_unprotect,
    .free = libsrtp_free,
    .gives_state = false,
};

/* The library has one state for the process, which is set up once and stays. */
static bool library_is_ready(void)
{
    static atomic_bool ready;
    if (!atomic_load(&ready))
        atomic_store(&ready, srtp_init() == srtp_err_status_ok);
    return atomic_load(&ready);
}

static int set_policy(enum srtp_suite suite, srtp_policy_t *policy)
{
    switch (suite) {
    case SUITE_AES_CM_128_HMAC_SHA1_80:
        srtp_crypto_policy_set_rtp_default(&policy->rtp);
        srtp_crypto_policy_set_rtcp_default(&policy->rtcp);
        return 0;
    case SUITE_AES_CM_128_HMAC_SHA1_32:
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&policy->rtp);
        srtp_crypto_policy_set_rtcp_default(&policy->rtcp);
        return 0;
    case SUITE_AEAD_AES_128_GCM:
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtcp);
        return 0;
    case SUITE_AEAD_AES_256_GCM:
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtp);
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtcp);
        return 0;
    default:
        return ERR_UNSUPPORTED;
    }
}

int srtp_libsrtp_new(const struct srtp_master *master, enum srtp_direction direction, struct srtp **ret_srtp)
{
    srtp_policy_t policy = {0};
    int err = set_policy(master->suite, &policy);
    if (err)
        return err;
    if (!library_is_ready())
        return ERR_CRYPTO;
    struct srtp_libsrtp *l = mem_alloc(sizeof *l);
    if (!l)
        return ERR_NO_MEMORY;
    uint8_t key[SRTP_MASTER_OCTETS_MAX];
    memcpy(key, master->octets, sizeof key);
    policy.key = key; /* the library takes it as writable, and copies it */
    policy.ssrc.type = direction == SRTP_PROTECTS ? ssrc_any_outbound : ssrc_any_inbound;
    policy.window_size = SRTP_WINDOW_PACKETS;
    srtp_begin(&l->head, &ops, master->suite, direction, master->lifetime);
    err = srtp_create(&l->session, &policy) == srtp_err_status_ok ? 0 : ERR_CRYPTO;
    mem_wipe(key, sizeof key);
    if (err)
        libsrtp_free(&l->head);
    else
        *ret_srtp = &l->head;
    return err;
}
