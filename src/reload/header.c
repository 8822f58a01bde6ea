/* The forwarding header, RFC 6940 6.3.2, and what forwarding does to it, 6.1. */
#include "reload/header.h"

#include "crypt/digest.h"
#include "reload/codec.h"

uint32_t reload_overlay_hash(struct slice name)
{
    uint8_t digest[SHA1_OCTETS];
    digest_sha1(name, digest);
    const uint8_t *low = digest + SHA1_OCTETS - 4;
    return (uint32_t)low[0] << 24 | (uint32_t)low[1] << 16 | (uint32_t)low[2] << 8 | low[3];
}

/* ---- Destination ---- */

struct reload_destination reload_destination_node(struct id node)
{
    return (struct reload_destination){.type = RELOAD_DESTINATION_NODE, .node = node};
}

struct reload_destination reload_destination_resource(struct slice resource)
{
    return (struct reload_destination){.type = RELOAD_DESTINATION_RESOURCE, .octets = resource};
}

struct reload_destination reload_destination_opaque(struct slice opaque_id)
{
    return (struct reload_destination){.type = RELOAD_DESTINATION_OPAQUE_ID, .octets = opaque_id};
}

struct reload_destination reload_destination_compact(const uint8_t id_octets[2])
{
    return (struct reload_destination){
        .type = RELOAD_DESTINATION_OPAQUE_ID, .compact = true, .octets = slice_of(id_octets, 2)};
}

/* The 2-octet form stands for the long form of the same id (6.3.2.2). */
bool reload_destination_eq(const struct reload_destination *a, const struct reload_destination *b)
{
    return a->type == b->type &&
           (a->type == RELOAD_DESTINATION_NODE ? id_eq(a->node, b->node) : slice_eq(a->octets, b->octets));
}

void reload_read_destination(struct reader *r, struct reload_destination *ret_destination)
{
    struct reload_destination *d = ret_destination;
    size_t at = r->at;
    d->type = read_u8(r, "destination type, RFC 6940 6.3.2.2");
    d->compact = (d->type & 0x80) != 0;
    if (d->compact) {
        read_u8(r, "16-bit opaque_id, RFC 6940 6.3.2.2");
        d->type = RELOAD_DESTINATION_OPAQUE_ID;
        if (!r->err)
            d->octets = slice_of(r->base + at, 2);
        return;
    }
    struct reader data = read_sub_opaque(r, 1, "destination length, RFC 6940 6.3.2.2");
    switch (d->type) {
    case 0:
        reader_fail_at(r, ERR_RANGE, at, "destination type, RFC 6940 6.3.2.2");
        return;
    case RELOAD_DESTINATION_NODE:
        d->node = reload_read_id(&data, "node_id, RFC 6940 6.3.2.2");
        break;
    case RELOAD_DESTINATION_RESOURCE:
        d->octets = reload_read_resource(&data, "resource_id, RFC 6940 6.3.2.2");
        break;
    case RELOAD_DESTINATION_OPAQUE_ID:
        d->octets = read_opaque(&data, 1, "opaque_id, RFC 6940 6.3.2.2");
        break;
    default:
        d->octets = read_slice(&data, reader_left(&data), "destination_data, RFC 6940 6.3.2.2");
    }
    reader_close(r, &data, "destination length, RFC 6940 6.3.2.2");
}

static size_t destination_octets(const struct reload_destination *d)
{
    if (d->compact)
        return 2;
    switch (d->type) {
    case RELOAD_DESTINATION_NODE:
        return 2 + ID_OCTETS;
    case RELOAD_DESTINATION_RESOURCE:
    case RELOAD_DESTINATION_OPAQUE_ID:
        return 3 + d->octets.n;
    default:
        return 2 + d->octets.n;
    }
}

