/* The keys that tickets are checked with: copies of those of the IME server, or made of a password that is typed on both sides. */
#include "host.h"

#include <stdio.h>

#define CONFIRM_MS INT64_C(600000) /* how often it is written down that the server is there */
#define FIRST_LOOK_MS 30000        /* the server had its time to be reached */
#define DAY_MS INT64_C(86400000)

const struct keyring *keys_of_domain(void *ctx, size_t domain)
{
    const struct host *h = ctx;
    return keyring_epoch(h->keys[domain].keyring) ? h->keys[domain].keyring : NULL;
}

/* ---- typed ---- */

static void installed(void *arg, int err)
{
    const struct domain_keys *k = arg;
    if (err)
        log_event(&k->host->daemon.log, LEVEL_ERROR, "ticket.key.failed", "error=%s", err_name(err));
}

/* An epoch that is there already was made of the same password, or the epoch was not changed with it. */
static int derive(struct domain_keys *k, const struct domain_settings *d)
{
    struct keyring_job *job;
    int err = keyring_prepare(k->keyring, d->ticket_epoch, buf_slice(&d->ticket_password), &job);
    if (err == ERR_EXISTS)
        return 0;
    if (!err && (err = keyring_job_run(job)) != 0)
        keyring_job_free(job);
    return err ? err : keyring_install(k->keyring, job, daemon_now(&k->host->daemon).wall, installed, k);
}

/* ---- start and end ---- */

static int open_domain(struct host *h, size_t i)
{
    const struct settings *s = h->daemon.settings;
    struct domain_keys *k = &h->keys[i];
    const struct keyring_config config = {.granting_domain = slice_str(s->edge.domains[i].name),
                                          .grace_ms = KEYRING_GRACE_MS_DEFAULT,
                                          .revocations_max = KEYRING_REVOCATIONS_MAX_DEFAULT,
                                          .hash_seed = entropy_u64(&h->daemon.entropy),
                                          .kv = sqlite_store_kv(h->daemon.store),
                                          .entropy = &h->daemon.entropy,
                                          .log = &h->daemon.log};
    k->host = h;
    k->is_typed = s->domains[i].ticket_password.n > 0;
    if (!k->is_typed)
        h->told[h->told_count++] = i;
    int err = keyring_new(&config, daemon_now(&h->daemon).wall, &k->keyring);
    if (!err && k->is_typed)
        err = derive(k, &s->domains[i]);
    if (err)
        log_event(&h->daemon.log, LEVEL_ERROR, "ticket.failed",
                  "domain=%s error=%s; a ticket password has 10 to 64 characters without spaces",
                  s->edge.domains[i].name, err_name(err));
    return err;
}

int keys_open(struct host *h)
{
    int err = 0;
    h->keys_at = mono_after_ms(daemon_now(&h->daemon).mono, FIRST_LOOK_MS);
    for (size_t i = 0; !err && i < h->daemon.settings->edge.domain_count; i++)
        err = open_domain(h, i);
    return err;
}

void keys_close(struct host *h)
{
    for (size_t i = 0; i < EDGE_DOMAINS_MAX; i++) {
        keyset_receiver_reset(&h->keys[i].receiver);
        keyring_free(h->keys[i].keyring);
        h->keys[i].keyring = NULL;
    }
}

/* ---- what the server says ---- */

static size_t number_of(const struct domain_keys *k)
{
    return (size_t)(k - k->host->keys);
}

static const char *name_of(const struct domain_keys *k)
{
    return k->host->daemon.settings->edge.domains[number_of(k)].name;
}

static void answer(struct domain_keys *k, bool good)
{
    struct host *h = k->host;
    if (h->vap && k->notify)
        vap_client_notify_done(h->vap, daemon_now(&h->daemon), k->notify, good);
    k->notify = 0;
    daemon_wake(&h->daemon);
}

static void kept(void *arg, int err)
{
    struct domain_keys *k = arg;
    if (err)
        keyset_receiver_reset(&k->receiver);
    k->is_live = !err;
    log_event(&k->host->daemon.log, err ? LEVEL_ERROR : LEVEL_INFO, err ? "ticket.keys.lost" : "ticket.keys.kept",
              "domain=%s epoch=%u revoked=%zu%s%s", name_of(k), keyring_epoch(k->keyring),
              keyring_revoked_count(k->keyring), err ? " error=" : "", err ? err_name(err) : "");
    answer(k, !err);
}

/* A page that is refused makes the server begin again with all of it. */
static void take_page(struct domain_keys *k, const struct vap_client_effect *e)
{
    struct fault fault = {0};
    struct host *h = k->host;
    k->notify = e->notify;
    k->server = e->server;
    int taken = keyset_receive(&k->receiver, k->keyring, e->octets, daemon_now(&h->daemon).wall, kept, k, &fault);
    if (taken < 0)
        log_event(&h->daemon.log, LEVEL_WARNING, "ticket.keys.refused",
                  "domain=%s server=%s error=%s octet=%zu rule=\"%s\"", name_of(k),
                  h->daemon.settings->server.names[e->server], err_name(taken), fault.octet,
                  fault.rule ? fault.rule : "");
    if (taken)
        answer(k, taken > 0);
}

void keys_perform(struct host *h, const struct vap_client_effect *e)
{
    struct domain_keys *k = &h->keys[h->told[e->domain]];
    switch (e->kind) {
    case VAP_CLIENT_KEYS_SUBSCRIBED:
        keyset_receiver_reset(&k->receiver);
        break;
    case VAP_CLIENT_KEYS_REFUSED:
        k->is_live = false;
        log_event(&h->daemon.log, LEVEL_ERROR, "ticket.keys.forbidden", "domain=%s server=%s reason=\"%s\"", name_of(k),
                  h->daemon.settings->server.names[e->server], e->reason);
        break;
    default:
        take_page(k, e);
    }
}

