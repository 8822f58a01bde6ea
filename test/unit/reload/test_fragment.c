/* Fragmentation and reassembly, RFC 6940 6.7: any order, any cut, and what gives way at the limits. */
#include "testing.h"

#include "base/mem.h"
#include "reload/fragment.h"

enum { BODY_OCTETS = 3000, PIECES_MAX = 16 };

struct fixture {
    struct region region;
    struct buf message;
    struct reload_header header;
    struct reload_reassembly reassembly;
    struct buf out;
    struct buf pieces[PIECES_MAX];
    size_t count;
    struct fault fault;
};

static const struct id alice = {{1}}, bob = {{2}};
static const struct mono start = {1000};

static struct mono at_ms(int64_t ms)
{
    return mono_after_ms(start, ms);
}

/* A message of any contents: fragments are cut without looking at them. */
static void make_message(struct fixture *f, uint64_t transaction_id, uint8_t fill)
{
    const struct reload_destination destination = reload_destination_node(bob);
    struct reload_header header = {
        .fragment = RELOAD_FRAGMENT_WHOLE,
        .transaction_id = transaction_id,
        .destinations = &destination,
        .destination_count = 1,
    };
    buf_clear(&f->message);
    assert_int_equal(reload_header_encode(&header, BODY_OCTETS, &f->message), 0);
    for (size_t i = 0; i < BODY_OCTETS; i++)
        buf_u8(&f->message, (uint8_t)(i * 7 + i / 256 + fill));
    assert_int_equal(reload_header_decode(buf_slice(&f->message), &f->region, &f->header, &f->fault), 0);
}

static int cut(struct fixture *f, size_t fragment_octets_max)
{
    struct reload_cutter cutter;
    int err = reload_cutter_init(&cutter, buf_slice(&f->message), &f->header, &f->header, fragment_octets_max);
    if (err)
        return err;
    for (f->count = 0; f->count < PIECES_MAX; f->count++) {
        buf_clear(&f->pieces[f->count]);
        err = reload_cutter_next(&cutter, &f->pieces[f->count]);
        if (err == ERR_NOT_FOUND)
            return 0;
        assert_int_equal(err, 0);
        assert_in_range(f->pieces[f->count].n, 1, fragment_octets_max);
    }
    fail_msg("more than %d pieces", PIECES_MAX);
    return 0;
}

static int input_octets(struct fixture *f, struct mono now, struct id neighbor, struct slice octets)
{
    struct reload_header header;
    assert_int_equal(reload_header_decode(octets, &f->region, &header, &f->fault), 0);
    buf_clear(&f->out);
    return reload_reassembly_input(&f->reassembly, now, neighbor, octets, &header, &f->out);
}

static int input(struct fixture *f, struct mono now, struct id neighbor, size_t piece)
{
    return input_octets(f, now, neighbor, buf_slice(&f->pieces[piece]));
}

static int set_up(void **state)
{
    static struct fixture f;
    region_init(&f.region, RELOAD_REGION_OCTETS_MAX);
    buf_init(&f.message, 5000);
    buf_init(&f.out, 5000);
    for (size_t i = 0; i < PIECES_MAX; i++)
        buf_init(&f.pieces[i], 5000);
    reload_reassembly_init(&f.reassembly, 5000);
    *state = &f;
    make_message(&f, 42, 0);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    reload_reassembly_fini(&f->reassembly);
    assert_int_equal(f->reassembly.octets, 0);
    assert_int_equal(f->reassembly.message_count, 0);
    region_fini(&f->region);
    buf_fini(&f->message);
    buf_fini(&f->out);
    for (size_t i = 0; i < PIECES_MAX; i++)
        buf_fini(&f->pieces[i]);
    return 0;
}

static void pieces_are_equal_and_leave_room_for_the_via_list(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(cut(f, 1000), 0);
    assert_int_equal(f->count, 4); /* 3000 octets in pieces of at most 1000 - 56 - 32 = 912 */
    for (size_t i = 0; i < f->count; i++) {
        struct reload_header header;
        assert_int_equal(reload_header_decode(buf_slice(&f->pieces[i]), &f->region, &header, &f->fault), 0);
        uint32_t last = i == 3 ? RELOAD_FRAGMENT_LAST : 0;
        assert_int_equal(header.fragment, RELOAD_FRAGMENT_HIGH | last | 750 * i);
        assert_int_equal(header.length, 56 + 750);
        assert_int_equal(header.destination_count, 1);
        assert_false(reload_header_is_whole(&header));
    }
}

static void what_fits_is_not_cut(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(cut(f, BODY_OCTETS + 56), 0);
    assert_int_equal(f->count, 1);
    assert_slice_equal(buf_slice(&f->pieces[0]), buf_slice(&f->message));
    assert_int_equal(input(f, start, alice, 0), 0);
    assert_slice_equal(buf_slice(&f->out), buf_slice(&f->message));
    assert_int_equal(f->reassembly.message_count, 0);
}