int reload_destination_encode(const struct reload_destination *d, struct buf *out)
{
    if (d->compact) {
        if ((d->octets.n != 2 || !(d->octets.p[0] & 0x80)) && !out->err)
            out->err = ERR_RANGE;
        buf_slice_put(out, d->octets);
        return out->err;
    }
    buf_u8(out, d->type);
    size_t mark = buf_open(out, 1);
    if (d->type == RELOAD_DESTINATION_NODE)
        reload_put_id(out, d->node);
    else if (d->type == RELOAD_DESTINATION_RESOURCE || d->type == RELOAD_DESTINATION_OPAQUE_ID)
        reload_put_resource(out, d->octets); /* the same bounds for both */
    else
        buf_slice_put(out, d->octets);
    buf_close(out, mark, 1);
    return out->err;
}

/* All octets of the reader. A Resource-ID may only be the last entry of a Destination List (6.3.2.2). */
static const struct reload_destination *read_destinations(struct reader *r, bool via, struct region *region,
                                                          size_t *ret_count)
{
    const char *rule = via ? "Via List entries, RFC 6940 6.3.2" : "Destination List entries, RFC 6940 6.3.2";
    struct reload_array list = {0};
    while (reader_left(r)) {
        size_t at = r->at;
        struct reload_destination *d = reload_array_next(&list, r, region, sizeof *d, RELOAD_DESTINATIONS_MAX, rule);
        if (!d)
            break;
        reload_read_destination(r, d);
        if (d->type == RELOAD_DESTINATION_RESOURCE && via)
            reader_fail_at(r, ERR_SYNTAX, at, "resource in a Via List, RFC 6940 6.3.2.2");
        if (d->type == RELOAD_DESTINATION_RESOURCE && reader_left(r))
            reader_fail_at(r, ERR_SYNTAX, at, "resource before the end of a Destination List, RFC 6940 6.3.2.2");
    }
    *ret_count = list.count;
    return list.items;
}

int reload_destinations_decode(struct slice octets, struct region *region,
                               const struct reload_destination **ret_destinations, size_t *ret_count,
                               struct fault *ret_fault)
{
    struct reader r;
    reader_init(&r, octets);
    size_t count;
    const struct reload_destination *list = read_destinations(&r, false, region, &count);
    if (r.err)
        return reload_fault(&r, ret_fault);
    *ret_destinations = list;
    *ret_count = count;
    return 0;
}

/* ---- the header ---- */

static const struct reload_option *read_options(struct reader *r, struct region *region, size_t *ret_count)
{
    struct reload_array list = {0};
    while (reader_left(r)) {
        size_t at = r->at;
        struct reload_option *o =
            reload_array_next(&list, r, region, sizeof *o, RELOAD_OPTIONS_MAX, "forwarding options, RFC 6940 6.3.2.3");
        if (!o)
            break;
        o->type = read_u8(r, "forwarding option type, RFC 6940 6.3.2.3");
        o->flags = read_u8(r, "forwarding option flags, RFC 6940 6.3.2.3");
        o->value = read_opaque(r, 2, "forwarding option length, RFC 6940 6.3.2.3");
        if (o->type == 0)
            reader_fail_at(r, ERR_RANGE, at, "forwarding option type, RFC 6940 6.3.2.3");
    }
    *ret_count = list.count;
    return list.items;
}

static void check(struct reader *r, bool good, int err, size_t octet, const char *rule)
{
    if (!r->err && !good)
        reader_fail_at(r, err, octet, rule);
}

