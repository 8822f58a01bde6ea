/* Every message: what is encoded decodes and encodes again to the same octets; every truncation and mutation is refused with an
 * octet, or is itself a message that round-trips. */
#include "hex.h"
#include "samples.h"

struct fixture {
    struct region region;
    struct buf original;
    struct buf again;
    struct buf body;
};

static int set_up(void **state)
{
    static struct fixture f;
    region_init(&f.region, RELOAD_REGION_OCTETS_MAX);
    buf_init(&f.original, RELOAD_MESSAGE_OCTETS_MAX);
    buf_init(&f.again, RELOAD_MESSAGE_OCTETS_MAX);
    buf_init(&f.body, RELOAD_MESSAGE_OCTETS_MAX);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    region_fini(&f->region);
    buf_fini(&f->original);
    buf_fini(&f->again);
    buf_fini(&f->body);
    return 0;
}

/* Decodes all of a message, and encodes it again with its body encoded again. */
static int again(struct fixture *f, struct slice octets, struct fault *fault)
{
    struct reload_models models = reload_models_default();
    struct reload_message message;
    struct reload_body body;
    buf_clear(&f->again);
    buf_clear(&f->body);
    region_fini(&f->region);
    int err = reload_message_decode(octets, &f->region, &message, fault);
    if (!err)
        err = reload_body_decode(&message, &models, &f->region, &body, fault);
    if (err)
        return err;
    assert_int_equal(reload_body_encode(&body, &f->body), 0);
    assert_slice_equal(message.contents.body, buf_slice(&f->body));
    message.contents.body = buf_slice(&f->body);
    assert_int_equal(reload_message_encode(&message, &f->again), 0);
    return 0;
}

static void every_message_round_trips(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < samples_count(); i++) {
        buf_clear(&f->original);
        samples_message(i, &f->original);
        struct fault fault = {0};
        int err = again(f, buf_slice(&f->original), &fault);
        if (err)
            print_message("%s: octet %zu: %s\n", samples_name(i), fault.octet, fault.rule);
        assert_int_equal(err, 0);
        assert_slice_equal(buf_slice(&f->original), buf_slice(&f->again));
    }
}

/* ---- octets written down by hand from the structures of RFC 6940 ---- */

static void assert_encodes(struct fixture *f, const struct reload_body *body, const char *hex)
{
    buf_clear(&f->original);
    buf_clear(&f->body);
    put_hex(&f->original, hex);
    assert_int_equal(reload_body_encode(body, &f->body), 0);
    assert_slice_equal(buf_slice(&f->body), buf_slice(&f->original));
}

/* 6.5.1.1, with the example of 6.3.1.1 as address; 6.5.2.1. */
static void attach_is_as_the_standard_says(void **state)
{
    struct fixture *f = *state;
    struct addr addr = {.family = 4, .port = 6084, .ip = {192, 0, 2, 1}};
    struct reload_candidate candidate = {.address = reload_address_of(&addr),
                                         .link = RELOAD_LINK_TLS_TCP_FH_NO_ICE,
                                         .foundation = slice_str("1"),
                                         .priority = 0x7effffff,
                                         .type = RELOAD_CANDIDATE_HOST};
    struct reload_body body = {.code = RELOAD_ATTACH_REQ,
                               .attach = {.ufrag = slice_str("uf"),
                                          .password = slice_str("pw"),
                                          .application = 61441,
                                          .role = slice_str("passive"),
                                          .candidates = &candidate,
                                          .candidate_count = 1,
                                          .send_update = true}};
    assert_encodes(f, &body,
                   "02 7566 02 7077 07 70617373697665" /* ufrag, password, role */
                   " 0012 01 06 c0000201 17c4"         /* candidates: addr_port */
                   " 04 01 31 7effffff 01 0000"        /* overlay_link, foundation, priority, host, no extensions */
                   " 01" /* send_update */);
    body.code = RELOAD_APP_ATTACH_REQ;
    assert_encodes(f, &body,
                   "02 7566 02 7077 f001 07 70617373697665"
                   " 0012 01 06 c0000201 17c4 04 01 31 7effffff 01 0000");
    candidate.type = RELOAD_CANDIDATE_SRFLX;
    candidate.related = candidate.address;
    assert_encodes(f, &body,
                   "02 7566 02 7077 f001 07 70617373697665"
                   " 001a 01 06 c0000201 17c4 04 01 31 7effffff 02 01 06 c0000201 17c4 0000");
}

