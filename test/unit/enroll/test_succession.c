/* One authority takes the place of another: added, put to use, the former one removed; kept over restarts, and all or nothing. */
#include "enroll_world.h"

#include <stdio.h>

#define DONE "\"ok\":true"

/* Sends `enroll authority WHAT`, and lets the disk write. */
static void authority(struct world *w, const char *what, const char *args)
{
    char line[256];
    snprintf(line, sizeof line, "{\"id\":1,\"command\":[\"enroll\",\"authority\",\"%s\"],\"args\":{%s}}", what, args);
    command(w, line);
    memory_store_turn(w->store);
}

static struct cert *root(const struct config *config, size_t i)
{
    struct cert *cert;
    assert_true(i < config->root_cert_count);
    assert_int_equal(cert_from_der(config->root_certs[i], &cert), 0);
    return cert;
}

static bool is_trusted(const struct world *w, const struct config *config, const struct cert *cert)
{
    struct trust *trust;
    assert_int_equal(trust_new(&trust), 0);
    for (size_t i = 0; i < config->root_cert_count; i++)
        assert_int_equal(trust_add_der(trust, config->root_certs[i]), 0);
    bool good = trust_verify(trust, cert, w->now.wall) == 0;
    trust_free(trust);
    return good;
}

static struct cert *enroll(struct world *w)
{
    char token[128];
    add_token(w, "", token);
    return get(w, &(struct question){.username = SERVER_ID, .password = token, .key = w->key});
}

static struct cert *renew(struct world *w, const struct cert *cert)
{
    return get(w, &(struct question){.username = SERVER_ID, .key = w->key, .certificate = cert_der(cert)});
}

/* The whole way, with a restart after each step. A server that had the document of any step believes those of all later ones. */
static void test_an_authority_takes_the_place_of_another(void **state)
{
    struct world *w = *state;
    struct config *step[4];
    first_edition(w);
    step[0] = published(w);
    struct cert *first = enroll(w), *old = root(step[0], 0);

    pass(w, DAY_MS);
    authority(w, "add", "");
    assert_answer_has(w, DONE);
    restart(w);
    step[1] = published(w);
    assert_int_equal(step[1]->sequence, 2);
    assert_int_equal(step[1]->root_cert_count, 2);
    assert_slice_equal(step[1]->root_certs[0], cert_der(old));
    struct cert *fresh = root(step[1], 1);
    assert_string_not_equal(cert_serial(old), cert_serial(fresh));
    pass(w, DAY_MS);
    struct cert *second = renew(w, first); /* the old one still issues */
    assert_true(cert_key_id_eq(cert_authority_key_id(second), cert_key_id(old)));

    authority(w, "switch", "");
    assert_answer_has(w, DONE);
    restart(w);
    step[2] = published(w);
    assert_slice_equal(step[2]->root_certs[0], cert_der(fresh));
    assert_slice_equal(step[2]->root_certs[1], cert_der(old));
    struct cert *third = renew(w, second); /* at once: not a repetition of the second */
    assert_true(cert_key_id_eq(cert_authority_key_id(third), cert_key_id(fresh)));
    assert_true(id_eq(node_id(third), node_id(first)));
    assert_true(is_trusted(w, step[2], second) && is_trusted(w, step[2], third));

    /* What it has stored, it signs anew. */
    authority(w, "remove", "");
    assert_answer_has(w, "sign anew what they have in the ring");
    pass(w, DAY_MS);
    authority(w, "remove", "");
    assert_answer_has(w, DONE);
    restart(w);
    step[3] = published(w);
    assert_int_equal(step[3]->root_cert_count, 1);
    assert_false(is_trusted(w, step[3], second));
    assert_true(is_trusted(w, step[3], third));
    for (unsigned had = 0; had < 4; had++)
        for (unsigned comes = had + 1; comes < 4; comes++)
            assert_int_equal(config_verify(step[comes], step[had], w->now.wall), 0);

    /* Nobody gets anything for a certificate of it. */
    struct question q = {.username = SERVER_ID, .key = w->key, .late = cert_der(second)};
    assert_refused(w, &q, 403, "failed_authentication");
    assert_int_equal(enroll_counters(w->enroll)->refused_authority, 1);
    q.late = cert_der(third);
    cert_free(get(w, &q));

    for (unsigned i = 0; i < 4; i++)
        config_free(step[i]);
    cert_free(first);
    cert_free(second);
    cert_free(third);
    cert_free(old);
    cert_free(fresh);
}

