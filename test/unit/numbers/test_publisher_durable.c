/* The publisher, its disk and its memory: what is told when, full disks, restarts, failing allocations. */
#include "base/mem.h"
#include "publisher_world.h"

#include <stdio.h>

static void test_nothing_is_stored_before_it_is_durable(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    world_make(&w);
    w.disk_is_slow = true;
    world_publish(&w, 1, &one);
    world_run_to(&w, 5000);
    assert_trace(&w, "");
    assert_int_equal(world_info_of(&w, &one)->state, NUMBERS_SAVING);
    memory_store_turn(w.disk);
    world_run_to(&w, 5000);
    assert_trace(&w, "[5000] store +11 copy 0 for 604800 s\n");
    world_finish(&w);
}

static void test_full_disk_changes_nothing(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    world_make(&w);
    memory_store_fail(w.disk, 1, ERR_NO_SPACE);
    world_publish(&w, 1, &one);
    world_run_to(&w, 1000);
    assert_trace(&w, "[0] done 1: not_saved, 0 copies\n");
    world_assert_counts(&w, 0, 0);
    memory_store_refuse(w.disk, ERR_NO_SPACE);
    world_publish(&w, 2, &one);
    world_run_to(&w, 2000);
    assert_trace(&w, "[1000] done 2: not_saved, 0 copies\n");
    world_assert_counts(&w, 0, 0);
    memory_store_refuse(w.disk, 0);

    /* What is published stays so when its removal cannot be saved. */
    world_publish(&w, 3, &one);
    world_run_answered_to(&w, 3000);
    memory_store_fail(w.disk, 1, ERR_IO);
    world_unpublish(&w, 4, &one);
    world_run_answered_to(&w, 4000);
    assert_trace(&w, "[2000] store +11 copy 0 for 604800 s\n"
                     "[2100] store +11 copy 1 for 604800 s\n"
                     "[2200] store +11 copy 2 for 604800 s\n"
                     "[2200] done 3: published, 3 copies\n"
                     "[3000] done 4: not_saved, 0 copies\n");
    world_assert_counts(&w, 1, 1);
    world_finish(&w);
}

static void test_publishing_again_while_the_removal_ends(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_answered_to(&w, 1000);
    world_unpublish(&w, 2, &one);
    world_run_to(&w, 2000);
    w.disk_is_slow = true;
    world_publish(&w, 3, &one);
    world_reply_all(&w);
    assert_non_null(strstr(buf_text(&w.trace), "done 2: removed"));
    memory_store_fail(w.disk, 1, ERR_IO); /* and it fails: the removal stands */
    w.disk_is_slow = false;
    world_run_answered_to(&w, 3000);
    assert_non_null(strstr(buf_text(&w.trace), "done 3: not_saved"));
    world_assert_counts(&w, 0, 0);
    assert_int_equal(memory_store_count(w.disk, KV_NUMBERS), 0);
    world_finish(&w);
}

static void test_restart_goes_on_where_it_was(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    w.config.lifetime_s = 1000;
    w.config.hold_s = 10000;
    world_make(&w);
    world_publish(&w, 1, &one); /* will be stored */
    world_run_answered_to(&w, 1000);
    world_publish(&w, 2, &two); /* saved, and not stored */
    world_publish(&w, 4, &four);
    world_unpublish(&w, 5, &four); /* saved, and not removed */
    w.disk_is_slow = true;
    world_publish(&w, 3, &three); /* not even saved */
    world_restart(&w);
    w.disk_is_slow = false;
    world_assert_counts(&w, 3, 1);
    world_run_answered_to(&w, 2000);
    const char *trace = buf_text(&w.trace);
    assert_non_null(strstr(trace, "store +22 copy 2 for 1000 s"));
    assert_non_null(strstr(trace, "remove +44 copy 2 for 1000 s"));
    assert_null(strstr(trace, "+11"));
    assert_null(strstr(trace, "+33"));
    world_assert_counts(&w, 2, 2);
    assert_int_equal(world_info_of(&w, &one)->copies, 3);
    /* The refresh of what was stored before comes in time. */
    world_run_answered_to(&w, 760000);
    assert_non_null(strstr(buf_text(&w.trace), "store +11 copy 2"));
    world_restart(&w);
    world_run_answered_to(&w, 1100000);
    world_assert_counts(&w, 2, 2);
    /* Down for longer than it was to be held. */
    world_set_time(&w, (struct mono){INT64_C(20000000) * 1000});
    world_restart(&w);
    world_assert_counts(&w, 0, 0);
    world_settle(&w);
    assert_int_equal(memory_store_count(w.disk, KV_NUMBERS), 0);
    world_finish(&w);
}

