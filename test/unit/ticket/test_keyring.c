/* The key ring: what counts is durable, a rotation leaves old tickets good for the grace period, revocations bite at once. */
#include "crypt/digest.h"
#include "store/memory.h"
#include "testing.h"
#include "ticket/keyring.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static const struct wall start = {1767225600000};

struct world {
    struct memory_store *store;
    struct seeded_entropy seed;
    struct entropy entropy;
    struct keyring *keyring;
};

static void open_keyring(struct world *w, struct wall now)
{
    struct keyring_config config = {.granting_domain = slice_str("B.example"),
                                    .granting_node = {{1}},
                                    .grace_ms = 10 * DAY_MS,
                                    .revocations_max = 3,
                                    .kv = memory_store_kv(w->store),
                                    .entropy = &w->entropy};
    assert_int_equal(keyring_new(&config, now, &w->keyring), 0);
}

static void open_world(struct world *w)
{
    assert_int_equal(memory_store_new(&w->store), 0);
    w->seed.state = 5;
    w->entropy = seeded_entropy_port(&w->seed);
    open_keyring(w, start);
}

static void reopen(struct world *w, struct wall now)
{
    keyring_free(w->keyring);
    memory_store_crash(w->store);
    open_keyring(w, now);
}

static void close_world(struct world *w)
{
    keyring_free(w->keyring);
    memory_store_free(w->store);
}

static void note(void *arg, int err)
{
    *(int *)arg = err;
}

static void generate(struct world *w, uint8_t epoch, struct wall now)
{
    int done = 1;
    assert_int_equal(keyring_generate(w->keyring, epoch, now, note, &done), 0);
    assert_int_equal(done, 1);
    memory_store_turn(w->store);
    assert_int_equal(done, 0);
}

static struct e164 number(const char *text)
{
    struct e164 n;
    assert_true(e164_parse(slice_str(text), &n));
    return n;
}

static void issue(const struct world *w, struct buf *text, struct ticket *ret_ticket)
{
    struct e164 n = number("+4930123456");
    buf_init(text, TICKET_TEXT_OCTETS_MAX);
    assert_int_equal(keyring_issue(w->keyring, &n, slice_str("a.example"), start, wall_after_ms(start, 365 * DAY_MS),
                                   text, ret_ticket),
                     0);
}

static enum ticket_verdict verify(const struct world *w, const struct buf *text, struct wall now)
{
    struct ticket_use use = {now, slice_str("+4930123456"), slice_str("a.example")};
    return keyring_verify(w->keyring, buf_slice(text), &use, NULL);
}

static void test_rotation_and_grace(void **state)
{
    (void)state;
    struct world w;
    struct buf old;
    struct buf new;
    open_world(&w);
    assert_int_equal(keyring_epoch(w.keyring), 0);
    generate(&w, 0, start);
    assert_int_equal(keyring_epoch(w.keyring), 1);
    issue(&w, &old, NULL);
    assert_int_equal(verify(&w, &old, start), TICKET_GOOD);

    struct wall later = wall_after_ms(start, DAY_MS);
    generate(&w, 0, later);
    assert_int_equal(keyring_epoch(w.keyring), 2);
    issue(&w, &new, NULL);
    assert_int_equal(verify(&w, &new, later), TICKET_GOOD);
    assert_int_equal(verify(&w, &old, wall_after_ms(later, 10 * DAY_MS)), TICKET_GOOD);
    assert_int_equal(verify(&w, &old, wall_after_ms(later, 10 * DAY_MS + 1)), TICKET_BAD_EPOCH);

    /* An epoch in its grace period cannot be given another key; after it, its number is free again. */
    assert_int_equal(keyring_generate(w.keyring, 1, later, NULL, NULL), ERR_EXISTS);
    assert_int_equal(keyring_expire(w.keyring, later).ms, later.ms + 10 * DAY_MS);
    assert_int_equal(keyring_expire(w.keyring, wall_after_ms(later, 10 * DAY_MS + 1)).ms, INT64_MAX);
    memory_store_turn(w.store);
    assert_int_equal(memory_store_count(w.store, KV_TICKET_EPOCH), 1);
    generate(&w, 1, wall_after_ms(later, 11 * DAY_MS));
    assert_int_equal(verify(&w, &old, wall_after_ms(later, 11 * DAY_MS)), TICKET_BAD_INTEGRITY);
    buf_fini(&old);
    buf_fini(&new);
    close_world(&w);
}

