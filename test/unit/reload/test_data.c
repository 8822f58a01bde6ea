/* Stored data: octets written down by hand from RFC 6940 section 7, the octets that its signature covers, rules between fields,
 * limits. */
#include "hex.h"

#include "reload/body.h"

struct fixture {
    struct region region;
    struct buf octets;
    struct buf out;
    struct fault fault;
    struct reload_body body;
};

static int set_up(void **state)
{
    static struct fixture f;
    region_init(&f.region, RELOAD_REGION_OCTETS_MAX);
    buf_init(&f.octets, RELOAD_MESSAGE_OCTETS_MAX);
    buf_init(&f.out, RELOAD_MESSAGE_OCTETS_MAX);
    f.fault = (struct fault){0};
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    region_fini(&f->region);
    buf_fini(&f->octets);
    buf_fini(&f->out);
    return 0;
}

/* Decodes f->octets as the body of a message. */
static int decode(struct fixture *f, uint16_t code)
{
    struct reload_models models = reload_models_default();
    struct reload_message message = {.contents = {.code = code, .body = buf_slice(&f->octets)}};
    return reload_body_decode(&message, &models, &f->region, &f->body, &f->fault);
}

static int decode_hex(struct fixture *f, uint16_t code, const char *hex)
{
    buf_clear(&f->octets);
    put_hex(&f->octets, hex);
    return decode(f, code);
}

static void assert_encodes_back(struct fixture *f)
{
    buf_clear(&f->out);
    assert_int_equal(reload_body_encode(&f->body, &f->out), 0);
    assert_slice_equal(buf_slice(&f->out), buf_slice(&f->octets));
}

/* "foo" at index 1 of the array of Kind 3, and key "k" removed from the dictionary of Kind 0xf0000001, at resource 12 34. */
static const char store_hex[] = "02 1234"            /* resource */
                                "00"                 /* replica_number */
                                "00000068"           /* kind_data: 54 + 50 octets */
                                "00000003"           /* kind CERTIFICATE_BY_NODE */
                                "000000000000006b"   /* generation_counter 107 */
                                "00000026"           /* values: 38 octets */
                                "00000022"           /* StoredData: length 34 */
                                "0000018bcfe56800"   /* storage_time 1700000000000 */
                                "00015180"           /* lifetime 86400 */
                                "00000001"           /* index */
                                "01 00000003 666f6f" /* exists, "foo" */
                                "04 03"              /* sha256, ecdsa */
                                "03 0000"            /* identity none */
                                "0003 736967"        /* "sig" */
                                "f0000001"           /* kind VIPR-REGISTRATION */
                                "0000000000000000"   /* generation_counter 0 */
                                "00000022"           /* values: 34 octets */
                                "0000001e"           /* StoredData: length 30 */
                                "0000018bcfe56801"   /* storage_time */
                                "0000003c"           /* lifetime 60 */
                                "0001 6b"            /* key "k" */
                                "00 00000000"        /* exists false, empty */
                                "04 01"              /* sha256, rsa */
                                "03 0000"            /* identity none */
                                "0003 736967";       /* "sig" */

