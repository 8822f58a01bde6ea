/* Dialing rules: what a number is, and what is taken off it and put in front of it. */
#include "agent/dialing.h"

#include "agent/emergency.h"
#include "base/text.h"
#include "cdr/dial.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_OCTETS (AGENT_DIGITS_MAX + AGENT_DIAL_PREFIX_MAX + 1)
#define COUNTRY_DIGITS_MAX 3
#define SHORT_DIGITS 3

const char *agent_dial_kind_name(enum agent_dial_kind kind)
{
    static const char *const names[] = {"international", "national", "subscriber", "extension", "unknown"};
    return names[kind];
}

void agent_dial_plan_init(struct agent_dial_plan *plan)
{
    *plan = (struct agent_dial_plan){.international_prefix = "00", .national_prefix = "0", .plus = true};
}

int agent_dial_plan_set_country(struct agent_dial_plan *plan, struct slice country)
{
    struct dial_rules rules;
    dial_rules_init(&rules);
    if (dial_rules_set_country(&rules, country) < 0 || strlen(rules.country) > COUNTRY_DIGITS_MAX)
        return ERR_SYNTAX;
    strcpy(plan->country, rules.country);
    strcpy(plan->international_prefix, rules.international);
    strcpy(plan->national_prefix, rules.trunk);
    return 0;
}

/* ---- emergency and short numbers ---- */

void agent_short_numbers_default(struct agent_short_numbers *s)
{
    s->n = 0;
}

int agent_short_numbers_add(struct agent_short_numbers *s, struct slice pattern)
{
    if (!pattern.n || pattern.n > AGENT_SHORT_DIGITS_MAX)
        return ERR_SYNTAX;
    for (size_t i = 0; i < pattern.n; i++)
        if ((pattern.p[i] < '0' || pattern.p[i] > '9') && pattern.p[i] != 'X')
            return ERR_SYNTAX;
    for (size_t i = 0; i < s->n; i++)
        if (slice_eq_str(pattern, s->patterns[i]))
            return ERR_EXISTS;
    if (s->n == AGENT_SHORT_NUMBERS_MAX)
        return ERR_LIMIT;
    memcpy(s->patterns[s->n], pattern.p, pattern.n);
    s->patterns[s->n++][pattern.n] = 0;
    return 0;
}

static bool matches(const char *pattern, struct slice digits)
{
    size_t i = 0;
    for (; i < digits.n && pattern[i]; i++)
        if (digits.p[i] < '0' || digits.p[i] > '9' || (pattern[i] != 'X' && pattern[i] != (char)digits.p[i]))
            return false;
    return i == digits.n && !pattern[i];
}

static bool is_all_digits(struct slice digits)
{
    for (size_t i = 0; i < digits.n; i++)
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return false;
    return digits.n > 0;
}

/* A number is found too often rather than too seldom: that costs a direct call, a missed one could cost more. */
const char *agent_short_number_reason(const struct agent_dial_plan *plan, const struct agent_short_numbers *s,
                                      struct slice digits)
{
    for (size_t i = 0; i < s->n; i++)
        if (matches(s->patterns[i], digits))
            return "[numbers] short names it";
    if (!s->n && agent_is_emergency_number(plan->country, digits))
        return plan->country[0] ? "an emergency or service number there"
                                : "an emergency or service number in some country";
    /* No subscriber of the phone network has so short a number; somebody here may. */
    if (digits.n <= SHORT_DIGITS && digits.n > plan->extension_digits && is_all_digits(digits))
        return "too short for a subscriber's number";
    return NULL;
}

/* ---- the trace ---- */

