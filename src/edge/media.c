/* The media of a call: its session at a worker follows the offers and answers that pass. One session for a call, whatever its forks say: what was
 * answered last counts, and at the end what the fork that took the call has answered. */
#include "edge/internal.h"

static uint8_t family_of(const struct edge_call *c, enum edge_side side)
{
    const uint8_t family = c->ways[side].hop.addr.family;
    return c->edge->options->media_families[side][family == 6] ? family : 0;
}

/* The ports of a call are opened by the first description that passes. */
static unsigned open_session(struct edge_call *c, const struct alg_sdp *sdp)
{
    struct edge *e = c->edge;
    const struct media_port *port = e->ports.media;
    const uint64_t id = alg_sdp_session(sdp)->id;
    if (c->session || c->session_closed || !port)
        return 0;
    if (map_set(&e->sessions, slice_of(&id, sizeof id), c) < 0)
        return 500;
    if (port->open(port->ctx, id) < 0) {
        map_remove(&e->sessions, slice_of(&id, sizeof id));
        e->counters.refused_media++;
        edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_SDP_REFUSED,
                    "why=\"no media worker takes the call\" call_id=\"%s\"", c->call_id);
        return 503;
    }
    c->session = id;
    return 0;
}

static void set_session(struct edge_call *c, const struct alg_sdp *sdp)
{
    const struct media_port *port = c->edge->ports.media;
    const struct media_session *session = alg_sdp_session(sdp);
    if (c->session && !c->session_closed && session->stream_count)
        port->set(port->ctx, session);
}

/* The call has none until something is described in it, and one from then on, with its forks' copies. */
static void describe_first(struct edge_call *c)
{
    if (c->kind == EDGE_CALL && !c->is_described)
        c->is_described = alg_sdp_new(++c->edge->next_session, c->sensitivity, &c->sdp) == 0;
}

/* A dialog of its own begins with the first description in it: the only one, mostly, which takes what the call has; while it may still be one of several
 * forks it takes a copy. NULL: there are none, or no memory. */
static struct alg_sdp *sdp_of(struct edge_call *c, struct edge_dialog *d, const struct sip_message *m)
{
    if (d && d->sdp)
        return d->sdp;
    if (!m->body.n)
        return c->sdp;
    describe_first(c);
    if (!d || !c->sdp)
        return c->sdp;
    if (d != c->confirmed && (m->is_request || m->status < 200)) {
        d->sdp = alg_sdp_clone(c->sdp);
    } else {
        d->sdp = c->sdp;
        c->sdp = NULL;
    }
    return d->sdp;
}

/* ---- how sensitive the call is ---- */

#define SENSITIVITY_HEADER \
    "X-IME-Sensitivity" /* the agent's word for this call; else edge.conf's holds (doc/profile.md) */
#define SENSITIVITY_MAX '5'

/* True: there is another one now. */
static bool is_told_sensitivity(struct edge_call *c, enum edge_side from, const struct sip_message *m)
{
    struct edge *e = c->edge;
    if (c->kind != EDGE_CALL || from != EDGE_INSIDE || m->method != SIP_INVITE || (!m->is_request && m->status >= 300))
        return false;
    const struct sip_field *f = sip_field_named(m, SENSITIVITY_HEADER);
    if (!f)
        return false;
    if (f->value.n != 1 || f->value.p[0] < '0' || f->value.p[0] > SENSITIVITY_MAX) {
        e->counters.sensitivity_bad++;
        return false;
    }
    const uint8_t sensitivity = f->value.p[0] - '0';
    e->counters.sensitivity_told++;
    if (c->sensitivity == sensitivity)
        return false;
    c->sensitivity = sensitivity;
    if (c->sdp)
        alg_sdp_set_sensitivity(c->sdp, sensitivity);
    LIST_EACH(it, &c->dialogs) {
        const struct edge_dialog *d = CONTAINER_OF(it, struct edge_dialog, link);
        if (d->sdp)
            alg_sdp_set_sensitivity(d->sdp, sensitivity);
    }
    return true;
}

/* ---- descriptions that pass ---- */

unsigned edge_media_pass(struct edge_call *c, struct edge_dialog *d, enum edge_side from, const struct sip_message *m,
                         const struct sip_message *request, struct sip_edit *edit)
{
    struct edge *e = c->edge;
    const bool is_told = is_told_sensitivity(c, from, m);
    struct alg_sdp *sdp = sdp_of(c, d, m);
    enum alg_sdp_kind kind = ALG_SDP_NONE;
    struct alg_verdict verdict;
    if (!m->body.n && !sdp)
        return 0;
    if (!sdp && c->kind == EDGE_CALL) {
        e->counters.refused_memory++;
        return 500;
    }
    const unsigned status = sdp && m->body.n ? open_session(c, sdp) : 0;
    if (status)
        return status;
    const struct alg_sdp_ports ports = {.options = e->options,
                                        .entropy = e->ports.entropy,
                                        .media = c->session ? e->ports.media : NULL,
                                        .families = {family_of(c, EDGE_INSIDE), family_of(c, EDGE_OUTSIDE)}};
    if (alg_sdp_pass(sdp, &ports, from, m, request, &e->scratch, edit, &kind, &verdict))
        return edge_judge(e, m, from == EDGE_INSIDE ? "inside" : c->trunk->domain, &verdict);
    if (kind == ALG_SDP_ANSWER || (is_told && sdp))
        set_session(c, sdp);
    return 0;
}

