/* The publisher as timed traces: pacing, order, retries, refusals, refresh, removal, slow hashes. */
#include "publisher_world.h"

#include <stdio.h>

static void test_success_is_told_after_all_three_copies(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_to(&w, 1000);
    assert_trace(&w, "[0] store +11 copy 0 for 604800 s\n"
                     "[100] store +11 copy 1 for 604800 s\n"
                     "[200] store +11 copy 2 for 604800 s\n");
    assert_int_equal(world_info_of(&w, &one)->state, NUMBERS_STORING);
    world_reply(&w, &one, 2, 0, 0);
    world_reply(&w, &one, 0, 0, 0);
    assert_trace(&w, "");
    assert_int_equal(world_info_of(&w, &one)->copies, 2);
    world_reply(&w, &one, 1, 0, 0);
    assert_trace(&w, "[1000] done 1: published, 3 copies\n");
    assert_int_equal(world_info_of(&w, &one)->state, NUMBERS_STORED);
    world_assert_counts(&w, 1, 1);
    world_finish(&w);
}

static void test_answers_in_any_order(void **state)
{
    (void)state;
    for (unsigned last = 0; last < NUMBERS_COPIES; last++) {
        struct world w;
        world_begin(&w);
        world_make(&w);
        world_publish(&w, 1, &one);
        world_run_to(&w, 200);
        buf_clear(&w.trace);
        world_reply(&w, &one, (last + 1) % NUMBERS_COPIES, 0, 0);
        world_reply(&w, &one, (last + 2) % NUMBERS_COPIES, 0, 0);
        assert_trace(&w, "");
        world_reply(&w, &one, last, 0, 0);
        assert_trace(&w, "[200] done 1: published, 3 copies\n");
        world_finish(&w);
    }
}

static void test_stores_are_paced(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    world_make(&w);
    world_publish(&w, 1, &one);
    world_publish(&w, 2, &two);
    world_run_to(&w, 2000);
    assert_trace(&w, "[0] store +11 copy 0 for 604800 s\n"
                     "[100] store +11 copy 1 for 604800 s\n"
                     "[200] store +11 copy 2 for 604800 s\n"
                     "[300] store +22 copy 0 for 604800 s\n"
                     "[400] store +22 copy 1 for 604800 s\n"
                     "[500] store +22 copy 2 for 604800 s\n");
    /* An idle time does not become a burst. */
    world_run_to(&w, 10000);
    world_publish(&w, 3, &three);
    world_run_to(&w, 10150);
    assert_trace(&w, "[10000] store +33 copy 0 for 604800 s\n"
                     "[10000] store +33 copy 1 for 604800 s\n"
                     "[10100] store +33 copy 2 for 604800 s\n");
    world_finish(&w);
}

static void test_no_more_in_flight_than_allowed(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    w.config.in_flight_max = 2;
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_to(&w, 5000);
    assert_trace(&w, "[0] store +11 copy 0 for 604800 s\n"
                     "[100] store +11 copy 1 for 604800 s\n");
    world_reply(&w, &one, 1, 0, 0);
    assert_trace(&w, "[5000] store +11 copy 2 for 604800 s\n");
    world_finish(&w);
}

static void test_lost_copy_is_tried_again_with_growing_intervals(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_to(&w, 200);
    world_reply(&w, &one, 0, 0, 0);
    world_reply(&w, &one, 2, 0, 0);
    buf_clear(&w.trace);
    int64_t expected = 2000;
    for (unsigned attempt = 1; attempt <= 12; attempt++) {
        world_reply(&w, &one, 1, ERR_TIMEOUT, 0);
        if (attempt == 2) /* told once, and the attempts go on */
            assert_non_null(strstr(buf_text(&w.trace), "done 1: ring_unavailable, 2 copies\n"));
        else
            assert_null(strstr(buf_text(&w.trace), "done"));
        buf_clear(&w.trace);
        assert_int_equal(world_info_of(&w, &one)->copy[1].attempts, attempt);
        assert_true(world_info_of(&w, &one)->copy[1].failed);
        int64_t waited = world_next_store_after(&w, w.sent_count);
        assert_in_range(waited, expected * 4 / 5, expected * 6 / 5);
        expected = expected * 2 < 600000 ? expected * 2 : 600000;
    }
    world_reply(&w, &one, 1, 0, 0);
    assert_null(strstr(buf_text(&w.trace), "done"));
    world_assert_counts(&w, 1, 1);
    assert_false(world_info_of(&w, &one)->copy[1].failed);
    world_finish(&w);
}

