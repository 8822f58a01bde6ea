/* The ring's configuration in whole servers: documents that are offered to one of them, bans with reasons and their ends, what operators are
 * told. */
#include "reload/config.h"
#include "scene.h"
#include "testing.h"

#include <jansson.h>
#include <stdio.h>

#define N1 "+4922110000"
#define CALLER "+4930555"

static uint64_t sequence_of(struct company *c)
{
    json_t *status = company_ask(c, "show status", NULL);
    uint64_t sequence = (uint64_t)json_integer_value(json_object_get(status, "configuration_sequence"));
    json_decref(status);
    return sequence;
}

/* What `show status` says under this key; "" if nothing. Static storage. */
static const char *status_of(struct company *c, const char *key)
{
    static char text[600];
    json_t *status = company_ask(c, "show status", NULL);
    const char *value = json_string_value(json_object_get(status, key));
    snprintf(text, sizeof text, "%s", value ? value : "");
    json_decref(status);
    return text;
}

/* The text of a warning; "" if it is not raised. Static storage. */
static const char *warning_of(struct company *c, const char *name)
{
    static char text[600];
    json_t *status = company_ask(c, "show status", NULL), *warning;
    size_t i;
    text[0] = '\0';
    json_array_foreach(json_object_get(status, "warnings"), i, warning) {
        if (strcmp(json_string_value(json_object_get(warning, "name")), name) == 0)
            snprintf(text, sizeof text, "%s", json_string_value(json_object_get(warning, "text")));
    }
    json_decref(status);
    return text;
}

static int offer(struct company *c, struct slice document, char why[SERVER_WHY_OCTETS])
{
    int err = server_config_offer(c->server, company_now(c), document, why);
    company_drain(c);
    return err;
}

/* The newest document of the ring. */
static void inform(struct company *c)
{
    char why[SERVER_WHY_OCTETS];
    assert_int_equal(offer(c, buf_slice(&c->scene->document), why), 0);
    assert_string_equal(why, "");
}

static void with_message(struct scene *scene, struct config *config)
{
    (void)scene;
    config->message_of_the_day = slice_str("Maintenance on Sunday");
    config->required_version = slice_str("77.0");
    config->required_version_by = (struct wall){INT64_C(1924992000000)};
}

/* A document given to one server is everywhere a moment later; what it says is logged once and shown. */
static void test_an_offered_document_spreads(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 71);
    scene_configure(scene, with_message);
    inform(scene_company(scene, 'B'));
    scene_expect_count(scene, 2000, "A configured", "sequence=2", 1);
    scene_expect_count(scene, 2000, "C configured", "sequence=2", 1);
    scene_run(scene, 3 * SCENE_MINUTE);
    for (char letter = 'A'; letter <= 'C'; letter++) {
        char event[32];
        struct company *c = scene_company(scene, letter);
        snprintf(event, sizeof event, "%c MessageOfTheDay", letter);
        assert_int_equal(scene_count(scene, event, "Maintenance on Sunday"), 1);
        assert_string_equal(status_of(c, "message_of_the_day"), "Maintenance on Sunday");
        assert_string_equal(status_of(c, "required_version"), "77.0");
        assert_non_null(strstr(warning_of(c, "SWUpdateRequired"), "77.0 by 2031-01-01"));
        assert_string_equal(status_of(c, "state"), "joined"); /* it warns, and goes on */
        assert_int_equal(c->configurations, 1);
    }
    scene_free(scene);
}

/* With one octet of it changed. */
static void forge(struct buf *document, const char *what, const char *by)
{
    char *at = memmem(document->p, document->n, what, strlen(what));
    assert_non_null(at);
    memcpy(at, by, strlen(by));
}

static void copy_document(struct scene *scene, struct buf *ret_document)
{
    buf_clear(ret_document);
    buf_slice_put(ret_document, buf_slice(&scene->document));
}

