/* The enrollment core on a store in memory: tokens, certificates, renewal, the configuration; failing disks and restarts at every point. */
#include "enroll_world.h"

#include <stdio.h>
#include <stdlib.h>

static void test_enroll(void **state)
{
    struct world *w = *state;
    char token[128];
    struct trust *trust;
    add_token(w, ",\"name\":[\"ime1.a.example\",\"192.0.2.1\"]", token);
    struct question q = {.username = SERVER_ID, .password = token, .key = w->key};
    ask(w, &q);
    assert_int_equal(w->status, 0); /* not before it is durable */
    memory_store_turn(w->store);
    struct cert *cert = given(w);
    assert_string_equal(cert_user(cert), SERVER_ID "@" OVERLAY);
    assert_true(key_equal(cert_key(cert), w->key));
    assert_int_equal(cert_not_after(cert).ms, w->now.wall.ms + 365 * DAY_MS);
    assert_true(cert_not_before(cert).ms < w->now.wall.ms);
    assert_false(id_is_zero(node_id(cert)));
    assert_int_equal(trust_new(&trust), 0);
    assert_int_equal(trust_add_der(trust, cert_der(enroll_authority(w->enroll))), 0);
    assert_int_equal(trust_verify(trust, cert, w->now.wall), 0);
    trust_free(trust);
    assert_int_equal(enroll_counters(w->enroll)->certificates_issued, 1);
    command(w, "{\"id\":2,\"command\":[\"enroll\",\"token\",\"list\"]}");
    assert_answer_has(w, "\"state\":\"used\"");
    command(w, "{\"id\":3,\"command\":[\"enroll\",\"certificate\",\"list\"]}");
    assert_answer_has(w, "\"server_id\":\"" SERVER_ID "\"");
    assert_answer_has(w, cert_serial(cert));
    cert_free(cert);
}

static void test_refusals(void **state)
{
    struct world *w = *state;
    char token[128], wrong[128];
    uint8_t garbage[] = {0x30, 0x03, 0x02, 0x01, 0x05};
    add_token(w, "", token);
    strcpy(wrong, token);
    wrong[strlen(wrong) - 1] = wrong[strlen(wrong) - 1] == '0' ? '1' : '0';
    const struct question bad_secret = {.username = SERVER_ID, .password = wrong, .key = w->key};
    const struct question bad_name = {.username = "ime2.a.example", .password = token, .key = w->key};
    const struct question two_ids = {.username = SERVER_ID, .password = token, .node_ids = "2", .key = w->key};
    const struct question no_ids = {.username = SERVER_ID, .password = token, .node_ids = "0", .key = w->key};
    const struct question many_ids = {
        .username = SERVER_ID, .password = token, .node_ids = "999999999999999999999", .key = w->key};
    const struct question bad_csr = {
        .username = SERVER_ID, .password = token, .csr = slice_of(garbage, sizeof garbage)};
    const struct question nothing = {.username = SERVER_ID, .key = w->key};
    assert_refused(w, &bad_secret, 403, "failed_authentication");
    assert_refused(w, &bad_name, 403, "failed_authentication");
    pass(w, 10000);
    assert_refused(w, &nothing, 403, "failed_authentication");
    assert_refused(w, &two_ids, 403, "Node-IDs_not_available");
    assert_refused(w, &no_ids, 403, "Node-IDs_not_available");
    assert_refused(w, &many_ids, 403, "Node-IDs_not_available");
    assert_refused(w, &bad_csr, 403, "bad_CSR");
    /* None of this has spent the token. */
    struct question q = {.username = SERVER_ID, .password = token, .key = w->other_key};
    cert_free(get(w, &q));
    const struct enroll_question no_form = {.content_type = NULL, .body = slice_str("x"), .source = {.family = 4}};
    enroll_ask(w->enroll, w->now, &no_form, on_answer, w);
    assert_int_equal(w->status, 400);
}

