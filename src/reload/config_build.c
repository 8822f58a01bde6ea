/* Writing and signing configuration documents. */
#include "base/text.h"
#include "reload/config_signature.h"

#define BASE64_LINE 76

/* ---- XML ---- */

/* Text or an attribute's value. Control characters cannot stand in XML. */
static void put_escaped(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c == '&')
            buf_str(out, "&amp;");
        else if (c == '<')
            buf_str(out, "&lt;");
        else if (c == '>')
            buf_str(out, "&gt;");
        else if (c == '"')
            buf_str(out, "&quot;");
        else if (c < 0x20 && c != '\n')
            out->err = ERR_RANGE;
        else
            buf_u8(out, c);
    }
}

static void put_text(struct buf *out, const char *name, struct slice text)
{
    buf_printf(out, "    <%s>", name);
    put_escaped(out, text);
    buf_printf(out, "</%s>\n", name);
}

static void put_texts(struct buf *out, const char *name, const struct slice *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_text(out, name, texts[i]);
}

static void put_bool(struct buf *out, const char *name, bool value)
{
    put_text(out, name, slice_str(value ? "true" : "false"));
}

static void put_number(struct buf *out, const char *name, uint32_t value)
{
    buf_printf(out, "    <%s>%u</%s>\n", name, value, name);
}

static void put_ids(struct buf *out, const char *name, const struct id *ids, size_t count)
{
    char hex[ID_HEX_OCTETS];
    for (size_t i = 0; i < count; i++)
        put_text(out, name, slice_str(id_format(ids[i], hex)));
}

/* In lines, as people expect it. */
static void put_base64(struct buf *out, const char *indent, const char *name, struct slice octets)
{
    struct buf text;
    buf_init(&text, 2 * octets.n + 16);
    base64_append(&text, octets);
    if (text.err && !out->err)
        out->err = text.err;
    buf_printf(out, "%s<%s>\n", indent, name);
    for (size_t at = 0; at < text.n; at += BASE64_LINE) {
        buf_put(out, text.p + at, text.n - at < BASE64_LINE ? text.n - at : BASE64_LINE);
        buf_u8(out, '\n');
    }
    buf_printf(out, "%s</%s>\n", indent, name);
    buf_fini(&text);
}

/* ---- parts of the configuration ---- */

static void put_bootstrap_nodes(const struct config *c, struct buf *out)
{
    char text[ADDR_TEXT_OCTETS];
    for (size_t i = 0; i < c->bootstrap_node_count; i++)
        buf_printf(out, "    <bootstrap-node address=\"%s\" port=\"%u\"/>\n",
                   addr_format_ip(&c->bootstrap_nodes[i], text), c->bootstrap_nodes[i].port);
}

static void put_base(const struct config *c, struct buf *out)
{
    put_text(out, "topology-plugin", c->topology_plugin);
    put_number(out, "node-id-length", c->node_id_length);
    for (size_t i = 0; i < c->root_cert_count; i++)
        put_base64(out, "    ", "root-cert", c->root_certs[i]);
    put_texts(out, "enrollment-server", c->enrollment_servers, c->enrollment_server_count);
    if (c->self_signed_permitted) {
        buf_str(out, "    <self-signed-permitted digest=\"");
        put_escaped(out, c->self_signed_digest);
        buf_str(out, "\">true</self-signed-permitted>\n");
    }
    put_bootstrap_nodes(c, out);
    put_number(out, "turn-density", c->turn_density);
    put_bool(out, "clients-permitted", c->clients_permitted);
    put_bool(out, "no-ice", c->no_ice);
    put_number(out, "chord:chord-update-interval", c->chord_update_interval_s);
    put_number(out, "chord:chord-ping-interval", c->chord_ping_interval_s);
    put_bool(out, "chord:chord-reactive", c->chord_reactive);
    if (c->shared_secret.n)
        put_text(out, "shared-secret", c->shared_secret);
    put_number(out, "max-message-size", c->max_message_size);
    put_number(out, "initial-ttl", c->initial_ttl);
    put_number(out, "overlay-reliability-timer", c->overlay_reliability_timer_ms);
    put_texts(out, "overlay-link-protocol", c->link_protocols, c->link_protocol_count);
    put_ids(out, "configuration-signer", c->configuration_signers, c->configuration_signer_count);
    put_ids(out, "kind-signer", c->kind_signers, c->kind_signer_count);
    put_ids(out, "bad-node", c->bad_nodes, c->bad_node_count);
    put_texts(out, "mandatory-extension", c->mandatory_extensions, c->mandatory_extension_count);
}

