/* The forwarding header: octets written down by hand from RFC 6940 6.3.2, what is refused and where, and what forwarding
 * changes. */
#include "hex.h"

#include "reload/message.h"

/* A whole PingReq from node 01…01 (Via List) to resource "abc", with one option. */
static const char ping_hex[] = "d2454c4f"                              /* relo_token */
                               "ba2beb72"                              /* overlay */
                               "0016"                                  /* configuration_sequence */
                               "0a"                                    /* version 1.0 */
                               "64"                                    /* ttl 100 */
                               "c0000000"                              /* fragment: only one */
                               "00000079"                              /* length 121 */
                               "1122334455667788"                      /* transaction_id */
                               "00000fa0"                              /* max_response_length 4000 */
                               "0014"                                  /* via_list_length 20 */
                               "0018"                                  /* destination_list_length 24 */
                               "0007"                                  /* options_length 7 */
                               "0110 01010101010101010101010101010101" /* via: node */
                               "8f01"                                  /* via: 16-bit opaque id */
                               "0110 02020202020202020202020202020202" /* destination: node */
                               "0204 03616263"                         /* destination: resource "abc" */
                               "01 05 0003 6f7074"      /* option 1, FORWARD_CRITICAL and RESPONSE_COPY, "opt" */
                               "0017"                   /* ping_req */
                               "00000004 0002 7061"     /* message_body: padding "pa" */
                               "00000000"               /* no extensions */
                               "0000"                   /* no certificates */
                               "04 03"                  /* sha256, ecdsa */
                               "01 0006 04 04 68617368" /* cert_hash, sha256, "hash" */
                               "0003 736967";           /* signature_value "sig" */

struct fixture {
    struct region region;
    struct buf ping;
    struct buf out;
    struct reload_header header;
    struct fault fault;
};

static int set_up(void **state)
{
    static struct fixture f;
    region_init(&f.region, RELOAD_REGION_OCTETS_MAX);
    buf_init(&f.ping, 1000);
    buf_init(&f.out, 1000);
    f.fault = (struct fault){0};
    *state = &f;
    put_hex(&f.ping, ping_hex);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    region_fini(&f->region);
    buf_fini(&f->ping);
    buf_fini(&f->out);
    return 0;
}

static struct id id_of(uint8_t fill)
{
    struct id id;
    memset(id.octets, fill, sizeof id.octets);
    return id;
}

static void decode(struct fixture *f)
{
    assert_int_equal(reload_header_decode(buf_slice(&f->ping), &f->region, &f->header, &f->fault), 0);
}

static void decodes_as_the_standard_says(void **state)
{
    struct fixture *f = *state;
    decode(f);
    const struct reload_header *h = &f->header;
    assert_int_equal(h->overlay, 0xba2beb72);
    assert_int_equal(h->configuration_sequence, 22);
    assert_int_equal(h->ttl, 100);
    assert_int_equal(h->fragment, RELOAD_FRAGMENT_WHOLE);
    assert_true(reload_header_is_whole(h));
    assert_int_equal(h->length, 121);
    assert_true(h->transaction_id == 0x1122334455667788);
    assert_int_equal(h->max_response_length, 4000);
    assert_int_equal(h->octets, 38 + 20 + 24 + 7);
    assert_int_equal(h->via_count, 2);
    assert_int_equal(h->via[0].type, RELOAD_DESTINATION_NODE);
    assert_true(id_eq(h->via[0].node, id_of(1)));
    assert_int_equal(h->via[1].type, RELOAD_DESTINATION_OPAQUE_ID);
    assert_true(h->via[1].compact);
    assert_slice_text(h->via[1].octets, "\x8f\x01");
    assert_int_equal(h->destination_count, 2);
    assert_true(id_eq(h->destinations[0].node, id_of(2)));
    assert_int_equal(h->destinations[1].type, RELOAD_DESTINATION_RESOURCE);
    assert_slice_text(h->destinations[1].octets, "abc");
    assert_int_equal(h->option_count, 1);
    assert_int_equal(h->options[0].type, 1);
    assert_int_equal(h->options[0].flags, RELOAD_FORWARD_CRITICAL | RELOAD_RESPONSE_COPY);
    assert_slice_text(h->options[0].value, "opt");
    assert_int_equal(reload_header_encoded_octets(h), h->octets);
}

