/* Descriptions on their way through the edge, octet for octet: as phones, PBXs and other edges write them. */
#include "alg_call.h"

#include "base/mem.h"

#define OK(expression) assert_int_equal(expression, 0)

/* As baresip writes it: no session, one audio line with static and dynamic types. */
#define BARESIP_OFFER                                                                                          \
    "v=0\r\no=- 1467 7721 IN IP4 10.1.0.5\r\ns=-\r\nc=IN IP4 10.1.0.5\r\nt=0 0\r\na=tool:baresip 1.0.0\r\n"    \
    "m=audio 17036 RTP/AVP 96 0 8 101\r\nb=AS:64\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 stereo=1\r\n"        \
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n" \
    "a=rtcp:17037\r\na=sendrecv\r\na=label:1\r\na=rtcp-rsize\r\na=ssrc:1844 cname:sip:ann@10.1.0.5\r\na=ptime:20\r\n"
#define ALL_SUITES                                                                         \
    "a=crypto:1 AEAD_AES_128_GCM inline:KEY\r\na=crypto:2 AEAD_AES_256_GCM inline:KEY\r\n" \
    "a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:KEY\r\na=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:KEY\r\n"
#define BARESIP_OUTSIDE                                                                                             \
    "v=0\r\no=- 1467 7721 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\na=tool:baresip 1.0.0\r\n" \
    "m=audio 30000 RTP/SAVP 96 0 8 101\r\nb=AS:64\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 stereo=1\r\n"            \
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"      \
    "a=rtcp:30001\r\na=sendrecv\r\na=label:1\r\na=rtcp-rsize\r\na=ptime:20\r\n" ALL_SUITES

#define FAR_ANSWER                                                                                                   \
    "v=0\r\no=far 5 9 IN IP4 192.0.2.9\r\ns=call\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 40000 RTP/SAVP 0 101\r\n" \
    "a=rtpmap:101 telephone-event/8000\r\na=crypto:3 AES_CM_128_HMAC_SHA1_80 " CALL_KEY_80 "\r\na=ptime:30\r\n"
#define FAR_ANSWER_INSIDE                                                                                         \
    "v=0\r\no=far 5 9 IN IP4 10.1.0.1\r\ns=call\r\nc=IN IP4 10.1.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0 101\r\n" \
    "a=rtpmap:101 telephone-event/8000\r\na=ptime:30\r\n"

static void assert_addr(const struct addr *a, const char *text)
{
    char found[ADDR_TEXT_OCTETS];
    assert_string_equal(addr_format(a, found), text);
}

static void test_outbound(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 1, BARESIP_OFFER));
    assert_int_equal(c.kind, ALG_SDP_OFFER);
    assert_string_equal(alg_call_body(&c), BARESIP_OUTSIDE);
    assert_int_equal(alg_find_leak(&c.w.options, &c.w.region, buf_slice(&c.body)).n, c.body.n); /* it is no message */
    assert_true(alg_sdp_waits(c.x));
    assert_int_equal(alg_sdp_session(c.x)->stream_count, 0);
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "", FAR_ANSWER));
    assert_int_equal(c.kind, ALG_SDP_ANSWER);
    assert_string_equal(alg_call_body(&c), FAR_ANSWER_INSIDE);
    assert_false(alg_sdp_waits(c.x));
    const struct media_session *s = alg_sdp_session(c.x);
    const struct media_stream *stream = &s->streams[0];
    assert_int_equal(s->id, 77);
    assert_int_equal(s->sensitivity, 3);
    assert_int_equal(s->stream_count, 1);
    assert_false(s->is_early);
    assert_int_equal(stream->kind, MEDIA_RTP);
    assert_true(stream->is_audio);
    assert_int_equal(stream->ptime_ms, 30);
    assert_int_equal(stream->format_count, 4);
    assert_string_equal(stream->formats[0].name, "PCMU");
    assert_string_equal(stream->formats[1].name, "telephone-event");
    assert_int_equal(stream->formats[2].payload_type, 96); /* of the offer only */
    assert_int_equal(stream->formats[2].clock_hz, 48000);
    assert_addr(&stream->ends[MEDIA_INSIDE].remote, "10.1.0.5:17036");
    assert_addr(&stream->ends[MEDIA_INSIDE].remote_rtcp, "10.1.0.5:17037");
    assert_addr(&stream->ends[MEDIA_OUTSIDE].remote, "192.0.2.9:40000");
    assert_int_equal(stream->ends[MEDIA_OUTSIDE].remote_rtcp.family, 0);
    assert_true(stream->ends[MEDIA_INSIDE].may_send && stream->ends[MEDIA_OUTSIDE].may_send);
    assert_int_equal(stream->ends[MEDIA_INSIDE].in.suite, SUITE_NONE);
    assert_int_equal(stream->ends[MEDIA_INSIDE].out.suite, SUITE_NONE);
    assert_int_equal(stream->ends[MEDIA_OUTSIDE].in.suite, SUITE_AES_CM_128_HMAC_SHA1_80);
    assert_int_equal(stream->ends[MEDIA_OUTSIDE].out.suite, SUITE_AES_CM_128_HMAC_SHA1_80);
    assert_memory_equal(stream->ends[MEDIA_OUTSIDE].in.octets, "YS___semctl", 11);
    OK(alg_call_request(&c, EDGE_INSIDE, "ACK", 1, ""));
    assert_int_equal(c.kind, ALG_SDP_NONE);
    size_t before = alg_sdp_memory(c.x);
    alg_sdp_settle(c.x);
    assert_true(alg_sdp_memory(c.x) < before);
    alg_call_fini(&c);
}

