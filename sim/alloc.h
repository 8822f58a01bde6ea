/* Memory of the simulator itself: there is always enough, or the program ends. The nodes get theirs from base/mem.h, as ever. */
#ifndef SIM_ALLOC_H
#define SIM_ALLOC_H

#include <stddef.h>

/* Zeroed; freed with mem_free. */
void *sim_alloc(size_t octets);

/* What is added is not zeroed. */
void *sim_resize(void *p, size_t octets);

/* Ends the program: something went wrong that is no fault of the world that is simulated. */
void sim_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