static void message_decodes_as_the_standard_says(void **state)
{
    struct fixture *f = *state;
    struct reload_message m;
    assert_int_equal(reload_message_decode(buf_slice(&f->ping), &f->region, &m, &f->fault), 0);
    assert_int_equal(m.contents.code, RELOAD_PING_REQ);
    assert_int_equal(m.body_octet, 89 + 6);
    assert_slice_equal(m.contents.body, slice_of("\0\2pa", 4));
    assert_int_equal(m.contents.extension_count, 0);
    assert_int_equal(m.security.certificate_count, 0);
    assert_int_equal(m.security.signature.hash_algorithm, RELOAD_HASH_SHA256);
    assert_int_equal(m.security.signature.signature_algorithm, RELOAD_SIGNATURE_ECDSA);
    assert_int_equal(m.security.signature.identity.type, RELOAD_IDENTITY_CERT_HASH);
    assert_int_equal(m.security.signature.identity.hash_algorithm, RELOAD_HASH_SHA256);
    assert_slice_text(m.security.signature.identity.hash, "hash");
    assert_slice_text(m.security.signature.value, "sig");
    assert_int_equal(reload_message_encode(&m, &f->out), 0);
    assert_slice_equal(buf_slice(&f->out), buf_slice(&f->ping));
    buf_clear(&f->out);
    assert_int_equal(reload_message_encode_signed(&m.header, m.contents_octets, &m.security, &f->out), 0);
    assert_slice_equal(buf_slice(&f->out), buf_slice(&f->ping));
}

/* overlay || transaction_id || MessageContents || SignerIdentity, 6.3.4 */
static void signature_covers_what_the_standard_says(void **state)
{
    struct fixture *f = *state;
    struct reload_message m;
    assert_int_equal(reload_message_decode(buf_slice(&f->ping), &f->region, &m, &f->fault), 0);
    assert_int_equal(reload_message_signed_octets(m.header.overlay, m.header.transaction_id, m.contents_octets,
                                                  &m.security.signature.identity, &f->out),
                     0);
    struct buf expected;
    buf_init(&expected, 1000);
    put_hex(&expected, "ba2beb72 1122334455667788 0017 00000004 00027061 00000000 01 0006 04 04 68617368");
    assert_slice_equal(buf_slice(&f->out), buf_slice(&expected));
    buf_fini(&expected);
}

static void overlay_hash_is_the_low_end_of_sha1(void **state)
{
    (void)state;
    /* sha1sum says 85d2e49400a387be445d2524178ea58dba2beb72 */
    assert_int_equal(reload_overlay_hash(slice_str("ime.example")), 0xba2beb72);
}

static void every_truncation_is_refused(void **state)
{
    struct fixture *f = *state;
    for (size_t n = 0; n < f->ping.n; n++) {
        assert_int_not_equal(reload_header_decode(slice_of(f->ping.p, n), &f->region, &f->header, &f->fault), 0);
        assert_in_range(f->fault.octet, 0, n);
        assert_non_null(f->fault.rule);
    }
}

static void peek_needs_the_header_alone(void **state)
{
    struct fixture *f = *state;
    for (size_t n = 0; n < f->ping.n; n++) {
        int err = reload_header_peek(slice_of(f->ping.p, n), &f->region, &f->header, &f->fault);
        assert_int_equal(err, n < 89 ? ERR_TRUNCATED : 0);
    }
}

