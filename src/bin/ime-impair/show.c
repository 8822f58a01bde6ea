/* imectl's commands. Keys of the answers are those of the columns in src/ctl/commands_impair.c. */
#include "program.h"

#define WORD_OCTETS_MAX 64
#define TEXT_OCTETS_MAX 512

static void show_status(void *ctx, struct ctl_request *request)
{
    const struct relay *r = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_text(w, "version", IME_VERSION);
    ctl_put_text(w, "health", "green");
    ctl_put_time(w, "started_at", r->started_at);
    ctl_put_unsigned(w, "ends", r->end_count);
    ctl_put_unsigned(w, "connections", r->conn_count);
    ctl_put_unsigned(w, "on_their_way", r->held);
    ctl_open_array(w, "warnings");
    ctl_close(w);
    ctl_reply_end(request);
}

static void put_set(struct ctl_writer *w, const struct ctl_args *args, const char *set, const char *const *names,
                    const uint64_t *values)
{
    const struct slice prefix = slice_str(ctl_args_has(args, "prefix") ? ctl_args_text(args, "prefix") : "");
    struct buf name;
    buf_init(&name, TEXT_OCTETS_MAX);
    for (size_t i = 0; names[i]; i++) {
        buf_clear(&name);
        buf_printf(&name, "%s.%s", set, names[i]);
        const bool is_meant = name.n >= prefix.n && slice_eq(slice_of(name.p, prefix.n), prefix);
        if (!is_meant || (!ctl_args_has(args, "all") && !values[i]))
            continue;
        ctl_open_object(w, NULL);
        ctl_put_text(w, "name", buf_text(&name));
        ctl_put_unsigned(w, "value", values[i]);
        ctl_close(w);
    }
    buf_fini(&name);
}

static void show_counters(void *ctx, struct ctl_request *request)
{
    const struct relay *r = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    struct impair_counters all = {0};
    uint64_t *sums = (uint64_t *)(void *)&all;
    for (size_t from = 0; from <= r->end_count; from++) {
        for (size_t to = 0; to <= r->end_count; to++) {
            for (size_t i = 0; i < COUNTERS_COUNT(impair_counters); i++)
                sums[i] += COUNTERS_VALUES(&r->paths[from][to].counters)[i];
        }
    }
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "counters");
    put_set(w, args, "impair", impair_counters_names, sums);
    put_set(w, args, "relay", relay_counters_names, COUNTERS_VALUES(&r->counters));
    put_set(w, args, "udp", udp_counters_names, COUNTERS_VALUES(&r->udp));
    put_set(w, args, "connections", stream_counters_names, COUNTERS_VALUES(&r->streams));
    ctl_close(w);
    ctl_reply_end(request);
}

static void put_way(struct ctl_writer *w, const struct relay *r, size_t from, size_t to)
{
    const struct impair_path *p = &r->paths[from][to];
    const struct impair_counters *c = &p->counters;
    struct buf text;
    buf_init(&text, TEXT_OCTETS_MAX);
    impair_settings_format(&p->settings, &text);
    ctl_open_object(w, NULL);
    ctl_put_text(w, "from", relay_end_name(r, from));
    ctl_put_text(w, "to", relay_end_name(r, to));
    ctl_put_text(w, "settings", buf_text(&text));
    ctl_put_unsigned(w, "packets", c->packets);
    ctl_put_unsigned(w, "lost", c->lost + c->lost_in_bursts + c->lost_in_queue + c->lost_in_cut);
    ctl_put_unsigned(w, "reordered", c->reordered);
    ctl_put_unsigned(w, "segments", c->segments);
    ctl_put_unsigned(w, "segments_lost", c->segments_lost);
    ctl_close(w);
    buf_fini(&text);
}

static void impair_show(void *ctx, struct ctl_request *request)
{
    const struct relay *r = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "ways");
    for (size_t from = 0; from <= r->end_count; from++) {
        for (size_t to = 0; to <= r->end_count; to++) {
            if (from != to)
                put_way(w, r, from, to);
        }
    }
    ctl_close(w);
    ctl_reply_end(request);
}

/* The end that an option names; SIZE_MAX if it was not given. False, and the request is refused: there is none of that name. */
static bool named(const struct relay *r, struct ctl_request *request, const char *option, size_t *ret_end)
{
    const struct ctl_args *args = ctl_request_args(request);
    size_t end = SIZE_MAX;
    if (ctl_args_has(args, option)) {
        end = relay_end_named(r, ctl_args_text(args, option));
        if (end == SIZE_MAX) {
            ctl_refuse(request, ERR_NOT_FOUND, "there is no end of that name", "`impair show` has all of them");
            return false;
        }
    }
    *ret_end = end;
    return true;
}

static int change(struct impair_settings *s, const struct ctl_args *args, struct buf *why)
{
    const char *word;
    int err = 0;
    for (size_t i = 0; !err && (word = ctl_args_text_at(args, "setting", i)); i++)
        err = impair_settings_set(s, slice_str(word), why);
    return err;
}

/* Each way that is meant, from what it was, or from a good one. */
static void apply(struct relay *r, struct ctl_request *request, bool clears)
{
    const struct ctl_args *args = ctl_request_args(request);
    struct impair_settings settings = {0};
    struct buf why;
    size_t only_from, only_to, ways = 0;
    if (!named(r, request, "from", &only_from) || !named(r, request, "to", &only_to))
        return;
    buf_init(&why, TEXT_OCTETS_MAX);
    int err = clears ? 0 : change(&settings, args, &why);
    if (err) {
        ctl_refuse(request, err, buf_text(&why), NULL);
        buf_fini(&why);
        return;
    }
    for (size_t from = 0; from <= r->end_count; from++) {
        for (size_t to = 0; to <= r->end_count; to++) {
            if (from == to || (only_from != SIZE_MAX && only_from != from) || (only_to != SIZE_MAX && only_to != to))
                continue;
            settings = clears ? (struct impair_settings){0} : r->paths[from][to].settings;
            if (!clears)
                change(&settings, args, &why);
            relay_set(r, from, to, &settings);
            ways++;
        }
    }
    buf_fini(&why);
    ctl_reply_done(request, "%zu ways changed", ways);
}

static void impair_set(void *ctx, struct ctl_request *request)
{
    apply(ctx, request, false);
}

static void impair_clear(void *ctx, struct ctl_request *request)
{
    apply(ctx, request, true);
}

static void shutdown_now(void *ctx, struct ctl_request *request)
{
    struct relay *r = ctx;
    r->wants_shutdown = true;
    ctl_reply_done(request, "ends");
}

const struct ctl_handler relay_handlers[] = {
    {"show status", show_status}, {"show counters", show_counters}, {"impair show", impair_show},
    {"impair set", impair_set},   {"impair clear", impair_clear},   {"shutdown", shutdown_now},
};
const size_t relay_handler_count = sizeof relay_handlers / sizeof relay_handlers[0];
