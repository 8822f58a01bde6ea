/* A certificate authority for tests, and identities that it issues. */
#ifndef TEST_RELOAD_AUTHORITY_H
#define TEST_RELOAD_AUTHORITY_H

#include "crypt/cert.h"
#include "testing.h"

#define OVERLAY "ring.example"
#define DAY_MS (INT64_C(24) * 3600 * 1000)

static const struct wall noon = {INT64_C(1792000000000)};

struct authority {
    struct key *key;
    struct cert *cert;
    uint8_t serials;
};

struct identity {
    struct key *key;
    struct cert *cert;
    struct id node; /* the first one */
};

/* Valid for ten years from a day before noon. */
void authority_init(struct authority *a, const char *name);
void authority_fini(struct authority *a);

/* A certificate of this overlay with consecutive Node-IDs from `first`, valid for so many days around noon's day. */
void authority_issue(struct authority *a, const char *overlay, enum key_type type, uint8_t first, size_t count,
                     const char *user, int days, struct identity *ret_identity);
void identity_fini(struct identity *i);

/* A Node-ID of this octet all over. */
struct id node_filled(uint8_t octet);

#endif
