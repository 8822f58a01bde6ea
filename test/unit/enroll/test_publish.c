/* The ring's configuration and its bans, as the operator of the signer changes them: published, refused, kept over restarts. */
#include "enroll_world.h"

#include <stdio.h>

/* The present document as people edit it, with one text replaced. */
static void editable(struct world *w, const char *what, const char *by, struct buf *ret_text)
{
    struct config *c = published(w);
    struct buf text;
    buf_init(&text, 1u << 18);
    assert_int_equal(config_format(c, &text), 0);
    const char *all = buf_text(&text), *at = strstr(all, what);
    assert_non_null(at);
    buf_put(ret_text, all, (size_t)(at - all));
    buf_str(ret_text, by);
    buf_str(ret_text, at + strlen(what));
    buf_fini(&text);
    config_free(c);
}

/* Sends `ring config publish` with a file. */
static void publish(struct world *w, const char *file, const char *more)
{
    struct buf line;
    buf_init(&line, 1u << 18);
    buf_str(&line, "{\"id\":1,\"command\":[\"ring\",\"config\",\"publish\"],\"args\":{\"file\":\"");
    for (; *file; file++) {
        if (*file == '\n')
            buf_str(&line, "\\n");
        else if (*file == '"' || *file == '\\')
            buf_printf(&line, "\\%c", *file);
        else
            buf_u8(&line, (uint8_t)*file);
    }
    buf_printf(&line, "\"%s}}", more);
    command(w, buf_text(&line));
    buf_fini(&line);
    memory_store_turn(w->store);
}

static void publish_edited(struct world *w, const char *what, const char *by)
{
    struct buf text;
    buf_init(&text, 1u << 18);
    editable(w, what, by, &text);
    publish(w, buf_text(&text), "");
    buf_fini(&text);
}

#define END "  </configuration>"

static void test_publishing(void **state)
{
    struct world *w = *state;
    struct config *c;
    first_edition(w);
    publish_edited(w, END, "<ime:message-of-the-day>Be well</ime:message-of-the-day>" END);
    assert_answer_has(w, "\"ok\":true");
    assert_answer_has(w, "\"sequence\":2");
    assert_answer_has(w, "\"change\":\"added\",\"line\":\"<ime:message-of-the-day>Be well</ime:message-of-the-day>\"");
    restart(w);
    c = published(w);
    assert_int_equal(c->sequence, 2);
    assert_slice_text(c->message_of_the_day, "Be well");
    config_free(c);

    /* What says the same is not another edition; what is tried only, neither. */
    publish_edited(w, END, END);
    assert_answer_has(w, "nothing is published");
    struct buf text;
    buf_init(&text, 1u << 18);
    editable(w, "Be well", "Be better", &text);
    publish(w, buf_text(&text), ",\"dry-run\":true");
    assert_answer_has(w, "sequence 3 would be published");
    assert_answer_has(w,
                      "\"change\":\"removed\",\"line\":\"<ime:message-of-the-day>Be well</ime:message-of-the-day>\"");
    assert_int_equal(enroll_sequence(w->enroll), 2);

    /* What the disk refuses has not happened. */
    memory_store_fail(w->store, 1, ERR_NO_SPACE);
    publish(w, buf_text(&text), "");
    assert_answer_has(w, "\"code\":\"no_space\"");
    assert_int_equal(enroll_sequence(w->enroll), 2);
    publish(w, buf_text(&text), "");
    assert_answer_has(w, "\"sequence\":3");
    buf_fini(&text);

    /* A sequence of one's own, for a signer that knows less than its ring. */
    publish_edited(w, "<configuration ", "<configuration sequence=\"40\" ");
    assert_answer_has(w, "\"sequence\":40");
    publish_edited(w, "Be better", "Be good");
    assert_answer_has(w, "\"sequence\":41");
}

/* The settings make the first edition, and the next one only when they change themselves. */
static void test_a_restart_does_not_undo_what_was_published(void **state)
{
    struct world *w = *state;
    first_edition(w);
    publish_edited(w, "<ime:quota>10000<", "<ime:quota>20000<");
    restart(w);
    first_edition(w);
    struct config *c = published(w);
    assert_int_equal(c->sequence, 2);
    assert_int_equal(c->quota, 20000);
    config_free(c);
}

