/* Descriptions of one party: made, answered, read. */
#include "pstn/party.h"

#include "base/text.h"

#include <stdio.h>

#define DESCRIPTION_OCTETS_MAX 8192
#define EVENTS_TYPE 101 /* in offers of ours */
#define VIDEO_TYPE 99
#define TYPES_MAX 8

/* What a stream of the session is to us. */
enum stream_kind { STREAM_AUDIO, STREAM_VIDEO, STREAM_OTHER };

void pstn_party_init(struct pstn_party *p, const struct addr *audio, const struct addr *video, uint64_t session)
{
    *p = (struct pstn_party){.audio = *audio, .wants = {true, true}, .session = session};
    if (video)
        p->video = *video;
    p->events = EVENTS_TYPE;
    p->video_type = VIDEO_TYPE;
    p->far_events = p->far_video.type = PSTN_TYPE_NONE;
    buf_init(&p->said, DESCRIPTION_OCTETS_MAX);
    buf_init(&p->heard, DESCRIPTION_OCTETS_MAX);
}

void pstn_party_fini(struct pstn_party *p)
{
    buf_fini(&p->said);
    buf_fini(&p->heard);
}

/* ---- directions ---- */

static struct pstn_way way_of(enum sip_sdp_direction direction)
{
    return (struct pstn_way){.sends = direction == SIP_SDP_SENDRECV || direction == SIP_SDP_SENDONLY,
                             .receives = direction == SIP_SDP_SENDRECV || direction == SIP_SDP_RECVONLY};
}

static const char *way_name(struct pstn_way way)
{
    return way.sends ? way.receives ? "sendrecv" : "sendonly" : way.receives ? "recvonly" : "inactive";
}

/* What is left of it with that of the other party. */
static struct pstn_way way_with(struct pstn_way ours, struct pstn_way theirs)
{
    return (struct pstn_way){.sends = ours.sends && theirs.receives, .receives = ours.receives && theirs.sends};
}

/* ---- what the other party says ---- */

static bool read_address(const struct sip_sdp *sdp, int media, struct addr *ret_at)
{
    struct sip_sdp_connection c;
    char text[ADDR_TEXT_OCTETS];
    static const uint8_t any[16];
    const uint16_t port = sdp->media[media].port;
    if (!port || !sip_sdp_connection(sdp, media, &c) || c.address.n > ADDR_TEXT_OCTETS - 3)
        return false;
    const int n =
        snprintf(text, sizeof text, slice_eq_str(c.addrtype, "IP6") ? "[%.*s]" : "%.*s", SLICE_PRINT(c.address));
    return !addr_parse(slice_of(text, (size_t)n), port, ret_at) && memcmp(ret_at->ip, any, sizeof any) != 0;
}

static bool is_rtp(const struct sip_sdp_media *m)
{
    return m->port && (slice_eq_str(m->protocol, "RTP/AVP") || slice_eq_str(m->protocol, "RTP/AVPF"));
}

/* rtpmap of a format: "telephone-event/8000". */
static bool format_is(const struct sip_sdp *sdp, int media, struct slice format, const char *encoding)
{
    struct sip_sdp_attribute a;
    const size_t n = strlen(encoding);
    return sip_sdp_attribute_of_format(sdp, media, "rtpmap", format, &a) && a.value.n >= n &&
           text_equal_nocase(slice_of(a.value.p, n), slice_str(encoding));
}

/* Which of its formats are ours. */
struct formats {
    uint8_t types[TYPES_MAX]; /* of audio, in its order */
    size_t count;
    enum pstn_law law; /* the first */
    bool has_law;
    uint8_t events, video;
};

static void read_formats(const struct sip_sdp *sdp, int media, struct formats *ret_formats)
{
    struct formats f = {.events = PSTN_TYPE_NONE, .video = PSTN_TYPE_NONE};
    const bool is_video = slice_eq_str(sdp->media[media].media, "video");
    struct slice rest = sdp->media[media].formats;
    while (rest.n && f.count < TYPES_MAX) {
        struct slice format = text_cut(&rest, ' ');
        uint64_t type;
        enum pstn_law law;
        if (u64_parse(format, 127, &type) < 0)
            continue;
        if (is_video) {
            if (f.video == PSTN_TYPE_NONE && format_is(sdp, media, format, "H264/90000"))
                f.video = (uint8_t)type;
            continue;
        }
        if (pstn_law_find((uint8_t)type, &law)) {
            f.law = f.has_law ? f.law : law;
            f.has_law = true;
        } else if (f.events == PSTN_TYPE_NONE && format_is(sdp, media, format, "telephone-event/8000")) {
            f.events = (uint8_t)type;
        } else {
            continue;
        }
        f.types[f.count++] = (uint8_t)type;
    }
    *ret_formats = f;
}

