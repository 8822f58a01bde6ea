/* Timed traces of validations: proofs by A and B, times that do not match, several calls that fit, what the far side refuses, and what
 * becomes of a proof when something breaks in the middle. */
#include "ticket/ticket.h"
#include "world.h"

#define HOUR_MS (INT64_C(3600) * 1000)
#define CALLED "+4930123456"
#define CALLER "+4989111111"

/* Both sides' times of one call: start and stop differ by so much. */
static const struct call seen_by_a = {CALLED, CALLER, 100000, 160000};

static struct call shifted(const struct call *call, int64_t start_ms, int64_t stop_ms)
{
    struct call c = *call;
    c.start_ms += start_ms;
    c.stop_ms += stop_ms;
    return c;
}

/* [0] B uploads +1.5 s/-1.2 s  [0] A > CONNECT A 0, proved, 12; the ticket is B's and for A. */
static void test_proof_by_a(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct call seen_by_b = shifted(&seen_by_a, 1500, -1200);
    struct id id = world_upload(&w, &seen_by_b);
    struct outcome o = world_validate(&w, &seen_by_a, &w.b);
    assert_int_equal(o.outcome, PVP_SUCCESS);
    assert_int_equal(o.method, PVP_METHOD_A);
    assert_int_equal(o.worth, 12);
    assert_int_equal(o.attempts, 1);
    assert_string_equal(o.domain, "b.example");
    assert_int_equal(w.report.event, PVP_INBOUND_PROVED);
    assert_string_equal(w.report.domain, "a.example");
    assert_true(id_eq(w.report.vcr_id, id));
    assert_int_equal(pvp_vcr_state(pvp_vcr_find(w.vcrs, &id)), PVP_VCR_DONE);

    struct ticket_use use = {w.now.wall, slice_str(CALLED), slice_str("a.example")};
    assert_int_equal(keyring_verify(w.keyring, slice_str(o.ticket), &use, NULL), TICKET_GOOD);
    use.now = wall_after_ms(use.now, INT64_C(365) * 24 * HOUR_MS + 1);
    assert_int_equal(keyring_verify(w.keyring, slice_str(o.ticket), &use, NULL), TICKET_EXPIRED);
    world_close(&w);
}

/* B never saw the caller ID: A 0, 1, 2 fail, B 0 proves, 8. */
static void test_proof_by_b_after_a_lost_caller_id(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct call seen_by_b = shifted(&seen_by_a, -900, 1900);
    seen_by_b.calling = NULL;
    world_upload(&w, &seen_by_b);
    struct outcome o = world_validate(&w, &seen_by_a, &w.b);
    assert_int_equal(o.outcome, PVP_SUCCESS);
    assert_int_equal(o.method, PVP_METHOD_B);
    assert_int_equal(o.worth, 8);
    assert_int_equal(o.attempts, 4);
    world_close(&w);
}

/* The phone network changed it. */
static void test_proof_by_b_after_a_changed_caller_id(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct call seen_by_b = seen_by_a;
    seen_by_b.calling = "+4989000000";
    world_upload(&w, &seen_by_b);
    struct outcome o = world_validate(&w, &seen_by_a, &w.b);
    assert_int_equal(o.outcome, PVP_SUCCESS);
    assert_int_equal(o.method, PVP_METHOD_B);
    world_close(&w);
}

/* A call without a caller ID on our side begins with B. */
static void test_no_caller_id_at_all(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct call call = seen_by_a;
    call.calling = NULL;
    world_upload(&w, &call);
    struct outcome o = world_validate(&w, &call, &w.b);
    assert_int_equal(o.outcome, PVP_SUCCESS);
    assert_int_equal(o.attempts, 1);
    world_close(&w);
}

