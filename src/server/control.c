/* The commands of imectl that change something, and the table of all handlers. */
#include "server/internal.h"

#include "base/mem.h"
#include "server/show.h"

#include <stdio.h>

/* A request that is answered when a write is durable. */
struct reply {
    struct server *server;
    struct ctl_request *request;
    char text[160];
    uint8_t epoch;
};

static struct reply *reply_new(struct server *s, struct ctl_request *request)
{
    struct reply *r = mem_alloc(sizeof *r);
    if (!r) {
        ctl_refuse(request, ERR_NO_MEMORY, NULL, NULL);
        return NULL;
    }
    r->server = s;
    r->request = request;
    return r;
}

static void written(void *arg, int err)
{
    struct reply *r = arg;
    alert_store(r->server, err);
    if (err)
        ctl_refuse(r->request, err, "it could not be made durable: nothing has changed",
                   err == ERR_NO_SPACE ? "make room on the disk of the data folder" : NULL);
    else
        ctl_reply_done(r->request, "%s", r->text);
    mem_free(r);
}

/* ---- settings ---- */

static void set_validator(struct server *s, struct ctl_request *request, enum setting which)
{
    const struct ctl_args *args = ctl_request_args(request);
    struct reply *r = reply_new(s, request);
    if (!r)
        return;
    snprintf(r->text, sizeof r->text, "%s is %s from now on", setting_name(which), ctl_args_text(args, "value"));
    int err = setting_set(s, which, ctl_args_integer(args, "value"), written, r);
    if (err)
        written(r, err);
}

#define SETTING_HANDLER(function, which)                         \
    static void function(void *ctx, struct ctl_request *request) \
    {                                                            \
        set_validator(ctx, request, which);                      \
    }
SETTING_HANDLER(set_bucketentropy, SETTING_BUCKETENTROPY)
SETTING_HANDLER(set_minimum_interval, SETTING_MINIMUM_INTERVAL)
SETTING_HANDLER(set_maximum_delay, SETTING_MAXIMUM_DELAY)
SETTING_HANDLER(set_minimum_call, SETTING_MINIMUM_CALL)
SETTING_HANDLER(set_pending_alert, SETTING_PENDING_ALERT)
SETTING_HANDLER(set_max_originating, SETTING_MAX_ORIGINATING)
SETTING_HANDLER(set_max_terminating, SETTING_MAX_TERMINATING)

/* ---- tickets ---- */

/* The key ring that a command means: of the domain named, or the only one. Refuses the request otherwise. */
static struct keyring_slot *keyring_meant(struct server *s, struct ctl_request *request)
{
    const char *domain = ctl_args_text(ctl_request_args(request), "as");
    for (size_t i = 0; i < s->keyring_count; i++)
        if (domain ? slice_eq_str(slice_str(s->keyrings[i].domain), domain) : s->keyring_count == 1)
            return &s->keyrings[i];
    if (!s->keyring_count)
        ctl_refuse(request, ERR_NOT_FOUND, "no domain grants tickets here yet",
                   "a domain is known once its call agent has published it over VAP");
    else
        ctl_refuse(request, ERR_NOT_FOUND,
                   domain ? "this domain grants no tickets here" : "several domains grant tickets here",
                   "say which with --as DOMAIN; `show tickets` lists them");
    return NULL;
}

static void epoch_begun(void *arg, int err)
{
    struct reply *r = arg;
    if (!err)
        log_event(r->server->ports.log, LEVEL_NOTICE, "TicketPasswordChanged", "epoch=%u", r->epoch);
    written(arg, err);
}

static const char *keyring_problem(int err)
{
    switch (err) {
    case ERR_EXISTS:
        return "this epoch has a key already: the epoch must change with the key";
    case ERR_WRONG_STATE:
        return "another change of the key is being written: try again";
    case ERR_RANGE:
    case ERR_SYNTAX:
        return "the password must be 10 to 64 printable characters without spaces";
    default:
        return NULL;
    }
}

static uint8_t next_epoch(const struct keyring *k)
{
    return (uint8_t)(keyring_epoch(k) % 255 + 1);
}

static void generate_epoch(struct server *s, struct ctl_request *request, uint8_t epoch)
{
    struct keyring_slot *slot = keyring_meant(s, request);
    struct reply *r = slot ? reply_new(s, request) : NULL;
    if (!r)
        return;
    r->epoch = epoch ? epoch : next_epoch(slot->keyring);
    snprintf(r->text, sizeof r->text, "epoch %u begins with a generated key", r->epoch);
    int err = keyring_generate(slot->keyring, r->epoch, s->now.wall, epoch_begun, r);
    if (err) {
        ctl_refuse(request, err, keyring_problem(err), NULL);
        mem_free(r);
    }
}

static void set_epoch(void *ctx, struct ctl_request *request)
{
    generate_epoch(ctx, request, (uint8_t)ctl_args_integer(ctl_request_args(request), "epoch"));
}

static void rotate(void *ctx, struct ctl_request *request)
{
    generate_epoch(ctx, request, 0);
}