/* Each fragment must hold 256 octets behind the header. */
static void links_that_are_too_small_are_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(cut(f, 56 + 32 + 255), ERR_RANGE);
    assert_int_equal(cut(f, 56 + 32 + 300), 0);
    assert_int_equal(f->count, 10);
    assert_int_equal(cut(f, 56 + 32 + 256), ERR_RANGE); /* 12 pieces of 250 */
}

static void pieces_come_together_in_every_order(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(cut(f, 1000), 0);
    unsigned orders = 0;
    for (unsigned a = 0; a < 4; a++)
        for (unsigned b = 0; b < 4; b++)
            for (unsigned c = 0; c < 4; c++) {
                if (a == b || b == c || a == c)
                    continue;
                assert_int_equal(input(f, start, alice, a), ERR_TRUNCATED);
                assert_int_equal(input(f, start, alice, b), ERR_TRUNCATED);
                assert_int_equal(input(f, start, alice, a), ERR_TRUNCATED); /* again */
                assert_int_equal(input(f, start, alice, c), ERR_TRUNCATED);
                assert_int_equal(input(f, start, alice, 6 - a - b - c), 0);
                assert_slice_equal(buf_slice(&f->out), buf_slice(&f->message));
                orders++;
            }
    assert_int_equal(orders, 24);
    assert_int_equal(f->reassembly.counters.completed, 24);
    assert_int_equal(f->reassembly.octets, 0);
}

/* A peer on the way may cut a fragment again; a retransmission may be cut elsewhere. */
static void pieces_of_different_cuts_fit(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(cut(f, 1000), 0);
    struct buf first, second;
    buf_init(&first, 5000);
    buf_init(&second, 5000);
    buf_slice_put(&first, buf_slice(&f->pieces[2]));
    struct reload_header header;
    assert_int_equal(reload_header_decode(buf_slice(&first), &f->region, &header, &f->fault), 0);
    struct reload_cutter cutter;
    assert_int_equal(reload_cutter_init(&cutter, buf_slice(&first), &header, &header, 56 + 32 + 400), 0);
    assert_int_equal(input(f, start, alice, 3), ERR_TRUNCATED);
    for (int i = 0; i < 2; i++) {
        buf_clear(&second);
        assert_int_equal(reload_cutter_next(&cutter, &second), 0);
        assert_int_equal(input_octets(f, start, alice, buf_slice(&second)), ERR_TRUNCATED);
    }
    buf_clear(&second);
    assert_int_equal(reload_cutter_next(&cutter, &second), ERR_NOT_FOUND);
    assert_int_equal(cut(f, 2000), 0); /* two pieces of 1500: the first overlaps what is there not at all or exactly */
    assert_int_equal(input(f, start, alice, 0), 0);
    assert_slice_equal(buf_slice(&f->out), buf_slice(&f->message));
    buf_fini(&first);
    buf_fini(&second);
}

static void overlaps_must_agree(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(cut(f, 1000), 0);
    assert_int_equal(input(f, start, alice, 0), ERR_TRUNCATED);
    assert_int_equal(input(f, start, alice, 1), ERR_TRUNCATED);
    assert_int_equal(cut(f, 2000), 0);
    assert_int_equal(input(f, start, alice, 0), ERR_TRUNCATED);
    f->pieces[0].p[56 + 749] ^= 1;
    assert_int_equal(input(f, start, alice, 0), ERR_CONFLICT);
    assert_int_equal(f->reassembly.counters.contradicted, 1);
    assert_int_equal(f->reassembly.message_count, 0);
}

static void the_end_must_agree(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(cut(f, 1000), 0);
    assert_int_equal(input(f, start, alice, 3), ERR_TRUNCATED);
    f->pieces[2].p[RELOAD_FRAGMENT_OCTET] |= 0x40; /* another last one */
    assert_int_equal(input(f, start, alice, 2), ERR_CONFLICT);
    assert_int_equal(input(f, start, alice, 3), ERR_TRUNCATED);
    f->pieces[0].p[RELOAD_FRAGMENT_OCTET + 2] = 0x0b; /* behind the end */
    assert_int_equal(input(f, start, alice, 0), ERR_CONFLICT);
    assert_int_equal(input(f, start, alice, 3), ERR_TRUNCATED);
    f->pieces[1].p[RELOAD_FRAGMENT_OCTET] |= 0x40; /* an earlier end than what is there */
    assert_int_equal(input(f, start, alice, 1), ERR_CONFLICT);
    assert_int_equal(f->reassembly.counters.contradicted, 3);
}

static void neighbors_and_transactions_are_kept_apart(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(cut(f, 2000), 0);
    assert_int_equal(input(f, start, alice, 0), ERR_TRUNCATED);
    make_message(f, 42, 99); /* the same transaction from another neighbor: other octets, no conflict */
    assert_int_equal(cut(f, 2000), 0);
    assert_int_equal(input(f, start, bob, 1), ERR_TRUNCATED);
    assert_int_equal(input(f, start, bob, 0), 0);
    assert_slice_equal(buf_slice(&f->out), buf_slice(&f->message));
    make_message(f, 42, 0);
    assert_int_equal(cut(f, 2000), 0);
    assert_int_equal(input(f, start, alice, 1), 0);
    assert_slice_equal(buf_slice(&f->out), buf_slice(&f->message));
}

