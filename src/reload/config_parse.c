/* Parsing of configuration documents with libxml2: first the scanner, which refuses what libxml2 need not see; then the tree; then the
 * elements by one table of their names, types and bounds. */
#include "reload/config.h"

#include "base/mem.h"
#include "base/text.h"
#include "reload/config_scan.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>

#define PARSE_REGION_OCTETS_MAX (16u << 20)

struct parse {
    struct config *config;
    struct config_fault *fault;
    struct slice document; /* copy in the region */
    const struct config_extent *extents;
    uint64_t seen; /* bit per row of the table, for elements that stand once */
};

static int fail_at(struct parse *p, const xmlNode *node, int err, const char *rule)
{
    long line = node ? xmlGetLineNo(node) : 0;
    *p->fault = (struct config_fault){line > 0 ? (unsigned)line : 0, rule};
    return err;
}

static int fail_memory(struct parse *p)
{
    return fail_at(p, NULL, ERR_NO_MEMORY, "short of memory");
}

/* ---- text ---- */

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct slice trim(struct slice s)
{
    while (s.n && is_space(s.p[0]))
        s = slice_of(s.p + 1, s.n - 1);
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* The element's text without the white space around it, in the region. Elements inside are refused. */
static int element_text(struct parse *p, const xmlNode *node, size_t octets_max, struct slice *ret_text)
{
    size_t n = 0;
    for (const xmlNode *child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE)
            return fail_at(p, child, ERR_SYNTAX, "an element where text is expected");
        if (child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE)
            n += strlen((const char *)child->content);
    }
    uint8_t *text = region_alloc(&p->config->region, n + 1);
    if (!text)
        return fail_memory(p);
    size_t at = 0;
    for (const xmlNode *child = node->children; child; child = child->next)
        if (child->type == XML_TEXT_NODE || child->type == XML_CDATA_SECTION_NODE) {
            size_t part = strlen((const char *)child->content);
            memcpy(text + at, child->content, part);
            at += part;
        }
    struct slice trimmed = trim(slice_of(text, n));
    if (trimmed.n > octets_max)
        return fail_at(p, node, ERR_LIMIT, "a text longer than allowed");
    *ret_text = trimmed;
    return 0;
}

/* An attribute without a namespace; p NULL if absent. In the region. */
static int attribute(struct parse *p, const xmlNode *node, const char *name, struct slice *ret_text)
{
    struct slice text = {NULL, 0};
    xmlChar *value = xmlGetNoNsProp(node, (const xmlChar *)name);
    if (value) {
        struct slice s = trim(slice_str((const char *)value));
        if (s.n > CONFIG_TEXT_OCTETS_MAX) {
            xmlFree(value);
            return fail_at(p, node, ERR_LIMIT, "an attribute longer than allowed");
        }
        text = region_copy(&p->config->region, s);
        xmlFree(value);
        if (!text.p)
            return fail_memory(p);
    }
    *ret_text = text;
    return 0;
}

/* base64 with white space anywhere in it. */
static int element_base64(struct parse *p, const xmlNode *node, size_t octets_max, struct slice *ret_octets)
{
    struct slice text;
    int err = element_text(p, node, octets_max * 2 + 64, &text);
    if (err)
        return err;
    uint8_t *dense = region_alloc(&p->config->region, text.n + 1);
    if (!dense)
        return fail_memory(p);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        if (!is_space(text.p[i]))
            dense[n++] = text.p[i];
    struct buf octets;
    buf_init(&octets, octets_max);
    err = base64_decode(slice_of(dense, n), &octets);
    if (!err)
        *ret_octets = region_copy(&p->config->region, buf_slice(&octets));
    bool copied = err || ret_octets->p;
    buf_fini(&octets);
    if (err)
        return fail_at(p, node, err, "not base64 (RFC 4648), or too long");
    return copied ? 0 : fail_memory(p);
}

static int parse_bool(struct slice text, bool *ret_value)
{
    bool yes = slice_eq_str(text, "true") || slice_eq_str(text, "1");
    if (!yes && !slice_eq_str(text, "false") && !slice_eq_str(text, "0"))
        return ERR_SYNTAX;
    *ret_value = yes;
    return 0;
}

/* Two digits at each place of a date. */
static bool digits(struct slice text, size_t at, size_t n, int *ret_value)
{
    int value = 0;
    for (size_t i = at; i < at + n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        value = 10 * value + (text.p[i] - '0');
    }
    *ret_value = value;
    return true;
}

