/* SipHash (Aumasson and Bernstein, 2012): a hash under a key, so that whoever does not know the key can neither choose texts that collide nor tell what
 * another text's hash will be. Key and result are numbers of this process; as octets they are little-endian. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include "base/slice.h"

/* SipHash-2-4: for what others see, such as tags, or compute as well. */
uint64_t siphash(const uint64_t key[2], struct slice text);

/* SipHash-1-3, half as much work: for tables, whose keys and hashes nobody is told. */
uint64_t siphash_quick(const uint64_t key[2], struct slice text);

#endif
