/* Kinds of stored data (RFC 6940 sections 5.2, 7.2, 7.3): which values may lie at a Resource-ID, how they are addressed, and who may
 * write them. The table comes from the configuration document; Kinds registered with IANA keep the registered model and policy. */
#ifndef RELOAD_KIND_H
#define RELOAD_KIND_H

#include "base/err.h"
#include "base/id.h"
#include "base/slice.h"
#include "reload/data.h"

/* Section 14.4; the last is ours, its name in the configuration is NODE-KEY-MATCH. */
enum kind_access {
    KIND_USER_MATCH,      /* the Resource-ID is the hash of the signer's user name (7.3.1) */
    KIND_NODE_MATCH,      /* … of the signer's Node-ID (7.3.2) */
    KIND_USER_NODE_MATCH, /* USER-MATCH, and the dictionary key is the signer's Node-ID (7.3.3) */
    KIND_NODE_MULTIPLE,   /* the Resource-ID is the hash of the signer's Node-ID and a small number (7.3.4) */
    KIND_NODE_KEY_MATCH /* the dictionary key is hex(signer's Node-ID) "+" hex(VServiceID), lower case, at any Resource-ID */
};

struct kind {
    uint32_t id;
    enum reload_model model;
    enum kind_access access;
    uint32_t max_count;         /* values that exist per resource; for arrays also one more than the greatest index */
    uint32_t max_size;          /* octets of one value */
    uint32_t max_node_multiple; /* NODE_MULTIPLE only: 1 … */
};

/* Beyond these a Kind definition is refused, whatever the configuration says. */
#define KINDS_MAX 32
#define KIND_COUNT_MAX 4096u
#define KIND_SIZE_MAX (1u << 20)
#define KIND_NODE_MULTIPLE_MAX 255u

/* At most one Kind per id. */
struct kind_table {
    struct kind kinds[KINDS_MAX];
    size_t n;
};

/* NULL if unknown. */
const struct kind *kind_find(const struct kind_table *table, uint32_t id);

/* Adds, or replaces the one of the same id (11.1: newer information overrides). 0, ERR_LIMIT, or ERR_RANGE for values that contradict
 * each other or a limit. */
int kind_add(struct kind_table *table, const struct kind *kind);

/* What IANA registered under this name (model, access and, if fixed, max_node_multiple; the limits are defaults of ours).
 * ERR_NOT_FOUND for others. VIPR-REGISTRATION counts as registered. Ids: enum reload_kind. */
int kind_registered(struct slice name, struct kind *ret_kind);
const char *kind_name(uint32_t id); /* NULL if it has none */

/* "USER-MATCH" …: the words of the configuration document (models: reload_model_name). 0, or ERR_UNSUPPORTED. */
const char *kind_access_name(enum kind_access access);
int kind_model_parse(struct slice text, enum reload_model *ret_model);
int kind_access_parse(struct slice text, enum kind_access *ret_access);

/* The data models of the table, for decoders. Valid as long as the table. */
struct reload_models kind_models(const struct kind_table *table);

/* The overlay's hash: the most significant 128 bits of SHA-1 (10.2). */
struct id kind_hash(struct slice name);

/* Whether a signer with this user name, signing as this node, may write here (7.3). The key is the dictionary's; else empty. */
bool kind_may_write(const struct kind *kind, struct id resource, struct slice key, struct id node, const char *user);

#endif
