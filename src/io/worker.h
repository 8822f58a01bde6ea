/* Threads for pure jobs that are too slow for the loop (argon2id, PBKDF2). A job works on its own memory only: no loop, no logging, no
 * allocation shared with anybody. */
#ifndef IO_WORKER_H
#define IO_WORKER_H

#include "base/list.h"
#include "io/loop.h"

struct worker_pool;

/* Lives in the caller's storage until done was called. */
struct worker_job {
    struct list link;
    void (*run)(void *arg);  /* in a thread */
    void (*done)(void *arg); /* in the loop */
    void *arg;
};

/* Threads: 0 for one per processor but one, at least one. */
int worker_pool_new(struct loop *loop, unsigned threads, size_t jobs_max, struct worker_pool **ret_pool);

/* Waits for the jobs that run; calls done for no job anymore. */
void worker_pool_free(struct worker_pool *pool);

/* 0, or ERR_LIMIT when jobs_max wait. */
int worker_submit(struct worker_pool *pool, struct worker_job *job);

#endif
