/* The tickets of callers, checked with the password that our IME servers have. */
#include "host.h"

static void installed(void *arg, int err)
{
    struct host *h = arg;
    h->installed = !err;
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "ticket.key.failed", "error=%s", err_name(err));
}

/* An epoch that is there already was made of the same password, or the epoch was not changed with it. */
static int install(struct host *h, const struct settings *s)
{
    const struct wall now = daemon_now(&h->daemon).wall;
    struct keyring_job *job;
    int err = keyring_prepare(h->keyring, s->ticket_epoch, buf_slice(&s->ticket_password), &job);
    if (err == ERR_EXISTS) {
        h->installed = true;
        return 0;
    }
    if (!err && !(err = keyring_job_run(job)))
        return keyring_install(h->keyring, job, now, installed, h);
    return err;
}

int ticket_open(struct host *h)
{
    const struct settings *s = h->daemon.settings;
    if (!s->ticket_password.n)
        return 0;
    const struct keyring_config config = {.granting_domain = slice_str(s->agent.domain),
                                          .grace_ms = KEYRING_GRACE_MS_DEFAULT,
                                          .revocations_max = KEYRING_REVOCATIONS_MAX_DEFAULT,
                                          .hash_seed = entropy_u64(&h->daemon.entropy),
                                          .kv = sqlite_store_kv(h->daemon.store),
                                          .entropy = &h->daemon.entropy,
                                          .log = &h->daemon.log};
    int err = keyring_new(&config, daemon_now(&h->daemon).wall, &h->keyring);
    if (!err)
        err = install(h, s);
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "ticket.failed",
                  "error=%s; [ticket] password has 10 to 64 characters without spaces", err_name(err));
    return err;
}

void ticket_close(struct host *h)
{
    keyring_free(h->keyring);
    h->keyring = NULL;
}

enum agent_cause ticket_check_call(void *ctx, struct now now, struct slice domain, const struct e164 *number,
                                   struct slice ticket)
{
    struct host *h = ctx;
    const struct ticket_use use = {.now = now.wall, .number = e164_slice(number), .domain = domain};
    enum ticket_verdict verdict = keyring_verify(h->keyring, ticket, &use, NULL);
    if (verdict == TICKET_GOOD)
        return AGENT_CAUSE_NONE;
    log_event(&h->daemon.log, LEVEL_NOTICE, "ticket.refused", "number=%s domain=%.*s reason=%s", number->text,
              SLICE_PRINT(domain), ticket_verdict_name(verdict));
    return verdict == TICKET_EXPIRED ? AGENT_CAUSE_EXPIRED_TICKET : AGENT_CAUSE_INVALID_TICKET;
}
