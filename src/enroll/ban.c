/* Bans: bad-node elements for all Node-IDs of a server, with the reason beside them. They are part of the ring's configuration. */
#include "enroll/internal.h"

#include "base/mem.h"

#include <stdio.h>

#define LISTS_OCTETS_MAX (4u << 20)

bool ban_covers(const struct enroll *e, const struct holder *holder)
{
    for (size_t i = 0; e->config && i < holder->node_id_count; i++)
        if (config_is_bad_node(e->config, holder->node_ids[i]))
            return true;
    return false;
}

/* Who is meant: a server that has Node-IDs, or one Node-ID of whoever it is. */
struct target {
    const struct holder *holder; /* NULL: a Node-ID that no server of ours has */
    struct id node;
    struct slice name;
};

static bool find(const struct enroll *e, const char *who, struct target *ret_target)
{
    struct target t = {.name = slice_str(who)};
    bool is_node = id_parse(t.name, &t.node) == 0;
    t.holder = is_node ? map_get(&e->node_ids, id_slice(&t.node)) : holder_find(e, t.name);
    if (t.holder)
        t.name = slice_str(t.holder->server_id);
    *ret_target = t;
    return is_node || t.holder;
}

/* The Node-IDs, of a server all. */
static const struct id *nodes_of(const struct target *t, size_t *ret_n)
{
    *ret_n = t->holder ? t->holder->node_id_count : 1;
    return t->holder ? t->holder->node_ids : &t->node;
}

static bool is_of(const struct target *t, struct id node)
{
    size_t n;
    const struct id *nodes = nodes_of(t, &n);
    for (size_t i = 0; i < n; i++)
        if (id_eq(nodes[i], node))
            return true;
    return false;
}

/* Whether the ban is for this target, also for Node-IDs that are not in our records anymore. */
static bool is_for(const struct target *t, const struct config_ban *ban)
{
    return is_of(t, ban->node) || (t->name.n && slice_eq(ban->server_id, t->name));
}

/* ---- changing the configuration ---- */

static void reply(struct ctl_request *request, const struct config *old, const struct config *next, const char *text)
{
    (void)old;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_text(w, "message", text);
    ctl_put_integer(w, "sequence", next->sequence);
    ctl_reply_end(request);
}

static void publish(struct enroll *e, struct ctl_request *request, struct config *content, const char *text)
{
    content->sequence = edition_next_sequence(e);
    int err = edition_publish(
        e, &(struct edition_order){.content = content, .request = request, .reply = reply, .text = text});
    if (err)
        ctl_refuse(request, err, edition_problem(err), "nothing has been changed");
}

/* The present content without what concerns the target. */
static int content_without(const struct enroll *e, const struct target *t, struct region *region,
                           struct config *ret_content)
{
    struct config c = *e->config;
    struct id *nodes = region_array(region, c.bad_node_count + 1, sizeof *nodes);
    struct config_ban *bans = region_array(region, c.ban_count + 1, sizeof *bans);
    size_t n = 0, m = 0;
    if (!nodes || !bans)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < c.bad_node_count; i++) {
        const struct config_ban *ban = config_ban_of(e->config, c.bad_nodes[i]);
        if (!is_of(t, c.bad_nodes[i]) && !(ban && is_for(t, ban)))
            nodes[n++] = c.bad_nodes[i];
    }
    for (size_t i = 0; i < c.ban_count; i++)
        if (!is_for(t, &c.bans[i]))
            bans[m++] = c.bans[i];
    c.bad_nodes = nodes;
    c.bad_node_count = n;
    c.bans = bans;
    c.ban_count = m;
    *ret_content = c;
    return 0;
}

