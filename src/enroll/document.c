/* The ring's configuration document: what the operator asked for, with the authority, the signer and the Kinds; the next sequence when its
 * content changes. */
#include "enroll/internal.h"

#include "base/mem.h"
#include "base/reader.h"

#define ROW "document"
#define ROW_VERSION 1
#define KIND "VIPR-REGISTRATION"

struct edition {
    struct waiting waiting;
    struct enroll *enroll;
    uint16_t sequence;
    uint8_t fingerprint[SHA256_OCTETS];
    struct buf document;
};

struct slice enroll_document(const struct enroll *e)
{
    return buf_slice(&e->document);
}

int document_load(struct enroll *e)
{
    struct slice row;
    struct reader r;
    int err = kv_get(e->ports.kv, KV_ENROLL_CONFIG, slice_str(ROW), &row);
    if (err)
        return err;
    reader_init(&r, row);
    uint8_t version = read_u8(&r, "version");
    e->sequence = read_u16(&r, "sequence");
    read_copy(&r, e->fingerprint, sizeof e->fingerprint, "fingerprint");
    struct slice document = read_opaque(&r, 3, "document");
    err = reader_end(&r, "end of row");
    if (!err && version != ROW_VERSION)
        err = ERR_SYNTAX;
    if (!err)
        buf_slice_put(&e->document, document);
    return err ? err : e->document.err;
}

static int put_row(struct enroll *e, const struct edition *edition)
{
    struct buf row;
    buf_init(&row, CONFIG_DOCUMENT_OCTETS_MAX + 64);
    buf_u8(&row, ROW_VERSION);
    buf_u16(&row, edition->sequence);
    buf_put(&row, edition->fingerprint, sizeof edition->fingerprint);
    buf_opaque(&row, 3, buf_slice(&edition->document));
    int err = row.err ? row.err : kv_put(e->ports.kv, KV_ENROLL_CONFIG, slice_str(ROW), buf_slice(&row));
    buf_fini(&row);
    return err;
}

static void edition_free(struct edition *edition)
{
    list_remove(&edition->waiting.link);
    buf_fini(&edition->document);
    mem_free(edition);
}

static void edition_drop(struct waiting *waiting)
{
    edition_free(CONTAINER_OF(waiting, struct edition, waiting));
}