/* As linphone writes it: SAVP with several suites, ICE, video, AVPF's attributes, rtcp-mux and a=rtcp with an address. */
static void test_inbound(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    OK(alg_call_request(
        &c, EDGE_OUTSIDE, "INVITE", 20,
        "v=0\r\no=bob 3748 1 IN IP4 192.0.2.77\r\ns=Talk\r\nc=IN IP4 192.0.2.77\r\nt=0 0\r\na=ice-pwd:31ee\r\n"
        "a=ice-ufrag:0a\r\na=rtcp-xr:rcvr-rtt=all:10000\r\na=group:BUNDLE as vs\r\na=record:off\r\n"
        "m=audio 7078 RTP/SAVPF 96 0\r\na=rtpmap:96 opus/48000/2\r\n"
        "a=crypto:1 AES_CM_128_HMAC_SHA1_32 " CALL_KEY_80 "\r\na=crypto:2 AES_CM_128_HMAC_SHA1_80 " CALL_KEY_80_B "\r\n"
        "a=crypto:7 F8_128_HMAC_SHA1_80 " CALL_KEY_80 "\r\na=rtcp:7079 IN IP4 192.0.2.78\r\na=rtcp-mux\r\na=mid:as\r\n"
        "a=candidate:1 1 UDP 2130706303 192.168.0.7 7078 typ host\r\na=rtcp-fb:* ccm tmmbr\r\n"
        "m=video 9078 RTP/SAVPF 97\r\nc=IN IP4 192.0.2.79\r\na=rtpmap:97 VP8/90000\r\na=mid:vs\r\n"
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 " CALL_KEY_80 "\r\na=recvonly\r\n"
        "m=application 9000 UDP/BFCP *\r\nc=IN IP4 127.0.0.1\r\na=setup:actpass\r\n"));
    assert_int_equal(c.kind, ALG_SDP_OFFER);
    assert_string_equal(
        alg_call_body(&c),
        "v=0\r\no=bob 3748 1 IN IP4 10.1.0.1\r\ns=Talk\r\nc=IN IP4 10.1.0.1\r\nt=0 0\r\n"
        "a=rtcp-xr:rcvr-rtt=all:10000\r\na=record:off\r\n"
        "m=audio 20000 RTP/AVPF 96 0\r\na=rtpmap:96 opus/48000/2\r\n"
        "a=rtcp:20001 IN IP4 10.1.0.1\r\na=rtcp-mux\r\na=mid:as\r\na=rtcp-fb:* ccm tmmbr\r\n"
        "m=video 20002 RTP/AVPF 97\r\nc=IN IP4 10.1.0.1\r\na=rtpmap:97 VP8/90000\r\na=mid:vs\r\na=recvonly\r\n"
        "m=application 0 UDP/BFCP *\r\nc=IN IP4 10.1.0.1\r\n");
    /* As Asterisk answers: no rtcp-mux, its own order, video refused. */
    OK(alg_call_answer(&c, EDGE_INSIDE, "183 Progress", "",
                       "v=0\r\no=- 3748 4 IN IP4 10.1.0.5\r\ns=Asterisk\r\nc=IN IP4 10.1.0.5\r\nt=0 0\r\n"
                       "m=audio 11822 RTP/AVPF 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=maxptime:150\r\n"
                       "m=video 0 RTP/AVPF 97\r\nm=application 0 UDP/BFCP *\r\n"));
    const char *answered =
        "v=0\r\no=- 3748 4 IN IP4 198.51.100.7\r\ns=Asterisk\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"
        "m=audio 30000 RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=maxptime:150\r\na=rtcp-mux\r\n"
        "a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:KEY\r\nm=video 0 RTP/SAVPF 97\r\nm=application 0 UDP/BFCP *\r\n";
    assert_string_equal(alg_call_body(&c), answered);
    const struct media_session *s = alg_sdp_session(c.x);
    assert_true(s->is_early);
    assert_int_equal(s->stream_count, 3);
    assert_int_equal(s->streams[1].kind, MEDIA_OFF);
    assert_int_equal(s->streams[2].kind, MEDIA_OFF);
    assert_true(s->streams[0].ends[MEDIA_OUTSIDE].rtcp_mux);
    assert_false(s->streams[0].ends[MEDIA_INSIDE].rtcp_mux);
    assert_addr(&s->streams[0].ends[MEDIA_OUTSIDE].remote_rtcp, "192.0.2.78:7079");
    assert_memory_equal(s->streams[0].ends[MEDIA_OUTSIDE].in.octets, "=-n@%^x!", 8);
    const struct srtp_master key = s->streams[0].ends[MEDIA_OUTSIDE].out;
    /* The same in the 200: the same keys and version, and the call is answered. */
    OK(alg_call_answer(&c, EDGE_INSIDE, "200 OK", "",
                       "v=0\r\no=- 3748 4 IN IP4 10.1.0.5\r\ns=Asterisk\r\nc=IN IP4 10.1.0.5\r\nt=0 0\r\n"
                       "m=audio 11822 RTP/AVPF 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=maxptime:150\r\n"
                       "m=video 0 RTP/AVPF 97\r\nm=application 0 UDP/BFCP *\r\n"));
    assert_int_equal(c.kind, ALG_SDP_ANSWER);
    assert_string_equal(alg_call_body(&c), answered);
    assert_true(srtp_master_equal(&key, &s->streams[0].ends[MEDIA_OUTSIDE].out));
    assert_false(s->is_early);
    alg_call_fini(&c);
}

/* 183 with an answer, 200 without: media is early no longer. */
static void test_answered_before(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 1, BARESIP_OFFER));
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "183 Progress", "Require: 100rel\r\nRSeq: 1\r\n", FAR_ANSWER));
    assert_true(alg_sdp_session(c.x)->is_early);
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "", ""));
    assert_int_equal(c.kind, ALG_SDP_ANSWER);
    assert_false(alg_sdp_session(c.x)->is_early);
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "", ""));
    assert_int_equal(c.kind, ALG_SDP_NONE);
    alg_call_fini(&c);
}

/* INVITE without a description, as Cisco's call managers like it: the offer is in the 200, the answer in the ACK. */
static void test_delayed(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 1, ""));
    assert_int_equal(c.kind, ALG_SDP_NONE);
    const char *offer = "v=0\r\no=CiscoSystemsCCM-SIP 2000 1 IN IP4 192.0.2.5\r\ns=SIP Call\r\nc=IN IP4 192.0.2.5\r\n"
                        "b=TIAS:64000\r\nb=AS:64\r\nt=0 0\r\nm=audio 16500 RTP/SAVP 9 101\r\na=rtpmap:9 G722/8000\r\n"
                        "a=rtpmap:101 telephone-event/8000\r\na=crypto:1 AES_CM_128_HMAC_SHA1_32 " CALL_KEY_80 "\r\n";
    /* One that is in no reliable response means nothing. */
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "180 Ringing", "", offer));
    assert_int_equal(c.kind, ALG_SDP_TAKEN);
    assert_string_equal(alg_call_body(&c), "");
    for (int repeated = 0; repeated < 2; repeated++) {
        OK(alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "", offer));
        assert_int_equal(c.kind, ALG_SDP_OFFER);
        assert_string_equal(
            alg_call_body(&c),
            "v=0\r\no=CiscoSystemsCCM-SIP 2000 1 IN IP4 10.1.0.1\r\ns=SIP Call\r\nc=IN IP4 10.1.0.1\r\n"
            "b=TIAS:64000\r\nb=AS:64\r\nt=0 0\r\nm=audio 20000 RTP/AVP 9 101\r\na=rtpmap:9 G722/8000\r\n"
            "a=rtpmap:101 telephone-event/8000\r\n");
        assert_true(alg_sdp_waits(c.x));
    }
    const char *answer =
        "v=0\no=- 1 1 IN IP4 10.1.0.6\ns=-\nt=0 0\nm=audio 5000 RTP/AVP 9\nc=IN IP4 10.1.0.6\na=sendonly\n";
    for (int repeated = 0; repeated < 2; repeated++) {
        OK(alg_call_request(&c, EDGE_INSIDE, "ACK", 1, answer));
        assert_int_equal(c.kind, ALG_SDP_ANSWER);
        assert_string_equal(alg_call_body(&c),
                            "v=0\no=- 1 1 IN IP4 198.51.100.7\ns=-\nt=0 0\nm=audio 30000 RTP/SAVP 9\nc=IN IP4 "
                            "198.51.100.7\na=sendonly\na=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:KEY\n");
    }
    const struct media_stream *stream = &alg_sdp_session(c.x)->streams[0];
    assert_true(stream->ends[MEDIA_INSIDE].may_send);
    assert_false(stream->ends[MEDIA_OUTSIDE].may_send);
    alg_call_fini(&c);
}

/* An ACK that does not have the answer leaves no offer behind; neither does a refusal. */
static void test_withdrawn(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    OK(alg_call_request(&c, EDGE_OUTSIDE, "INVITE", 1, ""));
    OK(alg_call_answer(&c, EDGE_INSIDE, "200 OK", "", BARESIP_OFFER));
    assert_true(alg_sdp_waits(c.x));
    OK(alg_call_request(&c, EDGE_OUTSIDE, "ACK", 1, ""));
    assert_int_equal(c.kind, ALG_SDP_ENDED);
    assert_false(alg_sdp_waits(c.x));
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 2, BARESIP_OFFER));
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "488 No", "", FAR_ANSWER));
    assert_int_equal(c.kind, ALG_SDP_ENDED);
    assert_string_equal(alg_call_body(&c), ""); /* what it could do is nobody's business */
    assert_false(alg_sdp_waits(c.x));
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 3, BARESIP_OFFER));
    alg_sdp_withdraw(c.x);
    assert_false(alg_sdp_waits(c.x));
    alg_call_fini(&c);
}

