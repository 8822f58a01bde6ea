/* Worker threads: one queue in, one queue out, and an eventfd that wakes the loop. */
#include "io/worker.h"

#include "base/err.h"
#include "base/mem.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define THREADS_MAX 64

struct worker_pool {
    pthread_t threads[THREADS_MAX];
    unsigned thread_count;
    int wake_fd;
    struct event *wake_event;
    size_t jobs_max;
    /* Under the lock: */
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct list waiting;
    size_t waiting_count;
    struct list finished;
    bool ending;
};

static void *work(void *arg)
{
    struct worker_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (list_empty(&pool->waiting) && !pool->ending)
            pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->ending)
            break;
        struct worker_job *job = CONTAINER_OF(list_pop(&pool->waiting), struct worker_job, link);
        pool->waiting_count--;
        pthread_mutex_unlock(&pool->lock);
        job->run(job->arg);
        pthread_mutex_lock(&pool->lock);
        list_append(&pool->finished, &job->link);
        if (eventfd_write(pool->wake_fd, 1) != 0)
            break; /* cannot happen: the counter is read long before it is full */
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void deliver(evutil_socket_t fd, short what, void *arg)
{
    struct worker_pool *pool = arg;
    eventfd_t count;
    (void)what;
    if (eventfd_read((int)fd, &count) != 0)
        return;
    for (;;) {
        pthread_mutex_lock(&pool->lock);
        struct list *link = list_pop(&pool->finished);
        pthread_mutex_unlock(&pool->lock);
        if (!link)
            return;
        struct worker_job *job = CONTAINER_OF(link, struct worker_job, link);
        job->done(job->arg);
    }
}

static unsigned default_threads(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors > 2 ? (unsigned)(processors - 1) : 1;
}

int worker_pool_new(struct loop *loop, unsigned threads, size_t jobs_max, struct worker_pool **ret_pool)
{
    struct worker_pool *pool = mem_alloc(sizeof *pool);
    if (!pool)
        return ERR_NO_MEMORY;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    list_init(&pool->waiting);
    list_init(&pool->finished);
    pool->jobs_max = jobs_max;
    pool->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (pool->wake_fd >= 0)
        pool->wake_event = event_new(loop_event_base(loop), pool->wake_fd, EV_READ | EV_PERSIST, deliver, pool);
    int err = pool->wake_event && event_add(pool->wake_event, NULL) == 0 ? 0 : ERR_IO;
    if (threads == 0)
        threads = default_threads();
    /* Signals are for the loop's thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (!err && pool->thread_count < threads && pool->thread_count < THREADS_MAX) {
        if (pthread_create(&pool->threads[pool->thread_count], NULL, work, pool) != 0)
            err = ERR_IO;
        else
            pool->thread_count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err) {
        worker_pool_free(pool);
        return err;
    }
    *ret_pool = pool;
    return 0;
}

void worker_pool_free(struct worker_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    if (pool->wake_event)
        event_free(pool->wake_event);
    if (pool->wake_fd >= 0)
        close(pool->wake_fd);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    mem_free(pool);
}

int worker_submit(struct worker_pool *pool, struct worker_job *job)
{
    int err = 0;
    list_init(&job->link);
    pthread_mutex_lock(&pool->lock);
    if (pool->waiting_count >= pool->jobs_max) {
        err = ERR_LIMIT;
    } else {
        list_append(&pool->waiting, &job->link);
        pool->waiting_count++;
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return err;
}
