/* A key ring passed on: the whole of it, its changes, pages, crashes on both sides; what is no page is refused and changes nothing. */
#include "store/memory.h"
#include "testing.h"
#include "ticket/keyset.h"

#include <stdio.h>

#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define PAGE KEYSET_PAGE_OCTETS_MIN

static const struct wall start = {1767225600000};

struct place {
    struct memory_store *store;
    struct keyring *keyring;
    bool is_copy;
};

/* The one that grants, the one that checks, and what is between them. */
struct world {
    struct seeded_entropy seed;
    struct entropy entropy;
    struct wall now;
    struct place server, edge;
    struct keyset_sender sender;
    struct keyset_receiver receiver;
    unsigned pages; /* so far */
};

static void open_place(struct world *w, struct place *p)
{
    const struct keyring_config config = {.granting_domain = slice_str("b.example"),
                                          .granting_node = {{1}},
                                          .grace_ms = 10 * DAY_MS,
                                          .revocations_max = 5000,
                                          .is_passed_on = !p->is_copy,
                                          .kv = memory_store_kv(p->store),
                                          .entropy = &w->entropy};
    assert_int_equal(keyring_new(&config, w->now, &p->keyring), 0);
}

/* The process ends; what was not durable is gone. */
static void reopen(struct world *w, struct place *p)
{
    keyring_free(p->keyring);
    memory_store_crash(p->store);
    open_place(w, p);
    keyset_sender_init(&w->sender);
    keyset_receiver_reset(&w->receiver);
}

static void note(void *arg, int err)
{
    *(int *)arg = err;
}

static void rotate(struct world *w)
{
    int done = 1;
    assert_int_equal(keyring_generate(w->server.keyring, 0, w->now, note, &done), 0);
    memory_store_turn(w->server.store);
    assert_int_equal(done, 0);
}

static void revoke(struct world *w, const char *domain)
{
    assert_int_equal(keyring_revoke(w->server.keyring, REVOKED_DOMAIN, slice_str(domain), w->now, NULL, NULL), 0);
    memory_store_turn(w->server.store);
}

static void restore(struct world *w, const char *domain)
{
    assert_int_equal(keyring_unrevoke(w->server.keyring, REVOKED_DOMAIN, slice_str(domain), NULL, NULL), 0);
    memory_store_turn(w->server.store);
}

/* One page goes over; true if there was one. */
static bool pass_page(struct world *w, size_t octets_max)
{
    struct buf page;
    int done = 1;
    if (keyset_sender_is_done(&w->sender, w->server.keyring))
        return false;
    buf_init(&page, octets_max);
    assert_int_equal(keyset_write(&w->sender, w->server.keyring, octets_max, &page), 0);
    int taken = keyset_receive(&w->receiver, w->edge.keyring, buf_slice(&page), w->now, note, &done, NULL);
    assert_in_range(taken, 0, 1);
    if (taken == 0) {
        assert_int_equal(done, 1); /* not before it is durable */
        memory_store_turn(w->edge.store);
        assert_int_equal(done, 0);
    }
    keyset_answered(&w->sender);
    buf_fini_secret(&page);
    w->pages++;
    return true;
}

static unsigned pass(struct world *w)
{
    unsigned before = w->pages;
    while (pass_page(w, PAGE))
        assert_true(w->pages - before < 1000);
    return w->pages - before;
}

/* Both hold the same epochs, and as many revocations. */
static void assert_same(const struct world *w)
{
    struct keyring_epoch_info here[255], there[255];
    size_t n = keyring_list(w->server.keyring, here, 255);
    assert_int_equal(keyring_list(w->edge.keyring, there, 255), n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(here[i].epoch, there[i].epoch);
        assert_int_equal(here[i].is_current, there[i].is_current);
        assert_true(here[i].installed.ms == there[i].installed.ms);
        assert_true(here[i].valid_until.ms == there[i].valid_until.ms);
        assert_memory_equal(here[i].fingerprint, there[i].fingerprint, sizeof here[i].fingerprint);
    }
    assert_int_equal(keyring_revoked_count(w->server.keyring), keyring_revoked_count(w->edge.keyring));
}

static enum ticket_verdict check(struct world *w, const char *granted_to)
{
    struct e164 number = {0};
    struct buf text;
    buf_init(&text, TICKET_TEXT_OCTETS_MAX);
    assert_true(e164_parse(slice_str("+4930123456"), &number));
    int err = keyring_issue(w->server.keyring, &number, slice_str(granted_to), w->now, wall_after_ms(w->now, DAY_MS),
                            &text, NULL);
    const struct ticket_use use = {w->now, slice_str("+4930123456"), slice_str(granted_to)};
    enum ticket_verdict verdict =
        err == ERR_FORBIDDEN ? TICKET_REVOKED : keyring_verify(w->edge.keyring, buf_slice(&text), &use, NULL);
    buf_fini(&text);
    return verdict;
}

