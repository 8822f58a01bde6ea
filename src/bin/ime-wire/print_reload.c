/* A RELOAD message as a tree: header, contents, security block. */
#include "print_reload.h"

#include "base/text.h"
#include "crypt/cert.h"

#include <stdlib.h>

/* ---- options ---- */

#define KINDS_MAX 32

static struct {
    struct {
        uint32_t kind;
        enum reload_model model;
    } kinds[KINDS_MAX];
    size_t kind_count;
} options;

const char print_reload_options_help[] =
    "  --kind=ID:MODEL  values of this Kind are single, array or dictionary (may be repeated)\n";

static bool parse_kind(const char *text)
{
    char *end;
    unsigned long kind = strtoul(text, &end, 0);
    if (end == text || *end != ':' || kind > UINT32_MAX || options.kind_count == KINDS_MAX)
        return false;
    for (enum reload_model model = RELOAD_MODEL_SINGLE; model <= RELOAD_MODEL_DICTIONARY; model++)
        if (text_equal_nocase(slice_str(end + 1), slice_str(reload_model_name(model)))) {
            options.kinds[options.kind_count].kind = (uint32_t)kind;
            options.kinds[options.kind_count++].model = model;
            return true;
        }
    return false;
}

bool print_reload_option(const char *argument)
{
    return strncmp(argument, "--kind=", 7) == 0 && parse_kind(argument + 7);
}

static enum reload_model model_of(void *ctx, uint32_t kind)
{
    (void)ctx;
    for (size_t i = 0; i < options.kind_count; i++)
        if (options.kinds[i].kind == kind)
            return options.kinds[i].model;
    struct reload_models known = reload_models_default();
    return known.model_of(known.ctx, kind);
}

/* ---- header ---- */

void print_destination(struct print *p, const char *name, const struct reload_destination *d)
{
    print_object(p, name);
    print_code(p, "type", d->type, reload_destination_name(d->type));
    switch (d->type) {
    case RELOAD_DESTINATION_NODE:
        print_octets(p, "node_id", id_slice(&d->node));
        break;
    case RELOAD_DESTINATION_RESOURCE:
        print_octets(p, "resource_id", d->octets);
        break;
    case RELOAD_DESTINATION_OPAQUE_ID:
        print_octets(p, "opaque_id", d->octets);
        print_bool(p, "16_bits", d->compact);
        break;
    default:
        print_octets(p, "destination_data", d->octets);
    }
    print_end(p);
}

static void print_destinations(struct print *p, const char *name, const struct reload_destination *list, size_t count)
{
    print_list(p, name);
    for (size_t i = 0; i < count; i++)
        print_destination(p, NULL, &list[i]);
    print_end(p);
}

void print_header(struct print *p, const struct reload_header *h)
{
    print_object(p, "ForwardingHeader");
    print_number_hex(p, "relo_token", RELOAD_TOKEN, 4);
    print_number_hex(p, "overlay", h->overlay, 4);
    print_number(p, "configuration_sequence", h->configuration_sequence);
    print_code(p, "version", RELOAD_VERSION, "1.0");
    print_number(p, "ttl", h->ttl);
    print_number_hex(p, "fragment", h->fragment, 4);
    print_bool(p, "last_fragment", (h->fragment & RELOAD_FRAGMENT_LAST) != 0);
    print_number(p, "fragment_offset", h->fragment & RELOAD_FRAGMENT_OFFSET);
    print_number(p, "length", h->length);
    print_number_hex(p, "transaction_id", h->transaction_id, 8);
    print_number(p, "max_response_length", h->max_response_length);
    print_destinations(p, "via_list", h->via, h->via_count);
    print_destinations(p, "destination_list", h->destinations, h->destination_count);
    print_list(p, "options");
    for (size_t i = 0; i < h->option_count; i++) {
        const struct reload_option *o = &h->options[i];
        print_object(p, NULL);
        print_number(p, "type", o->type);
        print_number_hex(p, "flags", o->flags, 1);
        print_bool(p, "FORWARD_CRITICAL", (o->flags & RELOAD_FORWARD_CRITICAL) != 0);
        print_bool(p, "DESTINATION_CRITICAL", (o->flags & RELOAD_DESTINATION_CRITICAL) != 0);
        print_bool(p, "RESPONSE_COPY", (o->flags & RELOAD_RESPONSE_COPY) != 0);
        print_octets(p, "option", o->value);
        print_end(p);
    }
    print_end(p);
    print_end(p);
}

/* ---- security block ---- */

