/* ime-vcr upload: calls out of a file of call records, each acknowledged before it is forgotten. */
#include "commands.h"

#include "base/mem.h"
#include "base/text.h"
#include "crypt/digest.h"
#include "io/file.h"
#include "progress.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define FOLLOW_MS 500
#define PIPE_MS 20
#define LAST_ANSWERS_MS 2000
#define BAD_LINES_SHOWN_MAX 1000

struct upload_run {
    const struct options *options;
    struct loop *loop;
    struct link *link;
    struct loop_timer *again; /* when to look for more, or, once it ends, when to wait no longer */
    struct loop_task save;
    struct progress progress;
    struct cdr_rules rules;
    struct csv csv;
    struct state state;
    char state_path[PATH_MAX];
    int descriptor;
    bool regular; /* a file, not a pipe */
    bool at_end;
    bool ending; /* interrupted: it reads no more, and waits for the answers that are under way */
    bool stopping;
    enum exit_code code;
    size_t open; /* records without a result */
    uint64_t size;
    struct {
        uint64_t lines, sent, received, not_answered, internal, too_short, bad, refused, before, left;
    } counts;
    uint64_t shown; /* bad lines told */
};

/* A record on its way: what its token points to. */
struct flight {
    struct state_item *item;
    uint64_t line;
    enum cdr_direction direction;
};

static int64_t local_zone(void *ctx, const struct cdr_date *d)
{
    (void)ctx;
    struct tm tm = {
        .tm_year = d->year - 1900,
        .tm_mon = d->month - 1,
        .tm_mday = d->day,
        .tm_hour = d->hour,
        .tm_min = d->minute,
        .tm_sec = d->second,
        .tm_isdst = -1,
    };
    return (int64_t)mktime(&tm);
}

static void tell_bad(struct upload_run *u, uint64_t line, const char *reason)
{
    progress_clear(&u->progress);
    if (u->shown++ < BAD_LINES_SHOWN_MAX)
        fprintf(stderr, "%s:%llu: %s\n", u->options->file, (unsigned long long)line, reason);
    else if (u->shown == BAD_LINES_SHOWN_MAX + 1)
        fprintf(stderr, "%s: there are more such lines, which are not told\n", u->options->file);
}

static void show(struct upload_run *u)
{
    char text[96];
    snprintf(text, sizeof text, "%llu calls uploaded, %llu bad lines",
             (unsigned long long)(u->counts.sent + u->counts.received),
             (unsigned long long)(u->counts.bad + u->counts.refused));
    progress_show(&u->progress, loop_now(u->loop).mono, u->state.offset, u->size, text);
}

static void save(void *arg)
{
    struct upload_run *u = arg;
    int err = state_save(&u->state);
    if (!err)
        return;
    progress_clear(&u->progress);
    fprintf(stderr, "ime-vcr: %s: %s\n", u->state.path, err_text(err));
    u->code = EXIT_FAILED;
    u->stopping = true;
    link_stop(u->link);
}

static void stop(struct upload_run *u, enum exit_code code)
{
    if (code && !u->code)
        u->code = code;
    u->stopping = true;
    link_stop(u->link);
}

/* An upload that follows its file is to be interrupted; any other one breaks off. */
static void stop_early(struct upload_run *u)
{
    stop(u, u->options->follow ? EXIT_GOOD : EXIT_FAILED);
}

/* Ends when there is nothing left to read and nothing on the way. */
static void check_end(struct upload_run *u)
{
    if (u->open || u->stopping)
        return;
    if (u->at_end && !u->options->follow)
        stop(u, EXIT_GOOD);
    else if (u->ending)
        stop_early(u);
}

static int send_call(struct upload_run *u, const struct csv_record *record, const struct cdr_call *call)
{
    const struct vap_vcr vcr = {
        .vservice_id = u->options->vservice_id,
        .direction = call->direction == CDR_SENT ? VAP_SENT : VAP_RECEIVED,
        .calling = call->calling,
        .called = call->called,
        .start_ntp = wall_to_ntp(call->start),
        .stop_ntp = wall_to_ntp(call->stop),
    };
    struct flight *flight = mem_alloc(sizeof *flight);
    int err = flight ? state_begin(&u->state, record->offset, record->end_offset, record->end_line, &flight->item)
                     : ERR_NO_MEMORY;
    if (!err) {
        flight->line = record->line;
        flight->direction = call->direction;
        err = vap_client_upload(link_client(u->link), loop_now(u->loop), &vcr, (uint64_t)(uintptr_t)flight);
        if (!err) {
            u->open++;
            return 0;
        }
        /* The item stays open, so that the state does not go beyond it. */
    }
    mem_free(flight);
    return err;
}