/* An attribute; none for no time. */
static void put_date(struct buf *out, const char *name, struct wall time)
{
    char text[WALL_TEXT_OCTETS];
    if (time.ms)
        buf_printf(out, " %s=\"%s\"", name, wall_format(time, text));
}

static void put_ban(struct buf *out, const struct config_ban *ban)
{
    char hex[ID_HEX_OCTETS];
    buf_printf(out, "    <ime:ban node=\"%s\"", id_format(ban->node, hex));
    if (ban->server_id.n) {
        buf_str(out, " server-id=\"");
        put_escaped(out, ban->server_id);
        buf_u8(out, '"');
    }
    put_date(out, "at", ban->at);
    buf_u8(out, '>');
    put_escaped(out, ban->reason);
    buf_str(out, "</ime:ban>\n");
}

static void put_ime(const struct config *c, struct buf *out)
{
    if (c->number_hash == CONFIG_HASH_ARGON2ID)
        buf_printf(out,
                   "    <ime:number-hash passes=\"%u\" memory-kib=\"%u\" lanes=\"%u\">argon2id</ime:number-hash>\n",
                   c->number_hash_cost.passes, c->number_hash_cost.memory_kib, c->number_hash_cost.lanes);
    else
        put_text(out, "ime:number-hash", slice_str("sha1"));
    put_number(out, "ime:lattice-ms", c->lattice_ms);
    put_number(out, "ime:quota", c->quota);
    put_number(out, "ime:number-lifetime", c->number_lifetime_s);
    if (c->message_of_the_day.n)
        put_text(out, "ime:message-of-the-day", c->message_of_the_day);
    if (c->required_version.n) {
        buf_str(out, "    <ime:required-version");
        put_date(out, "by", c->required_version_by);
        buf_u8(out, '>');
        put_escaped(out, c->required_version);
        buf_str(out, "</ime:required-version>\n");
    }
    for (size_t i = 0; i < c->ban_count; i++)
        put_ban(out, &c->bans[i]);
}

/* From `<kind` to `</kind>`: exactly what its signature covers. Registered Kinds stand with their name. */
static void put_kind(const struct kind *kind, struct buf *out)
{
    const char *name = kind_name(kind->id);
    if (name && kind->id != RELOAD_KIND_VIPR_REGISTRATION) /* ours is known by this name to nobody else */
        buf_printf(out, "<kind name=\"%s\">\n", name);
    else
        buf_printf(out, "<kind id=\"%u\">\n", kind->id);
    buf_printf(out, "          <data-model>%s</data-model>\n", reload_model_name(kind->model));
    buf_printf(out, "          <access-control>%s</access-control>\n", kind_access_name(kind->access));
    buf_printf(out, "          <max-count>%u</max-count>\n", kind->max_count);
    buf_printf(out, "          <max-size>%u</max-size>\n", kind->max_size);
    if (kind->access == KIND_NODE_MULTIPLE)
        buf_printf(out, "          <max-node-multiple>%u</max-node-multiple>\n", kind->max_node_multiple);
    buf_str(out, "        </kind>");
}

struct author {
    const struct config *config;
    const struct key *key; /* NULL: nothing is signed */
    const struct cert *const *certificates;
    size_t count; /* at least 1 */
};