static void test_expired_and_revoked(void **state)
{
    struct world *w = *state;
    char token[128], id[16], line[256];
    add_token(w, ",\"expires\":\"1h\"", token);
    pass(w, 3600 * 1000);
    struct question q = {.username = SERVER_ID, .password = token, .key = w->key};
    assert_refused(w, &q, 403, "failed_authentication");
    command(w, "{\"id\":2,\"command\":[\"enroll\",\"token\",\"list\"]}");
    assert_answer_has(w, "\"state\":\"expired\"");

    add_token(w, "", token);
    snprintf(id, sizeof id, "%.8s", token);
    snprintf(line, sizeof line, "{\"id\":3,\"command\":[\"enroll\",\"token\",\"revoke\"],\"args\":{\"id\":\"%s\"}}",
             id);
    command(w, line);
    memory_store_turn(w->store);
    assert_answer_has(w, "\"ok\":true");
    assert_refused(w, &q, 403, "failed_authentication");
    restart(w);
    assert_refused(w, &q, 403, "failed_authentication");
    command(w, "{\"id\":4,\"command\":[\"enroll\",\"token\",\"revoke\"],\"args\":{\"id\":\"00000000\"}}");
    assert_answer_has(w, "\"not_found\"");
}

static void test_a_token_is_good_for_one_key(void **state)
{
    struct world *w = *state;
    char token[128];
    add_token(w, "", token);
    struct question q = {.username = SERVER_ID, .password = token, .key = w->key};
    struct cert *first = get(w, &q);
    restart(w); /* the answer was lost, and both sides have been down */
    pass(w, 30 * DAY_MS);
    ask(w, &q);
    struct cert *again = given(w); /* at once: it is durable */
    assert_slice_equal(cert_der(again), cert_der(first));
    struct question thief = {.username = SERVER_ID, .password = token, .key = w->other_key};
    assert_refused(w, &thief, 403, "failed_authentication");
    pass(w, 340 * DAY_MS); /* a certificate that has expired helps nobody */
    assert_refused(w, &q, 403, "failed_authentication");
    cert_free(first);
    cert_free(again);
}

static void test_a_lost_certificate_was_never_acknowledged(void **state)
{
    struct world *w = *state;
    char token[128];
    add_token(w, "", token);
    struct question q = {.username = SERVER_ID, .password = token, .key = w->key};
    ask(w, &q);
    assert_int_equal(w->status, 0);
    restart(w); /* power loss before the disk had it */
    assert_int_equal(w->status, 0);
    struct question other = {.username = SERVER_ID, .password = token, .key = w->other_key};
    struct cert *cert = get(w, &other); /* the token is whole */
    cert_free(cert);
}

static void test_failing_disk(void **state)
{
    struct world *w = *state;
    char token[128];
    memory_store_fail(w->store, 1, ERR_NO_SPACE);
    command(w, "{\"id\":1,\"command\":[\"enroll\",\"token\",\"add\"],\"args\":{\"server-id\":\"x\"}}");
    memory_store_turn(w->store);
    assert_answer_has(w, "\"no_space\"");
    command(w, "{\"id\":2,\"command\":[\"enroll\",\"token\",\"list\"]}");
    assert_answer_has(w, "\"tokens\":[]");

    add_token(w, "", token);
    struct question q = {.username = SERVER_ID, .password = token, .key = w->key};
    memory_store_fail(w->store, 1, ERR_NO_SPACE);
    ask(w, &q);
    memory_store_turn(w->store);
    assert_int_equal(w->status, 503);
    command(w, "{\"id\":3,\"command\":[\"enroll\",\"certificate\",\"list\"]}");
    assert_answer_has(w, "\"certificates\":[]");
    memory_store_refuse(w->store, ERR_NO_SPACE);
    ask(w, &q);
    assert_int_equal(w->status, 503);
    memory_store_refuse(w->store, 0);
    cert_free(get(w, &q));
    assert_int_equal(enroll_counters(w->enroll)->failed_store, 3);
}

static void test_two_at_once(void **state)
{
    struct world *w = *state;
    char token[128];
    add_token(w, "", token);
    struct question q = {.username = SERVER_ID, .password = token, .key = w->key};
    ask(w, &q);
    assert_int_equal(w->status, 0);
    ask(w, &q);
    assert_int_equal(w->status, 503);
    memory_store_turn(w->store);
    cert_free(given(w));
    assert_int_equal(enroll_counters(w->enroll)->certificates_issued, 1);
}

