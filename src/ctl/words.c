/* Command lines: a line into words, words into a command with its arguments. */
#include "ctl/args.h"

#include "base/nearest.h"
#include "base/text.h"

int ctl_split_line(const char *line, char *storage, const char **ret_words, size_t max, size_t *ret_n)
{
    size_t n = 0;
    for (;;) {
        while (*line == ' ' || *line == '\t')
            line++;
        if (!*line)
            break;
        if (n == max)
            return ERR_LIMIT;
        ret_words[n++] = storage;
        char quote = 0;
        for (; *line && (quote || (*line != ' ' && *line != '\t')); line++) {
            if (quote ? *line == quote : *line == '"' || *line == '\'')
                quote = quote ? 0 : *line;
            else if (*line == '\\' && quote != '\'' && line[1])
                *storage++ = *++line;
            else
                *storage++ = *line;
        }
        if (quote)
            return ERR_SYNTAX;
        *storage++ = 0;
    }
    *ret_n = n;
    return 0;
}

static const struct ctl_arg *find_option(const struct ctl_command *command, struct slice name)
{
    for (const struct ctl_arg *arg = command->args; arg && arg->name; arg++)
        if (arg->flags & CTL_OPTION && slice_eq_str(name, arg->name))
            return arg;
    return NULL;
}

static bool has_secret(const struct ctl_command *command)
{
    const struct ctl_arg *arg = ctl_command_apart(command);
    return arg && arg->type == CTL_SECRET;
}

/* The positional argument that the next word is for; NULL if there is none left. */
static const struct ctl_arg *next_positional(const struct ctl_args *a, bool has_file)
{
    for (const struct ctl_arg *arg = a->command->args; arg && arg->name; arg++) {
        bool positional = !(arg->flags & CTL_OPTION) && arg->type != CTL_SECRET && !(arg->type == CTL_FILE && has_file);
        if (positional && (arg->flags & CTL_REPEATED || !ctl_args_has(a, arg->name)))
            return arg;
    }
    return NULL;
}

static void explain_option(const struct ctl_command *command, struct slice name, struct buf *why)
{
    struct nearest nearest = {.wanted = name};
    for (const struct ctl_arg *arg = command->args; arg && arg->name; arg++)
        if (arg->flags & CTL_OPTION)
            nearest_try(&nearest, arg->name);
    if (has_secret(command))
        nearest_try(&nearest, "file");
    buf_printf(why, "`%s` has no option --%.*s", command->words, (int)(name.n < 64 ? name.n : 64),
               (const char *)name.p);
    if (nearest.best)
        buf_printf(why, "; did you mean --%s?", nearest.best);
}

struct word_cursor {
    const char *const *words;
    size_t n;
    size_t at;
};

/* An option at the cursor, with its value after a "=" or in the next word. */
static int take_option(struct ctl_args *a, struct word_cursor *c, const char **ret_file, struct buf *why)
{
    struct slice value = slice_str(c->words[c->at++] + 2);
    struct slice name = text_cut(&value, '=');
    const struct ctl_arg *arg = find_option(a->command, name);
    bool file = !arg && has_secret(a->command) && slice_eq_str(name, "file");
    if (!arg && !file) {
        explain_option(a->command, name, why);
        return ERR_NOT_FOUND;
    }
    bool takes_value = file || arg->type != CTL_SWITCH;
    if (takes_value && !value.p) {
        if (c->at == c->n) {
            buf_printf(why, "--%.*s needs a value", SLICE_PRINT(name));
            return ERR_SYNTAX;
        }
        value = slice_str(c->words[c->at++]);
    }
    if (file) {
        *ret_file = (const char *)value.p;
        return 0;
    }
    return ctl_args_add(a, arg, value, why);
}

static int take_positional(struct ctl_args *a, struct word_cursor *c, const char **ret_file, struct buf *why)
{
    const struct ctl_arg *arg = next_positional(a, *ret_file != NULL);
    const char *word = c->words[c->at++];
    if (arg && arg->type == CTL_FILE) {
        *ret_file = word;
        return 0;
    }
    if (arg)
        return ctl_args_add(a, arg, slice_str(word), why);
    if (has_secret(a->command))
        buf_str(why, "a password is never given as an argument; it is asked for, or read from --file FILE");
    else
        buf_printf(why, "too many arguments for `%s`", a->command->words);
    return ERR_SYNTAX;
}

int ctl_args_from_words(struct ctl_args *a, const char *const *words, size_t n, unsigned programs,
                        const char **ret_file, struct buf *why)
{
    size_t own = 0;
    const struct ctl_command *command = ctl_command_find(words, n, &own);
    ctl_args_init(a, command);
    *ret_file = NULL;
    if (!command || !(command->programs & programs)) {
        ctl_command_explain_unknown(words, n, why);
        return ERR_NOT_FOUND;
    }
    struct word_cursor c = {words, n, own};
    bool options = true;
    int err = 0;
    while (!err && c.at < n) {
        if (options && strcmp(words[c.at], "--") == 0) {
            options = false;
            c.at++;
        } else if (options && strncmp(words[c.at], "--", 2) == 0) {
            err = take_option(a, &c, ret_file, why);
        } else {
            err = take_positional(a, &c, ret_file, why);
        }
    }
    if (!err)
        err = ctl_args_complete(a, false, why);
    const struct ctl_arg *apart = ctl_command_apart(command);
    if (!err && apart && apart->type == CTL_FILE && !*ret_file) {
        buf_printf(why, "FILE is missing: %s", apart->help);
        err = ERR_NOT_FOUND;
    }
    if (err)
        ctl_args_fini(a);
    return err;
}
