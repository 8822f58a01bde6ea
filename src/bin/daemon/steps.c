/* Steps of a start: the data folder and its database, listeners, the control socket. Each says what is wrong, and what to do about it. */
#include "private.h"

#include "io/file.h"

#include <stdio.h>

/* ---- the store ---- */

const char *daemon_path(const struct daemon *d, const char *name, char path[DAEMON_PATH_OCTETS])
{
    snprintf(path, DAEMON_PATH_OCTETS, "%s/%s", conf_text(daemon_keys(d, d->conf), "data"), name);
    return path;
}

static void store_wakes(void *arg)
{
    struct daemon *d = arg;
    loop_post(d->loop, &d->commit, LOOP_STAGE_COMMIT);
}

static int open_folder(struct daemon *d)
{
    const char *name = d->program->name;
    const char *folder = conf_text(daemon_keys(d, d->conf), "data");
    int err = file_make_folder(folder);
    if (!err)
        err = file_lock(folder, &d->lock);
    if (err == ERR_CONFLICT)
        log_event(&d->log, LEVEL_ERROR, "data.failed",
                  "folder=%s error=%s; another %s uses this data folder: end it, or give this one its own", folder,
                  err_name(err), name);
    else if (err == ERR_NO_SPACE)
        log_event(&d->log, LEVEL_ERROR, "data.failed",
                  "folder=%s error=%s; the disk is full or read-only: make room, or mount it writable", folder,
                  err_name(err));
    else if (err)
        log_event(&d->log, LEVEL_ERROR, "data.failed",
                  "folder=%s error=%s; make the folder for the user of %s, or change [%s] data", folder, err_name(err),
                  name, d->program->word);
    return err;
}

int daemon_open_store(struct daemon *d, const char *file)
{
    char path[DAEMON_PATH_OCTETS];
    int err = open_folder(d);
    if (err)
        return err;
    const struct sqlite_store_options options = {
        .path = daemon_path(d, file, path),
        .log = &d->log,
        .wake = store_wakes,
        .wake_arg = d,
        .recent_octets_max = d->program->recent_octets_max,
    };
    return sqlite_store_open(&options, &d->store);
}

/* ---- listeners ---- */

int daemon_log_listening(const struct daemon *d, const char *service, const struct addr *address, int err)
{
    char text[ADDR_TEXT_OCTETS];
    addr_format(address, text);
    if (err)
        log_event(&d->log, LEVEL_ERROR, "listen.failed", "service=%s address=%s error=%s%s", service, text,
                  err_name(err),
                  err == ERR_EXISTS        ? "; another program listens there: end it (ss -lntup tells which), or "
                                             "change the address"
                  : err == ERR_UNREACHABLE ? "; this is no address of this host"
                                           : "");
    else
        log_event(&d->log, LEVEL_INFO, "listening", "service=%s address=%s", service, text);
    return err;
}

int daemon_open_listener(struct daemon *d, const char *service, const struct listener_options *options,
                         listener_accept_fn *accept, void *arg, struct listener **ret_listener)
{
    return daemon_log_listening(d, service, &options->bind, listener_open(d->loop, options, accept, arg, ret_listener));
}

int daemon_listen(struct daemon *d, const char *service, const struct listener_options *options,
                  listener_accept_fn *accept, void *arg)
{
    if (d->listener_count == DAEMON_LISTENERS_MAX) {
        log_event(&d->log, LEVEL_ERROR, "listen.failed", "service=%s: more than %d listeners", service,
                  DAEMON_LISTENERS_MAX);
        return ERR_LIMIT;
    }
    struct listener *listener;
    int err = daemon_open_listener(d, service, options, accept, arg, &listener);
    if (!err)
        d->listeners[d->listener_count++] = listener;
    return err;
}

/* ---- the control socket ---- */

static void before_control(void *arg)
{
    struct daemon *d = arg;
    if (d->program->set_now)
        d->program->set_now(d->host, daemon_now(d));
}

static void after_control(void *arg)
{
    daemon_wake(arg);
}

int daemon_open_control(struct daemon *d, const struct ctl_handler *handlers, size_t count, void *core)
{
    const char *words;
    int err = ctl_server_init(&d->ctl, d->program->ctl, handlers, count, core, &words);
    if (err) {
        log_event(&d->log, LEVEL_ERROR, "control.table", "command=\"%s\" has no handler, or the other way round",
                  words);
        return err;
    }
    const struct control_options options = {
        .path = conf_text(daemon_keys(d, d->conf), "control"),
        .server = &d->ctl,
        .log = &d->log,
        .before = before_control,
        .after = after_control,
        .arg = d,
    };
    err = daemon_heed_signals(d);
    return err ? err : control_open(d->loop, &options, &d->control);
}
