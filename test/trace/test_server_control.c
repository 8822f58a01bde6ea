/* What operators of servers do and see: settings, tickets, the ring's configuration, leaving; and what short memory does to it. */
#include "testing.h"
#include "trace/scene.h"

#include "base/mem.h"

#include <stdio.h>

#define N1 "+492211001"
#define CALLER "+4930555"

static bool answer_has(json_t *answer, const char *array, const char *key, const char *value)
{
    size_t index;
    json_t *row;
    bool found = false;
    json_array_foreach(json_object_get(answer, array), index, row) {
        const char *text = json_string_value(json_object_get(row, key));
        found = found || (text && strcmp(text, value) == 0);
    }
    json_decref(answer);
    return found;
}

static bool has_warning(struct company *c, const char *name)
{
    return answer_has(company_ask(c, "show status", NULL), "warnings", "name", name);
}

static void assert_error(json_t *error, const char *code)
{
    assert_string_equal(json_string_value(json_object_get(error, "code")), code);
    json_decref(error);
}

/* ---- settings ---- */

/* The value of a setting as `show settings` has it: a number or a text. */
static json_t *setting(struct company *c, const char *name)
{
    size_t index;
    json_t *row, *value = NULL;
    json_t *answer = company_ask(c, "show settings", NULL);
    json_array_foreach(json_object_get(answer, "settings"), index, row)
        if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
            value = json_incref(json_object_get(row, "value"));
    json_decref(answer);
    assert_non_null(value);
    return value;
}

static void assert_setting(struct company *c, const char *name, const char *expected)
{
    json_t *value = setting(c, name);
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    assert_string_equal(text, expected);
    free(text);
    json_decref(value);
}

static void test_settings_outlive_a_restart(void **state)
{
    (void)state;
    struct scene *scene = scene_of(1, 1);
    struct company *a = scene_company(scene, 'A');
    static const struct {
        const char *name, *value, *shown;
    } settings[] = {
        {"bucketentropy", "{\"value\":8}", "8"},           {"minimum-interval", "{\"value\":\"2h\"}", "\"2h\""},
        {"maximum-delay", "{\"value\":\"5s\"}", "\"5s\""}, {"minimum-call", "{\"value\":\"30s\"}", "\"30s\""},
        {"pending-alert", "{\"value\":7}", "7"},           {"max-originating", "{\"value\":3}", "3"},
        {"max-terminating", "{\"value\":4}", "4"},
    };
    assert_setting(a, "bucketentropy", "24");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        char command[96];
        snprintf(command, sizeof command, "set ime validator local %s", settings[i].name);
        json_decref(company_ask(a, command, settings[i].value));
        assert_setting(a, settings[i].name, settings[i].shown);
    }
    company_crash(a); /* they were acknowledged */
    company_start(a);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        assert_setting(a, settings[i].name, settings[i].shown);
    assert_error(company_ask_refused(a, "set ime validator local bucketentropy", "{\"value\":0}"), "range");
    assert_error(company_ask_refused(a, "set ime validator local bucketentropy", "{\"value\":256}"), "range");
    assert_error(company_ask_refused(a, "set ime validator local minimum-interval", "{\"value\":\"soon\"}"), "syntax");
    assert_setting(a, "bucketentropy", "8");
    scene_free(scene);
}

static void test_settings_take_effect(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 2);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    agent_publishes(b, N1);
    json_decref(company_ask(a, "set ime validator local bucketentropy", "{\"value\":11}"));
    json_decref(company_ask(a, "set ime validator local maximum-delay", "{\"value\":\"0s\"}"));
    json_decref(company_ask(a, "set ime validator local minimum-call", "{\"value\":\"3m\"}"));
    json_decref(company_ask(b, "set ime validator local minimum-call", "{\"value\":\"3m\"}"));
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    assert_string_equal(company_vcr(a, N1, PVP_ORIGINATING), "too_short");
    scene_call(scene,
               &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1, .lasted_ms = 3 * SCENE_MINUTE});
    scene_expect(scene, 300, "A pool.credited", "fill=12 threshold=11"); /* at once, and enough */
    scene_expect(scene, 300, "A agent.told", "number=" N1);
    scene_free(scene);
}

