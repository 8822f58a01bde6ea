/* Offers and answers of one party, and what it makes of those of the other one. */
#include "pstn/party.h"
#include "testing.h"

#include <stdio.h>

#define HEAD(version) "v=0\r\no=- 77 " version " IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
#define AUDIO(port) "m=audio " port " RTP/AVP 0 8 96\r\na=rtpmap:96 telephone-event/8000\r\n"
#define VIDEO(port) "m=video " port " RTP/AVP 120\r\na=rtpmap:120 H264/90000\r\n"

struct bench {
    struct pstn_party party;
    struct region region;
    struct buf out;
};

static struct addr at(const char *text)
{
    struct addr addr;
    assert_int_equal(addr_parse(slice_str(text), 0, &addr), 0);
    return addr;
}

static int setup(void **state)
{
    static struct bench b;
    const struct addr audio = at("10.0.0.1:4000"), video = at("10.0.0.1:4002");
    pstn_party_init(&b.party, &audio, &video, 5);
    region_init(&b.region, 1 << 20);
    buf_init(&b.out, 8192);
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    pstn_party_fini(&b->party);
    region_fini(&b->region);
    buf_fini(&b->out);
    return 0;
}

static int answer(struct bench *b, const char *offer)
{
    return pstn_party_answer(&b->party, &b->region, slice_str(offer), &b->out);
}

static void offers_everything(void **state)
{
    struct bench *b = *state;
    assert_int_equal(pstn_party_offer(&b->party, &b->out), 0);
    assert_string_equal(buf_text(&b->out),
                        "v=0\r\no=- 5 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
                        "m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
                        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n"
                        "m=video 4002 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n"
                        "a=fmtp:99 profile-level-id=42e01f;packetization-mode=1\r\na=sendrecv\r\n");
    assert_false(pstn_party_speaks(&b->party));
    assert_int_equal(pstn_party_hear(&b->party, &b->region, slice_str(HEAD("1") AUDIO("5000") VIDEO("0"))), 0);
    assert_true(pstn_party_speaks(&b->party) && pstn_party_listens(&b->party));
    assert_false(pstn_party_shows(&b->party));
    assert_int_equal(b->party.law, PSTN_ULAW);
    assert_int_equal(b->party.far_events, 96);
    assert_int_equal(b->party.far.at.port, 5000);
    assert_int_equal(b->party.faults, 0);
}

/* In the other one's order, with its payload types; what is none of ours is refused in its place. */
static void answers_in_place(void **state)
{
    struct bench *b = *state;
    assert_int_equal(
        answer(b, HEAD("1") "m=application 9 UDP/BFCP *\r\n" AUDIO("5000") "m=audio 5004 RTP/AVP 8\r\n" VIDEO("5002")),
        0);
    assert_string_equal(buf_text(&b->out),
                        "v=0\r\no=- 5 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
                        "m=application 0 UDP/BFCP *\r\n"
                        "m=audio 4000 RTP/AVP 0 8 96\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
                        "a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\na=sendrecv\r\n"
                        "m=audio 0 RTP/AVP 8\r\n"
                        "m=video 4002 RTP/AVP 120\r\na=rtpmap:120 H264/90000\r\n"
                        "a=fmtp:120 profile-level-id=42e01f;packetization-mode=1\r\na=sendrecv\r\n");
    assert_true(pstn_party_speaks(&b->party) && pstn_party_shows(&b->party));
    assert_int_equal(b->party.far_video.type, 120);
    /* What it offers itself later has the same streams, and the same payload types. */
    assert_int_equal(pstn_party_offer(&b->party, &b->out), 0);
    assert_non_null(strstr(buf_text(&b->out), "\r\nm=application 0 UDP/BFCP *\r\nm=audio 4000 RTP/AVP 8 0 96\r\n"));
    assert_non_null(strstr(buf_text(&b->out), "\r\no=- 5 2 IN"));
}

