/* Settings that imectl changes: rows on the disk, and what holds without them. Changing them: test/trace/test_server_control.c. */
#include "base/mem.h"
#include "server/internal.h"
#include "store/memory.h"
#include "testing.h"

static void put_row(const struct kv *kv, const char *name, uint64_t value, uint64_t at_ms, size_t octets)
{
    struct buf row;
    buf_init(&row, 64);
    buf_u64(&row, value);
    buf_u64(&row, at_ms);
    buf_u64(&row, 0);
    assert_int_equal(kv_put(kv, KV_SETTING, slice_str(name), slice_of(row.p, octets)), 0);
    buf_fini(&row);
}

static void test_rows(void **state)
{
    (void)state;
    struct memory_store *store;
    struct server_options options;
    server_options_default(&options);
    assert_int_equal(memory_store_new(&store), 0);
    const struct kv *kv = memory_store_kv(store);
    struct server *s = mem_alloc(sizeof *s);
    s->options = &options;
    s->ports.kv = kv;
    for (enum setting i = 0; i < SETTINGS; i++)
        for (enum setting k = 0; k < i; k++)
            assert_string_not_equal(setting_name(i), setting_name(k));

    assert_int_equal(setting_load(s), 0);
    assert_int_equal(setting(s, SETTING_BUCKETENTROPY), 24);
    assert_int_equal(setting(s, SETTING_MINIMUM_INTERVAL), 3600000);
    assert_int_equal(setting(s, SETTING_MAXIMUM_DELAY), options.delay_max_ms);
    assert_int_equal(setting(s, SETTING_MINIMUM_CALL), options.minimum_call_ms);
    assert_int_equal(setting(s, SETTING_PENDING_ALERT), 100);
    assert_int_equal(setting(s, SETTING_MAX_ORIGINATING), options.originating_sessions_max);
    assert_int_equal(setting(s, SETTING_MAX_TERMINATING), options.terminating_sessions_max);

    put_row(kv, "bucketentropy", 36, 1, 16);
    put_row(kv, "maximum-delay", 0, 2, 16);                    /* 0 is a value */
    put_row(kv, "minimum-interval", UINT64_C(1) << 40, 3, 16); /* out of its range: as if it were not there */
    put_row(kv, "pending-alert", UINT64_MAX, 4, 16);
    put_row(kv, "minimum-call", 20000, 5, 15); /* damaged */
    put_row(kv, "max-originating", 20, 6, 24);
    put_row(kv, "of-a-later-version", 1, 7, 16);
    assert_int_equal(setting_load(s), 0);
    assert_int_equal(setting(s, SETTING_BUCKETENTROPY), 36);
    assert_int_equal(setting(s, SETTING_MAXIMUM_DELAY), 0);
    assert_int_equal(setting(s, SETTING_MINIMUM_INTERVAL), 3600000);
    assert_int_equal(setting(s, SETTING_PENDING_ALERT), 100);
    assert_int_equal(setting(s, SETTING_MINIMUM_CALL), options.minimum_call_ms);
    assert_int_equal(setting(s, SETTING_MAX_ORIGINATING), options.originating_sessions_max);
    mem_free(s);
    memory_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