static void test_many_pending_validations_raise_an_alert(void **state)
{
    (void)state;
    struct scene *scene = scene_of(1, 3);
    struct company *a = scene_company(scene, 'A');
    json_decref(company_ask(a, "set ime validator local pending-alert", "{\"value\":2}"));
    json_decref(company_ask(a, "set ime validator local maximum-delay", "{\"value\":\"1h\"}"));
    a->options.delay_min_ms = SCENE_HOUR;
    json_decref(company_ask(a, "set ime validator local maximum-delay", "{\"value\":\"1h\"}"));
    for (unsigned i = 0; i < 3; i++) {
        char number[24];
        snprintf(number, sizeof number, "+4922130%02u", i);
        assert_false(has_warning(a, "ValidationsPendingExceeded"));
        scene_call(scene, &(struct call){.from = 'A', .calling = CALLER, .called = number});
        scene_run(scene, 6000);
    }
    assert_true(has_warning(a, "ValidationsPendingExceeded"));
    company_shows(a, N1);
    scene_free(scene);
}

/* ---- tickets ---- */

/* A ticket of B's for A: the threshold is so low that one proof is enough. */
static struct scene *granted(uint64_t seed, char *ticket, size_t octets)
{
    struct scene *scene = scene_of(3, seed);
    struct company *a = scene_company(scene, 'A');
    agent_publishes(scene_company(scene, 'B'), N1);
    json_decref(company_ask(a, "set ime validator local bucketentropy", "{\"value\":1}"));
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    scene_expect(scene, 10000, "A agent.told", "number=" N1);
    snprintf(ticket, octets, "%s", a->agent.told[0].ticket);
    return scene;
}

static const char *verdict(struct company *c, const char *ticket, const char *more)
{
    static char text[64];
    char arguments[1024];
    snprintf(arguments, sizeof arguments, "{\"ticket\":\"%s\"%s}", ticket, more);
    json_t *answer = company_ask(c, "ticket verify", arguments);
    snprintf(text, sizeof text, "%s", json_string_value(json_object_get(answer, "verdict")));
    assert_int_equal(json_is_true(json_object_get(answer, "good")), strcmp(text, "good") == 0);
    json_decref(answer);
    return text;
}

static void test_tickets_are_verified(void **state)
{
    (void)state;
    char ticket[512], broken[512];
    struct scene *scene = granted(10, ticket, sizeof ticket);
    struct company *b = scene_company(scene, 'B');
    assert_string_equal(verdict(b, ticket, ""), "good");
    assert_string_equal(verdict(b, ticket, ",\"domain\":\"a.example\",\"number\":\"" N1 "\""), "good");
    assert_string_not_equal(verdict(b, ticket, ",\"domain\":\"c.example\""), "good");
    assert_string_not_equal(verdict(b, ticket, ",\"number\":\"+4911\""), "good");
    assert_string_not_equal(verdict(scene_company(scene, 'C'), ticket, ""), "good"); /* not C's key */
    for (size_t i = 0; i < strlen(ticket); i += 7) {                                 /* any octet changed */
        snprintf(broken, sizeof broken, "%s", ticket);
        broken[i] = broken[i] == 'A' ? 'B' : 'A';
        assert_string_not_equal(verdict(b, broken, ""), "good");
    }
    assert_string_not_equal(verdict(b, "bm90IGEgdGlja2V0", ""), "good");
    scene_free(scene);
}

static void test_a_new_epoch_leaves_old_tickets_good(void **state)
{
    (void)state;
    char ticket[512];
    struct scene *scene = granted(11, ticket, sizeof ticket);
    struct company *b = scene_company(scene, 'B');
    json_decref(company_ask(b, "ticket rotate", NULL));
    json_decref(company_ask(b, "set ime ticket epoch", "{\"epoch\":9}"));
    assert_error(company_ask_refused(b, "set ime ticket epoch", "{\"epoch\":9}"), "exists");
    company_crash(b);
    company_start(b);
    assert_string_equal(verdict(b, ticket, ""), "good"); /* before its agent is back */
    json_t *answer = company_ask(b, "show tickets", NULL);
    assert_int_equal(json_array_size(json_object_get(answer, "epochs")), 3);
    json_decref(answer);
    company_shows(b, N1);
    scene_free(scene);
}

static void nothing(void *arg)
{
    (void)arg;
}

