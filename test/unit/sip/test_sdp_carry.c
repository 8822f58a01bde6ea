/* Audio that moves between sessions: what a phone is told then is a next description of its own session, and what is told later goes on from there. */
#include "testing.h"

#include "sip/sdp_carry.h"

#include <stdio.h>
#include <stdlib.h>

/* A phone's session with audio and video, as the far phone described it. */
static const char ime[] =
    "v=0\r\no=far 77 5 IN IP4 198.51.100.9\r\ns=call\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\n"
    "a=group:BUNDLE a v\r\n"
    "m=audio 5000 RTP/AVP 96 8 101\r\na=mid:a\r\na=rtpmap:96 opus/48000/2\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
    "m=video 5002 RTP/AVPF 97 98\r\na=mid:v\r\na=rtpmap:97 VP8/90000\r\na=rtpmap:98 H264/90000\r\n";

/* What the trunk answered. */
static const char trunk[] =
    "v=0\r\no=gw 4 4 IN IP4 203.0.113.7\r\ns=-\r\nc=IN IP4 203.0.113.7\r\nt=0 0\r\na=sendonly\r\n"
    "a=ice-lite\r\n"
    "m=audio 7000 RTP/AVP 8 100\r\nb=AS:80\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:100 telephone-event/8000\r\na=fmtp:100 0-15\r\na=ptime:20\r\n"
    "a=ice-ufrag:abcd\r\na=candidate:1 1 UDP 1 203.0.113.7 7000 typ host\r\na=mid:x\r\n"
    "a=extmap:1 urn:x\r\na=rtcp-mux\r\na=rtcp-fb:8 nack\r\n";

static const struct addr ours = {.family = 4, .port = 20004, .ip = {192, 0, 2, 1}};

struct stage {
    struct region region;
    struct buf out;
    struct sip_sdp_told told;
};

static int setup(void **state)
{
    struct stage *s = calloc(1, sizeof *s);
    region_init(&s->region, 1 << 20);
    buf_init(&s->out, 1 << 16);
    sip_sdp_told_init(&s->told);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct stage *s = *state;
    sip_sdp_told_fini(&s->told);
    buf_fini(&s->out);
    region_fini(&s->region);
    free(s);
    return 0;
}

static struct sip_sdp read(struct stage *s, struct slice text)
{
    struct sip_sdp sdp;
    struct slice copy = region_copy(&s->region, text);
    assert_int_equal(sip_sdp_parse(&s->region, copy, &sdp, NULL), 0);
    return sdp;
}

static struct sip_sdp read_text(struct stage *s, const char *text)
{
    return read(s, slice_str(text));
}

/* What was written last; it was noted. */
static struct sip_sdp written(struct stage *s)
{
    assert_slice_equal(buf_slice(&s->out), sip_sdp_told_text(&s->told));
    return read(s, buf_slice(&s->out));
}

static bool has(const struct sip_sdp *sdp, const char *text)
{
    char whole[8192];
    snprintf(whole, sizeof whole, "%.*s", SLICE_PRINT(sdp->octets));
    return strstr(whole, text) != NULL;
}

static void check_next(const struct sip_sdp *before, const struct sip_sdp *next)
{
    struct fault fault = {0};
    int err = sip_sdp_check_next(before, next, &fault);
    if (err)
        print_message("octet %zu: %s\n", fault.octet, fault.rule);
    assert_int_equal(err, 0);
}

/* ---- offers ---- */