/* R = 4 s: 1999 ms apart proves, 2001 ms does not, for start and stop, in both directions. */
static void test_times_apart_by_just_under_and_over_half_the_lattice(void **state)
{
    (void)state;
    static const struct {
        int64_t start_ms, stop_ms;
        enum pvp_outcome outcome;
    } cases[] = {
        {1999, 0, PVP_SUCCESS},      {0, 1999, PVP_SUCCESS}, {-1999, 1999, PVP_SUCCESS}, {1999, -1999, PVP_SUCCESS},
        {2001, 0, PVP_FAILURE},      {0, 2001, PVP_FAILURE}, {-2001, 0, PVP_FAILURE},    {0, -2001, PVP_FAILURE},
        {-1999, -1999, PVP_SUCCESS}, {4000, 0, PVP_FAILURE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        /* Every place of the call within a cell, edges included. */
        for (int64_t at = 0; at < 4000; at += 500) {
            struct world w;
            world_open(&w);
            struct call a = shifted(&seen_by_a, at, at / 2);
            struct call b = shifted(&a, cases[i].start_ms, cases[i].stop_ms);
            world_upload(&w, &b);
            assert_int_equal(world_validate(&w, &a, &w.b).outcome, cases[i].outcome);
            world_close(&w);
        }
    }
}

static void test_widest_and_narrowest_lattice(void **state)
{
    (void)state;
    for (uint32_t r = PVP_LATTICE_MS_MIN; r <= PVP_LATTICE_MS_MAX; r += PVP_LATTICE_MS_MAX - PVP_LATTICE_MS_MIN) {
        struct world w;
        world_open(&w);
        pvp_terminator_free(w.terminator);
        w.terminator = NULL;
        w.config.lattice_ms = r;
        world_crash(&w);
        int64_t half = r / 2;
        struct call b = shifted(&seen_by_a, half - 1, 1 - half);
        world_upload(&w, &b);
        assert_int_equal(world_validate(&w, &seen_by_a, &w.b).outcome, PVP_SUCCESS);
        world_close(&w);
    }
}

/* Calls of the same two numbers, some seconds longer than whole lattice cells: the sketches tell which one is meant. */
static void test_several_calls_that_fit_nearest_first(void **state)
{
    (void)state;
    struct world w;
    struct call calls[8];
    world_open(&w);
    for (int i = 0; i < 8; i++) {
        calls[i] = shifted(&seen_by_a, -1000000 * i - 480 * i, -1000000 * i - 310 * i);
        struct call seen_by_b = shifted(&calls[i], 150, -100);
        world_upload(&w, &seen_by_b);
    }
    for (int i = 7; i >= 0; i--) {
        struct outcome o = world_validate(&w, &calls[i], &w.b);
        assert_int_equal(o.outcome, PVP_SUCCESS);
        assert_int_equal(o.attempts, 1);
        assert_int_equal(o.method, PVP_METHOD_A);
        world_pass_ms(&w, HOUR_MS);
    }
    world_close(&w);
}

/* Three calls of the same two numbers, equally near. The oldest one is the third try; nothing else is consumed. */
static void test_equally_near_calls_newest_first(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 3; which++) {
        struct world w;
        world_open(&w);
        struct call calls[3];
        struct id ids[3];
        for (int i = 0; i < 3; i++) {
            calls[i] = shifted(&seen_by_a, -1000000 * i, -1000000 * i);
            ids[i] = world_upload(&w, &calls[i]);
        }
        struct outcome o = world_validate(&w, &calls[which], &w.b);
        assert_int_equal(o.outcome, PVP_SUCCESS);
        assert_int_equal(o.attempts, which + 1);
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(pvp_vcr_state(pvp_vcr_find(w.vcrs, &ids[i])), i == which ? PVP_VCR_DONE : PVP_VCR_WAITING);
        world_close(&w);
    }
}

/* What A has proved comes after what it has not: a number that is called often is never out of tries. */
static void test_consumed_records_take_no_tries(void **state)
{
    (void)state;
    struct world w;
    struct call calls[5];
    world_open(&w);
    for (int i = 0; i < 5; i++) {
        calls[i] = shifted(&seen_by_a, -1000000 * i, -1000000 * i);
        world_upload(&w, &calls[i]);
    }
    for (int i = 0; i < 5; i++) {
        struct outcome o = world_validate(&w, &calls[i], &w.b);
        assert_int_equal(o.outcome, PVP_SUCCESS);
        assert_int_equal(o.attempts, 1);
        world_pass_ms(&w, HOUR_MS);
    }
    world_close(&w);
}

