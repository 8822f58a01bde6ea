/* The world of enrollment tests: enroll_world.h. */
#include "enroll_world.h"

#include <stdio.h>
#include <stdlib.h>

void on_answer(void *arg, const struct enroll_answer *answer)
{
    struct world *w = arg;
    w->answers++;
    w->status = answer->status;
    buf_clear(&w->body);
    buf_slice_put(&w->body, answer->body);
    assert_string_equal(answer->content_type, answer->status == 200 ? "application/pkix-cert" : "text/plain");
}

static void no_output(void *arg)
{
    (void)arg;
}

static int make_key(void *arg, struct key **ret_key)
{
    (void)arg;
    return key_generate(KEY_EC_P256, ret_key);
}

void open_core(struct world *w)
{
    const struct enroll_ports ports = {.kv = memory_store_kv(w->store), .entropy = &w->entropy, .make_key = make_key};
    const char *words;
    assert_int_equal(enroll_new(&w->options, &ports, w->now, &w->enroll), 0);
    assert_int_equal(ctl_server_init(&w->ctl, CTL_ENROLL, enroll_handlers, enroll_handler_count, w->enroll, &words), 0);
    w->session = ctl_session_new(&w->ctl, no_output, NULL);
    assert_non_null(w->session);
}

void close_core(struct world *w)
{
    ctl_session_free(w->session);
    enroll_free(w->enroll);
}

void restart(struct world *w)
{
    memory_store_crash(w->store);
    close_core(w);
    open_core(w);
}

static void found(struct world *w)
{
    struct key *authority, *signer;
    int err;
    assert_false(enroll_has_authority(w->enroll));
    assert_int_equal(key_generate(KEY_EC_P256, &authority), 0);
    assert_int_equal(key_generate(KEY_EC_P256, &signer), 0);
    assert_int_equal(enroll_found(w->enroll, w->now, authority, signer), 0);
    assert_false(enroll_settled(w->enroll, &err));
    memory_store_turn(w->store);
    assert_true(enroll_settled(w->enroll, &err));
    assert_int_equal(err, 0);
    assert_true(enroll_has_authority(w->enroll));
    key_free(authority);
    key_free(signer);
}

int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_int_equal(memory_store_new(&w->store), 0);
    w->seeded.state = 99;
    w->entropy = seeded_entropy_port(&w->seeded);
    w->now = (struct now){.mono = {1000000}, .wall = {INT64_C(1790000000000)}};
    w->options = (struct enroll_options){
        .overlay = OVERLAY,
        .certificate_lifetime_ms = 365 * DAY_MS,
        .authority_lifetime_ms = 20 * 365 * DAY_MS,
        .token_lifetime_ms = DAY_MS,
        .failures_max = 3,
        .failures_refill_ms = 1000,
        .renew_grace_ms = 30 * DAY_MS,
    };
    buf_init(&w->body, 1u << 20);
    assert_int_equal(key_generate(KEY_EC_P256, &w->key), 0);
    assert_int_equal(key_generate(KEY_RSA_2048, &w->other_key), 0);
    open_core(w);
    found(w);
    *state = w;
    return 0;
}

int tear_down(void **state)
{
    struct world *w = *state;
    close_core(w);
    memory_store_free(w->store);
    key_free(w->key);
    key_free(w->other_key);
    buf_fini(&w->body);
    free(w);
    return 0;
}

void pass(struct world *w, int64_t ms)
{
    w->now.mono = mono_after_ms(w->now.mono, ms);
    w->now.wall = wall_after_ms(w->now.wall, ms);
}

void command(struct world *w, const char *line)
{
    enroll_set_now(w->enroll, w->now);
    struct slice stale = ctl_session_output(w->session);
    ctl_session_sent(w->session, stale.n);
    assert_int_equal(ctl_session_input(w->session, slice_str(line)), 0);
    assert_int_equal(ctl_session_input(w->session, slice_str("\n")), 0);
}

const char *answer_line(struct world *w)
{
    static char text[1u << 20];
    struct slice output = ctl_session_output(w->session);
    snprintf(text, sizeof text, "%.*s", SLICE_PRINT(output));
    return text;
}

