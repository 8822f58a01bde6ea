/* imectl against a daemon: a child process that answers a Unix socket with a real session and handlers of its own. What is printed, the
 * exit codes, passwords, and what is said when nobody answers. */
#include "ctl/session.h"
#include "testing.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "imectl-test-XXXXXX";
static char socket_path[200];
static pid_t daemon_pid;

static void show_routes(struct ctl_request *r)
{
    struct ctl_writer *w = ctl_reply_begin(r);
    ctl_open_array(w, "routes");
    if (!ctl_args_has(ctl_request_args(r), "number")) {
        ctl_open_object(w, NULL);
        ctl_put_text(w, "number", "+4930123");
        ctl_put_text(w, "domain", "b.example");
        ctl_put_text(w, "uri", "sip:+4930123@b.example");
        ctl_put_time(w, "learned_at", (struct wall){1000});
        ctl_close(w);
    }
    ctl_close(w);
    ctl_reply_end(r);
}

static void handle(void *ctx, struct ctl_request *r)
{
    const struct ctl_args *args = ctl_request_args(r);
    const char *words = args->command->words;
    (void)ctx;
    if (strcmp(words, "show routes") == 0)
        show_routes(r);
    else if (strcmp(words, "set ime ticket password") == 0)
        ctl_reply_done(r, "%zu characters", strlen(ctl_args_text(args, "password")));
    else if (strcmp(words, "explain") == 0)
        ctl_refuse(r, ERR_NOT_FOUND, "this number is not known", "publish it first");
    else if (strcmp(words, "leave") == 0)
        _exit(0); /* a daemon that dies instead of answering */
    else if (strcmp(words, "show ring") != 0)
        ctl_reply_done(r, "did: %s", words);
    /* `show ring` is never answered. */
}

static void serve_connection(const struct ctl_server *server, int fd)
{
    struct ctl_session *s = ctl_session_new(server, NULL, NULL);
    uint8_t octets[4096];
    for (ssize_t n; (n = read(fd, octets, sizeof octets)) > 0;) {
        if (ctl_session_input(s, slice_of(octets, (size_t)n)) != 0)
            break;
        struct slice out = ctl_session_output(s);
        ssize_t sent = out.n ? write(fd, out.p, out.n) : 0;
        if (sent < 0)
            break;
        ctl_session_sent(s, (size_t)sent);
    }
    _exit(0);
}

static void serve(int listener)
{
    static struct ctl_handler handlers[128];
    struct ctl_server server;
    const char *words;
    size_t n = 0;
    for (size_t i = 0; ctl_command_at(i); i++)
        if (ctl_command_at(i)->programs & CTL_SERVER)
            handlers[n++] = (struct ctl_handler){ctl_command_at(i)->words, handle};
    if (ctl_server_init(&server, CTL_SERVER, handlers, n, NULL, &words) != 0)
        _exit(1);
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            _exit(1);
        if (fork() == 0)
            serve_connection(&server, fd);
        close(fd);
    }
}

static int start_daemon(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!mkdtemp(folder))
        return -1;
    snprintf(socket_path, sizeof socket_path, "%s/control.sock", folder);
    memcpy(address.sun_path, socket_path, strlen(socket_path));
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 8) != 0)
        return -1;
    daemon_pid = fork();
    if (daemon_pid == 0)
        serve(listener);
    close(listener);
    return daemon_pid > 0 ? 0 : -1;
}

