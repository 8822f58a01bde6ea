/* A Store is acknowledged when it is durable and not before; what was acknowledged is there after a restart; lifetimes end. */
#include "base/entropy.h"
#include "base/mem.h"
#include "storage_fixture.h"

#include <stdio.h>

#define T0 ((uint64_t)NOON_MS)

static uint16_t put(struct fixture *f, const char *text, uint64_t time)
{
    return store_one(f, f->alice, home_of(f->alice), KIND_TEST_SINGLE, 0, single(text), time);
}

static const char *get(struct fixture *f)
{
    struct reload_kind_data data = fetch_all(f, home_of(f->alice), KIND_TEST_SINGLE);
    assert_int_equal(data.value_count, 1);
    return text_at(f, &data, 0);
}

static void draft_put(struct draft *d, struct fixture *f, const char *text, uint64_t time)
{
    draft_begin(d, f, home_of(f->alice), 0);
    draft_kind(d, KIND_TEST_SINGLE, 0);
    draft_value(d, f->alice, single(text), time);
}

static void test_nothing_changes_before_the_write_is_done(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    struct answer answer;
    draft_put(&d, f, "new", T0);
    draft_post(&d, f->alice, &answer);
    assert_int_equal(answer.count, 0);
    assert_string_equal(get(f), "-");
    memory_store_turn(f->store);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.code, 0);
    assert_string_equal(get(f), "new");
}

static void test_failed_write_is_an_error_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct storage_view before, after;
    assert_int_equal(put(f, "first", T0), 0);
    storage_view(f->storage, &before);
    memory_store_fail(f->store, 1, ERR_NO_SPACE);
    assert_int_equal(put(f, "second", T0 + 1), RELOAD_ERROR_REQUEST_TIMEOUT);
    storage_view(f->storage, &after);
    assert_memory_equal(&before, &after, sizeof before);
    assert_string_equal(get(f), "first");
    assert_int_equal(storage_counters(f->storage)->writes_failed, 1);
    assert_int_equal(put(f, "second", T0 + 1), 0); /* the sender tries again */
    assert_string_equal(get(f), "second");
    assert_int_equal(answer_generation(f, &f->last), 2);
}

static void test_read_only_store_refuses_at_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "first", T0), 0);
    memory_store_refuse(f->store, ERR_NO_SPACE);
    assert_int_equal(put(f, "second", T0 + 1), RELOAD_ERROR_REQUEST_TIMEOUT);
    memory_store_refuse(f->store, 0);
    fixture_restart(f);
    assert_string_equal(get(f), "first");
}

static void test_acknowledged_survives_power_loss(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    struct answer answer;
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(put(f, "acknowledged", T0 + i), 0);
    draft_put(&d, f, "not acknowledged", T0 + 9);
    draft_post(&d, f->alice, &answer);
    assert_int_equal(answer.count, 0);
    memory_store_crash(f->store);
    fixture_restart(f);
    assert_string_equal(get(f), "acknowledged");
    struct reload_kind_data data = fetch_all(f, home_of(f->alice), KIND_TEST_SINGLE);
    assert_int_equal(data.generation_counter, 4);
    assert_int_equal(data.values[0].storage_time_ms, T0 + 3);
    assert_int_equal(data.values[0].lifetime_s, 3600);
    struct security_signer signer;
    struct reload_security none = {0};
    struct id home = home_of(f->alice);
    assert_int_equal(security_verify_value(f->security, &none, id_slice(&home), KIND_TEST_SINGLE, &data.values[0],
                                           f->now.wall, &signer),
                     0);
    assert_int_equal(put(f, "replayed", T0 + 3), RELOAD_ERROR_DATA_TOO_OLD);
    assert_int_equal(answer.code, RELOAD_ERROR_REQUEST_TIMEOUT);
}

