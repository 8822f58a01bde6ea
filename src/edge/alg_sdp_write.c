/* A session description for the other side: the same lines, with what is between each side and us in place of what led past us. */
#include "edge/alg_sdp_private.h"

#include "base/text.h"

#include <stdio.h>

#define VALUE_OCTETS_MAX 256 /* of a=crypto */

/* Attributes that lead media past us, or hold keys and transports that are between their writer and us: ICE (RFC 8839), DTLS (RFC 8842), BUNDLE (RFC 9143),
 * SDES (RFC 4568), ZRTP (RFC 6189), MIKEY (RFC 4567), capability negotiation (RFC 5939), and what some write in their place. */
static const char *const between_us[] = {
    "crypto",
    "candidate",
    "remote-candidates",
    "ice-ufrag",
    "ice-pwd",
    "ice-options",
    "ice-lite",
    "ice-mismatch",
    "ice-pacing",
    "ice2",
    "end-of-candidates",
    "fingerprint",
    "setup",
    "connection",
    "tls-id",
    "dtls-id",
    "bundle-only",
    "zrtp-hash",
    "key-mgmt",
    "3ge2ae",
    "encryption",
    "acap",
    "tcap",
    "pcfg",
    "acfg",
    "lcfg",
    "sescap",
    "alt",
    "nortpproxy",
    "rtcp-mux-only",
};

struct writing {
    const struct alg_sdp_out *out;
    const struct sip_sdp *sdp;
    struct sip_sdp_edit *e;
    struct addr session; /* what c= of the session is to say */
};

/* ---- lines that go ---- */

static bool is_between_us(const struct sip_sdp_attribute *a)
{
    for (size_t i = 0; i < sizeof between_us / sizeof between_us[0]; i++) {
        if (a->name.n && a->name.p[0] == (uint8_t)*between_us[i] && slice_eq_str(a->name, between_us[i]))
            return true;
    }
    return slice_eq_str(a->name, "group") && a->value.n >= 6 &&
           text_equal_nocase(slice_of(a->value.p, 6), slice_str("BUNDLE"));
}

static bool is_hidden(const struct writing *w, struct slice text)
{
    return w->out->to == EDGE_OUTSIDE && alg_find_hidden(w->out->options, text).n > 0;
}

/* k= holds keys (RFC 8866 5.12); s= must stay, though it may say nothing. */
static void clean_line(struct writing *w, const struct sip_sdp_line *line)
{
    struct sip_sdp_attribute a = {.value = line->value};
    if (line->type == 'k') {
        sip_sdp_edit_remove_line(w->e, line);
    } else if (line->type == 's') {
        if (is_hidden(w, line->value))
            sip_sdp_edit_line(w->e, line, slice_str("-"));
    } else if (strchr("iuep", line->type)) {
        if (is_hidden(w, line->value))
            sip_sdp_edit_remove_line(w->e, line);
    } else if (line->type == 'a') {
        a.name = text_cut(&a.value, ':');
        /* What says our addresses anew is looked at where it is written. */
        if (is_between_us(&a) || (!slice_eq_str(a.name, "rtcp") && is_hidden(w, line->value)))
            sip_sdp_edit_remove_line(w->e, line);
    }
}

/* ---- o=, c= ---- */

static bool has_own(const struct sip_sdp *sdp, int media, char type)
{
    const size_t first = media == SIP_SDP_SESSION ? 0 : sdp->media[media].first;
    const size_t count = media == SIP_SDP_SESSION ? sdp->session_lines : sdp->media[media].count;
    for (size_t i = first; i < first + count; i++) {
        if (sdp->lines[i].type == type)
            return true;
    }
    return false;
}

/* Zeros of the same family, where its writer holds (RFC 3264 8.4). */
static struct addr address_of(const struct alg_line_out *line)
{
    return line->is_held ? (struct addr){.family = line->local.family} : line->local;
}

/* That of the first line which depends on it; else of the first that is relayed. */
static struct addr session_address(const struct writing *w)
{
    struct addr found = w->out->address;
    bool any = false;
    for (size_t i = 0; i < w->sdp->media_count; i++) {
        const struct alg_line_out *line = &w->out->lines[i];
        if (!line->is_relayed)
            continue;
        if (!has_own(w->sdp, (int)i, 'c'))
            return address_of(line);
        if (!any)
            found = address_of(line);
        any = true;
    }
    return found;
}