/* One octet is changed; the header is refused there, by a rule that begins so. */
static void bad_octets_are_named(void **state)
{
    struct fixture *f = *state;
    static const struct {
        size_t octet;
        uint8_t value;
        int err;
        size_t fault;
        const char *rule;
    } cases[] = {
        {0, 0x52, ERR_SYNTAX, 0, "relo_token"},
        {10, 1, ERR_UNSUPPORTED, 10, "version"},
        {12, 0x40, ERR_SYNTAX, 12, "fragment"},
        {19, 0x78, ERR_SYNTAX, 16, "length"},
        {19, 0x7a, ERR_TRUNCATED, 16, "length"},
        {19, 0x20, ERR_SYNTAX, 16, "length shorter than the header"},
        {16, 0x01, ERR_LIMIT, 16, "length"},
        {33, 0x13, ERR_TRUNCATED, 57, "16-bit opaque_id"}, /* the Via List ends inside its second entry */
        {35, 0xff, ERR_SYNTAX, 16, "length shorter than the header"},
        {37, 0x08, ERR_TRUNCATED, 90, "forwarding option"}, /* one octet of the contents begins an option */
        {38, 0x00, ERR_RANGE, 38, "destination type"},
        {38, 0x02, ERR_SYNTAX, 42, "destination length"},
        {39, 0x0f, ERR_TRUNCATED, 40, "node_id"},
        {39, 0x11, ERR_SYNTAX, 56, "destination length"},
        {58, 0x02, ERR_SYNTAX, 63, "destination length"},
        {78, 0x04, ERR_TRUNCATED, 78, "resource_id"},
        {78, 0x02, ERR_SYNTAX, 81, "destination length"},
        {82, 0x00, ERR_RANGE, 82, "forwarding option type"},
        {85, 0x04, ERR_TRUNCATED, 84, "forwarding option length"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t good = f->ping.p[cases[i].octet];
        f->ping.p[cases[i].octet] = cases[i].value;
        int err = reload_header_decode(buf_slice(&f->ping), &f->region, &f->header, &f->fault);
        f->ping.p[cases[i].octet] = good;
        if (err != cases[i].err || f->fault.octet != cases[i].fault ||
            strncmp(f->fault.rule, cases[i].rule, strlen(cases[i].rule)) != 0)
            fail_msg("case %zu: %d, octet %zu: %s", i, err, f->fault.octet, f->fault.rule);
    }
}

static void encode(struct fixture *f, const struct reload_header *header)
{
    buf_clear(&f->out);
    assert_int_equal(reload_header_encode(header, 0, &f->out), 0);
}

static void resources_stand_at_the_end_alone(void **state)
{
    struct fixture *f = *state;
    const struct reload_destination list[] = {reload_destination_resource(slice_str("abc")),
                                              reload_destination_node(id_of(2))};
    struct reload_header via = {.fragment = RELOAD_FRAGMENT_WHOLE, .via = list, .via_count = 1};
    encode(f, &via);
    assert_int_equal(reload_header_decode(buf_slice(&f->out), &f->region, &f->header, &f->fault), ERR_SYNTAX);
    assert_int_equal(f->fault.octet, 38);
    struct reload_header early = {.fragment = RELOAD_FRAGMENT_WHOLE, .destinations = list, .destination_count = 2};
    encode(f, &early);
    assert_int_equal(reload_header_decode(buf_slice(&f->out), &f->region, &f->header, &f->fault), ERR_SYNTAX);
    assert_int_equal(f->fault.octet, 38);
}

static void lists_have_limits(void **state)
{
    struct fixture *f = *state;
    struct reload_destination list[RELOAD_DESTINATIONS_MAX + 1];
    for (size_t i = 0; i <= RELOAD_DESTINATIONS_MAX; i++)
        list[i] = reload_destination_compact((const uint8_t *)"\xff\xff");
    struct reload_header header = {
        .fragment = RELOAD_FRAGMENT_WHOLE, .destinations = list, .destination_count = RELOAD_DESTINATIONS_MAX};
    encode(f, &header);
    assert_int_equal(reload_header_decode(buf_slice(&f->out), &f->region, &f->header, &f->fault), 0);
    assert_int_equal(f->header.destination_count, RELOAD_DESTINATIONS_MAX);
    header.destination_count++;
    encode(f, &header);
    assert_int_equal(reload_header_decode(buf_slice(&f->out), &f->region, &f->header, &f->fault), ERR_LIMIT);
    assert_int_equal(f->fault.octet, 38 + 2 * RELOAD_DESTINATIONS_MAX);
    struct reload_option options[RELOAD_OPTIONS_MAX + 1];
    for (size_t i = 0; i <= RELOAD_OPTIONS_MAX; i++)
        options[i] = (struct reload_option){.type = 1};
    struct reload_header many = {
        .fragment = RELOAD_FRAGMENT_WHOLE, .options = options, .option_count = RELOAD_OPTIONS_MAX + 1};
    encode(f, &many);
    assert_int_equal(reload_header_decode(buf_slice(&f->out), &f->region, &f->header, &f->fault), ERR_LIMIT);
    assert_int_equal(f->fault.octet, 38 + 4 * RELOAD_OPTIONS_MAX);
}

static void what_does_not_fit_is_not_encoded(void **state)
{
    struct fixture *f = *state;
    uint8_t octets[256] = {0};
    struct reload_destination long_id = reload_destination_opaque(slice_of(octets, 255));
    assert_int_equal(reload_destination_encode(&long_id, &f->out), ERR_RANGE);
    buf_clear(&f->out);
    struct reload_destination longest = reload_destination_opaque(slice_of(octets, 254));
    assert_int_equal(reload_destination_encode(&longest, &f->out), 0);
    buf_clear(&f->out);
    struct reload_destination bare = reload_destination_compact((const uint8_t *)"\x7f\xff");
    assert_int_equal(reload_destination_encode(&bare, &f->out), ERR_RANGE);
}

/* What comes behind the header goes out as it came, also when it is no message at all. */
static void forwarding_changes_the_header_alone(void **state)
{
    struct fixture *f = *state;
    memset(f->ping.p + 89, 0xee, f->ping.n - 89);
    decode(f);
    struct reload_header next = f->header;
    struct reload_destination hop = reload_destination_node(id_of(3));
    next.ttl--;
    reload_header_destination_pop(&next);
    assert_int_equal(reload_header_via_append(&next, &hop, &f->region), 0);
    assert_int_equal(reload_message_forward(buf_slice(&f->ping), &f->header, &next, &f->out), 0);
    struct reload_header seen;
    assert_int_equal(reload_header_decode(buf_slice(&f->out), &f->region, &seen, &f->fault), 0);
    assert_int_equal(seen.ttl, 99);
    assert_int_equal(seen.length, 121); /* one node more in one list, one less in the other */
    assert_int_equal(seen.via_count, 3);
    assert_true(reload_destination_eq(&seen.via[0], &f->header.via[0]));
    assert_true(reload_destination_eq(&seen.via[2], &hop));
    assert_int_equal(seen.destination_count, 1);
    assert_slice_text(seen.destinations[0].octets, "abc");
    assert_slice_equal(slice_of(f->out.p + seen.octets, f->out.n - seen.octets), slice_of(f->ping.p + 89, 32));
    assert_int_equal(f->header.via_count, 2);
    assert_int_equal(f->header.destination_count, 2);
}

static void responses_go_back_the_same_way(void **state)
{
    struct fixture *f = *state;
    decode(f);
    const struct reload_destination *back;
    size_t count;
    assert_int_equal(reload_header_reverse_via(&f->header, &f->region, &back, &count), 0);
    assert_int_equal(count, 2);
    assert_true(reload_destination_eq(&back[0], &f->header.via[1]));
    assert_true(reload_destination_eq(&back[1], &f->header.via[0]));
}

static void an_opaque_id_is_replaced_by_what_it_stands_for(void **state)
{
    struct fixture *f = *state;
    decode(f);
    struct reload_destination list[] = {reload_destination_node(id_of(8)), reload_destination_node(id_of(9))};
    assert_int_equal(reload_header_destination_replace(&f->header, list, 2, &f->region), 0);
    assert_int_equal(f->header.destination_count, 3);
    assert_true(id_eq(f->header.destinations[0].node, id_of(8)));
    assert_true(id_eq(f->header.destinations[1].node, id_of(9)));
    assert_slice_text(f->header.destinations[2].octets, "abc");
}

static void both_forms_of_an_opaque_id_are_one(void **state)
{
    (void)state;
    struct reload_destination compact = reload_destination_compact((const uint8_t *)"\x8f\x01");
    struct reload_destination full = reload_destination_opaque(slice_str("\x8f\x01"));
    struct reload_destination other = reload_destination_opaque(slice_str("\x8f\x02"));
    assert_true(reload_destination_eq(&compact, &full));
    assert_false(reload_destination_eq(&compact, &other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(decodes_as_the_standard_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(message_decodes_as_the_standard_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(signature_covers_what_the_standard_says, set_up, tear_down),
        cmocka_unit_test(overlay_hash_is_the_low_end_of_sha1),
        cmocka_unit_test_setup_teardown(every_truncation_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(peek_needs_the_header_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_octets_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(resources_stand_at_the_end_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists_have_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_not_encoded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forwarding_changes_the_header_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(responses_go_back_the_same_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_opaque_id_is_replaced_by_what_it_stands_for, set_up, tear_down),
        cmocka_unit_test(both_forms_of_an_opaque_id_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