void assert_answer_has(struct world *w, const char *part)
{
    if (!strstr(answer_line(w), part))
        fail_msg("%s is not in %s", part, answer_line(w));
}

void member(struct world *w, const char *name, char *ret_text, size_t octets)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(answer_line(w), key);
    assert_non_null(at);
    at = strchr(at + strlen(key), '"');
    assert_non_null(at);
    snprintf(ret_text, octets, "%.*s", (int)strcspn(at + 1, "\""), at + 1);
}

void add_token(struct world *w, const char *more, char token[128])
{
    char line[512];
    snprintf(line, sizeof line,
             "{\"id\":1,\"command\":[\"enroll\",\"token\",\"add\"],\"args\":{\"server-id\":\"" SERVER_ID "\"%s}}",
             more);
    command(w, line);
    memory_store_turn(w->store);
    assert_answer_has(w, "\"ok\":true");
    member(w, "token", token, 128);
}

void ask(struct world *w, const struct question *q)
{
    struct buf body, csr;
    buf_init(&body, 1u << 16);
    buf_init(&csr, 1u << 14);
    if (q->key)
        assert_int_equal(csr_create(q->key, "whatever", &csr), 0);
    const struct {
        const char *name;
        struct slice value;
    } fields[] = {
        {"username", slice_str(q->username ? q->username : "")},
        {"password", slice_str(q->password ? q->password : "")},
        {"nodeids", slice_str(q->node_ids ? q->node_ids : "1")},
        {"csr", q->key ? buf_slice(&csr) : q->csr},
        {"node", slice_str(q->node ? q->node : "0")},
        {"certificate", q->late},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        buf_printf(&body, "--b\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n", fields[i].name);
        buf_slice_put(&body, fields[i].value);
        buf_str(&body, "\r\n");
    }
    buf_str(&body, "--b--\r\n");
    struct enroll_question question = {
        .content_type = "multipart/form-data; boundary=b",
        .body = buf_slice(&body),
        .client_certificate = q->certificate,
    };
    assert_int_equal(addr_parse(slice_str(q->source ? q->source : "192.0.2.7:5"), 0, &question.source), 0);
    unsigned before = w->answers;
    w->status = 0;
    enroll_ask(w->enroll, w->now, &question, on_answer, w);
    assert_true(w->answers - before <= 1);
    buf_fini(&body);
    buf_fini(&csr);
}

void assert_refused(struct world *w, const struct question *q, int status, const char *reason)
{
    ask(w, q);
    assert_int_equal(w->status, status);
    assert_slice_text(buf_slice(&w->body), reason);
    assert_false(memory_store_waits(w->store));
}

struct cert *given(struct world *w)
{
    struct cert *cert;
    assert_int_equal(w->status, 200);
    assert_int_equal(cert_from_der(buf_slice(&w->body), &cert), 0);
    return cert;
}

struct cert *get(struct world *w, const struct question *q)
{
    ask(w, q);
    memory_store_turn(w->store);
    return given(w);
}

struct id node_id(const struct cert *cert)
{
    struct id ids[2];
    assert_int_equal(cert_node_ids(cert, slice_str(OVERLAY), ids, 2), 1);
    return ids[0];
}

struct config *published(struct world *w)
{
    struct config *config;
    struct config_fault fault;
    int err;
    memory_store_turn(w->store);
    assert_true(enroll_settled(w->enroll, &err));
    assert_int_equal(err, 0);
    assert_int_equal(config_parse(enroll_document(w->enroll), slice_str(OVERLAY), &config, &fault), 0);
    assert_int_equal(config_verify(config, config, w->now.wall), 0);
    return config;
}

void first_edition(struct world *w)
{
    struct addr node = {.family = 4, .port = 6084, .ip = {192, 0, 2, 1}};
    struct slice url = slice_str("https://enroll.example:8443/enroll");
    struct config ring;
    config_init(&ring);
    ring.bootstrap_nodes = &node;
    ring.bootstrap_node_count = 1;
    ring.enrollment_servers = &url;
    ring.enrollment_server_count = 1;
    ring.max_message_size = 65536;
    assert_int_equal(enroll_set_ring(w->enroll, w->now, &ring), 0);
    config_free(published(w));
}
