/* SipHash-2-4 and SipHash-1-3. */
#include "base/siphash.h"

#include <endian.h>

static inline uint64_t rotl(uint64_t v, unsigned bits)
{
    return v << bits | v >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* Up to eight octets; with a number that the compiler knows, one instruction. */
static inline uint64_t little_endian(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    memcpy(&v, p, n);
    return le64toh(v);
}

static inline uint64_t hash(const uint64_t key[2], struct slice text, unsigned rounds, unsigned last_rounds)
{
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    size_t whole = text.n & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t m = little_endian(text.p + i, 8);
        v[3] ^= m;
        for (unsigned k = 0; k < rounds; k++)
            sip_round(v);
        v[0] ^= m;
    }
    uint64_t last = (uint64_t)text.n << 56;
    if (text.n > whole)
        last |= little_endian(text.p + whole, text.n - whole);
    v[3] ^= last;
    for (unsigned k = 0; k < rounds; k++)
        sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (unsigned k = 0; k < last_rounds; k++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t siphash(const uint64_t key[2], struct slice text)
{
    return hash(key, text, 2, 4);
}

uint64_t siphash_quick(const uint64_t key[2], struct slice text)
{
    return hash(key, text, 1, 3);
}