void keys_server_lost(struct host *h, unsigned server)
{
    const struct now now = daemon_now(&h->daemon);
    for (size_t i = 0; i < h->daemon.settings->edge.domain_count; i++) {
        struct domain_keys *k = &h->keys[i];
        if (!k->is_live || k->server != server)
            continue;
        k->is_live = false;
        k->notify = 0;
        keyset_receiver_reset(&k->receiver);
        keyring_confirm(k->keyring, now.wall); /* until now it would have told us of each change */
    }
}

/* ---- how old they are ---- */

static void look_at(struct domain_keys *k, struct now now)
{
    struct host *h = k->host;
    char when[WALL_TEXT_OCTETS];
    keyring_expire(k->keyring, now.wall);
    if (k->is_typed)
        return;
    if (k->is_live) {
        keyring_confirm(k->keyring, now.wall);
        return;
    }
    const struct wall confirmed = keyring_confirmed_at(k->keyring);
    if (now.wall.ms - confirmed.ms < h->daemon.settings->server.stale_ms || now.wall.ms < k->next_warning.ms)
        return;
    k->next_warning = wall_after_ms(now.wall, DAY_MS);
    log_event(&h->daemon.log, LEVEL_WARNING, "ticket.keys.stale", "domain=%s confirmed=%s%s", name_of(k),
              confirmed.ms ? wall_format(confirmed, when) : "never",
              keyring_epoch(k->keyring) ? ": tickets are checked with what the IME server has said last"
                                        : ": there is no key, every ticket is refused");
}

struct mono keys_watch(struct host *h, struct now now)
{
    if (!mono_due(h->keys_at, now.mono))
        return h->keys_at;
    h->keys_at = mono_after_ms(
        now.mono, CONFIRM_MS < h->daemon.settings->server.stale_ms ? CONFIRM_MS : h->daemon.settings->server.stale_ms);
    for (size_t i = 0; i < h->daemon.settings->edge.domain_count; i++)
        look_at(&h->keys[i], now);
    return h->keys_at;
}

/* ---- shown ---- */

static void show_servers(const struct host *h, struct ctl_writer *w)
{
    const struct server_settings *s = &h->daemon.settings->server;
    for (unsigned i = 0; i < s->count; i++) {
        const struct vap_link *l = &h->links[i];
        char since[WALL_TEXT_OCTETS], state[320];
        snprintf(state, sizeof state, "%s: %s since %s%s%s", s->names[i], l->online ? "online" : "not reached",
                 wall_format(l->since, since), l->online ? "" : ": ", l->online ? "" : l->reason);
        ctl_put_text(w, i ? "backup_server" : "server", state);
    }
}

static void show_domain(const struct host *h, const struct domain_keys *k, struct ctl_writer *w)
{
    struct keyring_epoch_info infos[TICKET_EPOCH_MAX];
    const struct wall now = daemon_now(&h->daemon).wall;
    const struct wall confirmed = k->is_live ? now : keyring_confirmed_at(k->keyring);
    size_t n = keyring_list(k->keyring, infos, TICKET_EPOCH_MAX);
    for (size_t i = 0; i < n; i++) {
        ctl_open_object(w, NULL);
        ctl_put_text(w, "domain", name_of(k));
        ctl_put_integer(w, "epoch", infos[i].epoch);
        ctl_put_text(w, "state", infos[i].is_current ? "current" : "old, still valid");
        ctl_put_text(w, "source", k->is_typed ? "password" : h->daemon.settings->server.names[k->server]);
        ctl_put_time(w, "installed_at", infos[i].installed);
        ctl_put_time(w, "valid_until_at", infos[i].is_current ? (struct wall){0} : infos[i].valid_until);
        ctl_put_hex(w, "fingerprint", slice_of(infos[i].fingerprint, sizeof infos[i].fingerprint));
        if (!k->is_typed) {
            ctl_put_time(w, "confirmed_at", confirmed);
            ctl_put_integer(w, "age_ms", now.ms - confirmed.ms);
        }
        ctl_put_unsigned(w, "revoked", keyring_revoked_count(k->keyring));
        ctl_close(w);
    }
}

size_t keys_warnings(const struct host *h, struct ctl_writer *w)
{
    const struct settings *s = h->daemon.settings;
    const struct wall now = daemon_now(&h->daemon).wall;
    const struct vap_link *away = NULL;
    size_t n = 0, stale = 0;
    for (unsigned i = 0; h->vap && i < s->server.count; i++)
        if (!h->links[i].online)
            away = &h->links[i];
    for (size_t i = 0; i < h->told_count; i++) {
        const struct domain_keys *k = &h->keys[h->told[i]];
        if (!k->is_live && keyring_epoch(k->keyring) &&
            now.ms - keyring_confirmed_at(k->keyring).ms >= s->server.stale_ms)
            stale++;
    }
    n += away != NULL;
    n += stale != 0;
    if (w && away)
        edge_put_warning(
            w, "warning", "IMEServerAway", away->since,
            "an IME server is not reached; tickets are checked with the keys that it has told last: `imectl edge "
            "show tickets`");
    if (w && stale)
        edge_put_warning(w, "error", "TicketKeysStale", now,
                         "keys of tickets were not confirmed for long: revocations do not get here");
    return n;
}

void keys_show(const struct host *h, struct ctl_writer *w)
{
    show_servers(h, w);
    ctl_open_array(w, "epochs");
    for (size_t i = 0; i < h->daemon.settings->edge.domain_count; i++)
        show_domain(h, &h->keys[i], w);
    ctl_close(w);
}
