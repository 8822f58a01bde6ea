/* The keys of tickets: who may have them, over what, and a border element that is told of them as long as it is there. */
#include "pair.h"

#include <stdio.h>

static const char *const domains[] = {"a.example", "b.example"};

/* The account becomes that of a border element, which wants the keys of both domains. */
static void start_edge(struct pair *p, unsigned servers, size_t granted)
{
    for (unsigned i = 0; i < servers; i++) {
        p->sides[i].tells_keys = true;
        for (size_t k = 0; k < granted; k++)
            assert_int_equal(
                vap_server_grant_keys(p->sides[i].server, slice_str("alice"), slice_str(k ? "b.example" : "A.example")),
                0);
    }
    p->config.description = NULL;
    p->config.subscribe = false;
    p->config.key_domains = domains;
    p->config.key_domain_count = 2;
    pair_start(p, servers);
}

static int tell(struct pair *p, unsigned server, size_t which, const char *page)
{
    struct side *side = &p->sides[server];
    int err = vap_server_notify_keys(side->server, p->now, side->keys_client, side->keys_subscription[which],
                                     slice_str(page), 1);
    pair_settle(p);
    return err;
}

static void test_subscribes_and_is_told(void **state)
{
    struct pair *p = *state;
    start_edge(p, 1, 2);
    assert_int_equal(p->online[0], 1);
    assert_int_equal(p->keys_subscribed[0], 1);
    assert_int_equal(p->keys_subscribed[1], 1);
    assert_int_equal(p->sides[0].keys_wanted, 2);
    assert_string_equal(p->sides[0].keys_domain, "alice b.example");
    assert_int_equal(tell(p, 0, 0, "page of a"), 0);
    assert_int_equal(tell(p, 0, 1, "page of b"), 0);
    assert_string_equal(p->keys[0], "page of a");
    assert_string_equal(p->keys[1], "page of b");
    assert_int_equal(p->sides[0].notified, 2);
    p->keep_routes = false;
    assert_int_equal(tell(p, 0, 0, "not kept"), 0);
    assert_int_equal(p->sides[0].notify_failures, 1);
    /* Routes are another service. */
    assert_int_equal(vap_server_notify(p->sides[0].server, p->now, 0, slice_str("<valinfo/>"), 1), 0);
    assert_int_equal(vap_server_notify_one(p->sides[0].server, p->now, p->sides[0].keys_client,
                                           p->sides[0].keys_subscription[0], slice_str("<valinfo/>"), 1),
                     ERR_NOT_FOUND);
    assert_int_equal(tell(p, 0, 7, "nobody"), ERR_NOT_FOUND);
}

static void test_subscribes_again_after_a_loss(void **state)
{
    struct pair *p = *state;
    start_edge(p, 1, 2);
    pair_break(p, 0);
    assert_int_equal(p->sides[0].keys_wanted, 0);
    pair_pass_ms(p, 5000);
    assert_int_equal(p->keys_subscribed[0], 2);
    assert_int_equal(p->sides[0].keys_wanted, 2);
    assert_int_equal(tell(p, 0, 0, "again"), 0);
    assert_string_equal(p->keys[0], "again");
    pair_pass_ms(p, 3600000);
    assert_int_equal(p->connects[0], 2);
}

static void test_backup_tells_while_the_primary_is_away(void **state)
{
    struct pair *p = *state;
    start_edge(p, 2, 2);
    assert_int_equal(p->sides[0].keys_wanted, 2);
    assert_int_equal(p->sides[1].keys_wanted, 0);
    p->sides[0].reachable = false;
    pair_break(p, 0);
    pair_pass_ms(p, 1000);
    assert_int_equal(p->sides[1].keys_wanted, 2);
    p->sides[0].reachable = true;
    pair_pass_ms(p, 600000);
    assert_int_equal(p->sides[0].keys_wanted, 2);
    assert_int_equal(p->sides[1].keys_wanted, 0);
}

