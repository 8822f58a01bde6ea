/* The result of a run for the eye: one SVG that needs nothing else, readable on light and dark paper. */
#ifndef SIM_PLOT_H
#define SIM_PLOT_H

#include "measure.h"

#include <stdio.h>

/* Hops, latency of look-ups against the direct round trip, load of the nodes, nodes over time. The samples are sorted by it. 0, ERR_NO_MEMORY,
 * ERR_IO or ERR_NO_SPACE. */
int sim_plot_svg(FILE *out, struct sim_result *result);

#endif
