/* Bodies of several parts (RFC 2046 5.1, RFC 5621), walked without loss: the one that is looked for is found wherever it stands, and replaced with
 * all octets around it as they came. A body of a single type is the simple case of the same. */
#ifndef SIP_MULTIPART_H
#define SIP_MULTIPART_H

#include "sip/message.h"

#define SIP_PARTS_MAX 64           /* of one multipart body */
#define SIP_PART_DEPTH_MAX 4       /* multipart bodies within each other */
#define SIP_BOUNDARY_OCTETS_MAX 70 /* RFC 2046 5.1.1 */

/* One part: slices of the body. Where a value is not given it is empty. */
struct sip_part {
    struct slice head;        /* its header fields with their line ends, without the empty line */
    struct slice body;        /* no address: there is none, not even an empty one, for no empty line is before it */
    struct slice type;        /* Content-Type; none: text/plain (RFC 2046 5.1) */
    struct slice disposition; /* Content-Disposition */
    struct slice length;      /* Content-Length, which some write though nobody needs it */
    bool encoded; /* its octets are not the content: another Content-Encoding or Content-Transfer-Encoding */
};

struct sip_multipart {
    struct slice boundary; /* without its dashes and quotes */
    const struct sip_part *parts;
    size_t part_count;
};

/* type: the value of Content-Type. The parts live in the region. 0; ERR_NOT_FOUND: not multipart; ERR_SYNTAX, ERR_LIMIT, ERR_TRUNCATED (no closing
 * delimiter), ERR_NO_MEMORY. Octets of the fault, which may be NULL, count from the body, or from the type if the boundary is wrong. */
int sip_multipart_parse(struct region *region, struct slice type, struct slice body,
                        struct sip_multipart *ret_multipart, struct fault *ret_fault);

/* A body that was found, and where. */
struct sip_body {
    struct slice octets;                      /* of the message's body */
    struct slice lengths[SIP_PART_DEPTH_MAX]; /* Content-Length of the parts it is in, from the outside; may be empty */
    struct slice boundaries[SIP_PART_DEPTH_MAX]; /* of the multipart bodies it is in */
    size_t depth;                                /* 0: it is the whole body */
};

/* The first body of that type ("application", "sdp") in the order of the message, parts of parts included. 0; ERR_NOT_FOUND; ERR_UNSUPPORTED: it is
 * there, but encoded; the errors of sip_multipart_parse, with octets of the message. */
int sip_body_find(struct region *region, const struct sip_message *message, const char *type, const char *subtype,
                  struct sip_body *ret_body, struct fault *ret_fault);

/* Appends the message's body with other octets in place of that one, for sip_edit_body (whose type stays). 0; ERR_CONFLICT: a delimiter stands in the
 * octets; the buffer's error. */
int sip_body_replace(const struct sip_message *message, const struct sip_body *body, struct slice octets,
                     struct buf *out);

#endif