static void set_password(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    struct keyring_slot *slot = keyring_meant(s, request);
    struct reply *r = slot ? reply_new(s, request) : NULL;
    struct derivation *d = r ? mem_alloc(sizeof *d) : NULL;
    if (!r)
        return;
    r->epoch = ctl_args_has(args, "epoch") ? (uint8_t)ctl_args_integer(args, "epoch") : next_epoch(slot->keyring);
    snprintf(r->text, sizeof r->text, "epoch %u begins with the key of this password", r->epoch);
    int err = d ? keyring_prepare(slot->keyring, r->epoch, slice_str(ctl_args_text(args, "password")), &d->job)
                : ERR_NO_MEMORY;
    struct out *o = err ? NULL : server_out(s, SERVER_DERIVE, 0, (struct slice){NULL, 0});
    if (!o) {
        if (!err)
            keyring_job_free(d->job);
        ctl_refuse(request, err ? err : ERR_NO_MEMORY, keyring_problem(err), NULL);
        mem_free(r);
        mem_free(d);
        return;
    }
    o->effect.job = d->job;
    d->slot = slot;
    d->reply = r;
    list_append(&s->derivations, &d->link);
}

void server_derived(struct server *s, struct now now, struct keyring_job *job)
{
    s->now = now;
    LIST_EACH(it, &s->derivations) {
        struct derivation *d = CONTAINER_OF(it, struct derivation, link);
        if (d->job != job)
            continue;
        int err =
            d->reply ? keyring_install(d->slot->keyring, job, now.wall, epoch_begun, d->reply) : tickets_install(s, d);
        if (err && d->reply) {
            ctl_refuse(d->reply->request, err, keyring_problem(err), NULL);
            mem_free(d->reply);
        }
        list_remove(&d->link);
        mem_free(d);
        return;
    }
    keyring_job_free(job);
}

static void revoke(struct server *s, struct ctl_request *request, enum keyring_revocation kind, struct slice value,
                   const char *text)
{
    struct keyring_slot *slot = keyring_meant(s, request);
    struct reply *r = slot ? reply_new(s, request) : NULL;
    if (!r)
        return;
    snprintf(r->text, sizeof r->text, "%s is refused from now on", text);
    int err = keyring_revoke(slot->keyring, kind, value, s->now.wall, written, r);
    if (err) {
        ctl_refuse(request, err, err == ERR_EXISTS ? "it is revoked already" : NULL, NULL);
        mem_free(r);
    }
}

static void revoke_id(void *ctx, struct ctl_request *request)
{
    struct id id;
    const char *text = ctl_args_text(ctl_request_args(request), "id");
    if (id_parse(slice_str(text), &id) < 0)
        ctl_refuse(request, ERR_SYNTAX, NULL, NULL);
    else
        revoke(ctx, request, REVOKED_ID, id_slice(&id), "the ticket");
}

static void revoke_domain(void *ctx, struct ctl_request *request)
{
    const char *domain = ctl_args_text(ctl_request_args(request), "domain");
    revoke(ctx, request, REVOKED_DOMAIN, slice_str(domain), domain);
}

static void revoke_number(void *ctx, struct ctl_request *request)
{
    const char *number = ctl_args_text(ctl_request_args(request), "number");
    revoke(ctx, request, REVOKED_NUMBER, slice_str(number), number);
}

static void put_ticket(struct ctl_writer *w, const struct ticket *t)
{
    ctl_put_integer(w, "epoch", t->epoch);
    ctl_put_hex(w, "unique_id", slice_of(t->unique_id, sizeof t->unique_id));
    ctl_put_time(w, "not_before_at", t->not_before);
    ctl_put_time(w, "not_after_at", t->not_after);
    ctl_put_text(w, "number", t->number.text);
    ctl_put_id(w, "granting_node", t->granting_node);
    ctl_put_text(w, "granting_domain", t->granting_domain);
    ctl_put_text(w, "granted_to", t->granted_to);
}

static void verify(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    struct slice text = slice_str(ctl_args_text(args, "ticket"));
    struct ticket ticket;
    struct fault fault = {0};
    enum ticket_verdict verdict = TICKET_BAD_SYNTAX;
    bool decoded = ticket_parse(text, &ticket, &fault) == 0;
    if (decoded) {
        struct keyring *k = tickets_keyring_known(s, slice_str(ticket.granting_domain));
        struct ticket_use use = {
            .now = s->now.wall,
            .number =
                ctl_args_has(args, "number") ? slice_str(ctl_args_text(args, "number")) : e164_slice(&ticket.number),
            .domain = slice_str(ctl_args_has(args, "domain") ? ctl_args_text(args, "domain") : ticket.granted_to),
        };
        verdict = k ? keyring_verify(k, text, &use, NULL) : TICKET_BAD_EPOCH;
    }
    if (verdict == TICKET_GOOD)
        s->counters.tickets_verified++;
    else
        s->counters.tickets_refused++;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_boolean(w, "good", verdict == TICKET_GOOD);
    ctl_put_text(w, "verdict", ticket_verdict_name(verdict));
    ctl_put_text(w, "explanation", ticket_verdict_text(verdict));
    ctl_put_boolean(w, "number_checked", ctl_args_has(args, "number"));
    ctl_put_boolean(w, "domain_checked", ctl_args_has(args, "domain"));
    if (decoded)
        put_ticket(w, &ticket);
    else
        ctl_put_printf(w, "fault", "octet %zu: %s", fault.octet, fault.rule ? fault.rule : "not a ticket");
    ctl_reply_end(request);
}

