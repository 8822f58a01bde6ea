/* imectl agent enrolled, excluded, trust, provision, reload: what takes part and whom we trust, shown and changed. What is changed lies beside
 * agent.conf (provision.h). */
#include "agent/internal.h"
#include "agent/show.h"
#include "base/text.h"

#include <stdio.h>

#define LISTED_DEFAULT 1000
#define FAILURES_NAMED_MAX 1000 /* all are counted */
#define ENTRY_OCTETS 140        /* of an entry that failed, cut off there */
#define REPORT_OCTETS_MAX (256 * 1024)
#define DEFAULT_GROUP "imectl"

/* ---- lists ---- */

static int64_t limit_of(const struct ctl_args *args)
{
    return ctl_args_has(args, "limit") ? ctl_args_integer(args, "limit") : LISTED_DEFAULT;
}

void agent_show_enrolled(void *ctx, struct ctl_request *request)
{
    const struct agent *a = ctx;
    const struct agent_enrolled *e = a->parts.enrolled;
    int64_t limit = limit_of(ctl_request_args(request));
    struct agent_pattern_view view;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_unsigned(w, "numbers", agent_enrolled_count(e));
    ctl_put_unsigned(w, "patterns_in_all", agent_enrolled_patterns(e));
    ctl_put_unsigned(w, "excluded_numbers", agent_enrolled_excluded(e));
    ctl_open_array(w, "patterns");
    for (size_t i = 0; (int64_t)i < limit && agent_enrolled_pattern_at(e, i, &view); i++) {
        ctl_open_object(w, NULL);
        ctl_put_text(w, "group", view.group);
        ctl_put_text(w, "pattern", view.pattern);
        ctl_put_unsigned(w, "numbers", view.numbers);
        ctl_put_text(w, "fallback", view.profile->name);
        ctl_put_text(w, "sensitivity", agent_quality_name(view.profile->quality));
        ctl_put_text(w, "source", agent_source_name(view.source));
        ctl_close(w);
    }
    ctl_close(w);
    ctl_reply_end(request);
}

typedef bool listed_at_fn(const struct agent_enrolled *e, size_t i, struct agent_listed_view *ret_view);

static void put_listed(struct ctl_writer *w, const struct agent_enrolled *e, const char *rows, const char *key,
                       listed_at_fn *at, int64_t limit)
{
    struct agent_listed_view view;
    ctl_open_array(w, rows);
    for (size_t i = 0; (int64_t)i < limit && at(e, i, &view); i++) {
        ctl_open_object(w, NULL);
        ctl_put_text(w, "group", view.group);
        ctl_put_text(w, key, view.text);
        if (view.kind != AGENT_ENTRY_EXCLUDED)
            ctl_put_text(w, "trust", view.trusted ? "trusted" : "blocked");
        ctl_put_text(w, "source", agent_source_name(view.source));
        ctl_close(w);
    }
    ctl_close(w);
}

void agent_show_excluded(void *ctx, struct ctl_request *request)
{
    const struct agent *a = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_unsigned(w, "in_all", agent_enrolled_excluded(a->parts.enrolled));
    put_listed(w, a->parts.enrolled, "excluded", "number", agent_enrolled_excluded_at,
               limit_of(ctl_request_args(request)));
    ctl_reply_end(request);
}

/* Who is in no group: the first thing that one wants to know of a list of trust. */
static void put_others(struct ctl_writer *w, const struct agent_enrolled *e)
{
    static const struct e164 no_number = {""};
    static const struct e164 any_number = {"+1"};
    struct slice no_domain = {NULL, 0};
    /* A name and a number that can be in no group: their length is not allowed there. */
    bool domains = agent_trust_check(e, slice_str("-"), &no_number) == AGENT_CAUSE_NONE;
    bool numbers = agent_trust_check(e, no_domain, &any_number) == AGENT_CAUSE_NONE;
    ctl_put_text(w, "other_domains", domains ? "trusted" : "blocked, since there are trusted ones");
    ctl_put_text(w, "other_numbers", numbers ? "trusted" : "blocked, since there are trusted ones");
}