/* Simultaneous calls of one number without caller ID: B tells them apart by their times. */
static void test_several_calls_in_progress(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct call calls[3];
    for (int i = 0; i < 3; i++) {
        calls[i] = shifted(&seen_by_a, -20000 * i, 20000 * i);
        calls[i].calling = NULL;
        world_upload(&w, &calls[i]);
    }
    struct outcome o = world_validate(&w, &calls[1], &w.b);
    assert_int_equal(o.outcome, PVP_SUCCESS);
    assert_in_range(o.attempts, 1, 3);
    world_close(&w);
}

static void test_a_claimant_that_knows_nothing_fails_after_all_attempts(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct outcome o = world_validate(&w, &seen_by_a, &w.b);
    assert_int_equal(o.outcome, PVP_FAILURE);
    assert_int_equal(o.attempts, 6);
    assert_int_equal(w.connects, 6);
    assert_int_equal(pvp_terminator_counters(w.terminator)->proofs_bad, 6);
    assert_int_equal(pvp_terminator_connections(w.terminator), 0);
    world_close(&w);
}

static void test_a_call_of_another_service_is_not_ours(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_upload(&w, &seen_by_a);
    w.service_error = ERR_NOT_FOUND;
    struct outcome o = world_validate(&w, &seen_by_a, &w.b);
    assert_int_equal(o.outcome, PVP_INCONCLUSIVE);
    assert_int_equal(o.code, PVP_REFUSED_NUMBER);
    world_pass_ms(&w, HOUR_MS);
    w.service_error = ERR_LIMIT;
    o = world_validate(&w, &seen_by_a, &w.b);
    assert_int_equal(o.outcome, PVP_INCONCLUSIVE);
    assert_int_equal(o.attempts, 1);
    assert_int_equal(pvp_terminator_counters(w.terminator)->refused_later, 1);
    world_pass_ms(&w, HOUR_MS);
    w.service_error = 0;
    assert_int_equal(world_validate(&w, &seen_by_a, &w.b).outcome, PVP_SUCCESS);
    world_close(&w);
}

static void test_lists_of_both_sides(void **state)
{
    (void)state;
    struct world w;
    struct slice names[] = {slice_str("example")};
    world_open(&w);
    struct id id = world_upload(&w, &seen_by_a);
    w.b_list = (struct pvp_domain_list){PVP_LIST_BLACK, names, 1};
    struct outcome o = world_validate(&w, &seen_by_a, &w.b);
    assert_int_equal(o.outcome, PVP_REFUSED);
    assert_int_equal(o.code, PVP_REFUSED_DOMAIN);
    assert_int_equal(pvp_vcr_state(pvp_vcr_find(w.vcrs, &id)), PVP_VCR_DONE);
    world_close(&w);

    world_open(&w);
    world_upload(&w, &seen_by_a);
    names[0] = slice_str("other.example");
    w.a_list = (struct pvp_domain_list){PVP_LIST_WHITE, names, 1};
    o = world_validate(&w, &seen_by_a, &w.b);
    assert_int_equal(o.outcome, PVP_REFUSED);
    assert_int_equal(o.code, 0);
    assert_string_equal(o.domain, "b.example");
    world_close(&w);
}

static void test_routes_that_are_malformed_or_of_another_domain(void **state)
{
    (void)state;
    static const char *const routes[] = {"sip:agent@b.example;maddr=192.0.2.2",
                                         "sip:agent@c.example:5061;maddr=192.0.2.2;transport=tcp"};
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        world_open(&w);
        world_upload(&w, &seen_by_a);
        w.routes[0] = slice_str(routes[i]);
        struct outcome o = world_validate(&w, &seen_by_a, &w.b);
        assert_int_equal(o.outcome, PVP_BAD_ANSWER);
        assert_int_equal(o.worth, 0);
        world_close(&w);
    }
}