static void test_all_models_and_roles_come_back(void **state)
{
    struct fixture *f = *state;
    struct id resource = {{7}};
    struct storage_view before, after;
    struct storage_usage usage;
    struct draft d;
    draft_begin(&d, f, home_of(f->carol), 0);
    draft_kind(&d, KIND_TEST_ARRAY, 0);
    draft_value(&d, f->carol, indexed(0, "zero"), T0);
    draft_value(&d, f->carol, indexed(3, "three"), T0);
    draft_kind(&d, KIND_TEST_SINGLE, 0);
    draft_value(&d, f->carol, single("one"), T0);
    assert_int_equal(draft_send(&d, f->carol), 0);
    draft_begin(&d, f, resource, 1);
    draft_kind(&d, RELOAD_KIND_VIPR_REGISTRATION, 5);
    draft_value(&d, f->alice, keyed(vipr_key(f, f->alice, 1), "a1"), T0);
    draft_value(&d, f->bob, keyed(vipr_key(f, f->bob, 1), "b1"), T0);
    draft_value(&d, f->bob, removed(keyed(vipr_key(f, f->bob, 2), "")), T0);
    assert_int_equal(draft_send(&d, f->carol), 0);
    storage_view(f->storage, &before);

    fixture_restart(f);
    storage_view(f->storage, &after);
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(storage_counters(f->storage)->rows_loaded, 6);
    assert_int_equal(storage_counters(f->storage)->rows_corrupt, 0);
    struct reload_kind_data data = fetch_all(f, home_of(f->carol), KIND_TEST_ARRAY);
    assert_int_equal(data.value_count, 4);
    assert_string_equal(text_at(f, &data, 3), "three");
    data = fetch_all(f, resource, RELOAD_KIND_VIPR_REGISTRATION);
    assert_int_equal(data.generation_counter, 5);
    assert_int_equal(data.value_count, 3);
    storage_usage(f->storage, node_of(f->bob), &usage);
    assert_int_equal(usage.replica_entries, 1);
    assert_int_equal(usage.removed_entries, 1);
}

static void test_stores_to_one_resource_wait_their_turn(void **state)
{
    struct fixture *f = *state;
    struct draft d[3];
    struct answer a[3];
    for (size_t i = 0; i < 3; i++)
        draft_put(&d[i], f, i == 0 ? "first" : i == 1 ? "second" : "stale", T0 + (i == 2 ? 0 : i));
    d[1].kinds[0].generation_counter = 1; /* what it will be when the first one is done */
    for (size_t i = 0; i < 3; i++) {
        draft_post(&d[i], f->alice, &a[i]);
        memset(d[i].values, 0xee, sizeof d[i].values); /* everything was copied, or is not needed any more */
        memset(d[i].kinds, 0xee, sizeof d[i].kinds);
        memset(d[i].certificates, 0xee, sizeof d[i].certificates);
    }
    struct storage_view view;
    storage_view(f->storage, &view);
    assert_int_equal(view.pending, 1);
    assert_int_equal(view.waiting, 2);
    assert_int_equal(memory_store_turn(f->store), 1);
    assert_int_equal(a[0].count, 1);
    assert_int_equal(a[1].count, 0);
    assert_string_equal(get(f), "first");
    assert_int_equal(memory_store_turn(f->store), 1);
    assert_int_equal(a[1].code, 0);
    assert_int_equal(answer_generation(f, &a[1]), 2);
    assert_int_equal(a[2].count, 1);
    assert_int_equal(a[2].code, RELOAD_ERROR_DATA_TOO_OLD);
    assert_string_equal(get(f), "second");
    storage_view(f->storage, &view);
    assert_int_equal(view.pending, 0);
    assert_int_equal(view.waiting, 0);
}

/* When the first is lost, the one behind it is judged by what is really there. */
static void test_waiting_store_sees_a_failed_one_undone(void **state)
{
    struct fixture *f = *state;
    struct draft d[2];
    struct answer a[2];
    draft_put(&d[0], f, "lost", T0 + 5);
    draft_put(&d[1], f, "kept", T0);
    draft_post(&d[0], f->alice, &a[0]);
    draft_post(&d[1], f->alice, &a[1]);
    memory_store_fail(f->store, 1, ERR_IO);
    memory_store_turn(f->store);
    assert_int_equal(a[0].code, RELOAD_ERROR_REQUEST_TIMEOUT);
    memory_store_turn(f->store);
    assert_int_equal(a[1].code, 0);
    assert_int_equal(answer_generation(f, &a[1]), 1);
    assert_string_equal(get(f), "kept");
    fixture_restart(f);
    assert_string_equal(get(f), "kept");
}

static void test_too_many_waiting_are_refused(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    struct answer a[3];
    storage_free(f->storage);
    f->storage = NULL;
    f->options.waiting_max = 1;
    fixture_restart(f);
    for (uint64_t i = 0; i < 3; i++) {
        draft_put(&d, f, "x", T0 + i);
        draft_post(&d, f->alice, &a[i]);
    }
    assert_int_equal(a[2].code, RELOAD_ERROR_REQUEST_TIMEOUT);
    assert_int_equal(storage_counters(f->storage)->refused_busy, 1);
    memory_store_turn(f->store);
    memory_store_turn(f->store);
    assert_int_equal(a[0].code + a[1].code, 0);
    assert_int_equal(a[1].count, 1);
}