static void test_what_is_refused(void **state)
{
    struct world *w = *state;
    authority(w, "add", "");
    assert_answer_has(w, "there is no configuration yet");
    first_edition(w);
    cert_free(enroll(w));
    authority(w, "switch", "");
    assert_answer_has(w, "no other authority stands by");
    authority(w, "remove", "");
    assert_answer_has(w, "no other authority stands by");
    authority(w, "add", "");
    authority(w, "add", "");
    assert_answer_has(w, "another authority stands by already");
    authority(w, "switch", "");
    authority(w, "remove", "");
    assert_answer_has(w, "1 server has certificates of it: " SERVER_ID);
    authority(w, "list", "");
    assert_answer_has(w, "\"state\":\"issues\",\"servers\":0");
    assert_answer_has(w, "\"state\":\"stands by\",\"servers\":1");
    authority(w, "remove", "\"force\":true");
    assert_answer_has(w, DONE);
    struct config *c = published(w);
    assert_int_equal(c->root_cert_count, 1);
    config_free(c);
}

/* The one that issued before comes back; the other one goes without a trace. */
static void test_back_again(void **state)
{
    struct world *w = *state;
    first_edition(w);
    struct config *before = published(w);
    authority(w, "add", "");
    authority(w, "switch", "");
    authority(w, "switch", "");
    authority(w, "remove", "");
    assert_answer_has(w, DONE);
    restart(w);
    struct config *c = published(w);
    assert_int_equal(c->root_cert_count, 1);
    assert_slice_equal(c->root_certs[0], before->root_certs[0]);
    assert_int_equal(c->signature_count, 1);
    struct cert *cert = enroll(w);
    assert_true(is_trusted(w, before, cert));
    cert_free(cert);
    config_free(c);
    config_free(before);
}

/* All of it within one second, with a restart after each step: a server that was away since believes what comes behind. */
static void test_within_one_second(void **state)
{
    struct world *w = *state;
    static const char *const steps[] = {"add", "switch", "remove"};
    first_edition(w);
    struct config *before = published(w);
    for (unsigned i = 0; i < 3; i++) {
        authority(w, steps[i], "");
        assert_answer_has(w, DONE);
        restart(w);
    }
    struct config *c = published(w);
    assert_int_equal(c->root_cert_count, 1);
    assert_int_equal(c->signature_count, 2);
    assert_int_equal(config_verify(c, before, w->now.wall), 0);
    config_free(c);
    config_free(before);
}

/* A store that was written before it said which of the two is the elder: their certificates tell. */
static void test_a_store_that_does_not_say_the_age(void **state)
{
    struct world *w = *state;
    const struct kv *kv = memory_store_kv(w->store);
    first_edition(w);
    struct config *before = published(w);
    pass(w, DAY_MS);
    authority(w, "add", "");
    authority(w, "switch", "");
    assert_int_equal(kv_remove(kv, KV_ENROLL_CA, slice_str("standby age")), 0);
    kv_commit(kv, NULL, NULL);
    memory_store_turn(w->store);
    restart(w);
    authority(w, "remove", "");
    assert_answer_has(w, DONE);
    struct config *c = published(w);
    assert_int_equal(c->signature_count, 2);
    assert_int_equal(config_verify(c, before, w->now.wall), 0);
    config_free(c);
    config_free(before);
}

/* What the disk refuses has not happened, neither in the document nor in who issues. */
static void test_a_full_disk_changes_nothing(void **state)
{
    struct world *w = *state;
    static const char *const steps[] = {"add", "switch", "remove"};
    first_edition(w);
    for (unsigned i = 0; i < 3; i++) {
        struct config *before = published(w);
        char serial[128];
        snprintf(serial, sizeof serial, "%s", cert_serial(enroll_authority(w->enroll)));
        memory_store_fail(w->store, 1, ERR_NO_SPACE);
        authority(w, steps[i], "");
        assert_answer_has(w, "\"code\":\"no_space\"");
        assert_slice_equal(enroll_document(w->enroll), before->document);
        assert_string_equal(serial, cert_serial(enroll_authority(w->enroll)));
        restart(w);
        assert_slice_equal(enroll_document(w->enroll), before->document);
        assert_string_equal(serial, cert_serial(enroll_authority(w->enroll)));
        config_free(before);
        authority(w, steps[i], "");
        assert_answer_has(w, DONE);
    }
}

/* Other settings do not bring back what was removed, nor lose what was added; a restart is no other setting. */
static void test_settings_leave_authorities_alone(void **state)
{
    struct world *w = *state;
    first_edition(w);
    authority(w, "add", "");
    authority(w, "switch", "");
    restart(w);
    first_edition(w);
    assert_int_equal(enroll_sequence(w->enroll), 3);
    struct config *c = published(w);
    struct config other = *c;
    other.quota = 7;
    other.root_cert_count = 0;
    assert_int_equal(enroll_set_ring(w->enroll, w->now, &other), 0);
    struct config *next = published(w);
    assert_int_equal(next->sequence, 4);
    assert_int_equal(next->quota, 7);
    assert_int_equal(next->root_cert_count, 2);
    assert_slice_equal(next->root_certs[0], c->root_certs[0]);
    config_free(c);
    config_free(next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_authority_takes_the_place_of_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_back_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_within_one_second, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_store_that_does_not_say_the_age, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_full_disk_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_settings_leave_authorities_alone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
