/* Floods against the call agent, and its crash in mid-call, in virtual time. */
#include "agent_stage.h"

#include <stdio.h>

#define FLOOD 60

/* ---- strangers ---- */

static void stranger_asks(struct stage *s, const char *method, unsigned number, const char *address)
{
    char text[1024];
    snprintf(text, sizeof text,
             "%s sip:+49301001234@agent SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK-flood-%u\r\nMax-Forwards: 70\r\n"
             "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: %u\r\nCSeq: 1 %s\r\nContact: <sip:a@b>\r\n"
             "Content-Length: 0\r\n\r\n",
             method, address, number, number, method);
    s->to_strangers[0] = 0;
    stage_send_from(s, AGENT_PBX, address, text);
}

static void strangers_are_refused_without_state(void **state)
{
    struct stage *s = *state;
    stranger_asks(s, "INVITE", 1, "10.0.0.66:5060");
    assert_non_null(strstr(s->to_strangers, "SIP/2.0 403 "));
    assert_int_equal(sip_layer_servers(agent_layer(s->agent)), 0);
    s->to_strangers[0] = 0;
    stage_run(s, 40000);
    assert_string_equal(s->to_strangers, ""); /* nothing is repeated to an address that may be somebody else's */
    stranger_asks(s, "ACK", 1, "10.0.0.66:5060");
    assert_string_equal(s->to_strangers, "");
    stranger_asks(s, "INVITE", 1, "10.0.0.66:5060"); /* it did not hear the answer */
    assert_non_null(strstr(s->to_strangers, "SIP/2.0 403 "));
    assert_int_equal(agent_counters(s->agent)->calls_refused_source, 2);
}

static void strangers_are_dropped_beyond_their_share(void **state)
{
    struct stage *s = *state;
    const struct agent_counters *c = agent_counters(s->agent);
    const unsigned share = s->options.strangers_per_source_max;
    unsigned asked = 0;
    for (unsigned i = 0; i < share + FLOOD; i++) {
        stranger_asks(s, "INVITE", asked++, "10.0.0.66:5060");
        assert_int_equal(s->to_strangers[0] != 0, i < share);
    }
    assert_int_equal(c->strangers_dropped, FLOOD);
    assert_int_equal(c->calls_refused_source, share);
    stranger_asks(s, "INVITE", asked++, "10.0.0.67:5060"); /* others have theirs */
    assert_non_null(strstr(s->to_strangers, "SIP/2.0 403 "));
    /* … until there are as many as there may be of all. */
    for (unsigned i = 0; i < s->options.strangers_max; i++) {
        char address[32];
        snprintf(address, sizeof address, "10.1.%u.%u:5060", i / 200, 1 + i % 200);
        stranger_asks(s, "INVITE", asked++, address);
    }
    assert_int_equal(c->calls_refused_source, s->options.strangers_max);
    assert_int_equal(c->calls_refused_source + c->strangers_dropped, asked);
    /* Those whom we know do not notice. */
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0309999999", &bob, CARRIER_1);
    stage_run(s, 1000);
    stranger_asks(s, "INVITE", asked++, "10.0.0.66:5060");
    assert_non_null(strstr(s->to_strangers, "SIP/2.0 403 "));
}

/* Somebody guesses at responses to requests of ours: they match none, and are not worth an answer. */
static void strangers_answer_what_they_were_not_asked(void **state)
{
    struct stage *s = *state;
    s->to_strangers[0] = 0;
    stage_send_from(s, AGENT_PBX, "10.0.0.66:5060",
                    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKguess\r\nFrom: <sip:a@b>;tag=1\r\n"
                    "To: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContact: <sip:evil@10.0.0.66>\r\n"
                    "Content-Length: 0\r\n\r\n");
    assert_string_equal(s->to_strangers, "");
    assert_int_equal(sip_layer_counters(agent_layer(s->agent))->responses_stray, 1);
}

/* ---- peers that call too much ---- */

