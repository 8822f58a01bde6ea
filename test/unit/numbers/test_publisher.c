/* The publisher as timed traces: pacing, retries, refusals, refresh, removal, full disks and restarts. Each line of a trace is what came
 * out, and when, in milliseconds. */
#include "numbers/publisher.h"

#include "base/buf.h"
#include "base/mem.h"
#include "reload/codes.h"
#include "store/memory.h"
#include "testing.h"

#include <stdio.h>

#define VSERVICE UINT64_C(0x7eeb6a7036478351)
#define OTHER_VSERVICE UINT64_C(1)

static const struct wall start = {INT64_C(1772366400000)};
static const struct e164 one = {"+11"}, two = {"+22"}, three = {"+33"}, four = {"+44"};
static const struct e164 *const all[] = {&one, &two, &three, &four};

struct sent {
    uint64_t store;
    const struct e164 *number;
    unsigned copy;
    bool answered;
};

struct fixture {
    struct now now;
    struct numbers_publisher_config config;
    struct numbers_profile profile;
    struct memory_store *disk;
    struct seeded_entropy seed;
    struct numbers_resolver *resolver;
    struct numbers_publisher *publisher;
    struct buf trace;
    struct sent sent[64];
    size_t sent_count;
    uint64_t jobs[8]; /* of the slow hash */
    struct e164 hashed[8];
    size_t job_count;
    bool disk_is_slow;    /* commits wait for memory_store_turn */
    bool memory_is_short; /* mem_fail_at is set: nothing is allocated to check what comes out */
};

static int start_job(void *ctx, uint64_t job, const struct numbers_profile *profile, const struct e164 *number)
{
    struct fixture *f = ctx;
    (void)profile;
    assert_true(f->job_count < 8);
    f->jobs[f->job_count] = job;
    f->hashed[f->job_count++] = *number;
    return 0;
}

static void make(struct fixture *f)
{
    const struct numbers_resolver_config resolver_config = NUMBERS_RESOLVER_CONFIG_DEFAULT;
    const struct numbers_hasher hasher = {start_job, f};
    assert_int_equal(numbers_resolver_new(&resolver_config, &f->profile, &hasher, &f->resolver), 0);
    const struct numbers_publisher_ports ports = {
        .resolver = f->resolver,
        .kv = memory_store_kv(f->disk),
        .entropy = seeded_entropy_port(&f->seed),
    };
    assert_int_equal(numbers_publisher_new(&f->config, &ports, &f->publisher), 0);
    assert_int_equal(numbers_publisher_load(f->publisher, f->now), 0);
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){
        .now = {{0}, start},
        .config = NUMBERS_PUBLISHER_CONFIG_DEFAULT,
        .profile = {.overlay = slice_str("ring.example"), .hash = CONFIG_HASH_SHA1, .cost = {1, 8, 1}},
        .seed = {7},
    };
    memset(f->config.self.octets, 0xab, ID_OCTETS);
    f->config.stores_per_s = 10;
    f->config.hold_s = 30 * 86400;
    buf_init(&f->trace, 65536);
    assert_int_equal(memory_store_new(&f->disk), 0);
}

static void finish(struct fixture *f)
{
    numbers_publisher_free(f->publisher);
    numbers_resolver_free(f->resolver);
    memory_store_free(f->disk);
    buf_fini(&f->trace);
}

static int64_t ms(const struct fixture *f)
{
    return f->now.mono.us / 1000;
}

/* Whose copy lies there, by the profile in use. */
static void find_place(struct fixture *f, struct id resource, struct sent *sent)
{
    for (size_t n = 0; n < 4; n++) {
        struct id ids[NUMBERS_COPIES];
        assert_int_equal(numbers_resource_ids(numbers_resolver_profile(f->resolver), all[n], ids), 0);
        for (unsigned copy = 0; copy < NUMBERS_COPIES; copy++) {
            if (!id_eq(ids[copy], resource))
                continue;
            sent->number = all[n];
            sent->copy = copy;
            return;
        }
    }
    fail_msg("a store to a place where nothing belongs");
}

static void take_store(struct fixture *f, const struct numbers_publisher_effect *effect)
{
    assert_true(f->sent_count < 64);
    struct sent *sent = &f->sent[f->sent_count++];
    sent->store = effect->store;
    sent->answered = false;
    find_place(f, effect->resource, sent);
    struct numbers_place place = {.resource = effect->resource};
    assert_int_equal(numbers_key_parse(effect->key, &place.node_id, &place.vservice_id), 0);
    assert_true(id_eq(place.node_id, f->config.self));
    if (effect->exists && !f->memory_is_short) {
        uint8_t key[AEAD_KEY_OCTETS];
        assert_int_equal(numbers_record_key(&f->profile, sent->number, key), 0);
        assert_int_equal(numbers_open(key, &place, effect->value), 0);
    }
    assert_int_equal(effect->value.n, effect->exists ? 48 : 0);
    buf_printf(&f->trace, "[%lld] %s %s copy %u for %u s\n", (long long)ms(f), effect->exists ? "store" : "remove",
               sent->number->text, sent->copy, effect->lifetime_s);
}

