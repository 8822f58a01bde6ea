/* A daemon from its start to its end: the turns of its loop, the reload of its configuration, its signals. */
#include "private.h"

#include "bin/daemon/keys.h"
#include "io/file.h"
#include "io/large_pages.h"
#include "io/notify.h"
#include "io/process.h"

#include <signal.h>
#include <stdlib.h>

#define ERRORS_OCTETS_MAX (1u << 16)

/* ---- the service manager ---- */

static void log_untold(const struct daemon *d, const char *state, int err)
{
    if (err)
        log_event(&d->log, LEVEL_WARNING, "notify.failed", "state=%s socket=%s error=%s", state,
                  getenv("NOTIFY_SOCKET"), err_name(err));
}

static void tell_ready(const struct daemon *d)
{
    log_untold(d, "ready", notify_ready());
}

static void tell_stopping(struct daemon *d)
{
    if (!d->told_stopping)
        log_untold(d, "stopping", notify_stopping());
    d->told_stopping = true;
}

/* ---- configuration ---- */

int daemon_load(const struct daemon_program *program, const char *path, struct buf *errors, struct conf **ret_conf,
                struct settings **ret_settings)
{
    struct conf *conf;
    int err = daemon_read_conf(program->table, path, errors, &conf);
    if (err)
        return err;
    err = program->load(conf, errors, ret_settings);
    if (err)
        conf_free(conf);
    else
        *ret_conf = conf;
    return err;
}

const struct conf_group *daemon_keys(const struct daemon *d, const struct conf *conf)
{
    return conf_section(conf, d->program->word);
}

static enum log_level log_level_of(const struct daemon *d)
{
    return (enum log_level)conf_choice(daemon_keys(d, d->conf), "log-level");
}

static bool differs(const struct daemon *d, const struct conf *next, const char *key)
{
    return strcmp(conf_text(daemon_keys(d, d->conf), key), conf_text(daemon_keys(d, next), key)) != 0;
}

/* The key that keeps the daemon from going on with another configuration; NULL: none. */
static const char *key_in_the_way(const struct daemon *d, const struct conf *next, const struct settings *settings)
{
    const char *key = NULL;
    if (d->store && differs(d, next, "data"))
        return "data";
    if (d->control && differs(d, next, "control"))
        return "control";
    d->program->may_follow(d->settings, settings, &key);
    return key;
}

static int take_over(struct daemon *d, struct conf *next, struct settings *settings)
{
    struct conf *old = d->conf;
    struct settings *old_settings = d->settings;
    d->conf = next;
    d->settings = settings;
    d->log.level = log_level_of(d);
    int err = d->program->reload(d->host, old_settings);
    d->program->unload(old_settings);
    conf_free(old);
    log_event(&d->log, err ? LEVEL_ERROR : LEVEL_NOTICE, "reloaded", "file=%s error=%s", d->path, err_name(err));
    daemon_wake(d);
    return err;
}

static int read_again(struct daemon *d, struct buf *report)
{
    const struct daemon_program *p = d->program;
    struct conf *next;
    struct settings *settings;
    const char *key;
    int err = daemon_load(p, d->path, report, &next, &settings);
    if (err) {
        const char *text = buf_text(report);
        log_event(&d->log, LEVEL_ERROR, "reload.refused", "%.*s (see %s --check)", (int)strcspn(text, "\n"), text,
                  p->name);
        buf_str(report, "nothing has changed\n");
        return err;
    }
    key = key_in_the_way(d, next, settings);
    if (key) {
        log_event(&d->log, LEVEL_ERROR, "reload.refused", "file=%s: [%s] %s cannot be changed while it runs", d->path,
                  p->word, key);
        buf_printf(report, "%s: %s cannot be changed while it runs: restart %s for that\nnothing has changed\n",
                   d->path, key, p->name);
        p->unload(settings);
        conf_free(next);
        return ERR_FORBIDDEN;
    }
    conf_print_differences(d->conf, next, report);
    err = take_over(d, next, settings);
    if (err)
        buf_printf(report, "it is taken, but not all of it holds: %s; the log says more\n", err_text(err));
    return err;
}

int daemon_reload(struct daemon *d, struct buf *report)
{
    log_untold(d, "reloading", notify_reloading(loop_clock()));
    int err = read_again(d, report);
    tell_ready(d); /* with the old settings or new ones */
    return err;
}

static void on_reload(void *arg, int signal_number)
{
    struct buf report;
    (void)signal_number;
    buf_init(&report, ERRORS_OCTETS_MAX);
    daemon_reload(arg, &report);
    buf_fini(&report);
}

/* ---- the end ---- */

void daemon_stop(struct daemon *d)
{
    loop_stop(d->loop, DAEMON_GOOD);
}

static void on_end(void *arg, int signal_number)
{
    struct daemon *d = arg;
    log_event(&d->log, LEVEL_NOTICE, "signal", "number=%d", signal_number);
    tell_stopping(d);
    if (!d->program->end || d->ending) {
        daemon_stop(d);
        return;
    }
    d->ending = true;
    d->program->end(d->host);
    daemon_wake(d);
}