/* What we make of each stream. At most one is our audio, at most one our video. */
struct reading {
    struct sip_sdp sdp;
    int audio, video; /* -1: none */
    struct formats formats, video_formats;
};

static int read_streams(const struct pstn_party *p, struct region *region, struct slice body, struct reading *ret)
{
    struct reading r = {.audio = -1, .video = -1};
    int err = sip_sdp_parse(region, body, &r.sdp, NULL);
    if (err)
        return err;
    if (r.sdp.media_count > PSTN_STREAMS_MAX)
        return ERR_LIMIT;
    for (int i = 0; i < (int)r.sdp.media_count; i++) {
        const struct sip_sdp_media *m = &r.sdp.media[i];
        struct formats f;
        if (!is_rtp(m))
            continue;
        read_formats(&r.sdp, i, &f);
        if (r.audio < 0 && slice_eq_str(m->media, "audio") && f.has_law) {
            r.audio = i;
            r.formats = f;
        } else if (r.video < 0 && slice_eq_str(m->media, "video") && f.video != PSTN_TYPE_NONE && p->video.family) {
            r.video = i;
            r.video_formats = f;
        }
    }
    *ret = r;
    return 0;
}

/* Whether it may say that after what it said before. Another session is taken all the same, an old version is not. */
static bool is_news(struct pstn_party *p, struct region *region, const struct sip_sdp *next)
{
    struct sip_sdp before;
    if (!p->heard.n || sip_sdp_parse(region, buf_slice(&p->heard), &before, NULL) < 0)
        return true;
    if (slice_eq(before.octets, next->octets))
        return false;
    p->faults += sip_sdp_check_next(&before, next, NULL) != 0;
    return !slice_eq(before.origin.session_id, next->origin.session_id) ||
           next->origin.version_number > before.origin.version_number;
}

static void take_stream(const struct reading *r, int media, uint8_t type, struct pstn_far *ret_far)
{
    *ret_far = (struct pstn_far){.type = type};
    if (media < 0 || !read_address(&r->sdp, media, &ret_far->at))
        return;
    ret_far->way = way_of(sip_sdp_direction(&r->sdp, media));
}

static void take(struct pstn_party *p, const struct reading *r)
{
    buf_clear(&p->heard);
    buf_slice_put(&p->heard, r->sdp.octets);
    take_stream(r, r->audio, PSTN_TYPE_NONE, &p->far);
    take_stream(r, r->video, r->video_formats.video, &p->far_video);
    if (r->audio >= 0)
        p->law = r->formats.law;
    p->far_events = r->audio < 0 ? PSTN_TYPE_NONE : r->formats.events;
}

/* ---- what we say ---- */

static void begin(struct pstn_party *p, struct buf *out)
{
    char ip[ADDR_TEXT_OCTETS];
    addr_format_ip(&p->audio, ip);
    buf_clear(out);
    buf_printf(out, "s=-\r\nc=IN %s %s\r\nt=0 0\r\n", p->audio.family == 6 ? "IP6" : "IP4", ip);
}

/* The first line that changes is o=, and only that says whether anything did. */
static int end(struct pstn_party *p, struct buf *out)
{
    char ip[ADDR_TEXT_OCTETS], head[160];
    if (out->err)
        return out->err;
    if (!p->version || !slice_eq(buf_slice(&p->said), buf_slice(out))) {
        p->version++;
        buf_clear(&p->said);
        buf_slice_put(&p->said, buf_slice(out));
    }
    addr_format_ip(&p->audio, ip);
    snprintf(head, sizeof head, "v=0\r\no=- %llu %llu IN %s %s\r\n", (unsigned long long)p->session,
             (unsigned long long)p->version, p->audio.family == 6 ? "IP6" : "IP4", ip);
    buf_clear(out);
    buf_str(out, head);
    buf_slice_put(out, buf_slice(&p->said));
    return out->err ? out->err : p->said.err;
}

static void put_audio(const struct pstn_party *p, const uint8_t *types, size_t count, struct buf *out)
{
    enum pstn_law law;
    buf_printf(out, "m=audio %u RTP/AVP", p->audio.port);
    for (size_t i = 0; i < count; i++)
        buf_printf(out, " %u", types[i]);
    buf_str(out, "\r\n");
    for (size_t i = 0; i < count; i++) {
        if (pstn_law_find(types[i], &law))
            buf_printf(out, "a=rtpmap:%u %s/8000\r\n", types[i], law == PSTN_ALAW ? "PCMA" : "PCMU");
        else
            buf_printf(out, "a=rtpmap:%u telephone-event/8000\r\na=fmtp:%u 0-15\r\n", types[i], types[i]);
    }
    buf_printf(out, "a=%s\r\n", way_name(p->does));
}

