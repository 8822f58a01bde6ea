/* The queue of call records: durable before it is acknowledged, until a server has acknowledged it. */
#include "agent/record.h"
#include "base/entropy.h"
#include "base/mem.h"
#include "store/memory.h"
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>

#define SERVICE 0x7eeb6a7036478351u
#define OTHER 5u
#define TIMES 1000

static struct scene {
    struct memory_store *store;
    struct agent_records_config config;
    struct agent_records *queue;
    struct now now;
    unsigned done;
    unsigned failed;
    int last_err;
} the_scene;

static void on_done(void *arg, int err)
{
    struct scene *s = arg;
    s->last_err = err;
    *(err ? &s->failed : &s->done) += 1;
}

static int setup(void **state)
{
    struct scene *s = &the_scene;
    *s = (struct scene){.now = {{1000000}, {1767225600000}}};
    agent_records_config_init(&s->config);
    assert_int_equal(memory_store_new(&s->store), 0);
    assert_int_equal(agent_records_new(&s->config, memory_store_kv(s->store), s->now, &s->queue), 0);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;
    agent_records_free(s->queue);
    memory_store_free(s->store);
    return 0;
}

static void restart(struct scene *s)
{
    memory_store_crash(s->store);
    agent_records_free(s->queue);
    assert_int_equal(agent_records_new(&s->config, memory_store_kv(s->store), s->now, &s->queue), 0);
}

static struct vap_vcr call_of(const struct scene *s, uint64_t service, unsigned n)
{
    struct vap_vcr vcr = {
        .vservice_id = service,
        .direction = n % 2 ? VAP_SENT : VAP_RECEIVED,
        .start_ntp = wall_to_ntp((struct wall){s->now.wall.ms - 60000}),
        .stop_ntp = wall_to_ntp(s->now.wall),
    };
    snprintf(vcr.called.text, sizeof vcr.called.text, "+4930%u", n);
    if (n % 3)
        snprintf(vcr.calling.text, sizeof vcr.calling.text, "+1212%u", n);
    return vcr;
}

static int add(struct scene *s, uint64_t service, unsigned n)
{
    struct vap_vcr vcr = call_of(s, service, n);
    return agent_records_add(s->queue, &vcr, on_done, s);
}

static void keep(struct scene *s, uint64_t service, unsigned n)
{
    assert_int_equal(add(s, service, n), 0);
    memory_store_turn(s->store);
    assert_int_equal(s->last_err, 0);
}

/* The number of the record that is taken; -1: none. */
static int take(struct scene *s, uint64_t service, uint64_t *ret_token)
{
    struct vap_vcr vcr;
    if (!agent_records_take(s->queue, s->now, service, &vcr, ret_token))
        return -1;
    unsigned n = (unsigned)strtoul(vcr.called.text + 5, NULL, 10);
    struct vap_vcr expected = call_of(s, service, n);
    assert_int_equal(vcr.vservice_id, service);
    assert_int_equal(vcr.direction, expected.direction);
    assert_string_equal(vcr.calling.text, expected.calling.text);
    return (int)n;
}

static size_t rows(const struct scene *s)
{
    return memory_store_count(s->store, KV_AGENT_VCR);
}

static void test_leaves_when_it_is_acknowledged(void **state)
{
    struct scene *s = *state;
    uint64_t token;
    assert_int_equal(add(s, SERVICE, 1), 0);
    assert_int_equal(take(s, SERVICE, &token), -1);
    assert_int_equal(s->done, 0);
    memory_store_turn(s->store);
    assert_int_equal(s->done, 1);
    assert_int_equal(take(s, SERVICE, &token), 1);
    assert_int_equal(take(s, SERVICE, &token), -1);
    assert_int_equal(rows(s), 1);
    agent_records_acknowledged(s->queue, token);
    memory_store_turn(s->store);
    assert_int_equal(rows(s), 0);
    agent_records_acknowledged(s->queue, token); /* an answer that comes twice */
    struct agent_records_view view;
    agent_records_view(s->queue, &view);
    assert_int_equal(view.kept, 0);
    assert_int_equal(agent_records_counters(s->queue)->acknowledged, 1);
    assert_true(agent_records_deadline(s->queue).us == MONO_NEVER.us);
}

