/* Numbers of agent.conf: dialing plans, short numbers, enrolled patterns, trust groups. */
#include "agent/conf.h"
#include "base/duration.h"
#include "base/text.h"

#include <stdio.h>

/* ---- dialing ---- */

static bool is_digits(const char *text)
{
    return text[0] && strspn(text, "0123456789") == strlen(text);
}

/* "+" may come first where it makes sense. */
static bool is_dialable(const char *text)
{
    return is_digits(text + (text[0] == '+'));
}

/* A word of the rule, cut off its text. */
static struct slice next_word(struct slice *text)
{
    *text = text_trim(*text);
    return text->n ? text_cut(text, ' ') : (struct slice){NULL, 0};
}

static bool parse_kind(struct slice word, enum agent_dial_kind *ret_kind)
{
    for (unsigned i = 0; i < AGENT_DIAL_KINDS; i++) {
        if (slice_eq_str(word, agent_dial_kind_name((enum agent_dial_kind)i))) {
            *ret_kind = (enum agent_dial_kind)i;
            return true;
        }
    }
    return false;
}

/* "KIND STRIP [PREFIX]" */
static bool parse_rule(const char *text, enum agent_dial_kind *ret_kind, struct agent_dial_rule *ret_rule)
{
    struct agent_dial_rule rule = {.set = true};
    struct slice rest = slice_str(text);
    uint64_t strip;
    if (!parse_kind(next_word(&rest), ret_kind) || u64_parse(next_word(&rest), AGENT_DIGITS_MAX, &strip) < 0)
        return false;
    struct slice prefix = next_word(&rest);
    if (prefix.n > AGENT_DIAL_PREFIX_MAX || text_trim(rest).n)
        return false;
    if (prefix.n)
        memcpy(rule.prefix, prefix.p, prefix.n);
    rule.strip = (unsigned)strip;
    *ret_rule = rule;
    return !prefix.n || is_dialable(rule.prefix);
}

static int read_rules(const struct conf_group *g, const char *where, const char *key,
                      enum agent_dial_direction direction, struct buf *errors, struct agent_dial_plan *plan)
{
    int err = 0;
    for (size_t i = 0; i < conf_count(g, key); i++) {
        const char *text = conf_text_at(g, key, i);
        enum agent_dial_kind kind;
        struct agent_dial_rule rule;
        if (parse_rule(text, &kind, &rule)) {
            plan->rules[direction][kind] = rule;
            continue;
        }
        buf_printf(errors, "[%s] %s: \"%s\" is not KIND STRIP [PREFIX], for example \"national 1 +49\"\n", where, key,
                   text);
        err = ERR_SYNTAX;
    }
    return err;
}

/* A key of digits into its field. */
static int read_digits(const struct conf_group *g, const char *where, const char *key, bool plus, struct buf *errors,
                       char *field, size_t octets)
{
    const char *text = conf_text(g, key);
    if (!text)
        return 0;
    if (strlen(text) >= octets || !(plus ? is_dialable(text) : is_digits(text))) {
        buf_printf(errors, "[%s] %s: \"%s\" is no digits\n", where, key, text);
        return ERR_SYNTAX;
    }
    snprintf(field, octets, "%s", text);
    return 0;
}

int agent_conf_dialing(const struct conf_group *g, const char *where, struct buf *errors,
                       struct agent_dial_plan *ret_plan)
{
    struct agent_dial_plan p;
    int err = 0;
    agent_dial_plan_init(&p);
    if (conf_has(g, "country") && agent_dial_plan_set_country(&p, slice_str(conf_text(g, "country"))) < 0) {
        buf_printf(errors, "[%s] country: \"%s\" is no country code\n", where, conf_text(g, "country"));
        err = ERR_SYNTAX;
    }
    err |= read_digits(g, where, "area", false, errors, p.area, sizeof p.area);
    err |= read_digits(g, where, "international-prefix", false, errors, p.international_prefix,
                       sizeof p.international_prefix);
    err |= read_digits(g, where, "national-prefix", false, errors, p.national_prefix, sizeof p.national_prefix);
    err |= read_digits(g, where, "outside-line", false, errors, p.outside_line, sizeof p.outside_line);
    err |= read_digits(g, where, "extension-prefix", true, errors, p.extension_prefix, sizeof p.extension_prefix);
    err |= read_rules(g, where, "in-rule", AGENT_DIAL_IN, errors, &p);
    err |= read_rules(g, where, "out-rule", AGENT_DIAL_OUT, errors, &p);
    if (p.area[0] && !p.country[0]) {
        buf_printf(errors, "[%s] area: it needs a country\n", where);
        err = ERR_SYNTAX;
    }
    p.extension_digits = (unsigned)conf_integer(g, "extension-digits");
    p.plus = conf_choice(g, "format") == 0;
    if (!err)
        *ret_plan = p;
    return err ? ERR_SYNTAX : 0;
}