/* C claims the number and passes the octets on to B: the handshake is good, but the Hello is B's. The record is not touched. */
static void test_a_relayed_proof_is_refused(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct id id = world_upload(&w, &seen_by_a);
    struct pvp_identity c = world_identity(0xc);
    struct outcome o = world_validate(&w, &seen_by_a, &c);
    assert_int_equal(o.outcome, PVP_FAILURE);
    assert_string_equal(o.why, "the proof is another peer's, passed on");
    assert_int_equal(pvp_vcr_state(pvp_vcr_find(w.vcrs, &id)), PVP_VCR_WAITING);
    world_close(&w);
}

/* Two channels with somebody between them who knows the secret: each side's signature is over its own exporter. */
static void test_signatures_are_bound_to_the_channel(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct id id = world_upload(&w, &seen_by_a);
    w.relayed = true;
    struct outcome o = world_validate(&w, &seen_by_a, &w.b);
    assert_int_equal(o.outcome, PVP_FAILURE);
    assert_string_equal(o.why, "the signature is not the claimant's");
    assert_int_equal(pvp_vcr_state(pvp_vcr_find(w.vcrs, &id)), PVP_VCR_WAITING);
    assert_int_equal(pvp_terminator_counters(w.terminator)->answers, 0);
    world_close(&w);
}

/* The address was announced by one Node-ID, the Hello is another's. */
static void test_the_prover_must_be_who_announced_itself(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct id id = world_upload(&w, &seen_by_a);
    struct pvp_identity c = world_identity(0xc);
    pvp_announce(w.terminator, w.now, &c.node_id, &w.a_address);
    w.a_announces = false;
    struct outcome o = world_validate(&w, &seen_by_a, &w.b);
    assert_int_equal(o.outcome, PVP_BAD_ANSWER);
    assert_int_equal(o.code, PVP_REFUSED_IDENTITY);
    assert_int_equal(pvp_terminator_counters(w.terminator)->bad_identity, 1);
    assert_int_equal(pvp_vcr_state(pvp_vcr_find(w.vcrs, &id)), PVP_VCR_WAITING);
    world_close(&w);
}

/* A stranger with a certificate of the ring may prove what it knows. */
static void test_an_unannounced_prover(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_upload(&w, &seen_by_a);
    w.a_announces = false;
    assert_int_equal(world_validate(&w, &seen_by_a, &w.b).outcome, PVP_SUCCESS);
    world_close(&w);
}

/* Proved once: for anybody else, and by any other announcement, the call is unknown. */
static void test_a_proved_record_is_consumed(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    world_upload(&w, &seen_by_a);
    assert_int_equal(world_validate(&w, &seen_by_a, &w.b).outcome, PVP_SUCCESS);
    w.a = world_identity(0xd);
    w.a_address.ip[3] = 9;
    assert_int_equal(world_validate(&w, &seen_by_a, &w.b).outcome, PVP_FAILURE);
    world_crash(&w);
    world_pass_ms(&w, HOUR_MS);
    assert_int_equal(world_validate(&w, &seen_by_a, &w.b).outcome, PVP_FAILURE);
    w.a_announces = false;
    w.a_address.ip[3] = 8;
    assert_int_equal(world_validate(&w, &seen_by_a, &w.b).outcome, PVP_FAILURE);
    world_close(&w);
}

/* Nothing leaves before the record is durably consumed; a crash before that leaves it as it was. */
static void test_crash_before_consumption_is_durable(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct id id = world_upload(&w, &seen_by_a);
    w.write_is_slow = true;
    struct outcome o = world_validate(&w, &seen_by_a, &w.b);
    assert_int_equal(o.outcome, PVP_INCONCLUSIVE);
    assert_int_equal(pvp_terminator_counters(w.terminator)->answers, 0);
    w.write_is_slow = false;
    world_crash(&w);
    assert_int_equal(pvp_vcr_state(pvp_vcr_find(w.vcrs, &id)), PVP_VCR_WAITING);
    world_pass_ms(&w, HOUR_MS);
    assert_int_equal(world_validate(&w, &seen_by_a, &w.b).outcome, PVP_SUCCESS);
    world_close(&w);
}

