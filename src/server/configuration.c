/* The ring's configuration in this server: it comes by the ring, from the enrollment server or from an operator; it is made durable, then used by
 * all parts; what it says to operators is logged. And the commands that show it. */
#include "server/internal.h"

#include "base/mem.h"
#include "server/show.h"

#include <stdio.h>

#define CONFIG_KEY "config"

/* ---- it comes ---- */

static void answer_waiter(struct server *s, int err)
{
    struct ctl_request *request = s->config_waiter;
    s->config_waiter = NULL;
    if (!request)
        return;
    if (err)
        ctl_refuse(request, err, "it could not be made durable: nothing has changed",
                   err == ERR_NO_SPACE ? "make room on the disk of the data folder" : NULL);
    else
        ctl_reply_done(request, "sequence %u is taken into use and passed on", s->next_config->sequence);
}

static void stored(void *arg, int err)
{
    struct server *s = arg;
    struct out *o = err ? NULL : server_out(s, SERVER_CONFIG, 0, (struct slice){NULL, 0});
    alert_store(s, err);
    answer_waiter(s, err);
    if (o) {
        o->effect.config = s->next_config;
        return;
    }
    /* The ring goes on sending it, since we go on saying that we have an older one. */
    log_event(s->ports.log, LEVEL_ERROR, "config.not_stored", "error=%s", err_name(err ? err : ERR_NO_MEMORY));
    s->counters.configs_refused++;
    config_free(s->next_config);
    s->next_config = NULL;
}

/* Takes the configuration over if it succeeds. */
static int keep(struct server *s, struct config *config)
{
    int err = kv_put(s->ports.kv, KV_SERVER_META, slice_str(CONFIG_KEY), config->document);
    if (err) {
        alert_store(s, err);
        return err;
    }
    s->next_config = config;
    kv_commit(s->ports.kv, stored, s);
    return 0;
}

static void log_refused(struct server *s, int err, const char *why)
{
    log_event(s->ports.log, LEVEL_ERROR, "config.refused", "error=%s reason=\"%s\"", err_name(err), why);
    s->counters.configs_refused++;
}

/* The peer has verified it. */
void configuration_arrived(struct server *s, struct slice document)
{
    struct config *config = NULL;
    struct config_fault fault = {0};
    if (s->next_config) /* the ring sends it again */
        return;
    int err = config_parse(document, s->config->instance_name, &config, &fault);
    if (!err && config->sequence == s->config->sequence) { /* another of our nodes was first */
        config_free(config);
        return;
    }
    if (!err)
        err = keep(s, config);
    if (err) {
        log_refused(s, err, fault.rule ? fault.rule : "");
        config_free(config);
    }
}

static const char *reason_of(int err)
{
    switch (err) {
    case ERR_FORBIDDEN:
        return "it is signed by nobody whom the configuration in use names as configuration-signer";
    case ERR_EXPIRED:
        return "the certificate of its signer is not valid at this time";
    case ERR_AUTH:
        return "its signature does not verify with the authority of the configuration in use";
    default:
        return err_text(err);
    }
}

static int judge(const struct server *s, const struct config *config, char why[SERVER_WHY_OCTETS])
{
    int err = config_may_follow(s->config, config);
    if (err) {
        snprintf(why, SERVER_WHY_OCTETS, "its sequence %u is not newer than %u, which is in use", config->sequence,
                 s->config->sequence);
        return err;
    }
    if (!config->signature_count) {
        snprintf(why, SERVER_WHY_OCTETS, "it is not signed");
        return ERR_AUTH;
    }
    err = config_verify(config, s->config, s->now.wall);
    if (err)
        snprintf(why, SERVER_WHY_OCTETS, "%s", reason_of(err));
    return err;
}