static void drain(struct fixture *f)
{
    struct numbers_publisher_effect effect;
    while (numbers_publisher_next(f->publisher, &effect)) {
        if (effect.type == NUMBERS_STORE)
            take_store(f, &effect);
        else
            buf_printf(&f->trace, "[%lld] done %u: %s, %u copies\n", (long long)ms(f), (unsigned)effect.token,
                       numbers_outcome_name(effect.outcome), effect.copies);
    }
}

static void settle(struct fixture *f)
{
    do {
        if (!f->disk_is_slow)
            memory_store_turn(f->disk);
        if (mono_due(numbers_publisher_deadline(f->publisher), f->now.mono))
            numbers_publisher_tick(f->publisher, f->now);
        drain(f);
    } while ((memory_store_waits(f->disk) && !f->disk_is_slow) ||
             mono_due(numbers_publisher_deadline(f->publisher), f->now.mono));
}

static void set_time(struct fixture *f, struct mono t)
{
    f->now.mono = t;
    f->now.wall = wall_after_ms(start, t.us / 1000);
}

/* Lets time pass, deadline by deadline. */
static void run_to(struct fixture *f, int64_t until_ms)
{
    settle(f);
    struct mono until = {until_ms * 1000}, deadline;
    while ((deadline = numbers_publisher_deadline(f->publisher)).us <= until.us) {
        set_time(f, deadline);
        settle(f);
    }
    set_time(f, until);
    settle(f);
}

static void publish(struct fixture *f, uint64_t token, const struct e164 *number)
{
    assert_int_equal(numbers_publish(f->publisher, f->now, token, number, VSERVICE), 0);
    settle(f);
}

static void unpublish(struct fixture *f, uint64_t token, const struct e164 *number)
{
    assert_int_equal(numbers_unpublish(f->publisher, f->now, token, number, VSERVICE), 0);
    settle(f);
}

/* The ring answers the last unanswered store of this copy. */
static void reply(struct fixture *f, const struct e164 *number, unsigned copy, int err, uint16_t error_code)
{
    for (size_t i = f->sent_count; i-- > 0;) {
        struct sent *sent = &f->sent[i];
        if (sent->answered || sent->number != number || sent->copy != copy)
            continue;
        sent->answered = true;
        numbers_store_done(f->publisher, f->now, sent->store, err, error_code);
        settle(f);
        return;
    }
    fail_msg("no store of this copy is under way");
}

static void reply_all(struct fixture *f)
{
    for (size_t i = 0; i < f->sent_count; i++)
        if (!f->sent[i].answered) {
            f->sent[i].answered = true;
            numbers_store_done(f->publisher, f->now, f->sent[i].store, 0, 0);
            settle(f);
        }
}

/* Lets time pass while the ring answers every store at once. */
static void run_answered_to(struct fixture *f, int64_t until_ms)
{
    settle(f);
    reply_all(f);
    struct mono until = {until_ms * 1000}, deadline;
    while ((deadline = numbers_publisher_deadline(f->publisher)).us <= until.us) {
        set_time(f, deadline);
        settle(f);
        reply_all(f);
    }
    set_time(f, until);
}

#define assert_trace(f, expected)                             \
    do {                                                      \
        assert_string_equal(buf_text(&(f)->trace), expected); \
        buf_clear(&(f)->trace);                               \
    } while (0)

static struct numbers_info last_info;
static void keep_info(void *arg, const struct numbers_info *info)
{
    unsigned *count = arg;
    ++*count;
    last_info = *info;
}

static const struct numbers_info *info_of(struct fixture *f, const struct e164 *number)
{
    unsigned count = 0;
    numbers_publisher_each_of(f->publisher, f->now, number, keep_info, &count);
    return count == 1 ? &last_info : NULL;
}

static void assert_view(struct fixture *f, unsigned publications, unsigned stored)
{
    struct numbers_publisher_view view;
    numbers_publisher_view(f->publisher, f->now, &view);
    assert_int_equal(view.publications, publications);
    assert_int_equal(view.stored, stored);
}

/* ---- ---- */

