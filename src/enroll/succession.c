/* One authority after another without an interruption: a second one is added to the configuration, where all learn to trust it; then it issues;
 * when all servers have certificates of it, the first one is taken out. Each step is durable together with the edition that tells of it. */
#include "enroll/internal.h"

#include "base/mem.h"

#include <stdio.h>

#define ROOTS_OCTETS_MAX (1u << 20)
#define NAMES_OCTETS 160 /* of servers in a refusal: the others are counted */

bool authority_is_ours(const struct enroll *e, struct cert_key_id authority)
{
    return cert_key_id_eq(authority, cert_key_id(e->active.cert)) ||
           (e->standby.cert && cert_key_id_eq(authority, cert_key_id(e->standby.cert)));
}

const struct slice *enroll_roots(const struct enroll *e, size_t *ret_count)
{
    *ret_count = e->config ? e->config->root_cert_count : 0;
    return e->config ? e->config->root_certs : NULL;
}

/* ---- who has certificates of it ---- */

/* Whether one of the certificates that the server uses is of this authority. The banned use none. */
static bool uses(const struct enroll *e, const struct holder *holder, struct cert_key_id authority)
{
    for (size_t i = 0; i < CERT_NODE_IDS_MAX; i++) {
        const struct issued *newest = holder->newest[i];
        if (newest && newest->not_after.ms > e->now.wall.ms && cert_key_id_eq(newest->authority, authority))
            return !ban_covers(e, holder);
    }
    return false;
}

/* How many servers use it; some of their names. */
static size_t count_users(const struct enroll *e, struct cert_key_id authority, char names[NAMES_OCTETS])
{
    struct map_iter it;
    size_t n = 0, length = 0;
    names[0] = '\0';
    map_iter_init(&it);
    while (map_iter_next(&e->holders, &it)) {
        const struct holder *holder = it.value;
        if (!uses(e, holder, authority))
            continue;
        int more = snprintf(names + length, NAMES_OCTETS - length, "%s%s", n ? ", " : "", holder->server_id);
        if (more > 0 && length + (size_t)more < NAMES_OCTETS - 4)
            length += (size_t)more;
        else
            snprintf(names + length, NAMES_OCTETS - length, "%s", length ? " …" : "…");
        n++;
    }
    return n;
}

/* When the last of those that had certificates of the one got its first of the other. 0: nobody had any. */
static struct wall last_move(const struct enroll *e, struct cert_key_id from, struct cert_key_id to)
{
    struct map had;
    struct wall last = {0};
    map_init(&had, SIZE_MAX, 0);
    LIST_EACH(link, &e->issued) {
        struct issued *issued = CONTAINER_OF(link, struct issued, link);
        struct slice key = slice_of(&issued->holder, sizeof issued->holder);
        if (cert_key_id_eq(issued->authority, from)) {
            if (map_set(&had, key, issued) != 0)
                last = e->now.wall; /* not known: wait rather than lose anything */
        } else if (cert_key_id_eq(issued->authority, to) && map_remove(&had, key) && issued->issued_at.ms > last.ms) {
            last = issued->issued_at;
        }
    }
    map_fini(&had);
    return last;
}

/* ---- the list ---- */

void succession_list(void *ctx, struct ctl_request *request)
{
    const struct enroll *e = ctx;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_open_array(w, "authorities");
    for (size_t i = 0; e->config && i < e->config->root_cert_count; i++) {
        struct slice der = e->config->root_certs[i];
        struct cert *cert;
        char names[NAMES_OCTETS];
        if (cert_from_der(der, &cert) != 0)
            continue;
        bool active = slice_eq(der, cert_der(e->active.cert));
        bool standby = e->standby.cert && slice_eq(der, cert_der(e->standby.cert));
        ctl_open_object(w, NULL);
        ctl_put_text(w, "serial", cert_serial(cert));
        ctl_put_text(w, "state", active ? "issues" : standby ? "stands by" : "trusted");
        ctl_put_unsigned(w, "servers", count_users(e, cert_key_id(cert), names));
        ctl_put_time(w, "not_before_at", cert_not_before(cert));
        ctl_put_time(w, "not_after_at", cert_not_after(cert));
        ctl_close(w);
        cert_free(cert);
    }
    ctl_close(w);
    ctl_reply_end(request);
}

/* ---- changes ---- */

