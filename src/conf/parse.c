/* Reads a file: inih takes keys and values out of the lines, everything else is checked here, against the table. All errors are
 * collected, since whoever writes a configuration wants to know them at once. */
#include "base/mem.h"
#include "base/nearest.h"
#include "base/text.h"
#include "conf/internal.h"

#include <ini.h>

/* Room for one line with its NUL; inih has a buffer of this size on its stack. */
#define LINE_OCTETS_MAX 2048

/* All texts and values of the largest file fit several times. */
#define REGION_OCTETS_MAX (64u * 1024 * 1024)

struct parse {
    struct conf *conf;
    const char *file;
    struct slice rest; /* lines not read yet */
    bool at_end;
    unsigned line;
    struct conf_group *group; /* NULL before the first section and in one that is not known */
    bool in_section;
    unsigned errors;
    int err; /* out of memory: ends the parse */
    struct buf *out;
};

__attribute__((format(printf, 3, 4))) static void complain(struct parse *p, unsigned line, const char *format, ...)
{
    p->errors++;
    if (p->errors == CONF_ERRORS_MAX + 1)
        buf_printf(p->out, "%s: and more errors\n", p->file);
    if (p->errors > CONF_ERRORS_MAX)
        return;
    if (line)
        buf_printf(p->out, "%s:%u: ", p->file, line);
    else
        buf_printf(p->out, "%s: ", p->file);
    va_list args;
    va_start(args, format);
    buf_vprintf(p->out, format, args);
    va_end(args);
    buf_u8(p->out, '\n');
}

static const char *title_of(const struct conf_group *g, char *text, size_t octets)
{
    snprintf(text, octets, "[%s%s%s]", g->section->name, *g->name ? " " : "", g->name);
    return text;
}

static const struct conf_section *find_section(const struct conf_table *t, struct slice name)
{
    for (size_t i = 0; i < t->section_count; i++)
        if (slice_eq_str(name, t->sections[i].name))
            return &t->sections[i];
    return NULL;
}

static struct conf_group *find_group(const struct conf *c, const struct conf_section *section, struct slice name)
{
    for (struct conf_group *g = c->first; g; g = g->next)
        if (g->section == section && slice_eq_str(name, g->name))
            return g;
    return NULL;
}

static void complain_section(struct parse *p, struct slice name)
{
    const struct conf_table *t = p->conf->table;
    struct nearest nearest = {.wanted = name};
    for (size_t i = 0; i < t->section_count; i++)
        nearest_try(&nearest, t->sections[i].name);
    if (nearest.best) {
        complain(p, p->line, "no section [%.*s]; did you mean [%s]?", SLICE_PRINT(name), nearest.best);
        return;
    }
    struct buf list;
    buf_init(&list, 4096);
    for (size_t i = 0; i < t->section_count; i++)
        buf_printf(&list, "%s[%s%s]", i ? ", " : "", t->sections[i].name, t->sections[i].named ? " NAME" : "");
    complain(p, p->line, "no section [%.*s]; the sections are: %s", SLICE_PRINT(name), buf_text(&list));
    buf_fini(&list);
}

/* "ring" or "client pbx1", without the brackets. */
static void enter_section(struct parse *p, struct slice inside)
{
    struct slice name = inside;
    struct slice word = text_cut(&name, ' ');
    name = text_trim(name);
    p->group = NULL;
    p->in_section = true;
    const struct conf_section *section = find_section(p->conf->table, word);
    if (!section) {
        complain_section(p, word);
        return;
    }
    if (section->named && !name.n) {
        complain(p, p->line, "[%s] needs a name: [%s NAME]", section->name, section->name);
        return;
    }
    if (!section->named && name.n) {
        complain(p, p->line, "[%s] takes no name", section->name);
        return;
    }
    struct conf_group *g = find_group(p->conf, section, name);
    if (g && g->line) {
        complain(p, p->line, "[%.*s] is there already, in line %u", SLICE_PRINT(inside), g->line);
        return;
    }
    if (!g && p->conf->group_count >= CONF_GROUPS_MAX) {
        complain(p, p->line, "more than %d sections", CONF_GROUPS_MAX);
        return;
    }
    if (!g)
        p->err = conf_group_add(p->conf, section, name, p->line, &g);
    if (g)
        g->line = p->line;
    p->group = g;
}

static void read_header(struct parse *p, struct slice line)
{
    const uint8_t *end = memchr(line.p, ']', line.n);
    struct slice behind = end ? text_trim(slice_of(end + 1, line.n - (size_t)(end + 1 - line.p))) : (struct slice){0};
    if (!end || (behind.n && behind.p[0] != ';' && behind.p[0] != '#')) {
        complain(p, p->line, end ? "nothing may follow the `]`" : "the section's name ends with `]`");
        p->group = NULL;
        p->in_section = true;
        return;
    }
    enter_section(p, text_trim(slice_of(line.p + 1, (size_t)(end - line.p) - 1)));
}

/* False after having complained. */
static bool line_is_text(struct parse *p, struct slice line)
{
    if (line.n >= LINE_OCTETS_MAX) {
        complain(p, p->line, "the line has more than %d octets", LINE_OCTETS_MAX - 1);
        return false;
    }
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] < 0x20 && line.p[i] != '\t') {
            complain(p, p->line, "a control character (octet %zu of the line)", i);
            return false;
        }
    }
    return true;
}

