/* Decodes answers. */
#include "ctl/answer.h"

#include <jansson.h>

static int decode_refusal(struct ctl_answer *a, struct buf *why)
{
    const json_t *error = json_object_get(a->root, "error");
    a->code = json_string_value(json_object_get(error, "code"));
    a->message = json_string_value(json_object_get(error, "message"));
    a->hint = json_string_value(json_object_get(error, "hint"));
    if (a->code && a->message)
        return 0;
    buf_str(why, "the answer has neither a result nor an error");
    return ERR_SYNTAX;
}

int ctl_answer_decode(struct slice line, struct ctl_answer *ret_answer, struct buf *why)
{
    struct ctl_answer a = {.id = -1};
    json_error_t fault;
    a.root = json_loadb(line.p ? (const char *)line.p : "", line.n, JSON_REJECT_DUPLICATES, &fault);
    if (!a.root) {
        buf_printf(why, "octet %d: the answer is not JSON: %s", fault.position, fault.text);
        return ERR_SYNTAX;
    }
    const json_t *id = json_object_get(a.root, "id");
    if (json_is_integer(id))
        a.id = json_integer_value(id);
    int err = 0;
    if (json_is_true(json_object_get(a.root, "ok")))
        a.result = json_object_get(a.root, "result");
    if (!json_is_object(a.result)) {
        a.result = NULL;
        err = decode_refusal(&a, why);
    }
    if (err) {
        json_decref(a.root);
        return err;
    }
    *ret_answer = a;
    return 0;
}

const struct json_t *ctl_answer_error(const struct ctl_answer *a)
{
    return json_object_get(a->root, "error");
}

void ctl_answer_fini(struct ctl_answer *a)
{
    json_decref(a->root);
    *a = (struct ctl_answer){.id = -1};
}

bool ctl_answer_has_failures(const struct ctl_command *command, const struct ctl_answer *a)
{
    return a->result && command->failed && json_integer_value(json_object_get(a->result, command->failed)) > 0;
}
