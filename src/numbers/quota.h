/* What a storing peer lets one Node-ID store (the policy behind reload/storage.h's struct storage_quota).
 *
 * The ring-wide quota Q is in numbers; each is stored as NUMBERS_COPIES entries at independent, uniformly distributed places. Of the
 * n = 3 Q entries of a server that uses its whole quota, the number X that falls to a peer with share f of the ring is binomially
 * distributed, B(n, f), with mean 3 Q f. The peer accepts k entries, the smallest k for which Chernoff's bound
 *
 *     P(X > k) <= P(X >= k + 1) <= exp(-n D((k + 1) / n || f)),     D(a || f) = a ln(a / f) + (1 - a) ln((1 - a) / (1 - f))
 *
 * is at most f / 3 * 1e-6. The share is of all that the peer stores, as the responsible one and as a replica: an entry lies with three
 * peers, so the shares of all sum to three, and a server under quota is refused anywhere in the ring with a probability of at most 1e-6,
 * however large the ring is. The roles are counted together, for a peer changes from one to the other with every neighbor that comes or
 * goes. A peer with a large share is strict (Q = 10,000, f = 1/6: 4 % above the mean); one with a tiny share is generous, but there is
 * little to be had of it. */
#ifndef NUMBERS_QUOTA_H
#define NUMBERS_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#define NUMBERS_QUOTA_FALSE_REFUSAL 1e-6

/* Entries that one Node-ID may have at a peer with this share (0 … 1, clamped). */
uint32_t numbers_quota_entries(uint32_t quota_numbers, double share);

/* May a node that has so many entries here add some more? Always true when nothing is added. */
bool numbers_quota_allows(uint32_t quota_numbers, double share, uint32_t present, uint32_t adding);

#endif
