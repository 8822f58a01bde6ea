/* The numbers of RFC 6940 that travel in messages (section 14) and their names for people. Fields keep the raw number, because
 * unknown ones must pass through unchanged. */
#ifndef RELOAD_CODES_H
#define RELOAD_CODES_H

#include <stdbool.h>
#include <stdint.h>

/* Message codes, 14.8. A response is its request plus one. */
enum reload_code {
    RELOAD_PROBE_REQ = 0x01,
    RELOAD_PROBE_ANS = 0x02,
    RELOAD_ATTACH_REQ = 0x03,
    RELOAD_ATTACH_ANS = 0x04,
    RELOAD_STORE_REQ = 0x07,
    RELOAD_STORE_ANS = 0x08,
    RELOAD_FETCH_REQ = 0x09,
    RELOAD_FETCH_ANS = 0x0a,
    RELOAD_FIND_REQ = 0x0d,
    RELOAD_FIND_ANS = 0x0e,
    RELOAD_JOIN_REQ = 0x0f,
    RELOAD_JOIN_ANS = 0x10,
    RELOAD_LEAVE_REQ = 0x11,
    RELOAD_LEAVE_ANS = 0x12,
    RELOAD_UPDATE_REQ = 0x13,
    RELOAD_UPDATE_ANS = 0x14,
    RELOAD_ROUTE_QUERY_REQ = 0x15,
    RELOAD_ROUTE_QUERY_ANS = 0x16,
    RELOAD_PING_REQ = 0x17,
    RELOAD_PING_ANS = 0x18,
    RELOAD_STAT_REQ = 0x19,
    RELOAD_STAT_ANS = 0x1a,
    RELOAD_APP_ATTACH_REQ = 0x1d,
    RELOAD_APP_ATTACH_ANS = 0x1e,
    RELOAD_CONFIG_UPDATE_REQ = 0x21,
    RELOAD_CONFIG_UPDATE_ANS = 0x22,
    RELOAD_EXP_A_REQ = 0x23,
    RELOAD_EXP_A_ANS = 0x24,
    RELOAD_EXP_B_REQ = 0x25,
    RELOAD_EXP_B_ANS = 0x26,
    RELOAD_ERROR = 0xffff,
};

/* Odd codes up to 0x7fff are requests; even ones and 0xffff answer them (6.3.3). */
static inline bool reload_code_is_request(uint16_t code)
{
    return code < 0x8000 && (code & 1);
}

/* Error codes, 14.9. */
enum reload_error_code {
    RELOAD_ERROR_FORBIDDEN = 0x02,
    RELOAD_ERROR_NOT_FOUND = 0x03,
    RELOAD_ERROR_REQUEST_TIMEOUT = 0x04,
    RELOAD_ERROR_GENERATION_COUNTER_TOO_LOW = 0x05,
    RELOAD_ERROR_INCOMPATIBLE_WITH_OVERLAY = 0x06,
    RELOAD_ERROR_UNSUPPORTED_FORWARDING_OPTION = 0x07,
    RELOAD_ERROR_DATA_TOO_LARGE = 0x08,
    RELOAD_ERROR_DATA_TOO_OLD = 0x09,
    RELOAD_ERROR_TTL_EXCEEDED = 0x0a,
    RELOAD_ERROR_MESSAGE_TOO_LARGE = 0x0b,
    RELOAD_ERROR_UNKNOWN_KIND = 0x0c,
    RELOAD_ERROR_UNKNOWN_EXTENSION = 0x0d,
    RELOAD_ERROR_RESPONSE_TOO_LARGE = 0x0e,
    RELOAD_ERROR_CONFIG_TOO_OLD = 0x0f,
    RELOAD_ERROR_CONFIG_TOO_NEW = 0x10,
    RELOAD_ERROR_IN_PROGRESS = 0x11,
    RELOAD_ERROR_EXP_A = 0x12,
    RELOAD_ERROR_EXP_B = 0x13,
    RELOAD_ERROR_INVALID_MESSAGE = 0x14,
};

/* DestinationType, 6.3.2.2. */
enum reload_destination_type {
    RELOAD_DESTINATION_NODE = 1,
    RELOAD_DESTINATION_RESOURCE = 2,
    RELOAD_DESTINATION_OPAQUE_ID = 3,
};

/* ForwardingOption flags, 6.3.2.3. */
enum reload_option_flag {
    RELOAD_FORWARD_CRITICAL = 0x01,
    RELOAD_DESTINATION_CRITICAL = 0x02,
    RELOAD_RESPONSE_COPY = 0x04,
};

