/* Slots, dictionary keys and sealed values of number records. */
#include "numbers/record.h"

#include "base/mem.h"
#include "base/text.h"
#include "tlv/tlv.h"

#define INFO_FAST "ime number record 1"
#define INFO_SLOW "ime number record 2"
#define SLOW_SECRET_OCTETS 32 /* of Argon2id's output, from which the record key is derived; the Resource-ID follows */
#define SLOW_HASH_OCTETS (SLOW_SECRET_OCTETS + ID_OCTETS)
#define PREFIX_OCTETS 5 /* "COPY1" */
#define SALT_OCTETS_MIN 8
#define PLAINTEXT_OCTETS_MAX 64
#define ASSOCIATED_OCTETS (ID_OCTETS + NUMBERS_KEY_OCTETS)

static const char *const prefixes[NUMBERS_COPIES] = {"", "COPY1", "COPY2"};

static int derive_key(const struct numbers_profile *profile, struct slice secret, const char *info,
                      uint8_t ret_key[AEAD_KEY_OCTETS])
{
    return hkdf_sha256(secret, profile->overlay, slice_str(info), ret_key, AEAD_KEY_OCTETS);
}

static void derive_fast_id(struct slice text, struct id *ret_id)
{
    uint8_t hash[SHA1_OCTETS];
    digest_sha1(text, hash);
    memcpy(ret_id->octets, hash + SHA1_OCTETS - ID_OCTETS, ID_OCTETS);
}

static int derive_slow_slot(const struct numbers_profile *profile, struct slice text, struct numbers_slot *ret_slot)
{
    uint8_t short_salt[SALT_OCTETS_MIN] = {0}, hash[SLOW_HASH_OCTETS];
    struct slice salt = profile->overlay;
    if (salt.n < SALT_OCTETS_MIN) {
        if (salt.n)
            memcpy(short_salt, salt.p, salt.n);
        salt = slice_of(short_salt, sizeof short_salt);
    }
    int err = argon2id(text, salt, profile->cost, hash, sizeof hash);
    if (!err)
        err = derive_key(profile, slice_of(hash, SLOW_SECRET_OCTETS), INFO_SLOW, ret_slot->key);
    if (!err)
        memcpy(ret_slot->resource.octets, hash + SLOW_SECRET_OCTETS, ID_OCTETS);
    mem_wipe(hash, sizeof hash);
    return err;
}

int numbers_slots_derive(const struct numbers_profile *profile, const struct e164 *number,
                         struct numbers_slot ret_slots[NUMBERS_COPIES])
{
    struct numbers_slot slots[NUMBERS_COPIES];
    struct slice digits = e164_slice(number);
    int err = 0;
    for (size_t i = 0; !err && i < NUMBERS_COPIES; i++) {
        uint8_t octets[PREFIX_OCTETS + E164_OCTETS_MAX];
        size_t prefix_octets = strlen(prefixes[i]);
        memcpy(octets, prefixes[i], prefix_octets);
        memcpy(octets + prefix_octets, digits.p, digits.n);
        struct slice text = slice_of(octets, prefix_octets + digits.n);
        if (profile->hash == CONFIG_HASH_ARGON2ID) {
            err = derive_slow_slot(profile, text, &slots[i]);
        } else {
            derive_fast_id(text, &slots[i].resource);
            if (i == 0)
                err = derive_key(profile, digits, INFO_FAST, slots[i].key);
            else
                memcpy(slots[i].key, slots[0].key, AEAD_KEY_OCTETS);
        }
    }
    if (!err)
        memcpy(ret_slots, slots, sizeof slots);
    numbers_slots_wipe(slots);
    return err;
}

void numbers_slots_wipe(struct numbers_slot slots[NUMBERS_COPIES])
{
    mem_wipe(slots, NUMBERS_COPIES * sizeof *slots);
}

const char *numbers_key_format(struct id node_id, uint64_t vservice_id, char *text)
{
    uint8_t octets[8];
    for (unsigned i = 0; i < 8; i++)
        octets[i] = (uint8_t)(vservice_id >> (56 - 8 * i));
    hex_format(id_slice(&node_id), text);
    text[2 * ID_OCTETS] = '+';
    hex_format(slice_of(octets, sizeof octets), text + 2 * ID_OCTETS + 1);
    return text;
}

