/* The bodies of all messages of RFC 6940 with CHORD-RELOAD's own (section 10), as one tagged union. Rules of decoding and
 * ownership as in reload/header.h. Unknown message codes and unknown types inside extensible structures are carried as octets. */
#ifndef RELOAD_BODY_H
#define RELOAD_BODY_H

#include "base/addr.h"
#include "reload/data.h"

#define RELOAD_CANDIDATES_MAX 32     /* IceCandidates of an Attach */
#define RELOAD_ICE_EXTENSIONS_MAX 16 /* extensions of a candidate */
#define RELOAD_KIND_BLOCKS_MAX 64    /* Kind descriptions of a ConfigUpdate */
#define RELOAD_NODE_IDS_MAX 4095     /* what 65535 octets hold */

/* A list of Node-IDs; points into the input when decoded. */
struct reload_ids {
    const struct id *items;
    size_t count;
};

/* ErrorResponse, 6.3.3.1. */
struct reload_error {
    uint16_t code; /* enum reload_error_code */
    struct slice
        info; /* UTF-8 for people, except: Generation_Counter_Too_Low has a StoreAns, Unknown_Kind a list of Kinds */
};

/* IpAddressPort, 6.3.1.1. */
struct reload_address {
    uint8_t type; /* enum reload_address_type, or a later one */
    struct addr addr;
    struct slice other; /* a later type's octets */
};
struct reload_address reload_address_of(const struct addr *addr);

/* IceExtension and IceCandidate, 6.5.1.1. */
struct reload_ice_extension {
    struct slice name;
    struct slice value;
};
struct reload_candidate {
    struct reload_address address;
    uint8_t link; /* enum reload_link_type */
    struct slice foundation;
    uint32_t priority;
    uint8_t type;                  /* enum reload_candidate_type */
    struct reload_address related; /* SRFLX, RELAY */
    const struct reload_ice_extension *extensions;
    size_t extension_count;
};

/* AttachReqAns (6.5.1.1), AppAttachReq and AppAttachAns (6.5.2). */
struct reload_attach {
    struct slice ufrag;
    struct slice password;
    uint16_t application; /* AppAttach only: Application-ID */
    struct slice role;    /* "passive" in requests, "active" in answers */
    const struct reload_candidate *candidates;
    size_t candidate_count;
    bool send_update; /* Attach only */
};

/* PingAns, 6.5.3.2. PingReq is its padding. */
struct reload_ping_ans {
    uint64_t response_id;
    uint64_t time_ms; /* since 1970 */
};

/* ConfigUpdateReq, 6.5.4.1. The answer is empty. */
struct reload_config_update {
    uint8_t type;              /* enum reload_config_update_type, or a later one */
    struct slice config_data;  /* CONFIG; or a later type's octets */
    const struct slice *kinds; /* KIND: XML kind-blocks */
    size_t kind_count;
};

/* ProbeReq is the list of types asked for; ProbeAns, 6.4.2.5.2. */
struct reload_probe_info {
    uint8_t type;       /* enum reload_probe_type, or a later one */
    uint32_t value;     /* parts per billion, a count, or seconds */
    struct slice other; /* a later type's octets */
};
struct reload_probe_ans {
    const struct reload_probe_info *items;
    size_t count;
};

/* JoinReq, 6.4.2.1. JoinAns is its overlay_specific_data. */
struct reload_join_req {
    struct id joining_peer_id;
    struct slice overlay_specific_data;
};

/* LeaveReq (6.4.2.2) with ChordLeaveData (10.9) in its overlay_specific_data. The answer is empty. */
struct reload_leave_req {
    struct id leaving_peer_id;
    uint8_t type;            /* enum reload_chord_leave_type */
    struct reload_ids nodes; /* FROM_SUCC: the sender's successors; FROM_PRED: its predecessors */
};

/* ChordUpdate, 10.7: UpdateReq. The answer is empty. */
struct reload_update_req {
    uint32_t uptime_s;
    uint8_t type;                   /* enum reload_chord_update_type */
    struct reload_ids predecessors; /* NEIGHBORS, FULL */
    struct reload_ids successors;   /* NEIGHBORS, FULL */
    struct reload_ids fingers;      /* FULL: ascending */
};