static void test_copy_refused_for_quota_is_reported_and_tried_again(void **state)
{
    (void)state;
    for (unsigned refused = 0; refused < NUMBERS_COPIES; refused++) {
        struct world w;
        world_begin(&w);
        world_make(&w);
        world_publish(&w, 1, &one);
        world_run_to(&w, 200);
        for (unsigned copy = 0; copy < NUMBERS_COPIES; copy++)
            if (copy == refused)
                world_reply(&w, &one, copy, ERR_FORBIDDEN, RELOAD_ERROR_DATA_TOO_LARGE);
            else
                world_reply(&w, &one, copy, 0, 0);
        world_next_store_after(&w, w.sent_count);
        buf_clear(&w.trace);
        world_reply(&w, &one, refused, ERR_FORBIDDEN, RELOAD_ERROR_DATA_TOO_LARGE);
        assert_non_null(strstr(buf_text(&w.trace), "done 1: refused_quota, 2 copies\n"));
        const struct numbers_info *info = world_info_of(&w, &one);
        assert_int_equal(info->copy[refused].error_code, RELOAD_ERROR_DATA_TOO_LARGE);
        assert_int_equal(info->copy[refused].outcome, NUMBERS_REFUSED_QUOTA);
        assert_int_equal(info->state, NUMBERS_STORING);
        world_next_store_after(&w, w.sent_count);
        world_reply(&w, &one, refused, 0, 0);
        assert_int_equal(world_info_of(&w, &one)->state, NUMBERS_STORED);
        assert_int_equal(numbers_publisher_counters(w.publisher)->stores_refused_quota, 2);
        world_finish(&w);
    }
}

static void test_gravest_reason_is_told(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    w.config.answer_attempts = 1;
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_to(&w, 200);
    world_reply(&w, &one, 0, ERR_TIMEOUT, 0);
    world_reply(&w, &one, 1, ERR_FORBIDDEN, RELOAD_ERROR_FORBIDDEN);
    buf_clear(&w.trace);
    world_reply(&w, &one, 2, ERR_NOT_FOUND, RELOAD_ERROR_NOT_FOUND);
    assert_trace(&w, "[200] done 1: refused, 0 copies\n");
    world_finish(&w);
}

static void test_silent_ring_is_told_in_time_for_the_client(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_to(&w, 34999);
    buf_clear(&w.trace);
    world_run_to(&w, 39500);
    assert_trace(&w, "[35000] done 1: ring_unavailable, 0 copies\n");
    world_reply_all(&w); /* late, but good */
    world_assert_counts(&w, 1, 1);
    world_finish(&w);
}

static void test_who_came_first_does_not_wait_longer_for_who_came_later(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_to(&w, 30000);
    world_publish(&w, 2, &one);
    buf_clear(&w.trace);
    world_run_to(&w, 39500);
    assert_trace(&w, "[35000] done 1: ring_unavailable, 0 copies\n"
                     "[35000] done 2: ring_unavailable, 0 copies\n");
    world_finish(&w);
}

