/* The exchange inside the TLS-SRP channel: messages of VAP's attribute syntax (README.md has the bits). Each side first signs the TLS
 * exporter value with its ring key (Hello), which binds the channel to the Node-ID that was looked up: nobody can relay a proof. The
 * originator then asks (Request), the terminator answers (Answer or Refusal). */
#ifndef PVP_EXCHANGE_H
#define PVP_EXCHANGE_H

#include "base/buf.h"
#include "base/e164.h"
#include "base/id.h"
#include "base/reader.h"
#include "base/time.h"

#define PVP_EXPORTER_LABEL "EXPORTER-ime-pvp" /* RFC 5705, without context */
#define PVP_EXPORTER_OCTETS 32
#define PVP_VERSION_MAJOR 1
#define PVP_VERSION_MINOR 0
#define PVP_HEADER_OCTETS 8
#define PVP_MESSAGE_OCTETS_MAX 36864 /* header and attributes: a ValInfo document of just under 32 KiB fits */
#define PVP_CERTIFICATE_OCTETS_MAX 8192
#define PVP_SIGNATURE_OCTETS_MAX 1024

/* Our ring identity and how to check another's: implemented above, with reload's security. */
struct pvp_identity {
    void *ctx;
    struct id node_id;
    struct slice certificate; /* DER; stays valid until replaced as a whole */
    /* Appends the signature over the data. */
    int (*sign)(void *ctx, struct slice data, struct buf *ret_signature);
    /* 0 if the certificate was issued by the ring's authority, is valid now and not banned, holds the Node-ID and made the signature.
     * ERR_AUTH, ERR_EXPIRED, ERR_FORBIDDEN otherwise. */
    int (*verify)(void *ctx, struct slice certificate, const struct id *node_id, struct slice data,
                  struct slice signature, struct wall now);
};

enum pvp_role { PVP_ROLE_ORIGINATOR = 0, PVP_ROLE_TERMINATOR = 1 };

enum pvp_message_type { PVP_HELLO = 1, PVP_REQUEST = 2, PVP_ANSWER = 3, PVP_REFUSAL = 4 };

/* In the ERROR-CODE of a Refusal. */
enum pvp_refusal {
    PVP_REFUSED_MALFORMED = 400,
    PVP_REFUSED_DOMAIN = 403,   /* on the black list, or not on the white list */
    PVP_REFUSED_NUMBER = 404,   /* not served here */
    PVP_REFUSED_IDENTITY = 431, /* the Hello does not hold */
    PVP_REFUSED_VERSION = 478,  /* as VAP's */
    PVP_REFUSED_LATER = 503     /* try later */
};
const char *pvp_refusal_name(unsigned code); /* "domain_refused"; "unknown"; static storage */

/* Slices of the octets decoded, or of the caller's memory when encoding. Which fields count depends on the type. */
struct pvp_message {
    enum pvp_message_type type;
    /* Hello */
    struct id node_id;
    struct slice certificate;
    struct slice signature;
    /* Hello, Request: protocol version */
    uint16_t major;
    uint16_t minor;
    /* Request: the originator's; Answer: the terminator's */
    struct slice domain;
    struct e164 called;   /* Request */
    struct slice valinfo; /* Answer: XML */
    unsigned code;        /* Refusal */
};

/* Appends the message. The buffer's error. */
int pvp_message_encode(const struct pvp_message *m, struct buf *ret_octets);

/* One message at the start of the input. ret_octets: its length. ERR_TRUNCATED while it is incomplete (and could still become good);
 * any other error is final. */
int pvp_message_decode(struct slice input, struct pvp_message *ret_message, size_t *ret_octets,
                       struct fault *ret_fault);

/* What a side signs: context text of its role, its Node-ID, the exporter value. */
#define PVP_SIGNED_OCTETS 64
struct slice pvp_signed_octets(enum pvp_role role, const struct id *node_id,
                               const uint8_t exporter[PVP_EXPORTER_OCTETS], uint8_t octets[PVP_SIGNED_OCTETS]);

/* Appends our Hello. */
int pvp_hello_write(const struct pvp_identity *identity, enum pvp_role role,
                    const uint8_t exporter[PVP_EXPORTER_OCTETS], struct buf *ret_octets);

/* Checks the other side's Hello: the port's verdict. */
int pvp_hello_check(const struct pvp_identity *identity, enum pvp_role role_of_sender, const struct pvp_message *hello,
                    const uint8_t exporter[PVP_EXPORTER_OCTETS], struct wall now);

#endif
