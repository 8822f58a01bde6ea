/* A call as octets: another edge goes on with it, numbers, targets and keys included; what is damaged is refused. */
#include "edge_stage.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASE(name) cmocka_unit_test_setup_teardown(name, edge_stage_setup, edge_stage_teardown)

struct rows {
    uint8_t octets[65536];
    size_t n;
    unsigned count;
};

static void keep(void *ctx, struct slice row)
{
    struct rows *rows = ctx;
    assert_true(row.n <= sizeof rows->octets);
    memcpy(rows->octets, row.p, row.n);
    rows->n = row.n;
    rows->count++;
}

/* The process has died, and another one begins. */
static void replace(struct stage *s)
{
    edge_free(s->edge);
    s->session_count = s->open_count = s->closed_count = 0; /* of what the old one has closed */
    assert_int_equal(edge_new(&s->options, &s->ports, s->now, &s->edge), 0);
    for (unsigned i = 0; i < PEERS; i++)
        s->conns[i] += 100;
}

static void goes_on(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    struct rows *rows = calloc(1, sizeof *rows), *again = calloc(1, sizeof *again);
    struct media_event event = {.kind = MEDIA_QUALITY, .figures = {.is_bad = true}};
    struct fault fault = {0};
    talk_call_with(s, &bob, FAR, stage_good_ticket(s));
    talk_asked_first(s, &ann, AGENT, "INVITE");
    talk_accept(&bob, &ann);
    stage_media(s, &event); /* shifts numbers */
    talk_asked(&ann, "REFER");
    talk_answer(&ann, 202, NULL);
    assert_int_equal(edge_each_call(s->edge, s->now, keep, rows), 0);
    assert_int_equal(rows->count, 1);
    replace(s);
    assert_int_equal(edge_take_call(s->edge, s->now, slice_of(rows->octets, rows->n), &fault), 0);
    assert_int_equal(edge_take_call(s->edge, s->now, slice_of(rows->octets, rows->n), &fault), ERR_EXISTS);
    assert_int_equal(edge_each_call(s->edge, s->now, keep, again), 0);
    assert_slice_equal(slice_of(again->octets, again->n), slice_of(rows->octets, rows->n));
    s->sessions[0] = (struct stage_session){.id = event.session, .is_open = true}; /* taken over as well */
    s->session_count = s->open_count = 1;
    talk_request(&ann, "INFO", NULL, NULL); /* the far edge has to be connected to anew */
    talk_asked(&bob, "INFO");
    assert_int_equal(s->taken->hop.side, EDGE_FIRST_DOMAIN);
    assert_string_equal(s->taken->hop.host, "b.example");
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    const unsigned sent = bob.cseq + 1;
    talk_request(&bob, "INFO", NULL, NULL);
    talk_asked(&ann, "INFO");
    assert_true(s->message.cseq.number > sent);
    talk_answer(&ann, 200, NULL);
    talk_heard(&bob, "200");
    talk_request(&bob, "INVITE", NULL, stage_secure_sdp);
    talk_asked(&ann, "INVITE");
    talk_accept(&bob, &ann);
    assert_int_equal(s->sessions[0].sets, 1);
    talk_bye(&bob, &ann);
    assert_int_equal(s->open_count, 0);
    free(rows);
    free(again);
}

/* What had no media gets some at the edge that goes on. */
static void described_later(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    struct rows *rows = calloc(1, sizeof *rows);
    struct fault fault = {0};
    talk_ask(s, &bob, FAR, "INVITE", stage_good_ticket(s), NULL);
    talk_asked_first(s, &ann, AGENT, "INVITE");
    const char *const sdp = ann.sdp;
    ann.sdp = NULL;
    talk_accept(&bob, &ann);
    assert_int_equal(edge_each_call(s->edge, s->now, keep, rows), 0);
    replace(s);
    assert_int_equal(edge_take_call(s->edge, s->now, slice_of(rows->octets, rows->n), &fault), 0);
    ann.sdp = sdp;
    talk_request(&bob, "INVITE", NULL, stage_secure_sdp);
    talk_asked(&ann, "INVITE");
    talk_accept(&bob, &ann);
    assert_int_equal(s->open_count, 1);
    assert_int_equal(s->sessions[0].sets, 1);
    talk_bye(&bob, &ann);
    assert_int_equal(s->open_count, 0);
    free(rows);
}

/* Each prefix, each octet changed, each allocation refused: an error, or a call in good order; never a crash, never anything left. */
static void damaged(void **state)
{
    struct stage *s = *state;
    struct talk bob, ann;
    struct rows *rows = calloc(1, sizeof *rows);
    struct edge *other;
    struct fault fault;
    unsigned taken = 0;
    talk_connect(s, &bob, FAR, &ann, AGENT);
    assert_int_equal(edge_each_call(s->edge, s->now, keep, rows), 0);
    for (size_t n = 0; n < rows->n; n++) {
        uint8_t *copy = malloc(n + 1);
        memcpy(copy, rows->octets, n);
        assert_int_equal(edge_new(&s->options, &s->ports, s->now, &other), 0);
        assert_true(edge_take_call(other, s->now, slice_of(copy, n), &fault) < 0);
        assert_non_null(fault.rule);
        edge_free(other);
        free(copy);
    }
    s->ports.media = NULL; /* numbers of sessions that nobody has opened */
    for (size_t i = 0; i < rows->n; i++) {
        rows->octets[i] ^= 0x41;
        assert_int_equal(edge_new(&s->options, &s->ports, s->now, &other), 0);
        taken += edge_take_call(other, s->now, slice_of(rows->octets, rows->n), &fault) == 0;
        edge_free(other);
        rows->octets[i] ^= 0x41;
    }
    assert_true(taken > 0 && taken < rows->n); /* a digit in a number is as good as another one */
    for (unsigned i = 1;; i++) {
        assert_int_equal(edge_new(&s->options, &s->ports, s->now, &other), 0);
        mem_fail_at(i);
        const int err = edge_take_call(other, s->now, slice_of(rows->octets, rows->n), &fault);
        mem_fail_at(0);
        edge_free(other);
        if (!err)
            break;
        assert_true(err == ERR_NO_MEMORY || err == ERR_LIMIT);
        assert_true(i < 1000);
    }
    s->ports.media = &s->media;
    talk_bye(&bob, &ann);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(goes_on), CASE(described_later), CASE(damaged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
