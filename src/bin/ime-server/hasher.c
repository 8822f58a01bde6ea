/* Slow pure jobs on worker threads: the slots of numbers under argon2id, ticket keys from passwords. */
#include "daemon.h"

#include "base/mem.h"

struct hash_job {
    struct worker_job worker;
    struct daemon *daemon;
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
    struct daemon *d = j->daemon;
    server_hashed(d->server, loop_now(d->loop), j->id, j->err, j->slots);
    numbers_slots_wipe(j->slots);
    mem_free(j);
    daemon_wake(d);
}

static int hash_start(void *ctx, uint64_t job, const struct numbers_profile *profile, const struct e164 *number)
{
    struct daemon *d = ctx;
    struct hash_job *j = mem_alloc(sizeof *j + profile->overlay.n);
    if (!j)
        return ERR_NO_MEMORY;
    j->worker = (struct worker_job){.run = hash_run, .done = hash_done, .arg = j};
    j->daemon = d;
    j->id = job;
    j->profile = *profile;
    j->number = *number;
    memcpy(j->overlay, profile->overlay.p, profile->overlay.n);
    j->profile.overlay = slice_of(j->overlay, profile->overlay.n);
    int err = worker_submit(d->workers, &j->worker);
    if (err)
        mem_free(j);
    return err;
}

void hasher_init(struct daemon *d)
{
    d->hasher = (struct numbers_hasher){hash_start, d};
}

struct derive_job {
    struct worker_job worker;
    struct daemon *daemon;
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
    struct daemon *d = j->daemon;
    server_derived(d->server, loop_now(d->loop), j->job);
    mem_free(j);
    daemon_wake(d);
}

void derive_ticket_key(struct daemon *d, struct keyring_job *job)
{
    struct derive_job *j = mem_alloc(sizeof *j);
    if (j) {
        *j = (struct derive_job){{.run = derive_run, .done = derive_done, .arg = j}, d, job};
        if (worker_submit(d->workers, &j->worker) == 0)
            return;
    }
    mem_free(j);
    server_derived(d->server, loop_now(d->loop), job); /* did not run: refused as such */
}
