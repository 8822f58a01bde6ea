/* ime-server: reads its configuration, makes the parts, runs the loop. */
#include "identity.h"

#include "base/mem.h"
#include "io/file.h"
#include "io/process.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum exit_code { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIGURATION = 3 };

static const char usage[] =
    "Usage: ime-server [--config FILE] [--check | --print-config | --print-man]\n"
    "\n"
    "Runs an IME server: a peer of the ring, a VAP server for call agents, a validator and a granter of tickets.\n"
    "\n"
    "  -c, --config FILE   configuration file (default /etc/ime/server.conf)\n"
    "      --check         check the configuration, say what is wrong with it, and end\n"
    "      --print-config  print a complete example with every key, its default and its range, and end\n"
    "      --print-man     print server.conf(5), and end\n"
    "      --version\n"
    "  -h, --help\n"
    "\n"
    "Exit codes: 0 ended in good order, 1 failed, 2 wrong usage, 3 wrong configuration.\n"
    "It logs to standard error, stays in the foreground, and is looked at with imectl.\n";

/* ---- the pump ---- */

static void perform(struct daemon *d, const struct server_effect *e)
{
    struct link *l;
    switch (e->kind) {
    case SERVER_RING_CONNECT:
        ring_connect(d, e);
        break;
    case SERVER_PVP_CONNECT:
        pvp_connect(d, e);
        break;
    case SERVER_RING_SEND:
    case SERVER_VAP_SEND:
    case SERVER_PVP_SEND:
        service_send(d, e);
        break;
    case SERVER_RING_CLOSE:
    case SERVER_VAP_CLOSE:
    case SERVER_PVP_CLOSE:
        l = service_find(service_of(d, e), e->conn);
        if (l) {
            log_event(&d->log, LEVEL_DEBUG, "close", "service=%s conn=%llu reason=\"%s\"", l->service->name,
                      (unsigned long long)e->conn, e->reason ? e->reason : "");
            link_drop(l, true);
        }
        break;
    case SERVER_DERIVE:
        derive_ticket_key(d, e->job);
        break;
    case SERVER_CONFIG:
        identity_config(d, e->config);
        config_poll_again(d);
        break;
    case SERVER_JOINED: /* the peer has logged it */
    case SERVER_LOOKED_UP:
        break;
    case SERVER_LEFT:
        daemon_stop(d, false);
        break;
    case SERVER_NODE_LEFT:
        node_left(&d->nodes[e->node]);
        break;
    case SERVER_BANNED:
        config_poll_again(d); /* the core has raised the alert */
        break;
    }
}

static void pump(void *arg)
{
    struct daemon *d = arg;
    struct server_effect e;
    struct now now = loop_now(d->loop);
    while (server_next(d->server, now, &e))
        perform(d, &e);
    loop_timer_set(d->timer, server_deadline(d->server));
    if (server_wants_shutdown(d->server))
        daemon_stop(d, false);
}

static void on_timer(void *arg)
{
    struct daemon *d = arg;
    server_tick(d->server, loop_now(d->loop));
    daemon_wake(d);
}

void daemon_wake(struct daemon *d)
{
    loop_post(d->loop, &d->work, LOOP_STAGE_WORK);
}

void daemon_stop(struct daemon *d, bool leave)
{
    if (leave && !d->leaving) {
        d->leaving = true;
        log_event(&d->log, LEVEL_NOTICE, "leaving", "handing over what is stored here");
        server_leave(d->server, loop_now(d->loop));
        daemon_wake(d);
        return;
    }
    loop_stop(d->loop, EXIT_GOOD);
}

/* SIGTERM: absent for a while, as for a restart. The ring is left for good by `imectl leave` only. */
static void on_signal(void *arg, int signal_number)
{
    struct daemon *d = arg;
    log_event(&d->log, LEVEL_NOTICE, "signal", "number=%d", signal_number);
    daemon_stop(d, false);
}

/* ---- the store ---- */

static void commit(void *arg)
{
    struct daemon *d = arg;
    if (d->server)
        server_set_now(d->server, loop_now(d->loop));
    sqlite_store_turn(d->store);
    if (d->server)
        daemon_wake(d);
}

static void store_wakes(void *arg)
{
    struct daemon *d = arg;
    loop_post(d->loop, &d->commit, LOOP_STAGE_COMMIT);
}

static int open_store(struct daemon *d)
{
    char path[4096];
    int err = file_make_folder(d->settings.data);
    if (!err)
        err = file_lock(d->settings.data, &d->lock);
    if (err) {
        log_event(&d->log, LEVEL_ERROR, "data.failed", "folder=%s error=%s%s", d->settings.data, err_name(err),
                  err == ERR_CONFLICT   ? "; another ime-server uses this data folder: end it, or give this one its own"
                  : err == ERR_NO_SPACE ? "; the disk is full or read-only: make room, or mount it writable"
                                        : "; make the folder for the user of ime-server, or change [server] data");
        return err;
    }
    snprintf(path, sizeof path, "%s/ime.db", d->settings.data);
    struct sqlite_store_options options = {.path = path, .log = &d->log, .wake = store_wakes, .wake_arg = d};
    return sqlite_store_open(&options, &d->store);
}

