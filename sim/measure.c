/* Samples and what is told of them. */
#include "measure.h"

#include "base/mem.h"
#include "calls/result.h"

#include <math.h>
#include <stdlib.h>

void sim_samples_fini(struct sim_samples *s)
{
    mem_free(s->values);
    *s = (struct sim_samples){0};
}

void sim_samples_add(struct sim_samples *s, uint32_t value)
{
    if (s->n == s->capacity) {
        size_t capacity = s->capacity ? s->capacity * 2 : 64;
        uint32_t *values = mem_resize(s->values, capacity * sizeof *values);
        if (!values)
            abort(); /* a result with samples missing would be wrong, and say nothing of it */
        s->values = values;
        s->capacity = capacity;
    }
    s->values[s->n++] = value;
    s->sorted = false;
}

double sim_samples_mean(const struct sim_samples *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->n; i++)
        sum += s->values[i];
    return s->n ? sum / (double)s->n : 0;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

uint32_t sim_samples_percentile(struct sim_samples *s, double percent)
{
    if (!s->n)
        return 0;
    if (!s->sorted)
        qsort(s->values, s->n, sizeof *s->values, compare);
    s->sorted = true;
    double rank = ceil(percent / 100 * (double)s->n);
    size_t at = rank < 1 ? 0 : (size_t)rank - 1;
    return s->values[at < s->n ? at : s->n - 1];
}

uint32_t sim_samples_max(const struct sim_samples *s)
{
    uint32_t max = 0;
    for (size_t i = 0; i < s->n; i++)
        max = s->values[i] > max ? s->values[i] : max;
    return max;
}

void sim_result_fini(struct sim_result *result)
{
    sim_samples_fini(&result->hops);
    sim_samples_fini(&result->latency_us);
    sim_samples_fini(&result->direct_us);
    sim_samples_fini(&result->node_octets);
    sim_samples_fini(&result->links);
    sim_samples_fini(&result->records_held);
    mem_free(result->moments);
    if (result->calls)
        sim_calls_result_fini(result->calls);
    mem_free(result->calls);
    *result = (struct sim_result){0};
}