static void test_success_is_told_after_all_three_copies(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    make(&f);
    publish(&f, 1, &one);
    run_to(&f, 1000);
    assert_trace(&f, "[0] store +11 copy 0 for 604800 s\n"
                     "[100] store +11 copy 1 for 604800 s\n"
                     "[200] store +11 copy 2 for 604800 s\n");
    assert_int_equal(info_of(&f, &one)->state, NUMBERS_STORING);
    reply(&f, &one, 2, 0, 0);
    reply(&f, &one, 0, 0, 0);
    assert_trace(&f, "");
    assert_int_equal(info_of(&f, &one)->copies, 2);
    reply(&f, &one, 1, 0, 0);
    assert_trace(&f, "[1000] done 1: published, 3 copies\n");
    assert_int_equal(info_of(&f, &one)->state, NUMBERS_STORED);
    assert_view(&f, 1, 1);
    finish(&f);
}

/* Whichever copy is the last one. */
static void test_answers_in_any_order(void **state)
{
    (void)state;
    for (unsigned last = 0; last < NUMBERS_COPIES; last++) {
        struct fixture f;
        begin(&f);
        make(&f);
        publish(&f, 1, &one);
        run_to(&f, 200);
        buf_clear(&f.trace);
        reply(&f, &one, (last + 1) % NUMBERS_COPIES, 0, 0);
        reply(&f, &one, (last + 2) % NUMBERS_COPIES, 0, 0);
        assert_trace(&f, "");
        reply(&f, &one, last, 0, 0);
        assert_trace(&f, "[200] done 1: published, 3 copies\n");
        finish(&f);
    }
}

static void test_nothing_is_stored_before_it_is_durable(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    make(&f);
    f.disk_is_slow = true;
    publish(&f, 1, &one);
    run_to(&f, 5000);
    assert_trace(&f, "");
    assert_int_equal(info_of(&f, &one)->state, NUMBERS_SAVING);
    memory_store_turn(f.disk);
    run_to(&f, 5000);
    assert_trace(&f, "[5000] store +11 copy 0 for 604800 s\n");
    finish(&f);
}

static void test_full_disk_changes_nothing(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    make(&f);
    memory_store_fail(f.disk, 1, ERR_NO_SPACE);
    publish(&f, 1, &one);
    run_to(&f, 1000);
    assert_trace(&f, "[0] done 1: not_saved, 0 copies\n");
    assert_view(&f, 0, 0);
    memory_store_refuse(f.disk, ERR_NO_SPACE);
    publish(&f, 2, &one);
    run_to(&f, 2000);
    assert_trace(&f, "[1000] done 2: not_saved, 0 copies\n");
    assert_view(&f, 0, 0);
    memory_store_refuse(f.disk, 0);

    /* What is published stays so when its removal cannot be saved. */
    publish(&f, 3, &one);
    run_answered_to(&f, 3000);
    memory_store_fail(f.disk, 1, ERR_IO);
    unpublish(&f, 4, &one);
    run_answered_to(&f, 4000);
    assert_trace(&f, "[2000] store +11 copy 0 for 604800 s\n"
                     "[2100] store +11 copy 1 for 604800 s\n"
                     "[2200] store +11 copy 2 for 604800 s\n"
                     "[2200] done 3: published, 3 copies\n"
                     "[3000] done 4: not_saved, 0 copies\n");
    assert_view(&f, 1, 1);
    finish(&f);
}

static void test_stores_are_paced(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    make(&f);
    publish(&f, 1, &one);
    publish(&f, 2, &two);
    run_to(&f, 2000);
    assert_trace(&f, "[0] store +11 copy 0 for 604800 s\n"
                     "[100] store +11 copy 1 for 604800 s\n"
                     "[200] store +11 copy 2 for 604800 s\n"
                     "[300] store +22 copy 0 for 604800 s\n"
                     "[400] store +22 copy 1 for 604800 s\n"
                     "[500] store +22 copy 2 for 604800 s\n");
    /* An idle time does not become a burst. */
    run_to(&f, 10000);
    publish(&f, 3, &three);
    run_to(&f, 10150);
    assert_trace(&f, "[10000] store +33 copy 0 for 604800 s\n"
                     "[10000] store +33 copy 1 for 604800 s\n"
                     "[10100] store +33 copy 2 for 604800 s\n");
    finish(&f);
}

static void test_no_more_in_flight_than_allowed(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.config.in_flight_max = 2;
    make(&f);
    publish(&f, 1, &one);
    run_to(&f, 5000);
    assert_trace(&f, "[0] store +11 copy 0 for 604800 s\n"
                     "[100] store +11 copy 1 for 604800 s\n");
    reply(&f, &one, 1, 0, 0);
    assert_trace(&f, "[5000] store +11 copy 2 for 604800 s\n");
    finish(&f);
}

/* The time from now to the next store of this number, with the ring silent. */
static int64_t next_store_after(struct fixture *f, size_t sent_before)
{
    int64_t from = ms(f);
    while (f->sent_count == sent_before) {
        struct mono deadline = numbers_publisher_deadline(f->publisher);
        assert_true(deadline.us < INT64_MAX);
        set_time(f, deadline);
        settle(f);
    }
    return ms(f) - from;
}

