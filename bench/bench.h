/* Measures a thing against a baseline in the same run: the machine and its mood cancel out, only the ratio is judged. */
#ifndef BENCH_H
#define BENCH_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Does its work so many times. */
typedef void bench_fn(void *arg, unsigned long times);

struct bench_side {
    const char *name;
    bench_fn *run;
    void *arg;
    double scale; /* work done per time, for rates: 1 unless one call does several things; 0 means 1 */
};

enum bench_aim {
    RATE_AT_LEAST, /* subject's rate / baseline's rate is to be at least the aim */
    COST_AT_MOST,  /* subject's time / baseline's time is to be at most the aim */
};

/* Runs both alternately for about `seconds` together and takes the median of each. Prints a line like
 *
 *     ticket verification  412000/s  bare HMAC-SHA256  900000/s  cost ratio 2.184 (aim: at most 3.00)  good
 *
 * and returns whether the aim was reached. The first time of each side is not counted. */
bool bench_compare(const struct bench_side *subject, const struct bench_side *baseline, enum bench_aim kind, double aim,
                   double seconds);

/* For set-up that cannot fail unless the machine does. */
static inline void bench_need(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "bench: %s failed\n", what);
    exit(1);
}

#endif