/* Appends the element with a signature over these octets of the document, which may move meanwhile. */
static int put_signature(const struct author *a, size_t which, const struct id *nodes, size_t node_count, size_t begin,
                         size_t end, const char *indent, const char *name, struct buf *out)
{
    struct config_signers signers = {
        .overlay = a->config->instance_name, .nodes = nodes, .node_count = node_count, .bans = a->config};
    struct buf block;
    if (out->err || !a->key)
        return out->err;
    buf_init(&block, CONFIG_SIGNATURE_OCTETS_MAX);
    int err =
        config_signature_make(&signers, slice_of(out->p + begin, end - begin), a->key, a->certificates[which], &block);
    if (!err)
        put_base64(out, indent, name, buf_slice(&block));
    buf_fini(&block);
    return err ? err : out->err;
}

static int put_kinds(const struct author *a, struct buf *out)
{
    const struct config *c = a->config;
    int err = 0;
    if (!c->kinds.n)
        return 0;
    buf_str(out, "    <required-kinds>\n");
    for (size_t i = 0; i < c->kinds.n && !err; i++) {
        buf_str(out, "      <kind-block>\n        ");
        size_t begin = out->n;
        put_kind(&c->kinds.kinds[i], out);
        size_t end = out->n;
        buf_u8(out, '\n');
        err = put_signature(a, 0, c->kind_signers, c->kind_signer_count, begin, end, "        ", "kind-signature", out);
        buf_str(out, "      </kind-block>\n");
    }
    buf_str(out, "    </required-kinds>\n");
    return err;
}

static int put_document(const struct author *a, struct buf *out)
{
    const struct config *c = a->config;
    buf_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<overlay xmlns=\"" CONFIG_NS_BASE
                 "\"\n    xmlns:chord=\"" CONFIG_NS_CHORD "\"\n    xmlns:ime=\"" CONFIG_NS_IME "\">\n  ");
    size_t begin = out->n;
    buf_str(out, "<configuration instance-name=\"");
    put_escaped(out, c->instance_name);
    buf_u8(out, '"');
    if (a->key)
        buf_printf(out, " sequence=\"%u\"", c->sequence);
    if (c->expires)
        put_date(out, "expiration", c->expiration);
    buf_str(out, ">\n");
    put_base(c, out);
    put_ime(c, out);
    int err = put_kinds(a, out);
    if (err)
        return err;
    buf_str(out, "  </configuration>");
    size_t end = out->n;
    buf_u8(out, '\n');
    for (size_t i = 0; i < a->count && !err; i++)
        err = put_signature(a, i, c->configuration_signers, c->configuration_signer_count, begin, end, "  ",
                            "signature", out);
    buf_str(out, "</overlay>\n");
    return err ? err : out->err;
}

static int build(const struct author *author, struct buf *ret_document)
{
    struct config_fault fault;
    struct config *parsed;
    struct buf document;
    buf_init(&document, CONFIG_DOCUMENT_OCTETS_MAX);
    int err = put_document(author, &document);
    if (!err) { /* nobody must be sent what nobody accepts */
        err = config_parse(buf_slice(&document), author->config->instance_name, &parsed, &fault);
        if (!err)
            config_free(parsed);
        else if (err != ERR_NO_MEMORY)
            err = ERR_RANGE;
    }
    if (!err) {
        buf_slice_put(ret_document, buf_slice(&document));
        err = ret_document->err;
    }
    buf_fini(&document);
    return err;
}

int config_build(const struct config *config, const struct key *key, const struct cert *certificate,
                 struct buf *ret_document)
{
    return config_build_for(config, key, &certificate, 1, ret_document);
}

int config_build_for(const struct config *config, const struct key *key, const struct cert *const *certificates,
                     size_t count, struct buf *ret_document)
{
    return build(&(struct author){config, key, certificates, count}, ret_document);
}

int config_format(const struct config *config, struct buf *ret_document)
{
    return build(&(struct author){.config = config}, ret_document);
}