static void store_is_as_the_standard_says(void **state)
{
    struct fixture *f = *state;
    if (decode_hex(f, RELOAD_STORE_REQ, store_hex))
        fail_msg("octet %zu: %s", f->fault.octet, f->fault.rule);
    const struct reload_store_req *s = &f->body.store_req;
    assert_slice_text(s->resource, "\x12\x34");
    assert_int_equal(s->replica_number, 0);
    assert_int_equal(s->kind_count, 2);
    assert_int_equal(s->kinds[0].kind, RELOAD_KIND_CERTIFICATE_BY_NODE);
    assert_int_equal(s->kinds[0].generation_counter, 107);
    assert_int_equal(s->kinds[0].model, RELOAD_MODEL_ARRAY);
    assert_int_equal(s->kinds[0].value_count, 1);
    const struct reload_stored_data *array = s->kinds[0].values;
    assert_true(array->storage_time_ms == 1700000000000);
    assert_int_equal(array->lifetime_s, 86400);
    assert_int_equal(array->value.index, 1);
    assert_true(array->value.exists);
    assert_slice_text(array->value.octets, "foo");
    assert_int_equal(array->signature.signature_algorithm, RELOAD_SIGNATURE_ECDSA);
    assert_slice_text(array->signature.value, "sig");
    assert_int_equal(s->kinds[1].kind, RELOAD_KIND_VIPR_REGISTRATION);
    const struct reload_stored_data *dictionary = s->kinds[1].values;
    assert_slice_text(dictionary->value.key, "k");
    assert_false(dictionary->value.exists);
    assert_int_equal(dictionary->value.octets.n, 0);
    assert_encodes_back(f);
}

/* resource_id || kind || storage_time || StoredDataValue || SignerIdentity (7.1); an array's index counts as 0 (7.4.2.2). */
static void signature_covers_what_the_standard_says(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(decode_hex(f, RELOAD_STORE_REQ, store_hex), 0);
    const struct reload_store_req *s = &f->body.store_req;
    const struct {
        const struct reload_kind_data *kind;
        const char *hex;
    } cases[] = {
        {&s->kinds[0], "021234 00000003 0000018bcfe56800 00000000 0100000003666f6f 030000"},
        {&s->kinds[1], "021234 f0000001 0000018bcfe56801 00016b 0000000000 030000"},
    };
    for (size_t i = 0; i < 2; i++) {
        struct buf expected;
        buf_init(&expected, 1000);
        put_hex(&expected, cases[i].hex);
        buf_clear(&f->out);
        assert_int_equal(
            reload_stored_data_signed_octets(s->resource, cases[i].kind->kind, cases[i].kind->values, &f->out), 0);
        assert_slice_equal(buf_slice(&f->out), buf_slice(&expected));
        buf_fini(&expected);
    }
}

static void stat_is_as_the_standard_says(void **state)
{
    struct fixture *f = *state;
    static const char hex[] = "0000002a"         /* kind_responses: 42 octets */
                              "00000002"         /* TURN-SERVICE, a single value */
                              "0000000000000005" /* generation */
                              "0000001a"         /* values: 26 octets */
                              "00000016"         /* StoredMetaData: 22 octets follow */
                              "0000018bcfe56800" /* storage_time */
                              "0000003c"         /* lifetime */
                              "01"               /* exists */
                              "00000003"         /* value_length */
                              "04 03 686173" /* sha256, "has" */;
    if (decode_hex(f, RELOAD_STAT_ANS, hex))
        fail_msg("octet %zu: %s", f->fault.octet, f->fault.rule);
    const struct reload_stored_meta *meta = f->body.stat_ans.kinds[0].values;
    assert_true(meta->exists);
    assert_int_equal(meta->value_length, 3);
    assert_int_equal(meta->hash_algorithm, RELOAD_HASH_SHA256);
    assert_slice_text(meta->hash, "has");
    assert_encodes_back(f);
    struct reload_value value = {.model = RELOAD_MODEL_SINGLE, .exists = true, .octets = slice_str("abc")};
    buf_clear(&f->out);
    assert_int_equal(reload_value_hashed_octets(&value, &f->out), 0);
    assert_slice_equal(buf_slice(&f->out), slice_of("\0\0\0\3abc", 7));
}