static void refuses(void **state)
{
    struct bench *b = *state;
    assert_int_equal(answer(b, "v=1\r\n"), ERR_SYNTAX);
    assert_int_equal(answer(b, HEAD("1") VIDEO("5002")), ERR_CONFLICT);
    assert_int_equal(answer(b, HEAD("1") "m=audio 5000 RTP/AVP 18\r\n"), ERR_CONFLICT);
    assert_int_equal(answer(b, HEAD("1") "m=audio 5000 RTP/SAVP 8\r\n"), ERR_CONFLICT);
    assert_int_equal(answer(b, HEAD("1") AUDIO("0")), ERR_CONFLICT);
    assert_int_equal(b->party.version, 0);
}

static void directions(void **state)
{
    static const struct {
        const char *offered, *answered;
        bool speaks, listens;
    } rows[] = {{"a=sendrecv\r\n", "a=sendrecv\r\n", true, true},
                {"a=sendonly\r\n", "a=recvonly\r\n", false, true},
                {"a=recvonly\r\n", "a=sendonly\r\n", true, false},
                {"a=inactive\r\n", "a=inactive\r\n", false, false}};
    struct bench *b = *state;
    char offer[512];
    for (unsigned i = 0; i < 4; i++) {
        snprintf(offer, sizeof offer, HEAD("%u") AUDIO("5000") "%s", i + 1, rows[i].offered);
        assert_int_equal(answer(b, offer), 0);
        assert_non_null(strstr(buf_text(&b->out), rows[i].answered));
        assert_int_equal(pstn_party_speaks(&b->party), rows[i].speaks);
        assert_int_equal(pstn_party_listens(&b->party), rows[i].listens);
    }
    b->party.wants.receives = false; /* we hold as well */
    assert_int_equal(answer(b, HEAD("9") AUDIO("5000") "a=sendrecv\r\n"), 0);
    assert_non_null(strstr(buf_text(&b->out), "a=sendonly\r\n"));
    assert_int_equal(answer(b, HEAD("10") "m=audio 5000 RTP/AVP 8\r\nc=IN IP4 0.0.0.0\r\n"),
                     0); /* RFC 3264 8.4, the old way */
    assert_false(pstn_party_speaks(&b->party));
}

/* Ours goes up with each change, and only then; that of the other one must. */
static void versions(void **state)
{
    struct bench *b = *state;
    assert_int_equal(answer(b, HEAD("1") AUDIO("5000")), 0);
    assert_int_equal(answer(b, HEAD("1") AUDIO("5000")), 0); /* a session timer's */
    assert_non_null(strstr(buf_text(&b->out), "\r\no=- 5 1 IN"));
    assert_int_equal(answer(b, HEAD("2") AUDIO("5010") VIDEO("5012")), 0);
    assert_non_null(strstr(buf_text(&b->out), "\r\no=- 5 2 IN"));
    assert_int_equal(b->party.faults, 0);
    assert_int_equal(answer(b, HEAD("2") AUDIO("5020") VIDEO("0")),
                     0); /* not under that version: nothing has changed */
    assert_int_equal(b->party.faults, 1);
    assert_int_equal(b->party.far.at.port, 5010);
    assert_true(pstn_party_shows(&b->party));
    assert_int_equal(answer(b, HEAD("3") AUDIO("5020") VIDEO("0")), 0); /* video goes, audio stays */
    assert_int_equal(b->party.faults, 1);
    assert_int_equal(b->party.far.at.port, 5020);
    assert_false(pstn_party_shows(&b->party));
    assert_non_null(strstr(buf_text(&b->out), "\r\nm=video 0 RTP/AVP 120\r\n"));
    assert_int_equal(answer(b, HEAD("5") AUDIO("5030") VIDEO("0")), 0); /* one was left out */
    assert_int_equal(answer(b, HEAD("6") AUDIO("5040")), 0);            /* a stream was left out */
    assert_int_equal(b->party.faults, 3);
    assert_int_equal(b->party.far.at.port, 5040);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(offers_everything), CASE(answers_in_place), CASE(refuses), CASE(directions), CASE(versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