static void write_connections(struct writing *w)
{
    const bool has_session = has_own(w->sdp, SIP_SDP_SESSION, 'c');
    w->session = session_address(w);
    if (has_session)
        sip_sdp_edit_connection(w->e, SIP_SDP_SESSION, &w->session);
    for (size_t i = 0; i < w->sdp->media_count; i++) {
        const struct alg_line_out *line = &w->out->lines[i];
        const bool own = has_own(w->sdp, (int)i, 'c');
        struct addr addr = line->is_relayed ? address_of(line) : w->session;
        if (own || (line->is_relayed && !(has_session && addr_eq_ip(&addr, &w->session))))
            sip_sdp_edit_connection(w->e, (int)i, &addr);
    }
}

static void write_origin(struct writing *w)
{
    char text[ALG_NAME_OCTETS + 96], ip[ADDR_TEXT_OCTETS];
    size_t i = 0;
    while (w->sdp->lines[i].type != 'o')
        i++;
    snprintf(text, sizeof text, "%s %llu IN %s %s", w->out->name, (unsigned long long)w->out->version,
             w->out->address.family == 6 ? "IP6" : "IP4", addr_format_ip(&w->out->address, ip));
    sip_sdp_edit_line(w->e, &w->sdp->lines[i], slice_str(text));
}

/* ---- m= ---- */

/* RTCP has the port behind that of RTP, or the same. */
static void write_rtcp(struct writing *w, int media, const struct alg_line_out *line)
{
    char text[96], ip[ADDR_TEXT_OCTETS];
    struct sip_sdp_attribute a;
    if (!line->rtcp_mux)
        sip_sdp_edit_remove(w->e, media, "rtcp-mux");
    else if (!sip_sdp_attribute_first(w->sdp, media, "rtcp-mux", &a))
        sip_sdp_edit_set(w->e, media, "rtcp-mux", (struct slice){0});
    if (!sip_sdp_attribute_first(w->sdp, media, "rtcp", &a))
        return;
    if (line->is_held || !line->is_relayed || (line->rtcp_mux && w->out->is_answer)) {
        sip_sdp_edit_remove(w->e, media, "rtcp");
        return;
    }
    const unsigned port = line->local.port + 1U;
    if (memchr(a.value.p, ' ', a.value.n))
        snprintf(text, sizeof text, "%u IN %s %s", port, line->local.family == 6 ? "IP6" : "IP4",
                 addr_format_ip(&line->local, ip));
    else
        snprintf(text, sizeof text, "%u", port);
    sip_sdp_edit_set(w->e, media, "rtcp", slice_str(text));
}

static int write_cryptos(struct writing *w, int media, const struct alg_line_out *line)
{
    struct buf value;
    int err = 0;
    buf_init(&value, VALUE_OCTETS_MAX);
    for (size_t i = 0; i < line->crypto_count && !err; i++) {
        buf_clear(&value);
        err = sdes_format(&line->cryptos[i], &value);
        if (!err)
            sip_sdp_edit_add(w->e, media, "crypto", buf_slice(&value));
    }
    buf_fini_secret(&value);
    return err;
}

static int write_line(struct writing *w, int media)
{
    const struct alg_line_out *line = &w->out->lines[media];
    if (w->sdp->media[media].port || line->is_relayed)
        sip_sdp_edit_port(w->e, media, line->is_relayed ? line->local.port : 0);
    if (line->protocol)
        sip_sdp_edit_protocol(w->e, media, slice_str(line->protocol));
    if (line->narrows)
        sip_sdp_edit_direction(w->e, media, line->direction);
    write_rtcp(w, media, line);
    return line->is_relayed ? write_cryptos(w, media, line) : 0;
}

int alg_sdp_write(const struct alg_sdp_out *out, const struct sip_sdp *sdp, struct region *region,
                  struct slice *ret_text)
{
    struct writing w = {.out = out, .sdp = sdp, .e = sip_sdp_edit_new(region, sdp)};
    struct buf text;
    int err = w.e ? 0 : ERR_NO_MEMORY;
    buf_init(&text, SIP_MESSAGE_OCTETS_MAX);
    if (err)
        goto out;
    for (size_t i = 0; i < sdp->line_count; i++)
        clean_line(&w, &sdp->lines[i]);
    sip_sdp_edit_remove(w.e, SIP_SDP_SESSION, "rtcp");
    write_origin(&w);
    write_connections(&w);
    for (int media = 0; media < (int)sdp->media_count && !err; media++)
        err = write_line(&w, media);
    if (!err)
        err = sip_sdp_edit_write(w.e, &text);
    if (!err && out->to == EDGE_OUTSIDE && alg_find_hidden_in_sdp(out->options, buf_slice(&text)).n)
        err = ERR_FORBIDDEN;
    if (!err) {
        *ret_text = region_copy(region, buf_slice(&text));
        err = ret_text->p ? 0 : ERR_NO_MEMORY;
    }
out:
    buf_fini_secret(&text);
    return err;
}
