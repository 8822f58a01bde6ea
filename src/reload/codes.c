/* The RFC's words for its numbers. */
#include "reload/codes.h"

#include <stddef.h>

struct name {
    uint32_t number;
    const char *text;
};

/* A table ends with an entry without text. */
static const char *find(const struct name *table, uint32_t number)
{
    for (; table->text; table++)
        if (table->number == number)
            return table->text;
    return NULL;
}

const char *reload_code_name(uint16_t code)
{
    static const struct name names[] = {
        {RELOAD_PROBE_REQ, "probe_req"},
        {RELOAD_PROBE_ANS, "probe_ans"},
        {RELOAD_ATTACH_REQ, "attach_req"},
        {RELOAD_ATTACH_ANS, "attach_ans"},
        {RELOAD_STORE_REQ, "store_req"},
        {RELOAD_STORE_ANS, "store_ans"},
        {RELOAD_FETCH_REQ, "fetch_req"},
        {RELOAD_FETCH_ANS, "fetch_ans"},
        {RELOAD_FIND_REQ, "find_req"},
        {RELOAD_FIND_ANS, "find_ans"},
        {RELOAD_JOIN_REQ, "join_req"},
        {RELOAD_JOIN_ANS, "join_ans"},
        {RELOAD_LEAVE_REQ, "leave_req"},
        {RELOAD_LEAVE_ANS, "leave_ans"},
        {RELOAD_UPDATE_REQ, "update_req"},
        {RELOAD_UPDATE_ANS, "update_ans"},
        {RELOAD_ROUTE_QUERY_REQ, "route_query_req"},
        {RELOAD_ROUTE_QUERY_ANS, "route_query_ans"},
        {RELOAD_PING_REQ, "ping_req"},
        {RELOAD_PING_ANS, "ping_ans"},
        {RELOAD_STAT_REQ, "stat_req"},
        {RELOAD_STAT_ANS, "stat_ans"},
        {RELOAD_APP_ATTACH_REQ, "app_attach_req"},
        {RELOAD_APP_ATTACH_ANS, "app_attach_ans"},
        {RELOAD_CONFIG_UPDATE_REQ, "config_update_req"},
        {RELOAD_CONFIG_UPDATE_ANS, "config_update_ans"},
        {RELOAD_EXP_A_REQ, "exp_a_req"},
        {RELOAD_EXP_A_ANS, "exp_a_ans"},
        {RELOAD_EXP_B_REQ, "exp_b_req"},
        {RELOAD_EXP_B_ANS, "exp_b_ans"},
        {RELOAD_ERROR, "error"},
        {0},
    };
    return find(names, code);
}

const char *reload_error_name(uint16_t code)
{
    static const struct name names[] = {
        {RELOAD_ERROR_FORBIDDEN, "Error_Forbidden"},
        {RELOAD_ERROR_NOT_FOUND, "Error_Not_Found"},
        {RELOAD_ERROR_REQUEST_TIMEOUT, "Error_Request_Timeout"},
        {RELOAD_ERROR_GENERATION_COUNTER_TOO_LOW, "Error_Generation_Counter_Too_Low"},
        {RELOAD_ERROR_INCOMPATIBLE_WITH_OVERLAY, "Error_Incompatible_with_Overlay"},
        {RELOAD_ERROR_UNSUPPORTED_FORWARDING_OPTION, "Error_Unsupported_Forwarding_Option"},
        {RELOAD_ERROR_DATA_TOO_LARGE, "Error_Data_Too_Large"},
        {RELOAD_ERROR_DATA_TOO_OLD, "Error_Data_Too_Old"},
        {RELOAD_ERROR_TTL_EXCEEDED, "Error_TTL_Exceeded"},
        {RELOAD_ERROR_MESSAGE_TOO_LARGE, "Error_Message_Too_Large"},
        {RELOAD_ERROR_UNKNOWN_KIND, "Error_Unknown_Kind"},
        {RELOAD_ERROR_UNKNOWN_EXTENSION, "Error_Unknown_Extension"},
        {RELOAD_ERROR_RESPONSE_TOO_LARGE, "Error_Response_Too_Large"},
        {RELOAD_ERROR_CONFIG_TOO_OLD, "Error_Config_Too_Old"},
        {RELOAD_ERROR_CONFIG_TOO_NEW, "Error_Config_Too_New"},
        {RELOAD_ERROR_IN_PROGRESS, "Error_In_Progress"},
        {RELOAD_ERROR_EXP_A, "Error_Exp_A"},
        {RELOAD_ERROR_EXP_B, "Error_Exp_B"},
        {RELOAD_ERROR_INVALID_MESSAGE, "Error_Invalid_Message"},
        {0},
    };
    return find(names, code);
}