/* Internet date and time in UTC (RFC 3339): 2026-10-10T07:00:00Z, with or without a fraction. */
static int parse_date(struct slice text, struct wall *ret_time)
{
    int year, month, day, hour, minute, second;
    if (text.n < 20 || text.p[4] != '-' || text.p[7] != '-' || (text.p[10] != 'T' && text.p[10] != 't') ||
        text.p[13] != ':' || text.p[16] != ':' || !digits(text, 0, 4, &year) || !digits(text, 5, 2, &month) ||
        !digits(text, 8, 2, &day) || !digits(text, 11, 2, &hour) || !digits(text, 14, 2, &minute) ||
        !digits(text, 17, 2, &second))
        return ERR_SYNTAX;
    size_t at = 19;
    if (text.p[at] == '.') {
        size_t begin = ++at;
        while (at < text.n && text.p[at] >= '0' && text.p[at] <= '9')
            at++;
        if (at == begin)
            return ERR_SYNTAX;
    }
    struct slice zone = slice_of(text.p + at, text.n - at);
    if (!slice_eq_str(zone, "Z") && !slice_eq_str(zone, "z") && !slice_eq_str(zone, "+00:00"))
        return ERR_SYNTAX;
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
        return ERR_RANGE;
    ret_time->ms = calendar_seconds(year, month, day, hour, minute, second) * 1000;
    return 0;
}

/* ---- lists that grow in the region ---- */

/* Room for one more element behind *count; doubles at powers of two. */
static void *list_room(struct parse *p, void *items, size_t count, size_t octets)
{
    if (count && (count & (count - 1)))
        return items;
    void *more = region_array(&p->config->region, count ? 2 * count : 1, octets);
    if (more && count)
        memcpy(more, items, count * octets);
    return more;
}

static int add_slice(struct parse *p, const xmlNode *node, struct slice **items, size_t *count, struct slice item)
{
    if (*count == CONFIG_LIST_MAX)
        return fail_at(p, node, ERR_LIMIT, "more elements of one name than allowed");
    struct slice *more = list_room(p, *items, *count, sizeof *more);
    if (!more)
        return fail_memory(p);
    *items = more;
    more[(*count)++] = item;
    return 0;
}

static int add_id(struct parse *p, const xmlNode *node, struct id **items, size_t *count, struct slice text)
{
    struct id id;
    if (id_parse(text, &id))
        return fail_at(p, node, ERR_SYNTAX, "a Node-ID has 32 hexadecimal digits");
    if (*count == CONFIG_LIST_MAX)
        return fail_at(p, node, ERR_LIMIT, "more elements of one name than allowed");
    struct id *more = list_room(p, *items, *count, sizeof *more);
    if (!more)
        return fail_memory(p);
    *items = more;
    more[(*count)++] = id;
    return 0;
}

/* ---- elements with something special ---- */

static int parse_bootstrap_node(struct parse *p, const xmlNode *node)
{
    struct config *c = p->config;
    struct slice address, port;
    int err = attribute(p, node, "address", &address);
    if (!err)
        err = attribute(p, node, "port", &port);
    if (err)
        return err;
    uint64_t number = 6084;
    if (port.p && (u64_parse(port, 65535, &number) || number == 0))
        return fail_at(p, node, ERR_RANGE, "port of bootstrap-node: 1 to 65535");
    char text[ADDR_TEXT_OCTETS];
    bool v6 = address.n && memchr(address.p, ':', address.n);
    if (!address.n || address.n > sizeof text - 3)
        return fail_at(p, node, ERR_SYNTAX, "address of bootstrap-node: IPv4 or IPv6");
    size_t n = 0;
    if (v6)
        text[n++] = '[';
    memcpy(text + n, address.p, address.n);
    n += address.n;
    if (v6)
        text[n++] = ']';
    struct addr addr;
    if (addr_parse(slice_of(text, n), (uint16_t)number, &addr) || addr.port != number)
        return fail_at(p, node, ERR_SYNTAX, "address of bootstrap-node: IPv4 or IPv6");
    if (c->bootstrap_node_count == CONFIG_LIST_MAX)
        return fail_at(p, node, ERR_LIMIT, "more elements of one name than allowed");
    struct addr *more = list_room(p, c->bootstrap_nodes, c->bootstrap_node_count, sizeof *more);
    if (!more)
        return fail_memory(p);
    c->bootstrap_nodes = more;
    more[c->bootstrap_node_count++] = addr;
    return 0;
}

