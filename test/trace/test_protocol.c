/* What the ring does about messages and links that are wrong, repeated, foreign, too large, or of another configuration. */
#include "testing.h"
#include "trace/world.h"

#include "base/mem.h"
#include "reload/frame.h"

#include <stdio.h>
#include <string.h>

/* ---- crafted messages ---- */

/* Keeps the last message of a kind that went over a link. */
struct capture {
    uint16_t code;
    unsigned from; /* 0: any */
    struct buf message;
    unsigned seen;
};

static uint16_t code_of(struct slice message)
{
    struct region region;
    struct reload_header header;
    struct fault fault;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    uint16_t code = 0;
    if (!reload_header_decode(message, &region, &header, &fault))
        code = (uint16_t)(message.p[header.octets] << 8 | message.p[header.octets + 1]);
    region_fini(&region);
    return code;
}

static bool capture_tap(void *ctx, struct world *world, unsigned from, unsigned to, struct slice message,
                        struct buf *ret_instead)
{
    struct capture *capture = ctx;
    (void)world, (void)to, (void)ret_instead;
    if (code_of(message) != capture->code || (capture->from && capture->from != from))
        return false;
    capture->seen++;
    buf_clear(&capture->message);
    buf_slice_put(&capture->message, message);
    return false;
}

static void capture_start(struct world *world, struct capture *capture, uint16_t code, unsigned from)
{
    *capture = (struct capture){.code = code, .from = from};
    buf_init(&capture->message, RELOAD_MESSAGE_OCTETS_MAX);
    world->tap = capture_tap;
    world->tap_ctx = capture;
}

static void capture_stop(struct world *world, struct capture *capture)
{
    world->tap = NULL;
    buf_fini(&capture->message);
}

/* A Ping of one node, to a node, with this header; what is zero in it is as usual. Delivered to `to`. */
static void send_ping(struct world *world, unsigned from, unsigned to, struct id destination,
                      const struct reload_header *like)
{
    struct reload_destination place = reload_destination_node(destination);
    struct reload_header header = *like;
    struct reload_body body = {.code = RELOAD_PING_REQ};
    struct buf message;
    if (!header.destination_count) {
        header.destinations = &place;
        header.destination_count = 1;
    }
    buf_init(&message, RELOAD_MESSAGE_OCTETS_MAX);
    world_craft(world, from, &header, &body, &message);
    world_forget_trace(world);
    world_inject(world, from, to, buf_slice(&message));
    world_run(world, 100);
    buf_fini(&message);
}

static void test_ttl_exceeded(void **state)
{
    (void)state;
    struct world *world = world_of(4, 1);
    uint64_t before = world_counters(world, 2)->ttl_exceeded;
    send_ping(world, 1, 2, world->nodes[3].id, &(struct reload_header){.ttl = 0});
    assert_true(world_saw(world, "2 > Error_TTL_Exceeded 1"));
    assert_false(world_saw(world, "2 > ping_req 3"));
    send_ping(world, 1, 2, world->nodes[3].id, &(struct reload_header){.ttl = 101}); /* beyond initial-ttl */
    assert_true(world_saw(world, "2 > Error_TTL_Exceeded 1"));
    assert_int_equal(world_counters(world, 2)->ttl_exceeded - before, 2);
    send_ping(world, 1, 2, world->nodes[3].id, &(struct reload_header){.ttl = 1});
    assert_true(world_saw(world, "2 > ping_req 3")); /* arrives with 0, which is for 3 itself to accept */
    assert_true(world_saw(world, "3 > ping_ans 2"));
    assert_true(world_saw(world, "2 > ping_ans 1"));
    world_free(world);
}

static void test_another_overlay(void **state)
{
    (void)state;
    struct world *world = world_of(3, 3);
    send_ping(world, 1, 2, world->nodes[2].id, &(struct reload_header){.ttl = 100, .overlay = 0x12345678});
    assert_true(world_saw(world, "2 > Error_Incompatible_with_Overlay 1"));
    assert_int_equal(world_counters(world, 2)->message_other_overlay, 1);
    world_free(world);
}

static void test_another_version(void **state)
{
    (void)state;
    struct world *world = world_of(3, 3);
    struct reload_destination place = reload_destination_node(world->nodes[2].id);
    struct reload_header header = {.ttl = 100, .destinations = &place, .destination_count = 1};
    struct reload_body body = {.code = RELOAD_PING_REQ};
    struct buf message;
    buf_init(&message, RELOAD_MESSAGE_OCTETS_MAX);
    world_craft(world, 1, &header, &body, &message);
    message.p[10] = RELOAD_VERSION + 1; /* version, 6.3.2 */
    world_inject(world, 1, 2, buf_slice(&message));
    world_run(world, 100);
    assert_true(world_saw(world, "2 > Error_Incompatible_with_Overlay 1"));
    assert_int_equal(world_counters(world, 2)->message_other_version, 1);
    buf_fini(&message);
    world_free(world);
}