static void test_comes_back_after_a_crash(void **state)
{
    struct scene *s = *state;
    uint64_t token;
    keep(s, SERVICE, 1);
    keep(s, SERVICE, 2);
    assert_int_equal(take(s, SERVICE, &token), 1);
    assert_int_equal(add(s, SERVICE, 3), 0); /* not durable */
    restart(s);
    assert_int_equal(take(s, SERVICE, &token), 1);
    agent_records_acknowledged(s->queue, token);
    restart(s); /* the removal is lost: it is sent again */
    assert_int_equal(take(s, SERVICE, &token), 1);
    agent_records_acknowledged(s->queue, token);
    memory_store_turn(s->store);
    keep(s, SERVICE, 4);
    restart(s);
    assert_int_equal(take(s, SERVICE, &token), 2);
    assert_int_equal(take(s, SERVICE, &token), 4);
    assert_int_equal(take(s, SERVICE, &token), -1);
}

static void test_services_do_not_wait_for_each_other(void **state)
{
    struct scene *s = *state;
    uint64_t token;
    keep(s, OTHER, 1);
    keep(s, SERVICE, 2);
    keep(s, OTHER, 3);
    assert_int_equal(take(s, SERVICE, &token), 2);
    assert_int_equal(take(s, SERVICE, &token), -1);
    assert_int_equal(take(s, OTHER, &token), 1);
    assert_int_equal(take(s, 99, &token), -1);
    for (uint64_t service = 100; service < 100 + AGENT_RECORD_SERVICES_MAX - 3; service++)
        assert_int_equal(add(s, service, 1), 0);
    assert_int_equal(add(s, 200, 1), ERR_LIMIT);
    assert_int_equal(agent_records_counters(s->queue)->limit_services, 1);
}

static void test_tries_again(void **state)
{
    struct scene *s = *state;
    uint64_t token;
    keep(s, SERVICE, 1);
    keep(s, SERVICE, 2);
    assert_int_equal(take(s, SERVICE, &token), 1);
    agent_records_put_back(s->queue, token);
    assert_int_equal(take(s, SERVICE, &token), 1);
    agent_records_failed(s->queue, s->now, token);
    assert_int_equal(take(s, SERVICE, &token), 2);
    agent_records_refused(s->queue, token);
    assert_int_equal(take(s, SERVICE, &token), -1);
    agent_records_tick(s->queue, s->now);
    assert_int_equal(agent_records_deadline(s->queue).us, s->now.mono.us + s->config.retry_ms * 1000);
    s->now.mono = agent_records_deadline(s->queue);
    assert_int_equal(take(s, SERVICE, &token), 1);
    memory_store_turn(s->store);
    assert_int_equal(rows(s), 1);
}

static void test_gives_up_what_is_too_old(void **state)
{
    struct scene *s = *state;
    uint64_t token;
    keep(s, SERVICE, 1);
    keep(s, SERVICE, 2);
    assert_int_equal(take(s, SERVICE, &token), 1);
    s->now.mono.us += s->config.lifetime_ms * 1000;
    s->now.wall.ms += s->config.lifetime_ms - 1;
    agent_records_tick(s->queue, s->now);
    assert_int_equal(agent_records_counters(s->queue)->expired, 0);
    s->now.mono.us += 3600 * INT64_C(1000000);
    s->now.wall.ms += 3600000;
    agent_records_tick(s->queue, s->now);
    memory_store_turn(s->store);
    assert_int_equal(agent_records_counters(s->queue)->expired, 1);
    assert_int_equal(rows(s), 1); /* one is under way: its answer may still come */
    agent_records_acknowledged(s->queue, token);
    memory_store_turn(s->store);
    assert_int_equal(rows(s), 0);
}

