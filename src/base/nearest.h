/* "Did you mean …": the known word that is the fewest typing errors away from one that is not known. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include "base/slice.h"

/* Words longer than this are never similar. */
#define NEAREST_OCTETS_MAX 64

/* Insertions, deletions, replacements and swaps of neighbors (optimal string alignment) that turn a into b. */
size_t edit_distance(struct slice a, struct slice b);

/* The search is fed word by word: start from a zeroed struct with `wanted` set. `best` stays NULL while nothing is near enough: at most
 * one error in three octets. Words fed must outlive the search. */
struct nearest {
    struct slice wanted;
    const char *best;
    size_t distance;
};
void nearest_try(struct nearest *n, const char *word);

#endif
