/* Each allocation of a story fails once. What was refused is told to the caller; whatever happens, each request that was taken ends once and
 * nothing stays. */
#include "sip_stage.h"

#include "base/mem.h"

#define ALLOCATIONS_MAX 2000

static bool is_final(const char *trace)
{
    return strstr(trace, "! 2") || strstr(trace, "! 4") || strstr(trace, "! TIMEOUT");
}

static unsigned finals(const char *trace)
{
    unsigned n = 0;
    for (const char *line = strtok((char *)(uintptr_t)trace, "\n"); line; line = strtok(NULL, "\n"))
        n += is_final(line);
    return n;
}

/* ---- as a client ---- */

static const char request_text[] = "INVITE sip:bob@example.com SIP/2.0\r\nMax-Forwards: 70\r\n"
                                   "From: <sip:alice@example.org>;tag=1\r\nTo: <sip:bob@example.com>\r\n"
                                   "Call-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";

/* The network's side: the answer has its memory. */
static void answer(struct sip_stage *s, unsigned long *fail_at, unsigned status)
{
    struct buf copy;
    if (!s->request.n)
        return;
    buf_init(&copy, 4096);
    buf_printf(&copy, "SIP/2.0 %u Reason\r\nVia: %s\r\n", status, stage_field(buf_slice(&s->request), SIP_VIA));
    buf_str(&copy, strstr(request_text, "From"));
    mem_fail_at(*fail_at);
    sip_layer_input(s->layer, s->now, &s->flow, buf_slice(&copy));
    mem_fail_at(0);
    buf_fini(&copy);
    stage_drain(s);
}

/* The story's part in which memory fails, of four. */
static void play_client(struct sip_stage *s, unsigned part, unsigned long nth)
{
    unsigned long at[4] = {0};
    at[part] = nth;
    stage_start(s, SIP_UDP);
    mem_fail_at(at[0]);
    int err = sip_client_request(s->layer, s->now, &s->hop, "192.0.2.1", slice_str(request_text), 42, &s->client);
    mem_fail_at(0);
    stage_drain(s);
    if (!err) {
        stage_run(s, 700);
        answer(s, &at[1], 180);
        mem_fail_at(at[2]);
        sip_client_cancel(s->layer, s->now, s->client, slice_str("SIP;cause=487"));
        mem_fail_at(0);
        stage_drain(s);
        stage_run(s, 100);
        answer(s, &at[3], 487);
    }
    stage_run(s, 1000000);
    assert_int_equal(finals(stage_trace(s)), err ? 0 : 1);
    assert_int_equal(sip_layer_clients(s->layer), 0);
    assert_true(err == 0 || err == ERR_NO_MEMORY);
    buf_clear(&s->request);
}

static void test_client(void **state)
{
    struct sip_stage *s = *state;
    for (unsigned part = 0; part < 4; part++)
        for (unsigned long nth = 1; nth <= 20; nth++)
            play_client(s, part, nth);
}

/* ---- as a server ---- */

static const char invite_text[] = "INVITE sip:a@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n"
                                  "From: <sip:b@example.com>;tag=1\r\nTo: <sip:a@example.org>\r\nCall-ID: 1\r\n"
                                  "CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
static const char cancel_text[] = "CANCEL sip:a@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n"
                                  "From: <sip:b@example.com>;tag=1\r\nTo: <sip:a@example.org>\r\nCall-ID: 1\r\n"
                                  "CSeq: 1 CANCEL\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n";

static void arrive(struct sip_stage *s, const char *text, unsigned long fail_at)
{
    mem_fail_at(fail_at);
    sip_layer_input(s->layer, s->now, &s->flow, slice_str(text));
    mem_fail_at(0);
    stage_drain(s);
}

static int respond(struct sip_stage *s, unsigned status, unsigned long fail_at)
{
    struct buf out;
    const struct sip_message *request = sip_server_request(s->layer, s->server);
    if (!request)
        return ERR_NOT_FOUND;
    buf_init(&out, 4096);
    sip_begin_answer(&out, request, status, NULL, sip_server_tag(s->layer, s->server));
    sip_end(&out, slice_of(NULL, 0));
    mem_fail_at(fail_at);
    int err = sip_server_respond(s->layer, s->now, s->server, buf_slice(&out));
    mem_fail_at(0);
    buf_fini(&out);
    stage_drain(s);
    return err;
}

/* The other side repeats what gets no answer, and the user what did not succeed. */
static void play_server(struct sip_stage *s, unsigned part, unsigned long nth)
{
    unsigned long at[5] = {0};
    at[part] = nth;
    s->server = 0;
    stage_start(s, SIP_UDP);
    arrive(s, invite_text, at[0]);
    mem_fail_at(at[1]);
    stage_run(s, 200); /* 100 */
    mem_fail_at(0);
    arrive(s, invite_text, 0);
    assert_true(s->server);
    if (respond(s, 180, at[2]))
        assert_int_equal(respond(s, 180, 0), 0);
    arrive(s, cancel_text, at[3]);
    arrive(s, cancel_text, 0);
    if (respond(s, 487, at[4]))
        assert_int_equal(respond(s, 487, 0), 0);
    stage_run(s, 60000);
    const char *trace = stage_trace(s);
    assert_non_null(strstr(trace, "! INVITE\n"));
    assert_non_null(strstr(trace, "> 180\n"));
    assert_non_null(strstr(trace, "! CANCEL\n"));
    assert_non_null(strstr(trace, "> 200\n"));
    assert_non_null(strstr(trace, "> 487\n"));
    assert_non_null(strstr(trace, "ACK_MISSING\n"));
    assert_int_equal(sip_layer_servers(s->layer), 0);
}

static void test_server(void **state)
{
    struct sip_stage *s = *state;
    for (unsigned part = 0; part < 5; part++)
        for (unsigned long nth = 1; nth <= 20; nth++)
            play_server(s, part, nth);
}

static void test_beginning(void **state)
{
    struct sip_stage *s = *state;
    struct sip_layer *l = NULL;
    unsigned long nth = 1;
    for (; nth < ALLOCATIONS_MAX && !l; nth++) {
        mem_fail_at(nth);
        int err = sip_layer_new(&s->config, &s->entropy, NULL, &l);
        mem_fail_at(0);
        assert_int_equal(err, l ? 0 : ERR_NO_MEMORY);
    }
    assert_true(nth > 3);
    sip_layer_free(l);
    s->config.t1_ms = 0;
    assert_int_equal(sip_layer_new(&s->config, &s->entropy, NULL, &l), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_client, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_server, stage_setup, stage_teardown),
        cmocka_unit_test_setup_teardown(test_beginning, stage_setup, stage_teardown),
    };
    return cmocka_run_group_tests_name("sip transactions without memory", tests, NULL, NULL);
}