static void test_lost_copy_is_tried_again_with_growing_intervals(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    make(&f);
    publish(&f, 1, &one);
    run_to(&f, 200);
    reply(&f, &one, 0, 0, 0);
    reply(&f, &one, 2, 0, 0);
    buf_clear(&f.trace);
    int64_t expected = 2000;
    for (unsigned attempt = 1; attempt <= 12; attempt++) {
        reply(&f, &one, 1, ERR_TIMEOUT, 0);
        if (attempt == 2) /* told once, and the attempts go on */
            assert_non_null(strstr(buf_text(&f.trace), "done 1: ring_unavailable, 2 copies\n"));
        else
            assert_null(strstr(buf_text(&f.trace), "done"));
        buf_clear(&f.trace);
        assert_int_equal(info_of(&f, &one)->copy[1].attempts, attempt);
        assert_true(info_of(&f, &one)->copy[1].failed);
        int64_t waited = next_store_after(&f, f.sent_count);
        assert_in_range(waited, expected * 4 / 5, expected * 6 / 5);
        expected = expected * 2 < 600000 ? expected * 2 : 600000;
    }
    reply(&f, &one, 1, 0, 0);
    assert_null(strstr(buf_text(&f.trace), "done"));
    assert_view(&f, 1, 1);
    assert_false(info_of(&f, &one)->copy[1].failed);
    finish(&f);
}

static void test_copy_refused_for_quota_is_reported_and_tried_again(void **state)
{
    (void)state;
    for (unsigned refused = 0; refused < NUMBERS_COPIES; refused++) {
        struct fixture f;
        begin(&f);
        make(&f);
        publish(&f, 1, &one);
        run_to(&f, 200);
        for (unsigned copy = 0; copy < NUMBERS_COPIES; copy++)
            if (copy == refused)
                reply(&f, &one, copy, ERR_FORBIDDEN, RELOAD_ERROR_DATA_TOO_LARGE);
            else
                reply(&f, &one, copy, 0, 0);
        next_store_after(&f, f.sent_count);
        buf_clear(&f.trace);
        reply(&f, &one, refused, ERR_FORBIDDEN, RELOAD_ERROR_DATA_TOO_LARGE);
        assert_non_null(strstr(buf_text(&f.trace), "done 1: refused_quota, 2 copies\n"));
        const struct numbers_info *info = info_of(&f, &one);
        assert_int_equal(info->copy[refused].error_code, RELOAD_ERROR_DATA_TOO_LARGE);
        assert_int_equal(info->copy[refused].outcome, NUMBERS_REFUSED_QUOTA);
        assert_int_equal(info->state, NUMBERS_STORING);
        next_store_after(&f, f.sent_count);
        reply(&f, &one, refused, 0, 0);
        assert_int_equal(info_of(&f, &one)->state, NUMBERS_STORED);
        assert_int_equal(numbers_publisher_counters(f.publisher)->stores_refused_quota, 2);
        finish(&f);
    }
}

static void test_gravest_reason_is_told(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.config.answer_attempts = 1;
    make(&f);
    publish(&f, 1, &one);
    run_to(&f, 200);
    reply(&f, &one, 0, ERR_TIMEOUT, 0);
    reply(&f, &one, 1, ERR_FORBIDDEN, RELOAD_ERROR_FORBIDDEN);
    buf_clear(&f.trace);
    reply(&f, &one, 2, ERR_NOT_FOUND, RELOAD_ERROR_NOT_FOUND);
    assert_trace(&f, "[200] done 1: refused, 0 copies\n");
    finish(&f);
}

static void test_silent_ring_is_told_in_time_for_the_client(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    make(&f);
    publish(&f, 1, &one);
    run_to(&f, 34999);
    buf_clear(&f.trace);
    run_to(&f, 39500);
    assert_trace(&f, "[35000] done 1: ring_unavailable, 0 copies\n");
    reply_all(&f); /* late, but good */
    assert_view(&f, 1, 1);
    finish(&f);
}

static void test_who_came_first_does_not_wait_longer_for_who_came_later(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    make(&f);
    publish(&f, 1, &one);
    run_to(&f, 30000);
    publish(&f, 2, &one);
    buf_clear(&f.trace);
    run_to(&f, 39500);
    assert_trace(&f, "[35000] done 1: ring_unavailable, 0 copies\n"
                     "[35000] done 2: ring_unavailable, 0 copies\n");
    finish(&f);
}