static void step(struct agent_dial_trace *t, const char *what, const char *number, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void step(struct agent_dial_trace *t, const char *what, const char *number, const char *format, ...)
{
    va_list args;
    if (!t || t->n == AGENT_DIAL_STEPS_MAX)
        return;
    struct agent_dial_step *s = &t->steps[t->n++];
    s->what = what;
    snprintf(s->number, sizeof s->number, "%s", number);
    va_start(args, format);
    vsnprintf(s->why, sizeof s->why, format, args);
    va_end(args);
}

/* ---- to +E.164 ---- */

/* Without "tel:", "sip:", and what follows the number in an address. */
static struct slice strip_address(struct slice s)
{
    static const char *const schemes[] = {"tel:", "sip:", "sips:"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t n = strlen(schemes[i]);
        if (s.n > n && text_equal_nocase(slice_of(s.p, n), slice_str(schemes[i]))) {
            s = slice_of(s.p + n, s.n - n);
            break;
        }
    }
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '@' || s.p[i] == ';')
            s.n = i;
    return s;
}

/* "+" and digits, or digits, without separators; false for anything else. */
static bool compact(struct slice s, char *ret_text)
{
    static const struct slice written_zero = {(const uint8_t *)"(0)", 3}; /* +44 (0)20 …: not dialed */
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        if (n && ret_text[0] == '+' && s.n - i >= 3 && slice_eq(slice_of(s.p + i, 3), written_zero)) {
            i += 2;
            continue;
        }
        if (c && strchr(" ()-./", c))
            continue;
        if ((c != '+' || n) && (c < '0' || c > '9'))
            return false;
        if (n == AGENT_DIGITS_MAX)
            return false;
        ret_text[n++] = (char)c;
    }
    ret_text[n] = 0;
    return n > 0 && strcmp(ret_text, "+") != 0;
}

/* Whether there is such a beginning, and something behind it. */
static bool begins(const char *text, const char *prefix)
{
    size_t n = strlen(prefix);
    return n && strncmp(text, prefix, n) == 0 && text[n];
}

static enum agent_dial_kind kind_of_dialed(const struct agent_dial_plan *p, const char *text)
{
    size_t n = strlen(text);
    if (text[0] == '+' || begins(text, p->international_prefix))
        return AGENT_DIAL_INTERNATIONAL;
    if (n <= p->extension_digits && !begins(text, p->national_prefix))
        return AGENT_DIAL_EXTENSION;
    if (!p->country[0])
        return AGENT_DIAL_UNKNOWN;
    if (begins(text, p->national_prefix) || !p->national_prefix[0])
        return AGENT_DIAL_NATIONAL;
    if (strcmp(p->country, "1") == 0 && n == 10) /* with the area, also within the area */
        return AGENT_DIAL_NATIONAL;
    return p->area[0] ? AGENT_DIAL_SUBSCRIBER : AGENT_DIAL_NATIONAL;
}

/* What the plan says where no rule is set. False: nothing can be made of the number. */
static bool default_rule_in(const struct agent_dial_plan *p, enum agent_dial_kind kind, const char *text,
                            struct agent_dial_rule *ret_rule)
{
    struct agent_dial_rule rule = {.strip = 0};
    switch (kind) {
    case AGENT_DIAL_INTERNATIONAL:
        rule.strip = (unsigned)strlen(p->international_prefix);
        strcpy(rule.prefix, "+");
        break;
    case AGENT_DIAL_NATIONAL:
        rule.strip = begins(text, p->national_prefix) ? (unsigned)strlen(p->national_prefix) : 0;
        snprintf(rule.prefix, sizeof rule.prefix, "+%s", p->country);
        break;
    case AGENT_DIAL_SUBSCRIBER:
        snprintf(rule.prefix, sizeof rule.prefix, "+%s%s", p->country, p->area);
        break;
    case AGENT_DIAL_EXTENSION:
        strcpy(rule.prefix, p->extension_prefix);
        break;
    default:
        break;
    }
    *ret_rule = rule;
    return rule.prefix[0] != 0;
}