static void test_forwarding_options(void **state)
{
    (void)state;
    struct world *world = world_of(4, 4);
    struct reload_option option = {.type = 77, .flags = RELOAD_FORWARD_CRITICAL};
    struct reload_header header = {.ttl = 100, .options = &option, .option_count = 1};
    send_ping(world, 1, 2, world->nodes[3].id, &header);
    assert_true(world_saw(world, "2 > Error_Unsupported_Forwarding_Option 1"));
    assert_false(world_saw(world, "2 > ping_req 3"));
    send_ping(world, 1, 2, world->nodes[2].id, &header); /* who does not forward does not mind */
    assert_true(world_saw(world, "2 > ping_ans 1"));
    option.flags = RELOAD_DESTINATION_CRITICAL;
    send_ping(world, 1, 2, world->nodes[3].id, &header);
    assert_true(world_saw(world, "3 > Error_Unsupported_Forwarding_Option 2"));
    option = (struct reload_option){.type = 78, .flags = RELOAD_RESPONSE_COPY, .value = slice_str("copy me")};
    struct capture capture;
    capture_start(world, &capture, RELOAD_PING_ANS, 2);
    send_ping(world, 1, 2, world->nodes[2].id, &header);
    struct region region;
    struct reload_header answer;
    struct fault fault;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    assert_int_equal(capture.seen, 1);
    assert_int_equal(reload_header_decode(buf_slice(&capture.message), &region, &answer, &fault), 0);
    assert_int_equal(answer.option_count, 1);
    assert_int_equal(answer.options[0].type, 78);
    assert_int_equal(answer.options[0].flags, 0);
    assert_slice_text(answer.options[0].value, "copy me");
    region_fini(&region);
    capture_stop(world, &capture);
    world_free(world);
}

static void test_destination_lists(void **state)
{
    (void)state;
    struct world *world = world_of(4, 5);
    struct id owned_by_2 = world_place(15, 64); /* 2 is at 16/64 */
    /* The wildcard is whoever receives it. */
    send_ping(world, 1, 2, id_wildcard(), &(struct reload_header){.ttl = 100});
    assert_true(world_saw(world, "2 > ping_ans 1"));
    /* Loose source route through 2 and 4 to 3. */
    struct reload_destination route[] = {reload_destination_node(world->nodes[2].id),
                                         reload_destination_node(world->nodes[4].id),
                                         reload_destination_node(world->nodes[3].id)};
    send_ping(world, 1, 2, id_wildcard(),
              &(struct reload_header){.ttl = 100, .destinations = route, .destination_count = 3});
    assert_true(world_saw(world, "2 > ping_req 4"));
    assert_true(world_saw(world, "4 > ping_req 3"));
    assert_true(world_saw(world, "3 > ping_ans 4")); /* and back the same way */
    assert_true(world_saw(world, "4 > ping_ans 2"));
    assert_true(world_saw(world, "2 > ping_ans 1"));
    /* A Node-ID in 2's range that is not connected: dropped silently (6.1.1). */
    uint64_t before = world_counters(world, 2)->dropped_destination;
    send_ping(world, 1, 2, owned_by_2, &(struct reload_header){.ttl = 100});
    assert_string_equal(world_trace(world), "");
    assert_int_equal(world_counters(world, 2)->dropped_destination, before + 1);
    /* A resource of 2's with something behind it: the codec does not even read it (6.3.2.2). An opaque id of nobody. */
    struct reload_destination opaque = reload_destination_opaque(slice_str("\x81nothing"));
    send_ping(world, 1, 2, owned_by_2,
              &(struct reload_header){.ttl = 100, .destinations = &opaque, .destination_count = 1});
    assert_string_equal(world_trace(world), "");
    assert_int_equal(world_counters(world, 2)->opaque_id_unknown, 1);
    world_free(world);
}

static void test_fragments_are_put_together(void **state)
{
    (void)state;
    struct world *world = world_of(3, 6);
    struct reload_destination place = reload_destination_node(world->nodes[3].id);
    struct reload_header header = {.ttl = 100, .destinations = &place, .destination_count = 1}, received;
    uint8_t padding[2000] = {0};
    struct reload_body body = {.code = RELOAD_PING_REQ, .ping_req = slice_of(padding, sizeof padding)};
    struct region region;
    struct fault fault;
    struct reload_cutter cutter;
    struct buf message, fragment;
    buf_init(&message, RELOAD_MESSAGE_OCTETS_MAX);
    buf_init(&fragment, RELOAD_MESSAGE_OCTETS_MAX);
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    world_craft(world, 1, &header, &body, &message);
    assert_int_equal(reload_header_decode(buf_slice(&message), &region, &received, &fault), 0);
    assert_int_equal(reload_cutter_init(&cutter, buf_slice(&message), &received, &received, 1000), 0);
    world_forget_trace(world);
    unsigned fragments = 0;
    while (reload_cutter_next(&cutter, &fragment) == 0) {
        assert_false(world_saw(world, "3 > ping_ans 2"));
        world_inject(world, 1, 2, buf_slice(&fragment)); /* 2 passes fragments on; 3 puts them together */
        world_run(world, 100);
        buf_clear(&fragment);
        fragments++;
    }
    assert_true(fragments >= 3);
    assert_true(world_saw(world, "3 > ping_ans 2"));
    assert_true(world_saw(world, "2 > ping_ans 1"));
    region_fini(&region);
    buf_fini(&message);
    buf_fini(&fragment);
    world_free(world);
}