static void greedy_peer(void **state)
{
    struct stage *s = *state;
    struct talk ann[3], bob[3], carl, dora;
    s->options.trunks[PBX].calls_max = 2;
    agent_stage_restart(s, false);
    for (unsigned i = 0; i < 2; i++)
        talk_connect(s, &ann[i], PBX, "0309999999", &bob[i], CARRIER_1);
    talk_call(s, &ann[2], PBX, "0309999999");
    talk_heard(&ann[2], "100");
    talk_heard(&ann[2], "503");
    assert_string_equal(stage_field(s, SIP_RETRY_AFTER), "10");
    talk_ack(&ann[2]);
    assert_int_equal(agent_counters(s->agent)->calls_refused_peer, 1);
    assert_int_equal(agent_counters(s->agent)->calls_refused_limit, 0);
    talk_connect(s, &carl, CARRIER_1, "+49301001234", &dora, PBX); /* its limit is not for those who call it */
    talk_request(&ann[0], "BYE", NULL, NULL);
    talk_heard(&ann[0], "200");
    talk_asked(&bob[0], "BYE");
    talk_answer(&bob[0], 200, NULL);
    talk_connect(s, &ann[2], PBX, "0309999999", &bob[2], CARRIER_1);
}

/* Whatever is dialed: what goes on is a URI that everybody can read. */
static void number_without_end(void **state)
{
    struct stage *s = *state;
    struct talk t;
    char user[301] = {0};
    memset(user, '9', sizeof user - 1);
    for (unsigned i = 0; i < 2; i++) {
        talk_call(s, &t, i ? PBX : CARRIER_1, user);
        talk_heard(&t, "100");
        talk_heard(&t, "484");
        talk_ack(&t);
        stage_quiet(s);
    }
}

/* ---- crash in mid-call ---- */

static bool next_vcr(struct stage *s, struct vap_vcr *ret_vcr)
{
    uint64_t token;
    return agent_records_take(s->parts.records, s->now, 0, ret_vcr, &token);
}

static void crash(struct stage *s)
{
    agent_stage_restart(s, true);
    stage_run(s, 1);
}

static void ended_after_a_crash(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    struct vap_vcr vcr;
    talk_connect(s, &ann, PBX, "0309999999", &bob, CARRIER_1);
    const struct wall answered = s->now.wall;
    stage_run(s, 30000);
    crash(s);
    talk_asked(&ann, "BYE");
    talk_asked(&bob, "BYE");
    talk_answer(&ann, 200, NULL);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_DIALOG), 1);
    talk_answer(&bob, 200, NULL);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_DIALOG), 0);
    assert_int_equal(agent_counters(s->agent)->calls_left_over, 1);
    /* The phone network heard of the end now: the record is complete. */
    assert_true(next_vcr(s, &vcr));
    assert_string_equal(vcr.called.text, "+49309999999");
    assert_string_equal(vcr.calling.text, "+49301001234");
    assert_int_equal(vcr.direction, VAP_SENT);
    assert_int_equal(vcr.start_ntp, wall_to_ntp(answered));
    assert_int_equal(vcr.stop_ntp, wall_to_ntp(s->now.wall));
    crash(s);
    stage_quiet(s);
}

/* A call that came from the phone network; its caller hung up while the agent was away, and was told that nobody knew the call. */
static void over_before_the_restart(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    struct vap_vcr vcr;
    talk_connect(s, &bob, CARRIER_2, "+49301001234", &ann, PBX);
    stage_run(s, 30000);
    crash(s);
    talk_asked(&bob, "BYE");
    talk_asked(&ann, "BYE");
    talk_answer(&bob, 481, NULL);
    talk_answer(&ann, 200, NULL);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_DIALOG), 0);
    assert_false(next_vcr(s, &vcr)); /* when it ended nobody knows */
    stage_quiet(s);
}

/* Direct calls have no record; the far side is told goodbye over a new connection, and must show its certificate. */
static void direct_call_at_a_crash(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    struct vap_vcr vcr;
    stage_learn(s, "+49302000001", "b.example");
    talk_connect(s, &ann, PBX, "0302000001", &bob, FAR);
    stage_run(s, 30000);
    crash(s);
    talk_asked(&ann, "BYE");
    talk_answer(&ann, 200, NULL);
    talk_asked(&bob, "BYE");
    assert_string_equal(stage_hop(s)->host, "b.example");
    assert_int_equal(stage_hop(s)->transport, SIP_TLS);
    assert_int_equal(stage_hop(s)->conn, 0);
    talk_answer(&bob, 200, NULL);
    assert_false(next_vcr(s, &vcr));
    assert_int_equal(memory_store_count(s->store, KV_AGENT_DIALOG), 0);
}