/* The key is derived on a worker thread. What a crash before its end leaves behind is the state before. */
static void test_a_ticket_password(void **state)
{
    (void)state;
    char ticket[512];
    struct scene *scene = granted(12, ticket, sizeof ticket);
    struct company *b = scene_company(scene, 'B');
    assert_error(company_ask_refused(b, "set ime ticket password", "{\"password\":\"short\"}"), "range");
    assert_error(company_ask_refused(b, "set ime ticket password", "{\"password\":\"with some spaces in it\"}"),
                 "syntax");
    assert_error(company_ask_refused(b, "set ime ticket password",
                                     "{\"password\":\"correct-horse-battery\",\"as\":\"nobody.example\"}"),
                 "not_found");
    json_decref(company_ask(b, "set ime ticket password", "{\"password\":\"correct-horse-battery\"}"));
    assert_true(scene_saw(scene, "B TicketPasswordChanged", "epoch=2"));
    assert_true(answer_has(company_ask(b, "show tickets", NULL), "epochs", "origin", "password"));
    assert_string_equal(verdict(b, ticket, ""), "good");
    assert_null(strstr(scene_trace(scene), "correct-horse-battery")); /* no secret in a log */

    struct ctl_session *session = ctl_session_new(&b->ctl, nothing, NULL);
    static const char line[] = "{\"id\":1,\"command\":[\"set\",\"ime\",\"ticket\",\"password\"],"
                               "\"args\":{\"password\":\"incorrect-horse-battery\"}}\n";
    assert_int_equal(ctl_session_input(session, slice_str(line)), 0);
    company_drain(b);
    company_crash(b); /* in the middle of the derivation */
    assert_true(ctl_session_output(session).n > 0);
    ctl_session_free(session);
    company_start(b);
    scene_run(scene, 1000);
    assert_string_equal(verdict(b, ticket, ""), "good");
    json_t *answer = company_ask(b, "show tickets", NULL);
    assert_int_equal(json_array_size(json_object_get(answer, "epochs")), 2);
    json_decref(answer);
    scene_free(scene);
}

static void test_tickets_are_revoked(void **state)
{
    (void)state;
    static const struct {
        const char *command, *arguments;
    } ways[] = {
        {"ticket revoke domain", "{\"domain\":\"a.example\"}"},
        {"ticket revoke number", "{\"number\":\"" N1 "\"}"},
        {"ticket revoke id", NULL},
    };
    for (size_t i = 0; i < 3; i++) {
        char ticket[512], id[64];
        struct scene *scene = granted(13 + i, ticket, sizeof ticket);
        struct company *b = scene_company(scene, 'B');
        char arguments[1024];
        snprintf(arguments, sizeof arguments, "{\"ticket\":\"%s\"}", ticket);
        json_t *answer = company_ask(b, "ticket verify", arguments);
        snprintf(id, sizeof id, "%s", json_string_value(json_object_get(answer, "unique_id")));
        json_decref(answer);
        snprintf(arguments, sizeof arguments, "{\"id\":\"%s\"}", id);
        const char *revoke = ways[i].arguments ? ways[i].arguments : arguments;
        json_decref(company_ask(b, ways[i].command, revoke));
        assert_error(company_ask_refused(b, ways[i].command, revoke), "exists");
        assert_string_equal(verdict(b, ticket, ""), "revoked");
        company_crash(b);
        company_start(b);
        assert_string_equal(verdict(b, ticket, ""), "revoked");
        answer = company_ask(b, "show revocations", NULL);
        assert_int_equal(json_array_size(json_object_get(answer, "revocations")), 1);
        json_decref(answer);
        company_shows(b, N1);
        scene_free(scene);
    }
}

/* ---- the ring's configuration ---- */

static void other_lattice(struct scene *scene, struct config *config)
{
    (void)scene;
    config->lattice_ms = 12000;
    config->message_of_the_day = slice_str("The ring will be wider on Sunday");
}

static uint64_t sequence_of(struct company *c)
{
    json_t *status = company_ask(c, "show status", NULL);
    uint64_t sequence = (uint64_t)json_integer_value(json_object_get(status, "configuration_sequence"));
    json_decref(status);
    return sequence;
}

