/* The event loop of a daemon: one thread, one clock sample per turn, and what happens at the end of a turn.
 *
 * A turn is: wait for the kernel; call back for every socket, timer and signal that is due; then the stages below, in order. Work is
 * posted to a stage as a one-shot task: cores drain their effects in LOOP_STAGE_WORK, the store commits everything written in this turn
 * as one transaction in LOOP_STAGE_COMMIT (and calls the completions), streams hand what was written to the kernel in LOOP_STAGE_FLUSH.
 * So a turn costs at most one disk synchronization, and answers leave right after it. */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include "base/list.h"
#include "base/time.h"

struct loop;
struct event_base;

/* 0 or ERR_NO_MEMORY / ERR_IO. SIGPIPE is ignored from then on. */
int loop_new(struct loop **ret_loop);

/* The same, with timers that may be late by some milliseconds and cost nothing in turns in which none is due. */
int loop_new_coarse(struct loop **ret_loop);

/* Everything that belongs to the loop (streams, timers, tasks) must be gone before, but for streams that were finished. NULL is allowed. */
void loop_free(struct loop *loop);

/* The time, the same all through a turn, except that a timer which becomes due in it sets it forward. */
struct now loop_now(struct loop *loop);

/* The clock itself, for how long something took within a turn. */
struct mono loop_clock(void);

/* Returns what loop_stop was given, or ERR_IO when the kernel refuses to wait. */
int loop_run(struct loop *loop);

/* One turn; waits for the kernel only if wait. For tests and for a last flush. */
int loop_turn(struct loop *loop, bool wait);

/* The current turn is finished, stages included, then loop_run returns. */
void loop_stop(struct loop *loop, int status);

/* Stages: see above. Tasks of one stage run in the order of posting; one posted to the running or a past stage runs in the next turn,
 * which then does not wait. */
enum loop_stage { LOOP_STAGE_WORK, LOOP_STAGE_COMMIT, LOOP_STAGE_FLUSH };
#define LOOP_STAGE_COUNT 3

typedef void loop_fn(void *arg);

struct loop_task {
    struct list link;
    loop_fn *fn;
    void *arg;
};

void loop_task_init(struct loop_task *task, loop_fn *fn, void *arg);

/* Harmless if it is posted already. */
void loop_post(struct loop *loop, struct loop_task *task, enum loop_stage stage);

/* Harmless if it is not posted. Must be called before the storage of a task goes away. */
void loop_task_cancel(struct loop_task *task);

/* A deadline: one per core, set again after each input to what the core asks for. */
struct loop_timer;
int loop_timer_new(struct loop *loop, loop_fn *fn, void *arg, struct loop_timer **ret_timer);
void loop_timer_free(struct loop_timer *timer);

/* Replaces the deadline; MONO_NEVER disarms. A deadline in the past is due in the next turn. Called back once. */
void loop_timer_set(struct loop_timer *timer, struct mono deadline);

/* The handler replaces the signal's default action as long as the loop lives; it runs in the loop, not in signal context. At most
 * LOOP_SIGNALS_MAX. */
#define LOOP_SIGNALS_MAX 8
typedef void loop_signal_fn(void *arg, int signal_number);
int loop_on_signal(struct loop *loop, int signal_number, loop_signal_fn *fn, void *arg);

/* For the other files of this module: a task that runs when the loop is freed, for what nobody owns anymore. */
void loop_at_end(struct loop *loop, struct loop_task *task);
struct event_base *loop_event_base(struct loop *loop);

#endif