static int parse_self_signed(struct parse *p, const xmlNode *node)
{
    struct slice text, digest;
    int err = element_text(p, node, CONFIG_TEXT_OCTETS_MAX, &text);
    if (!err)
        err = attribute(p, node, "digest", &digest);
    if (err)
        return err;
    if (parse_bool(text, &p->config->self_signed_permitted))
        return fail_at(p, node, ERR_SYNTAX, "true, false, 1 or 0");
    if (digest.p && !slice_eq_str(digest, "sha1") && !slice_eq_str(digest, "sha256"))
        return fail_at(p, node, ERR_UNSUPPORTED, "digest of self-signed-permitted: sha1 or sha256");
    if (digest.p)
        p->config->self_signed_digest = digest;
    return 0;
}

static int bounded_attribute(struct parse *p, const xmlNode *node, const char *name, uint32_t low, uint32_t high,
                             uint32_t *ret_value)
{
    struct slice text;
    uint64_t value;
    int err = attribute(p, node, name, &text);
    if (err || !text.p)
        return err;
    if (u64_parse(text, high, &value) || value < low)
        return fail_at(p, node, ERR_RANGE, "a number outside of what its attribute allows");
    *ret_value = (uint32_t)value;
    return 0;
}

static int parse_number_hash(struct parse *p, const xmlNode *node)
{
    struct config *c = p->config;
    struct slice text;
    int err = element_text(p, node, CONFIG_TEXT_OCTETS_MAX, &text);
    if (err)
        return err;
    if (slice_eq_str(text, "sha1"))
        c->number_hash = CONFIG_HASH_SHA1;
    else if (slice_eq_str(text, "argon2id"))
        c->number_hash = CONFIG_HASH_ARGON2ID;
    else
        return fail_at(p, node, ERR_UNSUPPORTED, "number-hash: sha1 or argon2id");
    err = bounded_attribute(p, node, "passes", CONFIG_ARGON2_PASSES_MIN, CONFIG_ARGON2_PASSES_MAX,
                            &c->number_hash_cost.passes);
    if (!err)
        err = bounded_attribute(p, node, "lanes", CONFIG_ARGON2_LANES_MIN, CONFIG_ARGON2_LANES_MAX,
                                &c->number_hash_cost.lanes);
    if (!err)
        err = bounded_attribute(p, node, "memory-kib", CONFIG_ARGON2_KIB_MIN, CONFIG_ARGON2_KIB_MAX,
                                &c->number_hash_cost.memory_kib);
    if (!err && c->number_hash_cost.memory_kib < 8 * c->number_hash_cost.lanes)
        return fail_at(p, node, ERR_RANGE, "argon2id wants 8 KiB per lane");
    return err;
}

static int parse_enrollment_server(struct parse *p, const xmlNode *node)
{
    struct slice text;
    int err = element_text(p, node, CONFIG_TEXT_OCTETS_MAX, &text);
    if (err)
        return err;
    if (text.n <= 8 || memcmp(text.p, "https://", 8) != 0 || !text_is_printable(text))
        return fail_at(p, node, ERR_SYNTAX, "enrollment-server: an https URL");
    return add_slice(p, node, &p->config->enrollment_servers, &p->config->enrollment_server_count, text);
}

/* An attribute with a date; absent: 0. */
static int date_attribute(struct parse *p, const xmlNode *node, const char *name, struct wall *ret_time)
{
    struct slice text;
    int err = attribute(p, node, name, &text);
    if (err || !text.p)
        return err;
    return parse_date(text, ret_time) ? fail_at(p, node, ERR_SYNTAX, "an RFC 3339 date in UTC") : 0;
}

static int parse_required_version(struct parse *p, const xmlNode *node)
{
    struct config *c = p->config;
    int err = element_text(p, node, CONFIG_TEXT_OCTETS_MAX, &c->required_version);
    if (!err)
        err = date_attribute(p, node, "by", &c->required_version_by);
    if (!err && !text_is_printable(c->required_version))
        return fail_at(p, node, ERR_SYNTAX, "required-version: printable ASCII");
    return err;
}

static int parse_ban(struct parse *p, const xmlNode *node)
{
    struct config *c = p->config;
    struct config_ban ban = {.server_id = {NULL, 0}};
    struct slice id;
    int err = element_text(p, node, CONFIG_BAN_REASON_OCTETS_MAX, &ban.reason);
    if (!err)
        err = attribute(p, node, "node", &id);
    if (!err)
        err = attribute(p, node, "server-id", &ban.server_id);
    if (!err)
        err = date_attribute(p, node, "at", &ban.at);
    if (err)
        return err;
    if (!id.p || id_parse(id, &ban.node))
        return fail_at(p, node, ERR_SYNTAX, "node of ban: 32 hexadecimal digits");
    if (!text_is_printable(ban.reason) || !text_is_printable(ban.server_id) || ban.server_id.n > CERT_USER_OCTETS_MAX)
        return fail_at(p, node, ERR_SYNTAX, "ban: reason and server-id are printable ASCII");
    if (c->ban_count == CONFIG_LIST_MAX)
        return fail_at(p, node, ERR_LIMIT, "more elements of one name than allowed");
    struct config_ban *more = list_room(p, c->bans, c->ban_count, sizeof *more);
    if (!more)
        return fail_memory(p);
    c->bans = more;
    more[c->ban_count++] = ban;
    return 0;
}