static void test_domain_that_is_not_granted(void **state)
{
    struct pair *p = *state;
    start_edge(p, 1, 1);
    assert_int_equal(p->keys_subscribed[0], 1);
    assert_int_equal(p->keys_subscribed[1], 0);
    assert_int_equal(p->keys_refused[1], 1);
    assert_non_null(strstr(p->keys_reason, "403"));
    assert_int_equal(p->alarms[VAP_ALARM_FORBIDDEN], 1);
    /* It is granted later: asked for again, now and then. */
    pair_pass_ms(p, 150000);
    assert_in_range(p->keys_refused[1], 2, 4);
    assert_int_equal(vap_server_grant_keys(p->sides[0].server, slice_str("alice"), slice_str("b.example")), 0);
    pair_pass_ms(p, 61000);
    assert_int_equal(p->keys_subscribed[1], 1);
    assert_int_equal(p->offline[0], 0);
}

static void test_account_without_the_right(void **state)
{
    struct pair *p = *state;
    start_edge(p, 1, 0);
    assert_int_equal(p->keys_refused[0], 1);
    assert_int_equal(p->keys_refused[1], 1);
    assert_int_equal(p->sides[0].keys_wanted, 0);
    assert_int_equal(vap_server_counters(p->sides[0].server)->keys_refused, 2);
}

static void test_only_over_tls(void **state)
{
    struct pair *p = *state;
    p->plain = true;
    start_edge(p, 1, 2);
    assert_int_equal(p->online[0], 0);
    assert_int_equal(p->sides[0].keys_wanted, 0);
    assert_true(p->alarms[VAP_ALARM_FORBIDDEN] > 0);
    assert_true(vap_server_counters(p->sides[0].server)->account_not_over_tls > 0);
    assert_int_equal(vap_server_client_count(p->sides[0].server), 0);
    p->plain = false;
    pair_pass_ms(p, 10000);
    assert_int_equal(p->online[0], 1);
    assert_int_equal(p->sides[0].keys_wanted, 2);
}

/* Who takes a border element over gets nothing more with its account. */
static void test_account_may_do_nothing_else(void **state)
{
    struct pair *p = *state;
    start_edge(p, 1, 2);
    pair_upload(p, VAP_RECEIVED, 1);
    pair_settle(p);
    assert_int_equal(p->results[1], 1);
    assert_int_equal(p->codes[1], VAP_FORBIDDEN);
    assert_int_equal(p->sides[0].vcrs[VAP_RECEIVED], 0);
    struct e164 number = {"+49301"};
    assert_int_equal(vap_client_publish_number(p->client, p->now, &number, 2), 0);
    pair_settle(p);
    assert_int_equal(p->sides[0].numbers, 0);
}

static void test_granting_has_limits(void **state)
{
    struct pair *p = *state;
    struct vap_server *s = p->sides[0].server;
    char domain[32];
    assert_int_equal(vap_server_grant_keys(s, slice_str("nobody"), slice_str("a.example")), ERR_NOT_FOUND);
    assert_int_equal(vap_server_grant_keys(s, slice_str("alice"), slice_str("no domain")), ERR_RANGE);
    for (int i = 0; i < VAP_KEY_DOMAINS_MAX; i++) {
        snprintf(domain, sizeof domain, "d%d.example", i);
        assert_int_equal(vap_server_grant_keys(s, slice_str("alice"), slice_str(domain)), 0);
        assert_int_equal(vap_server_grant_keys(s, slice_str("alice"), slice_str(domain)), 0);
    }
    assert_int_equal(vap_server_grant_keys(s, slice_str("alice"), slice_str("e.example")), ERR_LIMIT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_setup, pair_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_subscribes_and_is_told),
        TEST(test_subscribes_again_after_a_loss),
        TEST(test_backup_tells_while_the_primary_is_away),
        TEST(test_domain_that_is_not_granted),
        TEST(test_account_without_the_right),
        TEST(test_only_over_tls),
        TEST(test_account_may_do_nothing_else),
        TEST(test_granting_has_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
