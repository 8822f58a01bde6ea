/* Session keys from the master key: RFC 3711 section 4.3; RFC 7714 section 11 for the AEAD suites. */
#include "base/mem.h"
#include "crypt/aes.h"
#include "media/srtp_private.h"

/* RFC 3711 section 4.3.1 and 4.3.2: labels of RTP's keys; those of RTCP follow by 3. */
enum label { LABEL_KEY = 0, LABEL_AUTH = 1, LABEL_SALT = 2, LABEL_RTCP = 3 };

/* Section 4.3.3: key stream from the label over the salt. The index part is 0 with a key derivation rate of 0. */
static int derive(struct aes_ctr *ctr, const uint8_t salt[SRTP_SALT_OCTETS_MAX], unsigned label, uint8_t *ret_key,
                  size_t octets)
{
    uint8_t counter[AES_BLOCK_OCTETS] = {0};
    memcpy(counter, salt, SRTP_SALT_OCTETS_MAX);
    counter[7] ^= (uint8_t)label;
    memset(ret_key, 0, octets);
    return aes_ctr_apply(ctr, counter, ret_key, octets);
}

static int derive_set(struct aes_ctr *ctr, const uint8_t salt[SRTP_SALT_OCTETS_MAX], unsigned first_label,
                      enum srtp_suite suite, struct srtp_keys *ret_keys)
{
    int err = derive(ctr, salt, first_label + LABEL_KEY, ret_keys->key, srtp_suite_key_octets(suite));
    if (!err)
        err = derive(ctr, salt, first_label + LABEL_AUTH, ret_keys->auth, SRTP_AUTH_OCTETS);
    if (!err)
        err = derive(ctr, salt, first_label + LABEL_SALT, ret_keys->salt, srtp_suite_salt_octets(suite));
    return err;
}

int srtp_derive(const struct srtp_master *master, struct srtp_keys *ret_rtp, struct srtp_keys *ret_rtcp)
{
    size_t key_octets = srtp_suite_key_octets(master->suite);
    if (!key_octets)
        return ERR_UNSUPPORTED;
    /* A salt of 96 bits has zeros behind it (RFC 7714 section 11). */
    uint8_t salt[SRTP_SALT_OCTETS_MAX] = {0};
    memcpy(salt, master->octets + key_octets, srtp_suite_salt_octets(master->suite));
    struct aes_ctr *ctr;
    int err = aes_ctr_new(slice_of(master->octets, key_octets), &ctr);
    if (err)
        return err;
    err = derive_set(ctr, salt, 0, master->suite, ret_rtp);
    if (!err)
        err = derive_set(ctr, salt, LABEL_RTCP, master->suite, ret_rtcp);
    aes_ctr_free(ctr);
    mem_wipe(salt, sizeof salt);
    return err;
}
