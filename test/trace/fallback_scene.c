/* The scene of a direct call that may move. */
#include "fallback_scene.h"

#include <stdio.h>
#include <string.h>

#define HEAD(user, version, address) \
    "v=0\r\no=" user " 100 " version " IN IP4 " address "\r\ns=-\r\nc=IN IP4 " address "\r\nt=0 0\r\n"
#define AUDIO(port)                                                                                     \
    "m=audio " port " RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 " \
    "telephone-event/8000\r\na=fmtp:101 0-15\r\n"
#define VIDEO(port) "m=video " port " RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"

const char ann_sdp[] = HEAD("ann", "1", "10.0.0.7") AUDIO("4000");
const char ann_video_sdp[] = HEAD("ann", "1", "10.0.0.7") AUDIO("4000") VIDEO("4002");
const char bob_sdp[] = HEAD("bob", "7", "203.0.113.77") AUDIO("5000");
const char bob_video_sdp[] = HEAD("bob", "7", "203.0.113.77") AUDIO("5000") VIDEO("5002");
const char carl_sdp[] = HEAD("carl", "9", "198.51.100.50") AUDIO("6000");

struct stage *scene_stage(int64_t return_ms, unsigned digits)
{
    struct stage *s = agent_stage_new();
    struct agent_fallback_profile p;
    agent_fallback_profile_init(&p);
    assert_true(e164_parse(slice_str(OUR_FALLBACK_NUMBER), &p.number));
    p.return_ms = return_ms;
    p.dtmf_digits = digits;
    agent_stage_fallback(s, &p);
    assert_int_equal(addr_parse(slice_str("203.0.113.9:5061"), 0, &s->options.edge), 0);
    s->far_domain = NULL;
    s->unchecked = true;
    s->sdp[PBX] = ann_video_sdp;
    s->sdp[FAR] = bob_video_sdp;
    s->sdp[CARRIER_1] = s->sdp[CARRIER_2] = carl_sdp;
    return s;
}

int scene_setup(void **state)
{
    struct stage *s = scene_stage(30000, 0);
    agent_stage_start(s);
    stage_learn(s, NUMBER, "b.example");
    *state = s;
    return 0;
}

void scene_quality(struct scene *c, const char *quality)
{
    char more[256];
    snprintf(more, sizeof more, "Refer-To: <sip:quality@edge>\r\nRefer-Sub: false\r\nX-IME-Quality: %s\r\n", quality);
    talk_request(&c->bob, "REFER", more, NULL);
}

void scene_far_says(struct scene *c, const char *word)
{
    char more[256];
    snprintf(more, sizeof more, "IME-Fallback: %s\r\n", word);
    talk_request(&c->bob, "INFO", more, NULL);
}

void scene_far_is_told(struct scene *c, const char *word, const char *more)
{
    const struct sip_field *f;
    talk_asked(&c->bob, "INFO");
    f = sip_field_named(&c->s->message, "IME-Fallback");
    assert_non_null(f);
    assert_slice_text(f->value, word);
    assert_int_equal(c->s->message.body.n, 0);
    talk_answer(&c->bob, 200, more);
}

void scene_told(struct talk *t, const char *part, const char *other_part)
{
    talk_asked(t, "INVITE");
    if (part && !strstr(stage_body(t->stage), part))
        fail_msg("no %s in\n%s", part, stage_text(t->stage));
    if (other_part && !strstr(stage_body(t->stage), other_part))
        fail_msg("no %s in\n%s", other_part, stage_text(t->stage));
}

void scene_moves(struct talk *t, const char *part)
{
    scene_told(t, part, NULL);
    talk_answer(t, 200, NULL);
    talk_asked(t, "ACK");
}

void scene_hang_up(struct scene *c, struct talk *who, struct talk *first, struct talk *second)
{
    talk_request(who, "BYE", NULL, NULL);
    talk_heard(who, "200");
    talk_asked(first, "BYE");
    talk_answer(first, 200, NULL);
    if (second) {
        talk_asked(second, "BYE");
        talk_answer(second, 200, NULL);
    }
    stage_quiet(c->s);
}

static unsigned answer_all(struct scene *c, enum peer peer)
{
    struct stage *s = c->s;
    unsigned byes = 0;
    while (!stage_is_quiet(s, peer)) {
        struct talk t = {.stage = s, .peer = peer};
        stage_skip(s, peer);
        region_clear(&s->region);
        assert_int_equal(sip_parse(&s->region, slice_str(stage_text(s)), SIP_DATAGRAM, &s->message, NULL), 0);
        assert_int_equal(sip_check(&s->message, NULL, NULL), 0);
        const struct sip_message *m = &s->message;
        if (!m->is_request || m->method == SIP_ACK)
            continue;
        assert_true(peer != PBX || m->to.tag.n); /* nobody's phone rings */
        snprintf(t.tag, sizeof t.tag, "%.*s", SLICE_PRINT(m->to.tag));
        snprintf(t.request, sizeof t.request, "%s", stage_text(s));
        byes |= m->method == SIP_BYE ? 1u << peer : 0;
        const bool cancels = m->method == SIP_CANCEL, begins = !m->to.tag.n;
        if (begins && !cancels)
            talk_answer(&t, 486, NULL);
        else if (m->method == SIP_INVITE && c->gone >> peer & 1)
            talk_answer(&t, 481, NULL);
        else
            talk_answer(&t, 200, NULL);
        if (cancels)
            talk_answer(&c->carl, 487, NULL);
    }
    return byes;
}

unsigned scene_goes_on(struct scene *c, int64_t ms)
{
    unsigned byes = 0;
    for (int64_t at = 0; at <= ms; at += 50) {
        for (unsigned peer = 0; peer < PEERS; peer++)
            byes |= answer_all(c, (enum peer)peer);
        if (at < ms)
            stage_run(c->s, 50);
    }
    return byes;
}

void scene_is_over(struct scene *c)
{
    struct agent_left left;
    scene_goes_on(c, 70000);
    agent_left(c->s->agent, &left);
    assert_int_equal(left.calls, 0);
    assert_int_equal(left.attempts + left.dialogs, 0);
    assert_int_equal(left.legs + left.sounds + left.tokens, 0);
    assert_int_equal(left.clients + left.servers, 0);
    assert_int_equal(left.timers, 0);
    assert_int_equal(stage_sounds_open(c->s), 0);
}
