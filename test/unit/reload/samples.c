/* The samples: built with the structs of the codec, numbers chosen so that each field differs from its neighbors. */
#include "samples.h"

#include <assert.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ARRAY(region, type, ...) copy(region, (const type[]){__VA_ARGS__}, sizeof((const type[]){__VA_ARGS__}))

static void *copy(struct region *region, const void *octets, size_t n)
{
    void *p = region_alloc(region, n);
    assert(p);
    memcpy(p, octets, n);
    return p;
}

static struct id id_of(uint8_t fill)
{
    struct id id;
    memset(id.octets, fill, sizeof id.octets);
    return id;
}

static struct slice text(const char *s)
{
    return slice_str(s);
}

static struct reload_ids ids(struct region *region, uint8_t first, size_t count)
{
    struct id *items = region_array(region, count, sizeof *items);
    assert(items);
    for (size_t i = 0; i < count; i++)
        items[i] = id_of((uint8_t)(first + i));
    return (struct reload_ids){items, count};
}

static struct reload_signature signature_of(enum reload_identity_type type)
{
    return (struct reload_signature){
        .hash_algorithm = RELOAD_HASH_SHA256,
        .signature_algorithm = RELOAD_SIGNATURE_ECDSA,
        .identity = {.type = (uint8_t)type,
                     .hash_algorithm = RELOAD_HASH_SHA256,
                     .hash = text("0123456789abcdef0123456789abcdef")},
        .value = text("not a signature"),
    };
}

static struct reload_stored_data data_of(struct reload_value value)
{
    struct reload_stored_data d = {.storage_time_ms = 0x0000018000000001, .lifetime_s = 86400, .value = value};
    if (value.model == RELOAD_MODEL_UNKNOWN)
        d.opaque = text("no model, no meaning");
    else
        d.signature = signature_of(RELOAD_IDENTITY_CERT_HASH);
    return d;
}

static struct reload_kind_data kind_of(struct region *region, uint32_t kind, enum reload_model model)
{
    struct reload_value one = {.model = model, .index = 7, .key = text("key"), .exists = true, .octets = text("abc")};
    struct reload_value two = {.model = model, .index = RELOAD_ARRAY_END, .key = text(""), .exists = false};
    struct reload_stored_data synthetic = reload_stored_data_synthetic(model, 9, text("gone"));
    size_t count = model == RELOAD_MODEL_SINGLE || model == RELOAD_MODEL_UNKNOWN ? 1 : 3;
    return (struct reload_kind_data){
        .kind = kind,
        .generation_counter = 99,
        .model = model,
        .values = ARRAY(region, struct reload_stored_data, data_of(one), data_of(two), synthetic),
        .value_count = count,
    };
}

static const struct reload_kind_data *kinds_of(struct region *region)
{
    return ARRAY(region, struct reload_kind_data, kind_of(region, RELOAD_KIND_TURN_SERVICE, RELOAD_MODEL_SINGLE),
                 kind_of(region, RELOAD_KIND_CERTIFICATE_BY_NODE, RELOAD_MODEL_ARRAY),
                 kind_of(region, RELOAD_KIND_VIPR_REGISTRATION, RELOAD_MODEL_DICTIONARY),
                 kind_of(region, 0xf0001234, RELOAD_MODEL_UNKNOWN));
}

static struct reload_fetch_req fetch_of(struct region *region)
{
    return (struct reload_fetch_req){
        .resource = text("0123456789abcdef"),
        .specifiers = ARRAY(region, struct reload_specifier,
                            {.kind = RELOAD_KIND_TURN_SERVICE, .generation = 1, .model = RELOAD_MODEL_SINGLE},
                            {.kind = RELOAD_KIND_CERTIFICATE_BY_USER,
                             .model = RELOAD_MODEL_ARRAY,
                             .indices = ARRAY(region, struct reload_range, {5, 9}, {0, 4}, {10, RELOAD_ARRAY_END}),
                             .index_count = 3},
                            {.kind = RELOAD_KIND_VIPR_REGISTRATION,
                             .model = RELOAD_MODEL_DICTIONARY,
                             .keys = ARRAY(region, struct slice, slice_str("one"), slice_str("")),
                             .key_count = 2},
                            {.kind = 0xf0001234, .generation = UINT64_MAX, .opaque = text("specifier")}),
        .specifier_count = 4,
    };
}

