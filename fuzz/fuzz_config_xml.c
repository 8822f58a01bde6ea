/* Configuration documents (RFC 6940 section 11.1): parsing, and verifying what parses. Whatever is accepted has its signed octets inside of
 * the document, from one tag to another, and is the same when parsed again. */
#include "reload/config.h"

#include <stdlib.h>

static void demand(bool good)
{
    if (!good)
        abort();
}

static bool is_inside(struct slice part, struct slice whole)
{
    return part.p >= whole.p && part.n <= whole.n && (size_t)(part.p - whole.p) <= whole.n - part.n;
}

static void check_element(struct slice octets, struct slice document)
{
    demand(is_inside(octets, document) && octets.n >= 3 && octets.p[0] == '<' && octets.p[octets.n - 1] == '>');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_fault fault = {0, NULL};
    struct config *config, *again;
    struct kind kind;
    const struct wall noon = {INT64_C(1792000000000)};
    struct slice document = slice_of(data, size);
    if (config_parse(document, (struct slice){NULL, 0}, &config, &fault) != 0) {
        demand(fault.rule != NULL);
        return 0;
    }
    demand(slice_eq(config->document, document));
    check_element(config->signed_octets, config->document);
    for (size_t i = 0; i < config->kind_block_count; i++) {
        check_element(config->kind_blocks[i].signed_octets, config->document);
        config_verify_kind_block(config->kind_blocks[i].signed_octets, config, noon, &kind);
    }
    config_verify(config, config, noon);
    for (size_t i = 1; i < config->bad_node_count; i++)
        demand(id_cmp(config->bad_nodes[i - 1], config->bad_nodes[i]) <= 0);
    demand(config_parse(document, config->instance_name, &again, &fault) == 0 || fault.rule != NULL);
    if (!fault.rule) {
        demand(config_sequence_cmp(config->sequence, again->sequence) == 0);
        config_free(again);
    }
    config_free(config);
    return 0;
}