static int setup(void **state)
{
    static struct world w;
    w = (struct world){.now = start, .edge.is_copy = true};
    w.seed.state = 5;
    w.entropy = seeded_entropy_port(&w.seed);
    assert_int_equal(memory_store_new(&w.server.store), 0);
    assert_int_equal(memory_store_new(&w.edge.store), 0);
    open_place(&w, &w.server);
    open_place(&w, &w.edge);
    rotate(&w);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    keyset_receiver_reset(&w->receiver);
    keyring_free(w->server.keyring);
    keyring_free(w->edge.keyring);
    memory_store_free(w->server.store);
    memory_store_free(w->edge.store);
    return 0;
}

static void test_whole_then_changes(void **state)
{
    struct world *w = *state;
    revoke(w, "bad.example");
    assert_int_equal(check(w, "a.example"), TICKET_BAD_EPOCH);
    assert_int_equal(pass(w), 1);
    assert_same(w);
    assert_int_equal(check(w, "a.example"), TICKET_GOOD);
    assert_int_equal(pass(w), 0);

    w->now = wall_after_ms(start, DAY_MS);
    rotate(w);
    assert_false(keyset_sender_knows_epochs(&w->sender, w->server.keyring));
    assert_int_equal(pass(w), 1);
    assert_true(keyset_sender_knows_epochs(&w->sender, w->server.keyring));
    assert_same(w);
    assert_int_equal(check(w, "a.example"), TICKET_GOOD);
    assert_int_equal(keyring_confirmed_at(w->edge.keyring).ms, w->now.ms);

    revoke(w, "worse.example");
    restore(w, "bad.example");
    assert_int_equal(pass(w), 1);
    assert_same(w);
    assert_int_equal(check(w, "bad.example"), TICKET_GOOD);
}

static void test_tickets_of_what_is_revoked_are_refused_at_the_copy(void **state)
{
    struct world *w = *state;
    struct e164 number = {0};
    struct buf text;
    struct ticket ticket;
    const struct ticket_use use = {start, slice_str("+4930123456"), slice_str("a.example")};
    buf_init(&text, TICKET_TEXT_OCTETS_MAX);
    assert_true(e164_parse(slice_str("+4930123456"), &number));
    assert_int_equal(
        keyring_issue(w->server.keyring, &number, use.domain, start, wall_after_ms(start, DAY_MS), &text, &ticket), 0);
    pass(w);
    const struct {
        enum keyring_revocation kind;
        struct slice value;
    } all[] = {{REVOKED_ID, slice_of(ticket.unique_id, sizeof ticket.unique_id)},
               {REVOKED_DOMAIN, slice_str("a.example")},
               {REVOKED_NUMBER, slice_str("+4930123456")}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(keyring_verify(w->edge.keyring, buf_slice(&text), &use, NULL), TICKET_GOOD);
        assert_int_equal(keyring_revoke(w->server.keyring, all[i].kind, all[i].value, start, NULL, NULL), 0);
        memory_store_turn(w->server.store);
        assert_int_equal(pass(w), 1);
        assert_int_equal(keyring_verify(w->edge.keyring, buf_slice(&text), &use, NULL), TICKET_REVOKED);
        assert_int_equal(keyring_unrevoke(w->server.keyring, all[i].kind, all[i].value, NULL, NULL), 0);
        memory_store_turn(w->server.store);
        assert_int_equal(pass(w), 1);
    }
    buf_fini(&text);
}

static void test_copy_survives_a_crash(void **state)
{
    struct world *w = *state;
    revoke(w, "bad.example");
    pass(w);
    reopen(w, &w->edge);
    assert_same(w);
    assert_int_equal(check(w, "a.example"), TICKET_GOOD);
    assert_int_equal(keyring_confirmed_at(w->edge.keyring).ms, start.ms);
    assert_int_equal(keyring_epoch(w->edge.keyring), keyring_epoch(w->server.keyring));
}

/* The same whole set again changes nothing, and what has gone meanwhile goes. */
static void test_whole_set_is_idempotent_and_replaces(void **state)
{
    struct world *w = *state;
    revoke(w, "bad.example");
    revoke(w, "worse.example");
    pass(w);
    keyset_sender_init(&w->sender);
    assert_int_equal(pass(w), 1);
    assert_same(w);
    restore(w, "bad.example");
    w->now = wall_after_ms(start, 11 * DAY_MS);
    rotate(w); /* the first epoch ends ten days later */
    w->now = wall_after_ms(w->now, 11 * DAY_MS);
    keyring_expire(w->server.keyring, w->now);
    memory_store_turn(w->server.store);
    reopen(w, &w->server); /* it no longer knows what it took back */
    pass(w);
    assert_same(w);
    assert_int_equal(memory_store_count(w->edge.store, KV_TICKET_EPOCH), 1);
    assert_int_equal(memory_store_count(w->edge.store, KV_TICKET_REVOKED), 1);
}

