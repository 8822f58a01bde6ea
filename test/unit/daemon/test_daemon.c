/* A daemon that does next to nothing, each time in a process of its own: what is called in which order, what it says, how it ends. */
#include "bin/daemon/daemon.h"
#include "bin/daemon/keys.h"
#include "io/file.h"
#include "testing.h"

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the daemon ---- */

static const struct conf_section sections[] = {{"sample", false, "A daemon."}};

static const struct conf_key keys[] = {
    DAEMON_KEY_DATA("sample", "/var/lib/sample", "Where its data is."),
    DAEMON_KEY_CONTROL("sample"),
    DAEMON_KEY_LOG_LEVEL("sample"),
    {"sample", "size", CONF_INTEGER, 0, "1", 1, 9, NULL, NULL, "May change."},
    {"sample", "shape", CONF_TEXT, 0, "round", 1, 20, NULL, NULL, "May not change."},
};

static const struct conf_table table = {
    .intro = "Sample.",
    .sections = sections,
    .section_count = 1,
    .keys = keys,
    .key_count = sizeof keys / sizeof keys[0],
};

struct settings {
    unsigned size;
    const char *shape;
};

/* What a test wants of it. */
struct wishes {
    int start_err;
    bool end_twice;   /* SIGTERM again, while it ends */
    bool end_later;   /* in the turn after */
    bool write;       /* a row, and end when it is durable */
    unsigned writes;  /* so many rows, one in each turn, and end when all are durable */
    bool wait;        /* for a deadline, and end then */
    const char *conf; /* SIGHUP with this file */
};

struct host {
    struct daemon daemon;
    const struct wishes *wishes;
    unsigned turns;
    unsigned durable;  /* of its rows */
    struct mono asked; /* its last deadline */
};

static int load(const struct conf *conf, struct buf *errors, struct settings **ret_settings)
{
    const struct conf_group *g = conf_section(conf, "sample");
    if (conf_integer(g, "size") == 7) {
        buf_printf(errors, "[sample] size: 7 is no size\n");
        return ERR_RANGE;
    }
    struct settings *s = malloc(sizeof *s);
    *s = (struct settings){(unsigned)conf_integer(g, "size"), conf_text(g, "shape")};
    *ret_settings = s;
    return 0;
}

static void unload(struct settings *s)
{
    free(s);
}

static int check(const struct settings *s, const char *path, struct buf *errors)
{
    (void)path;
    if (s->size == 8)
        buf_printf(errors, "[sample] size: there is no room for 8\n");
    return s->size == 8 ? ERR_RANGE : 0;
}

static bool may_follow(const struct settings *now, const struct settings *next, const char **ret_key)
{
    *ret_key = strcmp(now->shape, next->shape) != 0 ? "shape" : NULL;
    return !*ret_key;
}

static void say(const char *what)
{
    fprintf(stderr, "> %s\n", what);
}

static int reload(struct host *h, const struct settings *old)
{
    fprintf(stderr, "> reload %u %u\n", old->size, h->daemon.settings->size);
    return 0;
}

static void handle(void *core, struct ctl_request *request)
{
    (void)core;
    ctl_reply_done(request, "done");
}

static const struct ctl_handler handlers[] = {{"show status", handle}, {"show counters", handle},
                                              {"shutdown", handle},    {"show calls", handle},
                                              {"show trunks", handle}, {"show prices", handle}};

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int start(struct host *h)
{
    const struct wishes *w = h->wishes;
    say("start");
    int err = daemon_open_store(&h->daemon, "sample.db");
    if (!err)
        err = w->start_err;
    if (!err)
        err = daemon_open_control(&h->daemon, handlers, sizeof handlers / sizeof handlers[0], h);
    if (err)
        return err;
    if (w->conf) {
        write_text(h->daemon.path, w->conf);
        raise(SIGHUP);
    }
    if (!w->write && !w->writes && !w->wait)
        raise(SIGTERM);
    return 0;
}

static void stop(struct host *h)
{
    (void)h;
    say("stop");
}

static void fini(struct host *h)
{
    say(h->daemon.store ? "fini with a store" : "fini");
}

static void durable(void *arg, int err)
{
    struct host *h = arg;
    say(err ? "lost" : "durable");
    daemon_stop(&h->daemon);
}

static void one_durable(void *arg, int err)
{
    struct host *h = arg;
    if (err || ++h->durable < h->wishes->writes)
        return;
    fprintf(stderr, "> %u rows in %s transactions\n", h->durable,
            sqlite_store_counters(h->daemon.store)->transactions * 4 <= h->durable ? "few" : "many");
    daemon_stop(&h->daemon);
}