static void test_who_waits_comes_before_who_does_not(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    w.config.stores_per_s = 1;
    w.config.answer_attempts = 1;
    w.config.retry_max_ms = 2000;
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_to(&w, 2000);
    for (unsigned copy = 0; copy < NUMBERS_COPIES; copy++)
        world_reply(&w, &one, copy, ERR_TIMEOUT, 0); /* told: nobody waits for it any more */
    world_run_to(&w, 5000);                          /* two of the retries had their turn, or the first alone */
    world_publish(&w, 2, &two);
    buf_clear(&w.trace);
    world_run_to(&w, 9500);
    const char *trace = buf_text(&w.trace);
    const char *waiting = strstr(trace, "store +22 copy 2");
    const char *routine = strstr(trace, "store +11");
    assert_non_null(waiting);
    assert_non_null(routine);
    assert_true(waiting < routine);
    world_finish(&w);
}

static void test_refresh_before_the_copies_expire(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    w.config.lifetime_s = 1000;
    w.config.hold_s = 3000;
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_answered_to(&w, 499000);
    assert_trace(&w, "[0] store +11 copy 0 for 1000 s\n"
                     "[100] store +11 copy 1 for 1000 s\n"
                     "[200] store +11 copy 2 for 1000 s\n"
                     "[200] done 1: published, 3 copies\n");
    world_run_answered_to(&w, 751000);
    assert_int_equal(w.sent_count, 6);
    assert_int_equal(numbers_publisher_counters(w.publisher)->refreshes, 3);
    /* All the time until the end all copies are alive, and then they end with it. */
    for (int64_t t = 800000; t < 3000000; t += 50000) {
        world_run_answered_to(&w, t);
        assert_int_equal(world_info_of(&w, &one)->copies, 3);
        if (w.sent_count > 40)
            w.sent_count = 0;
    }
    /* The last ones were stored for no longer than the publication had left. */
    unsigned late = 0;
    for (const char *line = buf_text(&w.trace); *line; line = strchr(line, '\n') + 1) {
        long long at_ms;
        unsigned copy, lifetime_s;
        assert_int_equal(sscanf(line, "[%lld] store +11 copy %u for %u s", &at_ms, &copy, &lifetime_s), 3);
        assert_true(lifetime_s <= (3000000 - at_ms + 999) / 1000);
        late += at_ms > 2000000;
    }
    assert_int_equal(late, 3);
    buf_clear(&w.trace);
    world_run_answered_to(&w, 3100000);
    world_assert_counts(&w, 0, 0);
    assert_int_equal(memory_store_count(w.disk, KV_NUMBERS), 0);
    assert_trace(&w, "");
    world_finish(&w);
}

static void test_publication_ends_while_its_stores_are_under_way(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    w.config.hold_s = 20;
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_to(&w, 19000);
    buf_clear(&w.trace);
    world_run_to(&w, 21000);
    assert_trace(&w, "[20000] done 1: ring_unavailable, 0 copies\n");
    world_assert_counts(&w, 0, 0);
    world_reply_all(&w);
    world_publish(&w, 2, &one);
    world_run_answered_to(&w, 22000);
    world_assert_counts(&w, 1, 1);
    world_finish(&w);
}

static void test_client_refreshes(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    w.config.lifetime_s = 1000;
    w.config.hold_s = 1000;
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_answered_to(&w, 900000);
    assert_int_equal(w.sent_count, 3);
    world_publish(&w, 2, &one);
    world_run_answered_to(&w, 1800000);
    assert_int_equal(w.sent_count, 6);
    world_assert_counts(&w, 1, 1);
    world_run_answered_to(&w, 1900001);
    assert_int_equal(w.sent_count, 6);
    world_assert_counts(&w, 0, 0);
    world_finish(&w);
}

static void test_failed_refresh_is_seen_and_made_up_for(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    w.config.lifetime_s = 1000;
    w.config.hold_s = 100000;
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_answered_to(&w, 1000);
    /* The ring is gone for longer than the copies live. */
    while (world_ms(&w) < 1100000) {
        world_next_store_after(&w, w.sent_count);
        struct sent *last = &w.sent[w.sent_count - 1];
        world_reply(&w, &one, last->copy, ERR_UNREACHABLE, 0);
        if (w.sent_count > 60)
            w.sent_count = 0;
    }
    assert_int_equal(world_info_of(&w, &one)->copies, 0);
    assert_int_equal(world_info_of(&w, &one)->state, NUMBERS_STORING);
    world_run_answered_to(&w, 2000000);
    assert_int_equal(world_info_of(&w, &one)->copies, 3);
    world_finish(&w);
}

