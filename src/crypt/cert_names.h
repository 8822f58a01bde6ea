/* Private: the subjectAltName of a certificate (RFC 6940 11.3), read and written. */
#ifndef CRYPT_CERT_NAMES_H
#define CRYPT_CERT_NAMES_H

#include "crypt/cert.h"

#include <openssl/x509.h>

#define OVERLAY_OCTETS_MAX 255

struct node_name {
    struct id id;
    uint8_t overlay_octets;
    char overlay[OVERLAY_OCTETS_MAX];
};

/* What the ring needs of them. URIs of other schemes, reload URIs that name anything but a single 16-octet Node-ID, and all other kinds
 * of names do not count. */
struct cert_names {
    size_t node_count;
    struct node_name *nodes;
    char user[CERT_USER_OCTETS_MAX + 1];
};

/* Fills zeroed names; on failure, too, the caller frees what is there. ERR_SYNTAX: an extension that cannot be read, or occurs twice;
 * more than one rfc822Name; a character in it that is not printable ASCII. ERR_LIMIT: too many reload URIs, or too long a user name. */
int cert_names_read(const X509 *x509, struct cert_names *names);
void cert_names_fini(struct cert_names *names);
size_t cert_names_node_ids(const struct cert_names *names, struct slice overlay, struct id *ret_ids, size_t max);

/* "reload://<hex of the destination list>@<overlay>/" (RFC 6940 14.15), and back. */
void format_reload_uri(const struct id *node_id, struct slice overlay, struct buf *ret_uri);
int parse_reload_uri(struct slice uri, struct node_name *ret_name);

/* Adds the subjectAltName for this request, critical when the subject is empty (RFC 5280 4.2.1.6). */
int cert_names_write(const struct cert_request *request, bool critical, X509 *x509);

#endif