/* ---- start and end ---- */

int daemon_open_listener(struct daemon *d, const char *what, const struct listener_options *options,
                         listener_accept_fn *accept, void *arg, struct listener **ret_listener)
{
    char text[ADDR_TEXT_OCTETS];
    addr_format(&options->bind, text);
    int err = listener_open(d->loop, options, accept, arg, ret_listener);
    if (err)
        log_event(&d->log, LEVEL_ERROR, "listen.failed", "service=%s address=%s error=%s%s", what, text, err_name(err),
                  err == ERR_EXISTS        ? "; another program listens there: end it (ss -ltnp tells which), or "
                                             "change the address"
                  : err == ERR_UNREACHABLE ? "; this is no address of this host"
                                           : "");
    else
        log_event(&d->log, LEVEL_INFO, "listening", "service=%s address=%s", what, text);
    return err;
}

int daemon_listen(struct daemon *d, const char *what, const struct listener_options *options,
                  listener_accept_fn *accept, void *arg)
{
    if (d->listener_count == LISTENERS_MAX) {
        log_event(&d->log, LEVEL_ERROR, "listen.failed", "service=%s: more than %d listeners", what, LISTENERS_MAX);
        return ERR_LIMIT;
    }
    struct listener *listener;
    int err = daemon_open_listener(d, what, options, accept, arg, &listener);
    if (!err)
        d->listeners[d->listener_count++] = listener;
    return err;
}

static void before_control(void *arg)
{
    struct daemon *d = arg;
    server_set_now(d->server, loop_now(d->loop));
}

static void after_control(void *arg)
{
    daemon_wake(arg);
}

static int open_control(struct daemon *d)
{
    const char *words;
    int err = ctl_server_init(&d->ctl, CTL_SERVER, server_handlers, server_handler_count, d->server, &words);
    if (err) {
        log_event(&d->log, LEVEL_ERROR, "control.table", "command=\"%s\" has no handler, or the other way round",
                  words);
        return err;
    }
    const struct control_options options = {
        .path = d->settings.control,
        .server = &d->ctl,
        .log = &d->log,
        .before = before_control,
        .after = after_control,
        .arg = d,
    };
    return control_open(d->loop, &options, &d->control);
}

static int make_server(struct daemon *d, struct config *config)
{
    struct server_ports ports = {
        .entropy = &d->entropy,
        .log = &d->log,
        .kv = sqlite_store_kv(d->store),
        .security = d->nodes[0].security,
        .hasher = &d->hasher,
    };
    int err = server_new(&d->settings.server, &ports, config, d->nodes[0].id, cert_not_after(d->nodes[0].certificate),
                         loop_now(d->loop), &d->server);
    if (err) {
        log_event(&d->log, LEVEL_ERROR, "server.failed", "error=%s%s", err_name(err),
                  err == ERR_NO_SPACE ? "; the disk of [server] data is full or read-only: make room" : "");
        return err;
    }
    server_add_counters(d->server, "ring.links", stream_counters_names, COUNTERS_VALUES(&d->nodes[0].links.counters));
    server_add_counters(d->server, "vap.connections", stream_counters_names, COUNTERS_VALUES(&d->vap.counters));
    server_add_counters(d->server, "pvp.connections", stream_counters_names, COUNTERS_VALUES(&d->pvp.counters));
    return 0;
}

static int start(struct daemon *d)
{
    struct config *config = NULL;
    int err = loop_new(&d->loop);
    if (err)
        return err;
    loop_task_init(&d->work, pump, d);
    loop_task_init(&d->commit, commit, d);
    daemon_init_nodes(d);
    service_init(&d->vap, d, "vap", &vap_handler);
    service_init(&d->pvp, d, "pvp", &pvp_handler);
    hasher_init(d);
    err = worker_pool_new(d->loop, 0, 100000, &d->workers);
    if (!err)
        err = open_store(d);
    if (!err)
        err = identity_prepare(d, &config);
    if (!err)
        err = make_server(d, config);
    if (!err)
        err = loop_timer_new(d->loop, on_timer, d, &d->timer);
    if (!err)
        err = ring_listen(&d->nodes[0]);
    if (!err)
        err = vap_listen(d);
    if (!err)
        err = pvp_listen(d);
    if (!err)
        err = open_control(d);
    if (!err)
        err = config_poll_start(d);
    if (!err)
        err = loop_on_signal(d->loop, SIGTERM, on_signal, d);
    if (!err)
        err = loop_on_signal(d->loop, SIGINT, on_signal, d);
    if (err)
        return err;
    char node[ID_HEX_OCTETS];
    log_event(&d->log, LEVEL_NOTICE, "starts", "version=%s server_id=%s node=%s overlay=%.*s", IME_VERSION,
              d->settings.server.server_id, id_format(d->nodes[0].id, node),
              SLICE_PRINT(server_config_of(d->server)->instance_name));
    for (size_t i = 0; i < d->settings.domain_count; i++) {
        const struct domain_password *p = &d->settings.domains[i];
        err = server_ticket_password(d->server, loop_now(d->loop), p->domain, p->ticket_epoch, p->password);
        if (err) {
            log_event(&d->log, LEVEL_ERROR, "ticket.password.failed", "domain=%s error=%s", p->domain, err_name(err));
            return err;
        }
    }
    server_start(d->server, loop_now(d->loop));
    err = daemon_start_nodes(d);
    if (err)
        return err;
    daemon_wake(d);
    return 0;
}