static void test_removal_stores_nonexistent_values(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_answered_to(&w, 1000);
    buf_clear(&w.trace);
    world_unpublish(&w, 2, &one);
    world_run_to(&w, 2000);
    assert_int_equal(world_info_of(&w, &one)->state, NUMBERS_REMOVING);
    world_reply_all(&w);
    assert_trace(&w, "[1000] remove +11 copy 0 for 604800 s\n"
                     "[1000] remove +11 copy 1 for 604800 s\n"
                     "[1100] remove +11 copy 2 for 604800 s\n"
                     "[2000] done 2: removed, 0 copies\n");
    world_assert_counts(&w, 0, 0);
    assert_int_equal(memory_store_count(w.disk, KV_NUMBERS), 0);
    world_unpublish(&w, 3, &one);
    assert_trace(&w, "[2000] done 3: unknown, 0 copies\n");
    world_finish(&w);
}

static void test_removal_overtakes_publishing(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_to(&w, 100);
    buf_clear(&w.trace);
    world_unpublish(&w, 2, &one);
    world_run_to(&w, 1000);
    assert_trace(&w, "[100] done 1: superseded, 0 copies\n"
                     "[200] remove +11 copy 2 for 604800 s\n");
    /* Whatever became of the first stores, values under way are followed by their removal. */
    world_reply(&w, &one, 0, 0, 0);
    world_reply(&w, &one, 1, ERR_TIMEOUT, 0);
    world_run_answered_to(&w, 2000);
    assert_trace(&w, "[1000] remove +11 copy 0 for 604800 s\n"
                     "[1000] remove +11 copy 1 for 604800 s\n"
                     "[1000] done 2: removed, 0 copies\n");
    world_finish(&w);
}

static void test_publishing_overtakes_removal(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_answered_to(&w, 1000);
    world_unpublish(&w, 2, &one);
    world_run_to(&w, 2000);
    buf_clear(&w.trace);
    world_publish(&w, 3, &one);
    world_reply_all(&w); /* the removals */
    world_run_answered_to(&w, 3000);
    assert_non_null(strstr(buf_text(&w.trace), "done 2: superseded"));
    assert_non_null(strstr(buf_text(&w.trace), "done 3: published, 3 copies"));
    world_assert_counts(&w, 1, 1);
    world_finish(&w);
}

static void test_own_quota(void **state)
{
    (void)state;
    struct world w;
    uint32_t limit, current;
    world_begin(&w);
    w.config.quota = 2;
    world_make(&w);
    world_publish(&w, 1, &one);
    assert_int_equal(numbers_publish(w.publisher, w.now, 2, &one, OTHER_VSERVICE), 0);
    world_run_answered_to(&w, 1000);
    numbers_publisher_quota(w.publisher, &limit, &current);
    assert_int_equal(limit, 2);
    assert_int_equal(current, 2);
    buf_clear(&w.trace);
    world_publish(&w, 3, &two);
    assert_trace(&w, "[1000] done 3: over_quota, 0 copies\n");
    world_publish(&w, 4, &one); /* is published already */
    world_run_answered_to(&w, 2000);
    assert_non_null(strstr(buf_text(&w.trace), "done 4: published"));
    world_unpublish(&w, 5, &one);
    world_run_answered_to(&w, 3000);
    world_publish(&w, 6, &two);
    world_run_answered_to(&w, 4000);
    assert_non_null(strstr(buf_text(&w.trace), "done 6: published"));
    world_finish(&w);
}

