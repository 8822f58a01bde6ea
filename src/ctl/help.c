/* Help texts and completion. */
#include "ctl/help.h"

#include "base/text.h"
#include "ctl/args.h"

#include <stdio.h>

#define LINE_COLUMNS 78

/* Words filled into lines behind an indentation. */
static void put_filled(struct buf *out, unsigned indent, const char *text)
{
    struct slice rest = slice_str(text);
    size_t column = 0;
    while (rest.p) {
        struct slice word = text_cut(&rest, ' ');
        if (!word.n)
            continue;
        if (column && column + 1 + word.n > LINE_COLUMNS) {
            buf_u8(out, '\n');
            column = 0;
        }
        if (column)
            buf_printf(out, " %.*s", SLICE_PRINT(word));
        else
            buf_printf(out, "%*s%.*s", (int)indent, "", SLICE_PRINT(word));
        column = (column ? column + 1 : indent) + word.n;
    }
    buf_u8(out, '\n');
}

void ctl_help_list(struct buf *out)
{
    const struct ctl_chapter *chapter;
    for (size_t i = 0; (chapter = ctl_chapter_at(i)); i++) {
        if (chapter->count)
            buf_printf(out, "\n%s\n", chapter->title);
        for (size_t k = 0; k < chapter->count; k++) {
            buf_str(out, "  ");
            ctl_command_usage(&chapter->commands[k], out);
            buf_u8(out, '\n');
            put_filled(out, 6, chapter->commands[k].help);
        }
    }
}

static void put_argument(struct buf *out, const struct ctl_arg *arg)
{
    char name[64];
    if (arg->type == CTL_SECRET)
        snprintf(name, sizeof name, "--file FILE");
    else
        snprintf(name, sizeof name, "%s%s", arg->flags & CTL_OPTION ? "--" : "", arg->name);
    if (!(arg->flags & CTL_OPTION) && arg->type != CTL_SECRET)
        for (char *p = name; *p; p++)
            *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
    buf_printf(out, "  %-14s", name);
    buf_printf(out, " %s%s\n", arg->type == CTL_SECRET ? "where the password is: " : "", arg->help);
}

static void put_command(struct buf *out, const struct ctl_command *c)
{
    ctl_command_usage(c, out);
    buf_u8(out, '\n');
    put_filled(out, 2, c->help);
    for (const struct ctl_arg *arg = c->args; arg && arg->name; arg++)
        put_argument(out, arg);
    if (c->detail)
        put_filled(out, 2, c->detail);
    buf_str(out, "  Answered by: ");
    ctl_program_names(c->programs, " and ", out);
    buf_u8(out, '\n');
}

/* True if the command's first words are these. */
static bool begins_with(const struct ctl_command *c, const char *const *words, size_t n)
{
    struct slice rest = slice_str(c->words);
    for (size_t i = 0; i < n; i++)
        if (!rest.p || !slice_eq_str(text_cut(&rest, ' '), words[i]))
            return false;
    return true;
}

int ctl_help_words(const char *const *words, size_t n, struct buf *out)
{
    const struct ctl_command *command;
    bool any = false;
    for (size_t i = 0; (command = ctl_command_at(i)); i++) {
        if (!begins_with(command, words, n))
            continue;
        buf_str(out, any ? "\n" : "");
        put_command(out, command);
        any = true;
    }
    if (any)
        return 0;
    ctl_command_explain_unknown(words, n, out);
    return ERR_NOT_FOUND;
}

static void put_roff(struct buf *out, const char *text)
{
    bool at_start = true;
    for (const char *p = text; *p; p++) {
        if (at_start && (*p == '.' || *p == '\''))
            buf_str(out, "\\&");
        if (*p == '\\')
            buf_str(out, "\\e");
        else if (*p == '-')
            buf_str(out, "\\-");
        else if (*p != '`')
            buf_u8(out, (uint8_t)*p);
        else
            buf_str(out, "\\(aq");
        at_start = *p == '\n';
    }
}

/* A phrase as a sentence. */
static void put_sentence(struct buf *out, const char *phrase)
{
    size_t start = out->n;
    put_roff(out, phrase);
    if (!out->err && out->n > start && out->p[start] >= 'a' && out->p[start] <= 'z')
        out->p[start] = (uint8_t)(out->p[start] - 'a' + 'A');
    buf_u8(out, '.');
}

static void put_man(struct buf *out, const struct ctl_command *c)
{
    struct buf usage;
    buf_init(&usage, 4096);
    ctl_command_usage(c, &usage);
    buf_str(out, ".TP\n.B ");
    put_roff(out, buf_text(&usage));
    buf_u8(out, '\n');
    put_sentence(out, c->help);
    buf_str(out, " Answered by ");
    ctl_program_names(c->programs, " and ", out);
    buf_str(out, ".\n");
    if (c->detail) {
        put_roff(out, c->detail);
        buf_u8(out, '\n');
    }
    buf_fini(&usage);
}

void ctl_help_man(struct buf *out)
{
    const struct ctl_chapter *chapter;
    for (size_t i = 0; (chapter = ctl_chapter_at(i)); i++) {
        if (chapter->count)
            buf_printf(out, ".SS %s\n", chapter->title);
        for (size_t k = 0; k < chapter->count; k++)
            put_man(out, &chapter->commands[k]);
    }
}

static bool starts(struct slice word, const char *beginning)
{
    size_t n = strlen(beginning);
    return word.n >= n && memcmp(word.p, beginning, n) == 0;
}

/* The options of a command whose words are complete. */
static void complete_options(const struct ctl_command *c, const char *last, ctl_choice_fn *candidate, void *arg)
{
    for (const struct ctl_arg *a = c->args; a && a->name; a++) {
        char option[64];
        if (!(a->flags & CTL_OPTION) && a->type != CTL_SECRET)
            continue;
        snprintf(option, sizeof option, "--%s", a->type == CTL_SECRET ? "file" : a->name);
        if (*last == '-' && starts(slice_str(option), last))
            candidate(arg, slice_str(option));
    }
}

struct completion {
    const char *beginning;
    ctl_choice_fn *candidate;
    void *arg;
};

static void complete_word(void *arg, struct slice word)
{
    const struct completion *c = arg;
    if (starts(word, c->beginning))
        c->candidate(c->arg, word);
}

void ctl_complete(const char *const *words, size_t n, ctl_choice_fn *candidate, void *arg)
{
    if (n == 0)
        return;
    struct completion completion = {words[n - 1], candidate, arg};
    size_t own = 0;
    const struct ctl_command *whole = ctl_command_find(words, n - 1, &own);
    if (whole)
        complete_options(whole, words[n - 1], candidate, arg);
    ctl_command_choices(words, n - 1, complete_word, &completion);
}