static void test_too_many_pending_are_refused(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    struct answer a[2];
    storage_free(f->storage);
    f->storage = NULL;
    f->options.pending_max = 1;
    fixture_restart(f);
    draft_put(&d, f, "x", T0);
    draft_post(&d, f->alice, &a[0]);
    draft_begin(&d, f, home_of(f->bob), 0);
    draft_kind(&d, KIND_TEST_SINGLE, 0);
    draft_value(&d, f->bob, single("y"), T0);
    draft_post(&d, f->bob, &a[1]);
    assert_int_equal(a[1].code, RELOAD_ERROR_REQUEST_TIMEOUT);
    memory_store_turn(f->store);
    assert_int_equal(a[0].code, 0);
}

static void test_freed_with_stores_under_way(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    struct answer a[2];
    for (uint64_t i = 0; i < 2; i++) {
        draft_put(&d, f, "x", T0 + i);
        draft_post(&d, f->alice, &a[i]);
    }
    memory_store_crash(f->store);
    fixture_restart(f);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(a[i].count, 1); /* exactly once, also at the end */
        assert_int_equal(a[i].code, RELOAD_ERROR_REQUEST_TIMEOUT);
    }
    assert_string_equal(get(f), "-");
}

/* ---- lifetimes ---- */

static void test_lifetime_counts_down_and_ends(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "mortal", T0), 0);
    fixture_advance(f, 1000 * 1000);
    struct reload_kind_data data = fetch_all(f, home_of(f->alice), KIND_TEST_SINGLE);
    assert_int_equal(data.values[0].lifetime_s, 2600);
    assert_true(storage_deadline(f->storage).us == f->now.mono.us + INT64_C(2600) * 1000000);
    fixture_advance(f, 2600 * 1000 - 1);
    storage_tick(f->storage, f->now);
    assert_string_equal(get(f), "mortal");
    fixture_advance(f, 1);
    storage_tick(f->storage, f->now);
    assert_string_equal(get(f), "-");
    assert_true(storage_deadline(f->storage).us == MONO_NEVER.us);
    memory_store_turn(f->store);
    assert_int_equal(memory_store_count(f->store, KV_RELOAD_DATA), 0);
    assert_int_equal(memory_store_count(f->store, KV_RELOAD_META), 1); /* the generation floor; the certificate went */
    struct storage_view view;
    storage_view(f->storage, &view);
    assert_int_equal(view.entries + view.octets + view.resources + view.certificates, 0);
    assert_int_equal(storage_counters(f->storage)->values_expired, 1);
}

/* A reader who remembers the old counter must not take new data for the old (7.4.2.1). */
static void test_generation_goes_on_after_everything_expired(void **state)
{
    struct fixture *f = *state;
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(put(f, "x", T0 + i), 0);
    fixture_advance(f, 3600 * 1000);
    storage_tick(f->storage, f->now);
    memory_store_turn(f->store);
    fixture_restart(f);
    assert_int_equal(put(f, "y", T0 + 9), 0);
    assert_int_equal(answer_generation(f, &f->last), 4);
}

static void test_lifetime_goes_on_across_a_restart(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "mortal", T0), 0);
    f->now.wall.ms += 1000 * 1000;
    f->now.mono.us = 77; /* another boot: the monotonic clock begins anew */
    fixture_restart(f);
    struct reload_kind_data data = fetch_all(f, home_of(f->alice), KIND_TEST_SINGLE);
    assert_int_equal(data.values[0].lifetime_s, 2600);
    f->now.wall.ms += 2600 * 1000;
    fixture_restart(f);
    assert_string_equal(get(f), "-");
    assert_int_equal(storage_counters(f->storage)->rows_expired, 1);
    memory_store_turn(f->store);
    assert_int_equal(memory_store_count(f->store, KV_RELOAD_DATA), 0);
}

static void test_long_lifetimes_are_cut(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    draft_put(&d, f, "x", T0);
    d.values[0][0].lifetime_s = UINT32_MAX;
    assert_int_equal(draft_send(&d, f->alice), 0);
    struct reload_kind_data data = fetch_all(f, home_of(f->alice), KIND_TEST_SINGLE);
    assert_int_equal(data.values[0].lifetime_s, f->options.lifetime_max_s);
    assert_int_equal(storage_counters(f->storage)->lifetimes_cut, 1);
}

