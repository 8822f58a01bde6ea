/* A RELOAD message of any octets: refused with octet and rule, or decoded to the last field and encoded to the same octets. */
#include "reload/body.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Kinds that nobody has defined get any model, so that each is reached. */
static enum reload_model model_of(void *ctx, uint32_t kind)
{
    (void)ctx;
    struct reload_models known = reload_models_default();
    enum reload_model model = known.model_of(known.ctx, kind);
    return model ? model : (enum reload_model)(kind % 4);
}

static void must_equal(const struct buf *encoded, struct slice octets)
{
    if (encoded->err || !slice_eq(buf_slice(encoded), octets))
        abort();
}

static void check_fault(const struct fault *fault, size_t size)
{
    if (!fault->rule || fault->octet > size)
        abort();
}

/* The header alone, as a peer that forwards a message or a fragment sees it. */
static void try_header(struct slice octets, struct region *region, struct buf *out)
{
    struct reload_header header;
    struct fault fault = {SIZE_MAX, NULL};
    if (reload_header_decode(octets, region, &header, &fault)) {
        check_fault(&fault, octets.n);
        return;
    }
    if (reload_header_encoded_octets(&header) != header.octets)
        abort();
    reload_message_forward(octets, &header, &header, out);
    must_equal(out, octets);
    buf_clear(out);
}

static void try_body(const struct reload_message *message, struct region *region, size_t size, struct buf *out)
{
    struct reload_models models = {model_of, NULL};
    struct reload_body body;
    struct fault fault = {SIZE_MAX, NULL};
    if (reload_body_decode(message, &models, region, &body, &fault)) {
        check_fault(&fault, size);
        return;
    }
    reload_body_encode(&body, out);
    must_equal(out, message->contents.body);
    buf_clear(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice octets = slice_of(data, size);
    struct region region;
    struct buf out;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    buf_init(&out, RELOAD_MESSAGE_OCTETS_MAX);
    try_header(octets, &region, &out);
    struct reload_message message;
    struct fault fault = {SIZE_MAX, NULL};
    if (reload_message_decode(octets, &region, &message, &fault)) {
        check_fault(&fault, size);
    } else {
        reload_message_encode(&message, &out);
        must_equal(&out, octets);
        buf_clear(&out);
        try_body(&message, &region, size, &out);
    }
    buf_fini(&out);
    region_fini(&region);
    return 0;
}