void agent_show_trust(void *ctx, struct ctl_request *request)
{
    const struct agent *a = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_unsigned(w, "in_all", agent_trust_count(a->parts.enrolled));
    put_others(w, a->parts.enrolled);
    put_listed(w, a->parts.enrolled, "entries", "entry", agent_trust_at, limit_of(ctl_request_args(request)));
    ctl_reply_end(request);
}

/* "evil.example is blocked, in the group bad of agent.conf" */
static void put_reason(struct ctl_writer *w, const struct agent_enrolled *e, const char *domain,
                       const struct e164 *number, enum agent_cause cause)
{
    struct agent_listed_view found;
    const bool about_domain = cause != AGENT_CAUSE_PREFIX_BLOCKED;
    const char *what = about_domain ? domain : number->text;
    if (about_domain ? agent_trust_of_domain(e, slice_str(domain), &found) : agent_trust_of_number(e, number, &found))
        ctl_put_printf(w, "reason", "%s is %s by the entry %s in the group %s of %s", what,
                       found.trusted ? "trusted" : "blocked", found.text, found.group, agent_source_name(found.source));
    else if (cause == AGENT_CAUSE_NONE)
        ctl_put_printf(w, "reason", "no trust group has %s, and none is needed", what);
    else
        ctl_put_printf(w, "reason", "no trust group has %s, and others are trusted: so it is not", what);
}

void agent_show_trust_test(void *ctx, struct ctl_request *request)
{
    const struct agent *a = ctx;
    const struct agent_enrolled *e = a->parts.enrolled;
    const struct ctl_args *args = ctl_request_args(request);
    const char *domain = ctl_args_text(args, "domain");
    struct e164 number = {""};
    if (ctl_args_has(args, "number"))
        e164_parse(slice_str(ctl_args_text(args, "number")), &number);
    enum agent_cause cause = agent_trust_check(e, slice_str(domain), &number);
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_boolean(w, "trusted", cause == AGENT_CAUSE_NONE);
    put_reason(w, e, domain, &number, cause);
    ctl_reply_end(request);
}

/* ---- what imectl has added ---- */

static bool put_provisioned(void *ctx, const struct agent_provision_entry *entry, const char *why)
{
    static const char *const kinds[AGENT_ENTRY_KINDS] = {"", "enrolled", "excluded", "domain", "prefix"};
    struct ctl_writer *w = ctx;
    ctl_open_object(w, NULL);
    ctl_put_text(w, "kind", kinds[entry->kind]);
    ctl_put_text(w, "group", entry->group);
    ctl_put_text(w, "entry", entry->text);
    if (entry->kind == AGENT_ENTRY_ENROLLED)
        ctl_put_text(w, "says", entry->fallback[0] ? entry->fallback : "-");
    else
        ctl_put_text(w, "says", entry->kind == AGENT_ENTRY_EXCLUDED ? "-" : entry->trusted ? "trusted" : "blocked");
    ctl_put_text(w, "state", why[0] ? why : "it holds");
    ctl_close(w);
    return true;
}

void agent_show_provision(void *ctx, struct ctl_request *request)
{
    const struct agent *a = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    if (a->parts.provision) {
        ctl_put_unsigned(w, "entries_in_all", agent_provision_count(a->parts.provision));
        ctl_put_unsigned(w, "without_effect", agent_provision_idle(a->parts.provision));
    }
    ctl_open_array(w, "entries");
    if (a->parts.provision)
        agent_provision_each(a->parts.provision, put_provisioned, w);
    ctl_close(w);
    ctl_reply_end(request);
}

void agent_show_provision_export(void *ctx, struct ctl_request *request)
{
    const struct agent *a = ctx;
    struct buf text;
    buf_init(&text, CTL_REPLY_OCTETS_MAX / 2);
    if (a->parts.provision)
        agent_provision_export(a->parts.provision, &text);
    if (text.err) {
        ctl_refuse(request, text.err, NULL, NULL);
    } else {
        struct ctl_writer *w = ctl_reply_begin(request);
        ctl_put_text(w, "sections", buf_text(&text));
        ctl_reply_end(request);
    }
    buf_fini(&text);
}

/* ---- changes ---- */

struct failure {
    unsigned line; /* of the file; 0: an argument */
    char entry[ENTRY_OCTETS + 1];
    char why[AGENT_PROVISION_WHY_OCTETS];
};