static void apply_rule(const struct agent_dial_rule *rule, char text[TEXT_OCTETS])
{
    const size_t prefix = strlen(rule->prefix), octets = strlen(text);
    const char *rest = text + (rule->strip < octets ? rule->strip : octets);
    const size_t kept = strnlen(rest, AGENT_DIGITS_MAX);
    memmove(text + prefix, rest, kept);
    memcpy(text, rule->prefix, prefix);
    text[prefix + kept] = 0;
}

static void explain_rule(struct agent_dial_trace *t, const struct agent_dial_rule *rule, const char *number)
{
    const char *whose = rule->set ? "the trunk's rule" : "the trunk's country, area and prefixes";
    if (rule->strip && rule->prefix[0])
        step(t, "rule", number, "%u off the front, then %s before it (%s)", rule->strip, rule->prefix, whose);
    else if (rule->strip)
        step(t, "rule", number, "%u off the front (%s)", rule->strip, whose);
    else if (rule->prefix[0])
        step(t, "rule", number, "%s before it (%s)", rule->prefix, whose);
    else
        step(t, "rule", number, "left as it is (%s)", whose);
}

/* Takes the code for an outside line off, unless it is the beginning of a short number. Why what is left is one, else NULL. */
static const char *take_outside_line(const struct agent_dial_plan *p, const struct agent_short_numbers *shorts,
                                     char *text, struct agent_dial_trace *t)
{
    const char *reason = agent_short_number_reason(p, shorts, slice_str(text));
    if (reason || !begins(text, p->outside_line))
        return reason;
    const size_t n = strlen(p->outside_line);
    memmove(text, text + n, strlen(text + n) + 1);
    step(t, "outside line", text, "%s for an outside line is taken off", p->outside_line);
    return agent_short_number_reason(p, shorts, slice_str(text));
}

static enum agent_dial_verdict dial_in(const struct agent_dial_plan *p, const struct agent_short_numbers *shorts,
                                       struct agent_dial_trace *t, struct agent_dialed *d)
{
    struct agent_dial_rule rule;
    const char *reason = take_outside_line(p, shorts, d->text, t);
    if (reason) {
        step(t, "short number", d->text, "%s: to the phone network, as it is", reason);
        return AGENT_DIAL_SHORT;
    }
    d->kind = kind_of_dialed(p, d->text);
    step(t, "kind", d->text, "%s%s", agent_dial_kind_name(d->kind),
         d->kind == AGENT_DIAL_UNKNOWN ? ": the trunk has no country" : "");
    if (d->text[0] != '+') {
        rule = p->rules[AGENT_DIAL_IN][d->kind];
        if (!rule.set && !default_rule_in(p, d->kind, d->text, &rule)) {
            step(t, "rule", d->text, "there is none that makes +E.164 of %s numbers", agent_dial_kind_name(d->kind));
            return AGENT_DIAL_NO_E164;
        }
        apply_rule(&rule, d->text);
        explain_rule(t, &rule, d->text);
    }
    if (!e164_parse(slice_str(d->text), &d->number)) {
        step(t, "check", d->text, "no +E.164 number: + and up to 15 digits, the first not 0");
        return AGENT_DIAL_NO_E164;
    }
    step(t, "check", d->number.text, "a +E.164 number");
    return AGENT_DIAL_E164;
}

void agent_dial_in(const struct agent_dial_plan *plan, const struct agent_short_numbers *shorts, struct slice dialed,
                   struct agent_dial_trace *ret_trace, struct agent_dialed *ret_dialed)
{
    struct agent_dialed d = {.verdict = AGENT_DIAL_NO_E164, .kind = AGENT_DIAL_UNKNOWN};
    struct slice user = strip_address(text_trim(dialed));
    if (ret_trace)
        ret_trace->n = 0;
    if (compact(user, d.text)) {
        char as_dialed[TEXT_OCTETS];
        strcpy(as_dialed, d.text);
        step(ret_trace, "dialed", d.text, "without separators");
        d.verdict = dial_in(plan, shorts, ret_trace, &d);
        if (d.verdict == AGENT_DIAL_NO_E164)
            strcpy(d.text, as_dialed);
    } else {
        bool shown = user.n < sizeof d.text && text_is_printable(user);
        snprintf(d.text, sizeof d.text, "%.*s", shown ? (int)user.n : 0, shown ? (const char *)user.p : "");
        step(ret_trace, "dialed", d.text, "no number: it goes to the phone network as it was dialed");
    }
    *ret_dialed = d;
}