static void test_renewal(void **state)
{
    struct world *w = *state;
    char token[128];
    add_token(w, ",\"name\":[\"192.0.2.1\"]", token);
    struct question q = {.username = SERVER_ID, .password = token, .key = w->key};
    struct cert *first = get(w, &q);
    pass(w, 300 * DAY_MS);
    struct question renewal = {.username = SERVER_ID, .key = w->key, .certificate = cert_der(first)};
    struct cert *second = get(w, &renewal);
    assert_true(id_eq(node_id(first), node_id(second)));
    assert_string_equal(cert_user(second), cert_user(first));
    assert_string_not_equal(cert_serial(second), cert_serial(first));
    assert_int_equal(cert_not_after(second).ms, w->now.wall.ms + 365 * DAY_MS);
    /* The answer was lost: the same again, for a minute. */
    struct cert *again = get(w, &renewal);
    assert_slice_equal(cert_der(again), cert_der(second));
    cert_free(again);
    pass(w, ENROLL_REPEAT_MS);
    again = get(w, &renewal);
    assert_string_not_equal(cert_serial(again), cert_serial(second));
    cert_free(again);
    /* With a new key, under any of its certificates, also after a restart. */
    restart(w);
    struct question rekey = {.key = w->other_key, .certificate = cert_der(second)};
    struct cert *third = get(w, &rekey);
    assert_true(key_equal(cert_key(third), w->other_key));
    assert_true(id_eq(node_id(first), node_id(third)));
    assert_int_equal(enroll_counters(w->enroll)->certificates_renewed, 1);

    struct question more = {.node_ids = "2", .key = w->key, .certificate = cert_der(third)};
    assert_refused(w, &more, 403, "Node-IDs_not_available");
    struct question somebody = {.username = "ime2.a.example", .key = w->key, .certificate = cert_der(third)};
    assert_refused(w, &somebody, 403, "username_not_available");
    struct question foreign = {
        .username = SERVER_ID, .key = w->key, .certificate = cert_der(enroll_authority(w->enroll))};
    assert_refused(w, &foreign, 403, "failed_authentication");
    pass(w, 400 * DAY_MS);
    struct question expired = {.username = SERVER_ID, .key = w->key, .certificate = cert_der(third)};
    assert_refused(w, &expired, 403, "failed_authentication");
    cert_free(first);
    cert_free(second);
    cert_free(third);
}

/* Lives shorter than a repetition lasts: a renewal at half of one brings a new certificate. */
static void test_short_lives_are_renewed(void **state)
{
    struct world *w = *state;
    char token[128];
    w->options.certificate_lifetime_ms = ENROLL_REPEAT_MS;
    restart(w);
    add_token(w, "", token);
    struct question q = {.username = SERVER_ID, .password = token, .key = w->key};
    struct cert *first = get(w, &q);
    pass(w, ENROLL_REPEAT_MS / 2);
    struct question renewal = {.username = SERVER_ID, .key = w->key, .certificate = cert_der(first)};
    struct cert *second = get(w, &renewal);
    assert_true(cert_not_after(second).ms > cert_not_after(first).ms);
    cert_free(first);
    cert_free(second);
}

static void test_node_ids_stay_with_the_server(void **state)
{
    struct world *w = *state;
    char token[128];
    struct id before, ids[3];
    add_token(w, "", token);
    struct question q = {.username = SERVER_ID, .password = token, .key = w->key};
    struct cert *cert = get(w, &q);
    before = node_id(cert);
    cert_free(cert);
    restart(w);
    /* The key was lost; the operator accepts the server anew, now with three Node-IDs. */
    add_token(w, ",\"node-ids\":3", token);
    struct question again = {.username = SERVER_ID, .password = token, .node_ids = "3", .key = w->other_key};
    cert = get(w, &again);
    assert_int_equal(cert_node_ids(cert, slice_str(OVERLAY), ids, 3), 3);
    assert_true(id_eq(ids[0], before));
    assert_false(id_eq(ids[1], ids[2]) || id_eq(ids[0], ids[1]));
    cert_free(cert);
}