/* One record of the file; 0 to go on. */
static int take_record(struct upload_run *u, const struct csv_record *record)
{
    char reason[CDR_REASON_OCTETS];
    struct cdr_call call;
    u->counts.lines++;
    if (state_is_done(&u->state, record->offset)) {
        u->counts.before++;
        state_pass(&u->state, record->end_offset, record->end_line);
        return 0;
    }
    switch (cdr_read(&u->rules, record, &call, reason)) {
    case CDR_CALL:
        return send_call(u, record, &call);
    case CDR_NOT_ANSWERED:
        u->counts.not_answered++;
        break;
    case CDR_TOO_SHORT:
        u->counts.too_short++;
        break;
    case CDR_INTERNAL:
        u->counts.internal++;
        if (u->options->verbose)
            tell_bad(u, record->line, reason);
        break;
    case CDR_BAD:
        u->counts.bad++;
        tell_bad(u, record->line, reason);
        break;
    }
    state_pass(&u->state, record->end_offset, record->end_line);
    return 0;
}

/* What read_more found. Errors are negative, and were told. */
enum { END = 0, MORE = 1, NOT_YET = 2 };

static int read_more(struct upload_run *u)
{
    static uint8_t octets[CSV_FEED_OCTETS_MAX];
    struct pollfd pipe = {.fd = u->descriptor, .events = POLLIN};
    ssize_t n;
    if (!u->regular && poll(&pipe, 1, 0) == 0)
        return NOT_YET;
    do
        n = read(u->descriptor, octets, sizeof octets);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        fprintf(stderr, "ime-vcr: %s: %s\n", u->options->file, strerror(errno));
        return ERR_IO;
    }
    if (n > 0)
        return csv_feed(&u->csv, slice_of(octets, (size_t)n)) < 0 ? ERR_NO_MEMORY : MORE;
    return END;
}

static int open_file(struct upload_run *u);

/* With --follow: true if the path has another file by now, or this one was cut off. */
static bool is_replaced(const struct upload_run *u)
{
    struct stat st;
    if (stat(u->options->file, &st) < 0)
        return false; /* it is being replaced: the new one will be there soon */
    return (uint64_t)st.st_dev != u->state.device || (uint64_t)st.st_ino != u->state.inode ||
           (uint64_t)st.st_size < u->state.offset;
}

/* The file at the path is another one now: what there was is read to its end first. */
static int follow(struct upload_run *u)
{
    if (!is_replaced(u)) {
        loop_timer_set(u->again, mono_after_ms(loop_now(u->loop).mono, FOLLOW_MS));
        return 0;
    }
    if (!u->csv.ended) {
        csv_end(&u->csv);
        return 1;
    }
    if (u->open) /* its results belong to the old file's state */
        return 0;
    csv_fini(&u->csv);
    close(u->descriptor);
    state_fini(&u->state);
    return open_file(u) < 0 ? ERR_IO : 1;
}

/* At the end of what can be read now. 1 to go on. */
static int at_end(struct upload_run *u)
{
    if (u->options->follow)
        return follow(u);
    if (!u->csv.ended) {
        csv_end(&u->csv);
        return 1;
    }
    u->at_end = true;
    return 0;
}

/* Reads and sends as long as the client takes records. */
static void pump(struct upload_run *u)
{
    size_t most = 2 * (size_t)u->options->window;
    int n = 1;
    while (!u->stopping && !u->ending && !u->at_end && u->open < most && !state_is_full(&u->state) && n > 0) {
        struct csv_record record;
        n = csv_next(&u->csv, &record);
        if (n == 1) {
            n = take_record(u, &record) < 0 ? ERR_NO_MEMORY : 1;
        } else if (n == ERR_SYNTAX || n == ERR_LIMIT) {
            u->counts.lines++;
            u->counts.bad++;
            tell_bad(u, record.line, record.rule);
            state_pass(&u->state, record.end_offset, record.end_line);
            n = 1;
        } else if (n == 0) {
            n = u->csv.ended ? END : read_more(u);
            if (n == END)
                n = at_end(u);
            if (n == NOT_YET) {
                loop_timer_set(u->again, mono_after_ms(loop_now(u->loop).mono, PIPE_MS));
                n = 0;
            }
        }
    }
    if (n < 0)
        stop(u, EXIT_FAILED);
    show(u);
    loop_post(u->loop, &u->save, LOOP_STAGE_COMMIT);
    link_work(u->link);
    check_end(u);
}