static void revoke_many(struct world *w, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char domain[64];
        snprintf(domain, sizeof domain, "company-%u.some-long-name.example", i);
        assert_int_equal(keyring_revoke(w->server.keyring, REVOKED_DOMAIN, slice_str(domain), w->now, NULL, NULL), 0);
    }
    memory_store_turn(w->server.store);
}

static void test_long_list_takes_effect_with_its_last_page(void **state)
{
    struct world *w = *state;
    revoke_many(w, 0, 3000);
    assert_true(pass_page(w, PAGE));
    assert_true(pass_page(w, PAGE));
    assert_int_equal(keyring_revoked_count(w->edge.keyring), 0);
    assert_int_equal(keyring_epoch(w->edge.keyring), 0);
    /* What happens in between is told as well. */
    revoke(w, "late.example");
    restore(w, "company-0.some-long-name.example");
    rotate(w);
    assert_in_range(pass(w), 5, 20);
    assert_same(w);
    assert_int_equal(keyring_revoked_count(w->edge.keyring), 3000);
}

static void test_connection_lost_between_pages(void **state)
{
    struct world *w = *state;
    pass(w);
    revoke_many(w, 0, 3000);
    assert_true(pass_page(w, PAGE));
    keyset_sender_init(&w->sender);
    keyset_receiver_reset(&w->receiver);
    assert_int_equal(keyring_revoked_count(w->edge.keyring), 0);
    pass(w);
    assert_same(w);
}

/* More is taken back than is remembered: the whole list is told again. */
static void test_forgotten_changes(void **state)
{
    struct world *w = *state;
    revoke_many(w, 0, 2500);
    pass(w);
    for (unsigned i = 0; i < 2000; i++) {
        char domain[64];
        snprintf(domain, sizeof domain, "company-%u.some-long-name.example", i);
        assert_int_equal(keyring_unrevoke(w->server.keyring, REVOKED_DOMAIN, slice_str(domain), NULL, NULL), 0);
    }
    memory_store_turn(w->server.store);
    assert_int_equal(keyring_revoked_count(w->server.keyring), 500);
    pass(w);
    assert_same(w);
}

static void test_failed_write_changes_nothing(void **state)
{
    struct world *w = *state;
    struct buf page;
    int done = 1;
    pass(w);
    rotate(w);
    buf_init(&page, PAGE);
    assert_int_equal(keyset_write(&w->sender, w->server.keyring, PAGE, &page), 0);
    assert_int_equal(keyset_receive(&w->receiver, w->edge.keyring, buf_slice(&page), w->now, note, &done, NULL), 0);
    memory_store_fail(w->edge.store, 1, ERR_NO_SPACE);
    memory_store_turn(w->edge.store);
    assert_int_equal(done, ERR_NO_SPACE);
    assert_int_equal(keyring_epoch(w->edge.keyring), 1);
    keyset_sender_init(&w->sender);
    keyset_receiver_reset(&w->receiver);
    pass(w);
    assert_same(w);
    buf_fini_secret(&page);
}

/* Every octet of a page changed, every length: refused or harmless, and never half taken. */
static void test_damaged_pages(void **state)
{
    struct world *w = *state;
    struct buf page;
    struct fault fault;
    revoke(w, "bad.example");
    buf_init(&page, PAGE);
    assert_int_equal(keyset_write(&w->sender, w->server.keyring, PAGE, &page), 0);
    for (size_t n = 0; n < page.n; n++) {
        int taken = keyset_receive(&w->receiver, w->edge.keyring, slice_of(page.p, n), w->now, NULL, NULL, &fault);
        memory_store_turn(w->edge.store);
        /* Attributes may be left out; a piece of one may not come. */
        assert_true(taken == 0 || taken == ERR_SYNTAX || taken == ERR_TRUNCATED || taken == ERR_RANGE);
        keyset_receiver_reset(&w->receiver);
    }
    for (size_t at = 0; at < page.n; at++) {
        page.p[at] ^= 0x80;
        int taken = keyset_receive(&w->receiver, w->edge.keyring, buf_slice(&page), w->now, NULL, NULL, &fault);
        assert_true(taken <= 1);
        memory_store_turn(w->edge.store);
        keyset_receiver_reset(&w->receiver);
        page.p[at] ^= 0x80;
    }
    assert_int_equal(keyset_receive(&w->receiver, w->edge.keyring, buf_slice(&page), w->now, NULL, NULL, NULL), 0);
    memory_store_turn(w->edge.store);
    assert_same(w);
    buf_fini_secret(&page);
}