static void test_wrong_tokens_are_limited(void **state)
{
    struct world *w = *state;
    char token[128];
    add_token(w, "", token);
    struct question wrong = {
        .username = SERVER_ID, .password = "00000000-00000000000000000000000000000000", .key = w->key};
    for (int i = 0; i < 3; i++)
        assert_refused(w, &wrong, 403, "failed_authentication");
    struct question right = {.username = SERVER_ID, .password = token, .key = w->key};
    assert_refused(w, &right, 429, "too_many_failures");
    right.source = "192.0.2.8:5";
    cert_free(get(w, &right));
    right.source = NULL;
    pass(w, 1000);
    ask(w, &right);
    cert_free(given(w));
}

static void test_configuration(void **state)
{
    struct world *w = *state;
    struct addr node = {.family = 4, .port = 6084, .ip = {192, 0, 2, 1}};
    struct config ring, *config;
    int err;
    config_init(&ring);
    ring.max_message_size = 65536;
    ring.bootstrap_nodes = &node;
    ring.bootstrap_node_count = 1;
    assert_int_equal(enroll_document(w->enroll).n, 0);
    assert_int_equal(enroll_set_ring(w->enroll, w->now, &ring), 0);
    assert_int_equal(enroll_document(w->enroll).n, 0);
    config = published(w);
    assert_int_equal(config->sequence, 1);
    assert_true(addr_eq(&config->bootstrap_nodes[0], &node));
    assert_non_null(kind_find(&config->kinds, RELOAD_KIND_VIPR_REGISTRATION));
    assert_slice_equal(config->root_certs[0], cert_der(enroll_authority(w->enroll)));
    config_free(config);

    /* The same content is the same document, also after a restart. */
    restart(w);
    assert_int_equal(enroll_set_ring(w->enroll, w->now, &ring), 0);
    config = published(w);
    assert_int_equal(config->sequence, 1);
    config_free(config);

    ring.quota = 77;
    assert_int_equal(enroll_set_ring(w->enroll, w->now, &ring), 0);
    config = published(w);
    assert_int_equal(config->sequence, 2);
    assert_int_equal(config->quota, 77);
    config_free(config);

    /* What the disk refuses is not served. */
    ring.quota = 78;
    memory_store_fail(w->store, 1, ERR_NO_SPACE);
    assert_int_equal(enroll_set_ring(w->enroll, w->now, &ring), 0);
    memory_store_turn(w->store);
    assert_true(enroll_settled(w->enroll, &err));
    assert_int_equal(err, ERR_NO_SPACE);
    command(w, "{\"id\":1,\"command\":[\"show\",\"status\"]}");
    assert_answer_has(w, "\"health\":\"red\"");
    assert_int_equal(enroll_set_ring(w->enroll, w->now, &ring), 0);
    config = published(w);
    assert_int_equal(config->sequence, 3);
    config_free(config);
}

static void test_banned_nodes_are_not_renewed(void **state)
{
    struct world *w = *state;
    char token[128];
    add_token(w, "", token);
    struct question q = {.username = SERVER_ID, .password = token, .key = w->key};
    struct cert *cert = get(w, &q);
    struct id id = node_id(cert);
    struct addr node = {.family = 4, .port = 6084, .ip = {192, 0, 2, 1}};
    struct config ring;
    config_init(&ring);
    ring.max_message_size = 65536;
    ring.bootstrap_nodes = &node;
    ring.bootstrap_node_count = 1;
    ring.bad_nodes = &id;
    ring.bad_node_count = 1;
    assert_int_equal(enroll_set_ring(w->enroll, w->now, &ring), 0);
    config_free(published(w));
    struct question renewal = {.username = SERVER_ID, .key = w->key, .certificate = cert_der(cert)};
    assert_refused(w, &renewal, 403, "failed_authentication");
    assert_int_equal(enroll_counters(w->enroll)->refused_ban, 1);
    cert_free(cert);
}

