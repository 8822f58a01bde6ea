/* The ring's configuration document: the next edition is built, signed and stored, and takes the place of the last one when it is durable. What
 * is in use is known by the document alone: bans are part of it. */
#include "enroll/internal.h"

#include "base/mem.h"
#include "base/reader.h"

#include <stdio.h>
#include <stdlib.h>

#define ROW "document"
#define ROW_VERSION 1
#define KIND "VIPR-REGISTRATION"
#define LISTS_OCTETS_MAX (4u << 20)
#define LITTLE_OCTETS 256            /* a document that grows by so much goes where the one before it went */
#define MESSAGE_OVERHEAD_OCTETS 4096 /* of the ConfigUpdate that brings it: header, via list, certificate, signature */

struct edition {
    struct waiting waiting;
    struct enroll *enroll;
    uint8_t settings[SHA256_OCTETS];
    struct config *config;       /* parsed */
    struct ctl_request *request; /* NULL: nobody waits for it */
    edition_reply_fn *reply;
    char text[EDITION_TEXT_OCTETS];
    const struct edition_change *change;
    void *change_arg;
};

struct slice enroll_document(const struct enroll *e)
{
    return e->config ? e->config->document : slice_of(NULL, 0);
}

uint16_t enroll_sequence(const struct enroll *e)
{
    return e->config ? e->config->sequence : 0;
}

int document_load(struct enroll *e)
{
    struct slice row;
    struct reader r;
    struct config_fault fault;
    int err = kv_get(e->ports.kv, KV_ENROLL_CONFIG, slice_str(ROW), &row);
    if (err)
        return err;
    reader_init(&r, row);
    uint8_t version = read_u8(&r, "version");
    uint16_t sequence = read_u16(&r, "sequence");
    read_copy(&r, e->settings, sizeof e->settings, "digest of the settings");
    struct slice document = read_opaque(&r, 3, "document");
    err = reader_end(&r, "end of row");
    if (!err && version != ROW_VERSION)
        err = ERR_SYNTAX;
    if (!err)
        err = config_parse(document, slice_str(e->options.overlay), &e->config, &fault);
    if (!err && e->config->sequence != sequence)
        err = ERR_SYNTAX;
    return err;
}

static int put_row(struct enroll *e, const struct edition *edition)
{
    struct buf row;
    buf_init(&row, CONFIG_DOCUMENT_OCTETS_MAX + 64);
    buf_u8(&row, ROW_VERSION);
    buf_u16(&row, edition->config->sequence);
    buf_put(&row, edition->settings, sizeof edition->settings);
    buf_opaque(&row, 3, edition->config->document);
    int err = row.err ? row.err : kv_put(e->ports.kv, KV_ENROLL_CONFIG, slice_str(ROW), buf_slice(&row));
    buf_fini(&row);
    return err;
}

/* ---- an edition ---- */

static void edition_free(struct edition *edition)
{
    list_remove(&edition->waiting.link);
    config_free(edition->config);
    mem_free(edition);
}

static void edition_drop(struct waiting *waiting)
{
    struct edition *edition = CONTAINER_OF(waiting, struct edition, waiting);
    if (edition->change)
        edition->change->end(edition->enroll, edition->change_arg, ERR_CLOSED);
    if (edition->request)
        ctl_refuse(edition->request, ERR_CLOSED, "the daemon ends", NULL);
    edition_free(edition);
}

static void published(void *arg, int err)
{
    struct edition *edition = arg;
    struct enroll *e = edition->enroll;
    struct config *old = e->config;
    if (edition->change)
        edition->change->end(e, edition->change_arg, err);
    if (err) {
        if (edition->request)
            ctl_refuse(edition->request, err, NULL, "nothing has been changed; look at the disk of the data folder");
    } else {
        e->config = edition->config;
        edition->config = NULL;
        memcpy(e->settings, edition->settings, sizeof e->settings);
        log_event(e->ports.log, LEVEL_NOTICE, "enroll.configuration.published", "overlay=%s sequence=%u octets=%zu",
                  e->options.overlay, e->config->sequence, e->config->document.n);
        if (old)
            config_log_bans(e->ports.log, old, e->config);
        if (edition->request)
            edition->reply(edition->request, old, e->config, edition->text);
        config_free(old);
    }
    edition_free(edition);
    enroll_written(e, err);
}

