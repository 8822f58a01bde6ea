/* Descriptions of media that we send and receive ourselves: audio in the clear, with codecs that somebody else has named. */
#include "base/text.h"
#include "sip/sdp_next.h"

#define FORMATS_MAX 64
#define EVENT_CLOCKS_MAX 4
#define DYNAMIC_FIRST 96
#define DYNAMIC_LAST 127
#define EVENT_USUAL 101

/* The formats that we name, with what they mean. */
struct formats {
    struct sip_sdp_codec codecs[FORMATS_MAX + EVENT_CLOCKS_MAX];
    size_t n;
    const struct sip_sdp *sdp; /* where they come from; NULL: they are ours */
    int media;
};

static void add(struct formats *f, const struct sip_sdp_codec *codec)
{
    if (f->n < sizeof f->codecs / sizeof *f->codecs)
        f->codecs[f->n++] = *codec;
}

static const struct sip_sdp_codec pcma = {8, "PCMA", 8000, 1}, pcmu = {0, "PCMU", 8000, 1};

/* All that a description names and we know of. */
static void read_formats(struct formats *f, const struct sip_sdp *sdp, int media)
{
    f->sdp = sdp;
    f->media = media;
    for (struct slice rest = sdp->media[media].formats; rest.p && f->n < FORMATS_MAX;) {
        struct sip_sdp_codec codec;
        if (sip_sdp_codec_of(sdp, media, text_cut(&rest, ' '), &codec))
            add(f, &codec);
    }
}

static bool has_events(const struct formats *f, uint32_t clock_hz)
{
    for (size_t i = 0; i < f->n; i++)
        if (sip_sdp_codec_is(&f->codecs[i], "telephone-event") && f->codecs[i].clock_hz == clock_hz)
            return true;
    return false;
}

/* The usual one, or the first that stands for nothing. False: all are taken. */
static bool free_type(const struct formats *f, uint8_t *ret_type)
{
    bool taken[DYNAMIC_LAST + 1] = {false};
    for (size_t i = 0; i < f->n; i++)
        taken[f->codecs[i].type] = true;
    unsigned type = taken[EVENT_USUAL] ? DYNAMIC_FIRST : EVENT_USUAL;
    while (type <= DYNAMIC_LAST && taken[type])
        type++;
    *ret_type = (uint8_t)type;
    return type <= DYNAMIC_LAST;
}

/* Events at the clock of every codec (RFC 4733 2.1: they share the stream's timestamps). */
static void add_events(struct formats *f)
{
    const size_t n = f->n;
    for (size_t i = 0, added = 0; i < n && added < EVENT_CLOCKS_MAX; i++) {
        struct sip_sdp_codec event = {0, "telephone-event", f->codecs[i].clock_hz, 1};
        if (!sip_sdp_codec_is_audio(&f->codecs[i]) || has_events(f, event.clock_hz) || !free_type(f, &event.type))
            continue;
        add(f, &event);
        added++;
    }
}

static bool has_audio(const struct formats *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (sip_sdp_codec_is_audio(&f->codecs[i]))
            return true;
    return false;
}

/* ---- writing ---- */

/* What its writer says about a format, else what we say. */
static void put_fmtp(const struct formats *f, const struct sip_sdp_codec *codec, struct buf *out)
{
    char type[DECIMAL_OCTETS];
    struct sip_sdp_attribute a;
    decimal_put(codec->type, type);
    if (f->sdp && sip_sdp_attribute_of_format(f->sdp, f->media, "fmtp", slice_str(type), &a)) {
        buf_printf(out, "a=fmtp:%s ", type);
        buf_slice_put(out, a.value);
        buf_str(out, "\r\n");
    } else if (sip_sdp_codec_is(codec, "telephone-event")) {
        buf_printf(out, "a=fmtp:%s 0-15\r\n", type);
    }
}

static void put_section(const struct formats *f, const struct sip_sdp_own *own, struct slice protocol,
                        enum sip_sdp_direction direction, struct buf *out)
{
    buf_printf(out, "m=audio %u ", own->address->port);
    buf_slice_put(out, protocol);
    for (size_t i = 0; i < f->n; i++)
        buf_printf(out, " %u", f->codecs[i].type);
    buf_str(out, "\r\n");
    for (size_t i = 0; i < f->n; i++) {
        const struct sip_sdp_codec *c = &f->codecs[i];
        buf_printf(out, "a=rtpmap:%u %s/%u", c->type, c->name, c->clock_hz);
        if (c->channels > 1)
            buf_printf(out, "/%u", c->channels);
        buf_str(out, "\r\n");
        put_fmtp(f, c, out);
    }
    buf_printf(out, "a=ptime:20\r\na=%s\r\n", sip_sdp_direction_name(direction));
}

