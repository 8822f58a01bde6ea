/* What a certificate says about SIP: the domains that it speaks for (RFC 5922 7.1), and whether it may (RFC 5924). */
#include "crypt/cert.h"

#include "base/text.h"
#include "crypt/library.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define NAMES_MAX 64
#define DOMAIN_OCTETS_MAX 253
#define KP_SIP_DOMAIN "1.3.6.1.5.5.7.3.20" /* RFC 5924 4.1 */
#define OID_OCTETS_MAX 64

static struct slice text_of(const ASN1_STRING *text)
{
    return slice_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
}

/* The host of "sip:domain", with port and parameters taken away. Empty: another scheme, or with a user part: it names a person. */
static struct slice domain_of_uri(struct slice uri)
{
    static const char scheme[] = "sip:";
    const size_t n = sizeof scheme - 1;
    if (uri.n <= n || !text_equal_nocase(slice_of(uri.p, n), slice_str(scheme)) || memchr(uri.p, '@', uri.n))
        return (struct slice){0};
    size_t end = n;
    while (end < uri.n && !strchr(":;?", uri.p[end]))
        end++;
    return slice_of(uri.p + n, end - n);
}

static bool has(struct slice domains, struct slice domain)
{
    while (domain.n && domains.p)
        if (text_equal_nocase(text_cut(&domains, ' '), domain))
            return true;
    return false;
}

bool cert_domains_have(const char *domains, const char *domain)
{
    return has(slice_str(domains), slice_str(domain));
}

/* from: where ours begin in the buffer. Names that are no domains, as those with wildcards, speak for none (RFC 5922 7.2). */
static void add(struct buf *domains, size_t from, struct slice domain)
{
    char lower[DOMAIN_OCTETS_MAX + 1];
    if (domain.n > DOMAIN_OCTETS_MAX || !domain_is_valid(domain))
        return;
    if (domains->n > from && has(slice_of(domains->p + from, domains->n - from), domain))
        return;
    if (domains->n > from)
        buf_u8(domains, ' ');
    buf_str(domains, text_lower(domain, lower));
}

/* A domain name only takes effect where no URI of SIP does; one that names a person does not count as such. */
static void add_names(const GENERAL_NAMES *names, struct buf *domains)
{
    const size_t from = domains->n;
    const int n = sk_GENERAL_NAME_num(names) < NAMES_MAX ? sk_GENERAL_NAME_num(names) : NAMES_MAX;
    for (int i = 0; i < n; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_URI)
            add(domains, from, domain_of_uri(text_of(name->d.uniformResourceIdentifier)));
    }
    if (domains->n > from)
        return;
    for (int i = 0; i < n; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            add(domains, from, text_of(name->d.dNSName));
    }
}

/* The last one is the most specific. One label alone is rather the name of a person or a machine. */
static void add_common_name(const X509 *x509, struct buf *domains)
{
    const X509_NAME *subject = X509_get_subject_name(x509);
    int last = -1;
    for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;)
        last = at;
    if (last < 0)
        return;
    struct slice name = text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
    if (name.n && memchr(name.p, '.', name.n))
        add(domains, domains->n, name);
}

int cert_native_domains(const X509 *x509, struct buf *ret_domains)
{
    int critical = 0;
    ERR_set_mark();
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, &critical, NULL);
    ERR_pop_to_mark();
    if (names)
        add_names(names, ret_domains);
    else if (critical == -1) /* there is none, rather than one that cannot be read */
        add_common_name(x509, ret_domains);
    GENERAL_NAMES_free(names);
    return ret_domains->err;
}

static X509 *parse(struct slice der)
{
    const unsigned char *at = der.p;
    ERR_set_mark();
    X509 *x509 = d2i_X509(NULL, &at, (long)der.n);
    ERR_pop_to_mark();
    return x509;
}

int cert_domains(struct slice der, struct buf *ret_domains)
{
    if (der.n > CERT_DER_OCTETS_MAX)
        return ERR_LIMIT;
    X509 *x509 = parse(der);
    int err = x509 ? cert_native_domains(x509, ret_domains) : ERR_SYNTAX;
    X509_free(x509);
    return err;
}

static bool allows_sip(const EXTENDED_KEY_USAGE *usage, enum cert_sip_role role)
{
    for (int i = 0; i < sk_ASN1_OBJECT_num(usage); i++) {
        const ASN1_OBJECT *purpose = sk_ASN1_OBJECT_value(usage, i);
        char oid[OID_OCTETS_MAX];
        int nid = OBJ_obj2nid(purpose);
        if (nid == NID_server_auth || nid == NID_anyExtendedKeyUsage ||
            (nid == NID_client_auth && role == CERT_SIP_CLIENT))
            return true;
        if (OBJ_obj2txt(oid, sizeof oid, purpose, 1) > 0 && strcmp(oid, KP_SIP_DOMAIN) == 0)
            return true;
    }
    return false;
}

bool cert_native_is_for_sip(const X509 *x509, enum cert_sip_role role)
{
    int critical = 0;
    ERR_set_mark();
    EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(x509, NID_ext_key_usage, &critical, NULL);
    ERR_pop_to_mark();
    bool allowed = usage ? allows_sip(usage, role) : critical == -1;
    EXTENDED_KEY_USAGE_free(usage);
    return allowed;
}

bool cert_is_for_sip(struct slice der, enum cert_sip_role role)
{
    X509 *x509 = der.n <= CERT_DER_OCTETS_MAX ? parse(der) : NULL;
    bool allowed = x509 && cert_native_is_for_sip(x509, role);
    X509_free(x509);
    return allowed;
}
