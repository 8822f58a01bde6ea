/* What imectl has added: rows, entries, and what becomes of them beside the file. */
#include "agent/provision.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "tlv/tlv.h"

#include <stdio.h>

#define KEYS_SEED UINT64_C(0x70726f766973696f) /* the texts are an operator's: nobody chooses them against us */
#define ROW_OCTETS_MAX 512
#define KEY_OCTETS_MAX (1 + AGENT_TRUST_DOMAIN_OCTETS_MAX)
#define DEFAULT_PROFILE "default"
#define SECTIONS_MAX 1024

/* Attributes of our own in a row, in the range of the optional ones. */
enum { PROVISION_TLV_GROUP = 0x9221, PROVISION_TLV_FALLBACK = 0x9222, PROVISION_TLV_TRUSTED = 0x9223 };

struct entry {
    struct list link; /* in provision.entries, or in change.adding */
    struct agent_provision_entry view;
    char *text, *group, *fallback;
    char *why;    /* NULL: it holds */
    bool in_file; /* the file has it, too */
    bool leaving; /* a change takes it away */
};

struct agent_provision {
    const struct kv *kv;
    const struct log *log;
    const struct agent_enrolled *file;
    struct agent_enrolled *joined;
    struct map map; /* row key → struct entry */
    struct list entries;
    size_t idle;
    agent_provision_watch_fn *watch;
    void *watch_ctx;
    struct agent_provision_change *change; /* in the making, or being written */
};

struct agent_provision_change {
    struct agent_provision *provision; /* NULL: it is gone; the store has still to complete */
    struct agent_enrolled *candidate;  /* what will hold; NULL: to be made */
    struct list adding;
    struct list *written; /* the last one of adding whose row is written */
    agent_provision_done_fn *done;
    void *arg;
};

/* ---- entries and rows ---- */

struct row_key {
    uint8_t octets[KEY_OCTETS_MAX];
    size_t n;
};

