/* Link framing: octets written down by hand from RFC 6940 6.6.2, streams in pieces, acknowledgement windows. */
#include "testing.h"

#include "reload/frame.h"

static const uint8_t data_frame[] = {
    0x80,                   /* data(128) */
    0x00, 0x00, 0x01, 0x02, /* sequence */
    0x00, 0x00, 0x03,       /* message<0..2^24-1> */
    'a',  'b',  'c',
};

static const uint8_t ack_frame[] = {
    0x81,                   /* ack(129) */
    0x00, 0x00, 0x01, 0x02, /* ack_sequence */
    0x80, 0x00, 0x00, 0x06, /* received: 0x101, 0x100 and 0x102 - 31 */
};

static void data_is_as_the_standard_says(void **state)
{
    (void)state;
    struct reload_frame frame;
    struct fault fault;
    size_t n;
    assert_int_equal(reload_frame_decode(slice_of(data_frame, sizeof data_frame), 100, &frame, &n, &fault), 0);
    assert_int_equal(n, sizeof data_frame);
    assert_int_equal(frame.type, RELOAD_FRAME_DATA);
    assert_int_equal(frame.sequence, 0x102);
    assert_slice_text(frame.message, "abc");
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(reload_frame_encode(&frame, &out), 0);
    assert_slice_equal(buf_slice(&out), slice_of(data_frame, sizeof data_frame));
    buf_fini(&out);
}

static void ack_is_as_the_standard_says(void **state)
{
    (void)state;
    struct reload_frame frame;
    struct fault fault;
    size_t n;
    assert_int_equal(reload_frame_decode(slice_of(ack_frame, sizeof ack_frame), 100, &frame, &n, &fault), 0);
    assert_int_equal(n, sizeof ack_frame);
    assert_int_equal(frame.type, RELOAD_FRAME_ACK);
    assert_int_equal(frame.sequence, 0x102);
    assert_int_equal(frame.received, 0x80000006);
    struct buf out;
    buf_init(&out, 100);
    assert_int_equal(reload_frame_encode(&frame, &out), 0);
    assert_slice_equal(buf_slice(&out), slice_of(ack_frame, sizeof ack_frame));
    buf_fini(&out);
}

static void an_incomplete_frame_says_how_much_it_needs(void **state)
{
    (void)state;
    struct reload_frame frame;
    struct fault fault;
    for (size_t have = 0; have < sizeof data_frame; have++) {
        size_t need = 0;
        assert_int_equal(reload_frame_decode(slice_of(data_frame, have), 100, &frame, &need, &fault), ERR_TRUNCATED);
        assert_int_equal(need, have == 0 ? 1 : have < 8 ? 8 : sizeof data_frame);
    }
    for (size_t have = 1; have < sizeof ack_frame; have++) {
        size_t need = 0;
        assert_int_equal(reload_frame_decode(slice_of(ack_frame, have), 100, &frame, &need, &fault), ERR_TRUNCATED);
        assert_int_equal(need, sizeof ack_frame);
    }
}

static void an_unknown_type_is_refused(void **state)
{
    (void)state;
    for (unsigned type = 0; type <= UINT8_MAX; type++) {
        uint8_t octets[16] = {(uint8_t)type};
        struct reload_frame frame;
        struct fault fault = {9, NULL};
        size_t n;
        int err = reload_frame_decode(slice_of(octets, sizeof octets), 100, &frame, &n, &fault);
        assert_int_equal(err, type == 128 || type == 129 ? 0 : ERR_SYNTAX);
        if (err)
            assert_int_equal(fault.octet, 0);
    }
}

static void a_message_that_is_too_large_is_known_before_it_arrives(void **state)
{
    (void)state;
    struct reload_frame frame = {0};
    struct fault fault = {0};
    size_t n;
    assert_int_equal(reload_frame_decode(slice_of(data_frame, 9), 2, &frame, &n, &fault), ERR_LIMIT);
    assert_int_equal(fault.octet, 5);
    assert_int_equal(frame.sequence, 0x102);
    assert_slice_text(frame.message, "a");
    assert_int_equal(reload_frame_decode(slice_of(data_frame, sizeof data_frame), 3, &frame, &n, &fault), 0);
}

static void acks_show_what_came_before(void **state)
{
    (void)state;
    struct reload_ack_window window;
    reload_ack_window_init(&window);
    assert_int_equal(reload_ack_window_receive(&window, 0).received, 0);
    assert_int_equal(reload_ack_window_receive(&window, 1).received, 1u << 1);
    assert_int_equal(reload_ack_window_receive(&window, 2).received, 1u << 1 | 1u << 2);
    struct reload_frame late = reload_ack_window_receive(&window, 5);
    assert_int_equal(late.type, RELOAD_FRAME_ACK);
    assert_int_equal(late.sequence, 5);
    assert_int_equal(late.received, 1u << 3 | 1u << 4 | 1u << 5);
    assert_int_equal(reload_ack_window_receive(&window, 3).received, 1u << 1 | 1u << 2 | 1u << 3);
    for (uint32_t sequence = 6; sequence < 100; sequence++)
        late = reload_ack_window_receive(&window, sequence);
    assert_int_equal(late.received, 0xfffffffe);
    assert_int_equal(reload_ack_window_receive(&window, 131).received, 0); /* 99 is just out of sight: 32 before */
    assert_int_equal(reload_ack_window_receive(&window, 132).received, 1u << 1);
}

static void sequence_numbers_wrap(void **state)
{
    (void)state;
    struct reload_ack_window window;
    reload_ack_window_init(&window);
    reload_ack_window_receive(&window, UINT32_MAX);
    assert_int_equal(reload_ack_window_receive(&window, 0).received, 1u << 1);
    assert_int_equal(reload_ack_window_receive(&window, 1).received, 1u << 1 | 1u << 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_is_as_the_standard_says),
        cmocka_unit_test(ack_is_as_the_standard_says),
        cmocka_unit_test(an_incomplete_frame_says_how_much_it_needs),
        cmocka_unit_test(an_unknown_type_is_refused),
        cmocka_unit_test(a_message_that_is_too_large_is_known_before_it_arrives),
        cmocka_unit_test(acks_show_what_came_before),
        cmocka_unit_test(sequence_numbers_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
