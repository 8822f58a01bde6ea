/* The few shapes that charts are made of. */
#include "svg.h"

#include <math.h>
#include <string.h>

#define TICKS 6
#define ROW 13

/* Two sheets of paper: the second is taken by who reads in the dark. */
static const char style[] =
    "<style>"
    "text{font:11px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#52606d}"
    ".head{font-size:19px;font-weight:600;fill:#1f2933}"
    ".title{font-size:14px;font-weight:600;fill:#1f2933}"
    ".sub{font-size:12px}"
    ".note{font-size:11px;fill:#1f2933}"
    ".r{text-anchor:end}.m{text-anchor:middle}"
    ".paper{fill:#fff}.panel{fill:#f7f9fb;stroke:#e4e9ee}"
    ".grid{stroke:#dfe5ea;stroke-width:1;fill:none}.axis{stroke:#7b8794;stroke-width:1;fill:none}"
    ".a{fill:#2f6fb3}.b{fill:#e08a2c}.c{fill:#c0392b}"
    ".area.a,.area.b{fill-opacity:.35}"
    ".line.a,.line.b,.line.c{fill:none;stroke-width:1.6;stroke-linejoin:round}"
    ".line.a{stroke:#2f6fb3}.line.b{stroke:#e08a2c}.line.c{stroke:#c0392b;stroke-dasharray:5 3}"
    "text.a{fill:#1f5591}text.b{fill:#a85f12}text.c{fill:#a93226}"
    "@media(prefers-color-scheme:dark){"
    "text{fill:#a9b6c2}.head,.title,.note{fill:#e8edf2}"
    ".paper{fill:#12181f}.panel{fill:#1a222b;stroke:#2a3540}"
    ".grid{stroke:#2a3540}.axis{stroke:#7b8794}"
    ".a{fill:#5aa2e6}.b{fill:#f0a44e}.c{fill:#f0776a}"
    ".line.a{stroke:#5aa2e6}.line.b{stroke:#f0a44e}.line.c{stroke:#f0776a}"
    "text.a{fill:#8cc0f2}text.b{fill:#f4be80}text.c{fill:#f59a90}"
    "}</style>\n";

void sim_svg_begin(FILE *out, double width, double height)
{
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" "
            "role=\"img\">\n%s<rect class=\"paper\" width=\"%.0f\" height=\"%.0f\"/>\n",
            width, height, width, height, style, width, height);
}

void sim_svg_end(FILE *out)
{
    fputs("</svg>\n", out);
}

void sim_svg_text(FILE *out, double x, double y, const char *class, const char *text)
{
    fprintf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        default:
            fputc(*text, out);
        }
    }
    fputs("</text>\n", out);
}

struct sim_chart sim_chart_begin(FILE *out, double x, double y, double width, double height, const char *title,
                                 const char *below)
{
    fprintf(out, "<rect class=\"panel\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"6\"/>\n", x, y, width,
            height);
    sim_svg_text(out, x + 16, y + 24, "title", title);
    sim_svg_text(out, x + 16, y + 42, "sub", below);
    return (struct sim_chart){.out = out,
                              .left = x + 56,
                              .top = y + 74,
                              .width = width - 56 - 20,
                              .height = height - 74 - 40,
                              .x_max = 1,
                              .y_max = 1};
}

static double x_of(const struct sim_chart *c, double x)
{
    return c->left + (x - c->x_min) / (c->x_max - c->x_min) * c->width;
}

static double y_of(const struct sim_chart *c, double y)
{
    return c->top + c->height - y / c->y_max * c->height;
}

/* The least of these numbers, times a power of ten, that is not below the value. */
static double round_up(double value, const double *steps, size_t n)
{
    if (!(value > 0))
        return 1;
    double power = pow(10, floor(log10(value)));
    for (size_t i = 0; i < n; i++)
        if (steps[i] * power >= value * (1 - 1e-9))
            return steps[i] * power;
    return 10 * power;
}

static double tick_of(double value)
{
    static const double steps[] = {1, 2, 2.5, 5};
    return round_up(value, steps, sizeof steps / sizeof *steps);
}

double sim_chart_range(double value)
{
    static const double steps[] = {1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8};
    return round_up(value, steps, sizeof steps / sizeof *steps);
}

