/* Signatures of configuration documents and Kinds: a SecurityBlock over exactly the octets of an element (RFC 6940 section 11.1). */
#ifndef RELOAD_CONFIG_SIGNATURE_H
#define RELOAD_CONFIG_SIGNATURE_H

#include "reload/config.h"
#include "reload/security.h"

/* Who may have signed. */
struct config_signers {
    const struct trust *trust;
    struct slice overlay;
    const struct id *nodes;
    size_t node_count;
    const struct config *bans;
};

/* 0, ERR_SYNTAX, ERR_UNSUPPORTED, ERR_NOT_FOUND (no certificate), ERR_AUTH, ERR_EXPIRED, ERR_FORBIDDEN, ERR_NO_MEMORY. */
int config_signature_verify(const struct config_signers *signers, struct slice octets, struct slice block,
                            struct wall now);

/* Appends the SecurityBlock. ERR_FORBIDDEN if none of the nodes is the certificate's. */
int config_signature_make(const struct config_signers *signers, struct slice octets, const struct key *key,
                          const struct cert *certificate, struct buf *ret_block);

/* The authorities of a configuration. ERR_SYNTAX if one is no certificate. */
int config_trust(const struct config *config, struct trust **ret_trust);

#endif
