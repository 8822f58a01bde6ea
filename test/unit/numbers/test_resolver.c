/* The resolver: shared jobs, a bounded cache, and an environment that is slow or refuses. */
#include "numbers/resolver.h"

#include "base/mem.h"
#include "testing.h"

static const struct now now = {{0}, {1}};
static const struct e164 a = {"+1"}, b = {"+2"}, c = {"+3"};

/* A hasher whose jobs end when the test says so. */
struct fixture {
    struct numbers_resolver *resolver;
    uint64_t jobs[8];
    struct e164 numbers[8];
    size_t job_count;
    int refuse;
};

struct waiting {
    struct numbers_wait wait; /* first */
    unsigned calls;
    int err;
    struct numbers_slot first;
};

static int start(void *ctx, uint64_t job, const struct numbers_profile *profile, const struct e164 *number)
{
    struct fixture *f = ctx;
    assert_int_equal(profile->hash, CONFIG_HASH_ARGON2ID);
    if (f->refuse)
        return f->refuse;
    assert_true(f->job_count < 8);
    f->jobs[f->job_count] = job;
    f->numbers[f->job_count++] = *number;
    return 0;
}

static void done(struct numbers_wait *wait, struct now at, int err, const struct numbers_slot *slots)
{
    struct waiting *w = (struct waiting *)wait;
    (void)at;
    w->calls++;
    w->err = err;
    if (!err)
        w->first = slots[0];
}

static bool is_same(const struct numbers_slot *left, const struct numbers_slot *right)
{
    return id_eq(left->resource, right->resource) && mem_equal_secret(left->key, right->key, AEAD_KEY_OCTETS);
}

static struct waiting waiting(void)
{
    struct waiting w = {.calls = 0};
    return w;
}

static const struct numbers_profile argon2id_profile = {
    .overlay = {(const uint8_t *)"ring.example", 12},
    .hash = CONFIG_HASH_ARGON2ID,
    .cost = {1, 8, 1},
};

static void begin(struct fixture *f, size_t cache_max, size_t jobs_max, size_t pending_max)
{
    const struct numbers_resolver_config config = {cache_max, jobs_max, pending_max, 1};
    *f = (struct fixture){0};
    const struct numbers_hasher hasher = {start, f};
    assert_int_equal(numbers_resolver_new(&config, &argon2id_profile, &hasher, &f->resolver), 0);
}

static void end_job(struct fixture *f, size_t i, int err)
{
    struct numbers_slot slots[NUMBERS_COPIES];
    if (!err)
        assert_int_equal(numbers_slots_derive(&argon2id_profile, &f->numbers[i], slots), 0);
    numbers_resolver_done(f->resolver, now, f->jobs[i], err, slots);
}

static int resolve(struct fixture *f, const struct e164 *number, struct waiting *w)
{
    struct numbers_slot slots[NUMBERS_COPIES];
    numbers_wait_init(&w->wait, done);
    int err = numbers_resolve(f->resolver, now, number, &w->wait, slots);
    if (err == 0)
        w->first = slots[0];
    return err;
}

static void test_sha1_is_answered_at_once(void **state)
{
    (void)state;
    const struct numbers_resolver_config config = NUMBERS_RESOLVER_CONFIG_DEFAULT;
    const struct numbers_profile profile = {.overlay = slice_str("ring.example"), .hash = CONFIG_HASH_SHA1};
    struct fixture f = {0};
    struct waiting w = waiting();
    struct numbers_slot slots[NUMBERS_COPIES];
    assert_int_equal(numbers_resolver_new(&config, &profile, NULL, &f.resolver), 0);
    assert_int_equal(resolve(&f, &a, &w), 0);
    assert_int_equal(numbers_slots_derive(&profile, &a, slots), 0);
    assert_true(is_same(&w.first, &slots[0]));
    numbers_resolver_free(f.resolver);
}

static void test_requests_for_one_number_share_a_job(void **state)
{
    (void)state;
    struct fixture f;
    struct waiting w1 = waiting(), w2 = waiting(), w3 = waiting(), w4 = waiting();
    begin(&f, 10, 2, 10);
    assert_int_equal(resolve(&f, &a, &w1), NUMBERS_LATER);
    assert_int_equal(resolve(&f, &a, &w2), NUMBERS_LATER);
    assert_int_equal(resolve(&f, &a, &w3), NUMBERS_LATER);
    numbers_wait_cancel(&w3.wait);
    assert_int_equal(f.job_count, 1);
    end_job(&f, 0, 0);
    assert_int_equal(w1.calls, 1);
    assert_int_equal(w2.calls, 1);
    assert_int_equal(w3.calls, 0);
    assert_int_equal(resolve(&f, &a, &w4), 0); /* remembered */
    assert_true(is_same(&w4.first, &w1.first));
    assert_int_equal(f.job_count, 1);
    end_job(&f, 0, 0); /* told twice: ignored */
    assert_int_equal(w1.calls, 1);
    numbers_resolver_free(f.resolver);
}