static int parse_mandatory_extension(struct parse *p, const xmlNode *node)
{
    struct slice text;
    int err = element_text(p, node, CONFIG_TEXT_OCTETS_MAX, &text);
    if (err)
        return err;
    if (!slice_eq_str(text, CONFIG_NS_BASE) && !slice_eq_str(text, CONFIG_NS_CHORD) &&
        !slice_eq_str(text, CONFIG_NS_IME))
        return fail_at(p, node, ERR_UNSUPPORTED, "a mandatory-extension that this version does not have");
    return add_slice(p, node, &p->config->mandatory_extensions, &p->config->mandatory_extension_count, text);
}

static int parse_root_cert(struct parse *p, const xmlNode *node)
{
    struct slice der;
    int err = element_base64(p, node, CERT_DER_OCTETS_MAX, &der);
    return err ? err : add_slice(p, node, &p->config->root_certs, &p->config->root_cert_count, der);
}

static int parse_topology(struct parse *p, const xmlNode *node)
{
    int err = element_text(p, node, CONFIG_TEXT_OCTETS_MAX, &p->config->topology_plugin);
    if (!err && !slice_eq_str(p->config->topology_plugin, "CHORD-RELOAD"))
        return fail_at(p, node, ERR_UNSUPPORTED, "topology-plugin: CHORD-RELOAD is the one that this version has");
    return err;
}

static int parse_required_kinds(struct parse *p, const xmlNode *node);

/* ---- the table ---- */

enum value_type { VALUE_TEXT, VALUE_BOOL, VALUE_NUMBER, VALUE_TEXTS, VALUE_IDS, VALUE_SPECIAL };

static const struct element {
    const char *ns;
    const char *name;
    enum value_type type;
    bool repeats;
    size_t offset;       /* in struct config */
    size_t count_offset; /* of lists */
    uint32_t low, high;  /* of numbers */
    int (*special)(struct parse *p, const xmlNode *node);
} elements[] = {
#define FIELD(member) .offset = offsetof(struct config, member)
#define LIST(member, count) FIELD(member), .count_offset = offsetof(struct config, count), .repeats = true
    {CONFIG_NS_BASE, "topology-plugin", VALUE_SPECIAL, .special = parse_topology},
    {CONFIG_NS_BASE, "topology-plug-in", VALUE_SPECIAL, .special = parse_topology},
    {CONFIG_NS_BASE, "node-id-length", VALUE_NUMBER, FIELD(node_id_length), .low = 16, .high = 20},
    {CONFIG_NS_BASE, "root-cert", VALUE_SPECIAL, .repeats = true, .special = parse_root_cert},
    {CONFIG_NS_BASE, "enrollment-server", VALUE_SPECIAL, .repeats = true, .special = parse_enrollment_server},
    {CONFIG_NS_BASE, "self-signed-permitted", VALUE_SPECIAL, .special = parse_self_signed},
    {CONFIG_NS_BASE, "bootstrap-node", VALUE_SPECIAL, .repeats = true, .special = parse_bootstrap_node},
    {CONFIG_NS_BASE, "turn-density", VALUE_NUMBER, FIELD(turn_density), .low = 0, .high = 255},
    {CONFIG_NS_BASE, "clients-permitted", VALUE_BOOL, FIELD(clients_permitted)},
    {CONFIG_NS_BASE, "no-ice", VALUE_BOOL, FIELD(no_ice)},
    {CONFIG_NS_CHORD, "chord-update-interval", VALUE_NUMBER, FIELD(chord_update_interval_s), .low = 1, .high = 86400},
    {CONFIG_NS_CHORD, "chord-ping-interval", VALUE_NUMBER, FIELD(chord_ping_interval_s), .low = 1, .high = 86400},
    {CONFIG_NS_CHORD, "chord-reactive", VALUE_BOOL, FIELD(chord_reactive)},
    {CONFIG_NS_BASE, "shared-secret", VALUE_TEXT, FIELD(shared_secret)},
    {CONFIG_NS_BASE, "max-message-size", VALUE_NUMBER, FIELD(max_message_size), .low = 1000,
     .high = RELOAD_MESSAGE_OCTETS_MAX},
    {CONFIG_NS_BASE, "initial-ttl", VALUE_NUMBER, FIELD(initial_ttl), .low = 1, .high = 255},
    {CONFIG_NS_BASE, "overlay-reliability-timer", VALUE_NUMBER, FIELD(overlay_reliability_timer_ms), .low = 200,
     .high = 600000},
    {CONFIG_NS_BASE, "overlay-link-protocol", VALUE_TEXTS, LIST(link_protocols, link_protocol_count)},
    {CONFIG_NS_BASE, "configuration-signer", VALUE_IDS, LIST(configuration_signers, configuration_signer_count)},
    {CONFIG_NS_BASE, "kind-signer", VALUE_IDS, LIST(kind_signers, kind_signer_count)},
    {CONFIG_NS_BASE, "bad-node", VALUE_IDS, LIST(bad_nodes, bad_node_count)},
    {CONFIG_NS_BASE, "mandatory-extension", VALUE_SPECIAL, .repeats = true, .special = parse_mandatory_extension},
    {CONFIG_NS_BASE, "required-kinds", VALUE_SPECIAL, .special = parse_required_kinds},
    {CONFIG_NS_IME, "number-hash", VALUE_SPECIAL, .special = parse_number_hash},
    {CONFIG_NS_IME, "lattice-ms", VALUE_NUMBER, FIELD(lattice_ms), .low = CONFIG_LATTICE_MS_MIN,
     .high = CONFIG_LATTICE_MS_MAX},
    {CONFIG_NS_IME, "quota", VALUE_NUMBER, FIELD(quota), .low = 1, .high = CONFIG_QUOTA_MAX},
    {CONFIG_NS_IME, "number-lifetime", VALUE_NUMBER, FIELD(number_lifetime_s), .low = CONFIG_NUMBER_LIFETIME_S_MIN,
     .high = CONFIG_NUMBER_LIFETIME_S_MAX},
    {CONFIG_NS_IME, "message-of-the-day", VALUE_TEXT, FIELD(message_of_the_day)},
    {CONFIG_NS_IME, "required-version", VALUE_SPECIAL, .special = parse_required_version},
    {CONFIG_NS_IME, "ban", VALUE_SPECIAL, .repeats = true, .special = parse_ban},
#undef FIELD
#undef LIST
};
#define ELEMENT_COUNT (sizeof elements / sizeof elements[0])

