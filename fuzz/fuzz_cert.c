/* Certificates and signing requests from strangers: whatever the octets, no crash, and what parses holds together. */
#include "crypt/cert.h"

#include "base/text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_cert(const struct cert *cert)
{
    struct id ids[CERT_NODE_IDS_MAX];
    size_t n = cert_node_ids(cert, slice_str("ring.example"), ids, CERT_NODE_IDS_MAX);
    if (n > CERT_NODE_IDS_MAX || strlen(cert_user(cert)) > CERT_USER_OCTETS_MAX || !*cert_serial(cert))
        abort();
    /* It must be possible to read it again. */
    struct cert *again;
    if (cert_from_der(cert_der(cert), &again))
        abort();
    cert_free(again);
    if (key_verify(cert_key(cert), slice_str("data"), slice_str("signature")) == 0)
        abort();
}

/* Domains come out one by one and valid, whatever the names are; what is no certificate is good for nothing. */
static void check_domains(struct slice octets)
{
    struct buf domains;
    buf_init(&domains, CERT_DER_OCTETS_MAX);
    int err = cert_domains(octets, &domains);
    if (err == 0) {
        struct slice rest = buf_slice(&domains);
        if (!rest.n)
            rest.p = NULL;
        while (rest.p)
            if (!domain_is_valid(text_cut(&rest, ' ')))
                abort();
    } else if (err == ERR_SYNTAX && cert_is_for_sip(octets, CERT_SIP_CLIENT)) {
        abort();
    }
    buf_fini(&domains);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice octets = slice_of(data, size);
    check_domains(octets);
    struct cert *cert;
    struct key *key;
    if (cert_from_der(octets, &cert) == 0 || cert_from_pem(octets, &cert) == 0) {
        check_cert(cert);
        cert_free(cert);
    }
    if (csr_parse(octets, &key) == 0 || key_from_pem(octets, &key) == 0)
        key_free(key);
    return 0;
}