/* RouteQueryReq, 6.4.2.4.1. The answer is one Node-ID (10.8). */
struct reload_route_query_req {
    bool send_update;
    struct reload_destination destination;
    struct slice overlay_specific_data;
};

/* StoreReq and StoreAns, 7.4.1. A Kind stands at most once in a request. */
struct reload_store_req {
    struct slice resource;
    uint8_t replica_number; /* 0: the owner's own store */
    const struct reload_kind_data *kinds;
    size_t kind_count;
};
struct reload_store_kind_response {
    uint32_t kind;
    uint64_t generation_counter;
    struct reload_ids replicas;
};
struct reload_store_ans {
    const struct reload_store_kind_response *kinds;
    size_t kind_count;
};

/* FetchReq and StatReq, 7.4.2.1, 7.4.3.1. Index ranges are ordered and do not overlap. */
struct reload_fetch_req {
    struct slice resource;
    const struct reload_specifier *specifiers;
    size_t specifier_count;
};
struct reload_fetch_ans {
    const struct reload_kind_data *kinds;
    size_t kind_count;
};
struct reload_stat_ans {
    const struct reload_kind_meta *kinds;
    size_t kind_count;
};

/* FindReq and FindAns, 7.4.4. A Kind stands at most once in a request. */
struct reload_find_req {
    struct slice resource;
    const uint32_t *kinds;
    size_t kind_count;
};
struct reload_find_kind {
    uint32_t kind;
    struct slice closest; /* Resource-ID; the single octet 0 or empty when none is known */
};
struct reload_find_ans {
    const struct reload_find_kind *results;
    size_t count;
};

struct reload_body {
    uint16_t code; /* tells which member holds */
    union {
        struct reload_error error;                 /* ERROR */
        struct slice probe_req;                    /* PROBE_REQ: one octet per type */
        struct reload_probe_ans probe_ans;         /* PROBE_ANS */
        struct reload_attach attach;               /* ATTACH_*, APP_ATTACH_* */
        struct reload_store_req store_req;         /* STORE_REQ */
        struct reload_store_ans store_ans;         /* STORE_ANS */
        struct reload_fetch_req fetch_req;         /* FETCH_REQ, STAT_REQ */
        struct reload_fetch_ans fetch_ans;         /* FETCH_ANS */
        struct reload_stat_ans stat_ans;           /* STAT_ANS */
        struct reload_find_req find_req;           /* FIND_REQ */
        struct reload_find_ans find_ans;           /* FIND_ANS */
        struct reload_join_req join_req;           /* JOIN_REQ */
        struct slice join_ans;                     /* JOIN_ANS */
        struct reload_leave_req leave_req;         /* LEAVE_REQ */
        struct reload_update_req update_req;       /* UPDATE_REQ */
        struct reload_route_query_req route_query; /* ROUTE_QUERY_REQ */
        struct id route_query_ans;                 /* ROUTE_QUERY_ANS: next_peer */
        struct slice ping_req;                     /* PING_REQ: padding */
        struct reload_ping_ans ping_ans;           /* PING_ANS */
        struct reload_config_update config_update; /* CONFIG_UPDATE_REQ */
        struct slice opaque;                       /* any other code, as it stands */
    };                                             /* LEAVE_ANS, UPDATE_ANS, CONFIG_UPDATE_ANS: nothing */
};

/* Octet numbers of faults count from the beginning of the message. */
int reload_body_decode(const struct reload_message *message, const struct reload_models *models, struct region *region,
                       struct reload_body *ret_body, struct fault *ret_fault);

/* Appends the body alone. */
int reload_body_encode(const struct reload_body *body, struct buf *out);

/* The StoreAns inside Error_Generation_Counter_Too_Low (7.4.1.2). */
int reload_store_ans_decode(struct slice octets, struct region *region, struct reload_store_ans *ret_answer,
                            struct fault *ret_fault);
int reload_store_ans_encode(const struct reload_store_ans *answer, struct buf *out);

/* The list of Kinds inside Error_Unknown_Kind (7.4.1.2). */
int reload_unknown_kinds_decode(struct slice octets, struct region *region, const uint32_t **ret_kinds,
                                size_t *ret_count, struct fault *ret_fault);
int reload_unknown_kinds_encode(const uint32_t *kinds, size_t count, struct buf *out);

#endif