static void test_max_response_length(void **state)
{
    (void)state;
    struct world *world = world_of(2, 7);
    send_ping(world, 1, 2, world->nodes[2].id, &(struct reload_header){.ttl = 100, .max_response_length = 100});
    assert_true(world_saw(world, "2 > Error_Response_Too_Large 1"));
    world_free(world);
}

static void test_message_too_large_closes_the_link(void **state)
{
    (void)state;
    struct world *world = world_of(3, 8);
    struct reload_destination place = reload_destination_node(world->nodes[2].id);
    struct reload_header header = {.ttl = 100, .destinations = &place, .destination_count = 1};
    static uint8_t padding[20000];
    struct reload_body body = {.code = RELOAD_PING_REQ, .ping_req = slice_of(padding, sizeof padding)};
    struct buf message;
    buf_init(&message, RELOAD_MESSAGE_OCTETS_MAX);
    world_craft(world, 1, &header, &body, &message);
    world_forget_trace(world);
    world_inject(world, 1, 2, buf_slice(&message));
    world_run(world, 15);
    assert_true(world_saw(world, "2 > Error_Message_Too_Large 1"));
    assert_int_equal(world_counters(world, 2)->message_too_large, 1);
    assert_true(world_run_until(world, world_is_right, 30000)); /* and is made again */
    buf_fini(&message);
    world_free(world);
}

static void test_unknown_method(void **state)
{
    (void)state;
    struct world *world = world_of(2, 9);
    struct reload_destination place = reload_destination_node(world->nodes[2].id);
    struct reload_header header = {.ttl = 100, .destinations = &place, .destination_count = 1};
    struct reload_body body = {.code = 0x1001, .opaque = slice_str("?")};
    struct buf message;
    buf_init(&message, RELOAD_MESSAGE_OCTETS_MAX);
    world_craft(world, 1, &header, &body, &message);
    world_inject(world, 1, 2, buf_slice(&message));
    world_run(world, 100);
    assert_true(world_saw(world, "2 > Error_Invalid_Message 1"));
    buf_fini(&message);
    world_free(world);
}

/* ---- repeated, forged, from the wrong side ---- */

static void test_duplicate_request_is_done_once(void **state)
{
    (void)state;
    struct world *world = world_of(3, 10);
    struct id place = world_place(20, 64); /* of 2: node 2 is at 1/3 */
    struct capture capture;
    capture_start(world, &capture, RELOAD_STORE_REQ, 1);
    const struct peer_result *result = world_store(world, 1, place, "once");
    assert_int_equal(result->err, 0);
    assert_int_equal(result->generation, 1);
    world->tap = NULL;
    world_forget_trace(world);
    world_inject(world, 1, 2, buf_slice(&capture.message));
    world_run(world, 100);
    assert_true(world_saw(world, "2 > store_ans 1")); /* the same answer again, not Error_Data_Too_Old */
    assert_int_equal(world_counters(world, 2)->requests_duplicate, 1);
    assert_int_equal(world_counters(world, 1)->responses_unexpected, 1);
    assert_int_equal(world_fetch(world, 3, place)->generation, 1);
    /* A replay, when nobody remembers the request any more. */
    world_run(world, 20000);
    world_forget_trace(world);
    world_inject(world, 1, 2, buf_slice(&capture.message));
    world_run(world, 100);
    assert_true(world_saw(world, "2 > Error_Data_Too_Old 1"));
    assert_int_equal(world_fetch(world, 3, place)->generation, 1);
    capture_stop(world, &capture);
    world_free(world);
}

/* Flips one bit of the contents of the first Store that goes by. */
static bool forge_tap(void *ctx, struct world *world, unsigned from, unsigned to, struct slice message,
                      struct buf *ret_instead)
{
    unsigned *forged = ctx;
    (void)world, (void)from, (void)to;
    if (*forged || code_of(message) != RELOAD_STORE_REQ)
        return false;
    ++*forged;
    buf_slice_put(ret_instead, message);
    uint8_t *at = memmem(ret_instead->p, ret_instead->n, "genuine", 7);
    assert_non_null(at);
    memcpy(at, "forgery", 7);
    return true;
}

static void test_forged_message_is_dropped(void **state)
{
    (void)state;
    struct world *world = world_of(3, 11);
    struct id place = world_place(20, 64);
    unsigned forged = 0;
    world->tap = forge_tap;
    world->tap_ctx = &forged;
    const struct peer_result *result = world_store(world, 1, place, "genuine");
    assert_int_equal(forged, 1);
    assert_int_equal(world_counters(world, 2)->signature_bad, 1);
    assert_int_equal(result->err, 0); /* the retransmission made it */
    assert_true(result->elapsed_us > 3000000);
    assert_string_equal(world_value(world_fetch(world, 3, place), world->nodes[1].id), "genuine");
    world->tap = NULL;
    world_free(world);
}