const char *reload_destination_name(uint8_t type)
{
    static const struct name names[] = {
        {RELOAD_DESTINATION_NODE, "node"},
        {RELOAD_DESTINATION_RESOURCE, "resource"},
        {RELOAD_DESTINATION_OPAQUE_ID, "opaque_id_type"},
        {0},
    };
    return find(names, type);
}

const char *reload_certificate_type_name(uint8_t type)
{
    static const struct name names[] = {{RELOAD_CERTIFICATE_X509, "X.509"}, {1, "OpenPGP"}, {0}};
    return find(names, type);
}

const char *reload_identity_name(uint8_t type)
{
    static const struct name names[] = {
        {RELOAD_IDENTITY_CERT_HASH, "cert_hash"},
        {RELOAD_IDENTITY_CERT_HASH_NODE_ID, "cert_hash_node_id"},
        {RELOAD_IDENTITY_NONE, "none"},
        {0},
    };
    return find(names, type);
}

const char *reload_hash_name(uint8_t algorithm)
{
    static const struct name names[] = {
        {RELOAD_HASH_NONE, "none"},
        {1, "md5"},
        {RELOAD_HASH_SHA1, "sha1"},
        {3, "sha224"},
        {RELOAD_HASH_SHA256, "sha256"},
        {5, "sha384"},
        {6, "sha512"},
        {0},
    };
    return find(names, algorithm);
}

const char *reload_signature_name(uint8_t algorithm)
{
    static const struct name names[] = {
        {RELOAD_SIGNATURE_ANONYMOUS, "anonymous"},
        {RELOAD_SIGNATURE_RSA, "rsa"},
        {2, "dsa"},
        {RELOAD_SIGNATURE_ECDSA, "ecdsa"},
        {0},
    };
    return find(names, algorithm);
}

const char *reload_address_name(uint8_t type)
{
    static const struct name names[] = {
        {RELOAD_ADDRESS_IPV4, "ipv4_address"},
        {RELOAD_ADDRESS_IPV6, "ipv6_address"},
        {0},
    };
    return find(names, type);
}

const char *reload_link_name(uint8_t type)
{
    static const struct name names[] = {
        {RELOAD_LINK_DTLS_UDP_SR, "DTLS-UDP-SR"},
        {RELOAD_LINK_DTLS_UDP_SR_NO_ICE, "DTLS-UDP-SR-NO-ICE"},
        {RELOAD_LINK_TLS_TCP_FH_NO_ICE, "TLS-TCP-FH-NO-ICE"},
        {5, "EXP-LINK"},
        {0},
    };
    return find(names, type);
}

const char *reload_candidate_name(uint8_t type)
{
    static const struct name names[] = {
        {RELOAD_CANDIDATE_HOST, "host"},
        {RELOAD_CANDIDATE_SRFLX, "srflx"},
        {RELOAD_CANDIDATE_RELAY, "relay"},
        {0},
    };
    return find(names, type);
}

const char *reload_probe_name(uint8_t type)
{
    static const struct name names[] = {
        {RELOAD_PROBE_RESPONSIBLE_SET, "responsible_set"},
        {RELOAD_PROBE_NUM_RESOURCES, "num_resources"},
        {RELOAD_PROBE_UPTIME, "uptime"},
        {4, "exp-probe"},
        {0},
    };
    return find(names, type);
}

const char *reload_config_update_name(uint8_t type)
{
    static const struct name names[] = {
        {RELOAD_CONFIG_UPDATE_CONFIG, "config"},
        {RELOAD_CONFIG_UPDATE_KIND, "kind"},
        {0},
    };
    return find(names, type);
}

const char *reload_chord_update_name(uint8_t type)
{
    static const struct name names[] = {
        {RELOAD_CHORD_PEER_READY, "peer_ready"},
        {RELOAD_CHORD_NEIGHBORS, "neighbors"},
        {RELOAD_CHORD_FULL, "full"},
        {0},
    };
    return find(names, type);
}

const char *reload_chord_leave_name(uint8_t type)
{
    static const struct name names[] = {
        {RELOAD_CHORD_LEAVE_FROM_SUCC, "from_succ"},
        {RELOAD_CHORD_LEAVE_FROM_PRED, "from_pred"},
        {0},
    };
    return find(names, type);
}

const char *reload_frame_name(uint8_t type)
{
    static const struct name names[] = {{RELOAD_FRAME_DATA, "data"}, {RELOAD_FRAME_ACK, "ack"}, {0}};
    return find(names, type);
}

const char *reload_kind_name(uint32_t kind)
{
    static const struct name names[] = {
        {RELOAD_KIND_TURN_SERVICE, "TURN-SERVICE"},
        {RELOAD_KIND_CERTIFICATE_BY_NODE, "CERTIFICATE_BY_NODE"},
        {RELOAD_KIND_CERTIFICATE_BY_USER, "CERTIFICATE_BY_USER"},
        {RELOAD_KIND_VIPR_REGISTRATION, "VIPR-REGISTRATION"},
        {0},
    };
    return find(names, kind);
}
