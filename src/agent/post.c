/* Call records as JSON: read as a whole first, then kept one by one, then answered. */
#include "agent/post.h"

#include "agent/internal.h"
#include "base/mem.h"
#include "cdr/call.h"
#include "ctl/writer.h"

#include <jansson.h>
#include <stdio.h>

#define WHY_OCTETS 160

struct post {
    agent_post_done_fn *done;
    void *arg;
    size_t waiting;
    size_t kept;
    int err; /* the first one */
};

static void answer(agent_post_done_fn *done, void *arg, int status, const char *error, size_t kept)
{
    done(arg, &(struct agent_post_answer){status, error, kept});
}

void agent_post_format(const struct agent_post_answer *a, struct buf *ret_json)
{
    struct ctl_writer w;
    ctl_writer_init(&w, ret_json);
    if (a->error)
        ctl_put_text(&w, "error", a->error);
    ctl_put_unsigned(&w, "kept", a->kept);
    ctl_writer_end(&w);
}

/* ---- reading ---- */

/* Of conversations of our time: what is not, is a slip of units. */
static bool is_plausible(double seconds)
{
    return seconds > 946684800.0 && seconds < 4102444800.0;
}

static bool read_time(const json_t *value, struct wall *ret_time)
{
    char text[40];
    struct cdr_date date;
    int ms = 0;
    if (json_is_number(value)) {
        double seconds = json_number_value(value);
        if (!is_plausible(seconds))
            return false;
        *ret_time = (struct wall){(int64_t)(seconds * 1000)};
        return true;
    }
    size_t n = json_is_string(value) ? json_string_length(value) : 0;
    if (n < 20 || n >= sizeof text)
        return false;
    memcpy(text, json_string_value(value), n + 1);
    if (text[10] != 'T' || text[n - 1] != 'Z')
        return false;
    text[10] = ' ';
    if (!cdr_date_parse(slice_of(text, n - 1), &date, &ms))
        return false;
    int64_t seconds = calendar_seconds(date.year, date.month, date.day, date.hour, date.minute, date.second);
    *ret_time = (struct wall){seconds * 1000 + ms};
    return is_plausible((double)seconds);
}

static bool read_number(const struct agent_post_target *t, const json_t *value, struct e164 *ret_number)
{
    struct agent_dialed dialed;
    if (!json_is_string(value))
        return false;
    agent_dial_in(t->plan, t->shorts, slice_str(json_string_value(value)), NULL, &dialed);
    if (dialed.verdict != AGENT_DIAL_E164)
        return false;
    *ret_number = dialed.number;
    return true;
}

static bool read_direction(const json_t *value, enum vap_direction *ret_direction)
{
    const char *text = json_string_value(value);
    if (!text || (strcmp(text, "sent") != 0 && strcmp(text, "received") != 0))
        return false;
    *ret_direction = strcmp(text, "sent") == 0 ? VAP_SENT : VAP_RECEIVED;
    return true;
}

static const char *unknown_member(json_t *object)
{
    static const char *const known[] = {"direction", "calling", "called", "start", "stop"};
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        size_t i = 0;
        while (i < sizeof known / sizeof known[0] && strcmp(known[i], key) != 0)
            i++;
        if (i == sizeof known / sizeof known[0])
            return key;
    }
    return NULL;
}

/* What is wrong with a record; NULL: nothing. */
static const char *read_record(const struct agent_post_target *t, json_t *object, struct vap_vcr *ret_vcr)
{
    struct vap_vcr vcr = {.vservice_id = t->vservice_id};
    struct wall start, stop;
    if (!json_is_object(object))
        return "it is no object";
    if (unknown_member(object))
        return "it has a member that is none of direction, calling, called, start, stop";
    if (!read_direction(json_object_get(object, "direction"), &vcr.direction))
        return "direction: sent or received";
    if (!read_number(t, json_object_get(object, "called"), &vcr.called))
        return "called: no number that is +E.164 or becomes it by the PBX's rules";
    read_number(t, json_object_get(object, "calling"), &vcr.calling); /* a caller that is not known is none */
    if (!read_time(json_object_get(object, "start"), &start))
        return "start: 2026-03-01T12:00:00Z, or seconds since 1970";
    if (!read_time(json_object_get(object, "stop"), &stop))
        return "stop: 2026-03-01T12:00:00Z, or seconds since 1970";
    if (stop.ms < start.ms)
        return "it stops before it starts";
    vcr.start_ntp = wall_to_ntp(start);
    vcr.stop_ntp = wall_to_ntp(stop);
    *ret_vcr = vcr;
    return NULL;
}

