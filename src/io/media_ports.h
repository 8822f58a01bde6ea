/* Free ports of one address and one worker: pairs of an even port for RTP and the next one for RTCP. Opening a socket costs more than all else that a call
 * needs of a worker, so those that were opened stay so for a while and are handed out first: in the order in which they were given back; the others in a random one.
 * None is handed out before it has rested: what is still on its way to a call that has ended must not reach another. */
#ifndef IO_MEDIA_PORTS_H
#define IO_MEDIA_PORTS_H

#include "base/addr.h"
#include "base/entropy.h"
#include "base/time.h"

struct media_ports;

/* Of the pairs within port_min … port_max every shares-th, from the share-th on. ERR_RANGE: there are none. */
struct media_ports_range {
    uint16_t port_min, port_max;
    unsigned share, shares;
};
int media_ports_new(const struct addr *address, const struct media_ports_range *range, const struct entropy *entropy,
                    struct media_ports **ret_ports);
void media_ports_free(struct media_ports *p); /* NULL is allowed */

/* With port 0. */
struct addr media_ports_address(const struct media_ports *p);

/* ERR_LIMIT: all are taken or rest. */
int media_ports_take(struct media_ports *p, struct mono now, uint16_t *ret_port, bool *ret_is_open);

/* It may be taken again from that moment on, which is not before that of the one that was given back before it. */
void media_ports_give_back(struct media_ports *p, uint16_t port, struct mono rested, bool is_open);

/* One that is open and could have been taken for so long; it is taken for closed from now on. False: there is none. */
bool media_ports_close_idle(struct media_ports *p, struct mono rested_before, uint16_t *ret_port);

/* Whoever had them open is gone. */
void media_ports_all_closed(struct media_ports *p);

#endif
