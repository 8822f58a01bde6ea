/* What phones say, and how they describe it: talk.h. */
#include "calls/talk.h"

#include "base/siphash.h"

#include "alloc.h"
#include "calls/ledger.h"
#include "calls/script.h"
#include "media/rtp.h"

#include <stdio.h>

#define PCMA 8 /* RFC 3551 6 */
#define CLOCK_HZ 8000
#define VIDEO_PORTS_BEHIND 2
#define REGION_OCTETS 65536

static const uint8_t mark[4] = {'s', 'a', 'y', '1'};

/* ---- hearing ---- */

static void came(void *ctx, const struct addr *from, uint8_t *octets, size_t n)
{
    const struct sim_talk *t = ctx;
    struct rtp_view view;
    struct sim_saying said;
    if (rtp_read_header(slice_of(octets, n), &view, NULL) != 0 || view.payload.n < sizeof said ||
        memcmp(view.payload.p, mark, sizeof mark) != 0)
        return; /* what agents say is silence */
    memcpy(&said, view.payload.p, sizeof said);
    if (said.call != t->call || said.is_caller == t->is_caller)
        sim_ledger_wrong_join(t->day->ledger, t->call, said.call);
    else
        sim_ledger_heard(t->day->ledger, t->call, t->is_caller, t->nth, from, said.at_us);
}

/* ---- life ---- */

void sim_talk_init(struct sim_talk *t, struct sim_day *day, uint32_t call, bool is_caller, unsigned nth, uint16_t port)
{
    const struct sim_script *s = &day->scripts[call];
    *t = (struct sim_talk){.day = day,
                           .company = is_caller ? s->from : s->to,
                           .call = call,
                           .is_caller = is_caller,
                           .nth = nth,
                           .has_port = day->has_media && s->has_media,
                           .has_video = s->has_video,
                           .session_id = 2 * (uint64_t)call + is_caller + 1,
                           .version = 1,
                           .lines = is_caller && s->has_video ? 2 : 1,
                           .video_offered = is_caller,
                           .other = SIP_SDP_INACTIVE,
                           .ssrc = 2 * call + is_caller};
    t->at = sim_calls_addr(SIM_AT_PHONES, t->company);
    t->at.port = port;
    t->port =
        (struct sim_media_port){.addr = t->at, .zone = SIM_ZONE_OFFICE, .whose = t->company, .came = came, .ctx = t};
    if (t->has_port && !sim_media_open(&day->media, &t->port))
        sim_die("a phone's port is taken");
}

void sim_talk_fini(struct sim_talk *t)
{
    if (t->has_port)
        sim_media_close(&t->day->media, &t->port);
    t->has_port = false;
    t->is_up = false;
}

/* ---- descriptions ---- */

static void print(const struct sim_talk *t, enum sip_sdp_direction direction, char *body)
{
    char ip[ADDR_TEXT_OCTETS], video[128] = "";
    addr_format_ip(&t->at, ip);
    if (t->lines > 1 && t->has_video && t->video_offered)
        snprintf(video, sizeof video, "m=video %u RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
                 t->at.port + VIDEO_PORTS_BEHIND);
    else if (t->lines > 1)
        snprintf(video, sizeof video, "m=video 0 RTP/AVP 96\r\n");
    snprintf(body, SIM_TALK_BODY_OCTETS,
             "v=0\r\no=- %llu %u IN IP4 %s\r\ns=call-%u\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %u RTP/AVP 8 0 101\r\n"
             "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:%u\r\na=%s\r\n%s",
             (unsigned long long)t->session_id, t->version, ip, t->call, ip, t->at.port, SIM_TALK_MS,
             sip_sdp_direction_name(direction), video);
}

/* The version counts what is different (RFC 3264 8). */
static struct carried describe(struct sim_talk *t, enum sip_sdp_direction direction)
{
    char body[SIM_TALK_BODY_OCTETS];
    print(t, direction, body);
    if (t->body[0] && strcmp(body, t->body) != 0) {
        t->version++;
        print(t, direction, body);
    }
    memcpy(t->body, body, sizeof body);
    return (struct carried){.type = slice_str("application/sdp"), .body = slice_str(t->body)};
}

/* Calls in which nothing is said say so. */
static bool is_mute(const struct sim_talk *t)
{
    return t->day->has_media && !t->has_port;
}

struct carried sim_talk_offer(struct sim_talk *t)
{
    t->video_offered = t->has_video;
    if (t->has_video)
        t->lines = 2;
    return describe(t, is_mute(t) ? SIP_SDP_INACTIVE : t->holds ? SIP_SDP_SENDONLY : SIP_SDP_SENDRECV);
}

