/* Certificates come to their end and are renewed, as timed traces: nobody notices; or too late: the server is red, and comes back. */
#include "testing.h"
#include "trace/scene.h"

#include <stdio.h>

#define NUMBERS 4
#define LIFE_MS (12 * SCENE_HOUR)

static const char *const numbers[NUMBERS] = {"+492211001", "+492211002", "+492211003", "+492211004"};

/* A asks the ring for every number. How many are answered with one claimant, by two places at least: that is enough. */
static unsigned found(struct company *a)
{
    unsigned n = 0;
    for (unsigned i = 0; i < NUMBERS; i++) {
        char arguments[64];
        snprintf(arguments, sizeof arguments, "{\"number\":\"%s\"}", numbers[i]);
        json_t *answer = company_ask(a, "ring lookup", arguments);
        const json_t *claimants = json_object_get(answer, "claimants");
        n += json_integer_value(json_object_get(answer, "copies_answered")) >= 2 && json_array_size(claimants) == 1 &&
             json_integer_value(json_object_get(json_array_get(claimants, 0), "copies")) >= 2;
        json_decref(answer);
    }
    return n;
}

static bool has_warning(struct company *c, const char *name)
{
    json_t *status = company_ask(c, "show status", NULL);
    bool there = false;
    size_t i;
    json_t *warning;
    json_array_foreach(json_object_get(status, "warnings"), i, warning)
        there = there || strcmp(json_string_value(json_object_get(warning, "name")), name) == 0;
    json_decref(status);
    return there;
}

static bool is_healthy(struct company *c, const char *color)
{
    json_t *status = company_ask(c, "show status", NULL);
    bool is = strcmp(json_string_value(json_object_get(status, "health")), color) == 0;
    json_decref(status);
    return is;
}

/* A, B, C with certificates of twelve hours; B's numbers are in the ring, for days. */
static struct scene *short_lives(uint64_t seed)
{
    struct scene *scene = scene_new(3, seed);
    for (unsigned i = 1; i <= 3; i++) {
        company_renew(&scene->companies[i], 0, LIFE_MS);
        company_start(&scene->companies[i]);
        agent_start(&scene->companies[i]);
    }
    scene_expect_count(scene, 60000, "", "joined", 3);
    scene_run(scene, 30000);
    for (unsigned i = 0; i < NUMBERS; i++)
        agent_publishes(scene_company(scene, 'B'), numbers[i]);
    return scene;
}

static void test_two_renewals_interrupt_nothing(void **state)
{
    (void)state;
    struct scene *scene = short_lives(1);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    uint64_t closed = company_counter(a, "ring.links_closed") + company_counter(b, "ring.links_closed");
    for (unsigned minute = 0; minute < 20 * 60; minute += 20) {
        /* Each at half of the life of its certificate, one after the other. */
        for (unsigned i = 0; i < 3; i++)
            if (minute % 360 == 340 - 20 * i)
                company_renew(&scene->companies[i + 1], 0, LIFE_MS);
        assert_int_equal(found(a), NUMBERS);
        assert_false(has_warning(a, "DistributedCacheCertificateExpiring"));
        scene_run(scene, 20 * SCENE_MINUTE);
    }
    assert_true(company_counter(b, "numbers.signed_again") >= 2 * NUMBERS * 3);
    assert_int_equal(company_counter(a, "ring.links_closed") + company_counter(b, "ring.links_closed"), closed);
    assert_int_equal(company_counter(a, "security.refused_expired"), 0);
    scene_free(scene);
}

/* The server ends right after it has got its new certificate: the store knows what is left to be signed. */
static void test_a_restart_forgets_nothing_to_sign_again(void **state)
{
    (void)state;
    struct scene *scene = short_lives(2);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    scene_run(scene, 6 * SCENE_HOUR);
    company_renew(a, 0, 30 * 24 * SCENE_HOUR);
    company_renew(scene_company(scene, 'C'), 0, 30 * 24 * SCENE_HOUR);
    company_renew(b, 0, 30 * 24 * SCENE_HOUR);
    scene_run(scene, 100); /* the disk */
    company_crash(b);
    company_start(b);
    assert_true(company_counter(b, "numbers.signed_again") > 0);
    scene_run(scene, 7 * SCENE_HOUR);
    assert_int_equal(found(a), NUMBERS);
    company_stop(b);
    company_start(b); /* nothing is left of it */
    scene_run(scene, SCENE_MINUTE);
    assert_int_equal(company_counter(b, "numbers.signed_again"), 0);
    scene_free(scene);
}

/* Renewed while the server was off, as the program does it at its start. */
static void test_a_renewal_at_a_start(void **state)
{
    (void)state;
    struct scene *scene = short_lives(3);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    scene_run(scene, 9 * SCENE_HOUR);
    company_renew(a, 0, 30 * 24 * SCENE_HOUR);
    company_renew(scene_company(scene, 'C'), 0, 30 * 24 * SCENE_HOUR);
    company_stop(b);
    company_renew(b, 0, 30 * 24 * SCENE_HOUR);
    company_start(b);
    scene_run(scene, 4 * SCENE_HOUR);
    assert_int_equal(found(a), NUMBERS);
    scene_free(scene);
}