static void test_founding_fails_with_the_disk(void **state)
{
    struct world *w = *state;
    struct key *key;
    int err;
    close_core(w);
    memory_store_free(w->store);
    assert_int_equal(memory_store_new(&w->store), 0);
    open_core(w);
    assert_int_equal(key_generate(KEY_RSA_2048, &key), 0);
    memory_store_fail(w->store, 1, ERR_IO);
    assert_int_equal(enroll_found(w->enroll, w->now, key, key), 0);
    memory_store_turn(w->store);
    assert_true(enroll_settled(w->enroll, &err));
    assert_int_equal(err, ERR_IO);
    assert_false(enroll_has_authority(w->enroll));
    assert_int_equal(enroll_found(w->enroll, w->now, key, key), 0);
    memory_store_turn(w->store);
    assert_true(enroll_has_authority(w->enroll));
    assert_int_equal(enroll_found(w->enroll, w->now, key, key), ERR_EXISTS);
    struct slice der = cert_der(enroll_authority(w->enroll));
    struct buf before;
    buf_init(&before, 10000);
    buf_slice_put(&before, der);
    restart(w);
    assert_slice_equal(cert_der(enroll_authority(w->enroll)), buf_slice(&before));
    buf_fini(&before);
    key_free(key);
}

static void test_damaged_rows_are_refused(void **state)
{
    struct world *w = *state;
    const struct kv *kv = memory_store_kv(w->store);
    const struct enroll_ports ports = {.kv = kv, .entropy = &w->entropy};
    struct enroll *second;
    static const enum kv_table tables[] = {KV_ENROLL_TOKEN, KV_ENROLL_CERTIFICATE};
    for (size_t i = 0; i < 2; i++) {
        kv_put(kv, tables[i], slice_str("0123456789abcdef"), slice_str("\x01garbage"));
        assert_int_equal(enroll_new(&w->options, &ports, w->now, &second), ERR_SYNTAX);
        kv_remove(kv, tables[i], slice_str("0123456789abcdef"));
    }
    kv_put(kv, KV_ENROLL_CA, slice_str("authority"), slice_str("garbage"));
    assert_int_not_equal(enroll_new(&w->options, &ports, w->now, &second), 0);
    memory_store_crash(w->store);
    /* An authority of another overlay is not ours. */
    struct enroll_options other = w->options;
    other.overlay = "other.example";
    assert_int_not_equal(enroll_new(&other, &ports, w->now, &second), 0);
}

static void test_bad_token_arguments(void **state)
{
    struct world *w = *state;
    command(w, "{\"id\":1,\"command\":[\"enroll\",\"token\",\"add\"],\"args\":{\"server-id\":\"a b\"}}");
    assert_answer_has(w, "\"range\"");
    command(w, "{\"id\":2,\"command\":[\"enroll\",\"token\",\"add\"],\"args\":{\"server-id\":\"a@b\"}}");
    assert_answer_has(w, "\"range\"");
    command(w, "{\"id\":3,\"command\":[\"enroll\",\"token\",\"add\"],\"args\":{\"server-id\":"
               "\"a123456789012345678901234567890123456789012345678901234567890123\"}}");
    assert_answer_has(w, "too long");
    assert_false(memory_store_waits(w->store));
}

/* ---- several Node-IDs ---- */

static void test_a_certificate_for_each_node_id(void **state)
{
    struct world *w = *state;
    char token[128];
    add_token(w, ",\"node-ids\":3", token);
    struct cert *certs[3];
    certs[0] = get(w, &(struct question){.username = SERVER_ID, .password = token, .key = w->key});
    struct question q = {.username = SERVER_ID, .key = w->key, .certificate = cert_der(certs[0])};
    q.node = "2"; /* in any order */
    certs[2] = get(w, &q);
    q.node = "1";
    certs[1] = get(w, &q);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < i; k++)
            assert_false(id_eq(node_id(certs[i]), node_id(certs[k])));
    q.node = "3";
    assert_refused(w, &q, 403, "Node-IDs_not_available");
    q.node = "16";
    assert_refused(w, &q, 403, "Node-IDs_not_available");
    q.node = "x";
    assert_refused(w, &q, 403, "Node-IDs_not_available");

    /* The lost answer is repeated; later there is a new certificate for the same Node-ID, whoever of the three asks. */
    q.node = "2";
    struct cert *again = get(w, &q);
    assert_string_equal(cert_serial(again), cert_serial(certs[2]));
    cert_free(again);
    pass(w, 10 * DAY_MS);
    restart(w);
    again = get(w, &q);
    assert_string_not_equal(cert_serial(again), cert_serial(certs[2]));
    assert_true(id_eq(node_id(again), node_id(certs[2])));
    cert_free(again);
    struct cert *renewed =
        get(w, &(struct question){.username = SERVER_ID, .key = w->key, .certificate = cert_der(certs[1])});
    assert_true(id_eq(node_id(renewed), node_id(certs[1])));
    cert_free(renewed);
    q.node = "3";
    assert_refused(w, &q, 403, "Node-IDs_not_available"); /* what the token allowed has outlived the restart */
    for (size_t i = 0; i < 3; i++)
        cert_free(certs[i]);
}