static void reply(struct ctl_request *request, const struct config *old, const struct config *next, const char *text)
{
    (void)old;
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_text(w, "message", text);
    ctl_put_integer(w, "sequence", next->sequence);
    ctl_reply_end(request);
}

/* The present roots without this one, with this one before or behind them. NULL: none. */
static int roots_with(const struct enroll *e, const struct cert *without, const struct cert *before,
                      const struct cert *behind, struct region *region, struct config *content)
{
    const struct config *c = e->config;
    struct slice *roots = region_array(region, c->root_cert_count + 2, sizeof *roots);
    size_t n = 0;
    if (!roots)
        return ERR_NO_MEMORY;
    if (before)
        roots[n++] = cert_der(before);
    for (size_t i = 0; i < c->root_cert_count; i++)
        if (!(without && slice_eq(c->root_certs[i], cert_der(without))) &&
            !(before && slice_eq(c->root_certs[i], cert_der(before))))
            roots[n++] = c->root_certs[i];
    if (behind)
        roots[n++] = cert_der(behind);
    *content = *c;
    content->root_certs = roots;
    content->root_cert_count = n;
    content->sequence = edition_next_sequence(e);
    return 0;
}

static int publish(struct enroll *e, struct ctl_request *request, struct edition_order *order)
{
    order->request = request;
    order->reply = reply;
    int err = edition_publish(e, order);
    if (err)
        ctl_refuse(request, err, edition_problem(err), "nothing has been changed");
    return err;
}

/* Refuses what cannot be begun. */
static bool is_possible(struct enroll *e, struct ctl_request *request, bool wants_standby)
{
    if (!e->config)
        ctl_refuse(request, ERR_WRONG_STATE, "there is no configuration yet", NULL);
    else if (wants_standby && !e->standby.cert)
        ctl_refuse(request, ERR_NOT_FOUND, "no other authority stands by", "`enroll authority add` makes one");
    else
        return true;
    return false;
}

/* ---- adding ---- */

static int stage_added(struct enroll *e, void *arg)
{
    return authority_put_standby(e, arg);
}

static void added(struct enroll *e, void *arg, int err)
{
    struct authority *fresh = arg;
    if (err) {
        authority_fini(fresh);
    } else {
        e->standby = *fresh;
        e->standby_is_elder = false;
        log_event(e->ports.log, LEVEL_NOTICE, "enroll.authority.added", "serial=%s", cert_serial(fresh->cert));
    }
    mem_free(fresh);
}

static const struct edition_change adding = {stage_added, added};

static int make(struct enroll *e, struct authority *fresh)
{
    int err = e->ports.make_key ? e->ports.make_key(e->ports.make_key_arg, &fresh->key) : ERR_UNSUPPORTED;
    return err ? err : authority_make(e, e->signer_key, e->signer_id, fresh);
}

void succession_add(void *ctx, struct ctl_request *request)
{
    struct enroll *e = ctx;
    struct config content;
    struct region region;
    char text[EDITION_TEXT_OCTETS];
    if (!is_possible(e, request, false))
        return;
    if (e->standby.cert) {
        ctl_refuse(request, ERR_EXISTS, "another authority stands by already",
                   "`enroll authority switch` lets it issue, `enroll authority remove` takes it out");
        return;
    }
    struct authority *fresh = mem_alloc(sizeof *fresh);
    region_init(&region, ROOTS_OCTETS_MAX);
    int err = fresh ? make(e, fresh) : ERR_NO_MEMORY;
    if (!err)
        err = roots_with(e, NULL, NULL, fresh->cert, &region, &content);
    if (err) {
        ctl_refuse(request, err, NULL, "nothing has been changed");
    } else {
        snprintf(text, sizeof text,
                 "authority %s stands by; give the ca-file to call agents, then: enroll authority switch",
                 cert_serial(fresh->cert));
        struct edition_order order = {
            .content = &content,
            .signers = {e->active.signer, fresh->signer},
            .signer_count = 2,
            .text = text,
            .change = &adding,
            .change_arg = fresh,
        };
        err = publish(e, request, &order);
    }
    if (err && fresh)
        authority_fini(fresh);
    if (err)
        mem_free(fresh);
    region_fini(&region);
}

/* ---- changing places ---- */

static int stage_switched(struct enroll *e, void *arg)
{
    (void)arg;
    return authority_put_switched(e);
}