/* ---- keeping ---- */

static void finish(struct post *p)
{
    if (p->err)
        answer(p->done, p->arg, 503, err_text(p->err), p->kept);
    else
        answer(p->done, p->arg, 200, NULL, p->kept);
    mem_free(p);
}

static void kept(void *arg, int err)
{
    struct post *p = arg;
    p->kept += err == 0;
    p->err = p->err ? p->err : err;
    if (--p->waiting == 0)
        finish(p);
}

static void keep_all(const struct agent_post_target *t, json_t *const *records, size_t n, struct post *p)
{
    struct vap_vcr vcr;
    p->waiting = 1; /* this loop */
    for (size_t i = 0; i < n && !p->err; i++) {
        read_record(t, records[i], &vcr);
        int err = agent_records_add(t->records, &vcr, kept, p);
        p->waiting += err == 0;
        p->err = err;
    }
    if (--p->waiting == 0)
        finish(p);
}

/* The records of an array, or the one that stands alone. ERR_LIMIT: too many. */
static int collect(json_t *root, json_t **ret_records, size_t *ret_count)
{
    size_t n = json_is_array(root) ? json_array_size(root) : 1;
    if (n > AGENT_POST_RECORDS_MAX)
        return ERR_LIMIT;
    for (size_t i = 0; i < n; i++)
        ret_records[i] = json_is_array(root) ? json_array_get(root, i) : root;
    *ret_count = n;
    return 0;
}

static void take(const struct agent_post_target *t, json_t *root, agent_post_done_fn *done, void *arg)
{
    json_t *records[AGENT_POST_RECORDS_MAX];
    struct vap_vcr vcr;
    size_t n;
    if (collect(root, records, &n) < 0) {
        answer(done, arg, 413, "256 records at most", 0);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const char *wrong = read_record(t, records[i], &vcr);
        char why[WHY_OCTETS];
        if (!wrong)
            continue;
        snprintf(why, sizeof why, "record %zu: %s", i + 1, wrong);
        answer(done, arg, 400, why, 0);
        return;
    }
    struct post *p = mem_alloc(sizeof *p);
    if (!p) {
        answer(done, arg, 503, err_text(ERR_NO_MEMORY), 0);
        return;
    }
    p->done = done;
    p->arg = arg;
    keep_all(t, records, n, p);
}

void agent_post(const struct agent_post_target *target, struct slice json, agent_post_done_fn *done, void *arg)
{
    json_error_t error;
    char why[WHY_OCTETS];
    if (json.n > AGENT_POST_OCTETS_MAX) {
        answer(done, arg, 413, "64 KiB at most", 0);
        return;
    }
    json_t *root = json_loadb((const char *)json.p, json.n, JSON_REJECT_DUPLICATES, &error);
    if (root) {
        take(target, root, done, arg);
        json_decref(root);
        return;
    }
    snprintf(why, sizeof why, "no JSON, line %d: %.100s", error.line, error.text);
    answer(done, arg, 400, why, 0);
}

void agent_post_records(struct agent *a, struct slice json, agent_post_done_fn *done, void *arg)
{
    struct agent_post_target target = {
        .records = a->parts.records, .vservice_id = a->vservice_id, .shorts = &a->options->shorts};
    struct agent_dial_plan none;
    if (!target.records || !a->parts.service_count) {
        answer(done, arg, 503, "there is no IME service that records could go to", 0);
        return;
    }
    agent_dial_plan_init(&none);
    target.plan = &none;
    for (size_t i = a->options->trunk_count; i-- > 0;)
        if (a->options->trunks[i].side == AGENT_PBX)
            target.plan = &a->options->trunks[i].plan;
    agent_post(&target, json, done, arg);
}
