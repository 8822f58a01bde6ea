/* Free ports of one address: pairs of an even port for RTP and the next one for RTCP. They are handed out in the order in which they were given back, the
 * first time in a random one, and never before they have rested: what is still on its way to a call that has ended must not reach another. */
#ifndef IO_MEDIA_PORTS_H
#define IO_MEDIA_PORTS_H

#include "base/addr.h"
#include "base/entropy.h"
#include "base/time.h"

struct media_ports;

/* The pairs within port_min … port_max. ERR_RANGE: there are none. */
int media_ports_new(const struct addr *address, uint16_t port_min, uint16_t port_max, const struct entropy *entropy,
                    struct media_ports **ret_ports);
void media_ports_free(struct media_ports *p); /* NULL is allowed */

/* With port 0. */
struct addr media_ports_address(const struct media_ports *p);

/* ERR_LIMIT: all are taken or rest. */
int media_ports_take(struct media_ports *p, struct mono now, uint16_t *ret_port);

/* It may be taken again from that moment on. */
void media_ports_give_back(struct media_ports *p, uint16_t port, struct mono rested);

#endif
