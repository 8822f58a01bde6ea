/* A hundred cities. Coordinates to a tenth of a degree; weights are a rough guess of how many companies' servers stand there. */
#include "place.h"

#include <math.h>

#define EARTH_RADIUS_KM 6371.0
#define US_PER_KM 5.0 /* light in glass: two thirds of its speed in a vacuum */
#define RADIANS (M_PI / 180.0)

const struct sim_city sim_cities[] = {
    {"Amsterdam", 52.4F, 4.9F, 40},
    {"Ankara", 39.9F, 32.9F, 8},
    {"Athens", 38.0F, 23.7F, 8},
    {"Atlanta", 33.7F, -84.4F, 22},
    {"Auckland", -36.8F, 174.8F, 8},
    {"Bangalore", 13.0F, 77.6F, 22},
    {"Bangkok", 13.8F, 100.5F, 14},
    {"Barcelona", 41.4F, 2.2F, 14},
    {"Beijing", 39.9F, 116.4F, 30},
    {"Belgrade", 44.8F, 20.5F, 5},
    {"Berlin", 52.5F, 13.4F, 26},
    {"Bogota", 4.7F, -74.1F, 9},
    {"Boston", 42.4F, -71.1F, 18},
    {"Bratislava", 48.1F, 17.1F, 4},
    {"Brisbane", -27.5F, 153.0F, 7},
    {"Brussels", 50.9F, 4.4F, 12},
    {"Bucharest", 44.4F, 26.1F, 8},
    {"Budapest", 47.5F, 19.0F, 8},
    {"Buenos Aires", -34.6F, -58.4F, 14},
    {"Cairo", 30.0F, 31.2F, 9},
    {"Cape Town", -33.9F, 18.4F, 6},
    {"Casablanca", 33.6F, -7.6F, 4},
    {"Chennai", 13.1F, 80.3F, 14},
    {"Chicago", 41.9F, -87.6F, 34},
    {"Copenhagen", 55.7F, 12.6F, 12},
    {"Dallas", 32.8F, -96.8F, 30},
    {"Denver", 39.7F, -105.0F, 14},
    {"Dhaka", 23.8F, 90.4F, 6},
    {"Dubai", 25.2F, 55.3F, 14},
    {"Dublin", 53.3F, -6.3F, 16},
    {"Frankfurt", 50.1F, 8.7F, 48},
    {"Geneva", 46.2F, 6.1F, 8},
    {"Gothenburg", 57.7F, 12.0F, 5},
    {"Guangzhou", 23.1F, 113.3F, 18},
    {"Hamburg", 53.6F, 10.0F, 14},
    {"Hanoi", 21.0F, 105.9F, 7},
    {"Helsinki", 60.2F, 24.9F, 9},
    {"Ho Chi Minh City", 10.8F, 106.6F, 8},
    {"Hong Kong", 22.3F, 114.2F, 26},
    {"Houston", 29.8F, -95.4F, 16},
    {"Istanbul", 41.0F, 29.0F, 14},
    {"Jakarta", -6.2F, 106.8F, 14},
    {"Johannesburg", -26.2F, 28.0F, 12},
    {"Karachi", 24.9F, 67.0F, 6},
    {"Kuala Lumpur", 3.1F, 101.7F, 9},
    {"Kyiv", 50.5F, 30.5F, 8},
    {"Lagos", 6.5F, 3.4F, 7},
    {"Lima", -12.0F, -77.0F, 8},
    {"Lisbon", 38.7F, -9.1F, 8},
    {"London", 51.5F, -0.1F, 60},
    {"Los Angeles", 34.1F, -118.2F, 34},
    {"Lyon", 45.8F, 4.8F, 7},
    {"Madrid", 40.4F, -3.7F, 18},
    {"Manchester", 53.5F, -2.2F, 10},
    {"Manila", 14.6F, 121.0F, 9},
    {"Marseille", 43.3F, 5.4F, 7},
    {"Melbourne", -37.8F, 145.0F, 13},
    {"Mexico City", 19.4F, -99.1F, 16},
    {"Miami", 25.8F, -80.2F, 18},
    {"Milan", 45.5F, 9.2F, 20},
    {"Minneapolis", 45.0F, -93.3F, 10},
    {"Montreal", 45.5F, -73.6F, 12},
    {"Moscow", 55.8F, 37.6F, 20},
    {"Mumbai", 19.1F, 72.9F, 24},
    {"Munich", 48.1F, 11.6F, 20},
    {"Nairobi", -1.3F, 36.8F, 6},
    {"New Delhi", 28.6F, 77.2F, 18},
    {"New York", 40.7F, -74.0F, 56},
    {"Osaka", 34.7F, 135.5F, 20},
    {"Oslo", 59.9F, 10.8F, 9},
    {"Palermo", 38.1F, 13.4F, 3},
    {"Paris", 48.9F, 2.4F, 42},
    {"Perth", -32.0F, 115.9F, 6},
    {"Philadelphia", 40.0F, -75.2F, 14},
    {"Phoenix", 33.4F, -112.1F, 14},
    {"Prague", 50.1F, 14.4F, 12},
    {"Reykjavik", 64.1F, -21.9F, 2},
    {"Riga", 56.9F, 24.1F, 4},
    {"Rio de Janeiro", -22.9F, -43.2F, 12},
    {"Rome", 41.9F, 12.5F, 12},
    {"San Francisco", 37.8F, -122.4F, 44},
    {"Santiago", -33.4F, -70.7F, 10},
    {"Sao Paulo", -23.6F, -46.6F, 26},
    {"Seattle", 47.6F, -122.3F, 24},
    {"Seoul", 37.6F, 127.0F, 30},
    {"Shanghai", 31.2F, 121.5F, 30},
    {"Singapore", 1.4F, 103.8F, 34},
    {"Sofia", 42.7F, 23.3F, 6},
    {"Stockholm", 59.3F, 18.1F, 14},
    {"Stuttgart", 48.8F, 9.2F, 12},
    {"Sydney", -33.9F, 151.2F, 20},
    {"Taipei", 25.0F, 121.6F, 16},
    {"Tallinn", 59.4F, 24.8F, 4},
    {"Tel Aviv", 32.1F, 34.8F, 12},
    {"Tokyo", 35.7F, 139.7F, 50},
    {"Toronto", 43.7F, -79.4F, 22},
    {"Vancouver", 49.3F, -123.1F, 10},
    {"Vienna", 48.2F, 16.4F, 14},
    {"Vilnius", 54.7F, 25.3F, 4},
    {"Warsaw", 52.2F, 21.0F, 14},
    {"Washington", 38.9F, -77.0F, 40},
    {"Zagreb", 45.8F, 16.0F, 4},
    {"Zurich", 47.4F, 8.5F, 18},
};
const unsigned sim_city_count = sizeof sim_cities / sizeof sim_cities[0];

uint16_t sim_city_draw(const struct entropy *entropy)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < sim_city_count; i++)
        total += sim_cities[i].weight;
    uint64_t left = entropy_below(entropy, total);
    uint16_t city = 0;
    while (left >= sim_cities[city].weight)
        left -= sim_cities[city++].weight;
    return city;
}

double sim_city_distance_km(uint16_t a, uint16_t b)
{
    double from = sim_cities[a].latitude * RADIANS, to = sim_cities[b].latitude * RADIANS;
    double north = sin((to - from) / 2);
    double east = sin((sim_cities[b].longitude - sim_cities[a].longitude) * RADIANS / 2);
    double half_chord = north * north + cos(from) * cos(to) * east * east; /* haversine */
    return 2 * EARTH_RADIUS_KM * asin(sqrt(half_chord < 1 ? half_chord : 1));
}

int64_t sim_city_latency_us(uint16_t a, uint16_t b, double path_factor)
{
    return (int64_t)(sim_city_distance_km(a, b) * path_factor * US_PER_KM);
}