struct carried sim_talk_answer(struct sim_talk *t)
{
    const bool may_hear = !t->holds && (t->other == SIP_SDP_SENDRECV || t->other == SIP_SDP_SENDONLY);
    const bool may_say = t->other == SIP_SDP_SENDRECV || t->other == SIP_SDP_RECVONLY;
    return describe(t, is_mute(t)            ? SIP_SDP_INACTIVE
                       : may_hear && may_say ? SIP_SDP_SENDRECV
                       : may_hear            ? SIP_SDP_RECVONLY
                       : may_say             ? SIP_SDP_SENDONLY
                                             : SIP_SDP_INACTIVE);
}

/* One session for as long as the dialog lasts; a description that is different has a higher version: the next one, unless an offer was refused. */
static void check_origin(struct sim_talk *t, const struct sip_sdp *sdp)
{
    char session[sizeof t->origin];
    const struct sip_sdp_origin *o = &sdp->origin;
    const uint64_t seed[2] = {1, 2}, hash = siphash(seed, sdp->octets);
    snprintf(session, sizeof session, "%.*s %.*s", SLICE_PRINT(o->username), SLICE_PRINT(o->session_id));
    const bool is_first = !t->origin[0];
    const bool is_same = o->version_number == t->origin_version;
    if (!is_first && strcmp(session, t->origin) != 0)
        sim_ledger_wrong_description(t->day->ledger, t->call, t->is_caller, "is of another session");
    else if (!is_first && is_same && hash != t->origin_hash)
        sim_ledger_wrong_description(t->day->ledger, t->call, t->is_caller, "is another one with the same version");
    else if (!is_first && o->version_number < t->origin_version)
        sim_ledger_wrong_description(t->day->ledger, t->call, t->is_caller, "counts its version back");
    memcpy(t->origin, session, sizeof session);
    t->origin_version = o->version_number;
    t->origin_hash = hash;
}

/* Sound is the first stream of all sessions here. */
static bool read_address(const struct sip_sdp *sdp, struct addr *ret_at)
{
    struct sip_sdp_connection c;
    return sdp->media[0].port && sip_sdp_connection(sdp, 0, &c) && !addr_parse(c.address, sdp->media[0].port, ret_at);
}

void sim_talk_heard(struct sim_talk *t, struct slice body)
{
    struct region region;
    struct sip_sdp sdp;
    if (!body.n)
        return;
    region_init(&region, REGION_OCTETS);
    t->to = (struct addr){0};
    t->other = SIP_SDP_INACTIVE;
    if (sip_sdp_parse(&region, body, &sdp, NULL) == 0 && sdp.media_count && read_address(&sdp, &t->to)) {
        t->other = sip_sdp_direction(&sdp, 0);
        t->lines = (unsigned)sdp.media_count;
        t->video_offered = t->lines > 1 && sdp.media[1].port;
        check_origin(t, &sdp);
    }
    region_fini(&region);
    sim_ledger_expects(t->day->ledger, t->call, t->is_caller, t->nth,
                       t->is_up && t->has_port && !t->holds &&
                           (t->other == SIP_SDP_SENDRECV || t->other == SIP_SDP_SENDONLY));
}

void sim_talk_up(struct sim_talk *t)
{
    t->is_up = true;
    sim_ledger_expects(t->day->ledger, t->call, t->is_caller, t->nth,
                       t->has_port && !t->holds && (t->other == SIP_SDP_SENDRECV || t->other == SIP_SDP_SENDONLY));
}

/* ---- saying ---- */

void sim_talk_say(struct sim_talk *t)
{
    uint8_t octets[SIM_TALK_HEADER_OCTETS + sizeof(struct sim_saying)];
    struct sim_saying saying = {.call = t->call,
                                .is_caller = t->is_caller,
                                .nth = (uint8_t)t->nth,
                                .number = t->number,
                                .at_us = t->day->world->now_us};
    const uint32_t timestamp = t->number * (SIM_TALK_MS * CLOCK_HZ / 1000);
    t->number++; /* time goes on while nobody listens */
    if (!t->is_up || !t->has_port || !t->to.family || (t->other != SIP_SDP_SENDRECV && t->other != SIP_SDP_RECVONLY))
        return;
    memcpy(saying.mark, mark, sizeof mark);
    octets[0] = 0x80; /* RFC 3550 5.1 */
    octets[1] = PCMA;
    octets[2] = (uint8_t)(t->sequence >> 8);
    octets[3] = (uint8_t)t->sequence;
    for (unsigned i = 0; i < 4; i++) {
        octets[4 + i] = (uint8_t)(timestamp >> (24 - 8 * i));
        octets[8 + i] = (uint8_t)(t->ssrc >> (24 - 8 * i));
    }
    memcpy(octets + SIM_TALK_HEADER_OCTETS, &saying, sizeof saying);
    t->sequence++;
    sim_media_send(&t->day->media, &t->port, &t->to, octets, sizeof octets);
}