int agent_conf_shorts(const struct conf *c, struct buf *errors, struct agent_short_numbers *ret_shorts)
{
    const struct conf_group *g = conf_section(c, "numbers");
    struct agent_short_numbers shorts = {.n = 0};
    int result = 0;
    if (!conf_has(g, "short")) {
        agent_short_numbers_default(ret_shorts);
        return 0;
    }
    for (size_t i = 0; i < conf_count(g, "short"); i++) {
        const char *text = conf_text_at(g, "short", i);
        int err = agent_short_numbers_add(&shorts, slice_str(text));
        if (!err)
            continue;
        buf_printf(errors, "[numbers] short: \"%s\": %s\n", text,
                   err == ERR_SYNTAX   ? "digits, or X for any digit"
                   : err == ERR_EXISTS ? "it is there twice"
                                       : "too many");
        result = ERR_SYNTAX;
    }
    if (!result)
        *ret_shorts = shorts;
    return result;
}

/* ---- enrolled numbers and trust ---- */

#define DEFAULT_PROFILE "default"

struct building {
    struct agent_enrolled *enrolled;
    struct buf *errors;
    int err; /* ERR_NO_MEMORY, or ERR_SYNTAX when a line was said */
};

static void say(struct building *b, const char *section, const struct conf_group *g, const char *value, const char *why)
{
    buf_printf(b->errors, "[%s %s] %s%s%s\n", section, conf_group_name(g), value, *value ? ": " : "", why);
    if (!b->err)
        b->err = ERR_SYNTAX;
}

static void added(struct building *b, const char *section, const struct conf_group *g, const char *value,
                  enum agent_entry_kind kind, int err)
{
    if (err == ERR_NO_MEMORY)
        b->err = err;
    else if (err)
        say(b, section, g, value, agent_entry_error(kind, err));
}

/* A duration, or "no": 0. */
static bool read_return(const char *text, int64_t *ret_ms)
{
    if (strcmp(text, "no") == 0) {
        *ret_ms = 0;
        return true;
    }
    return duration_parse(slice_str(text), ret_ms) == 0 && *ret_ms > 0;
}

static void add_profile(struct building *b, const struct conf_group *g)
{
    struct agent_fallback_profile p;
    const char *reason;
    agent_fallback_profile_init(&p);
    if (strlen(conf_group_name(g)) > AGENT_NAME_OCTETS_MAX) {
        say(b, "fallback", g, "", "the name is too long");
        return;
    }
    strcpy(p.name, conf_group_name(g));
    p.quality = (enum agent_quality)conf_choice(g, "sensitivity");
    if (conf_has(g, "number"))
        e164_parse(slice_str(conf_text(g, "number")), &p.number);
    p.answer_ms = conf_ms(g, "answer-timer");
    p.caller_id_digits = (unsigned)conf_integer(g, "caller-id-digits");
    p.dtmf_digits = (unsigned)conf_integer(g, "correlation-digits");
    p.simultaneous_calls = (unsigned)conf_integer(g, "simultaneous-calls");
    p.collection_ms = conf_ms(g, "collection-timer");
    p.inter_digit_ms = conf_ms(g, "inter-digit-timer");
    p.release_ms = conf_ms(g, "release-delay");
    if (!read_return(conf_text(g, "return"), &p.return_ms))
        say(b, "fallback", g, conf_text(g, "return"), "return is a duration, for example 30s, or no");
    else if (agent_fallback_profile_check(&p, &reason) < 0)
        say(b, "fallback", g, "", reason);
    else
        added(b, "fallback", g, "", AGENT_ENTRY_ENROLLED, agent_enrolled_add_profile(b->enrolled, &p));
}

