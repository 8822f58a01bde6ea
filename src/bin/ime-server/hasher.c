/* Slow pure jobs on worker threads: the slots of numbers under argon2id, ticket keys from passwords. */
#include "host.h"

#include "base/mem.h"

struct hash_job {
    struct worker_job worker;
    struct host *host;
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
    struct host *h = j->host;
    server_hashed(h->server, daemon_now(&h->daemon), j->id, j->err, j->slots);
    numbers_slots_wipe(j->slots);
    mem_free(j);
    daemon_wake(&h->daemon);
}

static int hash_start(void *ctx, uint64_t job, const struct numbers_profile *profile, const struct e164 *number)
{
    struct host *h = ctx;
    struct hash_job *j = mem_alloc(sizeof *j + profile->overlay.n);
    if (!j)
        return ERR_NO_MEMORY;
    j->worker = (struct worker_job){.run = hash_run, .done = hash_done, .arg = j};
    j->host = h;
    j->id = job;
    j->profile = *profile;
    j->number = *number;
    memcpy(j->overlay, profile->overlay.p, profile->overlay.n);
    j->profile.overlay = slice_of(j->overlay, profile->overlay.n);
    int err = worker_submit(h->workers, &j->worker);
    if (err)
        mem_free(j);
    return err;
}

void hasher_init(struct host *h)
{
    h->hasher = (struct numbers_hasher){hash_start, h};
}

struct derive_job {
    struct worker_job worker;
    struct host *host;
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
    struct host *h = j->host;
    server_derived(h->server, daemon_now(&h->daemon), j->job);
    mem_free(j);
    daemon_wake(&h->daemon);
}

void derive_ticket_key(struct host *h, struct keyring_job *job)
{
    struct derive_job *j = mem_alloc(sizeof *j);
    if (j) {
        *j = (struct derive_job){{.run = derive_run, .done = derive_done, .arg = j}, h, job};
        if (worker_submit(h->workers, &j->worker) == 0)
            return;
    }
    mem_free(j);
    server_derived(h->server, daemon_now(&h->daemon), job); /* did not run: refused as such */
}
