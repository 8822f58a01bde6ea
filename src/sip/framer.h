/* Cuts the octets of a connection into SIP messages (RFC 3261 18.3): each ends where its Content-Length says, which on streams must be there.
 * Between messages there may be line ends (7.5); two in a row are a keep-alive that wants one back (RFC 5626 3.5.1).
 *
 * A message that arrives whole is not copied. Nothing of the message is judged but what its end depends on: that is sip_parse's business. */
#ifndef SIP_FRAMER_H
#define SIP_FRAMER_H

#include "base/buf.h"

struct sip_framer {
    struct buf partial; /* a message that is not whole yet */
    bool give;          /* partial was given out by the last call */
    unsigned breaks;    /* how many octets of CR LF CR LF have come between messages */
    /* What is known of the message that has begun; offsets count from its first octet. */
    size_t line;         /* where the line begins that is read now */
    size_t at;           /* up to here there is no further line end */
    size_t length_at;    /* the value of Content-Length; 0: none yet */
    size_t length_end;   /* behind its line, continuations included */
    bool in_length;      /* the line before was part of it */
    size_t head_octets;  /* up to the empty line, included; 0: it has not come yet */
    size_t total_octets; /* with the body */
};

/* Messages may have so many octets. Nothing is allocated before one comes in parts. */
void sip_framer_init(struct sip_framer *f, size_t message_octets_max);
void sip_framer_fini(struct sip_framer *f);

enum sip_framed {
    SIP_FRAMED_NOTHING, /* the input is used up */
    SIP_FRAMED_MESSAGE,
    SIP_FRAMED_PING /* the other side's keep-alive: answer with CR LF */
};

/* Takes the next message out of the input, which is advanced. Call again until SIP_FRAMED_NOTHING: then the input was kept as far as it is
 * needed. The message is valid until the next call and as long as the input.
 *
 * ERR_SYNTAX (no message begins like this; no Content-Length, two of them, or one that is no number), ERR_LIMIT (too long), ERR_NO_MEMORY: the
 * stream has no further message that could be found. ret_message is then the head of the message if that was complete, so that a request can be
 * answered before the connection is closed; else empty. */
int sip_framer_next(struct sip_framer *f, struct slice *input, struct slice *ret_message);

/* True if a message has begun that is not whole. */
bool sip_framer_begun(const struct sip_framer *f);

/* Octets of memory that it holds. */
size_t sip_framer_memory(const struct sip_framer *f);

#endif