void ban_add(void *ctx, struct ctl_request *request)
{
    struct enroll *e = ctx;
    const struct ctl_args *args = ctl_request_args(request);
    const char *reason = ctl_args_text(args, "reason");
    char text[EDITION_TEXT_OCTETS];
    struct target t;
    if (!e->config) {
        ctl_refuse(request, ERR_WRONG_STATE, "there is no configuration yet", NULL);
        return;
    }
    if (!find(e, ctl_args_text(args, "who"), &t)) {
        ctl_refuse(request, ERR_NOT_FOUND, "no server of this ID has a certificate",
                   "`enroll certificate list` shows them; an open token is revoked with `enroll token revoke`");
        return;
    }
    if (is_of(&t, e->signer_id)) {
        ctl_refuse(request, ERR_FORBIDDEN, "this is the signer of the configuration itself", NULL);
        return;
    }
    size_t n;
    const struct id *nodes = nodes_of(&t, &n);
    struct config_ban bans[CERT_NODE_IDS_MAX];
    for (size_t i = 0; i < n; i++)
        bans[i] = (struct config_ban){nodes[i], t.holder ? t.name : slice_of(NULL, 0), slice_str(reason), e->now.wall};
    struct config content;
    struct region region;
    region_init(&region, LISTS_OCTETS_MAX);
    int err = content_without(e, &t, &region, &content);
    if (!err)
        err = edition_with_bans(e, bans, n, &region, &content);
    if (err) {
        ctl_refuse(request, err, err == ERR_LIMIT ? "too many are banned: end old bans first" : NULL, NULL);
    } else if (!config_is_bad_node(&content, nodes[0])) {
        ctl_refuse(request, ERR_NOT_FOUND, "all of its certificates have expired: it is out already",
                   "without a fresh token it gets no new one");
    } else {
        snprintf(text, sizeof text, "%.*s is banned: %zu Node-ID%s", SLICE_PRINT(t.name), n, n == 1 ? "" : "s");
        publish(e, request, &content, text);
    }
    region_fini(&region);
}

void ban_end(void *ctx, struct ctl_request *request)
{
    struct enroll *e = ctx;
    const char *who = ctl_args_text(ctl_request_args(request), "who");
    char text[EDITION_TEXT_OCTETS];
    struct target t;
    struct config content;
    struct region region;
    region_init(&region, LISTS_OCTETS_MAX);
    /* A name that our records do not have may still be in the configuration. */
    if (!find(e, who, &t))
        t = (struct target){.name = slice_str(who)};
    const struct config_ban *ban = e->config ? config_ban_of(e->config, t.node) : NULL;
    if (!t.holder && ban && ban->server_id.n)
        t.name = ban->server_id;
    int err = e->config ? content_without(e, &t, &region, &content) : ERR_WRONG_STATE;
    if (err) {
        ctl_refuse(request, err, err == ERR_WRONG_STATE ? "there is no configuration yet" : NULL, NULL);
    } else if (content.bad_node_count == e->config->bad_node_count && content.ban_count == e->config->ban_count) {
        ctl_refuse(request, ERR_NOT_FOUND, "it is not banned", "`ring bans` shows who is");
    } else {
        snprintf(text, sizeof text, "%.*s is not banned anymore", SLICE_PRINT(t.name));
        publish(e, request, &content, text);
    }
    region_fini(&region);
}

void ban_list(void *ctx, struct ctl_request *request)
{
    const struct enroll *e = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "bans");
    for (size_t i = 0; e->config && i < e->config->bad_node_count; i++) {
        struct id node = e->config->bad_nodes[i];
        const struct config_ban *ban = config_ban_of(e->config, node);
        ctl_open_object(w, NULL);
        if (ban && ban->server_id.n)
            ctl_put_slice(w, "server_id", ban->server_id);
        ctl_put_id(w, "node_id", node);
        ctl_put_time(w, "since_at", ban ? ban->at : (struct wall){0});
        if (ban)
            ctl_put_slice(w, "reason", ban->reason);
        ctl_close(w);
    }
    ctl_close(w);
    ctl_reply_end(request);
}