static void test_refuses(void **state)
{
    struct scene *s = *state;
    struct vap_vcr vcr = call_of(s, SERVICE, 1);
    vcr.called.text[0] = 0;
    assert_int_equal(agent_records_add(s->queue, &vcr, on_done, s), ERR_RANGE);
    vcr = call_of(s, SERVICE, 1);
    vcr.stop_ntp = vcr.start_ntp - 1;
    assert_int_equal(agent_records_add(s->queue, &vcr, on_done, s), ERR_RANGE);
    memory_store_refuse(s->store, ERR_NO_SPACE);
    assert_int_equal(add(s, SERVICE, 1), ERR_NO_SPACE);
    memory_store_refuse(s->store, 0);
    memory_store_fail(s->store, 1, ERR_IO);
    assert_int_equal(add(s, SERVICE, 1), 0);
    memory_store_turn(s->store);
    assert_int_equal(s->last_err, ERR_IO);
    s->config.records_max = 2;
    restart(s);
    keep(s, SERVICE, 1);
    keep(s, SERVICE, 2);
    assert_int_equal(add(s, SERVICE, 3), ERR_LIMIT);
    assert_int_equal(agent_records_counters(s->queue)->limit_records, 1);
}

static void test_bad_rows_are_left_alone(void **state)
{
    struct scene *s = *state;
    const struct kv *kv = memory_store_kv(s->store);
    kv_put(kv, KV_AGENT_VCR, slice_str("short"), slice_str("junk"));
    kv_put(kv, KV_AGENT_VCR, slice_str("8 octets"), slice_str("junk"));
    kv_commit(kv, NULL, NULL);
    memory_store_turn(s->store);
    restart(s);
    assert_int_equal(agent_records_counters(s->queue)->corrupt_rows, 2);
    keep(s, SERVICE, 1);
    assert_int_equal(rows(s), 3);
}

/* Whatever happens at whatever moment: what was acknowledged to its giver reaches the server; what was not may, too. */
static void test_storm(void **state)
{
    struct scene *s = *state;
    struct seeded_entropy seed = {11};
    struct entropy entropy = seeded_entropy_port(&seed);
    static bool given[TIMES], acked[TIMES];
    uint64_t tokens[8];
    int taken[8];
    size_t n = 0;
    memset(given, 0, sizeof given);
    memset(acked, 0, sizeof acked);
    for (unsigned i = 0; i < TIMES; i++) {
        unsigned before = s->done;
        add(s, SERVICE, i);
        if (entropy_below(&entropy, 4) == 0)
            memory_store_fail(s->store, 1, ERR_IO);
        memory_store_turn(s->store);
        given[i] = s->done > before;
        while (n < 8 && entropy_below(&entropy, 3) && (taken[n] = take(s, SERVICE, &tokens[n])) >= 0)
            n++;
        while (n && entropy_below(&entropy, 2)) {
            n--;
            switch (entropy_below(&entropy, 3)) {
            case 0:
                acked[taken[n]] = true;
                agent_records_acknowledged(s->queue, tokens[n]);
                break;
            case 1:
                agent_records_failed(s->queue, s->now, tokens[n]);
                break;
            default:
                agent_records_put_back(s->queue, tokens[n]);
                break;
            }
        }
        s->now.mono.us += 1000000;
        if (entropy_below(&entropy, 20) == 0) {
            restart(s);
            n = 0;
        }
    }
    restart(s);
    for (int i; (i = take(s, SERVICE, &tokens[0])) >= 0;)
        acked[i] = true;
    for (unsigned i = 0; i < TIMES; i++)
        assert_int_equal(given[i] && !acked[i], 0);
}

static void test_lack_of_memory(void **state)
{
    struct scene *s = *state;
    unsigned nth = 1;
    for (; nth < 20; nth++) {
        mem_fail_at(nth);
        s->last_err = 1;
        int err = add(s, SERVICE, nth);
        memory_store_turn(s->store);
        mem_fail_at(0);
        memory_store_turn(s->store);
        if (err == 0 && s->last_err == 0)
            break;
        struct agent_records_view view;
        agent_records_view(s->queue, &view);
        assert_int_equal(view.kept, 0);
    }
    assert_in_range(nth, 3, 19);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_leaves_when_it_is_acknowledged),
        TEST(test_comes_back_after_a_crash),
        TEST(test_services_do_not_wait_for_each_other),
        TEST(test_tries_again),
        TEST(test_gives_up_what_is_too_old),
        TEST(test_refuses),
        TEST(test_bad_rows_are_left_alone),
        TEST(test_storm),
        TEST(test_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
