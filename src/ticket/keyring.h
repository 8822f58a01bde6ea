/* The keys that a granting domain seals tickets with: one per epoch (1–255), the newest one for new tickets, older ones valid for a grace
 * period, so that a rotation does not kill every ticket. And the list of revoked tickets, domains and numbers.
 *
 * A key is random (the default) or derived from a password, which is slow on purpose (PBKDF2, 600,000 rounds) and therefore a job that
 * may run on a worker thread: prepare, run, install. Keys and revocations are durable through base/kv.h before they count; passwords
 * are never stored. One key ring serves one granting domain. Not thread-safe, except keyring_job_run. */
#ifndef TICKET_KEYRING_H
#define TICKET_KEYRING_H

#include "base/kv.h"
#include "base/log.h"
#include "ticket/ticket.h"

#define KEYRING_PASSWORD_OCTETS_MIN 10
#define KEYRING_PASSWORD_OCTETS_MAX 64
#define KEYRING_PBKDF2_ROUNDS 600000
#define KEYRING_GRACE_MS_DEFAULT (INT64_C(366) * 24 * 3600 * 1000) /* as long as the default ticket lives */
#define KEYRING_REVOCATIONS_MAX_DEFAULT 1000000

struct keyring;

struct keyring_config {
    struct slice granting_domain; /* copied */
    struct id granting_node;
    int64_t grace_ms;       /* how long a replaced epoch's tickets stay valid */
    size_t revocations_max; /* more: ERR_LIMIT */
    bool is_passed_on;      /* others are told of changes (keyset.h): they are remembered in their order */
    uint64_t hash_seed;
    const struct kv *kv; /* borrowed, as the following */
    const struct entropy *entropy;
    const struct log *log; /* may be NULL */
};

/* Loads what is stored for the domain. Without a stored key the ring is empty: call keyring_generate. ERR_SYNTAX if a stored row is
 * damaged. */
int keyring_new(const struct keyring_config *config, struct wall now, struct keyring **ret_keyring);

/* Wipes the keys. The store must not complete any more what is under way. */
void keyring_free(struct keyring *k);

/* The newest epoch; 0 while there is none. */
uint8_t keyring_epoch(const struct keyring *k);

/* ---- a new epoch, and those who check with it ----
 * Where border elements have copies of the keys, a new epoch waits: it is durable and its tickets would be good, but new ones are sealed with the
 * epoch before it, so that no ticket comes to a border element before its key. The first epoch of all waits for nobody. */

/* Whether those installed from now on wait. */
void keyring_set_waits(struct keyring *k, bool waits);

/* After a restart: the newest epoch waits again, if the one before it is still valid. */
void keyring_hold_back(struct keyring *k, struct wall now);

bool keyring_is_waiting(const struct keyring *k);

/* The epoch of new tickets; 0 while there is none. */
uint8_t keyring_issuing(const struct keyring *k);

/* The newest epoch is that of new tickets from now on. */
void keyring_activate(struct keyring *k);

/* The key of an epoch that is valid now, or NULL. For export to a border element: a secret. */
const uint8_t *keyring_key(const struct keyring *k, uint8_t epoch, struct wall now);

/* Installs a random key as the current epoch. Epoch 0 stands for the next free one. done is called as kv_done_fn is, and only after
 * success does the epoch count. ERR_RANGE, ERR_EXISTS (the epoch must change with the key), ERR_WRONG_STATE (another change is being
 * written), or the store's error. */
int keyring_generate(struct keyring *k, uint8_t epoch, struct wall now, kv_done_fn *done, void *arg);

/* A derivation under way. */
struct keyring_job;

/* Checks password (10–64 printable ASCII characters, no space) and epoch and copies what the derivation needs. ERR_RANGE or ERR_SYNTAX
 * for the password, ERR_EXISTS for the epoch, ERR_NO_MEMORY. */
int keyring_prepare(const struct keyring *k, uint8_t epoch, struct slice password, struct keyring_job **ret_job);

/* The slow part: touches nothing but the job, so that any one thread may do it. Runs once; wipes the password. */
int keyring_job_run(struct keyring_job *job);

/* Wipes and frees a job that will not be installed. NULL is allowed. */
void keyring_job_free(struct keyring_job *job);

/* Installs the derived key as the current epoch; frees the job in every case. As keyring_generate; ERR_WRONG_STATE also if the job did not run. */
int keyring_install(struct keyring *k, struct keyring_job *job, struct wall now, kv_done_fn *done, void *arg);

/* Drops epochs whose grace period is over, from the store too. Returns the wall time of the next such end (INT64_MAX ms: none). */
struct wall keyring_expire(struct keyring *k, struct wall now);

/* For lists: epochs in the order of their numbers. valid_until is INT64_MAX for the current one. */
struct keyring_epoch_info {
    uint8_t epoch;
    bool is_current;
    bool is_derived; /* from a password */
    struct wall installed;
    struct wall valid_until;
    uint8_t fingerprint[8]; /* of the key: tells whether two places hold the same one */
};
size_t keyring_list(const struct keyring *k, struct keyring_epoch_info *ret_infos, size_t max);

enum keyring_revocation { REVOKED_ID = 1, REVOKED_DOMAIN = 2, REVOKED_NUMBER = 3 };

/* The value: 16 octets of a unique id, the granted-to domain, or the number. Counts (and is acknowledged) when durable. ERR_SYNTAX for a
 * value that is none of its kind, ERR_EXISTS, ERR_LIMIT, or the store's error. */
int keyring_revoke(struct keyring *k, enum keyring_revocation kind, struct slice value, struct wall now,
                   kv_done_fn *done, void *arg);

/* Takes a revocation back. ERR_NOT_FOUND. */
int keyring_unrevoke(struct keyring *k, enum keyring_revocation kind, struct slice value, kv_done_fn *done, void *arg);

size_t keyring_revoked_count(const struct keyring *k);

typedef void keyring_revoked_fn(void *arg, enum keyring_revocation kind, struct slice value, struct wall since);
void keyring_each_revoked(const struct keyring *k, keyring_revoked_fn *each, void *arg);

/* Appends the text of a new ticket of the current epoch. ERR_WRONG_STATE if there is none, ERR_FORBIDDEN if domain or number are revoked,
 * ERR_RANGE. ret_ticket may be NULL. */
int keyring_issue(const struct keyring *k, const struct e164 *number, struct slice granted_to, struct wall not_before,
                  struct wall not_after, struct buf *ret_text, struct ticket *ret_ticket);

/* The same, in the name of another Node-ID of this server. */
int keyring_issue_as(const struct keyring *k, struct id granting_node, const struct e164 *number,
                     struct slice granted_to, struct wall not_before, struct wall not_after, struct buf *ret_text,
                     struct ticket *ret_ticket);

/* All checks; costs one HMAC. ret_ticket (may be NULL) is set whenever the syntax is good. */
enum ticket_verdict keyring_verify(const struct keyring *k, struct slice text, const struct ticket_use *use,
                                   struct ticket *ret_ticket);

#endif
