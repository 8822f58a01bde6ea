/* SIP messages (RFC 3261 sections 7 and 25.1), parsed without loss: everything is a slice of the received octets, in their order, so that
 * what nobody changes goes out as it came (edit.h).
 *
 * Parsing has two steps. sip_parse finds the parts: start line, header fields, body; it refuses what no rule of the grammar can read.
 * sip_check reads the six fields that every message must have, and demands what 8.1.1, 8.2 and 16.3 demand of them; a request that fails it
 * can still be answered with the status that it gives. Other fields are read when somebody asks (header.h). */
#ifndef SIP_MESSAGE_H
#define SIP_MESSAGE_H

#include "base/err.h"
#include "base/region.h"
#include "base/slice.h"
#include "sip/header.h"
#include "sip/uri.h"

/* Limits; each has its own rule in the fault. */
#define SIP_MESSAGE_OCTETS_MAX 65535
#define SIP_HEADERS_MAX 256         /* header fields of a message */
#define SIP_HEADER_OCTETS_MAX 16384 /* one header field, folding included */
#define SIP_VIAS_MAX 70             /* as many as Max-Forwards allows hops */

enum sip_method {
    SIP_METHOD_OTHER, /* a token that is none of these: passed on as it is */
    SIP_ACK,
    SIP_BYE,
    SIP_CANCEL,
    SIP_INFO,
    SIP_INVITE,
    SIP_MESSAGE,
    SIP_NOTIFY,
    SIP_OPTIONS,
    SIP_PRACK,
    SIP_PUBLISH,
    SIP_REFER,
    SIP_REGISTER,
    SIP_SUBSCRIBE,
    SIP_UPDATE
};
const char *sip_method_name(enum sip_method method); /* "-" for SIP_METHOD_OTHER */
enum sip_method sip_method_find(struct slice text);  /* case-sensitive, 7.1 */

/* One header field as it stands in the message. Fields with several values in one line are one sip_field; header.h walks the values. */
struct sip_field {
    enum sip_header header;
    uint16_t next;      /* index plus 1 of the next field of the same known header; 0: none */
    struct slice name;  /* as written, compact form included */
    struct slice value; /* without the white space around it; folding inside is still there */
    struct slice line;  /* from the name's first octet to the last line end, included */
};

struct sip_message {
    struct slice octets;     /* from the start line to the end of the body */
    struct slice start_line; /* without its line end */
    bool is_request;

    enum sip_method method; /* of a request; in responses that of CSeq once sip_check was called */
    struct slice method_text;
    struct slice uri;     /* Request-URI, as written */
    struct slice version; /* "SIP/2.0", unless sip_check is still to refuse it */

    unsigned status; /* of a response: 100 to 699 */
    struct slice reason;

    const struct sip_field *fields;
    size_t field_count;
    uint16_t first[SIP_HEADER_COUNT]; /* index plus 1 of the first field of each known header; 0: none */
    struct slice body; /* of Content-Length octets if that is given; in a datagram without it, all that is left */

    /* A mistake in the start line or the Content-Length, which sip_check reports: the rest is readable, so that it can be answered. */
    int flaw_err; /* 0: none */
    struct fault flaw;

    /* Filled by sip_check. */
    struct sip_via via;      /* the topmost */
    struct sip_address from; /* tag: empty if there is none */
    struct sip_address to;
    struct slice call_id;
    struct sip_cseq cseq;
    unsigned max_forwards; /* 70 if absent */
};

/* Where one message of a stream ends is the framer's business (framer.h); both hand in exactly one message. A datagram may be longer than
 * its Content-Length says: the rest is dropped (18.3). */
enum sip_carrier { SIP_DATAGRAM, SIP_STREAM };

/* The message borrows the octets and lives in the region. Whoever parses a message also checks it. Line ends before the start line are skipped
 * (7.5): octets of faults count from the start line. 0; ERR_SYNTAX, ERR_TRUNCATED, ERR_RANGE (the status of a response), ERR_LIMIT: no
 * answer can be given; ERR_NO_MEMORY. ret_fault may be NULL. */
int sip_parse(struct region *region, struct slice octets, enum sip_carrier carrier, struct sip_message *ret_message,
              struct fault *ret_fault);

/* Reads what every message must have. 0, or ERR_SYNTAX, ERR_RANGE, ERR_TRUNCATED, ERR_UNSUPPORTED with the fault and, for a request, the status to
 * answer it with: 400, 416 (scheme of the Request-URI), 483 (ERR_LIMIT: more Via than allowed), 505 (version). For a response: it is to be dropped. Max-Forwards of 0 is good (who forwards it answers 483), and
 * so are extensions that it requires: sip_unsupported says which. ret_status and ret_fault may be NULL. */
int sip_check(struct sip_message *message, unsigned *ret_status, struct fault *ret_fault);

/* Reads one field to its end, whatever its header: all values, and the URIs in them. 0, or the error with the fault. Fields of other headers, and
 * those whose values others read (credentials) or nobody (User-Agent), are good. */
int sip_check_field(const struct sip_message *message, const struct sip_field *field, struct fault *ret_fault);

/* Appends the option tags of a header (Require, Proxy-Require) that are not among those given, separated by commas: the value of Unsupported in
 * a 420. Returns how many. */
size_t sip_unsupported(const struct sip_message *message, enum sip_header header, const char *const *supported,
                       size_t supported_count, struct buf *out);

/* The first field of that kind, or NULL; the next after one. */
const struct sip_field *sip_field_first(const struct sip_message *message, enum sip_header header);
const struct sip_field *sip_field_next(const struct sip_message *message, const struct sip_field *after);

/* The same for a header that sip_header does not know, by its full name, case-insensitive. */
const struct sip_field *sip_field_named(const struct sip_message *message, const char *name);

/* True if the comma-separated tokens of any of these fields (Supported, Require, Allow …) have that one, case-insensitive. */
bool sip_lists(const struct sip_message *message, enum sip_header header, const char *token);

/* A cursor over the value of one of its fields. */
struct sip_cursor sip_field_cursor(const struct sip_message *message, const struct sip_field *field);

/* The standard's reason phrase, or "Unknown" (section 21 and the IANA registry). */
const char *sip_status_reason(unsigned status);

#endif
