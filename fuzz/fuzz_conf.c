/* Configuration files: any octets give a configuration or messages, and what was accepted prints as something that is accepted again. */
#include "../test/unit/conf/sample.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf errors;
    struct conf *c = NULL;
    buf_init(&errors, 1 << 20);
    if (conf_parse(&sample_table, "fuzz", slice_of(data, size), &errors, &c) == 0) {
        struct buf out;
        buf_init(&out, 16 << 20);
        conf_print_effective(c, &out);
        if (errors.n || conf_integer(conf_section(c, "limits"), "entropy") > 255)
            abort();
        buf_fini(&out);
        conf_free(c);
    } else if (errors.n == 0) {
        abort();
    }
    buf_fini(&errors);
    return 0;
}
