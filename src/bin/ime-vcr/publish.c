/* ime-vcr publish: numbers into the ring, and with --stay kept there. */
#include "commands.h"

#include "base/mem.h"
#include "base/text.h"
#include "progress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBERS_MAX 1000000

struct publish {
    const struct options *options;
    struct loop *loop;
    struct link *link;
    struct progress progress;
    struct e164 *numbers;
    size_t count;
    size_t capacity;
    size_t next; /* to be handed to the client */
    size_t good;
    size_t bad;
    bool announced;
};

static int add_number(struct publish *p, const struct e164 *number)
{
    if (p->count == NUMBERS_MAX) {
        fprintf(stderr, "ime-vcr: --numbers: more than %d\n", NUMBERS_MAX);
        return ERR_LIMIT;
    }
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 256;
        struct e164 *grown = mem_resize(p->numbers, capacity * sizeof *grown);
        if (!grown)
            return ERR_NO_MEMORY;
        p->numbers = grown;
        p->capacity = capacity;
    }
    p->numbers[p->count++] = *number;
    return 0;
}

/* One range; where: for the message. */
static int add_range(struct publish *p, struct slice text, const char *where, unsigned line)
{
    struct dial_range range;
    char place[32] = "";
    if (line)
        snprintf(place, sizeof place, ":%u", line);
    if (dial_range_parse(text, &range) < 0) {
        fprintf(stderr, "ime-vcr: %s%s: \"%.*s\" is no +E.164 number or range\n", where, place, SLICE_PRINT(text));
        return ERR_SYNTAX;
    }
    uint64_t count = dial_range_count(&range);
    if (!count || count > NUMBERS_MAX) {
        fprintf(stderr, "ime-vcr: %s%s: %s\n", where, place,
                count ? "the range is too large" : "numbers with * cannot be told one by one");
        return ERR_RANGE;
    }
    int err = 0;
    for (uint64_t i = 0; i < count && !err; i++) {
        struct e164 number = dial_range_at(&range, i);
        err = add_number(p, &number);
    }
    return err;
}

/* A number or range per line, # begins a comment. */
static int add_file(struct publish *p, const char *path)
{
    char *line = NULL;
    size_t capacity = 0;
    unsigned number = 0;
    int err = 0;
    FILE *f = fopen(path, "r");
    if (!f) {
        fprintf(stderr, "ime-vcr: %s: %s\n", path, strerror(errno));
        return ERR_NOT_FOUND;
    }
    for (ssize_t n; !err && (n = getline(&line, &capacity, f)) >= 0;) {
        struct slice text = slice_of(line, (size_t)n);
        struct slice end = text;
        number++;
        text = text_cut(&end, '\n');
        end = text;
        text = text_cut(&end, '\r');
        end = text;
        text = text_trim(text_cut(&end, '#'));
        if (text.n)
            err = add_range(p, text, path, number);
    }
    free(line);
    fclose(f);
    return err;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct e164 *)a)->text, ((const struct e164 *)b)->text);
}

/* Sorted, each once. */
static int collect(struct publish *p)
{
    int err = 0;
    for (size_t i = 0; i < p->options->numbers.n && !err; i++) {
        const char *text = p->options->numbers.values[i];
        err = text[0] == '+' ? add_range(p, slice_str(text), "--numbers", 0) : add_file(p, text);
    }
    if (err || !p->options->numbers.n) /* without numbers, --stay keeps the service alone */
        return err;
    if (!p->count) {
        fprintf(stderr, "ime-vcr: --numbers: there are none\n");
        return ERR_RANGE;
    }
    qsort(p->numbers, p->count, sizeof *p->numbers, compare);
    size_t kept = 1;
    for (size_t i = 1; i < p->count; i++)
        if (strcmp(p->numbers[i].text, p->numbers[kept - 1].text) != 0)
            p->numbers[kept++] = p->numbers[i];
    p->count = kept;
    return 0;
}

static void show(struct publish *p)
{
    char text[96];
    snprintf(text, sizeof text, "%zu of %zu numbers published%s", p->good, p->count, p->bad ? ", some failed" : "");
    progress_show(&p->progress, loop_now(p->loop).mono, p->good + p->bad, p->count, text);
}

static void summarize(struct publish *p)
{
    progress_clear(&p->progress);
    p->announced = true;
    if (p->options->json)
        printf("{\"numbers\":%zu,\"published\":%zu,\"failed\":%zu}\n", p->count, p->good, p->bad);
    else
        printf("%zu of %zu numbers published\n", p->good, p->count);
    fflush(stdout);
}

static void published(void *arg, const struct vap_client_effect *e)
{
    struct publish *p = arg;
    const char *number = p->numbers[e->token].text;
    if (e->err == 0) {
        p->good++;
    } else {
        p->bad++;
        progress_clear(&p->progress);
        if (e->err != ERR_CLOSED)
            fprintf(stderr, "ime-vcr: %s was not published: %s\n", number, e->reason);
    }
    show(p);
    if (p->good + p->bad < p->count || p->announced)
        return;
    summarize(p);
    if (!p->options->stay)
        link_stop(p->link);
}

static void online(void *arg, const struct vap_client_effect *e)
{
    struct publish *p = arg;
    (void)e;
    if (!p->count)
        p->announced = true;
    for (; p->next < p->count; p->next++) {
        int err = vap_client_publish_number(link_client(p->link), loop_now(p->loop), &p->numbers[p->next], p->next);
        if (err) {
            fprintf(stderr, "ime-vcr: %s: %s\n", p->numbers[p->next].text, err_text(err));
            p->bad++;
        }
    }
    link_work(p->link);
}

static void stopped(void *arg)
{
    struct publish *p = arg;
    loop_stop(p->loop, 0);
}

static void interrupt(void *arg)
{
    struct publish *p = arg;
    link_stop(p->link);
}

/* VAP can withdraw a service but no number (9.5): whoever ends it should not believe that the numbers are gone. */
static void tell_what_stays(const struct publish *p)
{
    if (p->options->stay && p->good && !p->options->quiet)
        fprintf(
            stderr,
            "ime-vcr: the service is withdrawn; its %zu numbers stay in the ring until their lifetime is over, for VAP "
            "withdraws no numbers. Nobody can learn a route to them meanwhile, unless the service is published again\n",
            p->good);
}

static enum exit_code finish(struct publish *p)
{
    enum exit_code code = link_exit_code(p->link);
    if (!p->announced)
        summarize(p);
    if (code == EXIT_GOOD && p->good < p->count)
        code = EXIT_FAILED;
    tell_what_stays(p);
    return code;
}

enum exit_code publish_run(const struct options *o, struct loop *loop, struct command_run *run)
{
    static const struct link_handler handler = {.online = online, .published = published, .stopped = stopped};
    struct publish p = {.options = o, .loop = loop};
    enum exit_code code = EXIT_USAGE;
    if (collect(&p) < 0)
        goto out;
    progress_init(&p.progress, !o->quiet);
    int err = link_new(o, loop, false, (int64_t)p.count, &handler, &p, &p.link);
    if (err) {
        fprintf(stderr, "ime-vcr: %s\n", err_text(err));
        code = err == ERR_SYNTAX || err == ERR_NOT_FOUND ? EXIT_USAGE : EXIT_FAILED;
        goto out;
    }
    if (!o->stay)
        link_give_up_after(p.link, (int64_t)o->wait_s * 1000);
    *run = (struct command_run){interrupt, &p};
    loop_run(loop);
    *run = (struct command_run){0};
    code = finish(&p);
    link_free(p.link);
out:
    mem_free(p.numbers);
    return code;
}
