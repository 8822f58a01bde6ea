/* ime-wire: decodes hexadecimal lines, or one message of text, from standard input and prints them for people or programs. */
#include "wire.h"

#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_OCTETS_MAX ((size_t)4 << 20)    /* decoded octets of one line */
#define PRINT_OCTETS_MAX ((size_t)256 << 20) /* printed octets of one line */

/* In the order of --help. */
static const struct wire_command *const commands[] = {
    &wire_reload, &wire_framed, &wire_sip, &wire_ticket, &wire_vap,
};
#define COMMANDS (sizeof commands / sizeof *commands)

struct options {
    const struct wire_command *command;
    bool json;
    bool roundtrip;
};

static void help(FILE *to)
{
    fputs("usage: ime-wire COMMAND [--json] [--roundtrip] < INPUT\n\n"
          "Each line of standard input is the octets of\n",
          to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
    fputs("in hexadecimal; white space inside is ignored, # begins a comment, blank lines are skipped.\n"
          "For sip, standard input is one message.\n\n"
          "  --json           one JSON object per line\n"
          "  --roundtrip      print the octets that the decoded structures encode to\n"
          "  --help           this text\n"
          "  --version        the version\n",
          to);
    const char *printed = NULL; /* commands may share their options */
    for (size_t i = 0; i < COMMANDS; i++) {
        const char *own = commands[i]->options_help;
        if (own && own != printed)
            fprintf(to, "%s:\n%s", commands[i]->name, own);
        printed = own;
    }
    fputs("\nExit status: 0 all decoded, 1 something could not be decoded, 2 usage.\n", to);
}

/* 0 to go on, otherwise the exit status plus one. */
static int parse_options(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0) {
            help(stdout);
            return 1;
        }
        if (strcmp(a, "--version") == 0) {
            puts("ime-wire " IME_VERSION);
            return 1;
        }
        bool known = true;
        if (strcmp(a, "--json") == 0)
            o->json = true;
        else if (strcmp(a, "--roundtrip") == 0)
            o->roundtrip = true;
        else if (o->command)
            known = o->command->option && o->command->option(a);
        else
            known = false;
        for (size_t k = 0; !known && !o->command && k < COMMANDS; k++)
            if (strcmp(a, commands[k]->name) == 0) {
                o->command = commands[k];
                known = true;
            }
        if (!known) {
            fprintf(stderr, "ime-wire: cannot do anything with \"%s\"; see ime-wire --help\n", a);
            return 3;
        }
    }
    if (!o->command) {
        help(stderr);
        return 3;
    }
    return 0;
}

static int digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = tolower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The octets of a line. Faults count decoded octets. */
static int parse_line(struct slice line, struct buf *octets, struct fault *ret_fault)
{
    int high = -1;
    for (size_t i = 0; i < line.n && line.p[i] != '#'; i++) {
        if (isspace(line.p[i]))
            continue;
        int d = digit(line.p[i]);
        if (d < 0) {
            *ret_fault = (struct fault){octets->n, "not a hexadecimal digit"};
            return ERR_SYNTAX;
        }
        if (high < 0) {
            high = d;
        } else {
            buf_u8(octets, (uint8_t)(high << 4 | d));
            high = -1;
        }
    }
    if (high >= 0) {
        *ret_fault = (struct fault){octets->n, "half an octet at the end of the line"};
        return ERR_SYNTAX;
    }
    if (octets->err)
        *ret_fault = (struct fault){octets->n, "line too long"};
    return octets->err;
}

static void print_fault(struct print *p, int err, const struct fault *fault)
{
    print_word(p, "error", err_name(err));
    print_number(p, "octet", fault->octet);
    print_word(p, "rule", fault->rule ? fault->rule : err_text(err));
}