static void establish(struct alg_call *c)
{
    OK(alg_call_request(c, EDGE_INSIDE, "INVITE", 1, BARESIP_OFFER));
    OK(alg_call_answer(c, EDGE_OUTSIDE, "200 OK", "", FAR_ANSWER));
    OK(alg_call_request(c, EDGE_INSIDE, "ACK", 1, ""));
    alg_sdp_settle(c->x);
}

/* What is offered, and answered, once a suite is agreed. */
#define OUR_80 "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY\r\n"
#define FAR_AGAIN                                                                                                    \
    "v=0\r\no=far 5 9 IN IP4 192.0.2.9\r\ns=call\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 40000 RTP/SAVP 0 101\r\n" \
    "a=rtpmap:101 telephone-event/8000\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 " CALL_KEY_80 "\r\na=ptime:30\r\n"

#define REOFFER(name, version, port, more)                                                                \
    "v=0\r\no=" name " " version " IN IP4 10.1.0.5\r\ns=-\r\nc=IN IP4 10.1.0.5\r\nt=0 0\r\nm=audio " port \
    " RTP/AVP 0\r\n" more

/* Hold, and back: the version counts one by one whatever the phone does, the session keeps its name, keys stay. */
static void test_hold(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    establish(&c);
    const struct media_session *s = alg_sdp_session(c.x);
    const struct srtp_master key = s->streams[0].ends[MEDIA_OUTSIDE].out;
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 2, REOFFER("other", "9 9000", "17036", "a=sendonly\r\n")));
    assert_string_equal(alg_call_body(&c),
                        "v=0\r\no=- 1467 7722 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"
                        "m=audio 30000 RTP/SAVP 0\r\na=sendonly\r\n" OUR_80);
    assert_int_equal(s->streams[0].ends[MEDIA_OUTSIDE].may_send, true); /* until it is answered */
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "",
                       "v=0\r\no=far 5 10 IN IP4 192.0.2.9\r\ns=call\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
                       "m=audio 40000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 " CALL_KEY_80
                       "\r\na=recvonly\r\n"));
    assert_non_null(strstr(alg_call_body(&c), "o=far 5 10 IN IP4 10.1.0.1"));
    assert_true(s->streams[0].ends[MEDIA_INSIDE].may_send);
    assert_false(s->streams[0].ends[MEDIA_OUTSIDE].may_send);
    assert_true(srtp_master_equal(&key, &s->streams[0].ends[MEDIA_OUTSIDE].out));
    /* Answered as if it were no hold: what was not offered is not agreed. */
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 3, REOFFER("other", "9 9001", "17036", "a=sendonly\r\n")));
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "", FAR_AGAIN));
    assert_non_null(strstr(alg_call_body(&c), "a=ptime:30\r\na=recvonly\r\n"));
    assert_false(s->streams[0].ends[MEDIA_OUTSIDE].may_send);
    /* The old way: zeros. */
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 4,
                        "v=0\r\no=- 1467 7723 IN IP4 10.1.0.5\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 17036 "
                        "RTP/AVP 0\r\na=rtcp:17037\r\n"));
    assert_string_equal(alg_call_body(&c),
                        "v=0\r\no=- 1467 7723 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
                        "m=audio 30000 RTP/SAVP 0\r\n" OUR_80);
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "", FAR_AGAIN));
    assert_int_equal(s->streams[0].ends[MEDIA_INSIDE].remote.family, 0);
    assert_addr(&s->streams[0].ends[MEDIA_OUTSIDE].remote, "192.0.2.9:40000");
    alg_call_fini(&c);
}

/* The same again, to refresh the session: the same for the other side. */
static void test_refresh(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    establish(&c);
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 2, BARESIP_OFFER));
    assert_non_null(strstr(alg_call_body(&c), "o=- 1467 7722 IN IP4 198.51.100.7\r\n"));
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "", FAR_AGAIN));
    assert_string_equal(alg_call_body(&c), FAR_ANSWER_INSIDE);
    for (unsigned cseq = 3; cseq < 5; cseq++) {
        OK(alg_call_request(&c, EDGE_INSIDE, "UPDATE", cseq, BARESIP_OFFER));
        assert_non_null(strstr(alg_call_body(&c), "o=- 1467 7722 IN IP4 198.51.100.7\r\n"));
        OK(alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "", FAR_AGAIN));
        assert_string_equal(alg_call_body(&c), FAR_ANSWER_INSIDE);
    }
    alg_call_fini(&c);
}

/* The far side has new keys: its next packets are under them, ours stay. With another suite ours are new, too. */
static void test_rekeying(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    establish(&c);
    const struct media_session *s = alg_sdp_session(c.x);
    const struct media_end *far = &s->streams[0].ends[MEDIA_OUTSIDE];
    const struct srtp_master key = far->out;
    const char *inside = REOFFER("-", "1467 7722", "17036", "");
    OK(alg_call_request(&c, EDGE_OUTSIDE, "UPDATE", 1,
                        "v=0\r\no=far 5 10 IN IP4 192.0.2.9\r\ns=call\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
                        "m=audio 40000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 " CALL_KEY_80_B "\r\n"));
    OK(alg_call_answer(&c, EDGE_INSIDE, "200 OK", "", inside));
    assert_memory_equal(far->in.octets, "=-n@%^x!", 8);
    assert_true(srtp_master_equal(&key, &far->out));
    OK(alg_call_request(&c, EDGE_OUTSIDE, "UPDATE", 2,
                        "v=0\r\no=far 5 11 IN IP4 192.0.2.9\r\ns=call\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
                        "m=audio 40000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_32 " CALL_KEY_80_B "\r\n"));
    OK(alg_call_answer(&c, EDGE_INSIDE, "200 OK", "", inside));
    assert_int_equal(far->in.suite, SUITE_AES_CM_128_HMAC_SHA1_32);
    assert_int_equal(far->out.suite, SUITE_AES_CM_128_HMAC_SHA1_32);
    assert_memory_not_equal(key.octets, far->out.octets, 30);
    alg_call_fini(&c);
}

/* Best-effort SRTP: keys, and RTP/AVP for those who do not know them. Keys decide: the offerer gets its own word back, and nothing goes unprotected where there are any. */
static void test_keys_without_savp(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    OK(alg_call_request(&c, EDGE_OUTSIDE, "INVITE", 1,
                        "v=0\r\no=far 5 9 IN IP4 192.0.2.9\r\ns=call\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
                        "m=audio 40000 RTP/AVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 " CALL_KEY_80 "\r\n"));
    assert_non_null(strstr(alg_call_body(&c), " RTP/AVP 0\r\n"));
    assert_null(strstr(alg_call_body(&c), "a=crypto"));
    OK(alg_call_answer(&c, EDGE_INSIDE, "200 OK", "", REOFFER("-", "1467 7722", "17036", "")));
    assert_non_null(strstr(alg_call_body(&c), " RTP/AVP 0\r\n" OUR_80));
    const struct media_end *ends = alg_sdp_session(c.x)->streams[0].ends;
    assert_int_equal(ends[MEDIA_OUTSIDE].in.suite, SUITE_AES_CM_128_HMAC_SHA1_80);
    assert_int_equal(ends[MEDIA_OUTSIDE].out.suite, SUITE_AES_CM_128_HMAC_SHA1_80);
    assert_int_equal(ends[MEDIA_INSIDE].out.suite, SUITE_NONE);
    alg_call_fini(&c);

    alg_call_init(&c); /* the same from inside */
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 1,
                        REOFFER("-", "1467 7722", "17036", "a=crypto:7 AES_CM_128_HMAC_SHA1_80 " CALL_KEY_80 "\r\n")));
    assert_non_null(strstr(alg_call_body(&c), " RTP/SAVP 0\r\n"));
    assert_null(strstr(alg_call_body(&c), CALL_KEY_80));
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "",
                       "v=0\r\no=far 5 9 IN IP4 192.0.2.9\r\ns=call\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
                       "m=audio 40000 RTP/SAVP 0\r\na=crypto:3 AES_CM_128_HMAC_SHA1_80 " CALL_KEY_80_B "\r\n"));
    assert_non_null(strstr(alg_call_body(&c), " RTP/AVP 0"));
    assert_non_null(strstr(alg_call_body(&c), "a=crypto:7 AES_CM_128_HMAC_SHA1_80 "));
    ends = alg_sdp_session(c.x)->streams[0].ends;
    assert_int_equal(ends[MEDIA_INSIDE].in.suite, SUITE_AES_CM_128_HMAC_SHA1_80);
    assert_int_equal(ends[MEDIA_INSIDE].out.suite, SUITE_AES_CM_128_HMAC_SHA1_80);
    assert_int_equal(ends[MEDIA_OUTSIDE].out.suite, SUITE_AES_CM_128_HMAC_SHA1_80);
    alg_call_fini(&c);
}

