/* The ValInfo document (draft-jennings-vipr-vap-02 section 10.2): what a validation brings: the number, the ticket, the routes. And the form
 * of a route's SIP URI. Documents are read with libxml2: capped in size, without network, entities or document types. */
#ifndef TICKET_VALINFO_H
#define TICKET_VALINFO_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/e164.h"
#include "base/region.h"

#define VALINFO_OCTETS_MAX 32767 /* ServiceContent must be under 32 KiB (section 10.3.12) */
#define VALINFO_ROUTES_MAX 16
#define VALINFO_URI_OCTETS_MAX 512

/* Texts are slices of a region or of the caller's memory. */
struct valinfo {
    struct e164 number;
    struct slice ticket; /* base64, not checked here */
    struct slice routes[VALINFO_ROUTES_MAX];
    size_t route_count;
};

/* Reads one document into the region. Exactly one number and ticket, at least one SIPURI; white space around texts is dropped; what the
 * schema allows besides is skipped. ERR_SYNTAX, ERR_LIMIT (too large, too many routes), ERR_RANGE (no E.164 number) or ERR_NO_MEMORY. */
int valinfo_parse(struct slice xml, struct region *region, struct valinfo *ret_valinfo, struct fault *ret_fault);

/* Appends the document; texts are escaped. ERR_RANGE if there is no route or a text is no printable ASCII, or the buffer's error. */
int valinfo_format(const struct valinfo *v, struct buf *ret_xml);

/* sip:<agent-id>@<domain>:<port>;maddr=<ip>;transport=tcp */
struct route_uri {
    struct slice agent_id;
    struct slice domain;
    uint16_t port;
    struct addr address; /* maddr, with the port */
};

/* Slices of the text. Parameters may come in any order; maddr (an IP address) is needed, transport is tcp or absent, others are refused.
 * ERR_SYNTAX or ERR_RANGE with the octet. */
int route_uri_parse(struct slice text, struct route_uri *ret_uri, struct fault *ret_fault);

/* Appends the text. */
int route_uri_format(const struct route_uri *uri, struct buf *ret_text);

#endif
