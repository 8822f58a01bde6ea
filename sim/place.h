/* Where on Earth the nodes are: cities with their coordinates, drawn by weight. */
#ifndef SIM_PLACE_H
#define SIM_PLACE_H

#include "base/entropy.h"

#include <stdint.h>

struct sim_city {
    const char *name;
    float latitude;  /* degrees north */
    float longitude; /* degrees east */
    uint16_t weight; /* how many servers stand there, compared with the others */
};

extern const struct sim_city sim_cities[];
extern const unsigned sim_city_count;

struct sim_place {
    uint16_t city;
    uint32_t access_us; /* one way between the server and the city's exchange */
};

/* A city by weight; the caller draws the access. */
uint16_t sim_city_draw(const struct entropy *entropy);

/* Great-circle distance. */
double sim_city_distance_km(uint16_t a, uint16_t b);

/* One way between the exchanges of two cities, at two thirds of the speed of light over cables `path_factor` times as long as the great circle. */
int64_t sim_city_latency_us(uint16_t a, uint16_t b, double path_factor);

#endif