#define FAR_HEAD "v=0\r\no=far 5 1 IN IP4 192.0.2.9\r\ns=-\r\n"
#define FAR_CRYPTO "a=crypto:1 AES_CM_128_HMAC_SHA1_80 " CALL_KEY_80 "\r\n"
#define FAR_OFFER(connection, media) FAR_HEAD "c=IN " connection "\r\nt=0 0\r\n" media FAR_CRYPTO

static const struct {
    enum edge_side from;
    const char *body;
    enum alg_refusal refusal;
    unsigned status;
} refused_offers[] = {
    /* where media must not go */
    {EDGE_OUTSIDE, FAR_OFFER("IP4 127.0.0.1", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 10.1.0.5", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 192.168.1.1", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 203.0.113.5", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 198.51.100.7", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 192.0.2.50", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 224.2.1.1/127", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 255.255.255.255", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 169.254.0.9", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP6 ::1", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP6 ::ffff:10.1.0.5", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP6 fe80::1", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 far.example", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP6 192.0.2.9", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 2001:db8::1", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 192.0.2.9", "m=audio 1023 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 192.0.2.9", "m=audio 40000 RTP/SAVP 0\r\na=rtcp:22\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 192.0.2.9", "m=audio 40000 RTP/SAVP 0\r\na=rtcp:4000 IN IP4 10.1.0.5\r\n"),
     ALG_REFUSED_ADDRESS, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 192.0.2.9", "m=audio 40000 RTP/SAVP 0\r\nc=IN IP4 127.0.0.9\r\n"),
     ALG_REFUSED_ADDRESS, 488},
    {EDGE_INSIDE, FAR_OFFER("IP4 127.0.0.1", "m=audio 40000 RTP/AVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    {EDGE_INSIDE, FAR_OFFER("IP4 10.1.0.1", "m=audio 40000 RTP/AVP 0\r\n"), ALG_REFUSED_ADDRESS, 488},
    /* no SRTP */
    {EDGE_OUTSIDE, FAR_HEAD "c=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n", ALG_REFUSED_SRTP, 488},
    {EDGE_OUTSIDE, FAR_HEAD "c=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 40000 RTP/SAVP 0\r\n", ALG_REFUSED_SRTP, 488},
    {EDGE_OUTSIDE,
     FAR_HEAD "c=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 40000 RTP/SAVP 0\r\na=crypto:1 F8_128_HMAC_SHA1_80 " CALL_KEY_80
              "\r\n",
     ALG_REFUSED_SRTP, 488},
    {EDGE_INSIDE, FAR_HEAD "c=IN IP4 10.1.0.5\r\nt=0 0\r\nm=audio 40000 RTP/SAVP 0\r\n", ALG_REFUSED_SRTP, 488},
    /* nothing that we relay */
    {EDGE_OUTSIDE, FAR_OFFER("IP4 192.0.2.9", "m=audio 40000 UDP/TLS/RTP/SAVPF 0\r\n"), ALG_REFUSED_MEDIA, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 192.0.2.9", "m=message 40000 TCP/MSRP *\r\n"), ALG_REFUSED_MEDIA, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 192.0.2.9", "m=audio 40000/2 RTP/SAVP 0\r\n"), ALG_REFUSED_MEDIA, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 192.0.2.9", "m=a-very-long-kind-of-media 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_MEDIA,
     488},
    /* no description */
    {EDGE_OUTSIDE, "v=1\r\n", ALG_REFUSED_SDP, 400},
    {EDGE_OUTSIDE, FAR_HEAD "t=0 0\r\nm=audio 40000 RTP/SAVP 0\r\n" FAR_CRYPTO, ALG_REFUSED_SDP, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 192.0.2.9", "m=audio 40000 RTP/SAVP 0\r\n" FAR_CRYPTO), ALG_REFUSED_SDP, 488},
    {EDGE_OUTSIDE, FAR_OFFER("IP4 192.0.2.9", "m=audio 40000 RTP/SAVP 0\r\na=rtcp:x\r\n"), ALG_REFUSED_SDP, 488},
    {EDGE_OUTSIDE,
     FAR_HEAD "c=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 40000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 x\r\n",
     ALG_REFUSED_SDP, 488},
    {EDGE_OUTSIDE, FAR_HEAD "c=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 40000 RTP/SAVP 0\r\na=crypto\r\n", ALG_REFUSED_SDP,
     488},
};

static void test_refused_offers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused_offers / sizeof refused_offers[0]; i++) {
        struct alg_call c;
        const struct addr listener = addr_of("192.0.2.50:5061"); /* ours, and no other port of it is anybody else's */
        alg_call_init(&c);
        assert_int_equal(edge_options_own(&c.w.options, &listener), 0);
        if (alg_call_request(&c, refused_offers[i].from, "INVITE", 1, refused_offers[i].body) != ERR_FORBIDDEN ||
            c.verdict.refusal != refused_offers[i].refusal || c.verdict.status != refused_offers[i].status ||
            !c.verdict.rule || c.verdict.octet > c.invite.octets.n)
            fail_msg("row %zu: %s, %s (%u): %s", i, alg_refusal_name(c.verdict.refusal), c.verdict.rule,
                     c.verdict.status, alg_call_body(&c));
        assert_false(alg_sdp_waits(c.x));
        alg_call_fini(&c);
    }
}

static void test_refused_answers(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum alg_refusal refusal;
    } rows[] = {
        {FAR_HEAD "c=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 40000 RTP/SAVP 0\r\n", ALG_REFUSED_SRTP},
        {FAR_HEAD "c=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n" FAR_CRYPTO, ALG_REFUSED_SDP},
        {FAR_OFFER("IP4 127.0.0.1", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS},
        {FAR_OFFER("IP4 10.1.0.5", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_ADDRESS},
        {FAR_OFFER("IP6 2001:db8::9", "m=audio 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_SDP}, /* tag 1 is another suite */
        {FAR_HEAD
         "c=IN IP6 2001:db8::9\r\nt=0 0\r\nm=audio 40000 RTP/SAVP 0\r\na=crypto:3 AES_CM_128_HMAC_SHA1_80 " CALL_KEY_80
         "\r\n",
         ALG_REFUSED_MEDIA},
        {FAR_OFFER("IP4 192.0.2.9", "m=video 40000 RTP/SAVP 0\r\n"), ALG_REFUSED_SDP},
        {FAR_OFFER("IP4 192.0.2.9", "m=audio 40000 RTP/SAVP 0\r\nm=audio 40002 RTP/SAVP 0\r\n"), ALG_REFUSED_SDP},
        {FAR_HEAD "c=IN IP4 192.0.2.9\r\nt=0 0\r\n", ALG_REFUSED_SDP},
        {FAR_HEAD
         "c=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 40000 RTP/SAVP 0\r\na=crypto:3 AES_CM_128_HMAC_SHA1_80 " CALL_KEY_80
         "\r\na=crypto:4 AES_CM_128_HMAC_SHA1_32 " CALL_KEY_80 "\r\n",
         ALG_REFUSED_SDP},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct alg_call c;
        alg_call_init(&c);
        OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 1, BARESIP_OFFER));
        if (alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "", rows[i].body) != ERR_FORBIDDEN ||
            c.verdict.refusal != rows[i].refusal)
            fail_msg("row %zu: %s, %s", i, alg_refusal_name(c.verdict.refusal), c.verdict.rule);
        assert_int_equal(alg_sdp_session(c.x)->stream_count, 0);
        alg_call_fini(&c);
    }
}

/* A stream that cannot be relayed goes; the others stay. The ninth, too. */
static void test_lines(void **state)
{
    (void)state;
    struct alg_call c;
    struct buf text, wanted;
    alg_call_init(&c);
    buf_init(&text, 65536);
    buf_init(&wanted, 65536);
    buf_str(&text, FAR_HEAD "c=IN IP4 192.0.2.9\r\nt=0 0\r\n");
    buf_str(&wanted, "v=0\r\no=far 5 1 IN IP4 10.1.0.1\r\ns=-\r\nc=IN IP4 10.1.0.1\r\nt=0 0\r\n");
    for (unsigned i = 0; i < 10; i++) {
        bool secure = i != 1;
        buf_printf(&text, "m=audio %u RTP/SAVP 0\r\n%s", 40000 + 2 * i, secure ? FAR_CRYPTO : "");
        if (secure && i < MEDIA_STREAMS_MAX)
            buf_printf(&wanted, "m=audio %u RTP/AVP 0\r\n", 20000 + 2 * i);
        else
            buf_str(&wanted, "m=audio 0 RTP/SAVP 0\r\n");
    }
    OK(alg_call_request(&c, EDGE_OUTSIDE, "INVITE", 1, buf_text(&text)));
    assert_string_equal(alg_call_body(&c), buf_text(&wanted));
    buf_clear(&text);
    buf_str(&text, "v=0\r\no=- 1 1 IN IP4 10.1.0.5\r\ns=-\r\nc=IN IP4 10.1.0.5\r\nt=0 0\r\n");
    for (unsigned i = 0; i < 10; i++)
        buf_printf(&text, "m=audio %u RTP/%sAVP 0\r\n", i == 0 ? 5000 : 0, i == 1 || i >= 8 ? "S" : "");
    OK(alg_call_answer(&c, EDGE_INSIDE, "200 OK", "", buf_text(&text)));
    assert_int_equal(alg_sdp_session(c.x)->stream_count, MEDIA_STREAMS_MAX);
    assert_int_equal(alg_sdp_session(c.x)->streams[0].kind, MEDIA_RTP);
    for (unsigned i = 1; i < MEDIA_STREAMS_MAX; i++)
        assert_int_equal(alg_sdp_session(c.x)->streams[i].kind, MEDIA_OFF);
    /* Lines do not go away. */
    assert_int_equal(
        alg_call_request(&c, EDGE_OUTSIDE, "INVITE", 2, FAR_OFFER("IP4 192.0.2.9", "m=audio 40000 RTP/SAVP 0\r\n")),
        ERR_FORBIDDEN);
    assert_int_equal(c.verdict.refusal, ALG_REFUSED_SDP);
    buf_fini(&text);
    buf_fini(&wanted);
    alg_call_fini(&c);
}

/* Voice becomes fax in the same line, and comes back; where fax is refused, voice stays. */
static void test_fax(void **state)
{
    (void)state;
    static const char fax[] =
        "v=0\r\no=far 5 10 IN IP4 192.0.2.9\r\ns=call\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=image 40010 udptl t38\r\n"
        "a=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n";
    struct alg_call c;
    alg_call_init(&c);
    establish(&c);
    OK(alg_call_request(&c, EDGE_OUTSIDE, "INVITE", 7, fax));
    assert_string_equal(
        alg_call_body(&c),
        "v=0\r\no=far 5 10 IN IP4 10.1.0.1\r\ns=call\r\nc=IN IP4 10.1.0.1\r\nt=0 0\r\nm=image 20000 udptl "
        "t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n");
    OK(alg_call_answer(
        &c, EDGE_INSIDE, "200 OK", "",
        "v=0\r\no=- 1467 7722 IN IP4 10.1.0.5\r\ns=-\r\nc=IN IP4 10.1.0.5\r\nt=0 0\r\nm=image 4010 udptl "
        "t38\r\n"));
    const struct media_stream *stream = &alg_sdp_session(c.x)->streams[0];
    assert_int_equal(stream->kind, MEDIA_UDPTL);
    assert_addr(&stream->ends[MEDIA_OUTSIDE].remote, "192.0.2.9:40010");
    assert_int_equal(stream->ends[MEDIA_OUTSIDE].in.suite, SUITE_NONE);
    c.w.options.t38 = EDGE_T38_REFUSE;
    assert_int_equal(alg_call_request(&c, EDGE_OUTSIDE, "INVITE", 8, fax), ERR_FORBIDDEN);
    assert_int_equal(c.verdict.refusal, ALG_REFUSED_MEDIA);
    assert_int_equal(c.verdict.status, 488);
    alg_call_fini(&c);
}

static void test_families_and_nat(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    c.ports.families[EDGE_OUTSIDE] = 6;
    c.w.options.media_advertised[EDGE_OUTSIDE][1] = addr_of("[2001:db8::99]");
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 1,
                        REOFFER("-", "1 1", "17036", "a=rtcp:17039 IN IP4 10.1.0.5\r\n")));
    assert_string_equal(alg_call_body(&c),
                        "v=0\r\no=- 1 1 IN IP6 2001:db8::99\r\ns=-\r\nc=IN IP6 2001:db8::99\r\nt=0 0\r\n"
                        "m=audio 30000 RTP/SAVP 0\r\na=rtcp:30001 IN IP6 2001:db8::99\r\n" ALL_SUITES);
    OK(alg_call_answer(
        &c, EDGE_OUTSIDE, "200 OK", "",
        "v=0\r\no=- 5 5 IN IP6 2001:db8::5\r\ns=-\r\nt=0 0\r\nm=audio 40000 RTP/SAVP 0\r\nc=IN IP6 "
        "2001:db8::5\r\na=crypto:1 AEAD_AES_128_GCM inline:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpbXA==\r\n"));
    assert_string_equal(alg_call_body(&c),
                        "v=0\r\no=- 5 5 IN IP4 10.1.0.1\r\ns=-\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\n"
                        "c=IN IP4 10.1.0.1\r\n");
    assert_addr(&alg_sdp_session(c.x)->streams[0].ends[MEDIA_OUTSIDE].remote, "[2001:db8::5]:40000");
    alg_call_fini(&c);
    /* No IPv6 outside: then IPv4; and whoever wants IPv6 there is refused. */
    alg_call_init(&c);
    c.ports.families[EDGE_OUTSIDE] = 6;
    c.w.options.media_families[EDGE_OUTSIDE][1] = false;
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 1, BARESIP_OFFER));
    assert_string_equal(alg_call_body(&c), BARESIP_OUTSIDE);
    alg_sdp_withdraw(c.x);
    assert_int_equal(
        alg_call_request(&c, EDGE_OUTSIDE, "INVITE", 1, FAR_OFFER("IP6 2001:db8::9", "m=audio 40000 RTP/SAVP 0\r\n")),
        ERR_FORBIDDEN);
    assert_int_equal(c.verdict.refusal, ALG_REFUSED_MEDIA);
    /* No port, no media at all. */
    c.bind_err = ERR_LIMIT;
    assert_int_equal(alg_call_request(&c, EDGE_INSIDE, "INVITE", 3, BARESIP_OFFER), ERR_FORBIDDEN);
    assert_int_equal(c.verdict.status, 503);
    c.ports.media = NULL;
    assert_int_equal(alg_call_request(&c, EDGE_INSIDE, "INVITE", 4, BARESIP_OFFER), ERR_FORBIDDEN);
    assert_int_equal(c.verdict.refusal, ALG_REFUSED_MEDIA);
    alg_call_fini(&c);
}

