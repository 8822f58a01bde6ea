/* Link framing, RFC 6940 6.6.2: each message travels over one hop in a data frame, and is answered by an ack frame. */
#ifndef RELOAD_FRAME_H
#define RELOAD_FRAME_H

#include "base/buf.h"
#include "base/err.h"
#include "reload/codes.h"

#define RELOAD_FRAME_DATA_HEAD_OCTETS 8 /* type, sequence, length */
#define RELOAD_FRAME_ACK_OCTETS 9

/* FramedMessage. */
struct reload_frame {
    uint8_t type;         /* RELOAD_FRAME_DATA or RELOAD_FRAME_ACK */
    uint32_t sequence;    /* of the data, or the one acknowledged */
    uint32_t received;    /* ACK: bit k (value 1 << k) says that sequence - k has been received */
    struct slice message; /* DATA; points into the input */
};

/* The next frame of a stream. Returns 0 and how many octets it took; ERR_TRUNCATED with no fault when more octets must come first
 * (as many as ret_octets says, counted from the start of the input); ERR_LIMIT with the octet of the length when the message is
 * longer than message_octets_max: ret_frame then holds sequence and the part of the message that has arrived, for an
 * Error_Message_Too_Large; ERR_SYNTAX for an unknown type. After an error the stream cannot be read on. */
int reload_frame_decode(struct slice stream, size_t message_octets_max, struct reload_frame *ret_frame,
                        size_t *ret_octets, struct fault *ret_fault);

int reload_frame_encode(const struct reload_frame *frame, struct buf *out);

/* The receiver's memory of the 32 packets received last on a connection. */
#define RELOAD_ACK_WINDOW 32
struct reload_ack_window {
    uint32_t sequences[RELOAD_ACK_WINDOW];
    unsigned count;
    unsigned next;
};

void reload_ack_window_init(struct reload_ack_window *window);

/* Notes a received data frame and gives the ack for it. Sequence numbers wrap. */
struct reload_frame reload_ack_window_receive(struct reload_ack_window *window, uint32_t sequence);

#endif
