/* What imectl provisions: a row as a damaged disk might give it (the first octet is the length of its key), and the same octets as an entry that is
 * added. What holds is found, what is exported is what a file can say, and what was added can be taken away again. */
#include "agent/conf.h"
#include "agent/provision.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static const struct conf_section sections[] = {AGENT_CONF_SECTIONS};
static const struct conf_key keys[] = {AGENT_CONF_KEYS};
static const struct conf_table table = {
    .intro = "",
    .sections = sections,
    .section_count = sizeof sections / sizeof sections[0],
    .keys = keys,
    .key_count = sizeof keys / sizeof keys[0],
};

static const char file_text[] =
    "[fallback video]\n[enrolled berlin]\npattern = +4930200XX\n[excluded boss]\nnumber = +493020001\n"
    "[trust bad]\ntrusted = no\ndomain = bad.example\n[trust dear]\ntrusted = no\nprefix = +1900!\n";

static void need(bool good)
{
    if (!good)
        abort();
}

/* ---- a store of one row ---- */

struct disk {
    struct slice key, value;
    kv_done_fn *done;
    void *arg;
};

static int put(void *ctx, enum kv_table of, struct slice key, struct slice value)
{
    (void)ctx, (void)of, (void)key, (void)value;
    return 0;
}

static int take(void *ctx, enum kv_table of, struct slice key)
{
    (void)ctx, (void)of, (void)key;
    return 0;
}

static void commit(void *ctx, kv_done_fn *done, void *arg)
{
    struct disk *d = ctx;
    d->done = done;
    d->arg = arg;
}

static int scan(void *ctx, enum kv_table of, kv_row_fn *row, void *arg)
{
    const struct disk *d = ctx;
    (void)of;
    return d->key.n ? row(arg, d->key, d->value) : 0;
}

static void complete(struct disk *d)
{
    if (d->done)
        d->done(d->arg, 0);
    d->done = NULL;
}

static void changed(void *arg, int err)
{
    (void)arg;
    need(err == 0);
}

/* ---- what must hold ---- */

static struct agent_enrolled *read_file(const char *text, bool must_be_good)
{
    struct agent_enrolled *e = NULL;
    struct conf *c = NULL;
    struct buf errors;
    buf_init(&errors, 1 << 16);
    int err = conf_parse(&table, "f", slice_str(text), &errors, &c);
    if (!err)
        err = agent_conf_enrolled(c, &errors, &e);
    if (must_be_good && err)
        fputs(buf_text(&errors), stderr);
    need(!must_be_good || !err);
    conf_free(c);
    buf_fini(&errors);
    return e;
}

static bool check_entry(void *ctx, const struct agent_provision_entry *entry, const char *why)
{
    const struct agent_enrolled *joined = ctx;
    struct agent_listed_view found;
    if (!why[0]) {
        need(agent_entry_find(joined, entry->kind, slice_str(entry->text), &found));
        need(found.source == AGENT_SOURCE_IMECTL && strcmp(found.group, entry->group) == 0);
    }
    return true;
}

static void check(const struct agent_provision *p)
{
    struct buf text;
    agent_provision_each(p, check_entry, (void *)(uintptr_t)agent_provision_enrolled(p));
    if (agent_provision_idle(p))
        return; /* what has no effect may be of a form that a file cannot have */
    buf_init(&text, 1 << 16);
    buf_str(&text, "[fallback video]\n");
    agent_provision_export(p, &text);
    agent_enrolled_free(read_file(buf_text(&text), true));
    buf_fini(&text);
}

static void add_and_remove(struct agent_provision *p, struct disk *d, enum agent_entry_kind kind, const char *text)
{
    const struct agent_provision_entry entry = {kind, text, "g", "", true};
    char why[AGENT_PROVISION_WHY_OCTETS];
    struct agent_provision_change *c;
    const size_t before = agent_provision_count(p);
    need(agent_provision_begin(p, &c) == 0);
    int err = agent_provision_add(c, &entry, why);
    if (err) {
        agent_provision_cancel(c);
        return;
    }
    agent_provision_commit(c, changed, NULL);
    complete(d);
    need(agent_provision_count(p) == before + 1);
    check(p);
    need(agent_provision_begin(p, &c) == 0);
    need(agent_provision_remove(c, kind, slice_str(text), why) == 0);
    agent_provision_commit(c, changed, NULL);
    complete(d);
    need(agent_provision_count(p) == before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct agent_enrolled *file;
    struct agent_provision *p;
    char text[200];
    if (!size || data[0] >= size)
        return 0;
    if (!file)
        file = read_file(file_text, true);
    struct disk d = {.key = slice_of(data + 1, data[0]), .value = slice_of(data + 1 + data[0], size - 1 - data[0])};
    const struct kv kv = {.ctx = &d, .put = put, .remove = take, .commit = commit, .scan = scan};
    need(agent_provision_new(&kv, file, NULL, &p) == 0);
    check(p);
    snprintf(text, sizeof text, "%.*s", SLICE_PRINT(d.value));
    for (unsigned kind = AGENT_ENTRY_ENROLLED; kind < AGENT_ENTRY_KINDS; kind++)
        add_and_remove(p, &d, (enum agent_entry_kind)kind, text);
    agent_provision_free(p);
    return 0;
}