static void test_offer(void **state)
{
    struct stage *s = *state;
    struct sip_sdp before = read_text(s, ime), from = read_text(s, trunk);
    assert_int_equal(sip_sdp_carry_offer(&s->told, &s->region, &from, &s->out, NULL), ERR_WRONG_STATE);
    assert_int_equal(sip_sdp_told_note(&s->told, slice_str(ime)), 0);
    assert_int_equal(sip_sdp_carry_offer(&s->told, &s->region, &from, &s->out, NULL), 0);
    assert_slice_text(
        buf_slice(&s->out),
        "v=0\r\no=far 77 6 IN IP4 198.51.100.9\r\ns=call\r\nc=IN IP4 203.0.113.7\r\nt=0 0\r\n"
        "m=audio 7000 RTP/AVP 8 100\r\nb=AS:80\r\na=rtpmap:8 PCMA/8000\r\n"
        "a=rtpmap:100 telephone-event/8000\r\na=fmtp:100 0-15\r\na=ptime:20\r\na=rtcp-mux\r\na=sendonly\r\n"
        "m=video 0 RTP/AVPF 97\r\n");
    struct sip_sdp next = written(s);
    check_next(&before, &next);
    /* The same again is the same version. */
    buf_clear(&s->out);
    assert_int_equal(sip_sdp_carry_offer(&s->told, &s->region, &from, &s->out, NULL), 0);
    struct sip_sdp again = written(s);
    assert_slice_equal(again.octets, next.octets);
}

/* The audio stands where it stood, not first. */
static void test_offer_keeps_the_place(void **state)
{
    struct stage *s = *state;
    struct sip_sdp from = read_text(s, trunk);
    sip_sdp_told_note(&s->told,
                      slice_str("v=0\no=a 1 1 IN IP6 ::1\ns= \nt=0 0\nm=image 0 udptl t38\nm=audio 0 RTP/AVP 0\n"
                                "m=video 9 RTP/AVP 31\nc=IN IP6 ::1\nm=audio 6 RTP/AVP 0\nc=IN IP6 ::1\n"));
    assert_int_equal(sip_sdp_carry_offer(&s->told, &s->region, &from, &s->out, NULL), 0);
    struct sip_sdp next = written(s);
    assert_int_equal(next.media_count, 4);
    assert_int_equal(next.media[3].port, 7000);
    assert_slice_text(next.media[0].protocol, "udptl");
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(next.media[i].port, 0);
    assert_int_equal(next.origin.version_number, 2);
}

static int offer_to(struct stage *s, const char *told, const char *from_text, struct fault *ret_fault)
{
    struct sip_sdp from = read_text(s, from_text);
    sip_sdp_told_fini(&s->told);
    buf_clear(&s->out);
    buf_str(&s->out, "kept");
    assert_int_equal(sip_sdp_told_note(&s->told, slice_str(told)), 0);
    int err = sip_sdp_carry_offer(&s->told, &s->region, &from, &s->out, ret_fault);
    if (err) {
        assert_slice_text(buf_slice(&s->out), "kept");
        assert_slice_text(sip_sdp_told_text(&s->told), told);
        assert_false(s->told.diverged);
    }
    return err;
}

#define HEAD "v=0\r\no=a 1 1 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.3\r\nt=0 0\r\n"

