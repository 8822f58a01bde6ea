/* Media that was bad for as long as the hold-down, or good again: the call agent is told inside of the dialog, with a REFER of our own (doc/profile.md). */
#include "edge/internal.h"

#include <stdio.h>

void edge_quality(struct edge_call *c, const struct media_event *event)
{
    struct edge *e = c->edge;
    const struct media_figures *f = &event->figures;
    const char *word = f->is_bad ? "bad" : "good";
    struct edge_dialog *d = c->confirmed;
    char refer_to[320], figures[128];
    *(f->is_bad ? &e->counters.quality_bad : &e->counters.quality_good) += 1;
    snprintf(figures, sizeof figures, "%s;loss=%.4f;mos=%.1f;stream=%u", word, f->loss_ppm / 1e6,
             f->mos_hundredths / 100.0, event->stream);
    edge_notice(&e->notices, e->ports.log, e->now, EDGE_NOTICE_QUALITY, "quality=\"%s\" domain=%s call_id=\"%s\"",
                figures, c->trunk->domain, c->call_id);
    if (c->state != EDGE_UP || !d || d->state != EDGE_CONFIRMED)
        return;
    const struct sip_hop hop = edge_dialog_hop(d, EDGE_INSIDE);
    snprintf(refer_to, sizeof refer_to, "<sip:quality@%s;ime-quality=%s>", edge_point(e, EDGE_INSIDE, hop.transport),
             word);
    const struct edge_field fields[] = {{"Refer-To", refer_to}, {"Refer-Sub", "false"}, {"X-IME-Quality", figures}};
    edge_errand_send(d, EDGE_INSIDE, EDGE_ERRAND_QUALITY, fields, sizeof fields / sizeof fields[0]);
}
