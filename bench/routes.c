/* A look-up among 10 million learned routes, as it is added to every call: the ways in their order, each with its ticket, against the barest
 * thing that could be, a hash table of the same numbers that says no more than a place. And what it takes in time and memory as such. */
#include "bench.h"

#include "agent/route_private.h"

#include <time.h>

enum { ROUTES = 10000000, FAR_SIDES = 20000, SAMPLES = 200000 };

static const struct wall learned_at = {INT64_C(1767225600000)};

/* ---- the routes, as a store would have them ---- */

/* Numbers of far sides: blocks of 500, here and there. */
static struct e164 number_at(size_t i)
{
    struct e164 number;
    snprintf(number.text, sizeof number.text, "+%u%07u", 10 + (unsigned)(i / 500 % 89),
             (unsigned)(i / 500 / 89 * 10000 + i % 500 * 7));
    return number;
}

static size_t put_text(uint8_t *at, const char *text)
{
    size_t n = strlen(text) + 1;
    memcpy(at, text, n);
    return n;
}

static struct slice origin_of(size_t side, uint8_t octets[256])
{
    char text[128];
    size_t n = ID_OCTETS;
    memset(octets, 0, ID_OCTETS);
    memcpy(octets, &side, sizeof side);
    snprintf(text, sizeof text, "company%zu.example", side);
    n += put_text(octets + n, text);
    n += put_text(octets + n, "a.example");
    snprintf(text, sizeof text, "sip:agent@company%zu.example:5061;maddr=192.0.2.1;transport=tcp", side);
    return slice_of(octets, n + put_text(octets + n, text));
}

static int scan_rows(void *ctx, enum kv_table table, kv_row_fn *row, void *arg)
{
    struct buf value;
    int err = 0;
    (void)ctx;
    (void)table;
    buf_init(&value, 4096);
    for (size_t i = 0; i < ROUTES && !err; i++) {
        uint8_t key[AGENT_ROUTE_KEY_OCTETS_MAX], octets[256];
        struct e164 number = number_at(i);
        struct slice origin = origin_of(i / 500 % FAR_SIDES, octets);
        struct agent_slot slot = {.key = agent_number_key(e164_slice(&number)), .epoch = 1};
        slot.learned_s = agent_route_seconds(learned_at);
        slot.expires_s = slot.learned_s + 365 * 86400;
        slot.ticket.not_before = learned_at;
        slot.ticket.not_after = agent_route_wall(slot.expires_s);
        memcpy(slot.ticket.unique_id, &i, sizeof i);
        buf_clear(&value);
        agent_route_row_encode(&slot, origin, &value);
        err = row(arg, agent_route_row_key(slot.key, origin.p, key), buf_slice(&value));
    }
    buf_fini(&value);
    return err;
}

/* ---- the two sides ---- */

struct ours {
    struct agent_routes *routes;
    struct seeded_entropy seed;
};

static void find_ours(void *arg, unsigned long times)
{
    static struct agent_route_list list;
    struct ours *o = arg;
    struct entropy entropy = seeded_entropy_port(&o->seed);
    for (unsigned long i = 0; i < times; i++) {
        struct e164 number = number_at((size_t)entropy_below(&entropy, ROUTES));
        struct now now = {{0}, learned_at};
        bench_need(agent_routes_find(o->routes, now, &number, &list), "finding a route");
    }
}

struct bare {
    uint64_t *keys; /* open addressing */
    uint32_t *places;
    size_t mask;
    struct seeded_entropy seed;
};

static size_t hash(const struct bare *b, uint64_t key)
{
    return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & b->mask;
}

static void bare_init(struct bare *b)
{
    size_t capacity = (size_t)1 << 25;
    b->keys = mem_alloc(capacity * sizeof *b->keys);
    b->places = mem_alloc(capacity * sizeof *b->places);
    bench_need(b->keys && b->places, "memory");
    b->mask = capacity - 1;
    for (size_t i = 0; i < ROUTES; i++) {
        struct e164 number = number_at(i);
        uint64_t key = agent_number_key(e164_slice(&number));
        size_t at = hash(b, key);
        while (b->keys[at])
            at = (at + 1) & b->mask;
        b->keys[at] = key;
        b->places[at] = (uint32_t)i;
    }
}

static void find_bare(void *arg, unsigned long times)
{
    struct bare *b = arg;
    struct entropy entropy = seeded_entropy_port(&b->seed);
    uint64_t sum = 0;
    for (unsigned long i = 0; i < times; i++) {
        struct e164 number = number_at((size_t)entropy_below(&entropy, ROUTES));
        uint64_t key = agent_number_key(e164_slice(&number));
        size_t at = hash(b, key);
        while (b->keys[at] && b->keys[at] != key)
            at = (at + 1) & b->mask;
        bench_need(b->keys[at] == key, "finding a number");
        sum += b->places[at];
    }
    bench_need(sum || times < 3, "finding places");
}

/* ---- what it takes as such ---- */

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool judge(const char *what, double value, const char *unit, double aim)
{
    printf("%-28s %10.3f %s (aim: at most %.0f)  %s\n", what, value, unit, aim, value <= aim ? "good" : "MISSED");
    return value <= aim;
}

static bool measure(struct ours *o)
{
    static double took[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++) {
        double start = now_us();
        find_ours(o, 1);
        took[i] = now_us() - start;
    }
    qsort(took, SAMPLES, sizeof took[0], compare_doubles);
    bool good = judge("route look-up, median", took[SAMPLES / 2], "us", 20);
    good = judge("route look-up, 99 of 100", took[SAMPLES / 100 * 99], "us", 20) && good;
    return judge("memory of a route", (double)agent_routes_octets(o->routes) / ROUTES, "octets", 200) && good;
}

int main(void)
{
    static struct ours ours = {.seed = {1}};
    static struct bare bare = {.seed = {1}};
    static const struct kv kv = {.scan = scan_rows};
    struct seeded_entropy seed = {7};
    struct entropy entropy = seeded_entropy_port(&seed);
    struct agent_routes_config config;
    agent_routes_config_init(&config);
    double start = now_us();
    bench_need(agent_routes_new(&config, &kv, &entropy, NULL, &ours.routes) == 0, "making the table");
    bench_need(agent_routes_count(ours.routes) == ROUTES, "reading all rows");
    printf("%d routes read in %.1f s\n", ROUTES, (now_us() - start) / 1e6);
    bool good = measure(&ours);
    bare_init(&bare);
    struct bench_side subject = {"route with ticket", find_ours, &ours, 1};
    struct bench_side baseline = {"bare hash of the numbers", find_bare, &bare, 1};
    good = bench_compare(&subject, &baseline, COST_AT_MOST, 20, 4) && good;
    agent_routes_free(ours.routes);
    mem_free(bare.keys);
    mem_free(bare.places);
    return !good;
}