static void test_offer_refused(void **state)
{
    struct stage *s = *state;
    struct fault fault;
    static const char plain[] = HEAD "m=audio 4 RTP/AVP 0\r\n",
                      secret[] = HEAD "m=audio 4 RTP/SAVP 0\r\na=crypto:1 X inline:Y\r\n",
                      dtls[] = HEAD "a=fingerprint:sha-256 AA\r\na=setup:actpass\r\nm=audio 4 UDP/TLS/RTP/SAVPF 0\r\n";
    assert_int_equal(offer_to(s, plain, HEAD "m=video 4 RTP/AVP 31\r\n", &fault), ERR_NOT_FOUND);
    assert_int_equal(offer_to(s, plain, HEAD "m=audio 0 RTP/AVP 0\r\n", &fault), ERR_NOT_FOUND);
    assert_int_equal(fault.octet, strlen(HEAD));
    assert_int_equal(offer_to(s, HEAD "m=image 4 udptl t38\r\n", plain, &fault), ERR_CONFLICT);
    assert_int_equal(offer_to(s, plain, secret, &fault), ERR_CONFLICT);
    assert_string_equal(fault.rule, "media protected as on the other side");
    assert_int_equal(offer_to(s, plain, dtls, &fault), ERR_CONFLICT);
    assert_int_equal(offer_to(s, secret, dtls, &fault), ERR_CONFLICT);
    assert_int_equal(offer_to(s, plain, HEAD "m=audio 4 RTP/XYZ 0\r\n", &fault), ERR_CONFLICT);
    assert_int_equal(
        offer_to(s, plain, "v=0\r\no=a 1 1 IN IP4 192.0.2.3\r\ns=-\r\nt=0 0\r\nm=audio 4 RTP/AVP 0\r\n", &fault),
        ERR_CONFLICT);
    /* encrypted on both sides goes, with its keys; what is in the clear goes everywhere */
    assert_int_equal(offer_to(s, secret, secret, &fault), 0);
    struct sip_sdp next = read(s, sip_sdp_told_text(&s->told));
    assert_true(has(&next, "RTP/SAVP 0\r\na=crypto:1 X inline:Y\r\n"));
    assert_int_equal(offer_to(s, dtls, dtls, &fault), 0);
    next = read(s, sip_sdp_told_text(&s->told));
    assert_true(has(&next, "m=audio 4 UDP/TLS/RTP/SAVPF 0\r\na=fingerprint:sha-256 AA\r\na=setup:actpass\r\n"));
    assert_int_equal(offer_to(s, secret, plain, &fault), 0);
    next = read(s, sip_sdp_told_text(&s->told));
    assert_true(has(&next, "RTP/AVP") && !has(&next, "crypto"));
}

static void test_feedback(void **state)
{
    struct stage *s = *state;
    static const char plain[] = HEAD "m=audio 4 RTP/AVP 0\r\n",
                      feedback[] = HEAD "m=audio 4 RTP/AVPF 0\r\na=rtcp-fb:0 nack\r\n";
    assert_int_equal(offer_to(s, plain, feedback, NULL), 0);
    struct sip_sdp next = read(s, sip_sdp_told_text(&s->told));
    assert_true(has(&next, "RTP/AVP 0") && !has(&next, "rtcp-fb"));
    assert_int_equal(offer_to(s, feedback, feedback, NULL), 0);
    next = read(s, sip_sdp_told_text(&s->told));
    assert_true(has(&next, "RTP/AVPF 0") && has(&next, "rtcp-fb"));
}

/* No version is higher than the highest: nobody is told a lower one. */
static void test_highest_version(void **state)
{
    struct stage *s = *state;
    static const char last[] =
        "v=0\r\no=a 1 18446744073709551615 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.3\r\nt=0 0\r\n"
        "m=audio 4 RTP/AVP 0\r\n";
    assert_int_equal(offer_to(s, last, trunk, NULL), ERR_LIMIT);
}

/* ---- answers ---- */

static int answer_to(struct stage *s, const char *offer_text, const char *from_text, struct sip_sdp *ret_answer)
{
    struct sip_sdp offer = read_text(s, offer_text), from = read_text(s, from_text);
    struct fault fault = {0};
    buf_clear(&s->out);
    int err = sip_sdp_carry_answer(&s->told, &s->region, &offer, &from, &s->out, &fault);
    if (err)
        return err;
    *ret_answer = written(s);
    err = sip_sdp_check_answer(&offer, ret_answer, &fault);
    if (err)
        print_message("octet %zu: %s\n", fault.octet, fault.rule);
    assert_int_equal(err, 0);
    return 0;
}