/* One server has fetched a new document when it started: the others get it by the ring, keep it, and act by it. */
static void test_a_configuration_comes_by_the_ring(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 20);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B'), *c = scene_company(scene, 'C');
    agent_publishes(b, N1);
    scene_configure(scene, other_lattice);
    c->fetches = true;
    company_stop(c);
    company_start(c);
    scene_expect_count(scene, 60000, "A configured", "sequence=2", 1);
    scene_expect_count(scene, 60000, "B configured", "sequence=2", 1);
    scene_run(scene, 1000);
    assert_int_equal(a->configurations, 1);
    for (char letter = 'A'; letter <= 'C'; letter++) {
        struct slice document;
        struct company *each = scene_company(scene, letter);
        assert_int_equal(sequence_of(each), 2);
        assert_int_equal(server_stored_config(memory_store_kv(each->disk), &document), 0);
        assert_slice_equal(document, buf_slice(&scene->document));
    }
    json_t *status = company_ask(b, "show status", NULL);
    assert_string_equal(json_string_value(json_object_get(status, "message_of_the_day")),
                        "The ring will be wider on Sunday");
    json_decref(status);
    company_shows(a, N1);

    /* The lattice is three times as wide: so may the times be apart. */
    scene_call(scene, &(struct call){.from = 'A',
                                     .to = 'B',
                                     .calling = CALLER,
                                     .called = N1,
                                     .start_off_ms = 5900,
                                     .stop_off_ms = -5900,
                                     .ended_ms = 10000});
    scene_expect(scene, 10000, "A pool.credited", "fill=12");

    company_crash(b); /* what it said that it has, it has */
    company_start(b);
    assert_int_equal(sequence_of(b), 2);
    scene_free(scene);
}

static void test_a_configuration_meets_a_full_disk(void **state)
{
    (void)state;
    for (unsigned at_once = 0; at_once < 2; at_once++) {
        struct scene *scene = scene_of(3, 21 + at_once);
        struct company *b = scene_company(scene, 'B'), *c = scene_company(scene, 'C');
        scene_configure(scene, other_lattice);
        c->fetches = true;
        if (at_once)
            memory_store_refuse(b->disk, ERR_NO_SPACE);
        else
            memory_store_fail(b->disk, SIZE_MAX, ERR_NO_SPACE);
        company_stop(c);
        company_start(c);
        scene_expect_count(scene, 60000, "A configured", "sequence=2", 1);
        scene_run(scene, 30000);
        assert_int_equal(sequence_of(b), 1);
        assert_int_equal(b->configurations, 0);
        assert_true(has_warning(b, "StoreFailure"));
        company_shows(b, N1);
        memory_store_refuse(b->disk, 0);
        memory_store_fail(b->disk, 0, 0);
        scene_expect_count(scene, 20 * SCENE_MINUTE, "B configured", "sequence=2", 1);
        scene_run(scene, 1000);
        assert_int_equal(sequence_of(b), 2);
        scene_free(scene);
    }
}

static void ban_c(struct scene *scene, struct config *config)
{
    config->bad_nodes = &scene_company(scene, 'C')->id;
    config->bad_node_count = 1;
}

static void test_a_server_is_banned(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 23);
    struct company *a = scene_company(scene, 'A'), *c = scene_company(scene, 'C');
    scene_configure(scene, ban_c);
    a->fetches = true;
    company_stop(a);
    company_start(a);
    scene_expect(scene, 5 * SCENE_MINUTE, "C banned",
                 ""); /* the first one that has nothing to do with it any more says why */
    scene_run(scene, 5 * SCENE_MINUTE);
    assert_true(has_warning(c, "BannedFromNetwork"));
    assert_true(scene_saw(scene, "C agent.revoked", ""));
    json_t *status = company_ask(c, "show status", NULL);
    assert_string_equal(json_string_value(json_object_get(status, "health")), "red");
    json_decref(status);
    company_shows(c, N1);
    json_t *ring = company_ask(scene_company(scene, 'B'), "show ring", NULL);
    char hex[ID_HEX_OCTETS];
    id_format(c->id, hex);
    assert_false(answer_has(ring, "peers", "node_id", hex));
    assert_int_equal(sequence_of(scene_company(scene, 'B')), 2);
    scene_free(scene);
}

/* ---- the ring ---- */

static void test_waiting_for_the_ring(void **state)
{
    (void)state;
    struct scene *scene = scene_new(2, 30);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    company_start(b); /* its bootstrap server is not there */
    scene_run(scene, 1000);
    assert_error(company_ask_refused(b, "wait ring", "{\"timeout\":\"2s\"}"), "timeout");
    company_shows(b, N1);
    company_start(a);
    json_t *answer = company_ask(b, "wait ring", "{\"timeout\":\"60s\"}");
    assert_string_equal(json_string_value(json_object_get(answer, "state")), "joined");
    json_decref(answer);
    json_decref(company_ask(b, "wait ring", NULL)); /* at once */
    scene_free(scene);
}

