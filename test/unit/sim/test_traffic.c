/* Counting messages by kind: frames made by the codec, frames of a liar, frames cut short. */
#include "testing.h"

#include "reload/frame.h"
#include "reload/message.h"
#include "traffic.h"

static struct reload_destination somebody(uint8_t octet)
{
    return reload_destination_node((struct id){{octet}});
}

/* A frame with a message that has come over so many links. */
static void put_frame(struct buf *out, uint16_t code, size_t links, uint32_t fragment)
{
    struct reload_destination via[4] = {somebody(1), somebody(2), somebody(3), somebody(4)}, to = somebody(9);
    struct reload_message message = {.header = {.overlay = 1,
                                                .ttl = 100,
                                                .fragment = fragment,
                                                .transaction_id = 7,
                                                .via = via,
                                                .via_count = links,
                                                .destinations = &to,
                                                .destination_count = 1},
                                     .contents = {.code = code, .body = slice_str("body")}};
    struct buf octets;
    buf_init(&octets, 10000);
    assert_int_equal(reload_message_encode(&message, &octets), 0);
    struct reload_frame frame = {.type = RELOAD_FRAME_DATA, .sequence = 1, .message = buf_slice(&octets)};
    assert_int_equal(reload_frame_encode(&frame, out), 0);
    buf_fini(&octets);
}

static void kinds_are_told_apart(void **state)
{
    (void)state;
    struct sim_traffic t = {0};
    struct buf out;
    buf_init(&out, 100000);
    put_frame(&out, RELOAD_FETCH_REQ, 0, RELOAD_FRAGMENT_WHOLE);
    size_t fetch = out.n;
    put_frame(&out, RELOAD_FETCH_REQ, 3, RELOAD_FRAGMENT_WHOLE);
    put_frame(&out, RELOAD_ERROR, 0, RELOAD_FRAGMENT_WHOLE);
    put_frame(&out, RELOAD_STORE_ANS, 1, RELOAD_FRAGMENT_HIGH | 500);
    put_frame(&out, 0x7001, 0, RELOAD_FRAGMENT_WHOLE);
    reload_frame_encode(&(struct reload_frame){.type = RELOAD_FRAME_ACK, .sequence = 1}, &out);
    sim_traffic_count(&t, buf_slice(&out));
    assert_int_equal(t.messages[RELOAD_FETCH_REQ], 2);
    assert_int_equal(t.made[RELOAD_FETCH_REQ], 1);
    assert_true(t.octets[RELOAD_FETCH_REQ] > 2 * fetch);
    assert_int_equal(t.messages[SIM_TRAFFIC_ERROR], 1);
    assert_int_equal(t.made[SIM_TRAFFIC_ERROR], 0); /* an answer: its Via List does not tell */
    assert_int_equal(t.messages[SIM_TRAFFIC_FRAGMENT], 1);
    assert_int_equal(t.made[SIM_TRAFFIC_FRAGMENT], 0);
    assert_int_equal(t.messages[SIM_TRAFFIC_OTHER], 1);
    assert_int_equal(t.messages[SIM_TRAFFIC_ACK], 1);
    assert_int_equal(t.octets[SIM_TRAFFIC_ACK], RELOAD_FRAME_ACK_OCTETS);
    assert_int_equal(sim_traffic_messages(&t), 5);
    uint64_t octets = 0;
    for (unsigned row = 0; row < SIM_TRAFFIC_ROWS; row++)
        octets += t.octets[row];
    assert_int_equal(octets, out.n);
    buf_fini(&out);
}

/* Whatever is cut off or written over: every octet is counted once, and none behind the end is read (the sanitizer looks). */
static void nothing_is_read_that_is_not_there(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 100000);
    put_frame(&out, RELOAD_FETCH_REQ, 2, RELOAD_FRAGMENT_WHOLE);
    for (size_t n = 0; n <= out.n; n++) {
        for (unsigned value = 0; value < 256; value += 51) {
            struct buf copy;
            buf_init(&copy, n + 1);
            buf_put(&copy, out.p, n);
            if (n)
                copy.p[n - 1] = (uint8_t)value;
            struct sim_traffic t = {0};
            sim_traffic_count(&t, buf_slice(&copy));
            uint64_t octets = 0;
            for (unsigned row = 0; row < SIM_TRAFFIC_ROWS; row++)
                octets += t.octets[row];
            assert_int_equal(octets, n);
            buf_fini(&copy);
        }
    }
    buf_fini(&out);
}

static void names_are_the_standards(void **state)
{
    (void)state;
    assert_string_equal(sim_traffic_name(RELOAD_FETCH_REQ), "fetch_req");
    assert_string_equal(sim_traffic_name(SIM_TRAFFIC_ERROR), "error");
    assert_string_equal(sim_traffic_name(SIM_TRAFFIC_ACK), "ack");
    assert_null(sim_traffic_name(0));
    assert_null(sim_traffic_name(SIM_TRAFFIC_ROWS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_told_apart),
        cmocka_unit_test(nothing_is_read_that_is_not_there),
        cmocka_unit_test(names_are_the_standards),
    };
    return cmocka_run_group_tests_name("traffic", tests, NULL, NULL);
}