static void test_answer(void **state)
{
    struct stage *s = *state;
    struct sip_sdp answer, before = read_text(s, ime);
    sip_sdp_told_note(&s->told, slice_str(ime));
    /* The phone adds a stream of its own in this state; it has groups and ICE, and wants no other profile. */
    assert_int_equal(
        answer_to(s,
                  HEAD "a=group:BUNDLE 0 1\r\nm=audio 4 RTP/AVPF 96 8\r\na=rtpmap:96 opus/48000/2\r\na=mid:0\r\n"
                       "m=video 6 RTP/AVPF 97\r\na=mid:1\r\nm=application 8 TCP/BFCP *\r\n",
                  trunk, &answer),
        0);
    check_next(&before, &answer);
    assert_slice_text(buf_slice(&s->out),
                      "v=0\r\no=far 77 6 IN IP4 198.51.100.9\r\ns=call\r\nc=IN IP4 203.0.113.7\r\nt=0 0\r\n"
                      "m=audio 7000 RTP/AVPF 8 100\r\nb=AS:80\r\na=rtpmap:8 PCMA/8000\r\n"
                      "a=rtpmap:100 telephone-event/8000\r\na=fmtp:100 0-15\r\na=ptime:20\r\na=mid:0\r\na=sendonly\r\n"
                      "m=video 0 RTP/AVPF 97\r\nm=application 0 TCP/BFCP *\r\n");
}

/* A phone on hold is answered as one on hold, whatever the other side would do. */
static void test_answer_on_hold(void **state)
{
    struct stage *s = *state;
    static const struct {
        const char *offered, *there, *answered;
    } ways[] = {
        {"sendrecv", "sendrecv", "a=sendrecv"}, {"sendonly", "sendrecv", "a=recvonly"},
        {"recvonly", "sendrecv", "a=sendonly"}, {"inactive", "sendrecv", "a=inactive"},
        {"sendrecv", "recvonly", "a=recvonly"}, {"sendonly", "sendonly", "a=inactive"},
        {"sendonly", "recvonly", "a=recvonly"}, {"recvonly", "inactive", "a=inactive"},
    };
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        char offer[512], from[512];
        struct sip_sdp answer;
        snprintf(offer, sizeof offer, HEAD "m=audio 4 RTP/AVP 0\r\na=%s\r\n", ways[i].offered);
        snprintf(from, sizeof from, HEAD "m=audio 6 RTP/AVP 0\r\na=%s\r\n", ways[i].there);
        assert_int_equal(answer_to(s, offer, from, &answer), 0);
        assert_true(has(&answer, ways[i].answered));
    }
}

static void test_answer_refused(void **state)
{
    struct stage *s = *state;
    struct sip_sdp answer;
    static const char plain[] = HEAD "m=audio 4 RTP/AVP 0\r\n",
                      secret[] = HEAD "m=audio 4 RTP/SAVP 0\r\na=crypto:1 X inline:Y\r\n";
    assert_int_equal(answer_to(s, plain, secret, &answer), ERR_CONFLICT);
    assert_int_equal(answer_to(s, secret, plain, &answer),
                     ERR_CONFLICT); /* RFC 3264 6: no other protocol than offered */
    assert_int_equal(
        answer_to(s, HEAD "m=audio 4 RTP/AVP 3 101\r\na=rtpmap:101 telephone-event/8000\r\n", trunk, &answer),
        ERR_CONFLICT); /* events are no codec */
    assert_null(s->told.octets);
    /* the phone gives its audio up, or has none: all is refused, and the call goes on */
    assert_int_equal(answer_to(s, HEAD "m=audio 0 RTP/AVP 0\r\nm=video 9 RTP/AVP 31\r\n", trunk, &answer), 0);
    assert_int_equal(answer.media[0].port | answer.media[1].port, 0);
    assert_int_equal(answer_to(s, HEAD "m=image 4 udptl t38\r\n", trunk, &answer), 0);
    assert_int_equal(answer.media[0].port, 0);
}

/* ---- passing on ---- */

static struct sip_sdp pass(struct stage *s, const char *text, const char *offer_text)
{
    struct sip_sdp sdp = read_text(s, text), offer;
    if (offer_text)
        offer = read_text(s, offer_text);
    buf_clear(&s->out);
    assert_int_equal(sip_sdp_told_pass(&s->told, &s->region, &sdp, offer_text ? &offer : NULL, &s->out, NULL), 0);
    return written(s);
}

static void test_passed_as_it_is(void **state)
{
    struct stage *s = *state;
    pass(s, ime, NULL);
    assert_slice_text(buf_slice(&s->out), ime);
    pass(s, trunk, ime);
    assert_slice_text(buf_slice(&s->out), trunk);
    assert_false(s->told.diverged);
}