/* Crashes again before anybody has answered: both are told once more. When they never answer, that is the end of it. */
static void crash_after_crash(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    struct vap_vcr vcr;
    talk_connect(s, &ann, PBX, "0309999999", &bob, CARRIER_1);
    stage_run(s, 30000);
    crash(s);
    talk_asked(&ann, "BYE");
    talk_answer(&ann, 200, NULL);
    talk_asked(&bob, "BYE");
    crash(s);
    talk_asked(&ann, "BYE");
    talk_answer(&ann, 481, NULL);
    talk_asked(&bob, "BYE");
    s->deaf[CARRIER_1] = true;
    stage_run(s, 40000);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_DIALOG), 0);
    assert_int_equal(agent_counters(s->agent)->calls_left_over, 1);
    assert_false(next_vcr(s, &vcr));
}

/* Whatever was said inside of the call since it was answered: a goodbye has the largest number. */
static void crash_after_requests(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    talk_connect(s, &ann, PBX, "0309999999", &bob, CARRIER_1);
    stage_run(s, 1000);
    for (unsigned i = 0; i < 3; i++) {
        talk_request(&bob, "INFO", NULL, NULL);
        talk_asked(&ann, "INFO");
        talk_answer(&ann, 200, NULL);
        talk_heard(&bob, "200");
    }
    const unsigned cseq = s->message.cseq.number;
    talk_request(&ann, "UPDATE", NULL, NULL);
    talk_asked(&bob, "UPDATE");
    talk_answer(&bob, 200, NULL);
    talk_heard(&ann, "200");
    stage_run(s, 1000);
    crash(s);
    talk_asked(&bob, "BYE");
    assert_true(s->message.cseq.number > cseq);
    talk_answer(&bob, 200, NULL);
    talk_asked(&ann, "BYE");
    talk_answer(&ann, 200, NULL);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_DIALOG), 0);
}

/* Nothing is kept of calls that are over, nor of those that were too short to be kept. */
static void nothing_left(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    for (unsigned i = 0; i < 2; i++) {
        talk_connect(s, &ann, PBX, "0309999999", &bob, CARRIER_1);
        stage_run(s, i ? 100 : 10000);
        assert_int_equal(memory_store_count(s->store, KV_AGENT_DIALOG), !i);
        talk_request(&ann, "BYE", NULL, NULL);
        talk_heard(&ann, "200");
        talk_asked(&bob, "BYE");
        talk_answer(&bob, 200, NULL);
        stage_run(s, 2000);
        assert_int_equal(memory_store_count(s->store, KV_AGENT_DIALOG), 0);
    }
    assert_int_equal(agent_counters(s->agent)->calls_kept, 1);
    crash(s);
    stage_quiet(s);
}

/* Many at once are ended one after the other, as fast as others can take it. */
static void many_calls_at_a_crash(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    for (unsigned i = 0; i < 120; i++)
        talk_connect(s, &ann, PBX, "0309999999", &bob, CARRIER_1);
    stage_run(s, 1000);
    crash(s);
    unsigned told = 0;
    for (; !stage_is_quiet(s, PBX); told++)
        stage_skip(s, PBX);
    assert_in_range(told, 1, 100);
    s->deaf[PBX] = s->deaf[CARRIER_1] = true;
    stage_run(s, 60000);
    assert_int_equal(agent_counters(s->agent)->calls_left_over, 120);
    assert_int_equal(memory_store_count(s->store, KV_AGENT_DIALOG), 0);
}

static void put_row(struct stage *s, struct slice row)
{
    static const uint8_t key[8] = {0, 0, 0, 0, 0, 0, 0, 1};
    const struct kv *kv = memory_store_kv(s->store);
    assert_int_equal(kv_put(kv, KV_AGENT_DIALOG, slice_of(key, sizeof key), row), 0);
    kv_commit(kv, NULL, NULL);
    memory_store_turn(s->store);
}

static void copy_opaque(struct reader *in, unsigned length_octets, struct buf *out)
{
    buf_opaque(out, length_octets, read_opaque(in, length_octets, "row"));
}

