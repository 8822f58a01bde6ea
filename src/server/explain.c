/* `imectl explain NUMBER`: what happened to a number, step by step, and what it waits for. */
#include "server/internal.h"
#include "server/show.h"

#include <stdio.h>

struct story {
    struct server *server;
    struct ctl_writer *w;
    const char *number;
    unsigned step;
    struct wall at; /* of the note that is told next */
    char note[JOURNAL_TEXT_OCTETS_MAX + 1];
    unsigned times;
};

static void tell(struct story *story, struct wall at, const char *step, const char *text)
{
    ctl_open_object(story->w, NULL);
    ctl_put_time(story->w, "at", at);
    ctl_put_text(story->w, "step", step);
    ctl_put_text(story->w, "text", text);
    ctl_close(story->w);
}

static void tell_held_note(struct story *story)
{
    char step[16];
    char text[sizeof story->note + 32];
    if (!story->times)
        return;
    snprintf(step, sizeof step, "%u", ++story->step);
    if (story->times > 1)
        snprintf(text, sizeof text, "%s (%u times)", story->note, story->times);
    tell(story, story->at, step, story->times > 1 ? text : story->note);
    story->times = 0;
}

/* What happens several times in a row is told once, with the time of the first. */
static void tell_note(void *ctx, struct wall at, const char *text)
{
    struct story *story = ctx;
    if (!story->times || strcmp(story->note, text) != 0) {
        tell_held_note(story);
        story->at = at;
        snprintf(story->note, sizeof story->note, "%s", text);
    }
    story->times++;
}

static void tell_publication(void *ctx, const struct numbers_info *info)
{
    struct story *story = ctx;
    char text[160];
    snprintf(text, sizeof text, "published here for VService %016llx: %u of 3 copies in the ring",
             (unsigned long long)info->vservice_id, info->copies);
    tell(story, info->held_until, "held until", text);
}

static const char *wait_reason(enum pvp_vcr_reason reason)
{
    switch (reason) {
    case PVP_REASON_SPACING:
        return "a call record waits: the number was validated too recently";
    case PVP_REASON_NO_SERVICE:
        return "a call record waits until the call agent has published its VService here again";
    case PVP_REASON_RING_DOWN:
        return "a call record waits until the ring answers";
    case PVP_REASON_UNREACHABLE:
        return "a call record waits: the claimant could not be reached";
    default:
        return "a call record waits for its random time";
    }
}

static int tell_vcr(void *arg, const struct pvp_vcr *v)
{
    struct story *story = arg;
    struct pvp_vcr_record r;
    pvp_vcr_get(v, &r);
    if (pvp_vcr_state(v) != PVP_VCR_WAITING)
        return 0;
    if (r.direction == PVP_ORIGINATING)
        tell(story, pvp_vcr_due(v), "waits", wait_reason(pvp_vcr_reason(v)));
    else
        tell(story, pvp_vcr_due(v), "waits", "the record of a received call waits for the caller's proof, until then");
    return 0;
}

static int tell_bucket(void *arg, const struct pvp_bucket_info *info)
{
    struct story *story = arg;
    bool has = strcmp(info->number.text, story->number) == 0;
    char text[400];
    for (size_t i = 0; !has && i < info->result_count; i++)
        has = strcmp(info->results[i]->called.text, story->number) == 0;
    if (!has)
        return 0;
    if (info->number.text[0])
        snprintf(text, sizeof text,
                 "a claimant of this number is in the penalty box: its proofs for it count apart, %u of more than %u",
                 info->fill, info->threshold);
    else
        snprintf(text, sizeof text, "%.*s has proved %u of more than %u: further calls to it must be proved",
                 (int)(info->domain.n < 253 ? info->domain.n : 253), (const char *)info->domain.p, info->fill,
                 info->threshold);
    tell(story, (struct wall){0}, "waits", text);
    return 0;
}

static int tell_route(void *arg, struct route *r)
{
    struct story *story = arg;
    char text[400];
    if (strcmp(r->number.text, story->number) != 0)
        return 0;
    snprintf(text, sizeof text, "route to %s, %s", r->domain,
             r->delivered ? "known to the call agent" : "waits for the call agent to subscribe");
    tell(story, r->expires_at, "route until", text);
    return 0;
}

void show_explain(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    struct e164 number;
    if (!e164_parse(slice_str(ctl_args_text(ctl_request_args(request), "number")), &number)) {
        ctl_refuse(request, ERR_SYNTAX, "not a number", "write it as +E.164, for example +4930123456");
        return;
    }
    struct story story = {.server = s, .w = ctl_reply_begin(request), .number = number.text};
    ctl_put_text(story.w, "number", number.text);
    ctl_open_array(story.w, "steps");
    journal_each(s->journal, &number, tell_note, &story);
    tell_held_note(&story);
    numbers_publisher_each_of(s->publisher, s->now, &number, tell_publication, &story);
    pvp_vcr_each(s->vcrs, &number, tell_vcr, &story);
    LIST_EACH(it, &s->validations) {
        const struct validation *v = CONTAINER_OF(it, struct validation, link);
        if (strcmp(v->record.called.text, number.text) == 0)
            tell(&story, v->began, "runs", "a validation is under way");
    }
    pvp_pools_each(s->pools, tell_bucket, &story);
    route_table_each(s->routes, tell_route, &story);
    ctl_close(story.w);
    ctl_reply_end(request);
}
