/* The client's outside: its life, its effects, and who does what next. */
#include "base/mem.h"
#include "vap/client_core.h"

#include <stdio.h>

COUNTERS_DEFINE(vap_client_counters, VAP_CLIENT_COUNTERS)

#define OUTPUT_OCTETS_MAX (4u << 20)

void vap_client_config_init(struct vap_client_config *config)
{
    *config = (struct vap_client_config){
        .name = "OpenIME/" IME_VERSION,
        .label = "OpenIME",
        .servers = 1,
        .reconnect_ms = 120000,
        .transaction_ms = 39500,
        .window = 64,
        .queue_max = 4096,
        .numbers_max = 1000000,
        .attempts_max = 5,
    };
}

const char *vap_alarm_name(enum vap_alarm alarm)
{
    static const char *const names[] = {
        [VAP_ALARM_NONE] = "none",
        [VAP_ALARM_INVALID_CREDENTIALS] = "InvalidCredentials",
        [VAP_ALARM_BAD_REQUEST] = "BadRequest",
        [VAP_ALARM_OUT_OF_STEP] = "OutOfStep",
        [VAP_ALARM_OVER_QUOTA] = "IMEOverQuota",
        [VAP_ALARM_PUBLISH_FAILED] = "PublishFailed",
        [VAP_ALARM_RING_INACTIVE] = "IMEDistributedCacheInactive",
        [VAP_ALARM_UNSUPPORTED_VERSION] = "UnsupportedVersion",
        [VAP_ALARM_FORBIDDEN] = "Forbidden",
    };
    return (size_t)alarm < sizeof names / sizeof names[0] ? names[alarm] : "unknown";
}

static int set_texts(struct vap_client *c, const struct vap_client_config *config)
{
    c->name = mem_strdup(config->name);
    c->label = mem_strdup(config->label);
    c->user = mem_strdup(config->user);
    if (!c->name || !c->label || !c->user)
        return ERR_NO_MEMORY;
    c->config.name = c->name;
    c->config.label = c->label;
    c->config.user = c->user;
    c->config.password = NULL;
    return vap_key_derive(slice_str(config->user), slice_str(VAP_REALM), slice_str(config->password), &c->key);
}

static int format_description(struct vap_client *c, const struct vap_description *description)
{
    struct buf xml;
    buf_init(&xml, VAP_CONTENT_OCTETS_MAX);
    vap_description_format(description, &xml);
    if (xml.err) {
        int err = xml.err;
        buf_fini(&xml);
        return err;
    }
    buf_fini(&c->description);
    c->description = xml;
    c->config.description = NULL; /* the caller's; ours is the text */
    c->version++;
    return 0;
}

int vap_client_new(const struct vap_client_config *config, const struct entropy *entropy, const struct log *log,
                   struct now now, struct vap_client **ret_client)
{
    if (config->servers < 1 || config->servers > VAP_SERVERS_MAX || !config->window)
        return ERR_RANGE;
    struct vap_client *c = mem_alloc(sizeof *c);
    if (!c)
        return ERR_NO_MEMORY;
    c->config = *config;
    c->entropy = entropy;
    c->log = log;
    c->instance = entropy_u64(entropy);
    buf_init(&c->description, VAP_CONTENT_OCTETS_MAX);
    buf_init(&c->lent, OUTPUT_OCTETS_MAX);
    map_init(&c->numbers, config->numbers_max, entropy_u64(entropy));
    list_init(&c->queue);
    list_init(&c->notes);
    list_init(&c->stopped.link);
    c->stopped.e.kind = VAP_CLIENT_STOPPED;
    for (unsigned i = 0; i < VAP_SERVERS_MAX; i++)
        vap_session_init(&c->sessions[i], c, i, now);
    int err = set_texts(c, config);
    if (!err)
        err = vap_keys_init(c, config);
    if (!err && config->description)
        err = format_description(c, config->description);
    if (err) {
        vap_client_free(c);
        return err;
    }
    vap_client_tick(c, now);
    *ret_client = c;
    return 0;
}

static void free_taken(struct vap_client *c)
{
    mem_free(c->taken);
    mem_free(c->taken_upload);
    if (c->taken_number)
        vap_number_free_forgotten(c->taken_number);
    c->taken = NULL;
    c->taken_upload = NULL;
    c->taken_number = NULL;
}

void vap_client_free(struct vap_client *c)
{
    struct list *first;
    if (!c)
        return;
    free_taken(c);
    for (unsigned i = 0; i < VAP_SERVERS_MAX; i++)
        vap_session_fini(&c->sessions[i]);
    while ((first = list_pop(&c->queue)))
        mem_free(CONTAINER_OF(first, struct upload, link));
    while ((first = list_pop(&c->notes))) {
        struct note *note = CONTAINER_OF(first, struct note, link);
        if (note->e.kind == VAP_CLIENT_UPLOADED)
            mem_free(CONTAINER_OF(note, struct upload, result));
        else if (note->e.kind == VAP_CLIENT_PUBLISHED)
            vap_number_free_forgotten(CONTAINER_OF(note, struct number, result));
        else if (note->own)
            mem_free(note);
    }
    vap_number_free_all(c);
    vap_keys_fini(c);
    map_fini(&c->numbers);
    buf_fini(&c->description);
    buf_fini(&c->lent);
    mem_wipe(&c->key, sizeof c->key);
    mem_free(c->name);
    mem_free(c->label);
    mem_free(c->user);
    mem_free(c);
}

