/* The result of a run as text and JSON: the promised keys, the numbers, and a disk that is full. */
#include "testing.h"

#include "base/err.h"
#include "reload/codes.h"
#include "report.h"

#include <jansson.h>
#include <stdlib.h>

static void fill(struct sim_result *r)
{
    *r = (struct sim_result){.seed = 42,
                             .scenario = "calm",
                             .nodes = 1024,
                             .virtual_hours = 2,
                             .signatures = "ecdsa-p256",
                             .lookups = 10000,
                             .messages_per_node_hour = 1234.4,
                             .octets_per_node_hour = 1530000,
                             .records_live = 600,
                             .memory_per_node = 170000,
                             .converge_s = 12.5,
                             .trace_hash = 0xfedcba9876543210,
                             .events = 5000000,
                             .wall_s = 20};
    for (uint32_t i = 1; i <= 100; i++) {
        sim_samples_add(&r->hops, i % 10);
        sim_samples_add(&r->latency_us, i * 1000);
        sim_samples_add(&r->direct_us, i * 500);
        sim_samples_add(&r->links, i);
        sim_samples_add(&r->node_octets, i * 10000);
        sim_samples_add(&r->records_held, i);
    }
    r->traffic.messages[RELOAD_FETCH_REQ] = 30000;
    r->traffic.made[RELOAD_FETCH_REQ] = 10000;
    r->traffic.octets[RELOAD_FETCH_REQ] = 9000000;
}

static char *text_of(int (*print)(FILE *, struct sim_result *), struct sim_result *r)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    assert_int_equal(print(out, r), 0);
    fclose(out);
    return text;
}

static json_t *json_of(struct sim_result *r)
{
    char *text = text_of(sim_report_json, r);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    free(text);
    return root;
}

static double number(const json_t *root, const char *object, const char *key)
{
    const json_t *value = json_object_get(object ? json_object_get(root, object) : root, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static void json_has_what_is_promised(void **state)
{
    (void)state;
    struct sim_result r;
    fill(&r);
    json_t *root = json_of(&r);
    assert_true(number(root, NULL, "seed") == 42);
    assert_string_equal(json_string_value(json_object_get(root, "scenario")), "calm");
    assert_true(number(root, NULL, "nodes") == 1024);
    assert_true(number(root, NULL, "virtual_hours") == 2);
    assert_true(number(root, NULL, "lookups") == 10000);
    assert_true(number(root, NULL, "failed") == 0);
    assert_true(number(root, "hops", "mean") == 4.5);
    assert_true(number(root, "hops", "median") == 4);
    assert_true(number(root, "hops", "p99") == 9);
    assert_true(number(root, "hops", "max") == 9);
    assert_true(number(root, "latency_ms", "mean") == 50.5);
    assert_true(number(root, "latency_ms", "median") == 50);
    assert_true(number(root, "latency_ms", "p99") == 99);
    assert_true(number(root, "latency_ms", "max") == 100);
    assert_true(number(root, "latency_ms", "direct_mean") == 25.25);
    assert_true(number(root, NULL, "octets_per_node_hour") == 1530000);
    assert_true(number(root, "records", "live") == 600);
    assert_true(number(root, "records", "lost") == 0);
    assert_true(number(root, "records", "under_replicated") == 0);
    assert_true(number(root, NULL, "memory_per_node") == 170000);
    assert_true(number(root, NULL, "converge_s") == 12.5);
    assert_true(json_is_array(json_object_get(root, "violations")));
    assert_int_equal(json_array_size(json_object_get(root, "violations")), 0);
    assert_string_equal(json_string_value(json_object_get(root, "trace_hash")), "0xfedcba9876543210");
    assert_true(number(root, NULL, "wall_s") == 20);
    assert_true(number(json_object_get(root, "messages"), "fetch_req", "made") == 10000);
    json_decref(root);
    sim_result_fini(&r);
}

static void violations_are_named(void **state)
{
    (void)state;
    struct sim_result r;
    fill(&r);
    r.failed = 3;
    r.violation_count = SIM_VIOLATIONS_MAX + 5;
    for (size_t i = 0; i < SIM_VIOLATIONS_MAX; i++)
        r.violations[i] =
            (struct sim_violation){.rule = "request ends once", .at_ms = 1500, .text = "node 7 \"twice\""};
    json_t *root = json_of(&r);
    const json_t *list = json_object_get(root, "violations"), *first = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), SIM_VIOLATIONS_MAX);
    assert_string_equal(json_string_value(json_object_get(first, "rule")), "request ends once");
    assert_string_equal(json_string_value(json_object_get(first, "text")), "node 7 \"twice\"");
    assert_true(number(first, NULL, "at_s") == 1.5);
    assert_true(number(root, NULL, "violation_count") == SIM_VIOLATIONS_MAX + 5);
    json_decref(root);
    char *text = text_of(sim_report_text, &r);
    assert_non_null(strstr(text, "3 FAILED"));
    assert_non_null(strstr(text, "VIOLATED     69 times"));
    assert_non_null(strstr(text, "and 5 more"));
    free(text);
    sim_result_fini(&r);
}

static void text_says_the_same(void **state)
{
    (void)state;
    struct sim_result r;
    fill(&r);
    char *text = text_of(sim_report_text, &r);
    assert_non_null(strstr(text, "seed 42, scenario calm, 1024 nodes"));
    assert_non_null(strstr(text, "10000, none failed"));
    assert_non_null(strstr(text, "mean 4.50  median 4  p99 9  max 9  (log2 N is 10.00: mean 0.45 of it, max 0.90)"));
    assert_non_null(strstr(text, "1234 messages, 1.53 MB sent per node and hour\n"));
    assert_non_null(strstr(text, "fetch_req"));
    assert_non_null(strstr(text, "all of it did"));
    assert_non_null(strstr(text, "0xfedcba9876543210"));
    free(text);
    sim_result_fini(&r);
}

/* A run without a look-up, ended before anything was measured. */
static void an_empty_run_can_be_told(void **state)
{
    (void)state;
    struct sim_result r = {.scenario = "calm", .signatures = "stand-in", .end = "out of memory"};
    json_t *root = json_of(&r);
    assert_string_equal(json_string_value(json_object_get(root, "end")), "out of memory");
    json_decref(root);
    char *text = text_of(sim_report_text, &r);
    assert_non_null(strstr(text, "ended early  out of memory"));
    free(text);
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    struct sim_result r;
    fill(&r);
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(sim_report_text(full, &r), ERR_NO_SPACE);
    fclose(full);
    full = fopen("/dev/full", "w");
    assert_int_equal(sim_report_json(full, &r), ERR_NO_SPACE);
    fclose(full);
    sim_result_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_what_is_promised), cmocka_unit_test(violations_are_named),
        cmocka_unit_test(text_says_the_same),        cmocka_unit_test(an_empty_run_can_be_told),
        cmocka_unit_test(a_full_disk_is_told),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