/* Prints what was decoded; 0 or the error. Number 0: there are no lines. */
static int print_decoded(const struct options *o, size_t number, struct slice octets, struct buf *out,
                         struct fault *ret_fault)
{
    struct print p;
    print_init(&p, o->json, out);
    if (number)
        print_number(&p, "line", number);
    print_number(&p, "octets", octets.n);
    size_t mark = out->n;
    int err = o->command->decode(octets, &p, NULL, ret_fault);
    if (err && o->json)
        print_fault(&p, err, ret_fault);
    print_fini(&p);
    if (err && out->n == mark)
        buf_clear(out); /* nothing to show beside the error */
    return err;
}

/* Prints what the decoded structures encode to; 0 or the error. */
static int print_reencoded(const struct options *o, size_t number, struct slice octets, struct buf *out,
                           struct fault *ret_fault)
{
    struct buf again;
    struct print p;
    buf_init(&again, LINE_OCTETS_MAX);
    print_init(&p, o->json, out);
    int err = o->command->decode(octets, &p, &again, ret_fault);
    buf_clear(out);
    print_init(&p, o->json, out);
    if (o->json) {
        if (number)
            print_number(&p, "line", number);
        if (err)
            print_fault(&p, err, ret_fault);
        else
            print_octets(&p, "hex", buf_slice(&again));
    } else if (!err) {
        hex_append(out, buf_slice(&again));
        buf_str(out, "\n");
    }
    print_fini(&p);
    buf_fini(&again);
    return err;
}

/* One line of input to one object or tree of output; an undecodable one also to a line on standard error, unless in JSON. */
static int convert(const struct options *o, size_t number, struct slice line, struct buf *octets, struct buf *out)
{
    struct fault fault = {0};
    buf_clear(octets);
    buf_clear(out);
    int err = parse_line(line, octets, &fault);
    if (!err && octets->n == 0)
        return 0;
    if (err && o->json) {
        struct print p;
        print_init(&p, true, out);
        print_number(&p, "line", number);
        print_fault(&p, err, &fault);
        print_fini(&p);
    } else if (!err && o->roundtrip) {
        err = print_reencoded(o, number, buf_slice(octets), out, &fault);
    } else if (!err) {
        err = print_decoded(o, number, buf_slice(octets), out, &fault);
    }
    fwrite(out->p, 1, out->n, stdout);
    if (err && !o->json) {
        fflush(stdout);
        fprintf(stderr, "line %zu, octet %zu: %s\n", number, fault.octet, fault.rule ? fault.rule : err_text(err));
    }
    return err;
}

/* All of standard input as one message. */
static int convert_all(const struct options *o, struct buf *octets, struct buf *out)
{
    struct fault fault = {0};
    uint8_t some[4096];
    for (size_t n; (n = fread(some, 1, sizeof some, stdin)) > 0 && !octets->err;)
        buf_put(octets, some, n);
    int err = octets->err;
    if (err)
        fault = (struct fault){octets->n, "input too long"};
    else if (o->roundtrip)
        err = print_reencoded(o, 0, buf_slice(octets), out, &fault);
    else
        err = print_decoded(o, 0, buf_slice(octets), out, &fault);
    fwrite(out->p, 1, out->n, stdout);
    if (err && !o->json) {
        fflush(stdout);
        fprintf(stderr, "octet %zu: %s\n", fault.octet, fault.rule ? fault.rule : err_text(err));
    }
    return err;
}

int main(int argc, char **argv)
{
    struct options o = {0};
    int stop = parse_options(argc, argv, &o);
    if (stop)
        return stop - 1;
    struct buf octets, out;
    buf_init(&octets, LINE_OCTETS_MAX);
    buf_init(&out, PRINT_OCTETS_MAX);
    char *line = NULL;
    size_t capacity = 0, number = 0;
    bool failed = false;
    if (o.command->is_raw)
        failed = convert_all(&o, &octets, &out) != 0;
    for (ssize_t n; !o.command->is_raw && (n = getline(&line, &capacity, stdin)) >= 0;)
        failed |= convert(&o, ++number, slice_of(line, (size_t)n), &octets, &out) != 0;
    free(line);
    buf_fini(&octets);
    buf_fini(&out);
    if (fflush(stdout) != 0 || ferror(stdout) || ferror(stdin)) {
        perror("ime-wire");
        return 1;
    }
    return failed;
}
