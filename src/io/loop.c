/* The event loop on libevent: turns, stages, timers, signals. */
#include "io/loop.h"

#include "base/err.h"
#include "base/mem.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <time.h>

struct loop_signal {
    struct event *event;
    loop_signal_fn *fn;
    void *arg;
};

struct loop {
    struct event_base *base;
    struct list stages[LOOP_STAGE_COUNT];
    struct list at_end;
    struct now now;
    bool sampled; /* now is of this turn */
    bool stopped;
    int status;
    struct loop_signal signals[LOOP_SIGNALS_MAX];
    size_t signal_count;
};

struct loop_timer {
    struct loop *loop;
    struct event event;
    struct mono deadline;
    loop_fn *fn;
    void *arg;
};

/* Libevent's precise timers are set in the kernel before each wait. */
static int new_loop(int timer_flag, struct loop **ret_loop)
{
    struct loop *loop = mem_alloc(sizeof *loop);
    struct event_config *config = event_config_new();
    if (!loop || !config)
        goto out;
    for (size_t i = 0; i < LOOP_STAGE_COUNT; i++)
        list_init(&loop->stages[i]);
    list_init(&loop->at_end);
    /* One thread; deadlines are compared with the clock itself and not with a copy that is a turn old. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME | timer_flag);
    loop->base = event_base_new_with_config(config);
    if (!loop->base)
        goto out;
    event_config_free(config);
    signal(SIGPIPE, SIG_IGN);
    *ret_loop = loop;
    return 0;
out:
    if (config)
        event_config_free(config);
    mem_free(loop);
    return ERR_NO_MEMORY;
}

int loop_new(struct loop **ret_loop)
{
    return new_loop(EVENT_BASE_FLAG_PRECISE_TIMER, ret_loop);
}

int loop_new_coarse(struct loop **ret_loop)
{
    return new_loop(0, ret_loop);
}

static void run_stage(struct list *stage)
{
    if (list_empty(stage))
        return;
    /* What is posted from now on goes to the emptied list: the next turn's. A canceled task unlinks itself from either. */
    struct list due = *stage;
    due.next->prev = due.prev->next = &due;
    list_init(stage);
    struct list *link;
    while ((link = list_pop(&due))) {
        struct loop_task *task = CONTAINER_OF(link, struct loop_task, link);
        task->fn(task->arg);
    }
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    run_stage(&loop->at_end);
    for (size_t i = 0; i < loop->signal_count; i++)
        event_free(loop->signals[i].event);
    event_base_free(loop->base);
    mem_free(loop);
}

struct event_base *loop_event_base(struct loop *loop)
{
    return loop->base;
}

static int64_t clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct mono loop_clock(void)
{
    return (struct mono){clock_us(CLOCK_MONOTONIC)};
}

struct now loop_now(struct loop *loop)
{
    if (!loop->sampled) {
        loop->now.mono = loop_clock();
        loop->now.wall.ms = clock_us(CLOCK_REALTIME) / 1000;
        loop->sampled = true;
    }
    return loop->now;
}

static bool tasks_wait(const struct loop *loop)
{
    for (size_t i = 0; i < LOOP_STAGE_COUNT; i++)
        if (!list_empty(&loop->stages[i]))
            return true;
    return false;
}

int loop_turn(struct loop *loop, bool wait)
{
    loop->sampled = false;
    int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;
    if (!wait || tasks_wait(loop))
        flags |= EVLOOP_NONBLOCK;
    if (event_base_loop(loop->base, flags) < 0)
        return ERR_IO;
    for (size_t i = 0; i < LOOP_STAGE_COUNT; i++)
        run_stage(&loop->stages[i]);
    loop->sampled = false;
    return 0;
}

int loop_run(struct loop *loop)
{
    loop->stopped = false;
    while (!loop->stopped) {
        int err = loop_turn(loop, true);
        if (err)
            return err;
    }
    return loop->status;
}

void loop_stop(struct loop *loop, int status)
{
    loop->stopped = true;
    loop->status = status;
}

void loop_task_init(struct loop_task *task, loop_fn *fn, void *arg)
{
    list_init(&task->link);
    task->fn = fn;
    task->arg = arg;
}

void loop_post(struct loop *loop, struct loop_task *task, enum loop_stage stage)
{
    if (list_empty(&task->link))
        list_append(&loop->stages[stage], &task->link);
}

void loop_at_end(struct loop *loop, struct loop_task *task)
{
    if (list_empty(&task->link))
        list_append(&loop->at_end, &task->link);
}

void loop_task_cancel(struct loop_task *task)
{
    list_remove(&task->link);
}

/* Libevent waits for a span; rounding, or a coarse clock, may end it a little early, and a core must not be called before its deadline. */
static void timer_arm(struct loop_timer *timer)
{
    int64_t now_us = loop_clock().us;
    int64_t us =
        timer->deadline.us > now_us ? timer->deadline.us - now_us : 0; /* "at once" may be as early as time goes */
    struct timeval span = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
    event_add(&timer->event, &span);
}

static void timer_due(evutil_socket_t fd, short what, void *arg)
{
    struct loop_timer *timer = arg;
    (void)fd;
    (void)what;
    if (!mono_due(timer->deadline, loop_now(timer->loop).mono))
        timer->loop->sampled = false; /* due by the clock, but not by this turn's sample of it */
    if (!mono_due(timer->deadline, loop_now(timer->loop).mono)) {
        timer_arm(timer);
        return;
    }
    timer->deadline = MONO_NEVER;
    timer->fn(timer->arg);
}

int loop_timer_new(struct loop *loop, loop_fn *fn, void *arg, struct loop_timer **ret_timer)
{
    struct loop_timer *timer = mem_alloc(sizeof *timer);
    if (!timer)
        return ERR_NO_MEMORY;
    timer->loop = loop;
    timer->deadline = MONO_NEVER;
    timer->fn = fn;
    timer->arg = arg;
    event_assign(&timer->event, loop->base, -1, 0, timer_due, timer);
    *ret_timer = timer;
    return 0;
}

void loop_timer_free(struct loop_timer *timer)
{
    if (!timer)
        return;
    event_del(&timer->event);
    mem_free(timer);
}

void loop_timer_set(struct loop_timer *timer, struct mono deadline)
{
    if (timer->deadline.us == deadline.us)
        return;
    timer->deadline = deadline;
    if (deadline.us == MONO_NEVER.us)
        event_del(&timer->event);
    else
        timer_arm(timer);
}

static void signal_due(evutil_socket_t number, short what, void *arg)
{
    struct loop_signal *handler = arg;
    (void)what;
    handler->fn(handler->arg, (int)number);
}

int loop_on_signal(struct loop *loop, int signal_number, loop_signal_fn *fn, void *arg)
{
    if (loop->signal_count == LOOP_SIGNALS_MAX)
        return ERR_LIMIT;
    struct loop_signal *handler = &loop->signals[loop->signal_count];
    *handler = (struct loop_signal){.fn = fn, .arg = arg};
    handler->event = evsignal_new(loop->base, signal_number, signal_due, handler);
    if (!handler->event || event_add(handler->event, NULL) != 0) {
        if (handler->event)
            event_free(handler->event);
        return ERR_NO_MEMORY;
    }
    loop->signal_count++;
    return 0;
}
