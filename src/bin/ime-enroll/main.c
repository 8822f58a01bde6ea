/* ime-enroll: reads its configuration, makes the parts, runs the loop. */
#include "daemon.h"

#include "io/file.h"
#include "io/process.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>

enum exit_code { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIGURATION = 3 };

#define PATH_OCTETS 4096

static const char usage[] =
    "Usage: ime-enroll [--config FILE] [--check | --print-config | --print-man]\n"
    "\n"
    "Runs the enrollment server of a ring: certificates for the servers that were accepted (imectl enroll token add),\n"
    "and the ring's signed configuration. At its first start it makes a fresh authority.\n"
    "\n"
    "  -c, --config FILE   configuration file (default /etc/ime/enroll.conf)\n"
    "      --check         check the configuration, say what is wrong with it, and end\n"
    "      --print-config  print a complete example with every key, its default and its range, and end\n"
    "      --print-man     print enroll.conf(5), and end\n"
    "      --version\n"
    "  -h, --help\n"
    "\n"
    "SIGHUP reads the configuration again. Exit codes: 0 ended in good order, 1 failed, 2 wrong usage, 3 wrong "
    "configuration.\n"
    "It logs to standard error, stays in the foreground, and is looked at with imectl.\n";

/* ---- the store ---- */

static void commit(void *arg)
{
    struct daemon *d = arg;
    sqlite_store_turn(d->store);
}

static void store_wakes(void *arg)
{
    struct daemon *d = arg;
    loop_post(d->loop, &d->commit, LOOP_STAGE_COMMIT);
}

static int open_store(struct daemon *d)
{
    char path[PATH_OCTETS];
    int err = file_make_folder(d->settings.data);
    if (!err)
        err = file_lock(d->settings.data, &d->lock);
    if (err) {
        log_event(&d->log, LEVEL_ERROR, "data.failed", "folder=%s error=%s%s", d->settings.data, err_name(err),
                  err == ERR_CONFLICT   ? "; another ime-enroll uses this data folder: end it, or give this one its own"
                  : err == ERR_NO_SPACE ? "; the disk is full or read-only: make room, or mount it writable"
                                        : "; make the folder for the user of ime-enroll, or change [enroll] data");
        return err;
    }
    snprintf(path, sizeof path, "%s/enroll.db", d->settings.data);
    const struct sqlite_store_options options = {.path = path, .log = &d->log, .wake = store_wakes, .wake_arg = d};
    return sqlite_store_open(&options, &d->store);
}

/* ---- the authority and the ring's configuration ---- */

/* Waits for the disk. */
static int settle(struct daemon *d)
{
    int err = 0, written;
    while (!err && !enroll_settled(d->enroll, &written))
        err = loop_turn(d->loop, true);
    return err ? err : written;
}

static int found_authority(struct daemon *d)
{
    struct key *authority = NULL, *signer = NULL;
    int err = key_generate(d->settings.key_type, &authority);
    if (!err)
        err = key_generate(d->settings.key_type, &signer);
    if (!err)
        err = enroll_found(d->enroll, loop_now(d->loop), authority, signer);
    key_free(authority);
    key_free(signer);
    return err ? err : settle(d);
}

/* For servers and call agents to trust; it is public. */
static int write_ca_file(struct daemon *d)
{
    struct buf pem, present;
    buf_init(&pem, 1u << 16);
    buf_init(&present, 1u << 16);
    int err = cert_to_pem(enroll_authority(d->enroll), &pem);
    if (!err && (file_read(d->settings.ca_file, &present) != 0 || !slice_eq(buf_slice(&pem), buf_slice(&present))))
        err = file_write(d->settings.ca_file, buf_slice(&pem), 0644);
    if (err)
        log_event(&d->log, LEVEL_ERROR, "ca_file.failed",
                  "file=%s error=%s; its folder must be there and writable by this user: see [enroll] ca-file",
                  d->settings.ca_file, err_name(err));
    buf_fini(&pem);
    buf_fini(&present);
    return err;
}

static int open_core(struct daemon *d)
{
    const struct enroll_ports ports = {.kv = sqlite_store_kv(d->store), .entropy = &d->entropy, .log = &d->log};
    int err = enroll_new(&d->settings.enroll, &ports, loop_now(d->loop), &d->enroll);
    if (!err && !enroll_has_authority(d->enroll))
        err = found_authority(d);
    if (!err)
        err = write_ca_file(d);
    if (!err)
        err = enroll_set_ring(d->enroll, loop_now(d->loop), &d->settings.ring);
    return err ? err : settle(d);
}

/* ---- control ---- */

static void before_control(void *arg)
{
    struct daemon *d = arg;
    enroll_set_now(d->enroll, loop_now(d->loop));
}

static void after_control(void *arg)
{
    struct daemon *d = arg;
    if (enroll_wants_shutdown(d->enroll))
        loop_stop(d->loop, EXIT_GOOD);
}