/* SRTP inside: because we offer it, and because the PBX does. */
static void test_inside_srtp(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    c.w.options.inside_srtp = true;
    c.w.options.suites[0] = SUITE_AES_CM_128_HMAC_SHA1_80;
    c.w.options.suite_count = 1;
    OK(alg_call_request(&c, EDGE_OUTSIDE, "INVITE", 1, FAR_OFFER("IP4 192.0.2.9", "m=audio 40000 RTP/SAVP 0\r\n")));
    assert_string_equal(alg_call_body(&c),
                        "v=0\r\no=far 5 1 IN IP4 10.1.0.1\r\ns=-\r\nc=IN IP4 10.1.0.1\r\nt=0 0\r\n"
                        "m=audio 20000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY\r\n");
    OK(alg_call_answer(&c, EDGE_INSIDE, "200 OK", "",
                       "v=0\r\no=- 1 1 IN IP4 10.1.0.5\r\ns=-\r\nc=IN IP4 10.1.0.5\r\nt=0 0\r\nm=audio 5000 RTP/SAVP "
                       "0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 " CALL_KEY_80_B "\r\n"));
    const struct media_stream *stream = &alg_sdp_session(c.x)->streams[0];
    assert_int_equal(stream->ends[MEDIA_INSIDE].in.suite, SUITE_AES_CM_128_HMAC_SHA1_80);
    assert_int_equal(stream->ends[MEDIA_INSIDE].out.suite, SUITE_AES_CM_128_HMAC_SHA1_80);
    assert_memory_not_equal(stream->ends[MEDIA_INSIDE].out.octets, stream->ends[MEDIA_OUTSIDE].out.octets, 30);
    alg_call_fini(&c);
    alg_call_init(&c);
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 1,
                        "v=0\r\no=- 1 1 IN IP4 10.1.0.5\r\ns=-\r\nc=IN IP4 10.1.0.5\r\nt=0 0\r\nm=audio 5000 RTP/SAVP "
                        "0\r\na=crypto:9 AES_CM_128_HMAC_SHA1_80 " CALL_KEY_80_B "\r\n"));
    assert_non_null(strstr(alg_call_body(&c), "m=audio 30000 RTP/SAVP 0\r\n" ALL_SUITES));
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "", FAR_ANSWER));
    assert_non_null(strstr(alg_call_body(&c), "m=audio 20000 RTP/SAVP 0 101\r\n"));
    assert_non_null(strstr(alg_call_body(&c), "a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:KEY\r\n"));
    alg_call_fini(&c);
}