static void test_the_operator_allows_more_node_ids(void **state)
{
    struct world *w = *state;
    char token[128];
    const struct enroll_allowance allowances[] = {{"somebody.else", 16}, {SERVER_ID, 2}};
    add_token(w, "", token);
    struct cert *cert = get(w, &(struct question){.username = SERVER_ID, .password = token, .key = w->key});
    struct question q = {.username = SERVER_ID, .key = w->key, .certificate = cert_der(cert), .node = "1"};
    assert_refused(w, &q, 403, "Node-IDs_not_available");
    w->options.allowances = allowances;
    w->options.allowance_count = 2;
    enroll_set_options(w->enroll, &w->options);
    struct cert *further = get(w, &q);
    assert_false(id_eq(node_id(further), node_id(cert)));
    q.node = "2";
    assert_refused(w, &q, 403, "Node-IDs_not_available");
    w->options.node_ids = 3; /* everybody */
    enroll_set_options(w->enroll, &w->options);
    struct cert *third = get(w, &q);
    cert_free(third);
    cert_free(further);
    cert_free(cert);
}

static void test_a_further_node_id_meets_a_failing_disk(void **state)
{
    struct world *w = *state;
    char token[128];
    add_token(w, ",\"node-ids\":2", token);
    struct cert *cert = get(w, &(struct question){.username = SERVER_ID, .password = token, .key = w->key});
    struct question q = {.username = SERVER_ID, .key = w->key, .certificate = cert_der(cert), .node = "1"};
    memory_store_fail(w->store, 1, ERR_NO_SPACE);
    ask(w, &q);
    memory_store_turn(w->store);
    assert_int_equal(w->status, 503);
    memory_store_fail(w->store, 0, 0);
    struct cert *further = get(w, &q);
    q.node = NULL;
    pass(w, DAY_MS);
    struct cert *renewed = get(w, &q);
    assert_true(id_eq(node_id(renewed), node_id(cert)));
    cert_free(renewed);
    cert_free(further);
    cert_free(cert);
}

/* ---- too late ---- */

static void test_an_expired_certificate_is_renewed_for_its_own_key_only(void **state)
{
    struct world *w = *state;
    char token[128];
    add_token(w, "", token);
    struct cert *cert = get(w, &(struct question){.username = SERVER_ID, .password = token, .key = w->key});
    pass(w, 366 * DAY_MS);
    const struct question by_tls = {.username = SERVER_ID, .key = w->key, .certificate = cert_der(cert)};
    assert_refused(w, &by_tls, 403, "failed_authentication");
    const struct question stolen = {.username = SERVER_ID, .key = w->other_key, .late = cert_der(cert)};
    assert_refused(w, &stolen, 403, "failed_authentication");
    struct question q = {.username = SERVER_ID, .key = w->key, .late = cert_der(cert)};
    struct cert *renewed = get(w, &q);
    assert_true(id_eq(node_id(renewed), node_id(cert)));
    assert_int_equal(enroll_counters(w->enroll)->certificates_renewed_late, 1);
    cert_free(renewed);

    pass(w, 30 * DAY_MS); /* of the first one's grace nothing is left */
    assert_refused(w, &q, 403, "failed_authentication");
    w->options.renew_grace_ms = 0;
    enroll_set_options(w->enroll, &w->options);
    assert_refused(w, &q, 403, "failed_authentication");
    cert_free(cert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_enroll, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expired_and_revoked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_token_is_good_for_one_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_lost_certificate_was_never_acknowledged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failing_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_renewal, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_short_lives_are_renewed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_node_ids_stay_with_the_server, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_tokens_are_limited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_configuration, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_banned_nodes_are_not_renewed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_founding_fails_with_the_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_rows_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_token_arguments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_certificate_for_each_node_id, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_operator_allows_more_node_ids, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_further_node_id_meets_a_failing_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_expired_certificate_is_renewed_for_its_own_key_only, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
