/* The storing peer's bound on entries of one Node-ID, by Chernoff's inequality. */
#include "numbers/quota.h"

#include "numbers/record.h"

#include <math.h>

#define COPIES_OF_ENTRY 3.0 /* with the responsible peer and on its next two successors (ring profile) */
#define SHARE_MIN 0x1p-64   /* far below any real share: keeps the logarithms finite */

/* ln of Chernoff's bound on P(B(n, f) >= k), for k >= n f. */
static double log_tail(double n, double f, double k)
{
    if (k > n)
        return -HUGE_VAL;
    double a = k / n;
    double divergence = a * log(a / f);
    if (a < 1)
        divergence += (1 - a) * log((1 - a) / (1 - f));
    return -n * divergence;
}

uint32_t numbers_quota_entries(uint32_t quota_numbers, double share)
{
    if (quota_numbers == 0)
        return 0;
    double n = (double)quota_numbers * NUMBERS_COPIES;
    uint32_t most = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
    if (!(share < 1)) /* the whole ring, or not a number */
        return most;
    double f = share > SHARE_MIN ? share : SHARE_MIN;
    double allowed = log(NUMBERS_QUOTA_FALSE_REFUSAL * f / COPIES_OF_ENTRY);

    /* The bound falls with k from 1 at the mean: the smallest k with bound(k + 1) <= allowed lies between the mean and n. */
    double mean = n * f;
    uint32_t low = mean < (double)most ? (uint32_t)mean : most;
    uint32_t high = most;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (log_tail(n, f, (double)middle + 1) <= allowed)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool numbers_quota_allows(uint32_t quota_numbers, double share, uint32_t present, uint32_t adding)
{
    if (adding == 0)
        return true;
    uint32_t limit = numbers_quota_entries(quota_numbers, share);
    return present <= limit && adding <= limit - present;
}
