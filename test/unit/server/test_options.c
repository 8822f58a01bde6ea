/* Options of a server: the defaults of the references, and its accounts. */
#include "base/mem.h"
#include "server/options.h"
#include "testing.h"

static void test_defaults(void **state)
{
    (void)state;
    struct server_options o;
    server_options_default(&o);
    assert_int_equal(o.minimum_interval_ms, 3600000);
    assert_int_equal(o.bucket_entropy, 24);
    assert_int_equal(o.pending_alert, 100);
    assert_int_equal(o.minimum_call_ms, 10000);
    assert_int_equal(o.delay_min_ms, 30000);
    assert_int_equal(o.ticket_lifetime_ms, INT64_C(31536000000));
    assert_int_equal(o.route_lifetime_ms, INT64_C(31536000000));
    assert_int_equal(o.vap_transaction_ms, 39500);
    assert_false(o.bootstrap);
    assert_int_equal(o.account_count, 0);
    server_options_fini(&o);
}

static void test_accounts(void **state)
{
    (void)state;
    struct server_options o;
    server_options_default(&o);
    char user[] = "alice";
    assert_int_equal(server_options_account(&o, "pbx", user, "secret"), 0);
    user[0] = 'x'; /* it was copied */
    assert_int_equal(server_options_account(&o, "pbx", "bob", "secret"), 0);
    assert_int_equal(server_options_account(&o, "other", "alice", "other"), ERR_EXISTS);
    assert_int_equal(o.account_count, 2);
    assert_string_equal(o.accounts[0].user, "alice");
    assert_string_equal(o.accounts[1].user, "bob");
    server_options_fini(&o);
    assert_int_equal(o.account_count, 0);
}

static void test_accounts_of_edges(void **state)
{
    (void)state;
    struct server_options o;
    server_options_default(&o);
    assert_int_equal(o.ticket_edge_wait_ms, 600000);
    assert_int_equal(server_options_account(&o, "edge", "edge", "secret"), 0);
    assert_int_equal(o.accounts[0].key_domain_count, 0);
    for (int i = 0; i < SERVER_KEY_DOMAINS_MAX; i++)
        assert_int_equal(server_options_account_keys(&o, "a.example"), 0);
    assert_int_equal(server_options_account_keys(&o, "b.example"), ERR_LIMIT);
    assert_int_equal(o.accounts[0].key_domain_count, SERVER_KEY_DOMAINS_MAX);
    assert_string_equal(o.accounts[0].key_domains[0], "a.example");
    server_options_fini(&o);
}

static void test_short_memory(void **state)
{
    (void)state;
    for (unsigned long nth = 1; nth < 10; nth++) {
        struct server_options o;
        server_options_default(&o);
        mem_fail_at(nth);
        int err = server_options_account(&o, "pbx", "alice", "secret");
        mem_fail_at(0);
        assert_true(err == (nth <= 4 ? ERR_NO_MEMORY : 0));
        assert_int_equal(o.account_count, err ? 0 : 1);
        server_options_fini(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_accounts),
        cmocka_unit_test(test_accounts_of_edges),
        cmocka_unit_test(test_short_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
