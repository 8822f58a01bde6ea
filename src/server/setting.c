/* The settings that `set ime validator local …` changes: kept in the store, going before the configuration file. */
#include "server/internal.h"

#include "base/duration.h"
#include "base/mem.h"
#include "base/text.h"

#define DAY_MS INT64_C(86400000)

static const struct {
    const char *name;
    bool is_duration;
    int64_t min, max;
} table[SETTINGS] = {
    [SETTING_BUCKETENTROPY] = {"bucketentropy", false, 1, 255},
    [SETTING_MINIMUM_INTERVAL] = {"minimum-interval", true, 0, 30 * DAY_MS},
    [SETTING_MAXIMUM_DELAY] = {"maximum-delay", true, 0, 30 * DAY_MS},
    [SETTING_MINIMUM_CALL] = {"minimum-call", true, 1000, DAY_MS},
    [SETTING_PENDING_ALERT] = {"pending-alert", false, 1, 1000000},
    [SETTING_MAX_ORIGINATING] = {"max-originating", false, 1, 10000},
    [SETTING_MAX_TERMINATING] = {"max-terminating", false, 1, 10000},
};

const char *setting_name(enum setting which)
{
    return table[which].name;
}

static int64_t configured(const struct server *s, enum setting which)
{
    const struct server_options *o = s->options;
    switch (which) {
    case SETTING_BUCKETENTROPY:
        return o->bucket_entropy;
    case SETTING_MINIMUM_INTERVAL:
        return o->minimum_interval_ms;
    case SETTING_MAXIMUM_DELAY:
        return o->delay_max_ms;
    case SETTING_MINIMUM_CALL:
        return o->minimum_call_ms;
    case SETTING_PENDING_ALERT:
        return o->pending_alert;
    case SETTING_MAX_ORIGINATING:
        return o->originating_sessions_max;
    case SETTING_MAX_TERMINATING:
        return o->terminating_sessions_max;
    case SETTINGS:
        break;
    }
    return 0;
}

int64_t setting(const struct server *s, enum setting which)
{
    return s->settings[which].set_at.ms ? s->settings[which].value : configured(s, which);
}

static int load_row(void *arg, struct slice key, struct slice value)
{
    struct server *s = arg;
    struct reader r;
    reader_init(&r, value);
    int64_t number = (int64_t)read_u64(&r, "value");
    struct wall at = {(int64_t)read_u64(&r, "time")};
    if (reader_end(&r, "row of a setting") < 0)
        return 0;
    for (size_t i = 0; i < SETTINGS; i++)
        if (slice_eq_str(key, table[i].name) && number >= table[i].min && number <= table[i].max)
            s->settings[i] = (struct setting_value){number, at};
    return 0;
}

int setting_load(struct server *s)
{
    return kv_scan(s->ports.kv, KV_SETTING, load_row, s);
}

/* Tells the parts that keep a copy. */
static void apply(struct server *s, enum setting which)
{
    int64_t value = setting(s, which);
    switch (which) {
    case SETTING_BUCKETENTROPY:
        pvp_pools_set_bucketentropy(s->pools, (unsigned)value);
        break;
    case SETTING_MINIMUM_INTERVAL:
        pvp_spacing_set_interval(s->spacing, value);
        pvp_terminator_set_interval(s->terminator, value);
        break;
    case SETTING_MAXIMUM_DELAY:
        pvp_vcr_table_set_delay(s->vcrs, s->options->delay_min_ms < value ? s->options->delay_min_ms : value, value);
        break;
    case SETTING_MINIMUM_CALL:
        pvp_vcr_table_set_min_call(s->vcrs, value);
        break;
    case SETTING_MAX_TERMINATING:
        pvp_terminator_set_connections_max(s->terminator, (size_t)value);
        break;
    case SETTING_PENDING_ALERT:
    case SETTING_MAX_ORIGINATING:
    case SETTINGS:
        break;
    }
}

struct change {
    struct server *server;
    enum setting which;
    struct setting_value value;
    kv_done_fn *done;
    void *arg;
};

static void stored(void *arg, int err)
{
    struct change *c = arg;
    if (!err) {
        c->server->settings[c->which] = c->value;
        apply(c->server, c->which);
    }
    c->done(c->arg, err);
    mem_free(c);
}

int setting_set(struct server *s, enum setting which, int64_t value, kv_done_fn *done, void *arg)
{
    struct change *c = mem_alloc(sizeof *c);
    if (!c)
        return ERR_NO_MEMORY;
    *c = (struct change){s, which, {value, s->now.wall}, done, arg};
    struct buf row;
    buf_init(&row, 16);
    buf_u64(&row, (uint64_t)value);
    buf_u64(&row, (uint64_t)s->now.wall.ms);
    int err = row.err ? row.err : kv_put(s->ports.kv, KV_SETTING, slice_str(table[which].name), buf_slice(&row));
    buf_fini(&row);
    if (err) {
        mem_free(c);
        return err;
    }
    kv_commit(s->ports.kv, stored, c);
    return 0;
}

static void put_value(struct ctl_writer *w, const char *key, enum setting which, int64_t value)
{
    char text[DURATION_TEXT_OCTETS];
    if (table[which].is_duration)
        ctl_put_text(w, key, duration_format(value, text));
    else
        ctl_put_integer(w, key, value);
}

void setting_describe(const struct server *s, enum setting which, struct ctl_writer *w)
{
    char low[DURATION_TEXT_OCTETS];
    char high[DURATION_TEXT_OCTETS];
    ctl_put_text(w, "name", table[which].name);
    put_value(w, "value", which, setting(s, which));
    put_value(w, "default", which, configured(s, which));
    if (table[which].is_duration)
        ctl_put_printf(w, "range", "%s to %s", duration_format(table[which].min, low),
                       duration_format(table[which].max, high));
    else
        ctl_put_printf(w, "range", "%lld to %lld", (long long)table[which].min, (long long)table[which].max);
    ctl_put_time(w, "set_at", s->settings[which].set_at);
}