static void add_group(struct building *b, const struct conf_group *g)
{
    const char *profile = conf_has(g, "fallback") ? conf_text(g, "fallback") : DEFAULT_PROFILE;
    size_t group;
    int err = agent_enrolled_add_group(b->enrolled, conf_group_name(g), profile, &group);
    if (err) {
        say(b, "enrolled", g, profile,
            err == ERR_NOT_FOUND ? "there is no such section [fallback …]"
                                 : agent_entry_error(AGENT_ENTRY_ENROLLED, err));
        return;
    }
    for (size_t i = 0; i < conf_count(g, "pattern"); i++) {
        const char *text = conf_text_at(g, "pattern", i);
        added(b, "enrolled", g, text, AGENT_ENTRY_ENROLLED,
              agent_enrolled_add_pattern(b->enrolled, group, slice_str(text)));
    }
}

/* The group that what is listed below it belongs to. */
static bool name_group(struct building *b, const char *section, const struct conf_group *g)
{
    int err = agent_enrolled_name_group(b->enrolled, conf_group_name(g));
    if (err == ERR_RANGE)
        say(b, section, g, "", "the name is too long");
    else
        added(b, section, g, "", AGENT_ENTRY_EXCLUDED, err);
    return err == 0;
}

static void add_excluded(struct building *b, const struct conf_group *g)
{
    if (!name_group(b, "excluded", g))
        return;
    for (size_t i = 0; i < conf_count(g, "number"); i++) {
        const char *text = conf_text_at(g, "number", i);
        added(b, "excluded", g, text, AGENT_ENTRY_EXCLUDED, agent_enrolled_exclude(b->enrolled, slice_str(text)));
    }
}

static void add_trust(struct building *b, const struct conf_group *g)
{
    bool trusted = conf_boolean(g, "trusted");
    if (!conf_count(g, "domain") == !conf_count(g, "prefix")) {
        say(b, "trust", g, "", "a group has either domains or prefixes");
        return;
    }
    if (!name_group(b, "trust", g))
        return;
    for (size_t i = 0; i < conf_count(g, "domain"); i++) {
        const char *text = conf_text_at(g, "domain", i);
        added(b, "trust", g, text, AGENT_ENTRY_DOMAIN, agent_trust_add_domain(b->enrolled, slice_str(text), trusted));
    }
    for (size_t i = 0; i < conf_count(g, "prefix"); i++) {
        const char *text = conf_text_at(g, "prefix", i);
        added(b, "trust", g, text, AGENT_ENTRY_PREFIX, agent_trust_add_prefix(b->enrolled, slice_str(text), trusted));
    }
}

typedef void group_fn(struct building *b, const struct conf_group *g);

static void each_group(struct building *b, const struct conf *c, const char *section, group_fn *fn)
{
    for (const struct conf_group *g = NULL; (g = conf_next(c, section, g));)
        fn(b, g);
}

/* The profile of those that name none, unless the file has one of that name. */
static int add_default_profile(struct agent_enrolled *e)
{
    struct agent_fallback_profile p;
    agent_fallback_profile_init(&p);
    strcpy(p.name, DEFAULT_PROFILE);
    int err = agent_enrolled_add_profile(e, &p);
    return err == ERR_EXISTS ? 0 : err;
}

int agent_conf_enrolled(const struct conf *c, struct buf *errors, struct agent_enrolled **ret_enrolled)
{
    struct building b = {.errors = errors};
    int err = agent_enrolled_new(&b.enrolled);
    if (err)
        return err;
    each_group(&b, c, "fallback", add_profile);
    if (!b.err)
        b.err = add_default_profile(b.enrolled);
    each_group(&b, c, "enrolled", add_group);
    each_group(&b, c, "excluded", add_excluded);
    each_group(&b, c, "trust", add_trust);
    if (b.err) {
        agent_enrolled_free(b.enrolled);
        return b.err;
    }
    *ret_enrolled = b.enrolled;
    return 0;
}