/* The fixed part; the lengths of the three lists are given back. */
static void read_fixed(struct reader *r, bool any_version, struct reload_header *h, size_t ret_lengths[3])
{
    uint32_t token = read_u32(r, "relo_token, RFC 6940 6.3.2");
    check(r, token == RELOAD_TOKEN, ERR_SYNTAX, 0, "relo_token, RFC 6940 6.3.2");
    h->overlay = read_u32(r, "overlay, RFC 6940 6.3.2");
    h->configuration_sequence = read_u16(r, "configuration_sequence, RFC 6940 6.3.2");
    uint8_t version = read_u8(r, "version, RFC 6940 6.3.2");
    check(r, any_version || version == RELOAD_VERSION, ERR_UNSUPPORTED, r->at - 1, "version, RFC 6940 6.3.2");
    h->ttl = read_u8(r, "ttl, RFC 6940 6.3.2");
    h->fragment = read_u32(r, "fragment, RFC 6940 6.3.2");
    check(r, h->fragment & RELOAD_FRAGMENT_HIGH, ERR_SYNTAX, r->at - 4, "fragment without its high bit, RFC 6940 6.7");
    h->length = read_u32(r, "length, RFC 6940 6.3.2");
    h->transaction_id = read_u64(r, "transaction_id, RFC 6940 6.3.2");
    h->max_response_length = read_u32(r, "max_response_length, RFC 6940 6.3.2");
    ret_lengths[0] = read_u16(r, "via_list_length, RFC 6940 6.3.2");
    ret_lengths[1] = read_u16(r, "destination_list_length, RFC 6940 6.3.2");
    ret_lengths[2] = read_u16(r, "options_length, RFC 6940 6.3.2");
    h->octets = RELOAD_HEADER_FIXED_OCTETS + ret_lengths[0] + ret_lengths[1] + ret_lengths[2];
    check(r, h->length >= h->octets, ERR_SYNTAX, RELOAD_LENGTH_OCTET, "length shorter than the header, RFC 6940 6.3.2");
    check(r, h->length <= RELOAD_MESSAGE_OCTETS_MAX, ERR_LIMIT, RELOAD_LENGTH_OCTET, "length, RFC 6940 6.3.2");
}

enum input { INPUT_WHOLE, INPUT_PREFIX, INPUT_OTHER_VERSION };

static int decode_header(struct slice octets, enum input input, struct region *region, struct reload_header *ret_header,
                         struct fault *ret_fault)
{
    struct reader r;
    reader_init(&r, octets);
    struct reload_header h = {0};
    size_t lengths[3] = {0};
    read_fixed(&r, input == INPUT_OTHER_VERSION, &h, lengths);
    check(&r, input == INPUT_PREFIX || h.length == octets.n, h.length > octets.n ? ERR_TRUNCATED : ERR_SYNTAX,
          RELOAD_LENGTH_OCTET, "length differs from the octets received, RFC 6940 6.3.2");
    struct reader via = read_sub(&r, lengths[0], "via_list_length, RFC 6940 6.3.2");
    h.via = read_destinations(&via, true, region, &h.via_count);
    reader_close(&r, &via, "via_list_length, RFC 6940 6.3.2");
    struct reader destinations = read_sub(&r, lengths[1], "destination_list_length, RFC 6940 6.3.2");
    h.destinations = read_destinations(&destinations, false, region, &h.destination_count);
    reader_close(&r, &destinations, "destination_list_length, RFC 6940 6.3.2");
    struct reader options = read_sub(&r, lengths[2], "options_length, RFC 6940 6.3.2");
    h.options = read_options(&options, region, &h.option_count);
    reader_close(&r, &options, "options_length, RFC 6940 6.3.2");
    if (r.err)
        return reload_fault(&r, ret_fault);
    *ret_header = h;
    return 0;
}

int reload_header_decode(struct slice message, struct region *region, struct reload_header *ret_header,
                         struct fault *ret_fault)
{
    return decode_header(message, INPUT_WHOLE, region, ret_header, ret_fault);
}

int reload_header_peek(struct slice prefix, struct region *region, struct reload_header *ret_header,
                       struct fault *ret_fault)
{
    return decode_header(prefix, INPUT_PREFIX, region, ret_header, ret_fault);
}

int reload_header_decode_other_version(struct slice message, struct region *region, struct reload_header *ret_header,
                                       struct fault *ret_fault)
{
    return decode_header(message, INPUT_OTHER_VERSION, region, ret_header, ret_fault);
}

static size_t list_octets(const struct reload_destination *list, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += destination_octets(&list[i]);
    return n;
}

static size_t option_octets(const struct reload_header *h)
{
    size_t n = 0;
    for (size_t i = 0; i < h->option_count; i++)
        n += 4 + h->options[i].value.n;
    return n;
}