/* A change on its way, with its report. */
struct job {
    struct ctl_request *request;
    const char *verb; /* "added", "removed": also the key of the number of those */
    size_t done, unchanged, failed;
    struct failure *failures;
    size_t named;
};

static struct job *job_new(struct ctl_request *request, const char *verb)
{
    struct job *j = mem_alloc(sizeof *j);
    if (!j)
        return NULL;
    j->request = request;
    j->verb = verb;
    return j;
}

static void job_free(struct job *j)
{
    mem_free(j->failures);
    mem_free(j);
}

/* It is counted also when there is no memory for its name. */
static void fail(struct job *j, unsigned line, struct slice entry, const char *why)
{
    j->failed++;
    if (j->named == FAILURES_NAMED_MAX)
        return;
    struct failure *failures = mem_resize(j->failures, (j->named + 1) * sizeof *failures);
    if (!failures)
        return;
    j->failures = failures;
    struct failure *f = &failures[j->named++];
    f->line = line;
    snprintf(f->entry, sizeof f->entry, "%.*s", (int)(entry.n < ENTRY_OCTETS ? entry.n : ENTRY_OCTETS),
             (const char *)entry.p);
    snprintf(f->why, sizeof f->why, "%s", why);
}

static void put_failures(struct ctl_writer *w, const struct job *j)
{
    ctl_open_array(w, "failures");
    for (size_t i = 0; i < j->named; i++) {
        const struct failure *f = &j->failures[i];
        ctl_open_object(w, NULL);
        if (f->line)
            ctl_put_unsigned(w, "line", f->line);
        ctl_put_text(w, "entry", f->entry);
        ctl_put_text(w, "why", f->why);
        ctl_close(w);
    }
    ctl_close(w);
}

/* The report. */
static void answer(void *arg, int err)
{
    struct job *j = arg;
    if (err == ERR_NO_MEMORY) {
        ctl_refuse(j->request, err, "there is no memory for it; what was written holds after a restart",
                   "imectl agent provision list");
    } else if (err) {
        ctl_refuse(j->request, err, "it could not be written, and nothing has changed",
                   "see the log, and whether the disk of the data folder is full");
    } else {
        struct ctl_writer *w = ctl_reply_begin(j->request);
        ctl_put_unsigned(w, j->verb, j->done);
        ctl_put_unsigned(w, "unchanged", j->unchanged);
        ctl_put_unsigned(w, "failed", j->failed);
        put_failures(w, j);
        ctl_reply_end(j->request);
    }
    job_free(j);
}

/* Nothing is left of a change of which nothing is good. */
static void finish(struct agent_provision_change *c, struct job *j)
{
    if (j->done) {
        agent_provision_commit(c, answer, j);
    } else {
        agent_provision_cancel(c);
        answer(j, 0);
    }
}

/* NULL: it was refused. */
static struct job *begin(struct agent *a, struct ctl_request *request, const char *verb,
                         struct agent_provision_change **ret_change)
{
    struct job *j = a->parts.provision ? job_new(request, verb) : NULL;
    int err = !a->parts.provision ? ERR_UNSUPPORTED
              : !j                ? ERR_NO_MEMORY
                                  : agent_provision_begin(a->parts.provision, ret_change);
    if (!err)
        return j;
    if (err == ERR_WRONG_STATE)
        ctl_refuse(request, err, "another change is being written at this moment", "say it again");
    else
        ctl_refuse(request, err, NULL, NULL);
    mem_free(j);
    return NULL;
}

static void add_one(struct agent_provision_change *c, struct job *j, unsigned line,
                    const struct agent_provision_entry *entry)
{
    char why[AGENT_PROVISION_WHY_OCTETS] = "";
    int err = agent_provision_add(c, entry, why);
    if (!err)
        j->done++;
    else if (err == ERR_EXISTS)
        j->unchanged++;
    else
        fail(j, line, slice_str(entry->text), why);
}

/* A domain may begin with "+", too; but none that is dialed does. */
static enum agent_entry_kind trust_kind(const char *text)
{
    return text[0] == '+' && text[1] >= '0' && text[1] <= '9' ? AGENT_ENTRY_PREFIX : AGENT_ENTRY_DOMAIN;
}

