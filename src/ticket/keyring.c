/* Epochs and their keys: generated or derived, durable before they count, valid for a grace period after they were replaced. */
#include "ticket/keyring.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/text.h"
#include "crypt/digest.h"
#include "ticket/check.h"
#include "ticket/keyring_private.h"

enum { ROW_VERSION = 1, ROW_OCTETS_MAX = 512 };

void keyring_row_prefix(const struct keyring *k, struct buf *b)
{
    buf_str(b, k->domain);
    buf_u8(b, 0);
}

bool keyring_row_is_ours(const struct keyring *k, struct slice row_key, struct slice *ret_rest)
{
    size_t n = strlen(k->domain) + 1;
    if (row_key.n < n || memcmp(row_key.p, k->domain, n) != 0)
        return false;
    *ret_rest = slice_of(row_key.p + n, row_key.n - n);
    return true;
}

int keyring_epoch_put(const struct keyring *k, uint8_t epoch, const struct keyring_epoch *e)
{
    struct buf key;
    struct buf value;
    buf_init(&key, ROW_OCTETS_MAX);
    buf_init(&value, ROW_OCTETS_MAX);
    keyring_row_prefix(k, &key);
    buf_u8(&key, epoch);
    buf_u8(&value, ROW_VERSION);
    buf_u8(&value, e->is_derived);
    buf_u64(&value, (uint64_t)e->installed.ms);
    buf_u64(&value, (uint64_t)e->valid_until.ms);
    buf_put(&value, e->key, sizeof e->key);
    int err = key.err ? key.err : value.err;
    if (!err)
        err = kv_put(k->kv, KV_TICKET_EPOCH, buf_slice(&key), buf_slice(&value));
    buf_fini(&key);
    buf_fini_secret(&value);
    return err;
}

int keyring_epoch_delete(const struct keyring *k, uint8_t epoch)
{
    struct buf key;
    buf_init(&key, ROW_OCTETS_MAX);
    keyring_row_prefix(k, &key);
    buf_u8(&key, epoch);
    int err = key.err ? key.err : kv_remove(k->kv, KV_TICKET_EPOCH, buf_slice(&key));
    buf_fini(&key);
    return err;
}

static int load_row(void *arg, struct slice row_key, struct slice value)
{
    struct keyring *k = arg;
    struct slice rest;
    if (!keyring_row_is_ours(k, row_key, &rest))
        return 0;
    struct keyring_epoch e = {.is_present = true};
    struct reader r;
    reader_init(&r, value);
    uint8_t version = read_u8(&r, "key ring row version");
    e.is_derived = read_u8(&r, "key ring row kind") != 0;
    e.installed.ms = (int64_t)read_u64(&r, "key ring row time");
    e.valid_until.ms = (int64_t)read_u64(&r, "key ring row end");
    read_copy(&r, e.key, sizeof e.key, "key ring row key");
    if (reader_end(&r, "key ring row end") || version != ROW_VERSION || rest.n != 1 || !rest.p[0])
        return ERR_SYNTAX;
    k->epochs[rest.p[0]] = e;
    if (e.valid_until.ms == INT64_MAX)
        k->current = k->issuing = rest.p[0];
    mem_wipe(&e, sizeof e);
    return 0;
}

/* An epoch being written. */
struct installation {
    struct keyring *keyring;
    uint8_t epoch;
    struct keyring_epoch entry;
    struct wall old_valid_until;
    kv_done_fn *done;
    void *arg;
};

static void free_installation(struct installation *i)
{
    mem_wipe(i, sizeof *i);
    mem_free(i);
}