/* After a call has been on the phone network and comes back: the far phone's own description is a next one of what the phone was told. */
static void test_passed_after_return(void **state)
{
    struct stage *s = *state;
    struct sip_sdp from = read_text(s, trunk), next;
    pass(s, ime, NULL);
    buf_clear(&s->out);
    assert_int_equal(sip_sdp_carry_offer(&s->told, &s->region, &from, &s->out, NULL), 0);
    struct sip_sdp moved = written(s);
    /* its version has not changed meanwhile: ours has */
    next = pass(s, ime, NULL);
    check_next(&moved, &next);
    assert_true(has(&next, "o=far 77 7 IN IP4 198.51.100.9\r\n") && has(&next, "m=video 5002 RTP/AVPF 97 98"));
    struct sip_sdp again = pass(s, ime, NULL);
    assert_slice_equal(again.octets, next.octets);
    /* another phone takes over there: still one session here */
    struct sip_sdp other = pass(s, trunk, NULL);
    check_next(&again, &other);
    assert_true(has(&other, "o=far 77 8 IN") && has(&other, "a=mid:x\r\nm=") == false);
    assert_int_equal(other.media_count, 2);
    assert_int_equal(other.media[1].port, 0);
}

static void test_passed_answers_fit(void **state)
{
    struct stage *s = *state;
    struct sip_sdp from = read_text(s, trunk), offer = read_text(s, ime), answer;
    pass(s, ime, NULL);
    buf_clear(&s->out);
    assert_int_equal(sip_sdp_carry_offer(&s->told, &s->region, &from, &s->out, NULL), 0);
    /* this end offers two streams, of which the far one has heard of one */
    answer = pass(s, trunk, ime);
    assert_int_equal(sip_sdp_check_streams(&offer, &answer, NULL), 0);
    /* it offers one, and the far one was told of a second, refused */
    offer = read_text(s, trunk);
    answer = pass(s, HEAD "m=audio 4 RTP/AVP 8\r\nm=video 0 RTP/AVP 31\r\n\r\n", trunk);
    assert_int_equal(sip_sdp_check_streams(&offer, &answer, NULL), 0);
    struct sip_sdp used = read_text(s, HEAD "m=audio 4 RTP/AVP 8\r\nm=video 6 RTP/AVP 31\r\n");
    buf_clear(&s->out);
    struct fault fault;
    assert_int_equal(sip_sdp_told_pass(&s->told, &s->region, &used, &offer, &s->out, &fault), ERR_CONFLICT);
    assert_int_equal(s->out.n, 0);
    assert_int_equal(fault.octet, used.lines[used.media[1].first].line.p - used.octets.p);
}

static void test_too_long(void **state)
{
    struct stage *s = *state;
    static char text[SIP_SDP_TOLD_OCTETS_MAX + 100];
    memset(text, 'x', sizeof text - 1);
    memcpy(text, HEAD, strlen(HEAD));
    memcpy(text + strlen(HEAD), "a=x:", 4);
    pass(s, ime, NULL);
    struct sip_sdp sdp = read_text(s, text);
    buf_clear(&s->out);
    assert_int_equal(sip_sdp_told_pass(&s->told, &s->region, &sdp, NULL, &s->out, NULL), 0);
    assert_slice_text(buf_slice(&s->out), text);
    assert_null(s->told.octets);
    assert_int_equal(sip_sdp_told_note(&s->told, slice_str(text)), ERR_LIMIT);
}

/* ---- of our own ---- */