/* A banned node, another message of the day: nothing of it touches what is stored. */
static void test_configuration_that_changes_nothing_for_numbers(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_answered_to(&w, 1000);
    buf_clear(&w.trace);
    assert_int_equal(numbers_resolver_set_profile(w.resolver, w.now, &w.profile), 0);
    numbers_publisher_reconfigure(w.publisher, w.now, 500, 1000);
    world_run_answered_to(&w, 60000);
    assert_trace(&w, "");
    world_assert_counts(&w, 1, 1);
    world_publish(&w, 2, &one);
    world_run_answered_to(&w, 61000);
    assert_non_null(strstr(buf_text(&w.trace), "copy 2 for 1000 s"));
    world_finish(&w);
}

static void test_longer_lifetime_is_held_as_long(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    w.config.lifetime_s = 1000;
    w.config.hold_s = 1000;
    world_make(&w);
    numbers_publisher_reconfigure(w.publisher, w.now, 500, 5000);
    world_publish(&w, 1, &one);
    world_run_answered_to(&w, 4999999);
    world_assert_counts(&w, 1, 1);
    assert_int_equal(w.sent_count, 3);
    world_finish(&w);
}

static void test_several_may_wait_but_not_too_many(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    w.config.waiters_max = 2;
    world_make(&w);
    world_publish(&w, 1, &one);
    world_publish(&w, 2, &one);
    world_publish(&w, 3, &one);
    world_run_answered_to(&w, 1000);
    assert_trace(&w, "[0] store +11 copy 0 for 604800 s\n"
                     "[0] done 3: busy, 0 copies\n"
                     "[100] store +11 copy 1 for 604800 s\n"
                     "[200] store +11 copy 2 for 604800 s\n"
                     "[200] done 1: published, 3 copies\n"
                     "[200] done 2: published, 3 copies\n");
    world_finish(&w);
}

static void test_late_and_unknown_answers(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    world_make(&w);
    numbers_store_done(w.publisher, w.now, 0, 0, 0);
    numbers_store_done(w.publisher, w.now, 12345678, 0, 0);
    world_publish(&w, 1, &one);
    world_run_to(&w, 1000);
    uint64_t store = w.sent[0].store;
    world_reply(&w, &one, 0, 0, 0);
    numbers_store_done(w.publisher, w.now, store, ERR_TIMEOUT, 0); /* twice */
    world_settle(&w);
    assert_int_equal(world_info_of(&w, &one)->copies, 1);
    struct numbers_publisher_view view;
    numbers_publisher_view(w.publisher, w.now, &view);
    assert_int_equal(view.in_flight, 2);
    world_finish(&w);
}

static void test_slow_hash_does_not_block(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    w.profile.hash = CONFIG_HASH_ARGON2ID;
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_to(&w, 500);
    assert_trace(&w, "");
    assert_int_equal(w.job_count, 1);
    assert_int_equal(world_info_of(&w, &one)->state, NUMBERS_HASHING);
    world_end_job(&w, 0, 0);
    world_run_answered_to(&w, 1000);
    assert_trace(&w, "[500] store +11 copy 0 for 604800 s\n"
                     "[600] store +11 copy 1 for 604800 s\n"
                     "[700] store +11 copy 2 for 604800 s\n"
                     "[700] done 1: published, 3 copies\n");
    /* A failed one is told, and tried again later. */
    world_publish(&w, 2, &two);
    world_end_job(&w, 1, ERR_NO_MEMORY);
    assert_trace(&w, "[1000] done 2: hash_failed, 0 copies\n");
    world_run_to(&w, 1000 + 12 * 60000);
    assert_int_equal(w.job_count, 3);
    world_end_job(&w, 2, 0);
    world_run_answered_to(&w, 800000);
    world_assert_counts(&w, 2, 2);
    world_finish(&w);
}

