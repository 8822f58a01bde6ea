/* Which codecs a description speaks of, and how media flows between two that have been agreed on. */
#include "base/text.h"
#include "sip/sdp_next.h"

#define PAYLOAD_TYPE_MAX 127
#define CODECS_MAX 64 /* looked at, of a description */

/* RFC 3551 6: what needs no rtpmap. */
static const struct sip_sdp_codec fixed[] = {
    {0, "PCMU", 8000, 1},  {3, "GSM", 8000, 1},    {4, "G723", 8000, 1},   {5, "DVI4", 8000, 1},
    {6, "DVI4", 16000, 1}, {7, "LPC", 8000, 1},    {8, "PCMA", 8000, 1},   {9, "G722", 8000, 1},
    {10, "L16", 44100, 2}, {11, "L16", 44100, 1},  {12, "QCELP", 8000, 1}, {13, "CN", 8000, 1},
    {15, "G728", 8000, 1}, {16, "DVI4", 11025, 1}, {17, "DVI4", 22050, 1}, {18, "G729", 8000, 1},
};

/* "opus/48000/2" */
static bool read_rtpmap(struct slice value, struct sip_sdp_codec *codec)
{
    struct slice rest = text_trim(value);
    struct slice name = text_cut(&rest, '/');
    uint64_t clock_hz, channels = 1;
    if (!name.n || name.n >= sizeof codec->name || !rest.p)
        return false;
    struct slice clock = text_cut(&rest, '/');
    if (u64_parse(clock, UINT32_MAX, &clock_hz) < 0 || (rest.p && u64_parse(rest, 255, &channels) < 0))
        return false;
    memcpy(codec->name, name.p, name.n);
    codec->name[name.n] = '\0';
    codec->clock_hz = (uint32_t)clock_hz;
    codec->channels = channels ? (unsigned)channels : 1;
    return true;
}