/* CertificateType, RFC 6091. */
enum reload_certificate_type {
    RELOAD_CERTIFICATE_X509 = 0,
};

/* SignerIdentityType, 6.3.4. */
enum reload_identity_type {
    RELOAD_IDENTITY_CERT_HASH = 1,
    RELOAD_IDENTITY_CERT_HASH_NODE_ID = 2,
    RELOAD_IDENTITY_NONE = 3,
};

/* HashAlgorithm and SignatureAlgorithm, RFC 5246 7.4.1.4.1. */
enum reload_hash_algorithm {
    RELOAD_HASH_NONE = 0,
    RELOAD_HASH_SHA1 = 2,
    RELOAD_HASH_SHA256 = 4,
};
enum reload_signature_algorithm {
    RELOAD_SIGNATURE_ANONYMOUS = 0,
    RELOAD_SIGNATURE_RSA = 1,
    RELOAD_SIGNATURE_ECDSA = 3,
};

/* AddressType, 6.3.1.1. */
enum reload_address_type {
    RELOAD_ADDRESS_IPV4 = 1,
    RELOAD_ADDRESS_IPV6 = 2,
};

/* OverlayLinkType, 14.10, and CandType, 6.5.1.1. */
enum reload_link_type {
    RELOAD_LINK_DTLS_UDP_SR = 1,
    RELOAD_LINK_DTLS_UDP_SR_NO_ICE = 3,
    RELOAD_LINK_TLS_TCP_FH_NO_ICE = 4,
};
enum reload_candidate_type {
    RELOAD_CANDIDATE_HOST = 1,
    RELOAD_CANDIDATE_SRFLX = 2,
    RELOAD_CANDIDATE_RELAY = 4,
};

/* ProbeInformationType, 14.13. */
enum reload_probe_type {
    RELOAD_PROBE_RESPONSIBLE_SET = 1,
    RELOAD_PROBE_NUM_RESOURCES = 2,
    RELOAD_PROBE_UPTIME = 3,
};

/* ConfigUpdateType, 6.5.4.1. */
enum reload_config_update_type {
    RELOAD_CONFIG_UPDATE_CONFIG = 1,
    RELOAD_CONFIG_UPDATE_KIND = 2,
};

/* ChordUpdateType, 10.7, and ChordLeaveType, 10.9. */
enum reload_chord_update_type {
    RELOAD_CHORD_PEER_READY = 1,
    RELOAD_CHORD_NEIGHBORS = 2,
    RELOAD_CHORD_FULL = 3,
};
enum reload_chord_leave_type {
    RELOAD_CHORD_LEAVE_NONE = 0, /* ours: overlay_specific_data was empty */
    RELOAD_CHORD_LEAVE_FROM_SUCC = 1,
    RELOAD_CHORD_LEAVE_FROM_PRED = 2,
};

/* FramedMessageType, 6.6.2. */
enum reload_frame_type {
    RELOAD_FRAME_DATA = 128,
    RELOAD_FRAME_ACK = 129,
};

/* Kind-IDs, 14.6; the last is this project's, in the private range. */
enum reload_kind {
    RELOAD_KIND_TURN_SERVICE = 0x2,
    RELOAD_KIND_CERTIFICATE_BY_NODE = 0x3,
    RELOAD_KIND_CERTIFICATE_BY_USER = 0x10,
};
#define RELOAD_KIND_VIPR_REGISTRATION 0xf0000001u

/* The RFC's word for each number ("store_req", "Error_Not_Found", "host"), or NULL for one that it does not define. Static
 * storage. */
const char *reload_code_name(uint16_t code);
const char *reload_error_name(uint16_t code);
const char *reload_destination_name(uint8_t type);
const char *reload_certificate_type_name(uint8_t type);
const char *reload_identity_name(uint8_t type);
const char *reload_hash_name(uint8_t algorithm);
const char *reload_signature_name(uint8_t algorithm);
const char *reload_address_name(uint8_t type);
const char *reload_link_name(uint8_t type);
const char *reload_candidate_name(uint8_t type);
const char *reload_probe_name(uint8_t type);
const char *reload_config_update_name(uint8_t type);
const char *reload_chord_update_name(uint8_t type);
const char *reload_chord_leave_name(uint8_t type);
const char *reload_frame_name(uint8_t type);
const char *reload_kind_name(uint32_t kind);

#endif