static struct row_key key_of(enum agent_entry_kind kind, struct slice text)
{
    struct row_key key = {.n = 0};
    key.octets[key.n++] = (uint8_t)kind;
    for (size_t i = 0; i < text.n && key.n < sizeof key.octets; i++) {
        uint8_t c = text.p[i];
        key.octets[key.n++] = (uint8_t)(kind == AGENT_ENTRY_DOMAIN && c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    return key;
}

static struct slice key_slice(const struct row_key *key)
{
    return slice_of(key->octets, key->n);
}

static void entry_free(struct entry *e)
{
    if (!e)
        return;
    list_remove(&e->link);
    mem_free(e->text);
    mem_free(e->group);
    mem_free(e->fallback);
    mem_free(e->why);
    mem_free(e);
}

/* Loose; not in the map. */
static struct entry *entry_new(const struct agent_provision_entry *view)
{
    struct entry *e = mem_alloc(sizeof *e);
    if (!e)
        return NULL;
    list_init(&e->link);
    const struct row_key key = key_of(view->kind, slice_str(view->text));
    e->text = mem_alloc(key.n);
    e->group = mem_strdup(view->group);
    e->fallback = mem_strdup(view->fallback ? view->fallback : "");
    if (!e->text || !e->group || !e->fallback) {
        entry_free(e);
        return NULL;
    }
    memcpy(e->text, key.octets + 1, key.n - 1); /* in small letters if it is a domain */
    e->view = (struct agent_provision_entry){view->kind, e->text, e->group, e->fallback, view->trusted};
    return e;
}

static int row_put(const struct agent_provision *p, const struct entry *e)
{
    const struct row_key key = key_of(e->view.kind, slice_str(e->text));
    struct buf row;
    buf_init(&row, ROW_OCTETS_MAX);
    tlv_put_text(&row, PROVISION_TLV_GROUP, e->group);
    tlv_put_text(&row, PROVISION_TLV_FALLBACK, e->fallback);
    tlv_put_u8(&row, PROVISION_TLV_TRUSTED, e->view.trusted);
    int err = row.err ? row.err : kv_put(p->kv, KV_AGENT_PROVISION, key_slice(&key), buf_slice(&row));
    buf_fini(&row);
    return err;
}

static int row_remove(const struct agent_provision *p, const struct entry *e)
{
    const struct row_key key = key_of(e->view.kind, slice_str(e->text));
    return kv_remove(p->kv, KV_AGENT_PROVISION, key_slice(&key));
}

static void copy_text(char *field, size_t octets, struct slice text)
{
    snprintf(field, octets, "%.*s", SLICE_PRINT(text));
}

/* As they may stand between the brackets of a section of agent.conf. */
static bool is_group_name(const char *name)
{
    size_t n = strlen(name);
    return n && n <= AGENT_NAME_OCTETS_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
}

static int load_row(void *arg, struct slice key, struct slice value)
{
    static const char rule[] = "row of a provisioned entry";
    struct agent_provision *p = arg;
    char text[KEY_OCTETS_MAX], group[AGENT_NAME_OCTETS_MAX + 1] = "", fallback[AGENT_NAME_OCTETS_MAX + 1] = "";
    struct agent_provision_entry view = {.text = text, .group = group, .fallback = fallback};
    struct reader r;
    struct tlv_attr a;
    reader_init(&r, value);
    while (tlv_next(&r, TLV_PADDING_ZERO, &a)) {
        if (a.type == PROVISION_TLV_GROUP)
            copy_text(group, sizeof group, tlv_read_text(&r, &a, 0, AGENT_NAME_OCTETS_MAX, rule));
        else if (a.type == PROVISION_TLV_FALLBACK)
            copy_text(fallback, sizeof fallback, tlv_read_text(&r, &a, 0, AGENT_NAME_OCTETS_MAX, rule));
        else if (a.type == PROVISION_TLV_TRUSTED)
            view.trusted = tlv_read_u8(&r, &a, rule) != 0;
    }
    if (r.err || key.n < 2 || key.n > KEY_OCTETS_MAX || !key.p[0] || key.p[0] >= AGENT_ENTRY_KINDS ||
        !text_is_printable(slice_of(key.p + 1, key.n - 1)) || !is_group_name(group) ||
        (fallback[0] && (key.p[0] != AGENT_ENTRY_ENROLLED || !is_group_name(fallback)))) {
        log_event(p->log, LEVEL_WARNING, "agent.provision.row_unreadable", "octets=%zu", key.n);
        return 0;
    }
    view.kind = (enum agent_entry_kind)key.p[0];
    copy_text(text, sizeof text, slice_of(key.p + 1, key.n - 1));
    struct entry *e = entry_new(&view);
    int err = e ? map_set(&p->map, key, e) : ERR_NO_MEMORY;
    if (err)
        entry_free(e);
    else
        list_append(&p->entries, &e->link);
    return err;
}

/* ---- beside the file ---- */

static void say(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(char *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, AGENT_PROVISION_WHY_OCTETS, format, args);
    va_end(args);
}

static const char *state_of(const struct agent_listed_view *v)
{
    return v->kind == AGENT_ENTRY_ENROLLED   ? "enrolled"
           : v->kind == AGENT_ENTRY_EXCLUDED ? "excluded"
           : v->trusted                      ? "trusted"
                                             : "blocked";
}

/* The entry that is in the way. */
static void say_conflict(const struct agent_enrolled *e, const struct agent_provision_entry *view, int err, char *why)
{
    struct slice text = slice_str(view->text);
    enum agent_entry_kind other = view->kind;
    struct agent_listed_view found;
    if (err == ERR_CONFLICT && view->kind == AGENT_ENTRY_ENROLLED)
        other = AGENT_ENTRY_EXCLUDED;
    else if (err == ERR_CONFLICT && view->kind == AGENT_ENTRY_EXCLUDED)
        other = AGENT_ENTRY_ENROLLED;
    if ((err == ERR_EXISTS || err == ERR_CONFLICT) && agent_entry_find(e, other, text, &found))
        say(why, "it is %s%s, in %s%s%s%s", state_of(&found), err == ERR_EXISTS ? " already" : "",
            found.group[0] ? "the group " : "", found.group, found.group[0] ? " of " : "",
            agent_source_name(found.source));
    else
        say(why, "%s", agent_entry_error(view->kind, err));
}

/* The group of a pattern, made if need be. */
static int join_group(struct agent_enrolled *e, const struct agent_provision_entry *view, size_t *ret_group, char *why)
{
    const char *profile;
    const char *wanted = view->fallback[0] ? view->fallback : DEFAULT_PROFILE;
    if (agent_enrolled_group_find(e, view->group, ret_group, &profile)) {
        if (!view->fallback[0] || strcmp(profile, view->fallback) == 0)
            return 0;
        say(why, "the group %s has the fallback profile %s", view->group, profile);
        return ERR_CONFLICT;
    }
    int err = agent_enrolled_add_group(e, view->group, wanted, ret_group);
    if (err == ERR_NOT_FOUND)
        say(why, "agent.conf has no section [fallback %s]", wanted);
    else if (err)
        say(why, "the group %s: %s", view->group, agent_entry_error(AGENT_ENTRY_ENROLLED, err));
    return err;
}

static int join_trust(struct agent_enrolled *e, const struct agent_provision_entry *view, char *why)
{
    struct slice text = slice_str(view->text);
    if (!agent_trust_group_fits(e, view->group, view->kind, view->trusted)) {
        say(why, "the group %s is not one of %s %s", view->group, view->trusted ? "trusted" : "blocked",
            view->kind == AGENT_ENTRY_DOMAIN ? "domains" : "prefixes");
        return ERR_RANGE;
    }
    int err = agent_enrolled_name_group(e, view->group);
    if (err) {
        say(why, "the group %s: %s", view->group, agent_entry_error(view->kind, err));
        return err;
    }
    return view->kind == AGENT_ENTRY_DOMAIN ? agent_trust_add_domain(e, text, view->trusted)
                                            : agent_trust_add_prefix(e, text, view->trusted);
}

/* Adds an entry to what holds; else why not, and the error: ERR_EXISTS when it is there already. */
static int join(struct agent_enrolled *e, const struct agent_provision_entry *view, char *why)
{
    size_t group;
    int err;
    why[0] = 0;
    switch (view->kind) {
    case AGENT_ENTRY_ENROLLED:
        err = join_group(e, view, &group, why);
        if (!err)
            err = agent_enrolled_add_pattern(e, group, slice_str(view->text));
        break;
    case AGENT_ENTRY_EXCLUDED:
        err = agent_enrolled_name_group(e, view->group);
        if (!err)
            err = agent_enrolled_exclude(e, slice_str(view->text));
        break;
    default:
        err = join_trust(e, view, why);
    }
    if (err && !why[0])
        say_conflict(e, view, err, why);
    return err;
}

/* The file's entries, and ours, except for those that are to leave if that is wanted. */
static int join_all(struct agent_provision *p, bool without_leaving, struct agent_enrolled **ret_joined)
{
    struct agent_enrolled *joined;
    char why[AGENT_PROVISION_WHY_OCTETS];
    int err = agent_enrolled_copy(p->file, &joined);
    if (err)
        return err;
    agent_enrolled_set_source(joined, AGENT_SOURCE_IMECTL);
    p->idle = 0;
    LIST_EACH(it, &p->entries) {
        struct entry *e = CONTAINER_OF(it, struct entry, link);
        if (e->leaving && without_leaving)
            continue;
        int failed = join(joined, &e->view, why);
        mem_free(e->why);
        e->why = failed ? mem_strdup(why) : NULL;
        e->in_file = failed == ERR_EXISTS;
        p->idle += failed && failed != ERR_EXISTS;
        if (failed == ERR_NO_MEMORY || (failed && !e->why)) {
            agent_enrolled_free(joined);
            return ERR_NO_MEMORY;
        }
    }
    *ret_joined = joined;
    return 0;
}

static int adopt(struct agent_provision *p, struct agent_enrolled *joined)
{
    struct agent_enrolled *old = p->joined;
    p->joined = joined;
    int err = p->watch ? p->watch(p->watch_ctx, joined) : 0;
    agent_enrolled_free(old);
    return err;
}

/* ---- life ---- */

int agent_provision_new(const struct kv *kv, const struct agent_enrolled *file, const struct log *log,
                        struct agent_provision **ret_provision)
{
    struct agent_provision *p = mem_alloc(sizeof *p);
    if (!p)
        return ERR_NO_MEMORY;
    p->kv = kv;
    p->log = log;
    p->file = file;
    list_init(&p->entries);
    map_init(&p->map, AGENT_PROVISION_MAX, KEYS_SEED);
    int err = kv_scan(kv, KV_AGENT_PROVISION, load_row, p);
    if (!err)
        err = join_all(p, false, &p->joined);
    if (err) {
        agent_provision_free(p);
        return err;
    }
    *ret_provision = p;
    return 0;
}

static void free_all(struct list *entries)
{
    LIST_EACH(it, entries)
        entry_free(CONTAINER_OF(it, struct entry, link));
}

void agent_provision_free(struct agent_provision *p)
{
    if (!p)
        return;
    struct agent_provision_change *c = p->change;
    if (c && c->done) { /* freed by its completion */
        c->provision = NULL;
        c->done(c->arg, ERR_CLOSED);
    } else if (c) {
        agent_provision_cancel(c);
    }
    free_all(&p->entries);
    map_fini(&p->map);
    agent_enrolled_free(p->joined);
    mem_free(p);
}

const struct agent_enrolled *agent_provision_enrolled(const struct agent_provision *p)
{
    return p->joined;
}

void agent_provision_watch(struct agent_provision *p, agent_provision_watch_fn *fn, void *ctx)
{
    p->watch = fn;
    p->watch_ctx = ctx;
}

int agent_provision_set_file(struct agent_provision *p, const struct agent_enrolled *file)
{
    struct agent_enrolled *joined;
    p->file = file;
    if (p->change) {
        agent_enrolled_free(p->change->candidate);
        p->change->candidate = NULL;
    }
    int err = join_all(p, false, &joined);
    return err ? err : adopt(p, joined);
}

/* ---- changes ---- */

int agent_provision_begin(struct agent_provision *p, struct agent_provision_change **ret_change)
{
    if (p->change)
        return ERR_WRONG_STATE;
    struct agent_provision_change *c = mem_alloc(sizeof *c);
    if (!c)
        return ERR_NO_MEMORY;
    c->provision = p;
    list_init(&c->adding);
    p->change = c;
    *ret_change = c;
    return 0;
}

static bool is_same(const struct entry *e, const struct agent_provision_entry *view)
{
    return e->view.trusted == view->trusted && strcmp(e->group, view->group) == 0 &&
           strcmp(e->fallback, view->fallback ? view->fallback : "") == 0;
}

/* What can be said without looking at what holds. */
static int check_entry(const struct agent_provision *p, const struct agent_provision_entry *view, char *why)
{
    const struct row_key key = key_of(view->kind, slice_str(view->text));
    const struct entry *known = map_get(&p->map, key_slice(&key));
    if (strlen(view->text) > AGENT_TRUST_DOMAIN_OCTETS_MAX) {
        say(why, "%s", agent_entry_error(view->kind, ERR_SYNTAX));
        return ERR_SYNTAX;
    }
    if (!is_group_name(view->group)) {
        say(why, "a group's name has letters, digits, dots, underscores and dashes, 63 at most");
        return ERR_SYNTAX;
    }
    if (view->fallback && view->fallback[0] && !is_group_name(view->fallback)) {
        say(why, "imectl takes profiles whose names have letters, digits, dots, underscores and dashes");
        return ERR_SYNTAX;
    }
    if (known && is_same(known, view))
        return ERR_EXISTS;
    if (known) {
        say(why, "imectl has added it to the group %s before: remove it there first", known->group);
        return ERR_CONFLICT;
    }
    if (p->map.n >= AGENT_PROVISION_MAX) {
        say(why, "there are %d entries already: move some to agent.conf", AGENT_PROVISION_MAX);
        return ERR_LIMIT;
    }
    return 0;
}

int agent_provision_add(struct agent_provision_change *c, const struct agent_provision_entry *entry, char *ret_why)
{
    struct agent_provision *p = c->provision;
    int err = check_entry(p, entry, ret_why);
    if (err)
        return err;
    if (!c->candidate)
        err = join_all(p, false, &c->candidate);
    struct entry *e = err ? NULL : entry_new(entry);
    if (!e) {
        say(ret_why, "%s", err_text(ERR_NO_MEMORY));
        return ERR_NO_MEMORY;
    }
    const struct row_key key = key_of(e->view.kind, slice_str(e->text));
    err = join(c->candidate, &e->view, ret_why);
    if (!err)
        err = map_set(&p->map, key_slice(&key), e);
    if (err) {
        entry_free(e);
        return err == ERR_EXISTS ? ERR_CONFLICT : err;
    }
    list_append(&c->adding, &e->link);
    return 0;
}

int agent_provision_remove(struct agent_provision_change *c, enum agent_entry_kind kind, struct slice text,
                           char *ret_why)
{
    const struct row_key key = key_of(kind, text);
    struct agent_listed_view found;
    struct entry *e = text.n < key.n ? map_get(&c->provision->map, key_slice(&key)) : NULL; /* nothing was cut off */
    if (e && !e->leaving) {
        e->leaving = true;
        return 0;
    }
    if (!e && agent_entry_find(c->provision->joined, kind, text, &found))
        say(ret_why, "it stands in agent.conf, in the group %s: take it out there, then `imectl agent reload`",
            found.group);
    else
        say(ret_why, "%s", e ? "it is named twice" : "it is not there");
    return ERR_NOT_FOUND;
}

size_t agent_provision_remove_group(struct agent_provision_change *c, enum agent_entry_kind kind, const char *group)
{
    size_t n = 0;
    LIST_EACH(it, &c->provision->entries) {
        struct entry *e = CONTAINER_OF(it, struct entry, link);
        if (e->view.kind != kind || e->leaving || strcmp(e->group, group) != 0)
            continue;
        e->leaving = true;
        n++;
    }
    return n;
}

static void forget(struct agent_provision *p, struct entry *e)
{
    const struct row_key key = key_of(e->view.kind, slice_str(e->text));
    map_remove(&p->map, key_slice(&key));
    entry_free(e);
}

void agent_provision_cancel(struct agent_provision_change *c)
{
    struct agent_provision *p = c->provision;
    LIST_EACH(it, &c->adding)
        forget(p, CONTAINER_OF(it, struct entry, link));
    LIST_EACH(it, &p->entries)
        CONTAINER_OF(it, struct entry, link)->leaving = false;
    agent_enrolled_free(c->candidate);
    p->change = NULL;
    mem_free(c);
}

/* It is durable. */
static int take_effect(struct agent_provision *p, struct agent_provision_change *c)
{
    struct list *first;
    while ((first = list_pop(&c->adding)))
        list_append(&p->entries, first);
    LIST_EACH(it, &p->entries) {
        struct entry *e = CONTAINER_OF(it, struct entry, link);
        if (e->leaving)
            forget(p, e);
    }
    int err = c->candidate ? 0 : join_all(p, false, &c->candidate);
    struct agent_enrolled *joined = c->candidate;
    c->candidate = NULL;
    agent_provision_cancel(c);
    return err ? err : adopt(p, joined);
}

static void completed(void *arg, int err)
{
    struct agent_provision_change *c = arg;
    struct agent_provision *p = c->provision;
    agent_provision_done_fn *done = c->done;
    void *done_arg = c->arg;
    if (!p) { /* who waited has been told */
        free_all(&c->adding);
        agent_enrolled_free(c->candidate);
        mem_free(c);
        return;
    }
    if (err)
        agent_provision_cancel(c);
    else
        err = take_effect(p, c);
    done(done_arg, err);
}

/* Rows that were written before one failed must not stay. */
static void take_back(struct agent_provision *p, struct agent_provision_change *c)
{
    for (struct list *it = c->written; it && it != &c->adding; it = it->prev)
        row_remove(p, CONTAINER_OF(it, struct entry, link));
    LIST_EACH(it, &p->entries) {
        struct entry *e = CONTAINER_OF(it, struct entry, link);
        if (e->leaving)
            row_put(p, e);
    }
}

static int write_rows(struct agent_provision *p, struct agent_provision_change *c)
{
    int err = 0;
    for (struct list *it = c->adding.next; !err && it != &c->adding; it = it->next) {
        err = row_put(p, CONTAINER_OF(it, struct entry, link));
        if (!err)
            c->written = it;
    }
    for (struct list *it = p->entries.next; !err && it != &p->entries; it = it->next) {
        struct entry *e = CONTAINER_OF(it, struct entry, link);
        if (e->leaving)
            err = row_remove(p, e);
    }
    if (err)
        take_back(p, c);
    return err;
}

void agent_provision_commit(struct agent_provision_change *c, agent_provision_done_fn *done, void *arg)
{
    struct agent_provision *p = c->provision;
    int err = c->candidate ? 0 : join_all(p, true, &c->candidate);
    if (!err)
        err = write_rows(p, c);
    if (err) {
        agent_provision_cancel(c);
        done(arg, err);
        return;
    }
    c->done = done;
    c->arg = arg;
    kv_commit(p->kv, completed, c);
}

/* ---- views ---- */

size_t agent_provision_count(const struct agent_provision *p)
{
    return p->map.n;
}

size_t agent_provision_idle(const struct agent_provision *p)
{
    return p->idle;
}

void agent_provision_each(const struct agent_provision *p, agent_provision_fn *fn, void *ctx)
{
    LIST_EACH(it, &p->entries) {
        const struct entry *e = CONTAINER_OF(it, struct entry, link);
        const char *why = e->in_file ? "it holds; agent.conf has it, too" : e->why ? e->why : "";
        if (!fn(ctx, &e->view, why))
            return;
    }
}

/* ---- as a file ---- */

static bool is_of_section(const struct entry *a, const struct entry *b)
{
    return a->view.kind == b->view.kind && a->view.trusted == b->view.trusted && strcmp(a->group, b->group) == 0 &&
           strcmp(a->fallback, b->fallback) == 0;
}

static void export_section(const struct agent_provision *p, const struct entry *head, struct buf *out)
{
    static const char *const sections[] = {"", "enrolled", "excluded", "trust", "trust"};
    static const char *const keys[] = {"", "pattern", "number", "domain", "prefix"};
    buf_printf(out, "\n[%s %s]\n", sections[head->view.kind], head->group);
    if (head->fallback[0])
        buf_printf(out, "fallback = %s\n", head->fallback);
    if (head->view.kind >= AGENT_ENTRY_DOMAIN)
        buf_printf(out, "trusted = %s\n", head->view.trusted ? "yes" : "no");
    LIST_EACH(it, &p->entries) {
        const struct entry *e = CONTAINER_OF(it, struct entry, link);
        if (is_of_section(e, head))
            buf_printf(out, "%s = %s\n", keys[e->view.kind], e->text);
    }
}

void agent_provision_export(const struct agent_provision *p, struct buf *out)
{
    const struct entry *heads[SECTIONS_MAX];
    size_t n = 0;
    buf_str(out, "# What imectl has added. Sections of which agent.conf has one of the same name belong into that.\n");
    LIST_EACH(it, &p->entries) {
        const struct entry *e = CONTAINER_OF(it, struct entry, link);
        size_t i = 0;
        while (i < n && !is_of_section(e, heads[i]))
            i++;
        if (i < n || n == SECTIONS_MAX)
            continue;
        heads[n++] = e;
        export_section(p, e, out);
    }
}
