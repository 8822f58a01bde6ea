/* The table as text: the example file, the manual page, and what holds now. */
#include "base/text.h"
#include "conf/internal.h"

#define LINE_COLUMNS 78

/* Words filled into lines of at most LINE_COLUMNS behind a prefix. */
static void print_filled(struct buf *out, const char *prefix, const char *text)
{
    struct slice rest = slice_str(text);
    size_t column = 0;
    while (rest.p) {
        struct slice word = text_cut(&rest, ' ');
        if (!word.n)
            continue;
        if (column && column + 1 + word.n > LINE_COLUMNS) {
            buf_u8(out, '\n');
            column = 0;
        }
        if (column == 0)
            buf_str(out, prefix);
        else
            buf_u8(out, ' ');
        column = (column ? column + 1 : strlen(prefix)) + word.n;
        buf_slice_put(out, word);
    }
    if (column)
        buf_u8(out, '\n');
}

/* "An integer from 1 to 255. Default: 24." */
static void put_rule(const struct conf_key *key, struct buf *out)
{
    size_t start = out->n;
    conf_describe(key, out);
    if (!out->err && key->type != CONF_CHOICE && out->n > start && /* values are shown as they are written */
        out->p[start] >= 'a' && out->p[start] <= 'z')
        out->p[start] = (uint8_t)(out->p[start] - 'a' + 'A');
    if (key->flags & CONF_LIST)
        buf_str(out, "; several, separated by commas or in lines of their own");
    if (key->flags & CONF_REQUIRED)
        buf_str(out, ". Required.");
    else if (key->fallback && *key->fallback)
        buf_printf(out, ". Default: %s", key->fallback);
    else
        buf_str(out, ". No default");
    if (!(key->flags & CONF_REQUIRED))
        buf_u8(out, '.');
}

static void print_key(const struct conf_key *key, struct buf *out)
{
    struct buf rule;
    buf_init(&rule, 4096);
    put_rule(key, &rule);
    buf_u8(out, '\n');
    print_filled(out, "# ", key->doc);
    print_filled(out, "# ", buf_text(&rule));
    const char *value = key->fallback ? key->fallback : key->example ? key->example : "";
    buf_printf(out, "#%s = %s\n", key->name, value);
    buf_fini(&rule);
}

void conf_print_defaults(const struct conf_table *table, struct buf *out)
{
    print_filled(out, "# ", table->intro);
    for (size_t i = 0; i < table->section_count; i++) {
        const struct conf_section *s = &table->sections[i];
        buf_u8(out, '\n');
        print_filled(out, "# ", s->doc);
        buf_printf(out, s->named ? "#[%s NAME]\n" : "[%s]\n", s->name);
        for (size_t k = 0; k < table->key_count; k++)
            if (strcmp(table->keys[k].section, s->name) == 0)
                print_key(&table->keys[k], out);
    }
}

/* A backslash, and a dot or an apostrophe at the start of a line, mean something to roff; a dash would become a hyphen. */
static void put_roff(struct buf *out, const char *text)
{
    bool at_start = true;
    for (const char *p = text; *p; p++) {
        if (at_start && (*p == '.' || *p == '\''))
            buf_str(out, "\\&");
        if (*p == '\\')
            buf_str(out, "\\e");
        else if (*p == '-')
            buf_str(out, "\\-");
        else
            buf_u8(out, (uint8_t)*p);
        at_start = *p == '\n';
    }
}

void conf_print_man(const struct conf_table *table, struct buf *out)
{
    for (size_t i = 0; i < table->section_count; i++) {
        const struct conf_section *s = &table->sections[i];
        buf_printf(out, ".SS [%s%s]\n", s->name, s->named ? " \\fINAME\\fR" : "");
        put_roff(out, s->doc);
        buf_u8(out, '\n');
        for (size_t k = 0; k < table->key_count; k++) {
            const struct conf_key *key = &table->keys[k];
            if (strcmp(key->section, s->name) != 0)
                continue;
            struct buf rule;
            buf_init(&rule, 4096);
            put_rule(key, &rule);
            buf_str(out, ".TP\n.B ");
            put_roff(out, key->name);
            buf_u8(out, '\n');
            put_roff(out, key->doc);
            buf_u8(out, '\n');
            put_roff(out, buf_text(&rule));
            buf_u8(out, '\n');
            buf_fini(&rule);
        }
    }
}

void conf_print_effective(const struct conf *c, struct buf *out)
{
    for (const struct conf_group *g = c->first; g; g = g->next) {
        buf_printf(out, "%s[%s%s%s]\n", g == c->first ? "" : "\n", g->section->name, *g->name ? " " : "", g->name);
        for (size_t i = 0; i < g->entry_count; i++) {
            const struct conf_entry *e = &g->entries[i];
            if (!e->n)
                continue;
            buf_printf(out, "%s = ", e->key->name);
            for (const struct conf_value *v = e->first; v; v = v->next)
                buf_printf(out, "%s%s", v == e->first ? "" : ", ",
                           e->key->flags & CONF_SECRET ? "(not shown)" : v->text);
            buf_str(out, e->line ? "\n" : "    ; default\n");
        }
    }
}