static void test_who_waits_comes_before_who_does_not(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.config.stores_per_s = 1;
    f.config.answer_attempts = 1;
    f.config.retry_max_ms = 2000;
    make(&f);
    publish(&f, 1, &one);
    run_to(&f, 2000);
    for (unsigned copy = 0; copy < NUMBERS_COPIES; copy++)
        reply(&f, &one, copy, ERR_TIMEOUT, 0); /* told: nobody waits for it any more */
    run_to(&f, 5000);                          /* two of the retries had their turn, or the first alone */
    publish(&f, 2, &two);
    buf_clear(&f.trace);
    run_to(&f, 9500);
    const char *trace = buf_text(&f.trace);
    const char *waiting = strstr(trace, "store +22 copy 2");
    const char *routine = strstr(trace, "store +11");
    assert_non_null(waiting);
    assert_non_null(routine);
    assert_true(waiting < routine);
    finish(&f);
}

static void test_refresh_before_the_copies_expire(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.config.lifetime_s = 1000;
    f.config.hold_s = 3000;
    make(&f);
    publish(&f, 1, &one);
    run_answered_to(&f, 499000);
    assert_trace(&f, "[0] store +11 copy 0 for 1000 s\n"
                     "[100] store +11 copy 1 for 1000 s\n"
                     "[200] store +11 copy 2 for 1000 s\n"
                     "[200] done 1: published, 3 copies\n");
    run_answered_to(&f, 751000);
    assert_int_equal(f.sent_count, 6);
    assert_int_equal(numbers_publisher_counters(f.publisher)->refreshes, 3);
    /* All the time until the end all copies are alive, and then they end with it. */
    for (int64_t t = 800000; t < 3000000; t += 50000) {
        run_answered_to(&f, t);
        assert_int_equal(info_of(&f, &one)->copies, 3);
        if (f.sent_count > 40)
            f.sent_count = 0;
    }
    /* The last ones were stored for no longer than the publication had left. */
    unsigned late = 0;
    for (const char *line = buf_text(&f.trace); *line; line = strchr(line, '\n') + 1) {
        long long at_ms;
        unsigned copy, lifetime_s;
        assert_int_equal(sscanf(line, "[%lld] store +11 copy %u for %u s", &at_ms, &copy, &lifetime_s), 3);
        assert_true(lifetime_s <= (3000000 - at_ms + 999) / 1000);
        late += at_ms > 2000000;
    }
    assert_int_equal(late, 3);
    buf_clear(&f.trace);
    run_answered_to(&f, 3100000);
    assert_view(&f, 0, 0);
    assert_int_equal(memory_store_count(f.disk, KV_NUMBERS), 0);
    assert_trace(&f, "");
    finish(&f);
}

static void test_publication_ends_while_its_stores_are_under_way(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.config.hold_s = 20;
    make(&f);
    publish(&f, 1, &one);
    run_to(&f, 19000);
    buf_clear(&f.trace);
    run_to(&f, 21000);
    assert_trace(&f, "[20000] done 1: ring_unavailable, 0 copies\n");
    assert_view(&f, 0, 0);
    reply_all(&f);
    publish(&f, 2, &one);
    run_answered_to(&f, 22000);
    assert_view(&f, 1, 1);
    finish(&f);
}

/* The draft's way (8.4.2): copies live as long as the publication, and the client refreshes. */
static void test_client_refreshes(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.config.lifetime_s = 1000;
    f.config.hold_s = 1000;
    make(&f);
    publish(&f, 1, &one);
    run_answered_to(&f, 900000);
    assert_int_equal(f.sent_count, 3);
    publish(&f, 2, &one);
    run_answered_to(&f, 1800000);
    assert_int_equal(f.sent_count, 6);
    assert_view(&f, 1, 1);
    run_answered_to(&f, 1900001);
    assert_int_equal(f.sent_count, 6);
    assert_view(&f, 0, 0);
    finish(&f);
}

static void test_failed_refresh_is_seen_and_made_up_for(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.config.lifetime_s = 1000;
    f.config.hold_s = 100000;
    make(&f);
    publish(&f, 1, &one);
    run_answered_to(&f, 1000);
    /* The ring is gone for longer than the copies live. */
    while (ms(&f) < 1100000) {
        next_store_after(&f, f.sent_count);
        struct sent *last = &f.sent[f.sent_count - 1];
        reply(&f, &one, last->copy, ERR_UNREACHABLE, 0);
        if (f.sent_count > 60)
            f.sent_count = 0;
    }
    assert_int_equal(info_of(&f, &one)->copies, 0);
    assert_int_equal(info_of(&f, &one)->state, NUMBERS_STORING);
    run_answered_to(&f, 2000000);
    assert_int_equal(info_of(&f, &one)->copies, 3);
    finish(&f);
}