/* Values made up by the storing peer, 7.4.2.2. */
static void synthetic_values_are_unsigned(void **state)
{
    struct fixture *f = *state;
    struct reload_stored_data d = reload_stored_data_synthetic(RELOAD_MODEL_ARRAY, 5, (struct slice){0});
    assert_true(reload_stored_data_is_unsigned(&d));
    assert_int_equal(reload_stored_data_encode(&d, &f->out), 0);
    struct buf expected;
    buf_init(&expected, 100);
    put_hex(&expected, "0000001c 0000000000000000 00000000 00000005 0000000000 0000 030000 0000");
    assert_slice_equal(buf_slice(&f->out), buf_slice(&expected));
    struct reload_stored_data back;
    assert_int_equal(reload_stored_data_decode(buf_slice(&f->out), RELOAD_MODEL_ARRAY, &back, &f->fault), 0);
    assert_true(reload_stored_data_is_unsigned(&back));
    d.signature.identity.type = RELOAD_IDENTITY_CERT_HASH;
    assert_true(reload_stored_data_is_unsigned(&d)); /* "and/or" algorithms {0, 0}, 7.4.1.1 */
    d.signature.signature_algorithm = RELOAD_SIGNATURE_ECDSA;
    assert_false(reload_stored_data_is_unsigned(&d));
    d.signature.identity.type = RELOAD_IDENTITY_NONE;
    assert_true(reload_stored_data_is_unsigned(&d));
    buf_fini(&expected);
}

/* Bodies with one mistake each; the octets of a field stand together. */
static const struct {
    uint16_t code;
    const char *hex;
    int err;
    size_t octet;
    const char *rule;
} mistakes[] = {
    {RELOAD_STORE_REQ, "00 00 00000020 00000002 0000000000000000 00000000 00000002 0000000000000000 00000000",
     ERR_SYNTAX, 2, "StoreReq has a Kind twice"},
    {RELOAD_FIND_REQ, "00 08 00000002 00000002", ERR_SYNTAX, 1, "FindReq has a Kind twice"},
    {RELOAD_FIND_REQ, "00 05 00000002 00", ERR_SYNTAX, 1, "FindReq kinds"},
    {RELOAD_FETCH_REQ, "00 0018 00000003 0000000000000000 000a 0008 00000002 00000001", ERR_RANGE, 19,
     "ArrayRange first behind last"},
    {RELOAD_FETCH_REQ, "00 0020 00000003 0000000000000000 0012 0010 00000001 00000005 00000005 00000006", ERR_SYNTAX,
     27, "ArrayRanges overlap"},
    {RELOAD_FETCH_REQ, "00 000f 00000002 0000000000000000 0001 00", ERR_SYNTAX, 17, "specifier length"},
    {RELOAD_STORE_REQ,
     "00 00 0000002b 00000002 0000000000000000 0000001b  00000017 0000000000000000 00000000 02 00000000 0000 030000 "
     "0000 00",
     ERR_RANGE, 38, "DataValue exists"},
    {RELOAD_ROUTE_QUERY_REQ, "02 8001 0000", ERR_RANGE, 0, "RouteQueryReq send_update"},
    {RELOAD_UPDATE_REQ, "00000000 04", ERR_UNSUPPORTED, 4, "ChordUpdate type"},
    {RELOAD_UPDATE_REQ, "00000000 02 0001 00 0000", ERR_SYNTAX, 5, "ChordUpdate predecessors"},
    {RELOAD_PROBE_ANS, "0003 01 01 00", ERR_TRUNCATED, 4, "ProbeInformation value"},
    {RELOAD_CONFIG_UPDATE_REQ, "01 00000004 000000 00", ERR_SYNTAX, 8, "ConfigUpdate length"},
    {RELOAD_CONFIG_UPDATE_REQ, "00 00000000", ERR_RANGE, 0, "ConfigUpdate type"},
    {RELOAD_ATTACH_REQ, "00 00 00 0012 0106c000020117c4 04 00 00000000 03 0000 00 00", ERR_UNSUPPORTED, 19, "CandType"},
};

static void requests_that_break_a_rule_are_refused(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        int err = decode_hex(f, mistakes[i].code, mistakes[i].hex);
        if (err != mistakes[i].err || f->fault.octet != mistakes[i].octet ||
            strncmp(f->fault.rule, mistakes[i].rule, strlen(mistakes[i].rule)) != 0)
            fail_msg("case %zu: %d, octet %zu: %s", i, err, f->fault.octet, f->fault.rule);
    }
}