static void test_answer_of_a_wrong_node(void **state)
{
    (void)state;
    struct world *world = world_of(4, 12);
    struct capture capture;
    capture_start(world, &capture, RELOAD_PING_REQ, 1);
    uint64_t token = 900;
    world->nodes[3].frozen = true; /* so that the true answer does not come */
    peer_ping(world->nodes[1].peer, world->now, token, (struct peer_target){true, world->nodes[3].id});
    world_run(world, 5);
    assert_int_equal(capture.seen, 1);
    struct region region;
    struct reload_header asked;
    struct fault fault;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    assert_int_equal(reload_header_decode(buf_slice(&capture.message), &region, &asked, &fault), 0);
    struct reload_destination back = reload_destination_node(world->nodes[1].id);
    struct reload_header header = {
        .ttl = 100, .transaction_id = asked.transaction_id, .destinations = &back, .destination_count = 1};
    struct reload_body body = {.code = RELOAD_PING_ANS, .ping_ans = {1, 2}};
    struct buf message;
    buf_init(&message, RELOAD_MESSAGE_OCTETS_MAX);
    world_craft(world, 4, &header, &body, &message);
    world_inject(world, 4, 1, buf_slice(&message));
    world_run(world, 100);
    assert_int_equal(world_counters(world, 1)->responses_wrong_node, 1);
    world->nodes[3].frozen = false;
    const struct peer_result *result = world_wait(world, 1, token);
    assert_int_equal(result->err, 0);
    assert_true(id_eq(result->responder, world->nodes[3].id));
    buf_fini(&message);
    region_fini(&region);
    capture_stop(world, &capture);
    world_free(world);
}

static void test_only_the_node_itself_joins_leaves_and_updates(void **state)
{
    (void)state;
    struct world *world = world_of(5, 13);
    struct reload_destination to_3 = reload_destination_node(world->nodes[3].id);
    struct reload_header header = {.ttl = 100, .destinations = &to_3, .destination_count = 1};
    struct buf message;
    buf_init(&message, RELOAD_MESSAGE_OCTETS_MAX);
    /* A Leave for 4 signed by 1: Error_Forbidden, and 4 stays where it is. */
    struct reload_body leave = {.code = RELOAD_LEAVE_REQ};
    leave.leave_req.leaving_peer_id = world->nodes[4].id;
    leave.leave_req.type = RELOAD_CHORD_LEAVE_FROM_SUCC;
    world_craft(world, 1, &header, &leave, &message);
    world_forget_trace(world);
    world_inject(world, 1, 3, buf_slice(&message));
    world_run(world, 100);
    assert_true(world_saw(world, "3 > Error_Forbidden 1"));
    /* 4's own Leave, replayed over a link of 1. */
    buf_clear(&message);
    world_craft(world, 4, &header, &leave, &message);
    world_forget_trace(world);
    world_inject(world, 1, 3, buf_slice(&message));
    world_run(world, 100);
    assert_true(world_saw(world, "3 > Error_Forbidden 1"));
    /* The same with Join and Update. */
    struct reload_body join = {.code = RELOAD_JOIN_REQ, .join_req = {.joining_peer_id = world->nodes[4].id}};
    buf_clear(&message);
    world_craft(world, 4, &header, &join, &message);
    world_forget_trace(world);
    world_inject(world, 1, 3, buf_slice(&message));
    world_run(world, 100);
    assert_true(world_saw(world, "3 > Error_Forbidden 1"));
    struct reload_body update = {.code = RELOAD_UPDATE_REQ, .update_req = {.type = RELOAD_CHORD_PEER_READY}};
    buf_clear(&message);
    world_craft(world, 4, &header, &update, &message);
    world_forget_trace(world);
    world_inject(world, 1, 3, buf_slice(&message));
    world_run(world, 100);
    assert_true(world_saw(world, "3 > Error_Forbidden 1"));
    assert_true(world_is_right(world));
    buf_fini(&message);
    world_free(world);
}

/* Changes a few bits of some messages, anywhere in them. */
static bool noise_tap(void *ctx, struct world *world, unsigned from, unsigned to, struct slice message,
                      struct buf *ret_instead)
{
    unsigned *changed = ctx;
    (void)from, (void)to;
    if (entropy_below(&world->entropy, 10))
        return false;
    ++*changed;
    buf_slice_put(ret_instead, message);
    for (uint64_t bits = 1 + entropy_below(&world->entropy, 4); bits; bits--)
        ret_instead->p[entropy_below(&world->entropy, ret_instead->n)] ^=
            (uint8_t)(1u << entropy_below(&world->entropy, 8));
    if (!entropy_below(&world->entropy, 8))
        ret_instead->n -= entropy_below(&world->entropy, ret_instead->n);
    return true;
}

static void test_noise_changes_nothing(void **state)
{
    (void)state;
    struct world *world = world_new(23);
    unsigned changed = 0;
    for (unsigned i = 0; i < 8; i++)
        world_add(world, world_place(i, 8));
    world->tap = noise_tap;
    world->tap_ctx = &changed;
    for (unsigned i = 1; i <= 8; i++)
        world_start(world, i);
    for (unsigned i = 0; i < 60; i++) {
        struct id place;
        entropy_fill(&world->entropy, place.octets, sizeof place.octets);
        unsigned writer = 1 + (unsigned)entropy_below(&world->entropy, 8);
        world_store(world, writer, place, "value");
        const struct peer_result *result = world_fetch(world, 1, place);
        for (size_t k = 0; k < result->item_count; k++)
            assert_true(id_eq(result->items[k].signer, world->nodes[writer].id));
        world_run(world, 1000);
    }
    assert_true(changed > 100);
    world->tap = NULL;
    assert_true(world_run_until(world, world_is_right, 700000)); /* at the latest when Updates go round */
    world_free(world);
}

