/* Checks the values of arguments and keeps them. */
#include "ctl/args.h"

#include "base/addr.h"
#include "base/duration.h"
#include "base/e164.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>

#define TEXT_OCTETS_MAX_DEFAULT 255

void ctl_args_init(struct ctl_args *a, const struct ctl_command *command)
{
    *a = (struct ctl_args){.command = command};
}

void ctl_args_fini(struct ctl_args *a)
{
    for (size_t i = 0; i < a->n; i++) {
        mem_wipe(a->values[i].text, strlen(a->values[i].text));
        mem_free(a->values[i].text);
    }
    a->n = 0;
}

/* As it is written in the usage: VALUE, --epoch. */
static void put_name(const struct ctl_arg *arg, struct buf *out)
{
    if (arg->flags & CTL_OPTION) {
        buf_printf(out, "--%s", arg->name);
        return;
    }
    for (const char *p = arg->name; *p; p++)
        buf_u8(out, (uint8_t)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p));
}

static void put_bounds(const struct ctl_arg *arg, struct buf *out)
{
    char low[DURATION_TEXT_OCTETS], high[DURATION_TEXT_OCTETS];
    if (arg->min == 0 && arg->max == 0)
        buf_str(out, arg->type == CTL_DURATION ? "a duration such as 90s or 1h30m" : "an integer");
    else if (arg->type == CTL_DURATION)
        buf_printf(out, "a duration from %s to %s", duration_format(arg->min, low), duration_format(arg->max, high));
    else
        buf_printf(out, "an integer from %lld to %lld", (long long)arg->min, (long long)arg->max);
}

static void put_rule(const struct ctl_arg *arg, struct buf *out)
{
    long long min = arg->min ? arg->min : 1;
    long long max = arg->max ? arg->max : arg->type == CTL_FILE ? CTL_FILE_OCTETS_MAX : TEXT_OCTETS_MAX_DEFAULT;
    switch (arg->type) {
    case CTL_INTEGER:
    case CTL_DURATION:
        put_bounds(arg, out);
        break;
    case CTL_NUMBER:
        buf_str(out, "a phone number as + and up to 15 digits");
        break;
    case CTL_NODE_ID:
        buf_str(out, "a Node-ID of 32 hexadecimal digits");
        break;
    case CTL_DOMAIN:
        buf_str(out, "a domain name");
        break;
    case CTL_HOST:
        buf_str(out, "a host name or an IP address");
        break;
    case CTL_HEX:
        buf_printf(out, min == max ? "%lld hexadecimal digits" : "%lld to %lld hexadecimal digits", 2 * min, 2 * max);
        break;
    case CTL_TEXT:
        buf_printf(out, "a text of %lld to %lld printable characters", min, max);
        break;
    case CTL_SECRET:
        buf_printf(out, "%lld to %lld printable characters without spaces", min, max);
        break;
    case CTL_SWITCH:
        buf_str(out, "given without a value");
        break;
    case CTL_FILE:
        buf_printf(out, "a text file of %lld to %lld octets", min, max);
        break;
    }
}

static bool in_bounds(const struct ctl_arg *arg, int64_t value)
{
    return (arg->min == 0 && arg->max == 0) || (value >= arg->min && value <= arg->max);
}

static bool length_fits(const struct ctl_arg *arg, size_t n)
{
    size_t min = arg->min ? (size_t)arg->min : 1;
    size_t max = arg->max ? (size_t)arg->max : arg->type == CTL_FILE ? CTL_FILE_OCTETS_MAX : TEXT_OCTETS_MAX_DEFAULT;
    return n >= min && n <= max;
}

static bool is_hex(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return false;
    }
    return text.n % 2 == 0;
}

static bool is_host(struct slice text)
{
    struct addr a;
    char ip[ADDR_TEXT_OCTETS];
    if (domain_is_valid(text))
        return true;
    /* With a default port both "::1" and "[::1]:5" would do: only the address by itself is meant. */
    return addr_parse(text, 1, &a) == 0 && slice_eq_str(text, addr_format_ip(&a, ip));
}

/* 0, ERR_SYNTAX or ERR_RANGE. */
static int check(const struct ctl_arg *arg, struct slice text, int64_t *ret_integer)
{
    uint64_t number;
    struct id id;
    int err;
    switch (arg->type) {
    case CTL_INTEGER:
        err = u64_parse(text, INT64_MAX, &number);
        if (err)
            return err;
        *ret_integer = (int64_t)number;
        return in_bounds(arg, *ret_integer) ? 0 : ERR_RANGE;
    case CTL_DURATION:
        err = duration_parse(text, ret_integer);
        return err ? err : in_bounds(arg, *ret_integer) ? 0 : ERR_RANGE;
    case CTL_NUMBER:
        return e164_is_valid(text) ? 0 : ERR_SYNTAX;
    case CTL_NODE_ID:
        return id_parse(text, &id);
    case CTL_DOMAIN:
        return domain_is_valid(text) ? 0 : ERR_SYNTAX;
    case CTL_HOST:
        return is_host(text) ? 0 : ERR_SYNTAX;
    case CTL_HEX:
        return !is_hex(text) ? ERR_SYNTAX : length_fits(arg, text.n / 2) ? 0 : ERR_RANGE;
    case CTL_TEXT:
        return !text_is_printable(text) ? ERR_SYNTAX : length_fits(arg, text.n) ? 0 : ERR_RANGE;
    case CTL_SECRET:
        if (!text_is_printable(text) || (text.n && memchr(text.p, ' ', text.n)))
            return ERR_SYNTAX;
        return length_fits(arg, text.n) ? 0 : ERR_RANGE;
    case CTL_SWITCH:
        *ret_integer = 1;
        return text.n == 0 || slice_eq_str(text, "true") ? 0 : ERR_SYNTAX;
    case CTL_FILE:
        if (!text_is_utf8(text) || (text.n && memchr(text.p, 0, text.n)))
            return ERR_SYNTAX;
        return length_fits(arg, text.n) ? 0 : ERR_RANGE;
    }
    return ERR_UNSUPPORTED;
}