/* ---- limits: one more element than allowed ---- */

static void put_kinds(struct buf *out, size_t count)
{
    buf_u32(out, (uint32_t)(16 * count));
    for (uint32_t i = 0; i < count; i++) {
        buf_u32(out, 0xf0001000 + i);
        buf_u64(out, 0);
        buf_u32(out, 0);
    }
}

static void kinds_have_a_limit(void **state)
{
    struct fixture *f = *state;
    for (size_t more = 0; more < 2; more++) {
        buf_clear(&f->octets);
        buf_u16(&f->octets, 0);
        put_kinds(&f->octets, RELOAD_KINDS_MAX + more);
        assert_int_equal(decode(f, RELOAD_STORE_REQ), more ? ERR_LIMIT : 0);
    }
    assert_int_equal(f->fault.octet, 6 + 16 * RELOAD_KINDS_MAX);
}

static void values_have_a_limit(void **state)
{
    struct fixture *f = *state;
    for (size_t more = 0; more < 2; more++) {
        buf_clear(&f->octets);
        size_t kinds = buf_open(&f->octets, 4);
        buf_u32(&f->octets, RELOAD_KIND_TURN_SERVICE);
        buf_u64(&f->octets, 0);
        size_t values = buf_open(&f->octets, 4);
        for (size_t i = 0; i < RELOAD_VALUES_MAX + more; i++) {
            struct reload_stored_data d = reload_stored_data_synthetic(RELOAD_MODEL_SINGLE, 0, (struct slice){0});
            reload_stored_data_encode(&d, &f->octets);
        }
        buf_close(&f->octets, values, 4);
        buf_close(&f->octets, kinds, 4);
        assert_int_equal(decode(f, RELOAD_FETCH_ANS), more ? ERR_LIMIT : 0);
    }
}

static void ranges_and_keys_have_limits(void **state)
{
    struct fixture *f = *state;
    for (size_t more = 0; more < 2; more++) {
        struct reload_range ranges[RELOAD_RANGES_MAX + 1];
        for (uint32_t i = 0; i <= RELOAD_RANGES_MAX; i++)
            ranges[i] = (struct reload_range){i, i};
        struct slice keys[RELOAD_KEYS_MAX + 1] = {{0}};
        struct reload_specifier specifier = {
            .kind = RELOAD_KIND_CERTIFICATE_BY_NODE,
            .model = RELOAD_MODEL_ARRAY,
            .indices = ranges,
            .index_count = RELOAD_RANGES_MAX + more,
        };
        struct reload_body body = {.code = RELOAD_FETCH_REQ,
                                   .fetch_req = {.specifiers = &specifier, .specifier_count = 1}};
        buf_clear(&f->octets);
        assert_int_equal(reload_body_encode(&body, &f->octets), 0);
        assert_int_equal(decode(f, RELOAD_FETCH_REQ), more ? ERR_LIMIT : 0);
        specifier = (struct reload_specifier){
            .kind = RELOAD_KIND_VIPR_REGISTRATION,
            .model = RELOAD_MODEL_DICTIONARY,
            .keys = keys,
            .key_count = RELOAD_KEYS_MAX + more,
        };
        buf_clear(&f->octets);
        assert_int_equal(reload_body_encode(&body, &f->octets), 0);
        assert_int_equal(decode(f, RELOAD_FETCH_REQ), more ? ERR_LIMIT : 0);
    }
}

