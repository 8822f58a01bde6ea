/* Guesses: how many a record survives, from whom, and that nothing gives away whether a call is known. */
#include "world.h"

#define HOUR_MS (INT64_C(3600) * 1000)

static const struct call call = {"+4930123456", "+4989111111", 100000, 160000};

/* Another Node-ID at another address. */
static void be(struct world *w, uint8_t n)
{
    w->a = world_identity(n);
    w->a_address.ip[3] = n;
}

static void guess_wrong(struct world *w, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        assert_false(world_guess(w, &call, "+4989111111;1;2"));
}

/* Three failures of one Node-ID: it may guess no more, not even right; the owner still proves. */
static void test_three_failures_from_one_node(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct id id = world_upload(&w, &call);
    be(&w, 0xe);
    guess_wrong(&w, 3);
    assert_false(world_guess(&w, &call, "+4989111111;441806425;441806440"));
    assert_int_equal(pvp_terminator_counters(w.terminator)->lookups_spent, 1);
    world_crash(&w);
    world_pass_ms(&w, HOUR_MS);
    assert_false(world_guess(&w, &call, "+4989111111;441806425;441806440"));
    be(&w, 0xa);
    assert_true(world_guess(&w, &call, "+4989111111;441806425;441806440"));
    assert_int_equal(world_validate(&w, &call, &w.b).outcome, PVP_SUCCESS);
    assert_int_equal(pvp_vcr_state(pvp_vcr_find(w.vcrs, &id)), PVP_VCR_DONE);
    world_close(&w);
}

/* Twelve in all: burnt, for its owner too, and still after a crash. */
static void test_twelve_failures_burn(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct id id = world_upload(&w, &call);
    for (uint8_t n = 1; n <= 4; n++) {
        assert_int_equal(pvp_vcr_state(pvp_vcr_find(w.vcrs, &id)), PVP_VCR_WAITING);
        be(&w, n);
        guess_wrong(&w, 3);
        if (n == 2)
            world_crash(&w); /* what failed before counts after it */
    }
    assert_int_equal(w.report.event, PVP_INBOUND_BURNT);
    assert_int_equal(pvp_terminator_counters(w.terminator)->records_burnt, 1);
    world_crash(&w);
    assert_int_equal(pvp_vcr_state(pvp_vcr_find(w.vcrs, &id)), PVP_VCR_FAILED);
    assert_int_equal(pvp_vcr_reason(pvp_vcr_find(w.vcrs, &id)), PVP_REASON_BURNT);
    be(&w, 0xa);
    assert_int_equal(world_validate(&w, &call, &w.b).outcome, PVP_FAILURE);
    world_close(&w);
}

/* Six calls of the same two numbers, which nothing but their order tells apart, proved from the oldest on: the ones that were guessed at
 * in vain meanwhile are still there for their own proofs, also after a crash. */
static void test_a_proof_forgives_guesses_at_its_siblings(void **state)
{
    (void)state;
    enum { CALLS = 6 };
    struct world w;
    struct call calls[CALLS];
    struct id ids[CALLS];
    world_open(&w);
    for (int i = 0; i < CALLS; i++) {
        calls[i] = call;
        calls[i].start_ms -= 1000000 * i;
        calls[i].stop_ms -= 1000000 * i;
        ids[i] = world_upload(&w, &calls[i]);
    }
    for (int i = CALLS - 1; i >= 0; i--) {
        assert_int_equal(world_validate(&w, &calls[i], &w.b).outcome, PVP_SUCCESS);
        assert_int_equal(pvp_vcr_state(pvp_vcr_find(w.vcrs, &ids[i])), PVP_VCR_DONE);
        world_pass_ms(&w, HOUR_MS);
        world_crash(&w);
    }
    world_close(&w);
}

/* Of another pair of numbers nothing is forgiven: one's own call is not worth guesses at those of others. */
static void test_a_proof_forgives_nothing_else(void **state)
{
    (void)state;
    struct world w;
    struct call own = {"+4930123456", "+4989222222", 300000, 350000};
    world_open(&w);
    world_upload(&w, &call);
    world_upload(&w, &own);
    guess_wrong(&w, 3);
    assert_int_equal(world_validate(&w, &own, &w.b).outcome, PVP_SUCCESS);
    world_pass_ms(&w, HOUR_MS);
    assert_false(world_guess(&w, &call, "+4989111111;441806425;441806440"));
    world_close(&w);
}

