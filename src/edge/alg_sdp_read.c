/* What a session description says of each m-line: where its writer wants media, in which formats, and how it is protected. */
#include "edge/alg_sdp_private.h"

#include "base/text.h"

#define FORMATS_LOOKED_AT 64 /* each is looked for in all lines of its section */
#define PORT_MIN 1024        /* below: services of machines, never media */

static bool refuse(struct alg_refused *r, enum alg_refusal refusal, unsigned status, struct slice at, const char *rule)
{
    *r = (struct alg_refused){refusal, status, at.p, rule};
    return false;
}

size_t alg_suites(const struct edge_options *options, enum srtp_suite ret_suites[ALG_SUITES_MAX])
{
    static const enum srtp_suite all[ALG_SUITES_MAX] = {SUITE_AEAD_AES_128_GCM, SUITE_AEAD_AES_256_GCM,
                                                        SUITE_AES_CM_128_HMAC_SHA1_80, SUITE_AES_CM_128_HMAC_SHA1_32};
    size_t count = 0;
    for (size_t i = 0; i < options->suite_count && count < ALG_SUITES_MAX; i++)
        ret_suites[count++] = (enum srtp_suite)options->suites[i];
    if (count)
        return count;
    memcpy(ret_suites, all, sizeof all);
    return ALG_SUITES_MAX;
}

/* ---- addresses ---- */

static bool parse_address(struct slice type, struct slice text, uint16_t port, struct addr *ret_addr)
{
    char bracketed[64];
    if (slice_eq_str(type, "IP6") && text.n < sizeof bracketed - 2) {
        bracketed[0] = '[';
        memcpy(bracketed + 1, text.p, text.n);
        bracketed[text.n + 1] = ']';
        return !addr_parse(slice_of(bracketed, text.n + 2), port ? port : 1, ret_addr) && ret_addr->family == 6;
    }
    return slice_eq_str(type, "IP4") && !memchr(text.p, ':', text.n) && !addr_parse(text, port ? port : 1, ret_addr);
}

/* Others may not have us send where they could not send themselves, nor to ourselves: to ports of other calls. */
static bool place_is_good(const struct edge_options *options, enum edge_side from, const struct addr *addr)
{
    if (from == EDGE_OUTSIDE && alg_is_own_host(options, addr))
        return false;
    const enum alg_place place = alg_place_of(options, addr);
    return place == ALG_FAR || (place == ALG_INSIDE && from == EDGE_INSIDE);
}

static bool check_address(const struct edge_options *options, enum edge_side from, const struct addr *addr,
                          struct slice at, struct alg_refused *r)
{
    if (!place_is_good(options, from, addr))
        return refuse(r, ALG_REFUSED_ADDRESS, 488, at, "address where no media may go");
    if (addr->port < PORT_MIN)
        return refuse(r, ALG_REFUSED_ADDRESS, 488, at, "port below 1024");
    if (!options->media_families[from][addr->family == 6])
        return refuse(r, ALG_REFUSED_MEDIA, 488, at, "address of a family that is not in use here");
    return true;
}

static bool read_connection(const struct edge_options *options, enum edge_side from, const struct sip_sdp *sdp,
                            size_t line, struct alg_said *said, struct alg_refused *r)
{
    const struct sip_sdp_media *m = &sdp->media[line];
    struct sip_sdp_connection c;
    struct addr addr;
    if (!sip_sdp_connection(sdp, (int)line, &c))
        return refuse(r, ALG_REFUSED_SDP, 488, m->media, "m= without c=, RFC 8866 5.7");
    if (!slice_eq_str(c.nettype, "IN") || !parse_address(c.addrtype, c.address, m->port, &addr))
        return refuse(r, ALG_REFUSED_ADDRESS, 488, c.address, "c= that is no IP address");
    addr.port = m->port;
    said->family = addr.family;
    if (alg_is_unspecified(&addr)) {
        said->is_held = true;
        return true;
    }
    said->remote = addr;
    return check_address(options, from, &addr, c.address, r);
}

/* a=rtcp:<port> [IN IP4 <address>] (RFC 3605) */
static bool read_rtcp(const struct edge_options *options, enum edge_side from, const struct sip_sdp *sdp, size_t line,
                      struct alg_said *said, struct alg_refused *r)
{
    struct sip_sdp_attribute a;
    struct addr addr = said->remote;
    uint64_t port;
    said->rtcp_mux = sip_sdp_attribute_first(sdp, (int)line, "rtcp-mux", &a);
    if (said->is_held || !sip_sdp_attribute_first(sdp, (int)line, "rtcp", &a))
        return true;
    struct slice rest = a.value, word = text_cut(&rest, ' ');
    if (u64_parse(word, UINT16_MAX, &port) < 0)
        return refuse(r, ALG_REFUSED_SDP, 488, a.line->value, "a=rtcp, RFC 3605 2.1");
    if (rest.p) {
        struct slice nettype = text_cut(&rest, ' '), type = rest.p ? text_cut(&rest, ' ') : rest;
        if (!slice_eq_str(nettype, "IN") || !rest.p || !parse_address(type, rest, (uint16_t)port, &addr))
            return refuse(r, ALG_REFUSED_ADDRESS, 488, a.line->value, "address of a=rtcp, RFC 3605 2.1");
    }
    addr.port = (uint16_t)port;
    if (!check_address(options, from, &addr, a.line->value, r))
        return false;
    if (addr.family != said->remote.family)
        return refuse(r, ALG_REFUSED_ADDRESS, 488, a.line->value, "a=rtcp of another family than its c=");
    said->remote_rtcp = addr;
    return true;
}

