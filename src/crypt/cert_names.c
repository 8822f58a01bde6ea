/* Names in certificates: reload URIs with Node-IDs, the user name, and names of hosts. */
#include "crypt/cert_names.h"

#include "base/addr.h"
#include "base/mem.h"
#include "base/text.h"

#include <openssl/x509v3.h>

/* A destination list of one entry (RFC 6940 6.3.2.2): type node(1), length 16, Node-ID. The URI has no length before the list. */
#define DESTINATION_TYPE_NODE 1
#define DESTINATION_OCTETS (2 + ID_OCTETS)
#define SCHEME "reload://"

/* The host part of a URI may hold these octets unescaped (RFC 3986 3.2.2, reg-name). */
static bool is_overlay_name(struct slice s)
{
    if (s.n == 0 || s.n > OVERLAY_OCTETS_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alphanumeric && (c == 0 || !strchr("-._~!$&'()*+,;=", c)))
            return false;
    }
    return true;
}

void format_reload_uri(const struct id *node_id, struct slice overlay, struct buf *ret_uri)
{
    const uint8_t head[2] = {DESTINATION_TYPE_NODE, ID_OCTETS};
    buf_str(ret_uri, SCHEME);
    hex_append(ret_uri, slice_of(head, sizeof head));
    hex_append(ret_uri, id_slice(node_id));
    buf_str(ret_uri, "@");
    buf_slice_put(ret_uri, overlay);
    buf_str(ret_uri, "/");
}

static bool is_reload_uri(struct slice uri)
{
    struct slice scheme = slice_str(SCHEME);
    return uri.n > scheme.n && text_equal_nocase(slice_of(uri.p, scheme.n), scheme);
}

int parse_reload_uri(struct slice uri, struct node_name *ret_name)
{
    if (!is_reload_uri(uri))
        return ERR_UNSUPPORTED;
    const size_t hex_octets = (size_t)2 * DESTINATION_OCTETS;
    struct slice rest = slice_of(uri.p + strlen(SCHEME), uri.n - strlen(SCHEME));
    /* Digits, "@", at least one octet of overlay, "/". */
    if (rest.n < hex_octets + 3 || rest.p[hex_octets] != '@' || rest.p[rest.n - 1] != '/')
        return ERR_SYNTAX;
    uint8_t destination[DESTINATION_OCTETS];
    if (hex_parse(slice_of(rest.p, hex_octets), destination))
        return ERR_SYNTAX;
    if (destination[0] != DESTINATION_TYPE_NODE || destination[1] != ID_OCTETS)
        return ERR_UNSUPPORTED;
    struct slice overlay = slice_of(rest.p + hex_octets + 1, rest.n - hex_octets - 2);
    if (!is_overlay_name(overlay))
        return ERR_SYNTAX;
    memcpy(ret_name->id.octets, destination + 2, ID_OCTETS);
    memcpy(ret_name->overlay, overlay.p, overlay.n);
    ret_name->overlay_octets = (uint8_t)overlay.n;
    return 0;
}