static void put_texts(struct buf *b, const struct slice *texts, size_t n)
{
    buf_u32(b, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        buf_opaque(b, 4, texts[i]);
}

static void put_ids(struct buf *b, const struct id *ids, size_t n)
{
    buf_u32(b, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        buf_slice_put(b, id_slice(&ids[i]));
}

/* Everything that the document says, without sequence and signatures (which differ each time that they are made). */
static int fingerprint(const struct config *c, uint8_t ret_digest[SHA256_OCTETS])
{
    struct buf b;
    buf_init(&b, 1u << 22);
    buf_opaque(&b, 4, c->instance_name);
    buf_opaque(&b, 4, c->topology_plugin);
    put_texts(&b, c->root_certs, c->root_cert_count);
    put_texts(&b, c->enrollment_servers, c->enrollment_server_count);
    buf_u32(&b, (uint32_t)c->bootstrap_node_count);
    for (size_t i = 0; i < c->bootstrap_node_count; i++) {
        char text[ADDR_TEXT_OCTETS];
        buf_opaque(&b, 1, slice_str(addr_format(&c->bootstrap_nodes[i], text)));
    }
    put_texts(&b, c->link_protocols, c->link_protocol_count);
    put_texts(&b, c->mandatory_extensions, c->mandatory_extension_count);
    put_ids(&b, c->configuration_signers, c->configuration_signer_count);
    put_ids(&b, c->kind_signers, c->kind_signer_count);
    put_ids(&b, c->bad_nodes, c->bad_node_count);
    const uint32_t numbers[] = {
        c->node_id_length,
        c->turn_density,
        c->clients_permitted,
        c->no_ice,
        c->chord_update_interval_s,
        c->chord_ping_interval_s,
        c->chord_reactive,
        c->max_message_size,
        c->initial_ttl,
        c->overlay_reliability_timer_ms,
        (uint32_t)c->number_hash,
        c->number_hash_cost.passes,
        c->number_hash_cost.memory_kib,
        c->number_hash_cost.lanes,
        c->lattice_ms,
        c->quota,
        c->number_lifetime_s,
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        buf_u32(&b, numbers[i]);
    buf_opaque(&b, 4, c->shared_secret);
    buf_opaque(&b, 4, c->message_of_the_day);
    buf_opaque(&b, 4, c->required_version);
    buf_u32(&b, (uint32_t)c->kinds.n);
    for (size_t i = 0; i < c->kinds.n; i++) {
        const struct kind *k = &c->kinds.kinds[i];
        const uint32_t parts[] = {k->id,        (uint32_t)k->model, (uint32_t)k->access,
                                  k->max_count, k->max_size,        k->max_node_multiple};
        for (size_t j = 0; j < sizeof parts / sizeof parts[0]; j++)
            buf_u32(&b, parts[j]);
    }
    if (!b.err)
        digest_sha256(buf_slice(&b), ret_digest);
    int err = b.err;
    buf_fini_secret(&b);
    return err;
}

static int remember_bad_nodes(struct enroll *e, const struct config *ring)
{
    struct id *ids = mem_alloc(ring->bad_node_count * sizeof *ids);
    if (!ids)
        return ERR_NO_MEMORY;
    if (ring->bad_node_count)
        memcpy(ids, ring->bad_nodes, ring->bad_node_count * sizeof *ids);
    mem_free(e->bad_nodes);
    e->bad_nodes = ids;
    e->bad_node_count = ring->bad_node_count;
    return 0;
}

static void published(void *arg, int err)
{
    struct edition *edition = arg;
    struct enroll *e = edition->enroll;
    if (!err) {
        e->sequence = edition->sequence;
        memcpy(e->fingerprint, edition->fingerprint, sizeof e->fingerprint);
        buf_fini(&e->document);
        e->document = edition->document;
        buf_init(&edition->document, 0);
        log_event(e->ports.log, LEVEL_NOTICE, "enroll.configuration.published", "overlay=%s sequence=%u octets=%zu",
                  e->options.overlay, e->sequence, e->document.n);
    }
    edition_free(edition);
    enroll_written(e, err);
}

/* Builds the next edition, if the content is another than that of the last. */
static int next_edition(struct enroll *e, struct config *config, struct edition *edition, bool *ret_same)
{
    int err = fingerprint(config, edition->fingerprint);
    if (err)
        return err;
    *ret_same = e->document.n && memcmp(edition->fingerprint, e->fingerprint, sizeof e->fingerprint) == 0;
    if (*ret_same)
        return 0;
    edition->sequence = e->document.n ? config_sequence_next(e->sequence) : 1;
    config->sequence = edition->sequence;
    err = config_build(config, e->signer_key, e->signer, &edition->document);
    return err ? err : put_row(e, edition);
}

int enroll_set_ring(struct enroll *e, struct now now, const struct config *ring)
{
    if (!e->authority || e->writes)
        return ERR_WRONG_STATE;
    e->now = now;
    struct slice root = cert_der(e->authority);
    struct config config = *ring;
    config.instance_name = slice_str(e->options.overlay);
    config.root_certs = &root;
    config.root_cert_count = 1;
    config.configuration_signers = config.kind_signers = &e->signer_id;
    config.configuration_signer_count = config.kind_signer_count = 1;
    struct kind kind;
    int err = kind_registered(slice_str(KIND), &kind);
    if (!err && !kind_find(&config.kinds, kind.id))
        err = kind_add(&config.kinds, &kind);
    struct edition *edition = err ? NULL : mem_alloc(sizeof *edition);
    if (!edition)
        return err ? err : ERR_NO_MEMORY;
    edition->enroll = e;
    edition->waiting.drop = edition_drop;
    list_init(&edition->waiting.link);
    buf_init(&edition->document, CONFIG_DOCUMENT_OCTETS_MAX);
    bool same = false;
    err = next_edition(e, &config, edition, &same);
    if (!err)
        err = remember_bad_nodes(e, ring);
    e->writes++;
    if (err || same) {
        edition_free(edition);
        enroll_written(e, err);
    } else {
        list_append(&e->waiting, &edition->waiting.link);
        kv_commit(e->ports.kv, published, edition);
    }
    return err;
}