static void test_what_is_not_published(void **state)
{
    struct world *w = *state;
    struct config *c;
    struct buf text;
    buf_init(&text, 1u << 18);
    first_edition(w);
    c = published(w);
    buf_slice_put(&text, c->document);
    publish(w, buf_text(&text), "");
    assert_answer_has(w, "it is signed already, by this signer");
    char *forged = mem_strdup(buf_text(&text));
    memcpy(strstr(forged, "sequence=\"1\""), "sequence=\"9\"", 12);
    publish(w, forged, "");
    assert_answer_has(w, "it is signed by somebody else");
    mem_free(forged);
    config_free(c);
    static const struct {
        const char *what, *by, *answer;
    } cases[] = {
        {"<configuration ", "<configuration sequence=\"1\" ", "sequence 1 is not newer than 1, which is in use"},
        {"<configuration ", "<configuration sequence=\"40000\" ", "sequence 40000 is not newer"},
        {"instance-name=\"ime.example\"", "instance-name=\"other.example\"",
         "instance-name must be \\\"ime.example\\\""},
        {"<root-cert>", "<root-cert>AAAA</root-cert><!--", "line "},
        {"<no-ice>false", "<no-ice>perhaps", "true, false, 1 or 0"},
        {"<bootstrap-node address=\"192.0.2.1\" port=\"6084\"/>", "", "no bootstrap-node"},
        {"<enrollment-server>https://enroll.example:8443/enroll</enrollment-server>", "", "no enrollment-server"},
        {END, "<quota>5</quota>" END, "an element that this version does not know"},
        {"<configuration ", "<configuration expiration=\"2020-01-01T00:00:00Z\" ", "expiration is in the past"},
        {"<max-message-size>65536<", "<max-message-size>5000<", "would not fit into max-message-size"},
        {"</overlay>", "", "an element without its end"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        publish_edited(w, cases[i].what, cases[i].by);
        assert_answer_has(w, "\"ok\":false");
        assert_answer_has(w, cases[i].answer);
    }
    assert_int_equal(enroll_sequence(w->enroll), 1);
    buf_fini(&text);
}

/* A configuration whose root-cert, signer or Kinds are not this ring's. */
static void test_a_foreign_configuration_is_not_published(void **state)
{
    struct world *w = *state;
    first_edition(w);
    struct config *present = published(w), c = *present;
    struct slice root = slice_str("another authority");
    struct id other = {{7}};
    struct buf text;
    buf_init(&text, 1u << 18);
    c.root_certs = &root;
    assert_int_equal(config_format(&c, &text), 0);
    publish(w, buf_text(&text), "");
    assert_answer_has(w, "this ring's authority is not among");
    c = *present;
    c.configuration_signers = &other;
    buf_clear(&text);
    assert_int_equal(config_format(&c, &text), 0);
    publish(w, buf_text(&text), "");
    assert_answer_has(w, "this signer is not among its configuration-signer");
    c = *present;
    c.kinds.n = 0;
    buf_clear(&text);
    assert_int_equal(config_format(&c, &text), 0);
    publish(w, buf_text(&text), "");
    assert_answer_has(w, "VIPR-REGISTRATION");
    buf_fini(&text);
    config_free(present);
}

static void ring_command(struct world *w, const char *word, const char *who, const char *reason)
{
    char line[512];
    snprintf(line, sizeof line, "{\"id\":1,\"command\":[\"ring\",\"%s\"],\"args\":{\"who\":\"%s\"%s%s%s}}", word, who,
             reason ? ",\"reason\":\"" : "", reason ? reason : "", reason ? "\"" : "");
    command(w, line);
    memory_store_turn(w->store);
}

static void test_ban_and_unban(void **state)
{
    struct world *w = *state;
    char token[128], hex[ID_HEX_OCTETS];
    struct config *c;
    first_edition(w);
    add_token(w, ",\"node-ids\":2", token);
    struct question q = {.username = SERVER_ID, .password = token, .key = w->key, .node_ids = "2"};
    struct cert *cert = get(w, &q);
    struct question renewal = {.username = SERVER_ID, .key = w->key, .certificate = cert_der(cert)};
    ring_command(w, "ban", "ime9.a.example", "who is it");
    assert_answer_has(w, "no server of this ID has a certificate");
    ring_command(w, "unban", SERVER_ID, NULL);
    assert_answer_has(w, "it is not banned");

    /* By one of its Node-IDs: all of them are banned. */
    struct id ids[2];
    assert_int_equal(cert_node_ids(cert, slice_str(OVERLAY), ids, 2), 2);
    id_format(ids[1], hex);
    ring_command(w, "ban", hex, "floods the ring");
    assert_answer_has(w, SERVER_ID " is banned: 2 Node-IDs");
    c = published(w);
    assert_int_equal(c->sequence, 2);
    assert_int_equal(c->bad_node_count, 2);
    assert_int_equal(c->ban_count, 2);
    assert_slice_text(c->bans[0].server_id, SERVER_ID);
    assert_slice_text(c->bans[1].reason, "floods the ring");
    assert_int_equal(c->bans[0].at.ms, w->now.wall.ms / 1000 * 1000);
    config_free(c);
    assert_refused(w, &renewal, 403, "failed_authentication");
    restart(w);
    assert_refused(w, &renewal, 403, "failed_authentication");
    command(w, "{\"id\":1,\"command\":[\"ring\",\"bans\"]}");
    assert_answer_has(w, "\"reason\":\"floods the ring\"");

    /* A fresh token does not help; nor does publishing another configuration end it. */
    char another[128];
    add_token(w, "", another);
    struct question again = {.username = SERVER_ID, .password = another, .key = w->other_key};
    assert_refused(w, &again, 403, "failed_authentication");
    publish_edited(w, "<ime:quota>10000<", "<ime:quota>10001<");
    c = published(w);
    assert_int_equal(c->bad_node_count, 2);
    config_free(c);
    ring_command(w, "ban", SERVER_ID, "still floods");
    c = published(w);
    assert_int_equal(c->ban_count, 2);
    assert_slice_text(c->bans[0].reason, "still floods");
    config_free(c);

    ring_command(w, "unban", hex, NULL);
    assert_answer_has(w, SERVER_ID " is not banned anymore");
    c = published(w);
    assert_int_equal(c->bad_node_count, 0);
    assert_int_equal(c->ban_count, 0);
    config_free(c);
    cert_free(get(w, &renewal));
    cert_free(cert);
}

/* A Node-ID that this authority never gave, and bans whose certificates have ended. */
static void test_bans_of_strangers_and_of_the_past(void **state)
{
    struct world *w = *state;
    char token[128];
    first_edition(w);
    ring_command(w, "ban", "000102030405060708090a0b0c0d0e0f", "from before");
    assert_answer_has(w, "\"ok\":true");
    add_token(w, "", token);
    struct question q = {.username = SERVER_ID, .password = token, .key = w->key};
    cert_free(get(w, &q));
    ring_command(w, "ban", SERVER_ID, "floods");
    struct config *c = published(w);
    assert_int_equal(c->bad_node_count, 2);
    config_free(c);
    pass(w, 366 * DAY_MS + w->options.renew_grace_ms);
    publish_edited(w, "<ime:quota>10000<", "<ime:quota>10001<");
    c = published(w);
    assert_int_equal(c->bad_node_count, 1);
    config_free(c);
    ring_command(w, "ban", SERVER_ID, "floods");
    assert_answer_has(w, "all of its certificates have expired");
    ring_command(w, "unban", "000102030405060708090A0B0C0D0E0F", NULL);
    assert_answer_has(w, "\"ok\":true");
}

/* More lines than anybody reads: the first thousand, and how many there are besides. */
static void test_very_many_differences(void **state)
{
    struct world *w = *state;
    struct buf nodes;
    buf_init(&nodes, 1u << 18);
    first_edition(w);
    for (unsigned i = 0; i < 1500; i++)
        buf_printf(&nodes, "<bad-node>%032x</bad-node>\n", i + 1);
    buf_str(&nodes, END);
    struct buf text;
    buf_init(&text, 1u << 18);
    editable(w, "<max-message-size>65536<", "<max-message-size>600000<", &text);
    publish(w, buf_text(&text), "");
    buf_clear(&text);
    editable(w, END, buf_text(&nodes), &text);
    publish(w, buf_text(&text), ",\"dry-run\":true");
    assert_answer_has(w, "\"differences_not_shown\":500");
    assert_answer_has(w, "000003e8</bad-node>\""); /* the thousandth */
    assert_null(strstr(answer_line(w), "000003e9</bad-node>\""));
    buf_fini(&text);
    buf_fini(&nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_very_many_differences, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_publishing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_restart_does_not_undo_what_was_published, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_not_published, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_foreign_configuration_is_not_published, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ban_and_unban, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bans_of_strangers_and_of_the_past, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