static void test_pages_out_of_turn(void **state)
{
    struct world *w = *state;
    struct buf first, second;
    revoke_many(w, 0, 1000);
    buf_init(&first, PAGE);
    buf_init(&second, PAGE);
    assert_int_equal(keyset_write(&w->sender, w->server.keyring, PAGE, &first), 0);
    keyset_answered(&w->sender);
    assert_int_equal(keyset_write(&w->sender, w->server.keyring, PAGE, &second), 0);
    struct slice one = buf_slice(&first), two = buf_slice(&second);
    assert_int_equal(keyset_receive(&w->receiver, w->edge.keyring, two, w->now, NULL, NULL, NULL), ERR_WRONG_STATE);
    assert_int_equal(keyset_receive(&w->receiver, w->edge.keyring, one, w->now, NULL, NULL, NULL), 1);
    assert_int_equal(keyset_receive(&w->receiver, w->edge.keyring, two, w->now, NULL, NULL, NULL), 1);
    assert_int_equal(keyset_receive(&w->receiver, w->edge.keyring, two, w->now, NULL, NULL, NULL), ERR_WRONG_STATE);
    /* A change without the whole before it. */
    keyset_receiver_reset(&w->receiver);
    w->sender.has_all = true;
    w->sender.is_open = false;
    buf_clear(&first);
    assert_int_equal(keyset_write(&w->sender, w->server.keyring, PAGE, &first), 0);
    one = buf_slice(&first);
    assert_int_equal(keyset_receive(&w->receiver, w->edge.keyring, one, w->now, NULL, NULL, NULL), ERR_WRONG_STATE);
    assert_int_equal(keyring_epoch(w->edge.keyring), 0);
    buf_fini_secret(&first);
    buf_fini_secret(&second);
}

/* A rotation does not seal tickets before those who check have its key. */
static void test_new_epoch_waits(void **state)
{
    struct world *w = *state;
    pass(w);
    keyring_set_waits(w->server.keyring, true);
    w->now = wall_after_ms(start, 60000);
    rotate(w);
    assert_true(keyring_is_waiting(w->server.keyring));
    assert_int_equal(keyring_epoch(w->server.keyring), 2);
    assert_int_equal(keyring_issuing(w->server.keyring), 1);
    assert_int_equal(check(w, "a.example"), TICKET_GOOD); /* of epoch 1, that the copy has */
    pass(w);
    keyring_activate(w->server.keyring);
    assert_int_equal(keyring_issuing(w->server.keyring), 2);
    assert_int_equal(check(w, "a.example"), TICKET_GOOD);

    w->now = wall_after_ms(start, 120000);
    rotate(w);
    reopen(w, &w->server);
    assert_int_equal(keyring_issuing(w->server.keyring), 3); /* unless it is told to wait again */
    keyring_hold_back(w->server.keyring, w->now);
    assert_int_equal(keyring_issuing(w->server.keyring), 2);
    assert_int_equal(check(w, "a.example"), TICKET_GOOD);
    /* Never with an epoch that has ended. */
    w->now = wall_after_ms(w->now, 11 * DAY_MS);
    keyring_expire(w->server.keyring, w->now);
    assert_int_equal(keyring_issuing(w->server.keyring), 3);
}

static void test_another_domain(void **state)
{
    struct world *w = *state;
    struct buf page;
    buf_init(&page, PAGE);
    assert_int_equal(keyset_write(&w->sender, w->server.keyring, PAGE, &page), 0);
    struct slice at = buf_slice(&page);
    for (size_t i = 0; i + 9 < page.n; i++)
        if (memcmp(page.p + i, "b.example", 9) == 0)
            page.p[i] = 'c';
    assert_int_equal(keyset_receive(&w->receiver, w->edge.keyring, at, w->now, NULL, NULL, NULL), ERR_CONFLICT);
    buf_fini_secret(&page);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_whole_then_changes),
        TEST(test_tickets_of_what_is_revoked_are_refused_at_the_copy),
        TEST(test_copy_survives_a_crash),
        TEST(test_whole_set_is_idempotent_and_replaces),
        TEST(test_long_list_takes_effect_with_its_last_page),
        TEST(test_connection_lost_between_pages),
        TEST(test_forgotten_changes),
        TEST(test_failed_write_changes_nothing),
        TEST(test_damaged_pages),
        TEST(test_pages_out_of_turn),
        TEST(test_new_epoch_waits),
        TEST(test_another_domain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
