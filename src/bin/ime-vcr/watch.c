/* ime-vcr watch: prints routes as they are learned. */
#include "commands.h"

#include "base/text.h"
#include "ticket/valinfo.h"

#include <jansson.h>
#include <stdio.h>

struct watch {
    const struct options *options;
    struct loop *loop;
    struct link *link;
    uint64_t routes;
};

static bool print_json(const struct valinfo *info, struct wall now)
{
    char time[WALL_TEXT_OCTETS];
    json_t *uris = json_array();
    for (size_t i = 0; i < info->route_count; i++)
        json_array_append_new(uris, json_stringn((const char *)info->routes[i].p, info->routes[i].n));
    json_t *object =
        json_pack("{s:s, s:o, s:o, s:s}", "number", info->number.text, "routes", uris, "ticket",
                  json_stringn((const char *)info->ticket.p, info->ticket.n), "learned", wall_format(now, time));
    bool good = object && json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII) == 0;
    json_decref(object);
    return good && putchar('\n') != EOF;
}

static bool print_text(const struct valinfo *info, struct wall now)
{
    char time[WALL_TEXT_OCTETS];
    for (size_t i = 0; i < info->route_count; i++)
        printf("%s %-16s %.*s\n", wall_format(now, time), info->number.text, SLICE_PRINT(info->routes[i]));
    return !ferror(stdout);
}

static bool notify(void *arg, struct slice xml)
{
    struct watch *w = arg;
    struct region region;
    struct valinfo info;
    struct fault fault;
    struct wall now = loop_now(w->loop).wall;
    region_init(&region, 1 << 20);
    bool good = valinfo_parse(xml, &region, &info, &fault) == 0;
    if (!good)
        fprintf(stderr, "ime-vcr: a route that cannot be read: octet %zu: %s\n", fault.octet, fault.rule);
    else
        good = (w->options->json ? print_json(&info, now) : print_text(&info, now)) && fflush(stdout) == 0;
    region_fini(&region);
    if (ferror(stdout))
        link_stop(w->link);
    if (good && ++w->routes == w->options->count)
        link_stop(w->link);
    return good;
}

static void stopped(void *arg)
{
    struct watch *w = arg;
    loop_stop(w->loop, 0);
}

static void interrupt(void *arg)
{
    struct watch *w = arg;
    link_stop(w->link);
}

enum exit_code watch_run(const struct options *o, struct loop *loop, struct command_run *run)
{
    static const struct link_handler handler = {.notify = notify, .stopped = stopped};
    struct watch w = {.options = o, .loop = loop};
    int err = link_new(o, loop, true, -1, &handler, &w, &w.link);
    if (err) {
        fprintf(stderr, "ime-vcr: %s\n", err_text(err));
        return err == ERR_SYNTAX || err == ERR_NOT_FOUND ? EXIT_USAGE : EXIT_FAILED;
    }
    *run = (struct command_run){interrupt, &w};
    loop_run(loop);
    enum exit_code code = link_exit_code(w.link);
    *run = (struct command_run){0};
    link_free(w.link);
    return code;
}