void edge_media_withdraw(struct edge_call *c, struct edge_dialog *d)
{
    struct alg_sdp *sdp = d && d->sdp ? d->sdp : c->sdp;
    if (sdp)
        alg_sdp_withdraw(sdp);
}

void edge_media_choose(struct edge_dialog *d)
{
    struct edge_call *c = d->call;
    if (!d->sdp) { /* nothing was described yet, or in no dialog */
        d->sdp = c->sdp;
        c->sdp = NULL;
    } else if (c->dialog_count > 1) {
        set_session(c, d->sdp);
    }
    alg_sdp_free(c->sdp);
    c->sdp = NULL;
}

void edge_media_close(struct edge_call *c)
{
    const struct media_port *port = c->edge->ports.media;
    if (!c->session || c->session_closed || !port)
        return;
    c->session_closed = true;
    port->close(port->ctx, c->session);
}

void edge_media_forget(struct edge_call *c)
{
    if (c->session)
        map_remove(&c->edge->sessions, slice_of(&c->session, sizeof c->session));
    c->session = 0;
}

/* ---- what workers say ---- */

/* One line per stream and side that anything was heard in. */
static void log_summary(const struct edge_call *c, const struct media_summary *s)
{
    static const char *const sides[] = {"inside", "outside"};
    for (unsigned i = 0; i < s->stream_count && i < MEDIA_STREAMS_MAX; i++) {
        for (unsigned side = 0; side < MEDIA_SIDES; side++) {
            const struct media_figures *f = &s->streams[i][side];
            if (!f->packets)
                continue;
            log_event(c->edge->ports.log, LEVEL_INFO, "edge.media.summary",
                      "call_id=\"%s\" stream=%u from=%s fallback=%s codec=%s ptime_ms=%u packets=%llu loss=%.4f "
                      "worst_loss=%.4f impairments=%u longest_burst=%u delay_variation_ms=%.1f/%.1f/%.1f "
                      "concealed_s=%u/%u/%u mos=%.2f",
                      c->call_id, i, sides[side], f->is_bad ? "bad" : "good", f->codec[0] ? f->codec : "-", f->ptime_ms,
                      (unsigned long long)f->packets, f->loss_ppm / 1e6, f->worst_loss_ppm / 1e6, f->impairments,
                      f->longest_burst, f->delay_variation_min_us / 1e3, f->delay_variation_mean_us / 1e3,
                      f->delay_variation_max_us / 1e3, f->total_s, f->concealed_s, f->severely_concealed_s,
                      f->mos_hundredths / 100.0);
        }
    }
}

/* Its ports are gone, and others would have to be told to both ends: the call ends, so that they know. */
static void lost(struct edge_call *c)
{
    struct edge *e = c->edge;
    e->counters.media_lost++;
    edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_MEDIA_LOST, "domain=%s call_id=\"%s\"", c->trunk->domain,
                c->call_id);
    c->session_closed = true;
    edge_media_forget(c);
    edge_call_end(c, 503, EDGE_CAUSE_UNKNOWN, "the edge: the process that relayed its media has died");
    edge_call_check(c);
}

/* On hold that is as it should be; else whoever is gone is found by asking. */
static void silent(struct edge_call *c, enum media_side side)
{
    struct edge *e = c->edge;
    e->counters.media_silent++;
    edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_MEDIA_SILENT, "side=%s domain=%s call_id=\"%s\"",
                side == MEDIA_INSIDE ? "inside" : "outside", c->trunk->domain, c->call_id);
    struct edge_dialog *d = c->confirmed;
    const enum edge_side to = side == MEDIA_INSIDE ? EDGE_INSIDE : EDGE_OUTSIDE;
    if (c->state != EDGE_UP || !d || d->state != EDGE_CONFIRMED || d->ends[to].probing || !d->ends[to].target)
        return;
    e->counters.probes++;
    edge_errand_send(d, to, EDGE_ERRAND_PROBE, NULL, 0);
}

void edge_media_event(struct edge_call *c, const struct media_event *event)
{
    switch (event->kind) {
    case MEDIA_QUALITY:
        edge_quality(c, event);
        break;
    case MEDIA_SILENT:
        silent(c, event->side);
        break;
    case MEDIA_SUMMARY:
        log_summary(c, &event->summary);
        edge_media_forget(c);
        edge_call_check(c);
        break;
    case MEDIA_LOST:
        lost(c);
        break;
    case MEDIA_LATCHED:
    case MEDIA_FIGURES:
    case MEDIA_STATE:
        break;
    }
}
