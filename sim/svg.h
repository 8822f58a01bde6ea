/* Drawing charts as SVG: a panel with a title, axes with round numbers, bars, steps, lines, notes. Colors are classes whose meaning svg_begin
 * writes once, for light and dark. */
#ifndef SIM_SVG_H
#define SIM_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Where on the paper, and which values its edges stand for. */
struct sim_chart {
    FILE *out;
    double left, top, width, height; /* of the inner area */
    double x_min, x_max;
    double y_max; /* from 0 */
};

/* How something is drawn: classes of the style sheet. */
#define SIM_SVG_FIRST "a"  /* what the chart is about */
#define SIM_SVG_SECOND "b" /* what it is compared with */
#define SIM_SVG_LIMIT "c"  /* what must not be exceeded */

void sim_svg_begin(FILE *out, double width, double height);
void sim_svg_end(FILE *out);

/* Text with the characters of XML made harmless. The class is one of "title", "sub", "note", or of axes. */
void sim_svg_text(FILE *out, double x, double y, const char *class, const char *text);

/* The panel at this place: title, a line below it, and the inner area to draw in. */
struct sim_chart sim_chart_begin(FILE *out, double x, double y, double width, double height, const char *title,
                                 const char *below);

/* Axes after the ranges have been set. The names may be NULL; percent: the values of y are shares. */
void sim_chart_axes(const struct sim_chart *chart, const char *x_name, const char *y_name, bool y_percent);

/* A bar from x to x + width, of height y. */
void sim_chart_bar(const struct sim_chart *chart, double x, double width, double y, const char *class);

/* Steps of equal width over the whole range of x, filled down to the axis. */
void sim_chart_steps(const struct sim_chart *chart, const double *values, size_t n, const char *class);

/* A line through points. */
void sim_chart_line(const struct sim_chart *chart, const double *x, const double *y, size_t n, const char *class);

/* A vertical line with a word at its top, in that row of words (0: the highest). */
void sim_chart_mark(const struct sim_chart *chart, double x, unsigned row, const char *class, const char *word);

/* What stands for what: the place of the next one is returned. */
double sim_chart_legend(const struct sim_chart *chart, double x, const char *class, const char *word);

/* How far an axis goes that has to show this value. */
double sim_chart_range(double value);

#endif