/* "1500", "2.5", "1.2M": short, and never rounded. */
static void format_tick(double value, double step, char *text, size_t n)
{
    double size = fabs(value);
    value = size < step / 1000 ? 0 : value; /* no minus before it */
    const char *unit = size >= 1e9 ? "G" : size >= 1e6 ? "M" : size >= 1e4 ? "k" : "";
    double scale = size >= 1e9 ? 1e9 : size >= 1e6 ? 1e6 : size >= 1e4 ? 1e3 : 1;
    double part = step / scale;
    int digits = part >= 1 && fmod(part, 1) < 1e-9 ? 0 : part >= 0.1 && fmod(part * 10, 1) < 1e-6 ? 1 : 2;
    snprintf(text, n, "%.*f%s", digits, value / scale, unit);
}

void sim_chart_axes(const struct sim_chart *c, const char *x_name, const char *y_name, bool y_percent)
{
    char text[40];
    double bottom = c->top + c->height;
    double step = tick_of(c->y_max / TICKS);
    for (double y = 0; y <= c->y_max * (1 + 1e-9); y += step) {
        fprintf(c->out, "<path class=\"grid\" d=\"M%.1f %.1fh%.1f\"/>\n", c->left, y_of(c, y), c->width);
        format_tick(y_percent ? y * 100 : y, y_percent ? step * 100 : step, text, sizeof text - 1);
        if (y_percent)
            snprintf(text + strlen(text), 2, "%%");
        sim_svg_text(c->out, c->left - 6, y_of(c, y) + 4, "r", text);
    }
    step = tick_of((c->x_max - c->x_min) / (TICKS + 2));
    for (double x = ceil(c->x_min / step) * step; x <= c->x_max * (1 + 1e-9); x += step) {
        fprintf(c->out, "<path class=\"axis\" d=\"M%.1f %.1fv4\"/>\n", x_of(c, x), bottom);
        format_tick(x, step, text, sizeof text);
        sim_svg_text(c->out, x_of(c, x), bottom + 16, "m", text);
    }
    fprintf(c->out, "<path class=\"axis\" d=\"M%.1f %.1fh%.1f\"/>\n", c->left, bottom, c->width);
    if (x_name)
        sim_svg_text(c->out, c->left + c->width, bottom + 31, "r", x_name);
    if (y_name)
        sim_svg_text(c->out, c->left - 40, c->top - 10, "l", y_name);
}

void sim_chart_bar(const struct sim_chart *c, double x, double width, double y, const char *class)
{
    if (y > 0)
        fprintf(c->out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", class,
                x_of(c, x), y_of(c, y), x_of(c, x + width) - x_of(c, x), c->top + c->height - y_of(c, y));
}

void sim_chart_steps(const struct sim_chart *c, const double *values, size_t n, const char *class)
{
    double width = c->width / (double)n;
    for (int line = 0; line < 2; line++) {
        fprintf(c->out, "<path class=\"%s %s\" d=\"M%.1f %.1f", line ? "line" : "area", class, c->left,
                c->top + c->height);
        for (size_t i = 0; i < n; i++)
            fprintf(c->out, "V%.1fh%.2f", y_of(c, values[i]), width);
        fprintf(c->out, "V%.1f%s\"/>\n", c->top + c->height, line ? "" : "z");
    }
}

void sim_chart_line(const struct sim_chart *c, const double *x, const double *y, size_t n, const char *class)
{
    fprintf(c->out, "<path class=\"line %s\" d=\"", class);
    for (size_t i = 0; i < n; i++)
        fprintf(c->out, "%c%.1f %.1f", i ? 'L' : 'M', x_of(c, x[i]), y_of(c, y[i]));
    fputs("\"/>\n", c->out);
}

void sim_chart_mark(const struct sim_chart *c, double x, unsigned row, const char *class, const char *word)
{
    if (x < c->x_min || x > c->x_max)
        return;
    double top = c->top - 2 + row * ROW, at = x_of(c, x);
    char classes[40];
    bool left = at > c->left + c->width * 0.6;
    snprintf(classes, sizeof classes, "note %s%s", class, left ? " r" : "");
    fprintf(c->out, "<path class=\"line %s\" d=\"M%.1f %.1fV%.1f\"/>\n", class, at, top - 8, c->top + c->height);
    sim_svg_text(c->out, at + (left ? -4 : 4), top, classes, word);
}

double sim_chart_legend(const struct sim_chart *c, double x, const char *class, const char *word)
{
    double y = c->top - 16;
    fprintf(c->out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"10\" rx=\"2\"/>\n", class,
            c->left + x, y);
    sim_svg_text(c->out, c->left + x + 14, y + 9, "l", word);
    return x + 14 + 6.2 * (double)strlen(word) + 14;
}
