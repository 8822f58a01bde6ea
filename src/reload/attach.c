/* Attach and AppAttach with their candidates, RFC 6940 6.5.1.1 and 6.5.2. */
#include "reload/codec.h"

struct reload_address reload_address_of(const struct addr *addr)
{
    return (struct reload_address){.type = addr->family == 6 ? RELOAD_ADDRESS_IPV6 : RELOAD_ADDRESS_IPV4,
                                   .addr = *addr};
}

/* IpAddressPort, 6.3.1.1. A later type can be skipped, because it has its length. */
static void read_address(struct reader *r, struct reload_address *a)
{
    size_t at = r->at;
    a->type = read_u8(r, "IpAddressPort type, RFC 6940 6.3.1.1");
    struct reader rest = read_sub_opaque(r, 1, "IpAddressPort length, RFC 6940 6.3.1.1");
    if (!r->err && a->type == 0)
        reader_fail_at(r, ERR_RANGE, at, "IpAddressPort type, RFC 6940 6.3.1.1");
    if (a->type == RELOAD_ADDRESS_IPV4 || a->type == RELOAD_ADDRESS_IPV6) {
        a->addr.family = a->type == RELOAD_ADDRESS_IPV4 ? 4 : 6;
        read_copy(&rest, a->addr.ip, a->type == RELOAD_ADDRESS_IPV4 ? 4 : 16, "IpAddressPort addr, RFC 6940 6.3.1.1");
        a->addr.port = read_u16(&rest, "IpAddressPort port, RFC 6940 6.3.1.1");
    } else {
        a->other = read_slice(&rest, reader_left(&rest), "IpAddressPort value, RFC 6940 6.3.1.1");
    }
    reader_close(r, &rest, "IpAddressPort length, RFC 6940 6.3.1.1");
}

static void put_address(struct buf *out, const struct reload_address *a)
{
    buf_u8(out, a->type);
    size_t mark = buf_open(out, 1);
    if (a->type == RELOAD_ADDRESS_IPV4 || a->type == RELOAD_ADDRESS_IPV6) {
        buf_put(out, a->addr.ip, a->type == RELOAD_ADDRESS_IPV4 ? 4 : 16);
        buf_u16(out, a->addr.port);
    } else {
        buf_slice_put(out, a->other);
    }
    buf_close(out, mark, 1);
}

static bool has_related(uint8_t candidate_type)
{
    return candidate_type == RELOAD_CANDIDATE_SRFLX || candidate_type == RELOAD_CANDIDATE_RELAY;
}

static void read_ice_extensions(struct reader *r, struct region *region, struct reload_candidate *c)
{
    struct reader list = read_sub_opaque(r, 2, "IceCandidate extensions, RFC 6940 6.5.1.1");
    struct reload_array array = {0};
    while (reader_left(&list)) {
        struct reload_ice_extension *e = reload_array_next(&array, &list, region, sizeof *e, RELOAD_ICE_EXTENSIONS_MAX,
                                                           "number of IceExtensions, RFC 6940 6.5.1.1");
        if (!e)
            break;
        e->name = read_opaque(&list, 2, "IceExtension name, RFC 6940 6.5.1.1");
        e->value = read_opaque(&list, 2, "IceExtension value, RFC 6940 6.5.1.1");
    }
    reader_close(r, &list, "IceCandidate extensions, RFC 6940 6.5.1.1");
    c->extensions = array.items;
    c->extension_count = array.count;
}

static void read_candidate(struct reader *r, struct region *region, struct reload_candidate *c)
{
    read_address(r, &c->address);
    c->link = read_u8(r, "overlay_link, RFC 6940 6.5.1.1");
    c->foundation = read_opaque(r, 1, "foundation, RFC 6940 6.5.1.1");
    c->priority = read_u32(r, "priority, RFC 6940 6.5.1.1");
    size_t at = r->at;
    c->type = read_u8(r, "CandType, RFC 6940 6.5.1.1");
    if (has_related(c->type))
        read_address(r, &c->related);
    else if (!r->err && c->type != RELOAD_CANDIDATE_HOST)
        reader_fail_at(r, ERR_UNSUPPORTED, at, "CandType, RFC 6940 6.5.1.1"); /* not known what follows */
    read_ice_extensions(r, region, c);
}

static void put_candidate(struct buf *out, const struct reload_candidate *c)
{
    put_address(out, &c->address);
    buf_u8(out, c->link);
    buf_opaque(out, 1, c->foundation);
    buf_u32(out, c->priority);
    buf_u8(out, c->type);
    if (has_related(c->type))
        put_address(out, &c->related);
    size_t mark = buf_open(out, 2);
    for (size_t i = 0; i < c->extension_count; i++) {
        buf_opaque(out, 2, c->extensions[i].name);
        buf_opaque(out, 2, c->extensions[i].value);
    }
    buf_close(out, mark, 2);
}

void reload_read_attach(struct reader *r, bool application, struct region *region, struct reload_attach *a)
{
    a->ufrag = read_opaque(r, 1, "ufrag, RFC 6940 6.5.1.1");
    a->password = read_opaque(r, 1, "password, RFC 6940 6.5.1.1");
    if (application)
        a->application = read_u16(r, "application, RFC 6940 6.5.2.1");
    a->role = read_opaque(r, 1, "role, RFC 6940 6.5.1.1");
    struct reader list = read_sub_opaque(r, 2, "candidates, RFC 6940 6.5.1.1");
    struct reload_array array = {0};
    while (reader_left(&list)) {
        struct reload_candidate *c = reload_array_next(&array, &list, region, sizeof *c, RELOAD_CANDIDATES_MAX,
                                                       "number of candidates, RFC 6940 6.5.1.1");
        if (c)
            read_candidate(&list, region, c);
    }
    reader_close(r, &list, "candidates, RFC 6940 6.5.1.1");
    a->candidates = array.items;
    a->candidate_count = array.count;
    if (!application)
        a->send_update = reload_read_bool(r, "send_update, RFC 6940 6.5.1.1");
}

void reload_put_attach(struct buf *out, bool application, const struct reload_attach *a)
{
    buf_opaque(out, 1, a->ufrag);
    buf_opaque(out, 1, a->password);
    if (application)
        buf_u16(out, a->application);
    buf_opaque(out, 1, a->role);
    size_t mark = buf_open(out, 2);
    for (size_t i = 0; i < a->candidate_count; i++)
        put_candidate(out, &a->candidates[i]);
    buf_close(out, mark, 2);
    if (!application)
        buf_u8(out, a->send_update);
}