/* A row as earlier agents wrote it, with the BYEs themselves. */
static void put_old_row(struct reader *in, uint8_t version, struct buf *out)
{
    struct slice texts[7];
    struct buf bye;
    read_u8(in, "version");
    buf_u8(out, version);
    buf_slice_put(out, read_slice(in, 3, "row"));
    copy_opaque(in, 1, out);
    copy_opaque(in, 1, out);
    buf_slice_put(out, read_slice(in, 8, "row"));
    const uint8_t ends = read_u8(in, "ends");
    if (version > 1)
        buf_u8(out, ends);
    for (unsigned e = 0; e < ends; e++) {
        buf_init(&bye, 1024);
        copy_opaque(in, 1, out);
        buf_slice_put(out, read_slice(in, 3 + 16 + 2, "row"));
        copy_opaque(in, 1, out);
        const uint32_t cseq = read_u32(in, "CSeq");
        buf_u32(out, cseq);
        for (unsigned i = 0; i < 7; i++)
            texts[i] = read_opaque(in, 2, "row");
        buf_printf(&bye, "BYE %.*s SIP/2.0\r\nMax-Forwards: 70\r\nFrom: %.*s;tag=%.*s\r\n", SLICE_PRINT(texts[5]),
                   SLICE_PRINT(texts[3]), SLICE_PRINT(texts[1]));
        buf_printf(&bye, "To: %.*s;tag=%.*s\r\nCall-ID: %.*s\r\nCSeq: %u BYE\r\nContent-Length: 0\r\n\r\n",
                   SLICE_PRINT(texts[4]), SLICE_PRINT(texts[2]), SLICE_PRINT(texts[0]), cseq);
        buf_opaque(out, 2, buf_slice(&bye));
        buf_fini(&bye);
    }
    assert_int_equal(reader_end(in, "row"), 0);
    assert_int_equal(out->err, 0);
}

/* Calls that an earlier agent had when it ended. */
static void rows_of_before(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    struct slice stored;
    static const uint8_t key[8] = {0, 0, 0, 0, 0, 0, 0, 1};
    for (uint8_t version = 1; version <= 2; version++) {
        struct reader in;
        struct buf old;
        talk_connect(s, &ann, PBX, "0309999999", &bob, CARRIER_1);
        stage_run(s, 1000);
        assert_int_equal(kv_get(memory_store_kv(s->store), KV_AGENT_DIALOG, slice_of(key, sizeof key), &stored), 0);
        reader_init(&in, stored);
        buf_init(&old, 4096);
        put_old_row(&in, version, &old);
        put_row(s, buf_slice(&old));
        buf_fini(&old);
        crash(s);
        assert_int_equal(agent_counters(s->agent)->calls_corrupt, 0);
        talk_asked(&ann, "BYE");
        talk_answer(&ann, 200, NULL);
        talk_asked(&bob, "BYE");
        talk_answer(&bob, 200, NULL);
        assert_int_equal(memory_store_count(s->store, KV_AGENT_DIALOG), 0);
        crash(s);
    }
    stage_quiet(s);
}

/* Counted once, and gone: no row that cannot be read is read again at the next start. */
static void corrupt_rows(void **state)
{
    struct stage *s = *state;
    struct talk ann, bob;
    struct slice stored;
    uint8_t row[2048];
    static const uint8_t key[8] = {0, 0, 0, 0, 0, 0, 0, 1};
    talk_connect(s, &ann, PBX, "0309999999", &bob, CARRIER_1);
    stage_run(s, 1000);
    assert_int_equal(kv_get(memory_store_kv(s->store), KV_AGENT_DIALOG, slice_of(key, sizeof key), &stored), 0);
    const size_t n = stored.n;
    assert_in_range(n, 1, sizeof row);
    memcpy(row, stored.p, n);
    for (size_t i = 0; i < n; i++) {
        put_row(s, slice_of(row, i));
        crash(s);
        assert_int_equal(agent_counters(s->agent)->calls_corrupt, 1);
        assert_int_equal(memory_store_count(s->store, KV_AGENT_DIALOG), 0);
    }
    stage_quiet(s);
    put_row(s, slice_of(row, n));
    crash(s);
    assert_int_equal(agent_counters(s->agent)->calls_corrupt, 0);
    talk_asked(&ann, "BYE");
    talk_asked(&bob, "BYE");
    talk_answer(&ann, 200, NULL);
    talk_answer(&bob, 200, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, agent_stage_setup, agent_stage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(strangers_are_refused_without_state),
        TEST(strangers_are_dropped_beyond_their_share),
        TEST(strangers_answer_what_they_were_not_asked),
        TEST(greedy_peer),
        TEST(number_without_end),
        TEST(ended_after_a_crash),
        TEST(over_before_the_restart),
        TEST(direct_call_at_a_crash),
        TEST(crash_after_crash),
        TEST(crash_after_requests),
        TEST(nothing_left),
        TEST(many_calls_at_a_crash),
        TEST(rows_of_before),
        TEST(corrupt_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
