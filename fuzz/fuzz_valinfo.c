/* ValInfo documents and route URIs: what was read and can be written reads as the same again. */
#include "ticket/valinfo.h"

#include <stdlib.h>

enum { REGION_OCTETS = 1 << 18 };

static void check_uri(struct slice text)
{
    struct route_uri uri;
    struct fault fault = {0, NULL};
    if (route_uri_parse(text, &uri, &fault) < 0) {
        if (!fault.rule || fault.octet > text.n)
            abort();
        return;
    }
    struct route_uri again;
    struct buf b;
    buf_init(&b, 2 * VALINFO_URI_OCTETS_MAX);
    if (route_uri_format(&uri, &b) < 0)
        abort();
    /* Normal form may be longer than what came: ";transport=tcp" is added. */
    if (b.n <= VALINFO_URI_OCTETS_MAX &&
        (route_uri_parse(buf_slice(&b), &again, NULL) < 0 || !slice_eq(again.agent_id, uri.agent_id) ||
         !addr_eq(&again.address, &uri.address)))
        abort();
    buf_fini(&b);
}

static void check_again(const struct valinfo *v, struct slice xml)
{
    struct region region;
    struct valinfo again;
    region_init(&region, REGION_OCTETS);
    if (valinfo_parse(xml, &region, &again, NULL) < 0 || again.route_count != v->route_count ||
        !slice_eq(again.ticket, v->ticket))
        abort();
    for (size_t i = 0; i < v->route_count; i++)
        if (!slice_eq(again.routes[i], v->routes[i]))
            abort();
    region_fini(&region);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    struct region region;
    struct valinfo v;
    struct fault fault = {0, NULL};
    check_uri(input);
    region_init(&region, REGION_OCTETS);
    if (valinfo_parse(input, &region, &v, &fault) == 0) {
        struct buf xml;
        for (size_t i = 0; i < v.route_count; i++)
            check_uri(v.routes[i]);
        buf_init(&xml, VALINFO_OCTETS_MAX);
        if (valinfo_format(&v, &xml) == 0)
            check_again(&v, buf_slice(&xml));
        buf_fini(&xml);
    } else if (!fault.rule) {
        abort();
    }
    region_fini(&region);
    return 0;
}
