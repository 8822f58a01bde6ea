/* Frames of a link and the receiver's window, RFC 6940 6.6.2. */
#include "reload/frame.h"

#include "base/reader.h"

static int fail(int err, size_t octet, const char *rule, struct fault *ret_fault)
{
    *ret_fault = (struct fault){octet, rule};
    return err;
}

/* The octets are all there: these reads cannot fail. */
static int decode_ack(struct reader *r, struct reload_frame *ret_frame, size_t *ret_octets)
{
    struct reload_frame frame = {.type = RELOAD_FRAME_ACK};
    frame.sequence = read_u32(r, "ack_sequence, RFC 6940 6.6.2");
    frame.received = read_u32(r, "received, RFC 6940 6.6.2");
    *ret_frame = frame;
    *ret_octets = RELOAD_FRAME_ACK_OCTETS;
    return 0;
}

static int decode_data(struct reader *r, struct slice stream, size_t message_octets_max, struct reload_frame *ret_frame,
                       size_t *ret_octets, struct fault *ret_fault)
{
    struct reload_frame frame = {.type = RELOAD_FRAME_DATA};
    frame.sequence = read_u32(r, "sequence, RFC 6940 6.6.2");
    size_t length = read_u24(r, "message length, RFC 6940 6.6.2");
    size_t there = stream.n - RELOAD_FRAME_DATA_HEAD_OCTETS;
    frame.message = slice_of(stream.p + RELOAD_FRAME_DATA_HEAD_OCTETS, length < there ? length : there);
    if (length > message_octets_max) {
        *ret_frame = frame;
        return fail(ERR_LIMIT, 5, "message length, RFC 6940 6.6", ret_fault);
    }
    *ret_octets = RELOAD_FRAME_DATA_HEAD_OCTETS + length;
    if (length > there)
        return ERR_TRUNCATED;
    *ret_frame = frame;
    return 0;
}

int reload_frame_decode(struct slice stream, size_t message_octets_max, struct reload_frame *ret_frame,
                        size_t *ret_octets, struct fault *ret_fault)
{
    if (stream.n == 0) {
        *ret_octets = 1;
        return ERR_TRUNCATED;
    }
    struct reader r;
    reader_init(&r, stream);
    uint8_t type = read_u8(&r, "FramedMessage type, RFC 6940 6.6.2");
    if (type != RELOAD_FRAME_DATA && type != RELOAD_FRAME_ACK)
        return fail(ERR_SYNTAX, 0, "FramedMessage type, RFC 6940 6.6.2", ret_fault);
    size_t head = type == RELOAD_FRAME_DATA ? RELOAD_FRAME_DATA_HEAD_OCTETS : RELOAD_FRAME_ACK_OCTETS;
    if (stream.n < head) {
        *ret_octets = head;
        return ERR_TRUNCATED;
    }
    if (type == RELOAD_FRAME_ACK)
        return decode_ack(&r, ret_frame, ret_octets);
    return decode_data(&r, stream, message_octets_max, ret_frame, ret_octets, ret_fault);
}

int reload_frame_encode(const struct reload_frame *frame, struct buf *out)
{
    buf_u8(out, frame->type);
    buf_u32(out, frame->sequence);
    if (frame->type == RELOAD_FRAME_ACK)
        buf_u32(out, frame->received);
    else
        buf_opaque(out, 3, frame->message);
    return out->err;
}

void reload_ack_window_init(struct reload_ack_window *window)
{
    *window = (struct reload_ack_window){0};
}

struct reload_frame reload_ack_window_receive(struct reload_ack_window *window, uint32_t sequence)
{
    struct reload_frame ack = {.type = RELOAD_FRAME_ACK, .sequence = sequence};
    for (unsigned i = 0; i < window->count; i++) {
        uint32_t before = sequence - window->sequences[i];
        if (before > 0 && before < RELOAD_ACK_WINDOW)
            ack.received |= UINT32_C(1) << before;
    }
    window->sequences[window->next] = sequence;
    window->next = (window->next + 1) % RELOAD_ACK_WINDOW;
    if (window->count < RELOAD_ACK_WINDOW)
        window->count++;
    return ack;
}