static int open_control(struct daemon *d)
{
    const char *words;
    int err = ctl_server_init(&d->ctl, CTL_ENROLL, enroll_handlers, enroll_handler_count, d->enroll, &words);
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

/* ---- signals ---- */

static void on_end(void *arg, int signal_number)
{
    struct daemon *d = arg;
    log_event(&d->log, LEVEL_NOTICE, "signal", "number=%d", signal_number);
    loop_stop(d->loop, EXIT_GOOD);
}

static void take_over(struct daemon *d, struct settings *next)
{
    struct settings old = d->settings;
    d->settings = *next;
    d->log.level = d->settings.log_level;
    enroll_set_options(d->enroll, &d->settings.enroll);
    settings_fini(&old);
    int err = enroll_set_ring(d->enroll, loop_now(d->loop), &d->settings.ring);
    if (!err)
        err = https_renew(d);
    if (!err)
        err = write_ca_file(d);
    log_event(&d->log, err ? LEVEL_ERROR : LEVEL_NOTICE, "reloaded", "file=%s error=%s", d->settings_path,
              err_name(err));
}

static void on_reload(void *arg, int signal_number)
{
    struct daemon *d = arg;
    struct settings next;
    struct buf errors;
    const char *key;
    (void)signal_number;
    buf_init(&errors, 1u << 16);
    if (settings_load(d->settings_path, &errors, &next) != 0) {
        const char *text = buf_text(&errors);
        log_event(&d->log, LEVEL_ERROR, "reload.refused", "%.*s (see ime-enroll --check)", (int)strcspn(text, "\n"),
                  text);
    } else if (!settings_may_follow(&d->settings, &next, &key)) {
        log_event(&d->log, LEVEL_ERROR, "reload.refused", "file=%s: [enroll] %s cannot be changed while it runs",
                  d->settings_path, key);
        settings_fini(&next);
    } else {
        take_over(d, &next);
    }
    buf_fini(&errors);
}

/* ---- start and end ---- */

static int start(struct daemon *d)
{
    int err = loop_new(&d->loop);
    if (err)
        return err;
    loop_task_init(&d->commit, commit, d);
    err = open_store(d);
    if (!err)
        err = open_core(d);
    if (!err)
        err = https_open(d);
    if (!err)
        err = open_control(d);
    if (!err)
        err = loop_on_signal(d->loop, SIGTERM, on_end, d);
    if (!err)
        err = loop_on_signal(d->loop, SIGINT, on_end, d);
    if (!err)
        err = loop_on_signal(d->loop, SIGHUP, on_reload, d);
    return err;
}

static void stop(struct daemon *d)
{
    /* What waits for the disk is answered before there is nobody left to answer. */
    if (d->store)
        sqlite_store_turn(d->store);
    control_close(d->control);
    loop_turn(d->loop, false);
    https_close(d);
    enroll_free(d->enroll);
    loop_task_cancel(&d->commit);
    sqlite_store_close(d->store);
    loop_turn(d->loop, false); /* libevent frees connections in the turn after */
    tls_context_free(d->tls);
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
    return status < 0 ? EXIT_FAILED : status;
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

/* enroll.conf(5), whole: a test compares it with man/enroll.conf.5. */
static int print_man(void)
{
    struct buf text;
    buf_init(&text, 1u << 20);
    conf_print_man(&settings_table, &text);
    fputs(".TH ENROLL.CONF 5 \"\" OpenIME\n"
          ".SH NAME\n"
          "enroll.conf \\- configuration of ime-enroll\n"
          ".SH DESCRIPTION\n"
          "Sections in brackets, keys with values, a semicolon after a space begins a comment. What is not given has\n"
          "the default shown.\n"
          "An unknown key or a bad value is an error, with file, line, reason and the nearest key;\n"
          ".B ime-enroll --check\n"
          "tries a file.\n",
          stdout);
    fwrite(text.p, 1, text.n, stdout);
    fputs(".SH SEE ALSO\n.BR ime-enroll (8),\n.BR imectl (1)\n", stdout);
    buf_fini(&text);
    return EXIT_GOOD;
}

static int run_with(const char *path, bool check)
{
    static struct daemon d;
    struct buf errors;
    buf_init(&errors, 1u << 16);
    int err = settings_load(path, &errors, &d.settings);
    if (err) {
        fprintf(stderr, "%sKeys, defaults and ranges: ime-enroll --print-config\n", buf_text(&errors));
        buf_fini(&errors);
        return EXIT_CONFIGURATION;
    }
    buf_fini(&errors);
    int status = EXIT_GOOD;
    if (check) {
        printf("%s: good\n", path);
    } else {
        d.settings_path = path;
        d.log = stderr_log(d.settings.log_level);
        d.entropy = kernel_entropy();
        status = run(&d);
    }
    settings_fini(&d.settings);
    return status;
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
    const char *path = "/etc/ime/enroll.conf";
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
            printf("ime-enroll %s\n", IME_VERSION);
            return EXIT_GOOD;
        case 'h':
            fputs(usage, stdout);
            return EXIT_GOOD;
        default:
            fputs("Try ime-enroll --help.\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "ime-enroll: unexpected argument %s\nTry ime-enroll --help.\n", argv[optind]);
        return EXIT_USAGE;
    }
    process_harden();
    return run_with(path, check);
}
