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

struct slice ctl_command_word(const struct ctl_command *command, size_t place)
{
    struct slice rest = slice_str(command->words);
    while (place-- && rest.p)
        text_cut(&rest, ' ');
    return text_cut(&rest, ' ');
}

/* The different words that may stand at a place, among the commands that begin with the words before it. */
static void put_choices(const char *const *words, size_t place, struct buf *out)
{
    struct slice last = {0};
    bool any = false;
    for (size_t i = 0; i < ctl_command_count; i++) {
        size_t common;
        match(&ctl_commands[i], words, place, &common);
        struct slice word = ctl_command_word(&ctl_commands[i], place);
        if (common < place || !word.n || slice_eq(word, last))
            continue;
        buf_printf(out, "%s%.*s", any ? ", " : "", SLICE_PRINT(word));
        last = word;
        any = true;
    }
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
    const struct ctl_command *nearest = NULL;
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; i < ctl_command_count; i++) {
        size_t errors = errors_in(&ctl_commands[i], words, n);
        if (errors < fewest) {
            fewest = errors;
            nearest = &ctl_commands[i];
        }
    }
    return nearest;
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
    const struct ctl_command *nearest = nearest_command(words, n);
    if (nearest) {
        buf_printf(out, "; did you mean `%s`?", nearest->words);
        return;
    }
    buf_str(out, known ? "; what may follow is: " : "; commands begin with: ");
    put_choices(words, known, out);
}