/* Node 4 says of the first copy that it has something newer. */
static bool too_old_tap(void *ctx, struct world *world, unsigned from, unsigned to, struct slice message,
                        struct buf *ret_instead)
{
    unsigned *refused = ctx;
    if (*refused || from != 4 || to != 3 || code_of(message) != RELOAD_STORE_ANS)
        return false;
    ++*refused;
    struct region region;
    struct reload_header header;
    struct fault fault;
    struct reload_body body = {.code = RELOAD_ERROR, .error = {RELOAD_ERROR_DATA_TOO_OLD, {0}}};
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    assert_int_equal(reload_header_decode(message, &region, &header, &fault), 0);
    world_craft(world, 4, &header, &body, ret_instead);
    region_fini(&region);
    return true;
}

static void test_newer_data_of_a_replica_is_fetched(void **state)
{
    (void)state;
    struct world *world = world_of(5, 24);
    struct id place = world_place(9, 40); /* of 3; copies on 4 and 5 */
    unsigned refused = 0;
    world->tap = too_old_tap;
    world->tap_ctx = &refused;
    assert_int_equal(world_store(world, 1, place, "value")->err, 0);
    world_run(world, 200);
    assert_int_equal(refused, 1);
    assert_true(world_saw(world, "3 > fetch_req 4"));
    assert_true(world_saw(world, "4 > fetch_ans 3"));
    assert_string_equal(world_value(world_fetch(world, 1, place), world->nodes[1].id), "value");
    world_free(world);
}

/* ---- links ---- */

static void test_link_to_a_wrong_node(void **state)
{
    (void)state;
    struct world *world = world_of(4, 14);
    unsigned five = world_add(world, world_place(5, 8));
    world->nodes[five].redirect = 3; /* somebody else answers at its address */
    world_start(world, five);
    world_run(world, 10000);
    uint64_t refused = 0;
    for (unsigned i = 1; i <= 4; i++)
        refused += world_counters(world, i)->link_refused_node_id;
    assert_true(refused > 0);
    assert_int_not_equal(peer_state(world->nodes[five].peer), PEER_JOINED);
    world->nodes[five].redirect = 0;
    assert_true(world_run_until(world, world_is_right, 120000));
    world_free(world);
}

static void test_certificates_of_strangers(void **state)
{
    (void)state;
    struct world *world = world_of(2, 15);
    struct peer *peer = world->nodes[1].peer;
    const struct peer_counters *counters = peer_counters(peer);
    struct addr from = {.family = 4, .port = 1, .ip = {127, 9, 9, 9}};
    uint64_t link;
    struct cert *foreign = world_foreign_certificate(world, world_place(1, 7), true, "ring.test");
    assert_int_equal(peer_link_accept(peer, world->now, &from, cert_der(foreign), &link), ERR_AUTH);
    assert_int_equal(counters->link_refused_certificate, 1);
    struct cert *elsewhere = world_foreign_certificate(world, world_place(1, 7), false, "other.test");
    assert_int_equal(peer_link_accept(peer, world->now, &from, cert_der(elsewhere), &link), ERR_RANGE);
    assert_int_equal(counters->link_refused_overlay, 1);
    assert_int_equal(peer_link_accept(peer, world->now, &from, cert_der(world->nodes[1].cert), &link), ERR_FORBIDDEN);
    assert_int_equal(counters->link_refused_self, 1);
    assert_int_not_equal(peer_link_accept(peer, world->now, &from, slice_str("nonsense"), &link), 0);
    assert_int_equal(counters->link_refused_certificate, 2);
    cert_free(foreign);
    cert_free(elsewhere);
    world_free(world);
}

/* Which of its nodes it is, a link's first message tells; if none comes, or none that can be verified, the link is closed. */
static void test_certificate_of_two_nodes(void **state)
{
    (void)state;
    struct world *world = world_of(2, 15);
    struct peer *peer = world->nodes[1].peer;
    const struct peer_counters *counters = peer_counters(peer);
    struct addr from = {.family = 4, .port = 1, .ip = {127, 9, 9, 9}};
    uint64_t link;
    struct cert *cert = world_double_certificate(world, world_place(1, 7), world_place(2, 7));
    uint64_t closed = counters->links_closed;
    assert_int_equal(peer_link_accept(peer, world->now, &from, cert_der(cert), &link), 0);
    peer_link_input(peer, world->now, link, slice_of((const uint8_t *)"\x80\0\0\0\0\0\0\1x", 9));
    assert_int_equal(counters->message_malformed, 1);
    world_run(world, 9000);
    assert_int_equal(counters->links_closed, closed);
    world_run(world, 2000);
    assert_int_equal(counters->links_closed, closed + 1);
    assert_int_equal(peer_state(peer), PEER_JOINED);
    cert_free(cert);
    cert = world_double_certificate(world, world_place(1, 7), world->nodes[1].id);
    assert_int_equal(peer_link_accept(peer, world->now, &from, cert_der(cert), &link), ERR_FORBIDDEN);
    cert_free(cert);
    world_free(world);
}

