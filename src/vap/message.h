/* VAP messages (draft-jennings-vipr-vap-02 sections 4, 5.2 and 10.3): header, attributes, integrity. Pure functions on octets. */
#ifndef VAP_MESSAGE_H
#define VAP_MESSAGE_H

#include "base/buf.h"
#include "base/e164.h"
#include "base/reader.h"
#include "crypt/hmac.h"
#include "tlv/tlv.h"

#define VAP_PORT 5620
#define VAP_HEADER_OCTETS 20
#define VAP_MAGIC_COOKIE 0x41666679u
#define VAP_MESSAGE_OCTETS_MAX (VAP_HEADER_OCTETS + 65532)
#define VAP_ATTRS_MAX 32             /* per message; the largest of the draft has 11 */
#define VAP_CONTENT_OCTETS_MAX 32767 /* ServiceContent is less than 32k, section 10.3.12 */
#define VAP_USERNAME_OCTETS_MAX 255
#define VAP_REASON_OCTETS_MAX 255
#define VAP_INTEGRITY_OCTETS 20
#define VAP_REALM "ViPR"
#define VAP_VERSION_MAJOR 1
#define VAP_VERSION_MINOR 0

/* Section 4, figure 4. */
enum vap_method {
    VAP_REGISTER = 0x001,
    VAP_UNREGISTER = 0x002,
    VAP_PUBLISH = 0x004,
    VAP_UNPUBLISH = 0x005,
    VAP_PUBLISH_REVOKE = 0x006,
    VAP_SUBSCRIBE = 0x007,
    VAP_UNSUBSCRIBE = 0x008,
    VAP_NOTIFY = 0x00a,
    VAP_UPLOAD_VCR = 0x00b
};

/* The class bits C1 C0; 01 is not used. */
enum vap_class { VAP_REQUEST = 0, VAP_SUCCESS = 2, VAP_ERROR = 3 };

/* Section 10.3.4; 403, 413, 500 and 503, for our rules and limits, in the sense that RFC 3261 gives them. */
enum vap_code {
    VAP_CODE_NONE = 0,
    VAP_BAD_REQUEST = 400,
    VAP_FORBIDDEN = 403,
    VAP_TOO_LARGE = 413,
    VAP_INTEGRITY_CHECK_FAILURE = 431,
    VAP_UNKNOWN_USERNAME = 436,
    VAP_BAD_CLIENT_HANDLE = 471,
    VAP_VERSION_TOO_LOW = 472,
    VAP_UNREGISTERED = 474,
    VAP_UNKNOWN_SUBSCRIPTION = 476,
    VAP_ALREADY_REGISTERED = 477,
    VAP_UNSUPPORTED_VERSION = 478,
    VAP_PUBLICATION_FAILED = 481,
    VAP_SERVER_ERROR = 500,
    VAP_OVERLOADED = 503
};

/* Section 10.3.14. */
enum vap_direction { VAP_RECEIVED = 0, VAP_SENT = 1 };

/* The draft's words; NULL for an unknown method, "unknown" for an unknown code. Static storage. */
const char *vap_method_name(unsigned method);
const char *vap_class_name(enum vap_class kind);
const char *vap_code_reason(unsigned code);

#define VAP_TRANSACTION_OCTETS 12

struct vap_transaction {
    uint8_t octets[VAP_TRANSACTION_OCTETS];
};

/* A voice call record as it travels in UploadVCR (section 8.6). */
struct vap_vcr {
    uint64_t vservice_id;
    enum vap_direction direction;
    struct e164 calling; /* "": withheld or lost on the way */
    struct e164 called;
    uint64_t start_ntp;
    uint64_t stop_ntp;
};

/* Which of the values below a message carried. */
enum vap_has {
    VAP_HAS_ERROR = 1 << 0,
    VAP_HAS_NAME = 1 << 1,
    VAP_HAS_HANDLE = 1 << 2,
    VAP_HAS_VERSION = 1 << 3,
    VAP_HAS_LABEL = 1 << 4,
    VAP_HAS_KEEPALIVE = 1 << 5,
    VAP_HAS_SERVICE = 1 << 6,
    VAP_HAS_SERVICE_VERSION = 1 << 7,
    VAP_HAS_CONTENT = 1 << 8,
    VAP_HAS_SUBSCRIPTION = 1 << 9,
    VAP_HAS_DIRECTION = 1 << 10,
    VAP_HAS_START = 1 << 11,
    VAP_HAS_STOP = 1 << 12,
    VAP_HAS_CALLING = 1 << 13,
    VAP_HAS_CALLED = 1 << 14,
    VAP_HAS_QUOTA = 1 << 15,
    VAP_HAS_LIFETIME = 1 << 16,
    VAP_HAS_USERNAME = 1 << 17,
    VAP_HAS_REALM = 1 << 18,
    VAP_HAS_INTEGRITY = 1 << 19
};