/* Whoever trusts one of our authorities, or the one before them, believes the document. */
static size_t signers_in_use(const struct enroll *e, const struct cert *signers[EDITION_SIGNERS_MAX])
{
    size_t n = 0;
    signers[n++] = e->active.signer;
    if (e->standby.signer)
        signers[n++] = e->standby.signer;
    if (e->former_signer && cert_not_after(e->former_signer).ms > e->now.wall.ms)
        signers[n++] = e->former_signer;
    return n;
}

static int build(struct enroll *e, const struct edition_order *order, struct config **ret_config)
{
    struct config_fault fault;
    struct buf document;
    const struct cert *in_use[EDITION_SIGNERS_MAX];
    size_t n = order->signer_count;
    const struct cert *const *signers = n ? order->signers : in_use;
    if (!n)
        n = signers_in_use(e, in_use);
    buf_init(&document, CONFIG_DOCUMENT_OCTETS_MAX);
    int err = config_build_for(order->content, e->signer_key, signers, n, &document);
    if (!err)
        err = config_parse(buf_slice(&document), order->content->instance_name, ret_config, &fault);
    buf_fini(&document);
    return err;
}

/* A document that servers could not send to each other, or could not take by the one in use, would stay with us. The limit itself can always
 * be raised. */
static bool fits(const struct enroll *e, const struct config *next)
{
    size_t octets = next->document.n + MESSAGE_OVERHEAD_OCTETS;
    const struct config *present = e->config;
    if (octets > next->max_message_size)
        return false;
    return !present || octets <= present->max_message_size || next->document.n <= present->document.n + LITTLE_OCTETS;
}

int edition_publish(struct enroll *e, const struct edition_order *order)
{
    if (!e->active.cert || e->writes)
        return ERR_WRONG_STATE;
    struct edition *edition = mem_alloc(sizeof *edition);
    if (!edition)
        return ERR_NO_MEMORY;
    edition->enroll = e;
    edition->waiting.drop = edition_drop;
    list_init(&edition->waiting.link);
    memcpy(edition->settings, order->settings ? order->settings : e->settings, sizeof edition->settings);
    int err = build(e, order, &edition->config);
    if (!err && !fits(e, edition->config))
        err = ERR_LIMIT;
    if (!err && order->change)
        err = order->change->stage(e, order->change_arg);
    if (!err)
        err = put_row(e, edition);
    if (err) {
        edition_free(edition);
        return err;
    }
    edition->request = order->request;
    edition->reply = order->reply;
    snprintf(edition->text, sizeof edition->text, "%s", order->text ? order->text : "");
    edition->change = order->change;
    edition->change_arg = order->change_arg;
    e->writes++;
    list_append(&e->waiting, &edition->waiting.link);
    kv_commit(e->ports.kv, published, edition);
    return 0;
}

const char *edition_problem(int err)
{
    return err == ERR_WRONG_STATE ? "another change of the configuration is being written: try again"
           : err == ERR_LIMIT     ? "the document would not fit into max-message-size: raise that first, by itself"
           : err == ERR_RANGE     ? "the document would be longer than 256 KiB: end old bans first"
                                  : NULL;
}

uint16_t edition_next_sequence(const struct enroll *e)
{
    return e->config ? config_sequence_next(e->config->sequence) : 1;
}

/* ---- bans stay ---- */

static int compare_bans(const void *a, const void *b)
{
    return id_cmp(((const struct config_ban *)a)->node, ((const struct config_ban *)b)->node);
}

static int compare_ids(const void *a, const void *b)
{
    return id_cmp(*(const struct id *)a, *(const struct id *)b);
}

/* A ban lasts as long as there are certificates that it keeps out (RFC 6940 11.1, bad-node). */
static bool is_needed(const struct enroll *e, struct id node)
{
    const struct holder *holder = map_get(&e->node_ids, id_slice(&node));
    if (!holder)
        return true;
    LIST_EACH(link, &e->issued) {
        const struct issued *issued = CONTAINER_OF(link, struct issued, link);
        if (issued->holder == holder && issued->not_after.ms + e->options.renew_grace_ms > e->now.wall.ms)
            return true;
    }
    return false;
}