static void test_documents_that_are_not_taken(void **state)
{
    (void)state;
    struct scene *scene = scene_of(2, 72);
    struct company *a = scene_company(scene, 'A');
    struct config *next;
    struct config_fault fault;
    struct buf text;
    char why[SERVER_WHY_OCTETS];
    buf_init(&text, CONFIG_DOCUMENT_OCTETS_MAX);
    copy_document(scene, &text);
    assert_int_equal(offer(a, buf_slice(&text), why), ERR_CONFLICT);
    assert_string_equal(why, "its sequence 1 is not newer than 1, which is in use");

    scene_configure(scene, with_message);
    copy_document(scene, &text);
    forge(&text, "on Sunday", "on Monday");
    assert_int_equal(offer(a, buf_slice(&text), why), ERR_AUTH);
    assert_non_null(strstr(why, "signature does not verify"));

    copy_document(scene, &text);
    forge(&text, "<signature>", "<signaturf>");
    forge(&text, "</signature>", "</signaturf>");
    assert_int_equal(offer(a, buf_slice(&text), why), ERR_AUTH);
    assert_string_equal(why, "it is not signed");

    /* Signed by a server of the ring, who is no configuration-signer. */
    assert_int_equal(config_parse(buf_slice(&scene->document), slice_of(NULL, 0), &next, &fault), 0);
    next->configuration_signers = next->kind_signers = &a->id;
    buf_clear(&text);
    assert_int_equal(config_build(next, scene_key(a), scene_cert(a, 0), &text), 0);
    assert_int_equal(offer(a, buf_slice(&text), why), ERR_FORBIDDEN);
    assert_non_null(strstr(why, "signed by nobody whom"));
    config_free(next);

    copy_document(scene, &text);
    forge(&text, "instance-name=\"", "instance-name=\"x");
    assert_int_equal(offer(a, buf_slice(&text), why), ERR_NOT_FOUND);
    assert_non_null(strstr(why, "not of this ring"));

    copy_document(scene, &text);
    forge(&text, "</overlay>", "</overlai>");
    assert_int_equal(offer(a, buf_slice(&text), why), ERR_SYNTAX);
    assert_non_null(strstr(why, "line "));

    assert_int_equal(sequence_of(a), 1);
    memory_store_fail(a->disk, 1, ERR_NO_SPACE);
    inform(a); /* the disk refuses later: it has not happened */
    scene_run(scene, 1000);
    assert_int_equal(sequence_of(a), 1);
    inform(a);
    assert_int_equal(offer(a, buf_slice(&scene->document), why), ERR_WRONG_STATE);
    scene_run(scene, 1000);
    assert_int_equal(sequence_of(a), 2);
    buf_fini(&text);
    scene_free(scene);
}

/* A document that takes for granted what this version does not have: it cannot be used, and the operator hears of it. */
static void test_a_document_of_the_future(void **state)
{
    (void)state;
    struct scene *scene = scene_of(2, 75);
    struct company *a = scene_company(scene, 'A');
    struct buf text;
    char why[SERVER_WHY_OCTETS];
    buf_init(&text, CONFIG_DOCUMENT_OCTETS_MAX);
    scene_configure(scene, with_message);
    copy_document(scene, &text);
    forge(&text, "CHORD-RELOAD", "CHORD-FUTURE");
    assert_int_equal(offer(a, buf_slice(&text), why), ERR_UNSUPPORTED);
    scene_run(scene, SCENE_MINUTE);
    assert_non_null(strstr(warning_of(a, "SWUpdateRequired"), "cannot use"));
    inform(a);
    scene_run(scene, SCENE_MINUTE);
    assert_null(strstr(warning_of(a, "SWUpdateRequired"), "cannot use"));
    buf_fini(&text);
    scene_free(scene);
}

/* By imectl, as an operator without a network to the signer does it. */
static void test_a_document_is_loaded(void **state)
{
    (void)state;
    struct scene *scene = scene_of(2, 73);
    struct company *a = scene_company(scene, 'A');
    scene_configure(scene, with_message);
    json_t *arguments = json_pack("{s:s%}", "file", scene->document.p, scene->document.n);
    char *text = json_dumps(arguments, 0);
    json_decref(company_ask(a, "ring config load", text));
    assert_int_equal(sequence_of(a), 2);
    json_t *refusal = company_ask_refused(a, "ring config load", text);
    assert_non_null(strstr(json_string_value(json_object_get(refusal, "message")), "not newer"));
    json_decref(refusal);
    json_t *shown = company_ask(a, "ring config show", "{\"signed\": true}");
    assert_string_equal(json_string_value(json_object_get(shown, "document")), buf_text(&scene->document));
    json_decref(shown);
    free(text);
    json_decref(arguments);
    scene_free(scene);
}

static void ban_c(struct scene *scene, struct config *config)
{
    static struct config_ban ban;
    ban = (struct config_ban){scene_company(scene, 'C')->id, slice_str("ime1.c.example"), slice_str("floods the ring"),
                              (struct wall){INT64_C(1795334400000)}};
    config->bans = &ban;
    config->ban_count = 1;
    config->bad_nodes = &ban.node;
    config->bad_node_count = 1;
}

