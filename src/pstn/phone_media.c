/* What a phone says, shows and hears: descriptions, and packets in their time. */
#include "pstn/phone_private.h"

#define VOICE_LATE_MS 200
#define BEFORE_MS 2000 /* so long what is on its way from where the other side was is still heard */

/* ---- packets in their time ---- */

/* The pace is kept, but what was missed for long while others had the machine is not made up for. */
static struct mono pace(struct phone_call *c, struct ua_timer *timer, struct mono due, int64_t step_us)
{
    struct ua *u = &c->phone->ua;
    if (mono_since_us(u->now.mono, due) > VOICE_LATE_MS * 1000)
        due = u->now.mono;
    due = mono_after_us(due, step_us);
    heap_set(&u->timers, &timer->node, due);
    return due;
}

static void voice_due(void *owner)
{
    struct phone_call *c = owner;
    c->speaks++;
    c->speaks_at = pace(c, &c->voice_timer, c->speaks_at, PSTN_VOICE_MS * 1000);
}

static void video_due(void *owner)
{
    struct phone_call *c = owner;
    c->shows += PSTN_VIDEO_PARTS;
    c->shows_at = pace(c, &c->video_timer, c->shows_at, PSTN_VIDEO_PICTURE_US);
}

static void run(struct phone_call *c, struct ua_timer *timer, struct mono *due, unsigned *waiting, bool runs)
{
    struct ua *u = &c->phone->ua;
    const bool ran = heap_has(&u->timers, &timer->node);
    if (runs && !ran) {
        *due = u->now.mono;
        heap_set(&u->timers, &timer->node, *due);
    } else if (!runs) {
        *waiting = 0;
        ua_timer_stop(u, timer);
    }
}

/* What is agreed has changed perhaps: from the next packet on it is done. */
static void follow(struct phone_call *c)
{
    const bool is_up = c->facts.answered_at.ms && c->port;
    run(c, &c->voice_timer, &c->speaks_at, &c->speaks, is_up && pstn_party_speaks(&c->party) && !c->holds);
    run(c, &c->video_timer, &c->shows_at, &c->shows, is_up && pstn_party_shows(&c->party) && !c->holds);
    pstn_ear_listen(&c->voice.ear, c->phone->ua.now,
                    pstn_party_listens(&c->party) && pstn_party_speaks(&c->party) && !c->holds);
}

/* ---- life ---- */

size_t phone_port(const struct pstn_phone *p)
{
    bool used[PSTN_PHONE_PORTS_MAX + 1] = {false};
    LIST_EACH(it, &p->calls)
        used[CONTAINER_OF(it, struct phone_call, link)->port] = true;
    for (size_t port = 1; port <= p->options->port_count; port++) {
        if (!used[port])
            return port;
    }
    return 0;
}

void phone_media_init(struct phone_call *c)
{
    struct pstn_phone *p = c->phone;
    const struct pstn_phone_options *o = p->options;
    c->port = phone_port(p);
    c->voice_timer = (struct ua_timer){.fire = voice_due, .owner = c};
    c->video_timer = (struct ua_timer){.fire = video_due, .owner = c};
    pstn_party_init(&c->party, c->port ? &o->ports[c->port - 1] : &o->media,
                    c->port && o->has_video ? &o->video_ports[c->port - 1] : NULL,
                    entropy_below(p->ua.entropy, INT64_MAX));
    if (!c->port) {
        c->party.wants = (struct pstn_way){false, false};
        return;
    }
    pstn_voice_init(&c->voice, c->facts.is_ours ? PSTN_TONE_CALLER : PSTN_TONE_CALLED, p->ua.entropy);
    pstn_video_init(&c->video, p->ua.entropy);
}

void phone_media_fini(struct phone_call *c)
{
    ua_timer_stop(&c->phone->ua, &c->voice_timer);
    ua_timer_stop(&c->phone->ua, &c->video_timer);
    pstn_party_fini(&c->party);
}

void phone_media_begin(struct phone_call *c)
{
    if (c->port)
        pstn_voice_begin(&c->voice, c->phone->ua.now);
    follow(c);
}

void phone_media_stop(struct phone_call *c)
{
    struct ua *u = &c->phone->ua;
    c->speaks = c->shows = 0;
    ua_timer_stop(u, &c->voice_timer);
    ua_timer_stop(u, &c->video_timer);
    pstn_ear_close(&c->voice.ear, u->now);
    c->party.far.at.family = c->party.far_video.at.family = 0;
}