static bool is_named(const xmlNode *node, const char *ns, const char *name)
{
    return node->type == XML_ELEMENT_NODE && node->ns && node->ns->href &&
           strcmp((const char *)node->ns->href, ns) == 0 && strcmp((const char *)node->name, name) == 0;
}

static int parse_value(struct parse *p, const xmlNode *node, const struct element *e)
{
    uint8_t *field = (uint8_t *)p->config + e->offset;
    size_t *count = (size_t *)(void *)((uint8_t *)p->config + e->count_offset);
    struct slice text;
    uint64_t number;
    if (e->type == VALUE_SPECIAL)
        return e->special(p, node);
    int err = element_text(p, node, CONFIG_TEXT_OCTETS_MAX, &text);
    if (err)
        return err;
    switch (e->type) {
    case VALUE_TEXT:
        *(struct slice *)(void *)field = text;
        return 0;
    case VALUE_BOOL:
        return parse_bool(text, (bool *)field) ? fail_at(p, node, ERR_SYNTAX, "true, false, 1 or 0") : 0;
    case VALUE_NUMBER:
        if (u64_parse(text, e->high, &number) || number < e->low)
            return fail_at(p, node, ERR_RANGE, "a number outside of what its element allows");
        *(uint32_t *)(void *)field = (uint32_t)number;
        return 0;
    case VALUE_TEXTS:
        return add_slice(p, node, (struct slice **)(void *)field, count, text);
    default:
        return add_id(p, node, (struct id **)(void *)field, count, text);
    }
}

static int parse_element(struct parse *p, const xmlNode *node)
{
    for (size_t i = 0; i < ELEMENT_COUNT; i++) {
        if (!is_named(node, elements[i].ns, elements[i].name))
            continue;
        uint64_t bit = UINT64_C(1) << i;
        if (!elements[i].repeats && (p->seen & bit))
            return fail_at(p, node, ERR_SYNTAX, "an element that stands twice");
        p->seen |= bit;
        return parse_value(p, node, &elements[i]);
    }
    /* Not known: for a later version, or of somebody else's namespace. */
    if (node->type == XML_ELEMENT_NODE && !p->config->unknown_line)
        p->config->unknown_line = xmlGetLineNo(node) > 0 ? (unsigned)xmlGetLineNo(node) : 1;
    return 0;
}