int keyring_new(const struct keyring_config *config, struct wall now, struct keyring **ret_keyring)
{
    if (!domain_is_valid(config->granting_domain) || config->grace_ms < 0)
        return ERR_RANGE;
    struct keyring *k = mem_alloc(sizeof *k);
    if (!k)
        return ERR_NO_MEMORY;
    text_lower(config->granting_domain, k->domain);
    k->granting_node = config->granting_node;
    k->grace_ms = config->grace_ms;
    k->revocations_max = config->revocations_max;
    k->kv = config->kv;
    k->entropy = config->entropy;
    k->log = config->log;
    k->is_passed_on = config->is_passed_on;
    k->epochs_version = 1;
    keyring_revocations_init(k, config->hash_seed);
    int err = kv_scan(k->kv, KV_TICKET_EPOCH, load_row, k);
    if (!err)
        err = keyring_revocations_load(k);
    if (!err)
        err = keyring_confirmed_load(k);
    if (err) {
        keyring_free(k);
        return err;
    }
    keyring_expire(k, now);
    *ret_keyring = k;
    return 0;
}

void keyring_free(struct keyring *k)
{
    if (!k)
        return;
    if (k->changing)
        free_installation(k->changing);
    keyring_import_drop(k);
    keyring_revocations_free(k);
    mem_wipe(k, sizeof *k);
    mem_free(k);
}

uint8_t keyring_epoch(const struct keyring *k)
{
    return k->current;
}

void keyring_set_waits(struct keyring *k, bool waits)
{
    k->waits = waits;
}

void keyring_hold_back(struct keyring *k, struct wall now)
{
    uint8_t before = 0;
    for (unsigned epoch = TICKET_EPOCH_MIN; epoch <= TICKET_EPOCH_MAX; epoch++) {
        const struct keyring_epoch *e = &k->epochs[epoch];
        if (epoch != k->current && keyring_key(k, (uint8_t)epoch, now) &&
            (!before || e->installed.ms > k->epochs[before].installed.ms))
            before = (uint8_t)epoch;
    }
    if (before)
        k->issuing = before;
}

bool keyring_is_waiting(const struct keyring *k)
{
    return k->issuing != k->current;
}

uint8_t keyring_issuing(const struct keyring *k)
{
    return k->issuing;
}

void keyring_activate(struct keyring *k)
{
    if (keyring_is_waiting(k))
        log_event(k->log, LEVEL_NOTICE, "ticket.epoch.used", "domain=%s epoch=%u", k->domain, k->current);
    k->issuing = k->current;
}

const uint8_t *keyring_key(const struct keyring *k, uint8_t epoch, struct wall now)
{
    const struct keyring_epoch *e = &k->epochs[epoch];
    return e->is_present && now.ms <= e->valid_until.ms ? e->key : NULL;
}

static void installed(void *arg, int err)
{
    struct installation *i = arg;
    struct keyring *k = i->keyring;
    k->changing = NULL;
    if (!err) {
        if (k->current)
            k->epochs[k->current].valid_until = i->old_valid_until;
        k->epochs[i->epoch] = i->entry;
        k->current = i->epoch;
        if (!k->waits || !k->issuing)
            k->issuing = k->current;
        k->epochs_version++;
        log_event(k->log, LEVEL_NOTICE, "ticket.epoch.changed", "domain=%s epoch=%u", k->domain, i->epoch);
    } else {
        log_event(k->log, LEVEL_ERROR, "ticket.epoch.lost", "domain=%s epoch=%u error=%s", k->domain, i->epoch,
                  err_name(err));
    }
    kv_done_fn *done = i->done;
    void *done_arg = i->arg;
    free_installation(i);
    if (done)
        done(done_arg, err);
}

static int install(struct keyring *k, uint8_t epoch, bool is_derived, const uint8_t *key, struct wall now,
                   kv_done_fn *done, void *arg)
{
    if (k->changing)
        return ERR_WRONG_STATE;
    if (k->epochs[epoch].is_present)
        return ERR_EXISTS;
    struct installation *i = mem_alloc(sizeof *i);
    if (!i)
        return ERR_NO_MEMORY;
    *i = (struct installation){
        k, epoch, {true, is_derived, now, KEYRING_FOREVER, {0}}, wall_after_ms(now, k->grace_ms), done, arg};
    memcpy(i->entry.key, key, sizeof i->entry.key);
    int err = keyring_epoch_put(k, epoch, &i->entry);
    if (!err && k->current) {
        struct keyring_epoch old = k->epochs[k->current];
        old.valid_until = i->old_valid_until;
        err = keyring_epoch_put(k, k->current, &old);
        mem_wipe(&old, sizeof old);
        if (err)
            keyring_epoch_delete(k, epoch); /* nothing of it may go into somebody else's commit */
    }
    if (err) {
        free_installation(i);
        return err;
    }
    k->changing = i;
    kv_commit(k->kv, installed, i);
    return 0;
}