/* A decoded message. Slices point into the octets that were decoded. Of attributes that come twice, the first counts. */
struct vap_message {
    struct slice octets; /* the whole message */
    bool header;         /* the header is good: method, kind and transaction are set */
    uint16_t method;     /* of 12 bits; perhaps none of enum vap_method */
    enum vap_class kind;
    struct vap_transaction transaction;

    struct tlv_attr attrs[VAP_ATTRS_MAX]; /* all, in order, unknown ones too */
    size_t attr_count;
    uint32_t has; /* enum vap_has */

    struct slice username;
    struct slice realm;     /* as sent: with quotes or without */
    struct slice integrity; /* VAP_INTEGRITY_OCTETS */
    size_t integrity_octet; /* where the attribute begins */
    uint16_t error_code;
    struct slice reason;
    struct slice client_name;
    uint32_t client_handle;
    uint16_t version_major;
    uint16_t version_minor;
    struct slice client_label;
    uint32_t keepalive_ms;
    struct service_identity service;
    uint32_t service_version;
    struct slice content;
    uint32_t subscription_id;
    enum vap_direction direction;
    uint64_t start_ntp;
    uint64_t stop_ntp;
    struct e164 calling; /* empty also when sent empty */
    struct e164 called;
    uint32_t quota_limit;
    uint32_t quota_current;
    uint32_t dht_lifetime_s;
};

/* Decodes exactly one message. On failure ERR_TRUNCATED, ERR_SYNTAX, ERR_RANGE or ERR_LIMIT with the fault; the message then holds what
 * came before the fault, so that a 400 can be sent if `header` is set. */
int vap_decode(struct slice octets, struct vap_message *ret_message, struct fault *ret_fault);

/* Writes the message anew from its values: for octets that vap_decode took, the same octets. */
void vap_encode(const struct vap_message *m, struct buf *ret_octets);

/* Building: begin, attributes with tlv_put_…, end. Nothing else may be written to the buffer in between; the mark is its length before. */
size_t vap_begin(struct buf *b, enum vap_method method, enum vap_class kind, const struct vap_transaction *transaction);
void vap_put_error(struct buf *b, unsigned code, const char *reason);
void vap_put_version(struct buf *b, uint16_t major, uint16_t minor);
void vap_put_quota(struct buf *b, uint32_t limit, uint32_t current);

/* REALM is sent in quotes (section 10.3.2). */
void vap_put_realm(struct buf *b);

/* A message without integrity (431, 436). */
void vap_end(struct buf *b, size_t mark);

/* The key of MESSAGE-INTEGRITY (section 10.3.3): a secret, as good as the password. */
struct vap_key {
    uint8_t octets[16];
    struct hmac_sha1_key mac; /* what of the HMAC depends on them alone */
};

/* 0 or ERR_NO_MEMORY. */
int vap_key_derive(struct slice user, struct slice realm, struct slice password, struct vap_key *ret_key);

/* Appends MESSAGE-INTEGRITY and closes the message. */
void vap_end_signed(struct buf *b, size_t mark, const struct vap_key *key);

/* 0; ERR_NOT_FOUND without the attribute; ERR_AUTH when it is wrong. Takes the same time wherever it differs. */
int vap_check_integrity(const struct vap_message *m, const struct vap_key *key);

/* True for ViPR with or without quotes. */
bool vap_realm_is_good(struct slice realm);

/* Cuts a byte stream into messages. */
struct vap_framer {
    struct buf partial; /* a message of which some octets are missing */
    size_t limit;
    size_t skip; /* octets still to come of a message that is too large */
    bool give;   /* partial was handed out whole and is emptied at the next call */
};

void vap_framer_init(struct vap_framer *f, size_t message_octets_max);
void vap_framer_fini(struct vap_framer *f);

/* Takes octets off the input. 1 with a whole message, valid until the next call or until the input changes; 0 when the input is used up;
 * ERR_LIMIT with only the header of a message above the limit, whose rest will be skipped: go on; ERR_SYNTAX when this is no VAP: give
 * the connection up. */
int vap_framer_next(struct vap_framer *f, struct slice *input, struct slice *ret_message);

#endif