/* The enrollment server is away until after the end of B's certificate. */
static void test_an_expired_server_comes_back(void **state)
{
    (void)state;
    struct scene *scene = short_lives(4);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    company_renew(a, 0, 30 * 24 * SCENE_HOUR);
    company_renew(scene_company(scene, 'C'), 0, 30 * 24 * SCENE_HOUR);
    scene_run(scene, 11 * SCENE_HOUR + 40 * SCENE_MINUTE); /* a twentieth of its life is left */
    assert_true(has_warning(b, "DistributedCacheCertificateExpiring"));
    assert_true(is_healthy(b, "yellow"));
    scene_run(scene, 2 * SCENE_HOUR);
    assert_true(is_healthy(b, "red"));
    assert_true(has_warning(b, "DistributedCacheCertificateExpiring"));
    assert_int_equal(found(a), 0); /* nobody can prove these entries */
    assert_true(is_healthy(a, "green"));

    company_renew(b, 0, 30 * 24 * SCENE_HOUR);
    assert_false(has_warning(b, "DistributedCacheCertificateExpiring"));
    scene_run(scene, 30 * SCENE_MINUTE);
    assert_true(is_healthy(b, "green"));
    assert_int_equal(found(a), NUMBERS);
    assert_int_equal(b->life, 1);
    scene_free(scene);
}

/* As an operator publishes it: one server is told, the ring tells the others. */
static void publish(struct scene *scene, unsigned issues, bool both)
{
    char why[SERVER_WHY_OCTETS], sequence[32];
    struct company *a = scene_company(scene, 'A');
    scene_authorities(scene, issues, both);
    assert_int_equal(server_config_offer(a->server, company_now(a), buf_slice(&scene->document), why), 0);
    company_drain(a);
    snprintf(sequence, sizeof sequence, "sequence=%u", scene->sequence);
    scene_expect_count(scene, 10000, "", sequence, 2 * 3); /* config.applied, and the program */
    scene_run(scene, 30000);
}

/* Another authority comes in, issues, and the first one is removed: nobody notices who has renewed in time. C has not: it is out. */
static void test_another_authority(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 5);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B'), *c = scene_company(scene, 'C');
    const int64_t life_ms = 300 * 24 * SCENE_HOUR;
    for (unsigned i = 0; i < NUMBERS; i++)
        agent_publishes(b, numbers[i]);
    scene_run(scene, SCENE_MINUTE);
    uint64_t closed = company_counter(a, "ring.links_closed") + company_counter(b, "ring.links_closed");

    publish(scene, 0, true);
    assert_int_equal(found(a), NUMBERS);
    publish(scene, 1, true);
    assert_int_equal(found(a), NUMBERS);
    company_renew(b, 0, life_ms);
    assert_int_equal(company_counter(b, "numbers.signed_again"), 3 * NUMBERS); /* not in a year: soon */
    scene_run(scene, SCENE_MINUTE);
    company_renew(a, 0, life_ms);
    for (unsigned minutes = 0; minutes < 60; minutes += 20) {
        scene_run(scene, 20 * SCENE_MINUTE);
        assert_int_equal(found(a), NUMBERS);
    }
    assert_int_equal(company_counter(a, "ring.links_closed") + company_counter(b, "ring.links_closed"), closed);
    assert_int_equal(company_counter(a, "security.refused_authority"), 0);
    assert_true(is_healthy(a, "green") && is_healthy(b, "green") && is_healthy(c, "green"));

    publish(scene, 1, false);
    assert_true(has_warning(c, "InvalidCertificate"));
    assert_true(is_healthy(c, "red"));
    scene_run(scene, 10 * SCENE_MINUTE);
    assert_true(company_counter(a, "ring.link_refused_certificate") > 0);
    assert_true(is_healthy(a, "green") && is_healthy(b, "green"));
    assert_int_equal(found(a), NUMBERS);
    assert_int_equal(found(b), NUMBERS);

    /* With a fresh token it gets a certificate of the other one. */
    company_renew(c, 0, life_ms);
    scene_run(scene, 10 * SCENE_MINUTE);
    assert_false(has_warning(c, "InvalidCertificate"));
    assert_true(is_healthy(c, "green"));
    assert_int_equal(found(c), NUMBERS);
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_renewals_interrupt_nothing),
        cmocka_unit_test(test_a_restart_forgets_nothing_to_sign_again),
        cmocka_unit_test(test_a_renewal_at_a_start),
        cmocka_unit_test(test_an_expired_server_comes_back),
        cmocka_unit_test(test_another_authority),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