static struct mono write_often(struct host *h)
{
    const struct kv *kv = sqlite_store_kv(h->daemon.store);
    const uint8_t key[2] = {(uint8_t)(h->turns >> 8), (uint8_t)h->turns};
    if (h->turns++ >= h->wishes->writes)
        return MONO_NEVER;
    assert_int_equal(kv_put(kv, KV_SETTING, slice_of(key, sizeof key), slice_str("value")), 0);
    kv_commit(kv, one_durable, h);
    return (struct mono){0}; /* again at once */
}

static struct mono turn(struct host *h, struct now now)
{
    if (h->wishes->writes)
        return write_often(h);
    say("turn");
    if (h->daemon.ending && h->wishes->end_later)
        daemon_stop(&h->daemon);
    if (h->turns++ == 0 && h->wishes->write) {
        const struct kv *kv = sqlite_store_kv(h->daemon.store);
        assert_int_equal(kv_put(kv, KV_SETTING, slice_str("key"), slice_str("value")), 0);
        kv_commit(kv, durable, h);
    }
    h->asked = h->turns == 1 && h->wishes->wait ? mono_after_ms(now.mono, 1) : MONO_NEVER;
    return h->asked;
}

static void tick(struct host *h, struct now now)
{
    const int64_t slack_us = h->daemon.program->slack_us;
    assert_true(mono_due(h->asked, now.mono));
    say(slack_us && now.mono.us / slack_us > (h->asked.us - 1) / slack_us ? "tick of a stretch" : "tick");
    daemon_stop(&h->daemon);
}

static void set_now(struct host *h, struct now now)
{
    (void)h;
    (void)now;
    say("now");
}

static void end(struct host *h)
{
    say("end");
    if (h->wishes->end_twice)
        raise(SIGTERM);
}

static const struct daemon_program plain = {
    .name = "ime-sample",
    .word = "sample",
    .about = "Does next to nothing.\n",
    .ctl = CTL_PSTN,
    .table = &table,
    .load = load,
    .unload = unload,
    .start = start,
    .stop = stop,
    .fini = fini,
    .turn = turn,
};

static struct daemon_program full(void)
{
    struct daemon_program p = plain;
    p.check = check;
    p.may_follow = may_follow;
    p.reload = reload;
    p.tick = tick;
    p.set_now = set_now;
    p.end = end;
    return p;
}

/* ---- running it ---- */