static void time_came(void *arg)
{
    struct upload_run *u = arg;
    if (u->ending)
        stop_early(u);
    else
        pump(u);
}

static void uploaded(void *arg, const struct vap_client_effect *e)
{
    struct upload_run *u = arg;
    struct flight *flight = (struct flight *)(uintptr_t)e->token;
    u->open--;
    bool refused = e->err == ERR_FORBIDDEN && (e->code == VAP_BAD_REQUEST || e->code == VAP_TOO_LARGE);
    if (e->err == 0) {
        *(flight->direction == CDR_SENT ? &u->counts.sent : &u->counts.received) += 1;
        state_end(&u->state, flight->item);
    } else if (refused) { /* it will never be taken */
        u->counts.refused++;
        tell_bad(u, flight->line, e->reason);
        state_end(&u->state, flight->item);
    } else if (e->err == ERR_CLOSED || u->stopping) {
        u->counts.left++;
    } else {
        u->counts.left++;
        progress_clear(&u->progress);
        fprintf(stderr, "%s:%llu: not uploaded: %s\n", u->options->file, (unsigned long long)flight->line, e->reason);
        if (e->code == VAP_UNREGISTERED)
            fprintf(stderr,
                    "ime-vcr: nobody publishes the VService %016llx at the server: run ime-vcr publish --stay, "
                    "or give --domain and --route\n",
                    (unsigned long long)u->options->vservice_id);
        stop(u, EXIT_FAILED);
    }
    mem_free(flight);
    if (!u->stopping)
        pump(u);
    else
        loop_post(u->loop, &u->save, LOOP_STAGE_COMMIT);
}

static void online(void *arg, const struct vap_client_effect *e)
{
    (void)e;
    pump(arg);
}

static void stopped(void *arg)
{
    struct upload_run *u = arg;
    loop_stop(u->loop, 0);
}

static bool is_online(const struct upload_run *u)
{
    bool online = false;
    for (unsigned i = 0; i < u->options->servers.n; i++)
        online = online || vap_client_is_online(link_client(u->link), i);
    return online;
}

/* What was answered is done; what was not is uploaded again the next time. So the first signal waits a while for answers that may be on their
 * way, and a second one does not. */
static void interrupt(void *arg)
{
    struct upload_run *u = arg;
    if (u->ending || !u->open || !is_online(u)) {
        stop_early(u);
        return;
    }
    u->ending = true;
    loop_timer_set(u->again, mono_after_ms(loop_now(u->loop).mono, LAST_ANSWERS_MS));
}

/* $XDG_STATE_HOME/ime-vcr/<digest of file and VService>.state: one per file and who it is uploaded for. */
static int default_state_path(struct upload_run *u)
{
    const struct options *o = u->options;
    const char *home = getenv("HOME");
    const char *state_home = getenv("XDG_STATE_HOME");
    uint8_t digest[SHA256_OCTETS];
    char hex[2 * SHA256_OCTETS + 1];
    char folder[PATH_MAX];
    struct buf name;
    char *path = realpath(o->file, NULL);
    if (!path || (!state_home && !home)) {
        free(path);
        return ERR_NOT_FOUND;
    }
    buf_init(&name, 1 << 16);
    buf_printf(&name, "%s\n%s\n%s\n%016llx", path, o->servers.values[0], o->user, (unsigned long long)o->vservice_id);
    digest_sha256(buf_slice(&name), digest);
    buf_fini(&name);
    free(path);
    hex_format(slice_of(digest, 16), hex);
    if (state_home && *state_home)
        snprintf(folder, sizeof folder, "%s/ime-vcr", state_home);
    else
        snprintf(folder, sizeof folder, "%s/.local/state/ime-vcr", home);
    int n = snprintf(u->state_path, sizeof u->state_path, "%s/%s.state", folder, hex);
    return n < (int)sizeof u->state_path ? file_make_folder(folder) : ERR_RANGE;
}

static int choose_state(struct upload_run *u, const char **ret_path)
{
    const struct options *o = u->options;
    *ret_path = o->state;
    if (o->no_state || strcmp(o->file, "-") == 0)
        *ret_path = NULL;
    else if (!o->state && default_state_path(u) == 0)
        *ret_path = u->state_path;
    else if (!o->state) {
        fprintf(stderr, "ime-vcr: no place for the state file: give --state or --no-state\n");
        return ERR_IO;
    }
    return 0;
}

