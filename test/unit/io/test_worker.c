/* Worker threads: every job runs once and comes back in the loop; the queue is bounded; ending with work left is safe. */
#include "base/err.h"
#include "io/worker.h"
#include "testing.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#define JOBS 200

struct job {
    struct worker_job job;
    pthread_t ran_in;
    unsigned value;
    unsigned done;
    sem_t *gate; /* waits here, if set */
};

static void run(void *arg)
{
    struct job *job = arg;
    if (job->gate)
        sem_wait(job->gate);
    job->ran_in = pthread_self();
    job->value *= 2;
}

static void done(void *arg)
{
    struct job *job = arg;
    assert_false(pthread_equal(job->ran_in, pthread_self()));
    job->done++;
}

static void job_init(struct job *job, unsigned value, sem_t *gate)
{
    *job = (struct job){.job = {.run = run, .done = done, .arg = job}, .value = value, .gate = gate};
}

static void test_all_come_back_once(void **state)
{
    (void)state;
    struct loop *loop;
    struct worker_pool *pool;
    static struct job jobs[JOBS];
    assert_int_equal(loop_new(&loop), 0);
    assert_int_equal(worker_pool_new(loop, 3, JOBS, &pool), 0);
    for (unsigned i = 0; i < JOBS; i++) {
        job_init(&jobs[i], i, NULL);
        assert_int_equal(worker_submit(pool, &jobs[i].job), 0);
    }
    for (unsigned i = 0; i < JOBS; i++)
        while (!jobs[i].done)
            assert_int_equal(loop_turn(loop, true), 0);
    for (unsigned i = 0; i < JOBS; i++) {
        assert_int_equal(jobs[i].done, 1);
        assert_int_equal(jobs[i].value, 2 * i);
    }
    worker_pool_free(pool);
    loop_free(loop);
}

static void test_bounded(void **state)
{
    (void)state;
    struct loop *loop;
    struct worker_pool *pool;
    struct job jobs[4];
    sem_t gate;
    sem_init(&gate, 0, 0);
    assert_int_equal(loop_new(&loop), 0);
    assert_int_equal(worker_pool_new(loop, 1, 0, &pool), 0);
    job_init(&jobs[0], 0, &gate);
    assert_int_equal(worker_submit(pool, &jobs[0].job), ERR_LIMIT);
    worker_pool_free(pool);

    assert_int_equal(worker_pool_new(loop, 1, 3, &pool), 0);
    for (unsigned i = 0; i < 3; i++) {
        job_init(&jobs[i], i, &gate);
        assert_int_equal(worker_submit(pool, &jobs[i].job), 0);
    }
    sem_post(&gate);
    while (!jobs[0].done)
        assert_int_equal(loop_turn(loop, true), 0);
    /* One runs or is about to, one waits at least: two more cannot both fit into three, and one does. */
    job_init(&jobs[3], 3, NULL);
    assert_int_equal(worker_submit(pool, &jobs[3].job), 0);
    sem_post(&gate);
    sem_post(&gate);
    /* Ends with work left, or not: either is fine, and nothing is called back afterwards. */
    worker_pool_free(pool);
    unsigned before = jobs[3].done;
    assert_int_equal(loop_turn(loop, false), 0);
    assert_int_equal(jobs[3].done, before);
    loop_free(loop);
    sem_destroy(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_come_back_once),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
