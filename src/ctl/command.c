/* Finds commands by their words, and says what is wrong with words that are none. */
#include "ctl/command.h"

#include "base/nearest.h"
#include "base/text.h"

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
    const struct ctl_command *best = NULL;
    size_t best_words = 0;
    for (size_t i = 0; i < ctl_command_count; i++) {
        size_t common;
        size_t own = match(&ctl_commands[i], words, n, &common);
        if (own > best_words) {
            best = &ctl_commands[i];
            best_words = own;
        }
    }
    if (best)
        *ret_words = best_words;
    return best;
}

/* The word of a command at that place; an empty slice behind its end. */
static struct slice word_at(const struct ctl_command *command, size_t place)
{
    struct slice rest = slice_str(command->words);
    struct slice word = {0};
    for (size_t i = 0; i <= place; i++) {
        if (!rest.p)
            return (struct slice){0};
        word = text_cut(&rest, ' ');
    }
    return word;
}

/* The different words that may stand at a place, among the commands that begin with the words before it. */
static void put_choices(const char *const *words, size_t place, struct buf *out)
{
    struct slice last = {0};
    bool any = false;
    for (size_t i = 0; i < ctl_command_count; i++) {
        size_t common;
        match(&ctl_commands[i], words, place, &common);
        struct slice word = word_at(&ctl_commands[i], place);
        if (common < place || !word.n || slice_eq(word, last))
            continue;
        buf_printf(out, "%s%.*s", any ? ", " : "", SLICE_PRINT(word));
        last = word;
        any = true;
    }
}

/* The known command that is nearest to the words, taken as one text. */
static const char *nearest_command(const char *const *words, size_t n)
{
    struct buf line;
    buf_init(&line, NEAREST_OCTETS_MAX);
    struct nearest nearest = {0};
    /* Arguments may follow the command: try each number of words. */
    for (size_t i = 0; i < n; i++) {
        buf_printf(&line, "%s%s", i ? " " : "", words[i]);
        if (line.err)
            break;
        struct nearest here = {.wanted = buf_slice(&line)};
        for (size_t c = 0; c < ctl_command_count; c++)
            nearest_try(&here, ctl_commands[c].words);
        if (here.best && (!nearest.best || here.distance < nearest.distance))
            nearest = here;
    }
    buf_fini(&line);
    return nearest.best;
}

void ctl_command_explain_unknown(const char *const *words, size_t n, struct buf *out)
{
    size_t known = 0;
    for (size_t i = 0; i < ctl_command_count; i++) {
        size_t common;
        match(&ctl_commands[i], words, n, &common);
        known = common > known ? common : known;
    }
    buf_str(out, "no command `");
    for (size_t i = 0; i < n && i <= known; i++)
        buf_printf(out, "%s%s", i ? " " : "", words[i]);
    buf_str(out, "`");
    const char *nearest = known < n ? nearest_command(words, n) : NULL;
    if (nearest) {
        buf_printf(out, "; did you mean `%s`?", nearest);
        return;
    }
    buf_str(out, known ? "; what may follow is: " : "; commands begin with: ");
    put_choices(words, known, out);
}
