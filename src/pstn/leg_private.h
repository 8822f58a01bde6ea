/* What ua.c tells leg.c. Private to both. */
#ifndef PSTN_LEG_PRIVATE_H
#define PSTN_LEG_PRIVATE_H

#include "pstn/leg.h"

void leg_free(struct leg *l);
void leg_receive(struct leg *l, const struct sip_event *event); /* a request inside of it */
void leg_cancelled(struct leg *l, const struct sip_event *event);
void leg_acknowledged(struct leg *l, const struct sip_message *ack);
void leg_heard(struct leg_client *c, unsigned status, const struct sip_message *response); /* NULL: none came */
void leg_late(struct leg *l, const struct sip_message *response); /* 2xx to an INVITE that has its answer already */

#endif
