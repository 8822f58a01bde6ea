/* The measurement itself: alternating rounds, medians, one line. */
#include "bench.h"

#include <stdint.h>
#include <time.h>

enum { ROUNDS = 15 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double time_of(const struct bench_side *side, unsigned long times)
{
    double start = now_s();
    side->run(side->arg, times);
    return now_s() - start;
}

/* How many times fit into so many seconds; also warms up. */
static unsigned long calibrate(const struct bench_side *side, double seconds)
{
    unsigned long times = 1;
    for (;;) {
        double took = time_of(side, times);
        if (took >= seconds / 4)
            return took >= seconds ? times : (unsigned long)((double)times * seconds / took) + 1;
        times *= 2;
    }
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_rate(double *rates)
{
    qsort(rates, ROUNDS, sizeof *rates, compare_doubles);
    return rates[ROUNDS / 2];
}

bool bench_compare(const struct bench_side *subject, const struct bench_side *baseline, enum bench_aim kind, double aim,
                   double seconds)
{
    const struct bench_side *sides[] = {subject, baseline};
    double rates[2][ROUNDS];
    unsigned long times[2];
    for (int i = 0; i < 2; i++)
        times[i] = calibrate(sides[i], seconds / 2 / ROUNDS);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 2; i++) {
            double scale = sides[i]->scale > 0 ? sides[i]->scale : 1;
            rates[i][round] = scale * (double)times[i] / time_of(sides[i], times[i]);
        }
    }
    double ours = median_rate(rates[0]), theirs = median_rate(rates[1]);
    double ratio = kind == RATE_AT_LEAST ? ours / theirs : theirs / ours;
    bool good = kind == RATE_AT_LEAST ? ratio >= aim : ratio <= aim;
    printf("%-28s %10.0f/s  %-30s %10.0f/s  %s %.3f (aim: at %s %.2f)  %s\n", subject->name, ours, baseline->name,
           theirs, kind == RATE_AT_LEAST ? "rate ratio" : "cost ratio", ratio, kind == RATE_AT_LEAST ? "least" : "most",
           aim, good ? "good" : "MISSED");
    fflush(stdout);
    return good;
}