/* ---- Kinds ---- */

struct kind_fields {
    bool has_model, has_access, has_count, has_size, has_multiple;
    struct kind kind;
};

static int parse_kind_number(struct parse *p, const xmlNode *node, bool *seen, uint32_t max, uint32_t *ret_value)
{
    struct slice text;
    uint64_t value;
    int err = element_text(p, node, CONFIG_TEXT_OCTETS_MAX, &text);
    if (err)
        return err;
    if (*seen)
        return fail_at(p, node, ERR_SYNTAX, "an element that stands twice");
    if (u64_parse(text, max, &value))
        return fail_at(p, node, ERR_RANGE, "a limit of a Kind beyond what this version supports");
    *seen = true;
    *ret_value = (uint32_t)value;
    return 0;
}

static int parse_kind_word(struct parse *p, const xmlNode *node, struct kind_fields *f)
{
    struct slice text;
    bool model = is_named(node, CONFIG_NS_BASE, "data-model");
    bool *seen = model ? &f->has_model : &f->has_access;
    int err = element_text(p, node, CONFIG_TEXT_OCTETS_MAX, &text);
    if (err)
        return err;
    if (*seen)
        return fail_at(p, node, ERR_SYNTAX, "an element that stands twice");
    *seen = true;
    err = model ? kind_model_parse(text, &f->kind.model) : kind_access_parse(text, &f->kind.access);
    return err ? fail_at(p, node, err, "a data-model or access-control that this version does not have") : 0;
}

static int parse_kind_element(struct parse *p, const xmlNode *node, struct kind_fields *f)
{
    struct kind *k = &f->kind;
    if (is_named(node, CONFIG_NS_BASE, "data-model") || is_named(node, CONFIG_NS_BASE, "access-control"))
        return parse_kind_word(p, node, f);
    if (is_named(node, CONFIG_NS_BASE, "max-count"))
        return parse_kind_number(p, node, &f->has_count, KIND_COUNT_MAX, &k->max_count);
    if (is_named(node, CONFIG_NS_BASE, "max-size"))
        return parse_kind_number(p, node, &f->has_size, KIND_SIZE_MAX, &k->max_size);
    if (is_named(node, CONFIG_NS_BASE, "max-node-multiple"))
        return parse_kind_number(p, node, &f->has_multiple, KIND_NODE_MULTIPLE_MAX, &k->max_node_multiple);
    return 0;
}

/* Model and policy of a Kind that IANA knows override what the document says (11.1). */
static int name_kind(struct parse *p, const xmlNode *node, struct kind_fields *f)
{
    struct slice id, name;
    struct kind registered;
    uint64_t number = 0;
    int err = attribute(p, node, "id", &id);
    if (!err)
        err = attribute(p, node, "name", &name);
    if (err)
        return err;
    if (!id.p == !name.p)
        return fail_at(p, node, ERR_SYNTAX, "kind: either an id or a name");
    if (id.p && (u64_parse(id, UINT32_MAX, &number) || number == 0))
        return fail_at(p, node, ERR_SYNTAX, "id of kind: a decimal number of 32 bits");
    f->kind.id = (uint32_t)number;
    const char *known = kind_name(f->kind.id);
    if (name.p && kind_registered(name, &registered))
        return fail_at(p, node, ERR_UNSUPPORTED, "a Kind that this version does not have");
    if (!name.p && (!known || kind_registered(slice_str(known), &registered)))
        return 0;
    f->kind.id = registered.id;
    f->kind.model = registered.model;
    f->kind.access = registered.access;
    if (!f->has_multiple)
        f->kind.max_node_multiple = registered.max_node_multiple;
    return 0;
}

static int parse_kind(struct parse *p, const xmlNode *node)
{
    struct kind_fields f = {0};
    int err = 0;
    for (const xmlNode *child = node->children; child && !err; child = child->next)
        err = parse_kind_element(p, child, &f);
    if (err)
        return err;
    if (!f.has_model || !f.has_access || !f.has_count || !f.has_size)
        return fail_at(p, node, ERR_SYNTAX, "kind: data-model, access-control, max-count and max-size");
    err = name_kind(p, node, &f);
    if (err)
        return err;
    if (kind_find(&p->config->kinds, f.kind.id))
        return fail_at(p, node, ERR_SYNTAX, "a Kind that stands twice");
    err = kind_add(&p->config->kinds, &f.kind);
    return err ? fail_at(p, node, err, "a Kind whose values contradict each other, or too many Kinds") : 0;
}