size_t reload_header_encoded_octets(const struct reload_header *h)
{
    return RELOAD_HEADER_FIXED_OCTETS + list_octets(h->via, h->via_count) +
           list_octets(h->destinations, h->destination_count) + option_octets(h);
}

static void require(struct buf *out, bool fits)
{
    if (!fits && !out->err)
        out->err = ERR_RANGE;
}

int reload_header_encode(const struct reload_header *h, size_t rest_octets, struct buf *out)
{
    size_t via = list_octets(h->via, h->via_count);
    size_t destinations = list_octets(h->destinations, h->destination_count);
    size_t options = option_octets(h);
    size_t length = RELOAD_HEADER_FIXED_OCTETS + via + destinations + options + rest_octets;
    require(out, via <= UINT16_MAX && destinations <= UINT16_MAX && options <= UINT16_MAX);
    require(out, length <= RELOAD_MESSAGE_OCTETS_MAX);
    buf_u32(out, RELOAD_TOKEN);
    buf_u32(out, h->overlay);
    buf_u16(out, h->configuration_sequence);
    buf_u8(out, RELOAD_VERSION);
    buf_u8(out, h->ttl);
    buf_u32(out, h->fragment);
    buf_u32(out, (uint32_t)length);
    buf_u64(out, h->transaction_id);
    buf_u32(out, h->max_response_length);
    buf_u16(out, (uint16_t)via);
    buf_u16(out, (uint16_t)destinations);
    buf_u16(out, (uint16_t)options);
    for (size_t i = 0; i < h->via_count; i++)
        reload_destination_encode(&h->via[i], out);
    for (size_t i = 0; i < h->destination_count; i++)
        reload_destination_encode(&h->destinations[i], out);
    for (size_t i = 0; i < h->option_count; i++) {
        buf_u8(out, h->options[i].type);
        buf_u8(out, h->options[i].flags);
        buf_opaque(out, 2, h->options[i].value);
    }
    return out->err;
}

/* ---- forwarding ---- */

/* Two lists one behind the other in new memory. */
static int join(const struct reload_destination *a, size_t a_count, const struct reload_destination *b, size_t b_count,
                struct region *region, const struct reload_destination **ret_list)
{
    if (a_count + b_count > RELOAD_DESTINATIONS_MAX)
        return ERR_LIMIT;
    struct reload_destination *list = region_array(region, a_count + b_count, sizeof *list);
    if (!list)
        return ERR_NO_MEMORY;
    if (a_count)
        memcpy(list, a, a_count * sizeof *list);
    if (b_count)
        memcpy(list + a_count, b, b_count * sizeof *list);
    *ret_list = list;
    return 0;
}

int reload_header_via_append(struct reload_header *h, const struct reload_destination *entry, struct region *region)
{
    int err = join(h->via, h->via_count, entry, 1, region, &h->via);
    if (!err)
        h->via_count++;
    return err;
}

void reload_header_destination_pop(struct reload_header *h)
{
    if (h->destination_count) {
        h->destinations++;
        h->destination_count--;
    }
}

int reload_header_destination_replace(struct reload_header *h, const struct reload_destination *entries, size_t count,
                                      struct region *region)
{
    struct reload_header popped = *h;
    reload_header_destination_pop(&popped);
    int err = join(entries, count, popped.destinations, popped.destination_count, region, &h->destinations);
    if (!err)
        h->destination_count = count + popped.destination_count;
    return err;
}

int reload_header_reverse_via(const struct reload_header *request, struct region *region,
                              const struct reload_destination **ret_destinations, size_t *ret_count)
{
    struct reload_destination *list = region_array(region, request->via_count, sizeof *list);
    if (!list)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < request->via_count; i++)
        list[i] = request->via[request->via_count - 1 - i];
    *ret_destinations = list;
    *ret_count = request->via_count;
    return 0;
}

int reload_message_forward(struct slice message, const struct reload_header *received,
                           const struct reload_header *header, struct buf *out)
{
    struct slice rest = slice_of(message.p + received->octets, message.n - received->octets);
    reload_header_encode(header, rest.n, out);
    buf_slice_put(out, rest);
    return out->err;
}
