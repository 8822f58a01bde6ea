/* Stored data, RFC 6940 section 7: values of the three data models, their metadata, and how requests name them. The data model is a
 * property of the Kind and not in the message, so decoders ask for it; values of an unknown Kind stay opaque. */
#ifndef RELOAD_DATA_H
#define RELOAD_DATA_H

#include "reload/message.h"

#define RELOAD_KINDS_MAX 64          /* Kinds in one request or response */
#define RELOAD_VALUES_MAX 4096       /* values of one Kind */
#define RELOAD_RANGES_MAX 256        /* index ranges of one specifier */
#define RELOAD_KEYS_MAX 1024         /* dictionary keys of one specifier */
#define RELOAD_ARRAY_END 0xffffffffu /* the final element of a range; append, in a Store */

enum reload_model {
    RELOAD_MODEL_UNKNOWN = 0,
    RELOAD_MODEL_SINGLE,
    RELOAD_MODEL_ARRAY,
    RELOAD_MODEL_DICTIONARY,
};

/* "SINGLE", "ARRAY", "DICTIONARY" as in 14.7; "unknown". */
const char *reload_model_name(enum reload_model model);

/* Which model a Kind has; UNKNOWN for a Kind that is not in the configuration. */
struct reload_models {
    enum reload_model (*model_of)(void *ctx, uint32_t kind);
    void *ctx;
};

/* The Kinds that RFC 6940 and this project define (9, 8, VIPR-REGISTRATION). */
struct reload_models reload_models_default(void);

/* StoredDataValue, 7.2: one struct for all models. */
struct reload_value {
    enum reload_model model;
    uint32_t index;   /* ARRAY */
    struct slice key; /* DICTIONARY */
    bool exists;
    struct slice octets;
};

/* StoredData, section 7. */
struct reload_stored_data {
    uint64_t storage_time_ms; /* since 1970 */
    uint32_t lifetime_s;
    struct reload_value value;
    struct reload_signature signature;
    struct slice opaque; /* model unknown: StoredDataValue and Signature as they stand; value and signature are empty */
};

/* StoreKindData (7.4.1.1) and FetchKindResponse (7.4.2.2), which are the same on the wire. */
struct reload_kind_data {
    uint32_t kind;
    uint64_t generation_counter;
    enum reload_model model;
    const struct reload_stored_data *values;
    size_t value_count;
};

/* ArrayRange, 7.4.2.1: both ends included. */
struct reload_range {
    uint32_t first;
    uint32_t last;
};

/* StoredDataSpecifier, 7.4.2.1. */
struct reload_specifier {
    uint32_t kind;
    uint64_t generation; /* last seen, or 0 */
    enum reload_model model;
    const struct reload_range *indices; /* ARRAY */
    size_t index_count;
    const struct slice *keys; /* DICTIONARY; none means all */
    size_t key_count;
    struct slice opaque; /* model unknown: model_specifier as it stands */
};

/* StoredMetaData with its MetaDataValue, 7.4.3.2. */
struct reload_stored_meta {
    uint64_t storage_time_ms;
    uint32_t lifetime_s;
    enum reload_model model;
    uint32_t index;   /* ARRAY */
    struct slice key; /* DICTIONARY */
    bool exists;
    uint32_t value_length;  /* octets of the stored value */
    uint8_t hash_algorithm; /* over the value with its 4 length octets */
    struct slice hash;
    struct slice opaque; /* model unknown: MetaDataValue as it stands */
};

/* StatKindResponse. */
struct reload_kind_meta {
    uint32_t kind;
    uint64_t generation;
    enum reload_model model;
    const struct reload_stored_meta *values;
    size_t value_count;
};

/* A StoredData alone, as a store keeps it: exactly these octets, or appended. */
int reload_stored_data_decode(struct slice octets, enum reload_model model, struct reload_stored_data *ret_data,
                              struct fault *ret_fault);
int reload_stored_data_encode(const struct reload_stored_data *data, struct buf *out);

/* StoredDataValue alone. */
int reload_value_encode(const struct reload_value *value, struct buf *out);

/* What the signature of a StoredData covers (7.1): resource_id || kind || storage_time || StoredDataValue || SignerIdentity. The
 * Resource-ID stands with its length octet, as everywhere in a message; an array index counts as 0 (7.4.2.2). */
int reload_stored_data_signed_octets(struct slice resource, uint32_t kind, const struct reload_stored_data *data,
                                     struct buf *out);

/* A value that nobody stored: exists false, identity none, no signature (7.4.2.2). */
struct reload_stored_data reload_stored_data_synthetic(enum reload_model model, uint32_t index, struct slice key);
bool reload_stored_data_is_unsigned(const struct reload_stored_data *data);

/* What hash_value of a Stat covers: the value with its 4 length octets. */
int reload_value_hashed_octets(const struct reload_value *value, struct buf *out);

#endif
