/* Encodes and decodes requests. jansson reads the JSON; before that its size, depth and number of elements are bounded, so that a line
 * costs no more memory than a small multiple of itself. */
#include "ctl/request.h"

#include "base/nearest.h"
#include "base/text.h"
#include "ctl/writer.h"

#include <jansson.h>
#include <stdio.h>

/* Objects and arrays within each other, and all elements together, that a request may have. */
enum { REQUEST_DEPTH_MAX = 4, REQUEST_ELEMENTS_MAX = 512 };

int ctl_request_encode(int64_t id, const struct ctl_args *args, struct buf *out)
{
    struct ctl_writer w;
    ctl_writer_init(&w, out);
    ctl_put_integer(&w, "id", id);
    ctl_open_array(&w, "command");
    struct slice rest = slice_str(args->command->words);
    while (rest.p)
        ctl_put_slice(&w, NULL, text_cut(&rest, ' '));
    ctl_close(&w);
    ctl_open_object(&w, "args");
    for (const struct ctl_arg *arg = args->command->args; arg && arg->name; arg++) {
        if (!ctl_args_has(args, arg->name))
            continue;
        if (arg->type == CTL_SWITCH)
            ctl_put_boolean(&w, arg->name, true);
        else if (arg->type == CTL_INTEGER && !(arg->flags & CTL_REPEATED))
            ctl_put_integer(&w, arg->name, ctl_args_integer(args, arg->name));
        else if (!(arg->flags & CTL_REPEATED))
            ctl_put_text(&w, arg->name, ctl_args_text(args, arg->name));
        else {
            ctl_open_array(&w, arg->name);
            for (size_t i = 0; ctl_args_text_at(args, arg->name, i); i++)
                ctl_put_text(&w, NULL, ctl_args_text_at(args, arg->name, i));
            ctl_close(&w);
        }
    }
    return ctl_writer_end(&w);
}

/* Counts brackets and separators outside of strings. */
static int check_shape(struct slice line, struct buf *why)
{
    unsigned depth = 0, elements = 0;
    bool in_string = false;
    for (size_t i = 0; i < line.n; i++) {
        uint8_t c = line.p[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            continue;
        }
        in_string = c == '"';
        depth += c == '{' || c == '[';
        depth -= (c == '}' || c == ']') && depth > 0;
        elements += c == ',' || c == '{' || c == '[';
        if (depth > REQUEST_DEPTH_MAX || elements > REQUEST_ELEMENTS_MAX) {
            buf_str(why, depth > REQUEST_DEPTH_MAX ? "the request is nested too deeply"
                                                   : "the request has too many elements");
            return ERR_LIMIT;
        }
    }
    return 0;
}

static int decode_command(const json_t *array, unsigned programs, const struct ctl_command **ret_command,
                          struct buf *why)
{
    const char *words[CTL_WORDS_MAX];
    size_t n = json_array_size(array);
    if (!json_is_array(array) || n == 0 || n > CTL_WORDS_MAX) {
        buf_str(why, "`command` must be an array of words");
        return ERR_SYNTAX;
    }
    for (size_t i = 0; i < n; i++) {
        words[i] = json_string_value(json_array_get(array, i));
        if (!words[i] || !text_is_printable(slice_str(words[i])) || strlen(words[i]) > NEAREST_OCTETS_MAX) {
            buf_str(why, "`command` must be an array of words");
            return ERR_SYNTAX;
        }
    }
    size_t own = 0;
    const struct ctl_command *command = ctl_command_find(words, n, &own);
    if (!command || own != n) {
        ctl_command_explain_unknown(words, n, why);
        return ERR_NOT_FOUND;
    }
    if (!(command->programs & programs)) {
        buf_printf(why, "`%s` is answered by another daemon (", command->words);
        ctl_program_names(command->programs, " or ", why);
        buf_str(why, ")");
        return ERR_UNSUPPORTED;
    }
    *ret_command = command;
    return 0;
}

static const struct ctl_arg *find_arg(const struct ctl_command *command, const char *name)
{
    for (const struct ctl_arg *arg = command->args; arg && arg->name; arg++)
        if (strcmp(arg->name, name) == 0)
            return arg;
    return NULL;
}

static int add_value(struct ctl_args *a, const struct ctl_arg *arg, const json_t *value, struct buf *why)
{
    char digits[24];
    if (json_is_string(value))
        return ctl_args_add(a, arg, slice_of(json_string_value(value), json_string_length(value)), why);
    if (json_is_integer(value)) {
        snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(value));
        return ctl_args_add(a, arg, slice_str(digits), why);
    }
    if (json_is_true(value) && arg->type == CTL_SWITCH)
        return ctl_args_add(a, arg, slice_str("true"), why);
    buf_printf(why, "the value of `%s` is of the wrong kind", arg->name);
    return ERR_SYNTAX;
}

static int decode_args(const json_t *object, struct ctl_args *a, struct buf *why)
{
    const char *name;
    json_t *value;
    if (object && !json_is_object(object)) {
        buf_str(why, "`args` must be an object");
        return ERR_SYNTAX;
    }
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        const struct ctl_arg *arg = find_arg(a->command, name);
        if (!arg) {
            buf_printf(why, "`%s` has no such argument", a->command->words);
            return ERR_NOT_FOUND;
        }
        bool list = arg->flags & CTL_REPEATED && json_is_array(value);
        size_t n = list ? json_array_size(value) : 1;
        for (size_t i = 0; i < n; i++) {
            int err = add_value(a, arg, list ? json_array_get(value, i) : value, why);
            if (err)
                return err;
        }
    }
    return ctl_args_complete(a, true, why);
}

static int decode_object(const json_t *root, unsigned programs, int64_t *ret_id, struct ctl_args *ret_args,
                         struct buf *why)
{
    const json_t *id = json_object_get(root, "id");
    if (!json_is_integer(id) || json_integer_value(id) < 0) {
        buf_str(why, "`id` must be an integer from 0");
        return ERR_SYNTAX;
    }
    *ret_id = json_integer_value(id);
    const struct ctl_command *command;
    int err = decode_command(json_object_get(root, "command"), programs, &command, why);
    if (err)
        return err;
    ctl_args_init(ret_args, command);
    err = decode_args(json_object_get(root, "args"), ret_args, why);
    if (err)
        ctl_args_fini(ret_args);
    return err;
}

int ctl_request_decode(struct slice line, unsigned programs, int64_t *ret_id, struct ctl_args *ret_args,
                       struct buf *why)
{
    *ret_id = -1;
    int err = check_shape(line, why);
    if (err)
        return err;
    /* Without this the library would seed its hash tables from the kernel. Few elements: collisions do not matter. */
    json_object_seed(1);
    json_error_t fault;
    json_t *root = json_loadb(line.p ? (const char *)line.p : "", line.n, JSON_REJECT_DUPLICATES, &fault);
    if (!root) {
        buf_printf(why, "octet %d: the request is not JSON: %s", fault.position, fault.text);
        return ERR_SYNTAX;
    }
    if (json_is_object(root)) {
        err = decode_object(root, programs, ret_id, ret_args, why);
    } else {
        buf_str(why, "the request must be an object");
        err = ERR_SYNTAX;
    }
    json_decref(root);
    return err;
}