int edition_with_bans(const struct enroll *e, const struct config_ban *bans, size_t count, struct region *region,
                      struct config *content)
{
    size_t room = content->ban_count + count;
    struct config_ban *all = region_array(region, room, sizeof *all);
    struct id *nodes = region_array(region, content->bad_node_count + room, sizeof *nodes);
    size_t n = 0, bad = 0;
    if (!all || !nodes)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        if (is_needed(e, bans[i].node))
            all[n++] = bans[i];
    for (size_t i = 0; i < content->ban_count; i++) {
        bool there = !is_needed(e, content->bans[i].node);
        for (size_t j = 0; j < n && !there; j++)
            there = id_eq(all[j].node, content->bans[i].node);
        if (!there)
            all[n++] = content->bans[i];
    }
    for (size_t i = 0; i < content->bad_node_count; i++)
        if (!config_ban_of(content, content->bad_nodes[i]) || is_needed(e, content->bad_nodes[i]))
            nodes[bad++] = content->bad_nodes[i];
    for (size_t i = 0; i < n; i++)
        nodes[bad++] = all[i].node;
    if (n)
        qsort(all, n, sizeof *all, compare_bans);
    if (bad)
        qsort(nodes, bad, sizeof *nodes, compare_ids);
    size_t distinct = 0;
    for (size_t i = 0; i < bad; i++)
        if (!distinct || !id_eq(nodes[distinct - 1], nodes[i]))
            nodes[distinct++] = nodes[i];
    content->bans = all;
    content->ban_count = n;
    content->bad_nodes = nodes;
    content->bad_node_count = distinct;
    return n > CONFIG_LIST_MAX || distinct > CONFIG_LIST_MAX ? ERR_LIMIT : 0;
}

/* ---- from the settings ---- */

static int digest_of(const struct config *content, uint8_t ret_digest[SHA256_OCTETS])
{
    struct buf text;
    buf_init(&text, CONFIG_DOCUMENT_OCTETS_MAX);
    int err = config_format(content, &text);
    if (!err)
        digest_sha256(buf_slice(&text), ret_digest);
    buf_fini_secret(&text);
    return err;
}

bool edition_is_same(const struct config *a, const struct config *b)
{
    uint8_t one[SHA256_OCTETS], other[SHA256_OCTETS];
    return digest_of(a, one) == 0 && digest_of(b, other) == 0 && memcmp(one, other, sizeof one) == 0;
}

/* Only when the settings changed: what was published meanwhile is not undone by a restart. Authorities and bans are no settings. */
static int set_ring(struct enroll *e, struct config *content, struct region *region)
{
    uint8_t settings[SHA256_OCTETS];
    struct slice root = cert_der(e->active.cert);
    int err = digest_of(content, settings);
    if (err || (e->config && memcmp(settings, e->settings, sizeof settings) == 0))
        return err;
    content->root_certs = e->config ? e->config->root_certs : &root;
    content->root_cert_count = e->config ? e->config->root_cert_count : 1;
    if (e->config)
        err = edition_with_bans(e, e->config->bans, e->config->ban_count, region, content);
    if (err)
        return err;
    if (e->config && edition_is_same(content, e->config)) {
        memcpy(e->settings, settings, sizeof e->settings);
        return 0;
    }
    content->sequence = edition_next_sequence(e);
    return edition_publish(e, &(struct edition_order){.content = content, .settings = settings});
}

int enroll_set_ring(struct enroll *e, struct now now, const struct config *ring)
{
    if (!e->active.cert || e->writes)
        return ERR_WRONG_STATE;
    e->now = now;
    struct config content = *ring;
    content.instance_name = slice_str(e->options.overlay);
    content.configuration_signers = content.kind_signers = &e->signer_id;
    content.configuration_signer_count = content.kind_signer_count = 1;
    struct kind kind;
    struct region region;
    region_init(&region, LISTS_OCTETS_MAX);
    int err = kind_registered(slice_str(KIND), &kind);
    if (!err && !kind_find(&content.kinds, kind.id))
        err = kind_add(&content.kinds, &kind);
    if (!err)
        err = set_ring(e, &content, &region);
    region_fini(&region);
    if (err || !e->writes) {
        e->writes++;
        enroll_written(e, err);
    }
    return err;
}