static void test_own_offer(void **state)
{
    struct stage *s = *state;
    struct sip_sdp codecs = read_text(s, ime);
    const struct sip_sdp_own own = {.address = &ours, .session_id = 42};
    assert_int_equal(sip_sdp_own_offer(&s->told, &s->region, &codecs, &own, &s->out, NULL), 0);
    assert_slice_text(buf_slice(&s->out),
                      "v=0\r\no=- 42 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
                      "m=audio 20004 RTP/AVP 96 8 101 97\r\n"
                      "a=rtpmap:96 opus/48000/2\r\na=rtpmap:8 PCMA/8000\r\n"
                      "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
                      "a=rtpmap:97 telephone-event/48000\r\na=fmtp:97 0-15\r\na=ptime:20\r\na=sendrecv\r\n");
    struct sip_sdp first = written(s);
    /* Then the phone's own audio goes there, and what it says later. */
    struct sip_sdp phone = read_text(s, HEAD "m=audio 4 RTP/AVP 96 8 101\r\na=rtpmap:96 opus/48000/2\r\n");
    buf_clear(&s->out);
    assert_int_equal(sip_sdp_carry_offer(&s->told, &s->region, &phone, &s->out, NULL), 0);
    struct sip_sdp second = written(s);
    check_next(&first, &second);
    assert_true(has(&second, "c=IN IP4 192.0.2.3"));
}

static void test_own_offer_goes_on(void **state)
{
    struct stage *s = *state;
    const struct sip_sdp_own own = {.address = &ours, .direction = SIP_SDP_SENDONLY};
    struct sip_sdp before = read_text(s, ime);
    sip_sdp_told_note(&s->told, slice_str(ime));
    assert_int_equal(sip_sdp_own_offer(&s->told, &s->region, NULL, &own, &s->out, NULL), 0);
    struct sip_sdp next = written(s);
    check_next(&before, &next);
    assert_true(has(&next, "m=audio 20004 RTP/AVP 8 0 101\r\n") && has(&next, "a=sendonly\r\nm=video 0"));
    struct sip_sdp nothing = read_text(s, HEAD "m=audio 4 RTP/AVP 99\r\na=rtpmap:99 CN/8000\r\n");
    assert_int_equal(sip_sdp_own_offer(&s->told, &s->region, &nothing, &own, &s->out, NULL), ERR_CONFLICT);
}

static void test_own_answer(void **state)
{
    struct stage *s = *state;
    const struct sip_sdp_own own = {.address = &ours, .session_id = 7};
    struct sip_sdp offer =
        read_text(s, HEAD "m=video 2 RTP/AVP 31\r\n"
                          "m=audio 4 RTP/AVP 9 18 0 8 96 110\r\na=rtpmap:96 telephone-event/16000\r\n"
                          "a=rtpmap:110 telephone-event/8000\r\na=sendonly\r\na=mid:m\r\n");
    assert_int_equal(sip_sdp_own_answer(&s->told, &s->region, &offer, &own, &s->out, NULL), 0);
    struct sip_sdp answer = written(s);
    assert_int_equal(sip_sdp_check_answer(&offer, &answer, NULL), 0);
    assert_true(has(&answer, "m=video 0 RTP/AVP 31\r\nm=audio 20004 RTP/AVP 0 110\r\na=rtpmap:0 PCMU/8000\r\n"));
    assert_true(has(&answer, "a=recvonly\r\na=mid:m\r\n"));
    struct sip_sdp_stream stream;
    assert_int_equal(sip_sdp_stream(&answer, &offer, &stream), 0);
    assert_true(stream.codec.type == 0 && stream.has_events && stream.event_type == 110 &&
                stream.own_event_type == 110);
    assert_true(stream.receives && !stream.sends);

    struct sip_sdp secret = read_text(s, HEAD "m=audio 4 RTP/SAVP 0\r\na=crypto:1 X inline:Y\r\n");
    assert_int_equal(sip_sdp_own_answer(&s->told, &s->region, &secret, &own, &s->out, NULL), ERR_CONFLICT);
    struct sip_sdp odd = read_text(s, HEAD "m=audio 4 RTP/AVP 99 x 300\r\n");
    assert_int_equal(sip_sdp_own_answer(&s->told, &s->region, &odd, &own, &s->out, NULL), ERR_CONFLICT);
    struct sip_sdp none = read_text(s, HEAD "m=audio 0 RTP/AVP 0\r\n");
    assert_int_equal(sip_sdp_own_answer(&s->told, &s->region, &none, &own, &s->out, NULL), ERR_NOT_FOUND);
    /* a re-INVITE there: the session goes on */
    buf_clear(&s->out);
    struct sip_sdp later = read_text(s, HEAD "m=video 0 RTP/AVP 31\r\nm=audio 8 RTP/AVP 8\r\n");
    assert_int_equal(sip_sdp_own_answer(&s->told, &s->region, &later, &own, &s->out, NULL), 0);
    struct sip_sdp second = written(s);
    check_next(&answer, &second);
}

