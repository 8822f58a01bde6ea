/* Plots: well-formed, self-contained, small, without a number that is none, also when there is nothing to draw; a disk that is full. */
#include "testing.h"

#include "base/err.h"
#include "base/mem.h"
#include "plot.h"
#include "reload/codes.h"

#include <libxml/parser.h>
#include <stdlib.h>

enum { NODES = 1024, LOOKUPS = 20000, MOMENTS = 5000, OCTETS_MAX = 60000 };

static uint32_t draw(uint32_t below)
{
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + 1;
    return (uint32_t)(state >> 33) % below;
}

/* The sum of some draws: a hill. */
static uint32_t hill(unsigned draws, uint32_t below)
{
    uint32_t sum = 0;
    while (draws--)
        sum += draw(below);
    return sum;
}

static void fill(struct sim_result *r)
{
    *r = (struct sim_result){.seed = 42,
                             .scenario = "storm & <heal>",
                             .nodes = NODES,
                             .virtual_hours = 2,
                             .signatures = "stand-in",
                             .lookups = LOOKUPS,
                             .octets_per_node_hour = 1530000,
                             .converge_s = 41.5};
    for (unsigned i = 0; i < LOOKUPS; i++) {
        sim_samples_add(&r->hops, hill(4, 3));
        uint32_t direct = 1000 + hill(3, 100000);
        sim_samples_add(&r->direct_us, direct);
        sim_samples_add(&r->latency_us, direct + hill(2, 60000));
    }
    for (unsigned i = 0; i < NODES; i++) {
        sim_samples_add(&r->node_octets, 800000 + hill(4, 300000));
        sim_samples_add(&r->records_held, hill(2, 50));
    }
    r->moments = mem_alloc(MOMENTS * sizeof *r->moments);
    assert_non_null(r->moments);
    r->moment_count = MOMENTS;
    for (unsigned i = 0; i < MOMENTS; i++) {
        uint32_t down = i > MOMENTS / 2 && i < MOMENTS * 2 / 3 ? NODES / 3 : 0;
        uint32_t up = (i < MOMENTS / 4 ? i * NODES / (MOMENTS / 4) : NODES) - down;
        r->moments[i] = (struct sim_moment){.at_ms = i * 1440, .nodes_up = up, .nodes_joined = up - up / 20};
    }
    for (unsigned code = 1; code < SIM_TRAFFIC_CODES; code++)
        if (sim_traffic_name(code)) {
            r->traffic.messages[code] = 1000;
            r->traffic.octets[code] = draw(1000000);
        }
    r->traffic.octets[RELOAD_UPDATE_REQ] = 9000000;
}

static char *plot_of(struct sim_result *r)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    assert_non_null(out);
    assert_int_equal(sim_plot_svg(out, r), 0);
    fclose(out);
    assert_true(n < OCTETS_MAX);
    xmlDoc *document = xmlReadMemory(text, (int)n, "plot.svg", NULL, XML_PARSE_NONET);
    assert_non_null(document);
    xmlFreeDoc(document);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    assert_null(strstr(text, "<script"));
    assert_null(strstr(text, "href"));
    return text;
}

static void a_plot_shows_the_run(void **state)
{
    (void)state;
    struct sim_result r;
    fill(&r);
    char *text = plot_of(&r);
    assert_non_null(strstr(text, "A ring of 1024 servers"));
    assert_non_null(strstr(text, "storm &amp; &lt;heal&gt;"));
    assert_non_null(strstr(text, "log\xe2\x82\x82 N = 10.0"));
    assert_non_null(strstr(text, "mean = 0.40 log\xe2\x82\x82 N"));
    assert_non_null(strstr(text, "update_req"));
    const char *keep = getenv("IME_KEEP_PLOT"); /* for eyes */
    if (keep) {
        FILE *out = fopen(keep, "w");
        assert_non_null(out);
        fputs(text, out);
        fclose(out);
    }
    free(text);
    sim_result_fini(&r);
}

static void nothing_can_be_drawn_too(void **state)
{
    (void)state;
    struct sim_result r = {.scenario = "calm"};
    free(plot_of(&r));
    r.nodes = 1;
    sim_samples_add(&r.hops, 0);
    sim_samples_add(&r.latency_us, 0);
    sim_samples_add(&r.node_octets, 0);
    r.moments = mem_alloc(sizeof *r.moments);
    assert_non_null(r.moments);
    r.moment_count = 1;
    free(plot_of(&r));
    sim_result_fini(&r);
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    struct sim_result r;
    fill(&r);
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(sim_plot_svg(full, &r), ERR_NO_SPACE);
    fclose(full);
    sim_result_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plot_shows_the_run),
        cmocka_unit_test(nothing_can_be_drawn_too),
        cmocka_unit_test(a_full_disk_is_told),
    };
    int failed = cmocka_run_group_tests_name("plot", tests, NULL, NULL);
    xmlCleanupParser();
    return failed;
}
