/* The control commands: tokens, certificates, status, counters. */
#include "enroll/internal.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>

#define WARNING_MS (INT64_C(30) * 86400000) /* before the authority's end */

/* ---- tokens ---- */

struct token_change {
    struct waiting waiting;
    struct enroll *enroll;
    struct ctl_request *request;
    struct token *token;
    struct buf text; /* of a new token: a secret */
};

static void change_free(struct token_change *change)
{
    list_remove(&change->waiting.link);
    buf_fini_secret(&change->text);
    mem_free(change);
}

static void change_drop(struct waiting *waiting)
{
    struct token_change *change = CONTAINER_OF(waiting, struct token_change, waiting);
    ctl_refuse(change->request, ERR_CLOSED, "the daemon ends", NULL);
    change_free(change);
}

static void change_init(struct token_change *change, struct enroll *e, struct ctl_request *request, struct token *token)
{
    *change = (struct token_change){.waiting.drop = change_drop, .enroll = e, .request = request, .token = token};
    list_append(&e->waiting, &change->waiting.link);
    buf_init(&change->text, 256);
}

static void refuse_store(struct enroll *e, struct ctl_request *request, int err)
{
    e->counters.failed_store++;
    ctl_refuse(request, err, NULL, "nothing has been changed; look at the disk of the data folder");
}

static void token_added(void *arg, int err)
{
    struct token_change *change = arg;
    struct enroll *e = change->enroll;
    struct token *token = change->token;
    token->busy = false;
    if (err) {
        token_drop(e, token);
        refuse_store(e, change->request, err);
    } else {
        char id[2 * TOKEN_ID_OCTETS + 1];
        e->counters.tokens_added++;
        log_event(e->ports.log, LEVEL_NOTICE, "enroll.token.added", "id=%s server_id=%s",
                  hex_format(slice_of(token->id, sizeof token->id), id), token->server_id);
        struct ctl_writer *w = ctl_reply_begin(change->request);
        ctl_put_slice(w, "token", buf_slice(&change->text));
        ctl_put_text(w, "id", id);
        ctl_put_text(w, "server_id", token->server_id);
        ctl_put_time(w, "expires_at", token->expires);
        ctl_reply_end(change->request);
    }
    change_free(change);
}

/* Tokens that can do nothing anymore give way, the oldest first. */
static int make_room(struct enroll *e)
{
    if (e->token_count < ENROLL_TOKENS_MAX)
        return 0;
    LIST_EACH(link, &e->tokens) {
        struct token *token = CONTAINER_OF(link, struct token, link);
        if (token->busy || (token->state == TOKEN_OPEN && token->expires.ms > e->now.wall.ms))
            continue;
        int err = kv_remove(e->ports.kv, KV_ENROLL_TOKEN, slice_of(token->id, sizeof token->id));
        if (!err)
            token_drop(e, token);
        return err;
    }
    return ERR_LIMIT;
}

static int take_names(const struct ctl_args *args, struct names *names)
{
    const char *text;
    for (size_t i = 0; (text = ctl_args_text_at(args, "name", i)); i++) {
        if (names->n == ENROLL_NAMES_MAX)
            return ERR_LIMIT;
        if (!(names->texts[names->n] = mem_strdup(text)))
            return ERR_NO_MEMORY;
        names->n++;
    }
    return 0;
}

/* The server ID as it will stand in the certificate. */
static const char *check_server_id(const struct enroll *e, const char *server_id)
{
    char user[CERT_USER_OCTETS_MAX + 1];
    if (strpbrk(server_id, " @") || !text_is_printable(slice_str(server_id)))
        return "a server ID is printable ASCII without spaces and \"@\"";
    if (enroll_user_name(e, server_id, user) != 0)
        return "the server ID is too long: with \"@\" and the overlay's name it may have 64 octets";
    return NULL;
}

