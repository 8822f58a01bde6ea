/* Call records as JSON: all or none, and not before they are durable. */
#include "agent/post.h"
#include "base/mem.h"
#include "store/memory.h"
#include "testing.h"

#include <stdio.h>

static struct scene {
    struct memory_store *store;
    struct agent_records_config config;
    struct agent_records *records;
    struct agent_dial_plan plan;
    struct agent_short_numbers shorts;
    struct agent_post_target target;
    struct now now;
    int status;
    unsigned answers;
    char json[512];
} the_scene;

static void open_records(struct scene *s)
{
    agent_records_free(s->records);
    assert_int_equal(agent_records_new(&s->config, memory_store_kv(s->store), s->now, &s->records), 0);
    s->target = (struct agent_post_target){s->records, 7, &s->plan, &s->shorts};
}

static int setup(void **state)
{
    struct scene *s = &the_scene;
    *s = (struct scene){.now = {{1000000}, {1767225600000}}};
    agent_records_config_init(&s->config);
    agent_dial_plan_init(&s->plan);
    agent_short_numbers_default(&s->shorts);
    assert_int_equal(agent_dial_plan_set_country(&s->plan, slice_str("49")), 0);
    assert_int_equal(memory_store_new(&s->store), 0);
    open_records(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;
    agent_records_free(s->records);
    memory_store_free(s->store);
    return 0;
}

static void on_done(void *arg, const struct agent_post_answer *answer)
{
    struct scene *s = arg;
    struct buf json;
    buf_init(&json, sizeof s->json);
    agent_post_format(answer, &json);
    s->answers++;
    s->status = answer->status;
    snprintf(s->json, sizeof s->json, "%s", buf_text(&json));
    buf_fini(&json);
}

static void post(struct scene *s, const char *json)
{
    agent_post(&s->target, slice_str(json), on_done, s);
}

static void expect(struct scene *s, const char *json, int status, const char *answer)
{
    s->answers = 0;
    post(s, json);
    memory_store_turn(s->store);
    assert_int_equal(s->answers, 1);
    assert_string_equal(s->json, answer);
    assert_int_equal(s->status, status);
}

#define TIMES "\"start\": \"2026-01-01T00:00:00.250Z\", \"stop\": 1767225690.5"
#define SENT "{\"direction\": \"sent\", \"calling\": \"+4930200000\", \"called\": \"089123456\", " TIMES "}"
#define RECEIVED "{\"direction\": \"received\", \"calling\": null, \"called\": \"+4930200000\", " TIMES "}"

static void test_keeps_records(void **state)
{
    struct scene *s = *state;
    struct vap_vcr vcr;
    uint64_t token;
    post(s, "[" SENT ", " RECEIVED "]");
    assert_int_equal(s->answers, 0);
    memory_store_turn(s->store);
    assert_int_equal(s->status, 200);
    assert_string_equal(s->json, "{\"kept\":2}");
    assert_true(agent_records_take(s->records, s->now, 7, &vcr, &token));
    assert_int_equal(vcr.direction, VAP_SENT);
    assert_string_equal(vcr.called.text, "+4989123456");
    assert_string_equal(vcr.calling.text, "+4930200000");
    assert_int_equal(wall_from_ntp(vcr.start_ntp).ms, INT64_C(1767225600250));
    assert_int_equal(wall_from_ntp(vcr.stop_ntp).ms, INT64_C(1767225690500));
    assert_true(agent_records_take(s->records, s->now, 7, &vcr, &token));
    assert_int_equal(vcr.direction, VAP_RECEIVED);
    assert_string_equal(vcr.calling.text, "");
    expect(s, SENT, 200, "{\"kept\":1}");
    expect(s, "[]", 200, "{\"kept\":0}");
}

static void test_refuses_all_for_one(void **state)
{
    struct scene *s = *state;
    expect(s, "[" SENT ", 5]", 400, "{\"error\":\"record 2: it is no object\",\"kept\":0}");
    expect(s, "{\"direction\": \"sent\", \"called\": \"112\", " TIMES "}", 400,
           "{\"error\":\"record 1: called: no number that is +E.164 or becomes it by the PBX's rules\",\"kept\":0}");
    expect(s, "{\"direction\": \"up\", \"called\": \"+4930\", " TIMES "}", 400,
           "{\"error\":\"record 1: direction: sent or received\",\"kept\":0}");
    expect(s, "{\"direction\": \"sent\", \"called\": \"+4930\", \"start\": 5, \"stop\": 6}", 400,
           "{\"error\":\"record 1: start: 2026-03-01T12:00:00Z, or seconds since 1970\",\"kept\":0}");
    expect(s, "{\"direction\": \"sent\", \"called\": \"+4930\", \"start\": 1767225690, \"stop\": 1767225600}", 400,
           "{\"error\":\"record 1: it stops before it starts\",\"kept\":0}");
    expect(
        s, "{\"caled\": 1}", 400,
        "{\"error\":\"record 1: it has a member that is none of direction, calling, called, start, stop\",\"kept\":0}");
    post(s, "{");
    assert_int_equal(s->status, 400);
    post(s, "");
    assert_int_equal(s->status, 400);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_VCR), 0);
}

static void test_limits_and_failures(void **state)
{
    struct scene *s = *state;
    char *many = mem_alloc(AGENT_POST_OCTETS_MAX + 10);
    assert_non_null(many);
    memset(many, ' ', AGENT_POST_OCTETS_MAX + 1);
    expect(s, many, 413, "{\"error\":\"64 KiB at most\",\"kept\":0}");
    strcpy(many, "[0");
    for (unsigned i = 0; i < AGENT_POST_RECORDS_MAX; i++)
        strcat(many, ",0");
    strcat(many, "]");
    expect(s, many, 413, "{\"error\":\"256 records at most\",\"kept\":0}");
    mem_free(many);
    memory_store_fail(s->store, 1, ERR_NO_SPACE);
    expect(s, "[" SENT "," SENT "]", 503, "{\"error\":\"the disk is full or read-only\",\"kept\":0}");
    s->config.records_max = 1;
    open_records(s);
    expect(s, "[" SENT "," SENT "]", 503, "{\"error\":\"a limit was reached\",\"kept\":1}");
    /* Who is asked to end answers what is open. */
    s->config.records_max = 100;
    open_records(s);
    s->answers = 0;
    post(s, SENT);
    memory_store_crash(s->store);
    open_records(s);
    assert_int_equal(s->answers, 1);
    assert_int_equal(s->status, 503);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_keeps_records),
        TEST(test_refuses_all_for_one),
        TEST(test_limits_and_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