/* ---- what was agreed ---- */

static void test_stream(void **state)
{
    struct stage *s = *state;
    struct sip_sdp mine = read_text(s, ime), theirs = read_text(s, trunk);
    struct sip_sdp_stream stream;
    assert_int_equal(sip_sdp_stream(&mine, &theirs, &stream), 0);
    assert_int_equal(stream.to.port, 7000);
    assert_int_equal(stream.to.ip[0], 203);
    assert_string_equal(stream.codec.name, "PCMA");
    assert_true(stream.receives && !stream.sends); /* a=sendonly of the session */
    assert_true(stream.has_events && stream.event_type == 100 && stream.own_has_events && stream.own_event_type == 101);
    struct sip_sdp held =
        read_text(s, "v=0\r\no=a 1 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 4 RTP/AVP 8\r\n");
    assert_int_equal(sip_sdp_stream(&mine, &held, &stream), 0);
    assert_true(!stream.sends && !stream.has_events && !stream.to.family);
    struct sip_sdp named =
        read_text(s, "v=0\r\no=a 1 1 IN IP6 x\r\ns=-\r\nc=IN IP6 gw.example\r\nt=0 0\r\nm=audio 4 RTP/AVP 8\r\n");
    assert_int_equal(sip_sdp_stream(&mine, &named, &stream), 0);
    assert_false(stream.sends);
    struct sip_sdp six =
        read_text(s, "v=0\r\no=a 1 1 IN IP6 ::1\r\ns=-\r\nt=0 0\r\nm=audio 4 RTP/AVP 8\r\nc=IN IP6 2001:db8::5\r\n");
    assert_int_equal(sip_sdp_stream(&mine, &six, &stream), 0);
    assert_true(stream.sends && stream.to.family == 6 && stream.to.port == 4 && stream.to.ip[15] == 5);
    struct sip_sdp others = read_text(s, HEAD "m=audio 4 RTP/AVP 18\r\n"),
                   none = read_text(s, HEAD "m=audio 0 RTP/AVP 8\r\n");
    assert_int_equal(sip_sdp_stream(&mine, &others, &stream), ERR_CONFLICT);
    assert_int_equal(sip_sdp_stream(&mine, &none, &stream), ERR_NOT_FOUND);
}

static void test_codecs(void **state)
{
    struct stage *s = *state;
    struct sip_sdp_codec codecs[4];
    struct sip_sdp a = read_text(s, ime),
                   b = read_text(s, HEAD "m=audio 4 RTP/AVP 0 111 8 13\r\na=rtpmap:111 OPUS/48000/2\r\n");
    assert_int_equal(sip_sdp_codecs(&a, 0, codecs, 4), 2);
    assert_int_equal(codecs[0].type, 96);
    assert_int_equal(codecs[0].channels, 2);
    assert_int_equal(sip_sdp_codecs(&b, 0, codecs, 4), 3);
    assert_int_equal(sip_sdp_codecs(&b, 0, codecs, 1), 1);
    assert_int_equal(sip_sdp_codecs(&b, 1, codecs, 4), 0);
    assert_int_equal(sip_sdp_codecs_in_common(&a, &b), 2); /* whatever their numbers are */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_offer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_offer_keeps_the_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_offer_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_feedback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_highest_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_on_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_passed_as_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(test_passed_after_return, setup, teardown),
        cmocka_unit_test_setup_teardown(test_passed_answers_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_offer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_offer_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_codecs, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
