/* What the codec's own files share: pieces of structures that stand in several messages. */
#ifndef RELOAD_CODEC_H
#define RELOAD_CODEC_H

#include "base/reader.h"
#include "reload/body.h"

/* An array that grows in a region; its elements begin zeroed. */
struct reload_array {
    void *items;
    size_t count;
};

/* Room for one more element, or NULL with the reader failed: ERR_LIMIT beyond `max` elements, ERR_NO_MEMORY. All calls for one
 * array give the same element size. */
void *reload_array_next(struct reload_array *array, struct reader *r, struct region *region, size_t element_octets,
                        size_t max, const char *rule);

/* Boolean, 6.3.1.1: 0 or 1. */
bool reload_read_bool(struct reader *r, const char *rule);

/* ResourceId, 6.3.1.1: at most RELOAD_RESOURCE_OCTETS_MAX. */
struct slice reload_read_resource(struct reader *r, const char *rule);
void reload_put_resource(struct buf *out, struct slice resource);

struct id reload_read_id(struct reader *r, const char *rule);
void reload_put_id(struct buf *out, struct id id);

/* NodeId list<0..2^16-1>. */
struct reload_ids reload_read_ids(struct reader *r, const char *rule);
void reload_put_ids(struct buf *out, struct reload_ids ids);

/* KindId list with so many length octets. */
const uint32_t *reload_read_kinds(struct reader *r, unsigned length_octets, struct region *region, size_t *ret_count,
                                  const char *rule);
void reload_put_kinds(struct buf *out, unsigned length_octets, const uint32_t *kinds, size_t count);

/* opaque list<0..2^(8n)-1> of opaque elements<0..2^16-1>: dictionary keys, Kind descriptions. */
const struct slice *reload_read_opaques(struct reader *r, unsigned length_octets, struct region *region, size_t max,
                                        size_t *ret_count, const char *rule);
void reload_put_opaques(struct buf *out, unsigned length_octets, const struct slice *items, size_t count);

void reload_read_destination(struct reader *r, struct reload_destination *ret_destination);
void reload_read_signature(struct reader *r, struct reload_signature *ret_signature);

/* The lists of section 7: StoreKindData and FetchKindResponse; StatKindResponse; StoredDataSpecifier. */
const struct reload_kind_data *reload_read_kind_data(struct reader *r, const struct reload_models *models,
                                                     struct region *region, size_t *ret_count);
const struct reload_kind_meta *reload_read_kind_meta(struct reader *r, const struct reload_models *models,
                                                     struct region *region, size_t *ret_count);
const struct reload_specifier *reload_read_specifiers(struct reader *r, const struct reload_models *models,
                                                      struct region *region, size_t *ret_count);
void reload_put_kind_data(struct buf *out, const struct reload_kind_data *kinds, size_t count);
void reload_put_kind_meta(struct buf *out, const struct reload_kind_meta *kinds, size_t count);
void reload_put_specifiers(struct buf *out, const struct reload_specifier *specifiers, size_t count);

/* Attach and AppAttach. */
void reload_read_attach(struct reader *r, bool application, struct region *region, struct reload_attach *ret_attach);
void reload_put_attach(struct buf *out, bool application, const struct reload_attach *attach);

/* The bodies of Store, Fetch, Stat and Find. */
void reload_read_data_body(struct reader *r, const struct reload_models *models, struct region *region,
                           struct reload_body *body);
void reload_put_data_body(struct buf *out, const struct reload_body *body);

/* A failed decoder's way out: copies the fault, returns the error. */
static inline int reload_fault(const struct reader *r, struct fault *ret_fault)
{
    *ret_fault = r->fault;
    return r->err;
}

#endif