static int next_epoch(const struct keyring *k, uint8_t *ret_epoch)
{
    for (unsigned step = 1; step <= TICKET_EPOCH_MAX; step++) {
        unsigned epoch = (k->current + step - 1) % TICKET_EPOCH_MAX + 1;
        if (!k->epochs[epoch].is_present) {
            *ret_epoch = (uint8_t)epoch;
            return 0;
        }
    }
    return ERR_LIMIT;
}

int keyring_generate(struct keyring *k, uint8_t epoch, struct wall now, kv_done_fn *done, void *arg)
{
    uint8_t key[TICKET_KEY_OCTETS];
    if (!epoch) {
        int err = next_epoch(k, &epoch);
        if (err)
            return err;
    }
    entropy_fill(k->entropy, key, sizeof key);
    int err = install(k, epoch, false, key, now, done, arg);
    mem_wipe(key, sizeof key);
    return err;
}

struct keyring_job {
    uint8_t epoch;
    bool has_run;
    size_t password_octets;
    char password[KEYRING_PASSWORD_OCTETS_MAX];
    size_t salt_octets;
    uint8_t salt[TICKET_DOMAIN_OCTETS_MAX + 1]; /* granting domain ‖ epoch */
    uint8_t key[TICKET_KEY_OCTETS];
};

static int check_password(struct slice password)
{
    if (password.n < KEYRING_PASSWORD_OCTETS_MIN || password.n > KEYRING_PASSWORD_OCTETS_MAX)
        return ERR_RANGE;
    for (size_t i = 0; i < password.n; i++)
        if (password.p[i] <= 0x20 || password.p[i] > 0x7e)
            return ERR_SYNTAX;
    return 0;
}

int keyring_prepare(const struct keyring *k, uint8_t epoch, struct slice password, struct keyring_job **ret_job)
{
    int err = check_password(password);
    if (err)
        return err;
    if (epoch < TICKET_EPOCH_MIN)
        return ERR_RANGE;
    if (k->epochs[epoch].is_present)
        return ERR_EXISTS;
    struct keyring_job *job = mem_alloc(sizeof *job);
    if (!job)
        return ERR_NO_MEMORY;
    job->epoch = epoch;
    job->password_octets = password.n;
    memcpy(job->password, password.p, password.n);
    job->salt_octets = strlen(k->domain) + 1;
    memcpy(job->salt, k->domain, job->salt_octets - 1);
    job->salt[job->salt_octets - 1] = epoch;
    *ret_job = job;
    return 0;
}

int keyring_job_run(struct keyring_job *job)
{
    if (job->has_run)
        return ERR_WRONG_STATE;
    int err = pbkdf2_sha256(slice_of(job->password, job->password_octets), slice_of(job->salt, job->salt_octets),
                            KEYRING_PBKDF2_ROUNDS, job->key, sizeof job->key);
    mem_wipe(job->password, sizeof job->password);
    job->has_run = !err;
    return err;
}

void keyring_job_free(struct keyring_job *job)
{
    if (!job)
        return;
    mem_wipe(job, sizeof *job);
    mem_free(job);
}

int keyring_install(struct keyring *k, struct keyring_job *job, struct wall now, kv_done_fn *done, void *arg)
{
    int err = job->has_run ? install(k, job->epoch, true, job->key, now, done, arg) : ERR_WRONG_STATE;
    keyring_job_free(job);
    return err;
}

