/* The result of a run drawn: six panels, two in a row. */
#include "plot.h"

#include "base/err.h"
#include "base/mem.h"
#include "svg.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#define WIDTH 960
#define MARGIN 20
#define TOP 88
#define GAP 16
#define PANEL_HEIGHT 270
#define BINS 60
#define POINTS 200
#define KINDS 8

static const double panel_width = (WIDTH - 2 * MARGIN - GAP) / 2.0;

/* The nth panel. */
static struct sim_chart panel(FILE *out, unsigned n, const char *title, const char *below)
{
    return sim_chart_begin(out, MARGIN + (n % 2) * (panel_width + GAP), TOP + n / 2 * (PANEL_HEIGHT + GAP), panel_width,
                           PANEL_HEIGHT, title, below);
}

/* Axes around nothing would look like zero. */
static void draw_nothing(const struct sim_chart *c)
{
    sim_svg_text(c->out, c->left + c->width / 2, c->top + c->height / 2, "sub m", "nothing was counted in this run");
}

static double log2_of(uint32_t nodes)
{
    return nodes > 1 ? log2(nodes) : 0;
}

/* Shares of the samples in that many equal bins, at most BINS, from 0 to x_max; what is beyond it is in none. */
static void share_bins(const struct sim_samples *s, double scale, double x_max, unsigned count, double bins[BINS])
{
    for (unsigned i = 0; i < count; i++)
        bins[i] = 0;
    for (size_t i = 0; i < s->n; i++) {
        double at = s->values[i] * scale / x_max * count;
        if (at < count)
            bins[(unsigned)at] += 1 / (double)s->n;
    }
}

static double highest(const double *values, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, values[i]);
    return most;
}

/* ---- the panels ---- */

static void draw_hops(FILE *out, struct sim_result *r)
{
    enum { HOPS = 64 };
    char below[120], word[40];
    double shares[HOPS] = {0}, limit = log2_of(r->nodes), mean = sim_samples_mean(&r->hops);
    snprintf(below, sizeof below, "mean %.2f, 99 of 100 within %" PRIu32 ", at most %" PRIu32, mean,
             sim_samples_percentile(&r->hops, 99), sim_samples_max(&r->hops));
    for (size_t i = 0; i < r->hops.n; i++)
        shares[r->hops.values[i] < HOPS ? r->hops.values[i] : HOPS - 1] += 1 / (double)r->hops.n;
    struct sim_chart c = panel(out, 0, "Hops of a request to the responsible node", r->hops.n ? below : "");
    if (!r->hops.n) {
        draw_nothing(&c);
        return;
    }
    c.x_min = -0.5;
    c.x_max = fmin(fmax(ceil(limit), sim_samples_max(&r->hops)), HOPS - 1) + 0.8;
    c.y_max = fmax(0.1, highest(shares, HOPS)) * 1.2;
    sim_chart_axes(&c, "hops", NULL, true);
    for (unsigned i = 0; i < HOPS; i++)
        sim_chart_bar(&c, i - 0.36, 0.72, shares[i], SIM_SVG_FIRST);
    snprintf(word, sizeof word, "log\xe2\x82\x82 N = %.1f", limit);
    sim_chart_mark(&c, limit, 0, SIM_SVG_LIMIT, word);
    snprintf(word, sizeof word, "mean = %.2f log\xe2\x82\x82 N", limit > 0 ? mean / limit : 0);
    sim_chart_mark(&c, mean, limit - mean < 0.55 * (c.x_max - c.x_min), SIM_SVG_SECOND, word);
}

