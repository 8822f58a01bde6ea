/* What another edition of the configuration would change, for people: line by line of the form that they edit. */
#include "enroll/internal.h"

#include "base/text.h"

#define SHOWN_MAX 1000 /* differences */
#define LINES_OCTETS_MAX (8u << 20)

struct lines {
    struct buf text;
    struct slice *items; /* trimmed; in the region */
    size_t n;
    struct map known; /* each of them */
};

static size_t count_lines(struct slice text)
{
    size_t n = 1;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

static int split(const struct config *config, struct region *region, struct lines *lines)
{
    int err = config_format(config, &lines->text);
    struct slice rest = buf_slice(&lines->text);
    lines->items = region_array(region, count_lines(rest), sizeof *lines->items);
    if (!err && !lines->items)
        err = ERR_NO_MEMORY;
    while (!err && rest.n) {
        struct slice line = text_trim(text_cut(&rest, '\n'));
        lines->items[lines->n++] = line;
        err = map_set(&lines->known, line, lines);
    }
    return err;
}

/* The lines of the one that the other one lacks. Returns how many there are. */
static size_t put_missing(struct ctl_writer *w, const char *change, const struct lines *from, const struct lines *in,
                          size_t before)
{
    size_t n = 0;
    for (size_t i = 0; i < from->n; i++) {
        if (map_get(&in->known, from->items[i]) || before + n++ >= SHOWN_MAX)
            continue;
        ctl_open_object(w, NULL);
        ctl_put_text(w, "change", change);
        ctl_put_slice(w, "line", from->items[i]);
        ctl_close(w);
    }
    return n;
}

static void lines_init(struct lines *lines)
{
    *lines = (struct lines){.n = 0};
    buf_init(&lines->text, CONFIG_DOCUMENT_OCTETS_MAX);
    map_init(&lines->known, SIZE_MAX, 0); /* an operator's own text: nobody chooses its keys against him */
}

static void lines_fini(struct lines *lines)
{
    map_fini(&lines->known);
    buf_fini_secret(&lines->text);
}

void difference_put(struct ctl_writer *w, const struct config *old, const struct config *next)
{
    struct lines before, after;
    struct region region;
    size_t n = 0;
    region_init(&region, LINES_OCTETS_MAX);
    lines_init(&before);
    lines_init(&after);
    int err = split(old, &region, &before);
    if (!err)
        err = split(next, &region, &after);
    ctl_open_array(w, "differences");
    if (!err)
        n = put_missing(w, "removed", &before, &after, 0);
    if (!err)
        n += put_missing(w, "added", &after, &before, n);
    ctl_close(w);
    if (n > SHOWN_MAX)
        ctl_put_unsigned(w, "differences_not_shown", n - SHOWN_MAX);
    if (err)
        ctl_put_text(w, "differences_failed", err_text(err));
    lines_fini(&before);
    lines_fini(&after);
    region_fini(&region);
}
