/* Revocation lists from files that somebody else wrote: whatever the octets, no crash, and no verdict without a signature. */
#include "crypt/crl.h"
#include "crypt/native.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct wall now = {1750000000000};

/* An authority of the name that the corpus has, with a key that signed none of it. */
static const struct cert *authority(void)
{
    static struct cert *cert;
    static const uint8_t serial[16] = {1};
    struct key *key;
    if (cert)
        return cert;
    if (key_generate(KEY_EC_P256, &key) != 0 ||
        cert_issue_authority(key, "authority", now, wall_after_ms(now, 1000), serial, &cert) != 0)
        abort();
    key_free(key);
    return cert;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct crl_set *set;
    if (crl_set_new(&set) != 0)
        abort();
    int err = crl_set_add(set, slice_of(data, size));
    if (err == 0 && crl_set_count(set) == 0)
        abort();
    if (crl_set_judge(set, cert_native(authority()), cert_native(authority()), now) != CRL_NONE)
        abort();
    (void)crl_set_ends_at(set);
    crl_set_free(set);
    return 0;
}
