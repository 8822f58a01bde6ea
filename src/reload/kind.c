/* The table of Kinds, the registered ones, and the access control policies (RFC 6940 sections 7.3, 9, 14.4, 14.6). */
#include "reload/kind.h"

#include "base/text.h"
#include "crypt/digest.h"

#define VIPR_KEY_OCTETS (2 * ID_OCTETS + 1 + 16) /* hex(Node-ID) "+" hex(VServiceID) */

/* Models and policies as IANA has them; the limits are what we offer where a configuration does not say. */
static const struct {
    const char *name;
    struct kind kind;
} registered[] = {
    {"TURN-SERVICE", {RELOAD_KIND_TURN_SERVICE, RELOAD_MODEL_SINGLE, KIND_NODE_MULTIPLE, 1, 64, 20}},
    {"CERTIFICATE_BY_NODE", {RELOAD_KIND_CERTIFICATE_BY_NODE, RELOAD_MODEL_ARRAY, KIND_NODE_MATCH, 8, 4096, 0}},
    {"CERTIFICATE_BY_USER", {RELOAD_KIND_CERTIFICATE_BY_USER, RELOAD_MODEL_ARRAY, KIND_USER_MATCH, 8, 4096, 0}},
    {"VIPR-REGISTRATION", {RELOAD_KIND_VIPR_REGISTRATION, RELOAD_MODEL_DICTIONARY, KIND_NODE_KEY_MATCH, 32, 1024, 0}},
};
#define REGISTERED_COUNT (sizeof registered / sizeof registered[0])

static const char *const access_names[] = {
    [KIND_USER_MATCH] = "USER-MATCH",           [KIND_NODE_MATCH] = "NODE-MATCH",
    [KIND_USER_NODE_MATCH] = "USER-NODE-MATCH", [KIND_NODE_MULTIPLE] = "NODE-MULTIPLE",
    [KIND_NODE_KEY_MATCH] = "NODE-KEY-MATCH",
};
#define ACCESS_COUNT (sizeof access_names / sizeof access_names[0])

const struct kind *kind_find(const struct kind_table *table, uint32_t id)
{
    for (size_t i = 0; i < table->n; i++)
        if (table->kinds[i].id == id)
            return &table->kinds[i];
    return NULL;
}

static bool kind_is_sound(const struct kind *kind)
{
    if (kind->id == 0 || kind->max_count < 1 || kind->max_count > KIND_COUNT_MAX || kind->max_size > KIND_SIZE_MAX)
        return false;
    if (kind->model == RELOAD_MODEL_UNKNOWN)
        return false;
    bool keyed = kind->access == KIND_USER_NODE_MATCH || kind->access == KIND_NODE_KEY_MATCH;
    if (keyed && kind->model != RELOAD_MODEL_DICTIONARY)
        return false;
    return kind->access != KIND_NODE_MULTIPLE ||
           (kind->max_node_multiple >= 1 && kind->max_node_multiple <= KIND_NODE_MULTIPLE_MAX);
}

int kind_add(struct kind_table *table, const struct kind *kind)
{
    if (!kind_is_sound(kind))
        return ERR_RANGE;
    for (size_t i = 0; i < table->n; i++)
        if (table->kinds[i].id == kind->id) {
            table->kinds[i] = *kind;
            return 0;
        }
    if (table->n == KINDS_MAX)
        return ERR_LIMIT;
    table->kinds[table->n++] = *kind;
    return 0;
}

int kind_registered(struct slice name, struct kind *ret_kind)
{
    for (size_t i = 0; i < REGISTERED_COUNT; i++)
        if (slice_eq_str(name, registered[i].name)) {
            *ret_kind = registered[i].kind;
            return 0;
        }
    return ERR_NOT_FOUND;
}

const char *kind_name(uint32_t id)
{
    for (size_t i = 0; i < REGISTERED_COUNT; i++)
        if (registered[i].kind.id == id)
            return registered[i].name;
    return NULL;
}

const char *kind_access_name(enum kind_access access)
{
    return access_names[access];
}

int kind_model_parse(struct slice text, enum reload_model *ret_model)
{
    static const enum reload_model models[] = {RELOAD_MODEL_SINGLE, RELOAD_MODEL_ARRAY, RELOAD_MODEL_DICTIONARY};
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
        if (slice_eq_str(text, reload_model_name(models[i]))) {
            *ret_model = models[i];
            return 0;
        }
    return ERR_UNSUPPORTED;
}

int kind_access_parse(struct slice text, enum kind_access *ret_access)
{
    for (size_t i = 0; i < ACCESS_COUNT; i++)
        if (slice_eq_str(text, access_names[i])) {
            *ret_access = (enum kind_access)i;
            return 0;
        }
    return ERR_UNSUPPORTED;
}

static enum reload_model model_of(void *ctx, uint32_t id)
{
    const struct kind *kind = kind_find(ctx, id);
    return kind ? kind->model : RELOAD_MODEL_UNKNOWN;
}

struct reload_models kind_models(const struct kind_table *table)
{
    return (struct reload_models){model_of, (void *)(uintptr_t)table};
}

struct id kind_hash(struct slice name)
{
    uint8_t digest[SHA1_OCTETS];
    struct id id;
    digest_sha1(name, digest);
    memcpy(id.octets, digest, ID_OCTETS);
    return id;
}

static bool user_matches(struct id resource, const char *user)
{
    return user[0] && id_eq(kind_hash(slice_str(user)), resource);
}

/* "Because i is not carried on the wire, the verifier MUST iterate through potential i values" (7.3.4). It counts from 1 and takes one
 * octet, as the iteration of a TurnServer does (9). */
static bool multiple_matches(struct id resource, struct id node, uint32_t max)
{
    uint8_t name[ID_OCTETS + 1];
    memcpy(name, node.octets, ID_OCTETS);
    for (uint32_t i = 1; i <= max; i++) {
        name[ID_OCTETS] = (uint8_t)i;
        if (id_eq(kind_hash(slice_of(name, sizeof name)), resource))
            return true;
    }
    return false;
}

/* Only one spelling, so that nobody has two entries under what is one key. */
static bool vipr_key_matches(struct slice key, struct id node)
{
    char hex[ID_HEX_OCTETS];
    if (key.n != VIPR_KEY_OCTETS || memcmp(key.p, id_format(node, hex), 2 * ID_OCTETS) != 0 ||
        key.p[2 * ID_OCTETS] != '+')
        return false;
    for (size_t i = 2 * ID_OCTETS + 1; i < key.n; i++)
        if (!((key.p[i] >= '0' && key.p[i] <= '9') || (key.p[i] >= 'a' && key.p[i] <= 'f')))
            return false;
    return true;
}

bool kind_may_write(const struct kind *kind, struct id resource, struct slice key, struct id node, const char *user)
{
    switch (kind->access) {
    case KIND_USER_MATCH:
        return user_matches(resource, user);
    case KIND_NODE_MATCH:
        return id_eq(kind_hash(id_slice(&node)), resource);
    case KIND_USER_NODE_MATCH:
        return user_matches(resource, user) && slice_eq(key, id_slice(&node));
    case KIND_NODE_MULTIPLE:
        return multiple_matches(resource, node, kind->max_node_multiple);
    case KIND_NODE_KEY_MATCH:
        return vipr_key_matches(key, node);
    }
    return false;
}
