/* Fax over IP (T.38): the frame of a UDPTL datagram, checked so that nothing else passes through a port that was opened for it. What is inside of the
 * IFP packets is the business of the fax machines. */
#ifndef MEDIA_UDPTL_H
#define MEDIA_UDPTL_H

#include "base/err.h"
#include "base/slice.h"

#define UDPTL_SECONDARIES_MAX 64

struct udptl_view {
    uint16_t sequence;
    struct slice primary; /* IFP packet */
    bool has_fec;
    unsigned secondary_count; /* earlier IFP packets, or parity packets, that come along */
};

/* T.38 9.1, aligned packed encoding. 0, ERR_TRUNCATED, ERR_SYNTAX, ERR_RANGE (no primary packet), ERR_LIMIT. ret_fault may be NULL. */
int udptl_read(struct slice octets, struct udptl_view *ret_view, struct fault *ret_fault);

#endif
