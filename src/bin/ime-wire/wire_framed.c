/* ime-wire framed: each line is a stream of link frames (RFC 6940 6.6.2) with RELOAD messages in them. */
#include "print_reload.h"
#include "reload/frame.h"
#include "wire.h"

/* The message is encoded apart, because its frame needs its length first. */
static int print_data(const struct reload_frame *frame, struct print *p, struct buf *reencoded, struct fault *ret_fault)
{
    struct buf message;
    buf_init(&message, RELOAD_MESSAGE_OCTETS_MAX);
    print_object(p, "message");
    int err = print_reload(frame->message, p, reencoded ? &message : NULL, ret_fault);
    if (err)
        print_octets(p, "octets", frame->message);
    print_end(p);
    if (!err && reencoded) {
        struct reload_frame again = {.type = frame->type, .sequence = frame->sequence, .message = buf_slice(&message)};
        err = reload_frame_encode(&again, reencoded);
    }
    buf_fini(&message);
    return err;
}

static int print_frame(const struct reload_frame *frame, size_t octet, struct print *p, struct buf *reencoded,
                       struct fault *ret_fault)
{
    int err = 0;
    print_object(p, NULL);
    print_number(p, "octet", octet);
    print_code(p, "type", frame->type, reload_frame_name(frame->type));
    if (frame->type == RELOAD_FRAME_ACK) {
        print_number(p, "ack_sequence", frame->sequence);
        print_number_hex(p, "received", frame->received, 4);
        err = reencoded ? reload_frame_encode(frame, reencoded) : 0;
    } else {
        print_number(p, "sequence", frame->sequence);
        err = print_data(frame, p, reencoded, ret_fault);
        ret_fault->octet += octet + RELOAD_FRAME_DATA_HEAD_OCTETS;
    }
    print_end(p);
    return err;
}

static int decode(struct slice octets, struct print *p, struct buf *reencoded, struct fault *ret_fault)
{
    int err = 0;
    print_list(p, "frames");
    for (size_t at = 0; !err && at < octets.n;) {
        struct reload_frame frame;
        size_t taken;
        err = reload_frame_decode(slice_of(octets.p + at, octets.n - at), RELOAD_MESSAGE_OCTETS_MAX, &frame, &taken,
                                  ret_fault);
        if (err == ERR_TRUNCATED) {
            *ret_fault = (struct fault){octets.n, "end inside a FramedMessage, RFC 6940 6.6.2"};
        } else if (err) {
            ret_fault->octet += at;
        } else {
            err = print_frame(&frame, at, p, reencoded, ret_fault);
            at += taken;
        }
    }
    print_end(p);
    return err;
}

const struct wire_command wire_framed = {
    .name = "framed",
    .summary = "a stream of link frames with RELOAD messages (RFC 6940 6.6.2)",
    .decode = decode,
    .option = print_reload_option,
    .options_help = print_reload_options_help,
};
