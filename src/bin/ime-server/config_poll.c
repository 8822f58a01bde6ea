/* Looking at the enrollment server for a newer configuration of the ring. Bootstrap servers look often, and the ring tells everybody else; the
 * others look rarely, for the case that the ring cannot tell them; and who is banned looks to see when that ends. */
#include "daemon.h"

#include "base/mem.h"
#include "identity.h"

#include <stdio.h>

#define BOOTSTRAP_MS INT64_C(30000)
#define OTHER_MS INT64_C(21600000)
#define BANNED_MS_MAX INT64_C(60000)

struct config_poll {
    struct loop_timer *timer;
    struct http_call *call;
    struct tls_context *tls;
    bool fails;  /* the last one did: said once */
    bool behind; /* the enrollment server has an older one: said once */
};

static int64_t interval_ms(const struct daemon *d)
{
    int64_t ms = d->settings.poll_ms ? d->settings.poll_ms : d->settings.server.bootstrap ? BOOTSTRAP_MS : OTHER_MS;
    bool banned = peer_state(server_peer(d->server)) == PEER_SHUT_OUT;
    return banned && ms > BANNED_MS_MAX ? BANNED_MS_MAX : ms;
}

/* Servers that were started together need not come together. */
static void schedule(struct daemon *d)
{
    int64_t ms = interval_ms(d);
    ms = entropy_between(&d->entropy, ms * 3 / 4, ms * 5 / 4);
    loop_timer_set(d->poll->timer, mono_after_ms(loop_now(d->loop).mono, ms));
}

static void log_failure(struct daemon *d, int err, const struct http_answer *answer)
{
    if (!d->poll->fails)
        log_event(&d->log, LEVEL_WARNING, "config.fetch.failed",
                  "url=%s error=%s status=%d detail=\"%s\"; it goes on trying, and the ring may bring it",
                  d->settings.enroll_url, err_name(err), answer ? answer->status : 0,
                  answer && answer->err ? answer->detail : "");
    d->poll->fails = true;
}

static void offer(struct daemon *d, struct slice document)
{
    char why[SERVER_WHY_OCTETS];
    int err = server_config_offer(d->server, loop_now(d->loop), document, why);
    bool older = err == ERR_CONFLICT;
    if (!err)
        daemon_wake(d);
    else if (err != ERR_WRONG_STATE && !(older && d->poll->behind))
        log_event(&d->log, LEVEL_WARNING, "config.fetched.refused", "url=%s error=%s reason=\"%s\"",
                  d->settings.enroll_url, err_name(err), why);
    d->poll->behind = older;
}

static void came(void *arg, const struct http_answer *answer)
{
    struct daemon *d = arg;
    d->poll->call = NULL;
    bool good = !answer->err && (answer->status == 200 || answer->status == 304);
    if (!good) {
        log_failure(d, answer->err ? answer->err : ERR_NOT_FOUND, answer);
    } else {
        if (d->poll->fails)
            log_event(&d->log, LEVEL_NOTICE, "config.fetch.works_again", "url=%s", d->settings.enroll_url);
        d->poll->fails = false;
        if (answer->status == 200)
            offer(d, answer->body);
    }
    schedule(d);
}

static void poll_due(void *arg)
{
    struct daemon *d = arg;
    char version[32];
    if (d->poll->call)
        return;
    snprintf(version, sizeof version, "\"%u\"", server_config_of(d->server)->sequence);
    int err = enroll_fetch_config(d->loop, d->poll->tls, d->settings.enroll_url, version, ENROLL_TIMEOUT_MS, came, d,
                                  &d->poll->call);
    if (err) {
        log_failure(d, err, NULL);
        schedule(d);
    }
}

int config_poll_start(struct daemon *d)
{
    d->poll = mem_alloc(sizeof *d->poll);
    if (!d->poll)
        return ERR_NO_MEMORY;
    int err = identity_client_tls(d, false, &d->poll->tls);
    if (!err)
        err = loop_timer_new(d->loop, poll_due, d, &d->poll->timer);
    if (!err)
        schedule(d);
    return err;
}

/* Whether we are banned may have changed, and with it how often we look. */
void config_poll_again(struct daemon *d)
{
    if (d->poll && d->poll->timer && !d->poll->call)
        schedule(d);
}

void config_poll_stop(struct daemon *d)
{
    if (!d->poll)
        return;
    http_call_cancel(d->poll->call);
    loop_timer_free(d->poll->timer);
    tls_context_free(d->poll->tls);
    mem_free(d->poll);
    d->poll = NULL;
}