/* What cannot be answered for at the moment costs no guess, however often it is tried. */
static void test_not_served_now_costs_nothing(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_upload(&w, &call);
    w.service_error = ERR_LIMIT;
    for (int i = 0; i < 20; i++)
        assert_int_equal(world_validate(&w, &call, &w.b).outcome, PVP_INCONCLUSIVE);
    assert_int_equal(pvp_terminator_counters(w.terminator)->refused_later, 20);
    w.service_error = 0;
    assert_int_equal(world_validate(&w, &call, &w.b).outcome, PVP_SUCCESS);
    world_close(&w);
}

static void upload_three(struct world *w, struct call calls[3])
{
    for (int i = 0; i < 3; i++) {
        calls[i] = call;
        calls[i].start_ms -= 1000000 * i;
        calls[i].stop_ms -= 1000000 * i;
        world_upload(w, &calls[i]);
    }
}

/* Three calls that fit. A's last guess at the newest falls in the validation of the oldest: the tries go on as they were counted. */
static void test_a_block_does_not_shift_the_tries_of_its_window(void **state)
{
    (void)state;
    struct world w;
    struct call calls[3];
    world_open(&w);
    upload_three(&w, calls);
    guess_wrong(&w, 2);
    world_pass_ms(&w, HOUR_MS);
    struct outcome o = world_validate(&w, &calls[2], &w.b);
    assert_int_equal(o.outcome, PVP_SUCCESS);
    assert_int_equal(o.attempts, 3);
    world_close(&w);
}

/* … and an hour later the newest is passed over, so that the one before it is the first try. */
static void test_a_block_shifts_the_tries_of_later_windows(void **state)
{
    (void)state;
    struct world w;
    struct call calls[3];
    world_open(&w);
    upload_three(&w, calls);
    guess_wrong(&w, 3);
    world_pass_ms(&w, HOUR_MS);
    struct outcome o = world_validate(&w, &calls[1], &w.b);
    assert_int_equal(o.outcome, PVP_SUCCESS);
    assert_int_equal(o.attempts, 1);
    world_close(&w);
}

/* Strangers, from however many addresses, have three guesses together, and burn nothing. */
static void test_strangers_neither_guess_nor_burn(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct id id = world_upload(&w, &call);
    w.a_announces = false;
    for (uint8_t n = 1; n <= 40; n++) {
        be(&w, n);
        guess_wrong(&w, 1);
    }
    be(&w, 99);
    assert_false(world_guess(&w, &call, "+4989111111;441806425;441806440"));
    assert_int_equal(pvp_terminator_counters(w.terminator)->lookups_spent, 38);
    assert_int_equal(pvp_vcr_state(pvp_vcr_find(w.vcrs, &id)), PVP_VCR_WAITING);
    w.a_announces = true;
    be(&w, 0xa);
    assert_int_equal(world_validate(&w, &call, &w.b).outcome, PVP_SUCCESS);
    world_close(&w);
}

/* A liar announces the owner's address as its own: that costs the owner nothing. */
static void test_a_false_announcement_burns_nothing(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_upload(&w, &call);
    struct addr owner = w.a_address;
    be(&w, 0xe);
    guess_wrong(&w, 3);
    pvp_announce(w.terminator, w.now, &w.a.node_id, &owner);
    w.a = world_identity(0xa);
    w.a_address = owner;
    assert_int_equal(world_validate(&w, &call, &w.b).outcome, PVP_SUCCESS);
    world_close(&w);
}

static struct pvp_inbound *open_guess(struct world *w, struct pvp_credential *credential)
{
    struct pvp_inbound *in;
    struct pvp_username u = {
        .method = PVP_METHOD_B, .vservice_id = VSERVICE, .instant = wall_after_ms(world_begin, 130000)};
    char username[PVP_USERNAME_OCTETS_MAX + 1];
    assert_true(e164_parse(slice_str(call.called), &u.called));
    assert_int_equal(pvp_inbound_new(w->terminator, w->now, &w->a_address, NULL, &in), 0);
    assert_int_equal(pvp_inbound_lookup(in, w->now, slice_str(pvp_username_format(&u, username)), credential), 0);
    return in;
}

/* Made-up passwords are 32 hexadecimal digits: here, where both can be seen. */
static bool is_made_up(const struct pvp_credential *c)
{
    return strchr(c->password, ';') == NULL;
}

