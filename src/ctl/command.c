/* Finds commands by their words, and says what is wrong with words that are none. */
#include "ctl/command.h"

#include "base/nearest.h"
#include "base/text.h"
#include "ctl/chapter.h"

static const struct ctl_chapter *const chapters[] = {
    &ctl_chapter_all,  &ctl_chapter_server, &ctl_chapter_enroll, &ctl_chapter_agent,
    &ctl_chapter_edge, &ctl_chapter_pstn,   &ctl_chapter_impair,
};

const struct ctl_chapter *ctl_chapter_at(size_t i)
{
    return i < sizeof chapters / sizeof chapters[0] ? chapters[i] : NULL;
}

const struct ctl_command *ctl_command_at(size_t i)
{
    const struct ctl_chapter *chapter;
    for (size_t at = 0; (chapter = ctl_chapter_at(at)); i -= chapter->count, at++)
        if (i < chapter->count)
            return &chapter->commands[i];
    return NULL;
}

/* The number of words at the front that are the command's, or 0 if not all of its words are there; ret_common counts those in common. */
static size_t match(const struct ctl_command *command, const char *const *words, size_t n, size_t *ret_common)
{
    struct slice rest = slice_str(command->words);
    size_t i = 0;
    *ret_common = 0;
    while (rest.p) {
        struct slice word = text_cut(&rest, ' ');
        if (i == n || !slice_eq_str(word, words[i]))
            return 0;
        *ret_common = ++i;
    }
    return i;
}

const struct ctl_command *ctl_command_find(const char *const *words, size_t n, size_t *ret_words)
{
    const struct ctl_command *command, *best = NULL;
    size_t best_words = 0;
    for (size_t i = 0; (command = ctl_command_at(i)); i++) {
        size_t common;
        size_t own = match(command, words, n, &common);
        if (own > best_words) {
            best = command;
            best_words = own;
        }
    }
    if (best)
        *ret_words = best_words;
    return best;
}

struct slice ctl_command_word(const struct ctl_command *command, size_t place)
{
    struct slice rest = slice_str(command->words);
    while (place-- && rest.p)
        text_cut(&rest, ' ');
    return text_cut(&rest, ' ');
}

/* The word of the i-th command at a place, if the command begins with the words before it; else an empty slice. */
static struct slice choice(size_t i, const char *const *words, size_t place)
{
    const struct ctl_command *command = ctl_command_at(i);
    size_t common;
    match(command, words, place, &common);
    return common < place ? (struct slice){0} : ctl_command_word(command, place);
}

void ctl_command_choices(const char *const *words, size_t place, ctl_choice_fn *fn, void *arg)
{
    for (size_t i = 0; ctl_command_at(i); i++) {
        struct slice word = choice(i, words, place);
        bool is_new = word.n > 0;
        for (size_t earlier = 0; is_new && earlier < i; earlier++)
            is_new = !slice_eq(choice(earlier, words, place), word);
        if (is_new)
            fn(arg, word);
    }
}

struct choices {
    struct buf *out;
    bool any;
};

static void put_choice(void *arg, struct slice word)
{
    struct choices *c = arg;
    buf_printf(c->out, "%s%.*s", c->any ? ", " : "", SLICE_PRINT(word));
    c->any = true;
}

/* Typing errors in the words of this command; SIZE_MAX if some word is no more than vaguely like it. */
static size_t errors_in(const struct ctl_command *command, const char *const *words, size_t n)
{
    struct slice rest = slice_str(command->words);
    size_t errors = 0;
    for (size_t i = 0; rest.p; i++) {
        struct slice word = text_cut(&rest, ' ');
        size_t distance = i < n ? edit_distance(slice_str(words[i]), word) : SIZE_MAX;
        if (distance > (word.n + 2) / 3)
            return SIZE_MAX;
        errors += distance;
    }
    return errors;
}

/* The command whose words are the fewest typing errors away; arguments may follow. NULL: none is near. */
static const struct ctl_command *nearest_command(const char *const *words, size_t n)
{
    const struct ctl_command *command, *nearest = NULL;
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; (command = ctl_command_at(i)); i++) {
        size_t errors = errors_in(command, words, n);
        if (errors < fewest) {
            fewest = errors;
            nearest = command;
        }
    }
    return nearest;
}

void ctl_command_explain_unknown(const char *const *words, size_t n, struct buf *out)
{
    const struct ctl_command *command;
    size_t known = 0;
    for (size_t i = 0; (command = ctl_command_at(i)); i++) {
        size_t common;
        match(command, words, n, &common);
        known = common > known ? common : known;
    }
    buf_str(out, "no command `");
    for (size_t i = 0; i < n && i <= known; i++)
        buf_printf(out, "%s%s", i ? " " : "", words[i]);
    buf_str(out, "`");
    const struct ctl_command *nearest = nearest_command(words, n);
    if (nearest) {
        buf_printf(out, "; did you mean `%s`?", nearest->words);
        return;
    }
    buf_str(out, known ? "; what may follow is: " : "; commands begin with: ");
    ctl_command_choices(words, known, put_choice, &(struct choices){out, false});
}