/* Consumed, but the answer is lost (B sends its Hello, then the answer, where the connection breaks; then B crashes): the same prover gets
 * it again, twice, and never a third time. */
static void test_crash_between_consumption_and_answer(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct id id = world_upload(&w, &seen_by_a);
    w.cut_after_sends = 2;
    assert_int_equal(world_validate(&w, &seen_by_a, &w.b).outcome, PVP_INCONCLUSIVE);
    world_crash(&w);
    assert_int_equal(pvp_vcr_state(pvp_vcr_find(w.vcrs, &id)), PVP_VCR_DONE);
    w.cut_after_sends = 0;
    for (int again = 0; again < 2; again++) {
        world_pass_ms(&w, HOUR_MS);
        assert_int_equal(world_validate(&w, &seen_by_a, &w.b).outcome, PVP_SUCCESS);
    }
    assert_int_equal(pvp_terminator_counters(w.terminator)->answers_repeated, 2);
    world_pass_ms(&w, HOUR_MS);
    assert_int_equal(world_validate(&w, &seen_by_a, &w.b).outcome, PVP_FAILURE);
    world_close(&w);
}

static void test_full_disk_refuses_and_changes_nothing(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct id id = world_upload(&w, &seen_by_a);
    memory_store_fail(w.store, 1, ERR_NO_SPACE);
    struct outcome o = world_validate(&w, &seen_by_a, &w.b);
    assert_int_equal(o.outcome, PVP_INCONCLUSIVE);
    assert_int_equal(o.code, PVP_REFUSED_LATER);
    assert_int_equal(pvp_vcr_state(pvp_vcr_find(w.vcrs, &id)), PVP_VCR_WAITING);
    world_pass_ms(&w, HOUR_MS);
    assert_int_equal(world_validate(&w, &seen_by_a, &w.b).outcome, PVP_SUCCESS);
    world_close(&w);
}

/* Whichever allocation fails, on either side: the claimant is not taken for a liar, nothing is lost, and the next time it works. */
static void test_allocation_failures(void **state)
{
    (void)state;
    bool reached_the_end = false;
    for (unsigned long nth = 1; !reached_the_end; nth++) {
        struct world w;
        world_open(&w);
        struct id id = world_upload(&w, &seen_by_a);
        w.fail_at = nth;
        struct outcome o = world_validate(&w, &seen_by_a, &w.b);
        w.fail_at = 0;
        if (o.outcome != PVP_SUCCESS && o.outcome != PVP_INCONCLUSIVE)
            fail_msg("allocation %lu: %s (%s)", nth, pvp_outcome_name(o.outcome), o.why);
        assert_int_not_equal(pvp_vcr_state(pvp_vcr_find(w.vcrs, &id)), PVP_VCR_FAILED);
        assert_int_equal(pvp_terminator_connections(w.terminator), 0);
        reached_the_end = o.outcome == PVP_SUCCESS && nth > 200;
        world_pass_ms(&w, HOUR_MS);
        memory_store_turn(w.store);
        assert_int_equal(world_validate(&w, &seen_by_a, &w.b).outcome, PVP_SUCCESS);
        world_close(&w);
        assert_true(nth < 1000);
    }
}

/* One validation per number and hour from one source; another number is free. The attempts of one validation count once. */
static void test_interval_between_validations(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    struct call second = shifted(&seen_by_a, 1000000, 1000000);
    struct call other = seen_by_a;
    other.called = "+4930999999";
    world_upload(&w, &seen_by_a);
    world_upload(&w, &second);
    world_upload(&w, &other);
    assert_int_equal(world_validate(&w, &seen_by_a, &w.b).outcome, PVP_SUCCESS);
    world_pass_ms(&w, HOUR_MS - 1);
    assert_int_equal(world_validate(&w, &second, &w.b).outcome, PVP_INCONCLUSIVE);
    assert_int_equal(pvp_terminator_counters(w.terminator)->refused_interval, 1);
    assert_int_equal(world_validate(&w, &other, &w.b).outcome, PVP_SUCCESS);
    world_pass_ms(&w, 1);
    assert_int_equal(world_validate(&w, &second, &w.b).outcome, PVP_SUCCESS);
    world_close(&w);
}