/* Opens the file where an earlier run had come. What is wrong is told. */
static int open_file(struct upload_run *u)
{
    const struct options *o = u->options;
    const char *path = NULL;
    struct stat st;
    bool input = strcmp(o->file, "-") == 0;
    state_init(&u->state, NULL);
    u->descriptor = input ? STDIN_FILENO : open(o->file, O_RDONLY | O_CLOEXEC);
    if (u->descriptor < 0 || fstat(u->descriptor, &st) < 0) {
        fprintf(stderr, "ime-vcr: %s: %s\n", o->file, strerror(errno));
        return ERR_NOT_FOUND;
    }
    int err = choose_state(u, &path);
    state_init(&u->state, S_ISREG(st.st_mode) ? path : NULL);
    if (!err)
        err = state_load(&u->state, u->descriptor);
    if (err && path)
        fprintf(stderr, "ime-vcr: %s: %s\n", path, err == ERR_SYNTAX ? "this is no state file" : err_text(err));
    if (!err && u->state.offset && lseek(u->descriptor, (off_t)u->state.offset, SEEK_SET) < 0)
        err = ERR_IO;
    csv_init(&u->csv, o->rules.format == CDR_ASTERISK ? CSV_DOUBLED : CSV_LOOSE, u->state.offset, u->state.line);
    u->regular = S_ISREG(st.st_mode);
    u->size = u->regular ? (uint64_t)st.st_size : 0;
    u->at_end = false;
    return err;
}

static void summarize(const struct upload_run *u)
{
    unsigned long long lines = u->counts.lines, sent = u->counts.sent, received = u->counts.received;
    unsigned long long unanswered = u->counts.not_answered, internal = u->counts.internal;
    unsigned long long shorter = u->counts.too_short, bad = u->counts.bad + u->counts.refused;
    unsigned long long left = u->counts.left;
    if (u->options->json) {
        printf("{\"lines\":%llu,\"uploaded\":%llu,\"sent\":%llu,\"received\":%llu,\"not_answered\":%llu,"
               "\"internal\":%llu,\"too_short\":%llu,\"bad\":%llu,\"not_uploaded\":%llu}\n",
               lines, sent + received, sent, received, unanswered, internal, shorter, bad, left);
        return;
    }
    printf(
        "%llu lines: %llu calls uploaded (%llu sent, %llu received), %llu not answered, %llu internal, %llu too short, "
        "%llu bad\n",
        lines, sent + received, sent, received, unanswered, internal, shorter, bad);
}

static enum exit_code run_loop(struct upload_run *u, struct command_run *run)
{
    const struct options *o = u->options;
    static const struct link_handler handler = {.online = online, .uploaded = uploaded, .stopped = stopped};
    int err = loop_timer_new(u->loop, time_came, u, &u->again);
    if (!err)
        err = link_new(o, u->loop, false, o->domain ? 0 : -1, &handler, u, &u->link);
    if (err) {
        fprintf(stderr, "ime-vcr: %s\n", err_text(err));
        return err == ERR_SYNTAX || err == ERR_NOT_FOUND ? EXIT_USAGE : EXIT_FAILED;
    }
    if (!o->follow)
        link_give_up_after(u->link, (int64_t)o->wait_s * 1000);
    *run = (struct command_run){interrupt, u};
    loop_run(u->loop);
    *run = (struct command_run){0};
    enum exit_code code = link_exit_code(u->link);
    return code ? code : u->code;
}

enum exit_code upload_run(const struct options *o, struct loop *loop, struct command_run *run)
{
    static struct upload_run u; /* large */
    enum exit_code code = EXIT_FAILED;
    u.options = o;
    u.loop = loop;
    u.rules = o->rules;
    if (o->local_time)
        u.rules.zone = local_zone;
    loop_task_init(&u.save, save, &u);
    progress_init(&u.progress, !o->quiet);
    if (open_file(&u) == 0) {
        code = run_loop(&u, run);
        if (state_save(&u.state) < 0)
            code = EXIT_FAILED;
        progress_clear(&u.progress);
        if (u.link)
            summarize(&u);
    }
    loop_task_cancel(&u.save);
    link_free(u.link);
    loop_timer_free(u.again);
    csv_fini(&u.csv);
    state_fini(&u.state);
    if (u.descriptor > STDIN_FILENO)
        close(u.descriptor);
    return code;
}
