/* Pools and buckets: three strong or four weak proofs make routes; a failure empties everything and opens the penalty box; nothing is
 * counted before it is durable, and nothing twice. */
#include "pvp/pool.h"
#include "store/memory.h"
#include "testing.h"

struct world {
    struct memory_store *store;
    struct pvp_pools *pools;
    /* the last outcome */
    unsigned outcomes;
    enum pvp_pool_event event;
    unsigned fill;
    bool in_penalty_box;
    size_t learned;
    uint64_t learned_vcrs; /* a bit per first octet of the id */
    size_t lost;
    int err;
    int stage_err;
};

static int stage(void *ctx, const struct pvp_pool_outcome *o)
{
    struct world *w = ctx;
    /* What belongs to it goes into the same transaction. */
    uint8_t value = (uint8_t)o->learned_count;
    return w->stage_err ? w->stage_err
                        : kv_put(memory_store_kv(w->store), KV_ROUTE, e164_slice(&o->called), slice_of(&value, 1));
}

static void done(void *ctx, const struct pvp_pool_outcome *o, int err)
{
    struct world *w = ctx;
    w->outcomes++;
    w->event = o->event;
    w->fill = o->fill;
    w->in_penalty_box = o->in_penalty_box;
    w->learned = o->learned_count;
    w->learned_vcrs = 0;
    for (size_t i = 0; i < o->learned_count; i++)
        w->learned_vcrs |= UINT64_C(1) << o->learned[i].vcr_id.octets[0];
    w->lost = o->lost_count;
    w->err = err;
}

static void open_pools(struct world *w)
{
    static const struct pvp_pool_config defaults = PVP_POOL_CONFIG_DEFAULT;
    struct pvp_pool_config config = defaults;
    config.pools_max = 3;
    config.penalties_max = 3;
    config.queue_max = 8;
    struct pvp_pool_port port = {w, stage, done};
    assert_int_equal(pvp_pools_new(&config, memory_store_kv(w->store), &port, NULL, &w->pools), 0);
}

static void open_world(struct world *w)
{
    *w = (struct world){0};
    assert_int_equal(memory_store_new(&w->store), 0);
    open_pools(w);
}

static void close_world(struct world *w)
{
    pvp_pools_free(w->pools);
    memory_store_free(w->store);
}

static void crash(struct world *w)
{
    memory_store_crash(w->store);
    pvp_pools_free(w->pools);
    open_pools(w);
}

static struct id id_of(uint8_t n)
{
    return (struct id){{n}};
}

static struct e164 number(const char *text)
{
    struct e164 n;
    assert_true(e164_parse(slice_str(text), &n));
    return n;
}

static int succeed(struct world *w, uint8_t node, const char *domain, uint8_t vcr, const char *called, unsigned worth)
{
    struct id id = id_of(node);
    struct pvp_result r = {.vcr_id = id_of(vcr),
                           .called = number(called),
                           .vservice_id = 5,
                           .worth = worth,
                           .when = {1767225600000 + vcr},
                           .valinfo_xml = slice_str("<valinfo/>")};
    return pvp_pool_success(w->pools, &id, slice_str(domain), &r);
}

static void settle(struct world *w)
{
    while (memory_store_turn(w->store))
        ;
}

/* One success, settled; returns the event. */
static enum pvp_pool_event credit(struct world *w, uint8_t node, const char *domain, uint8_t vcr, const char *called,
                                  unsigned worth)
{
    assert_int_equal(succeed(w, node, domain, vcr, called, worth), 0);
    settle(w);
    assert_int_equal(w->err, 0);
    return w->event;
}

static void be_failed(struct world *w, uint8_t node, const char *called)
{
    struct id id = id_of(node);
    struct id vcr = id_of(60);
    struct e164 n = number(called);
    assert_int_equal(pvp_pool_failure(w->pools, &id, &n, &vcr, (struct wall){1767225600000}), 0);
    settle(w);
    assert_int_equal(w->event, PVP_POOL_EMPTIED);
}

static void test_three_strong_proofs(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    assert_int_equal(credit(&w, 1, "b.example", 1, "+491", 12), PVP_POOL_CREDITED);
    assert_int_equal(credit(&w, 1, "B.example", 2, "+492", 12), PVP_POOL_CREDITED);
    assert_int_equal(w.fill, 24); /* not more than the threshold */
    assert_int_equal(w.learned, 0);
    assert_int_equal(credit(&w, 1, "b.example", 3, "+491", 12), PVP_POOL_LEARNED);
    assert_int_equal(w.fill, 36);
    assert_int_equal(w.learned, 3);
    assert_int_equal(w.learned_vcrs, 0xe);
    assert_int_equal(memory_store_count(w.store, KV_PVP_POOL), 0);
    assert_int_equal(credit(&w, 1, "b.example", 4, "+491", 12), PVP_POOL_CREDITED);
    assert_int_equal(w.fill, 12);
    close_world(&w);
}