static void put_video(const struct pstn_party *p, struct buf *out)
{
    buf_printf(
        out,
        "m=video %u RTP/AVP %u\r\na=rtpmap:%u H264/90000\r\na=fmtp:%u profile-level-id=42e01f;packetization-mode=1\r\n"
        "a=%s\r\n",
        p->video.port, p->video_type, p->video_type, p->video_type, way_name(p->shows));
}

static void put_refused(const char *stream, struct buf *out)
{
    buf_printf(out, "m=%s\r\n", stream);
}

/* The session's m= lines, as they are repeated when they are refused. */
static void note_streams(struct pstn_party *p, const struct sip_sdp *sdp)
{
    p->stream_count = sdp->media_count;
    for (size_t i = 0; i < sdp->media_count; i++) {
        const struct sip_sdp_media *m = &sdp->media[i];
        struct slice rest = m->formats, format = text_cut(&rest, ' ');
        const int n = snprintf(p->streams[i], sizeof p->streams[i], "%.*s 0 %.*s %.*s", SLICE_PRINT(m->media),
                               SLICE_PRINT(m->protocol), SLICE_PRINT(format));
        if (n < 0 || (size_t)n >= sizeof p->streams[i])
            snprintf(p->streams[i], sizeof p->streams[i], "%.*s 0 RTP/AVP 0", m->media.n < 16 ? (int)m->media.n : 16,
                     (const char *)m->media.p);
    }
}

static bool is_kind(const char *stream, const char *media)
{
    return !strncmp(stream, media, strlen(media)) && stream[strlen(media)] == ' ';
}

int pstn_party_offer(struct pstn_party *p, struct buf *out)
{
    const uint8_t types[] = {pstn_law_payload_type(PSTN_ALAW), pstn_law_payload_type(PSTN_ULAW), p->events};
    bool has_audio = false, has_video = false;
    p->does = p->shows = p->wants;
    begin(p, out);
    for (size_t i = 0; i < p->stream_count; i++) {
        const bool audio = !has_audio && is_kind(p->streams[i], "audio");
        const bool video = !has_video && is_kind(p->streams[i], "video") && p->video.family;
        has_audio = has_audio || audio;
        has_video = has_video || video;
        if (audio)
            put_audio(p, types, sizeof types, out);
        else if (video)
            put_video(p, out);
        else
            put_refused(p->streams[i], out);
    }
    if (!has_audio && p->stream_count < PSTN_STREAMS_MAX) {
        snprintf(p->streams[p->stream_count++], sizeof p->streams[0], "audio 0 RTP/AVP 8");
        put_audio(p, types, sizeof types, out);
    }
    if (!has_video && p->video.family && p->stream_count < PSTN_STREAMS_MAX) {
        snprintf(p->streams[p->stream_count++], sizeof p->streams[0], "video 0 RTP/AVP %u", p->video_type);
        put_video(p, out);
    }
    return end(p, out);
}

int pstn_party_answer(struct pstn_party *p, struct region *region, struct slice offer, struct buf *out)
{
    struct reading r;
    int err = read_streams(p, region, offer, &r);
    if (err)
        return err;
    if (r.audio < 0)
        return ERR_CONFLICT;
    if (is_news(p, region, &r.sdp))
        take(p, &r);
    note_streams(p, &r.sdp);
    p->does = way_with(p->wants, p->far.way);
    p->shows = way_with(p->wants, p->far_video.way);
    if (r.formats.events != PSTN_TYPE_NONE)
        p->events = r.formats.events;
    if (r.video >= 0)
        p->video_type = r.video_formats.video;
    begin(p, out);
    for (int i = 0; i < (int)r.sdp.media_count; i++) {
        if (i == r.audio)
            put_audio(p, r.formats.types, r.formats.count, out);
        else if (i == r.video)
            put_video(p, out);
        else
            put_refused(p->streams[i], out);
    }
    return end(p, out);
}

int pstn_party_hear(struct pstn_party *p, struct region *region, struct slice answer)
{
    struct reading r;
    int err = read_streams(p, region, answer, &r);
    if (err)
        return err;
    p->faults += r.sdp.media_count != p->stream_count;
    if (is_news(p, region, &r.sdp))
        take(p, &r);
    return 0;
}

/* ---- what is agreed ---- */

bool pstn_party_speaks(const struct pstn_party *p)
{
    return p->far.at.family && p->does.sends && p->far.way.receives;
}

bool pstn_party_listens(const struct pstn_party *p)
{
    return p->far.at.family && p->does.receives && p->far.way.sends;
}

bool pstn_party_shows(const struct pstn_party *p)
{
    return p->video.family && p->far_video.at.family && p->shows.sends && p->far_video.way.receives;
}