struct place {
    char folder[40], conf[60], output[60], data[60];
    char lines[200]; /* of every configuration */
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    snprintf(place->folder, sizeof place->folder, "/tmp/ime-daemon-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->conf, sizeof place->conf, "%s/conf", place->folder);
    snprintf(place->output, sizeof place->output, "%s/output", place->folder);
    snprintf(place->data, sizeof place->data, "%s/data", place->folder);
    snprintf(place->lines, sizeof place->lines, "[sample]\ndata = %s\ncontrol = %s/control\n", place->data,
             place->folder);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", place->folder);
    int status = system(command);
    free(place);
    return status;
}

#define ARGUMENTS_MAX 4

/* Runs it in a process of its own, with more arguments (words of one text) or none; its exit code, and all that it printed. */
static int run(struct place *place, const struct daemon_program *program, const struct wishes *wishes,
               const char *arguments, char *ret_output, size_t octets)
{
    char name[] = "ime-sample", option[] = "-c", words[60] = "";
    char *argv[3 + ARGUMENTS_MAX + 1] = {name, option, place->conf};
    int argc = 3;
    snprintf(words, sizeof words, "%s", arguments ? arguments : "");
    for (char *word = strtok(words, " "); word && argc < 3 + ARGUMENTS_MAX; word = strtok(NULL, " "))
        argv[argc++] = word;
    pid_t child = fork();
    if (child == 0) {
        static struct host host;
        host.wishes = wishes;
        if (!freopen(place->output, "w", stdout) || dup2(fileno(stdout), STDERR_FILENO) < 0)
            _exit(99);
        exit(daemon_main(&host.daemon, program, &host, argc, argv));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    FILE *f = fopen(place->output, "r");
    assert_non_null(f);
    ret_output[fread(ret_output, 1, octets - 1, f)] = '\0';
    fclose(f);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define OUTPUT_OCTETS 8192

/* The lines that the sample itself printed, in one: "start turn …". */
static void steps_of(const char *output, char *ret_steps, size_t octets)
{
    size_t n = 0;
    ret_steps[0] = '\0';
    for (const char *line = output; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, "> ", 2) == 0)
            n += (size_t)snprintf(ret_steps + n, octets - n, "%s%.*s", n ? ", " : "", (int)strcspn(line + 2, "\n"),
                                  line + 2);
        assert_true(n < octets);
    }
}

/* Runs it with a configuration; what must be among its output, or NULL, goes to `says`. */
static void assert_life(struct place *place, const struct daemon_program *program, const struct wishes *wishes,
                        int code, const char *steps, const char *says)
{
    char output[OUTPUT_OCTETS], seen[1000];
    write_text(place->conf, place->lines);
    assert_int_equal(run(place, program, wishes, NULL, output, sizeof output), code);
    steps_of(output, seen, sizeof seen);
    assert_string_equal(seen, steps);
    if (says && !strstr(output, says))
        fail_msg("not said: %s; but: %s", says, output);
}

static void test_start_and_end(void **state)
{
    const struct daemon_program p = full();
    const struct wishes none = {0}, fails = {.start_err = ERR_IO};
    assert_life(*state, &plain, &none, 0, "start, turn, stop, fini", "signal number=15");
    assert_life(*state, &plain, &none, 0, "start, turn, stop, fini", "ends status=0\n");
    assert_life(*state, &plain, &fails, 1, "start, stop, fini", "ends status=1 error=");
    assert_life(*state, &p, &(struct wishes){.end_later = true}, 0, "start, end, turn, stop, fini", NULL);
    /* It does not say by itself that it has ended. */
    assert_life(*state, &p, &(struct wishes){.end_twice = true}, 0, "start, end, turn, stop, fini", NULL);
}

static void test_turns(void **state)
{
    const struct daemon_program p = full();
    assert_life(*state, &p, &(struct wishes){.write = true}, 0, "start, turn, now, durable, stop, fini", NULL);
    assert_life(*state, &p, &(struct wishes){.wait = true}, 0, "start, turn, tick, turn, stop, fini", NULL);
}

static void go_on(struct host *h, struct now now)
{
    (void)h;
    (void)now;
}

/* Turns of a busy daemon share transactions if it wants that. */
static void test_commit_gap(void **state)
{
    struct daemon_program p = plain;
    p.tick = go_on;
    assert_life(*state, &p, &(struct wishes){.writes = 100}, 0, "start, 100 rows in many transactions, stop, fini",
                NULL);
    p.commit_gap_max_us = 1000000;
    assert_life(*state, &p, &(struct wishes){.writes = 100}, 0, "start, 100 rows in few transactions, stop, fini",
                NULL);
}

/* Not before the deadline, and at the end of its stretch. */
static void test_slack(void **state)
{
    struct daemon_program p = full();
    p.slack_us = 20000;
    assert_life(*state, &p, &(struct wishes){.wait = true}, 0, "start, turn, tick of a stretch, turn, stop, fini",
                NULL);
}

static void test_folder_in_use(void **state)
{
    struct place *place = *state;
    int lock;
    assert_int_equal(mkdir(place->data, 0700), 0);
    assert_int_equal(file_lock(place->data, &lock), 0);
    assert_life(place, &plain, &(struct wishes){0}, 1, "start, stop, fini", "another ime-sample uses this data folder");
    file_unlock(lock);
}

static void assert_reload(struct place *place, const char *lines, const char *steps, const char *says)
{
    const struct daemon_program p = full();
    char conf[500];
    snprintf(conf, sizeof conf, "%s%s\n", place->lines, lines);
    assert_life(place, &p, &(struct wishes){.conf = conf, .end_later = true}, 0, steps, says);
}

static void test_reload(void **state)
{
    struct place *place = *state;
    static const char untouched[] = "start, end, turn, stop, fini";
    assert_reload(place, "size = 3", "start, reload 1 3, end, turn, stop, fini", "reloaded file=");
    assert_reload(place, "size = 10", untouched, "reload.refused");
    assert_reload(place, "size = 7", untouched, "7 is no size (see ime-sample --check)");
    assert_reload(place, "shape = square", untouched, "[sample] shape cannot be changed while it runs");
    const struct daemon_program p = full();
    assert_life(place, &p, &(struct wishes){.conf = "[sample]\ndata = /elsewhere\n", .end_later = true}, 0, untouched,
                "[sample] data cannot be changed while it runs");
}

/* ---- the service manager ---- */

/* All datagrams that have come, in one text; the value of MONOTONIC_USEC, which is the time of now at most, is left out. */
static void told(int manager, char *ret_text, size_t octets)
{
    char datagram[200];
    size_t n = 0;
    ssize_t got;
    ret_text[0] = '\0';
    while ((got = recv(manager, datagram, sizeof datagram - 1, MSG_DONTWAIT)) > 0) {
        datagram[got] = '\0';
        char *since = strstr(datagram, "USEC=");
        if (since) {
            const long long us = strtoll(since + strlen("USEC="), NULL, 10);
            assert_in_range(us, 1, loop_clock().us);
            since[strlen("USEC=")] = '\0';
        }
        n += (size_t)snprintf(ret_text + n, octets - n, "%s%s", n ? ", " : "", datagram);
        assert_true(n < octets);
    }
}

static void assert_told(int manager, const char *expected)
{
    char text[500];
    told(manager, text, sizeof text);
    assert_string_equal(text, expected);
}

static void test_notices(void **state)
{
    struct place *place = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", place->folder);
    int manager = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(manager, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);

    static const char untouched[] = "start, end, turn, stop, fini";
    static const char reloaded[] = "READY=1, RELOADING=1\nMONOTONIC_USEC=, READY=1, STOPPING=1";
    assert_life(place, &plain, &(struct wishes){0}, 0, "start, turn, stop, fini", NULL);
    assert_told(manager, "READY=1, STOPPING=1");
    assert_life(place, &plain, &(struct wishes){.write = true}, 0, "start, turn, durable, stop, fini", NULL);
    assert_told(manager, "READY=1, STOPPING=1"); /* also when no signal ends it */
    assert_life(place, &plain, &(struct wishes){.start_err = ERR_IO}, 1, "start, stop, fini", NULL);
    assert_told(manager, "");
    assert_reload(place, "size = 3", "start, reload 1 3, end, turn, stop, fini", NULL);
    assert_told(manager, reloaded);
    assert_reload(place, "size = 10", untouched, "reload.refused");
    assert_told(manager, reloaded);

    close(manager); /* nobody listens: it is said, and nothing else comes of it */
    assert_life(place, &plain, &(struct wishes){0}, 0, "start, turn, stop, fini", "notify.failed state=ready socket=");
    unsetenv("NOTIFY_SOCKET");
}

/* ---- the command line ---- */

static void assert_said(struct place *place, const char *arguments, const char *lines, int code, const char *says)
{
    const struct daemon_program p = full();
    char text[400], output[OUTPUT_OCTETS], seen[100];
    snprintf(text, sizeof text, "%s%s\n", place->lines, lines);
    write_text(place->conf, text);
    assert_int_equal(run(place, &p, &(struct wishes){0}, arguments, output, sizeof output), code);
    if (!strstr(output, says))
        fail_msg("not said: %s; but: %s", says, output);
    steps_of(output, seen, sizeof seen);
    assert_string_equal(seen, "");
}

static void test_command_line(void **state)
{
    struct place *place = *state;
    assert_said(place, "--version", "", 0, "ime-sample " IME_VERSION "\n");
    assert_said(place, "--help", "", 0, "configuration file (default /etc/ime/sample.conf)\n");
    assert_said(place, "-h", "", 0, "\nDoes next to nothing.\n");
    assert_said(place, "--help", "", 0, "SIGHUP reads the configuration again.");
    assert_said(place, "--print-config", "", 0, "May not change.");
    assert_said(place, "--print-man", "", 0, ".TH SAMPLE.CONF 5 \"\" OpenIME\n");
    assert_said(place, "--nothing", "", 2, "Try ime-sample --help.\n");
    assert_said(place, "word", "", 2, "ime-sample: unexpected argument word\n");
    assert_said(place, "--check", "size = 3", 0, "/conf: good\n");
    assert_said(place, "--check", "size = 7", 3, "[sample] size: 7 is no size\nKeys, defaults and ranges: ime-sample");
    assert_said(place, "--check", "size = 8", 3, "there is no room for 8\n");
    assert_said(place, NULL, "size = 7", 3, "7 is no size\n");
    assert_said(place, NULL, "size = 77", 3, "/conf:");
}

/* What a file says of its readers holds for the daemon's user, also when root asks. */
static void test_check_for_another(void **state)
{
    struct place *place = *state;
    const struct passwd *other = getpwnam("nobody");
    assert_said(place, "--user nobody", "", 2, "--user goes with --check");
    if (geteuid() != 0) {
        assert_said(place, "--check --user root", "", 2, "only root may check as another user");
        return;
    }
    assert_said(place, "--check --user no-such-user", "", 2, "there is no such user");
    if (!other) {
        fputs("here is no user nobody\n", stderr);
        skip();
    }
    assert_int_equal(chmod(place->folder, 0711), 0);
    const uid_t owners[] = {0, other->pw_uid, other->pw_uid + 1};
    for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++) {
        write_text(place->conf, "");
        assert_int_equal(chown(place->conf, owners[i], (gid_t)-1), 0);
        assert_int_equal(chmod(place->conf, 0600), 0);
        if (owners[i] == other->pw_uid)
            assert_said(place, "--check --user nobody", "", 0, "/conf: good for nobody\n");
        else
            assert_said(place, "--check --user nobody", "", 3, "Checked as user nobody; --user NAME");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_start_and_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_commit_gap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slack, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folder_in_use, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_notices, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_command_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_check_for_another, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
