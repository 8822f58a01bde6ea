/* What the agent is told about the way of its call, inside of the dialog, with a REFER of our own (doc/profile.md): media were bad for as long as the
 * hold-down, or are good again; nobody outside answers any longer, or somebody does after all.
 *
 * A call of which only the outside is dead is not ended here: its agent may have the people go on talking by the phone network meanwhile. An agent that does
 * not want to know, and refuses the REFER, has it ended. */
#include "edge/internal.h"

#include <stdio.h>

#define GONE_ASK_MS 30000 /* between two questions to an end that has gone */
#define LOST_SPREAD_MS 1  /* between the questions of two calls whose connection has ended */

const char *edge_call_quality(const struct edge_call *c)
{
    return c->is_gone ? "gone" : c->bad_streams ? "bad" : "good";
}

static bool tell(struct edge_call *c, enum edge_errand_kind kind, bool is_bad, const char *figures)
{
    struct edge_dialog *d = c->confirmed;
    char refer_to[320];
    if (c->state != EDGE_UP || !d || d->state != EDGE_CONFIRMED || !d->ends[EDGE_INSIDE].target)
        return false;
    const struct sip_hop hop = edge_dialog_hop(d, EDGE_INSIDE);
    snprintf(refer_to, sizeof refer_to, "<sip:quality@%s;ime-quality=%s>",
             edge_point(c->edge, EDGE_INSIDE, hop.transport), is_bad ? "bad" : "good");
    const struct edge_field fields[] = {{"Refer-To", refer_to}, {"Refer-Sub", "false"}, {"X-IME-Quality", figures}};
    return edge_errand_send(d, EDGE_INSIDE, kind, fields, sizeof fields / sizeof fields[0]);
}

/* Of several bad streams the first makes the call bad, and the last one to become good makes it good. */
void edge_quality(struct edge_call *c, const struct media_event *event)
{
    struct edge *e = c->edge;
    const struct media_figures *f = &event->figures;
    const uint8_t stream = (uint8_t)(1u << event->stream % MEDIA_STREAMS_MAX);
    const bool was_bad = c->bad_streams;
    char figures[128];
    *(f->is_bad ? &e->counters.quality_bad : &e->counters.quality_good) += 1;
    c->bad_streams = f->is_bad ? c->bad_streams | stream : c->bad_streams & (uint8_t)~stream;
    snprintf(figures, sizeof figures, "%s;loss=%.4f;mos=%.1f;stream=%u", f->is_bad ? "bad" : "good", f->loss_ppm / 1e6,
             f->mos_hundredths / 100.0, event->stream);
    edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_QUALITY, "quality=\"%s\" domain=%s call_id=\"%s\"",
                figures, c->trunk->domain, c->call_id);
    if (was_bad ? f->is_bad || c->bad_streams : !f->is_bad)
        return;
    if (c->is_gone && !f->is_bad && c->confirmed)
        edge_dialog_ask(c->confirmed, EDGE_OUTSIDE); /* media say that somebody is there */
    else if (!c->is_gone)
        tell(c, EDGE_ERRAND_QUALITY, f->is_bad, figures);
}

void edge_far_gone(struct edge_call *c)
{
    struct edge *e = c->edge;
    if (!c->is_gone) {
        c->is_gone = true;
        c->confirmed->session_end = MONO_NEVER; /* nobody could refresh it */
        e->counters.far_gone++;
        edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_FAR_GONE, "domain=%s call_id=\"%s\"",
                    c->trunk->domain, c->call_id);
        if (!tell(c, EDGE_ERRAND_GONE, true, "bad;why=gone")) {
            edge_call_end(c, 408, EDGE_CAUSE_CONNECTION_TIMEOUT, "the edge: nobody outside was there");
            return;
        }
    }
    c->asks_outside = true;
    edge_timer_set(e, &c->timer, GONE_ASK_MS);
}

void edge_far_back(struct edge_call *c)
{
    struct edge *e = c->edge;
    if (!c->is_gone)
        return;
    c->is_gone = false;
    e->counters.far_back++;
    if (!c->bad_streams)
        tell(c, EDGE_ERRAND_QUALITY, false, "good;why=back");
}

void edge_far_lost(struct edge *e, uint64_t conn)
{
    int64_t after_ms = 0;
    LIST_EACH(it, &e->calls) {
        struct edge_call *c = CONTAINER_OF(it, struct edge_call, link);
        if (c->kind != EDGE_CALL || c->state != EDGE_UP || c->is_gone || c->ways[EDGE_OUTSIDE].hop.conn != conn)
            continue;
        c->asks_outside = true;
        edge_timer_set(e, &c->timer, after_ms += LOST_SPREAD_MS);
    }
}