/* inih's source of lines. Section headers are taken here, because inih says nothing of empty sections; it sees an empty line instead. */
static char *next_line(char *ret_line, int octets, void *arg)
{
    struct parse *p = arg;
    if (!p->rest.p || p->err || octets < LINE_OCTETS_MAX)
        return NULL;
    struct slice line = text_cut(&p->rest, '\n');
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    p->line++;
    ret_line[0] = 0;
    if (!line_is_text(p, line))
        return ret_line;
    struct slice trimmed = text_trim(line);
    if (trimmed.n && trimmed.p[0] == '[') {
        read_header(p, trimmed);
        return ret_line;
    }
    if (line.n)
        memcpy(ret_line, line.p, line.n);
    ret_line[line.n] = 0;
    return ret_line;
}

static void complain_key(struct parse *p, const char *name)
{
    char title[128];
    const struct conf_group *g = p->group;
    title_of(g, title, sizeof title);
    struct nearest nearest = {.wanted = slice_str(name)};
    for (size_t i = 0; i < g->entry_count; i++)
        nearest_try(&nearest, g->entries[i].key->name);
    if (nearest.best) {
        complain(p, p->line, "%s: no key `%s`; did you mean `%s`?", title, name, nearest.best);
        return;
    }
    struct buf list;
    buf_init(&list, 8192);
    for (size_t i = 0; i < g->entry_count; i++)
        buf_printf(&list, "%s%s", i ? ", " : "", g->entries[i].key->name);
    complain(p, p->line, "%s: no key `%s`; the keys are: %s", title, name, buf_text(&list));
    buf_fini(&list);
}

static void add_value(struct parse *p, struct conf_entry *e, struct slice text)
{
    int err = conf_entry_add(p->conf, e, text);
    if (err == 0)
        return;
    if (err == ERR_NO_MEMORY) {
        p->err = err;
        return;
    }
    char title[128];
    title_of(p->group, title, sizeof title);
    if (err == ERR_LIMIT) {
        complain(p, p->line, "%s %s: more than %d values", title, e->key->name, CONF_LIST_VALUES_MAX);
        return;
    }
    struct buf what;
    buf_init(&what, 1024);
    conf_describe(e->key, &what);
    bool shown = !(e->key->flags & CONF_SECRET) && text_is_printable(text);
    complain(p, p->line, "%s %s: must be %s%s%.*s%s", title, e->key->name, buf_text(&what), shown ? ", not `" : "",
             shown ? (int)text.n : 0, (const char *)text.p, shown ? "`" : "");
    buf_fini(&what);
}

/* A value from the file takes the place of the default. */
static void set_entry(struct parse *p, struct conf_entry *e, struct slice text)
{
    if (!e->line) {
        e->first = e->last = NULL;
        e->n = 0;
        e->line = p->line;
    }
    if (!(e->key->flags & CONF_LIST)) {
        add_value(p, e, text);
        return;
    }
    while (text.p && !p->err)
        add_value(p, e, text_trim(text_cut(&text, ',')));
}

/* inih's call per key. The section that it tells is not used: its copy is cut at 49 octets. */
static int take_key(void *arg, const char *section, const char *name, const char *value)
{
    (void)section;
    struct parse *p = arg;
    char title[128];
    if (!p->in_section) {
        complain(p, p->line, "`%s` stands before the first [section]", name);
        return 1;
    }
    if (!p->group)
        return 1;
    title_of(p->group, title, sizeof title);
    struct conf_entry *e = conf_entry_find(p->group, name);
    if (!e)
        complain_key(p, name);
    else if (!value || !*value)
        complain(p, p->line, "%s %s: has no value (for the default, leave the line out)", title, name);
    else if (e->line && !(e->key->flags & CONF_LIST))
        complain(p, p->line, "%s %s: is there already, in line %u", title, name, e->line);
    else
        set_entry(p, e, slice_str(value));
    return 1;
}

static void check_required(struct parse *p)
{
    char title[128];
    for (const struct conf_group *g = p->conf->first; g; g = g->next)
        for (size_t i = 0; i < g->entry_count; i++)
            if (g->entries[i].key->flags & CONF_REQUIRED && !g->entries[i].line)
                complain(p, g->line, "%s: needs the key `%s`: %s", title_of(g, title, sizeof title),
                         g->entries[i].key->name, g->entries[i].key->doc);
}

static int parse_lines(struct parse *p)
{
    const struct conf_table *t = p->conf->table;
    for (size_t i = 0; i < t->section_count; i++) {
        struct conf_group *g;
        int err = t->sections[i].named ? 0 : conf_group_add(p->conf, &t->sections[i], slice_of("", 0), 0, &g);
        if (err)
            return err;
    }
    /* Always the same values: these are options of the library, which it keeps in globals. */
    ini_max_line = LINE_OCTETS_MAX;
    ini_use_stack = true;
    ini_allow_multiline = false;
    ini_allow_no_value = true;
    ini_parse_stream(next_line, p, take_key, p);
    if (!p->err && !p->errors)
        check_required(p);
    return p->err;
}

int conf_parse(const struct conf_table *table, const char *file, struct slice text, struct buf *errors,
               struct conf **ret_conf)
{
    struct conf *c = mem_alloc(sizeof *c);
    if (!c)
        return ERR_NO_MEMORY;
    c->table = table;
    region_init(&c->region, REGION_OCTETS_MAX);
    struct parse p = {.conf = c, .file = file, .rest = text, .out = errors};
    if (!p.rest.p)
        p.rest.p = (const uint8_t *)"";
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
        p.rest = slice_of(text.p + 3, text.n - 3);
    int err = 0;
    if (text.n > CONF_FILE_OCTETS_MAX)
        complain(&p, 0, "the file has more than %d octets", CONF_FILE_OCTETS_MAX);
    else
        err = parse_lines(&p);
    if (!err && p.errors)
        err = ERR_SYNTAX;
    if (err) {
        conf_free(c);
        return err;
    }
    *ret_conf = c;
    return 0;
}