/* Secure if possible: keys in RTP/AVP. The answer has the profile that was offered. */
static void test_best_effort(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    OK(alg_call_request(&c, EDGE_OUTSIDE, "INVITE", 1, FAR_OFFER("IP4 192.0.2.9", "m=audio 40000 RTP/AVP 0\r\n")));
    assert_non_null(strstr(alg_call_body(&c), "m=audio 20000 RTP/AVP 0\r\n"));
    OK(alg_call_answer(&c, EDGE_INSIDE, "200 OK", "", REOFFER("-", "1 1", "17036", "")));
    assert_non_null(
        strstr(alg_call_body(&c), "m=audio 30000 RTP/AVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY\r\n"));
    assert_int_equal(alg_sdp_session(c.x)->streams[0].ends[MEDIA_OUTSIDE].in.suite, SUITE_AES_CM_128_HMAC_SHA1_80);
    alg_call_fini(&c);
}

#define PIDF "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\">10.1.0.5</presence>"

static void test_bodies(void **state)
{
    (void)state;
    struct alg_call c;
    struct buf in, wanted;
    alg_call_init(&c);
    buf_init(&in, 65536);
    buf_init(&wanted, 65536);
    const char *const before = "preamble\r\n--b 1\r\nContent-Type: application/pidf+xml\r\n\r\n" PIDF
                               "\r\n--b 1\r\nContent-Type:  application/SDP\r\nContent-ID: <1@x>\r\n\r\n";
    const char *const after = "\r\n--b 1\r\nContent-Type: text/plain\r\n\r\n  hello\r\n--b 1--\r\nepilogue";
    buf_printf(&in, "%s%s%s", before, BARESIP_OFFER, after);
    buf_printf(&wanted, "%s%s%s", before, BARESIP_OUTSIDE, after);
    struct sip_message m = alg_call_message(&c, "INVITE sip:b@b.example SIP/2.0", "INVITE", 1, "",
                                            "multipart/mixed;boundary=\"b 1\"", buf_text(&in));
    OK(alg_call_give(&c, EDGE_INSIDE, &m, NULL));
    assert_string_equal(alg_call_body(&c), buf_text(&wanted));
    alg_sdp_withdraw(c.x);
    /* Other bodies are not ours. */
    m = alg_call_message(&c, "MESSAGE sip:b@b.example SIP/2.0", "MESSAGE", 2, "", "text/plain", BARESIP_OFFER);
    OK(alg_call_give(&c, EDGE_INSIDE, &m, NULL));
    assert_int_equal(c.kind, ALG_SDP_NONE);
    assert_string_equal(alg_call_body(&c), BARESIP_OFFER);
    /* What nobody can look into, and two of one. */
    m = alg_call_message(&c, "INVITE sip:b@b.example SIP/2.0", "INVITE", 3, "Content-Encoding: gzip\r\n", SDP_TYPE,
                         "x");
    assert_int_equal(alg_call_give(&c, EDGE_INSIDE, &m, NULL), ERR_FORBIDDEN);
    assert_int_equal(c.verdict.status, 415);
    m = alg_call_message(&c, "INVITE sip:b@b.example SIP/2.0", "INVITE", 3, "Content-Encoding: gzip\r\n",
                         "multipart/mixed;boundary=x", "--x\r\n\r\n--x--");
    assert_int_equal(alg_call_give(&c, EDGE_INSIDE, &m, NULL), ERR_FORBIDDEN);
    m = alg_call_message(
        &c, "INVITE sip:b@b.example SIP/2.0", "INVITE", 3, "", "multipart/mixed;boundary=x",
        "--x\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\ndj0w\r\n--x--");
    assert_int_equal(alg_call_give(&c, EDGE_INSIDE, &m, NULL), ERR_FORBIDDEN);
    m = alg_call_message(
        &c, "INVITE sip:b@b.example SIP/2.0", "INVITE", 3, "", "multipart/alternative;boundary=x",
        "--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x\r\nContent-Type: multipart/mixed;boundary=y\r\n"
        "\r\n--y\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--y--\r\n--x--");
    assert_int_equal(alg_call_give(&c, EDGE_INSIDE, &m, NULL), ERR_FORBIDDEN);
    assert_int_equal(c.verdict.refusal, ALG_REFUSED_BODY);
    /* Too deep, not closed, and what says twice what it is. */
    static const struct {
        const char *type, *body;
    } dark[] = {
        {"multipart/mixed;boundary=x", "--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"},
        {"multipart/mixed", "--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x--"},
        {"multipart/mixed;boundary=x",
         "--x\r\nContent-Type: application/sdp\r\nContent-type: text/plain\r\n\r\nv=0\r\n--x--"},
        {"multipart/mixed;boundary=x", "--x\r\nc : application/sdp\r\nContent-type: text/plain\r\n\r\nv=0\r\n--x--"},
        {"multipart/mixed;boundary=1",
         "--1\r\nc: multipart/a;boundary=2\r\n\r\n--2\r\nc: multipart/a;boundary=3\r\n\r\n--3\r\nc: "
         "multipart/a;boundary=4\r\n\r\n--4\r\nc: multipart/a;boundary=5\r\n\r\n--5\r\nc: "
         "application/sdp\r\n\r\nv=0\r\n"
         "--5--\r\n--4--\r\n--3--\r\n--2--\r\n--1--"},
    };
    for (size_t i = 0; i < sizeof dark / sizeof dark[0]; i++) {
        m = alg_call_message(&c, "INVITE sip:b@b.example SIP/2.0", "INVITE", 3, "", dark[i].type, dark[i].body);
        assert_int_equal(alg_call_give(&c, EDGE_OUTSIDE, &m, NULL), ERR_FORBIDDEN);
        assert_int_equal(c.verdict.status, 415);
    }
    buf_fini(&in);
    buf_fini(&wanted);
    alg_call_fini(&c);
}

