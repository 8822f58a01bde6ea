/* The edge hears how a call sounds and tells us inside of the call, with a REFER of its own (doc/profile.md): when its quality has been bad for
 * long enough, and when it has recovered. That is between the edge and us: the phone never hears of it. */
#include "agent/internal.h"

/* The first value of the field, without its parameters: "bad", "good". */
static struct slice word(struct slice value)
{
    const void *end = value.n ? memchr(value.p, ';', value.n) : NULL;
    return end ? slice_of(value.p, (size_t)((const uint8_t *)end - value.p)) : value;
}

bool relay_quality_told(struct end *end, const struct sip_event *event)
{
    const struct sip_message *m = event->message;
    struct call *c = end->call;
    struct agent *a = c->agent;
    const bool from_edge = end->side == AGENT_IME && a->options->edge.family;
    const struct sip_field *f = from_edge && m->method == SIP_REFER ? sip_field_named(m, EDGE_QUALITY_HEADER) : NULL;
    if (!f)
        return false;
    const bool is_bad = sip_token_eq_str(word(f->value), "bad");
    if (!is_bad && !sip_token_eq_str(word(f->value), "good")) {
        a->counters.requests_refused++;
        agent_answer(a, event->server, 400, NULL, (struct slice){0});
        return true;
    }
    a->counters.quality_bad += is_bad;
    a->counters.quality_good += !is_bad;
    plan_note(c, AGENT_IME, AGENT_CAUSE_NONE, "the edge: the quality of the call is %.*s", SLICE_PRINT(f->value));
    log_event(a->ports.log, is_bad ? LEVEL_WARNING : LEVEL_NOTICE, is_bad ? "call.quality.bad" : "call.quality.good",
              "call=%s figures=\"%.*s\"", c->record.call_id, SLICE_PRINT(f->value));
    agent_note(a, &c->record);
    agent_answer(a, event->server, 202, "Refer-Sub", slice_str("false"));
    fallback_quality(c, is_bad);
    return true;
}