static void test_jobs_wait_their_turn(void **state)
{
    (void)state;
    struct fixture f;
    struct waiting w1 = waiting(), w2 = waiting(), w3 = waiting();
    begin(&f, 10, 1, 2);
    assert_int_equal(resolve(&f, &a, &w1), NUMBERS_LATER);
    assert_int_equal(resolve(&f, &b, &w2), NUMBERS_LATER);
    assert_int_equal(f.job_count, 1);
    assert_int_equal(resolve(&f, &c, &w3), ERR_LIMIT);
    end_job(&f, 0, 0);
    assert_int_equal(f.job_count, 2);
    assert_int_equal(resolve(&f, &c, &w3), NUMBERS_LATER);
    end_job(&f, 1, ERR_NO_MEMORY);
    assert_int_equal(w2.calls, 1);
    assert_int_equal(w2.err, ERR_NO_MEMORY);
    assert_int_equal(f.job_count, 3);
    end_job(&f, 2, 0);
    assert_int_equal(w3.err, 0);
    assert_int_equal(numbers_resolver_counters(f.resolver)->refused_limit, 1);
    numbers_resolver_free(f.resolver);
}

static void test_the_number_not_asked_for_the_longest_gives_way(void **state)
{
    (void)state;
    struct fixture f;
    struct waiting w = waiting();
    begin(&f, 2, 1, 10);
    assert_int_equal(resolve(&f, &a, &w), NUMBERS_LATER);
    end_job(&f, 0, 0);
    assert_int_equal(resolve(&f, &b, &w), NUMBERS_LATER);
    end_job(&f, 1, 0);
    assert_int_equal(resolve(&f, &a, &w), 0);
    assert_int_equal(resolve(&f, &c, &w), NUMBERS_LATER);
    end_job(&f, 2, 0);
    assert_int_equal(resolve(&f, &a, &w), 0);
    assert_int_equal(resolve(&f, &c, &w), 0);
    assert_int_equal(resolve(&f, &b, &w), NUMBERS_LATER);
    assert_int_equal(numbers_resolver_counters(f.resolver)->evicted, 1);
    numbers_resolver_free(f.resolver); /* with a job under way */
}

static void test_no_cache_at_all(void **state)
{
    (void)state;
    struct fixture f;
    struct waiting w = waiting();
    begin(&f, 0, 1, 10);
    assert_int_equal(resolve(&f, &a, &w), NUMBERS_LATER);
    end_job(&f, 0, 0);
    assert_int_equal(w.calls, 1);
    assert_int_equal(resolve(&f, &a, &w), NUMBERS_LATER);
    end_job(&f, 1, 0);
    assert_int_equal(w.calls, 2);
    numbers_resolver_free(f.resolver);
}

static void test_hasher_that_refuses(void **state)
{
    (void)state;
    struct fixture f;
    struct waiting w = waiting();
    begin(&f, 10, 1, 10);
    f.refuse = ERR_LIMIT;
    assert_int_equal(resolve(&f, &a, &w), NUMBERS_LATER);
    assert_int_equal(w.calls, 1);
    assert_int_equal(w.err, ERR_LIMIT);
    f.refuse = 0;
    assert_int_equal(resolve(&f, &a, &w), NUMBERS_LATER);
    end_job(&f, 0, 0);
    assert_int_equal(w.calls, 2);
    numbers_resolver_free(f.resolver);
}

static void test_another_profile_forgets_and_hashes_again(void **state)
{
    (void)state;
    struct fixture f;
    struct waiting w1 = waiting(), w2 = waiting();
    begin(&f, 10, 1, 10);
    assert_int_equal(resolve(&f, &a, &w1), NUMBERS_LATER);
    end_job(&f, 0, 0);
    assert_int_equal(resolve(&f, &b, &w2), NUMBERS_LATER);
    struct numbers_profile other = argon2id_profile;
    other.cost.passes = 2;
    assert_int_equal(numbers_resolver_set_profile(f.resolver, now, &other), 0);
    assert_int_equal(f.job_count, 3); /* b again */
    end_job(&f, 1, 0);                /* the old job: ignored */
    assert_int_equal(w2.calls, 0);
    end_job(&f, 2, 0);
    assert_int_equal(w2.calls, 1);
    assert_int_equal(resolve(&f, &a, &w1), NUMBERS_LATER);
    other.hash = CONFIG_HASH_SHA1;
    assert_int_equal(numbers_resolver_set_profile(f.resolver, now, &other), 0);
    assert_int_equal(w1.calls, 2); /* at once */
    struct numbers_slot slots[NUMBERS_COPIES];
    assert_int_equal(numbers_slots_derive(&other, &a, slots), 0);
    assert_true(is_same(&w1.first, &slots[0]));
    numbers_resolver_free(f.resolver);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha1_is_answered_at_once),
        cmocka_unit_test(test_requests_for_one_number_share_a_job),
        cmocka_unit_test(test_jobs_wait_their_turn),
        cmocka_unit_test(test_the_number_not_asked_for_the_longest_gives_way),
        cmocka_unit_test(test_no_cache_at_all),
        cmocka_unit_test(test_hasher_that_refuses),
        cmocka_unit_test(test_another_profile_forgets_and_hashes_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
