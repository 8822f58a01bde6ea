/* Looking at the enrollment server for a newer configuration of the ring. Bootstrap servers look often, and the ring tells everybody else; the
 * others look rarely, for the case that the ring cannot tell them; and who is banned looks to see when that ends. */
#include "host.h"

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

static int64_t interval_ms(const struct host *h)
{
    int64_t ms = h->daemon.settings->poll_ms            ? h->daemon.settings->poll_ms
                 : h->daemon.settings->server.bootstrap ? BOOTSTRAP_MS
                                                        : OTHER_MS;
    bool banned = peer_state(server_peer(h->server)) == PEER_SHUT_OUT;
    return banned && ms > BANNED_MS_MAX ? BANNED_MS_MAX : ms;
}

/* Servers that were started together need not come together. */
static void schedule(struct host *h)
{
    int64_t ms = interval_ms(h);
    ms = entropy_between(&h->daemon.entropy, ms * 3 / 4, ms * 5 / 4);
    loop_timer_set(h->poll->timer, mono_after_ms(daemon_now(&h->daemon).mono, ms));
}

static void log_failure(struct host *h, int err, const struct http_answer *answer)
{
    if (!h->poll->fails)
        log_event(&h->daemon.log, LEVEL_WARNING, "config.fetch.failed",
                  "url=%s error=%s status=%d detail=\"%s\"; it goes on trying, and the ring may bring it",
                  h->daemon.settings->enroll_url, err_name(err), answer ? answer->status : 0,
                  answer && answer->err ? answer->detail : "");
    h->poll->fails = true;
}

static void offer(struct host *h, struct slice document)
{
    char why[SERVER_WHY_OCTETS];
    int err = server_config_offer(h->server, daemon_now(&h->daemon), document, why);
    bool older = err == ERR_CONFLICT;
    if (!err)
        daemon_wake(&h->daemon);
    else if (err != ERR_WRONG_STATE && !(older && h->poll->behind))
        log_event(&h->daemon.log, LEVEL_WARNING, "config.fetched.refused", "url=%s error=%s reason=\"%s\"",
                  h->daemon.settings->enroll_url, err_name(err), why);
    h->poll->behind = older;
}

static void came(void *arg, const struct http_answer *answer)
{
    struct host *h = arg;
    h->poll->call = NULL;
    bool good = !answer->err && (answer->status == 200 || answer->status == 304);
    if (!good) {
        log_failure(h, answer->err ? answer->err : ERR_NOT_FOUND, answer);
    } else {
        if (h->poll->fails)
            log_event(&h->daemon.log, LEVEL_NOTICE, "config.fetch.works_again", "url=%s",
                      h->daemon.settings->enroll_url);
        h->poll->fails = false;
        if (answer->status == 200)
            offer(h, answer->body);
    }
    schedule(h);
}

static void poll_due(void *arg)
{
    struct host *h = arg;
    char version[32];
    if (h->poll->call)
        return;
    const struct config *config = server_config_of(h->server);
    snprintf(version, sizeof version, "\"%u\"", config->sequence);
    tls_context_free(h->poll->tls);
    h->poll->tls = NULL;
    int err = identity_client_tls(h, config, NULL, &h->poll->tls);
    if (!err)
        err = enroll_fetch_config(h->daemon.loop, h->poll->tls, h->daemon.settings->enroll_url, version,
                                  ENROLL_TIMEOUT_MS, came, h, &h->poll->call);
    if (err) {
        log_failure(h, err, NULL);
        schedule(h);
    }
}

int config_poll_start(struct host *h)
{
    h->poll = mem_alloc(sizeof *h->poll);
    if (!h->poll)
        return ERR_NO_MEMORY;
    int err = loop_timer_new(h->daemon.loop, poll_due, h, &h->poll->timer);
    if (!err)
        schedule(h);
    return err;
}

/* Whether we are banned may have changed, and with it how often we look. */
void config_poll_again(struct host *h)
{
    if (h->poll && h->poll->timer && !h->poll->call)
        schedule(h);
}

void config_poll_stop(struct host *h)
{
    if (!h->poll)
        return;
    http_call_cancel(h->poll->call);
    loop_timer_free(h->poll->timer);
    tls_context_free(h->poll->tls);
    mem_free(h->poll);
    h->poll = NULL;
}
