/* Passwords: from a file, from the terminal without echo (twice), or from standard input. Never from the command line, where every user
 * of the machine could see them. */
#include "imectl.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { SECRET_OCTETS_MAX = 256 };

/* The first line of a file, octet by octet, so that nothing behind it is taken. False: no line, or too long. */
static bool read_line(int fd, char *ret_line)
{
    size_t n = 0;
    for (;;) {
        char c;
        ssize_t got = read(fd, &c, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || (got == 0 && n == 0))
            return false;
        if (got == 0 || c == '\n')
            break;
        if (n + 1 == SECRET_OCTETS_MAX)
            return false;
        ret_line[n++] = c;
    }
    if (n && ret_line[n - 1] == '\r')
        n--;
    ret_line[n] = 0;
    return true;
}

static bool ask(int terminal, const char *prompt, char *ret_line)
{
    struct termios before, quiet;
    if (tcgetattr(terminal, &before) != 0)
        return false;
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    dprintf(terminal, "%s", prompt);
    tcsetattr(terminal, TCSAFLUSH, &quiet);
    bool good = read_line(terminal, ret_line);
    tcsetattr(terminal, TCSAFLUSH, &before);
    dprintf(terminal, "\n");
    return good;
}

static enum exit_code ask_twice(char *ret_line)
{
    char again[SECRET_OCTETS_MAX] = "";
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (terminal < 0) {
        fprintf(
            stderr,
            "imectl: there is no terminal to ask for the password\n  Give it with --file FILE or on standard input\n");
        return EXIT_USAGE;
    }
    bool good = ask(terminal, "Password: ", ret_line) && ask(terminal, "Again: ", again);
    bool same = good && strcmp(ret_line, again) == 0;
    mem_wipe(again, sizeof again);
    close(terminal);
    if (!same)
        fprintf(stderr,
                good ? "imectl: the two are not the same; nothing was changed\n" : "imectl: no password was given\n");
    return same ? EXIT_GOOD : EXIT_USAGE;
}

static enum exit_code read_secret(const struct options *o, const char *file, char *ret_line)
{
    if (!file && o->batch) {
        fprintf(stderr, "imectl: standard input holds commands: give the password with --file FILE\n");
        return EXIT_USAGE;
    }
    if (!file && isatty(STDIN_FILENO))
        return ask_twice(ret_line);
    int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    bool good = fd >= 0 && read_line(fd, ret_line);
    if (!good)
        fprintf(stderr, "imectl: %s: %s\n", file ? file : "standard input",
                fd < 0 ? strerror(errno) : "there is no password in its first line");
    if (file && fd >= 0)
        close(fd);
    return good ? EXIT_GOOD : EXIT_USAGE;
}

enum exit_code secret_add(const struct options *o, const char *file, struct ctl_args *args)
{
    const struct ctl_arg *arg = args->command->args;
    while (arg && arg->name && arg->type != CTL_SECRET)
        arg++;
    if (!arg || !arg->name)
        return EXIT_GOOD;
    char line[SECRET_OCTETS_MAX] = "";
    enum exit_code code = read_secret(o, file, line);
    if (code == EXIT_GOOD) {
        struct buf why;
        buf_init(&why, 4096);
        if (ctl_args_add(args, arg, slice_str(line), &why) != 0) {
            fprintf(stderr, "imectl: %s\n", buf_text(&why));
            code = EXIT_USAGE;
        }
        buf_fini(&why);
    }
    mem_wipe(line, sizeof line);
    return code;
}
