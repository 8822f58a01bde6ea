/* A whole RELOAD message, RFC 6940 6.3: forwarding header, contents, security block, and the octets that its signature covers.
 * Rules of decoding and ownership as in reload/header.h. The body is decoded apart (reload/body.h), after the signature has been
 * verified. */
#ifndef RELOAD_MESSAGE_H
#define RELOAD_MESSAGE_H

#include "reload/header.h"

#define RELOAD_EXTENSIONS_MAX 16   /* MessageExtensions of a message */
#define RELOAD_CERTIFICATES_MAX 64 /* certificates of a security block */

/* MessageExtension, 6.3.3. None is defined: all are carried as they are. */
struct reload_extension {
    uint16_t type;
    bool critical;
    struct slice contents;
};

/* MessageContents, 6.3.3. */
struct reload_contents {
    uint16_t code; /* enum reload_code, or unknown */
    struct slice body;
    const struct reload_extension *extensions;
    size_t extension_count;
};

/* GenericCertificate, 6.3.4. */
struct reload_certificate {
    uint8_t type; /* RELOAD_CERTIFICATE_X509 */
    struct slice octets;
};

/* SignerIdentity, 6.3.4. */
struct reload_identity {
    uint8_t type; /* enum reload_identity_type, or a later one */
    uint8_t hash_algorithm;
    struct slice hash;  /* CERT_HASH: H(certificate); CERT_HASH_NODE_ID: H(NodeId || certificate) */
    struct slice other; /* a later type's value as it stands */
};

/* Signature, 6.3.4. Algorithms {0, 0} with identity NONE and an empty value mark a value made up by the storing peer (7.4.2.2). */
struct reload_signature {
    uint8_t hash_algorithm;
    uint8_t signature_algorithm;
    struct reload_identity identity;
    struct slice value;
};

/* SecurityBlock, 6.3.4. */
struct reload_security {
    const struct reload_certificate *certificates;
    size_t certificate_count;
    struct reload_signature signature;
};

struct reload_message {
    struct reload_header header;
    struct reload_contents contents;
    struct reload_security security;
    /* Of a decoded message; not used by encoders. */
    struct slice contents_octets; /* MessageContents as received, for the signature */
    size_t body_octet;            /* where the body begins in the message, for faults */
};

/* The octets must be one whole message: a fragment is ERR_WRONG_STATE (reassemble first: reload/fragment.h). */
int reload_message_decode(struct slice octets, struct region *region, struct reload_message *ret_message,
                          struct fault *ret_fault);

/* Contents and security block are encoded from the struct; the header's length is computed. */
int reload_message_encode(const struct reload_message *message, struct buf *out);

/* The same with contents that are encoded already (they had to be, to be signed). */
int reload_message_encode_signed(const struct reload_header *header, struct slice contents,
                                 const struct reload_security *security, struct buf *out);

int reload_contents_encode(const struct reload_contents *contents, struct buf *out);
int reload_security_encode(const struct reload_security *security, struct buf *out);

/* A SecurityBlock alone, as signatures of the configuration document are. */
int reload_security_decode(struct slice octets, struct region *region, struct reload_security *ret_security,
                           struct fault *ret_fault);
int reload_signature_encode(const struct reload_signature *signature, struct buf *out);
int reload_identity_encode(const struct reload_identity *identity, struct buf *out);

/* What the signature of a message covers (6.3.4): overlay || transaction_id || MessageContents || SignerIdentity. */
int reload_message_signed_octets(uint32_t overlay, uint64_t transaction_id, struct slice contents,
                                 const struct reload_identity *identity, struct buf *out);

#endif
