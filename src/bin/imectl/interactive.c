/* The interactive mode: line editing, history and completion by libedit (its readline interface). */
#include "imectl.h"

#include "base/mem.h"
#include "ctl/help.h"

#include <editline/readline.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The candidates for the word at the cursor. libedit asks for them one by one and frees each with free(). */
static char **candidates;
static size_t candidate_count;

static void add_candidate(void *arg, struct slice word)
{
    (void)arg;
    char **grown = mem_resize(candidates, (candidate_count + 1) * sizeof *grown);
    if (!grown)
        return;
    candidates = grown;
    candidates[candidate_count] = strndup((const char *)word.p, word.n);
    if (candidates[candidate_count])
        candidate_count++;
}

static char *next_candidate(const char *text, int state)
{
    static size_t at;
    (void)text;
    if (state == 0)
        at = 0;
    return at < candidate_count ? candidates[at++] : NULL;
}

static char **complete(const char *text, int start, int end)
{
    (void)end;
    const char *words[CTL_WORDS_MAX + 1];
    size_t n = 0;
    char *before = strndup(rl_line_buffer, (size_t)start);
    char *storage = mem_alloc((size_t)start + 1);
    candidate_count = 0;
    rl_attempted_completion_over = 1;
    if (before && storage && ctl_split_line(before, storage, words, CTL_WORDS_MAX, &n) == 0) {
        size_t first = n && strcmp(words[0], "help") == 0;
        words[n++] = text;
        ctl_complete(words + first, n - first, add_candidate, NULL);
    }
    free(before);
    mem_free(storage);
    return candidate_count ? rl_completion_matches(text, next_candidate) : NULL;
}

enum exit_code run_interactive(const struct options *o)
{
    static char name[] = "imectl";
    rl_readline_name = name;
    rl_attempted_completion_function = complete;
    using_history();
    printf("imectl %s. `help` lists the commands, `quit` or Ctrl-D ends; the tabulator completes.\n", IME_VERSION);
    enum exit_code code = EXIT_GOOD;
    for (char *line; (line = readline("imectl> "));) {
        if (strcmp(line, "quit") == 0 || strcmp(line, "exit") == 0) {
            free(line);
            break;
        }
        if (*line)
            add_history(line);
        code = run_line(o, line);
        fflush(stdout);
        free(line);
    }
    mem_free(candidates);
    candidates = NULL;
    return code;
}
