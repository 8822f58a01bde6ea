/* The port through which the edge's core has media relayed; filled by io/media_host.h, and by a stand-in in tests.
 *
 * A session lives from open to close. Ports are opened one by one as descriptions of streams need them; nothing passes before the first set.
 * Events come back to the core through whoever wires both; none comes from within a call of the port. After close exactly one MEDIA_SUMMARY
 * follows, unless MEDIA_LOST came before. */
#ifndef MEDIA_PORT_H
#define MEDIA_PORT_H

#include "media/event.h"

struct media_port {
    void *ctx;

    /* Finds a process to relay the session. ERR_EXISTS; ERR_LIMIT: as many sessions as allowed; ERR_UNREACHABLE: no process runs. */
    int (*open)(void *ctx, uint64_t session);

    /* Opens a port (even, the next one being for RTCP) for one side of a stream. ret_local: address and RTP port as bound; behind static NAT the
     * core advertises another address. Asked again with the same family it gives the same port, with the other family a new one in place of the
     * old. ERR_NOT_FOUND: no such session; ERR_RANGE: no address of that family on that side, or stream; ERR_LIMIT: no port is free; ERR_IO. */
    int (*bind)(void *ctx, uint64_t session, unsigned stream, enum media_side side, uint8_t family,
                struct addr *ret_local);

    /* The whole description, the first and each changed one. Streams that it calls MEDIA_OFF lose their ports; ports bound for streams beyond
     * stream_count wait for a later description. */
    void (*set)(void *ctx, const struct media_session *session);

    /* All ports are closed and rest for a while before they are used again. Unknown sessions are ignored. */
    void (*close)(void *ctx, uint64_t session);

    /* Figures of a few seconds ago. ERR_NOT_FOUND: no such session, or none have come yet. */
    int (*figures)(void *ctx, uint64_t session, struct media_summary *ret_summary);
};

#endif
