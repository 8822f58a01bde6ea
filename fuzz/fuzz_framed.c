/* A stream of link frames: each is refused, or encoded to the octets that it took; fragments inside go through reassembly. */
#include "reload/fragment.h"
#include "reload/frame.h"
#include "reload/message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void reassemble(struct reload_reassembly *reassembly, struct mono now, struct slice octets)
{
    struct region region;
    struct buf whole;
    region_init(&region, RELOAD_REGION_OCTETS_MAX);
    buf_init(&whole, RELOAD_MESSAGE_OCTETS_MAX);
    struct reload_header header;
    struct fault fault;
    const struct id neighbor = {{1}};
    if (!reload_header_decode(octets, &region, &header, &fault) &&
        !reload_reassembly_input(reassembly, now, neighbor, octets, &header, &whole)) {
        /* What comes out has a header of its own length and is no fragment. */
        if (reload_header_decode(buf_slice(&whole), &region, &header, &fault) || !reload_header_is_whole(&header))
            abort();
    }
    if (reassembly->octets > RELOAD_REASSEMBLY_OCTETS_MAX)
        abort();
    buf_fini(&whole);
    region_fini(&region);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice stream = slice_of(data, size);
    struct reload_reassembly reassembly;
    struct reload_ack_window window;
    reload_reassembly_init(&reassembly, RELOAD_MESSAGE_OCTETS_DEFAULT);
    reload_ack_window_init(&window);
    for (struct mono now = {0}; stream.n; now = mono_after_ms(now, 100)) {
        struct reload_frame frame;
        struct fault fault;
        size_t octets = 0;
        if (reload_frame_decode(stream, RELOAD_MESSAGE_OCTETS_DEFAULT, &frame, &octets, &fault))
            break;
        if (octets == 0 || octets > stream.n)
            abort();
        struct buf out;
        buf_init(&out, size);
        reload_frame_encode(&frame, &out);
        if (out.err || !slice_eq(buf_slice(&out), slice_of(stream.p, octets)))
            abort();
        buf_fini(&out);
        if (frame.type == RELOAD_FRAME_DATA) {
            if (reload_ack_window_receive(&window, frame.sequence).received & 1)
                abort();
            reassemble(&reassembly, now, frame.message);
        }
        stream = slice_of(stream.p + octets, stream.n - octets);
    }
    reload_reassembly_fini(&reassembly);
    return 0;
}
