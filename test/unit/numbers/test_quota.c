/* The storing peer's bound: its values, its probability by exact computation and by simulation. */
#include "numbers/quota.h"

#include "base/entropy.h"
#include "numbers/record.h"
#include "testing.h"

#include <math.h>

static void test_bounds(void **state)
{
    (void)state;
    /* A ring of one: everything, and nothing more. */
    assert_int_equal(numbers_quota_entries(100, 1), 300);
    assert_int_equal(numbers_quota_entries(100, 2), 300);
    assert_int_equal(numbers_quota_entries(0, 0.5), 0);
    /* The mean is 5000: a few percent more. */
    uint32_t sixth = numbers_quota_entries(10000, 1.0 / 6);
    assert_in_range(sixth, 5001, 5500);
    /* The mean is 30 in a ring of a thousand. */
    assert_in_range(numbers_quota_entries(10000, 0.001), 60, 85);
    /* Hardly any share: a handful. */
    assert_in_range(numbers_quota_entries(10000, 1e-12), 1, 5);
    assert_in_range(numbers_quota_entries(10000, 0), 1, 5);
    assert_in_range(numbers_quota_entries(10000, -1), 1, 5);
    assert_in_range(numbers_quota_entries(1, 0.5), 1, 3);
    assert_true(numbers_quota_entries(UINT32_MAX, 1) == UINT32_MAX);
}

static void test_grows_with_quota_and_share(void **state)
{
    (void)state;
    uint32_t last = 0;
    for (double share = 0.0001; share < 1; share *= 1.3) {
        uint32_t entries = numbers_quota_entries(5000, share);
        assert_true(entries >= last);
        assert_true((double)entries >= 15000 * share);
        last = entries;
    }
    last = 0;
    for (uint32_t quota = 1; quota < 1000000; quota = quota * 3 / 2 + 1) {
        uint32_t entries = numbers_quota_entries(quota, 0.01);
        assert_true(entries >= last);
        last = entries;
    }
}

/* P(B(n, f) > k), summed term by term from the top of the tail's weight downwards. */
static double exact_tail(uint32_t n, double f, uint32_t k)
{
    double log_term = 0; /* of P(X = 0), then of P(X = i) */
    double sum = 0;
    log_term = n * log(1 - f);
    for (uint32_t i = 0; i < n; i++) {
        if (i > k)
            sum += exp(log_term);
        log_term += log((double)(n - i) / (i + 1)) + log(f / (1 - f));
    }
    return sum + (n > k ? exp(log_term) : 0);
}

static void test_false_refusal_is_rarer_than_one_in_a_million(void **state)
{
    (void)state;
    static const uint32_t quotas[] = {1, 10, 100, 1000, 20000};
    static const double shares[] = {0.0001, 0.001, 0.01, 1.0 / 6, 0.5, 0.9};
    for (size_t q = 0; q < sizeof quotas / sizeof *quotas; q++) {
        for (size_t s = 0; s < sizeof shares / sizeof *shares; s++) {
            uint32_t n = quotas[q] * NUMBERS_COPIES;
            double tail = exact_tail(n, shares[s], numbers_quota_entries(quotas[q], shares[s]));
            assert_true(tail <= NUMBERS_QUOTA_FALSE_REFUSAL * shares[s]);
        }
    }
}

/* It is a bound and not a hole: a server that uses a tenth more than its quota is refused by a peer with a good share nearly always when
 * the quota is large. */
static void test_excess_is_refused(void **state)
{
    (void)state;
    uint32_t limit = numbers_quota_entries(100000, 1.0 / 6);
    assert_true(exact_tail(330000, 1.0 / 6, limit) > 0.999);
}

/* A ring of 50 peers with random shares; 2,000 servers with their full quota of 200 numbers. Nobody is refused; a server with twice that is,
 * mostly. */
static void test_simulation(void **state)
{
    (void)state;
    enum { PEERS = 50, SERVERS = 2000, QUOTA = 200 };
    struct seeded_entropy seed = {42};
    const struct entropy entropy = seeded_entropy_port(&seed);
    uint64_t ends[PEERS];
    entropy_fill(&entropy, ends, sizeof ends);
    for (size_t i = 0; i < PEERS; i++)
        for (size_t j = i + 1; j < PEERS; j++)
            if (ends[j] < ends[i]) {
                uint64_t swap = ends[i];
                ends[i] = ends[j];
                ends[j] = swap;
            }
    uint32_t limits[PEERS];
    for (size_t i = 0; i < PEERS; i++)
        limits[i] = numbers_quota_entries(QUOTA, (double)(ends[i] - ends[(i + PEERS - 1) % PEERS]) / 0x1p64);

    unsigned refused = 0, greedy_refused = 0;
    for (unsigned server = 0; server < SERVERS; server++) {
        uint32_t counts[PEERS] = {0};
        for (unsigned entry = 0; entry < 2 * QUOTA * NUMBERS_COPIES; entry++) {
            uint64_t place = entropy_u64(&entropy);
            size_t owner = 0;
            while (owner < PEERS && ends[owner] < place)
                owner++;
            counts[owner % PEERS]++;
            bool over = counts[owner % PEERS] > limits[owner % PEERS];
            refused += over && entry < QUOTA * NUMBERS_COPIES;
            greedy_refused += over && entry >= QUOTA * NUMBERS_COPIES;
        }
    }
    assert_int_equal(refused, 0);
    assert_true(greedy_refused > SERVERS); /* several each */
}

static void test_allows(void **state)
{
    (void)state;
    uint32_t limit = numbers_quota_entries(100, 0.25);
    assert_true(numbers_quota_allows(100, 0.25, limit - 1, 1));
    assert_false(numbers_quota_allows(100, 0.25, limit, 1));
    assert_false(numbers_quota_allows(100, 0.25, limit - 1, 2));
    assert_true(numbers_quota_allows(100, 0.25, limit + 5, 0)); /* renewing what is there */
    assert_false(numbers_quota_allows(100, 0.25, limit + 5, 1));
    assert_false(numbers_quota_allows(100, 0.25, 0, UINT32_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_grows_with_quota_and_share),
        cmocka_unit_test(test_false_refusal_is_rarer_than_one_in_a_million),
        cmocka_unit_test(test_excess_is_refused),
        cmocka_unit_test(test_simulation),
        cmocka_unit_test(test_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