static void incomplete_messages_expire(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(cut(f, 2000), 0);
    assert_int_equal(reload_reassembly_deadline(&f->reassembly).us, MONO_NEVER.us);
    assert_int_equal(input(f, start, alice, 0), ERR_TRUNCATED);
    assert_int_equal(reload_reassembly_deadline(&f->reassembly).us, at_ms(15000).us);
    reload_reassembly_expire(&f->reassembly, at_ms(14999));
    assert_int_equal(f->reassembly.message_count, 1);
    reload_reassembly_expire(&f->reassembly, at_ms(15000));
    assert_int_equal(f->reassembly.message_count, 0);
    assert_int_equal(f->reassembly.counters.expired, 1);
    assert_int_equal(input(f, at_ms(15000), alice, 1), ERR_TRUNCATED);
}

static void each_neighbor_has_its_share(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i <= RELOAD_REASSEMBLY_PER_SOURCE_MAX; i++) {
        make_message(f, i, 0);
        assert_int_equal(cut(f, 2000), 0);
        assert_int_equal(input(f, start, alice, 0), i < RELOAD_REASSEMBLY_PER_SOURCE_MAX ? ERR_TRUNCATED : ERR_LIMIT);
    }
    assert_int_equal(input(f, start, bob, 0), ERR_TRUNCATED);
    assert_int_equal(f->reassembly.counters.limited, 1);
}

static void all_neighbors_together_have_a_limit(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(cut(f, 2000), 0);
    unsigned taken = 0;
    for (uint8_t i = 0; i < 200; i++) {
        int err = input(f, start, (struct id){{i}}, 0);
        assert_int_equal(err, i < RELOAD_REASSEMBLY_MESSAGES_MAX ? ERR_TRUNCATED : ERR_LIMIT);
        taken += err == ERR_TRUNCATED;
        assert_in_range(f->reassembly.octets, 1, RELOAD_REASSEMBLY_OCTETS_MAX);
    }
    assert_int_equal(taken, RELOAD_REASSEMBLY_MESSAGES_MAX);
}

static void messages_have_a_limit(void **state)
{
    struct fixture *f = *state;
    f->reassembly.message_octets_max = 56 + BODY_OCTETS - 1;
    assert_int_equal(cut(f, 2000), 0);
    assert_int_equal(input(f, start, alice, 0), ERR_TRUNCATED);
    assert_int_equal(input(f, start, alice, 1), ERR_LIMIT);
}

/* Many small pieces with holes between them: their number is bounded. */
static void pieces_apart_have_a_limit(void **state)
{
    struct fixture *f = *state;
    struct reload_header header = f->header;
    for (uint32_t i = 0; i <= RELOAD_REASSEMBLY_GAPS_MAX; i++) {
        header.fragment = RELOAD_FRAGMENT_HIGH | (2 * i);
        buf_clear(&f->pieces[0]);
        assert_int_equal(reload_header_encode(&header, 1, &f->pieces[0]), 0);
        buf_u8(&f->pieces[0], 0);
        assert_int_equal(input(f, start, alice, 0), i < RELOAD_REASSEMBLY_GAPS_MAX ? ERR_TRUNCATED : ERR_LIMIT);
    }
}

static void every_failed_allocation_is_survived(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(cut(f, 1000), 0);
    unsigned failures = 0;
    for (unsigned long nth = 1; nth < 10; nth++) {
        for (size_t i = 0; i < 4; i++) {
            struct reload_header header;
            assert_int_equal(reload_header_decode(buf_slice(&f->pieces[i]), &f->region, &header, &f->fault), 0);
            buf_clear(&f->out);
            mem_fail_at(i == 0 ? nth : 0);
            int err = reload_reassembly_input(&f->reassembly, start, alice, buf_slice(&f->pieces[i]), &header, &f->out);
            mem_fail_at(0);
            failures += err == ERR_NO_MEMORY;
            assert_true(err == ERR_NO_MEMORY || err == ERR_TRUNCATED || err == 0);
        }
        reload_reassembly_expire(&f->reassembly, at_ms(15000));
        assert_int_equal(f->reassembly.octets, 0);
    }
    assert_int_equal(failures, 3); /* the message, its octets, its header */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_are_equal_and_leave_room_for_the_via_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_fits_is_not_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(links_that_are_too_small_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pieces_come_together_in_every_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pieces_of_different_cuts_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(overlaps_must_agree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_end_must_agree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(neighbors_and_transactions_are_kept_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(incomplete_messages_expire, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_neighbor_has_its_share, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_neighbors_together_have_a_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages_have_a_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pieces_apart_have_a_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_failed_allocation_is_survived, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