/* What is no offer and no answer says nothing to the other side. */
static void test_elsewhere(void **state)
{
    (void)state;
    static const char *const methods[] = {"OPTIONS", "INFO", "BYE", "MESSAGE", "NOTIFY", "SUBSCRIBE"};
    struct alg_call c;
    alg_call_init(&c);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        OK(alg_call_request(&c, EDGE_INSIDE, methods[i], 5, BARESIP_OFFER));
        assert_int_equal(c.kind, ALG_SDP_TAKEN);
        assert_string_equal(alg_call_body(&c), "");
        OK(alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "", FAR_ANSWER));
        assert_int_equal(c.kind, ALG_SDP_TAKEN);
    }
    struct alg_sdp *x = c.x;
    c.x = NULL; /* outside of calls */
    OK(alg_call_request(&c, EDGE_INSIDE, "OPTIONS", 5, BARESIP_OFFER));
    assert_int_equal(c.kind, ALG_SDP_TAKEN);
    OK(alg_call_request(&c, EDGE_INSIDE, "OPTIONS", 5, ""));
    assert_int_equal(c.kind, ALG_SDP_NONE);
    c.x = x;
    OK(alg_call_request(&c, EDGE_INSIDE, "ACK", 5, BARESIP_OFFER));
    assert_int_equal(c.kind, ALG_SDP_TAKEN);
    assert_int_equal(c.binds, 0);
    alg_call_fini(&c);
}

/* One offer at a time; UPDATE and PRACK. */
static void test_order(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 1, BARESIP_OFFER));
    struct sip_message invite = c.invite;
    assert_int_equal(
        alg_call_request(&c, EDGE_OUTSIDE, "UPDATE", 1, FAR_OFFER("IP4 192.0.2.9", "m=audio 40000 RTP/SAVP 0\r\n")),
        ERR_FORBIDDEN);
    assert_int_equal(c.verdict.refusal, ALG_REFUSED_GLARE);
    assert_int_equal(c.verdict.status, 491);
    assert_int_equal(alg_call_request(&c, EDGE_INSIDE, "UPDATE", 2, BARESIP_OFFER), ERR_FORBIDDEN);
    assert_int_equal(c.verdict.status, 500);
    /* A reliable 183 answers; then PRACK offers something new, which its 200 answers. */
    c.invite = invite;
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "183 Progress", "Require: 100rel\r\nRSeq: 1\r\n", FAR_ANSWER));
    OK(alg_call_request(&c, EDGE_INSIDE, "PRACK", 3, REOFFER("-", "1467 7722", "18000", "")));
    assert_int_equal(c.kind, ALG_SDP_OFFER);
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "", FAR_AGAIN));
    assert_int_equal(c.kind, ALG_SDP_ANSWER);
    assert_true(alg_sdp_session(c.x)->is_early);
    assert_addr(&alg_sdp_session(c.x)->streams[0].ends[MEDIA_INSIDE].remote, "10.1.0.5:18000");
    OK(alg_call_request(&c, EDGE_INSIDE, "UPDATE", 4, REOFFER("-", "1467 7723", "18002", "")));
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "", FAR_AGAIN));
    assert_int_equal(c.kind, ALG_SDP_ANSWER);
    /* The 200 to the INVITE repeats an answer that is history. */
    c.invite = invite;
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "", FAR_AGAIN));
    assert_string_equal(alg_call_body(&c), "");
    assert_addr(&alg_sdp_session(c.x)->streams[0].ends[MEDIA_INSIDE].remote, "10.1.0.5:18002");
    alg_call_fini(&c);
    /* An offer in a reliable 183, its answer in PRACK. */
    alg_call_init(&c);
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 1, ""));
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "183 Progress", "Require: 100rel\r\nRSeq: 1\r\n",
                       FAR_OFFER("IP4 192.0.2.9", "m=audio 40000 RTP/SAVP 0\r\n")));
    assert_int_equal(c.kind, ALG_SDP_OFFER);
    OK(alg_call_request(&c, EDGE_INSIDE, "PRACK", 2, REOFFER("-", "1 1", "17036", "")));
    assert_int_equal(c.kind, ALG_SDP_ANSWER);
    assert_true(alg_sdp_session(c.x)->is_early);
    alg_call_fini(&c);
}

/* Each branch of an INVITE answers for itself. */
static void test_forks(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 1, BARESIP_OFFER));
    struct alg_sdp *first = c.x, *second = alg_sdp_clone(c.x);
    assert_non_null(second);
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "183 Progress", "", FAR_ANSWER));
    c.x = second;
    assert_true(alg_sdp_waits(second));
    OK(alg_call_answer(
        &c, EDGE_OUTSIDE, "200 OK", "",
        "v=0\r\no=two 5 9 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 50000 RTP/SAVP "
        "8\r\na=crypto:4 AES_CM_128_HMAC_SHA1_32 " CALL_KEY_80_B "\r\n"));
    assert_non_null(strstr(alg_call_body(&c), "m=audio 20000 RTP/AVP 8\r\n"));
    assert_addr(&alg_sdp_session(second)->streams[0].ends[MEDIA_OUTSIDE].remote, "192.0.2.10:50000");
    assert_addr(&alg_sdp_session(first)->streams[0].ends[MEDIA_OUTSIDE].remote, "192.0.2.9:40000");
    alg_sdp_free(first);
    alg_call_fini(&c);
}