static void test_restart_leaves_alone_what_the_client_refreshes(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    w.config.lifetime_s = 1000;
    w.config.hold_s = 1000;
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_answered_to(&w, 1000);
    world_restart(&w);
    world_assert_counts(&w, 1, 1);
    world_run_answered_to(&w, 999999);
    assert_trace(&w, "");
    world_run_answered_to(&w, 1000001);
    world_assert_counts(&w, 0, 0);
    world_finish(&w);
}

static void test_removal_wish_survives_what_is_noted_meanwhile(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    world_make(&w);
    world_publish(&w, 1, &one);
    world_run_to(&w, 1000);
    w.disk_is_slow = true;
    world_unpublish(&w, 2, &one);
    world_reply_all(&w);
    assert_non_null(strstr(buf_text(&w.trace), "done 1: published"));
    memory_store_turn(w.disk);
    world_restart(&w);
    w.disk_is_slow = false;
    assert_int_equal(world_info_of(&w, &one)->state, NUMBERS_REMOVING);
    world_run_answered_to(&w, 2000);
    world_assert_counts(&w, 0, 0);
    world_finish(&w);
}

static void test_rows_that_make_no_sense(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    const struct kv *kv = memory_store_kv(w.disk);
    for (int i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "bad row %d", i);
        assert_int_equal(kv_put(kv, KV_NUMBERS, slice_str(key), slice_str("\1\1")), 0);
    }
    world_make(&w);
    world_settle(&w);
    world_assert_counts(&w, 0, 0);
    assert_int_equal(numbers_publisher_counters(w.publisher)->rows_bad, 200);
    assert_int_equal(memory_store_count(w.disk, KV_NUMBERS), 0);
    world_finish(&w);
}

static void test_every_allocation_failing(void **state)
{
    (void)state;
    for (unsigned long nth = 1; nth < 30; nth++) {
        struct world w;
        world_begin(&w);
        world_make(&w);
        buf_extend(&w.trace, 4096);
        buf_clear(&w.trace);
        w.memory_is_short = true;
        mem_fail_at(nth);
        int err = numbers_publish(w.publisher, w.now, 1, &one, VSERVICE);
        world_run_answered_to(&w, 60000);
        mem_fail_at(0);
        w.memory_is_short = false;
        world_run_answered_to(&w, 2000000);
        const char *done = strstr(buf_text(&w.trace), "done 1");
        assert_true((done == NULL) == (err != 0));
        assert_true(!done || !strstr(done + 1, "done 1"));
        bool kept = done && !strstr(done, "busy") && !strstr(done, "not_saved");
        world_assert_counts(&w, kept, kept);
        world_finish(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_stored_before_it_is_durable),
        cmocka_unit_test(test_full_disk_changes_nothing),
        cmocka_unit_test(test_publishing_again_while_the_removal_ends),
        cmocka_unit_test(test_restart_goes_on_where_it_was),
        cmocka_unit_test(test_restart_leaves_alone_what_the_client_refreshes),
        cmocka_unit_test(test_removal_wish_survives_what_is_noted_meanwhile),
        cmocka_unit_test(test_rows_that_make_no_sense),
        cmocka_unit_test(test_every_allocation_failing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