static struct reload_kind_meta meta_of(struct region *region, uint32_t kind, enum reload_model model)
{
    struct reload_stored_meta meta = {
        .storage_time_ms = 0x0000018000000002,
        .lifetime_s = 60,
        .model = model,
        .index = 3,
        .key = text("key"),
        .exists = true,
        .value_length = 3,
        .hash_algorithm = RELOAD_HASH_SHA256,
        .hash = text("0123456789abcdef0123456789abcdef"),
    };
    if (model == RELOAD_MODEL_UNKNOWN)
        meta.opaque = text("meta");
    return (struct reload_kind_meta){.kind = kind,
                                     .generation = 12,
                                     .model = model,
                                     .values = ARRAY(region, struct reload_stored_meta, meta),
                                     .value_count = 1};
}

static struct reload_attach attach_of(struct region *region, bool application)
{
    struct addr v4 = {.family = 4, .port = 6084, .ip = {192, 0, 2, 1}};
    struct addr v6 = {.family = 6, .port = 6084, .ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
    struct reload_address later = {.type = 9, .other = text("later")};
    struct reload_candidate host = {.address = reload_address_of(&v4),
                                    .link = RELOAD_LINK_TLS_TCP_FH_NO_ICE,
                                    .foundation = text("1"),
                                    .priority = 0x7effffff,
                                    .type = RELOAD_CANDIDATE_HOST};
    struct reload_candidate relay = {
        .address = reload_address_of(&v6),
        .link = RELOAD_LINK_DTLS_UDP_SR_NO_ICE,
        .foundation = text(""),
        .priority = 1,
        .type = RELOAD_CANDIDATE_RELAY,
        .related = reload_address_of(&v4),
        .extensions = ARRAY(region, struct reload_ice_extension, {slice_str("name"), slice_str("value")},
                            {slice_str(""), slice_str("")}),
        .extension_count = 2,
    };
    struct reload_candidate srflx = {.address = later, .link = 77, .type = RELOAD_CANDIDATE_SRFLX, .related = later};
    return (struct reload_attach){
        .ufrag = text("8hhY"),
        .password = text("asd88fgpdd777uzjYhagZg"),
        .application = application ? 61441 : 0,
        .role = text("passive"),
        .candidates = ARRAY(region, struct reload_candidate, host, relay, srflx),
        .candidate_count = 3,
        .send_update = !application,
    };
}

/* ---- the bodies ---- */

static void probe(struct region *region, struct reload_body *b)
{
    (void)region;
    if (b->code == RELOAD_PROBE_REQ)
        b->probe_req = text("\x01\x02\x03\x04");
    else
        b->probe_ans = (struct reload_probe_ans){
            ARRAY(region, struct reload_probe_info, {.type = RELOAD_PROBE_RESPONSIBLE_SET, .value = 250000000},
                  {.type = RELOAD_PROBE_NUM_RESOURCES, .value = 60}, {.type = RELOAD_PROBE_UPTIME, .value = 86399},
                  {.type = 200, .other = text("later")}),
            4};
}

static void attach(struct region *region, struct reload_body *b)
{
    b->attach = attach_of(region, b->code == RELOAD_APP_ATTACH_REQ || b->code == RELOAD_APP_ATTACH_ANS);
}

static void ping(struct region *region, struct reload_body *b)
{
    (void)region;
    if (b->code == RELOAD_PING_REQ)
        b->ping_req = text("padding");
    else
        b->ping_ans = (struct reload_ping_ans){0x0102030405060708, 0x0000018000000003};
}

static void config_document(struct region *region, struct reload_body *b)
{
    (void)region;
    b->config_update =
        (struct reload_config_update){.type = RELOAD_CONFIG_UPDATE_CONFIG, .config_data = text("<overlay/>")};
}

static void config_kinds(struct region *region, struct reload_body *b)
{
    b->config_update =
        (struct reload_config_update){.type = RELOAD_CONFIG_UPDATE_KIND,
                                      .kinds = ARRAY(region, struct slice, slice_str("<kind-block/>"), slice_str("")),
                                      .kind_count = 2};
}

static void config_later(struct region *region, struct reload_body *b)
{
    (void)region;
    b->config_update = (struct reload_config_update){.type = 99, .config_data = text("later")};
}

static void join(struct region *region, struct reload_body *b)
{
    (void)region;
    if (b->code == RELOAD_JOIN_REQ)
        b->join_req = (struct reload_join_req){id_of(0x11), text("joining")};
    else
        b->join_ans = text("welcome");
}

static void leave_succ(struct region *region, struct reload_body *b)
{
    b->leave_req = (struct reload_leave_req){id_of(0x22), RELOAD_CHORD_LEAVE_FROM_SUCC, ids(region, 0x31, 3)};
}

static void leave_pred(struct region *region, struct reload_body *b)
{
    b->leave_req = (struct reload_leave_req){id_of(0x22), RELOAD_CHORD_LEAVE_FROM_PRED, ids(region, 0, 0)};
}

static void leave_bare(struct region *region, struct reload_body *b)
{
    (void)region;
    b->leave_req = (struct reload_leave_req){.leaving_peer_id = id_of(0x22)};
}

static void update_ready(struct region *region, struct reload_body *b)
{
    (void)region;
    b->update_req = (struct reload_update_req){.uptime_s = 17, .type = RELOAD_CHORD_PEER_READY};
}

static void update_neighbors(struct region *region, struct reload_body *b)
{
    b->update_req = (struct reload_update_req){.uptime_s = 17,
                                               .type = RELOAD_CHORD_NEIGHBORS,
                                               .predecessors = ids(region, 0x41, 3),
                                               .successors = ids(region, 0x51, 2)};
}

static void update_full(struct region *region, struct reload_body *b)
{
    b->update_req = (struct reload_update_req){.uptime_s = 17,
                                               .type = RELOAD_CHORD_FULL,
                                               .predecessors = ids(region, 0x41, 3),
                                               .successors = ids(region, 0x51, 0),
                                               .fingers = ids(region, 0x61, 16)};
}

static void route_query(struct region *region, struct reload_body *b)
{
    (void)region;
    if (b->code == RELOAD_ROUTE_QUERY_REQ)
        b->route_query =
            (struct reload_route_query_req){true, reload_destination_resource(text("0123456789abcdef")), text("more")};
    else
        b->route_query_ans = id_of(0x71);
}

static void store(struct region *region, struct reload_body *b)
{
    if (b->code == RELOAD_STORE_REQ)
        b->store_req = (struct reload_store_req){text("0123456789abcdef"), 2, kinds_of(region), 4};
    else
        b->store_ans =
            (struct reload_store_ans){ARRAY(region, struct reload_store_kind_response, {2, 100, ids(region, 0x81, 2)},
                                            {RELOAD_KIND_VIPR_REGISTRATION, 1, {NULL, 0}}),
                                      2};
}

static void fetch(struct region *region, struct reload_body *b)
{
    if (b->code == RELOAD_FETCH_ANS)
        b->fetch_ans = (struct reload_fetch_ans){kinds_of(region), 4};
    else
        b->fetch_req = fetch_of(region);
}

static void stat_ans(struct region *region, struct reload_body *b)
{
    b->stat_ans = (struct reload_stat_ans){
        ARRAY(region, struct reload_kind_meta, meta_of(region, RELOAD_KIND_TURN_SERVICE, RELOAD_MODEL_SINGLE),
              meta_of(region, RELOAD_KIND_CERTIFICATE_BY_NODE, RELOAD_MODEL_ARRAY),
              meta_of(region, RELOAD_KIND_VIPR_REGISTRATION, RELOAD_MODEL_DICTIONARY),
              meta_of(region, 0xf0001234, RELOAD_MODEL_UNKNOWN)),
        4};
}

static void find(struct region *region, struct reload_body *b)
{
    if (b->code == RELOAD_FIND_REQ)
        b->find_req = (struct reload_find_req){text("0123456789abcdef"),
                                               ARRAY(region, uint32_t, 2, 0x10, RELOAD_KIND_VIPR_REGISTRATION), 3};
    else
        b->find_ans = (struct reload_find_ans){
            ARRAY(region, struct reload_find_kind, {2, slice_str("0123456789abcdeg")}, {0x10, slice_str("")}), 2};
}

static void error(struct region *region, struct reload_body *b)
{
    (void)region;
    b->error = (struct reload_error){RELOAD_ERROR_NOT_FOUND, text("no such resource")};
}

static void opaque(struct region *region, struct reload_body *b)
{
    (void)region;
    b->opaque = text("octets of an experiment");
}

static void nothing(struct region *region, struct reload_body *b)
{
    (void)region;
    (void)b;
}

static const struct {
    const char *name;
    uint16_t code;
    void (*fill)(struct region *region, struct reload_body *body);
} samples[] = {
    {"probe_req", RELOAD_PROBE_REQ, probe},
    {"probe_ans", RELOAD_PROBE_ANS, probe},
    {"attach_req", RELOAD_ATTACH_REQ, attach},
    {"attach_ans", RELOAD_ATTACH_ANS, attach},
    {"store_req", RELOAD_STORE_REQ, store},
    {"store_ans", RELOAD_STORE_ANS, store},
    {"fetch_req", RELOAD_FETCH_REQ, fetch},
    {"fetch_ans", RELOAD_FETCH_ANS, fetch},
    {"find_req", RELOAD_FIND_REQ, find},
    {"find_ans", RELOAD_FIND_ANS, find},
    {"join_req", RELOAD_JOIN_REQ, join},
    {"join_ans", RELOAD_JOIN_ANS, join},
    {"leave_req from_succ", RELOAD_LEAVE_REQ, leave_succ},
    {"leave_req from_pred", RELOAD_LEAVE_REQ, leave_pred},
    {"leave_req bare", RELOAD_LEAVE_REQ, leave_bare},
    {"leave_ans", RELOAD_LEAVE_ANS, nothing},
    {"update_req peer_ready", RELOAD_UPDATE_REQ, update_ready},
    {"update_req neighbors", RELOAD_UPDATE_REQ, update_neighbors},
    {"update_req full", RELOAD_UPDATE_REQ, update_full},
    {"update_ans", RELOAD_UPDATE_ANS, nothing},
    {"route_query_req", RELOAD_ROUTE_QUERY_REQ, route_query},
    {"route_query_ans", RELOAD_ROUTE_QUERY_ANS, route_query},
    {"ping_req", RELOAD_PING_REQ, ping},
    {"ping_ans", RELOAD_PING_ANS, ping},
    {"stat_req", RELOAD_STAT_REQ, fetch},
    {"stat_ans", RELOAD_STAT_ANS, stat_ans},
    {"app_attach_req", RELOAD_APP_ATTACH_REQ, attach},
    {"app_attach_ans", RELOAD_APP_ATTACH_ANS, attach},
    {"config_update_req config", RELOAD_CONFIG_UPDATE_REQ, config_document},
    {"config_update_req kind", RELOAD_CONFIG_UPDATE_REQ, config_kinds},
    {"config_update_req of a later type", RELOAD_CONFIG_UPDATE_REQ, config_later},
    {"config_update_ans", RELOAD_CONFIG_UPDATE_ANS, nothing},
    {"error", RELOAD_ERROR, error},
    {"exp_a_req", RELOAD_EXP_A_REQ, opaque},
    {"unknown code", 0x7001, opaque},
};

size_t samples_count(void)
{
    return COUNT(samples);
}

const char *samples_name(size_t index)
{
    return samples[index].name;
}

struct reload_body samples_body(size_t index, struct region *region)
{
    struct reload_body body = {.code = samples[index].code};
    samples[index].fill(region, &body);
    return body;
}

void samples_message(size_t index, struct buf *out)
{
    struct region region;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    struct reload_body body = samples_body(index, &region);
    struct buf octets;
    buf_init(&octets, RELOAD_MESSAGE_OCTETS_MAX);
    int err = reload_body_encode(&body, &octets);
    assert(!err);
    const struct reload_destination via[] = {
        reload_destination_node(id_of(0xa1)),
        reload_destination_compact((const uint8_t *)"\x8f\x01"),
        reload_destination_opaque(text("compressed list")),
        {.type = 100, .octets = text("of a later type")},
    };
    const struct reload_destination destinations[] = {
        reload_destination_node(id_wildcard()),
        reload_destination_resource(text("0123456789abcdef")),
    };
    const struct reload_option options[] = {
        {.type = 1, .flags = RELOAD_FORWARD_CRITICAL | RELOAD_RESPONSE_COPY, .value = text("option")},
        {.type = 200, .value = text("")},
    };
    const struct reload_extension extensions[] = {{1, true, text("extension")}, {0xfffe, false, text("")}};
    const struct reload_certificate certificates[] = {{RELOAD_CERTIFICATE_X509, text("certificate")}, {1, text("")}};
    struct reload_message message = {
        .header = {.overlay = 0xc0ffee01,
                   .configuration_sequence = 22,
                   .ttl = 100,
                   .fragment = RELOAD_FRAGMENT_WHOLE,
                   .transaction_id = 0x1122334455667788,
                   .max_response_length = 4000,
                   .via = via,
                   .via_count = index % 5 < COUNT(via) ? index % 5 : 0,
                   .destinations = destinations,
                   .destination_count = COUNT(destinations),
                   .options = options,
                   .option_count = index % 3},
        .contents = {.code = body.code,
                     .body = buf_slice(&octets),
                     .extensions = extensions,
                     .extension_count = (index + 1) % 3},
        .security = {.certificates = certificates,
                     .certificate_count = (index + 2) % 3,
                     .signature = signature_of(index % 4 == 3 ? 200
                                               : index % 4    ? (index % 4)
                                                              : 3)},
    };
    message.security.signature.identity.other = text("of a later type");
    err = reload_message_encode(&message, out);
    assert(!err);
    (void)err;
    buf_fini(&octets);
    region_fini(&region);
}