/* Nothing of the inside in the corners of a description. */
static void test_hidden(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    OK(alg_call_request(
        &c, EDGE_INSIDE, "INVITE", 1,
        "v=0\r\no=ann@10.1.0.5 1 1 IN IP4 pbx.local\r\ns=from 10.1.0.5\r\ni=at fd00::5\r\n"
        "u=http://pbx.local/\r\ne=ann@pbx\r\np=+49 30\r\nc=IN IP4 10.1.0.5\r\nb=AS:1\r\nt=0 0\r\nk=clear:x\r\n"
        "a=alt:1 1 : A B 10.1.0.5 4000\r\na=x-nat:10.1.0.5\r\na=rtcp:99\r\n"
        "m=audio 17036 RTP/AVP 0\r\ni=mine\r\nk=clear:y\r\na=oldmediaip:10.1.0.6\r\na=x:2001:db8::1\r\n"
        "a=acap:1 crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\na=tcap:1 RTP/SAVP\r\na=pcfg:1 t=1\r\n"
        "a=group:LS 1\r\nm=audio 0 RTP/AVP 0\r\nc=IN IP4 10.1.0.9\r\na=rtcp:5 IN IP4 10.1.0.9\r\n"));
    assert_string_equal(
        alg_call_body(&c),
        "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\np=+49 30\r\nc=IN IP4 198.51.100.7\r\nb=AS:1\r\nt=0 0\r\n"
        "m=audio 30000 RTP/SAVP 0\r\ni=mine\r\na=x:2001:db8::1\r\na=group:LS 1\r\n" ALL_SUITES
        "m=audio 0 RTP/AVP 0\r\nc=IN IP4 198.51.100.7\r\n");
    alg_sdp_withdraw(c.x);
    /* Where nothing can be taken out. */
    assert_int_equal(
        alg_call_request(&c, EDGE_INSIDE, "INVITE", 2,
                         "v=0\r\no=- 1 1 IN IP4 a\r\ns=-\r\nc=IN IP4 10.1.0.5\r\nt=0 0\r\nm=audio 17036 RTP/AVP "
                         "0\r\nm=x 0 10.1.0.7 *\r\n"),
        ERR_FORBIDDEN);
    assert_int_equal(c.verdict.refusal, ALG_REFUSED_ADDRESS);
    alg_call_fini(&c);
}

/* What nobody can read goes no further than it must: names of formats, the name of the session. */
static void test_unreadable(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    OK(alg_call_request(&c, EDGE_OUTSIDE, "INVITE", 1,
                        "v=0\r\no=f\001r 5 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 40000 "
                        "RTP/SAVP 96 97 200 x\r\na=rtpmap:96 tel\377ephone/8000\r\na=rtpmap:97 \"x/0\r\n" FAR_CRYPTO));
    assert_non_null(strstr(alg_call_body(&c), "o=- 5 1 IN IP4 10.1.0.1\r\n"));
    assert_non_null(strstr(alg_call_body(&c), "a=rtpmap:96 tel\377ephone/8000\r\n"));
    OK(alg_call_answer(&c, EDGE_INSIDE, "200 OK", "", REOFFER("-", "1 1", "17036", "")));
    const struct media_stream *stream = &alg_sdp_session(c.x)->streams[0];
    assert_int_equal(stream->format_count, 2);
    assert_int_equal(stream->formats[1].payload_type, 96);
    assert_string_equal(stream->formats[1].name, "");
    assert_int_equal(stream->formats[1].clock_hz, 8000);
    alg_call_fini(&c);
}

/* No line in use, or no line at all: allowed (RFC 3264 5). */
static void test_empty(void **state)
{
    (void)state;
    struct alg_call c;
    alg_call_init(&c);
    OK(alg_call_request(&c, EDGE_OUTSIDE, "INVITE", 1, FAR_HEAD "c=IN IP4 192.0.2.9\r\nt=0 0\r\n"));
    assert_string_equal(alg_call_body(&c), "v=0\r\no=far 5 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n");
    OK(alg_call_answer(&c, EDGE_INSIDE, "200 OK", "", "v=0\r\no=- 1 1 IN IP4 10.1.0.5\r\ns=-\r\nt=0 0\r\n"));
    assert_int_equal(alg_sdp_session(c.x)->stream_count, 0);
    OK(alg_call_request(&c, EDGE_OUTSIDE, "INVITE", 2,
                        FAR_HEAD "c=IN IP4 10.9.9.9\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n"));
    assert_non_null(strstr(alg_call_body(&c), "\r\nm=audio 0 RTP/AVP 0\r\n"));
    assert_null(strstr(alg_call_body(&c), "10.9.9.9"));
    alg_call_fini(&c);
}

/* Whatever allocation fails, nothing is half done. */
static void test_no_memory(void **state)
{
    (void)state;
    bool offered = false, answered = false;
    for (unsigned long nth = 1; nth < 200 && !(offered && answered); nth++) {
        struct alg_call c;
        alg_call_init(&c);
        struct sip_message m =
            alg_call_message(&c, "INVITE sip:b@b.example SIP/2.0", "INVITE", 1, "", SDP_TYPE, BARESIP_OFFER);
        struct sip_message r = alg_call_message(&c, "SIP/2.0 200 OK", "INVITE", 1, "", SDP_TYPE, FAR_ANSWER);
        struct region region;
        for (int step = 0; step < 2; step++) {
            const struct sip_message *message = step ? &r : &m;
            region_init(&region, 1 << 20);
            struct sip_edit *e = sip_edit_new(&c.w.region, message);
            mem_fail_at(step || !offered ? nth : 0);
            int err = alg_sdp_pass(c.x, &c.ports, step ? EDGE_OUTSIDE : EDGE_INSIDE, message, step ? &m : NULL, &region,
                                   e, &c.kind, &c.verdict);
            mem_fail_at(0);
            region_fini(&region);
            assert_true(err == 0 || err == ERR_NO_MEMORY || err == ERR_FORBIDDEN);
            if (err)
                assert_int_equal(alg_sdp_waits(c.x), step == 1);
            if (err)
                break;
            offered |= step == 0;
            answered |= step == 1;
        }
        alg_call_fini(&c);
    }
    assert_true(offered && answered);
}

/* A call goes on elsewhere: a re-INVITE finds the session, its keys and its version as they were. No shorter row is one. */
static void test_row(void **state)
{
    (void)state;
    struct alg_call c;
    struct alg_sdp *copy;
    struct fault fault = {0};
    alg_call_init(&c);
    establish(&c);
    const struct srtp_master key = alg_sdp_session(c.x)->streams[0].ends[MEDIA_OUTSIDE].out;
    buf_clear(&c.w.in);
    OK(alg_sdp_encode(c.x, &c.w.in));
    for (size_t n = 0; n < c.w.in.n; n++) {
        int err = alg_sdp_decode(slice_of(c.w.in.p, n), &copy, &fault);
        assert_true(err < 0 && fault.rule && fault.octet <= n);
    }
    OK(alg_sdp_decode(buf_slice(&c.w.in), &copy, &fault));
    c.w.in.p[0]++;
    assert_int_equal(alg_sdp_decode(buf_slice(&c.w.in), &copy, &fault), ERR_UNSUPPORTED);
    alg_sdp_free(c.x);
    c.x = copy;
    assert_true(srtp_master_equal(&key, &alg_sdp_session(copy)->streams[0].ends[MEDIA_OUTSIDE].out));
    OK(alg_call_request(&c, EDGE_INSIDE, "INVITE", 2, REOFFER("other", "9 9000", "17036", "")));
    assert_non_null(strstr(alg_call_body(&c), "o=- 1467 7722 IN IP4 198.51.100.7\r\n"));
    OK(alg_call_answer(&c, EDGE_OUTSIDE, "200 OK", "", FAR_AGAIN));
    assert_true(srtp_master_equal(&key, &alg_sdp_session(copy)->streams[0].ends[MEDIA_OUTSIDE].out));
    assert_false(alg_sdp_session(copy)->is_early);
    alg_call_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outbound),
        cmocka_unit_test(test_inbound),
        cmocka_unit_test(test_answered_before),
        cmocka_unit_test(test_delayed),
        cmocka_unit_test(test_withdrawn),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_rekeying),
        cmocka_unit_test(test_keys_without_savp),
        cmocka_unit_test(test_refresh),
        cmocka_unit_test(test_refused_offers),
        cmocka_unit_test(test_refused_answers),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_fax),
        cmocka_unit_test(test_families_and_nat),
        cmocka_unit_test(test_inside_srtp),
        cmocka_unit_test(test_best_effort),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_forks),
        cmocka_unit_test(test_hidden),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_row),
        cmocka_unit_test(test_unreadable),
    };
    return cmocka_run_group_tests_name("alg_sdp", tests, NULL, NULL);
}