static unsigned claimants(struct scene *scene)
{
    return scene_count(scene, "A numbers.found", "claimants=1");
}

/* The banned server knows why and since when; the others name it once; its numbers are gone, and back when the ban ends. */
static void test_a_ban_with_its_reason_and_its_end(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 74);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B'), *c = scene_company(scene, 'C');
    agent_publishes(c, N1);
    scene_configure(scene, ban_c);
    inform(a);
    scene_expect_count(scene, 2000, "C configured", "sequence=2", 1);
    scene_run(scene, 5 * SCENE_MINUTE);
    assert_string_equal(status_of(c, "state"), "banned");
    assert_string_equal(status_of(c, "health"), "red");
    assert_string_equal(status_of(c, "ban_reason"), "floods the ring");
    assert_string_equal(status_of(c, "banned_since_at"), "2026-11-22T08:00:00Z");
    assert_non_null(strstr(warning_of(c, "BannedFromNetwork"), "since 2026-11-22T08:00:00Z, reason: floods the ring;"));
    assert_int_equal(scene_count(scene, "C alert", "name=BannedFromNetwork"), 1);
    assert_false(c->left);
    assert_int_equal(scene_count(scene, "A ring.ban", "server_id=ime1.c.example reason=\"floods the ring\""), 1);
    assert_int_equal(scene_count(scene, "B ring.ban", "server_id=ime1.c.example reason=\"floods the ring\""), 1);
    json_t *shown = company_ask(b, "ring bans", NULL);
    assert_int_equal(json_array_size(json_object_get(shown, "bans")), 1);
    json_decref(shown);
    company_shows(c, N1);

    company_crash(c); /* still banned, and still there to say so */
    company_start(c);
    scene_run(scene, SCENE_MINUTE);
    assert_string_equal(status_of(c, "state"), "banned");
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    scene_expect(scene, SCENE_MINUTE, "A numbers.found", "claimants=0");
    assert_int_equal(claimants(scene), 0);

    scene_configure(scene, NULL);
    inform(c); /* it looks by itself; the others have it from their bootstrap server */
    inform(a);
    scene_expect(scene, SCENE_MINUTE, "C ring.state", "state=joined");
    assert_string_equal(warning_of(c, "BannedFromNetwork"), "");
    assert_string_equal(status_of(c, "ban_reason"), "");
    scene_run(scene, 5 * SCENE_MINUTE);
    json_t *status = company_ask(c, "show status", NULL);
    assert_int_equal(json_integer_value(json_object_get(status, "numbers_published")), 1);
    json_decref(status);
    scene_call(scene, &(struct call){.from = 'A', .to = 'B', .calling = CALLER, .called = N1});
    scene_expect(scene, 120 * SCENE_MINUTE, "A numbers.found", "claimants=1");
    scene_free(scene);
}

static void bootstrap_is_b(struct scene *scene, struct config *config)
{
    config->bootstrap_nodes = &scene_company(scene, 'B')->ring_address;
    config->bootstrap_node_count = 1;
}

/* C was started when A was the bootstrap server. It finds the ring by the one that a later configuration names. */
static void test_other_bootstrap_servers(void **state)
{
    (void)state;
    struct scene *scene = scene_of(3, 76);
    struct company *a = scene_company(scene, 'A'), *b = scene_company(scene, 'B');
    scene_configure(scene, bootstrap_is_b);
    inform(a);
    scene_expect(scene, 2000, "C configured", "sequence=2");
    scene_run(scene, 1000);
    company_crash(a);
    company_crash(b);
    scene_expect(scene, 5 * SCENE_MINUTE, "C ring.state", "state=connecting");
    b->options.bootstrap = true;
    company_start(b);
    scene_expect(scene, 5 * SCENE_MINUTE, "C ring.state", "state=joined");
    assert_string_equal(status_of(b, "state"), "joined");
    scene_free(scene);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_offered_document_spreads),       cmocka_unit_test(test_documents_that_are_not_taken),
        cmocka_unit_test(test_a_document_of_the_future),          cmocka_unit_test(test_a_document_is_loaded),
        cmocka_unit_test(test_a_ban_with_its_reason_and_its_end), cmocka_unit_test(test_other_bootstrap_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