static void test_a_source_that_connects_too_often(void **state)
{
    (void)state;
    struct world w;
    struct pvp_inbound *in;
    world_open(&w);
    for (unsigned i = 0; i < w.config.source_per_minute; i++) {
        assert_int_equal(pvp_inbound_new(w.terminator, w.now, &w.a_address, NULL, &in), 0);
        pvp_inbound_closed(in, w.now);
    }
    assert_int_equal(pvp_inbound_new(w.terminator, w.now, &w.a_address, NULL, &in), ERR_LIMIT);
    w.a_address.ip[3] = 77;
    assert_int_equal(pvp_inbound_new(w.terminator, w.now, &w.a_address, NULL, &in), 0);
    pvp_inbound_closed(in, w.now);
    w.a_address.ip[3] = 1;
    world_pass_ms(&w, 60000);
    assert_int_equal(pvp_inbound_new(w.terminator, w.now, &w.a_address, NULL, &in), 0);
    pvp_inbound_closed(in, w.now);
    world_close(&w);
}

/* [0] connected  [20000] nothing came: CLOSE. */
static void test_a_silent_connection_is_closed(void **state)
{
    (void)state;
    struct world w;
    struct pvp_inbound *in;
    struct pvp_terminator_effect e;
    int user;
    world_open(&w);
    assert_int_equal(pvp_inbound_new(w.terminator, w.now, &w.a_address, &user, &in), 0);
    assert_int_equal(pvp_terminator_deadline(w.terminator).us, 20000000);
    world_pass_ms(&w, 19999);
    assert_false(pvp_terminator_next(w.terminator, &e));
    world_pass_ms(&w, 1);
    assert_true(pvp_terminator_next(w.terminator, &e));
    assert_int_equal(e.kind, PVP_INBOUND_CLOSE);
    assert_ptr_equal(e.user, &user);
    pvp_inbound_closed(in, w.now);
    assert_int_equal(pvp_terminator_counters(w.terminator)->timeouts, 1);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proof_by_a),
        cmocka_unit_test(test_proof_by_b_after_a_lost_caller_id),
        cmocka_unit_test(test_proof_by_b_after_a_changed_caller_id),
        cmocka_unit_test(test_no_caller_id_at_all),
        cmocka_unit_test(test_times_apart_by_just_under_and_over_half_the_lattice),
        cmocka_unit_test(test_widest_and_narrowest_lattice),
        cmocka_unit_test(test_several_calls_that_fit_nearest_first),
        cmocka_unit_test(test_equally_near_calls_newest_first),
        cmocka_unit_test(test_consumed_records_take_no_tries),
        cmocka_unit_test(test_several_calls_in_progress),
        cmocka_unit_test(test_a_claimant_that_knows_nothing_fails_after_all_attempts),
        cmocka_unit_test(test_a_call_of_another_service_is_not_ours),
        cmocka_unit_test(test_lists_of_both_sides),
        cmocka_unit_test(test_routes_that_are_malformed_or_of_another_domain),
        cmocka_unit_test(test_a_relayed_proof_is_refused),
        cmocka_unit_test(test_signatures_are_bound_to_the_channel),
        cmocka_unit_test(test_the_prover_must_be_who_announced_itself),
        cmocka_unit_test(test_an_unannounced_prover),
        cmocka_unit_test(test_a_proved_record_is_consumed),
        cmocka_unit_test(test_crash_before_consumption_is_durable),
        cmocka_unit_test(test_crash_between_consumption_and_answer),
        cmocka_unit_test(test_full_disk_refuses_and_changes_nothing),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_interval_between_validations),
        cmocka_unit_test(test_a_source_that_connects_too_often),
        cmocka_unit_test(test_a_silent_connection_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