static void candidates_have_a_limit(void **state)
{
    struct fixture *f = *state;
    struct addr addr = {.family = 4, .port = 1, .ip = {192, 0, 2, 1}};
    struct reload_candidate candidates[RELOAD_CANDIDATES_MAX + 1];
    for (size_t i = 0; i <= RELOAD_CANDIDATES_MAX; i++)
        candidates[i] = (struct reload_candidate){.address = reload_address_of(&addr), .type = RELOAD_CANDIDATE_HOST};
    for (size_t more = 0; more < 2; more++) {
        struct reload_body body = {
            .code = RELOAD_ATTACH_REQ,
            .attach = {.candidates = candidates, .candidate_count = RELOAD_CANDIDATES_MAX + more}};
        buf_clear(&f->octets);
        assert_int_equal(reload_body_encode(&body, &f->octets), 0);
        assert_int_equal(decode(f, RELOAD_ATTACH_REQ), more ? ERR_LIMIT : 0);
    }
}

static void extensions_and_certificates_have_limits(void **state)
{
    struct fixture *f = *state;
    struct reload_extension extensions[RELOAD_EXTENSIONS_MAX + 1];
    for (size_t i = 0; i <= RELOAD_EXTENSIONS_MAX; i++)
        extensions[i] = (struct reload_extension){.type = 1};
    struct reload_certificate certificates[RELOAD_CERTIFICATES_MAX + 1] = {{0}};
    for (unsigned more = 0; more < 4; more++) {
        struct reload_message message = {
            .header = {.fragment = RELOAD_FRAGMENT_WHOLE},
            .contents = {.code = RELOAD_PING_REQ,
                         .extensions = extensions,
                         .extension_count = RELOAD_EXTENSIONS_MAX + (more & 1)},
            .security = {.certificates = certificates,
                         .certificate_count = RELOAD_CERTIFICATES_MAX + (more >> 1),
                         .signature.identity.type = RELOAD_IDENTITY_NONE},
        };
        buf_clear(&f->octets);
        assert_int_equal(reload_message_encode(&message, &f->octets), 0);
        struct reload_message back;
        assert_int_equal(reload_message_decode(buf_slice(&f->octets), &f->region, &back, &f->fault),
                         more ? ERR_LIMIT : 0);
    }
}

/* ---- what an error carries, 7.4.1.2 ---- */

static void error_info_can_be_structured(void **state)
{
    struct fixture *f = *state;
    const uint32_t kinds[] = {7, 0xf0000009};
    assert_int_equal(reload_unknown_kinds_encode(kinds, 2, &f->out), 0);
    assert_slice_equal(buf_slice(&f->out), slice_of("\x08\0\0\0\x07\xf0\0\0\x09", 9));
    const uint32_t *back;
    size_t count;
    assert_int_equal(reload_unknown_kinds_decode(buf_slice(&f->out), &f->region, &back, &count, &f->fault), 0);
    assert_int_equal(count, 2);
    assert_int_equal(back[1], 0xf0000009);
    assert_int_equal(reload_unknown_kinds_decode(slice_of(f->out.p, 8), &f->region, &back, &count, &f->fault),
                     ERR_TRUNCATED);
    struct reload_store_kind_response response = {.kind = 7, .generation_counter = 8};
    struct reload_store_ans answer = {&response, 1}, again;
    buf_clear(&f->out);
    assert_int_equal(reload_store_ans_encode(&answer, &f->out), 0);
    assert_int_equal(reload_store_ans_decode(buf_slice(&f->out), &f->region, &again, &f->fault), 0);
    assert_int_equal(again.kind_count, 1);
    assert_int_equal(again.kinds[0].generation_counter, 8);
    assert_int_equal(reload_store_ans_decode(slice_of(f->out.p, f->out.n - 1), &f->region, &again, &f->fault),
                     ERR_TRUNCATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(store_is_as_the_standard_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(signature_covers_what_the_standard_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stat_is_as_the_standard_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(synthetic_values_are_unsigned, set_up, tear_down),
        cmocka_unit_test_setup_teardown(requests_that_break_a_rule_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kinds_have_a_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_have_a_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ranges_and_keys_have_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(candidates_have_a_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(extensions_and_certificates_have_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(error_info_can_be_structured, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