static int stop_daemon(void **state)
{
    char command[300];
    (void)state;
    kill(daemon_pid, SIGKILL);
    waitpid(daemon_pid, NULL, 0);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* Runs imectl through the shell with both outputs in one text; checks it and the exit code. */
static void assert_run(const char *before, const char *arguments, int code, const char *expected)
{
    char command[2000];
    static char text[65536];
    snprintf(command, sizeof command, "%s TZ=UTC-1 IME_CONTROL='%s' \"$IME_BUILD/src/bin/imectl/imectl\" %s 2>&1",
             before, socket_path, arguments);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = 0;
    int status = pclose(f);
    assert_string_equal(text, expected);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
}

static void test_result_for_people(void **state)
{
    (void)state;
    assert_run("", "show routes", 0,
               "NUMBER    DOMAIN     ROUTE                   LEARNED                    EXPIRES\n"
               "+4930123  b.example  sip:+4930123@b.example  1970-01-01T01:00:01+01:00  -\n");
    assert_run("", "show routes +4930", 0, "no routes yet; `explain NUMBER` says what a number waits for\n");
    assert_run("", "shutdown", 0, "did: shutdown\n");
}

static void test_result_as_json(void **state)
{
    (void)state;
    assert_run("", "--json shutdown", 0, "{\n  \"message\": \"did: shutdown\"\n}\n");
    assert_run("", "--json explain +4930", 1,
               "{\n  \"code\": \"not_found\",\n  \"message\": \"this number is not known\",\n  \"hint\": \"publish it "
               "first\"\n}\n");
}

static void test_refusal(void **state)
{
    (void)state;
    assert_run("", "explain +4930", 1, "imectl: this number is not known\n  publish it first\n");
    assert_run("", "enroll token list", 1, "imectl: `enroll token list` is answered by another daemon (ime-enroll)\n");
}

static void test_wrong_usage_is_not_sent(void **state)
{
    (void)state;
    assert_run("", "explain", 2, "imectl: NUMBER is missing: the number as +E.164\n  usage: imectl explain NUMBER\n");
    assert_run("", "shutdwon", 2,
               "imectl: no command `shutdwon`; did you mean `shutdown`?\n  imectl help lists the commands\n");
    assert_run("", "--timeout 0 shutdown", 2,
               "imectl: --timeout must be 1 to 86400 seconds, not 0\n  imectl --help lists the options\n");
    assert_run("", "--nothing", 2, "imectl: there is no option --nothing\n  imectl --help lists the options\n");
}

/* As people try it: behind a command, behind what they know of its arguments, behind the first words of some. */
static void test_help_behind_words(void **state)
{
    (void)state;
    static const char of_shutdown[] =
        "shutdown\n  end the daemon; in the ring it counts as absent, not as gone\n"
        "  Answered by: ime-server, ime-enroll, ime-agent, ime-edge, ime-pstn and ime-impair\n";
    assert_run("", "shutdown --help", 0, of_shutdown);
    assert_run("", "shutdown now --help", 0, of_shutdown);
    assert_run("", "show --help | head -n 1", 0, "show status\n");
    assert_run("", "shutdwon --help", 2, "imectl: no command `shutdwon`; did you mean `shutdown`?\n");
}

static void test_password_from_input_or_file(void **state)
{
    (void)state;
    assert_run("printf 'correct-horse\\nmore\\n' |", "set ime ticket password", 0, "13 characters\n");
    assert_run("printf 'short\\n' |", "set ime ticket password", 2,
               "imectl: PASSWORD must be 10 to 64 printable characters without spaces\n");
    assert_run("printf 'correct-horse' > /dev/null;", "set ime ticket password --file /dev/null", 2,
               "imectl: /dev/null: there is no password in its first line\n");
    assert_run("printf 'set ime ticket password\\n' |", "", 2,
               "imectl: standard input holds commands: give the password with --file FILE\n");
}

static void test_commands_from_input(void **state)
{
    (void)state;
    assert_run("printf '# two commands\\n\\nshutdown\\r\\nexplain \"+4930\"\\nshutdown\\n' |", "", 1,
               "did: shutdown\nimectl: this number is not known\n  publish it first\ndid: shutdown\n");
}

static void test_nobody_answers(void **state)
{
    (void)state;
    assert_run(
        "", "--socket /nonexistent/x.sock shutdown", 3,
        "imectl: ime-server does not run here: there is no socket /nonexistent/x.sock\n"
        "  Start it (systemctl start ime-server), or say where its socket is: --socket PATH, or IME_CONTROL=PATH\n");
    assert_run("", "--timeout 1 show ring", 3,
               "imectl: ime-server has not answered in 1 s\n  It may be busy: try again with --timeout SECONDS\n");
    assert_run("", "leave", 3,
               "imectl: ime-server has closed the connection\n  Its log says why: journalctl -u ime-server\n");
}

static void test_completion(void **state)
{
    (void)state;
    assert_run("", "--complete show r", 0, "ring\nroutes\nrevocations\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result_for_people),
        cmocka_unit_test(test_result_as_json),
        cmocka_unit_test(test_refusal),
        cmocka_unit_test(test_wrong_usage_is_not_sent),
        cmocka_unit_test(test_help_behind_words),
        cmocka_unit_test(test_password_from_input_or_file),
        cmocka_unit_test(test_commands_from_input),
        cmocka_unit_test(test_nobody_answers),
        cmocka_unit_test(test_completion),
    };
    return cmocka_run_group_tests(tests, start_daemon, stop_daemon);
}
