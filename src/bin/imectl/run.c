/* One command: from words to what is printed. */
#include "imectl.h"

#include "base/mem.h"
#include "base/text.h"
#include "ctl/answer.h"
#include "ctl/help.h"
#include "ctl/request.h"
#include "ctl/session.h"

#include <stdio.h>
#include <time.h>

/* Text for people may be a few times as long as the JSON it is made from. */
#define OUTPUT_OCTETS_MAX (4u * CTL_REPLY_OCTETS_MAX)

static void print(FILE *to, struct buf *text)
{
    if (text->n)
        fwrite(text->p, 1, text->n, to);
}

/* ISO 8601 with the offset as "+01:00". */
static void local_time(int64_t seconds, char *ret_text, size_t octets)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    char zone[8] = "";
    localtime_r(&t, &tm);
    strftime(zone, sizeof zone, "%z", &tm);
    size_t n = strftime(ret_text, octets, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret_text + n, octets - n, "%.3s:%.2s", zone, zone + 3);
}

static enum exit_code show_answer(const struct options *o, const struct ctl_command *command, struct slice line)
{
    struct ctl_answer answer;
    struct buf out;
    buf_init(&out, OUTPUT_OCTETS_MAX);
    enum exit_code code = EXIT_GOOD;
    if (ctl_answer_decode(line, &answer, &out) != 0) {
        fprintf(stderr, "imectl: %s\n", buf_text(&out));
        buf_fini(&out);
        return EXIT_REFUSED;
    }
    if (answer.result && o->json)
        ctl_render_json(answer.result, &out);
    else if (answer.result)
        ctl_render(command, answer.result, local_time, &out);
    else if (o->json)
        ctl_render_json(ctl_answer_error(&answer), &out);
    print(stdout, &out);
    if (out.err)
        fprintf(stderr, "imectl: the answer cannot be shown: %s\n", err_text(out.err));
    if (!answer.result && !o->json)
        fprintf(stderr, "imectl: %s%s%s\n", answer.message, answer.hint ? "\n  " : "", answer.hint ? answer.hint : "");
    if (!answer.result || out.err || ctl_answer_has_failures(command, &answer))
        code = EXIT_REFUSED;
    ctl_answer_fini(&answer);
    buf_fini(&out);
    return code;
}

static enum exit_code ask_daemon(const struct options *o, const struct ctl_args *args)
{
    struct buf request, answer;
    buf_init(&request, CTL_REQUEST_OCTETS_MAX);
    buf_init(&answer, CTL_REPLY_OCTETS_MAX + 1024);
    enum exit_code code = EXIT_USAGE;
    if (ctl_request_encode(1, args, &request) != 0)
        fprintf(stderr, "imectl: the command is too long\n");
    else
        code = client_exchange(o, args->command->programs, buf_slice(&request), &answer);
    if (code == EXIT_GOOD)
        code = show_answer(o, args->command, buf_slice(&answer));
    buf_fini_secret(&request);
    buf_fini_secret(&answer);
    return code;
}

static enum exit_code help(const char *const *words, size_t n)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    int err = 0;
    if (n == 1 && strcmp(words[0], "--man") == 0)
        print_manual(&out);
    else if (n == 1 && strcmp(words[0], "--all") == 0)
        err = ctl_help_words(NULL, 0, &out);
    else if (n == 0)
        print_usage(&out);
    else
        err = ctl_help_words(words, n, &out);
    if (err)
        fprintf(stderr, "imectl: %s\n", buf_text(&out));
    else
        print(stdout, &out);
    buf_fini(&out);
    return err ? EXIT_USAGE : EXIT_GOOD;
}

/* Behind any command, with or without arguments, and behind the first words of some. */
static enum exit_code help_behind(const char *const *words, size_t n)
{
    size_t own;
    return help(words, ctl_command_find(words, n, &own) ? own : n);
}

enum exit_code run_words(const struct options *o, const char *const *words, size_t n)
{
    if (strcmp(words[0], "help") == 0)
        return help(words + 1, n - 1);
    if (strcmp(words[n - 1], "--help") == 0)
        return help_behind(words, n - 1);
    struct ctl_args args;
    struct buf why;
    const char *file;
    buf_init(&why, 1 << 16);
    if (ctl_args_from_words(&args, words, n, ~0u, &file, &why) != 0) {
        size_t own;
        const struct ctl_command *command = ctl_command_find(words, n, &own);
        fprintf(stderr, "imectl: %s\n", buf_text(&why));
        buf_clear(&why);
        if (command) {
            ctl_command_usage(command, &why);
            fprintf(stderr, "  usage: imectl %s\n", buf_text(&why));
        } else {
            fprintf(stderr, "  imectl help lists the commands\n");
        }
        buf_fini(&why);
        return EXIT_USAGE;
    }
    buf_fini(&why);
    enum exit_code code = secret_add(o, file, &args);
    if (code == EXIT_GOOD)
        code = file_add(o, file, &args);
    if (code == EXIT_GOOD)
        code = ask_daemon(o, &args);
    ctl_args_fini(&args);
    return code;
}

enum exit_code run_line(const struct options *o, const char *line)
{
    const char *words[CTL_WORDS_MAX];
    size_t n = 0;
    char *storage = mem_alloc(strlen(line) + 1);
    if (!storage) {
        fprintf(stderr, "imectl: out of memory\n");
        return EXIT_REFUSED;
    }
    enum exit_code code = EXIT_GOOD;
    struct slice text = text_trim(slice_str(line));
    int err = ctl_split_line(line, storage, words, CTL_WORDS_MAX, &n);
    if (text.n && text.p[0] == '#')
        n = 0;
    else if (err) {
        fprintf(stderr, "imectl: %s\n", err == ERR_LIMIT ? "too many words" : "a quote is not closed");
        code = EXIT_USAGE;
        n = 0;
    }
    if (n)
        code = run_words(o, words, n);
    mem_free(storage);
    return code;
}