/* Handshakes side by side count as failed until they ended; one that was given up gives its guess back. */
static void test_guesses_side_by_side(void **state)
{
    (void)state;
    struct world w;
    struct pvp_credential c[4];
    struct pvp_inbound *in[4];
    world_open(&w);
    world_upload(&w, &call);
    pvp_announce(w.terminator, w.now, &w.a.node_id, &w.a_address);
    for (int i = 0; i < 4; i++) {
        in[i] = open_guess(&w, &c[i]);
        assert_int_equal(is_made_up(&c[i]), i == 3);
    }
    pvp_inbound_closed(in[0], w.now);
    pvp_inbound_closed(in[3], w.now);
    in[3] = open_guess(&w, &c[3]);
    assert_false(is_made_up(&c[3]));
    for (int i = 1; i < 4; i++) {
        pvp_inbound_handshake(in[i], w.now, PVP_HANDSHAKE_BAD, NULL);
        pvp_inbound_closed(in[i], w.now);
    }
    in[0] = open_guess(&w, &c[0]);
    assert_true(is_made_up(&c[0]));
    pvp_inbound_closed(in[0], w.now);
    world_close(&w);
}

/* The salt of a username is the same whether the call is known or not, and the made-up password does not change either. */
static void test_known_and_unknown_look_alike(void **state)
{
    (void)state;
    struct world w;
    struct pvp_credential unknown;
    struct pvp_credential again;
    struct pvp_credential known;
    world_open(&w);
    pvp_inbound_closed(open_guess(&w, &unknown), w.now);
    pvp_inbound_closed(open_guess(&w, &again), w.now);
    assert_true(is_made_up(&unknown));
    assert_string_equal(unknown.password, again.password);
    assert_memory_equal(unknown.salt, again.salt, sizeof unknown.salt);
    world_upload(&w, &call);
    pvp_inbound_closed(open_guess(&w, &known), w.now);
    assert_false(is_made_up(&known));
    assert_memory_equal(unknown.salt, known.salt, sizeof unknown.salt);
    world_close(&w);
}

static void test_malformed_and_second_usernames(void **state)
{
    (void)state;
    struct world w;
    struct pvp_inbound *in;
    struct pvp_credential c;
    world_open(&w);
    assert_int_equal(pvp_inbound_new(w.terminator, w.now, &w.a_address, NULL, &in), 0);
    assert_int_equal(pvp_inbound_lookup(in, w.now, slice_str("nonsense"), &c), 0);
    assert_true(is_made_up(&c));
    assert_int_equal(pvp_inbound_lookup(in, w.now, slice_str("nonsense"), &c), ERR_WRONG_STATE);
    pvp_inbound_handshake(in, w.now, PVP_HANDSHAKE_BAD, NULL);
    pvp_inbound_closed(in, w.now);
    assert_int_equal(pvp_terminator_counters(w.terminator)->lookups_malformed, 1);
    world_close(&w);
}

/* The limits hold whether the call is known or not. */
static void test_limits_do_not_depend_on_what_is_known(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        struct world w;
        struct pvp_credential c;
        world_open(&w);
        if (known)
            world_upload(&w, &call);
        pvp_announce(w.terminator, w.now, &w.a.node_id, &w.a_address);
        for (unsigned i = 0; i < w.config.window_attempts_max; i++)
            pvp_inbound_closed(open_guess(&w, &c), w.now);
        struct pvp_inbound *in;
        assert_int_equal(pvp_inbound_new(w.terminator, w.now, &w.a_address, NULL, &in), 0);
        assert_int_equal(
            pvp_inbound_lookup(in, w.now, slice_str("1;B;0123456789abcdef;+4930123456;3976214530;0;0;0"), &c),
            ERR_LIMIT);
        pvp_inbound_closed(in, w.now);
        world_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_failures_from_one_node),
        cmocka_unit_test(test_twelve_failures_burn),
        cmocka_unit_test(test_a_block_does_not_shift_the_tries_of_its_window),
        cmocka_unit_test(test_a_block_shifts_the_tries_of_later_windows),
        cmocka_unit_test(test_a_proof_forgives_guesses_at_its_siblings),
        cmocka_unit_test(test_a_proof_forgives_nothing_else),
        cmocka_unit_test(test_not_served_now_costs_nothing),
        cmocka_unit_test(test_strangers_neither_guess_nor_burn),
        cmocka_unit_test(test_a_false_announcement_burns_nothing),
        cmocka_unit_test(test_guesses_side_by_side),
        cmocka_unit_test(test_known_and_unknown_look_alike),
        cmocka_unit_test(test_malformed_and_second_usernames),
        cmocka_unit_test(test_limits_do_not_depend_on_what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