static void add_token(void *ctx, struct ctl_request *request)
{
    struct enroll *e = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    const char *server_id = ctl_args_text(args, "server-id");
    const char *complaint = check_server_id(e, server_id);
    if (complaint) {
        ctl_refuse(request, ERR_RANGE, complaint, NULL);
        return;
    }
    struct token *token = mem_alloc(sizeof *token);
    struct token_change *change = mem_alloc(sizeof *change);
    int err = token && change ? make_room(e) : ERR_NO_MEMORY;
    if (!err)
        err = take_names(args, &token->names);
    if (err) {
        mem_free(change);
        token_free(token);
        ctl_refuse(request, err, err == ERR_LIMIT ? "too many tokens, or more than 16 names" : NULL, NULL);
        return;
    }
    change_init(change, e, request, token);
    list_init(&token->link);
    memcpy(token->server_id, server_id, strlen(server_id) + 1);
    token->node_ids = ctl_args_has(args, "node-ids") ? (unsigned)ctl_args_integer(args, "node-ids") : 1;
    token->created = e->now.wall;
    token->expires = wall_after_ms(e->now.wall, ctl_args_has(args, "expires") ? ctl_args_integer(args, "expires")
                                                                              : e->options.token_lifetime_ms);
    token_make_secret(e, token, &change->text);
    err = token_add(e, token); /* frees it on failure */
    if (err) {
        change_free(change);
        ctl_refuse(request, err, NULL, NULL);
        return;
    }
    token->busy = true; /* not to be used before it is durable */
    err = change->text.err ? change->text.err : token_put(e, token);
    if (err)
        token_added(change, err);
    else
        kv_commit(e->ports.kv, token_added, change);
}

static void list_tokens(void *ctx, struct ctl_request *request)
{
    struct enroll *e = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "tokens");
    LIST_EACH(link, &e->tokens) {
        const struct token *token = CONTAINER_OF(link, struct token, link);
        ctl_open_object(w, NULL);
        ctl_put_hex(w, "id", slice_of(token->id, sizeof token->id));
        ctl_put_text(w, "server_id", token->server_id);
        ctl_open_array(w, "names");
        for (size_t i = 0; i < token->names.n; i++)
            ctl_put_text(w, NULL, token->names.texts[i]);
        ctl_close(w);
        ctl_put_unsigned(w, "node_ids", token->node_ids);
        ctl_put_text(w, "state", token_state_text(token, e->now.wall));
        ctl_put_time(w, "created_at", token->created);
        ctl_put_time(w, "expires_at", token->expires);
        ctl_close(w);
    }
    ctl_close(w);
    ctl_reply_end(request);
}

static void token_revoked(void *arg, int err)
{
    struct token_change *change = arg;
    struct token *token = change->token;
    token->busy = false;
    if (err) {
        refuse_store(change->enroll, change->request, err);
    } else {
        token->state = TOKEN_REVOKED;
        log_event(change->enroll->ports.log, LEVEL_NOTICE, "enroll.token.revoked", "server_id=%s", token->server_id);
        ctl_reply_done(change->request, "the token for %s is useless now", token->server_id);
    }
    change_free(change);
}

static void revoke_token(void *ctx, struct ctl_request *request)
{
    struct enroll *e = ctx;
    struct token *token = token_find(e, slice_str(ctl_args_text(ctl_request_args(request), "id")));
    if (!token) {
        ctl_refuse(request, ERR_NOT_FOUND, "no token has this id", "`enroll token list` shows them");
        return;
    }
    if (token->busy) {
        ctl_refuse(request, ERR_WRONG_STATE, "the token is being used at this moment", "try again");
        return;
    }
    struct token_change *change = mem_alloc(sizeof *change);
    if (!change) {
        ctl_refuse(request, ERR_NO_MEMORY, NULL, NULL);
        return;
    }
    change_init(change, e, request, token);
    struct token revoked = *token;
    revoked.state = TOKEN_REVOKED;
    token->busy = true;
    int err = token_put(e, &revoked);
    if (err)
        token_revoked(change, err);
    else
        kv_commit(e->ports.kv, token_revoked, change);
}

/* ---- what there is ---- */

static void list_certificates(void *ctx, struct ctl_request *request)
{
    struct enroll *e = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "certificates");
    LIST_EACH(link, &e->issued) {
        const struct issued *issued = CONTAINER_OF(link, struct issued, link);
        ctl_open_object(w, NULL);
        ctl_put_hex(w, "serial", slice_of(issued->serial, SERIAL_OCTETS));
        ctl_put_text(w, "server_id", issued->holder->server_id);
        ctl_open_array(w, "node_ids");
        for (size_t i = 0; i < issued->node_ids; i++)
            ctl_put_id(w, NULL, issued->holder->node_ids[issued->first + i]);
        ctl_close(w);
        ctl_put_time(w, "issued_at", issued->issued_at);
        ctl_put_time(w, "not_before_at", issued->not_before);
        ctl_put_time(w, "not_after_at", issued->not_after);
        ctl_close(w);
    }
    ctl_close(w);
    ctl_reply_end(request);
}