/* 10.7, 10.8, 10.9, 6.4.2.1. */
static void topology_is_as_the_standard_says(void **state)
{
    struct fixture *f = *state;
    const struct id one = {{1}}, two = {{2}};
    struct reload_body update = {
        .code = RELOAD_UPDATE_REQ,
        .update_req = {
            .uptime_s = 258, .type = RELOAD_CHORD_NEIGHBORS, .predecessors = {&one, 1}, .successors = {&two, 1}}};
    assert_encodes(f, &update,
                   "00000102 02 0010 01000000000000000000000000000000 0010 02000000000000000000000000000000");
    update.update_req.type = RELOAD_CHORD_FULL;
    assert_encodes(f, &update,
                   "00000102 03 0010 01000000000000000000000000000000 0010 02000000000000000000000000000000 0000");
    update.update_req.type = RELOAD_CHORD_PEER_READY;
    assert_encodes(f, &update, "00000102 01");
    struct reload_body leave = {.code = RELOAD_LEAVE_REQ, .leave_req = {one, RELOAD_CHORD_LEAVE_FROM_PRED, {&two, 1}}};
    assert_encodes(f, &leave, "01000000000000000000000000000000 0013 02 0010 02000000000000000000000000000000");
    struct reload_body join = {.code = RELOAD_JOIN_REQ, .join_req = {.joining_peer_id = one}};
    assert_encodes(f, &join, "01000000000000000000000000000000 0000");
    struct reload_body query = {.code = RELOAD_ROUTE_QUERY_REQ,
                                .route_query = {.destination = reload_destination_node(two)}};
    assert_encodes(f, &query, "00 01 10 02000000000000000000000000000000 0000");
    struct reload_body next = {.code = RELOAD_ROUTE_QUERY_ANS, .route_query_ans = two};
    assert_encodes(f, &next, "02000000000000000000000000000000");
}