static void test_removal_stores_nonexistent_values(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    make(&f);
    publish(&f, 1, &one);
    run_answered_to(&f, 1000);
    buf_clear(&f.trace);
    unpublish(&f, 2, &one);
    run_to(&f, 2000);
    assert_int_equal(info_of(&f, &one)->state, NUMBERS_REMOVING);
    reply_all(&f);
    assert_trace(&f, "[1000] remove +11 copy 0 for 604800 s\n"
                     "[1000] remove +11 copy 1 for 604800 s\n"
                     "[1100] remove +11 copy 2 for 604800 s\n"
                     "[2000] done 2: removed, 0 copies\n");
    assert_view(&f, 0, 0);
    assert_int_equal(memory_store_count(f.disk, KV_NUMBERS), 0);
    unpublish(&f, 3, &one);
    assert_trace(&f, "[2000] done 3: unknown, 0 copies\n");
    finish(&f);
}

static void test_removal_overtakes_publishing(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    make(&f);
    publish(&f, 1, &one);
    run_to(&f, 100);
    buf_clear(&f.trace);
    unpublish(&f, 2, &one);
    run_to(&f, 1000);
    assert_trace(&f, "[100] done 1: superseded, 0 copies\n"
                     "[200] remove +11 copy 2 for 604800 s\n");
    /* Whatever became of the first stores, values under way are followed by their removal. */
    reply(&f, &one, 0, 0, 0);
    reply(&f, &one, 1, ERR_TIMEOUT, 0);
    run_answered_to(&f, 2000);
    assert_trace(&f, "[1000] remove +11 copy 0 for 604800 s\n"
                     "[1000] remove +11 copy 1 for 604800 s\n"
                     "[1000] done 2: removed, 0 copies\n");
    finish(&f);
}

static void test_publishing_overtakes_removal(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    make(&f);
    publish(&f, 1, &one);
    run_answered_to(&f, 1000);
    unpublish(&f, 2, &one);
    run_to(&f, 2000);
    buf_clear(&f.trace);
    publish(&f, 3, &one);
    reply_all(&f); /* the removals */
    run_answered_to(&f, 3000);
    assert_non_null(strstr(buf_text(&f.trace), "done 2: superseded"));
    assert_non_null(strstr(buf_text(&f.trace), "done 3: published, 3 copies"));
    assert_view(&f, 1, 1);
    finish(&f);
}

/* A new wish is being saved at the moment when the removal is complete. */
static void test_publishing_again_while_the_removal_ends(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    make(&f);
    publish(&f, 1, &one);
    run_answered_to(&f, 1000);
    unpublish(&f, 2, &one);
    run_to(&f, 2000);
    f.disk_is_slow = true;
    publish(&f, 3, &one);
    reply_all(&f);
    assert_non_null(strstr(buf_text(&f.trace), "done 2: removed"));
    memory_store_fail(f.disk, 1, ERR_IO); /* and it fails: the removal stands */
    f.disk_is_slow = false;
    run_answered_to(&f, 3000);
    assert_non_null(strstr(buf_text(&f.trace), "done 3: not_saved"));
    assert_view(&f, 0, 0);
    assert_int_equal(memory_store_count(f.disk, KV_NUMBERS), 0);
    finish(&f);
}

static void test_own_quota(void **state)
{
    (void)state;
    struct fixture f;
    uint32_t limit, current;
    begin(&f);
    f.config.quota = 2;
    make(&f);
    publish(&f, 1, &one);
    assert_int_equal(numbers_publish(f.publisher, f.now, 2, &one, OTHER_VSERVICE), 0);
    run_answered_to(&f, 1000);
    numbers_publisher_quota(f.publisher, &limit, &current);
    assert_int_equal(limit, 2);
    assert_int_equal(current, 2);
    buf_clear(&f.trace);
    publish(&f, 3, &two);
    assert_trace(&f, "[1000] done 3: over_quota, 0 copies\n");
    publish(&f, 4, &one); /* is published already */
    run_answered_to(&f, 2000);
    assert_non_null(strstr(buf_text(&f.trace), "done 4: published"));
    unpublish(&f, 5, &one);
    run_answered_to(&f, 3000);
    publish(&f, 6, &two);
    run_answered_to(&f, 4000);
    assert_non_null(strstr(buf_text(&f.trace), "done 6: published"));
    finish(&f);
}

static void test_several_may_wait_but_not_too_many(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.config.waiters_max = 2;
    make(&f);
    publish(&f, 1, &one);
    publish(&f, 2, &one);
    publish(&f, 3, &one);
    run_answered_to(&f, 1000);
    assert_trace(&f, "[0] store +11 copy 0 for 604800 s\n"
                     "[0] done 3: busy, 0 copies\n"
                     "[100] store +11 copy 1 for 604800 s\n"
                     "[200] store +11 copy 2 for 604800 s\n"
                     "[200] done 1: published, 3 copies\n"
                     "[200] done 2: published, 3 copies\n");
    finish(&f);
}

