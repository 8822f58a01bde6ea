/* The domains that a certificate speaks for, as SIP reads them (RFC 5922 7.1). */
#include "crypt/cert.h"

#include "base/text.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define DOMAINS_MAX 64
#define DOMAIN_OCTETS_MAX 253

/* A dNSName as it is; of a URI only the form "sip:domain", without a user part: others name a person. */
static struct slice domain_of(const GENERAL_NAME *name)
{
    static const char scheme[] = "sip:";
    if (name->type != GEN_DNS && name->type != GEN_URI)
        return (struct slice){0};
    const ASN1_IA5STRING *text = name->type == GEN_DNS ? name->d.dNSName : name->d.uniformResourceIdentifier;
    struct slice s = slice_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
    if (name->type == GEN_DNS)
        return s;
    size_t n = sizeof scheme - 1;
    if (s.n <= n || !text_equal_nocase(slice_of(s.p, n), slice_str(scheme)))
        return (struct slice){0};
    return slice_of(s.p + n, s.n - n);
}

int cert_domains(struct slice der, struct buf *ret_domains)
{
    const unsigned char *at = der.p;
    size_t before = ret_domains->n;
    if (der.n > CERT_DER_OCTETS_MAX)
        return ERR_LIMIT;
    ERR_set_mark();
    X509 *x509 = d2i_X509(NULL, &at, (long)der.n);
    GENERAL_NAMES *names = x509 ? X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL) : NULL;
    ERR_pop_to_mark();
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && i < DOMAINS_MAX; i++) {
        char lower[DOMAIN_OCTETS_MAX + 1];
        struct slice domain = domain_of(sk_GENERAL_NAME_value(names, i));
        if (domain.n > DOMAIN_OCTETS_MAX || !domain_is_valid(domain))
            continue; /* wildcards speak for no domain of SIP (RFC 5922 7.2) */
        if (ret_domains->n > before)
            buf_u8(ret_domains, ' ');
        buf_str(ret_domains, text_lower(domain, lower));
    }
    GENERAL_NAMES_free(names);
    X509_free(x509);
    return x509 ? ret_domains->err : ERR_SYNTAX;
}