/* The document's octets of an element: its number in document order was kept when the tree was numbered. */
static struct slice element_octets(const struct parse *p, const xmlNode *node)
{
    const struct config_extent *e = &p->extents[(uintptr_t)node->_private];
    return slice_of(p->document.p + e->begin, e->end - e->begin);
}

static int parse_kind_block(struct parse *p, const xmlNode *block)
{
    struct config *c = p->config;
    struct config_kind_block result = {0};
    bool has_kind = false, has_signature = false;
    int err = 0;
    for (const xmlNode *node = block->children; node && !err; node = node->next) {
        if (is_named(node, CONFIG_NS_BASE, "kind")) {
            if (has_kind)
                return fail_at(p, node, ERR_SYNTAX, "kind-block: one kind");
            has_kind = true;
            result.signed_octets = element_octets(p, node);
            err = parse_kind(p, node);
        } else if (is_named(node, CONFIG_NS_BASE, "kind-signature")) {
            if (has_signature)
                return fail_at(p, node, ERR_SYNTAX, "kind-block: one kind-signature");
            has_signature = true;
            err = element_base64(p, node, CONFIG_SIGNATURE_OCTETS_MAX, &result.signature);
        }
    }
    if (err)
        return err;
    if (!has_kind)
        return fail_at(p, block, ERR_SYNTAX, "kind-block: one kind");
    struct config_kind_block *more = list_room(p, c->kind_blocks, c->kind_block_count, sizeof *more);
    if (!more)
        return fail_memory(p);
    c->kind_blocks = more;
    more[c->kind_block_count++] = result; /* at most KINDS_MAX: kind_add saw to it */
    return 0;
}

static int parse_required_kinds(struct parse *p, const xmlNode *node)
{
    int err = 0;
    for (const xmlNode *child = node->children; child && !err; child = child->next)
        if (is_named(child, CONFIG_NS_BASE, "kind-block"))
            err = parse_kind_block(p, child);
    return err;
}

/* ---- the document ---- */

static int parse_attributes(struct parse *p, const xmlNode *node)
{
    struct config *c = p->config;
    struct slice sequence, expiration;
    uint64_t number = 0;
    int err = attribute(p, node, "instance-name", &c->instance_name);
    if (!err)
        err = attribute(p, node, "sequence", &sequence);
    if (!err)
        err = attribute(p, node, "expiration", &expiration);
    if (err)
        return err;
    if (!c->instance_name.n || !text_is_printable(c->instance_name))
        return fail_at(p, node, ERR_SYNTAX, "instance-name: a name");
    if (sequence.p && u64_parse(sequence, CONFIG_SEQUENCE_COUNT - 1, &number))
        return fail_at(p, node, ERR_RANGE, "sequence: 0 to 65534");
    c->sequence = (uint16_t)number;
    c->has_sequence = sequence.p != NULL;
    c->expires = expiration.p != NULL;
    if (c->expires && parse_date(expiration, &c->expiration))
        return fail_at(p, node, ERR_SYNTAX, "expiration: an RFC 3339 date in UTC");
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    return id_cmp(*(const struct id *)a, *(const struct id *)b);
}

static int compare_bans(const void *a, const void *b)
{
    return id_cmp(((const struct config_ban *)a)->node, ((const struct config_ban *)b)->node);
}

static int parse_configuration(struct parse *p, const xmlNode *node)
{
    struct config *c = p->config;
    int err = parse_attributes(p, node);
    for (const xmlNode *child = node->children; child && !err; child = child->next)
        err = parse_element(p, child);
    if (!err && c->node_id_length != ID_OCTETS)
        err = fail_at(p, node, ERR_UNSUPPORTED, "node-id-length: 16 is the one that this version has");
    if (err)
        return err;
    if (c->bad_node_count)
        qsort(c->bad_nodes, c->bad_node_count, sizeof *c->bad_nodes, compare_ids);
    if (c->ban_count)
        qsort(c->bans, c->ban_count, sizeof *c->bans, compare_bans);
    c->signed_octets = element_octets(p, node);
    return 0;
}

/* The signature elements between this configuration and the next one. */
static int parse_signatures(struct parse *p, const xmlNode *configuration)
{
    struct config *c = p->config;
    int err = 0;
    for (const xmlNode *node = configuration->next; node && !err; node = node->next) {
        if (is_named(node, CONFIG_NS_BASE, "configuration"))
            break;
        if (!is_named(node, CONFIG_NS_BASE, "signature"))
            continue;
        struct slice block;
        if (c->signature_count == CONFIG_SIGNATURES_MAX)
            return fail_at(p, node, ERR_LIMIT, "more signatures than allowed");
        err = element_base64(p, node, CONFIG_SIGNATURE_OCTETS_MAX, &block);
        if (!err)
            err = add_slice(p, node, &c->signatures, &c->signature_count, block);
    }
    return err;
}