/* 6.3.3.1, 6.4.2.5, 6.5.3, 6.5.4, 7.4.4. */
static void small_bodies_are_as_the_standard_says(void **state)
{
    struct fixture *f = *state;
    const struct reload_probe_info info = {.type = RELOAD_PROBE_UPTIME, .value = 60};
    const uint32_t kinds[] = {3, RELOAD_KIND_VIPR_REGISTRATION};
    const struct slice block = slice_str("<k/>");
    const struct {
        struct reload_body body;
        const char *hex;
    } cases[] = {
        {{.code = RELOAD_ERROR, .error = {RELOAD_ERROR_TTL_EXCEEDED, slice_str("ttl")}}, "000a 0003 74746c"},
        {{.code = RELOAD_PROBE_REQ, .probe_req = slice_str("\1\3")}, "02 01 03"},
        {{.code = RELOAD_PROBE_ANS, .probe_ans = {&info, 1}}, "0006 03 04 0000003c"},
        {{.code = RELOAD_PING_ANS, .ping_ans = {1, 2}}, "0000000000000001 0000000000000002"},
        {{.code = RELOAD_CONFIG_UPDATE_REQ, .config_update = {.type = 1, .config_data = slice_str("<o/>")}},
         "01 00000007 000004 3c6f2f3e"},
        {{.code = RELOAD_CONFIG_UPDATE_REQ, .config_update = {.type = 2, .kinds = &block, .kind_count = 1}},
         "02 00000009 000006 0004 3c6b2f3e"},
        {{.code = RELOAD_FIND_REQ, .find_req = {slice_str("abc"), kinds, 2}}, "03 616263 08 00000003 f0000001"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_encodes(f, &cases[i].body, cases[i].hex);
}

/* The samples hold every code that section 14.8 assigns, so none is left out above. */
static void every_code_has_a_sample(void **state)
{
    struct fixture *f = *state;
    bool seen[UINT16_MAX + 1] = {0};
    for (size_t i = 0; i < samples_count(); i++)
        seen[samples_body(i, &f->region).code] = true;
    const uint16_t experiments[] = {RELOAD_EXP_A_ANS, RELOAD_EXP_B_REQ, RELOAD_EXP_B_ANS};
    for (size_t i = 0; i < 3; i++)
        seen[experiments[i]] = true; /* opaque, as exp_a_req is */
    for (unsigned code = 0; code <= UINT16_MAX; code++)
        if (reload_code_name((uint16_t)code))
            assert_true(seen[code]);
}

static void put_length(uint8_t *message, size_t n)
{
    message[RELOAD_LENGTH_OCTET + 2] = (uint8_t)(n >> 8);
    message[RELOAD_LENGTH_OCTET + 3] = (uint8_t)n;
}

/* With the header's own length corrected, so that what is missing is missed by the structure that lost it. */
static void every_truncation_is_refused(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < samples_count(); i++) {
        buf_clear(&f->original);
        samples_message(i, &f->original);
        for (size_t n = 0; n < f->original.n; n++) {
            struct fault fault = {SIZE_MAX, NULL};
            if (n >= RELOAD_LENGTH_OCTET + 4)
                put_length(f->original.p, n);
            assert_int_not_equal(again(f, slice_of(f->original.p, n), &fault), 0);
            assert_non_null(fault.rule);
            assert_in_range(fault.octet, 0, n);
        }
    }
}

static void every_truncated_body_is_refused(void **state)
{
    struct fixture *f = *state;
    struct reload_models models = reload_models_default();
    for (size_t i = 0; i < samples_count(); i++) {
        struct reload_message message = {.contents.code = samples_body(i, &f->region).code, .body_octet = 0};
        struct reload_body body = samples_body(i, &f->region);
        buf_clear(&f->body);
        assert_int_equal(reload_body_encode(&body, &f->body), 0);
        if (slice_eq_str(buf_slice(&f->body), "octets of an experiment"))
            continue; /* of no known code: nothing can be missing */
        for (size_t n = 0; n < f->body.n; n++) {
            struct fault fault = {SIZE_MAX, NULL};
            message.contents.body = slice_of(f->body.p, n);
            assert_int_not_equal(reload_body_decode(&message, &models, &f->region, &body, &fault), 0);
            assert_non_null(fault.rule);
            assert_in_range(fault.octet, 0, n);
        }
        region_fini(&f->region);
    }
}

static void a_body_with_more_octets_is_refused(void **state)
{
    struct fixture *f = *state;
    struct reload_models models = reload_models_default();
    for (size_t i = 0; i < samples_count(); i++) {
        struct reload_body body = samples_body(i, &f->region);
        buf_clear(&f->body);
        assert_int_equal(reload_body_encode(&body, &f->body), 0);
        if (slice_eq_str(buf_slice(&f->body), "octets of an experiment"))
            continue;
        size_t end = f->body.n;
        buf_u8(&f->body, 0);
        struct fault fault = {0};
        struct reload_message message = {.contents = {.code = body.code, .body = buf_slice(&f->body)}};
        assert_int_equal(reload_body_decode(&message, &models, &f->region, &body, &fault), ERR_SYNTAX);
        assert_int_equal(fault.octet, end);
        region_fini(&f->region);
    }
}

/* Lengths that lie, types that do not exist, Booleans beyond 1: whatever an octet is changed to, the message is refused with
 * octet and rule, or it means something else and then encodes to just these octets. */
static void every_mutation_is_refused_or_round_trips(void **state)
{
    struct fixture *f = *state;
    unsigned refused = 0, accepted = 0;
    for (size_t i = 0; i < samples_count(); i++) {
        buf_clear(&f->original);
        samples_message(i, &f->original);
        for (size_t at = 0; at < f->original.n; at++) {
            uint8_t good = f->original.p[at];
            const uint8_t bad[] = {0, 0xff, (uint8_t)(good + 1), (uint8_t)(good - 1), good ^ 0x80};
            for (size_t k = 0; k < sizeof bad; k++) {
                struct fault fault = {SIZE_MAX, NULL};
                f->original.p[at] = bad[k];
                if (again(f, buf_slice(&f->original), &fault)) {
                    assert_non_null(fault.rule);
                    assert_in_range(fault.octet, 0, f->original.n);
                    refused++;
                } else {
                    assert_slice_equal(buf_slice(&f->original), buf_slice(&f->again));
                    accepted++;
                }
            }
            f->original.p[at] = good;
        }
    }
    assert_true(refused > 10000);
    assert_true(accepted > 10000);
}

/* A region that is too small at any point ends the decoding with an error, not with half a message. */
static void every_region_that_is_too_small_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct reload_models models = reload_models_default();
    for (size_t i = 0; i < samples_count(); i++) {
        buf_clear(&f->original);
        samples_message(i, &f->original);
        struct reload_message message;
        struct reload_body body;
        struct fault fault;
        struct region region;
        region_init(&region, RELOAD_REGION_OCTETS_MAX);
        assert_int_equal(reload_message_decode(buf_slice(&f->original), &region, &message, &fault), 0);
        assert_int_equal(reload_body_decode(&message, &models, &region, &body, &fault), 0);
        size_t used = region.used;
        region_fini(&region);
        for (size_t limit = 0; limit < used; limit += 1 + used / 50) {
            region_init(&region, limit);
            int err = reload_message_decode(buf_slice(&f->original), &region, &message, &fault);
            if (!err)
                err = reload_body_decode(&message, &models, &region, &body, &fault);
            assert_int_equal(err, ERR_NO_MEMORY);
            region_fini(&region);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_message_round_trips, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_code_has_a_sample, set_up, tear_down),
        cmocka_unit_test_setup_teardown(attach_is_as_the_standard_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(topology_is_as_the_standard_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(small_bodies_are_as_the_standard_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_truncation_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_truncated_body_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_body_with_more_octets_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_mutation_is_refused_or_round_trips, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_region_that_is_too_small_is_an_error, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