static void test_numbers_are_looked_up(void **state)
{
    (void)state;
    char hex[ID_HEX_OCTETS];
    struct e164 number;
    struct scene *scene = scene_of(3, 33);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    agent_publishes(b, N1);
    json_t *answer = company_ask(a, "ring lookup", "{\"number\":\"" N1 "\"}");
    assert_int_equal(json_integer_value(json_object_get(answer, "copies_answered")), 3);
    assert_int_equal(json_array_size(json_object_get(answer, "claimants")), 1);
    id_format(b->id, hex);
    const json_t *claimant = json_array_get(json_object_get(answer, "claimants"), 0);
    assert_string_equal(json_string_value(json_object_get(claimant, "node_id")), hex);
    assert_string_equal(json_string_value(json_object_get(claimant, "vservice_id")), "0000000000002222");
    assert_int_equal(json_integer_value(json_object_get(claimant, "copies")), 3);
    json_decref(answer);
    answer = company_ask(a, "ring lookup", "{\"number\":\"+4999\"}");
    assert_int_equal(json_array_size(json_object_get(answer, "claimants")), 0);
    json_decref(answer);

    /* As a program does it: one end for each beginning, also when the ring does not answer. */
    assert_true(e164_parse(slice_str(N1), &number));
    assert_int_equal(server_look_up(a->server, company_now(a), &number, 77), 0);
    assert_int_equal(server_look_up(a->server, company_now(a), &number, 78), 0);
    company_drain(a);
    scene_run(scene, 1000);
    assert_true(scene_saw(scene, "A looked.up", "token=77 error=0 claimants=1 answered=2"));
    assert_int_equal(a->looked_up, 2);
    company_crash(b);
    company_crash(scene_company(scene, 'C'));
    assert_int_equal(server_look_up(a->server, company_now(a), &number, 79), 0);
    company_drain(a);
    scene_run(scene, 60000);
    assert_int_equal(a->looked_up, 3);
    scene_free(scene);

    scene = scene_new(1, 34);
    a = scene_company(scene, 'A');
    a->options.bootstrap = false;
    company_start(a);
    assert_int_equal(server_look_up(a->server, company_now(a), &number, 1), ERR_WRONG_STATE);
    assert_error(company_ask_refused(a, "ring lookup", "{\"number\":\"" N1 "\"}"), "wrong_state");
    scene_free(scene);
}

static void test_the_ring_is_lost_and_found(void **state)
{
    (void)state;
    struct scene *scene = scene_of(2, 31);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    company_crash(a);
    scene_run(scene, 10 * SCENE_MINUTE);
    company_shows(b, N1);
    company_start(a);
    scene_run(scene, 5 * SCENE_MINUTE);
    assert_true(b->agent.online);
    agent_publishes(b, N1);
    json_t *status = company_ask(b, "show status", NULL);
    assert_string_equal(json_string_value(json_object_get(status, "state")), "joined");
    json_decref(status);
    scene_free(scene);
}

/* A server that leaves hands over what it stored: numbers are found as before. */
static void test_a_server_leaves(void **state)
{
    (void)state;
    struct scene *scene = scene_of(4, 32);
    struct company *b = scene_company(scene, 'B'), *c = scene_company(scene, 'C');
    static const char *const numbers[] = {N1, "+492211002", "+492211003"};
    for (unsigned i = 0; i < 3; i++)
        agent_publishes(b, numbers[i]);
    agent_stop(c);
    json_decref(company_ask(c, "leave", NULL));
    scene_expect(scene, 30000, "C left", "");
    assert_true(c->left);
    company_shows(c, N1);
    company_stop(c);
    for (unsigned i = 0; i < 3; i++)
        scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = numbers[i]});
    scene_expect_count(scene, 30000, "A numbers.found", "answered=2 claimants=1", 3);
    scene_expect_count(scene, 10000, "A agent.told", "", 3);
    scene_free(scene);
}

static void test_shutdown_is_wanted(void **state)
{
    (void)state;
    struct scene *scene = scene_of(1, 33);
    struct company *a = scene_company(scene, 'A');
    assert_false(server_wants_shutdown(a->server));
    json_decref(company_ask(a, "shutdown", NULL));
    assert_true(server_wants_shutdown(a->server));
    scene_free(scene);
}

