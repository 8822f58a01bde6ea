/* imectl: the command line of the OpenIME daemons. Options, then a command, lines of standard input, or a terminal. */
#include "imectl.h"

#include "base/text.h"
#include "ctl/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TIMEOUT_S_DEFAULT 30
#define TIMEOUT_S_MAX 86400

static void print_candidate(void *arg, struct slice word)
{
    (void)arg;
    printf("%.*s\n", SLICE_PRINT(word));
}

/* For shells (dist/imectl.bash): the words that may complete the last one. */
static enum exit_code complete(const char *const *words, size_t n)
{
    ctl_complete(words, n, print_candidate, NULL);
    return EXIT_GOOD;
}

static enum exit_code usage_error(const char *what, const char *word)
{
    fprintf(stderr, "imectl: %s%s\n  imectl --help lists the options\n", what, word);
    return EXIT_USAGE;
}

/* Reads the options in front of the command. ret_done: imectl ends now, with the code returned. */
static enum exit_code take_options(struct options *o, int argc, char **argv, int *ret_at, bool *ret_done)
{
    struct buf out;
    int i = 1;
    *ret_done = true;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        struct slice value = slice_str(argv[i] + 2);
        struct slice name = text_cut(&value, '=');
        bool inline_value = value.p != NULL;
        if (slice_eq_str(name, "json") && !inline_value) {
            o->json = true;
            continue;
        }
        if (slice_eq_str(name, "help") && !inline_value) {
            buf_init(&out, 1 << 20);
            print_usage(&out);
            fputs(buf_text(&out), stdout);
            buf_fini(&out);
            return EXIT_GOOD;
        }
        if (slice_eq_str(name, "version") && !inline_value) {
            printf("imectl %s\n", IME_VERSION);
            return EXIT_GOOD;
        }
        if (slice_eq_str(name, "complete") && !inline_value)
            return complete((const char *const *)argv + i + 1, (size_t)(argc - i - 1));
        bool socket = slice_eq_str(name, "socket"), instance = slice_eq_str(name, "name");
        if (!socket && !instance && !slice_eq_str(name, "timeout"))
            return usage_error("there is no option ", argv[i]);
        if (!inline_value && i + 1 == argc)
            return usage_error("a value must follow ", argv[i]);
        const char *text = inline_value ? (const char *)value.p : argv[++i];
        uint64_t seconds = 0;
        if (socket)
            o->socket = text;
        else if (instance)
            o->name = text;
        else if (u64_parse(slice_str(text), TIMEOUT_S_MAX, &seconds) != 0 || seconds == 0)
            return usage_error("--timeout must be 1 to 86400 seconds, not ", text);
        else
            o->timeout_ms = (int64_t)seconds * 1000;
    }
    *ret_at = i;
    *ret_done = false;
    return EXIT_GOOD;
}

/* Commands from standard input; the worst result counts. */
static enum exit_code run_batch(struct options *o)
{
    char *line = NULL;
    size_t capacity = 0;
    enum exit_code worst = EXIT_GOOD;
    o->batch = true;
    for (ssize_t n; (n = getline(&line, &capacity, stdin)) >= 0;) {
        while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = 0;
        enum exit_code code = run_line(o, line);
        worst = code > worst ? code : worst;
        fflush(stdout);
    }
    free(line);
    return worst;
}

int main(int argc, char **argv)
{
    struct options o = {.timeout_ms = TIMEOUT_S_DEFAULT * 1000};
    int at = 0;
    bool done = false;
    enum exit_code code = take_options(&o, argc, argv, &at, &done);
    if (done)
        return (int)code;
    if (at < argc)
        code = run_words(&o, (const char *const *)argv + at, (size_t)(argc - at));
    else
        code = isatty(STDIN_FILENO) ? run_interactive(&o) : run_batch(&o);
    if (fflush(stdout) != 0) {
        perror("imectl: standard output");
        return EXIT_REFUSED;
    }
    return (int)code;
}