/* A group of the file has either domains or prefixes, and is trusted or not; so do those without a name of their own. */
static const char *trust_group(enum agent_entry_kind kind, bool trusted)
{
    if (kind == AGENT_ENTRY_DOMAIN)
        return trusted ? "imectl-trusted-domains" : "imectl-blocked-domains";
    return trusted ? "imectl-trusted-prefixes" : "imectl-blocked-prefixes";
}

/* What an entry is that the command is about: of that kind, or, for trust (AGENT_ENTRY_KINDS), of the kind that its text is. */
static struct agent_provision_entry entry_of(const struct ctl_args *args, unsigned kind, bool trusted, const char *text)
{
    struct agent_provision_entry e = {.text = text, .fallback = "", .trusted = trusted};
    e.kind = kind < AGENT_ENTRY_KINDS ? (enum agent_entry_kind)kind : trust_kind(text);
    e.group = kind < AGENT_ENTRY_KINDS ? DEFAULT_GROUP : trust_group(e.kind, trusted);
    if (ctl_args_has(args, "group"))
        e.group = ctl_args_text(args, "group");
    if (kind == AGENT_ENTRY_ENROLLED && ctl_args_has(args, "fallback"))
        e.fallback = ctl_args_text(args, "fallback");
    return e;
}

static void add_arguments(struct agent *a, struct ctl_request *request, unsigned kind, bool trusted)
{
    const struct ctl_args *args = ctl_request_args(request);
    struct agent_provision_change *c;
    struct job *j = begin(a, request, "added", &c);
    const char *text;
    if (!j)
        return;
    for (size_t i = 0; (text = ctl_args_text_at(args, "entry", i)); i++) {
        const struct agent_provision_entry entry = entry_of(args, kind, trusted, text);
        add_one(c, j, 0, &entry);
    }
    finish(c, j);
}

static void remove_arguments(struct agent *a, struct ctl_request *request, unsigned kind)
{
    const struct ctl_args *args = ctl_request_args(request);
    struct agent_provision_change *c;
    const char *text = ctl_args_text_at(args, "entry", 0);
    if (!text == !ctl_args_has(args, "group")) {
        ctl_refuse(request, ERR_SYNTAX,
                   "name what is to be removed, or give --group for all that imectl has added to it",
                   "imectl agent provision list");
        return;
    }
    struct job *j = begin(a, request, "removed", &c);
    if (!j)
        return;
    for (size_t i = 0; (text = ctl_args_text_at(args, "entry", i)); i++) {
        char why[AGENT_PROVISION_WHY_OCTETS];
        enum agent_entry_kind of = kind < AGENT_ENTRY_KINDS ? (enum agent_entry_kind)kind : trust_kind(text);
        if (agent_provision_remove(c, of, slice_str(text), why) < 0)
            fail(j, 0, slice_str(text), why);
        else
            j->done++;
    }
    if (ctl_args_has(args, "group")) {
        const char *group = ctl_args_text(args, "group");
        if (kind < AGENT_ENTRY_KINDS)
            j->done = agent_provision_remove_group(c, (enum agent_entry_kind)kind, group);
        else
            j->done = agent_provision_remove_group(c, AGENT_ENTRY_DOMAIN, group) +
                      agent_provision_remove_group(c, AGENT_ENTRY_PREFIX, group);
        if (!j->done)
            fail(j, 0, slice_str(group), "imectl has added nothing to a group of this name");
    }
    finish(c, j);
}

/* ---- files ---- */

/* The next word of a line, as a text in the storage, cut off there. "": there is none. */
static const char *next_word(struct slice *line, char *storage, size_t octets)
{
    *line = text_trim(*line);
    struct slice word = line->n ? text_cut(line, ' ') : (struct slice){NULL, 0};
    snprintf(storage, octets, "%.*s", (int)(word.n < octets ? word.n : octets - 1), word.n ? (const char *)word.p : "");
    return storage;
}