static void draw_latency(FILE *out, struct sim_result *r)
{
    char below[120];
    double looked[BINS], direct[BINS];
    snprintf(below, sizeof below, "mean %.0f ms, 99 of 100 within %.0f ms; round trip: mean %.0f ms",
             sim_samples_mean(&r->latency_us) / 1000, sim_samples_percentile(&r->latency_us, 99) / 1000.0,
             sim_samples_mean(&r->direct_us) / 1000);
    struct sim_chart c = panel(out, 1, "Time of a look-up", r->latency_us.n ? below : "");
    if (!r->latency_us.n) {
        draw_nothing(&c);
        return;
    }
    c.x_max = sim_chart_range(
        fmax(sim_samples_percentile(&r->latency_us, 99.5), sim_samples_percentile(&r->direct_us, 99.5)) / 1000);
    share_bins(&r->latency_us, 1e-3, c.x_max, BINS, looked);
    share_bins(&r->direct_us, 1e-3, c.x_max, BINS, direct);
    c.y_max = fmax(highest(looked, BINS), highest(direct, BINS)) * 1.1 + 1e-3;
    sim_chart_axes(&c, "ms", NULL, true);
    sim_chart_steps(&c, direct, BINS, SIM_SVG_SECOND);
    sim_chart_steps(&c, looked, BINS, SIM_SVG_FIRST);
    double at = sim_chart_legend(&c, 0, SIM_SVG_FIRST, "look-up, question to answer");
    sim_chart_legend(&c, at, SIM_SVG_SECOND, "round trip to who answered");
}

/* How many nodes have how much of something. */
static void draw_spread(struct sim_chart c, unsigned count, const struct sim_samples *s, double scale,
                        const char *x_name)
{
    double bins[BINS];
    share_bins(s, scale, c.x_max, count, bins);
    c.y_max = highest(bins, count) * 1.1 + 1e-3;
    sim_chart_axes(&c, x_name, NULL, true);
    sim_chart_steps(&c, bins, count, SIM_SVG_FIRST);
    if (s->n)
        sim_chart_mark(&c, sim_samples_mean(s) * scale, 0, SIM_SVG_SECOND, "mean");
}

static void draw_load(FILE *out, struct sim_result *r)
{
    char below[120];
    double scale = 1e-3 / (r->virtual_hours > 0 ? r->virtual_hours : 1);
    double most = sim_samples_max(&r->node_octets) * scale;
    snprintf(below, sizeof below, "share of the nodes that send so much; mean %.0f kB, at most %.0f",
             sim_samples_mean(&r->node_octets) * scale, most);
    struct sim_chart c = panel(out, 2, "Load of a node", below);
    c.x_max = sim_chart_range(most);
    draw_spread(c, BINS, &r->node_octets, scale, "kB sent per hour");
}

static void draw_records(FILE *out, struct sim_result *r)
{
    char below[120];
    uint32_t most = sim_samples_max(&r->records_held), each = most / BINS + 1; /* whole records to a bin */
    snprintf(below, sizeof below, "share of the nodes that hold so many; mean %.1f, at most %" PRIu32,
             sim_samples_mean(&r->records_held), most);
    struct sim_chart c = panel(out, 3, "Records on a node, copies included", below);
    unsigned count = most / each + 1;
    c.x_max = count * each;
    draw_spread(c, count, &r->records_held, 1, "records");
}

/* The lowest of each interval, so that no dip is lost. */
static size_t thin_out(const struct sim_result *r, double *x, double *up, double *joined)
{
    size_t n = r->moment_count < POINTS ? r->moment_count : POINTS;
    for (size_t i = 0; i < n; i++) {
        size_t from = i * r->moment_count / n, to = (i + 1) * r->moment_count / n;
        x[i] = (double)r->moments[from].at_ms / 60000;
        up[i] = r->moments[from].nodes_up;
        joined[i] = r->moments[from].nodes_joined;
        for (size_t at = from + 1; at < to; at++) {
            up[i] = fmin(up[i], r->moments[at].nodes_up);
            joined[i] = fmin(joined[i], r->moments[at].nodes_joined);
        }
    }
    return n;
}

