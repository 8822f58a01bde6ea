/* A number's record in the ring: where its copies lie, under which key, and how their content is sealed. Pure functions.
 *
 * Each number has three slots, of the texts "<number>", "COPY1<number>" and "COPY2<number>" (VAP section 9.4.2). The ring's configuration
 * names the hash H that turns a text into the slot's Resource-ID, which are the least significant 128 bits of H(text), and record key:
 *
 *     sha1      H = SHA-1, 20 octets             Resource-ID = octets 4 to 19
 *               record key, of all three slots = HKDF-SHA256(number, salt: overlay's name, info: "ime number record 1")
 *     argon2id  H = Argon2id, 48 octets          Resource-ID = octets 32 to 47
 *               record key, of each slot = HKDF-SHA256(octets 0 to 31, salt: overlay's name, info: "ime number record 2")
 *
 * Argon2id is RFC 9106, version 0x13, with the configured cost; its salt is the overlay's name, filled up with zeros to 8 octets. So who
 * stores a record and wants to know its number pays for a slow hash per number tried, whether by the Resource-ID or by the sealed value:
 * the Resource-ID tells nothing about the other 32 octets.
 *
 * At a Resource-ID lies a dictionary; an entry's key is "<Node-ID>+<VServiceID>" in lower-case hexadecimal. Its value is
 *
 *     nonce (12 octets) | AES-256-GCM(record key, nonce, Resource-ID | dictionary key, attributes)
 *
 * with the attributes of a VAP message; peerID (0x2008), which repeats the Node-ID, is the only one so far. */
#ifndef NUMBERS_RECORD_H
#define NUMBERS_RECORD_H

#include "base/buf.h"
#include "base/e164.h"
#include "base/entropy.h"
#include "base/id.h"
#include "crypt/aead.h"
#include "reload/config.h"

#define NUMBERS_COPIES 3
#define NUMBERS_KEY_OCTETS 49         /* of a dictionary key */
#define NUMBERS_VALUE_OCTETS_MAX 1024 /* of a sealed value that is opened; ours has 48 */

/* What a ring has decided about its records. */
struct numbers_profile {
    struct slice overlay; /* its name */
    enum config_number_hash hash;
    struct argon2_cost cost; /* CONFIG_HASH_ARGON2ID */
};

/* Where a copy lies, and what it is sealed with. */
struct numbers_slot {
    struct id resource;
    uint8_t key[AEAD_KEY_OCTETS]; /* the record key, a secret */
};

/* All three, in the order of the copies: wipe them. Argon2id takes its time and its memory: call it in a thread of its own
 * (numbers/resolver.h). 0, ERR_CRYPTO, or the error of argon2id. */
int numbers_slots_derive(const struct numbers_profile *profile, const struct e164 *number,
                         struct numbers_slot ret_slots[NUMBERS_COPIES]);
void numbers_slots_wipe(struct numbers_slot slots[NUMBERS_COPIES]);

/* NUL-terminated; text has NUMBERS_KEY_OCTETS + 1 octets. */
const char *numbers_key_format(struct id node_id, uint64_t vservice_id, char *text);

/* Strict: what is accepted formats to the same text. 0 or ERR_SYNTAX. */
int numbers_key_parse(struct slice key, struct id *ret_node_id, uint64_t *ret_vservice_id);

/* Where a value lies. */
struct numbers_place {
    struct id resource;
    struct id node_id; /* of the claimant */
    uint64_t vservice_id;
};

/* Appends the sealed value. 0, ERR_CRYPTO or the buffer's error. */
int numbers_seal(const uint8_t record_key[AEAD_KEY_OCTETS], const struct numbers_place *place,
                 const struct entropy *entropy, struct buf *ret_value);

/* Checks that the value was sealed for this place by somebody who knows the number, and that its peerID is the claimant's. ERR_AUTH,
 * ERR_SYNTAX (attributes), ERR_LIMIT (too long). Attributes that are not known are ignored (VAP 9.4.2). */
int numbers_open(const uint8_t record_key[AEAD_KEY_OCTETS], const struct numbers_place *place, struct slice value);

#endif
