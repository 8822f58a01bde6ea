/* The signers' certificates, kept as long as values need them, and what each of their Node-IDs has stored here. */
#include "reload/storage_impl.h"

static struct owner *owner_get(struct storage *s, struct id node)
{
    struct owner *owner = map_get(&s->owners, id_slice(&node));
    if (owner)
        return owner;
    owner = mem_alloc(sizeof *owner);
    if (!owner)
        return NULL;
    owner->node = node;
    if (map_set(&s->owners, id_slice(&node), owner) != 0) {
        mem_free(owner);
        return NULL;
    }
    return owner;
}

static void owner_release(struct storage *s, struct owner *owner)
{
    if (--owner->refs == 0) {
        map_remove(&s->owners, id_slice(&owner->node));
        mem_free(owner);
    }
}

void storage_signer_free(struct storage *s, struct signer *signer)
{
    for (size_t i = 0; i < signer->node_count; i++)
        if (signer->nodes[i].owner)
            owner_release(s, signer->nodes[i].owner);
    mem_free(signer);
}

static size_t nodes_offset(size_t der_octets)
{
    size_t align = _Alignof(struct signer_node);
    size_t end = offsetof(struct signer, der) + der_octets;
    return (end + align - 1) / align * align;
}

static struct signer *signer_new(struct storage *s, const struct security_cert *cert)
{
    size_t offset = nodes_offset(cert->der.n);
    struct signer *signer = mem_alloc(offset + cert->node_id_count * sizeof(struct signer_node));
    if (!signer)
        return NULL;
    memcpy(signer->hash, cert->hash, sizeof signer->hash);
    signer->nodes = (struct signer_node *)(void *)((uint8_t *)signer + offset);
    signer->der_octets = cert->der.n;
    memcpy(signer->der, cert->der.p, cert->der.n);
    for (size_t i = 0; i < cert->node_id_count; i++) {
        struct signer_node *node = &signer->nodes[signer->node_count++];
        struct reload_identity identity;
        security_identity(&(struct security_signer){cert->node_ids[i], cert}, node->identity_hash, &identity);
        node->owner = owner_get(s, cert->node_ids[i]);
        if (!node->owner) {
            storage_signer_free(s, signer);
            return NULL;
        }
        node->owner->refs++;
    }
    return signer;
}

struct signer *storage_signer_find(const struct storage *s, const uint8_t hash[SECURITY_HASH_OCTETS])
{
    return map_get(&s->signers, slice_of(hash, SECURITY_HASH_OCTETS));
}

int storage_signer_get(struct storage *s, const struct security_cert *cert, struct signer **ret_signer)
{
    struct signer *signer = storage_signer_find(s, cert->hash);
    if (!signer) {
        signer = signer_new(s, cert);
        if (!signer)
            return ERR_NO_MEMORY;
        int err = map_set(&s->signers, slice_of(signer->hash, sizeof signer->hash), signer);
        if (err) {
            storage_signer_free(s, signer);
            return err;
        }
    }
    *ret_signer = signer;
    return 0;
}

bool storage_signer_node(const struct signer *signer, struct id node, uint8_t *ret_node)
{
    for (uint8_t i = 0; i < signer->node_count; i++)
        if (id_eq(signer->nodes[i].owner->node, node)) {
            *ret_node = i;
            return true;
        }
    return false;
}

void storage_signer_sweep(struct storage *s, struct signer *signer)
{
    if (signer->refs)
        return;
    if (signer->written)
        storage_row_remove_signer(s, signer);
    map_remove(&s->signers, slice_of(signer->hash, sizeof signer->hash));
    storage_signer_free(s, signer);
}

/* ---- certificates for a message ---- */

int storage_bag_add(struct cert_bag *bag, const struct signer *signer)
{
    for (size_t i = bag->n; i > 0; i--) /* neighbors often have the same */
        if (bag->signers[i - 1] == signer)
            return 0;
    if (bag->n == bag->capacity) {
        size_t capacity = bag->capacity ? 2 * bag->capacity : 8;
        const struct signer **more = region_array(bag->region, capacity, sizeof *more);
        if (!more)
            return ERR_NO_MEMORY;
        if (bag->n)
            memcpy(more, bag->signers, bag->n * sizeof *more);
        bag->signers = more;
        bag->capacity = capacity;
    }
    bag->signers[bag->n++] = signer;
    return 0;
}

int storage_bag_finish(const struct cert_bag *bag, struct storage_certs *ret_certs)
{
    struct slice *ders = region_array(bag->region, bag->n, sizeof *ders);
    if (!ders)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < bag->n; i++)
        ders[i] = slice_of(bag->signers[i]->der, bag->signers[i]->der_octets);
    *ret_certs = (struct storage_certs){ders, bag->n};
    return 0;
}
