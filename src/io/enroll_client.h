/* The client's side of enrollment (RFC 6940 sections 11.2, 11.3): fetches the overlay's configuration document, asks for a certificate.
 * What comes back is not judged here. */
#ifndef IO_ENROLL_CLIENT_H
#define IO_ENROLL_CLIENT_H

#include "io/http.h"

#define ENROLL_DOCUMENT_OCTETS_MAX (256u << 10)
#define ENROLL_CERTIFICATE_OCTETS_MAX (16u << 10)

/* GET <url>/.well-known/reload-config; a slash at the end of the URL does not count. known_version: the sequence in quotes of what we have,
 * answered with 304 if there is nothing else; NULL: whatever there is. As http_call. */
int enroll_fetch_config(struct loop *loop, struct tls_context *tls, const char *url, const char *known_version,
                        int64_t timeout_ms, http_answer_fn *fn, void *arg, struct http_call **ret_call);

struct enroll_form {
    const char *username; /* the server ID */
    const char *password; /* the token: a secret; NULL for a renewal, which the TLS client certificate authenticates */
    unsigned node_ids;    /* how many are asked for */
    unsigned node;        /* > 0: for this further Node-ID of the holder of the client certificate */
    struct slice csr;     /* DER */
    struct slice certificate; /* DER, one that has expired, in place of the client certificate; empty: none */
};

/* POST to the URL of the configuration's enrollment-server element, as multipart/form-data. The answer is 200 with a certificate (DER), or
 * 403 with a reason as text. As http_call; ERR_RANGE when a text holds what a form field must not. */
int enroll_request(struct loop *loop, struct tls_context *tls, const char *url, const struct enroll_form *form,
                   int64_t timeout_ms, http_answer_fn *fn, void *arg, struct http_call **ret_call);

#endif
