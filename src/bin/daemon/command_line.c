/* The command line of a daemon: options, usage, the example file, the manual page of the configuration. */
#include "private.h"

#include "io/process.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#define PRINT_OCTETS_MAX (1u << 20)
#define ERRORS_OCTETS_MAX (1u << 16)

static int print_usage(const struct daemon_program *p, const char *path)
{
    printf("Usage: %s [--config FILE] [--check [--user NAME] | --print-config | --print-man]\n"
           "\n"
           "%s"
           "\n"
           "  -c, --config FILE   configuration file (default %s)\n"
           "      --check         check the configuration, say what is wrong with it, and end\n"
           "      --user NAME     when root checks: as whom (default %s, if there is such a user)\n"
           "      --print-config  print a complete example with every key, its default and its range, and end\n"
           "      --print-man     print %s.conf(5), and end\n"
           "      --version\n"
           "  -h, --help\n"
           "\n"
           "%s%s"
           "Exit codes: 0 ended in good order, 1 failed, 2 wrong usage, 3 wrong configuration.\n"
           "It logs to standard error, stays in the foreground, and is looked at with imectl.\n",
           p->name, p->about, path, p->name, p->word, p->notes ? p->notes : "",
           p->reload ? "SIGHUP reads the configuration again. " : "");
    return DAEMON_GOOD;
}

static int print_config(const struct daemon_program *p)
{
    struct buf text;
    buf_init(&text, PRINT_OCTETS_MAX);
    conf_print_defaults(p->table, &text);
    fwrite(text.p, 1, text.n, stdout);
    buf_fini(&text);
    return DAEMON_GOOD;
}

/* The page as a whole: a test compares it with that in man/. */
static int print_man(const struct daemon_program *p)
{
    struct buf text;
    buf_init(&text, PRINT_OCTETS_MAX);
    buf_str(&text, ".TH ");
    for (const char *c = p->word; *c; c++)
        buf_u8(&text, (uint8_t)(*c - 'a' + 'A'));
    buf_printf(&text,
               ".CONF 5 \"\" OpenIME\n"
               ".SH NAME\n"
               "%s.conf \\- configuration of %s\n"
               ".SH DESCRIPTION\n"
               "Sections in brackets, keys with values, a semicolon after a space begins a comment. What is not given "
               "has\n"
               "the default shown.\n"
               "An unknown key or a bad value is an error, with file, line, reason and the nearest key;\n"
               ".B %s --check\n"
               "tries a file.\n",
               p->word, p->name, p->name);
    conf_print_man(p->table, &text);
    buf_printf(&text, ".SH SEE ALSO\n.BR %s (8),\n.BR imectl (1)\n", p->name);
    fwrite(text.p, 1, text.n, stdout);
    buf_fini(&text);
    return DAEMON_GOOD;
}

/* Loads the file; says what is wrong with it. */
static int load(struct daemon *d, bool check)
{
    const struct daemon_program *p = d->program;
    struct buf errors;
    buf_init(&errors, ERRORS_OCTETS_MAX);
    int err = daemon_load(p, d->path, &errors, &d->conf, &d->settings);
    if (!err && check && p->check && (err = p->check(d->settings, d->path, &errors)) != 0) {
        p->unload(d->settings);
        conf_free(d->conf);
    }
    if (err)
        fprintf(stderr, "%sKeys, defaults and ranges: %s --print-config\n", buf_text(&errors), p->name);
    buf_fini(&errors);
    return err;
}

static int run(struct daemon *d)
{
    process_harden();
    if (load(d, false) != 0)
        return DAEMON_CONFIGURATION;
    int status = daemon_run(d);
    d->program->unload(d->settings);
    conf_free(d->conf);
    return status;
}

/* Files are good or bad for who reads them: root checks as the user that the daemon has in its unit, who bears its name. user: another one, or NULL.
 * Whose eyes it are goes to ret_user; NULL: our own. */
static int become_reader(const struct daemon *d, const char *user, const char **ret_user)
{
    const char *wanted = user ? user : d->program->name;
    *ret_user = NULL;
    if (!user && geteuid() != 0)
        return 0;
    int err = process_become(wanted);
    if (err == ERR_NOT_FOUND && !user)
        return 0; /* nothing was installed: whoever starts it is who reads */
    if (err)
        fprintf(stderr, "%s: --user %s: %s\n", d->program->name, wanted,
                err == ERR_NOT_FOUND ? "there is no such user" : "only root may check as another user");
    else
        *ret_user = wanted;
    return err;
}

static int check_file(struct daemon *d, const char *user)
{
    const char *reader;
    process_harden();
    if (become_reader(d, user, &reader) != 0)
        return DAEMON_USAGE;
    const char *as = reader ? " for " : "";
    if (load(d, true) != 0) {
        if (reader)
            fprintf(stderr, "Checked as user %s; --user NAME checks as another one.\n", reader);
        return DAEMON_CONFIGURATION;
    }
    printf("%s: good%s%s\n", d->path, as, reader ? reader : "");
    d->program->unload(d->settings);
    conf_free(d->conf);
    return DAEMON_GOOD;
}

int daemon_main(struct daemon *d, const struct daemon_program *program, struct host *host, int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
        {"user", required_argument, NULL, 'u'},   {"print-config", no_argument, NULL, 'p'},
        {"print-man", no_argument, NULL, 'm'},    {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    char usual_path[64];
    snprintf(usual_path, sizeof usual_path, "/etc/ime/%s.conf", program->word);
    *d = (struct daemon){.program = program, .host = host, .path = usual_path};
    const char *user = NULL;
    bool check = false;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            d->path = optarg;
            break;
        case 'k':
            check = true;
            break;
        case 'u':
            user = optarg;
            break;
        case 'p':
            return print_config(program);
        case 'm':
            return print_man(program);
        case 'V':
            printf("%s %s\n", program->name, IME_VERSION);
            return DAEMON_GOOD;
        case 'h':
            return print_usage(program, usual_path);
        default:
            fprintf(stderr, "Try %s --help.\n", program->name);
            return DAEMON_USAGE;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "%s: unexpected argument %s\nTry %s --help.\n", program->name, argv[optind], program->name);
        return DAEMON_USAGE;
    }
    if (user && !check) {
        fprintf(stderr, "%s: --user goes with --check: a daemon runs as who starts it\nTry %s --help.\n", program->name,
                program->name);
        return DAEMON_USAGE;
    }
    return check ? check_file(d, user) : run(d);
}