int server_config_offer(struct server *s, struct now now, struct slice document, char ret_why[SERVER_WHY_OCTETS])
{
    struct config *config;
    struct config_fault fault = {0};
    s->now = now;
    ret_why[0] = '\0';
    if (s->next_config) {
        snprintf(ret_why, SERVER_WHY_OCTETS, "another one is being written");
        return ERR_WRONG_STATE;
    }
    int err = config_parse(document, s->config->instance_name, &config, &fault);
    if (err == ERR_NOT_FOUND) {
        snprintf(ret_why, SERVER_WHY_OCTETS,
                 "it is not of this ring: there is no configuration with instance-name \"%.*s\"",
                 SLICE_PRINT(s->config->instance_name));
        return err;
    }
    s->config_unsupported = s->config_unsupported || err == ERR_UNSUPPORTED;
    if (err) {
        snprintf(ret_why, SERVER_WHY_OCTETS, "line %u: %s", fault.line, fault.rule ? fault.rule : err_text(err));
        return err;
    }
    err = judge(s, config, ret_why);
    if (!err && (err = keep(s, config)) != 0)
        snprintf(ret_why, SERVER_WHY_OCTETS, "it could not be stored");
    if (err)
        config_free(config);
    return err;
}

/* ---- what it says to operators ---- */

static void log_message(struct server *s, const struct config *config)
{
    if (config->message_of_the_day.n)
        log_event(s->ports.log, LEVEL_NOTICE, "MessageOfTheDay", "%.*s", SLICE_PRINT(config->message_of_the_day));
}

void configuration_start(struct server *s)
{
    log_message(s, s->config);
}

/* ---- it comes into use ---- */

/* The program has told security and TLS of it. */
void configuration_apply(struct server *s)
{
    struct config *config = s->next_config, *old = s->config;
    if (!config)
        return;
    s->next_config = NULL;
    s->config = config;
    s->config_unsupported = false;
    server_identity_refresh(s);
    nodes_config_apply(s, old, config);
    ring_reconfigure(s);
    pvp_terminator_set_lattice(s->terminator, config->lattice_ms);
    s->counters.configs_applied++;
    log_event(s->ports.log, LEVEL_NOTICE, "config.applied", "sequence=%u", config->sequence);
    config_log_bans(s->ports.log, old, config); /* every operator in the ring hears of them */
    if (!slice_eq(old->message_of_the_day, config->message_of_the_day))
        log_message(s, config);
    config_free(old);
    alerts_check(s);
}

const struct config_ban *configuration_own_ban(const struct server *s, bool *ret_banned)
{
    *ret_banned = config_is_bad_node(s->config, s->self);
    return *ret_banned ? config_ban_of(s->config, s->self) : NULL;
}

/* ---- commands ---- */

void show_ring_config(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    struct buf text;
    buf_init(&text, CONFIG_DOCUMENT_OCTETS_MAX);
    int err = config_format(s->config, &text);
    if (err) {
        ctl_refuse(request, err, NULL, NULL);
    } else {
        bool is_signed = ctl_args_has(ctl_request_args(request), "signed");
        struct ctl_writer *w = ctl_reply_begin(request);
        ctl_put_slice(w, "overlay", s->config->instance_name);
        ctl_put_integer(w, "sequence", s->config->sequence);
        ctl_put_slice(w, "document", is_signed ? s->config->document : buf_slice(&text));
        ctl_reply_end(request);
    }
    buf_fini(&text);
}

void configuration_load(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    char why[SERVER_WHY_OCTETS];
    int err = server_config_offer(s, s->now, slice_str(ctl_args_text(ctl_request_args(request), "file")), why);
    if (err)
        ctl_refuse(request, err, why, "nothing has changed");
    else
        s->config_waiter = request;
}

void configuration_drop_waiter(struct server *s)
{
    if (s->config_waiter)
        ctl_refuse(s->config_waiter, ERR_CLOSED, "the daemon ends", NULL);
    s->config_waiter = NULL;
}

void show_ring_bans(void *ctx, struct ctl_request *request)
{
    struct server *s = ctx;
    const struct config *c = s->config;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "bans");
    for (size_t i = 0; i < c->bad_node_count; i++) {
        const struct config_ban *ban = config_ban_of(c, c->bad_nodes[i]);
        ctl_open_object(w, NULL);
        if (ban && ban->server_id.n)
            ctl_put_slice(w, "server_id", ban->server_id);
        ctl_put_id(w, "node_id", c->bad_nodes[i]);
        ctl_put_time(w, "since_at", ban ? ban->at : (struct wall){0});
        if (ban)
            ctl_put_slice(w, "reason", ban->reason);
        ctl_close(w);
    }
    ctl_close(w);
    ctl_reply_end(request);
}