static void put_warning(struct ctl_writer *w, const char *severity, const char *name, const char *text)
{
    ctl_open_object(w, NULL);
    ctl_put_text(w, "severity", severity);
    ctl_put_text(w, "name", name);
    ctl_put_text(w, "text", text);
    ctl_close(w);
}

static void show_status(void *ctx, struct ctl_request *request)
{
    struct enroll *e = ctx;
    size_t open = 0;
    LIST_EACH(link, &e->tokens) {
        const struct token *token = CONTAINER_OF(link, struct token, link);
        open += token->state == TOKEN_OPEN && token->expires.ms > e->now.wall.ms;
    }
    bool works = e->active.cert && e->config && !e->write_err;
    bool ends = e->active.cert && cert_not_after(e->active.cert).ms - e->now.wall.ms < WARNING_MS;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_text(w, "overlay", e->options.overlay);
    ctl_put_text(w, "version", IME_VERSION);
    ctl_put_text(w, "health", !works ? "red" : ends ? "yellow" : "green");
    ctl_put_text(w, "state", works ? "serving" : "not serving");
    ctl_put_integer(w, "configuration_sequence", e->config ? e->config->sequence : 0);
    ctl_put_id(w, "configuration_signer", e->signer_id);
    ctl_put_time(w, "started_at", e->started_at);
    if (e->active.cert)
        ctl_put_time(w, "authority_ends_at", cert_not_after(e->active.cert));
    ctl_put_unsigned(w, "servers", e->holders.n);
    ctl_put_unsigned(w, "certificates", e->issued_count);
    ctl_put_unsigned(w, "tokens_open", open);
    ctl_put_unsigned(w, "nodes_banned", e->config ? e->config->bad_node_count : 0);
    if (e->config && e->config->message_of_the_day.n)
        ctl_put_slice(w, "message_of_the_day", e->config->message_of_the_day);
    ctl_open_array(w, "warnings");
    if (e->write_err)
        put_warning(
            w, "alert", "ConfigurationNotPublished",
            "the last configuration could not be stored: look at the disk, then publish it again or send SIGHUP");
    if (ends)
        put_warning(w, "warning", "AuthorityExpiring",
                    "the authority's certificate ends soon: bring in another one with `enroll authority add`");
    ctl_close(w);
    ctl_reply_end(request);
}

void enroll_show_counters(struct enroll *e, const char *prefix, const char *const *names, const uint64_t *values)
{
    e->outside.prefix = prefix;
    e->outside.names = names;
    e->outside.values = values;
}

static void put_counters(struct ctl_writer *w, const struct ctl_args *args, const char *set, const char *const *names,
                         const uint64_t *values)
{
    const char *prefix = ctl_args_text(args, "prefix");
    for (size_t i = 0; values && names[i]; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.%s", set, names[i]);
        if ((!values[i] && !ctl_args_has(args, "all")) || (prefix && strncmp(name, prefix, strlen(prefix)) != 0))
            continue;
        ctl_open_object(w, NULL);
        ctl_put_text(w, "name", name);
        ctl_put_unsigned(w, "value", values[i]);
        ctl_close(w);
    }
}

static void show_counters(void *ctx, struct ctl_request *request)
{
    struct enroll *e = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "counters");
    put_counters(w, args, "enroll", enroll_counters_names, COUNTERS_VALUES(&e->counters));
    put_counters(w, args, e->outside.prefix, e->outside.names, e->outside.values);
    ctl_close(w);
    ctl_reply_end(request);
}

static void shut_down(void *ctx, struct ctl_request *request)
{
    struct enroll *e = ctx;
    e->shutdown = true;
    ctl_reply_done(request, "ime-enroll ends");
}

const struct ctl_handler enroll_handlers[] = {
    {"show status", show_status},
    {"show counters", show_counters},
    {"shutdown", shut_down},
    {"enroll token add", add_token},
    {"enroll token list", list_tokens},
    {"enroll token revoke", revoke_token},
    {"enroll certificate list", list_certificates},
    {"enroll authority list", succession_list},
    {"enroll authority add", succession_add},
    {"enroll authority switch", succession_switch},
    {"enroll authority remove", succession_remove},
    {"ring config show", publish_show},
    {"ring config publish", publish_file},
    {"ring ban", ban_add},
    {"ring unban", ban_end},
    {"ring bans", ban_list},
};

const size_t enroll_handler_count = sizeof enroll_handlers / sizeof enroll_handlers[0];