static void switched(struct enroll *e, void *arg, int err)
{
    (void)arg;
    if (err)
        return;
    struct authority former = e->active;
    e->active = e->standby;
    e->standby = former;
    e->standby_is_elder = !e->standby_is_elder;
    log_event(e->ports.log, LEVEL_NOTICE, "enroll.authority.switched", "serial=%s", cert_serial(e->active.cert));
}

static const struct edition_change switching = {stage_switched, switched};

void succession_switch(void *ctx, struct ctl_request *request)
{
    struct enroll *e = ctx;
    struct config content;
    struct region region;
    char text[EDITION_TEXT_OCTETS];
    if (!is_possible(e, request, true))
        return;
    region_init(&region, ROOTS_OCTETS_MAX);
    int err = roots_with(e, NULL, e->standby.cert, NULL, &region, &content);
    if (err) {
        ctl_refuse(request, err, NULL, "nothing has been changed");
    } else {
        snprintf(text, sizeof text, "authority %s issues; servers renew their certificates within a day by themselves",
                 cert_serial(e->standby.cert));
        struct edition_order order = {
            .content = &content,
            .signers = {e->standby.signer, e->active.signer},
            .signer_count = 2,
            .text = text,
            .change = &switching,
        };
        publish(e, request, &order);
    }
    region_fini(&region);
}

/* ---- removing ---- */

/* The signer's certificate of an authority that all have trusted still convinces who was away meanwhile. */
static const struct cert *keeps_signer(const struct enroll *e)
{
    return e->standby_is_elder ? e->standby.signer : NULL;
}

static int stage_removed(struct enroll *e, void *arg)
{
    (void)arg;
    return authority_put_removed(e, keeps_signer(e));
}

static void removed(struct enroll *e, void *arg, int err)
{
    (void)arg;
    if (err)
        return;
    log_event(e->ports.log, LEVEL_NOTICE, "enroll.authority.removed", "serial=%s", cert_serial(e->standby.cert));
    if (keeps_signer(e)) {
        cert_free(e->former_signer);
        e->former_signer = e->standby.signer;
        e->standby.signer = NULL;
    }
    authority_fini(&e->standby);
}

static const struct edition_change removing = {stage_removed, removed};

/* Why it would be too early. */
static bool is_early(struct enroll *e, struct ctl_request *request)
{
    char why[NAMES_OCTETS + 64], names[NAMES_OCTETS], until[WALL_TEXT_OCTETS];
    size_t users = count_users(e, cert_key_id(e->standby.cert), names);
    if (users) {
        snprintf(why, sizeof why, "%zu server%s certificates of it: %s", users, users == 1 ? " has" : "s have", names);
        ctl_refuse(request, ERR_WRONG_STATE, why,
                   "after `enroll authority switch` they renew by themselves; --force shuts them out");
        return true;
    }
    struct wall end = last_move(e, cert_key_id(e->standby.cert), cert_key_id(e->active.cert));
    if (end.ms)
        end = wall_after_ms(end, config_sign_again_ms(e->config));
    if (end.ms <= e->now.wall.ms)
        return false;
    snprintf(why, sizeof why, "until %s servers sign anew what they have in the ring", wall_format(end, until));
    ctl_refuse(request, ERR_WRONG_STATE, why, "with --force numbers may be missing until they are refreshed");
    return true;
}

void succession_remove(void *ctx, struct ctl_request *request)
{
    struct enroll *e = ctx;
    struct config content;
    struct region region;
    char text[EDITION_TEXT_OCTETS];
    if (!is_possible(e, request, true))
        return;
    if (!ctl_args_has(ctl_request_args(request), "force") && is_early(e, request))
        return;
    region_init(&region, ROOTS_OCTETS_MAX);
    int err = roots_with(e, e->standby.cert, NULL, NULL, &region, &content);
    if (err) {
        ctl_refuse(request, err, NULL, "nothing has been changed");
    } else {
        snprintf(text, sizeof text, "authority %s is not trusted any longer, and its key is gone",
                 cert_serial(e->standby.cert));
        struct edition_order order = {
            .content = &content,
            .signers = {e->active.signer, keeps_signer(e) ? e->standby.signer : e->former_signer},
            .text = text,
            .change = &removing,
        };
        order.signer_count = order.signers[1] ? 2 : 1;
        publish(e, request, &order);
    }
    region_fini(&region);
}
