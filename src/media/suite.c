/* The table of suites. */
#include "media/suite.h"

#include "base/mem.h"

struct suite {
    const char *name;
    uint8_t key_octets;
    uint8_t salt_octets;
    uint8_t rtp_tag_octets;
    uint8_t rtcp_tag_octets;
};

/* RFC 4568 sections 6.2.1 and 6.2.2, RFC 7714 section 12. */
static const struct suite suites[SUITE_COUNT] = {
    [SUITE_NONE] = {"none", 0, 0, 0, 0},
    [SUITE_AES_CM_128_HMAC_SHA1_80] = {"AES_CM_128_HMAC_SHA1_80", 16, 14, 10, 10},
    [SUITE_AES_CM_128_HMAC_SHA1_32] = {"AES_CM_128_HMAC_SHA1_32", 16, 14, 4, 10},
    [SUITE_AEAD_AES_128_GCM] = {"AEAD_AES_128_GCM", 16, 12, 16, 16},
    [SUITE_AEAD_AES_256_GCM] = {"AEAD_AES_256_GCM", 32, 12, 16, 16},
};

static const struct suite *suite_of(enum srtp_suite suite)
{
    return &suites[(unsigned)suite < SUITE_COUNT ? suite : SUITE_NONE];
}

size_t srtp_suite_key_octets(enum srtp_suite suite)
{
    return suite_of(suite)->key_octets;
}

size_t srtp_suite_salt_octets(enum srtp_suite suite)
{
    return suite_of(suite)->salt_octets;
}

size_t srtp_suite_rtp_overhead(enum srtp_suite suite)
{
    return suite_of(suite)->rtp_tag_octets;
}

size_t srtp_suite_rtcp_overhead(enum srtp_suite suite)
{
    /* RFC 3711 section 3.4: E flag and SRTCP index, 4 octets. */
    size_t tag = suite_of(suite)->rtcp_tag_octets;
    return tag ? tag + 4 : 0;
}

const char *srtp_suite_name(enum srtp_suite suite)
{
    return suite_of(suite)->name;
}

enum srtp_suite srtp_suite_find(struct slice name)
{
    for (unsigned i = SUITE_NONE + 1; i < SUITE_COUNT; i++)
        if (slice_eq_str(name, suites[i].name))
            return (enum srtp_suite)i;
    return SUITE_NONE;
}

bool srtp_master_equal(const struct srtp_master *a, const struct srtp_master *b)
{
    size_t octets = srtp_suite_key_octets(a->suite) + srtp_suite_salt_octets(a->suite);
    return a->suite == b->suite && a->lifetime == b->lifetime && mem_equal_secret(a->octets, b->octets, octets);
}