static void test_expiry_does_not_touch_a_row_being_written(void **state)
{
    struct fixture *f = *state;
    struct draft d;
    struct answer answer;
    assert_int_equal(put(f, "old", T0), 0);
    fixture_advance(f, 3600 * 1000 - 10);
    draft_put(&d, f, "refreshed", T0 + 1);
    draft_post(&d, f->alice, &answer);
    fixture_advance(f, 10);
    storage_tick(f->storage, f->now);
    memory_store_turn(f->store);
    assert_int_equal(answer.code, 0);
    assert_string_equal(get(f), "refreshed");
    memory_store_turn(f->store);
    fixture_restart(f);
    assert_string_equal(get(f), "refreshed");
}

/* ---- what is in the tables ---- */

static int put_row(struct fixture *f, enum kv_table table, struct slice key, struct slice value)
{
    const struct kv *kv = memory_store_kv(f->store);
    int err = kv_put(kv, table, key, value);
    kv_commit(kv, NULL, NULL);
    memory_store_turn(f->store);
    return err;
}

struct one_row {
    struct region *region;
    struct slice key;
    struct slice value;
};

static int keep_row(void *arg, struct slice key, struct slice value)
{
    struct one_row *row = arg;
    row->key = region_copy(row->region, key);
    row->value = region_copy(row->region, value);
    return 0;
}

/* Every octet of a row changed, and every length of it: nothing but the good row is taken, nothing is believed that cannot be. */
static void test_corrupt_rows_are_counted_and_skipped(void **state)
{
    struct fixture *f = *state;
    const struct kv *kv = memory_store_kv(f->store);
    struct one_row row = {.region = &f->region};
    assert_int_equal(put(f, "good", T0), 0);
    assert_int_equal(kv_scan(kv, KV_RELOAD_DATA, keep_row, &row), 0);
    for (size_t cut = 0; cut < row.value.n; cut++) {
        put_row(f, KV_RELOAD_DATA, row.key, slice_of(row.value.p, cut));
        fixture_restart(f);
        assert_int_equal(storage_counters(f->storage)->rows_corrupt, 1);
        memory_store_turn(f->store);
        assert_int_equal(memory_store_count(f->store, KV_RELOAD_DATA), 0);
        assert_int_equal(put(f, "again", T0), 0); /* puts certificate and counter back */
    }
    put_row(f, KV_RELOAD_DATA, slice_str("short key"), row.value);
    put_row(f, KV_RELOAD_META, slice_str("sg"), slice_str("x"));
    put_row(f, KV_RELOAD_META, slice_str("sc"), slice_str("x"));
    put_row(f, KV_RELOAD_META, slice_str("sf"), slice_str("x"));
    put_row(f, KV_RELOAD_META, slice_str("config"), slice_str("somebody else's"));
    fixture_restart(f);
    assert_int_equal(storage_counters(f->storage)->rows_corrupt, 4);
    assert_int_equal(storage_counters(f->storage)->rows_loaded, 1);
    memory_store_turn(f->store);
    struct slice value;
    assert_int_equal(kv_get(kv, KV_RELOAD_META, slice_str("config"), &value), 0);
}

static void test_values_of_banned_signers_go(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "x", T0), 0);
    assert_int_equal(store_one(f, f->bob, home_of(f->bob), KIND_TEST_SINGLE, 0, single("y"), T0), 0);
    fake_security_ban(f->security, node_of(f->alice));
    storage_set_kinds(f->storage, f->now, &f->kinds);
    assert_string_equal(get(f), "-");
    assert_int_equal(storage_counters(f->storage)->values_dropped, 1);
    memory_store_turn(f->store);
    assert_int_equal(memory_store_count(f->store, KV_RELOAD_DATA), 1);
}

static void test_banned_signer_is_found_at_the_start(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(put(f, "x", T0), 0);
    fake_security_ban(f->security, node_of(f->alice));
    fixture_restart(f);
    assert_string_equal(get(f), "-");
    assert_int_equal(storage_counters(f->storage)->rows_signer_gone, 1);
}

