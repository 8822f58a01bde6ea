/* The world's ring links into a capture file: the observer between world.h and pcap.h. */
#ifndef SIM_CAPTURE_H
#define SIM_CAPTURE_H

#include "world.h"

struct sim_capture;

/* Watches from now on, and so must be made before the first node is started. 0, or as sim_pcap_new. */
int sim_capture_new(struct sim_world *world, const char *path, struct sim_capture **ret_capture);

/* After the world has been freed. 0, or the first error of writing: ERR_NO_SPACE when the disk became full, ERR_IO; the capture then ends
 * somewhere in the middle. NULL is allowed. */
int sim_capture_free(struct sim_capture *capture);

#endif
