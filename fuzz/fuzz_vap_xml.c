/* The XML documents of VAP: what is accepted has a canonical form, which is read back to the same form. */
#include "ticket/valinfo.h"
#include "vap/description.h"

#include <stdlib.h>

#define FORMAT_OCTETS_MAX ((size_t)1 << 20)

static void check_description(struct slice xml)
{
    struct vap_description first, second;
    struct fault fault = {0, NULL};
    struct buf a, b;
    if (vap_description_parse(xml, &first, &fault) < 0) {
        if (!fault.rule || fault.octet > xml.n)
            abort();
        return;
    }
    buf_init(&a, FORMAT_OCTETS_MAX);
    buf_init(&b, FORMAT_OCTETS_MAX);
    vap_description_format(&first, &a);
    if (a.err)
        abort();
    /* Escapes may make the canonical form larger than a message may carry. */
    if (vap_description_parse(buf_slice(&a), &second, &fault) == 0) {
        vap_description_format(&second, &b);
        if (!slice_eq(buf_slice(&a), buf_slice(&b)))
            abort();
        vap_description_fini(&second);
    } else if (a.n <= 32767) {
        abort();
    }
    vap_description_fini(&first);
    buf_fini(&a);
    buf_fini(&b);
}

static void check_valinfo(struct slice xml)
{
    struct region region, again;
    struct valinfo first, second;
    struct fault fault = {0, NULL};
    struct buf text;
    region_init(&region, FORMAT_OCTETS_MAX);
    region_init(&again, FORMAT_OCTETS_MAX);
    buf_init(&text, FORMAT_OCTETS_MAX);
    if (valinfo_parse(xml, &region, &first, &fault) < 0) {
        if (!fault.rule || fault.octet > xml.n)
            abort();
    } else if (valinfo_format(&first, &text) == 0 && text.n <= VALINFO_OCTETS_MAX) {
        if (valinfo_parse(buf_slice(&text), &again, &second, &fault) < 0 || second.route_count != first.route_count ||
            !slice_eq(second.ticket, first.ticket))
            abort();
    }
    region_fini(&region);
    region_fini(&again);
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_description(slice_of(data, size));
    check_valinfo(slice_of(data, size));
    return 0;
}
