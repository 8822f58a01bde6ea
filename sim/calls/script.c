/* A day's calls, drawn: script.h. */
#include "calls/script.h"

#include "alloc.h"

#include <math.h>
#include <stdlib.h>

#define ONE 1000000u /* entropy's fractions */
#define TALK_MEAN_MS 150000.0
#define TALK_MIN_MS 300
#define TALK_LONGER_MS 240000 /* where phones are heard: there is time to move, and to come back */
#define LONG_ONE_OF 60        /* calls */
#define LONG_MIN_MS 1800000
#define LONG_MAX_MS 9000000
#define RING_MIN_MS 800
#define RING_MAX_MS 14000
#define PATIENCE_MIN_MS 25000
#define PATIENCE_MAX_MS 70000
#define CLOSING_MS 600000 /* after the last calls have begun people go home */

/* Of calls in hundred, from midnight: an office's day, and a little of everything at night. */
static const double hours[24] = {0.3, 0.2, 0.1, 0.1, 0.2, 0.5, 1.5, 4.0, 8.5, 11.0, 11.5, 9.5,
                                 5.5, 7.0, 9.0, 9.0, 8.0, 5.5, 3.0, 2.0, 1.4, 1.0,  0.7,  0.5};

double sim_load_of_hour(unsigned hour)
{
    return hours[hour % 24];
}

static bool happens(const struct entropy *e, double share)
{
    return entropy_below(e, ONE) < (uint64_t)(share * ONE);
}

static double fraction(const struct entropy *e)
{
    return ((double)entropy_below(e, ONE) + 0.5) / ONE;
}

/* When: an hour by its load, then anywhere in it. A shorter day has the same hours in less time. */
static int64_t draw_time(const struct sim_day *day, const struct entropy *e)
{
    double total = 0, at;
    unsigned hour = 0;
    for (unsigned i = 0; i < 24; i++)
        total += hours[i];
    at = fraction(e) * total;
    while (hour < 23 && at >= hours[hour])
        at -= hours[hour++];
    return day->from_us + (int64_t)((hour + fraction(e)) / 24 * (double)(day->until_us - day->from_us));
}

/* Some numbers are called all day, others hardly ever. */
static uint16_t draw_popular(const struct entropy *e, uint32_t numbers)
{
    const double f = fraction(e);
    return (uint16_t)(f * f * numbers);
}

static uint32_t draw_talk(const struct sim_day *day, const struct entropy *e, int64_t at_us)
{
    double ms = -log(fraction(e)) * TALK_MEAN_MS;
    if (entropy_below(e, LONG_ONE_OF) == 0)
        ms = (double)entropy_between(e, LONG_MIN_MS, LONG_MAX_MS);
    const double left_ms = (double)(day->until_us - at_us) / 1000 + CLOSING_MS * fraction(e);
    ms = ms < left_ms ? ms : left_ms;
    return ms < TALK_MIN_MS ? TALK_MIN_MS : (uint32_t)ms;
}

static void draw_answer(struct sim_script *s, const struct entropy *e)
{
    const double f = fraction(e);
    s->answer = f < 0.80   ? SIM_ANSWERS
                : f < 0.88 ? SIM_IS_BUSY
                : f < 0.91 ? SIM_DECLINES
                : f < 0.93 ? SIM_IS_AWAY
                           : SIM_DOES_NOTHING;
    s->ring_ms = (uint32_t)entropy_between(e, RING_MIN_MS, RING_MAX_MS);
    s->patience_ms = (uint32_t)entropy_between(e, PATIENCE_MIN_MS, PATIENCE_MAX_MS);
    if (happens(e, 0.04)) /* gives up at any time */
        s->patience_ms = (uint32_t)entropy_between(e, 10, RING_MAX_MS);
    else if (happens(e, 0.02)) /* at the very moment of the answer */
        s->patience_ms = s->ring_ms + (uint32_t)entropy_between(e, 0, 1500);
}

static void draw_media(struct sim_script *s, const struct entropy *e)
{
    s->has_media = happens(e, 0.8);
    s->has_video = happens(e, 0.25);
    s->talk_ms += (uint32_t)entropy_below(e, TALK_LONGER_MS);
}

static void draw_one(const struct sim_day *day, const struct entropy *e, struct sim_script *s)
{
    const uint32_t numbers = day->world->options->numbers;
    *s = (struct sim_script){.at_us = draw_time(day, e)};
    s->from = (uint16_t)entropy_below(e, day->companies);
    s->to = (uint16_t)((s->from + 1 + entropy_below(e, day->companies - 1)) % day->companies);
    s->from_k = (uint16_t)entropy_below(e, numbers);
    s->to_k = happens(e, 0.05) ? (uint16_t)numbers : draw_popular(e, numbers); /* some are not enrolled */
    draw_answer(s, e);
    s->talk_ms = draw_talk(day, e, s->at_us);
    if (day->has_media)
        draw_media(s, e);
    s->caller_hangs_up = happens(e, 0.6);
    s->bye_is_lost = happens(e, 0.004);
    s->presses_keys = happens(e, 0.05);
    if (happens(e, 0.12) && s->talk_ms > 20000) {
        const double f = fraction(e);
        s->holder = f < 0.4 ? SIM_HOLDS_CALLER : f < 0.8 ? SIM_HOLDS_CALLED : SIM_HOLDS_BOTH;
        s->hold_ms = (uint32_t)entropy_between(e, 3000, s->talk_ms / 2);
        s->held_ms = (uint32_t)entropy_between(e, 1000, s->talk_ms / 3);
    }
}

static int by_time(const void *a, const void *b)
{
    const struct sim_script *x = a, *y = b;
    if (x->at_us != y->at_us)
        return x->at_us < y->at_us ? -1 : 1;
    return (x->from > y->from) - (x->from < y->from);
}

void sim_scripts_draw(struct sim_day *day)
{
    const struct sim_options *o = day->world->options;
    struct seeded_entropy seed;
    sim_entropy_init(&seed, o->seed, "scripts", 0);
    const struct entropy e = seeded_entropy_port(&seed);
    day->script_count = o->calls;
    day->scripts = sim_alloc(day->script_count * sizeof *day->scripts);
    for (uint32_t i = 0; i < day->script_count; i++)
        draw_one(day, &e, &day->scripts[i]);
    qsort(day->scripts, day->script_count, sizeof *day->scripts, by_time);
}
