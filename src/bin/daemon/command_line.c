/* The command line of a daemon: options, usage, the example file, the manual page of the configuration. */
#include "private.h"

#include "io/process.h"

#include <getopt.h>
#include <stdio.h>

#define PRINT_OCTETS_MAX (1u << 20)
#define ERRORS_OCTETS_MAX (1u << 16)

static int print_usage(const struct daemon_program *p, const char *path)
{
    printf("Usage: %s [--config FILE] [--check | --print-config | --print-man]\n"
           "\n"
           "%s"
           "\n"
           "  -c, --config FILE   configuration file (default %s)\n"
           "      --check         check the configuration, say what is wrong with it, and end\n"
           "      --print-config  print a complete example with every key, its default and its range, and end\n"
           "      --print-man     print %s.conf(5), and end\n"
           "      --version\n"
           "  -h, --help\n"
           "\n"
           "%s%s"
           "Exit codes: 0 ended in good order, 1 failed, 2 wrong usage, 3 wrong configuration.\n"
           "It logs to standard error, stays in the foreground, and is looked at with imectl.\n",
           p->name, p->about, path, p->word, p->notes ? p->notes : "",
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

static int load_and_run(struct daemon *d, bool check)
{
    process_harden();
    if (load(d, check) != 0)
        return DAEMON_CONFIGURATION;
    int status = DAEMON_GOOD;
    if (check)
        printf("%s: good\n", d->path);
    else
        status = daemon_run(d);
    d->program->unload(d->settings);
    conf_free(d->conf);
    return status;
}

int daemon_main(struct daemon *d, const struct daemon_program *program, struct host *host, int argc, char **argv)
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
    char usual_path[64];
    snprintf(usual_path, sizeof usual_path, "/etc/ime/%s.conf", program->word);
    *d = (struct daemon){.program = program, .host = host, .path = usual_path};
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
    return load_and_run(d, check);
}