/* ---- to a trunk ---- */

static enum agent_dial_kind kind_of_number(const struct agent_dial_plan *p, const char *number)
{
    if (p->extension_digits && begins(number, p->extension_prefix) &&
        strlen(number) - strlen(p->extension_prefix) <= p->extension_digits)
        return AGENT_DIAL_EXTENSION;
    if (number[0] != '+' || !begins(number + 1, p->country))
        return AGENT_DIAL_INTERNATIONAL;
    return begins(number + 1 + strlen(p->country), p->area) ? AGENT_DIAL_SUBSCRIBER : AGENT_DIAL_NATIONAL;
}

static struct agent_dial_rule default_rule_out(const struct agent_dial_plan *p, enum agent_dial_kind kind)
{
    struct agent_dial_rule rule = {.strip = 0};
    if (p->plus)
        return rule;
    switch (kind) {
    case AGENT_DIAL_EXTENSION:
        rule.strip = (unsigned)strlen(p->extension_prefix);
        return rule;
    case AGENT_DIAL_INTERNATIONAL:
        rule.strip = 1;
        snprintf(rule.prefix, sizeof rule.prefix, "%s", p->international_prefix);
        return rule;
    default: /* within the area, too, a national number is never wrong */
        rule.strip = 1 + (unsigned)strlen(p->country);
        strcpy(rule.prefix, p->national_prefix);
        return rule;
    }
}

static void put_outside_line(const struct agent_dial_plan *plan, char text[TEXT_OCTETS], struct agent_dial_trace *t)
{
    char behind[TEXT_OCTETS];
    if (!plan->outside_line[0])
        return;
    strcpy(behind, text);
    snprintf(text, TEXT_OCTETS, "%s%.*s", plan->outside_line, AGENT_DIGITS_MAX, behind);
    step(t, "outside line", text, "%s for an outside line is put before it", plan->outside_line);
}

void agent_dial_out(const struct agent_dial_plan *plan, const struct agent_short_numbers *shorts,
                    const struct e164 *number, struct agent_dial_trace *ret_trace, struct agent_dialed *ret_dialed)
{
    struct agent_dialed d = {.verdict = AGENT_DIAL_E164, .number = *number};
    if (ret_trace)
        ret_trace->n = 0;
    strcpy(d.text, number->text);
    d.kind = kind_of_number(plan, number->text);
    step(ret_trace, "kind", d.text, "%s", agent_dial_kind_name(d.kind));
    struct agent_dial_rule rule = plan->rules[AGENT_DIAL_OUT][d.kind];
    if (!rule.set)
        rule = default_rule_out(plan, d.kind);
    apply_rule(&rule, d.text);
    explain_rule(ret_trace, &rule, d.text);
    bool is_lost = !d.text[0] || agent_is_short_number(plan, shorts, slice_str(d.text));
    if (!is_lost && d.text[0] != '+' && d.kind != AGENT_DIAL_EXTENSION) {
        put_outside_line(plan, d.text, ret_trace);
        is_lost = agent_is_short_number(plan, shorts, slice_str(d.text));
    }
    if (is_lost) {
        strcpy(d.text, number->text);
        step(ret_trace, "check", d.text, "nothing, or a short number, was left of it: it stays +E.164");
    }
    *ret_dialed = d;
}

void agent_dial_out_short(const struct agent_dial_plan *plan, struct agent_dialed *dialed)
{
    put_outside_line(plan, dialed->text, NULL);
}