static void draw_nodes(FILE *out, const struct sim_result *r)
{
    static const char title[] = "Nodes over time";
    double x[POINTS], up[POINTS], joined[POINTS];
    char below[120];
    size_t n = thin_out(r, x, up, joined);
    if (r->converge_s > 0)
        snprintf(below, sizeof below, "one right ring %.1f s after the last fault or join", r->converge_s);
    else
        snprintf(below, sizeof below, "the lowest of each interval");
    struct sim_chart c = panel(out, 4, title, below);
    if (n) {
        c.x_min = x[0];
        c.x_max = n > 1 ? x[n - 1] : x[0] + 1;
        c.y_max = fmax(highest(up, n), 1) * 1.1;
    }
    sim_chart_axes(&c, "minutes", NULL, false);
    sim_chart_line(&c, x, up, n, SIM_SVG_SECOND);
    sim_chart_line(&c, x, joined, n, SIM_SVG_FIRST);
    double at = sim_chart_legend(&c, 0, SIM_SVG_FIRST, "members of the ring");
    sim_chart_legend(&c, at, SIM_SVG_SECOND, "running");
}

/* What the octets were for, the most expensive kinds first. */
static void draw_kinds(FILE *out, const struct sim_result *r)
{
    const struct sim_traffic *t = &r->traffic;
    char below[120], text[80];
    double all = 0;
    bool shown[SIM_TRAFFIC_ROWS] = {false};
    for (unsigned row = 0; row < SIM_TRAFFIC_ROWS; row++)
        all += (double)t->octets[row];
    snprintf(below, sizeof below, "share of the octets by kind of message; %.0f kB per node and hour",
             r->octets_per_node_hour / 1000);
    struct sim_chart c = panel(out, 5, "What the links carry", below);
    for (unsigned place = 0; place < KINDS && all > 0; place++) {
        unsigned most = SIM_TRAFFIC_ROWS;
        for (unsigned row = 0; row < SIM_TRAFFIC_ROWS; row++)
            if (!shown[row] && t->octets[row] && (most == SIM_TRAFFIC_ROWS || t->octets[row] > t->octets[most]))
                most = row;
        if (most == SIM_TRAFFIC_ROWS)
            break;
        shown[most] = true;
        double share = (double)t->octets[most] / all, y = c.top - 8 + place * (c.height + 20) / KINDS;
        double room = c.width - 130;
        sim_svg_text(out, c.left + 64, y + 11, "r", sim_traffic_name(most));
        fprintf(out, "<rect class=\"a\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"14\" rx=\"2\"/>\n", c.left + 72,
                y, fmax(1, share * room));
        snprintf(text, sizeof text, "%.1f%%", share * 100);
        sim_svg_text(out, c.left + 78 + share * room, y + 11, "note", text);
    }
}

static void draw_head(FILE *out, const struct sim_result *r)
{
    char text[200];
    snprintf(text, sizeof text, "A ring of %" PRIu32 " servers", r->nodes);
    sim_svg_text(out, MARGIN, 36, "head", text);
    snprintf(text, sizeof text,
             "ime-sim: seed %" PRIu64 ", scenario %s, %.2f hours of virtual time, %" PRIu64 " look-ups, %" PRIu64
             " failed, %zu violations",
             r->seed, r->scenario, r->virtual_hours, r->lookups, r->failed, r->violation_count);
    sim_svg_text(out, MARGIN, 60, "sub", text);
}

int sim_plot_svg(FILE *out, struct sim_result *r)
{
    sim_svg_begin(out, WIDTH, TOP + 3 * PANEL_HEIGHT + 2 * GAP + MARGIN);
    draw_head(out, r);
    draw_hops(out, r);
    draw_latency(out, r);
    draw_load(out, r);
    draw_records(out, r);
    draw_nodes(out, r);
    draw_kinds(out, r);
    sim_svg_end(out);
    errno = 0;
    if (fflush(out) == 0 && !ferror(out))
        return 0;
    return errno == ENOSPC ? ERR_NO_SPACE : ERR_IO;
}
