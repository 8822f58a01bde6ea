/* Slow pure jobs on worker threads: the slots of numbers under argon2id, ticket keys from passwords. */
#include "host.h"

#include "base/mem.h"

/* The first member of each job; in the host's list until it is done. */
struct slow_job {
    struct list link;
    struct worker_job worker;
    struct host *host;
    size_t octets; /* of the whole job */
};

static int job_submit(struct host *h, struct slow_job *j)
{
    int err = worker_submit(h->workers, &j->worker);
    if (!err)
        list_append(&h->slow_jobs, &j->link);
    return err;
}

/* It may hold keys. */
static void job_free(struct slow_job *j)
{
    list_remove(&j->link);
    mem_wipe(j, j->octets);
    mem_free(j);
}

struct hash_job {
    struct slow_job slow;
    uint64_t id;
    struct numbers_profile profile;
    struct e164 number;
    int err;
    struct numbers_slot slots[NUMBERS_COPIES];
    uint8_t overlay[]; /* the profile's own copy */
};

static void hash_run(void *arg)
{
    struct hash_job *j = arg;
    j->err = numbers_slots_derive(&j->profile, &j->number, j->slots);
}

static void hash_done(void *arg)
{
    struct hash_job *j = arg;
    struct host *h = j->slow.host;
    server_hashed(h->server, daemon_now(&h->daemon), j->id, j->err, j->slots);
    job_free(&j->slow);
    daemon_wake(&h->daemon);
}

static int hash_start(void *ctx, uint64_t job, const struct numbers_profile *profile, const struct e164 *number)
{
    struct host *h = ctx;
    struct hash_job *j = mem_alloc(sizeof *j + profile->overlay.n);
    if (!j)
        return ERR_NO_MEMORY;
    j->slow =
        (struct slow_job){.worker = {.run = hash_run, .done = hash_done, .arg = j}, .host = h, .octets = sizeof *j};
    j->id = job;
    j->profile = *profile;
    j->number = *number;
    memcpy(j->overlay, profile->overlay.p, profile->overlay.n);
    j->profile.overlay = slice_of(j->overlay, profile->overlay.n);
    int err = job_submit(h, &j->slow);
    if (err)
        mem_free(j);
    return err;
}

void hasher_init(struct host *h)
{
    h->hasher = (struct numbers_hasher){hash_start, h};
    list_init(&h->slow_jobs);
}

void hasher_fini(struct host *h)
{
    while (!list_empty(&h->slow_jobs))
        job_free(CONTAINER_OF(h->slow_jobs.next, struct slow_job, link));
}

struct derive_job {
    struct slow_job slow;
    struct keyring_job *job;
};

static void derive_run(void *arg)
{
    struct derive_job *j = arg;
    keyring_job_run(j->job); /* its failure shows when it is installed */
}

static void derive_done(void *arg)
{
    struct derive_job *j = arg;
    struct host *h = j->slow.host;
    server_derived(h->server, daemon_now(&h->daemon), j->job);
    job_free(&j->slow);
    daemon_wake(&h->daemon);
}

void derive_ticket_key(struct host *h, struct keyring_job *job)
{
    struct derive_job *j = mem_alloc(sizeof *j);
    if (j) {
        j->slow = (struct slow_job){
            .worker = {.run = derive_run, .done = derive_done, .arg = j}, .host = h, .octets = sizeof *j};
        j->job = job;
        if (job_submit(h, &j->slow) == 0)
            return;
    }
    mem_free(j);
    server_derived(h->server, daemon_now(&h->daemon), job); /* did not run: refused as such */
}