/* ENTRY [GROUP]; of trust: ENTRY trusted|blocked [GROUP]. */
static void add_line(struct agent_provision_change *c, struct job *j, unsigned number, struct slice line,
                     const struct ctl_args *args, unsigned kind)
{
    char text[ENTRY_OCTETS + 1], trust[16], group[AGENT_NAME_OCTETS_MAX + 2];
    const bool is_trust = kind >= AGENT_ENTRY_KINDS;
    bool trusted = false;
    next_word(&line, text, sizeof text);
    if (is_trust) {
        next_word(&line, trust, sizeof trust);
        trusted = strcmp(trust, "trusted") == 0;
        if (!trusted && strcmp(trust, "blocked") != 0) {
            fail(j, number, slice_str(text), "`trusted` or `blocked` must follow");
            return;
        }
    }
    struct agent_provision_entry entry = entry_of(args, kind, trusted, text);
    if (next_word(&line, group, sizeof group)[0])
        entry.group = group;
    if (text_trim(line).n)
        fail(j, number, slice_str(text), "there is more in the line than an entry and a group");
    else
        add_one(c, j, number, &entry);
}

/* Tabs are spaces; # begins a comment. */
static void add_file(struct agent *a, struct ctl_request *request, unsigned kind)
{
    const struct ctl_args *args = ctl_request_args(request);
    struct slice rest = slice_str(ctl_args_text(args, "file"));
    struct agent_provision_change *c;
    struct job *j = begin(a, request, "added", &c);
    if (!j)
        return;
    for (unsigned number = 1; rest.p; number++) {
        char plain[2 * ENTRY_OCTETS];
        struct slice end = text_cut(&rest, '\n');
        struct slice line = text_trim(text_cut(&end, '#'));
        size_t n = line.n < sizeof plain ? line.n : sizeof plain;
        for (size_t i = 0; i < n; i++)
            plain[i] = line.p[i] == '\t' || line.p[i] == '\r' ? ' ' : (char)line.p[i];
        if (line.n > sizeof plain)
            fail(j, number, line, "the line is too long");
        else if (text_trim(slice_of(plain, n)).n)
            add_line(c, j, number, slice_of(plain, n), args, kind);
    }
    finish(c, j);
}

/* ---- the commands ---- */

void agent_show_enrolled_add(void *ctx, struct ctl_request *request)
{
    add_arguments(ctx, request, AGENT_ENTRY_ENROLLED, false);
}

void agent_show_enrolled_load(void *ctx, struct ctl_request *request)
{
    add_file(ctx, request, AGENT_ENTRY_ENROLLED);
}

void agent_show_enrolled_remove(void *ctx, struct ctl_request *request)
{
    remove_arguments(ctx, request, AGENT_ENTRY_ENROLLED);
}

void agent_show_excluded_add(void *ctx, struct ctl_request *request)
{
    add_arguments(ctx, request, AGENT_ENTRY_EXCLUDED, false);
}

void agent_show_excluded_load(void *ctx, struct ctl_request *request)
{
    add_file(ctx, request, AGENT_ENTRY_EXCLUDED);
}

void agent_show_excluded_remove(void *ctx, struct ctl_request *request)
{
    remove_arguments(ctx, request, AGENT_ENTRY_EXCLUDED);
}

void agent_show_trust_allow(void *ctx, struct ctl_request *request)
{
    add_arguments(ctx, request, AGENT_ENTRY_KINDS, true);
}

void agent_show_trust_block(void *ctx, struct ctl_request *request)
{
    add_arguments(ctx, request, AGENT_ENTRY_KINDS, false);
}

void agent_show_trust_load(void *ctx, struct ctl_request *request)
{
    add_file(ctx, request, AGENT_ENTRY_KINDS);
}

void agent_show_trust_remove(void *ctx, struct ctl_request *request)
{
    remove_arguments(ctx, request, AGENT_ENTRY_KINDS);
}

void agent_show_reload(void *ctx, struct ctl_request *request)
{
    struct agent *a = ctx;
    struct buf report;
    if (!a->ports.reload) {
        ctl_refuse(request, ERR_UNSUPPORTED, NULL, NULL);
        return;
    }
    buf_init(&report, REPORT_OCTETS_MAX);
    int err = a->ports.reload(a->ports.reload_ctx, &report);
    const char *text = buf_text(&report);
    if (err) {
        ctl_refuse(request, err, text[0] ? text : NULL, "mend it and say it again");
    } else {
        struct ctl_writer *w = ctl_reply_begin(request);
        ctl_put_text(w, "differences", text[0] ? text : "nothing is different\n");
        ctl_reply_end(request);
    }
    buf_fini(&report);
}