/* The bootstrap node's certificate names another node first: which of the two it is is seen by what it signs. */
static void test_bootstrap_node_with_two_node_ids(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 2; order++) {
        struct world *world = world_new(70 + order);
        world_add(world, world_place(1, 4));
        world_name_twice(world, 1, world_place(3, 7));
        world_start(world, 1);
        for (unsigned i = 2; i <= 4; i++) {
            world_add(world, world_place(i, 4 + order));
            if (i == 3)
                world_name_twice(world, 3, world_place(5, 7));
            world_start(world, i);
        }
        assert_true(world_run_until(world, world_is_right, 60000));
        world_run(world, 60000);
        assert_true(world_is_right(world));
        assert_int_equal(world_counters(world, 2)->link_refused_node_id, 0);
        world_free(world);
    }
}

static void test_client_is_refused(void **state)
{
    (void)state;
    struct world *world = world_of(3, 16);
    unsigned client = world_add(world, world_place(5, 8));
    struct addr from = {.family = 4, .port = 1, .ip = {127, 9, 9, 9}};
    uint64_t link;
    /* A node with a good certificate that links to 1, does not join, and asks for things. */
    struct world_node *node = &world->nodes[client];
    struct security_options options;
    security_options_default(&options);
    assert_int_equal(
        security_x509_new(&options, node->config, node->key, node->cert, node->id, world->now.wall, &node->security),
        0);
    struct peer *peer = world->nodes[1].peer;
    assert_int_equal(peer_link_accept(peer, world->now, &from, cert_der(node->cert), &link), 0);
    struct id place = world_place(20, 64);
    struct reload_destination resource = reload_destination_resource(id_slice(&place));
    struct reload_header header = {.ttl = 100, .destinations = &resource, .destination_count = 1};
    struct reload_body body = {.code = RELOAD_FETCH_REQ, .fetch_req = {.resource = id_slice(&place)}};
    struct buf message, framed;
    buf_init(&message, RELOAD_MESSAGE_OCTETS_MAX);
    buf_init(&framed, RELOAD_MESSAGE_OCTETS_MAX);
    world_craft(world, client, &header, &body, &message);
    buf_u8(&framed, RELOAD_FRAME_DATA);
    buf_u32(&framed, 0);
    buf_opaque(&framed, 3, buf_slice(&message));
    peer_link_input(peer, world->now, link, buf_slice(&framed));
    assert_int_equal(peer_counters(peer)->message_from_client, 1);
    assert_int_equal(peer_counters(peer)->errors_sent > 0, 1);
    buf_fini(&message);
    buf_fini(&framed);
    security_x509_free(node->security);
    world_free(world);
}

static void tune_small_queue(struct peer_options *options)
{
    options->link_queue_octets_max = 6000;
}

static void test_slow_link_is_closed(void **state)
{
    (void)state;
    struct world *world = world_new(17);
    world->tune = tune_small_queue;
    for (unsigned i = 0; i < 3; i++)
        world_add(world, world_place(i, 3));
    for (unsigned i = 1; i <= 3; i++) {
        world_start(world, i);
        assert_true(world_run_until(world, world_is_right, 3000));
    }
    world_run(world, 1000);
    world->nodes[2].frozen = true;
    for (unsigned i = 0; i < 20; i++)
        peer_ping(world->nodes[1].peer, world->now, 1000 + i, (struct peer_target){true, world->nodes[2].id});
    assert_true(world_counters(world, 1)->link_queue_overflow > 0);
    world->nodes[2].frozen = false;
    assert_true(world_run_until(world, world_is_right, 60000));
    world_free(world);
}

static void test_bad_frames_close_the_link(void **state)
{
    (void)state;
    struct world *world = world_of(2, 18);
    struct region region;
    struct peer_view view;
    region_init(&region, 1u << 20);
    assert_int_equal(peer_view(world->nodes[1].peer, world->now, &region, &view), 0);
    assert_int_equal(view.link_count, 1);
    peer_link_input(world->nodes[1].peer, world->now, view.links[0].link, slice_str("GET / HTTP/1.0\r\n\r\n"));
    assert_int_equal(world_counters(world, 1)->frame_bad, 1);
    region_fini(&region);
    assert_true(world_run_until(world, world_is_right, 60000));
    world_free(world);
}

/* The link that a node has to another one; fails if there is none. */
static struct peer_link_view link_between(struct world *world, unsigned node, unsigned other)
{
    struct region region;
    struct peer_view view;
    struct peer_link_view found = {0};
    region_init(&region, 1u << 20);
    assert_int_equal(peer_view(world->nodes[node].peer, world->now, &region, &view), 0);
    for (size_t i = 0; i < view.link_count; i++)
        if (id_eq(view.links[i].node, world->nodes[other].id) && strcmp(view.links[i].state, "closing") != 0)
            found = view.links[i];
    region_fini(&region);
    assert_true(found.link);
    return found;
}

/* Both sides connect at the same time: the link that the greater Node-ID opened stays, on both sides. */
static void test_simultaneous_connect(void **state)
{
    (void)state;
    struct addr from = {.family = 4, .port = 1, .ip = {127, 9, 9, 9}};
    uint64_t link;
    for (unsigned greater_opened = 0; greater_opened < 2; greater_opened++) {
        struct world *world = world_new(25);
        world_add(world, world_place(0, 3));
        world_add(world, world_place(greater_opened ? 2 : 1, 3)); /* who is there first opens the link to who joins */
        world_add(world, world_place(greater_opened ? 1 : 2, 3));
        for (unsigned i = 1; i <= 3; i++) {
            world_start(world, i);
            assert_true(world_run_until(world, world_is_right, 3000));
        }
        struct peer_link_view before = link_between(world, 2, 3);
        assert_false(before.incoming);
        assert_int_equal(
            peer_link_accept(world->nodes[2].peer, world->now, &from, cert_der(world->nodes[3].cert), &link), 0);
        assert_int_equal(world_counters(world, 2)->link_duplicate, 1);
        assert_int_equal(link_between(world, 2, 3).link == before.link, greater_opened);
        world_free(world);
    }
}

