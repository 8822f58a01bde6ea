/* Changes to a parsed message, written out in one go: what is not named goes out octet for octet as it came, unknown header fields, their
 * order, folding and compact forms included. New messages are written with sip_begin_request and sip_begin_response.
 *
 * An edit belongs to one message. It copies what it is handed into its region; the message itself is borrowed. A later change supersedes
 * earlier ones within the same octets; what was removed stays removed. Errors stick and come out of sip_edit_write: ERR_RANGE for a value with a
 * line end that is no folding, so that nothing a peer says becomes another header field. */
#ifndef SIP_EDIT_H
#define SIP_EDIT_H

#include "sip/message.h"

struct sip_edit;

/* Borrows the message (which may be a request or a response), lives in the region. NULL: no memory. */
struct sip_edit *sip_edit_new(struct region *region, const struct sip_message *message);

void sip_edit_uri(struct sip_edit *e, struct slice uri);                       /* the Request-URI */
void sip_edit_status(struct sip_edit *e, unsigned status, const char *reason); /* reason NULL: the standard's */
void sip_edit_remove(struct sip_edit *e, const struct sip_field *field);       /* one field */
void sip_edit_remove_all(struct sip_edit *e, enum sip_header header);
void sip_edit_value(struct sip_edit *e, const struct sip_field *field,
                    struct slice value); /* keeps the name and its place */

/* Replaces a slice of the message's head (one of several values of a line, a parameter, a URI) by other octets. Slices of two calls that overlap
 * without one being within the other: ERR_CONFLICT. */
void sip_edit_replace(struct sip_edit *e, struct slice old, struct slice octets);

/* In place of all fields of that header (at the first one's place; before Content-Length or at the end if there was none). */
void sip_edit_set(struct sip_edit *e, enum sip_header header, struct slice value);
void sip_edit_set_named(struct sip_edit *e, const char *name, struct slice value);

/* Before the first field of that header (Via, Route, Record-Route), or as the first field of all. */
void sip_edit_prepend(struct sip_edit *e, enum sip_header header, struct slice value);

/* At the end of the header. */
void sip_edit_append(struct sip_edit *e, enum sip_header header, struct slice value);
void sip_edit_append_named(struct sip_edit *e, const char *name, struct slice value);

/* Content-Length follows by itself; an empty body takes Content-Type away, too. type empty: Content-Type stays. */
void sip_edit_body(struct sip_edit *e, struct slice body, struct slice type);

/* Appends the message. 0, ERR_LIMIT, ERR_NO_MEMORY, ERR_RANGE, ERR_CONFLICT, ERR_WRONG_STATE (a URI of a response, a status of a request). */
int sip_edit_write(const struct sip_edit *e, struct buf *out);

/* ---- new messages: write the start line, then fields, then the body ----
 * A value with a line end that is no folding leaves ERR_RANGE in the buffer. */

void sip_begin_request(struct buf *out, const char *method, struct slice uri);
void sip_begin_response(struct buf *out, unsigned status, const char *reason);
void sip_put(struct buf *out, enum sip_header header, struct slice value);
void sip_put_text(struct buf *out, enum sip_header header, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void sip_put_named(struct buf *out, const char *name, struct slice value);

/* Content-Length, the empty line, and the body. */
void sip_end(struct buf *out, struct slice body);

/* The response to a request as 8.2.6 builds it: all Via, From, To (with this tag, unless it has one or the status is 100), Call-ID, CSeq, and for
 * dialog-creating responses Record-Route; then the caller adds fields and calls sip_end. reason NULL: the standard's. */
void sip_begin_answer(struct buf *out, const struct sip_message *request, unsigned status, const char *reason,
                      struct slice to_tag);

#endif