static void test_keys_survive_a_crash_and_half_written_ones_do_not(void **state)
{
    (void)state;
    struct world w;
    struct buf text;
    open_world(&w);
    generate(&w, 7, start);
    issue(&w, &text, NULL);
    int done = 1;
    assert_int_equal(keyring_generate(w.keyring, 8, start, note, &done), 0);
    assert_int_equal(keyring_generate(w.keyring, 9, start, note, &done), ERR_WRONG_STATE);
    assert_int_equal(keyring_epoch(w.keyring), 7);
    reopen(&w, start);
    assert_int_equal(keyring_epoch(w.keyring), 7);
    assert_int_equal(verify(&w, &text, start), TICKET_GOOD);
    buf_fini(&text);
    close_world(&w);
}

static void test_a_failed_write_changes_nothing(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    generate(&w, 1, start);
    int done = 1;
    memory_store_fail(w.store, 1, ERR_NO_SPACE);
    assert_int_equal(keyring_generate(w.keyring, 2, start, note, &done), 0);
    memory_store_turn(w.store);
    assert_int_equal(done, ERR_NO_SPACE);
    assert_int_equal(keyring_epoch(w.keyring), 1);
    memory_store_refuse(w.store, ERR_IO);
    assert_int_equal(keyring_generate(w.keyring, 2, start, note, &done), ERR_IO);
    memory_store_refuse(w.store, 0);
    generate(&w, 2, start);
    close_world(&w);
}

static void test_passwords(void **state)
{
    (void)state;
    struct world w;
    struct keyring_job *job = NULL;
    open_world(&w);
    assert_int_equal(keyring_prepare(w.keyring, 5, slice_str("too short"), &job), ERR_RANGE);
    assert_int_equal(keyring_prepare(w.keyring, 5, slice_str("has a space in it"), &job), ERR_SYNTAX);
    assert_int_equal(keyring_prepare(w.keyring, 5, slice_str("umlaut-\xc3\xa4-inside"), &job), ERR_SYNTAX);
    char longest[66];
    memset(longest, 'x', 65);
    longest[65] = 0;
    assert_int_equal(keyring_prepare(w.keyring, 5, slice_str(longest), &job), ERR_RANGE);
    assert_int_equal(keyring_prepare(w.keyring, 0, slice_str("0123456789"), &job), ERR_RANGE);

    assert_int_equal(keyring_prepare(w.keyring, 5, slice_str("0123456789"), &job), 0);
    assert_int_equal(keyring_install(w.keyring, job, start, NULL, NULL), ERR_WRONG_STATE);
    assert_int_equal(keyring_prepare(w.keyring, 5, slice_str("0123456789"), &job), 0);
    assert_int_equal(keyring_job_run(job), 0);
    assert_int_equal(keyring_job_run(job), ERR_WRONG_STATE);
    int done = 1;
    assert_int_equal(keyring_install(w.keyring, job, start, note, &done), 0);
    memory_store_turn(w.store);
    assert_int_equal(done, 0);
    assert_int_equal(keyring_epoch(w.keyring), 5);
    assert_int_equal(keyring_prepare(w.keyring, 5, slice_str("another-password"), &job), ERR_EXISTS);

    uint8_t expected[TICKET_KEY_OCTETS];
    assert_int_equal(
        pbkdf2_sha256(slice_str("0123456789"), slice_of("b.example\5", 10), 600000, expected, sizeof expected), 0);
    assert_memory_equal(keyring_key(w.keyring, 5, start), expected, sizeof expected);
    struct keyring_epoch_info info[2];
    assert_int_equal(keyring_list(w.keyring, info, 2), 1);
    assert_true(info[0].is_current && info[0].is_derived);
    close_world(&w);
}

static void revoke(struct world *w, enum keyring_revocation kind, struct slice value)
{
    int done = 1;
    assert_int_equal(keyring_revoke(w->keyring, kind, value, start, note, &done), 0);
    memory_store_turn(w->store);
    assert_int_equal(done, 0);
}