static void test_node_that_connects_anew(void **state)
{
    (void)state;
    struct world *world = world_of(4, 26);
    struct addr from = {.family = 4, .port = 1, .ip = {127, 9, 9, 9}};
    uint64_t link;
    world_run(world, 10000);
    /* 3 has lost its link without our noticing; then the new one is lost, too, again unnoticed. */
    assert_int_equal(peer_link_accept(world->nodes[2].peer, world->now, &from, cert_der(world->nodes[3].cert), &link),
                     0);
    assert_int_equal(link_between(world, 2, 3).link, link);
    assert_true(world_run_until(world, world_is_right, 120000));
    world_free(world);
}

/* A message arrives while the n-th allocation from there fails. */
static void receive_without_memory(struct world *world, const struct reload_body *body, unsigned long nth)
{
    struct reload_destination place = reload_destination_node(world->nodes[2].id);
    struct reload_header header = {.ttl = 100, .destinations = &place, .destination_count = 1};
    struct buf message, framed;
    uint64_t link = link_between(world, 2, 1).link;
    buf_init(&message, RELOAD_MESSAGE_OCTETS_MAX);
    buf_init(&framed, RELOAD_MESSAGE_OCTETS_MAX);
    world_craft(world, 1, &header, body, &message);
    buf_u8(&framed, RELOAD_FRAME_DATA);
    buf_u32(&framed, 0);
    buf_opaque(&framed, 3, buf_slice(&message));
    mem_fail_at(nth);
    peer_link_input(world->nodes[2].peer, world->now, link, buf_slice(&framed));
    mem_fail_at(0);
    world_run(world, 50);
    buf_fini(&message);
    buf_fini(&framed);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct world *world = world_of(3, 27);
    struct id place = world_place(20, 64); /* of 2 */
    struct reload_specifier specifier = {.kind = WORLD_KIND, .model = RELOAD_MODEL_DICTIONARY};
    struct reload_body fetch = {.code = RELOAD_FETCH_REQ, .fetch_req = {id_slice(&place), &specifier, 1}};
    struct reload_body update = {.code = RELOAD_UPDATE_REQ, .update_req = {.type = RELOAD_CHORD_NEIGHBORS}};
    struct reload_body attach = {.code = RELOAD_ATTACH_REQ,
                                 .attach = {.role = slice_str("passive"), .send_update = true}};
    struct id ids[] = {world_place(7, 64), world_place(9, 64)};
    update.update_req.successors = (struct reload_ids){ids, 2};
    assert_int_equal(world_store(world, 1, place, "value")->err, 0);
    for (unsigned long nth = 1; nth <= 60; nth++) {
        assert_true(world_run_until(world, world_is_right, 60000));
        receive_without_memory(world, &fetch, nth);
        assert_true(world_run_until(world, world_is_right, 60000));
        receive_without_memory(world, &update, nth);
        assert_true(world_run_until(world, world_is_right, 60000));
        receive_without_memory(world, &attach, nth);
    }
    assert_true(world_run_until(world, world_is_right, 60000));
    assert_string_equal(world_value(world_fetch(world, 3, place), world->nodes[1].id), "value");
    world_free(world);
}

/* ---- AppAttach ---- */

static void test_app_attach(void **state)
{
    (void)state;
    struct world *world = world_of(4, 19);
    struct addr listener = {.family = 4, .port = 8470, .ip = {127, 1, 3, 1}};
    struct addr own = {.family = 4, .port = 8470, .ip = {127, 1, 1, 1}};
    peer_app_attach(world->nodes[1].peer, world->now, 500, world->nodes[3].id, 61441, own);
    const struct peer_result *result = world_wait(world, 1, 500);
    assert_int_equal(result->err, ERR_NOT_FOUND);
    assert_int_equal(result->error_code, RELOAD_ERROR_NOT_FOUND);
    assert_int_equal(peer_app_register(world->nodes[3].peer, 61441, listener), 0);
    peer_app_attach(world->nodes[1].peer, world->now, 501, world->nodes[3].id, 61441, own);
    result = world_wait(world, 1, 501);
    assert_int_equal(result->err, 0);
    assert_true(addr_eq(&result->addr, &listener));
    assert_int_equal(world->nodes[3].app_attached, 1);
    assert_true(id_eq(world->nodes[3].app_node, world->nodes[1].id));
    assert_true(addr_eq(&world->nodes[3].app_addr, &own));
    world_free(world);
}

/* ---- configuration ---- */

static void slower(struct world *world, struct config *config)
{
    (void)world;
    config->chord_update_interval_s = 900;
}

