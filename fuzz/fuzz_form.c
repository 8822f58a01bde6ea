/* Forms of strangers: the first line is the Content-Type, the rest the body. What is read lies within the body. */
#include "enroll/form.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t n)
{
    const uint8_t *end = memchr(octets, '\n', n);
    if (!end)
        return 0;
    struct slice type = slice_of(octets, (size_t)(end - octets));
    struct slice body = slice_of(end + 1, n - type.n - 1);
    struct form form;
    struct fault fault = {0};
    int err = form_parse(type, body, &form, &fault);
    if (err && (!fault.rule || fault.octet > body.n))
        abort();
    for (size_t i = 0; !err && i < form.n; i++) {
        const struct form_field *field = &form.fields[i];
        if (!field->name.p || field->value.p < body.p || field->value.p + field->value.n > body.p + body.n)
            abort();
    }
    return 0;
}