int ctl_args_add(struct ctl_args *a, const struct ctl_arg *arg, struct slice text, struct buf *why)
{
    if (!(arg->flags & CTL_REPEATED) && ctl_args_has(a, arg->name)) {
        put_name(arg, why);
        buf_str(why, " is given twice");
        return ERR_EXISTS;
    }
    if (a->n == CTL_REPEATED_MAX) {
        buf_printf(why, "more than %d arguments", CTL_REPEATED_MAX);
        return ERR_LIMIT;
    }
    struct ctl_value v = {.arg = arg};
    int err = check(arg, text, &v.integer);
    if (err) {
        put_name(arg, why);
        buf_str(why, arg->type == CTL_SWITCH ? " is " : " must be ");
        put_rule(arg, why);
        if (arg->type != CTL_SECRET && arg->type != CTL_SWITCH && arg->type != CTL_FILE && text_is_printable(text) &&
            text.n <= 128)
            buf_printf(why, ", not `%.*s`", SLICE_PRINT(text));
        return err;
    }
    v.text = mem_alloc(text.n + 1);
    if (!v.text)
        return ERR_NO_MEMORY;
    if (text.n)
        memcpy(v.text, text.p, text.n);
    a->values[a->n++] = v;
    return 0;
}

static bool is_apart(const struct ctl_arg *arg)
{
    return arg->type == CTL_SECRET || arg->type == CTL_FILE;
}

const struct ctl_arg *ctl_command_apart(const struct ctl_command *command)
{
    for (const struct ctl_arg *arg = command->args; arg && arg->name; arg++)
        if (is_apart(arg))
            return arg;
    return NULL;
}

int ctl_args_complete(const struct ctl_args *a, bool with_apart, struct buf *why)
{
    for (const struct ctl_arg *arg = a->command->args; arg && arg->name; arg++) {
        bool needed = !(arg->flags & CTL_OPTIONAL) && (with_apart || !is_apart(arg));
        if (needed && !ctl_args_has(a, arg->name)) {
            put_name(arg, why);
            buf_printf(why, " is missing: %s", arg->help);
            return ERR_NOT_FOUND;
        }
    }
    return 0;
}

static const struct ctl_value *value_at(const struct ctl_args *a, const char *name, size_t i)
{
    bool known = false;
    for (const struct ctl_arg *arg = a->command->args; arg && arg->name; arg++)
        known = known || strcmp(arg->name, name) == 0;
    assert(known && "the handler asks for an argument that the table has");
    for (size_t v = 0; v < a->n; v++)
        if (strcmp(a->values[v].arg->name, name) == 0 && i-- == 0)
            return &a->values[v];
    return NULL;
}

bool ctl_args_has(const struct ctl_args *a, const char *name)
{
    return value_at(a, name, 0) != NULL;
}

int64_t ctl_args_integer(const struct ctl_args *a, const char *name)
{
    const struct ctl_value *v = value_at(a, name, 0);
    return v ? v->integer : 0;
}

const char *ctl_args_text(const struct ctl_args *a, const char *name)
{
    return ctl_args_text_at(a, name, 0);
}

const char *ctl_args_text_at(const struct ctl_args *a, const char *name, size_t i)
{
    const struct ctl_value *v = value_at(a, name, i);
    return v ? v->text : NULL;
}

struct id ctl_args_id(const struct ctl_args *a, const char *name)
{
    struct id id = {{0}};
    const struct ctl_value *v = value_at(a, name, 0);
    if (v && v->arg->type == CTL_NODE_ID)
        id_parse(slice_str(v->text), &id);
    return id;
}

static const char *type_word(const struct ctl_arg *arg)
{
    static const char *const words[] = {
        [CTL_INTEGER] = "N",   [CTL_DURATION] = "DURATION", [CTL_NUMBER] = "+E.164", [CTL_NODE_ID] = "NODE-ID",
        [CTL_DOMAIN] = "NAME", [CTL_HOST] = "NAME|IP",      [CTL_HEX] = "HEX",       [CTL_TEXT] = "TEXT",
        [CTL_SWITCH] = "",     [CTL_SECRET] = "",           [CTL_FILE] = "FILE",
    };
    return words[arg->type];
}

void ctl_command_usage(const struct ctl_command *command, struct buf *out)
{
    buf_str(out, command->words);
    for (const struct ctl_arg *arg = command->args; arg && arg->name; arg++) {
        bool optional = arg->flags & CTL_OPTIONAL;
        if (arg->type == CTL_SECRET) {
            buf_str(out, " [--file FILE]");
            continue;
        }
        buf_str(out, optional ? " [" : " ");
        put_name(arg, out);
        if (arg->flags & CTL_OPTION && arg->type != CTL_SWITCH)
            buf_printf(out, " %s", type_word(arg));
        buf_str(out, optional ? "]" : "");
        buf_str(out, arg->flags & CTL_REPEATED ? "..." : "");
    }
}