int numbers_key_parse(struct slice key, struct id *ret_node_id, uint64_t *ret_vservice_id)
{
    if (key.n != NUMBERS_KEY_OCTETS)
        return ERR_SYNTAX;
    struct id node_id;
    uint64_t vservice_id;
    if (id_parse(slice_of(key.p, (size_t)2 * ID_OCTETS), &node_id) ||
        u64_hex_parse(slice_of(key.p + 2 * ID_OCTETS + 1, 16), &vservice_id))
        return ERR_SYNTAX;
    char text[NUMBERS_KEY_OCTETS + 1];
    if (!slice_eq_str(key, numbers_key_format(node_id, vservice_id, text)))
        return ERR_SYNTAX;
    *ret_node_id = node_id;
    *ret_vservice_id = vservice_id;
    return 0;
}

/* Resource-ID and dictionary key: a value that is moved elsewhere, or to another claimant, does not open. */
static struct slice associated_data(const struct numbers_place *place, uint8_t octets[ASSOCIATED_OCTETS + 1])
{
    memcpy(octets, place->resource.octets, ID_OCTETS);
    numbers_key_format(place->node_id, place->vservice_id, (char *)octets + ID_OCTETS);
    return slice_of(octets, ASSOCIATED_OCTETS);
}

int numbers_seal(const uint8_t record_key[AEAD_KEY_OCTETS], const struct numbers_place *place,
                 const struct entropy *entropy, struct buf *ret_value)
{
    uint8_t nonce[AEAD_NONCE_OCTETS], associated[ASSOCIATED_OCTETS + 1];
    struct buf attributes;
    buf_init(&attributes, PLAINTEXT_OCTETS_MAX);
    tlv_put_id(&attributes, TLV_PEER_ID, &place->node_id);
    /* Random nonces: a record key seals a few values an hour, far from the 2^32 that 96 random bits are good for (SP 800-38D 8.3). */
    entropy_fill(entropy, nonce, sizeof nonce);
    size_t before = ret_value->n;
    buf_put(ret_value, nonce, sizeof nonce);
    int err = attributes.err ? attributes.err : ret_value->err;
    if (!err)
        err = aead_seal(record_key, nonce, associated_data(place, associated), buf_slice(&attributes), ret_value);
    if (err)
        ret_value->n = before;
    buf_fini(&attributes);
    return err;
}

static int check_attributes(struct slice attributes, const struct numbers_place *place)
{
    struct reader r;
    struct tlv_attr attr;
    bool found = false;
    reader_init(&r, attributes);
    while (tlv_next(&r, TLV_PADDING_ANY, &attr)) {
        if (attr.type != TLV_PEER_ID || found) /* the first one counts (VAP 9.8.1) */
            continue;
        found = true;
        struct id peer_id = tlv_read_id(&r, &attr, "peerID, VAP 9.4.2");
        if (!r.err && !id_eq(peer_id, place->node_id))
            return ERR_AUTH;
    }
    return r.err ? r.err : found ? 0 : ERR_SYNTAX;
}

int numbers_open(const uint8_t record_key[AEAD_KEY_OCTETS], const struct numbers_place *place, struct slice value)
{
    if (value.n > NUMBERS_VALUE_OCTETS_MAX)
        return ERR_LIMIT;
    if (value.n < AEAD_NONCE_OCTETS)
        return ERR_AUTH;
    uint8_t associated[ASSOCIATED_OCTETS + 1];
    struct slice sealed = slice_of(value.p + AEAD_NONCE_OCTETS, value.n - AEAD_NONCE_OCTETS);
    struct buf attributes;
    buf_init(&attributes, NUMBERS_VALUE_OCTETS_MAX);
    int err = aead_open(record_key, value.p, associated_data(place, associated), sealed, &attributes);
    if (!err)
        err = check_attributes(buf_slice(&attributes), place);
    buf_fini(&attributes);
    return err;
}