void print_signature(struct print *p, const char *name, const struct reload_signature *s)
{
    print_object(p, name);
    print_object(p, "algorithm");
    print_code(p, "hash", s->hash_algorithm, reload_hash_name(s->hash_algorithm));
    print_code(p, "signature", s->signature_algorithm, reload_signature_name(s->signature_algorithm));
    print_end(p);
    print_object(p, "identity");
    print_code(p, "identity_type", s->identity.type, reload_identity_name(s->identity.type));
    switch (s->identity.type) {
    case RELOAD_IDENTITY_CERT_HASH:
    case RELOAD_IDENTITY_CERT_HASH_NODE_ID:
        print_code(p, "hash_alg", s->identity.hash_algorithm, reload_hash_name(s->identity.hash_algorithm));
        print_octets(p, s->identity.type == RELOAD_IDENTITY_CERT_HASH ? "certificate_hash" : "certificate_node_id_hash",
                     s->identity.hash);
        break;
    case RELOAD_IDENTITY_NONE:
        break;
    default:
        print_octets(p, "value", s->identity.other);
    }
    print_end(p);
    print_octets(p, "signature_value", s->value);
    print_end(p);
}

static void print_x509(struct print *p, struct slice der)
{
    struct cert *cert;
    if (cert_from_der(der, &cert) != 0)
        return;
    print_text(p, "user", slice_str(cert_user(cert)));
    print_word(p, "serial", cert_serial(cert));
    print_time_ms(p, "not_before", (uint64_t)cert_not_before(cert).ms);
    print_time_ms(p, "not_after", (uint64_t)cert_not_after(cert).ms);
    print_octets(p, "sha256", slice_of(cert_hash_sha256(cert), 32));
    print_list(p, "node_ids");
    struct id id;
    struct slice overlay;
    for (size_t i = 0; cert_node_name(cert, i, &id, &overlay); i++) {
        print_object(p, NULL);
        print_octets(p, "node_id", id_slice(&id));
        print_text(p, "overlay", overlay);
        print_end(p);
    }
    print_end(p);
    cert_free(cert);
}

void print_security(struct print *p, const struct reload_security *s)
{
    print_object(p, "SecurityBlock");
    print_list(p, "certificates");
    for (size_t i = 0; i < s->certificate_count; i++) {
        const struct reload_certificate *c = &s->certificates[i];
        print_object(p, NULL);
        print_code(p, "type", c->type, reload_certificate_type_name(c->type));
        if (c->type == RELOAD_CERTIFICATE_X509)
            print_x509(p, c->octets);
        print_octets(p, "certificate", c->octets);
        print_end(p);
    }
    print_end(p);
    print_signature(p, "signature", &s->signature);
    print_end(p);
}

/* ---- the message ---- */

static void print_message(struct print *p, const struct reload_message *m, const struct reload_body *body)
{
    const struct reload_contents *c = &m->contents;
    print_header(p, &m->header);
    print_object(p, "MessageContents");
    print_code(p, "message_code", c->code, reload_code_name(c->code));
    print_body(p, body);
    print_list(p, "extensions");
    for (size_t i = 0; i < c->extension_count; i++) {
        print_object(p, NULL);
        print_number(p, "type", c->extensions[i].type);
        print_bool(p, "critical", c->extensions[i].critical);
        print_octets(p, "extension_contents", c->extensions[i].contents);
        print_end(p);
    }
    print_end(p);
    print_end(p);
    print_security(p, &m->security);
}

/* A fragment has a header and octets of a message that are nothing by themselves. */
static int print_fragment(struct slice octets, const struct reload_header *h, struct print *p, struct buf *reencoded)
{
    print_header(p, h);
    print_octets(p, "fragment_octets", slice_of(octets.p + h->octets, octets.n - h->octets));
    return reencoded ? reload_message_forward(octets, h, h, reencoded) : 0;
}

/* From the structs alone, body and all. */
static int reencode(struct reload_message m, const struct reload_body *body, struct buf *out)
{
    struct buf octets;
    buf_init(&octets, RELOAD_MESSAGE_OCTETS_MAX);
    int err = reload_body_encode(body, &octets);
    m.contents.body = buf_slice(&octets);
    if (!err)
        err = reload_message_encode(&m, out);
    buf_fini(&octets);
    return err;
}

static int print_in_region(struct slice octets, struct region *region, struct print *p, struct buf *reencoded,
                           struct fault *ret_fault)
{
    struct reload_header header;
    int err = reload_header_decode(octets, region, &header, ret_fault);
    if (err)
        return err;
    if (!reload_header_is_whole(&header))
        return print_fragment(octets, &header, p, reencoded);
    struct reload_models models = {model_of, NULL};
    struct reload_message message;
    struct reload_body body;
    err = reload_message_decode(octets, region, &message, ret_fault);
    if (!err)
        err = reload_body_decode(&message, &models, region, &body, ret_fault);
    if (err)
        return err;
    print_message(p, &message, &body);
    return reencoded ? reencode(message, &body, reencoded) : 0;
}

int print_reload(struct slice octets, struct print *p, struct buf *reencoded, struct fault *ret_fault)
{
    struct region region;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    int err = print_in_region(octets, &region, p, reencoded, ret_fault);
    region_fini(&region);
    return err;
}