int daemon_heed_signals(struct daemon *d)
{
    int err = loop_on_signal(d->loop, SIGTERM, on_end, d);
    if (!err)
        err = loop_on_signal(d->loop, SIGINT, on_end, d);
    if (!err && d->program->reload)
        err = loop_on_signal(d->loop, SIGHUP, on_reload, d);
    return err;
}

/* ---- turns ---- */

struct now daemon_now(const struct daemon *d)
{
    return loop_now(d->loop);
}

void daemon_wake(struct daemon *d)
{
    loop_post(d->loop, &d->work, LOOP_STAGE_WORK);
}

/* The end of the stretch of time in which it lies. */
static struct mono with_slack(const struct daemon *d, struct mono due)
{
    const int64_t slack_us = d->program->slack_us;
    if (!slack_us || due.us > INT64_MAX - slack_us || mono_due(due, daemon_now(d).mono))
        return due;
    return (struct mono){(due.us + slack_us - 1) / slack_us * slack_us};
}

static void turn(void *arg)
{
    struct daemon *d = arg;
    large_pages_follow();
    if (d->runs)
        loop_timer_set(d->timer, with_slack(d, d->program->turn(d->host, daemon_now(d))));
}

static void deadline_came(void *arg)
{
    struct daemon *d = arg;
    if (d->runs && d->program->tick)
        d->program->tick(d->host, daemon_now(d));
    daemon_wake(d);
}

/* At the end of the next stretch but one at the latest, and mostly in a turn that there is anyhow. */
static void log_waits(void *arg)
{
    struct daemon *d = arg;
    loop_timer_set(d->log_timer, with_slack(d, mono_after_us(daemon_now(d).mono, d->program->slack_us)));
}

static void log_due(void *arg)
{
    (void)arg;
    stderr_log_flush();
}

#define COMMIT_PART 100 /* of the time is the disk's */

static void commit(void *arg)
{
    struct daemon *d = arg;
    if (!mono_due(d->commit_at, daemon_now(d).mono)) {
        loop_timer_set(d->commit_timer, d->commit_at);
        return;
    }
    if (d->runs && d->program->set_now)
        d->program->set_now(d->host, daemon_now(d));
    const struct mono begun = loop_clock();
    sqlite_store_turn(d->store);
    const struct mono ended = loop_clock();
    const int64_t gap_us = COMMIT_PART * mono_since_us(ended, begun), max_us = d->program->commit_gap_max_us;
    d->commit_at = mono_after_us(ended, gap_us < max_us ? gap_us : max_us);
    daemon_wake(d);
}

static void commit_may_be(void *arg)
{
    struct daemon *d = arg;
    loop_post(d->loop, &d->commit, LOOP_STAGE_COMMIT);
}

/* ---- from start to end ---- */

static int prepare(struct daemon *d)
{
    if (d->program->large_pages)
        large_pages_begin();
    d->log = stderr_log(log_level_of(d));
    d->entropy = kernel_entropy();
    int err = d->program->slack_us ? loop_new_coarse(&d->loop) : loop_new(&d->loop);
    if (err)
        return err;
    loop_task_init(&d->work, turn, d);
    loop_task_init(&d->commit, commit, d);
    err = loop_timer_new(d->loop, deadline_came, d, &d->timer);
    if (!err)
        err = loop_timer_new(d->loop, commit_may_be, d, &d->commit_timer);
    return err ? err : loop_timer_new(d->loop, log_due, d, &d->log_timer);
}

/* What was written is committed, and whoever waits for that is answered before there is nobody left to answer. */
static void stop(struct daemon *d)
{
    d->runs = false;
    for (size_t i = 0; i < d->listener_count; i++)
        listener_close(d->listeners[i]);
    if (d->store)
        sqlite_store_turn(d->store);
    control_close(d->control);
    loop_turn(d->loop, false);
    d->program->stop(d->host);
    sqlite_store_close(d->store);
    d->store = NULL;
    loop_task_cancel(&d->work);
    loop_task_cancel(&d->commit);
    loop_timer_set(d->commit_timer, MONO_NEVER);
    loop_turn(d->loop, false); /* what is queued leaves; libevent frees connections in the turn after */
    d->program->fini(d->host);
}

static void release(struct daemon *d)
{
    loop_timer_free(d->timer);
    loop_timer_free(d->commit_timer);
    loop_timer_free(d->log_timer);
    loop_free(d->loop);
    if (d->lock)
        file_unlock(d->lock);
}

int daemon_run(struct daemon *d)
{
    int status = DAEMON_FAILED;
    int err = prepare(d);
    bool prepared = !err;
    if (!err)
        err = d->program->start(d->host);
    if (!err) {
        d->runs = true;
        daemon_wake(d);
        tell_ready(d);
        if (d->program->slack_us)
            stderr_log_gather(log_waits, d);
        status = loop_run(d->loop);
        stderr_log_gather(NULL, NULL);
    }
    if (d->runs)
        tell_stopping(d);
    log_event(&d->log, err ? LEVEL_ERROR : LEVEL_NOTICE, "ends", "status=%d%s%s", status, err ? " error=" : "",
              err ? err_name(err) : "");
    if (prepared)
        stop(d);
    release(d);
    return status < 0 ? DAEMON_FAILED : status;
}
