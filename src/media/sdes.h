/* SDP security descriptions (RFC 4568): the value of a=crypto, read, written and answered. What is read or made here holds keys: wipe
 * it with mem_wipe when it is no longer needed. */
#ifndef MEDIA_SDES_H
#define MEDIA_SDES_H

#include "base/buf.h"
#include "base/entropy.h"
#include "media/suite.h"

/* Crypto attributes of one m-line that an offer may have; those behind are not read. */
#define SDES_LINES_MAX 16

struct sdes_crypto {
    uint32_t tag;              /* up to 9 digits: RFC 4568 section 9.1 */
    struct srtp_master master; /* with the lifetime, when there is one */
};

/* One value, behind "a=crypto:": `1 AES_CM_128_HMAC_SHA1_80 inline:BASE64|2^20`. 0; ERR_SYNTAX when it breaks the grammar, or key and
 * salt are not as long as the suite wants; ERR_UNSUPPORTED when it is well formed, but a suite, an MKI, several keys or a mandatory
 * session parameter that we cannot carry: another line may do (section 5.1.2). ret_fault says which octet and rule, in both cases. */
int sdes_parse(struct slice value, struct sdes_crypto *ret_crypto, struct fault *ret_fault);

/* The value of a=crypto, appended; no lifetime and no MKI are written when there are none. 0 or the buffer's error. The buffer's user
 * wipes it (buf_fini_secret). */
int sdes_format(const struct sdes_crypto *crypto, struct buf *ret_value);

/* A fresh master key and salt. */
void sdes_make(const struct entropy *entropy, enum srtp_suite suite, struct srtp_master *ret_master);

/* Chooses from an offer the line whose suite stands first in `preferred`; of several of one suite, the first line. Lines that cannot be
 * read or carried are passed over (section 5.1.2). ERR_NOT_FOUND when none is left; ERR_SYNTAX when all of them break the grammar, or
 * another line has the tag of the chosen one (section 4.1). */
int sdes_choose(const struct slice *values, size_t count, const enum srtp_suite *preferred, size_t preferred_count,
                struct sdes_crypto *ret_chosen, struct fault *ret_fault);

/* Reads the answer's only line. `offered` is what we sent: tag and suite must be those of one of them (section 5.1.3), else
 * ERR_FORBIDDEN. ret_index says which was taken. */
int sdes_check_answer(const struct sdes_crypto *offered, size_t count, struct slice value, size_t *ret_index,
                      struct sdes_crypto *ret_answer, struct fault *ret_fault);

#endif