struct wall keyring_expire(struct keyring *k, struct wall now)
{
    struct wall next = KEYRING_FOREVER;
    bool removed = false;
    for (unsigned epoch = TICKET_EPOCH_MIN; epoch <= TICKET_EPOCH_MAX; epoch++) {
        struct keyring_epoch *e = &k->epochs[epoch];
        if (!e->is_present || e->valid_until.ms == INT64_MAX)
            continue;
        if (e->valid_until.ms < now.ms) {
            mem_wipe(e, sizeof *e);
            k->epochs_version++;
            if (k->issuing == epoch)
                k->issuing = k->current;
            removed = keyring_epoch_delete(k, (uint8_t)epoch) == 0 || removed;
            log_event(k->log, LEVEL_NOTICE, "ticket.epoch.expired", "domain=%s epoch=%u", k->domain, epoch);
        } else if (e->valid_until.ms < next.ms) {
            next = e->valid_until;
        }
    }
    if (removed)
        kv_commit(k->kv, NULL, NULL);
    return next;
}

size_t keyring_list(const struct keyring *k, struct keyring_epoch_info *ret_infos, size_t max)
{
    size_t n = 0;
    for (unsigned epoch = TICKET_EPOCH_MIN; epoch <= TICKET_EPOCH_MAX && n < max; epoch++) {
        const struct keyring_epoch *e = &k->epochs[epoch];
        if (!e->is_present)
            continue;
        struct keyring_epoch_info *info = &ret_infos[n++];
        *info = (struct keyring_epoch_info){(uint8_t)epoch, epoch == k->current, e->is_derived,
                                            e->installed,   e->valid_until,      {0}};
        uint8_t mac[SHA256_OCTETS];
        hmac_sha256(slice_of(e->key, sizeof e->key), slice_str("ime ticket key fingerprint"), mac);
        memcpy(info->fingerprint, mac, sizeof info->fingerprint);
    }
    return n;
}

int keyring_issue_as(const struct keyring *k, struct id granting_node, const struct e164 *number,
                     struct slice granted_to, struct wall not_before, struct wall not_after, struct buf *ret_text,
                     struct ticket *ret_ticket)
{
    if (!k->issuing)
        return ERR_WRONG_STATE;
    if (keyring_is_revoked(k, REVOKED_NUMBER, e164_slice(number)) || keyring_is_revoked(k, REVOKED_DOMAIN, granted_to))
        return ERR_FORBIDDEN;
    struct ticket_grant grant = {*number, granting_node, slice_str(k->domain), granted_to, not_before, not_after};
    struct ticket ticket;
    int err = ticket_make(&grant, k->issuing, k->epochs[k->issuing].key, k->entropy, &ticket);
    if (!err)
        err = ticket_format(&ticket, ret_text);
    if (!err && ret_ticket)
        *ret_ticket = ticket;
    return err;
}

int keyring_issue(const struct keyring *k, const struct e164 *number, struct slice granted_to, struct wall not_before,
                  struct wall not_after, struct buf *ret_text, struct ticket *ret_ticket)
{
    return keyring_issue_as(k, k->granting_node, number, granted_to, not_before, not_after, ret_text, ret_ticket);
}

static bool is_any_revoked(const struct keyring *k, const struct ticket *t)
{
    return keyring_is_revoked(k, REVOKED_ID, slice_of(t->unique_id, sizeof t->unique_id)) ||
           keyring_is_revoked(k, REVOKED_DOMAIN, slice_str(t->granted_to)) ||
           keyring_is_revoked(k, REVOKED_NUMBER, e164_slice(&t->number));
}

enum ticket_verdict keyring_verify(const struct keyring *k, struct slice text, const struct ticket_use *use,
                                   struct ticket *ret_ticket)
{
    struct ticket_received received;
    enum ticket_verdict verdict = TICKET_BAD_SYNTAX;
    if (ticket_receive(text, &received, NULL) == 0) {
        const struct ticket *t = &received.ticket;
        const uint8_t *key = keyring_key(k, t->epoch, use->now);
        if (ret_ticket)
            *ret_ticket = *t;
        if (!key)
            verdict = TICKET_BAD_EPOCH;
        else if (!ticket_is_sealed(&received, key))
            verdict = TICKET_BAD_INTEGRITY;
        else
            verdict = ticket_check_use(t, use);
        if (verdict == TICKET_GOOD && is_any_revoked(k, t))
            verdict = TICKET_REVOKED;
    }
    buf_fini(&received.octets);
    return verdict;
}