static void unrevoke(struct world *w, enum keyring_revocation kind, struct slice value)
{
    int done = 1;
    assert_int_equal(keyring_unrevoke(w->keyring, kind, value, note, &done), 0);
    memory_store_turn(w->store);
    assert_int_equal(done, 0);
}

static void test_revocation_by_id_domain_and_number(void **state)
{
    (void)state;
    struct world w;
    struct buf text;
    struct ticket ticket;
    open_world(&w);
    generate(&w, 1, start);
    issue(&w, &text, &ticket);
    const struct {
        enum keyring_revocation kind;
        struct slice value;
    } cases[] = {{REVOKED_ID, slice_of(ticket.unique_id, sizeof ticket.unique_id)},
                 {REVOKED_DOMAIN, slice_str("A.EXAMPLE")},
                 {REVOKED_NUMBER, slice_str("+4930123456")}};
    for (size_t i = 0; i < 3; i++) {
        revoke(&w, cases[i].kind, cases[i].value);
        assert_int_equal(verify(&w, &text, start), TICKET_REVOKED);
        assert_int_equal(keyring_revoke(w.keyring, cases[i].kind, cases[i].value, start, NULL, NULL), ERR_EXISTS);
        reopen(&w, start);
        assert_int_equal(verify(&w, &text, start), TICKET_REVOKED);
        unrevoke(&w, cases[i].kind, cases[i].value);
        assert_int_equal(verify(&w, &text, start), TICKET_GOOD);
        assert_int_equal(keyring_unrevoke(w.keyring, cases[i].kind, cases[i].value, NULL, NULL), ERR_NOT_FOUND);
    }
    assert_int_equal(memory_store_count(w.store, KV_TICKET_REVOKED), 0);
    buf_fini(&text);
    close_world(&w);
}

static void test_revocations_have_a_limit_and_a_syntax(void **state)
{
    (void)state;
    struct world w;
    open_world(&w);
    generate(&w, 1, start);
    assert_int_equal(keyring_revoke(w.keyring, REVOKED_ID, slice_str("short"), start, NULL, NULL), ERR_SYNTAX);
    assert_int_equal(keyring_revoke(w.keyring, REVOKED_NUMBER, slice_str("030"), start, NULL, NULL), ERR_SYNTAX);
    revoke(&w, REVOKED_DOMAIN, slice_str("one.example"));
    revoke(&w, REVOKED_DOMAIN, slice_str("two.example"));
    assert_int_equal(keyring_revoke(w.keyring, REVOKED_DOMAIN, slice_str("three.example"), start, NULL, NULL), 0);
    assert_int_equal(keyring_revoke(w.keyring, REVOKED_DOMAIN, slice_str("four.example"), start, NULL, NULL),
                     ERR_LIMIT);
    memory_store_turn(w.store);

    struct buf text;
    struct e164 n = number("+4930123456");
    buf_init(&text, TICKET_TEXT_OCTETS_MAX);
    assert_int_equal(
        keyring_issue(w.keyring, &n, slice_str("One.Example"), start, wall_after_ms(start, 1), &text, NULL),
        ERR_FORBIDDEN);
    buf_fini(&text);
    close_world(&w);
}

static void test_another_domain_s_keys_are_not_ours(void **state)
{
    (void)state;
    struct world w;
    struct keyring *other;
    open_world(&w);
    generate(&w, 1, start);
    struct keyring_config config = {.granting_domain = slice_str("c.example"),
                                    .grace_ms = DAY_MS,
                                    .revocations_max = 3,
                                    .kv = memory_store_kv(w.store),
                                    .entropy = &w.entropy};
    assert_int_equal(keyring_new(&config, start, &other), 0);
    assert_int_equal(keyring_epoch(other), 0);
    keyring_free(other);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rotation_and_grace),
        cmocka_unit_test(test_keys_survive_a_crash_and_half_written_ones_do_not),
        cmocka_unit_test(test_a_failed_write_changes_nothing),
        cmocka_unit_test(test_passwords),
        cmocka_unit_test(test_revocation_by_id_domain_and_number),
        cmocka_unit_test(test_revocations_have_a_limit_and_a_syntax),
        cmocka_unit_test(test_another_domain_s_keys_are_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