void vap_note_push(struct vap_client *c, struct note *note, const char *reason)
{
    snprintf(note->reason, sizeof note->reason, "%s", reason ? reason : "");
    list_remove(&note->link);
    list_append(&c->notes, &note->link);
}

void vap_alarm_raise(struct session *s, enum vap_alarm alarm, const char *reason)
{
    struct vap_client *c = s->client;
    struct note *note = mem_alloc(sizeof *note);
    c->counters.alarms++;
    log_event(c->log, LEVEL_WARNING, "vap.client.alarm", "alarm=%s server=%u reason=\"%s\"", vap_alarm_name(alarm),
              s->index, reason);
    if (!note)
        return;
    list_init(&note->link);
    note->own = true;
    note->e = (struct vap_client_effect){.kind = VAP_CLIENT_ALARM, .server = s->index, .alarm = alarm};
    vap_note_push(c, note, reason);
}

/* The primary, or the backup while the primary is not reached. */
struct session *vap_client_acting(struct vap_client *c)
{
    struct session *primary = &c->sessions[VAP_PRIMARY];
    struct session *backup = &c->sessions[VAP_BACKUP];
    if (primary->state == SESSION_ONLINE)
        return primary;
    return primary->failed && backup->state == SESSION_ONLINE ? backup : NULL;
}

void vap_client_dispatch(struct vap_client *c, struct now now)
{
    if (c->stopping)
        return;
    const struct session *acting = vap_client_acting(c);
    for (unsigned i = 0; i < c->config.servers; i++) {
        vap_subscription_update(&c->sessions[i], now, c->config.subscribe && &c->sessions[i] == acting);
        vap_keys_update(&c->sessions[i], now, &c->sessions[i] == acting);
    }
    vap_upload_dispatch(c, now);
    for (unsigned i = 0; i < c->config.servers; i++)
        vap_number_dispatch(&c->sessions[i], now);
}

/* STOPPED is the last effect. */
static void check_stopped(struct vap_client *c)
{
    if (!c->stopping || c->told)
        return;
    for (unsigned i = 0; i < c->config.servers; i++)
        if (c->sessions[i].state != SESSION_FINAL)
            return;
    c->told = true;
    vap_note_push(c, &c->stopped, NULL);
}

void vap_client_tick(struct vap_client *c, struct now now)
{
    for (unsigned i = 0; i < c->config.servers; i++)
        vap_session_tick(&c->sessions[i], now);
    vap_client_dispatch(c, now);
    check_stopped(c);
}

struct mono vap_client_deadline(const struct vap_client *c)
{
    struct mono deadline = MONO_NEVER;
    for (unsigned i = 0; i < c->config.servers; i++)
        deadline = mono_min(deadline, vap_session_deadline(&c->sessions[i]));
    return deadline;
}

int vap_client_set_description(struct vap_client *c, struct now now, const struct vap_description *description)
{
    int err = format_description(c, description);
    if (err)
        return err;
    for (unsigned i = 0; i < c->config.servers; i++)
        c->sessions[i].publish_at = now.mono;
    vap_client_tick(c, now);
    return 0;
}

/* Gives every result that is still due. */
static void finish_all(struct vap_client *c)
{
    struct map_iter it;
    struct list *first;
    while ((first = list_pop(&c->queue)))
        vap_upload_finish(c, CONTAINER_OF(first, struct upload, link), ERR_CLOSED, 0, "stopped");
    map_iter_init(&it);
    while (map_iter_next(&c->numbers, &it))
        vap_number_report(c, it.value, ERR_CLOSED, 0, "stopped");
}

void vap_client_stop(struct vap_client *c, struct now now)
{
    if (c->stopping)
        return;
    c->stopping = true;
    for (unsigned i = 0; i < c->config.servers; i++) {
        struct session *s = &c->sessions[i];
        size_t mark;
        bool registered = vap_session_is_registered(s);
        vap_request_drop_all(s, now);
        if (!registered || !vap_request_begin(s, now, VAP_UNREGISTER, REQUEST_UNREGISTER, &mark)) {
            vap_session_end(s, "stopped");
            continue;
        }
        tlv_put_u32(&s->out, TLV_CLIENT_HANDLE, s->handle);
        vap_request_send(s, mark);
        s->state = SESSION_UNREGISTERING;
    }
    finish_all(c);
    vap_client_tick(c, now);
}

bool vap_client_next(struct vap_client *c, struct vap_client_effect *ret_effect)
{
    free_taken(c);
    struct list *first = list_pop(&c->notes);
    if (!first)
        return false;
    struct note *note = CONTAINER_OF(first, struct note, link);
    *ret_effect = note->e;
    ret_effect->reason = note->reason;
    if (note->e.kind == VAP_CLIENT_SEND) {
        struct session *s = &c->sessions[note->e.server];
        struct buf out = s->out;
        buf_clear(&c->lent);
        s->out = c->lent;
        c->lent = out;
        ret_effect->octets = buf_slice(&c->lent);
    } else if (note->e.kind == VAP_CLIENT_UPLOADED) {
        c->taken_upload = CONTAINER_OF(note, struct upload, result);
    } else if (note->e.kind == VAP_CLIENT_PUBLISHED) {
        c->taken_number = CONTAINER_OF(note, struct number, result);
    } else if (note->own) {
        c->taken = note;
    }
    return true;
}

bool vap_client_is_online(const struct vap_client *c, unsigned server)
{
    return server < c->config.servers && c->sessions[server].state == SESSION_ONLINE;
}

size_t vap_client_queued(const struct vap_client *c)
{
    return c->uploads;
}

const struct vap_client_counters *vap_client_counters(const struct vap_client *c)
{
    return &c->counters;
}