static void test_four_weak_proofs_and_mixtures(void **state)
{
    (void)state;
    static const struct {
        unsigned worths[4];
        unsigned learned_with; /* the how-manieth */
    } cases[] = {{{8, 8, 8, 8}, 4}, {{12, 8, 8, 8}, 3}, {{8, 8, 12, 8}, 3}, {{12, 12, 8, 8}, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        open_world(&w);
        for (unsigned k = 0; k < cases[i].learned_with; k++)
            assert_int_equal(credit(&w, 1, "b.example", (uint8_t)(k + 1), "+491", cases[i].worths[k]),
                             k + 1 == cases[i].learned_with ? PVP_POOL_LEARNED : PVP_POOL_CREDITED);
        close_world(&w);
    }
}

static void test_pools_are_per_node_and_domain(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    credit(&w, 1, "b.example", 1, "+491", 12);
    credit(&w, 1, "b.example", 2, "+491", 12);
    assert_int_equal(credit(&w, 1, "c.example", 3, "+491", 12), PVP_POOL_CREDITED);
    assert_int_equal(credit(&w, 2, "b.example", 4, "+491", 12), PVP_POOL_CREDITED);
    assert_int_equal(succeed(&w, 3, "b.example", 5, "+491", 12), ERR_LIMIT); /* pools_max */
    assert_int_equal(credit(&w, 1, "b.example", 6, "+491", 12), PVP_POOL_LEARNED);
    close_world(&w);
}

/* A failure empties all buckets of the Node-ID; the number is then counted by itself. */
static void test_penalty_box(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    credit(&w, 1, "b.example", 1, "+491", 12);
    credit(&w, 1, "c.example", 2, "+491", 12);
    credit(&w, 2, "b.example", 3, "+491", 12);
    be_failed(&w, 1, "+499");
    assert_int_equal(w.lost, 2);
    assert_int_equal(credit(&w, 1, "b.example", 4, "+491", 12), PVP_POOL_CREDITED);
    assert_int_equal(w.fill, 12);
    assert_false(w.in_penalty_box);
    /* The penalized number fills its own bucket, the others theirs. */
    credit(&w, 1, "b.example", 5, "+499", 12);
    assert_true(w.in_penalty_box);
    assert_int_equal(w.fill, 12);
    credit(&w, 1, "b.example", 6, "+499", 12);
    assert_int_equal(credit(&w, 1, "b.example", 7, "+492", 12), PVP_POOL_CREDITED);
    assert_int_equal(w.fill, 24);
    crash(&w);
    assert_int_equal(credit(&w, 1, "b.example", 8, "+499", 12), PVP_POOL_LEARNED);
    assert_int_equal(w.learned_vcrs, 1 << 5 | 1 << 6 | 1 << 8);
    assert_int_equal(credit(&w, 1, "b.example", 9, "+493", 12), PVP_POOL_LEARNED);
    assert_int_equal(w.learned_vcrs, 1 << 4 | 1 << 7 | 1 << 9);
    /* The other peer was not touched. */
    credit(&w, 2, "b.example", 10, "+491", 12);
    assert_int_equal(w.fill, 24);
    close_world(&w);
}

static int count_buckets(void *arg, const struct pvp_bucket_info *info)
{
    unsigned *seen = arg;
    if (!info->domain.n) {
        seen[0]++;
        assert_string_equal(info->number.text, "+499");
        assert_int_equal(info->fill, 0);
    } else if (info->number.text[0]) {
        seen[1]++;
        assert_int_equal(info->fill, 8);
        assert_int_equal(info->result_count, 1);
        assert_string_equal(info->results[0]->called.text, "+498");
    } else {
        seen[2]++;
        assert_int_equal(info->fill, 20);
        assert_int_equal(info->result_count, 2);
        assert_int_equal(info->threshold, 24);
    }
    return 0;
}

static void test_show(void **state)
{
    (void)state;
    struct world w;
    unsigned seen[3] = {0};
    open_world(&w);
    be_failed(&w, 7, "+499");
    be_failed(&w, 1, "+498");
    credit(&w, 1, "b.example", 1, "+491", 12);
    credit(&w, 1, "b.example", 2, "+492", 8);
    credit(&w, 1, "b.example", 3, "+498", 8);
    assert_int_equal(pvp_pools_each(w.pools, count_buckets, seen), 0);
    assert_int_equal(seen[0], 1);
    assert_int_equal(seen[1], 1);
    assert_int_equal(seen[2], 1);
    close_world(&w);
}

static void test_a_record_counts_once(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    credit(&w, 1, "b.example", 1, "+491", 12);
    assert_int_equal(succeed(&w, 1, "B.EXAMPLE", 1, "+491", 12), ERR_EXISTS);
    assert_int_equal(succeed(&w, 1, "b.example", 2, "+491", 8), 0);
    assert_int_equal(succeed(&w, 1, "b.example", 2, "+491", 8), ERR_EXISTS); /* being written */
    assert_int_equal(succeed(&w, 1, "b.example", 3, "+491", 2), 0);
    assert_int_equal(succeed(&w, 1, "b.example", 3, "+491", 2), ERR_EXISTS); /* waiting */
    settle(&w);
    assert_int_equal(w.fill, 22);
    crash(&w);
    assert_int_equal(succeed(&w, 1, "b.example", 1, "+491", 12), ERR_EXISTS);
    assert_int_equal(pvp_pools_counters(w.pools)->duplicates, 1);
    close_world(&w);
}

/* Successes that come before the write of the last one has ended do not overlook it. */
static void test_outcomes_are_handled_one_after_the_other(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    for (uint8_t i = 1; i <= 4; i++)
        assert_int_equal(succeed(&w, 1, "b.example", i, "+491", 12), 0);
    assert_int_equal(pvp_pools_pending(w.pools), 4);
    assert_int_equal(w.outcomes, 0);
    memory_store_turn(w.store);
    memory_store_turn(w.store);
    assert_int_equal(w.fill, 24);
    memory_store_turn(w.store);
    assert_int_equal(w.event, PVP_POOL_LEARNED);
    assert_int_equal(w.learned, 3);
    settle(&w);
    assert_int_equal(w.fill, 12);
    assert_int_equal(pvp_pools_pending(w.pools), 0);
    close_world(&w);
}

/* Not durable: not counted. What the stage hook wrote shares its fate. */
static void test_crash_and_failed_writes(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    credit(&w, 1, "b.example", 1, "+491", 12);
    assert_int_equal(succeed(&w, 1, "b.example", 2, "+492", 12), 0);
    crash(&w);
    assert_int_equal(memory_store_count(w.store, KV_ROUTE), 1);
    memory_store_fail(w.store, 1, ERR_NO_SPACE);
    assert_int_equal(succeed(&w, 1, "b.example", 2, "+492", 12), 0);
    settle(&w);
    assert_int_equal(w.err, ERR_NO_SPACE);
    credit(&w, 1, "b.example", 2, "+492", 12);
    assert_int_equal(w.fill, 24);
    w.stage_err = ERR_LIMIT;
    assert_int_equal(succeed(&w, 1, "b.example", 3, "+493", 12), 0);
    settle(&w);
    assert_int_equal(w.err, ERR_LIMIT);
    w.stage_err = 0;
    crash(&w);
    assert_int_equal(credit(&w, 1, "b.example", 3, "+493", 12), PVP_POOL_LEARNED);
    assert_int_equal(w.learned, 3);
    crash(&w);
    credit(&w, 1, "b.example", 4, "+491", 12);
    assert_int_equal(w.fill, 12);
    close_world(&w);
}

static void test_limits_and_settings(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    for (uint8_t n = 1; n <= 5; n++)
        be_failed(&w, n, "+491");
    assert_int_equal(memory_store_count(w.store, KV_PVP_PENALTY), 3);
    assert_int_equal(pvp_pools_counters(w.pools)->penalties_evicted, 2);
    assert_int_equal(pvp_pools_set_bucketentropy(w.pools, 0), ERR_RANGE);
    assert_int_equal(pvp_pools_set_bucketentropy(w.pools, 1001), ERR_RANGE);
    assert_int_equal(pvp_pools_set_bucketentropy(w.pools, 11), 0);
    assert_int_equal(credit(&w, 9, "b.example", 1, "+491", 12), PVP_POOL_LEARNED);
    assert_int_equal(succeed(&w, 1, "no domain", 2, "+491", 12), ERR_RANGE);
    for (uint8_t i = 0; i < 8; i++)
        assert_int_equal(succeed(&w, 9, "b.example", (uint8_t)(20 + i), "+491", 1), 0);
    assert_int_equal(succeed(&w, 9, "b.example", 30, "+491", 1), ERR_LIMIT);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_strong_proofs),
        cmocka_unit_test(test_four_weak_proofs_and_mixtures),
        cmocka_unit_test(test_pools_are_per_node_and_domain),
        cmocka_unit_test(test_penalty_box),
        cmocka_unit_test(test_show),
        cmocka_unit_test(test_a_record_counts_once),
        cmocka_unit_test(test_outcomes_are_handled_one_after_the_other),
        cmocka_unit_test(test_crash_and_failed_writes),
        cmocka_unit_test(test_limits_and_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