static void test_configuration_reaches_everybody(void **state)
{
    (void)state;
    struct world *world = world_of(8, 20);
    world_forget_trace(world);
    world_configure(world, 4, slower);
    world_run(world, 3000);
    for (unsigned i = 1; i <= 8; i++) {
        assert_int_equal(world->nodes[i].config->sequence, 2);
        assert_int_equal(world->nodes[i].config->chord_update_interval_s, 900);
    }
    assert_true(world_saw(world, "4 > config_update_req 5"));
    assert_true(world_saw(world, "5 has a new configuration"));
    /* A node that starts with the old one is brought up to date while it joins. */
    unsigned late = world_add(world, world_place(3, 16));
    world_start(world, late);
    assert_true(world_run_until(world, world_is_right, 30000));
    assert_int_equal(world->nodes[late].config->sequence, 2);
    world_free(world);
}

static void test_forged_configuration_is_refused(void **state)
{
    (void)state;
    struct world *world = world_of(3, 21);
    struct slice genuine = world->nodes[1].config->document;
    struct buf document, message;
    buf_init(&document, CONFIG_DOCUMENT_OCTETS_MAX);
    buf_slice_put(&document, genuine);
    char *at = memmem(document.p, document.n, "sequence=\"1\"", 12);
    assert_non_null(at);
    at[10] = '7';
    struct reload_destination place = reload_destination_node(world->nodes[2].id);
    struct reload_header header = {.ttl = 100,
                                   .configuration_sequence = RELOAD_CONFIG_SEQUENCE_ANY,
                                   .destinations = &place,
                                   .destination_count = 1};
    struct reload_body body = {.code = RELOAD_CONFIG_UPDATE_REQ};
    body.config_update.type = RELOAD_CONFIG_UPDATE_CONFIG;
    body.config_update.config_data = buf_slice(&document);
    buf_init(&message, RELOAD_MESSAGE_OCTETS_MAX);
    world_craft(world, 1, &header, &body, &message);
    world_inject(world, 1, 2, buf_slice(&message));
    world_run(world, 100);
    assert_true(world_saw(world, "2 > Error_Forbidden 1"));
    assert_int_equal(world_counters(world, 2)->config_updates_refused, 1);
    assert_int_equal(world->nodes[2].config->sequence, 1);
    buf_fini(&document);
    buf_fini(&message);
    world_free(world);
}

static struct id banned_id;

static void ban(struct world *world, struct config *config)
{
    (void)world;
    config->bad_nodes = &banned_id;
    config->bad_node_count = 1;
}

static void test_bad_node_is_shut_out(void **state)
{
    (void)state;
    struct world *world = world_of(5, 22);
    banned_id = world->nodes[4].id;
    world_configure(world, 2, ban);
    world_run(world, 60000);
    for (unsigned i = 1; i <= 5; i++) {
        struct region region;
        struct peer_view view;
        if (i == 4)
            continue;
        region_init(&region, 1u << 20);
        assert_int_equal(world->nodes[i].config->sequence, 2);
        assert_int_equal(peer_view(world->nodes[i].peer, world->now, &region, &view), 0);
        for (size_t k = 0; k < view.link_count; k++)
            assert_false(id_eq(view.links[k].node, banned_id));
        region_fini(&region);
    }
    uint64_t refused = 0;
    for (unsigned i = 1; i <= 5; i++)
        refused += i == 4 ? 0 : world_counters(world, i)->link_refused_banned;
    assert_true(refused > 0);
    assert_int_not_equal(peer_state(world->nodes[4].peer), PEER_JOINED);
    world_kill(world, 4);
    assert_true(world_is_right(world)); /* the others are a ring without it */
    world_free(world);
}

/* An argument selects tests by name, with * and ?. */
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ttl_exceeded),
        cmocka_unit_test(test_another_overlay),
        cmocka_unit_test(test_another_version),
        cmocka_unit_test(test_forwarding_options),
        cmocka_unit_test(test_destination_lists),
        cmocka_unit_test(test_fragments_are_put_together),
        cmocka_unit_test(test_max_response_length),
        cmocka_unit_test(test_message_too_large_closes_the_link),
        cmocka_unit_test(test_unknown_method),
        cmocka_unit_test(test_duplicate_request_is_done_once),
        cmocka_unit_test(test_forged_message_is_dropped),
        cmocka_unit_test(test_answer_of_a_wrong_node),
        cmocka_unit_test(test_only_the_node_itself_joins_leaves_and_updates),
        cmocka_unit_test(test_noise_changes_nothing),
        cmocka_unit_test(test_newer_data_of_a_replica_is_fetched),
        cmocka_unit_test(test_link_to_a_wrong_node),
        cmocka_unit_test(test_certificates_of_strangers),
        cmocka_unit_test(test_certificate_of_two_nodes),
        cmocka_unit_test(test_bootstrap_node_with_two_node_ids),
        cmocka_unit_test(test_client_is_refused),
        cmocka_unit_test(test_slow_link_is_closed),
        cmocka_unit_test(test_bad_frames_close_the_link),
        cmocka_unit_test(test_simultaneous_connect),
        cmocka_unit_test(test_node_that_connects_anew),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_app_attach),
        cmocka_unit_test(test_configuration_reaches_everybody),
        cmocka_unit_test(test_forged_configuration_is_refused),
        cmocka_unit_test(test_bad_node_is_shut_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