/* The configuration of this overlay. Two of one overlay are refused: it would be unclear which one counts. */
static int choose(struct parse *p, const xmlNode *root, struct slice overlay, const xmlNode **ret_node)
{
    const xmlNode *found = NULL;
    for (const xmlNode *node = root->children; node; node = node->next) {
        struct slice name;
        if (!is_named(node, CONFIG_NS_BASE, "configuration"))
            continue;
        int err = attribute(p, node, "instance-name", &name);
        if (err)
            return err;
        if (overlay.n && !slice_eq(name, overlay))
            continue;
        if (found && overlay.n)
            return fail_at(p, node, ERR_SYNTAX, "two configurations of one overlay");
        found = found ? found : node;
    }
    if (!found)
        return fail_at(p, root, ERR_NOT_FOUND, "no configuration of this overlay");
    *ret_node = found;
    return 0;
}

/* Numbers all elements in document order, as the scanner did. Returns how many there are. */
static size_t number_elements(xmlNode *root)
{
    size_t n = 0;
    xmlNode *node = root;
    while (node) {
        if (node->type == XML_ELEMENT_NODE)
            node->_private = (void *)(uintptr_t)n++;
        if (node->type == XML_ELEMENT_NODE && node->children) {
            node = node->children;
            continue;
        }
        while (node != root && !node->next)
            node = node->parent;
        node = node == root ? NULL : node->next;
    }
    return n;
}

static int parse_tree(struct parse *p, xmlDoc *doc, size_t element_count, struct slice overlay)
{
    xmlNode *root = xmlDocGetRootElement(doc);
    const xmlNode *configuration;
    if (doc->encoding && !text_equal_nocase(slice_str((const char *)doc->encoding), slice_str("UTF-8")))
        return fail_at(p, root, ERR_UNSUPPORTED, "the encoding must be UTF-8");
    if (doc->intSubset || doc->extSubset)
        return fail_at(p, root, ERR_UNSUPPORTED, "a document type: not allowed");
    if (!root || number_elements(root) != element_count)
        return fail_at(p, root, ERR_SYNTAX, "not well-formed");
    if (!is_named(root, CONFIG_NS_BASE, "overlay"))
        return fail_at(p, root, ERR_SYNTAX, "overlay of " CONFIG_NS_BASE);
    int err = choose(p, root, overlay, &configuration);
    if (!err)
        err = parse_configuration(p, configuration);
    if (!err)
        err = parse_signatures(p, configuration);
    return err;
}

/* Reads the tree and fills the configuration, whose document is set. */
static int parse_document(struct parse *p, struct slice overlay)
{
    struct config_extent *extents;
    size_t element_count;
    int err = config_scan(p->document, &p->config->region, &extents, &element_count, p->fault);
    if (err)
        return err;
    p->extents = extents;
    xmlParserCtxt *context = xmlNewParserCtxt();
    if (!context)
        return fail_memory(p);
    xmlDoc *doc = xmlCtxtReadMemory(context, (const char *)p->document.p, (int)p->document.n, NULL, NULL,
                                    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (doc) {
        err = parse_tree(p, doc, element_count, overlay);
    } else {
        int line = context->lastError.line;
        *p->fault = (struct config_fault){line > 0 ? (unsigned)line : 0, "not well-formed"};
        err = context->lastError.code == XML_ERR_NO_MEMORY ? ERR_NO_MEMORY : ERR_SYNTAX;
    }
    xmlFreeDoc(doc);
    xmlFreeParserCtxt(context);
    return err;
}

int config_parse(struct slice document, struct slice overlay, struct config **ret_config,
                 struct config_fault *ret_fault)
{
    struct region region;
    if (document.n > CONFIG_DOCUMENT_OCTETS_MAX) {
        *ret_fault = (struct config_fault){0, "a document of more than 256 KiB"};
        return ERR_LIMIT;
    }
    region_init(&region, PARSE_REGION_OCTETS_MAX);
    struct config *c = region_alloc(&region, sizeof *c);
    struct slice copy = region_copy(&region, document);
    if (!c || !copy.p) {
        region_fini(&region);
        *ret_fault = (struct config_fault){0, "short of memory"};
        return ERR_NO_MEMORY;
    }
    config_init(c);
    c->document = copy;
    c->region = region;
    struct parse p = {.config = c, .fault = ret_fault, .document = copy};
    int err = parse_document(&p, overlay);
    if (err) {
        config_free(c);
        return err;
    }
    *ret_config = c;
    return 0;
}