/* ---- the daemon ---- */

static void leave(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    server_leave(s, s->now);
    ctl_reply_done(request, "leaving the ring; the daemon ends when its data is handed over");
}

static void shutdown_now(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    s->wants_shutdown = true;
    ctl_reply_done(request, "shutting down");
}

/* ---- waiting ---- */

struct waiter {
    struct list link;
    struct ctl_request *request;
    struct mono until;
};

static void answer_waiter(struct server *s, struct ctl_request *request)
{
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_id(w, "node_id", s->self);
    ctl_put_text(w, "state", peer_state_name(peer_state(s->peer)));
    ctl_reply_end(request);
}

static void wait_ring(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    size_t waiting = 0;
    LIST_EACH(it, &s->waiters)
        waiting++;
    struct waiter *w = waiting < WAITERS_MAX ? mem_alloc(sizeof *w) : NULL;
    if (ring_is_up(s)) {
        mem_free(w);
        answer_waiter(s, request);
        return;
    }
    if (!w) {
        ctl_refuse(request, ERR_LIMIT, "too many are waiting", NULL);
        return;
    }
    int64_t ms = ctl_args_has(args, "timeout") ? ctl_args_integer(args, "timeout") : 60000;
    w->request = request;
    w->until = mono_after_ms(s->now.mono, ms);
    list_append(&s->waiters, &w->link);
}

void server_control_waiters(struct server *s)
{
    LIST_EACH(it, &s->waiters) {
        struct waiter *w = CONTAINER_OF(it, struct waiter, link);
        if (ring_is_up(s))
            answer_waiter(s, w->request);
        else if (mono_due(w->until, s->now.mono))
            ctl_refuse(w->request, ERR_TIMEOUT, "not in the ring yet", "`show ring` says how far it got");
        else
            continue;
        list_remove(&w->link);
        mem_free(w);
    }
}

void server_control_drop(struct server *s)
{
    configuration_drop_waiter(s);
    LIST_EACH(it, &s->derivations) {
        struct derivation *d = CONTAINER_OF(it, struct derivation, link);
        if (d->reply)
            ctl_refuse(d->reply->request, ERR_CLOSED, "the daemon ends", NULL);
        keyring_job_free(d->job);
        mem_free(d->reply);
        list_remove(&d->link);
        mem_free(d);
    }
    LIST_EACH(it, &s->waiters) {
        struct waiter *w = CONTAINER_OF(it, struct waiter, link);
        ctl_refuse(w->request, ERR_CLOSED, "the daemon ends", NULL);
        list_remove(&w->link);
        mem_free(w);
    }
}

struct mono server_control_deadline(const struct server *s)
{
    struct mono due = MONO_NEVER;
    LIST_EACH(it, &s->waiters)
        due = mono_min(due, CONTAINER_OF(it, struct waiter, link)->until);
    return due;
}

const struct ctl_handler server_handlers[] = {
    {"show status", show_status},
    {"show ring", show_ring},
    {"show peers", show_peers},
    {"show numbers", show_numbers},
    {"show vcrs", show_vcrs},
    {"show pools", show_pools},
    {"show routes", show_routes},
    {"show validations", show_validations},
    {"show clients", show_clients},
    {"show certificate", show_certificate},
    {"show settings", show_settings},
    {"show tickets", show_tickets},
    {"show revocations", show_revocations},
    {"show counters", show_counters},
    {"explain", show_explain},
    {"set ime validator local bucketentropy", set_bucketentropy},
    {"set ime validator local minimum-interval", set_minimum_interval},
    {"set ime validator local maximum-delay", set_maximum_delay},
    {"set ime validator local minimum-call", set_minimum_call},
    {"set ime validator local pending-alert", set_pending_alert},
    {"set ime validator local max-originating", set_max_originating},
    {"set ime validator local max-terminating", set_max_terminating},
    {"set ime ticket password", set_password},
    {"set ime ticket epoch", set_epoch},
    {"ticket rotate", rotate},
    {"ticket revoke id", revoke_id},
    {"ticket revoke domain", revoke_domain},
    {"ticket revoke number", revoke_number},
    {"ticket verify", verify},
    {"ring lookup", lookup_command},
    {"ring config show", show_ring_config},
    {"ring config load", configuration_load},
    {"ring bans", show_ring_bans},
    {"wait ring", wait_ring},
    {"leave", leave},
    {"shutdown", shutdown_now},
};
const size_t server_handler_count = sizeof server_handlers / sizeof server_handlers[0];
