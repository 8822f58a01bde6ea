/* A node's disk: the store in memory (store/memory.h) behind a delay, with failures to order. What a commit wrote is durable when its
 * completion was called; a crash takes back what was not. */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "store/memory.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_DISK_LAST_TURNS 10000 /* when a process ends: completions write and commit again, but not for ever */

struct sim_disk {
    struct memory_store *store;
    uint32_t mean_us; /* from a commit to its completion: half of it to one and a half times */
    bool hangs;       /* nothing is completed until it is set back: sim_node_disk_hangs */
    bool turning;     /* a completion is scheduled */
    uint64_t turns;   /* done */
};

enum sim_disk_fault {
    SIM_DISK_GOOD,
    SIM_DISK_FULL,     /* writes are refused: ERR_NO_SPACE */
    SIM_DISK_READ_ONLY /* writes are refused: ERR_IO */
};

/* 0 or ERR_NO_MEMORY. */
int sim_disk_init(struct sim_disk *disk, uint32_t mean_us);
void sim_disk_fini(struct sim_disk *disk);

void sim_disk_set_fault(struct sim_disk *disk, enum sim_disk_fault fault);

/* Completes what was written. */
void sim_disk_turn(struct sim_disk *disk);

/* The next transactions fail with ERR_IO: nothing of them is kept, and who waits is told. */
void sim_disk_fail_next(struct sim_disk *disk, unsigned transactions);

/* The process is killed or the power fails: whoever waits is told that it failed, so that memory is freed; only what was durable is left.
 * The owner must not act on what the completions caused. */
void sim_disk_crash(struct sim_disk *disk);

/* The process ends in good order: what was written is completed. */
void sim_disk_sync(struct sim_disk *disk);

#endif
