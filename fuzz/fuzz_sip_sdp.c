/* Session descriptions: every octet belongs to a line, an edit without a change changes nothing, and what is edited can be read again. */
#include "sip/sdp.h"

#include <stdlib.h>

static void need(bool good)
{
    if (!good)
        abort();
}

/* Lines follow one another without a gap, and so do sections. */
static void check_places(const struct sip_sdp *sdp)
{
    const uint8_t *p = sdp->octets.p;
    size_t line = sdp->session_lines;
    for (size_t i = 0; i < sdp->line_count; i++) {
        need(sdp->lines[i].line.p == p);
        p += sdp->lines[i].line.n;
    }
    need(p + sdp->tail.n == sdp->octets.p + sdp->octets.n);
    for (size_t i = 0; i < sdp->media_count; i++) {
        need(sdp->media[i].first == line && sdp->lines[line].type == 'm');
        line += sdp->media[i].count;
    }
    need(line == sdp->line_count);
}

static void check_values(const struct sip_sdp *sdp)
{
    for (int media = SIP_SDP_SESSION; media < (int)sdp->media_count; media++) {
        struct sip_sdp_attribute a;
        struct sip_sdp_connection c;
        for (size_t position = 0; sip_sdp_attribute_next(sdp, media, NULL, &position, &a);)
            need(a.line->type == 'a' && a.name.n);
        if (sip_sdp_connection(sdp, media, &c))
            need(c.address.n && c.nettype.n && c.addrtype.n);
        need(sip_sdp_holds(sdp, media) || sip_sdp_direction(sdp, media) == SIP_SDP_SENDRECV ||
             sip_sdp_direction(sdp, media) == SIP_SDP_RECVONLY);
    }
    need(sip_sdp_check_next(sdp, sdp, NULL) == 0);
}

static void check_lossless(struct region *region, const struct sip_sdp *sdp)
{
    struct buf out;
    struct sip_sdp_edit *e = sip_sdp_edit_new(region, sdp);
    buf_init(&out, sdp->octets.n);
    need(e && sip_sdp_edit_write(e, &out) == 0 && slice_eq(buf_slice(&out), sdp->octets));
    buf_fini(&out);
}

static void edit_section(struct sip_sdp_edit *e, const struct sip_sdp *sdp, int media)
{
    const struct addr addr = {.family = media & 1 ? 6 : 4, .ip = {192, 0, 2, 1}};
    struct sip_sdp_attribute a;
    sip_sdp_edit_connection(e, media, &addr);
    sip_sdp_edit_direction(e, media, SIP_SDP_INACTIVE);
    sip_sdp_edit_set(e, media, "ptime", slice_str("20"));
    sip_sdp_edit_remove(e, media, "crypto");
    if (sip_sdp_attribute_first(sdp, media, "candidate", &a))
        sip_sdp_edit_value(e, &a, slice_str("x"));
    if (media == SIP_SDP_SESSION)
        return;
    sip_sdp_edit_port(e, media, 4711);
    struct slice formats = sdp->media[media].formats;
    const uint8_t *space = memchr(formats.p, ' ', formats.n);
    if (space)
        sip_sdp_edit_remove_format(e, media, slice_of(formats.p, (size_t)(space - formats.p)));
}

static void check_edit(struct region *region, const struct sip_sdp *sdp)
{
    struct buf out;
    struct sip_sdp again;
    struct sip_sdp_connection c;
    struct sip_sdp_edit *e = sip_sdp_edit_new(region, sdp);
    buf_init(&out, 1 << 20);
    sip_sdp_edit_version(e, 17);
    sip_sdp_edit_origin_address(e, &(struct addr){.family = 4, .ip = {192, 0, 2, 1}});
    for (int media = SIP_SDP_SESSION; media < (int)sdp->media_count; media++)
        edit_section(e, sdp, media);
    int err = sip_sdp_edit_write(e, &out);
    need(err == 0 || err == ERR_CONFLICT); /* the only format, given several times */
    if (err == 0 && (err = sip_sdp_parse(region, buf_slice(&out), &again, NULL)) != ERR_LIMIT) {
        need(err == 0 && again.media_count == sdp->media_count && again.origin.version_number == 17);
        for (int media = SIP_SDP_SESSION; media < (int)again.media_count; media++) {
            need(sip_sdp_direction(&again, media) == SIP_SDP_INACTIVE && sip_sdp_connection(&again, media, &c));
            need(slice_eq_str(c.address, media & 1 ? "c000:201::" : "192.0.2.1"));
        }
        check_values(&again);
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct region region;
    struct sip_sdp sdp;
    struct fault fault = {0};
    region_init(&region, (size_t)1 << 24);
    if (sip_sdp_parse(&region, slice_of(data, size), &sdp, &fault) < 0) {
        need(fault.rule && fault.octet <= size);
    } else {
        check_places(&sdp);
        check_values(&sdp);
        check_lossless(&region, &sdp);
        check_edit(&region, &sdp);
    }
    region_fini(&region);
    return 0;
}
