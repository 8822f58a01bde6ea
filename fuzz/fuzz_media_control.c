/* What the signalling process and a media worker say to each other: what is decoded encodes to the same octets. */
#include "base/buf.h"
#include "media/control.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct media_control message;
    struct fault fault = {0};
    if (media_control_decode(slice_of(data, size), &message, &fault) != 0) {
        if (!fault.rule || fault.octet > size)
            abort();
        return 0;
    }
    struct buf b;
    buf_init(&b, MEDIA_CONTROL_OCTETS_MAX);
    /* Thresholds of quality lose what is beyond their precision. */
    if (media_control_encode(&message, &b) != 0 ||
        (message.kind != MEDIA_CONTROL_CONFIGURE && !slice_eq(buf_slice(&b), slice_of(data, size))))
        abort();
    buf_fini(&b);
    return 0;
}