bool sip_sdp_codec_of(const struct sip_sdp *sdp, int media, struct slice format, struct sip_sdp_codec *ret_codec)
{
    struct sip_sdp_attribute a;
    struct sip_sdp_codec codec = {0};
    uint64_t type;
    if (u64_parse(format, PAYLOAD_TYPE_MAX, &type) < 0)
        return false;
    codec.type = (uint8_t)type;
    if (sip_sdp_attribute_of_format(sdp, media, "rtpmap", format, &a)) {
        if (!read_rtpmap(a.value, &codec))
            return false;
        *ret_codec = codec;
        return true;
    }
    for (unsigned i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (fixed[i].type == type) {
            *ret_codec = fixed[i];
            return true;
        }
    return false;
}

bool sip_sdp_codec_is(const struct sip_sdp_codec *c, const char *name)
{
    return text_equal_nocase(slice_str(c->name), slice_str(name));
}

bool sip_sdp_codec_same(const struct sip_sdp_codec *a, const struct sip_sdp_codec *b)
{
    return sip_sdp_codec_is(a, b->name) && a->clock_hz == b->clock_hz && a->channels == b->channels;
}

bool sip_sdp_codec_is_audio(const struct sip_sdp_codec *c)
{
    return !sip_sdp_codec_is(c, "telephone-event") && !sip_sdp_codec_is(c, "CN") && !sip_sdp_codec_is(c, "red");
}

size_t sip_sdp_codecs(const struct sip_sdp *sdp, int media, struct sip_sdp_codec *ret_codecs, size_t max)
{
    size_t n = 0, looked = 0;
    if (media < 0 || (size_t)media >= sdp->media_count)
        return 0;
    for (struct slice rest = sdp->media[media].formats; rest.p && n < max && looked < CODECS_MAX; looked++) {
        struct sip_sdp_codec codec;
        if (sip_sdp_codec_of(sdp, media, text_cut(&rest, ' '), &codec) && sip_sdp_codec_is_audio(&codec))
            ret_codecs[n++] = codec;
    }
    return n;
}

/* The first of theirs that is among ours. */
static bool common(const struct sip_sdp_codec *ours, size_t n, const struct sip_sdp_codec *theirs)
{
    for (size_t i = 0; i < n; i++)
        if (sip_sdp_codec_same(&ours[i], theirs))
            return true;
    return false;
}

size_t sip_sdp_codecs_in_common(const struct sip_sdp *a, const struct sip_sdp *b)
{
    struct sip_sdp_codec as[CODECS_MAX], bs[CODECS_MAX];
    size_t a_count = sip_sdp_codecs(a, sip_sdp_audio(a), as, CODECS_MAX);
    size_t b_count = sip_sdp_codecs(b, sip_sdp_audio(b), bs, CODECS_MAX), found = 0;
    for (size_t i = 0; i < b_count; i++)
        found += common(as, a_count, &bs[i]);
    return found;
}

/* The payload type of events, at that clock if there is one. */
static bool event_type(const struct sip_sdp *sdp, int media, uint32_t clock_hz, uint8_t *ret_type)
{
    bool found = false;
    size_t looked = 0;
    for (struct slice rest = sdp->media[media].formats; rest.p && looked < CODECS_MAX; looked++) {
        struct sip_sdp_codec codec;
        if (!sip_sdp_codec_of(sdp, media, text_cut(&rest, ' '), &codec) || !sip_sdp_codec_is(&codec, "telephone-event"))
            continue;
        if (codec.clock_hz == clock_hz || !found)
            *ret_type = codec.type;
        if (codec.clock_hz == clock_hz)
            return true;
        found = true;
    }
    return found;
}

/* Where its writer takes media. Family 0: nowhere, or by a name. */
static struct addr address_of(const struct sip_sdp *sdp, int media)
{
    static const uint8_t nowhere[16];
    struct sip_sdp_connection c;
    struct addr a;
    if (!sip_sdp_connection(sdp, media, &c) || addr_parse(c.address, sdp->media[media].port, &a) < 0 ||
        memcmp(a.ip, nowhere, sizeof nowhere) == 0)
        return (struct addr){0};
    a.port = sdp->media[media].port;
    return a;
}

static bool writer_sends(enum sip_sdp_direction d)
{
    return d == SIP_SDP_SENDRECV || d == SIP_SDP_SENDONLY;
}

static bool writer_receives(enum sip_sdp_direction d)
{
    return d == SIP_SDP_SENDRECV || d == SIP_SDP_RECVONLY;
}

int sip_sdp_stream(const struct sip_sdp *ours, const struct sip_sdp *theirs, struct sip_sdp_stream *ret_stream)
{
    struct sip_sdp_codec mine[CODECS_MAX], their[CODECS_MAX];
    int our_media = sip_sdp_audio(ours), their_media = sip_sdp_audio(theirs);
    if (our_media < 0 || their_media < 0 || !ours->media[our_media].port || !theirs->media[their_media].port)
        return ERR_NOT_FOUND;
    size_t mine_count = sip_sdp_codecs(ours, our_media, mine, CODECS_MAX);
    size_t their_count = sip_sdp_codecs(theirs, their_media, their, CODECS_MAX), i = 0;
    while (i < their_count && !common(mine, mine_count, &their[i]))
        i++;
    if (i == their_count)
        return ERR_CONFLICT;
    enum sip_sdp_direction our_way = sip_sdp_direction(ours, our_media),
                           their_way = sip_sdp_direction(theirs, their_media);
    struct sip_sdp_stream s = {.to = address_of(theirs, their_media), .codec = their[i]};
    s.sends = s.to.family && writer_sends(our_way) && writer_receives(their_way);
    s.receives = writer_receives(our_way) && writer_sends(their_way);
    s.has_events = event_type(theirs, their_media, s.codec.clock_hz, &s.event_type);
    s.own_has_events = event_type(ours, our_media, s.codec.clock_hz, &s.own_event_type);
    *ret_stream = s;
    return 0;
}
