/* Edit distance and the search for the nearest word. */
#include "base/nearest.h"

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t edit_distance(struct slice a, struct slice b)
{
    if (a.n > NEAREST_OCTETS_MAX || b.n > NEAREST_OCTETS_MAX)
        return SIZE_MAX;
    /* Rows of the table for the prefixes of a that are two shorter, one shorter, and the one at hand. */
    size_t rows[3][NEAREST_OCTETS_MAX + 1];
    for (size_t j = 0; j <= b.n; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            bool same = a.p[i - 1] == b.p[j - 1];
            row[j] = min_of(above[j - 1] + !same, min_of(above[j], row[j - 1]) + 1);
            bool swapped = i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1];
            if (swapped)
                row[j] = min_of(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a.n % 3][b.n];
}

void nearest_try(struct nearest *n, const char *word)
{
    size_t distance = edit_distance(n->wanted, slice_str(word));
    size_t tolerated = (strlen(word) + 2) / 3;
    if (distance > tolerated || (n->best && distance >= n->distance))
        return;
    n->best = word;
    n->distance = distance;
}