/* ---- formats ---- */

/* RFC 3551 6, with what is still met of it. */
static const struct media_format static_formats[] = {
    {0, 8000, "PCMU"},   {3, 8000, "GSM"},   {4, 8000, "G723"},   {5, 8000, "DVI4"},   {6, 16000, "DVI4"},
    {7, 8000, "LPC"},    {8, 8000, "PCMA"},  {9, 8000, "G722"},   {10, 44100, "L16"},  {11, 44100, "L16"},
    {12, 8000, "QCELP"}, {13, 8000, "CN"},   {14, 90000, "MPA"},  {15, 8000, "G728"},  {16, 11025, "DVI4"},
    {17, 22050, "DVI4"}, {18, 8000, "G729"}, {25, 90000, "CelB"}, {26, 90000, "JPEG"}, {28, 90000, "nv"},
    {31, 90000, "H261"}, {32, 90000, "MPV"}, {33, 90000, "MP2T"}, {34, 90000, "H263"},
};

/* "opus/48000/2" */
static bool read_rtpmap(struct slice value, struct media_format *format)
{
    struct slice rest = value, name = text_cut(&rest, '/');
    uint64_t clock;
    if (!name.n || !rest.p || u64_parse(text_cut(&rest, '/'), UINT32_MAX, &clock) < 0 || !clock)
        return false;
    const size_t n = name.n < sizeof format->name ? name.n : sizeof format->name - 1;
    memset(format->name, 0, sizeof format->name);
    if (text_is_printable(name) && !memchr(name.p, ' ', name.n))
        memcpy(format->name, name.p, n); /* else it has none that could be shown */
    format->clock_hz = (uint32_t)clock;
    return true;
}

/* What nobody knows is relayed all the same, but nothing can be measured of it. */
static void read_format(const struct sip_sdp *sdp, size_t line, struct slice word, struct alg_said *said)
{
    struct media_format format = {0};
    struct sip_sdp_attribute a;
    uint64_t type;
    bool known = false;
    if (u64_parse(word, 127, &type) < 0 || said->format_count == MEDIA_FORMATS_MAX)
        return;
    for (size_t i = 0; !known && i < sizeof static_formats / sizeof static_formats[0]; i++) {
        known = static_formats[i].payload_type == type;
        if (known)
            format = static_formats[i];
    }
    format.payload_type = (uint8_t)type;
    if (sip_sdp_attribute_of_format(sdp, (int)line, "rtpmap", word, &a) && a.value.p)
        known |= read_rtpmap(a.value, &format);
    if (known)
        said->formats[said->format_count++] = format;
}

static void read_formats(const struct sip_sdp *sdp, size_t line, struct alg_said *said)
{
    struct sip_sdp_attribute a;
    uint64_t ms;
    unsigned left = FORMATS_LOOKED_AT;
    for (struct slice rest = sdp->media[line].formats; rest.p && left; left--)
        read_format(sdp, line, text_cut(&rest, ' '), said);
    if (sip_sdp_attribute_first(sdp, (int)line, "ptime", &a) && u64_parse(a.value, 1000, &ms) == 0)
        said->ptime_ms = (uint16_t)ms;
}

/* ---- kinds ---- */

static void read_protocol(const struct edge_options *options, const struct sip_sdp_media *m, struct alg_said *said)
{
    static const struct {
        const char *name;
        bool is_secure, has_feedback;
    } profiles[] = {
        {"RTP/AVP", false, false}, {"RTP/SAVP", true, false}, {"RTP/AVPF", false, true}, {"RTP/SAVPF", true, true}};
    if (m->media.n >= ALG_MEDIA_OCTETS || m->port_count != 1)
        return;
    if (text_equal_nocase(m->protocol, slice_str("udptl"))) {
        said->kind = options->t38 == EDGE_T38_RELAY ? MEDIA_UDPTL : MEDIA_OFF;
        return;
    }
    for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
        if (!text_equal_nocase(m->protocol, slice_str(profiles[i].name)))
            continue;
        said->kind = MEDIA_RTP;
        said->is_secure = profiles[i].is_secure;
        said->has_feedback = profiles[i].has_feedback;
    }
}

static void read_cryptos(const struct sip_sdp *sdp, size_t line, struct alg_said *said)
{
    struct sip_sdp_attribute a;
    for (size_t position = 0;
         said->crypto_count < SDES_LINES_MAX && sip_sdp_attribute_next(sdp, (int)line, "crypto", &position, &a);)
        said->cryptos[said->crypto_count++] = a.value.p ? a.value : slice_of(a.line->value.p + a.line->value.n, 0);
}

bool alg_said_read(const struct edge_options *options, enum edge_side from, const struct sip_sdp *sdp, size_t line,
                   struct alg_said *ret_said, struct alg_refused *ret_refused)
{
    const struct sip_sdp_media *m = &sdp->media[line];
    struct alg_said said = {.is_active = m->port != 0};
    if (said.is_active)
        read_protocol(options, m, &said);
    if (said.kind == MEDIA_OFF) {
        *ret_said = said;
        return true;
    }
    said.is_audio = text_equal_nocase(m->media, slice_str("audio"));
    said.direction = sip_sdp_direction(sdp, (int)line);
    if (!read_connection(options, from, sdp, line, &said, ret_refused))
        return false;
    if (said.kind == MEDIA_RTP) {
        if (!read_rtcp(options, from, sdp, line, &said, ret_refused))
            return false;
        read_formats(sdp, line, &said);
        read_cryptos(sdp, line, &said);
    }
    *ret_said = said;
    return true;
}