void phone_media_note(struct phone_call *c)
{
    struct pstn_phone_call *f = &c->facts;
    const struct pstn_party *p = &c->party;
    f->has_voice = c->port > 0;
    f->sent = c->voice.sent;
    f->received = c->voice.received;
    f->lost = pstn_voice_lost(&c->voice);
    f->tone = pstn_voice_heard(&c->voice);
    f->heard = c->voice.ear.heard;
    f->has_video = p->video.family && p->far_video.at.family;
    f->video_sent = c->video.sent;
    f->video_received = c->video.received;
    f->pictures = c->video.whole;
    f->faults = p->faults;
    f->towards = p->far.at;
}

/* ---- descriptions ---- */

/* The other side has said something: perhaps it is elsewhere now. */
static void moved(struct phone_call *c, struct addr from, bool had_video)
{
    const struct addr to = c->party.far.at;
    const bool goes = from.family && !addr_eq(&from, &to);
    follow(c);
    if (goes) {
        c->before = from;
        c->moved_at = c->phone->ua.now.mono;
    }
    if (!c->facts.answered_at.ms || !c->leg || (!goes && had_video == (c->party.far_video.at.family != 0)))
        return;
    c->facts.moves++;
    phone_tell(c, PSTN_PHONE_MOVED);
}

unsigned phone_media_describe(struct phone_call *c, const struct sip_message *m, struct carried *ret_carried)
{
    struct pstn_phone *p = c->phone;
    const struct addr from = c->party.far.at;
    const bool had_video = c->party.far_video.at.family != 0;
    const bool answers = m && m->body.n;
    int err =
        answers ? pstn_party_answer(&c->party, &p->ua.scratch, m->body, &p->sdp) : pstn_party_offer(&c->party, &p->sdp);
    if (err)
        return err == ERR_CONFLICT || err == ERR_LIMIT ? 488 : err == ERR_NO_MEMORY ? 500 : 400;
    *ret_carried = (struct carried){.type = slice_str("application/sdp"), .body = buf_slice(&p->sdp)};
    if (answers)
        moved(c, from, had_video);
    else
        follow(c); /* perhaps it is to be silent now */
    return 0;
}

void phone_media_hear(struct phone_call *c, struct slice answer)
{
    const struct addr from = c->party.far.at;
    const bool had_video = c->party.far_video.at.family != 0;
    if (!answer.n)
        return;
    if (pstn_party_hear(&c->party, &c->phone->ua.scratch, answer) < 0)
        c->party.faults++;
    moved(c, from, had_video);
}

/* ---- packets ---- */

static void take_voice(struct phone_call *c, struct now now, const struct addr *from, struct slice packet)
{
    const bool is_there = addr_eq(&c->party.far.at, from);
    const bool was_there =
        addr_eq(&c->before, from) && mono_since_us(now.mono, c->moved_at) < BEFORE_MS * INT64_C(1000);
    if (!c->party.far.at.family || (!is_there && !was_there)) /* nobody else is listened to */
        return;
    pstn_voice_take(&c->voice, now, packet);
    const uint64_t gaps = c->voice.ear.heard.gap_count;
    if (gaps != c->gaps_told)
        phone_tell(c, PSTN_PHONE_GAP);
    c->gaps_told = gaps;
}

void pstn_phone_take(struct pstn_phone *p, struct now now, size_t port, const struct addr *from, struct slice packet)
{
    const size_t count = p->options->port_count;
    LIST_EACH(it, &p->calls) {
        struct phone_call *c = CONTAINER_OF(it, struct phone_call, link);
        if (c->port == port + 1)
            take_voice(c, now, from, packet);
        else if (c->port + count == port + 1 && c->port && addr_eq(&c->party.far_video.at, from))
            pstn_video_take(&c->video, packet);
    }
}

bool pstn_phone_speak(struct pstn_phone *p, size_t *ret_port, struct addr *ret_to, struct slice *ret_packet)
{
    LIST_EACH(it, &p->calls) {
        struct phone_call *c = CONTAINER_OF(it, struct phone_call, link);
        if (c->speaks) {
            c->speaks--;
            pstn_voice_write(&c->voice, c->party.law, p->packet);
            *ret_port = c->port - 1;
            *ret_to = c->party.far.at;
            *ret_packet = slice_of(p->packet, PSTN_VOICE_OCTETS);
            return true;
        }
        if (c->shows) {
            c->shows--;
            pstn_video_write(&c->video, c->party.far_video.type, p->packet);
            *ret_port = p->options->port_count + c->port - 1;
            *ret_to = c->party.far_video.at;
            *ret_packet = slice_of(p->packet, PSTN_VIDEO_OCTETS);
            return true;
        }
    }
    return false;
}