static void test_wrong_credentials_raise_an_alert(void **state)
{
    (void)state;
    struct scene *scene = scene_new(1, 34);
    struct company *a = scene_company(scene, 'A');
    server_options_fini(&a->options);
    assert_int_equal(server_options_account(&a->options, "pbx", "agent", "another-secret"), 0);
    company_start(a);
    agent_start(a);
    scene_run(scene, 10000);
    assert_true(has_warning(a, "InvalidCredentials"));
    assert_true(scene_saw(scene, "A agent.alarm", "InvalidCredentials"));
    assert_null(strstr(scene_trace(scene), "s3cret"));
    agent_stop(a);
    scene_run(scene, 30 * SCENE_MINUTE);
    assert_false(has_warning(a, "InvalidCredentials"));
    scene_free(scene);
}

static void test_the_certificate_comes_to_its_end(void **state)
{
    (void)state;
    struct scene *scene = scene_of(1, 35);
    struct company *a = scene_company(scene, 'A');
    assert_false(has_warning(a, "DistributedCacheCertificateExpiring"));
    server_certificate_renewed(a->server, company_now(a),
                               wall_after_ms(company_now(a).wall, 13 * 24 * SCENE_HOUR)); /* under 14 days */
    assert_true(has_warning(a, "DistributedCacheCertificateExpiring"));
    company_shows(a, N1);
    server_certificate_renewed(a->server, company_now(a), wall_after_ms(company_now(a).wall, 100 * 24 * SCENE_HOUR));
    assert_false(has_warning(a, "DistributedCacheCertificateExpiring"));
    scene_free(scene);
}

static void test_explain_refuses_what_is_no_number(void **state)
{
    (void)state;
    struct scene *scene = scene_of(1, 36);
    struct company *a = scene_company(scene, 'A');
    json_decref(company_ask_refused(a, "explain", "{\"number\":\"110\"}"));
    json_t *answer = company_ask(a, "explain", "{\"number\":\"+4911\"}");
    assert_int_equal(json_array_size(json_object_get(answer, "steps")), 0);
    json_decref(answer);
    scene_free(scene);
}

/* ---- memory ---- */

/* Any allocation of a start may fail: it is an error, or it starts; the disk is as before. */
static void test_a_start_is_short_of_memory(void **state)
{
    (void)state;
    char ticket[512];
    struct scene *scene = granted(40, ticket, sizeof ticket);
    struct company *b = scene_company(scene, 'B');
    agent_stop(b);
    company_stop(b);
    unsigned failures = 0;
    for (unsigned long nth = 1;; nth++) {
        mem_fail_at(nth);
        int err = company_try_start(b);
        void *probe = mem_alloc(1);
        bool reached = probe != NULL;
        mem_free(probe);
        mem_fail_at(0);
        failures += err != 0;
        assert_true(err == 0 || err == ERR_NO_MEMORY || err == ERR_CRYPTO);
        company_crash(b);
        if (!reached)
            break;
        assert_true(nth < 100000);
    }
    assert_true(failures > 10);
    company_start(b);
    assert_string_equal(verdict(b, ticket, ""), "good");
    scene_free(scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings_outlive_a_restart),
        cmocka_unit_test(test_settings_take_effect),
        cmocka_unit_test(test_many_pending_validations_raise_an_alert),
        cmocka_unit_test(test_tickets_are_verified),
        cmocka_unit_test(test_a_new_epoch_leaves_old_tickets_good),
        cmocka_unit_test(test_a_ticket_password),
        cmocka_unit_test(test_tickets_are_revoked),
        cmocka_unit_test(test_a_configuration_comes_by_the_ring),
        cmocka_unit_test(test_a_configuration_meets_a_full_disk),
        cmocka_unit_test(test_a_server_is_banned),
        cmocka_unit_test(test_waiting_for_the_ring),
        cmocka_unit_test(test_numbers_are_looked_up),
        cmocka_unit_test(test_the_ring_is_lost_and_found),
        cmocka_unit_test(test_a_server_leaves),
        cmocka_unit_test(test_shutdown_is_wanted),
        cmocka_unit_test(test_wrong_credentials_raise_an_alert),
        cmocka_unit_test(test_the_certificate_comes_to_its_end),
        cmocka_unit_test(test_explain_refuses_what_is_no_number),
        cmocka_unit_test(test_a_start_is_short_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