static void test_values_of_a_kind_that_went_go(void **state)
{
    struct fixture *f = *state;
    struct kind_table fewer = {0};
    struct draft d;
    struct answer answer;
    assert_int_equal(put(f, "x", T0), 0);
    draft_put(&d, f, "being written", T0 + 1);
    draft_post(&d, f->alice, &answer);
    for (size_t i = 0; i < f->kinds.n; i++)
        if (f->kinds.kinds[i].id != KIND_TEST_SINGLE)
            assert_int_equal(kind_add(&fewer, &f->kinds.kinds[i]), 0);
    storage_set_kinds(f->storage, f->now, &fewer);
    memory_store_turn(f->store);
    assert_int_equal(answer.count, 1);
    memory_store_turn(f->store);
    struct storage_view view;
    storage_view(f->storage, &view);
    assert_int_equal(view.entries, 0);
    assert_int_equal(view.resources, 0);
    assert_int_equal(memory_store_count(f->store, KV_RELOAD_DATA), 0);
    assert_int_equal(put(f, "y", T0 + 2), RELOAD_ERROR_UNKNOWN_KIND);
}

/* Whichever allocation fails: an error or success, never a half-stored value, and the books balance. */
static void test_short_of_memory(void **state)
{
    struct fixture *f = *state;
    unsigned long nth = 1;
    uint64_t time = T0;
    for (bool failed = true; failed; nth++) {
        struct draft d;
        struct answer answer;
        uint64_t refused = storage_counters(f->storage)->refused_memory;
        draft_begin(&d, f, home_of(f->carol), 0);
        draft_kind(&d, KIND_TEST_SINGLE, 0);
        draft_value(&d, f->carol, single("x"), ++time);
        draft_kind(&d, KIND_TEST_ARRAY, 0);
        draft_value(&d, f->carol, indexed((uint32_t)nth % 8, "y"), time);
        mem_fail_at(nth);
        draft_post(&d, f->carol, &answer);
        mem_fail_at(0);
        memory_store_turn(f->store);
        assert_int_equal(answer.count, 1);
        failed = answer.code != 0;
        if (failed)
            assert_int_equal(answer.code, RELOAD_ERROR_REQUEST_TIMEOUT);
        if (failed && storage_counters(f->storage)->refused_memory == refused)
            assert_true(storage_counters(f->storage)->writes_failed > 0);
        struct storage_view view;
        storage_view(f->storage, &view);
        assert_int_equal(view.pending, 0);
        assert_int_equal(view.entries, failed ? 0 : 2);
        assert_int_equal(view.certificates, failed ? 0 : 1);
    }
    assert_true(nth > 5);
}

/* ---- from within an answer ---- */

struct chain {
    struct draft draft;
    struct security_signer signer;
    struct answer inner;
};

static void note_answer(void *arg, const struct storage_outcome *outcome)
{
    struct answer *a = arg;
    a->count++;
    a->code = outcome->error_code;
}

static void store_again(void *arg, const struct storage_outcome *outcome)
{
    struct chain *c = arg;
    assert_int_equal(outcome->error_code, 0);
    storage_store(c->draft.fixture->storage, c->draft.fixture->now,
                  &(struct storage_request){&c->draft.store, &c->draft.block, &c->signer}, note_answer, &c->inner);
}

/* Who is answered stores again at once, to the resource that others wait for: all are answered, in some order, once. */
static void test_store_from_within_an_answer(void **state)
{
    struct fixture *f = *state;
    struct chain chain = {.signer = security_own(f->alice)};
    struct draft first, waiting[2];
    struct answer answers[2];
    draft_put(&chain.draft, f, "from within", T0 + 3);
    draft_put(&first, f, "first", T0);
    storage_store(f->storage, f->now, &(struct storage_request){&first.store, &first.block, &chain.signer}, store_again,
                  &chain);
    for (uint64_t i = 0; i < 2; i++) {
        draft_put(&waiting[i], f, "waited", T0 + 4 + i);
        draft_post(&waiting[i], f->alice, &answers[i]);
    }
    for (int i = 0; i < 4; i++)
        memory_store_turn(f->store);
    assert_int_equal(chain.inner.count + answers[0].count + answers[1].count, 3);
    assert_int_equal(chain.inner.code + answers[0].code + answers[1].code, 0);
    struct reload_kind_data data = fetch_all(f, home_of(f->alice), KIND_TEST_SINGLE);
    assert_int_equal(data.generation_counter, 4);
    assert_string_equal(text_at(f, &data, 0), "waited");
}

/* ---- a long and bad day ---- */

#define PLACES 4
#define SERVICES 3
#define STEPS 4000

/* What has been acknowledged for one key. */
struct believed {
    uint64_t time; /* 0: nothing */
    bool exists;
};