static void test_another_configuration_of_the_ring(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_answered_to(&w, 1000);
    world_publish(&w, 2, &two);
    world_run_to(&w, 1050); /* some stored, some under way, some waiting */
    buf_clear(&w.trace);
    w.profile.hash = CONFIG_HASH_ARGON2ID;
    assert_int_equal(numbers_resolver_set_profile(w.resolver, w.now, &w.profile), 0);
    numbers_publisher_reconfigure(w.publisher, w.now, 1, 2000);
    /* The old stores end in vain: one before its number is hashed, one after. */
    assert_int_equal(w.sent_count, 5);
    world_reply_all_of(&w, 4);
    world_assert_counts(&w, 2, 0);
    world_end_job(&w, 0, 0);
    world_end_job(&w, 1, 0);
    world_reply_all_of(&w, 5);
    world_assert_counts(&w, 2, 0);
    world_run_answered_to(&w, 3000);
    world_assert_counts(&w, 2, 2);
    const char *trace = buf_text(&w.trace);
    assert_non_null(strstr(trace, "store +11 copy 2 for 2000 s"));
    assert_non_null(strstr(trace, "store +22 copy 0 for 2000 s"));
    assert_non_null(strstr(trace, "store +22 copy 1 for 2000 s"));
    assert_non_null(strstr(trace, "store +22 copy 2 for 2000 s"));
    assert_non_null(strstr(trace, "done 2: published, 3 copies"));
    world_publish(&w, 3, &three); /* the quota is smaller now */
    assert_non_null(strstr(buf_text(&w.trace), "done 3: over_quota"));
    world_finish(&w);
}

static void test_impossible_configurations(void **state)
{
    (void)state;
    struct numbers_publisher *publisher = NULL;
    const struct numbers_publisher_ports ports = {.resolver = NULL};
    struct numbers_publisher_config config = NUMBERS_PUBLISHER_CONFIG_DEFAULT;
    config.in_flight_max = 0;
    assert_int_equal(numbers_publisher_new(&config, &ports, &publisher), ERR_RANGE);
    config = (struct numbers_publisher_config)NUMBERS_PUBLISHER_CONFIG_DEFAULT;
    config.retry_max_ms = 1;
    assert_int_equal(numbers_publisher_new(&config, &ports, &publisher), ERR_RANGE);
    assert_null(publisher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success_is_told_after_all_three_copies),
        cmocka_unit_test(test_answers_in_any_order),
        cmocka_unit_test(test_stores_are_paced),
        cmocka_unit_test(test_no_more_in_flight_than_allowed),
        cmocka_unit_test(test_lost_copy_is_tried_again_with_growing_intervals),
        cmocka_unit_test(test_copy_refused_for_quota_is_reported_and_tried_again),
        cmocka_unit_test(test_gravest_reason_is_told),
        cmocka_unit_test(test_silent_ring_is_told_in_time_for_the_client),
        cmocka_unit_test(test_who_came_first_does_not_wait_longer_for_who_came_later),
        cmocka_unit_test(test_who_waits_comes_before_who_does_not),
        cmocka_unit_test(test_refresh_before_the_copies_expire),
        cmocka_unit_test(test_publication_ends_while_its_stores_are_under_way),
        cmocka_unit_test(test_client_refreshes),
        cmocka_unit_test(test_failed_refresh_is_seen_and_made_up_for),
        cmocka_unit_test(test_removal_stores_nonexistent_values),
        cmocka_unit_test(test_removal_overtakes_publishing),
        cmocka_unit_test(test_publishing_overtakes_removal),
        cmocka_unit_test(test_own_quota),
        cmocka_unit_test(test_configuration_that_changes_nothing_for_numbers),
        cmocka_unit_test(test_longer_lifetime_is_held_as_long),
        cmocka_unit_test(test_several_may_wait_but_not_too_many),
        cmocka_unit_test(test_late_and_unknown_answers),
        cmocka_unit_test(test_slow_hash_does_not_block),
        cmocka_unit_test(test_another_configuration_of_the_ring),
        cmocka_unit_test(test_impossible_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