static int write_own(struct sip_sdp_told *t, struct region *region, const struct formats *f,
                     const struct sip_sdp_own *own, struct sdp_next *next, struct slice protocol,
                     enum sip_sdp_direction direction, struct buf *out)
{
    struct buf section;
    struct sip_sdp_attribute mid;
    next->session_id = own->session_id;
    next->connection = sip_sdp_connection_text(region, own->address);
    if (!next->connection.p)
        return ERR_NO_MEMORY;
    buf_init(&section, 2 * SIP_SDP_TOLD_OCTETS_MAX);
    put_section(f, own, protocol, direction, &section);
    if (next->layout && f->sdp == next->layout && sip_sdp_attribute_first(next->layout, next->audio, "mid", &mid)) {
        buf_str(&section, "a=");
        buf_slice_put(&section, mid.line->value);
        buf_str(&section, "\r\n");
    }
    next->section = buf_slice(&section);
    int err = section.err ? section.err : sip_sdp_next_write(t, next, out);
    buf_fini(&section);
    return err;
}

/* The session goes on if there is one. */
static int begin(const struct sip_sdp_told *t, struct region *region, struct sip_sdp *before, struct sdp_next *next)
{
    int err = sip_sdp_told_read(t, region, before);
    if (err && t->octets)
        return err;
    *next = (struct sdp_next){.named = err ? NULL : before, .goes_on = !err};
    return 0;
}

int sip_sdp_own_offer(struct sip_sdp_told *t, struct region *region, const struct sip_sdp *codecs,
                      const struct sip_sdp_own *own, struct buf *out, struct fault *ret_fault)
{
    struct formats f = {.n = 0};
    struct sip_sdp before;
    struct sdp_next next;
    int err = begin(t, region, &before, &next);
    if (err)
        return err;
    if (next.named) {
        next.layout = &before;
        next.audio = sip_sdp_audio(&before);
        if (next.audio < 0)
            return sip_sdp_refuse(&before, SIP_SDP_SESSION, ERR_CONFLICT, "m=audio on the other side", ret_fault);
    }
    int media = codecs ? sip_sdp_audio(codecs) : -1;
    if (codecs && media < 0)
        return sip_sdp_refuse(codecs, SIP_SDP_SESSION, ERR_NOT_FOUND, "m=audio", ret_fault);
    if (codecs) {
        read_formats(&f, codecs, media);
        if (!has_audio(&f))
            return sip_sdp_refuse(codecs, media, ERR_CONFLICT, "a codec that is known", ret_fault);
    } else {
        add(&f, &pcma);
        add(&f, &pcmu);
    }
    add_events(&f);
    return write_own(t, region, &f, own, &next, slice_str("RTP/AVP"), own->direction, out);
}

/* One codec of those that are offered, and its events. */
static bool choose(const struct formats *offered, struct formats *ret_chosen)
{
    size_t audio = offered->n, event = offered->n;
    for (size_t i = offered->n; i-- > 0;)
        if (sip_sdp_codec_is_audio(&offered->codecs[i]))
            audio = i;
    for (size_t i = offered->n; i-- > 0;)
        if (sip_sdp_codec_same(&offered->codecs[i], &pcma) || sip_sdp_codec_same(&offered->codecs[i], &pcmu))
            audio = i;
    if (audio == offered->n)
        return false;
    for (size_t i = offered->n; i-- > 0;) {
        const struct sip_sdp_codec *c = &offered->codecs[i];
        bool better = event == offered->n || c->clock_hz == offered->codecs[audio].clock_hz;
        if (sip_sdp_codec_is(c, "telephone-event") && better)
            event = i;
    }
    *ret_chosen = (struct formats){.sdp = offered->sdp, .media = offered->media};
    add(ret_chosen, &offered->codecs[audio]);
    if (event < offered->n)
        add(ret_chosen, &offered->codecs[event]);
    return true;
}

int sip_sdp_own_answer(struct sip_sdp_told *t, struct region *region, const struct sip_sdp *offer,
                       const struct sip_sdp_own *own, struct buf *out, struct fault *ret_fault)
{
    struct formats offered = {.n = 0}, chosen;
    struct sip_sdp before;
    struct sdp_next next;
    bool feedback;
    int media = sip_sdp_audio(offer);
    if (media < 0 || !offer->media[media].port)
        return sip_sdp_refuse(offer, media < 0 ? SIP_SDP_SESSION : media, ERR_NOT_FOUND, "m=audio", ret_fault);
    if (sip_sdp_protection_of(offer->media[media].protocol, &feedback) != SDP_CLEAR)
        return sip_sdp_refuse(offer, media, ERR_CONFLICT, "audio in the clear", ret_fault);
    read_formats(&offered, offer, media);
    if (!choose(&offered, &chosen))
        return sip_sdp_refuse(offer, media, ERR_CONFLICT, "a codec that is known", ret_fault);
    int err = begin(t, region, &before, &next);
    if (err)
        return err;
    next.layout = offer;
    next.audio = media;
    return write_own(t, region, &chosen, own, &next, offer->media[media].protocol,
                     sip_sdp_direction_fitting(sip_sdp_direction(offer, media), own->direction), out);
}