static void test_late_and_unknown_answers(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    make(&f);
    numbers_store_done(f.publisher, f.now, 0, 0, 0);
    numbers_store_done(f.publisher, f.now, 12345678, 0, 0);
    publish(&f, 1, &one);
    run_to(&f, 1000);
    uint64_t store = f.sent[0].store;
    reply(&f, &one, 0, 0, 0);
    numbers_store_done(f.publisher, f.now, store, ERR_TIMEOUT, 0); /* twice */
    settle(&f);
    assert_int_equal(info_of(&f, &one)->copies, 1);
    struct numbers_publisher_view view;
    numbers_publisher_view(f.publisher, f.now, &view);
    assert_int_equal(view.in_flight, 2);
    finish(&f);
}

/* A process that is killed: nothing that was not durable counts, nothing is told to the old publisher any more. */
static void restart(struct fixture *f)
{
    memory_store_crash(f->disk);
    numbers_publisher_free(f->publisher);
    numbers_resolver_free(f->resolver);
    f->sent_count = 0;
    f->job_count = 0;
    buf_clear(&f->trace);
    make(f);
}

static void test_restart_goes_on_where_it_was(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.config.lifetime_s = 1000;
    f.config.hold_s = 10000;
    make(&f);
    publish(&f, 1, &one); /* will be stored */
    run_answered_to(&f, 1000);
    publish(&f, 2, &two); /* saved, and not stored */
    publish(&f, 4, &four);
    unpublish(&f, 5, &four); /* saved, and not removed */
    f.disk_is_slow = true;
    publish(&f, 3, &three); /* not even saved */
    restart(&f);
    f.disk_is_slow = false;
    assert_view(&f, 3, 1);
    run_answered_to(&f, 2000);
    const char *trace = buf_text(&f.trace);
    assert_non_null(strstr(trace, "store +22 copy 2 for 1000 s"));
    assert_non_null(strstr(trace, "remove +44 copy 2 for 1000 s"));
    assert_null(strstr(trace, "+11"));
    assert_null(strstr(trace, "+33"));
    assert_view(&f, 2, 2);
    assert_int_equal(info_of(&f, &one)->copies, 3);
    /* The refresh of what was stored before comes in time. */
    run_answered_to(&f, 760000);
    assert_non_null(strstr(buf_text(&f.trace), "store +11 copy 2"));
    restart(&f);
    run_answered_to(&f, 1100000);
    assert_view(&f, 2, 2);
    /* Down for longer than it was to be held. */
    set_time(&f, (struct mono){INT64_C(20000000) * 1000});
    restart(&f);
    assert_view(&f, 0, 0);
    settle(&f);
    assert_int_equal(memory_store_count(f.disk, KV_NUMBERS), 0);
    finish(&f);
}

static void test_restart_leaves_alone_what_the_client_refreshes(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.config.lifetime_s = 1000;
    f.config.hold_s = 1000;
    make(&f);
    publish(&f, 1, &one);
    run_answered_to(&f, 1000);
    restart(&f);
    assert_view(&f, 1, 1);
    run_answered_to(&f, 999999);
    assert_trace(&f, "");
    run_answered_to(&f, 1000001);
    assert_view(&f, 0, 0);
    finish(&f);
}

/* The last copy arrives between the wish to remove and its being durable: the row must keep the wish. */
static void test_removal_wish_survives_what_is_noted_meanwhile(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    make(&f);
    publish(&f, 1, &one);
    run_to(&f, 1000);
    f.disk_is_slow = true;
    unpublish(&f, 2, &one);
    reply_all(&f);
    assert_non_null(strstr(buf_text(&f.trace), "done 1: published"));
    memory_store_turn(f.disk);
    restart(&f);
    f.disk_is_slow = false;
    assert_int_equal(info_of(&f, &one)->state, NUMBERS_REMOVING);
    run_answered_to(&f, 2000);
    assert_view(&f, 0, 0);
    finish(&f);
}

static void test_rows_that_make_no_sense(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    const struct kv *kv = memory_store_kv(f.disk);
    for (int i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "bad row %d", i);
        assert_int_equal(kv_put(kv, KV_NUMBERS, slice_str(key), slice_str("\1\1")), 0);
    }
    make(&f);
    settle(&f);
    assert_view(&f, 0, 0);
    assert_int_equal(numbers_publisher_counters(f.publisher)->rows_bad, 200);
    assert_int_equal(memory_store_count(f.disk, KV_NUMBERS), 0);
    finish(&f);
}

static void end_job(struct fixture *f, size_t i, int err)
{
    struct id ids[NUMBERS_COPIES];
    assert_int_equal(numbers_resource_ids(numbers_resolver_profile(f->resolver), &f->hashed[i], ids), 0);
    numbers_resolver_done(f->resolver, f->now, f->jobs[i], err, ids);
    settle(f);
}