/* What was queued leaves; what was written is committed. */
static void stop(struct daemon *d)
{
    for (size_t i = 0; i < d->listener_count; i++)
        listener_close(d->listeners[i]);
    control_close(d->control);
    daemon_close_nodes(d);
    service_fini(&d->vap);
    service_fini(&d->pvp);
    if (d->store)
        sqlite_store_turn(d->store);
    config_poll_stop(d);
    for (unsigned i = 0; i < SERVER_NODES_MAX; i++)
        certificate_unwatch(&d->nodes[i]);
    worker_pool_free(d->workers);
    server_free(d->server);
    d->server = NULL;
    loop_timer_free(d->timer);
    loop_task_cancel(&d->work);
    sqlite_store_close(d->store);
    loop_task_cancel(&d->commit);
    identity_fini(d);
    loop_turn(d->loop, false);
    loop_free(d->loop);
    if (d->lock)
        file_unlock(d->lock);
}

static int run(struct daemon *d)
{
    int err = start(d);
    int status = EXIT_FAILED;
    if (!err)
        status = loop_run(d->loop);
    log_event(&d->log, err ? LEVEL_ERROR : LEVEL_NOTICE, "ends", "status=%d%s%s", status, err ? " error=" : "",
              err ? err_name(err) : "");
    if (d->loop)
        stop(d);
    return status;
}

static int print_config(void)
{
    struct buf text;
    buf_init(&text, 1u << 20);
    conf_print_defaults(&settings_table, &text);
    fwrite(text.p, 1, text.n, stdout);
    buf_fini(&text);
    return EXIT_GOOD;
}

/* server.conf(5), whole: a test compares it with man/server.conf.5. */
static int print_man(void)
{
    struct buf text;
    buf_init(&text, 1u << 20);
    conf_print_man(&settings_table, &text);
    fputs(".TH SERVER.CONF 5 \"\" OpenIME\n"
          ".SH NAME\n"
          "server.conf \\- configuration of ime-server\n"
          ".SH DESCRIPTION\n"
          "Sections in brackets, keys with values, a semicolon after a space begins a comment. What is not given has "
          "the default "
          "shown.\n"
          "An unknown key or a bad value is an error, with file, line, reason and the nearest key;\n"
          ".B ime-server --check\n"
          "tries a file.\n",
          stdout);
    fwrite(text.p, 1, text.n, stdout);
    fputs(".SH SEE ALSO\n.BR ime-server (8),\n.BR imectl (1)\n", stdout);
    buf_fini(&text);
    return EXIT_GOOD;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'},
        {"print-config", no_argument, NULL, 'p'},
        {"print-man", no_argument, NULL, 'm'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *path = "/etc/ime/server.conf";
    bool check = false;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 'k':
            check = true;
            break;
        case 'p':
            return print_config();
        case 'm':
            return print_man();
        case 'V':
            printf("ime-server %s\n", IME_VERSION);
            return EXIT_GOOD;
        case 'h':
            fputs(usage, stdout);
            return EXIT_GOOD;
        default:
            fputs("Try ime-server --help.\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "ime-server: unexpected argument %s\nTry ime-server --help.\n", argv[optind]);
        return EXIT_USAGE;
    }

    process_harden();
    static struct daemon d;
    struct buf errors;
    buf_init(&errors, 1u << 16);
    int err = settings_load(path, &errors, &d.settings);
    if (!err && check && (err = settings_check_files(&d.settings, path, &errors)) != 0)
        settings_fini(&d.settings);
    if (err) {
        fprintf(stderr, "%s", buf_text(&errors));
        fputs("Keys, defaults and ranges: ime-server --print-config\n", stderr);
        buf_fini(&errors);
        return EXIT_CONFIGURATION;
    }
    buf_fini(&errors);
    int status = EXIT_GOOD;
    if (check) {
        printf("%s: good\n", path);
    } else {
        d.log = stderr_log(d.settings.log_level);
        d.entropy = kernel_entropy();
        status = run(&d);
    }
    settings_fini(&d.settings);
    return status;
}