static struct slice ia5_slice(const ASN1_IA5STRING *s)
{
    return slice_of(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

static int read_user(struct slice user, struct cert_names *names)
{
    if (names->user[0])
        return ERR_SYNTAX; /* 11.3: a single name */
    if (user.n > CERT_USER_OCTETS_MAX)
        return ERR_LIMIT;
    if (user.n == 0 || !text_is_printable(user)) /* 11.3: legal characters, no NUL inside */
        return ERR_SYNTAX;
    memcpy(names->user, user.p, user.n);
    return 0;
}

static int read_uri(struct slice uri, struct cert_names *names)
{
    if (!is_reload_uri(uri))
        return 0;
    if (names->node_count == CERT_NODE_IDS_MAX)
        return ERR_LIMIT;
    if (parse_reload_uri(uri, &names->nodes[names->node_count]) == 0)
        names->node_count++;
    return 0;
}

static int read_names(const GENERAL_NAMES *general, struct cert_names *names)
{
    names->nodes = mem_alloc(CERT_NODE_IDS_MAX * sizeof *names->nodes);
    int err = names->nodes ? 0 : ERR_NO_MEMORY;
    for (int i = 0; !err && i < sk_GENERAL_NAME_num(general); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(general, i);
        if (name->type == GEN_URI)
            err = read_uri(ia5_slice(name->d.uniformResourceIdentifier), names);
        else if (name->type == GEN_EMAIL)
            err = read_user(ia5_slice(name->d.rfc822Name), names);
    }
    return err;
}

int cert_names_read(const X509 *x509, struct cert_names *names)
{
    int critical = 0;
    GENERAL_NAMES *general = X509_get_ext_d2i(x509, NID_subject_alt_name, &critical, NULL);
    if (!general)
        return critical == -1 ? 0 : ERR_SYNTAX; /* -1: there is none */
    int err = read_names(general, names);
    GENERAL_NAMES_free(general);
    return err;
}

void cert_names_fini(struct cert_names *names)
{
    mem_free(names->nodes);
}

size_t cert_names_node_ids(const struct cert_names *names, struct slice overlay, struct id *ret_ids, size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < names->node_count && n < max; i++) {
        const struct node_name *name = &names->nodes[i];
        if (slice_eq(overlay, slice_of(name->overlay, name->overlay_octets)))
            ret_ids[n++] = name->id;
    }
    return n;
}

/* Adds a name of a type that is an octet or character string. */
static int add_name(GENERAL_NAMES *general, int type, int string_type, struct slice value)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *string = ASN1_STRING_type_new(string_type);
    if (!name || !string || ASN1_STRING_set(string, value.p, (int)value.n) != 1) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(string);
        return ERR_NO_MEMORY;
    }
    GENERAL_NAME_set0_value(name, type, string);
    if (sk_GENERAL_NAME_push(general, name) > 0)
        return 0;
    GENERAL_NAME_free(name);
    return ERR_NO_MEMORY;
}

static int add_host(GENERAL_NAMES *general, const char *name)
{
    struct addr address;
    if (addr_parse(slice_str(name), 1, &address) == 0)
        return add_name(general, GEN_IPADD, V_ASN1_OCTET_STRING, slice_of(address.ip, address.family == 4 ? 4 : 16));
    struct slice domain = slice_str(name);
    struct slice below = domain;
    if (strncmp(name, "sip:", 4) == 0)
        return domain_is_valid(slice_str(name + 4)) ? add_name(general, GEN_URI, V_ASN1_IA5STRING, domain) : ERR_SYNTAX;
    if (domain.n > 2 && memcmp(name, "*.", 2) == 0)
        below = slice_of(domain.p + 2, domain.n - 2);
    return domain_is_valid(below) ? add_name(general, GEN_DNS, V_ASN1_IA5STRING, domain) : ERR_SYNTAX;
}

static int add_all(const struct cert_request *request, GENERAL_NAMES *general)
{
    struct buf uri;
    buf_init(&uri, sizeof SCHEME + 2 * DESTINATION_OCTETS + OVERLAY_OCTETS_MAX + 2);
    int err = request->node_id_count && !is_overlay_name(request->overlay) ? ERR_SYNTAX : 0;
    for (size_t i = 0; !err && i < request->node_id_count; i++) {
        buf_clear(&uri);
        format_reload_uri(&request->node_ids[i], request->overlay, &uri);
        err = uri.err ? uri.err : add_name(general, GEN_URI, V_ASN1_IA5STRING, buf_slice(&uri));
    }
    buf_fini(&uri);
    if (!err && request->user)
        err = add_name(general, GEN_EMAIL, V_ASN1_IA5STRING, slice_str(request->user));
    for (size_t i = 0; !err && i < request->name_count; i++)
        err = add_host(general, request->names[i]);
    return err;
}

int cert_names_write(const struct cert_request *request, bool critical, X509 *x509)
{
    GENERAL_NAMES *general = sk_GENERAL_NAME_new_null();
    if (!general)
        return ERR_NO_MEMORY;
    int err = add_all(request, general);
    if (!err && sk_GENERAL_NAME_num(general) > 0 &&
        X509_add1_ext_i2d(x509, NID_subject_alt_name, general, critical, X509V3_ADD_DEFAULT) != 1)
        err = ERR_CRYPTO;
    GENERAL_NAMES_free(general);
    return err;
}