static void test_slow_hash_does_not_block(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.profile.hash = CONFIG_HASH_ARGON2ID;
    make(&f);
    publish(&f, 1, &one);
    run_to(&f, 500);
    assert_trace(&f, "");
    assert_int_equal(f.job_count, 1);
    assert_int_equal(info_of(&f, &one)->state, NUMBERS_HASHING);
    end_job(&f, 0, 0);
    run_answered_to(&f, 1000);
    assert_trace(&f, "[500] store +11 copy 0 for 604800 s\n"
                     "[600] store +11 copy 1 for 604800 s\n"
                     "[700] store +11 copy 2 for 604800 s\n"
                     "[700] done 1: published, 3 copies\n");
    /* A failed one is told, and tried again later. */
    publish(&f, 2, &two);
    end_job(&f, 1, ERR_NO_MEMORY);
    assert_trace(&f, "[1000] done 2: hash_failed, 0 copies\n");
    run_to(&f, 1000 + 12 * 60000);
    assert_int_equal(f.job_count, 3);
    end_job(&f, 2, 0);
    run_answered_to(&f, 800000);
    assert_view(&f, 2, 2);
    finish(&f);
}

/* The ring answers the first stores, as far as they are unanswered. */
static void reply_all_of(struct fixture *f, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (f->sent[i].answered)
            continue;
        f->sent[i].answered = true;
        numbers_store_done(f->publisher, f->now, f->sent[i].store, 0, 0);
        settle(f);
    }
}

static void test_another_configuration_of_the_ring(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    make(&f);
    publish(&f, 1, &one);
    run_answered_to(&f, 1000);
    publish(&f, 2, &two);
    run_to(&f, 1050); /* some stored, some under way, some waiting */
    buf_clear(&f.trace);
    f.profile.hash = CONFIG_HASH_ARGON2ID;
    assert_int_equal(numbers_resolver_set_profile(f.resolver, f.now, &f.profile), 0);
    numbers_publisher_reconfigure(f.publisher, f.now, 1, 2000);
    /* The old stores end in vain: one before its number is hashed, one after. */
    assert_int_equal(f.sent_count, 5);
    reply_all_of(&f, 4);
    assert_view(&f, 2, 0);
    end_job(&f, 0, 0);
    end_job(&f, 1, 0);
    reply_all_of(&f, 5);
    assert_view(&f, 2, 0);
    run_answered_to(&f, 3000);
    assert_view(&f, 2, 2);
    const char *trace = buf_text(&f.trace);
    assert_non_null(strstr(trace, "store +11 copy 2 for 2000 s"));
    assert_non_null(strstr(trace, "store +22 copy 0 for 2000 s"));
    assert_non_null(strstr(trace, "store +22 copy 1 for 2000 s"));
    assert_non_null(strstr(trace, "store +22 copy 2 for 2000 s"));
    assert_non_null(strstr(trace, "done 2: published, 3 copies"));
    publish(&f, 3, &three); /* the quota is smaller now */
    assert_non_null(strstr(buf_text(&f.trace), "done 3: over_quota"));
    finish(&f);
}

/* Whichever allocation fails, a request ends once, and what was published is stored in the end. */
static void test_every_allocation_failing(void **state)
{
    (void)state;
    for (unsigned long nth = 1; nth < 30; nth++) {
        struct fixture f;
        begin(&f);
        make(&f);
        buf_extend(&f.trace, 4096);
        buf_clear(&f.trace);
        f.memory_is_short = true;
        mem_fail_at(nth);
        int err = numbers_publish(f.publisher, f.now, 1, &one, VSERVICE);
        run_answered_to(&f, 60000);
        mem_fail_at(0);
        f.memory_is_short = false;
        run_answered_to(&f, 2000000);
        const char *done = strstr(buf_text(&f.trace), "done 1");
        assert_true((done == NULL) == (err != 0));
        assert_true(!done || !strstr(done + 1, "done 1"));
        bool kept = done && !strstr(done, "busy") && !strstr(done, "not_saved");
        assert_view(&f, kept, kept);
        finish(&f);
    }
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
        cmocka_unit_test(test_nothing_is_stored_before_it_is_durable),
        cmocka_unit_test(test_full_disk_changes_nothing),
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
        cmocka_unit_test(test_publishing_again_while_the_removal_ends),
        cmocka_unit_test(test_own_quota),
        cmocka_unit_test(test_several_may_wait_but_not_too_many),
        cmocka_unit_test(test_late_and_unknown_answers),
        cmocka_unit_test(test_restart_goes_on_where_it_was),
        cmocka_unit_test(test_restart_leaves_alone_what_the_client_refreshes),
        cmocka_unit_test(test_removal_wish_survives_what_is_noted_meanwhile),
        cmocka_unit_test(test_rows_that_make_no_sense),
        cmocka_unit_test(test_slow_hash_does_not_block),
        cmocka_unit_test(test_another_configuration_of_the_ring),
        cmocka_unit_test(test_every_allocation_failing),
        cmocka_unit_test(test_impossible_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