static void check_against(struct fixture *f, struct security *const signers[2],
                          struct believed believed[PLACES][2][SERVICES])
{
    for (uint8_t p = 0; p < PLACES; p++) {
        struct id resource = {{(uint8_t)(p * 50)}};
        struct reload_kind_data data = fetch_all(f, resource, RELOAD_KIND_VIPR_REGISTRATION);
        size_t expected = 0;
        for (size_t who = 0; who < 2; who++)
            for (uint64_t service = 0; service < SERVICES; service++) {
                const struct believed *b = &believed[p][who][service];
                struct slice key = vipr_key(f, signers[who], service);
                expected += b->time != 0;
                for (size_t i = 0; i < data.value_count; i++)
                    if (slice_eq(data.values[i].value.key, key)) {
                        assert_int_equal(data.values[i].storage_time_ms, b->time);
                        assert_int_equal(data.values[i].value.exists, b->exists);
                    }
            }
        assert_int_equal(data.value_count, expected);
    }
}

/* Stores, removals, replays, failing writes and power cuts in random order: what was acknowledged is there, and nothing else. */
static void test_random_history(void **state)
{
    struct fixture *f = *state;
    struct seeded_entropy seeded = {7};
    struct entropy entropy = seeded_entropy_port(&seeded);
    struct security *const signers[2] = {f->alice, f->carol};
    struct believed believed[PLACES][2][SERVICES] = {0};
    unsigned acknowledged = 0, failed = 0, replayed = 0;
    for (int step = 0; step < STEPS; step++) {
        uint8_t p = (uint8_t)entropy_below(&entropy, PLACES);
        size_t who = (size_t)entropy_below(&entropy, 2);
        uint64_t service = entropy_below(&entropy, SERVICES);
        struct believed *b = &believed[p][who][service];
        struct id resource = {{(uint8_t)(p * 50)}};
        struct reload_value value = keyed(vipr_key(f, signers[who], service), "value");
        uint64_t time = entropy_below(&entropy, 8) || !b->time ? T0 + (uint64_t)step : b->time;
        uint64_t fate = entropy_below(&entropy, 20);
        struct draft d;
        struct answer answer;
        draft_begin(&d, f, resource, 0);
        draft_kind(&d, RELOAD_KIND_VIPR_REGISTRATION, 0);
        draft_value(&d, signers[who], entropy_below(&entropy, 3) ? value : removed(value), time);
        if (fate == 0)
            memory_store_fail(f->store, 1, ERR_IO);
        draft_post(&d, signers[who], &answer);
        bool refused = answer.count == 1;
        if (fate == 1) {
            memory_store_crash(f->store);
            fixture_restart(f);
        } else {
            memory_store_turn(f->store);
            memory_store_fail(f->store, 0, 0);
        }
        assert_int_equal(answer.count, 1);
        if (refused) {
            assert_int_equal(answer.code, RELOAD_ERROR_DATA_TOO_OLD);
            assert_true(time <= b->time);
            replayed++;
        } else if (answer.code) {
            failed++;
        } else {
            assert_true(time > b->time);
            *b = (struct believed){time, d.values[0][0].value.exists};
            acknowledged++;
        }
        if (step % 16 == 0 || fate <= 1)
            check_against(f, signers, believed);
        region_fini(&f->region);
    }
    assert_true(acknowledged > STEPS / 2 && failed > STEPS / 20 && replayed > STEPS / 20);
    fixture_restart(f);
    check_against(f, signers, believed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_changes_before_the_write_is_done),
        TEST(test_failed_write_is_an_error_and_changes_nothing),
        TEST(test_read_only_store_refuses_at_once),
        TEST(test_acknowledged_survives_power_loss),
        TEST(test_all_models_and_roles_come_back),
        TEST(test_stores_to_one_resource_wait_their_turn),
        TEST(test_waiting_store_sees_a_failed_one_undone),
        TEST(test_too_many_waiting_are_refused),
        TEST(test_too_many_pending_are_refused),
        TEST(test_freed_with_stores_under_way),
        TEST(test_lifetime_counts_down_and_ends),
        TEST(test_generation_goes_on_after_everything_expired),
        TEST(test_lifetime_goes_on_across_a_restart),
        TEST(test_long_lifetimes_are_cut),
        TEST(test_expiry_does_not_touch_a_row_being_written),
        TEST(test_corrupt_rows_are_counted_and_skipped),
        TEST(test_values_of_banned_signers_go),
        TEST(test_banned_signer_is_found_at_the_start),
        TEST(test_values_of_a_kind_that_went_go),
        TEST(test_short_of_memory),
        TEST(test_store_from_within_an_answer),
        TEST(test_random_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
