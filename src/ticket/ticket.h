/* Tickets: the right of one domain to call one number, granted by the domain that serves the number and checked by its border element.
 * The octets are attributes of VAP's shape in a fixed order (README.md has the table), the text is their base64 (RFC 4648), carried in
 * the SIP header X-Cisco-ViPR-Ticket. A ticket is sealed with the key of an epoch (keyring.h); nobody but its granter can check it. */
#ifndef TICKET_TICKET_H
#define TICKET_TICKET_H

#include "base/buf.h"
#include "base/e164.h"
#include "base/entropy.h"
#include "base/id.h"
#include "base/time.h"

#define TICKET_VERSION 1
#define TICKET_EPOCH_MIN 1
#define TICKET_EPOCH_MAX 255
#define TICKET_KEY_OCTETS 32
#define TICKET_UNIQUE_ID_OCTETS 16
#define TICKET_INTEGRITY_OCTETS 16
#define TICKET_DOMAIN_OCTETS_MAX 253
#define TICKET_OCTETS_MAX 640 /* with both domains as long as can be */
#define TICKET_TEXT_OCTETS_MAX 856

/* Attribute types: a private range that no VAP attribute uses. */
enum ticket_attr {
    TICKET_ATTR_VERSION = 0x6001,         /* u8 */
    TICKET_ATTR_EPOCH = 0x6002,           /* u8 */
    TICKET_ATTR_UNIQUE_ID = 0x6003,       /* 16 octets */
    TICKET_ATTR_NOT_BEFORE = 0x6004,      /* NTP time, u64 */
    TICKET_ATTR_NOT_AFTER = 0x6005,       /* NTP time, u64 */
    TICKET_ATTR_NUMBER = 0x6006,          /* E.164 text */
    TICKET_ATTR_GRANTING_NODE = 0x6007,   /* 16 octets */
    TICKET_ATTR_GRANTING_DOMAIN = 0x6008, /* text, lower case */
    TICKET_ATTR_GRANTED_TO = 0x6009,      /* text, lower case */
    TICKET_ATTR_INTEGRITY = 0x600a        /* 16 octets: HMAC-SHA256 over all octets before this attribute, truncated */
};

/* The name of an attribute type ("not-before"), or NULL. Static storage. */
const char *ticket_attr_name(uint16_t type);

struct ticket {
    uint8_t version;
    uint8_t epoch;
    uint8_t unique_id[TICKET_UNIQUE_ID_OCTETS];
    struct wall not_before;
    struct wall not_after;
    struct e164 number;
    struct id granting_node;
    char granting_domain[TICKET_DOMAIN_OCTETS_MAX + 1];
    char granted_to[TICKET_DOMAIN_OCTETS_MAX + 1];
    uint8_t integrity[TICKET_INTEGRITY_OCTETS];
};

/* Syntax only. Strict: every attribute once, in the order above, zero padding, version 1, epoch 1–255, valid domains and number,
 * not-before before not-after. What decodes is encoded to the same octets again. ERR_TRUNCATED, ERR_SYNTAX, ERR_RANGE, ERR_LIMIT or
 * ERR_UNSUPPORTED (another version); ret_fault (may be NULL) says where. */
int ticket_decode(struct slice octets, struct ticket *ret_ticket, struct fault *ret_fault);

/* The same from base64; octets of a fault count from the decoded octets, except a fault of the base64 itself. */
int ticket_parse(struct slice text, struct ticket *ret_ticket, struct fault *ret_fault);

/* Appends the octets, with the integrity as it stands in the ticket. The buffer's error, or ERR_RANGE for contents that no ticket may have. */
int ticket_encode(const struct ticket *ticket, struct buf *ret_octets);

/* Appends the base64 text. */
int ticket_format(const struct ticket *ticket, struct buf *ret_text);

/* Computes the integrity with the key of the ticket's epoch. 0 or ERR_RANGE, ERR_NO_MEMORY. */
int ticket_seal(struct ticket *ticket, const uint8_t key[TICKET_KEY_OCTETS]);

/* What to grant. Domains are written in lower case. */
struct ticket_grant {
    struct e164 number;
    struct id granting_node;
    struct slice granting_domain;
    struct slice granted_to;
    struct wall not_before;
    struct wall not_after;
};

/* Makes and seals a ticket with a fresh unique id. 0, ERR_RANGE or ERR_NO_MEMORY. */
int ticket_make(const struct ticket_grant *grant, uint8_t epoch, const uint8_t key[TICKET_KEY_OCTETS],
                const struct entropy *entropy, struct ticket *ret_ticket);

/* The verdict on a ticket, in the order of the checks: the first that fails is given. */
enum ticket_verdict {
    TICKET_GOOD,
    TICKET_BAD_SYNTAX,
    TICKET_BAD_EPOCH,     /* no key of that epoch, or its grace period is over */
    TICKET_BAD_INTEGRITY, /* not sealed by us */
    TICKET_NOT_YET_VALID,
    TICKET_EXPIRED,
    TICKET_WRONG_NUMBER,
    TICKET_WRONG_DOMAIN,
    TICKET_REVOKED,
    TICKET_VERDICTS /* how many there are: for arrays of counters */
};

/* "wrong_number", for counters and logs; static storage. */
const char *ticket_verdict_name(enum ticket_verdict verdict);

/* As a sentence part for people; static storage. */
const char *ticket_verdict_text(enum ticket_verdict verdict);

/* The call in question. */
struct ticket_use {
    struct wall now;
    struct slice number; /* of the Request-URI */
    struct slice domain; /* verified from the TLS client certificate */
};

/* Checks with one key: everything but epochs and revocation, for tools that hold a key and no key ring. ret_ticket (may be NULL) is set
 * whenever the syntax is good, so that a refusal can be explained. */
enum ticket_verdict ticket_verify_with_key(struct slice text, const uint8_t key[TICKET_KEY_OCTETS],
                                           const struct ticket_use *use, struct ticket *ret_ticket);

#endif
