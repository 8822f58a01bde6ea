/* The commands of the ring's configuration: showing it, and publishing a changed one. */
#include "enroll/internal.h"

#include "base/text.h"

#include <stdio.h>

#define LISTS_OCTETS_MAX (4u << 20)
#define WHY_OCTETS_MAX 512

/* ---- showing ---- */

static void put_document(struct ctl_writer *w, const struct config *config, struct slice text)
{
    ctl_put_slice(w, "overlay", config->instance_name);
    ctl_put_integer(w, "sequence", config->sequence);
    ctl_put_slice(w, "document", text);
}

void publish_show(void *ctx, struct ctl_request *request)
{
    const struct enroll *e = ctx;
    struct buf text;
    buf_init(&text, CONFIG_DOCUMENT_OCTETS_MAX);
    int err = e->config ? config_format(e->config, &text) : ERR_NOT_FOUND;
    bool is_signed = ctl_args_has(ctl_request_args(request), "signed");
    if (err) {
        ctl_refuse(request, err, err == ERR_NOT_FOUND ? "there is no configuration yet" : NULL, NULL);
    } else {
        put_document(ctl_reply_begin(request), e->config, is_signed ? e->config->document : buf_slice(&text));
        ctl_reply_end(request);
    }
    buf_fini(&text);
}

static void reply(struct ctl_request *request, const struct config *old, const struct config *next, const char *text)
{
    struct ctl_writer *w = ctl_reply_begin(request);
    ctl_put_text(w, "message", text);
    ctl_put_integer(w, "sequence", next->sequence);
    difference_put(w, old, next);
    ctl_reply_end(request);
}

/* ---- publishing ---- */

static bool has_id(const struct id *ids, size_t n, struct id id)
{
    for (size_t i = 0; i < n; i++)
        if (id_eq(ids[i], id))
            return true;
    return false;
}

static bool has_root(const struct config *next, const struct cert *authority)
{
    for (size_t i = 0; i < next->root_cert_count; i++)
        if (slice_eq(next->root_certs[i], cert_der(authority)))
            return true;
    return false;
}

static bool is_signed(const struct config *next)
{
    bool found = next->signature_count != 0;
    for (size_t i = 0; i < next->kind_block_count; i++)
        found = found || next->kind_blocks[i].signature.n;
    return found;
}

/* Why a configuration is not signed here: what is wrong with it as a whole. NULL: nothing. */
static const char *complaint(const struct enroll *e, const struct config *next, char text[WHY_OCTETS_MAX],
                             const char **ret_hint)
{
    *ret_hint = NULL;
    if (is_signed(next)) {
        *ret_hint = "take what `ring config show` prints; a server takes signed documents: `ring config load`";
        return config_verify(next, e->config, e->now.wall) == 0
                   ? "it is signed already, by this signer: only what has no signatures is published"
                   : "it is signed by somebody else: only what has no signatures is published";
    }
    if (next->unknown_line) {
        snprintf(text, WHY_OCTETS_MAX, "line %u: an element that this version does not know: it would be lost",
                 next->unknown_line);
        return text;
    }
    if (next->has_sequence && config_sequence_cmp(next->sequence, e->config->sequence) <= 0) {
        *ret_hint = "leave the attribute sequence away: it gets the next one";
        snprintf(text, WHY_OCTETS_MAX, "sequence %u is not newer than %u, which is in use", next->sequence,
                 e->config->sequence);
        return text;
    }
    if (!has_root(next, e->active.cert))
        return "this ring's authority is not among its root-cert elements: nobody could go on";
    if (!slice_eq(next->root_certs[0], cert_der(e->active.cert)))
        return "the authority that issues is not the first of its root-cert elements: servers would ask for other "
               "certificates";
    if (e->standby.cert && !has_root(next, e->standby.cert))
        return "the authority that stands by is not among its root-cert elements: `enroll authority remove` takes it "
               "out";
    if (!has_id(next->configuration_signers, next->configuration_signer_count, e->signer_id))
        return "this signer is not among its configuration-signer elements: nobody would believe it";
    if (!has_id(next->kind_signers, next->kind_signer_count, e->signer_id))
        return "this signer is not among its kind-signer elements: nobody would believe its Kinds";
    if (has_id(next->bad_nodes, next->bad_node_count, e->signer_id))
        return "this signer is among its bad-node elements: nobody would believe it";
    if (!kind_find(&next->kinds, RELOAD_KIND_VIPR_REGISTRATION))
        return "its required-kinds lack VIPR-REGISTRATION: no number could be stored";
    if (!next->bootstrap_node_count)
        return "it has no bootstrap-node: nobody could join";
    if (!next->enrollment_server_count)
        return "it has no enrollment-server: no certificate could be renewed";
    if (config_expired(next, e->now.wall))
        return "its expiration is in the past";
    return NULL;
}

static void refuse_malformed(struct enroll *e, struct ctl_request *request, int err, const struct config_fault *fault)
{
    char text[WHY_OCTETS_MAX];
    if (err == ERR_NOT_FOUND)
        snprintf(text, sizeof text, "it has no configuration of this ring: instance-name must be \"%s\"",
                 e->options.overlay);
    else
        snprintf(text, sizeof text, "line %u: %s", fault->line, fault->rule ? fault->rule : err_text(err));
    ctl_refuse(request, err, text, "nothing has been changed");
}

static int begin(struct enroll *e, struct ctl_request *request, struct config *content, bool dry_run)
{
    char text[EDITION_TEXT_OCTETS];
    bool same = !content->has_sequence && edition_is_same(content, e->config);
    content->sequence = content->has_sequence ? content->sequence : edition_next_sequence(e);
    if (same || dry_run) {
        if (same)
            content->sequence = e->config->sequence;
        snprintf(text, sizeof text,
                 same ? "it says what is in use already: nothing is published" : "sequence %u would be published",
                 content->sequence);
        reply(request, e->config, content, text);
        return 0;
    }
    snprintf(text, sizeof text, "sequence %u is published; it reaches the servers of the ring by itself",
             content->sequence);
    return edition_publish(
        e, &(struct edition_order){.content = content, .request = request, .reply = reply, .text = text});
}

static void publish_parsed(struct enroll *e, struct ctl_request *request, const struct config *next)
{
    char text[WHY_OCTETS_MAX];
    const char *hint;
    const char *why = complaint(e, next, text, &hint);
    if (why) {
        ctl_refuse(request, ERR_FORBIDDEN, why, hint ? hint : "nothing has been changed");
        return;
    }
    struct config content = *next;
    struct region region;
    region_init(&region, LISTS_OCTETS_MAX);
    int err = edition_with_bans(e, e->config->bans, e->config->ban_count, &region, &content);
    if (!err)
        err = begin(e, request, &content, ctl_args_has(ctl_request_args(request), "dry-run"));
    if (err)
        ctl_refuse(request, err, edition_problem(err), "nothing has been changed");
    region_fini(&region);
}

void publish_file(void *ctx, struct ctl_request *request)
{
    struct enroll *e = ctx;
    struct config *next;
    struct config_fault fault = {0};
    struct slice document = slice_str(ctl_args_text(ctl_request_args(request), "file"));
    if (!e->config) {
        ctl_refuse(request, ERR_WRONG_STATE, "there is no configuration yet", "the settings make the first one");
        return;
    }
    int err = config_parse(document, slice_str(e->options.overlay), &next, &fault);
    if (err) {
        refuse_malformed(e, request, err, &fault);
        return;
    }
    publish_parsed(e, request, next);
    config_free(next);
}
